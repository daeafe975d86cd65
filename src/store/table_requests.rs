//! Requests for tables that are not published, and what became of them.

use super::{
    Outcome, StoreError, Tx, bulk,
    error::{counted, stored},
    tx::on,
};
use crate::domain::PartnerId;
use jiff::Timestamp;

const OPEN: i64 = 0;
const GRANTED: i64 = 1;
const REFUSED: i64 = 2;

/// A request that is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest {
    /// Who asks.
    pub partner: PartnerId,
    /// What is wanted, JSON.
    pub document: String,
    /// What it would cost, JSON.
    pub cost: String,
}

/// A decision about an open request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The request's number.
    pub number: u64,
    /// Whether it is granted; else it is refused.
    pub granted: bool,
    /// Why, in the officer's words.
    pub reason: String,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody decided yet.
    Open,
    /// It is to be put to the controllers.
    Granted,
    /// It is not.
    Refused,
}

/// A request as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number, from 1.
    pub number: u64,
    /// Who asked.
    pub partner: PartnerId,
    /// When, microseconds since 1970-01-01 UTC.
    pub asked_at: i64,
    /// What is wanted, JSON.
    pub document: String,
    /// What it would have cost then, JSON.
    pub cost: String,
    /// What became of it.
    pub state: State,
    /// Why; empty while it is open.
    pub reason: String,
    /// When it was decided, microseconds since 1970-01-01 UTC; 0 while it is open.
    pub decided_at: i64,
}

type Row = (i64, String, i64, String, String, i64, String, i64);

/// Every request, the oldest first.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn all(tx: &mut Tx) -> Result<Vec<Request>, StoreError> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "SELECT number, partner_id, asked_at, document, cost, state, reason, decided_at \
         FROM table_request ORDER BY number").fetch_all(c).await)?;
    rows.into_iter()
        .map(|(number, partner, asked_at, document, cost, state, reason, decided_at)| {
            let corrupt =
                |column| StoreError::Corrupt { table: "table_request", column, row: number };
            Ok(Request {
                number: counted(number)?,
                partner: partner.parse().map_err(|_| corrupt("partner_id"))?,
                asked_at,
                document,
                cost,
                state: match state {
                    OPEN => State::Open,
                    GRANTED => State::Granted,
                    REFUSED => State::Refused,
                    _ => return Err(corrupt("state")),
                },
                reason,
                decided_at,
            })
        })
        .collect()
}

/// Enters a request and tells its number.
pub(super) async fn ask(
    tx: &mut Tx,
    new: &NewRequest,
    at: Timestamp,
) -> Result<Outcome, StoreError> {
    let number = tx.take_numbers("table_request", 1).await?;
    on!(tx, c => sqlx::query(
        "INSERT INTO table_request \
         (number, partner_id, asked_at, document, cost, state, reason, decided_at) \
         VALUES ($1, $2, $3, $4, $5, 0, '', 0)")
        .bind(number).bind(new.partner.as_str()).bind(at.as_microsecond())
        .bind(&*new.document).bind(&*new.cost).execute(c).await.map(drop))?;
    Ok(Outcome::Total(counted(number)?))
}

/// Decides; [`StoreError::Unchanged`] where it is decided already, or there is none.
pub(super) async fn decide(
    tx: &mut Tx,
    decided: &Decided,
    at: Timestamp,
) -> Result<(), StoreError> {
    let state = if decided.granted { GRANTED } else { REFUSED };
    let rows = on!(tx, c => sqlx::query(
        "UPDATE table_request SET state = $1, reason = $2, decided_at = $3 \
         WHERE number = $4 AND state = 0")
        .bind(state).bind(&*decided.reason).bind(at.as_microsecond())
        .bind(stored(decided.number)?)
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "table_request")
}
