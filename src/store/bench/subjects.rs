//! Subjects and their keys, with all that linking writes of them.

use super::rows::{Column, Rows};
use crate::store::{StoreError, Tx, error::key16, tx::on};

/// A subject as stored.
#[derive(Debug, Clone)]
pub struct StoredSubject {
    /// Its number.
    pub subject: i64,
    /// Its person.
    pub person: i64,
    /// The person that it had when it came.
    pub own_person: i64,
    /// Pseudonym of its NHS number.
    pub nhs: Option<Vec<u8>>,
    /// Its sealed facts.
    pub facts: Option<Vec<u8>>,
    /// What it is compared by, sealed.
    pub comparison: Option<Vec<u8>>,
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

/// subject_id, person_id, own_person, nhs, facts, comparison, linked_to, link_rule, link_rules.
type Row = (i64, i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, i64, i64, i64);

impl StoredSubject {
    fn of((subject, person, own_person, nhs, facts, comparison, to, rule, rules): Row) -> Self {
        let link = [to, rule, rules];
        Self { subject, person, own_person, nhs, facts, comparison, link }
    }
}

/// Every subject, by number.
pub(super) async fn all(tx: &mut Tx) -> Result<Vec<StoredSubject>, StoreError> {
    between(tx, 0, i64::MAX).await
}

/// Those from one number up to another, its end left out.
pub(super) async fn between(
    tx: &mut Tx,
    from: i64,
    until: i64,
) -> Result<Vec<StoredSubject>, StoreError> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "SELECT subject_id, person_id, own_person, nhs, facts, comparison, linked_to, link_rule, \
         link_rules FROM subject WHERE subject_id >= $1 AND subject_id < $2 ORDER BY subject_id")
        .bind(from).bind(until).fetch_all(c).await)?;
    Ok(rows.into_iter().map(StoredSubject::of).collect())
}

/// Every key, in order.
pub(super) async fn all_keys(tx: &mut Tx) -> Result<Vec<BareKey>, StoreError> {
    keys_between(tx, 0, i64::MAX).await
}

/// The keys of subjects from one number up to another, its end left out, in order.
pub(super) async fn keys_between(
    tx: &mut Tx,
    from: i64,
    until: i64,
) -> Result<Vec<BareKey>, StoreError> {
    let rows: Vec<(Vec<u8>, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT match_key, subject_id, rung FROM subject_key \
         WHERE subject_id >= $1 AND subject_id < $2 ORDER BY match_key, subject_id")
        .bind(from).bind(until).fetch_all(c).await)?;
    let key = |(bytes, subject, rung): (Vec<u8>, i64, i64)| {
        Ok((key16(&bytes, "subject_key", "match_key")?, subject, rung))
    };
    rows.into_iter().map(key).collect()
}

pub(super) fn table(subjects: &[StoredSubject]) -> Rows {
    let all = || subjects.iter();
    let number = |of: fn(&StoredSubject) -> i64| Column::Numbers(all().map(of).collect());
    let columns = vec![
        number(|s| s.subject),
        number(|s| s.person),
        number(|s| s.own_person),
        Column::Bytes(all().map(|s| s.nhs.clone()).collect()),
        Column::Bytes(all().map(|s| s.facts.clone()).collect()),
        Column::Bytes(all().map(|s| s.comparison.clone()).collect()),
        number(|s| s.link[0]),
        number(|s| s.link[1]),
        number(|s| s.link[2]),
        Column::Numbers(vec![1; subjects.len()]),
    ];
    Rows::new("subject", SUBJECT, columns)
}

pub(super) fn key_table(keys: &[BareKey]) -> Rows {
    let all = || keys.iter();
    let columns = vec![
        Column::Bytes(all().map(|(key, ..)| Some(key.to_vec())).collect()),
        Column::Numbers(all().map(|(_, subject, _)| *subject).collect()),
        Column::Numbers(all().map(|(.., rung)| *rung).collect()),
    ];
    Rows::new("subject_key", SUBJECT_KEY, columns)
}
