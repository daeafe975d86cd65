//! An auditor's review of the log: many entries looked through in one act, and a word on them that
//! stands in the log itself, so that everybody sees whether anybody looks.
//!
//! What is looked for is the verifier's affair ([`crate::verify`]), which must not be this room's:
//! the entries are handed over as they stand.

use super::{Actor, Denied, Gateway, Published, Refused};
use crate::{
    audit::{Code, Decision, EntryRange, Leaf, LeafKind},
    domain::PartnerId,
    protocol::CallerRole,
    store::{Effect, Logged, Rights, StoreError, Tx, log},
};
use jiff::Timestamp;

/// Entries read at a time.
const CHUNK: u64 = 1_000;
/// The most entries that one act looks through; longer logs are mirrored.
pub const MOST_WALKED: u64 = 200_000;
/// How far back the last review is looked for.
const LOOKED_BACK: u64 = 20_000;

/// What an auditor found in a range of entries: a closed list, since the log has no free text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewFinding {
    /// Nothing that needs an answer.
    NothingFound,
    /// Somebody was asked to explain something.
    QuestionsAsked,
    /// Something was raised as a concern, with whoever must act on it.
    ConcernRaised,
}

impl ReviewFinding {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::NothingFound, Self::QuestionsAsked, Self::ConcernRaised];

    /// As written in the leaf.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NothingFound => "nothing_found",
            Self::QuestionsAsked => "questions_asked",
            Self::ConcernRaised => "concern_raised",
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NothingFound => "Nothing that needs an answer",
            Self::QuestionsAsked => "Questions asked: somebody was asked to explain",
            Self::ConcernRaised => "A concern raised with whoever must act on it",
        }
    }
}

/// A review that was signed off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// Its own entry.
    pub entry: u64,
    /// When.
    pub at: Timestamp,
    /// Whose auditor.
    pub partner: Option<PartnerId>,
    /// Of which entries.
    pub range: EntryRange,
    /// What was found.
    pub finding: String,
}

/// Which entries were looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// The first one's index.
    pub from: u64,
    /// The index behind the last one.
    pub until: u64,
    /// How many entries the log had.
    pub size: u64,
}

/// Where the log stands, for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The last review, as far as it is among the newest entries: auditors alone see it.
    pub reviewed: Option<Reviewed>,
}

impl Gateway {
    /// Where the log stands: to auditors the latest checkpoint with the last review, to other
    /// partners the checkpoint of the last tick.
    ///
    /// # Errors
    /// When it can't be read or the look can't be logged.
    pub async fn log_state(
        &self,
        actor: &Actor,
        published: &Published,
    ) -> Result<Logged<LogState>, Denied> {
        if !actor.may_be(CallerRole::Auditor) {
            let checkpoint = published.checkpoint().await?.note;
            return self.looked(actor, LogState { checkpoint, reviewed: None }).await;
        }
        let mut tx = self.store.read(Rights::Figures).await?;
        let head = log::head(&mut tx).await?.ok_or(StoreError::LogDamaged)?;
        let reviewed = last_review(&mut tx, head.size).await?;
        drop(tx);
        self.looked(actor, LogState { checkpoint: head.checkpoint, reviewed }).await
    }

    /// Hands the entries from `from` (where the last review ended, where that is left out) up to
    /// `until` (the newest) to `note`, in order: the newest of them, where they are too many.
    ///
    /// # Errors
    /// For callers who are no auditors, and for a range that the log does not have.
    pub async fn walk_log(
        &self,
        actor: &Actor,
        (from, until): (Option<u64>, Option<u64>),
        note: &mut (dyn FnMut(u64, &[u8]) + Send),
    ) -> Result<Logged<Walked>, Denied> {
        self.require(actor, &[CallerRole::Auditor]).await?;
        let mut tx = self.store.read(Rights::Figures).await?;
        let size = log::head(&mut tx).await?.ok_or(StoreError::LogDamaged)?.size;
        let until = until.unwrap_or(size);
        let from = match from {
            Some(from) => from,
            None => match last_review(&mut tx, size).await? {
                Some(reviewed) if reviewed.range.until < until => reviewed.range.until,
                _ => 0,
            },
        };
        if from >= until || until > size {
            drop(tx);
            let rule = "a first entry and one behind it, of those that the log has";
            return Err(self.refuse_look(actor, Refused::invalid("from", rule)).await);
        }
        let from = from.max(until.saturating_sub(MOST_WALKED));
        let mut at = from;
        while at < until {
            let end = until.min(at + CHUNK);
            for (index, entry) in (at..end).zip(log::entries(&mut tx, at, end).await?) {
                note(index, &entry);
            }
            at = end;
        }
        drop(tx);
        self.looked(actor, Walked { from, until, size }).await
    }

    /// An auditor's word that it has reviewed a range of entries, and what it found.
    ///
    /// # Errors
    /// For callers who are no auditors, and for a range that the log does not have.
    pub async fn sign_off_review(
        &self,
        actor: &Actor,
        range: EntryRange,
        finding: ReviewFinding,
    ) -> Result<Logged<()>, Denied> {
        self.require(actor, &[CallerRole::Auditor]).await?;
        let mut tx = self.store.read(Rights::Figures).await?;
        let size = log::head(&mut tx).await?.ok_or(StoreError::LogDamaged)?.size;
        drop(tx);
        if range.from >= range.until || range.until > size {
            let rule = "a first entry and one behind it, of those that the log has";
            return Err(self.refuse_look(actor, Refused::invalid("from", rule)).await);
        }
        let mut leaf = actor.leaf(LeafKind::LogReviewed, self);
        leaf.notes.reviewed = Some(range);
        leaf.notes.cause = finding.code().parse::<Code>().ok();
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| ()))
    }
}

/// The last review among the newest entries.
async fn last_review(tx: &mut Tx, size: u64) -> Result<Option<Reviewed>, StoreError> {
    // Nearly every entry is something else, which its bytes tell without reading it.
    let marked = format!("\"kind\":\"{}\"", LeafKind::LogReviewed.name());
    let stop = size.saturating_sub(LOOKED_BACK);
    let mut reached = size;
    while reached > stop {
        let first = reached.saturating_sub(CHUNK).max(stop);
        let entries = log::entries(tx, first, reached).await?;
        for (entry, bytes) in (first..reached).rev().zip(entries.iter().rev()) {
            if std::str::from_utf8(bytes).is_ok_and(|text| text.contains(&marked))
                && let Ok(leaf) = Leaf::decode(bytes)
                && leaf.kind == LeafKind::LogReviewed
                && leaf.decision == Decision::Granted
                && let Some(range) = leaf.notes.reviewed
            {
                let finding = leaf.notes.cause.map(|cause| cause.as_str().to_owned());
                let finding = finding.unwrap_or_default();
                let (at, partner) = (leaf.at, leaf.partner);
                return Ok(Some(Reviewed { entry, at, partner, range, finding }));
            }
        }
        reached = first;
    }
    Ok(None)
}
