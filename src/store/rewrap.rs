//! Stored keyed values, table by table, to be wrapped under another version: read in bounded
//! batches in the order of each table's key, and written back.
//!
//! Each row says which version it is of, so that no order of kills, gateways and intake can
//! wrap a value twice or lose sight of one. A row that moved behind the place reached (an
//! event whose person was merged) is found by the last look, and the table is gone through
//! again. What is written back is found by what was read: a row that has gone meanwhile stays
//! gone.

mod people;

pub use people::{
    KeyedEvent, KeyedSubject, RenewedKey, events, renew_events, renew_subjects, subjects,
};

use super::{
    StoreError, Tx,
    bulk::{
        self,
        Column::{Bytes, Integers, OptionalBytes},
    },
    consents,
    error::{counted, key16},
    key_versions::Progress,
    tx::on,
};
use crate::{domain::FeedId, keys::KeyVersion};

/// A table that holds keyed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyedTable {
    /// `consent`: references of consents.
    Consents,
    /// `postcode`: postcodes of the lookup.
    Postcodes,
    /// `sent`: the senders' ids of records.
    Sent,
    /// `subject` and `subject_key`: NHS numbers, identities, match keys, sealed facts.
    Subjects,
    /// `event`: references of consents, cases and providers.
    Events,
    /// `erasure`: ids of records that are to be erased.
    Erasures,
    /// `consent_statement`: references of consents, givers and evidence.
    Statements,
}

impl KeyedTable {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Consents,
        Self::Postcodes,
        Self::Sent,
        Self::Subjects,
        Self::Events,
        Self::Erasures,
        Self::Statements,
    ];

    /// The table that says which version its rows are of.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consents => "consent",
            Self::Postcodes => "postcode",
            Self::Sent => "sent",
            Self::Subjects => "subject",
            Self::Events => "event",
            Self::Erasures => "erasure",
            Self::Statements => "consent_statement",
        }
    }
}

fn number(version: KeyVersion) -> i64 {
    i64::from(version.number())
}

fn size(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// How many rows of a table are of a version.
///
/// # Errors
/// When they can't be read.
pub async fn count(tx: &mut Tx, table: KeyedTable, version: KeyVersion) -> Result<u64, StoreError> {
    let sql = match table {
        KeyedTable::Consents => "SELECT COUNT(*) FROM consent WHERE key_version = $1",
        KeyedTable::Postcodes => "SELECT COUNT(*) FROM postcode WHERE key_version = $1",
        KeyedTable::Sent => "SELECT COUNT(*) FROM sent WHERE key_version = $1",
        KeyedTable::Subjects => "SELECT COUNT(*) FROM subject WHERE key_version = $1",
        KeyedTable::Events => "SELECT COUNT(*) FROM event WHERE key_version = $1",
        KeyedTable::Erasures => "SELECT COUNT(*) FROM erasure WHERE key_version = $1",
        KeyedTable::Statements => "SELECT COUNT(*) FROM consent_statement WHERE key_version = $1",
    };
    let (rows,): (i64,) =
        on!(tx, c => sqlx::query_as(sql).bind(number(version)).fetch_one(c).await)?;
    counted(rows)
}

/// Whether a table has a row of a version: quicker than counting where it has.
///
/// # Errors
/// When it can't be read.
pub async fn any(tx: &mut Tx, table: KeyedTable, version: KeyVersion) -> Result<bool, StoreError> {
    let sql = match table {
        KeyedTable::Consents => "SELECT 1 FROM consent WHERE key_version = $1 LIMIT 1",
        KeyedTable::Postcodes => "SELECT 1 FROM postcode WHERE key_version = $1 LIMIT 1",
        KeyedTable::Sent => "SELECT 1 FROM sent WHERE key_version = $1 LIMIT 1",
        KeyedTable::Subjects => "SELECT 1 FROM subject WHERE key_version = $1 LIMIT 1",
        KeyedTable::Events => "SELECT 1 FROM event WHERE key_version = $1 LIMIT 1",
        KeyedTable::Erasures => "SELECT 1 FROM erasure WHERE key_version = $1 LIMIT 1",
        KeyedTable::Statements => "SELECT 1 FROM consent_statement WHERE key_version = $1 LIMIT 1",
    };
    // Literals differ in their type between the engines; a count is one on both.
    let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM ({sql}) AS found"));
    let (found,): (i64,) =
        on!(tx, c => sqlx::query_as(sql).bind(number(version)).fetch_one(c).await)?;
    Ok(found > 0)
}

/// Whether a private detail is sealed under a version: a sealed form begins with it.
///
/// # Errors
/// When it can't be read.
pub async fn any_detail(tx: &mut Tx, version: KeyVersion) -> Result<bool, StoreError> {
    let begins = version.number().to_be_bytes().to_vec();
    for sql in [
        "SELECT COUNT(*) FROM (SELECT 1 FROM act_detail WHERE substr(sealed, 1, 2) = $1 LIMIT 1) \
         AS found",
        "SELECT COUNT(*) FROM (SELECT 1 FROM batch_detail WHERE substr(sealed, 1, 2) = $1 \
         LIMIT 1) AS found",
    ] {
        let (found,): (i64,) =
            on!(&mut *tx, c => sqlx::query_as(sql).bind(begins.clone()).fetch_one(c).await)?;
        if found > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Consents of a version behind a place.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn consents(
    tx: &mut Tx,
    of: KeyVersion,
    after: &Progress,
    limit: usize,
) -> Result<Vec<consents::Entry>, StoreError> {
    let rows: Vec<consents::Row> = on!(tx, c => sqlx::query_as(
        "SELECT consent_key, state, given_by, recorded_on, notice_version, key_version, serial, \
         given FROM consent \
         WHERE consent_key > $1 AND key_version = $2 ORDER BY consent_key LIMIT $3")
        .bind(after.key.clone()).bind(number(of)).bind(size(limit)).fetch_all(c).await)?;
    rows.into_iter().map(consents::entry).collect()
}

/// Adds copies of consents under another version. Where one was recorded under it meanwhile,
/// the two become one by the rule for two statements of one consent.
///
/// # Errors
/// When they can't be written.
pub async fn copy_consents(tx: &mut Tx, copies: &[consents::Entry]) -> Result<(), StoreError> {
    consents::copy(tx, copies).await
}

/// Removes consents of a version that stand under another as well.
///
/// # Errors
/// When they can't be removed.
pub async fn remove_consents(tx: &mut Tx, keys: &[[u8; 16]]) -> Result<(), StoreError> {
    for key in keys {
        on!(&mut *tx, c => sqlx::query("DELETE FROM consent WHERE consent_key = $1")
            .bind(key.to_vec()).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Keys of postcodes of a version behind a place.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn postcodes(
    tx: &mut Tx,
    of: KeyVersion,
    after: &Progress,
    limit: usize,
) -> Result<Vec<[u8; 16]>, StoreError> {
    let rows: Vec<(Vec<u8>,)> = on!(tx, c => sqlx::query_as(
        "SELECT postcode_key FROM postcode WHERE postcode_key > $1 AND key_version = $2 \
         ORDER BY postcode_key LIMIT $3")
        .bind(after.key.clone()).bind(number(of)).bind(size(limit)).fetch_all(c).await)?;
    rows.into_iter().map(|(key,)| key16(&key, "postcode", "postcode_key")).collect()
}

/// Writes keys of postcodes under another version: each old form with its new.
///
/// # Errors
/// When they can't be written.
pub async fn renew_postcodes(
    tx: &mut Tx,
    to: KeyVersion,
    keys: &[([u8; 16], [u8; 16])],
) -> Result<u64, StoreError> {
    bulk::update(
        tx,
        "postcode",
        &[
            ("postcode_key", Bytes(keys.iter().map(|(_, new)| &new[..]).collect())),
            ("key_version", Integers(vec![number(to); keys.len()])),
        ],
        &[("postcode_key", Bytes(keys.iter().map(|(old, _)| &old[..]).collect()))],
    )
    .await
}

/// Keys of records of a version behind a place.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn sent(
    tx: &mut Tx,
    of: KeyVersion,
    after: &Progress,
    limit: usize,
) -> Result<Vec<(FeedId, [u8; 16])>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT feed_id, record_key FROM sent \
         WHERE (feed_id, record_key) > ($1, $2) AND key_version = $3 \
         ORDER BY feed_id, record_key LIMIT $4")
        .bind(after.place).bind(after.key.clone()).bind(number(of)).bind(size(limit))
        .fetch_all(c).await)?;
    rows.into_iter()
        .map(|(feed, key)| Ok((FeedId::new(feed), key16(&key, "sent", "record_key")?)))
        .collect()
}

/// Writes keys of records under another version: each feed, old form and new.
///
/// # Errors
/// When they can't be written.
pub async fn renew_sent(
    tx: &mut Tx,
    to: KeyVersion,
    keys: &[(FeedId, [u8; 16], [u8; 16])],
) -> Result<u64, StoreError> {
    bulk::update(
        tx,
        "sent",
        &[
            ("record_key", Bytes(keys.iter().map(|(.., new)| &new[..]).collect())),
            ("key_version", Integers(vec![number(to); keys.len()])),
        ],
        &[
            ("feed_id", Integers(keys.iter().map(|(feed, ..)| feed.number()).collect())),
            ("record_key", Bytes(keys.iter().map(|(_, old, _)| &old[..]).collect())),
        ],
    )
    .await
}

/// Keys of records that are to be erased, of a version behind a place.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn erasures(
    tx: &mut Tx,
    of: KeyVersion,
    after: &Progress,
    limit: usize,
) -> Result<Vec<(FeedId, [u8; 16])>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT feed_id, record_key FROM erasure \
         WHERE (feed_id, record_key) > ($1, $2) AND key_version = $3 \
         ORDER BY feed_id, record_key LIMIT $4")
        .bind(after.place).bind(after.key.clone()).bind(number(of)).bind(size(limit))
        .fetch_all(c).await)?;
    rows.into_iter()
        .map(|(feed, key)| Ok((FeedId::new(feed), key16(&key, "erasure", "record_key")?)))
        .collect()
}

/// Writes keys of records that are to be erased under another version. One that was asked for
/// again meanwhile, under that version, stands once.
///
/// # Errors
/// When they can't be written.
pub async fn renew_erasures(
    tx: &mut Tx,
    to: KeyVersion,
    keys: &[(FeedId, [u8; 16], [u8; 16])],
) -> Result<(), StoreError> {
    for (feed, old, new) in keys {
        on!(&mut *tx, c => sqlx::query(
            "UPDATE erasure SET record_key = $1, key_version = $2 \
             WHERE feed_id = $3 AND record_key = $4 AND NOT EXISTS \
             (SELECT 1 FROM erasure e WHERE e.feed_id = $5 AND e.record_key = $6)")
            .bind(new.to_vec()).bind(number(to)).bind(feed.number()).bind(old.to_vec())
            .bind(feed.number()).bind(new.to_vec()).execute(c).await.map(drop))?;
        on!(&mut *tx, c => sqlx::query(
            "DELETE FROM erasure WHERE feed_id = $1 AND record_key = $2")
            .bind(feed.number()).bind(old.to_vec()).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// What is keyed of a statement about a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedStatement {
    /// Its number.
    pub number: i64,
    /// The sender's reference.
    pub consent: [u8; 16],
    /// The sender's reference of the giver.
    pub giver: Option<[u8; 16]>,
    /// The sender's reference of the evidence.
    pub evidence: Option<[u8; 16]>,
}

type KeyedStatementRow = (i64, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

/// Statements about consents of a version behind a place.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn statements(
    tx: &mut Tx,
    of: KeyVersion,
    after: &Progress,
    limit: usize,
) -> Result<Vec<KeyedStatement>, StoreError> {
    let rows: Vec<KeyedStatementRow> = on!(tx, c => sqlx::query_as(
        "SELECT number, consent_key, giver_key, evidence_key FROM consent_statement \
         WHERE number > $1 AND key_version = $2 ORDER BY number LIMIT $3")
        .bind(after.place).bind(number(of)).bind(size(limit)).fetch_all(c).await)?;
    let table = "consent_statement";
    rows.into_iter()
        .map(|(number, consent, giver, evidence)| {
            Ok(KeyedStatement {
                number,
                consent: key16(&consent, table, "consent_key")?,
                giver: giver.map(|key| key16(&key, table, "giver_key")).transpose()?,
                evidence: evidence.map(|key| key16(&key, table, "evidence_key")).transpose()?,
            })
        })
        .collect()
}

/// Writes what is keyed of statements under another version.
///
/// # Errors
/// When they can't be written.
pub async fn renew_statements(
    tx: &mut Tx,
    to: KeyVersion,
    statements: &[KeyedStatement],
) -> Result<u64, StoreError> {
    let all = || statements.iter();
    let optional = |of: fn(&KeyedStatement) -> Option<&[u8; 16]>| {
        OptionalBytes(all().map(|s| of(s).map(|key| &key[..])).collect())
    };
    bulk::update(
        tx,
        "consent_statement",
        &[
            ("consent_key", Bytes(all().map(|s| &s.consent[..]).collect())),
            ("giver_key", optional(|s| s.giver.as_ref())),
            ("evidence_key", optional(|s| s.evidence.as_ref())),
            ("key_version", Integers(vec![number(to); statements.len()])),
        ],
        &[("number", Integers(all().map(|s| s.number).collect()))],
    )
    .await
}
