//! The way to the gateway that all client commands share: profile, connection, receipts.

use super::{CliError, Console};
use crate::{
    connector::{AddToken, Gateway, KeptReceipt, Profile},
    domain::PartnerId,
    identity::{Clock, SystemClock},
    verify::{self, ReceiptProblem, receipt::own_act},
    wire::v1,
};
use jiff::{SignedDuration, Timestamp};
use rand::{SeedableRng, rngs::StdRng, rngs::SysRng};
use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tonic::{service::interceptor::InterceptedService, transport::Channel};

/// What the generated clients stand on.
pub(super) type Service = InterceptedService<Channel, AddToken>;

/// Largest answer that is taken, in bytes: a release document of many areas.
pub(super) const MAX_ANSWER_BYTES: usize = 64 << 20;

/// How far a gateway's clock may be behind ours: as far as its tokens allow.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(10);

/// The flags of every command that talks to a gateway.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Remote {
    /// Which gateway, and who you are: a TOML file
    #[arg(long, value_name = "FILE", env = "TALLYGATE_PROFILE")]
    pub(super) profile: Option<PathBuf>,
    /// Keep the receipt of every answer in this folder, for `audit verify --receipts`
    #[arg(long, value_name = "DIR")]
    pub(super) receipts: Option<PathBuf>,
}

/// An open connection.
pub(super) struct Session {
    gateway: Gateway,
    receipts: Option<PathBuf>,
    /// Before any of its calls, the clocks' difference allowed for.
    since: Timestamp,
}

/// Connects as the profile says.
///
/// # Errors
/// Says what about the profile or the gateway stands in the way.
pub(super) async fn connect(profile: Option<&Path>) -> Result<Gateway, CliError> {
    let profile = Profile::read(profile.ok_or(CliError::NoProfile)?)?;
    Ok(Gateway::connect(&profile, Arc::new(SystemClock), Box::new(fresh_rng()?)).await?)
}

/// A generator seeded by the operating system: the commands' one source of randomness.
///
/// # Errors
/// When the operating system gives none.
pub(super) fn fresh_rng() -> Result<StdRng, CliError> {
    StdRng::try_from_rng(&mut SysRng).map_err(|_| CliError::NoRandomness)
}

impl Remote {
    /// Connects.
    ///
    /// # Errors
    /// Says what about the profile or the gateway stands in the way.
    pub(super) async fn open(&self) -> Result<Session, CliError> {
        let gateway = connect(self.profile.as_deref()).await?;
        let since = SystemClock.now() - CLOCK_DIFFERENCE;
        Ok(Session { gateway, receipts: self.receipts.clone(), since })
    }
}

impl Remote {
    /// Who the profile says that we are.
    ///
    /// # Errors
    /// Says what about the profile stands in the way.
    pub(super) fn partner(&self) -> Result<PartnerId, CliError> {
        let path = self.profile.as_deref().ok_or(CliError::NoProfile)?;
        Ok(Profile::read(path)?.partner().clone())
    }
}

impl Session {
    /// For `SomeClient::new`.
    pub(super) fn service(&self) -> Service {
        self.gateway.service()
    }

    /// Says under which entry and as what an answer is logged, and keeps its receipt where that
    /// was asked for. A receipt of another organisation's or an earlier act is none of this one.
    ///
    /// # Errors
    /// When the receipt is not of this answer, or can't be written.
    pub(super) fn logged(
        &self,
        console: &mut Console<'_>,
        receipt: Option<v1::Receipt>,
    ) -> Result<(), CliError> {
        let Some(receipt) = receipt else {
            console.note("warning: this answer came without a receipt of the access log");
            return Ok(());
        };
        let index = receipt.leaf_index;
        let act = own_act(&read(&receipt)?, self.gateway.partner().as_str(), self.since);
        // Also one that proves nothing is kept: it is evidence.
        if let Some(folder) = &self.receipts {
            keep(folder, &receipt.into())?;
        }
        console.note(&format!("logged as entry {index} ({})", act?.kind));
        Ok(())
    }
}

/// A receipt as the verifier reads it.
fn read(receipt: &v1::Receipt) -> Result<verify::Receipt, ReceiptProblem> {
    let sha = |bytes: &[u8]| bytes.try_into().map_err(|_| ReceiptProblem::OtherEntry);
    Ok(verify::Receipt {
        leaf_index: receipt.leaf_index,
        leaf_hash: sha(&receipt.leaf_hash)?,
        checkpoint: receipt.checkpoint.clone(),
        proof: receipt.inclusion_proof.iter().map(|hash| sha(hash)).collect::<Result<_, _>>()?,
        leaf: String::from_utf8(receipt.leaf.clone()).ok().filter(|leaf| !leaf.is_empty()),
    })
}

/// Writes a receipt into `folder`, named by its entry. Receipts are evidence: a file that is
/// there is never replaced, so that of an entry of another log gets a number.
///
/// # Errors
/// When the folder or the file can't be written, or it holds the receipt of this very entry:
/// no two answers share one.
fn keep(folder: &Path, receipt: &KeptReceipt) -> Result<PathBuf, CliError> {
    let mut text = serde_json::to_string_pretty(receipt).map_err(|_| CliError::NotPrintable)?;
    text.push('\n');
    fs::create_dir_all(folder)
        .map_err(|source| CliError::Unwritable { path: folder.to_owned(), source })?;
    for number in 1_u32.. {
        let suffix = if number == 1 { String::new() } else { format!(".{number}") };
        let path = folder.join(format!("{:010}{suffix}.json", receipt.leaf_index));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let written = file.write_all(text.as_bytes());
                written.map_err(|source| CliError::Unwritable { path: path.clone(), source })?;
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let there = fs::read_to_string(&path)
                    .map_err(|source| CliError::Unreadable { path: path.clone(), source })?;
                let there = serde_json::from_str::<KeptReceipt>(&there).ok();
                if there.is_some_and(|there| origin(&there) == origin(receipt)) {
                    return Err(CliError::ReceiptAgain { path });
                }
            }
            Err(source) => return Err(CliError::Unwritable { path, source }),
        }
    }
    Err(CliError::NotPrintable)
}

/// The name of the log that a receipt is of.
fn origin(receipt: &KeptReceipt) -> Option<&str> {
    receipt.checkpoint.lines().next()
}

/// A part of an answer that must be there.
///
/// # Errors
/// When it is not.
pub(super) fn present<T>(part: Option<T>, name: &'static str) -> Result<T, CliError> {
    part.ok_or(CliError::AnswerIncomplete { part: name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_kept_as_the_verifier_reads_them_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/health");
        let receipt: KeptReceipt = v1::Receipt {
            leaf_index: 7,
            leaf_hash: vec![0xff; 32],
            checkpoint: "origin\n8\n".to_owned(),
            inclusion_proof: vec![vec![1; 32]],
            leaf: Vec::new(),
        }
        .into();
        let first = keep(&folder, &receipt).unwrap();
        assert_eq!(first.file_name().unwrap(), "0000000007.json");
        let again = keep(&folder, &receipt).unwrap_err();
        assert!(matches!(again, CliError::ReceiptAgain { path } if path == first));
        let next_year = KeptReceipt { checkpoint: "other\n8\n".to_owned(), ..receipt.clone() };
        let second = keep(&folder, &next_year).unwrap();
        assert_eq!(second.file_name().unwrap(), "0000000007.2.json");
        let read: verify::Receipt =
            serde_json::from_str(&fs::read_to_string(first).unwrap()).unwrap();
        assert_eq!((read.leaf_index, read.leaf_hash), (7, [0xff; 32]));
        assert_eq!(read.proof, [[1; 32]]);
    }
}
