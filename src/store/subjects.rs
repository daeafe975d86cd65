//! Subjects (identities as partners wrote them), their keys, and the persons they make up.

use super::{StoreError, Tx, bulk, error::key16, tx::on};
use crate::domain::{PersonId, SubjectId};
use std::collections::BTreeMap;

/// A subject as kept, with the keys it is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its number.
    pub id: SubjectId,
    /// The person it is resolved to.
    pub person: PersonId,
    /// Pseudonym of its NHS number.
    pub nhs: Option<[u8; 16]>,
    /// Its keys with their rungs; rung 0 is the identity itself.
    pub keys: Vec<(u8, [u8; 16])>,
}

/// A subject to add.
#[derive(Debug)]
pub struct NewSubject {
    /// What is kept of it.
    pub subject: Subject,
    /// Date of birth and sex, sealed.
    pub facts: Option<Vec<u8>>,
}

/// A subject that goes from one person to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The subject.
    pub subject: SubjectId,
    /// Where it was.
    pub from: PersonId,
    /// Where it goes.
    pub to: PersonId,
}

/// Takes numbers for new subjects and returns the first.
///
/// # Errors
/// When they can't be taken.
pub async fn take_subject_numbers(tx: &mut Tx, count: usize) -> Result<i64, StoreError> {
    tx.take_numbers("subject", count).await
}

/// Takes numbers for new persons and returns the first.
///
/// # Errors
/// When they can't be taken.
pub async fn take_person_numbers(tx: &mut Tx, count: usize) -> Result<i64, StoreError> {
    tx.take_numbers("person", count).await
}

/// The subject and person of each identity (rung 0) that is known.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn by_fingerprint(
    tx: &mut Tx,
    fingerprints: &[[u8; 16]],
) -> Result<BTreeMap<[u8; 16], (SubjectId, PersonId)>, StoreError> {
    let mut found = BTreeMap::new();
    for list in bulk::lists(fingerprints) {
        let sql = bulk::within(
            tx.is_sqlite(),
            "SELECT k.match_key, s.subject_id, s.person_id FROM subject_key k \
             JOIN subject s ON s.subject_id = k.subject_id WHERE k.match_key",
            list.len(),
            "AND k.rung = 0",
        );
        let rows: Vec<(Vec<u8>, i64, i64)> = on!(tx, c => {
            let mut query = sqlx::query_as(sql);
            for key in list {
                query = query.bind(key.to_vec());
            }
            query.fetch_all(c).await
        })?;
        for (key, subject, person) in rows {
            let key = key16(&key, "subject_key", "match_key")?;
            found.insert(key, (SubjectId::new(subject), PersonId::new(person)));
        }
    }
    Ok(found)
}

/// The persons that have a subject with one of these keys.
///
/// # Errors
/// When they can't be read.
pub async fn persons_with(tx: &mut Tx, keys: &[[u8; 16]]) -> Result<Vec<PersonId>, StoreError> {
    let mut found = Vec::new();
    for list in bulk::lists(keys) {
        let sql = bulk::within(
            tx.is_sqlite(),
            "SELECT DISTINCT s.person_id FROM subject_key k \
             JOIN subject s ON s.subject_id = k.subject_id WHERE k.match_key",
            list.len(),
            "",
        );
        let rows: Vec<(i64,)> = on!(tx, c => {
            let mut query = sqlx::query_as(sql);
            for key in list {
                query = query.bind(key.to_vec());
            }
            query.fetch_all(c).await
        })?;
        found.extend(rows.into_iter().map(|(person,)| PersonId::new(person)));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// subject_id, person_id, nhs, rung, match_key.
type SubjectRow = (i64, i64, Option<Vec<u8>>, i64, Vec<u8>);

/// Every subject of some persons, with its keys, by number.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn of_persons(tx: &mut Tx, persons: &[PersonId]) -> Result<Vec<Subject>, StoreError> {
    let mut found: BTreeMap<i64, Subject> = BTreeMap::new();
    for list in bulk::lists(persons) {
        let sql = bulk::within(
            tx.is_sqlite(),
            "SELECT s.subject_id, s.person_id, s.nhs, k.rung, k.match_key FROM subject s \
             JOIN subject_key k ON k.subject_id = s.subject_id WHERE s.person_id",
            list.len(),
            "",
        );
        let rows: Vec<SubjectRow> = on!(tx, c => {
            let mut query = sqlx::query_as(sql);
            for person in list {
                query = query.bind(person.number());
            }
            query.fetch_all(c).await
        })?;
        for (id, person, nhs, rung, key) in rows {
            let corrupt = |column| StoreError::Corrupt { table: "subject", column, row: id };
            let nhs = nhs.map(|n| key16(&n, "subject", "nhs")).transpose()?;
            let rung = u8::try_from(rung).map_err(|_| corrupt("rung"))?;
            let key = key16(&key, "subject_key", "match_key")?;
            found
                .entry(id)
                .or_insert_with(|| Subject {
                    id: SubjectId::new(id),
                    person: PersonId::new(person),
                    nhs,
                    keys: Vec::with_capacity(4),
                })
                .keys
                .push((rung, key));
        }
    }
    Ok(found.into_values().collect())
}

/// Adds subjects with their keys.
///
/// # Errors
/// When they can't be written.
pub async fn insert(tx: &mut Tx, new: &[NewSubject]) -> Result<(), StoreError> {
    for chunk in bulk::chunks(new) {
        let columns = &["subject_id", "person_id", "nhs", "facts"];
        let sql = bulk::insert(tx.is_sqlite(), "subject", columns, chunk.len(), "");
        let rows = on!(tx, c => {
            let mut query = sqlx::query(sql);
            for NewSubject { subject, facts } in chunk {
                query = query.bind(subject.id.number()).bind(subject.person.number())
                    .bind(subject.nhs.map(|key| key.to_vec())).bind(facts.as_deref());
            }
            query.execute(c).await.map(|done| done.rows_affected())
        })?;
        bulk::touched(rows, chunk.len(), "subject")?;
    }
    let keys: Vec<([u8; 16], i64, u8)> = new
        .iter()
        .flat_map(|n| n.subject.keys.iter().map(|(rung, key)| (*key, n.subject.id.number(), *rung)))
        .collect();
    for chunk in bulk::chunks(&keys) {
        let columns = &["match_key", "subject_id", "rung"];
        let sql = bulk::insert(tx.is_sqlite(), "subject_key", columns, chunk.len(), "");
        let rows = on!(tx, c => {
            let mut query = sqlx::query(sql);
            for (key, subject, rung) in chunk {
                query = query.bind(key.to_vec()).bind(*subject).bind(i64::from(*rung));
            }
            query.execute(c).await.map(|done| done.rows_affected())
        })?;
        bulk::touched(rows, chunk.len(), "subject_key")?;
    }
    Ok(())
}

/// Moves subjects between persons, their events with them. Events are inserted anew and
/// deleted, not updated: a sharded store does not move a row by changing its key.
///
/// # Errors
/// When they can't be written.
pub async fn move_subjects(tx: &mut Tx, moves: &[Move]) -> Result<(), StoreError> {
    for Move { subject, from, to } in moves {
        let rows = on!(tx, c => sqlx::query(
            "UPDATE subject SET person_id = $1 WHERE subject_id = $2 AND person_id = $3")
            .bind(to.number()).bind(subject.number()).bind(from.number())
            .execute(c).await.map(|done| done.rows_affected()))?;
        bulk::touched(rows, 1, "subject")?;
        on!(tx, c => sqlx::query(
            "INSERT INTO event \
             (person_id, event_number, role, subject_id, batch_id, consent_key, body) \
             SELECT $1, event_number, role, subject_id, batch_id, consent_key, body \
             FROM event WHERE person_id = $2 AND subject_id = $3")
            .bind(to.number()).bind(from.number()).bind(subject.number())
            .execute(c).await.map(drop))?;
        on!(tx, c => sqlx::query("DELETE FROM event WHERE person_id = $1 AND subject_id = $2")
            .bind(from.number()).bind(subject.number()).execute(c).await.map(drop))?;
    }
    Ok(())
}
