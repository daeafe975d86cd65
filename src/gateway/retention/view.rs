//! What would go until a day, and the one look at everything that is kept. Classes of sizes alone.

use super::{KeptFeed, batch::version_of, below};
use crate::{
    audit::SizeClass,
    domain::{BatchId, FeedId, PartnerId, RecordType, time::epoch_day},
    gateway::{Actor, Denied, Gateway, GatewayError, RefusalKind, Refused},
    protocol::{CallerRole, Clause, RetentionRule},
    store::{
        Effect, Logged, Rights,
        cases::{self, Unused},
        retention::{self, Batch, StoredEvent},
    },
};
use jiff::civil::Date;
use std::collections::BTreeMap;

/// Batches that are read in one transaction.
const BATCHES: i64 = 16;

/// What one clause would end until a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionLine {
    /// The sender.
    pub partner: PartnerId,
    /// What it sends.
    pub record_type: RecordType,
    /// The clause, `protocol/version#pointer`; `None` for what has no end yet.
    pub clause: Option<String>,
    /// From what day it counts, a code; `purged` for a revoked part.
    pub counted_from: &'static str,
    /// For how many days.
    pub days: u16,
    /// Whether a protocol in force says so, rather than the last word of one that ended.
    pub in_force: bool,
    /// How many records, as the bound of a class of sizes; 0 for the class without one.
    pub below: u64,
}

/// What is kept: what a record says of one of its persons, or that it was not used.
#[derive(Clone, Copy)]
pub(super) enum Stored<'a> {
    Event(&'a StoredEvent),
    Unused(&'a Unused),
}

impl Gateway {
    /// What would be let go until a day, by the clauses that will hold then as they are signed
    /// now, in classes of sizes.
    ///
    /// # Errors
    /// For callers who are no data officers; for a day before today.
    pub async fn preview_retention(
        &self,
        actor: &Actor,
        on: Option<Date>,
    ) -> Result<Logged<Vec<RetentionLine>>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let on = on.unwrap_or_else(|| self.today());
        if on < self.today() {
            let refused = Refused::invalid("day", "today or a later day");
            return Err(self.refuse_malformed(actor, refused).await);
        }
        self.catch_up().await?;
        let feeds = self.kept_feeds(on).await?;
        let mut found: BTreeMap<(FeedId, Option<String>), u64> = BTreeMap::new();
        let today = epoch_day(on);
        let mut judge = |batch: &Batch, stored: Stored<'_>| {
            let Some(kept) = feeds.get(&batch.feed) else { return Ok(()) };
            let births =
                kept.record_type.definition().event_is_birth || kept.keeping.asks_for_births();
            let days = match stored {
                Stored::Event(event) if event.role != 0 => return Ok(()),
                Stored::Event(event) => self.days_of(batch, event, births)?,
                Stored::Unused(unused) => self.unused_days(batch, unused)?,
            };
            let end = kept.keeping.end(&days, &batch.protocol, version_of(batch)?);
            if end.clause().is_none() || end.is_over(today) {
                *found.entry((batch.feed, end.clause().map(written))).or_default() += 1;
            }
            Ok(())
        };
        if self.look_at_everything(&mut judge).await?.is_none() {
            let leaf = self.look(actor, "retention");
            return Err(self.refuse(leaf, looked_at_already()).await);
        }
        let mut lines = Vec::new();
        for (feed, kept) in &feeds {
            let of = |clause: Option<String>| {
                let count = found.get(&(*feed, clause)).copied().unwrap_or_default();
                below(SizeClass::of(count))
            };
            lines.extend(kept.lines(of));
        }
        lines.sort_by(|a, b| {
            let key = |line: &RetentionLine| {
                (line.partner.clone(), line.record_type, line.clause.is_none(), line.clause.clone())
            };
            key(a).cmp(&key(b))
        });
        let leaf = self.look(actor, "retention");
        Ok(self.commit(leaf, Effect::None, None).await?.map(|_| lines))
    }

    /// Looks at every event that is kept, batch by batch, each as one moment had it. One call at a
    /// time does: `None` for another meanwhile.
    pub(super) async fn look_at_everything(
        &self,
        judge: &mut (dyn FnMut(&Batch, Stored<'_>) -> Result<(), GatewayError> + Send),
    ) -> Result<Option<()>, GatewayError> {
        let Ok(_alone) = self.looking.try_lock() else { return Ok(None) };
        let mut after = BatchId::new(i64::MIN);
        loop {
            let mut tx = self.store.read(Rights::Release).await?;
            let batches = retention::kept(&mut tx, after, BATCHES).await?;
            let Some(last) = batches.last() else { return Ok(Some(())) };
            after = last.batch;
            for batch in &batches {
                for event in retention::events_of(&mut tx, batch.batch).await? {
                    judge(batch, Stored::Event(&event))?;
                }
                for unused in cases::unused_of(&mut tx, batch.batch).await? {
                    judge(batch, Stored::Unused(&unused))?;
                }
            }
        }
    }
}

/// Refused while another call looks at everything.
pub(super) fn looked_at_already() -> Refused {
    let sentence = "everything is being looked at by another call: try again when it has ended";
    Refused::new(RefusalKind::Exhausted, "look_in_progress", sentence)
}

impl KeptFeed {
    /// The lines of a feed's clauses, whether anything is due by them or not.
    fn lines(&self, below_of: impl Fn(Option<String>) -> u64) -> Vec<RetentionLine> {
        let line = |clause: Option<String>, counted_from, days, in_force| RetentionLine {
            partner: self.partner.clone(),
            record_type: self.record_type,
            below: below_of(clause.clone()),
            clause,
            counted_from,
            days,
            in_force,
        };
        let of_rule = |rule: &RetentionRule| {
            let clause = Some(written(&rule.clause));
            line(clause, rule.from.code(), rule.days, rule.ended.is_none())
        };
        let mut lines: Vec<_> = self.keeping.rules().iter().map(of_rule).collect();
        let purges = self.keeping.purges();
        lines.extend(purges.map(|clause| line(Some(written(clause)), "purged", 0, false)));
        lines.push(line(None, "", 0, false));
        lines
    }
}

fn written(clause: &Clause) -> String {
    format!("{}/{}#{}", clause.protocol(), clause.version().number(), clause.pointer())
}
