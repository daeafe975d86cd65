//! Births of the quarter before, by whether a registration began within 56 days.

use crate::{
    disclosure::classify::{Cell, Known},
    domain::RecordType,
};

pub(in crate::disclosure) const CELLS: [&str; 2] = ["prompt", "not_prompt"];

/// A registration that begins up to this many days after the birth is prompt.
const PROMPT_DAYS: i32 = 56;

pub(in crate::disclosure) fn cell(known: &Known<'_>) -> Option<Cell> {
    let birth = known.birth?;
    let period = known.period;
    known.events(RecordType::LiveBirth).next()?;
    if birth < period.first_before || birth >= period.first {
        return None;
    }
    let prompt =
        known.registrations().any(|registration| registration.start <= birth + PROMPT_DAYS);
    Some(u8::from(!prompt))
}
