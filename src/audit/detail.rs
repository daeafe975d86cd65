//! The commitment to private details: what an act was about beyond what its leaf says.
//!
//! A leaf holds only the Merkle root of per-item salted hashes, SHA-256(00 || salt || item),
//! joined as in RFC 6962. Items and salts live off the log. Opening one item shows it, its salt
//! and its path; nothing is learnt about its neighbours, since a hash with an unknown 16-byte
//! salt can't be tried. Erasing an item destroys it and its salt and keeps its hash, so the root
//! stays and the neighbours remain provable.
//!
//! A path tells how many items there are, and the leaf says their number only as a class. So a
//! list is filled up with hashes that stand for nothing ([`filled`]), whose salt is never
//! shown: what was erased and what never was can't be told apart from outside.

use super::{
    AuditError, Frontier, Hash,
    item::{Item, RecordItem, RecordPlace},
    leaf_hash,
};

/// The kept form's version.
const VERSION: u8 = 1;
/// How long lists of one act are made: below each class of sizes, a length.
const FILLED: [usize; 4] = [1, 128, 1_024, 2_048];

/// The salted hash of one item.
#[must_use]
pub fn item_hash(salt: &[u8; 16], item: &[u8]) -> Hash {
    let mut salted = Vec::with_capacity(16 + item.len());
    salted.extend_from_slice(salt);
    salted.extend_from_slice(item);
    leaf_hash(&salted)
}

/// How long a list of so many items is made: one item of its own stays one; a list that may
/// have several tells no more than a class.
#[must_use]
pub fn filled(items: usize, alone: bool) -> usize {
    match items {
        1 if alone => FILLED[0],
        0..100 => FILLED[1],
        100..1_000 => FILLED[2],
        1_000..=2_048 => FILLED[3],
        more => more.next_power_of_two(),
    }
}

/// The salted hashes of all items of one act, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    hashes: Vec<Hash>,
}

/// One item laid open, to be checked with [`crate::verify::detail_is_committed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The item's number within its act.
    pub index: u64,
    /// How many items the act had, with those that fill up.
    pub size: u64,
    /// From the item's hash to the commitment.
    pub path: Vec<Hash>,
}

impl Detail {
    /// From the items' hashes ([`item_hash`]), which also an erased item keeps.
    #[must_use]
    pub const fn new(hashes: Vec<Hash>) -> Self {
        Self { hashes }
    }

    /// From the items' hashes, filled up to a length.
    #[must_use]
    pub fn filled_up(mut hashes: Vec<Hash>, filling: &[u8; 16], size: usize) -> Self {
        let filler = |at: usize| item_hash(filling, &(at as u64).to_be_bytes());
        hashes.extend((hashes.len()..size).map(filler));
        Self { hashes }
    }

    /// The commitment for the leaf.
    ///
    /// # Errors
    /// `BeyondTree` cannot occur for a list that fits in memory.
    pub fn commitment(&self) -> Result<Hash, AuditError> {
        Ok(Frontier::empty().append(&self.hashes)?.root)
    }

    /// The hash of one item, or of what fills up.
    #[must_use]
    pub fn hash(&self, index: u64) -> Option<Hash> {
        self.hashes.get(usize::try_from(index).ok()?).copied()
    }

    /// The path that opens one item.
    ///
    /// # Errors
    /// `BeyondTree` when there is no such item.
    pub fn open(&self, index: u64) -> Result<Opening, AuditError> {
        let path = Frontier::empty().append(&self.hashes)?.inclusion_proof(index)?;
        Ok(Opening { index, size: self.hashes.len() as u64, path })
    }
}

/// What is kept of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// The item and its salt.
    Open([u8; 16], Item),
    /// It was erased; its hash stays.
    Erased(Hash),
}

impl Slot {
    /// The item's salted hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        match self {
            Self::Open(salt, item) => item_hash(salt, item.text().as_bytes()),
            Self::Erased(hash) => *hash,
        }
    }

    /// Destroys the item and its salt.
    pub fn erase(&mut self) {
        *self = Self::Erased(self.hash());
    }
}

/// A private detail as it is kept off the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDetail {
    /// The salt of what fills up.
    pub filling: [u8; 16],
    /// How long the list is, filled up.
    pub size: u32,
    /// The items, in order.
    pub slots: Vec<Slot>,
}

impl KeptDetail {
    /// The hashes of all items.
    #[must_use]
    pub fn detail(&self) -> Detail {
        let hashes = self.slots.iter().map(Slot::hash).collect();
        Detail::filled_up(hashes, &self.filling, usize::try_from(self.size).unwrap_or(0))
    }

    /// The form in which it is sealed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.slots.len() * 96);
        out.push(VERSION);
        out.extend_from_slice(&self.filling);
        out.extend_from_slice(&self.size.to_be_bytes());
        for slot in &self.slots {
            match slot {
                Slot::Erased(hash) => {
                    out.push(0);
                    out.extend_from_slice(hash.as_bytes());
                }
                Slot::Open(salt, item) => encode_item(&mut out, salt, item),
            }
        }
        out
    }

    /// From its kept form; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        if rest.take::<1>()? != [VERSION] {
            return None;
        }
        let filling = rest.take()?;
        let size = u32::from_be_bytes(rest.take()?);
        let mut slots = Vec::new();
        while !rest.0.is_empty() {
            slots.push(rest.slot()?);
        }
        (slots.len() <= usize::try_from(size).ok()?).then_some(Self { filling, size, slots })
    }
}

fn encode_item(out: &mut Vec<u8>, salt: &[u8; 16], item: &Item) {
    let tag = match item {
        Item::Record(RecordItem { content: Some(_), .. }) => 1,
        Item::Record(_) => 2,
        Item::Consent { .. } => 3,
        Item::Words(_) => 4,
        Item::Erased { .. } => 5,
    };
    out.push(tag);
    out.extend_from_slice(salt);
    match item {
        Item::Record(record) => {
            out.extend_from_slice(&record.key);
            out.extend_from_slice(&record.key_version.to_be_bytes());
            out.extend_from_slice(record.content.as_ref().map_or(&[], |content| &content[..]));
            out.extend_from_slice(&record.place.number.to_be_bytes());
            // A record names a handful of persons.
            let subjects = &record.place.subjects;
            out.push(u8::try_from(subjects.len()).unwrap_or(u8::MAX));
            for subject in subjects.iter().take(usize::from(u8::MAX)) {
                out.extend_from_slice(&subject.to_be_bytes());
            }
        }
        Item::Consent { key, key_version, state, recorded_on } => {
            out.extend_from_slice(key);
            out.extend_from_slice(&key_version.to_be_bytes());
            out.push(*state);
            out.extend_from_slice(&recorded_on.to_be_bytes());
        }
        Item::Words(words) => {
            // A text beyond 4 GiB does not fit in any message.
            let length = u32::try_from(words.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(words.as_bytes());
        }
        Item::Erased { batch, item } => {
            out.extend_from_slice(batch.as_bytes());
            out.extend_from_slice(&item.to_be_bytes());
        }
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn slot(&mut self) -> Option<Slot> {
        let [tag] = self.take()?;
        if tag == 0 {
            return Some(Slot::Erased(Hash::new(self.take()?)));
        }
        let salt = self.take()?;
        let item = match tag {
            1 | 2 => self.record(tag == 1)?,
            3 => Item::Consent {
                key: self.take()?,
                key_version: u16::from_be_bytes(self.take()?),
                state: u8::from_be_bytes(self.take()?),
                recorded_on: i32::from_be_bytes(self.take()?),
            },
            4 => {
                let length = usize::try_from(u32::from_be_bytes(self.take()?)).ok()?;
                let (words, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Item::Words(str::from_utf8(words).ok()?.to_owned())
            }
            5 => Item::Erased {
                batch: Hash::new(self.take()?),
                item: u64::from_be_bytes(self.take()?),
            },
            _ => return None,
        };
        Some(Slot::Open(salt, item))
    }

    fn record(&mut self, has_content: bool) -> Option<Item> {
        let key = self.take()?;
        let key_version = u16::from_be_bytes(self.take()?);
        let content = if has_content { Some(self.take()?) } else { None };
        let number = i64::from_be_bytes(self.take()?);
        let [count] = self.take()?;
        let subjects = (0..count).map(|_| self.take().map(i64::from_be_bytes));
        let place = RecordPlace { number, subjects: subjects.collect::<Option<_>>()? };
        Some(Item::Record(RecordItem { key, key_version, content, place }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::detail_is_committed;

    fn kept() -> KeptDetail {
        let record = |n: u8, content| {
            let place = RecordPlace { number: i64::from(n), subjects: vec![i64::from(n); 2] };
            Item::Record(RecordItem { key: [n; 16], key_version: 1, content, place })
        };
        let items = [
            record(1, Some([9; 32])),
            record(2, None),
            Item::Consent { key: [3; 16], key_version: 1, state: 2, recorded_on: 20_000 },
            Item::Words("{\"user\":\"a\"}".to_owned()),
            Item::Erased { batch: Hash::new([5; 32]), item: 4 },
        ];
        let slots = (1..).zip(items).map(|(n, item)| Slot::Open([n; 16], item)).collect();
        KeptDetail { filling: [7; 16], size: 128, slots }
    }

    #[test]
    fn what_is_kept_is_read_again_and_nothing_else_is() {
        let mut kept = kept();
        kept.slots[1].erase();
        let bytes = kept.encode();
        assert_eq!(KeptDetail::decode(&bytes), Some(kept));
        for cut in (0..bytes.len()).filter(|cut| ![21].contains(cut)) {
            let decoded = KeptDetail::decode(&bytes[..cut]);
            assert!(decoded.is_none_or(|short| short.slots.len() < 5), "cut at {cut}");
        }
        assert_eq!(KeptDetail::decode(&[2; 40]), None);
    }

    #[test]
    fn an_erased_item_leaves_its_neighbours_provable_and_itself_not() {
        let mut kept = kept();
        let root = kept.detail().commitment().unwrap();
        kept.slots[0].erase();
        let detail = kept.detail();
        assert_eq!(detail.commitment().unwrap(), root);
        for (index, slot) in (0..).zip(&kept.slots) {
            let opening = detail.open(index).unwrap();
            let path: Vec<[u8; 32]> = opening.path.iter().map(|hash| *hash.as_bytes()).collect();
            let Slot::Open(salt, item) = slot else { continue };
            let text = item.text();
            let shown = (salt, text.as_bytes());
            let proves = |shown, index, path: &[_]| {
                detail_is_committed(root.as_bytes(), shown, index, opening.size, path)
            };
            assert!(proves(shown, index, &path));
            assert!(!proves((&[0; 16], text.as_bytes()), index, &path), "another salt");
            assert!(!proves((salt, b"{}"), index, &path), "another item");
            assert!(!proves(shown, index + 1, &path), "another place");
            assert!(!proves(shown, index, &path[1..]), "a shorter path");
        }
        assert!(
            !kept.encode().windows(16).any(|window| window == [1; 16]),
            "key and salt are gone"
        );
    }

    #[test]
    fn a_lists_length_tells_a_class() {
        let lengths = [0, 1, 99, 100, 999, 1_000, 2_000, 5_000].map(|items| filled(items, false));
        assert_eq!(lengths, [128, 128, 128, 1_024, 1_024, 2_048, 2_048, 8_192]);
        assert_eq!((filled(1, true), filled(2, true)), (1, 128));
    }
}
