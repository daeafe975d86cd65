//! Tokens for clients: a partner issues its own, with its registered token key.

use super::{
    caller::UserSubject, certificate::CertificateFingerprint, token::MAX_LIFETIME_SECONDS,
    token_key::TokenSigningKey,
};
use crate::{domain::AreaCode, protocol::CallerRole};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rand::CryptoRng;
use serde::Serialize;
use std::time::Duration;

/// A token's own id (`jti`): 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenId([u8; 16]);

impl TokenId {
    /// A new one.
    pub fn draw<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct TokenClaims {
    /// The partner's name as an issuer, as registered: its partner id, or a URL of its own.
    pub issuer: String,
    /// The gateway it is for.
    pub audience: String,
    /// The user it is about.
    pub user: UserSubject,
    /// What the user may act as.
    pub roles: Vec<CallerRole>,
    /// The areas of a consumer.
    pub areas: Vec<AreaCode>,
    /// The client certificate it is bound to.
    pub certificate: CertificateFingerprint,
    /// How long it lives, at most [`MAX_LIFETIME_SECONDS`].
    pub lifetime: Duration,
}

/// A token could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// No lifetime, or more than ten minutes.
    #[error("a token lives from 1 to 600 seconds")]
    Lifetime,
    /// It names no role.
    #[error("a token needs at least one role")]
    NoRole,
    /// The time is before 1970 or the claims can't be written.
    #[error("the token could not be written")]
    Write,
    /// The key can't sign.
    #[error("the token key can't sign")]
    Sign,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Body<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    // RFC 9068 §2.2: the client is the partner itself.
    client_id: &'a str,
    exp: i64,
    nbf: i64,
    iat: i64,
    jti: String,
    cnf: Confirmation,
    roles: &'a [CallerRole],
    #[serde(skip_serializing_if = "<[AreaCode]>::is_empty")]
    areas: &'a [AreaCode],
}

#[derive(Serialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    certificate: String,
}

/// An `at+jwt` with these claims, good from `now`.
///
/// # Errors
/// When the lifetime or the roles are not allowed, or the key can't sign.
pub fn mint(
    key: &TokenSigningKey,
    claims: &TokenClaims,
    now: Timestamp,
    id: TokenId,
) -> Result<String, MintError> {
    let lifetime = i64::try_from(claims.lifetime.as_secs()).map_err(|_| MintError::Lifetime)?;
    if !(1..=MAX_LIFETIME_SECONDS).contains(&lifetime) {
        return Err(MintError::Lifetime);
    }
    if claims.roles.is_empty() {
        return Err(MintError::NoRole);
    }
    let now = now.as_second();
    let header = Header { alg: key.algorithm().as_str(), typ: "at+jwt", kid: key.kid() };
    let body = Body {
        iss: &claims.issuer,
        sub: claims.user.expose(),
        aud: &claims.audience,
        client_id: &claims.issuer,
        exp: now + lifetime,
        nbf: now,
        iat: now,
        jti: URL_SAFE_NO_PAD.encode(id.0),
        cnf: Confirmation { certificate: claims.certificate.to_string() },
        roles: &claims.roles,
        areas: &claims.areas,
    };
    let message = format!("{}.{}", encode_part(&header)?, encode_part(&body)?);
    let signature = key.sign(message.as_bytes()).ok_or(MintError::Sign)?;
    Ok(format!("{message}.{signature}"))
}

fn encode_part(part: &impl Serialize) -> Result<String, MintError> {
    let json = serde_json::to_vec(part).map_err(|_| MintError::Write)?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}
