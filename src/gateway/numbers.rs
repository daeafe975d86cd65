//! What those who run the gateway watch: whether it can do its work, and numbers that are published
//! anyway. Nothing here was asked by a caller, so nothing of it is a leaf; nothing of it is of any
//! record, person, organisation or place.

use super::{Gateway, GatewayError, Quorum};
use crate::{
    domain::time::epoch_day,
    meters::IntakeMeters,
    protocol::life::State,
    store::{Rights, log},
};

/// Where witnesses stand, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// The root policy asks for none.
    NotNeeded,
    /// Enough have cosigned.
    Held,
    /// Too few have: figures are refused.
    Missing,
    /// One contradicts: nearly everything is refused.
    Contradicted,
}

impl Watched {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::NotNeeded, Self::Held, Self::Missing, Self::Contradicted];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::Held => "held",
            Self::Missing => "missing",
            Self::Contradicted => "contradicted",
        }
    }
}

/// Numbers of what is in force and published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    /// Releases there are.
    pub releases: u64,
    /// What the dearest life was charged, as a part of what the signed root policy allows one.
    pub budget_spent: f64,
    /// Protocols that run.
    pub protocols: u64,
    /// Days until the first of them ends; none where none runs.
    pub next_expiry_days: Option<i32>,
    /// Days until the first review of one is due; less than none where it is overdue.
    pub next_review_days: Option<i32>,
}

impl Gateway {
    /// Rows that came in.
    #[must_use]
    pub const fn intake_meters(&self) -> &IntakeMeters {
        &self.meters
    }

    /// Where the witnesses stand.
    #[must_use]
    pub fn watched(&self) -> Watched {
        match self.quorum() {
            _ if self.witnesses.contradicted() => Watched::Contradicted,
            Quorum::NotNeeded => Watched::NotNeeded,
            Quorum::Held => Watched::Held,
            Quorum::Missing => Watched::Missing,
        }
    }

    /// Reads something small, to see whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn reach_database(&self) -> Result<(), GatewayError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        log::head(&mut tx).await?;
        Ok(())
    }

    /// The numbers, as of this gateway's last look at the policy and the releases.
    ///
    /// # Errors
    /// When the releases can't be read.
    pub async fn numbers(&self) -> Result<Numbers, GatewayError> {
        let snapshot = self.snapshot();
        let releases = self.releases(&snapshot).await?;
        let budget = releases.all().last().map(|last| &last.release.budget);
        let budget_spent = budget.map_or(0.0, |budget| {
            let allowed = budget.limits.lifetime.value();
            if allowed > 0.0 { budget.charged.value() / allowed } else { 1.0 }
        });
        let today = epoch_day(self.today());
        let running = snapshot.protocols().filter_map(|record| record.agreed());
        let running: Vec<_> = running
            .filter(|(_, life)| matches!(life.state(), State::Active | State::Suspended))
            .map(|(protocol, _)| protocol)
            .collect();
        let first = |days: Vec<i32>| days.into_iter().min();
        let until = |day| epoch_day(day).saturating_sub(today);
        Ok(Numbers {
            releases: releases.all().len() as u64,
            budget_spent,
            protocols: running.len() as u64,
            next_expiry_days: first(running.iter().map(|p| until(p.expires)).collect()),
            next_review_days: first(running.iter().map(|p| until(p.review_by)).collect()),
        })
    }
}
