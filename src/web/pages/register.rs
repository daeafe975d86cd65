//! The registers in plain words: protocols, "may we?", releases.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::Asked,
    clauses::{Clause, clauses},
    visitor::Visitor,
};
use crate::{
    book,
    gateway::{ExplainedAct, ExplainedQuestion, Frozen, PageRequest, ProtocolFilter, ProtocolLine},
    protocol::{CallerRole, signing::Signatory},
};
use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use serde::Deserialize;
use std::{collections::BTreeSet, sync::Arc};

/// More lines than any deployment's register has on a page; further ones are searched for.
pub(super) const MOST_LINES: u32 = 200;

#[derive(Template)]
#[template(path = "protocols.html")]
struct ProtocolsPage {
    frame: Frame,
    words: String,
    lines: Vec<Line>,
    entry: u64,
}

#[derive(Template)]
#[template(path = "protocol.html")]
struct ProtocolPage {
    frame: Frame,
    line: Line,
    changes: Vec<String>,
    /// Whether the visitor may read more than the line.
    whole: bool,
    clauses: Vec<Clause>,
    signatures: Vec<Signature>,
    suspended: Vec<String>,
    revoked: Vec<String>,
    /// How many deeds, revocations and reinstatements stand beside it.
    papers: usize,
    entry: u64,
}

/// A signature that verifies.
struct Signature {
    party: String,
    office: &'static str,
    at: String,
    key: String,
}

struct Line {
    protocol: String,
    version: u32,
    title: String,
    state: String,
    tag: &'static str,
    parties: String,
    record_types: String,
    effective: String,
    review_by: String,
    expires: String,
    missing: Vec<String>,
    warnings: Vec<String>,
    digest: String,
}

#[derive(Template)]
#[template(path = "explain.html")]
struct ExplainPage {
    frame: Frame,
    asked: AskedDecision,
    /// Whether something was asked.
    answered: bool,
    allowed: bool,
    clause: String,
    sentence: String,
    wrong: &'static str,
    entry: u64,
}

#[derive(Template)]
#[template(path = "releases.html")]
struct ReleasesPage {
    frame: Frame,
    releases: Vec<ReleaseRow>,
    /// The quarter to close next, for those who may.
    next: String,
    entry: u64,
}

struct ReleaseRow {
    quarter: String,
    period: String,
    frozen: String,
    catalogue: String,
    digest: String,
    tables: usize,
    feeds: String,
    withdrawn: String,
}

/// The words that protocols are searched by.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedProtocols {
    q: String,
}

pub(super) async fn protocols(
    State(pages): State<Arc<Pages>>,
    Asked { visitor, query: AskedProtocols { q }, .. }: Asked<(), AskedProtocols>,
) -> Answer {
    let filter = ProtocolFilter { words: q.clone(), ..ProtocolFilter::default() };
    let page = PageRequest { size: MOST_LINES, token: String::new() };
    let found = pages.gateway().list_protocols(&visitor.actor, &filter, &page).await;
    let found = found.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (found, receipt) = found.into_parts();
    Ok(answer::page(&ProtocolsPage {
        frame: visitor.frame(&pages, "Sharing protocols", "/protocols"),
        words: q,
        lines: found.entries.into_iter().map(line).collect(),
        entry: receipt.leaf_index,
    }))
}

pub(super) async fn protocol(
    State(pages): State<Arc<Pages>>,
    headers: HeaderMap,
    Asked { visitor, at: (protocol, version), .. }: Asked<(String, String)>,
) -> Answer {
    let (Ok(protocol), Ok(version)) = (protocol.parse(), version.parse()) else {
        return Ok(answer::nothing_here(&pages, &visitor));
    };
    let found = pages.gateway().protocol(&visitor.actor, &protocol, version).await;
    let found = found.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (found, receipt) = found.into_parts();
    let signature = |signed: &Signatory| Signature {
        party: signed.party.to_string(),
        office: signed.role.words(),
        at: signed.signed_at.strftime("%-d %b %Y").to_string(),
        key: signed.kid.to_string(),
    };
    let suspended = found.line.suspended.iter().map(ToString::to_string).collect();
    let revoked = found.revoked.iter().map(|(party, revocation)| {
        let (reason, handling) = (revocation.reason.words(), revocation.handling.words());
        format!("{party}: {reason}; what it sent is {handling}")
    });
    let line = line(found.line);
    let shown = ProtocolPage {
        clauses: found.agreed.as_deref().map(clauses).unwrap_or_default(),
        signatures: found.signatories.iter().map(signature).collect(),
        suspended,
        revoked: revoked.collect(),
        papers: found.papers.len(),
        frame: visitor.frame(&pages, &line.title, "/protocols"),
        changes: found.changes.into_iter().map(|change| change.sentence).collect(),
        whole: !found.document.is_empty(),
        line,
        entry: receipt.leaf_index,
    };
    // It repeats nothing of the question but an id and a number that were read.
    Ok(answer::packed_page(&headers, &shown))
}

fn line(line: ProtocolLine) -> Line {
    use crate::protocol::State as Stands;
    let (state, tag) = match line.state {
        None => ("can't be read, so permits nothing".to_owned(), "govuk-tag--red"),
        Some(state) => {
            let tag = match state {
                Stands::Active => "govuk-tag--green",
                Stands::Draft | Stands::PartlySigned => "govuk-tag--yellow",
                Stands::Suspended | Stands::Revoked => "govuk-tag--red",
                Stands::Superseded | Stands::Expired => "govuk-tag--grey",
            };
            (state.to_string(), tag)
        }
    };
    let day = |day: Option<jiff::civil::Date>| day.map(|day| day.to_string()).unwrap_or_default();
    let names: Vec<String> =
        line.record_types.iter().map(|record| record.name().replace('_', " ")).collect();
    let parties: Vec<&str> = line.parties.iter().map(crate::domain::PartnerId::as_str).collect();
    Line {
        protocol: line.protocol.to_string(),
        version: line.version,
        title: line.title,
        state,
        tag,
        parties: parties.join(", "),
        record_types: names.join(", "),
        effective: day(line.effective),
        review_by: day(line.review_by),
        expires: day(line.expires),
        missing: line.missing,
        warnings: line.warnings,
        digest: hex::encode(line.digest),
    }
}

/// A question to the decision, as its form writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedDecision {
    act: String,
    partner: String,
    purpose: String,
    day: String,
    record_type: String,
    fields: String,
    table: String,
    area: String,
}

pub(super) async fn explain(
    State(pages): State<Arc<Pages>>,
    Asked { visitor, query: asked, .. }: Asked<(), AskedDecision>,
) -> Answer {
    let mut shown = ExplainPage {
        frame: visitor.frame(&pages, "May we?", "/explain"),
        answered: false,
        allowed: false,
        clause: String::new(),
        sentence: String::new(),
        wrong: "",
        entry: 0,
        asked,
    };
    if shown.asked.act.is_empty() {
        return Ok(answer::page(&shown));
    }
    let question = match shown.asked.question() {
        Ok(question) => question,
        Err(wrong) => return Ok(answer::page(&ExplainPage { wrong, ..shown })),
    };
    let answered = pages.gateway().explain_decision(&visitor.actor, &question).await;
    let answered = answered.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (explained, receipt) = answered.into_parts();
    shown.answered = true;
    shown.allowed = explained.allowed;
    shown.clause = explained.clause;
    shown.sentence = explained.sentence;
    shown.entry = receipt.leaf_index;
    Ok(answer::page(&shown))
}

impl AskedDecision {
    fn question(&self) -> Result<ExplainedQuestion, &'static str> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let area = || {
            let area = given(&self.area).map(|area| area.parse());
            area.transpose().map_err(|_| "Area: 1 to 16 letters, digits or -")
        };
        let act = match self.act.as_str() {
            "figure" => ExplainedAct::Figure {
                table: self.table.trim().parse().map_err(|_| "Table: the id of a table")?,
                area: area()?.ok_or("Area: which area the figure is about")?,
            },
            _ => ExplainedAct::Sending {
                protocol: None,
                record_type: given(&self.record_type)
                    .ok_or("Record type: what would be sent, such as health_review")?,
                fields: self
                    .fields
                    .split([',', ' '])
                    .filter(|field| !field.is_empty())
                    .map(str::to_owned)
                    .collect(),
                area: area()?,
            },
        };
        let partner = given(&self.partner).map(|partner| partner.parse()).transpose();
        let day = given(&self.day).map(|day| day.parse()).transpose();
        Ok(ExplainedQuestion {
            partner: partner.map_err(|_| "Organisation: its id in the register")?,
            purpose: self.purpose.trim().to_owned(),
            day: day.map_err(|_| "Day: a date, like 2026-03-31")?,
            act,
        })
    }
}

pub(super) async fn releases(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Answer {
    let found = pages.gateway().list_releases(&visitor.actor).await;
    let found = found.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (found, receipt) = found.into_parts();
    Ok(answer::page(&ReleasesPage {
        frame: visitor.frame(&pages, "Releases", "/releases"),
        next: match found.last().filter(|_| visitor.is(CallerRole::DataOfficer)) {
            Some(frozen) => frozen.release.quarter.next().to_string(),
            None => String::new(),
        },
        releases: found.iter().rev().map(|frozen| release(frozen)).collect(),
        entry: receipt.leaf_index,
    }))
}

fn release(frozen: &Frozen) -> ReleaseRow {
    let release = &frozen.release;
    let feeds: BTreeSet<String> =
        release.feeds.iter().filter_map(|feed| feed.week.map(|week| week.to_string())).collect();
    let weeks = match (feeds.first(), feeds.last()) {
        (Some(first), Some(last)) if first == last => format!("week {first}"),
        (Some(first), Some(last)) => format!("weeks {first} to {last}"),
        _ => String::new(),
    };
    ReleaseRow {
        quarter: release.quarter.to_string(),
        period: book::quarter_text(&release.quarter.to_string()),
        frozen: release.created_at.strftime("%-d %b %Y").to_string(),
        catalogue: release.catalogue.version.clone(),
        digest: frozen.digest.to_string(),
        tables: release.tables.len(),
        feeds: weeks,
        withdrawn: frozen.withdrawn.as_ref().map(|w| w.notice.clone()).unwrap_or_default(),
    }
}
