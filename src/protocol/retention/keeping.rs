//! The clauses that hold for a feed on a day, and when by them a record's time is over.

use sha2::{Digest as _, Sha256};

use crate::domain::ProtocolId;
use crate::domain::time::{date_of, epoch_day, years_after};
use crate::protocol::document::{Digest, ProtocolVersion};
use crate::protocol::refusal::Clause;
use crate::protocol::vocabulary::RetentionStart;

/// A child under five is five after so many years.
const EARLY_YEARS: i32 = 5;

/// A clause that ends the keeping of a feed's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRule {
    /// From what day it counts.
    pub from: RetentionStart,
    /// For how many days it lets records be kept.
    pub days: u16,
    /// The clause.
    pub clause: Clause,
    /// Of a document that stands no more: the last day that it had.
    pub ended: Option<i32>,
    /// Whether it binds only what came under its own protocol.
    pub own_alone: bool,
}

/// What a party wants deleted with its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Purge {
    pub(super) protocol: ProtocolId,
    /// This version and all before it.
    pub(super) version: ProtocolVersion,
    pub(super) clause: Clause,
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
    /// The day on which it became known that it is withdrawn, if it is.
    pub withdrawn: Option<i32>,
}

/// When a record's time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<'a> {
    /// After this day, days since 1970-01-01, by this clause.
    After(i32, &'a RetentionRule),
    /// At once, by this clause.
    Purged(&'a Clause),
    /// It has none yet: nothing that can be read speaks of it.
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
    /// The last day on which a record may be kept.
    #[must_use]
    pub fn last_day(&self, record: &KeptRecord) -> i32 {
        let start = match self.from {
            RetentionStart::EventDate => record.event,
            RetentionStart::Received => record.received,
            RetentionStart::FifthBirthday => {
                let five = five_years_on(record.birth.unwrap_or(record.event));
                five.max(record.event)
            }
            RetentionStart::CaseClosed => match record.closed {
                None => record.event,
                Some(Some(day)) => day,
                Some(None) => self.taken_as_closed(record),
            },
        };
        start.saturating_add(i32::from(self.days))
    }

    /// When a case that nobody closed counts as closed.
    fn taken_as_closed(&self, record: &KeptRecord) -> i32 {
        let sooner = [record.withdrawn, self.ended].into_iter().flatten();
        let day = sooner.fold(five_years_on(record.event), i32::min);
        day.max(record.event)
    }

    fn binds(&self, protocol: &ProtocolId) -> bool {
        !self.own_alone || self.clause.protocol() == protocol
    }
}

fn five_years_on(day: i32) -> i32 {
    date_of(day).map_or(i32::MAX, |day| epoch_day(years_after(day, EARLY_YEARS)))
}

/// How long the records of a feed are kept, on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    pub(super) rules: Vec<RetentionRule>,
    pub(super) purges: Vec<Purge>,
    /// How many days after its event a record could come in, by any flow there ever was.
    pub(super) window_days: i32,
}

impl Keeping {
    /// The clauses that hold, each a limit of what it binds; none where nothing that can be read
    /// speaks.
    #[must_use]
    pub fn rules(&self) -> &[RetentionRule] {
        &self.rules
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

    /// The last day on which any flow there ever was would let a record in (also one that ended:
    /// it may be signed anew): until then it must be known again. To the end of a year, as it outlasts the record and must tell no birthday.
    #[must_use]
    pub fn may_return_until(&self, event: i32) -> i32 {
        let last = event.saturating_add(self.window_days);
        date_of(last).map_or(last, |day| epoch_day(jiff::civil::date(day.year(), 12, 31)))
    }

    /// The fewest days that a case is kept after it was closed, where a clause counts from that.
    #[must_use]
    pub fn shortest_after_closing(&self) -> Option<i32> {
        let closing = self.rules.iter().filter(|rule| rule.from == RetentionStart::CaseClosed);
        closing.map(|rule| i32::from(rule.days)).min()
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
        let binding = self.rules.iter().filter(|rule| rule.binds(protocol));
        let ends = binding.map(|rule| (rule.last_day(record), rule));
        ends.min_by_key(|(last, _)| *last)
            .map_or(End::NotYet, |(last, rule)| End::After(last, rule))
    }

    /// Tells two days' rules apart.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new_with_prefix(b"tallygate retention v1");
        let mut add = |clause: &Clause, what: &str, days: u16, ended: Option<i32>, own: bool| {
            hash.update(clause.digest().as_bytes());
            hash.update(clause.pointer());
            hash.update(what);
            hash.update(days.to_be_bytes());
            hash.update(ended.unwrap_or(i32::MAX).to_be_bytes());
            hash.update([u8::from(own)]);
        };
        for rule in &self.rules {
            add(&rule.clause, rule.from.code(), rule.days, rule.ended, rule.own_alone);
        }
        for purge in &self.purges {
            add(&purge.clause, "purge", 0, None, false);
        }
        Digest::from_bytes(hash.finalize().into())
    }
}
