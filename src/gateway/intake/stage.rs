//! Stages an admitted batch: durable, linked, and counted by nobody until it is accepted.

use super::{
    Accepted, Intake, Rejection,
    keyed::{KeyedBatch, KeyedContent, KeyedRecord},
};
use crate::{
    domain::{BatchId, Event, PersonId, SubjectId, field::Rule, time::epoch_day},
    gateway::{GatewayError, link::link},
    store::{
        Rights, Tx,
        feeds::{self, NewBatch},
        records::{self, NewEvent, NewWithdrawal, Sent},
        subjects,
    },
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A staged batch.
pub(super) struct Staged {
    /// Its number.
    pub(super) batch: BatchId,
    /// SHA-256 over the keyed rows that are new, in order.
    pub(super) digest: [u8; 32],
}

/// What a batch adds, once what was sent before is left out.
#[derive(Default)]
struct Additions<'a> {
    new: Vec<(&'a KeyedRecord, &'a KeyedContent)>,
    /// Withdrawals of records that are there.
    withdrawn: Vec<(i64, i32)>,
    /// Withdrawals of records of this very batch: place in `new`, day.
    withdrawn_here: Vec<(usize, i32)>,
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
    accepted: &mut Accepted,
) -> Result<Staged, GatewayError> {
    let gateway = &intake.gateway;
    let mut tx = gateway.store.transact(Rights::Intake).await?;
    subjects::link_alone(&mut tx).await?;
    let additions = sort_out(intake, &mut tx, batch, accepted).await?;
    let digest = digest(&additions);
    let abandoned: Vec<BatchId> = additions.abandoned.iter().copied().collect();
    feeds::abandon(&mut tx, &abandoned).await?;
    records::take_over(&mut tx, intake.feed, &additions.taken_over).await?;
    let number = feeds::stage(
        &mut tx,
        &NewBatch {
            feed: intake.feed,
            extract_day: epoch_day(intake.extract_day),
            digest,
            protocol: intake.permit.protocol().clone(),
            protocol_version: intake.permit.version().number(),
            staged_at: gateway.now(),
            stream: intake.stream,
            records: additions.records(),
        },
    )
    .await?;
    write(intake, &mut tx, number, &additions).await?;
    tx.commit().await?;
    Ok(Staged { batch: number, digest })
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
    accepted: &mut Accepted,
) -> Result<Additions<'a>, GatewayError> {
    let keys: Vec<[u8; 16]> = batch.admitted().map(|record| record.key).collect();
    let sent = records::sent(tx, intake.feed, &keys).await?;
    let numbers: Vec<i64> = sent.values().filter(|s| s.accepted).map(|s| s.event_number).collect();
    let mut gone: BTreeSet<i64> = records::withdrawn(tx, &numbers).await?.into_iter().collect();
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
                    additions.withdrawn.push((sent.event_number, record.known));
                } else {
                    accepted.sent_before += 1;
                }
            }
            (None, None, Some(at)) => {
                if gone_here.insert(*at) {
                    additions.withdrawn_here.push((*at, record.known));
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

/// Writes the rows of a staged batch.
async fn write(
    intake: &Intake,
    tx: &mut Tx,
    batch: BatchId,
    additions: &Additions<'_>,
) -> Result<(), GatewayError> {
    let first = records::take_event_numbers(tx, additions.new.len()).await?;
    let identities: Vec<_> = additions
        .new
        .iter()
        .flat_map(|(_, content)| content.persons.iter().map(|(_, identity)| identity))
        .collect();
    let mut rng = intake.gateway.rng();
    let placed = link(&intake.gateway, tx, &identities, &mut rng).await?;
    let (sent, events) = rows(first, &additions.new, placed);
    records::stage_sent(tx, intake.feed, batch, &sent).await?;
    records::stage_events(tx, batch, &events).await?;
    let numbers: Vec<i64> = (first..).take(additions.new.len()).collect();
    let here = additions
        .withdrawn_here
        .iter()
        .map(|(at, known)| NewWithdrawal { event_number: numbers[*at], known: *known });
    let withdrawals: Vec<NewWithdrawal> = additions
        .withdrawn
        .iter()
        .map(|(event_number, known)| NewWithdrawal { event_number: *event_number, known: *known })
        .chain(here)
        .collect();
    records::stage_withdrawals(tx, batch, &withdrawals).await?;
    Ok(())
}

type SentRow = ([u8; 16], i64);

fn rows(
    first: i64,
    new: &[(&KeyedRecord, &KeyedContent)],
    placed: Vec<(SubjectId, PersonId)>,
) -> (Vec<SentRow>, Vec<NewEvent>) {
    let mut placed = placed.into_iter();
    let mut sent = Vec::with_capacity(new.len());
    let mut events = Vec::with_capacity(new.len());
    for ((record, content), event_number) in new.iter().zip(first..) {
        sent.push((record.key, event_number));
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
            });
        }
    }
    // Rows in the order of their keys: neighbours in the tree are written together.
    sent.sort_unstable();
    events.sort_unstable_by_key(|event| (event.person, event.event_number, event.role));
    (sent, events)
}

fn digest(additions: &Additions<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut body = Vec::new();
    for (record, content) in &additions.new {
        body.clear();
        content.event.encode(&mut body);
        hash.update(record.key);
        hash.update(record.consent.unwrap_or_default());
        hash.update((body.len() as u64).to_be_bytes());
        hash.update(&body);
        for (role, identity) in &content.persons {
            hash.update([role.number()]);
            hash.update(identity.fingerprint.as_bytes());
        }
    }
    for (at, known) in &additions.withdrawn_here {
        hash.update((*at as u64).to_be_bytes());
        hash.update(known.to_be_bytes());
    }
    for (number, known) in &additions.withdrawn {
        hash.update(number.to_be_bytes());
        hash.update(known.to_be_bytes());
    }
    hash.finalize().into()
}
