//! The listener for those who run the gateway: `/healthz`, `/readyz` and `/metrics`, in plain HTTP.
//!
//! It is apart from the others and asks nobody who he is, so it listens on this machine alone unless
//! the configuration says otherwise, and says nothing that anybody might not know ([`crate::meters`]).
//! What it answers are no acts and no leaves: nobody is told anything of any record.
//!
//! - `/healthz`: the process answers. Whoever supervises it starts it again when it does not.
//! - `/readyz`: 200 while callers should be sent here, 503 when not: the database does not answer, the
//!   log's sequencer or the gRPC server has ended, or the gateway is to stop. Which of these it is
//!   stands in the body, with where the witnesses stand. A missing quorum does not make it unready: intake,
//!   suspensions and withdrawals must go on, and no other gateway could answer figures either.
//! - `/metrics`: numbers, in the OpenMetrics text format, which Prometheus reads.

mod metrics;
mod process;

pub(super) use metrics::{Metrics, Sources};

use super::ListenError;
use crate::{config::OpsConfig, gateway::Gateway};
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::{AbortHandle, JoinHandle, JoinSet},
    time,
};
use tokio_util::sync::CancellationToken;

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 32;
/// How long a connection may take for its headers, and be idle.
const HEADERS: Duration = Duration::from_secs(10);
/// How long the database may take to answer that it is there.
const DATABASE: Duration = Duration::from_secs(2);

/// The listener, bound.
pub(super) struct Door {
    tcp: TcpListener,
    pub(super) address: SocketAddr,
}

impl Door {
    /// Binds it.
    pub(super) async fn bind(config: &OpsConfig) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind { address: config.listen, source };
        let tcp = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        Ok(Self { tcp, address })
    }

    /// Answers until `end`: longer than anything else, so that whoever watches sees the stop.
    pub(super) fn serve(self, ops: Ops, end: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(accept(self.tcp, Arc::new(ops), end))
    }
}

/// What is answered from.
pub(super) struct Ops {
    pub(super) gateway: Arc<Gateway>,
    pub(super) metrics: Metrics,
    /// Cancelled once the gateway is to stop.
    pub(super) draining: CancellationToken,
    /// The sequencer's task and the gRPC server's.
    pub(super) tasks: [AbortHandle; 2],
}

/// Whether callers should be sent here, and why not.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    database: bool,
    sequencer: bool,
    grpc: bool,
    draining: bool,
    witnesses: &'static str,
}

impl Ops {
    async fn readiness(&self) -> Readiness {
        let reached = time::timeout(DATABASE, self.gateway.reach_database()).await;
        let database = matches!(reached, Ok(Ok(())));
        let [sequencer, grpc] = self.tasks.each_ref().map(|task| !task.is_finished());
        let draining = self.draining.is_cancelled();
        Readiness {
            ready: database && sequencer && grpc && !draining,
            database,
            sequencer,
            grpc,
            draining,
            witnesses: self.gateway.watched().word(),
        }
    }

    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "GET alone\n".to_owned());
        }
        match path {
            "/healthz" => text(StatusCode::OK, "alive\n".to_owned()),
            "/readyz" => {
                let readiness = self.readiness().await;
                let status = match readiness.ready {
                    true => StatusCode::OK,
                    false => StatusCode::SERVICE_UNAVAILABLE,
                };
                let body = serde_json::to_string(&readiness).unwrap_or_default();
                typed(status, "application/json", body)
            }
            "/metrics" => {
                let ready = self.readiness().await;
                match self.metrics.text(&self.gateway, ready.ready).await {
                    Ok(text) => typed(StatusCode::OK, metrics::CONTENT_TYPE, text),
                    Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "failed\n".to_owned()),
                }
            }
            _ => text(StatusCode::NOT_FOUND, "/healthz, /readyz or /metrics\n".to_owned()),
        }
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", body)
}

fn typed(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

async fn accept(tcp: TcpListener, ops: Arc<Ops>, end: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped at the end, with every connection: nobody is owed more.
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = end.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = tcp.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, perhaps: waited out, as the other listeners do.
            time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let ops = Arc::clone(&ops);
        connections.spawn(async move {
            let _place = place;
            let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
                let ops = Arc::clone(&ops);
                async move {
                    Ok::<_, Infallible>(ops.answer(request.method(), request.uri().path()).await)
                }
            });
            let mut connection = http1::Builder::new();
            connection.timer(TokioTimer::new()).header_read_timeout(HEADERS);
            // A caller that breaks off is none of ours.
            let _ = connection.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}
