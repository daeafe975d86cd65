//! Persons referred in the quarter: in, out, or both; with which partner; and whether those
//! referred in engaged. A referral counts in the later of its own quarter and the first quarter
//! that knew of it. Only under-fives and persons of 16 or more (or of unknown age) are counted.

use crate::{
    disclosure::{
        classify::{Cell, Cells, Definition, Sort},
        geography::Place,
        known::Known,
    },
    domain::{Event, RecordType, records::referral},
};

const READS: &[RecordType] = &[RecordType::Referral];

pub(in crate::disclosure) const REFERRALS: Definition =
    Definition::of_children("referrals", &["in_only", "out_only", "both"], cell)
        .and_adults()
        .reading(READS)
        .needing(READS)
        .of_the_authority();

/// Who was referred from or to more than two counts with two of them.
pub(in crate::disclosure) const REFERRAL_PARTNERS: Definition = Definition {
    sort: Sort::Several(partners),
    cap: 2,
    ..Definition::of_children(
        "referral_partners",
        &[
            "in_health",
            "in_social_care",
            "in_jobcentre",
            "in_adult_learning",
            "in_school",
            "in_early_years",
            "in_voluntary",
            "in_self",
            "out_health",
            "out_social_care",
            "out_jobcentre",
            "out_adult_learning",
            "out_school",
            "out_early_years",
            "out_voluntary",
            "out_self",
        ],
        cell,
    )
    .and_adults()
    .reading(READS)
    .needing(READS)
    .of_the_authority()
};

/// Persons referred in whose thirty days ended in the quarter.
pub(in crate::disclosure) const REFERRALS_ENGAGED: Definition =
    Definition::of_children("referrals_engaged", &["engaged", "not_engaged"], engaged)
        .and_adults()
        .reading(READS)
        .needing(READS)
        .of_the_authority();

const IN: u8 = referral::DIRECTION.number_of("in");
const ENGAGED: u8 = referral::OUTCOME.number_of("engaged");
const DAYS_TO_ENGAGE: i32 = 30;

/// The quarter's referrals, with whether each is inward.
fn of_quarter<'a>(known: &Known<'a>) -> impl Iterator<Item = (&'a Event, bool)> + use<'a> {
    let period = *known.period;
    known.events(RecordType::Referral).filter_map(move |event| {
        let (day, direction) = (event.day?, event.code_of(referral::WHICH_WAY)?);
        period.flows_in(day, event.known).then_some((event, direction == IN))
    })
}

fn cell(known: &Known<'_>) -> Option<Cell> {
    let (mut inward, mut outward) = (false, false);
    for (_, is_in) in of_quarter(known) {
        inward |= is_in;
        outward |= !is_in;
    }
    match (inward, outward) {
        (true, false) => Some(0),
        (false, true) => Some(1),
        (true, true) => Some(2),
        (false, false) => None,
    }
}

fn partners(known: &Known<'_>, _: Place) -> Cells {
    let set = of_quarter(known).fold(0_u32, |set, (event, is_in)| {
        let party = event.code_of(referral::PARTY).filter(|party| *party < 8);
        party.map_or(set, |party| set | 1 << (party + if is_in { 0 } else { 8 }))
    });
    let mut cells = Cells::default();
    known.some_of(set, 2).for_each(|cell| cells.push(cell));
    cells
}

fn engaged(known: &Known<'_>) -> Option<Cell> {
    let period = known.period;
    let due = known.events(RecordType::Referral).filter(|event| {
        let ends = event.day.map(|day| day + DAYS_TO_ENGAGE);
        event.code_of(referral::WHICH_WAY) == Some(IN)
            && ends.is_some_and(|ends| (period.first..=period.last).contains(&ends))
    });
    let in_time = |event: &Event| {
        let came = event.day_of(referral::CAME_ON).zip(event.day);
        event.code_of(referral::CAME_OF_IT) == Some(ENGAGED)
            && came.is_some_and(|(came, day)| came <= day + DAYS_TO_ENGAGE)
    };
    let any = due.map(in_time).max()?;
    Some(u8::from(!any))
}
