//! What every service starts with: who is calling, by certificate, token and register.

use super::status;
use crate::{
    gateway::{Actor, Denied, Gateway, Published},
    identity::{Peer, Recogniser},
};
use http::HeaderMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

/// The gateway, the check of callers and the published log, shared by all services.
#[derive(Debug)]
pub struct Frame {
    recogniser: Arc<Recogniser>,
    published: Published,
    /// Cancelled when the gateway stops: streams end after what they are doing.
    stop: CancellationToken,
}

impl Frame {
    /// Over one gateway.
    #[must_use]
    pub fn new(recogniser: Arc<Recogniser>, published: Published) -> Self {
        Self { recogniser, published, stop: CancellationToken::new() }
    }

    /// Ends open streams, after what they are doing, once `stop` is cancelled.
    #[must_use]
    pub fn stopped_by(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Cancelled when the gateway stops.
    pub(super) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self) -> &Arc<Gateway> {
        self.recogniser.gateway()
    }

    /// The log as of its last tick.
    #[must_use]
    pub const fn published(&self) -> &Published {
        &self.published
    }

    /// Who is calling: certificate, token and register agree. A refusal is logged.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with the reason, or `UNAVAILABLE` when it can't be logged.
    pub fn recognise<'a, T>(
        &'a self,
        request: &'a Request<T>,
    ) -> impl Future<Output = Result<Actor, Status>> + Send + 'a {
        // What is asked for has no say in who asks: compiled once and not for every message.
        self.recognise_by(request.extensions().get(), request.metadata().as_ref())
    }

    async fn recognise_by(
        &self,
        peer: Option<&Peer>,
        headers: &HeaderMap,
    ) -> Result<Actor, Status> {
        let Some(peer) = peer else {
            return Err(Status::internal("the connection has no certificate"));
        };
        self.recogniser.caller(peer, headers).await.map_err(status::of)
    }

    /// A use case's denial as a status; its refusal's receipt goes with it.
    #[must_use]
    pub fn status(&self, denied: Denied) -> Status {
        status::of(denied)
    }
}
