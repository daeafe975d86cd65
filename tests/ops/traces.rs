//! Calls are followed: each has an id that caller and errors know, and a span that a collector gets,
//! of words of the program alone.

use crate::{
    leaks::needles,
    support::{
        demo,
        gateway::{Copy, reason},
        stream::{Stream, nhs_number, rows},
    },
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};
use tallygate::{
    grpc::Services,
    wire::v1::{
        self, figure_service_client::FigureServiceClient,
        rights_service_client::RightsServiceClient,
    },
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use tonic_types::StatusExt;

/// A collector in this process, which keeps what it gets.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(collector.clone());
        let incoming = TcpListenerStream::new(listener);
        let services = Services::default().with(service);
        tokio::spawn(Server::builder().serve_with_incoming(services, incoming));
        (collector, url)
    }

    fn spans(&self) -> Vec<Span> {
        let got = self.0.lock().unwrap();
        let scopes = got.iter().flat_map(|got| &got.resource_spans).flat_map(|r| &r.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn attributes(all: &[KeyValue]) -> BTreeMap<&str, &str> {
    let text = |pair: &'_ KeyValue| match pair.value.as_ref().and_then(|v| v.value.as_ref()) {
        Some(Value::StringValue(_)) => true,
        other => panic!("{other:?}"),
    };
    all.iter()
        .filter(|pair| text(pair))
        .map(|pair| match &pair.value.as_ref().unwrap().value {
            Some(Value::StringValue(text)) => (pair.key.as_str(), text.as_str()),
            _ => unreachable!(),
        })
        .collect()
}

fn card(area: &str) -> v1::GetCardRequest {
    v1::GetCardRequest {
        area: area.to_owned(),
        quarter: String::new(),
        purposes: vec!["childrens_centre_planning".to_owned()],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_spans_that_name_nobody() {
    let (collector, url) = Collector::start().await;
    let told = format!("\n[telemetry]\notlp = \"{url}\"\n");
    let copy = Copy::start_told(demo(), &told).await;
    let mut stream = Stream::open(copy.caller("health").await).await.unwrap();
    stream.send(1, rows("traces", 0..25)).await;
    stream.acknowledged().await;
    stream.finish().await;
    let mut manager = FigureServiceClient::new(copy.caller("manager-CC01").await);
    manager.get_card(card("CC01")).await.unwrap();
    let refused = manager.get_card(card("CC02")).await.unwrap_err();
    // Somebody's number where a random id should be is taken for no trace.
    let mut request = Request::new(v1::ListCasesRequest::default());
    let smuggled = format!("00-{:0>32}-{:0>16}-01", nhs_number(1), nhs_number(2));
    request.metadata_mut().insert("traceparent", smuggled.parse().unwrap());
    request.metadata_mut().insert("tracestate", format!("x={}", nhs_number(3)).parse().unwrap());
    request.metadata_mut().insert("baggage", format!("x={}", nhs_number(4)).parse().unwrap());
    let mut rights = RightsServiceClient::with_interceptor(
        copy.bare_channel("officer").await,
        copy.authorised("officer").await,
    );
    rights.list_cases(request).await.unwrap();
    copy.running.stop().await.unwrap();

    let spans = collector.spans();
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let expected =
        ["about_a_person", "tallygate.v1.FigureService/GetCard", "tallygate.v1.IntakeService/Push"];
    assert_eq!(names, BTreeSet::from(expected));
    let known = BTreeSet::from([
        "error.type",
        "rpc.method",
        "rpc.response.status_code",
        "rpc.system.name",
        "tallygate.request_id",
    ]);
    for span in &spans {
        let keys: BTreeSet<&str> = attributes(&span.attributes).into_keys().collect();
        assert!(keys.is_subset(&known), "{keys:?}");
        assert!(span.events.is_empty() && span.links.is_empty() && span.trace_state.is_empty());
        if span.name == "about_a_person" {
            assert!(!keys.contains("error.type"));
            assert!(!hex::encode(&span.trace_id).contains(&nhs_number(1)));
        }
    }
    let of_refusal = spans.iter().find(|span| {
        attributes(&span.attributes).get("rpc.response.status_code") == Some(&"PERMISSION_DENIED")
    });
    let about = attributes(&of_refusal.unwrap().attributes);
    assert_eq!(about.get("error.type"), Some(&reason(&refused).0.as_str()));
    let id = refused.get_details_error_info().unwrap().metadata["request_id"].clone();
    assert_eq!(about.get("tallygate.request_id"), Some(&id.as_str()));

    // Nothing of anybody, in any form, in what went over the wire.
    let bytes: Vec<u8> =
        collector.0.lock().unwrap().iter().flat_map(Message::encode_to_vec).collect();
    let found = needles().found_in(&bytes);
    assert!(found.is_empty(), "{found:?}");
    let text = String::from_utf8_lossy(&bytes);
    for n in 0..25 {
        assert!(!text.contains(&nhs_number(n)));
    }
    for word in ["health", "manager", "officer", "CC01", "CC02", "127.0.0.1", "Bearer"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_with_its_id_and_its_place_in_the_trace() {
    let copy = Copy::start().await;
    let mut manager = FigureServiceClient::new(copy.caller("manager-CC01").await);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut own = FigureServiceClient::with_interceptor(
        copy.bare_channel("manager-CC01").await,
        copy.authorised("manager-CC01").await,
    );
    let mut request = Request::new(card("CC01"));
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    let answer = own.get_card(request).await.unwrap();
    let told = answer.metadata().get("traceparent").unwrap().to_str().unwrap();
    assert!(told.starts_with(&format!("00-{trace}-")) && told != parent, "{told}");
    assert_eq!(answer.metadata().get("x-request-id").unwrap().len(), 32);

    // What the client of this program sends is a trace, too.
    let answer = manager.get_card(card("CC01")).await.unwrap();
    let one = answer.metadata().get("traceparent").unwrap().to_str().unwrap().to_owned();
    let answer = manager.get_card(card("CC01")).await.unwrap();
    let two = answer.metadata().get("traceparent").unwrap().to_str().unwrap();
    assert!(one[..36] == two[..36] && one != two, "{one} {two}");

    // An error has the id in its details, also on a stream whose headers have gone out.
    let refused = manager.get_card(card("CC02")).await.unwrap_err();
    let id =
        |status: &Status| status.get_details_error_info().unwrap().metadata["request_id"].clone();
    assert_eq!(refused.metadata().get("x-request-id").unwrap().to_str().unwrap(), id(&refused));
    let mut stream = Stream::open(copy.caller("health").await).await.unwrap();
    stream.send(1, rows("traces", 0..2_001)).await;
    let refused = stream.answer().await.unwrap_err();
    assert_eq!(id(&refused).len(), 32);
    assert_eq!(refused.metadata().get("x-request-id").unwrap().to_str().unwrap(), id(&refused));
    copy.running.stop().await.unwrap();
}
