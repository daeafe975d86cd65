//! What signatures are worth: each way to fail, by its own error.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use super::support::{TestKey, key, keys, kids, moment, now, partner, register, sign, template};
use crate::protocol::document::{Protocol, Quorum};
use crate::protocol::fault::Rule;
use crate::protocol::jws::Envelope;
use crate::protocol::register::KeyPurpose;
use crate::protocol::root_policy::RootPolicy;
use crate::protocol::signing::{
    Draft, Missing, SignatureError, Signed, Verified, header_for, verify,
};
use crate::protocol::template::Template;
use crate::protocol::vocabulary::SignatoryRole;

fn draft(protocol: &Protocol) -> Envelope {
    let draft: Signed<Protocol, Draft> = Signed::draft(&protocol.canonical().unwrap()).unwrap();
    draft.envelope().clone()
}

/// Signed by Health's SIRO and Caldicott Guardian and the authority's SIRO.
fn complete() -> Envelope {
    keys()[..3]
        .iter()
        .fold(draft(&template(Template::Health)), |e, k| sign::<Protocol>(e, k, now()))
}

fn check(envelope: Envelope, keys: &[TestKey]) -> Result<Verified<Protocol>, SignatureError> {
    verify(envelope, &register(keys), now())
}

/// The error of a complete envelope after its wire form was changed.
fn after(change: impl FnOnce(&mut Value)) -> SignatureError {
    let mut wire: Value = serde_json::from_str(&complete().to_json().unwrap()).unwrap();
    change(&mut wire);
    match Envelope::parse(wire.to_string().as_bytes()) {
        Ok(envelope) => check(envelope, &keys()).expect_err("refused"),
        Err(error) => error,
    }
}

/// Replaces the protected header of signature 1 (which then can't verify: what is tested comes before).
fn with_header(change: impl FnOnce(&mut Value)) -> SignatureError {
    after(|wire| {
        let place = &mut wire["signatures"][1]["protected"];
        let mut header: Value =
            serde_json::from_slice(&B64.decode(place.as_str().unwrap()).unwrap()).unwrap();
        change(&mut header);
        *place = json!(B64.encode(header.to_string()));
    })
}

/// The error when the register differs in one key.
fn with_key(change: impl FnOnce(&mut TestKey)) -> SignatureError {
    let mut keys = keys();
    change(&mut keys[1]);
    check(complete(), &keys).expect_err("refused")
}

#[test]
fn all_signatures_make_it_full_and_fewer_do_not() {
    let full = check(complete(), &keys()).unwrap().require_full().unwrap();
    assert_eq!(full.signatories().len(), 3);
    let text = full.envelope().to_json().unwrap();
    assert_eq!(Envelope::parse(text.as_bytes()).unwrap(), *full.envelope());
    let header = full.envelope().headers().next().unwrap();
    assert_eq!((header.alg.code(), header.typ.as_str()), ("Ed25519", "tallygate-protocol+json"));

    let all = keys();
    let one = sign::<Protocol>(draft(&template(Template::Health)), &all[0], now());
    let Verified::Partly(partly) = check(one.clone(), &all).unwrap() else { panic!("not full") };
    let siro = Missing::Office { role: SignatoryRole::Siro, have: 1, need: 2 };
    let missing =
        [Missing::Party(partner("authority")), Missing::CaldicottGuardian(partner("health")), siro];
    assert_eq!(partly.missing(), missing);
    let error = check(one, &all).unwrap().require_full().expect_err("not full");
    assert_eq!(error, SignatureError::Incomplete(missing.to_vec()));
}

#[test]
fn one_good_signature_does_not_carry_the_others() {
    // Two JOSE libraries in use answer "valid" here: any one signature suffices them.
    for bad in 0..3 {
        let error = after(|wire| {
            let other = wire["signatures"][(bad + 1) % 3]["signature"].clone();
            wire["signatures"][bad]["signature"] = other;
        });
        assert_eq!(error, SignatureError::Corrupt { place: bad });
    }
    assert_eq!(after(|wire| wire["signatures"] = json!([])), SignatureError::Unsigned);
}

#[test]
fn every_changed_byte_is_seen() {
    let payload = complete().payload().to_vec();
    let text = String::from_utf8(payload).unwrap().replace("\"sar_days\":30", "\"sar_days\":31");
    let error = after(|wire| wire["payload"] = json!(B64.encode(&text)));
    assert_eq!(error, SignatureError::Corrupt { place: 0 });
    let spaced = format!("{text} ");
    let error = after(|wire| wire["payload"] = json!(B64.encode(&spaced)));
    assert!(matches!(error, SignatureError::Document(f) if f.rule() == Rule::NotCanonical));
    let error = with_header(|header| header["iat"] = json!(header["iat"].as_u64().unwrap() - 1));
    assert_eq!(error, SignatureError::Corrupt { place: 1 });
    let error = after(|wire| {
        let place = &mut wire["signatures"][2]["signature"];
        let mut bytes = B64.decode(place.as_str().unwrap()).unwrap();
        bytes[40] ^= 1;
        *place = json!(B64.encode(bytes));
    });
    assert_eq!(error, SignatureError::Corrupt { place: 2 });
}

#[test]
fn headers_are_strict() {
    let place = 1;
    assert_eq!(
        with_header(|h| h["crit"] = json!(["b64"])),
        SignatureError::UnknownCritical { place }
    );
    assert_eq!(
        with_header(|h| h["alg"] = json!("none")),
        SignatureError::UnknownAlgorithm { place }
    );
    assert_eq!(
        with_header(|h| h["alg"] = json!("HS256")),
        SignatureError::UnknownAlgorithm { place }
    );
    assert_eq!(
        with_header(|h| h["typ"] = json!("tallygate-root-policy+json")),
        SignatureError::WrongType { place }
    );
    for member in ["typ", "kid", "party", "role", "iat", "alg"] {
        let error = with_header(|h| drop(h.as_object_mut().unwrap().remove(member)));
        let SignatureError::Header { place: 1, fault } = error else { panic!("{member}: {error}") };
        assert_eq!(
            (fault.pointer(), fault.rule()),
            (format!("/{member}").as_str(), Rule::MissingMember)
        );
    }
    for member in ["jku", "jwk", "x5u", "nonce"] {
        let error = with_header(|h| h[member] = json!("x"));
        let SignatureError::Header { place: 1, fault } = error else { panic!("{member}: {error}") };
        assert_eq!(fault.rule(), Rule::UnknownMember);
    }
    let unprotected = after(|wire| wire["signatures"][0]["header"] = json!({}));
    assert!(matches!(unprotected, SignatureError::Envelope(f) if f.rule() == Rule::UnknownMember));
    assert_eq!(
        with_header(|h| h["party"] = json!("authority")),
        SignatureError::WrongParty { place }
    );
    assert_eq!(with_header(|h| h["role"] = json!("siro")), SignatureError::WrongRole { place });
}

#[test]
fn the_older_name_of_the_algorithm_is_accepted() {
    let all = keys();
    let mut envelope = draft(&template(Template::Health));
    for key in &all[..3] {
        let mut header = header_for::<Protocol>(&key.registered, now());
        header.alg = crate::protocol::jws::Algorithm::EdDsa;
        envelope = envelope.sign(header, |m| key.pair.sign(m).as_ref().try_into().ok()).unwrap();
    }
    assert!(matches!(check(envelope, &all), Ok(Verified::Fully(_))));
}

#[test]
fn keys_must_be_registered_valid_and_for_this() {
    let place = 1;
    let missing: Vec<TestKey> =
        keys().into_iter().filter(|k| k.registered.kid.as_str() != "health-cg").collect();
    assert_eq!(
        check(complete(), &missing).expect_err("x"),
        SignatureError::UnregisteredKey { place }
    );
    let wrong = with_key(|k| k.registered.purpose = KeyPurpose::Token);
    assert_eq!(wrong, SignatureError::WrongPurpose { place });
    let wrong = with_key(|k| k.registered.party = partner("authority"));
    assert_eq!(wrong, SignatureError::WrongParty { place });
    let wrong = with_key(|k| k.registered.role = SignatoryRole::Director);
    assert_eq!(wrong, SignatureError::WrongRole { place });
    let expired = with_key(|k| k.registered.valid_until = moment("2026-04-30T00:00:00Z"));
    assert_eq!(expired, SignatureError::KeyExpired { place });
    let early = with_key(|k| k.registered.valid_from = moment("2026-05-02T00:00:00Z"));
    assert_eq!(early, SignatureError::KeyNotYetValid { place });
    let revoked = with_key(|k| k.registered.revoked_at = Some(moment("2026-05-01T09:00:00Z")));
    assert_eq!(revoked, SignatureError::KeyRevoked { place });
    let other = with_key(|k| k.registered.public_key[0] ^= 1);
    assert_eq!(other, SignatureError::Corrupt { place });
}

#[test]
fn backdating_does_not_revive_an_expired_key() {
    let mut all = keys();
    all[0].registered.valid_until = moment("2026-04-01T00:00:00Z");
    let backdated = moment("2026-03-01T00:00:00Z");
    let envelope = sign::<Protocol>(draft(&template(Template::Health)), &all[0], backdated);
    let error = check(envelope.clone(), &all).expect_err("arrived too late");
    assert_eq!(error, SignatureError::KeyExpired { place: 0 });
    // A signature that the log saw in time stands.
    let seen = verify::<Protocol>(envelope, &register(&all), backdated);
    assert!(matches!(seen, Ok(Verified::Partly(_))));
    let future = sign::<Protocol>(
        draft(&template(Template::Health)),
        &keys()[0],
        moment("2026-05-01T09:06:00Z"),
    );
    assert_eq!(
        check(future, &keys()).expect_err("future"),
        SignatureError::SignedInFuture { place: 0 }
    );
}

#[test]
fn nobody_signs_twice_or_from_outside() {
    let all = keys();
    let again = complete();
    let header = header_for::<Protocol>(&all[0].registered, now());
    let error = again.sign(header, |_| Some([0; 64])).expect_err("signed already");
    assert_eq!(error, SignatureError::Duplicate { place: 0 });
    let twice = after(|wire| {
        let first = wire["signatures"][0].clone();
        wire["signatures"].as_array_mut().unwrap().push(first);
    });
    assert_eq!(twice, SignatureError::Duplicate { place: 3 });

    // One key under two names.
    let mut protocol = template(Template::Health);
    protocol.parties[0].keys.extend(kids(&["health-siro-2"]));
    let mut more = keys();
    more.push(key("health-siro-2", "health", SignatoryRole::Siro, 1));
    let alias = more.len() - 1;
    let envelope = sign::<Protocol>(draft(&protocol), &more[0], now());
    let envelope = sign::<Protocol>(envelope, &more[alias], now());
    assert_eq!(check(envelope, &more).expect_err("alias"), SignatureError::Duplicate { place: 1 });

    let outsider = sign::<Protocol>(complete(), &all[3], now());
    assert_eq!(
        check(outsider, &all).expect_err("outsider"),
        SignatureError::NotAParty { place: 3 }
    );
    let mut more = keys();
    more.push(key("health-other", "health", SignatoryRole::Director, 9));
    let unnamed = sign::<Protocol>(complete(), &more[alias], now());
    assert_eq!(
        check(unnamed, &more).expect_err("unnamed"),
        SignatureError::KeyNotNamed { place: 3 }
    );
    let failing = draft(&template(Template::Health))
        .sign(header_for::<Protocol>(&all[0].registered, now()), |_| None);
    assert_eq!(failing.expect_err("no signature"), SignatureError::SigningFailed);
}

#[test]
fn copies_merge_only_over_the_same_bytes() {
    let all = keys();
    let base = draft(&template(Template::Health));
    let one = sign::<Protocol>(base.clone(), &all[0], now());
    let two = sign::<Protocol>(sign::<Protocol>(base, &all[1], now()), &all[2], now());
    let merged = one.clone().merge(two).unwrap().merge(one.clone()).unwrap();
    assert!(matches!(check(merged, &all), Ok(Verified::Fully(_))));
    let other = draft(&template(Template::Dwp));
    assert_eq!(one.merge(other).expect_err("differs"), SignatureError::PayloadDiffers);
}

#[test]
fn a_quorum_raises_the_floor_and_never_lowers_it() {
    let mut protocol = template(Template::Health);
    protocol.quorum = Vec::new();
    let all = keys();
    let floor: Vec<usize> = vec![0, 1, 2];
    for left_out in 0..3 {
        let signing = floor.iter().filter(|place| **place != left_out);
        let envelope =
            signing.fold(draft(&protocol), |e, place| sign::<Protocol>(e, &all[*place], now()));
        let full = matches!(check(envelope, &all), Ok(Verified::Fully(_)));
        // Health's Caldicott Guardian binds Health too, so its SIRO alone may be absent.
        assert_eq!(full, left_out == 0, "without {left_out}");
    }
    protocol.quorum = vec![Quorum { role: SignatoryRole::Director, minimum: 1 }];
    let envelope = all[..3].iter().fold(draft(&protocol), |e, k| sign::<Protocol>(e, k, now()));
    let director = Missing::Office { role: SignatoryRole::Director, have: 0, need: 1 };
    let error = check(envelope, &all).unwrap().require_full().expect_err("raised");
    assert_eq!(error, SignatureError::Incomplete(vec![director]));
}

#[test]
fn advice_alone_does_not_bind_a_party() {
    let mut protocol = template(Template::Dwp);
    protocol.quorum = Vec::new();
    let mut all = keys();
    all[3].registered.role = SignatoryRole::DpoAdvice;
    let envelope =
        [2, 3].iter().fold(draft(&protocol), |e, place| sign::<Protocol>(e, &all[*place], now()));
    let error = check(envelope, &all).unwrap().require_full().expect_err("advice only");
    assert_eq!(error, SignatureError::Incomplete(vec![Missing::Party(partner("dwp"))]));
}

#[test]
fn a_signature_for_one_kind_of_document_never_counts_for_another() {
    let root = super::support::root();
    let error =
        verify::<Protocol>(root.envelope().clone(), &register(&keys()), now()).expect_err("x");
    assert!(matches!(error, SignatureError::Document(_)));
    let key = &keys()[2];
    let payload = Signed::<RootPolicy, Draft>::draft(root.envelope().payload()).unwrap();
    let crossed = sign::<Protocol>(payload.envelope().clone(), key, now());
    let error = verify::<RootPolicy>(crossed, &register(&keys()), now()).expect_err("x");
    assert_eq!(error, SignatureError::WrongType { place: 0 });
}
