//! The private detail of a question: who asked, what, in words, and everything that it was
//! answered from. The leaf names the leading table and the last release alone.

use super::{
    Actor, BookRequest, CallerName, CardRequest, QueryRequest,
    details::{word, words},
    released::Frozen,
};
use crate::{
    audit::{Hash, Item},
    domain::AreaCode,
    protocol::FigurePermit,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Purposes of a call: its private detail holds them, and each is asked about for every table.
pub(super) const MOST_PURPOSES: usize = 16;

/// Everything that an answer came from.
#[derive(Debug, Default)]
pub(super) struct AnsweredFrom {
    protocols: BTreeSet<String>,
    releases: BTreeSet<String>,
    tables: BTreeSet<String>,
    /// Of a data book: the areas beside the one that it is about.
    beside: BTreeSet<String>,
}

impl AnsweredFrom {
    /// A table under a permit.
    pub(super) fn permit(&mut self, permit: &FigurePermit) {
        let clause = permit.clause();
        self.protocols.insert(format!("{}/{}", clause.protocol(), clause.version().number()));
        self.tables.insert(permit.table().to_string());
    }

    /// An area beside the one that was asked about.
    pub(super) fn beside(&mut self, area: &AreaCode) {
        self.beside.insert(area.to_string());
    }

    /// A release.
    pub(super) fn release(&mut self, frozen: &Frozen) {
        self.releases.insert(Hash::new(*frozen.digest.as_bytes()).to_string());
    }
}

/// What a caller asked, in words that a private detail may hold.
pub(super) struct Asked(Map<String, Value>);

impl Asked {
    /// A card.
    pub(super) fn card(request: &CardRequest) -> Self {
        let purposes = request.purposes.iter().take(MOST_PURPOSES).map(|purpose| word(purpose));
        let purposes: Vec<Value> = purposes.collect();
        Self::of([
            ("area", word(&request.area)),
            ("purposes", purposes.into()),
            ("quarter", word(&request.quarter)),
        ])
    }

    /// A data book.
    pub(super) fn book(request: &BookRequest) -> Self {
        let purposes = request.purposes.iter().take(MOST_PURPOSES).map(|purpose| word(purpose));
        let purposes: Vec<Value> = purposes.collect();
        Self::of([
            ("area", word(&request.area)),
            ("purposes", purposes.into()),
            ("quarter", word(&request.quarter)),
            ("year", word(&request.year.to_string())),
        ])
    }

    /// A query.
    pub(super) fn query(request: &QueryRequest) -> Self {
        Self::of([
            ("area", word(&request.area)),
            ("by", word(&request.by)),
            ("from", word(&request.from)),
            ("indicator", word(&request.indicator)),
            ("purpose", word(&request.purpose)),
            ("to", word(&request.to)),
        ])
    }

    fn of<const N: usize>(said: [(&str, Value); N]) -> Self {
        Self(said.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The item; without what it was answered from where it was refused.
    pub(super) fn item(&self, actor: &Actor, from: Option<AnsweredFrom>) -> Item {
        let answered = from.map(|AnsweredFrom { protocols, releases, tables, beside }| {
            let mut from =
                json!({ "protocols": protocols, "releases": releases, "tables": tables });
            if !beside.is_empty() {
                from["areas"] = json!(beside);
            }
            ("answered", from)
        });
        let caller = actor.name.as_ref().map(CallerName::expose);
        words(caller, std::iter::once(("asked", Value::Object(self.0.clone()))).chain(answered))
    }
}
