//! Papers beside a protocol's version (deeds, revocations, reinstatements): read, decided and kept in
//! one way. A paper is worth what its signatures are; who hands it in is its messenger. It is kept as
//! it came, with the change that it makes, and its digest stands in the log. The same paper again
//! changes nothing.

use super::{ProtocolLine, changed, line::line_of, reference, refusals};
use crate::{
    audit::{Hash, Leaf, LeafKind},
    domain::PartnerId,
    gateway::{
        Actor, Gateway, ProtocolRecord, RefusalKind, Refused, Snapshot,
        decide::{Decided, Decision, Declined},
    },
    protocol::{
        Adherence, Envelope, FullySigned, Life, Protocol, Reinstating, Revoking, Signed, Verified,
        adherence::Agreement,
        signing::{Document, Signatory, verify},
    },
    store::{
        Effect,
        papers::{Fate, Kind, Paper, Turn},
    },
};
use jiff::Timestamp;

/// A document that is about a version of a protocol.
pub(super) trait AboutAVersion: Document {
    const KIND: Kind;
    const LEAF: LeafKind;
    /// Where it names the version.
    const NAMED_AT: &'static str;

    fn agreement(&self) -> &Agreement;
}

impl AboutAVersion for Adherence {
    const KIND: Kind = Kind::Adherence;
    const LEAF: LeafKind = LeafKind::ProtocolJoined;
    const NAMED_AT: &'static str = "/adheres_to";

    fn agreement(&self) -> &Agreement {
        &self.adheres_to
    }
}

impl AboutAVersion for Revoking {
    const KIND: Kind = Kind::Revocation;
    const LEAF: LeafKind = LeafKind::ProtocolRevoked;
    const NAMED_AT: &'static str = "/revokes";

    fn agreement(&self) -> &Agreement {
        &self.revokes
    }
}

impl AboutAVersion for Reinstating {
    const KIND: Kind = Kind::Reinstatement;
    const LEAF: LeafKind = LeafKind::ProtocolResumed;
    const NAMED_AT: &'static str = "/reinstates";

    fn agreement(&self) -> &Agreement {
        &self.reinstates
    }
}

/// A paper with all its signatures, and the version that it is about as it stands.
pub(super) struct Handed<'a, T> {
    pub(super) signed: &'a Signed<T, FullySigned>,
    pub(super) record: &'a ProtocolRecord,
    pub(super) known: &'a Protocol,
    pub(super) life: &'a Life,
}

/// What a paper makes of a version.
pub(super) struct Turned {
    pub(super) life: Life,
    /// The protocol with who joins it.
    pub(super) joined: Option<Protocol>,
    /// What becomes of records.
    pub(super) fate: Option<Fate>,
}

impl From<Life> for Turned {
    fn from(life: Life) -> Self {
        Self { life, joined: None, fate: None }
    }
}

impl Gateway {
    /// Decides a paper. `may`: whether the caller may hand it in; `turn`: what it makes of the
    /// version, with what the leaf says of it.
    pub(super) fn decide_paper<T: AboutAVersion>(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        document: &str,
        now: Timestamp,
        may: impl Fn(&T) -> Result<(), Refused>,
        turn: impl Fn(Handed<'_, T>, &mut Leaf) -> Result<Turned, Refused>,
    ) -> Decision<ProtocolLine> {
        let mut leaf = actor.leaf(T::LEAF, self);
        let (signed, record) = match read(snapshot, document, now, may) {
            Ok(read) => read,
            Err(refused) => return Err(Declined::new(leaf, refused)),
        };
        leaf.protocol = Some(reference(&record.stored));
        let Some((known, life)) = record.agreed() else {
            return Err(Declined::new(leaf, refusals::another_agreement(T::NAMED_AT)));
        };
        let digest = *signed.digest().as_bytes();
        if record.papers.iter().any(|paper| paper.digest == digest) {
            leaf.kind = LeafKind::RegisterRead;
            leaf.notes.register = "protocols".parse().ok();
            let answer = self.line(snapshot, record);
            return Ok(Decided { leaf, effect: Effect::None, answer });
        }
        leaf.notes.document = Some(Hash::new(digest));
        let handed = Handed { signed: &signed, record, known, life };
        let Turned { life, joined, fate } = match turn(handed, &mut leaf) {
            Ok(turned) => turned,
            Err(refused) => return Err(Declined::new(leaf, refused)),
        };
        let change = changed(record, &life)?;
        let stands = joined.as_ref().unwrap_or(known);
        let answer = line_of(&change.entry, record, stands, &life, self.today());
        let paper = Paper {
            protocol: record.stored.protocol.clone(),
            version: record.stored.version,
            digest,
            kind: T::KIND,
            document: document.to_owned(),
            arrived: now.as_microsecond(),
        };
        let turn = Turn { change, paper: Some(paper), fate };
        Ok(Decided { leaf, effect: Effect::TurnProtocol(Box::new(turn)), answer })
    }
}

/// The paper, verified, and the version that it is about.
fn read<'a, T: AboutAVersion>(
    snapshot: &'a Snapshot,
    document: &str,
    now: Timestamp,
    may: impl Fn(&T) -> Result<(), Refused>,
) -> Result<(Signed<T, FullySigned>, &'a ProtocolRecord), Refused> {
    let signed = Envelope::parse(document.as_bytes())
        .and_then(|envelope| verify::<T>(envelope, snapshot.register(), now))
        .and_then(Verified::require_full)
        .map_err(|error| refusals::signature(&error))?;
    may(signed.document())?;
    let named = signed.document().agreement();
    let record = snapshot.protocols().find(|record| {
        record.stored.protocol == named.protocol
            && record.stored.version == named.version.number()
            && record.stored.digest == *named.digest.as_bytes()
    });
    let record = record.ok_or_else(|| refusals::another_agreement(T::NAMED_AT))?;
    Ok((signed, record))
}

/// Whether a partner is barred in the register, or was never in it.
pub(super) fn is_barred(snapshot: &Snapshot, partner: &PartnerId) -> bool {
    snapshot.register().partner(partner).is_none_or(|(_, disabled)| disabled)
}

/// Nobody signs for a partner that is barred.
pub(super) fn none_is_barred(
    snapshot: &Snapshot,
    signatories: &[Signatory],
) -> Result<(), Refused> {
    match signatories.iter().position(|signatory| is_barred(snapshot, &signatory.party)) {
        Some(place) => Err(refusals::barred(place)),
        None => Ok(()),
    }
}

/// Whoever is no party, and no data officer, hands nothing in.
pub(super) fn not_a_party() -> Refused {
    let sentence = "your organisation is not a party of this protocol";
    Refused::new(RefusalKind::Forbidden, "not_a_party", sentence)
}

/// Whoever speaks for another organisation than its own is refused.
pub(super) fn is_own(actor: &Actor, party: &PartnerId) -> Result<(), Refused> {
    if *party == actor.partner {
        return Ok(());
    }
    let sentence = "each organisation speaks for its own part only";
    Err(Refused::new(RefusalKind::Forbidden, "not_your_organisation", sentence))
}
