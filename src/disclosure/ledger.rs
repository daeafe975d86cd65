//! The one budget of a deployment, in rho of zero-concentrated differential privacy.
//!
//! Why it exists: noise protects one release; what protects a childhood is that all
//! releases together are paid for from one account, whose limits all controllers signed.
//!
//! Neighbours differ in one person's records: changing them moves the person between
//! cells, so that a table costs cap / variance a period, twice the add-or-remove figure.
//! Rho adds up over the tables and periods of one life; of all lives that there can be the
//! dearest counts (`lives`). Before a release, what was spent is taken together
//! with all that its catalogue would still spend on whoever lives now: a new version neither
//! gives back what was spent nor begins what it could not go on with. The ledger is derived from
//! the releases themselves and stored nowhere else, so it cannot disagree with them.

pub use super::rho::{InvalidRho, Rho};
use super::{
    DisclosureError,
    catalogue::{Catalogue, Table},
    lives::{self, Charge, Releases},
    release::Release,
};
use crate::domain::Quarter;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the signed root disclosure policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The most that one quarter's release may cost.
    pub quarter: Rho,
    /// The most that one person's lifetime may cost.
    pub lifetime: Rho,
    /// The least variance of any table.
    pub minimum_variance: u32,
}

impl Limits {
    /// Limits that hold an attacker to an accuracy of 0.60 for a quarter and of 0.80 for a
    /// lifetime: rho 0.1283 and 1.4166.
    #[must_use]
    pub const fn recommended() -> Self {
        Self {
            quarter: Rho::from_nano(128_300_000),
            lifetime: Rho::from_nano(1_416_600_000),
            minimum_variance: 40,
        }
    }
}

/// What one quarter's release costs, and the ledger's state after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spending {
    /// This release: the sum of cap / variance over the tables of the dearest person.
    pub quarter: Rho,
    /// A whole lifetime under this catalogue: the dearest of all lives.
    pub lifetime: Rho,
    /// The most that any one person can have been charged so far, this release included.
    pub charged: Rho,
    /// How many releases there are, this one included.
    pub releases: u32,
    /// The limits it was held to.
    pub limits: Limits,
}

/// All that was spent so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    limits: Limits,
    entries: Releases,
}

/// The cost of a catalogue's tables in its dearest quarter of the year.
#[must_use]
pub fn quarterly(catalogue: &Catalogue) -> Rho {
    let quarters = std::iter::successors(Some(some_quarter()), |quarter| Some(quarter.next()));
    quarters.take(4).map(|quarter| quarterly_in(catalogue, quarter)).max().unwrap_or_default()
}

/// The cost of a quarter's release, to the dearest person in it.
#[must_use]
pub fn quarterly_in(catalogue: &Catalogue, quarter: Quarter) -> Rho {
    lives::dearest_in(&charges(catalogue, quarter))
}

/// The cost of a catalogue's tables over the dearest lifetime.
#[must_use]
pub fn lifetime(catalogue: &Catalogue) -> Rho {
    lives::dearest(&lives::to_come(catalogue.tables.iter(), some_quarter()).collect()).rho
}

/// Any: a table is due in the same quarters of every year.
pub(super) fn some_quarter() -> Quarter {
    Quarter::of(Date::constant(2000, 1, 1))
}

fn charges(catalogue: &Catalogue, quarter: Quarter) -> BTreeMap<crate::domain::TableId, Charge> {
    catalogue.due_in(quarter).map(|table| (table.id.clone(), Charge::of(table))).collect()
}

impl Ledger {
    /// A ledger from which nothing is spent.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, entries: BTreeMap::new() }
    }

    /// The ledger that earlier releases leave, in any order.
    #[must_use]
    pub fn after<'a>(limits: Limits, releases: impl IntoIterator<Item = &'a Release>) -> Self {
        let mut ledger = Self::new(limits);
        for release in releases {
            let charges = release.tables.iter();
            let charges = charges.map(|table| (table.id.clone(), Charge::released(table)));
            ledger.entries.insert(release.quarter, charges.collect());
        }
        ledger
    }

    /// What a release of `quarter` would cost, without spending it.
    ///
    /// # Errors
    /// When the quarter or a later one is released already, a variance is below the floor, or
    /// the quarterly or lifetime limit would be passed. Reads no data.
    pub fn cost(
        &self,
        catalogue: &Catalogue,
        quarter: Quarter,
    ) -> Result<Spending, DisclosureError> {
        match self.entries.keys().next_back() {
            Some(last) if *last == quarter || self.entries.contains_key(&quarter) => {
                return Err(DisclosureError::AlreadyReleased(quarter));
            }
            Some(last) if *last > quarter => {
                return Err(DisclosureError::BeforeLastRelease(quarter));
            }
            _ => {}
        }
        let floor = self.limits.minimum_variance;
        // Bodies' exact counts have no noise, and `check` lets nothing else be exact.
        let quiet = |table: &&Table| 0 < table.variance && table.variance < floor;
        if let Some(table) = catalogue.tables.iter().find(quiet) {
            let (table, variance) = (table.id.clone(), table.variance);
            return Err(DisclosureError::VarianceBelowFloor { table, variance, floor });
        }
        let mut after = self.clone();
        after.entries.insert(quarter, charges(catalogue, quarter));
        let spending = Spending {
            quarter: quarterly_in(catalogue, quarter),
            lifetime: lifetime(catalogue),
            charged: after.charged(),
            releases: u32::try_from(after.entries.len()).unwrap_or(u32::MAX),
            limits: self.limits,
        };
        if spending.quarter > self.limits.quarter {
            let (needed, limit) = (spending.quarter, self.limits.quarter);
            return Err(DisclosureError::OverQuarterlyLimit { needed, limit });
        }
        let needed = self.projected(catalogue, quarter);
        if needed > self.limits.lifetime {
            let limit = self.limits.lifetime;
            return Err(DisclosureError::OverLifetimeLimit { needed, limit });
        }
        Ok(spending)
    }

    /// Spends a release's cost and returns it with the state after.
    ///
    /// # Errors
    /// As [`Ledger::cost`]; then nothing is spent.
    pub fn spend(
        &mut self,
        catalogue: &Catalogue,
        quarter: Quarter,
    ) -> Result<Spending, DisclosureError> {
        let spending = self.cost(catalogue, quarter)?;
        self.entries.insert(quarter, charges(catalogue, quarter));
        Ok(spending)
    }

    /// The most that one person can have been charged so far.
    #[must_use]
    pub fn charged(&self) -> Rho {
        lives::dearest(&self.entries).rho
    }

    /// The most that one person will have been charged when a catalogue has gone on from a
    /// quarter for as long as whoever lives now is in its tables.
    fn projected(&self, catalogue: &Catalogue, from: Quarter) -> Rho {
        let mut entries = self.entries.clone();
        entries.extend(lives::to_come(catalogue.tables.iter(), from));
        lives::dearest(&entries).rho
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::accounting::change_accuracy;

    fn quarter(text: &str) -> Quarter {
        text.parse().unwrap()
    }

    #[test]
    fn the_shipped_catalogue_keeps_to_the_recommended_limits() {
        let catalogue = Catalogue::shipped().unwrap();
        let limits = Limits::recommended();
        assert!(change_accuracy(quarterly(&catalogue).value()) < 0.60);
        assert!(change_accuracy(lifetime(&catalogue).value()) < 0.80);
        assert!(quarterly(&catalogue) < limits.quarter && lifetime(&catalogue) < limits.lifetime);
        assert!((change_accuracy(limits.quarter.value()) - 0.60).abs() < 1e-4);
        assert!((change_accuracy(limits.lifetime.value()) - 0.80).abs() < 1e-4);
    }

    #[test]
    fn twenty_five_quarters_cost_what_the_catalogue_says_and_then_no_more() {
        let catalogue = Catalogue::shipped().unwrap();
        let mut ledger = Ledger::new(Limits::recommended());
        let mut q = quarter("2024Q2");
        let mut last = Rho::default();
        for n in 1..=34 {
            let spending = ledger.spend(&catalogue, q).unwrap();
            assert_eq!(spending.releases, n);
            assert!(spending.charged >= last && spending.charged <= lifetime(&catalogue));
            last = spending.charged;
            q = q.next();
        }
        assert_eq!(last, lifetime(&catalogue));
    }

    #[test]
    fn refusals_name_the_limit() {
        let catalogue = Catalogue::shipped().unwrap();
        let mut ledger = Ledger::new(Limits::recommended());
        ledger.spend(&catalogue, quarter("2026Q1")).unwrap();
        assert_eq!(
            ledger.cost(&catalogue, quarter("2026Q1")),
            Err(DisclosureError::AlreadyReleased(quarter("2026Q1")))
        );
        assert_eq!(
            ledger.cost(&catalogue, quarter("2025Q4")),
            Err(DisclosureError::BeforeLastRelease(quarter("2025Q4")))
        );
        let tight = |quarter: Rho, lifetime: Rho, minimum_variance| {
            Ledger::new(Limits { quarter, lifetime, minimum_variance })
                .cost(&catalogue, "2026Q1".parse().unwrap())
                .err()
        };
        let less = |rho: Rho| Rho::from_nano(rho.nano() - 1);
        let (of_quarter, of_life) =
            (quarterly_in(&catalogue, quarter("2026Q1")), lifetime(&catalogue));
        assert_eq!(tight(of_quarter, of_life, 40), None);
        assert!(matches!(
            tight(less(of_quarter), of_life, 40),
            Some(DisclosureError::OverQuarterlyLimit { .. })
        ));
        assert!(matches!(
            tight(of_quarter, less(of_life), 40),
            Some(DisclosureError::OverLifetimeLimit { .. })
        ));
        assert!(matches!(
            tight(of_quarter, of_life, 61),
            Some(DisclosureError::VarianceBelowFloor { .. })
        ));
    }

    #[test]
    fn a_new_version_gives_nothing_back_and_begins_nothing_that_it_can_not_go_on_with() {
        let shipped = Catalogue::shipped().unwrap();
        // Twice the noise everywhere but a little less in one table.
        let mut dearer = shipped.clone();
        let engagement =
            |c: &Catalogue| c.tables.iter().position(|t| t.id.as_str() == "engagement");
        dearer.tables[engagement(&shipped).unwrap()].variance -= 1;
        let exactly = Limits { lifetime: lifetime(&shipped), ..Limits::recommended() };
        let mut ledger = Ledger::new(exactly);
        for q in ["2024Q1", "2024Q2", "2024Q3", "2024Q4"] {
            ledger.spend(&shipped, quarter(q)).unwrap();
        }
        assert!(matches!(
            ledger.cost(&dearer, quarter("2025Q1")),
            Err(DisclosureError::OverLifetimeLimit { .. })
        ));
        let mut cheaper = shipped.clone();
        cheaper.tables.iter_mut().for_each(|table| table.variance *= 2);
        let spent = ledger.charged();
        let after = ledger.spend(&cheaper, quarter("2025Q1")).unwrap();
        assert!(after.charged > spent && after.lifetime < lifetime(&shipped));
        // Another name for the same table is another table.
        let mut renamed = shipped.clone();
        renamed.tables.retain(|table| table.id.as_str() == "prompt");
        let one = lifetime(&renamed);
        let mut two = Ledger::new(Limits::recommended());
        two.spend(&renamed, quarter("2025Q1")).unwrap();
        two.spend(&renamed, quarter("2025Q2")).unwrap();
        assert_eq!(two.charged(), one, "once in a life");
        renamed.tables[0].id = "babies".parse().unwrap();
        two.spend(&renamed, quarter("2025Q3")).unwrap();
        assert_eq!(two.charged(), one + one);
        // A yearly table that moves to another quarter can hold a child twice, and is charged twice.
        let mut yearly = shipped.clone();
        yearly.tables.retain(|table| table.id.as_str() == "cohort_two");
        let once = lifetime(&yearly);
        let mut moved = Ledger::new(Limits::recommended());
        moved.spend(&yearly, quarter("2025Q4")).unwrap();
        yearly.tables[0].due = vec![1];
        moved.spend(&yearly, quarter("2026Q1")).unwrap();
        assert_eq!(moved.charged(), once + once);
    }

    #[test]
    fn a_yearly_table_is_charged_in_the_quarter_it_is_due_and_ages_that_exclude_each_other_once() {
        let mut catalogue = Catalogue::shipped().unwrap();
        catalogue.tables.retain(|t| ["under_fives", "neighbourhoods"].contains(&t.id.as_str()));
        let [ages, places] = &catalogue.tables[..] else { panic!("two tables") };
        assert!(ages.due != places.due && ages.due.len() == 1 && places.due.len() == 1);
        let rho = |table: &Table| Rho::of(1, 1, table.variance);
        assert_eq!(quarterly(&catalogue), rho(ages).max(rho(places)));
        assert_eq!(quarterly_in(&catalogue, quarter("2026Q3")), Rho::default());
        let five = |table| (0..5).map(|_| rho(table)).sum::<Rho>();
        assert_eq!(lifetime(&catalogue), five(ages) + five(places));
        let mut ledger = Ledger::new(Limits::recommended());
        let mut q = quarter("2020Q1");
        for _ in 0..12 {
            ledger.spend(&catalogue, q).unwrap();
            q = q.next();
        }
        let three = |table| (0..3).map(|_| rho(table)).sum::<Rho>();
        assert_eq!(ledger.charged(), three(ages) + three(places));
        // Eight quarters apart nobody can be in a table of the same two years of age.
        let mut twos = Catalogue::shipped().unwrap();
        twos.tables.retain(|t| t.id.as_str() == "twos");
        let mut apart = Ledger::new(Limits::recommended());
        apart.spend(&twos, quarter("2024Q1")).unwrap();
        assert_eq!(apart.spend(&twos, quarter("2026Q1")).unwrap().charged, rho(&twos.tables[0]));
        let near = apart.spend(&twos, quarter("2026Q2")).unwrap().charged;
        assert_eq!(near, rho(&twos.tables[0]) + rho(&twos.tables[0]));
    }
}
