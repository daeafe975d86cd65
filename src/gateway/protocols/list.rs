//! Reading the register: one protocol, or those that a search finds.

use super::{ProtocolDocument, ProtocolLine, line::line_with, reads_documents, reference};
use crate::{
    domain::{PartnerId, ProtocolId, RecordType},
    gateway::{
        Actor, Denied, Gateway, Page, PageRequest, ProtocolRecord, Refused, Snapshot,
        decide::{Decided, Declined},
    },
    protocol::{
        Envelope, Life, Protocol, State,
        diff::{self, Change},
    },
    store::{Effect, Logged, protocols::Entry},
};
use jiff::civil::Date;

/// What a line must have to be listed; what is left out asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtocolFilter {
    /// Words that its id, title or a party's id holds, each of them, in any case.
    pub words: String,
    /// A party.
    pub party: Option<PartnerId>,
    /// A record type that is sent under it.
    pub record_type: Option<RecordType>,
    /// Where it stands.
    pub state: Option<State>,
    /// Only what somebody should see to.
    pub with_warnings: bool,
}

impl ProtocolFilter {
    fn lets_through(&self, line: &ProtocolLine) -> bool {
        let parties: Vec<&str> = line.parties.iter().map(PartnerId::as_str).collect();
        let text = format!("{} {} {}", line.protocol, line.title, parties.join(" ")).to_lowercase();
        self.words.split_whitespace().all(|word| text.contains(&word.to_lowercase()))
            && self.party.as_ref().is_none_or(|party| line.parties.contains(party))
            && self.record_type.is_none_or(|record_type| line.record_types.contains(&record_type))
            && self.state.is_none_or(|state| line.state == Some(state))
            && (!self.with_warnings || !line.warnings.is_empty() || line.state.is_none())
    }
}

impl Gateway {
    /// One protocol with its state and signatures; version 0 for the one in force. Whoever is no
    /// party of it (and neither data officer nor auditor) reads its line alone.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn protocol(
        &self,
        actor: &Actor,
        protocol: &ProtocolId,
        version: u32,
    ) -> Result<Logged<ProtocolDocument>, Denied> {
        let logged = self
            .settle(actor, |snapshot| {
                let mut leaf = self.look(actor, "protocols");
                let Some(record) = snapshot.protocol(protocol, version) else {
                    return Err(Declined::new(leaf, Refused::not_found()));
                };
                leaf.protocol = Some(reference(&record.stored));
                if !reads_documents(actor, record) {
                    let line = self.line(snapshot, record).for_others();
                    let answer = ProtocolDocument::of(line);
                    return Ok(Decided { leaf, effect: Effect::None, answer });
                }
                let changes = record.verified.as_ref();
                let answer = ProtocolDocument {
                    line: self.line(snapshot, record),
                    document: record.stored.document.clone(),
                    changes: changes
                        .map(|(verified, _)| amended(snapshot, verified.document()))
                        .unwrap_or_default(),
                    papers: record.papers.iter().map(|paper| paper.document.clone()).collect(),
                    agreed: record.agreed().map(|(document, _)| Box::new(document.clone())),
                    signatories: changes
                        .map(|(verified, _)| verified.signatories().to_vec())
                        .unwrap_or_default(),
                    revoked: record
                        .agreed()
                        .map(|(_, life)| life.revocations().clone())
                        .unwrap_or_default(),
                };
                Ok(Decided { leaf, effect: Effect::None, answer })
            })
            .await?;
        Ok(logged.map(|(_, document)| document))
    }

    /// The register: the protocols that the filter lets through, in order of id and version, each as
    /// the caller may read it.
    ///
    /// # Errors
    /// A violation for a page token that is not this caller's.
    pub async fn list_protocols(
        &self,
        actor: &Actor,
        filter: &ProtocolFilter,
        page: &PageRequest,
    ) -> Result<Logged<Page<ProtocolLine>>, Denied> {
        let logged = self
            .settle(actor, |snapshot| {
                let leaf = self.look(actor, "protocols");
                let lines = snapshot.protocols().map(|record| {
                    let line = self.line(snapshot, record);
                    if reads_documents(actor, record) { line } else { line.for_others() }
                });
                let lines = lines.filter(|line| filter.lets_through(line)).map(|line| {
                    // A space sorts before every character of an id, as the id does alone.
                    (format!("{} {:010}", line.protocol, line.version), line)
                });
                match self.page(actor, "protocols", page, lines) {
                    Ok(answer) => Ok(Decided { leaf, effect: Effect::None, answer }),
                    Err(refused) => Err(Declined::new(leaf, refused)),
                }
            })
            .await?;
        Ok(logged.map(|(_, page)| page))
    }
}

/// What a version changes against the one that it supersedes, as far as that can be read.
pub(super) fn amended(snapshot: &Snapshot, protocol: &Protocol) -> Vec<Change> {
    let Some(named) = protocol.supersedes else { return Vec::new() };
    let before = snapshot.protocols().find(|record| {
        record.stored.protocol == protocol.id && record.stored.digest == *named.as_bytes()
    });
    let before = before.and_then(text_of);
    before.map(|before| diff::changes(&before, protocol)).unwrap_or_default()
}

/// A version as it stands with those who joined it; its text alone where its signatures can't be
/// verified any more.
fn text_of(record: &ProtocolRecord) -> Option<Protocol> {
    if let Some((agreed, _)) = record.agreed() {
        return Some(agreed.clone());
    }
    let envelope = Envelope::parse(record.stored.document.as_bytes()).ok()?;
    Protocol::parse(envelope.payload()).ok()
}

/// The line of a document that was just handed in.
pub(super) fn submitted(
    entry: &Entry,
    verified: &crate::protocol::Verified<Protocol>,
    life: &Life,
    today: Date,
) -> ProtocolLine {
    line_with(entry, Some(verified), verified.document(), life, today)
}
