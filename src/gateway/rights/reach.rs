//! Which of a subject's records a choice stops, and whom that is told.
//!
//! Whoever is only named in a record, as a parent is in a child's, stops its use by a choice of
//! its own but does not erase it: the record is somebody else's.
//!
//! A case's opener is told of those of its own records alone that share a key with whom it named:
//! what it could have recognised itself. That another one is the same person's is known here
//! through other senders' records, and is theirs to keep.

use super::subject::Known;
use crate::{
    domain::{BatchId, FeedId, PartnerId, RecordType},
    gateway::{Gateway, GatewayError, ProtocolRecord, Snapshot},
    keys::KeysInUse,
    protocol::{Choice, choice::Effect as Reach},
    store::{
        Tx,
        cases::{self, Stopped, Terms},
        feeds, records,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// The days to acknowledge in where no protocol says how many.
pub(super) const USUAL_DAYS: i32 = 14;

impl Gateway {
    /// Which of a subject's records a choice stops; `opener` is who turned to us with it.
    pub(super) async fn stopped(
        &self,
        tx: &mut Tx,
        keys: &KeysInUse,
        snapshot: &Snapshot,
        (choice, opener): (Choice, &PartnerId),
        today: i32,
        known: &Known,
    ) -> Result<Vec<Stopped>, GatewayError> {
        let batches: BTreeSet<BatchId> = known.records.iter().map(|held| held.batch).collect();
        let batches: Vec<BatchId> = batches.into_iter().collect();
        let terms = cases::terms(tx, &batches).await?;
        let feeds: BTreeMap<FeedId, (PartnerId, RecordType)> = feeds::all(tx)
            .await?
            .into_iter()
            .map(|(feed, partner, record_type)| (feed, (partner, record_type)))
            .collect();
        let numbers: Vec<i64> = known.records.iter().map(|held| held.number).collect();
        let withdrawn: BTreeSet<i64> =
            records::withdrawn(tx, &numbers).await?.into_iter().collect();
        let mut by_feed: BTreeMap<FeedId, Vec<(i64, BatchId, Stop)>> = BTreeMap::new();
        for held in &known.records {
            let terms = terms.get(&held.batch).filter(|terms| !terms.abandoned);
            let Some((terms, sender)) = terms.and_then(|t| Some((t, feeds.get(&t.feed)?))) else {
                continue;
            };
            if let Some(mut stop) = reached(snapshot, choice, terms, sender) {
                stop.told = terms.live && !withdrawn.contains(&held.number);
                if !held.principal {
                    stop.effect = cases::STOP;
                }
                by_feed.entry(terms.feed).or_default().push((held.number, held.batch, stop));
            }
        }
        let mut stopped = Vec::new();
        for (feed, records) in by_feed {
            let told = records.iter().filter(|(.., stop)| stop.told);
            let mut told: Vec<(i64, BatchId)> = told.map(|(n, batch, _)| (*n, *batch)).collect();
            if feeds.get(&feed).is_some_and(|(sender, _)| sender == opener) {
                let kin = self.of_kin(tx, &told, known).await?;
                told.retain(|(number, _)| kin.contains(number));
            }
            let tokens = self.record_tokens(tx, keys, feed, &told).await?;
            stopped.extend(records.into_iter().map(|(event_number, batch, stop)| Stopped {
                event_number,
                feed,
                batch,
                effect: stop.effect,
                token: tokens.get(&event_number).copied(),
                due_day: today + stop.days,
            }));
        }
        Ok(stopped)
    }
}

/// What a choice does to a record.
pub(super) struct Stop {
    pub(super) effect: u8,
    /// The days that its sender has to acknowledge.
    days: i32,
    /// Whether its sender is told: it counted until now.
    told: bool,
}

/// What a choice does to the records of a batch, by the flow that they came in under. Where its
/// protocol can't be read any more nothing says that they may be used on.
pub(super) fn reached(
    snapshot: &Snapshot,
    choice: Choice,
    terms: &Terms,
    (partner, record_type): &(PartnerId, RecordType),
) -> Option<Stop> {
    let record = snapshot.protocols().find(|record| {
        record.stored.protocol.as_str() == terms.protocol
            && i64::from(record.stored.version) == terms.version
    });
    let document = record.and_then(ProtocolRecord::agreed).map(|(document, _)| document);
    let days = document.map_or(USUAL_DAYS, |d| i32::from(d.rights.propagate_days));
    let effects: Vec<Reach> = document.map_or_else(Vec::new, |document| {
        let flows = document.flows.iter();
        let own = flows.filter(|f| f.from == *partner && f.record_type == *record_type);
        own.map(|flow| choice.effect(flow)).collect()
    });
    let effect = match effects.into_iter().max() {
        Some(Reach::Nothing(_)) => return None,
        Some(Reach::Erase(_)) => cases::ERASE,
        Some(Reach::Stop(_)) | None => cases::STOP,
    };
    Some(Stop { effect, days, told: false })
}
