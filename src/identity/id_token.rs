//! What an OpenID Connect provider says of somebody who signed in: its ID token, judged as
//! strictly as an access token (OpenID Connect Core 1.0 §3.1.3.7, RFC 8725).
//!
//! The library is used for signatures alone; everything a token says is read and judged here. The
//! key is one of the provider's own set, found by `kid`; no header of a token leads to a key. What
//! a person may do is still the register's to say: roles and areas can only narrow it.

use super::{
    refused::{ClaimName, TokenRefused},
    session::SignedIn,
    token::{LEEWAY_SECONDS, MAX_TOKEN_BYTES, Parts, decode_part, list, seconds, text},
    token_key::{InvalidTokenKey, TokenPublicKey},
};
use crate::{
    domain::{AreaCode, PartnerId},
    identity::UserSubject,
    protocol::CallerRole,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use subtle::ConstantTimeEq;

/// How long ago a token may have been issued: it comes straight from the provider.
const FRESH_SECONDS: i64 = 300;
/// The most keys of a provider.
const MOST_KEYS: usize = 64;
/// Headers that lead to keys.
const LEADING: [&str; 4] = ["jku", "jwk", "x5u", "x5c"];

/// The keys of a provider (RFC 7517 §5), by id; those of other kinds or for other uses are left
/// out.
#[derive(Debug, Clone, Default)]
pub struct ProviderKeys(HashMap<String, TokenPublicKey>);

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Map<String, Value>>,
}

impl ProviderKeys {
    /// From a JWK set.
    ///
    /// # Errors
    /// When it is none, or holds no key that can be used.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidTokenKey> {
        let set: KeySet = serde_json::from_slice(json).map_err(|_| InvalidTokenKey::Public)?;
        let mut keys = HashMap::new();
        for key in set.keys.iter().take(MOST_KEYS) {
            let kid = key.get("kid").and_then(Value::as_str);
            let signs = key.get("use").is_none_or(|used| used == "sig");
            if let (Some(kid), true, Ok(public)) = (kid, signs, TokenPublicKey::from_jwk(key)) {
                keys.insert(kid.to_owned(), public);
            }
        }
        if keys.is_empty() { Err(InvalidTokenKey::Kind) } else { Ok(Self(keys)) }
    }

    /// Whether it has the key that a token names, which is not judged otherwise yet.
    #[must_use]
    pub fn has_key_of(&self, token: &str) -> bool {
        let header = token.split('.').next().and_then(|part| decode_part::<Header>(part).ok());
        header.and_then(|header| header.kid).is_some_and(|kid| self.0.contains_key(&kid))
    }
}

/// Whose ID tokens are taken, and for which organisation they speak.
#[derive(Debug, Clone)]
pub struct IdTokenCheck {
    /// The provider's `iss`, exactly.
    pub issuer: String,
    /// What the provider calls this gateway.
    pub client_id: String,
    /// The organisation whose people the provider knows.
    pub partner: PartnerId,
    /// The claim by which the organisation's tokens call the same people, `sub` where it is that:
    /// by two names one person would be two.
    pub user_claim: String,
}

#[derive(Deserialize)]
struct Header {
    alg: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<Value>,
    aud: Option<Value>,
    azp: Option<Value>,
    exp: Option<Value>,
    iat: Option<Value>,
    nonce: Option<Value>,
    auth_time: Option<Value>,
    roles: Option<Value>,
    areas: Option<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What an ID token must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedToken<'a> {
    /// The nonce that the sign-in began with.
    pub nonce: &'a str,
    /// From when on the person must have proved who they are, seconds since 1970, where the sign-in
    /// was asked to be a fresh one: an older one may be whoever sits at that screen now.
    pub proved_since: Option<i64>,
}

impl IdTokenCheck {
    /// Who signed in, and when they proved who they are where the provider says so, if everything
    /// about the token holds at `now` for the sign-in that asked for it.
    ///
    /// # Errors
    /// The first thing that does not hold: form, header, key, signature, claims, time.
    pub fn verify(
        &self,
        token: &str,
        keys: &ProviderKeys,
        asked: AskedToken<'_>,
        now: Timestamp,
    ) -> Result<(SignedIn, Option<Timestamp>), TokenRefused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenRefused::Malformed);
        }
        let parts = Parts::of(token)?;
        let header: Header = decode_part(parts.header)?;
        if header.crit.is_some() {
            return Err(TokenRefused::CriticalHeader);
        }
        if LEADING.iter().any(|name| header.others.contains_key(*name)) {
            return Err(TokenRefused::HeaderNotAllowed);
        }
        let kid = header.kid.as_deref().unwrap_or_default();
        let is_jwt = |typ: &Value| typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("jwt"));
        if !header.others.get("typ").is_none_or(is_jwt) {
            return Err(TokenRefused::HeaderNotAllowed);
        }
        let key = keys.0.get(kid).ok_or(TokenRefused::UnknownKey)?;
        if !header.alg.as_deref().is_some_and(|alg| key.algorithm().is_named(alg)) {
            return Err(TokenRefused::AlgorithmNotAllowed);
        }
        if !key.verifies(parts.signed.as_bytes(), parts.signature) {
            return Err(TokenRefused::BadSignature);
        }
        let claims: Claims = decode_part(parts.claims)?;
        if text(claims.iss.as_ref(), ClaimName::Iss)? != self.issuer {
            return Err(TokenRefused::WrongIssuer);
        }
        claims.check_audience(&self.client_id)?;
        claims.check_time(now)?;
        let shown = text(claims.nonce.as_ref(), ClaimName::Nonce)?;
        if !bool::from(shown.as_bytes().ct_eq(asked.nonce.as_bytes())) {
            return Err(TokenRefused::WrongNonce);
        }
        let proved = claims.proved(asked.proved_since, now)?;
        let subject = text(claims.others.get(&self.user_claim), ClaimName::Sub)?;
        let who = SignedIn {
            partner: self.partner.clone(),
            user: UserSubject::new(subject).ok_or(TokenRefused::ClaimInvalid(ClaimName::Sub))?,
            roles: claims.roles()?,
            areas: claims.areas()?,
        };
        Ok((who, proved))
    }
}

impl Claims {
    /// `aud` is this client, or a list with it of which `azp` says that it is the one meant.
    fn check_audience(&self, ours: &str) -> Result<(), TokenRefused> {
        let invalid = TokenRefused::ClaimInvalid(ClaimName::Aud);
        let is_ours = match self.aud.as_ref() {
            None => return Err(TokenRefused::ClaimMissing(ClaimName::Aud)),
            Some(Value::String(one)) => one == ours,
            Some(Value::Array(several)) if several.iter().all(Value::is_string) => {
                let named = several.iter().any(|one| one.as_str() == Some(ours));
                named && (several.len() == 1 || self.azp.is_some())
            }
            Some(_) => return Err(invalid),
        };
        let is_meant = self.azp.as_ref().is_none_or(|azp| azp.as_str() == Some(ours));
        if is_ours && is_meant { Ok(()) } else { Err(TokenRefused::WrongAudience) }
    }

    fn check_time(&self, now: Timestamp) -> Result<(), TokenRefused> {
        let expires = seconds(self.exp.as_ref(), ClaimName::Exp)?;
        let issued = seconds(self.iat.as_ref(), ClaimName::Iat)?;
        let now = now.as_second();
        if now >= expires.saturating_add(LEEWAY_SECONDS)
            || now > issued.saturating_add(FRESH_SECONDS)
        {
            return Err(TokenRefused::Expired);
        }
        if issued > now.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenRefused::NotYetValid);
        }
        Ok(())
    }

    /// When the person proved who they are (OpenID Connect Core 1.0 §2, `auth_time`): it must be
    /// said, and be late enough, where a fresh sign-in was asked for.
    fn proved(
        &self,
        since: Option<i64>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, TokenRefused> {
        if self.auth_time.is_none() && since.is_none() {
            return Ok(None);
        }
        let at = seconds(self.auth_time.as_ref(), ClaimName::AuthTime)?;
        if at > now.as_second().saturating_add(LEEWAY_SECONDS) {
            return Err(TokenRefused::NotYetValid);
        }
        if since.is_some_and(|since| at < since.saturating_sub(LEEWAY_SECONDS)) {
            return Err(TokenRefused::Expired);
        }
        let invalid = |_| TokenRefused::ClaimInvalid(ClaimName::AuthTime);
        Timestamp::from_second(at).map(Some).map_err(invalid)
    }

    fn roles(&self) -> Result<Vec<CallerRole>, TokenRefused> {
        let named = list(self.roles.as_ref(), ClaimName::Roles)?;
        let named = named.ok_or(TokenRefused::ClaimMissing(ClaimName::Roles))?;
        // A provider's list may hold roles of other services.
        let roles: Vec<CallerRole> = named.into_iter().filter_map(CallerRole::from_code).collect();
        if roles.is_empty() { Err(TokenRefused::ClaimInvalid(ClaimName::Roles)) } else { Ok(roles) }
    }

    fn areas(&self) -> Result<Vec<AreaCode>, TokenRefused> {
        let invalid = TokenRefused::ClaimInvalid(ClaimName::Areas);
        let named = match list(self.areas.as_ref(), ClaimName::Areas)? {
            // Of no area: without the claim it would be of all that the organisation has.
            Some(named) if named.is_empty() => return Err(invalid),
            named => named.unwrap_or_default(),
        };
        let read =
            |name: &str| name.parse().map_err(|_| TokenRefused::ClaimInvalid(ClaimName::Areas));
        named.into_iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::TokenSigningKey;
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{Ed25519KeyPair, KeyPair},
    };
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };
    use serde_json::json;

    fn provider() -> (TokenSigningKey, ProviderKeys) {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let set = json!({ "keys": [
            { "kty": "oct", "kid": "secret", "k": "AAAA" },
            { "kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig",
              "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()) },
        ] });
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(pkcs8.as_ref())
        );
        let keys = ProviderKeys::parse(set.to_string().as_bytes()).unwrap();
        (TokenSigningKey::from_pem("k1", &pem).unwrap(), keys)
    }

    fn token(key: &TokenSigningKey, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = key.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{signature}")
    }

    #[test]
    fn a_token_is_taken_whole_or_not_at_all() {
        let (key, keys) = provider();
        let check = IdTokenCheck {
            issuer: "https://login.example".to_owned(),
            client_id: "tallygate".to_owned(),
            partner: "centres".parse().unwrap(),
            user_claim: "sub".to_owned(),
        };
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let header = json!({ "alg": "EdDSA", "kid": "k1", "typ": "JWT" });
        let claims = json!({
            "iss": "https://login.example", "aud": "tallygate", "sub": "somebody", "nonce": "n",
            "exp": 1_800_000_300, "iat": 1_800_000_000, "roles": ["consumer", "printer"],
            "areas": ["CC01"],
        });
        let asked = AskedToken { nonce: "n", proved_since: None };
        let judged = |header: &Value, claims: &Value| {
            check.verify(&token(&key, header, claims), &keys, asked, now)
        };
        let (good, proved) = judged(&header, &claims).unwrap();
        assert_eq!(proved, None);
        assert_eq!((good.roles.len(), good.areas.len()), (1, 1));
        use ClaimName::{Areas, Aud, Exp, Iat, Iss, Nonce, Roles, Sub};
        use TokenRefused::{
            AlgorithmNotAllowed, ClaimInvalid, ClaimMissing, CriticalHeader, Expired,
            HeaderNotAllowed, NotYetValid, UnknownKey, WrongAudience, WrongIssuer, WrongNonce,
        };
        for (field, value, refused) in [
            ("iss", json!("https://evil.example"), WrongIssuer),
            ("iss", json!(["https://login.example"]), ClaimInvalid(Iss)),
            ("aud", json!("other"), WrongAudience),
            ("aud", json!(["tallygate", "other"]), WrongAudience),
            ("aud", json!({ "tallygate": 1 }), ClaimInvalid(Aud)),
            ("azp", json!("other"), WrongAudience),
            ("nonce", json!("m"), WrongNonce),
            ("nonce", Value::Null, ClaimMissing(Nonce)),
            ("exp", json!(1_799_999_990), Expired),
            ("exp", json!("soon"), ClaimInvalid(Exp)),
            ("iat", json!(1_799_999_000), Expired),
            ("iat", json!(1_800_000_100), NotYetValid),
            ("iat", json!(1.5), ClaimInvalid(Iat)),
            ("sub", json!(7), ClaimInvalid(Sub)),
            ("roles", json!(["printer"]), ClaimInvalid(Roles)),
            ("roles", json!("consumer"), ClaimInvalid(Roles)),
            ("areas", json!([]), ClaimInvalid(Areas)),
        ] {
            let mut changed = claims.clone();
            changed[field] = value;
            assert_eq!(judged(&header, &changed), Err(refused), "{field}");
        }
        for (field, value, refused) in [
            ("kid", json!("secret"), UnknownKey),
            ("alg", json!("HS256"), AlgorithmNotAllowed),
            ("alg", json!("none"), AlgorithmNotAllowed),
            ("crit", json!(["exp"]), CriticalHeader),
            ("jku", json!("https://evil.example"), HeaderNotAllowed),
            ("typ", json!("at+jwt"), HeaderNotAllowed),
        ] {
            let mut changed = header.clone();
            changed[field] = value;
            assert_eq!(judged(&changed, &claims), Err(refused), "{field}");
        }
        // A person is called as the organisation's access tokens call it.
        let by_name = IdTokenCheck { user_claim: "upn".to_owned(), ..check.clone() };
        let mut named = claims.clone();
        named["upn"] = json!("data-officer-1");
        let called = |claims| by_name.verify(&token(&key, &header, claims), &keys, asked, now);
        assert_eq!(called(&named).unwrap().0.user.expose(), "data-officer-1");
        assert_eq!(called(&claims), Err(ClaimMissing(Sub)));
        let (other, _) = provider();
        let forged = check.verify(&token(&other, &header, &claims), &keys, asked, now);
        assert_eq!(forged, Err(TokenRefused::BadSignature));
    }

    #[test]
    fn a_fresh_sign_in_must_be_said_to_be_one() {
        let (key, keys) = provider();
        let check = IdTokenCheck {
            issuer: "https://login.example".to_owned(),
            client_id: "tallygate".to_owned(),
            partner: "centres".parse().unwrap(),
            user_claim: "sub".to_owned(),
        };
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let header = json!({ "alg": "EdDSA", "kid": "k1" });
        let judged = |proved: Value, since: Option<i64>| {
            let claims = json!({
                "iss": "https://login.example", "aud": "tallygate", "sub": "somebody", "nonce": "n",
                "exp": 1_800_000_300, "iat": 1_800_000_000, "roles": ["consumer"],
                "auth_time": proved,
            });
            let asked = AskedToken { nonce: "n", proved_since: since };
            let judged = check.verify(&token(&key, &header, &claims), &keys, asked, now);
            judged.map(|(_, proved)| proved.map(Timestamp::as_second))
        };
        let since = Some(1_799_999_900);
        assert_eq!(judged(json!(1_799_999_950), since), Ok(Some(1_799_999_950)));
        // An hour old: told, but no fresh one.
        assert_eq!(judged(json!(1_799_996_400), None), Ok(Some(1_799_996_400)));
        assert_eq!(judged(json!(1_799_996_400), since), Err(TokenRefused::Expired));
        assert_eq!(judged(json!(1_800_000_900), None), Err(TokenRefused::NotYetValid));
        let unsaid = TokenRefused::ClaimMissing(ClaimName::AuthTime);
        assert_eq!(judged(Value::Null, since), Err(unsaid));
        let invalid = TokenRefused::ClaimInvalid(ClaimName::AuthTime);
        assert_eq!(judged(json!("now"), None), Err(invalid));
    }
}
