//! Dated geographies and the postcode lookup, whose keys are pseudonyms.

use super::{
    StoreError, Tx,
    bulk::{
        self,
        Column::{Bytes, Integers},
    },
    error::key16,
    tx::on,
};
use std::collections::BTreeMap;

/// A geography as loaded.
#[derive(Debug, Clone)]
pub struct Entry {
    /// First day from which it holds, days since 1970-01-01.
    pub valid_from: i32,
    /// Its areas as JSON.
    pub json: String,
}

/// Part of the postcode lookup, to be loaded.
#[derive(Debug, Clone)]
pub struct PostcodeRows {
    /// Keys, all of one key version, and numbers of LSOAs.
    pub rows: Vec<([u8; 16], u32)>,
    /// That version.
    pub key_version: u16,
    /// The same postcodes' keys under other versions, which go.
    pub replaced: Vec<[u8; 16]>,
}

/// A postcode as kept: its key, the version that the key is wrapped under, and the number of
/// its LSOA.
pub type PostcodeRow = ([u8; 16], u16, u32);

/// Every geography's version and first day, in the order loaded. None ever changes.
///
/// # Errors
/// When they can't be read.
pub async fn versions(tx: &mut Tx) -> Result<Vec<(u32, i32)>, StoreError> {
    let rows: Vec<(i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT version, valid_from FROM geography ORDER BY version").fetch_all(c).await)?;
    rows.into_iter()
        .map(|(version, valid_from)| {
            let corrupt = |column| StoreError::Corrupt { table: "geography", column, row: version };
            Ok((
                u32::try_from(version).map_err(|_| corrupt("version"))?,
                i32::try_from(valid_from).map_err(|_| corrupt("valid_from"))?,
            ))
        })
        .collect()
}

/// A geography's areas as JSON.
///
/// # Errors
/// When they can't be read.
pub async fn document(tx: &mut Tx, version: u32) -> Result<String, StoreError> {
    let (json,): (String,) = on!(tx, c => sqlx::query_as(
        "SELECT document FROM geography WHERE version = $1")
        .bind(i64::from(version)).fetch_one(c).await)?;
    Ok(json)
}

pub(super) async fn put(tx: &mut Tx, entry: &Entry) -> Result<u32, StoreError> {
    let (version,): (i64,) = on!(tx, c => sqlx::query_as(
        "INSERT INTO geography (version, valid_from, document) \
         SELECT COALESCE(MAX(version), 0) + 1, $1, $2 FROM geography RETURNING version")
        .bind(i64::from(entry.valid_from)).bind(&*entry.json).fetch_one(c).await)?;
    u32::try_from(version).map_err(|_| StoreError::Range)
}

pub(super) async fn put_postcodes(tx: &mut Tx, new: &PostcodeRows) -> Result<u64, StoreError> {
    for key in &new.replaced {
        on!(&mut *tx, c => sqlx::query("DELETE FROM postcode WHERE postcode_key = $1")
            .bind(key.to_vec()).execute(c).await.map(drop))?;
    }
    let lookup = &new.rows;
    // The last of several entries of one postcode holds, as if they came one by one.
    let lookup: BTreeMap<&[u8; 16], u32> = lookup.iter().map(|(key, lsoa)| (key, *lsoa)).collect();
    bulk::insert(
        tx,
        "postcode",
        &[
            ("postcode_key", Bytes(lookup.keys().map(|key| &key[..]).collect())),
            ("lsoa", Integers(lookup.values().map(|lsoa| i64::from(*lsoa)).collect())),
            ("key_version", Integers(vec![i64::from(new.key_version); lookup.len()])),
        ],
        "ON CONFLICT (postcode_key) DO UPDATE SET lsoa = excluded.lsoa",
    )
    .await?;
    tx.take_numbers("postcodes", 1).await?;
    let (total,): (i64,) =
        on!(tx, c => sqlx::query_as("SELECT COUNT(*) FROM postcode").fetch_one(c).await)?;
    super::error::counted(total)
}

/// A number that each change of the postcode lookup raises.
///
/// # Errors
/// When it can't be read.
pub async fn postcodes_version(tx: &mut Tx) -> Result<u64, StoreError> {
    let (version,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT next FROM counter WHERE name = 'postcodes'").fetch_one(c).await)?;
    super::error::counted(version)
}

/// The whole postcode lookup.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn postcodes(tx: &mut Tx) -> Result<Vec<PostcodeRow>, StoreError> {
    let rows: Vec<(Vec<u8>, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT postcode_key, key_version, lsoa FROM postcode").fetch_all(c).await)?;
    rows.into_iter()
        .map(|(key, version, lsoa)| {
            let corrupt = |column| StoreError::Corrupt { table: "postcode", column, row: 0 };
            let version = u16::try_from(version).map_err(|_| corrupt("key_version"))?;
            let lsoa = u32::try_from(lsoa).map_err(|_| corrupt("lsoa"))?;
            Ok((key16(&key, "postcode", "postcode_key")?, version, lsoa))
        })
        .collect()
}
