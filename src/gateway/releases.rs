//! Looking at releases: what the next one would be, which there are, and one as signed.

use super::{
    Actor, DECISIONS, Denied, Gateway, GatewayError, Refused, Snapshot,
    checklist::{self, Feeds, Warning},
    close_plan::sources,
    released::{Frozen, Releases},
};
use crate::{
    audit::{Hash, LeafKind},
    disclosure::{self, DisclosureError, Ledger, Preview},
    domain::Quarter,
    protocol::{CallerRole, ReleasePermit, State},
    store::{ActError, Effect, Logged, Rights},
};
use jiff::civil::Date;
use serde::Serialize;
use std::sync::Arc;

/// A preview as its readers get it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    preview: Preview,
    /// From the day after this one the quarter may be closed.
    close_day: Date,
    warnings: Vec<Warning>,
}

impl Gateway {
    /// What closing a quarter would release, as JSON: structure, expected errors, budget,
    /// feeds' weeks and warnings; never a count or a draw. It may be asked before the
    /// quarter's close day, and as often as anybody likes.
    ///
    /// # Errors
    /// For callers who are no data officers; when the quarter is released or not the next,
    /// when there are no areas or no root policy, or when the budget forbids it.
    pub async fn preview_release(
        &self,
        actor: &Actor,
        quarter: &str,
    ) -> Result<Logged<String>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let quarter = self.read_quarter(actor, quarter).await?;
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            let releases = self.releases(&snapshot).await?;
            let mut leaf = actor.leaf(LeafKind::ReleasePreviewed, self);
            leaf.notes.period = Some(quarter);
            leaf.notes.policy_epoch = Some(snapshot.epoch());
            let preview = match self.form_preview(&snapshot, &releases, quarter).await? {
                Ok(preview) => preview,
                Err(refused) => return Err(self.refuse(leaf, refused).await),
            };
            match self.commit(leaf, Effect::None, Some(snapshot.epoch())).await {
                Ok(logged) => return Ok(logged.map(|_| preview)),
                Err(ActError::PolicyChanged) => self.policy_moved(actor).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    async fn form_preview(
        &self,
        snapshot: &Snapshot,
        releases: &Releases,
        quarter: Quarter,
    ) -> Result<Result<String, Refused>, GatewayError> {
        let limits = match self.may_follow(snapshot, releases, quarter) {
            Ok(Some((limits, _))) => limits,
            Ok(None) => return Ok(Err(super::close_plan::root_missing())),
            Err(refused) => return Ok(Err(refused)),
        };
        if let Err(refused) = self.keeps_to(snapshot) {
            return Ok(Err(refused));
        }
        let Some(areas) = snapshot.areas(quarter.last_day()) else {
            return Err(GatewayError::Unsettled);
        };
        let mut tx = self.store.read(Rights::Figures).await?;
        let feeds = Feeds::read(&mut tx, releases.last_frozen_at()).await?;
        drop(tx);
        let today = self.today();
        let mut warnings = Vec::new();
        let mut permits: Vec<ReleasePermit> = Vec::new();
        for decided in self.release_permits(snapshot, quarter, today) {
            match decided {
                Ok(permit) => permits.push(permit),
                Err(refusal) => warnings.push(Warning::refused(&refusal)),
            }
        }
        let sources = sources(&permits);
        let weeks = feeds.weeks(&sources);
        warnings.extend(checklist::warnings(&feeds, &sources, snapshot, quarter, today)?);
        if today <= quarter.close_day() {
            let words = "the quarter's close day has not passed";
            warnings.push(Warning::in_the_way("quarter_still_open", words));
        }
        let ledger = Ledger::after(limits, releases.all().iter().map(|frozen| &frozen.release));
        let counted = areas.counted();
        let preview = match disclosure::preview(&self.catalogue, counted, &ledger, quarter, weeks) {
            Ok(preview) => preview,
            Err(error) => return Ok(Err(super::close_plan::over_budget(&error))),
        };
        let shown = Shown { preview, close_day: quarter.close_day(), warnings };
        let json = serde_json::to_string(&shown).map_err(|_| DisclosureError::UnreadableRelease)?;
        Ok(Ok(json))
    }

    /// Every release, oldest quarter first.
    ///
    /// # Errors
    /// For callers who are no data officers, auditors or parties of a protocol in force.
    pub async fn list_releases(&self, actor: &Actor) -> Result<Logged<Vec<Arc<Frozen>>>, Denied> {
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            self.may_see_releases(actor, &snapshot).await?;
            let releases = self.releases(&snapshot).await?;
            let mut leaf = actor.leaf(LeafKind::RegisterRead, self);
            leaf.notes.register = "releases".parse().ok();
            leaf.notes.policy_epoch = Some(snapshot.epoch());
            match self.commit(leaf, Effect::None, Some(snapshot.epoch())).await {
                Ok(logged) => return Ok(logged.map(|_| releases.all().to_vec())),
                Err(ActError::PolicyChanged) => self.policy_moved(actor).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// One release as it was signed.
    ///
    /// # Errors
    /// As [`Gateway::list_releases`]; `not_found` for a quarter that is not released.
    pub async fn release(
        &self,
        actor: &Actor,
        quarter: &str,
    ) -> Result<Logged<Arc<Frozen>>, Denied> {
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            self.require(actor, &WHOLE_RELEASE).await?;
            self.require_quorum(actor).await?;
            let quarter = self.read_quarter(actor, quarter).await?;
            let releases = self.releases(&snapshot).await?;
            let mut leaf = actor.leaf(LeafKind::RegisterRead, self);
            leaf.notes.register = "releases".parse().ok();
            leaf.notes.period = Some(quarter);
            leaf.notes.policy_epoch = Some(snapshot.epoch());
            let Some(frozen) = releases.of(quarter) else {
                return Err(self.refuse(leaf, Refused::not_found()).await);
            };
            leaf.notes.release = Some(Hash::new(*frozen.digest.as_bytes()));
            match self.commit(leaf, Effect::None, Some(snapshot.epoch())).await {
                Ok(logged) => return Ok(logged.map(|_| Arc::clone(frozen))),
                Err(ActError::PolicyChanged) => self.policy_moved(actor).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// The list shows digests and budgets only; parties may see it.
    async fn may_see_releases(&self, actor: &Actor, snapshot: &Snapshot) -> Result<(), Denied> {
        let is_party = snapshot.protocols().any(|record| {
            record.agreed().is_some_and(|(document, life)| {
                matches!(life.state(), State::Active | State::Suspended)
                    && document.party(&actor.partner).is_some()
            })
        });
        if is_party { Ok(()) } else { self.require(actor, &WHOLE_RELEASE).await }
    }
}

/// Who may have a whole release: it holds every area's cells, neither rounded nor withheld,
/// so it is wider than what any protocol lists for an audience.
const WHOLE_RELEASE: [CallerRole; 2] = [CallerRole::DataOfficer, CallerRole::Auditor];
