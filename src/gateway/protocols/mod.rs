//! The register of sharing protocols: submitted, read, suspended and resumed.
//!
//! Parties read what they are a party to; data officers and auditors read all. What a
//! signature is worth is decided by [`crate::protocol::signing`], what a protocol's life
//! allows by [`crate::protocol::life`]; here both are looked up, kept and logged.

mod explain;
mod refusals;
mod root;
mod submit;

pub use explain::{Explained, ExplainedAct, ExplainedQuestion};
pub use root::RootPolicyLine;

use super::{
    Actor, Denied, Gateway, ProtocolRecord, RefusalKind, Refused, Snapshot,
    decide::{Decided, Decision, Declined, Page, PageRequest},
    partners::reads_all,
    register::Partner,
};
use crate::{
    audit::{Hash, Leaf, LeafKind, ProtocolReference},
    domain::{PartnerId, ProtocolId},
    protocol::{
        Act, CallerRole, Life, Protocol, SignatoryRole, State, Verified, life::Part,
        register::KeyPurpose,
    },
    store::{
        Effect, Logged, StoreError,
        protocols::{Change, Entry},
    },
};
use jiff::civil::Date;
use std::collections::BTreeSet;

/// A protocol's line in the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolLine {
    /// Its id.
    pub protocol: ProtocolId,
    /// Its version, from 1.
    pub version: u32,
    /// SHA-256 of its canonical bytes.
    pub digest: [u8; 32],
    /// Where it stands; `None` when it can't be read any more and so permits nothing.
    pub state: Option<State>,
    /// Its title.
    pub title: String,
    /// Its parties.
    pub parties: Vec<PartnerId>,
    /// First day in force.
    pub effective: Option<Date>,
    /// Day by which it is reviewed.
    pub review_by: Option<Date>,
    /// Last day in force.
    pub expires: Option<Date>,
    /// What keeps it from being in force in full, in words.
    pub missing: Vec<String>,
}

/// A protocol's line and its signed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolDocument {
    /// The line.
    pub line: ProtocolLine,
    /// General JWS JSON with all signatures so far.
    pub document: String,
}

const CORRUPT_LIFE: StoreError = StoreError::Corrupt { table: "protocol", column: "life", row: 0 };

impl Gateway {
    /// One protocol with its state and signatures; version 0 for the one in force.
    ///
    /// # Errors
    /// `not_found`, also for what is not the caller's to know.
    pub async fn protocol(
        &self,
        actor: &Actor,
        protocol: &ProtocolId,
        version: u32,
    ) -> Result<Logged<ProtocolDocument>, Denied> {
        let logged = self
            .settle(actor, |snapshot| {
                let mut leaf = self.look(actor, "protocols");
                let record = snapshot.protocol(protocol, version);
                let Some(record) = record.filter(|record| may_read(actor, record)) else {
                    return Err(Declined::new(leaf, Refused::not_found()));
                };
                leaf.protocol = Some(reference(&record.stored));
                let answer = ProtocolDocument {
                    line: self.line(snapshot, record),
                    document: record.stored.document.clone(),
                };
                Ok(Decided { leaf, effect: Effect::None, answer })
            })
            .await?;
        Ok(logged.map(|(_, document)| document))
    }

    /// The protocols that the caller may read, in order of id and version.
    ///
    /// # Errors
    /// A violation for a page token that is not this caller's.
    pub async fn list_protocols(
        &self,
        actor: &Actor,
        page: &PageRequest,
    ) -> Result<Logged<Page<ProtocolLine>>, Denied> {
        let logged = self
            .settle(actor, |snapshot| {
                let leaf = self.look(actor, "protocols");
                let readable = snapshot.protocols().iter().filter(|r| may_read(actor, r));
                let lines = readable.map(|record| {
                    // A space sorts before every character of an id, as the id does alone.
                    let key = format!("{} {:010}", record.stored.protocol, record.stored.version);
                    (key, self.line(snapshot, record))
                });
                match self.page(actor, "protocols", page, lines) {
                    Ok(answer) => Ok(Decided { leaf, effect: Effect::None, answer }),
                    Err(refused) => Err(Declined::new(leaf, refused)),
                }
            })
            .await?;
        Ok(logged.map(|(_, page)| page))
    }

    /// Suspends the caller's own part of the version in force, from the answer on.
    ///
    /// # Errors
    /// `wrong_role` but for providers and data officers; `not_found` but for parties; what
    /// the protocol's life does not allow.
    pub async fn suspend_protocol(
        &self,
        actor: &Actor,
        protocol: &ProtocolId,
    ) -> Result<Logged<ProtocolLine>, Denied> {
        self.require(actor, &[CallerRole::Provider, CallerRole::DataOfficer]).await?;
        let logged = self
            .settle(actor, |snapshot| {
                let leaf = actor.leaf(LeafKind::ProtocolSuspended, self);
                self.live_on(actor, snapshot, protocol, leaf, |document, life| {
                    life.after(&Act::Suspend { party: actor.partner.clone() }, document)
                        .map_err(|error| refusals::life(&error))
                })
            })
            .await?;
        Ok(logged.map(|(_, line)| line))
    }

    /// Agrees for the caller's organisation, in every office in which it holds a valid
    /// signing key that the protocol names, that what is suspended resumes. It resumes once
    /// the quorum has agreed; until then the line says who is awaited.
    ///
    /// # Errors
    /// As [`Gateway::suspend_protocol`]; `no_office` without such a key.
    pub async fn resume_protocol(
        &self,
        actor: &Actor,
        protocol: &ProtocolId,
    ) -> Result<Logged<ProtocolLine>, Denied> {
        self.require(actor, &[CallerRole::Provider, CallerRole::DataOfficer]).await?;
        let logged = self
            .settle(actor, |snapshot| {
                let leaf = actor.leaf(LeafKind::ProtocolResumed, self);
                self.live_on(actor, snapshot, protocol, leaf, |document, life| {
                    let entry = snapshot.register().partner(&actor.partner).map(|(entry, _)| entry);
                    let offices = entry.map(|entry| offices(entry, document, self.today()));
                    self.agree(actor, document, life, offices.unwrap_or_default())
                })
            })
            .await?;
        Ok(logged.map(|(_, line)| line))
    }

    fn agree(
        &self,
        actor: &Actor,
        document: &Protocol,
        life: &Life,
        offices: BTreeSet<SignatoryRole>,
    ) -> Result<Life, Refused> {
        let mut next: Option<Life> = None;
        for role in offices {
            let so_far = next.as_ref().unwrap_or(life);
            if next.is_some() && so_far.state() != State::Suspended {
                break;
            }
            let act = Act::Reinstate { party: actor.partner.clone(), role };
            next = Some(so_far.after(&act, document).map_err(|error| refusals::life(&error))?);
        }
        next.ok_or_else(|| {
            let sentence = "your organisation holds no valid signing key that the protocol names";
            Refused::new(RefusalKind::Forbidden, "no_office", sentence)
        })
    }

    /// Decides a party's act on the version in force.
    fn live_on(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        protocol: &ProtocolId,
        mut leaf: Leaf,
        act: impl Fn(&Protocol, &Life) -> Result<Life, Refused>,
    ) -> Decision<ProtocolLine> {
        let of_party = |record: &&ProtocolRecord| {
            let read = record.verified.as_ref();
            read.is_some_and(|(v, _)| v.document().party(&actor.partner).is_some())
        };
        let record = snapshot.protocol(protocol, 0).filter(of_party);
        let found = record.and_then(|record| Some((record, record.verified.as_ref()?)));
        let Some((record, (verified, life))) = found else {
            return Err(Declined::new(leaf, Refused::not_found()));
        };
        leaf.protocol = Some(reference(&record.stored));
        let next = match act(verified.document(), life) {
            Ok(next) => next,
            Err(refused) => return Err(Declined::new(leaf, refused)),
        };
        let json = serde_json::to_string(&next).map_err(|_| CORRUPT_LIFE)?;
        let entry = Entry { life: json, ..record.stored.clone() };
        let answer = line_of(&entry, verified, &next, self.today());
        let before = Some(record.stored.clone());
        let change = Change { entry, before, superseded: None };
        Ok(Decided { leaf, effect: Effect::PutProtocol(Box::new(change)), answer })
    }

    /// A protocol's line, with why it permits nothing if the policy could not take it in.
    fn line(&self, snapshot: &Snapshot, record: &ProtocolRecord) -> ProtocolLine {
        let Some((verified, life)) = &record.verified else {
            return unreadable(&record.stored);
        };
        let mut line = line_of(&record.stored, verified, life, self.today());
        let faults = snapshot.policy().faults().iter();
        let own = faults
            .filter(|(id, version, _)| *id == line.protocol && version.number() == line.version);
        line.missing.extend(own.map(|(_, _, fault)| format!("it permits nothing: {fault}")));
        line
    }
}

/// Whether the caller may read a protocol.
fn may_read(actor: &Actor, record: &ProtocolRecord) -> bool {
    let party = record
        .verified
        .as_ref()
        .is_some_and(|(verified, _)| verified.document().party(&actor.partner).is_some());
    party || reads_all(actor)
}

/// The offices in which a partner can speak about a protocol today.
fn offices(partner: &Partner, document: &Protocol, today: Date) -> BTreeSet<SignatoryRole> {
    let Some(party) = document.party(&partner.partner) else { return BTreeSet::new() };
    let valid = partner.keys.iter().filter(|key| {
        key.purpose == KeyPurpose::ProtocolSigning
            && (key.valid_from..=key.valid_until).contains(&today)
            && party.keys.iter().any(|named| named.as_str() == key.jwk.kid)
    });
    valid.filter_map(|key| key.role).collect()
}

fn reference(stored: &Entry) -> ProtocolReference {
    ProtocolReference {
        digest: Hash::new(stored.digest),
        id: stored.protocol.clone(),
        version: stored.version,
    }
}

fn unreadable(stored: &Entry) -> ProtocolLine {
    ProtocolLine {
        protocol: stored.protocol.clone(),
        version: stored.version,
        digest: stored.digest,
        state: None,
        title: String::new(),
        parties: Vec::new(),
        effective: None,
        review_by: None,
        expires: None,
        missing: vec!["it can't be read or verified any more, and permits nothing".to_owned()],
    }
}

fn line_of(
    stored: &Entry,
    verified: &Verified<Protocol>,
    life: &Life,
    today: Date,
) -> ProtocolLine {
    let document = verified.document();
    let in_force = matches!(life.state(), State::Active | State::Suspended);
    // An expiry that nobody has noted yet stops already.
    let expired = in_force && today > document.expires;
    let state = if expired { State::Expired } else { life.state() };
    let mut missing = Vec::new();
    if let Verified::Partly(signed) = verified {
        missing.extend(signed.missing().iter().map(ToString::to_string));
    }
    if state == State::Suspended {
        let parties = document.parties.iter().map(|party| &party.partner);
        let suspended = parties.filter(|party| life.part(party) == Part::Suspended);
        missing.extend(suspended.map(|party| format!("{party} has suspended its part")));
        let awaited = life.awaited(document);
        missing.extend(awaited.iter().map(|awaited| format!("to resume: {awaited}")));
    }
    ProtocolLine {
        protocol: stored.protocol.clone(),
        version: stored.version,
        digest: stored.digest,
        state: Some(state),
        title: document.title.clone(),
        parties: document.parties.iter().map(|party| party.partner.clone()).collect(),
        effective: Some(document.effective),
        review_by: Some(document.review_by),
        expires: Some(document.expires),
        missing,
    }
}
