//! `tallygate keys new-version | protect | rotate | destroy`: versions of the keys that wrap and
//! seal what a gateway stores.

use super::{
    CliError, Console, Outcome,
    argument::shown_moment,
    keys::failed,
    output::{Printing, Record},
    remote::{Remote, fresh_rng},
};
use crate::{
    keys::{KeyError, MasterFile, PassphraseSource},
    wire::v1::{self, KeyState, key_service_client::KeyServiceClient},
};
use clap::ValueEnum;
use std::path::PathBuf;

pub(super) const NEW_VERSION_HELP: &str = "\
Nothing uses the new version before `tallygate keys rotate`. Copy the file to every gateway on the
same database first: one that lacks it takes nothing in from then on. Every gateway must run a
program that knows versions, this one or a later.

Example:
  tallygate keys new-version keys/pseudonym.json --passphrase-file keys/passphrase";

pub(super) const PROTECT_HELP: &str = "\
The passphrase is one line of at least 12 bytes in a file that you alone can read; draw it, for
example with `openssl rand -base64 24`. Name the same file in the configuration, as
keys.passphrase_file, or hand it to the service as a systemd credential and name that in
keys.passphrase_credential. The file's old bytes are overwritten, which a journal, a snapshot or a
flash disk can keep all the same.

Example:
  tallygate keys protect keys/pseudonym.json --passphrase-file keys/passphrase";

pub(super) const ROTATE_HELP: &str = "\
Add the next version to the key file first (`tallygate keys new-version`) and give the file to
every gateway. The gateways then move every stored value to it by themselves, beside intake and
through restarts; `tallygate keys list` shows how many rows are left. The key of the log's users
is not replaced, since the log never changes, nor the key below all wrapping, which changes only
when the partners send everything anew.

Example:
  tallygate keys rotate --profile officer.toml";

pub(super) const DESTROY_HELP: &str = "\
It takes two data officers: the first call is entered and waits, the same call by another one
within 7 days destroys the version. It must be listed as unused. A backup from before the rotation
can't be used without it: make a new one first. Each gateway takes it out of its own key file;
destroy copies of the file that you keep elsewhere yourself.

Example:
  tallygate keys destroy --version 1 --reason replaced --profile officer.toml";

#[derive(Debug, clap::Args)]
pub(super) struct NewVersion {
    /// The gateway's pseudonym key file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file of its passphrase, if it has one.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, clap::Args)]
pub(super) struct Protect {
    /// The gateway's pseudonym key file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file of the passphrase that it gets.
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// The file of the passphrase that it has, if it has one.
    #[arg(long, value_name = "FILE")]
    old_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    printing: Printing,
}

/// Which keys are replaced.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum RotatePurpose {
    /// Those that wrap pseudonyms and seal dates of birth, all at once.
    Pseudonym,
}

#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    /// Which keys; there is one choice.
    #[arg(long, value_enum, value_name = "PURPOSE", default_value = "pseudonym")]
    purpose: RotatePurpose,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, clap::Args)]
pub(super) struct Destroy {
    /// The version.
    #[arg(long, value_name = "N")]
    version: u32,
    /// Why; it stands in the access log.
    #[arg(long, value_enum)]
    reason: Reason,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Reason {
    /// It was replaced in due course.
    Replaced,
    /// Somebody may have seen it who should not have.
    Exposed,
    /// The sharing that it was for has ended.
    SharingEnded,
}

impl From<Reason> for v1::DestroyKeysReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Replaced => Self::Replaced,
            Reason::Exposed => Self::Exposed,
            Reason::SharingEnded => Self::SharingEnded,
        }
    }
}

/// What a version is for, in a word; nothing for keys that have no versions.
pub(super) const fn state(state: KeyState) -> &'static str {
    match state {
        KeyState::Unspecified => "",
        KeyState::Next => "next",
        KeyState::Current => "current",
        KeyState::Earlier => "earlier",
        KeyState::Unused => "unused",
        KeyState::Destroyed => "destroyed",
    }
}

/// What the keys' room says of a file, as a sentence about it.
fn told(error: KeyError) -> CliError {
    match error {
        KeyError::File { path, source } => CliError::Unreadable { path, source },
        other => failed(other),
    }
}

impl NewVersion {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let source = self.passphrase_file.map(PassphraseSource::File);
        let file = MasterFile::new(self.file, source);
        let version = file.add_version(&mut fresh_rng()?).map_err(told)?;
        let record = Record::default()
            .with("private_file", file.path().display().to_string())
            .with("version", version.number());
        console.record(self.printing.format, &record)?;
        Ok(Outcome::Done)
    }
}

impl Protect {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let old = self.old_passphrase_file.map(PassphraseSource::File);
        let file = MasterFile::new(self.file, old);
        let new = PassphraseSource::File(self.passphrase_file);
        file.protect(new, &mut fresh_rng()?).map_err(told)?;
        let record = Record::default()
            .with("private_file", file.path().display().to_string())
            .with("protected", true);
        console.record(self.printing.format, &record)?;
        Ok(Outcome::Done)
    }
}

impl Rotate {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let RotatePurpose::Pseudonym = self.purpose;
        let session = self.remote.open().await?;
        let mut client = KeyServiceClient::new(session.service());
        let answer = client.rotate_keys(v1::RotateKeysRequest {}).await?.into_inner();
        let record = Record::default()
            .with("from_version", answer.from_version)
            .with("to_version", answer.to_version)
            .with("state", if answer.begun { "begun" } else { "under way already" });
        console.record(self.printing.format, &record)?;
        session.logged(console, answer.receipt)?;
        Ok(Outcome::Done)
    }
}

impl Destroy {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let session = self.remote.open().await?;
        let mut client = KeyServiceClient::new(session.service());
        let reason = v1::DestroyKeysReason::from(self.reason).into();
        let request = v1::DestroyKeysRequest { version: self.version, reason };
        let answer = client.destroy_keys(request).await?.into_inner();
        let record = Record::default().with("version", self.version);
        let record = match &answer.awaited {
            Some(awaited) => {
                let until = shown_moment(awaited.expires_at);
                console.note(&format!(
                    "waiting for a second person: nothing is destroyed until another data officer \
                     makes the same call, until {until}"
                ));
                record
                    .with("state", "waiting for a second person")
                    .with("until", until)
                    .with("act_digest", hex::encode(&awaited.act_digest))
            }
            None => record.with("state", "destroyed").with("gone_from_file", answer.gone_from_file),
        };
        console.record(self.printing.format, &record)?;
        session.logged(console, answer.receipt)?;
        let left = answer.awaited.is_none() && !answer.gone_from_file;
        if left {
            console.note(
                "the version is not used any more, and this gateway's key file still holds it: \
                 the gateway's log says why",
            );
        }
        Ok(Outcome::findings(left))
    }
}
