//! Entry bundles: each entry behind its length, u16 big-endian (C2SP tlog-tiles 0.1.0).

use super::{
    path::FULL,
    proof::{Sha, hash_of_entry},
};
use std::ops::Range;

/// The longest bundle: 256 entries of 65,535 bytes with their lengths.
pub(super) const MAX_BUNDLE: usize = FULL * (2 + 65_535);

/// A bundle as read: where each entry lies, and whether its lengths fill it.
pub(super) struct Bundle {
    bytes: Vec<u8>,
    entries: Vec<Range<usize>>,
    whole: bool,
}

impl Bundle {
    pub(super) fn parse(bytes: Vec<u8>, width: usize) -> Self {
        let mut entries = Vec::with_capacity(width);
        let mut at = 0;
        while entries.len() < width {
            let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) else {
                break;
            };
            let end = at + 2 + usize::from(u16::from_be_bytes(*length));
            if end > bytes.len() {
                break;
            }
            entries.push(at + 2..end);
            at = end;
        }
        let whole = entries.len() == width && at == bytes.len();
        Self { bytes, entries, whole }
    }

    /// Whether it holds as many entries as it should, and nothing else.
    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// The entry of a number, where the lengths before it lead to one.
    pub(super) fn entry(&self, number: usize) -> Option<&[u8]> {
        self.entries.get(number).and_then(|place| self.bytes.get(place.clone()))
    }

    /// Its entries, as far as the lengths lead.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.entries.iter().map(|place| &self.bytes[place.clone()])
    }

    pub(super) fn hashes(&self) -> Vec<Sha> {
        self.iter().map(hash_of_entry).collect()
    }

    /// Whether its entries have these hashes.
    pub(super) fn has_hashes(&self, hashes: &[Sha]) -> bool {
        self.entries.len() == hashes.len()
            && self.iter().zip(hashes).all(|(entry, hash)| hash_of_entry(entry) == *hash)
    }
}
