//! Closing a quarter: one pass over the persons, noise, a signature, and it is frozen.
//!
//! It takes two people ([`super::approval`]), and each must have accepted exactly what the
//! checklist has open; it is looked at again in the very snapshot that is counted.
//!
//! The exact counts live in one task's memory and leave it only as a noisy release. Where
//! the release can't be committed (the policy changed, another gateway was first) it is
//! dropped unseen, and a new attempt counts and draws anew: nobody can pick among draws.
//! A crash before the commit leaves nothing.
//!
//! The pass reads one snapshot of the store ([`super::close_read`]). Reading a range and counting the
//! one before it run beside each other, with at most three ranges in memory.

use super::{
    Actor, DECISIONS, Denied, Gateway, GatewayError, Refused, Waiting,
    approval::{Intention, Standing},
    checklist::{self, Feeds, Point, must_match, open_points, read_points},
    close_plan::{Plan, blame},
    close_read::{Before, Read, Told, read_before},
    link::facts_cell,
    released::{Frozen, seal},
};
use crate::{
    audit::{Hash, LeafKind},
    disclosure::{Closing, Counter, PersonFacts, Release, period::Period},
    domain::{Event, Quarter, RecordType, Role, SubjectId, row::Sex, time::date_of},
    keys::Sealer,
    linkage::Facts,
    protocol::CallerRole,
    store::{ActError, Effect, Logged, Rights, StoreError, key_versions, scan::StoredPerson},
};
use jiff::civil::Date;
use rand::Rng as _;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::mpsc;

/// What a call to close a quarter came to.
#[derive(Debug)]
pub enum Closed {
    /// It was the first person's: nothing is released yet.
    Waiting(Waiting),
    /// It was the second person's.
    Released(Arc<Frozen>),
}

impl Gateway {
    /// Closes a quarter, once a second person asks for it: counts, adds noise, signs, freezes
    /// and logs. `accepted` are the codes of the checklist's open points.
    ///
    /// # Errors
    /// For callers who are no data officers; when the quarter is still open, released, or
    /// not the next; when areas, root policy, a protocol's clause or the budget forbid it;
    /// when other points than those accepted are open; for the first person again.
    pub async fn close_quarter(
        self: &Arc<Self>,
        actor: &Actor,
        quarter: &str,
        accepted: &[String],
    ) -> Result<Logged<Closed>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        self.require_quorum(actor).await?;
        let quarter = self.read_quarter(actor, quarter).await?;
        let accepted = match read_points(accepted) {
            Ok(accepted) => accepted,
            Err(refused) => return Err(self.refuse_malformed(actor, refused).await),
        };
        let _alone = self.closing.lock().await;
        for _ in 0..DECISIONS {
            let plan = Arc::new(self.decide_close(actor, quarter, &accepted).await?);
            match self.close_as_planned(actor, &plan, &accepted).await? {
                Ok(closed) => return Ok(closed),
                // Another gateway was first, or more came in: the next look tells.
                Err(ActError::PolicyChanged | ActError::Conflict) => {
                    self.policy_moved(actor).await?;
                }
                Err(error @ (ActError::Unavailable | ActError::Withheld)) => {
                    return Err(error.into());
                }
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// The first person's word, or the second's deed.
    async fn close_as_planned(
        self: &Arc<Self>,
        actor: &Actor,
        plan: &Arc<Plan>,
        accepted: &BTreeSet<Point>,
    ) -> Result<Result<Logged<Closed>, ActError>, Denied> {
        let epoch = plan.snapshot.epoch();
        let mut leaf = actor.leaf(LeafKind::ReleaseFrozen, self);
        leaf.notes.period = Some(plan.quarter);
        leaf.notes.policy_epoch = Some(epoch);
        let codes = accepted.iter().map(|point| super::refused::word(point.code()));
        leaf.notes.accepted = Some(codes.collect::<Vec<_>>()).filter(|codes| !codes.is_empty());
        let intention = self.intention(plan, accepted)?;
        let role = CallerRole::DataOfficer;
        let standing = self.standing(actor, role, &plan.snapshot, &intention, &leaf).await?;
        let approval = match standing {
            Standing::Second(approval) => approval,
            Standing::First(replaced) => {
                let given = self.give_word(actor, &intention, replaced, leaf, epoch).await;
                return Ok(given.map(|waiting| waiting.map(Closed::Waiting)));
            }
        };
        // What is to be erased is not counted once more.
        self.carry_out_erasures().await?;
        let Some((release, births)) = self.count(plan, accepted).await? else {
            return Ok(Err(ActError::Conflict));
        };
        let entry = seal(&release, &self.release_key)?;
        leaf.notes.release = Some(Hash::new(entry.digest));
        leaf.notes.document = Some(Hash::new(*release.catalogue.digest.as_bytes()));
        leaf.notes.act = intention.act().parse().ok();
        leaf.notes.approval = Some(intention.digest());
        let freeze = Effect::Freeze(Box::new((entry, births)));
        let effect = Effect::Approved(Box::new((approval, freeze)));
        let logged = match self.commit(leaf, effect, Some(epoch)).await {
            Ok(logged) => logged,
            Err(error) => return Ok(Err(error)),
        };
        let snapshot = self.reload().await?;
        let releases = self.releases(&snapshot).await?;
        let frozen = Arc::clone(releases.of(plan.quarter).ok_or(GatewayError::Conflict)?);
        Ok(Ok(logged.map(|_| Closed::Released(frozen))))
    }

    /// What both people must agree to: the quarter, what is counted under which policy, and
    /// the points of the checklist that were accepted.
    fn intention(
        &self,
        plan: &Plan,
        accepted: &BTreeSet<Point>,
    ) -> Result<Intention, GatewayError> {
        let intention = Intention::new("close_quarter")
            .with(plan.quarter.to_string().as_bytes())
            .with(self.catalogue.digest()?.as_bytes())
            .with(plan.policy.as_bytes());
        Ok(accepted.iter().fold(intention, |all, point| all.with(point.code().as_bytes())))
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

    async fn decide_close(
        &self,
        actor: &Actor,
        quarter: Quarter,
        accepted: &BTreeSet<Point>,
    ) -> Result<Plan, Denied> {
        let snapshot = self.snapshot();
        let releases = self.releases(&snapshot).await?;
        let (refused, refusal) = match self.plan(&snapshot, &releases, quarter, self.today()) {
            Ok(plan) => {
                let mut tx = self.store.read(Rights::Figures).await?;
                let open = self.open(&plan, &Feeds::read(&mut tx, plan.last_close).await?)?;
                drop(tx);
                match must_match(&open, accepted) {
                    Ok(()) => return Ok(plan),
                    Err(refused) => (refused, None),
                }
            }
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

    /// The points of the checklist that are open.
    fn open(&self, plan: &Plan, feeds: &Feeds) -> Result<BTreeSet<Point>, GatewayError> {
        let (sources, today) = (plan.sources(), self.today());
        let warnings = checklist::warnings(feeds, &sources, &plan.snapshot, plan.quarter, today)?;
        Ok(open_points(&warnings))
    }

    /// Counts the quarter from a snapshot of the store and makes its release, and tells by whose
    /// dates of birth it went that no release went by before; `None` where the snapshot has other
    /// open points than those accepted.
    async fn count(
        self: &Arc<Self>,
        plan: &Arc<Plan>,
        accepted: &BTreeSet<Point>,
    ) -> Result<Option<(Release, Vec<SubjectId>)>, GatewayError> {
        let mut tx = self.store.read(Rights::Release).await?;
        let known = Feeds::read(&mut tx, plan.last_close).await?;
        if self.open(plan, &known)? != *accepted {
            return Ok(None);
        }
        // The keys of the very snapshot that is counted.
        let keys = self.keys();
        if key_versions::number(&mut tx).await? != keys.number() {
            return Ok(None);
        }
        let before = read_before(tx, &known, plan).await?;
        let (gateway, plan) = (Arc::clone(self), Arc::clone(plan));
        let Before { told, ranges, reading } = before;
        let counting = tokio::task::spawn_blocking(move || {
            gateway.count_ranges(&plan, &keys.sealer, told, ranges)
        });
        let release = finished(counting.await)?;
        finished(reading.await)?;
        release.map(Some)
    }

    /// The counting task: everything exact stays in here.
    fn count_ranges(
        &self,
        plan: &Plan,
        sealer: &Sealer,
        told: Told,
        mut ranges: mpsc::Receiver<Result<Read, StoreError>>,
    ) -> Result<(Release, Vec<SubjectId>), GatewayError> {
        let areas = plan.areas().ok_or(GatewayError::Unsettled)?;
        let period = Period::new(plan.quarter);
        let counter = Counter::new(&self.catalogue, period, areas.counted())?;
        let mut counter = counter.in_order_of(self.rng().next_u64());
        counter.add_organisations(&told.organisations);
        let mut births = Vec::new();
        loop {
            match ranges.blocking_recv() {
                Some(Ok(Read::Persons(persons))) => {
                    for person in &persons {
                        births.extend(add(&mut counter, person, sealer)?);
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
            feeds: told.feeds,
            protocols: plan.protocols(),
            previous: plan.previous,
            created_at: self.now(),
        };
        Ok((counter.freeze(&mut self.rng(), closing)?, births))
    }
}

/// Counts a person, and tells who gave its date of birth where no release went by it yet.
fn add(
    counter: &mut Counter<'_>,
    person: &StoredPerson,
    sealer: &Sealer,
) -> Result<Option<SubjectId>, GatewayError> {
    let events = person.events()?;
    let (birth, sex) = match &person.facts {
        Some((subject, sealed)) => {
            let Facts { birth, sex } = Facts::open(facts_cell(*subject), sealer, sealed)?;
            (birth, sex)
        }
        None => (None, Sex::NotKnown),
    };
    let giver = person.facts.as_ref().map(|(subject, _)| *subject);
    let giver = giver.filter(|_| birth.is_some() && !person.counted_before);
    let mut facts = PersonFacts {
        person: person.person,
        date_of_birth: birth.and_then(|birth| date_of(-birth.days_until(0))),
        sex,
        death: first_death(&events),
        events: &events,
    };
    let added = counter.add(&facts);
    // A date can't wipe itself; overwrite it where it stood.
    facts.date_of_birth = None;
    std::hint::black_box(&facts);
    added?;
    Ok(giver)
}

/// The day of a person's death: whoever told it, and whenever it became known, nothing counts
/// the person from that day on.
fn first_death(events: &[Event]) -> Option<Date> {
    let deaths = events
        .iter()
        .filter(|event| event.record_type == RecordType::Death && event.role == Role::Principal);
    deaths.filter_map(|event| event.day).min().and_then(date_of)
}

/// A task's result. A task that was cut short is a gateway that is going down.
fn finished<T>(joined: Result<T, tokio::task::JoinError>) -> Result<T, GatewayError> {
    joined.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => GatewayError::LogUnavailable,
    })
}
