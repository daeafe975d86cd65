//! The way to the gateway that all client commands share: profile, connection, receipts.

use super::{CliError, Console};
use crate::{
    connector::{AddToken, Gateway, KeptReceipt, Profile},
    domain::PartnerId,
    identity::SystemClock,
    wire::v1,
};
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
        Ok(Session { gateway, receipts: self.receipts.clone() })
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

    /// Says under which entry an answer is logged, and keeps its receipt where that was
    /// asked for.
    ///
    /// # Errors
    /// When the receipt can't be written.
    pub(super) fn logged(
        &self,
        console: &mut Console<'_>,
        receipt: Option<v1::Receipt>,
    ) -> Result<(), CliError> {
        let Some(receipt) = receipt else {
            console.note("warning: this answer came without a receipt of the access log");
            return Ok(());
        };
        console.note(&format!("logged as entry {}", receipt.leaf_index));
        match &self.receipts {
            Some(folder) => keep(folder, &receipt.into()).map(drop),
            None => Ok(()),
        }
    }
}

/// Writes a receipt into `folder`, named by its entry. Receipts are evidence: a file that is
/// there is never replaced, so another receipt of the same entry gets a number.
///
/// # Errors
/// When the folder or the file can't be written.
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
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(source) => return Err(CliError::Unwritable { path, source }),
        }
    }
    Err(CliError::NotPrintable)
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
    use crate::verify;

    #[test]
    fn receipts_are_kept_as_the_verifier_reads_them_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/health");
        let receipt: KeptReceipt = v1::Receipt {
            leaf_index: 7,
            leaf_hash: vec![0xff; 32],
            checkpoint: "origin\n8\n".to_owned(),
            inclusion_proof: vec![vec![1; 32]],
        }
        .into();
        let first = keep(&folder, &receipt).unwrap();
        assert_eq!(first.file_name().unwrap(), "0000000007.json");
        let second = keep(&folder, &receipt).unwrap();
        assert_eq!(second.file_name().unwrap(), "0000000007.2.json");
        let read: verify::Receipt =
            serde_json::from_str(&fs::read_to_string(first).unwrap()).unwrap();
        assert_eq!((read.leaf_index, read.leaf_hash), (7, [0xff; 32]));
        assert_eq!(read.proof, [[1; 32]]);
    }
}
