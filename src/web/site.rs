//! Who may have what of the published log, and the answers.

use super::path::Asked;
use crate::{
    audit::{self, TileFile, tile::TileKind, tree::TILE_WIDTH},
    gateway::{Denied, GatewayError, Published, RefusalKind, Refused},
    identity::{Peer, Recogniser},
    store::Logged,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};
use http_body_util::Full;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time;

/// How long an answer may take to be found.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The header of an answer that was logged: its receipt as JSON, base64.
const RECEIPT: HeaderName = HeaderName::from_static("tallygate-receipt");

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
const JSON: &str = "application/json";

/// Full tiles never change.
const FOR_EVER: &str = "private, max-age=31536000, immutable";
/// Neither do partial ones, but wider ones take their place.
const FOR_NOW: &str = "private, max-age=3600";
/// The next tick brings another checkpoint.
const SHORTLY: &str = "private, max-age=1, must-revalidate";
/// Entries, whose every reading is to be logged, and refusals.
const NEVER: &str = "no-store";

/// An answer.
pub type Answer = Response<Full<Bytes>>;

/// The published log, for those who may see it.
pub struct Site {
    recogniser: Arc<Recogniser>,
    published: Published,
    uncertified: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Site")
    }
}

impl Site {
    /// Over one gateway. `uncertified` counts a request of somebody who showed no certificate.
    pub fn new(
        recogniser: Arc<Recogniser>,
        published: Published,
        uncertified: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self { recogniser, published, uncertified: Box::new(uncertified) }
    }

    /// Answers a request that came over the connection of `peer`.
    pub async fn answer(
        &self,
        peer: Option<&Peer>,
        request: &request::Parts,
        has_body: bool,
    ) -> Answer {
        let finding = self.find(peer, request, has_body);
        let answer = match time::timeout(TIME_LIMIT, finding).await {
            Ok(found) => found.unwrap_or_else(denied),
            Err(_) => later("timeout", "the answer took too long; try again later"),
        };
        let mut answer = headed(answer);
        if request.method == Method::HEAD {
            // The length is that of the body which GET would give.
            *answer.body_mut() = Full::default();
        }
        answer
    }

    async fn find(
        &self,
        peer: Option<&Peer>,
        request: &request::Parts,
        has_body: bool,
    ) -> Result<Answer, Denied> {
        let Some(peer) = peer else {
            (self.uncertified)();
            let sentence = "show the client certificate that is registered for your organisation";
            return Ok(refusal(StatusCode::FORBIDDEN, "certificate_missing", sentence, None));
        };
        let asked = Asked::read(&request.uri);
        if let Asked::File(file @ TileFile { kind: TileKind::Entries, .. }) = asked
            && matches!(request.method, Method::GET | Method::HEAD)
            && !has_body
        {
            return self.entries(peer, &request.headers, file).await;
        }
        let partner = self.recogniser.partner(peer).await?;
        if !matches!(request.method, Method::GET | Method::HEAD) {
            let sentence = "the log is only read: GET or HEAD";
            let mut answer =
                refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", sentence, None);
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(answer);
        }
        let rule = match asked {
            _ if has_body => "a request for a file of the log has no body",
            Asked::Malformed => "a path of C2SP tlog-tiles, in its one spelling",
            Asked::Nothing => return Ok(absent()),
            Asked::Checkpoint => {
                let note = self.published.checkpoint().await.map_err(failed)?.note;
                return Ok(found(TEXT, SHORTLY, note.into()));
            }
            Asked::File(file) => {
                let Some(bytes) = self.published.file(file).await.map_err(failed)? else {
                    return Ok(absent());
                };
                let kept = if file.width == TILE_WIDTH { FOR_EVER } else { FOR_NOW };
                return Ok(found(BYTES, kept, bytes.into()));
            }
        };
        let refused = Refused::invalid("path", rule);
        Err(self.recogniser.gateway().refuse_partner(&partner, refused).await)
    }

    /// Entries are for auditors alone, and each reading is a leaf.
    async fn entries(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        file: TileFile,
    ) -> Result<Answer, Denied> {
        let actor = self.recogniser.caller(peer, headers).await?;
        let gateway = self.recogniser.gateway();
        let logged = gateway.entry_bundle(&actor, &self.published, file).await?;
        let (bytes, receipt) = logged.into_parts();
        let mut answer = found(BYTES, NEVER, bytes.into());
        if let Some(receipt) = in_header(&receipt) {
            answer.headers_mut().insert(RECEIPT, receipt);
        }
        Ok(answer)
    }
}

fn failed(error: impl Into<GatewayError>) -> Denied {
    Denied::Failed(error.into())
}

/// A receipt as a header's value; it always has one.
fn in_header(receipt: &audit::Receipt) -> Option<HeaderValue> {
    let text = serde_json::to_vec(receipt).ok()?;
    HeaderValue::try_from(STANDARD.encode(text)).ok()
}

fn found(kind: &'static str, kept: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    answer
}

/// What every answer says of itself.
fn headed(mut answer: Answer) -> Answer {
    use hyper::body::Body as _;
    let length = answer.body().size_hint().exact().unwrap_or(0);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// A refusal in fixed words, with its receipt where it is logged.
fn refusal(
    status: StatusCode,
    reason: &str,
    sentence: &str,
    receipt: Option<&audit::Receipt>,
) -> Answer {
    let mut body = json!({ "reason": reason, "message": sentence });
    if let Some(receipt) = receipt.and_then(|receipt| serde_json::to_value(receipt).ok()) {
        body["receipt"] = receipt;
    }
    let mut answer = found(JSON, NEVER, format!("{body}\n").into());
    *answer.status_mut() = status;
    answer
}

/// What the published log does not have, or not yet.
fn absent() -> Answer {
    let sentence = "the log, as last published, has no such file";
    refusal(StatusCode::NOT_FOUND, "not_found", sentence, None)
}

fn later(reason: &str, sentence: &str) -> Answer {
    let mut answer = refusal(StatusCode::SERVICE_UNAVAILABLE, reason, sentence, None);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

fn denied(denied: Denied) -> Answer {
    match denied {
        Denied::Refused(logged) => refused(&logged),
        Denied::Failed(error) => {
            tracing::error!(%error, source = ?std::error::Error::source(&error), "a request failed");
            match error {
                GatewayError::Store(_)
                | GatewayError::LogUnavailable
                | GatewayError::Unsettled
                | GatewayError::Conflict
                | GatewayError::KeysBehind
                | GatewayError::Journal(_)
                | GatewayError::Published(_) => {
                    later("unavailable", "the gateway can't answer now; try again later")
                }
                GatewayError::Contradicted => {
                    let sentence = "a witness contradicts the access log: nothing until that is \
                                    settled";
                    refusal(StatusCode::CONFLICT, "witness_contradicts", sentence, None)
                }
                GatewayError::Key(_)
                | GatewayError::Disclosure(_)
                | GatewayError::Audit(_)
                | GatewayError::ScrubOwed
                | GatewayError::ClockJumped { .. } => {
                    let sentence = "the gateway failed; its operator finds the reason in its log";
                    refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal", sentence, None)
                }
            }
        }
    }
}

/// A refusal of a use case. RFC 9110 §15.5.2 wants a challenge with each 401, and only a token
/// can mend those: for a certificate it is 403.
fn refused(logged: &Logged<Refused>) -> Answer {
    let refused = logged.value();
    let token = refused.reason().starts_with("token_");
    let status = match refused.kind() {
        RefusalKind::Unauthenticated if token => StatusCode::UNAUTHORIZED,
        RefusalKind::Unauthenticated | RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::Invalid => StatusCode::BAD_REQUEST,
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::Conflict => StatusCode::CONFLICT,
        RefusalKind::Exhausted => StatusCode::TOO_MANY_REQUESTS,
    };
    let receipt = Some(logged.receipt());
    let mut answer = refusal(status, refused.reason(), refused.sentence(), receipt);
    if status == StatusCode::UNAUTHORIZED {
        // RFC 6750 §3: no error code where no token came.
        let challenge = match refused.reason() {
            "token_missing" => "Bearer",
            _ => "Bearer error=\"invalid_token\"",
        };
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    answer
}
