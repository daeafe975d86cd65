//! The way to the gateway that all client commands share: profile, connection, receipts.

use super::{CliError, Console};
use crate::{
    connector::{AddToken, Gateway, Profile},
    identity::SystemClock,
    wire::v1,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{SeedableRng, rngs::StdRng, rngs::SysRng};
use serde::Serialize;
use std::{fs, path::Path, path::PathBuf, sync::Arc};
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
            Some(folder) => keep(folder, &receipt).map(drop),
            None => Ok(()),
        }
    }
}

/// A receipt as a file: hashes in base64, as in the C2SP formats.
#[derive(Debug, Serialize)]
struct ReceiptFile<'r> {
    leaf_index: u64,
    leaf_hash: String,
    checkpoint: &'r str,
    proof: Vec<String>,
}

/// A receipt in the form of its file.
pub(super) fn file(receipt: &v1::Receipt) -> impl Serialize + '_ {
    ReceiptFile {
        leaf_index: receipt.leaf_index,
        leaf_hash: STANDARD.encode(&receipt.leaf_hash),
        checkpoint: &receipt.checkpoint,
        proof: receipt.inclusion_proof.iter().map(|hash| STANDARD.encode(hash)).collect(),
    }
}

/// Writes a receipt into `folder`, named by its entry, and returns the file's path. The
/// same entry's receipt of a later checkpoint replaces the earlier one.
///
/// # Errors
/// When the folder or the file can't be written.
pub(super) fn keep(folder: &Path, receipt: &v1::Receipt) -> Result<PathBuf, CliError> {
    let path = folder.join(format!("{:010}.json", receipt.leaf_index));
    let unwritable = |source| CliError::Unwritable { path: path.clone(), source };
    let mut text =
        serde_json::to_string_pretty(&file(receipt)).map_err(|_| CliError::NotPrintable)?;
    text.push('\n');
    fs::create_dir_all(folder).map_err(unwritable)?;
    fs::write(&path, text).map_err(unwritable)?;
    Ok(path)
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
    fn a_receipt_is_kept_under_its_entry_with_base64_hashes() {
        let folder = tempfile::tempdir().unwrap();
        let receipt = v1::Receipt {
            leaf_index: 7,
            leaf_hash: vec![0xff; 32],
            checkpoint: "origin\n8\n".to_owned(),
            inclusion_proof: vec![vec![0; 32]],
        };
        let path = keep(&folder.path().join("new/health"), &receipt).unwrap();
        assert_eq!(path.file_name().unwrap(), "0000000007.json");
        let text = fs::read_to_string(path).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["leaf_index"], 7);
        assert_eq!(json["leaf_hash"], STANDARD.encode([0xff; 32]));
        assert_eq!(json["checkpoint"], "origin\n8\n");
        assert_eq!(json["proof"][0], STANDARD.encode([0; 32]));
    }
}
