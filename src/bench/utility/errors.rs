//! Errors and intervals of every figure on the counts of the place.

use super::{
    Inside, Plan, Row,
    counted::Town,
    coverage_row, level_name, named, places,
    printed::{half_of, is_at_most},
    share_row,
};
use crate::{
    bench::{BenchError, noise::drawn},
    disclosure::{
        Indicator, Level, Measure, Release, Released,
        catalogue::Base,
        display::{self, NoisySum},
        expected::margin,
        figure,
        noise::Noises,
    },
    domain::AreaCode,
};
use rand::{SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;

/// A count, or what a percentage is out of, is shown whatever the noise from so many times what is
/// withheld on: that is two deviations of its noise or more, so it lies four beyond it.
///
/// This is the population that intervals are promised for. Of smaller ones those are shown whose noise was
/// upward, and an interval ends at 0 where it would go on below it: no interval of a noisy value has
/// 95 in 100 in such a selection. What is promised there is that at most 5 in 100 of all figures,
/// whatever their size, are shown with an interval that misses.
const ALWAYS_SHOWN: f64 = 3.0;
/// Added to a cell and to its truth, so that an interval's end is not cut at 0.
const FAR_FROM_ZERO: f64 = 100_000.0;

/// A figure's name and level.
type Name = (String, Level);

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
#[derive(Default)]
struct Measured {
    errors: BTreeMap<Name, (Inside, f64, bool)>,
    /// All cells, however small, before an end is cut at 0.
    all_cells: Covered,
    /// Cells that are always shown: the interval, and the value with its margin.
    cells: Covered,
    margins: Covered,
    /// Counts, shares, balances and gaps that are always shown.
    figures: [Covered; 4],
    /// Whatever is shown.
    shown: Covered,
    /// All figures, and how many were shown with an interval that misses.
    asked: u64,
    missed: u64,
}

pub(super) fn measure(
    town: &Town,
    plan: &Plan,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    let mut measured = Measured::default();
    let asked = Asked::all(town)?;
    let mut noises = Noises::default();
    for draw in 0..plan.draws {
        for (number, exact) in town.quarters.iter().enumerate() {
            let seed = plan.seed ^ u64::from(draw) << 32 ^ number as u64;
            let release = drawn(exact, &mut noises, &mut StdRng::seed_from_u64(seed));
            measured.look_at_cells(exact, &release);
            for asked in asked.iter().filter(|asked| asked.quarter == number) {
                measured.look(town, asked, &release)?;
            }
        }
        if (draw + 1) % 10 == 0 {
            say(&format!("utility: draw {} of {}", draw + 1, plan.draws));
        }
    }
    Ok(measured.rows())
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
                        all.extend(Self::new(exact, place, (indicator, part))?);
                    }
                }
            }
        }
        Ok(all)
    }

    /// `None` where the figure is not published for the area, is exact, or has nothing to be out of.
    fn new(
        exact: &Release,
        (quarter, level, area): (usize, Level, &AreaCode),
        (indicator, part): (&'a Indicator, Option<&'a str>),
    ) -> Result<Option<Self>, BenchError> {
        let measure = indicator.measure_of(part)?;
        let Some(table) = exact.table(measure.table()).filter(|table| table.variance > 0) else {
            return Ok(None);
        };
        let rows = match exact.geography.locate(area) {
            Some((_, rows)) if table.base == Base::ReachArea => rows,
            Some((Level::Authority, _)) => vec![0],
            _ => return Ok(None),
        };
        let (one, other) = sums(measure.cells(), measure, exact, &rows);
        let size = match measure {
            Measure::Count { .. } => one,
            Measure::Share { .. } => other,
            Measure::Balance { .. } => one.max(other),
            Measure::Gap { .. } => {
                let against = measure.against().unwrap_or_default();
                other.min(sums(against, measure, exact, &rows).1)
            }
        };
        let counted = matches!(measure, Measure::Count { .. });
        if size < 1.0 && !counted {
            return Ok(None);
        }
        let truth = value(measure, exact, &rows);
        let percent = if matches!(measure, Measure::Gap { .. }) { 50.0 } else { truth };
        let expected = margin(measure, table.variance, rows.len() as f64, (size, percent));
        let half = if counted { 0.5 } else { half_of(truth, size) };
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

impl Measured {
    /// Every cell of one draw, small and empty ones too.
    fn look_at_cells(&mut self, exact: &Release, release: &Release) {
        let pairs = exact.tables.iter().zip(&release.tables);
        for (exact, noisy) in pairs.filter(|(exact, _)| exact.variance > 0) {
            let variance = f64::from(noisy.variance);
            let always = ALWAYS_SHOWN * display::least_shown(variance);
            for (exact, noisy) in exact.counts.iter().flatten().zip(noisy.counts.iter().flatten()) {
                let (truth, noisy) = (*exact as f64, *noisy as f64);
                let far = NoisySum { value: noisy + FAR_FROM_ZERO, variance };
                let far = display::count(far);
                self.all_cells.look((far.lower, far.upper), truth + FAR_FROM_ZERO);
                if truth >= always {
                    let shown = display::count(NoisySum { value: noisy, variance });
                    self.cells.look((shown.lower, shown.upper), truth);
                    let ends = (shown.value - shown.margin, shown.value + shown.margin);
                    self.margins.look(ends, truth);
                }
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
        let (kind, is_counted) = match measure {
            Measure::Count { .. } => (0, true),
            Measure::Share { .. } => (1, false),
            Measure::Balance { .. } => (2, false),
            Measure::Gap { .. } => (3, false),
        };
        self.asked += 1;
        match read.value {
            Released::Shown(reading) => {
                let interval = (reading.lower, reading.upper);
                self.shown.look(interval, *truth);
                self.missed += u64::from(*truth < reading.lower || reading.upper < *truth);
                if asked.size >= ALWAYS_SHOWN * read.withheld_below {
                    self.figures[kind].look(interval, *truth);
                }
            }
            // What errs most is too uncertain to say: without it the rest errs less than expected of all.
            Released::Uncertain => {}
            Released::Withheld if is_counted => {}
            Released::Withheld => return Ok(()),
        }
        let error = (value(measure, release, &asked.rows) - truth).abs();
        let name = (named(indicator.id.as_str(), *part), asked.level);
        let (inside, expected, at_most) = self.errors.entry(name).or_default();
        inside.look(error, asked.expected, asked.half);
        *expected += asked.expected;
        *at_most = is_at_most(measure);
        Ok(())
    }

    fn rows(self) -> Vec<Row> {
        let mut rows = Vec::new();
        for ((name, level), (mut inside, expected, at_most)) in self.errors {
            let values = inside.values().max(1) as f64;
            let row = inside.row(("error", &name, level_name(level)), at_most);
            rows.push(Row { expected: Some(places(expected / values)), ..row });
        }
        let [counts, shares, balances, gaps] = self.figures;
        // Near balance the image of an interval covers more often, and a gap's is put together from two.
        for (name, covered, at_least) in [
            ("cells", self.cells, false),
            ("cells, as value and margin", self.margins, false),
            ("all cells, before an end is cut at 0", self.all_cells, false),
            ("counts", counts, false),
            ("shares", shares, false),
            ("balances", balances, true),
            ("gaps", gaps, true),
            ("whatever is shown", self.shown, false),
        ] {
            let Covered { intervals, covered } = covered;
            if intervals > 0 {
                rows.push(coverage_row(name, (covered, intervals), at_least));
            }
        }
        let name = ("coverage", "shown with an interval that misses", "all");
        rows.push(share_row(name, (self.missed, self.asked), (0.0, 0.05)));
        rows
    }
}
