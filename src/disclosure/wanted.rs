//! What a table would cost that somebody wants: noise, budget, and the margins that follow.
//!
//! Why it exists: a new table is paid for by everybody's privacy, so whoever decides on a request
//! for one sees the price beforehand. Computed from the request, the catalogue in force and the
//! limits of the root policy; nothing here can read data. The margins are those that the catalogue's own
//! tables would have. What is added to the budget is an upper bound: of a request nobody
//! knows yet whom the table holds, so it is added to the dearest quarter and to the dearest life, as if these
//! were the lives that it is in; once it stands in a catalogue with its ages and quarters, the
//! ledger may find it cheaper, never dearer. A wanted table is no table: it is counted only once it stands in a catalogue that
//! all controllers have signed.

use super::{
    accounting::{change_accuracy, epsilon},
    catalogue::{Base, Catalogue, Level, Measure},
    cost::DELTAS,
    expected::{MeanArea, margin, mean_areas},
    geography::Geography,
    ledger::{Limits, Rho, lifetime, quarterly},
};
use crate::domain::TableId;
use serde::{Deserialize, Serialize};

/// The most cells of a wanted table.
pub const MOST_CELLS: u32 = 64;
/// Variances that are costed beside the least that fits the budget.
const USUAL: [u32; 4] = [40, 100, 250, 1_000];
/// The dearest table that makes any sense: beyond it nothing can be read.
const MOST_VARIANCE: u32 = 1_000_000;

/// How often a table would be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rhythm {
    /// Every quarter.
    Quarterly,
    /// Once a year.
    Yearly,
}

/// A table that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedTable {
    /// What it is to be called.
    pub title: String,
    /// What it is wanted for: a purpose of the protocols' vocabulary.
    pub purpose: String,
    /// Why, and why what is published does not do, in the asker's words.
    pub reason: String,
    /// Its cells.
    pub cells: Vec<String>,
    /// The finest areas.
    pub base: Base,
    /// How often.
    pub rhythm: Rhythm,
    /// In how many of its periods one person can be.
    pub periods: u32,
    /// How many it splits, per 1,000 under-fives.
    pub per_thousand: u32,
}

/// What one choice of noise would mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoiseChoice {
    /// The variance of a cell.
    pub variance: u32,
    /// What it adds in a quarter that counts it.
    pub quarter: Rho,
    /// What it adds to a lifetime.
    pub lifetime: Rho,
    /// Whether catalogue and table together keep to the limits.
    pub fits: bool,
    /// How often an attacker who knows everyone else is right, after such a quarter.
    pub quarter_accuracy: f64,
    /// And after a lifetime.
    pub lifetime_accuracy: f64,
    /// The least epsilon of a lifetime at delta 1e-6.
    pub lifetime_epsilon: f64,
    /// The 95% margins at each level.
    pub margins: Vec<Margin>,
}

/// What could be read off it at one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Margin {
    /// Of which areas, at their mean size.
    pub level: String,
    /// How many the table splits there.
    pub size: f64,
    /// The margin of one cell, persons.
    pub cell: f64,
    /// The margin of half of the cells out of all, percentage points.
    pub share: f64,
}

/// The price of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Costed {
    /// What the catalogue in force costs in a quarter.
    pub catalogue_quarter: Rho,
    /// And in a lifetime.
    pub catalogue_lifetime: Rho,
    /// What the policy allows a quarter.
    pub limit_quarter: Rho,
    /// And a lifetime.
    pub limit_lifetime: Rho,
    /// The least variance that fits beside the catalogue; none where nothing is left.
    pub least_variance: Option<u32>,
    /// By variance, the least that fits among them.
    pub options: Vec<NoiseChoice>,
}

impl WantedTable {
    /// Costs it beside a catalogue, for areas, under limits.
    #[must_use]
    pub fn cost(&self, catalogue: &Catalogue, geography: &Geography, limits: Limits) -> Costed {
        let (now, ever) = (quarterly(catalogue), lifetime(catalogue));
        // Of any table: the margins hang on the noise alone.
        let table = catalogue.tables.first().map(|table| table.id.clone());
        let fits = |variance: u32| {
            now + Rho::of(1, 1, variance) <= limits.quarter
                && ever + Rho::of(1, self.periods, variance) <= limits.lifetime
                && variance >= limits.minimum_variance
        };
        let least_variance = least(limits.minimum_variance.max(1), fits);
        let mut variances: Vec<u32> = USUAL.into_iter().chain(least_variance).collect();
        variances.sort_unstable();
        variances.dedup();
        let option = |variance: u32| {
            let quarter = Rho::of(1, 1, variance);
            let whole = Rho::of(1, self.periods, variance);
            NoiseChoice {
                variance,
                quarter,
                lifetime: whole,
                fits: fits(variance),
                quarter_accuracy: change_accuracy((now + quarter).value()),
                lifetime_accuracy: change_accuracy((ever + whole).value()),
                lifetime_epsilon: epsilon((ever + whole).value(), DELTAS[0]),
                margins: table
                    .as_ref()
                    .map_or_else(Vec::new, |table| self.margins(table, geography, variance)),
            }
        };
        Costed {
            catalogue_quarter: now,
            catalogue_lifetime: ever,
            limit_quarter: limits.quarter,
            limit_lifetime: limits.lifetime,
            least_variance,
            options: variances.into_iter().map(option).collect(),
        }
    }

    /// The margins, by the function that costs the catalogue's.
    fn margins(&self, table: &TableId, geography: &Geography, variance: u32) -> Vec<Margin> {
        // Names of our own: what a cell is called does not change its price.
        let cells: Vec<String> = (0..self.cells.len()).map(|n| format!("cell_{n}")).collect();
        let half = cells[..cells.len().div_ceil(2)].to_vec();
        let one = Measure::Count { table: table.clone(), cells: vec!["cell_0".to_owned()] };
        let share =
            Measure::Share { table: table.clone(), numerator: half, denominator: cells.clone() };
        let published =
            |area: &MeanArea| self.base == Base::ReachArea || area.level == Level::Authority;
        let of = |area: MeanArea| {
            let size = area.under_fives * f64::from(self.per_thousand) / 1000.0;
            let told = |measure: &Measure| {
                margin(measure, variance, area.base_areas(self.base), (size, 50.0))
            };
            let level = level_name(area.level).to_owned();
            Margin { level, size, cell: told(&one), share: told(&share) }
        };
        mean_areas(geography).into_iter().filter(published).map(of).collect()
    }
}

/// The least variance from `floor` on that fits; more noise never fits worse.
fn least(floor: u32, fits: impl Fn(u32) -> bool) -> Option<u32> {
    if !fits(MOST_VARIANCE) {
        return None;
    }
    let (mut low, mut high) = (floor, MOST_VARIANCE);
    while low < high {
        let middle = low + (high - low) / 2;
        if fits(middle) { high = middle } else { low = middle + 1 }
    }
    Some(low)
}

/// A level as figures and files name it.
#[must_use]
pub const fn level_name(level: Level) -> &'static str {
    match level {
        Level::ReachArea => "reach_area",
        Level::Cluster => "cluster",
        Level::LeadAgency => "lead_agency",
        Level::Authority => "authority",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::{ReachArea, display::Z95};

    fn wanted() -> WantedTable {
        WantedTable {
            title: "Fathers at centres".to_owned(),
            purpose: "childrens_centre_planning".to_owned(),
            reason: "A new course".to_owned(),
            cells: ["came", "did_not"].map(str::to_owned).to_vec(),
            base: Base::ReachArea,
            rhythm: Rhythm::Yearly,
            periods: 5,
            per_thousand: 1_000,
        }
    }

    fn geography() -> Geography {
        let area = |code: &str, lsoa: u32| ReachArea {
            code: code.parse().unwrap(),
            cluster: "CL1".parse().unwrap(),
            lead_agency: None,
            lsoas: vec![crate::domain::Lsoa::from_number(lsoa).unwrap()],
            under_fives: 1_000,
        };
        let areas = vec![area("CC01", 1), area("CC02", 2)];
        Geography::new("1".into(), "E08000026".parse().unwrap(), areas).unwrap()
    }

    #[test]
    fn the_least_variance_just_fits_and_one_less_does_not() {
        let catalogue = Catalogue::shipped().unwrap();
        let limits = Limits {
            quarter: quarterly(&catalogue) + "0.002".parse().unwrap(),
            lifetime: lifetime(&catalogue) + "0.02".parse().unwrap(),
            minimum_variance: 40,
        };
        // 1 / v <= 0.002 and 5 / v <= 0.02.
        let costed = wanted().cost(&catalogue, &geography(), limits);
        assert_eq!(costed.least_variance, Some(500));
        let fit: Vec<_> = costed.options.iter().map(|o| (o.variance, o.fits)).collect();
        assert_eq!(fit, [(40, false), (100, false), (250, false), (500, true), (1_000, true)]);
        let nothing = Limits { quarter: quarterly(&catalogue), ..limits };
        assert_eq!(wanted().cost(&catalogue, &geography(), nothing).least_variance, None);
    }

    #[test]
    fn margins_are_those_of_the_noise() {
        let catalogue = Catalogue::shipped().unwrap();
        let costed = wanted().cost(&catalogue, &geography(), Limits::recommended());
        let option = costed.options.iter().find(|o| o.variance == 100).unwrap();
        let levels: Vec<_> = option.margins.iter().map(|m| m.level.as_str()).collect();
        assert_eq!(levels, ["reach_area", "cluster", "authority"]);
        let area = &option.margins[0];
        assert!((area.cell - Z95 * 10.0).abs() < 1e-9);
        // Half of two cells: sqrt(1/2) standard deviations of a cell.
        assert!((area.share - Z95 * 100.0 * 50.0_f64.sqrt() / 1000.0).abs() < 1e-9, "{area:?}");
        assert!((option.margins[2].cell - Z95 * 200.0_f64.sqrt()).abs() < 1e-9);
        assert!(option.lifetime_accuracy > change_accuracy(lifetime(&catalogue).value()));
    }
}
