//! Who belongs together: dated edges, from person to person and from person to case.
//!
//! A family is what such edges connect; an address is none (domain.md, "Words we use"). Each edge
//! comes from one record, and counts while that record does. What makes edges is in the records'
//! definitions: a person named in a part of its own ([`Role`]) and the fields of a case
//! ([`CaseFields`]).
//!
//! Invariant: an edge holds no date of birth. One that holds from birth on has no first day.

use super::{
    event::{Event, Role},
    field::Value,
};

/// How a person stands to another, or to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tie {
    /// Gave birth to the other.
    ParentOf,
    /// Is a parent or carer of the other.
    CarerOf,
    /// A child of the family that a case is about.
    CaseChild,
    /// A parent in it.
    CaseParent,
    /// A carer in it.
    CaseCarer,
    /// Another member.
    CaseOther,
}

impl Tie {
    /// Every tie.
    pub const ALL: [Self; 6] = [
        Self::ParentOf,
        Self::CarerOf,
        Self::CaseChild,
        Self::CaseParent,
        Self::CaseCarer,
        Self::CaseOther,
    ];

    /// Its stored number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::ParentOf => 1,
            Self::CarerOf => 2,
            Self::CaseChild => 3,
            Self::CaseParent => 4,
            Self::CaseCarer => 5,
            Self::CaseOther => 6,
        }
    }

    /// From its stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tie| tie.number() == number)
    }

    /// In documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ParentOf => "parent_of",
            Self::CarerOf => "carer_of",
            Self::CaseChild | Self::CaseParent | Self::CaseCarer | Self::CaseOther => "case_member",
        }
    }

    /// How a record's other person stands to its principal.
    #[must_use]
    pub const fn of(role: Role) -> Option<Self> {
        match role {
            Role::Principal => None,
            Role::Mother => Some(Self::ParentOf),
            Role::Parent => Some(Self::CarerOf),
        }
    }

    /// From when on such a tie between persons holds that a record of a day tells; `None` from
    /// the birth on.
    #[must_use]
    pub const fn since(self, day: Option<i32>) -> Option<i32> {
        match self {
            Self::ParentOf => None,
            _ => day,
        }
    }

    /// Whether it is to a case.
    #[must_use]
    pub const fn is_to_case(self) -> bool {
        !matches!(self, Self::ParentOf | Self::CarerOf)
    }
}

/// The payload fields by which a record makes its principal a member of a family's case.
#[derive(Debug, Clone, Copy)]
pub struct CaseFields {
    /// The sender's reference of the case.
    pub case: u8,
    /// The member's part, a code; the ties of its codes, in their order.
    pub part: (u8, [Tie; 4]),
    /// The day the case was opened; the event's where it is absent.
    pub opened: u8,
    /// The day it was closed; absent while open.
    pub closed: u8,
}

/// An edge from a record's principal to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The case's keyed reference, under the version that the event is keyed under.
    pub case: [u8; 16],
    /// The member's part.
    pub tie: Tie,
    /// From when on, days since 1970-01-01.
    pub from: Option<i32>,
    /// The first day on which it does not hold any more.
    pub until: Option<i32>,
}

impl Membership {
    /// What a record says of its principal, where its type says such.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let fields = event.record_type.definition().case.as_ref()?;
        let Some(Value::Key(case)) = event.value(fields.case) else { return None };
        let (part, ties) = &fields.part;
        Some(Self {
            case: *case,
            tie: *ties.get(usize::from(event.code_of(*part)?))?,
            from: event.day_of(fields.opened).or(event.day),
            until: event.day_of(fields.closed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{RecordType, records::family_case};

    #[test]
    fn ties_have_a_number_each_and_every_role_but_the_principal_a_tie() {
        for tie in Tie::ALL {
            assert_eq!(Tie::from_number(tie.number()), Some(tie));
        }
        assert_eq!(Tie::from_number(0), None);
        let ties = [Role::Principal, Role::Mother, Role::Parent].map(Tie::of);
        assert_eq!(ties, [None, Some(Tie::ParentOf), Some(Tie::CarerOf)]);
        assert_eq!(Tie::ParentOf.since(Some(20_000)), None, "a birth's day is in no edge");
    }

    #[test]
    fn a_members_part_is_its_tie_to_the_case() {
        let number = |name| RecordType::FamilyCase.definition().number(name);
        for (code, tie) in
            (0..).zip([Tie::CaseChild, Tie::CaseParent, Tie::CaseCarer, Tie::CaseOther])
        {
            let event = Event {
                record_type: RecordType::FamilyCase,
                role: Role::Principal,
                day: Some(20_000),
                known: 20_001,
                place: None,
                values: vec![
                    (number("case_id"), Value::Key([7; 16])),
                    (family_case::OPENED, Value::Day(19_990)),
                    (family_case::CLOSED, Value::Day(20_050)),
                    (number("member_role"), Value::Code(code)),
                ],
            };
            let (from, until) = (Some(19_990), Some(20_050));
            assert_eq!(
                Membership::of(&event),
                Some(Membership { case: [7; 16], tie, from, until })
            );
        }
    }
}
