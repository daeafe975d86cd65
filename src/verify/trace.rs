//! From a figure back to its release, and from the release to protocols and batches.
//!
//! Everything comes out of the log's leaves. What is told of batches is bounded by what the
//! release may tell at all: numbers only as size classes, places only as whole bundles of
//! entries, per feed and quarter, never per area or cell and never a person. (Whoever may read
//! the entries can count batches there; what such a trace is shown to should not.)

use super::{
    leaf::{Leaf, SIZE_CLASSES},
    path::FULL,
};
use crate::domain::Quarter;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Where quarters are reckoned.
const LONDON: &str = "Europe/London";

/// The kinds of leaf that a trace is made of.
pub const TRACED_KINDS: [&str; 7] = [
    "batch_accepted",
    "card_answered",
    "data_book_answered",
    "intake_stream_undone",
    "query_answered",
    "release_frozen",
    "release_withdrawn",
];

/// The class that a number falls in.
#[must_use]
pub fn size_class(count: u64) -> &'static str {
    let mut bound = 100_u64;
    for class in SIZE_CLASSES {
        if count < bound {
            return class;
        }
        bound = bound.saturating_mul(10);
    }
    SIZE_CLASSES[SIZE_CLASSES.len() - 1]
}

/// The leaf of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TracedRelease {
    /// The quarter.
    pub quarter: String,
    /// The entry that froze it.
    pub index: u64,
    /// When.
    pub at: String,
    /// The release's digest, hexadecimal.
    pub digest: String,
    /// The catalogue's digest, hexadecimal.
    pub catalogue: String,
    /// The policy epoch of the decision.
    pub policy_epoch: Option<u64>,
    /// The points of the checklist that were accepted.
    pub accepted: Vec<String>,
    /// The entry that withdrew it.
    pub withdrawn: Option<u64>,
}

/// What one feed sent under one version of a protocol within one quarter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TracedFeed {
    /// The sender.
    pub partner: String,
    /// What it sent.
    pub record_type: String,
    /// The quarter in which it was accepted (days in London).
    pub quarter: String,
    /// The protocol relied on.
    pub protocol: String,
    /// Its version.
    pub version: u32,
    /// Its digest, hexadecimal.
    pub digest: String,
    /// How many batches, as a size class.
    pub batches: &'static str,
    /// The size classes of these batches, in records.
    pub records: Vec<String>,
    /// They lie among the entries from this one on...
    pub entries_from: u64,
    /// ...and before this one: whole bundles.
    pub entries_until: u64,
    /// Whether some were taken back since the release, which stays as it is.
    pub undone_since: bool,
}

/// The whole trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The release.
    pub release: TracedRelease,
    /// The feeds behind it: what had been accepted, and not taken back, when it was frozen.
    pub feeds: Vec<TracedFeed>,
    /// How many cards and data books of the area were given out of it, as a size class.
    pub cards: &'static str,
    /// How many figures of the area were given out of it, as a size class.
    pub queries: &'static str,
}

/// A feed's key: quarter, record type, partner, protocol, version, digest.
type Key = ((i16, i8), String, String, String, u32, String);

#[derive(Debug, Default)]
struct Batches {
    count: u64,
    classes: BTreeSet<usize>,
    first: u64,
    last: u64,
}

/// Collects a trace from the entries of a log, in their order.
#[derive(Debug)]
pub struct Tracer {
    quarter: String,
    area: String,
    zone: TimeZone,
    release: Option<TracedRelease>,
    /// What each stream sent before the release.
    streams: BTreeMap<u64, BTreeMap<Key, Batches>>,
    undone_since: BTreeSet<u64>,
    cards: u64,
    queries: u64,
}

impl Tracer {
    /// Of a quarter's release and of what was told of an area out of it; `None` where the
    /// time zone is not known, which can't happen with the zones that are built in.
    #[must_use]
    pub fn new(quarter: Quarter, area: &str) -> Option<Self> {
        Some(Self {
            quarter: quarter.to_string(),
            area: area.to_owned(),
            zone: TimeZone::get(LONDON).ok()?,
            release: None,
            streams: BTreeMap::new(),
            undone_since: BTreeSet::new(),
            cards: 0,
            queries: 0,
        })
    }

    /// Adds the next entry; those of other kinds are passed over.
    pub fn note(&mut self, index: u64, leaf: &Leaf<'_>) {
        if leaf.decision != Some("granted") {
            return;
        }
        match leaf.kind {
            Some("release_frozen") if leaf.period == Some(&self.quarter) => {
                self.freeze(index, leaf);
            }
            Some("release_withdrawn") => {
                let digest = leaf.release;
                if let Some(release) = &mut self.release
                    && digest == Some(&release.digest)
                {
                    release.withdrawn = Some(index);
                }
            }
            Some("batch_accepted") if self.release.is_none() => self.batch(index, leaf),
            Some("intake_stream_undone") => {
                if let Some(stream) = leaf.stream {
                    match self.release {
                        // Taken back in time: it is not behind the release.
                        None => drop(self.streams.remove(&stream)),
                        Some(_) => drop(self.undone_since.insert(stream)),
                    }
                }
            }
            Some("card_answered" | "data_book_answered") if self.is_told(leaf) => self.cards += 1,
            Some("query_answered") if self.is_told(leaf) => self.queries += 1,
            _ => {}
        }
    }

    fn is_told(&self, leaf: &Leaf<'_>) -> bool {
        let digest = self.release.as_ref().map(|release| release.digest.as_str());
        leaf.area == Some(&self.area) && digest.is_some() && leaf.release == digest
    }

    fn freeze(&mut self, index: u64, leaf: &Leaf<'_>) {
        let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
        let accepted = leaf.accepted.iter().flatten().map(|code| (*code).to_owned()).collect();
        self.release = Some(TracedRelease {
            quarter: self.quarter.clone(),
            index,
            at: text(leaf.at),
            digest: text(leaf.release),
            catalogue: text(leaf.document),
            policy_epoch: leaf.policy_epoch,
            accepted,
            withdrawn: None,
        });
    }

    fn batch(&mut self, index: u64, leaf: &Leaf<'_>) {
        let Some(protocol) = &leaf.protocol else { return };
        let day = self.day(leaf);
        let quarter = Quarter::of(day);
        let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
        let key = (
            (quarter.year(), quarter.number()),
            text(leaf.record_type),
            text(leaf.partner),
            protocol.id.to_owned(),
            protocol.version,
            protocol.digest.to_owned(),
        );
        let stream = self.streams.entry(leaf.stream.unwrap_or(index)).or_default();
        let batches = stream.entry(key).or_default();
        if batches.count == 0 {
            batches.first = index;
        }
        batches.count += 1;
        batches.last = index;
        let class = SIZE_CLASSES.iter().position(|class| leaf.size_class == Some(class));
        batches.classes.extend(class);
    }

    fn day(&self, leaf: &Leaf<'_>) -> Date {
        let at = leaf.at.and_then(|at| at.parse::<Timestamp>().ok()).unwrap_or_default();
        self.zone.to_datetime(at).date()
    }

    /// The trace; `None` where the log has no release of that quarter.
    #[must_use]
    pub fn finish(self) -> Option<Trace> {
        let Self { release, streams, undone_since, cards, queries, .. } = self;
        let mut feeds: BTreeMap<Key, (Batches, bool)> = BTreeMap::new();
        for (stream, sent) in streams {
            for (key, batches) in sent {
                let (all, undone) = feeds.entry(key).or_default();
                if all.count == 0 || batches.first < all.first {
                    all.first = batches.first;
                }
                all.count += batches.count;
                all.last = all.last.max(batches.last);
                all.classes.extend(batches.classes);
                *undone |= undone_since.contains(&stream);
            }
        }
        let feeds = feeds.into_iter().map(|(key, (batches, undone))| feed(key, &batches, undone));
        Some(Trace {
            release: release?,
            feeds: feeds.collect(),
            cards: size_class(cards),
            queries: size_class(queries),
        })
    }
}

fn feed(key: Key, batches: &Batches, undone_since: bool) -> TracedFeed {
    let ((year, number), record_type, partner, protocol, version, digest) = key;
    let full = FULL as u64;
    TracedFeed {
        partner,
        record_type,
        quarter: format!("{year}Q{number}"),
        protocol,
        version,
        digest,
        batches: size_class(batches.count),
        records: batches.classes.iter().map(|class| SIZE_CLASSES[*class].to_owned()).collect(),
        entries_from: batches.first / full * full,
        entries_until: (batches.last / full + 1) * full,
        undone_since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::leaf::Protocol;

    fn batch<'a>(partner: &'a str, at: &'a str, stream: u64) -> Leaf<'a> {
        Leaf {
            kind: Some("batch_accepted"),
            decision: Some("granted"),
            at: Some(at),
            partner: Some(partner),
            record_type: Some("live_birth"),
            size_class: Some("<1000"),
            stream: Some(stream),
            protocol: Some(Protocol { digest: "dd", id: "isp-health", version: 2 }),
            ..Leaf::default()
        }
    }

    fn act(kind: &'static str) -> Leaf<'static> {
        Leaf {
            kind: Some(kind),
            decision: Some("granted"),
            at: Some("2026-05-14T09:00:00.000000Z"),
            period: Some("2026Q1"),
            release: Some("aa"),
            area: Some("CC01"),
            ..Leaf::default()
        }
    }

    #[test]
    fn a_trace_tells_classes_and_whole_bundles_and_nothing_finer() {
        let mut tracer = Tracer::new("2026Q1".parse().unwrap(), "CC01").unwrap();
        let spring = "2026-02-01T09:00:00.000000Z";
        // An hour before midnight UTC, summer time has begun: the second quarter in London.
        let april = "2026-03-31T23:30:00.000000Z";
        tracer.note(300, &batch("health", spring, 10));
        tracer.note(301, &batch("health", spring, 10));
        tracer.note(302, &batch("health", spring, 20));
        tracer.note(600, &batch("health", april, 30));
        tracer.note(601, &Leaf { stream: Some(20), ..act("intake_stream_undone") });
        tracer.note(700, &Leaf { period: Some("2025Q4"), ..act("release_frozen") });
        tracer.note(701, &Leaf { decision: Some("refused"), ..act("release_frozen") });
        tracer.note(702, &Leaf { document: Some("cc"), ..act("release_frozen") });
        tracer.note(703, &batch("health", april, 40));
        tracer.note(704, &Leaf { stream: Some(10), ..act("intake_stream_undone") });
        tracer.note(705, &act("card_answered"));
        tracer.note(706, &Leaf { area: Some("CC02"), ..act("card_answered") });
        tracer.note(707, &Leaf { release: Some("bb"), ..act("query_answered") });
        tracer.note(708, &act("release_withdrawn"));
        let trace = tracer.finish().unwrap();
        assert_eq!((trace.release.index, trace.release.withdrawn), (702, Some(708)));
        assert_eq!((trace.release.digest.as_str(), trace.release.catalogue.as_str()), ("aa", "cc"));
        assert_eq!((trace.cards, trace.queries), ("<100", "<100"));
        let told: Vec<_> = trace
            .feeds
            .iter()
            .map(|f| (f.quarter.as_str(), f.entries_from, f.entries_until, f.undone_since))
            .collect();
        assert_eq!(told, [("2026Q1", 256, 512, true), ("2026Q2", 512, 768, false)]);
        assert!(trace.feeds.iter().all(|feed| feed.batches == "<100"));
        assert_eq!(trace.feeds[0].records, ["<1000"]);
        let none = Tracer::new("2026Q1".parse().unwrap(), "CC01").unwrap();
        assert!(none.finish().is_none());
    }

    #[test]
    fn classes_are_those_of_the_leaves() {
        for (count, class) in [(0, "<100"), (99, "<100"), (100, "<1000"), (9_999_999, "<10000000")]
        {
            assert_eq!(size_class(count), class);
        }
        assert_eq!((size_class(10_000_000), size_class(u64::MAX)), (">=10000000", ">=10000000"));
    }
}
