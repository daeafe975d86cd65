//! What two subjects are compared by where their keys are not equal: short keyed tags of single
//! fields and of the forms of them that survive an error.
//!
//! A tag is 32 bits of the keyed hash of one form. They are sealed together, one value a subject, so
//! that at rest nobody can count how often a name occurs; only linkage opens them, for subjects that
//! share a lookup key. Tags of forenames and surnames are of one kind, so that swapped names are
//! seen.

use super::Sex;

/// The stored form's version.
const FORM: u8 = 1;
/// Most tags of an identifier without a check digit.
const NEAR_MAX: usize = 16;

macro_rules! slots {
    ($($name:ident),+ $(,)?) => {
        /// The place of a tag. The order is part of the stored form: new ones come last.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Slot { $($name),+ }

        impl Slot {
            /// Every one, in order.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),+];
        }
    };
}

slots! {
    Forename, ForenameSound, ForenameHead, ForenameTail, ForenameEnds, ForenameLetters,
    ForenameInitial, ForenameGroup, ForenameSecondGroup, ForenameFirst, ForenameRest,
    Surname, SurnameSound, SurnameHead, SurnameTail, SurnameEnds, SurnameLetters,
    SurnameInitial, SurnameStem, SurnameFirst, SurnameLast,
    BirthYearMonth, BirthMonthDay, BirthYearDay, BirthSwapped,
    Postcode, PostcodeSector, PostcodeInward, PostcodeLetters,
    Uprn, Nhs, Number,
    House,
    Street, StreetSound, StreetHead, StreetTail, StreetEnds, StreetLetters,
    Second, SecondSound, SecondHead, SecondTail, SecondEnds, SecondLetters,
    Locality, LocalitySound, LocalityHead, LocalityTail, LocalityEnds, LocalityLetters,
}

/// Facts beside the tags, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Marks(u8);

impl Marks {
    /// The forename is known as a name.
    pub(super) const KNOWN: u8 = 1;
    /// The forename is an initial.
    pub(super) const INITIAL: u8 = 2;
    /// The forename begins with a name that many brothers share.
    pub(super) const SHARED: u8 = 4;
    /// There is no forename but a placeholder.
    pub(super) const UNNAMED: u8 = 8;
    /// A child of a multiple birth.
    pub(super) const PLURAL: u8 = 16;

    pub(super) fn set(&mut self, mark: u8, holds: bool) {
        self.0 |= if holds { mark } else { 0 };
    }

    const fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }
}

/// A subject's comparison. No Debug of its tags: they are personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Comparison {
    pub(super) sex: Sex,
    pub(super) marks: Marks,
    tags: [Option<u32>; Slot::ALL.len()],
    /// Of an identifier without a check digit: every form of it that lacks one character.
    pub(super) near: Vec<u32>,
}

impl std::fmt::Debug for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Comparison(..)")
    }
}

impl Comparison {
    pub(super) const fn new(sex: Sex, marks: Marks) -> Self {
        Self { sex, marks, tags: [None; Slot::ALL.len()], near: Vec::new() }
    }

    pub(super) fn put(&mut self, slot: Slot, tag: u32) {
        self.tags[slot as usize] = Some(tag);
    }

    pub(super) const fn tag(&self, slot: Slot) -> Option<u32> {
        self.tags[slot as usize]
    }

    pub(super) const fn is(&self, mark: u8) -> bool {
        self.marks.has(mark)
    }

    /// Whether a record of the gateway's types can have it: this sex, the NHS number's tag exactly
    /// where there is a number, and nothing of what only other sources have.
    pub(super) fn is_of_a_record(&self, sex: Sex, numbered: bool) -> bool {
        let foreign = [Slot::Number].iter().chain(&Slot::ALL[Slot::House as usize..]);
        self.sex == sex
            && self.tag(Slot::Nhs).is_some() == numbered
            && self.near.is_empty()
            && foreign.copied().all(|slot| self.tag(slot).is_none())
    }

    /// How many tags there are.
    #[must_use]
    pub fn tags(&self) -> usize {
        self.tags.iter().flatten().count() + self.near.len()
    }

    /// The bytes to seal: the form's version, sex, marks, which tags there are, the tags.
    #[must_use]
    pub fn to_bytes(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(12 + 4 * self.tags()));
        bytes.extend_from_slice(&[FORM, self.sex.letter(), self.marks.0]);
        let present = self.tags.iter().enumerate().filter(|(_, tag)| tag.is_some());
        let mask = present.fold(0u64, |mask, (at, _)| mask | 1 << at);
        bytes.extend_from_slice(&mask.to_be_bytes());
        for tag in self.tags.iter().flatten().chain(self.near.iter().take(NEAR_MAX)) {
            bytes.extend_from_slice(&tag.to_be_bytes());
        }
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) gave; `None` where it is something else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([form, sex, marks], rest) = bytes.split_first_chunk()?;
        let (mask, rest) = rest.split_first_chunk()?;
        let mask = u64::from_be_bytes(*mask);
        let (tags, odd) = rest.as_chunks::<4>();
        if *form != FORM || !odd.is_empty() || mask >> Slot::ALL.len() != 0 {
            return None;
        }
        let mut tags = tags.iter().map(|tag| u32::from_be_bytes(*tag));
        let mut all = Self::new(Sex::from_letter(*sex)?, Marks(*marks));
        for (at, held) in all.tags.iter_mut().enumerate() {
            if mask >> at & 1 == 1 {
                *held = Some(tags.next()?);
            }
        }
        all.near = tags.collect();
        (all.near.len() <= NEAR_MAX).then_some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slots_fit_their_mask() {
        assert!(Slot::ALL.len() < 64);
        assert!(Slot::ALL.iter().enumerate().all(|(at, slot)| *slot as usize == at));
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_read_again(
            tags in prop::collection::vec(prop::option::of(any::<u32>()), Slot::ALL.len()),
            near in prop::collection::vec(any::<u32>(), 0..NEAR_MAX),
            cut in 0usize..40,
        ) {
            let mut all = Comparison::new(Sex::Female, Marks(Marks::KNOWN));
            for (slot, tag) in Slot::ALL.iter().zip(&tags) {
                if let Some(tag) = tag {
                    all.put(*slot, *tag);
                }
            }
            all.near = near;
            let bytes = all.to_bytes();
            prop_assert_eq!(Comparison::from_bytes(&bytes), Some(all));
            let short = &bytes[..bytes.len().min(cut)];
            let _ = Comparison::from_bytes(short);
        }

        #[test]
        fn other_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Comparison::from_bytes(&bytes);
        }
    }
}
