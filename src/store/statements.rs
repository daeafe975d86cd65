//! Statements about consents as they are kept: read, never changed.

use super::{
    StoreError, Tx,
    bulk::{self, Among, Joined},
    error::key16,
    tx::on,
};
use crate::protocol::{ConsentGiver, ConsentMeans, ConsentRecord, Coverage, Purpose, Statement};
use std::collections::BTreeMap;

/// A statement as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What was said, by whom, on which day.
    pub statement: Statement,
    /// Pseudonym of the sender's reference of the giver.
    pub giver_key: Option<[u8; 16]>,
    /// Pseudonym of the sender's reference of the evidence.
    pub evidence_key: Option<[u8; 16]>,
    /// When it became known here, microseconds since 1970-01-01 UTC.
    pub known_at: i64,
    /// How it was obtained.
    pub means: Option<ConsentMeans>,
    /// Version of the privacy notice shown.
    pub notice_version: String,
}

const fn corrupt(column: &'static str, row: i64) -> StoreError {
    StoreError::Corrupt { table: "consent_statement", column, row }
}

type FirstHalf = (i64, Vec<u8>, i64, Option<Vec<u8>>, i64, i64, i64, i64);
type SecondHalf = (i64, String, String, String, Option<i64>, Option<Vec<u8>>);
type StatementRow = (FirstHalf, SecondHalf);

/// A row in two halves: more columns than a tuple of the driver's takes are joined by hand.
struct FoundStatement(StatementRow);

impl Joined for FoundStatement {
    fn written<'c>(columns: &mut impl Iterator<Item = &'c str>) -> Vec<String> {
        [FirstHalf::written(columns), SecondHalf::written(columns)].concat()
    }

    fn read<'t>(texts: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
        Some(Self((FirstHalf::read(texts)?, SecondHalf::read(texts)?)))
    }
}

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for FoundStatement
where
    usize: sqlx::ColumnIndex<R>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Vec<u8>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<i64>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<Vec<u8>>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self((
            (
                row.try_get(0)?,
                row.try_get(1)?,
                row.try_get(2)?,
                row.try_get(3)?,
                row.try_get(4)?,
                row.try_get(5)?,
                row.try_get(6)?,
                row.try_get(7)?,
            ),
            (
                row.try_get(8)?,
                row.try_get(9)?,
                row.try_get(10)?,
                row.try_get(11)?,
                row.try_get(12)?,
                row.try_get(13)?,
            ),
        )))
    }
}

/// The statements under each key, in the order in which they became known.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn history(
    tx: &mut Tx,
    keys: &[[u8; 16]],
) -> Result<BTreeMap<[u8; 16], Vec<Kept>>, StoreError> {
    let mut rows: Vec<FoundStatement> = bulk::select(
        tx,
        "SELECT number, consent_key, giver, giver_key, given_by, state, stated_on, known_at, \
         means, notice_version, purposes, record_types, valid_until, evidence_key \
         FROM consent_statement WHERE consent_key",
        None,
        &Among::Keys(keys),
        "",
    )
    .await?;
    rows.sort_unstable_by_key(|FoundStatement(row)| row.0.0);
    let mut found: BTreeMap<[u8; 16], Vec<Kept>> = BTreeMap::new();
    for FoundStatement(row) in rows {
        let key = key16(&row.0.1, "consent_statement", "consent_key")?;
        found.entry(key).or_default().push(kept(row)?);
    }
    Ok(found)
}

fn kept(row: StatementRow) -> Result<Kept, StoreError> {
    let (
        (number, _, giver, giver_key, given_by, state, day, known_at),
        (means, notice_version, purposes, types, until, evidence),
    ) = row;
    let small = |value: i64, column| u8::try_from(value).map_err(|_| corrupt(column, number));
    let day_of = |value: i64, column| i32::try_from(value).map_err(|_| corrupt(column, number));
    let key = |key: Option<Vec<u8>>, column| {
        key.map(|key| key16(&key, "consent_statement", column)).transpose()
    };
    let given_by = match small(given_by, "given_by")? {
        0 => None,
        number => {
            Some(ConsentGiver::from_number(number).ok_or(corrupt("given_by", number.into()))?)
        }
    };
    let means = match small(means, "means")? {
        0 => None,
        number => Some(ConsentMeans::from_number(number).ok_or(corrupt("means", number.into()))?),
    };
    let state = ConsentRecord::from_number(small(state, "state")?);
    let purposes = purposes.split_whitespace().map(Purpose::from_code);
    let purposes = purposes.collect::<Option<_>>().ok_or(corrupt("purposes", number))?;
    let types = types.split_whitespace().map(|name| name.parse().ok());
    let record_types = types.collect::<Option<_>>().ok_or(corrupt("record_types", number))?;
    let until = until.map(|until| day_of(until, "valid_until")).transpose()?;
    Ok(Kept {
        statement: Statement {
            number,
            giver,
            given_by,
            state: state.ok_or(corrupt("state", number))?,
            stated_on: day_of(day, "stated_on")?,
            coverage: Coverage { purposes, record_types, until },
        },
        giver_key: key(giver_key, "giver_key")?,
        evidence_key: key(evidence, "evidence_key")?,
        known_at,
        means,
        notice_version,
    })
}

/// A no to a consent, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct No {
    /// Its place in the order in which statements became known.
    pub number: i64,
    /// Pseudonym of the sender's reference.
    pub consent_key: [u8; 16],
    /// Pseudonym of the sender's reference of the giver.
    pub giver_key: Option<[u8; 16]>,
    /// Who said it, a number of the protocol's; 0 for nobody named.
    pub given_by: u8,
    /// What was said, a number of the protocol's.
    pub state: u8,
    /// On which day, days since 1970-01-01.
    pub stated_on: i32,
    /// The key version of the keyed values.
    pub key_version: u16,
}

type NoRow = (i64, Vec<u8>, Option<Vec<u8>>, i64, i64, i64, i64);

/// The statements after one that are not a yes, in order.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn noes_since(tx: &mut Tx, number: i64) -> Result<Vec<No>, StoreError> {
    let rows: Vec<NoRow> = on!(tx, c => sqlx::query_as(
        "SELECT number, consent_key, giver_key, given_by, state, stated_on, key_version \
         FROM consent_statement WHERE number > $1 AND state <> $2 ORDER BY number")
        .bind(number).bind(i64::from(ConsentRecord::Given.number())).fetch_all(c).await)?;
    let no = |(number, consent, giver, given_by, state, day, version): NoRow| {
        let key = |key: &[u8], column| key16(key, "consent_statement", column);
        let small = |value: i64, column| u8::try_from(value).map_err(|_| corrupt(column, number));
        Ok(No {
            number,
            consent_key: key(&consent, "consent_key")?,
            giver_key: giver.map(|giver| key(&giver, "giver_key")).transpose()?,
            given_by: small(given_by, "given_by")?,
            state: small(state, "state")?,
            stated_on: i32::try_from(day).map_err(|_| corrupt("stated_on", number))?,
            key_version: u16::try_from(version).map_err(|_| corrupt("key_version", number))?,
        })
    };
    rows.into_iter().map(no).collect()
}

/// The number that the next statement gets.
///
/// # Errors
/// When it can't be read.
pub async fn next_statement(tx: &mut Tx) -> Result<i64, StoreError> {
    let (next,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT next FROM counter WHERE name = 'statement'").fetch_one(c).await)?;
    Ok(next)
}

/// Statements are counted on from a number.
///
/// # Errors
/// When it can't be written.
pub async fn stated_up_to(tx: &mut Tx, number: i64) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "UPDATE counter SET next = $1 WHERE name = 'statement' AND next < $2")
        .bind(number).bind(number).execute(c).await.map(drop))?;
    Ok(())
}
