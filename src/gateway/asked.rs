//! The private detail of a question: who asked, what, in words, and everything that it was
//! answered from. The leaf names the leading table and the last release alone.

use super::{
    Actor, CallerName, CardRequest, QueryRequest,
    details::{word, words},
    released::Frozen,
};
use crate::{
    audit::{Hash, Item},
    protocol::FigurePermit,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Purposes of a call that its private detail holds.
const MOST_PURPOSES: usize = 16;

/// Everything that an answer came from.
#[derive(Debug, Default)]
pub(super) struct AnsweredFrom {
    protocols: BTreeSet<String>,
    releases: BTreeSet<String>,
    tables: BTreeSet<String>,
}

impl AnsweredFrom {
    /// A table under a permit.
    pub(super) fn permit(&mut self, permit: &FigurePermit) {
        let clause = permit.clause();
        self.protocols.insert(format!("{}/{}", clause.protocol(), clause.version().number()));
        self.tables.insert(permit.table().to_string());
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
        let answered = from.map(|AnsweredFrom { protocols, releases, tables }| {
            ("answered", json!({ "protocols": protocols, "releases": releases, "tables": tables }))
        });
        let caller = actor.name.as_ref().map(CallerName::expose);
        words(caller, std::iter::once(("asked", Value::Object(self.0.clone()))).chain(answered))
    }
}
