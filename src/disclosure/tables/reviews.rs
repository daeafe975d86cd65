//! Health reviews, each counted once in a life: in the quarter in which the child turns the
//! age by which the review is due. A review that is declined or not attended is none.

use crate::{
    disclosure::{
        classify::{Cell, Definition},
        known::{Known, day_of_age},
    },
    domain::{
        RecordType,
        records::{feeding_6_8_week, health_review::REVIEW},
    },
};

pub(in crate::disclosure) const NEW_BIRTH_VISIT: Definition =
    Definition::of_children("new_birth_visit", &["on_time", "not_on_time"], new_birth)
        .aged(0, 4)
        .once()
        .reading(&[RecordType::HealthReview]);

pub(in crate::disclosure) const SIX_WEEK: Definition =
    Definition::of_children("six_week", &["reviewed", "not_reviewed"], six_week)
        .aged(0, 5)
        .once()
        .reading(&[RecordType::HealthReview]);

/// Of those whose feeding is known.
pub(in crate::disclosure) const FEEDING: Definition =
    Definition::of_children("feeding", &["breastfed", "not_breastfed"], feeding)
        .aged(0, 5)
        .once()
        .reading(&[RecordType::FeedingSixToEightWeek])
        .needing(&[RecordType::FeedingSixToEightWeek]);

pub(in crate::disclosure) const REVIEW_12: Definition =
    Definition::of_children("review_12", &["reviewed", "not_reviewed"], by_12_months)
        .aged(12, 16)
        .once()
        .reading(&[RecordType::HealthReview]);

pub(in crate::disclosure) const REVIEW_15: Definition =
    Definition::of_children("review_15", &["reviewed", "not_reviewed"], by_15_months)
        .aged(15, 19)
        .once()
        .reading(&[RecordType::HealthReview]);

pub(in crate::disclosure) const REVIEW_TWO: Definition = Definition::of_children(
    "review_two",
    &["with_asq", "without_asq", "not_reviewed"],
    by_two_and_a_half,
)
.aged(30, 34)
.once()
.reading(&[RecordType::HealthReview, RecordType::DevelopmentScore]);

const NEW_BIRTH: u8 = REVIEW.number_of("new_birth");
const SIX_TO_EIGHT: u8 = REVIEW.number_of("six_to_eight_week");
const TWELVE_MONTH: u8 = REVIEW.number_of("twelve_month");
const TWO: u8 = REVIEW.number_of("two_to_two_and_a_half_year");

/// The visit is due by this day of life.
const VISIT_DAYS: i32 = 14;
/// It is counted when the child turns so many days.
const VISIT_COUNTED_DAYS: i32 = 30;
const EIGHT_WEEKS: i32 = 56;

fn new_birth(known: &Known<'_>) -> Option<Cell> {
    let birth = known.turned_days(VISIT_COUNTED_DAYS)? - VISIT_COUNTED_DAYS;
    by(known, NEW_BIRTH, birth + VISIT_DAYS)
}

fn six_week(known: &Known<'_>) -> Option<Cell> {
    let due = known.turned_days(EIGHT_WEEKS)?;
    by(known, SIX_TO_EIGHT, due)
}

fn by_12_months(known: &Known<'_>) -> Option<Cell> {
    let due = known.turned(12)?;
    by(known, TWELVE_MONTH, due)
}

fn by_15_months(known: &Known<'_>) -> Option<Cell> {
    let due = known.turned(15)?;
    by(known, TWELVE_MONTH, due)
}

/// Reviewed by a day, or not.
fn by(known: &Known<'_>, review: u8, due: i32) -> Option<Cell> {
    Some(u8::from(known.reviewed(review).is_none_or(|day| day > due)))
}

fn by_two_and_a_half(known: &Known<'_>) -> Option<Cell> {
    let due = known.turned(30)?;
    if known.reviewed(TWO).is_none_or(|day| day > due) {
        return Some(2);
    }
    let from = day_of_age(known.born?, 23);
    let mut asked = known.events(RecordType::DevelopmentScore).filter_map(|event| event.day);
    Some(u8::from(!asked.any(|day| from <= day && day <= due)))
}

fn feeding(known: &Known<'_>) -> Option<Cell> {
    const UNKNOWN: u8 = feeding_6_8_week::FEEDING.number_of("unknown");
    const NONE: u8 = feeding_6_8_week::FEEDING.number_of("none");
    known.turned_days(EIGHT_WEEKS)?;
    let said = known.events(RecordType::FeedingSixToEightWeek);
    // Of several statements the one that says most: the order of records must not tell.
    let fed = said.filter_map(|event| event.code_of(feeding_6_8_week::FED));
    let fed = fed.filter(|fed| *fed != UNKNOWN).min()?;
    Some(u8::from(fed == NONE))
}
