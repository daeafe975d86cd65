//! Signed papers beside a protocol's version, and the batches that a revocation takes out of use.
//!
//! A revocation, its paper and what becomes of the data change together, in the sequencer's
//! transaction: once it is answered, no release counts the party's records of that protocol. Those
//! to be purged are let go by what the papers say ([`crate::protocol::retention`]) when the day ends;
//! here it is only kept that nothing brings them back before.

use super::{
    StoreError, Tx,
    feeds::{ACCEPTED, UNDONE},
    protocols,
    tx::on,
};
use crate::domain::{PartnerId, ProtocolId, RecordType};

/// What a paper is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A deed of adherence.
    Adherence,
    /// A party's revocation of its part.
    Revocation,
    /// An officer's word that a suspension ends.
    Reinstatement,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Adherence => "adherence",
            Self::Revocation => "revocation",
            Self::Reinstatement => "reinstatement",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Adherence, Self::Revocation, Self::Reinstatement];
        all.into_iter().find(|kind| kind.name() == text)
    }
}

/// A signed paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// The protocol that it is about.
    pub protocol: ProtocolId,
    /// The version.
    pub version: u32,
    /// SHA-256 of its canonical bytes.
    pub digest: [u8; 32],
    /// What it is.
    pub kind: Kind,
    /// General JWS JSON with all signatures.
    pub document: String,
    /// When it arrived, microseconds since 1970-01-01 UTC.
    pub arrived: i64,
}

/// What becomes of the records that a party sent under a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// They are counted no more; with `purge` nothing brings them back.
    Frozen {
        /// Whose.
        party: PartnerId,
        /// Whether they go for good.
        purge: bool,
    },
    /// They count again: a new version, which their sender has signed, lists them.
    Thawed {
        /// Whose, and of which type.
        feeds: Vec<(PartnerId, RecordType)>,
    },
}

/// A change of the register that has a paper, or a say about records.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The protocol's line.
    pub change: protocols::Change,
    /// The paper that it came with.
    pub paper: Option<Paper>,
    /// What becomes of records.
    pub fate: Option<Fate>,
}

const fn corrupt(column: &'static str) -> StoreError {
    StoreError::Corrupt { table: "protocol_paper", column, row: 0 }
}

/// Every paper, in the order in which they took effect: no clock decides it.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn all(tx: &mut Tx) -> Result<Vec<Paper>, StoreError> {
    let rows: Vec<(String, i64, Vec<u8>, String, String, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT protocol_id, version, digest, kind, document, arrived FROM protocol_paper \
         ORDER BY number").fetch_all(c).await)?;
    rows.into_iter()
        .map(|(id, version, digest, kind, document, arrived)| {
            Ok(Paper {
                protocol: id.parse().map_err(|_| corrupt("protocol_id"))?,
                version: u32::try_from(version).map_err(|_| corrupt("version"))?,
                digest: digest.try_into().map_err(|_| corrupt("digest"))?,
                kind: Kind::parse(&kind).ok_or(corrupt("kind"))?,
                document,
                arrived,
            })
        })
        .collect()
}

pub(super) async fn turn(tx: &mut Tx, turn: &Turn) -> Result<(), StoreError> {
    protocols::put(tx, &turn.change).await?;
    if let Some(paper) = &turn.paper {
        let number = tx.take_numbers("paper", 1).await?;
        let rows = on!(&mut *tx, c => sqlx::query(
            "INSERT INTO protocol_paper \
             (protocol_id, version, digest, kind, document, arrived, number) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING")
            .bind(paper.protocol.as_str()).bind(i64::from(paper.version))
            .bind(paper.digest.to_vec()).bind(paper.kind.name()).bind(&*paper.document)
            .bind(paper.arrived).bind(number)
            .execute(c).await.map(|done| done.rows_affected()))?;
        super::bulk::touched(rows, 1, "protocol_paper")?;
    }
    let protocol = &turn.change.entry.protocol;
    match &turn.fate {
        None => Ok(()),
        Some(Fate::Frozen { party, purge }) => freeze(tx, protocol, party, *purge).await,
        Some(Fate::Thawed { feeds }) => {
            for (party, record_type) in feeds {
                thaw(tx, protocol, party, *record_type).await?;
            }
            Ok(())
        }
    }
}

async fn freeze(
    tx: &mut Tx,
    protocol: &ProtocolId,
    party: &PartnerId,
    purge: bool,
) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "INSERT INTO frozen_batch (batch_id, purge) \
         SELECT b.batch_id, CAST($1 AS BIGINT) FROM batch b JOIN feed f ON f.feed_id = b.feed_id \
         WHERE f.partner_id = $2 AND b.protocol_id = $3 AND (b.state = $4 OR b.state = $5) \
         ON CONFLICT (batch_id) DO UPDATE SET purge = \
         CASE WHEN frozen_batch.purge > excluded.purge THEN frozen_batch.purge \
         ELSE excluded.purge END")
        .bind(i64::from(purge)).bind(party.as_str()).bind(protocol.as_str())
        .bind(ACCEPTED).bind(UNDONE)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// What is to be purged stays frozen.
async fn thaw(
    tx: &mut Tx,
    protocol: &ProtocolId,
    party: &PartnerId,
    record_type: RecordType,
) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "DELETE FROM frozen_batch WHERE purge = 0 AND batch_id IN \
         (SELECT b.batch_id FROM batch b JOIN feed f ON f.feed_id = b.feed_id \
          WHERE f.partner_id = $1 AND f.record_type = $2 AND b.protocol_id = $3)")
        .bind(party.as_str()).bind(i64::from(record_type.number())).bind(protocol.as_str())
        .execute(c).await.map(drop))?;
    Ok(())
}
