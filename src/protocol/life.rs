//! A protocol's life: draft, partly signed, active, (suspended and active again), and one of three ends.
//!
//! Any one party suspends its own flows at once; its senior information risk owner or Caldicott Guardian
//! alone revokes its own organisation's part, at once; reinstating what was suspended needs the quorum of
//! all parties that are still in, each by a signed word about that very suspension
//! ([`super::reinstatement`]). A revoked part never comes back: that needs a new version; what it left
//! and was to be kept may still be purged. A new party
//! joins what is active by a deed that all sign ([`super::adherence`]). Every act is a
//! function from one [`Life`] to the next, and what the table does not allow is an error.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::document::{Flow, Protocol};
pub use super::life_error::LifeError;
use super::quorum::{Missing, missing};
use super::signing::Verified;
use super::vocabulary::{SignatoryRole, closed};
use crate::domain::PartnerId;

closed! {
    /// Where a protocol stands as a whole.
    pub enum State {
        Draft = "draft", "drafted, not signed";
        PartlySigned = "partly_signed", "signed by some";
        Active = "active", "active";
        Suspended = "suspended", "suspended by at least one party";
        Superseded = "superseded", "replaced by a newer version";
        Expired = "expired", "past its last day";
        Revoked = "revoked", "revoked";
    }
}

closed! {
    /// What becomes of the data of a revoked part.
    pub enum Handling {
        Freeze = "freeze", "kept, unused";
        Purge = "purge", "deleted";
    }
}

closed! {
    /// Why a party revokes its part.
    pub enum RevocationReason {
        PurposeEnded = "purpose_ended", "the purpose has ended";
        BasisLost = "basis_lost", "the legal basis no longer holds";
        Breach = "breach", "a breach of the protocol or of security";
        OrganisationEnded = "organisation_ended", "the organisation has ended or merged";
        GovernanceDecision = "governance_decision", "a decision of the organisation's governance";
    }
}

/// How far signing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// The quorum is not full.
    Partial,
    /// The quorum is full.
    Full,
}

impl From<&Verified<Protocol>> for Completeness {
    fn from(verified: &Verified<Protocol>) -> Self {
        match verified {
            Verified::Partly(_) => Self::Partial,
            Verified::Fully(_) => Self::Full,
        }
    }
}

/// What can happen to a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Signatures arrived and all of them verify (the gateway).
    Sign(Completeness),
    /// A party suspends its own flows (any office of the party).
    Suspend {
        /// The party.
        party: PartnerId,
    },
    /// A party agrees that what was suspended resumes; it does when the quorum has agreed.
    Reinstate {
        /// The party.
        party: PartnerId,
        /// The office of the person who agrees.
        role: SignatoryRole,
    },
    /// A party revokes its own organisation's part.
    Revoke {
        /// The party.
        party: PartnerId,
        /// The office of the person who revokes.
        role: SignatoryRole,
        /// What becomes of its data.
        handling: Handling,
        /// Why.
        reason: RevocationReason,
    },
    /// A new party joins by a deed of adherence that the quorum has signed.
    Adhere {
        /// The party.
        party: PartnerId,
        /// Whether it sends.
        sends: bool,
    },
    /// A newer version has become active (the gateway).
    Supersede,
    /// The last day has passed (the gateway).
    Expire {
        /// The day on which that is noticed.
        today: Date,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Draft,
    PartlySigned,
    InForce,
    Superseded,
    Expired,
}

/// A revoked part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// What becomes of its data.
    pub handling: Handling,
    /// Why.
    pub reason: RevocationReason,
}

/// A party's part of a protocol in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its flows run.
    Running,
    /// It has suspended them.
    Suspended,
    /// It has revoked them.
    Revoked,
}

/// A protocol's life so far. The store keeps it as JSON; the acts that led to it are in the access log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    stage: Stage,
    suspended: BTreeSet<PartnerId>,
    revoked: BTreeMap<PartnerId, Revocation>,
    /// Who has agreed to reinstate, since the last suspension or revocation.
    agreed: BTreeSet<(PartnerId, SignatoryRole)>,
    /// The parties, so that the state needs no document.
    parties: BTreeSet<PartnerId>,
    /// Those of them that send.
    senders: BTreeSet<PartnerId>,
    /// How often what had been agreed became void: whoever agrees to resume names it. Left out while
    /// it is 0, as the form was before there were any.
    #[serde(default, skip_serializing_if = "is_zero")]
    suspension: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Life {
    /// The life of a draft.
    #[must_use]
    pub fn of(protocol: &Protocol) -> Self {
        Self {
            stage: Stage::Draft,
            suspended: BTreeSet::new(),
            revoked: BTreeMap::new(),
            agreed: BTreeSet::new(),
            parties: protocol.parties.iter().map(|party| party.partner.clone()).collect(),
            senders: protocol.flows.iter().map(|flow: &Flow| flow.from.clone()).collect(),
            suspension: 0,
        }
    }

    /// Where the protocol stands as a whole. It is revoked once nobody is left who sends, or fewer than two
    /// parties are left to share.
    #[must_use]
    pub fn state(&self) -> State {
        match self.stage {
            Stage::Draft => State::Draft,
            Stage::PartlySigned => State::PartlySigned,
            Stage::Superseded => State::Superseded,
            Stage::Expired => State::Expired,
            Stage::InForce => {
                let left = self.parties.len() - self.revoked.len();
                if left < 2 || self.senders.iter().all(|party| self.revoked.contains_key(party)) {
                    State::Revoked
                } else if self.suspended.is_empty() {
                    State::Active
                } else {
                    State::Suspended
                }
            }
        }
    }

    /// A party's own part; meaningful while the protocol is in force.
    #[must_use]
    pub fn part(&self, party: &PartnerId) -> Part {
        if self.revoked.contains_key(party) {
            Part::Revoked
        } else if self.suspended.contains(party) {
            Part::Suspended
        } else {
            Part::Running
        }
    }

    /// Who has yet to agree before what is suspended resumes.
    #[must_use]
    pub fn awaited(&self, protocol: &Protocol) -> Vec<Missing> {
        let left: Vec<&PartnerId> =
            self.parties.iter().filter(|party| !self.revoked.contains_key(party)).collect();
        missing(&left, protocol.health_senders(), &protocol.quorum, &self.agreed)
    }

    /// The parties, those included that are out.
    pub fn parties(&self) -> impl Iterator<Item = &PartnerId> {
        self.parties.iter()
    }

    /// The number by which those who agree to resume name what stands still; 0 before anything did.
    #[must_use]
    pub const fn suspension(&self) -> u32 {
        self.suspension
    }

    /// The revoked parts, by party.
    #[must_use]
    pub fn revocations(&self) -> &BTreeMap<PartnerId, Revocation> {
        &self.revoked
    }

    /// This life as that of the version which supersedes another: what a party has suspended there
    /// stays so, as its signature under this one may be from before.
    #[must_use]
    pub fn following(mut self, superseded: &Self) -> Self {
        let suspended = superseded.suspended.intersection(&self.parties).cloned();
        self.suspended = suspended.collect();
        self.suspension = u32::from(!self.suspended.is_empty());
        self
    }

    /// Whether this is the life of `protocol`: same parties, same senders.
    #[must_use]
    pub(super) fn belongs_to(&self, protocol: &Protocol) -> bool {
        let fresh = Self::of(protocol);
        self.parties == fresh.parties && self.senders == fresh.senders
    }

    /// The life after an act.
    ///
    /// # Errors
    /// [`LifeError`]; this life stays as it was.
    pub fn after(&self, act: &Act, protocol: &Protocol) -> Result<Self, LifeError> {
        let mut next = self.clone();
        match act {
            Act::Sign(completeness) => next.sign(*completeness)?,
            Act::Suspend { party } => next.suspend(party)?,
            Act::Reinstate { party, role } => next.reinstate(party, *role, protocol)?,
            Act::Revoke { party, role, handling, reason } => {
                next.revoke(party, *role, Revocation { handling: *handling, reason: *reason })?;
            }
            Act::Adhere { party, sends } => next.adhere(party, *sends)?,
            Act::Supersede => {
                // One that has ended, too: else two could follow it, and it would have a say still.
                let begun = [State::Active, State::Suspended, State::Expired, State::Revoked];
                next.require(&begun)?;
                next.stage = Stage::Superseded;
            }
            Act::Expire { today } => {
                next.require(&[State::Active, State::Suspended])?;
                if *today <= protocol.expires {
                    return Err(LifeError::NotExpired);
                }
                next.stage = Stage::Expired;
            }
        }
        Ok(next)
    }

    fn require(&self, allowed: &[State]) -> Result<(), LifeError> {
        let state = self.state();
        if allowed.contains(&state) { Ok(()) } else { Err(LifeError::NotAllowed(state)) }
    }

    fn require_part(&self, party: &PartnerId) -> Result<(), LifeError> {
        self.require(&[State::Active, State::Suspended])?;
        if !self.parties.contains(party) {
            return Err(LifeError::NotAParty);
        }
        if self.revoked.contains_key(party) { Err(LifeError::AlreadyRevoked) } else { Ok(()) }
    }

    fn sign(&mut self, completeness: Completeness) -> Result<(), LifeError> {
        self.require(&[State::Draft, State::PartlySigned])?;
        self.stage = match completeness {
            Completeness::Partial => Stage::PartlySigned,
            Completeness::Full => Stage::InForce,
        };
        Ok(())
    }

    fn suspend(&mut self, party: &PartnerId) -> Result<(), LifeError> {
        self.require_part(party)?;
        if !self.suspended.insert(party.clone()) {
            return Err(LifeError::AlreadySuspended);
        }
        // Whoever agreed to resume did so before this was known.
        self.void_what_was_agreed();
        Ok(())
    }

    fn void_what_was_agreed(&mut self) {
        self.agreed.clear();
        self.suspension = self.suspension.saturating_add(1);
    }

    fn reinstate(
        &mut self,
        party: &PartnerId,
        role: SignatoryRole,
        protocol: &Protocol,
    ) -> Result<(), LifeError> {
        self.require(&[State::Suspended])?;
        self.require_part(party)?;
        self.agreed.insert((party.clone(), role));
        if self.awaited(protocol).is_empty() {
            self.suspended.clear();
            self.agreed.clear();
        }
        Ok(())
    }

    /// Nobody joins what is suspended: whoever agrees must see it run. Who was a party and revoked its
    /// part stays out until a new version.
    fn adhere(&mut self, party: &PartnerId, sends: bool) -> Result<(), LifeError> {
        self.require(&[State::Active])?;
        if self.revoked.contains_key(party) {
            return Err(LifeError::AlreadyRevoked);
        }
        if !self.parties.insert(party.clone()) {
            return Err(LifeError::AlreadyAParty);
        }
        if sends {
            self.senders.insert(party.clone());
        }
        Ok(())
    }

    fn revoke(
        &mut self,
        party: &PartnerId,
        role: SignatoryRole,
        revocation: Revocation,
    ) -> Result<(), LifeError> {
        // What was to be kept may be purged after all, also when the whole has ended; not once a new
        // version has brought it back.
        let kept = self.revoked.get(party).is_some_and(|known| known.handling == Handling::Freeze);
        if kept && revocation.handling == Handling::Purge {
            self.require(&[State::Active, State::Suspended, State::Revoked, State::Expired])?;
        } else {
            self.require_part(party)?;
        }
        if !role.may_revoke() {
            return Err(LifeError::WrongRole);
        }
        self.revoked.insert(party.clone(), revocation);
        self.suspended.remove(party);
        self.void_what_was_agreed();
        Ok(())
    }
}
