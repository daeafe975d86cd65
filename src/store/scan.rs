//! The release builder's pass: persons in stored order, by key range, so that no snapshot
//! is held open for long and memory stays bounded.
//!
//! One row a person: its events' stored forms behind one another, as hexadecimal, which
//! both engines can put together themselves; fetching row by row would cost more than all
//! the counting. What is staged but not accepted, withdrawn, or rests on a consent that
//! was withdrawn or refused is left out here, so that no later code can forget it.

use super::{StoreError, Tx, tx::on};
use crate::domain::{Event, PersonId, SubjectId};

/// How many person numbers a range spans.
pub const RANGE: i64 = 20_000;

/// One person as stored.
#[derive(Debug)]
pub struct StoredPerson {
    /// Its number.
    pub person: PersonId,
    /// The subject whose sealed facts stand for the person, and those facts.
    pub facts: Option<(SubjectId, Vec<u8>)>,
    /// Its events, in the order of their numbers.
    pub events: Vec<Event>,
}

/// The highest person number given out.
///
/// # Errors
/// When it can't be read.
pub async fn last_person(tx: &mut Tx) -> Result<i64, StoreError> {
    let (next,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT next FROM counter WHERE name = 'person'").fetch_one(c).await)?;
    Ok(next - 1)
}

const COUNTED: &str = "e.person_id > $1 AND e.person_id <= $2 \
    AND e.batch_id IN (SELECT batch_id FROM batch WHERE state = 1) \
    AND e.event_number NOT IN (SELECT w.event_number FROM withdrawal w \
        JOIN batch b ON b.batch_id = w.batch_id AND b.state = 1) \
    AND (e.consent_key IS NULL \
        OR e.consent_key NOT IN (SELECT consent_key FROM consent WHERE state > 1))";

/// The persons with numbers above `after` up to `until` that have events, in order.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn persons(tx: &mut Tx, after: i64, until: i64) -> Result<Vec<StoredPerson>, StoreError> {
    let facts = facts(tx, after, until).await?;
    let mut facts = facts.into_iter().peekable();
    let bodies = if tx.is_sqlite() {
        "group_concat(hex(e.body), '')"
    } else {
        "string_agg(encode(e.body, 'hex'), '' ORDER BY e.event_number, e.role)"
    };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT e.person_id, {bodies} FROM event e WHERE {COUNTED} \
         GROUP BY e.person_id ORDER BY e.person_id"
    ));
    let rows: Vec<(i64, String)> =
        on!(tx, c => sqlx::query_as(sql).bind(after).bind(until).fetch_all(c).await)?;
    let mut persons = Vec::with_capacity(rows.len());
    for (person, bodies) in rows {
        while facts.next_if(|(owner, ..)| *owner < person).is_some() {}
        let own = facts.next_if(|(owner, ..)| *owner == person);
        persons.push(StoredPerson {
            person: PersonId::new(person),
            facts: own.map(|(_, subject, sealed)| (SubjectId::new(subject), sealed)),
            events: events(person, &bodies)?,
        });
    }
    Ok(persons)
}

/// One sealed fact a person: that of its oldest subject that has any.
async fn facts(
    tx: &mut Tx,
    after: i64,
    until: i64,
) -> Result<Vec<(i64, i64, Vec<u8>)>, StoreError> {
    Ok(on!(tx, c => sqlx::query_as(
        "SELECT s.person_id, s.subject_id, s.facts FROM subject s \
         JOIN (SELECT person_id, MIN(subject_id) AS oldest FROM subject \
               WHERE person_id > $1 AND person_id <= $2 AND facts IS NOT NULL \
               GROUP BY person_id) o ON o.oldest = s.subject_id \
         ORDER BY s.person_id").bind(after).bind(until).fetch_all(c).await)?)
}

fn events(person: i64, hexadecimal: &str) -> Result<Vec<Event>, StoreError> {
    let corrupt = || StoreError::Corrupt { table: "event", column: "body", row: person };
    let bytes = hex::decode(hexadecimal).map_err(|_| corrupt())?;
    let mut rest = &*bytes;
    let mut events = Vec::with_capacity(bytes.len() / 40 + 1);
    while !rest.is_empty() {
        let (event, after) = Event::decode(rest).map_err(|_| corrupt())?;
        events.push(event);
        rest = after;
    }
    Ok(events)
}
