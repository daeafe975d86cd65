//! Quarters and days. Days are stored as whole days since 1970-01-01 (`i32`).

use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// How long after a quarter's last day its figures may be closed.
pub const CLOSE_AFTER_DAYS: i32 = 42;

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// Whole days since 1970-01-01; negative before.
#[must_use]
pub fn epoch_day(date: Date) -> i32 {
    date.duration_since(EPOCH).as_hours().div_euclid(24).try_into().unwrap_or(i32::MAX)
}

/// The date of an epoch day; `None` beyond the years -9999..9999.
#[must_use]
pub fn date_of(epoch_day: i32) -> Option<Date> {
    EPOCH.checked_add(jiff::Span::new().try_days(epoch_day).ok()?).ok()
}

/// The date `years` after, 29 February becoming 28 February in a common year.
#[must_use]
pub fn years_after(date: Date, years: i32) -> Date {
    date.saturating_add(years.years())
}

/// The date `days` after (or before, when negative).
#[must_use]
pub fn days_after(date: Date, days: i32) -> Date {
    date.saturating_add(days.days())
}

/// A calendar quarter, written `2026Q1`; days in Europe/London.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quarter {
    year: i16,
    quarter: i8,
}

/// A text was not a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a quarter: write the year, Q and 1 to 4, like 2026Q1")]
pub struct InvalidQuarter;

impl Quarter {
    /// The quarter of a year.
    ///
    /// # Errors
    /// When `quarter` is not 1 to 4 or the year not 1900 to 2999.
    pub fn new(year: i16, quarter: i8) -> Result<Self, InvalidQuarter> {
        if (1..=4).contains(&quarter) && (1900..=2999).contains(&year) {
            Ok(Self { year, quarter })
        } else {
            Err(InvalidQuarter)
        }
    }

    /// The quarter a day falls in.
    #[must_use]
    pub fn of(date: Date) -> Self {
        Self { year: date.year(), quarter: (date.month() - 1) / 3 + 1 }
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> i16 {
        self.year
    }

    /// 1 to 4.
    #[must_use]
    pub const fn number(self) -> i8 {
        self.quarter
    }

    /// Its first day.
    #[must_use]
    pub fn first_day(self) -> Date {
        jiff::civil::date(self.year, self.quarter * 3 - 2, 1)
    }

    /// Its last day, `S` in the indicators' definitions.
    #[must_use]
    pub fn last_day(self) -> Date {
        days_after(self.next().first_day(), -1)
    }

    /// The last day on which a record may become known and still count in this quarter;
    /// the quarter may be closed on any later day.
    #[must_use]
    pub fn close_day(self) -> Date {
        days_after(self.last_day(), CLOSE_AFTER_DAYS)
    }

    /// The quarter after.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.quarter == 4 {
            Self { year: self.year + 1, quarter: 1 }
        } else {
            Self { year: self.year, quarter: self.quarter + 1 }
        }
    }

    /// The quarter before.
    #[must_use]
    pub const fn previous(self) -> Self {
        if self.quarter == 1 {
            Self { year: self.year - 1, quarter: 4 }
        } else {
            Self { year: self.year, quarter: self.quarter - 1 }
        }
    }

    /// The first quarter whose close day is not before `known`.
    #[must_use]
    pub fn first_that_knows(known: Date) -> Self {
        let mut quarter = Self::of(days_after(known, -CLOSE_AFTER_DAYS));
        while quarter.close_day() < known {
            quarter = quarter.next();
        }
        while quarter.previous().close_day() >= known {
            quarter = quarter.previous();
        }
        quarter
    }
}

impl FromStr for Quarter {
    type Err = InvalidQuarter;
    fn from_str(text: &str) -> Result<Self, InvalidQuarter> {
        let (year, quarter) = text.split_once('Q').ok_or(InvalidQuarter)?;
        if year.len() != 4 || quarter.len() != 1 {
            return Err(InvalidQuarter);
        }
        Self::new(
            year.parse().map_err(|_| InvalidQuarter)?,
            quarter.parse().map_err(|_| InvalidQuarter)?,
        )
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}Q{}", self.year, self.quarter)
    }
}

impl Serialize for Quarter {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quarter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn quarters_know_their_days() {
        let q: Quarter = "2026Q1".parse().unwrap();
        assert_eq!((q.first_day(), q.last_day()), (date(2026, 1, 1), date(2026, 3, 31)));
        assert_eq!(q.close_day(), date(2026, 5, 12));
        assert_eq!(
            (q.previous().to_string(), q.next().to_string()),
            ("2025Q4".into(), "2026Q2".into())
        );
        assert_eq!(Quarter::of(date(2025, 12, 31)).next(), q);
        for wrong in ["2026Q5", "2026Q0", "26Q1", "2026q1", "2026Q11", "", "Q"] {
            assert!(wrong.parse::<Quarter>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_first_quarter_that_knows_is_bounded_by_the_close_day() {
        let q: Quarter = "2026Q1".parse().unwrap();
        assert_eq!(Quarter::first_that_knows(q.close_day()), q);
        assert_eq!(Quarter::first_that_knows(days_after(q.close_day(), 1)), q.next());
        assert_eq!(Quarter::first_that_knows(days_after(q.previous().close_day(), 1)), q);
    }

    #[test]
    fn epoch_days_go_both_ways() {
        for (day, of) in
            [(date(1970, 1, 1), 0), (date(1969, 12, 31), -1), (date(2024, 2, 29), 19782)]
        {
            assert_eq!(epoch_day(day), of);
            assert_eq!(date_of(of), Some(day));
        }
        assert_eq!(years_after(date(2020, 2, 29), 5), date(2025, 2, 28));
    }
}
