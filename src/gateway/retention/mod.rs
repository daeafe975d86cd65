//! Letting go of records whose time is over, as the protocols say
//! ([`crate::protocol::retention`] has the rule, [`crate::store::retention`] the lists).
//!
//! **When.** Once a day, after the day has ended in Europe/London, by one gateway alone. Only
//! batches are looked through in which something may be due; each transaction destroys at most
//! [`AT_ONCE`] records of one batch with all that they left (events, withdrawals, identities that
//! nothing else rests on, items and salts of private details), counts them, and says how far it
//! came. Each of them asks whether the policy is still the one that its clauses were read from: a
//! document that keeps a feed longer saves what has not gone yet. A crash leaves what is not yet
//! destroyed to the next attempt, and nothing is counted twice. A clock that is more than a month
//! ahead of the last day that was applied is believed at its operator's word alone. What stays
//! provable is what stays provable of any erasure ([`super::erase`]); releases that are out stay as
//! they are.
//!
//! **At the start.** What is due is let go before anything is served: a backup that was restored has
//! what was let go since.
//!
//! **No way back.** A record that was let go is known by its key for as long as the dates of any
//! flow that ever brought such would let it in again: sent again meanwhile it counts as sent before,
//! as it was. Later its event lies too far back. What retention counts from the event is asked at
//! intake, too: a record that would be let go at once is refused as too old, under whatever id.
//! (One that is counted from a birthday or a closing is let go with the next day.) Of a record that
//! was not used, because of a choice, its sender sees the same ([`unused`]).
//!
//! **In the log.** One leaf a day, also on days on which nothing went, with a class of sizes of
//! all that went, and one for each record type in its private detail; a day on which no gateway ran
//! is named with the next one. The items that were destroyed are named among the day's erasures.
//!
//! **What stays.** Dates of birth are stored sealed alone, so that a day that follows from one
//! is kept only as a month.

mod batch;
mod proof;
mod unused;
mod view;

pub use proof::{RetentionDay, RetentionProof, Verdict};
pub(in crate::gateway) use unused::{RecordDays, day_of_birth};
pub use view::RetentionLine;

use self::batch::Looked;
use super::{DECISIONS, Gateway, GatewayError, details::words, refused::word};
use crate::{
    audit::{Leaf, LeafKind, SizeClass},
    domain::{
        BatchId, FeedId, PartnerId, RecordType,
        time::{date_of, epoch_day},
    },
    protocol::Keeping,
    store::{
        ActError, Effect, Lock, Rights, StoreError, alone, cases, effect, feeds,
        retention::{self, Batch, Named},
    },
};
use jiff::civil::Date;
use serde_json::json;
use std::collections::HashMap;

/// Records that are destroyed in one transaction.
const AT_ONCE: usize = 500;
/// Batches that are listed at a time.
const BATCHES: i64 = 64;
/// So many days after what was applied last the clock is believed by itself.
const BELIEVED_DAYS: i32 = 31;
/// How often the policy may move under one batch before the next attempt goes on with it.
const MOVES: usize = 100;
/// Keys that are forgotten in one transaction.
const KEYS_AT_ONCE: i64 = 5_000;

/// A feed, and how long its records are kept.
pub(in crate::gateway) struct KeptFeed {
    partner: PartnerId,
    record_type: RecordType,
    keeping: Keeping,
}

/// The clauses of every feed, and the policy that they are of.
pub(in crate::gateway) struct Rules {
    feeds: HashMap<FeedId, KeptFeed>,
    epoch: u64,
}

impl Gateway {
    /// Lets go of what is due, and names the days that have ended in one leaf. Does nothing
    /// when that is done, or while another gateway does it.
    ///
    /// `confirmed`: a day of which its operator says that the clock was right on it.
    ///
    /// # Errors
    /// [`GatewayError::ClockJumped`] where the clock is further ahead of what was applied last than
    /// a clock may be believed by itself: what is let go is gone. When the store or the log can't be
    /// written, or something stored is corrupt.
    pub async fn apply_retention(&self, confirmed: Option<Date>) -> Result<(), GatewayError> {
        let on = self.today();
        let today = epoch_day(on);
        let ended = today - 1;
        let last = match self.last_applied().await? {
            Some(last) if last >= ended => return Ok(()),
            Some(last) => last,
            None => {
                // A deployment's first day has none before it.
                let mut tx = self.store.transact(Rights::Sequencer).await?;
                retention::begin(&mut tx, ended).await?;
                return Ok(tx.commit().await?);
            }
        };
        let confirmed = confirmed.map(epoch_day).filter(|day| *day <= today);
        if today - confirmed.unwrap_or(last).max(last) > BELIEVED_DAYS {
            return Err(GatewayError::ClockJumped { last: date_of(last).unwrap_or(on), today: on });
        }
        let Some(_alone) = alone(&self.store, Lock::Retention).await? else { return Ok(()) };
        self.let_go_of_all(on).await?;
        loop {
            let mut tx = self.store.transact(Rights::Intake).await?;
            let forgotten = retention::forget(&mut tx, today, KEYS_AT_ONCE).await?
                + cases::forget_unused(&mut tx, today, KEYS_AT_ONCE).await?;
            tx.commit().await?;
            if forgotten == 0 {
                break;
            }
        }
        self.name_retention(ended, today - last > BELIEVED_DAYS).await
    }

    /// Whether every day that has ended is applied, by this gateway or another.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn retention_is_applied(&self) -> Result<bool, GatewayError> {
        let ended = epoch_day(self.today()) - 1;
        Ok(self.last_applied().await?.is_some_and(|last| last >= ended))
    }

    async fn last_applied(&self) -> Result<Option<i32>, StoreError> {
        let mut tx = self.store.read(Rights::Sequencer).await?;
        retention::last_day(&mut tx).await
    }

    /// Every feed there is, and how long its records are kept on a day.
    async fn kept_feeds(&self, on: Date) -> Result<HashMap<FeedId, KeptFeed>, GatewayError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let all = feeds::all(&mut tx).await?;
        drop(tx);
        let snapshot = self.snapshot();
        let kept = |(feed, partner, record_type)| {
            let keeping = snapshot.policy().keeping(&partner, record_type, on);
            (feed, KeptFeed { partner, record_type, keeping })
        };
        Ok(all.into_iter().map(kept).collect())
    }

    /// The clauses in force now; every batch of a feed is looked through anew that others bind than
    /// before. Tells whether there are any.
    pub(in crate::gateway) async fn rules_now(
        &self,
        on: Date,
    ) -> Result<(Rules, bool), GatewayError> {
        self.catch_up().await?;
        let epoch = self.snapshot().epoch();
        let feeds = self.kept_feeds(on).await?;
        let mut others = false;
        for (feed, kept) in &feeds {
            let rules = kept.keeping.digest();
            let mut tx = self.store.transact(Rights::Intake).await?;
            let before = retention::rules_of(&mut tx, *feed).await?;
            if before.as_deref() != Some(&rules.as_bytes()[..]) {
                retention::begin_anew(&mut tx, *feed, rules.as_bytes()).await?;
                others = true;
            }
            tx.commit().await?;
        }
        Ok((Rules { feeds, epoch }, others))
    }

    async fn let_go_of_all(&self, on: Date) -> Result<(), GatewayError> {
        let today = epoch_day(on);
        let first = BatchId::new(i64::MIN);
        let (mut rules, _) = self.rules_now(on).await?;
        let mut after = first;
        let mut failed = None;
        'batches: loop {
            let mut tx = self.store.read(Rights::Intake).await?;
            let batches = retention::to_look_through(&mut tx, after, today, BATCHES).await?;
            drop(tx);
            let Some(last) = batches.last().map(|last| last.batch) else { break };
            for batch in &batches {
                // What is corrupt in one must not keep what is due in others.
                let done = self.let_go_under(&mut rules, batch, on).await;
                match done {
                    Ok(true) => {}
                    // Batches that were looked through already are bound by others now.
                    Ok(false) => {
                        after = first;
                        continue 'batches;
                    }
                    Err(error) => {
                        let batch = batch.batch.number();
                        tracing::error!(%error, batch, "a batch was not let go");
                        failed = failed.or(Some(error));
                    }
                }
            }
            after = last;
        }
        // The day is not named before all of it is done.
        failed.map_or(Ok(()), Err)
    }

    /// Lets go of what is due in a batch, by the clauses that are in force when it goes: where the
    /// policy moved, they are read anew. False where clauses changed by that: begin anew.
    pub(in crate::gateway) async fn let_go_under(
        &self,
        rules: &mut Rules,
        batch: &Batch,
        on: Date,
    ) -> Result<bool, GatewayError> {
        for _ in 0..MOVES {
            // A feed that is newer than the list has nothing due yet.
            let Some(kept) = rules.feeds.get(&batch.feed) else { return Ok(true) };
            if self.let_go_of_batch(batch, kept, rules.epoch, epoch_day(on)).await? {
                return Ok(true);
            }
            let (now, others) = self.rules_now(on).await?;
            *rules = now;
            if others {
                return Ok(false);
            }
        }
        Err(GatewayError::Unsettled)
    }

    /// False where the policy is not that of the epoch any more; what is left is left.
    async fn let_go_of_batch(
        &self,
        batch: &Batch,
        kept: &KeptFeed,
        epoch: u64,
        today: i32,
    ) -> Result<bool, GatewayError> {
        let Looked { due, next } = self.look_through(batch, kept, today).await?;
        for some in due.chunks(AT_ONCE) {
            if !self.let_go(batch, kept.record_type, epoch, some).await? {
                return Ok(false);
            }
        }
        let mut tx = self.store.transact(Rights::Intake).await?;
        if effect::policy_epoch(&mut tx).await? != epoch {
            return Ok(false);
        }
        retention::looked_through(&mut tx, batch.batch, next).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// `confirmed`: the clock was believed at its operator's word.
    async fn name_retention(&self, ended: i32, confirmed: bool) -> Result<(), GatewayError> {
        for _ in 0..DECISIONS {
            let mut tx = self.store.read(Rights::Sequencer).await?;
            let unnamed = retention::unnamed(&mut tx).await?;
            drop(tx);
            let all = SizeClass::of(unnamed.iter().map(|(_, records)| records).sum());
            let mut leaf = Leaf::new(LeafKind::RetentionApplied, self.now());
            leaf.size_class = Some(all);
            leaf.notes.cause = confirmed.then(|| word("clock_confirmed"));
            // One of each type, so that their number tells nothing.
            let items = RecordType::ALL.iter().map(|record_type| {
                let found = unnamed.iter().find(|(named, _)| named == record_type);
                let class = SizeClass::of(found.map_or(0, |(_, records)| *records));
                let day = date_of(ended).map(|day| day.to_string());
                let said = [
                    ("record_type", json!(record_type.name())),
                    ("size_class", json!(class)),
                    ("through_day", json!(day)),
                ];
                words(None, said)
            });
            let types = RecordType::ALL.iter().map(|record_type| {
                let found = unnamed.iter().find(|(named, _)| named == record_type);
                let records = found.map_or(0, |(_, records)| *records);
                (*record_type, records, below(SizeClass::of(records)))
            });
            let named = Named { day: ended, types: types.collect(), below: below(all) };
            let effect = Effect::NameRetention(named);
            let effect = self.keep(&mut leaf, items.collect(), false)?.with(effect);
            match self.commit(leaf, effect, None).await {
                Ok(_) => return Ok(()),
                // Another gateway wrote it, or let more go: the next look tells.
                Err(ActError::Conflict | ActError::PolicyChanged) => {
                    if self.last_applied().await?.is_some_and(|last| last >= ended) {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Conflict)
    }
}

/// The bound of a class of sizes; 0 for the class without one.
const fn below(class: SizeClass) -> u64 {
    match class {
        SizeClass::Under100 => 100,
        SizeClass::Under1Thousand => 1_000,
        SizeClass::Under10Thousand => 10_000,
        SizeClass::Under100Thousand => 100_000,
        SizeClass::Under1Million => 1_000_000,
        SizeClass::Under10Million => 10_000_000,
        SizeClass::From10Million => 0,
    }
}
