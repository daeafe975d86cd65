//! The health trust: live births and health reviews. It knows every child's NHS number and, at each
//! contact, where the child lives.

use crate::domain::RecordType;
use crate::synth::calendar::Day;
use crate::synth::people::{Household, Part, PersonId};
use crate::synth::record::{Entry, Facts, Feed, Home};

use super::{Agency, months_old};

/// Review codes with the days of age between which each falls.
const REVIEWS: [(u8, i32, i32); 4] = [(1, 10, 14), (2, 42, 58), (3, 335, 400), (AT_TWO, 735, 900)];
pub(in crate::synth) const AT_TWO: u8 = 4;

/// The trust hears of a move by the child's new practice, when there is one.
const HEARD: f64 = 0.6;
/// Codes of [`crate::domain::records::movement::DIRECTION`].
const IN: u8 = 0;
const WITHIN: u8 = 2;

/// Reviews that take place, are declined, are not attended, in thousandths.
const OUTCOMES: [u32; 3] = [905, 30, 65];

/// The trust's two files.
pub(in crate::synth) fn records(agency: &mut Agency<'_>) -> Vec<Feed> {
    let mut births = Feed::new(agency.partner, RecordType::LiveBirth);
    let mut reviews = Feed::new(agency.partner, RecordType::HealthReview);
    let people = agency.people;
    for household in &people.households {
        for child in &household.children {
            let person = people.person(*child);
            if let Part::Child { born_here: true, .. } = person.part {
                let home = Home::At(household.home_on(person.born));
                births.entries.push(agency.entry(*child, person.born, home, Facts::LiveBirth));
            }
            reviewed(agency, household, *child, &mut reviews.entries);
        }
    }
    vec![births, reviews]
}

/// The moves that it hears of within the period: into the authority, and within it.
pub(in crate::synth) fn moves(agency: &mut Agency<'_>) -> Feed {
    let mut moves = Feed::new(agency.partner, RecordType::Movement);
    let (people, period) = (agency.people, agency.period);
    for household in &people.households {
        let moved = household.homes.iter().skip(1).map(|(day, _)| (WITHIN, *day));
        for (direction, day) in household.arrived.map(|day| (IN, day)).into_iter().chain(moved) {
            for child in &household.children {
                let born = people.person(*child).born;
                let heard = agency.dice.chance(HEARD);
                if heard && born < day && day >= period.first && day <= period.last {
                    let home = Home::At(household.home_on(day));
                    let facts = Facts::Movement { direction };
                    moves.entries.push(agency.entry(*child, day, home, facts));
                }
            }
        }
    }
    moves
}

/// A child's reviews within the period, and one soon after it moved in.
fn reviewed(agency: &mut Agency<'_>, household: &Household, child: PersonId, out: &mut Vec<Entry>) {
    let (born, period) = (agency.people.person(child).born, agency.period);
    for (review, youngest, oldest) in REVIEWS {
        let mut day = born.plus(agency.dice.between(youngest, oldest));
        if household.canary && review == AT_TWO {
            // So that even a period of one quarter holds a review of each canary child.
            day = day.max(period.first).min(period.last);
        }
        let skipped = agency.dice.chance(0.04) && !household.canary;
        if day >= period.first && day <= period.last && household.is_here(day) && !skipped {
            let entry = review_on(agency, household, (child, day), review);
            out.push(entry);
        }
    }
    if let Some(arrived) = household.arrived {
        let day = arrived.plus(agency.dice.between(7, 14));
        let age = months_old(born, day);
        if born < arrived && age < 60 && day <= period.last {
            let review = match age {
                0 => 1,
                1..=9 => 2,
                10..=20 => 3,
                _ => AT_TWO,
            };
            let entry = review_on(agency, household, (child, day), review);
            out.push(entry);
        }
    }
}

fn review_on(
    agency: &mut Agency<'_>,
    household: &Household,
    (child, day): (PersonId, Day),
    review: u8,
) -> Entry {
    let outcome = agency.dice.weighted(&OUTCOMES);
    let home = Home::At(household.home_on(day));
    agency.entry(child, day, home, Facts::Review { review, outcome })
}
