//! The decision: may this checkpoint be cosigned, and what is answered.
//!
//! The order of the checks and the answers are those of C2SP tlog-witness 1.0.0,
//! `add-checkpoint`.

use super::{
    request::Request,
    signer::WitnessSigner,
    state::{Folder, Seen, StateError, StateFile, Unkept},
    watched::Watched,
};
use crate::verify::{
    VerifierKey, WitnessKey,
    note::{self, OpenedNote},
    proof::{empty_root, is_consistent},
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// What a witness answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200: the cosignature, as a signature line.
    Cosigned(String),
    /// 400: not a request, not a checkpoint, or an old size beyond the new one.
    Malformed,
    /// 403: not signed by a key of the log.
    NotSigned,
    /// 404: not a log that this witness watches.
    UnknownLog,
    /// 409: the witness has cosigned this size last; or this very size with another root.
    Conflict {
        /// The size it cosigned last.
        size: u64,
    },
    /// 422: the proof does not show that the log only grew.
    NotConsistent,
    /// 500: what was decided can't be kept, so nothing is given away.
    NotKept,
    /// 503: the clock is behind what it said before.
    ClockWentBack,
}

/// What is known of a log, and whether the disk knows it, too.
struct State {
    seen: Option<Seen>,
    durable: bool,
}

/// A log that may be asked about.
struct Log {
    file: StateFile,
    state: Mutex<State>,
}

/// A witness with its state.
pub struct Witness {
    signer: WitnessSigner,
    verifier: WitnessKey,
    watched: Watched,
    logs: Mutex<BTreeMap<String, Arc<Log>>>,
    folder: Folder,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("signer", &self.signer).finish_non_exhaustive()
    }
}

impl Witness {
    /// A witness of these logs, with its state in a folder.
    ///
    /// # Errors
    /// [`StateError`] when the state can't be read in full, or another witness holds it.
    pub fn open(
        signer: WitnessSigner,
        watched: Watched,
        folder: &Path,
    ) -> Result<Self, StateError> {
        let held = Folder::open(folder)?;
        let damaged = || StateError::Damaged { path: folder.to_owned() };
        let verifier = signer.verifier().ok_or_else(damaged)?;
        let logs = Mutex::default();
        let witness = Self { signer, verifier, watched, logs, folder: held };
        for origin in witness.watched.origins() {
            witness.log(origin)?;
        }
        Ok(witness)
    }

    /// The verifier key of its cosignatures.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.signer.vkey()
    }

    /// A log with what was kept of it.
    fn log(&self, origin: &str) -> Result<Arc<Log>, StateError> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = logs.get(origin) {
            return Ok(Arc::clone(log));
        }
        let file = self.folder.file(origin);
        let state = Mutex::new(State { seen: file.load(&self.verifier)?, durable: true });
        let log = Arc::new(Log { file, state });
        logs.insert(origin.to_owned(), Arc::clone(&log));
        Ok(log)
    }

    /// Answers an `add-checkpoint` request. Blocks while the state is written.
    #[must_use]
    pub fn add_checkpoint(&self, body: &[u8], now: Timestamp) -> Answer {
        let Ok(request) = Request::parse(body) else { return Answer::Malformed };
        let Ok(opened) = note::read_any(request.note) else { return Answer::Malformed };
        let origin = &opened.checkpoint.origin;
        let keys = self.watched.keys_of(origin, now);
        if keys.is_empty() {
            return Answer::UnknownLog;
        }
        if !opened.is_signed_by_any(&keys) {
            return Answer::NotSigned;
        }
        if request.old > opened.checkpoint.size {
            return Answer::Malformed;
        }
        match self.log(origin) {
            Ok(log) => self.settle(&log, &keys, &request, &opened, now),
            Err(error) => {
                tracing::error!(%error, "a new year's state can't be read: nothing is cosigned");
                Answer::NotKept
            }
        }
    }

    /// Compares with the state, keeps, and cosigns: one step under the log's lock.
    fn settle(
        &self,
        log: &Log,
        keys: &[VerifierKey],
        request: &Request<'_>,
        opened: &OpenedNote<'_>,
        now: Timestamp,
    ) -> Answer {
        let mut state = log.state.lock().unwrap_or_else(PoisonError::into_inner);
        let new = &opened.checkpoint;
        let seen = state.seen.as_ref();
        let size = seen.map_or(0, |seen| seen.size);
        if request.old != size {
            return Answer::Conflict { size };
        }
        let unchanged = seen.is_some_and(|seen| seen.size == new.size);
        if unchanged && seen.is_some_and(|seen| seen.root != new.root) {
            return Answer::Conflict { size };
        }
        let follows = match seen {
            Some(seen) if seen.size > 0 => {
                is_consistent((seen.size, &seen.root), (new.size, &new.root), &request.proof)
            }
            // Everything continues the empty tree.
            _ => request.proof.is_empty() && (new.size > 0 || new.root == empty_root()),
        };
        if !follows {
            return Answer::NotConsistent;
        }
        let Ok(at) = u64::try_from(now.as_second()) else { return Answer::ClockWentBack };
        if seen.is_some_and(|seen| seen.at > at) {
            return Answer::ClockWentBack;
        }
        let Ok(line) = self.signer.cosign(opened.text(), at) else { return Answer::NotKept };
        // Also where only the time is new: after a restart under a clock that is behind, an
        // earlier time than was given away must not be signed.
        let same = unchanged && state.seen.as_ref().is_some_and(|seen| seen.at == at);
        if !(same && state.durable) {
            let kept = log.file.keep(&cosigned_note(keys, request.note, opened, &line));
            if let Err(Unkept::Nothing(error)) = &kept {
                tracing::error!(%error, "the state can't be written: nothing is cosigned");
                return Answer::NotKept;
            }
            // From here on the folder has the new state, so the old one must not be
            // continued again, even where a power cut could bring it back.
            state.durable = kept.is_ok();
            state.seen = Some(Seen { size: new.size, root: new.root, at });
            if let Err(Unkept::NotDurable(error)) = kept {
                tracing::error!(%error, "the state can't be made durable: nothing is cosigned");
                return Answer::NotKept;
            }
        }
        Answer::Cosigned(line)
    }
}

/// The checkpoint with the log's own signatures and the new cosignature; what others signed
/// is left out.
fn cosigned_note(keys: &[VerifierKey], note: &[u8], opened: &OpenedNote<'_>, line: &str) -> String {
    let text = opened.text();
    let signatures = note.get(text.len() + 1..).unwrap_or_default();
    let signatures = std::str::from_utf8(signatures).unwrap_or_default();
    let is_own = |line: &&str| {
        let name = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split(' ').next());
        keys.iter().any(|key| Some(key.name()) == name)
    };
    let signatures = signatures.split_inclusive('\n').filter(is_own);
    format!("{text}\n{}{line}", signatures.collect::<String>())
}
