//! The register of sharing protocols, and the root disclosure policy.

use super::{StoreError, Tx, tx::on};
use crate::domain::ProtocolId;

/// A protocol's line in the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub protocol: ProtocolId,
    /// Its version, from 1 on.
    pub version: u32,
    /// Its life so far, as the protocol room writes it (JSON).
    pub life: String,
    /// When each signature arrived (JSON: key id to microseconds since 1970-01-01 UTC).
    pub arrivals: String,
    /// SHA-256 of its canonical bytes.
    pub digest: [u8; 32],
    /// General JWS JSON with the signatures so far.
    pub document: String,
}

/// A change of the register: the line, and versions it replaces.
#[derive(Debug, Clone)]
pub struct Change {
    /// The new line.
    pub entry: Entry,
    /// The line as it was when this was decided; `None` for a new one. Another act that
    /// changed it in between makes this one fail.
    pub before: Option<Entry>,
    /// A version that this one supersedes, with the life it gets.
    pub superseded: Option<(u32, String)>,
}

/// A root disclosure policy in force.
#[derive(Debug, Clone)]
pub struct RootPolicyEntry {
    /// Its version, from 1 on.
    pub version: u32,
    /// SHA-256 of its canonical bytes.
    pub digest: [u8; 32],
    /// General JWS JSON.
    pub document: String,
    /// When it arrived, microseconds since 1970-01-01 UTC.
    pub arrived: i64,
}

/// A protocol's line without its document: enough to tell whether anything of it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its id.
    pub protocol: ProtocolId,
    /// Its version, from 1 on.
    pub version: u32,
    /// Its life so far.
    pub life: String,
    /// When each signature arrived: with the digest it stands for the very document, which
    /// changes by another signature alone.
    pub arrivals: String,
    /// SHA-256 of its canonical bytes.
    pub digest: [u8; 32],
}

const fn corrupt(table: &'static str, column: &'static str) -> StoreError {
    StoreError::Corrupt { table, column, row: 0 }
}

/// Every line's head, by id and version.
///
/// # Errors
/// When the register can't be read or a line is corrupt.
pub async fn heads(tx: &mut Tx) -> Result<Vec<Head>, StoreError> {
    let rows: Vec<(String, i64, String, String, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT protocol_id, version, life, arrivals, digest FROM protocol \
         ORDER BY protocol_id, version").fetch_all(c).await)?;
    rows.into_iter()
        .map(|(id, version, life, arrivals, digest)| {
            Ok(Head {
                protocol: id.parse().map_err(|_| corrupt("protocol", "protocol_id"))?,
                version: u32::try_from(version).map_err(|_| corrupt("protocol", "version"))?,
                life,
                arrivals,
                digest: digest.try_into().map_err(|_| corrupt("protocol", "digest"))?,
            })
        })
        .collect()
}

/// A line, with its document.
///
/// # Errors
/// When it can't be read.
pub async fn entry(tx: &mut Tx, head: Head) -> Result<Entry, StoreError> {
    let Head { protocol, version, life, arrivals, digest } = head;
    let (document,): (String,) = on!(tx, c => sqlx::query_as(
        "SELECT document FROM protocol WHERE protocol_id = $1 AND version = $2")
        .bind(protocol.as_str()).bind(i64::from(version)).fetch_one(c).await)?;
    Ok(Entry { protocol, version, life, arrivals, digest, document })
}

/// Every line, by id and version.
///
/// # Errors
/// When the register can't be read or a line is corrupt.
pub async fn all(tx: &mut Tx) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for head in heads(tx).await? {
        entries.push(entry(tx, head).await?);
    }
    Ok(entries)
}

pub(super) async fn put(tx: &mut Tx, change: &Change) -> Result<(), StoreError> {
    let entry = &change.entry;
    let rows = match &change.before {
        None => on!(tx, c => sqlx::query(
            "INSERT INTO protocol (protocol_id, version, life, arrivals, digest, document) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING")
            .bind(entry.protocol.as_str()).bind(i64::from(entry.version)).bind(&*entry.life)
            .bind(&*entry.arrivals).bind(entry.digest.to_vec()).bind(&*entry.document)
            .execute(c).await.map(|done| done.rows_affected()))?,
        Some(before) => on!(tx, c => sqlx::query(
            "UPDATE protocol SET life = $1, arrivals = $2, document = $3 \
             WHERE protocol_id = $4 AND version = $5 AND life = $6 AND document = $7")
            .bind(&*entry.life).bind(&*entry.arrivals).bind(&*entry.document)
            .bind(entry.protocol.as_str()).bind(i64::from(entry.version))
            .bind(&*before.life).bind(&*before.document)
            .execute(c).await.map(|done| done.rows_affected()))?,
    };
    super::bulk::touched(rows, 1, "protocol")?;
    if let Some((version, life)) = &change.superseded {
        let rows = on!(tx, c => sqlx::query(
            "UPDATE protocol SET life = $1 WHERE protocol_id = $2 AND version = $3")
            .bind(&**life).bind(entry.protocol.as_str()).bind(i64::from(*version))
            .execute(c).await.map(|done| done.rows_affected()))?;
        super::bulk::touched(rows, 1, "protocol")?;
    }
    Ok(())
}

/// The root disclosure policy in force: the newest version.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn root_policy(tx: &mut Tx) -> Result<Option<RootPolicyEntry>, StoreError> {
    let row: Option<(i64, Vec<u8>, String, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT version, digest, document, arrived FROM root_policy ORDER BY version DESC LIMIT 1")
        .fetch_optional(c).await)?;
    row.map(|(version, digest, document, arrived)| {
        Ok(RootPolicyEntry {
            version: u32::try_from(version).map_err(|_| corrupt("root_policy", "version"))?,
            digest: digest.try_into().map_err(|_| corrupt("root_policy", "digest"))?,
            document,
            arrived,
        })
    })
    .transpose()
}

pub(super) async fn put_root_policy(
    tx: &mut Tx,
    entry: &RootPolicyEntry,
) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "INSERT INTO root_policy (version, digest, document, arrived) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING")
        .bind(i64::from(entry.version)).bind(entry.digest.to_vec()).bind(&*entry.document)
        .bind(entry.arrived).execute(c).await.map(|done| done.rows_affected()))?;
    super::bulk::touched(rows, 1, "root_policy")
}
