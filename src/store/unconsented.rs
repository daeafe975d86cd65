//! Which records lack a consent that counts, found before a release counts them.

use super::{
    StoreError, Tx,
    consents::{Row, entry},
    tx::on,
};
use crate::{domain::FeedId, protocol::ConsentTerms};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are read at once when every consent is gone through.
const AT_ONCE: i64 = 10_000;

/// Which records of some feeds may not be counted for want of a consent, beyond those whose
/// consent is refused or withdrawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unconsented {
    /// Feeds of which every record needs a consent.
    pub asked: BTreeSet<FeedId>,
    /// By feed, consents that are given and don't count: run out, too old, for something else.
    pub not_counting: BTreeMap<FeedId, BTreeSet<[u8; 16]>>,
}

/// Goes through the given consents by the one rule, for the flows that feeds serve under. A
/// feed's consent must count for all of them.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn unconsented(
    tx: &mut Tx,
    terms: &BTreeMap<FeedId, Vec<ConsentTerms>>,
    today: i32,
) -> Result<Unconsented, StoreError> {
    let mut found =
        Unconsented { asked: terms.keys().copied().collect(), ..Unconsented::default() };
    if terms.is_empty() {
        return Ok(found);
    }
    // Without an oldest age, only those that are limited themselves can fail.
    let aged = terms.values().flatten().any(|terms| terms.max_age_days.is_some());
    let limited = if aged { "" } else { "AND given <> ''" };
    let sql = format!(
        "SELECT consent_key, state, given_by, recorded_on, notice_version, key_version, serial, \
         given FROM consent WHERE state = 1 {limited} AND consent_key > $1 \
         ORDER BY consent_key LIMIT $2"
    );
    let mut after = Vec::new();
    loop {
        let sql = sqlx::AssertSqlSafe(sql.clone());
        let rows: Vec<Row> = on!(&mut *tx, c => sqlx::query_as(sql).bind(after.clone())
            .bind(AT_ONCE).fetch_all(c).await)?;
        let Some(last) = rows.last() else { return Ok(found) };
        after.clone_from(&last.0);
        for row in rows {
            let entry = entry(row)?;
            let recorded = entry.recorded()?;
            for (feed, terms) in terms {
                if !terms.iter().all(|terms| terms.counts(Some(&recorded), today)) {
                    found.not_counting.entry(*feed).or_default().insert(entry.key);
                }
            }
        }
    }
}
