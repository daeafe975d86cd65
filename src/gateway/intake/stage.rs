//! Stages an admitted batch: durable, linked, and counted by nobody until it is accepted.

use super::{
    Accepted, Intake, Rejection,
    keyed::{KeyedBatch, KeyedContent, KeyedItem, KeyedRecord},
};
use crate::{
    audit::{
        Detail, Hash, Item, KeptDetail, Slot,
        detail::filled,
        item::{RecordItem, RecordPlace},
    },
    domain::{BatchId, Event, PersonId, SubjectId, field::Rule, time::epoch_day},
    gateway::{
        GatewayError,
        forms::{self, Forms},
        link::link,
    },
    keys::{KeysInUse, PseudonymDomain},
    store::{
        Rights, Tx, details,
        feeds::{self, NewBatch},
        key_versions,
        records::{self, NewEvent, NewWithdrawal, Sent},
        subjects,
    },
};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// A staged batch.
pub(super) struct Staged {
    /// Its number.
    pub(super) batch: BatchId,
    /// The commitment to its private detail.
    pub(super) commitment: Hash,
}

/// What a batch adds, once what was sent before is left out.
#[derive(Default)]
struct Additions<'a> {
    new: Vec<(&'a KeyedRecord, &'a KeyedContent)>,
    /// Withdrawals of records that are there, with the records' numbers.
    withdrawn: Vec<(&'a KeyedRecord, i64)>,
    /// Withdrawals of records of this very batch, with their places in `new`.
    withdrawn_here: Vec<(&'a KeyedRecord, usize)>,
    /// Staged by a batch that was never accepted, or was undone: to be taken over.
    taken_over: Vec<[u8; 16]>,
    abandoned: BTreeSet<BatchId>,
}

impl Additions<'_> {
    /// The records and withdrawals of records that it brings.
    fn records(&self) -> u64 {
        (self.new.len() + self.withdrawn.len() + self.withdrawn_here.len()) as u64
    }
}

/// Stages the batch and completes what its sender is told.
pub(super) async fn stage(
    intake: &Intake,
    batch: &KeyedBatch,
    keys: &KeysInUse,
    accepted: &mut Accepted,
) -> Result<Staged, GatewayError> {
    let gateway = &intake.gateway;
    let mut tx = gateway.store.transact(Rights::Intake).await?;
    subjects::link_alone(&mut tx).await?;
    // From here on nobody else stages: what is found below is found under every version that
    // is in use, and what is written is written under the current one.
    if key_versions::number(&mut tx).await? != keys.number() {
        return Err(GatewayError::KeysBehind);
    }
    let additions = sort_out(intake, &mut tx, batch, keys, accepted).await?;
    let detail = BatchDetail::of(&additions, &mut gateway.rng());
    let commitment = detail.commitment()?;
    let abandoned: Vec<BatchId> = additions.abandoned.iter().copied().collect();
    feeds::abandon(&mut tx, &abandoned).await?;
    let taken_over = Forms::of(keys, PseudonymDomain::Record, &additions.taken_over)?;
    records::take_over(&mut tx, intake.feed, taken_over.all()).await?;
    let number = feeds::stage(
        &mut tx,
        &NewBatch {
            feed: intake.feed,
            extract_day: epoch_day(intake.extract_day),
            digest: *commitment.as_bytes(),
            protocol: intake.permit.protocol().clone(),
            protocol_version: intake.permit.version().number(),
            staged_at: gateway.now(),
            stream: intake.stream,
            records: additions.records(),
        },
    )
    .await?;
    let places = write(intake, &mut tx, number, keys, &additions).await?;
    let sealed = gateway.seal_batch(number, &detail.kept(places))?;
    details::stage(&mut tx, number, &sealed).await?;
    tx.commit().await?;
    Ok(Staged { batch: number, commitment })
}

/// Gives up a staged batch whose permit no longer holds.
pub(super) async fn abandon(intake: &Intake, batch: BatchId) -> Result<(), GatewayError> {
    let mut tx = intake.gateway.store.transact(Rights::Intake).await?;
    feeds::abandon(&mut tx, &[batch]).await?;
    tx.commit().await?;
    Ok(())
}

/// Tells new records from those sent before, and withdrawals from both.
async fn sort_out<'a>(
    intake: &Intake,
    tx: &mut Tx,
    batch: &'a KeyedBatch,
    keys: &KeysInUse,
    accepted: &mut Accepted,
) -> Result<Additions<'a>, GatewayError> {
    let records: Vec<[u8; 16]> = batch.admitted().map(|record| record.key).collect();
    let forms = Forms::of(keys, PseudonymDomain::Record, &records)?;
    let sent = records::sent(tx, intake.feed, forms.all()).await?;
    let sent: BTreeMap<[u8; 16], Sent> =
        sent.into_iter().map(|(key, sent)| (forms.current(key), sent)).collect();
    let numbers: Vec<i64> = sent.values().filter(|s| s.accepted).map(|s| s.event_number).collect();
    let mut gone: BTreeSet<i64> = records::withdrawn(tx, &numbers).await?.into_iter().collect();
    // There is nothing left to withdraw of what was let go.
    gone.extend(sent.values().filter(|sent| sent.let_go).map(|sent| sent.event_number));
    let mut here: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    let mut gone_here: BTreeSet<usize> = BTreeSet::new();
    let mut additions = Additions::default();
    for record in batch.admitted() {
        let before = sent.get(&record.key);
        let known = before.filter(|sent| sent.accepted);
        match (&record.content, known, here.get(&record.key)) {
            (Some(_), Some(_), _) | (Some(_), None, Some(_)) => accepted.sent_before += 1,
            (Some(content), None, None) => {
                here.insert(record.key, additions.new.len());
                additions.new.push((record, content));
                take_over(&mut additions, record, before);
            }
            (None, Some(sent), _) => {
                if gone.insert(sent.event_number) {
                    additions.withdrawn.push((record, sent.event_number));
                } else {
                    accepted.sent_before += 1;
                }
            }
            (None, None, Some(at)) => {
                if gone_here.insert(*at) {
                    additions.withdrawn_here.push((record, *at));
                } else {
                    accepted.sent_before += 1;
                }
            }
            (None, None, None) => {
                let rule = Rule::NothingToWithdraw;
                accepted.well_formed -= 1;
                accepted.rejections.push(Rejection {
                    row: record.row,
                    field: "record_id",
                    rule: rule.code(),
                    sentence: rule.sentence(),
                    by_protocol: false,
                });
            }
        }
    }
    accepted.rejections.sort_by_key(|rejection| rejection.row);
    Ok(additions)
}

fn take_over(additions: &mut Additions<'_>, record: &KeyedRecord, before: Option<&Sent>) {
    if let Some(sent) = before {
        additions.taken_over.push(record.key);
        if !sent.undone {
            additions.abandoned.insert(sent.batch);
        }
    }
}

/// Writes the rows of a staged batch, and says where they are, in the order of its items.
async fn write(
    intake: &Intake,
    tx: &mut Tx,
    batch: BatchId,
    keys: &KeysInUse,
    additions: &Additions<'_>,
) -> Result<Vec<RecordPlace>, GatewayError> {
    let first = records::take_event_numbers(tx, additions.new.len()).await?;
    let identities: Vec<_> = additions
        .new
        .iter()
        .flat_map(|(_, content)| content.persons.iter().map(|(_, identity)| identity))
        .collect();
    let mut rng = intake.gateway.rng();
    let placed = link(keys, tx, &identities, &mut rng).await?;
    let mut places = places(first, additions, &placed);
    let version = keys.current().number();
    let (sent, events) = rows(first, &additions.new, placed, version);
    records::stage_sent(tx, intake.feed, batch, &sent, version).await?;
    records::stage_events(tx, batch, &events).await?;
    let numbers: Vec<i64> = (first..).take(additions.new.len()).collect();
    let before = additions.withdrawn.iter().map(|(record, number)| (record, *number));
    let here = additions.withdrawn_here.iter().map(|(record, at)| (record, numbers[*at]));
    let withdrawals: Vec<NewWithdrawal> = before
        .chain(here)
        .map(|(record, event_number)| NewWithdrawal { event_number, known: record.known })
        .collect();
    records::stage_withdrawals(tx, batch, &withdrawals).await?;
    places.extend(
        withdrawals
            .iter()
            .map(|made| RecordPlace { number: made.event_number, subjects: Vec::new() }),
    );
    Ok(places)
}

/// Where each new record is.
fn places(
    first: i64,
    additions: &Additions<'_>,
    placed: &[(SubjectId, PersonId)],
) -> Vec<RecordPlace> {
    let mut placed = placed.iter().map(|(subject, _)| subject.number());
    let new = additions.new.iter().zip(first..);
    new.map(|((_, content), number)| RecordPlace {
        number,
        subjects: placed.by_ref().take(content.persons.len()).collect(),
    })
    .collect()
}

type SentRow = ([u8; 16], i64);

fn rows(
    first: i64,
    new: &[(&KeyedRecord, &KeyedContent)],
    placed: Vec<(SubjectId, PersonId)>,
    version: u16,
) -> (Vec<SentRow>, Vec<NewEvent>) {
    let mut placed = placed.into_iter();
    let mut sent = Vec::with_capacity(new.len());
    let mut events = Vec::with_capacity(new.len());
    for ((record, content), event_number) in new.iter().zip(first..) {
        sent.push((record.key, event_number));
        let keyed = record.consent.is_some() || forms::has_references(&content.event);
        for ((role, _), (subject, person)) in content.persons.iter().zip(placed.by_ref()) {
            let mut body = Vec::with_capacity(48);
            Event { role: *role, ..content.event.clone() }.encode(&mut body);
            events.push(NewEvent {
                person,
                subject,
                event_number,
                role: role.number(),
                consent: record.consent,
                body,
                key_version: if keyed { version } else { 0 },
            });
        }
    }
    // Rows in the order of their keys: neighbours in the tree are written together.
    sent.sort_unstable();
    events.sort_unstable_by_key(|event| (event.person, event.event_number, event.role));
    (sent, events)
}

/// The private detail of a batch: an item for each record that is new or withdrawn.
struct BatchDetail<'a> {
    filling: [u8; 16],
    size: usize,
    /// The records, in the order of their items, with their numbers once they have them.
    records: Vec<&'a KeyedRecord>,
}

impl<'a> BatchDetail<'a> {
    fn of(additions: &Additions<'a>, rng: &mut impl Rng) -> Self {
        let mut filling = [0; 16];
        rng.fill_bytes(&mut filling);
        let new = additions.new.iter().map(|(record, _)| *record);
        let withdrawn = additions.withdrawn.iter().map(|(record, _)| *record);
        let here = additions.withdrawn_here.iter().map(|(record, _)| *record);
        let records: Vec<_> = new.chain(withdrawn).chain(here).collect();
        Self { filling, size: filled(records.len(), false), records }
    }

    fn commitment(&self) -> Result<Hash, GatewayError> {
        let hashes = self.records.iter().map(|record| record.item.hash).collect();
        Ok(Detail::filled_up(hashes, &self.filling, self.size).commitment()?)
    }

    /// What is kept of it, once it is known where each record's rows are.
    fn kept(&self, places: Vec<RecordPlace>) -> KeptDetail {
        let slots = self.records.iter().zip(places).map(|(record, place)| {
            let KeyedItem { salt, key_version, content, .. } = record.item;
            Slot::Open(
                salt,
                Item::Record(RecordItem { key: record.key, key_version, content, place }),
            )
        });
        let size = u32::try_from(self.size).unwrap_or(u32::MAX);
        KeptDetail { filling: self.filling, size, slots: slots.collect() }
    }
}
