//! The adult, family and early learning service: funded places of two- to four-year-olds, term by term, and
//! adults' learning aims. A learner is known by a ULN, a child by a local id and mostly an NHS number.

use crate::domain::RecordType;
use crate::synth::calendar::{Day, Term};
use crate::synth::people::{Household, PersonId};
use crate::synth::record::{Entry, Facts, Feed};

use super::Agency;

/// Completion status, outcome and destination of an aim that has ended, by weight: completed and achieved,
/// completed in part, completed without, withdrawn.
const ENDINGS: [u32; 4] = [62, 12, 8, 18];

/// Destinations by weight: work, learning, volunteering, none, unknown.
const DESTINATIONS: [u32; 5] = [22, 30, 8, 20, 20];

/// The service's two files.
pub(in crate::synth) fn records(agency: &mut Agency<'_>) -> Vec<Feed> {
    let mut places = Feed::new(agency.partner, RecordType::FundedPlace);
    let mut aims = Feed::new(agency.partner, RecordType::LearningAim);
    let people = agency.people;
    let terms = agency.period.terms();
    for household in &people.households {
        for child in &household.children {
            funded(agency, household, *child, &terms, &mut places.entries);
        }
        let learns = if household.children.is_empty() { 0.8 } else { 0.035 };
        if household.canary || agency.dice.chance(learns) {
            learning(agency, household, household.adult, &mut aims.entries);
        }
        if let Some(other) = household.second_adult
            && agency.dice.chance(learns / 2.0)
        {
            learning(agency, household, other, &mut aims.entries);
        }
    }
    vec![places, aims]
}

/// The age as which a child may have a funded place in a term: the term after its second, third or fourth
/// birthday, until it starts school in the September after its fourth.
fn funded_age(born: Day, term: Term) -> Option<u8> {
    let first = term.first();
    let fourth = born.years_on(4);
    let september = Day::of(jiff::civil::date(fourth.date().year(), 9, 1));
    let school = if fourth <= september { september } else { september.years_on(1) };
    if first >= school {
        None
    } else if first > fourth {
        Some(4)
    } else if first > born.years_on(3) {
        Some(3)
    } else if first > born.years_on(2) {
        Some(2)
    } else {
        None
    }
}

fn funded(
    agency: &mut Agency<'_>,
    household: &Household,
    child: PersonId,
    terms: &[Term],
    out: &mut Vec<Entry>,
) {
    let born = agency.people.person(child).born;
    let two = agency.dice.chance(0.30 + 0.30 * household.keen + 0.18 * household.deprivation);
    let later = agency.dice.chance(0.96 - 0.1 * household.deprivation);
    let full = agency.dice.chance(0.55 - 0.35 * household.deprivation);
    for term in terms {
        let Some(age) = funded_age(born, *term) else { continue };
        let takes = household.canary || if age == 2 { two } else { later };
        let late_start = if agency.dice.chance(0.15) { agency.dice.between(5, 40) } else { 0 };
        let start = term.first().plus(term.starts_after_days() + late_start);
        if !takes || !household.is_here(start) || start > agency.period.last {
            continue;
        }
        let area = agency.ground.area(household.home_on(start));
        let provider = u16::try_from(area * 8 + agency.dice.index(8)).unwrap_or_default();
        let hours = match (age, full) {
            (2, _) | (_, false) => agency.dice.small(12, 15),
            _ => agency.dice.small(24, 30),
        };
        let facts = Facts::FundedPlace { term: *term, age, hours, provider };
        let home = agency.stated(household, start, 0.2, 500);
        let entry = agency.entry(child, start, home, facts);
        out.push(entry);
    }
}

/// One or two aims of an adult.
fn learning(agency: &mut Agency<'_>, household: &Household, adult: PersonId, out: &mut Vec<Entry>) {
    let period = agency.period;
    let esol = household.origin.is_minority() && agency.dice.chance(0.45);
    for _ in 0..=agency.dice.between(0, 1) {
        let length = agency.dice.between(40, 260).min(period.latest.since(period.first) - 1);
        let span = period.latest.plus(-length).since(period.first);
        if span <= 0 {
            continue;
        }
        let start = period.first.plus(agency.dice.between(0, span)).min(period.last);
        if !household.is_here(start) {
            continue;
        }
        let planned_end = start.plus(length);
        let home = agency.stated(household, start, 0.2, 400);
        let mut entry = agency.entry(adult, start, home, Facts::LiveBirth);
        let ended = planned_end <= entry.known || agency.dice.chance(0.6);
        if ended {
            // The one record of an aim that has ended is extracted after its end.
            entry.known = period
                .known(planned_end.max(entry.known), agency.partner.extracts_on(), &mut agency.dice)
                .max(entry.known);
        }
        entry.facts = aim(agency, planned_end, ended, esol);
        out.push(entry);
    }
}

fn aim(agency: &mut Agency<'_>, planned_end: Day, ended: bool, esol: bool) -> Facts {
    let dice = &mut agency.dice;
    let (completion, outcome) = match (ended, dice.weighted(&ENDINGS)) {
        (false, _) => (0, 3),
        (true, 0) => (1, 0),
        (true, 1) => (1, 1),
        (true, 2) => (1, 2),
        (true, _) => (2, 2),
    };
    let destination = if ended { dice.weighted(&DESTINATIONS) } else { 4 };
    Facts::Aim { reference: dice.small(0, 19), planned_end, completion, outcome, destination, esol }
}
