//! Resolving every subject anew by the rules in use, while everything else goes on.
//!
//! Why: rules change with a new program. What comes in is resolved by the new ones together with
//! whatever it touches; the rest stays as the old ones left it until it is gone through once. An
//! officer begins that; from there the store drives it, as it does the keys' rotation: any gateway,
//! also one that starts anew after a kill, goes on where the last one stopped.
//!
//! Each batch is one transaction under the lock that intake links under: some subjects, with all
//! that hang together with them by ties, however far ([`link`]), are resolved in one go, so that the
//! outcome is that of the rules and not of the batches. Events go along with their subjects, and so
//! do family edges. It needs no identifier: only stored keys and sealed comparisons are looked at.

use super::{Actor, DECISIONS, Denied, Gateway, GatewayError, link, refused::word};
use crate::{
    audit::{Leaf, LeafKind, SizeClass},
    domain::PersonId,
    keys::KeyError,
    linkage::COMPARISON_RULES,
    protocol::CallerRole,
    store::{Act, ActError, Effect, Logged, Rights, StoreError, key_versions, relinking, subjects},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

/// Subjects that a transaction begins from: some tens of milliseconds, for which intake waits.
const BATCH: i64 = 250;
/// How often a gateway looks whether somebody began.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long it waits after a failure, or between batches at most.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How a run through the subjects stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relinking {
    /// The version of the rules that it resolves by.
    pub rules: u16,
    /// Whether this call began it.
    pub begun: bool,
    /// How far it is, in tenths: how many subjects there are would tell, from one run to the next,
    /// whether somebody was new.
    pub tenths_done: u8,
    /// When it began, microseconds since 1970-01-01 UTC.
    pub begun_at: i64,
    /// When it ended; `None` while it goes on.
    pub done_at: Option<i64>,
}

impl From<relinking::Run> for Relinking {
    fn from(run: relinking::Run) -> Self {
        let tenths = run.place.number().saturating_mul(10) / run.until.number().max(1);
        Self {
            rules: run.rules,
            begun: false,
            tenths_done: match run.done_at {
                Some(_) => 10,
                None => u8::try_from(tenths.clamp(0, 9)).unwrap_or(0),
            },
            begun_at: run.begun_at,
            done_at: run.done_at,
        }
    }
}

fn noted(leaf: &mut Leaf, rules: u16, cause: &'static str) {
    leaf.notes.key = format!("rules/{rules}").parse().ok();
    leaf.notes.cause = Some(word(cause));
}

/// Whether an error is of what one row holds, and comes again however often it is tried.
const fn is_of_a_row(error: &GatewayError) -> bool {
    matches!(
        error,
        GatewayError::Store(StoreError::Corrupt { .. })
            | GatewayError::Key(KeyError::NotOpened { .. })
    )
}

impl Gateway {
    /// Begins to resolve every subject anew by the rules in use; while that is under way, or where
    /// the caller only looks, tells how the last run stands: `None` before there is any.
    ///
    /// # Errors
    /// `wrong_role` but for data officers.
    pub async fn relink_subjects(
        &self,
        actor: &Actor,
        only_look: bool,
    ) -> Result<Logged<Option<Relinking>>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        for _ in 0..DECISIONS {
            let epoch = self.snapshot().epoch();
            let mut tx = self.store.read(Rights::Figures).await?;
            let run = relinking::latest(&mut tx).await?;
            drop(tx);
            let under_way = run.is_some_and(|run| run.done_at.is_none());
            let (leaf, effect) = if only_look || under_way {
                (self.look(actor, "relinking"), Effect::None)
            } else {
                let mut leaf = actor.leaf(LeafKind::SubjectsRelinked, self);
                noted(&mut leaf, COMPARISON_RULES, "begun");
                (leaf, Effect::BeginRelinking { rules: COMPARISON_RULES })
            };
            let begins = !matches!(effect, Effect::None);
            match self.commit(leaf, effect, Some(epoch)).await {
                Ok(logged) if begins => {
                    let mut tx = self.store.read(Rights::Figures).await?;
                    let run = relinking::latest(&mut tx).await?;
                    let begun = run.map(|run| Relinking { begun: true, ..Relinking::from(run) });
                    self.relinking.notify_one();
                    return Ok(logged.map(|_| begun));
                }
                Ok(logged) => return Ok(logged.map(|_| run.map(Relinking::from))),
                // Somebody else began at the same moment.
                Err(ActError::PolicyChanged | ActError::Conflict) => {
                    self.policy_moved(actor).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// Goes on with whatever run is under way, until it is told to stop.
    pub async fn keep_relinking(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let pause = match self.advance_relinking().await {
                Ok(false) => LOOK_EVERY,
                // As long as the batch took: intake gets at least every other turn.
                Ok(true) => begun.elapsed().min(AFTER_FAILURE),
                Err(error) => {
                    tracing::warn!(%error, "relinking is interrupted");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.relinking.notified() => {}
                () = time::sleep(pause) => {}
            }
        }
    }

    /// Resolves one batch of subjects anew, or ends the run; whether one was under way.
    ///
    /// # Errors
    /// When it can't be read or written; nothing of the batch is stored then.
    pub async fn advance_relinking(&self) -> Result<bool, GatewayError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let run = relinking::latest(&mut tx).await?;
        drop(tx);
        if run.is_none_or(|run| run.done_at.is_some()) {
            return Ok(false);
        }
        match self.relink_some(BATCH).await {
            Err(error) if is_of_a_row(&error) => {}
            done => return done,
        }
        // One row that can't be read must not keep all others from being resolved.
        match self.relink_some(1).await {
            Err(error) if is_of_a_row(&error) => {
                tracing::warn!(%error, "a subject is left as it was by relinking");
                self.pass_one_over().await
            }
            done => done,
        }
    }

    /// Leaves the next subject as it is.
    async fn pass_one_over(&self) -> Result<bool, GatewayError> {
        let mut tx = self.store.transact(Rights::Intake).await?;
        let run = relinking::latest(&mut tx).await?.filter(|run| run.done_at.is_none());
        let Some(run) = run else { return Ok(false) };
        if let Some((next, _)) = relinking::behind(&mut tx, &run, 1).await?.last() {
            relinking::keep(&mut tx, &run, *next, 0).await?;
            tx.commit().await?;
        }
        Ok(true)
    }

    /// Resolves so many subjects anew at most, or ends the run.
    async fn relink_some(&self, most: i64) -> Result<bool, GatewayError> {
        let keys = self.writing_keys().await?;
        let mut tx = self.store.transact(Rights::Intake).await?;
        subjects::link_alone(&mut tx).await?;
        if key_versions::number(&mut tx).await? != keys.number() {
            drop(tx);
            self.reload().await?;
            return Ok(true);
        }
        // Read again behind the lock: another gateway may have gone on.
        let run = relinking::latest(&mut tx).await?.filter(|run| run.done_at.is_none());
        let Some(run) = run else { return Ok(false) };
        let some = relinking::behind(&mut tx, &run, most).await?;
        let Some((last, _)) = some.last().copied() else {
            drop(tx);
            return self.end_relinking(&run).await;
        };
        let persons: BTreeSet<PersonId> = some.iter().map(|(_, person)| *person).collect();
        let persons: Vec<PersonId> = persons.into_iter().collect();
        let moves = link::resolve_again(&keys, &mut tx, &persons).await?;
        relinking::keep(&mut tx, &run, last, moves.len()).await?;
        // A crash here leaves the batch as it was, and it is done again.
        tx.commit().await?;
        Ok(true)
    }

    async fn end_relinking(&self, run: &relinking::Run) -> Result<bool, GatewayError> {
        let mut leaf = Leaf::new(LeafKind::SubjectsRelinked, self.now());
        noted(&mut leaf, run.rules, "complete");
        leaf.size_class = Some(SizeClass::of(run.moved));
        let effect = Effect::EndRelinking(run.number);
        match self.sequencer.commit(Act { leaf, effect, epoch: None }).await {
            // Another gateway may have done it at the same moment.
            Ok(_) | Err(ActError::Conflict) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
