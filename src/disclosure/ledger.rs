//! The one budget of a deployment, in rho of zero-concentrated differential privacy.
//!
//! Why it exists: noise protects one release; what protects a childhood is that all
//! releases together are paid for from one account, whose limits all controllers signed.
//!
//! Neighbours differ in one person's records: changing them moves the person between
//! cells, so that a table costs cap / variance a period, twice the add-or-remove figure.
//! Rho adds up over tables and periods. The ledger is derived from the releases
//! themselves and stored nowhere else, so it cannot disagree with them.

use super::{
    DisclosureError,
    catalogue::{Catalogue, Table},
    release::Release,
};
use crate::domain::{Quarter, TableId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeMap, fmt, iter::Sum, ops::Add, str::FromStr};

const NANO: u64 = 1_000_000_000;

/// An amount of zero-concentrated differential privacy, in whole thousand-millionths.
/// Costs are rounded up, so sums never understate. Written as a decimal, in JSON a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rho {
    nano: u64,
}

impl Rho {
    /// What `periods` of a table cost: cap x periods / variance.
    #[must_use]
    pub const fn of(cap: u32, periods: u32, variance: u32) -> Self {
        // At most 2^32 * 2^32 * 10^9 in 128 bits.
        let cost = (cap as u128 * periods as u128 * NANO as u128).div_ceil(if variance == 0 {
            1
        } else {
            variance as u128
        });
        if cost > u64::MAX as u128 {
            return Self { nano: u64::MAX };
        }
        #[expect(clippy::cast_possible_truncation, reason = "compared just above")]
        Self { nano: cost as u64 }
    }

    /// As a number, for the conversions.
    #[must_use]
    pub fn value(self) -> f64 {
        self.nano as f64 / 1e9
    }
}

impl Add for Rho {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { nano: self.nano.saturating_add(other.nano) }
    }
}

impl Sum for Rho {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Rho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.nano / NANO, self.nano % NANO)
    }
}

/// A text was no amount of rho. Holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of rho: write a decimal with at most 9 places, like 0.13")]
pub struct InvalidRho;

impl FromStr for Rho {
    type Err = InvalidRho;
    fn from_str(text: &str) -> Result<Self, InvalidRho> {
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |s: &str, max| (1..=max).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole, 9) || !digits(places, 9) {
            return Err(InvalidRho);
        }
        let places: u64 = format!("{places:0<9}").parse().map_err(|_| InvalidRho)?;
        let whole: u64 = whole.parse().map_err(|_| InvalidRho)?;
        Ok(Self { nano: whole * NANO + places })
    }
}

impl Serialize for Rho {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rho {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

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
            quarter: Rho { nano: 128_300_000 },
            lifetime: Rho { nano: 1_416_600_000 },
            minimum_variance: 40,
        }
    }
}

/// What one quarter's release costs, and the ledger's state after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spending {
    /// This release: the sum over its tables of cap / variance.
    pub quarter: Rho,
    /// A whole lifetime under this catalogue: the sum of cap x periods / variance.
    pub lifetime: Rho,
    /// The most that any one person can have been charged so far, this release included.
    pub charged: Rho,
    /// How many releases there are, this one included.
    pub releases: u32,
    /// The limits it was held to.
    pub limits: Limits,
}

/// What a table cost in one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Charge {
    rho: Rho,
    periods: u32,
}

/// All that was spent so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    limits: Limits,
    entries: BTreeMap<Quarter, BTreeMap<TableId, Charge>>,
}

/// The cost of a catalogue's tables in one quarter.
#[must_use]
pub fn quarterly(catalogue: &Catalogue) -> Rho {
    catalogue.tables.iter().map(|table| Rho::of(table.cap, 1, table.variance)).sum()
}

/// The cost of a catalogue's tables over one person's lifetime.
#[must_use]
pub fn lifetime(catalogue: &Catalogue) -> Rho {
    catalogue.tables.iter().map(|table| Rho::of(table.cap, table.periods, table.variance)).sum()
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
            let charges = release.tables.iter().map(|table| {
                let rho = Rho::of(table.cap, 1, table.variance);
                (table.id.clone(), Charge { rho, periods: table.periods })
            });
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
        if let Some(table) = catalogue.tables.iter().find(|table| table.variance < floor) {
            let (table, variance) = (table.id.clone(), table.variance);
            return Err(DisclosureError::VarianceBelowFloor { table, variance, floor });
        }
        let mut after = self.clone();
        after.entries.insert(quarter, catalogue.tables.iter().map(charge).collect());
        let spending = Spending {
            quarter: quarterly(catalogue),
            lifetime: lifetime(catalogue),
            charged: after.charged(),
            releases: u32::try_from(after.entries.len()).unwrap_or(u32::MAX),
            limits: self.limits,
        };
        if spending.quarter > self.limits.quarter {
            let (needed, limit) = (spending.quarter, self.limits.quarter);
            return Err(DisclosureError::OverQuarterlyLimit { needed, limit });
        }
        let needed = spending.lifetime.max(spending.charged);
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
        self.entries.insert(quarter, catalogue.tables.iter().map(charge).collect());
        Ok(spending)
    }

    /// The most that one person can have been charged: for each table the dearest run of
    /// as many consecutive quarters as a person can be in it, whatever catalogue held it.
    #[must_use]
    pub fn charged(&self) -> Rho {
        let mut tables: BTreeMap<&TableId, Vec<(i32, Charge)>> = BTreeMap::new();
        for (quarter, charges) in &self.entries {
            for (table, charge) in charges {
                tables.entry(table).or_default().push((ordinal(*quarter), *charge));
            }
        }
        tables.values().map(|charges| dearest_run(charges)).sum()
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }
}

fn charge(table: &Table) -> (TableId, Charge) {
    let rho = Rho::of(table.cap, 1, table.variance);
    (table.id.clone(), Charge { rho, periods: table.periods })
}

fn ordinal(quarter: Quarter) -> i32 {
    i32::from(quarter.year()) * 4 + i32::from(quarter.number())
}

/// A run may start anywhere and lasts as long as the longest declaration allows.
fn dearest_run(charges: &[(i32, Charge)]) -> Rho {
    let periods = charges.iter().map(|(_, charge)| charge.periods).max().unwrap_or(0);
    let length = i32::try_from(periods).unwrap_or(i32::MAX);
    let run = |start: i32| -> Rho {
        let inside = |q: &i32| *q >= start && *q - start < length;
        charges.iter().filter(|(q, _)| inside(q)).map(|(_, charge)| charge.rho).sum()
    };
    charges.iter().map(|(start, _)| run(*start)).max().unwrap_or_default()
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
        // 1/40 + 1/160 + 1/40 + 1/40 + 1/50 + 1/100 + 1/90 + 1/240, each rounded up.
        assert_eq!(quarterly(&catalogue).to_string(), "0.126527779");
        // 20 (1/40 + 1/160 + 1/100 + 1/90 + 1/240) + 8/50 + 2/40.
        assert_eq!(lifetime(&catalogue).to_string(), "1.340555557");
        assert!(change_accuracy(quarterly(&catalogue).value()) < 0.60);
        assert!(change_accuracy(lifetime(&catalogue).value()) < 0.80);
        let limits = Limits::recommended();
        assert!((change_accuracy(limits.quarter.value()) - 0.60).abs() < 1e-4);
        assert!((change_accuracy(limits.lifetime.value()) - 0.80).abs() < 1e-4);
    }

    #[test]
    fn twenty_quarters_cost_what_the_catalogue_says_and_then_no_more() {
        let catalogue = Catalogue::shipped().unwrap();
        let mut ledger = Ledger::new(Limits::recommended());
        let mut q = quarter("2024Q2");
        let mut last = Rho::default();
        for n in 1..=24 {
            let spending = ledger.spend(&catalogue, q).unwrap();
            assert_eq!(spending.releases, n);
            assert!(spending.charged >= last);
            last = spending.charged;
            q = q.next();
        }
        // Quarter by quarter each cost is rounded up by itself, so a little above.
        let whole = lifetime(&catalogue);
        assert!(last >= whole && last.nano - whole.nano < 100, "{last} {whole}");
    }

    #[test]
    fn refusals_name_the_limit() {
        let mut catalogue = Catalogue::shipped().unwrap();
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
        let tight = |quarter: &str, lifetime: &str, minimum_variance| {
            Ledger::new(Limits {
                quarter: quarter.parse().unwrap(),
                lifetime: lifetime.parse().unwrap(),
                minimum_variance,
            })
            .cost(&catalogue, "2026Q1".parse().unwrap())
            .err()
        };
        assert_eq!(tight("0.126527779", "1.340555557", 40), None);
        assert!(matches!(
            tight("0.126527778", "2", 40),
            Some(DisclosureError::OverQuarterlyLimit { .. })
        ));
        assert!(matches!(
            tight("1", "1.340555556", 40),
            Some(DisclosureError::OverLifetimeLimit { .. })
        ));
        assert!(matches!(tight("1", "2", 41), Some(DisclosureError::VarianceBelowFloor { .. })));
        // A cheaper catalogue later does not wipe out what an earlier, dearer one spent.
        catalogue.tables[0].variance = 4000;
        let mut spent = ledger.charged();
        for q in ["2026Q2", "2026Q3"] {
            let next = ledger.spend(&catalogue, quarter(q)).unwrap().charged;
            assert!(next > spent);
            spent = next;
        }
    }

    #[test]
    fn a_run_counts_quarters_and_not_releases() {
        let mut catalogue = Catalogue::shipped().unwrap();
        catalogue.tables.truncate(5);
        catalogue.tables.drain(..4);
        let limits = Limits { lifetime: "9".parse().unwrap(), ..Limits::recommended() };
        let mut ledger = Ledger::new(limits);
        // Eight quarters apart: nobody can be in the table on both occasions.
        ledger.spend(&catalogue, quarter("2024Q1")).unwrap();
        let apart = ledger.spend(&catalogue, quarter("2026Q1")).unwrap();
        assert_eq!(apart.charged.to_string(), "0.020000000");
        let near = ledger.spend(&catalogue, quarter("2026Q2")).unwrap();
        assert_eq!(near.charged.to_string(), "0.040000000");
    }

    #[test]
    fn amounts_are_read_and_written_exactly() {
        for text in ["0.126527779", "12.000000000", "0.000000001"] {
            assert_eq!(text.parse::<Rho>().unwrap().to_string(), text);
        }
        assert_eq!("0.13".parse::<Rho>().unwrap().to_string(), "0.130000000");
        assert_eq!("2".parse::<Rho>().unwrap().value(), 2.0);
        for wrong in ["", ".", "1.", ".5", "-1", "+1", "1e3", "0.1234567890", "1,5"] {
            assert_eq!(wrong.parse::<Rho>(), Err(InvalidRho), "{wrong}");
        }
        assert_eq!(Rho::of(1, 1, 3).to_string(), "0.333333334");
    }
}
