//! An amount of zero-concentrated differential privacy.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, iter::Sum, ops::Add, str::FromStr};

const NANO: u64 = 1_000_000_000;

/// An amount of zero-concentrated differential privacy, in whole thousand-millionths.
/// Costs are rounded up, so sums never understate. Written as a decimal, in JSON a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rho {
    nano: u64,
}

impl Rho {
    /// From thousand-millionths.
    #[must_use]
    pub const fn from_nano(nano: u64) -> Self {
        Self { nano }
    }

    /// In thousand-millionths.
    #[must_use]
    pub const fn nano(self) -> u64 {
        self.nano
    }

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

#[cfg(test)]
mod tests {
    use super::*;

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
