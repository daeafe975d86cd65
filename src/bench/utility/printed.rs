//! What `catalogue cost` prints, against draws at the sizes that it assumes.
//!
//! The printed error is that of an area of the level's mean size, at the share and the size per
//! thousand that the catalogue assumes. So the model place has areas of one size, of 1,000 under-fives
//! each, two in a cluster and four under a lead agency, and in each of its areas just as many are
//! counted as the catalogue assumes. (At the sizes of the synthetic Coventry, which are others, the
//! same function is looked at in [`super::errors`].)

use super::{Inside, Plan, Row, level_name, named};
use crate::{
    bench::BenchError,
    disclosure::{
        Catalogue, Geography, Measure, ReachArea,
        catalogue::{Assumed, Base},
        display::least_shown,
        expected::{ExpectedError, expected_errors},
        noise::{NoiseTable, Noises},
    },
};
use rand::{SeedableRng, rngs::StdRng};

/// Reach areas of the model place.
const AREAS: usize = 16;
/// Under-fives of each.
const UNDER_FIVES: u32 = 1_000;
/// Values for each draw of the plan.
const VALUES: u32 = 200;

/// A row for each indicator and part at each level for which the figure can be shown at all.
pub(super) fn measure(catalogue: &Catalogue, plan: &Plan) -> Result<Vec<Row>, BenchError> {
    let place = place()?;
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x70_7269_6e74);
    let mut noises = Noises::default();
    let mut rows = Vec::new();
    for error in expected_errors(catalogue, &place) {
        let Some((measure, assumed)) = declared(catalogue, &error) else { continue };
        let Some(table) = catalogue.table(&error.table).filter(|table| table.variance > 0) else {
            continue;
        };
        let under_fives = f64::from(UNDER_FIVES) * f64::from(assumed.per_thousand) / 1_000.0;
        let areas = match table.base {
            Base::ReachArea => crate::bench::whole(error.assumed_size / under_fives),
            Base::Authority => 1,
        };
        let model = Model::new(measure, crate::bench::whole(error.assumed_size), assumed, areas);
        let noise = noises.of(table.variance);
        let mut inside = Inside::default();
        for _ in 0..plan.draws * VALUES {
            if let Some(value) = model.value(noise, &mut rng) {
                inside.look((value - model.truth).abs(), error.margin, model.half);
            }
        }
        let name = named(error.indicator.as_str(), error.part.as_deref());
        // Where hardly any are shown there is nothing to be wrong.
        if inside.values() >= u64::from(plan.draws * VALUES / 10) {
            let one_sided = is_at_most(measure);
            let row = inside.row(("printed", &name, level_name(error.level)), one_sided);
            rows.push(Row { printed: Some(super::places(error.margin)), ..row });
        }
    }
    Ok(rows)
}

/// Of a balance the error is folded at 100%, and of a gap the larger side is taken to be as the
/// smaller: what is printed is an upper bound.
pub(super) const fn is_at_most(measure: &Measure) -> bool {
    matches!(measure, Measure::Balance { .. } | Measure::Gap { .. })
}

fn declared<'a>(catalogue: &'a Catalogue, error: &ExpectedError) -> Option<(&'a Measure, Assumed)> {
    let indicator = catalogue.indicator(&error.indicator)?;
    match &error.part {
        None => Some((&indicator.measure, indicator.assumed)),
        Some(part) => {
            let part = indicator.part(part).ok()?;
            Some((&part.measure, part.assumed))
        }
    }
}

fn place() -> Result<Geography, BenchError> {
    let area = |number: usize| {
        Ok::<_, BenchError>(ReachArea {
            code: format!("A{number}").parse()?,
            cluster: format!("K{}", number / 2).parse()?,
            lead_agency: Some(format!("L{}", number / 4).parse()?),
            lsoas: Vec::new(),
            under_fives: UNDER_FIVES,
        })
    };
    let areas = (0..AREAS).map(area).collect::<Result<_, _>>()?;
    Ok(Geography::new(String::new(), "W".parse()?, areas)?)
}

/// A figure's cells over the areas that it is a sum of: how many are in each, and in which of its sums
/// each cell is.
struct Model {
    /// Exact count, whether it is in the first, the second, and the two sums of a gap's other side.
    cells: Vec<(i64, [bool; 4])>,
    areas: i64,
    kind: Kind,
    truth: f64,
    /// What half a person is, in the unit.
    half: f64,
}

#[derive(Clone, Copy)]
enum Kind {
    Count,
    Share,
    Balance,
    Gap,
}

impl Model {
    fn new(measure: &Measure, size: i64, assumed: Assumed, areas: i64) -> Self {
        let kind = match measure {
            Measure::Count { .. } => Kind::Count,
            Measure::Share { .. } => Kind::Share,
            Measure::Balance { .. } => Kind::Balance,
            Measure::Gap { .. } => Kind::Gap,
        };
        let (first, second) = measure.cells();
        let (third, fourth) = measure.against().unwrap_or_default();
        let sums = [first, second, third, fourth];
        let mut names: Vec<&String> = sums.into_iter().flatten().collect();
        names.sort();
        names.dedup();
        let part = (size * i64::from(assumed.percent) + 50) / 100;
        let mut cells: Vec<(i64, [bool; 4])> =
            names.iter().map(|name| (0, sums.map(|sum| sum.contains(name)))).collect();
        // The first cell of a kind takes all of that kind.
        let mut put = |count: i64, fits: fn([bool; 4]) -> bool| {
            if let Some(cell) = cells.iter_mut().find(|(_, of)| fits(*of)) {
                cell.0 += count;
            }
        };
        match kind {
            Kind::Count => put(size, |of| of[0]),
            Kind::Share => {
                put(part, |of| of[0]);
                put(size - part, |of| of[1] && !of[0]);
            }
            Kind::Balance => {
                put(part, |of| of[0] && !of[1]);
                put(size, |of| of[1] && !of[0]);
            }
            Kind::Gap => {
                put(part, |of| of[0]);
                put(size - part, |of| of[1] && !of[0]);
                put(part, |of| of[2]);
                put(size - part, |of| of[3] && !of[2]);
            }
        }
        let exact = |sum: usize| {
            cells.iter().filter(|(_, of)| of[sum]).map(|(count, _)| *count).sum::<i64>() as f64
        };
        let truth = value(kind, [0, 1, 2, 3].map(exact));
        let half = match kind {
            Kind::Count => 0.5,
            _ => half_of(truth, size as f64),
        };
        Self { cells, areas, kind, truth, half }
    }

    /// What a draw makes of it, where it is shown.
    fn value(&self, noise: &NoiseTable, rng: &mut StdRng) -> Option<f64> {
        let mut sums = [0_i64; 4];
        let mut counts = [0_i64; 4];
        for (exact, of) in &self.cells {
            let noise: i64 = (0..self.areas).map(|_| noise.draw(rng)).sum();
            for (at, _) in of.iter().enumerate().filter(|(_, is)| **is) {
                sums[at] += exact + noise;
                counts[at] += self.areas;
            }
        }
        let sums = sums.map(|sum| sum as f64);
        let variance = |sum: usize| counts[sum] as f64 * f64::from(noise.variance());
        let shown = |sum: usize| sums[sum] >= least_shown(variance(sum));
        let is_shown = match self.kind {
            Kind::Count => shown(0),
            Kind::Share => shown(1),
            Kind::Balance => shown(if sums[0] > sums[1] { 0 } else { 1 }),
            Kind::Gap => shown(1) && shown(3),
        };
        // The printed error of a count is that of any, also where it is withheld.
        (is_shown || matches!(self.kind, Kind::Count)).then(|| value(self.kind, sums))
    }
}

fn value(kind: Kind, [one, other, third, fourth]: [f64; 4]) -> f64 {
    match kind {
        Kind::Count => one,
        Kind::Share => 100.0 * one / other,
        Kind::Balance => 100.0 * one.min(other) / one.max(other),
        Kind::Gap => 100.0 * (one / other - third / fourth),
    }
}

/// What the whole persons of a percentage leave open: half a person where nearly nobody or nearly
/// everybody is counted, as then only the numerator's noise moves it, and half of that elsewhere.
pub(super) fn half_of(percent: f64, size: f64) -> f64 {
    let whole = !(5.0..=95.0).contains(&percent);
    (if whole { 50.0 } else { 25.0 }) / size
}
