//! Revoking: a party's part ends at the word of its SIRO or Caldicott Guardian, at once.
//!
//! The word is a signed paper ([`Revoking`]); who calls is only its messenger. It is kept, and its
//! digest stands in the log. From the answer on the party's flows, and whatever it may see under the
//! protocol, are refused on every gateway, and no release counts what it sent under the protocol any
//! more: it is frozen in the same transaction, and with `purge` erased when the day ends. Releases
//! that are out stay as they are; the answer names those that the data went into.

use super::{ReleaseConcerned, RevokedPart, changed, line::line_of, reference, refusals};
use crate::{
    audit::{Hash, LeafKind},
    gateway::{
        Actor, Denied, Gateway, ProtocolLine, ProtocolRecord, RefusalKind, Refused, Snapshot,
        decide::{Decided, Decision, Declined},
        refused::word,
    },
    protocol::{
        Act, CallerRole, Digest, Envelope, FullySigned, Revoking, Signed, Verified, life::Handling,
        signing::verify,
    },
    store::{
        Effect, Logged,
        papers::{Fate, Kind, Paper, Turn},
    },
};
use jiff::Timestamp;

impl Gateway {
    /// Revokes the caller's own organisation's part of a protocol: a signed revocation (General
    /// JWS JSON). The same paper again changes nothing.
    ///
    /// # Errors
    /// `wrong_role` but for providers and data officers; `not_found` for a protocol that is not
    /// the caller's to know; `not_your_organisation`; the exact reason why the paper is refused;
    /// `signatures_missing` where neither the SIRO nor the Caldicott Guardian signed;
    /// `another_agreement`; what the protocol's life does not allow.
    pub async fn revoke_protocol(
        &self,
        actor: &Actor,
        document: &str,
    ) -> Result<Logged<RevokedPart>, Denied> {
        self.require(actor, &[CallerRole::Provider, CallerRole::DataOfficer]).await?;
        let now = self.now();
        let logged = self
            .settle(actor, |snapshot| self.decide_revocation(actor, snapshot, document, now))
            .await?;
        // Looked at only now: none that counts the data can have come after.
        let releases = self.releases(&self.snapshot()).await?;
        let concerned = |line: &ProtocolLine| {
            let used = releases.all().iter().filter(|frozen| {
                let (protocols, feeds) = (&frozen.release.protocols, &frozen.release.feeds);
                protocols.iter().any(|known| known.id == line.protocol)
                    && feeds.iter().any(|feed| {
                        feed.partner == actor.partner
                            && feed.week.is_some()
                            && line.record_types.contains(&feed.record_type)
                    })
            });
            used.map(|frozen| ReleaseConcerned {
                quarter: frozen.release.quarter,
                digest: *frozen.digest.as_bytes(),
                withdrawn: frozen.withdrawn.is_some(),
            })
            .collect()
        };
        Ok(logged.map(|(_, line)| RevokedPart { releases: concerned(&line), line }))
    }

    fn decide_revocation(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        document: &str,
        now: Timestamp,
    ) -> Decision<ProtocolLine> {
        let mut leaf = actor.leaf(LeafKind::ProtocolRevoked, self);
        let read = read(actor, snapshot, document, now);
        let (signed, record) = match read {
            Ok(read) => read,
            Err(refused) => return Err(Declined::new(leaf, refused)),
        };
        leaf.protocol = Some(reference(&record.stored));
        let digest = *signed.digest().as_bytes();
        let Some((known, life)) = record.agreed() else {
            return Err(Declined::new(leaf, Refused::not_found()));
        };
        let answer = self.line(snapshot, record);
        if record.papers.iter().any(|paper| paper.digest == digest) {
            leaf.kind = LeafKind::RegisterRead;
            leaf.notes.register = "protocols".parse().ok();
            return Ok(Decided { leaf, effect: Effect::None, answer });
        }
        let revoking = signed.document();
        leaf.notes.document = Some(Hash::new(digest));
        leaf.notes.cause = Some(word(revoking.reason.code()));
        let Some(role) = Revoking::office(signed.signatories()) else {
            return Err(Declined::new(leaf, Refused::not_found()));
        };
        let act = Act::Revoke {
            party: actor.partner.clone(),
            role,
            handling: revoking.handling,
            reason: revoking.reason,
        };
        let next = match life.after(&act, known) {
            Ok(next) => next,
            Err(error) => return Err(Declined::new(leaf, refusals::life(&error))),
        };
        let change = changed(record, &next)?;
        let answer = line_of(&change.entry, record, known, &next, self.today());
        let paper = Paper {
            protocol: record.stored.protocol.clone(),
            version: record.stored.version,
            digest,
            kind: Kind::Revocation,
            document: document.to_owned(),
            arrived: now.as_microsecond(),
        };
        let purge = revoking.handling == Handling::Purge;
        let fate = Fate::Frozen { party: actor.partner.clone(), purge };
        let turn = Turn { change, paper: Some(paper), fate: Some(fate) };
        Ok(Decided { leaf, effect: Effect::TurnProtocol(Box::new(turn)), answer })
    }
}

/// The paper, verified, and the version that it is about.
fn read<'a>(
    actor: &Actor,
    snapshot: &'a Snapshot,
    document: &str,
    now: Timestamp,
) -> Result<(Signed<Revoking, FullySigned>, &'a ProtocolRecord), Refused> {
    let signed = Envelope::parse(document.as_bytes())
        .and_then(|envelope| verify::<Revoking>(envelope, snapshot.register(), now))
        .and_then(Verified::require_full)
        .map_err(|error| refusals::signature(&error))?;
    let revoking = signed.document();
    if revoking.party != actor.partner {
        let sentence = "each organisation revokes its own part only";
        return Err(Refused::new(RefusalKind::Forbidden, "not_your_organisation", sentence));
    }
    let record = snapshot.protocol(&revoking.revokes.protocol, revoking.revokes.version.number());
    let is_party = |record: &&ProtocolRecord| {
        record.agreed().is_some_and(|(known, _)| known.party(&actor.partner).is_some())
    };
    let record = record.filter(is_party).ok_or_else(Refused::not_found)?;
    let same = record.agreed().is_some_and(|(known, _)| {
        revoking.revokes.is(known, Digest::from_bytes(record.stored.digest))
    });
    if same { Ok((signed, record)) } else { Err(refusals::another_agreement("/revokes")) }
}
