//! Every call is followed: under an id of its own, which the caller is told (`x-request-id`, in the
//! answer's header and trailer and in an error's details) and the gateway's own log has; as a span of
//! the caller's trace (`traceparent`, in and out); and as one more in [`CallMeters`].
//!
//! # What a span holds
//! The method, the id, the status and, of a refusal, its reason: words of this program. Nothing of
//! what was asked, of who asked, from where, or by which certificate: spans are made here by hand and
//! from nothing else, so that no library's own (of SQL, of HTTP) can carry a value out. Calls that
//! are each about one person are spans of one name, without a reason, as they are one count.

use crate::{
    meters::{CallMeters, Counted, REQUEST_ID, RequestId, TRACEPARENT, TraceParent},
    wire::DESCRIPTORS,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span as _, SpanContext, SpanId, SpanKind, Status as SpanStatus, TraceContextExt as _,
        TraceFlags, TraceId, TraceState, Tracer as _,
    },
};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use rand::{Rng as _, rngs::StdRng};
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as Polling, Poll, ready},
    time::{Duration, Instant},
};
use tokio::task_local;
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt as _;
use tracing::Instrument as _;

/// Services of which every call is about one person.
const ABOUT_PERSONS: [&str; 3] = ["ConsentService", "RightsService", "SubjectService"];
/// And single methods: an erasure, a search for a record, who a member of staff was.
const ABOUT_A_PERSON: [&str; 3] =
    ["IntakeService/EraseRecords", "IntakeService/FindRecords", "AccessLogService/OpenDetail"];

task_local! {
    static CURRENT: RequestId;
}

/// The id of the call that is worked on.
pub(super) fn current() -> Option<RequestId> {
    CURRENT.try_with(|id| *id).ok()
}

/// The same work, under the call's id and span also where it goes on in a task of its own.
pub(super) async fn followed<F: Future>(current: Option<RequestId>, work: F) -> F::Output {
    match current {
        Some(id) => CURRENT.scope(id, work).await,
        None => work.await,
    }
}

/// What each method of the API is counted as.
fn methods() -> HashMap<String, Counted> {
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap_or_default().file;
    let mut methods = HashMap::new();
    for file in files {
        for service in &file.service {
            for method in &service.method {
                let short = format!("{}/{}", service.name(), method.name());
                let name = format!("{}.{short}", file.package());
                let about = ABOUT_PERSONS.contains(&service.name())
                    || ABOUT_A_PERSON.contains(&short.as_str());
                let counted = match about {
                    true => Counted::AboutAPerson,
                    false => Counted::Method(Arc::from(name.as_str())),
                };
                methods.insert(name, counted);
            }
        }
    }
    methods
}

/// Follows calls.
pub struct Observer {
    meters: CallMeters,
    tracer: Option<SdkTracer>,
    rng: Mutex<StdRng>,
    methods: HashMap<String, Counted>,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").field("exports", &self.tracer.is_some()).finish_non_exhaustive()
    }
}

impl Observer {
    /// `tracer` is where spans go, if they go anywhere; `rng` draws the ids.
    #[must_use]
    pub fn new(meters: CallMeters, tracer: Option<SdkTracer>, rng: StdRng) -> Self {
        Self { meters, tracer, rng: Mutex::new(rng), methods: methods() }
    }

    fn begin(self: &Arc<Self>, path: &str, headers: &HeaderMap) -> Call {
        let counted = self.methods.get(path.trim_start_matches('/')).cloned();
        let counted = counted.unwrap_or_else(|| Counted::Method(Arc::from("other")));
        let parent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()?.parse().ok());
        let (mut id, mut own) = ([0; 16], ([0; 16], [0; 8]));
        {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            rng.fill_bytes(&mut id);
            rng.fill_bytes(&mut own.0);
            rng.fill_bytes(&mut own.1);
        }
        let id = RequestId(id);
        let span = self.tracer.as_ref().map(|tracer| span(tracer, parent, &counted, id));
        let place = match (&span, parent) {
            (Some(span), _) => place_of(span.span_context()),
            (None, Some(parent)) => TraceParent { span: own.1, ..parent },
            (None, None) => TraceParent { trace: own.0, span: own.1, sampled: false },
        };
        self.meters.began();
        let (observer, begun) = (Arc::clone(self), Instant::now());
        Call { observer, counted, id, place, begun, span, ended: false }
    }

    /// Follows one call through to the end of its answer.
    pub(super) async fn follow<F>(
        self: Arc<Self>,
        request: Request<Body>,
        serve: impl FnOnce(Request<Body>) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        let call = self.begin(request.uri().path(), request.headers());
        let (request_id, method) = (call.id, call.counted.word());
        let span = tracing::error_span!("call", %request_id, %method);
        let answering = CURRENT.scope(call.id, serve(request)).instrument(span);
        call.answer(answering.await)
    }
}

fn span(tracer: &SdkTracer, parent: Option<TraceParent>, counted: &Counted, id: RequestId) -> Span {
    let method = counted.word();
    let builder = tracer.span_builder(method.to_string()).with_kind(SpanKind::Server);
    let builder = builder.with_attributes([
        KeyValue::new("rpc.system.name", "grpc"),
        KeyValue::new("rpc.method", method),
        KeyValue::new("tallygate.request_id", id.to_string()),
    ]);
    let context = parent.map_or_else(Context::new, |parent| {
        let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        Context::new().with_remote_span_context(SpanContext::new(
            TraceId::from_bytes(parent.trace),
            SpanId::from_bytes(parent.span),
            flags,
            true,
            TraceState::default(),
        ))
    });
    builder.start_with_context(tracer, &context)
}

fn place_of(context: &SpanContext) -> TraceParent {
    TraceParent {
        trace: context.trace_id().to_bytes(),
        span: context.span_id().to_bytes(),
        sampled: context.is_sampled(),
    }
}

/// A call that is under way; dropped without an end, its caller has gone away.
struct Call {
    observer: Arc<Observer>,
    counted: Counted,
    id: RequestId,
    place: TraceParent,
    begun: Instant,
    span: Option<Span>,
    ended: bool,
}

impl Call {
    fn answer(mut self, response: Response<Body>) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        self.tell(&mut head.headers);
        if let Ok(place) = HeaderValue::try_from(self.place.to_string()) {
            head.headers.insert(TRACEPARENT, place);
        }
        // An answer that is a status alone has it in its headers, and no body.
        if head.headers.contains_key(Status::GRPC_STATUS) {
            self.end_as(&head.headers);
            return Response::from_parts(head, body);
        }
        Response::from_parts(head, Body::new(Answer { body, call: self }))
    }

    fn tell(&self, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::try_from(self.id.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
    }

    fn end_as(&mut self, headers: &HeaderMap) {
        match Status::from_header_map(headers) {
            Some(status) => {
                let info = status.get_details_error_info();
                self.end(status.code(), info.map(|info| info.reason.to_ascii_lowercase()));
            }
            None => self.end(Code::Unknown, None),
        }
    }

    fn end(&mut self, code: Code, reason: Option<String>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let word = word(code);
        let took: Duration = self.begun.elapsed();
        self.observer.meters.ended(&self.counted, word, took);
        let Some(mut span) = self.span.take() else { return };
        span.set_attribute(KeyValue::new("rpc.response.status_code", word));
        if self.counted != Counted::AboutAPerson
            && let Some(reason) = reason
        {
            span.set_attribute(KeyValue::new("error.type", reason));
        }
        if matches!(code, Code::Internal | Code::Unavailable | Code::Unknown | Code::DataLoss) {
            span.set_status(SpanStatus::error(""));
        }
        span.end();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled, None);
    }
}

/// An answer's body, whose end is the call's.
struct Answer {
    body: Body,
    call: Call,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Polling<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(match frame.into_trailers() {
                Ok(mut trailers) => {
                    self.call.end_as(&trailers);
                    self.call.tell(&mut trailers);
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            })),
            other => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The status as OpenTelemetry and Prometheus dashboards write it.
const fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_about_one_person_have_no_method() {
        let methods = methods();
        assert!(methods.len() > 40, "{}", methods.len());
        let named = |name: &str| {
            methods.get(&format!("tallygate.v1.{name}")).map(|counted| counted.word().to_string())
        };
        for name in ABOUT_A_PERSON {
            assert_eq!(named(name).as_deref(), Some("about_a_person"), "{name}");
        }
        for service in ABOUT_PERSONS {
            let of_it = format!("tallygate.v1.{service}/");
            let mut own = methods.iter().filter(|(name, _)| name.starts_with(&of_it)).peekable();
            assert!(own.peek().is_some(), "{service}");
            assert!(own.all(|(_, counted)| *counted == Counted::AboutAPerson), "{service}");
        }
        assert_eq!(named("FigureService/GetCard").unwrap(), "tallygate.v1.FigureService/GetCard");
    }
}
