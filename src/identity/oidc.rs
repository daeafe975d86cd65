//! Signing in by an organisation's OpenID Connect provider: the code flow with PKCE (OpenID Connect
//! Core 1.0 §3.1, RFC 7636).
//!
//! Invariants: a way back is good for the browser that set out (its cookie), once, within
//! minutes, with the `state` that it left with; the code is exchanged with a verifier that never
//! left this process; the ID token must hold the nonce of this very sign-in. Endpoints and keys
//! are the configuration's, never a document's that the provider serves.

use super::{
    id_token::{IdTokenCheck, ProviderKeys},
    refused::TokenRefused,
    session::{Secret, SignedIn},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

/// How long somebody may take to sign in at the provider.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// The most sign-ins under way.
const MOST_PENDING: usize = 10_000;
/// How often the keys may be asked for again because a token names an unknown one.
const KEYS_AGAIN: SignedDuration = SignedDuration::from_mins(1);
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

struct Pending {
    state: Secret,
    nonce: Secret,
    verifier: Secret,
    until: Timestamp,
}

type Key = [u8; 32];

/// One organisation's provider.
pub struct Provider {
    settings: ProviderSettings,
    way: Box<dyn AskProvider>,
    keys: tokio::sync::Mutex<(ProviderKeys, Option<Timestamp>)>,
    pending: Mutex<HashMap<Key, Pending>>,
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
        Self { settings, way, keys, pending: Mutex::default() }
    }

    /// What people know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Sets out: what the browser is to keep, and where it is to go.
    pub fn begin<R: CryptoRng + ?Sized>(&self, now: Timestamp, rng: &mut R) -> (Secret, String) {
        let [cookie, state, nonce, verifier] = [0; 4].map(|_| Secret::draw(rng));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()));
        let query = form_encoded(&[
            ("response_type", "code"),
            ("client_id", &self.settings.check.client_id),
            ("redirect_uri", &self.settings.redirect_uri),
            ("scope", "openid"),
            ("state", state.expose()),
            ("nonce", nonce.expose()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = &self.settings.authorization_endpoint;
        let join = if endpoint.contains('?') { '&' } else { '?' };
        let location = format!("{endpoint}{join}{query}");
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|_, one| now < one.until);
        if pending.len() >= MOST_PENDING {
            // Whoever sets out again and again shuts out nobody but those who did long ago.
            let oldest = pending.iter().min_by_key(|(_, one)| one.until).map(|(key, _)| *key);
            oldest.and_then(|oldest| pending.remove(&oldest));
        }
        let until = now.checked_add(PATIENCE).unwrap_or(now);
        pending.insert(key(cookie.expose()), Pending { state, nonce, verifier, until });
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
    ) -> Result<SignedIn, SignInRefused> {
        let pending = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.remove(&key(cookie)).filter(|one| now < one.until)
        };
        let pending = pending.ok_or(SignInRefused::NotUnderWay)?;
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
        let nonce = pending.nonce.expose();
        Ok(self.settings.check.verify(&answer.id_token, &keys, nonce, now)?)
    }

    /// The provider's keys, asked for again where they lack the one that a token names, but not
    /// all the time.
    async fn keys_for(&self, token: &str, now: Timestamp) -> Result<ProviderKeys, SignInRefused> {
        let mut held = self.keys.lock().await;
        let rested = held.1.is_none_or(|asked| now.duration_since(asked) >= KEYS_AGAIN);
        if !held.0.has_key_of(token) && rested {
            held.1 = Some(now);
            let json = self.way.keys().await.ok_or(SignInRefused::Provider)?;
            held.0 = ProviderKeys::parse(&json).map_err(|_| SignInRefused::Provider)?;
        }
        Ok(held.0.clone())
    }
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
