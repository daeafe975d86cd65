//! Signing in by OpenID Connect, with a small provider on this machine: its code flow, its keys,
//! and everything that must not work.

use super::{Browser, HOST};
use crate::support::gateway::Copy;
use axum::{
    Router,
    body::Body,
    extract::{Form, State},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{Method, StatusCode, header};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs,
    sync::{Arc, Mutex},
};
use tallygate::{
    identity::{Clock, SystemClock},
    keys::{SigningKey, Token},
};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

/// A provider that signs in whoever comes, as it is told.
struct Provider {
    key: SigningKey<Token>,
    issuer: String,
    /// What was asked for with each code.
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
    /// What its tokens say otherwise than they should.
    lies: Mutex<Value>,
}

type Shared = Arc<Provider>;

async fn token(
    State(provider): State<Shared>,
    headers: http::HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Result<String, StatusCode> {
    let basic = format!("Basic {}", STANDARD.encode("tallygate:s%3Acret"));
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given != basic.as_str()) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let asked = provider.codes.lock().unwrap().remove(&form["code"]);
    let asked = asked.ok_or(StatusCode::BAD_REQUEST)?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    if asked["code_challenge"] != challenge || asked["redirect_uri"] != form["redirect_uri"] {
        return Err(StatusCode::BAD_REQUEST);
    }
    let now = SystemClock.now().as_second();
    let mut claims = json!({
        "iss": provider.issuer, "aud": "tallygate", "sub": "manager-CC01", "iat": now,
        "exp": now + 300, "nonce": asked["nonce"], "roles": ["consumer"],
        "areas": ["CC01", "CL1", "E08000026"],
    });
    // As OpenID Connect Core 1.0 §3.1.2.1 has it.
    if asked.contains_key("max_age") {
        claims["auth_time"] = json!(now);
    }
    let lies = provider.lies.lock().unwrap().clone();
    for (name, value) in lies.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": provider.key.verifying_key().kid() });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = provider.key.sign(signed.as_bytes()).unwrap();
    let id_token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_bytes()));
    Ok(json!({ "token_type": "Bearer", "id_token": id_token }).to_string())
}

/// A provider on this machine, and a gateway that takes its word of centres' people.
async fn with_provider() -> (Copy, Shared) {
    with_provider_of("centres").await
}

async fn with_provider_of(partner: &'static str) -> (Copy, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let provider = Arc::new(Provider {
        key: SigningKey::generate(&mut StdRng::seed_from_u64(5)).unwrap(),
        issuer: format!("http://{address}"),
        codes: Mutex::default(),
        lies: Mutex::new(json!({})),
    });
    let routes = Router::new()
        .route("/token", post(token))
        .route("/keys", get(keys))
        .with_state(Arc::clone(&provider));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let routes = routes.clone();
            let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
                routes.clone().oneshot(request.map(Body::new))
            });
            tokio::spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let issuer = provider.issuer.clone();
    let gateway = Copy::start().await.restart_with(move |folder| {
        let path = folder.join("gateway.toml");
        let config = fs::read_to_string(&path).unwrap();
        fs::write(folder.join("secret"), "s:cret\n").unwrap();
        let sign_in = format!(
            "origin = \"https://{HOST}\"\n\n[[pages.sign_in]]\nname = \"Centre sign-in\"\n\
             partner = \"{partner}\"\nissuer = \"{issuer}\"\nclient_id = \"tallygate\"\n\
             client_secret_file = \"secret\"\nauthorization_endpoint = \"{issuer}/authorize\"\n\
             token_endpoint = \"{issuer}/token\"\njwks_uri = \"{issuer}/keys\"\n"
        );
        let contact = config.lines().find(|line| line.starts_with("contact")).unwrap();
        fs::write(&path, config.replace(contact, &format!("{contact}\n{sign_in}"))).unwrap();
    });
    (gateway.await, provider)
}

/// Sets out in a browser: what the provider was asked.
async fn set_out(browser: &mut Browser) -> HashMap<String, String> {
    set_out_by(browser, "/sign-in/with/0").await
}

async fn set_out_by(browser: &mut Browser, path: &str) -> HashMap<String, String> {
    let page = browser.get(path).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let location = page.headers[header::LOCATION].to_str().unwrap().to_owned();
    let query = location.split_once("/authorize?").unwrap().1;
    let plain = |text: &str| text.replace("%3A", ":").replace("%2F", "/");
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(n, v)| (n.to_owned(), plain(v)))
        .collect()
}

impl Provider {
    /// Signs somebody in: the way back.
    fn back(&self, asked: &HashMap<String, String>, code: &str) -> String {
        self.codes.lock().unwrap().insert(code.to_owned(), asked.clone());
        format!("/sign-in/back/0?code={code}&state={}", asked["state"])
    }

    fn lie(&self, name: &str, value: &Value) {
        *self.lies.lock().unwrap() = json!({ name: value });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_signs_somebody_in_with_all_that_binds_it() {
    let (gateway, provider) = with_provider().await;
    let mut browser = Browser::new(&gateway);
    assert!(browser.get("/sign-in").await.text.contains("Centre sign-in"));
    let asked = set_out(&mut browser).await;
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["redirect_uri"], format!("https://{HOST}/sign-in/back/0"));
    assert_eq!((&*asked["response_type"], &*asked["scope"]), ("code", "openid"));
    assert!(browser.cookie.starts_with("__Host-tallygate-sign-in="));
    let back = provider.back(&asked, "c1");
    let page = browser.get(&back).await;
    assert_eq!(
        (page.status, &page.headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/".parse().unwrap())
    );
    assert!(browser.cookie.starts_with("__Host-tallygate="), "{}", browser.cookie);
    assert_eq!(browser.get("/areas/CC01").await.status, StatusCode::OK);
    // The area is the person's, as the provider says and the register allows.
    assert_eq!(browser.get("/areas/CC02").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_does_not_fit_signs_nobody_in() {
    let (gateway, provider) = with_provider().await;
    let refused = async |browser: &mut Browser, back: &str, why: &str| {
        let page = browser.get(back).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{why}");
        assert_eq!(browser.cookie, "", "{why}");
    };
    // Somebody else's page sets nobody out.
    let mut browser = Browser::new(&gateway);
    let elsewhere = [("sec-fetch-site", "cross-site")];
    let page = browser.ask(Method::GET, "/sign-in/with/0", &elsewhere, "").await;
    assert_eq!(
        (&page.headers[header::LOCATION], &*browser.cookie),
        (&"/sign-in".parse().unwrap(), "")
    );
    // Nobody set out in this browser.
    let mut setter = Browser::new(&gateway);
    let asked = set_out(&mut setter).await;
    let back = provider.back(&asked, "c1");
    refused(&mut Browser::new(&gateway), &back, "another browser").await;
    // Another state, and then the way is used up.
    let mut browser = Browser::new(&gateway);
    let asked = set_out(&mut browser).await;
    let kept = browser.cookie.clone();
    let back = provider.back(&asked, "c2");
    refused(&mut browser, "/sign-in/back/0?code=c2&state=x", "another state").await;
    browser.cookie = kept;
    refused(&mut browser, &back, "a way back that was used").await;
    // By the way back of another provider, or sent by one: what one was told is no use to another.
    let asked = set_out(&mut browser).await;
    let back = provider.back(&asked, "c3").replace("/back/0", "/back/1");
    refused(&mut browser, &back, "another provider's way back").await;
    let asked = set_out(&mut browser).await;
    let back = format!("{}&iss=https%3A%2F%2Fother.example", provider.back(&asked, "c4"));
    refused(&mut browser, &back, "another issuer").await;
    // The provider signs nobody in, or knows no such code.
    for end in ["error=access_denied", "code=made-up"] {
        let asked = set_out(&mut browser).await;
        refused(&mut browser, &format!("/sign-in/back/0?{end}&state={}", asked["state"]), end)
            .await;
    }
    // Its token is not the one that was asked for.
    for (at, (claim, value)) in [
        ("nonce", json!("another")),
        ("aud", json!("another")),
        ("iss", json!("https://evil.example")),
        ("exp", json!(1)),
        ("roles", json!([])),
        ("sub", json!("")),
    ]
    .into_iter()
    .enumerate()
    {
        provider.lie(claim, &value);
        let asked = set_out(&mut browser).await;
        let back = provider.back(&asked, &format!("lie{at}"));
        refused(&mut browser, &back, claim).await;
    }
    // A role that the register does not give its organisation gains nothing.
    provider.lie("roles", &json!(["auditor"]));
    let asked = set_out(&mut browser).await;
    let back = provider.back(&asked, "c9");
    assert_eq!(browser.get(&back).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/log/entries").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_is_closed_only_by_who_proved_a_moment_ago_who_they_are() {
    let (gateway, provider) = with_provider_of("authority").await;
    let officer = |auth_time: Option<i64>| {
        let mut said = json!({ "sub": "data-officer-1", "roles": ["data_officer"], "areas": null });
        if let Some(auth_time) = auth_time {
            said["auth_time"] = json!(auth_time);
        }
        *provider.lies.lock().unwrap() = said;
    };
    let now = SystemClock.now().as_second();
    let mut browser = Browser::new(&gateway);
    // Signed in, with and without a word of when: long ago, or nobody knows.
    for (at, auth_time) in [None, Some(now - 3_600)].into_iter().enumerate() {
        officer(auth_time);
        let asked = set_out(&mut browser).await;
        assert!(!asked.contains_key("prompt"));
        let back = provider.back(&asked, &format!("first{at}"));
        assert_eq!(browser.get(&back).await.headers[header::LOCATION], "/");
        let page = browser.get("/releases/next?quarter=2026Q2").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(!page.text.contains("Give your word"), "{}", page.text);
        let form = format!("quarter=2026Q1&form={}", page.form());
        let refused = browser.post("/releases/next", &form).await;
        assert_eq!(refused.refusal(), ("sign_in_not_fresh".to_owned(), true));
    }
    // Set out again, for this: the provider is to ask anew, and to say that it did.
    let way = "/sign-in/with/0?close=2026Q2";
    assert_eq!(browser.get("/sign-in/with/0?close=soon").await.status, StatusCode::BAD_REQUEST);
    for (at, stale) in [json!(null), json!(now - 3_600), json!("now")].iter().enumerate() {
        officer(None);
        provider.lies.lock().unwrap()["auth_time"] = stale.clone();
        let asked = set_out_by(&mut browser, way).await;
        assert_eq!((&*asked["prompt"], &*asked["max_age"]), ("login", "0"));
        let back = provider.back(&asked, &format!("stale{at}"));
        assert_eq!(browser.get(&back).await.status, StatusCode::FORBIDDEN, "{stale}");
    }
    officer(None);
    let asked = set_out_by(&mut browser, way).await;
    let back = provider.back(&asked, "fresh");
    let page = browser.get(&back).await;
    assert_eq!(page.headers[header::LOCATION], "/releases/next?quarter=2026Q2");
    let page = browser.get("/releases/next?quarter=2026Q2").await;
    assert!(!page.text.contains("Sign in again"), "{}", page.text);
    // What is asked is looked at: this quarter is closed already.
    let form = format!("quarter=2026Q1&form={}", page.form());
    assert_eq!(browser.post("/releases/next", &form).await.status, StatusCode::CONFLICT);
}

async fn keys(State(provider): State<Shared>) -> String {
    json!({ "keys": [provider.key.verifying_key().to_jwk()] }).to_string()
}
