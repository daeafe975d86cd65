//! The first start of a new deployment, and the journal of erasures that it needs.

use crate::support::gateway::{Copy, start};
use serde_json::json;
use std::{fs, sync::Arc, time::Duration};
use tallygate::{
    config::Config,
    connector::Profile,
    gateway::{GatewayError, JournalError, register::Partner},
    identity::SystemClock,
    server::{ServeError, enter_first_partners, system_rng},
    store::StoreError,
};
use tokio::time::sleep;

/// A new deployment with the demo's keys and certificates, and its first partner.
fn deployment(copy: &Copy) -> (Config, Vec<Partner>) {
    let text = fs::read_to_string(copy.path("gateway.toml")).unwrap();
    let text = text.replace("gateway.db", "first.db").replace("\"tiles\"", "\"first-tiles\"");
    let path = copy.path("first.toml");
    fs::write(&path, text + "[erasure]\njournal = \"first.erasures\"\n").unwrap();
    let profile = copy.profile("officer");
    let certificate = Profile::load(profile, copy.path("profiles")).unwrap().fingerprint();
    let partner = json!([{
        "partner": "authority",
        "name": "The council",
        "org_code": "E08000026",
        "ico_registration": "Z0000000",
        "roles": ["data_officer"],
        "areas": [],
        "certificates": [hex::encode(certificate.as_bytes())],
        "keys": [],
    }]);
    (Config::read(&path).unwrap(), serde_json::from_value(partner).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_partners_are_entered_and_the_gateway_starts() {
    let copy = Copy::start().await;
    let (config, partners) = deployment(&copy);
    let clock = || Arc::new(SystemClock);
    let enter = || async {
        // A program that another test is starting at this moment may still hold the file.
        loop {
            match enter_first_partners(&config, clock(), system_rng(), partners.clone()).await {
                Err(ServeError::Store(StoreError::InUse)) => sleep(Duration::from_millis(50)).await,
                entered => return entered,
            }
        }
    };
    enter().await.unwrap();
    assert!(config.journal.exists() && config.journal_anchor.exists());
    // Cut short, it is done again by the same list.
    enter().await.unwrap();
    start(&config, clock()).await.unwrap().stop().await.unwrap();

    // What protects a database that was served from is as it was: no journal is made for it.
    let whole = fs::read(&config.journal).unwrap();
    fs::remove_file(&config.journal).unwrap();
    let missing = |error: &ServeError| {
        matches!(error, ServeError::Gateway(GatewayError::Journal(JournalError::Missing { .. })))
    };
    let refused = start(&config, clock()).await.unwrap_err();
    assert!(missing(&refused), "{refused}");
    fs::remove_file(&config.journal_anchor).unwrap();
    let refused = start(&config, clock()).await.unwrap_err();
    assert!(missing(&refused), "{refused}");
    enter().await.unwrap();
    assert!(!config.journal.exists(), "entering partners again made a journal");
    fs::write(&config.journal, whole).unwrap();
    start(&config, clock()).await.unwrap().stop().await.unwrap();
    copy.running.stop().await.unwrap();
}
