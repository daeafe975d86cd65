//! Families with an open case and a child under five, each counted at its reference
//! child, by that child's registration.

use crate::{
    disclosure::classify::{Cell, Known},
    domain::{Event, RecordType, records::family_case},
};

pub(in crate::disclosure) const CELLS: [&str; 2] = ["registered", "unregistered"];

pub(in crate::disclosure) fn cell(known: &Known<'_>) -> Option<Cell> {
    open_cases(known)?.next()?;
    Some(u8::from(known.registered_since.is_none()))
}

/// The open cases whose reference child the person is; `None` unless it is under five.
pub(super) fn open_cases<'a>(known: &Known<'a>) -> Option<impl Iterator<Item = &'a Event>> {
    let last = known.period.last;
    known.is_under_five().then(|| {
        known.events(RecordType::FamilyCase).filter(move |event| {
            let opened = event.day_of(family_case::OPENED).or(event.day);
            event.flag_of(family_case::REFERENCE_CHILD) == Some(true)
                && opened.is_some_and(|day| day <= last)
                && event.day_of(family_case::CLOSED).is_none_or(|day| day > last)
        })
    })
}
