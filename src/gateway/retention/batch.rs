//! One batch: looking through it for what is due, and letting that go with all that it left.

use super::KeptFeed;
use crate::{
    audit::{Item, Slot},
    domain::{
        Event, RecordType, SubjectId,
        event::CorruptEvent,
        records::family_case,
        time::{date_of, epoch_day},
    },
    gateway::{Gateway, GatewayError, erase::Wanted, link::facts_cell},
    keys::KeyError,
    linkage::Facts,
    protocol::{End, KeptRecord, ProtocolVersion},
    store::{
        Rights, StoreError, Tx, details, effect,
        erasures::{self, Asked},
        retention::{self, Batch, NEVER, StoredEvent},
        subjects,
    },
};
use jiff::{Timestamp, tz::TimeZone};
use std::collections::BTreeMap;

/// A record whose time is over.
pub(super) struct Due {
    number: i64,
    subjects: Vec<SubjectId>,
    /// Until when its key stays.
    known_until: i32,
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
                // A case may be withdrawn on any day, and counts from it then.
                let again = match (days.closed, days.withdrawn) {
                    (Some(None), None) => kept.keeping.shortest_after_closing().map(|d| today + d),
                    _ => None,
                };
                let next = next.min(again.unwrap_or(NEVER));
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
            withdrawn: Self::withdrawn_on(principal)?,
        })
    }

    /// The day on which a record was withdrawn, if it was.
    pub(super) fn withdrawn_on(of: &StoredEvent) -> Result<Option<i32>, StoreError> {
        let corrupt = StoreError::Corrupt { table: "batch", column: "staged_at", row: of.number };
        of.withdrawn.map(|at| london_day(at).ok_or(corrupt)).transpose()
    }

    pub(super) fn birth_of(&self, of: &StoredEvent) -> Result<Option<i32>, GatewayError> {
        let Some(sealed) = &of.facts else { return Ok(None) };
        let facts = Facts::open(facts_cell(of.subject), &self.keys().sealer, sealed)?;
        Ok(facts.birth.map(|birth| -birth.days_until(0)))
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
        tx.commit().await?;
        Ok(true)
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
