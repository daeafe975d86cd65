//! `tallygate protocol new`, `sign` and `verify`: a protocol as a paper, without a gateway.
//!
//! A private key is read here and never leaves the machine; what is written is the General
//! JWS JSON (RFC 7515 §7.2.1) that the other signatories add theirs to.

use super::{
    CliError, Console, Outcome,
    output::{Format, Printing, Record},
    partner_file::read_text,
    protocol_draft::hand_over,
};
use crate::{
    domain::PartnerId,
    identity::{Clock, SystemClock},
    keys::{ProtocolSigning, SigningKey},
    protocol::{
        Adherence, Envelope, KeySet, Protocol, Reinstating, Revoking, RootPolicy, SignatoryRole,
        SignatureError, Signed, Verified,
        adherence::Agreement,
        jws::{Algorithm, ProtectedHeader},
        register::KeyRegister,
        signing::{Document, Draft, verify},
    },
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const SIGN_HELP: &str = "\
FILE is a draft (JSON, from `protocol new`) or a copy that others have signed already; the root
disclosure policy, deeds of adherence, revocations and reinstatements are signed the same way. A
protocol, a policy and a deed must name the key, by its kid.
Roles: siro, caldicott_guardian, dpo_advice, director, designated_person.

Examples:
  tallygate protocol sign isp-health.json --key siro.pem --party health --role siro > signed.json
  tallygate protocol sign signed.json --key guardian.pem --party health --role caldicott_guardian \\
    --out signed-twice.json";

const VERIFY_HELP: &str = "\
The keys are a JWK Set that binds each key to its party, role and purpose, as the demo's jwks.json.
Exit code 1 when a signature does not verify, or one is still missing.

Example:
  tallygate protocol verify isp-health.json --keys jwks.json";

#[derive(Debug, clap::Args)]
#[command(after_help = SIGN_HELP)]
pub(super) struct Sign {
    /// The draft, or the copy that others have signed.
    file: PathBuf,
    /// The private signing key: Ed25519, PKCS#8 PEM.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// The party that is signed for.
    #[arg(long, value_name = "PARTNER")]
    party: PartnerId,
    /// The office in which is signed.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: SignatoryRole,
    /// Write here instead of on standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = VERIFY_HELP)]
pub(super) struct Verify {
    /// The signed document.
    file: PathBuf,
    /// Every signatory's public key: a JWK Set.
    #[arg(long, value_name = "JWKS")]
    keys: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

pub(super) fn role(text: &str) -> Result<SignatoryRole, &'static str> {
    SignatoryRole::from_code(text)
        .ok_or("one of siro, caldicott_guardian, dpo_advice, director, designated_person")
}

/// The kinds of document that are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Protocol,
    RootPolicy,
    Adherence,
    Revocation,
    Reinstatement,
}

impl Kind {
    /// Of a payload, by the member that it alone has.
    pub(super) fn of(payload: &[u8]) -> Self {
        let document: Option<Value> = serde_json::from_slice(payload).ok();
        let has = |member| document.as_ref().is_some_and(|known| known.get(member).is_some());
        let kinds = [
            ("controllers", Self::RootPolicy),
            ("adheres_to", Self::Adherence),
            ("revokes", Self::Revocation),
            ("reinstates", Self::Reinstatement),
        ];
        let kind = kinds.into_iter().find(|(member, _)| has(*member));
        kind.map_or(Self::Protocol, |(_, kind)| kind)
    }

    const fn typ(self) -> &'static str {
        match self {
            Self::Protocol => Protocol::TYP,
            Self::RootPolicy => RootPolicy::TYP,
            Self::Adherence => Adherence::TYP,
            Self::Revocation => Revoking::TYP,
            Self::Reinstatement => Reinstating::TYP,
        }
    }
}

pub(super) fn rejected(
    path: &Path,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> CliError {
    CliError::Rejected { path: path.to_owned(), source: error.into() }
}

impl Sign {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let envelope = read_envelope(&self.file)?;
        let key = signing_key(&self.key)?;
        let signed = self.sign(envelope, &key, SystemClock.now())?;
        let text = signed.to_json().map_err(|error| rejected(&self.file, error))?;
        hand_over(console, self.out.as_deref(), &text, ("signed", ""))?;
        Ok(Outcome::Done)
    }

    fn sign(
        &self,
        envelope: Envelope,
        key: &SigningKey<ProtocolSigning>,
        now: Timestamp,
    ) -> Result<Envelope, CliError> {
        let signatory = Signatory { party: &self.party, role: self.role, key_file: &self.key };
        let kid = key.verifying_key().kid();
        let header = signatory.header(&envelope, &kid, now)?;
        if !names_key(&envelope, &header) {
            return Err(CliError::KeyNotNamed { path: self.file.clone(), kid });
        }
        sign_with(envelope, header, key).map_err(|error| rejected(&self.file, error))
    }
}

/// Who signs.
pub(super) struct Signatory<'a> {
    pub(super) party: &'a PartnerId,
    pub(super) role: SignatoryRole,
    /// The private key's file, for what is said about it.
    pub(super) key_file: &'a Path,
}

impl Signatory<'_> {
    /// The protected header of a signature under an envelope's payload.
    ///
    /// # Errors
    /// When the key's id is none that a document can name; can't happen for a thumbprint.
    pub(super) fn header(
        &self,
        envelope: &Envelope,
        kid: &str,
        now: Timestamp,
    ) -> Result<ProtectedHeader, CliError> {
        Ok(ProtectedHeader {
            alg: Algorithm::Ed25519,
            typ: Kind::of(envelope.payload()).typ().to_owned(),
            kid: kid.parse().map_err(|rule| rejected(self.key_file, BadKid(rule)))?,
            party: self.party.clone(),
            role: self.role,
            iat: u64::try_from(now.as_second()).unwrap_or(0),
        })
    }
}

/// Reads a private signing key.
///
/// # Errors
/// When the file is no such key.
pub(super) fn signing_key(path: &Path) -> Result<SigningKey<ProtocolSigning>, CliError> {
    SigningKey::load(path)
        .map_err(|error| CliError::Failed { act: "read the key", source: error.into() })
}

/// Adds a signature.
///
/// # Errors
/// When this key has signed already, or can't sign.
pub(super) fn sign_with(
    envelope: Envelope,
    header: ProtectedHeader,
    key: &SigningKey<ProtocolSigning>,
) -> Result<Envelope, SignatureError> {
    let sign = |message: &[u8]| key.sign(message).ok().map(|signature| *signature.as_bytes());
    envelope.sign(header, sign)
}

/// Whether the document lists the key for the party: else no gateway would take the signature.
fn names_key(envelope: &Envelope, header: &ProtectedHeader) -> bool {
    let (payload, party, kid) = (envelope.payload(), &header.party, &header.kid);
    match Kind::of(payload) {
        Kind::Protocol => {
            <Protocol as Document>::parse(payload).is_ok_and(|d| d.names_key(party, kid))
        }
        Kind::RootPolicy => RootPolicy::parse(payload).is_ok_and(|d| d.names_key(party, kid)),
        Kind::Adherence => Adherence::parse(payload).is_ok_and(|d| d.names_key(party, kid)),
        Kind::Revocation => Revoking::parse(payload).is_ok_and(|d| d.names_key(party, kid)),
        Kind::Reinstatement => Reinstating::parse(payload).is_ok_and(|d| d.names_key(party, kid)),
    }
}

/// A draft in any layout, or a signed copy.
pub(super) fn read_envelope(path: &Path) -> Result<Envelope, CliError> {
    let text = read_text(path)?;
    let is_signed = serde_json::from_str::<Value>(&text)
        .is_ok_and(|document| document.get("payload").is_some());
    if is_signed {
        return Envelope::parse(text.as_bytes()).map_err(|error| rejected(path, error));
    }
    let bytes = text.as_bytes();
    let envelope = match Kind::of(bytes) {
        Kind::Protocol => Signed::<Protocol, Draft>::draft(bytes).map(|d| d.envelope().clone()),
        Kind::RootPolicy => Signed::<RootPolicy, Draft>::draft(bytes).map(|d| d.envelope().clone()),
        Kind::Adherence => Signed::<Adherence, Draft>::draft(bytes).map(|d| d.envelope().clone()),
        Kind::Revocation => Signed::<Revoking, Draft>::draft(bytes).map(|d| d.envelope().clone()),
        Kind::Reinstatement => {
            Signed::<Reinstating, Draft>::draft(bytes).map(|d| d.envelope().clone())
        }
    };
    envelope.map_err(|fault| rejected(path, fault))
}

impl Verify {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let text = read_text(&self.file)?;
        let keys = KeySet::parse(read_text(&self.keys)?.as_bytes())
            .map_err(|fault| rejected(&self.keys, fault))?;
        let now = SystemClock.now();
        let envelope = match Envelope::parse(text.as_bytes()) {
            Ok(envelope) => envelope,
            Err(problem) => return Ok(failed(console, &self.file, &problem)),
        };
        let verdict = match Kind::of(envelope.payload()) {
            Kind::Protocol => verdict::<Protocol>(envelope, &keys, now, protocol_title),
            Kind::RootPolicy => verdict::<RootPolicy>(envelope, &keys, now, policy_title),
            Kind::Adherence => verdict::<Adherence>(envelope, &keys, now, |deed| {
                format!("{} joins {}", deed.party.partner, agreement(&deed.adheres_to))
            }),
            Kind::Revocation => verdict::<Revoking>(envelope, &keys, now, |revoking| {
                format!("{} revokes its part of {}", revoking.party, agreement(&revoking.revokes))
            }),
            Kind::Reinstatement => verdict::<Reinstating>(envelope, &keys, now, |word| {
                let (party, version) = (&word.party, agreement(&word.reinstates));
                format!("{party} agrees that suspension {} of {version} ends", word.suspension)
            }),
        };
        match verdict {
            Ok(verdict) => {
                verdict.print(self.printing.format, console)?;
                Ok(Outcome::findings(!verdict.missing.is_empty()))
            }
            Err(problem) => Ok(failed(console, &self.file, &problem)),
        }
    }
}

fn failed(console: &mut Console<'_>, path: &Path, problem: &SignatureError) -> Outcome {
    console.note(&format!("FAILED: {}: {problem}", path.display()));
    Outcome::WithFindings
}

fn protocol_title(protocol: &Protocol) -> String {
    format!("{} version {}", protocol.id, protocol.version)
}

fn agreement(agreement: &Agreement) -> String {
    format!("{} version {}", agreement.protocol, agreement.version)
}

fn policy_title(policy: &RootPolicy) -> String {
    format!("root disclosure policy version {}", policy.version)
}

/// What a verified document says of its signing.
struct Verdict {
    document: String,
    digest: String,
    signed_by: Vec<String>,
    missing: Vec<String>,
}

fn verdict<T: Document>(
    envelope: Envelope,
    keys: &impl KeyRegister,
    now: Timestamp,
    title: fn(&T) -> String,
) -> Result<Verdict, SignatureError> {
    let verified: Verified<T> = verify(envelope, keys, now)?;
    let document = title(verified.document());
    let (digest, signatories, missing) = match &verified {
        Verified::Fully(signed) => (signed.digest(), signed.signatories(), Vec::new()),
        Verified::Partly(signed) => {
            let missing = signed.missing().iter().map(ToString::to_string).collect();
            (signed.digest(), signed.signatories(), missing)
        }
    };
    let signed_by = signatories
        .iter()
        .map(|s| format!("{} ({}) at {:.0}", s.party, s.role, s.signed_at))
        .collect();
    Ok(Verdict { document, digest: digest.to_string(), signed_by, missing })
}

impl Verdict {
    fn print(&self, format: Format, console: &mut Console<'_>) -> Result<(), CliError> {
        let verdict = if self.missing.is_empty() { "fully signed" } else { "partly signed" };
        let record = Record::default()
            .with("document", self.document.as_str())
            .with("verdict", verdict)
            .with("digest", self.digest.as_str())
            .with("signed_by", json!(self.signed_by))
            .with("missing", json!(self.missing));
        console.record(format, &record)
    }
}

/// A key id that no document can name; can't happen for a thumbprint.
#[derive(Debug, thiserror::Error)]
#[error("the key's id is not one that a document can name")]
struct BadKid(crate::protocol::Rule);
