//! Why a command could not run, each as one sentence that says what to do.
//!
//! This is the outermost room, on the user's own machine: its sentences may name the user's
//! own files, and never a value out of them.

use super::refusal::Refusal;
use crate::{
    connector::ConnectorError,
    domain::{Digest, Quarter},
    verify::ReceiptProblem,
};
use std::{io, path::PathBuf};

/// A command could not run (exit code 2).
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// A client command without a profile.
    #[error("name the gateway: give --profile FILE, or set TALLYGATE_PROFILE to its path")]
    NoProfile,
    /// A push that must be blinded, with a profile that pins no key.
    #[error(
        "--blind: the profile pins no key; put the gateway's public key, as its operator gives it, \
         into the profile's blinding_key"
    )]
    NotBlinded,
    /// The profile or the connection.
    #[error("{}", connection(.0))]
    Connector(#[from] ConnectorError),
    /// The gateway answered with an error, or the connection broke.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The answer lacks a part that every such answer has.
    #[error(
        "the gateway's answer lacks its {part}: it may be of another version than this program"
    )]
    AnswerIncomplete {
        /// What is missing.
        part: &'static str,
    },
    /// The answer's receipt is not that of the answer.
    #[error(
        "the answer's receipt proves nothing: {0}; keep it, and tell the auditor and the gateway's operator"
    )]
    Receipt(#[from] ReceiptProblem),
    /// An earlier answer came with the same receipt.
    #[error(
        "two answers came with one receipt, {}: one of them is not logged; tell the auditor", path.display()
    )]
    ReceiptAgain {
        /// The file that holds it.
        path: PathBuf,
    },
    /// A file can't be read.
    #[error("can't read {}: {}", path.display(), reason(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A release was made by a catalogue that is not at hand.
    #[error(
        "the release of {quarter} was made by a catalogue that is not at hand (digest {digest}): give \
         its file with --catalogue FILE"
    )]
    OtherCatalogue {
        /// The release's quarter.
        quarter: Quarter,
        /// The catalogue's, as the release states it.
        digest: Digest,
    },
    /// A file is not a push's report with its receipts.
    #[error("{} is not the report of a push with its receipts", path.display())]
    NotReceipts {
        /// The file.
        path: PathBuf,
    },
    /// A folder is not a mirror of the log.
    #[error("{} holds something that is no mirror of the log: give --out a new folder", path.display())]
    NotAMirror {
        /// The folder.
        path: PathBuf,
    },
    /// Another process works on the same mirror.
    #[error("{} is being worked on by another fetch: wait for its end", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A stream ended before its time.
    #[error("the gateway ended the stream too early: run the same command to go on")]
    BrokenOff,
    /// Several files without a folder to write them into.
    #[error("name the folder to write them into: --out DIR")]
    FolderMissing,
    /// A file can't be written.
    #[error("can't write {}: {}", path.display(), reason(source))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not of the form it should be.
    #[error("{} is not {expected}: see the command's --help", path.display())]
    WrongForm {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// A file is not valid TOML or JSON of the form it should be.
    #[error("{} is not {expected}: {source}; see the command's --help", path.display())]
    WrongEntry {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// Line, entry and rule.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A signature that no gateway would take.
    #[error(
        "{} does not name this key for that party, or is not a valid document: put the kid {kid} \
         among the party's keys before anyone signs",
        path.display()
    )]
    KeyNotNamed {
        /// The document.
        path: PathBuf,
        /// The key's id, which is public.
        kid: String,
    },
    /// A check was asked for without the key to check with.
    #[error("a saved checkpoint is checked with the log's verifier key: give --vkey-file FILE")]
    NoVerifierKey,
    /// A page's token is of another search.
    #[error("this is no token of a search in a mirror: repeat the search that printed it")]
    ForeignToken,
    /// Areas of another census year than records are placed by.
    #[error(
        "the areas are drawn in LSOAs of another census year: give the ONS lookup between 2011 and \
         2021 with --lookup FILE"
    )]
    NoLookup,
    /// The catalogue has no such indicator.
    #[error("the catalogue has no such indicator: `tallygate card --definitions` lists them")]
    NoIndicator,
    /// Fields of several record types in one question.
    #[error("ask about the fields of one record type at a time")]
    SeveralTypes,
    /// There is nothing to agree to.
    #[error("nothing of this protocol is suspended: there is nothing to reinstate")]
    NotSuspended,
    /// There is neither a mirror nor a gateway to look at.
    #[error("say where the log is: a folder that mirrors it, or --profile FILE for its gateway")]
    NoLog,
    /// A private key stands where only a public one may be sent.
    #[error("{} holds a private key: give the public key only, and keep this file to yourself", path.display())]
    PrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// A file of the user's is refused by the room that reads it.
    #[error("{}: {source}", path.display())]
    Rejected {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of the program could not do its work.
    #[error("could not {act}: {source}")]
    Failed {
        /// What it was about to do.
        act: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Standard output can't be written to.
    #[error("can't write to standard output: {}", reason(source))]
    Output {
        /// What the system said.
        source: io::Error,
    },
    /// Something has no JSON or CSV form; can't happen for the shapes the commands print.
    #[error("the answer can't be printed in this format: try --format table")]
    NotPrintable,
    /// The runtime of the network code did not start.
    #[error("can't start: {}", reason(source))]
    Runtime {
        /// What the system said.
        source: io::Error,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gives no random numbers: nothing was done")]
    NoRandomness,
}

fn connection(error: &ConnectorError) -> String {
    match error {
        ConnectorError::Unreachable { server, .. } => format!(
            "could not reach the gateway at {server}: is it running? start it with \
             `tallygate serve --config gateway.toml`, or correct `server` in the profile"
        ),
        other => other.to_string(),
    }
}

/// The system's reason without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "you may not, by its permissions".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder, not a file".to_owned(),
        io::ErrorKind::AlreadyExists => "it exists already; name another".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_gateway_is_named_with_what_to_do() {
        let error = CliError::from(ConnectorError::Unreachable {
            server: "127.0.0.1:7443".to_owned(),
            source: io::ErrorKind::ConnectionRefused.into(),
        });
        let sentence = error.to_string();
        assert!(sentence.starts_with("could not reach the gateway at 127.0.0.1:7443"));
        assert!(sentence.contains("tallygate serve --config"));
    }

    #[test]
    fn system_reasons_are_words() {
        let path = PathBuf::from("areas.toml");
        let error = CliError::Unreadable { path, source: io::ErrorKind::NotFound.into() };
        assert_eq!(error.to_string(), "can't read areas.toml: there is no such file or folder");
    }
}
