//! The children's centres, one in each reach area: registrations, attendances of children and of the adults
//! who bring them, referrals. Families in deprived areas register and come less; a share uses a centre
//! elsewhere. The centres' addresses are those of the registration unless the family said that it moved.
//!
//! A registration that ends reaches the gateway in one record, after its end (see `families`).

use crate::domain::RecordType;
use crate::synth::calendar::Day;
use crate::synth::dice::Dice;
use crate::synth::ground::Address;
use crate::synth::people::{Household, PersonId, home_on};
use crate::synth::record::{Entry, Facts, Feed, Home};

use super::Agency;

/// Registration sources by weight: centre, health visitor, midwife, outreach, self.
const SOURCES: [u32; 5] = [34, 30, 12, 10, 14];
/// Activities by weight for babies and for older children.
const FOR_BABIES: [u32; 6] = [20, 40, 28, 0, 6, 6];
const FOR_CHILDREN: [u32; 6] = [62, 0, 12, 0, 16, 10];
const PARENTING_COURSE: u8 = 3;
/// Visits relative to the first year of life, by year of age.
const BY_AGE: [f64; 5] = [1.2, 1.15, 1.0, 0.65, 0.45];
/// Centres learn of this share of moves.
const TELLS_OF_MOVE: f64 = 0.5;

/// The centres' three files while they are made.
struct Files {
    registrations: Vec<Entry>,
    attendances: Vec<Entry>,
    referrals: Vec<Entry>,
}

/// A household as its centre sees it.
struct Visitors<'a> {
    household: &'a Household,
    /// The address on file, dated.
    held: Vec<(Day, Address)>,
}

impl Visitors<'_> {
    fn stated(&self, day: Day) -> Home {
        Home::At(home_on(&self.held, day))
    }
}

/// The centres' three files.
pub(in crate::synth) fn records(agency: &mut Agency<'_>) -> Vec<Feed> {
    let mut files =
        Files { registrations: Vec::new(), attendances: Vec::new(), referrals: Vec::new() };
    let people = agency.people;
    for household in &people.households {
        if household.canary || !household.children.is_empty() {
            visits_of(agency, household, &mut files);
        }
    }
    let feed = |record_type, entries| Feed { partner: agency.partner, record_type, entries };
    vec![
        feed(RecordType::Registration, files.registrations),
        feed(RecordType::Attendance, files.attendances),
        feed(RecordType::Referral, files.referrals),
    ]
}

fn visits_of(agency: &mut Agency<'_>, household: &Household, files: &mut Files) {
    let people = agency.people;
    let starts: Vec<Option<Day>> =
        household.children.iter().map(|child| registers(agency, household, *child)).collect();
    let visitors =
        Visitors { household, held: held(&mut agency.dice, household, starts.iter().flatten()) };
    for (child, start) in household.children.iter().zip(&starts) {
        if let Some(start) = start {
            register(agency, &visitors, (*child, *start), &mut files.registrations);
        }
        let born = people.person(*child).born;
        attend(agency, &visitors, (*child, born), *start, &mut files.attendances);
    }
    let in_touch = starts.iter().flatten().min().copied();
    if household.canary || in_touch.is_some() {
        let from = in_touch.unwrap_or(agency.period.first);
        course(agency, &visitors, from, &mut files.attendances);
        refer(agency, &visitors, from, &mut files.referrals);
    }
}

/// The day a child is registered, if ever: soon after birth for most, later for others.
fn registers(agency: &mut Agency<'_>, household: &Household, child: PersonId) -> Option<Day> {
    let born = agency.people.person(child).born;
    let area = agency.ground.area(household.home_on(born));
    let dice = &mut agency.dice;
    let ever = 0.88 - 0.17 * household.deprivation + agency.ground.pull(area);
    let prompt = dice.chance(0.74 - 0.16 * household.deprivation) || household.canary;
    let after = if prompt {
        dice.between(2, 56)
    } else if dice.chance(0.7) {
        57 + dice.between(0, 300)
    } else {
        57 + dice.between(0, 1_300)
    };
    let registers = dice.chance(ever) || household.canary;
    let day = match household.arrived {
        Some(arrived) => born.plus(after).max(arrived.plus(dice.between(5, 60))),
        None => born.plus(after),
    };
    (registers && day <= agency.period.last && day < born.years_on(5)).then_some(day)
}

/// The addresses a centre has on file: that of each registration, and of the moves it was told of.
fn held<'d>(
    dice: &mut Dice,
    household: &Household,
    starts: impl Iterator<Item = &'d Day>,
) -> Vec<(Day, Address)> {
    let mut held: Vec<(Day, Address)> =
        starts.map(|start| (*start, household.home_on(*start))).collect();
    let first = held.iter().map(|(day, _)| *day).min();
    for (day, home) in household.homes.iter().skip(1) {
        if first.is_none_or(|first| *day >= first) && dice.chance(TELLS_OF_MOVE) {
            held.push((day.plus(dice.between(0, 90)), *home));
        }
    }
    if held.is_empty() {
        held.push(household.homes[0]);
    }
    held.sort_by_key(|(day, _)| *day);
    held
}

/// The centre a household uses on a day: its area's, or for some a near one.
pub(super) fn centre(agency: &mut Agency<'_>, household: &Household, day: Day) -> u8 {
    let own = agency.ground.area(household.home_on(day));
    let area =
        if household.goes_elsewhere { agency.ground.neighbour(own, &mut agency.dice) } else { own };
    u8::try_from(area).unwrap_or_default()
}

fn register(
    agency: &mut Agency<'_>,
    visitors: &Visitors<'_>,
    (child, start): (PersonId, Day),
    out: &mut Vec<Entry>,
) {
    let household = visitors.household;
    let period = agency.period;
    let groups = household.groups;
    let ends = agency.dice.chance(0.06) && !household.canary;
    let end = ends
        .then(|| start.plus(agency.dice.between(150, 1_100)))
        .filter(|end| *end <= period.latest.plus(-10));
    let facts = Facts::Registration {
        centre: centre(agency, household, start),
        end,
        source: agency.dice.weighted(&SOURCES),
        groups,
    };
    let mut entry = agency.entry(child, start, visitors.stated(start), facts);
    if let Some(end) = end {
        entry.known =
            period.known(end, agency.partner.extracts_on(), &mut agency.dice).max(entry.known);
    }
    out.push(entry);
    if end.is_none() && agency.dice.chance(0.04) {
        again(agency, visitors, (child, start), out);
    }
}

/// A second registration, at another centre.
fn again(
    agency: &mut Agency<'_>,
    visitors: &Visitors<'_>,
    (child, first): (PersonId, Day),
    out: &mut Vec<Entry>,
) {
    let start = first.plus(agency.dice.between(60, 900));
    let born = agency.people.person(child).born;
    if start > agency.period.last || start >= born.years_on(5) {
        return;
    }
    let own = agency.ground.area(visitors.household.home_on(start));
    let centre = u8::try_from(agency.ground.neighbour(own, &mut agency.dice)).unwrap_or_default();
    let source = agency.dice.weighted(&SOURCES);
    let facts =
        Facts::Registration { centre, end: None, source, groups: visitors.household.groups };
    let entry = agency.entry(child, start, visitors.stated(start), facts);
    out.push(entry);
}

/// Visits a year of a registered child: none, now and then, or regularly.
fn visits_a_year(dice: &mut Dice, household: &Household) -> f64 {
    if household.canary {
        return 20.0;
    }
    let never = 0.24 + 0.12 * household.deprivation;
    match dice.unit() {
        u if u < never => 0.0,
        u if u < never + 0.22 => 1.6,
        _ => 5.0 + 27.0 * household.keen,
    }
}

/// A child's attendances, and those of an adult who came with it.
fn attend(
    agency: &mut Agency<'_>,
    visitors: &Visitors<'_>,
    (child, born): (PersonId, Day),
    start: Option<Day>,
    out: &mut Vec<Entry>,
) {
    let period = agency.period;
    let until = period.last.min(born.years_on(5).plus(-1));
    let Some(start) = start else {
        let visits = if agency.dice.chance(0.10) { agency.dice.between(1, 2) } else { 0 };
        let here = visitors.household.arrived.unwrap_or(born).max(period.attendances_from);
        let from = born.plus(20).max(here);
        for _ in 0..visits {
            let day = from.plus(agency.dice.between(0, until.since(from)));
            if from <= until {
                visit(agency, visitors, (child, born), day, out);
            }
        }
        return;
    };
    let yearly = visits_a_year(&mut agency.dice, visitors.household);
    let mut month = start.max(period.attendances_from);
    while yearly > 0.0 && month <= until {
        let age = usize::try_from(month.since(born) / 366).unwrap_or_default().min(4);
        let length = until.since(month).min(29);
        let mean = yearly * BY_AGE[age] * f64::from(length + 1) / 365.0;
        for _ in 0..agency.dice.events(mean) {
            let day = month.plus(agency.dice.between(0, length));
            visit(agency, visitors, (child, born), day, out);
        }
        month = month.plus(30);
    }
}

/// One visit; centres are closed on Sundays.
fn visit(
    agency: &mut Agency<'_>,
    visitors: &Visitors<'_>,
    (child, born): (PersonId, Day),
    day: Day,
    out: &mut Vec<Entry>,
) {
    if day.weekday() == 6 {
        return;
    }
    let household = visitors.household;
    let weights = if day.since(born) < 365 { FOR_BABIES } else { FOR_CHILDREN };
    let activity = agency.dice.weighted(&weights);
    let facts = Facts::Attendance { centre: centre(agency, household, day), activity };
    let home = visitors.stated(day);
    let entry = agency.entry(child, day, home, facts);
    out.push(entry);
    if agency.dice.chance(0.25) {
        let brings = match household.second_adult {
            Some(other) if agency.dice.chance(0.15) => other,
            _ => household.adult,
        };
        let with = Entry::new(brings, day, entry.known, home, facts);
        out.push(with);
    }
}

/// A parenting course: six weekly sessions of an adult.
fn course(agency: &mut Agency<'_>, visitors: &Visitors<'_>, from: Day, out: &mut Vec<Entry>) {
    let period = agency.period;
    let from = from.max(period.first);
    let room = period.last.plus(-42).since(from);
    let takes_part = agency.dice.chance(0.05 + 0.04 * visitors.household.deprivation);
    if !(takes_part || visitors.household.canary) || room < 0 {
        return;
    }
    let first = from.plus(agency.dice.between(0, room)).next_weekday(agency.dice.between(0, 4));
    let centre = centre(agency, visitors.household, first);
    for week in 0..6 {
        let day = first.plus(7 * week);
        if day > period.last {
            break;
        }
        let facts = Facts::Attendance { centre, activity: PARENTING_COURSE };
        let entry = agency.entry(visitors.household.adult, day, visitors.stated(day), facts);
        out.push(entry);
    }
}

/// Referrals of a child or its mother, one in ten families a year.
fn refer(agency: &mut Agency<'_>, visitors: &Visitors<'_>, from: Day, out: &mut Vec<Entry>) {
    let household = visitors.household;
    let period = agency.period;
    let from = from.max(period.first);
    let days = period.last.since(from);
    let youngest =
        household.children.last().map(|child| (*child, agency.people.person(*child).born));
    let until = youngest.map_or(period.last, |(_, born)| born.years_on(5)).min(period.last);
    let mean = (0.09 + 0.09 * household.deprivation) * f64::from(days.max(0)) / 365.0;
    let count = agency.dice.events(mean).max(u32::from(household.canary));
    for _ in 0..count {
        let day = from.plus(agency.dice.between(0, until.since(from)));
        let direction = u8::from(agency.dice.chance(0.42));
        let person = match youngest {
            Some((child, born))
                if born <= day && (household.canary || agency.dice.chance(0.45)) =>
            {
                child
            }
            _ => household.adult,
        };
        if from <= until {
            let entry = agency.referral(person, visitors.stated(day), day, direction);
            out.push(entry);
        }
    }
}
