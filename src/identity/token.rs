//! The strict wrapper around a JSON Web Token.
//!
//! Why it exists: the library's own `decode` accepts tokens without audience, issuer or
//! subject, a numeric issuer, an audience object, a future `nbf`, one that expired 50
//! seconds ago, unknown `crit` and any `typ`, and it reads the machine's clock. So it is
//! used for its signatures alone, and everything a token says is read and judged here
//! (RFC 7515 §5.2, RFC 7519 §7.2, RFC 8705 §3, RFC 8725, RFC 9068 §4).
//!
//! The order: form, header, key, signature, claims, time, binding. The two unverified
//! fields that are used before the signature (`iss`, `kid`) only select a registered key.

use super::{
    caller::{Caller, UserSubject},
    certificate::CertificateFingerprint,
    refused::{ClaimName, TokenRefused},
    token_key::{TokenKeyEntry, TokenKeys},
};
use crate::{domain::AreaCode, protocol::CallerRole};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header::AUTHORIZATION};
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The longest a token may live, `exp` less `iat`, in seconds.
pub const MAX_LIFETIME_SECONDS: i64 = 600;
/// How far a partner's clock may be off ours, in seconds.
pub const LEEWAY_SECONDS: i64 = 5;
/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The longest `sub`, `jti`, `iss` and `kid`, in bytes.
const MAX_TEXT_BYTES: usize = 256;
/// The most roles or areas one token may name.
const MAX_LIST_LENGTH: usize = 256;

/// The token of a call: exactly one `authorization` header of the scheme Bearer (RFC 6750 §2.1).
///
/// # Errors
/// `Missing` when there is none, `Malformed` when there are several or it is of another form.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, TokenRefused> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(TokenRefused::Missing)?;
    if values.next().is_some() {
        return Err(TokenRefused::Malformed);
    }
    let text = value.to_str().map_err(|_| TokenRefused::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(TokenRefused::Malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token) } else { Err(TokenRefused::Malformed) }
}

/// Checks tokens that are meant for one audience: this gateway.
#[derive(Debug, Clone)]
pub struct TokenVerifier {
    audience: String,
}

impl TokenVerifier {
    /// For tokens whose `aud` is or contains `audience`.
    #[must_use]
    pub fn new(audience: impl Into<String>) -> Self {
        Self { audience: audience.into() }
    }

    /// The caller that `token` names, if everything about it holds at `now` on a connection
    /// whose leaf certificate is `connection`.
    ///
    /// # Errors
    /// The first thing that does not hold, in the order of this file's head.
    pub fn verify(
        &self,
        token: &str,
        connection: &CertificateFingerprint,
        keys: &impl TokenKeys,
        now: Timestamp,
    ) -> Result<Caller, TokenRefused> {
        let parts = Parts::of(token)?;
        let header: Header = decode_part(parts.header)?;
        let kid = header.check()?;
        let claims: Claims = decode_part(parts.claims)?;
        let issuer = text(claims.iss.as_ref(), ClaimName::Iss)?;
        let (partner, key) = match keys.token_key(issuer, kid) {
            TokenKeyEntry::UnknownIssuer => return Err(TokenRefused::WrongIssuer),
            TokenKeyEntry::UnknownKey => return Err(TokenRefused::UnknownKey),
            TokenKeyEntry::Revoked => return Err(TokenRefused::RevokedKey),
            TokenKeyEntry::Usable { partner, key } => (partner, key),
        };
        if !header.alg.as_deref().is_some_and(|alg| key.algorithm().is_named(alg)) {
            return Err(TokenRefused::AlgorithmNotAllowed);
        }
        if !key.verifies(parts.signed.as_bytes(), parts.signature) {
            return Err(TokenRefused::BadSignature);
        }
        claims.check_audience(&self.audience)?;
        let subject = text(claims.sub.as_ref(), ClaimName::Sub)?;
        text(claims.jti.as_ref(), ClaimName::Jti)?;
        let roles = claims.roles()?;
        let areas = claims.areas()?;
        let expires = claims.check_time(now)?;
        claims.check_binding(connection)?;
        let user = UserSubject::new(subject).ok_or(TokenRefused::ClaimInvalid(ClaimName::Sub))?;
        Ok(Caller::new(partner, user, roles, areas, *connection, expires))
    }
}

/// The three parts of a compact JWS (RFC 7515 §7.1).
pub(super) struct Parts<'a> {
    pub(super) signed: &'a str,
    pub(super) header: &'a str,
    pub(super) claims: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(token: &'a str) -> Result<Self, TokenRefused> {
        if token.is_empty() {
            return Err(TokenRefused::Missing);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenRefused::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefused::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenRefused::Malformed)?;
        if claims.contains('.') {
            return Err(TokenRefused::Malformed);
        }
        Ok(Self { signed, header, claims, signature })
    }
}

pub(super) fn decode_part<T: DeserializeOwned>(part: &str) -> Result<T, TokenRefused> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefused::Malformed)?;
    // serde would also read a struct from a JSON array, by position.
    if json.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(TokenRefused::Malformed);
    }
    serde_json::from_slice(&json).map_err(|_| TokenRefused::Malformed)
}

/// The protected header: `alg`, `typ`, `kid`, and nothing else.
#[derive(Deserialize)]
struct Header {
    alg: Option<String>,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Header {
    /// The key's id, when the header says nothing it may not say.
    fn check(&self) -> Result<&str, TokenRefused> {
        if self.crit.is_some() {
            return Err(TokenRefused::CriticalHeader);
        }
        if !self.others.is_empty() {
            return Err(TokenRefused::HeaderNotAllowed);
        }
        // RFC 9068 §4: both spellings; a media type's letters may be of either case.
        let typ = self.typ.as_deref().unwrap_or_default();
        if !["at+jwt", "application/at+jwt"].iter().any(|name| typ.eq_ignore_ascii_case(name)) {
            return Err(TokenRefused::WrongType);
        }
        let alg = self.alg.as_deref().unwrap_or_default();
        if !["Ed25519", "EdDSA", "ES256", "RS256"].contains(&alg) {
            return Err(TokenRefused::AlgorithmNotAllowed);
        }
        self.kid
            .as_deref()
            .filter(|kid| kid.len() <= MAX_TEXT_BYTES)
            .ok_or(TokenRefused::UnknownKey)
    }
}

/// The claims, each as whatever JSON it was, so that a wrong form gets its own refusal; a
/// claim named twice fails the parse (RFC 7519 §4).
#[derive(Deserialize)]
struct Claims {
    iss: Option<Value>,
    sub: Option<Value>,
    aud: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    jti: Option<Value>,
    cnf: Option<Confirmation>,
    roles: Option<Value>,
    areas: Option<Value>,
}

/// RFC 7800 §3.1, RFC 8705 §3.1.
#[derive(Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    certificate: Option<String>,
}

impl Claims {
    fn check_audience(&self, ours: &str) -> Result<(), TokenRefused> {
        let invalid = TokenRefused::ClaimInvalid(ClaimName::Aud);
        let named = match self.aud.as_ref() {
            None => return Err(TokenRefused::ClaimMissing(ClaimName::Aud)),
            Some(Value::String(one)) => one == ours,
            Some(Value::Array(several)) => {
                if several.is_empty() || !several.iter().all(Value::is_string) {
                    return Err(invalid);
                }
                several.iter().any(|one| one.as_str() == Some(ours))
            }
            Some(_) => return Err(invalid),
        };
        if named { Ok(()) } else { Err(TokenRefused::WrongAudience) }
    }

    /// When the token ends.
    fn check_time(&self, now: Timestamp) -> Result<Timestamp, TokenRefused> {
        let expires = seconds(self.exp.as_ref(), ClaimName::Exp)?;
        let not_before = seconds(self.nbf.as_ref(), ClaimName::Nbf)?;
        let issued = seconds(self.iat.as_ref(), ClaimName::Iat)?;
        let invalid = TokenRefused::ClaimInvalid(ClaimName::Exp);
        if expires <= issued || expires <= not_before {
            return Err(invalid);
        }
        if expires - issued > MAX_LIFETIME_SECONDS {
            return Err(TokenRefused::LifetimeTooLong);
        }
        let now = now.as_second();
        if now >= expires.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenRefused::Expired);
        }
        let latest_start = now.saturating_add(LEEWAY_SECONDS);
        if not_before > latest_start || issued > latest_start {
            return Err(TokenRefused::NotYetValid);
        }
        Timestamp::from_second(expires).map_err(|_| invalid)
    }

    fn check_binding(&self, connection: &CertificateFingerprint) -> Result<(), TokenRefused> {
        let bound = self
            .cnf
            .as_ref()
            .and_then(|confirmation| confirmation.certificate.as_deref())
            .ok_or(TokenRefused::Unbound)?;
        let bound: CertificateFingerprint =
            bound.parse().map_err(|_| TokenRefused::ClaimInvalid(ClaimName::Cnf))?;
        if bound.is_same(connection) {
            Ok(())
        } else {
            Err(TokenRefused::BoundToAnotherCertificate)
        }
    }

    fn roles(&self) -> Result<Vec<CallerRole>, TokenRefused> {
        let invalid = TokenRefused::ClaimInvalid(ClaimName::Roles);
        let named = list(self.roles.as_ref(), ClaimName::Roles)?
            .ok_or(TokenRefused::ClaimMissing(ClaimName::Roles))?;
        let mut roles = Vec::with_capacity(named.len());
        for name in named {
            let role = CallerRole::from_code(name).ok_or(invalid)?;
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        if roles.is_empty() { Err(invalid) } else { Ok(roles) }
    }

    /// Absent means none: only a consumer needs areas.
    fn areas(&self) -> Result<Vec<AreaCode>, TokenRefused> {
        let named = list(self.areas.as_ref(), ClaimName::Areas)?.unwrap_or_default();
        let mut areas = Vec::with_capacity(named.len());
        for name in named {
            let area = name.parse();
            areas.push(area.map_err(|_| TokenRefused::ClaimInvalid(ClaimName::Areas))?);
        }
        areas.sort_unstable();
        areas.dedup();
        Ok(areas)
    }
}

/// A required string claim: there, a string, neither empty nor too long.
pub(super) fn text(claim: Option<&Value>, name: ClaimName) -> Result<&str, TokenRefused> {
    let value = claim.ok_or(TokenRefused::ClaimMissing(name))?;
    value
        .as_str()
        .filter(|text| !text.is_empty() && text.len() <= MAX_TEXT_BYTES)
        .ok_or(TokenRefused::ClaimInvalid(name))
}

/// A required NumericDate: whole seconds since 1970, not negative. Fractions, which RFC 7519
/// §2 would allow, nobody here needs.
pub(super) fn seconds(claim: Option<&Value>, name: ClaimName) -> Result<i64, TokenRefused> {
    let value = claim.ok_or(TokenRefused::ClaimMissing(name))?;
    value.as_i64().filter(|seconds| *seconds >= 0).ok_or(TokenRefused::ClaimInvalid(name))
}

/// An optional claim that is a list of strings.
pub(super) fn list(
    claim: Option<&Value>,
    name: ClaimName,
) -> Result<Option<Vec<&str>>, TokenRefused> {
    let Some(value) = claim else { return Ok(None) };
    let values = value.as_array().filter(|values| values.len() <= MAX_LIST_LENGTH);
    let texts = values.and_then(|values| values.iter().map(Value::as_str).collect());
    texts.map(Some).ok_or(TokenRefused::ClaimInvalid(name))
}
