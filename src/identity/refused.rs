//! Why a token is refused: one reason for each trap, and never a word of the token itself.

use std::fmt;

/// A claim that every token must carry, as RFC 9068 §2.2 and RFC 8705 §3.1 name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimName {
    /// Who issued it: one string.
    Iss,
    /// Whom it is about: the partner's own id of the user.
    Sub,
    /// For whom it is: a string or a list of strings.
    Aud,
    /// Until when, in seconds since 1970.
    Exp,
    /// From when.
    Nbf,
    /// When it was issued.
    Iat,
    /// Its own id.
    Jti,
    /// The certificate it is bound to.
    Cnf,
    /// What the user may act as.
    Roles,
    /// The areas of a consumer.
    Areas,
    /// What ties an ID token to the sign-in it was asked for by.
    Nonce,
    /// When the person of an ID token proved who they are.
    AuthTime,
}

impl ClaimName {
    /// As the token writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iss => "iss",
            Self::Sub => "sub",
            Self::Aud => "aud",
            Self::Exp => "exp",
            Self::Nbf => "nbf",
            Self::Iat => "iat",
            Self::Jti => "jti",
            Self::Cnf => "cnf",
            Self::Roles => "roles",
            Self::Areas => "areas",
            Self::Nonce => "nonce",
            Self::AuthTime => "auth_time",
        }
    }
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A token was refused. [`TokenRefused::reason`] is the word that leaves, logs and clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// No `authorization: Bearer` came with the call.
    #[error("send a token: authorization: Bearer and an at+jwt")]
    Missing,
    /// Not three parts of base64url, not JSON objects, a claim named twice, or too long.
    #[error("the token is not a well-formed JWT")]
    Malformed,
    /// `typ` is missing or not `at+jwt`.
    #[error("the token's typ must be at+jwt")]
    WrongType,
    /// `alg` is none, a shared secret, unknown, or not the one its key is registered for.
    #[error("the token's alg is not the one its key is registered for")]
    AlgorithmNotAllowed,
    /// `crit` asks for something this gateway does not know.
    #[error("the token's crit header names something this gateway does not know")]
    CriticalHeader,
    /// A header beyond `alg`, `typ` and `kid`, such as `jku`, `x5u` or `jwk`.
    #[error("the token's header may hold alg, typ and kid only")]
    HeaderNotAllowed,
    /// `iss` is not an issuer the register knows.
    #[error("the token's issuer is not in the register")]
    WrongIssuer,
    /// `kid` is missing or names no token key of its issuer.
    #[error("the token's kid names no registered key of its issuer")]
    UnknownKey,
    /// The key was registered once and has been revoked since.
    #[error("the token's key has been revoked")]
    RevokedKey,
    /// The signature does not verify.
    #[error("the token's signature does not verify")]
    BadSignature,
    /// A required claim is not there.
    #[error("the token lacks the claim {0}")]
    ClaimMissing(ClaimName),
    /// A claim is there in a form that is not allowed.
    #[error("the token's claim {0} has a form that is not allowed")]
    ClaimInvalid(ClaimName),
    /// `aud` does not name this gateway.
    #[error("the token is for another audience")]
    WrongAudience,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It lives longer than ten minutes.
    #[error("the token may live 600 seconds at most")]
    LifetimeTooLong,
    /// `cnf` has no `x5t#S256`: anyone who finds the token could use it.
    #[error("the token is not bound to a certificate: it needs cnf with x5t#S256")]
    Unbound,
    /// It is bound to a certificate that is not this connection's.
    #[error("the token is bound to another certificate")]
    BoundToAnotherCertificate,
    /// An ID token of another sign-in.
    #[error("the token was asked for by another sign-in")]
    WrongNonce,
}

impl TokenRefused {
    /// The stable word for it, as access-log leaves and error details carry it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Malformed => "token_malformed",
            Self::WrongType => "token_wrong_type",
            Self::AlgorithmNotAllowed => "token_algorithm_not_allowed",
            Self::CriticalHeader => "token_critical_header",
            Self::HeaderNotAllowed => "token_header_not_allowed",
            Self::WrongIssuer => "token_wrong_issuer",
            Self::UnknownKey => "token_unknown_key",
            Self::RevokedKey => "token_revoked_key",
            Self::BadSignature => "token_bad_signature",
            Self::ClaimMissing(_) => "token_claim_missing",
            Self::ClaimInvalid(_) => "token_claim_invalid",
            Self::WrongAudience => "token_wrong_audience",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::LifetimeTooLong => "token_lifetime_too_long",
            Self::Unbound => "token_unbound",
            Self::BoundToAnotherCertificate => "token_bound_to_another_certificate",
            Self::WrongNonce => "token_wrong_nonce",
        }
    }
}
