//! What the agencies record beside their main files: antenatal contacts, feeding, development,
//! deaths; work status; nursery sessions and profiles; support, surveys and volunteers.
//!
//! Made after those, from what they say (a development score belongs to a review, a session to a
//! funded place), with chance of its own: the main files are the same bytes as without. A death comes after all that was
//! recorded of a person.

use std::collections::BTreeMap;

use crate::domain::RecordType;
use crate::synth::calendar::Day;
use crate::synth::people::{Household, Part, PersonId};
use crate::synth::record::{CaseNumber, Entry, Facts, Feed, Home, More, Partner};

use super::{Agency, centres, health};

/// The review at which feeding is asked, and a completed one.
const SIX_WEEKS: u8 = 2;
const COMPLETED: u8 = 0;
/// One provider in so many sends its sessions.
const SENDS_SESSIONS: u16 = 8;
/// The early learning goals that make a good level of development.
const GOOD_LEVEL_GOALS: u32 = 12;
/// Of a thousand children, and of a thousand adults, who die in the period.
const CHILD_DEATHS: f64 = 0.004;
const ADULT_DEATHS: f64 = 0.002;
/// Working, among the codes of work status.
const IN_WORK: u8 = 2;
/// Ended, among the stages of volunteering.
const ENDED: u8 = 3;
/// Not attending, among the kinds of survey.
const NON_ATTENDER: u8 = 1;
/// Cases of the centres are numbered apart from those of the families' services.
const FIRST_CASE: u32 = 500_000;

/// An agency's further files, from what it has recorded.
pub(in crate::synth) fn records(agency: &mut Agency<'_>, feeds: &[Feed]) -> Vec<Feed> {
    match agency.partner {
        Partner::Health => {
            vec![antenatal(agency, feeds), feeding(agency, feeds), scores(agency, feeds)]
        }
        Partner::Dwp => vec![work(agency)],
        Partner::Learning => vec![sessions(agency, feeds), profiles(agency)],
        Partner::Families => Vec::new(),
        Partner::Centres => vec![support(agency), surveys(agency, feeds), volunteers(agency)],
    }
}

fn of_type(feeds: &[Feed], partner: Partner, record_type: RecordType) -> &[Entry] {
    let own = feeds.iter().find(|f| f.partner == partner && f.record_type == record_type);
    own.map_or(&[], |feed| &feed.entries)
}

/// Of the mothers of children who were then born here.
fn antenatal(agency: &mut Agency<'_>, feeds: &[Feed]) -> Feed {
    let mut feed = Feed::new(agency.partner, RecordType::Antenatal);
    let people = agency.people;
    for birth in of_type(feeds, Partner::Health, RecordType::LiveBirth) {
        let household = people.household_of(birth.person);
        let first = match people.person(birth.person).part {
            Part::Child { birth_order, .. } => birth_order == 1,
            Part::Adult { .. } => false,
        };
        let day = birth.event.plus(-agency.dice.between(60, 200));
        let expected = birth.event.plus(agency.dice.between(-9, 9));
        let seen = agency.dice.chance(0.6) || household.canary;
        if first && seen && day >= agency.period.first && household.is_here(day) {
            let home = Home::At(household.home_on(day));
            let facts = Facts::More(More::Antenatal { expected });
            feed.entries.push(agency.entry(household.adult, day, home, facts));
        }
    }
    feed
}

/// Asked at the review of six to eight weeks.
fn feeding(agency: &mut Agency<'_>, feeds: &[Feed]) -> Feed {
    let mut feed = Feed::new(agency.partner, RecordType::FeedingSixToEightWeek);
    for review in of_type(feeds, Partner::Health, RecordType::HealthReview) {
        if !matches!(review.facts, Facts::Review { review: SIX_WEEKS, outcome: COMPLETED }) {
            continue;
        }
        let fed = agency.dice.weighted(&[34, 16, 46, 4]);
        feed.entries.push(beside(review, More::Feeding { fed }));
    }
    feed
}

/// A record of the day, place and extract of another.
fn beside(entry: &Entry, more: More) -> Entry {
    Entry::new(entry.person, entry.event, entry.known, entry.home, Facts::More(more))
}

/// ASQ-3 at most reviews at two.
fn scores(agency: &mut Agency<'_>, feeds: &[Feed]) -> Feed {
    let mut feed = Feed::new(agency.partner, RecordType::DevelopmentScore);
    for review in of_type(feeds, Partner::Health, RecordType::HealthReview) {
        let at_two =
            matches!(review.facts, Facts::Review { review: health::AT_TWO, outcome: COMPLETED });
        if !at_two || agency.dice.chance(0.1) {
            continue;
        }
        let household = agency.people.household_of(review.person);
        let slow = agency.dice.chance(0.1 + 0.15 * household.deprivation);
        let lowest = if slow { 2 } else { 6 };
        let scores = [(); 5].map(|()| 5 * agency.dice.small(lowest, 12));
        let on_track = scores.iter().all(|score| *score >= 30);
        let interval = if agency.dice.chance(0.5) { 24 } else { 30 };
        feed.entries.push(beside(review, More::Scores { interval, scores, on_track }));
    }
    feed
}

/// Parents who claim, and who begin to work.
fn work(agency: &mut Agency<'_>) -> Feed {
    let mut feed = Feed::new(agency.partner, RecordType::WorkStatus);
    let (people, period) = (agency.people, agency.period);
    for household in &people.households {
        let claims = agency.dice.chance(0.03 + 0.25 * household.deprivation) || household.canary;
        let day = period.first.plus(agency.dice.between(0, period.last.since(period.first)));
        let status = agency.dice.weighted(&[60, 40]);
        let starts = agency.dice.chance(0.2);
        if !claims || !household.is_here(day) {
            continue;
        }
        let home = agency.stated(household, day, 0.25, 400);
        let facts = |status, start| Facts::More(More::Work { status, start });
        feed.entries.push(agency.entry(household.adult, day, home, facts(status, None)));
        let start = day.plus(agency.dice.between(30, 240));
        if starts && start <= period.last {
            let home = agency.stated(household, start, 0.25, 400);
            let entry = agency.entry(household.adult, start, home, facts(IN_WORK, Some(start)));
            feed.entries.push(entry);
        }
    }
    feed
}

/// A term's sessions of the children of those providers that send them.
fn sessions(agency: &mut Agency<'_>, feeds: &[Feed]) -> Feed {
    let mut feed = Feed::new(agency.partner, RecordType::SessionAttendance);
    for place in of_type(feeds, Partner::Learning, RecordType::FundedPlace) {
        let Facts::FundedPlace { term, hours, provider, .. } = place.facts else { continue };
        let household = agency.people.household_of(place.person);
        if provider % SENDS_SESSIONS != 0 && !household.canary {
            continue;
        }
        let last = term.first().plus(85);
        let possible = u16::from(hours) / 3 * 11;
        let often = if agency.dice.chance(0.08 + 0.12 * household.deprivation) { 60 } else { 88 };
        let attended = possible * u16::from(agency.dice.small(often, 100)) / 100;
        if last <= agency.period.last && place.event < last && household.is_here(last) {
            let home = agency.stated(household, last, 0.2, 500);
            let facts = Facts::More(More::Sessions { term, possible, attended, provider });
            feed.entries.push(agency.entry(place.person, last, home, facts));
        }
    }
    feed
}

/// At the end of reception, in June.
fn profiles(agency: &mut Agency<'_>) -> Feed {
    let mut feed = Feed::new(agency.partner, RecordType::EarlyYearsProfile);
    let (people, period) = (agency.people, agency.period);
    let years: Vec<(i16, Day)> = (2015..=2026)
        .map(|year| (year, Day::of(jiff::civil::date(year, 6, 20))))
        .filter(|(_, day)| *day >= period.first && *day <= period.last)
        .collect();
    for household in &people.households {
        for child in &household.children {
            let born = people.person(*child).born;
            let meals = agency.dice.chance(0.05 + 0.35 * household.deprivation);
            let able = 0.9 - 0.12 * household.deprivation - if meals { 0.05 } else { 0.0 };
            for (year, day) in &years {
                let (from, to) = (
                    Day::of(jiff::civil::date(year - 6, 9, 1)),
                    Day::of(jiff::civil::date(year - 5, 9, 1)),
                );
                if born < from || born >= to || !household.is_here(*day) {
                    continue;
                }
                let ready = agency.dice.chance(able * 0.8);
                let goals = (0..17).fold(0u32, |met, goal| {
                    let meets = (ready && goal < GOOD_LEVEL_GOALS) || agency.dice.chance(able);
                    met | u32::from(meets) << goal
                });
                let facts = More::Profile {
                    year: *year,
                    goals,
                    meals,
                    eal: household.origin.is_minority(),
                };
                let home = agency.stated(household, *day, 0.2, 500);
                feed.entries.push(agency.entry(*child, *day, home, Facts::More(facts)));
            }
        }
    }
    feed
}

impl More {
    /// Whether a profile's goals make a good level of development.
    pub(in crate::synth) fn good_level(goals: u32) -> bool {
        goals.trailing_ones() >= GOOD_LEVEL_GOALS
    }
}

/// A day of the period on which a household lives here, and had its first child.
fn some_day(agency: &mut Agency<'_>, household: &Household) -> Option<Day> {
    let period = agency.period;
    let first = household.children.first().map(|child| agency.people.person(*child).born)?;
    let from = first.max(period.first).max(household.arrived.unwrap_or(period.first));
    let day = from.plus(agency.dice.between(0, period.last.since(from)));
    (day >= from && day <= period.last).then_some(day)
}

/// Families that a centre supports; a case that has ended comes in one record, after its end.
fn support(agency: &mut Agency<'_>) -> Feed {
    let mut feed = Feed::new(agency.partner, RecordType::SupportCase);
    let people = agency.people;
    let mut number = FIRST_CASE;
    for household in &people.households {
        let supported = agency.dice.chance(0.02 + 0.06 * household.deprivation);
        let Some(opened) = some_day(agency, household) else { continue };
        if !(supported || household.canary) {
            continue;
        }
        number += 1;
        let period = agency.period;
        let ends = agency.dice.chance(0.6) && !household.canary;
        let closed = ends
            .then(|| opened.plus(agency.dice.between(30, 300)))
            .filter(|closed| *closed <= period.latest.plus(-10));
        let facts = Facts::More(More::Support {
            case: CaseNumber(number),
            centre: centres::centre(agency, household, opened),
            level: agency.dice.weighted(&[50, 35, 15]),
            closed,
            outcome: agency.dice.weighted(&[55, 20, 8, 12, 5]),
        });
        let home = Home::At(household.home_on(opened));
        let mut entry = agency.entry(household.adult, opened, home, facts);
        if let Some(closed) = closed {
            let known = period.known(closed, agency.partner.extracts_on(), &mut agency.dice);
            entry.known = known.max(entry.known);
        }
        feed.entries.push(entry);
    }
    feed
}

/// Of those who came, whether they are satisfied; of some who are registered and did not, why.
fn surveys(agency: &mut Agency<'_>, feeds: &[Feed]) -> Feed {
    let mut feed = Feed::new(agency.partner, RecordType::Survey);
    let people = agency.people;
    for came in of_type(feeds, Partner::Centres, RecordType::Attendance) {
        let Facts::Attendance { centre, .. } = came.facts else { continue };
        let asked = agency.dice.chance(0.02) && came.event >= agency.period.first;
        if asked && !people.person(came.person).is_child() {
            let satisfaction = 1 + agency.dice.weighted(&[2, 4, 10, 42, 42]);
            let facts = More::Survey { kind: 0, centre, satisfaction, why_not: 0 };
            feed.entries.push(beside(came, facts));
        }
    }
    for household in &people.households {
        let asked = agency.dice.chance(0.02 * (1.0 - household.keen));
        let Some(day) = some_day(agency, household) else { continue };
        // Why a child does not come is asked of its parents, and is about the child.
        let born = |child: &&PersonId| people.person(**child).born <= day;
        let child = household.children.iter().rev().find(born).copied();
        if let Some(child) = child.filter(|_| asked) {
            let centre = centres::centre(agency, household, day);
            let why_not = 1 << agency.dice.small(0, 5);
            let facts = More::Survey { kind: NON_ATTENDER, centre, satisfaction: 0, why_not };
            let home = Home::At(household.home_on(day));
            feed.entries.push(agency.entry(child, day, home, Facts::More(facts)));
        }
    }
    feed
}

/// Parents who volunteer.
fn volunteers(agency: &mut Agency<'_>) -> Feed {
    let mut feed = Feed::new(agency.partner, RecordType::VolunteerPlacement);
    let people = agency.people;
    for household in &people.households {
        let volunteers = agency.dice.chance(0.03 * household.keen);
        let Some(start) = some_day(agency, household) else { continue };
        if !volunteers {
            continue;
        }
        let period = agency.period;
        let stage = agency.dice.weighted(&[15, 20, 40, 25]);
        let end = (stage == ENDED)
            .then(|| start.plus(agency.dice.between(30, 200)))
            .filter(|end| *end <= period.latest.plus(-10));
        let facts = Facts::More(More::Volunteer {
            centre: centres::centre(agency, household, start),
            end,
            stage: if end.is_none() { stage.min(ENDED - 1) } else { stage },
            outcome: agency.dice.weighted(&[25, 25, 15, 15, 20]),
            groups: household.groups,
        });
        let home = Home::At(household.home_on(start));
        let mut entry = agency.entry(household.adult, start, home, facts);
        if let Some(end) = end {
            let known = period.known(end, agency.partner.extracts_on(), &mut agency.dice);
            entry.known = known.max(entry.known);
        }
        feed.entries.push(entry);
    }
    feed
}

/// Deaths in the period, each after all that any agency recorded of the person.
pub(in crate::synth) fn deaths(agency: &mut Agency<'_>, feeds: &[Feed]) -> Feed {
    let mut feed = Feed::new(agency.partner, RecordType::Death);
    let mut latest: BTreeMap<PersonId, Day> = BTreeMap::new();
    for entry in feeds.iter().flat_map(|feed| &feed.entries) {
        let day = latest.entry(entry.person).or_insert(entry.event);
        *day = entry.event.max(*day);
    }
    let (people, period) = (agency.people, agency.period);
    for household in people.households.iter().filter(|household| !household.canary) {
        let children = household.children.iter().map(|child| (*child, CHILD_DEATHS));
        for (person, rate) in children.chain([(household.adult, ADULT_DEATHS)]) {
            let dies = agency.dice.chance(rate);
            let after = agency.dice.between(1, 20);
            let Some(last) = latest.get(&person).filter(|_| dies) else { continue };
            let day = last.max(&period.first).plus(after);
            if day <= period.last && household.is_here(day) {
                let home = Home::At(household.home_on(day));
                let facts = Facts::More(More::Death);
                feed.entries.push(agency.entry(person, day, home, facts));
            }
        }
    }
    feed
}
