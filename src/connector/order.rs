//! What to push and how, who is told, and why a push did not come to its end.

use super::journal::JournalError;
use crate::{
    domain::{PartnerId, ProtocolId, RecordType},
    files::{FilesError, Mapping},
    keys::{KeyError, PrfPublicKey},
};
use jiff::civil::Date;
use rand::rngs::StdRng;
use std::{path::PathBuf, sync::Arc};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Rows of a batch unless told otherwise.
pub const BATCH_ROWS: u32 = 1_000;
/// Batches that may be on their way unless told otherwise.
pub const IN_FLIGHT: usize = 4;

/// How what identifies is blinded before it is sent.
#[derive(Debug, Clone)]
pub struct Blinding {
    /// In whose name: the scope of what is the sender's own.
    pub partner: PartnerId,
    /// The key that the gateway must prove to have used.
    pub key: PrfPublicKey,
    /// A new generator for the blinds of one push.
    pub rng: fn() -> StdRng,
}

/// What to push, and how.
#[derive(Debug, Clone)]
pub struct PushOrder {
    /// The file: CSV, JSON lines or a workbook.
    pub file: PathBuf,
    /// The type of every record in it.
    pub record_type: RecordType,
    /// The sharing protocol relied on.
    pub protocol: ProtocolId,
    /// Its version; 0 takes the version in force.
    pub protocol_version: u32,
    /// The purpose claimed, one of the protocol's.
    pub purpose: String,
    /// The day this extract stands for.
    pub extract_day: Date,
    /// Today, for dates in the future.
    pub today: Date,
    /// Check everything, store nothing.
    pub dry_run: bool,
    /// Go on behind the last acknowledged row of a push that broke.
    pub resume: bool,
    /// Refuse bad rows here instead of sending them.
    pub check_first: bool,
    /// How the file's columns become the record type's; as they are when absent.
    pub mapping: Option<Arc<Mapping>>,
    /// Where to write rejected rows.
    pub rejects: Option<PathBuf>,
    /// Where to write the report with its receipts.
    pub receipts: Option<PathBuf>,
    /// Rows of a batch, at least 1; the gateway may want fewer.
    pub batch_rows: u32,
    /// Batches that may be unacknowledged, at least 1.
    pub in_flight: usize,
    /// How to blind what identifies; nothing sends it in clear. Blinded rows are always checked
    /// here first.
    pub blinding: Option<Blinding>,
}

impl PushOrder {
    /// A push with everything else as it usually is: checked here first, no rejects file.
    #[must_use]
    pub const fn new(
        file: PathBuf,
        record_type: RecordType,
        protocol: ProtocolId,
        purpose: String,
        today: Date,
    ) -> Self {
        Self {
            file,
            record_type,
            protocol,
            protocol_version: 0,
            purpose,
            extract_day: today,
            today,
            dry_run: false,
            resume: false,
            check_first: true,
            mapping: None,
            rejects: None,
            receipts: None,
            batch_rows: BATCH_ROWS,
            in_flight: IN_FLIGHT,
            blinding: None,
        }
    }
}

/// Told how a push gets on; a progress bar, for instance.
pub trait Progress: Send + Sync {
    /// The stream is open: bytes of the file in all, and those of an earlier push.
    fn opened(&mut self, file_bytes: u64, done_bytes: u64);
    /// So much of the file is acknowledged: bytes, rows, and rows rejected.
    fn acknowledged(&mut self, done_bytes: u64, rows: u64, rejected: u64);
}

/// Says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn opened(&mut self, _: u64, _: u64) {}
    fn acknowledged(&mut self, _: u64, _: u64, _: u64) {}
}

/// Why a push did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The file, or the rejects or receipts file, can't be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: FilesError,
    },
    /// The resume file can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The gateway refused, at once or in mid-stream. The texts are the gateway's own.
    #[error("the gateway refused: {}{} ({rows} rows were acknowledged)", status.message(), reason(status))]
    Refused {
        /// What it said.
        status: Box<Status>,
        /// Rows of the file that were acknowledged.
        rows: u64,
    },
    /// The connection broke.
    #[error(
        "the connection to the gateway broke after {rows} rows were acknowledged: run the same \
         command again with --resume"
    )]
    Broken {
        /// What the connection said; nothing when the stream just ended.
        #[source]
        status: Option<Box<Status>>,
        /// Rows of the file that were acknowledged.
        rows: u64,
    },
    /// What identifies could not be blinded; nothing of that batch was sent.
    #[error(transparent)]
    Blinding(#[from] KeyError),
    /// The gateway answered what it may not.
    #[error("the gateway's answer can't be right ({0}): tell its operators")]
    Unexpected(&'static str),
}

impl PushError {
    /// The same after so many rows were acknowledged, where the sentence tells it.
    pub(super) fn after(self, rows: u64) -> Self {
        match self {
            Self::Refused { status, .. } => Self::Refused { status, rows },
            Self::Broken { status, .. } => Self::Broken { status, rows },
            error => error,
        }
    }

    /// What the gateway or the connection said, if anything.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { status, .. } => Some(status),
            Self::Broken { status, .. } => status.as_deref(),
            Self::File { .. } | Self::Journal(_) | Self::Blinding(_) | Self::Unexpected(_) => None,
        }
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| format!(" [{}]", info.reason)).unwrap_or_default()
}

/// A status that tells of the connection rather than of a decision.
pub(super) fn failure(status: Status, rows: u64) -> PushError {
    let broken = matches!(
        status.code(),
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Aborted
    ) || std::error::Error::source(&status).is_some();
    let status = Box::new(status);
    if broken {
        PushError::Broken { status: Some(status), rows }
    } else {
        PushError::Refused { status, rows }
    }
}
