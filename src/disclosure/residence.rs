//! Where a person lives on a quarter's last day.
//!
//! Rule: the place of the person's record with the latest event day up to that day (for a
//! birth the date of birth) among the records known by the close; of several on one day
//! Health's first, then the smaller LSOA code. A record of a move away is the place nowhere,
//! and of several on one day the first. Only records of a table's own sources are
//! looked at: an address from a benefits list must not move a child in a table that the
//! list may not serve, so one person may live in two places for two tables.

use super::{facts::PersonFacts, period::Period};
use crate::domain::{Event, Lsoa, RecordType, Role, records::movement, time::epoch_day};
use std::cmp::Reverse;

/// A set of record types, bit `n` for stored number `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sources(u64);

impl Sources {
    pub(super) fn new(types: &[RecordType]) -> Self {
        Self(types.iter().fold(0, |set, t| set | Self::bit(*t)))
    }

    const fn bit(record_type: RecordType) -> u64 {
        1_u64.wrapping_shl(record_type.number() as u32)
    }
}

/// A record's claim to be the residence: its day, whether from Health, its place.
type Claim = (i32, bool, Reverse<Option<Lsoa>>);

/// The best claim of each record type that a person has, so that any set of sources is
/// answered without looking at the records again.
pub(super) struct Homes {
    /// By type, in the order of their first record; few.
    claims: Vec<(u64, Claim)>,
}

impl Homes {
    pub(super) const fn new() -> Self {
        Self { claims: Vec::new() }
    }

    /// Takes in a person's records, in place of the last one's.
    pub(super) fn read(&mut self, facts: &PersonFacts<'_>, period: &Period) {
        self.claims.clear();
        let birth = facts.date_of_birth.map(epoch_day);
        for event in facts.events {
            let place = event.place.filter(|_| !is_gone(event));
            if (place.is_none() && !is_gone(event)) || event.known > period.close {
                continue;
            }
            let Some(day) = day_of(event, birth).filter(|day| *day <= period.last) else {
                continue;
            };
            let own = Sources::bit(event.record_type);
            let claim = (day, event.record_type.definition().health, Reverse(place));
            match self.claims.iter_mut().find(|(bit, _)| *bit == own) {
                Some((_, best)) => *best = claim.max(*best),
                None => self.claims.push((own, claim)),
            }
        }
    }

    /// The LSOA of residence at the end of the period, by the records of some sources.
    pub(super) fn of(&self, sources: Sources) -> Option<Lsoa> {
        let claims = self.claims.iter().filter(|(bit, _)| sources.0 & bit != 0);
        claims.map(|(_, claim)| claim).max().and_then(|(_, _, Reverse(place))| *place)
    }
}

/// Whether the person moved away that day.
fn is_gone(event: &Event) -> bool {
    event.record_type == RecordType::Movement
        && event.code_of(movement::WHICH_WAY) == Some(movement::OUT)
}

/// A birth happened on its principal's date of birth; to the mother it gives no day.
fn day_of(event: &Event, birth: Option<i32>) -> Option<i32> {
    event.day.or_else(|| {
        let own = event.record_type == RecordType::LiveBirth && event.role == Role::Principal;
        birth.filter(|_| own)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PersonId, row::Sex};
    use jiff::civil::date;

    const ALL: [RecordType; 4] = [
        RecordType::LiveBirth,
        RecordType::HealthReview,
        RecordType::Registration,
        RecordType::Attendance,
    ];

    fn event(record_type: RecordType, day: Option<i32>, known: i32, place: Option<u32>) -> Event {
        let place = place.map(|n| Lsoa::from_number(n).unwrap());
        Event { record_type, role: Role::Principal, day, known, place, values: vec![] }
    }

    fn lives(events: &[Event]) -> Option<u32> {
        let period = Period::new("2026Q1".parse().unwrap());
        let date_of_birth = Some(date(2025, 6, 1));
        let (person, sex) = (PersonId::new(1), Sex::NotKnown);
        let facts = PersonFacts { person, date_of_birth, sex, death: None, events };
        let mut homes = Homes::new();
        homes.read(&facts, &period);
        homes.of(Sources::new(&ALL)).map(Lsoa::number)
    }

    #[test]
    fn the_latest_place_known_by_the_close_is_the_residence() {
        use RecordType::{Attendance, HealthReview, LiveBirth, Registration};
        let period = Period::new("2026Q1".parse().unwrap());
        let (s, close) = (period.last, period.close);
        let birth = event(LiveBirth, None, s - 100, Some(5));
        let cases: &[(&[Event], Option<u32>, &str)] = &[
            (&[], None, "nothing known"),
            (std::slice::from_ref(&birth), Some(5), "a birth has its date of birth for a day"),
            (&[birth.clone(), event(Registration, Some(s), s, Some(7))], Some(7), "latest"),
            (&[birth.clone(), event(Registration, Some(s + 1), s, Some(7))], Some(5), "after S"),
            (&[birth.clone(), event(Registration, Some(s), close, Some(7))], Some(7), "at close"),
            (&[birth.clone(), event(Registration, Some(s), close + 1, Some(7))], Some(5), "late"),
            (&[birth.clone(), event(Registration, Some(s), s, None)], Some(5), "without a place"),
            (
                &[
                    event(Registration, Some(s), s, Some(3)),
                    event(HealthReview, Some(s), s, Some(9)),
                ],
                Some(9),
                "Health first on one day",
            ),
            (
                &[event(Registration, Some(s), s, Some(8)), event(Attendance, Some(s), s, Some(4))],
                Some(4),
                "then the smaller code",
            ),
            (
                &[birth.clone(), event(RecordType::TwoYearOldEligibility, Some(s), s, Some(7))],
                Some(5),
                "a type that is no source",
            ),
            (
                &[Event { role: Role::Mother, ..birth.clone() }],
                None,
                "a child's birth gives its mother no day",
            ),
        ];
        for (events, wanted, case) in cases {
            assert_eq!(lives(events), *wanted, "{case}");
            let reversed: Vec<Event> = events.iter().rev().cloned().collect();
            assert_eq!(lives(&reversed), *wanted, "{case}, reversed");
        }
    }
}
