//! Versions of the keys: what each is for, and how far a rotation has come.
//!
//! The states say what every gateway on this store does; each passage is an effect of the
//! sequencer's, with its leaf, and raises the counter `keys`. Whoever writes a keyed value
//! compares that counter inside the writing transaction ([`number`]), so that nothing is
//! written by a gateway that has not heard of the passage.

use super::{
    StoreError, Tx, bulk,
    error::{counted, key16},
    tx::on,
};
use crate::keys::{KeyVersion, Prf, VersionState, Versions};

/// A version passes into another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A rotation begins.
    Begin {
        /// The version that is to be left.
        from: KeyVersion,
        /// The version that comes next.
        to: KeyVersion,
        /// Tells whether a gateway's file holds the same keys.
        check: [u8; 16],
    },
    /// The next version becomes the current one.
    Activate {
        /// The version that was current.
        from: KeyVersion,
        /// The version that comes next.
        to: KeyVersion,
    },
    /// No row is of an earlier version any more.
    Complete {
        /// That version.
        from: KeyVersion,
    },
    /// An unused version is to be destroyed.
    Destroy {
        /// That version.
        version: KeyVersion,
    },
}

fn row(version: KeyVersion) -> i64 {
    i64::from(version.number())
}

/// Which word on the versions holds: raised with every change.
///
/// # Errors
/// When it can't be read.
pub async fn number(tx: &mut Tx) -> Result<u64, StoreError> {
    let (number,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT next FROM counter WHERE name = 'keys'").fetch_one(c).await)?;
    counted(number)
}

/// What is said of every version, oldest first; nothing in a store that no gateway has used.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn all(tx: &mut Tx) -> Result<Versions, StoreError> {
    let number = number(tx).await?;
    let rows: Vec<(i64, i64, Vec<u8>, String)> = on!(tx, c => sqlx::query_as(
        "SELECT version, state, check_value, prf FROM key_version ORDER BY version")
        .fetch_all(c).await)?;
    let mut prf = None;
    for (version, .., name) in &rows {
        let corrupt = StoreError::Corrupt { table: "key_version", column: "prf", row: *version };
        match Prf::from_name(name) {
            Some(said) if prf.is_none_or(|before| before == said) => prf = Some(said),
            _ => return Err(corrupt),
        }
    }
    let version = |(version, state, check, _): (i64, i64, Vec<u8>, String)| {
        let corrupt = |column| StoreError::Corrupt { table: "key_version", column, row: version };
        let state = u8::try_from(state).ok().and_then(VersionState::from_number);
        Ok((
            KeyVersion::new(u16::try_from(version).map_err(|_| corrupt("version"))?),
            state.ok_or(corrupt("state"))?,
            key16(&check, "key_version", "check_value")?,
        ))
    };
    let all = rows.into_iter().map(version).collect::<Result<_, StoreError>>()?;
    Ok(Versions { number, prf: prf.unwrap_or_default(), all })
}

/// Enters the first version of a store that no gateway has used, or that was written before
/// versions were entered; does nothing where there is one.
///
/// # Errors
/// When it can't be written.
pub async fn enter_first(tx: &mut Tx, prf: Prf, check: [u8; 16]) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "INSERT INTO key_version (version, state, check_value, prf) SELECT $1, $2, $3, $4 \
         WHERE NOT EXISTS (SELECT 1 FROM key_version) ON CONFLICT DO NOTHING")
        .bind(row(KeyVersion::FIRST)).bind(i64::from(VersionState::Current.number()))
        .bind(check.to_vec()).bind(prf.name()).execute(c).await.map(drop))?;
    Ok(())
}

pub(super) async fn apply(tx: &mut Tx, change: &Change) -> Result<(), StoreError> {
    use VersionState::{Current, Destroyed, Earlier, Next, Unused};
    match change {
        Change::Begin { from, to, check } => {
            let rows = on!(&mut *tx, c => sqlx::query(
                "INSERT INTO key_version (version, state, check_value, prf) \
                 SELECT $1, $2, $3, prf FROM key_version WHERE version = $4 AND state = $5 \
                 AND NOT EXISTS (SELECT 1 FROM key_version WHERE state IN ($6, $7))")
                .bind(row(*to)).bind(i64::from(Next.number())).bind(check.to_vec())
                .bind(row(*from)).bind(i64::from(Current.number()))
                .bind(i64::from(Next.number())).bind(i64::from(Earlier.number()))
                .execute(c).await.map(|done| done.rows_affected()))?;
            bulk::touched(rows, 1, "key_version")?;
        }
        Change::Activate { from, to } => {
            pass(tx, *from, Current, Earlier).await?;
            pass(tx, *to, Next, Current).await?;
        }
        Change::Complete { from } => {
            // Consents that were recorded since the last sweep, under both versions.
            on!(&mut *tx, c => sqlx::query("DELETE FROM consent WHERE key_version = $1")
                .bind(row(*from)).execute(c).await.map(drop))?;
            pass(tx, *from, Earlier, Unused).await?;
        }
        Change::Destroy { version } => pass(tx, *version, Unused, Destroyed).await?,
    }
    tx.take_numbers("keys", 1).await.map(drop)
}

async fn pass(
    tx: &mut Tx,
    version: KeyVersion,
    from: VersionState,
    to: VersionState,
) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "UPDATE key_version SET state = $1 WHERE version = $2 AND state = $3")
        .bind(i64::from(to.number())).bind(row(version)).bind(i64::from(from.number()))
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "key_version")
}

/// How far one table has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The place of the last row seen: its first number ...
    pub place: i64,
    /// ... its second, where the table has one ...
    pub number: i64,
    /// ... or its key.
    pub key: Vec<u8>,
    /// How many rows were moved.
    pub moved: u64,
    /// Whether the end was reached.
    pub done: bool,
}

/// How far a step of leaving a version has come; the beginning where it has not begun.
///
/// # Errors
/// When it can't be read.
pub async fn progress(
    tx: &mut Tx,
    step: &'static str,
    leaving: KeyVersion,
) -> Result<Progress, StoreError> {
    let found: Option<(i64, i64, Vec<u8>, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT place, number, place_key, moved, done FROM key_progress \
         WHERE step = $1 AND version = $2")
        .bind(step).bind(row(leaving)).fetch_optional(c).await)?;
    let Some((place, number, key, moved, done)) = found else { return Ok(Progress::default()) };
    Ok(Progress { place, number, key, moved: counted(moved)?, done: done != 0 })
}

/// Keeps how far a step has come.
///
/// # Errors
/// When it can't be written.
pub async fn keep(
    tx: &mut Tx,
    step: &'static str,
    leaving: KeyVersion,
    progress: &Progress,
) -> Result<(), StoreError> {
    // Once done nobody goes on from it, and it would outlive the erasure of what it is the key of.
    let key = if progress.done { Vec::new() } else { progress.key.clone() };
    on!(tx, c => sqlx::query(
        "INSERT INTO key_progress (step, version, place, number, place_key, moved, done) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (step) DO UPDATE \
         SET version = excluded.version, place = excluded.place, number = excluded.number, \
         place_key = excluded.place_key, moved = excluded.moved, done = excluded.done")
        .bind(step).bind(row(leaving)).bind(progress.place).bind(progress.number)
        .bind(key).bind(super::error::stored(progress.moved)?)
        .bind(i64::from(progress.done)).execute(c).await.map(drop))?;
    Ok(())
}
