//! What idle, slow and greedy callers cost the witness.

use super::*;
use crate::{keys::SigningKey, witness::WitnessSigner};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

async fn listen(folder: &std::path::Path, limits: ListenLimits) -> SocketAddr {
    let key = SigningKey::generate(&mut StdRng::seed_from_u64(1)).unwrap();
    let signer = WitnessSigner::new("w.example", key).unwrap();
    let witness =
        Arc::new(Witness::open(signer, crate::witness::Watched::default(), folder).unwrap());
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let now: Now = Arc::new(|| Timestamp::UNIX_EPOCH);
    let site = Site { witness, now, limits };
    tokio::spawn(accept(tcp, None, site, CancellationToken::new()));
    address
}

/// A connection from an address of this machine.
async fn from(source: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(source.parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// What comes until the other side closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const GET: &[u8] = b"GET /x HTTP/1.1\r\nhost: w\r\n\r\n";

#[tokio::test]
async fn one_host_cannot_take_every_place() {
    let folder = tempfile::tempdir().unwrap();
    let hours = Duration::from_secs(7200);
    let limits = ListenLimits { connections: 4, per_address: 2, patience: hours, life: hours };
    let to = listen(folder.path(), limits).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(from("127.0.0.2:0", to).await);
    }
    let mut other = from("127.0.0.1:0", to).await;
    // One connection, one answer: it is closed, however many requests come.
    other.write_all(&GET.repeat(2)).await.unwrap();
    let answer = rest(other).await;
    assert_eq!(answer.matches("HTTP/1.1 404 ").count(), 1, "{answer}");
    // Those beyond its share were closed, the two others are open for their time.
    let closed = idle.split_off(2);
    for stream in closed {
        assert_eq!(rest(stream).await, "");
    }
    drop(idle);
}

#[tokio::test]
async fn a_connection_ends_whatever_its_caller_does() {
    let folder = tempfile::tempdir().unwrap();
    let limits = ListenLimits {
        connections: 1,
        per_address: 1,
        patience: Duration::from_secs(7200),
        life: Duration::from_millis(250),
    };
    let to = listen(folder.path(), limits).await;
    assert_eq!(rest(from("127.0.0.2:0", to).await).await, "");
    // A body that never ends.
    let mut slow = from("127.0.0.2:0", to).await;
    let head = b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: 9\r\n\r\nold";
    slow.write_all(head).await.unwrap();
    assert_eq!(rest(slow).await, "");
    let mut other = from("127.0.0.1:0", to).await;
    other.write_all(GET).await.unwrap();
    assert!(rest(other).await.starts_with("HTTP/1.1 404 "));
}

#[test]
fn addresses_are_counted_by_whom_they_stand_for() {
    let addresses = Addresses::default();
    let count = |text: &str| addresses.count(text.parse().unwrap(), 1);
    let first = count("2001:db8::1").unwrap();
    assert!(count("2001:db8::ffff:2").is_none(), "one network");
    assert!(count("2001:db8:0:1::1").is_some());
    let mapped = count("::ffff:192.0.2.1").unwrap();
    assert!(count("192.0.2.1").is_none(), "one address");
    drop((first, mapped));
    assert!(count("2001:db8::1").is_some() && count("192.0.2.1").is_some());
    assert!(addresses.held().is_empty());
}
