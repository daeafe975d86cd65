//! Joining: a new partner comes in by a deed of adherence, at once.
//!
//! The deed ([`Adherence`]) is handed in with every signature: the joiner's, and those of all who are
//! in, as the protocol's quorum asks. What it takes on is checked as if it stood in the protocol; from
//! the answer on the decision sees it. The deed is kept beside the protocol, whose own text and digest
//! stay what everyone signed.

use super::{ProtocolLine, changed, line::line_of, reference, refusals};
use crate::{
    audit::{Hash, LeafKind},
    gateway::{
        Actor, Denied, Gateway, ProtocolRecord, RefusalKind, Refused, Snapshot,
        decide::{Decided, Decision, Declined},
    },
    protocol::{
        Act, Adherence, CallerRole, Digest, Envelope, Fault, FullySigned, Protocol, SignatureError,
        Signed, Verified, signing::verify,
    },
    store::{
        Effect, Logged,
        papers::{Kind, Paper, Turn},
    },
};
use jiff::Timestamp;

impl Gateway {
    /// Lets a partner join a protocol that is active, by a fully signed deed of adherence
    /// (General JWS JSON). The same deed again changes nothing.
    ///
    /// # Errors
    /// `not_a_party` for others than the joiner, the parties and data officers; the exact reason
    /// why the deed is refused, with the JSON pointer and rule as violation; `signatures_missing`;
    /// `signatory_barred`; `another_agreement`; what the protocol's life does not allow.
    pub async fn adhere_to_protocol(
        &self,
        actor: &Actor,
        document: &str,
    ) -> Result<Logged<ProtocolLine>, Denied> {
        let now = self.now();
        let logged = self
            .settle(actor, |snapshot| self.decide_adherence(actor, snapshot, document, now))
            .await?;
        Ok(logged.map(|(_, line)| line))
    }

    fn decide_adherence(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        document: &str,
        now: Timestamp,
    ) -> Decision<ProtocolLine> {
        let mut leaf = actor.leaf(LeafKind::ProtocolJoined, self);
        let (signed, record) = match read(actor, snapshot, document, now) {
            Ok(read) => read,
            Err(refused) => return Err(Declined::new(leaf, refused)),
        };
        leaf.protocol = Some(reference(&record.stored));
        let digest = *signed.digest().as_bytes();
        let Some((known, life)) = record.agreed() else {
            return Err(Declined::new(leaf, refusals::another_agreement("/adheres_to")));
        };
        if record.papers.iter().any(|paper| paper.digest == digest) {
            leaf.kind = LeafKind::RegisterRead;
            leaf.notes.register = "protocols".parse().ok();
            let answer = self.line(snapshot, record);
            return Ok(Decided { leaf, effect: Effect::None, answer });
        }
        let deed = signed.document();
        leaf.notes.document = Some(Hash::new(digest));
        leaf.notes.about = Some(deed.party.partner.clone());
        let act = Act::Adhere { party: deed.party.partner.clone(), sends: !deed.flows.is_empty() };
        let decided = life
            .after(&act, known)
            .map_err(|error| refusals::life(&error))
            .and_then(|next| Ok((next, self.joined(snapshot, &signed, record, (known, life))?)));
        let (next, joined) = match decided {
            Ok(decided) => decided,
            Err(refused) => return Err(Declined::new(leaf, refused)),
        };
        let change = changed(record, &next)?;
        let answer = line_of(&change.entry, record, &joined, &next, self.today());
        let paper = Paper {
            protocol: record.stored.protocol.clone(),
            version: record.stored.version,
            digest,
            kind: Kind::Adherence,
            document: document.to_owned(),
            arrived: now.as_microsecond(),
        };
        let turn = Turn { change, paper: Some(paper), fate: None };
        Ok(Decided { leaf, effect: Effect::TurnProtocol(Box::new(turn)), answer })
    }

    /// The protocol with the joiner, once everyone who must has signed, and all fits.
    fn joined(
        &self,
        snapshot: &Snapshot,
        signed: &Signed<Adherence, FullySigned>,
        record: &ProtocolRecord,
        (known, life): (&Protocol, &crate::protocol::Life),
    ) -> Result<Protocol, Refused> {
        let fault = |fault: Fault| refusals::document(&fault);
        let deed = signed.document();
        let joined = deed.apply(known, Digest::from_bytes(record.stored.digest)).map_err(fault)?;
        let awaited = deed.awaited(&joined, life, signed.signatories()).map_err(fault)?;
        if !awaited.is_empty() {
            return Err(refusals::signature(&SignatureError::Incomplete(awaited)));
        }
        let barred = |party: &crate::domain::PartnerId| {
            snapshot.register().partner(party).is_none_or(|(_, disabled)| disabled)
        };
        if signed.signatories().iter().any(|signatory| barred(&signatory.party)) {
            let sentence = "a signature is of a partner that is barred in the register";
            return Err(Refused::new(RefusalKind::Invalid, "signatory_barred", sentence));
        }
        self.fits(snapshot, &joined)?;
        Ok(joined)
    }
}

/// The deed, verified, and the version that it is about.
fn read<'a>(
    actor: &Actor,
    snapshot: &'a Snapshot,
    document: &str,
    now: Timestamp,
) -> Result<(Signed<Adherence, FullySigned>, &'a ProtocolRecord), Refused> {
    let signed = Envelope::parse(document.as_bytes())
        .and_then(|envelope| verify::<Adherence>(envelope, snapshot.register(), now))
        .and_then(Verified::require_full)
        .map_err(|error| refusals::signature(&error))?;
    let deed = signed.document();
    let concerned = deed.party.partner == actor.partner
        || deed.agreed_by.iter().any(|agreeing| agreeing.partner == actor.partner);
    if !concerned && !actor.may_be(CallerRole::DataOfficer) {
        let sentence = "your organisation is not a party of this protocol";
        return Err(Refused::new(RefusalKind::Forbidden, "not_a_party", sentence));
    }
    let named = &deed.adheres_to;
    let record = snapshot.protocols().find(|record| {
        record.stored.protocol == named.protocol
            && record.stored.version == named.version.number()
            && record.stored.digest == *named.digest.as_bytes()
    });
    record.map(|record| (signed, record)).ok_or_else(|| refusals::another_agreement("/adheres_to"))
}
