//! The gateway's own public keys.

use super::{Actor, Denied, Gateway, GatewayError, decide::Decided};
use crate::{
    keys::{KeyError, PseudonymDomain},
    store::{Effect, Logged},
};

/// A key of the gateway, its public part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayKey {
    /// Signs the access log's checkpoints: a verifier key (C2SP signed-note).
    Log {
        /// `name+hash+key`.
        vkey: String,
    },
    /// Signs releases: a JSON Web Key (RFC 8037).
    Release {
        /// The key as JSON.
        jwk: String,
    },
    /// Wraps pseudonyms; it has no public part.
    Pseudonym {
        /// What the pseudonyms stand for.
        domain: PseudonymDomain,
        /// The version under which new ones are wrapped, from 1.
        version: u16,
    },
}

impl Gateway {
    /// Lists the gateway's keys, for any recognised caller: auditors compare them with what
    /// they hold already.
    ///
    /// # Errors
    /// When the look can't be logged.
    pub async fn list_keys(&self, actor: &Actor) -> Result<Logged<Vec<GatewayKey>>, Denied> {
        let jwk = serde_json::to_string(&self.release_key.verifying_key().to_jwk())
            .map_err(|_| GatewayError::Key(KeyError::Refused("write a public key")))?;
        let logged = self
            .settle(actor, |_| {
                let mut keys = vec![
                    GatewayKey::Log { vkey: self.log_vkey() },
                    GatewayKey::Release { jwk: jwk.clone() },
                ];
                keys.extend(PseudonymDomain::ALL.iter().map(|domain| GatewayKey::Pseudonym {
                    domain: *domain,
                    version: self.pseudonymiser.current_version(*domain).number(),
                }));
                Ok(Decided { leaf: self.look(actor, "keys"), effect: Effect::None, answer: keys })
            })
            .await?;
        Ok(logged.map(|(_, keys)| keys))
    }
}
