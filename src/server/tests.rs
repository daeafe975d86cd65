//! The accept loop over real TLS on loopback: who gets in, what the others are counted as,
//! and that none of them is in anyone's way.

use super::{handshake::HandshakeFailure as Failure, listen::concerns_one_connection, *};
use crate::connector::{ConnectorError, Gateway, Profile, ProfileFile};
use crate::domain::PartnerId;
use crate::grpc::Places;
use crate::identity::{
    CallerCheck, CertificateAuthority, CertificateFingerprint, CertificateRegister, Clock, Issued,
    IssuedTokenKey, LOOPBACK_NAMES, Peer, RegisteredCertificate, TlsClock, TokenCache,
    TokenKeyEntry, TokenKeys, TokenPublicKey, TokenVerifier, Validity,
};
use crate::protocol::CallerRole;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, service::interceptor::InterceptedService};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

const NOW: i64 = 1_790_000_000;
const AUDIENCE: &str = "https://gateway.test";
/// Long enough never to be the reason for anything.
const PATIENT: HandshakeLimits = HandshakeLimits {
    time_limit: Duration::from_secs(60),
    concurrent: 8,
    per_address: 8,
    connections: Places { all: 64, when_crowded: 64, a_caller: 64, always: 64 },
};

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW).expect("a test's instant")
    }
}

fn authority() -> CertificateAuthority {
    let at = |second| Timestamp::from_second(second).expect("a test's instant");
    let validity = Validity { not_before: at(NOW - 60), not_after: at(NOW + 3600) };
    CertificateAuthority::new("test authority", validity).expect("an authority")
}

fn config(authority: &CertificateAuthority, clients: &CertificateAuthority) -> ServerConfig {
    let server = authority.issue_server(&LOOPBACK_NAMES).expect("a server certificate");
    server_config(
        server.certificate_pem().as_bytes(),
        server.key_pem().as_bytes(),
        clients.certificate_pem().as_bytes(),
        Arc::new(Fixed),
    )
    .expect("a configuration")
}

/// Knows one certificate and one token key, both of `health`.
#[derive(Clone)]
struct Register {
    certificate: CertificateFingerprint,
    key: Arc<TokenPublicKey>,
}

fn health() -> PartnerId {
    "health".parse().expect("a partner")
}

impl CertificateRegister for Register {
    fn certificate(&self, shown: &CertificateFingerprint) -> Option<RegisteredCertificate> {
        let known = *shown == self.certificate;
        known.then(|| RegisteredCertificate { partner: health(), active: true })
    }
}

impl TokenKeys for Register {
    fn token_key(&self, issuer: &str, _: &str) -> TokenKeyEntry {
        match issuer {
            "health" => TokenKeyEntry::Usable { partner: health(), key: Arc::clone(&self.key) },
            _ => TokenKeyEntry::UnknownIssuer,
        }
    }
}

/// A gateway that offers its health to recognised callers only.
struct TestGateway {
    address: SocketAddr,
    authority: CertificateAuthority,
    config: Arc<ArcSwap<ServerConfig>>,
    failures: Arc<HandshakeFailures>,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
    client: Issued,
    token_key: IssuedTokenKey,
    folder: TempDir,
}

impl TestGateway {
    async fn start(limits: HandshakeLimits) -> Self {
        let authority = authority();
        let client = authority.issue_client("health").unwrap();
        let token_key = IssuedTokenKey::generate().unwrap();
        let register = Register {
            certificate: client.fingerprint(),
            key: Arc::new(TokenPublicKey::from_spki_der(token_key.public_spki_der()).unwrap()),
        };
        let config = Arc::new(ArcSwap::from_pointee(config(&authority, &authority)));
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::bind(anywhere, Arc::clone(&config), limits).await.unwrap();
        let (address, failures) = (listener.local_addr(), listener.failures());
        let stop = CancellationToken::new();
        let incoming = listener.incoming(stop.clone());
        let check = Arc::new(CallerCheck::new(TokenVerifier::new(AUDIENCE), TokenCache::new(8)));
        let (_, health) = tonic_health::server::health_reporter();
        let guarded = InterceptedService::new(health, move |request: Request<()>| {
            let peer = request.extensions().get::<Peer>().expect("the connection's peer");
            let headers = request.metadata().as_ref();
            match check.recognise(peer, headers, &register, 1, Fixed.now()) {
                Ok(_) => Ok(request),
                Err(refusal) => Err(Status::unauthenticated(refusal.refused.reason())),
            }
        });
        let serving =
            tokio::spawn(tonic::transport::Server::builder().serve_with_incoming_shutdown(
                guarded,
                incoming,
                stop.clone().cancelled_owned(),
            ));
        let folder = tempfile::tempdir().unwrap();
        Self { address, authority, config, failures, stop, serving, client, token_key, folder }
    }

    /// A profile with the given client certificate, trusting the given authority.
    fn profile(&self, client: &Issued, ca: &str) -> Profile {
        let write = |name: &str, text: &str| {
            fs::write(self.folder.path().join(name), text).unwrap();
            PathBuf::from(name)
        };
        let file = ProfileFile {
            server: self.address.to_string(),
            web: None,
            server_name: "localhost".to_owned(),
            ca: write("ca.pem", ca),
            certificate: write("health.pem", client.certificate_pem()),
            key: write("health.key.pem", client.key_pem()),
            token_key: write("health.token.pem", self.token_key.private_pem()),
            token_kid: "health-1".to_owned(),
            partner: health(),
            issuer: None,
            user: "clerk-7".to_owned(),
            roles: vec![CallerRole::Provider],
            areas: Vec::new(),
            audience: AUDIENCE.to_owned(),
            blinding_key: None,
        };
        let path = self.folder.path().join("health.toml");
        fs::write(&path, file.to_toml().unwrap()).unwrap();
        Profile::read(&path).unwrap()
    }

    fn good_profile(&self) -> Profile {
        self.profile(&self.client, &self.authority.certificate_pem())
    }

    /// What a whole call with the profile comes to.
    async fn call(&self, profile: &Profile) -> Result<(), Status> {
        let gateway = connect(profile).await.expect("a connection");
        let mut client = HealthClient::new(gateway.service());
        client.check(HealthCheckRequest::default()).await.map(drop)
    }

    /// Waits for the one failure that is to be counted, and sees that there is no other.
    async fn counted(&self, failure: Failure) {
        let tally = self.next_tally().await;
        assert_eq!(tally.iter().collect::<Vec<_>>(), [(failure, 1)]);
    }

    async fn next_tally(&self) -> HandshakeTally {
        let patience = Duration::from_secs(30);
        let polling = async {
            loop {
                if let Some(tally) = self.failures.take() {
                    break tally;
                }
                time::sleep(Duration::from_millis(2)).await;
            }
        };
        time::timeout(patience, polling).await.expect("a failure that is counted")
    }

    /// A handshake of our own making, until the server has said yes (by waiting for more)
    /// or no (by closing).
    async fn shake_hands(
        &self,
        version: &'static SupportedProtocolVersion,
        client: Option<&Issued>,
        alpn: &[&[u8]],
    ) -> io::Result<()> {
        self.stay(version, client, alpn).await.map(drop)
    }

    /// The same, and stays connected.
    async fn stay(
        &self,
        version: &'static SupportedProtocolVersion,
        client: Option<&Issued>,
        alpn: &[&[u8]],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let pem = self.authority.certificate_pem();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_details(
            Arc::new(aws_lc_rs::default_provider()),
            Arc::new(TlsClock(Arc::new(Fixed))),
        )
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let chain = CertificateDer::from_pem_slice(client.certificate_pem().as_bytes());
                let key = PrivateKeyDer::from_pem_slice(client.key_pem().as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![chain.unwrap()], key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        // The HTTP/2 server speaks first: its settings, 9 bytes at least.
        stream.read_exact(&mut [0; 9]).await?;
        Ok(stream)
    }
}

async fn connect(profile: &Profile) -> Result<Gateway, ConnectorError> {
    Gateway::connect(profile, Arc::new(Fixed), Box::new(StdRng::seed_from_u64(7))).await
}

#[tokio::test]
async fn a_registered_caller_gets_through_and_others_hear_why_not() {
    let gateway = TestGateway::start(PATIENT).await;
    gateway.call(&gateway.good_profile()).await.unwrap();
    // A certificate of our authority that nobody registered.
    let stranger = gateway.authority.issue_client("health").unwrap();
    let profile = gateway.profile(&stranger, &gateway.authority.certificate_pem());
    let refused = gateway.call(&profile).await.unwrap_err();
    assert_eq!(refused.message(), "certificate_not_registered");
    // A call without a token.
    let channel = connect(&gateway.good_profile()).await.unwrap().channel();
    let refused = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    assert_eq!(refused.unwrap_err().message(), "token_missing");
    assert_eq!(gateway.failures.take(), None);
}

#[tokio::test]
async fn the_raw_client_of_these_tests_gets_in_when_all_is_well() {
    let gateway = TestGateway::start(PATIENT).await;
    gateway.shake_hands(&TLS13, Some(&gateway.client), &[b"h2"]).await.unwrap();
    assert_eq!(gateway.failures.take(), None);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_and_counted() {
    let gateway = TestGateway::start(PATIENT).await;
    gateway.shake_hands(&TLS13, None, &[b"h2"]).await.unwrap_err();
    gateway.counted(Failure::NoCertificate).await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_and_explained() {
    let gateway = TestGateway::start(PATIENT).await;
    let stranger = authority().issue_client("health").unwrap();
    gateway.shake_hands(&TLS13, Some(&stranger), &[b"h2"]).await.unwrap_err();
    gateway.counted(Failure::UnknownCa).await;
    let profile = gateway.profile(&stranger, &gateway.authority.certificate_pem());
    let error = connect(&profile).await.unwrap_err();
    assert!(matches!(error, ConnectorError::CertificateRefused), "{error}");
}

#[tokio::test]
async fn a_servers_certificate_is_no_clients() {
    let gateway = TestGateway::start(PATIENT).await;
    let server = gateway.authority.issue_server(&LOOPBACK_NAMES).unwrap();
    gateway.shake_hands(&TLS13, Some(&server), &[b"h2"]).await.unwrap_err();
    gateway.counted(Failure::BadCertificate).await;
}

#[tokio::test]
async fn tls_1_2_other_protocols_and_no_tls_are_refused() {
    let gateway = TestGateway::start(PATIENT).await;
    gateway.shake_hands(&TLS12, Some(&gateway.client), &[b"h2"]).await.unwrap_err();
    gateway.counted(Failure::Protocol).await;
    gateway.shake_hands(&TLS13, Some(&gateway.client), &[b"http/1.1"]).await.unwrap_err();
    gateway.counted(Failure::Protocol).await;
    gateway.shake_hands(&TLS13, Some(&gateway.client), &[]).await.unwrap_err();
    gateway.counted(Failure::Protocol).await;
    let mut plain = TcpStream::connect(gateway.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    gateway.counted(Failure::Protocol).await;
    // And a port scan: connect, say nothing, hang up.
    drop(TcpStream::connect(gateway.address).await.unwrap());
    gateway.counted(Failure::Other).await;
}

#[tokio::test]
async fn a_slow_handshake_ends_at_its_time_limit() {
    let limits = HandshakeLimits { time_limit: Duration::from_millis(200), ..PATIENT };
    let gateway = TestGateway::start(limits).await;
    let mut silent = TcpStream::connect(gateway.address).await.unwrap();
    gateway.counted(Failure::Timeout).await;
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0, "and the connection is closed");
}

#[tokio::test]
async fn clients_that_hang_hold_up_nobody() {
    let gateway = TestGateway::start(PATIENT).await;
    let mut hanging = Vec::new();
    for _ in 0..5 {
        let mut tcp = TcpStream::connect(gateway.address).await.unwrap();
        // The first bytes of a handshake record that never goes on.
        tcp.write_all(&[0x16, 0x03, 0x01, 0x02]).await.unwrap();
        hanging.push(tcp);
    }
    gateway.call(&gateway.good_profile()).await.unwrap();
    assert_eq!(gateway.failures.take(), None, "they still hang");
}

#[tokio::test]
async fn beyond_the_bound_connections_wait() {
    let gateway = TestGateway::start(HandshakeLimits { concurrent: 1, ..PATIENT }).await;
    let silent = TcpStream::connect(gateway.address).await.unwrap();
    let waiting = gateway.shake_hands(&TLS13, Some(&gateway.client), &[b"h2"]);
    tokio::pin!(waiting);
    let early = time::timeout(Duration::from_millis(50), waiting.as_mut()).await;
    assert!(early.is_err(), "it waits for its turn");
    drop(silent);
    waiting.await.unwrap();
    gateway.counted(Failure::Other).await;
}

#[tokio::test]
async fn one_address_can_not_take_every_place() {
    let gateway = TestGateway::start(HandshakeLimits { per_address: 2, ..PATIENT }).await;
    let first = TcpStream::connect(gateway.address).await.unwrap();
    let _second = TcpStream::connect(gateway.address).await.unwrap();
    let mut third = TcpStream::connect(gateway.address).await.unwrap();
    gateway.counted(Failure::Crowded).await;
    assert_eq!(third.read(&mut [0; 1]).await.unwrap_or(0), 0, "closed at once");
    drop(first);
    gateway.counted(Failure::Other).await;
    gateway.shake_hands(&TLS13, Some(&gateway.client), &[b"h2"]).await.unwrap();
}

#[tokio::test]
async fn one_certificate_can_not_have_every_connection() {
    let connections = Places { all: 8, when_crowded: 8, a_caller: 2, always: 1 };
    let gateway = TestGateway::start(HandshakeLimits { connections, ..PATIENT }).await;
    let own = || gateway.stay(&TLS13, Some(&gateway.client), &[b"h2"]);
    let (first, _second) = (own().await.unwrap(), own().await.unwrap());
    own().await.unwrap_err();
    gateway.counted(Failure::Crowded).await;
    let other = gateway.authority.issue_client("another").unwrap();
    let _other = gateway.stay(&TLS13, Some(&other), &[b"h2"]).await.unwrap();
    // A connection that ends gives its place back.
    drop(first);
    for _ in 0..1_000 {
        if own().await.is_ok() {
            return;
        }
        time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the place of a connection that ended was not given back");
}

#[tokio::test]
async fn a_new_client_authority_counts_from_the_next_handshake() {
    let gateway = TestGateway::start(PATIENT).await;
    let profile = gateway.good_profile();
    let before = connect(&profile).await.unwrap();
    HealthClient::new(before.service()).check(HealthCheckRequest::default()).await.unwrap();
    let clients = authority();
    gateway.config.store(Arc::new(config(&gateway.authority, &clients)));
    gateway.shake_hands(&TLS13, Some(&gateway.client), &[b"h2"]).await.unwrap_err();
    gateway.counted(Failure::UnknownCa).await;
    let new = clients.issue_client("health").unwrap();
    gateway.shake_hands(&TLS13, Some(&new), &[b"h2"]).await.unwrap();
    assert!(matches!(before.probe().await, Err(ConnectorError::CertificateRefused)));
    // A connection from before goes on; its certificate is asked for in the register, per call.
    HealthClient::new(before.service()).check(HealthCheckRequest::default()).await.unwrap();
}

#[tokio::test]
async fn stopping_closes_the_port_and_ends_the_server() {
    let gateway = TestGateway::start(PATIENT).await;
    gateway.call(&gateway.good_profile()).await.unwrap();
    let _hanging = TcpStream::connect(gateway.address).await.unwrap();
    gateway.stop.cancel();
    gateway.serving.await.unwrap().unwrap();
    TcpStream::connect(gateway.address).await.unwrap_err();
}

#[tokio::test]
async fn the_client_says_what_stands_in_its_way() {
    let gateway = TestGateway::start(PATIENT).await;
    let elsewhere = authority().certificate_pem();
    let distrusting = gateway.profile(&gateway.client, &elsewhere);
    let error = connect(&distrusting).await.unwrap_err();
    assert!(matches!(error, ConnectorError::NotTrusted { .. }), "{error}");
    assert!(error.to_string().contains("ca.pem"), "{error}");
    let file = ProfileFile {
        server_name: "gateway.example".to_owned(),
        ..gateway.good_profile().file().clone()
    };
    let misnamed = Profile::load(file, gateway.folder.path().to_owned()).unwrap();
    let error = connect(&misnamed).await.unwrap_err();
    assert!(matches!(error, ConnectorError::NotTrusted { .. }), "{error}");
    gateway.stop.cancel();
    gateway.serving.await.unwrap().unwrap();
    let folder = gateway.folder.path().to_owned();
    let file = misnamed.file().clone();
    let late = Profile::load(file, folder).unwrap();
    let error = connect(&late).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unreachable { .. }), "{error}");
}

#[test]
fn running_out_of_descriptors_is_waited_out() {
    let (emfile, enfile, econnaborted) = (24, 23, 103);
    assert!(!concerns_one_connection(&io::Error::from_raw_os_error(emfile)));
    assert!(!concerns_one_connection(&io::Error::from_raw_os_error(enfile)));
    assert!(concerns_one_connection(&io::Error::from_raw_os_error(econnaborted)));
}

#[test]
fn a_tally_whose_leaf_was_not_written_is_not_lost() {
    let failures = HandshakeFailures::default();
    assert_eq!(failures.take(), None);
    failures.count(Failure::Timeout);
    failures.count(Failure::Timeout);
    failures.count(Failure::UnknownCa);
    let tally = failures.take().unwrap();
    assert_eq!((tally.total(), tally.of(Failure::Timeout)), (3, 2));
    assert_eq!(failures.take(), None);
    failures.put_back(&tally);
    failures.count(Failure::Timeout);
    assert_eq!(failures.take().unwrap().of(Failure::Timeout), 3);
}

#[test]
fn files_that_do_not_fit_together_are_told_apart() {
    let authority = authority();
    let [one, two] = [(); 2].map(|()| authority.issue_server(&LOOPBACK_NAMES).unwrap());
    let ca = authority.certificate_pem();
    let build = |certificate: &str, key: &str, ca: &str| {
        let clock = Arc::new(Fixed);
        server_config(certificate.as_bytes(), key.as_bytes(), ca.as_bytes(), clock).err()
    };
    let (certificate, key) = (one.certificate_pem(), one.key_pem());
    assert_eq!(build(certificate, key, &ca), None);
    assert_eq!(build("", key, &ca), Some(TlsError::Certificate));
    assert_eq!(build(certificate, "", &ca), Some(TlsError::Key));
    assert_eq!(build(certificate, two.key_pem(), &ca), Some(TlsError::Mismatch));
    assert_eq!(build(certificate, key, ""), Some(TlsError::ClientAuthority));
}
