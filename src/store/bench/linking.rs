//! Subjects and their keys, filled in bulk and written bare.

use super::{Column, Rows, begin, look};
use crate::store::{Store, StoreError, tx::on};

/// Rows of one transaction while a store is filled.
const FILL_ROWS: usize = 50_000;

/// A subject to write.
#[derive(Debug)]
pub struct BareSubject {
    /// Its number.
    pub subject: i64,
    /// Its person, and the one that it had when it came.
    pub person: [i64; 2],
    /// The pseudonym of its NHS number, its sealed facts, what it is compared by.
    pub sealed: [Option<Vec<u8>>; 3],
    /// To whom it is tied, by which rule, of which version.
    pub link: [i64; 3],
}

/// A key to write: the key, its subject, its rung.
pub type BareKey = ([u8; 16], i64, i64);

const SUBJECT: &[&str] = &[
    "subject_id",
    "person_id",
    "own_person",
    "nhs",
    "facts",
    "comparison",
    "linked_to",
    "link_rule",
    "link_rules",
    "key_version",
];
const SUBJECT_KEY: &[&str] = &["match_key", "subject_id", "rung"];

/// Fills an empty store with subjects, in the order of their numbers: keys are sorted first and the
/// index over subjects is made at the end, so that nothing is written at random.
pub async fn fill_keys(store: &Store, mut keys: Vec<BareKey>) -> Result<(), StoreError> {
    let mut tx = begin(store).await?;
    tx.run("DROP INDEX subject_key_by_subject").await?;
    tx.commit().await?;
    keys.sort_unstable();
    for some in keys.chunks(FILL_ROWS) {
        let mut tx = begin(store).await?;
        key_rows(some).insert(&mut tx).await?;
        tx.commit().await?;
    }
    drop(keys);
    let mut tx = begin(store).await?;
    tx.run("CREATE INDEX subject_key_by_subject ON subject_key (subject_id)").await?;
    tx.commit().await
}

/// Adds subjects without their keys, and lets the next ones be numbered after them.
///
/// # Errors
/// When the engine refuses.
pub async fn fill_subjects(store: &Store, subjects: &[BareSubject]) -> Result<(), StoreError> {
    let mut tx = begin(store).await?;
    subject_rows(subjects).insert(&mut tx).await?;
    for counter in ["subject", "person"] {
        tx.take_numbers(counter, subjects.len()).await?;
    }
    tx.commit().await
}

/// What linking left of the subjects from one number up to another.
#[derive(Debug)]
pub struct Linked(Vec<Rows>);

/// subject_id, person_id, own_person, nhs, facts, comparison, linked_to, link_rule, link_rules.
type SubjectRow = (i64, i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, i64, i64, i64);

/// The rows of the subjects whose numbers lie in a range, its end left out.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn linked(store: &Store, range: std::ops::Range<i64>) -> Result<Linked, StoreError> {
    let mut tx = look(store).await?;
    let subjects: Vec<SubjectRow> = on!(&mut tx, c => sqlx::query_as(
        "SELECT subject_id, person_id, own_person, nhs, facts, comparison, linked_to, link_rule, \
         link_rules FROM subject WHERE subject_id >= $1 AND subject_id < $2 ORDER BY subject_id")
        .bind(range.start).bind(range.end).fetch_all(c).await)?;
    let keys: Vec<(Vec<u8>, i64, i64)> = on!(&mut tx, c => sqlx::query_as(
        "SELECT match_key, subject_id, rung FROM subject_key \
         WHERE subject_id >= $1 AND subject_id < $2 ORDER BY match_key, subject_id")
        .bind(range.start).bind(range.end).fetch_all(c).await)?;
    let key = |key: Vec<u8>| crate::store::error::key16(&key, "subject_key", "match_key");
    let subjects: Vec<BareSubject> = subjects
        .into_iter()
        .map(|(subject, person, own, nhs, facts, comparison, to, rule, rules)| BareSubject {
            subject,
            person: [person, own],
            sealed: [nhs, facts, comparison],
            link: [to, rule, rules],
        })
        .collect();
    let keys: Vec<BareKey> = keys
        .into_iter()
        .map(|(bytes, subject, rung)| Ok((key(bytes)?, subject, rung)))
        .collect::<Result<_, StoreError>>()?;
    Ok(Linked(vec![subject_rows(&subjects), key_rows(&keys)]))
}

/// Writes them in one durable transaction, and nothing else.
///
/// # Errors
/// When the engine refuses.
pub async fn write_linked(store: &Store, linked: &Linked) -> Result<(), StoreError> {
    let mut tx = begin(store).await?;
    for rows in &linked.0 {
        rows.insert(&mut tx).await?;
    }
    tx.commit().await
}

fn subject_rows(subjects: &[BareSubject]) -> Rows {
    let all = || subjects.iter();
    let number = |of: &dyn Fn(&BareSubject) -> i64| Column::Numbers(all().map(of).collect());
    let bytes = |at: usize| Column::Bytes(all().map(|s| s.sealed[at].clone()).collect());
    let columns = vec![
        number(&|s| s.subject),
        number(&|s| s.person[0]),
        number(&|s| s.person[1]),
        bytes(0),
        bytes(1),
        bytes(2),
        number(&|s| s.link[0]),
        number(&|s| s.link[1]),
        number(&|s| s.link[2]),
        Column::Numbers(vec![1; subjects.len()]),
    ];
    Rows::new("subject", SUBJECT, columns)
}

fn key_rows(keys: &[BareKey]) -> Rows {
    let all = || keys.iter();
    let columns = vec![
        Column::Bytes(all().map(|(key, ..)| Some(key.to_vec())).collect()),
        Column::Numbers(all().map(|(_, subject, _)| *subject).collect()),
        Column::Numbers(all().map(|(.., rung)| *rung).collect()),
    ];
    Rows::new("subject_key", SUBJECT_KEY, columns)
}
