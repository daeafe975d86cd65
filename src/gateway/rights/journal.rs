//! The journal of what binds and what is gone, apart from the database: a backup that is
//! restored lacks the choices that were made since, and has again what was erased since.
//!
//! A file beside the keys, appended to and never rewritten: each case as it binds, with what its
//! subject is known by again, what of that is learnt later, each case's end, each no to a consent
//! by its sender's reference, and the keys of whatever was erased, by whose wish. All of it in the
//! suppressions' own key domain, which names nobody without the key file; each line with a code
//! (128 bits, under that domain's hash key) over itself and the one before, so that none can be
//! changed or left out between two others. A line that a crash cut short at the end is dropped:
//! the database has what it said ([`file`]).
//!
//! **That it is whole** is seen by its anchor, a file beside the log's tiles that says how many
//! lines there were and the code of the last: a journal that is missing, or ends before its
//! anchor, is refused, as serving without its end may bring back what was erased. Where a
//! database never had one (its register is empty) it begins by itself; else the operator says so
//! by name ([`JournalPlace::go_on`]), and the log says that he did.
//!
//! Written from the database whenever its counters moved ([`keep`]): by the gateway that
//! committed a choice before it answers, by the others at their tick, so that each has all of
//! it. At start, before anything is served, whatever the database lacks is done again, with
//! leaves of its own ([`replay`]).

mod file;
mod keep;
mod replay;

pub(in crate::gateway) use file::Journal;
pub(in crate::gateway) use replay::stored_forms;

use crate::domain::{PartnerId, RecordType};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a gateway's journal is.
#[derive(Debug, Clone)]
pub struct JournalPlace {
    /// The journal.
    pub path: PathBuf,
    /// What says how long it was, apart from it and from the database.
    pub anchor: PathBuf,
    /// Go on where it is missing or cut short, on the operator's responsibility.
    pub go_on: bool,
    /// A day of which the operator says that the clock was right on it: a restored backup may be
    /// older than the clock is believed for.
    pub confirmed_day: Option<Date>,
}

/// The journal can't be used. Says which file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It can't be read or written.
    #[error("the journal of erasures {} can't be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A line is not what this deployment's keys wrote.
    #[error(
        "line {line} of the journal of erasures {} is not what a gateway with these keys wrote: put \
         the right file back; without it a restored backup may serve what was erased",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// There is none, and there must have been.
    #[error(
        "there is no journal of erasures {}: put it back; without it this database may serve what \
         was erased or objected to since it was backed up. Where it never had one, or it is lost \
         for good, `serve --without-journal` goes on without, and the log says so",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It ends before its anchor, or is another one.
    #[error(
        "the journal of erasures {} has {found} lines and had {expected} (says {}), or is another \
         one: put the right file back. Where its end is lost for good, `serve --without-journal` \
         goes on without, and the log says so",
        path.display(), anchor.display()
    )]
    Short {
        /// The file.
        path: PathBuf,
        /// Its anchor.
        anchor: PathBuf,
        /// How many lines it has.
        found: usize,
        /// How many it had.
        expected: usize,
    },
    /// Its anchor is none.
    #[error(
        "{} does not say how long the journal of erasures was: put it back, or go on with `serve \
         --without-journal`",
        anchor.display()
    )]
    Anchor {
        /// The anchor.
        anchor: PathBuf,
    },
}

/// A record, by its sender and its key as a suppression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalRecord {
    partner: PartnerId,
    record_type: RecordType,
    #[serde(with = "hex16")]
    token: [u8; 16],
    /// Whether a case wanted it erased, and not only stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
}

/// A no to a consent: refused, withdrawn or run out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalNo {
    /// The sender's reference, as a suppression.
    #[serde(with = "hex16")]
    consent: [u8; 16],
    /// The sender's reference of who said it, as a suppression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    giver: Option<String>,
    given_by: u8,
    state: u8,
    stated_on: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
enum Entry {
    /// It begins.
    Begun {},
    /// A case binds.
    Opened {
        partner: PartnerId,
        #[serde(with = "hex16")]
        case: [u8; 16],
        choice: u8,
        given_by: u8,
        requested_on: i32,
        due_day: i32,
        #[serde(with = "hex16")]
        nonce: [u8; 16],
        #[serde(with = "hex16")]
        wish: [u8; 16],
        tokens: Vec<String>,
        records: Vec<JournalRecord>,
    },
    /// Its subject is known by more.
    Learnt {
        partner: PartnerId,
        #[serde(with = "hex16")]
        case: [u8; 16],
        tokens: Vec<String>,
    },
    /// It binds no more.
    Ended {
        partner: PartnerId,
        #[serde(with = "hex16")]
        case: [u8; 16],
    },
    /// Noes to consents, up to the number of a statement.
    Noes { up_to: i64, noes: Vec<JournalNo> },
    /// Records are gone: those that their senders wanted erased, and those of a subject's choice,
    /// of which their senders are told what they were told before.
    Erased { generation: u64, records: Vec<JournalRecord>, chosen: Vec<JournalRecord> },
}

/// Sixteen bytes as 32 hexadecimal digits.
mod hex16 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 16], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
        super::bytes16(&String::deserialize(from)?)
            .ok_or_else(|| D::Error::custom("32 hexadecimal digits"))
    }
}

fn bytes16(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}
