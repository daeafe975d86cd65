//! The witness as anybody on the network meets it.

use super::Site;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends bytes and reads until the other side closes.
async fn send(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may answer and close before it has read all.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn post(address: SocketAddr, path: &str, body: &[u8]) -> String {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    send(address, &[head.as_bytes(), body].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_witness_answers_with_the_standards_statuses() {
    let site = Site::new().await;
    let oversight = site.witness("oversight", false).await;
    let at = oversight.address;
    let note = std::fs::read_to_string(site.path("tiles/checkpoint")).unwrap();
    let size = note.lines().nth(1).unwrap().to_owned();
    let ask = |old: &str, note: String| {
        let body = format!("old {old}\n\n{note}");
        async move { post(at, "/add-checkpoint", body.as_bytes()).await }
    };
    let other = note.replace("tallygate.example", "elsewhere.example");
    assert!(ask("0", other).await.starts_with("HTTP/1.1 404 "));
    let forged = note.replacen(&size, "7", 1);
    assert!(ask("0", forged).await.starts_with("HTTP/1.1 403 "));
    assert!(ask("99999999", note.clone()).await.starts_with("HTTP/1.1 400 "));
    assert!(ask("1", note.clone()).await.contains("\r\n\r\n0\n"), "never seen");
    let cosigned = ask("0", note.clone()).await;
    assert!(
        cosigned.starts_with("HTTP/1.1 200 ") && cosigned.contains("\u{2014} oversight.example ")
    );
    let conflict = ask("0", note.clone()).await;
    assert!(conflict.starts_with("HTTP/1.1 409 "), "{conflict}");
    assert!(conflict.contains("content-type: text/x.tlog.size\r\n"), "{conflict}");
    assert!(conflict.ends_with(&format!("\r\n\r\n{size}\n")), "{conflict}");
    let proof = format!("old {size}\n{}=\n\n{note}", "A".repeat(43));
    assert!(post(at, "/add-checkpoint", proof.as_bytes()).await.starts_with("HTTP/1.1 422 "));
    for body in [&b""[..], b"\n\n", b"old 0\n\nnonsense\n", b"\xff\x00\xff\n\n\xff"] {
        assert!(post(at, "/add-checkpoint", body).await.starts_with("HTTP/1.1 400 "));
    }
    let long = vec![b'A'; 64 * 1024];
    assert!(post(at, "/add-checkpoint", &long).await.starts_with("HTTP/1.1 413 "));
    assert!(post(at, "/elsewhere", b"").await.starts_with("HTTP/1.1 404 "));
    let get = b"GET /add-checkpoint HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n";
    let get = send(at, get).await;
    assert!(get.starts_with("HTTP/1.1 405 ") && get.contains("allow: POST"), "{get}");
    assert!(send(at, b"\x16\x03\x01 not http\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    // And after all that it still answers.
    assert!(ask(&size, note.clone()).await.starts_with("HTTP/1.1 200 "));
    assert!(ask("0", note).await.starts_with("HTTP/1.1 409 "));
}
