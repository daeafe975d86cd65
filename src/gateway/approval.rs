//! Acts that need two people: closing a quarter, and whatever else must not rest on one.
//!
//! The first person's call is answered and logged, and does nothing else; the same call by a
//! second person within [`approvals::LASTS`] does it, in one transaction that uses the first
//! word up. "The same" is an [`Intention`]'s digest: what is to be done with all that was
//! agreed to, and nothing that changes by itself, like the policy epoch. Both leaves hold
//! it, so that an auditor finds who the two were.
//!
//! Two people are two users of token-issuing partners. A partner vouches for who its users
//! are: whoever holds its token key can be any of them. It is always two: no document has a
//! place to ask for fewer.

use super::{Actor, Denied, Gateway, RefusalKind, Refused, Snapshot};
use crate::{
    audit::{Hash, Leaf, LeafKind},
    protocol::CallerRole,
    store::{
        ActError, Effect, Logged, Outcome, Rights,
        approvals::{self, Approval},
    },
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// What is to be done, exactly.
pub(super) struct Intention {
    act: &'static str,
    hash: Sha256,
}

impl Intention {
    /// An act, by its name in the log.
    pub(super) fn new(act: &'static str) -> Self {
        Self { act, hash: Sha256::new() }.with(b"tallygate approval v1").with(act.as_bytes())
    }

    /// Something that both people must agree to.
    pub(super) fn with(mut self, part: &[u8]) -> Self {
        self.hash.update((part.len() as u64).to_be_bytes());
        self.hash.update(part);
        self
    }

    /// The act's name in the log.
    pub(super) const fn act(&self) -> &'static str {
        self.act
    }

    /// What stands for it.
    pub(super) fn digest(&self) -> Hash {
        Hash::new(self.hash.clone().finalize().into())
    }
}

/// A first person's word, given and logged; nothing is done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Digest of what is to be done.
    pub act: Hash,
    /// Until when a second person may do it.
    pub until: Timestamp,
}

/// Where an act stands for a caller.
pub(super) enum Standing {
    /// Nobody has asked for it: the caller is the first. A word that does not count any more
    /// is replaced.
    First(Option<Approval>),
    /// Another person has.
    Second(Approval),
}

impl Gateway {
    /// Whether the caller is the first who wants this done, or the second.
    ///
    /// # Errors
    /// `second_person_needed` for the first person again; `leaf` says then what was asked.
    pub(super) async fn standing(
        &self,
        actor: &Actor,
        role: CallerRole,
        snapshot: &Snapshot,
        intention: &Intention,
        leaf: &Leaf,
    ) -> Result<Standing, Denied> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let given = approvals::of(&mut tx, intention.digest().as_bytes()).await?;
        drop(tx);
        let Some(given) = given else { return Ok(Standing::First(None)) };
        // A word holds while its giver's organisation may still give it.
        let holds = snapshot
            .register()
            .partner(&given.partner)
            .is_some_and(|(entry, barred)| !barred && entry.roles.contains(&role));
        if !holds || !given.waits_at(self.now()) {
            return Ok(Standing::First(Some(given)));
        }
        if (&given.partner, &given.user) != (&actor.partner, actor.user.as_bytes()) {
            return Ok(Standing::Second(given));
        }
        let mut leaf = leaf.clone();
        leaf.notes.act = intention.act().parse().ok();
        leaf.notes.approval = Some(intention.digest());
        let sentence = "you have asked for this already: it is done when a second person, not \
                        you again, makes the same call within 7 days of your first";
        let refused = Refused::new(RefusalKind::Conflict, "second_person_needed", sentence);
        Err(self.refuse(leaf, refused).await)
    }

    /// Enters the first person's word. `leaf` says what is to be done.
    pub(super) async fn give_word(
        &self,
        actor: &Actor,
        intention: &Intention,
        replaced: Option<Approval>,
        mut leaf: Leaf,
        epoch: u64,
    ) -> Result<Logged<Waiting>, ActError> {
        let act = intention.digest();
        leaf.kind = LeafKind::ApprovalGiven;
        leaf.notes.act = intention.act().parse().ok();
        leaf.notes.approval = Some(act);
        leaf.notes.policy_epoch = Some(epoch);
        let word = Approval {
            act: *act.as_bytes(),
            partner: actor.partner.clone(),
            user: *actor.user.as_bytes(),
            given_at: 0,
        };
        let effect = Effect::Approve(Box::new((word, replaced)));
        let logged = self.commit(leaf, effect, Some(epoch)).await?;
        let now = self.now();
        Ok(logged.map(|outcome| {
            let given = if let Outcome::At(given) = outcome { given } else { now };
            let until = given.saturating_add(approvals::LASTS).unwrap_or(Timestamp::MAX);
            Waiting { act, until }
        }))
    }
}
