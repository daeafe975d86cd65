//! Pseudonyms as they are stored and compared.

use super::KeyError;
use std::fmt;

/// The version of a wrapping or sealing key, from 1 upwards. The newest is the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyVersion(u16);

impl KeyVersion {
    /// The version that a deployment begins with.
    pub const FIRST: Self = Self(1);

    /// From the stored number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The stored number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The version after this one; `None` after 65,535 rotations.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

macro_rules! domains {
    ($($(#[$doc:meta])* $variant:ident = $label:literal),+ $(,)?) => {
        /// What a pseudonym stands for. Equal values of two domains have unrelated pseudonyms.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum PseudonymDomain {
            $($(#[$doc])* $variant),+
        }

        impl PseudonymDomain {
            /// Every domain, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The label in the keyed hash and in the key file: a part of the format, never changed.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label),+
                }
            }
        }
    };
}

domains! {
    /// An NHS number.
    Nhs = "nhs",
    /// A unique learner number.
    Uln = "uln",
    /// A unique pupil number.
    Upn = "upn",
    /// A National Insurance number.
    Nino = "nino",
    /// A partner's own id for a person; scoped to the partner.
    Local = "local",
    /// A record's id; scoped to partner and record type.
    Record = "record",
    /// A consent reference; scoped to the partner.
    Consent = "consent",
    /// A family's case; scoped to the partner.
    Case = "case",
    /// An early-years provider.
    Provider = "provider",
    /// A postcode, for the keyed lookup of its LSOA.
    Postcode = "postcode",
    /// A person who uses the gateway, in the access log; scoped to the partner.
    User = "user",
    /// First rung of the ladder: NHS number and date of birth.
    MatchNhsBirth = "match-nhs-birth",
    /// Second rung: surname, forename, date of birth, sex and postcode.
    MatchNamesBirthSexPostcode = "match-names",
    /// A whole identity tuple, as one partner wrote it.
    Subject = "subject",
    /// What remains of an erased match key, so that a later push is dropped.
    Suppression = "suppression",
}

impl PseudonymDomain {
    /// The domain of a label in a key file.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|domain| domain.label() == label)
    }

    /// Whether its wrapping key is replaced by rotation. Not that of the log's users: what the
    /// log says of them never changes, and one person must not become two there, nor give
    /// both words of an act that needs two people. Nor that of suppressions: what a subject
    /// chose is compared with what lies outside the database, and outlives every version.
    #[must_use]
    pub const fn rotates(self) -> bool {
        !matches!(self, Self::User | Self::Suppression)
    }

    /// Its place in [`ALL`](Self::ALL).
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for PseudonymDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A wrapped pseudonym: 16 bytes, with the domain and the key version that give them meaning.
///
/// Debug shows domain and version only: a pseudonym is still personal data.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pseudonym {
    domain: PseudonymDomain,
    version: KeyVersion,
    bytes: [u8; 16],
}

impl Pseudonym {
    pub(super) const fn new(domain: PseudonymDomain, version: KeyVersion, bytes: [u8; 16]) -> Self {
        Self { domain, version, bytes }
    }

    /// From a stored column, whose domain the column's name gives.
    ///
    /// # Errors
    /// [`KeyError::PseudonymLength`] unless there are 16 bytes.
    pub fn from_stored(
        domain: PseudonymDomain,
        version: KeyVersion,
        stored: &[u8],
    ) -> Result<Self, KeyError> {
        let bytes = stored
            .try_into()
            .map_err(|_| KeyError::PseudonymLength { domain, length: stored.len() })?;
        Ok(Self { domain, version, bytes })
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.bytes
    }

    /// What it stands for.
    #[must_use]
    pub const fn domain(&self) -> PseudonymDomain {
        self.domain
    }

    /// The wrapping key it is encrypted under.
    #[must_use]
    pub const fn key_version(&self) -> KeyVersion {
        self.version
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({} {} ..)", self.domain, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_distinct_and_found_again() {
        for (i, domain) in PseudonymDomain::ALL.iter().enumerate() {
            assert_eq!(PseudonymDomain::from_label(domain.label()), Some(*domain));
            assert_eq!(domain.index(), i);
        }
        assert_eq!(PseudonymDomain::from_label("NHS"), None);
    }

    #[test]
    fn debug_is_redacted() {
        let p = Pseudonym::new(PseudonymDomain::Nhs, KeyVersion::FIRST, [0xab; 16]);
        assert_eq!(format!("{p:?}"), "Pseudonym(nhs v1 ..)");
    }

    #[test]
    fn stored_bytes_have_sixteen() {
        let stored =
            |bytes: &[u8]| Pseudonym::from_stored(PseudonymDomain::Uln, KeyVersion::FIRST, bytes);
        assert!(matches!(stored(&[0; 15]), Err(KeyError::PseudonymLength { length: 15, .. })));
        assert_eq!(stored(&[7; 16]).unwrap().as_bytes(), &[7; 16]);
    }
}
