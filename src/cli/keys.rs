//! `tallygate keys`: new keys of one's own, and the gateway's public keys.

use super::{
    CliError, Console, Outcome, keys_versions,
    output::{Printing, Record, Table},
    protocol_draft::write,
    remote::{Remote, fresh_rng},
};
use crate::{
    audit::{LogName, LogSigner},
    identity::{Clock, SystemClock},
    keys::{
        Acknowledgement, KeyError, Log, MasterFile, MasterKeys, PassphraseSource, Prf,
        ProtocolSigning, Purpose, Release, SigningKey, Token, Witness,
    },
    store::calendar_year,
    wire::v1::{self, key_service_client::KeyServiceClient},
    witness::WitnessSigner,
};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate keys new --purpose protocol_signing --out keys
  tallygate keys list --profile auditor.toml
  tallygate keys new-version keys/pseudonym.json
  tallygate keys rotate --profile officer.toml
  tallygate keys destroy --version 1 --reason replaced --profile officer.toml";

const NEW_HELP: &str = "\
Purposes, and what is written into DIR:
  protocol_signing, token, acknowledgement   a partner's: PURPOSE.pem and PURPOSE.jwk.json
  release                                    the gateway's: release.pem and release.jwk.json
  log                                        the gateway's: log.pem and log.vkey (needs --origin)
  pseudonym                                  the gateway's: pseudonym.json, protected where
                                             --passphrase-file names a file with a passphrase;
                                             with --prf oprf partners may blind, and pin the
                                             public key that is printed (`keys list` shows it)
  witness                                    a witness's: witness.pem and witness.vkey (needs --origin)
Private files can be read by their owner alone; a file that is there is never replaced.

Examples:
  tallygate keys new --purpose protocol_signing --out keys
  tallygate keys new --purpose pseudonym --prf oprf --out keys
  tallygate keys new --purpose log --origin 'tallygate.example/coventry/{year}' --out keys";

const VKEY_HELP: &str = "\
The key stays and its name changes with the year, and so does the key's id. A witness that holds the
key for NAME/{year} needs nothing new; any other, and each auditor, needs the new line.

Example:
  tallygate keys vkey --key keys/log.pem --origin 'gateway.council.example/{year}' --year 2027";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum NewPurpose {
    /// Signs sharing protocols and the root disclosure policy.
    ProtocolSigning,
    /// Signs access tokens.
    Token,
    /// Signs acknowledgements of withdrawals.
    Acknowledgement,
    /// Signs releases.
    Release,
    /// Signs the access log's checkpoints.
    Log,
    /// Makes and wraps pseudonyms, and seals dates of birth.
    Pseudonym,
    /// Cosigns the checkpoints of logs.
    Witness,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Makes a new key, offline.
    #[command(after_help = NEW_HELP)]
    New {
        /// What it is for.
        #[arg(long, value_enum, value_name = "PURPOSE")]
        purpose: NewPurpose,
        /// The folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The file of a passphrase that is to protect a pseudonym key file.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Makes pseudonyms, for good: hmac, or oprf to blind.
        #[arg(long, value_name = "PRF", default_value = "hmac", value_parser = prf)]
        prf: Prf,
        /// The name of the log (one for each year) or of the witness: a URL without its scheme.
        #[arg(long, value_name = "NAME",
            required_if_eq_any([("purpose", "log"), ("purpose", "witness")]))]
        origin: Option<LogName>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Prints the verifier key that the log has in a year, offline.
    #[command(after_help = VKEY_HELP)]
    Vkey {
        /// The log's private key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The log's name as in the configuration, with `{year}`.
        #[arg(long, value_name = "NAME")]
        origin: LogName,
        /// Which year; the next one when left out.
        #[arg(long, value_name = "YYYY", value_parser = clap::value_parser!(i16).range(2000..=9999))]
        year: Option<i16>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Adds the next version to the gateway's pseudonym key file, offline.
    #[command(after_help = keys_versions::NEW_VERSION_HELP)]
    NewVersion(keys_versions::NewVersion),
    /// Puts a pseudonym key file under a passphrase, or another one, offline.
    #[command(after_help = keys_versions::PROTECT_HELP)]
    Protect(keys_versions::Protect),
    /// Begins to replace the keys that wrap and seal what is stored.
    #[command(after_help = keys_versions::ROTATE_HELP)]
    Rotate(keys_versions::Rotate),
    /// Destroys a version of them that is not used any more; it takes two data officers.
    #[command(after_help = keys_versions::DESTROY_HELP)]
    Destroy(keys_versions::Destroy),
    /// Lists the gateway's keys, public parts only; compare them with what you hold already.
    #[command(after_help = "Example:\n  tallygate keys list --format json --profile auditor.toml")]
    List {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
}

impl KeysCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::New { purpose, out, passphrase_file, prf, origin, printing } => {
                fs::create_dir_all(&out)
                    .map_err(|source| CliError::Unwritable { path: out.clone(), source })?;
                let made = new(purpose, &out, passphrase_file, prf, origin)?;
                console.record(printing.format, &made)?;
            }
            Self::Vkey { key, origin, year, printing } => {
                let year = year.unwrap_or_else(|| this_year().saturating_add(1));
                let (name, vkey) = vkey(&key, &origin, year)?;
                let named = Record::default().with("year", year).with("origin", name);
                console.record(printing.format, &named.with("vkey", vkey))?;
            }
            Self::NewVersion(command) => return command.run(console),
            Self::Protect(command) => return command.run(console),
            Self::Rotate(command) => return command.run(console).await,
            Self::Destroy(command) => return command.run(console).await,
            Self::List { remote, printing } => {
                let session = remote.open().await?;
                let mut client = KeyServiceClient::new(session.service());
                let answer = client.list_keys(v1::ListKeysRequest {}).await?.into_inner();
                console.table(printing.format, &table(&answer.keys))?;
                session.logged(console, answer.receipt)?;
            }
        }
        Ok(Outcome::Done)
    }
}

pub(super) fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CliError {
    CliError::Failed { act: "make the key", source: error.into() }
}

fn new(
    purpose: NewPurpose,
    out: &Path,
    passphrase_file: Option<PathBuf>,
    prf: Prf,
    origin: Option<LogName>,
) -> Result<Record, CliError> {
    match purpose {
        NewPurpose::ProtocolSigning => pair::<ProtocolSigning>("protocol_signing", out),
        NewPurpose::Token => pair::<Token>("token", out),
        NewPurpose::Acknowledgement => pair::<Acknowledgement>("acknowledgement", out),
        NewPurpose::Release => pair::<Release>("release", out),
        NewPurpose::Log => {
            let (key, private) = private::<Log>("log", out)?;
            let name = origin.ok_or(CliError::AnswerIncomplete { part: "origin" })?;
            let der = key.to_pkcs8().map_err(failed)?;
            let signer = LogSigner::from_pkcs8(name, &der).map_err(failed)?;
            let public = out.join("log.vkey");
            write(&public, &signer.in_year(this_year()).vkey())?;
            Ok(record("log", &private).with("public_file", public.display().to_string()))
        }
        NewPurpose::Witness => {
            let name = origin.ok_or(CliError::AnswerIncomplete { part: "origin" })?;
            let (key, private) = private::<Witness>("witness", out)?;
            let signer = WitnessSigner::new(name.as_str(), key).map_err(failed)?;
            let public = out.join("witness.vkey");
            write(&public, &signer.vkey())?;
            Ok(record("witness", &private).with("public_file", public.display().to_string()))
        }
        NewPurpose::Pseudonym => {
            let path = out.join("pseudonym.json");
            let mut rng = fresh_rng()?;
            let keys = MasterKeys::generate_for(prf, &mut rng);
            let file = MasterFile::new(path.clone(), passphrase_file.map(PassphraseSource::File));
            file.store_new(&keys, &mut rng).map_err(exists_or(&path))?;
            let made = record("pseudonym", &path).with("prf", prf.name());
            Ok(match keys.prf_public_key().map_err(failed)? {
                Some(public) => made.with("public_key", public.to_string()),
                None => made,
            })
        }
    }
}

/// The PRF of a name.
pub(super) fn prf(name: &str) -> Result<Prf, &'static str> {
    Prf::from_name(name).ok_or("hmac or oprf")
}

fn this_year() -> i16 {
    calendar_year(SystemClock.now())
}

/// A log's name and verifier key in a year.
fn vkey(key: &Path, origin: &LogName, year: i16) -> Result<(String, String), CliError> {
    let key = SigningKey::<Log>::load(key).map_err(failed)?;
    let der = key.to_pkcs8().map_err(failed)?;
    let signer = LogSigner::from_pkcs8(origin.clone(), &der).map_err(failed)?.in_year(year);
    Ok((signer.name().as_str().to_owned(), signer.vkey()))
}

/// A signing key and its public half as a JWK.
fn pair<P: Purpose>(name: &str, out: &Path) -> Result<Record, CliError> {
    let (key, private) = private::<P>(name, out)?;
    let jwk = key.verifying_key().to_jwk();
    let public = out.join(format!("{name}.jwk.json"));
    let text = serde_json::to_string_pretty(&jwk).map_err(|_| CliError::NotPrintable)?;
    write(&public, &text)?;
    Ok(record(name, &private)
        .with("public_file", public.display().to_string())
        .with("kid", jwk.kid))
}

fn private<P: Purpose>(name: &str, out: &Path) -> Result<(SigningKey<P>, PathBuf), CliError> {
    let path = out.join(format!("{name}.pem"));
    let key = SigningKey::<P>::generate(&mut fresh_rng()?).map_err(failed)?;
    key.store_new(&path).map_err(exists_or(&path))?;
    Ok((key, path))
}

/// A file that could not be written, by name; else what the keys' room says.
fn exists_or(path: &Path) -> impl FnOnce(KeyError) -> CliError {
    let path = path.to_owned();
    move |error| match error {
        KeyError::File { source, .. } => CliError::Unwritable { path, source },
        other => failed(other),
    }
}

fn record(purpose: &str, private: &Path) -> Record {
    Record::default().with("purpose", purpose).with("private_file", private.display().to_string())
}

fn table(keys: &[v1::GatewayKey]) -> Table {
    let columns =
        ["purpose", "domain", "version", "state", "table", "rows_left", "prf", "public_key"];
    let mut table = Table::new(&columns);
    for key in keys {
        table.row([
            json!(key.purpose),
            json!(key.domain),
            json!(key.version),
            json!(keys_versions::state(key.state())),
            json!(key.table),
            json!(key.rows_left),
            json!(key.prf),
            json!(key.public_key),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::Jwk, verify::VerifierKey};

    #[test]
    fn every_purpose_makes_files_that_are_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for purpose in NewPurpose::value_variants() {
            let origin: LogName = "example/2026".parse().unwrap();
            let prf = Prf::Oprf;
            new(*purpose, folder.path(), None, prf, Some(origin.clone())).unwrap();
            let error = new(*purpose, folder.path(), None, prf, Some(origin)).unwrap_err();
            assert!(error.to_string().contains("exists already"), "{error}");
        }
        let text = fs::read_to_string(folder.path().join("token.jwk.json")).unwrap();
        let jwk: Jwk = serde_json::from_str(&text).unwrap();
        assert!(jwk.verifying_key().is_ok());
        let text = fs::read_to_string(folder.path().join("log.vkey")).unwrap();
        let public: VerifierKey = text.parse().unwrap();
        assert_eq!(public.name(), "example/2026");
        // The next year's is the same key under the next name.
        let yearly: LogName = "example/{year}".parse().unwrap();
        let (name, next) = vkey(&folder.path().join("log.pem"), &yearly, 2027).unwrap();
        assert_eq!(name, "example/2027");
        assert_eq!(next.parse::<VerifierKey>().unwrap(), public.named("example/2027").unwrap());
    }
}
