//! The synthetic population at domain.md's rates of error.

use super::{Figure, Linker, share, whole};
use crate::{
    bench::BenchError,
    keys::{BirthDate, RawIdentifier, RawText},
    linkage::{RawIdentity, Sex},
    synth::{self, Place, Plan, Statement},
};
use std::collections::{BTreeMap, HashMap};

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

/// The broad ethnic group of an origin.
fn broad_group(origin: &str) -> &'static str {
    match origin {
        "indian" | "pakistani" => "broad_asian",
        "ghanaian" | "nigerian" => "broad_black",
        _ => "broad_white",
    }
}

pub(super) fn measure(scale: f64, seed: u64) -> Result<Vec<Figure>, BenchError> {
    let plan = Plan { place: Place::Coventry, seed, scale, quarters: QUARTERS, canaries: 0 };
    let mut stated = synth::statements(&plan).map_err(BenchError::Population)?;
    // Whoever sends it: one identity of all partners is one subject.
    let mut seen = HashMap::new();
    stated.retain(|s| {
        let identity = Statement { partner: "", ..s.clone() };
        seen.insert(identity, ()).is_none()
    });
    let linked = Linker::new()?.link(stated.iter().map(identity))?;
    let mut of_person: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, stated) in stated.iter().enumerate() {
        of_person.entry(stated.person).or_default().push(place);
    }
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    for places in of_person.values() {
        let group = groups.entry(stated[places[0]].origin).or_default();
        for (at, a) in places.iter().enumerate() {
            let others = &places[at + 1..];
            group.truth += others.len();
            group.found += others.iter().filter(|b| linked.pairs.contains(&(*a, **b))).count();
        }
    }
    let truth: usize = groups.values().map(|group| group.truth).sum();
    let found: usize = groups.values().map(|group| group.found).sum();
    let false_links = linked.pairs.len() - found;
    let missed: BTreeMap<&str, f64> = groups
        .iter()
        .map(|(name, group)| (*name, share(group.truth - group.found, group.truth)))
        .collect();
    let mut broad: BTreeMap<&str, Group> = BTreeMap::new();
    for (origin, group) in &groups {
        let wide = broad.entry(broad_group(origin)).or_default();
        wide.truth += group.truth;
        wide.found += group.found;
    }
    let share_missed = |group: &Group| share(group.truth - group.found, group.truth);
    let of_broad: BTreeMap<&str, f64> =
        broad.iter().map(|(name, group)| (*name, share_missed(group))).collect();
    let best = of_broad.values().copied().fold(f64::INFINITY, f64::min);
    let worst = of_broad.values().copied().fold(0.0, f64::max);
    let subjects = stated.len();
    let per = |count: usize| share(count, subjects);
    let mut figures = vec![
        Figure::new("persons", whole(of_person.len())),
        Figure::new("subjects", whole(subjects)),
        Figure::new("true_links", whole(truth)),
        Figure::at_most("false_links", share(false_links, linked.pairs.len()), FALSE_GOAL),
        Figure::at_most("missed_links", share(truth - found, truth), MISSED_GOAL),
    ];
    figures
        .extend(missed.iter().map(|(name, share)| Figure::new(format!("missed_{name}"), *share)));
    figures
        .extend(of_broad.iter().map(|(name, share)| Figure::new(format!("missed_{name}"), *share)));
    let spread = if best > 0.0 { worst / best } else { f64::INFINITY };
    figures.push(Figure::at_most("missed_worst_to_best", spread, GROUPS_GOAL));
    figures.push(Figure::new("keys_a_subject", per(linked.keys)));
    figures.push(Figure::new("tags_a_subject", per(linked.tags)));
    figures.push(Figure::new("evaluations_a_subject", per(linked.evaluations)));
    figures.push(Figure::new("sealed_bytes_a_subject", per(linked.sealed_bytes)));
    Ok(figures)
}
