//! The token that goes with each call: minted from the profile, used for eight of its ten
//! minutes, then minted anew before it could expire on the way.

use super::{ConnectorError, profile::Profile};
use crate::{
    identity::{
        Clock, MAX_LIFETIME_SECONDS, MintError, TokenClaims, TokenId, TokenSigningKey, UserSubject,
        mint,
    },
    meters::{TRACEPARENT, TraceParent},
};
use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, Rng as _};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};

/// How long a token is used, of the ten minutes it lives.
const REUSE: SignedDuration = SignedDuration::from_secs(8 * 60);

struct Current {
    authorization: MetadataValue<Ascii>,
    minted: Timestamp,
}

struct State {
    rng: Box<dyn CryptoRng + Send>,
    current: Option<Current>,
}

/// Mints and keeps the profile's token.
pub struct TokenSource {
    key: TokenSigningKey,
    claims: TokenClaims,
    clock: Arc<dyn Clock>,
    /// The trace that all calls are in.
    trace: [u8; 16],
    state: Mutex<State>,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("key", &self.key).finish_non_exhaustive()
    }
}

impl TokenSource {
    /// Of this profile; `rng` draws the tokens' ids.
    ///
    /// # Errors
    /// When the profile's user or roles can't be put into a token.
    pub fn new(
        profile: &Profile,
        clock: Arc<dyn Clock>,
        mut rng: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, ConnectorError> {
        let mut trace = [0; 16];
        rng.fill_bytes(&mut trace);
        let file = profile.file();
        let claims = TokenClaims {
            issuer: profile.issuer().to_owned(),
            audience: file.audience.clone(),
            user: UserSubject::new(&file.user).ok_or(MintError::Write)?,
            roles: file.roles.clone(),
            areas: file.areas.clone(),
            certificate: profile.fingerprint(),
            lifetime: Duration::from_secs(MAX_LIFETIME_SECONDS.unsigned_abs()),
        };
        let state = Mutex::new(State { rng, current: None });
        let source = Self { key: profile.token_key.clone(), claims, clock, trace, state };
        // What can't be minted should fail here, not at the first call.
        source.authorization()?;
        Ok(source)
    }

    /// `Bearer` and a token that has at least two minutes left.
    ///
    /// # Errors
    /// When none can be minted.
    pub fn authorization(&self) -> Result<MetadataValue<Ascii>, MintError> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = &state.current {
            let age = now.duration_since(current.minted);
            // A clock that was set back makes the token one of the future.
            if !age.is_negative() && age < REUSE {
                return Ok(current.authorization.clone());
            }
        }
        let id = TokenId::draw(&mut *state.rng);
        let token = mint(&self.key, &self.claims, now, id)?;
        let mut authorization: MetadataValue<Ascii> =
            format!("Bearer {token}").parse().map_err(|_| MintError::Write)?;
        // Keeps it out of every Debug of the request and of the HTTP/2 compression table.
        authorization.set_sensitive(true);
        state.current = Some(Current { authorization: authorization.clone(), minted: now });
        Ok(authorization)
    }
}

impl TokenSource {
    /// The place of the next call in this client's trace: random, and about nothing that it sends.
    fn place(&self) -> TraceParent {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut span = [0; 8];
        state.rng.fill_bytes(&mut span);
        TraceParent { trace: self.trace, span, sampled: true }
    }
}

/// Adds the token, and the call's place in its trace, to every call of a generated client.
#[derive(Debug, Clone)]
pub struct AddToken(pub Arc<TokenSource>);

impl Interceptor for AddToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let authorization = self.0.authorization().map_err(|_| {
            Status::unauthenticated("no token could be made: check the profile's token_key")
        })?;
        request.metadata_mut().insert("authorization", authorization);
        if let Ok(place) = self.0.place().to_string().parse() {
            request.metadata_mut().insert(TRACEPARENT, place);
        }
        Ok(request)
    }
}
