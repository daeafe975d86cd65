//! Children on the latest list of eligible two-year-olds, by funded place in the term and
//! by registration.
//!
//! The list names children about to turn two up to those whose place begins in the term
//! after their third birthday. Only children of 18 to 41 completed months count, which is
//! what bounds the table to [`PERIODS`] quarters of a childhood: a list that kept naming a
//! child for years would otherwise cost its privacy every quarter.

use crate::{
    disclosure::classify::{Cell, Known},
    domain::{
        RecordType,
        records::{funded_place, two_year_old_eligibility},
    },
};

pub(in crate::disclosure) const CELLS: [&str; 4] =
    ["funded_registered", "funded_unregistered", "unfunded_registered", "unfunded_unregistered"];

/// 24 months hold 8 quarters' last days.
pub(in crate::disclosure) const PERIODS: u32 = 8;

pub(in crate::disclosure) fn cell(known: &Known<'_>) -> Option<Cell> {
    let list = known.period.list?;
    known.months.filter(|months| (18..42).contains(months))?;
    let listed = known
        .events(RecordType::TwoYearOldEligibility)
        .any(|event| event.day_of(two_year_old_eligibility::LIST_DATE).or(event.day) == Some(list));
    if !listed {
        return None;
    }
    let funded = known.events(RecordType::FundedPlace).any(|event| {
        event.integer_of(funded_place::FUNDED_AGE) == Some(2)
            && event.integer_of(funded_place::TERM) == Some(known.period.term)
    });
    Some(match (funded, known.registered_since.is_some()) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    })
}
