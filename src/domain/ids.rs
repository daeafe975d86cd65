//! One type for each kind of id, from two small macros: no bare strings or integers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// A text was not a valid id of its kind. Holds the kind and the rule, never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {rule}")]
pub struct InvalidId {
    /// What kind of id was asked for.
    pub kind: &'static str,
    /// The rule it broke.
    pub rule: &'static str,
}

/// ASCII only, so that no look-alike letter of another script can pass for an id.
fn is_slug(text: &str, max: usize, extra: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= max
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $extra:literal, $case:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let one_case = !text.bytes().any(|b| text_id!(@wrong $case b));
                if is_slug(text, $max, $extra.as_bytes()) && one_case {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { kind: $kind, rule: text_id!(@rule $case $max $extra) })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
    (@wrong lower $b:ident) => { $b.is_ascii_uppercase() };
    (@wrong upper $b:ident) => { $b.is_ascii_lowercase() };
    (@rule lower $max:literal $extra:literal) => {
        concat!("1 to ", stringify!($max), " lower-case ASCII letters, digits or ", $extra)
    };
    (@rule upper $max:literal $extra:literal) => {
        concat!("1 to ", stringify!($max), " upper-case ASCII letters, digits or ", $extra)
    };
}

text_id!(
    /// An organisation in the gateway's register: `health`, `centres`.
    PartnerId, "partner id", 40, "-", lower
);
text_id!(
    /// A sharing protocol's id: `isp-health-2026`.
    ProtocolId, "protocol id", 64, "-", lower
);
text_id!(
    /// A reach area, cluster or authority: `CC01`, `CL1`, `E08000026`.
    AreaCode, "area code", 16, "-", upper
);
text_id!(
    /// A children's centre's code, as its lead agency writes it: `CC01`.
    CentreCode, "centre code", 16, "-", upper
);
text_id!(
    /// A partition table of the catalogue: `engagement`.
    TableId, "table id", 40, "_", lower
);
text_id!(
    /// An indicator of the catalogue: `registered`.
    IndicatorId, "indicator id", 40, "_", lower
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(i64);

        impl $name {
            /// From the stored number.
            #[must_use]
            pub const fn new(number: i64) -> Self {
                Self(number)
            }

            /// The stored number.
            #[must_use]
            pub const fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_id!(
    /// A resolved person in the store; a surrogate, derived from nothing about the person.
    PersonId
);
number_id!(
    /// One identity tuple as some partner wrote it; persons are sets of subjects.
    SubjectId
);
number_id!(
    /// One partner's stream of one record type.
    FeedId
);
number_id!(
    /// A staged or accepted batch.
    BatchId
);

impl PersonId {
    /// On whom hangs what is about nobody. Persons are numbered from 1 on.
    pub const NOBODY: Self = Self::new(0);
}

impl SubjectId {
    /// The subject of what is about nobody. Subjects are numbered from 1 on.
    pub const NOBODY: Self = Self::new(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_look_alikes_case_and_length() {
        assert!("health".parse::<PartnerId>().is_ok());
        // U+0435 is a Cyrillic letter that looks like an e.
        assert!("h\u{435}alth".parse::<PartnerId>().is_err());
        assert!("Health".parse::<PartnerId>().is_err());
        assert!("".parse::<PartnerId>().is_err());
        assert!("x".repeat(41).parse::<PartnerId>().is_err());
        assert!("CC01".parse::<AreaCode>().is_ok());
        assert!("cc01".parse::<AreaCode>().is_err());
        assert!("two year".parse::<TableId>().is_err());
    }
}
