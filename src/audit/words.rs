//! The only texts a leaf may hold: short words of a fixed alphabet.
//!
//! A leaf is kept for ever and read by others, so it must never take in free text. A word
//! has no spaces and no run of nine digits (an NHS number, a ULN and most property numbers
//! have more; area codes have eight), which stops an identifier from slipping in by mistake.

use super::AuditError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

const MAX_BYTES: usize = 64;
const MAX_DIGIT_RUN: usize = 8;

fn longest_digit_run(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0)
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $rule:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The word as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = AuditError;
            fn from_str(text: &str) -> Result<Self, AuditError> {
                let allowed: fn(u8) -> bool = $allowed;
                let fits = !text.is_empty()
                    && text.len() <= MAX_BYTES
                    && text.bytes().all(allowed)
                    && longest_digit_run(text) <= MAX_DIGIT_RUN;
                if fits { Ok(Self(text.to_owned())) } else { Err(AuditError::InvalidWord { rule: $rule }) }
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
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

word!(
    /// A code of a closed list kept elsewhere: a reason for a refusal, a purpose.
    Code,
    "1 to 64 of a-z, 0-9 and _, with no nine digits in a row",
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'
);
word!(
    /// A name within a document: a clause, a legal basis, a key id, a version.
    Token,
    "1 to 64 ASCII letters, digits and . _ : / - [ ] ( ), with no nine digits in a row",
    |b| b.is_ascii_alphanumeric() || b"._:/-[]()".contains(&b)
);

/// The keyed pseudonym of the person who acted (a member of staff, never a subject).
/// Written as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserPseudonym([u8; 16]);

impl UserPseudonym {
    /// From the 16 bytes that the user-pseudonym key gave.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Serialize for UserPseudonym {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for UserPseudonym {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(String::deserialize(from)?, &mut bytes)
            .map_err(|_| serde::de::Error::custom("expected 32 hexadecimal digits"))?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_take_no_free_text_and_no_identifier() {
        for good in ["field_not_listed", "public_task", "a"] {
            assert!(good.parse::<Code>().is_ok(), "{good}");
        }
        for good in ["flows[2].fields", "6(1)(e)", "E01009500", "tallygate/0.1.0", "ca2006-s99"] {
            assert!(good.parse::<Token>().is_ok(), "{good}");
        }
        for bad in
            ["", "has space", "9990000018", "x999000001", "h\u{435}alth", "a\"b", "a\\b", "a\n"]
        {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
            assert!(bad.parse::<Code>().is_err(), "{bad}");
        }
        assert!("Upper".parse::<Code>().is_err());
        assert!("x".repeat(65).parse::<Token>().is_err());
    }
}
