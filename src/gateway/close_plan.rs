//! Whether a quarter may be closed, and from whose data: decided from the signed documents,
//! the catalogue and the ledger alone, never from what the count would find.

use super::{AreaSet, Gateway, RefusalKind, Refused, Snapshot, released::Releases};
use crate::{
    audit::{self, Leaf},
    disclosure::{
        Digest, DisclosureError, FeedWeek, Ledger, Limits, ProtocolReference,
        classify::Classification,
        contrast,
        display::{LEAST_SHOWN, ROUND_TO},
    },
    domain::{PartnerId, Quarter, RecordType},
    protocol::{
        ConsentTerms, Refusal, ReleasePermit, RootPolicy, root_policy::TableFloor,
        vocabulary::ConsentRule,
    },
    store::feeds::Freshness,
};
use jiff::civil::Date;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How many standard deviations `disclosure` withholds below.
const WITHHELD_DEVIATIONS: u16 = 2;

/// Leave to close a quarter, with all that the release will say about its making.
pub(super) struct Plan {
    pub(super) quarter: Quarter,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) ledger: Ledger,
    pub(super) policy: Digest,
    pub(super) previous: Option<Digest>,
    /// When the last quarter was closed, microseconds since 1970-01-01 UTC; 0 before any.
    pub(super) last_close: i64,
    /// The day that it was decided on.
    pub(super) today: Date,
    permits: Vec<ReleasePermit>,
}

/// A refusal, and the decision's own words about it for the log.
pub(super) type No = (Refused, Option<Box<Refusal>>);

const fn conflict(reason: &'static str, sentence: &'static str) -> Refused {
    Refused::new(RefusalKind::Conflict, reason, sentence)
}

impl Plan {
    /// The areas that the quarter is counted for.
    pub(super) fn areas(&self) -> Option<&AreaSet> {
        self.snapshot.areas(self.quarter.last_day())
    }

    /// Whose records of which types may be counted.
    pub(super) fn sources(&self) -> BTreeSet<(PartnerId, RecordType)> {
        sources(&self.permits)
    }

    /// What the flows ask of a consent whose records may be counted with one alone. A record
    /// is counted with a consent that counts for every flow it may serve under.
    pub(super) fn consent_terms(&self) -> BTreeMap<(PartnerId, RecordType), Vec<ConsentTerms>> {
        let mut terms: BTreeMap<_, Vec<ConsentTerms>> = BTreeMap::new();
        for source in self.permits.iter().flat_map(ReleasePermit::sources) {
            let asked = source.consent_terms();
            if asked.rule == ConsentRule::Explicit {
                let all = terms.entry((source.partner().clone(), source.record_type()));
                let all = all.or_default();
                if !all.contains(asked) {
                    all.push(asked.clone());
                }
            }
        }
        terms
    }

    /// The protocol versions behind the release, each once, in order.
    pub(super) fn protocols(&self) -> Vec<ProtocolReference> {
        let all = self.permits.iter().flat_map(ReleasePermit::sources).map(|source| {
            let clause = source.clause();
            let key = (clause.protocol().clone(), clause.version().number());
            (key, Digest::from_bytes(*clause.digest().as_bytes()))
        });
        let once: BTreeMap<_, _> = all.collect();
        let reference = |((id, version), digest)| ProtocolReference { id, version, digest };
        once.into_iter().map(reference).collect()
    }
}

/// Whose records of which types some permits let be counted.
pub(super) fn sources(permits: &[ReleasePermit]) -> BTreeSet<(PartnerId, RecordType)> {
    let all = permits.iter().flat_map(ReleasePermit::sources);
    all.map(|source| (source.partner().clone(), source.record_type())).collect()
}

/// Each source's latest declared week; none for one that sent nothing.
pub(super) fn feed_weeks(
    sources: &BTreeSet<(PartnerId, RecordType)>,
    fresh: &[Freshness],
) -> Vec<FeedWeek> {
    let week = |(partner, record_type): &(PartnerId, RecordType)| FeedWeek {
        partner: partner.clone(),
        record_type: *record_type,
        week: fresh
            .iter()
            .find(|feed| feed.partner == *partner && feed.record_type == *record_type)
            .map(|feed| crate::disclosure::ExtractWeek::of(feed.extract_day)),
    };
    sources.iter().map(week).collect()
}

/// Notes in a leaf which clause of which protocol refused.
pub(super) fn blame(leaf: &mut Leaf, refusal: &Refusal) {
    let Some(clause) = refusal.clause() else { return };
    leaf.clause = clause.pointer().parse().ok();
    leaf.protocol = Some(audit::ProtocolReference {
        digest: audit::Hash::new(*clause.digest().as_bytes()),
        id: clause.protocol().clone(),
        version: clause.version().number(),
    });
}

impl Gateway {
    /// Whether a quarter may be closed on a day, in this order: its day has come; it is not
    /// released, nor a later one; there are areas; every table has its permit; the root
    /// policy was signed for this catalogue, its noise and its display; the budget holds.
    pub(super) fn plan(
        &self,
        snapshot: &Arc<Snapshot>,
        releases: &Releases,
        quarter: Quarter,
        today: Date,
    ) -> Result<Plan, No> {
        if today <= quarter.close_day() {
            let sentence =
                "the quarter may be closed from the day after its close day, 42 days after its end";
            return Err((conflict("quarter_still_open", sentence), None));
        }
        let limits = self.may_follow(snapshot, releases, quarter).map_err(|no| (no, None))?;
        let permits: Result<Vec<_>, _> =
            self.release_permits(snapshot, quarter, today).into_iter().collect();
        let permits =
            permits.map_err(|refusal| (Refused::by(&refusal), Some(Box::new(refusal))))?;
        let Some((limits, policy)) = limits else {
            return Err((root_missing(), None));
        };
        self.keeps_to(snapshot).map_err(|no| (no, None))?;
        let ledger = Ledger::after(limits, releases.all().iter().map(|frozen| &frozen.release));
        let counted = snapshot.areas(quarter.last_day()).map(AreaSet::counted);
        let costs = ledger.cost(&self.catalogue, quarter).map(drop);
        let kept = |areas| contrast::check(&self.catalogue, areas);
        if let Err(error) = costs.and_then(|()| counted.map_or(Ok(()), kept)) {
            return Err((over_budget(&error), None));
        }
        let previous = releases.latest().map(|frozen| frozen.digest);
        let (snapshot, last_close) = (Arc::clone(snapshot), releases.last_frozen_at());
        Ok(Plan { quarter, snapshot, ledger, policy, previous, last_close, today, permits })
    }

    /// A permit or a refusal for each table that is due, in the catalogue's order.
    pub(super) fn release_permits(
        &self,
        snapshot: &Snapshot,
        quarter: Quarter,
        today: Date,
    ) -> Vec<Result<ReleasePermit, Refusal>> {
        let tables = self.catalogue.due_in(quarter);
        tables.map(|t| snapshot.policy().may_release(&t.id, &t.sources, today)).collect()
    }

    /// Whether the quarter comes next and has areas; the root policy's limits, if there is one.
    pub(super) fn may_follow(
        &self,
        snapshot: &Snapshot,
        releases: &Releases,
        quarter: Quarter,
    ) -> Result<Option<(Limits, Digest)>, Refused> {
        if releases.of(quarter).is_some() {
            return Err(conflict(
                "already_released",
                "the quarter is released; a release never changes",
            ));
        }
        if releases.latest().is_some_and(|frozen| frozen.release.quarter > quarter) {
            let sentence = "a later quarter is released already; quarters are closed in order";
            return Err(conflict("later_quarter_released", sentence));
        }
        if snapshot.areas(quarter.last_day()).is_none() {
            let sentence = "no areas are in force on the quarter's last day; load them first";
            return Err(conflict("no_areas", sentence));
        }
        let Some(root) = snapshot.policy().root() else { return Ok(None) };
        let limits = limits(root.document()).ok_or_else(root_missing)?;
        Ok(Some((limits, Digest::from_bytes(*root.digest().as_bytes()))))
    }

    /// Whether this program counts and displays as the root policy says.
    pub(super) fn keeps_to(&self, snapshot: &Snapshot) -> Result<(), Refused> {
        let Some(root) = snapshot.policy().root() else { return Err(root_missing()) };
        let policy = root.document();
        let ours = self.catalogue.digest().map(|digest| *digest.as_bytes());
        if ours.ok() != Some(*policy.catalogue.as_bytes()) {
            let sentence = "the root disclosure policy was signed for another catalogue";
            return Err(conflict("catalogue_not_signed", sentence));
        }
        let quiet = |table: &crate::disclosure::Table| {
            policy.minimum_variance(&table.id).is_none_or(|least| table.variance < least)
        };
        if self.catalogue.tables.iter().any(quiet) {
            let sentence = "a table has less noise than the root disclosure policy asks for";
            return Err(conflict("noise_below_policy", sentence));
        }
        let display = policy.display;
        if f64::from(display.round_to) != ROUND_TO
            || f64::from(display.withhold_below) > LEAST_SHOWN
            || display.withhold_below_deviations > WITHHELD_DEVIATIONS
        {
            let sentence =
                "the root disclosure policy asks for a display that this program does not do";
            return Err(conflict("display_not_supported", sentence));
        }
        Ok(())
    }
}

pub(super) const fn root_missing() -> Refused {
    conflict("root_policy_missing", "no root disclosure policy is in force")
}

/// The policy's limits as the ledger takes them; the floors of single tables are checked
/// beside it.
pub(super) fn limits(policy: &RootPolicy) -> Option<Limits> {
    // What is exact has no noise to ask for.
    let is_exact = |floor: &&TableFloor| {
        Classification::of(&floor.table).is_some_and(Classification::may_be_exact)
    };
    let noisy = policy.tables.iter().filter(|floor| !is_exact(floor));
    Some(Limits {
        quarter: policy.quarterly_rho.to_string().parse().ok()?,
        lifetime: policy.lifetime_rho.to_string().parse().ok()?,
        minimum_variance: noisy.map(|floor| floor.minimum_variance).min()?,
    })
}

pub(super) fn over_budget(error: &DisclosureError) -> Refused {
    match error {
        DisclosureError::OverQuarterlyLimit { .. } => conflict(
            "over_quarterly_budget",
            "the release would cost more than the root disclosure policy allows a quarter",
        ),
        DisclosureError::OverLifetimeLimit { .. } => conflict(
            "over_lifetime_budget",
            "the release would cost more than the root disclosure policy allows one person",
        ),
        _ => conflict("not_releasable", "the ledger does not allow this release"),
    }
}
