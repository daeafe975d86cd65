//! Errors and intervals of every figure, beside what the catalogue expects of them.

use super::{Plan, Row, around, counted::Town, noisy, quantile, share_row};
use crate::{
    bench::BenchError,
    disclosure::{
        Catalogue, Geography, Indicator, Level, Measure, ReachArea, Release, Released,
        catalogue::{Assumed, Base},
        display::{self, NoisySum},
        expected::expected_errors,
        figure,
    },
    domain::AreaCode,
};
use rand::{SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;

/// What intervals must cover, where there are so many that sampling leaves open less.
const COVERAGE: (f64, f64) = (0.945, 0.955);
/// Errors are compared, and intervals counted, of figures that are at least so many times as large as what is
/// withheld: of smaller ones those are shown whose noise is upward.
const CLEARLY_SHOWN: f64 = 1.5;
/// Added to a cell and to its truth, so that an interval's end is not cut at 0.
const FAR_FROM_ZERO: f64 = 100_000.0;

/// A figure's name and level.
type Name = (String, Level);

/// The errors of one indicator or part at one level.
#[derive(Default)]
struct Errors {
    printed: Option<f64>,
    expected: f64,
    /// Within what was expected for each, by half a count less and half a count more.
    inside: [u64; 2],
    errors: Vec<f64>,
}

/// How often intervals covered.
#[derive(Default, Clone, Copy)]
struct Covered {
    intervals: u64,
    covered: u64,
}

impl Covered {
    fn look(&mut self, (lower, upper): (f64, f64), truth: f64) {
        self.intervals += 1;
        self.covered += u64::from(lower <= truth && truth <= upper);
    }
}

/// What is measured, over all draws.
struct Measured {
    errors: BTreeMap<Name, Errors>,
    /// Of cells, counts, shares, balances and gaps, and of whatever is shown.
    covered: [Covered; 6],
}

pub(super) fn measure(town: &Town, plan: &Plan) -> Result<Vec<Row>, BenchError> {
    let mut measured = Measured { errors: BTreeMap::new(), covered: [Covered::default(); 6] };
    for error in expected_errors(&town.catalogue, &town.geography) {
        let name = named(error.indicator.as_str(), error.part.as_deref());
        measured.errors.entry((name, error.level)).or_default().printed = Some(error.margin);
    }
    let asked = Asked::all(town)?;
    for draw in 0..plan.draws {
        for (number, exact) in town.quarters.iter().enumerate() {
            let seed = plan.seed ^ u64::from(draw) << 32 ^ number as u64;
            let release = noisy(exact, &mut StdRng::seed_from_u64(seed));
            measured.look_at_cells(exact, &release);
            for asked in asked.iter().filter(|asked| asked.quarter == number) {
                measured.look(town, asked, &release)?;
            }
        }
    }
    Ok(measured.rows())
}

fn named(indicator: &str, part: Option<&str>) -> String {
    part.map_or_else(|| indicator.to_owned(), |part| format!("{indicator}.{part}"))
}

/// One figure of one area and quarter, with its truth and what is expected of its error.
struct Asked<'a> {
    quarter: usize,
    indicator: &'a Indicator,
    part: Option<&'a str>,
    measure: &'a Measure,
    area: AreaCode,
    level: Level,
    rows: Vec<usize>,
    truth: f64,
    /// What is counted, or counted out of.
    size: f64,
    expected: f64,
    /// What half a person is, in the figure's unit.
    half: f64,
}

impl<'a> Asked<'a> {
    fn all(town: &'a Town) -> Result<Vec<Self>, BenchError> {
        let mut all = Vec::new();
        for (quarter, exact) in town.quarters.iter().enumerate() {
            for (level, area) in exact.geography.all_areas() {
                for indicator in &town.catalogue.indicators {
                    let parts = indicator.parts().map(|part| Some(part.id.as_str()));
                    for part in std::iter::once(None).chain(parts) {
                        let place = (quarter, level, &area);
                        all.extend(Self::new(town, exact, place, (indicator, part))?);
                    }
                }
            }
        }
        Ok(all)
    }

    /// `None` where the figure is not published for the area or has nothing to be out of.
    fn new(
        town: &'a Town,
        exact: &Release,
        (quarter, level, area): (usize, Level, &AreaCode),
        (indicator, part): (&'a Indicator, Option<&'a str>),
    ) -> Result<Option<Self>, BenchError> {
        let measure = indicator.measure_of(part)?;
        let Some(table) = exact.table(measure.table()) else { return Ok(None) };
        let rows = match exact.geography.locate(area) {
            Some((_, rows)) if table.base == Base::ReachArea => rows,
            Some((Level::Authority, _)) => vec![0],
            _ => return Ok(None),
        };
        let (one, other) = sums(measure.cells(), measure, exact, &rows);
        let truth = value(measure, exact, &rows);
        let size = match measure {
            Measure::Count { .. } => one,
            Measure::Share { .. } => other,
            Measure::Balance { .. } => one.max(other),
            Measure::Gap { .. } => {
                let against = measure.against().unwrap_or_default();
                other.min(sums(against, measure, exact, &rows).1)
            }
        };
        if size < 1.0 {
            return Ok(None);
        }
        let counted = matches!(measure, Measure::Count { .. });
        let percent = if counted { 100.0 } else { truth.abs() };
        let expected = at_these_sizes(&town.catalogue, measure, rows.len(), (size, percent))?;
        let half = if counted { 0.5 } else { 50.0 / size };
        let area = area.clone();
        Ok(Some(Self {
            quarter,
            indicator,
            part,
            measure,
            area,
            level,
            rows,
            truth,
            size,
            expected,
            half,
        }))
    }
}

/// The sums of two lists of a measure's cells over some rows.
fn sums(
    (first, second): (&[String], &[String]),
    measure: &Measure,
    release: &Release,
    rows: &[usize],
) -> (f64, f64) {
    let Some(table) = release.table(measure.table()) else { return (0.0, 0.0) };
    let of = |column: usize| rows.iter().map(|row| table.counts[*row][column]).sum::<i64>() as f64;
    let place = |cell: &String| table.cells.iter().position(|own| own == cell);
    let sum = |cells: &[String]| cells.iter().filter_map(place).map(of).sum::<f64>();
    (sum(first), sum(second))
}

/// What a measure makes of a release's cells in some rows.
fn value(measure: &Measure, release: &Release, rows: &[usize]) -> f64 {
    let (one, other) = sums(measure.cells(), measure, release, rows);
    match measure {
        Measure::Count { .. } => one,
        Measure::Share { .. } => 100.0 * one / other,
        Measure::Balance { .. } => 100.0 * one.min(other) / one.max(other),
        Measure::Gap { .. } => {
            let against = measure.against().unwrap_or_default();
            let (part, whole) = sums(against, measure, release, rows);
            100.0 * (one / other - part / whole)
        }
    }
}

/// What the catalogue's own formula expects at a size and percentage that were counted: of a
/// catalogue with this measure alone, and an authority of just so many areas and persons.
fn at_these_sizes(
    catalogue: &Catalogue,
    measure: &Measure,
    areas: usize,
    (size, percent): (f64, f64),
) -> Result<f64, BenchError> {
    let Some(first) = catalogue.indicators.first() else { return Ok(0.0) };
    let alone = Catalogue {
        version: String::new(),
        tables: catalogue.table(measure.table()).into_iter().cloned().collect(),
        indicators: vec![Indicator {
            measure: measure.clone(),
            assumed: Assumed { per_thousand: 1_000, percent: nearest(percent) },
            by: Vec::new(),
            ..first.clone()
        }],
    };
    let area = |number: usize| {
        Ok::<_, BenchError>(ReachArea {
            code: format!("A{number}").parse()?,
            cluster: "K".parse()?,
            lead_agency: None,
            lsoas: Vec::new(),
            under_fives: if number == 0 { nearest(size) } else { 0 },
        })
    };
    let areas = (0..areas).map(area).collect::<Result<_, _>>()?;
    let place = Geography::new(String::new(), "W".parse()?, areas)?;
    let errors = expected_errors(&alone, &place);
    let whole = errors.iter().find(|error| error.level == Level::Authority);
    Ok(whole.map_or(0.0, |error| error.margin))
}

/// The nearest whole number of a count or percentage.
fn nearest(value: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "persons of a place, or a percentage"
    )]
    let whole = value.round().clamp(0.0, 1e9) as u32;
    whole
}

impl Measured {
    /// Every cell of one draw, small and empty ones too.
    fn look_at_cells(&mut self, exact: &Release, release: &Release) {
        let pairs = exact.tables.iter().zip(&release.tables);
        for (exact, noisy) in pairs.filter(|(exact, _)| exact.variance > 0) {
            let variance = f64::from(noisy.variance);
            for (exact, noisy) in exact.counts.iter().flatten().zip(noisy.counts.iter().flatten()) {
                let value = *noisy as f64 + FAR_FROM_ZERO;
                let shown = display::count(NoisySum { value, variance });
                self.covered[0].look((shown.lower, shown.upper), *exact as f64 + FAR_FROM_ZERO);
            }
        }
    }

    /// One figure of one draw.
    fn look(
        &mut self,
        town: &Town,
        asked: &Asked<'_>,
        release: &Release,
    ) -> Result<(), BenchError> {
        let Asked { indicator, part, measure, area, truth, .. } = asked;
        let read = figure(&town.catalogue, release, &indicator.id, *part, area)?;
        let kind = match measure {
            Measure::Count { .. } => 1,
            Measure::Share { .. } => 2,
            Measure::Balance { .. } => 3,
            Measure::Gap { .. } => 4,
        };
        let is_clear = asked.size >= CLEARLY_SHOWN * read.withheld_below;
        if let Released::Shown(reading) = read.value {
            let interval = (reading.lower, reading.upper);
            self.covered[5].look(interval, *truth);
            if is_clear {
                self.covered[kind].look(interval, *truth);
            }
        }
        // Of a gap the catalogue takes both sides to be as the smaller: no formula for this one.
        if !is_clear || matches!(measure, Measure::Gap { .. }) {
            return Ok(());
        }
        let error = (value(measure, release, &asked.rows) - truth).abs();
        let name = (named(indicator.id.as_str(), *part), asked.level);
        let errors = self.errors.entry(name).or_default();
        errors.expected += asked.expected;
        errors.inside[0] += u64::from(error <= asked.expected - asked.half);
        errors.inside[1] += u64::from(error <= asked.expected + asked.half);
        errors.errors.push(error);
        Ok(())
    }

    fn rows(self) -> Vec<Row> {
        let mut rows = Vec::new();
        for ((name, level), mut found) in self.errors {
            let values = found.errors.len() as u64;
            if values == 0 {
                continue;
            }
            let level = match level {
                Level::ReachArea => "reach_area",
                Level::Cluster => "cluster",
                Level::LeadAgency => "lead_agency",
                Level::Authority => "authority",
            };
            let off = around(0.95, values);
            // Whole counts leave open half a count: both ends are looked at.
            let [less, more] = found.inside;
            let low = share_row(("error", &name, level), (more, values), (0.95 - off, 1.0));
            let mut row = share_row(("error", &name, level), (less, values), (0.0, 0.95 + off));
            row.met &= low.met;
            row.share = (f64::midpoint(row.share, low.share) * 1e4).round() / 1e4;
            row.low = low.low.max(0.0);
            row.high = row.high.min(1.0);
            row.printed = found.printed.map(|printed| (printed * 1e3).round() / 1e3);
            row.expected = Some((found.expected / values as f64 * 1e3).round() / 1e3);
            row.measured = Some(quantile(&mut found.errors));
            rows.push(row);
        }
        // Near balance the image of an interval covers more often, and so do shown small ones
        // where the noise was upward less often.
        let kinds = [
            ("cells", COVERAGE),
            ("counts", COVERAGE),
            ("shares", COVERAGE),
            ("balances", (COVERAGE.0, 1.0)),
            ("gaps", (COVERAGE.0, 1.0)),
            ("all that is shown", (0.93, 0.97)),
        ];
        for ((name, (low, high)), covered) in kinds.into_iter().zip(self.covered) {
            let Covered { intervals, covered } = covered;
            let off = around(0.95, intervals);
            let bounds = (low.min(0.95 - off), high.max((0.95 + off).min(1.0)));
            if intervals > 0 {
                rows.push(share_row(("coverage", name, "all"), (covered, intervals), bounds));
            }
        }
        rows
    }
}
