//! Privacy notices that senders stated: kept as they were made, in their order.

use super::{StoreError, Tx, tx::on};
use crate::{
    domain::RecordType,
    protocol::notices::{NoticeMeans, PrivacyNotice},
};
use jiff::Timestamp;

type Row = (i64, String, i64, String, i64, i64, Option<i64>);

/// Every statement, in order.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn all(tx: &mut Tx) -> Result<Vec<PrivacyNotice>, StoreError> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "SELECT number, partner_id, record_type, version, means, since, until \
         FROM privacy_notice ORDER BY number").fetch_all(c).await)?;
    rows.into_iter()
        .map(|(number, partner, record_type, version, means, since, until)| {
            let corrupt =
                |column| StoreError::Corrupt { table: "privacy_notice", column, row: number };
            let day = |day: i64, column| i32::try_from(day).map_err(|_| corrupt(column));
            let record_type = u8::try_from(record_type).ok().and_then(RecordType::from_number);
            let means = u8::try_from(means).ok().and_then(NoticeMeans::from_number);
            Ok(PrivacyNotice {
                partner: partner.parse().map_err(|_| corrupt("partner_id"))?,
                record_type: record_type.ok_or(corrupt("record_type"))?,
                version,
                means: means.ok_or(corrupt("means"))?,
                since: day(since, "since")?,
                until: until.map(|until| day(until, "until")).transpose()?,
            })
        })
        .collect()
}

/// Adds a statement.
pub(super) async fn put(
    tx: &mut Tx,
    notice: &PrivacyNotice,
    at: Timestamp,
) -> Result<(), StoreError> {
    let number = tx.take_numbers("privacy_notice", 1).await?;
    on!(tx, c => sqlx::query(
        "INSERT INTO privacy_notice \
         (number, partner_id, record_type, version, means, since, until, known_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(number).bind(notice.partner.as_str()).bind(i64::from(notice.record_type.number()))
        .bind(&notice.version).bind(i64::from(notice.means.number()))
        .bind(i64::from(notice.since)).bind(notice.until.map(i64::from))
        .bind(at.as_microsecond()).execute(c).await.map(drop))?;
    Ok(())
}
