//! The synthetic population at domain.md's rates of error.

use super::{Figure, Linker, share, whole};
use crate::{
    bench::BenchError,
    keys::{BirthDate, RawIdentifier, RawText},
    linkage::{RawIdentity, Sex},
    synth::{self, Place, Plan, Statement},
};
use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
};

/// A year of records.
const QUARTERS: u8 = 4;
/// False links, of all links.
const FALSE_GOAL: f64 = 0.002;
/// Missed links, of all true ones.
const MISSED_GOAL: f64 = 0.04;
/// The worst group's share of missed links, of the best's.
const GROUPS_GOAL: f64 = 1.5;

fn identity(stated: &Statement) -> RawIdentity {
    let text = |text: &str| Some(RawText::new(text.to_owned()));
    RawIdentity {
        nhs_number: stated.nhs_number.clone().map(RawIdentifier::new),
        surname: text(&stated.surname),
        forename: text(&stated.forename),
        birth: Some(BirthDate::new(stated.birth)),
        sex: Some(if stated.male { Sex::Male } else { Sex::Female }),
        postcode: stated.postcode.as_deref().and_then(text),
        uprn: stated.uprn.as_deref().and_then(text),
        plurality: stated.plurality,
        ..RawIdentity::default()
    }
}

/// True pairs and those that were found, of a group.
#[derive(Default)]
struct Group {
    truth: usize,
    found: usize,
}

impl Group {
    fn missed(&self) -> f64 {
        share(self.truth - self.found, self.truth)
    }
}

/// What linking several populations gave, together.
#[derive(Default)]
struct Tally {
    persons: usize,
    subjects: usize,
    linked: usize,
    keys: usize,
    tags: usize,
    evaluations: usize,
    sealed_bytes: usize,
    /// By origin.
    groups: BTreeMap<&'static str, Group>,
}

impl Tally {
    /// Makes a population, links it, and counts.
    fn add(&mut self, scale: f64, seed: u64) -> Result<(), BenchError> {
        let plan = Plan { place: Place::Coventry, seed, scale, quarters: QUARTERS, canaries: 0 };
        let mut stated = synth::statements(&plan).map_err(BenchError::Population)?;
        // Whoever sends it: one identity of all partners is one subject.
        let mut seen = HashSet::new();
        stated.retain(|s| seen.insert(Statement { partner: "", ..s.clone() }));
        let linked = Linker::new()?.link(stated.iter().map(identity))?;
        let mut of_person: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (place, stated) in stated.iter().enumerate() {
            of_person.entry(stated.person).or_default().push(place);
        }
        for places in of_person.values() {
            let group = self.groups.entry(stated[places[0]].origin).or_default();
            for (at, a) in places.iter().enumerate() {
                let others = &places[at + 1..];
                group.truth += others.len();
                group.found += others.iter().filter(|b| linked.pairs.contains(&(*a, **b))).count();
            }
        }
        self.persons += of_person.len();
        self.subjects += stated.len();
        self.linked += linked.pairs.len();
        self.keys += linked.keys;
        self.tags += linked.tags;
        self.evaluations += linked.evaluations;
        self.sealed_bytes += linked.sealed_bytes;
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        let sum = |part: fn(&Group) -> usize| self.groups.values().map(part).sum::<usize>();
        let all = Group { truth: sum(|group| group.truth), found: sum(|group| group.found) };
        let mut figures = vec![
            Figure::new("persons", whole(self.persons)),
            Figure::new("subjects", whole(self.subjects)),
            Figure::new("true_links", whole(all.truth)),
            Figure::at_most("false_links", share(self.linked - all.found, self.linked), FALSE_GOAL),
            Figure::at_most("missed_links", all.missed(), MISSED_GOAL),
        ];
        let of_each = self.groups.iter();
        figures
            .extend(of_each.map(|(of, group)| Figure::new(format!("missed_{of}"), group.missed())));
        let best = self.groups.values().map(Group::missed).fold(f64::INFINITY, f64::min);
        let worst = self.groups.values().map(Group::missed).fold(0.0, f64::max);
        let spread = if best > 0.0 { worst / best } else { f64::INFINITY };
        figures.push(Figure::at_most("missed_worst_to_best", spread, GROUPS_GOAL));
        let per = |count: usize| share(count, self.subjects);
        figures.push(Figure::new("keys_a_subject", per(self.keys)));
        figures.push(Figure::new("tags_a_subject", per(self.tags)));
        figures.push(Figure::new("evaluations_a_subject", per(self.evaluations)));
        figures.push(Figure::new("sealed_bytes_a_subject", per(self.sealed_bytes)));
        figures
    }
}

/// Of so many populations, each of its own seed: the smallest of the eight origins has a dozen missed
/// links in one, which says nothing about a rate.
pub(super) fn measure(scale: f64, seeds: Range<u64>) -> Result<Vec<Figure>, BenchError> {
    let mut tally = Tally::default();
    for seed in seeds {
        tally.add(scale, seed)?;
    }
    Ok(tally.figures())
}
