//! Which feeds are due: what the protocols in force promise, beside what came in.
//!
//! A flow says how often it is supplied and how many days may lie between an extract and its
//! receipt. So after an extract of a day the next one stands for one step later, is due from that
//! day on, and overdue once the days for sending it are over too. None of it depends on what a
//! batch holds: only on the days that senders declare, on when batches came in, and on the signed
//! documents. What was rejected is the sender's own to know (its receipts).

use super::{
    Actor, Denied, Gateway, PartnerLine, Snapshot,
    decide::{Decided, Page, PageRequest},
};
use crate::{
    domain::{PartnerId, RecordType},
    protocol::{CallerRole, Frequency, Part, State},
    store::{
        Effect, Logged, Rights,
        feeds::{self, Arrival, Freshness},
    },
};
use jiff::{Span, Timestamp, civil::Date};
use std::collections::BTreeMap;

/// How a feed stands, the most pressing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeedState {
    /// The days for sending the next extract are over.
    Overdue,
    /// A flow in force lets it be sent, and nothing ever came.
    NeverSent,
    /// The next extract can be sent by now.
    Due,
    /// Nothing is to be sent yet.
    OnTime,
    /// Something came once; no flow in force asks for more.
    NotExpected,
}

impl FeedState {
    /// It in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::NeverSent => "never sent",
            Self::Due => "due",
            Self::OnTime => "on time",
            Self::NotExpected => "no longer expected",
        }
    }
}

/// A feed: what one partner sends of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedLine {
    /// The sender.
    pub partner: PartnerId,
    /// What it sends.
    pub record_type: RecordType,
    /// How often, by the most demanding flow in force; `None` where there is none.
    pub frequency: Option<Frequency>,
    /// When its last accepted batch came in.
    pub last_push: Option<Timestamp>,
    /// The latest day that an accepted extract stands for.
    pub last_extract: Option<Date>,
    /// The day that the next extract stands for.
    pub due: Option<Date>,
    /// The last day for it to come in.
    pub latest: Option<Date>,
    /// How it stands.
    pub state: FeedState,
}

/// The register of partners with their feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnersAndFeeds {
    /// A page of the register.
    pub partners: Page<PartnerLine>,
    /// Every feed, the most pressing first.
    pub feeds: Vec<FeedLine>,
}

/// What a flow promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Promise {
    frequency: Frequency,
    max_lag_days: u16,
}

type FeedName = (PartnerId, RecordType);

impl Gateway {
    /// The register of partners and how each feed stands, for data officers and auditors: one look.
    ///
    /// # Errors
    /// `wrong_role`; a violation for a page token that is not this caller's.
    pub async fn partners_and_feeds(
        &self,
        actor: &Actor,
        page: &PageRequest,
    ) -> Result<Logged<PartnersAndFeeds>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer, CallerRole::Auditor]).await?;
        let mut tx = self.store.read(Rights::Figures).await?;
        let fresh = feeds::freshness(&mut tx).await?;
        let arrivals = feeds::arrivals(&mut tx, i64::MAX).await?;
        drop(tx);
        let logged = self
            .settle(actor, |snapshot| {
                let partners = self.partner_lines(actor, snapshot, page)?;
                let today = self.today();
                let feeds = lines(&promises(snapshot, today), &fresh, &arrivals, today);
                let answer = PartnersAndFeeds { partners: partners.answer, feeds };
                Ok(Decided { leaf: partners.leaf, effect: Effect::None, answer })
            })
            .await?;
        Ok(logged.map(|(_, answer)| answer))
    }
}

/// What the flows in force promise of each feed; where there are several, the most demanding.
fn promises(snapshot: &Snapshot, today: Date) -> BTreeMap<FeedName, Promise> {
    let mut all: BTreeMap<FeedName, Promise> = BTreeMap::new();
    for (document, life) in snapshot.protocols().filter_map(|record| record.agreed()) {
        let is_in_force = matches!(life.state(), State::Active | State::Suspended)
            && (document.effective..=document.expires).contains(&today);
        let flows = document.flows.iter().filter(|_| is_in_force);
        for flow in flows.filter(|flow| life.part(&flow.from) == Part::Running) {
            let promise = Promise { frequency: flow.frequency, max_lag_days: flow.max_lag_days };
            let known = all.entry((flow.from.clone(), flow.record_type)).or_insert(promise);
            known.frequency = known.frequency.min(promise.frequency);
            known.max_lag_days = known.max_lag_days.min(promise.max_lag_days);
        }
    }
    all
}

/// Every feed that is promised or was ever sent, the most pressing first.
fn lines(
    promises: &BTreeMap<FeedName, Promise>,
    fresh: &[Freshness],
    arrivals: &[Arrival],
    today: Date,
) -> Vec<FeedLine> {
    let mut lines: BTreeMap<FeedName, FeedLine> = BTreeMap::new();
    let sent = fresh.iter().map(|feed| (feed.partner.clone(), feed.record_type));
    for name in promises.keys().cloned().chain(sent) {
        let promise = promises.get(&name).copied();
        let extract = fresh.iter().find(|f| (&f.partner, f.record_type) == (&name.0, name.1));
        let arrival = arrivals.iter().find(|a| (&a.partner, a.record_type) == (&name.0, name.1));
        let last_extract = extract.map(|feed| feed.extract_day);
        let line = line(name.clone(), promise, last_extract, today);
        let last_push = arrival.and_then(|a| Timestamp::from_microsecond(a.last).ok());
        lines.insert(name, FeedLine { last_push, ..line });
    }
    let mut lines: Vec<FeedLine> = lines.into_values().collect();
    lines.sort_by_key(|line| line.state);
    lines
}

fn line(
    (partner, record_type): FeedName,
    promise: Option<Promise>,
    last_extract: Option<Date>,
    today: Date,
) -> FeedLine {
    let next = promise.zip(last_extract).and_then(|(promise, day)| {
        let due = next_after(day, promise.frequency)?;
        let lag = Span::new().days(i64::from(promise.max_lag_days));
        Some((due, due.checked_add(lag).ok()?))
    });
    let state = match (promise, next) {
        (None, _) => FeedState::NotExpected,
        (Some(_), None) => FeedState::NeverSent,
        (Some(_), Some((due, _))) if today < due => FeedState::OnTime,
        (Some(_), Some((_, latest))) if today <= latest => FeedState::Due,
        (Some(_), Some(_)) => FeedState::Overdue,
    };
    FeedLine {
        partner,
        record_type,
        frequency: promise.map(|promise| promise.frequency),
        last_push: None,
        last_extract,
        due: next.map(|(due, _)| due),
        latest: next.map(|(_, latest)| latest),
        state,
    }
}

/// The day that the extract after one of `day` stands for. A year has three terms.
fn next_after(day: Date, frequency: Frequency) -> Option<Date> {
    let step = match frequency {
        Frequency::Daily => Span::new().days(1),
        Frequency::Weekly => Span::new().weeks(1),
        Frequency::Monthly => Span::new().months(1),
        Frequency::Termly => Span::new().months(4),
        Frequency::Quarterly => Span::new().months(3),
    };
    day.checked_add(step).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn name() -> FeedName {
        ("health".parse().unwrap(), "health_review".parse().unwrap())
    }

    fn standing(frequency: Frequency, last: Option<Date>, today: Date) -> FeedLine {
        line(name(), Some(Promise { frequency, max_lag_days: 14 }), last, today)
    }

    #[test]
    fn a_feed_is_on_time_then_due_then_overdue() {
        let last = Some(date(2026, 1, 31));
        let on = |month, day| standing(Frequency::Monthly, last, date(2026, month, day));
        // A month after the last of January is the last of February.
        assert_eq!(on(2, 27).state, FeedState::OnTime);
        assert_eq!((on(2, 28).state, on(2, 28).due), (FeedState::Due, Some(date(2026, 2, 28))));
        assert_eq!((on(3, 14).state, on(3, 14).latest), (FeedState::Due, Some(date(2026, 3, 14))));
        assert_eq!(on(3, 15).state, FeedState::Overdue);
        for (frequency, due) in [
            (Frequency::Daily, date(2026, 2, 1)),
            (Frequency::Weekly, date(2026, 2, 7)),
            (Frequency::Termly, date(2026, 5, 31)),
            (Frequency::Quarterly, date(2026, 4, 30)),
        ] {
            assert_eq!(standing(frequency, last, date(2026, 2, 1)).due, Some(due), "{frequency}");
        }
    }

    #[test]
    fn what_never_came_and_what_nobody_asks_for_any_more_are_told_apart() {
        let today = date(2026, 3, 1);
        assert_eq!(standing(Frequency::Weekly, None, today).state, FeedState::NeverSent);
        let over = line(name(), None, Some(date(2020, 1, 1)), today);
        assert_eq!((over.state, over.due), (FeedState::NotExpected, None));
    }

    #[test]
    fn the_most_pressing_comes_first_and_each_feed_once() {
        let today = date(2026, 6, 1);
        let feed = |partner: &str, record_type: &str| {
            (partner.parse::<PartnerId>().unwrap(), record_type.parse::<RecordType>().unwrap())
        };
        let fresh = |(partner, record_type): FeedName, extract_day| Freshness {
            partner,
            record_type,
            extract_day,
            protocols: Vec::new(),
        };
        let promise = Promise { frequency: Frequency::Weekly, max_lag_days: 7 };
        let promises = [
            (feed("centres", "attendance"), promise),
            (feed("dwp", "two_year_old_eligibility"), promise),
            (feed("health", "health_review"), promise),
        ];
        let fresh = [
            fresh(feed("centres", "attendance"), date(2026, 5, 31)),
            fresh(feed("health", "health_review"), date(2026, 1, 1)),
            fresh(feed("school", "attendance"), date(2025, 1, 1)),
        ];
        let arrived = Arrival {
            partner: "health".parse().unwrap(),
            record_type: "health_review".parse().unwrap(),
            last: 1_767_225_600_000_000,
            oldest_days: None,
        };
        let lines = lines(&promises.into(), &fresh, &[arrived], today);
        let told: Vec<(&str, FeedState)> =
            lines.iter().map(|line| (line.partner.as_str(), line.state)).collect();
        let expected = [
            ("health", FeedState::Overdue),
            ("dwp", FeedState::NeverSent),
            ("centres", FeedState::OnTime),
            ("school", FeedState::NotExpected),
        ];
        assert_eq!(told, expected);
        assert!(lines[0].last_push.is_some() && lines[1].last_push.is_none());
    }
}
