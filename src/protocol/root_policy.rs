//! The root disclosure policy: one signed document a deployment, above all protocols.
//!
//! Its controllers fix together what may come out at all: which catalogue, with how much noise, how much of
//! the privacy budget a quarter and a lifetime may spend, how figures are displayed, and when the log's
//! witnesses suffice. Protocols may only tighten it. It is signed by the same machinery as a protocol, under
//! a `typ` of its own, so that a signature for one never counts for the other.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check::{distinct, printable, refuse_if};
use super::document::{Digest, KeyId, MAX_DOCUMENT_BYTES, ProtocolVersion, Quorum, SCHEMA};
use super::fault::{Fault, Rule};
use super::quorum::{Missing, missing};
use super::signing::Document;
use super::vocabulary::SignatoryRole;
use super::{names, schema, strict};
use crate::domain::{PartnerId, TableId};

/// The root disclosure policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootPolicy {
    /// The version of this form: [`SCHEMA`].
    #[schemars(schema_with = "schema::form")]
    pub schema: u32,
    /// This version of the policy.
    pub version: ProtocolVersion,
    /// The digest of the version that this one replaces; exactly when `version` is above 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Digest>,
    /// Its title, for people.
    #[schemars(length(min = 1, max = 400))]
    pub title: String,
    /// The controllers, all of whom sign.
    #[schemars(length(min = 1))]
    pub controllers: Vec<RootController>,
    /// SHA-256 of the catalogue of tables.
    pub catalogue: Digest,
    /// The tables that may be released, each with its least noise.
    #[schemars(length(min = 1))]
    pub tables: Vec<TableFloor>,
    /// The most that a quarter's release may spend.
    pub quarterly_rho: RhoLimit,
    /// The most that may be spent on one person.
    pub lifetime_rho: RhoLimit,
    /// How figures are displayed.
    pub display: DisplayRules,
    /// When the log's witnesses suffice.
    pub witnesses: WitnessPolicy,
    /// The witnesses whose cosignatures count. Where it is left out none do, so that a policy
    /// which wants witnesses must name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witness_keys: Vec<NamedWitness>,
    /// First day in force.
    #[serde(deserialize_with = "names::day")]
    #[schemars(schema_with = "schema::date")]
    pub effective: Date,
    /// Last day in force.
    #[serde(deserialize_with = "names::day")]
    #[schemars(schema_with = "schema::date")]
    pub expires: Date,
    /// Signatures beyond the floor.
    #[serde(default)]
    pub quorum: Vec<Quorum>,
}

/// A controller that signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootController {
    /// Its id in the gateway's register.
    pub partner: PartnerId,
    /// The signing keys, by kid, that may sign for it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub keys: Vec<KeyId>,
}

/// The least noise of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableFloor {
    /// The table.
    pub table: TableId,
    /// The least variance of each base cell's noise, in persons squared. 0 lets a table be exact, which
    /// a gateway takes for tables of bodies alone, who are no natural persons.
    pub minimum_variance: u32,
}

/// How figures are displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisplayRules {
    /// Counts are shown to the nearest multiple of this.
    #[schemars(range(min = 1))]
    pub round_to: u16,
    /// Counts below this are withheld.
    pub withhold_below: u16,
    /// Counts below this many standard deviations of their noise are withheld.
    pub withhold_below_deviations: u16,
}

/// When the log's witnesses suffice for figures to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WitnessPolicy {
    /// Whether the oversight body must have cosigned.
    pub oversight: bool,
    /// How many partners at least must have cosigned.
    pub minimum_partners: u16,
    /// Seconds for which the quorum may be missing before figures stop.
    pub grace_seconds: u32,
}

/// A witness of the log, by its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedWitness {
    /// Its verifier key, `name+8 hex digits+base64` (C2SP signed-note).
    pub vkey: String,
    /// Whose it is: a partner in the gateway's register, or the oversight body.
    pub partner: PartnerId,
    /// Whether it is the oversight body's; else it is a partner's.
    pub oversight: bool,
}

impl NamedWitness {
    /// Whether the key has the form of one; whether it is one, the gateway finds out, whose
    /// witness must have the very same.
    fn is_key(&self) -> bool {
        let mut parts = self.vkey.splitn(3, '+');
        let (name, id, key) = (parts.next(), parts.next(), parts.next());
        let is_id = |id: &str| {
            id.len() == 8 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        // Type and public key, 33 bytes.
        let is_key =
            |key: &str| key.len() == 44 && key.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        name.is_some_and(|name| (1..=128).contains(&name.len()) && name.is_ascii())
            && id.is_some_and(is_id)
            && key.is_some_and(is_key)
    }
}

/// A limit of zero-concentrated differential privacy, in whole thousand-millionths of rho. Written as a
/// decimal text with nine places (`0.128300000`): binary fractions have no place in a signed document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RhoLimit(u64);

impl RhoLimit {
    const NANO: u64 = 1_000_000_000;

    /// From thousand-millionths of rho.
    #[must_use]
    pub const fn from_nano(nano: u64) -> Self {
        Self(nano)
    }

    /// In thousand-millionths of rho.
    #[must_use]
    pub const fn nano(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RhoLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / Self::NANO, self.0 % Self::NANO)
    }
}

impl FromStr for RhoLimit {
    type Err = Rule;

    fn from_str(text: &str) -> Result<Self, Rule> {
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(places) {
            return Err(Rule::Malformed);
        }
        let whole: u64 = whole.parse().map_err(|_| Rule::Malformed)?;
        let places: u64 = format!("{places:0<9}").parse().map_err(|_| Rule::Malformed)?;
        Ok(Self(whole * Self::NANO + places))
    }
}

impl Serialize for RhoLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RhoLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl RootPolicy {
    /// The least variance of a table's noise; `None` if it may not be released.
    #[must_use]
    pub fn minimum_variance(&self, table: &TableId) -> Option<u32> {
        self.tables.iter().find(|floor| floor.table == *table).map(|floor| floor.minimum_variance)
    }

    /// Whether the policy is in force on a day.
    #[must_use]
    pub fn in_force_on(&self, day: Date) -> bool {
        (self.effective..=self.expires).contains(&day)
    }

    fn check(&self) -> Result<(), Fault> {
        refuse_if(self.schema != SCHEMA, "/schema", Rule::UnknownSchema)?;
        match (self.version.number(), self.supersedes) {
            (1, Some(_)) => return Err(Fault::at("/supersedes", Rule::SupersedesUnexpected)),
            (2.., None) => return Err(Fault::at("/supersedes", Rule::SupersedesMissing)),
            _ => {}
        }
        printable(&self.title, "/title")?;
        refuse_if(self.controllers.is_empty(), "/controllers", Rule::NoController)?;
        distinct(&self.controllers, "/controllers", |controller| controller.partner.clone())?;
        let mut keys = BTreeSet::new();
        for (c, controller) in self.controllers.iter().enumerate() {
            let at = format!("/controllers/{c}/keys");
            refuse_if(controller.keys.is_empty(), &at, Rule::Empty)?;
            let fresh = controller.keys.iter().all(|key| keys.insert(key));
            refuse_if(!fresh, &at, Rule::Duplicate)?;
        }
        refuse_if(self.tables.is_empty(), "/tables", Rule::Empty)?;
        distinct(&self.tables, "/tables", |floor| floor.table.clone())?;
        refuse_if(self.quarterly_rho.nano() == 0, "/quarterly_rho", Rule::OutOfRange)?;
        let lifetime_too_small = self.lifetime_rho < self.quarterly_rho;
        refuse_if(lifetime_too_small, "/lifetime_rho", Rule::OutOfRange)?;
        refuse_if(self.display.round_to == 0, "/display/round_to", Rule::OutOfRange)?;
        self.check_witnesses()?;
        refuse_if(self.effective >= self.expires, "/expires", Rule::DatesOutOfOrder)?;
        distinct(&self.quorum, "/quorum", |quorum| quorum.role)?;
        for (q, quorum) in self.quorum.iter().enumerate() {
            let at = format!("/quorum/{q}/minimum");
            refuse_if(quorum.minimum == 0, &at, Rule::QuorumMeaningless)?;
            let too_many = usize::from(quorum.minimum) > self.controllers.len();
            refuse_if(too_many, &at, Rule::QuorumCannotBeMet)?;
        }
        Ok(())
    }
}

impl RootPolicy {
    /// Keys that are named must be able to make the quorum. (A policy that names none at all is
    /// one of before they were named here.)
    fn check_witnesses(&self) -> Result<(), Fault> {
        if self.witness_keys.is_empty() {
            return Ok(());
        }
        distinct(&self.witness_keys, "/witness_keys", |named| named.vkey.clone())?;
        for (w, named) in self.witness_keys.iter().enumerate() {
            let at = format!("/witness_keys/{w}/vkey");
            refuse_if(!named.is_key(), &at, Rule::Malformed)?;
        }
        let of = |oversight: bool| {
            let named = self.witness_keys.iter().filter(move |named| named.oversight == oversight);
            named.map(|named| &named.partner).collect::<BTreeSet<_>>().len()
        };
        let no_oversight = self.witnesses.oversight && of(true) == 0;
        refuse_if(no_oversight, "/witnesses/oversight", Rule::QuorumCannotBeMet)?;
        let too_many = usize::from(self.witnesses.minimum_partners) > of(false);
        refuse_if(too_many, "/witnesses/minimum_partners", Rule::QuorumCannotBeMet)
    }
}

impl Document for RootPolicy {
    const TYP: &'static str = "tallygate-root-policy+json";

    fn parse(text: &[u8]) -> Result<Self, Fault> {
        let policy: Self = strict::read(text, MAX_DOCUMENT_BYTES)?;
        policy.check()?;
        Ok(policy)
    }

    fn canonical(&self) -> Result<Vec<u8>, Fault> {
        serde_json_canonicalizer::to_vec(self).map_err(|_| Fault::at("", Rule::Malformed))
    }

    fn signing_parties(&self) -> Vec<&PartnerId> {
        self.controllers.iter().map(|controller| &controller.partner).collect()
    }

    fn names_key(&self, party: &PartnerId, kid: &KeyId) -> bool {
        self.controllers.iter().any(|c| c.partner == *party && c.keys.contains(kid))
    }

    fn missing(&self, signed: &BTreeSet<(PartnerId, SignatoryRole)>) -> Vec<Missing> {
        missing(&self.signing_parties(), std::iter::empty(), &self.quorum, signed)
    }
}
