//! The published log: over HTTPS, over gRPC, and as `audit fetch` mirrors it.

use crate::support::{
    demo,
    gateway::{Copy, assert_refused},
    output, tallygate,
};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::TLS13,
};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};
use tallygate::{
    audit::TileFile,
    connector::{Gateway, Profile, ProfileFile},
    identity::SystemClock,
    protocol::CallerRole,
    verify::{Directory, VerifierKey, note::verify_checkpoint, path::FileName, verify_log},
    wire::v1::{
        self, access_log_service_client::AccessLogServiceClient,
        partner_service_client::PartnerServiceClient, read_entries_response::Message,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// An answer over HTTP/1.1.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Self {
            status: status.unwrap_or(0),
            headers: lines.filter_map(header).collect(),
            body: bytes.get(end + 4..).unwrap_or_default().to_vec(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The reason of a refusal, and whether its receipt is there.
    fn refusal(&self) -> (String, bool) {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let reason = body["reason"].as_str().unwrap_or_default().to_owned();
        (reason, body["receipt"]["leaf_index"].is_u64())
    }
}

/// Somebody who connects to the web listener, with or without a certificate.
struct Visitor {
    address: std::net::SocketAddr,
    config: ClientConfig,
    token: Option<String>,
}

impl Visitor {
    /// With certificate and key in PEM.
    fn new(gateway: &Copy, certificate: Option<(&[u8], &[u8])>) -> Self {
        let mut roots = RootCertStore::empty();
        let pem = fs::read(gateway.path("ca.pem")).unwrap();
        for authority in CertificateDer::pem_slice_iter(&pem) {
            roots.add(authority.unwrap()).unwrap();
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain).map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(key).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Self { address: gateway.running.web_address().unwrap(), config, token: None }
    }

    /// With a partner's certificate, and no token.
    fn partner(gateway: &Copy, partner: &str) -> Self {
        let read = |ending: &str| {
            fs::read(gateway.path(&format!("certificates/{partner}.{ending}"))).unwrap()
        };
        Self::new(gateway, Some((&read("pem"), &read("key"))))
    }

    /// With the certificate and a token as a profile says.
    async fn profile(gateway: &Copy, name: &str, file: ProfileFile) -> Self {
        let profile = Profile::load(file, gateway.path("profiles")).unwrap();
        let rng = Box::new(StdRng::seed_from_u64(31));
        let connection = Gateway::connect(&profile, Arc::new(SystemClock), rng).await.unwrap();
        let token = connection.tokens().authorization().unwrap();
        let token = Some(token.to_str().unwrap().to_owned());
        Self { token, ..Self::partner(gateway, name) }
    }

    async fn connect(&self, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut config = self.config.clone();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
    }

    /// Sends bytes as they are and hears the answer out.
    async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect(&[b"http/1.1"]).await;
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let mut chunk = [0; 8192];
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            bytes.extend_from_slice(&chunk[..read]);
        }
        Answer::parse(&bytes)
    }

    async fn ask(&self, method: &str, path: &str) -> Answer {
        let token = self.token.iter().map(|token| format!("authorization: {token}\r\n"));
        let token: String = token.collect();
        let end = "host: localhost\r\nconnection: close\r\n\r\n";
        self.raw(format!("{method} {path} HTTP/1.1\r\n{token}{end}").as_bytes()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).await
    }
}

fn key(gateway: &Copy) -> VerifierKey {
    fs::read_to_string(gateway.path("log.vkey")).unwrap().trim().parse().unwrap()
}

/// A gateway whose log has more entries than a tile, all of them published.
async fn with_a_full_tile() -> Copy {
    let gateway = Copy::start().await;
    look(&gateway, 300).await;
    gateway
}

/// Looks at the checkpoint until the log has so many entries, each look being one.
async fn look(gateway: &Copy, size: u64) {
    let client = AccessLogServiceClient::new(gateway.caller("auditor").await);
    loop {
        // No more at once than a connection may have streams.
        let missing = size.saturating_sub(live_size(gateway).await).min(40);
        if missing == 0 {
            break;
        }
        let looks = (0..missing).map(|_| {
            let mut client = client.clone();
            async move { client.get_checkpoint(v1::GetCheckpointRequest {}).await.map(drop) }
        });
        for look in futures_util::future::join_all(looks).await {
            look.unwrap();
        }
    }
    gateway.running.project_log().await.unwrap();
}

/// Sets the tick so that none but the first comes by itself, and waits for that one.
async fn with_a_standing_tick() -> Copy {
    let gateway = Copy::start().await;
    let path = gateway.path("gateway.toml");
    let config =
        fs::read_to_string(&path).unwrap().replace("tick_seconds = 1", "tick_seconds = 9000");
    fs::write(path, config).unwrap();
    let gateway = gateway.restart().await;
    // The second waits behind the task's own first, which has begun by then.
    gateway.running.project_log().await.unwrap();
    tokio::task::yield_now().await;
    look(&gateway, 300).await;
    // With a partial tile at the edge that is not about to be full.
    while !(1..200).contains(&(published_size(&gateway) % 256)) {
        live_size(&gateway).await;
        gateway.running.project_log().await.unwrap();
    }
    gateway
}

/// The newest entries of a kind, as `audit search` finds them.
async fn leaves(gateway: &Copy, kind: &str) -> Vec<serde_json::Value> {
    let mut client = AccessLogServiceClient::new(gateway.caller("auditor").await);
    let request =
        v1::SearchEntriesRequest { kind: kind.to_owned(), page_size: 1_000, ..Default::default() };
    let entries = client.search_entries(request).await.unwrap().into_inner().entries;
    entries.iter().map(|entry| serde_json::from_slice(&entry.leaf).unwrap()).collect()
}

fn published_size(gateway: &Copy) -> u64 {
    let note = fs::read(gateway.path("tiles/checkpoint")).unwrap();
    verify_checkpoint(&note, &key(gateway)).unwrap().size
}

async fn live_size(gateway: &Copy) -> u64 {
    let mut client = AccessLogServiceClient::new(gateway.caller("auditor").await);
    let note = client.get_checkpoint(v1::GetCheckpointRequest {}).await.unwrap().into_inner();
    verify_checkpoint(note.checkpoint.as_bytes(), &key(gateway)).unwrap().size
}

#[tokio::test]
async fn each_path_is_for_its_callers() {
    let gateway = with_a_standing_tick().await;
    let (tiles, key) = (gateway.path("tiles"), key(&gateway));
    let size = published_size(&gateway);
    assert!(size > 256, "a full tile is needed: {size}");
    let (partial, width) = (size / 256, size % 256);
    let edge = format!("/tile/0/{partial:03}.p/{width}");
    let bundle = format!("/tile/entries/{partial:03}.p/{width}");

    let health = Visitor::partner(&gateway, "health");
    let checkpoint = health.get("/checkpoint").await;
    assert_eq!(checkpoint.status, 200);
    assert_eq!(verify_checkpoint(&checkpoint.body, &key).unwrap().size, size);
    assert_eq!(checkpoint.header("content-type"), "text/plain; charset=utf-8");
    assert!(checkpoint.header("cache-control").contains("max-age=1,"), "{checkpoint:?}");
    for (path, immutable) in [("/tile/0/000", true), ("/tile/1/000.p/1", false), (&edge, false)] {
        let answer = health.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control").contains("immutable"), immutable, "{path}");
        assert_eq!(answer.header("tallygate-receipt"), "");
        if path != "/tile/1/000.p/1" {
            assert_eq!(answer.body, fs::read(tiles.join(&path[1..])).unwrap(), "{path}");
        }
        let head = health.ask("HEAD", path).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), answer.body.len().to_string());
    }
    // Narrower than published: the beginning; wider: not there.
    let whole = health.get("/tile/0/000").await.body;
    assert_eq!(health.get("/tile/0/000.p/5").await.body, whole[..160]);
    for path in
        [format!("/tile/0/{partial:03}"), "/tile/9/000".to_owned(), "/tile/7/x999/000".to_owned()]
    {
        let answer = health.get(&path).await;
        assert_eq!((answer.status, answer.refusal()), (404, ("not_found".to_owned(), false)));
    }

    let auditor = Visitor::profile(&gateway, "oversight", gateway.profile("auditor")).await;
    let looks = leaves(&gateway, "log_read").await.len();
    for path in ["/tile/entries/000", &bundle] {
        let answer = auditor.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body, fs::read(tiles.join(&path[1..])).unwrap(), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let receipt = receipt(answer.header("tallygate-receipt"));
        assert!(receipt["leaf_index"].as_u64().unwrap() >= size, "{receipt}");
    }
    // Two looks at entries and the search before, and none of all the looks at tiles.
    let after = leaves(&gateway, "log_read").await;
    assert_eq!(after.len(), looks + 3);
    assert_eq!(after[0]["size_class"], if width < 100 { "<100" } else { "<1000" });
    assert_eq!(after[1]["size_class"], "<1000");
    let missing = auditor.get("/tile/entries/999").await;
    assert_eq!((missing.status, missing.refusal()), (404, ("not_found".to_owned(), true)));
}

fn receipt(header: &str) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    serde_json::from_slice(&STANDARD.decode(header).unwrap()).unwrap()
}

#[tokio::test]
async fn others_are_refused_each_for_its_reason() {
    let gateway = Copy::start().await;
    let profile = |name: &str| gateway.profile(name);
    let health = Visitor::partner(&gateway, "health");
    let sender = Visitor::profile(&gateway, "health", profile("health")).await;
    let roles = vec![CallerRole::Auditor, CallerRole::Provider];
    let pretender = ProfileFile { roles, ..profile("health") };
    let pretender = Visitor::profile(&gateway, "health", pretender).await;
    let officer = Visitor::profile(&gateway, "authority", profile("officer")).await;
    let auditor = Visitor::profile(&gateway, "oversight", profile("auditor")).await;
    // The auditor's token on another partner's connection, and one that is none.
    let borrowed = Visitor { token: auditor.token.clone(), ..Visitor::partner(&gateway, "health") };
    let garbled = Visitor {
        token: Some("Bearer x.y.z".to_owned()),
        ..Visitor::partner(&gateway, "oversight")
    };
    let issued = gateway.stranger.issue_client("stranger").unwrap();
    let stranger = (issued.certificate_pem().as_bytes(), issued.key_pem().as_bytes());
    let stranger = Visitor::new(&gateway, Some(stranger));
    let mut officers = PartnerServiceClient::new(gateway.caller("officer").await);
    let bar = v1::DisablePartnerRequest { partner_id: "families".to_owned() };
    let families = Visitor::profile(&gateway, "families", profile("families")).await;
    officers.disable_partner(bar).await.unwrap();

    let entries = "/tile/entries/000";
    let refused = leaves(&gateway, "refused").await.len();
    #[rustfmt::skip]
    let cases = [
        (&health, entries, 401, "token_missing", "Bearer"),
        (&garbled, entries, 401, "token_malformed", "Bearer error=\"invalid_token\""),
        (&borrowed, entries, 401, "token_bound_to_another_certificate", "Bearer error=\"invalid_token\""),
        (&sender, entries, 403, "wrong_role", ""),
        (&pretender, entries, 403, "wrong_role", ""),
        (&officer, entries, 403, "wrong_role", ""),
        (&stranger, entries, 403, "certificate_not_registered", ""),
        (&stranger, "/checkpoint", 403, "certificate_not_registered", ""),
        (&stranger, "/nothing", 403, "certificate_not_registered", ""),
        (&families, entries, 403, "certificate_revoked", ""),
        (&families, "/checkpoint", 403, "certificate_revoked", ""),
        (&families, "/tile/0/000", 403, "certificate_revoked", ""),
    ];
    for (visitor, path, status, reason, challenge) in cases {
        let answer = visitor.get(path).await;
        assert_eq!(answer.status, status, "{path} {reason}: {answer:?}");
        assert_eq!(answer.refusal(), (reason.to_owned(), true), "{path}");
        assert_eq!(answer.header("www-authenticate"), challenge, "{path} {reason}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let after = leaves(&gateway, "refused").await;
    assert_eq!(after.len(), refused + cases.len());
    assert_eq!(after[0]["partner"], "families");

    // Without a certificate nothing is there, and each is counted as a failed handshake is.
    let nobody = Visitor { token: auditor.token.clone(), ..Visitor::new(&gateway, None) };
    for path in ["/checkpoint", "/tile/0/000", entries, "/", "/tile/%"] {
        let answer = nobody.get(path).await;
        assert_eq!(
            (answer.status, answer.refusal()),
            (403, ("certificate_missing".to_owned(), false))
        );
    }
    assert_eq!(leaves(&gateway, "refused").await.len(), after.len());
    let gateway = gateway.restart().await;
    let failed = leaves(&gateway, "handshakes_failed").await;
    assert_eq!(failed[0]["size_class"], "<100", "{failed:?}");
}

#[tokio::test]
async fn malformed_requests_have_the_status_of_the_standard_and_nothing_is_repeated() {
    let gateway = Copy::start().await;
    let visitor = Visitor::profile(&gateway, "oversight", gateway.profile("auditor")).await;
    let refused = leaves(&gateway, "refused").await.len();
    let long = format!("/tile/0/{}", "x999/".repeat(600));
    let malformed = [
        "/tile/",
        "/tile/0/0",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/5x",
        "/tile/64/000",
        "/tile/0/000?secret",
        "/checkpoint?secret",
        "/tile/0/../0/000",
        "/../secret",
        "/tile/%30/000",
        "/tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "/tile/entries/000/secret",
        "//checkpoint",
        "/tile/entries/%2e%2e/secret",
        "/tile/-1/000",
        &long,
    ];
    for path in malformed {
        let answer = visitor.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.refusal(), ("invalid_argument".to_owned(), true), "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{path}");
    }
    assert_eq!(leaves(&gateway, "refused").await.len(), refused + malformed.len());
    for path in ["/", "/tile", "/secret", "/checkpoint/", "/tile/8/000", "/tile/63/999"] {
        let answer = visitor.get(path).await;
        assert_eq!((answer.status, answer.refusal().1), (404, false), "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "SECRET"] {
        for path in ["/checkpoint", "/tile/entries/000", "/nothing"] {
            let answer = visitor.ask(method, path).await;
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, "GET, HEAD"),
                "{method} {path}"
            );
        }
    }
    let end = "host: localhost\r\nconnection: close\r\n";
    let chunked = "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for request in [
        format!("GET /checkpoint HTTP/1.1\r\n{end}content-length: 3\r\n\r\nabc"),
        format!("GET /tile/entries/000 HTTP/1.1\r\n{end}{chunked}"),
    ] {
        let answer = visitor.raw(request.as_bytes()).await;
        assert_eq!(answer.status, 400, "a body: {request}");
    }
    for request in [
        "GET\r\n\r\n".to_owned(),
        "GET /checkpoint HTTP/9.9\r\n\r\n".to_owned(),
        "GET /check point HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /checkpoint HTTP/1.1\r\n{end}bad header\r\n\r\n"),
        "\u{0}\u{1}\u{2}\u{3}\r\n\r\n".to_owned(),
    ] {
        let answer = visitor.raw(request.as_bytes()).await;
        assert!(matches!(answer.status, 0 | 400), "{request:?}: {answer:?}");
    }
    let huge = format!("GET /checkpoint HTTP/1.1\r\n{end}x: {}\r\n\r\n", "y".repeat(64 << 10));
    let answer = visitor.raw(huge.as_bytes()).await;
    assert!(matches!(answer.status, 0 | 400 | 431), "{answer:?}");
    assert_eq!(visitor.get("/checkpoint").await.status, 200, "and it goes on");
}

#[tokio::test]
async fn http_2_and_a_kept_connection_work_as_well() {
    let gateway = with_a_full_tile().await;
    let health = Visitor::partner(&gateway, "health");
    let stream = TokioIo::new(health.connect(&[b"h2"]).await);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    for (method, path, status, empty) in [
        ("GET", "/checkpoint", 200, false),
        ("HEAD", "/tile/0/000", 200, true),
        ("GET", "/tile/0/000", 200, false),
        ("GET", "/tile/entries/000", 401, false),
        ("GET", "/tile/x", 400, false),
        ("POST", "/checkpoint", 405, false),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("https://localhost{path}"))
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        if path == "/tile/0/000" {
            assert_eq!(answer.headers()["content-length"], "8192");
        }
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.is_empty(), empty, "{method} {path}");
    }
    // Two requests on one HTTP/1.1 connection, and no protocol named in the handshake.
    let mut stream = health.connect(&[]).await;
    let request = b"GET /tile/0/000 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    stream
        .write_all(b"GET /checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text:.300}");
}

/// The log grows by what partners and auditors do; the public side stands until the tick.
#[tokio::test]
async fn partners_see_the_log_grow_on_the_tick_alone() {
    let gateway = with_a_standing_tick().await;
    let key = key(&gateway);
    let mut partner = AccessLogServiceClient::new(gateway.caller("health").await);
    let mut auditor = AccessLogServiceClient::new(gateway.caller("auditor").await);
    let web = Visitor::partner(&gateway, "health");
    let size = |note: &[u8]| verify_checkpoint(note, &key).unwrap().size;
    let tick = size(&web.get("/checkpoint").await.body);
    let request = v1::GetCheckpointRequest {};
    for n in 0..3 {
        let told = partner.get_checkpoint(request).await.unwrap().into_inner();
        assert_eq!(size(told.checkpoint.as_bytes()), tick);
        let told = auditor.get_checkpoint(request).await.unwrap().into_inner();
        assert_eq!(size(told.checkpoint.as_bytes()), tick + 2 * n + 1, "the look before is there");
        assert_eq!(size(&web.get("/checkpoint").await.body), tick);
    }
    let tile = |index, width| v1::GetTileRequest { level: 0, index, width };
    let (partial, width) = (tick / 256, u32::try_from(tick % 256).unwrap());
    let hashes = partner.get_tile(tile(partial, 0)).await.unwrap().into_inner().hashes;
    let path = format!("/tile/0/{partial:03}.p/{width}");
    assert_eq!(hashes, web.get(&path).await.body);
    assert_refused(partner.get_tile(tile(partial, width + 1)).await, "not_found");
    assert_refused(partner.get_tile(tile(partial + 1, 0)).await, "not_found");
    assert_refused(partner.get_tile(tile(0, 257)).await, "invalid_argument");
    let high = v1::GetTileRequest { level: 64, index: 0, width: 0 };
    assert_refused(partner.get_tile(high).await, "invalid_argument");
    gateway.running.project_log().await.unwrap();
    let now = size(&web.get("/checkpoint").await.body);
    assert!(now >= tick + 10, "{now}");
    // The narrower tile of the tick before is still to be had.
    assert_eq!(web.get(&path).await.body, hashes);
    assert_eq!(partner.get_tile(tile(partial, width)).await.unwrap().into_inner().hashes, hashes);
}

/// Over gRPC: bundles are the very files, from any entry on.
#[tokio::test]
async fn entries_are_streamed_as_the_files_hold_them() {
    let gateway = with_a_standing_tick().await;
    let tiles = gateway.path("tiles");
    let mut client = AccessLogServiceClient::new(gateway.caller("auditor").await);
    let request = v1::ReadEntriesRequest { from_index: 300, known_size: 100, ..Default::default() };
    let mut answers = client.read_entries(request).await.unwrap().into_inner();
    let Some(Message::Opened(opened)) = answers.message().await.unwrap().unwrap().message else {
        panic!("not opened first");
    };
    let size = verify_checkpoint(opened.checkpoint.as_bytes(), &key(&gateway)).unwrap().size;
    assert!(!opened.consistency.is_empty());
    let (mut next, mut entries) = (1, 0);
    let closed = loop {
        match answers.message().await.unwrap().unwrap().message.unwrap() {
            Message::Bundle(bundle) => {
                let file = FileName::parse(&format!("tile/entries/{next:03}")).unwrap();
                assert_eq!(bundle.index, next);
                if bundle.width == 256 && bundle.index < size / 256 {
                    assert_eq!(bundle.entries, fs::read(tiles.join(file.path())).unwrap());
                }
                entries += u64::from(bundle.width);
                next += 1;
            }
            Message::Closed(closed) => break closed,
            Message::Opened(_) => panic!("opened twice"),
        }
    };
    assert_eq!((entries, closed.entries), (size - 256, size - 256));
    assert!(answers.message().await.unwrap().is_none());
    let opened_at = opened.receipt.unwrap().leaf_index;
    let leaf = &leaves(&gateway, "log_stream_closed").await[0];
    assert_eq!(leaf["stream"], opened_at);
    // A caller that goes away: its stream is closed all the same.
    let answers = client.read_entries(v1::ReadEntriesRequest::default()).await.unwrap();
    drop(answers);
    for _ in 0..500 {
        if leaves(&gateway, "log_stream_closed").await.len() == 2 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the stream of a caller who went away was not closed");
}

/// `audit fetch` as a command line.
struct Fetch<'a> {
    gateway: &'a Copy,
    profile: String,
    mirror: String,
    vkey: String,
}

impl<'a> Fetch<'a> {
    fn of(gateway: &'a Copy, profile: &str) -> Self {
        let text = |name: &str| gateway.path(name).to_str().unwrap().to_owned();
        let (mirror, vkey) = (text("mirror"), text("log.vkey"));
        Self { gateway, profile: gateway.profile_file(profile), mirror, vkey }
    }

    /// Runs it; gives standard output and standard error.
    fn run(&self, code: i32) -> (String, String) {
        let done = tallygate([
            "audit",
            "fetch",
            "--out",
            &self.mirror,
            "--vkey-file",
            &self.vkey,
            "--format",
            "json",
            "--profile",
            &self.profile,
            "--receipts",
            self.gateway.path("kept").to_str().unwrap(),
        ]);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(done.stdout), text(done.stderr));
        assert_eq!(done.status.code(), Some(code), "{out}\n{err}");
        (out, err)
    }

    fn fetched(&self) -> u64 {
        let out: serde_json::Value = serde_json::from_str(&self.run(0).0).unwrap();
        out["entries"].as_u64().unwrap()
    }

    /// Verifies the mirror with the program, and with the receipts of the fetches.
    fn verify(&self, code: i32) -> String {
        output(&["audit", "verify", &self.mirror, "--vkey-file", &self.vkey], code)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_fetched_grows_and_survives_accidents() {
    let gateway = with_a_full_tile().await;
    let fetch = Fetch::of(&gateway, "auditor");
    let first = fetch.fetched();
    fetch.verify(0);
    assert!(live_size(&gateway).await > first);
    let second = fetch.fetched();
    assert!(second > first);
    fetch.verify(0);
    let report = verify_log(&Directory::new(&fetch.mirror), &key(&gateway)).unwrap();
    assert_eq!((report.size, report.notices.len()), (Some(second), 0));
    let kinds = (report.kinds["log_stream_opened"], report.kinds["log_stream_closed"]);
    assert_eq!(kinds, (1, 1), "of the fetch before");
    // What the fetches were given as receipts stands in what they fetched.
    fetch.fetched();
    let kept = gateway.path("kept");
    for (n, name) in fs::read_dir(&kept).unwrap().map(|item| item.unwrap().path()).enumerate() {
        assert!(n < 6, "two receipts a fetch");
        let last: u64 = name.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        if last >= second {
            fs::remove_file(name).unwrap();
        }
    }
    let kept = kept.to_str().unwrap();
    let verified = output(
        &["audit", "verify", &fetch.mirror, "--receipts", kept, "--vkey-file", &fetch.vkey],
        0,
    );
    assert!(verified.contains("receipts hold, 0 do not"), "{verified}");

    let mirror = Path::new(&fetch.mirror);
    for path in ["tile/entries/000", "tile/0/000", "tile/1/000.p"] {
        let path = mirror.join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        fetch.verify(1);
        fetch.fetched();
        fetch.verify(0);
    }
    // An altered entry is found by --recheck.
    let path = mirror.join("tile/entries/000");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    fetch.verify(1);
    fetch.fetched();
    fetch.verify(1);
    let recheck =
        ["audit", "fetch", "--recheck", "--out", &fetch.mirror, "--vkey-file", &fetch.vkey];
    output(&[&recheck[..], &["--profile", &fetch.profile]].concat(), 0);
    fetch.verify(0);
    assert!(gateway.path("mirror.damaged-4").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_or_forked_gateway_is_refused_and_the_evidence_kept() {
    let gateway = Copy::start().await;
    // The mirror is to be ahead of where a restored backup starts again, its start and all.
    while live_size(&gateway).await < demo_size() + 20 {}
    let had = Fetch::of(&gateway, "auditor").fetched();
    let checkpoint = fs::read(gateway.path("mirror/checkpoint")).unwrap();
    // An earlier state of the database, as a backup has it.
    let gateway = gateway
        .restart_with(|folder| {
            fs::copy(demo().dir.join("gateway.db"), folder.join("gateway.db")).unwrap();
            for ending in ["gateway.db-wal", "gateway.db-shm"] {
                let _ = fs::remove_file(folder.join(ending));
            }
        })
        .await;
    let fetch = Fetch::of(&gateway, "auditor");
    assert!(live_size(&gateway).await < had);
    let (out, err) = fetch.run(1);
    assert!(out.is_empty() && err.contains("rolled back"), "{err}");
    fetch.verify(0);
    assert_eq!(fs::read(gateway.path("mirror/checkpoint")).unwrap(), checkpoint);
    let evidence = || fs::read_dir(gateway.path("mirror.evidence")).unwrap().count();
    assert_eq!(evidence(), 2);
    // It grows beyond where it was: another history under the same key.
    while live_size(&gateway).await <= had {}
    let (out, err) = fetch.run(1);
    assert!(out.is_empty() && err.contains("does not prove"), "{err}");
    fetch.verify(0);
    assert_eq!(fs::read(gateway.path("mirror/checkpoint")).unwrap(), checkpoint);
    assert_eq!(evidence(), 3);
    for item in fs::read_dir(gateway.path("mirror.evidence")).unwrap() {
        let note = fs::read(item.unwrap().path()).unwrap();
        verify_checkpoint(&note, &key(&gateway)).unwrap();
    }
}

fn demo_size() -> u64 {
    let note = fs::read_to_string(demo().dir.join("tiles/checkpoint")).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_auditor_with_the_right_key_fetches() {
    let gateway = Copy::start().await;
    let (out, err) = Fetch::of(&gateway, "health").run(2);
    assert!(out.is_empty() && err.contains("role"), "{err}");
    assert!(!gateway.path("mirror").exists());
    // Another log's key: the gateway's checkpoint is not that log's.
    let mut fetch = Fetch::of(&gateway, "auditor");
    let other =
        tallygate::audit::LogSigner::from_seed("other.example/1".parse().unwrap(), &[1; 32]);
    fetch.vkey = gateway.path("other.vkey").to_str().unwrap().to_owned();
    fs::write(&fetch.vkey, other.unwrap().vkey()).unwrap();
    let (_, err) = fetch.run(2);
    assert!(err.contains("no such thing"), "{err}");
    assert!(!gateway.path("mirror").exists() && !gateway.path("mirror.evidence").exists());
}

proptest! {
    /// The gateway's reading of paths and the verifier's, written apart, agree.
    #[test]
    fn two_readings_of_paths_agree(path in "tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,3}[0-9]{2,4}(\\.p/[0-9]{1,3})?") {
        let level_of_ours = path.split('/').nth(1).unwrap().parse().is_ok_and(|level: u8| level >= 8);
        let ours = TileFile::parse(&path).map(|file| (file.index, file.width));
        let theirs = FileName::parse(&path).map(|file| (file.index, file.width));
        prop_assert!(ours == theirs || (level_of_ours && theirs.is_none()), "{path}");
    }
}
