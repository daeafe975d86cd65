//! The root disclosure policy: what may come out at all, signed by all controllers.
//!
//! Only a data officer of one of its controllers hands it in, with every signature. It must
//! be about the very catalogue that this gateway counts by, and keep the limits that hold
//! an attacker to what the design promises ([`Limits::recommended`]): looser ones would
//! need another program, not another signature.

use super::refusals;
use crate::{
    audit::{Hash, LeafKind},
    disclosure::{Limits, Rho},
    domain::PartnerId,
    gateway::{
        Actor, Denied, Gateway, ProtocolRecord, RefusalKind, Refused, Snapshot,
        decide::{Decided, Decision, Declined},
    },
    protocol::{
        CallerRole, Envelope, FullySigned, RootPolicy, Signed, State, Verified, signing::verify,
        vocabulary::PartyRole,
    },
    store::{Effect, Logged, protocols::RootPolicyEntry},
};
use jiff::Timestamp;

/// The root policy's line in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootPolicyLine {
    /// Its version, from 1.
    pub version: u32,
    /// SHA-256 of its canonical bytes.
    pub digest: [u8; 32],
}

impl Gateway {
    /// Puts a root disclosure policy in force (General JWS JSON, all signatures). The policy
    /// that is in force already changes nothing.
    ///
    /// # Errors
    /// `wrong_role` but for data officers, `not_a_controller` but for those of a controller;
    /// the exact reason why a signature or the document is refused; `signatures_missing`;
    /// `other_catalogue`; `limits_too_loose`; `controller_left_out`; `supersedes_unknown`.
    pub async fn submit_root_policy(
        &self,
        actor: &Actor,
        document: &str,
    ) -> Result<Logged<RootPolicyLine>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let now = self.now();
        let logged =
            self.settle(actor, |snapshot| self.decide_root(actor, snapshot, document, now));
        Ok(logged.await?.map(|(_, line)| line))
    }

    fn decide_root(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        document: &str,
        now: Timestamp,
    ) -> Decision<RootPolicyLine> {
        let mut leaf = actor.leaf(LeafKind::RootPolicyActivated, self);
        let signed = Envelope::parse(document.as_bytes())
            .and_then(|envelope| verify::<RootPolicy>(envelope, snapshot.register(), now))
            .and_then(Verified::require_full);
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => return Err(Declined::new(leaf, refusals::signature(&error))),
        };
        leaf.notes.document = Some(Hash::new(*signed.digest().as_bytes()));
        let policy = signed.document();
        let line = RootPolicyLine {
            version: policy.version.number(),
            digest: *signed.digest().as_bytes(),
        };
        let held = snapshot.policy().root();
        if held.is_some_and(|held| held.digest() == signed.digest()) {
            leaf.kind = LeafKind::RegisterRead;
            leaf.notes.register = "root_policy".parse().ok();
            return Ok(Decided { leaf, effect: Effect::None, answer: line });
        }
        let catalogue = self.catalogue.digest()?;
        let checked = controllers(actor, snapshot, &signed)
            .and_then(|()| self.limits(policy))
            .and_then(|()| follows(held, policy))
            .and_then(|()| {
                if catalogue.as_bytes() == policy.catalogue.as_bytes() {
                    return Ok(());
                }
                let sentence = "the policy is about another catalogue than this gateway's";
                Err(conflict("other_catalogue", sentence, "/catalogue"))
            });
        if let Err(refused) = checked {
            return Err(Declined::new(leaf, refused));
        }
        let entry = RootPolicyEntry {
            version: line.version,
            digest: line.digest,
            document: document.to_owned(),
            arrived: now.as_microsecond(),
        };
        Ok(Decided { leaf, effect: Effect::PutRootPolicy(entry), answer: line })
    }

    /// Tables of the catalogue, with limits at least as tight as the recommended ones.
    fn limits(&self, policy: &RootPolicy) -> Result<(), Refused> {
        let floor = Limits::recommended();
        let loose = |pointer: &str| {
            let sentence = "the policy's limits are looser than this gateway's floor";
            Err(conflict("limits_too_loose", sentence, pointer))
        };
        for (at, table) in policy.tables.iter().enumerate() {
            let Some(own) = self.catalogue.table(&table.table) else {
                let sentence = "the catalogue has no such table";
                return Err(conflict("unknown_table", sentence, &format!("/tables/{at}/table")));
            };
            // Bodies are counted exactly: there is no noise to ask for.
            if own.variance > 0 && table.minimum_variance < floor.minimum_variance {
                return loose(&format!("/tables/{at}/minimum_variance"));
            }
        }
        // Both amounts are written alike; one that can't be read is taken as too much.
        let within = |amount: String, most: Rho| amount.parse().is_ok_and(|rho: Rho| rho <= most);
        if !within(policy.quarterly_rho.to_string(), floor.quarter) {
            return loose("/quarterly_rho");
        }
        if !within(policy.lifetime_rho.to_string(), floor.lifetime) {
            return loose("/lifetime_rho");
        }
        Ok(())
    }
}

fn conflict(reason: &'static str, sentence: &'static str, pointer: &str) -> Refused {
    Refused::new(RefusalKind::Conflict, reason, sentence).with_field(pointer, sentence)
}

/// Whoever controls data here has signed: the caller's organisation, every controller of a
/// protocol in force, and every controller of the policy before.
fn controllers(
    actor: &Actor,
    snapshot: &Snapshot,
    signed: &Signed<RootPolicy, FullySigned>,
) -> Result<(), Refused> {
    let policy = signed.document();
    let signs =
        |partner: &PartnerId| policy.controllers.iter().any(|known| known.partner == *partner);
    if !signs(&actor.partner) {
        let sentence = "your organisation is not a controller of this policy";
        return Err(Refused::new(RefusalKind::Forbidden, "not_a_controller", sentence));
    }
    let barred =
        |party: &PartnerId| snapshot.register().partner(party).is_none_or(|(_, disabled)| disabled);
    if signed.signatories().iter().any(|signatory| barred(&signatory.party)) {
        let sentence = "a signature is of a partner that is barred in the register";
        return Err(Refused::new(RefusalKind::Invalid, "signatory_barred", sentence));
    }
    let in_force = snapshot.protocols().filter_map(ProtocolRecord::agreed);
    let in_force = in_force
        .filter(|(_, life)| matches!(life.state(), State::Active | State::Suspended))
        .flat_map(|(document, _)| &document.parties)
        .filter(|party| party.role != PartyRole::Processor)
        .map(|party| &party.partner);
    let before = snapshot.policy().root().into_iter();
    let before =
        before.flat_map(|held| held.document().controllers.iter().map(|known| &known.partner));
    if in_force.chain(before).all(signs) {
        return Ok(());
    }
    let sentence = "a controller of a protocol in force, or of the policy before, is left out";
    Err(conflict("controller_left_out", sentence, "/controllers"))
}

/// A first policy, or the next version of the one held.
fn follows(
    held: Option<&Signed<RootPolicy, FullySigned>>,
    policy: &RootPolicy,
) -> Result<(), Refused> {
    let follows = match (held, policy.supersedes) {
        (None, None) => true,
        (Some(held), Some(named)) => {
            named == held.digest() && policy.version > held.document().version
        }
        _ => false,
    };
    if follows {
        return Ok(());
    }
    let sentence = "the policy must supersede, by digest, the one in force";
    Err(conflict("supersedes_unknown", sentence, "/supersedes"))
}
