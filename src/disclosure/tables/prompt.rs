//! Births of the quarter before, by whether a registration began within 56 days.

use crate::{
    disclosure::{
        classify::{Cell, Definition},
        known::Known,
    },
    domain::RecordType,
};

pub(in crate::disclosure) const PROMPT: Definition =
    Definition::of_children("prompt", &["prompt", "not_prompt"], cell)
        .aged(2, 7)
        .once()
        .reading(&[RecordType::LiveBirth, RecordType::Registration])
        .needing(&[RecordType::LiveBirth]);

/// A registration that begins up to this many days after the birth is prompt.
const PROMPT_DAYS: i32 = 56;

fn cell(known: &Known<'_>) -> Option<Cell> {
    let birth = known.birth?;
    let period = known.period;
    if birth < period.first_before || birth >= period.first {
        return None;
    }
    let prompt =
        known.registrations().any(|registration| registration.start <= birth + PROMPT_DAYS);
    Some(u8::from(!prompt))
}
