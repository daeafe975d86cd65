//! Each trap of a JSON Web Token, by its own reason; the cache; the one check of a caller.

use super::*;
use crate::domain::{AreaCode, PartnerId};
use crate::protocol::CallerRole;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::aws_lc_rs,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, alg_id, pem::PemObject};
use serde_json::{Value, json};
use std::{
    cell::Cell,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

const AUDIENCE: &str = "https://gateway.test";
const NOW: i64 = 1_790_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a test's instant")
}

fn partner(id: &str) -> PartnerId {
    id.parse().expect("a test's partner")
}

const fn certificate(byte: u8) -> CertificateFingerprint {
    CertificateFingerprint::from_bytes([byte; 32])
}

/// `health` with a good and a revoked key and certificate 1; `dwp` with certificate 2 and a
/// revoked one, 3.
struct Register {
    key: Arc<TokenPublicKey>,
    asked: Cell<u32>,
}

impl TokenKeys for Register {
    fn token_key(&self, issuer: &str, kid: &str) -> TokenKeyEntry {
        self.asked.set(self.asked.get() + 1);
        match (issuer, kid) {
            ("health", "k1") => {
                TokenKeyEntry::Usable { partner: partner("health"), key: Arc::clone(&self.key) }
            }
            ("health", "old") => TokenKeyEntry::Revoked,
            ("health", _) => TokenKeyEntry::UnknownKey,
            _ => TokenKeyEntry::UnknownIssuer,
        }
    }
}

impl CertificateRegister for Register {
    fn certificate(&self, shown: &CertificateFingerprint) -> Option<RegisteredCertificate> {
        let holder = |id, active| Some(RegisteredCertificate { partner: partner(id), active });
        match shown.as_bytes()[0] {
            1 => holder("health", true),
            2 => holder("dwp", true),
            3 => holder("dwp", false),
            _ => None,
        }
    }
}

struct Bench {
    signing: TokenSigningKey,
    register: Register,
    verifier: TokenVerifier,
}

impl Bench {
    fn new() -> Self {
        let issued = IssuedTokenKey::generate().unwrap();
        Self::with(issued.private_pem(), issued.public_spki_der())
    }

    fn with(pem: &str, spki: &[u8]) -> Self {
        let signing = TokenSigningKey::from_pem("k1", pem).unwrap();
        let key = Arc::new(TokenPublicKey::from_spki_der(spki).unwrap());
        let register = Register { key, asked: Cell::new(0) };
        Self { signing, register, verifier: TokenVerifier::new(AUDIENCE) }
    }

    fn header(&self) -> Value {
        json!({"alg": self.signing.algorithm().as_str(), "typ": "at+jwt", "kid": "k1"})
    }

    /// A token of exactly these texts, properly signed.
    fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", B64.encode(header), B64.encode(claims));
        let signature = self.signing.sign(message.as_bytes()).unwrap();
        format!("{message}.{signature}")
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn verify_at(&self, token: &str, now: i64) -> Result<Caller, TokenRefused> {
        self.verifier.verify(token, &certificate(1), &self.register, at(now))
    }

    /// The refusal of a token whose claims were changed like this.
    fn refusal(&self, change: impl FnOnce(&mut Value)) -> Option<TokenRefused> {
        let mut claims = claims();
        change(&mut claims);
        self.verify_at(&self.sign(&self.header(), &claims), NOW).err()
    }

    /// The refusal of a token whose header was changed like this.
    fn header_refusal(&self, change: impl FnOnce(&mut Value)) -> Option<TokenRefused> {
        let mut header = self.header();
        change(&mut header);
        self.verify_at(&self.sign(&header, &claims()), NOW).err()
    }
}

fn claims() -> Value {
    json!({
        "iss": "health", "sub": "clerk-7", "aud": AUDIENCE, "jti": "1f",
        "exp": NOW + 300, "nbf": NOW - 10, "iat": NOW - 10,
        "cnf": {"x5t#S256": certificate(1).to_string()},
        "roles": ["provider", "consumer"], "areas": ["CC02", "CC01"],
    })
}

fn drop_claim(claims: &mut Value, name: &str) {
    claims.as_object_mut().expect("an object").remove(name).expect("a claim");
}

#[test]
fn a_sound_token_names_its_caller() {
    let bench = Bench::new();
    let caller = bench.verify_at(&bench.sign(&bench.header(), &claims()), NOW).unwrap();
    assert_eq!(caller.partner().as_str(), "health");
    assert_eq!(caller.user().expose(), "clerk-7");
    assert_eq!(caller.roles(), [CallerRole::Provider, CallerRole::Consumer]);
    assert!(caller.may_act_as(CallerRole::Consumer) && !caller.may_act_as(CallerRole::Auditor));
    let areas: Vec<&str> = caller.areas().iter().map(AreaCode::as_str).collect();
    assert_eq!(areas, ["CC01", "CC02"]);
    assert_eq!(caller.certificate(), &certificate(1));
    assert_eq!(caller.expires(), at(NOW + 300));
    let shown = format!("{caller:?} {:?}", caller.user());
    assert!(!shown.contains("clerk"), "{shown}");
}

#[test]
fn every_required_claim_is_required() {
    let bench = Bench::new();
    for name in [
        ClaimName::Iss,
        ClaimName::Sub,
        ClaimName::Aud,
        ClaimName::Exp,
        ClaimName::Nbf,
        ClaimName::Iat,
        ClaimName::Jti,
        ClaimName::Roles,
    ] {
        let missing = Some(TokenRefused::ClaimMissing(name));
        assert_eq!(bench.refusal(|c| drop_claim(c, name.as_str())), missing, "{name}");
        assert_eq!(bench.refusal(|c| c[name.as_str()] = Value::Null), missing, "{name} null");
    }
    assert_eq!(bench.refusal(|c| drop_claim(c, "cnf")), Some(TokenRefused::Unbound));
    // Areas are a consumer's alone.
    assert_eq!(bench.refusal(|c| drop_claim(c, "areas")), None);
}

#[test]
fn a_claim_of_another_form_is_refused() {
    let bench = Bench::new();
    let cases = [
        (ClaimName::Iss, json!(7)),
        (ClaimName::Iss, json!(["health"])),
        (ClaimName::Iss, json!("")),
        (ClaimName::Sub, json!(7)),
        (ClaimName::Sub, json!("a\nb")),
        (ClaimName::Sub, json!("x".repeat(257))),
        (ClaimName::Aud, json!({"gateway": AUDIENCE})),
        (ClaimName::Aud, json!([AUDIENCE, 7])),
        (ClaimName::Aud, json!([])),
        (ClaimName::Exp, json!("1790000300")),
        (ClaimName::Exp, json!(1_790_000_300.5)),
        (ClaimName::Exp, json!(u64::MAX)),
        (ClaimName::Exp, json!(NOW - 10)),
        (ClaimName::Nbf, json!(-1)),
        (ClaimName::Iat, json!([NOW])),
        (ClaimName::Jti, json!(7)),
        (ClaimName::Jti, json!("")),
        (ClaimName::Roles, json!("provider")),
        (ClaimName::Roles, json!([])),
        (ClaimName::Roles, json!(["administrator"])),
        (ClaimName::Areas, json!(["Coventry north"])),
        (ClaimName::Cnf, json!({"x5t#S256": "AAAA"})),
    ];
    for (name, value) in cases {
        let shown = value.to_string();
        let refusal = bench.refusal(|c| c[name.as_str()] = value);
        assert_eq!(refusal, Some(TokenRefused::ClaimInvalid(name)), "{name} {shown}");
    }
}

#[test]
fn the_audience_must_name_this_gateway() {
    let bench = Bench::new();
    let wrong = Some(TokenRefused::WrongAudience);
    assert_eq!(bench.refusal(|c| c["aud"] = json!("https://other.test")), wrong);
    assert_eq!(bench.refusal(|c| c["aud"] = json!(["https://other.test"])), wrong);
    assert_eq!(bench.refusal(|c| c["aud"] = json!(format!("{AUDIENCE}/"))), wrong);
    assert_eq!(bench.refusal(|c| c["aud"] = json!(["https://other.test", AUDIENCE])), None);
}

#[test]
fn time_is_judged_by_the_given_now_with_five_seconds_leeway() {
    let bench = Bench::new();
    let token = bench.sign(&bench.header(), &claims());
    assert!(bench.verify_at(&token, NOW + 304).is_ok());
    assert_eq!(bench.verify_at(&token, NOW + 305).err(), Some(TokenRefused::Expired));
    assert_eq!(bench.verify_at(&token, NOW + 350).err(), Some(TokenRefused::Expired));
    assert!(bench.verify_at(&token, NOW - 15).is_ok());
    assert_eq!(bench.verify_at(&token, NOW - 16).err(), Some(TokenRefused::NotYetValid));
    // A future nbf alone, and a future iat alone.
    let later = Some(TokenRefused::NotYetValid);
    assert_eq!(bench.refusal(|c| c["nbf"] = json!(NOW + 6)), later);
    assert_eq!(bench.refusal(|c| c["iat"] = json!(NOW + 6)), later);
    assert_eq!(bench.refusal(|c| c["nbf"] = json!(NOW + 5)), None);
}

#[test]
fn a_token_lives_ten_minutes_at_most() {
    let bench = Bench::new();
    assert_eq!(bench.refusal(|c| c["exp"] = json!(NOW - 10 + 600)), None);
    let long = Some(TokenRefused::LifetimeTooLong);
    assert_eq!(bench.refusal(|c| c["exp"] = json!(NOW - 10 + 601)), long);
    assert_eq!(bench.refusal(|c| c["exp"] = json!(i64::MAX)), long);
}

#[test]
fn a_token_is_bound_to_the_connections_certificate() {
    let bench = Bench::new();
    let token = bench.sign(&bench.header(), &claims());
    let elsewhere = bench.verifier.verify(&token, &certificate(2), &bench.register, at(NOW));
    assert_eq!(elsewhere.err(), Some(TokenRefused::BoundToAnotherCertificate));
    let unbound = Some(TokenRefused::Unbound);
    assert_eq!(bench.refusal(|c| c["cnf"] = json!({})), unbound);
    assert_eq!(bench.refusal(|c| c["cnf"] = json!({"jkt": "abc"})), unbound);
}

#[test]
fn the_header_may_say_three_things_only() {
    let bench = Bench::new();
    assert_eq!(bench.header_refusal(|_| ()), None);
    for typ in [json!("JWT"), json!("at-jwt"), json!(""), Value::Null] {
        assert_eq!(bench.header_refusal(|h| h["typ"] = typ), Some(TokenRefused::WrongType));
    }
    assert_eq!(bench.header_refusal(|h| h["typ"] = json!("application/at+jwt")), None);
    let critical = Some(TokenRefused::CriticalHeader);
    assert_eq!(bench.header_refusal(|h| h["crit"] = json!(["b64"])), critical);
    assert_eq!(bench.header_refusal(|h| h["crit"] = json!([])), critical);
    for name in ["jku", "x5u", "jwk", "x5c", "x5t", "b64", "zip", "cty"] {
        let refusal = bench.header_refusal(|h| h[name] = json!("https://keys.test"));
        assert_eq!(refusal, Some(TokenRefused::HeaderNotAllowed), "{name}");
    }
}

#[test]
fn the_registered_key_says_the_algorithm() {
    let bench = Bench::new();
    assert_eq!(bench.header_refusal(|h| h["alg"] = json!("EdDSA")), None);
    for alg in ["none", "None", "HS256", "HS512", "ES256", "RS256", "PS256", "ES384", "ed25519", ""]
    {
        let refusal = bench.header_refusal(|h| h["alg"] = json!(alg));
        assert_eq!(refusal, Some(TokenRefused::AlgorithmNotAllowed), "{alg}");
    }
    // The classic: no signature at all.
    let header = json!({"alg": "none", "typ": "at+jwt", "kid": "k1"}).to_string();
    let unsigned = format!("{}.{}.", B64.encode(header), B64.encode(claims().to_string()));
    assert_eq!(bench.verify_at(&unsigned, NOW).err(), Some(TokenRefused::AlgorithmNotAllowed));
}

#[test]
fn issuer_and_kid_must_name_a_registered_unrevoked_key() {
    let bench = Bench::new();
    let wrong = Some(TokenRefused::WrongIssuer);
    assert_eq!(bench.refusal(|c| c["iss"] = json!("nobody")), wrong);
    let unknown = Some(TokenRefused::UnknownKey);
    assert_eq!(bench.header_refusal(|h| h["kid"] = json!("k2")), unknown);
    assert_eq!(bench.header_refusal(|h| h["kid"] = Value::Null), unknown);
    let revoked = Some(TokenRefused::RevokedKey);
    assert_eq!(bench.header_refusal(|h| h["kid"] = json!("old")), revoked);
}

#[test]
fn a_signature_by_another_key_or_over_other_bytes_fails() {
    let (bench, other) = (Bench::new(), Bench::new());
    let bad = Some(TokenRefused::BadSignature);
    let foreign = other.sign(&other.header(), &claims());
    assert_eq!(bench.verify_at(&foreign, NOW).err(), bad);
    let token = bench.sign(&bench.header(), &claims());
    let mut raised = claims();
    raised["roles"] = json!(["auditor"]);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let swapped = format!("{header}.{}.{signature}", B64.encode(raised.to_string()));
    assert_eq!(bench.verify_at(&swapped, NOW).err(), bad);
    assert_eq!(bench.verify_at(&format!("{signed}."), NOW).err(), bad);
    assert_eq!(bench.verify_at(&format!("{signed}.!!!"), NOW).err(), bad);
}

#[test]
fn malformed_tokens_are_refused_as_such() {
    let bench = Bench::new();
    let header = bench.header().to_string();
    let good = claims().to_string();
    let token = bench.sign_text(&header, &good);
    let twice = format!("{},\"iss\":\"nobody\"}}", good.strip_suffix('}').unwrap());
    let positional = json!(["health", "clerk-7", AUDIENCE]).to_string();
    let mut cases = vec![
        "a.b".to_owned(),
        format!("{token}.x"),
        format!(" {token}"),
        format!("{}.", "a".repeat(9000)),
        bench.sign_text(&header, &twice),
        bench.sign_text(&header, &positional),
        bench.sign_text(&header, "{"),
        bench.sign_text("[\"Ed25519\",\"at+jwt\",\"k1\"]", &good),
    ];
    // Padded base64, which would give one token several spellings.
    let (head, rest) = token.split_once('.').unwrap();
    cases.push(format!("{head}=.{rest}"));
    for case in cases {
        assert_eq!(bench.verify_at(&case, NOW).err(), Some(TokenRefused::Malformed), "{case}");
    }
    assert_eq!(bench.verify_at("", NOW).err(), Some(TokenRefused::Missing));
}

#[test]
fn minted_tokens_verify_with_each_kind_of_key() {
    let mut benches = vec![Bench::new()];
    for kind in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256] {
        let key = rcgen::KeyPair::generate_for(kind).unwrap();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
        benches.push(Bench::with(&key.serialize_pem(), &spki));
    }
    let mut rng = StdRng::seed_from_u64(7);
    for bench in benches {
        let claims = minted_claims();
        let id = TokenId::draw(&mut rng);
        let token = mint(&bench.signing, &claims, at(NOW), id).unwrap();
        let caller = bench.verify_at(&token, NOW).unwrap();
        assert_eq!(caller.partner().as_str(), "health");
        assert_eq!(caller.expires(), at(NOW + 600));
        let again = mint(&bench.signing, &claims, at(NOW), TokenId::draw(&mut rng)).unwrap();
        assert_ne!(token, again, "each token has an id of its own");
    }
}

fn minted_claims() -> TokenClaims {
    TokenClaims {
        issuer: "health".to_owned(),
        audience: AUDIENCE.to_owned(),
        user: UserSubject::new("clerk-7").unwrap(),
        roles: vec![CallerRole::Provider],
        areas: Vec::new(),
        certificate: certificate(1),
        lifetime: Duration::from_secs(600),
    }
}

#[test]
fn minting_refuses_what_verifying_would() {
    let bench = Bench::new();
    let id = TokenId::draw(&mut StdRng::seed_from_u64(7));
    let attempt = |claims: TokenClaims| mint(&bench.signing, &claims, at(NOW), id).err();
    let long = TokenClaims { lifetime: Duration::from_secs(601), ..minted_claims() };
    assert_eq!(attempt(long), Some(MintError::Lifetime));
    let none = TokenClaims { lifetime: Duration::ZERO, ..minted_claims() };
    assert_eq!(attempt(none), Some(MintError::Lifetime));
    let idle = TokenClaims { roles: Vec::new(), ..minted_claims() };
    assert_eq!(attempt(idle), Some(MintError::NoRole));
}

#[test]
fn keys_of_other_kinds_are_no_token_keys() {
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&p384);
    assert_eq!(TokenPublicKey::from_spki_der(&spki).err(), Some(InvalidTokenKey::Kind));
    let private = TokenSigningKey::from_pem("k", &p384.serialize_pem());
    assert_eq!(private.err(), Some(InvalidTokenKey::Kind));
    assert_eq!(TokenSigningKey::from_pem("k", "").err(), Some(InvalidTokenKey::Private));
    assert_eq!(TokenPublicKey::from_spki_der(b"junk").err(), Some(InvalidTokenKey::Public));
    let issued = IssuedTokenKey::generate().unwrap();
    let mut trailing = issued.public_spki_der().to_vec();
    trailing.push(0);
    assert_eq!(TokenPublicKey::from_spki_der(&trailing).err(), Some(InvalidTokenKey::Public));
    let mut within = trailing.clone();
    within[1] += 1;
    assert_eq!(TokenPublicKey::from_spki_der(&within).err(), Some(InvalidTokenKey::Public));
    let mut longer_length = issued.public_spki_der().to_vec();
    longer_length.insert(1, 0x81);
    assert_eq!(TokenPublicKey::from_spki_der(&longer_length).err(), Some(InvalidTokenKey::Public));
    for end in 0..issued.public_spki_der().len() {
        let cut = TokenPublicKey::from_spki_der(&issued.public_spki_der()[..end]);
        assert_eq!(cut.err(), Some(InvalidTokenKey::Public), "cut at {end}");
    }
}

/// A `SubjectPublicKeyInfo` of an RSA key whose modulus begins with these two bytes.
fn rsa_spki(first: [u8; 2], modulus_bytes: usize) -> Vec<u8> {
    let value = |tag: u8, inner: &[u8]| {
        let length = u16::try_from(inner.len()).unwrap().to_be_bytes();
        let mut value = match length {
            [0, short @ ..0x80] => vec![tag, short],
            [0, long] => vec![tag, 0x81, long],
            [high, low] => vec![tag, 0x82, high, low],
        };
        value.extend_from_slice(inner);
        value
    };
    let mut modulus = vec![0x5B; modulus_bytes];
    modulus[..2].copy_from_slice(&first);
    let key = value(0x30, &[value(2, &modulus), value(2, &[1, 0, 1])].concat());
    let algorithm = value(0x30, alg_id::RSA_ENCRYPTION.as_ref());
    value(0x30, &[algorithm, value(3, &[&[0], &key[..]].concat())].concat())
}

#[test]
fn rsa_keys_have_2048_to_8192_bits() {
    let outcome = |first, bytes| TokenPublicKey::from_spki_der(&rsa_spki(first, bytes)).err();
    assert_eq!(outcome([0, 0x80], 257), None, "2,048 bits");
    assert_eq!(outcome([0x7F, 0xFF], 256), Some(InvalidTokenKey::Kind), "2,047 bits");
    assert_eq!(outcome([0, 0xFF], 1025), None, "8,192 bits");
    assert_eq!(outcome([1, 0], 1025), Some(InvalidTokenKey::Kind), "8,193 bits");
    assert_eq!(outcome([0x80, 0], 256), Some(InvalidTokenKey::Kind), "negative");
    assert_eq!(outcome([0, 0x7F], 258), Some(InvalidTokenKey::Kind), "a zero too many");
}

#[test]
fn the_cache_answers_the_very_same_only() {
    let bench = Bench::new();
    let cache = TokenCache::new(8);
    let token = bench.sign(&bench.header(), &claims());
    let ask = |connection, epoch, now| {
        let before = bench.register.asked.get();
        let key = certificate(connection);
        let outcome = cache.verify(&bench.verifier, &token, &key, &bench.register, epoch, at(now));
        (outcome.err(), bench.register.asked.get() > before)
    };
    assert_eq!(ask(1, 1, NOW), (None, true), "the first time it is verified");
    assert_eq!(ask(1, 1, NOW), (None, false), "then remembered");
    assert_eq!(ask(1, 2, NOW), (None, true), "but not into another epoch");
    let elsewhere = (Some(TokenRefused::BoundToAnotherCertificate), true);
    assert_eq!(ask(2, 2, NOW), elsewhere, "nor onto another connection");
    assert_eq!(ask(1, 1, NOW + 299), (None, false));
    assert_eq!(ask(1, 1, NOW + 301), (None, true), "nor past its end");
    assert_eq!(ask(1, 1, NOW + 305), (Some(TokenRefused::Expired), true));
}

#[test]
fn the_cache_stays_bounded_and_keeps_what_is_in_use() {
    let bench = Bench::new();
    let cache = TokenCache::new(8);
    let ask = |jti: u32| {
        let before = bench.register.asked.get();
        let mut claims = claims();
        claims["jti"] = json!(jti.to_string());
        let token = bench.sign(&bench.header(), &claims);
        let mine = certificate(1);
        cache.verify(&bench.verifier, &token, &mine, &bench.register, 1, at(NOW)).unwrap();
        bench.register.asked.get() > before
    };
    assert!(ask(0));
    for other in 1..40 {
        ask(other);
        assert!(!ask(0), "in use, so kept ({other} others)");
        assert!(cache.len() <= 8, "{}", cache.len());
    }
    assert!(ask(1), "long unused, so forgotten");
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    headers
}

fn peer(issued: u8) -> Peer {
    let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    Peer::with_fingerprint(remote, certificate(issued))
}

#[test]
fn a_caller_needs_certificate_and_token_of_one_partner() {
    let bench = Bench::new();
    let check = CallerCheck::new(bench.verifier.clone(), TokenCache::new(8));
    let recognise = |shown: u8, headers: &HeaderMap| {
        check.recognise(&peer(shown), headers, &bench.register, 1, at(NOW))
    };
    let token = |shown: u8| {
        let mut claims = claims();
        claims["cnf"] = json!({"x5t#S256": certificate(shown).to_string()});
        bearer(&bench.sign(&bench.header(), &claims))
    };
    assert_eq!(recognise(1, &token(1)).unwrap().partner().as_str(), "health");
    let refused = |shown, headers: &HeaderMap| {
        let refusal = recognise(shown, headers).expect_err("refused");
        (refusal.refused.reason(), refusal.partner.map(|id| id.to_string()))
    };
    let of = |id: &str| Some(id.to_owned());
    assert_eq!(refused(9, &token(9)), ("certificate_not_registered", None));
    assert_eq!(refused(3, &token(3)), ("certificate_revoked", of("dwp")));
    assert_eq!(refused(2, &token(2)), ("token_partner_mismatch", of("dwp")));
    assert_eq!(refused(1, &token(2)), ("token_bound_to_another_certificate", of("health")));
    assert_eq!(refused(1, &HeaderMap::new()), ("token_missing", of("health")));
}

#[test]
fn one_bearer_header_and_no_other_scheme() {
    assert_eq!(bearer_token(&bearer("abc")), Ok("abc"));
    let mut twice = bearer("abc");
    twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer def"));
    assert_eq!(bearer_token(&twice), Err(TokenRefused::Malformed));
    let mut basic = HeaderMap::new();
    basic.insert(AUTHORIZATION, HeaderValue::from_static("Basic abc"));
    assert_eq!(bearer_token(&basic), Err(TokenRefused::Malformed));
    assert_eq!(bearer_token(&HeaderMap::new()), Err(TokenRefused::Missing));
}

/// What a client that trusts the authority says of this certificate, shown as a server's.
fn shown(
    authority: &CertificateAuthority,
    pem: &str,
    name: &str,
    second: i64,
) -> Result<(), rustls::Error> {
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&authority.certificate_pem())).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let client = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
    let name = ServerName::try_from(name).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(second.try_into().unwrap()));
    let client = client.build().unwrap();
    client.verify_server_cert(&certificate(pem), &[], &name, &[], now).map(drop)
}

#[test]
fn issued_certificates_hold_their_names_and_validity() {
    let validity = Validity { not_before: at(NOW), not_after: at(NOW + 86_400) };
    let authority = CertificateAuthority::new("test authority", validity).unwrap();
    let server = authority.issue_server(&LOOPBACK_NAMES).unwrap();
    let shown = |pem, name, second| shown(&authority, pem, name, second);
    let pem = server.certificate_pem();
    for name in LOOPBACK_NAMES {
        // A client would refuse the certificate of an authority here.
        assert_eq!(shown(pem, name, NOW), Ok(()), "{name}");
        assert_eq!(shown(pem, name, NOW + 86_400), Ok(()), "{name}");
        assert!(shown(pem, name, NOW - 1).is_err(), "{name}");
        assert!(shown(pem, name, NOW + 86_401).is_err(), "{name}");
    }
    assert!(shown(pem, "example.org", NOW).is_err());
    assert!(shown(pem, "127.0.0.2", NOW).is_err());
    assert!(shown(&authority.certificate_pem(), "localhost", NOW).is_err());
    let written = server.fingerprint().to_string();
    assert_eq!(written.len(), 43);
    assert_eq!(written.parse(), Ok(server.fingerprint()));
    assert!("short".parse::<CertificateFingerprint>().is_err());
    let backwards = Validity { not_before: at(NOW), not_after: at(NOW - 1) };
    assert_eq!(CertificateAuthority::new("a", backwards).err(), Some(IssueError::Validity));
}
