//! The caller, and the one check that makes one: the register knows the certificate, the
//! token is sound, and both belong to the same partner.

use super::{
    cache::TokenCache,
    certificate::{CertificateFingerprint, Peer},
    refused::TokenRefused,
    token::{TokenVerifier, bearer_token},
    token_key::TokenKeys,
};
use crate::{
    domain::{AreaCode, PartnerId},
    protocol::CallerRole,
};
use http::HeaderMap;
use jiff::Timestamp;
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// A user as its own partner calls it: often a name or an e-mail address, so it has no
/// Display, no serde, and a Debug that says nothing. Its way on is a keyed pseudonym.
#[derive(Clone, PartialEq, Eq)]
pub struct UserSubject(Zeroizing<String>);

impl UserSubject {
    /// From a `sub`; `None` when it is empty, over 256 bytes or holds a control character.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let sound = !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
        sound.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text itself, for the keyed pseudonym of the access log and its sealed private
    /// details, and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserSubject([redacted])")
    }
}

/// Who calls, proved: comes only out of a verified token.
#[derive(Clone)]
pub struct Caller {
    partner: PartnerId,
    user: UserSubject,
    roles: Vec<CallerRole>,
    areas: Vec<AreaCode>,
    certificate: CertificateFingerprint,
    expires: Timestamp,
}

impl Caller {
    pub(super) fn new(
        partner: PartnerId,
        user: UserSubject,
        roles: Vec<CallerRole>,
        areas: Vec<AreaCode>,
        certificate: CertificateFingerprint,
        expires: Timestamp,
    ) -> Self {
        Self { partner, user, roles, areas, certificate, expires }
    }

    /// The organisation that calls.
    #[must_use]
    pub const fn partner(&self) -> &PartnerId {
        &self.partner
    }

    /// The user of that organisation.
    #[must_use]
    pub const fn user(&self) -> &UserSubject {
        &self.user
    }

    /// What the user may act as; never empty.
    #[must_use]
    pub fn roles(&self) -> &[CallerRole] {
        &self.roles
    }

    /// Whether the user may act as `role`.
    #[must_use]
    pub fn may_act_as(&self, role: CallerRole) -> bool {
        self.roles.contains(&role)
    }

    /// The areas that the partner gave its user, sorted. What a protocol gives the partner
    /// bounds them further; that is the protocol's decision, not this room's.
    #[must_use]
    pub fn areas(&self) -> &[AreaCode] {
        &self.areas
    }

    /// Of the certificate of the connection, to which the token is bound.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateFingerprint {
        &self.certificate
    }

    /// When the token ends; a stream that outlives it needs a new one.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("partner", &self.partner)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// What the register says about a certificate it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredCertificate {
    /// Whose it is.
    pub partner: PartnerId,
    /// False once the certificate was revoked or its partner disabled.
    pub active: bool,
}

/// The register of certificates, as of one policy epoch: pure memory, asked on every call.
pub trait CertificateRegister {
    /// What is registered under `fingerprint`; `None` when nothing ever was.
    fn certificate(&self, fingerprint: &CertificateFingerprint) -> Option<RegisteredCertificate>;
}

/// Why a caller is not recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallerRefused {
    /// The authority signed the certificate, but no partner registered it.
    #[error("the certificate of this connection is not in the register of partners")]
    CertificateNotRegistered,
    /// The certificate was revoked in the register, or its partner disabled.
    #[error("the certificate of this connection has been revoked in the register")]
    CertificateRevoked,
    /// It was good when the connection was opened, and is not any more.
    #[error("the certificate of this connection has expired, or is trusted no more")]
    CertificateNotTrusted,
    /// Certificate and token are sound, and of two different partners.
    #[error("the token was issued by another partner than the certificate's")]
    TokenPartnerMismatch,
    /// The token was refused.
    #[error(transparent)]
    Token(#[from] TokenRefused),
}

impl CallerRefused {
    /// The stable word for it, as access-log leaves and error details carry it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::CertificateNotRegistered => "certificate_not_registered",
            Self::CertificateRevoked => "certificate_revoked",
            Self::CertificateNotTrusted => "certificate_not_trusted",
            Self::TokenPartnerMismatch => "token_partner_mismatch",
            Self::Token(refused) => refused.reason(),
        }
    }
}

/// A refusal, with the partner to whom its leaf belongs where the certificate told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{refused}")]
pub struct RefusedCaller {
    /// Why.
    pub refused: CallerRefused,
    /// Whose certificate it was, if the register knows it.
    pub partner: Option<PartnerId>,
}

/// The one check of who calls.
#[derive(Debug)]
pub struct CallerCheck {
    verifier: TokenVerifier,
    cache: TokenCache,
}

impl CallerCheck {
    /// With a cache of its own.
    #[must_use]
    pub const fn new(verifier: TokenVerifier, cache: TokenCache) -> Self {
        Self { verifier, cache }
    }

    /// The caller behind a request's headers on the connection of `peer`, as the register
    /// knows it at `policy_epoch`. The certificate is looked up every time; only the token's
    /// own verification may come from the cache, and never from another epoch.
    ///
    /// # Errors
    /// The certificate's refusal first, then the token's, then that they don't match.
    pub fn recognise<R: CertificateRegister + TokenKeys>(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        register: &R,
        policy_epoch: u64,
        now: Timestamp,
    ) -> Result<Arc<Caller>, RefusedCaller> {
        let refuse = |partner| move |refused| RefusedCaller { refused, partner };
        let holder = register
            .certificate(peer.fingerprint())
            .ok_or(CallerRefused::CertificateNotRegistered)
            .map_err(refuse(None))?;
        let known = Some(holder.partner.clone());
        if !holder.active {
            return Err(refuse(known)(CallerRefused::CertificateRevoked));
        }
        let caller = bearer_token(headers)
            .and_then(|token| {
                let connection = peer.fingerprint();
                self.cache.verify(&self.verifier, token, connection, register, policy_epoch, now)
            })
            .map_err(|refused| refuse(known.clone())(refused.into()))?;
        if *caller.partner() == holder.partner {
            Ok(caller)
        } else {
            Err(refuse(known)(CallerRefused::TokenPartnerMismatch))
        }
    }
}
