//! Which records a release counts: read once for a pass, so that no later code can forget it.
//!
//! What is staged but not accepted, frozen, withdrawn, stopped by a subject's choice, rests on a
//! consent that was withdrawn or refused, or came in a feed that may not serve or under a part of
//! a protocol that was revoked does not count.
//!
//! What goes by batch and by consent is decided in SQL. What goes by record is decided here, from
//! sets that are read once: an engine would build its list of them again for each range of a pass,
//! and asking row by row costs more than reading the rows. So a statement names each record by its
//! *item*: its number, and where some consents don't count for its feed also its batch and the
//! consent's key.

use super::{StoreError, Tx, tx::on, unconsented::Unconsented};
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
    /// How a statement names an event `e`.
    item: String,
    /// The batches for whose feed some given consents don't count.
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
        let not_counting: BTreeMap<i64, FeedId> = batches.iter().filter_map(of).collect();
        Ok(Self {
            by_person: condition(&batches, &feeds, &own.asked, "+"),
            by_batch: condition(&batches, &feeds, &own.asked, ""),
            stopped: stopped(tx).await?,
            item: item(tx, &not_counting),
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
    pub(super) fn item(&self) -> &str {
        &self.item
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
        let batch: i64 = batch.parse().map_err(|_| CORRUPT)?;
        let of_feed = self.not_counting.get(&batch);
        let keys = of_feed.and_then(|feed| self.unconsented.not_counting.get(feed));
        Ok(keys.is_none_or(|keys| !keys.contains(&bytes)))
    }
}

/// Every number that a batch ever had; with its feed where it is accepted and not frozen. A number
/// whose row is gone is there, too: what may have been left of it must not count.
async fn batches(tx: &mut Tx) -> Result<Vec<(i64, Option<FeedId>)>, StoreError> {
    let (next,): (i64,) = on!(&mut *tx, c => sqlx::query_as(
        "SELECT next FROM counter WHERE name = 'batch'").fetch_one(c).await)?;
    let rows: Vec<(i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT b.batch_id, b.feed_id, CASE WHEN b.state = 1 AND f.batch_id IS NULL \
         THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END FROM batch b \
         LEFT JOIN frozen_batch f ON f.batch_id = b.batch_id ORDER BY b.batch_id")
        .fetch_all(c).await)?;
    let mut rows = rows.into_iter().peekable();
    let all = (1..next).map(|number| {
        let row = rows.next_if(|(batch, ..)| *batch == number);
        (number, row.filter(|(.., live)| *live == 1).map(|(_, feed, _)| FeedId::new(feed)))
    });
    Ok(all.collect())
}

/// The condition on an event `e`, as far as SQL decides.
fn condition(
    batches: &[(i64, Option<FeedId>)],
    feeds: &BTreeSet<FeedId>,
    asked: &BTreeSet<FeedId>,
    sign: &str,
) -> String {
    let serving = format!(
        "{} AND (e.consent_key IS NULL OR NOT EXISTS (SELECT 1 FROM consent c \
         WHERE c.consent_key = e.consent_key AND c.state IN (2, 3)))",
        of_feeds(batches, feeds, sign)
    );
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
    let named = |batches: &[(i64, Option<FeedId>)]| list(batches.iter().map(|(batch, _)| *batch));
    if without.len().min(within.len()) <= MOST_NAMED {
        let last = batches.last().map_or(0, |(batch, _)| *batch);
        return match without.len() <= within.len() {
            true => format!(
                "{sign}e.batch_id <= {last} AND {sign}e.batch_id NOT IN ({})",
                named(&without)
            ),
            false => format!("{sign}e.batch_id IN ({})", named(&within)),
        };
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

/// How a statement names an event `e`. Where many batches' consents are looked at, all are.
fn item(tx: &Tx, not_counting: &BTreeMap<i64, FeedId>) -> String {
    let (number, key) = if tx.is_sqlite() {
        ("e.event_number", "hex(e.consent_key)")
    } else {
        ("e.event_number::TEXT", "encode(e.consent_key, 'hex')")
    };
    if not_counting.is_empty() {
        return number.to_owned();
    }
    let among = match not_counting.len() {
        ..=MOST_NAMED => format!("AND e.batch_id IN ({})", list(not_counting.keys().copied())),
        _ => String::new(),
    };
    format!(
        "CASE WHEN e.consent_key IS NOT NULL {among} \
         THEN e.event_number || ':' || e.batch_id || ':' || {key} ELSE {number} END"
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    fn live(numbers: std::ops::Range<i64>, feed: i64) -> Vec<(i64, Option<FeedId>)> {
        numbers.map(|batch| (batch, Some(FeedId::new(feed)))).collect()
    }

    #[test]
    fn the_fewer_batches_are_named_and_of_many_the_tables_are_asked() {
        let feeds = [FeedId::new(7)].into();
        let mut batches = live(1..4, 7);
        batches.push((9, None));
        assert_eq!(
            of_feeds(&batches, &feeds, "+"),
            "+e.batch_id <= 9 AND +e.batch_id NOT IN (0, 9)"
        );
        batches.extend(live(10..20, 8));
        assert_eq!(of_feeds(&batches, &feeds, ""), "e.batch_id IN (0, 1, 2, 3)");
        assert_eq!(of_feeds(&[], &feeds, ""), "e.batch_id <= 0 AND e.batch_id NOT IN (0)");
        let many = i64::try_from(MOST_NAMED).unwrap() + 100;
        batches.extend(live(100..100 + many, 7));
        assert!(of_feeds(&batches, &feeds, "+").contains("+e.batch_id NOT IN (0, 9, 10"));
        batches.extend(live(100 + many..100 + 2 * many, 8));
        let asked = of_feeds(&batches, &feeds, "+");
        assert!(asked.starts_with("+e.batch_id IN (SELECT") && asked.contains("(0, 7)"), "{asked}");
    }

    #[test]
    fn an_item_is_left_out_by_its_number_or_its_consent_in_its_feed() {
        let other = [2; 16];
        let feed = FeedId::new(5);
        let unconsented =
            Unconsented { not_counting: [(feed, [other].into())].into(), ..Unconsented::default() };
        let counted = Counted {
            by_person: String::new(),
            by_batch: String::new(),
            stopped: [3].into(),
            item: String::new(),
            not_counting: [(40, feed)].into(),
            unconsented,
        };
        let counts = |item: String| counted.counts(&item).unwrap();
        assert!(counts("2".to_owned()) && !counts("3".to_owned()));
        let relying = |batch: i64, key: [u8; 16]| format!("2:{batch}:{}", hex::encode_upper(key));
        assert!(!counts(relying(40, other)));
        assert!(counts(relying(41, other)) && counts(relying(40, [9; 16])));
        for wrong in ["", "x", "2:", "2:40", "2:40:zz", "2:x:02020202020202020202020202020202"] {
            assert!(counted.counts(wrong).is_err(), "{wrong}");
        }
    }
}
