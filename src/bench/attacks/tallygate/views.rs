//! What else the attacker looks at than a release's cells, through the code that reads figures.

use super::{
    Build,
    world::{self, CLUSTER, Redrawn, World},
};
use crate::disclosure::{
    DisclosureError, Figure, Indicator, Ledger, Measure, Reading, Release, Released, Table,
    display::{self, NoisySum},
    figure, figure_of_rows,
};

/// The indicator that the ratio attack reads, and which of its table's columns it adds up.
struct Share<'a> {
    indicator: &'a Indicator,
    table: &'a Table,
    numerator: Vec<usize>,
    denominator: Vec<usize>,
}

fn columns(table: &Table, cells: &[String]) -> Vec<usize> {
    cells.iter().filter_map(|cell| table.cells.iter().position(|own| own == cell)).collect()
}

/// The first share that the child's two states are told by at all: of most of them it is in the
/// same cells, or in none.
fn telling_share<'a>(build: &'a Build, quarter: &[Release; 3], row: usize) -> Option<Share<'a>> {
    let [without, with, _] = quarter;
    build.claimed.indicators.iter().find_map(|indicator| {
        let Measure::Share { table, numerator, denominator } = &indicator.measure else {
            return None;
        };
        let table = build.claimed.table(table).filter(|table| world::is_by_area(table))?;
        let (numerator, denominator) = (columns(table, numerator), columns(table, denominator));
        let share = Share { indicator, table, numerator, denominator };
        let is_told = share.sums(without, row) != share.sums(with, row);
        (share.numerator.len() < share.denominator.len() && is_told).then_some(share)
    })
}

impl Share<'_> {
    /// What is counted, and what it is out of, in an area.
    fn sums(&self, release: &Release, row: usize) -> (f64, f64) {
        let counts = release.table(&self.table.id).and_then(|table| table.counts.get(row));
        let sum = |columns: &[usize]| -> f64 {
            counts.map_or(0.0, |counts| columns.iter().map(|c| counts[*c] as f64).sum())
        };
        (sum(&self.numerator), sum(&self.denominator))
    }
}

fn area(release: &Release, row: usize) -> &crate::domain::AreaCode {
    &release.geography.areas[row].code
}

/// The log-likelihood ratio of what stands behind a percentage of an area's card that tells:
/// every pair of noisy counts that would be displayed just so.
pub(super) fn ratio(
    build: &Build,
    quarter: &[Release; 3],
    row: usize,
) -> Result<f64, DisclosureError> {
    let [without, with, seen] = quarter;
    let Some(share) = telling_share(build, quarter, row) else { return Ok(0.0) };
    let code = area(seen, row);
    let read = figure(&build.claimed, seen, &share.indicator.id, None, code)?;
    let Released::Shown(reading) = read.value else { return Ok(0.0) };
    let variance = |cells: usize| cells as f64 * f64::from(share.table.variance);
    let (counted, rest) = (
        variance(share.numerator.len()),
        variance(share.denominator.len() - share.numerator.len()),
    );
    let behind = candidates(&reading, counted, counted + rest);
    let likelihood = |release: &Release| -> f64 {
        let (part, whole) = share.sums(release, row);
        let of = |(a, b): &(f64, f64)| {
            let (one, other) = (a - part, (b - a) - (whole - part));
            (-one * one / (2.0 * counted) - other * other / (2.0 * rest)).exp()
        };
        behind.iter().map(of).sum::<f64>()
    };
    let (without, with) = (likelihood(without), likelihood(with));
    Ok(if without > 0.0 && with > 0.0 { (with / without).ln() } else { 0.0 })
}

/// The pairs of noisy counts that are displayed as this reading.
fn candidates(reading: &Reading, part: f64, whole: f64) -> Vec<(f64, f64)> {
    let mut found = Vec::new();
    let out_of = reading.out_of.unwrap_or(0.0);
    let mut b = out_of - 3.0;
    while b <= out_of + 3.0 {
        let near = |percent: f64| (b * percent / 100.0).floor();
        let mut a = near(reading.value - 0.1);
        while a <= near(reading.value + 0.1) + 1.0 {
            let shown = display::share(
                NoisySum { value: a, variance: part },
                NoisySum { value: b, variance: whole },
                part,
            );
            let same = shown.value == reading.value
                && shown.lower == reading.lower
                && shown.upper == reading.upper;
            if same {
                found.push((a, b));
            }
            a += 1.0;
        }
        b += 1.0;
    }
    found
}

/// The log-likelihood ratio of what a cluster's card tells beyond its areas' cells: nothing,
/// where it is the display of their sum; a view of its own, where it is anything else.
pub(super) fn clusters_beyond_their_areas(
    build: &Build,
    quarter: &[Release; 3],
    row: usize,
) -> Result<f64, DisclosureError> {
    let seen = &quarter[2];
    let first = row / CLUSTER * CLUSTER;
    let cluster = &seen.geography.areas[row].cluster;
    let rows: Vec<usize> = (first..first + CLUSTER).collect();
    beyond_the_rows(build, quarter, (&rows, row), &|indicator| {
        figure(&build.claimed, seen, &indicator.id, None, cluster)
    })
}

/// The same of the back series of the area that the child's is in since the boundaries changed: of
/// a merger the display of a sum, of everything else nothing at all. Whatever else is answered
/// tells the attacker all, as `None` says.
pub(super) fn back_series(
    build: &Build,
    world: &World,
    redrawn: Redrawn,
    quarter: &[Release; 3],
    trial: usize,
) -> Result<Option<f64>, DisclosureError> {
    let seen = &quarter[2];
    let after = world.geography(Some(redrawn));
    let code = &after.areas()[redrawn.row(trial)].code;
    let located = after.rows_before(code, world.geography(None));
    let (Some((level, rows)), Redrawn::Merged) = (&located, redrawn) else {
        return Ok(located.is_none().then_some(0.0));
    };
    if !rows.contains(&trial) {
        return Ok(None);
    }
    let ratio = beyond_the_rows(build, quarter, (rows, trial), &|indicator| {
        let located = (*level, rows.clone());
        figure_of_rows(&build.claimed, seen, &indicator.id, None, code, located)
    })?;
    Ok(Some(ratio))
}

/// The log-likelihood ratio of counts read off several rows beyond what these rows' cells tell.
fn beyond_the_rows(
    build: &Build,
    [without, with, seen]: &[Release; 3],
    (rows, own): (&[usize], usize),
    read: &dyn Fn(&Indicator) -> Result<Figure, DisclosureError>,
) -> Result<f64, DisclosureError> {
    let mut ratio = 0.0;
    for indicator in &build.claimed.indicators {
        let Measure::Count { table, cells } = &indicator.measure else { continue };
        let table = build.claimed.table(table).filter(|table| world::is_by_area(table));
        // What is not due in the quarter has no figure.
        let Some(table) = table.filter(|table| seen.table(&table.id).is_some()) else { continue };
        let columns = columns(table, cells);
        let sum = |release: &Release, rows: &[usize]| -> f64 {
            let Some(table) = release.table(&table.id) else { return 0.0 };
            let line = |row: &usize| columns.iter().map(|c| table.counts[*row][*c]).sum::<i64>();
            rows.iter().map(line).sum::<i64>() as f64
        };
        let variance = (columns.len() * rows.len()) as f64 * f64::from(table.variance);
        let value = sum(seen, rows);
        let Released::Shown(reading) = read(indicator)?.value else { continue };
        let expected = display::count(NoisySum { value, variance });
        if expected.lower == reading.lower && expected.upper == reading.upper {
            continue;
        }
        let noisy = f64::midpoint(reading.lower, reading.upper) - (value - sum(seen, &[own]));
        let [without, with] = [without, with].map(|release| sum(release, &[own]));
        ratio += ((noisy - without).powi(2) - (noisy - with).powi(2)) / (2.0 * variance);
    }
    Ok(ratio)
}

/// Whether asking for an area's figures again gives other answers.
pub(super) fn answers_differ(
    build: &Build,
    release: &Release,
    row: usize,
) -> Result<bool, DisclosureError> {
    let code = area(release, row);
    let mut differ = false;
    for indicator in build.claimed.indicators.iter().take(3) {
        let ask = || figure(&build.claimed, release, &indicator.id, None, code);
        let (first, again, clone) = (ask(), ask(), ask());
        differ |= first != again || again != clone;
        // Other spellings name no area at all.
        let spelt: Option<crate::domain::AreaCode> =
            format!("{code}-").parse().ok().filter(|other| other != code);
        if let Some(other) = spelt {
            differ |= figure(&build.claimed, release, &indicator.id, None, &other).is_ok();
        }
    }
    Ok(differ)
}

/// Whether a quarter may be released again, on other boundaries.
pub(super) fn second_version_is_allowed(build: &Build, release: &Release) -> bool {
    let limits = world::without_limits();
    limits.is_ok_and(|limits| {
        Ledger::after(limits, [release]).cost(&build.built, release.quarter).is_ok()
    })
}

/// Whether anything answers that the catalogue does not hold: a part that leaves an attribute
/// out, a union of areas, an indicator of the attacker's own.
pub(super) fn answers_to_what_is_not_published(build: &Build, release: &Release) -> bool {
    let code = area(release, 0);
    let part = build.claimed.indicators.iter().any(|indicator| {
        figure(&build.claimed, release, &indicator.id, Some("without_registration"), code).is_ok()
    });
    let own = "area_without_registration".parse();
    let own = own.is_ok_and(|own| figure(&build.claimed, release, &own, None, code).is_ok());
    let union = build.claimed.indicators.iter().any(|indicator| {
        let both = "A0000-A0001".parse();
        both.is_ok_and(|both| figure(&build.claimed, release, &indicator.id, None, &both).is_ok())
    });
    part || own || union
}
