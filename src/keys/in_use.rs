//! The keys as the store says they are used: which version is written under, and which others
//! a stored value may still be under.
//!
//! The file holds versions, the store says what each is for: gateways that share a store all
//! change over at one moment, whenever their files got the new version. A set is immutable; a
//! change of the store's word makes another one. Its number tells which word it follows, and
//! whoever writes a pseudonym compares it inside the writing transaction: a gateway that has
//! not heard yet writes nothing.

use super::{
    KeyError, KeyVersion, MasterKeys, Prf, Pseudonym, PseudonymDomain, Pseudonymiser, Sealer,
};

/// What a version of the keys is for. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VersionState {
    /// It is to become the current one: consents are being copied under it.
    Next,
    /// What is written is written under it.
    Current,
    /// Stored values may still be under it; they are being wrapped anew.
    Earlier,
    /// No stored value is under it.
    Unused,
    /// It is gone, or goes from a gateway's file as soon as that gateway hears of it.
    Destroyed,
}

impl VersionState {
    /// Every state, in the order in which a version passes through them.
    pub const ALL: [Self; 5] =
        [Self::Next, Self::Current, Self::Earlier, Self::Unused, Self::Destroyed];

    /// The stored number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Next => 0,
            Self::Current => 1,
            Self::Earlier => 2,
            Self::Unused => 3,
            Self::Destroyed => 4,
        }
    }

    /// The state of a stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Earlier => "earlier",
            Self::Unused => "unused",
            Self::Destroyed => "destroyed",
        }
    }

    /// Whether stored values may be under it.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Next | Self::Current | Self::Earlier)
    }
}

/// What the store says of the versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// Raised with every change.
    pub number: u64,
    /// What the store's pseudonyms are made by.
    pub prf: Prf,
    /// Each version with its state and its check value, oldest first.
    pub all: Vec<(KeyVersion, VersionState, [u8; 16])>,
}

impl Versions {
    /// The first version in a state.
    #[must_use]
    pub fn in_state(&self, state: VersionState) -> Option<KeyVersion> {
        self.all.iter().find(|(_, held, _)| *held == state).map(|(version, ..)| *version)
    }

    /// The state of a version.
    #[must_use]
    pub fn state_of(&self, version: KeyVersion) -> Option<VersionState> {
        self.all.iter().find(|(held, ..)| *held == version).map(|(_, state, _)| *state)
    }

    /// A rotation that is under way: from which version to which.
    #[must_use]
    pub fn rotation(&self) -> Option<(KeyVersion, KeyVersion)> {
        let current = self.in_state(VersionState::Current)?;
        match self.in_state(VersionState::Next) {
            Some(next) => Some((current, next)),
            None => Some((self.in_state(VersionState::Earlier)?, current)),
        }
    }
}

/// A set of keys in use.
pub struct KeysInUse {
    /// Makes pseudonyms, wrapped under the current version.
    pub pseudonymiser: Pseudonymiser,
    /// Seals under the current version.
    pub sealer: Sealer,
    versions: Versions,
    current: KeyVersion,
    /// Other versions that stored values may be under.
    others: Vec<KeyVersion>,
}

impl std::fmt::Debug for KeysInUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeysInUse({} ..)", self.current)
    }
}

impl KeysInUse {
    /// The keys, used as the store says. Versions that are destroyed are left out, whatever
    /// the file still holds.
    ///
    /// # Errors
    /// [`KeyError::OtherPrf`], [`KeyError::VersionMissing`], [`KeyError::OtherKeys`].
    pub fn new(mut keys: MasterKeys, versions: Versions) -> Result<Self, KeyError> {
        let (stored, held) = (versions.prf, keys.prf());
        if stored != held {
            return Err(KeyError::OtherPrf { stored, held });
        }
        for (version, state, check) in &versions.all {
            if *state == VersionState::Destroyed {
                if keys.holds(*version) {
                    keys.destroy_version(*version)?;
                }
            } else if !keys.holds(*version) {
                if state.is_live() {
                    return Err(KeyError::VersionMissing { version: *version });
                }
            } else if keys.check_value(*version)? != *check {
                return Err(KeyError::OtherKeys { version: *version });
            }
        }
        let current = versions
            .in_state(VersionState::Current)
            .ok_or(KeyError::VersionMissing { version: KeyVersion::FIRST })?;
        let others = versions
            .all
            .iter()
            .filter(|(version, state, _)| state.is_live() && *version != current)
            .map(|(version, ..)| *version)
            .collect();
        Ok(Self {
            pseudonymiser: Pseudonymiser::under(&keys, current)?,
            sealer: Sealer::under(&keys, current)?,
            versions,
            current,
            others,
        })
    }

    /// Which word of the store's it follows.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.versions.number
    }

    /// What the store said.
    #[must_use]
    pub const fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The version that is written under.
    #[must_use]
    pub const fn current(&self) -> KeyVersion {
        self.current
    }

    /// A stored pseudonym under the current version.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where its key is not held.
    pub fn renewed(
        &self,
        domain: PseudonymDomain,
        version: KeyVersion,
        stored: &[u8; 16],
    ) -> Result<[u8; 16], KeyError> {
        if version == self.current || !domain.rotates() {
            return Ok(*stored);
        }
        let pseudonym = Pseudonym::from_stored(domain, version, stored)?;
        Ok(*self.pseudonymiser.rewrap(&pseudonym, self.current)?.as_bytes())
    }

    /// The forms that a stored pseudonym may have, which is given under the current version:
    /// that form first, then one for each other version. Empty but for the first outside
    /// rotations.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where a key is not held.
    pub fn forms(
        &self,
        domain: PseudonymDomain,
        current: &[u8; 16],
    ) -> Result<Vec<(KeyVersion, [u8; 16])>, KeyError> {
        let mut forms = vec![(self.current, *current)];
        let pseudonym = Pseudonym::from_stored(domain, self.current, current)?;
        for version in &self.others {
            let form = self.pseudonymiser.rewrap(&pseudonym, *version)?;
            forms.push((*version, *form.as_bytes()));
        }
        Ok(forms)
    }

    /// Whether stored values are under the current version alone.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.others.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    fn versions(keys: &MasterKeys, states: &[(u16, VersionState)]) -> Versions {
        let check = |version| keys.check_value(version).unwrap_or_default();
        let all = states.iter().map(|(number, state)| {
            let version = KeyVersion::new(*number);
            (version, *state, check(version))
        });
        Versions { number: 1, prf: keys.prf(), all: all.collect() }
    }

    fn two() -> MasterKeys {
        let mut rng = StdRng::seed_from_u64(31);
        let mut keys = MasterKeys::generate(&mut rng);
        keys.add_version(&mut rng).unwrap();
        keys
    }

    #[test]
    fn the_store_says_which_version_is_written_under() {
        use VersionState::{Current, Earlier, Next};
        let domain = PseudonymDomain::Record;
        let made = |states: &[(u16, VersionState)]| {
            let set = KeysInUse::new(two(), versions(&two(), states)).unwrap();
            let key = *set.pseudonymiser.begin(domain, 1).bytes(b"x").finish().as_bytes();
            (set, key)
        };
        let (before, old) = made(&[(1, Current)]);
        assert!(before.is_settled() && before.versions().rotation().is_none());
        let (preparing, same) = made(&[(1, Current), (2, Next)]);
        assert_eq!(same, old);
        let (during, new) = made(&[(1, Earlier), (2, Current)]);
        assert_ne!(new, old);
        assert_eq!(during.renewed(domain, KeyVersion::new(1), &old).unwrap(), new);
        let forms: Vec<_> = during.forms(domain, &new).unwrap().iter().map(|f| f.1).collect();
        assert_eq!(forms, [new, old]);
        let forms: Vec<_> = preparing.forms(domain, &old).unwrap().iter().map(|f| f.1).collect();
        assert_eq!(forms, [old, new]);
        let rotation = Some((KeyVersion::new(1), KeyVersion::new(2)));
        assert_eq!(preparing.versions().rotation(), rotation);
        assert_eq!(during.versions().rotation(), rotation);
    }

    #[test]
    fn a_file_without_what_the_store_needs_is_refused() {
        use VersionState::{Current, Destroyed, Earlier, Unused};
        let one = || MasterKeys::generate(&mut StdRng::seed_from_u64(31));
        let say = |keys: MasterKeys, states: &[(u16, VersionState)]| {
            KeysInUse::new(keys, versions(&two(), states)).map(drop)
        };
        let during = [(1, Earlier), (2, Current)];
        assert!(matches!(say(one(), &during), Err(KeyError::VersionMissing { .. })));
        let other = || MasterKeys::generate(&mut StdRng::seed_from_u64(32));
        assert!(matches!(say(other(), &[(1, Current)]), Err(KeyError::OtherKeys { .. })));
        // The very same bytes, for another PRF: told by name.
        let blinded = MasterKeys::generate_for(Prf::Oprf, &mut StdRng::seed_from_u64(31));
        let error = say(blinded, &[(1, Current)]).unwrap_err();
        let (stored, held) = (Prf::Hmac, Prf::Oprf);
        assert!(
            matches!(&error, KeyError::OtherPrf { stored: s, held: h } if (*s, *h) == (stored, held))
        );
        assert!(error.to_string().contains("keeps its PRF"), "{error}");
        say(two(), &[(1, Unused), (2, Current)]).unwrap();
        // What is destroyed is not used, though this file has it still.
        let states = [(1, Destroyed), (2, Current)];
        let set = KeysInUse::new(two(), versions(&two(), &states)).unwrap();
        let lost = set.renewed(PseudonymDomain::Nhs, KeyVersion::new(1), &[7; 16]);
        assert!(matches!(lost, Err(KeyError::NoWrappingKey { .. })));
        assert!(set.is_settled());
    }
}
