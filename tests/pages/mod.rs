//! The pages, asked as a browser asks them, over a real gateway with the demo's data.
//!
//! - here: signing in and out, and a browser that keeps its cookie
//! - [`matrix`]: every page as every kind of person, beside what gRPC tells the same caller
//! - [`auditor`]: a figure's sources, reviews, signing in as a leaf
//! - [`hostile`]: changed cookies, forms from elsewhere, replayed links, forced addresses
//! - [`officer`]: which feeds are due or overdue
//! - [`provider`]: signing in by OpenID Connect
//! - [`refused`]: what can't be read, is not asked so, or takes too long
//! - [`sending`]: a file mapped, checked and sent
//! - [`texts`]: what every page must be: no script or style in it, few bytes

mod auditor;
mod hostile;
mod matrix;
mod officer;
mod provider;
mod refused;
mod sending;
mod texts;

use crate::support::gateway::Copy;
use axum::body::Body;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::SignedDuration;
use std::sync::Arc;
use tallygate::{
    identity::{SignedIn, UserSubject},
    protocol::CallerRole::{self, Auditor, Consumer, DataOfficer, Provider},
    web::pages::{Pages, router},
};
use tower::ServiceExt as _;

const HOST: &str = "gateway.example";

/// Those for whom there are pages, each by the name of its profile.
const PEOPLE: [&str; 4] = ["manager-CC01", "officer", "auditor", "health"];

/// Who a profile's caller is, when it signs in.
fn who(name: &str) -> SignedIn {
    let (partner, user, role, areas): (_, _, CallerRole, &[&str]) = match name {
        "manager-CC01" => ("centres", "manager-CC01", Consumer, &["CC01", "CL1", "E08000026"]),
        "officer" => ("authority", "data-officer-1", DataOfficer, &[]),
        "auditor" => ("oversight", "auditor-1", Auditor, &[]),
        "health" => ("health", "health-service", Provider, &[]),
        other => panic!("nobody is called {other}"),
    };
    SignedIn {
        partner: partner.parse().unwrap(),
        user: UserSubject::new(user).unwrap(),
        roles: vec![role],
        areas: areas.iter().map(|area| area.parse().unwrap()).collect(),
    }
}

/// A page as it came.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
    /// Bytes of its body as sent.
    weight: usize,
}

impl Page {
    /// The secret of the page's forms.
    fn form(&self) -> String {
        let after = self.text.split("name=\"form\" value=\"").nth(1).expect("a form");
        after.split('"').next().unwrap().to_owned()
    }

    /// The reason of a refusal, and whether the page names its entry of the log.
    fn refusal(&self) -> (String, bool) {
        let reason = self.text.split("<dt class=\"govuk-summary-list__key\">Reason</dt>").nth(1);
        let reason = reason.and_then(|rest| rest.split("<code>").nth(1));
        let reason = reason.and_then(|rest| rest.split('<').next()).unwrap_or_default();
        (reason.to_owned(), self.text.contains("of the access log; name it when you ask"))
    }
}

/// A browser: it keeps one cookie.
struct Browser {
    pages: Arc<Pages>,
    cookie: String,
}

impl Browser {
    fn new(gateway: &Copy) -> Self {
        let (_, pages) = gateway.running.pages().expect("the demo has pages");
        Self { pages: Arc::clone(pages), cookie: String::new() }
    }

    async fn signed_in(gateway: &Copy, name: &str) -> Self {
        let mut browser = Self::new(gateway);
        let path = browser.pages.sign_in_path(who(name), SignedDuration::from_mins(5)).unwrap();
        let page = browser.post(&path, "").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        assert!(!browser.cookie.is_empty());
        browser
    }

    async fn get(&mut self, path: &str) -> Page {
        self.ask(Method::GET, path, &[], "").await
    }

    /// Posts a form as a page of this site does.
    async fn post(&mut self, path: &str, form: &str) -> Page {
        let origin = format!("https://{HOST}");
        let headers = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
        self.ask(Method::POST, path, &headers, form).await
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        form: &str,
    ) -> Page {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
        if !self.cookie.is_empty() {
            request = request.header(header::COOKIE, &self.cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let answer: Response<Body> =
            router(Arc::clone(&self.pages)).oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        for set in parts.headers.get_all(header::SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            match pair.strip_suffix('=') {
                None => pair.clone_into(&mut self.cookie),
                Some(name) if self.cookie.starts_with(&format!("{name}=")) => self.cookie.clear(),
                Some(_) => {}
            }
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Page { status: parts.status, headers: parts.headers, text, weight: bytes.len() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_once_and_signing_out_ends_it() {
    let gateway = Copy::start().await;
    let mut browser = Browser::new(&gateway);
    // Nobody yet: sent to where one signs in.
    let page = browser.get("/areas/CC01").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.headers[header::LOCATION], "/sign-in");

    let life = SignedDuration::from_mins(5);
    let path = browser.pages.sign_in_path(who("manager-CC01"), life).unwrap();
    // No other address makes a button that leads elsewhere.
    let other = browser.get("/sign-in/..%2Freleases%2Fnext").await;
    assert!(!other.text.contains("releases/next") && other.status == StatusCode::OK);
    // Looking at the link uses nothing up.
    for _ in 0..2 {
        assert_eq!(browser.get(&path).await.status, StatusCode::OK);
        assert_eq!(browser.cookie, "");
    }
    let page = browser.post(&path, "").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let set = page.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("__Host-tallygate=") && !set.contains("Domain"), "{set}");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(set.split("; ").any(|part| part == attribute), "{set}");
    }
    let kept = browser.cookie.clone();
    let mut another = Browser::new(&gateway);
    assert_eq!(another.post(&path, "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(another.cookie, "");

    let home = browser.get("/").await;
    assert!(home.text.contains("/areas/CC01") && !home.text.contains("/areas/CC02"));
    let cards = browser.get("/areas/CC01").await;
    assert_eq!(cards.status, StatusCode::OK);
    assert!(cards.text.contains("This look is entry "), "a page of figures is a leaf");
    // Without the form's secret nobody is signed out by somebody else's page.
    assert_eq!(browser.post("/sign-out", "").await.status, StatusCode::FORBIDDEN);
    let form = format!("form={}", cards.form());
    assert_eq!(browser.post("/sign-out", &form).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.cookie, "");
    browser.cookie = kept;
    assert_eq!(browser.get("/areas/CC01").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_quarter_is_previewed_and_too_early_to_close() {
    let gateway = Copy::start().await;
    let mut officer = Browser::signed_in(&gateway, "officer").await;
    let releases = officer.get("/releases").await;
    assert!(releases.text.contains("/releases/next?quarter=2026Q2"));
    let preview = officer.get("/releases/next?quarter=2026Q2").await;
    assert_eq!(preview.status, StatusCode::OK, "{}", preview.text);
    for words in ["rho ", "What is open", "Noise (standard deviation)", "times in 100"] {
        assert!(preview.text.contains(words), "{words}");
    }
    // A quarter that is closed already is refused, with the reason and the entry.
    let again = officer.get("/releases/next?quarter=2026Q1").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.refusal().1, "{}", again.text);
    // Giving a word takes the form's secret.
    let page = officer.post("/releases/next", "quarter=2026Q2").await;
    assert_eq!(
        (page.status, page.refusal()),
        (StatusCode::FORBIDDEN, ("form_not_yours".into(), true))
    );
    let form = format!("quarter=2026Q1&accept-late_data=on&form={}", preview.form());
    let page = officer.post("/releases/next", &form).await;
    assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.text);
}
