//! Records that state something about a consent: taken as the consent service's calls are.
//!
//! Why another way than [`super::stage`]: a statement is no event of anybody's. It is added to those
//! of its reference ([`crate::store::consents`]) in the transaction of its leaf, so that a withdrawal
//! bites on every gateway from the acknowledgement on, also for batches that are being staged, and
//! there is nothing that could be undone, superseded or let go.
//!
//! A row sent again in the same words counts as sent before. It is told so by the sender's own
//! statements alone; nothing else is looked at.

use super::{Accepted, Intake, KeyedBatch, permit_leaf};
use crate::{
    audit::{LeafKind, SizeClass},
    gateway::{
        DECISIONS, Denied, Gateway, GatewayError,
        consents::{self as own, Keyed},
    },
    protocol::ConsentRecord,
    store::{
        ActError, Effect, Logged, Rights,
        consents::{self, Stated},
    },
};
use std::sync::Arc;

impl Intake {
    /// Takes a batch of statements that was read, in the order of its rows.
    pub(super) async fn take_statements(
        &mut self,
        mut batch: KeyedBatch,
    ) -> Result<(Accepted, Option<Logged<()>>), Denied> {
        let gateway = Arc::clone(&self.gateway);
        for attempt in 0..DECISIONS {
            gateway.catch_up().await?;
            self.renew_permit().await?;
            let mut accepted = batch.admit(self).await?;
            if attempt == 0 {
                self.log_refused_rows(&accepted).await?;
            }
            let keys = gateway.writing_keys().await?;
            if keys.number() != gateway.snapshot().versions().number {
                gateway.reload().await?;
                continue;
            }
            let _one_stream = gateway.feeds.lock(self.feed).await;
            let rows = batch.admitted().filter_map(|record| record.content.as_ref());
            let entries: Vec<&Keyed> = rows.filter_map(|said| said.statement.as_ref()).collect();
            let stated = own::in_use(&keys, entries.iter().copied())?;
            let before = said_before(&gateway, &stated).await?;
            accepted.sent_before = before.iter().filter(|before| **before).count();
            if self.dry_run {
                self.totals.add(&accepted);
                return Ok((accepted, None));
            }
            // A yes that was said before says nothing new; of a no the store decides, which takes
            // it again where it does not stand any more.
            let news = |at: &usize| !before[*at] || stated[*at].state != ConsentRecord::Given;
            let news: Vec<usize> = (0..entries.len()).filter(news).collect();
            let entries: Vec<&Keyed> = news.iter().map(|at| entries[*at]).collect();
            let stated: Vec<Stated> = news.iter().map(|at| stated[*at].clone()).collect();
            match self.record(&accepted, &entries, stated).await {
                Ok(logged) => {
                    self.totals.add(&accepted);
                    if entries.iter().any(|entry| entry.state != ConsentRecord::Given) {
                        gateway.keep_journal().await?;
                    }
                    return Ok((accepted, Some(logged)));
                }
                Err(Failed::Stale) => gateway.policy_moved(&self.actor).await?,
                Err(Failed::For(error)) => return Err(error),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// Commits statements with their leaf, whose private detail has an item for each.
    async fn record(
        &self,
        accepted: &Accepted,
        entries: &[&Keyed],
        stated: Vec<Stated>,
    ) -> Result<Logged<()>, Failed> {
        let withdrawn = entries.iter().any(|entry| entry.state == ConsentRecord::Withdrawn);
        let kind = if withdrawn { LeafKind::ConsentWithdrawn } else { LeafKind::ConsentRecorded };
        let mut leaf = permit_leaf(kind, &self.actor, &self.permit, &self.gateway);
        leaf.size_class = Some(SizeClass::of(accepted.well_formed as u64));
        leaf.notes.record_type = Some(self.record_type);
        leaf.notes.stream = Some(self.opened);
        let items = entries.iter().map(|entry| entry.item()).collect();
        let kept = self.gateway.keep(&mut leaf, items, false).map_err(Failed::of)?;
        let effect = match stated.is_empty() {
            true => Effect::None,
            false => Effect::PutConsents(stated),
        };
        match self.gateway.commit(leaf, kept.with(effect), Some(self.permit.epoch())).await {
            Ok(logged) => Ok(logged.map(|_| ())),
            Err(ActError::PolicyChanged) => Err(Failed::Stale),
            Err(error) => Err(Failed::of(error)),
        }
    }
}

/// Why statements were not recorded.
enum Failed {
    /// The policy moved: they are decided on again.
    Stale,
    For(Denied),
}

impl Failed {
    fn of(error: impl Into<Denied>) -> Self {
        Self::For(error.into())
    }
}

async fn said_before(gateway: &Gateway, stated: &[Stated]) -> Result<Vec<bool>, GatewayError> {
    let mut tx = gateway.store.read(Rights::Figures).await?;
    Ok(consents::said_before(&mut tx, stated).await?)
}
