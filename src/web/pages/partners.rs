//! Partners and feeds: who may call, what came in last, and what is due.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    register::MOST_LINES,
    visitor::Visitor,
};
use crate::{
    gateway::{FeedLine, FeedState, PageRequest, PartnerLine},
    protocol::vocabulary::Frequency,
};
use askama::Template;
use axum::extract::State;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "partners.html")]
struct PartnersPage {
    frame: Frame,
    feeds: Vec<FeedRow>,
    /// How many feeds stand how, in words: what presses most first.
    standing: String,
    partners: Vec<PartnerRow>,
    entry: u64,
}

struct FeedRow {
    partner: String,
    record_type: String,
    frequency: &'static str,
    pushed: String,
    extract: String,
    due: String,
    latest: String,
    state: &'static str,
    tag: &'static str,
}

struct PartnerRow {
    id: String,
    name: String,
    org_code: String,
    roles: String,
    certificates: usize,
    keys: usize,
    disabled: bool,
}

pub(super) async fn page(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Answer {
    let page = PageRequest { size: MOST_LINES, token: String::new() };
    let found = pages.gateway().partners_and_feeds(&visitor.actor, &page).await;
    let found = found.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (found, receipt) = found.into_parts();
    Ok(answer::page(&PartnersPage {
        frame: visitor.frame(&pages, "Partners and feeds", "/partners"),
        standing: standing(&found.feeds),
        feeds: found.feeds.iter().map(feed).collect(),
        partners: found.partners.entries.into_iter().map(partner).collect(),
        entry: receipt.leaf_index,
    }))
}

fn partner(PartnerLine { partner, disabled }: PartnerLine) -> PartnerRow {
    PartnerRow {
        id: partner.partner.to_string(),
        name: partner.name,
        org_code: partner.org_code,
        roles: partner.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        certificates: partner.certificates.len(),
        keys: partner.keys.len(),
        disabled,
    }
}

fn feed(line: &FeedLine) -> FeedRow {
    FeedRow {
        partner: line.partner.to_string(),
        record_type: line.record_type.name().replace('_', " "),
        frequency: line.frequency.map(Frequency::words).unwrap_or_default(),
        pushed: line.last_push.map(moment).unwrap_or_default(),
        extract: line.last_extract.map(day).unwrap_or_default(),
        due: line.due.map(day).unwrap_or_default(),
        latest: line.latest.map(day).unwrap_or_default(),
        state: line.state.words(),
        tag: match line.state {
            FeedState::Overdue => "govuk-tag--red",
            FeedState::NeverSent => "govuk-tag--yellow",
            FeedState::Due => "govuk-tag--blue",
            FeedState::OnTime => "govuk-tag--green",
            FeedState::NotExpected => "govuk-tag--grey",
        },
    }
}

/// "2 overdue, 1 never sent, 11 on time".
fn standing(feeds: &[FeedLine]) -> String {
    let mut counts: Vec<(FeedState, usize)> = Vec::new();
    for line in feeds {
        match counts.last_mut() {
            Some((state, count)) if *state == line.state => *count += 1,
            _ => counts.push((line.state, 1)),
        }
    }
    let count = |(state, count): &(FeedState, usize)| format!("{count} {}", state.words());
    counts.iter().map(count).collect::<Vec<_>>().join(", ")
}

fn day(day: Date) -> String {
    day.strftime("%-d %b %Y").to_string()
}

fn moment(at: Timestamp) -> String {
    let london = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    at.to_zoned(london).strftime("%-d %b %Y %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_are_counted_by_how_they_stand() {
        let line = |state| FeedLine {
            partner: "health".parse().unwrap(),
            record_type: "health_review".parse().unwrap(),
            frequency: None,
            last_push: None,
            last_extract: None,
            due: None,
            latest: None,
            state,
        };
        let lines = [FeedState::Overdue, FeedState::Overdue, FeedState::OnTime].map(line);
        assert_eq!(standing(&lines), "2 overdue, 1 on time");
        assert_eq!(standing(&[]), "");
    }
}
