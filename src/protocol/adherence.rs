//! The deed of adherence: how a new partner joins a protocol that runs, without a new version.
//!
//! It is a signed document of the same machinery, under a `typ` of its own. It names the very version
//! (by digest) that is joined, the party with its keys, and what it takes on: flows, each on exactly the
//! terms of one that the protocol has, and audiences of tables that the protocol lists. So nothing is
//! agreed anew but who is in. It is signed by the party that joins and by every party that is still in, in
//! the offices that the protocol's own quorum asks for; a joiner that takes on a flow of health data needs
//! its Caldicott Guardian's signature, too.
//!
//! [`Adherence::apply`] writes the protocol as it stands with the joiner: what the decision then reads.
//! Flows and audiences that are taken on stand behind those of the document, so every clause keeps its place.
//! The joined protocol is checked by every rule that a signed one is: a deed that would break one joins
//! nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{self, distinct, refuse_if};
use super::document::{
    Audience, Digest, Flow, KeyId, MAX_DOCUMENT_BYTES, Party, Protocol, ProtocolVersion, SCHEMA,
    Source, is_health,
};
use super::fault::{Fault, Rule};
use super::life::{Life, Part};
use super::quorum::{Missing, missing};
use super::signing::{Document, FullySigned, Signatory, Signed};
use super::vocabulary::{CallerRole, SignatoryRole};
use super::{schema, strict};
use crate::domain::{AreaCode, PartnerId, ProtocolId, RecordType, TableId};

/// A version of a protocol, named so that no other can be meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// The protocol.
    pub protocol: ProtocolId,
    /// Its version.
    pub version: ProtocolVersion,
    /// The digest of that version.
    pub digest: Digest,
}

impl Agreement {
    /// Whether this is that version.
    #[must_use]
    pub fn is(&self, protocol: &Protocol, digest: Digest) -> bool {
        self.protocol == protocol.id && self.version == protocol.version && self.digest == digest
    }
}

/// A deed of adherence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adherence {
    /// The version of this form: [`SCHEMA`].
    #[schemars(schema_with = "schema::form")]
    pub schema: u32,
    /// The version that is joined.
    pub adheres_to: Agreement,
    /// Who joins.
    pub party: Party,
    /// The flows that it takes on.
    pub flows: Vec<TakenFlow>,
    /// The tables whose figures it may see.
    pub audiences: Vec<TakenAudience>,
    /// The parties that agree: all that are still in.
    #[schemars(length(min = 1))]
    pub agreed_by: Vec<Agreeing>,
}

/// A flow that the joiner takes on, on the terms of one that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakenFlow {
    /// Position, from 0, of the flow whose terms hold.
    pub flow: u16,
    /// Its record type, so that whoever signs sees what is meant.
    pub record_type: RecordType,
}

/// A table whose figures the joiner may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakenAudience {
    /// The table; the protocol lists it.
    pub table: TableId,
    /// In which capacity.
    pub role: CallerRole,
    /// The areas, each with all that nests in it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub areas: Vec<AreaCode>,
}

/// A party that agrees, with the keys that may sign for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreeing {
    /// The party.
    pub partner: PartnerId,
    /// Its signing keys, as the protocol names them.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub keys: Vec<KeyId>,
}

impl Adherence {
    /// The draft of a deed: everything but the signatures, for a protocol as it stands.
    ///
    /// # Errors
    /// [`Rule::UnknownFlow`] for a position that the protocol does not have.
    pub fn draft(
        protocol: &Protocol,
        digest: Digest,
        party: Party,
        flows: &[u16],
        audiences: Vec<TakenAudience>,
    ) -> Result<Self, Fault> {
        let taken = flows.iter().enumerate().map(|(place, flow)| {
            let known = protocol.flows.get(usize::from(*flow));
            let known = known
                .ok_or_else(|| Fault::at(&format!("/flows/{place}/flow"), Rule::UnknownFlow))?;
            Ok(TakenFlow { flow: *flow, record_type: known.record_type })
        });
        let agreeing =
            |party: &Party| Agreeing { partner: party.partner.clone(), keys: party.keys.clone() };
        Ok(Self {
            schema: SCHEMA,
            adheres_to: Agreement {
                protocol: protocol.id.clone(),
                version: protocol.version,
                digest,
            },
            party,
            flows: taken.collect::<Result<_, Fault>>()?,
            audiences,
            agreed_by: protocol.parties.iter().map(agreeing).collect(),
        })
    }

    /// The protocol as it stands once this party is in.
    ///
    /// # Errors
    /// The first fault: another version, a party already, a flow or table that the protocol does not
    /// have, a key that is another's, or any rule that the joined protocol would break.
    pub fn apply(&self, protocol: &Protocol, digest: Digest) -> Result<Protocol, Fault> {
        refuse_if(!self.adheres_to.is(protocol, digest), "/adheres_to", Rule::AnotherAgreement)?;
        let is_in = protocol.party(&self.party.partner).is_some();
        refuse_if(is_in, "/party/partner", Rule::Duplicate)?;
        let mut named = protocol.parties.iter().flat_map(|party| &party.keys);
        let taken = named.any(|key| self.party.keys.contains(key));
        refuse_if(taken, "/party/keys", Rule::Duplicate)?;
        let mut joined = protocol.clone();
        joined.parties.push(self.party.clone());
        for (place, taken) in self.flows.iter().enumerate() {
            self.take_flow(&mut joined, taken, place)?;
        }
        for (place, taken) in self.audiences.iter().enumerate() {
            let output = joined.outputs.iter_mut().find(|output| output.table == taken.table);
            let Some(output) = output else {
                return Err(Fault::at(&format!("/audiences/{place}/table"), Rule::UnknownTable));
            };
            output.audiences.push(Audience {
                partner: self.party.partner.clone(),
                role: taken.role,
                areas: taken.areas.clone(),
            });
        }
        check::check(&joined)?;
        Ok(joined)
    }

    fn take_flow(
        &self,
        joined: &mut Protocol,
        taken: &TakenFlow,
        place: usize,
    ) -> Result<(), Fault> {
        let unknown = || Fault::at(&format!("/flows/{place}/flow"), Rule::UnknownFlow);
        let known = joined.flows.get(usize::from(taken.flow)).ok_or_else(unknown)?;
        if known.record_type != taken.record_type {
            return Err(unknown());
        }
        let flow = Flow { from: self.party.partner.clone(), ..known.clone() };
        let position = u16::try_from(joined.flows.len()).map_err(|_| unknown())?;
        joined.flows.push(flow);
        for output in &mut joined.outputs {
            let serving = output.sources.iter().filter(|source| source.flow == taken.flow);
            let more: Vec<Source> =
                serving.map(|source| Source { flow: position, purpose: source.purpose }).collect();
            output.sources.extend(more);
        }
        Ok(())
    }

    /// What is missing before this deed, signed by all whom it names, lets its party join: every party
    /// that is still in must be among them, with keys that the protocol names, and the protocol's own
    /// quorum must be full.
    ///
    /// # Errors
    /// [`Rule::NotAParty`] for somebody who agrees and is no party, or is out; [`Rule::Malformed`] for a
    /// key that the protocol does not name.
    pub fn awaited(
        &self,
        joined: &Protocol,
        life: &Life,
        signatories: &[Signatory],
    ) -> Result<Vec<Missing>, Fault> {
        let own = &self.party.partner;
        let is_in = |partner: &PartnerId| life.part(partner) != Part::Revoked;
        for (place, agreeing) in self.agreed_by.iter().enumerate() {
            let at = format!("/agreed_by/{place}");
            let known = joined.party(&agreeing.partner).filter(|p| is_in(&p.partner));
            let known = known.ok_or_else(|| Fault::at(&at, Rule::NotAParty))?;
            let named = agreeing.keys.iter().all(|key| known.keys.contains(key));
            refuse_if(!named, &format!("{at}/keys"), Rule::Malformed)?;
        }
        let asked = joined.parties.iter().map(|party| &party.partner);
        let asked: Vec<&PartnerId> =
            asked.filter(|partner| *partner == own || is_in(partner)).collect();
        let signed: BTreeSet<(PartnerId, SignatoryRole)> =
            signatories.iter().map(|s| (s.party.clone(), s.role)).collect();
        Ok(missing(&asked, joined.health_senders(), &joined.quorum, &signed))
    }

    fn check(&self) -> Result<(), Fault> {
        refuse_if(self.schema != SCHEMA, "/schema", Rule::UnknownSchema)?;
        check::party(&self.party, "/party")?;
        let nothing = self.flows.is_empty() && self.audiences.is_empty();
        refuse_if(nothing, "/flows", Rule::Empty)?;
        distinct(&self.flows, "/flows", |taken| taken.record_type)?;
        distinct(&self.audiences, "/audiences", |taken| (taken.table.clone(), taken.role))?;
        for (place, taken) in self.audiences.iter().enumerate() {
            let at = format!("/audiences/{place}/areas");
            refuse_if(taken.areas.is_empty(), &at, Rule::Empty)?;
            distinct(&taken.areas, &at, Clone::clone)?;
        }
        refuse_if(self.agreed_by.is_empty(), "/agreed_by", Rule::Empty)?;
        distinct(&self.agreed_by, "/agreed_by", |agreeing| agreeing.partner.clone())?;
        let mut keys: BTreeSet<&KeyId> = self.party.keys.iter().collect();
        refuse_if(keys.len() != self.party.keys.len(), "/party/keys", Rule::Duplicate)?;
        for (place, agreeing) in self.agreed_by.iter().enumerate() {
            let at = format!("/agreed_by/{place}");
            refuse_if(agreeing.partner == self.party.partner, &at, Rule::Duplicate)?;
            refuse_if(agreeing.keys.is_empty(), &format!("{at}/keys"), Rule::Empty)?;
            let fresh = agreeing.keys.iter().all(|key| keys.insert(key));
            refuse_if(!fresh, &format!("{at}/keys"), Rule::Duplicate)?;
        }
        Ok(())
    }
}

impl Document for Adherence {
    const TYP: &'static str = "tallygate-adherence+json";

    fn parse(text: &[u8]) -> Result<Self, Fault> {
        let deed: Self = strict::read(text, MAX_DOCUMENT_BYTES)?;
        deed.check()?;
        Ok(deed)
    }

    fn canonical(&self) -> Result<Vec<u8>, Fault> {
        serde_json_canonicalizer::to_vec(self).map_err(|_| Fault::at("", Rule::Malformed))
    }

    fn signing_parties(&self) -> Vec<&PartnerId> {
        let own = std::iter::once(&self.party.partner);
        own.chain(self.agreed_by.iter().map(|agreeing| &agreeing.partner)).collect()
    }

    fn names_key(&self, party: &PartnerId, kid: &KeyId) -> bool {
        if *party == self.party.partner {
            return self.party.keys.contains(kid);
        }
        self.agreed_by.iter().any(|a| a.partner == *party && a.keys.contains(kid))
    }

    /// The floor alone: the protocol's own quorum is asked where the protocol is known
    /// ([`Adherence::awaited`]).
    fn missing(&self, signed: &BTreeSet<(PartnerId, SignatoryRole)>) -> Vec<Missing> {
        let sends_health = self.flows.iter().any(|taken| is_health(taken.record_type));
        let guardian = sends_health.then_some(&self.party.partner);
        missing(&self.signing_parties(), guardian.into_iter(), &[], signed)
    }
}

/// A fully signed protocol with those who joined it since by fully signed deeds.
#[derive(Clone, Debug)]
pub struct Joined {
    signed: Signed<Protocol, FullySigned>,
    protocol: Arc<Protocol>,
}

impl Joined {
    /// The protocol with the deeds applied in the order in which they took effect.
    ///
    /// # Errors
    /// The first fault of a deed; nobody joins then.
    pub fn new(
        signed: Signed<Protocol, FullySigned>,
        deeds: &[Signed<Adherence, FullySigned>],
    ) -> Result<Self, Fault> {
        let mut protocol = signed.document().clone();
        for deed in deeds {
            protocol = deed.document().apply(&protocol, signed.digest())?;
        }
        Ok(Self { signed, protocol: Arc::new(protocol) })
    }

    /// The protocol as it stands.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// The digest of the version that was joined.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.signed.digest()
    }
}
