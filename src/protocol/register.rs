//! Who may sign for whom: the register of signing keys, and its exchange form.
//!
//! The exchange form is a JWK Set (RFC 7517, key type OKP of RFC 8037), so that any JOSE library reads it;
//! what binds a key to a party stands in members of our own (`party`, `role`, `purpose`), which other
//! readers skip.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::document::{KeyId, MAX_DOCUMENT_BYTES};
use super::fault::{Fault, Rule};
use super::strict;
use super::vocabulary::{SignatoryRole, closed};
use crate::domain::PartnerId;

closed! {
    /// What a partner's key may be used for; a key has exactly one purpose.
    pub enum KeyPurpose {
        ProtocolSigning = "protocol_signing", "signing sharing protocols";
        Token = "token", "issuing access tokens";
        Acknowledgement = "acknowledgement", "acknowledging withdrawals";
    }
}

/// A key as the gateway's register knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredKey {
    /// Its id.
    pub kid: KeyId,
    /// Whose it is.
    pub party: PartnerId,
    /// The office of the person who holds it.
    pub role: SignatoryRole,
    /// What it may be used for.
    pub purpose: KeyPurpose,
    /// The Ed25519 public key (RFC 8032), 32 bytes.
    pub public_key: [u8; 32],
    /// First moment at which it may sign.
    pub valid_from: Timestamp,
    /// Last moment at which it may sign.
    pub valid_until: Timestamp,
    /// From when on it may not, whatever its validity.
    pub revoked_at: Option<Timestamp>,
}

/// The register of keys.
pub trait KeyRegister {
    /// The key with this id, valid or not.
    fn key(&self, kid: &KeyId) -> Option<&RegisteredKey>;
}

/// A register in memory, read from and written as a JWK Set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: BTreeMap<KeyId, RegisteredKey>,
}

impl KeyRegister for KeySet {
    fn key(&self, kid: &KeyId) -> Option<&RegisteredKey> {
        self.keys.get(kid)
    }
}

impl KeySet {
    /// Adds a key.
    ///
    /// # Errors
    /// [`Rule::Duplicate`] when the kid is taken: a kid never changes its key.
    pub fn add(&mut self, key: RegisteredKey) -> Result<(), Fault> {
        if self.keys.contains_key(&key.kid) {
            return Err(Fault::at("/keys", Rule::Duplicate));
        }
        self.keys.insert(key.kid.clone(), key);
        Ok(())
    }

    /// The keys, by kid.
    pub fn keys(&self) -> impl Iterator<Item = &RegisteredKey> {
        self.keys.values()
    }

    /// Reads a JWK Set as [`KeySet::to_json`] writes it.
    ///
    /// # Errors
    /// The first fault, with the JSON pointer to it.
    pub fn parse(text: &[u8]) -> Result<Self, Fault> {
        let set: JwkSet = strict::read(text, MAX_DOCUMENT_BYTES)?;
        let mut keys = Self::default();
        for (place, jwk) in set.keys.into_iter().enumerate() {
            let at = |member: &str, rule| Fault::at(&format!("/keys/{place}{member}"), rule);
            if jwk.kty != "OKP" || jwk.crv != "Ed25519" {
                return Err(at("/kty", Rule::UnknownWord));
            }
            let bytes = URL_SAFE_NO_PAD.decode(&jwk.x).map_err(|_| at("/x", Rule::Malformed))?;
            let public_key = bytes.try_into().map_err(|_| at("/x", Rule::Malformed))?;
            let moment = |seconds: u64, member: &str| {
                let seconds = i64::try_from(seconds).map_err(|_| at(member, Rule::OutOfRange))?;
                Timestamp::from_second(seconds).map_err(|_| at(member, Rule::OutOfRange))
            };
            let key = RegisteredKey {
                kid: jwk.kid,
                party: jwk.party,
                role: jwk.role,
                purpose: jwk.purpose,
                public_key,
                valid_from: moment(jwk.nbf, "/nbf")?,
                valid_until: moment(jwk.exp, "/exp")?,
                revoked_at: jwk.revoked.map(|at| moment(at, "/revoked")).transpose()?,
            };
            keys.add(key).map_err(|_| at("/kid", Rule::Duplicate))?;
        }
        Ok(keys)
    }

    /// The JWK Set, pretty-printed JSON; moments in whole seconds.
    ///
    /// # Errors
    /// [`Rule::OutOfRange`] for a moment before 1970.
    pub fn to_json(&self) -> Result<String, Fault> {
        let seconds = |moment: Timestamp| {
            u64::try_from(moment.as_second()).map_err(|_| Fault::at("/keys", Rule::OutOfRange))
        };
        let jwk = |key: &RegisteredKey| {
            Ok(Jwk {
                kty: "OKP".to_owned(),
                crv: "Ed25519".to_owned(),
                x: URL_SAFE_NO_PAD.encode(key.public_key),
                kid: key.kid.clone(),
                use_: "sig".to_owned(),
                party: key.party.clone(),
                role: key.role,
                purpose: key.purpose,
                nbf: seconds(key.valid_from)?,
                exp: seconds(key.valid_until)?,
                revoked: key.revoked_at.map(seconds).transpose()?,
            })
        };
        let keys = self.keys.values().map(jwk).collect::<Result<_, Fault>>()?;
        serde_json::to_string_pretty(&JwkSet { keys }).map_err(|_| Fault::at("", Rule::Malformed))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    kid: KeyId,
    #[serde(rename = "use")]
    use_: String,
    party: PartnerId,
    role: SignatoryRole,
    purpose: KeyPurpose,
    nbf: u64,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<u64>,
}
