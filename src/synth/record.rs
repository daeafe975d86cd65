//! A partner's record before it is written: who, when, where, and the facts. Codes are positions in the code
//! lists of `domain::records`, so a record is small: half a million of them fit in some tens of megabytes.

use crate::domain::RecordType;

use super::calendar::{Day, Term};
use super::ground::Address;
use super::people::{Coin, Person, PersonId};

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Partner {
    Health,
    Dwp,
    Learning,
    Families,
    Centres,
}

impl Partner {
    /// The partner's id, which is also its folder.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Dwp => "dwp",
            Self::Learning => "learning",
            Self::Families => "families",
            Self::Centres => "centres",
        }
    }

    pub(super) fn number(self) -> u8 {
        match self {
            Self::Health => 1,
            Self::Dwp => 2,
            Self::Learning => 3,
            Self::Families => 4,
            Self::Centres => 5,
        }
    }

    /// The weekday of its extracts, 0 for Monday.
    pub(super) fn extracts_on(self) -> i32 {
        match self {
            Self::Health => 0,
            Self::Learning => 1,
            Self::Families => 2,
            Self::Centres => 3,
            Self::Dwp => 4,
        }
    }

    /// Persons per thousand whose NHS number the partner does not hold.
    fn without_nhs_number(self) -> u64 {
        match self {
            Self::Health => 0,
            Self::Families => 45,
            Self::Centres => 55,
            Self::Learning => 60,
            Self::Dwp => 75,
        }
    }

    /// Whether the partner holds the person's NHS number; for one person always the same.
    pub(super) fn holds_number_of(self, person: &Person) -> bool {
        person.coin(Coin::NumberHeldBy(self.number())) >= self.without_nhs_number()
    }

    /// The letter that its local ids and record ids begin with; DWP has no local ids.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Health => 'H',
            Self::Dwp => 'D',
            Self::Learning => 'L',
            Self::Families => 'F',
            Self::Centres => 'C',
        }
    }
}

/// The address that a record states.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    At(Address),
    /// Left empty.
    Blank,
    /// The pseudo postcode of people whose address is not known.
    NotKnown,
}

impl Home {
    pub(super) fn address(self) -> Option<Address> {
        match self {
            Self::At(address) => Some(address),
            Self::Blank | Self::NotKnown => None,
        }
    }
}

/// How a record reaches the gateway.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Sent {
    Once,
    /// The very same row again.
    Repeated,
    /// The same facts again under a new record id.
    Doubled,
    /// About the wrong person, and withdrawn in the next extract.
    Mistaken,
}

/// What is wrong with what a record states.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Flaw {
    None,
    /// A typing error in the forename (the number chooses where and which).
    Forename(u8),
    /// A typing error in the surname.
    Surname(u8),
    /// A typing error in the date of birth.
    BirthDate(u8),
    /// A wrong check digit: the gateway rejects the record.
    CheckDigit,
}

/// A case's number; its reference is made from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct CaseNumber(pub(super) u32);

/// What a record says, by record type.
#[derive(Clone, Copy)]
pub(super) enum Facts {
    /// Plurality and birth order are the child's.
    LiveBirth,
    Review {
        review: u8,
        outcome: u8,
    },
    Eligibility {
        criterion: u8,
    },
    FundedPlace {
        term: Term,
        age: u8,
        hours: u8,
        provider: u16,
    },
    Aim {
        reference: u8,
        planned_end: Day,
        completion: u8,
        outcome: u8,
        destination: u8,
        esol: bool,
    },
    CaseMember {
        case: CaseNumber,
        case_type: u8,
        closed: Option<Day>,
        criteria: u8,
        role: u8,
        reference: bool,
    },
    Registration {
        centre: u8,
        end: Option<Day>,
        source: u8,
        groups: u32,
    },
    Attendance {
        centre: u8,
        activity: u8,
    },
    /// Of the agencies' further files.
    More(More),
    /// Where to is the record's home.
    Movement {
        direction: u8,
    },
    Referral {
        direction: u8,
        other_party: u8,
        reason: u8,
        outcome: u8,
        outcome_on: Option<Day>,
    },
}

/// What a record of the agencies' further files says.
#[derive(Clone, Copy)]
pub(super) enum More {
    Antenatal {
        expected: Day,
    },
    Feeding {
        fed: u8,
    },
    Scores {
        interval: u8,
        scores: [u8; 5],
        on_track: bool,
    },
    Death,
    Work {
        status: u8,
        start: Option<Day>,
    },
    Sessions {
        term: Term,
        possible: u16,
        attended: u16,
        provider: u16,
    },
    Profile {
        year: i16,
        /// Bit `n` for goal `n + 1`, met.
        goals: u32,
        meals: bool,
        eal: bool,
    },
    Support {
        case: CaseNumber,
        centre: u8,
        level: u8,
        closed: Option<Day>,
        outcome: u8,
    },
    Survey {
        kind: u8,
        centre: u8,
        /// 1 to 5; 0 where it was not asked.
        satisfaction: u8,
        why_not: u32,
    },
    Volunteer {
        centre: u8,
        end: Option<Day>,
        stage: u8,
        outcome: u8,
        groups: u32,
    },
}

/// One record.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) person: PersonId,
    /// event_date.
    pub(super) event: Day,
    /// extracted_at: the day the sender declares it known.
    pub(super) known: Day,
    pub(super) home: Home,
    pub(super) facts: Facts,
    pub(super) sent: Sent,
    pub(super) flaw: Flaw,
    /// False for what never counts: rejected, mistaken, or without consent.
    pub(super) counts: bool,
}

impl Entry {
    pub(super) fn new(person: PersonId, event: Day, known: Day, home: Home, facts: Facts) -> Self {
        Self { person, event, known, home, facts, sent: Sent::Once, flaw: Flaw::None, counts: true }
    }
}

/// One partner's records of one type: one file.
pub(super) struct Feed {
    pub(super) partner: Partner,
    pub(super) record_type: RecordType,
    pub(super) entries: Vec<Entry>,
}

impl Feed {
    pub(super) fn new(partner: Partner, record_type: RecordType) -> Self {
        Self { partner, record_type, entries: Vec::new() }
    }
}
