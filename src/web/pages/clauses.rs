//! A protocol's clauses in full, in the words that its vocabularies have for people.

use crate::protocol::{
    Protocol,
    document::{Flow, LegalBasis, Output},
    vocabulary::{Article9, Article10, FieldAction, Schedule1},
};
use std::collections::BTreeMap;

/// A clause and what it says, point by point.
pub(super) struct Clause {
    /// Where it stands in the document.
    pub(super) pointer: String,
    pub(super) heading: String,
    pub(super) points: Vec<(&'static str, String)>,
}

/// Every clause, in the document's order.
pub(super) fn clauses(protocol: &Protocol) -> Vec<Clause> {
    let mut all = vec![Clause {
        pointer: "purposes".to_owned(),
        heading: "What for".to_owned(),
        points: vec![
            ("Kind", protocol.kind.words().to_owned()),
            ("Purposes", list(protocol.purposes.iter().map(|purpose| purpose.words()))),
            ("Impact assessment", protocol.dpia.clone()),
        ],
    }];
    let parties = protocol.parties.iter().map(|party| {
        let text = format!(
            "{}; organisation code {}, registered with the ICO as {}",
            party.role.words(),
            party.org_code,
            party.ico_registration
        );
        format!("{}: {text}", party.partner)
    });
    all.push(Clause {
        pointer: "parties".to_owned(),
        heading: "Between whom".to_owned(),
        points: parties.map(|party| ("Party", party)).collect(),
    });
    all.extend(protocol.flows.iter().enumerate().map(|(at, one)| flow(at, one)));
    all.extend(protocol.outputs.iter().enumerate().map(|(at, one)| output(protocol, at, one)));
    all.push(keeping(protocol));
    all
}

fn list<T: AsRef<str>>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.as_ref().to_owned()).collect::<Vec<_>>().join("; ")
}

fn codes<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn basis(basis: &LegalBasis) -> String {
    let parts = [
        Some(basis.gateway.words()),
        Some(basis.art6.words()),
        basis.art9.map(Article9::words),
        basis.art10.map(Article10::words),
        basis.dpa_sch1.map(Schedule1::words),
    ];
    list(parts.into_iter().flatten())
}

fn flow(at: usize, flow: &Flow) -> Clause {
    // By what becomes of them: most have the same fate.
    let mut fates: BTreeMap<FieldAction, Vec<String>> = BTreeMap::new();
    for field in &flow.fields {
        let must = if field.required { " (required)" } else { "" };
        let name = format!("{}{must}", field.name.replace('_', " "));
        fates.entry(field.action).or_default().push(name);
    }
    let fields =
        fates.iter().map(|(fate, names)| format!("{}: {}", fate.words(), names.join(", ")));
    let age = flow
        .consent_max_age_days
        .map_or_else(String::new, |days| format!("; a consent counts for {days} days"));
    Clause {
        pointer: format!("flows[{at}]"),
        heading: format!("{} sends {}", flow.from, flow.record_type.name().replace('_', " ")),
        points: vec![
            ("About", flow.subjects.words().to_owned()),
            ("Fields", list(fields)),
            ("Areas", codes(&flow.areas)),
            (
                "How often",
                format!(
                    "{}, at most {} days behind, and of events at most {} days before",
                    flow.frequency.words(),
                    flow.max_lag_days,
                    flow.max_backdate_days
                ),
            ),
            ("Legal basis", list(flow.basis.iter().map(basis))),
            ("Confidentiality", flow.confidentiality.words().to_owned()),
            ("Consent", format!("{}{age}", flow.consent.words())),
            ("On withdrawal", flow.on_withdrawal.words().to_owned()),
        ],
    }
}

fn output(protocol: &Protocol, at: usize, output: &Output) -> Clause {
    let audiences = output.audiences.iter().map(|audience| {
        let (partner, role) = (&audience.partner, audience.role.words());
        format!("{partner} ({role}; {})", codes(&audience.areas))
    });
    let sources = output.sources.iter().map(|source| {
        let flow = protocol.flows.get(usize::from(source.flow));
        let flow = flow.map_or_else(String::new, |flow| {
            format!("{} of {}", flow.record_type.name().replace('_', " "), flow.from)
        });
        format!("{flow}, for {}", source.purpose.words())
    });
    Clause {
        pointer: format!("outputs[{at}]"),
        heading: format!("The table \u{201c}{}\u{201d} is released", output.table),
        points: vec![
            ("To whom", list(audiences)),
            ("No finer than", output.finest_area.words().to_owned()),
            ("Counted from", list(sources)),
        ],
    }
}

fn keeping(protocol: &Protocol) -> Clause {
    let retention = protocol.retention.iter().map(|one| {
        let record_type = one.record_type.name().replace('_', " ");
        format!("{record_type}: {} days from {}", one.days, one.from_event.words())
    });
    let quorum =
        protocol.quorum.iter().map(|one| format!("{} as {}", one.minimum, one.role.words()));
    Clause {
        pointer: "retention".to_owned(),
        heading: "Keeping, security, rights and breaches".to_owned(),
        points: vec![
            ("Kept for", list(retention)),
            (
                "Security",
                format!("keys are replaced every {} days", protocol.security.key_rotation_days),
            ),
            (
                "Rights",
                format!(
                    "{}; requests are answered within {} days, and reach everybody within {}",
                    protocol.rights.contact,
                    protocol.rights.sar_days,
                    protocol.rights.propagate_days
                ),
            ),
            (
                "A breach",
                format!(
                    "the others are told within {} hours, the ICO within {}",
                    protocol.breach.notify_hours, protocol.breach.ico_hours
                ),
            ),
            (
                "Signatures needed",
                if protocol.quorum.is_empty() {
                    "each party's".to_owned()
                } else {
                    format!("each party's; {}", list(quorum))
                },
            ),
        ],
    }
}
