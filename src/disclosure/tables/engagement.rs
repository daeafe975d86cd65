//! Under-fives by registration (none, new, 90 days or longer) and attendance in the
//! twelve months up to the quarter's last day (none, some, three days or more).

use crate::{
    disclosure::classify::{Cell, Known},
    domain::RecordType,
};

pub(in crate::disclosure) const CELLS: [&str; 8] = [
    "unregistered_absent",
    "unregistered_attended",
    "new_absent",
    "new_occasional",
    "new_sustained",
    "long_absent",
    "long_occasional",
    "long_sustained",
];

/// A registration of at least this many days is long.
const LONG_DAYS: i32 = 90;
/// Attendance on this many distinct days is sustained contact.
const SUSTAINED_DAYS: u8 = 3;

pub(in crate::disclosure) fn cell(known: &Known<'_>) -> Option<Cell> {
    if !known.is_under_five() {
        return None;
    }
    let days = distinct_days(known);
    Some(match known.registered_since {
        None => u8::from(days > 0),
        Some(start) => {
            let first = if start <= known.period.last - LONG_DAYS { 5 } else { 2 };
            first + if days >= SUSTAINED_DAYS { 2 } else { u8::from(days > 0) }
        }
    })
}

/// How many distinct days in the window, up to [`SUSTAINED_DAYS`].
fn distinct_days(known: &Known<'_>) -> u8 {
    let window = known.period.year_ago + 1..=known.period.last;
    let mut days = [i32::MIN; SUSTAINED_DAYS as usize];
    let mut found = 0;
    for event in known.events(RecordType::Attendance) {
        let Some(day) = event.day.filter(|day| window.contains(day)) else { continue };
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
