//! What cases and consents want erased, what was, and whether the files are scrubbed of it.

use crate::{
    domain::{BatchId, FeedId},
    store::{
        StoreError, Tx,
        bulk::{
            self, Among,
            Column::{Bytes, Integers},
        },
        error::{counted, key16, stored},
        tx::on,
    },
};

/// The records that cases which bind want erased, of a number of feeds' at most so many.
///
/// # Errors
/// When they can't be read.
pub async fn to_erase(tx: &mut Tx, most: i64) -> Result<Vec<(i64, FeedId, BatchId)>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT DISTINCT r.event_number, r.feed_id, r.batch_id FROM record_stop r \
         JOIN rights_case k ON k.case_id = r.case_id AND k.state = 1 \
         JOIN batch b ON b.batch_id = r.batch_id AND b.state IN (1, 3) \
         WHERE r.effect = 2 ORDER BY r.event_number LIMIT $1")
        .bind(most).fetch_all(c).await)?;
    let row = |(number, feed, batch)| (number, FeedId::new(feed), BatchId::new(batch));
    Ok(rows.into_iter().map(row).collect())
}

/// The records that rest on a consent that was withdrawn. Looks through every event.
///
/// # Errors
/// When they can't be read.
pub async fn on_withdrawn_consents(tx: &mut Tx) -> Result<Vec<(i64, FeedId, BatchId)>, StoreError> {
    let (any,): (i64,) = on!(&mut *tx, c => sqlx::query_as(
        "SELECT COUNT(*) FROM consent WHERE state = 3").fetch_one(c).await)?;
    if any == 0 {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT DISTINCT e.event_number, b.feed_id, e.batch_id FROM event e \
         JOIN batch b ON b.batch_id = e.batch_id AND b.state IN (1, 3) \
         WHERE e.consent_key IN (SELECT consent_key FROM consent WHERE state = 3) \
         ORDER BY e.event_number").fetch_all(c).await)?;
    let row = |(number, feed, batch)| (number, FeedId::new(feed), BatchId::new(batch));
    Ok(rows.into_iter().map(row).collect())
}

/// How many records a case wants erased that are there.
///
/// # Errors
/// When it can't be read.
pub async fn erasing(tx: &mut Tx, case: i64) -> Result<u64, StoreError> {
    let (count,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT COUNT(*) FROM record_stop WHERE case_id = $1 AND effect = 2")
        .bind(case).fetch_one(c).await)?;
    counted(count)
}

/// The cases that stop some records: each record with each of its cases.
///
/// # Errors
/// When they can't be read.
pub async fn stopping(tx: &mut Tx, numbers: &[i64]) -> Result<Vec<(i64, i64)>, StoreError> {
    bulk::select(
        tx,
        "SELECT event_number, case_id FROM record_stop WHERE event_number",
        None,
        &Among::Numbers(numbers),
        "",
    )
    .await
}

/// A record is gone: nothing stops it any more.
///
/// # Errors
/// When it can't be written.
pub async fn forget_stops(tx: &mut Tx, number: i64) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query("DELETE FROM record_stop WHERE event_number = $1")
        .bind(number).execute(c).await.map(drop))?;
    Ok(())
}

/// Days that erased something, and how many of them are scrubbed.
///
/// # Errors
/// When they can't be read.
pub async fn scrubs(tx: &mut Tx) -> Result<(u64, u64), StoreError> {
    let rows: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT name, next FROM counter WHERE name IN ('erased_days', 'scrubbed_days')")
        .fetch_all(c).await)?;
    let of = |name: &str| rows.iter().find(|(n, _)| n == name).map_or(1, |(_, next)| *next);
    Ok((counted(of("erased_days"))?, counted(of("scrubbed_days"))?))
}

/// Something is erased: its bytes are still to be scrubbed. Gives the generation of erasures that
/// it is of.
///
/// # Errors
/// When it can't be written.
pub async fn owe_scrub(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.take_numbers("erased_days", 1).await
}

/// A record that is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// The generation of erasures that it is of.
    pub generation: u64,
    /// Its feed.
    pub feed: FeedId,
    /// Its key as a suppression.
    pub token: [u8; 16],
    /// Whether by a choice of its subject's; else its sender wanted it.
    pub by_choice: bool,
}

/// Keeps the keys of records that are erased, for the journal.
///
/// # Errors
/// When it can't be written.
pub async fn keep_erased(
    tx: &mut Tx,
    generation: i64,
    feed: FeedId,
    tokens: &[[u8; 16]],
    by_choice: bool,
) -> Result<(), StoreError> {
    bulk::insert(
        tx,
        "erased_key",
        &[
            ("generation", Integers(vec![generation; tokens.len()])),
            ("feed_id", Integers(vec![feed.number(); tokens.len()])),
            ("token", Bytes(tokens.iter().map(|token| &token[..]).collect())),
            ("by_choice", Integers(vec![i64::from(by_choice); tokens.len()])),
        ],
        "ON CONFLICT DO NOTHING",
    )
    .await
    .map(drop)
}

/// The keys of erased records of the generations after one.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn erased_since(tx: &mut Tx, generation: u64) -> Result<Vec<Erased>, StoreError> {
    let rows: Vec<(i64, i64, Vec<u8>, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT generation, feed_id, token, by_choice FROM erased_key WHERE generation > $1 \
         ORDER BY generation, feed_id, token")
        .bind(stored(generation)?).fetch_all(c).await)?;
    let row = |(generation, feed, token, by_choice): (i64, i64, Vec<u8>, i64)| {
        let token = key16(&token, "erased_key", "token")?;
        let (generation, feed) = (counted(generation)?, FeedId::new(feed));
        Ok(Erased { generation, feed, token, by_choice: by_choice != 0 })
    };
    rows.into_iter().map(row).collect()
}

/// Erasures are counted on from a generation.
///
/// # Errors
/// When it can't be written.
pub async fn erased_up_to(tx: &mut Tx, generation: u64) -> Result<(), StoreError> {
    let next = stored(generation)?;
    on!(tx, c => sqlx::query(
        "UPDATE counter SET next = $1 WHERE name = 'erased_days' AND next < $2")
        .bind(next).bind(next).execute(c).await.map(drop))?;
    Ok(())
}

/// Everything erased up to a count of days is scrubbed.
///
/// # Errors
/// When it can't be written.
pub async fn scrubbed(tx: &mut Tx, days: u64) -> Result<(), StoreError> {
    let days = stored(days)?;
    on!(tx, c => sqlx::query(
        "UPDATE counter SET next = $1 WHERE name = 'scrubbed_days' AND next < $2")
        .bind(days).bind(days).execute(c).await.map(drop))?;
    Ok(())
}
