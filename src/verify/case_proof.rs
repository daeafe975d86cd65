//! Checking the proof of a case of a subject's rights, offline: nothing but the document and the
//! log's verifier keys is needed, and nothing is shared with what wrote it.
//!
//! Each entry must stand in a tree that the log signed, be a leaf of the kind that it is given as,
//! and name the SHA-256 of the document beside it. The statements must be about one case. An
//! acknowledgement is a General JWS (RFC 7515 §7.2.1) of one Ed25519 signature; the key beside it
//! must be the one that its header names by the thumbprint (RFC 7638). Whose key that is the
//! gateway's register said, whose acts the log has.

use super::{
    leaf::{self, LeafProblem},
    note::VerifierKey,
    tlog_proof::{TlogProof, TlogProofProblem},
};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// A proof as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: u32,
    kind: String,
    leaves: Vec<Shown>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    what: String,
    entry: String,
    proof: String,
    document: Option<String>,
    /// The public key of an acknowledgement, base64url.
    #[serde(default)]
    key: Option<String>,
}

#[derive(Deserialize)]
struct Jws {
    payload: String,
    signatures: [Signature; 1],
}

#[derive(Deserialize)]
struct Signature {
    protected: String,
    signature: String,
}

#[derive(Deserialize)]
struct Header {
    kid: String,
    typ: String,
}

#[derive(Debug, Deserialize)]
struct Opening {
    case: String,
    choice: String,
    partner: String,
    requested_on: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    acknowledged: BTreeSet<String>,
    case: String,
    looked_on: String,
    #[expect(dead_code, reason = "it makes the statement one that can't be tried")]
    nonce: String,
    not_acknowledged: BTreeSet<String>,
    to_be_erased: String,
}

/// What an acknowledgement says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    notices: BTreeSet<String>,
    partner: String,
    schema: u32,
}

/// What a proof shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseProved {
    /// Who opened the case.
    pub partner: String,
    /// What was chosen.
    pub choice: String,
    /// The day it was asked for.
    pub requested_on: String,
    /// When it bound, RFC 3339.
    pub opened_at: String,
    /// The opener's own signed acknowledgements.
    pub acknowledgements: usize,
    /// How many of the notices to the opener are acknowledged by them.
    pub acknowledged: usize,
    /// How many of the notices to the opener are not.
    pub not_acknowledged: usize,
    /// The day on which the gateway looked and found nothing that was to be erased.
    pub looked_on: String,
}

/// Why a document proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseProofProblem {
    /// Not a proof of a case.
    #[error("it is not a proof of a case")]
    Form,
    /// An entry's proof.
    #[error("entry {number}: {source}")]
    Proof {
        /// Which, from 1.
        number: usize,
        /// What is wrong.
        source: TlogProofProblem,
    },
    /// An entry is no leaf.
    #[error("entry {number}: {problem}")]
    Leaf {
        /// Which, from 1.
        number: usize,
        /// What is wrong.
        problem: LeafProblem,
    },
    /// An entry is not what it is given as.
    #[error("entry {number} is not what it is given as")]
    Other {
        /// Which, from 1.
        number: usize,
    },
    /// The document beside an entry is not the one that it names.
    #[error("the document beside entry {number} is not the one that the log names")]
    Document {
        /// Which, from 1.
        number: usize,
    },
    /// An acknowledgement's signature does not verify.
    #[error("the acknowledgement beside entry {number} is not signed with the key that it names")]
    Signature {
        /// Which, from 1.
        number: usize,
    },
    /// An acknowledgement that the statement speaks of is not there.
    #[error("the statement speaks of an acknowledgement that is not there")]
    Unacknowledged,
    /// The opening or the statement is missing, or they are about two cases.
    #[error("opening and statement are not both there, or not of one case")]
    Apart,
}

/// Checks a proof; `keys` are the verifier keys of the years' logs.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify_case(text: &str, keys: &[VerifierKey]) -> Result<CaseProved, CaseProofProblem> {
    let document: Document = serde_json::from_str(text).map_err(|_| CaseProofProblem::Form)?;
    if document.schema != 1 || document.kind != "tallygate-case-proof" {
        return Err(CaseProofProblem::Form);
    }
    let (mut opening, mut stated) = (None, None);
    let mut words: Vec<(usize, Word)> = Vec::new();
    for (number, shown) in (1..).zip(&document.leaves) {
        let at = check(number, shown, keys)?;
        let text = shown.document.as_deref().unwrap_or_default();
        let form = |_| CaseProofProblem::Form;
        match shown.what.as_str() {
            "opened" if opening.is_none() => {
                opening = Some((serde_json::from_str::<Opening>(text).map_err(form)?, at));
            }
            "stated" if stated.is_none() => {
                stated = Some(serde_json::from_str::<Stated>(text).map_err(form)?);
            }
            "acknowledged" => {
                let key = shown.key.as_deref().unwrap_or_default();
                let word = signed(text, key).ok_or(CaseProofProblem::Signature { number })?;
                words.push((number, word));
            }
            _ => return Err(CaseProofProblem::Form),
        }
    }
    let (Some((opening, opened_at)), Some(stated)) = (opening, stated) else {
        return Err(CaseProofProblem::Apart);
    };
    let nothing = "none is in the stores or their files";
    if opening.case != stated.case || stated.to_be_erased != nothing {
        return Err(CaseProofProblem::Apart);
    }
    // Each acknowledgement is the opener's own and of what the statement names, and all of that
    // is acknowledged.
    let mut left = stated.acknowledged.clone();
    for (number, word) in &words {
        let own = word.schema == 1 && word.partner == opening.partner;
        if !own || word.notices.is_disjoint(&stated.acknowledged) {
            return Err(CaseProofProblem::Document { number: *number });
        }
        left.retain(|id| !word.notices.contains(id));
    }
    if !left.is_empty() || !stated.acknowledged.is_disjoint(&stated.not_acknowledged) {
        return Err(CaseProofProblem::Unacknowledged);
    }
    Ok(CaseProved {
        partner: opening.partner,
        choice: opening.choice,
        requested_on: opening.requested_on,
        opened_at,
        acknowledgements: words.len(),
        acknowledged: stated.acknowledged.len(),
        not_acknowledged: stated.not_acknowledged.len(),
        looked_on: stated.looked_on,
    })
}

/// What an acknowledgement says, where it is signed with the key that it names.
fn signed(text: &str, key: &str) -> Option<Word> {
    let jws: Jws = serde_json::from_str(text).ok()?;
    let [Signature { protected, signature }] = jws.signatures;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&protected).ok()?).ok()?;
    let thumbprint = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{key}"}}"#);
    let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(thumbprint.as_bytes()));
    if header.kid != kid || header.typ != "tallygate-acknowledgement+json" {
        return None;
    }
    let public = URL_SAFE_NO_PAD.decode(key).ok()?;
    let message = format!("{protected}.{}", jws.payload);
    UnparsedPublicKey::new(&ED25519, public)
        .verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?)
        .ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&jws.payload).ok()?).ok()
}

/// Checks one entry; gives its time.
fn check(number: usize, shown: &Shown, keys: &[VerifierKey]) -> Result<String, CaseProofProblem> {
    let proof = |source| CaseProofProblem::Proof { number, source };
    let path = TlogProof::parse(&shown.proof).map_err(proof)?;
    let mut verdict = Err(CaseProofProblem::Other { number });
    for key in keys {
        verdict = path.verify(shown.entry.as_bytes(), key).map(drop).map_err(proof);
        if verdict.is_ok() {
            break;
        }
    }
    verdict?;
    let mut scratch = Vec::new();
    let leaf = leaf::read(shown.entry.as_bytes(), &mut scratch)
        .map_err(|problem| CaseProofProblem::Leaf { number, problem })?;
    let kind = match shown.what.as_str() {
        "opened" => "case_opened",
        "stated" => "case_proved",
        "acknowledged" => "notices_acknowledged",
        _ => return Err(CaseProofProblem::Form),
    };
    if leaf.kind != Some(kind) || leaf.decision != Some("granted") {
        return Err(CaseProofProblem::Other { number });
    }
    let named = shown.document.as_ref().map(|text| hex::encode(Sha256::digest(text.as_bytes())));
    if leaf.document != named.as_deref() {
        return Err(CaseProofProblem::Document { number });
    }
    Ok(leaf.at.unwrap_or_default().to_owned())
}
