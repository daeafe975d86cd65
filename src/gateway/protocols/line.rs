//! A protocol's line in the register: where it stands, what is missing, what somebody should see to.

use crate::{
    domain::{PartnerId, ProtocolId, Quarter, RecordType},
    gateway::{Gateway, ProtocolRecord, Snapshot},
    protocol::{
        Life, Protocol, State, Verified,
        diff::Change as Difference,
        life::{Part, Revocation},
        signing::Signatory,
    },
    store::protocols::Entry,
};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// So many days before its review or its end, a protocol's line begins to say so.
const AHEAD_DAYS: i32 = 60;

/// A protocol's line in the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolLine {
    /// Its id.
    pub protocol: ProtocolId,
    /// Its version, from 1.
    pub version: u32,
    /// SHA-256 of its canonical bytes.
    pub digest: [u8; 32],
    /// Where it stands; `None` when it can't be read any more and so permits nothing.
    pub state: Option<State>,
    /// Its title.
    pub title: String,
    /// Its parties, those included who joined since.
    pub parties: Vec<PartnerId>,
    /// What is sent under it.
    pub record_types: BTreeSet<RecordType>,
    /// First day in force.
    pub effective: Option<Date>,
    /// Day by which it is reviewed.
    pub review_by: Option<Date>,
    /// Last day in force.
    pub expires: Option<Date>,
    /// What keeps it from being in force in full, in words.
    pub missing: Vec<String>,
    /// What somebody should see to, in words: a review that is due, an end that is near, a part
    /// that was revoked, another protocol that keeps the same records otherwise.
    pub warnings: Vec<String>,
    /// The number by which a word to resume names what is suspended; 0 before anything was.
    pub suspension: u32,
    /// Whose parts are suspended.
    pub suspended: Vec<PartnerId>,
}

impl ProtocolLine {
    /// What every member reads of a protocol that it is no party of: that it is there, where it
    /// stands, whose it is, and its days.
    pub(super) fn for_others(self) -> Self {
        let (missing, warnings, suspended) = (Vec::new(), Vec::new(), Vec::new());
        Self { missing, warnings, suspension: 0, suspended, ..self }
    }
}

/// A protocol's line and its signed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolDocument {
    /// The line.
    pub line: ProtocolLine,
    /// General JWS JSON with all signatures so far; empty for whoever reads the line alone.
    pub document: String,
    /// What it changes against the version that it supersedes.
    pub changes: Vec<Difference>,
    /// Its deeds of adherence, revocations and reinstatements, General JWS JSON, in the order in
    /// which they took effect.
    pub papers: Vec<String>,
    /// The document as it stands with those who joined it, read; with the line alone, and where it
    /// can't be verified, none.
    pub agreed: Option<Box<Protocol>>,
    /// Whose signatures under it verify, in their order.
    pub signatories: Vec<Signatory>,
    /// The parts that were revoked.
    pub revoked: BTreeMap<PartnerId, Revocation>,
}

impl ProtocolDocument {
    /// The line alone.
    pub(super) fn of(line: ProtocolLine) -> Self {
        Self {
            line,
            document: String::new(),
            changes: Vec::new(),
            papers: Vec::new(),
            agreed: None,
            signatories: Vec::new(),
            revoked: BTreeMap::new(),
        }
    }
}

/// A release that the data of a revoked part went into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseConcerned {
    /// Its quarter.
    pub quarter: Quarter,
    /// Its digest.
    pub digest: [u8; 32],
    /// Whether it has been withdrawn.
    pub withdrawn: bool,
}

/// A party's part that is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedPart {
    /// The protocol's line.
    pub line: ProtocolLine,
    /// The releases that used its data; they stay as they are.
    pub releases: Vec<ReleaseConcerned>,
}

impl Gateway {
    /// A protocol's line, with why it permits nothing if the policy could not take it in.
    pub(super) fn line(&self, snapshot: &Snapshot, record: &ProtocolRecord) -> ProtocolLine {
        let Some((document, life)) = record.agreed() else {
            return unreadable(&record.stored);
        };
        let mut line = line_of(&record.stored, record, document, life, self.today());
        let faults = snapshot.policy().faults().iter();
        let own = faults
            .filter(|(id, version, _)| *id == line.protocol && version.number() == line.version);
        line.missing.extend(own.map(|(_, _, fault)| format!("it permits nothing: {fault}")));
        line.warnings.extend(self.also_kept(snapshot, document, line.state));
        line
    }

    /// Warnings that others keep the same records otherwise, while that may still bind them.
    pub(super) fn also_kept(
        &self,
        snapshot: &Snapshot,
        document: &Protocol,
        state: Option<State>,
    ) -> Vec<String> {
        if matches!(state, Some(State::Superseded | State::Expired | State::Revoked) | None) {
            return Vec::new();
        }
        let others = snapshot.policy().also_kept_by(document, self.today());
        let words = others.iter().map(|(partner, record_type, other)| {
            format!(
                "{other} keeps {record_type} of {partner} otherwise: of several in force the \
                 earliest end holds for all of them"
            )
        });
        words.collect()
    }
}

fn unreadable(stored: &Entry) -> ProtocolLine {
    ProtocolLine {
        protocol: stored.protocol.clone(),
        version: stored.version,
        digest: stored.digest,
        state: None,
        title: String::new(),
        parties: Vec::new(),
        record_types: BTreeSet::new(),
        effective: None,
        review_by: None,
        expires: None,
        missing: vec!["it can't be read or verified any more, and permits nothing".to_owned()],
        warnings: Vec::new(),
        suspension: 0,
        suspended: Vec::new(),
    }
}

/// The line of a protocol as stored, with a life that may be newer than the record's.
pub(super) fn line_of(
    stored: &Entry,
    record: &ProtocolRecord,
    document: &Protocol,
    life: &Life,
    today: Date,
) -> ProtocolLine {
    let verified = record.verified.as_ref().map(|(verified, _)| verified);
    line_with(stored, verified, document, life, today)
}

/// The same of a document that no record holds yet.
pub(super) fn line_with(
    stored: &Entry,
    verified: Option<&Verified<Protocol>>,
    document: &Protocol,
    life: &Life,
    today: Date,
) -> ProtocolLine {
    let in_force = matches!(life.state(), State::Active | State::Suspended);
    // An expiry that nobody has noted yet stops already.
    let expired = in_force && today > document.expires;
    let state = if expired { State::Expired } else { life.state() };
    let mut missing = Vec::new();
    if let Some(Verified::Partly(signed)) = verified {
        missing.extend(signed.missing().iter().map(ToString::to_string));
    }
    let mut suspended = Vec::new();
    if state == State::Suspended {
        let parties = document.parties.iter().map(|party| &party.partner);
        suspended.extend(parties.filter(|p| life.part(p) == Part::Suspended).cloned());
        missing.extend(suspended.iter().map(|party| format!("{party} has suspended its part")));
        let awaited = life.awaited(document);
        missing.extend(awaited.iter().map(|awaited| format!("to resume: {awaited}")));
    }
    let running = matches!(state, State::Active | State::Suspended);
    ProtocolLine {
        protocol: stored.protocol.clone(),
        version: stored.version,
        digest: stored.digest,
        state: Some(state),
        title: document.title.clone(),
        parties: document.parties.iter().map(|party| party.partner.clone()).collect(),
        record_types: document.flows.iter().map(|flow| flow.record_type).collect(),
        effective: Some(document.effective),
        review_by: Some(document.review_by),
        expires: Some(document.expires),
        missing,
        warnings: if running { warnings(document, life, today) } else { revoked(life).collect() },
        suspension: life.suspension(),
        suspended,
    }
}

/// What somebody should see to while it runs.
pub(in crate::gateway) fn warnings(document: &Protocol, life: &Life, today: Date) -> Vec<String> {
    let days_until = |day: Date| {
        crate::domain::time::epoch_day(day).saturating_sub(crate::domain::time::epoch_day(today))
    };
    let mut warnings = Vec::new();
    let (review, end) = (document.review_by, document.expires);
    if document.review_is_due(today) {
        warnings.push(format!("its review was due by {review}"));
    } else if days_until(review) <= AHEAD_DAYS {
        warnings.push(format!("its review is due by {review}"));
    }
    if days_until(end) <= AHEAD_DAYS {
        warnings.push(format!("it ends on {end}"));
    }
    warnings.extend(revoked(life));
    warnings
}

fn revoked(life: &Life) -> impl Iterator<Item = String> {
    life.revocations().iter().map(|(party, revocation)| {
        let (reason, handling) = (revocation.reason.words(), revocation.handling.words());
        format!("{party} has revoked its part: {reason}; its data are {handling}")
    })
}
