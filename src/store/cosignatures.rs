//! What witnesses have cosigned, the newest of each.
//!
//! Not part of the log and no secret: a row that is lost costs one question to its witness.

use super::{
    StoreError, Tx,
    error::{counted, stored},
    tx::on,
};
use crate::audit::Hash;

/// A witness's newest cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The witness's name and key id: `name+hex`.
    pub witness: String,
    /// The log's size that it is about.
    pub size: u64,
    /// The log's root at that size.
    pub root: Hash,
    /// When the witness made it, by its own clock, seconds since 1970-01-01 UTC.
    pub cosigned_at: u64,
    /// When a gateway received it, microseconds since 1970-01-01 UTC.
    pub received_at: i64,
    /// The signature line, with its line break.
    pub line: String,
}

impl Kept {
    /// Whether the operator has retired the witness: it is not asked for any more.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.line.is_empty()
    }
}

/// How far one gateway's clock may be ahead of another's: a row beyond is nobody's.
const MOST_SKEW_MICROS: i64 = 300_000_000;

/// Every witness's newest, by name.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn all(tx: &mut Tx) -> Result<Vec<Kept>, StoreError> {
    type Row = (String, i64, Vec<u8>, i64, i64, String);
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "SELECT witness, size, root, cosigned_at, received_at, line FROM cosignature \
         ORDER BY witness")
        .fetch_all(c).await)?;
    rows.into_iter()
        .map(|(witness, size, root, cosigned_at, received_at, line)| {
            let corrupt = StoreError::Corrupt { table: "cosignature", column: "root", row: 0 };
            let root = Hash::new(root.try_into().map_err(|_| corrupt)?);
            let (size, cosigned_at) = (counted(size)?, counted(cosigned_at)?);
            Ok(Kept { witness, size, root, cosigned_at, received_at, line })
        })
        .collect()
}

/// Keeps a cosignature in place of the witness's one before; where another gateway has kept a
/// newer one meanwhile, that one stays, unless it is from a future that no gateway's clock shows.
///
/// # Errors
/// When it can't be written.
pub async fn keep(tx: &mut Tx, kept: &Kept) -> Result<(), StoreError> {
    let (size, cosigned_at) = (stored(kept.size)?, stored(kept.cosigned_at)?);
    let latest = kept.received_at.saturating_add(MOST_SKEW_MICROS);
    on!(tx, c => sqlx::query(
        "INSERT INTO cosignature (witness, size, root, cosigned_at, received_at, line) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (witness) DO UPDATE SET \
         size = excluded.size, root = excluded.root, cosigned_at = excluded.cosigned_at, \
         received_at = excluded.received_at, line = excluded.line \
         WHERE cosignature.received_at <= excluded.received_at \
         OR cosignature.received_at > $7")
        .bind(&*kept.witness).bind(size).bind(kept.root.as_bytes().to_vec()).bind(cosigned_at)
        .bind(kept.received_at).bind(&*kept.line).bind(latest)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Retires a witness that the operator goes on without for good. Its row stays, emptied.
///
/// # Errors
/// When it can't be written.
pub async fn retire(tx: &mut Tx, witness: &str) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "UPDATE cosignature SET line = '', received_at = 0 WHERE witness = $1")
        .bind(witness).execute(c).await.map(drop))?;
    Ok(())
}
