//! The access log for auditors: where it stands, a timeline to search, and what the browser needs
//! to check it by itself.
//!
//! The page is served by the very gateway that is checked, so that a check in it proves little
//! against a gateway that lies in its pages, too: the same script comes as one file that an
//! oversight body keeps, with the log's key written into it, and reads a mirror.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::Asked,
    assets,
    visitor::Visitor,
};
use crate::{
    audit::{Decision, Leaf, LeafKind, TileFile, tile::TileKind},
    gateway::{LogSearch, LogState, Reviewed},
    identity::form_encoded,
    protocol::CallerRole,
};
use askama::{
    Template,
    filters::{Html, escape},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use jiff::{civil::Date, tz::TimeZone};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Entries of one page.
const PAGE_ENTRIES: u32 = 50;
const STAND_ALONE: &str = include_str!("assets/verifier.html");

#[derive(Template)]
#[template(path = "log.html")]
struct LogPage {
    frame: Frame,
    origin: String,
    size: String,
    root: String,
    witnesses: Vec<String>,
    checkpoint: String,
    key: String,
    /// The last review, in words, for auditors.
    reviewed: String,
    auditor: bool,
    entry: u64,
}

#[derive(Template)]
#[template(path = "entries.html")]
struct EntriesPage {
    frame: Frame,
    asked: AskedEntries,
    kinds: Vec<(&'static str, String, bool)>,
    rows: Vec<EntryRow>,
    /// The address of the next page; empty on the last.
    next: String,
    entry: u64,
}

struct EntryRow {
    index: u64,
    at: String,
    who: String,
    user: String,
    what: String,
    about: String,
    purpose: String,
    protocol: String,
    refused: String,
    /// Whether these are bytes that no leaf has; what they are is told instead.
    unreadable: bool,
}

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage {
    frame: Frame,
    script: String,
    key: String,
    reads_entries: bool,
}

/// The filter of the timeline, as its form writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedEntries {
    partner: String,
    area: String,
    purpose: String,
    protocol: String,
    kind: String,
    decision: String,
    user: String,
    from: String,
    until: String,
    page: String,
}

/// Where the log stands.
pub(super) async fn state(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Answer {
    let gateway = pages.gateway();
    let state = gateway.log_state(&visitor.actor, &pages.published).await;
    let state = state.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (LogState { checkpoint: note, reviewed }, receipt) = state.into_parts();
    let mut lines = note.lines().map(str::to_owned);
    let mut line = || lines.next().unwrap_or_default();
    let (origin, size, root) = (line(), line(), line());
    let signers = note.lines().filter_map(|line| line.strip_prefix("\u{2014} "));
    let names = signers.filter_map(|line| line.split(' ').next()).map(str::to_owned);
    Ok(answer::page(&LogPage {
        frame: visitor.frame(&pages, "Access log", "/log"),
        witnesses: names.filter(|name| *name != origin).collect(),
        reviewed: reviewed.map(|reviewed| review_text(&reviewed)).unwrap_or_default(),
        auditor: visitor.is(CallerRole::Auditor),
        key: gateway.log_vkey(),
        checkpoint: note,
        origin,
        size,
        root,
        entry: receipt.leaf_index,
    }))
}

/// "12 Nov 2026 by oversight: entries 0 to 99, nothing found (entry 120)".
fn review_text(reviewed: &Reviewed) -> String {
    let london = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    let day = reviewed.at.to_zoned(london).strftime("%-d %b %Y").to_string();
    let partner = reviewed.partner.as_ref().map_or("", |partner| partner.as_str());
    let (from, last) = (reviewed.range.from, reviewed.range.until.saturating_sub(1));
    let (finding, entry) = (words(&reviewed.finding), reviewed.entry);
    format!("{day} by {partner}: entries {from} to {last}, {finding} (entry {entry})")
}

/// The timeline, latest first.
pub(super) async fn entries(
    State(pages): State<Arc<Pages>>,
    Asked { visitor, query: asked, .. }: Asked<(), AskedEntries>,
) -> Answer {
    let search = LogSearch {
        partner: asked.partner.trim().to_owned(),
        area: asked.area.trim().to_owned(),
        purpose: asked.purpose.clone(),
        protocol: asked.protocol.trim().to_owned(),
        kind: asked.kind.clone(),
        decision: asked.decision.clone(),
        from_micros: moment(&asked.from, 0),
        until_micros: moment(&asked.until, 1),
        page_size: PAGE_ENTRIES,
        page_token: asked.page.clone(),
        user: asked.user.trim().to_owned(),
    };
    let found = pages.gateway().search_log(&visitor.actor, &search).await;
    let found = found.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (found, receipt) = found.into_parts();
    let next = match found.next.is_empty() {
        true => String::new(),
        false => asked.address(&found.next),
    };
    let kind = |kind: &LeafKind| (kind.name(), words(kind.name()), kind.name() == asked.kind);
    Ok(answer::page(&EntriesPage {
        frame: visitor.frame(&pages, "Timeline of the access log", "/log"),
        kinds: LeafKind::ALL.iter().map(kind).collect(),
        rows: found.entries.iter().map(|(index, leaf)| row(*index, leaf)).collect(),
        next,
        asked,
        entry: receipt.leaf_index,
    }))
}

/// The check in the browser. The page itself tells nothing of the log; its script reads the hash
/// tiles, which are every partner's.
pub(super) async fn check(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Response {
    answer::page(&CheckPage {
        frame: visitor.frame(&pages, "Check the log in this browser", "/log/check"),
        script: pages.assets.script().to_owned(),
        key: pages.gateway().log_vkey(),
        reads_entries: visitor.is(CallerRole::Auditor),
    })
}

/// The same check as one file to keep, with the log's key in it.
pub(super) async fn stand_alone(State(pages): State<Arc<Pages>>, _: Visitor) -> Response {
    let text = STAND_ALONE
        .replace("/*SCRIPT*/", assets::VERIFY)
        .replace("LOG-KEY", &escaped(&pages.gateway().log_vkey()));
    answer::download("tallygate-verifier.html", "text/html; charset=utf-8", text)
}

/// A text as it stands in an attribute or an element: a log's name is its operator's choice.
fn escaped(text: &str) -> String {
    let Ok(escaped) = escape(text, Html);
    escaped.to_string()
}

/// The published checkpoint. Like hash tiles no leaf: it is the same for every partner.
pub(super) async fn checkpoint(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Answer {
    let checkpoint = pages.published.checkpoint().await;
    let failed = |error| answer::denied(&pages, &visitor, crate::gateway::Denied::from(error));
    let note = checkpoint.map_err(failed)?.note;
    Ok(answer::bytes("text/plain; charset=utf-8", note.into_bytes()))
}

/// A file of the published log: hash tiles for whoever is signed in, entries for auditors, each
/// look a leaf.
pub(super) async fn tile(
    State(pages): State<Arc<Pages>>,
    Asked { visitor, at: path, .. }: Asked<String>,
) -> Answer {
    let Some(file) = TileFile::parse(&format!("tile/{path}")) else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let no = |denied| answer::denied(&pages, &visitor, denied);
    let found = match file.kind {
        TileKind::Entries => {
            let gateway = pages.gateway();
            let logged = gateway.entry_bundle(&visitor.actor, &pages.published, file).await;
            Some(logged.map_err(no)?.into_parts().0)
        }
        TileKind::Hashes(_) => {
            pages.published.file(file).await.map_err(|error| no(error.into()))?
        }
    };
    Ok(found.map_or_else(
        || StatusCode::NOT_FOUND.into_response(),
        |found| answer::bytes("application/octet-stream", found),
    ))
}

impl AskedEntries {
    /// The address of the page that a token leads to, with the same filter.
    fn address(&self, token: &str) -> String {
        let pairs = [
            ("partner", &self.partner),
            ("area", &self.area),
            ("purpose", &self.purpose),
            ("protocol", &self.protocol),
            ("kind", &self.kind),
            ("decision", &self.decision),
            ("user", &self.user),
            ("from", &self.from),
            ("until", &self.until),
        ];
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        let mut query: Vec<(&str, &str)> = given.map(|(name, v)| (name, v.as_str())).collect();
        query.push(("page", token));
        format!("/log/entries?{}", form_encoded(&query))
    }
}

/// The beginning of a day in London, `after` days later; 0 for no day. What is no day asks nothing:
/// the form's field gives days or nothing.
fn moment(day: &str, after: i8) -> i64 {
    let london = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    let day = day.parse::<Date>().ok();
    let day = day.and_then(|day| day.checked_add(jiff::Span::new().days(after)).ok());
    let begins = day.and_then(|day| day.to_zoned(london).ok());
    begins.map_or(0, |begins| begins.timestamp().as_microsecond())
}

/// "card_answered" as "card answered".
fn words(code: &str) -> String {
    code.replace('_', " ")
}

/// An entry that was logged but can't be read (damage, or a form that a later program writes)
/// stands where it is: a timeline that left it out would hide it.
fn unreadable(index: u64, bytes: &[u8]) -> EntryRow {
    EntryRow {
        index,
        at: String::new(),
        who: String::new(),
        user: String::new(),
        what: String::new(),
        about: format!("{} bytes, SHA-256 {}", bytes.len(), hex::encode(Sha256::digest(bytes))),
        purpose: String::new(),
        protocol: String::new(),
        refused: String::new(),
        unreadable: true,
    }
}

fn row(index: u64, bytes: &[u8]) -> EntryRow {
    let Ok(leaf) = Leaf::decode(bytes) else { return unreadable(index, bytes) };
    let london = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    let at = leaf.at.to_zoned(london);
    let about: Vec<String> = [
        leaf.area.as_ref().map(ToString::to_string),
        leaf.indicator.as_ref().map(ToString::to_string),
        leaf.table.as_ref().filter(|_| leaf.indicator.is_none()).map(ToString::to_string),
        leaf.notes.period.map(|quarter| quarter.to_string()),
        leaf.notes.record_type.map(|record| words(record.name())),
        leaf.notes.about.as_ref().map(ToString::to_string),
        leaf.notes
            .reviewed
            .map(|range| format!("entries {} to {}", range.from, range.until.saturating_sub(1))),
        leaf.notes
            .cause
            .as_ref()
            .filter(|_| leaf.kind == LeafKind::LogReviewed)
            .map(|cause| words(cause.as_str())),
        leaf.notes.register.as_ref().map(|register| words(register.as_str())),
    ]
    .into_iter()
    .flatten()
    .collect();
    EntryRow {
        index,
        at: at.strftime("%-d %b %Y %H:%M:%S").to_string(),
        who: leaf.partner.map(|partner| partner.to_string()).unwrap_or_default(),
        user: leaf.user.map(|user| hex::encode(&user.as_bytes()[..4])).unwrap_or_default(),
        what: words(leaf.kind.name()),
        about: about.join(", "),
        purpose: leaf.purpose.map(|purpose| words(purpose.as_str())).unwrap_or_default(),
        protocol: leaf
            .protocol
            .map(|protocol| format!("{} v{}", protocol.id, protocol.version))
            .unwrap_or_default(),
        refused: match leaf.decision {
            Decision::Granted => String::new(),
            Decision::Refused { reason } => words(reason.as_str()),
        },
        unreadable: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_leaf_stands_in_the_timeline_as_what_it_is() {
        let row = row(7, b"no leaf");
        assert!(row.unreadable && row.index == 7);
        let digest = hex::encode(Sha256::digest(b"no leaf"));
        assert_eq!(row.about, format!("7 bytes, SHA-256 {digest}"));
    }

    #[test]
    fn a_logs_name_writes_no_markup() {
        let escaped = escaped("a\"><script>'&+1+x");
        assert!(!escaped.contains(['"', '<', '>', '\'']), "{escaped}");
        assert_eq!(
            super::escaped("gateway.example/log+0a1b+Abc="),
            "gateway.example/log+0a1b+Abc="
        );
    }

    #[test]
    fn a_query_is_encoded_and_days_are_londons() {
        assert_eq!(form_encoded(&[("a", "x&y=1"), ("b", "\u{e9}")]), "a=x%26y%3D1&b=%C3%A9");
        // In summer time the day begins an hour before UTC's.
        assert_eq!(moment("2026-07-01", 0), 1_782_860_400_000_000);
        assert_eq!(moment("2026-07-01", 1) - moment("2026-07-01", 0), 86_400_000_000);
        assert_eq!((moment("", 1), moment("soon", 0)), (0, 0));
    }
}
