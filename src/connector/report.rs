//! What became of a pushed file's rows, and the receipts that prove it.
//!
//! It says what was wrong with the sender's own rows and nothing about what others hold.
//! Receipts are kept in the form that the auditor's verifier reads: whoever holds one can
//! show a removed or altered leaf to anyone.

use crate::wire::v1::Receipt;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The proof that an act stands in the access log; hashes in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptReceipt {
    /// Zero-based index of the leaf.
    pub leaf_index: u64,
    /// The leaf's hash (RFC 6962), 32 bytes in base64.
    pub leaf_hash: String,
    /// The signed checkpoint (C2SP signed note).
    pub checkpoint: String,
    /// The inclusion proof, the leaf's sibling first; 32 bytes each in base64.
    pub proof: Vec<String>,
    /// The leaf itself, canonical JSON; empty in files of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub leaf: String,
}

impl From<Receipt> for KeptReceipt {
    fn from(receipt: Receipt) -> Self {
        Self {
            leaf_index: receipt.leaf_index,
            leaf_hash: STANDARD.encode(receipt.leaf_hash),
            checkpoint: receipt.checkpoint,
            proof: receipt.inclusion_proof.iter().map(|hash| STANDARD.encode(hash)).collect(),
            // What is no text is no leaf, and whoever checks it says so.
            leaf: String::from_utf8_lossy(&receipt.leaf).into_owned(),
        }
    }
}

/// How many rows broke one rule in one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonCount {
    /// The column, or empty when rows as a whole were at fault.
    pub field: String,
    /// The rule's code.
    pub code: String,
    /// How often.
    pub count: u64,
}

/// One batch that was acknowledged, or that held nothing to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOutcome {
    /// Its number in its stream; 0 when none of its rows could be sent.
    pub sequence: u64,
    /// Rows of the file that it covers.
    pub rows: u64,
    /// Rows the gateway called well-formed, those sent before included.
    pub well_formed: u64,
    /// Rows the gateway had from an earlier push.
    pub sent_before: u64,
    /// Rows refused, here or by the gateway.
    pub rejected: u64,
    /// Rows refused here and never sent.
    pub rejected_here: u64,
    /// The partner's own counter of logged acts; 0 when nothing was logged.
    pub partner_sequence: u64,
    /// The place in the file behind its last row, in bytes.
    pub file_bytes: u64,
    /// The length of the rejects file behind its rejects, in bytes.
    pub rejects_bytes: u64,
    /// Why rows were refused.
    pub reasons: Vec<ReasonCount>,
    /// The proof; absent in a dry run.
    pub receipt: Option<KeptReceipt>,
}

/// One stream: a push that broke and went on has several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The version of the protocol in force.
    pub protocol_version: u32,
    /// The proof that the opening is logged.
    pub opened: Option<KeptReceipt>,
    /// Its batches.
    pub batches: Vec<BatchOutcome>,
    /// The proof that the closing is logged; absent when the stream broke.
    pub closed: Option<KeptReceipt>,
}

/// What became of a file. Serialised, it is the receipts file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushReport {
    /// The file's name, without its folders.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub file_sha256: String,
    /// The sharing protocol relied on.
    pub protocol_id: String,
    /// The type of every record.
    pub record_type: String,
    /// Whether nothing was stored.
    pub dry_run: bool,
    /// Rows of the file, the headings not counted.
    pub rows: u64,
    /// Rows well-formed, those sent before included.
    pub well_formed: u64,
    /// Rows that an earlier push had sent.
    pub sent_before: u64,
    /// Rows refused, here or by the gateway.
    pub rejected: u64,
    /// Rows refused here and never sent.
    pub rejected_here: u64,
    /// Batches acknowledged.
    pub batches: u64,
    /// Why rows were refused, the commonest reason first: what to mend.
    pub reasons: Vec<ReasonCount>,
    /// The streams.
    pub sessions: Vec<Session>,
    /// What somebody should see to about the protocol, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Where the receipts of an earlier push of this file lie, which broke and was not resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<PathBuf>,
    /// Where the rows lie that stood in the rejects file before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects_set_aside: Option<PathBuf>,
}

impl PushReport {
    pub(super) fn begin(file: &Path, file_sha256: &str, protocol: &str, record_type: &str) -> Self {
        Self {
            file: file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            file_sha256: file_sha256.to_owned(),
            protocol_id: protocol.to_owned(),
            record_type: record_type.to_owned(),
            dry_run: false,
            rows: 0,
            well_formed: 0,
            sent_before: 0,
            rejected: 0,
            rejected_here: 0,
            batches: 0,
            reasons: Vec::new(),
            sessions: Vec::new(),
            warnings: Vec::new(),
            set_aside: None,
            rejects_set_aside: None,
        }
    }

    /// Adds a batch to the latest session and to the sums.
    pub(super) fn add(&mut self, batch: BatchOutcome) {
        self.rows += batch.rows;
        self.well_formed += batch.well_formed;
        self.sent_before += batch.sent_before;
        self.rejected += batch.rejected;
        self.rejected_here += batch.rejected_here;
        self.batches += u64::from(batch.sequence > 0);
        for reason in &batch.reasons {
            add_reason(&mut self.reasons, &reason.field, &reason.code, reason.count);
        }
        self.reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| key(a).cmp(&key(b))));
        match self.sessions.last_mut() {
            Some(session) => session.batches.push(batch),
            None => {
                self.sessions.push(Session { batches: vec![batch], ..Session::default() });
            }
        }
    }

    /// Whether every row was well-formed.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.rejected == 0
    }

    /// Every receipt, in the order of the acts.
    pub fn receipts(&self) -> impl Iterator<Item = &KeptReceipt> {
        self.sessions.iter().flat_map(|session| {
            let batches = session.batches.iter().filter_map(|b| b.receipt.as_ref());
            session.opened.iter().chain(batches).chain(session.closed.iter())
        })
    }

    /// Writes the report with its receipts as JSON and says where, once it is on the disk: the
    /// journal that holds them, too, is removed next. Receipts are evidence, so a file that is
    /// there is never replaced: the name then gets a number.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_receipts(&self, path: &Path) -> io::Result<PathBuf> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(self).map_err(io::Error::from)?;
        let mut number = 1u32;
        loop {
            let path = match number {
                1 => path.to_owned(),
                _ => path.with_extension(format!("{number}.json")),
            };
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return written(file, &path, &text).map(|()| path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Writes a new file to the disk, or leaves none.
fn written(mut file: File, path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let done = file
        .write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .and_then(|()| File::open(folder.unwrap_or(Path::new(".")))?.sync_all());
    if done.is_err() {
        // What is half written proves nothing.
        let _ = fs::remove_file(path);
    }
    done
}

fn key(reason: &ReasonCount) -> (&str, &str) {
    (&reason.field, &reason.code)
}

/// Counts a reason in a short list.
pub(super) fn add_reason(reasons: &mut Vec<ReasonCount>, field: &str, code: &str, count: u64) {
    match reasons.iter_mut().find(|r| r.field == field && r.code == code) {
        Some(reason) => reason.count += count,
        None => {
            let (field, code) = (field.to_owned(), code.to_owned());
            reasons.push(ReasonCount { field, code, count });
        }
    }
}
