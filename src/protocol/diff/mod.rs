//! What an amendment changes, in words: one sentence for each thing that differs.
//!
//! A signatory who reads these sentences has read every difference: each struct of the document is taken
//! apart member by member (a member added later does not compile until it is compared here), lists are
//! compared by what their entries stand for, and what is left, their order, has a sentence, too. A test
//! changes every leaf of a document and asks for a sentence each time.

use std::collections::BTreeSet;

mod found;

use self::found::{Found, coded, day, optional, quoted};
use super::document::{
    Audience, Breach, Flow, FlowField, LegalBasis, Output, Party, Protocol, Quorum, Retention,
    Rights, Security, Source,
};
use super::vocabulary::closed;

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
    whole(&mut found, old, new);
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

fn whole(found: &mut Found, old: &Protocol, new: &Protocol) {
    let Protocol {
        schema,
        id,
        version,
        supersedes,
        kind,
        title,
        purposes,
        parties,
        flows,
        outputs,
        retention,
        security,
        rights,
        breach,
        dpia,
        effective,
        review_by,
        expires,
        quorum,
    } = new;
    found.plain("/schema", "the version of the document's form", &old.schema, schema);
    found.plain("/id", "the protocol's id", &old.id, id);
    found.plain("/version", "the version", &old.version, version);
    found.value(
        "/supersedes",
        "the version that is replaced",
        &old.supersedes,
        supersedes,
        optional,
    );
    found.value(
        "/kind",
        "the kind of agreement",
        &old.kind,
        kind,
        coded(|k: super::vocabulary::ProtocolKind| k.words()),
    );
    found.value("/title", "the title", &old.title, title, quoted);
    let purpose = coded(|p: super::vocabulary::Purpose| p.words());
    found.set("/purposes", " as a purpose", &old.purposes, purposes, |p| purpose(p));
    let name = |party: &Party| format!("{} as {}", party.partner, party.role.words());
    found.list(
        "/parties",
        " of the parties",
        &old.parties,
        parties,
        |p| p.partner.clone(),
        &name,
        party,
    );
    compare_flows(found, old, new, flows);
    compare_outputs(found, (&old.outputs, &old.flows), (outputs, flows));
    let kept = |retention: &Retention| format!("retention of {}", retention.record_type);
    found.list("/retention", "", &old.retention, retention, |r| r.record_type, &kept, retained);
    terms(found, (&old.security, &old.rights, &old.breach), (security, rights, breach));
    found.value("/dpia", "the impact assessment's reference", &old.dpia, dpia, quoted);
    found.value("/effective", "the first day in force", &old.effective, effective, day);
    found.value("/review_by", "the day by which it is reviewed", &old.review_by, review_by, day);
    found.value("/expires", "the last day in force", &old.expires, expires, day);
    compare_quorum(found, &old.quorum, quorum);
}

/// Outputs, each with the flows that its sources point to.
fn compare_outputs(
    found: &mut Found,
    (old, before): (&[Output], &[Flow]),
    (new, after): (&[Output], &[Flow]),
) {
    let table = |output: &Output| format!("table {}", output.table);
    found.list(
        "/outputs",
        " of the outputs",
        old,
        new,
        |o| o.table.clone(),
        &table,
        |found, at, a, b| {
            output(found, at, (a, before), (b, after));
        },
    );
}

fn compare_quorum(found: &mut Found, old: &[Quorum], quorum: &[Quorum]) {
    let office = |quorum: &Quorum| {
        format!("the demand that {} parties sign as {}", quorum.minimum, quorum.role.words())
    };
    found.list(
        "/quorum",
        " of the quorum",
        old,
        quorum,
        |q| q.role,
        &office,
        |found, at, a, b| {
            let Quorum { role, minimum } = b;
            let what = format!("how many parties sign as {}", role.words());
            found.plain(&format!("{at}/minimum"), &what, &a.minimum, minimum);
        },
    );
}

fn compare_flows(found: &mut Found, old: &Protocol, new: &Protocol, flows: &[Flow]) {
    let to = |protocol: &Protocol, flow: &Flow| receivers(protocol, flow);
    let name = |flow: &Flow| {
        let receivers = if new.flows.contains(flow) { to(new, flow) } else { to(old, flow) };
        let fields: Vec<&str> = flow.fields.iter().map(|field| field.name.as_str()).collect();
        let (record_type, from) = (flow.record_type, &flow.from);
        format!(
            "the flow of {record_type} from {from} to {receivers} (fields {})",
            fields.join(", ")
        )
    };
    let key = |flow: &Flow| (flow.from.clone(), flow.record_type);
    found.list("/flows", "", &old.flows, flows, key, &name, |found, at, before, after| {
        compare_flow(found, at, before, after, &to(new, after));
    });
}

/// The other parties: whom a flow goes to.
fn receivers(protocol: &Protocol, flow: &Flow) -> String {
    let others = protocol.parties.iter().filter(|party| party.partner != flow.from);
    others.map(|party| party.partner.to_string()).collect::<Vec<_>>().join(", ")
}

fn party(found: &mut Found, at: &str, old: &Party, new: &Party) {
    let Party { partner, org_code, ico_registration, role, keys } = new;
    let of = |what: &str| format!("{what} of {partner}");
    found.value(
        &format!("{at}/org_code"),
        &of("the organisation code"),
        &old.org_code,
        org_code,
        quoted,
    );
    let registration = of("the ICO registration");
    found.value(
        &format!("{at}/ico_registration"),
        &registration,
        &old.ico_registration,
        ico_registration,
        quoted,
    );
    found.value(&format!("{at}/role"), &of("the position"), &old.role, role, |role| {
        role.words().to_owned()
    });
    let for_party = format!(" as a signing key of {partner}");
    found.set(&format!("{at}/keys"), &for_party, &old.keys, keys, |key| format!("key {key}"));
}

fn compare_flow(found: &mut Found, at: &str, old: &Flow, new: &Flow, to: &str) {
    let Flow {
        from,
        record_type,
        fields,
        subjects,
        areas,
        frequency,
        max_lag_days,
        max_backdate_days,
        basis,
        confidentiality,
        consent,
        consent_max_age_days,
        on_withdrawal,
    } = new;
    let way = format!("{record_type} for {from} to {to}");
    let of = |what: &str| format!("{what} of {way}");
    let place = |member: &str| format!("{at}/{member}");
    compare_fields(found, &place("fields"), &way, &old.fields, fields);
    found.value(&place("subjects"), &of("the subjects"), &old.subjects, subjects, |s| {
        s.words().to_owned()
    });
    let area = |code: &crate::domain::AreaCode| format!("area {code}");
    found.set(&place("areas"), &format!(" for {way}"), &old.areas, areas, area);
    found.value(&place("frequency"), &of("the frequency"), &old.frequency, frequency, |f| {
        f.words().to_owned()
    });
    found.plain(
        &place("max_lag_days"),
        &of("the most days from extraction to receipt"),
        &old.max_lag_days,
        max_lag_days,
    );
    let backdate = of("the most days from event to extraction");
    found.plain(&place("max_backdate_days"), &backdate, &old.max_backdate_days, max_backdate_days);
    let words = |basis: &LegalBasis| format!("legal basis {}", basis_words(basis));
    let key = |basis: &LegalBasis| basis.to_string();
    found.list(
        &place("basis"),
        &format!(" of {way}"),
        &old.basis,
        basis,
        key,
        &words,
        |_, _, _, _| (),
    );
    let lifted = of("what lifts confidentiality");
    found.value(&place("confidentiality"), &lifted, &old.confidentiality, confidentiality, |c| {
        c.words().to_owned()
    });
    found.value(
        &place("consent"),
        &of("what is asked of the subject"),
        &old.consent,
        consent,
        |c| c.words().to_owned(),
    );
    let age = of("the oldest consent that counts, in days,");
    found.value(
        &place("consent_max_age_days"),
        &age,
        &old.consent_max_age_days,
        consent_max_age_days,
        optional,
    );
    let end = of("what a withdrawal does");
    found.value(&place("on_withdrawal"), &end, &old.on_withdrawal, on_withdrawal, |o| {
        o.words().to_owned()
    });
}

/// What a flow lists: each field, what is done with it, whether it must be there, and their order.
fn compare_fields(found: &mut Found, list: &str, way: &str, old: &[FlowField], new: &[FlowField]) {
    let plain = |field: &FlowField| format!("field {}", field.name);
    let (added, gone): (Vec<_>, Vec<_>) = (missing(new, old), missing(old, new));
    for (position, field) in added {
        let required = if field.required { ", required" } else { "" };
        let action = field.action.words();
        let sentence = format!("adds field {} to {way} ({action}{required})", field.name);
        found.say(&format!("{list}/{position}"), Difference::Added, sentence);
    }
    for (position, field) in gone {
        let sentence = format!("removes {} from {way}", plain(field));
        found.say(&format!("{list}/{position}"), Difference::Removed, sentence);
    }
    for (position, field) in new.iter().enumerate() {
        let FlowField { name, action, required } = field;
        let Some(before) = old.iter().find(|other| other.name == *name) else { continue };
        let at = format!("{list}/{position}");
        let what = format!("what is done with field {name} of {way}");
        found.value(&format!("{at}/action"), &what, &before.action, action, |a| {
            a.words().to_owned()
        });
        let what = format!("whether field {name} of {way} is required");
        let yes = |required: &bool| if *required { "yes" } else { "no" }.to_owned();
        found.value(&format!("{at}/required"), &what, &before.required, required, yes);
    }
    found.order(list, &format!(" the fields of {way}"), old, new, |f| f.name.clone(), &plain);
}

/// The fields of a list that another does not name, with their positions.
fn missing<'a>(fields: &'a [FlowField], others: &[FlowField]) -> Vec<(usize, &'a FlowField)> {
    let names: BTreeSet<&str> = others.iter().map(|field| field.name.as_str()).collect();
    fields.iter().enumerate().filter(|(_, field)| !names.contains(field.name.as_str())).collect()
}

fn basis_words(basis: &LegalBasis) -> String {
    let LegalBasis { art6, art9, art10, gateway, dpa_sch1 } = basis;
    let mut words = vec![gateway.words(), art6.words()];
    words.extend(art9.map(super::vocabulary::Article9::words));
    words.extend(art10.map(super::vocabulary::Article10::words));
    words.extend(dpa_sch1.map(super::vocabulary::Schedule1::words));
    words.join("; ")
}

fn output(
    found: &mut Found,
    at: &str,
    (old, before): (&Output, &[Flow]),
    (new, after): (&Output, &[Flow]),
) {
    let Output { table, audiences, finest_area, sources } = new;
    let who = |audience: &Audience| {
        let areas: Vec<String> = audience.areas.iter().map(ToString::to_string).collect();
        let (partner, role) = (&audience.partner, audience.role.words());
        format!("{partner} as {role} (areas {})", areas.join(", "))
    };
    let of = format!(" as an audience of table {table}");
    let key = |audience: &Audience| (audience.partner.clone(), audience.role);
    found.list(
        &format!("{at}/audiences"),
        &of,
        &old.audiences,
        audiences,
        key,
        &who,
        |found, at, a, b| {
            let Audience { partner, role, areas } = b;
            let of = format!(" for {partner} as {} of table {table}", role.words());
            found.set(&format!("{at}/areas"), &of, &a.areas, areas, |code| format!("area {code}"));
        },
    );
    let finest = format!("the finest level of table {table}");
    found.value(&format!("{at}/finest_area"), &finest, &old.finest_area, finest_area, |l| {
        l.words().to_owned()
    });
    let named = |flows: &[Flow], source: &Source| {
        let Source { flow, purpose } = source;
        let flow = flows.get(usize::from(*flow)).map_or_else(
            || format!("flow {flow}"),
            |flow| format!("{} from {}", flow.record_type, flow.from),
        );
        format!("{flow} for {}", purpose.words())
    };
    let names = |flows: &[Flow], sources: &[Source]| -> Vec<String> {
        sources.iter().map(|source| named(flows, source)).collect()
    };
    let of = format!(" as a source of table {table}");
    let (old, new) = (names(before, &old.sources), names(after, sources));
    found.set(&format!("{at}/sources"), &of, &old, &new, Clone::clone);
}

fn retained(found: &mut Found, at: &str, old: &Retention, new: &Retention) {
    let Retention { record_type, days, from_event } = new;
    let long = format!("for how many days {record_type} is kept");
    found.plain(&format!("{at}/days"), &long, &old.days, days);
    let from = format!("from when the keeping of {record_type} is counted");
    found.value(&format!("{at}/from_event"), &from, &old.from_event, from_event, |f| {
        f.words().to_owned()
    });
}

type Terms<'a> = (&'a Security, &'a Rights, &'a Breach);

fn terms(found: &mut Found, old: Terms<'_>, new: Terms<'_>) {
    let Security { key_rotation_days } = new.0;
    let rotation = "the most days that a wrapping key is used";
    found.plain(
        "/security/key_rotation_days",
        rotation,
        &old.0.key_rotation_days,
        key_rotation_days,
    );
    let Rights { contact, sar_days, propagate_days } = new.1;
    found.value("/rights/contact", "whom subjects write to", &old.1.contact, contact, quoted);
    found.plain(
        "/rights/sar_days",
        "the days to answer a subject access request",
        &old.1.sar_days,
        sar_days,
    );
    let reach = "the days until a withdrawal has reached every party";
    found.plain("/rights/propagate_days", reach, &old.1.propagate_days, propagate_days);
    let Breach { notify_hours, ico_hours } = new.2;
    let told = "the hours within which the parties are told of a breach";
    found.plain("/breach/notify_hours", told, &old.2.notify_hours, notify_hours);
    let told = "the hours within which the ICO is told of a breach";
    found.plain("/breach/ico_hours", told, &old.2.ico_hours, ico_hours);
}
