//! Witnesses and their quorum: when figures may be answered.
//!
//! The signed root policy says whose cosignatures suffice: the oversight body's, so many
//! partners', or both. Where they have been missing for longer than is allowed, figures are
//! refused (cards, queries, releases, the close of a quarter) and everything else goes on:
//! intake, suspensions, revocations, withdrawals. A partner must be able to stop a flow at
//! any time, and no figure should leave on the word of a log that nobody watches.
//!
//! Only cosignatures that came in since this process started count: what an earlier one was
//! told may be of a database that has been put back since ([`super::cosigning`]).

use super::{Actor, Denied, Gateway, GatewayError, Now, RefusalKind, Refused};
use crate::{
    audit::{Leaf, LeafKind, WitnessKey},
    protocol::root_policy::WitnessPolicy,
    store::cosignatures::Kept,
};
use jiff::Timestamp;
use std::{
    cmp::Reverse,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A witness that the gateway asks.
#[derive(Debug, Clone)]
pub struct Witness {
    /// Its verifier key.
    pub key: WitnessKey,
    /// Whether it is the oversight body's; else it is a partner's.
    pub oversight: bool,
}

/// A witness's answer over HTTP.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The content type, or empty.
    pub kind: String,
    /// The body.
    pub body: Vec<u8>,
}

/// No answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the witness did not answer")]
pub struct NoAnswer;

/// An answer that is on its way.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Reply, NoAnswer>> + Send + 'a>>;

/// Carries an `add-checkpoint` request to a witness, by its number in the configuration.
pub trait AskWitness: Send + Sync {
    /// Asks, for no longer than a few seconds.
    fn ask(&self, witness: usize, body: String) -> Answering<'_>;
}

/// What is known of one witness.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// When its newest cosignature came in, microseconds since 1970-01-01 UTC.
    pub(super) cosigned: Option<i64>,
    /// The size that it was last known to have seen.
    pub(super) seen: u64,
    /// Whether it has seen another history, or more of this one than there is.
    pub(super) contradicts: bool,
    /// Whether the log says so.
    told: bool,
    /// Attempts that failed since the last that did not, and when to try again.
    pub(super) failures: u32,
    pub(super) try_again: i64,
}

#[derive(Default)]
pub(super) struct Known {
    pub(super) each: Vec<Standing>,
    /// Whether there was a quorum when the log was last told.
    told: Option<bool>,
}

/// The witnesses of a gateway and what is known of them.
pub struct Witnesses {
    pub(super) witnesses: Vec<Witness>,
    pub(super) asker: Option<Box<dyn AskWitness>>,
    pub(super) now: Now,
    allowed: Duration,
    started: i64,
    known: Mutex<Known>,
}

impl std::fmt::Debug for Witnesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witnesses").field("witnesses", &self.witnesses).finish_non_exhaustive()
    }
}

/// Whether enough witnesses have cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quorum {
    /// The root policy asks for none.
    NotNeeded,
    /// They have, or did until so recently that it is allowed.
    Held,
    /// They have not.
    Missing,
}

impl Witnesses {
    /// These witnesses, asked by `asker`; `allowed` is how long the quorum may be missing
    /// before figures stop, where the root policy does not allow less.
    #[must_use]
    pub fn new(
        witnesses: Vec<Witness>,
        asker: Box<dyn AskWitness>,
        allowed: Duration,
        now: Now,
    ) -> Self {
        let each = vec![Standing::default(); witnesses.len()];
        let (started, known) = (now().as_microsecond(), Mutex::new(Known { each, told: None }));
        Self { witnesses, asker: Some(asker), now, allowed, started, known }
    }

    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self {
            witnesses: Vec::new(),
            asker: None,
            // Nobody is asked at any time.
            now: std::sync::Arc::new(|| Timestamp::UNIX_EPOCH),
            allowed: Duration::ZERO,
            started: 0,
            known: Mutex::default(),
        }
    }

    pub(super) fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the database has, which other gateways on it may have been given.
    pub(super) fn take(&self, kept: &[Kept]) {
        let mut known = self.known();
        for (witness, standing) in self.witnesses.iter().zip(&mut known.each) {
            let name = witness.key.to_string();
            let Some(kept) = kept.iter().find(|kept| kept.witness == name) else { continue };
            standing.seen = kept.size;
            if kept.received_at >= self.started {
                standing.cosigned = standing.cosigned.max(Some(kept.received_at));
                standing.contradicts = false;
            }
        }
    }

    /// Until when there was a quorum for sure; `None` for never.
    fn held_until(&self, policy: &WitnessPolicy, known: &Known) -> Option<i64> {
        let of = |oversight: bool| {
            let of_kind =
                move |(witness, _): &(&Witness, &Standing)| witness.oversight == oversight;
            let all = self.witnesses.iter().zip(&known.each).filter(of_kind);
            let mut times: Vec<i64> = all.filter_map(|(_, standing)| standing.cosigned).collect();
            times.sort_unstable_by_key(|time| Reverse(*time));
            times
        };
        let oversight = if policy.oversight { *of(true).first()? } else { i64::MAX };
        let partners = match usize::from(policy.minimum_partners) {
            0 => i64::MAX,
            most => *of(false).get(most - 1)?,
        };
        Some(oversight.min(partners))
    }

    fn quorum_of(&self, policy: Option<&WitnessPolicy>, known: &Known, now: Timestamp) -> Quorum {
        let needed = |policy: &&WitnessPolicy| policy.oversight || policy.minimum_partners > 0;
        let Some(policy) = policy.filter(needed) else { return Quorum::NotNeeded };
        let allowed = self.allowed.min(Duration::from_secs(u64::from(policy.grace_seconds)));
        let allowed = i64::try_from(allowed.as_micros()).unwrap_or(i64::MAX);
        match self.held_until(policy, known) {
            Some(until) if now.as_microsecond() <= until.saturating_add(allowed) => Quorum::Held,
            _ => Quorum::Missing,
        }
    }
}

impl Gateway {
    /// Whether enough witnesses have cosigned, as the root policy in force has it.
    #[must_use]
    pub fn quorum(&self) -> Quorum {
        let snapshot = self.snapshot();
        let policy = snapshot.policy().root().map(|root| &root.document().witnesses);
        self.witnesses.quorum_of(policy, &self.witnesses.known(), self.now())
    }

    /// Lets figures out only under a quorum of witnesses; the refusal is logged.
    ///
    /// # Errors
    /// `witness_quorum_missing`.
    pub(super) async fn require_quorum(&self, actor: &Actor) -> Result<(), Denied> {
        if self.quorum() != Quorum::Missing {
            return Ok(());
        }
        let sentence = "too few witnesses have cosigned the access log: no figures until they have; \
                        everything else goes on";
        let refused = Refused::new(RefusalKind::Conflict, "witness_quorum_missing", sentence);
        Err(self.refuse(actor.leaf(LeafKind::Refused, self), refused).await)
    }

    /// Logs what has changed since it was last logged: the quorum reached or lost, and each
    /// witness that contradicts the log. (Several gateways each log what they saw.)
    ///
    /// # Errors
    /// When the log can't be written.
    pub async fn note_quorum(&self) -> Result<(), GatewayError> {
        let held = match self.quorum() {
            Quorum::NotNeeded => None,
            Quorum::Held => Some(true),
            Quorum::Missing => Some(false),
        };
        let (before, contradicting) = {
            let mut known = self.witnesses.known();
            let mut keys = Vec::new();
            for (witness, standing) in self.witnesses.witnesses.iter().zip(&mut known.each) {
                if standing.contradicts && !standing.told {
                    keys.push(witness.key.id());
                }
                standing.told = standing.contradicts;
            }
            (std::mem::replace(&mut known.told, held), keys)
        };
        for key in contradicting {
            let mut leaf = Leaf::new(LeafKind::WitnessContradicted, self.now());
            leaf.notes.key = key.parse().ok();
            self.log_of_its_own(leaf).await?;
        }
        let kind = match held {
            Some(true) if before != held => LeafKind::WitnessQuorumReached,
            Some(false) if before != held => LeafKind::WitnessQuorumLost,
            _ => return Ok(()),
        };
        if kind == LeafKind::WitnessQuorumLost {
            tracing::warn!("too few witnesses have cosigned for too long: figures are refused");
        }
        self.log_of_its_own(Leaf::new(kind, self.now())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::Hash, keys::SigningKey, witness::WitnessSigner};
    use rand::{SeedableRng, rngs::StdRng};
    use std::sync::Arc;

    struct Nobody;

    impl AskWitness for Nobody {
        fn ask(&self, _: usize, _: String) -> Answering<'_> {
            Box::pin(async { Err(NoAnswer) })
        }
    }

    const START: i64 = 1_790_000_000_000_000;
    const MINUTE: i64 = 60_000_000;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_microsecond(micros).unwrap()
    }

    /// The oversight body and three partners.
    fn witnesses() -> Witnesses {
        let witness = |number: u8| {
            let key = SigningKey::generate(&mut StdRng::seed_from_u64(number.into())).unwrap();
            let signer = WitnessSigner::new(&format!("w{number}.example"), key).unwrap();
            Witness { key: signer.vkey().parse().unwrap(), oversight: number == 0 }
        };
        let allowed = Duration::from_secs(900);
        let now: Now = Arc::new(|| at(START));
        Witnesses::new((0..4).map(witness).collect(), Box::new(Nobody), allowed, now)
    }

    fn cosign(witnesses: &Witnesses, number: usize, received_at: i64) {
        let witness = witnesses.witnesses[number].key.to_string();
        let (size, root, line) = (5, Hash::new([1; 32]), String::new());
        witnesses.take(&[Kept { witness, size, root, cosigned_at: 0, received_at, line }]);
    }

    fn policy(oversight: bool, minimum_partners: u16, grace_seconds: u32) -> WitnessPolicy {
        WitnessPolicy { oversight, minimum_partners, grace_seconds }
    }

    #[track_caller]
    fn expect(witnesses: &Witnesses, policy: WitnessPolicy, now: i64, expected: Quorum) {
        let known = witnesses.known();
        assert_eq!(witnesses.quorum_of(Some(&policy), &known, at(now)), expected);
    }

    #[test]
    fn the_oversight_body_and_k_of_n_partners() {
        let witnesses = witnesses();
        let (both, partners) = (policy(true, 2, 900), policy(false, 2, 900));
        expect(&witnesses, policy(false, 0, 900), START, Quorum::NotNeeded);
        expect(&witnesses, both, START, Quorum::Missing);
        cosign(&witnesses, 0, START);
        expect(&witnesses, policy(true, 0, 900), START, Quorum::Held);
        expect(&witnesses, both, START, Quorum::Missing);
        cosign(&witnesses, 1, START + MINUTE);
        expect(&witnesses, partners, START + MINUTE, Quorum::Missing);
        cosign(&witnesses, 3, START + 2 * MINUTE);
        expect(&witnesses, both, START + 2 * MINUTE, Quorum::Held);
        // The third partner can't stand in for the oversight body, nor that for a partner.
        expect(&witnesses, policy(true, 3, 900), START + 2 * MINUTE, Quorum::Missing);
    }

    #[test]
    fn a_quorum_lasts_as_long_as_both_policy_and_configuration_allow() {
        let witnesses = witnesses();
        cosign(&witnesses, 0, START);
        for (grace, minutes) in [(900, 15), (60, 1), (0, 0), (86_400, 15)] {
            let policy = policy(true, 0, grace);
            expect(&witnesses, policy, START + minutes * MINUTE, Quorum::Held);
            expect(&witnesses, policy, START + minutes * MINUTE + 1, Quorum::Missing);
        }
        // It lasts from the oldest cosignature that it can't do without.
        cosign(&witnesses, 1, START + 10 * MINUTE);
        cosign(&witnesses, 2, START + 12 * MINUTE);
        expect(&witnesses, policy(false, 1, 900), START + 27 * MINUTE, Quorum::Held);
        expect(&witnesses, policy(false, 2, 900), START + 26 * MINUTE, Quorum::Missing);
    }

    #[test]
    fn what_came_in_before_this_process_does_not_count() {
        let witnesses = witnesses();
        cosign(&witnesses, 0, START - 1);
        expect(&witnesses, policy(true, 0, 900), START, Quorum::Missing);
        assert_eq!(witnesses.known().each[0].seen, 5, "but it tells where to go on");
        let none = Witnesses::none();
        expect(&none, policy(true, 0, 900), START, Quorum::Missing);
    }
}
