//! What to look at before a quarter is closed. A preview shows it; a close goes on only
//! where each open point was accepted by its code, and the log says which.
//!
//! None of it depends on what a count would find: only on what senders declared of their
//! feeds, on when batches came in, and on the signed documents.

use super::{GatewayError, RefusalKind, Refused, Snapshot, close_plan::feed_weeks};
use crate::{
    disclosure::{ExtractWeek, FeedWeek},
    domain::{PartnerId, ProtocolId, Quarter, RecordType},
    protocol::{Refusal, State},
    store::{
        StoreError, Tx,
        feeds::{self, Arrival, Freshness},
        undo,
    },
};
use jiff::{civil::Date, tz::TimeZone};
use serde::Serialize;
use std::collections::BTreeSet;

/// An extract that comes in so many days after the day it stands for is an old one: longer
/// than a quarter waits for its records.
const OLD_EXTRACT_DAYS: i64 = 42;

macro_rules! points {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $words:literal;)*) => {
        /// A point of the checklist that can be accepted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Point { $($(#[$doc])* $variant,)* }

        impl Point {
            const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its stable code.
            pub(super) const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            const fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)* }
            }
        }
    };
}

// In the order of their codes, which is the order in the log.
points! {
    FeedMissing = "feed_missing", "this feed has sent nothing";
    FeedStale = "feed_stale", "this feed's last extract is older than the quarter's end";
    FileUndone = "file_undone",
        "the sender took a file of this feed back since the last close, and may not have sent \
         another";
    LateData = "late_data",
        "records of this feed came in after the quarter's close day; those that became known \
         after it count in a later quarter";
    OldExtract = "old_extract",
        "since the last close an extract of this feed came in more than 42 days after the day \
         it stands for";
    ProtocolReviewDue = "protocol_review_due", "this protocol is past its review date";
}

/// Something to look at before the quarter is closed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Warning {
    code: &'static str,
    words: &'static str,
    /// Whether the quarter can be closed with it, once it is accepted.
    can_accept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    partner: Option<PartnerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_type: Option<RecordType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<ProtocolId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<String>,
}

impl Warning {
    /// One that stands in the way of a close, whatever anybody accepts.
    pub(super) const fn in_the_way(code: &'static str, words: &'static str) -> Self {
        Self {
            code,
            words,
            can_accept: false,
            partner: None,
            record_type: None,
            protocol: None,
            clause: None,
        }
    }

    /// A clause that refuses a table its data.
    pub(super) fn refused(refusal: &Refusal) -> Self {
        Self {
            protocol: refusal.clause().map(|clause| clause.protocol().clone()),
            clause: refusal.clause().map(crate::protocol::Clause::pointer),
            ..Self::in_the_way(refusal.reason().code(), refusal.reason().words())
        }
    }

    fn of(point: Point) -> Self {
        Self { can_accept: true, ..Self::in_the_way(point.code(), point.words()) }
    }

    fn of_feed(point: Point, (partner, record_type): (&PartnerId, RecordType)) -> Self {
        Self { partner: Some(partner.clone()), record_type: Some(record_type), ..Self::of(point) }
    }
}

/// What the store says of the feeds.
pub(super) struct Feeds {
    fresh: Vec<Freshness>,
    arrivals: Vec<Arrival>,
    undone: Vec<(PartnerId, RecordType)>,
}

impl Feeds {
    /// As of a transaction; `since` is when the last quarter was closed, in microseconds
    /// since 1970-01-01 UTC, or 0.
    pub(super) async fn read(tx: &mut Tx, since: i64) -> Result<Self, StoreError> {
        Ok(Self {
            fresh: feeds::freshness(tx).await?,
            arrivals: feeds::arrivals(tx, since).await?,
            undone: undo::feeds_since(tx, since).await?,
        })
    }

    /// Each source's latest declared week.
    pub(super) fn weeks(&self, sources: &BTreeSet<(PartnerId, RecordType)>) -> Vec<FeedWeek> {
        feed_weeks(sources, &self.fresh)
    }

    /// What there is to look at in the feeds that serve a release.
    fn warnings(
        &self,
        sources: &BTreeSet<(PartnerId, RecordType)>,
        quarter: Quarter,
    ) -> Result<Vec<Warning>, GatewayError> {
        let mut warnings = Vec::new();
        let end = ExtractWeek::of(quarter.last_day());
        for feed in self.weeks(sources) {
            let point = match feed.week {
                None => Point::FeedMissing,
                Some(week) if week < end => Point::FeedStale,
                Some(_) => continue,
            };
            warnings.push(Warning::of_feed(point, (&feed.partner, feed.record_type)));
        }
        let serves =
            |partner: &PartnerId, record_type| sources.contains(&(partner.clone(), record_type));
        let closed = after(quarter.close_day())?;
        for arrival in self.arrivals.iter().filter(|a| serves(&a.partner, a.record_type)) {
            let feed = (&arrival.partner, arrival.record_type);
            if arrival.last >= closed {
                warnings.push(Warning::of_feed(Point::LateData, feed));
            }
            if arrival.oldest_days.is_some_and(|days| days > OLD_EXTRACT_DAYS) {
                warnings.push(Warning::of_feed(Point::OldExtract, feed));
            }
        }
        for (partner, record_type) in self.undone.iter().filter(|(p, r)| serves(p, *r)) {
            warnings.push(Warning::of_feed(Point::FileUndone, (partner, *record_type)));
        }
        Ok(warnings)
    }
}

/// The first instant after a day in London, microseconds since 1970-01-01 UTC.
fn after(day: Date) -> Result<i64, GatewayError> {
    let london = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    let start = day.tomorrow().and_then(|next| next.to_zoned(london));
    let start = start.map_err(|_| StoreError::Range)?;
    Ok(start.timestamp().as_microsecond())
}

/// Every open point that can be accepted.
pub(super) fn warnings(
    feeds: &Feeds,
    sources: &BTreeSet<(PartnerId, RecordType)>,
    snapshot: &Snapshot,
    quarter: Quarter,
    today: Date,
) -> Result<Vec<Warning>, GatewayError> {
    let mut warnings = feeds.warnings(sources, quarter)?;
    warnings.extend(review_warnings(snapshot, today));
    Ok(warnings)
}

fn review_warnings(snapshot: &Snapshot, today: Date) -> impl Iterator<Item = Warning> {
    let due = snapshot.protocols().filter(move |record| {
        record.agreed().is_some_and(|(document, life)| {
            matches!(life.state(), State::Active | State::Suspended)
                && document.review_is_due(today)
        })
    });
    due.map(|record| Warning {
        protocol: Some(record.stored.protocol.clone()),
        ..Warning::of(Point::ProtocolReviewDue)
    })
}

/// The points that are open, each once.
pub(super) fn open_points(warnings: &[Warning]) -> BTreeSet<Point> {
    let open = |point: &&Point| warnings.iter().any(|warning| warning.code == point.code());
    Point::ALL.iter().filter(open).copied().collect()
}

/// The points that a caller accepts, as written in the request.
pub(super) fn read_points(codes: &[String]) -> Result<BTreeSet<Point>, Refused> {
    let read = |(at, code): (usize, &String)| {
        let known = Point::ALL.iter().find(|point| point.code() == code).copied();
        known.ok_or_else(|| {
            let all: Vec<&str> = Point::ALL.iter().map(|point| point.code()).collect();
            Refused::invalid(
                format!("accepted_warnings[{at}]"),
                format!("one of {}", all.join(", ")),
            )
        })
    };
    codes.iter().enumerate().map(read).collect()
}

/// Whether exactly what is open was accepted: what was not named was not looked at, and what
/// is named without being open was agreed to for another state of things.
pub(super) fn must_match(
    open: &BTreeSet<Point>,
    accepted: &BTreeSet<Point>,
) -> Result<(), Refused> {
    let named = |refused: Refused, points: Vec<&Point>| {
        points.into_iter().fold(refused, |refused, point| {
            refused.with_field("accepted_warnings", format!("{}: {}", point.code(), point.words()))
        })
    };
    let missing: Vec<&Point> = open.difference(accepted).collect();
    if !missing.is_empty() {
        let sentence = "the checklist has open points; look at the preview, and accept each by \
                        its code or wait";
        let refused = Refused::new(RefusalKind::Conflict, "warnings_open", sentence);
        return Err(named(refused, missing));
    }
    let beyond: Vec<&Point> = accepted.difference(open).collect();
    if beyond.is_empty() {
        return Ok(());
    }
    let sentence = "a point was accepted that is not open; look at the preview again";
    Err(named(Refused::new(RefusalKind::Conflict, "warning_not_open", sentence), beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_in_the_order_of_their_codes() {
        assert!(Point::ALL.is_sorted_by(|a, b| a.code() < b.code() && a < b));
    }

    #[test]
    fn exactly_what_is_open_must_be_accepted() {
        let set = |points: &[Point]| points.iter().copied().collect::<BTreeSet<_>>();
        let open = set(&[Point::LateData, Point::FeedStale]);
        assert_eq!(must_match(&open, &open), Ok(()));
        let refused = must_match(&open, &set(&[Point::LateData])).unwrap_err();
        assert_eq!((refused.reason(), refused.fields().len()), ("warnings_open", 1));
        assert!(refused.fields()[0].1.starts_with("feed_stale: "));
        let all: BTreeSet<Point> = Point::ALL.iter().copied().collect();
        assert_eq!(must_match(&open, &all).unwrap_err().reason(), "warning_not_open");
        assert!(read_points(&["late_data".to_owned(), "all".to_owned()]).is_err());
    }
}
