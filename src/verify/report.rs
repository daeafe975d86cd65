//! What the verifier found, for people and for scripts.

use super::{leaf::LeafProblem, note::NoteProblem};
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fmt};

/// More findings (or notices) than this are counted and not kept.
pub const MAX_KEPT: usize = 1_000;

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of the checkpoint, from 1.
    Line(usize),
    /// An entry of a bundle, from 0.
    Entry(usize),
    /// A hash of a tile, from 0.
    Hash(usize),
}

/// What is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The file is not there.
    Missing {
        /// The last file of a run of missing ones.
        through: Option<String>,
    },
    /// The file does not belong to a log.
    Unexpected,
    /// The file belongs to a larger log than the checkpoint speaks of.
    BeyondCheckpoint,
    /// The file has not the length that its name says, or its entries don't fill it.
    WrongLength,
    /// The entry is not the one the tree was made of.
    EntryAltered,
    /// The hash is not that of the entry or tile below it.
    HashAltered,
    /// Entry and leaf hash differ, and nothing above tells which of them was altered.
    EntryAndHashDiffer,
    /// The entry is in the tree but is not a leaf this verifier knows.
    NotALeaf(LeafProblem),
    /// The checkpoint's form or signature.
    Note(#[serde(serialize_with = "as_text")] NoteProblem),
    /// The tree of the entries does not have the root that the checkpoint states.
    RootDiffers,
}

fn as_text<S: Serializer>(problem: &NoteProblem, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(problem)
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, as a path below the log's prefix.
    pub path: String,
    /// Where in it.
    pub place: Place,
    /// What is wrong there.
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match self.place {
            Place::File => {}
            Place::Line(line) => write!(f, ", line {line}")?,
            Place::Entry(number) => write!(f, ", entry {number}")?,
            Place::Hash(number) => write!(f, ", hash {number}")?,
        }
        f.write_str(": ")?;
        match &self.problem {
            Problem::Missing { through: None } => f.write_str("missing"),
            Problem::Missing { through: Some(last) } => write!(f, "missing, as all through {last}"),
            Problem::Unexpected => f.write_str("does not belong to a log"),
            Problem::BeyondCheckpoint => {
                f.write_str("belongs to a larger log than the checkpoint speaks of")
            }
            Problem::WrongLength => f.write_str("not of the length its name and lengths say"),
            Problem::EntryAltered => f.write_str("altered: the tree was made of another entry"),
            Problem::HashAltered => f.write_str("altered: what lies below has another hash"),
            Problem::EntryAndHashDiffer => f.write_str("entry and leaf hash differ"),
            Problem::NotALeaf(problem) => write!(f, "not a leaf of the access log: {problem}"),
            Problem::Note(problem) => problem.fmt(f),
            Problem::RootDiffers => {
                f.write_str("the entries have another root than the checkpoint states")
            }
        }
    }
}

/// Something an auditor should look at that is no proof of tampering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// An entry's time is before that of the entry before it.
    ClockWentBack {
        /// The entry's index in the log.
        index: u64,
        /// Its time.
        at: String,
        /// The time before it.
        after: String,
    },
    /// A larger log is being fetched into the folder; its files are not looked at yet.
    Unfinished {
        /// The size that it will have.
        size: u64,
    },
    /// A partner's own sequence number did not follow the one before.
    SequenceGap {
        /// The entry's index in the log.
        index: u64,
        /// The partner.
        partner: String,
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
}

impl Notice {
    /// Whether it speaks against the log: the writer lets neither times nor numbers go back or
    /// lack, so that another hand wrote such an entry, or left one out.
    #[must_use]
    pub const fn fails(&self) -> bool {
        match self {
            Self::ClockWentBack { .. } | Self::SequenceGap { .. } => true,
            Self::Unfinished { .. } => false,
        }
    }
}

/// The result of verifying a log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// The log's name, as the checkpoint states it.
    pub origin: Option<String>,
    /// How many entries the checkpoint states.
    pub size: Option<u64>,
    /// The root the checkpoint states, hexadecimal.
    pub root: Option<String>,
    /// The root recomputed from the entries, hexadecimal; absent when files are missing.
    pub recomputed_root: Option<String>,
    /// Whether the log's key signed the checkpoint.
    pub signed: bool,
    /// How many files were read and checked.
    pub files: u64,
    /// How many entries were read as leaves and found in the tree.
    pub leaves: u64,
    /// Time of the first leaf.
    pub first_at: Option<String>,
    /// Time of the last leaf.
    pub last_at: Option<String>,
    /// Leaves by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Refusals by reason.
    pub refusals: BTreeMap<String, u64>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How many more findings were not kept.
    pub findings_omitted: u64,
    /// What should be looked at.
    pub notices: Vec<Notice>,
    /// How many more notices were not kept.
    pub notices_omitted: u64,
}

impl Report {
    /// Whether the log is whole: signed, recomputed to the signed root, every file as it must be.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.signed && self.recomputed_root.is_some() && self.findings.is_empty()
    }

    /// Whether nothing speaks against it, either: nothing is dated back, nobody's number lacks.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.is_whole() && !self.notices.iter().any(Notice::fails)
    }

    pub(super) fn find(&mut self, path: String, place: Place, problem: Problem) {
        if self.findings.len() < MAX_KEPT {
            self.findings.push(Finding { path, place, problem });
        } else {
            self.findings_omitted += 1;
        }
    }

    /// Adds what was found of some files read apart.
    pub(super) fn add(&mut self, files: Self) {
        self.files += files.files;
        files
            .findings
            .into_iter()
            .for_each(|found| self.find(found.path, found.place, found.problem));
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() < MAX_KEPT {
            self.notices.push(notice);
        } else {
            self.notices_omitted += 1;
        }
    }
}
