//! The keys under which records were sent, by their numbers: as their batches' private details
//! have them.

use super::{Gateway, GatewayError};
use crate::{
    audit::{Item, Slot},
    domain::{BatchId, FeedId},
    keys::{KeyError, KeyVersion, Pseudonym, PseudonymDomain},
    store::{StoreError, Tx, details, erasures::Asked, retention},
};
use std::collections::BTreeMap;

impl Gateway {
    /// The keys of batches' records in every form that they may be stored in, by number.
    pub(super) async fn keys_in(
        &self,
        tx: &mut Tx,
        feed: FeedId,
        batches: &[BatchId],
    ) -> Result<BTreeMap<i64, Vec<Pseudonym>>, GatewayError> {
        let mut keys: BTreeMap<i64, Vec<Pseudonym>> = BTreeMap::new();
        for batch in batches {
            let row = batch.number();
            let corrupt = StoreError::Corrupt { table: "batch_detail", column: "sealed", row };
            let detail = match details::of_batch(tx, *batch).await? {
                None => None,
                Some(sealed) => match self.unseal_batch(*batch, &sealed) {
                    Ok(detail) => Some(detail.ok_or(corrupt)?),
                    // A sealing key that was destroyed took every item along.
                    Err(GatewayError::Key(KeyError::NoSealingKey { .. })) => None,
                    Err(error) => return Err(error),
                },
            };
            let Some(detail) = detail else {
                // From before there were details: stored as they are found.
                for (number, key, version) in retention::keys_of(tx, feed, *batch).await? {
                    let (domain, version) = (PseudonymDomain::Record, KeyVersion::new(version));
                    let key = Pseudonym::from_stored(domain, version, &key)?;
                    keys.entry(number).or_default().push(key);
                }
                continue;
            };
            for slot in &detail.slots {
                let Slot::Open(_, Item::Record(record)) = slot else { continue };
                let (key, key_version) = (record.key, record.key_version);
                let forms = self.forms_of(&Asked { feed, key, key_version })?;
                keys.entry(record.place.number).or_default().extend(forms);
            }
        }
        Ok(keys)
    }

    /// The same as suppressions, as far as their wrapping keys are held.
    pub(super) async fn tokens_in(
        &self,
        tx: &mut Tx,
        feed: FeedId,
        batches: &[BatchId],
    ) -> Result<BTreeMap<i64, [u8; 16]>, GatewayError> {
        let keys = self.keys_in(tx, feed, batches).await?;
        let token = |(number, forms): (i64, Vec<Pseudonym>)| Some((number, self.token_of(&forms)?));
        Ok(keys.into_iter().filter_map(token).collect())
    }
}
