//! Families with an open case and a child under five, each counted at its reference child: by
//! that child's registration, by the type of case, by whether Health knows it, too.

use crate::{
    disclosure::{
        catalogue::Base,
        classify::{Cell, Definition},
        known::Known,
    },
    domain::{
        Event, RecordType,
        records::{family_case, health_review},
    },
};

const SEEN: &[RecordType] = &[RecordType::FamilyCase, RecordType::Registration];
const CASE: &[RecordType] = &[RecordType::FamilyCase];

pub(in crate::disclosure) const FAMILIES: Definition =
    Definition::of_children("families", &["registered", "unregistered"], cell)
        .reading(SEEN)
        .needing(CASE)
        .of_the_authority();

/// The same, counted by reach area once a year.
pub(in crate::disclosure) const FAMILIES_BY_AREA: Definition =
    Definition { name: "families_by_area", finest: Base::ReachArea, ..FAMILIES };

/// A family with several open cases counts once, at the first of child protection, child in
/// need, Troubled Families, other.
pub(in crate::disclosure) const FAMILY_TYPES: Definition = Definition::of_children(
    "family_types",
    &[
        "cp_registered",
        "cp_unregistered",
        "cin_registered",
        "cin_unregistered",
        "tf_registered",
        "tf_unregistered",
        "other_registered",
        "other_unregistered",
    ],
    by_type,
)
.reading(SEEN)
.needing(CASE)
.of_the_authority();

/// By whether the child had a health review in the twelve months up to the last day.
pub(in crate::disclosure) const FAMILIES_REVIEWED: Definition =
    Definition::of_children("families_reviewed", &["reviewed", "not_reviewed"], by_review)
        .reading(&[RecordType::FamilyCase, RecordType::HealthReview])
        .needing(CASE)
        .of_the_authority();

const CP: u8 = family_case::CASE_TYPE.number_of("cp");
const CIN: u8 = family_case::CASE_TYPE.number_of("cin");
const TF: u8 = family_case::CASE_TYPE.number_of("tf");
const COMPLETED: u8 = health_review::OUTCOME.number_of("completed");

/// The open cases whose reference child the person is.
fn own_cases<'a>(known: &Known<'a>) -> impl Iterator<Item = &'a Event> + use<'a> {
    known.open_cases().filter(|event| event.flag_of(family_case::REFERENCE_CHILD) == Some(true))
}

fn cell(known: &Known<'_>) -> Option<Cell> {
    own_cases(known).next()?;
    Some(known.unregistered())
}

fn by_type(known: &Known<'_>) -> Option<Cell> {
    let first = own_cases(known)
        .map(|event| match event.code_of(family_case::TYPE) {
            Some(CP) => 0_u8,
            Some(CIN) => 1,
            Some(TF) => 2,
            _ => 3,
        })
        .min()?;
    Some(2 * first + known.unregistered())
}

fn by_review(known: &Known<'_>) -> Option<Cell> {
    own_cases(known).next()?;
    let (after, last) = (known.period.year_ago, known.period.last);
    let seen = known.events(RecordType::HealthReview).any(|event| {
        event.code_of(health_review::CAME_OF_IT) == Some(COMPLETED)
            && event.day.is_some_and(|day| after < day && day <= last)
    });
    Some(u8::from(!seen))
}
