//! What a case's opener is told, which hangs on the protocols and the day and on nothing else.

use crate::{
    domain::{FeedId, PartnerId, ProtocolId, RecordType, time::date_of},
    gateway::{Actor, Gateway, GatewayError, Snapshot},
    protocol::{
        CallerRole, Choice, ConsentGiver, Protocol, State,
        choice::{Effect, Ground},
        document::Flow,
    },
    store::{
        Rights, StoreError,
        cases::{self, Case, Notice},
        feeds,
    },
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use std::collections::BTreeSet;

/// What a choice does to one flow of a protocol that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowEffect {
    /// The protocol.
    pub protocol: ProtocolId,
    /// Its version.
    pub version: u32,
    /// The flow's place in it, from 0.
    pub flow: usize,
    /// Who sends.
    pub from: PartnerId,
    /// What.
    pub record_type: RecordType,
    /// What is done, and why.
    pub effect: Effect,
}

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseState {
    /// It binds.
    Open,
    /// It binds no more.
    Ended,
}

/// Whether the parties' time is over. Whether anybody else had anything to do, or did it, is not
/// the opener's to know: it would say who holds a record of the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Until the day by which they have to be done.
    InProgress,
    /// After it.
    Over,
}

impl Progress {
    /// As written on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Over => "over",
        }
    }
}

/// A case, as its opener may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseAnswer {
    /// What was chosen.
    pub choice: Choice,
    /// By whom.
    pub given_by: ConsentGiver,
    /// The day it was asked for.
    pub requested_on: Date,
    /// The day it was opened, in Europe/London.
    pub opened_on: Date,
    /// Whether it binds.
    pub state: CaseState,
    /// The day by which every party has to have acknowledged.
    pub due: Date,
    /// Whether that day is over.
    pub progress: Progress,
    /// How many notices of it went to the opener's own organisation.
    pub own_notices: usize,
    /// How many of those it has acknowledged.
    pub own_acknowledged: usize,
    /// What it does to the flows in force that the caller may read.
    pub flows: Vec<FlowEffect>,
}

/// The day of a moment in Europe/London.
pub(super) fn day_of(micros: i64) -> Result<Date, StoreError> {
    let corrupt = StoreError::Corrupt { table: "rights_case", column: "opened_at", row: 0 };
    let at = Timestamp::from_microsecond(micros).map_err(|_| corrupt)?;
    let london = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    Ok(at.to_zoned(london).date())
}

pub(super) const fn giver_number(giver: ConsentGiver) -> u8 {
    match giver {
        ConsentGiver::Subject => 1,
        ConsentGiver::Parent => 2,
        ConsentGiver::Carer => 3,
    }
}

const fn giver(number: u8) -> ConsentGiver {
    match number {
        2 => ConsentGiver::Parent,
        3 => ConsentGiver::Carer,
        _ => ConsentGiver::Subject,
    }
}

/// The flows of every protocol in force.
pub(super) fn flows_in_force(
    snapshot: &Snapshot,
) -> impl Iterator<Item = (&Protocol, u32, usize, &Flow)> {
    snapshot.protocols().flat_map(|record| {
        let running = record
            .agreed()
            .filter(|(_, life)| matches!(life.state(), State::Active | State::Suspended));
        let version = record.stored.version;
        running.into_iter().flat_map(move |(document, _)| {
            let flows = document.flows.iter().enumerate();
            flows.map(move |(at, flow)| (document, version, at, flow))
        })
    })
}

/// What a choice does to each flow in force that the caller may read.
pub(super) fn effects(snapshot: &Snapshot, actor: &Actor, choice: Choice) -> Vec<FlowEffect> {
    let reads_all = actor.may_be(CallerRole::DataOfficer) || actor.may_be(CallerRole::Auditor);
    let mine = flows_in_force(snapshot)
        .filter(|(document, ..)| reads_all || document.party(&actor.partner).is_some());
    let effects = mine.map(|(document, version, flow, terms)| {
        let own = choice.is_of_the_subject() || terms.from == actor.partner;
        let effect = if own { choice.effect(terms) } else { Effect::Nothing(Ground::RecordOnly) };
        FlowEffect {
            protocol: document.id.clone(),
            version,
            flow,
            from: terms.from.clone(),
            record_type: terms.record_type,
            effect,
        }
    });
    effects.collect()
}

impl Gateway {
    /// What the opener of a case is told.
    pub(super) async fn tell(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        case: &Case,
    ) -> Result<CaseAnswer, GatewayError> {
        let corrupt = |column| StoreError::Corrupt { table: "rights_case", column, row: case.id };
        let choice = Choice::from_number(case.choice).ok_or(corrupt("kind"))?;
        let due = date_of(case.due_day).ok_or(corrupt("due_day"))?;
        let own = self.own_notices_of(case).await?;
        Ok(CaseAnswer {
            choice,
            given_by: giver(case.given_by),
            requested_on: date_of(case.requested_on).ok_or(corrupt("requested_on"))?,
            opened_on: day_of(case.opened_at)?,
            state: if case.state == cases::ENDED { CaseState::Ended } else { CaseState::Open },
            due,
            progress: if self.today() <= due { Progress::InProgress } else { Progress::Over },
            own_notices: own.len(),
            own_acknowledged: own.iter().filter(|notice| notice.acknowledged_at != 0).count(),
            flows: effects(snapshot, actor, choice),
        })
    }

    /// The notices of a case that went to its opener's own organisation.
    pub(super) async fn own_notices_of(&self, case: &Case) -> Result<Vec<Notice>, GatewayError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let feeds = feeds::all(&mut tx).await?;
        let own: BTreeSet<FeedId> = feeds
            .into_iter()
            .filter(|(_, partner, _)| *partner == case.partner)
            .map(|(feed, ..)| feed)
            .collect();
        let notices = cases::notices_of(&mut tx, case.id).await?;
        Ok(notices.into_iter().filter(|notice| own.contains(&notice.feed)).collect())
    }
}
