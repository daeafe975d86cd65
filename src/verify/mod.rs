//! The auditor's own reading of the access log: everything recomputed, nothing believed.
//!
//! Why it exists: the authority runs the gateway, so its word about the log is worth
//! nothing. This room reads the published formats (RFC 6962, RFC 9162, C2SP tlog-tiles,
//! tlog-checkpoint and signed-note) for itself and shares no code with [`crate::audit`]: a
//! mistake made in writing is not repeated in checking.
//!
//! - [`log`]: a whole folder of tiles against a verifier key; every place that is wrong is
//!   named by file and number.
//! - [`growth`]: a log taken bundle by bundle, for a mirror.
//! - [`rows`]: the log's tables in a database; every row that is wrong is named.
//! - [`cosignature`]: which witnesses cosigned a checkpoint, and when.
//! - [`receipt`]: one receipt, or two checkpoints of one log; [`years`]: two years' logs.
//! - [`reconcile`], [`evidence`]: receipts against the log, and what proves that it lied.
//! - [`entries`], [`search`], [`counters`], [`erasures`], [`trace`], [`patterns`]: what a
//!   mirrored log says.
//! - [`tlog_proof`]: proofs as files.
//! - [`opening`]: an item of an entry's private detail against its commitment.
//! - [`note`], [`proof`], [`leaf`], [`path`]: the formats.
//!
//! What it can't show: that an act was logged at all (receipts and the partners' own
//! sequence numbers are for that), that a time is true, and anything about what came after
//! the checkpoint it was given.

mod bundle;
pub mod case_proof;
pub mod cosignature;
pub mod counters;
mod digest;
pub mod entries;
pub mod erasures;
pub mod evidence;
pub mod growth;
mod history;
pub mod leaf;
mod leaf_scan;
mod level;
pub mod log;
pub mod note;
pub mod opening;
pub mod path;
pub mod patterns;
pub mod proof;
pub mod receipt;
pub mod reconcile;
pub mod report;
pub mod row_report;
pub mod rows;
pub mod search;
mod settle;
pub mod source;
mod subtrees;
mod swar;
pub mod tlog_proof;
pub mod trace;
pub mod years;

pub use case_proof::{CaseProofProblem, CaseProved, verify_case};
pub use cosignature::{Cosigned, WitnessKey};
pub use growth::{Growth, GrowthProblem};
pub use log::{verify_log, verify_log_on};
pub use note::{Checkpoint, NoteProblem, VerifierKey};
pub use opening::{OpenedDetail, OpeningProblem, verify_opening};
pub use proof::detail_is_committed;
pub use receipt::{
    Receipt, ReceiptProblem, verify_consistency, verify_receipt, verify_receipt_in_log,
};
pub use report::{Finding, Notice, Place, Problem, Report};
pub use row_report::{LogRow, RowFinding, RowProblem, RowReport};
pub use rows::{HeadRow, RowSource, verify_rows};
pub use source::{Directory, SourceError, TileSource};

#[cfg(test)]
mod tests;
