//! A witness's configuration: a TOML file, checked once. Relative paths start at its folder.

use super::{
    service::Witness,
    signer::{BadName, WitnessSigner},
    state::StateError,
    watched::Watched,
};
use crate::{
    keys::{KeyError, SigningKey},
    verify::VerifierKey,
};
use serde::Deserialize;
use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    /// The witness's name, a URL without its scheme.
    name: String,
    /// Its private key.
    key: PathBuf,
    /// The folder of its state.
    state: PathBuf,
    #[serde(default = "default_listen")]
    listen: SocketAddr,
    tls: Option<TlsFile>,
    #[serde(default)]
    log: Vec<LogFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFile {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFile {
    vkey: Option<String>,
    vkey_file: Option<PathBuf>,
    /// The log's origin, where it is not the key's name; it may hold `{year}`.
    origin: Option<String>,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7380))
}

/// Why a witness can't be started. Says which file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum WitnessConfigError {
    /// A file can't be read.
    #[error("can't read {}: check that it exists and that you may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("the configuration {} is not valid: {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, entry and rule.
        source: Box<toml::de::Error>,
    },
    /// A log without a verifier key, or none that is one.
    #[error("log number {number}: give its verifier key, either vkey or vkey_file")]
    LogKey {
        /// Counted from 1.
        number: usize,
    },
    /// No log is named.
    #[error("name at least one log: [[log]] with its vkey or vkey_file")]
    NoLog,
    /// Without TLS it would be open to whoever is on the way.
    #[error("listen: without [tls] only a loopback address, such as 127.0.0.1:7380")]
    NotLoopback,
    /// The certificate or its key.
    #[error("[tls]: not a PEM certificate chain and its private key")]
    Tls,
    /// The witness's name.
    #[error("name: {0}")]
    Name(#[from] BadName),
    /// The witness's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The witness's state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The address can't be listened on.
    #[error("can't listen on {address}: is another witness running there?")]
    Bind {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A validated configuration; every path is resolved.
#[derive(Debug)]
pub struct WitnessConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// PEM texts of certificate chain and key.
    pub tls: Option<(Vec<u8>, Vec<u8>)>,
    name: String,
    key: PathBuf,
    state: PathBuf,
    logs: Watched,
}

fn read(path: &Path) -> Result<Vec<u8>, WitnessConfigError> {
    fs::read(path)
        .map_err(|source| WitnessConfigError::Unreadable { path: path.to_owned(), source })
}

impl WitnessConfig {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// Names the file, the entry and what to do.
    pub fn read(path: &Path) -> Result<Self, WitnessConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| WitnessConfigError::Unreadable { path: path.to_owned(), source })?;
        let file: ConfigFile = toml::from_str(&text).map_err(|source| {
            WitnessConfigError::Invalid { path: path.to_owned(), source: Box::new(source) }
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        if file.log.is_empty() {
            return Err(WitnessConfigError::NoLog);
        }
        if file.tls.is_none() && !file.listen.ip().is_loopback() {
            return Err(WitnessConfigError::NotLoopback);
        }
        let mut logs = Watched::default();
        for (number, log) in (1..).zip(file.log) {
            let text = match (log.vkey, log.vkey_file) {
                (Some(vkey), None) => vkey.into_bytes(),
                (None, Some(path)) => read(&folder.join(path))?,
                _ => return Err(WitnessConfigError::LogKey { number }),
            };
            let key = std::str::from_utf8(&text).ok().and_then(|text| text.trim_end().parse().ok());
            let key: VerifierKey = key.ok_or(WitnessConfigError::LogKey { number })?;
            logs.watch(log.origin.as_deref(), key);
        }
        let tls = match &file.tls {
            None => None,
            Some(tls) => {
                Some((read(&folder.join(&tls.certificate))?, read(&folder.join(&tls.key))?))
            }
        };
        Ok(Self {
            listen: file.listen,
            tls,
            name: file.name,
            key: folder.join(file.key),
            state: folder.join(file.state),
            logs,
        })
    }

    /// The witness with its state.
    ///
    /// # Errors
    /// When name, key or state can't be used.
    pub fn witness(&self) -> Result<Witness, WitnessConfigError> {
        let signer = WitnessSigner::new(&self.name, SigningKey::load(&self.key)?)?;
        Ok(Witness::open(signer, self.logs.clone(), &self.state)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VKEY: &str =
        "tallygate.example/demo/2026+7f4d5006+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

    fn read(text: &str) -> Result<WitnessConfig, WitnessConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness.toml");
        fs::write(&path, text).unwrap();
        fs::write(folder.path().join("log.vkey"), format!("{VKEY}\n")).unwrap();
        WitnessConfig::read(&path)
    }

    #[test]
    fn a_good_file_is_read_and_mistakes_are_named() {
        let head = "name = \"w.example\"\nkey = \"w.pem\"\nstate = \"state\"\n";
        let log = format!("[[log]]\nvkey = \"{VKEY}\"\n");
        let by_file = "[[log]]\nvkey_file = \"log.vkey\"\n";
        let config = read(&format!("{head}{log}{by_file}")).unwrap();
        assert!(config.listen.ip().is_loopback() && config.logs.count() == 1);
        let yearly =
            "[[log]]\norigin = \"tallygate.example/demo/{year}\"\nvkey_file = \"log.vkey\"\n";
        assert_eq!(read(&format!("{head}{log}{yearly}")).unwrap().logs.count(), 2);
        assert!(config.state.is_absolute() && config.tls.is_none());
        for (text, says) in [
            (head.to_owned(), "at least one log"),
            (format!("{head}{}", log.replace("7f4d", "7f4e")), "log number 1"),
            (format!("{head}{log}[[log]]\n"), "log number 2"),
            (format!("{head}listen = \"0.0.0.0:1\"\n{log}"), "loopback"),
            (format!("{head}oversight = true\n{log}"), "oversight"),
            (format!("{head}[tls]\ncertificate = \"c\"\nkey = \"k\"\n{log}"), "can't read"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn the_example_is_a_configuration() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/witness.example.toml");
        let text = fs::read_to_string(path).unwrap();
        let file: ConfigFile = toml::from_str(&text).unwrap();
        assert!(file.log[0].vkey.as_ref().unwrap().parse::<VerifierKey>().is_ok());
    }
}
