//! Undoing a whole file that was sent wrongly, by the receipt of its stream's opening.
//!
//! Every accepted batch of the stream counts no more from the next release on, withdrawals
//! that it made stop holding, and its records may be sent again and are then new. What was
//! frozen stays as it is. What the file's identities linked stays linked: keyed rows that
//! carry no event that counts. A record that another file sent again meanwhile, and that was
//! known as "sent before" from this one, has to be sent once more.
//!
//! It needs no permit: taking back must work when the protocol is suspended or gone.

use super::{Actor, DECISIONS, Denied, Gateway, GatewayError, RefusalKind, Refused};
use crate::{
    audit::{Leaf, LeafKind, SizeClass, leaf_hash},
    protocol::CallerRole,
    store::{ActError, Effect, Logged, Outcome, Rights, StoreError, Tx, log, undo},
};

/// Why a sender takes a file back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoCause {
    /// It was another file than the one meant.
    WrongFile,
    /// Its values were wrong, or stood in the wrong columns.
    WrongValues,
    /// It was of another period, or stood for another day.
    WrongPeriod,
    /// It should not have been shared.
    NotToBeShared,
}

impl UndoCause {
    /// As written in the log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::WrongFile => "wrong_file",
            Self::WrongValues => "wrong_values",
            Self::WrongPeriod => "wrong_period",
            Self::NotToBeShared => "not_to_be_shared",
        }
    }
}

/// What became of a stream that was undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndoneStream {
    /// Batches that count no more.
    pub batches: u64,
    /// The records, and withdrawals of records, that they brought.
    pub records: u64,
    /// When, microseconds since 1970-01-01 UTC.
    pub undone_at: i64,
    /// Whether it had been undone before: then nothing changed now.
    pub already: bool,
}

/// How things stand with a stream.
enum Found {
    /// Not there, or not the caller's.
    Nothing,
    /// No batch of it was accepted.
    NoBatch,
    /// It was of statements about consents.
    Statements,
    Accepted(undo::Undo),
    Undone(undo::Undone),
}

impl Gateway {
    /// Undoes a stream of the caller's own: `opened` is the log index of its "opened" leaf,
    /// `hash` that leaf's hash, both from the receipt. Asked again, it answers again.
    ///
    /// # Errors
    /// For callers who send nothing; `not_found` for what is not the opening of a stream of
    /// the caller's organisation, `nothing_to_undo` for one without accepted batches.
    pub async fn undo_stream(
        &self,
        actor: &Actor,
        opened: u64,
        hash: &[u8],
        cause: UndoCause,
    ) -> Result<Logged<UndoneStream>, Denied> {
        self.require(actor, &[CallerRole::Provider]).await?;
        for _ in 0..DECISIONS {
            let snapshot = self.snapshot();
            let mut leaf = actor.leaf(LeafKind::IntakeStreamUndone, self);
            leaf.notes.policy_epoch = Some(snapshot.epoch());
            let undo = match self.find_stream(actor, opened, hash, cause, &mut leaf).await? {
                Found::Accepted(undo) => undo,
                Found::Undone(undone) => {
                    leaf.kind = LeafKind::RegisterRead;
                    leaf.notes.register = "undone_streams".parse().ok();
                    let undo::Undone { batches, records, undone_at } = undone;
                    let answer = UndoneStream { batches, records, undone_at, already: true };
                    let logged = self.commit_for(actor, leaf, || Effect::None).await?;
                    return Ok(logged.map(|_| answer));
                }
                Found::Nothing => return Err(self.refuse(leaf, Refused::not_found()).await),
                Found::Statements => {
                    let sentence = "what was said about consents stays; send what holds now";
                    let kind = RefusalKind::Conflict;
                    let refused = Refused::new(kind, "statements_stay", sentence);
                    return Err(self.refuse(leaf, refused).await);
                }
                Found::NoBatch => {
                    let sentence = "no batch of this stream was accepted, so there is nothing \
                                    to undo; streams from before this could be undone can't be";
                    let kind = RefusalKind::Conflict;
                    let refused = Refused::new(kind, "nothing_to_undo", sentence);
                    return Err(self.refuse(leaf, refused).await);
                }
            };
            leaf.notes.cause = cause.code().parse().ok();
            leaf.size_class = Some(SizeClass::of(undo.records));
            let (batches, records) = (undo.batches, undo.records);
            let answer =
                move |undone_at| UndoneStream { batches, records, undone_at, already: false };
            match self.commit(leaf, Effect::UndoStream(undo), Some(snapshot.epoch())).await {
                Ok(logged) => {
                    self.reload().await?;
                    let now = self.now();
                    return Ok(logged.map(|outcome| match outcome {
                        Outcome::At(at) => answer(at.as_microsecond()),
                        _ => answer(now.as_microsecond()),
                    }));
                }
                // One more batch came in meanwhile, or the same was asked elsewhere.
                Err(ActError::PolicyChanged | ActError::Conflict) => {
                    self.policy_moved(actor).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(GatewayError::Unsettled.into())
    }

    /// Looks a stream up by its receipt; `leaf` is told what is known of it.
    async fn find_stream(
        &self,
        actor: &Actor,
        opened: u64,
        hash: &[u8],
        cause: UndoCause,
        leaf: &mut Leaf,
    ) -> Result<Found, GatewayError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let Some((stream, opening)) = opening_leaf(&mut tx, opened, hash).await? else {
            return Ok(Found::Nothing);
        };
        let own = opening.kind == LeafKind::IntakeStreamOpened
            && opening.partner.as_ref() == Some(&actor.partner);
        if !own {
            return Ok(Found::Nothing);
        }
        leaf.notes.stream = Some(opened);
        leaf.notes.record_type = opening.notes.record_type;
        leaf.protocol = opening.protocol;
        if let Some(undone) = undo::undone(&mut tx, stream).await? {
            return Ok(Found::Undone(undone));
        }
        Ok(match undo::accepted(&mut tx, stream).await? {
            Some((feed, batches, records)) => {
                let cause = cause.code();
                Found::Accepted(undo::Undo { stream, feed, cause, batches, records })
            }
            None if opening.notes.record_type.is_some_and(|t| t.definition().statement) => {
                Found::Statements
            }
            None => Found::NoBatch,
        })
    }
}

/// The leaf of an index and hash, with its place among those of all years: the index alone
/// does not say of which year's log it is.
async fn opening_leaf(
    tx: &mut Tx,
    index: u64,
    hash: &[u8],
) -> Result<Option<(u64, Leaf)>, GatewayError> {
    let mut logs = log::past(tx).await?;
    logs.extend(log::head(tx).await?);
    for head in logs.into_iter().rev().filter(|head| index < head.size) {
        let entry = log::entries_of(tx, head.base, index, index + 1).await?.pop();
        let entry = entry.ok_or(StoreError::LogDamaged)?;
        if leaf_hash(&entry).as_bytes() == hash {
            return Ok(Some((head.base + index, Leaf::decode(&entry)?)));
        }
    }
    Ok(None)
}
