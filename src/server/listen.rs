//! The accept loop of TLS, for each kind of [`Door`]: gRPC's, which every caller passes with a
//! client certificate and HTTP/2, and the web's, where a certificate may be shown.
//!
//! Why its own: the RPC library's TLS settings can't be exchanged while it serves, and one
//! slow client must not hold up another. Here each handshake is a task of its own with a
//! time limit; the configuration is read anew at each accept; and what comes out of
//! [`Incoming`] has passed its door: through gRPC's, with a verified client certificate.
//!
//! A failing accept (the process is out of file descriptors) is waited out and never ends
//! the gateway. Stopping drops the handshakes under way; connections already handed over
//! are the server's to drain.

use super::{
    handshake::{HandshakeFailure, HandshakeFailures, HandshakeLimits, Places},
    tls::ALPN_H2,
};
use crate::{
    grpc::{Crowd, Place},
    identity::{Pause, Peer, Trust},
};
use arc_swap::ArcSwap;
use rustls::{ServerConfig, ServerConnection};
use std::{
    convert::Infallible,
    fmt, io,
    marker::PhantomData,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::Stream;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::transport::server::Connected;

/// Connections whose handshake is done and which the server has not picked up yet.
const READY_CONNECTIONS: usize = 64;
/// How long a connection is not read whose caller was turned away. Far less than a peer waits for
/// an answer to its ping.
const UNREAD: Duration = Duration::from_millis(200);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, or not this machine's.
    #[error("can't listen on {address}: is another gateway running there?")]
    Bind {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What a caller must have shown when its handshake is done.
pub trait Door: fmt::Debug + Send + Sync + 'static {
    /// What is known of whoever passed.
    type Peer: Clone + Send + Sync + Unpin + 'static;

    /// Looks at a finished handshake.
    ///
    /// # Errors
    /// What the caller lacks.
    fn pass(
        session: &ServerConnection,
        remote: SocketAddr,
        trust: Option<Arc<Trust>>,
    ) -> Result<Self::Peer, HandshakeFailure>;

    /// Whoever passed, where it has shown a certificate.
    fn shown(peer: &Self::Peer) -> Option<&Peer>;
}

/// gRPC's door: HTTP/2 and a client certificate, or nothing.
#[derive(Debug)]
pub enum Rpc {}

impl Door for Rpc {
    type Peer = Peer;

    fn pass(
        session: &ServerConnection,
        remote: SocketAddr,
        trust: Option<Arc<Trust>>,
    ) -> Result<Peer, HandshakeFailure> {
        if session.alpn_protocol() != Some(ALPN_H2) {
            return Err(HandshakeFailure::Protocol);
        }
        certified(session, remote, trust).ok_or(HandshakeFailure::NoCertificate)
    }

    fn shown(peer: &Peer) -> Option<&Peer> {
        Some(peer)
    }
}

/// The web's door: whoever shows no certificate comes in, too, and is told what it may have.
#[derive(Debug)]
pub enum Web {}

impl Door for Web {
    /// From where, and by which certificate.
    type Peer = (SocketAddr, Option<Peer>);

    fn pass(
        session: &ServerConnection,
        remote: SocketAddr,
        trust: Option<Arc<Trust>>,
    ) -> Result<(SocketAddr, Option<Peer>), HandshakeFailure> {
        Ok((remote, certified(session, remote, trust)))
    }

    fn shown((_, peer): &Self::Peer) -> Option<&Peer> {
        peer.as_ref()
    }
}

fn certified(
    session: &ServerConnection,
    remote: SocketAddr,
    trust: Option<Arc<Trust>>,
) -> Option<Peer> {
    let peer = session.peer_certificates().and_then(|chain| Peer::new(remote, chain));
    peer.map(|peer| peer.judged_by(trust))
}

/// A bound socket that accepts callers by a door.
#[derive(Debug)]
pub struct Listener<D = Rpc> {
    tcp: TcpListener,
    local_addr: SocketAddr,
    config: Arc<ArcSwap<ServerConfig>>,
    limits: HandshakeLimits,
    failures: Arc<HandshakeFailures>,
    connections: Arc<Crowd>,
    trust: Option<Arc<Trust>>,
    door: PhantomData<D>,
}

impl Listener<Rpc> {
    /// Binds; port 0 takes a free one, which [`Self::local_addr`] tells. Whoever holds
    /// `config` exchanges it at any time; the next accept uses the new one.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn bind(
        address: SocketAddr,
        config: Arc<ArcSwap<ServerConfig>>,
        limits: HandshakeLimits,
    ) -> Result<Self, ListenError> {
        Self::bind_door(address, config, limits, Arc::default()).await
    }
}

impl Listener<Web> {
    /// Binds the web's listener, which counts failed handshakes where the other one does.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn bind_web(
        address: SocketAddr,
        config: Arc<ArcSwap<ServerConfig>>,
        limits: HandshakeLimits,
        failures: Arc<HandshakeFailures>,
    ) -> Result<Self, ListenError> {
        Self::bind_door(address, config, limits, failures).await
    }
}

impl<D: Door> Listener<D> {
    async fn bind_door(
        address: SocketAddr,
        config: Arc<ArcSwap<ServerConfig>>,
        limits: HandshakeLimits,
        failures: Arc<HandshakeFailures>,
    ) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind { address, source };
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        let local_addr = tcp.local_addr().map_err(failed)?;
        let connections = Crowd::new("connections", limits.connections);
        let (trust, door) = (None, PhantomData);
        Ok(Self { tcp, local_addr, config, limits, failures, connections, trust, door })
    }

    /// Has the certificates of open connections judged again by `trust`.
    #[must_use]
    pub fn judged_by(self, trust: Option<Arc<Trust>>) -> Self {
        Self { trust, ..self }
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The count of failed handshakes, for the minute's leaf.
    #[must_use]
    pub fn failures(&self) -> Arc<HandshakeFailures> {
        Arc::clone(&self.failures)
    }

    /// Starts accepting, until `stop` is cancelled or the stream is dropped. Needs a running
    /// tokio runtime.
    #[must_use]
    pub fn incoming(self, stop: CancellationToken) -> Incoming<D> {
        let (ready, connections) = mpsc::channel(READY_CONNECTIONS);
        let accepting = tokio::spawn(self.accept_until(stop, ready));
        Incoming { connections, _accepting: AbortOnDropHandle::new(accepting) }
    }

    async fn accept_until(
        self,
        stop: CancellationToken,
        ready: mpsc::Sender<TlsConnection<D::Peer>>,
    ) {
        // Dropped at the end, which aborts the handshakes still under way.
        let mut handshakes = JoinSet::new();
        let places = Places::new(&self.limits);
        let mut pause = FIRST_PAUSE;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                // A finished handshake only needs to be forgotten.
                Some(_) = handshakes.join_next() => continue,
                accepted = self.accept(&places) => accepted,
            };
            match accepted {
                Ok(Some((tcp, remote, place))) => {
                    pause = FIRST_PAUSE;
                    let handshake = self.handshake(tcp, remote);
                    let ready = ready.clone();
                    handshakes.spawn(async move {
                        // Kept until the server has picked the connection up.
                        let _place = place;
                        if let Some(connection) = handshake.await {
                            // Fails when the server has gone; then so does the connection.
                            drop(ready.send(connection).await);
                        }
                    });
                }
                Ok(None) => self.failures.count(HandshakeFailure::Crowded),
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(kind = ?error.kind(), ?pause, "accepting paused");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// The next connection with its place among the handshakes, or `None` for one too many
    /// of its address. Nothing is lost when this future is dropped.
    async fn accept(
        &self,
        places: &Places,
    ) -> io::Result<Option<(TcpStream, SocketAddr, super::handshake::Place)>> {
        let permit = places.free().await.ok_or(io::ErrorKind::Other)?;
        let (tcp, remote) = self.tcp.accept().await?;
        Ok(places.take(permit, remote.ip()).map(|place| (tcp, remote, place)))
    }

    /// One handshake, under the configuration of this moment.
    fn handshake(
        &self,
        tcp: TcpStream,
        remote: SocketAddr,
    ) -> impl Future<Output = Option<TlsConnection<D::Peer>>> + Send + use<D> {
        let acceptor = TlsAcceptor::from(self.config.load_full());
        let time_limit = self.limits.time_limit;
        let (failures, crowd) = (Arc::clone(&self.failures), Arc::clone(&self.connections));
        let trust = self.trust.clone();
        async move {
            let greeting = greet::<D>(&acceptor, tcp, remote, &crowd, trust);
            let done = match time::timeout(time_limit, greeting).await {
                Ok(done) => done,
                Err(_) => Err(HandshakeFailure::Timeout),
            };
            done.inspect_err(|failure| {
                tracing::debug!(reason = failure.reason(), "handshake failed");
                failures.count(*failure);
            })
            .ok()
        }
    }
}

async fn greet<D: Door>(
    acceptor: &TlsAcceptor,
    tcp: TcpStream,
    remote: SocketAddr,
    crowd: &Arc<Crowd>,
    trust: Option<Arc<Trust>>,
) -> Result<TlsConnection<D::Peer>, HandshakeFailure> {
    // Small answers must not wait for the peer's acknowledgement.
    tcp.set_nodelay(true).map_err(|_| HandshakeFailure::Other)?;
    let stream = acceptor.accept(tcp).await.map_err(|error| HandshakeFailure::of(&error))?;
    let peer = D::pass(stream.get_ref().1, remote, trust)?;
    let shown = D::shown(&peer);
    let place = crowd.enter(shown.map(|shown| *shown.fingerprint()));
    let _place = place.map_err(|_| HandshakeFailure::Crowded)?;
    let pause = shown.map(|shown| Arc::clone(shown.pause())).unwrap_or_default();
    Ok(TlsConnection { stream: Placed { stream, pause, pausing: None, _place }, peer })
}

/// Whether an accept's error is about the connection that was to be accepted, so that the
/// next one may be tried at once; all others (out of descriptors, out of memory) would only
/// be met again.
pub(super) fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// The accepted connections, for tonic's `serve_with_incoming_shutdown`; ends when the
/// listener was stopped.
#[derive(Debug)]
pub struct Incoming<D: Door = Rpc> {
    connections: mpsc::Receiver<TlsConnection<D::Peer>>,
    _accepting: AbortOnDropHandle<()>,
}

impl<D: Door> Stream for Incoming<D> {
    type Item = Result<TlsConnection<D::Peer>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections.poll_recv(cx).map(|connection| connection.map(Ok))
    }
}

/// A connection whose handshake is done. A gRPC request's extensions hold its [`Peer`].
pub struct TlsConnection<P = Peer> {
    stream: Placed,
    peer: P,
}

/// A connection's stream, which has its place among the connections as long as it is there, and
/// is not read while its caller is to pause.
#[derive(Debug)]
pub struct Placed {
    stream: TlsStream<TcpStream>,
    pause: Arc<Pause>,
    pausing: Option<Pin<Box<time::Sleep>>>,
    _place: Place,
}

impl<P> TlsConnection<P> {
    /// The stream and what is known of its other end.
    pub(super) fn into_parts(self) -> (Placed, P) {
        (self.stream, self.peer)
    }
}

impl<P> fmt::Debug for TlsConnection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnection")
    }
}

impl Connected for TlsConnection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pause.take() {
            self.pausing = Some(Box::pin(time::sleep(UNREAD)));
        }
        if let Some(pausing) = &mut self.pausing {
            ready!(pausing.as_mut().poll(cx));
            self.pausing = None;
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<P: Unpin> AsyncRead for TlsConnection<P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<P: Unpin> AsyncWrite for TlsConnection<P> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
