//! What the verifier found in a database, by table and row.

use super::{leaf::LeafProblem, note::NoteProblem, report::MAX_KEPT};
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fmt};

/// A row of the log's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "table", rename_all = "snake_case")]
pub enum LogRow {
    /// The one row of `log_head`.
    LogHead,
    /// A row of `log_entry`.
    LogEntry {
        /// Its number, from 0.
        leaf_index: i64,
    },
    /// A row of `log_hash`.
    LogHash {
        /// Its tile level, from 0.
        level: i64,
        /// Its number within the level, from 0.
        hash_index: i64,
    },
}

impl LogRow {
    /// Its number, and the rows it is numbered among: -1 for entries, or a level.
    const fn number(self) -> Option<(i64, i64)> {
        match self {
            Self::LogHead => None,
            Self::LogEntry { leaf_index } => Some((-1, leaf_index)),
            Self::LogHash { level, hash_index } => Some((level, hash_index)),
        }
    }
}

impl fmt::Display for LogRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogHead => f.write_str("log_head"),
            Self::LogEntry { leaf_index } => write!(f, "log_entry, leaf_index {leaf_index}"),
            Self::LogHash { level, hash_index } => {
                write!(f, "log_hash, level {level}, hash_index {hash_index}")
            }
        }
    }
}

/// What is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowProblem {
    /// The row is not there.
    Missing {
        /// The last index of a run of missing ones.
        through: Option<i64>,
    },
    /// The log that the head speaks of has no such row.
    BeyondHead,
    /// The entry is not the one the tree was made of.
    EntryAltered,
    /// The hash is not that of what lies below it.
    HashAltered,
    /// Entry and leaf hash differ, and nothing above tells which of them was altered.
    EntryAndHashDiffer,
    /// The hash is right, but what lies below it was altered together with its own hashes.
    AlteredBelow {
        /// The first entry that may be.
        first: i64,
        /// The last.
        last: i64,
    },
    /// The hash and what lies below it differ, and nothing above tells which was altered.
    HashAndBelowDiffer,
    /// The entry is in the tree but is not a leaf this verifier knows.
    NotALeaf(LeafProblem),
    /// The tiles folder holds another entry.
    TilesDiffer,
    /// The row is not there, but the tiles folder has it: the log was put back.
    OnlyInTiles {
        /// The last index of a run of such rows.
        through: i64,
    },
    /// The checkpoint's form or signature.
    Note(#[serde(serialize_with = "as_text")] NoteProblem),
    /// A column of the head does not say what the checkpoint, or the newest entry, says.
    HeadDiffers {
        /// Which.
        column: &'static str,
    },
    /// The tree of the rows does not have the root that the checkpoint states.
    RootDiffers,
}

fn as_text<S: Serializer>(problem: &NoteProblem, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(problem)
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowFinding {
    /// The row.
    pub row: LogRow,
    /// What is wrong with it.
    pub problem: RowProblem,
}

impl fmt::Display for RowFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.row)?;
        match &self.problem {
            RowProblem::Missing { through: None } => f.write_str("missing"),
            RowProblem::Missing { through: Some(last) } => {
                write!(f, "missing, as all through {last}")
            }
            RowProblem::BeyondHead => f.write_str("beyond the log that its head speaks of"),
            RowProblem::EntryAltered => f.write_str("altered: the tree was made of another entry"),
            RowProblem::HashAltered => f.write_str("altered: what lies below has another hash"),
            RowProblem::EntryAndHashDiffer => f.write_str("entry and leaf hash differ"),
            RowProblem::AlteredBelow { first, last } => write!(
                f,
                "right, but below it, among entries {first} to {last}, something was altered \
                 together with its hashes"
            ),
            RowProblem::HashAndBelowDiffer => f.write_str("hash and what lies below it differ"),
            RowProblem::NotALeaf(problem) => write!(f, "not a leaf of the access log: {problem}"),
            RowProblem::TilesDiffer => f.write_str("the tiles folder holds another entry"),
            RowProblem::OnlyInTiles { through } => write!(
                f,
                "missing, as all through {through}, but the tiles folder has them: the database \
                 was put back, and to go on from it would fork the log"
            ),
            RowProblem::Note(problem) => write!(f, "checkpoint, {problem}"),
            RowProblem::HeadDiffers { column } => {
                write!(f, "{column} is not what the checkpoint and the newest entry say")
            }
            RowProblem::RootDiffers => {
                f.write_str("the rows have another root than the checkpoint states")
            }
        }
    }
}

/// The result of verifying the log's tables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RowReport {
    /// How many entries the log has, as its checkpoint states it.
    pub size: u64,
    /// The root the checkpoint states, hexadecimal; absent before the first entry.
    pub root: Option<String>,
    /// The root recomputed from the rows, hexadecimal; absent when too many are missing.
    pub recomputed_root: Option<String>,
    /// Whether the log's key signed the checkpoint.
    pub signed: bool,
    /// How many rows of `log_entry` were read.
    pub entries: u64,
    /// How many rows of `log_hash` were read.
    pub hashes: u64,
    /// How many entries were compared with the tiles folder.
    pub compared_with_tiles: u64,
    /// Files of the tiles folder that could not be compared.
    pub tiles_unread: Vec<String>,
    /// What is wrong.
    pub findings: Vec<RowFinding>,
    /// How many more findings were not kept.
    pub findings_omitted: u64,
    /// Where the newest run of missing rows stands among the findings, by what is numbered.
    #[serde(skip)]
    runs: BTreeMap<i64, usize>,
}

impl RowReport {
    /// Whether the log is whole: signed, recomputed to the signed root, nothing wrong. A log
    /// without any row is.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let empty = self.size == 0 && self.root.is_none();
        self.findings.is_empty() && (empty || (self.signed && self.recomputed_root.is_some()))
    }

    pub(super) fn find(&mut self, row: LogRow, problem: RowProblem) {
        if self.findings.len() < MAX_KEPT {
            self.findings.push(RowFinding { row, problem });
        } else {
            self.findings_omitted += 1;
        }
    }

    /// Names a missing row, or lengthens the run that it continues.
    pub(super) fn miss(&mut self, row: LogRow, last: i64) {
        let Some((among, first)) = row.number() else {
            return self.find(row, RowProblem::Missing { through: None });
        };
        let run = self.runs.get(&among).and_then(|at| self.findings.get_mut(*at));
        if let Some(RowFinding { row, problem: RowProblem::Missing { through } }) = run
            && let Some((_, begun)) = row.number()
            && through.unwrap_or(begun) + 1 == first
        {
            *through = Some(last);
            return;
        }
        self.runs.insert(among, self.findings.len());
        self.find(row, RowProblem::Missing { through: (last > first).then_some(last) });
    }
}
