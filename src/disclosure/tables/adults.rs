//! Adults: learning and what came of it, volunteering, satisfaction. What they are counted by
//! is their own; no child is counted by it.

use crate::{
    disclosure::{
        classify::{Cell, Cells, Definition, Sort},
        geography::Place,
        known::Known,
        period::Period,
    },
    domain::{
        Event, RecordType,
        field::Value,
        records::{learning_aim, survey, volunteer_placement},
    },
};

const AIMS: &[RecordType] = &[RecordType::LearningAim];
const PLACEMENTS: &[RecordType] = &[RecordType::VolunteerPlacement];

/// Learners with an aim that ended in the quarter, once for English for speakers of other
/// languages and once for all else, by their best aim of each.
pub(in crate::disclosure) const LEARNING: Definition = Definition {
    sort: Sort::Several(learning),
    cap: 2,
    ..Definition::of_adults(
        "learning",
        &[
            "esol_achieved",
            "esol_completed",
            "esol_not",
            "other_achieved",
            "other_completed",
            "other_not",
        ],
        progression,
    )
    .reading(AIMS)
    .needing(AIMS)
};

/// Those who completed an aim whose six months ended in the quarter, with a known destination.
/// What Jobcentre Plus knows is not looked at: its protocol serves the take-up of early
/// education alone.
pub(in crate::disclosure) const PROGRESSION: Definition =
    Definition::of_adults("progression", &["progressed", "not_progressed"], progression)
        .reading(&[RecordType::LearningAim, RecordType::VolunteerPlacement])
        .needing(AIMS);

/// Who began to volunteer in the quarter, by whether of any target group.
pub(in crate::disclosure) const VOLUNTEERS: Definition =
    Definition::of_adults("volunteers", &["target_group", "no_target_group"], volunteers)
        .reading(PLACEMENTS)
        .needing(PLACEMENTS)
        .of_the_authority();

/// Whose volunteering ended in the quarter, by what came after.
pub(in crate::disclosure) const VOLUNTEERS_PROGRESSED: Definition = Definition::of_adults(
    "volunteers_progressed",
    &["progressed", "not_progressed"],
    volunteers_progressed,
)
.reading(PLACEMENTS)
.needing(PLACEMENTS)
.of_the_authority();

/// The latest answer of the twelve months up to the last day.
pub(in crate::disclosure) const SATISFACTION: Definition =
    Definition::of_adults("satisfaction", &["satisfied", "not_satisfied"], satisfaction)
        .reading(&[RecordType::Survey])
        .needing(&[RecordType::Survey]);

const COMPLETED: u8 = learning_aim::COMPLETION.number_of("2");
const ACHIEVED: u8 = learning_aim::OUTCOME.number_of("1");
const UNKNOWN: u8 = learning_aim::DESTINATION.number_of("unknown");
const NONE: u8 = learning_aim::DESTINATION.number_of("none");
const NO_OUTCOME: u8 = volunteer_placement::OUTCOME.number_of("none");
const UNKNOWN_OUTCOME: u8 = volunteer_placement::OUTCOME.number_of("unknown");
const SATISFIED: u8 = survey::KIND.number_of("satisfaction");
/// Six months, in days.
const SIX_MONTHS: i32 = 183;

fn is_complete(aim: &Event) -> bool {
    aim.code_of(learning_aim::COMPLETED) == Some(COMPLETED)
}

fn learning(known: &Known<'_>, _: Place) -> Cells {
    let mut best = [None::<u8>; 2];
    for aim in known.events(RecordType::LearningAim) {
        let ended = aim.day_of(learning_aim::PLANNED_END);
        if !ended.is_some_and(|day| known.period.flows_in(day, aim.known)) {
            continue;
        }
        let which = usize::from(aim.flag_of(learning_aim::IS_ESOL) != Some(true));
        let how = match (is_complete(aim), aim.code_of(learning_aim::ACHIEVED)) {
            (true, Some(ACHIEVED)) => 0,
            (true, _) => 1,
            (false, _) => 2,
        };
        best[which] = Some(best[which].map_or(how, |known| known.min(how)));
    }
    let mut cells = Cells::default();
    for (first, how) in [0, 3].into_iter().zip(best) {
        how.into_iter().for_each(|how| cells.push(first + how));
    }
    cells
}

/// Work, learning or volunteering that any record tells of the six months after the end.
fn went_on(known: &Known<'_>, aim: &Event, ended: i32) -> bool {
    let after = ended + 1..=ended + SIX_MONTHS;
    let begins = |day: Option<i32>| day.is_some_and(|day| after.contains(&day));
    let destination = aim.code_of(learning_aim::WENT_TO);
    destination.is_some_and(|to| to != NONE)
        || known.events(RecordType::LearningAim).any(|other| begins(other.day))
        || known
            .events(RecordType::VolunteerPlacement)
            .any(|placement| begins(placement.day_of(volunteer_placement::START_DATE)))
}

fn progression(known: &Known<'_>) -> Option<Cell> {
    let period = known.period;
    let mut found = None;
    for aim in known.events(RecordType::LearningAim).filter(|aim| is_complete(aim)) {
        let Some(ended) = aim.day_of(learning_aim::PLANNED_END) else { continue };
        if !(period.first..=period.last).contains(&(ended + SIX_MONTHS)) {
            continue;
        }
        // Of whom nobody knows where they went, those who went on would be known by it alone.
        if aim.code_of(learning_aim::WENT_TO).is_none_or(|to| to == UNKNOWN) {
            continue;
        }
        if went_on(known, aim, ended) {
            return Some(0);
        }
        found = Some(1);
    }
    found
}

fn volunteers(known: &Known<'_>) -> Option<Cell> {
    let began = |placement: &&Event| {
        let start = placement.day_of(volunteer_placement::START_DATE).or(placement.day);
        start.is_some_and(|day| known.period.flows_in(day, placement.known))
    };
    let of_group = |placement: &Event| match placement.value(volunteer_placement::GROUPS) {
        Some(Value::Codes(set)) => *set != 0,
        _ => false,
    };
    let any = known.events(RecordType::VolunteerPlacement).filter(began).map(of_group).max()?;
    Some(u8::from(!any))
}

fn volunteers_progressed(known: &Known<'_>) -> Option<Cell> {
    let ended = |placement: &&Event| {
        let end = placement.day_of(volunteer_placement::END_DATE);
        end.is_some_and(|day| known.period.flows_in(day, placement.known))
    };
    let went_on = |placement: &Event| {
        let to = placement.code_of(volunteer_placement::WENT_TO);
        to.is_some_and(|to| to != NO_OUTCOME && to != UNKNOWN_OUTCOME)
    };
    let any = known.events(RecordType::VolunteerPlacement).filter(ended).map(went_on).max()?;
    Some(u8::from(!any))
}

fn satisfaction(known: &Known<'_>) -> Option<Cell> {
    let Period { year_ago, last, .. } = *known.period;
    let answers = known.events(RecordType::Survey).filter_map(|answer| {
        let day = answer.day.filter(|day| year_ago < *day && *day <= last)?;
        let asked = answer.code_of(survey::WHICH) == Some(SATISFIED);
        Some((day, answer.integer_of(survey::SATISFACTION).filter(|_| asked)?))
    });
    let (_, latest) = answers.max()?;
    Some(u8::from(latest < 4))
}
