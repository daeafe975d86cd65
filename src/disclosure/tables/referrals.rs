//! Persons referred in the quarter: in, out, or both. A referral counts in the later of
//! its own quarter and the first quarter that knew of it.

use crate::{
    disclosure::classify::{Cell, Known},
    domain::{RecordType, records::referral},
};

pub(in crate::disclosure) const CELLS: [&str; 3] = ["in_only", "out_only", "both"];

const IN: u8 = referral::DIRECTION.number_of("in");

pub(in crate::disclosure) fn cell(known: &Known<'_>) -> Option<Cell> {
    let (mut inward, mut outward) = (false, false);
    for event in known.events(RecordType::Referral) {
        let (Some(day), Some(direction)) = (event.day, event.code_of(referral::WHICH_WAY)) else {
            continue;
        };
        if known.period.flows_in(day, event.known) {
            inward |= direction == IN;
            outward |= direction != IN;
        }
    }
    match (inward, outward) {
        (true, false) => Some(0),
        (false, true) => Some(1),
        (true, true) => Some(2),
        (false, false) => None,
    }
}
