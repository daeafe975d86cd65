//! The rungs of the ladder and their keys.
//!
//! A match key is a pseudonym over normalised fields: subjects that share one may be one person.
//! Only keyed values are ever stored or compared.

use super::rules::Rule;
use super::{
    Sex,
    normalise::{self, RULES},
};
use crate::keys::{
    BirthDate, KeyError, Output, PrfInput, Pseudonym, PseudonymDomain, Pseudonymiser, RawText,
};

/// A rung of the ladder that has keys of its own: equal keys tie. What lies behind these two is
/// found by lookup keys (`tags`) and tied by comparison (`rules`). Stored numbers never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rung {
    /// NHS number and date of birth.
    NhsBirth,
    /// Surname, forename, date of birth, sex and postcode.
    NamesBirthSexPostcode,
}

impl Rung {
    /// Every rung, the surest first.
    pub const ALL: [Self; 2] = [Self::NhsBirth, Self::NamesBirthSexPostcode];

    /// Its number, from 1, as stored with keys and links.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::NhsBirth => 1,
            Self::NamesBirthSexPostcode => 2,
        }
    }

    /// The rung of a stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rung.number() == number)
    }

    /// The rule that ties by its keys.
    #[must_use]
    pub const fn rule(self) -> Rule {
        match self {
            Self::NhsBirth => Rule::NhsBirth,
            Self::NamesBirthSexPostcode => Rule::NamesBirthSexPostcode,
        }
    }

    /// The domain of its keys.
    #[must_use]
    pub const fn domain(self) -> PseudonymDomain {
        match self {
            Self::NhsBirth => PseudonymDomain::MatchNhsBirth,
            Self::NamesBirthSexPostcode => PseudonymDomain::MatchNamesBirthSexPostcode,
        }
    }
}

/// A key that subjects may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatchKey {
    /// The rung it belongs to.
    pub rung: Rung,
    /// The keyed value, in the rung's domain.
    pub key: Pseudonym,
}

impl MatchKey {
    /// What remains of the key when its subject is erased: later pushes are checked against it.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where the key's wrapping key is not held.
    pub fn suppression_token(&self, with: &Pseudonymiser) -> Result<Pseudonym, KeyError> {
        with.suppress(&self.key)
    }
}

/// The match keys of one subject: at most one a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MatchKeys([Option<MatchKey>; Rung::ALL.len()]);

impl MatchKeys {
    /// From stored keys. Of several keys of one rung the last is kept.
    #[must_use]
    pub fn from_stored(keys: impl IntoIterator<Item = MatchKey>) -> Self {
        let mut all = Self::default();
        for key in keys {
            all.put(key);
        }
        all
    }

    fn put(&mut self, key: MatchKey) {
        self.0[usize::from(key.rung.number()) - 1] = Some(key);
    }

    /// Forgets the keys that are not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&MatchKey) -> bool) {
        for key in &mut self.0 {
            *key = key.filter(&keep);
        }
    }

    /// The keys there are, the surest rung first.
    pub fn iter(&self) -> impl Iterator<Item = &MatchKey> {
        self.0.iter().flatten()
    }

    /// The key of one rung.
    #[must_use]
    pub fn of(&self, rung: Rung) -> Option<&MatchKey> {
        self.0[usize::from(rung.number()) - 1].as_ref()
    }

    /// Whether there is none: the subject can never be linked to another.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// The normalised fields that match keys are made of. An empty text is an absent one.
pub(super) struct Fields<'a> {
    /// The output of the NHS number's own input.
    pub(super) nhs: Option<Output>,
    pub(super) surname: Option<&'a RawText>,
    pub(super) forename: Option<&'a RawText>,
    pub(super) birth: Option<&'a BirthDate>,
    pub(super) sex: Sex,
    pub(super) postcode: Option<&'a RawText>,
    pub(super) plurality: Option<u8>,
}

impl Fields<'_> {
    /// The rungs' inputs, the surest rung first.
    pub(super) fn inputs(&self) -> Vec<(Rung, PrfInput)> {
        let names = self.names_birth_sex_postcode();
        let rungs = [(Rung::NhsBirth, self.nhs_birth()), (Rung::NamesBirthSexPostcode, names)];
        rungs.into_iter().filter_map(|(rung, input)| Some((rung, input?))).collect()
    }

    fn known_birth(&self) -> Option<&BirthDate> {
        self.birth.filter(|birth| !birth.is_placeholder())
    }

    fn nhs_birth(&self) -> Option<PrfInput> {
        let (nhs, birth) = (self.nhs?, self.known_birth()?);
        let input = PrfInput::begin(Rung::NhsBirth.domain(), RULES);
        Some(input.output(Some(nhs)).birth(Some(birth)))
    }

    /// Surname, forename and date of birth, where they tell one person from another. None for a
    /// child of a multiple birth: twins share all but the forename, which is the field that is most
    /// often swapped or mistaken between them.
    fn name_and_birth(&self) -> Option<(&RawText, &RawText, &BirthDate)> {
        if self.plurality.is_some_and(|born| born > 1) {
            return None;
        }
        let surname = self.surname.filter(|n| !n.satisfies(normalise::is_placeholder_surname))?;
        let forename =
            self.forename.filter(|n| !n.satisfies(normalise::is_placeholder_forename))?;
        Some((surname, forename, self.known_birth()?))
    }

    /// Whether the names and the date of birth stand for one person within one partner's records.
    pub(super) fn names_one_person(&self) -> bool {
        self.name_and_birth().is_some()
    }

    fn names_birth_sex_postcode(&self) -> Option<PrfInput> {
        if !matches!(self.sex, Sex::Male | Sex::Female) {
            return None;
        }
        let (surname, forename, birth) = self.name_and_birth()?;
        let postcode = self.postcode.filter(|code| !code.is_empty())?;
        let input = PrfInput::begin(Rung::NamesBirthSexPostcode.domain(), RULES)
            .text(Some(surname))
            .text(Some(forename))
            .birth(Some(birth))
            .code(&[self.sex.letter()])
            .text(Some(postcode));
        Some(input)
    }
}
