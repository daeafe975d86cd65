//! The exact counts behind every indicator, from the simulated people themselves: what a gateway would count
//! that links every record to its true person.
//!
//! It counts the records that the partners stated, without their typing errors: a record belongs to its true
//! person, with the true date of birth. So the truth knows what the records know, no more: a stale postcode
//! that a centre states is where the rule of residence puts the child until a later record corrects it, and a
//! child no record was extracted for is not there. It leaves out what never counts: records with a broken
//! identifier (intake rejects them whole), records under the wrong person (withdrawn before any close), and the
//! centres' records of people whose consent is refused or withdrawn (from all quarters).
//!
//! For quarter Q with last day S and close day C (S + 42 days), over the records that are known by C:
//! - residence at S: the LSOA of the person's record with the latest event date at or before S among those
//!   that state an address (a birth's event is the date of birth); ties go to Health, then to the smaller LSOA
//!   code. Only records of which the person is the principal count. Who has none is in no area.
//! - Whoever died at or before S counts nowhere, whenever that became known.
//! - `births`: live births (persons) by date of birth, each in the later of its own quarter and the first whose
//!   C is not before the record's known day; numerator the births, no denominator.
//! - `under_fives`: born at or before S, fifth birthday after S, resident.
//! - `registered`: under-fives with a registration started at or before S that has no end or one after S.
//! - `ever_attended`: under-fives with an attendance in (S - 12 months, S]; `sustained`: of the registered, those
//!   with attendances on three or more days in it; `registered_not_attending`: of the registered whose
//!   earliest active registration started at or before S - 90 days, those with none in it.
//! - `prompt_registration`: of the live births of Q - 1 (by date of birth), those with a registration started
//!   within 56 days.
//! - `two_year_take_up`, `eligible_twos_registered`: of the children on any list of the 120 days up to S (each
//!   child by its own records, whatever lists others are on), those with a place funded as a two-year-old in Q's
//!   term, and those registered at S.
//! - `referrals`: numerator the persons referred in, denominator the persons referred out (who was both is
//!   in both), each referral in the later of its own quarter and the first that knows it.
//! - `families_known`: of the reference children under five with a case open at S, those registered at S.
//! - The others are in [`further`], by the data book's own words; every quarter is counted, also where the
//!   gateway counts one in the year.

mod further;

use std::collections::BTreeMap;

use serde::Serialize;

use further::{Further, Looking, NAMES};

use super::calendar::{Closing, Day, Period};
use super::ground::Ground;
use super::people::{People, Person};
use super::record::{Entry, Facts, Feed, More, Partner};

const SUSTAINED_DAYS: usize = 3;
const LONG_DAYS: i32 = 90;
const PROMPT_DAYS: i32 = 56;
const LIST_DAYS: i32 = 120;

/// A figure: counted, and out of how many (none for a plain count).
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Figure {
    pub(super) numerator: u32,
    pub(super) denominator: Option<u32>,
}

/// Quarter, indicator, area.
pub(super) type Figures = BTreeMap<String, BTreeMap<&'static str, BTreeMap<&'static str, Figure>>>;

/// The counts of one area and quarter.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    births: u32,
    under_fives: u32,
    registered: u32,
    attended: u32,
    sustained: u32,
    long: u32,
    long_absent: u32,
    born_before: u32,
    prompt: u32,
    listed: u32,
    listed_funded: u32,
    listed_registered: u32,
    referred_in: u32,
    referred_out: u32,
    families: u32,
    families_registered: u32,
    further: Further,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.births += other.births;
        self.under_fives += other.under_fives;
        self.registered += other.registered;
        self.attended += other.attended;
        self.sustained += other.sustained;
        self.long += other.long;
        self.long_absent += other.long_absent;
        self.born_before += other.born_before;
        self.prompt += other.prompt;
        self.listed += other.listed;
        self.listed_funded += other.listed_funded;
        self.listed_registered += other.listed_registered;
        self.referred_in += other.referred_in;
        self.referred_out += other.referred_out;
        self.families += other.families;
        self.families_registered += other.families_registered;
        for (sum, more) in self.further.iter_mut().zip(&other.further) {
            *sum = (sum.0 + more.0, sum.1 + more.1);
        }
    }

    fn figures(&self) -> Vec<(&'static str, u32, Option<u32>)> {
        let further = NAMES.iter().zip(self.further);
        let further = further.map(|(name, (counted, out_of))| (*name, counted, Some(out_of)));
        self.first().into_iter().chain(further).collect()
    }

    fn first(&self) -> [(&'static str, u32, Option<u32>); 11] {
        [
            ("births", self.births, None),
            ("under_fives", self.under_fives, None),
            ("registered", self.registered, Some(self.under_fives)),
            ("prompt_registration", self.prompt, Some(self.born_before)),
            ("ever_attended", self.attended, Some(self.under_fives)),
            ("sustained", self.sustained, Some(self.registered)),
            ("registered_not_attending", self.long_absent, Some(self.long)),
            ("two_year_take_up", self.listed_funded, Some(self.listed)),
            ("eligible_twos_registered", self.listed_registered, Some(self.listed)),
            ("referrals", self.referred_in, Some(self.referred_out)),
            ("families_known", self.families_registered, Some(self.families)),
        ]
    }
}

/// A record as the truth sees it.
#[derive(Clone, Copy)]
struct Seen<'a> {
    entry: &'a Entry,
    from_health: bool,
}

/// Everything that counts, by person.
pub(super) struct Truth<'a> {
    people: &'a People,
    ground: &'a Ground,
    period: &'a Period,
    seen: Vec<Seen<'a>>,
}

impl<'a> Truth<'a> {
    pub(super) fn new(
        people: &'a People,
        ground: &'a Ground,
        period: &'a Period,
        feeds: &'a [Feed],
    ) -> Self {
        let mut seen: Vec<Seen<'a>> = feeds
            .iter()
            .flat_map(|feed| {
                let from_health = feed.partner == Partner::Health;
                feed.entries
                    .iter()
                    .filter(|entry| entry.counts && serves(entry))
                    .map(move |entry| Seen { entry, from_health })
            })
            .collect();
        seen.sort_by_key(|seen| seen.entry.person);
        Self { people, ground, period, seen }
    }

    /// The whole file.
    pub(super) fn figures(&self) -> Figures {
        let areas = self.ground.facts.areas.len();
        let mut figures = Figures::new();
        for (position, closing) in self.period.quarters.iter().enumerate() {
            let mut counts = vec![Counts::default(); areas];
            for own in self.seen.chunk_by(|a, b| a.entry.person == b.entry.person) {
                self.count(own, position, &mut counts);
            }
            figures.insert(closing.quarter.to_string(), self.by_area(&counts));
        }
        figures
    }

    /// Sums for clusters and the authority.
    fn by_area(&self, counts: &[Counts]) -> BTreeMap<&'static str, BTreeMap<&'static str, Figure>> {
        let facts = self.ground.facts;
        let mut sums: BTreeMap<&'static str, Counts> = BTreeMap::new();
        for (area, counts) in facts.areas.iter().zip(counts) {
            for code in [area.code, facts.clusters[area.cluster].code, facts.authority_code] {
                sums.entry(code).or_default().add(counts);
            }
        }
        let mut figures: BTreeMap<&'static str, BTreeMap<&'static str, Figure>> = BTreeMap::new();
        for (code, counts) in &sums {
            for (indicator, numerator, denominator) in counts.figures() {
                let figure = Figure { numerator, denominator };
                figures.entry(indicator).or_default().insert(code, figure);
            }
        }
        figures
    }

    /// Adds one person to the counts of the area it lives in at S.
    fn count(&self, own: &[Seen<'_>], position: usize, counts: &mut [Counts]) {
        let closing = &self.period.quarters[position];
        let died = |seen: &Seen<'_>| {
            matches!(seen.entry.facts, Facts::More(More::Death)) && seen.entry.event <= closing.last
        };
        if own.iter().any(died) {
            return;
        }
        let Some(area) = self.residence(own, closing) else { return };
        let counts = &mut counts[area];
        let known: Vec<&Entry> = own
            .iter()
            .map(|seen| seen.entry)
            .filter(|entry| entry.known <= closing.close)
            .collect();
        let person = self.people.person(own[0].entry.person);
        let registered = earliest_active(&known, closing);
        if closing.under_five(person.born) {
            under_five(&known, closing, registered, counts);
        }
        self.birth(&known, person, position, earliest_of_all(&known), counts);
        let listed = known.iter().any(|entry| {
            matches!(entry.facts, Facts::Eligibility { .. })
                && entry.event <= closing.last
                && closing.last.since(entry.event) <= LIST_DAYS
        });
        if listed {
            let funded = known.iter().any(|entry| {
                matches!(entry.facts, Facts::FundedPlace { term, age: 2, .. } if term == closing.term)
            });
            counts.listed += 1;
            counts.listed_funded += u32::from(funded);
            counts.listed_registered += u32::from(registered.is_some());
        }
        self.referrals(&known, position, counts);
        Looking { known: &known, person, closing }.count(self, position, counts);
    }

    /// The area of the LSOA in which a person lived at S, as far as was known by the close.
    fn residence(&self, own: &[Seen<'_>], closing: &Closing) -> Option<usize> {
        own.iter()
            .filter(|seen| seen.entry.known <= closing.close && seen.entry.event <= closing.last)
            .filter(|seen| !matches!(seen.entry.facts, Facts::More(_)))
            .filter_map(|seen| {
                let lsoa = self.ground.lsoa(seen.entry.home.address()?);
                // LSOAs stand in the order of their codes.
                Some((seen.entry.event, seen.from_health, std::cmp::Reverse(lsoa)))
            })
            .max()
            .map(|(_, _, std::cmp::Reverse(lsoa))| self.ground.facts.lsoas[lsoa].area)
    }

    /// Whether an event is counted in the quarter at `position`: the later of its own and the first that
    /// knows it.
    fn counted_in(&self, event: Day, known: Day, position: usize) -> bool {
        let quarters = &self.period.quarters;
        let closing = &quarters[position];
        if event > closing.last || known > closing.close {
            return false;
        }
        let own = event >= closing.first;
        let before = closing.quarter.previous().close_day();
        own || known > Day::of(before)
    }

    fn birth(
        &self,
        known: &[&Entry],
        person: &Person,
        position: usize,
        registered: Option<Day>,
        counts: &mut Counts,
    ) {
        let first =
            known.iter().filter(|e| matches!(e.facts, Facts::LiveBirth)).map(|e| e.known).min();
        let Some(first) = first else { return };
        counts.births += u32::from(self.counted_in(person.born, first, position));
        let before = self.period.quarters[position].quarter.previous();
        if Day::of(before.first_day()) <= person.born && person.born <= Day::of(before.last_day()) {
            counts.born_before += 1;
            let prompt = registered.is_some_and(|start| start.since(person.born) <= PROMPT_DAYS);
            counts.prompt += u32::from(prompt);
        }
    }

    fn referrals(&self, known: &[&Entry], position: usize, counts: &mut Counts) {
        let referred = |which: u8| {
            known.iter().any(|entry| {
                matches!(entry.facts, Facts::Referral { direction, .. } if direction == which)
                    && self.counted_in(entry.event, entry.known, position)
            })
        };
        counts.referred_in += u32::from(referred(0));
        counts.referred_out += u32::from(referred(1));
    }
}

/// Whether a record is a source of any table, or takes its person out of all. Of the agencies' further
/// files what is said counts, and no address moves anybody.
fn serves(entry: &Entry) -> bool {
    let no_source =
        |more| matches!(more, More::Antenatal { .. } | More::Work { .. } | More::Support { .. });
    !matches!(entry.facts, Facts::More(more) if no_source(more))
}

/// The start of the earliest registration that is active at S.
fn earliest_active(known: &[&Entry], closing: &Closing) -> Option<Day> {
    known
        .iter()
        .filter(|entry| match entry.facts {
            Facts::Registration { end, .. } => {
                entry.event <= closing.last && end.is_none_or(|end| end > closing.last)
            }
            _ => false,
        })
        .map(|entry| entry.event)
        .min()
}

/// The start of a person's earliest registration, active or ended.
fn earliest_of_all(known: &[&Entry]) -> Option<Day> {
    known
        .iter()
        .filter(|entry| matches!(entry.facts, Facts::Registration { .. }))
        .map(|entry| entry.event)
        .min()
}

fn under_five(known: &[&Entry], closing: &Closing, registered: Option<Day>, counts: &mut Counts) {
    let mut days: Vec<Day> = known
        .iter()
        .filter(|entry| matches!(entry.facts, Facts::Attendance { .. }))
        .map(|entry| entry.event)
        .filter(|day| *day > closing.year_before && *day <= closing.last)
        .collect();
    days.sort_unstable();
    days.dedup();
    counts.under_fives += 1;
    counts.attended += u32::from(!days.is_empty());
    if let Some(start) = registered {
        counts.registered += 1;
        counts.sustained += u32::from(days.len() >= SUSTAINED_DAYS);
        if closing.last.since(start) >= LONG_DAYS {
            counts.long += 1;
            counts.long_absent += u32::from(days.is_empty());
        }
    }
    let case_open = known.iter().any(|entry| match entry.facts {
        Facts::CaseMember { closed, reference: true, .. } => {
            entry.event <= closing.last && closed.is_none_or(|closed| closed > closing.last)
        }
        _ => false,
    });
    if case_open {
        counts.families += 1;
        counts.families_registered += u32::from(registered.is_some());
    }
}
