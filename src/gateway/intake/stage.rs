//! Stages an admitted batch: durable, linked, and counted by nobody until it is accepted.

mod detail;
mod family;

use super::{
    Accepted, Intake, Rejection,
    keyed::{KeyedBatch, KeyedContent, KeyedItem, KeyedRecord, Superseded},
    supersede,
};
use crate::{
    audit::{Hash, item::RecordPlace},
    domain::{BatchId, Event, PersonId, Role, SubjectId, field::Rule, time::epoch_day},
    gateway::{
        GatewayError,
        forms::{self, Forms},
        link::link,
        rights::{self, Suppressions},
    },
    keys::{KeysInUse, PseudonymDomain},
    protocol::Choices,
    store::{
        Rights, Tx,
        cases::{self, Dropped},
        details, erasures, families,
        feeds::{self, NewBatch},
        key_versions,
        records::{self, NewEvent, NewWithdrawal, Sent},
        subjects,
    },
};
use detail::BatchDetail;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A staged batch.
pub(super) struct Staged {
    /// Its number.
    pub(super) batch: BatchId,
    /// The commitment to its private detail.
    pub(super) commitment: Hash,
}

/// A record that a batch adds.
struct New<'a> {
    record: &'a KeyedRecord,
    content: &'a KeyedContent,
    /// `Some` where it names a subject who has made a choice that binds the flow: nothing of it
    /// is kept but this, by which it is known that it was sent.
    dropped: Option<[u8; 16]>,
}

/// A record that goes: its sender withdrew it, or sent another in its place.
#[derive(Clone, Copy)]
struct Gone<'a> {
    key: &'a [u8; 16],
    /// The day this became known.
    known: i32,
    item: &'a KeyedItem,
}

impl<'a> Gone<'a> {
    const fn withdrawn(record: &'a KeyedRecord) -> Self {
        Self { key: &record.key, known: record.known, item: &record.item }
    }

    const fn superseded(by: &KeyedRecord, earlier: &'a Superseded) -> Self {
        Self { key: &earlier.key, known: by.known, item: &earlier.item }
    }
}

/// What a batch adds, once what was sent before is left out.
#[derive(Default)]
struct Additions<'a> {
    new: Vec<New<'a>>,
    /// How many of these were sent before, and not used, of a subject whose choice has ended:
    /// they are taken now, and their sender is told no more than that they were sent before.
    taken_late: usize,
    /// Withdrawals of records that are there, with the records' numbers.
    withdrawn: Vec<(Gone<'a>, i64)>,
    /// Withdrawals of records of this very batch, with their places in `new`.
    withdrawn_here: Vec<(Gone<'a>, usize)>,
    /// Staged by a batch that was never accepted, or was undone: to be taken over.
    taken_over: Vec<[u8; 16]>,
    /// The same of records that were not used, by their tokens.
    forgotten: Vec<[u8; 16]>,
    abandoned: BTreeSet<BatchId>,
    /// By what persons are known again who have made a choice, whether it binds here or not.
    chosen: Vec<Vec<[u8; 16]>>,
}

impl Additions<'_> {
    /// The records and withdrawals of records that it brings.
    fn records(&self) -> u64 {
        (self.new.len() - self.taken_late + self.withdrawn.len() + self.withdrawn_here.len()) as u64
    }
}

/// Stages the batch and completes what its sender is told.
pub(super) async fn stage(
    intake: &Intake,
    batch: &mut KeyedBatch,
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
    supersede::inherit(intake, &mut tx, batch, keys).await?;
    let additions = sort_out(intake, &mut tx, batch, keys, accepted).await?;
    let detail = BatchDetail::of(&additions, &mut gateway.rng());
    let commitment = detail.commitment()?;
    let abandoned: Vec<BatchId> = additions.abandoned.iter().copied().collect();
    feeds::abandon(&mut tx, &abandoned).await?;
    let taken_over = Forms::of(keys, PseudonymDomain::Record, &additions.taken_over)?;
    records::take_over(&mut tx, intake.feed, taken_over.all()).await?;
    cases::forget_dropped(&mut tx, intake.feed, &additions.forgotten).await?;
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
    // What stands in place of an item that was not kept is named among the day's erasures.
    erasures::note(&mut tx, number, &detail.left_out).await?;
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

/// What the store knows of a batch's records.
struct Known {
    sent: BTreeMap<[u8; 16], Sent>,
    dropped: BTreeMap<[u8; 16], Dropped>,
    suppressions: Arc<Suppressions>,
}

impl Known {
    async fn read(
        intake: &Intake,
        tx: &mut Tx,
        batch: &KeyedBatch,
        keys: &KeysInUse,
    ) -> Result<Self, GatewayError> {
        let named = |record: &KeyedRecord| {
            [Some(record.key), record.supersedes.as_ref().map(|earlier| earlier.key)]
        };
        let records: Vec<[u8; 16]> = batch.admitted().flat_map(named).flatten().collect();
        let forms = Forms::of(keys, PseudonymDomain::Record, &records)?;
        let sent = records::sent(tx, intake.feed, forms.all()).await?;
        let sent = sent.into_iter().map(|(key, sent)| (forms.current(key), sent)).collect();
        let suppressions = intake.gateway.suppressions(tx).await?;
        let dropped = match suppressions.never() {
            true => BTreeMap::new(),
            false => intake.gateway.dropped(tx, keys, intake.feed, &records).await?,
        };
        Ok(Self { sent, dropped, suppressions })
    }

    /// The number of a record that an accepted batch brought.
    fn accepted(&self, key: &[u8; 16]) -> Option<i64> {
        let sent = self.sent.get(key).filter(|sent| sent.accepted);
        let dropped = self.dropped.get(key).filter(|dropped| dropped.accepted);
        sent.map(|sent| sent.event_number).or(dropped.map(|dropped| dropped.event_number))
    }

    /// The numbers of all of these.
    fn numbers(&self) -> Vec<i64> {
        let keys: BTreeSet<&[u8; 16]> = self.sent.keys().chain(self.dropped.keys()).collect();
        keys.into_iter().filter_map(|key| self.accepted(key)).collect()
    }

    /// Whether an accepted batch brought it and its content was not used.
    fn is_unused(&self, key: &[u8; 16]) -> bool {
        self.dropped.get(key).is_some_and(|dropped| dropped.accepted)
            && self.sent.get(key).is_none_or(|sent| !sent.accepted)
    }
}

/// Tells new records from those sent before, and withdrawals from both.
async fn sort_out<'a>(
    intake: &Intake,
    tx: &mut Tx,
    batch: &'a KeyedBatch,
    keys: &KeysInUse,
    accepted: &mut Accepted,
) -> Result<Additions<'a>, GatewayError> {
    let known = Known::read(intake, tx, batch, keys).await?;
    let numbers = known.numbers();
    let mut gone: BTreeSet<i64> = records::withdrawn(tx, &numbers).await?.into_iter().collect();
    // There is nothing left to withdraw of what was let go.
    gone.extend(known.sent.values().filter(|sent| sent.let_go).map(|sent| sent.event_number));
    let mut here: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    let mut gone_here: BTreeSet<usize> = BTreeSet::new();
    let mut additions = Additions::default();
    for record in batch.admitted() {
        let before = known.accepted(&record.key);
        match (&record.content, before, here.get(&record.key)) {
            (Some(content), Some(number), None) => {
                accepted.sent_before += 1;
                let unused = known.is_unused(&record.key) && !gone.contains(&number);
                if unused && !is_bound(intake, &known, keys, content, &mut additions)? {
                    here.insert(record.key, additions.new.len());
                    additions.new.push(New { record, content, dropped: None });
                    additions.taken_late += 1;
                    take_over(&mut additions, record, &known);
                }
            }
            (Some(_), _, Some(_)) => accepted.sent_before += 1,
            (Some(_), None, None)
                if record.supersedes.as_ref().is_some_and(|earlier| {
                    // Nor of what is gone, used or not: two corrections of one record would count.
                    match (known.accepted(&earlier.key), here.get(&earlier.key)) {
                        (_, Some(at)) => gone_here.contains(at),
                        (Some(number), None) => gone.contains(&number),
                        (None, None) => true,
                    }
                }) =>
            {
                refuse_row(record, accepted, ("supersedes", Rule::NothingToSupersede));
            }
            (Some(content), None, None) => {
                let (gone, here_gone) = (&mut gone, &mut gone_here);
                let_go_of_earlier(&mut additions, record, &known, &here, gone, here_gone);
                here.insert(record.key, additions.new.len());
                let bound = is_bound(intake, &known, keys, content, &mut additions)?;
                let token = || rights::record_token(keys, &record.key);
                let dropped = if bound { Some(token()?) } else { None };
                additions.new.push(New { record, content, dropped });
                take_over(&mut additions, record, &known);
                if let Some(left) = known.dropped.get(&record.key) {
                    additions.forgotten.push(rights::record_token(keys, &record.key)?);
                    if !left.undone {
                        additions.abandoned.insert(left.batch);
                    }
                }
            }
            // Also of one that was sent before and is taken now: what is taken is what goes.
            (None, _, Some(at)) => {
                if gone_here.insert(*at) {
                    additions.withdrawn_here.push((Gone::withdrawn(record), *at));
                } else {
                    accepted.sent_before += 1;
                }
            }
            (None, Some(number), None) => {
                if gone.insert(number) {
                    additions.withdrawn.push((Gone::withdrawn(record), number));
                } else {
                    accepted.sent_before += 1;
                }
            }
            (None, None, None) => {
                refuse_row(record, accepted, ("record_id", Rule::NothingToWithdraw));
            }
        }
    }
    accepted.rejections.sort_by_key(|rejection| rejection.row);
    Ok(additions)
}

/// The record whose place this one takes goes, unless it is gone already.
fn let_go_of_earlier<'a>(
    additions: &mut Additions<'a>,
    record: &'a KeyedRecord,
    known: &Known,
    here: &BTreeMap<[u8; 16], usize>,
    gone: &mut BTreeSet<i64>,
    gone_here: &mut BTreeSet<usize>,
) {
    let Some(earlier) = &record.supersedes else { return };
    let goes = Gone::superseded(record, earlier);
    match (known.accepted(&earlier.key), here.get(&earlier.key)) {
        // Also of one that was sent before and is taken now: what is taken is what goes.
        (_, Some(at)) if gone_here.insert(*at) => additions.withdrawn_here.push((goes, *at)),
        (Some(number), None) if gone.insert(number) => additions.withdrawn.push((goes, number)),
        _ => {}
    }
}

fn refuse_row(record: &KeyedRecord, accepted: &mut Accepted, (field, rule): (&'static str, Rule)) {
    accepted.well_formed -= 1;
    accepted.rejections.push(Rejection {
        row: record.row,
        field,
        rule: rule.code(),
        sentence: rule.sentence(),
        by_protocol: false,
    });
}

/// Whether somebody whom the record names has made a choice that binds the stream's flow. Its
/// sender is told what it would be told otherwise.
fn is_bound(
    intake: &Intake,
    known: &Known,
    keys: &KeysInUse,
    content: &KeyedContent,
    additions: &mut Additions<'_>,
) -> Result<bool, GatewayError> {
    if known.suppressions.is_empty() {
        return Ok(false);
    }
    let persons = rights::known_again(keys, &content.persons)?;
    let chosen = known.suppressions.chosen(&persons);
    if chosen != Choices::default() {
        additions.chosen.extend(persons);
    }
    Ok(chosen.meets(intake.permit.choices()))
}

fn take_over(additions: &mut Additions<'_>, record: &KeyedRecord, known: &Known) {
    if let Some(sent) = known.sent.get(&record.key) {
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
    let used = additions.new.iter().filter(|new| new.dropped.is_none());
    let identities: Vec<_> =
        used.flat_map(|new| new.content.persons.iter().map(|(_, identity)| identity)).collect();
    let mut rng = intake.gateway.rng();
    let placed = link(keys, tx, &identities, &mut rng).await?;
    let mut places = places(first, additions, &placed);
    let edges = family::edges(keys, first, &additions.new, &placed)?;
    let version = keys.current().number();
    let (sent, events) = rows(first, &additions.new, placed, version);
    let tokens = additions.new.iter().zip(first..);
    let dropped: Vec<SentRow> =
        tokens.filter_map(|(new, number)| Some((new.dropped?, number))).collect();
    cases::stage_dropped(tx, intake.feed, batch, &dropped).await?;
    records::stage_sent(tx, intake.feed, batch, &sent, version).await?;
    records::stage_events(tx, batch, &events).await?;
    families::stage(tx, batch, &edges).await?;
    // After the events: what is learnt in one row of a batch stops others of the same batch.
    note_choices(intake, tx, keys, additions).await?;
    let numbers: Vec<i64> = (first..).take(additions.new.len()).collect();
    let before = additions.withdrawn.iter().map(|(gone, number)| (gone, *number));
    let here = additions.withdrawn_here.iter().map(|(gone, at)| (gone, numbers[*at]));
    let withdrawals: Vec<NewWithdrawal> = before
        .chain(here)
        .map(|(gone, event_number)| NewWithdrawal { event_number, known: gone.known })
        .collect();
    records::stage_withdrawals(tx, batch, &withdrawals).await?;
    places.extend(
        withdrawals
            .iter()
            .map(|made| RecordPlace { number: made.event_number, subjects: Vec::new() }),
    );
    Ok(places)
}

/// Adds what the batch tells of those who have chosen to their cases, and keeps which of these
/// each record was not used because of.
async fn note_choices(
    intake: &Intake,
    tx: &mut Tx,
    keys: &KeysInUse,
    additions: &Additions<'_>,
) -> Result<(), GatewayError> {
    if additions.chosen.is_empty() {
        return Ok(());
    }
    let by = intake.gateway.binding_by(tx, &additions.chosen).await?;
    intake.gateway.learn(tx, keys, &additions.chosen, &by).await?;
    let mut dropped_by: Vec<([u8; 16], i64)> = Vec::new();
    for new in &additions.new {
        let Some(token) = new.dropped else { continue };
        let persons = rights::known_again(keys, &new.content.persons)?;
        let cases = persons.iter().flatten().filter_map(|token| by.get(token)).flatten();
        dropped_by.extend(cases.map(|case| (token, *case)));
    }
    dropped_by.sort_unstable();
    dropped_by.dedup();
    Ok(cases::stage_dropped_by(tx, intake.feed, &dropped_by).await?)
}

/// Where each new record is.
fn places(
    first: i64,
    additions: &Additions<'_>,
    placed: &[(SubjectId, PersonId)],
) -> Vec<RecordPlace> {
    let mut placed = placed.iter().map(|(subject, _)| subject.number());
    let new = additions.new.iter().zip(first..);
    new.map(|(new, number)| {
        let persons = if new.dropped.is_none() { new.content.persons.len() } else { 0 };
        let mut subjects: Vec<i64> = placed.by_ref().take(persons).collect();
        if new.dropped.is_none() && subjects.is_empty() {
            subjects.push(SubjectId::NOBODY.number());
        }
        RecordPlace { number, subjects }
    })
    .collect()
}

type SentRow = ([u8; 16], i64);

fn rows(
    first: i64,
    new: &[New<'_>],
    placed: Vec<(SubjectId, PersonId)>,
    version: u16,
) -> (Vec<SentRow>, Vec<NewEvent>) {
    let mut placed = placed.into_iter();
    let mut sent = Vec::with_capacity(new.len());
    let mut events = Vec::with_capacity(new.len());
    let used = new.iter().zip(first..).filter(|(new, _)| new.dropped.is_none());
    for (New { record, content, .. }, event_number) in used {
        sent.push((record.key, event_number));
        let keyed = record.consent.is_some() || forms::has_references(&content.event);
        let mut push = |role: Role, (subject, person)| {
            let mut body = Vec::with_capacity(48);
            Event { role, ..content.event.clone() }.encode(&mut body);
            events.push(NewEvent {
                person,
                subject,
                event_number,
                role: role.number(),
                consent: record.consent,
                body,
                key_version: if keyed { version } else { 0 },
            });
        };
        for ((role, _), place) in content.persons.iter().zip(placed.by_ref()) {
            push(*role, place);
        }
        if content.persons.is_empty() {
            // What is about nobody hangs on a person who is nobody: no pass over the persons
            // comes there.
            push(Role::Principal, (SubjectId::NOBODY, PersonId::NOBODY));
        }
    }
    // Rows in the order of their keys: neighbours in the tree are written together.
    sent.sort_unstable();
    events.sort_unstable_by_key(|event| (event.person, event.event_number, event.role));
    (sent, events)
}
