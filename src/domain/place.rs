//! Places: LSOAs with their vintage, and the form of a postcode.

use super::ids::InvalidId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// Which census an LSOA code belongs to; a code is meaningless without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Vintage {
    /// The boundaries of 2011.
    #[serde(rename = "2011")]
    Census2011,
    /// The boundaries of 2021.
    #[serde(rename = "2021")]
    Census2021,
}

/// A lower layer super output area of England, `E01` and six digits; stored as the six
/// digits' number. Its vintage is that of the geography it is looked up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lsoa(u32);

impl Lsoa {
    /// From its stored number.
    ///
    /// # Errors
    /// When the number has more than six digits.
    pub fn from_number(number: u32) -> Result<Self, InvalidId> {
        if number <= 999_999 { Ok(Self(number)) } else { Err(Self::INVALID) }
    }

    const INVALID: InvalidId = InvalidId { kind: "LSOA code", rule: "E01 and six digits" };

    /// The number of its six digits.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl FromStr for Lsoa {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.strip_prefix("E01").ok_or(Self::INVALID)?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Self::INVALID);
        }
        digits.parse().map(Self).map_err(|_| Self::INVALID)
    }
}

impl fmt::Display for Lsoa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E01{:06}", self.0)
    }
}

impl Serialize for Lsoa {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lsoa {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A postcode in its canonical form (upper case, one space) is 6 to 8 bytes: an outward
/// part `[A-Z]{1,2}[0-9][A-Z0-9]?` and an inward one `[0-9][ABD-HJLNP-UW-Z]{2}`.
///
/// Takes any case and spacing; `None` when it is not a postcode. `ZZ99` (unknown) is a
/// valid form that no lookup knows.
#[must_use]
pub fn canonical_postcode(text: &str) -> Option<String> {
    if text.len() > 16 {
        return None;
    }
    let compact: Vec<u8> =
        text.bytes().filter(|b| *b != b' ').map(|b| b.to_ascii_uppercase()).collect();
    if !(5..=7).contains(&compact.len()) {
        return None;
    }
    let (outward, inward) = compact.split_at(compact.len() - 3);
    let letters = outward.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let area_ok = matches!(letters, 1 | 2)
        && matches!(outward.len() - letters, 1 | 2)
        && outward[letters].is_ascii_digit()
        && outward[letters..].iter().all(u8::is_ascii_alphanumeric);
    // The NHS's pseudo postcodes (ZZ99 3VZ: no fixed abode) use letters that no real one has.
    let pseudo = outward == b"ZZ99";
    let unit_ok = inward[0].is_ascii_digit()
        && inward[1..]
            .iter()
            .all(|b| b.is_ascii_uppercase() && (pseudo || !b"CIKMOV".contains(b)));
    if !(area_ok && unit_ok) {
        return None;
    }
    let mut canonical = String::with_capacity(compact.len() + 1);
    canonical.extend(outward.iter().map(|b| char::from(*b)));
    canonical.push(' ');
    canonical.extend(inward.iter().map(|b| char::from(*b)));
    Some(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lsoa_codes_are_checked() {
        assert_eq!("E01009522".parse::<Lsoa>().unwrap().to_string(), "E01009522");
        for wrong in ["E0100952", "W01000001", "E0100952x", "E010095222", "", "E01+09522"] {
            assert!(wrong.parse::<Lsoa>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn postcodes_are_made_canonical() {
        assert_eq!(canonical_postcode("cv11ah").as_deref(), Some("CV1 1AH"));
        assert_eq!(canonical_postcode(" CV1  1AH ").as_deref(), Some("CV1 1AH"));
        assert_eq!(canonical_postcode("sw1a 1aa").as_deref(), Some("SW1A 1AA"));
        assert_eq!(canonical_postcode("zz993wz").as_deref(), Some("ZZ99 3WZ"));
        assert_eq!(canonical_postcode("ZZ99 3VZ").as_deref(), Some("ZZ99 3VZ"));
        for wrong in ["CV1 1AC", "CV1", "1CV 1AH", "CV1 AAH", "CVX 1AH", "", "CV1 1AHQQ"] {
            assert_eq!(canonical_postcode(wrong), None, "{wrong}");
        }
    }
}
