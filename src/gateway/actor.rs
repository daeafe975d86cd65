//! Who acts, once the transport has recognised the caller.

use super::{
    DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused, Snapshot, register::Partner,
};
use crate::{
    audit::{Leaf, LeafKind, UserPseudonym},
    domain::{AreaCode, PartnerId},
    keys::{IdentifierKind, KeysInUse, RawIdentifier},
    protocol::CallerRole,
    store::{ActError, Effect, Logged, Outcome},
};
use std::{collections::BTreeSet, sync::Arc};
use zeroize::Zeroizing;

/// A recognised caller: an organisation, one of its people or machines as a keyed
/// pseudonym, and what it may be.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The organisation.
    pub partner: PartnerId,
    /// Who of it, as a keyed pseudonym.
    pub user: UserPseudonym,
    /// What the caller may be: what its token claims and its register entry allows.
    pub roles: BTreeSet<CallerRole>,
    /// The areas that the caller is confined to; `None` for no such bound.
    pub areas: Option<BTreeSet<AreaCode>>,
    /// The organisation's entry in the register as the caller was recognised by it.
    pub entry: Option<Arc<Partner>>,
    /// Who of it, as the organisation says: for private details alone.
    pub name: Option<CallerName>,
}

/// The name by which a partner calls one of its people or machines. No Debug shows it.
#[derive(Clone)]
pub struct CallerName(Arc<Zeroizing<String>>);

impl CallerName {
    /// From a token's subject.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::new(Zeroizing::new(name.to_owned())))
    }

    /// The name, for a private detail and nothing else.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for CallerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallerName([redacted])")
    }
}

impl Actor {
    /// A leaf of something this actor did.
    #[must_use]
    pub fn leaf(&self, kind: LeafKind, gateway: &Gateway) -> Leaf {
        let mut leaf = Leaf::new(kind, gateway.now());
        leaf.partner = Some(self.partner.clone());
        leaf.user = Some(self.user);
        leaf
    }

    /// Whether the caller may be this.
    #[must_use]
    pub fn may_be(&self, role: CallerRole) -> bool {
        self.roles.contains(&role)
    }
}

impl Gateway {
    /// The keyed pseudonym under which a partner's user appears in the log.
    #[must_use]
    pub fn user_pseudonym(&self, partner: &PartnerId, user: &str) -> UserPseudonym {
        let kind = IdentifierKind::User { partner };
        let raw = RawIdentifier::new(user.to_owned());
        UserPseudonym::new(*raw.pseudonymise(kind, &self.keys().pseudonymiser).as_bytes())
    }

    /// Whether the register still has the actor's organisation, not barred, in this role:
    /// asked again wherever an answer follows a change of the policy.
    pub(super) async fn still_registered(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        roles: &[CallerRole],
    ) -> Result<(), Denied> {
        let holds = snapshot.register().partner(&actor.partner).is_some_and(|(entry, barred)| {
            !barred && roles.iter().any(|role| actor.may_be(*role) && entry.roles.contains(role))
        });
        if holds {
            return Ok(());
        }
        let leaf = actor.leaf(LeafKind::Refused, self);
        let sentence = "the partner is barred in the register, or may not do this any more";
        let kind = RefusalKind::Unauthenticated;
        Err(self.refuse(leaf, Refused::new(kind, "certificate_revoked", sentence)).await)
    }

    /// The policy moved while an act was being decided: looks at it anew, and lets the act go
    /// on only where the caller is still whom the register says it was.
    ///
    /// # Errors
    /// `certificate_revoked` for a partner that was barred, `register_changed` where its entry
    /// is another now: who calls must then be asked again.
    pub(super) async fn policy_moved(&self, actor: &Actor) -> Result<(), Denied> {
        let snapshot = self.reload().await?;
        let register = snapshot.register();
        if register.partner(&actor.partner).is_some_and(|(_, barred)| barred) {
            return self.still_registered(actor, &snapshot, &[]).await;
        }
        if actor.entry.is_none() || actor.entry == register.entry(&actor.partner) {
            return Ok(());
        }
        let leaf = actor.leaf(LeafKind::Refused, self);
        let sentence = "your entry in the register has just been changed; call again";
        let kind = RefusalKind::Unauthenticated;
        Err(self.refuse(leaf, Refused::new(kind, "register_changed", sentence)).await)
    }

    /// Commits an act that rests on nothing but who calls, anew where the policy moved.
    pub(super) async fn commit_for(
        &self,
        actor: &Actor,
        leaf: Leaf,
        effect: impl Fn() -> Effect + Send,
    ) -> Result<Logged<Outcome>, Denied> {
        for _ in 0..DECISIONS {
            let epoch = self.snapshot().epoch();
            match self.commit(leaf.clone(), effect(), Some(epoch)).await {
                Ok(logged) => return Ok(logged),
                Err(ActError::PolicyChanged) => self.policy_moved(actor).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// Commits an act that rests on nothing but who calls and writes keyed values: with the
    /// keys that are in use at the policy epoch it is committed under, and no others.
    pub(super) async fn commit_keyed(
        &self,
        actor: &Actor,
        leaf: Leaf,
        effect: impl Fn(&KeysInUse) -> Result<Effect, GatewayError> + Send,
    ) -> Result<Logged<Outcome>, Denied> {
        for _ in 0..DECISIONS {
            let keys = self.writing_keys().await?;
            let snapshot = self.snapshot();
            if keys.number() != snapshot.versions().number {
                self.reload().await?;
                continue;
            }
            let effect = effect(&keys)?;
            match self.commit(leaf.clone(), effect, Some(snapshot.epoch())).await {
                Ok(logged) => return Ok(logged),
                Err(ActError::PolicyChanged) => self.policy_moved(actor).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// Lets only callers with one of these roles pass; the refusal is logged.
    ///
    /// # Errors
    /// `wrong_role`.
    pub(super) async fn require(&self, actor: &Actor, roles: &[CallerRole]) -> Result<(), Denied> {
        if roles.iter().any(|role| actor.may_be(*role)) {
            return Ok(());
        }
        let leaf = actor.leaf(LeafKind::Refused, self);
        let sentence = "the caller's role may not do this";
        Err(self.refuse(leaf, Refused::new(RefusalKind::Forbidden, "wrong_role", sentence)).await)
    }
}
