//! The register of partners: its entries as stored, and compiled for quick look-ups.

use crate::{
    domain::{AreaCode, PartnerId},
    keys::Jwk,
    protocol::{
        CallerRole, KeyId, KeyRegister, RegisteredKey, SignatoryRole, register::KeyPurpose,
    },
    store::{StoreError, partners},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// A partner's entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// Its id.
    pub partner: PartnerId,
    /// Its name.
    pub name: String,
    /// ODS or other organisation code.
    pub org_code: String,
    /// Registration number with the Information Commissioner.
    pub ico_registration: String,
    /// What its callers may be.
    pub roles: BTreeSet<CallerRole>,
    /// Areas its consumers may see.
    pub areas: BTreeSet<AreaCode>,
    /// SHA-256 fingerprints of its client certificates, hexadecimal.
    pub certificates: Vec<Fingerprint>,
    /// Its public keys.
    pub keys: Vec<PartnerKey>,
}

/// A SHA-256 fingerprint of a certificate; in text 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(String::deserialize(from)?, &mut bytes)
            .map_err(|_| serde::de::Error::custom("64 hexadecimal digits"))?;
        Ok(Self(bytes))
    }
}

/// A partner's public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerKey {
    /// The key, an Ed25519 JSON Web Key with its id.
    pub jwk: Jwk,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Who signs with it, for a key that signs protocols.
    pub role: Option<SignatoryRole>,
    /// First day of its validity.
    pub valid_from: Date,
    /// Last day of its validity.
    pub valid_until: Date,
}

/// What a token key in the register is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKey<'a> {
    /// No such partner.
    UnknownIssuer,
    /// The partner has no such key.
    UnknownKey,
    /// The key, or its partner, may no longer be used.
    Revoked,
    /// The partner's key.
    Usable(&'a PartnerId, [u8; 32]),
}

/// The register, compiled.
#[derive(Debug, Default)]
pub struct Register {
    partners: BTreeMap<PartnerId, (Arc<Partner>, bool)>,
    certificates: HashMap<[u8; 32], PartnerId>,
    signing: HashMap<KeyId, RegisteredKey>,
}

impl KeyRegister for Register {
    fn key(&self, kid: &KeyId) -> Option<&RegisteredKey> {
        self.signing.get(kid)
    }
}

const CORRUPT: StoreError = StoreError::Corrupt { table: "partner", column: "entry", row: 0 };

impl Register {
    /// From stored entries.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: a register that can't be read in full is not used in part.
    pub fn compile(entries: Vec<partners::Entry>) -> Result<Self, StoreError> {
        let mut register = Self::default();
        for entry in entries {
            let partner: Partner = serde_json::from_str(&entry.json).map_err(|_| CORRUPT)?;
            if partner.partner != entry.partner {
                return Err(CORRUPT);
            }
            for certificate in &partner.certificates {
                register.certificates.insert(certificate.0, partner.partner.clone());
            }
            for key in &partner.keys {
                // Keys for other purposes too, so that a signature by one is told apart from
                // one by an unknown key; what they may be used for is checked by purpose.
                let registered = registered(&partner, key).ok_or(CORRUPT)?;
                register.signing.insert(registered.kid.clone(), registered);
            }
            register.partners.insert(entry.partner, (Arc::new(partner), entry.disabled));
        }
        Ok(register)
    }

    /// A partner's entry, and whether it is barred.
    #[must_use]
    pub fn partner(&self, id: &PartnerId) -> Option<(&Partner, bool)> {
        self.partners.get(id).map(|(partner, disabled)| (&**partner, *disabled))
    }

    /// A partner's entry to keep, as it is now.
    #[must_use]
    pub fn entry(&self, id: &PartnerId) -> Option<Arc<Partner>> {
        self.partners.get(id).map(|(partner, _)| Arc::clone(partner))
    }

    /// Every entry, by id, and whether it is barred.
    pub fn partners(&self) -> impl Iterator<Item = (&Partner, bool)> {
        self.partners.values().map(|(partner, disabled)| (&**partner, *disabled))
    }

    /// Whose certificate this is, and whether the partner is barred.
    #[must_use]
    pub fn certificate(&self, fingerprint: &[u8; 32]) -> Option<(&PartnerId, bool)> {
        let id = self.certificates.get(fingerprint)?;
        self.partner(id).map(|(partner, disabled)| (&partner.partner, disabled))
    }

    /// A partner's token key on a day.
    #[must_use]
    pub fn token_key(&self, issuer: &str, kid: &str, today: Date) -> TokenKey<'_> {
        let Some((partner, disabled)) =
            issuer.parse().ok().and_then(|id: PartnerId| self.partners.get(&id))
        else {
            return TokenKey::UnknownIssuer;
        };
        let Some(key) =
            partner.keys.iter().find(|k| k.purpose == KeyPurpose::Token && k.jwk.kid == kid)
        else {
            return TokenKey::UnknownKey;
        };
        if *disabled || today < key.valid_from || today > key.valid_until {
            return TokenKey::Revoked;
        }
        key.jwk.verifying_key().map_or(TokenKey::UnknownKey, |public| {
            TokenKey::Usable(&partner.partner, *public.as_bytes())
        })
    }
}

fn registered(partner: &Partner, key: &PartnerKey) -> Option<RegisteredKey> {
    let midnight = |day: Date| -> Option<Timestamp> {
        day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    Some(RegisteredKey {
        kid: key.jwk.kid.parse().ok()?,
        party: partner.partner.clone(),
        // Only keys that sign protocols have an office; no other key's is ever asked.
        role: key.role.unwrap_or(SignatoryRole::DesignatedPerson),
        purpose: key.purpose,
        public_key: *key.jwk.verifying_key().ok()?.as_bytes(),
        valid_from: midnight(key.valid_from)?,
        valid_until: midnight(key.valid_until.tomorrow().ok()?)?,
        revoked_at: None,
    })
}
