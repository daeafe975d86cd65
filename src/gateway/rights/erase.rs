//! Erasing what a case wants erased: the subject's records of every flow whose protocol says so,
//! whoever sent them.
//!
//! With the day's other erasures ([`crate::gateway::erase`]), which hide when and why. What their
//! senders are told of them stays as it was: that they were sent is kept under a key of the
//! suppressions' own domain, and so is a withdrawal of them.

use super::reach::reached;
use crate::{
    domain::{BatchId, FeedId, SubjectId},
    gateway::{Gateway, GatewayError, erase::Wanted, link::resolve_after_erasure},
    keys::{KeyVersion, Pseudonym, PseudonymDomain},
    protocol::Choice,
    store::{
        Rights, Tx,
        cases::{self, NewDropped},
        erasures, feeds, records, subjects,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Records that are erased in one transaction.
const AT_ONCE: i64 = 100;
const WITHDRAWN_AT_ONCE: usize = 100;

impl Gateway {
    /// Carries out what cases want erased. A crash leaves it to the next attempt.
    pub(in crate::gateway) async fn carry_out_cases(&self) -> Result<(), GatewayError> {
        loop {
            let mut tx = self.store.transact(Rights::Intake).await?;
            subjects::link_alone(&mut tx).await?;
            let due = cases::to_erase(&mut tx, AT_ONCE).await?;
            if due.is_empty() {
                return Ok(());
            }
            let mut by_feed: BTreeMap<FeedId, Vec<(i64, BatchId)>> = BTreeMap::new();
            for (number, feed, batch) in due {
                by_feed.entry(feed).or_default().push((number, batch));
            }
            self.erase_by_choice(&mut tx, by_feed).await?;
            tx.commit().await?;
        }
    }

    /// Erases what rests on a consent that was withdrawn by its reference, on flows whose
    /// protocols want that: as with cases, at the day's end, and nobody is told otherwise.
    pub(in crate::gateway) async fn carry_out_withdrawals(&self) -> Result<(), GatewayError> {
        let mut tx = self.store.read(Rights::Release).await?;
        let resting = cases::on_withdrawn_consents(&mut tx).await?;
        drop(tx);
        let snapshot = self.snapshot();
        for some in resting.chunks(WITHDRAWN_AT_ONCE) {
            let mut tx = self.store.transact(Rights::Intake).await?;
            subjects::link_alone(&mut tx).await?;
            let batches: BTreeSet<BatchId> = some.iter().map(|(.., batch)| *batch).collect();
            let batches: Vec<BatchId> = batches.into_iter().collect();
            let terms = cases::terms(&mut tx, &batches).await?;
            let mut senders = BTreeMap::new();
            for (feed, partner, record_type) in feeds::all(&mut tx).await? {
                senders.insert(feed, (partner, record_type));
            }
            let mut by_feed: BTreeMap<FeedId, Vec<(i64, BatchId)>> = BTreeMap::new();
            for (number, feed, batch) in some {
                let (Some(terms), Some(sender)) = (terms.get(batch), senders.get(feed)) else {
                    continue;
                };
                let reached = reached(&snapshot, Choice::Withdrawal, terms, sender);
                if reached.is_some_and(|stop| stop.effect == cases::ERASE) {
                    by_feed.entry(*feed).or_default().push((*number, *batch));
                }
            }
            self.erase_by_choice(&mut tx, by_feed).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Erases records because of their subjects' choice, and keeps their keys for the journal: a
    /// backup from before has them again.
    pub(super) async fn erase_by_choice(
        &self,
        tx: &mut Tx,
        by_feed: BTreeMap<FeedId, Vec<(i64, BatchId)>>,
    ) -> Result<(), GatewayError> {
        if by_feed.is_empty() {
            return Ok(());
        }
        let generation = cases::owe_scrub(tx).await?;
        for (feed, due) in by_feed {
            self.erase_of_sender(tx, generation, feed, &due).await?;
        }
        Ok(())
    }

    async fn erase_of_sender(
        &self,
        tx: &mut Tx,
        generation: i64,
        feed: FeedId,
        due: &[(i64, BatchId)],
    ) -> Result<(), GatewayError> {
        let keys = self.keys();
        let numbers: Vec<i64> = due.iter().map(|(number, _)| *number).collect();
        let batches: BTreeMap<i64, BatchId> = due.iter().copied().collect();
        let sent = cases::keys_of(tx, feed, &numbers).await?;
        let mut wanted = Wanted::default();
        wanted.numbers.extend(&numbers);
        wanted.batches.extend(due.iter().map(|(_, batch)| *batch));
        let mut tokens = Vec::with_capacity(sent.len());
        for (number, key, version) in &sent {
            let version = KeyVersion::new(*version);
            let stored = Pseudonym::from_stored(PseudonymDomain::Record, version, key)?;
            wanted.keys.insert((version.number(), *key));
            // A wrapping key that is gone took what its sender is told of them along.
            if let Ok(token) = keys.pseudonymiser.suppress(&stored) {
                tokens.push((*token.as_bytes(), *number));
            }
        }
        let days = self.days_before_erasure(feed, due).await?;
        let found = self.erase_items(tx, &mut wanted).await?;
        let named: Vec<SubjectId> = found.values().flatten().copied().collect();
        let persons = subjects::persons_of(tx, &named).await?;
        let stopping = cases::stopping(tx, &numbers).await?;
        let mut withdrawals = erasures::withdrawals(tx, &numbers).await?;
        for number in &numbers {
            let subjects = found.get(number).map(Vec::as_slice);
            erasures::erase_record(tx, *number, subjects).await?;
            cases::forget_stops(tx, *number).await?;
            cases::forget_late(tx, *number).await?;
        }
        resolve_after_erasure(&keys, tx, &persons).await?;
        let only: Vec<[u8; 16]> = tokens.iter().map(|(token, _)| *token).collect();
        // One that was taken late is again what it was before: sent then, and not used.
        let before = cases::dropped(tx, feed, &only).await?;
        let before: BTreeMap<[u8; 16], i64> =
            before.into_iter().map(|(token, dropped)| (token, dropped.event_number)).collect();
        let is_as: BTreeMap<i64, i64> = tokens
            .iter()
            .filter_map(|(token, number)| Some((*number, *before.get(token)?)))
            .collect();
        for (number, ..) in &mut withdrawals {
            *number = *is_as.get(number).unwrap_or(number);
        }
        erasures::put_withdrawals(tx, &withdrawals).await?;
        let sent_keys: Vec<[u8; 16]> = sent.iter().map(|(_, key, _)| *key).collect();
        records::take_over(tx, feed, &sent_keys).await?;
        cases::keep_erased(tx, generation, feed, &only, true).await?;
        for (token, event_number) in tokens {
            let Some(batch) = batches.get(&event_number) else { continue };
            if !before.contains_key(&token) {
                let days = days.get(&event_number);
                let days = days.map(|days| days.covered(&keys.pseudonymiser, &token));
                let left = NewDropped { token, event_number, days };
                cases::stage_dropped(tx, feed, *batch, &[left]).await?;
            }
            let by = stopping.iter().filter(|(stopped, _)| *stopped == event_number);
            let by: Vec<([u8; 16], i64)> = by.map(|(_, case)| (token, *case)).collect();
            cases::stage_dropped_by(tx, feed, &by).await?;
        }
        Ok(())
    }
}
