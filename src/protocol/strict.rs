//! Strict reading of signed JSON: what can't be read in full is refused, never half-applied.
//!
//! `serde_json` keeps the last of two equal keys, tells the offending value in its messages and gives no
//! place in the document. A signed agreement needs the opposite: two readers must never see two documents,
//! and an error may name the place (a JSON pointer, RFC 6901) and the rule, never a value. So a text is
//! first read into a [`Tree`] (bounded size and depth, no duplicate keys, no null, whole numbers only) and
//! then into types through a deserializer whose error is a [`Fault`].

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::fault::{Fault, Rule};

/// Deepest nesting a document may have; the protocol itself needs five levels.
const MAX_DEPTH: usize = 12;

/// A JSON text that was read strictly.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Text(String),
    Number(u64),
    Truth(bool),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// Reads `bytes` strictly into `T`.
///
/// # Errors
/// The first fault, with the JSON pointer to it: too large (`limit` bytes), not UTF-8 JSON, too deep, a
/// duplicate, unknown or missing member, a wrong type, an unknown word.
pub(super) fn read<T: de::DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, Fault> {
    if bytes.len() > limit {
        return Err(Fault::at("", Rule::TooLarge));
    }
    let walk = Walk { path: RefCell::new(Vec::new()), fault: RefCell::new(None) };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let tree = Seed { walk: &walk }.deserialize(&mut reader);
    let tree = match (tree, walk.fault.into_inner()) {
        (_, Some(fault)) => return Err(fault),
        (Err(_), None) => return Err(Fault::at("", Rule::NotJson)),
        (Ok(tree), None) => tree,
    };
    reader.end().map_err(|_| Fault::at("", Rule::NotJson))?;
    T::deserialize(tree)
}

/// Where the reader stands, and the fault it stopped at.
struct Walk {
    path: RefCell<Vec<String>>,
    fault: RefCell<Option<Fault>>,
}

impl Walk {
    /// Records the fault here and stops the reader: the text of the inner error is never shown.
    fn stop<E: de::Error>(&self, rule: Rule) -> E {
        let mut fault = Fault::at("", rule);
        for step in self.path.borrow().iter().rev() {
            fault = fault.below(step);
        }
        self.fault.borrow_mut().get_or_insert(fault);
        E::custom("stopped")
    }

    fn inside<T>(&self, step: String, read: impl FnOnce() -> T) -> T {
        self.path.borrow_mut().push(step);
        let value = read();
        self.path.borrow_mut().pop();
        value
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    walk: &'a Walk,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Tree;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        if self.walk.path.borrow().len() > MAX_DEPTH {
            return Err(self.walk.stop(Rule::TooDeep));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strict JSON")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Truth(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value))
    }

    fn visit_i64<E: de::Error>(self, _value: i64) -> Result<Tree, E> {
        Err(self.walk.stop(Rule::NotAWholeNumber))
    }

    fn visit_f64<E: de::Error>(self, _value: f64) -> Result<Tree, E> {
        Err(self.walk.stop(Rule::NotAWholeNumber))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        Err(self.walk.stop(Rule::Null))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        loop {
            let place = items.len().to_string();
            match self.walk.inside(place, || seq.next_element_seed(self))? {
                Some(item) => items.push(item),
                None => return Ok(Tree::List(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members: Vec<(String, Tree)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if members.iter().any(|(known, _)| *known == key) {
                return Err(self.walk.stop(Rule::DuplicateKey));
            }
            let value = self.walk.inside(key.clone(), || map.next_value_seed(self))?;
            members.push((key, value));
            if members.len() > 64 {
                // No object of ours has as many; this also bounds the scan for duplicates.
                return Err(self.walk.stop(Rule::TooLarge));
            }
        }
        Ok(Tree::Object(members))
    }
}

impl<'de> de::Deserializer<'de> for Tree {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Text(text) => visitor.visit_string(text),
            Self::Number(number) => visitor.visit_u64(number),
            Self::Truth(truth) => visitor.visit_bool(truth),
            Self::List(items) => visitor.visit_seq(Items { items: items.into_iter(), place: 0 }),
            Self::Object(members) => {
                visitor.visit_map(Members { members: members.into_iter(), value: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self {
            Self::Text(text) => {
                visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(text))
            }
            _ => Err(Fault::at("", Rule::WrongType)),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items {
    items: std::vec::IntoIter<Tree>,
    place: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let place = self.place;
        self.place += 1;
        seed.deserialize(item).map(Some).map_err(|fault| fault.below(&place.to_string()))
    }
}

struct Members {
    members: std::vec::IntoIter<(String, Tree)>,
    value: Option<(String, Tree)>,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.members.next() else { return Ok(None) };
        let read = seed.deserialize(IntoDeserializer::<Fault>::into_deserializer(key.as_str()));
        let read = read.map_err(|fault| fault.below(&key));
        self.value = Some((key, value));
        read.map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        // serde asks for a value only after its key.
        let Some((key, value)) = self.value.take() else {
            return Err(Fault::at("", Rule::Malformed));
        };
        seed.deserialize(value).map_err(|fault| fault.below(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its reading is tested")]
        count: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only its reading is tested")]
        list: Vec<Inner>,
        #[expect(dead_code, reason = "only its reading is tested")]
        #[serde(default)]
        note: Option<String>,
    }

    fn fault(text: &str) -> (String, Rule) {
        let fault = read::<Outer>(text.as_bytes(), 200).expect_err("refused");
        (fault.pointer().to_owned(), fault.rule())
    }

    #[test]
    fn faults_name_place_and_rule() {
        let at = |pointer: &str, rule| (pointer.to_owned(), rule);
        assert!(read::<Outer>(br#"{"list":[{"count":1}],"note":"x"}"#, 200).is_ok());
        assert!(read::<Outer>(br#"{"list":[]}"#, 200).is_ok());
        assert_eq!(fault(r#"{"list":[{"count":1,"count":1}]}"#), at("/list/0", Rule::DuplicateKey));
        assert_eq!(
            fault(r#"{"list":[{"count":1},{"count":-1}]}"#),
            at("/list/1/count", Rule::NotAWholeNumber)
        );
        assert_eq!(
            fault(r#"{"list":[{"count":1.5}]}"#),
            at("/list/0/count", Rule::NotAWholeNumber)
        );
        assert_eq!(
            fault(r#"{"list":[{"count":5000000000}]}"#),
            at("/list/0/count", Rule::OutOfRange)
        );
        assert_eq!(fault(r#"{"list":[{"count":"1"}]}"#), at("/list/0/count", Rule::WrongType));
        assert_eq!(fault(r#"{"list":[{}]}"#), at("/list/0/count", Rule::MissingMember));
        assert_eq!(
            fault(r#"{"list":[{"count":1,"extra":1}]}"#),
            at("/list/0/extra", Rule::UnknownMember)
        );
        assert_eq!(fault(r#"{"list":[],"note":null}"#), at("/note", Rule::Null));
        assert_eq!(fault(r#"{"list":[]} {}"#), at("", Rule::NotJson));
        assert_eq!(fault(r#"{"list":["#), at("", Rule::NotJson));
        assert_eq!(fault(&"[".repeat(100)).1, Rule::TooDeep);
        assert_eq!(fault(&" ".repeat(201)), at("", Rule::TooLarge));
    }

    #[test]
    fn a_fault_never_shows_what_was_submitted() {
        let secret = "9990000018";
        for text in [
            format!(r#"{{"list":[{{"count":"{secret}"}}]}}"#),
            format!(r#"{{"{secret}":1,"list":[]}}"#),
            format!(r#"{{"list":[{{"count":{secret}}}]}}"#),
        ] {
            let fault = read::<Outer>(text.as_bytes(), 200).expect_err("refused");
            assert!(!format!("{fault} {fault:?}").contains(secret));
        }
    }
}
