//! Permits: the proof that a clause of a signed protocol allows an act.
//!
//! Only the decision makes one (private fields, no Clone); use cases take it by value, so none can be
//! reached without. A permit carries what the access log writes down, and the policy epoch under which it was
//! given: before the act is committed, `still_holds` asks again if anything has changed since.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;

use super::choice::Choices;
use super::consent::ConsentTerms;
use super::decision::{FigureQuestion, IntakeQuestion, columns_granted};
use super::document::{Digest, LegalBasis, ProtocolVersion};
use super::policy::{Compiled, CompiledFlow, Policy};
use super::refusal::{Clause, Reason, Refusal, Section};
use super::retention::EventLimit;
use super::vocabulary::{CallerRole, ConsentRule, FieldAction, Purpose};
use crate::domain::time::epoch_day;
use crate::domain::{AreaCode, Lsoa, PartnerId, ProtocolId, RecordType, TableId};

/// Where the subject of a record lives, as far as the gateway could tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// In this LSOA.
    Lsoa(Lsoa),
    /// The record states no place (the protocol decides by its required fields whether it must).
    NotStated,
    /// A place is stated that the loaded geography does not have: it lies outside every area.
    NotFound,
}

/// What is recorded here about the consent that a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentState {
    /// The sender holds the evidence and states it by its reference; nothing here contradicts it.
    Declared,
    /// Recorded here as given.
    Given,
    /// Recorded here as refused; where parents differ, refusal prevails.
    Refused,
    /// Recorded here as withdrawn.
    Withdrawn,
    /// Recorded here as expired, or its own last day is past.
    Expired,
    /// Recorded here as given, for other record types or purposes than the flow's.
    NotCovering,
    /// The deployment requires a record here and has none: treated as refused.
    Unknown,
}

/// A record's consent reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentEvidence {
    /// The record has none.
    Absent,
    /// The record has one.
    Reference {
        /// What is known of it.
        state: ConsentState,
        /// When it was given, if known.
        given_on: Option<Date>,
    },
}

/// What the decision looks at in one record; nothing that says who it is about.
#[derive(Clone, Copy, Debug)]
pub struct RecordFacts {
    /// Where its subject lives.
    pub place: Whereabouts,
    /// The day of the event.
    pub event_date: Date,
    /// The day of extraction.
    pub extracted_at: Date,
    /// Its consent reference.
    pub consent: ConsentEvidence,
}

/// Leave to take in records of one type, from one party, under one flow.
#[derive(Debug)]
pub struct IntakePermit {
    epoch: u64,
    protocol: Arc<Compiled>,
    place: usize,
    /// After so many days an event's record is not kept any more, by that document's word.
    limit: Option<EventLimit>,
    partner: PartnerId,
    role: CallerRole,
    columns: Vec<String>,
    today: Date,
    /// `today` as an epoch day: asked of every record.
    epoch_today: i32,
}

impl IntakePermit {
    pub(super) fn new(
        epoch: u64,
        protocol: Arc<Compiled>,
        place: usize,
        limit: Option<EventLimit>,
        question: &IntakeQuestion<'_>,
    ) -> Self {
        Self {
            epoch,
            protocol,
            place,
            limit,
            partner: question.partner.clone(),
            role: question.role,
            columns: question.columns.iter().map(|column| (*column).to_owned()).collect(),
            today: question.today,
            epoch_today: epoch_day(question.today),
        }
    }

    fn flow(&self) -> &CompiledFlow {
        &self.protocol.flows[self.place]
    }

    /// Decides one record, in this order: area; event inside the term; event not too old, by the flow and by
    /// the retention in force; extract not too late; consent. Costs well under a microsecond.
    ///
    /// # Errors
    /// The first check that failed, with its clause.
    pub fn admits(&self, record: &RecordFacts) -> Result<(), Refusal> {
        let flow = self.flow();
        let refuse = |reason, member| {
            Err(self.protocol.refuse(reason, Section::FlowMember(self.place, member)))
        };
        match record.place {
            Whereabouts::Lsoa(lsoa) if flow.areas.binary_search(&lsoa).is_ok() => {}
            Whereabouts::NotStated => {}
            Whereabouts::Lsoa(_) | Whereabouts::NotFound => {
                return refuse(Reason::AreaNotCovered, "areas");
            }
        }
        let (event, extracted) = (epoch_day(record.event_date), epoch_day(record.extracted_at));
        if event < flow.first_event_day {
            return Err(self.protocol.refuse(Reason::EventDateOutsideTerm, Section::Effective));
        }
        if event > flow.last_event_day {
            return Err(self.protocol.refuse(Reason::EventDateOutsideTerm, Section::Expires));
        }
        if extracted.saturating_sub(event) > flow.max_backdate_days {
            return refuse(Reason::EventTooOld, "max_backdate_days");
        }
        // What would be deleted at once must not come in (again).
        if let Some(limit) = &self.limit
            && self.epoch_today.saturating_sub(event) > limit.days
        {
            return Err(limit.refuse());
        }
        if self.epoch_today.saturating_sub(extracted) > flow.max_lag_days {
            return refuse(Reason::ExtractTooLate, "max_lag_days");
        }
        match flow.consent.admits(record.consent, self.epoch_today) {
            Ok(()) => Ok(()),
            Err((reason, member)) => refuse(reason, member),
        }
    }

    /// Decides another batch of the same stream, whose columns differ.
    ///
    /// # Errors
    /// `field_not_listed` or `required_field_missing`.
    pub fn lists(&self, columns: &[&str]) -> Result<(), Refusal> {
        columns_granted(&self.protocol, self.place, columns)
    }

    /// What the gateway does with a column; `None` for an envelope column or one that is not listed.
    #[must_use]
    pub fn action(&self, column: &str) -> Option<FieldAction> {
        self.flow().fields.iter().find(|field| field.name == column).map(|field| field.action)
    }

    /// Whether the permit holds under a newer policy and on another day. Costs a comparison when neither
    /// has changed.
    ///
    /// # Errors
    /// The refusal of the decision made anew.
    pub fn still_holds(&self, policy: &Policy, today: Date) -> Result<(), Refusal> {
        if policy.epoch() == self.epoch && today == self.today {
            return Ok(());
        }
        self.decide_anew(policy, today).map(drop)
    }

    /// The permit made anew under a newer policy: for a stream that goes on.
    ///
    /// # Errors
    /// The refusal of the decision made anew.
    pub fn renew(self, policy: &Policy, today: Date) -> Result<Self, Refusal> {
        if policy.epoch() == self.epoch && today == self.today {
            Ok(self)
        } else {
            self.decide_anew(policy, today)
        }
    }

    /// The decision made anew, for a stream that goes on under a newer policy or on another day.
    ///
    /// # Errors
    /// The refusal of the decision made anew.
    pub fn decide_anew(&self, policy: &Policy, today: Date) -> Result<Self, Refusal> {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        policy.authorise_intake(&IntakeQuestion {
            partner: &self.partner,
            role: self.role,
            protocol: &self.protocol.id,
            version: self.protocol.version,
            record_type: self.flow().record_type.name(),
            columns: &columns,
            today,
        })
    }

    /// The sending party.
    #[must_use]
    pub fn partner(&self) -> &PartnerId {
        &self.partner
    }

    /// The record type.
    #[must_use]
    pub fn record_type(&self) -> RecordType {
        self.flow().record_type
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> &ProtocolId {
        &self.protocol.id
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.protocol.version
    }

    /// The digest of that version.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.protocol.digest
    }

    /// The clause that permits, such as `/flows/2`.
    #[must_use]
    pub fn clause(&self) -> Clause {
        self.protocol.clause(Section::Flow(self.place))
    }

    /// The flow's principal legal basis.
    #[must_use]
    pub fn legal_basis(&self) -> &LegalBasis {
        &self.flow().basis
    }

    /// The protocol's principal purpose.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        // A parsed protocol has at least one purpose.
        self.protocol.purposes.first().copied().unwrap_or(Purpose::Audit)
    }

    /// The choices of subjects that bind the flow.
    #[must_use]
    pub fn choices(&self) -> Choices {
        self.flow().choices
    }

    /// What the flow asks of the subject.
    #[must_use]
    pub fn consent_rule(&self) -> ConsentRule {
        self.flow().consent.rule
    }

    /// What the flow asks of a consent.
    #[must_use]
    pub fn consent_terms(&self) -> &ConsentTerms {
        &self.flow().consent
    }

    /// The policy epoch under which it was given.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Leave to see one table's figures about one area, for one purpose.
#[derive(Debug)]
pub struct FigurePermit {
    epoch: u64,
    clause: Clause,
    basis: LegalBasis,
    partner: PartnerId,
    role: CallerRole,
    table: TableId,
    area: AreaCode,
    confined_to: Option<BTreeSet<AreaCode>>,
    purpose: Purpose,
    today: Date,
}

impl FigurePermit {
    pub(super) fn new(
        epoch: u64,
        clause: Clause,
        basis: LegalBasis,
        purpose: Purpose,
        question: &FigureQuestion<'_>,
    ) -> Self {
        Self {
            epoch,
            clause,
            basis,
            partner: question.partner.clone(),
            role: question.role,
            table: question.table.clone(),
            area: question.area.clone(),
            confined_to: question.confined_to.cloned(),
            purpose,
            today: question.today,
        }
    }

    /// Whether the permit holds under a newer policy and on another day.
    ///
    /// # Errors
    /// The refusal of the decision made anew.
    pub fn still_holds(&self, policy: &Policy, today: Date) -> Result<(), Refusal> {
        if policy.epoch() == self.epoch && today == self.today {
            return Ok(());
        }
        let question = FigureQuestion {
            partner: &self.partner,
            role: self.role,
            table: &self.table,
            area: &self.area,
            confined_to: self.confined_to.as_ref(),
            purpose: self.purpose.code(),
            today,
        };
        policy.authorise_figure(&question).map(drop)
    }

    /// The organisation that may see it.
    #[must_use]
    pub fn partner(&self) -> &PartnerId {
        &self.partner
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &TableId {
        &self.table
    }

    /// The area.
    #[must_use]
    pub fn area(&self) -> &AreaCode {
        &self.area
    }

    /// The clause that permits, such as `/outputs/3/audiences/1`, with protocol, version and digest.
    #[must_use]
    pub fn clause(&self) -> &Clause {
        &self.clause
    }

    /// The legal basis of the permitting protocol's flow that serves the table.
    #[must_use]
    pub fn legal_basis(&self) -> &LegalBasis {
        &self.basis
    }

    /// The purpose.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The policy epoch under which it was given.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// A flow whose data may serve a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseSource {
    clause: Clause,
    flow: usize,
    partner: PartnerId,
    record_type: RecordType,
    basis: LegalBasis,
    consent: ConsentTerms,
}

impl ReleaseSource {
    pub(super) fn new(clause: Clause, place: usize, flow: &CompiledFlow) -> Self {
        Self {
            clause,
            flow: place,
            partner: flow.from.clone(),
            record_type: flow.record_type,
            basis: flow.basis.clone(),
            consent: flow.consent.clone(),
        }
    }

    pub(super) fn into_clause(self) -> Clause {
        self.clause
    }

    /// The output's clause, such as `/outputs/3`, with protocol, version and digest.
    #[must_use]
    pub fn clause(&self) -> &Clause {
        &self.clause
    }

    /// The flow's position in the document, from 0.
    #[must_use]
    pub fn flow(&self) -> usize {
        self.flow
    }

    /// Whose data.
    #[must_use]
    pub fn partner(&self) -> &PartnerId {
        &self.partner
    }

    /// Which data.
    #[must_use]
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// The flow's principal legal basis.
    #[must_use]
    pub fn legal_basis(&self) -> &LegalBasis {
        &self.basis
    }

    /// What the flow asks of a consent.
    #[must_use]
    pub fn consent_terms(&self) -> &ConsentTerms {
        &self.consent
    }
}

/// Leave to release one table from the data of its sources, and of no other flow.
#[derive(Debug)]
pub struct ReleasePermit {
    epoch: u64,
    table: TableId,
    needed: Vec<RecordType>,
    sources: Vec<ReleaseSource>,
    purposes: Vec<Purpose>,
}

impl ReleasePermit {
    pub(super) fn new(
        epoch: u64,
        table: &TableId,
        needed: &[RecordType],
        sources: Vec<ReleaseSource>,
        purposes: Vec<Purpose>,
    ) -> Self {
        Self { epoch, table: table.clone(), needed: needed.to_vec(), sources, purposes }
    }

    /// Whether the permit holds under a newer policy, from the very same sources.
    ///
    /// # Errors
    /// The refusal of the decision made anew; `source_not_granted` when other flows would serve now.
    pub fn still_holds(&self, policy: &Policy, today: Date) -> Result<(), Refusal> {
        let anew = policy.may_release(&self.table, &self.needed, today)?;
        if anew.sources == self.sources {
            Ok(())
        } else {
            Err(Refusal::bare(Reason::SourceNotGranted))
        }
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &TableId {
        &self.table
    }

    /// The flows whose data may be counted, in the order of the record types asked for, then of protocol
    /// and version.
    #[must_use]
    pub fn sources(&self) -> &[ReleaseSource] {
        &self.sources
    }

    /// The purposes for which all sources serve the table; at least one.
    #[must_use]
    pub fn purposes(&self) -> &[Purpose] {
        &self.purposes
    }

    /// The protocol versions behind the table, each once, in order.
    #[must_use]
    pub fn protocols(&self) -> Vec<(ProtocolId, ProtocolVersion)> {
        let versions: BTreeSet<_> = self
            .sources
            .iter()
            .map(|s| (s.clause.protocol().clone(), s.clause.version()))
            .collect();
        versions.into_iter().collect()
    }

    /// The policy epoch under which it was given.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}
