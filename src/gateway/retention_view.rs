//! Looking at retention: what would go until a day, and the proof that nothing stayed too long.
//!
//! The proof reads everything that is kept, person by person, and compares it with the limits by
//! a reckoning of its own: it uses neither the lists of batches by which records are let go nor
//! the rule's code. It is as of the last day whose retention was applied, of what had come in
//! before. A feed whose clauses changed since is named as pending, not judged: the new clauses
//! are applied when the day ends.
//!
//! Both say classes of sizes alone.

use super::{
    Actor, Denied, Gateway, GatewayError, Refused,
    details::words,
    retention::{KeptFeed, below, event_of, received_on, version_of},
};
use crate::{
    audit::{LeafKind, SizeClass},
    domain::{
        FeedId, PartnerId, RecordType,
        records::family_case,
        time::{date_of, epoch_day, years_after},
    },
    protocol::{CallerRole, Clause, RetentionRule, vocabulary::RetentionStart},
    store::{
        Effect, Logged, Rights,
        retention::{self, Batch, StoredEvent},
        scan,
    },
};
use jiff::civil::Date;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

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

/// A day whose retention was applied, as the log names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionDay {
    /// The day.
    pub day: Date,
    /// The record type; `None` for all together.
    pub record_type: Option<RecordType>,
    /// The bound of the class of sizes of what was let go; 0 for the class without one.
    pub below: u64,
}

/// What comparing everything that is kept with the limits found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionProof {
    /// The day as of which it holds.
    pub as_of: Date,
    /// How many feeds were judged.
    pub judged: u32,
    /// Feeds whose clauses changed since: they are applied when the day ends.
    pub pending: Vec<(PartnerId, RecordType)>,
    /// Feeds of which no document that can be read speaks: nothing of theirs has an end.
    pub unlimited: Vec<(PartnerId, RecordType)>,
    /// Feeds with records older than their limits, and the bound of the class of their number.
    pub overdue: Vec<(PartnerId, RecordType, u64)>,
    /// The days that were applied in the period asked about.
    pub days: Vec<RetentionDay>,
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
        let mut judge = |batch: &Batch, event: &StoredEvent| {
            let Some(kept) = feeds.get(&batch.feed).filter(|_| event.role == 0) else {
                return Ok(());
            };
            let births =
                kept.record_type.definition().event_is_birth || kept.keeping.asks_for_births();
            let days = self.days_of(batch, event, births)?;
            let end = kept.keeping.end(&days, &batch.protocol, version_of(batch)?);
            if end.clause().is_none() || end.is_over(today) {
                *found.entry((batch.feed, end.clause().map(written))).or_default() += 1;
            }
            Ok(())
        };
        self.look_at_everything(&mut judge).await?;
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

    /// Compares everything that is kept with the limits, and logs what was found.
    ///
    /// # Errors
    /// For callers who are neither data officers nor auditors; for a period that ends before
    /// it begins.
    pub async fn prove_retention(
        &self,
        actor: &Actor,
        from: Option<Date>,
        until: Option<Date>,
    ) -> Result<Logged<RetentionProof>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer, CallerRole::Auditor]).await?;
        let until = until.unwrap_or_else(|| self.today());
        let from = from.unwrap_or(until);
        if from > until {
            let refused = Refused::invalid("from_day", "no later than the last day");
            return Err(self.refuse_malformed(actor, refused).await);
        }
        self.catch_up().await?;
        let proof = self.compare(from, until).await?;
        let mut leaf = actor.leaf(LeafKind::RetentionChecked, self);
        let overdue = proof.overdue.iter().map(|(.., below)| *below).max();
        let cause = if overdue.is_some() { "overdue" } else { "none_overdue" };
        leaf.notes.cause = cause.parse().ok();
        let said = [
            ("as_of", json!(proof.as_of.to_string())),
            ("judged", json!(proof.judged)),
            ("overdue_feeds", json!(proof.overdue.len())),
            ("pending_feeds", json!(proof.pending.len())),
            ("unlimited_feeds", json!(proof.unlimited.len())),
        ];
        let kept = self.keep(&mut leaf, vec![words(None, said)], true)?;
        let logged = self.commit(leaf, kept.with(Effect::None), None).await?;
        Ok(logged.map(|_| proof))
    }

    async fn compare(&self, from: Date, until: Date) -> Result<RetentionProof, GatewayError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let last = retention::last_day(&mut tx).await?;
        let days = retention::days(&mut tx, epoch_day(from), epoch_day(until)).await?;
        // Retention of a day is applied on the next.
        let as_of = last.map_or_else(|| epoch_day(self.today()), |last| last.saturating_add(1));
        let as_of_date = date_of(as_of).unwrap_or_else(|| self.today());
        let feeds = self.kept_feeds(as_of_date).await?;
        let (mut pending, mut unlimited, mut judged) = (Vec::new(), Vec::new(), HashMap::new());
        for (feed, kept) in &feeds {
            let applied = retention::rules_of(&mut tx, *feed).await?;
            let named = (kept.partner.clone(), kept.record_type);
            if applied.as_deref() != Some(&kept.keeping.digest().as_bytes()[..]) {
                pending.push(named);
            } else if kept.keeping.rules().is_empty() {
                unlimited.push(named);
            } else {
                judged.insert(*feed, (kept, 0_u64));
            }
        }
        drop(tx);
        let mut judge = |batch: &Batch, event: &StoredEvent| {
            if let Some((kept, overdue)) = judged.get_mut(&batch.feed)
                && received_on(batch)? < as_of
                && self.is_overdue(kept, batch, event, as_of)?
            {
                *overdue += 1;
            }
            Ok(())
        };
        self.look_at_everything(&mut judge).await?;
        let overdue = judged.values().filter(|(_, overdue)| *overdue > 0);
        let overdue = overdue.map(|(kept, overdue)| {
            (kept.partner.clone(), kept.record_type, below(SizeClass::of(*overdue)))
        });
        let mut overdue: Vec<_> = overdue.collect();
        overdue.sort();
        pending.sort();
        unlimited.sort();
        let days = days.into_iter().filter_map(|day| {
            let (record_type, below) = (day.record_type, day.below);
            Some(RetentionDay { day: date_of(day.day)?, record_type, below })
        });
        Ok(RetentionProof {
            as_of: as_of_date,
            judged: u32::try_from(judged.len()).unwrap_or(u32::MAX),
            pending,
            unlimited,
            overdue,
            days: days.collect(),
        })
    }

    /// Whether an event must not be there any more. Of others than the principal not everything
    /// is known that an end is counted from; what is said of them is then certain, too.
    fn is_overdue(
        &self,
        kept: &KeptFeed,
        batch: &Batch,
        stored: &StoredEvent,
        as_of: i32,
    ) -> Result<bool, GatewayError> {
        if kept.keeping.is_purged(&batch.protocol, version_of(batch)?) {
            return Ok(true);
        }
        let event = event_of(stored)?;
        let principal = stored.role == 0;
        let is_birth = kept.record_type.definition().event_is_birth;
        for rule in kept.keeping.rules() {
            let oldest = as_of - i32::from(rule.days);
            let wants_birth = is_birth || rule.from == RetentionStart::FifthBirthday;
            let birth = if principal && wants_birth { self.birth_of(stored)? } else { None };
            let happened = event.day.or(birth).unwrap_or(event.known);
            let began = match rule.from {
                RetentionStart::EventDate => happened,
                RetentionStart::Received => received_on(batch)?,
                RetentionStart::FifthBirthday => {
                    fifth_birthday(birth.unwrap_or(happened)).max(happened)
                }
                RetentionStart::CaseClosed if kept.record_type != RecordType::FamilyCase => {
                    happened
                }
                RetentionStart::CaseClosed => match event.day_of(family_case::CLOSED) {
                    Some(closed) => closed,
                    None => continue,
                },
            };
            if began < oldest {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks at every event that is kept, in one transaction.
    async fn look_at_everything(
        &self,
        judge: &mut (dyn FnMut(&Batch, &StoredEvent) -> Result<(), GatewayError> + Send),
    ) -> Result<(), GatewayError> {
        let mut tx = self.store.read(Rights::Release).await?;
        let last = scan::last_person(&mut tx).await?;
        // What is about nobody hangs on person 0.
        let mut after = -1;
        while after < last {
            let until = last.min(after.saturating_add(scan::RANGE));
            for (batch, event) in retention::kept(&mut tx, after, until).await? {
                judge(&batch, &event)?;
            }
            after = until;
        }
        Ok(())
    }
}

impl KeptFeed {
    /// The lines of a feed's clauses, whether anything is due by them or not.
    fn lines(&self, below_of: impl Fn(Option<String>) -> u64) -> Vec<RetentionLine> {
        let line = |clause: Option<String>, counted_from, days| RetentionLine {
            partner: self.partner.clone(),
            record_type: self.record_type,
            below: below_of(clause.clone()),
            clause,
            counted_from,
            days,
            in_force: self.keeping.in_force(),
        };
        let of_rule =
            |rule: &RetentionRule| line(Some(written(&rule.clause)), rule.from.code(), rule.days);
        let mut lines: Vec<_> = self.keeping.rules().iter().map(of_rule).collect();
        lines.extend(self.keeping.purges().map(|clause| line(Some(written(clause)), "purged", 0)));
        lines.push(line(None, "", 0));
        lines
    }
}

fn written(clause: &Clause) -> String {
    format!("{}/{}#{}", clause.protocol(), clause.version().number(), clause.pointer())
}

fn fifth_birthday(birth: i32) -> i32 {
    date_of(birth).map_or(i32::MAX, |day| epoch_day(years_after(day, 5)))
}
