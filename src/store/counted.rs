//! Which records a release counts: read once for a pass, so that no later code can forget it.
//!
//! What is staged but not accepted, frozen, withdrawn, stopped by a subject's choice, rests on a
//! consent that was withdrawn or refused, or came in a feed that may not serve or under a part of
//! a protocol that was revoked does not count.
//!
//! What goes by batch is decided in SQL. What goes by record is decided here, from sets that are
//! read once: an engine would build its list of them again for each range of a pass, and asking
//! row by row costs more than reading the rows. So a statement names each record by its *item*:
//! its number, and where it rests on a consent also its batch and the consent's key.

use super::{StoreError, Tx, error::key16, tx::on, unconsented::Unconsented};
use crate::domain::FeedId;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt::Write,
};

/// How many batches a statement names; of more, it asks the table.
const MOST_NAMED: usize = 2_000;

/// What counts, for the feeds that may serve. Good for the transaction it was read in.
#[derive(Debug)]
pub struct Counted {
    /// The condition on an event `e`, as far as SQL decides, for a range of persons.
    by_person: String,
    /// The same for all that came in the feeds.
    by_batch: String,
    /// Records that were withdrawn or stopped.
    stopped: HashSet<i64>,
    /// Consents that were withdrawn or refused.
    refused: HashSet<[u8; 16]>,
    /// The feeds of batches for which some given consents don't count.
    not_counting: BTreeMap<i64, FeedId>,
    unconsented: Unconsented,
}

impl Counted {
    /// What counts of these feeds' records.
    ///
    /// # Errors
    /// When it can't be read or something is corrupt.
    pub async fn read(
        tx: &mut Tx,
        feeds: &[FeedId],
        unconsented: &Unconsented,
    ) -> Result<Self, StoreError> {
        let feeds: BTreeSet<FeedId> = feeds.iter().copied().collect();
        let mut own = unconsented.clone();
        own.asked.retain(|feed| feeds.contains(feed));
        own.not_counting.retain(|feed, keys| feeds.contains(feed) && !keys.is_empty());
        let batches = batches(tx).await?;
        let of = |(batch, feed): &(i64, Option<FeedId>)| {
            feed.filter(|feed| own.not_counting.contains_key(feed)).map(|feed| (*batch, feed))
        };
        let not_counting = batches.iter().filter_map(of).collect();
        Ok(Self {
            by_person: condition(&batches, &feeds, &own.asked, "+"),
            by_batch: condition(&batches, &feeds, &own.asked, ""),
            stopped: stopped(tx).await?,
            refused: refused(tx).await?,
            not_counting,
            unconsented: own,
        })
    }

    /// The condition on an event `e` of a range of persons, as far as SQL decides it:
    /// [`Self::counts`] decides the rest.
    pub(super) fn by_person(&self) -> &str {
        &self.by_person
    }

    /// The same for a statement that looks events up by their batches.
    pub(super) fn by_batch(&self) -> &str {
        &self.by_batch
    }

    /// How a statement names an event `e`, for [`Self::counts`].
    pub(super) const fn item(tx: &Tx) -> &'static str {
        if tx.is_sqlite() {
            "CASE WHEN e.consent_key IS NULL THEN e.event_number \
             ELSE e.event_number || ':' || e.batch_id || ':' || hex(e.consent_key) END"
        } else {
            "CASE WHEN e.consent_key IS NULL THEN e.event_number::TEXT \
             ELSE e.event_number || ':' || e.batch_id || ':' || encode(e.consent_key, 'hex') END"
        }
    }

    /// Whether the event of an item counts.
    ///
    /// # Errors
    /// When the item is none.
    pub(super) fn counts(&self, item: &str) -> Result<bool, StoreError> {
        const CORRUPT: StoreError =
            StoreError::Corrupt { table: "event", column: "consent_key", row: 0 };
        let (number, consent) = item.split_once(':').map_or((item, None), |(n, c)| (n, Some(c)));
        let number: i64 = number.parse().map_err(|_| CORRUPT)?;
        if self.stopped.contains(&number) {
            return Ok(false);
        }
        let Some(consent) = consent else { return Ok(true) };
        let (batch, key) = consent.split_once(':').ok_or(CORRUPT)?;
        let mut bytes = [0; 16];
        hex::decode_to_slice(key, &mut bytes).map_err(|_| CORRUPT)?;
        if self.refused.contains(&bytes) {
            return Ok(false);
        }
        if self.not_counting.is_empty() {
            return Ok(true);
        }
        let batch: i64 = batch.parse().map_err(|_| CORRUPT)?;
        let of_feed = self.not_counting.get(&batch);
        let keys = of_feed.and_then(|feed| self.unconsented.not_counting.get(feed));
        Ok(keys.is_none_or(|keys| !keys.contains(&bytes)))
    }
}

/// Every batch; with its feed where it is accepted and not frozen.
async fn batches(tx: &mut Tx) -> Result<Vec<(i64, Option<FeedId>)>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT b.batch_id, b.feed_id, CASE WHEN b.state = 1 AND f.batch_id IS NULL \
         THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END FROM batch b \
         LEFT JOIN frozen_batch f ON f.batch_id = b.batch_id ORDER BY b.batch_id")
        .fetch_all(c).await)?;
    Ok(rows
        .into_iter()
        .map(|(id, feed, live)| (id, (live == 1).then(|| FeedId::new(feed))))
        .collect())
}

/// The condition on an event `e`, as far as SQL decides.
fn condition(
    batches: &[(i64, Option<FeedId>)],
    feeds: &BTreeSet<FeedId>,
    asked: &BTreeSet<FeedId>,
    sign: &str,
) -> String {
    let serving = of_feeds(batches, feeds, sign);
    if asked.is_empty() {
        return serving;
    }
    format!(
        "{serving} AND NOT ({} AND (e.consent_key IS NULL OR NOT EXISTS (SELECT 1 FROM consent c \
         WHERE c.consent_key = e.consent_key AND c.state = 1)))",
        of_feeds(batches, asked, "+")
    )
}

/// The condition that an event `e` came in these feeds and was accepted: by naming the batches or
/// the others, whichever are fewer, or by asking the tables where both are many. With a plus sign
/// before it the column is no key to look by.
fn of_feeds(batches: &[(i64, Option<FeedId>)], feeds: &BTreeSet<FeedId>, sign: &str) -> String {
    let of = |feed: Option<FeedId>| feed.is_some_and(|feed| feeds.contains(&feed));
    let (within, without): (Vec<_>, Vec<_>) = batches.iter().partition(|(_, feed)| of(*feed));
    let (not, named) = if without.len() <= within.len() { ("NOT", without) } else { ("", within) };
    if named.len() <= MOST_NAMED {
        let named = list(named.iter().map(|(batch, _)| *batch));
        return format!("{sign}e.batch_id {not} IN ({named})");
    }
    let feeds = list(feeds.iter().map(|feed| feed.number()));
    format!(
        "{sign}e.batch_id IN (SELECT batch_id FROM batch WHERE state = 1 AND feed_id IN ({feeds}) \
         AND batch_id NOT IN (SELECT batch_id FROM frozen_batch))"
    )
}

/// Numbers of ours, never input. None is 0; the engines differ in what they make of an empty list.
pub(super) fn list(numbers: impl Iterator<Item = i64>) -> String {
    let mut list = "0".to_owned();
    for number in numbers {
        // Writing to a String can't fail.
        let _ = write!(list, ", {number}");
    }
    list
}

/// The records that were withdrawn or that a subject's choice stopped.
async fn stopped(tx: &mut Tx) -> Result<HashSet<i64>, StoreError> {
    let rows: Vec<(i64,)> = on!(tx, c => sqlx::query_as(
        "SELECT w.event_number FROM withdrawal w \
         JOIN batch b ON b.batch_id = w.batch_id AND b.state = 1 \
         UNION ALL SELECT r.event_number FROM record_stop r \
         JOIN rights_case k ON k.case_id = r.case_id AND k.state = 1").fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(number,)| number).collect())
}

/// The consents that were withdrawn or refused.
async fn refused(tx: &mut Tx) -> Result<HashSet<[u8; 16]>, StoreError> {
    let rows: Vec<(Vec<u8>,)> = on!(tx, c => sqlx::query_as(
        "SELECT consent_key FROM consent WHERE state IN (2, 3)").fetch_all(c).await)?;
    rows.iter().map(|(key,)| key16(key, "consent", "consent_key")).collect()
}
