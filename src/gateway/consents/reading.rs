//! Reading what a statement covers, and what statements came to.

use super::{KnownConsent, KnownStatement, StatedConsent};
use crate::{
    domain::{
        field::{Rule, parse_date},
        time::{date_of, epoch_day},
    },
    protocol::{self, Coverage, Purpose, RecordedConsent, Statement},
    store::{StoreError, consents},
};
use jiff::{Timestamp, civil::Date};

/// What a statement covers, each word once and in order, so that the same is said one way.
pub(super) fn coverage(
    stated: &StatedConsent,
    day: Date,
) -> Result<Coverage, (&'static str, Rule)> {
    let unknown = |field| move || (field, Rule::UnknownCode);
    let mut coverage = Coverage::default();
    for code in &stated.purposes {
        coverage.purposes.push(Purpose::from_code(code).ok_or_else(unknown("purposes"))?);
    }
    for name in &stated.record_types {
        coverage.record_types.push(name.parse().map_err(|_| unknown("record_types")())?);
    }
    coverage.purposes.sort_unstable();
    coverage.purposes.dedup();
    coverage.record_types.sort_unstable();
    coverage.record_types.dedup();
    if !stated.valid_until.is_empty() {
        let until = parse_date(&stated.valid_until).map_err(|rule| ("valid_until", rule))?;
        if until < day {
            return Err(("valid_until", Rule::EndBeforeStart));
        }
        coverage.until = Some(epoch_day(until));
    }
    Ok(coverage)
}

/// What statements came to on a day, of those that were known at a moment.
pub(super) fn known(
    all: &[consents::Kept],
    on: i32,
    moment: Timestamp,
) -> Result<Option<KnownConsent>, StoreError> {
    let known = |kept: &&consents::Kept| {
        kept.statement.stated_on <= on && kept.known_at <= moment.as_microsecond()
    };
    let kept: Vec<&consents::Kept> = all.iter().filter(known).collect();
    let statements: Vec<Statement> = kept.iter().map(|kept| kept.statement.clone()).collect();
    let Some(recorded) = RecordedConsent::of(&statements) else { return Ok(None) };
    let standing: Vec<&Statement> = protocol::consent::standing(&statements);
    let corrupt = |column| StoreError::Corrupt { table: "consent_statement", column, row: 0 };
    let told = |kept: &&consents::Kept| {
        let Statement { giver, given_by, state, stated_on, coverage, .. } = &kept.statement;
        Ok(KnownStatement {
            state: *state,
            given_by: *given_by,
            giver: u32::try_from(*giver).map_err(|_| corrupt("giver"))?,
            stated_on: date_of(*stated_on).ok_or(corrupt("stated_on"))?,
            known_at: Timestamp::from_microsecond(kept.known_at)
                .map_err(|_| corrupt("known_at"))?,
            means: kept.means,
            notice_version: kept.notice_version.clone(),
            purposes: coverage.purposes.clone(),
            record_types: coverage.record_types.clone(),
            valid_until: coverage.until.and_then(date_of),
            evidence: kept.evidence_key.is_some(),
            stands: standing.contains(&&kept.statement),
        })
    };
    Ok(Some(KnownConsent {
        state: recorded.state_on(on),
        day: date_of(recorded.day).ok_or(corrupt("stated_on"))?,
        statements: kept.iter().map(told).collect::<Result<_, StoreError>>()?,
    }))
}
