//! From a browser's cookie to a caller, and what a form must prove before it changes anything.
//!
//! The cookie names a session; the session says who; the register says, at each request, what
//! that may do. A form must come from a page of this very session (its secret) and from this
//! very site (`Sec-Fetch-Site` or `Origin`): two proofs, of which each alone would do.

use super::{
    Pages,
    answer::{self, Frame, MenuEntry},
    asked,
};
use crate::{
    gateway::{Actor, Denied, RefusalKind, Refused},
    identity::Session,
    protocol::CallerRole,
};
use axum::{
    extract::{Form, FromRequest, FromRequestParts, Request},
    response::Response,
};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// A cookie of this host alone, on TLS alone (RFC 6265bis §4.1.3.2).
pub(super) const COOKIE: &str = "__Host-tallygate";
/// The same of a sign-in that is under way.
pub(super) const UNDER_WAY: &str = "__Host-tallygate-sign-in";

/// Somebody who is signed in.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) actor: Actor,
    pub(super) session: Session,
    /// Held until the answer is made.
    _place: OwnedSemaphorePermit,
}

/// A cookie's value, where there is exactly one.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, named: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut own = pairs.filter(|(name, _)| *name == named).map(|(_, value)| value);
    let first = own.next()?;
    own.next().is_none().then_some(first)
}

/// Sets a cookie, or takes it back with an empty value.
pub(super) fn set_cookie(answer: &mut Response, name: &str, value: &str) {
    let ends = if value.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{ends}");
    if let Ok(text) = HeaderValue::try_from(text) {
        answer.headers_mut().append(header::SET_COOKIE, text);
    }
}

impl FromRequestParts<Arc<Pages>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        pages: &Arc<Pages>,
    ) -> Result<Self, Self::Rejection> {
        let shown = cookie(&parts.headers, COOKIE);
        let Some(session) = shown.and_then(|shown| pages.sessions.find(shown, pages.now())) else {
            return Err(signed_out(pages, &parts.method, shown.is_some()));
        };
        let Some(place) = session.place() else {
            return Err(answer::too_many(pages));
        };
        match pages.recogniser.person(&session.who).await {
            Ok(actor) => Ok(Self { actor, session, _place: place }),
            Err(denied) => {
                let mut answer = answer::denied_to_nobody(pages, &denied);
                if let Denied::Refused(_) = denied {
                    // Barred since: the session ends with the refusal.
                    shown.into_iter().for_each(|shown| pages.sessions.end(shown));
                    set_cookie(&mut answer, COOKIE, "");
                }
                Err(answer)
            }
        }
    }
}

/// Whoever is not signed in is sent to where that can be done. A cookie that names no session,
/// be it over or made up, is counted.
fn signed_out(pages: &Pages, method: &Method, had_cookie: bool) -> Response {
    if had_cookie || *method != Method::GET {
        (pages.unknown)();
    }
    let mut answer = match *method {
        Method::GET | Method::HEAD => {
            answer::go_to(if had_cookie { "/sign-in?ended=1" } else { "/sign-in" })
        }
        _ => answer::signed_out(pages),
    };
    if had_cookie {
        set_cookie(&mut answer, COOKIE, "");
    }
    answer
}

/// Whether somebody goes somewhere of their own accord: from a page of this site, or by typing or
/// keeping its address. Browsers that don't say are believed.
pub(super) fn is_own_way(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

/// Whether a request that changes something comes from a page of this site.
pub(super) fn is_from_here(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return false;
    }
    let host = authority.or_else(|| text("host"));
    match (text("origin"), host) {
        (Some(origin), Some(host)) => origin.strip_prefix("https://") == Some(host),
        _ => false,
    }
}

/// A form of a page of this session, sent from it.
#[derive(Debug)]
pub(super) struct Posted<T, P = ()> {
    pub(super) visitor: Visitor,
    /// What the path of its address names.
    pub(super) at: P,
    pub(super) form: T,
}

#[derive(Deserialize)]
struct Proved<T> {
    #[serde(default)]
    form: String,
    #[serde(flatten)]
    rest: T,
}

impl<T, P> FromRequest<Arc<Pages>> for Posted<T, P>
where
    T: DeserializeOwned + Send,
    P: DeserializeOwned + Send,
{
    type Rejection = Response;

    async fn from_request(request: Request, pages: &Arc<Pages>) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, pages).await?;
        let Some(at) = asked::path(&mut parts, pages).await else {
            return Err(asked::malformed(pages, &visitor).await);
        };
        let authority = parts.uri.authority().map(|a| a.as_str().to_owned());
        let from_here = is_from_here(&parts.headers, authority.as_deref());
        let read = Form::<Proved<T>>::from_request(Request::from_parts(parts, body), pages).await;
        match read {
            Ok(Form(Proved { form, rest })) if from_here && visitor.session.form.is(&form) => {
                Ok(Self { visitor, at, form: rest })
            }
            Ok(_) => Err(not_yours(pages, &visitor).await),
            Err(_) => {
                let refused = Refused::invalid("form", "the fields of this page's form");
                let denied = pages.gateway().refuse_malformed(&visitor.actor, refused).await;
                Err(answer::denied(pages, &visitor, denied))
            }
        }
    }
}

/// The no to a form from elsewhere, logged like any.
pub(super) async fn not_yours(pages: &Pages, visitor: &Visitor) -> Response {
    let sentence = "this form did not come from a page of your session; open the page again and \
                    repeat";
    let refused = Refused::new(RefusalKind::Forbidden, "form_not_yours", sentence);
    let denied = pages.gateway().refuse_malformed(&visitor.actor, refused).await;
    answer::denied(pages, visitor, denied)
}

impl Visitor {
    /// What stands around a page of this visitor; `current` is the menu's entry it belongs to.
    pub(super) fn frame(&self, pages: &Pages, title: &str, current: &str) -> Frame {
        let organisation = self.actor.entry.as_ref().map_or("", |entry| entry.name.as_str());
        let roles: Vec<&str> = self.actor.roles.iter().map(|role| role_text(*role)).collect();
        Frame {
            title: title.to_owned(),
            menu: menu(&self.actor, current),
            who: format!("{organisation}: {}", roles.join(", ")),
            form: self.session.form.expose().to_owned(),
            style: pages.assets.style().to_owned(),
            contact: pages.settings.contact.clone(),
        }
    }

    /// Whether it may be this.
    pub(super) fn is(&self, role: CallerRole) -> bool {
        self.actor.may_be(role)
    }
}

const fn role_text(role: CallerRole) -> &'static str {
    match role {
        CallerRole::Provider => "sender",
        CallerRole::Consumer => "centre manager",
        CallerRole::DataOfficer => "data officer",
        CallerRole::Auditor => "auditor",
    }
}

/// The pages that this caller's roles have. What is left out here is refused by its use case all
/// the same.
fn menu(actor: &Actor, current: &str) -> Vec<MenuEntry> {
    use CallerRole::{Auditor, Consumer, DataOfficer, Provider};
    let all: [(&'static str, &'static str, &[CallerRole]); 10] = [
        ("/", "Areas", &[Consumer, DataOfficer, Auditor]),
        ("/figures", "What is published", &[Provider, Consumer, DataOfficer, Auditor]),
        ("/protocols", "Protocols", &[Provider, Consumer, DataOfficer, Auditor]),
        ("/explain", "May we?", &[Provider, Consumer, DataOfficer, Auditor]),
        ("/partners", "Partners and feeds", &[DataOfficer, Auditor]),
        ("/releases", "Releases", &[DataOfficer, Auditor]),
        ("/push", "Send a file", &[Provider]),
        ("/notices", "Objections", &[Provider, DataOfficer, Auditor]),
        ("/log", "Access log", &[Auditor]),
        ("/log/check", "Check the log", &[Auditor]),
    ];
    let may = |roles: &[CallerRole]| roles.iter().any(|role| actor.may_be(*role));
    let entry = |(href, text, _): (&'static str, &'static str, _)| MenuEntry {
        href,
        text,
        current: href == current,
    };
    all.into_iter().filter(|(.., roles)| may(roles)).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_cookie_and_no_other_is_read() {
        let read = |pairs: &[_]| cookie(&headers(pairs), COOKIE).map(str::to_owned);
        assert_eq!(read(&[("cookie", "a=b; __Host-tallygate=x")]), Some("x".to_owned()));
        assert_eq!(read(&[("cookie", "tallygate=x; X__Host-tallygate=y")]), None);
        assert_eq!(read(&[("cookie", "__Host-tallygate=x; __Host-tallygate=y")]), None);
        assert_eq!(
            read(&[("cookie", "__Host-tallygate=x"), ("cookie", "__Host-tallygate=y")]),
            None
        );
    }

    #[test]
    fn only_this_site_posts() {
        let here = |pairs: &[_]| is_from_here(&headers(pairs), Some("gateway.example"));
        let origin = ("origin", "https://gateway.example");
        assert!(here(&[origin]) && here(&[origin, ("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "none"] {
            assert!(!here(&[origin, ("sec-fetch-site", site)]), "{site}");
        }
        for other in ["null", "http://gateway.example", "https://gateway.example.evil", ""] {
            assert!(!here(&[("origin", other)]), "{other}");
        }
        assert!(!here(&[]));
        let by_host = headers(&[("host", "gateway.example"), origin]);
        assert!(is_from_here(&by_host, None));
    }
}
