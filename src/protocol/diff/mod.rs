//! What an amendment changes, in words: one sentence for each thing that differs.
//!
//! A signatory who reads these sentences has read every difference: each struct of the document is taken
//! apart member by member (a member added later does not compile until it is compared here), lists are
//! compared by what their entries stand for, an entry that is new or that goes is told to its last member,
//! and what is left, the order, has a sentence, too. Tests change every leaf of a document, also of entries
//! that are new, and ask for another sentence each time.

mod entries;
mod found;

use self::found::{Found, Pair, coded, day, optional, quoted};
use super::document::{Breach, Flow, Party, Protocol, Quorum, Retention, Rights, Security};
use super::vocabulary::{ProtocolKind, Purpose, closed};

closed! {
    /// How something differs.
    pub enum Difference {
        Added = "added", "it is new";
        Removed = "removed", "it is no more";
        Changed = "changed", "it says another thing";
        Reordered = "reordered", "it stands in another place";
    }
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where, as a JSON pointer: into the new document, or the old one for what is removed.
    pub pointer: String,
    /// How.
    pub difference: Difference,
    /// The same for people.
    pub sentence: String,
}

/// What `new` changes against `old`; empty exactly when they are the same.
#[must_use]
pub fn changes(old: &Protocol, new: &Protocol) -> Vec<Change> {
    let mut found = Found { changes: Vec::new() };
    whole(&mut found, Pair::of(old, new), (old, new));
    if found.changes.is_empty() && old != new {
        // Can't happen while every member is compared; but nobody may sign what was not shown.
        found.say(
            "",
            Difference::Changed,
            "changes the document in a way without words".to_owned(),
        );
    }
    found.changes
}

fn whole(found: &mut Found, pair: Pair<'_, Protocol>, (old, new): (&Protocol, &Protocol)) {
    let Protocol {
        schema: _,
        id: _,
        version: _,
        supersedes: _,
        kind: _,
        title: _,
        purposes: _,
        parties: _,
        flows: _,
        outputs: _,
        retention: _,
        security: _,
        rights: _,
        breach: _,
        dpia: _,
        effective: _,
        review_by: _,
        expires: _,
        quorum: _,
    } = new;
    found.plain("/schema", "the version of the document's form", pair.member(|p| &p.schema));
    found.plain("/id", "the protocol's id", pair.member(|p| &p.id));
    found.plain("/version", "the version", pair.member(|p| &p.version));
    let replaced = "the version that is replaced";
    found.value("/supersedes", replaced, pair.member(|p| &p.supersedes), optional);
    let kind = coded(ProtocolKind::words);
    found.value("/kind", "the kind of agreement", pair.member(|p| &p.kind), kind);
    found.value("/title", "the title", pair.member(|p| &p.title), quoted);
    let purpose = coded(Purpose::words);
    found.set("/purposes", " as a purpose", pair.member(|p| &p.purposes), purpose);
    let name = |party: &Party| format!("{} as {}", party.partner, party.role.words());
    let (parties, key) = (pair.member(|p| &p.parties), |p: &Party| p.partner.clone());
    found.list("/parties", " of the parties", parties, key, &name, entries::party);
    compare_flows(found, pair, (old, new));
    let table = |output: &super::document::Output| format!("table {}", output.table);
    let (outputs, flows) = (pair.member(|p| &p.outputs), (&old.flows[..], &new.flows[..]));
    found.list(
        "/outputs",
        " of the outputs",
        outputs,
        |o| o.table.clone(),
        &table,
        |found, at, pair| entries::output(found, at, pair, flows),
    );
    let kept = |retention: &Retention| format!("retention of {}", retention.record_type);
    let retention = pair.member(|p| &p.retention);
    found.list("/retention", "", retention, |r| r.record_type, &kept, entries::retained);
    terms(found, pair);
    found.value("/dpia", "the impact assessment's reference", pair.member(|p| &p.dpia), quoted);
    found.value("/effective", "the first day in force", pair.member(|p| &p.effective), day);
    let review = "the day by which it is reviewed";
    found.value("/review_by", review, pair.member(|p| &p.review_by), day);
    found.value("/expires", "the last day in force", pair.member(|p| &p.expires), day);
    compare_quorum(found, pair.member(|p| &p.quorum));
}

fn compare_quorum(found: &mut Found, pair: Pair<'_, Vec<Quorum>>) {
    let office = |quorum: &Quorum| {
        format!("the demand that {} parties sign as {}", quorum.minimum, quorum.role.words())
    };
    found.list(
        "/quorum",
        " of the quorum",
        pair,
        |q| q.role,
        &office,
        |found, at, pair| {
            // One that stands alone has both in its words.
            let (Some(old), Some(Quorum { role, minimum })) = (pair.old, pair.new) else { return };
            let what = format!("how many parties sign as {}", role.words());
            found.plain(&format!("{at}/minimum"), &what, Pair::of(&old.minimum, minimum));
        },
    );
}

fn compare_flows(found: &mut Found, pair: Pair<'_, Protocol>, (old, new): (&Protocol, &Protocol)) {
    let to = |flow: &Flow| receivers(if new.flows.contains(flow) { new } else { old }, flow);
    let name = |flow: &Flow| {
        let fields: Vec<&str> = flow.fields.iter().map(|field| field.name.as_str()).collect();
        let (record_type, from, receivers) = (flow.record_type, &flow.from, to(flow));
        format!(
            "the flow of {record_type} from {from} to {receivers} (fields {})",
            fields.join(", ")
        )
    };
    let key = |flow: &Flow| (flow.from.clone(), flow.record_type);
    found.list("/flows", "", pair.member(|p| &p.flows), key, &name, |found, at, pair| {
        let receivers = pair.either().map(to).unwrap_or_default();
        entries::flow(found, at, pair, &receivers);
    });
}

/// The other parties: whom a flow goes to.
fn receivers(protocol: &Protocol, flow: &Flow) -> String {
    let others = protocol.parties.iter().filter(|party| party.partner != flow.from);
    others.map(|party| party.partner.to_string()).collect::<Vec<_>>().join(", ")
}

fn terms(found: &mut Found, pair: Pair<'_, Protocol>) {
    let Some(Protocol {
        security: Security { key_rotation_days: _ },
        rights: Rights { contact: _, sar_days: _, propagate_days: _ },
        breach: Breach { notify_hours: _, ico_hours: _ },
        ..
    }) = pair.either()
    else {
        return;
    };
    let rotation = "the most days that a wrapping key is used";
    let days = pair.member(|p| &p.security.key_rotation_days);
    found.plain("/security/key_rotation_days", rotation, days);
    let contact = pair.member(|p| &p.rights.contact);
    found.value("/rights/contact", "whom subjects write to", contact, quoted);
    let answer = "the days to answer a subject access request";
    found.plain("/rights/sar_days", answer, pair.member(|p| &p.rights.sar_days));
    let reach = "the days until a withdrawal has reached every party";
    found.plain("/rights/propagate_days", reach, pair.member(|p| &p.rights.propagate_days));
    let told = "the hours within which the parties are told of a breach";
    found.plain("/breach/notify_hours", told, pair.member(|p| &p.breach.notify_hours));
    let told = "the hours within which the ICO is told of a breach";
    found.plain("/breach/ico_hours", told, pair.member(|p| &p.breach.ico_hours));
}
