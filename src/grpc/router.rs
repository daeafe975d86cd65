//! All services on one server, with health and reflection (v1, and v1alpha for older
//! tools), and limits on what one caller may cost.
//!
//! Calls find their service by the first segment of their path, `/service/method`, in a map
//! of our own: the RPC library's router would bring a whole web framework with it.

use super::{
    AccessLogService, AreaService, BlindingService, ConsentService, FigureService, Frame,
    IntakeService, KeyService, Observer, PartnerService, ProtocolService, ReleaseService,
    RetentionService, RightsService, SubjectService, TableRequestService,
    admission::{Admission, caller},
};
use crate::wire::{
    DESCRIPTORS,
    v1::{
        access_log_service_server::AccessLogServiceServer, area_service_server::AreaServiceServer,
        blinding_service_server::BlindingServiceServer,
        consent_service_server::ConsentServiceServer, figure_service_server::FigureServiceServer,
        intake_service_server::IntakeServiceServer, key_service_server::KeyServiceServer,
        partner_service_server::PartnerServiceServer,
        protocol_service_server::ProtocolServiceServer,
        release_service_server::ReleaseServiceServer,
        retention_service_server::RetentionServiceServer,
        rights_service_server::RightsServiceServer, subject_service_server::SubjectServiceServer,
        table_request_service_server::TableRequestServiceServer,
    },
};
use http::{Request, Response};
use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tonic::{
    Status,
    body::Body,
    codegen::{BoxFuture, Service},
    server::NamedService,
    transport::Server,
};
use tonic_reflection::server::Builder as Reflection;
use tower::util::BoxCloneSyncService;

/// Streams that one connection may have open at once.
const STREAMS_A_CONNECTION: u32 = 64;
/// Requests of one connection that are worked on at once.
const CALLS_A_CONNECTION: usize = 64;
/// The largest message taken: a full batch of wide rows.
const LARGEST_MESSAGE: usize = 4 << 20;
/// The largest request for evaluations: a full batch of elements, and the stream's columns.
const LARGEST_EVALUATION: usize = 256 << 10;
/// The largest headers taken: a token and little else.
const LARGEST_HEADERS: u32 = 16 << 10;
/// How often an idle connection is asked whether its caller is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

type BoxedService = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Services by the names their calls begin with; a call of any other is unimplemented. Which of
/// them are taken on `Admission` says, for all connections together.
#[derive(Clone, Default)]
pub struct Services {
    by_name: Arc<HashMap<&'static str, BoxedService>>,
    admission: Admission,
    observer: Option<Arc<Observer>>,
}

impl Services {
    /// With one more service.
    #[must_use]
    pub fn with<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        Arc::make_mut(&mut self.by_name).insert(S::NAME, BoxCloneSyncService::new(service));
        self
    }

    /// With every call followed.
    #[must_use]
    pub fn observed_by(self, observer: Observer) -> Self {
        Self { observer: Some(Arc::new(observer)), ..self }
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    /// Generated services are always ready; what they may cost is limited elsewhere.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let name = request.uri().path().split('/').nth(1).unwrap_or_default();
        let service = self.by_name.get(name).cloned();
        let admission = self.admission.clone();
        let served = |request| served(admission, service, request);
        match &self.observer {
            None => Box::pin(async move { Ok(served(request).await) }),
            Some(observer) => {
                let observer = Arc::clone(observer);
                Box::pin(async move { Ok(observer.follow(request, served).await) })
            }
        }
    }
}

/// A call's answer, or the advice to come back; what is turned away is seen like any other.
async fn served(
    admission: Admission,
    service: Option<BoxedService>,
    request: Request<Body>,
) -> Response<Body> {
    let admitted = match admission.admit(request.uri().path(), caller(&request)) {
        Ok(admitted) => admitted,
        Err(turned_away) => return turned_away.into_http(),
    };
    match service {
        Some(mut service) => {
            let Ok(response) = admitted.answer(service.call(request)).await;
            response
        }
        None => Status::unimplemented("").into_http(),
    }
}

/// A server with our limits.
pub fn server() -> Server {
    Server::builder()
        .max_concurrent_streams(STREAMS_A_CONNECTION)
        .concurrency_limit_per_connection(CALLS_A_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_max_header_list_size(LARGEST_HEADERS)
}

/// Every service over one frame.
///
/// # Panics
/// When the program's own descriptors can't be read; a test builds them.
#[must_use]
pub fn services(frame: &Arc<Frame>) -> Services {
    let (reporter, health) = tonic_health::server::health_reporter();
    // Whoever can ask is served: the answer is the same for the whole server.
    drop(reporter);
    let reflection = || Reflection::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let v1 = reflection().build_v1().expect("the program's own descriptors");
    let v1alpha = reflection().build_v1alpha().expect("the program's own descriptors");
    let of = || Arc::clone(frame);
    Services::default()
        .with(health)
        .with(v1)
        .with(v1alpha)
        .with(AccessLogServiceServer::new(AccessLogService(of())))
        .with(AreaServiceServer::new(AreaService(of())))
        .with(
            BlindingServiceServer::new(BlindingService(of()))
                .max_decoding_message_size(LARGEST_EVALUATION),
        )
        .with(ConsentServiceServer::new(ConsentService(of())))
        .with(FigureServiceServer::new(FigureService(of())))
        .with(
            IntakeServiceServer::new(IntakeService(of()))
                .max_decoding_message_size(LARGEST_MESSAGE),
        )
        .with(KeyServiceServer::new(KeyService(of())))
        .with(PartnerServiceServer::new(PartnerService(of())))
        .with(ProtocolServiceServer::new(ProtocolService(of())))
        .with(ReleaseServiceServer::new(ReleaseService(of())))
        .with(RightsServiceServer::new(RightsService(of())))
        .with(SubjectServiceServer::new(SubjectService(of())))
        .with(RetentionServiceServer::new(RetentionService(of())))
        .with(TableRequestServiceServer::new(TableRequestService(of())))
}
