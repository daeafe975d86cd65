//! How long records are kept, and by which clause they go.
//!
//! A feed is what one partner sends of one record type. Each protocol that lists (or ever
//! listed) the feed speaks through its newest version that everybody signed and that says how
//! long the record type is kept.
//!
//! - **In force**: of the documents that stand on the day (within their term; a suspension stops
//!   the sending and not the clock), the strictest holds: a record goes on the earliest end.
//! - **Ended**: what a protocol's last version says goes on to bind what came under it, whatever
//!   else is in force, and where none stands (expired, superseded by nothing that lists the feed,
//!   revoked with "freeze") everything: the strictest of their last words. An end of sharing gives
//!   nobody leave to keep more, or longer.
//! - **Purged**: what a party sent under a version whose part it revoked with "purge", or under
//!   an earlier one, goes at once, of whatever type, and whoever else lists the feed.
//! - **Unclear**: a newer version that can't be read may say anything, and what is deleted is
//!   gone: its protocol has no say until it can be read. A feed of which nothing else speaks has
//!   no end meanwhile, which a preview and a proof say openly.
//!
//! A record is kept for `days` days after the day that it is counted from, and goes on the next.
//! That day is the event's; or the day of receipt, by London's calendar; or the subject's fifth
//! birthday, or the event where that came later, or where no date of birth is known the event's
//! day five years on (a child under five at the event is five by then); or the day on which a
//! case was closed. One that nobody closed counts as closed when it is withdrawn, when the last
//! day of the protocol that says so has passed and it does not stand any more, or else five years
//! after its event: its child is five by then. What is no case counts from its event.

mod keeping;

pub use keeping::{End, Keeping, KeptRecord, RetentionRule};

use std::sync::Arc;

use jiff::civil::Date;

use self::keeping::Purge;
use super::document::Protocol;
use super::life::{Handling, Part, State};
use super::policy::{Compiled, Policy};
use super::refusal::{Reason, Refusal, Section};
use super::vocabulary::RetentionStart;
use crate::domain::time::epoch_day;
use crate::domain::{PartnerId, ProtocolId, RecordType};

/// What speaks of one feed, whatever the day.
#[derive(Debug, Default)]
pub(in crate::protocol) struct Feed {
    /// Of each protocol that can be read to its end, the version that speaks, and its entry; those
    /// that count from the event first, the strictest first.
    speaking: Vec<(Arc<Compiled>, usize)>,
    /// Versions whose part the sender revoked with "purge".
    purged: Vec<Arc<Compiled>>,
    /// The most days after its event that any flow ever let a record in.
    window_days: i32,
}

/// The most days that the records of a feed may lie after their events.
#[derive(Debug)]
pub(in crate::protocol) struct EventLimit {
    pub(in crate::protocol) days: i32,
    protocol: Arc<Compiled>,
    entry: usize,
}

impl EventLimit {
    pub(in crate::protocol) fn refuse(&self) -> Refusal {
        self.protocol.refuse(Reason::EventTooOld, Section::Retention(self.entry))
    }
}

impl Policy {
    /// How long a feed's records are kept, as the documents say on a day.
    #[must_use]
    pub fn keeping(&self, partner: &PartnerId, record_type: RecordType, today: Date) -> Keeping {
        let mut keeping = Keeping::default();
        let Some(feed) = self.feeds.get(partner).and_then(|feeds| feeds.get(&record_type)) else {
            return keeping;
        };
        let in_force = feed.speaking.iter().any(|(p, _)| stands(p, partner, today));
        let rule = |(protocol, entry): &(Arc<Compiled>, usize)| {
            let stands = stands(protocol, partner, today);
            RetentionRule {
                from: protocol.retention[*entry].from_event,
                days: protocol.retention[*entry].days,
                clause: protocol.clause(Section::Retention(*entry)),
                ended: (!stands).then(|| self.last_day_of(protocol)),
                own_alone: in_force && !stands,
            }
        };
        keeping.rules = feed.speaking.iter().map(rule).collect();
        let purge = |protocol: &Arc<Compiled>| Purge {
            protocol: protocol.id.clone(),
            version: protocol.version,
            clause: protocol.clause(Section::Whole),
        };
        keeping.purges = feed.purged.iter().map(purge).collect();
        keeping.window_days = feed.window_days;
        keeping
    }

    /// The last day that a document had, as far as documents tell: that before the one that
    /// superseded it began, or that of its term. (One that was revoked had its last day earlier.)
    fn last_day_of(&self, protocol: &Compiled) -> i32 {
        let next = self.signed_after(&protocol.id, protocol.version).map(|next| {
            epoch_day(next.effective).saturating_sub(1).max(epoch_day(protocol.effective))
        });
        next.unwrap_or(i32::MAX).min(epoch_day(protocol.expires))
    }

    /// The feeds of a document that another protocol in force keeps otherwise: of several the
    /// earliest end holds for all of them, so that each may cut short what the others say.
    #[must_use]
    pub fn also_kept_by(
        &self,
        document: &Protocol,
        today: Date,
    ) -> Vec<(PartnerId, RecordType, ProtocolId)> {
        let mut found = Vec::new();
        for flow in &document.flows {
            let own = document.retention.iter().find(|own| own.record_type == flow.record_type);
            let Some(own) = own else { continue };
            for rule in self.keeping(&flow.from, flow.record_type, today).rules() {
                let other = rule.ended.is_none() && *rule.clause.protocol() != document.id;
                if other && (rule.from, rule.days) != (own.from_event, own.days) {
                    let id = rule.clause.protocol().clone();
                    found.push((flow.from.clone(), flow.record_type, id));
                }
            }
        }
        found
    }

    /// The strictest limit that counts from the event, among the documents in force.
    pub(in crate::protocol) fn event_limit(
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
    pub(in crate::protocol) fn index_feeds(&mut self, compiled: &[Arc<Compiled>]) {
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
                // Of whatever type: an earlier version may have listed what the revoked one does not.
                let purges = |protocol: &&&Arc<Compiled>| {
                    let revoked = protocol.life().and_then(|life| life.revocations().get(partner));
                    revoked.is_some_and(|revoked| revoked.handling == Handling::Purge)
                };
                feed.purged.extend(listed.iter().filter(purges).map(|p| Arc::clone(p)));
                let flows = listed.iter().flat_map(|protocol| &protocol.flows);
                let own = flows.filter(|f| f.from == *partner && f.record_type == record_type);
                let windows = own.map(|flow| flow.max_backdate_days + flow.max_lag_days);
                feed.window_days = windows.fold(feed.window_days, i32::max);
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
