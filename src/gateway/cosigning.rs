//! Asking the witnesses: each tick the newest checkpoint, with the proof that it continues
//! what they saw last; and once before anything is served, whether the database is behind.
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
        Hash, LogSigner,
        cosignature::{request, text_of},
        tree,
    },
    store::{
        Rights, Store, StoreError, calendar_year,
        cosignatures::{self, Kept},
        log,
    },
};
use futures_util::future::join_all;

/// Conflicts that one attempt follows.
const CONFLICTS: usize = 4;
/// How far a witness's clock may be off from ours.
const MOST_SKEW_SECONDS: u64 = 300;
/// A cosignature of the newest checkpoint that is this young is not asked for again.
const YOUNG_MICROS: i64 = 30_000_000;
/// The longest pause after failures.
const LONGEST_PAUSE_SECONDS: i64 = 60;

/// The database is not what a witness has seen. Nothing may be served from it.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It holds less.
    #[error(
        "the witness {witness} has seen {seen} entries of this log and the database holds {held}: \
         it was put back to an earlier state. Restore the newest backup; if the entries are lost \
         for good, tell the witnesses' operators and begin a log of another origin"
    )]
    Behind {
        /// The witness.
        witness: String,
        /// What it has seen.
        seen: u64,
        /// What the database holds.
        held: u64,
    },
    /// It holds something else.
    #[error(
        "the witness {witness} has seen another history of this log than the database holds: \
         another gateway may have gone on from a copy. Serve from the database that it saw; if it \
         is lost for good, tell the witnesses' operators and begin a log of another origin"
    )]
    Other {
        /// The witness.
        witness: String,
    },
    /// The database can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log's forms failed.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

/// What came of asking a witness.
enum Asked {
    Cosigned(Box<Kept>),
    /// It has seen another history of the log.
    OtherHistory,
    /// It has seen more than the database holds.
    Ahead(u64),
    /// It has seen what another gateway has added since.
    Moved,
    /// Nothing came of it.
    Failed(&'static str),
}

impl Witnesses {
    /// Whether every witness that answers has seen a beginning of what the database holds; what
    /// they cosign on the way counts. To be asked before anything is added to the log.
    ///
    /// # Errors
    /// [`HistoryError`] where one has not: then nothing may be served.
    pub async fn check_history(
        &self,
        store: &Store,
        signer: &LogSigner,
    ) -> Result<(), HistoryError> {
        let signer = signer.in_year(calendar_year((self.now)()));
        for number in 0..self.witnesses.len() {
            self.check_log(store, number, None).await?;
            // A new year's log that the database has not begun: nobody may have seen any of it.
            let held = head_of(store).await?;
            if held.is_none_or(|held| held.origin() != signer.name().as_str()) {
                self.check_log(store, number, Some(empty(&signer))).await?;
            }
        }
        Ok(())
    }

    /// Whether one witness has seen a beginning of the log that grows, or of another.
    async fn check_log(
        &self,
        store: &Store,
        number: usize,
        other: Option<log::Head>,
    ) -> Result<(), HistoryError> {
        let witness = self.witnesses[number].key.name().to_owned();
        for _ in 0..CONFLICTS {
            let growing = match &other {
                Some(head) => Some(head.clone()),
                None => head_of(store).await?,
            };
            let Some(head) = growing else { break };
            match self.ask(store, number, &head).await? {
                Asked::Cosigned(kept) if other.is_none() => self.keep(store, &[*kept]).await?,
                // That nothing is there yet is no word about the log.
                Asked::Cosigned(_) => {}
                Asked::Moved => continue,
                Asked::OtherHistory => return Err(HistoryError::Other { witness }),
                Asked::Ahead(seen) => {
                    return Err(HistoryError::Behind { witness, seen, held: head.size });
                }
                Asked::Failed(reason) => {
                    tracing::warn!(witness, reason, "a witness did not cosign");
                }
            }
            break;
        }
        Ok(())
    }

    /// Asks every witness whose cosignature of this checkpoint is missing or no longer young.
    ///
    /// # Errors
    /// When the database can't be read or written; witnesses that fail are no error.
    pub(super) async fn round(&self, store: &Store, head: &log::Head) -> Result<(), GatewayError> {
        if self.witnesses.is_empty() {
            return Ok(());
        }
        let mut tx = store.read(Rights::Figures).await?;
        let kept = cosignatures::all(&mut tx).await?;
        drop(tx);
        self.take(&kept);
        let now = (self.now)().as_microsecond();
        let due: Vec<usize> = {
            let known = self.known();
            let due = |number: &usize| {
                let name = self.witnesses[*number].key.to_string();
                let is_young = |kept: &Kept| {
                    kept.witness == name
                        && (kept.size, &kept.root) == (head.size, &head.root)
                        && (0..YOUNG_MICROS).contains(&(now - kept.received_at))
                        && known.each[*number].cosigned == Some(kept.received_at)
                };
                known.each[*number].try_again <= now && !kept.iter().any(is_young)
            };
            (0..self.witnesses.len()).filter(due).collect()
        };
        let asked = join_all(due.iter().map(|number| self.ask(store, *number, head))).await;
        let mut new = Vec::new();
        for (number, asked) in due.into_iter().zip(asked) {
            new.extend(self.learn(number, asked?, now));
        }
        self.keep(store, &new).await?;
        Ok(())
    }

    /// Notes what came of asking one witness.
    fn learn(&self, number: usize, asked: Asked, now: i64) -> Option<Kept> {
        let witness = self.witnesses[number].key.name();
        let mut known = self.known();
        let standing = &mut known.each[number];
        let failed = match asked {
            Asked::Cosigned(kept) => {
                (standing.failures, standing.try_again) = (0, 0);
                return Some(*kept);
            }
            Asked::Moved => return None,
            Asked::OtherHistory => {
                standing.contradicts = true;
                "it has seen another history of this log"
            }
            Asked::Ahead(seen) => {
                standing.contradicts = true;
                tracing::error!(witness, seen, "a witness has seen more than the database holds");
                "it has seen more of this log than there is"
            }
            Asked::Failed(reason) => reason,
        };
        standing.failures = standing.failures.saturating_add(1);
        let pause = 1_i64.checked_shl(standing.failures).unwrap_or(LONGEST_PAUSE_SECONDS);
        standing.try_again = now + pause.clamp(1, LONGEST_PAUSE_SECONDS) * 1_000_000;
        tracing::warn!(witness, reason = failed, "a witness did not cosign");
        None
    }

    /// Keeps cosignatures for every gateway on the database.
    async fn keep(&self, store: &Store, new: &[Kept]) -> Result<(), StoreError> {
        if new.is_empty() {
            return Ok(());
        }
        let mut tx = store.transact(Rights::Sequencer).await?;
        for kept in new {
            cosignatures::keep(&mut tx, kept).await?;
        }
        tx.commit().await?;
        self.take(new);
        Ok(())
    }

    /// Asks one witness to cosign a checkpoint, following what it says of its own state.
    async fn ask(
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
                404 => return Ok(Asked::Failed("it does not know this log")),
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
            kept.iter().find(of_head).map(|kept| kept.line.as_str())
        });
        Ok(head.checkpoint.clone() + &lines.collect::<String>())
    }
}

async fn head_of(store: &Store) -> Result<Option<log::Head>, StoreError> {
    log::head(&mut store.read(Rights::Figures).await?).await
}

/// The head of a log that has no entry yet: a witness that has seen one must say so.
fn empty(signer: &LogSigner) -> log::Head {
    let checkpoint = signer.sign_checkpoint(0, &Hash::EMPTY_TREE);
    log::Head { base: 0, size: 0, root: Hash::EMPTY_TREE, checkpoint, at: 0 }
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
