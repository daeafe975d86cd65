//! `tallygate consent receipt`: a consent as a record and receipt with the fields of ISO/IEC TS
//! 27560:2023, for the sender to give to whoever consented, or to keep.
//!
//! It is put together here, from what the gateway answers about the caller's own reference and
//! from the signed protocol; the gateway learns nothing new by it. The reference itself is left
//! out unless the caller asks for it, since it may name somebody: in its place stands a salted
//! hash, which whoever knows the reference can check. The log's receipt inside proves that the
//! gateway was asked and answered when it says so; that it answered these statements, the
//! gateway's own history shows again whenever it is asked with the same day and moment.
//!
//! | Term of the standard | From |
//! |---|---|
//! | `schema_version`, `record_id` | this form; drawn for each receipt |
//! | `pii_principal_id` | the salted hash, or the reference |
//! | `pii_processing`: `privacy_notice`, `language` | the newest statement's notice |
//! | `purposes`: `purpose`, `lawful_basis`, `pii_information`, `pii_controllers`, `retention_period`, `recipient_third_parties`, `withdrawal_method`, `privacy_rights`, `impact_assessment`, `jurisdiction` ... | the protocol's flows that ask for consent and that the consent covers |
//! | `party_identification` | the protocol's parties |
//! | `privacy_notices`, beyond the standard | the sender's notices for what it sends under the protocol |
//! | `events`: `event_time`, `event_type`, `event_state`, `entity_id`, `validity_duration` ... | the statements, in the order in which they became known |

use super::{
    CliError, Console, Outcome, consent_file,
    consent_notice::means_name,
    output::{Printing, Record},
    remote::{Remote, fresh_rng, present},
};
use crate::{
    connector::KeptReceipt,
    domain::{ProtocolId, field::Sensitivity},
    protocol::{
        Envelope, Protocol, Purpose,
        document::Flow,
        vocabulary::{ConsentRule, PartyRole},
    },
    wire::v1::{
        self, consent_service_client::ConsentServiceClient,
        protocol_service_client::ProtocolServiceClient,
    },
};
use rand::Rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

pub(super) const HELP: &str = "\
Writes JSON with the terms of ISO/IEC TS 27560:2023: parties, purposes, legal bases, what data,
retention and rights from the protocol; every statement with its day; the access log's receipt.
Your reference is left out unless --name-reference puts it in: a salted hash stands for it.

Example:
  tallygate consent receipt C-2026-0117 --protocol isp-centres --out receipt.json --profile centres.toml";

/// The form of what is written.
const SCHEMA_VERSION: &str = "tallygate consent receipt 1 (ISO/IEC TS 27560:2023)";

#[derive(Debug, clap::Args)]
pub(super) struct Receipt {
    /// Your own reference of the consent.
    consent_ref: String,
    /// The protocol that you send under.
    #[arg(long, value_name = "PROTOCOL_ID")]
    protocol: ProtocolId,
    /// Where the receipt is written; a file that is there is not replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Put your reference into the receipt.
    #[arg(long)]
    name_reference: bool,
    /// The language of the notice that was shown.
    #[arg(long, value_name = "TAG", default_value = "en-GB")]
    language: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

impl Receipt {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let session = self.remote.open().await?;
        let request = v1::GetProtocolRequest { protocol_id: self.protocol.to_string(), version: 0 };
        let mut protocols = ProtocolServiceClient::new(session.service());
        let answer = protocols.get_protocol(request).await?.into_inner();
        session.logged(console, answer.receipt)?;
        let protocol = document(&answer.document)?;
        let request = v1::GetConsentRequest {
            consent_ref: self.consent_ref.clone(),
            ..v1::GetConsentRequest::default()
        };
        let mut consents = ConsentServiceClient::new(session.service());
        let consent = consents.get_consent(request).await?.into_inner();
        let proof = present(consent.receipt.clone(), "receipt")?;
        if consent.statements.is_empty() {
            console.note("nothing is recorded under this reference");
            session.logged(console, consent.receipt)?;
            return Ok(Outcome::WithFindings);
        }
        let request = v1::ListPrivacyNoticesRequest {};
        let notices = consents.list_privacy_notices(request).await?.into_inner();
        session.logged(console, notices.receipt)?;
        let principal = match self.name_reference {
            true => json!({ "reference": self.consent_ref.trim() }),
            false => salted(self.consent_ref.trim())?,
        };
        let written = Written { protocol: &protocol, consent: &consent, language: &self.language };
        let receipt = json!({
            "schema_version": SCHEMA_VERSION,
            "record_id": record_id()?,
            "pii_principal_id": principal,
            "consent_state": consent_file::state_name(consent.state()),
            "pii_processing": written.processing(),
            "party_identification": parties(&protocol),
            "events": written.events(),
            "privacy_notices": told(&protocol, &notices.notices),
            "log_receipt": KeptReceipt::from(proof),
        });
        write_new(&self.out, &format!("{receipt:#}\n"))?;
        let record = Record::default()
            .with("state", consent_file::state_name(consent.state()))
            .with("file", self.out.display().to_string());
        console.record(self.printing.format, &record)?;
        session.logged(console, consent.receipt)?;
        Ok(Outcome::Done)
    }
}

/// The sender's privacy notices for what it sends under a protocol.
fn told(protocol: &Protocol, notices: &[v1::PrivacyNotice]) -> Vec<Value> {
    let of_it = notices.iter().filter(|notice| {
        protocol.flows.iter().any(|flow| {
            flow.from.as_str() == notice.partner_id && flow.record_type.name() == notice.record_type
        })
    });
    let line = |notice: &v1::PrivacyNotice| {
        json!({ "record_type": notice.record_type, "version": notice.version,
            "given": means_name(notice.means()), "in_force_from": notice.in_force_from,
            "in_force_until": notice.in_force_until })
    };
    of_it.map(line).collect()
}

/// The document that a protocol's signed text holds.
fn document(text: &str) -> Result<Protocol, CliError> {
    let incomplete = CliError::AnswerIncomplete { part: "signed protocol" };
    let Ok(envelope) = Envelope::parse(text.as_bytes()) else { return Err(incomplete) };
    Protocol::parse(envelope.payload()).map_err(|_| incomplete)
}

/// What stands for a reference: whoever knows it can check, and nobody can look it up.
fn salted(reference: &str) -> Result<Value, CliError> {
    let mut salt = [0; 16];
    fresh_rng()?.fill_bytes(&mut salt);
    let mut hash = Sha256::new_with_prefix(salt);
    hash.update(reference.as_bytes());
    let hash = hex::encode(hash.finalize());
    Ok(json!({ "sha256_of_salt_and_reference": hash, "salt": hex::encode(salt) }))
}

/// A version 4 UUID (RFC 9562).
fn record_id() -> Result<String, CliError> {
    let mut bytes = [0; 16];
    fresh_rng()?.fill_bytes(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex::encode(bytes);
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    Ok(parts.join("-"))
}

fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| CliError::Unwritable { path: path.to_owned(), source })
}

/// What a receipt is written from.
struct Written<'a> {
    protocol: &'a Protocol,
    consent: &'a v1::GetConsentResponse,
    language: &'a str,
}

impl Written<'_> {
    /// The newest statement that stands, or the newest.
    fn newest(&self) -> Option<&v1::ConsentStatement> {
        let all = &self.consent.statements;
        all.iter().rev().find(|statement| statement.stands).or(all.last())
    }

    /// The flows that ask for consent and that the newest statement covers.
    fn flows(&self) -> Vec<(usize, &Flow)> {
        let types = self.newest().map_or(&[][..], |newest| &newest.record_types);
        let covered = |flow: &Flow| {
            flow.consent == ConsentRule::Explicit
                && (types.is_empty() || types.iter().any(|t| t == flow.record_type.name()))
        };
        let all = self.protocol.flows.iter().enumerate();
        all.filter(|(_, flow)| covered(flow)).collect()
    }

    fn processing(&self) -> Value {
        let newest = self.newest();
        let named = newest.map_or(&[][..], |newest| &newest.purposes);
        let covered =
            |purpose: &&Purpose| named.is_empty() || named.iter().any(|n| n == purpose.code());
        let purposes: Vec<Value> =
            self.protocol.purposes.iter().filter(covered).map(|p| self.purpose(*p)).collect();
        json!({
            "privacy_notice": newest.map(|newest| &newest.notice_version),
            "language": self.language,
            "purposes": purposes,
        })
    }

    fn purpose(&self, purpose: Purpose) -> Value {
        let flows = self.flows();
        let places: BTreeSet<usize> = flows.iter().map(|(place, _)| *place).collect();
        let bases: BTreeSet<String> =
            flows.iter().flat_map(|(_, flow)| &flow.basis).map(ToString::to_string).collect();
        let uses = |source: &crate::protocol::document::Source| {
            source.purpose == purpose && places.contains(&usize::from(source.flow))
        };
        let outputs = self.protocol.outputs.iter();
        let recipients: BTreeSet<&str> = outputs
            .filter(|output| output.sources.iter().any(uses))
            .flat_map(|output| &output.audiences)
            .map(|audience| audience.partner.as_str())
            .collect();
        let information: Vec<Value> = flows.iter().map(|(_, flow)| information(flow)).collect();
        let kept = self
            .protocol
            .retention
            .iter()
            .filter(|kept| flows.iter().any(|(_, flow)| flow.record_type == kept.record_type));
        let retention: Vec<Value> = kept
            .map(|kept| {
                json!({ "pii_type": kept.record_type.name(), "days": kept.days,
                    "from": kept.from_event.code() })
            })
            .collect();
        let controllers = self.protocol.parties.iter();
        let controllers: Vec<&str> = controllers
            .filter(|party| party.role != PartyRole::Processor)
            .map(|party| party.partner.as_str())
            .collect();
        let contact = &self.protocol.rights.contact;
        json!({
            "purpose": purpose.code(),
            "purpose_description": purpose.words(),
            "lawful_basis": bases,
            "duty_of_confidentiality_lifted_by": "consent",
            "pii_information": information,
            "pii_controllers": controllers,
            "collection_method": self.newest().map(|n| consent_file::means_name(n.means())),
            "processing_methods": ["pseudonymised on arrival", "counted with added noise"],
            "retention_period": retention,
            "recipient_third_parties": recipients,
            "released": "protected counts of areas, never data about a person",
            "jurisdiction": "GB",
            "withdrawal_method": format!(
                "at any time, with whoever took the consent, or with {contact}"),
            "privacy_rights": {
                "contact": contact,
                "subject_access_days": self.protocol.rights.sar_days,
                "withdrawal_reaches_every_party_within_days": self.protocol.rights.propagate_days,
            },
            "impact_assessment": self.protocol.dpia,
            "authority_party": "Information Commissioner's Office",
            "agreement": {
                "protocol": self.protocol.id.as_str(),
                "version": self.protocol.version.number(),
            },
        })
    }

    fn events(&self) -> Vec<Value> {
        let event = |statement: &v1::ConsentStatement| {
            json!({
                "event_time": statement.recorded_on,
                "recorded_at": statement.known_at,
                "event_type": consent_file::means_name(statement.means()),
                "event_state": consent_file::state_name(statement.state()),
                "entity_id": consent_file::giver_name(statement.given_by()),
                "entity_number": statement.giver,
                "valid_until": statement.valid_until,
                "validity_duration": validity(statement),
                "privacy_notice": statement.notice_version,
                "purposes": statement.purposes,
                "pii_types": statement.record_types,
                "evidence_named": statement.has_evidence,
                "stands": statement.stands,
            })
        };
        self.consent.statements.iter().map(event).collect()
    }
}

/// How long a consent holds, ISO 8601; none for one without an end.
fn validity(statement: &v1::ConsentStatement) -> Option<String> {
    let day = |text: &str| text.parse::<jiff::civil::Date>().ok();
    let (from, until) = (day(&statement.recorded_on)?, day(&statement.valid_until)?);
    let days = from.until(until).ok()?.get_days() + 1;
    Some(format!("P{days}D"))
}

/// What of a record type is sent, and whether it is of a special category.
fn information(flow: &Flow) -> Value {
    let definition = flow.record_type.definition();
    let special = |name: &str| {
        let field = definition.field(name);
        field.is_some_and(|field| field.sensitivity == Sensitivity::Special)
    };
    let attributes: Vec<Value> = flow
        .fields
        .iter()
        .map(|field| {
            json!({ "name": field.name, "action": field.action.code(),
                "special_category": special(&field.name) })
        })
        .collect();
    json!({
        "pii_type": flow.record_type.name(),
        "description": definition.doc,
        "pii_attributes": attributes,
        "on_withdrawal": flow.on_withdrawal.code(),
    })
}

fn parties(protocol: &Protocol) -> Vec<Value> {
    let party = |party: &crate::protocol::document::Party| {
        json!({
            "party_id": party.partner.as_str(),
            "party_identifier": party.org_code,
            "party_registration": party.ico_registration,
            "party_role": party.role.code(),
            "party_contact": protocol.rights.contact,
        })
    };
    protocol.parties.iter().map(party).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_checked_by_its_salted_hash_and_ids_are_uuids() {
        let value = salted("C-1").unwrap();
        let salt = hex::decode(value["salt"].as_str().unwrap()).unwrap();
        let hash = hex::encode(Sha256::digest([&salt[..], b"C-1"].concat()));
        assert_eq!(value["sha256_of_salt_and_reference"], hash);
        let id = record_id().unwrap();
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
        assert_ne!(id, record_id().unwrap());
    }

    #[test]
    fn how_long_a_consent_holds_counts_both_days() {
        let statement = |until: &str| v1::ConsentStatement {
            recorded_on: "2026-01-31".to_owned(),
            valid_until: until.to_owned(),
            ..v1::ConsentStatement::default()
        };
        assert_eq!(validity(&statement("2026-02-01")).as_deref(), Some("P2D"));
        assert_eq!(validity(&statement("")), None);
    }
}
