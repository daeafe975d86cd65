//! Consents by the sender's own references, which are kept only as pseudonyms.
//!
//! While the keys rotate a consent stands under both versions, each with the same state, since
//! the release pass compares an event's reference with them as both are stored.

use super::{
    StoreError, Tx,
    bulk::{
        self, Among,
        Column::{Bytes, Integers, Texts},
    },
    error::key16,
};
use std::collections::BTreeMap;

/// A consent as kept.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Pseudonym of the sender's reference, scoped to the sender.
    pub key: [u8; 16],
    /// Its state, a number of the gateway's.
    pub state: u8,
    /// Who gave or refused it, a number of the gateway's.
    pub given_by: u8,
    /// The day it was recorded, days since 1970-01-01.
    pub recorded_on: i32,
    /// Version of the privacy notice shown.
    pub notice_version: String,
    /// The key version that the pseudonym is wrapped under.
    pub key_version: u16,
}

/// Records consents. A withdrawal or refusal prevails over a given one of the same day or
/// before: unknown order must not turn a no into a yes. Giver and notice that an entry does
/// not name stay as they were. Each key stands once among the entries.
pub(super) async fn put(tx: &mut Tx, entries: &[Entry]) -> Result<(), StoreError> {
    let all = || entries.iter();
    bulk::insert(
        tx,
        "consent",
        &[
            ("consent_key", Bytes(all().map(|e| &e.key[..]).collect())),
            ("state", Integers(all().map(|e| i64::from(e.state)).collect())),
            ("given_by", Integers(all().map(|e| i64::from(e.given_by)).collect())),
            ("recorded_on", Integers(all().map(|e| i64::from(e.recorded_on)).collect())),
            ("notice_version", Texts(all().map(|e| &*e.notice_version).collect())),
            ("key_version", Integers(all().map(|e| i64::from(e.key_version)).collect())),
        ],
        "ON CONFLICT (consent_key) DO UPDATE SET state = excluded.state, \
         recorded_on = excluded.recorded_on, \
         given_by = CASE WHEN excluded.given_by = 0 \
         THEN consent.given_by ELSE excluded.given_by END, \
         notice_version = CASE WHEN excluded.notice_version = '' \
         THEN consent.notice_version ELSE excluded.notice_version END \
         WHERE excluded.recorded_on > consent.recorded_on \
         OR (excluded.recorded_on = consent.recorded_on AND excluded.state > consent.state)",
    )
    .await
    .map(drop)
}

/// State and day of recording of each key that is known.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn states(
    tx: &mut Tx,
    keys: &[[u8; 16]],
) -> Result<BTreeMap<[u8; 16], (u8, i32)>, StoreError> {
    let rows: Vec<(Vec<u8>, i64, i64)> = bulk::select(
        tx,
        "SELECT consent_key, state, recorded_on FROM consent WHERE consent_key",
        None,
        &Among::Keys(keys),
        "",
    )
    .await?;
    let known = |(key, state, day): (Vec<u8>, i64, i64)| {
        let corrupt = |column| StoreError::Corrupt { table: "consent", column, row: 0 };
        let state = u8::try_from(state).map_err(|_| corrupt("state"))?;
        let day = i32::try_from(day).map_err(|_| corrupt("recorded_on"))?;
        Ok((key16(&key, "consent", "consent_key")?, (state, day)))
    };
    rows.into_iter().map(known).collect()
}
