//! Leave to release a table.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::domain::{PartnerId, ProtocolId, RecordType, TableId};
use crate::protocol::consent::ConsentTerms;
use crate::protocol::document::{LegalBasis, ProtocolVersion};
use crate::protocol::policy::{CompiledFlow, Policy};
use crate::protocol::refusal::{Clause, Reason, Refusal};
use crate::protocol::vocabulary::Purpose;

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
    pub(in crate::protocol) fn new(clause: Clause, place: usize, flow: &CompiledFlow) -> Self {
        Self {
            clause,
            flow: place,
            partner: flow.from.clone(),
            record_type: flow.record_type,
            basis: flow.basis.clone(),
            consent: flow.consent.clone(),
        }
    }

    pub(in crate::protocol) fn into_clause(self) -> Clause {
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
    pub(in crate::protocol) fn new(
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
