//! Joining: a new partner comes in by a deed of adherence, at once.
//!
//! The deed ([`Adherence`]) is handed in with every signature: the joiner's, and those of all who are
//! in, as the protocol's quorum asks; until its last day, and while the protocol's own has not passed.
//! What it takes on is checked as if it stood in the protocol; from the answer on the decision sees
//! it. The deed is kept beside the protocol, whose own text and digest stay what everyone signed.

use super::{
    ProtocolLine,
    paper::{Handed, Turned, none_is_barred, not_a_party},
    refusals,
};
use crate::{
    gateway::{Actor, Denied, Gateway, RefusalKind, Refused, Snapshot, snapshot::Nowhere},
    protocol::{
        Act, Adherence, CallerRole, Digest, Fault, Protocol, SignatureError, adherence::Joining,
    },
    store::Logged,
};

impl Gateway {
    /// Lets a partner join a protocol that is active, by a fully signed deed of adherence
    /// (General JWS JSON). The same deed again changes nothing.
    ///
    /// # Errors
    /// `wrong_role` but for providers and data officers; `not_a_party` for others than the joiner,
    /// the parties and data officers; the exact reason why the deed is refused, with the JSON
    /// pointer and rule as violation; `signatures_missing`; `signatory_barred`; `deed_too_late`;
    /// `another_agreement`; what the protocol's life does not allow.
    pub async fn adhere_to_protocol(
        &self,
        actor: &Actor,
        document: &str,
    ) -> Result<Logged<ProtocolLine>, Denied> {
        self.require(actor, &[CallerRole::Provider, CallerRole::DataOfficer]).await?;
        let now = self.now();
        let may = |deed: &Adherence| {
            let concerned = deed.party.partner == actor.partner
                || deed.agreed_by.iter().any(|agreeing| agreeing.partner == actor.partner);
            let may = concerned || actor.may_be(CallerRole::DataOfficer);
            if may { Ok(()) } else { Err(not_a_party()) }
        };
        let logged = self
            .settle(actor, |snapshot| {
                self.decide_paper(actor, snapshot, document, now, may, |handed, leaf| {
                    leaf.notes.about = Some(handed.signed.document().party.partner.clone());
                    self.join(snapshot, &handed)
                })
            })
            .await?;
        Ok(logged.map(|(_, line)| line))
    }

    fn join(&self, snapshot: &Snapshot, handed: &Handed<'_, Adherence>) -> Result<Turned, Refused> {
        let deed = handed.signed.document();
        let act = Act::Adhere { party: deed.party.partner.clone(), sends: !deed.flows.is_empty() };
        let life = handed.life.after(&act, handed.known).map_err(|error| refusals::life(&error))?;
        let today = self.today();
        if today > deed.valid_until || today > handed.known.expires {
            let sentence = "the deed's last day, or the protocol's own, has passed";
            let refused = Refused::new(RefusalKind::Conflict, "deed_too_late", sentence);
            return Err(refused.with_field("/valid_until", sentence));
        }
        let joined = self.joined(snapshot, handed)?;
        Ok(Turned { joined: Some(joined), ..life.into() })
    }

    /// The protocol with the joiner, once everyone who must has signed, and all fits.
    fn joined(
        &self,
        snapshot: &Snapshot,
        handed: &Handed<'_, Adherence>,
    ) -> Result<Protocol, Refused> {
        let fault = |fault: Fault| refusals::document(&fault);
        let (deed, signed) = (handed.signed.document(), handed.signed);
        let base = handed.record.verified.as_ref().map(|(verified, _)| verified.document());
        let joining = Joining {
            base: base.unwrap_or(handed.known),
            digest: Digest::from_bytes(handed.record.stored.digest),
        };
        let joined = deed.apply(joining, handed.known).map_err(fault)?;
        let awaited = deed.awaited(&joined, handed.life, signed.signatories()).map_err(fault)?;
        if !awaited.is_empty() {
            return Err(refusals::signature(&SignatureError::Incomplete(awaited)));
        }
        none_is_barred(snapshot, signed.signatories())?;
        let places = match snapshot.newest_areas() {
            Some(areas) => deed.check_audiences(joining.base, areas),
            None => deed.check_audiences(joining.base, &Nowhere),
        };
        places.map_err(fault)?;
        self.fits(snapshot, &joined)?;
        Ok(joined)
    }
}
