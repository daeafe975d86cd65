//! Revoking: a party's part ends at the word of its SIRO or Caldicott Guardian, at once.
//!
//! The word is a signed paper ([`Revoking`]); who calls is only its messenger. It is kept, and its
//! digest stands in the log. From the answer on the party's flows, and whatever it may see under the
//! protocol, are refused on every gateway, and no release counts what it sent under the protocol any
//! more: it is frozen in the same transaction, and with `purge` let go when the day ends
//! ([`crate::protocol::retention`]). What was to be kept may be purged by a later paper. Releases that
//! are out stay as they are; the answer names those that the data went into.

use super::{
    ReleaseConcerned, RevokedPart,
    paper::{Handed, Turned, is_own},
    refusals,
};
use crate::{
    audit::Leaf,
    gateway::{Actor, Denied, Gateway, ProtocolLine, Refused, refused::word},
    protocol::{Act, CallerRole, Revoking, life::Handling},
    store::{Logged, papers::Fate},
};

impl Gateway {
    /// Revokes the caller's own organisation's part of a protocol: a signed revocation (General
    /// JWS JSON). The same paper again changes nothing.
    ///
    /// # Errors
    /// `wrong_role` but for providers and data officers; `not_your_organisation`; the exact reason
    /// why the paper is refused; `signatures_missing` where neither the SIRO nor the Caldicott
    /// Guardian signed; `another_agreement`; `not_found` for one that the caller is no party of;
    /// what the protocol's life does not allow.
    pub async fn revoke_protocol(
        &self,
        actor: &Actor,
        document: &str,
    ) -> Result<Logged<RevokedPart>, Denied> {
        self.require(actor, &[CallerRole::Provider, CallerRole::DataOfficer]).await?;
        let now = self.now();
        let may = |revoking: &Revoking| is_own(actor, &revoking.party);
        let logged = self
            .settle(actor, |snapshot| {
                let turn = |handed: Handed<'_, _>, leaf: &mut Leaf| revoked(&handed, leaf);
                self.decide_paper(actor, snapshot, document, now, may, turn)
            })
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
}

fn revoked(handed: &Handed<'_, Revoking>, leaf: &mut Leaf) -> Result<Turned, Refused> {
    let revoking = handed.signed.document();
    leaf.notes.cause = Some(word(revoking.reason.code()));
    // Fully signed: an officer who may revoke has.
    let office = Revoking::office(handed.signed.signatories()).ok_or_else(Refused::not_found)?;
    let act = Act::Revoke {
        party: revoking.party.clone(),
        role: office,
        handling: revoking.handling,
        reason: revoking.reason,
    };
    let life = handed.life.after(&act, handed.known).map_err(|error| refusals::life(&error))?;
    let purge = revoking.handling == Handling::Purge;
    let fate = Fate::Frozen { party: revoking.party.clone(), purge };
    Ok(Turned { fate: Some(fate), ..life.into() })
}
