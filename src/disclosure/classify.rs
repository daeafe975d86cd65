//! Which cell of each table a person falls in: pure functions of facts and period.
//!
//! Why it exists: a table is a name in the catalogue and a classification here, one short
//! file a table in `tables/`. A classification gives at most one cell, so no person can
//! add more than one to a table whatever its records say; where and how often it may is
//! checked against the catalogue's declaration ([`super::check`]).

use super::{facts::PersonFacts, period::Period, tables};
use crate::domain::{Event, RecordType, Role, TableId, records::registration};

/// A cell's place in its table's list.
pub type Cell = u8;

/// How a table is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classification {
    /// Under-fives by registration and attendance.
    Engagement,
    /// Under-fives by year of age.
    UnderFives,
    /// Births counted in the quarter.
    Births,
    /// Last quarter's births by prompt registration.
    Prompt,
    /// Children on the latest list of eligible two-year-olds.
    Twos,
    /// Persons referred in the quarter.
    Referrals,
    /// Reference children under five of open cases.
    Families,
    /// The same by type of case.
    FamilyTypes,
}

/// A child under five is so on exactly 20 quarters' last days.
const CHILDHOOD: u32 = 20;
/// The rolling horizon of what can happen to a person of any age: five years.
const HORIZON: u32 = 20;

impl Classification {
    /// The classification of a table's name.
    #[must_use]
    pub fn of(table: &TableId) -> Option<Self> {
        Some(match table.as_str() {
            "engagement" => Self::Engagement,
            "under_fives" => Self::UnderFives,
            "births" => Self::Births,
            "prompt" => Self::Prompt,
            "twos" => Self::Twos,
            "referrals" => Self::Referrals,
            "families" => Self::Families,
            "family_types" => Self::FamilyTypes,
            _ => return None,
        })
    }

    /// Its cells, in order.
    #[must_use]
    pub const fn cells(self) -> &'static [&'static str] {
        match self {
            Self::Engagement => &tables::engagement::CELLS,
            Self::UnderFives => &tables::under_fives::CELLS,
            Self::Births => &tables::births::CELLS,
            Self::Prompt => &tables::prompt::CELLS,
            Self::Twos => &tables::twos::CELLS,
            Self::Referrals => &tables::referrals::CELLS,
            Self::Families => &tables::families::CELLS,
            Self::FamilyTypes => &tables::family_types::CELLS,
        }
    }

    /// The most quarters in which it can give one person a cell (in any five years).
    #[must_use]
    pub const fn periods(self) -> u32 {
        match self {
            Self::Engagement | Self::UnderFives | Self::Families | Self::FamilyTypes => CHILDHOOD,
            Self::Births | Self::Prompt => 1,
            Self::Twos => tables::twos::PERIODS,
            Self::Referrals => HORIZON,
        }
    }

    /// The record types whose content it reads; an address may come from more.
    #[must_use]
    pub const fn reads(self) -> &'static [RecordType] {
        use RecordType as T;
        match self {
            Self::Engagement => &[T::Registration, T::Attendance],
            Self::UnderFives => &[],
            Self::Births => &[T::LiveBirth],
            Self::Prompt => &[T::LiveBirth, T::Registration],
            Self::Twos => &[T::TwoYearOldEligibility, T::FundedPlace, T::Registration],
            Self::Referrals => &[T::Referral],
            Self::Families | Self::FamilyTypes => &[T::FamilyCase, T::Registration],
        }
    }

    /// Whether its cells are too small and delicate for anything below the authority.
    #[must_use]
    pub const fn authority_only(self) -> bool {
        matches!(self, Self::FamilyTypes)
    }

    /// The person's cell, when it is in the table's population.
    #[must_use]
    pub fn cell(self, known: &Known<'_>) -> Option<Cell> {
        match self {
            Self::Engagement => tables::engagement::cell(known),
            Self::UnderFives => tables::under_fives::cell(known),
            Self::Births => tables::births::cell(known),
            Self::Prompt => tables::prompt::cell(known),
            Self::Twos => tables::twos::cell(known),
            Self::Referrals => tables::referrals::cell(known),
            Self::Families => tables::families::cell(known),
            Self::FamilyTypes => tables::family_types::cell(known),
        }
    }
}

/// What is known about a person by the quarter's close, worked out once for all tables.
pub struct Known<'a> {
    /// The quarter.
    pub period: &'a Period,
    /// The date of birth as an epoch day.
    pub birth: Option<i32>,
    /// Whole months completed on the last day, of a person born by then.
    pub months: Option<i32>,
    /// The start of the earliest registration that is active on the last day.
    pub registered_since: Option<i32>,
    events: &'a [Event],
}

impl<'a> Known<'a> {
    /// What is known; `None` when the person died on or before the last day.
    #[must_use]
    pub fn new(facts: &'a PersonFacts<'a>, period: &'a Period) -> Option<Self> {
        if facts.death.is_some_and(|death| death <= period.last_date) {
            return None;
        }
        let born = facts.date_of_birth.filter(|birth| *birth <= period.last_date);
        let mut known = Self {
            period,
            birth: born.map(crate::domain::time::epoch_day),
            months: born.map(|birth| period.months_completed(birth)),
            registered_since: None,
            events: facts.events,
        };
        known.registered_since =
            known.registrations().filter(|r| r.is_active(period.last)).map(|r| r.start).min();
        Some(known)
    }

    /// The person's own records of one type that were known by the close.
    pub fn events(&self, record_type: RecordType) -> impl Iterator<Item = &'a Event> {
        let close = self.period.close;
        self.events.iter().filter(move |event| {
            event.record_type == record_type
                && event.role == Role::Principal
                && event.known <= close
        })
    }

    /// The person's registrations that were known by the close.
    pub fn registrations(&self) -> impl Iterator<Item = Registration> {
        self.events(RecordType::Registration).filter_map(|event| {
            let start = event.day_of(registration::START_DATE).or(event.day)?;
            Some(Registration { start, end: event.day_of(registration::END_DATE) })
        })
    }

    /// Whether the person is a living under-five on the last day.
    #[must_use]
    pub fn is_under_five(&self) -> bool {
        self.months.is_some_and(|months| months < 60)
    }
}

/// A registration's days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    /// The day it began.
    pub start: i32,
    /// The day it ended.
    pub end: Option<i32>,
}

impl Registration {
    /// Whether it has begun by a day and not ended by it.
    #[must_use]
    pub fn is_active(&self, day: i32) -> bool {
        self.start <= day && self.end.is_none_or(|end| end > day)
    }
}
