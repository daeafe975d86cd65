//! The published log: over HTTPS, over gRPC, and as `audit fetch` mirrors it.

mod mirror;
mod visitor;

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
use visitor::Visitor;

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
