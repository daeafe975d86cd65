//! All services on one server, with health and reflection (v1, and v1alpha for older
//! tools), and limits on what one caller may cost.

use super::{
    AccessLogService, AreaService, ConsentService, FigureService, Frame, IntakeService, KeyService,
    PartnerService, ProtocolService, ReleaseService,
};
use crate::wire::{
    DESCRIPTORS,
    v1::{
        access_log_service_server::AccessLogServiceServer, area_service_server::AreaServiceServer,
        consent_service_server::ConsentServiceServer, figure_service_server::FigureServiceServer,
        intake_service_server::IntakeServiceServer, key_service_server::KeyServiceServer,
        partner_service_server::PartnerServiceServer,
        protocol_service_server::ProtocolServiceServer,
        release_service_server::ReleaseServiceServer,
    },
};
use std::{sync::Arc, time::Duration};
use tonic::transport::{Server, server::Router};
use tonic_reflection::server::Builder as Reflection;

/// Streams that one connection may have open at once.
const STREAMS_A_CONNECTION: u32 = 64;
/// Requests of one connection that are worked on at once.
const CALLS_A_CONNECTION: usize = 64;
/// The largest message taken: a full batch of wide rows.
const LARGEST_MESSAGE: usize = 4 << 20;
/// How often an idle connection is asked whether its caller is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Every service over one frame.
///
/// # Panics
/// When the program's own descriptors can't be read; a test builds them.
#[must_use]
pub fn router(frame: &Arc<Frame>) -> Router {
    let (reporter, health) = tonic_health::server::health_reporter();
    // Whoever can ask is served: the answer is the same for the whole server.
    drop(reporter);
    let reflection = || Reflection::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let v1 = reflection().build_v1().expect("the program's own descriptors");
    let v1alpha = reflection().build_v1alpha().expect("the program's own descriptors");
    let of = || Arc::clone(frame);
    Server::builder()
        .max_concurrent_streams(STREAMS_A_CONNECTION)
        .concurrency_limit_per_connection(CALLS_A_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .add_service(health)
        .add_service(v1)
        .add_service(v1alpha)
        .add_service(AccessLogServiceServer::new(AccessLogService(of())))
        .add_service(AreaServiceServer::new(AreaService(of())))
        .add_service(ConsentServiceServer::new(ConsentService(of())))
        .add_service(FigureServiceServer::new(FigureService(of())))
        .add_service(
            IntakeServiceServer::new(IntakeService(of())).max_decoding_message_size(LARGEST_MESSAGE),
        )
        .add_service(KeyServiceServer::new(KeyService(of())))
        .add_service(PartnerServiceServer::new(PartnerService(of())))
        .add_service(ProtocolServiceServer::new(ProtocolService(of())))
        .add_service(ReleaseServiceServer::new(ReleaseService(of())))
}
