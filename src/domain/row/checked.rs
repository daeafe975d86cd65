//! What a well-formed row says. Nothing here has Debug that holds a person's value.

use crate::domain::{
    event::Role,
    field::{Rule, Value},
    identifier::Linkable,
    place::Lsoa,
};
use jiff::civil::Date;

/// A person's sex as the agencies record it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sex {
    /// NHS 1, schools M.
    Male,
    /// NHS 2, schools F.
    Female,
    /// NHS 9: indeterminate. Tells nobody apart, so it gives no match key.
    Indeterminate,
    /// NHS X, or absent.
    NotKnown,
}

impl Sex {
    /// Its letter in match keys and sealed facts.
    #[must_use]
    pub const fn letter(self) -> u8 {
        match self {
            Self::Male => b'M',
            Self::Female => b'F',
            Self::Indeterminate => b'I',
            Self::NotKnown => b'X',
        }
    }

    /// The sex of a [`letter`](Self::letter).
    #[must_use]
    pub const fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'M' => Some(Self::Male),
            b'F' => Some(Self::Female),
            b'I' => Some(Self::Indeterminate),
            b'X' => Some(Self::NotKnown),
            _ => None,
        }
    }

    /// From either code list.
    ///
    /// # Errors
    /// [`Rule::SexCode`].
    pub fn parse(text: &str) -> Result<Self, Rule> {
        match text {
            "1" | "M" => Ok(Self::Male),
            "2" | "F" => Ok(Self::Female),
            "9" => Ok(Self::Indeterminate),
            "X" => Ok(Self::NotKnown),
            _ => Err(Rule::SexCode),
        }
    }
}

/// A valid identifier, trimmed.
#[derive(Clone, Copy)]
pub struct CheckedIdentifier<'a> {
    /// Its text.
    pub text: &'a str,
    /// Whether it may link records across agencies.
    pub linkable: Linkable,
}

/// Who one of a record's persons is, as far as the row says; every text is trimmed and
/// well-formed. No Debug: nothing here may reach a log.
#[derive(Default)]
pub struct Identity<'a> {
    /// NHS number.
    pub nhs: Option<CheckedIdentifier<'a>>,
    /// Unique learner number.
    pub uln: Option<CheckedIdentifier<'a>>,
    /// Unique pupil number.
    pub upn: Option<CheckedIdentifier<'a>>,
    /// National Insurance number.
    pub nino: Option<CheckedIdentifier<'a>>,
    /// The sender's own id of the person.
    pub local_id: Option<&'a str>,
    /// Given name.
    pub forename: Option<&'a str>,
    /// Family name.
    pub surname: Option<&'a str>,
    /// Date of birth, not in the future.
    pub date_of_birth: Option<Date>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Postcode in canonical form: upper case, one space.
    pub postcode: Option<String>,
    /// Unique property reference number.
    pub uprn: Option<&'a str>,
    /// LSOA of residence.
    pub lsoa: Option<Lsoa>,
}

impl Identity<'_> {
    /// Whether it says whom the record is about: an identifier, or names and date of birth.
    #[must_use]
    pub const fn tells_who(&self) -> bool {
        self.nhs.is_some()
            || self.uln.is_some()
            || self.upn.is_some()
            || self.nino.is_some()
            || self.local_id.is_some()
            || (self.forename.is_some() && self.surname.is_some() && self.date_of_birth.is_some())
    }
}

/// A well-formed row. No Debug: it borrows identities.
pub struct CheckedRow<'a> {
    /// The sender's id of the record, the idempotency key within its feed.
    pub record_id: &'a str,
    /// The day the sender extracted it, which is the day it became known.
    pub extracted_at: Date,
    /// The sender's reference to a consent.
    pub consent_ref: Option<&'a str>,
    /// The sender's id of the earlier record whose place this one takes.
    pub supersedes: Option<&'a str>,
    /// What the record says; `None` withdraws the record of that id.
    pub content: Option<Content<'a>>,
}

/// What a record says that is not withdrawn. No Debug: it borrows identities.
pub struct Content<'a> {
    /// The day it happened; a date of birth where the definition says so.
    pub event_date: Date,
    /// Whom it is mainly about.
    pub principal: Identity<'a>,
    /// The other persons of whom the row says anything.
    pub others: Vec<(Role, Identity<'a>)>,
    /// The payload: field numbers of the definition, ascending, and values. References are
    /// not among them.
    pub values: Vec<(u8, Value)>,
    /// References to pseudonymise, and words, by field number; the definition says of which kind.
    pub references: Vec<(u8, &'a str)>,
}
