//! The sharing protocol as data: what an information sharing protocol says in UK practice (WASPI's
//! template, the ICO's data sharing code), so that a machine can enforce every line of it.
//!
//! Invariants: a [`Protocol`] exists only after its text was read strictly and every rule of
//! `check` held; its canonical form (RFC 8785) is what parties sign and what its [`Digest`] names.

use std::fmt;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::{Fault, Rule};
pub use super::names::{Digest, KeyId, ProtocolVersion};
use super::vocabulary::{
    AreaLevel, Article6, Article9, Article10, CallerRole, Confidentiality, ConsentRule,
    FieldAction, Frequency, LegalGateway, OnWithdrawal, PartyRole, ProtocolKind, Purpose,
    RetentionStart, Schedule1, SignatoryRole, Subjects,
};
use super::{check, names, schema, strict};
use crate::domain::{AreaCode, PartnerId, ProtocolId, RecordType, TableId};

/// Largest protocol text that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// The only version of the document's form that this gateway knows.
pub const SCHEMA: u32 = 1;

/// A sharing protocol. Its fields are public to read; a value in force comes only from
/// [`Protocol::parse`] through the stages of [`super::signing`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// The version of this form: [`SCHEMA`].
    #[schemars(schema_with = "schema::form")]
    pub schema: u32,
    /// The protocol's id, the same in all its versions.
    pub id: ProtocolId,
    /// This version.
    pub version: ProtocolVersion,
    /// The digest of the version that this one replaces; exactly when `version` is above 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Digest>,
    /// The kind of agreement.
    pub kind: ProtocolKind,
    /// Its title, for people.
    #[schemars(length(min = 1, max = 400))]
    pub title: String,
    /// Why data are shared; the first is the principal one.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub purposes: Vec<Purpose>,
    /// Who agrees; at least two, all sign.
    #[schemars(length(min = 2))]
    pub parties: Vec<Party>,
    /// What is sent.
    #[schemars(length(min = 1))]
    pub flows: Vec<Flow>,
    /// What may come out, to whom, from which flows.
    pub outputs: Vec<Output>,
    /// How long records are kept.
    #[schemars(length(min = 1))]
    pub retention: Vec<Retention>,
    /// Technical security terms.
    pub security: Security,
    /// The subjects' rights.
    pub rights: Rights,
    /// Duties after a breach.
    pub breach: Breach,
    /// Reference of the data protection impact assessment.
    #[schemars(length(min = 1, max = 400))]
    pub dpia: String,
    /// First day in force.
    #[serde(deserialize_with = "names::day")]
    #[schemars(schema_with = "schema::date")]
    pub effective: Date,
    /// Day by which the parties review it; past it, a warning everywhere.
    #[serde(deserialize_with = "names::day")]
    #[schemars(schema_with = "schema::date")]
    pub review_by: Date,
    /// Last day in force.
    #[serde(deserialize_with = "names::day")]
    #[schemars(schema_with = "schema::date")]
    pub expires: Date,
    /// Signatures beyond the gateway's floor.
    #[serde(default)]
    pub quorum: Vec<Quorum>,
}

/// An organisation that agrees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Its id in the gateway's register.
    pub partner: PartnerId,
    /// Its organisation code (ODS, ONS, UKPRN ...): 2 to 16 capitals and digits.
    #[schemars(regex(pattern = r"^[A-Z0-9]{2,16}$"))]
    pub org_code: String,
    /// Its registration with the ICO: `Z` and 6 to 8 capitals or digits.
    #[schemars(regex(pattern = r"^Z[A-Z0-9]{6,8}$"))]
    pub ico_registration: String,
    /// Its position under the UK GDPR.
    pub role: PartyRole,
    /// The signing keys, by kid, that may sign for it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub keys: Vec<KeyId>,
}

/// One kind of record from one party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// The party that sends.
    pub from: PartnerId,
    /// What it sends.
    pub record_type: RecordType,
    /// The fields that may be sent; one that is not listed refuses the batch.
    #[schemars(length(min = 1))]
    pub fields: Vec<FlowField>,
    /// Whom the records are about.
    pub subjects: Subjects,
    /// Where the subjects live: LSOA, reach area, cluster or authority codes.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub areas: Vec<AreaCode>,
    /// How often it is supplied.
    pub frequency: Frequency,
    /// The most days between extraction and receipt.
    pub max_lag_days: u16,
    /// The most days between event and extraction.
    pub max_backdate_days: u16,
    /// The legal bases; the first is the principal one.
    #[schemars(length(min = 1))]
    pub basis: Vec<LegalBasis>,
    /// What lifts the duty of confidentiality.
    pub confidentiality: Confidentiality,
    /// What is asked of the subject.
    pub consent: ConsentRule,
    /// The oldest consent that still counts, in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub consent_max_age_days: Option<u16>,
    /// What a withdrawal does.
    pub on_withdrawal: OnWithdrawal,
}

/// A field that a flow lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowField {
    /// The column's name in the record type's definition.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    pub name: String,
    /// What the gateway does with it.
    pub action: FieldAction,
    /// Whether every batch must have the column.
    pub required: bool,
}

/// One legal basis of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    /// UK GDPR article 6.
    pub art6: Article6,
    /// UK GDPR article 9, for special categories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub art9: Option<Article9>,
    /// UK GDPR article 10, for offences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub art10: Option<Article10>,
    /// The statutory gateway.
    pub gateway: LegalGateway,
    /// DPA 2018 schedule 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpa_sch1: Option<Schedule1>,
}

impl fmt::Display for LegalBasis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.gateway, self.art6)?;
        if let Some(art9) = self.art9 {
            write!(f, " {art9}")?;
        }
        if let Some(art10) = self.art10 {
            write!(f, " {art10}")?;
        }
        self.dpa_sch1.map_or(Ok(()), |paragraph| write!(f, " {paragraph}"))
    }
}

/// A table that may be released, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The table of the catalogue.
    pub table: TableId,
    /// Who may see its figures.
    #[schemars(length(min = 1))]
    pub audiences: Vec<Audience>,
    /// The finest published level.
    pub finest_area: AreaLevel,
    /// The flows that may serve it, each for a purpose.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub sources: Vec<Source>,
}

/// Who may see a table's figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// The organisation.
    pub partner: PartnerId,
    /// In which capacity.
    pub role: CallerRole,
    /// The areas, each with all that nests in it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub areas: Vec<AreaCode>,
}

/// A flow that may serve a table, for a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Position in `flows`, from 0.
    pub flow: u16,
    /// For which of the protocol's purposes.
    pub purpose: Purpose,
}

/// How long a record type is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// The record type.
    pub record_type: RecordType,
    /// For how many days.
    #[schemars(range(min = 1))]
    pub days: u16,
    /// Counted from when.
    pub from_event: RetentionStart,
}

/// Technical security terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// The most days that a wrapping key is used.
    #[schemars(range(min = 1))]
    pub key_rotation_days: u16,
}

/// The subjects' rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// An office (never a person) that subjects write to.
    #[schemars(length(min = 1, max = 400))]
    pub contact: String,
    /// Days to answer a subject access request.
    #[schemars(range(min = 1, max = 92))]
    pub sar_days: u16,
    /// Days until a withdrawal has reached every party.
    #[schemars(range(min = 1, max = 92))]
    pub propagate_days: u16,
}

/// Duties after a breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breach {
    /// Hours within which the other parties are told.
    #[schemars(range(min = 1, max = 72))]
    pub notify_hours: u16,
    /// Hours within which the ICO is told: at most 72 (UK GDPR art 33).
    #[schemars(range(min = 1, max = 72))]
    pub ico_hours: u16,
}

/// Signatures beyond the gateway's floor, counted by party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// The office.
    pub role: SignatoryRole,
    /// How many parties at least sign in it.
    #[schemars(range(min = 1))]
    pub minimum: u16,
}

impl Protocol {
    /// Reads a protocol's text: strictly, and only if every rule that needs no surroundings holds.
    ///
    /// # Errors
    /// The first fault, with the JSON pointer to it and its rule.
    pub fn parse(text: &[u8]) -> Result<Self, Fault> {
        let protocol: Self = strict::read(text, MAX_DOCUMENT_BYTES)?;
        check::check(&protocol)?;
        Ok(protocol)
    }

    /// The canonical form (RFC 8785): the bytes that are signed and digested.
    ///
    /// # Errors
    /// Never for a parsed protocol (it holds only text, whole numbers and truth values);
    /// [`Rule::Malformed`] otherwise.
    pub fn canonical(&self) -> Result<Vec<u8>, Fault> {
        serde_json_canonicalizer::to_vec(self).map_err(|_| Fault::at("", Rule::Malformed))
    }

    /// The party with this id.
    #[must_use]
    pub fn party(&self, partner: &PartnerId) -> Option<&Party> {
        self.parties.iter().find(|party| party.partner == *partner)
    }

    /// The parties that send health records: the gateway's floor asks each for its Caldicott Guardian.
    pub fn health_senders(&self) -> impl Iterator<Item = &PartnerId> {
        let mut senders: Vec<&PartnerId> = self
            .flows
            .iter()
            .filter(|flow| is_health(flow.record_type))
            .map(|flow| &flow.from)
            .collect();
        senders.sort_unstable();
        senders.dedup();
        senders.into_iter()
    }

    /// Whether the review date has passed: a warning, not a refusal.
    #[must_use]
    pub fn review_is_due(&self, today: Date) -> bool {
        today > self.review_by
    }
}

/// Whether a record type is confidential health information, under the care of a Caldicott Guardian.
#[must_use]
pub const fn is_health(record_type: RecordType) -> bool {
    record_type.definition().health
}
