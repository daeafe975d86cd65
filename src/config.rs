//! The gateway's configuration: a TOML file, checked once, into a [`Config`].
//!
//! Secrets are never in it: it names files (`tallygate keys new` writes them), which must
//! be readable by their owner alone. Relative paths start at the file's own folder.
//!
//! - here: the whole, keys and database
//! - `sites`: the listeners for readers of the log and for people
//! - `witnesses`: who cosigns the log
//! - `ops`: what those who run it are shown

mod file;
mod ops;
mod sites;
mod witnesses;

pub use ops::{OpsConfig, TelemetryConfig};
pub use sites::{PagesConfig, SignInConfig, WebConfig};
pub use witnesses::WitnessConfig;

use crate::{
    audit::LogName,
    domain::PartnerId,
    keys::{MasterFile, PassphraseSource, Prf},
    store::{Location, LocationError, PostgresLocation},
};
use file::{BlindingFile, ConfigFile, DatabaseFile, FeedFile, KeysFile};
use http::Uri;
use jiff::civil::Date;
use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

/// A validated configuration; every path is resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the gateway calls itself in tokens.
    pub audience: String,
    /// Where gRPC listens.
    pub listen: SocketAddr,
    /// The server's certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authority that signs partners' client certificates, PEM.
    pub client_ca: PathBuf,
    /// Client certificates that it has revoked, PEM; read anew when it changes.
    pub client_crl: Option<PathBuf>,
    /// How long open streams may finish after a stop is asked for.
    pub drain: Duration,
    /// The web listener; `None` for none.
    pub web: Option<WebConfig>,
    /// The listener of the pages; `None` for none.
    pub pages: Option<PagesConfig>,
    /// The database, as the gateway uses it.
    pub database: Location,
    /// The database as the owner of its tables uses it: what `migrate` needs and nobody else.
    pub owner: Location,
    /// The master keys.
    pub master_keys: MasterFile,
    /// What pseudonyms are made by, where the file says it: another key file is refused.
    pub pseudonym_prf: Option<Prf>,
    /// The most records of a day of each partner that blinds.
    pub feeds: BTreeMap<PartnerId, u64>,
    /// What was erased and what subjects' choices bind, apart from the database.
    pub journal: PathBuf,
    /// What says how long that is, apart from it and from the database.
    pub journal_anchor: PathBuf,
    /// Go on where it is missing or cut short, on the operator's responsibility: what `serve` was
    /// told, never the file.
    pub without_journal: bool,
    /// The log's signing key.
    pub log_key: PathBuf,
    /// The releases' signing key.
    pub release_key: PathBuf,
    /// The log's origin.
    pub origin: LogName,
    /// Where the log's tiles are written.
    pub tiles: PathBuf,
    /// How often: a fixed tick, so that the log's growth times nobody's act.
    pub tick: Duration,
    /// Who is asked to cosign the log.
    pub witnesses: Vec<WitnessConfig>,
    /// The witnesses whose answer is not waited for at the start, on the operator's
    /// responsibility: names that `serve` was given, never the file.
    pub without_witnesses: Vec<String>,
    /// A day of which the operator says that the clock was right on it, after a pause of more than
    /// a month: what `serve` was given, never the file.
    pub confirmed_day: Option<Date>,
    /// How long their quorum may be missing before figures stop, where the signed root policy
    /// does not allow less.
    pub outage: Duration,
    /// The listener for those who run it; `None` for none.
    pub ops: Option<OpsConfig>,
    /// What is written and sent about calls.
    pub telemetry: TelemetryConfig,
}

/// The configuration can't be used. Says which file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration {}: check that it exists and that you may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
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
    /// The database's URL.
    #[error("database.postgres in {}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LocationError,
    },
    /// A value breaks a rule.
    #[error("{entry} in {}: {rule}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: &'static str,
        /// The rule.
        rule: &'static str,
    },
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// Names the file, the entry and what to do.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let file: ConfigFile = toml::from_str(&text).map_err(|source| ConfigError::Invalid {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Self::check(file, path, credentials_folder().as_deref())
    }

    fn check(
        file: ConfigFile,
        path: &Path,
        credentials: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let wrong = |entry, rule| ConfigError::Value { path: path.to_owned(), entry, rule };
        let folder = path.parent().unwrap_or(Path::new(""));
        let at = |relative: &Path| folder.join(relative);
        if file.audience.is_empty() {
            return Err(wrong("audience", "give the name that tokens must be made for"));
        }
        if file.log.tick_seconds == 0 {
            return Err(wrong("log.tick_seconds", "at least 1"));
        }
        let origin = file.log.origin.parse().map_err(|_| {
            wrong(
                "log.origin",
                "a name without scheme and spaces, like gateway.example/coventry/2026",
            )
        })?;
        let grpc = &file.grpc;
        let web = file.web.as_ref().map(|web| sites::web(web, grpc, path)).transpose()?;
        let pages = file.pages.as_ref().map(|pages| sites::pages(pages, grpc, path)).transpose()?;
        let witnesses = witnesses::witnesses(&file.log.witness, path)?;
        let outage = Duration::from_secs(file.log.outage_minutes.saturating_mul(60));
        let (database, owner) = databases(&file.database, path)?;
        let passphrase = passphrase(&file.keys, path, credentials)?;
        let pseudonym_prf = pseudonym_prf(&file.keys, path)?;
        let feeds = feeds(file.blinding, path)?;
        let ops = file.ops.as_ref().map(|file| ops::ops(file, path)).transpose()?;
        let telemetry = ops::telemetry(&file.telemetry, path)?;
        Ok(Self {
            audience: file.audience,
            listen: file.grpc.listen,
            certificate: at(&file.grpc.certificate),
            key: at(&file.grpc.key),
            client_ca: at(&file.grpc.client_ca),
            client_crl: file.grpc.client_crl.as_deref().map(at),
            drain: Duration::from_secs(file.grpc.drain_seconds),
            web,
            pages,
            database,
            owner,
            master_keys: MasterFile::new(at(&file.keys.master), passphrase),
            pseudonym_prf,
            feeds,
            journal: at(file
                .erasure
                .journal
                .as_deref()
                .unwrap_or(&file.keys.master.with_extension("erasures"))),
            journal_anchor: beside(at(&file.log.tiles), ".journal"),
            without_journal: false,
            log_key: at(&file.keys.log),
            release_key: at(&file.keys.release),
            origin,
            tiles: at(&file.log.tiles),
            tick: Duration::from_secs(file.log.tick_seconds),
            witnesses,
            without_witnesses: Vec::new(),
            confirmed_day: None,
            outage,
            ops,
            telemetry,
        })
    }
}

/// Whether a URL leads to this machine itself.
fn is_here(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// What pseudonyms are made by, where the file says it.
fn pseudonym_prf(keys: &KeysFile, path: &Path) -> Result<Option<Prf>, ConfigError> {
    let prf = keys.pseudonym_prf.as_deref().map(|name| {
        Prf::from_name(name).ok_or_else(|| ConfigError::Value {
            path: path.to_owned(),
            entry: "keys.pseudonym_prf",
            rule: "\"hmac\" (partners send identifiers over TLS) or \"oprf\" (they may blind)",
        })
    });
    prf.transpose()
}

/// Where the passphrase of the master keys comes from, if they have one.
fn passphrase(
    keys: &KeysFile,
    path: &Path,
    credentials: Option<&Path>,
) -> Result<Option<PassphraseSource>, ConfigError> {
    let wrong = |entry, rule| ConfigError::Value { path: path.to_owned(), entry, rule };
    let folder = path.parent().unwrap_or(Path::new(""));
    match (&keys.passphrase_file, &keys.passphrase_credential) {
        (None, None) => Ok(None),
        (Some(relative), None) => Ok(Some(PassphraseSource::File(folder.join(relative)))),
        (None, Some(name)) => {
            let rule = "a credential's name, in a service that systemd gives one \
                        (LoadCredential= or LoadCredentialEncrypted=)";
            let found = credential(name, credentials);
            found.map(Some).ok_or_else(|| wrong("keys.passphrase_credential", rule))
        }
        (Some(_), Some(_)) => Err(wrong("keys", "give one place of the passphrase")),
    }
}

/// What each partner that blinds has declared.
fn feeds(blinding: BlindingFile, path: &Path) -> Result<BTreeMap<PartnerId, u64>, ConfigError> {
    let wrong = |entry, rule| ConfigError::Value { path: path.to_owned(), entry, rule };
    let mut feeds = BTreeMap::new();
    for FeedFile { partner, records_a_day } in blinding.feed {
        if records_a_day == 0 {
            return Err(wrong("blinding.feed.records_a_day", "at least 1"));
        }
        if feeds.insert(partner, records_a_day).is_some() {
            return Err(wrong("blinding.feed.partner", "each partner once"));
        }
    }
    Ok(feeds)
}

/// A file beside a folder, named after it.
fn beside(folder: PathBuf, ending: &str) -> PathBuf {
    let mut name = folder.into_os_string();
    name.push(ending);
    name.into()
}

/// Where systemd puts a service's credentials.
#[expect(clippy::disallowed_methods, reason = "this is the reader of the environment")]
fn credentials_folder() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// A credential by its name, which is a file's and no path.
fn credential(name: &str, folder: Option<&Path>) -> Option<PassphraseSource> {
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    folder.filter(|_| plain).map(|folder| PassphraseSource::Credential(folder.join(name)))
}

/// The database as the gateway and as the tables' owner use it.
fn databases(file: &DatabaseFile, path: &Path) -> Result<(Location, Location), ConfigError> {
    let wrong = |entry, rule| ConfigError::Value { path: path.to_owned(), entry, rule };
    let folder = path.parent().unwrap_or(Path::new(""));
    let url = match (&file.sqlite, &file.postgres) {
        (Some(sqlite), None) => {
            let location = Location::Sqlite(folder.join(sqlite).into_boxed_path());
            return Ok((location.clone(), location));
        }
        (None, Some(url)) => url,
        _ => return Err(wrong("database", "give either sqlite or postgres")),
    };
    let password = |file: &Option<PathBuf>| -> Result<Option<String>, ConfigError> {
        let Some(file) = file else { return Ok(None) };
        let path = folder.join(file);
        let text = fs::read_to_string(&path);
        let text = text.map_err(|source| ConfigError::Unreadable { path, source })?;
        Ok(Some(text.trim_end().to_owned()))
    };
    let parse = |url: &str, password: Option<String>| {
        PostgresLocation::parse(url, password.as_deref())
            .map(Location::Postgres)
            .map_err(|source| ConfigError::Database { path: path.to_owned(), source })
    };
    let gateway = parse(url, password(&file.password_file)?)?;
    let Some(owner) = &file.owner else { return Ok((gateway.clone(), gateway)) };
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let servers = rest.split_once('@').unwrap_or_default().1;
    let url = format!("{scheme}://{owner}@{servers}");
    Ok((gateway, parse(&url, password(&file.owner_password_file)?)?))
}

#[cfg(test)]
mod tests;
