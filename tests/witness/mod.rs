//! Witnesses over real sockets: what they cosign, what the gateway makes of it, and what it
//! does without them.

mod fetched;
mod history;
mod quorum;
mod service;

use crate::support::{copy, demo, gateway::start, tallygate};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tallygate::{
    config::Config,
    connector::{AddToken, Gateway, Profile, ProfileFile},
    identity::{CertificateAuthority, Clock, LOOPBACK_NAMES, SystemClock, Validity},
    server::{Running, ServeError},
    wire::v1::{
        self, figure_service_client::FigureServiceClient,
        protocol_service_client::ProtocolServiceClient,
    },
    witness::{self, WitnessConfig},
};
use tonic::{Status, service::interceptor::InterceptedService, transport::Channel};

type Service = InterceptedService<Channel, AddToken>;

/// The machine's clock, put forward.
#[derive(Debug, Clone, Default)]
struct Forward(Arc<AtomicI64>);

impl Forward {
    fn minutes(&self, minutes: i64) {
        self.0.fetch_add(60 * minutes, Ordering::SeqCst);
    }
}

impl Clock for Forward {
    fn now(&self) -> jiff::Timestamp {
        let seconds = self.0.load(Ordering::SeqCst);
        SystemClock.now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap()
    }
}

/// A SQLite file, or a PostgreSQL URL, as the configuration has it.
fn database_lines(database: &str) -> String {
    match database.starts_with("postgres://") {
        true => format!("postgres = \"{database}\"\nowner = \"owner\""),
        false => format!("sqlite = \"{database}\""),
    }
}

/// A copy of the demo, whose witnesses and gateways share one clock.
struct Site {
    folder: tempfile::TempDir,
    clock: Forward,
}

/// A witness that listens.
struct Watching {
    running: Option<witness::Running>,
    name: &'static str,
    address: SocketAddr,
    tls: bool,
}

impl Watching {
    /// The lines of a gateway's configuration.
    fn lines(&self, oversight: bool) -> String {
        self.lines_at(self.address, oversight)
    }

    /// The same, where somebody stands before the witness.
    fn lines_at(&self, address: SocketAddr, oversight: bool) -> String {
        let url = match self.tls {
            true => format!("https://localhost:{}\"\nca = \"witness-ca.pem", address.port()),
            false => format!("http://{address}/"),
        };
        let name = self.name;
        format!(
            "[[log.witness]]\nvkey_file = \"{name}/witness.vkey\"\nurl = \"{url}\"\n\
             oversight = {oversight}\n"
        )
    }

    async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    /// Starts again where it listened before, on the state that it kept.
    async fn start(&mut self, site: &Site) {
        let listen = self.address;
        self.running = Some(site.listen(self.name, listen, self.tls, site.clock.clone()).await);
    }
}

impl Site {
    async fn new() -> Self {
        let demo = tokio::task::spawn_blocking(demo).await.unwrap();
        assert_eq!(demo.code, Some(0), "{}", demo.stderr);
        let folder = tempfile::tempdir().unwrap();
        for part in ["certificates", "keys", "profiles", "protocols", "tiles"] {
            copy(&demo.dir.join(part), &folder.path().join(part));
        }
        for file in ["gateway.db", "log.vkey", "ca.pem", "boundaries.json"] {
            fs::copy(demo.dir.join(file), folder.path().join(file)).unwrap();
        }
        let now = SystemClock.now();
        let hours = jiff::SignedDuration::from_hours;
        let validity = Validity {
            not_before: now.checked_sub(hours(1)).unwrap(),
            not_after: now.checked_add(hours(240)).unwrap(),
        };
        let authority = CertificateAuthority::new("witness authority", validity).unwrap();
        let issued = authority.issue_server(&LOOPBACK_NAMES).unwrap();
        let site = Self { folder, clock: Forward::default() };
        fs::write(site.path("witness-ca.pem"), authority.certificate_pem()).unwrap();
        fs::write(site.path("witness.pem"), issued.certificate_pem()).unwrap();
        fs::write(site.path("witness.key"), issued.key_pem()).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A new witness with a key and an empty state.
    async fn witness(&self, name: &'static str, tls: bool) -> Watching {
        self.witness_at(name, tls, self.clock.clone()).await
    }

    async fn witness_at(&self, name: &'static str, tls: bool, clock: Forward) -> Watching {
        let out = self.text(name);
        let origin = format!("{name}.example");
        let done =
            tallygate(["keys", "new", "--purpose", "witness", "--origin", &origin, "--out", &out]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        fs::create_dir(self.path(name).join("state")).unwrap();
        let running = self.listen(name, "127.0.0.1:0".parse().unwrap(), tls, clock).await;
        Watching { address: running.address(), running: Some(running), name, tls }
    }

    async fn listen(
        &self,
        name: &str,
        listen: SocketAddr,
        tls: bool,
        clock: Forward,
    ) -> witness::Running {
        let secure = "[tls]\ncertificate = \"../witness.pem\"\nkey = \"../witness.key\"\n";
        let config = format!(
            "name = \"{name}.example\"\nkey = \"witness.pem\"\nstate = \"state\"\n\
             listen = \"{listen}\"\n{}[[log]]\nvkey_file = \"../log.vkey\"\n{}",
            if tls { secure } else { "" },
            if self.path("next.vkey").exists() {
                "[[log]]\nvkey_file = \"../next.vkey\"\n"
            } else {
                ""
            }
        );
        let path = self.path(name).join("witness.toml");
        fs::write(&path, config).unwrap();
        let config = WitnessConfig::read(&path).unwrap();
        witness::start(&config, Arc::new(move || clock.now())).await.unwrap()
    }

    /// A gateway's configuration. Its ticks are so rare that only the test itself asks the
    /// witnesses, after the first one.
    fn configure(&self, name: &str, database: &str, witnesses: &[String]) -> PathBuf {
        let text = fs::read_to_string(demo().dir.join("gateway.toml")).unwrap();
        let text: String = text
            .lines()
            .map(|line| match line {
                _ if line.starts_with("listen") => "listen = \"127.0.0.1:0\"\n".to_owned(),
                _ if line.starts_with("sqlite") => format!("{}\n", database_lines(database)),
                _ if line.starts_with("tick") => "tick_seconds = 36000\n".to_owned(),
                _ if line.starts_with("tiles") => format!("tiles = \"tiles-{name}\"\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, text + &witnesses.concat()).unwrap();
        path
    }

    async fn serve(&self, config: &Path) -> Result<Running, ServeError> {
        self.serve_without(config, &[]).await
    }

    /// The same on the operator's responsibility for going on without some witnesses' word.
    async fn serve_without(&self, config: &Path, without: &[&str]) -> Result<Running, ServeError> {
        let mut config = Config::read(config).unwrap();
        config.without_witnesses = without.iter().map(|name| (*name).to_owned()).collect();
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        start(&config, clock).await
    }

    async fn caller(&self, running: &Running, name: &str) -> Service {
        let text = fs::read_to_string(self.path(&format!("profiles/{name}.toml"))).unwrap();
        let file: ProfileFile = toml::from_str(&text).unwrap();
        let file = ProfileFile { server: running.address().to_string(), ..file };
        let profile = Profile::load(file, self.path("profiles")).unwrap();
        let rng = Box::new(StdRng::try_from_rng(&mut rand::rngs::SysRng).unwrap());
        Gateway::connect(&profile, Arc::new(self.clock.clone()), rng).await.unwrap().service()
    }

    /// An area's card, as its manager asks for it.
    async fn card(&self, running: &Running) -> Result<v1::GetCardResponse, Status> {
        let request = v1::GetCardRequest {
            area: "CC01".to_owned(),
            quarter: String::new(),
            purposes: vec!["childrens_centre_planning".to_owned()],
        };
        let manager = self.caller(running, "manager-CC01").await;
        Ok(FigureServiceClient::new(manager).get_card(request).await?.into_inner())
    }

    /// Puts a root policy in force that wants witnesses, signed by every controller.
    async fn want_witnesses(&self, running: &Running, oversight: bool, partners: u16) {
        let signed = fs::read_to_string(self.path("protocols/root-policy.json")).unwrap();
        let signed: Value = serde_json::from_str(&signed).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(signed["payload"].as_str().unwrap()).unwrap();
        let mut policy: Value = serde_json::from_slice(&payload).unwrap();
        policy["version"] = json!(2);
        policy["supersedes"] = json!(hex::encode(Sha256::digest(&payload)));
        policy["witnesses"] =
            json!({ "oversight": oversight, "minimum_partners": partners, "grace_seconds": 900 });
        policy["witness_keys"] = self.named_witnesses();
        let draft = self.path("policy-2.json");
        fs::write(&draft, policy.to_string()).unwrap();
        for (at, signature) in signed["signatures"].as_array().unwrap().iter().enumerate() {
            let header = URL_SAFE_NO_PAD.decode(signature["protected"].as_str().unwrap()).unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            let of = |name: &str| header[name].as_str().unwrap().to_owned();
            let (party, role) = (of("party"), of("role"));
            let key = self.text(&format!("keys/{party}-{role}.pem"));
            let input = if at == 0 { draft.clone() } else { self.path("signed.json") };
            let input = input.to_str().unwrap().to_owned();
            let words = ["protocol", "sign", &input, "--key", &key, "--party", &party, "--role"];
            let done = tallygate(words.into_iter().chain([role.as_str()]));
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            fs::write(self.path("signed.json"), done.stdout).unwrap();
        }
        let document = fs::read_to_string(self.path("signed.json")).unwrap();
        let officer = self.caller(running, "officer").await;
        let request = v1::SubmitRootPolicyRequest { document };
        ProtocolServiceClient::new(officer).submit_root_policy(request).await.unwrap();
    }

    /// Every witness of the site, as the root policy names it: the oversight body's or, each, a
    /// partner's of its name.
    fn named_witnesses(&self) -> Value {
        let mut named = Vec::new();
        for folder in fs::read_dir(self.folder.path()).unwrap() {
            let folder = folder.unwrap().path();
            let Ok(vkey) = fs::read_to_string(folder.join("witness.vkey")) else { continue };
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let oversight = name == "oversight" || name == "stranger" || name == "hasty";
            named.push(json!({ "vkey": vkey.trim_end(), "partner": name, "oversight": oversight }));
        }
        json!(named)
    }

    /// What the published checkpoint of a gateway says.
    fn checkpoint(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("tiles-{name}/checkpoint"))).unwrap()
    }

    /// Verifies a gateway's tiles as an auditor does who holds these witnesses' keys.
    fn verify(&self, name: &str, witnesses: &[&str], code: i32) -> String {
        let (tiles, key) = (self.text(&format!("tiles-{name}")), self.text("log.vkey"));
        let mut words = vec!["audit".to_owned(), "verify".to_owned(), tiles];
        words.extend(["--vkey-file".to_owned(), key]);
        for witness in witnesses {
            let key = self.text(&format!("{witness}/witness.vkey"));
            words.extend(["--witness-vkey-file".to_owned(), key]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        crate::support::output(&words, code)
    }
}
