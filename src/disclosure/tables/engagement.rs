//! Under-fives by registration (none, new, 90 days or longer) and attendance in the
//! twelve months up to the quarter's last day (none, some, three days or more).

use crate::{
    disclosure::{
        classify::{Cell, Definition},
        known::{Known, SUSTAINED_DAYS},
    },
    domain::{RecordType, records::survey},
};

pub(in crate::disclosure) const ENGAGEMENT: Definition = Definition::of_children(
    "engagement",
    &[
        "unregistered_absent",
        "unregistered_attended",
        "new_absent",
        "new_occasional",
        "new_sustained",
        "long_absent",
        "long_occasional",
        "long_sustained",
    ],
    cell,
)
.reading(&[RecordType::Registration, RecordType::Attendance]);

/// Those registered for long who never came, by whether a survey asked after them.
pub(in crate::disclosure) const NON_ATTENDERS: Definition =
    Definition::of_children("non_attenders", &["surveyed", "not_surveyed"], surveyed)
        .reading(&[RecordType::Registration, RecordType::Attendance, RecordType::Survey])
        .needing(&[RecordType::Registration]);

/// A registration of at least this many days is long.
const LONG_DAYS: i32 = 90;
const NON_ATTENDER: u8 = survey::KIND.number_of("non_attender");

fn cell(known: &Known<'_>) -> Option<Cell> {
    let days = known.days_in_year();
    Some(match known.registered_since {
        None => u8::from(days > 0),
        Some(_) => {
            let first = if is_long(known) { 5 } else { 2 };
            first + if days >= SUSTAINED_DAYS { 2 } else { u8::from(days > 0) }
        }
    })
}

fn is_long(known: &Known<'_>) -> bool {
    known.registered_since.is_some_and(|start| start <= known.period.last - LONG_DAYS)
}

fn surveyed(known: &Known<'_>) -> Option<Cell> {
    if !is_long(known) || known.days_in_year() > 0 {
        return None;
    }
    let (after, last) = (known.period.year_ago, known.period.last);
    let asked = known.events(RecordType::Survey).any(|event| {
        event.code_of(survey::WHICH) == Some(NON_ATTENDER)
            && event.day.is_some_and(|day| after < day && day <= last)
    });
    Some(u8::from(!asked))
}
