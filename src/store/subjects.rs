//! Subjects (identities as partners wrote them), their keys, and the persons they make up.

use super::{
    StoreError, Tx, births,
    bulk::{
        self, Among,
        Column::{Bytes, Integers, OptionalBytes},
    },
    error::key16,
    tx::on,
};
use crate::domain::{PersonId, SubjectId};
use std::collections::{BTreeMap, BTreeSet};

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
    /// The key version that all of these are wrapped under, and its facts and comparison sealed.
    pub key_version: u16,
    /// By what it is tied to others.
    pub tie: Tie,
}

/// By what a subject is tied, and what is kept of that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tie {
    /// What it is compared by, sealed; `None` for one that came under earlier rules.
    pub comparison: Option<Vec<u8>>,
    /// The number that its person had when it came.
    pub own_person: Option<PersonId>,
    /// The link to the rest of its person; `None` for the oldest.
    pub link: Option<StoredLink>,
}

/// A link as kept: what a split takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredLink {
    /// The subject that it is tied to.
    pub to: SubjectId,
    /// By which rule.
    pub rule: u8,
    /// Of which version of the rules.
    pub rules: u16,
}

/// A holder of a key: the key, the subject.
pub type Holder = ([u8; 16], SubjectId);

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

/// Lets nobody else link, or wrap stored values anew, until this transaction ends: of two that
/// link side by side neither would see the other's newcomers, and one child could become two. SQLite has one writer
/// anyway.
///
/// # Errors
/// When the lock can't be had.
pub async fn link_alone(tx: &mut Tx) -> Result<(), StoreError> {
    if tx.is_sqlite() {
        return Ok(());
    }
    tx.run("SELECT pg_advisory_xact_lock(7419220531)").await
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
    let rows: Vec<(Vec<u8>, i64, i64)> = bulk::select(
        tx,
        "SELECT k.match_key, s.subject_id, s.person_id FROM subject_key k \
         JOIN subject s ON s.subject_id = k.subject_id WHERE k.match_key",
        None,
        &Among::Keys(fingerprints),
        "AND k.rung = 0",
    )
    .await?;
    let place = |(key, subject, person): (Vec<u8>, i64, i64)| {
        let key = key16(&key, "subject_key", "match_key")?;
        Ok((key, (SubjectId::new(subject), PersonId::new(person))))
    };
    rows.into_iter().map(place).collect()
}

/// The persons that have a subject with one of these keys.
///
/// # Errors
/// When they can't be read.
pub async fn persons_with(tx: &mut Tx, keys: &[[u8; 16]]) -> Result<Vec<PersonId>, StoreError> {
    let rows: Vec<(i64,)> = bulk::select(
        tx,
        "SELECT s.person_id FROM subject_key k \
         JOIN subject s ON s.subject_id = k.subject_id WHERE k.rung < 16 AND k.match_key",
        None,
        &Among::Keys(keys),
        "",
    )
    .await?;
    let persons: BTreeSet<i64> = rows.into_iter().map(|(person,)| person).collect();
    Ok(persons.into_iter().map(PersonId::new).collect())
}

/// The persons that identities make up now.
///
/// # Errors
/// When they can't be read.
pub async fn persons_of(tx: &mut Tx, subjects: &[SubjectId]) -> Result<Vec<PersonId>, StoreError> {
    let numbers: Vec<i64> = subjects.iter().map(|subject| subject.number()).collect();
    let rows: Vec<(i64,)> = bulk::select(
        tx,
        "SELECT person_id FROM subject WHERE subject_id",
        None,
        &Among::Numbers(&numbers),
        "",
    )
    .await?;
    let persons: BTreeSet<i64> = rows.into_iter().map(|(person,)| person).collect();
    Ok(persons.into_iter().map(PersonId::new).collect())
}

/// The subjects that hold keys, each key with each of its holders.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn holders(tx: &mut Tx, keys: &[[u8; 16]]) -> Result<Vec<Holder>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = bulk::select(
        tx,
        "SELECT match_key, subject_id FROM subject_key WHERE match_key",
        None,
        &Among::Keys(keys),
        "AND rung <> 0",
    )
    .await?;
    let holder = |(key, subject): (Vec<u8>, i64)| {
        Ok((key16(&key, "subject_key", "match_key")?, SubjectId::new(subject)))
    };
    rows.into_iter().map(holder).collect()
}

/// subject_id, person_id, nhs, key_version, comparison, own_person, linked_to, link_rule,
/// link_rules.
type SubjectRow = (i64, i64, Option<Vec<u8>>, i64, Option<Vec<u8>>, i64, i64, i64, i64);
/// subject_id, rung, match_key.
type KeyRow = (i64, i64, Vec<u8>);

macro_rules! subjects_by {
    ($column:literal) => {
        concat!(
            "SELECT subject_id, person_id, nhs, key_version, comparison, own_person, linked_to, \
             link_rule, link_rules FROM subject WHERE ",
            $column
        )
    };
}

const OF_PERSONS: &str = subjects_by!("person_id");
const OF_NUMBERS: &str = subjects_by!("subject_id");
const KEYS_OF: &str = "SELECT subject_id, rung, match_key FROM subject_key WHERE subject_id";

/// Every subject of some persons, with its keys, by number.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn of_persons(tx: &mut Tx, persons: &[PersonId]) -> Result<Vec<Subject>, StoreError> {
    let numbers: Vec<i64> = persons.iter().map(|person| person.number()).collect();
    let rows: Vec<SubjectRow> =
        bulk::select(tx, OF_PERSONS, None, &Among::Numbers(&numbers), "").await?;
    let mut found: BTreeMap<i64, Subject> = BTreeMap::new();
    for row in rows {
        found.insert(row.0, subject_of(row)?);
    }
    let numbers: Vec<i64> = found.keys().copied().collect();
    // Apart from the subjects: a row each would carry all of the subject beside every key.
    let keys: Vec<KeyRow> = bulk::select(tx, KEYS_OF, None, &Among::Numbers(&numbers), "").await?;
    for (id, rung, key) in keys {
        let corrupt = StoreError::Corrupt { table: "subject_key", column: "rung", row: id };
        let rung = u8::try_from(rung).map_err(|_| corrupt)?;
        let key = key16(&key, "subject_key", "match_key")?;
        if let Some(subject) = found.get_mut(&id) {
            subject.keys.push((rung, key));
        }
    }
    // In one order on every engine: what is resolved must not hang on how rows come.
    let mut found: Vec<Subject> = found.into_values().collect();
    for subject in &mut found {
        subject.keys.sort_unstable();
    }
    Ok(found)
}

/// Some subjects without their keys, by number: most who are looked at are nobody's kin, and their
/// keys would be most of what is read.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn without_keys(tx: &mut Tx, subjects: &[SubjectId]) -> Result<Vec<Subject>, StoreError> {
    let numbers: Vec<i64> = subjects.iter().map(|subject| subject.number()).collect();
    let rows: Vec<SubjectRow> =
        bulk::select(tx, OF_NUMBERS, None, &Among::Numbers(&numbers), "").await?;
    let mut found: Vec<Subject> = rows.into_iter().map(subject_of).collect::<Result<_, _>>()?;
    found.sort_unstable_by_key(|subject| subject.id);
    Ok(found)
}

fn subject_of(row: SubjectRow) -> Result<Subject, StoreError> {
    let (id, person, nhs, version, comparison, own, to, rule, rules) = row;
    let corrupt = |column| StoreError::Corrupt { table: "subject", column, row: id };
    let link = StoredLink {
        to: SubjectId::new(to),
        rule: u8::try_from(rule).map_err(|_| corrupt("link_rule"))?,
        rules: u16::try_from(rules).map_err(|_| corrupt("link_rules"))?,
    };
    Ok(Subject {
        id: SubjectId::new(id),
        person: PersonId::new(person),
        nhs: nhs.map(|n| key16(&n, "subject", "nhs")).transpose()?,
        keys: Vec::with_capacity(8),
        key_version: u16::try_from(version).map_err(|_| corrupt("key_version"))?,
        tie: Tie {
            comparison,
            own_person: (own != 0).then(|| PersonId::new(own)),
            link: (to != 0).then_some(link),
        },
    })
}

/// Writes the links of subjects anew.
///
/// # Errors
/// When they can't be written.
pub async fn relink(tx: &mut Tx, subjects: &[&Subject]) -> Result<(), StoreError> {
    if subjects.is_empty() {
        return Ok(());
    }
    let [to, rule, rules] = link_columns(&subjects.iter().copied());
    let ids = Integers(subjects.iter().map(|s| s.id.number()).collect());
    let found = bulk::update(
        tx,
        "subject",
        &[("linked_to", to), ("link_rule", rule), ("link_rules", rules)],
        &[("subject_id", ids)],
    )
    .await?;
    bulk::touched(found, subjects.len(), "subject")
}

/// Where each is tied to, by which rule, of which version; 0 for none.
fn link_columns<'a>(
    subjects: &(impl Iterator<Item = &'a Subject> + Clone),
) -> [bulk::Column<'static>; 3] {
    let of = |column: fn(&StoredLink) -> i64| {
        Integers(subjects.clone().map(|s| s.tie.link.as_ref().map_or(0, column)).collect())
    };
    [of(|link| link.to.number()), of(|link| i64::from(link.rule)), of(|link| i64::from(link.rules))]
}

/// Adds subjects with their keys.
///
/// # Errors
/// When they can't be written.
pub async fn insert(tx: &mut Tx, new: &[NewSubject]) -> Result<(), StoreError> {
    let subjects = || new.iter().map(|new| &new.subject);
    let [to, rule, rules] = link_columns(&subjects());
    let comparisons = subjects().map(|s| s.tie.comparison.as_deref()).collect();
    let own = |s: &Subject| s.tie.own_person.map_or(0, PersonId::number);
    bulk::insert_new(
        tx,
        "subject",
        &[
            ("subject_id", Integers(subjects().map(|s| s.id.number()).collect())),
            ("person_id", Integers(subjects().map(|s| s.person.number()).collect())),
            ("nhs", OptionalBytes(subjects().map(|s| s.nhs.as_ref().map(|k| &k[..])).collect())),
            ("facts", OptionalBytes(new.iter().map(|new| new.facts.as_deref()).collect())),
            ("key_version", Integers(subjects().map(|s| i64::from(s.key_version)).collect())),
            ("comparison", OptionalBytes(comparisons)),
            ("own_person", Integers(subjects().map(own).collect())),
            ("linked_to", to),
            ("link_rule", rule),
            ("link_rules", rules),
        ],
    )
    .await?;
    let keys = subjects()
        .flat_map(|s| s.keys.iter().map(|(rung, key)| (key, s.id.number(), i64::from(*rung))));
    // In the order of the tree that they go into: neighbours are written together.
    let mut keys: Vec<(&[u8; 16], i64, i64)> = keys.collect();
    keys.sort_unstable();
    bulk::insert_new(
        tx,
        "subject_key",
        &[
            ("match_key", Bytes(keys.iter().map(|(key, ..)| &key[..]).collect())),
            ("subject_id", Integers(keys.iter().map(|(_, subject, _)| *subject).collect())),
            ("rung", Integers(keys.iter().map(|(.., rung)| *rung).collect())),
        ],
    )
    .await
}

/// Moves subjects between persons, their events with them, and by whose date of birth they were
/// counted. Events are inserted anew and deleted, not updated: a sharded store does not move a row by
/// changing its key.
///
/// # Errors
/// When they can't be written.
pub async fn move_subjects(tx: &mut Tx, moves: &[Move]) -> Result<(), StoreError> {
    for Move { subject, from, to } in moves {
        births::carry(tx, *from).await?;
        let rows = on!(tx, c => sqlx::query(
            "UPDATE subject SET person_id = $1 WHERE subject_id = $2 AND person_id = $3")
            .bind(to.number()).bind(subject.number()).bind(from.number())
            .execute(c).await.map(|done| done.rows_affected()))?;
        bulk::touched(rows, 1, "subject")?;
        if !tx.is_sqlite() {
            // Intake may not read what records say; a function of the owner moves them.
            on!(&mut *tx, c => sqlx::query("SELECT move_events($1, $2, $3)")
                .bind(subject.number()).bind(from.number()).bind(to.number())
                .execute(c).await.map(drop))?;
            continue;
        }
        on!(tx, c => sqlx::query(
            "INSERT INTO event \
             (person_id, event_number, role, subject_id, batch_id, consent_key, body, \
             key_version) \
             SELECT $1, event_number, role, subject_id, batch_id, consent_key, body, key_version \
             FROM event WHERE person_id = $2 AND subject_id = $3")
            .bind(to.number()).bind(from.number()).bind(subject.number())
            .execute(c).await.map(drop))?;
        on!(tx, c => sqlx::query("DELETE FROM event WHERE person_id = $1 AND subject_id = $2")
            .bind(from.number()).bind(subject.number()).execute(c).await.map(drop))?;
    }
    Ok(())
}
