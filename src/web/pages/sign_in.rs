//! Signing in and out.
//!
//! A one-time link shows a page with one button: whatever opens links to look at them (mail
//! filters, previews) uses nothing up, since only the button's POST does.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::{Anyone, Nothing},
    visitor::{self, COOKIE, Posted, UNDER_WAY},
};
use crate::{
    domain::Quarter,
    identity::{CameBack, OneTimeLinks, SignInRefused},
};
use askama::Template;
use axum::{
    extract::State,
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
    /// The providers' names, in the order of their numbers.
    providers: Vec<String>,
}

impl SignInPage {
    fn new(pages: &Pages, notice: &'static str, link: String) -> Self {
        let providers = pages.settings.providers.iter().map(|one| one.name().to_owned());
        let frame = answer::frame_of_nobody(pages, "Sign in");
        Self { frame, notice, link, providers: providers.collect() }
    }
}

/// With what a provider sends a browser back.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SentBack {
    code: String,
    state: String,
    /// Who sends it, where the provider says so.
    iss: String,
}

/// Why somebody is sent here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    ended: String,
}

pub(super) async fn page(
    State(pages): State<Arc<Pages>>,
    Anyone { query: sent, .. }: Anyone<(), Sent>,
) -> Response {
    let notice = match sent.ended.as_str() {
        "" => "",
        "out" => "You have signed out.",
        _ => "Your session has ended. Sign in again to go on.",
    };
    answer::page(&SignInPage::new(&pages, notice, String::new()))
}

/// What a one-time link opens. Whether it is good is told only when it is used.
pub(super) async fn link(
    State(pages): State<Arc<Pages>>,
    Anyone { at: link, .. }: Anyone<String>,
) -> Response {
    if !OneTimeLinks::is_one(&link) {
        // Nothing of an address goes into a form but what can't lead it elsewhere.
        return answer::page(&SignInPage::new(&pages, "", String::new()));
    }
    answer::page(&SignInPage::new(&pages, "", link))
}

/// Uses a one-time link up.
pub(super) async fn redeem(
    State(pages): State<Arc<Pages>>,
    Anyone { at: link, .. }: Anyone<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let from_here = visitor::is_from_here(&headers, authority);
    let now = pages.now();
    let Some(who) = pages.links.redeem(&link, now).filter(|_| from_here) else {
        (pages.unknown)();
        let notice = "This link has been used before, or is too old. Ask for another one.";
        let shown = answer::page(&SignInPage::new(&pages, notice, String::new()));
        return (StatusCode::FORBIDDEN, shown).into_response();
    };
    let came = CameBack { who, proved: Some(now), to_close: None };
    let_in(&pages, &headers, came).await
}

/// Begins a session, behind its leaf. One that the browser had before ends: nobody goes on in
/// another's. It begins at the first page, or where somebody set out to close a quarter.
async fn let_in(pages: &Pages, headers: &HeaderMap, came: CameBack) -> Response {
    let CameBack { who, proved, to_close } = came;
    if let Some(before) = visitor::cookie(headers, COOKIE) {
        pages.sessions.end(before);
    }
    let actor = match pages.recogniser.person(&who).await {
        Ok(actor) => actor,
        Err(denied) => return answer::denied_to_nobody(pages, &denied),
    };
    if let Err(denied) = pages.gateway().sign_in(&actor).await {
        return answer::denied_to_nobody(pages, &denied);
    }
    let cookie = pages.sessions.begin(who, proved, pages.now(), &mut *pages.rng());
    let place = to_close.map_or_else(|| "/".to_owned(), |q| format!("/releases/next?quarter={q}"));
    let mut answer = answer::go_to(&place);
    visitor::set_cookie(&mut answer, COOKIE, cookie.expose());
    answer
}

/// What somebody sets out for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SetOut {
    /// The quarter that they are to close; empty for nothing special.
    close: String,
}

/// Sends somebody to a provider.
pub(super) async fn set_out(
    State(pages): State<Arc<Pages>>,
    Anyone { at: provider, query: SetOut { close } }: Anyone<String, SetOut>,
    headers: HeaderMap,
) -> Response {
    if !visitor::is_own_way(&headers) {
        // Somebody else's page sets nobody out: it would know with whom they come back.
        return answer::go_to("/sign-in");
    }
    let number = provider.parse::<usize>().ok();
    let Some(provider) = number.and_then(|number| pages.settings.providers.get(number)) else {
        return answer::nothing_for_nobody(&pages);
    };
    let to_close = Some(close.as_str()).filter(|quarter| !quarter.is_empty());
    let Ok(to_close) = to_close.map(str::parse::<Quarter>).transpose() else {
        (pages.unknown)();
        return answer::unreadable_of_nobody(&pages);
    };
    let (cookie, location) = provider.begin(to_close, pages.now(), &mut *pages.rng());
    let mut answer = answer::go_to(&location);
    let kept = format!("{}.{}", number.unwrap_or_default(), cookie.expose());
    visitor::set_cookie(&mut answer, UNDER_WAY, &kept);
    answer
}

/// Somebody comes back from a provider.
pub(super) async fn back(
    State(pages): State<Arc<Pages>>,
    headers: HeaderMap,
    Anyone { at: number, query }: Anyone<String, SentBack>,
) -> Response {
    let SentBack { code, state, iss } = query;
    let kept = visitor::cookie(&headers, UNDER_WAY).and_then(|kept| kept.split_once('.'));
    // By the way back of the provider that this browser set out to, and no other's.
    let kept = kept.filter(|(set_out, _)| *set_out == number);
    let provider = kept.and_then(|(number, cookie)| {
        let provider = pages.settings.providers.get(number.parse::<usize>().ok()?)?;
        provider.is_issuer(&iss).then_some((provider, cookie))
    });
    let finished = match provider {
        Some((provider, cookie)) => provider.finish(cookie, &state, &code, pages.now()).await,
        None => Err(SignInRefused::NotUnderWay),
    };
    let mut answer = match finished {
        Ok(came) => let_in(&pages, &headers, came).await,
        Err(error) => {
            // Nobody has to be anybody to make these: they are counted.
            tracing::debug!(%error, "a sign-in by a provider was refused");
            (pages.unknown)();
            let notice = "You could not be signed in. Start again.";
            let shown = answer::page(&SignInPage::new(&pages, notice, String::new()));
            (StatusCode::FORBIDDEN, shown).into_response()
        }
    };
    visitor::set_cookie(&mut answer, UNDER_WAY, "");
    answer
}

/// Ends the session.
pub(super) async fn out(
    State(pages): State<Arc<Pages>>,
    headers: HeaderMap,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Answer {
    if let Some(cookie) = visitor::cookie(&headers, COOKIE) {
        pages.sessions.end(cookie);
    }
    pages.uploads.forget(&visitor.actor);
    // It has ended, whether or not that can be written down.
    pages
        .gateway()
        .sign_out(&visitor.actor)
        .await
        .map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let mut answer = answer::go_to("/sign-in?ended=out");
    visitor::set_cookie(&mut answer, COOKIE, "");
    Ok(answer)
}
