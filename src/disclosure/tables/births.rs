//! Births counted in the quarter: the later of the quarter of the date of birth and the
//! first quarter that knew of the birth, if that is the next one.
//!
//! A record that was withdrawn and sent again under another id is first known later, so that a
//! birth may count twice: it is charged for every quarter in which its age lets it.

use crate::{
    disclosure::{
        classify::{Cell, Definition},
        known::Known,
    },
    domain::RecordType,
};

pub(in crate::disclosure) const BIRTHS: Definition =
    Definition::of_children("births", &["born"], cell)
        .aged(0, 6)
        .reading(&[RecordType::LiveBirth])
        .needing(&[RecordType::LiveBirth]);

fn cell(known: &Known<'_>) -> Option<Cell> {
    let birth = known.birth?;
    let first_known = known.events(RecordType::LiveBirth).map(|event| event.known).min()?;
    known.period.flows_in(birth, first_known).then_some(0)
}
