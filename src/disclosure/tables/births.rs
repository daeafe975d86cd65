//! Births counted in the quarter: the later of the quarter of the date of birth and the
//! first quarter that knew of the birth, so each birth in exactly one.

use crate::{
    disclosure::classify::{Cell, Known},
    domain::RecordType,
};

pub(in crate::disclosure) const CELLS: [&str; 1] = ["born"];

pub(in crate::disclosure) fn cell(known: &Known<'_>) -> Option<Cell> {
    let birth = known.birth?;
    let first_known = known.events(RecordType::LiveBirth).map(|event| event.known).min()?;
    known.period.flows_in(birth, first_known).then_some(0)
}
