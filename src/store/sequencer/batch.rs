//! What one transaction gathers: each act's effect under a savepoint of its own, with its leaf.

use super::{Act, ActError, Effect, Outcome, StoreError, Tx, details, effect, partners};
use crate::{audit::Leaf, domain::PartnerId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What the database is known to hold as of the head: whatever changes it moves the head in
/// the same transaction, so that it needs no look while the head stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The policy epoch.
    epoch: Option<u64>,
    /// Partners' own counters.
    sequences: BTreeMap<PartnerId, u64>,
}

/// What one transaction gathers.
pub(super) struct Batch<'a> {
    at: Timestamp,
    pub(super) known: Known,
    /// Partners whose counters moved.
    acted: BTreeSet<PartnerId>,
    pub(super) leaves: Vec<Vec<u8>>,
    /// Private details to keep, each with its leaf's place in `leaves`.
    pub(super) details: Vec<(u64, &'a details::Kept)>,
}

pub(super) type Applied = Result<(Outcome, Option<u64>), ActError>;

impl<'a> Batch<'a> {
    /// Nothing yet, at a time, on what is known.
    pub(super) const fn new(at: Timestamp, known: Known) -> Self {
        Self { at, known, acted: BTreeSet::new(), leaves: Vec::new(), details: Vec::new() }
    }

    /// Applies one act, with its leaf, under a savepoint: what goes wrong with it is its own
    /// matter. The outer error ends the whole transaction.
    pub(super) async fn apply(&mut self, tx: &mut Tx, act: &'a Act) -> Result<Applied, StoreError> {
        if let Some(epoch) = act.epoch
            && self.policy_epoch(tx).await? != epoch
        {
            return Ok(Err(ActError::PolicyChanged));
        }
        let (kept, effect) = act.effect.parts();
        let changes = !matches!(effect, Effect::None);
        if changes {
            tx.run("SAVEPOINT act").await?;
        }
        let error = match self.attempt(tx, &act.leaf, effect).await {
            Ok((outcome, sequence, leaf)) => {
                if changes {
                    tx.run("RELEASE SAVEPOINT act").await?;
                    // It may have raised the epoch.
                    self.known.epoch = None;
                }
                if let (Some(partner), Some(sequence)) = (&act.leaf.partner, sequence) {
                    self.known.sequences.insert(partner.clone(), sequence);
                    self.acted.insert(partner.clone());
                }
                self.details.extend(kept.map(|kept| (self.leaves.len() as u64, kept)));
                self.leaves.push(leaf);
                return Ok(Ok((outcome, sequence)));
            }
            Err(error) => error,
        };
        let broken = matches!(error, StoreError::Database(_));
        if error.is_lost_connection() || (broken && !changes) {
            return Err(error);
        }
        tracing::warn!(%error, "an act could not be done");
        if changes {
            tx.run("ROLLBACK TO SAVEPOINT act").await?;
            tx.run("RELEASE SAVEPOINT act").await?;
        }
        Ok(Err(match error {
            StoreError::Unchanged { .. } => ActError::Conflict,
            _ => ActError::Unavailable,
        }))
    }

    async fn attempt(
        &self,
        tx: &mut Tx,
        leaf: &Leaf,
        effect: &Effect,
    ) -> Result<(Outcome, Option<u64>, Vec<u8>), StoreError> {
        let outcome = effect::apply(tx, effect, self.at).await?;
        let sequence = self.next_sequence(tx, leaf.partner.as_ref()).await?;
        Ok((outcome, sequence, leaf.encode_as(self.at, sequence)?))
    }

    /// The acting partner's next number, so that it can see a gap.
    async fn next_sequence(
        &self,
        tx: &mut Tx,
        partner: Option<&PartnerId>,
    ) -> Result<Option<u64>, StoreError> {
        let Some(partner) = partner else { return Ok(None) };
        let last = match self.known.sequences.get(partner) {
            Some(last) => Some(*last),
            None => partners::sequence(tx, partner).await?,
        };
        Ok(last.map(|last| last + 1))
    }

    async fn policy_epoch(&mut self, tx: &mut Tx) -> Result<u64, StoreError> {
        if let Some(known) = self.known.epoch {
            return Ok(known);
        }
        let epoch = effect::policy_epoch(tx).await?;
        self.known.epoch = Some(epoch);
        Ok(epoch)
    }

    /// The counters of the partners that acted.
    pub(super) fn new_sequences(&self) -> Vec<(&PartnerId, u64)> {
        let counter = |partner| Some((partner, *self.known.sequences.get(partner)?));
        self.acted.iter().filter_map(counter).collect()
    }
}
