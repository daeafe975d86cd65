//! The register of sharing protocols: submitted, read, suspended, reinstated, joined, revoked, expired.
//!
//! Every member reads the register's lines; documents and papers are for their parties, data officers
//! and auditors. What a signature is worth is decided by [`crate::protocol::signing`], what a protocol's life
//! allows by [`crate::protocol::life`]; here both are looked up, kept and logged.

mod adhere;
mod expire;
mod explain;
mod line;
mod list;
mod paper;
mod refusals;
mod reinstate;
mod revoke;
mod root;
mod submit;

pub use explain::{Explained, ExplainedAct, ExplainedQuestion};
pub(super) use line::warnings;
pub use line::{ProtocolDocument, ProtocolLine, ReleaseConcerned, RevokedPart};
pub use list::ProtocolFilter;
pub use root::RootPolicyLine;

use super::{
    Actor, Denied, Gateway, ProtocolRecord, Refused, Snapshot,
    decide::{Decided, Decision, Declined},
    partners::reads_all,
};
use crate::{
    audit::{Hash, Leaf, LeafKind, ProtocolReference},
    domain::ProtocolId,
    protocol::{Act, CallerRole, Life, Protocol},
    store::{
        Effect, Logged, StoreError,
        protocols::{Change, Entry},
    },
};

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

/// Whether the caller may read a protocol's document and papers, and what is missing of it.
fn reads_documents(actor: &Actor, record: &ProtocolRecord) -> bool {
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

fn reference(stored: &Entry) -> ProtocolReference {
    ProtocolReference {
        digest: Hash::new(stored.digest),
        id: stored.protocol.clone(),
        version: stored.version,
    }
}
