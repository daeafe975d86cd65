//! What a profile's reader is told, and when a token is minted anew.

use super::*;
use crate::identity::{CertificateAuthority, Clock, IssuedTokenKey, Validity};
use crate::protocol::CallerRole;
use jiff::{SignedDuration, Timestamp};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;

const NOW: i64 = 1_790_000_000;

#[derive(Debug)]
struct SetClock(Mutex<Timestamp>);

impl SetClock {
    fn advance(&self, seconds: i64) {
        let mut now = self.0.lock().expect("a clock");
        *now += SignedDuration::from_secs(seconds);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("a clock")
    }
}

/// A folder with a complete profile.
fn folder() -> TempDir {
    let at = |second| Timestamp::from_second(second).expect("a test's instant");
    let validity = Validity { not_before: at(NOW), not_after: at(NOW + 3600) };
    let authority = CertificateAuthority::new("test", validity).expect("an authority");
    let client = authority.issue_client("health").expect("a certificate");
    let token_key = IssuedTokenKey::generate().expect("a key");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a file");
        name.into()
    };
    let file = ProfileFile {
        server: "127.0.0.1:1".to_owned(),
        web: None,
        server_name: "localhost".to_owned(),
        ca: write("ca.pem", &authority.certificate_pem()),
        certificate: write("health.pem", client.certificate_pem()),
        key: write("health.key.pem", client.key_pem()),
        token_key: write("health.token.pem", token_key.private_pem()),
        token_kid: "health-1".to_owned(),
        partner: "health".parse().expect("a partner"),
        issuer: None,
        user: "clerk-7".to_owned(),
        roles: vec![CallerRole::Provider, CallerRole::DataOfficer],
        areas: vec!["CC01".parse().expect("an area")],
        audience: "https://gateway.test".to_owned(),
        blinding_key: None,
    };
    write("health.toml", &file.to_toml().expect("TOML"));
    folder
}

fn read(folder: &TempDir) -> Result<Profile, ConnectorError> {
    Profile::read(&folder.path().join("health.toml"))
}

#[test]
fn a_profile_is_written_and_read_alike() {
    let folder = folder();
    let profile = read(&folder).unwrap();
    assert_eq!(profile.file().roles, [CallerRole::Provider, CallerRole::DataOfficer]);
    let again: ProfileFile = toml::from_str(&profile.file().to_toml().unwrap()).unwrap();
    assert_eq!(&again, profile.file());
    let shown = format!("{profile:?}");
    assert!(!shown.contains("clerk"), "{shown}");
}

#[test]
fn a_missing_profile_is_named() {
    let error = Profile::read(Path::new("no-such-profile.toml")).unwrap_err();
    assert!(error.to_string().contains("no-such-profile.toml"), "{error}");
}

#[test]
fn a_misspelt_entry_is_an_error() {
    let folder = folder();
    let path = folder.path().join("health.toml");
    let text = fs::read_to_string(&path).unwrap().replace("audience", "audiance");
    fs::write(&path, text).unwrap();
    let error = read(&folder).unwrap_err();
    assert!(matches!(error, ConnectorError::ProfileInvalid { .. }));
    assert!(error.to_string().contains("audiance"), "{error}");
}

#[test]
fn each_missing_or_wrong_file_is_named_with_its_entry() {
    for (name, entry) in [
        ("ca.pem", "ca ("),
        ("health.pem", "certificate ("),
        ("health.key.pem", "key ("),
        ("health.token.pem", "token_key"),
    ] {
        let folder = folder();
        let path = folder.path().join(name);
        fs::write(&path, "not PEM").unwrap();
        let said = read(&folder).unwrap_err().to_string();
        assert!(said.contains(name) && said.contains(entry), "{said}");
        fs::remove_file(&path).unwrap();
        let said = read(&folder).unwrap_err().to_string();
        assert!(said.contains("can't read") && said.contains(name), "{said}");
        assert!(said.contains(entry), "{said}");
    }
}

#[test]
fn a_token_serves_eight_minutes() {
    let profile = read(&folder()).unwrap();
    let now = Timestamp::from_second(NOW).unwrap();
    let clock = Arc::new(SetClock(Mutex::new(now)));
    let rng = Box::new(StdRng::seed_from_u64(7));
    let source = TokenSource::new(&profile, Arc::clone(&clock) as _, rng).unwrap();
    let first = source.authorization().unwrap();
    assert!(first.to_str().unwrap().starts_with("Bearer ey"));
    assert!(first.is_sensitive());
    clock.advance(479);
    assert_eq!(source.authorization().unwrap(), first);
    clock.advance(1);
    let second = source.authorization().unwrap();
    assert_ne!(second, first);
    clock.advance(-30);
    assert_ne!(source.authorization().unwrap(), second, "a clock set back");
}

#[tokio::test]
async fn a_key_of_another_pair_is_told() {
    let (one, other) = (folder(), folder());
    fs::copy(other.path().join("health.key.pem"), one.path().join("health.key.pem")).unwrap();
    let profile = read(&one).unwrap();
    let clock = Arc::new(SetClock(Mutex::new(Timestamp::from_second(NOW).unwrap())));
    let rng = Box::new(StdRng::seed_from_u64(7));
    let error = Gateway::connect(&profile, clock, rng).await.unwrap_err();
    assert!(matches!(error, ConnectorError::KeyOfAnotherCertificate { .. }), "{error}");
}
