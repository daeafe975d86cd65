//! One batch: looking through it for what is due, and letting that go with all that it left.

use super::{
    KeptFeed,
    unused::{RecordDays, day_of_birth},
};
use crate::{
    domain::{
        Event, RecordType, SubjectId,
        event::CorruptEvent,
        time::{date_of, epoch_day},
    },
    gateway::{
        Gateway, GatewayError,
        erase::Wanted,
        link::{facts_cell, resolve_after_erasure},
        rights::stored_forms,
    },
    keys::PseudonymDomain,
    linkage::Facts,
    protocol::{End, KeptRecord, ProtocolVersion},
    store::{
        Rights, StoreError, cases, effect, erasures,
        retention::{self, Batch, NEVER, StoredEvent},
        subjects,
    },
};
use jiff::{Timestamp, tz::TimeZone};

/// A record whose time is over.
pub(super) struct Due {
    number: i64,
    subjects: Vec<SubjectId>,
    /// Until when its key stays.
    known_until: i32,
    /// Its key as a suppression, where it was not used.
    unused: Option<[u8; 16]>,
}

/// What was found in a batch.
pub(super) struct Looked {
    pub(super) due: Vec<Due>,
    /// When the next of it may be due.
    pub(super) next: i32,
}

impl Gateway {
    pub(super) async fn look_through(
        &self,
        batch: &Batch,
        kept: &KeptFeed,
        today: i32,
    ) -> Result<Looked, GatewayError> {
        let mut tx = self.store.read(Rights::Release).await?;
        let events = retention::events_of(&mut tx, batch.batch).await?;
        let unused = cases::unused_of(&mut tx, batch.batch).await?;
        drop(tx);
        let births = kept.record_type.definition().event_is_birth || kept.keeping.asks_for_births();
        let mut looked = Looked { due: Vec::new(), next: NEVER };
        for record in events.chunk_by(|a, b| a.number == b.number) {
            // Roles are in order: the first is the one whom the record is about.
            let Some(principal) = record.first() else { continue };
            let days = self.days_of(batch, principal, births)?;
            let subjects = record.iter().map(|event| event.subject).collect();
            let due = Due { subjects, ..Due::of(principal.number, kept, &days) };
            looked.judge(batch, kept, (&days, births), today, due)?;
        }
        for unused in unused {
            let days = self.unused_days(batch, &unused)?;
            let number = unused.event_number;
            let due = Due { unused: Some(unused.token), ..Due::of(number, kept, &days) };
            looked.judge(batch, kept, (&days, births), today, due)?;
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
        let withdrawn = withdrawn_on(principal.number, principal.withdrawn)?;
        Ok(RecordDays::of(&event, birth).received(received_on(batch)?, withdrawn))
    }

    pub(super) fn birth_of(&self, of: &StoredEvent) -> Result<Option<i32>, GatewayError> {
        let Some(sealed) = &of.facts else { return Ok(None) };
        let facts = Facts::open(facts_cell(of.subject), &self.keys().sealer, sealed)?;
        Ok(facts.birth.as_ref().map(day_of_birth))
    }

    /// Destroys some records of a batch, with all that they left, and counts them; nothing, and
    /// false, where the policy is not that of the epoch any more.
    pub(super) async fn let_go(
        &self,
        batch: &Batch,
        record_type: RecordType,
        epoch: u64,
        due: &[Due],
    ) -> Result<bool, GatewayError> {
        let mut tx = self.store.transact(Rights::Intake).await?;
        if effect::policy_epoch(&mut tx).await? != epoch {
            return Ok(false);
        }
        // Once the day is named its bytes are scrubbed, too. (Of a database that several share its
        // owner does that, on days of its own: what a choice erased is not held up by this.)
        if self.store.is_embedded() {
            cases::owe_scrub(&mut tx).await?;
        }
        // Nobody stages meanwhile: what rests on an identity is then known for certain.
        subjects::link_alone(&mut tx).await?;
        let mut numbers: Vec<i64> = due.iter().map(|due| due.number).collect();
        // What was not used may be since, its subject's choice having ended: it goes, too.
        let late = cases::used_as(&mut tx, &numbers).await?;
        numbers.extend(late.iter().map(|(_, used)| *used));
        let records: Vec<_> = numbers.iter().map(|number| (*number, batch.batch)).collect();
        let keys = self.keys();
        let tokens = self.record_tokens(&mut tx, &keys, batch.feed, &records).await?;
        let mut wanted = Wanted::default();
        wanted.numbers.extend(&numbers);
        wanted.batches.push_back(batch.batch);
        let mut named = self.erase_items(&mut tx, &mut wanted).await?;
        let of_items = named.values().flatten().copied();
        let whom = distinct(of_items.collect(), due.iter().flat_map(|due| &due.subjects));
        let persons = subjects::persons_of(&mut tx, &whom).await?;
        for due in due {
            let known_until = due.known_until;
            if let Some(token) = &due.unused {
                cases::unused_until(&mut tx, batch.feed, token, known_until).await?;
            }
            let late = late.iter().filter(|(of, _)| *of == due.number).map(|(_, used)| used);
            for number in late.chain([&due.number]) {
                let subjects = match named.remove(number) {
                    Some(named) => Some(distinct(named, &due.subjects)),
                    None if *number == due.number => Some(distinct(Vec::new(), &due.subjects)),
                    // Its item is gone: every event is looked through.
                    None => None,
                };
                erasures::erase_record(&mut tx, *number, subjects.as_deref()).await?;
                if let Some(token) = tokens.get(number) {
                    for key in stored_forms(&keys, token, PseudonymDomain::Record)? {
                        let of = (&key, *number);
                        retention::know_until(&mut tx, batch.feed, of, known_until).await?;
                    }
                }
                cases::forget_late(&mut tx, *number).await?;
            }
        }
        resolve_after_erasure(&keys, &mut tx, &persons).await?;
        retention::count(&mut tx, record_type, due.len() as u64).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn distinct<'a>(
    mut some: Vec<SubjectId>,
    more: impl IntoIterator<Item = &'a SubjectId>,
) -> Vec<SubjectId> {
    some.extend(more);
    some.sort_unstable();
    some.dedup();
    some
}

impl Due {
    fn of(number: i64, kept: &KeptFeed, days: &KeptRecord) -> Self {
        let known_until = kept.keeping.may_return_until(days.event);
        Self { number, subjects: Vec::new(), known_until, unused: None }
    }
}

impl Looked {
    /// Takes a record that is due, or notes when it may be. `births`: whether days hang on one.
    fn judge(
        &mut self,
        batch: &Batch,
        kept: &KeptFeed,
        (days, births): (&KeptRecord, bool),
        today: i32,
        due: Due,
    ) -> Result<(), StoreError> {
        let end = kept.keeping.end(days, &batch.protocol, version_of(batch)?);
        if end.is_over(today) {
            self.due.push(due);
        } else if let End::After(last, _) = end {
            let next = last.saturating_add(1);
            let next = if births { month_of(next) } else { next };
            // A case may be withdrawn on any day, and counts from it then.
            let again = match (days.closed, days.withdrawn) {
                (Some(None), None) => kept.keeping.shortest_after_closing().map(|d| today + d),
                _ => None,
            };
            let next = next.min(again.unwrap_or(NEVER));
            self.next = self.next.min(next.max(today + 1));
        }
        Ok(())
    }
}

/// The day on which a record was withdrawn, if it was.
pub(super) fn withdrawn_on(number: i64, at: Option<i64>) -> Result<Option<i32>, StoreError> {
    let corrupt = StoreError::Corrupt { table: "batch", column: "staged_at", row: number };
    at.map(|at| london_day(at).ok_or(corrupt)).transpose()
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
    let corrupt = StoreError::Corrupt { table: "batch", column: "staged_at", row };
    london_day(batch.received).ok_or(corrupt)
}

/// The day of a moment in Europe/London.
fn london_day(micros: i64) -> Option<i32> {
    let at = Timestamp::from_microsecond(micros).ok()?;
    let london = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    Some(epoch_day(at.to_zoned(london).date()))
}

/// The first day of a day's month.
fn month_of(day: i32) -> i32 {
    date_of(day).map_or(day, |day| epoch_day(day.first_of_month()))
}
