//! The witness over HTTP/1.1, with TLS where a certificate is given.
//!
//! There are no callers to recognise: the log's own signature is what lets a request in. So
//! bodies are small, times short and connections few, and nothing of a caller is logged.

use super::{
    config::{WitnessConfig, WitnessConfigError},
    service::{Answer, Witness},
};
use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A request with 63 hashes and a checkpoint with dozens of signatures stays far below.
const MOST_BODY_BYTES: usize = 48 * 1024;
/// What is read of a longer one before it is cut off.
const MOST_DROPPED_BYTES: usize = 4 * 1024 * 1024;
/// Connections at a time; more wait.
const MOST_CONNECTIONS: usize = 64;
/// For a handshake, for a request's head, and for its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// After an accept that failed (the process is out of file descriptors).
const PAUSE: Duration = Duration::from_millis(200);

/// Where the witness takes its time from.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A listening witness.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    vkey: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The verifier key of its cosignatures.
    #[must_use]
    pub fn vkey(&self) -> &str {
        &self.vkey
    }

    /// Stops listening. Requests under way are cut off: what was kept stays, and what was
    /// not answered was not given away.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

/// Opens the state and listens.
///
/// # Errors
/// When state, certificate or address can't be used.
pub async fn start(config: &WitnessConfig, now: Now) -> Result<Running, WitnessConfigError> {
    let witness = Arc::new(config.witness()?);
    let tls = match &config.tls {
        None => None,
        Some((chain, key)) => Some(TlsAcceptor::from(Arc::new(tls_config(chain, key)?))),
    };
    let address = config.listen;
    let bind = |source| WitnessConfigError::Bind { address, source };
    let tcp = TcpListener::bind(address).await.map_err(bind)?;
    let address = tcp.local_addr().map_err(bind)?;
    let (stop, vkey) = (CancellationToken::new(), witness.vkey());
    let task = tokio::spawn(accept(tcp, tls, Site { witness, now }, stop.clone()));
    Ok(Running { address, vkey, stop, task })
}

fn tls_config(chain: &[u8], key: &[u8]) -> Result<ServerConfig, WitnessConfigError> {
    let wrong = || WitnessConfigError::Tls;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| wrong())?;
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|_| wrong())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|_| wrong())
}

/// What answers requests.
#[derive(Clone)]
struct Site {
    witness: Arc<Witness>,
    now: Now,
}

async fn accept(tcp: TcpListener, tls: Option<TlsAcceptor>, site: Site, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                tcp.accept().await.map(|(stream, _)| (stream, place))
            } => accepted,
        };
        let Ok((stream, place)) = accepted else {
            time::sleep(PAUSE).await;
            continue;
        };
        let (tls, site, stop) = (tls.clone(), site.clone(), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(stream, tls, site) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, site: Site) {
    let Some(tls) = tls else { return requests(TokioIo::new(stream), site).await };
    // Somebody who does not finish a handshake is no event.
    if let Ok(Ok(stream)) = time::timeout(PATIENCE, tls.accept(stream)).await {
        requests(TokioIo::new(stream), site).await;
    }
}

async fn requests<I: hyper::rt::Read + hyper::rt::Write + Unpin>(io: I, site: Site) {
    let service = service_fn(move |request| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(64 * 1024);
    if let Err(error) = http.serve_connection(io, service).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

impl Site {
    async fn answer(&self, request: http::Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/add-checkpoint" {
            return reply(StatusCode::NOT_FOUND, "there is only POST /add-checkpoint\n");
        }
        if request.method() != Method::POST {
            let mut refused = reply(StatusCode::METHOD_NOT_ALLOWED, "POST only\n");
            let _ =
                refused.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static("POST"));
            return refused;
        }
        let body = match time::timeout(PATIENCE, read(request.into_body())).await {
            Ok(Ok(body)) => body,
            Ok(Err((status, words))) => return reply(status, words),
            Err(_) => return reply(StatusCode::REQUEST_TIMEOUT, "the request took too long\n"),
        };
        let (witness, now) = (Arc::clone(&self.witness), (self.now)());
        // The state is written to disk on the way.
        let answer = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body, now)).await;
        answered(answer.unwrap_or(Answer::NotKept))
    }
}

/// The body, unless it is too long. The rest of such a one is read and dropped within a bound:
/// a connection that is closed on unread bytes takes the answer with it.
async fn read(mut incoming: Incoming) -> Result<Vec<u8>, (StatusCode, &'static str)> {
    let (mut body, mut length) = (Vec::new(), 0);
    while let Some(frame) = incoming.frame().await {
        let broken = |_| (StatusCode::BAD_REQUEST, "the request broke off\n");
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        length += data.len();
        if length <= MOST_BODY_BYTES {
            body.extend_from_slice(&data);
        } else if length > MOST_DROPPED_BYTES {
            break;
        }
    }
    if length <= MOST_BODY_BYTES {
        Ok(body)
    } else {
        Err((StatusCode::PAYLOAD_TOO_LARGE, "the request is too long\n"))
    }
}

fn answered(answer: Answer) -> Response<Full<Bytes>> {
    match answer {
        Answer::Cosigned(line) => reply(StatusCode::OK, line),
        Answer::Malformed => {
            reply(StatusCode::BAD_REQUEST, "not an add-checkpoint request with a checkpoint\n")
        }
        Answer::NotSigned => {
            reply(StatusCode::FORBIDDEN, "the checkpoint is not signed by a key of its log\n")
        }
        Answer::UnknownLog => reply(StatusCode::NOT_FOUND, "this log is not watched here\n"),
        Answer::Conflict { size } => {
            let mut conflict = reply(StatusCode::CONFLICT, format!("{size}\n"));
            let kind = http::HeaderValue::from_static("text/x.tlog.size");
            let _ = conflict.headers_mut().insert(header::CONTENT_TYPE, kind);
            conflict
        }
        Answer::NotConsistent => {
            reply(StatusCode::UNPROCESSABLE_ENTITY, "the proof does not show that the log grew\n")
        }
        Answer::NotKept => {
            reply(StatusCode::INTERNAL_SERVER_ERROR, "the state can't be kept: not cosigned\n")
        }
        Answer::ClockWentBack => {
            reply(StatusCode::SERVICE_UNAVAILABLE, "the witness's clock is wrong: not cosigned\n")
        }
    }
}

fn reply(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("text/plain; charset=utf-8");
    let _ = response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
