//! Subjects and their events, to be wrapped and sealed under another version.

use super::{number, size};
use crate::{
    domain::SubjectId,
    keys::KeyVersion,
    store::{
        StoreError, Tx,
        bulk::{
            self, Among,
            Column::{Bytes, Integers, OptionalBytes},
        },
        error::key16,
        key_versions::Progress,
        tx::on,
    },
};
use std::collections::BTreeMap;

/// A subject's key: its rung, its form, and the form that it gets.
pub type RenewedKey = (u8, [u8; 16], [u8; 16]);

/// subject_id, nhs, facts, comparison.
type SubjectRow = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

/// What is keyed or sealed of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedSubject {
    /// Its number.
    pub id: SubjectId,
    /// Pseudonym of its NHS number.
    pub nhs: Option<[u8; 16]>,
    /// Its sealed facts.
    pub facts: Option<Vec<u8>>,
    /// What it is compared by, sealed.
    pub comparison: Option<Vec<u8>>,
    /// Its keys with their rungs; each may get another form in the second place.
    pub keys: Vec<RenewedKey>,
}

/// Subjects of a version behind a place, with their keys in one form twice.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn subjects(
    tx: &mut Tx,
    of: KeyVersion,
    after: &Progress,
    limit: usize,
) -> Result<Vec<KeyedSubject>, StoreError> {
    let rows: Vec<SubjectRow> = on!(&mut *tx, c => sqlx::query_as(
        "SELECT subject_id, nhs, facts, comparison FROM subject \
         WHERE subject_id > $1 AND key_version = $2 ORDER BY subject_id LIMIT $3")
        .bind(after.place).bind(number(of)).bind(size(limit)).fetch_all(c).await)?;
    let ids: Vec<i64> = rows.iter().map(|(id, ..)| *id).collect();
    let among = Among::Numbers(&ids);
    let head = "SELECT subject_id, rung, match_key FROM subject_key WHERE subject_id";
    let found: Vec<(i64, i64, Vec<u8>)> = bulk::select(tx, head, None, &among, "").await?;
    let mut keys: BTreeMap<i64, Vec<RenewedKey>> = BTreeMap::new();
    for (subject, rung, key) in found {
        let corrupt = StoreError::Corrupt { table: "subject_key", column: "rung", row: subject };
        let rung = u8::try_from(rung).map_err(|_| corrupt)?;
        let key = key16(&key, "subject_key", "match_key")?;
        keys.entry(subject).or_default().push((rung, key, key));
    }
    rows.into_iter()
        .map(|(id, nhs, facts, comparison)| {
            let nhs = nhs.map(|nhs| key16(&nhs, "subject", "nhs")).transpose()?;
            let keys = keys.remove(&id).unwrap_or_default();
            Ok(KeyedSubject { id: SubjectId::new(id), nhs, facts, comparison, keys })
        })
        .collect()
}

/// Writes subjects under another version, whole.
///
/// # Errors
/// When they can't be written.
pub async fn renew_subjects(
    tx: &mut Tx,
    to: KeyVersion,
    subjects: &[KeyedSubject],
) -> Result<u64, StoreError> {
    let keys: Vec<_> =
        subjects.iter().flat_map(|s| s.keys.iter().map(move |key| (s.id, key))).collect();
    bulk::update(
        tx,
        "subject_key",
        &[("match_key", Bytes(keys.iter().map(|(_, (_, _, new))| &new[..]).collect()))],
        &[
            ("match_key", Bytes(keys.iter().map(|(_, (_, old, _))| &old[..]).collect())),
            ("subject_id", Integers(keys.iter().map(|(id, _)| id.number()).collect())),
        ],
    )
    .await?;
    let nhs = subjects.iter().map(|s| s.nhs.as_ref().map(|nhs| &nhs[..])).collect();
    bulk::update(
        tx,
        "subject",
        &[
            ("nhs", OptionalBytes(nhs)),
            ("facts", OptionalBytes(subjects.iter().map(|s| s.facts.as_deref()).collect())),
            (
                "comparison",
                OptionalBytes(subjects.iter().map(|s| s.comparison.as_deref()).collect()),
            ),
            ("key_version", Integers(vec![number(to); subjects.len()])),
        ],
        &[("subject_id", Integers(subjects.iter().map(|s| s.id.number()).collect()))],
    )
    .await
}

/// What is keyed of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedEvent {
    /// Its place: person, number, role.
    pub place: (i64, i64, i64),
    /// The consent relied on.
    pub consent: Option<[u8; 16]>,
    /// Its stored form.
    pub body: Vec<u8>,
    /// The key version of both; 0 where it has neither a consent nor a reference.
    pub key_version: u16,
}

type EventRow = (i64, i64, i64, Option<Vec<u8>>, Vec<u8>);

/// Events of a version, from a place on.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn events(
    tx: &mut Tx,
    of: KeyVersion,
    from: &Progress,
    limit: usize,
) -> Result<Vec<KeyedEvent>, StoreError> {
    // From, not behind: one person may have two roles in one record. Rows that were moved are
    // of another version.
    let rows: Vec<EventRow> = on!(tx, c => sqlx::query_as(
        "SELECT person_id, event_number, role, consent_key, body FROM event \
         WHERE (person_id, event_number) >= ($1, $2) AND key_version = $3 \
         ORDER BY person_id, event_number, role LIMIT $4")
        .bind(from.place).bind(from.number).bind(number(of)).bind(size(limit))
        .fetch_all(c).await)?;
    rows.into_iter()
        .map(|(person, number, role, consent, body)| {
            let consent = consent.map(|key| key16(&key, "event", "consent_key")).transpose()?;
            let place = (person, number, role);
            Ok(KeyedEvent { place, consent, body, key_version: of.number() })
        })
        .collect()
}

/// Writes events back.
///
/// # Errors
/// When they can't be written.
pub async fn renew_events(tx: &mut Tx, events: &[KeyedEvent]) -> Result<u64, StoreError> {
    let all = || events.iter();
    bulk::update(
        tx,
        "event",
        &[
            (
                "consent_key",
                OptionalBytes(all().map(|e| e.consent.as_ref().map(|key| &key[..])).collect()),
            ),
            ("body", Bytes(all().map(|e| &*e.body).collect())),
            ("key_version", Integers(all().map(|e| i64::from(e.key_version)).collect())),
        ],
        &[
            ("person_id", Integers(all().map(|e| e.place.0).collect())),
            ("event_number", Integers(all().map(|e| e.place.1).collect())),
            ("role", Integers(all().map(|e| e.place.2).collect())),
        ],
    )
    .await
}
