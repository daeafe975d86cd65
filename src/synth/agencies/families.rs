//! The families' services: cases (child in need, child protection, looked after, early help, Troubled
//! Families) with their members, and the referrals around them.
//!
//! A record is never amended: a case that has closed reaches the gateway in one record, after its end; the
//! others are open to the end of the period. So no figure depends on how a later correction is dated.

use crate::domain::RecordType;
use crate::synth::calendar::Day;
use crate::synth::people::{Household, PersonId};
use crate::synth::record::{CaseNumber, Entry, Facts, Feed, Home};

use super::Agency;

/// Case types by weight: cin, cp, lac, eh, tf.
const TYPES: [u32; 5] = [30, 8, 5, 34, 23];
/// The Troubled Families type.
const TF: u8 = 4;

/// Cases open at an even rate in the six years after a household's first birth, so that their number is steady.
const OPENS_WITHIN_DAYS: i32 = 6 * 365;

const CHILD: u8 = 0;
const PARENT: u8 = 1;
const CARER: u8 = 2;

/// The services' two files.
pub(in crate::synth) fn records(agency: &mut Agency<'_>) -> Vec<Feed> {
    let mut cases = Feed::new(agency.partner, RecordType::FamilyCase);
    let mut referrals = Feed::new(agency.partner, RecordType::Referral);
    let people = agency.people;
    let mut number = 0;
    for household in &people.households {
        if household.children.is_empty() && !household.canary {
            continue;
        }
        let p = 0.035 + 0.12 * household.deprivation;
        let stays_open = agency.dice.chance(p) || household.canary;
        let closes = agency.dice.chance(p * 0.8) && !household.canary;
        for closes in [(stays_open, false), (closes, true)].iter().filter(|w| w.0).map(|w| w.1) {
            let Some(opened) = opening(agency, household) else { continue };
            number += 1;
            case(agency, household, (CaseNumber(number), opened, closes), &mut cases.entries);
            around(agency, household, opened, &mut referrals.entries);
        }
    }
    vec![cases, referrals]
}

/// The day a case opens: after the first child's birth, and when they live here.
fn opening(agency: &mut Agency<'_>, household: &Household) -> Option<Day> {
    let period = agency.period;
    let first_birth = household.children.first().map(|child| agency.people.person(*child).born);
    let mut from =
        first_birth.unwrap_or(period.first).max(household.arrived.unwrap_or(period.births_from));
    if household.canary {
        from = from.max(period.first);
    }
    let span = if household.canary { period.last.since(from) } else { OPENS_WITHIN_DAYS };
    let opened = from.plus(agency.dice.between(0, span));
    (opened <= period.last).then_some(opened)
}

/// A record for each member.
fn case(
    agency: &mut Agency<'_>,
    household: &Household,
    (case, opened, closes): (CaseNumber, Day, bool),
    out: &mut Vec<Entry>,
) {
    let period = agency.period;
    let closed = closes
        .then(|| opened.plus(agency.dice.between(60, 420)))
        .filter(|closed| *closed <= period.latest.plus(-10));
    if closed.is_some_and(|closed| closed < period.first) {
        return;
    }
    let case_type = agency.dice.weighted(&TYPES);
    let criteria = criteria(agency, case_type == TF);
    let home = Home::At(household.home_on(opened));
    let learned = closed.unwrap_or(opened);
    let known = period.known(learned, agency.partner.extracts_on(), &mut agency.dice);
    let mut member = |person: PersonId, role: u8, reference: bool| {
        let facts = Facts::CaseMember { case, case_type, closed, criteria, role, reference };
        out.push(Entry::new(person, opened, known, home, facts));
    };
    let people = agency.people;
    let children: Vec<PersonId> = household
        .children
        .iter()
        .copied()
        .filter(|child| people.person(*child).born <= opened)
        .collect();
    for child in &children {
        member(*child, CHILD, children.last() == Some(child));
    }
    member(household.adult, if children.is_empty() { CARER } else { PARENT }, false);
    if let Some(other) = household.second_adult {
        member(other, PARENT, false);
    }
}

/// Bits of the six criteria: two or three for Troubled Families, at most one otherwise.
fn criteria(agency: &mut Agency<'_>, troubled: bool) -> u8 {
    let draws = if troubled { agency.dice.between(2, 3) } else { agency.dice.between(0, 1) };
    (0..draws).fold(0, |bits, _| bits | 1 << agency.dice.small(0, 5))
}

/// Referrals around a case's opening, of the mother or the youngest child.
fn around(agency: &mut Agency<'_>, household: &Household, opened: Day, out: &mut Vec<Entry>) {
    for (direction, p) in [(0, 0.65), (1, 0.45)] {
        let day = opened.plus(agency.dice.between(0, 60));
        let takes_place = agency.dice.chance(p) || household.canary;
        if !takes_place || day < agency.period.first || day > agency.period.last {
            continue;
        }
        let youngest =
            household.children.iter().rev().find(|c| agency.people.person(**c).born <= day);
        let person = match youngest {
            Some(child) if agency.dice.chance(0.5) || household.canary => *child,
            _ => household.adult,
        };
        let home = Home::At(household.home_on(day));
        let entry = agency.referral(person, home, day, direction);
        out.push(entry);
    }
}
