//! What every answer says of itself, and how a no is said.

use super::{Pages, assets, visitor::Visitor};
use crate::{
    gateway::{Denied, GatewayError, RefusalKind, Refused},
    store::Logged,
};
use askama::Template;
use axum::{
    body::Body,
    response::{Html, IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use miniz_oxide::deflate::compress_to_vec_zlib;

/// An answer, or one that says why not.
pub(super) type Answer = Result<Response, Response>;

/// Only what comes from here, no script or style in a page, no frame, no way out for a form.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'",
);

/// Packs to a fifth in a millisecond or so.
const LEVEL: u8 = 3;

/// One entry of the menu.
#[derive(Debug)]
pub(super) struct MenuEntry {
    pub(super) href: &'static str,
    pub(super) text: &'static str,
    pub(super) current: bool,
}

/// What every page has around it.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) menu: Vec<MenuEntry>,
    /// Who is signed in: organisation and role.
    pub(super) who: String,
    /// The secret of the session's forms; empty where nobody is signed in.
    pub(super) form: String,
    pub(super) style: String,
    pub(super) contact: String,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage<'a> {
    frame: Frame,
    heading: &'a str,
    sentence: &'a str,
    reason: &'a str,
    clause: &'a str,
    /// Where the clause's protocol is.
    protocol: String,
    fields: &'a [(String, String)],
    entry: Option<u64>,
}

/// A page's markup as an answer.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The same, packed (zlib: RFC 9110 §8.4.1.2) where the browser can read that. Only for pages that
/// repeat nothing of what was asked but codes and quarters that were read: else the length of a
/// packed page would tell whether somebody else's text stands in it twice.
pub(super) fn packed_page(headers: &HeaderMap, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => packed(headers, text),
        Err(_) => page(template),
    }
}

/// A page's text, packed where the browser can read that.
pub(super) fn packed(headers: &HeaderMap, text: String) -> Response {
    if !assets::accepts_packed(headers) {
        return Html(text).into_response();
    }
    let mut answer = Html(compress_to_vec_zlib(text.as_bytes(), LEVEL)).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("deflate"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    answer
}

/// What every answer says of itself: what a page may do, that nobody keeps it, and that it stays
/// on TLS.
pub(super) async fn headed(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    let fixed = HeaderValue::from_static;
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY);
    headers.entry(header::CACHE_CONTROL).or_insert(fixed("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, fixed("DENY"));
    // Not "no-referrer": with that a form's Origin would be null.
    headers.insert(header::REFERRER_POLICY, fixed("same-origin"));
    headers.insert(header::STRICT_TRANSPORT_SECURITY, fixed("max-age=31536000"));
    headers.insert("cross-origin-opener-policy", fixed("same-origin"));
    headers.insert("cross-origin-resource-policy", fixed("same-origin"));
    headers.insert("permissions-policy", fixed("camera=(), geolocation=(), microphone=()"));
    answer
}

/// A download under its name.
pub(super) fn download(name: &str, kind: &'static str, text: String) -> Response {
    let mut answer = Response::new(Body::from(text));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(named) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, named);
    }
    answer
}

/// Bytes as they are.
pub(super) fn bytes(kind: &'static str, bytes: Vec<u8>) -> Response {
    let mut answer = Response::new(Body::from(bytes));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// Sends the browser on, with GET.
pub(super) fn go_to(path: &str) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::try_from(path) {
        answer.headers_mut().insert(header::LOCATION, path);
    }
    answer
}

/// A page that says one thing: no more than that was asked of the gateway, so it is no leaf.
fn said(frame: Frame, status: StatusCode, heading: &str, sentence: &str) -> Response {
    let shown = RefusedPage {
        frame,
        heading,
        sentence,
        reason: "",
        clause: "",
        protocol: String::new(),
        fields: &[],
        entry: None,
    };
    (status, page(&shown)).into_response()
}

const ABSENT: &str = "Page not found";
const ABSENT_SENTENCE: &str = "There is no page at this address. If you typed it, check it; if a \
                               link brought you here, say so to whoever runs this service.";

/// An address that nothing lies at.
pub(super) fn nothing_here(pages: &Pages, visitor: &Visitor) -> Response {
    said(visitor.frame(pages, ABSENT, ""), StatusCode::NOT_FOUND, ABSENT, ABSENT_SENTENCE)
}

/// The same for somebody who is not signed in.
pub(super) fn nothing_for_nobody(pages: &Pages) -> Response {
    said(frame_of_nobody(pages, ABSENT), StatusCode::NOT_FOUND, ABSENT, ABSENT_SENTENCE)
}

/// A page that is not asked in this way.
pub(super) fn not_so(pages: &Pages, visitor: &Visitor) -> Response {
    let heading = "This can't be done here";
    let sentence = "The page at this address does not take what was sent to it. Open it from the \
                    menu, and go on from there.";
    said(visitor.frame(pages, heading, ""), StatusCode::METHOD_NOT_ALLOWED, heading, sentence)
}

/// A form of somebody whose session is over.
pub(super) fn signed_out(pages: &Pages) -> Response {
    let heading = "You are not signed in";
    let sentence = "Your session has ended, so nothing was done. Sign in and do it again.";
    said(frame_of_nobody(pages, heading), StatusCode::FORBIDDEN, heading, sentence)
}

/// An address of somebody who is not signed in, and that can't be read.
pub(super) fn unreadable_of_nobody(pages: &Pages) -> Response {
    let heading = "Something needs correcting";
    let sentence = "This address can't be read. Sign in, and go on from the menu.";
    said(frame_of_nobody(pages, heading), StatusCode::BAD_REQUEST, heading, sentence)
}

/// One page more than is made for a session at once.
pub(super) fn too_many(pages: &Pages) -> Response {
    let heading = "Too much at once";
    let sentence = "As many pages as one person may ask for at once are being made. Wait for them, \
                    then try again.";
    said(frame_of_nobody(pages, heading), StatusCode::TOO_MANY_REQUESTS, heading, sentence)
}

/// What took too long to be made. Who asked is not known here.
pub(super) async fn late(pages: &Pages) -> Response {
    let heading = "This took too long";
    let sentence = "The gateway could not answer in time. If you sent something, look whether it \
                    was done before you send it again; else try again in a minute.";
    let frame = frame_of_nobody(pages, heading);
    headed(said(frame, StatusCode::SERVICE_UNAVAILABLE, heading, sentence)).await
}

/// What stands around a page for somebody who is not signed in.
pub(super) fn frame_of_nobody(pages: &Pages, title: &str) -> Frame {
    Frame {
        title: title.to_owned(),
        menu: Vec::new(),
        who: String::new(),
        form: String::new(),
        style: pages.assets.style().to_owned(),
        contact: pages.settings.contact.clone(),
    }
}

/// The same no for somebody who is not let in at all.
pub(super) fn denied_to_nobody(pages: &Pages, denied: &Denied) -> Response {
    let (status, heading, sentence, reason, entry) = match denied {
        Denied::Refused(logged) => {
            let (refused, entry) = (logged.value(), Some(logged.receipt().leaf_index));
            let heading = "You are not recognised";
            (StatusCode::FORBIDDEN, heading, refused.sentence(), refused.reason(), entry)
        }
        Denied::Failed(error) => {
            tracing::error!(%error, source = ?std::error::Error::source(error), "nobody let in");
            let sentence = "The gateway can't answer now. Try again in a minute.";
            (StatusCode::SERVICE_UNAVAILABLE, "Something went wrong", sentence, "", None)
        }
    };
    let frame = frame_of_nobody(pages, heading);
    let (clause, protocol, fields) = ("", String::new(), &[][..]);
    let shown = RefusedPage { frame, heading, sentence, reason, clause, protocol, fields, entry };
    (status, page(&shown)).into_response()
}

/// A use case's no, as a page.
pub(super) fn denied(pages: &Pages, visitor: &Visitor, denied: Denied) -> Response {
    match denied {
        Denied::Refused(logged) => refused(pages, visitor, &logged),
        Denied::Failed(error) => failed(pages, visitor, &error),
    }
}

/// The no to somebody whose role has no such page, logged like any.
pub(super) async fn not_your_role(pages: &Pages, visitor: &Visitor) -> Response {
    let sentence = "the caller's role may not do this";
    let refused = Refused::new(RefusalKind::Forbidden, "wrong_role", sentence);
    let no = pages.gateway().refuse_malformed(&visitor.actor, refused).await;
    denied(pages, visitor, no)
}

fn refused(pages: &Pages, visitor: &Visitor, logged: &Logged<Refused>) -> Response {
    let refused = logged.value();
    let (status, heading) = match refused.kind() {
        RefusalKind::Unauthenticated => (StatusCode::FORBIDDEN, "You are not recognised"),
        RefusalKind::Forbidden => (StatusCode::FORBIDDEN, "This is refused"),
        RefusalKind::Invalid => (StatusCode::BAD_REQUEST, "Something needs correcting"),
        RefusalKind::NotFound => (StatusCode::NOT_FOUND, "There is nothing to show"),
        RefusalKind::Conflict => (StatusCode::CONFLICT, "This can't be done now"),
        RefusalKind::Exhausted => (StatusCode::TOO_MANY_REQUESTS, "Too much at once"),
    };
    let clause = refused.clause().unwrap_or_default();
    let shown = RefusedPage {
        frame: visitor.frame(pages, heading, ""),
        heading,
        sentence: refused.sentence(),
        reason: refused.reason(),
        clause,
        protocol: clause
            .split('#')
            .next()
            .filter(|p| !p.is_empty())
            .map_or_else(String::new, |protocol| format!("/protocols/{protocol}")),
        fields: refused.fields(),
        entry: Some(logged.receipt().leaf_index),
    };
    (status, page(&shown)).into_response()
}

fn failed(pages: &Pages, visitor: &Visitor, error: &GatewayError) -> Response {
    tracing::error!(%error, source = ?std::error::Error::source(error), "a page failed");
    let (status, sentence) = match error {
        GatewayError::Store(_)
        | GatewayError::LogUnavailable
        | GatewayError::Unsettled
        | GatewayError::Conflict
        | GatewayError::KeysBehind
        | GatewayError::Journal(_)
        | GatewayError::Published(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The gateway can't answer now, and shows nothing that it can't log. Try again in a \
             minute.",
        ),
        GatewayError::Contradicted => (
            StatusCode::CONFLICT,
            "A witness contradicts the access log. Nothing is shown until that is settled.",
        ),
        GatewayError::Key(_)
        | GatewayError::Disclosure(_)
        | GatewayError::Audit(_)
        | GatewayError::ScrubOwed
        | GatewayError::ClockJumped { .. } => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The gateway failed. Its operator finds the reason in its log.",
        ),
    };
    let heading = "Something went wrong";
    said(visitor.frame(pages, heading, ""), status, heading, sentence)
}
