//! The shared demo's gateway, started again from a copy on a port of its own, and callers
//! of every kind, honest or not.

use super::{Demo, copy, demo};
use rand::{SeedableRng, rngs::StdRng};
use std::{fs, path::PathBuf, sync::Arc, time::Duration};
use tallygate::{
    config::Config,
    connector::{AddToken, ConnectorError, Gateway, Profile, ProfileFile},
    identity::{
        CertificateAuthority, CertificateFingerprint, Clock, SystemClock, TokenClaims, TokenId,
        TokenSigningKey, UserSubject, Validity, mint,
    },
    server::{self, Running, ServeError, system_rng},
    store::StoreError,
    wire::v1::{GetCheckpointRequest, access_log_service_client::AccessLogServiceClient},
};
use tokio::time::sleep;
use tonic::{Status, service::interceptor::InterceptedService, transport::Channel};
use tonic_types::StatusExt;

pub(crate) type Service = InterceptedService<Channel, AddToken>;

/// A running copy of the shared demo.
pub(crate) struct Copy {
    folder: tempfile::TempDir,
    pub(crate) running: Running,
    /// An authority that the gateway trusts, whose certificates nobody registered.
    pub(crate) stranger: CertificateAuthority,
}

/// Starts a gateway, also where a program that another test is starting at this moment still
/// holds what was just closed.
pub(crate) async fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Running, ServeError> {
    for _ in 0..100 {
        let started = server::start(config, Arc::clone(&clock), system_rng()).await;
        if !matches!(started, Err(ServeError::Store(StoreError::InUse))) {
            return started;
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(StoreError::InUse.into())
}

impl Copy {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        Self::start_of(demo()).await
    }

    /// The same of another demo.
    pub(crate) async fn start_of(demo: &Demo) -> Self {
        Self::start_told(demo, "").await
    }

    /// The same, told more in its configuration.
    pub(crate) async fn start_told(demo: &Demo, more: &str) -> Self {
        assert_eq!(demo.code, Some(0), "{}", demo.stderr);
        let folder = tempfile::tempdir().unwrap();
        for part in ["certificates", "keys", "profiles", "protocols", "tiles"] {
            copy(&demo.dir.join(part), &folder.path().join(part));
        }
        for file in ["gateway.db", "log.vkey", "jwks.json", "boundaries.json"] {
            fs::copy(demo.dir.join(file), folder.path().join(file)).unwrap();
        }
        let now = SystemClock.now();
        let validity = Validity {
            not_before: now.checked_sub(jiff::SignedDuration::from_hours(1)).unwrap(),
            not_after: now.checked_add(jiff::SignedDuration::from_hours(24)).unwrap(),
        };
        let stranger = CertificateAuthority::new("another authority", validity).unwrap();
        let ca = fs::read_to_string(demo.dir.join("ca.pem")).unwrap();
        let both = ca.clone() + &stranger.certificate_pem();
        fs::write(folder.path().join("ca.pem"), ca).unwrap();
        fs::write(folder.path().join("both.pem"), both).unwrap();
        let config = fs::read_to_string(demo.dir.join("gateway.toml")).unwrap();
        let config: String = config
            .lines()
            .map(|line| match line {
                _ if line.starts_with("listen") => "listen = \"127.0.0.1:0\"\n".to_owned(),
                _ if line.starts_with("client_ca") => "client_ca = \"both.pem\"\n".to_owned(),
                _ => format!("{line}\n"),
            })
            .collect();
        let path = folder.path().join("gateway.toml");
        fs::write(&path, config + more).unwrap();
        let config = Config::read(&path).unwrap();
        let running = start(&config, Arc::new(SystemClock)).await.unwrap();
        Self { folder, running, stranger }
    }

    /// Stops it and starts it again on the same data.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| ()).await
    }

    /// Stops it, lets something happen to its folder, and starts it again.
    pub(crate) async fn restart_with(mut self, meanwhile: impl FnOnce(&std::path::Path)) -> Self {
        self.running.stop().await.unwrap();
        meanwhile(self.folder.path());
        let config = Config::read(&self.folder.path().join("gateway.toml")).unwrap();
        self.running = start(&config, Arc::new(SystemClock)).await.unwrap();
        self
    }

    /// Tells it to stop while something goes on, and starts it again when both have ended.
    pub(crate) async fn restart_beside<T>(mut self, work: impl Future<Output = T>) -> (Self, T) {
        let (stopped, done) = tokio::join!(self.running.stop(), work);
        stopped.unwrap();
        let config = Config::read(&self.folder.path().join("gateway.toml")).unwrap();
        self.running = start(&config, Arc::new(SystemClock)).await.unwrap();
        (self, done)
    }

    /// A profile as a file, for the program itself.
    pub(crate) fn profile_file(&self, name: &str) -> String {
        let path = self.path(&format!("profiles/here-{name}.toml"));
        fs::write(&path, self.profile(name).to_toml().unwrap()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A file of the copy.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A profile, for changing what a caller says of itself.
    pub(crate) fn profile(&self, name: &str) -> ProfileFile {
        let path = self.path(&format!("profiles/{name}.toml"));
        let file: ProfileFile = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        ProfileFile { server: self.running.address().to_string(), ..file }
    }

    /// Connects as a profile says.
    pub(crate) async fn connect(&self, file: ProfileFile) -> Result<Service, ConnectorError> {
        let profile = Profile::load(file, self.path("profiles")).unwrap();
        let rng = Box::new(StdRng::seed_from_u64(9));
        Ok(Gateway::connect(&profile, Arc::new(SystemClock), rng).await?.service())
    }

    /// Connects as the officer and calls with a token made at another time, or for another
    /// certificate.
    pub(crate) async fn call_with_token(
        &self,
        minted: jiff::Timestamp,
        certificate: Option<CertificateFingerprint>,
    ) -> Result<(), Status> {
        let file = self.profile("officer");
        let profile = Profile::load(file.clone(), self.path("profiles")).unwrap();
        let pem = fs::read_to_string(self.path("keys/authority-token.pem")).unwrap();
        let key = TokenSigningKey::from_pem(&file.token_kid, &pem).unwrap();
        let claims = TokenClaims {
            issuer: "authority".to_owned(),
            audience: file.audience.clone(),
            user: UserSubject::new("data-officer-1").unwrap(),
            roles: file.roles.clone(),
            areas: vec![],
            certificate: certificate.unwrap_or_else(|| profile.fingerprint()),
            lifetime: Duration::from_secs(300),
        };
        let mut rng = StdRng::seed_from_u64(11);
        let token = mint(&key, &claims, minted, TokenId::draw(&mut rng)).unwrap();
        let gateway =
            Gateway::connect(&profile, Arc::new(SystemClock), Box::new(rng)).await.unwrap();
        let mut request = tonic::Request::new(GetCheckpointRequest {});
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        AccessLogServiceClient::new(gateway.channel()).get_checkpoint(request).await.map(drop)
    }

    /// The connection of one of the demo's callers, without its token.
    pub(crate) async fn bare_channel(&self, name: &str) -> Channel {
        let profile = Profile::load(self.profile(name), self.path("profiles")).unwrap();
        let rng = Box::new(StdRng::seed_from_u64(9));
        Gateway::connect(&profile, Arc::new(SystemClock), rng).await.unwrap().channel()
    }

    /// Adds a caller's token, and nothing else of what this program's client adds.
    pub(crate) async fn authorised(
        &self,
        name: &str,
    ) -> impl FnMut(tonic::Request<()>) -> Result<tonic::Request<()>, Status> + Clone + use<> {
        let profile = Profile::load(self.profile(name), self.path("profiles")).unwrap();
        let rng = Box::new(StdRng::seed_from_u64(9));
        let gateway = Gateway::connect(&profile, Arc::new(SystemClock), rng).await.unwrap();
        let tokens = gateway.tokens();
        move |mut request: tonic::Request<()>| {
            let token = tokens.authorization().unwrap();
            request.metadata_mut().insert("authorization", token);
            Ok(request)
        }
    }

    /// Connects as one of the demo's callers.
    pub(crate) async fn caller(&self, name: &str) -> Service {
        self.connect(self.profile(name)).await.unwrap()
    }
}

/// The reason code of a refusal, lower case, and whether a receipt proves it is logged.
pub(crate) fn reason(status: &Status) -> (String, bool) {
    let info = status.get_details_error_info();
    let reason = info.map(|info| info.reason.to_ascii_lowercase()).unwrap_or_default();
    let receipt = b"tallygate.v1.Receipt";
    let logged = status.details().windows(receipt.len()).any(|window| window == receipt);
    (reason, logged)
}

/// Asserts that an answer is a logged refusal for this reason.
pub(crate) fn assert_refused<T>(answer: Result<T, Status>, expected: &str) {
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/ERRORS.md")).unwrap();
    assert!(page.contains(&format!("| `{expected}` |")), "deploy/ERRORS.md has no {expected}");
    let Err(status) = answer else { panic!("answered, where {expected} was expected") };
    assert_eq!(reason(&status), (expected.to_owned(), true), "{status:?}");
}
