//! Released values lie around the exact counts as the catalogue predicts.

use super::*;
use crate::disclosure::{
    Released, Unit,
    catalogue::{Base, Level, Measure},
    expected::expected_errors,
    figure,
};

/// Counts of a plausible size, different for each area and cell, some of them small.
fn planted(catalogue: &Catalogue, table: usize, index: usize) -> u64 {
    let (table, area) = (&catalogue.tables[table], index / catalogue.tables[table].cells.len());
    let size = match table.id.as_str() {
        "registered" => 700,
        "engagement" => 175,
        "under_fives" => 140,
        "births" => 69,
        "prompt" => 34,
        "twos" => 24,
        "referrals" => 600,
        _ => 150,
    };
    size / 2 + (size * (u64::try_from(index).unwrap() * 7 % 11) / 10) + u64::try_from(area).unwrap()
}

fn exact_sum(catalogue: &Catalogue, table: usize, rows: &[usize], cells: &[usize]) -> f64 {
    let width = catalogue.tables[table].cells.len();
    let all = rows.iter().flat_map(|row| cells.iter().map(move |cell| row * width + cell));
    all.map(|index| planted(catalogue, table, index) as f64).sum()
}

fn rows_of(release: &Release, base: Base, area: &str) -> Vec<usize> {
    match base {
        Base::ReachArea => release.geography.locate(&area.parse().unwrap()).unwrap().1,
        Base::Authority => vec![0],
    }
}

/// Chi-square of (released - exact) / predicted deviation over seeds, cells and areas of each
/// level, in standard deviations of the statistic.
fn chi_square(released_by: &Catalogue, predicted_by: &Catalogue, area: &[&str]) -> f64 {
    let geography = geography();
    let (mut statistic, mut freedom) = (0.0, 0.0);
    for seed in 0..120 {
        let release = release_of(released_by, &geography, |t, i| planted(released_by, t, i), seed);
        for (t, table) in predicted_by.tables.iter().enumerate() {
            for area in area {
                let rows = rows_of(&release, table.base, area);
                let predicted = f64::from(table.variance) * rows.len() as f64;
                for cell in 0..table.cells.len() {
                    let counts = &release.tables[t].counts;
                    let noisy: i64 = rows.iter().map(|row| counts[*row][cell]).sum();
                    let error = noisy as f64 - exact_sum(released_by, t, &rows, &[cell]);
                    statistic += error * error / predicted;
                    freedom += 1.0;
                }
            }
        }
    }
    (statistic - freedom) / (2.0_f64 * freedom).sqrt()
}

#[test]
fn released_values_lie_around_exact_ones_with_the_predicted_error_at_every_level() {
    let right = first_quarter();
    // Each build is held to the other's catalogue, one way half its noise, one way double.
    let mut doubled = right.clone();
    doubled.tables.iter_mut().for_each(|table| table.variance *= 2);
    let reach: Vec<String> = (1..=17).map(|n| format!("CC{n:02}")).collect();
    let reach: Vec<&str> = reach.iter().map(String::as_str).collect();
    let levels: [&[&str]; 3] =
        [&reach, &["CL1", "CL2", "CL3", "CL4", "CL5", "CL6", "CL7", "CL8"], &["E08000026"]];
    for level in levels {
        let deviations = chi_square(&right, &right, level);
        assert!(deviations.abs() < 4.0, "{}: {deviations}", level[0]);
        let half = chi_square(&right, &doubled, level);
        assert!(half < -10.0, "half the noise goes unnoticed: {}: {half}", level[0]);
        let double = chi_square(&doubled, &right, level);
        assert!(double > 10.0, "double the noise goes unnoticed: {}: {double}", level[0]);
    }
}

/// The truth that a figure estimates, in its unit.
fn truth(catalogue: &Catalogue, release: &Release, measure: &Measure, area: &str) -> f64 {
    let t = catalogue.tables.iter().position(|table| table.id == *measure.table()).unwrap();
    let table = &catalogue.tables[t];
    let rows = rows_of(release, table.base, area);
    let (first, second) = measure.cells();
    let sum = |cells: &[String]| {
        let at = |cell: &String| table.cells.iter().position(|c| c == cell).unwrap();
        exact_sum(catalogue, t, &rows, &cells.iter().map(at).collect::<Vec<_>>())
    };
    let (a, b) = (sum(first), sum(second));
    if let Some((c, d)) = measure.against() {
        return 100.0 * (a / b - sum(c) / sum(d));
    }
    match measure {
        Measure::Count { .. } => a,
        Measure::Share { .. } | Measure::Gap { .. } => 100.0 * a / b,
        Measure::Balance { .. } => 100.0 * a.min(b) / a.max(b),
    }
}

/// How often each kind of interval covered its truth.
#[derive(Default)]
struct Coverage {
    intervals: u32,
    covered: u32,
    within_margin: u32,
}

impl Coverage {
    fn record(&mut self, reading: &crate::disclosure::Reading, truth: f64) {
        self.intervals += 1;
        self.covered += u32::from(reading.lower <= truth && truth <= reading.upper);
        self.within_margin += u32::from((reading.value - truth).abs() <= reading.margin);
    }

    fn rates(&self) -> (f64, f64) {
        let of = |n| f64::from(n) / f64::from(self.intervals);
        (of(self.covered), of(self.within_margin))
    }
}

#[test]
fn intervals_cover_at_95_percent_also_where_denominators_are_small() {
    let (catalogue, geography) = (first_quarter(), geography());
    let mut kinds = [Coverage::default(), Coverage::default(), Coverage::default()];
    let mut small = Coverage::default();
    for seed in 0..400 {
        let release = release_of(&catalogue, &geography, |t, i| planted(&catalogue, t, i), seed);
        for (level, area) in release.geography.all_areas() {
            for indicator in &catalogue.indicators {
                let shown = figure(&catalogue, &release, &indicator.id, None, &area);
                let Ok(shown) = shown else { continue };
                let Released::Shown(reading) = shown.value else { continue };
                let truth = truth(&catalogue, &release, &indicator.measure, area.as_str());
                let kind = match (shown.unit, &indicator.measure) {
                    (Unit::Count, _) => 0,
                    (_, Measure::Balance { .. }) => 2,
                    _ => 1,
                };
                kinds[kind].record(&reading, truth);
                if level == Level::ReachArea && indicator.id.as_str() == "two_year_take_up" {
                    small.record(&reading, truth);
                }
            }
        }
    }
    for (name, coverage) in ["counts", "shares"].iter().zip(&kinds) {
        let (covered, within) = coverage.rates();
        assert!(coverage.intervals > 20_000);
        assert!((0.945..=0.955).contains(&covered), "{name}: {covered}");
        assert!((0.945..=0.985).contains(&within), "{name}, margin: {within}");
    }
    // Near balance the image of the interval covers more often than 95%, never less.
    let (covered, _) = kinds[2].rates();
    assert!(kinds[2].intervals >= 300 && covered >= 0.92, "balances: {covered}");
    let (covered, _) = small.rates();
    assert!((0.94..=0.96).contains(&covered), "{covered}");
}

#[test]
fn measured_errors_agree_with_what_was_printed_before_counting() {
    let (catalogue, geography) = (first_quarter(), geography());
    // Counts as the catalogue assumes them, so that its prediction applies.
    let registered = |t: usize, i: usize| match catalogue.tables[t].id.as_str() {
        "registered" => [980, 420][i % 2],
        _ => 100,
    };
    let errors = expected_errors(&catalogue, &geography);
    let predicted = |id: &str, level| {
        let found = errors
            .iter()
            .find(|e| e.indicator.as_str() == id && e.part.is_none() && e.level == level);
        found.unwrap().margin
    };
    let exact_share = 70.0;
    let (mut inside, mut births_inside, mut all) = (0.0, 0.0, 0.0);
    for seed in 0..300 {
        let release = release_of(&catalogue, &geography, registered, seed);
        for row in &release.tables[at(&catalogue, "registered")].counts {
            let share = 100.0 * row[0] as f64 / row.iter().sum::<i64>() as f64;
            inside +=
                f64::from((share - exact_share).abs() <= predicted("registered", Level::ReachArea));
            all += 1.0;
        }
        for row in &release.tables[at(&catalogue, "births")].counts {
            let error = (row[0] - 100) as f64;
            births_inside += f64::from(error.abs() <= predicted("births", Level::ReachArea));
        }
    }
    let rates = [inside / all, births_inside / all];
    assert!(rates.iter().all(|rate| (0.94..=0.96).contains(rate)), "{rates:?}");
    // The design's aim for the card's first figure, at 1,400 under-fives.
    assert!(predicted("registered", Level::ReachArea) < 1.2);
    assert!(predicted("registered", Level::Authority) < 0.3);
}
