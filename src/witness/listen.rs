//! The witness over HTTP/1.1, with TLS where a certificate is given.
//!
//! There are no callers to recognise: the log's own signature is what lets a request in. So
//! bodies are small, times short and connections few, each for one request and with an end of
//! its own, so that one that never reads its answer is cut off; of one address there are only a
//! few, so that no single host can shut the witness. Nothing of a caller is logged.

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
use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
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
/// What strangers may cost the witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenLimits {
    /// Connections at a time; more wait.
    pub connections: usize,
    /// Connections of one address (of IPv6, one network of 64 bits) at a time; more are closed.
    pub per_address: usize,
    /// For a handshake, for a request's head, and for its body.
    pub patience: Duration,
    /// For a whole connection, however far its answer has come.
    pub life: Duration,
}

impl Default for ListenLimits {
    /// 64 at once, 8 of one address; 10 seconds a step, 30 in all.
    fn default() -> Self {
        let (patience, life) = (Duration::from_secs(10), Duration::from_secs(30));
        Self { connections: 64, per_address: 8, patience, life }
    }
}

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
    let site = Site { witness, now, limits: ListenLimits::default() };
    let task = tokio::spawn(accept(tcp, tls, site, stop.clone()));
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
    limits: ListenLimits,
}

/// How many connections each address has.
#[derive(Debug, Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address, counted until it is dropped.
#[derive(Debug)]
struct Counted {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more of this address; `None` when it has all that one may have.
    fn count(&self, address: IpAddr, most: usize) -> Option<Counted> {
        let address = neighbour(address);
        let mut held = self.held();
        let count = held.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Counted { addresses: self.clone(), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut held = self.addresses.held();
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}

/// Whom an address stands for: of IPv6 a whole network, which one host may have to itself.
fn neighbour(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

async fn accept(tcp: TcpListener, tls: Option<TlsAcceptor>, site: Site, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(site.limits.connections));
    let addresses = Addresses::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                tcp.accept().await.map(|(stream, remote)| (stream, remote, place))
            } => accepted,
        };
        let Ok((stream, remote, place)) = accepted else {
            time::sleep(PAUSE).await;
            continue;
        };
        // Dropped, and so closed.
        let Some(counted) = addresses.count(remote.ip(), site.limits.per_address) else { continue };
        let (tls, site, stop) = (tls.clone(), site.clone(), stop.clone());
        tokio::spawn(async move {
            let _counted = (place, counted);
            let life = site.limits.life;
            tokio::select! {
                () = stop.cancelled() => {}
                _ = time::timeout(life, connection(stream, tls, site)) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, site: Site) {
    let Some(tls) = tls else { return requests(TokioIo::new(stream), site).await };
    // Somebody who does not finish a handshake is no event.
    if let Ok(Ok(stream)) = time::timeout(site.limits.patience, tls.accept(stream)).await {
        requests(TokioIo::new(stream), site).await;
    }
}

async fn requests<I: hyper::rt::Read + hyper::rt::Write + Unpin>(io: I, site: Site) {
    let patience = site.limits.patience;
    let service = service_fn(move |request| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(64 * 1024)
        // Nobody asks so often that a connection a request would matter.
        .keep_alive(false);
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
        let body = match time::timeout(self.limits.patience, read(request.into_body())).await {
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

#[cfg(test)]
mod tests;
