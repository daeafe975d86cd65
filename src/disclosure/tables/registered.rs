//! Under-fives by registration alone: the shortest table, for the first figure of every card;
//! and the same by where in the area they live.

use crate::{
    disclosure::{
        classify::{Cell, Definition, Sort},
        geography::Place,
        known::Known,
    },
    domain::RecordType,
};

pub(in crate::disclosure) const REGISTERED: Definition =
    Definition::of_children("registered", &["registered", "unregistered"], cell)
        .reading(&[RecordType::Registration]);

/// Up to six neighbourhoods of at least 300 under-fives make up a reach area; which they are
/// is said by the geography. Whoever lives in none of them is not counted.
pub(in crate::disclosure) const NEIGHBOURHOODS: Definition = Definition {
    sort: Sort::Placed(by_neighbourhood),
    ..Definition::of_children(
        "neighbourhoods",
        &[
            "first_registered",
            "first_unregistered",
            "second_registered",
            "second_unregistered",
            "third_registered",
            "third_unregistered",
            "fourth_registered",
            "fourth_unregistered",
            "fifth_registered",
            "fifth_unregistered",
            "sixth_registered",
            "sixth_unregistered",
        ],
        cell,
    )
    .reading(&[RecordType::Registration])
};

pub(in crate::disclosure) const BY_DEPRIVATION: Definition = Definition {
    sort: Sort::Placed(by_deprivation),
    ..Definition::of_children(
        "by_deprivation",
        &["deprived_registered", "deprived_unregistered", "other_registered", "other_unregistered"],
        cell,
    )
    .reading(&[RecordType::Registration])
};

fn cell(known: &Known<'_>) -> Option<Cell> {
    Some(known.unregistered())
}

fn by_neighbourhood(known: &Known<'_>, place: Place) -> Option<Cell> {
    Some(2 * place.neighbourhood? + known.unregistered())
}

fn by_deprivation(known: &Known<'_>, place: Place) -> Option<Cell> {
    Some(2 * u8::from(!place.deprived) + known.unregistered())
}
