//! Closing a quarter: what it would release, with errors, budget and what is open, and the word of
//! the two people that it takes.
//!
//! The preview shows structure, expected errors and budget, never a count or a draw: it is the use
//! case's own, read here for people.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::Asked,
    visitor::{Posted, Visitor},
};
use crate::{
    book,
    gateway::{Closed, Denied, GatewayError, RefusalKind, Refused},
};
use askama::Template;
use axum::{extract::State, response::Response};
use jiff::SignedDuration;
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time;

/// How long a browser waits for a count: less than any answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long after somebody proved who they are they may give their word: a screen that somebody left
/// is not theirs to speak by.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// Before a point's code in the form.
const POINT: &str = "accept-";

#[derive(Template)]
#[template(path = "closing.html")]
struct ClosingPage {
    frame: Frame,
    shown: Shown,
    period: String,
    gauges: Vec<Gauge>,
    weeks: Vec<String>,
    open: Vec<Open>,
    /// Whether something is open that nobody can accept.
    blocked: bool,
    /// The open points that can be accepted: each once.
    points: Vec<(String, String)>,
    /// Whether the visitor proved a short while ago who they are.
    is_fresh: bool,
    /// The providers by which they can do so: number and name.
    providers: Vec<(usize, String)>,
    entry: u64,
}

#[derive(Template)]
#[template(path = "closed.html")]
struct ClosedPage {
    frame: Frame,
    period: String,
    /// Until when a second person may close it; empty once it is closed.
    until: String,
    digest: String,
    entry: u64,
}

#[derive(Template)]
#[template(path = "closing_on.html")]
struct UnderWayPage {
    frame: Frame,
    period: String,
}

/// The preview as the use case writes it; what is not shown is not read.
#[derive(Deserialize)]
struct Shown {
    quarter: String,
    version: String,
    tables: Vec<Table>,
    errors: Vec<Expected>,
    budget: Budget,
    quarter_risk: Risk,
    lifetime_risk: Risk,
    feeds: Vec<Feed>,
    close_day: String,
    warnings: Vec<Warning>,
}

#[derive(Deserialize)]
struct Table {
    title: String,
    areas: u32,
    cells: Vec<String>,
    deviation: f64,
}

#[derive(Deserialize)]
struct Expected {
    title: String,
    part: Option<String>,
    level: String,
    unit: String,
    margin: f64,
}

#[derive(Deserialize)]
struct Budget {
    quarter: String,
    charged: String,
    limits: Limits,
}

#[derive(Deserialize)]
struct Limits {
    quarter: String,
    lifetime: String,
}

#[derive(Deserialize)]
struct Risk {
    accuracy: f64,
}

#[derive(Deserialize)]
struct Feed {
    partner: String,
    record_type: String,
    week: Option<String>,
}

#[derive(Deserialize)]
struct Warning {
    code: String,
    words: String,
    can_accept: bool,
    partner: Option<String>,
    record_type: Option<String>,
    clause: Option<String>,
}

/// What is open, of everything that it is open of.
struct Open {
    words: String,
    can_accept: bool,
    about: Vec<String>,
}

/// How much of a limit is used.
struct Gauge {
    name: &'static str,
    used: String,
    limit: String,
    /// Of a width of 600.
    width: String,
    said: String,
}

/// Which quarter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedNext {
    quarter: String,
}

/// What closing a quarter would release.
pub(super) async fn preview(
    State(pages): State<Arc<Pages>>,
    Asked { visitor, query: AskedNext { quarter }, .. }: Asked<(), AskedNext>,
) -> Answer {
    let preview = pages.gateway().preview_release(&visitor.actor, &quarter).await;
    let no = |denied| answer::denied(&pages, &visitor, denied);
    let (preview, receipt) = preview.map_err(no)?.into_parts();
    let Ok(shown) = serde_json::from_str::<Shown>(&preview) else {
        return Err(unreadable(&pages, &visitor).await);
    };
    let acceptable = shown.warnings.iter().filter(|warning| warning.can_accept);
    let points: BTreeMap<String, String> =
        acceptable.map(|warning| (warning.code.clone(), warning.words.clone())).collect();
    let period = book::quarter_text(&shown.quarter);
    Ok(answer::page(&ClosingPage {
        frame: visitor.frame(&pages, &format!("Close {period}"), "/releases"),
        gauges: gauges(&shown),
        open: open(&shown.warnings),
        weeks: shown.feeds.iter().map(week).collect(),
        blocked: shown.warnings.iter().any(|warning| !warning.can_accept),
        points: points.into_iter().collect(),
        is_fresh: visitor.session.proved_within(FRESH, pages.now()),
        providers: providers(&pages, &visitor),
        period,
        shown,
        entry: receipt.leaf_index,
    }))
}

/// The providers by which a visitor's organisation signs in.
fn providers(pages: &Pages, visitor: &Visitor) -> Vec<(usize, String)> {
    let all = pages.settings.providers.iter().enumerate();
    let own = all.filter(|(_, provider)| *provider.partner() == visitor.actor.partner);
    own.map(|(number, provider)| (number, provider.name().to_owned())).collect()
}

/// The no to somebody who signed in too long ago, logged like any.
async fn sign_in_anew(pages: &Pages, visitor: &Visitor) -> Response {
    let sentence = "closing a quarter takes a sign-in of the last ten minutes; open the quarter \
                    again, and sign in from there";
    let refused = Refused::new(RefusalKind::Forbidden, "sign_in_not_fresh", sentence);
    let denied = pages.gateway().refuse_malformed(&visitor.actor, refused).await;
    answer::denied(pages, visitor, denied)
}

/// A person's word to close it: the first one's waits for the second's.
pub(super) async fn close(
    State(pages): State<Arc<Pages>>,
    Posted { visitor, form, .. }: Posted<BTreeMap<String, String>>,
) -> Answer {
    if !visitor.session.proved_within(FRESH, pages.now()) {
        return Err(sign_in_anew(&pages, &visitor).await);
    }
    let quarter = form.get("quarter").cloned().unwrap_or_default();
    let accepted: Vec<String> =
        form.keys().filter_map(|name| name.strip_prefix(POINT)).map(str::to_owned).collect();
    let (gateway, actor) = (Arc::clone(pages.gateway()), visitor.actor.clone());
    let asked = quarter.clone();
    // On its own: a browser that goes away, or has waited long enough, ends no count half way.
    let closing =
        tokio::spawn(async move { gateway.close_quarter(&actor, &asked, &accepted).await });
    let Ok(closed) = time::timeout(PATIENCE, closing).await else {
        return Ok(under_way(&pages, &visitor, &quarter));
    };
    let failed = |_| Err(GatewayError::Unsettled.into());
    let closed = closed.unwrap_or_else(failed);
    let closed = closed.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (closed, receipt) = closed.into_parts();
    let (until, digest) = match closed {
        Closed::Waiting(waiting) => {
            (waiting.until.strftime("%-d %B %Y, %H:%M UTC").to_string(), String::new())
        }
        Closed::Released(frozen) => (String::new(), frozen.digest.to_string()),
    };
    let period = book::quarter_text(&quarter);
    Ok(answer::page(&ClosedPage {
        frame: visitor.frame(&pages, &format!("Close {period}"), "/releases"),
        period,
        until,
        digest,
        entry: receipt.leaf_index,
    }))
}

/// A count that takes longer than a browser waits: it goes on, and the list of releases shows its
/// end.
fn under_way(pages: &Pages, visitor: &Visitor, quarter: &str) -> Response {
    let period = book::quarter_text(quarter);
    answer::page(&UnderWayPage {
        frame: visitor.frame(pages, &format!("Close {period}"), "/releases"),
        period,
    })
}

async fn unreadable(pages: &Pages, visitor: &Visitor) -> Response {
    let refused = Refused::not_found();
    let denied: Denied = pages.gateway().refuse_malformed(&visitor.actor, refused).await;
    answer::denied(pages, visitor, denied)
}

/// The warnings, those of one kind together, in their order.
fn open(warnings: &[Warning]) -> Vec<Open> {
    let mut all: Vec<Open> = Vec::new();
    for warning in warnings {
        let about = Some(warning.about()).filter(|about| !about.is_empty());
        let known = all
            .iter_mut()
            .find(|open| open.words == warning.words && open.can_accept == warning.can_accept);
        match known {
            Some(known) => known.about.extend(about),
            None => all.push(Open {
                words: warning.words.clone(),
                can_accept: warning.can_accept,
                about: about.into_iter().collect(),
            }),
        }
    }
    all
}

fn week(feed: &Feed) -> String {
    let week = feed.week.as_deref();
    let week = week.map_or_else(|| "nothing sent".to_owned(), |week| format!("week {week}"));
    format!("{}, {}: {week}", feed.partner, feed.record_type.replace('_', " "))
}

fn gauges(shown: &Shown) -> Vec<Gauge> {
    let Budget { quarter, charged, limits } = &shown.budget;
    let accuracy = |risk: &Risk| {
        format!(
            "someone who knows everything about everybody else guesses one fact about one child \
             right at most {:.0} times in 100.",
            risk.accuracy * 100.0
        )
    };
    let one = format!("After it, {}", accuracy(&shown.quarter_risk));
    let all = format!("After a childhood of such quarters, {}", accuracy(&shown.lifetime_risk));
    vec![
        gauge("This quarter", quarter, &limits.quarter, one),
        gauge(
            "Charged to any one person so far, with this quarter",
            charged,
            &limits.lifetime,
            all,
        ),
    ]
}

fn gauge(name: &'static str, used: &str, limit: &str, said: String) -> Gauge {
    let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let share = (number(used) / number(limit).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
    let short = |text: &str| format!("{:.3}", number(text));
    let width = format!("{:.1}", 600.0 * share);
    Gauge { name, used: short(used), limit: short(limit), width, said }
}

impl Table {
    fn noise(&self) -> String {
        format!("{:.1}", self.deviation)
    }
}

impl Expected {
    /// "Registered (reach area)".
    fn name(&self) -> String {
        let part = self.part.as_ref().map(|part| format!(": {}", part.replace('_', " ")));
        format!("{}{} ({})", self.title, part.unwrap_or_default(), self.level.replace('_', " "))
    }

    /// "± 1.6 points".
    fn text(&self) -> String {
        let unit = if self.unit == "count" { "" } else { " points" };
        format!("\u{b1}\u{a0}{:.1}{unit}", self.margin)
    }
}

impl Warning {
    /// Whom and what it is about.
    fn about(&self) -> String {
        let all = [&self.partner, &self.record_type, &self.clause].into_iter().flatten();
        all.map(|word| word.replace('_', " ")).collect::<Vec<_>>().join(", ")
    }
}
