//! How well linkage finds who is one person, on a population whose truth is known or on files of
//! people: false links, missed ones, by group, and what a subject costs.
//!
//! The same code as in the gateway: identities become keyed values, keyed values are compared,
//! and [`resolve_all`] makes persons of them; nothing but the store is left out. A pair is two
//! records (of the population: two different identities) that are one person.

mod files;
mod population;

use super::BenchError;
use crate::{
    domain::{PartnerId, SubjectId},
    keys::{IdentifierKind, KeyError, MasterKeys, Pseudonym, Pseudonymiser, RawIdentifier},
    linkage::{RawIdentity, Sender, Subject, resolve_all},
    server::system_rng,
};
use std::{collections::BTreeSet, ops::Range, path::PathBuf};

pub(crate) use files::Files;

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// What it says.
    pub(crate) name: String,
    /// How much.
    pub(crate) value: f64,
    /// What it should be at most or, of precision and the like, nothing.
    pub(crate) goal: Option<f64>,
}

impl Figure {
    fn new(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), value, goal: None }
    }

    fn at_most(name: impl Into<String>, value: f64, goal: f64) -> Self {
        Self { name: name.into(), value, goal: Some(goal) }
    }
}

/// What to link.
#[derive(Debug)]
pub(crate) enum Source {
    /// Synthetic populations, at a scale.
    Population {
        /// 1.0 is Coventry.
        scale: f64,
        /// One for each; all chance comes from it.
        seeds: Range<u64>,
    },
    /// Files of people.
    Files(Files),
}

/// Links, and says how well.
///
/// # Errors
/// When a file can't be read or a key can't be made.
pub(crate) fn measure(source: &Source) -> Result<Vec<Figure>, BenchError> {
    match source {
        Source::Population { scale, seeds } => population::measure(*scale, seeds.clone()),
        Source::Files(files) => files.measure(),
    }
}

/// Keys of a run, and the sender of its records.
struct Linker {
    with: Pseudonymiser,
    partner: PartnerId,
    record: Pseudonym,
}

/// An unordered pair of records' places, the smaller first.
type Pair = (usize, usize);

/// What linking gave.
struct Linked {
    pairs: BTreeSet<Pair>,
    keys: usize,
    tags: usize,
    evaluations: usize,
    sealed_bytes: usize,
}

impl Linker {
    fn new() -> Result<Self, BenchError> {
        let with = Pseudonymiser::new(&MasterKeys::generate(&mut system_rng()))?;
        let partner: PartnerId = "bench".parse()?;
        let kind = IdentifierKind::Record { partner: &partner, record_type: "live_birth" };
        let record = RawIdentifier::new("1".to_owned()).pseudonymise(kind, &with);
        Ok(Self { with, partner, record })
    }

    /// Links identities; pairs are of their places.
    fn link(&self, identities: impl Iterator<Item = RawIdentity>) -> Result<Linked, KeyError> {
        let mut subjects = Vec::new();
        let (mut keys, mut tags, mut evaluations, mut sealed_bytes) = (0, 0, 0, 0);
        for (id, identity) in (1i64..).zip(identities) {
            let sender = Sender { partner: &self.partner, record: &self.record, position: 0 };
            let inputs = identity.into_inputs(sender.partner, sender.position);
            evaluations += inputs.inputs().iter().filter(|input| !input.is_derived()).count();
            let outputs = self.with.evaluate(inputs.inputs(), sender.record, sender.partner)?;
            let keyed = inputs.keyed(&outputs, sender.partner, &self.with)?;
            keys += 1 + keyed.match_keys.iter().count() + keyed.lookups.len();
            tags += keyed.comparison.tags();
            sealed_bytes += keyed.comparison.to_bytes().len() + crate::keys::SEALED_OVERHEAD;
            subjects.push(Subject {
                id: SubjectId::new(id),
                nhs: keyed.nhs,
                keys: keyed.match_keys,
                lookups: keyed.lookups,
                comparison: Some(keyed.comparison),
            });
        }
        let mut pairs = BTreeSet::new();
        for group in resolve_all(&subjects) {
            let places: Vec<usize> = group
                .members
                .iter()
                .filter_map(|id| usize::try_from(id.number() - 1).ok())
                .collect();
            for (at, a) in places.iter().enumerate() {
                pairs.extend(places[at + 1..].iter().map(|b| (*a.min(b), *a.max(b))));
            }
        }
        Ok(Linked { pairs, keys, tags, evaluations, sealed_bytes })
    }
}

fn share(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { whole(part) / whole(of) }
}

fn whole(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Reads nothing and says where.
fn unreadable(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> BenchError {
    let path: PathBuf = path.to_owned();
    move |source| BenchError::File { path, source }
}
