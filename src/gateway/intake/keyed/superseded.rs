//! Records whose place others take.

use super::{KeyedBatch, KeyedItem};
use crate::keys::{KeyError, Pseudonym, PseudonymDomain};
use std::collections::BTreeMap;

/// An earlier record that goes as if its sender had withdrawn it.
pub(in crate::gateway::intake) struct Superseded {
    /// Pseudonym of the sender's id of it.
    pub(in crate::gateway::intake) key: [u8; 16],
    /// The item of its going in the batch's private detail.
    pub(in crate::gateway::intake) item: KeyedItem,
}

impl KeyedBatch {
    /// The records whose places its records take.
    pub(in crate::gateway::intake) fn superseded(&self) -> Vec<[u8; 16]> {
        self.admitted().filter_map(|r| r.supersedes.as_ref().map(|earlier| earlier.key)).collect()
    }

    /// Lets records be known since those were whose places they take: `known` tells it of
    /// those that are stored, and others stand before them in the batch.
    pub(in crate::gateway::intake) fn inherit(
        &mut self,
        known: impl IntoIterator<Item = ([u8; 16], i32)>,
    ) -> Result<(), KeyError> {
        let mut since: BTreeMap<[u8; 16], i32> = known.into_iter().collect();
        let mut scratch = Vec::with_capacity(64);
        for at in &self.admitted {
            let record = &mut self.records[*at];
            let Some(content) = &mut record.content else { continue };
            let earlier = record.supersedes.as_ref().and_then(|earlier| since.get(&earlier.key));
            if let Some(day) = earlier.filter(|day| **day < content.event.known) {
                content.event.known = *day;
                let key = Pseudonym::from_stored(PseudonymDomain::Record, self.under, &record.key)?;
                let (salt, content) = (record.item.salt, record.content.as_ref());
                record.item = KeyedItem::new(salt, &key, record.consent, content, &mut scratch);
            }
            if let Some(content) = &record.content {
                since.entry(record.key).or_insert(content.event.known);
            }
        }
        Ok(())
    }
}
