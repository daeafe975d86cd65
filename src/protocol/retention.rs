//! How long records are kept, and by which clause they go.
//!
//! A feed is what one partner sends of one record type. Each protocol that lists (or ever
//! listed) the feed speaks through its newest version that everybody signed and that says how
//! long the record type is kept.
//!
//! - **In force**: of the documents that stand on the day (within their term; a suspension stops
//!   the sending and not the clock), the strictest holds: a record goes on the earliest end.
//! - **Ended**: where none stands (expired, superseded by nothing that lists the feed, revoked
//!   with "freeze"), what their last versions say goes on to hold, the strictest again. An end of
//!   sharing gives nobody leave to keep more, or longer.
//! - **Purged**: what a party sent under a version whose part it revoked with "purge", or under
//!   an earlier one, goes at once, whoever else lists the feed.
//! - **Unclear**: a newer version that can't be read may say anything, and what is deleted is
//!   gone: its protocol has no say until it can be read. A feed of which nothing else speaks has
//!   no end meanwhile, which a preview and a proof say openly.
//!
//! A record is kept for `days` days after the day that it is counted from, and goes on the next.
//! That day is the event's; or the day of receipt, by London's calendar; or the subject's fifth
//! birthday, or the event where that came later, or where no date of birth is known the event's
//! day five years on (a child under five at the event is five by then); or the day on which a
//! case was closed: an open one has no end yet. What is no case counts from its event.

use std::sync::Arc;

use jiff::civil::Date;
use sha2::{Digest as _, Sha256};

use super::document::{Digest, ProtocolVersion};
use super::life::{Handling, Part, State};
use super::policy::{Compiled, Policy};
use super::refusal::{Clause, Reason, Refusal, Section};
use super::vocabulary::RetentionStart;
use crate::domain::time::{date_of, epoch_day, years_after};
use crate::domain::{PartnerId, ProtocolId, RecordType};

/// A child under five is five after so many years.
const EARLY_YEARS: i32 = 5;

/// What speaks of one feed, whatever the day.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Of each protocol that can be read to its end, the version that speaks, and its entry; those
    /// that count from the event first, the strictest first.
    speaking: Vec<(Arc<Compiled>, usize)>,
    /// Versions whose part the sender revoked with "purge".
    purged: Vec<Arc<Compiled>>,
}

/// The most days that the records of a feed may lie after their events.
#[derive(Debug)]
pub(super) struct EventLimit {
    pub(super) days: i32,
    protocol: Arc<Compiled>,
    entry: usize,
}

impl EventLimit {
    pub(super) fn refuse(&self) -> Refusal {
        self.protocol.refuse(Reason::EventTooOld, Section::Retention(self.entry))
    }
}

/// A clause that ends the keeping of a feed's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRule {
    /// From what day it counts.
    pub from: RetentionStart,
    /// For how many days it lets records be kept.
    pub days: u16,
    /// The clause.
    pub clause: Clause,
}

/// What a party wants deleted with its part.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Purge {
    protocol: ProtocolId,
    /// This version and all before it.
    version: ProtocolVersion,
    clause: Clause,
}

impl Purge {
    fn covers(&self, protocol: &ProtocolId, version: ProtocolVersion) -> bool {
        self.protocol == *protocol && version <= self.version
    }
}

/// The days of a record that an end is counted from; days since 1970-01-01. For a birth it
/// holds the day, so it has no Debug.
#[derive(Clone, Copy)]
pub struct KeptRecord {
    /// The day of the event.
    pub event: i32,
    /// The day of receipt, in Europe/London.
    pub received: i32,
    /// The date of birth of whom it is about, if known.
    pub birth: Option<i32>,
    /// For a case: the day it was closed, or `None` while it is open.
    pub closed: Option<Option<i32>>,
}

/// When a record's time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<'a> {
    /// After this day, days since 1970-01-01, by this clause.
    After(i32, &'a RetentionRule),
    /// At once, by this clause.
    Purged(&'a Clause),
    /// It has none yet: its case is open, or nothing that can be read speaks of it.
    NotYet,
}

impl End<'_> {
    /// Whether it is over on a day.
    #[must_use]
    pub const fn is_over(&self, today: i32) -> bool {
        match self {
            Self::After(last, _) => today > *last,
            Self::Purged(_) => true,
            Self::NotYet => false,
        }
    }

    /// The clause.
    #[must_use]
    pub const fn clause(&self) -> Option<&Clause> {
        match self {
            Self::After(_, rule) => Some(&rule.clause),
            Self::Purged(clause) => Some(clause),
            Self::NotYet => None,
        }
    }
}

impl RetentionRule {
    /// The last day on which a record may be kept; `None` while it has no end.
    #[must_use]
    pub fn last_day(&self, record: &KeptRecord) -> Option<i32> {
        let start = match self.from {
            RetentionStart::EventDate => record.event,
            RetentionStart::Received => record.received,
            RetentionStart::FifthBirthday => {
                let five = five_years_on(record.birth.unwrap_or(record.event));
                five.max(record.event)
            }
            RetentionStart::CaseClosed => match record.closed {
                None => record.event,
                Some(None) => return None,
                Some(Some(day)) => day,
            },
        };
        Some(start.saturating_add(i32::from(self.days)))
    }
}

fn five_years_on(day: i32) -> i32 {
    date_of(day).map_or(i32::MAX, |day| epoch_day(years_after(day, EARLY_YEARS)))
}

/// How long the records of a feed are kept, on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    rules: Vec<RetentionRule>,
    in_force: bool,
    purges: Vec<Purge>,
    /// How many days after its event a record may still come in, by the flows in force.
    window_days: i32,
}

impl Keeping {
    /// The clauses that hold, each alone a limit; none where nothing that can be read speaks.
    #[must_use]
    pub fn rules(&self) -> &[RetentionRule] {
        &self.rules
    }

    /// Whether a document in force says so, rather than the last word of those that ended.
    #[must_use]
    pub const fn in_force(&self) -> bool {
        self.in_force
    }

    /// The clauses by which a party's part is purged.
    pub fn purges(&self) -> impl Iterator<Item = &Clause> {
        self.purges.iter().map(|purge| &purge.clause)
    }

    /// Whether what was sent under a version of a protocol is purged.
    #[must_use]
    pub fn is_purged(&self, protocol: &ProtocolId, version: ProtocolVersion) -> bool {
        self.purges.iter().any(|purge| purge.covers(protocol, version))
    }

    /// The last day on which the flows in force would let a record in: until then it must be
    /// known again. To the end of a year, as it outlasts the record and must tell no birthday.
    #[must_use]
    pub fn may_return_until(&self, event: i32) -> i32 {
        let last = event.saturating_add(self.window_days);
        date_of(last).map_or(last, |day| epoch_day(jiff::civil::date(day.year(), 12, 31)))
    }

    /// Whether an end depends on when somebody was born, but for births themselves.
    #[must_use]
    pub fn asks_for_births(&self) -> bool {
        self.rules.iter().any(|rule| rule.from == RetentionStart::FifthBirthday)
    }

    /// When the time of a record is over that was sent under a version of a protocol.
    #[must_use]
    pub fn end(
        &self,
        record: &KeptRecord,
        protocol: &ProtocolId,
        version: ProtocolVersion,
    ) -> End<'_> {
        if let Some(purge) = self.purges.iter().find(|purge| purge.covers(protocol, version)) {
            return End::Purged(&purge.clause);
        }
        let ends = self.rules.iter().filter_map(|rule| Some((rule.last_day(record)?, rule)));
        ends.min_by_key(|(last, _)| *last)
            .map_or(End::NotYet, |(last, rule)| End::After(last, rule))
    }

    /// Tells two days' rules apart.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new_with_prefix(b"tallygate retention v1");
        let mut add = |clause: &Clause, what: &str, days: u16| {
            hash.update(clause.digest().as_bytes());
            hash.update(clause.pointer());
            hash.update(what);
            hash.update(days.to_be_bytes());
        };
        for rule in &self.rules {
            add(&rule.clause, rule.from.code(), rule.days);
        }
        for purge in &self.purges {
            add(&purge.clause, "purge", 0);
        }
        Digest::from_bytes(hash.finalize().into())
    }
}

impl Policy {
    /// How long a feed's records are kept, as the documents say on a day.
    #[must_use]
    pub fn keeping(&self, partner: &PartnerId, record_type: RecordType, today: Date) -> Keeping {
        let mut keeping =
            Keeping { rules: Vec::new(), in_force: false, purges: Vec::new(), window_days: 0 };
        let Some(feed) = self.feeds.get(partner).and_then(|feeds| feeds.get(&record_type)) else {
            return keeping;
        };
        keeping.in_force = feed.speaking.iter().any(|(p, _)| stands(p, partner, today));
        let holds = |p: &Compiled| !keeping.in_force || stands(p, partner, today);
        keeping.rules = feed
            .speaking
            .iter()
            .filter(|(protocol, _)| holds(protocol))
            .map(|(protocol, entry)| RetentionRule {
                from: protocol.retention[*entry].from_event,
                days: protocol.retention[*entry].days,
                clause: protocol.clause(Section::Retention(*entry)),
            })
            .collect();
        let purge = |protocol: &Arc<Compiled>| Purge {
            protocol: protocol.id.clone(),
            version: protocol.version,
            clause: protocol.clause(Section::Whole),
        };
        keeping.purges = feed.purged.iter().map(purge).collect();
        let flows = self.sending(record_type).iter();
        let flows = flows.filter(|(protocol, _)| stands(protocol, partner, today));
        let flows = flows.map(|(protocol, place)| &protocol.flows[*place]);
        let windows = flows.filter(|flow| flow.from == *partner);
        let windows = windows.map(|flow| flow.max_backdate_days + flow.max_lag_days);
        keeping.window_days = windows.max().unwrap_or(0);
        keeping
    }

    /// The strictest limit that counts from the event, among the documents in force.
    pub(super) fn event_limit(
        &self,
        partner: &PartnerId,
        record_type: RecordType,
        today: Date,
    ) -> Option<EventLimit> {
        let feed = self.feeds.get(partner)?.get(&record_type)?;
        let mut counting =
            feed.speaking.iter().take_while(|(p, entry)| p.counts_from_event(*entry));
        let (protocol, entry) = counting.find(|(p, _)| stands(p, partner, today))?;
        let days = i32::from(protocol.retention[*entry].days);
        Some(EventLimit { days, protocol: Arc::clone(protocol), entry: *entry })
    }

    /// Finds out which versions speak of which feed; `compiled` in the order of id and version.
    pub(super) fn index_feeds(&mut self, compiled: &[Arc<Compiled>]) {
        let mut feeds: std::collections::HashMap<_, std::collections::HashMap<_, Feed>> =
            std::collections::HashMap::new();
        for versions in compiled.chunk_by(|a, b| a.id == b.id) {
            let listed =
                versions.iter().filter(|protocol| protocol.state().is_some_and(was_signed));
            let listed: Vec<&Arc<Compiled>> = listed.collect();
            let mut pairs: Vec<(&PartnerId, RecordType)> = listed
                .iter()
                .flat_map(|p| p.flows.iter().map(|flow| (&flow.from, flow.record_type)))
                .collect();
            pairs.sort_unstable();
            pairs.dedup();
            for (partner, record_type) in pairs {
                let feed =
                    feeds.entry(partner.clone()).or_default().entry(record_type).or_default();
                let speaking = listed.iter().rev().find_map(|protocol| {
                    let entries = &protocol.retention;
                    let entry = entries.iter().position(|entry| entry.record_type == record_type);
                    entry.map(|entry| (Arc::clone(protocol), entry))
                });
                feed.speaking.extend(speaking.filter(|(protocol, _)| {
                    !self.hides_a_version_after(&protocol.id, protocol.version)
                }));
                let purges = |protocol: &&&Arc<Compiled>| {
                    let sent = protocol
                        .flows
                        .iter()
                        .any(|flow| flow.from == *partner && flow.record_type == record_type);
                    let revoked = protocol.life().and_then(|life| life.revocations().get(partner));
                    sent && revoked.is_some_and(|revoked| revoked.handling == Handling::Purge)
                };
                feed.purged.extend(listed.iter().filter(purges).map(|p| Arc::clone(p)));
            }
        }
        for feed in feeds.values_mut().flat_map(|feeds| feeds.values_mut()) {
            feed.speaking.sort_by_key(|(protocol, entry)| {
                (!protocol.counts_from_event(*entry), protocol.retention[*entry].days)
            });
            feed.speaking.shrink_to_fit();
            feed.purged.shrink_to_fit();
        }
        self.feeds = feeds;
    }
}

impl Compiled {
    /// Whether an entry's clause counts from a record's event.
    fn counts_from_event(&self, entry: usize) -> bool {
        match self.retention[entry].from_event {
            RetentionStart::EventDate => true,
            RetentionStart::CaseClosed => {
                self.retention[entry].record_type != RecordType::FamilyCase
            }
            RetentionStart::Received | RetentionStart::FifthBirthday => false,
        }
    }
}

/// Whether everybody had signed it at some time.
const fn was_signed(state: State) -> bool {
    !matches!(state, State::Draft | State::PartlySigned)
}

/// Whether a document holds for a sender on a day: suspended or not.
fn stands(protocol: &Compiled, partner: &PartnerId, today: Date) -> bool {
    let Some(life) = protocol.life() else { return false };
    matches!(life.state(), State::Active | State::Suspended)
        && life.part(partner) != Part::Revoked
        && (protocol.effective..=protocol.expires).contains(&today)
}
