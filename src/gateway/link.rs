//! Links a batch's identities to persons, many at once.
//!
//! An identity that was seen before is found by its fingerprint and needs no more. New
//! ones are resolved together with all that hangs together with them by ties, to the end
//! (`closure`), so that the outcome depends on the set of subjects and not on the order of
//! their arrival.

mod closure;

use super::{GatewayError, forms::Forms};
use crate::{
    domain::{PersonId, SubjectId},
    keys::{Cell, KeyVersion, KeysInUse, PseudonymDomain},
    linkage::{KeyedIdentity, Lookup, Rung},
    store::{
        StoreError, Tx,
        subjects::{self, Move, NewSubject, Subject, Tie},
    },
};
use closure::Closure;
use rand::CryptoRng;
use std::collections::HashMap;

/// The rung number under which a subject's fingerprint is kept among its keys.
pub(super) const FINGERPRINT: u8 = 0;

/// The cell that a subject's sealed facts belong to.
pub(super) const fn facts_cell(subject: SubjectId) -> Cell {
    Cell { table: "subject", column: "facts", row: subject.number() }
}

/// The cell that what a subject is compared by belongs to.
pub(super) const fn comparison_cell(subject: SubjectId) -> Cell {
    Cell { table: "subject", column: "comparison", row: subject.number() }
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

/// Resolves newcomers with everybody they hang together with, and stores what came of it: where
/// the newcomers are, and who else moved.
async fn settle(
    keys: &KeysInUse,
    tx: &mut Tx,
    newcomers: &[&KeyedIdentity],
    rng: &mut (dyn CryptoRng + Send),
) -> Result<(Vec<(SubjectId, PersonId)>, Vec<Move>), GatewayError> {
    let first_subject = subjects::take_subject_numbers(tx, newcomers.len()).await?;
    let first_person = subjects::take_person_numbers(tx, newcomers.len()).await?;
    let mut new = Vec::with_capacity(newcomers.len());
    let mut closure = Closure::new(keys);
    for ((identity, subject), person) in newcomers.iter().zip(first_subject..).zip(first_person..) {
        let (id, person) = (SubjectId::new(subject), PersonId::new(person));
        let mut subject = stored_form(identity, id, person, keys.current());
        let plain = identity.comparison.to_bytes();
        let sealed = keys.sealer.seal(comparison_cell(id), &plain, rng)?;
        subject.tie.comparison = Some(sealed);
        closure.begin(subject, Some(identity.comparison.clone()));
        new.push(id);
    }
    closure.follow(tx).await?;
    let (moves, mut settled) = closure.resolve(tx).await?;
    let mut rows = Vec::with_capacity(newcomers.len());
    for (identity, id) in newcomers.iter().zip(&new) {
        let subject = settled.remove(id).ok_or(StoreError::Corrupt {
            table: "subject",
            column: "subject_id",
            row: id.number(),
        })?;
        let facts = identity.facts.seal(facts_cell(*id), &keys.sealer, rng)?;
        rows.push(NewSubject { subject, facts });
    }
    subjects::insert(tx, &rows).await?;
    Ok((rows.iter().map(|new| (new.subject.id, new.subject.person)).collect(), moves))
}

/// Resolves anew all that hangs together with some persons, under the rules of this program: when
/// one of their subjects was erased, or when the rules have changed. Says who moved.
pub(super) async fn resolve_again(
    keys: &KeysInUse,
    tx: &mut Tx,
    persons: &[PersonId],
) -> Result<Vec<Move>, GatewayError> {
    let mut closure = Closure::new(keys);
    for subject in subjects::of_persons(tx, persons).await? {
        closure.begin_stored(subject)?;
    }
    closure.follow(tx).await?;
    Ok(closure.resolve(tx).await?.0)
}

/// What hung together by an identity that is gone may come apart.
pub(super) async fn resolve_after_erasure(
    keys: &KeysInUse,
    tx: &mut Tx,
    persons: &[PersonId],
) -> Result<(), GatewayError> {
    match resolve_again(keys, tx, persons).await {
        // Another gateway has changed the keys: what is gone is gone all the same, and the rest is
        // resolved with whatever comes next.
        Err(GatewayError::Key(error)) => {
            tracing::warn!(%error, "the rest of an erased person is not resolved anew yet");
            Ok(())
        }
        resolved => resolved.map(drop),
    }
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
    let lookup = Lookup::from_number(rung).map(|_| Lookup::domain());
    Rung::from_number(rung).map(Rung::domain).or(lookup).ok_or(corrupt)
}

/// Whether a stored key only finds candidates: whoever holds it may be anybody.
pub(super) fn is_lookup(rung: u8) -> bool {
    Lookup::from_number(rung).is_some()
}

fn stored_form(
    identity: &KeyedIdentity,
    id: SubjectId,
    person: PersonId,
    under: KeyVersion,
) -> Subject {
    let mut keys = vec![(FINGERPRINT, *identity.fingerprint.as_bytes())];
    keys.extend(identity.match_keys.iter().map(|key| (key.rung.number(), *key.key.as_bytes())));
    keys.extend(identity.lookups.iter().map(|(by, key)| (by.number(), *key.as_bytes())));
    let nhs = identity.nhs.as_ref().map(|nhs| *nhs.as_bytes());
    let tie = Tie { own_person: Some(person), ..Tie::default() };
    Subject { id, person, nhs, keys, key_version: under.number(), tie }
}

#[cfg(test)]
mod tests;
