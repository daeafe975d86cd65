//! What every service starts with: who is calling, by certificate, token and register.

use super::status;
use crate::{
    audit::{Leaf, LeafKind},
    gateway::{
        Actor, CallerName, Denied, Gateway, RefusalKind, Refused, Snapshot, register::TokenKey,
    },
    identity::{
        CallerCheck, CallerRefused, CertificateFingerprint, CertificateRegister, Peer,
        RegisteredCertificate, TokenKeyEntry, TokenKeys, TokenPublicKey,
    },
};
use http::HeaderMap;
use jiff::civil::Date;
use std::{collections::BTreeSet, sync::Arc};
use tonic::{Request, Status};

/// The gateway and the check of callers, shared by all services.
pub struct Frame {
    gateway: Arc<Gateway>,
    check: CallerCheck,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Frame")
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

impl Frame {
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

    /// Who is calling: certificate, token and register agree. A refusal is logged.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with the reason, or `UNAVAILABLE` when it can't be logged.
    pub fn recognise<'a, T>(
        &'a self,
        request: &'a Request<T>,
    ) -> impl Future<Output = Result<Actor, Status>> + Send + 'a {
        // What is asked for has no say in who asks: compiled once and not for every message.
        self.recognise_by(request.extensions().get(), request.metadata().as_ref())
    }

    async fn recognise_by(
        &self,
        peer: Option<&Peer>,
        headers: &HeaderMap,
    ) -> Result<Actor, Status> {
        self.gateway.catch_up().await.map_err(|error| status::of(Denied::Failed(error)))?;
        let snapshot = self.gateway.snapshot();
        let Some(peer) = peer else {
            return Err(Status::internal("the connection has no certificate"));
        };
        let view = RegisterView { snapshot: &snapshot, today: self.gateway.today() };
        let now = self.gateway.now();
        let caller = match self.check.recognise(peer, headers, &view, snapshot.epoch(), now) {
            Ok(caller) => caller,
            Err(refused) => {
                let mut leaf = Leaf::new(LeafKind::Refused, now);
                leaf.partner = refused.partner;
                return Err(self.refuse(leaf, unrecognised(refused.refused)).await);
            }
        };
        let partner = caller.partner().clone();
        let Some((entry, _)) = snapshot.register().partner(&partner) else {
            let mut leaf = Leaf::new(LeafKind::Refused, now);
            leaf.partner = Some(partner);
            return Err(self
                .refuse(leaf, unrecognised(CallerRefused::CertificateNotRegistered))
                .await);
        };
        let claimed: BTreeSet<_> = caller.roles().iter().copied().collect();
        let confined = !caller.areas().is_empty() || !entry.areas.is_empty();
        let areas = confined.then(|| {
            // A token can only narrow what the register allows.
            let named: BTreeSet<_> = caller.areas().iter().cloned().collect();
            match (named.is_empty(), entry.areas.is_empty()) {
                (true, _) => entry.areas.clone(),
                (false, true) => named,
                (false, false) => named.intersection(&entry.areas).cloned().collect(),
            }
        });
        Ok(Actor {
            user: self.gateway.user_pseudonym(&partner, caller.user().expose()),
            roles: claimed.intersection(&entry.roles).copied().collect(),
            areas,
            entry: snapshot.register().entry(&partner),
            name: Some(CallerName::new(caller.user().expose())),
            partner,
        })
    }

    /// A use case's denial as a status; its refusal's receipt goes with it.
    #[must_use]
    pub fn status(&self, denied: Denied) -> Status {
        status::of(denied)
    }

    async fn refuse(&self, leaf: Leaf, refused: Refused) -> Status {
        status::of(self.gateway.refuse(leaf, refused).await)
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
        CallerRefused::TokenPartnerMismatch => {
            "the token was issued by another partner than the certificate's"
        }
        CallerRefused::Token(_) => "the access token was refused; the reason says why",
    };
    Refused::new(RefusalKind::Unauthenticated, refused.reason(), sentence)
}
