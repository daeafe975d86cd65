//! Witnesses: what is known of each, and what of it is believed.
//!
//! Only cosignatures that came in since this process started count: what an earlier one was
//! told may be of a database that has been put back since ([`super::history`]). A row of the
//! database counts only where it verifies: the witness's own signature, over a root of this log.
//! A witness that contradicts (it has seen another history, or more of this one) does so until
//! it cosigns later than that; what it cosigned before counts no more.

use super::{GatewayError, Now, cosigning::MOST_SKEW_SECONDS, history::Override};
use crate::{
    audit::{
        Frontier, Hash, LogName, TileId, WitnessKey, cosignature::Cosignature,
        note::checkpoint_text,
    },
    store::{Tx, cosignatures::Kept, log},
};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A witness that the gateway asks.
#[derive(Debug, Clone)]
pub struct Witness {
    /// Its verifier key.
    pub key: WitnessKey,
    /// Whether it is the oversight body's; else it is a partner's.
    pub oversight: bool,
}

/// A witness's answer over HTTP.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The content type, or empty.
    pub kind: String,
    /// The body.
    pub body: Vec<u8>,
}

/// No answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the witness did not answer")]
pub struct NoAnswer;

/// An answer that is on its way.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Reply, NoAnswer>> + Send + 'a>>;

/// Carries an `add-checkpoint` request to a witness, by its number in the configuration.
pub trait AskWitness: Send + Sync {
    /// Asks, for no longer than a few seconds.
    fn ask(&self, witness: usize, body: String) -> Answering<'_>;
}

/// What is known of one witness.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// When its newest cosignature came in, microseconds since 1970-01-01 UTC.
    pub(super) cosigned: Option<i64>,
    /// The size that it was last known to have seen.
    pub(super) seen: u64,
    /// When it last told of another history, or of more of this one than there is; it has not
    /// agreed since.
    pub(super) contradicted: Option<i64>,
    /// Whether the operator has taken the responsibility for going on without it.
    pub(super) overridden: bool,
    /// Whether the log says that it contradicts.
    told: bool,
    /// The row of the database that was last verified and believed.
    believed: Option<Kept>,
    /// Attempts that failed since the last that did not, and when to try again.
    pub(super) failures: u32,
    pub(super) try_again: i64,
}

#[derive(Default)]
pub(super) struct Known {
    pub(super) each: Vec<Standing>,
    /// Whether there was a quorum when the log was last told.
    pub(super) told: Option<bool>,
    /// What the operator goes on without, until the log says so.
    pub(super) overrides: Vec<Override>,
}

/// The witnesses of a gateway and what is known of them.
pub struct Witnesses {
    pub(super) witnesses: Vec<Witness>,
    pub(super) asker: Option<Box<dyn AskWitness>>,
    pub(super) now: Now,
    pub(super) allowed: Duration,
    pub(super) started: i64,
    known: Mutex<Known>,
}

impl std::fmt::Debug for Witnesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witnesses").field("witnesses", &self.witnesses).finish_non_exhaustive()
    }
}

impl Witnesses {
    /// These witnesses, asked by `asker`; `allowed` is how long the quorum may be missing
    /// before figures stop, where the root policy does not allow less.
    #[must_use]
    pub fn new(
        witnesses: Vec<Witness>,
        asker: Box<dyn AskWitness>,
        allowed: Duration,
        now: Now,
    ) -> Self {
        let each = vec![Standing::default(); witnesses.len()];
        let (started, known) =
            (now().as_microsecond(), Mutex::new(Known { each, ..Known::default() }));
        Self { witnesses, asker: Some(asker), now, allowed, started, known }
    }

    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self {
            witnesses: Vec::new(),
            asker: None,
            // Nobody is asked at any time.
            now: std::sync::Arc::new(|| Timestamp::UNIX_EPOCH),
            allowed: Duration::ZERO,
            started: 0,
            known: Mutex::default(),
        }
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.witnesses.len()
    }

    pub(super) fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of the database that are true, each with its witness's number: not from the
    /// future, the line a valid cosignature by the witness's own key, of a root that this very
    /// log has or had. Whoever can write into the table makes nobody believe anything else.
    ///
    /// # Errors
    /// When the log's stored hashes can't be read.
    pub(super) async fn believe(
        &self,
        tx: &mut Tx,
        head: &log::Head,
        kept: Vec<Kept>,
    ) -> Result<Vec<(usize, Kept)>, GatewayError> {
        let now = (self.now)().as_microsecond();
        let mut believed = Vec::new();
        for kept in kept {
            let is_its = |witness: &Witness| witness.key.to_string() == kept.witness;
            let Some(number) = self.witnesses.iter().position(is_its) else { continue };
            if kept.received_at > now || kept.size > head.size {
                continue;
            }
            let known = self.known().each[number].believed.as_ref() == Some(&kept);
            if known || self.is_true(tx, head, number, &kept).await? {
                believed.push((number, kept));
            }
        }
        Ok(believed)
    }

    async fn is_true(
        &self,
        tx: &mut Tx,
        head: &log::Head,
        number: usize,
        kept: &Kept,
    ) -> Result<bool, GatewayError> {
        let Ok(origin) = head.origin().parse::<LogName>() else { return Ok(false) };
        let text = checkpoint_text(&origin, kept.size, &kept.root);
        let cosignature = self.witnesses[number].key.cosignature(&kept.line, &text);
        let fits = |made: Cosignature| made.line == kept.line && made.time == kept.cosigned_at;
        Ok(cosignature.is_some_and(fits) && root_at(tx, head, kept.size).await? == kept.root)
    }

    /// Takes in what was found true; other gateways on the database may have been given it. A
    /// cosignature is no older than its row says and no younger than its witness says; one from
    /// before a contradiction does not end it.
    pub(super) fn take(&self, believed: Vec<(usize, Kept)>) {
        let mut known = self.known();
        for (number, kept) in believed {
            let standing = &mut known.each[number];
            standing.seen = kept.size;
            let made = i64::try_from(kept.cosigned_at.saturating_add(MOST_SKEW_SECONDS));
            let made = made.unwrap_or(i64::MAX).saturating_mul(1_000_000);
            let came = kept.received_at.min(made);
            let after = |contradicted: i64| came > contradicted;
            if came >= self.started && standing.contradicted.is_none_or(after) {
                standing.cosigned = standing.cosigned.max(Some(came));
                standing.contradicted = None;
            }
            standing.believed = Some(kept);
        }
    }

    /// Notes that a witness contradicts: what it cosigned before counts no more.
    pub(super) fn contradict(&self, number: usize) {
        let now = (self.now)().as_microsecond();
        let standing = &mut self.known().each[number];
        standing.contradicted = Some(now);
        standing.cosigned = None;
    }

    /// Whether a witness contradicts whom the operator has not set aside: then the gateway does
    /// nothing but what always must be possible.
    pub(super) fn contradicted(&self) -> bool {
        let counts = |standing: &Standing| standing.contradicted.is_some() && !standing.overridden;
        self.known().each.iter().any(counts)
    }

    /// The witnesses that contradict and that the log was not told of yet, by key id.
    pub(super) fn untold(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for (witness, standing) in self.witnesses.iter().zip(&mut self.known().each) {
            if standing.contradicted.is_some() && !standing.told {
                keys.push(witness.key.id());
            }
            standing.told = standing.contradicted.is_some();
        }
        keys
    }
}

/// The root that a log had at an earlier size, from its stored hashes: one tile a level.
async fn root_at(tx: &mut Tx, head: &log::Head, size: u64) -> Result<Hash, GatewayError> {
    if size == head.size {
        return Ok(head.root);
    }
    let ids: BTreeSet<TileId> = Frontier::tiles(size).into_iter().collect();
    let tiles = log::tiles_of(tx, head.base, size, &ids).await?;
    Ok(Frontier::from_tiles(size, &tiles)?.root()?)
}
