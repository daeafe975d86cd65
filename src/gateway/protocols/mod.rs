//! The register of sharing protocols: submitted, read, suspended, resumed, joined, revoked, expired.
//!
//! Parties read what they are a party to; data officers and auditors read all. What a
//! signature is worth is decided by [`crate::protocol::signing`], what a protocol's life
//! allows by [`crate::protocol::life`]; here both are looked up, kept and logged.

mod adhere;
mod expire;
mod explain;
mod line;
mod list;
mod refusals;
mod revoke;
mod root;
mod submit;

pub use explain::{Explained, ExplainedAct, ExplainedQuestion};
pub(super) use line::warnings;
pub use line::{ProtocolDocument, ProtocolLine, ReleaseConcerned, RevokedPart};
pub use list::ProtocolFilter;
pub use root::RootPolicyLine;

use super::{
    Actor, Denied, Gateway, ProtocolRecord, RefusalKind, Refused, Snapshot,
    decide::{Decided, Decision, Declined},
    partners::reads_all,
    register::Partner,
};
use crate::{
    audit::{Hash, Leaf, LeafKind, ProtocolReference},
    domain::ProtocolId,
    protocol::{Act, CallerRole, Life, Protocol, SignatoryRole, State, register::KeyPurpose},
    store::{
        Effect, Logged, StoreError,
        protocols::{Change, Entry},
    },
};
use jiff::civil::Date;
use std::collections::BTreeSet;

const CORRUPT_LIFE: StoreError = StoreError::Corrupt { table: "protocol", column: "life", row: 0 };

impl Gateway {
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
            record.agreed().is_some_and(|(known, _)| known.party(&actor.partner).is_some())
        };
        let record = snapshot.protocol(protocol, 0).filter(of_party);
        let found = record.and_then(|record| Some((record, record.agreed()?)));
        let Some((record, (document, life))) = found else {
            return Err(Declined::new(leaf, Refused::not_found()));
        };
        leaf.protocol = Some(reference(&record.stored));
        let next = match act(document, life) {
            Ok(next) => next,
            Err(refused) => return Err(Declined::new(leaf, refused)),
        };
        let change = changed(record, &next)?;
        let answer = line::line_of(&change.entry, record, document, &next, self.today());
        Ok(Decided { leaf, effect: Effect::PutProtocol(Box::new(change)), answer })
    }
}

/// Whether the caller may read a protocol.
fn may_read(actor: &Actor, record: &ProtocolRecord) -> bool {
    let party =
        record.agreed().is_some_and(|(document, _)| document.party(&actor.partner).is_some());
    party || reads_all(actor)
}

/// The change of a line into another life.
fn changed(record: &ProtocolRecord, next: &Life) -> Result<Change, StoreError> {
    let life = serde_json::to_string(next).map_err(|_| CORRUPT_LIFE)?;
    let entry = Entry { life, ..record.stored.clone() };
    Ok(Change { entry, before: Some(record.stored.clone()), superseded: None })
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
