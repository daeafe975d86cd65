//! Several gateways on one PostgreSQL: one policy, one log, and nothing lost when a gateway
//! or the database's primary goes.

mod engines;
pub(crate) mod load;
mod policy;
mod rotation;
mod turns;

use crate::support::{copy, postgres::Database, tallygate};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
};
use tallygate::{
    connector::{AddToken, ConnectorError, Gateway, Profile, ProfileFile},
    identity::{Clock, SystemClock},
};
use tempfile::TempDir;
use tonic::{service::interceptor::InterceptedService, transport::Channel};

pub(crate) type Service = InterceptedService<Channel, AddToken>;

/// A demo whose gateways share a PostgreSQL database.
pub(crate) struct Ground {
    folder: TempDir,
    stdout: String,
}

impl Ground {
    /// Runs the demo on a database.
    pub(crate) fn demo(database: &Database, scale: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("demo");
        let dir = dir.to_str().unwrap();
        let done = tallygate([
            "demo",
            "--dir",
            dir,
            "--scale",
            scale,
            "--seed",
            "7",
            "--canaries",
            "50",
            "--postgres",
            &database.url,
            "--postgres-owner",
            "owner",
        ]);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{errors}");
        Self { folder, stdout: String::from_utf8(done.stdout).unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("demo").join(name)
    }

    /// Writes a configuration for one more gateway on the same database.
    pub(crate) fn configure(&self, name: &str) -> Node {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tiles = format!("tiles-{name}");
        copy(&self.path("tiles"), &self.path(&tiles));
        let text = fs::read_to_string(self.path("gateway.toml")).unwrap();
        let text: String = text
            .lines()
            .scan(false, |web, line| {
                *web |= line == "[web]";
                Some((line, *web))
            })
            .map(|(line, web)| match line {
                _ if line.starts_with("listen") && web => "listen = \"127.0.0.1:0\"\n".to_owned(),
                _ if line.starts_with("listen") => format!("listen = \"{address}\"\n"),
                _ if line.starts_with("tiles") => format!("tiles = \"{tiles}\"\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let config = self.path(&format!("gateway-{name}.toml"));
        fs::write(&config, text).unwrap();
        Node::new(config, address, self.path("profiles"))
    }
}

/// The demo on PostgreSQL that several tests look at; `None` without PostgreSQL.
async fn shared() -> Option<&'static (Ground, Database)> {
    static SHARED: OnceLock<Option<(Ground, Database)>> = OnceLock::new();
    let database = match (SHARED.get(), crate::support::postgres::cluster()) {
        (Some(shared), _) => return shared.as_ref(),
        (None, None) => return None,
        (None, Some(cluster)) => cluster.database(None).await,
    };
    let make = move || Some((Ground::demo(&database, crate::support::SCALE), database));
    tokio::task::spawn_blocking(move || SHARED.get_or_init(make)).await.unwrap().as_ref()
}

/// One gateway, a process of its own.
pub(crate) struct Node {
    config: PathBuf,
    pub(crate) address: String,
    profiles: PathBuf,
    process: Option<Child>,
    /// What starts it, with the program and its arguments behind; nothing for the program itself.
    pub(crate) through: &'static [&'static str],
}

impl Node {
    /// One of a configuration that says where it listens; not yet started.
    pub(crate) const fn new(config: PathBuf, address: String, profiles: PathBuf) -> Self {
        Self { config, address, profiles, process: None, through: &[] }
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(&mut self) {
        let program = env!("CARGO_BIN_EXE_tallygate");
        let mut line = self.through.iter().chain([&program]);
        let mut process = Command::new(line.next().unwrap())
            .args(line)
            .args(["serve", "--config"])
            .arg(&self.config)
            .env("TALLYGATE_LOG", "error")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        loop {
            match lines.next() {
                Some(Ok(line)) if line.contains("listening on") => break,
                Some(Ok(line)) => said.push(line),
                _ => panic!("the gateway did not start:\n{}", said.join("\n")),
            }
        }
        // Read on, or the gateway would wait for room to write in.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
    }

    /// The number of its process, while it runs.
    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Whether its process ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().unwrap().is_some())
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) async fn caller(&self, name: &str) -> Service {
        connect(&self.profiles, name, &self.address).await.unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Connects as one of the demo's callers, to a gateway at an address.
pub(crate) async fn connect(
    profiles: &Path,
    name: &str,
    address: &str,
) -> Result<Service, ConnectorError> {
    connect_at(profiles, name, address, Arc::new(SystemClock)).await
}

/// The same by another clock.
pub(crate) async fn connect_at(
    profiles: &Path,
    name: &str,
    address: &str,
    clock: Arc<dyn Clock>,
) -> Result<Service, ConnectorError> {
    let text = fs::read_to_string(profiles.join(format!("{name}.toml"))).unwrap();
    let file: ProfileFile = toml::from_str(&text).unwrap();
    let file = ProfileFile { server: address.to_owned(), ..file };
    let profile = Profile::load(file, profiles.to_owned()).unwrap();
    let rng = Box::new(StdRng::try_from_rng(&mut rand::rngs::SysRng).unwrap());
    Ok(Gateway::connect(&profile, clock, rng).await?.service())
}
