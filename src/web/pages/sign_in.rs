//! Signing in and out.
//!
//! A one-time link shows a page with one button: whatever opens links to look at them (mail
//! filters, previews) uses nothing up, since only the button's POST does.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    visitor::{self, Posted},
};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    /// Why somebody is here, where there is something to say.
    notice: &'static str,
    /// The link to use up.
    link: String,
}

/// Why somebody is sent here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    ended: String,
}

pub(super) async fn page(State(pages): State<Arc<Pages>>, Query(sent): Query<Sent>) -> Response {
    let notice = match sent.ended.as_str() {
        "" => "",
        "out" => "You have signed out.",
        _ => "Your session has ended. Sign in again to go on.",
    };
    let frame = answer::frame_of_nobody(&pages, "Sign in");
    answer::page(&SignInPage { frame, notice, link: String::new() })
}

/// What a one-time link opens. Whether it is good is told only when it is used.
pub(super) async fn link(State(pages): State<Arc<Pages>>, Path(link): Path<String>) -> Response {
    let frame = answer::frame_of_nobody(&pages, "Sign in");
    answer::page(&SignInPage { frame, notice: "", link })
}

/// Uses a one-time link up.
pub(super) async fn redeem(
    State(pages): State<Arc<Pages>>,
    Path(link): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let from_here = visitor::is_from_here(&headers, authority);
    let now = pages.now();
    let Some(who) = pages.links.redeem(&link, now).filter(|_| from_here) else {
        (pages.unknown)();
        let notice = "This link has been used before, or is too old. Ask for another one.";
        let frame = answer::frame_of_nobody(&pages, "Sign in");
        let shown = answer::page(&SignInPage { frame, notice, link: String::new() });
        return (StatusCode::FORBIDDEN, shown).into_response();
    };
    // A session that the browser had before ends: nobody goes on in another's.
    if let Some(before) = visitor::cookie(&headers) {
        pages.sessions.end(before);
    }
    let cookie = pages.sessions.begin(who, now, &mut *pages.rng());
    let mut answer = answer::go_to("/");
    visitor::set_cookie(&mut answer, cookie.expose());
    answer
}

/// A form with nothing in it but its proof.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

/// Ends the session.
pub(super) async fn out(
    State(pages): State<Arc<Pages>>,
    headers: HeaderMap,
    Posted { .. }: Posted<Nothing>,
) -> Answer {
    if let Some(cookie) = visitor::cookie(&headers) {
        pages.sessions.end(cookie);
    }
    let mut answer = answer::go_to("/sign-in?ended=out");
    visitor::set_cookie(&mut answer, "");
    Ok(answer)
}
