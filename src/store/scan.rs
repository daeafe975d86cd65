//! The release builder's pass: persons in stored order, by key range, so that memory
//! stays bounded.
//!
//! One row a person: its events' stored forms behind one another, as hexadecimal, which
//! both engines can put together themselves; fetching row by row would cost more than all
//! the counting. What is staged but not accepted, withdrawn, stopped by a subject's choice, rests
//! on a consent that was withdrawn or refused, or came in a feed that may not serve or under a part
//! of a protocol that was revoked is left out here, so that no later code can forget it.
//!
//! All ranges of a pass are read in one transaction: in two, a batch accepted in between
//! would be counted in part, and a person who was linked to another in between twice or not
//! at all. The stored forms are taken apart by whoever counts, beside the next range's reading.

use super::{StoreError, Tx, consents::Unconsented, error::key16, tx::on};
use crate::domain::{Event, FeedId, PersonId, SubjectId};
use std::fmt::Write;

/// How many person numbers a range spans.
pub const RANGE: i64 = 8_000;

/// How many consents one statement names.
const MOST_NAMED: usize = 4_000;

/// One person as stored.
#[derive(Debug)]
pub struct StoredPerson {
    /// Its number.
    pub person: PersonId,
    /// The subject whose sealed facts stand for the person, and those facts.
    pub facts: Option<(SubjectId, Vec<u8>)>,
    /// The stored forms of its events, hexadecimal.
    bodies: String,
}

impl StoredPerson {
    /// Its events.
    ///
    /// # Errors
    /// When one is corrupt.
    pub fn events(&self) -> Result<Vec<Event>, StoreError> {
        decode(self.person.number(), &self.bodies)
    }
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

/// The condition under which an event counts, for the feeds that may serve.
pub(super) fn counted(feeds: &[FeedId]) -> String {
    // No feed has number 0; the engines differ in what they make of an empty list.
    let mut list = "0".to_owned();
    for feed in feeds {
        // Writing to a String can't fail. Numbers of ours, never input.
        let _ = write!(list, ", {}", feed.number());
    }
    format!(
        "e.batch_id IN (SELECT batch_id FROM batch WHERE state = 1 AND feed_id IN ({list}) \
             AND batch_id NOT IN (SELECT batch_id FROM frozen_batch)) \
         AND e.event_number NOT IN (SELECT w.event_number FROM withdrawal w \
             JOIN batch b ON b.batch_id = w.batch_id AND b.state = 1) \
         AND e.event_number NOT IN (SELECT r.event_number FROM record_stop r \
             JOIN rights_case k ON k.case_id = r.case_id AND k.state = 1) \
         AND (e.consent_key IS NULL \
             OR e.consent_key NOT IN (SELECT consent_key FROM consent WHERE state IN (2, 3)))"
    )
}

/// The persons with numbers above `after` up to `until` that have events in these feeds,
/// in order.
///
/// # Errors
/// When they can't be read.
pub async fn persons(
    tx: &mut Tx,
    feeds: &[FeedId],
    after: i64,
    until: i64,
) -> Result<Vec<StoredPerson>, StoreError> {
    consented_persons(tx, feeds, &Unconsented::default(), after, until).await
}

/// The same without records that lack a consent that counts.
///
/// # Errors
/// When they can't be read.
pub async fn consented_persons(
    tx: &mut Tx,
    feeds: &[FeedId],
    unconsented: &Unconsented,
    after: i64,
    until: i64,
) -> Result<Vec<StoredPerson>, StoreError> {
    let lacking = lacking(tx, unconsented, Some((after, until))).await?;
    if lacking.len() > MOST_NAMED && until - after > 1 {
        // More than a statement should name: by halves. Each is a person's at least.
        let middle = after + (until - after) / 2;
        let first = Box::pin(consented_persons(tx, feeds, unconsented, after, middle));
        let mut persons = first.await?;
        let second = Box::pin(consented_persons(tx, feeds, unconsented, middle, until));
        persons.extend(second.await?);
        return Ok(persons);
    }
    let consented = consented(tx, unconsented, &lacking);
    let facts = facts(tx, after, until).await?;
    let mut facts = facts.into_iter().peekable();
    let (bodies, subjects) = if tx.is_sqlite() {
        ("group_concat(hex(e.body), '')", "group_concat(DISTINCT e.subject_id)")
    } else {
        (
            "string_agg(encode(e.body, 'hex'), '' ORDER BY e.event_number, e.role)",
            "string_agg(DISTINCT e.subject_id::TEXT, ',')",
        )
    };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT e.person_id, {bodies}, {subjects} FROM event e \
         WHERE e.person_id > $1 AND e.person_id <= $2 AND {}{consented} \
         GROUP BY e.person_id ORDER BY e.person_id",
        counted(feeds)
    ));
    let rows: Vec<(i64, String, String)> =
        on!(tx, c => sqlx::query_as(sql).bind(after).bind(until).fetch_all(c).await)?;
    let mut persons = Vec::with_capacity(rows.len());
    for (person, bodies, subjects) in rows {
        while facts.next_if(|(owner, ..)| *owner < person).is_some() {}
        // A date of birth counts only where the identity that gave it has an event that
        // counts: one from a batch never accepted or a consent withdrawn is left out, too.
        let counts = |subject: i64| subjects.split(',').any(|id| id.parse() == Ok(subject));
        let mut own = None;
        while let Some(found) = facts.next_if(|(owner, ..)| *owner == person) {
            if own.is_none() && counts(found.1) {
                own = Some(found);
            }
        }
        persons.push(StoredPerson {
            person: PersonId::new(person),
            facts: own.map(|(_, subject, sealed)| (SubjectId::new(subject), sealed)),
            bodies,
        });
    }
    Ok(persons)
}

/// Every counted event of some feeds that is about a record's principal, in no order: for
/// small feeds, whose records decide something before the pass.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn principal_events(
    tx: &mut Tx,
    feeds: &[FeedId],
    unconsented: &Unconsented,
) -> Result<Vec<Event>, StoreError> {
    let mut own = unconsented.clone();
    own.asked.retain(|feed| feeds.contains(feed));
    own.not_counting.retain(|feed, _| feeds.contains(feed));
    let lacking = lacking(tx, &own, None).await?;
    let consented = consented(tx, &own, &lacking);
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT e.person_id, e.body FROM event e WHERE e.role = 0 AND {}{consented}",
        counted(feeds)
    ));
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(sql).fetch_all(c).await)?;
    rows.into_iter()
        .map(|(person, body)| match Event::decode(&body) {
            Ok((event, [])) => Ok(event),
            _ => Err(corrupt(person)),
        })
        .collect()
}

/// The consents among these persons' records, or all, that are given and don't count for the
/// feed that relies on them.
async fn lacking(
    tx: &mut Tx,
    unconsented: &Unconsented,
    persons: Option<(i64, i64)>,
) -> Result<Vec<(FeedId, [u8; 16])>, StoreError> {
    if unconsented.not_counting.is_empty() {
        return Ok(Vec::new());
    }
    let (after, until) = persons.unwrap_or((i64::MIN, i64::MAX));
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT DISTINCT b.feed_id, e.consent_key FROM event e \
         JOIN batch b ON b.batch_id = e.batch_id AND b.feed_id IN ({}) \
         WHERE e.person_id > $1 AND e.person_id <= $2 AND e.consent_key IS NOT NULL",
        numbers(unconsented.not_counting.keys())
    ));
    let rows: Vec<(i64, Vec<u8>)> =
        on!(tx, c => sqlx::query_as(sql).bind(after).bind(until).fetch_all(c).await)?;
    let mut lacking = Vec::new();
    for (feed, key) in rows {
        let (feed, key) = (FeedId::new(feed), key16(&key, "event", "consent_key")?);
        if unconsented.not_counting.get(&feed).is_some_and(|keys| keys.contains(&key)) {
            lacking.push((feed, key));
        }
    }
    Ok(lacking)
}

/// The condition that leaves them out, and whatever names no given consent where one is asked
/// for. Numbers and keys are ours, never input.
fn consented(tx: &Tx, unconsented: &Unconsented, lacking: &[(FeedId, [u8; 16])]) -> String {
    let mut sql = String::new();
    if unconsented.asked.is_empty() {
        return sql;
    }
    let of = |feeds: &str| {
        format!("e.batch_id IN (SELECT batch_id FROM batch WHERE feed_id IN ({feeds}))")
    };
    // Writing to a String can't fail.
    let _ = write!(
        sql,
        " AND NOT ({} AND (e.consent_key IS NULL \
         OR NOT EXISTS (SELECT 1 FROM consent c \
         WHERE c.consent_key = e.consent_key AND c.state = 1)))",
        of(&numbers(unconsented.asked.iter()))
    );
    let (open, close) = if tx.is_sqlite() { ("X'", "'") } else { ("decode('", "', 'hex')") };
    for feed in unconsented.not_counting.keys() {
        let keys = lacking.iter().filter(|(of, _)| of == feed);
        let keys: Vec<String> =
            keys.map(|(_, key)| format!("{open}{}{close}", hex::encode(key))).collect();
        if !keys.is_empty() {
            let feed = of(&feed.number().to_string());
            let _ = write!(
                sql,
                " AND NOT ({feed} AND e.consent_key IS NOT NULL \
                 AND e.consent_key IN ({}))",
                keys.join(", ")
            );
        }
    }
    sql
}

fn numbers<'a>(feeds: impl Iterator<Item = &'a FeedId>) -> String {
    feeds.map(|feed| feed.number().to_string()).collect::<Vec<_>>().join(", ")
}

/// The sealed facts of each person's subjects that have any, the oldest first.
async fn facts(
    tx: &mut Tx,
    after: i64,
    until: i64,
) -> Result<Vec<(i64, i64, Vec<u8>)>, StoreError> {
    Ok(on!(tx, c => sqlx::query_as(
        "SELECT person_id, subject_id, facts FROM subject \
         WHERE person_id > $1 AND person_id <= $2 AND facts IS NOT NULL \
         ORDER BY person_id, subject_id").bind(after).bind(until).fetch_all(c).await)?)
}

const fn corrupt(person: i64) -> StoreError {
    StoreError::Corrupt { table: "event", column: "body", row: person }
}

fn decode(person: i64, hexadecimal: &str) -> Result<Vec<Event>, StoreError> {
    let bytes = hex::decode(hexadecimal).map_err(|_| corrupt(person))?;
    let mut rest = &*bytes;
    let mut events = Vec::with_capacity(bytes.len() / 40 + 1);
    while !rest.is_empty() {
        let (event, after) = Event::decode(rest).map_err(|_| corrupt(person))?;
        events.push(event);
        rest = after;
    }
    Ok(events)
}
