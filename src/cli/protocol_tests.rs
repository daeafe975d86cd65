//! Protocols as papers, through the command line: drafted, signed, verified, compared; and every way in
//! which a signature is refused.

use crate::cli::run_on;
use crate::protocol::{KeySet, RegisteredKey, SignatoryRole, register::KeyPurpose};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;
use std::{ffi::OsString, fs, path::Path};

fn line(folder: &Path, line: &str) -> (u8, String, String) {
    let place = format!("{}/", folder.display());
    let line = line.replace('@', &place);
    let arguments = std::iter::once("tallygate").chain(line.split_whitespace());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run_on(arguments.map(OsString::from), &mut out, &mut err, false);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// Keys and partner files of two parties, and the key set that binds them.
fn parties(folder: &Path) {
    let mut keys = KeySet::default();
    for party in ["learning", "authority"] {
        let (code, _, err) =
            line(folder, &format!("keys new --purpose protocol_signing --out @{party}"));
        assert_eq!(code, 0, "{err}");
        let jwk = fs::read_to_string(folder.join(party).join("protocol_signing.jwk.json")).unwrap();
        let jwk: Value = serde_json::from_str(&jwk).unwrap();
        let entry = format!(
            "partner_id = \"{party}\"\nname = \"{party}\"\norg_code = \"X1\"\n\
             ico_registration = \"Z1234567\"\nroles = [\"provider\"]\n[[keys]]\n\
             jwk = \"protocol_signing.jwk.json\"\npurpose = \"protocol_signing\"\n\
             role = \"siro\"\nvalid_from = \"2026-01-01\"\nvalid_until = \"2099-01-01\"\n"
        );
        fs::write(folder.join(party).join("partner.toml"), entry).unwrap();
        let public_key = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
        keys.add(RegisteredKey {
            kid: jwk["kid"].as_str().unwrap().parse().unwrap(),
            party: party.parse().unwrap(),
            role: SignatoryRole::Siro,
            purpose: KeyPurpose::ProtocolSigning,
            public_key: public_key.try_into().unwrap(),
            valid_from: Timestamp::UNIX_EPOCH,
            valid_until: "2099-01-01T00:00:00Z".parse().unwrap(),
            revoked_at: None,
        })
        .unwrap();
    }
    fs::write(folder.join("jwks.json"), keys.to_json().unwrap()).unwrap();
}

#[test]
fn a_protocol_is_drafted_signed_by_both_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    parties(folder);
    let new = "protocol new --template learning --sender @learning/partner.toml \
         --authority @authority/partner.toml --managed CC01 --out @draft.json";
    let (code, _, err) = line(folder, new);
    assert_eq!(code, 0, "{err}");
    let sign = |from: &str, party: &str, to: &str| {
        line(
            folder,
            &format!(
                "protocol sign @{from} --key @{party}/protocol_signing.pem --party {party} \
                 --role siro --out @{to}"
            ),
        )
    };
    let (code, _, err) = sign("draft.json", "learning", "once.json");
    assert_eq!(code, 0, "{err}");
    let (code, out, _) = line(folder, "protocol verify @once.json --keys @jwks.json");
    assert_eq!(code, 1);
    assert!(out.contains("partly signed") && out.contains("authority has not signed"), "{out}");
    let (code, _, err) = sign("once.json", "authority", "twice.json");
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = line(folder, "protocol verify @twice.json --keys @jwks.json");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("fully signed") && out.contains("isp-learning version 1"), "{out}");
    // The same key again, and a key that the document does not name for the party.
    let (code, _, err) = sign("twice.json", "learning", "thrice.json");
    assert!(code == 2 && err.contains("signed already"), "{err}");
    let (code, _, err) = line(
        folder,
        "protocol sign @draft.json --key @learning/protocol_signing.pem --party authority --role siro",
    );
    assert!(code == 2 && err.contains("does not name this key"), "{err}");
}

#[test]
fn an_altered_signature_fails_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    parties(folder);
    line(
        folder,
        "protocol new --template root_policy --controller @authority/partner.toml --controller @learning/partner.toml --out @draft.json",
    );
    let (code, text, err) = line(
        folder,
        "protocol sign @draft.json --key @authority/protocol_signing.pem --party authority --role siro",
    );
    assert_eq!(code, 0, "{err}");
    let mut signed: Value = serde_json::from_str(&text).unwrap();
    let signature = signed["signatures"][0]["signature"].as_str().unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let altered = format!("{first}{}", &signature[1..]);
    signed["signatures"][0]["signature"] = Value::String(altered);
    fs::write(folder.join("altered.json"), signed.to_string()).unwrap();
    let (code, _, err) = line(folder, "protocol verify @altered.json --keys @jwks.json");
    assert_eq!(code, 1);
    assert!(err.starts_with("FAILED: ") && err.contains("does not verify"), "{err}");
}

#[test]
fn a_draft_without_parties_says_what_to_fill_in() {
    let folder = tempfile::tempdir().unwrap();
    for template in ["health", "dwp", "learning", "families", "centres", "root_policy"] {
        let (code, out, err) = line(folder.path(), &format!("protocol new --template {template}"));
        assert_eq!(code, 0, "{err}");
        let draft: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(out.contains("TO-FILL-IN"), template != "root_policy", "{draft}");
    }
}

/// Drafted and signed by both.
fn signed_by_both(folder: &Path) {
    parties(folder);
    let new = "protocol new --template learning --sender @learning/partner.toml \
         --authority @authority/partner.toml --managed CC01 --out @draft.json";
    assert_eq!(line(folder, new).0, 0);
    for (from, party, to) in [("draft", "learning", "once"), ("once", "authority", "both")] {
        let sign = format!(
            "protocol sign @{from}.json --key @{party}/protocol_signing.pem --party {party} \
             --role siro --out @{to}.json"
        );
        assert_eq!(line(folder, &sign).0, 0);
    }
}

/// Verifies a changed copy of the signed document, with a changed key set: what is said.
fn verified(
    folder: &Path,
    document: impl FnOnce(&mut Value),
    keys: impl FnOnce(&mut Value),
) -> (u8, String) {
    let read = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    let (mut text, mut set) = (read("both.json"), read("jwks.json"));
    document(&mut text);
    keys(&mut set);
    fs::write(folder.join("changed.json"), text.to_string()).unwrap();
    fs::write(folder.join("keys.json"), set.to_string()).unwrap();
    let (code, out, err) = line(folder, "protocol verify @changed.json --keys @keys.json");
    (code, out + &err)
}

#[test]
fn each_bad_signature_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    signed_by_both(folder);
    let keep = |_: &mut Value| ();
    assert_eq!(verified(folder, keep, keep).0, 0);
    // The authority's key, wherever it stands in the set.
    let own = |set: &mut Value, change: &dyn Fn(&mut Value)| {
        let keys = set["keys"].as_array_mut().unwrap();
        change(keys.iter_mut().find(|key| key["party"] == "authority").unwrap());
    };
    type Spoil<'a> = &'a dyn Fn(&mut Value);
    let registers: [(Spoil<'_>, &str); 6] = [
        (&|key| key["kid"] = Value::from("another"), "the key is not registered"),
        (&|key| key["exp"] = Value::from(1_600_000_000), "the key had expired"),
        (&|key| key["nbf"] = Value::from(4_000_000_000_u64), "the key was not yet valid"),
        (&|key| key["revoked"] = Value::from(1_600_000_000), "the key had been revoked"),
        (&|key| key["purpose"] = Value::from("token"), "registered for another purpose"),
        (&|key| key["role"] = Value::from("director"), "not held in this office"),
    ];
    for (spoil, said) in registers {
        let (code, text) = verified(folder, keep, |set| own(set, spoil));
        assert!(code == 1 && text.contains("signature 1: ") && text.contains(said), "{text}");
    }
    let documents: [(Spoil<'_>, &str); 6] = [
        (&|text| text["signatures"] = serde_json::json!([]), "there is no signature"),
        (
            &|text| {
                let first = text["signatures"][0].clone();
                text["signatures"].as_array_mut().unwrap().push(first);
            },
            "signature 2: this key has signed already",
        ),
        (
            &|text| {
                let other = text["signatures"][0]["signature"].clone();
                text["signatures"][1]["signature"] = other;
            },
            "signature 1: it does not verify",
        ),
        (
            &|text| {
                let payload = URL_SAFE_NO_PAD.decode(text["payload"].as_str().unwrap()).unwrap();
                let payload = String::from_utf8(payload).unwrap();
                let payload = payload.replace("\"sar_days\":30", "\"sar_days\":31");
                text["payload"] = Value::from(URL_SAFE_NO_PAD.encode(payload));
            },
            "signature 0: it does not verify",
        ),
        (&|text| text["signatures"][0]["header"] = serde_json::json!({}), "/signatures/0/header"),
        (
            &|text| {
                let protected = text["signatures"][0]["protected"].as_str().unwrap();
                let header = URL_SAFE_NO_PAD.decode(protected).unwrap();
                let header = String::from_utf8(header).unwrap();
                let header = header.replace("tallygate-protocol", "tallygate-root-policy");
                text["signatures"][0]["protected"] = Value::from(URL_SAFE_NO_PAD.encode(header));
            },
            "signature 0: typ is not that of this document",
        ),
    ];
    for (spoil, said) in documents {
        let (code, text) = verified(folder, |document| spoil(document), keep);
        assert!(code == 1 && text.contains(said), "{said}: {text}");
    }
    // One is missing: what is there verifies, and it is not enough.
    let one = |document: &mut Value| drop(document["signatures"].as_array_mut().unwrap().pop());
    let (code, text) = verified(folder, one, keep);
    assert!(code == 1 && text.contains("authority has not signed"), "{text}");
    // Somebody from outside signs on top.
    let (code, _, err) = line(folder, "keys new --purpose protocol_signing --out @stranger");
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = line(
        folder,
        "protocol sign @both.json --key @stranger/protocol_signing.pem --party stranger --role siro",
    );
    assert!(code == 2 && err.contains("does not name this key"), "{err}");
}

#[test]
fn an_amendment_is_told_in_words_and_formats() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    signed_by_both(folder);
    let (code, out, err) = line(folder, "protocol diff @draft.json @both.json");
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    let mut draft: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("draft.json")).unwrap()).unwrap();
    draft["breach"]["notify_hours"] = Value::from(12);
    draft["purposes"].as_array_mut().unwrap().remove(3);
    for output in draft["outputs"].as_array_mut().unwrap() {
        output["sources"].as_array_mut().unwrap().retain(|s| s["purpose"] != "audit");
    }
    fs::write(folder.join("new.json"), draft.to_string()).unwrap();
    let (code, out, _) = line(folder, "protocol diff @both.json @new.json");
    assert_eq!(code, 1);
    let told = "the hours within which the parties are told of a breach from 24 to 12";
    assert!(out.contains(told) && out.contains("removes audit (audit of the sharing"), "{out}");
    let (code, out, _) = line(folder, "protocol diff @both.json @new.json --format json");
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 1);
    assert_eq!(rows[0]["pointer"], "/purposes/3");
    assert_eq!(rows[0]["difference"], "removed");
    let (_, out, _) = line(folder, "protocol diff @both.json @new.json --format csv");
    assert!(out.starts_with("pointer,difference,sentence\n/purposes/3,removed,"), "{out}");
    let (code, _, err) = line(folder, "protocol diff @jwks.json @new.json");
    assert!(code == 2 && err.contains("/keys"), "{err}");
}

#[test]
fn every_pair_of_agencies_has_its_examples() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for kind in ["isp", "dda", "jca"] {
        let all = format!("protocol new --template {kind} --pair all --out @drafts");
        let (code, _, err) = line(folder, &all);
        assert_eq!(code, 0, "{err}");
        for pair in ["health", "dwp", "learning", "families", "centres", "schools"] {
            let same = format!("@drafts/{kind}-{pair}.json");
            // What can be compared was read in full, by every rule.
            assert_eq!(line(folder, &format!("protocol diff {same} {same}")).0, 0, "{same}");
        }
    }
    let (code, out, _) = line(folder, "protocol new --template dda");
    let draft: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, draft["kind"].as_str(), draft["id"].as_str()),
        (0, Some("DDA"), Some("dda-health"))
    );
    let (code, _, err) = line(folder, "protocol new --template isp --pair all");
    assert!(code == 2 && err.contains("--out DIR"), "{err}");
}

#[test]
fn a_deed_is_drafted_signed_by_all_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    signed_by_both(folder);
    let (code, _, err) = line(folder, "keys new --purpose protocol_signing --out @harbour");
    assert_eq!(code, 0, "{err}");
    let entry = fs::read_to_string(folder.join("learning/partner.toml")).unwrap();
    fs::write(folder.join("harbour/partner.toml"), entry.replace("learning", "harbour")).unwrap();
    let draft = "protocol adherence @both.json --joins @harbour/partner.toml --flow 0 \
         --audience twos:consumer:CC01 --out @deed.json";
    let (code, _, err) = line(folder, draft);
    assert_eq!(code, 0, "{err}");
    for party in ["harbour", "learning", "authority"] {
        let sign = format!(
            "protocol sign @deed.json --key @{party}/protocol_signing.pem --party {party} \
             --role siro --out @deed.json"
        );
        let (code, _, err) = line(folder, &sign);
        assert_eq!(code, 0, "{err}");
    }
    // The harbour's key is in no set yet.
    let (code, _, err) = line(folder, "protocol verify @deed.json --keys @jwks.json");
    assert!(code == 1 && err.contains("signature 0: the key is not registered"), "{err}");
    let mut set: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("jwks.json")).unwrap()).unwrap();
    let jwk = fs::read_to_string(folder.join("harbour/protocol_signing.jwk.json")).unwrap();
    let jwk: Value = serde_json::from_str(&jwk).unwrap();
    let mut key = set["keys"][0].clone();
    (key["kid"], key["x"], key["party"]) = (jwk["kid"].clone(), jwk["x"].clone(), "harbour".into());
    set["keys"].as_array_mut().unwrap().push(key);
    fs::write(folder.join("jwks.json"), set.to_string()).unwrap();
    let (code, out, err) = line(folder, "protocol verify @deed.json --keys @jwks.json");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("harbour joins isp-learning version 1"), "{out}");
    let (code, _, err) = line(folder, &draft.replace("--flow 0", "--flow 9"));
    assert!(code == 2 && err.contains("/flows/0/flow"), "{err}");
}

#[test]
fn what_is_too_large_too_deep_or_ambiguous_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    signed_by_both(folder);
    let text = fs::read_to_string(folder.join("draft.json")).unwrap();
    let cases = [
        (format!("{text}{}", " ".repeat(300_000)), "/: the text is larger than the limit"),
        ("[".repeat(5_000), "the text is nested too deeply (too_deep)"),
        (text.replacen("\"dpia\":", "\"dpia\": \"x\", \"dpia\":", 1), "the same member twice"),
        (
            text.replacen("\"learning\"", "\"le\u{430}rning\"", 1),
            "/parties/0/partner: the value does not have its form",
        ),
        (
            text.replacen("\"schema\": 1", "\"schema\": 2", 1),
            "/schema: this version of the document",
        ),
        (
            text.replacen("\"minimum\": 2", "\"minimum\": 3", 1),
            "/quorum/0/minimum: the quorum asks for more",
        ),
        (
            text.replacen("\"name\": \"uln\"", "\"name\": \"shoe_size\"", 1),
            "the record type has no such field",
        ),
    ];
    for (text, said) in cases {
        fs::write(folder.join("bad.json"), text).unwrap();
        let (code, _, err) = line(folder, "protocol diff @bad.json @draft.json");
        assert!(code == 2 && err.contains(said), "{said}: {err}");
    }
}
