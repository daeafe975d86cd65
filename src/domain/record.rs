//! Record types and the one declarative definition that each has.
//!
//! Validation, templates, documentation and the mapping check all come from the
//! definitions; a new record type is one file in [`super::records`] and one line here.

use super::{
    event::Role,
    field::{FieldKind, Sensitivity, same},
    records,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The columns that every record may have, whatever its type; a protocol need not list
/// them: `record_id` (the sender's, the idempotency key within its feed), `operation`
/// (`upsert`, the default, or `withdraw`), `extracted_at` (the day of extraction),
/// `event_date`, `consent_ref`.
pub const ENVELOPE: [&str; 5] =
    ["record_id", "operation", "extracted_at", "event_date", "consent_ref"];

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

/// What a record type consists of.
#[derive(Debug)]
pub struct RecordDefinition {
    /// The type.
    pub record_type: RecordType,
    /// What it records, for people.
    pub doc: &'static str,
    /// Whether its event is the principal's birth: then `event_date` is a date of birth
    /// and is never stored in clear.
    pub event_is_birth: bool,
    /// Who the record is about, and where they live.
    pub identity: &'static [FieldDefinition],
    /// What it says. A field's stored number is its place here: only append.
    pub payload: &'static [FieldDefinition],
    /// A pair of payload fields of which the second may not lie before the first.
    pub period: Option<(&'static str, &'static str)>,
}

impl RecordDefinition {
    /// Every field, identity first.
    pub fn fields(&self) -> impl Iterator<Item = &'static FieldDefinition> {
        self.identity.iter().chain(self.payload.iter())
    }

    /// The field of a column.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static FieldDefinition> {
        self.fields().find(|f| f.name == name)
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
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn definitions_are_coherent() {
        for record_type in RecordType::ALL {
            let definition = record_type.definition();
            assert_eq!(definition.record_type, *record_type);
            assert_eq!(RecordType::from_number(record_type.number()), Some(*record_type));
            assert_eq!(record_type.name().parse(), Ok(*record_type));
            let mut names = BTreeSet::new();
            for field in definition.fields() {
                assert!(names.insert(field.name), "{record_type}: {} twice", field.name);
                assert!(!ENVELOPE.contains(&field.name), "{record_type}: {}", field.name);
                assert!(!field.doc.is_empty());
                if let FieldKind::Code(list) | FieldKind::Codes(list) = field.kind {
                    assert!(list.codes.len() <= 32, "{}", list.name);
                }
            }
            assert!(definition.identity.iter().all(|f| f.kind.is_identity()));
            assert!(definition.payload.iter().all(|f| !f.kind.is_identity()));
            if let Some((start, end)) = definition.period {
                assert!(definition.number(start) < definition.number(end));
            }
        }
    }
}
