//! Stages an admitted batch: durable, linked, and counted by nobody until it is accepted.

mod detail;
mod family;
mod known;
mod sort_out;

use super::{
    Accepted, Intake,
    keyed::{KeyedBatch, KeyedContent, KeyedItem, KeyedRecord, Superseded},
    supersede,
};
use crate::{
    audit::{Hash, item::RecordPlace},
    domain::{BatchId, Event, PersonId, Role, SubjectId, time::epoch_day},
    gateway::{
        GatewayError,
        forms::{self, Forms},
        link::link,
        retention::{RecordDays, day_of_birth},
        rights,
    },
    keys::{KeyError, KeysInUse, PseudonymDomain},
    store::{
        Rights, StoreError, Tx, access,
        cases::{self, Dropped, NewDropped, TakenLate},
        details, erasures, families,
        feeds::{self, NewBatch},
        key_versions,
        records::{self, NewEvent, NewWithdrawal},
        subjects,
    },
};
use detail::BatchDetail;
use sort_out::sort_out;
use std::collections::BTreeSet;

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
    dropped: Option<Unused>,
    /// Where its sender sent it first, when it was not used: it is now, the choice having ended.
    late: Option<Dropped>,
}

/// What is kept of a record that is not used: its token, and the days that its end is counted
/// from, covered beside it.
#[derive(Clone, Copy)]
struct Unused {
    token: [u8; 16],
    days: [u8; 16],
}

/// A record that goes: its sender withdrew it, or sent another in its place.
#[derive(Clone, Copy)]
struct Gone<'a> {
    key: &'a [u8; 16],
    /// The day this became known.
    known: i32,
    item: &'a KeyedItem,
}

impl Unused {
    fn of(
        intake: &Intake,
        keys: &KeysInUse,
        record: &KeyedRecord,
        content: &KeyedContent,
    ) -> Result<Self, KeyError> {
        let token = rights::record_token(keys, &record.key)?;
        let births = intake.gateway.counts_from_births(&intake.actor.partner, intake.record_type);
        let principal = content.persons.iter().find(|(role, _)| *role == Role::Principal);
        let birth = principal.filter(|_| births).and_then(|(_, who)| who.facts.birth.as_ref());
        let days = RecordDays::of(&content.event, birth.map(day_of_birth));
        Ok(Self { token, days: days.covered(&keys.pseudonymiser, &token) })
    }
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
    ///
    /// Some were sent before, and not used, of a subject whose choice has ended: they are taken now,
    /// and their sender is told no more than that they were sent before.
    fn records(&self) -> u64 {
        let late = self.new.iter().filter(|new| new.late.is_some()).count();
        (self.new.len() - late + self.withdrawn.len() + self.withdrawn_here.len()) as u64
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
    mark_alike(intake, &mut tx, &additions, keys).await?;
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

/// What takes a record's place is kept from reports to its subject as that is.
async fn mark_alike(
    intake: &Intake,
    tx: &mut Tx,
    additions: &Additions<'_>,
    keys: &KeysInUse,
) -> Result<(), GatewayError> {
    let replaced = additions.new.iter().filter_map(|new| {
        let earlier = new.record.supersedes.as_ref()?;
        Some((&earlier.key, &new.record.key))
    });
    let tokens: Result<Vec<_>, KeyError> = replaced
        .map(|(earlier, later)| {
            Ok((rights::record_token(keys, earlier)?, rights::record_token(keys, later)?))
        })
        .collect();
    Ok(access::mark_alike(tx, intake.feed, &tokens?).await?)
}

/// Gives up a staged batch whose permit no longer holds.
pub(super) async fn abandon(intake: &Intake, batch: BatchId) -> Result<(), GatewayError> {
    let mut tx = intake.gateway.store.transact(Rights::Intake).await?;
    subjects::link_alone(&mut tx).await?;
    match feeds::abandon(&mut tx, &[batch]).await {
        Ok(()) => tx.commit().await?,
        // Only this stream could have accepted it: another one took its rows over, and it is gone.
        Err(StoreError::Unchanged { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
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
    let dropped = tokens.filter_map(|(new, event_number)| {
        let Unused { token, days } = new.dropped?;
        Some(NewDropped { token, event_number, days: Some(days) })
    });
    let dropped: Vec<NewDropped> = dropped.collect();
    cases::stage_dropped(tx, intake.feed, batch, &dropped).await?;
    let late = additions.new.iter().zip(first..).filter_map(|(new, event_number)| {
        let Dropped { batch: of_batch, event_number: of_number, .. } = new.late?;
        Some(TakenLate { event_number, of_batch, of_number })
    });
    let late: Vec<TakenLate> = late.collect();
    cases::stage_late(tx, batch, &late).await?;
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
        let Some(Unused { token, .. }) = new.dropped else { continue };
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
