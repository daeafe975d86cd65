//! What idle, slow and greedy callers cost the web.

use super::*;
use http_body_util::Full;
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
};
use tokio_stream::wrappers::UnboundedReceiverStream;

/// Says who asked.
struct Says;

impl Answers for Says {
    async fn answer(&self, peer: Option<&Peer>, _: &Parts, _: bool) -> Answer {
        let word = if peer.is_some() { "partner" } else { "stranger" };
        Answer::new(Full::from(word))
    }
}

const HOUR: Duration = Duration::from_secs(3600);

fn limits() -> WebLimits {
    WebLimits {
        connections: 6,
        per_certificate: 3,
        uncertified: 4,
        per_address: 2,
        headers_time: HOUR,
        life: HOUR,
        uncertified_life: HOUR,
        last_requests: HOUR,
    }
}

struct Web(mpsc::UnboundedSender<(DuplexStream, Visitor)>);

impl Web {
    fn new(limits: WebLimits) -> Self {
        let (connect, connections) = mpsc::unbounded_channel();
        let connections = UnboundedReceiverStream::new(connections);
        tokio::spawn(serve(Arc::new(Says), connections, limits, CancellationToken::new()));
        Self(connect)
    }

    fn connect(&self, address: &str, peer: Option<Peer>) -> DuplexStream {
        let (here, there) = duplex(64 << 10);
        let remote = SocketAddr::new(address.parse().unwrap(), 9);
        self.0.send((there, (remote, peer))).unwrap();
        here
    }
}

fn partner() -> Peer {
    let certificate = CertificateDer::from(vec![1]);
    Peer::new("192.0.2.9:9".parse().unwrap(), &[certificate]).unwrap()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: w\r\n\r\n";

/// What comes until the other side closes.
async fn rest(mut stream: DuplexStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn idle_strangers_shut_nobody_out() {
    let web = Web::new(limits());
    let mut idle = Vec::new();
    for host in 1..9 {
        for _ in 0..3 {
            idle.push(web.connect(&format!("192.0.2.{host}"), None));
        }
    }
    let partner = partner();
    for _ in 0..2 {
        let mut stream = web.connect("192.0.2.1", Some(partner.clone()));
        stream.write_all(GET).await.unwrap();
        let mut answer = vec![0; 400];
        let read = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("partner"), "{answer}");
        idle.push(stream);
    }
    // Two of the first address, two of the second; the others were closed.
    for (number, stream) in idle.drain(..24).enumerate().collect::<Vec<_>>() {
        if ![0, 1, 3, 4].contains(&number) {
            assert_eq!(rest(stream).await, "", "{number}");
        }
    }
}

#[tokio::test]
async fn a_stranger_gets_one_answer_and_a_partner_many() {
    let web = Web::new(limits());
    let mut stranger = web.connect("192.0.2.1", None);
    stranger.write_all(&GET.repeat(3)).await.unwrap();
    assert_eq!(rest(stranger).await.matches("HTTP/1.1 200 ").count(), 1);
    let mut known = web.connect("192.0.2.1", Some(partner()));
    known.write_all(&GET.repeat(2)).await.unwrap();
    let last = b"GET / HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n";
    known.write_all(last).await.unwrap();
    assert_eq!(rest(known).await.matches("HTTP/1.1 200 ").count(), 3);
}

#[tokio::test]
async fn who_never_asks_is_not_waited_for() {
    let short = Duration::from_millis(30);
    let web = Web::new(WebLimits { headers_time: short, ..limits() });
    // Nothing, half of what HTTP/2 begins with, half of a request.
    for begun in [&b""[..], b"PRI * HTT", b"GET / HT"] {
        let mut stream = web.connect("192.0.2.1", Some(partner()));
        stream.write_all(begun).await.unwrap();
        let answer = rest(stream).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    let web = Web::new(WebLimits { uncertified_life: short, ..limits() });
    assert_eq!(rest(web.connect("192.0.2.1", None)).await, "");
}
