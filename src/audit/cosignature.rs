//! Cosignatures as the gateway takes them in (C2SP tlog-cosignature, `cosignature/v1`): the
//! request to a witness is written, and its answer believed only where its key, time and
//! signature fit.

use super::Hash;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// signed-note's type of an Ed25519 cosignature.
const TYPE_COSIGNATURE: u8 = 4;

/// Not a witness's verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a witness's verifier key: name+8 hex digits+base64, of the kind for cosignatures")]
pub struct BadWitnessKey;

/// A witness's verifier key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: [u8; 4],
    public_key: [u8; 32],
}

impl fmt::Display for WitnessKey {
    /// Its name and key id: `name+hex`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.name, hex::encode(self.id))
    }
}

impl FromStr for WitnessKey {
    type Err = BadWitnessKey;

    /// Reads `name+hex(id)+base64(04 || public key)`.
    fn from_str(text: &str) -> Result<Self, BadWitnessKey> {
        let (name, rest) = text.split_once('+').ok_or(BadWitnessKey)?;
        let (id, key) = rest.split_once('+').ok_or(BadWitnessKey)?;
        let key = STANDARD.decode(key).map_err(|_| BadWitnessKey)?;
        let public_key = match key.split_first() {
            Some((&TYPE_COSIGNATURE, public_key)) => public_key,
            _ => return Err(BadWitnessKey),
        };
        let public_key: [u8; 32] = public_key.try_into().map_err(|_| BadWitnessKey)?;
        let digest: [u8; 32] =
            Sha256::new_with_prefix(name).chain_update(b"\n").chain_update(&key).finalize().into();
        let [a, b, c, d, ..] = digest;
        let is_name = !name.is_empty()
            && name.len() <= 255
            && !name.chars().any(|c| c.is_whitespace() || c.is_control());
        if is_name && hex::encode([a, b, c, d]) == id {
            Ok(Self { name: name.to_owned(), id: [a, b, c, d], public_key })
        } else {
            Err(BadWitnessKey)
        }
    }
}

/// A cosignature that fits its checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness's time, seconds since 1970-01-01 UTC.
    pub time: u64,
    /// The signature line, with its line break.
    pub line: String,
}

impl WitnessKey {
    /// The witness's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether another witness has the same key, under whatever name.
    #[must_use]
    pub fn has_key_of(&self, other: &Self) -> bool {
        self.public_key == other.public_key
    }

    /// The whole verifier key, as it is read.
    #[must_use]
    pub fn vkey(&self) -> String {
        let key = [&[TYPE_COSIGNATURE], &self.public_key[..]].concat();
        format!("{self}+{}", STANDARD.encode(key))
    }

    /// The key's id, eight hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(self.id)
    }

    /// The one cosignature by this key among the lines of a witness's answer, under a
    /// checkpoint's `text`. Lines by other keys are ignored, as the standard has it; two by
    /// this one, or one that does not fit, are none.
    #[must_use]
    pub fn cosignature(&self, answer: &str, text: &str) -> Option<Cosignature> {
        let mut own = answer.split_inclusive('\n').filter_map(|line| {
            let (name, blob) =
                line.strip_prefix("\u{2014} ")?.strip_suffix('\n')?.split_once(' ')?;
            let blob = STANDARD.decode(blob).ok()?;
            let (id, rest) = blob.split_first_chunk::<4>()?;
            (name == self.name && *id == self.id).then(|| (line, rest.to_vec()))
        });
        let ((line, blob), None) = (own.next()?, own.next()) else { return None };
        let (time, signature) = blob.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        let message = format!("cosignature/v1\ntime {time}\n{text}");
        let key = UnparsedPublicKey::new(&ED25519, self.public_key);
        let fits = key.verify(message.as_bytes(), signature).is_ok() && i64::try_from(time).is_ok();
        fits.then(|| Cosignature { time, line: line.to_owned() })
    }
}

/// The text of a signed checkpoint: what stands before its signatures.
#[must_use]
pub fn text_of(checkpoint: &str) -> &str {
    checkpoint.find("\n\n").and_then(|end| checkpoint.get(..=end)).unwrap_or(checkpoint)
}

/// The body of an `add-checkpoint` request (C2SP tlog-witness).
#[must_use]
pub fn request(old: u64, proof: &[Hash], checkpoint: &str) -> String {
    let hashes = proof.iter().map(|hash| format!("{}\n", STANDARD.encode(hash.as_bytes())));
    format!("old {old}\n{}\n{checkpoint}", hashes.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/cosignatures.json")).unwrap()
    }

    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }

    #[test]
    fn cosignatures_of_another_hand_are_taken_and_altered_ones_ignored() {
        let vectors = vectors();
        let vkey = text(&vectors["vkey"]);
        let key: WitnessKey = vkey.parse().unwrap();
        assert!(vkey.starts_with(&key.to_string()));
        for vector in vectors["cosignatures"].as_array().unwrap() {
            let (body, line) = (text_of(text(&vector["checkpoint"])), text(&vector["line"]));
            let taken = key.cosignature(line, body).unwrap();
            assert_eq!((taken.time, &*taken.line), (vector["time"].as_u64().unwrap(), line));
            let stranger = format!("\u{2014} other.example {}\n", STANDARD.encode([4; 76]));
            for around in [format!("{stranger}{line}"), format!("{line}{stranger}not a line")] {
                assert_eq!(key.cosignature(&around, body).as_ref(), Some(&taken));
            }
            assert_eq!(key.cosignature(&format!("{line}{line}"), body), None, "twice");
            assert_eq!(key.cosignature(&stranger, body), None, "by an unknown key");
            assert_eq!(key.cosignature(line, &body.replace("example", "elsewhere")), None);
            assert_eq!(key.cosignature(line.trim_end(), body), None, "cut short");
            for at in 0..line.len() {
                let mut altered = line.as_bytes().to_vec();
                altered[at] ^= 1;
                let altered = String::from_utf8_lossy(&altered);
                assert_eq!(key.cosignature(&altered, body), None, "byte {at}");
            }
        }
    }

    #[test]
    fn only_keys_for_cosignatures_are_read() {
        let vectors = vectors();
        let good = text(&vectors["vkey"]);
        for bad in [
            "",
            text(&vectors["log_vkey"]),
            &good.replace("oversight", "overnight"),
            &good.replace("c86bf9ec", "c86bf9ed"),
            &good[..good.len() - 4],
            &format!("{good}\n"),
        ] {
            assert_eq!(bad.parse::<WitnessKey>(), Err(BadWitnessKey), "{bad}");
        }
    }

    #[test]
    fn a_request_is_the_standards() {
        let hashes = [Hash::new([0; 32]), Hash::new([255; 32])];
        assert_eq!(
            request(7, &hashes, "o\n9\nr\n\n\u{2014} o s\n"),
            "old 7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
             //////////////////////////////////////////8=\n\no\n9\nr\n\n\u{2014} o s\n"
        );
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(answer in "\\PC{0,200}|(\u{2014} [a-z.]{1,30} [A-Za-z0-9+/=]{0,120}\n){0,4}") {
            let key: WitnessKey = text(&vectors()["vkey"]).parse().unwrap();
            prop_assert_eq!(key.cosignature(&answer, "o\n1\nr\n"), None);
        }

        #[test]
        fn no_text_makes_a_key_panic(text in "\\PC{0,100}|[a-z]{0,9}[+][0-9a-f]{8}[+][A-Za-z0-9+/=]{0,60}") {
            let _ = text.parse::<WitnessKey>();
            let _ = text.parse::<crate::verify::WitnessKey>();
        }
    }
}
