//! Records that were not used because of their subject's choice: let go when they would be, had
//! they been used.
//!
//! Their sender is told the same of them as of any other: that they were sent, until their time
//! is over. So the days that an end is counted from are kept of them, and nothing else that they
//! say: covered by the suppressions' own key ([`Pseudonymiser::cover`]), a date of birth where a
//! clause counts from it alone. What was taken late, the choice having ended, goes with them.

use super::batch::{event_of, received_on, withdrawn_on};
use crate::{
    domain::{BatchId, Event, FeedId, PartnerId, RecordType, records::family_case},
    gateway::{Gateway, GatewayError},
    keys::Pseudonymiser,
    protocol::KeptRecord,
    store::{
        Rights,
        cases::Unused,
        feeds,
        retention::{self, Batch},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// No day, and of a case that it is open.
const NONE: i32 = i32::MIN;
const OPEN: i32 = i32::MIN + 1;

/// What the end of a record is counted from, as far as the record says it itself. No Debug: it may
/// hold a date of birth.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub(in crate::gateway) struct RecordDays {
    /// The day of the event.
    pub(in crate::gateway) event: i32,
    /// The date of birth of whom it is about, where that counts.
    pub(in crate::gateway) birth: Option<i32>,
    /// For a case: the day it was closed, or `None` while it is open.
    pub(in crate::gateway) closed: Option<Option<i32>>,
}

impl RecordDays {
    /// Those of an event, and of whom it is about.
    pub(in crate::gateway) fn of(event: &Event, birth: Option<i32>) -> Self {
        let case = event.record_type == RecordType::FamilyCase;
        Self {
            event: event.day.or(birth).unwrap_or(event.known),
            birth,
            closed: case.then(|| event.day_of(family_case::CLOSED)),
        }
    }

    /// With what else an end is counted from.
    pub(super) const fn received(self, received: i32, withdrawn: Option<i32>) -> KeptRecord {
        let Self { event, birth, closed } = self;
        KeptRecord { event, received, birth, closed, withdrawn }
    }

    /// Covered beside a record's token.
    pub(in crate::gateway) fn covered(self, with: &Pseudonymiser, token: &[u8; 16]) -> [u8; 16] {
        let closed = match self.closed {
            None => NONE,
            Some(None) => OPEN,
            Some(Some(day)) => day,
        };
        let mut plain = [0; 16];
        for (part, day) in
            plain.chunks_exact_mut(4).zip([self.event, self.birth.unwrap_or(NONE), closed])
        {
            part.copy_from_slice(&day.to_be_bytes());
        }
        with.cover(token, plain)
    }

    /// As covered; `None` where it is nothing that was covered so.
    fn uncovered(with: &Pseudonymiser, token: &[u8; 16], covered: &[u8; 16]) -> Option<Self> {
        let plain = with.uncover(token, covered);
        let mut parts = plain
            .chunks_exact(4)
            .map(|part| part.try_into().map(i32::from_be_bytes).unwrap_or(NONE));
        let (event, birth, closed, rest) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let closed = match closed {
            NONE => None,
            OPEN => Some(None),
            day => Some(Some(day)),
        };
        (rest == 0).then_some(Self { event, birth: Some(birth).filter(|day| *day != NONE), closed })
    }
}

impl Gateway {
    /// Whether the end of a sender's records is counted from when somebody was born.
    pub(in crate::gateway) fn counts_from_births(
        &self,
        partner: &PartnerId,
        record_type: RecordType,
    ) -> bool {
        record_type.definition().event_is_birth
            || self
                .snapshot()
                .policy()
                .keeping(partner, record_type, self.today())
                .asks_for_births()
    }

    /// The days that the end of a record is counted from that was not used: where its own are not
    /// known, from that of its receipt.
    pub(super) fn unused_days(
        &self,
        batch: &Batch,
        unused: &Unused,
    ) -> Result<KeptRecord, GatewayError> {
        let received = received_on(batch)?;
        let withdrawn = withdrawn_on(unused.event_number, unused.withdrawn)?;
        Ok(self.said_of_unused(unused, received).received(received, withdrawn))
    }

    /// The same without what the record does not say itself.
    pub(super) fn said_of_unused(&self, unused: &Unused, received: i32) -> RecordDays {
        let with = &self.keys().pseudonymiser;
        let days = unused.days.and_then(|days| RecordDays::uncovered(with, &unused.token, &days));
        days.unwrap_or(RecordDays { event: received, birth: None, closed: None })
    }

    /// The days of records that are about to be erased by a choice, by number: what is left of
    /// them is let go when they would have been.
    pub(in crate::gateway) async fn days_before_erasure(
        &self,
        feed: FeedId,
        records: &[(i64, BatchId)],
    ) -> Result<BTreeMap<i64, RecordDays>, GatewayError> {
        let mut tx = self.store.read(Rights::Release).await?;
        let all = feeds::all(&mut tx).await?;
        let Some((_, partner, record_type)) = all.into_iter().find(|(id, ..)| *id == feed) else {
            return Ok(BTreeMap::new());
        };
        let births = self.counts_from_births(&partner, record_type);
        let batches: BTreeSet<BatchId> = records.iter().map(|(_, batch)| *batch).collect();
        let numbers: Vec<i64> = records.iter().map(|(number, _)| *number).collect();
        let mut days = BTreeMap::new();
        for batch in batches {
            for event in retention::principals(&mut tx, batch, &numbers).await? {
                let birth = if births { self.birth_of(&event)? } else { None };
                days.insert(event.number, RecordDays::of(&event_of(&event)?, birth));
            }
        }
        Ok(days)
    }
}

/// The day of somebody's birth, days since 1970-01-01.
pub(in crate::gateway) fn day_of_birth(birth: &crate::keys::BirthDate) -> i32 {
    -birth.days_until(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::MasterKeys;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    proptest! {
        #[test]
        fn days_come_back_as_they_were_and_look_unlike_beside_others(
            event in -20_000..40_000_i32,
            birth in proptest::option::of(-20_000..40_000_i32),
            closed in proptest::option::of(proptest::option::of(0..40_000_i32)),
            token in any::<[u8; 16]>(),
            other in any::<[u8; 16]>(),
        ) {
            prop_assume!(token != other);
            let mut rng = StdRng::seed_from_u64(1);
            let with = Pseudonymiser::new(&MasterKeys::generate(&mut rng)).unwrap();
            let days = RecordDays { event, birth, closed };
            let covered = days.covered(&with, &token);
            prop_assert!(RecordDays::uncovered(&with, &token, &covered) == Some(days));
            prop_assert!(covered != days.covered(&with, &other));
            prop_assert!(RecordDays::uncovered(&with, &other, &covered) != Some(days));
        }
    }
}
