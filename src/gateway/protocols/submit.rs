//! Submitting a sharing protocol: its signatures arrive, together or one by one.
//!
//! Whoever is a party (or a data officer) may hand a document in; only signatures count. It
//! takes effect with the last one that it needs, and then ends the version that it
//! supersedes by digest. A version can only be superseded with the signature of everyone
//! whose part of it still stands: nobody is signed out of an agreement by others.

use super::{CORRUPT_LIFE, list, refusals};
use crate::{
    audit::{Hash, Leaf, LeafKind, ProtocolReference},
    gateway::{
        Actor, Denied, Gateway, ProtocolLine, ProtocolRecord, RefusalKind, Refused, Snapshot,
        decide::{Decided, Decision, Declined},
        snapshot::{Arrivals, Nowhere},
    },
    protocol::{
        Act, CallerRole, Digest, Envelope, KeyId, Life, Protocol, SignatureError, State, Verified,
        life::{Completeness, Part},
        signing::verify_as_arrived,
    },
    store::{
        Effect, Logged, StoreError,
        papers::{Fate, Kind, Turn},
        protocols::{Change, Entry},
    },
};
use jiff::Timestamp;

/// A document as it arrived, read and verified by itself.
struct Submitted {
    verified: Verified<Protocol>,
    envelope: Envelope,
    digest: Digest,
}

impl Gateway {
    /// Takes in a protocol (General JWS JSON) with one or more signatures, and adds them to
    /// those held already. It becomes active once every signature that it needs is there.
    /// The same signatures again change nothing.
    ///
    /// # Errors
    /// `not_a_party`; the exact reason why a signature or the document is refused, with the
    /// JSON pointer and rule as violation; `payload_differs` for another document of the
    /// same id and version; `state_forbids` once it is in force or over; what keeps it from
    /// superseding the version that it names.
    pub async fn submit_protocol(
        &self,
        actor: &Actor,
        document: &str,
    ) -> Result<Logged<ProtocolLine>, Denied> {
        let now = self.now();
        let logged = self
            .settle(actor, |snapshot| self.decide_submission(actor, snapshot, document, now))
            .await?;
        Ok(logged.map(|(_, line)| line))
    }

    fn decide_submission(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        document: &str,
        now: Timestamp,
    ) -> Decision<ProtocolLine> {
        let mut leaf = actor.leaf(LeafKind::ProtocolSubmitted, self);
        let (submitted, held) =
            match self.read_submission(actor, snapshot, document, now, &mut leaf) {
                Ok(read) => read,
                Err(refused) => return Err(Declined::new(leaf, refused)),
            };
        let mut arrivals = held.map_or_else(|| Ok(Arrivals::new()), arrivals_of)?;
        let brought = match bring_together(snapshot, held, submitted, &arrivals, now) {
            Ok(brought) => brought,
            Err(refused) => return Err(Declined::new(leaf, refused)),
        };
        let protocol = brought.verified.document();
        let kids: Vec<&KeyId> = brought.envelope.headers().map(|header| &header.kid).collect();
        if let Some(record) = held
            && kids.iter().all(|kid| arrivals.contains_key(kid.as_str()))
        {
            let answer = self.line(snapshot, record);
            return Ok(Decided { leaf, effect: Effect::None, answer });
        }
        for kid in kids {
            arrivals.entry(kid.as_str().to_owned()).or_insert(now.as_microsecond());
        }
        let before = held.map(|record| record.stored.clone());
        let life = held.and_then(|record| Some(record.verified.as_ref()?.1.clone()));
        let life = life.unwrap_or_else(|| Life::of(protocol));
        let completeness = Completeness::from(&brought.verified);
        let next = self.fits(snapshot, protocol).and_then(|()| {
            let replaced = replaced(snapshot, protocol)?;
            let act = Act::Sign(completeness);
            let next = life.after(&act, protocol).map_err(|error| refusals::life(&error))?;
            Ok((next, replaced))
        });
        let (mut next, replaced) = match next {
            Ok(next) => next,
            Err(refused) => return Err(Declined::new(leaf, refused)),
        };
        let mut superseded = None;
        let mut superseding = false;
        if completeness == Completeness::Full {
            leaf.kind = LeafKind::ProtocolActivated;
            if let Some(record) = replaced {
                if signed_before_revoking(record, &brought.envelope, &arrivals) {
                    return Err(Declined::new(leaf, signed_before()));
                }
                if let Some((_, life)) = record.agreed() {
                    next = next.following(life);
                }
                superseding = true;
                superseded = ended(record)?;
                if superseded.is_some() && protocol.effective > self.today() {
                    return Err(Declined::new(leaf, too_early()));
                }
            }
        }
        let entry = Entry {
            protocol: protocol.id.clone(),
            version: protocol.version.number(),
            life: serde_json::to_string(&next).map_err(|_| CORRUPT_LIFE)?,
            arrivals: serde_json::to_string(&arrivals).map_err(|_| CORRUPT_LIFE)?,
            digest: *brought.digest.as_bytes(),
            document: brought.envelope.to_json().map_err(|_| CORRUPT_LIFE)?,
        };
        let answer = list::submitted(&entry, &brought.verified, &next, self.today());
        // Who revoked its part of an earlier version and has signed this one brings its data back.
        let senders = protocol.flows.iter().map(|flow| flow.from.clone()).collect();
        let fate = superseding.then_some(Fate::Thawed { parties: senders });
        let change = Change { entry, before, superseded };
        let turn = Turn { change, paper: None, fate };
        Ok(Decided { leaf, effect: Effect::TurnProtocol(Box::new(turn)), answer })
    }

    /// Reads the document and verifies what it brings by itself, so that a refusal counts
    /// its signatures as the sender does. Finds what is held of the same version.
    fn read_submission<'a>(
        &self,
        actor: &Actor,
        snapshot: &'a Snapshot,
        document: &str,
        now: Timestamp,
        leaf: &mut Leaf,
    ) -> Result<(Submitted, Option<&'a ProtocolRecord>), Refused> {
        let refused = |error: SignatureError| refusals::signature(&error);
        let envelope = Envelope::parse(document.as_bytes()).map_err(refused)?;
        let protocol =
            Protocol::parse(envelope.payload()).map_err(|fault| refusals::document(&fault))?;
        let digest = Digest::of(envelope.payload());
        let version = protocol.version.number();
        if !actor.may_be(CallerRole::DataOfficer) && protocol.party(&actor.partner).is_none() {
            let sentence = "your organisation is not a party of this protocol";
            return Err(Refused::new(RefusalKind::Forbidden, "not_a_party", sentence));
        }
        let held = snapshot.protocols().find(|record| {
            record.stored.protocol == protocol.id && record.stored.version == version
        });
        if let Some(record) = held {
            if record.stored.digest != *digest.as_bytes() {
                return Err(refused(SignatureError::PayloadDiffers));
            }
            if record.verified.is_none() {
                let sentence = "what is held of this version can't be read any more";
                return Err(Refused::new(RefusalKind::Conflict, "protocol_unreadable", sentence));
            }
        }
        let arrivals = held.and_then(|record| arrivals_of(record).ok()).unwrap_or_default();
        let verified = verify(envelope.clone(), snapshot, &arrivals, now).map_err(refused)?;
        // Named in the log only now: until somebody has signed it, an id is free text.
        let (digest_of_leaf, id) = (Hash::new(*digest.as_bytes()), protocol.id);
        leaf.protocol = Some(ProtocolReference { digest: digest_of_leaf, id, version });
        Ok((Submitted { verified, envelope, digest }, held))
    }

    /// Whether every area and table that the document names is known here.
    pub(super) fn fits(&self, snapshot: &Snapshot, protocol: &Protocol) -> Result<(), Refused> {
        let places = match snapshot.newest_areas() {
            Some(areas) => protocol.check_places(areas),
            None => protocol.check_places(&Nowhere),
        };
        let tables: Vec<_> = self.catalogue.tables.iter().map(|table| table.id.clone()).collect();
        places
            .and_then(|()| protocol.check_tables(&tables))
            .map_err(|fault| refusals::document(&fault))
    }
}

fn arrivals_of(record: &ProtocolRecord) -> Result<Arrivals, StoreError> {
    serde_json::from_str(&record.stored.arrivals).map_err(|_| StoreError::Corrupt {
        table: "protocol",
        column: "arrivals",
        row: 0,
    })
}

fn verify(
    envelope: Envelope,
    snapshot: &Snapshot,
    arrivals: &Arrivals,
    now: Timestamp,
) -> Result<Verified<Protocol>, SignatureError> {
    verify_as_arrived(envelope, snapshot.register(), |kid: &KeyId| {
        let known = arrivals.get(kid.as_str()).copied();
        known.and_then(|micros| Timestamp::from_microsecond(micros).ok()).unwrap_or(now)
    })
}

/// Adds what arrived to what is held, and verifies the whole. Nobody signs for a partner
/// that is barred.
fn bring_together(
    snapshot: &Snapshot,
    held: Option<&ProtocolRecord>,
    submitted: Submitted,
    arrivals: &Arrivals,
    now: Timestamp,
) -> Result<Submitted, Refused> {
    for (place, header) in submitted.envelope.headers().enumerate() {
        let barred =
            snapshot.register().partner(&header.party).is_none_or(|(_, disabled)| disabled);
        if barred && !arrivals.contains_key(header.kid.as_str()) {
            let sentence = "a signature is of a partner that is barred in the register";
            let refused = Refused::new(RefusalKind::Invalid, "signatory_barred", sentence);
            return Err(refused.with_field(format!("/signatures/{place}"), sentence));
        }
    }
    let Some(record) = held else { return Ok(submitted) };
    let whole = || -> Result<Submitted, SignatureError> {
        let before = Envelope::parse(record.stored.document.as_bytes())?;
        let envelope = before.merge(submitted.envelope)?;
        let verified = verify(envelope.clone(), snapshot, arrivals, now)?;
        Ok(Submitted { verified, envelope, digest: submitted.digest })
    };
    whole().map_err(|error| refusals::merged(&error))
}

/// The version that a document supersedes, once it may.
fn replaced<'a>(
    snapshot: &'a Snapshot,
    protocol: &Protocol,
) -> Result<Option<&'a ProtocolRecord>, Refused> {
    let Some(named) = protocol.supersedes else { return Ok(None) };
    let refused = |reason, sentence| {
        let refused = Refused::new(RefusalKind::Conflict, reason, sentence);
        refused.with_field("/supersedes", sentence)
    };
    let record = snapshot.protocols().find(|record| {
        record.stored.protocol == protocol.id && record.stored.digest == *named.as_bytes()
    });
    let read = record.and_then(|record| Some((record, record.agreed()?)));
    let Some((record, (replaced, life))) = read else {
        let sentence = "no version of this protocol has the digest that it supersedes";
        return Err(refused("supersedes_unknown", sentence));
    };
    let older = record.stored.version < protocol.version.number();
    let began = !matches!(life.state(), State::Draft | State::PartlySigned | State::Superseded);
    if !older || !began {
        let sentence = "only an older version that has been in force can be superseded, and once";
        return Err(refused("supersedes_not_in_force", sentence));
    }
    let runs = |other: &ProtocolRecord| {
        let life = other.agreed().map(|(_, life)| life.state());
        other.stored.protocol == protocol.id
            && other.stored.digest != record.stored.digest
            && other.stored.version != protocol.version.number()
            && matches!(life, Some(State::Active | State::Suspended))
    };
    if snapshot.protocols().any(runs) {
        let sentence = "another version of this protocol is in force: supersede that one";
        return Err(refused("supersedes_not_in_force", sentence));
    }
    let mut standing = replaced.parties.iter().filter(|party| {
        life.part(&party.partner) != Part::Revoked && protocol.party(&party.partner).is_none()
    });
    if standing.next().is_some() {
        let sentence =
            "a party of the superseded version is left out; it must sign or revoke first";
        return Err(refused("party_left_out", sentence));
    }
    Ok(Some(record))
}

/// The life of a superseded version; `None` when it had ended before.
fn ended(record: &ProtocolRecord) -> Result<Option<(u32, String)>, StoreError> {
    let Some((document, life)) = record.agreed() else { return Ok(None) };
    let Ok(next) = life.after(&Act::Supersede, document) else { return Ok(None) };
    let json = serde_json::to_string(&next).map_err(|_| CORRUPT_LIFE)?;
    Ok(Some((record.stored.version, json)))
}

/// Whether a party revoked its part of the superseded version after it had signed this one: its
/// signature can't be taken back, and must not undo that.
fn signed_before_revoking(
    record: &ProtocolRecord,
    envelope: &Envelope,
    arrivals: &Arrivals,
) -> bool {
    let revocations = record.papers.iter().filter(|paper| paper.kind == Kind::Revocation);
    let mut papers = revocations.map(|paper| (paper, Envelope::parse(paper.document.as_bytes())));
    papers.any(|(paper, revocation)| {
        let Ok(revocation) = revocation else { return true };
        revocation.headers().any(|by| {
            let mut own = envelope.headers().filter(|header| header.party == by.party);
            own.any(|header| arrivals.get(header.kid.as_str()).is_none_or(|at| *at < paper.arrived))
        })
    })
}

fn signed_before() -> Refused {
    let sentence = "a party revoked its part of the earlier version after it had signed this one: \
                    draft the version anew";
    Refused::new(RefusalKind::Conflict, "signed_before_revocation", sentence)
        .with_field("/signatures", sentence)
}

/// A version that replaced its predecessor before its own first day would leave a gap in
/// which nothing is permitted.
fn too_early() -> Refused {
    let sentence = "hand in the last signature on the new version's first day or later";
    Refused::new(RefusalKind::Conflict, "not_yet_effective", sentence)
        .with_field("/effective", sentence)
}
