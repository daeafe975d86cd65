//! Asking the witnesses: each tick the newest checkpoint, with the proof that it continues
//! what they saw last.
//!
//! Off the hot path: nobody's answer waits for a witness. Several gateways ask the same
//! witnesses, so a conflict is no error: it tells the size to go on from. An answer counts
//! only where key, time and signature fit; what is kept goes under the published checkpoint.

use super::{
    GatewayError, ProjectionError,
    witnessing::{NoAnswer, Reply, Witnesses},
};
use crate::{
    audit::{
        Hash,
        cosignature::{request, text_of},
        tree,
    },
    store::{
        Rights, Store, StoreError,
        cosignatures::{self, Kept},
        log,
    },
};
use futures_util::future::join_all;

/// Conflicts that one attempt follows.
pub(super) const CONFLICTS: usize = 4;
/// How far a witness's clock may be off from ours.
pub(super) const MOST_SKEW_SECONDS: u64 = 300;
/// A cosignature of the newest checkpoint that is this young is not asked for again.
const YOUNG_MICROS: i64 = 30_000_000;
/// The longest pause after failures.
const LONGEST_PAUSE_SECONDS: i64 = 60;

/// What came of asking a witness.
pub(super) enum Asked {
    Cosigned(Box<Kept>),
    /// It has seen another history of the log.
    OtherHistory,
    /// It has seen more than the database holds.
    Ahead(u64),
    /// It watches no log of this name, so it has seen nothing of it.
    Unknown,
    /// It has seen what another gateway has added since.
    Moved,
    /// Nothing came of it.
    Failed(&'static str),
}

impl Witnesses {
    /// Asks every witness whose cosignature of this checkpoint is missing or no longer young.
    ///
    /// # Errors
    /// When the database can't be read or written; witnesses that fail are no error.
    pub(super) async fn round(&self, store: &Store, head: &log::Head) -> Result<(), GatewayError> {
        let each = (0..self.witnesses.len()).map(|number| self.round_of(store, head, number));
        join_all(each).await.into_iter().try_for_each(|asked| asked.map(drop))
    }

    /// The same of one witness, so that one that hangs delays no other; gives whether it
    /// cosigned just now.
    ///
    /// # Errors
    /// As [`Self::round`].
    pub(super) async fn round_of(
        &self,
        store: &Store,
        head: &log::Head,
        number: usize,
    ) -> Result<bool, GatewayError> {
        if !self.is_due(store, head, number).await? {
            return Ok(false);
        }
        let asked = self.ask(store, number, head).await?;
        match self.learn(number, asked) {
            Some(kept) => self.keep(store, number, kept).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Looks at what the database has, and whether a witness is to be asked.
    async fn is_due(
        &self,
        store: &Store,
        head: &log::Head,
        number: usize,
    ) -> Result<bool, GatewayError> {
        let mut tx = store.read(Rights::Figures).await?;
        let kept = cosignatures::all(&mut tx).await?;
        let believed = self.believe(&mut tx, head, kept).await?;
        drop(tx);
        let now = (self.now)().as_microsecond();
        let is_young = |(of, kept): &(usize, Kept)| {
            *of == number
                && (kept.size, &kept.root) == (head.size, &head.root)
                && (0..YOUNG_MICROS).contains(&(now - kept.received_at))
                // What an earlier process was told does not count, so it is asked for again.
                && kept.received_at >= self.started
        };
        let young = believed.iter().any(is_young);
        self.take(believed);
        let known = self.known();
        let standing = &known.each[number];
        Ok(standing.try_again <= now && !(young && standing.contradicted.is_none()))
    }

    /// Notes what came of asking one witness.
    fn learn(&self, number: usize, asked: Asked) -> Option<Kept> {
        let witness = self.witnesses[number].key.name();
        let failed = match asked {
            Asked::Cosigned(kept) => {
                let standing = &mut self.known().each[number];
                (standing.failures, standing.try_again) = (0, 0);
                return Some(*kept);
            }
            Asked::Moved => return None,
            Asked::OtherHistory => {
                self.contradict(number);
                tracing::error!(witness, "a witness has seen another history of the log");
                "it has seen another history of this log"
            }
            Asked::Ahead(seen) => {
                self.contradict(number);
                tracing::error!(witness, seen, "a witness has seen more than the database holds");
                "it has seen more of this log than there is"
            }
            Asked::Unknown => "it does not know this log",
            Asked::Failed(reason) => reason,
        };
        let now = (self.now)().as_microsecond();
        let standing = &mut self.known().each[number];
        standing.failures = standing.failures.saturating_add(1);
        let pause = 1_i64.checked_shl(standing.failures).unwrap_or(LONGEST_PAUSE_SECONDS);
        standing.try_again = now + pause.clamp(1, LONGEST_PAUSE_SECONDS) * 1_000_000;
        tracing::warn!(witness, reason = failed, "a witness did not cosign");
        None
    }

    /// Keeps a cosignature for every gateway on the database.
    pub(super) async fn keep(
        &self,
        store: &Store,
        number: usize,
        new: Kept,
    ) -> Result<(), GatewayError> {
        let mut tx = store.transact(Rights::Sequencer).await?;
        cosignatures::keep(&mut tx, &new).await?;
        tx.commit().await?;
        self.take(vec![(number, new)]);
        Ok(())
    }

    /// Asks one witness to cosign a checkpoint, following what it says of its own state.
    pub(super) async fn ask(
        &self,
        store: &Store,
        number: usize,
        head: &log::Head,
    ) -> Result<Asked, GatewayError> {
        let Some(asker) = &self.asker else { return Ok(Asked::Failed("nobody asks")) };
        let mut old = match self.known().each[number].seen {
            seen if seen <= head.size => seen,
            _ => 0,
        };
        for _ in 0..CONFLICTS {
            let proof = proof(store, old, head).await?;
            let body = request(old, &proof, &head.checkpoint);
            let reply = match asker.ask(number, body).await {
                Ok(reply) => reply,
                Err(NoAnswer) => return Ok(Asked::Failed("it did not answer")),
            };
            let seen = match reply.status {
                200 => return Ok(self.read(number, head, &reply)),
                409 => match size(&reply) {
                    Some(seen) => seen,
                    None => return Ok(Asked::Failed("it answered a conflict without its size")),
                },
                422 => return Ok(Asked::OtherHistory),
                404 => return Ok(Asked::Unknown),
                403 => return Ok(Asked::Failed("it does not know the log's key")),
                _ => return Ok(Asked::Failed("it refused")),
            };
            if seen > head.size {
                return Ok(match head_of(store).await? {
                    // Added to meanwhile, or ended: by another gateway.
                    Some(now) if now.origin() == head.origin() && now.size >= seen => Asked::Moved,
                    Some(now) if now.origin() != head.origin() && head.size > 0 => Asked::Moved,
                    _ => Asked::Ahead(seen),
                });
            }
            if seen == old {
                // The size is right, so it is the root that it does not know.
                let same = old == head.size;
                let nonsense = Asked::Failed("it answered a conflict with the size it was sent");
                return Ok(if same { Asked::OtherHistory } else { nonsense });
            }
            old = seen;
        }
        Ok(Asked::Failed("it changed its mind too often"))
    }

    /// The cosignature of an answer, if it is one.
    fn read(&self, number: usize, head: &log::Head, reply: &Reply) -> Asked {
        let key = &self.witnesses[number].key;
        let lines = std::str::from_utf8(&reply.body).unwrap_or_default();
        let Some(cosignature) = key.cosignature(lines, text_of(&head.checkpoint)) else {
            return Asked::Failed("its answer has no valid cosignature by its key");
        };
        let now = (self.now)();
        let ours = u64::try_from(now.as_second()).unwrap_or(0);
        if cosignature.time.abs_diff(ours) > MOST_SKEW_SECONDS {
            return Asked::Failed("its clock is minutes off from ours");
        }
        Asked::Cosigned(Box::new(Kept {
            witness: key.to_string(),
            size: head.size,
            root: head.root,
            cosigned_at: cosignature.time,
            received_at: now.as_microsecond(),
            line: cosignature.line,
        }))
    }

    /// A checkpoint with the cosignatures that are kept for it.
    pub(super) async fn cosigned(
        &self,
        store: &Store,
        head: &log::Head,
    ) -> Result<String, ProjectionError> {
        if self.witnesses.is_empty() {
            return Ok(head.checkpoint.clone());
        }
        let mut tx = store.read(Rights::Figures).await?;
        let kept = cosignatures::all(&mut tx).await?;
        let lines = self.witnesses.iter().filter_map(|witness| {
            let name = witness.key.to_string();
            let of_head = |kept: &&Kept| {
                kept.witness == name && (kept.size, &kept.root) == (head.size, &head.root)
            };
            let kept = kept.iter().find(of_head)?;
            // Whatever else stands in the row must not get into the published file.
            let made = witness.key.cosignature(&kept.line, text_of(&head.checkpoint))?;
            Some(made.line)
        });
        Ok(head.checkpoint.clone() + &lines.collect::<String>())
    }
}

pub(super) async fn head_of(store: &Store) -> Result<Option<log::Head>, StoreError> {
    log::head(&mut store.read(Rights::Figures).await?).await
}

async fn proof(store: &Store, old: u64, head: &log::Head) -> Result<Vec<Hash>, GatewayError> {
    let needed = tree::tiles_for_consistency(old, head.size)?;
    let mut tx = store.read(Rights::Figures).await?;
    let tiles = log::tiles_of(&mut tx, head.base, head.size, &needed).await?;
    Ok(tree::consistency_proof(&tiles, old, head.size)?)
}

/// The size that a conflict tells: its body and content type are as the standard says.
fn size(reply: &Reply) -> Option<u64> {
    let kind = reply.kind.split(';').next().unwrap_or_default().trim();
    let text = std::str::from_utf8(&reply.body).ok()?.strip_suffix('\n')?;
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let size = text.parse().ok().filter(|_| plain)?;
    // The log's sizes are those that the database can hold.
    (kind.eq_ignore_ascii_case("text/x.tlog.size") && i64::try_from(size).is_ok()).then_some(size)
}
