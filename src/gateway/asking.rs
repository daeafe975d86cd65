//! One question about figures while it is decided: what is asked, the policy's answer for each
//! table, and the leaf that grows with both.

use super::{
    Actor, Gateway, RefusalKind, Refused, Snapshot,
    asked::{AnsweredFrom, MOST_PURPOSES},
    close_plan::blame,
    released::Frozen,
};
use crate::{
    audit::{Hash, Leaf, LeafKind, ProtocolReference, Token},
    disclosure::Indicator,
    domain::{AreaCode, IndicatorId, Quarter, TableId},
    protocol::{CallerRole, FigurePermit, FigureQuestion, Purpose, Reason, Refusal},
};

/// A table that no catalogue has: what an unknown indicator is decided by.
const NO_TABLE: &str = "no_such_table";
/// Roles that may see figures, the widest first.
pub(super) const READERS: [CallerRole; 3] =
    [CallerRole::DataOfficer, CallerRole::Auditor, CallerRole::Consumer];

/// A refusal with the leaf that says so.
pub(super) type No = Box<(Leaf, Refused)>;

/// One question, with the leaf that grows as it is decided.
pub(super) struct Asking<'a> {
    gateway: &'a Gateway,
    actor: &'a Actor,
    snapshot: &'a Snapshot,
    pub(super) leaf: Leaf,
    pub(super) from: AnsweredFrom,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        gateway: &'a Gateway,
        actor: &'a Actor,
        snapshot: &'a Snapshot,
        kind: LeafKind,
    ) -> Self {
        let mut leaf = actor.leaf(kind, gateway);
        leaf.notes.policy_epoch = Some(snapshot.epoch());
        Self { gateway, actor, snapshot, leaf, from: AnsweredFrom::default() }
    }

    pub(super) fn no(&self, refused: Refused) -> No {
        Box::new((self.leaf.clone(), refused))
    }

    /// The area asked about. The leaf names it only where it exists, and the purpose only
    /// where it is of the vocabulary: the log takes in no text of a caller's own.
    pub(super) fn area(&mut self, area: &str, purpose: &str) -> Result<AreaCode, No> {
        self.leaf.purpose = Purpose::from_code(purpose).and_then(|p| p.code().parse().ok());
        let Ok(area) = area.parse::<AreaCode>() else {
            return Err(self.no(Refused::invalid("area", "1 to 16 letters, digits or -")));
        };
        let today = self.gateway.today();
        if self.snapshot.areas(today).is_some_and(|areas| areas.area(&area).is_some()) {
            self.leaf.area = Some(area.clone());
        }
        Ok(area)
    }

    /// Each purpose is one more question to the policy for every table.
    pub(super) fn few_purposes(&self, purposes: &[String]) -> Result<(), No> {
        if purposes.len() <= MOST_PURPOSES {
            return Ok(());
        }
        Err(self.no(Refused::invalid("purposes", "at most 16")))
    }

    pub(super) fn quarter(&self, field: &'static str, text: &str) -> Result<Option<Quarter>, No> {
        if text.is_empty() {
            return Ok(None);
        }
        let rule = "a year, Q and 1 to 4, like 2026Q1, or empty";
        text.parse().map(Some).map_err(|_| self.no(Refused::invalid(field, rule)))
    }

    /// The indicator; an unknown one is refused like one of a table that is not listed.
    pub(super) fn indicator(
        &mut self,
        text: &str,
        area: &AreaCode,
        purpose: &str,
    ) -> Result<&'a Indicator, No> {
        let gateway = self.gateway;
        let known = text.parse().ok().and_then(|id: IndicatorId| gateway.catalogue.indicator(&id));
        if let Some(indicator) = known {
            self.leaf.indicator = Some(indicator.id.clone());
            return Ok(indicator);
        }
        let refusal = NO_TABLE.parse().ok().and_then(|t| self.permit(&t, area, purpose).err());
        Err(self.refused_by(refusal.as_ref()))
    }

    /// Asks the policy, in each of the caller's roles; the last refusal is the one told.
    pub(super) fn permit(
        &self,
        table: &TableId,
        area: &AreaCode,
        purpose: &str,
    ) -> Result<FigurePermit, Refusal> {
        let today = self.gateway.today();
        let ask = |role| {
            self.snapshot.policy().authorise_figure(&FigureQuestion {
                partner: &self.actor.partner,
                role,
                table,
                area,
                confined_to: self.actor.areas.as_ref(),
                purpose,
                today,
            })
        };
        let mut roles = READERS.into_iter().filter(|role| self.actor.may_be(*role));
        // `require` let the caller pass, so that it has one of the roles.
        let first = ask(roles.next().unwrap_or(CallerRole::Consumer));
        roles.fold(first, |decided, role| decided.or_else(|_| ask(role)))
    }

    /// What the caller is told of a refusal. That a table is not listed and that it is
    /// listed for others look the same; the log says which.
    pub(super) fn refused_by(&mut self, refusal: Option<&Refusal>) -> No {
        if let Some(refusal) = refusal {
            blame(&mut self.leaf, refusal);
        }
        let refused = match refusal.map(|refusal| (refusal, refusal.reason())) {
            Some((
                refusal,
                Reason::AreaNotCovered
                | Reason::PurposeNotListed
                | Reason::SourceNotGranted
                | Reason::ProtocolNotActive
                | Reason::ProtocolSuperseded
                | Reason::ProtocolRevoked
                | Reason::ProtocolSuspended
                | Reason::ProtocolNotYetEffective
                | Reason::ProtocolExpired,
            )) => Refused::by(refusal),
            _ => {
                let reason = Reason::TableNotListed;
                Refused::new(RefusalKind::Forbidden, reason.code(), reason.words())
            }
        };
        self.no(refused)
    }

    /// Writes into the leaf what allowed the answer and which release it is from.
    pub(super) fn grant(&mut self, permit: &FigurePermit, frozen: &Frozen) {
        let clause = permit.clause();
        self.leaf.purpose = permit.purpose().code().parse().ok();
        self.leaf.legal_basis = permit.legal_basis().gateway.code().parse::<Token>().ok();
        self.leaf.protocol = Some(ProtocolReference {
            digest: Hash::new(*clause.digest().as_bytes()),
            id: clause.protocol().clone(),
            version: clause.version().number(),
        });
        self.leaf.clause = clause.pointer().parse().ok();
        self.leaf.area = Some(permit.area().clone());
        self.leaf.table = Some(permit.table().clone());
        self.leaf.notes.release = Some(Hash::new(*frozen.digest.as_bytes()));
        self.leaf.notes.period = Some(frozen.release.quarter);
    }
}
