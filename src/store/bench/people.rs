//! Persons with everything that a release reads of them: scanned bare, and invented after others.

use super::{
    Many, StoredEvent, StoredSubject,
    batches::{event_rows, event_table},
    begin, look, subjects,
};
use crate::{
    domain::PersonId,
    store::{Store, StoreError, scan as scan_order, tx::on},
};
use std::collections::BTreeMap;

/// Reads every event and every sealed fact once, in stored order, by key range as a release
/// does, joining a person's events into one row; decodes and decides nothing. Returns the
/// persons and the bytes.
///
/// # Errors
/// When they can't be read.
pub async fn scan(store: &Store) -> Result<(u64, u64), StoreError> {
    let mut tx = look(store).await?;
    let last = scan_order::last_person(&mut tx).await?;
    let joined = if tx.is_sqlite() {
        "SELECT person_id, group_concat(hex(body), '') FROM event \
         WHERE person_id > $1 AND person_id <= $2 GROUP BY person_id ORDER BY person_id"
    } else {
        "SELECT person_id, string_agg(encode(body, 'hex'), '' ORDER BY event_number, role) \
         FROM event WHERE person_id > $1 AND person_id <= $2 \
         GROUP BY person_id ORDER BY person_id"
    };
    let (mut persons, mut bytes, mut after) = (0, 0, 0);
    while after < last {
        let until = after.saturating_add(scan_order::RANGE).min(last);
        let facts: Vec<(i64, Vec<u8>)> = on!(&mut tx, c => sqlx::query_as(
            "SELECT person_id, facts FROM subject WHERE person_id > $1 AND person_id <= $2 \
             AND facts IS NOT NULL ORDER BY person_id, subject_id")
            .bind(after).bind(until).fetch_all(c).await)?;
        let bodies: Vec<(i64, String)> = on!(&mut tx, c => sqlx::query_as(joined)
            .bind(after).bind(until).fetch_all(c).await)?;
        persons += bodies.len() as u64;
        bytes += facts.iter().map(|(_, facts)| facts.len() as u64).sum::<u64>();
        bytes += bodies.iter().map(|(_, body)| body.len() as u64 / 2).sum::<u64>();
        after = until;
    }
    Ok((persons, bytes))
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
