//! The quorum of witnesses: when figures may be answered, and when nearly nothing.
//!
//! The signed root policy says whose cosignatures suffice (the oversight body's, so many
//! partners', or both) and names their keys: whose a witness is, is the controllers' word and
//! not a line of the operator's configuration. A policy that wants witnesses and names none
//! has no quorum. Each partner counts once, however many keys it has. Where they have been
//! missing for longer than is allowed, figures are refused (cards, queries, releases, the close
//! of a quarter) and everything else goes on: intake, suspensions, revocations, withdrawals. A
//! partner must be able to stop a flow at any time, and no figure should leave on the word of a
//! log that nobody watches.
//!
//! While a witness contradicts, the database may be an old one or a fork, so nothing may rest
//! on it: only what stops, revokes and withdraws goes on, and the auditors' looks at the log.

use super::{
    Actor, Denied, Gateway, GatewayError, RefusalKind, Refused,
    refused::word,
    witnessing::{Known, Witnesses},
};
use crate::{
    audit::{Decision, Hash, Leaf, LeafKind, Notes},
    protocol::{
        Signed,
        root_policy::{NamedWitness, RootPolicy},
    },
    store::{Act, Effect},
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

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

/// Why nearly nothing is done.
const CONTRADICTS: &str = "witness_contradicts";

/// Whether an act is done even while a witness contradicts. A new kind is not, until it is put
/// here.
const fn goes_on(kind: LeafKind) -> bool {
    use LeafKind as K;
    matches!(
        kind,
        // What stops, revokes and withdraws.
        K::ProtocolSuspended
            | K::ProtocolRevoked
            | K::PartnerDisabled
            | K::ConsentWithdrawn
            | K::CaseOpened
            | K::ReleaseWithdrawn
            // What only says how something ended, or that it was refused.
            | K::Refused
            | K::IntakeStreamClosed
            | K::LogStreamClosed
            | K::GatewayStopped
            | K::SignedOut
            // Auditors look at the log: how else would the contradiction be settled?
            | K::LogRead
            | K::SignedIn
            | K::LogStreamOpened
    )
}

/// The same of one act: a look at the log that opens a private detail is more than one.
const fn is_let(leaf: &Leaf) -> bool {
    goes_on(leaf.kind) && !(matches!(leaf.kind, LeafKind::LogRead) && leaf.detail.is_some())
}

/// A witness that the policy names, with when its cosignature came in.
type Voice<'a> = (&'a NamedWitness, i64);

impl Witnesses {
    /// The cosignatures by keys that the policy names; an entry of the configuration that says
    /// otherwise whose the witness is does not count.
    fn voices<'a>(&self, policy: &'a RootPolicy, known: &Known) -> Vec<Voice<'a>> {
        let each = self.witnesses.iter().zip(&known.each);
        let each = each.filter_map(|(witness, standing)| {
            let vkey = witness.key.vkey();
            let named = policy.witness_keys.iter().find(|named| named.vkey == vkey)?;
            (named.oversight == witness.oversight).then_some((named, standing.cosigned?))
        });
        each.collect()
    }

    /// Until when there was a quorum for sure; `None` for never.
    fn held_until(policy: &RootPolicy, voices: &[Voice<'_>]) -> Option<i64> {
        let oversight = voices.iter().filter(|(named, _)| named.oversight).map(|(_, time)| *time);
        let oversight = if policy.witnesses.oversight { oversight.max()? } else { i64::MAX };
        let mut partners = BTreeMap::new();
        for (named, time) in voices.iter().filter(|(named, _)| !named.oversight) {
            let newest = partners.entry(&named.partner).or_insert(*time);
            *newest = (*newest).max(*time);
        }
        let mut times: Vec<i64> = partners.into_values().collect();
        times.sort_unstable_by_key(|time| Reverse(*time));
        let partners = match usize::from(policy.witnesses.minimum_partners) {
            0 => i64::MAX,
            most => *times.get(most - 1)?,
        };
        Some(oversight.min(partners))
    }

    /// For how long a cosignature counts, microseconds.
    fn allowed(&self, policy: &RootPolicy) -> i64 {
        let grace = Duration::from_secs(u64::from(policy.witnesses.grace_seconds));
        i64::try_from(self.allowed.min(grace).as_micros()).unwrap_or(i64::MAX)
    }

    fn quorum_of(&self, policy: Option<&RootPolicy>, known: &Known, now: Timestamp) -> Quorum {
        let needed = |policy: &&RootPolicy| {
            policy.witnesses.oversight || policy.witnesses.minimum_partners > 0
        };
        let Some(policy) = policy.filter(needed) else { return Quorum::NotNeeded };
        let allowed = self.allowed(policy);
        match Self::held_until(policy, &self.voices(policy, known)) {
            Some(until) if now.as_microsecond() <= until.saturating_add(allowed) => Quorum::Held,
            _ => Quorum::Missing,
        }
    }

    /// SHA-256 of the verifier keys whose cosignatures count now, each with a line break, in
    /// order: an auditor who holds the policy says whose voices made the quorum.
    fn counted(&self, policy: &RootPolicy, now: Timestamp) -> Hash {
        let (known, allowed) = (self.known(), self.allowed(policy));
        let counts = |time: i64| now.as_microsecond() <= time.saturating_add(allowed);
        let voices = self.voices(policy, &known).into_iter().filter(|(_, time)| counts(*time));
        let keys: BTreeSet<&str> = voices.map(|(named, _)| named.vkey.as_str()).collect();
        let mut digest = Sha256::new();
        for key in keys {
            digest.update(key);
            digest.update(b"\n");
        }
        Hash::new(digest.finalize().into())
    }
}

impl Gateway {
    /// Whether enough witnesses have cosigned, as the root policy in force has it.
    #[must_use]
    pub fn quorum(&self) -> Quorum {
        let snapshot = self.snapshot();
        let policy = snapshot.policy().root().map(Signed::document);
        self.witnesses.quorum_of(policy, &self.witnesses.known(), self.now())
    }

    /// Lets figures out only under a quorum of witnesses; the refusal is logged.
    ///
    /// # Errors
    /// `witness_quorum_missing`, `witness_contradicts`.
    pub(super) async fn require_quorum(&self, actor: &Actor) -> Result<(), Denied> {
        let refused = if self.witnesses.contradicted() {
            let sentence = "a witness contradicts the access log: nothing but suspensions, \
                            revocations and withdrawals until that is settled";
            Refused::new(RefusalKind::Conflict, CONTRADICTS, sentence)
        } else if self.quorum() == Quorum::Missing {
            let sentence = "too few witnesses have cosigned the access log: no figures until they \
                            have; everything else goes on";
            Refused::new(RefusalKind::Conflict, "witness_quorum_missing", sentence)
        } else {
            return Ok(());
        };
        Err(self.refuse(actor.leaf(LeafKind::Refused, self), refused).await)
    }

    /// Whether an act of this kind is done now. That it is not is logged, by whom it was asked.
    pub(super) async fn may_act(&self, leaf: &Leaf) -> bool {
        if is_let(leaf) || !self.witnesses.contradicted() {
            return true;
        }
        let mut leaf = leaf.clone();
        // Nothing is kept that a commitment could be opened by.
        (leaf.kind, leaf.detail, leaf.notes) = (LeafKind::Refused, None, Notes::default());
        leaf.decision = Decision::Refused { reason: word(CONTRADICTS) };
        let act = Act { leaf, effect: Effect::None, epoch: None };
        // Where it can't be logged either, nothing is answered all the same.
        let _ = self.sequencer.commit(act).await;
        false
    }

    /// Logs what has changed since it was last logged: the witnesses that the operator goes on
    /// without, the quorum reached or lost, and each witness that contradicts the log. (Several
    /// gateways each log what they saw.)
    ///
    /// # Errors
    /// When the log can't be written.
    pub async fn note_quorum(&self) -> Result<(), GatewayError> {
        self.log_overrides().await?;
        let held = match self.quorum() {
            Quorum::NotNeeded => None,
            Quorum::Held => Some(true),
            Quorum::Missing => Some(false),
        };
        let before = std::mem::replace(&mut self.witnesses.known().told, held);
        for key in self.witnesses.untold() {
            let mut leaf = Leaf::new(LeafKind::WitnessContradicted, self.now());
            leaf.notes.key = key.parse().ok();
            self.log_of_its_own(leaf).await?;
        }
        let kind = match held {
            Some(true) if before != held => LeafKind::WitnessQuorumReached,
            Some(false) if before != held => LeafKind::WitnessQuorumLost,
            _ => return Ok(()),
        };
        let mut leaf = Leaf::new(kind, self.now());
        if kind == LeafKind::WitnessQuorumLost {
            tracing::warn!("too few witnesses have cosigned for too long: figures are refused");
            self.warn_of_keys();
        } else {
            let snapshot = self.snapshot();
            let policy = snapshot.policy().root().map(Signed::document);
            leaf.notes.document = policy.map(|policy| self.witnesses.counted(policy, leaf.at));
        }
        self.log_of_its_own(leaf).await
    }

    /// Tells the operator where configuration and signed policy disagree.
    fn warn_of_keys(&self) {
        let snapshot = self.snapshot();
        let Some(policy) = snapshot.policy().root().map(Signed::document) else { return };
        for witness in &self.witnesses.witnesses {
            let (name, vkey) = (witness.key.name(), witness.key.vkey());
            match policy.witness_keys.iter().find(|named| named.vkey == vkey) {
                None => tracing::warn!(name, "the root policy does not name this witness's key"),
                Some(named) if named.oversight != witness.oversight => {
                    tracing::warn!(name, "the root policy says otherwise whose this witness is");
                }
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
