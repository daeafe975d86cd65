//! Connections of the web: HTTP/1.1 and HTTP/2 over what the accept loop hands over.
//!
//! Every connection has a bound on its headers, on the time they may take, on the requests at
//! once, and on its own life, so that nobody can hold one for ever; and there are only so many
//! connections. A request's body is never read.

use super::Site;
use crate::identity::Peer;
use hyper::{Request, body::Body as _, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    task::JoinSet,
    time,
};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 512;
/// Requests of one HTTP/2 connection at once.
const REQUESTS_A_CONNECTION: u32 = 32;
/// How long a request's headers may take to come, and an HTTP/1.1 connection be idle.
const HEADERS_TIME: Duration = Duration::from_secs(15);
/// How large a request's headers may be.
const HEADERS_BYTES: u32 = 16 << 10;
/// How long a connection is served; whoever wants more opens another.
const LIFE: Duration = Duration::from_secs(600);
/// How long requests under way may take once their connection is to end.
const LAST_REQUESTS: Duration = Duration::from_secs(20);
/// How often an idle HTTP/2 connection is asked whether its caller is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Serves a site on connections with the peer of each, until the stream of them ends and the
/// requests under way are answered. Once `stop` is cancelled, connections take no new ones.
pub async fn serve<C: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    site: Arc<Site>,
    connections: impl Stream<Item = (C, Option<Peer>)> + Send,
    stop: CancellationToken,
) {
    let mut connections = pin!(connections);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped when the server is: then nothing of it goes on.
    let mut serving = JoinSet::new();
    loop {
        // Never closed, so a place always comes.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let next = tokio::select! {
            next = connections.next() => next,
            // A connection that has ended only needs to be forgotten.
            Some(_) = serving.join_next() => continue,
        };
        let Some((stream, peer)) = next else { break };
        let (site, stop) = (Arc::clone(&site), stop.clone());
        serving.spawn(async move {
            let _place = place;
            connection(site, stream, peer, stop).await;
        });
    }
    while serving.join_next().await.is_some() {}
}

async fn connection<C: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    site: Arc<Site>,
    stream: C,
    peer: Option<Peer>,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (site, peer) = (Arc::clone(&site), peer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let has_body = !body.is_end_stream();
            Ok::<_, Infallible>(site.answer(peer.as_ref(), &parts, has_body).await)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIME)
        .max_buf_size(HEADERS_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(REQUESTS_A_CONNECTION)
        .max_header_list_size(HEADERS_BYTES)
        .keep_alive_interval(KEEPALIVE);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a connection ends is its caller's affair.
        _ = served.as_mut() => return,
        () = stop.cancelled() => {}
        () = time::sleep(LIFE) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = time::timeout(LAST_REQUESTS, served).await;
}
