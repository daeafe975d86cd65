//! An auditor's review: what happened among some entries of the log, what may be worth a look (the
//! patterns of `tallygate audit patterns`, by the same code), and the word that it was reviewed.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::Asked,
    visitor::Posted,
};
use crate::{
    audit::EntryRange,
    gateway::{MOST_WALKED, Refused, ReviewFinding},
    verify::{
        leaf::{self, Leaf},
        patterns::{PatternFinding, Patterns, config::Config},
    },
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::IntoResponse};
use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc};

/// Findings that a page lists; more are for a mirror.
const MOST_FINDINGS: usize = 100;

#[derive(Template)]
#[template(path = "review.html")]
struct ReviewPage {
    frame: Frame,
    /// The first and the last entry that were looked at, and the index behind that.
    from: u64,
    last: u64,
    until: u64,
    /// How many acts of each kind, the most first.
    kinds: Vec<(String, u64)>,
    /// How many refusals for each reason, the most first.
    refusals: Vec<(String, u64)>,
    /// Entries that are no leaf: nothing is told of them but how many.
    unreadable: u64,
    found: Vec<Found>,
    omitted: usize,
    /// Whether earlier entries were asked for than can be looked at together.
    cut: bool,
    answers: [ReviewFinding; 3],
    entry: u64,
}

struct Found {
    pattern: String,
    who: String,
    user: String,
    from: String,
    until: String,
    count: u64,
    reason: String,
    entries: String,
}

#[derive(Template)]
#[template(path = "reviewed.html")]
struct ReviewedPage {
    frame: Frame,
    from: u64,
    last: u64,
    finding: &'static str,
    entry: u64,
}

/// The first and the last entry to look at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedRange {
    first: String,
    last: String,
}

/// A review's word.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SignedOff {
    from: String,
    until: String,
    finding: String,
}

/// An entry as a leaf; nothing for what is none, which the check of the log tells.
pub(super) fn read<'a>(entry: &'a [u8], scratch: &mut Vec<u8>) -> Option<Leaf<'a>> {
    leaf::read(entry, scratch).ok()
}

/// What happened, by kind and by reason of refusal.
#[derive(Default)]
struct Summary {
    kinds: BTreeMap<String, u64>,
    refusals: BTreeMap<String, u64>,
}

impl Summary {
    fn note(&mut self, leaf: &Leaf<'_>) {
        let (counts, word) = match leaf.reason {
            Some(reason) => (&mut self.refusals, reason),
            None => (&mut self.kinds, leaf.kind.unwrap_or_default()),
        };
        match counts.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(counts.insert(word.to_owned(), 1)),
        }
    }
}

/// The most first, in words.
fn most_first(counts: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut all: Vec<_> =
        counts.into_iter().map(|(word, count)| (word.replace('_', " "), count)).collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all
}

pub(super) async fn page(
    State(pages): State<Arc<Pages>>,
    Asked { visitor, query: asked, .. }: Asked<(), AskedRange>,
) -> Answer {
    // What is no number asks for nothing special: the page says what was looked at.
    let first = asked.first.trim().parse::<u64>().ok();
    let behind = asked.last.trim().parse::<u64>().ok().and_then(|last| last.checked_add(1));
    let internal = || StatusCode::INTERNAL_SERVER_ERROR.into_response();
    let mut patterns = Patterns::new(Config::default()).ok_or_else(internal)?;
    let (mut summary, mut scratch) = (Summary::default(), Vec::new());
    let mut unreadable = 0;
    let mut note = |index: u64, entry: &[u8]| match read(entry, &mut scratch) {
        Some(leaf) => {
            patterns.note(index, &leaf);
            summary.note(&leaf);
        }
        None => unreadable += 1,
    };
    let walked = pages.gateway().walk_log(&visitor.actor, (first, behind), &mut note).await;
    let walked = walked.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (walked, receipt) = walked.into_parts();
    let found = patterns.finish();
    Ok(answer::page(&ReviewPage {
        frame: visitor.frame(&pages, "Review the log", "/log"),
        from: walked.from,
        last: walked.until.saturating_sub(1),
        until: walked.until,
        kinds: most_first(summary.kinds),
        refusals: most_first(summary.refusals),
        unreadable,
        omitted: found.len().saturating_sub(MOST_FINDINGS),
        found: found.into_iter().take(MOST_FINDINGS).map(shown).collect(),
        cut: walked.until - walked.from == MOST_WALKED && walked.from > first.unwrap_or(0),
        answers: ReviewFinding::ALL,
        entry: receipt.leaf_index,
    }))
}

fn shown(found: PatternFinding) -> Found {
    let london = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    let day = |text: &str| {
        let at = text.parse::<Timestamp>().ok().map(|at| at.to_zoned(london.clone()));
        at.map_or_else(String::new, |at| at.strftime("%-d %b %Y %H:%M").to_string())
    };
    let entries: Vec<String> = found.entries.iter().take(10).map(u64::to_string).collect();
    let more = found.count.saturating_sub(10);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Found {
        pattern: found.pattern.word().replace('_', " "),
        who: found.partner,
        user: found.user.get(..8).unwrap_or_default().to_owned(),
        from: day(&found.from),
        until: day(&found.until),
        count: found.count,
        reason: found.reason,
        entries: format!("{}{more}", entries.join(", ")),
    }
}

/// The word that a range of entries was reviewed.
pub(super) async fn sign_off(
    State(pages): State<Arc<Pages>>,
    Posted { visitor, form, .. }: Posted<SignedOff>,
) -> Answer {
    let range = form.from.parse::<u64>().ok().zip(form.until.parse::<u64>().ok());
    let finding = ReviewFinding::ALL.into_iter().find(|one| one.code() == form.finding);
    let (Some((from, until)), Some(finding)) = (range, finding) else {
        let refused = Refused::invalid("finding", "choose what you found");
        let denied = pages.gateway().refuse_malformed(&visitor.actor, refused).await;
        return Err(answer::denied(&pages, &visitor, denied));
    };
    let range = EntryRange { from, until };
    let signed = pages.gateway().sign_off_review(&visitor.actor, range, finding).await;
    let signed = signed.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    Ok(answer::page(&ReviewedPage {
        frame: visitor.frame(&pages, "Review signed off", "/log"),
        from,
        last: until.saturating_sub(1),
        finding: finding.words(),
        entry: signed.receipt().leaf_index,
    }))
}
