//! The private detail of a staged batch.

use super::{Additions, KeyedItem};
use crate::{
    audit::{
        Detail, Hash, Item, KeptDetail, Slot,
        detail::filled,
        item::{RecordItem, RecordPlace},
    },
    gateway::GatewayError,
};
use rand::Rng;
use std::collections::BTreeSet;

/// The private detail of a batch: an item for each record that is new or withdrawn.
pub(super) struct BatchDetail<'a> {
    filling: [u8; 16],
    size: usize,
    /// The records, in the order of their items, with their numbers once they have them.
    records: Vec<(&'a [u8; 16], &'a KeyedItem)>,
    /// The items of which nothing is kept but the salted hash.
    pub(super) left_out: Vec<u64>,
}

impl<'a> BatchDetail<'a> {
    pub(super) fn of(additions: &Additions<'a>, rng: &mut impl Rng) -> Self {
        let mut filling = [0; 16];
        rng.fill_bytes(&mut filling);
        let new = additions.new.iter().map(|new| (&new.record.key, &new.record.item));
        let unused = (0..).zip(&additions.new).filter(|(_, new)| new.dropped.is_some());
        let left_out = unused.map(|(at, _)| at).collect();
        let withdrawn = additions.withdrawn.iter().map(|(gone, _)| (gone.key, gone.item));
        let here = additions.withdrawn_here.iter().map(|(gone, _)| (gone.key, gone.item));
        let records: Vec<_> = new.chain(withdrawn).chain(here).collect();
        Self { filling, size: filled(records.len(), false), records, left_out }
    }

    pub(super) fn commitment(&self) -> Result<Hash, GatewayError> {
        let hashes = self.records.iter().map(|(_, item)| item.hash).collect();
        Ok(Detail::filled_up(hashes, &self.filling, self.size).commitment()?)
    }

    /// What is kept of it, once it is known where each record's rows are.
    pub(super) fn kept(&self, places: Vec<RecordPlace>) -> KeptDetail {
        let left_out: BTreeSet<u64> = self.left_out.iter().copied().collect();
        let slots = (0..).zip(self.records.iter().zip(places)).map(|(at, ((key, item), place))| {
            let KeyedItem { salt, key_version, content, hash } = **item;
            if left_out.contains(&at) {
                return Slot::Erased(hash);
            }
            Slot::Open(salt, Item::Record(RecordItem { key: **key, key_version, content, place }))
        });
        let size = u32::try_from(self.size).unwrap_or(u32::MAX);
        KeptDetail { filling: self.filling, size, slots: slots.collect() }
    }
}
