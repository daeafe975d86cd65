//! Rotation of the keys, while everything else goes on: whatever is stored under one version
//! is wrapped and sealed under the next. It needs no identifier.
//!
//! The new version comes into every gateway's key file first (`tallygate keys new-version`).
//! Then an officer begins, and from there the store drives it, so that any gateway, and every
//! one that starts anew after a kill, goes on where the others stopped:
//!
//! 1. *Next.* Consents are copied, so that each stands under both versions: the release pass
//!    compares an event's reference with them as both are stored. New consents are written
//!    under both from the very act that begins.
//! 2. *Current.* Intake writes under the new version and looks under both. Tables are gone
//!    through in bounded batches, each one transaction with its place, under the lock that
//!    intake stages under: intake waits for a batch at most, and two gateways take turns.
//! 3. *Unused.* Once a look through every table finds no row of the old version, it is
//!    unused, and two people may have it destroyed.
//!
//! A kill at any point leaves whole batches only. Rows say which version they are of, so none
//! is wrapped twice. A gateway whose file lacks the new version goes on answering figures, and
//! takes nothing in until it has it.

use super::{
    Actor, DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused,
    forms::{has_references, renew_references},
    link::{comparison_cell, facts_cell, key_domain},
};
use crate::{
    audit::{Leaf, LeafKind, SizeClass},
    domain::Event,
    keys::{KeyError, KeyVersion, KeysInUse, PseudonymDomain, VersionState},
    protocol::CallerRole,
    store::{
        Act, ActError, Effect, Logged, Rights, StoreError, Tx,
        key_versions::{self, Change, Progress},
        rewrap::{self, KeyedTable},
        subjects,
    },
};
use rand::{CryptoRng, rngs::StdRng};
use std::{sync::Arc, time::Duration};
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

/// Rows a transaction takes: some tens of milliseconds, for which intake may have to wait.
const BATCH: usize = 1_000;
/// How often a gateway looks whether another one began.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long it waits after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A rotation that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The version that is left.
    pub from: KeyVersion,
    /// The version that comes.
    pub to: KeyVersion,
    /// Whether this call began it; another may have.
    pub begun: bool,
}

/// What one step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// No rotation is under way.
    Idle,
    /// So many rows were moved; it goes on.
    Moved(u64),
}

/// What is gone through, by its name in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Consents get a copy under the next version.
    CopyConsents,
    /// The rows of a table get the current version.
    Renew(KeyedTable),
    /// Consents of the earlier version go.
    RemoveConsents,
}

/// Before the next version is written under.
const BEFORE: [Step; 1] = [Step::CopyConsents];
/// After it is.
const AFTER: [Step; 7] = [
    Step::Renew(KeyedTable::Postcodes),
    Step::Renew(KeyedTable::Sent),
    Step::Renew(KeyedTable::Subjects),
    Step::Renew(KeyedTable::Events),
    Step::Renew(KeyedTable::Erasures),
    Step::Renew(KeyedTable::Statements),
    Step::RemoveConsents,
];

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::CopyConsents => "copy_consents",
            Self::Renew(table) => table.name(),
            Self::RemoveConsents => "remove_consents",
        }
    }
}

/// A version as the log names it.
pub(super) fn noted(leaf: &mut Leaf, version: KeyVersion, cause: &'static str) {
    leaf.notes.key = format!("version/{}", version.number()).parse().ok();
    leaf.notes.cause = Some(super::refused::word(cause));
}

impl Gateway {
    /// Begins to replace the keys by the newest version of this gateway's key file. Called
    /// again while that is under way, it tells so.
    ///
    /// # Errors
    /// `wrong_role` but for data officers; `no_new_key_version` where the file has none,
    /// `key_file_unreadable`.
    pub async fn rotate_keys(&self, actor: &Actor) -> Result<Logged<Rotation>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            let mut leaf = actor.leaf(LeafKind::KeyRotated, self);
            leaf.notes.policy_epoch = Some(snapshot.epoch());
            let (rotation, effect) = match snapshot.versions().rotation() {
                Some((from, to)) => {
                    leaf.kind = LeafKind::RegisterRead;
                    leaf.notes.register = Some(super::refused::word("keys"));
                    (Rotation { from, to, begun: false }, Effect::None)
                }
                None => match self.next_version().await {
                    Ok(change @ Change::Begin { from, to, .. }) => {
                        noted(&mut leaf, to, "begun");
                        (Rotation { from, to, begun: true }, Effect::ChangeKeys(change))
                    }
                    Ok(_) => return Err(GatewayError::Conflict.into()),
                    Err(refused) => return Err(self.refuse(leaf, refused).await),
                },
            };
            match self.commit(leaf, effect, Some(snapshot.epoch())).await {
                Ok(logged) => {
                    self.reload().await?;
                    self.rotating.notify_one();
                    return Ok(logged.map(|_| rotation));
                }
                Err(ActError::PolicyChanged | ActError::Conflict) => {
                    self.policy_moved(actor).await?;
                }
                Err(error @ (ActError::Unavailable | ActError::Withheld)) => {
                    return Err(error.into());
                }
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// The passage to the newest version of the key file.
    async fn next_version(&self) -> Result<Change, Refused> {
        let from = self.keys().current();
        let file = self.key_file.clone();
        let read = move || -> Result<_, KeyError> {
            let keys = file.ok_or(KeyError::Refused("read the keys again"))?.load()?;
            let to = keys.newest();
            Ok((to, keys.check_value(to)?))
        };
        let read = tokio::task::spawn_blocking(read).await;
        let refused = |reason, sentence| Refused::new(RefusalKind::Conflict, reason, sentence);
        match read {
            Ok(Ok((to, check))) if to > from => Ok(Change::Begin { from, to, check }),
            Ok(Ok(_)) => Err(refused(
                "no_new_key_version",
                "this gateway's key file holds no newer version: add one with `tallygate keys \
                 new-version`, give the file to every gateway, and call again",
            )),
            Ok(Err(error)) => {
                tracing::error!(%error, "the key file can't be read");
                let sentence = "this gateway can't read its key file; its log says why";
                Err(refused("key_file_unreadable", sentence))
            }
            Err(_) => Err(refused("key_file_unreadable", "the gateway is going down")),
        }
    }

    /// Goes on with whatever rotation is under way, until it is told to stop.
    pub async fn keep_rotating(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let pause = match self.advance_rotation().await {
                Ok(Advance::Idle) => LOOK_EVERY,
                // As long as the batch took: intake gets at least every other turn.
                Ok(Advance::Moved(_)) => begun.elapsed().min(AFTER_FAILURE),
                Err(error) => {
                    tracing::warn!(%error, "the keys' rotation is interrupted");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.rotating.notified() => {}
                () = time::sleep(pause) => {}
            }
            if pause == LOOK_EVERY {
                let looked = self.catch_up().await;
                // A gateway that lacked the keys may have got them meanwhile.
                if let Err(error) = looked.and(self.writing_keys().await.map(drop)) {
                    tracing::warn!(%error, "the keys in use can't be followed");
                }
            }
        }
    }

    /// Moves one batch of rows, or passes to what comes next.
    ///
    /// # Errors
    /// When it can't be read or written; nothing of the batch is stored then.
    pub async fn advance_rotation(&self) -> Result<Advance, GatewayError> {
        let keys = self.keys();
        let Some((from, to)) = keys.versions().rotation() else { return Ok(Advance::Idle) };
        let preparing = keys.versions().state_of(to) == Some(VersionState::Next);
        let steps = if preparing { &BEFORE[..] } else { &AFTER };
        let mut rng = self.rng();
        let mut tx = self.store.transact(Rights::Keys).await?;
        subjects::link_alone(&mut tx).await?;
        if key_versions::number(&mut tx).await? != keys.number() {
            drop(tx);
            self.reload().await?;
            return Ok(Advance::Moved(0));
        }
        let mut total = 0;
        for step in steps {
            let mut progress = key_versions::progress(&mut tx, step.name(), from).await?;
            total += progress.moved;
            if progress.done {
                continue;
            }
            let passage = Passage { keys: &keys, from, to };
            let moved = passage.batch(*step, &mut tx, &mut progress, &mut rng).await?;
            progress.moved += moved;
            key_versions::keep(&mut tx, step.name(), from, &progress).await?;
            tx.commit().await?;
            return Ok(Advance::Moved(moved));
        }
        drop(tx);
        let (change, cause) = match preparing {
            true => (Change::Activate { from, to }, "in_use"),
            false if self.again(from).await? => return Ok(Advance::Moved(0)),
            false => (Change::Complete { from }, "complete"),
        };
        let mut leaf = Leaf::new(LeafKind::KeyRotated, self.now());
        noted(&mut leaf, to, cause);
        if !preparing {
            leaf.size_class = Some(SizeClass::of(total));
        }
        let act = Act { leaf, effect: Effect::ChangeKeys(change), epoch: None };
        match self.sequencer.commit(act).await {
            // Another gateway may have done it at the same moment.
            Ok(_) | Err(ActError::Conflict) => {
                self.reload().await?;
                Ok(Advance::Moved(0))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends back to the start whichever table still has rows of a version, and seals private
    /// details anew that are under it; whether there was anything.
    /// No new ones can come: every batch since the passage had the lock that intake stages
    /// under, so whoever had not heard of it has finished.
    async fn again(&self, from: KeyVersion) -> Result<bool, GatewayError> {
        let mut left = Vec::new();
        let mut tx = self.store.read(Rights::Keys).await?;
        for step in AFTER {
            if let Step::Renew(table) = step
                && rewrap::any(&mut tx, table, from).await?
            {
                left.push(step);
            }
        }
        let details = rewrap::any_detail(&mut tx, from).await?;
        drop(tx);
        if details {
            // In bounded batches of its own; what a kill leaves is found by the next look.
            self.reseal_details().await?;
            return Ok(true);
        }
        if left.is_empty() {
            return Ok(false);
        }
        let mut tx = self.store.transact(Rights::Keys).await?;
        for step in &left {
            let moved = key_versions::progress(&mut tx, step.name(), from).await?.moved;
            let anew = Progress { moved, ..Progress::default() };
            key_versions::keep(&mut tx, step.name(), from, &anew).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// From one version to another.
struct Passage<'a> {
    keys: &'a KeysInUse,
    from: KeyVersion,
    to: KeyVersion,
}

impl Passage<'_> {
    /// Moves the rows behind the place reached, and says how many.
    async fn batch(
        &self,
        step: Step,
        tx: &mut Tx,
        progress: &mut Progress,
        rng: &mut StdRng,
    ) -> Result<u64, GatewayError> {
        let rows = match step {
            Step::CopyConsents => self.copy_consents(tx, progress).await?,
            Step::RemoveConsents => self.remove_consents(tx, progress).await?,
            Step::Renew(KeyedTable::Consents) => 0,
            Step::Renew(KeyedTable::Postcodes) => self.postcodes(tx, progress).await?,
            Step::Renew(KeyedTable::Sent) => self.sent(tx, progress).await?,
            Step::Renew(KeyedTable::Subjects) => self.subjects(tx, progress, rng).await?,
            Step::Renew(KeyedTable::Events) => self.events(tx, progress).await?,
            Step::Renew(KeyedTable::Erasures) => self.erasures(tx, progress).await?,
            Step::Renew(KeyedTable::Statements) => self.statements(tx, progress).await?,
        };
        progress.done = rows < BATCH;
        Ok(rows as u64)
    }

    fn renewed(&self, domain: PseudonymDomain, key: &[u8; 16]) -> Result<[u8; 16], KeyError> {
        self.keys.renewed(domain, self.from, key)
    }

    async fn copy_consents(
        &self,
        tx: &mut Tx,
        progress: &mut Progress,
    ) -> Result<usize, GatewayError> {
        let mut entries = rewrap::consents(tx, self.from, progress, BATCH).await?;
        if let Some(last) = entries.last() {
            progress.key = last.key.to_vec();
        }
        for entry in &mut entries {
            // The version that is left is the current one here: its forms hold the next.
            let forms = self.keys.forms(PseudonymDomain::Consent, &entry.key)?;
            let next = forms.into_iter().find(|(version, _)| *version == self.to);
            (_, entry.key) = next.ok_or(KeyError::VersionMissing { version: self.to })?;
            entry.key_version = self.to.number();
        }
        rewrap::copy_consents(tx, &entries).await?;
        Ok(entries.len())
    }

    async fn remove_consents(
        &self,
        tx: &mut Tx,
        progress: &mut Progress,
    ) -> Result<usize, GatewayError> {
        let entries = rewrap::consents(tx, self.from, progress, BATCH).await?;
        if let Some(last) = entries.last() {
            progress.key = last.key.to_vec();
        }
        let keys: Vec<[u8; 16]> = entries.iter().map(|entry| entry.key).collect();
        rewrap::remove_consents(tx, &keys).await?;
        Ok(entries.len())
    }

    async fn postcodes(&self, tx: &mut Tx, progress: &mut Progress) -> Result<usize, GatewayError> {
        let keys = rewrap::postcodes(tx, self.from, progress, BATCH).await?;
        if let Some(last) = keys.last() {
            progress.key = last.to_vec();
        }
        let renewed = |key| Ok((key, self.renewed(PseudonymDomain::Postcode, &key)?));
        let renewed: Vec<_> = keys.into_iter().map(renewed).collect::<Result<_, KeyError>>()?;
        rewrap::renew_postcodes(tx, self.to, &renewed).await?;
        Ok(renewed.len())
    }

    async fn sent(&self, tx: &mut Tx, progress: &mut Progress) -> Result<usize, GatewayError> {
        let keys = rewrap::sent(tx, self.from, progress, BATCH).await?;
        if let Some((feed, last)) = keys.last() {
            (progress.place, progress.key) = (feed.number(), last.to_vec());
        }
        let renewed = |(feed, key)| Ok((feed, key, self.renewed(PseudonymDomain::Record, &key)?));
        let renewed: Vec<_> = keys.into_iter().map(renewed).collect::<Result<_, KeyError>>()?;
        rewrap::renew_sent(tx, self.to, &renewed).await?;
        Ok(renewed.len())
    }

    async fn erasures(&self, tx: &mut Tx, progress: &mut Progress) -> Result<usize, GatewayError> {
        let keys = rewrap::erasures(tx, self.from, progress, BATCH).await?;
        if let Some((feed, last)) = keys.last() {
            (progress.place, progress.key) = (feed.number(), last.to_vec());
        }
        let renewed = |(feed, key)| Ok((feed, key, self.renewed(PseudonymDomain::Record, &key)?));
        let renewed: Vec<_> = keys.into_iter().map(renewed).collect::<Result<_, KeyError>>()?;
        rewrap::renew_erasures(tx, self.to, &renewed).await?;
        Ok(renewed.len())
    }

    async fn statements(
        &self,
        tx: &mut Tx,
        progress: &mut Progress,
    ) -> Result<usize, GatewayError> {
        let mut all = rewrap::statements(tx, self.from, progress, BATCH).await?;
        if let Some(last) = all.last() {
            progress.place = last.number;
        }
        for statement in &mut all {
            let consent = std::iter::once(&mut statement.consent);
            for key in consent.chain(&mut statement.giver).chain(&mut statement.evidence) {
                *key = self.renewed(PseudonymDomain::Consent, key)?;
            }
        }
        rewrap::renew_statements(tx, self.to, &all).await?;
        Ok(all.len())
    }

    async fn subjects(
        &self,
        tx: &mut Tx,
        progress: &mut Progress,
        rng: &mut (dyn CryptoRng + Send),
    ) -> Result<usize, GatewayError> {
        let mut all = rewrap::subjects(tx, self.from, progress, BATCH).await?;
        if let Some(last) = all.last() {
            progress.place = last.id.number();
        }
        for subject in &mut all {
            if let Some(nhs) = &mut subject.nhs {
                *nhs = self.renewed(PseudonymDomain::Nhs, nhs)?;
            }
            if let Some(facts) = &mut subject.facts {
                *facts = self.keys.sealer.reseal(facts_cell(subject.id), facts, rng)?;
            }
            if let Some(comparison) = &mut subject.comparison {
                let cell = comparison_cell(subject.id);
                *comparison = self.keys.sealer.reseal(cell, comparison, rng)?;
            }
            for (rung, old, new) in &mut subject.keys {
                *new = self.renewed(key_domain(*rung, subject.id)?, old)?;
            }
        }
        rewrap::renew_subjects(tx, self.to, &all).await?;
        Ok(all.len())
    }

    async fn events(&self, tx: &mut Tx, progress: &mut Progress) -> Result<usize, GatewayError> {
        let mut all = rewrap::events(tx, self.from, progress, BATCH).await?;
        if let Some(last) = all.last() {
            (progress.place, progress.number) = (last.place.0, last.place.1);
        }
        for stored in &mut all {
            let corrupt =
                StoreError::Corrupt { table: "event", column: "body", row: stored.place.0 };
            let Ok((mut event, [])) = Event::decode(&stored.body) else {
                return Err(corrupt.into());
            };
            let keyed = stored.consent.is_some() || has_references(&event);
            stored.key_version = if keyed { self.to.number() } else { 0 };
            if let Some(consent) = &mut stored.consent {
                *consent = self.renewed(PseudonymDomain::Consent, consent)?;
            }
            if has_references(&event) {
                renew_references(&mut event, self.keys, self.from)?;
                stored.body.clear();
                event.encode(&mut stored.body);
            }
        }
        rewrap::renew_events(tx, &all).await?;
        Ok(all.len())
    }
}
