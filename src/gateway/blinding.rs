//! Evaluating what partners may not show, within quotas, and each time logged.
//!
//! Whoever may have values evaluated can try values: an NHS number one by one, for example. What
//! bounds that is the partner's quota, 1.2 times what its declared feed needs in a day, and that
//! every batch stands in the access log. The quota is spent, and logged, in one transaction before
//! anything is evaluated; a gateway that is killed in between has given nothing.

use super::{
    Actor, Blinding, DECISIONS, Denied, Gateway, GatewayError, OpenStream, RefusalKind, Refused,
    intake::permit_leaf,
};
use crate::{
    audit::{LeafKind, SizeClass},
    domain::{PartnerId, RecordType, time::epoch_day},
    keys::{
        IDENTIFIER_RULES, PrfPublicKey,
        oblivious::{BlindedElements, EvaluatedBatch, OprfKey},
    },
    linkage::{FORM_RULES, RULES, Rung},
    protocol::CallerRole,
    store::{
        ActError, Effect, Logged, Outcome, Rights,
        evaluations::{self, Spending},
    },
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};

/// The most forms of names, dates and addresses that a person of the gateway's records is compared
/// by.
const COMPARED_BY: u64 = 32;

/// The most values that a record of one person stands for: its own id, an earlier one's, a
/// consent, two references, five numbers, postcode, fingerprint, a key for each rung, and what it is
/// compared by.
pub const EVALUATIONS_A_RECORD: u64 = 12 + Rung::ALL.len() as u64 + COMPARED_BY;

/// How many values each partner may have evaluated on one day (UTC). Without a declared feed it
/// is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quotas(BTreeMap<PartnerId, u64>);

impl Quotas {
    /// 1.2 times what feeds of so many records a day need.
    #[must_use]
    pub fn of_feeds(feeds: impl IntoIterator<Item = (PartnerId, u64)>) -> Self {
        let quota = |records: u64| {
            records.saturating_mul(EVALUATIONS_A_RECORD).saturating_mul(12).div_ceil(10)
        };
        Self(feeds.into_iter().map(|(partner, records)| (partner, quota(records))).collect())
    }

    /// A partner's.
    #[must_use]
    pub fn of(&self, partner: &PartnerId) -> Option<u64> {
        self.0.get(partner).copied()
    }
}

/// What bounds evaluating: each partner's quota, and how many batches are evaluated at once,
/// whoever sends them.
#[derive(Debug)]
pub(super) struct Evaluations {
    quotas: Quotas,
    turns: Arc<Semaphore>,
}

impl Evaluations {
    /// As many at once as there are cores but one: the others keep one for everything else.
    pub(super) fn within(quotas: Quotas) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { quotas, turns: Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))) }
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, GatewayError> {
        Arc::clone(&self.turns).acquire_owned().await.map_err(|_| GatewayError::Unsettled)
    }
}

/// What was evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluated {
    /// The elements and their proof.
    pub batch: EvaluatedBatch,
    /// What is left of the day's quota.
    pub left_today: u64,
}

const HASHES: Refused = Refused::new(
    RefusalKind::Conflict,
    "not_a_blinded_deployment",
    "this gateway makes pseudonyms with HMAC and takes nothing blinded: push without blinding",
);
const OTHER_KEY: Refused = Refused::new(
    RefusalKind::Conflict,
    "other_blinding_key",
    "this was blinded for another key than this gateway's: compare the profile's blinding_key \
     with the one that the gateway's operator gives",
);
const OTHER_RULES: Refused = Refused::new(
    RefusalKind::Conflict,
    "other_rules",
    "this was blinded under other rules for names and identifiers than this gateway's: use the \
     program of the gateway's own version",
);
const STATEMENTS: Refused = Refused::new(
    RefusalKind::Invalid,
    "statements_are_not_blinded",
    "what is said about consents comes in clear, by references of your own: push it without \
     blinding",
);
const NO_FEED: Refused = Refused::new(
    RefusalKind::Exhausted,
    "no_declared_feed",
    "no feed is declared for you, so nothing is evaluated: ask the gateway's operator for an \
     entry in its configuration (blinding.feed)",
);
const USED_UP: Refused = Refused::new(
    RefusalKind::Exhausted,
    "evaluation_quota",
    "your quota of evaluations for today does not reach for this: it begins anew at midnight UTC",
);

impl Gateway {
    /// The public half of the key that blinded values are evaluated under; none where pseudonyms
    /// are made with a keyed hash.
    #[must_use]
    pub fn prf_public_key(&self) -> Option<PrfPublicKey> {
        self.keys().pseudonymiser.oprf().map(OprfKey::public_key)
    }

    /// Whether blinded values of such making fit this gateway.
    pub(super) async fn fits_here(
        &self,
        actor: &Actor,
        blinding: &Blinding,
        record_type: &str,
    ) -> Result<(), Denied> {
        let record_type: Option<RecordType> = record_type.parse().ok();
        let refused = match self.prf_public_key() {
            _ if record_type.is_some_and(|of| of.definition().statement) => STATEMENTS,
            None => HASHES,
            Some(key) if blinding.public_key != key.as_bytes() => OTHER_KEY,
            Some(_) if blinding.rules != u32::from(RULES) => OTHER_RULES,
            Some(_) if blinding.identifier_rules != u32::from(IDENTIFIER_RULES) => OTHER_RULES,
            Some(_) if blinding.comparison_rules != u32::from(FORM_RULES) => OTHER_RULES,
            Some(_) => return Ok(()),
        };
        Err(self.refuse(actor.leaf(LeafKind::Refused, self), refused).await)
    }

    /// Evaluates blinded elements for a stream that the partner may open.
    ///
    /// # Errors
    /// The clause that refused, what is malformed, or that the quota is used up.
    pub async fn evaluate(
        self: &Arc<Self>,
        actor: &Actor,
        open: OpenStream,
        elements: Vec<Vec<u8>>,
    ) -> Result<Logged<Evaluated>, Denied> {
        self.require(actor, &[CallerRole::Provider]).await?;
        let Some(blinding) = &open.blinding else {
            let refused = Refused::invalid("opening.blinded", "say how the rows are blinded");
            return Err(self.refuse_malformed(actor, refused).await);
        };
        self.fits_here(actor, blinding, &open.record_type).await?;
        let Some(quota) = self.evaluations.quotas.of(&actor.partner) else {
            return Err(self.refuse_malformed(actor, NO_FEED).await);
        };
        // Decompressing points is work, too: for those alone who may send.
        drop(self.permit(actor, &open).await?);
        let read = spawn_blocking(move || BlindedElements::read(&elements)).await;
        let read = match read.map_err(|_| GatewayError::Unsettled)? {
            Ok(read) => read,
            Err(error) => {
                let refused = Refused::invalid("elements", error.to_string());
                return Err(self.refuse_malformed(actor, refused).await);
            }
        };
        let spent = self.spend(actor, &open, quota, read.count() as u64).await?;
        let turn = self.evaluations.turn().await?;
        let (keys, mut rng) = (self.keys(), self.rng());
        let evaluated = spawn_blocking(move || {
            let _turn = turn;
            let oprf = keys.pseudonymiser.oprf().ok_or(crate::keys::KeyError::NotBlinded)?;
            oprf.evaluate_blinded(&read, &mut rng)
        });
        let batch = evaluated.await.map_err(|_| GatewayError::Unsettled)?;
        let batch = batch.map_err(GatewayError::Key)?;
        Ok(spent.map(|left_today| Evaluated { batch, left_today }))
    }

    /// Takes from the day's quota, with the leaf that says so; gives what is left.
    async fn spend(
        &self,
        actor: &Actor,
        open: &OpenStream,
        quota: u64,
        count: u64,
    ) -> Result<Logged<u64>, Denied> {
        for _ in 0..DECISIONS {
            let permit = self.permit(actor, open).await?;
            let day = epoch_day(self.today());
            let mut tx = self.store.read(Rights::Figures).await?;
            let before = evaluations::on_day(&mut tx, &actor.partner, day).await?;
            drop(tx);
            let left = quota.saturating_sub(before);
            if count > left {
                let mut leaf = permit_leaf(LeafKind::Refused, actor, &permit, self);
                leaf.notes.record_type = Some(permit.record_type());
                let rule = format!("{left} of {quota} evaluations are left today");
                return Err(self.refuse(leaf, USED_UP.with_field("elements", rule)).await);
            }
            let mut leaf = permit_leaf(LeafKind::BlindedEvaluated, actor, &permit, self);
            leaf.size_class = Some(SizeClass::of(count));
            leaf.notes.record_type = Some(permit.record_type());
            let partner = actor.partner.clone();
            let spending = Spending { partner, day, count, quota };
            let effect = Effect::Evaluate(Box::new(spending));
            match self.commit(leaf, effect, Some(permit.epoch())).await {
                Ok(logged) => {
                    return Ok(logged.map(|outcome| match outcome {
                        Outcome::Total(evaluated) => quota.saturating_sub(evaluated),
                        _ => 0,
                    }));
                }
                Err(ActError::PolicyChanged) => self.policy_moved(actor).await?,
                // Another call of the same partner's was first: look at what it left.
                Err(ActError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_fifth_more_than_the_feed_needs() {
        let health: PartnerId = "health".parse().unwrap();
        let quotas = Quotas::of_feeds([(health.clone(), 1_000)]);
        assert_eq!(quotas.of(&health), Some(1_200 * EVALUATIONS_A_RECORD));
        assert_eq!(quotas.of(&"centres".parse().unwrap()), None);
        assert_eq!(
            Quotas::of_feeds([(health.clone(), u64::MAX)]).of(&health),
            Some(u64::MAX / 10 + 1)
        );
    }
}
