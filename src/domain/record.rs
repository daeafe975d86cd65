//! Record types and the one declarative definition that each has.
//!
//! Validation, templates, JSON and Table Schemas, documentation, the mapping check, what a
//! protocol may list and what its flows are like all come from the definitions; a new record
//! type is one file in [`super::records`] and its line in the list here. No other line of the
//! program names every type: the library's own tests add one ([`RecordType`]'s `Example`), which
//! would not compile, or not pass, where one did.

mod handling;

pub use handling::{About, Agency, Rhythm, RowRule};

use super::{
    event::Role,
    family::CaseFields,
    field::{FieldKind, Sensitivity, same},
    records,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The columns that every record may have, whatever its type; a protocol need not list
/// them: `record_id` (the sender's, the idempotency key within its feed), `operation`
/// (`upsert`, the default, or `withdraw`), `extracted_at` (the day of extraction),
/// `event_date`, `consent_ref`, `supersedes` (the record_id of an earlier record of the same
/// feed whose place this one takes).
pub const ENVELOPE: [&str; 6] =
    ["record_id", "operation", "extracted_at", "event_date", "consent_ref", "supersedes"];

/// What each of them means, in the same order.
pub const ENVELOPE_DOCS: [&str; 6] = [
    "the sender's own id of the record, at most 36 characters; sent twice, it is stored once",
    "upsert (also when empty) or withdraw",
    "the day the record was extracted, YYYY-MM-DD: the day it became known",
    "the day it happened, YYYY-MM-DD",
    "the sender's reference to a consent, at most 36 characters",
    "the record_id of an earlier record whose place this one takes: a correction",
];

/// Types with this stored number or a higher one are the tests' own.
const FIRST_OF_TESTS: u8 = 60;

/// One field of a record type.
#[derive(Debug)]
pub struct FieldDefinition {
    /// The column's name.
    pub name: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// Whose field it is.
    pub role: Role,
    /// Whether a record without it is rejected.
    pub required: bool,
    /// How careful its handling must be.
    pub sensitivity: Sensitivity,
    /// What it means, for people.
    pub doc: &'static str,
}

impl FieldDefinition {
    /// An optional field of the record's principal person.
    #[must_use]
    pub const fn new(name: &'static str, kind: FieldKind, doc: &'static str) -> Self {
        let sensitivity =
            if kind.is_identity() { Sensitivity::Identifying } else { Sensitivity::Ordinary };
        Self { name, kind, role: Role::Principal, required: false, sensitivity, doc }
    }

    /// The same field, required.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same field, about another person than the principal.
    #[must_use]
    pub const fn of(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// The same field, special category or otherwise delicate.
    #[must_use]
    pub const fn special(mut self) -> Self {
        self.sensitivity = Sensitivity::Special;
        self
    }
}

/// What a record type consists of, and how it is handled.
#[derive(Debug)]
pub struct RecordDefinition {
    /// The type.
    pub record_type: RecordType,
    /// What it records, for people.
    pub doc: &'static str,
    /// Whom it is about.
    pub about: About,
    /// Who sends it.
    pub senders: &'static [Agency],
    /// How often.
    pub rhythm: Rhythm,
    /// How many days before its extraction an event of it may lie, in a template's flow.
    pub backdate_days: u16,
    /// Whether it is confidential health information, under a Caldicott Guardian's care.
    pub health: bool,
    /// Whether its event is the principal's birth: then `event_date` is a date of birth
    /// and is never stored in clear.
    pub event_is_birth: bool,
    /// Whether it states something about a consent, which it names in `consent_ref`: then it is
    /// never withdrawn or superseded, and goes to the consents and not to the records.
    pub statement: bool,
    /// Who the record is about, and where they live; empty when it is about nobody.
    pub identity: &'static [FieldDefinition],
    /// What it says. A field's stored number is its place here: only append.
    pub payload: &'static [FieldDefinition],
    /// The fields that make its principal a member of a family's case, if any do.
    pub case: Option<CaseFields>,
    /// Rules between payload fields.
    pub rules: &'static [RowRule],
}

impl RecordDefinition {
    /// A type with these fields, sent weekly, of a child's whole early years.
    #[must_use]
    pub const fn new(
        record_type: RecordType,
        doc: &'static str,
        about: About,
        senders: &'static [Agency],
        identity: &'static [FieldDefinition],
        payload: &'static [FieldDefinition],
    ) -> Self {
        Self {
            record_type,
            doc,
            about,
            senders,
            rhythm: Rhythm::Weekly,
            backdate_days: 2_000,
            health: false,
            event_is_birth: false,
            statement: false,
            identity,
            payload,
            case: None,
            rules: &[],
        }
    }

    /// The same, sent once a term.
    #[must_use]
    pub const fn termly(mut self) -> Self {
        self.rhythm = Rhythm::Termly;
        self
    }

    /// The same, of events up to so many days old.
    #[must_use]
    pub const fn backdated(mut self, days: u16) -> Self {
        self.backdate_days = days;
        self
    }

    /// The same, confidential health information.
    #[must_use]
    pub const fn health(mut self) -> Self {
        self.health = true;
        self
    }

    /// The same, whose event is the principal's birth.
    #[must_use]
    pub const fn birth(mut self) -> Self {
        self.event_is_birth = true;
        self
    }

    /// The same, which states something about a consent.
    #[must_use]
    pub const fn statement(mut self) -> Self {
        self.statement = true;
        self
    }

    /// The same, whose principal is a member of a case.
    #[must_use]
    pub const fn of_case(mut self, fields: CaseFields) -> Self {
        self.case = Some(fields);
        self
    }

    /// The same, with rules between its fields.
    #[must_use]
    pub const fn ruled(mut self, rules: &'static [RowRule]) -> Self {
        self.rules = rules;
        self
    }

    /// Every field, identity first.
    pub fn fields(&self) -> impl Iterator<Item = &'static FieldDefinition> {
        self.identity.iter().chain(self.payload.iter())
    }

    /// The field of a column.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static FieldDefinition> {
        self.fields().find(|f| f.name == name)
    }

    /// A value that a column may have; together they are a well-formed record of nobody.
    #[must_use]
    pub fn example(&self, column: &str) -> String {
        match column {
            "record_id" => "R-1".to_owned(),
            "operation" => "upsert".to_owned(),
            "extracted_at" => "2026-04-02".to_owned(),
            "consent_ref" if self.statement => "CN-1".to_owned(),
            "event_date" if self.event_is_birth => FieldKind::BirthDate.example(),
            "event_date" => FieldKind::PastDate.example(),
            other => self.field(other).map(|field| field.kind.example()).unwrap_or_default(),
        }
    }

    /// Every column: the envelope's, then its own.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> {
        ENVELOPE.into_iter().chain(self.fields().map(|field| field.name))
    }

    /// The stored number of a payload field that the program itself names, checked when
    /// it is compiled.
    ///
    /// # Panics
    /// At compile time, when there is no such field.
    #[must_use]
    pub const fn number(&self, name: &str) -> u8 {
        let mut i = 0;
        while i < self.payload.len() {
            if same(self.payload[i].name, name) {
                #[expect(clippy::cast_possible_truncation, reason = "a type has few fields")]
                return i as u8;
            }
            i += 1;
        }
        panic!("no such field in the record type")
    }
}

macro_rules! record_types {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $module:ident;)*) => {
        /// The kinds of records that partners send.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum RecordType { $($(#[$doc])* #[serde(rename = $name)] $variant = $number,)* }

        impl RecordType {
            /// Every record type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The names of all of these, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// Its name on the wire, in protocols and in files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its definition.
            #[must_use]
            pub const fn definition(self) -> &'static RecordDefinition {
                match self { $(Self::$variant => &records::$module::DEFINITION,)* }
            }

            /// Whether it is more than a test's own.
            #[must_use]
            pub const fn is_shipped(self) -> bool {
                self.number() < FIRST_OF_TESTS
            }

            /// Its stored number.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number,)* }
            }

            /// From its stored number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

/// The list, and whatever types tests add to it.
macro_rules! listed {
    ($($more:tt)*) => {
        record_types! {
            /// A live birth, from Health.
            LiveBirth = 1, "live_birth", live_birth;
            /// A health review of a child, from Health.
            HealthReview = 2, "health_review", health_review;
            /// A child on the list of eligible two-year-olds, from DWP through the authority.
            TwoYearOldEligibility = 3, "two_year_old_eligibility", two_year_old_eligibility;
            /// A funded early-education place in a term.
            FundedPlace = 4, "funded_place", funded_place;
            /// A learning aim of an adult.
            LearningAim = 5, "learning_aim", learning_aim;
            /// A member of a family with a case.
            FamilyCase = 6, "family_case", family_case;
            /// A child's registration with a centre.
            Registration = 7, "registration", registration;
            /// An attendance at a centre's activity.
            Attendance = 8, "attendance", attendance;
            /// A referral in or out.
            Referral = 9, "referral", referral;
            /// An expectant mother's antenatal contact.
            Antenatal = 10, "antenatal", antenatal;
            /// How a child is fed at six to eight weeks.
            FeedingSixToEightWeek = 11, "feeding_6_8_week", feeding_6_8_week;
            /// A child's scores in a developmental questionnaire.
            DevelopmentScore = 12, "development_score", development_score;
            /// A move, in, out or within.
            Movement = 13, "movement", movement;
            /// A death.
            Death = 14, "death", death;
            /// A child's sessions in a term, possible and attended.
            SessionAttendance = 15, "session_attendance", session_attendance;
            /// A child's early years foundation stage profile.
            EarlyYearsProfile = 16, "early_years_profile", early_years_profile;
            /// Whether an adult claims or works.
            WorkStatus = 17, "work_status", work_status;
            /// A centre's support to a family.
            SupportCase = 18, "support_case", support_case;
            /// An answer to a survey.
            Survey = 19, "survey", survey;
            /// An adult's volunteering.
            VolunteerPlacement = 20, "volunteer_placement", volunteer_placement;
            /// A provider at a session for providers: about nobody.
            ProviderSession = 21, "provider_session", provider_session;
            /// A contact with a school: about nobody.
            SchoolContact = 22, "school_contact", school_contact;
            /// What somebody said about a consent.
            Consent = 23, "consent", consent;
            $($more)*
        }
    };
}

#[cfg(not(test))]
listed! {}
#[cfg(test)]
listed! {
    /// Added by the tests alone: its file and this line are all that a new type takes.
    Example = 63, "example", example;
}

/// A text names no record type. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such record type")]
pub struct UnknownRecordType;

impl FromStr for RecordType {
    type Err = UnknownRecordType;
    fn from_str(name: &str) -> Result<Self, UnknownRecordType> {
        Self::ALL.iter().copied().find(|t| t.name() == name).ok_or(UnknownRecordType)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
