//! Links a batch's identities to persons, many at once.
//!
//! An identity that was seen before is found by its fingerprint and needs no more. New
//! ones are resolved together with every person that shares a match key with them, so that
//! the outcome depends on the set of subjects and not on the order of their arrival.

use super::{GatewayError, forms::Forms};
use crate::{
    domain::{PersonId, SubjectId},
    keys::{Cell, KeyVersion, KeysInUse, Pseudonym, PseudonymDomain},
    linkage::{self, KeyedIdentity, MatchKey, MatchKeys, Rung},
    store::{
        StoreError, Tx,
        subjects::{self, Move, NewSubject, Subject},
    },
};
use rand::CryptoRng;
use std::collections::{BTreeMap, HashMap};

/// The rung number under which a subject's fingerprint is kept among its keys.
pub(super) const FINGERPRINT: u8 = 0;

/// The cell that a subject's sealed facts belong to.
pub(super) const fn facts_cell(subject: SubjectId) -> Cell {
    Cell { table: "subject", column: "facts", row: subject.number() }
}

/// The subject and person of each identity, in their order.
pub(crate) async fn link(
    keys: &KeysInUse,
    tx: &mut Tx,
    identities: &[&KeyedIdentity],
    rng: &mut (dyn CryptoRng + Send),
) -> Result<Vec<(SubjectId, PersonId)>, GatewayError> {
    let fingerprints: Vec<[u8; 16]> =
        identities.iter().map(|identity| *identity.fingerprint.as_bytes()).collect();
    let mut distinct = fingerprints.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let forms = Forms::of(keys, PseudonymDomain::Subject, &distinct)?;
    let found = subjects::by_fingerprint(tx, forms.all()).await?;
    let mut known: HashMap<_, _> =
        found.into_iter().map(|(key, placed)| (forms.current(key), placed)).collect();
    let mut newcomers: Vec<&KeyedIdentity> = Vec::new();
    for (identity, fingerprint) in identities.iter().zip(&fingerprints) {
        if !known.contains_key(fingerprint) {
            // Filled in below; here it only marks that this fingerprint is taken.
            known.insert(*fingerprint, (SubjectId::new(0), PersonId::new(0)));
            newcomers.push(identity);
        }
    }
    if !newcomers.is_empty() {
        let (settled, moves) = settle(keys, tx, &newcomers, rng).await?;
        for (identity, placed) in newcomers.iter().zip(settled) {
            known.insert(*identity.fingerprint.as_bytes(), placed);
        }
        // A newcomer may have brought subjects together that this batch knows, too: what the
        // batch says of them goes where they are now.
        let moved: HashMap<SubjectId, PersonId> =
            moves.iter().map(|moved| (moved.subject, moved.to)).collect();
        for (subject, person) in known.values_mut() {
            *person = moved.get(subject).copied().unwrap_or(*person);
        }
    }
    let corrupt = StoreError::Corrupt { table: "subject_key", column: "match_key", row: 0 };
    let placed: Option<Vec<_>> = fingerprints.iter().map(|f| known.get(f).copied()).collect();
    placed.ok_or(GatewayError::Store(corrupt))
}

/// Resolves newcomers with everybody they touch, and stores what came of it: where the
/// newcomers are, and who else moved.
async fn settle(
    keys: &KeysInUse,
    tx: &mut Tx,
    newcomers: &[&KeyedIdentity],
    rng: &mut (dyn CryptoRng + Send),
) -> Result<(Vec<(SubjectId, PersonId)>, Vec<Move>), GatewayError> {
    let first_subject = subjects::take_subject_numbers(tx, newcomers.len()).await?;
    let first_person = subjects::take_person_numbers(tx, newcomers.len()).await?;
    let mut all = touched(keys, tx, newcomers).await?;
    let already = all.len();
    for ((identity, subject), person) in newcomers.iter().zip(first_subject..).zip(first_person..) {
        let (subject, person) = (SubjectId::new(subject), PersonId::new(person));
        all.push(stored_form(identity, subject, person, keys.current()));
    }
    let before: HashMap<SubjectId, PersonId> =
        all[..already].iter().map(|subject| (subject.id, subject.person)).collect();
    for component in components(&all) {
        if component.iter().any(|at| *at >= already) {
            resolve_component(tx, &mut all, &component).await?;
        }
    }
    let moves: Vec<Move> = all[..already]
        .iter()
        .filter_map(|subject| {
            let from = *before.get(&subject.id)?;
            (from != subject.person).then_some(Move {
                subject: subject.id,
                from,
                to: subject.person,
            })
        })
        .collect();
    subjects::move_subjects(tx, &moves).await?;
    let mut new = Vec::with_capacity(newcomers.len());
    for (identity, subject) in newcomers.iter().zip(all.drain(already..)) {
        let facts = identity.facts.seal(facts_cell(subject.id), &keys.sealer, rng)?;
        new.push(NewSubject { subject, facts });
    }
    subjects::insert(tx, &new).await?;
    Ok((new.iter().map(|new| (new.subject.id, new.subject.person)).collect(), moves))
}

/// Every subject of every person that shares a match key with a newcomer, all of one key
/// version.
async fn touched(
    keys: &KeysInUse,
    tx: &mut Tx,
    newcomers: &[&KeyedIdentity],
) -> Result<Vec<Subject>, GatewayError> {
    let mut forms = Forms::default();
    let mut shared: Vec<(Rung, [u8; 16])> = newcomers
        .iter()
        .flat_map(|identity| identity.match_keys.iter().map(|key| (key.rung, *key.key.as_bytes())))
        .collect();
    shared.sort_unstable();
    shared.dedup();
    for (rung, key) in shared {
        forms.add(keys, rung.domain(), &key)?;
    }
    let persons = subjects::persons_with(tx, forms.all()).await?;
    let mut touched = subjects::of_persons(tx, &persons).await?;
    for subject in &mut touched {
        renew(keys, subject)?;
    }
    Ok(touched)
}

/// What is kept of a subject under the current key version.
pub(super) fn renew(keys: &KeysInUse, subject: &mut Subject) -> Result<(), GatewayError> {
    let of = KeyVersion::new(subject.key_version);
    if of == keys.current() {
        return Ok(());
    }
    if let Some(nhs) = &mut subject.nhs {
        *nhs = keys.renewed(PseudonymDomain::Nhs, of, nhs)?;
    }
    for (rung, key) in &mut subject.keys {
        *key = keys.renewed(key_domain(*rung, subject.id)?, of, key)?;
    }
    subject.key_version = keys.current().number();
    Ok(())
}

/// The domain of a subject's key by its stored rung.
pub(super) fn key_domain(rung: u8, subject: SubjectId) -> Result<PseudonymDomain, StoreError> {
    if rung == FINGERPRINT {
        return Ok(PseudonymDomain::Subject);
    }
    let row = subject.number();
    let corrupt = StoreError::Corrupt { table: "subject_key", column: "rung", row };
    Rung::from_number(rung).map(Rung::domain).ok_or(corrupt)
}

fn stored_form(
    identity: &KeyedIdentity,
    id: SubjectId,
    person: PersonId,
    under: KeyVersion,
) -> Subject {
    let mut keys = vec![(FINGERPRINT, *identity.fingerprint.as_bytes())];
    keys.extend(identity.match_keys.iter().map(|key| (key.rung.number(), *key.key.as_bytes())));
    let nhs = identity.nhs.as_ref().map(|nhs| *nhs.as_bytes());
    Subject { id, person, nhs, keys, key_version: under.number() }
}

/// Groups places of `all` that hang together: by a shared match key, or by being one
/// person already.
pub(super) fn components(all: &[Subject]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..all.len()).collect();
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    }
    let mut by_key: HashMap<[u8; 16], usize> = HashMap::new();
    let mut by_person: HashMap<PersonId, usize> = HashMap::new();
    for (at, subject) in all.iter().enumerate() {
        let keys = subject.keys.iter().filter(|(rung, _)| *rung != FINGERPRINT);
        let mut others: Vec<usize> =
            keys.map(|(_, key)| *by_key.entry(*key).or_insert(at)).collect();
        others.push(*by_person.entry(subject.person).or_insert(at));
        for other in others {
            let (a, b) = (root(&mut parent, at), root(&mut parent, other));
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..all.len() {
        groups.entry(root(&mut parent, at)).or_default().push(at);
    }
    groups.into_values().collect()
}

/// Resolves one component and writes each subject's person into `all`.
pub(super) async fn resolve_component(
    tx: &mut Tx,
    all: &mut [Subject],
    component: &[usize],
) -> Result<(), GatewayError> {
    let subjects: Vec<(linkage::Subject, PersonId)> =
        component.iter().map(|at| (for_linkage(&all[*at]), all[*at].person)).collect();
    // Too many that hang together stay as they are; newcomers are persons of their own.
    let Ok(groups) = linkage::reresolve(&subjects) else { return Ok(()) };
    let place: HashMap<SubjectId, usize> = component.iter().map(|at| (all[*at].id, *at)).collect();
    for group in groups {
        let person = match group.keeps {
            Some(person) => person,
            None => PersonId::new(subjects::take_person_numbers(tx, 1).await?),
        };
        for member in group.members {
            if let Some(at) = place.get(&member) {
                all[*at].person = person;
            }
        }
    }
    Ok(())
}

fn for_linkage(subject: &Subject) -> linkage::Subject {
    // Resolution compares pseudonyms of one version: [`touched`] makes them so.
    let version = KeyVersion::new(subject.key_version);
    let stored = |domain, bytes: &[u8; 16]| Pseudonym::from_stored(domain, version, bytes).ok();
    let keys = subject.keys.iter().filter_map(|(rung, key)| {
        let rung = Rung::from_number(*rung)?;
        Some(MatchKey { rung, key: stored(rung.domain(), key)? })
    });
    linkage::Subject {
        id: subject.id,
        nhs: subject.nhs.as_ref().and_then(|nhs| stored(PseudonymDomain::Nhs, nhs)),
        keys: MatchKeys::from_stored(keys),
    }
}
