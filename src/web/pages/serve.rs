//! Connections of browsers: HTTP/1.1 and HTTP/2, as many as the limits allow, each bounded in its
//! headers, its requests at once and its life.

use super::{Pages, router};
use crate::web::{
    WebLimits,
    serve::{Holder, Place, Visitor},
};
use axum::{body::Body, response::IntoResponse as _};
use http::StatusCode;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time,
};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How long an answer may take to be made.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Requests of one HTTP/2 connection at once.
const REQUESTS_A_CONNECTION: u32 = 32;
/// How large a request's headers may be.
const HEADERS_BYTES: u32 = 16 << 10;
/// How often an idle HTTP/2 connection is asked whether its browser is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Connections of one address: a whole office may come from one.
const PER_ADDRESS: usize = 128;

/// Serves pages on connections, until the stream of them ends and the requests under way are
/// answered.
pub async fn serve<C: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    pages: Arc<Pages>,
    connections: impl Stream<Item = (C, Visitor)> + Send,
    stop: CancellationToken,
) {
    // Browsers show no certificate: the places of all are those without one.
    let all = WebLimits::default().connections;
    let limits = WebLimits { per_address: PER_ADDRESS, uncertified: all, ..WebLimits::default() };
    let routes = router(pages);
    let mut connections = pin!(connections);
    let held = Arc::default();
    let mut serving = JoinSet::new();
    loop {
        let next = tokio::select! {
            next = connections.next() => next,
            Some(_) = serving.join_next() => continue,
        };
        let Some((stream, visitor)) = next else { break };
        let Some(place) = Place::take(&held, Holder::of(&visitor), &limits) else { continue };
        let (routes, stop) = (routes.clone(), stop.clone());
        serving.spawn(async move {
            let _place = place;
            connection(routes, stream, limits, stop).await;
        });
    }
    while serving.join_next().await.is_some() {}
}

async fn connection<C: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    routes: axum::Router,
    stream: C,
    limits: WebLimits,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let routes = routes.clone();
        async move {
            // With the time that a form takes to come: nobody holds a request for ever.
            let answer = time::timeout(TIME_LIMIT, routes.oneshot(request.map(Body::new))).await;
            let late = |_| Ok(StatusCode::SERVICE_UNAVAILABLE.into_response());
            Ok::<_, Infallible>(answer.unwrap_or_else(late).unwrap_or_else(|never| match never {}))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_time)
        .max_buf_size(HEADERS_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(REQUESTS_A_CONNECTION)
        .max_header_list_size(HEADERS_BYTES)
        .keep_alive_interval(KEEPALIVE);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a connection ends is its browser's affair.
        _ = served.as_mut() => return,
        () = stop.cancelled() => {}
        () = time::sleep(limits.life) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = time::timeout(limits.last_requests, served).await;
}
