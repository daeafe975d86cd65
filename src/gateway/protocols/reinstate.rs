//! Reinstating: what was suspended resumes at the signed word of the quorum, and of nobody's token.
//!
//! Each officer's word is a signed paper ([`Reinstating`]) about one suspension; who calls is only its
//! messenger. The officer's key is one that the agreement names for its party, as under the agreement
//! itself. Words about a suspension that is over, or about another one, count for nothing.

use super::{
    ProtocolLine,
    paper::{Handed, Turned, is_own, none_is_barred},
    refusals,
};
use crate::{
    gateway::{Actor, Denied, Gateway, RefusalKind, Refused, Snapshot},
    protocol::{Act, CallerRole, Reinstating, SignatureError},
    store::Logged,
};

impl Gateway {
    /// Agrees for the caller's organisation, by an officer's signed word (General JWS JSON), that
    /// what is suspended resumes. It resumes once the quorum has agreed; until then the line says
    /// who is awaited. The same word again changes nothing.
    ///
    /// # Errors
    /// `wrong_role` but for providers and data officers; `not_your_organisation`; the exact reason
    /// why the paper is refused; `another_agreement`; `another_suspension`; what the protocol's
    /// life does not allow.
    pub async fn reinstate_protocol(
        &self,
        actor: &Actor,
        document: &str,
    ) -> Result<Logged<ProtocolLine>, Denied> {
        self.require(actor, &[CallerRole::Provider, CallerRole::DataOfficer]).await?;
        let now = self.now();
        let may = |word: &Reinstating| is_own(actor, &word.party);
        let logged = self
            .settle(actor, |snapshot| {
                self.decide_paper(actor, snapshot, document, now, may, |handed, _| {
                    reinstated(snapshot, &handed)
                })
            })
            .await?;
        Ok(logged.map(|(_, line)| line))
    }
}

fn reinstated(snapshot: &Snapshot, handed: &Handed<'_, Reinstating>) -> Result<Turned, Refused> {
    let word = handed.signed.document();
    let act = Act::Reinstate { party: word.party.clone(), role: word.office };
    let next = handed.life.after(&act, handed.known).map_err(|error| refusals::life(&error))?;
    let own = handed.known.party(&word.party);
    let signatories = handed.signed.signatories();
    let unnamed = signatories
        .iter()
        .position(|signatory| own.is_none_or(|party| !party.keys.contains(&signatory.kid)));
    if let Some(place) = unnamed {
        return Err(refusals::signature(&SignatureError::KeyNotNamed { place }));
    }
    none_is_barred(snapshot, signatories)?;
    if !word.is_about(handed.life) {
        let sentence = "this is not about what stands suspended now: look at the protocol's line";
        let refused = Refused::new(RefusalKind::Conflict, "another_suspension", sentence);
        return Err(refused.with_field("/suspension", sentence));
    }
    Ok(next.into())
}
