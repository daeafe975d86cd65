//! What the store knows of a batch's records: sent before, used or not, let go, and who has chosen.

use crate::{
    gateway::{
        GatewayError,
        forms::Forms,
        intake::{
            Intake,
            keyed::{KeyedBatch, KeyedRecord},
        },
        rights::Suppressions,
    },
    keys::{KeysInUse, PseudonymDomain},
    store::{
        Tx,
        cases::{self, Dropped},
        records::{self, Sent},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the store knows of a batch's records.
pub(super) struct Known {
    pub(super) sent: BTreeMap<[u8; 16], Sent>,
    pub(super) dropped: BTreeMap<[u8; 16], Dropped>,
    pub(super) suppressions: Arc<Suppressions>,
}

impl Known {
    pub(super) async fn read(
        intake: &Intake,
        tx: &mut Tx,
        batch: &KeyedBatch,
        keys: &KeysInUse,
    ) -> Result<Self, GatewayError> {
        let named = |record: &KeyedRecord| {
            [Some(record.key), record.supersedes.as_ref().map(|earlier| earlier.key)]
        };
        let records: Vec<[u8; 16]> = batch.admitted().flat_map(named).flatten().collect();
        let forms = Forms::of(keys, PseudonymDomain::Record, &records)?;
        let sent = records::sent(tx, intake.feed, forms.all()).await?;
        let sent = sent.into_iter().map(|(key, sent)| (forms.current(key), sent)).collect();
        let suppressions = intake.gateway.suppressions(tx).await?;
        // A withdrawn consent leaves some, too, where there never was a case.
        let dropped = match cases::any_dropped(tx, intake.feed).await? {
            false => BTreeMap::new(),
            true => intake.gateway.dropped(tx, keys, intake.feed, &records).await?,
        };
        Ok(Self { sent, dropped, suppressions })
    }

    /// The number of a record that an accepted batch brought.
    pub(super) fn accepted(&self, key: &[u8; 16]) -> Option<i64> {
        let sent = self.sent.get(key).filter(|sent| sent.accepted);
        let dropped = self.dropped.get(key).filter(|dropped| dropped.accepted);
        sent.map(|sent| sent.event_number).or(dropped.map(|dropped| dropped.event_number))
    }

    /// The numbers of all of these.
    pub(super) fn numbers(&self) -> Vec<i64> {
        let keys: BTreeSet<&[u8; 16]> = self.sent.keys().chain(self.dropped.keys()).collect();
        keys.into_iter().filter_map(|key| self.accepted(key)).collect()
    }

    /// Where an accepted batch brought it whose content was not used, and is not since.
    pub(super) fn unused(&self, key: &[u8; 16]) -> Option<&Dropped> {
        let used = self.sent.get(key).is_some_and(|sent| sent.accepted);
        self.dropped.get(key).filter(|dropped| dropped.accepted && !used)
    }

    /// Whether its time is over: of what was not used first, that of what was sent then.
    pub(super) fn is_let_go(&self, key: &[u8; 16]) -> bool {
        match self.dropped.get(key).filter(|dropped| dropped.accepted) {
            Some(dropped) => dropped.let_go,
            None => self.sent.get(key).is_some_and(|sent| sent.let_go),
        }
    }

    /// The numbers of those whose time is over.
    pub(super) fn let_go(&self) -> impl Iterator<Item = i64> {
        let keys: BTreeSet<&[u8; 16]> = self.sent.keys().chain(self.dropped.keys()).collect();
        keys.into_iter().filter(|key| self.is_let_go(key)).filter_map(|key| self.accepted(key))
    }
}
