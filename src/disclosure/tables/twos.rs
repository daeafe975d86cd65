//! Children on a list of eligible two-year-olds of the last 120 days, by funded place in the term and
//! by registration.
//!
//! The list names children about to turn two up to those whose place begins in the term
//! after their third birthday. Only children of 18 to 41 completed months count, which is
//! what bounds the table to 8 quarters of a childhood: a list that kept naming a
//! child for years would otherwise cost its privacy every quarter.

use super::places::funded;
use crate::{
    disclosure::{
        classify::{Cell, Definition},
        known::Known,
    },
    domain::{RecordType, records::two_year_old_eligibility},
};

pub(in crate::disclosure) const TWOS: Definition = Definition::of_children(
    "twos",
    &["funded_registered", "funded_unregistered", "unfunded_registered", "unfunded_unregistered"],
    cell,
)
.aged(18, 42)
.reading(&[RecordType::TwoYearOldEligibility, RecordType::FundedPlace, RecordType::Registration])
.needing(&[RecordType::TwoYearOldEligibility]);

fn cell(known: &Known<'_>) -> Option<Cell> {
    let period = known.period;
    let listed = known
        .events(RecordType::TwoYearOldEligibility)
        .filter_map(|event| event.day_of(two_year_old_eligibility::LIST_DATE).or(event.day))
        .any(|day| period.lists(day));
    listed.then(|| 2 * u8::from(!funded(known, 2..=2)) + known.unregistered())
}
