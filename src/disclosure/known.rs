//! What is known about a person by the quarter's close, worked out once for all tables.

use super::{facts::PersonFacts, period::Period};
use crate::domain::{
    Event, RecordType, Role,
    crosswalk::broad_group,
    records::{
        development_score, early_years_profile, family_case, funded_place, health_review,
        live_birth, registration, session_attendance,
    },
    row::Sex,
    time::epoch_day,
};
use jiff::{ToSpan, civil::Date};

/// Attendance on this many distinct days is sustained contact.
pub(super) const SUSTAINED_DAYS: u8 = 3;

/// A score counts as that of two years from this age on, in days: 23 months.
const AT_TWO_DAYS: i32 = 700;

/// What is known about a person by the quarter's close.
pub struct Known<'a> {
    /// The quarter.
    pub period: &'a Period,
    /// The date of birth.
    pub born: Option<Date>,
    /// The date of birth as an epoch day.
    pub birth: Option<i32>,
    /// Whole months completed on the last day, of a person born by then.
    pub months: Option<i32>,
    /// Whether the date of birth lies after the last day.
    pub unborn: bool,
    /// The sex.
    pub sex: Sex,
    /// The start of the earliest registration that is active on the last day.
    pub registered_since: Option<i32>,
    /// A number of the person's own for a random order that nobody chose.
    order: u64,
    /// Bit `n` for a record of stored type `n`.
    present: u64,
    events: &'a [Event],
}

impl<'a> Known<'a> {
    /// What is known; `None` when the person died on or before the last day. `key` makes the
    /// order in which some of a person's groups are counted and others not.
    #[must_use]
    pub fn new(facts: &'a PersonFacts<'a>, period: &'a Period, key: u64) -> Option<Self> {
        if facts.death.is_some_and(|death| death <= period.last_date) {
            return None;
        }
        let born = facts.date_of_birth.filter(|birth| *birth <= period.last_date);
        let own = facts
            .events
            .iter()
            .filter(|event| event.role == Role::Principal && event.known <= period.close);
        let present = own.fold(0, |set, event| set | bit(event.record_type));
        let mut known = Self {
            period,
            born,
            birth: born.map(epoch_day),
            months: born.map(|birth| period.months_completed(birth)),
            unborn: facts.date_of_birth.is_some() && born.is_none(),
            sex: facts.sex,
            registered_since: None,
            order: mixed(key ^ mixed(facts.person.number().unsigned_abs())),
            present,
            events: facts.events,
        };
        known.registered_since =
            known.registrations().filter(|r| r.is_active(period.last)).map(|r| r.start).min();
        Some(known)
    }

    /// Whether the person has a record of its own of one of these types.
    #[must_use]
    pub fn has_any(&self, types: &[RecordType]) -> bool {
        types.iter().any(|record_type| self.present & bit(*record_type) != 0)
    }

    /// The person's own records of one type that were known by the close.
    pub fn events(&self, record_type: RecordType) -> impl Iterator<Item = &'a Event> + use<'a> {
        let close = self.period.close;
        // Most persons have none of most types.
        let events = if self.has_any(&[record_type]) { self.events } else { &[] };
        events.iter().filter(move |event| {
            event.record_type == record_type
                && event.role == Role::Principal
                && event.known <= close
        })
    }

    /// The person's registrations that were known by the close.
    pub fn registrations(&self) -> impl Iterator<Item = Registration> + use<'a> {
        self.events(RecordType::Registration).filter_map(|event| {
            let start = event.day_of(registration::START_DATE).or(event.day)?;
            Some(Registration { start, end: event.day_of(registration::END_DATE) })
        })
    }

    /// A cell's offset: 0 for the registered, 1 for others.
    pub(super) fn unregistered(&self) -> u8 {
        u8::from(self.registered_since.is_none())
    }

    /// The day on which the person turned so many months old, when that was in this quarter: at
    /// most once in a life, whatever the lengths of the months.
    pub(super) fn turned(&self, months: i32) -> Option<i32> {
        let born = self.born?;
        let before = self.period.months_completed_before(born);
        let now = self.months?;
        (now >= months && before < months).then(|| day_of_age(born, months))
    }

    /// The same for days.
    pub(super) fn turned_days(&self, days: i32) -> Option<i32> {
        let turned = self.birth? + days;
        (self.period.first..=self.period.last).contains(&turned).then_some(turned)
    }

    /// The day of the first completed review of a kind.
    pub(super) fn reviewed(&self, review: u8) -> Option<i32> {
        let done = self.events(RecordType::HealthReview).filter(|event| {
            event.code_of(health_review::WHICH) == Some(review)
                && event.code_of(health_review::CAME_OF_IT) == Some(COMPLETED)
        });
        done.filter_map(|event| event.day).min()
    }

    /// On how many distinct days of a span the person attended, up to [`SUSTAINED_DAYS`].
    pub(super) fn days_attended(&self, from: i32, to: i32) -> u8 {
        let mut days = [i32::MIN; SUSTAINED_DAYS as usize];
        let mut found = 0;
        for event in self.events(RecordType::Attendance) {
            let Some(day) = event.day.filter(|day| (from..=to).contains(day)) else { continue };
            if days[..usize::from(found)].contains(&day) {
                continue;
            }
            days[usize::from(found)] = day;
            found += 1;
            if found == SUSTAINED_DAYS {
                break;
            }
        }
        found
    }

    /// The same in the twelve months up to the last day.
    pub(super) fn days_in_year(&self) -> u8 {
        self.days_attended(self.period.year_ago + 1, self.period.last)
    }

    /// Whether it came on three days or more before its second birthday, `Some(false)` where
    /// it never came; `None` between the two.
    pub(super) fn sustained_by_two(&self) -> Option<bool> {
        let second = day_of_age(self.born?, 24);
        match self.days_attended(i32::MIN, second - 1) {
            0 => Some(false),
            SUSTAINED_DAYS.. => Some(true),
            _ => None,
        }
    }

    /// Whether the latest questionnaire at two found every score at the threshold or above,
    /// of a child who turned 30 months in the twelve months up to the last day.
    pub(super) fn on_track_at_two(&self) -> Option<bool> {
        let birth = self.birth?;
        let scores = self.events(RecordType::DevelopmentScore).filter_map(|event| {
            let day = event.day.filter(|day| *day >= birth + AT_TWO_DAYS)?;
            Some((day, event.flag_of(development_score::ON_TRACK)?))
        });
        scores.max().map(|(_, on_track)| on_track)
    }

    /// The profile of a child of the school year that ended in the quarter's year: whether it
    /// reached a good level, and whether it may have free meals. Each birth cohort has one
    /// such year.
    pub(super) fn profile(&self) -> Option<(bool, bool)> {
        let year = self.period.quarter.year();
        let (from, to) = (Date::constant(year - 6, 9, 1), Date::constant(year - 5, 8, 31));
        self.born.filter(|born| (from..=to).contains(born))?;
        let own = self
            .events(RecordType::EarlyYearsProfile)
            .filter(|event| event.integer_of(early_years_profile::YEAR) == Some(i32::from(year)));
        // Of several, sent by two schools, the better: the order of records must not tell.
        own.filter_map(|event| {
            let meals = event.flag_of(early_years_profile::MEALS).unwrap_or(false);
            Some((event.flag_of(early_years_profile::REACHED)?, meals))
        })
        .max()
    }

    /// The broad ethnic group, 0 to 4, that any record states; a birth's first.
    pub(super) fn ethnic_group(&self) -> Option<u8> {
        broad_group(self.ethnicity()?).filter(|broad| *broad < 5)
    }

    /// The number of the stated ethnic group.
    pub(super) fn ethnicity(&self) -> Option<u8> {
        const STATED: [(RecordType, u8); 3] = [
            (RecordType::LiveBirth, live_birth::ETHNICITY),
            (RecordType::Registration, registration::ETHNICITY),
            (RecordType::EarlyYearsProfile, early_years_profile::ETHNICITY),
        ];
        let of = |(record_type, field): (RecordType, u8)| {
            let stated = self.events(record_type).filter_map(move |event| event.code_of(field));
            stated.filter(|group| *group < NOT_STATED).min()
        };
        STATED.into_iter().find_map(of)
    }

    /// Whether any nursery or school says that it has special needs; `None` where none says.
    pub(super) fn has_needs(&self) -> Option<bool> {
        const SAID: [(RecordType, u8); 2] = [
            (RecordType::FundedPlace, funded_place::SEN),
            (RecordType::SessionAttendance, session_attendance::SEN),
        ];
        let of = |(record_type, field): (RecordType, u8)| {
            self.events(record_type).filter_map(move |event| event.code_of(field))
        };
        SAID.into_iter().flat_map(of).max().map(|provision| provision > 0)
    }

    /// The open cases whose record the person is in.
    pub(super) fn open_cases(&self) -> impl Iterator<Item = &'a Event> + use<'a> {
        let last = self.period.last;
        self.events(RecordType::FamilyCase).filter(move |event| {
            let opened = event.day_of(family_case::OPENED).or(event.day);
            opened.is_some_and(|day| day <= last)
                && event.day_of(family_case::CLOSED).is_none_or(|day| day > last)
        })
    }

    /// Up to `most` of a set of numbered things, in an order of the person's own that is as
    /// good as random: not the smallest numbers, which would always lose the same ones.
    pub(super) fn some_of(&self, set: u32, most: usize) -> impl Iterator<Item = u8> + use<'a> {
        let (mut all, mut count) = ([0_u8; 32], 0);
        for number in (0..32).filter(|number| set >> number & 1 == 1) {
            all[count] = number;
            count += 1;
        }
        if count > most {
            all[..count].sort_unstable_by_key(|number| mixed(self.order ^ u64::from(*number)));
        }
        all.into_iter().take(count.min(most))
    }
}

/// Completed, among the outcomes of a review.
const COMPLETED: u8 = health_review::OUTCOME.number_of("completed");
/// The ethnic group that says nothing.
const NOT_STATED: u8 = crate::domain::crosswalk::ETHNIC_GROUP.number_of("not_stated");

/// The epoch day on which somebody turns so many months old; on the last day of a shorter month.
pub(super) fn day_of_age(born: Date, months: i32) -> i32 {
    epoch_day(born.saturating_add(months.months()))
}

const fn bit(record_type: RecordType) -> u64 {
    1_u64.wrapping_shl(record_type.number() as u32)
}

/// A number's bits stirred (the finaliser of SplitMix64).
const fn mixed(number: u64) -> u64 {
    let a = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
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
