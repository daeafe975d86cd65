//! What batches' private details say of records: their keys, and whom they are about first.

use super::subject::Known;
use crate::{
    audit::{Item, Slot},
    domain::{BatchId, FeedId, SubjectId},
    gateway::{Gateway, GatewayError},
    keys::{KeyError, KeyVersion, KeysInUse, Pseudonym, PseudonymDomain},
    store::{StoreError, Tx, cases, details},
};
use std::collections::{BTreeMap, BTreeSet};

impl Gateway {
    /// Of some records of one sender's, those whose principal shares a key with who was named.
    pub(super) async fn of_kin(
        &self,
        tx: &mut Tx,
        records: &[(i64, BatchId)],
        known: &Known,
    ) -> Result<BTreeSet<i64>, GatewayError> {
        let mut kin: BTreeSet<i64> = known.named.clone();
        if known.kin.is_empty() {
            return Ok(kin);
        }
        let batches = with_late(tx, records).await?;
        for batch in batches {
            for item in self.record_items(tx, batch).await? {
                if item.principal.is_some_and(|principal| known.kin.contains(&principal)) {
                    kin.insert(item.number);
                }
            }
        }
        Ok(kin)
    }

    /// The records' items of a batch that are still there; none of a batch from before there
    /// were any.
    pub(super) async fn record_items(
        &self,
        tx: &mut Tx,
        batch: BatchId,
    ) -> Result<Vec<RecordPlaceKey>, GatewayError> {
        let Some(sealed) = details::of_batch(tx, batch).await? else { return Ok(Vec::new()) };
        let row = batch.number();
        let corrupt = StoreError::Corrupt { table: "batch_detail", column: "sealed", row };
        let detail = match self.unseal_batch(batch, &sealed) {
            Ok(detail) => detail.ok_or(corrupt)?,
            // A sealing key that was destroyed took every item along.
            Err(GatewayError::Key(KeyError::NoSealingKey { .. })) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let items = detail.slots.into_iter().filter_map(|slot| match slot {
            Slot::Open(_, Item::Record(record)) if record.content.is_some() => {
                Some(RecordPlaceKey {
                    number: record.place.number,
                    key: record.key,
                    key_version: record.key_version,
                    principal: record.place.subjects.first().map(|id| SubjectId::new(*id)),
                })
            }
            _ => None,
        });
        Ok(items.collect())
    }

    /// The tokens of some records of one feed, each with the batch that brought it: by the
    /// batches' items, and for those that have none by looking through the feed.
    pub(in crate::gateway) async fn record_tokens(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        feed: FeedId,
        wanted: &[(i64, BatchId)],
    ) -> Result<BTreeMap<i64, [u8; 16]>, GatewayError> {
        let numbers: BTreeSet<i64> = wanted.iter().map(|(number, _)| *number).collect();
        let batches = with_late(tx, wanted).await?;
        let mut tokens = BTreeMap::new();
        let token = |key: &[u8; 16], version: u16| -> Result<[u8; 16], KeyError> {
            let (domain, version) = (PseudonymDomain::Record, KeyVersion::new(version));
            let key = Pseudonym::from_stored(domain, version, key)?;
            Ok(*keys.pseudonymiser.suppress(&key)?.as_bytes())
        };
        for batch in batches {
            for item in self.record_items(tx, batch).await? {
                // What was wrapped under a version that is destroyed is found in the feed.
                if numbers.contains(&item.number)
                    && let Ok(token) = token(&item.key, item.key_version)
                {
                    tokens.insert(item.number, token);
                }
            }
        }
        let left: Vec<i64> =
            numbers.into_iter().filter(|number| !tokens.contains_key(number)).collect();
        if !left.is_empty() {
            for (number, key, version) in cases::keys_of(tx, feed, &left).await? {
                if let Ok(token) = token(&key, version) {
                    tokens.insert(number, token);
                }
            }
        }
        Ok(tokens)
    }
}

/// The batches whose items speak of some records: those that brought them, and of what was taken
/// late those that brought it again.
pub(super) async fn with_late(
    tx: &mut Tx,
    records: &[(i64, BatchId)],
) -> Result<BTreeSet<BatchId>, StoreError> {
    let numbers: Vec<i64> = records.iter().map(|(number, _)| *number).collect();
    let late = cases::late_items(tx, &numbers).await?;
    Ok(records.iter().map(|(_, batch)| *batch).chain(late).collect())
}

/// What a batch's item says of a record.
pub(super) struct RecordPlaceKey {
    pub(super) number: i64,
    key: [u8; 16],
    key_version: u16,
    pub(super) principal: Option<SubjectId>,
}
