//! The family edges of a batch's records.

use super::New;
use crate::{
    domain::{
        PersonId, SubjectId,
        family::{Membership, Tie},
    },
    gateway::GatewayError,
    keys::{KeysInUse, Pseudonym, PseudonymDomain},
    store::families::NewEdge,
};

/// The edges that new records make, numbered from `first`; `placed` are their persons in order.
///
/// A case is known by a token of the suppressions' domain, not by its reference's pseudonym: it
/// stays the same while the keys rotate, and tells no more than that.
pub(super) fn edges(
    keys: &KeysInUse,
    first: i64,
    new: &[New<'_>],
    placed: &[(SubjectId, PersonId)],
) -> Result<Vec<NewEdge>, GatewayError> {
    let mut placed = placed.iter().map(|(subject, _)| *subject);
    let mut edges = Vec::new();
    let used = new.iter().zip(first..).filter(|(new, _)| new.dropped.is_none());
    for (New { content, .. }, event_number) in used {
        let persons = &content.persons;
        let subjects: Vec<SubjectId> = placed.by_ref().take(persons.len()).collect();
        let Some((principal, others)) = subjects.split_first() else { continue };
        for ((role, _), other) in persons.iter().skip(1).zip(others) {
            if let Some(tie) = Tie::of(*role).filter(|_| other != principal) {
                let from = tie.since(content.event.day);
                let (subject, other, case) = (*other, Some(*principal), None);
                let until = None;
                edges.push(NewEdge { event_number, subject, other, tie, case, from, until });
            }
        }
        if let Some(Membership { case, tie, from, until }) = Membership::of(&content.event) {
            let case = Pseudonym::from_stored(PseudonymDomain::Case, keys.current(), &case)?;
            let case = Some(*keys.pseudonymiser.suppress(&case)?.as_bytes());
            let (subject, other) = (*principal, None);
            edges.push(NewEdge { event_number, subject, other, tie, case, from, until });
        }
    }
    Ok(edges)
}
