//! Everything that differs has a sentence: each leaf, each entry, each order.

use serde_json::{Value, json};

use super::support::{kids, partner, template};
use crate::protocol::diff::{Change, Difference, changes};
use crate::protocol::document::{Digest, Protocol, ProtocolVersion, Quorum};
use crate::protocol::template::Template;
use crate::protocol::vocabulary::{FieldAction, SignatoryRole};

/// A document that uses every member.
fn full() -> Protocol {
    let mut protocol = template(Template::Centres);
    // Three flows have every leaf that more would have.
    protocol.flows.truncate(3);
    protocol.retention.truncate(3);
    for output in &mut protocol.outputs {
        output.sources.retain(|source| source.flow < 3);
    }
    protocol.version = ProtocolVersion::new(3).unwrap();
    protocol.supersedes = Some(Digest::of(b"the second"));
    protocol.flows[0].consent_max_age_days = Some(700);
    let basis = &mut protocol.flows[0].basis[0];
    basis.art10 = Some(crate::protocol::vocabulary::Article10::AuthorisedByLaw);
    basis.dpa_sch1 = Some(crate::protocol::vocabulary::Schedule1::Safeguarding);
    protocol.quorum.push(Quorum { role: SignatoryRole::Director, minimum: 1 });
    protocol
}

fn said(old: &Protocol, new: &Protocol) -> Vec<String> {
    changes(old, new).into_iter().map(|change| change.sentence).collect()
}

/// Every place of a document, with the value there.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| places(value, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.for_each(|(n, value)| places(value, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

/// Other values that might stand at a leaf; those of the wrong kind can't be read and are left out.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(number) => vec![json!(number.as_u64().unwrap() + 1)],
        Value::Bool(truth) => vec![json!(!truth)],
        Value::String(text) => {
            let words = [
                "other",
                "OTHER",
                "2031-01-01",
                "audit",
                "siro",
                "public_health",
                "inspection",
                "director",
                "joint",
                "ISP",
                "DDA",
                "JCA",
                "learning_aim",
                "keep",
                "drop",
                "adults",
                "families",
                "daily",
                "termly",
                "art6_1_c",
                "art9_2_h",
                "art10_official_authority",
                "dpa_sch1_para2",
                "welfare_reform_act_2012_s131",
                "s251",
                "none",
                "notice",
                "stop",
                "erase",
                "authority",
                "cluster",
                "received",
                "provider",
            ];
            let mut words: Vec<Value> = words.map(|word| json!(word)).to_vec();
            words.push(json!("0".repeat(64)));
            words.retain(|word| word != &json!(text));
            words
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_leaf_that_differs_has_a_sentence() {
    let before = full();
    let document = serde_json::to_value(&before).unwrap();
    let mut all = Vec::new();
    places(&document, "", &mut all);
    let (mut leaves, mut tried) = (0, 0);
    for place in &all {
        let value = document.pointer(place).unwrap();
        let mut changed = 0;
        for other in others(value) {
            let mut amended = document.clone();
            *amended.pointer_mut(place).unwrap() = other;
            // Not only what holds: whatever can be read must be told.
            let Ok(after) = serde_json::from_value::<Protocol>(amended) else { continue };
            let said = changes(&before, &after);
            assert!(!said.is_empty(), "{place} to {after:?}");
            assert!(
                said.iter().all(|change| !change.sentence.contains("without words")),
                "{place}"
            );
            assert!(!changes(&after, &before).is_empty(), "{place}, the other way");
            changed += 1;
        }
        let is_leaf = !value.is_object() && !value.is_array();
        assert!(!is_leaf || changed > 0, "{place} was never changed");
        leaves += u32::from(is_leaf);
        tried += changed;
    }
    assert!(leaves > 300 && tried > leaves, "{leaves} leaves, {tried} changes");
}

#[test]
fn every_entry_that_goes_or_moves_has_a_sentence() {
    let before = full();
    let document = serde_json::to_value(&before).unwrap();
    let mut all = Vec::new();
    places(&document, "", &mut all);
    let mut lists = 0;
    for place in &all {
        let Some(items) = document.pointer(place).and_then(Value::as_array) else { continue };
        for gone in 0..items.len() {
            let mut amended = document.clone();
            amended.pointer_mut(place).unwrap().as_array_mut().unwrap().remove(gone);
            let after: Protocol = serde_json::from_value(amended).unwrap();
            let said = changes(&before, &after);
            assert!(said.iter().any(|change| change.difference == Difference::Removed), "{place}");
            let back = changes(&after, &before);
            assert!(back.iter().any(|change| change.difference == Difference::Added), "{place}");
        }
        if items.len() > 1 {
            let mut amended = document.clone();
            amended.pointer_mut(place).unwrap().as_array_mut().unwrap().swap(0, 1);
            let after: Protocol = serde_json::from_value(amended).unwrap();
            assert!(!changes(&before, &after).is_empty(), "{place}: order");
            lists += 1;
        }
        // An entry twice: no document that holds has it, and it is told all the same.
        if let Some(first) = items.first() {
            let mut amended = document.clone();
            amended.pointer_mut(place).unwrap().as_array_mut().unwrap().push(first.clone());
            let after: Protocol = serde_json::from_value(amended).unwrap();
            assert!(!changes(&before, &after).is_empty(), "{place}: twice");
        }
    }
    assert!(lists > 10, "{lists}");
    for member in ["supersedes", "quorum"] {
        let mut amended = document.clone();
        amended.as_object_mut().unwrap().remove(member);
        let after: Protocol = serde_json::from_value(amended).unwrap();
        assert!(!changes(&before, &after).is_empty(), "{member}");
    }
    assert_eq!(changes(&before, &before), Vec::<Change>::new());
}

/// What is new is told to its last member, and so is what goes: another value, another sentence.
#[test]
fn every_leaf_of_an_entry_that_is_new_or_goes_has_a_sentence() {
    let document = serde_json::to_value(full()).unwrap();
    let mut tried = 0;
    for list in
        ["parties", "flows", "outputs", "retention", "quorum", "flows/0/fields", "flows/0/basis"]
    {
        let list = format!("/{list}");
        let mut without = document.clone();
        without.pointer_mut(&list).unwrap().as_array_mut().unwrap().remove(0);
        let without: Protocol = serde_json::from_value(without).unwrap();
        let whole: Protocol = serde_json::from_value(document.clone()).unwrap();
        let (added, gone) = (said(&without, &whole), said(&whole, &without));
        let mut all = Vec::new();
        let entry = format!("{list}/0");
        places(document.pointer(&entry).unwrap(), &entry, &mut all);
        for place in all {
            for other in others(document.pointer(&place).unwrap()) {
                let mut amended = document.clone();
                *amended.pointer_mut(&place).unwrap() = other;
                let Ok(other) = serde_json::from_value::<Protocol>(amended) else { continue };
                assert_ne!(said(&without, &other), added, "{place}, new");
                assert_ne!(said(&other, &without), gone, "{place}, gone");
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn the_sentences_say_what_people_would() {
    let new = template(Template::Health);
    let mut old = new.clone();
    old.flows[0].fields.retain(|field| field.name != "postcode");
    old.flows[1].max_lag_days = 30;
    old.parties[1].keys = kids(&["authority-old"]);
    old.outputs[0].audiences.pop();
    assert_eq!(
        said(&old, &new),
        [
            "removes key authority-old as a signing key of authority",
            "adds key authority-siro as a signing key of authority",
            "adds field postcode to live_birth for health to authority (made coarser, then dropped)",
            "changes the most days from extraction to receipt of health_review for health to \
             authority from 30 to 900",
            "adds centres as reader of released figures, for named areas (areas CC01, CC02, CC03) as \
             an audience of table engagement",
        ]
    );
    let pointers: Vec<String> = changes(&old, &new).into_iter().map(|c| c.pointer).collect();
    let postcode = new.flows[0].fields.iter().position(|f| f.name == "postcode").unwrap();
    assert_eq!(pointers[2], format!("/flows/0/fields/{postcode}"));

    // Flows that change places keep their sources: that they moved is all there is to say.
    let mut moved = new.clone();
    moved.flows.swap(0, 1);
    for source in moved.outputs.iter_mut().flat_map(|output| &mut output.sources) {
        source.flow = [1, 0].get(usize::from(source.flow)).copied().unwrap_or(source.flow);
    }
    let only = changes(&new, &moved);
    assert!(only.iter().all(|change| change.difference == Difference::Reordered), "{only:?}");
    // And a source that points to another flow is another source.
    let mut other = new.clone();
    other.outputs[0].sources[0].flow = 1;
    assert!(said(&new, &other)[0].contains("live_birth from health"), "{:?}", said(&new, &other));

    let mut third = new.clone();
    third.flows[0].fields[0].action = FieldAction::Discard;
    third.parties[0].partner = partner("hospital");
    let said = said(&new, &third);
    assert!(said.contains(&"adds hospital as controller of the parties".to_owned()), "{said:?}");
    assert!(said.iter().any(|s| s.starts_with("changes what is done with field ")), "{said:?}");
}
