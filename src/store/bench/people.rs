//! Persons with everything that a release reads of them: scanned bare, and invented after others.

use super::{
    Many, StoredEvent, StoredSubject,
    batches::{event_rows, event_table},
    begin, look, subjects,
};
use crate::{
    domain::PersonId,
    store::{Store, StoreError, Tx, scan as scan_order, tx::on},
};
use std::collections::BTreeMap;

/// How a bare scan reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// Row by row, as the rows are stored.
    Rows,
    /// With a person's events put together by the engine, as the release's pass has them.
    Joined,
}

/// Reads every event and every sealed fact once, in stored order, by key range as a release
/// does; decodes and decides nothing. Returns the persons and the bytes.
///
/// # Errors
/// When they can't be read.
pub async fn scan(store: &Store, how: Scan) -> Result<(u64, u64), StoreError> {
    let mut tx = look(store).await?;
    let last = scan_order::last_person(&mut tx).await?;
    let (mut persons, mut bytes, mut after) = (0, 0, 0);
    while after < last {
        let until = after.saturating_add(scan_order::RANGE).min(last);
        let facts: Vec<(i64, Vec<u8>)> = on!(&mut tx, c => sqlx::query_as(
            "SELECT person_id, facts FROM subject WHERE person_id > $1 AND person_id <= $2 \
             AND facts IS NOT NULL ORDER BY person_id, subject_id")
            .bind(after).bind(until).fetch_all(c).await)?;
        bytes += facts.iter().map(|(_, facts)| facts.len() as u64).sum::<u64>();
        let (some, of_events) = match how {
            Scan::Rows => rows(&mut tx, after, until).await?,
            Scan::Joined => joined(&mut tx, after, until).await?,
        };
        persons += some;
        bytes += of_events;
        after = until;
    }
    Ok((persons, bytes))
}

/// An event as it is stored.
type EventRow = (i64, i64, i64, i64, i64, Option<Vec<u8>>, Vec<u8>);

async fn rows(tx: &mut Tx, after: i64, until: i64) -> Result<(u64, u64), StoreError> {
    let mut rows: Vec<EventRow> = on!(tx, c => sqlx::query_as(
        "SELECT person_id, event_number, role, subject_id, batch_id, consent_key, body FROM event \
         WHERE person_id > $1 AND person_id <= $2 ORDER BY person_id, event_number, role")
        .bind(after).bind(until).fetch_all(c).await)?;
    let bytes = rows.iter().map(|row| row.6.len() as u64).sum();
    rows.dedup_by_key(|row| row.0);
    Ok((rows.len() as u64, bytes))
}

async fn joined(tx: &mut Tx, after: i64, until: i64) -> Result<(u64, u64), StoreError> {
    let joined = if tx.is_sqlite() {
        "SELECT person_id, group_concat(CAST(body AS TEXT), '') FROM event \
         WHERE person_id > $1 AND person_id <= $2 GROUP BY person_id ORDER BY person_id"
    } else {
        "SELECT person_id, string_agg(body, ''::BYTEA ORDER BY event_number, role) \
         FROM event WHERE person_id > $1 AND person_id <= $2 \
         GROUP BY person_id ORDER BY person_id"
    };
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(joined)
        .bind(after).bind(until).fetch_all(c).await)?;
    Ok((rows.len() as u64, rows.iter().map(|(_, body)| body.len() as u64).sum()))
}

/// A person with everything that a release reads of it.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// Its identity that has sealed facts, or any.
    pub subject: StoredSubject,
    /// Its events.
    pub events: Vec<StoredEvent>,
}

/// Every person of a store, to invent others after.
///
/// # Errors
/// When they can't be read.
pub async fn patterns(store: &Store) -> Result<Vec<Pattern>, StoreError> {
    let mut tx = look(store).await?;
    let mut events: Many<StoredEvent> = BTreeMap::new();
    for event in event_rows(&mut tx).await?.into_values().flatten() {
        events.entry(event.person).or_default().push(event);
    }
    let mut patterns: BTreeMap<i64, Pattern> = BTreeMap::new();
    for subject in subjects::all(&mut tx).await? {
        let Some(own) = events.remove(&subject.person) else {
            // A second identity of a person: its facts count where the first has none.
            if let Some(pattern) = patterns.get_mut(&subject.person)
                && pattern.subject.facts.is_none()
            {
                pattern.subject = subject;
            }
            continue;
        };
        patterns.insert(subject.person, Pattern { subject, events: own });
    }
    Ok(patterns.into_values().collect())
}

/// Loads invented persons: what a release reads, and none of what only intake needs.
///
/// # Errors
/// When they can't be written.
pub async fn load(store: &Store, persons: Vec<Pattern>) -> Result<(), StoreError> {
    let (mut subjects, mut events) = (Vec::with_capacity(persons.len()), Vec::new());
    for person in persons {
        subjects.push(person.subject);
        events.extend(person.events);
    }
    let mut tx = begin(store).await?;
    subjects::table(&subjects).insert(&mut tx).await?;
    event_table(&events).insert(&mut tx).await?;
    tx.commit().await
}

/// The first of `persons` numbers for persons and subjects, and of `events` for events.
///
/// # Errors
/// When they can't be taken.
pub async fn take_numbers(
    store: &Store,
    persons: usize,
    events: usize,
) -> Result<(PersonId, i64, i64), StoreError> {
    let mut tx = begin(store).await?;
    let person = tx.take_numbers("person", persons).await?;
    let subject = tx.take_numbers("subject", persons).await?;
    let event = tx.take_numbers("event", events).await?;
    tx.commit().await?;
    Ok((PersonId::new(person), subject, event))
}
