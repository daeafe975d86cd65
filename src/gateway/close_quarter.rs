//! Closing a quarter: one pass over the persons, noise, a signature, and it is frozen.
//!
//! The exact counts live in one task's memory and leave it only as a noisy release. Where
//! the release can't be committed (the policy changed, another gateway was first) it is
//! dropped unseen, and a new attempt counts and draws anew: nobody can pick among draws.
//! A crash before the commit leaves nothing.
//!
//! The pass reads one snapshot of the store ([`scan`]). Reading a range and counting the
//! one before it run beside each other, with at most three ranges in memory.

use super::{
    Actor, DECISIONS, Denied, Gateway, GatewayError, Refused,
    close_plan::{Plan, blame, feed_weeks},
    link::facts_cell,
    released::{Frozen, seal},
};
use crate::{
    audit::{Hash, LeafKind},
    disclosure::{
        Closing, Counter, FeedWeek, PersonFacts, Release,
        period::{Period, latest_list},
    },
    domain::{
        FeedId, Quarter, RecordType,
        records::two_year_old_eligibility::LIST_DATE,
        time::{date_of, epoch_day},
    },
    linkage::Facts,
    protocol::CallerRole,
    store::{
        ActError, Effect, Logged, Rights, Store, StoreError, Tx, feeds,
        scan::{self, RANGE, StoredPerson},
    },
};
use jiff::civil::Date;
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::mpsc, task::JoinHandle};

/// What the reader hands to the counter.
enum Read {
    /// The next range.
    Persons(Vec<StoredPerson>),
    /// There are no more. Without it nothing is frozen: a reader that broke off would
    /// otherwise leave a release of half the children.
    All,
}

/// What the store says before the pass.
struct Before {
    feeds: Vec<FeedWeek>,
    list: Option<Date>,
    ranges: mpsc::Receiver<Result<Read, StoreError>>,
    reading: JoinHandle<()>,
}

impl Gateway {
    /// Closes a quarter: counts, adds noise, signs, freezes and logs.
    ///
    /// # Errors
    /// For callers who are no data officers; when the quarter is still open, released, or
    /// not the next; when areas, root policy, a protocol's clause or the budget forbid it.
    pub async fn close_quarter(
        self: &Arc<Self>,
        actor: &Actor,
        quarter: &str,
    ) -> Result<Logged<Arc<Frozen>>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let quarter = self.read_quarter(actor, quarter).await?;
        let _alone = self.closing.lock().await;
        for _ in 0..DECISIONS {
            let plan = Arc::new(self.decide_close(actor, quarter).await?);
            let release = self.count(&plan).await?;
            let entry = seal(&release, &self.release_key)?;
            let mut leaf = actor.leaf(LeafKind::ReleaseFrozen, self);
            leaf.notes.release = Some(Hash::new(entry.digest));
            leaf.notes.period = Some(quarter);
            leaf.notes.document = Some(Hash::new(*release.catalogue.digest.as_bytes()));
            leaf.notes.policy_epoch = Some(plan.snapshot.epoch());
            let effect = Effect::Freeze(Box::new(entry));
            match self.commit(leaf, effect, Some(plan.snapshot.epoch())).await {
                Ok(logged) => {
                    let snapshot = self.reload().await?;
                    let releases = self.releases(&snapshot).await?;
                    let frozen = releases.of(quarter).ok_or(GatewayError::Conflict)?;
                    let frozen = Arc::clone(frozen);
                    return Ok(logged.map(|_| frozen));
                }
                // Another gateway was first: the next look refuses.
                Err(ActError::PolicyChanged | ActError::Conflict) => {
                    self.policy_moved(actor).await?
                }
                Err(ActError::Unavailable) => return Err(GatewayError::LogUnavailable.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// A quarter as a caller wrote it.
    pub(super) async fn read_quarter(&self, actor: &Actor, text: &str) -> Result<Quarter, Denied> {
        match text.parse() {
            Ok(quarter) => Ok(quarter),
            Err(_) => {
                let refused = Refused::invalid("quarter", "a year, Q and 1 to 4, like 2026Q1");
                Err(self.refuse(actor.leaf(LeafKind::Refused, self), refused).await)
            }
        }
    }

    async fn decide_close(&self, actor: &Actor, quarter: Quarter) -> Result<Plan, Denied> {
        let snapshot = self.snapshot();
        let releases = self.releases(&snapshot).await?;
        let (refused, refusal) = match self.plan(&snapshot, &releases, quarter, self.today()) {
            Ok(plan) => return Ok(plan),
            Err(no) => no,
        };
        let mut leaf = actor.leaf(LeafKind::Refused, self);
        leaf.notes.period = Some(quarter);
        leaf.notes.policy_epoch = Some(snapshot.epoch());
        if let Some(refusal) = refusal {
            blame(&mut leaf, &refusal);
        }
        Err(self.refuse(leaf, refused).await)
    }

    /// Counts the quarter from a snapshot of the store and makes its release.
    async fn count(self: &Arc<Self>, plan: &Arc<Plan>) -> Result<Release, GatewayError> {
        let before = read_before(&self.store, plan).await?;
        let (gateway, plan) = (Arc::clone(self), Arc::clone(plan));
        let Before { feeds, list, ranges, reading } = before;
        let counting =
            tokio::task::spawn_blocking(move || gateway.count_ranges(&plan, feeds, list, ranges));
        let release = finished(counting.await)?;
        finished(reading.await)?;
        release
    }

    /// The counting task: everything exact stays in here.
    fn count_ranges(
        &self,
        plan: &Plan,
        feeds: Vec<FeedWeek>,
        list: Option<Date>,
        mut ranges: mpsc::Receiver<Result<Read, StoreError>>,
    ) -> Result<Release, GatewayError> {
        let areas = plan.areas().ok_or(GatewayError::Unsettled)?;
        let period = Period::new(plan.quarter, list);
        let mut counter = Counter::new(&self.catalogue, period, areas.counted())?;
        loop {
            match ranges.blocking_recv() {
                Some(Ok(Read::Persons(persons))) => {
                    for person in &persons {
                        self.add(&mut counter, person)?;
                    }
                }
                Some(Ok(Read::All)) => break,
                Some(Err(error)) => return Err(error.into()),
                None => return Err(GatewayError::LogUnavailable),
            }
        }
        let closing = Closing {
            ledger: &plan.ledger,
            policy: plan.policy,
            feeds,
            protocols: plan.protocols(),
            previous: plan.previous,
            created_at: self.now(),
        };
        Ok(counter.freeze(&mut self.rng(), closing)?)
    }

    fn add(&self, counter: &mut Counter<'_>, person: &StoredPerson) -> Result<(), GatewayError> {
        let events = person.events()?;
        let birth = match &person.facts {
            Some((subject, sealed)) => {
                Facts::open(facts_cell(*subject), &self.sealer, sealed)?.birth
            }
            None => None,
        };
        let mut facts = PersonFacts {
            person: person.person,
            date_of_birth: birth.and_then(|birth| date_of(-birth.days_until(0))),
            death: None,
            events: &events,
        };
        let added = counter.add(&facts);
        // A date can't wipe itself; overwrite it where it stood.
        facts.date_of_birth = None;
        std::hint::black_box(&facts);
        Ok(added?)
    }
}

/// A task's result. A task that was cut short is a gateway that is going down.
fn finished<T>(joined: Result<T, tokio::task::JoinError>) -> Result<T, GatewayError> {
    joined.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => GatewayError::LogUnavailable,
    })
}

/// Takes the snapshot, reads what is needed before the pass, and starts the reading.
async fn read_before(store: &Store, plan: &Plan) -> Result<Before, GatewayError> {
    let mut tx = store.read(Rights::Release).await?;
    let sources = plan.sources();
    let fresh = feeds::freshness(&mut tx).await?;
    let serving: Vec<(FeedId, RecordType)> = feeds::all(&mut tx)
        .await?
        .into_iter()
        .filter(|(_, partner, record_type)| sources.contains(&(partner.clone(), *record_type)))
        .map(|(feed, _, record_type)| (feed, record_type))
        .collect();
    let list = list_date(&mut tx, &serving, plan.quarter).await?;
    let (sender, ranges) = mpsc::channel(1);
    let feed_ids = serving.iter().map(|(feed, _)| *feed).collect();
    let reading = tokio::spawn(read_ranges(tx, feed_ids, sender));
    Ok(Before { feeds: feed_weeks(&sources, &fresh), list, ranges, reading })
}

/// The date of the latest list of eligible two-year-olds, from the records that are known
/// by the close.
async fn list_date(
    tx: &mut Tx,
    serving: &[(FeedId, RecordType)],
    quarter: Quarter,
) -> Result<Option<Date>, StoreError> {
    let lists = serving.iter().filter(|(_, r)| *r == RecordType::TwoYearOldEligibility);
    let lists: Vec<FeedId> = lists.map(|(feed, _)| *feed).collect();
    if lists.is_empty() {
        return Ok(None);
    }
    let close = epoch_day(quarter.close_day());
    let mut days: BTreeMap<i32, u64> = BTreeMap::new();
    for event in scan::principal_events(tx, &lists).await? {
        if let Some(day) = event.day_of(LIST_DATE).or(event.day).filter(|_| event.known <= close) {
            *days.entry(day).or_default() += 1;
        }
    }
    let listed: Vec<(Date, u64)> =
        days.into_iter().filter_map(|(day, n)| Some((date_of(day)?, n))).collect();
    Ok(latest_list(quarter, &listed))
}

/// The reading task. It ends early when nobody counts any more.
async fn read_ranges(
    mut tx: Tx,
    feeds: Vec<FeedId>,
    sender: mpsc::Sender<Result<Read, StoreError>>,
) {
    let last = match scan::last_person(&mut tx).await {
        Ok(last) => last,
        Err(error) => return drop(sender.send(Err(error)).await),
    };
    let mut after = 0;
    while after < last {
        let until = after.saturating_add(RANGE).min(last);
        let read = scan::persons(&mut tx, &feeds, after, until).await;
        let broken = read.is_err();
        if sender.send(read.map(Read::Persons)).await.is_err() || broken {
            return;
        }
        after = until;
    }
    let _ = sender.send(Ok(Read::All)).await;
}
