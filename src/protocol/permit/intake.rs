//! Leave to take records in.

use std::sync::Arc;

use jiff::civil::Date;

use super::{RecordFacts, Whereabouts};
use crate::domain::time::epoch_day;
use crate::domain::{PartnerId, ProtocolId, RecordType};
use crate::protocol::choice::Choices;
use crate::protocol::consent::ConsentTerms;
use crate::protocol::decision::{IntakeQuestion, columns_granted};
use crate::protocol::document::{Digest, LegalBasis, ProtocolVersion};
use crate::protocol::policy::{Compiled, CompiledFlow, Policy};
use crate::protocol::refusal::{Clause, Reason, Refusal, Section};
use crate::protocol::retention::EventLimit;
use crate::protocol::vocabulary::{CallerRole, ConsentRule, FieldAction, Purpose};

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
    /// One a line: a permit is made for every record that comes alone.
    columns: String,
    today: Date,
    /// `today` as an epoch day: asked of every record.
    epoch_today: i32,
}

impl IntakePermit {
    pub(in crate::protocol) fn new(
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
            columns: question.columns.join("\n"),
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
        let columns: Vec<&str> = self.columns.lines().collect();
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
