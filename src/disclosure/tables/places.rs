//! Early education: funded places of three- and four-year-olds, and attendance at nursery.

use crate::{
    disclosure::{
        classify::{Cell, Definition},
        known::Known,
    },
    domain::{
        RecordType,
        records::{funded_place, session_attendance},
    },
};
use std::ops::RangeInclusive;

pub(in crate::disclosure) const THREE_FOUR: Definition =
    Definition::of_children("three_four", &["funded", "unfunded"], three_four)
        .aged(36, 60)
        .reading(&[RecordType::FundedPlace]);

/// Children of two to four with sessions in the term.
pub(in crate::disclosure) const NURSERY: Definition =
    Definition::of_children("nursery", &["low", "not_low"], nursery)
        .aged(24, 60)
        .reading(&[RecordType::SessionAttendance])
        .needing(&[RecordType::SessionAttendance]);

/// Attendance below so many in a hundred is low.
const LOW_PERCENT: i64 = 85;

/// Whether there is a place funded as one of an age, in the term of the quarter.
pub(super) fn funded(known: &Known<'_>, ages: RangeInclusive<i32>) -> bool {
    known.events(RecordType::FundedPlace).any(|event| {
        event.integer_of(funded_place::FUNDED_AGE).is_some_and(|age| ages.contains(&age))
            && event.integer_of(funded_place::TERM) == Some(known.period.term)
    })
}

fn three_four(known: &Known<'_>) -> Option<Cell> {
    Some(u8::from(!funded(known, 3..=4)))
}

/// All of the term's records together: a child may go to two places.
fn nursery(known: &Known<'_>) -> Option<Cell> {
    let (mut possible, mut attended) = (0_i64, 0_i64);
    for event in known.events(RecordType::SessionAttendance) {
        if event.integer_of(session_attendance::TERM) == Some(known.period.term) {
            possible += i64::from(event.integer_of(session_attendance::POSSIBLE).unwrap_or(0));
            attended += i64::from(event.integer_of(session_attendance::ATTENDED).unwrap_or(0));
        }
    }
    (possible > 0).then(|| u8::from(attended * 100 >= possible * LOW_PERCENT))
}
