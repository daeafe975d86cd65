//! The configuration file as it is written, entry by entry; nothing is checked yet but its form.

use crate::domain::PartnerId;
use serde::Deserialize;
use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::PathBuf,
};

/// What the TOML file holds. A word it does not know is an error, so that a typing error
/// can't pass for a setting.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    /// What the gateway calls itself in tokens.
    pub(super) audience: String,
    pub(super) grpc: GrpcFile,
    /// The log's public side over HTTPS; none without it.
    pub(super) web: Option<WebFile>,
    /// The pages for people; none without it.
    pub(super) pages: Option<PagesFile>,
    pub(super) database: DatabaseFile,
    pub(super) keys: KeysFile,
    pub(super) log: LogFile,
    #[serde(default)]
    pub(super) erasure: ErasureFile,
    #[serde(default)]
    pub(super) blinding: BlindingFile,
    /// What those who run the gateway are shown; no listener without it.
    pub(super) ops: Option<OpsFile>,
    #[serde(default)]
    pub(super) telemetry: TelemetryFile,
}

/// Whether it is alive and ready, and its numbers: plain HTTP.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpsFile {
    #[serde(default = "default_ops")]
    pub(super) listen: SocketAddr,
    /// Whether it may be reached from other machines.
    #[serde(default)]
    pub(super) beyond_loopback: bool,
    /// How long a gateway that is to stop says that it is not ready before it stops.
    #[serde(default)]
    pub(super) notice_seconds: u64,
}

/// What is written and sent about calls.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TelemetryFile {
    /// A collector, `http://127.0.0.1:4317`.
    pub(super) otlp: Option<String>,
    #[serde(default)]
    pub(super) beyond_loopback: bool,
    #[serde(default = "default_sample")]
    pub(super) sample_percent: u8,
    /// As `serve --log`, which goes before; read anew while it serves.
    pub(super) log: Option<String>,
}

impl Default for TelemetryFile {
    fn default() -> Self {
        Self { otlp: None, beyond_loopback: false, sample_percent: default_sample(), log: None }
    }
}

const fn default_ops() -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9464))
}

const fn default_sample() -> u8 {
    100
}

/// Of a blinded deployment.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlindingFile {
    #[serde(default)]
    pub(super) feed: Vec<FeedFile>,
}

/// What a partner that blinds has declared of its feeds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedFile {
    pub(super) partner: PartnerId,
    /// The most records of a day; its quota of evaluations is 1.2 times what they need.
    pub(super) records_a_day: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErasureFile {
    /// What was erased and what binds, apart from the database; beside the master keys if not
    /// given.
    pub(super) journal: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrpcFile {
    pub(super) listen: SocketAddr,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: PathBuf,
    /// Revoked client certificates, PEM.
    pub(super) client_crl: Option<PathBuf>,
    #[serde(default = "default_drain")]
    pub(super) drain_seconds: u64,
}

/// What is left out is as for gRPC.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebFile {
    pub(super) listen: SocketAddr,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) client_ca: Option<PathBuf>,
    pub(super) client_crl: Option<PathBuf>,
}

/// Certificate and key are gRPC's where they are left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PagesFile {
    pub(super) listen: SocketAddr,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    /// Whom somebody asks who was refused.
    pub(super) contact: String,
    /// GeoJSON of LSOAs' outlines, for maps.
    pub(super) boundaries: Option<PathBuf>,
    /// This site's address as browsers have it, `https://gateway.example`: where providers send
    /// people back to.
    pub(super) origin: Option<String>,
    /// Identity providers that people sign in by.
    #[serde(default)]
    pub(super) sign_in: Vec<SignInFile>,
    /// How long somebody stays signed in without doing anything.
    #[serde(default = "default_idle")]
    pub(super) idle_minutes: u32,
    /// And in any case.
    #[serde(default = "default_session")]
    pub(super) session_hours: u32,
}

/// An organisation's OpenID Connect provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInFile {
    /// What people know it by.
    pub(super) name: String,
    /// Whose people it knows.
    pub(super) partner: PartnerId,
    pub(super) issuer: String,
    pub(super) client_id: String,
    /// The claim that holds what the organisation's access tokens have as `sub`; `sub` unless given.
    pub(super) user_claim: Option<String>,
    /// A file with the client's secret; none for a public client.
    pub(super) client_secret_file: Option<PathBuf>,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    /// The authority of its server certificate, PEM.
    pub(super) ca: Option<PathBuf>,
}

const fn default_idle() -> u32 {
    30
}

const fn default_session() -> u32 {
    8
}

const fn default_drain() -> u64 {
    20
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatabaseFile {
    /// An embedded file, for one gateway.
    pub(super) sqlite: Option<PathBuf>,
    /// Or a PostgreSQL URL, for several: `postgres://gateway@db1,db2/tallygate`.
    pub(super) postgres: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    /// The user that owns the tables, for `migrate` alone.
    pub(super) owner: Option<String>,
    pub(super) owner_password_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysFile {
    pub(super) master: PathBuf,
    /// What pseudonyms are made by, which must be what `master` says.
    pub(super) pseudonym_prf: Option<String>,
    /// The file of the passphrase that protects `master`.
    pub(super) passphrase_file: Option<PathBuf>,
    /// Or the name of a systemd credential that holds it (`LoadCredential=`).
    pub(super) passphrase_credential: Option<String>,
    pub(super) log: PathBuf,
    pub(super) release: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogFile {
    /// The log's origin, such as `gateway.example/coventry/2026`.
    pub(super) origin: String,
    pub(super) tiles: PathBuf,
    #[serde(default = "default_tick")]
    pub(super) tick_seconds: u64,
    #[serde(default = "default_outage")]
    pub(super) outage_minutes: u64,
    #[serde(default)]
    pub(super) witness: Vec<WitnessFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WitnessFile {
    /// Its verifier key, or a file with it.
    pub(super) vkey: Option<String>,
    pub(super) vkey_file: Option<PathBuf>,
    /// Where it takes checkpoints: what stands before `/add-checkpoint`.
    pub(super) url: String,
    /// The authority of its server certificate, PEM.
    pub(super) ca: Option<PathBuf>,
    /// Whether it is the oversight body's.
    #[serde(default)]
    pub(super) oversight: bool,
}

const fn default_outage() -> u64 {
    15
}

const fn default_tick() -> u64 {
    5
}
