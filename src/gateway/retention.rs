//! Letting go of records whose time is over, as the protocols say
//! ([`crate::protocol::retention`] has the rule, [`crate::store::retention`] the lists).
//!
//! **When.** Once a day, after the day has ended in Europe/London, by one gateway alone. Only
//! batches are looked through in which something may be due; each transaction destroys at most
//! [`AT_ONCE`] records of one batch with all that they left (events, withdrawals, identities that
//! nothing else rests on, items and salts of private details), counts them, and says how far it
//! came. A crash leaves what is not yet destroyed to the next attempt, and nothing is counted
//! twice. What stays provable is what stays provable of any erasure ([`super::erase`]); releases
//! that are out stay as they are.
//!
//! **No way back.** A record that was let go is known by its key for as long as the dates of the
//! flow that brought it would let it in again: sent again meanwhile it counts as sent before, as
//! it was. Later its event lies too far back. What retention counts from the event is asked at
//! intake, too: a record that would be let go at once is refused as too old, under whatever id.
//! (One that is counted from a birthday or a closing is let go with the next day.)
//!
//! **In the log.** One leaf a day, also on days on which nothing went, with a class of sizes of
//! all that went, and one a record type in its private detail; a day on which no gateway ran is
//! named with the next one. The items that were destroyed are named among the day's erasures.
//!
//! **What stays.** Dates of birth are stored sealed alone, so that a day that follows from one
//! is kept only as a month.

use super::{DECISIONS, Gateway, GatewayError, details::words, erase::Wanted, link::facts_cell};
use crate::{
    audit::{Item, Leaf, LeafKind, SizeClass, Slot},
    domain::{
        BatchId, Event, FeedId, PartnerId, RecordType, SubjectId,
        event::CorruptEvent,
        records::family_case,
        time::{date_of, epoch_day},
    },
    keys::KeyError,
    linkage::Facts,
    protocol::{End, Keeping, KeptRecord, ProtocolVersion},
    store::{
        ActError, Effect, Rights, StoreError, Tx, details,
        erasures::{self, Asked},
        feeds,
        retention::{self, Batch, NEVER, Named, StoredEvent},
        subjects,
    },
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

/// Records that are destroyed in one transaction.
const AT_ONCE: usize = 500;
/// Batches that are listed at a time.
const BATCHES: i64 = 64;
/// Keys that are forgotten in one transaction.
const KEYS_AT_ONCE: i64 = 5_000;

/// A feed, and how long its records are kept.
pub(super) struct KeptFeed {
    pub(super) partner: PartnerId,
    pub(super) record_type: RecordType,
    pub(super) keeping: Keeping,
}

/// A record whose time is over.
struct Due {
    number: i64,
    subjects: Vec<SubjectId>,
    /// Until when its key stays.
    known_until: i32,
}

/// What was found in a batch.
struct Looked {
    due: Vec<Due>,
    /// When the next of it may be due.
    next: i32,
}

impl Gateway {
    /// Lets go of what is due, and names the days that have ended in one leaf. Does nothing
    /// when that is done, or while another gateway does it.
    ///
    /// # Errors
    /// When the store or the log can't be written, or something stored is corrupt.
    pub async fn apply_retention(&self) -> Result<(), GatewayError> {
        let today = epoch_day(self.today());
        let ended = today - 1;
        match self.last_applied().await? {
            Some(last) if last >= ended => return Ok(()),
            Some(_) => {}
            None => {
                // A deployment's first day has none before it.
                let mut tx = self.store.transact(Rights::Sequencer).await?;
                retention::begin(&mut tx, ended).await?;
                return Ok(tx.commit().await?);
            }
        }
        let Some(_alone) = retention::alone(&self.store).await? else { return Ok(()) };
        self.catch_up().await?;
        let feeds = self.kept_feeds(self.today()).await?;
        self.note_new_rules(&feeds).await?;
        self.let_go_of_all(&feeds, today).await?;
        loop {
            let mut tx = self.store.transact(Rights::Intake).await?;
            let forgotten = retention::forget(&mut tx, today, KEYS_AT_ONCE).await?;
            tx.commit().await?;
            if forgotten == 0 {
                break;
            }
        }
        self.name_retention(ended).await
    }

    async fn last_applied(&self) -> Result<Option<i32>, StoreError> {
        let mut tx = self.store.read(Rights::Sequencer).await?;
        retention::last_day(&mut tx).await
    }

    /// Every feed there is, and how long its records are kept on a day.
    pub(super) async fn kept_feeds(
        &self,
        on: jiff::civil::Date,
    ) -> Result<HashMap<FeedId, KeptFeed>, GatewayError> {
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

    /// Has every batch of a feed looked through anew that other clauses bind than before.
    async fn note_new_rules(&self, feeds: &HashMap<FeedId, KeptFeed>) -> Result<(), GatewayError> {
        for (feed, kept) in feeds {
            let rules = kept.keeping.digest();
            let mut tx = self.store.transact(Rights::Intake).await?;
            let before = retention::rules_of(&mut tx, *feed).await?;
            if before.as_deref() != Some(&rules.as_bytes()[..]) {
                retention::begin_anew(&mut tx, *feed, rules.as_bytes()).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }

    async fn let_go_of_all(
        &self,
        feeds: &HashMap<FeedId, KeptFeed>,
        today: i32,
    ) -> Result<(), GatewayError> {
        let mut after = BatchId::new(i64::MIN);
        let mut failed = None;
        loop {
            let mut tx = self.store.read(Rights::Intake).await?;
            let batches = retention::to_look_through(&mut tx, after, today, BATCHES).await?;
            drop(tx);
            let Some(last) = batches.last() else { break };
            after = last.batch;
            for batch in &batches {
                // A feed that is newer than the list has nothing due yet.
                let Some(kept) = feeds.get(&batch.feed) else { continue };
                // What is corrupt in one must not keep what is due in others.
                if let Err(error) = self.let_go_of_batch(batch, kept, today).await {
                    tracing::error!(%error, batch = batch.batch.number(), "a batch was not let go");
                    failed = failed.or(Some(error));
                }
            }
        }
        // The day is not named before all of it is done.
        failed.map_or(Ok(()), Err)
    }

    async fn let_go_of_batch(
        &self,
        batch: &Batch,
        kept: &KeptFeed,
        today: i32,
    ) -> Result<(), GatewayError> {
        let Looked { due, next } = self.look_through(batch, kept, today).await?;
        for some in due.chunks(AT_ONCE) {
            self.let_go(batch, kept.record_type, some).await?;
        }
        let mut tx = self.store.transact(Rights::Intake).await?;
        retention::looked_through(&mut tx, batch.batch, next).await?;
        Ok(tx.commit().await?)
    }

    async fn look_through(
        &self,
        batch: &Batch,
        kept: &KeptFeed,
        today: i32,
    ) -> Result<Looked, GatewayError> {
        let mut tx = self.store.read(Rights::Release).await?;
        let events = retention::events_of(&mut tx, batch.batch).await?;
        drop(tx);
        let version = version_of(batch)?;
        let births = kept.record_type.definition().event_is_birth || kept.keeping.asks_for_births();
        let mut looked = Looked { due: Vec::new(), next: NEVER };
        for record in events.chunk_by(|a, b| a.number == b.number) {
            // Roles are in order: the first is the one whom the record is about.
            let Some(principal) = record.first() else { continue };
            let days = self.days_of(batch, principal, births)?;
            let end = kept.keeping.end(&days, &batch.protocol, version);
            if end.is_over(today) {
                looked.due.push(Due {
                    number: principal.number,
                    subjects: record.iter().map(|event| event.subject).collect(),
                    known_until: kept.keeping.may_return_until(days.event),
                });
            } else if let End::After(last, _) = end {
                let next = last.saturating_add(1);
                let next = if births { month_of(next) } else { next };
                looked.next = looked.next.min(next.max(today + 1));
            }
        }
        Ok(looked)
    }

    /// The days of a record that its end is counted from; its birth is opened where that
    /// matters alone.
    pub(super) fn days_of(
        &self,
        batch: &Batch,
        principal: &StoredEvent,
        births: bool,
    ) -> Result<KeptRecord, GatewayError> {
        let event = event_of(principal)?;
        let birth = if births { self.birth_of(principal)? } else { None };
        let case = event.record_type == RecordType::FamilyCase;
        Ok(KeptRecord {
            event: event.day.or(birth).unwrap_or(event.known),
            received: received_on(batch)?,
            birth,
            closed: case.then(|| event.day_of(family_case::CLOSED)),
        })
    }

    pub(super) fn birth_of(&self, of: &StoredEvent) -> Result<Option<i32>, GatewayError> {
        let Some(sealed) = &of.facts else { return Ok(None) };
        let facts = Facts::open(facts_cell(of.subject), &self.keys().sealer, sealed)?;
        Ok(facts.birth.map(|birth| -birth.days_until(0)))
    }

    /// Destroys some records of a batch, with all that they left, and counts them.
    async fn let_go(
        &self,
        batch: &Batch,
        record_type: RecordType,
        due: &[Due],
    ) -> Result<(), GatewayError> {
        let mut tx = self.store.transact(Rights::Intake).await?;
        // Nobody stages meanwhile: what rests on an identity is then known for certain.
        subjects::link_alone(&mut tx).await?;
        let keys = self.keys_in(&mut tx, batch).await?;
        let mut wanted = Wanted::default();
        wanted.numbers.extend(due.iter().map(|due| due.number));
        wanted.batches.push_back(batch.batch);
        let mut named = self.erase_items(&mut tx, &mut wanted).await?;
        for due in due {
            let mut subjects = named.remove(&due.number).unwrap_or_default();
            subjects.extend(&due.subjects);
            subjects.sort_unstable();
            subjects.dedup();
            erasures::erase_record(&mut tx, due.number, Some(&subjects)).await?;
            for key in keys.get(&due.number).into_iter().flatten() {
                let of = (key, due.number);
                retention::know_until(&mut tx, batch.feed, of, due.known_until).await?;
            }
        }
        retention::count(&mut tx, record_type, due.len() as u64).await?;
        Ok(tx.commit().await?)
    }

    /// The keys of a batch's records in every form that they may be stored in, by number.
    async fn keys_in(
        &self,
        tx: &mut Tx,
        batch: &Batch,
    ) -> Result<BTreeMap<i64, Vec<[u8; 16]>>, GatewayError> {
        let mut keys: BTreeMap<i64, Vec<[u8; 16]>> = BTreeMap::new();
        let row = batch.batch.number();
        let corrupt = StoreError::Corrupt { table: "batch_detail", column: "sealed", row };
        let detail = match details::of_batch(tx, batch.batch).await? {
            None => None,
            Some(sealed) => match self.unseal_batch(batch.batch, &sealed) {
                Ok(detail) => Some(detail.ok_or(corrupt)?),
                // A sealing key that was destroyed took every item along.
                Err(GatewayError::Key(KeyError::NoSealingKey { .. })) => None,
                Err(error) => return Err(error),
            },
        };
        let Some(detail) = detail else {
            // From before there were details: stored as they are found.
            for (number, key) in retention::keys_of(tx, batch.feed, batch.batch).await? {
                keys.entry(number).or_default().push(key);
            }
            return Ok(keys);
        };
        for slot in &detail.slots {
            let Slot::Open(_, Item::Record(record)) = slot else { continue };
            let (feed, key, key_version) = (batch.feed, record.key, record.key_version);
            let forms = self.forms_of(&Asked { feed, key, key_version })?;
            let forms = forms.iter().map(|form| *form.as_bytes());
            keys.entry(record.place.number).or_default().extend(forms);
        }
        Ok(keys)
    }

    async fn name_retention(&self, ended: i32) -> Result<(), GatewayError> {
        for _ in 0..DECISIONS {
            let mut tx = self.store.read(Rights::Sequencer).await?;
            let unnamed = retention::unnamed(&mut tx).await?;
            drop(tx);
            let all = SizeClass::of(unnamed.iter().map(|(_, records)| records).sum());
            let mut leaf = Leaf::new(LeafKind::RetentionApplied, self.now());
            leaf.size_class = Some(all);
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
            let types = unnamed.iter().map(|(record_type, records)| {
                (*record_type, *records, below(SizeClass::of(*records)))
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
pub(super) const fn below(class: SizeClass) -> u64 {
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

pub(super) fn version_of(batch: &Batch) -> Result<ProtocolVersion, StoreError> {
    let row = batch.batch.number();
    let corrupt = StoreError::Corrupt { table: "batch", column: "protocol_version", row };
    ProtocolVersion::new(batch.version).ok_or(corrupt)
}

pub(super) fn event_of(stored: &StoredEvent) -> Result<Event, StoreError> {
    let row = stored.number;
    let corrupt = |CorruptEvent| StoreError::Corrupt { table: "event", column: "body", row };
    let (event, rest) = Event::decode(&stored.body).map_err(corrupt)?;
    if rest.is_empty() { Ok(event) } else { Err(corrupt(CorruptEvent)) }
}

/// The day on which a batch came in, in Europe/London.
pub(super) fn received_on(batch: &Batch) -> Result<i32, StoreError> {
    let row = batch.batch.number();
    let corrupt = |_| StoreError::Corrupt { table: "batch", column: "staged_at", row };
    let at = Timestamp::from_microsecond(batch.received).map_err(corrupt)?;
    let london = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    Ok(epoch_day(at.to_zoned(london).date()))
}

/// The first day of a day's month.
fn month_of(day: i32) -> i32 {
    date_of(day).map_or(day, |day| epoch_day(day.first_of_month()))
}
