//! Families: dated edges between subjects, and from subjects to cases.
//!
//! Edges hang on subjects: where the linkage joins or parts persons, they go along without being
//! written. An edge lies beside its record's events and counts by their rule ([`super::scan`]): not
//! once the record is withdrawn, undone, stopped by its subject or without the consent that it rests
//! on; and it goes with them when they are erased or let go.

use super::{
    StoreError, Tx,
    bulk::{
        self, Among,
        Column::{Integers, OptionalBytes, OptionalIntegers},
    },
    counted::Counted,
    error::key16,
    tx::on,
    unconsented::Unconsented,
};
use crate::domain::{BatchId, Event, FeedId, PersonId, SubjectId, family::Tie};
use std::collections::BTreeMap;

/// An edge to stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewEdge {
    /// The record that tells it.
    pub event_number: i64,
    /// From whom.
    pub subject: SubjectId,
    /// To whom; `None` for a case.
    pub other: Option<SubjectId>,
    /// How the one stands to the other.
    pub tie: Tie,
    /// The token of the case; `None` for a person.
    pub case: Option<[u8; 16]>,
    /// From when on, days since 1970-01-01; `None` from birth.
    pub from: Option<i32>,
    /// The first day on which it does not hold any more.
    pub until: Option<i32>,
}

/// A family with a case: its members, each with its parts.
pub type Family = Vec<(PersonId, Tie)>;

/// Stages edges.
///
/// # Errors
/// When they can't be written.
pub async fn stage(tx: &mut Tx, batch: BatchId, edges: &[NewEdge]) -> Result<(), StoreError> {
    let all = || edges.iter();
    let other = |edge: &NewEdge| edge.other.map_or(0, SubjectId::number);
    bulk::insert_new(
        tx,
        "family_edge",
        &[
            ("event_number", Integers(all().map(|e| e.event_number).collect())),
            ("subject_id", Integers(all().map(|e| e.subject.number()).collect())),
            ("other_id", Integers(all().map(other).collect())),
            ("tie", Integers(all().map(|e| i64::from(e.tie.number())).collect())),
            (
                "case_token",
                OptionalBytes(all().map(|e| e.case.as_ref().map(|key| &key[..])).collect()),
            ),
            ("batch_id", Integers(vec![batch.number(); edges.len()])),
            ("from_day", OptionalIntegers(all().map(|e| e.from.map(i64::from)).collect())),
            ("until_day", OptionalIntegers(all().map(|e| e.until.map(i64::from)).collect())),
        ],
    )
    .await
}

/// case_token, person_id, tie, body, item.
type MemberRow = (Vec<u8>, i64, i64, Vec<u8>, String);

/// The families with a case that is open on a day, by records of these feeds that count and were
/// known by another: the members of each, in order.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn with_open_case(
    tx: &mut Tx,
    feeds: &[FeedId],
    day: i32,
    known: i32,
) -> Result<Vec<Family>, StoreError> {
    let counted = Counted::read(tx, feeds, &Unconsented::default()).await?;
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT x.case_token, s.person_id, x.tie, e.body, CAST({} AS TEXT) FROM family_edge x \
         JOIN subject s ON s.subject_id = x.subject_id \
         JOIN event e ON e.person_id = s.person_id AND e.event_number = x.event_number \
         AND e.subject_id = x.subject_id \
         WHERE x.case_token IS NOT NULL AND (x.from_day IS NULL OR x.from_day <= $1) \
         AND (x.until_day IS NULL OR x.until_day > $2) AND {}",
        counted.item(),
        counted.by_person()
    ));
    let rows: Vec<MemberRow> = on!(tx, c => sqlx::query_as(sql)
        .bind(i64::from(day)).bind(i64::from(day)).fetch_all(c).await)?;
    let mut families: BTreeMap<[u8; 16], Family> = BTreeMap::new();
    for (case, person, tie, body, item) in rows {
        if counted.counts(&item)? && is_known(person, &body, known)? {
            let case = key16(&case, "family_edge", "case_token")?;
            families.entry(case).or_default().push((PersonId::new(person), tie_of(tie)?));
        }
    }
    let mut families: Vec<Family> = families.into_values().collect();
    for members in &mut families {
        members.sort_unstable();
        members.dedup();
    }
    families.sort_unstable();
    Ok(families)
}

/// person_id of the one and the other, tie, body, item.
type PairRow = (i64, i64, i64, Vec<u8>, String);

/// Whose parent or carer some persons are on a day, by records of these feeds that count and were
/// known by another: the one, the other, and how the one stands to the other.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn cared_for(
    tx: &mut Tx,
    feeds: &[FeedId],
    persons: &[PersonId],
    day: i32,
    known: i32,
) -> Result<Vec<(PersonId, PersonId, Tie)>, StoreError> {
    let mut found = Vec::new();
    let counted = Counted::read(tx, feeds, &Unconsented::default()).await?;
    for person in persons {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT s.person_id, o.person_id, x.tie, e.body, CAST({} AS TEXT) FROM subject s \
             JOIN family_edge x ON x.subject_id = s.subject_id \
             JOIN subject o ON o.subject_id = x.other_id \
             JOIN event e ON e.person_id = s.person_id AND e.event_number = x.event_number \
             AND e.subject_id = x.subject_id \
             WHERE s.person_id = $1 AND (x.from_day IS NULL OR x.from_day <= $2) \
             AND (x.until_day IS NULL OR x.until_day > $3) AND {}",
            counted.item(),
            counted.by_person()
        ));
        let rows: Vec<PairRow> = on!(&mut *tx, c => sqlx::query_as(sql).bind(person.number())
            .bind(i64::from(day)).bind(i64::from(day)).fetch_all(c).await)?;
        for (one, other, tie, body, item) in rows {
            if counted.counts(&item)? && is_known(one, &body, known)? {
                found.push((PersonId::new(one), PersonId::new(other), tie_of(tie)?));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// How many ties of each kind some records tell.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn ties_of(tx: &mut Tx, numbers: &[i64]) -> Result<BTreeMap<Tie, u64>, StoreError> {
    let rows: Vec<(i64,)> = bulk::select(
        tx,
        "SELECT tie FROM family_edge WHERE event_number",
        None,
        &Among::Numbers(numbers),
        "",
    )
    .await?;
    let mut ties = BTreeMap::new();
    for (tie,) in rows {
        *ties.entry(tie_of(tie)?).or_default() += 1;
    }
    Ok(ties)
}

fn tie_of(number: i64) -> Result<Tie, StoreError> {
    let corrupt = StoreError::Corrupt { table: "family_edge", column: "tie", row: number };
    u8::try_from(number).ok().and_then(Tie::from_number).ok_or(corrupt)
}

/// Whether a record was known by a day, by its event.
fn is_known(person: i64, body: &[u8], by: i32) -> Result<bool, StoreError> {
    let corrupt = StoreError::Corrupt { table: "event", column: "body", row: person };
    let (event, _) = Event::decode(body).map_err(|_| corrupt)?;
    Ok(event.known <= by)
}
