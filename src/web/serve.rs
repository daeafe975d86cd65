//! Connections of the web: HTTP/1.1 and HTTP/2 over what the accept loop hands over.
//!
//! Every connection has a bound on its headers, on the time until its first request, on the
//! requests at once, and on its own life, so that nobody can hold one for ever; and there are
//! only so many connections, of each holder ever fewer. Who shows no certificate gets one
//! answer within a few seconds, and all of those together only a part of the places: nobody
//! from outside can shut out the partners. A request's body is never read.

use super::{Site, site::Answer};
use crate::identity::{CertificateFingerprint, Peer};
use http::{Response, request::Parts};
use hyper::{
    Request,
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error,
    future::{self, Future},
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time,
};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;

/// Requests of one HTTP/2 connection at once.
const REQUESTS_A_CONNECTION: u32 = 32;
/// How large a request's headers may be.
const HEADERS_BYTES: u32 = 16 << 10;
/// How often an idle HTTP/2 connection is asked whether its caller is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What callers may cost the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebLimits {
    /// Connections at once; further ones are closed.
    pub connections: usize,
    /// Of them, those of one certificate.
    pub per_certificate: usize,
    /// Of them, those without a certificate.
    pub uncertified: usize,
    /// Of these, those of one address (of IPv6, one network of 64 bits).
    pub per_address: usize,
    /// How long a request's headers may take to come, the first one's from the handshake on.
    pub headers_time: Duration,
    /// How long a connection is served; whoever wants more opens another.
    pub life: Duration,
    /// The same without a certificate.
    pub uncertified_life: Duration,
    /// How long requests under way may take once their connection is to end.
    pub last_requests: Duration,
}

impl Default for WebLimits {
    /// 512 connections, 64 of a certificate; without one 64, 8 of an address.
    fn default() -> Self {
        Self {
            connections: 512,
            per_certificate: 64,
            uncertified: 64,
            per_address: 8,
            headers_time: Duration::from_secs(15),
            life: Duration::from_secs(600),
            uncertified_life: Duration::from_secs(5),
            last_requests: Duration::from_secs(20),
        }
    }
}

/// Whoever is at the other end: from where, and by which certificate.
pub type Visitor = (SocketAddr, Option<Peer>);

/// What answers requests.
pub trait Answers: Send + Sync + 'static {
    /// Answers a request that came over the connection of `peer`.
    fn answer(
        &self,
        peer: Option<&Peer>,
        request: &Parts,
        has_body: bool,
    ) -> impl Future<Output = Answer> + Send;
}

impl Answers for Site {
    async fn answer(&self, peer: Option<&Peer>, request: &Parts, has_body: bool) -> Answer {
        Self::answer(self, peer, request, has_body).await
    }
}

/// Who holds a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    Certificate(CertificateFingerprint),
    Address(IpAddr),
}

impl Holder {
    pub(super) fn of((remote, peer): &Visitor) -> Self {
        match (peer, remote.ip().to_canonical()) {
            (Some(peer), _) => Self::Certificate(*peer.fingerprint()),
            // One host may have a whole network of IPv6 to itself.
            (None, IpAddr::V6(address)) => {
                Self::Address(IpAddr::V6((u128::from(address) >> 64 << 64).into()))
            }
            (None, address) => Self::Address(address),
        }
    }
}

/// The connections under way.
#[derive(Debug, Default)]
pub(super) struct Held {
    all: usize,
    uncertified: usize,
    of: HashMap<Holder, usize>,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    held: Arc<Mutex<Held>>,
    holder: Holder,
}

impl Place {
    /// A place for a holder; `None` when it or all have as many as they may have.
    pub(super) fn take(
        held: &Arc<Mutex<Held>>,
        holder: Holder,
        limits: &WebLimits,
    ) -> Option<Self> {
        let mut now = held.lock().unwrap_or_else(PoisonError::into_inner);
        let of = now.of.get(&holder).copied().unwrap_or(0);
        let crowded = match holder {
            Holder::Certificate(_) => of >= limits.per_certificate,
            Holder::Address(_) => of >= limits.per_address || now.uncertified >= limits.uncertified,
        };
        if crowded || now.all >= limits.connections {
            return None;
        }
        now.all += 1;
        now.uncertified += usize::from(matches!(holder, Holder::Address(_)));
        now.of.insert(holder, of + 1);
        Some(Self { held: Arc::clone(held), holder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut now = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        now.all -= 1;
        now.uncertified -= usize::from(matches!(self.holder, Holder::Address(_)));
        if let Some(of) = now.of.get_mut(&self.holder) {
            *of -= 1;
            if *of == 0 {
                now.of.remove(&self.holder);
            }
        }
    }
}

/// Serves a site on connections with the visitor of each, until the stream of them ends and
/// the requests under way are answered. Once `stop` is cancelled, connections take no new ones.
pub async fn serve<C: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    site: Arc<impl Answers>,
    connections: impl Stream<Item = (C, Visitor)> + Send,
    limits: WebLimits,
    stop: CancellationToken,
) {
    let mut connections = pin!(connections);
    let held = Arc::default();
    // Dropped when the server is: then nothing of it goes on.
    let mut serving = JoinSet::new();
    loop {
        let next = tokio::select! {
            next = connections.next() => next,
            // A connection that has ended only needs to be forgotten.
            Some(_) = serving.join_next() => continue,
        };
        let Some((stream, visitor)) = next else { break };
        // Whoever has too many sees this one closed, and nobody waits behind it.
        let Some(place) = Place::take(&held, Holder::of(&visitor), &limits) else { continue };
        let (site, stop) = (Arc::clone(&site), stop.clone());
        serving.spawn(async move {
            let _place = place;
            connection(site, stream, visitor.1, limits, stop).await;
        });
    }
    while serving.join_next().await.is_some() {}
}

async fn connection<C: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    site: Arc<impl Answers>,
    stream: C,
    peer: Option<Peer>,
    limits: WebLimits,
    stop: CancellationToken,
) {
    let certified = peer.is_some();
    let answer = move |request: Request<Incoming>| {
        let (site, peer) = (Arc::clone(&site), peer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let has_body = !body.is_end_stream();
            site.answer(peer.as_ref(), &parts, has_body).await
        }
    };
    let bounds = Bounds {
        keep_alive: certified,
        requests: if certified { REQUESTS_A_CONNECTION } else { 1 },
        headers_bytes: HEADERS_BYTES,
        headers_time: limits.headers_time,
        life: if certified { limits.life } else { limits.uncertified_life },
        last_requests: certified.then_some(limits.last_requests),
    };
    hold(stream, answer, bounds, stop).await;
}

/// What a connection may do.
pub(super) struct Bounds {
    /// Whether it may ask again on HTTP/1.1.
    pub(super) keep_alive: bool,
    /// Requests at once on HTTP/2.
    pub(super) requests: u32,
    /// How large a request's headers may be.
    pub(super) headers_bytes: u32,
    /// How long the first request's may take to come.
    pub(super) headers_time: Duration,
    /// How long it may be open.
    pub(super) life: Duration,
    /// How long what is under way then may take; it is cut off where there is none.
    pub(super) last_requests: Option<Duration>,
}

/// Serves one connection, HTTP/1.1 or HTTP/2, within its bounds.
pub(super) async fn hold<C, A, R, B>(stream: C, answer: A, bounds: Bounds, stop: CancellationToken)
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> R,
    R: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let asked = Arc::new(AtomicBool::new(false));
    let has_asked = Arc::clone(&asked);
    let service = service_fn(move |request: Request<Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .keep_alive(bounds.keep_alive)
        .header_read_timeout(bounds.headers_time)
        .max_buf_size(bounds.headers_bytes as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.requests)
        .max_header_list_size(bounds.headers_bytes)
        .keep_alive_interval(KEEPALIVE);
    // The library waits for the first bytes without a limit of its own.
    let silent = async {
        time::sleep(bounds.headers_time).await;
        if asked.load(Ordering::Relaxed) {
            future::pending::<()>().await;
        }
    };
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a connection ends is its caller's affair.
        _ = served.as_mut() => return,
        () = silent => return,
        () = stop.cancelled() => {}
        () = time::sleep(bounds.life) => {}
    }
    if let Some(last_requests) = bounds.last_requests {
        served.as_mut().graceful_shutdown();
        let _ = time::timeout(last_requests, served).await;
    }
}

#[cfg(test)]
mod tests;
