//! Before anything is served: whether the database is behind what a witness has seen, or of
//! another history.
//!
//! A backup that was put back does not know how far the log had come; only the witnesses do. So
//! each of them must answer before the gateway adds to the log: the configured ones, and those
//! that ever cosigned by what the database remembers. An operator who has to go on without one
//! (it is gone for good, it is down, or what it says is false) names it and takes the
//! responsibility, which is a leaf of the log.

use super::{
    Gateway, GatewayError,
    cosigning::{Asked, CONFLICTS, head_of},
    witnessing::Witnesses,
};
use crate::{
    audit::{Hash, Leaf, LeafKind, LogSigner},
    store::{Rights, Store, StoreError, calendar_year, cosignatures, log},
};
use futures_util::future::join_all;

/// The database is not what a witness has seen. Nothing may be served from it.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It holds less.
    #[error(
        "the witness {witness} has seen {seen} entries of this log and the database holds {held}: \
         it was put back to an earlier state. Restore the newest backup; if the entries are lost \
         for good, tell the witnesses' operators and begin a log of another origin. Where it is \
         the witness that is wrong, go on without it: --without-witness, which the log tells"
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
    /// It did not answer, so it can't be told.
    #[error(
        "the witness {witness} gave no answer to whether this database is behind what it has \
         seen, so nothing is served from it. Start the witness; or, where the database is known \
         to be the newest, go on without it: --without-witness {witness}, which the log tells"
    )]
    Unasked {
        /// The witness.
        witness: String,
    },
    /// It has cosigned and is not configured any more.
    #[error(
        "the witness {witness} has cosigned this log and is not in the configuration, so nobody \
         can ask it whether this database is behind. Put it back; or retire it: \
         --without-witness {witness}, which the log tells"
    )]
    NotConfigured {
        /// The witness, with its key's id.
        witness: String,
    },
    /// A name that was given to go on without.
    #[error("--without-witness {witness}: there is no witness of that name")]
    NoSuchWitness {
        /// As given.
        witness: String,
    },
    /// The database can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log's forms failed.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

/// What the operator goes on without, still to be told to the log.
#[derive(Debug, Clone)]
pub(super) struct Override {
    /// The id of its key.
    key: String,
    /// Its name in the database, where it is not configured any more: then it is retired.
    retired: Option<String>,
}

impl Witnesses {
    /// Whether every witness has seen a beginning of what the database holds; what they cosign
    /// on the way counts. To be asked before anything is added to the log. They are asked at
    /// the same time, but for those whose names (`name` or `name+id`) are in `without`.
    ///
    /// # Errors
    /// [`HistoryError`] where one has not, or where one gives no answer: then nothing may be
    /// served.
    pub async fn check_history(
        &self,
        store: &Store,
        signer: &LogSigner,
        without: &[String],
    ) -> Result<(), HistoryError> {
        self.go_without(store, without).await?;
        let signer = signer.in_year(calendar_year((self.now)()));
        let checks = (0..self.witnesses.len())
            .filter(|number| !self.known().each[*number].overridden)
            .map(|number| self.check_witness(store, &signer, number));
        let mut checked = join_all(checks).await;
        // That one contradicts says more than that another is away.
        checked.sort_by_key(|checked| matches!(checked, Err(HistoryError::Unasked { .. })));
        checked.into_iter().collect()
    }

    /// Notes which witnesses the operator goes on without.
    async fn go_without(&self, store: &Store, without: &[String]) -> Result<(), HistoryError> {
        let kept = cosignatures::all(&mut store.read(Rights::Figures).await?).await?;
        let is_named = |name: &str, with_id: &str| {
            without.iter().any(|given| given == name || given == with_id)
        };
        let mut found = Vec::new();
        for (number, witness) in self.witnesses.iter().enumerate() {
            let (name, with_id) = (witness.key.name(), witness.key.to_string());
            if is_named(name, &with_id) {
                let mut known = self.known();
                known.each[number].overridden = true;
                known.overrides.push(Override { key: witness.key.id(), retired: None });
                found.extend([name.to_owned(), with_id]);
            }
        }
        for kept in kept.into_iter().filter(|kept| !kept.is_retired()) {
            if self.witnesses.iter().any(|witness| witness.key.to_string() == kept.witness) {
                continue;
            }
            let witness = kept.witness;
            let (name, key) = witness.rsplit_once('+').unwrap_or((&witness, ""));
            if !is_named(name, &witness) {
                return Err(HistoryError::NotConfigured { witness });
            }
            found.extend([name.to_owned(), witness.clone()]);
            let key = key.to_owned();
            self.known().overrides.push(Override { key, retired: Some(witness) });
        }
        match without.iter().find(|given| !found.contains(given)) {
            Some(given) => Err(HistoryError::NoSuchWitness { witness: given.clone() }),
            None => Ok(()),
        }
    }

    async fn check_witness(
        &self,
        store: &Store,
        signer: &LogSigner,
        number: usize,
    ) -> Result<(), HistoryError> {
        self.check_log(store, number, None).await?;
        // A new year's log that the database has not begun: nobody may have seen any of it.
        let held = head_of(store).await?;
        if held.is_none_or(|held| held.origin() != signer.name().as_str()) {
            self.check_log(store, number, Some(empty(signer))).await?;
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
            let Some(head) = growing else { return Ok(()) };
            match self.ask(store, number, &head).await? {
                Asked::Cosigned(kept) if other.is_none() => {
                    self.keep(store, number, *kept).await?;
                }
                // That nothing is there yet is no word about the log.
                Asked::Cosigned(_) => {}
                Asked::Moved => continue,
                Asked::OtherHistory => return Err(HistoryError::Other { witness }),
                Asked::Ahead(seen) => {
                    return Err(HistoryError::Behind { witness, seen, held: head.size });
                }
                Asked::Unknown => {
                    tracing::warn!(witness, "a witness does not watch this log yet");
                }
                Asked::Failed(reason) => {
                    tracing::error!(witness, reason, "a witness gave no answer");
                    return Err(HistoryError::Unasked { witness });
                }
            }
            return Ok(());
        }
        Err(HistoryError::Unasked { witness })
    }
}

impl Gateway {
    /// Logs which witnesses the operator goes on without. A crash before the leaf stands means
    /// that nothing was served without them.
    ///
    /// # Errors
    /// When the log can't be written.
    pub(super) async fn log_overrides(&self) -> Result<(), GatewayError> {
        let overrides = std::mem::take(&mut self.witnesses.known().overrides);
        for Override { key, retired } in overrides {
            tracing::warn!(key, "the operator goes on without a witness");
            let mut leaf = Leaf::new(LeafKind::WitnessOverridden, self.now());
            leaf.notes.key = key.parse().ok();
            self.log_of_its_own(leaf).await?;
            if let Some(witness) = retired {
                let mut tx = self.store.transact(Rights::Sequencer).await?;
                cosignatures::retire(&mut tx, &witness).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }
}

/// The head of a log that has no entry yet: a witness that has seen one must say so.
fn empty(signer: &LogSigner) -> log::Head {
    let checkpoint = signer.sign_checkpoint(0, &Hash::EMPTY_TREE);
    log::Head { base: 0, size: 0, root: Hash::EMPTY_TREE, checkpoint, at: 0 }
}
