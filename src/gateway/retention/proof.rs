//! The proof that nothing is kept too long.
//!
//! It reads everything that is kept, batch by batch, and compares it with limits that it takes
//! straight from the documents, by a reckoning of its own: it uses neither the lists of batches by
//! which records are let go, nor the policy's index of clauses, nor the rule's code. It is as of
//! today, of what had come in before: where the job stands still, that is what the verdict says.
//! A feed whose clauses changed since the job looked is named as pending and judged by the new ones
//! when the day ends; until then nothing is proved of it, nor of a feed of which no document that can
//! be read speaks.
//!
//! It says classes of sizes alone.

use super::{
    KeptFeed,
    batch::{event_of, received_on, version_of, withdrawn_on},
    below,
    unused::RecordDays,
    view::{Stored, looked_at_already},
};
use crate::{
    audit::{LeafKind, SizeClass},
    domain::{
        FeedId, PartnerId, ProtocolId, RecordType,
        time::{date_of, epoch_day, years_after},
    },
    gateway::{
        Actor, Denied, Gateway, GatewayError, ProtocolRecord, Refused, Snapshot, details::words,
    },
    protocol::{
        CallerRole, Protocol, State,
        life::{Handling, Life, Part},
        vocabulary::RetentionStart,
    },
    store::{
        Effect, Logged, Rights,
        retention::{self, Batch, StoredEvent},
    },
};
use jiff::civil::Date;
use serde_json::json;
use std::collections::HashMap;

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

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is kept beyond its limit, and everything has one.
    NoneOverdue,
    /// Something is.
    Overdue,
    /// Retention was not applied when the last day ended.
    Stalled,
    /// Of some feeds nothing is proved: their clauses changed, or none can be read.
    Incomplete,
}

impl Verdict {
    /// The code in the log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoneOverdue => "none_overdue",
            Self::Overdue => "overdue",
            Self::Stalled => "stalled",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What comparing everything that is kept with the limits found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionProof {
    /// The day as of which it holds: today.
    pub as_of: Date,
    /// The last day whose retention was applied, if there is one.
    pub last_applied: Option<Date>,
    /// What it comes to.
    pub verdict: Verdict,
    /// How many feeds were judged.
    pub judged: u32,
    /// Feeds whose clauses changed since: they are applied when the day ends.
    pub pending: Vec<(PartnerId, RecordType)>,
    /// Feeds with records of which no document that can be read speaks, and the bound of the class
    /// of their number: nothing of theirs has an end.
    pub unlimited: Vec<(PartnerId, RecordType, u64)>,
    /// Feeds with records older than their limits, and the bound of the class of their number.
    pub overdue: Vec<(PartnerId, RecordType, u64)>,
    /// The days that were applied in the period asked about.
    pub days: Vec<RetentionDay>,
}

/// A limit as a document has it.
struct Limit {
    from: RetentionStart,
    days: i32,
    protocol: ProtocolId,
    /// Whether the document holds for the sender today.
    stands: bool,
    /// The last day of its term, and of what it is superseded by.
    last_day: i32,
}

/// A feed, its limits, and how many records were found beyond them, or without any.
struct Judged {
    partner: PartnerId,
    record_type: RecordType,
    limits: Vec<Limit>,
    purged: Vec<(ProtocolId, u32)>,
    overdue: u64,
    unlimited: u64,
}

/// What is said of a record, from which its ends are counted.
struct Said {
    days: RecordDays,
    withdrawn: Option<i32>,
    principal: bool,
}

impl Gateway {
    /// Compares everything that is kept with the limits, and logs what was found.
    ///
    /// # Errors
    /// For callers who are neither data officers nor auditors; for a period that ends before
    /// it begins; `look_in_progress` while another such look goes on.
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
        let mut leaf = actor.leaf(LeafKind::RetentionChecked, self);
        let Some(proof) = self.compare(from, until).await? else {
            return Err(self.refuse(leaf, looked_at_already()).await);
        };
        leaf.notes.cause = proof.verdict.code().parse().ok();
        let last = proof.last_applied.map(|day| day.to_string());
        let said = [
            ("as_of", json!(proof.as_of.to_string())),
            ("last_applied", json!(last)),
            ("judged", json!(proof.judged)),
            ("overdue_feeds", json!(proof.overdue.len())),
            ("pending_feeds", json!(proof.pending.len())),
            ("unlimited_feeds", json!(proof.unlimited.len())),
        ];
        let kept = self.keep(&mut leaf, vec![words(None, said)], true)?;
        let logged = self.commit(leaf, kept.with(Effect::None), None).await?;
        Ok(logged.map(|_| proof))
    }

    async fn compare(
        &self,
        from: Date,
        until: Date,
    ) -> Result<Option<RetentionProof>, GatewayError> {
        let (on, snapshot) = (self.today(), self.snapshot());
        let today = epoch_day(on);
        let mut tx = self.store.read(Rights::Figures).await?;
        let last = retention::last_day(&mut tx).await?;
        let stalled = last.is_some_and(|last| last < today - 1);
        let days = retention::days(&mut tx, epoch_day(from), epoch_day(until)).await?;
        let feeds = self.kept_feeds(on).await?;
        let (mut pending, mut judged) = (Vec::new(), HashMap::new());
        for (feed, kept) in feeds {
            // By this alone the rule's own reckoning is asked: whether the job has heard of it. One
            // that stands still is waited for by nobody.
            let applied = retention::rules_of(&mut tx, feed).await?;
            let heard = applied.as_deref() == Some(&kept.keeping.digest().as_bytes()[..]);
            if heard || stalled {
                judged.insert(feed, Judged::of(&snapshot, kept, on));
            } else {
                pending.push((kept.partner, kept.record_type));
            }
        }
        drop(tx);
        let mut judge =
            |batch: &Batch, stored: Stored<'_>| self.judge(&mut judged, batch, stored, today);
        if self.look_at_everything(&mut judge).await?.is_none() {
            return Ok(None);
        }
        pending.sort();
        let (unlimited, overdue) =
            (found(&judged, |judged| judged.unlimited), found(&judged, |judged| judged.overdue));
        let verdict = match () {
            () if !overdue.is_empty() => Verdict::Overdue,
            () if stalled => Verdict::Stalled,
            () if !pending.is_empty() || !unlimited.is_empty() => Verdict::Incomplete,
            () => Verdict::NoneOverdue,
        };
        let days = days.into_iter().filter_map(|day| {
            let (record_type, below) = (day.record_type, day.below);
            Some(RetentionDay { day: date_of(day.day)?, record_type, below })
        });
        Ok(Some(RetentionProof {
            as_of: on,
            last_applied: last.and_then(date_of),
            verdict,
            judged: u32::try_from(judged.len()).unwrap_or(u32::MAX),
            pending,
            unlimited,
            overdue,
            days: days.collect(),
        }))
    }

    fn judge(
        &self,
        judged: &mut HashMap<FeedId, Judged>,
        batch: &Batch,
        stored: Stored<'_>,
        today: i32,
    ) -> Result<(), GatewayError> {
        let Some(feed) = judged.get_mut(&batch.feed) else { return Ok(()) };
        let received = received_on(batch)?;
        // Retention of a day is applied on the next.
        if received >= today {
            return Ok(());
        }
        let said = match stored {
            Stored::Event(event) => self.said(feed, event)?,
            Stored::Unused(unused) => Said {
                days: self.said_of_unused(unused, received),
                withdrawn: withdrawn_on(unused.event_number, unused.withdrawn)?,
                principal: true,
            },
        };
        if feed.limits.iter().all(|limit| !limit.binds(&feed.limits, &batch.protocol)) {
            feed.unlimited += u64::from(said.principal);
        }
        if feed.is_overdue((&batch.protocol, version_of(batch)?.number()), received, &said, today) {
            feed.overdue += 1;
        }
        Ok(())
    }

    /// What an event says; whose births count is opened where that matters alone.
    fn said(&self, feed: &Judged, stored: &StoredEvent) -> Result<Said, GatewayError> {
        let principal = stored.role == 0;
        let births = feed.record_type.definition().event_is_birth
            || feed.limits.iter().any(|limit| limit.from == RetentionStart::FifthBirthday);
        let birth = if principal && births { self.birth_of(stored)? } else { None };
        let days = RecordDays::of(&event_of(stored)?, birth);
        let withdrawn = withdrawn_on(stored.number, stored.withdrawn)?;
        Ok(Said { days, withdrawn, principal })
    }
}

impl Judged {
    /// Whether a record must not be there any more. Of others than the principal not everything
    /// is known that an end is counted from; what is said of them is then certain, too.
    fn is_overdue(
        &self,
        (protocol, version): (&ProtocolId, u32),
        received: i32,
        Said { days, withdrawn, principal }: &Said,
        today: i32,
    ) -> bool {
        if self.purged.iter().any(|(purged, last)| purged == protocol && version <= *last) {
            return true;
        }
        let happened = days.event;
        let began = |limit: &Limit| match limit.from {
            RetentionStart::EventDate => happened,
            RetentionStart::Received => received,
            RetentionStart::FifthBirthday => {
                five_from(days.birth.unwrap_or(happened)).max(happened)
            }
            RetentionStart::CaseClosed => match days.closed {
                None => happened,
                Some(Some(closed)) => closed,
                // Others than the principal have no closing of their own.
                Some(None) if !principal => five_from(happened),
                Some(None) => {
                    let mut ends = vec![five_from(happened)];
                    ends.extend(withdrawn);
                    ends.extend((!limit.stands).then_some(limit.last_day));
                    ends.into_iter().min().unwrap_or(happened).max(happened)
                }
            },
        };
        let mut binding = self.limits.iter().filter(|limit| limit.binds(&self.limits, protocol));
        binding.any(|limit| began(limit) + limit.days < today)
    }
}

fn found(
    judged: &HashMap<FeedId, Judged>,
    of: impl Fn(&Judged) -> u64,
) -> Vec<(PartnerId, RecordType, u64)> {
    let some = judged.values().filter(|judged| of(judged) > 0);
    let class = |judged: &Judged| below(SizeClass::of(of(judged)));
    let mut found: Vec<_> =
        some.map(|judged| (judged.partner.clone(), judged.record_type, class(judged))).collect();
    found.sort();
    found
}

impl Limit {
    /// One that stands binds all; one that does not what came under it, and all where none stands.
    fn binds(&self, all: &[Self], protocol: &ProtocolId) -> bool {
        self.stands || self.protocol == *protocol || all.iter().all(|limit| !limit.stands)
    }
}

impl Judged {
    /// The limits of a feed, straight from the documents.
    fn of(snapshot: &Snapshot, kept: KeptFeed, today: Date) -> Self {
        let KeptFeed { partner, record_type, .. } = kept;
        let (mut limits, mut purged) = (Vec::new(), Vec::new());
        let records: Vec<&ProtocolRecord> = snapshot.protocols().collect();
        for versions in records.chunk_by(|a, b| a.stored.protocol == b.stored.protocol) {
            let signed: Vec<_> =
                versions.iter().filter_map(|record| signed(snapshot, record)).collect();
            let lists = |(protocol, _): &(&Protocol, &Life)| {
                let mut flows = protocol.flows.iter();
                flows.any(|flow| flow.from == partner && flow.record_type == record_type)
            };
            if !signed.iter().any(lists) {
                continue;
            }
            for (protocol, life) in &signed {
                let revoked = life.revocations().get(&partner);
                if revoked.is_some_and(|revoked| revoked.handling == Handling::Purge) {
                    purged.push((protocol.id.clone(), protocol.version.number()));
                }
            }
            limits.extend(last_word(snapshot, versions, &signed, (&partner, record_type), today));
        }
        Self { partner, record_type, limits, purged, overdue: 0, unlimited: 0 }
    }
}

/// What the newest signed version that speaks of a record type says, unless a newer one can't be
/// read.
fn last_word(
    snapshot: &Snapshot,
    versions: &[&ProtocolRecord],
    signed: &[(&Protocol, &Life)],
    (partner, record_type): (&PartnerId, RecordType),
    today: Date,
) -> Option<Limit> {
    let mut newest_first = signed.iter().enumerate().rev();
    let (place, entry) = newest_first.find_map(|(place, (protocol, _))| {
        let mut entries = protocol.retention.iter();
        Some((place, entries.find(|entry| entry.record_type == record_type)?))
    })?;
    let (protocol, life) = signed[place];
    let hidden = versions.iter().any(|record| {
        record.stored.version > protocol.version.number() && !is_readable(snapshot, record)
    });
    if hidden {
        return None;
    }
    let stands = matches!(life.state(), State::Active | State::Suspended)
        && life.part(partner) != Part::Revoked
        && (protocol.effective..=protocol.expires).contains(&today);
    let next = signed.get(place + 1).map(|(next, _)| epoch_day(next.effective) - 1);
    let next = next.map(|day| day.max(epoch_day(protocol.effective)));
    Some(Limit {
        from: entry.from_event,
        days: i32::from(entry.days),
        protocol: protocol.id.clone(),
        stands,
        last_day: next.unwrap_or(i32::MAX).min(epoch_day(protocol.expires)),
    })
}

/// A version that everybody had signed at some time, as it stands.
fn signed<'a>(snapshot: &Snapshot, record: &'a ProtocolRecord) -> Option<(&'a Protocol, &'a Life)> {
    let begun = |life: &Life| !matches!(life.state(), State::Draft | State::PartlySigned);
    record.agreed().filter(|(_, life)| begun(life) && is_readable(snapshot, record))
}

fn is_readable(snapshot: &Snapshot, record: &ProtocolRecord) -> bool {
    let stored = &record.stored;
    let faulty = snapshot.policy().faults().iter();
    let mut faulty = faulty.map(|(id, version, _)| (id, version.number()));
    record.agreed().is_some() && !faulty.any(|known| known == (&stored.protocol, stored.version))
}

fn five_from(day: i32) -> i32 {
    date_of(day).map_or(i32::MAX, |day| epoch_day(years_after(day, 5)))
}
