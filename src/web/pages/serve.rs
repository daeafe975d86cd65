//! Connections of browsers: HTTP/1.1 and HTTP/2, as many as the limits allow, each bounded in its
//! headers, its requests at once and its life.

use super::{Pages, answer, router};
use crate::web::{
    WebLimits,
    serve::{Bounds, Holder, Place, Visitor, hold},
};
use axum::{Router, body::Body, response::Response};
use hyper::{Request, body::Incoming};
use std::{pin::pin, sync::Arc, time::Duration};
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
    let routes = router(Arc::clone(&pages));
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
        let (served, stop) = ((Arc::clone(&pages), routes.clone()), stop.clone());
        serving.spawn(async move {
            let _place = place;
            connection(served, stream, limits, stop).await;
        });
    }
    while serving.join_next().await.is_some() {}
}

/// The answer to a request, or the page that says that it took too long: with the time that a form
/// takes to come, so that nobody holds a request for ever.
pub async fn answer_within(
    limit: Duration,
    pages: &Pages,
    routes: Router,
    request: Request<Body>,
) -> Response {
    match time::timeout(limit, routes.oneshot(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(never)) => match never {},
        Err(_) => answer::late(pages).await,
    }
}

async fn connection<C: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    (pages, routes): (Arc<Pages>, Router),
    stream: C,
    limits: WebLimits,
    stop: CancellationToken,
) {
    let answer = move |request: Request<Incoming>| {
        let (pages, routes) = (Arc::clone(&pages), routes.clone());
        async move { answer_within(TIME_LIMIT, &pages, routes, request.map(Body::new)).await }
    };
    let bounds = Bounds {
        keep_alive: true,
        requests: REQUESTS_A_CONNECTION,
        headers_bytes: HEADERS_BYTES,
        headers_time: limits.headers_time,
        life: limits.life,
        last_requests: Some(limits.last_requests),
    };
    hold(stream, answer, bounds, stop).await;
}
