//! Making cosignatures (C2SP tlog-cosignature, `cosignature/v1` with Ed25519).

use crate::{
    keys::{KeyError, SigningKey, Witness},
    verify::WitnessKey,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::fmt;

/// signed-note's type of an Ed25519 cosignature.
const TYPE_COSIGNATURE: u8 = 4;

/// A name that no witness can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a witness's name has 1 to 128 visible ASCII characters, without +")]
pub struct BadName;

/// A witness's name and key. Its Debug shows the name alone.
pub struct WitnessSigner {
    name: String,
    key: SigningKey<Witness>,
    id: [u8; 4],
}

impl fmt::Debug for WitnessSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WitnessSigner").field("name", &self.name).finish_non_exhaustive()
    }
}

impl WitnessSigner {
    /// A witness of this name, which should be a URL without its scheme.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn new(name: &str, key: SigningKey<Witness>) -> Result<Self, BadName> {
        let fits = (1..=128).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_graphic() && b != b'+');
        if !fits {
            return Err(BadName);
        }
        let digest: [u8; 32] = Sha256::new_with_prefix(name)
            .chain_update([b'\n', TYPE_COSIGNATURE])
            .chain_update(key.verifying_key().as_bytes())
            .finalize()
            .into();
        let [a, b, c, d, ..] = digest;
        Ok(Self { name: name.to_owned(), key, id: [a, b, c, d] })
    }

    /// The witness's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The verifier key, `name+hex(id)+base64(04 || public key)`, which gateways and auditors
    /// get out of band.
    #[must_use]
    pub fn vkey(&self) -> String {
        let mut key = vec![TYPE_COSIGNATURE];
        key.extend_from_slice(self.key.verifying_key().as_bytes());
        format!("{}+{}+{}", self.name, hex::encode(self.id), STANDARD.encode(key))
    }

    /// The same as the verifier holds it.
    pub(super) fn verifier(&self) -> Option<WitnessKey> {
        self.vkey().parse().ok()
    }

    /// The signature line under a checkpoint's `text`, at a time in seconds since 1970.
    ///
    /// # Errors
    /// When the key can't sign.
    pub fn cosign(&self, text: &str, time: u64) -> Result<String, KeyError> {
        let signature = self.key.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes())?;
        let blob = [&self.id[..], &time.to_be_bytes(), signature.as_bytes()].concat();
        Ok(format!("\u{2014} {} {}\n", self.name, STANDARD.encode(blob)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    /// Byte for byte what another hand made: see tests/vectors/AUDIT.md.
    #[test]
    fn cosignatures_are_the_standards() {
        let vectors = include_str!("../../tests/vectors/cosignatures.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        // PKCS#8 version 1 of the seed, as `openssl genpkey` writes it.
        let der = "302e020100300506032b657004220420".to_owned() + &text(&vectors["seed"]);
        let key = SigningKey::from_pkcs8(&hex::decode(der).unwrap()).unwrap();
        let signer = WitnessSigner::new("oversight.example/witness", key).unwrap();
        assert_eq!(signer.vkey(), text(&vectors["vkey"]));
        for vector in vectors["cosignatures"].as_array().unwrap() {
            let checkpoint = text(&vector["checkpoint"]);
            let (body, _) = checkpoint.split_once("\n\n").unwrap();
            let line = signer.cosign(&format!("{body}\n"), vector["time"].as_u64().unwrap());
            assert_eq!(line.unwrap(), text(&vector["line"]));
        }
    }

    #[test]
    fn names_keep_to_their_rule() {
        for name in ["", "a b", "a+b", "caf\u{e9}", "a\nb", &"x".repeat(129)] {
            let key = SigningKey::generate(&mut StdRng::seed_from_u64(1)).unwrap();
            assert!(WitnessSigner::new(name, key).is_err(), "{name}");
        }
    }
}
