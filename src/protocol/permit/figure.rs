//! Leave to see figures.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::domain::{AreaCode, PartnerId, TableId};
use crate::protocol::decision::FigureQuestion;
use crate::protocol::document::LegalBasis;
use crate::protocol::policy::Policy;
use crate::protocol::refusal::{Clause, Refusal};
use crate::protocol::vocabulary::{CallerRole, Purpose};

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
    pub(in crate::protocol) fn new(
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
