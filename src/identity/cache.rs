//! Tokens already verified, so that an unchanged one costs a digest and not a signature.
//!
//! The key is the SHA-256 of the token, the connection's certificate and the policy epoch:
//! a token presented on another connection, or after any change of the register, is
//! verified anew. Nothing is kept past its `exp`, and refusals are not kept at all.
//!
//! Bounded by two generations of half the size each: when the younger is full it becomes
//! the elder and the elder is dropped, so no call ever pays for a sweep.

use super::{
    caller::Caller, certificate::CertificateFingerprint, refused::TokenRefused,
    token::TokenVerifier, token_key::TokenKeys,
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// A size that holds the tokens of a large deployment's users at once.
pub const DEFAULT_CAPACITY: usize = 10_000;

#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    token: [u8; 32],
    certificate: CertificateFingerprint,
    policy_epoch: u64,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Key, Arc<Caller>>,
    old: HashMap<Key, Arc<Caller>>,
}

/// Verified tokens, at most as many as its capacity.
pub struct TokenCache {
    generation_size: usize,
    held: Mutex<Generations>,
}

impl TokenCache {
    /// For at most `capacity` tokens (at least two).
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { generation_size: (capacity / 2).max(1), held: Mutex::default() }
    }

    /// As [`TokenVerifier::verify`], from memory where the very same was verified before.
    ///
    /// # Errors
    /// As [`TokenVerifier::verify`].
    pub fn verify(
        &self,
        verifier: &TokenVerifier,
        token: &str,
        connection: &CertificateFingerprint,
        keys: &impl TokenKeys,
        policy_epoch: u64,
        now: Timestamp,
    ) -> Result<Arc<Caller>, TokenRefused> {
        let digest = Sha256::digest(token.as_bytes()).into();
        let key = Key { token: digest, certificate: *connection, policy_epoch };
        if let Some(caller) = self.find(&key, now) {
            return Ok(caller);
        }
        let caller = Arc::new(verifier.verify(token, connection, keys, now)?);
        self.keep(key, Arc::clone(&caller));
        Ok(caller)
    }

    /// How many tokens it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.young.len() + held.old.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, key: &Key, now: Timestamp) -> Option<Arc<Caller>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = held.young.get(key) {
            return (now < caller.expires()).then(|| Arc::clone(caller));
        }
        let caller = held.old.remove(key).filter(|caller| now < caller.expires())?;
        self.insert(&mut held, key.clone(), Arc::clone(&caller));
        Some(caller)
    }

    fn keep(&self, key: Key, caller: Arc<Caller>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.insert(&mut held, key, caller);
    }

    fn insert(&self, held: &mut Generations, key: Key, caller: Arc<Caller>) {
        if held.young.len() >= self.generation_size {
            held.old = std::mem::take(&mut held.young);
        }
        held.young.insert(key, caller);
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("held", &self.len()).finish_non_exhaustive()
    }
}
