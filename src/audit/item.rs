//! The items of private details: what an act is about beyond what its leaf says.
//!
//! An item is committed to as text: a JSON object in RFC 8785 form, so that an auditor who is
//! shown one reads it with any tool, and its hash has one meaning. It is kept in a shorter
//! form, from which the text follows.
//!
//! No item holds an identifier: records and consents are named by their keyed pseudonyms, as
//! they were wrapped when the act was logged. [`Item::Words`] may hold the name by which a
//! partner calls a member of its staff, and no more of a caller's own text than words of the
//! log's alphabet: whoever makes them sees to that.

use super::Hash;
use crate::domain::time::date_of;
use std::fmt::Write;

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A record that a batch brought or withdrew.
    Record(RecordItem),
    /// A consent that was recorded.
    Consent {
        /// Pseudonym of the sender's reference.
        key: [u8; 16],
        /// Version of the key that wrapped it.
        key_version: u16,
        /// 1 given, 2 refused, 3 withdrawn, 4 expired.
        state: u8,
        /// The day it was recorded, days since 1970-01-01.
        recorded_on: i32,
    },
    /// Who asked, by its partner's own name, what, and what it was answered from: canonical
    /// JSON.
    Words(String),
    /// An item of an earlier batch that was erased.
    Erased {
        /// That batch's commitment.
        batch: Hash,
        /// The item's number.
        item: u64,
    },
}

/// A record that a batch brought or withdrew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordItem {
    /// Pseudonym of the sender's id of the record.
    pub key: [u8; 16],
    /// Version of the key that wrapped it.
    pub key_version: u16,
    /// SHA-256 over the item's salt and what is kept of the record, keyed; `None` where the
    /// record is withdrawn.
    pub content: Option<[u8; 32]>,
    /// Where its rows are, which is no part of the commitment.
    pub place: RecordPlace,
}

/// Where a record's rows are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordPlace {
    /// The record's number.
    pub number: i64,
    /// The identities that it named.
    pub subjects: Vec<i64>,
}

const STATES: [&str; 5] = ["unknown", "given", "refused", "withdrawn", "expired"];

impl Item {
    /// The text that is committed to.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Record(record) => record_text(record.key, record.key_version, record.content),
            Self::Consent { key, key_version, state, recorded_on } => {
                let state = STATES.get(usize::from(*state)).copied().unwrap_or(STATES[0]);
                let day = date_of(*recorded_on).map(|day| day.to_string()).unwrap_or_default();
                let key = hex::encode(key);
                format!(
                    "{{\"consent\":\"{key}\",\"key_version\":{key_version},\
                     \"recorded_on\":\"{day}\",\"state\":\"{state}\"}}"
                )
            }
            Self::Words(words) => words.clone(),
            Self::Erased { batch, item } => {
                format!("{{\"batch\":\"{batch}\",\"erased\":{item}}}")
            }
        }
    }
}

/// The text of a record's item; before its rows have a place, it is all there is.
#[must_use]
pub fn record_text(key: [u8; 16], key_version: u16, content: Option<[u8; 32]>) -> String {
    let mut text = String::with_capacity(192);
    // Writing to a String can't fail.
    let _ = match content {
        Some(content) => write!(text, "{{\"content\":\"{}\",", hex::encode(content)),
        None => write!(text, "{{"),
    };
    let operation = if content.is_some() { "upsert" } else { "withdraw" };
    let key = hex::encode(key);
    let _ = write!(
        text,
        "\"key_version\":{key_version},\"operation\":\"{operation}\",\"record\":\"{key}\"}}"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<Item> {
        let place = RecordPlace { number: 7, subjects: vec![1, 2] };
        let record = |content| {
            Item::Record(RecordItem { key: [1; 16], key_version: 1, content, place: place.clone() })
        };
        vec![
            record(Some([2; 32])),
            record(None),
            Item::Consent { key: [3; 16], key_version: 2, state: 3, recorded_on: 20_000 },
            Item::Words("{\"user\":\"officer\"}".to_owned()),
            Item::Erased { batch: Hash::new([4; 32]), item: 9 },
        ]
    }

    #[test]
    fn texts_are_canonical_json() {
        for item in items() {
            let text = item.text();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            // serde_json keeps an object's keys in order.
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
        }
        let text = items()[2].text();
        assert!(text.contains("\"recorded_on\":\"2024-10-04\",\"state\":\"withdrawn\""), "{text}");
    }

    #[test]
    fn where_a_record_lies_is_not_committed_to() {
        let Item::Record(record) = &items()[0] else { panic!("not a record") };
        let moved = RecordItem { place: RecordPlace::default(), ..record.clone() };
        assert_eq!(Item::Record(moved).text(), items()[0].text());
    }
}
