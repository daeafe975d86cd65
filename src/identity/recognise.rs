//! Who calls, for every transport: certificate, token and register of one policy epoch agree.
//!
//! A caller that is not recognised is refused with a leaf, of its partner where the
//! certificate told whose it is.

use super::{
    CallerCheck, CallerRefused, CertificateFingerprint, CertificateRegister, Peer,
    RegisteredCertificate, SignedIn, TokenKeyEntry, TokenKeys, TokenPublicKey, UserSubject,
};
use crate::{
    audit::{Leaf, LeafKind},
    domain::{AreaCode, PartnerId},
    gateway::{
        Actor, CallerName, Denied, Gateway, RefusalKind, Refused, Snapshot, register::TokenKey,
    },
    protocol::CallerRole,
};
use http::HeaderMap;
use jiff::civil::Date;
use std::{collections::BTreeSet, sync::Arc};

/// The gateway and the check of callers, shared by all transports.
pub struct Recogniser {
    gateway: Arc<Gateway>,
    check: CallerCheck,
}

impl std::fmt::Debug for Recogniser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recogniser")
    }
}

/// The register of one snapshot, as the check of callers asks it.
#[derive(Debug)]
pub struct RegisterView<'a> {
    snapshot: &'a Snapshot,
    today: Date,
}

impl CertificateRegister for RegisterView<'_> {
    fn certificate(&self, fingerprint: &CertificateFingerprint) -> Option<RegisteredCertificate> {
        let (partner, disabled) = self.snapshot.register().certificate(fingerprint.as_bytes())?;
        Some(RegisteredCertificate { partner: partner.clone(), active: !disabled })
    }
}

impl TokenKeys for RegisterView<'_> {
    fn token_key(&self, issuer: &str, kid: &str) -> TokenKeyEntry {
        match self.snapshot.register().token_key(issuer, kid, self.today) {
            TokenKey::UnknownIssuer => TokenKeyEntry::UnknownIssuer,
            TokenKey::UnknownKey => TokenKeyEntry::UnknownKey,
            TokenKey::Revoked => TokenKeyEntry::Revoked,
            TokenKey::Usable(partner, key) => TokenKeyEntry::Usable {
                partner: partner.clone(),
                key: Arc::new(TokenPublicKey::ed25519(&key)),
            },
        }
    }
}

impl Recogniser {
    /// Over one gateway.
    #[must_use]
    pub const fn new(gateway: Arc<Gateway>, check: CallerCheck) -> Self {
        Self { gateway, check }
    }

    /// The gateway.
    #[must_use]
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// The caller behind a request's headers on the connection of `peer`.
    ///
    /// # Errors
    /// The refusal, which is logged; or that it can't be.
    pub async fn caller(&self, peer: &Peer, headers: &HeaderMap) -> Result<Actor, Denied> {
        self.gateway.catch_up().await?;
        let snapshot = self.gateway.snapshot();
        let view = RegisterView { snapshot: &snapshot, today: self.gateway.today() };
        let now = self.gateway.now();
        if !peer.is_trusted(now) {
            let known = view.certificate(peer.fingerprint()).map(|known| known.partner);
            return Err(self.refuse(known, CallerRefused::CertificateNotTrusted).await);
        }
        let caller = match self.check.recognise(peer, headers, &view, snapshot.epoch(), now) {
            Ok(caller) => caller,
            Err(refused) => return Err(self.refuse(refused.partner, refused.refused).await),
        };
        let partner = caller.partner();
        match self.actor(&snapshot, partner, caller.user(), caller.roles(), caller.areas()) {
            Some(actor) => Ok(actor),
            None => {
                let refused = CallerRefused::CertificateNotRegistered;
                Err(self.refuse(Some(partner.clone()), refused).await)
            }
        }
    }

    /// Whoever signed in with a browser, as the register knows the organisation now.
    ///
    /// # Errors
    /// The refusal of a person whose organisation is not in the register, or barred, which is
    /// logged; or that it can't be.
    pub async fn person(&self, who: &SignedIn) -> Result<Actor, Denied> {
        self.gateway.catch_up().await?;
        let snapshot = self.gateway.snapshot();
        let barred = snapshot.register().partner(&who.partner).is_none_or(|(_, barred)| barred);
        let actor = self.actor(&snapshot, &who.partner, &who.user, &who.roles, &who.areas);
        if let Some(actor) = actor.filter(|_| !barred) {
            return Ok(actor);
        }
        let mut leaf = Leaf::new(LeafKind::Refused, self.gateway.now());
        leaf.partner = Some(who.partner.clone());
        let sentence = "your organisation is not in the register of partners, or is barred in it";
        let kind = RefusalKind::Unauthenticated;
        Err(self.gateway.refuse(leaf, Refused::new(kind, "organisation_barred", sentence)).await)
    }

    /// A caller as the register allows it; `None` where it has no such organisation.
    fn actor(
        &self,
        snapshot: &Snapshot,
        partner: &PartnerId,
        user: &UserSubject,
        roles: &[CallerRole],
        areas: &[AreaCode],
    ) -> Option<Actor> {
        let (entry, _) = snapshot.register().partner(partner)?;
        let claimed: BTreeSet<_> = roles.iter().copied().collect();
        let confined = !areas.is_empty() || !entry.areas.is_empty();
        let areas = confined.then(|| {
            // A token can only narrow what the register allows.
            let named: BTreeSet<_> = areas.iter().cloned().collect();
            match (named.is_empty(), entry.areas.is_empty()) {
                (true, _) => entry.areas.clone(),
                (false, true) => named,
                (false, false) => named.intersection(&entry.areas).cloned().collect(),
            }
        });
        Some(Actor {
            user: self.gateway.user_pseudonym(partner, user.expose()),
            roles: claimed.intersection(&entry.roles).copied().collect(),
            areas,
            entry: snapshot.register().entry(partner),
            name: Some(CallerName::new(user.expose())),
            partner: partner.clone(),
        })
    }

    /// The partner whose certificate the connection showed, where no token is asked for.
    ///
    /// # Errors
    /// The refusal of a certificate that nobody registered or whose partner is shut out,
    /// which is logged; or that it can't be.
    pub async fn partner(&self, peer: &Peer) -> Result<PartnerId, Denied> {
        self.gateway.catch_up().await?;
        let snapshot = self.gateway.snapshot();
        let view = RegisterView { snapshot: &snapshot, today: self.gateway.today() };
        let known = view.certificate(peer.fingerprint());
        if !peer.is_trusted(self.gateway.now()) {
            let partner = known.map(|known| known.partner);
            return Err(self.refuse(partner, CallerRefused::CertificateNotTrusted).await);
        }
        match known {
            Some(RegisteredCertificate { partner, active: true }) => Ok(partner),
            Some(RegisteredCertificate { partner, .. }) => {
                Err(self.refuse(Some(partner), CallerRefused::CertificateRevoked).await)
            }
            None => Err(self.refuse(None, CallerRefused::CertificateNotRegistered).await),
        }
    }

    async fn refuse(&self, partner: Option<PartnerId>, refused: CallerRefused) -> Denied {
        let mut leaf = Leaf::new(LeafKind::Refused, self.gateway.now());
        leaf.partner = partner;
        self.gateway.refuse(leaf, unrecognised(refused)).await
    }
}

fn unrecognised(refused: CallerRefused) -> Refused {
    let sentence = match refused {
        CallerRefused::CertificateNotRegistered => {
            "the certificate of this connection is not in the register of partners"
        }
        CallerRefused::CertificateRevoked => {
            "the partner of this certificate is barred in the register"
        }
        CallerRefused::CertificateNotTrusted => {
            "the certificate of this connection has expired, was revoked by its authority, or its \
             authority is trusted no more"
        }
        CallerRefused::TokenPartnerMismatch => {
            "the token was issued by another partner than the certificate's"
        }
        CallerRefused::Token(_) => "the access token was refused; the reason says why",
    };
    Refused::new(RefusalKind::Unauthenticated, refused.reason(), sentence)
}
