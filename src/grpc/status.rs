//! The one map from denials to gRPC status, with google.rpc error details and the
//! refusal's receipt.

use super::{observe, receipt};
use crate::{
    gateway::{Denied, GatewayError, RefusalKind, Refused},
    store::Logged,
    wire::v1,
};
use prost::{Message, Name};
use prost_types::Any;
use std::{collections::HashMap, time::Duration};
use tonic::{Code, Status, metadata::MetadataValue};
use tonic_types::pb::{BadRequest, ErrorInfo, RetryInfo, bad_request::FieldViolation};

/// The domain of our error reasons.
const DOMAIN: &str = "tallygate";

impl Name for v1::Receipt {
    const NAME: &'static str = "Receipt";
    const PACKAGE: &'static str = "tallygate.v1";
}

/// A denial as a status. What went wrong inside goes to tracing, never to the caller.
pub(super) fn of(denied: Denied) -> Status {
    match denied {
        Denied::Refused(logged) => refused(&logged),
        Denied::Failed(error) => failed(&error),
    }
}

fn refused(logged: &Logged<Refused>) -> Status {
    let refused = logged.value();
    let code = match refused.kind() {
        RefusalKind::Unauthenticated => Code::Unauthenticated,
        RefusalKind::Forbidden => Code::PermissionDenied,
        RefusalKind::Invalid => Code::InvalidArgument,
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::Conflict => Code::FailedPrecondition,
        RefusalKind::Exhausted => Code::ResourceExhausted,
    };
    let clause = refused.clause().map(|clause| ("clause".to_owned(), clause.to_owned()));
    let metadata = clause.into_iter().chain(request_id());
    let mut details = vec![any(
        "google.rpc.ErrorInfo",
        &ErrorInfo {
            reason: refused.reason().to_ascii_uppercase(),
            domain: DOMAIN.to_owned(),
            metadata: metadata.collect::<HashMap<_, _>>(),
        },
    )];
    if !refused.fields().is_empty() {
        let violation = |(field, rule): &(String, String)| FieldViolation {
            field: field.clone(),
            description: rule.clone(),
            ..FieldViolation::default()
        };
        let field_violations = refused.fields().iter().map(violation).collect();
        details.push(any("google.rpc.BadRequest", &BadRequest { field_violations }));
    }
    details.push(any("tallygate.v1.Receipt", &receipt(logged.receipt())));
    with_details(code, refused.sentence(), details)
}

fn failed(error: &GatewayError) -> Status {
    tracing::error!(%error, source = ?std::error::Error::source(error), "a call failed");
    let (code, reason, sentence) = match error {
        GatewayError::LogUnavailable => (
            Code::Unavailable,
            "LOG_UNAVAILABLE",
            "the access log can't be written, so nothing is answered; try again later",
        ),
        GatewayError::Contradicted => (
            Code::FailedPrecondition,
            "WITNESS_CONTRADICTS",
            "a witness contradicts the access log: nothing but suspensions, revocations and \
             withdrawals until that is settled",
        ),
        GatewayError::Unsettled => (
            Code::Aborted,
            "POLICY_CHANGED",
            "the policy changed while this was decided; try again",
        ),
        GatewayError::Conflict => {
            (Code::Aborted, "CONFLICT", "another act was first; look again and repeat")
        }
        GatewayError::KeysBehind => (
            Code::Unavailable,
            "KEYS_BEHIND",
            "this gateway does not hold the keys in use; try again, or another gateway",
        ),
        GatewayError::Store(_) => (
            Code::Unavailable,
            "STORE_UNAVAILABLE",
            "the gateway can't reach its data; try again later",
        ),
        GatewayError::Published(_) => (
            Code::Unavailable,
            "LOG_UNPUBLISHED",
            "the published log can't be read now; try again after its next tick",
        ),
        GatewayError::Journal(_) => (
            Code::Unavailable,
            "JOURNAL_UNAVAILABLE",
            "the gateway can't write down what it did outside of its database; try again later",
        ),
        GatewayError::Key(_)
        | GatewayError::Disclosure(_)
        | GatewayError::Audit(_)
        | GatewayError::ScrubOwed
        // Of a job, and never of a call.
        | GatewayError::ClockJumped { .. } => (
            Code::Internal,
            "INTERNAL",
            "the gateway failed; its operator finds the reason in its log",
        ),
    };
    let mut details = vec![any(
        "google.rpc.ErrorInfo",
        &ErrorInfo {
            reason: reason.to_owned(),
            domain: DOMAIN.to_owned(),
            metadata: request_id().into_iter().collect::<HashMap<_, _>>(),
        },
    )];
    if matches!(code, Code::Unavailable | Code::Aborted) {
        let retry_delay = Some(prost_types::Duration { seconds: 1, nanos: 0 });
        details.push(any("google.rpc.RetryInfo", &RetryInfo { retry_delay }));
    }
    with_details(code, sentence, details)
}

/// A call that was not taken on, with the advice when to try again.
pub(super) fn turned_away(code: Code, sentence: &str, come_back: Duration) -> Status {
    let (seconds, nanos) = (come_back.as_secs(), come_back.subsec_nanos());
    let retry_delay = Some(prost_types::Duration {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos).unwrap_or(0),
    });
    let info = ErrorInfo {
        reason: "OVERLOADED".to_owned(),
        domain: DOMAIN.to_owned(),
        metadata: request_id().into_iter().collect::<HashMap<_, _>>(),
    };
    let details = vec![
        any("google.rpc.ErrorInfo", &info),
        any("google.rpc.RetryInfo", &RetryInfo { retry_delay }),
    ];
    let mut status = with_details(code, sentence, details);
    let pushback = MetadataValue::from(come_back.as_millis().try_into().unwrap_or(u64::MAX));
    status.metadata_mut().insert("grpc-retry-pushback-ms", pushback);
    status
}

/// The gateway stops: what was acknowledged stays, and whoever wants more opens another stream.
pub(super) fn stopping() -> Status {
    let info = ErrorInfo {
        reason: "GATEWAY_STOPS".to_owned(),
        domain: DOMAIN.to_owned(),
        metadata: request_id().into_iter().collect::<HashMap<_, _>>(),
    };
    let retry_delay = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let retry = RetryInfo { retry_delay };
    let details = vec![any("google.rpc.ErrorInfo", &info), any("google.rpc.RetryInfo", &retry)];
    let sentence =
        "the gateway stops; what it acknowledged stays: go on after that, here or at another";
    with_details(Code::Unavailable, sentence, details)
}

/// By what the operator finds the call in the gateway's own log.
fn request_id() -> Option<(String, String)> {
    observe::current().map(|id| ("request_id".to_owned(), id.to_string()))
}

fn any(name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
}

fn with_details(code: Code, sentence: &str, details: Vec<Any>) -> Status {
    let status =
        tonic_types::pb::Status { code: code.into(), message: sentence.to_owned(), details };
    Status::with_details(code, sentence, status.encode_to_vec().into())
}
