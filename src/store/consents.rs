//! Consents by the sender's own references, which are kept only as pseudonyms.

use super::{StoreError, Tx, bulk, error::key16, tx::on};
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
}

/// Records consents. A withdrawal or refusal prevails over a given one of the same day or
/// before: unknown order must not turn a no into a yes. Giver and notice that an entry does
/// not name stay as they were.
pub(super) async fn put(tx: &mut Tx, entries: &[Entry]) -> Result<(), StoreError> {
    for chunk in bulk::chunks(entries) {
        let sql = bulk::insert(
            tx.is_sqlite(),
            "consent",
            &["consent_key", "state", "given_by", "recorded_on", "notice_version"],
            chunk.len(),
            "ON CONFLICT (consent_key) DO UPDATE SET state = excluded.state, \
             recorded_on = excluded.recorded_on, \
             given_by = CASE WHEN excluded.given_by = 0 \
             THEN consent.given_by ELSE excluded.given_by END, \
             notice_version = CASE WHEN excluded.notice_version = '' \
             THEN consent.notice_version ELSE excluded.notice_version END \
             WHERE excluded.recorded_on > consent.recorded_on \
             OR (excluded.recorded_on = consent.recorded_on AND excluded.state > consent.state)",
        );
        on!(tx, c => {
            let mut query = sqlx::query(sql);
            for entry in chunk {
                query = query.bind(entry.key.to_vec()).bind(i64::from(entry.state))
                    .bind(i64::from(entry.given_by)).bind(i64::from(entry.recorded_on))
                    .bind(&*entry.notice_version);
            }
            query.execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// State and day of recording of each key that is known.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn states(
    tx: &mut Tx,
    keys: &[[u8; 16]],
) -> Result<BTreeMap<[u8; 16], (u8, i32)>, StoreError> {
    let mut found = BTreeMap::new();
    for list in bulk::lists(keys) {
        let sql = bulk::within(
            tx.is_sqlite(),
            "SELECT consent_key, state, recorded_on FROM consent WHERE consent_key",
            list.len(),
            "",
        );
        let rows: Vec<(Vec<u8>, i64, i64)> = on!(tx, c => {
            let mut query = sqlx::query_as(sql);
            for key in list {
                query = query.bind(key.to_vec());
            }
            query.fetch_all(c).await
        })?;
        for (key, state, day) in rows {
            let corrupt = |column| StoreError::Corrupt { table: "consent", column, row: 0 };
            let state = u8::try_from(state).map_err(|_| corrupt("state"))?;
            let day = i32::try_from(day).map_err(|_| corrupt("recorded_on"))?;
            found.insert(key16(&key, "consent", "consent_key")?, (state, day));
        }
    }
    Ok(found)
}
