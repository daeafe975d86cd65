//! A signed release, and its verification without a gateway.
//!
//! A release is signed as JWS in the General JSON serialisation (RFC 7515 §7.2.1), the same
//! envelope as the protocols': payload the canonical bytes, protected header `alg`
//! (`Ed25519`, RFC 9864; `EdDSA` is accepted), `kid` and `typ`. Any JOSE library checks it.
//! Signing and checking keys stay outside of this room: they come in as functions.
//!
//! Beyond the signature, [`verify_release`] recomputes what the release cost from the
//! catalogue, and with the releases before it the whole ledger.

use super::{
    DisclosureError,
    catalogue::{Base, Catalogue},
    error::Contradiction,
    ledger::{Ledger, Limits},
    release::{NoisyTable, Release},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// The `typ` of a signed release.
pub const RELEASE_TYPE: &str = "tallygate-release+jws";

/// A release in its signed envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedRelease {
    /// The canonical bytes, base64url.
    pub payload: String,
    /// The signatures; one.
    pub signatures: Vec<Signature>,
}

/// A signature over the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The protected header, base64url of its JSON.
    pub protected: String,
    /// The Ed25519 signature, base64url.
    pub signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

impl SealedRelease {
    /// Signs a release. `sign` makes an Ed25519 signature of the bytes it is given with the
    /// key that `kid` names.
    ///
    /// # Errors
    /// What `sign` returns, or [`DisclosureError::UnreadableRelease`] as its conversion.
    pub fn seal<E: From<DisclosureError>>(
        release: &Release,
        kid: &str,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<Self, E> {
        let header =
            Header { alg: "Ed25519".into(), kid: kid.to_owned(), typ: RELEASE_TYPE.into() };
        let header = serde_json_canonicalizer::to_vec(&header)
            .map_err(|_| DisclosureError::UnreadableRelease)?;
        let protected = URL_SAFE_NO_PAD.encode(header);
        let payload = URL_SAFE_NO_PAD.encode(release.canonical_bytes()?);
        let signature = sign(format!("{protected}.{payload}").as_bytes())?;
        let signature = Signature { protected, signature: URL_SAFE_NO_PAD.encode(signature) };
        Ok(Self { payload, signatures: vec![signature] })
    }
}

/// Checks a sealed release's envelope and signature and reads it.
///
/// `check` is given the key id, the signed bytes and the signature, and says whether a key
/// that the caller trusts for releases made it.
///
/// # Errors
/// [`DisclosureError::WrongSignature`], [`DisclosureError::UnreadableRelease`].
pub fn open_release(
    sealed: &SealedRelease,
    check: impl FnOnce(&str, &[u8], &[u8; 64]) -> bool,
) -> Result<Release, DisclosureError> {
    const WRONG: DisclosureError = DisclosureError::WrongSignature;
    let [only] = sealed.signatures.as_slice() else { return Err(WRONG) };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| WRONG);
    let header: Header = serde_json::from_slice(&decode(&only.protected)?).map_err(|_| WRONG)?;
    if !matches!(header.alg.as_str(), "Ed25519" | "EdDSA") || header.typ != RELEASE_TYPE {
        return Err(WRONG);
    }
    let signature: [u8; 64] = decode(&only.signature)?.try_into().map_err(|_| WRONG)?;
    let signed = format!("{}.{}", only.protected, sealed.payload);
    if !check(&header.kid, signed.as_bytes(), &signature) {
        return Err(WRONG);
    }
    let bytes =
        URL_SAFE_NO_PAD.decode(&sealed.payload).map_err(|_| DisclosureError::UnreadableRelease)?;
    Release::from_canonical_bytes(&bytes)
}

/// Checks a release against its catalogue, the policy's limits and the releases before it
/// (in order, the first one of the deployment first): the catalogue's digest, each table's
/// shape and noise, the recomputed budget, and the chain of digests.
///
/// # Errors
/// [`DisclosureError::WrongRelease`] with what contradicts.
pub fn verify_release(
    release: &Release,
    catalogue: &Catalogue,
    limits: Limits,
    before: &[Release],
) -> Result<(), DisclosureError> {
    let wrong = |what| Err(DisclosureError::WrongRelease { quarter: release.quarter, what });
    if release.catalogue.digest != catalogue.digest()? {
        return wrong(Contradiction::Catalogue);
    }
    let rows = |base| match base {
        Base::ReachArea => release.geography.areas.len(),
        Base::Authority => 1,
    };
    let agrees = |noisy: &NoisyTable| {
        catalogue.table(&noisy.id).is_some_and(|table| {
            (noisy.base, noisy.cap, noisy.periods, noisy.variance)
                == (table.base, table.cap, table.periods, table.variance)
                && (noisy.ages, noisy.adults) == (table.ages, table.adults)
                && noisy.cells == table.cells
                && noisy.counts.len() == rows(table.base)
                && noisy.counts.iter().all(|row| row.len() == table.cells.len())
        })
    };
    let ids = |index: usize| release.tables.get(index).map(|table| &table.id);
    let due = || catalogue.due_in(release.quarter);
    let in_order = (0..).zip(due()).all(|(i, table)| ids(i) == Some(&table.id));
    if release.tables.len() != due().count() || !in_order || !release.tables.iter().all(agrees) {
        return wrong(Contradiction::Tables);
    }
    let last = before.last().map(Release::digest).transpose()?;
    if release.previous != last {
        return wrong(Contradiction::Predecessor);
    }
    let ledger = Ledger::after(limits, before);
    if ledger.cost(catalogue, release.quarter).ok().as_ref() != Some(&release.budget) {
        return wrong(Contradiction::Budget);
    }
    Ok(())
}
