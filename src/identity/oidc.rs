//! Signing in by an organisation's OpenID Connect provider: the code flow with PKCE (OpenID Connect
//! Core 1.0 §3.1, RFC 7636).
//!
//! Invariants: a way back is good for the browser that set out (its cookie), once, within
//! minutes, with the `state` that it left with, on the path of the provider that it set out to
//! (each has a way back of its own, or one could pass on to another's what was begun with it: RFC
//! 9700 §4.4); the code is exchanged with a verifier that never left this process; the ID token must
//! hold the nonce of this very sign-in. Endpoints and keys are the configuration's, never a
//! document's that the provider serves.
//!
//! State, nonce and verifier are made of the cookie by a key of this process, so that nothing is
//! held for those who only set out, however many there are.

use super::{
    id_token::{AskedToken, IdTokenCheck, ProviderKeys},
    refused::TokenRefused,
    session::{Secret, SignedIn},
};
use crate::domain::{PartnerId, Quarter};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Mutex, OnceLock, PoisonError},
};

/// How long somebody may take to sign in at the provider.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// The most ways back that are remembered as used; the provider, too, takes a code once.
const MOST_USED: usize = 10_000;
/// How often the keys may be asked for again because a token names an unknown one.
const KEYS_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// How long keys are believed: one that the provider has withdrawn signs nobody in for longer.
const KEYS_LAST: SignedDuration = SignedDuration::from_hours(1);
/// The longest code that is exchanged, bytes.
const LONGEST_CODE: usize = 4 << 10;

/// A provider's answer, on its way.
pub type Told<'a> = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send + 'a>>;

/// The way to a provider.
pub trait AskProvider: Send + Sync {
    /// Posts a form to the token endpoint; `None` for anything but an answer of 200.
    fn exchange(&self, form: String) -> Told<'_>;

    /// The provider's JWK set.
    fn keys(&self) -> Told<'_>;
}

/// A provider as the configuration says.
pub struct ProviderSettings {
    /// What people know it by.
    pub name: String,
    /// Whose tokens are taken.
    pub check: IdTokenCheck,
    /// Where people sign in.
    pub authorization_endpoint: String,
    /// Where they come back to, on this site.
    pub redirect_uri: String,
}

/// Why a sign-in came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignInRefused {
    /// The browser did not set out from here, took too long, or comes back a second time.
    #[error("no sign-in is under way in this browser")]
    NotUnderWay,
    /// It comes back with another state.
    #[error("the state is not the one that was given along")]
    State,
    /// The provider signed nobody in.
    #[error("the provider gave no code")]
    NoCode,
    /// The provider did not exchange the code, or gives no keys.
    #[error("the provider could not be asked")]
    Provider,
    /// Its token is not good.
    #[error(transparent)]
    Token(#[from] TokenRefused),
}

/// Who came back from a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameBack {
    /// Who signed in.
    pub who: SignedIn,
    /// When they proved who they are, where the provider says so.
    pub proved: Option<Timestamp>,
    /// The quarter that they are to close, where they set out for that.
    pub to_close: Option<Quarter>,
}

/// What one sign-in is bound by.
struct Bound {
    state: Secret,
    nonce: Secret,
    verifier: Secret,
}

type Key = [u8; 32];

/// One organisation's provider.
pub struct Provider {
    settings: ProviderSettings,
    way: Box<dyn AskProvider>,
    keys: tokio::sync::Mutex<(ProviderKeys, Option<Timestamp>)>,
    /// Of this process and provider; drawn when somebody first sets out.
    secret: OnceLock<Secret>,
    /// Ways back that were used, until they would be too old anyway.
    used: Mutex<HashMap<Key, Timestamp>>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

impl Provider {
    /// Nobody signs in yet.
    #[must_use]
    pub fn new(settings: ProviderSettings, way: Box<dyn AskProvider>) -> Self {
        let keys = tokio::sync::Mutex::default();
        Self { settings, way, keys, secret: OnceLock::new(), used: Mutex::default() }
    }

    /// What people know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Sets out: what the browser is to keep, and where it is to go. Whoever sets out to close a
    /// quarter has to prove anew who they are (`prompt`, `max_age`: §3.1.2.1).
    pub fn begin<R: CryptoRng + ?Sized>(
        &self,
        to_close: Option<Quarter>,
        now: Timestamp,
        rng: &mut R,
    ) -> (Secret, String) {
        let until = now.checked_add(PATIENCE).unwrap_or(now).as_second();
        let cookie = Secret::draw(rng).until(until, to_close);
        let secret = self.secret.get_or_init(|| Secret::draw(rng));
        let Bound { state, nonce, verifier } = bound(secret, cookie.expose());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()));
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", &self.settings.check.client_id),
            ("redirect_uri", &self.settings.redirect_uri),
            ("scope", "openid"),
            ("state", state.expose()),
            ("nonce", nonce.expose()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        if to_close.is_some() {
            query.extend([("prompt", "login"), ("max_age", "0")]);
        }
        let query = form_encoded(&query);
        let endpoint = &self.settings.authorization_endpoint;
        let join = if endpoint.contains('?') { '&' } else { '?' };
        let location = format!("{endpoint}{join}{query}");
        (cookie, location)
    }

    /// Comes back: who signed in. Whatever comes of it, the way is used up.
    ///
    /// # Errors
    /// What does not hold.
    pub async fn finish(
        &self,
        cookie: &str,
        state: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<CameBack, SignInRefused> {
        let secret = self.secret.get().ok_or(SignInRefused::NotUnderWay)?;
        let pending = bound(secret, cookie);
        let (until, to_close) = self.use_up(cookie, now)?;
        if !pending.state.is(state) {
            return Err(SignInRefused::State);
        }
        if code.is_empty() || code.len() > LONGEST_CODE {
            return Err(SignInRefused::NoCode);
        }
        let form = form_encoded(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.settings.redirect_uri),
            ("client_id", &self.settings.check.client_id),
            ("code_verifier", pending.verifier.expose()),
        ]);
        let answer = self.way.exchange(form).await.ok_or(SignInRefused::Provider)?;
        let answer: TokenAnswer =
            serde_json::from_slice(&answer).map_err(|_| SignInRefused::Provider)?;
        let keys = self.keys_for(&answer.id_token, now).await?;
        let set_out = until.as_second().saturating_sub(PATIENCE.as_secs());
        let proved_since = to_close.map(|_| set_out);
        let asked = AskedToken { nonce: pending.nonce.expose(), proved_since };
        let (who, proved) = self.settings.check.verify(&answer.id_token, &keys, asked, now)?;
        Ok(CameBack { who, proved, to_close })
    }

    /// Whose people it signs in.
    #[must_use]
    pub const fn partner(&self) -> &PartnerId {
        &self.settings.check.partner
    }

    /// Whether a sign-in is under way by a cookie, until when, and what for; it is none from here
    /// on. What it says of itself is believed once its state is that of the whole of it.
    fn use_up(
        &self,
        cookie: &str,
        now: Timestamp,
    ) -> Result<(Timestamp, Option<Quarter>), SignInRefused> {
        let (until, to_close) = Secret::is_until(cookie).ok_or(SignInRefused::NotUnderWay)?;
        let until = Timestamp::from_second(until).ok().filter(|until| now < *until);
        let until = until.ok_or(SignInRefused::NotUnderWay)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MOST_USED {
            used.retain(|_, until| now < *until);
        }
        if used.len() >= MOST_USED {
            // From here on a way back that was used meets the provider's own rule alone.
            used.clear();
        }
        match used.insert(key(cookie), until) {
            None => Ok((until, to_close)),
            Some(_) => Err(SignInRefused::NotUnderWay),
        }
    }

    /// Whether somebody comes back from this provider and no other, where it says so (RFC 9207).
    #[must_use]
    pub fn is_issuer(&self, said: &str) -> bool {
        said.is_empty() || said == self.settings.check.issuer
    }

    /// The provider's keys, asked for again where they lack the one that a token names, but not
    /// all the time.
    async fn keys_for(&self, token: &str, now: Timestamp) -> Result<ProviderKeys, SignInRefused> {
        let mut held = self.keys.lock().await;
        let older_than = |age| held.1.is_none_or(|asked| now.duration_since(asked) >= age);
        let again = !held.0.has_key_of(token) && older_than(KEYS_AGAIN);
        if again || older_than(KEYS_LAST) {
            let json = self.way.keys().await.ok_or(SignInRefused::Provider)?;
            held.0 = ProviderKeys::parse(&json).map_err(|_| SignInRefused::Provider)?;
            held.1 = Some(now);
        }
        Ok(held.0.clone())
    }
}

/// What a sign-in is bound by, of its cookie: nobody else can say it.
fn bound(secret: &Secret, cookie: &str) -> Bound {
    let of = |what: &str| {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
        mac.update(what.as_bytes());
        mac.update(&[0]);
        mac.update(cookie.as_bytes());
        Some(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    };
    let of = |what: &str| Secret::known(of(what).unwrap_or_default());
    Bound { state: of("state"), nonce: of("nonce"), verifier: of("verifier") }
}

fn key(cookie: &str) -> Key {
    Sha256::digest(cookie.as_bytes()).into()
}

/// Pairs as `application/x-www-form-urlencoded` (WHATWG URL §5.2), which queries are, too.
#[must_use]
pub fn form_encoded(pairs: &[(&str, &str)]) -> String {
    let text = |text: &str| -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._*".contains(&b);
        let byte = |b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
        text.bytes().map(byte).collect()
    };
    let pair = |(name, value): &(&str, &str)| format!("{}={}", text(name), text(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    /// A provider that answers nothing.
    struct Silent;

    impl AskProvider for Silent {
        fn exchange(&self, _: String) -> Told<'_> {
            Box::pin(async { None })
        }

        fn keys(&self) -> Told<'_> {
            Box::pin(async { None })
        }
    }

    fn provider(name: &str) -> Provider {
        let check = IdTokenCheck {
            issuer: format!("https://{name}.example"),
            client_id: "tallygate".to_owned(),
            partner: "centres".parse().unwrap(),
            user_claim: "sub".to_owned(),
        };
        let settings = ProviderSettings {
            name: name.to_owned(),
            check,
            authorization_endpoint: format!("https://{name}.example/authorize"),
            redirect_uri: "https://gateway.example/sign-in/back/0".to_owned(),
        };
        Provider::new(settings, Box::new(Silent))
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    fn state_of(location: &str) -> String {
        location.split("&state=").nth(1).unwrap().split('&').next().unwrap().to_owned()
    }

    /// What becomes of somebody who comes back; that far nobody is signed in.
    async fn back(one: &Provider, cookie: &Secret, state: &str, minute: i64) -> SignInRefused {
        one.finish(cookie.expose(), state, "code", at(minute)).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_way_back_is_good_once_in_time_and_for_this_provider() {
        let (here, other) = (provider("here"), provider("other"));
        let mut rng = StdRng::seed_from_u64(3);
        let mut set_out = |one: &Provider| {
            let (cookie, location) = one.begin(None, at(0), &mut rng);
            (cookie, state_of(&location))
        };
        // Up to the provider, which exchanges nothing: everything before it held.
        let (cookie, state) = set_out(&here);
        assert_eq!(back(&here, &cookie, &state, 9).await, SignInRefused::Provider);
        assert_eq!(back(&here, &cookie, &state, 9).await, SignInRefused::NotUnderWay);
        let (cookie, state) = set_out(&here);
        assert_eq!(back(&here, &cookie, &state, 10).await, SignInRefused::NotUnderWay);
        // Longer than it was good for: the time is part of what the state is made of.
        let longer = cookie.expose().replace(".1800000600", ".1800009999");
        let longer = back(&here, &Secret::known(longer), &state, 10).await;
        assert_eq!(longer, SignInRefused::State);
        // What was begun with one provider is no use at the other.
        let (cookie, state) = set_out(&here);
        set_out(&other);
        assert_eq!(back(&other, &cookie, &state, 1).await, SignInRefused::State);
        assert!(here.is_issuer("") && here.is_issuer("https://here.example"));
        assert!(!here.is_issuer("https://other.example"));
    }

    #[tokio::test]
    async fn what_somebody_set_out_for_is_bound() {
        let (here, mut rng) = (provider("here"), StdRng::seed_from_u64(3));
        let quarter: Quarter = "2026Q1".parse().unwrap();
        let (cookie, location) = here.begin(Some(quarter), at(0), &mut rng);
        assert!(location.contains("&prompt=login&max_age=0"));
        let state = state_of(&location);
        for other in ["", ".2026Q2", ".x", ".2026Q1.2026Q1"] {
            let other = Secret::known(cookie.expose().replace(".2026Q1", other));
            let refused = back(&here, &other, &state, 1).await;
            assert!(matches!(refused, SignInRefused::State | SignInRefused::NotUnderWay));
        }
        assert_eq!(back(&here, &cookie, &state, 1).await, SignInRefused::Provider);
        let (_, location) = here.begin(None, at(0), &mut rng);
        assert!(!location.contains("prompt") && !location.contains("max_age"));
    }

    #[tokio::test]
    async fn nobody_is_shut_out_by_those_who_only_set_out() {
        let (here, mut rng) = (provider("here"), StdRng::seed_from_u64(3));
        let (cookie, location) = here.begin(None, at(0), &mut rng);
        for _ in 0..MOST_USED * 2 {
            here.begin(None, at(0), &mut rng);
        }
        let first = back(&here, &cookie, &state_of(&location), 1).await;
        assert_eq!(first, SignInRefused::Provider);
    }
}
