//! What a document may say: each rule broken once, by its place.

use serde_json::{Value, json};

use super::support::{Places, area, template};
use crate::protocol::document::{MAX_DOCUMENT_BYTES, Protocol};
use crate::protocol::fault::Rule;
use crate::protocol::register::KeySet;
use crate::protocol::signing::{Document, Signed};
use crate::protocol::template::Template;

fn health() -> Value {
    serde_json::to_value(template(Template::Health)).unwrap()
}

fn refused(document: &Value) -> (String, Rule) {
    let fault = Protocol::parse(document.to_string().as_bytes()).expect_err("refused");
    (fault.pointer().to_owned(), fault.rule())
}

#[track_caller]
fn refuses(pointer: &str, value: Value, place: &str, rule: Rule) {
    let mut document = health();
    *document.pointer_mut(pointer).unwrap() = value;
    assert_eq!(refused(&document), (place.to_owned(), rule), "{pointer}");
}

#[test]
fn templates_hold_and_are_read_back_the_same() {
    for sender in Template::ALL {
        let protocol = template(*sender);
        let canonical = protocol.canonical().unwrap();
        assert_eq!(Protocol::parse(&canonical).unwrap(), protocol, "{sender}");
        protocol.check_places(&Places).unwrap();
    }
}

#[test]
fn each_rule_names_its_place() {
    refuses("/schema", json!(2), "/schema", Rule::UnknownSchema);
    refuses("/id", json!("isp-he\u{430}lth"), "/id", Rule::Malformed);
    refuses("/version", json!(0), "/version", Rule::OutOfRange);
    refuses("/version", json!(2), "/supersedes", Rule::SupersedesMissing);
    refuses("/kind", json!("MOU"), "/kind", Rule::UnknownWord);
    refuses("/title", json!("a\u{202e}b"), "/title", Rule::UnprintableText);
    refuses("/title", json!("x".repeat(401)), "/title", Rule::UnprintableText);
    refuses("/purposes", json!([]), "/purposes", Rule::Empty);
    refuses("/purposes/0", json!("marketing"), "/purposes/0", Rule::UnknownWord);
    refuses("/purposes/1", json!("audit"), "/purposes/3", Rule::Duplicate);
    refuses("/parties/1/partner", json!("health"), "/parties/1", Rule::Duplicate);
    refuses("/parties/0/org_code", json!("rkb"), "/parties/0/org_code", Rule::Malformed);
    refuses(
        "/parties/0/ico_registration",
        json!("1"),
        "/parties/0/ico_registration",
        Rule::Malformed,
    );
    refuses("/parties/0/keys", json!([]), "/parties/0/keys", Rule::Empty);
    refuses("/parties/0/keys/0", json!("a b"), "/parties/0/keys/0", Rule::NotAnId);
    refuses("/parties/1/keys/0", json!("health-cg"), "/parties/1/keys/0", Rule::Duplicate);
    refuses("/parties/0/role", json!("boss"), "/parties/0/role", Rule::UnknownWord);
}

#[test]
fn each_rule_of_flows_and_outputs_names_its_place() {
    refuses("/flows", json!([]), "/flows", Rule::Empty);
    refuses("/flows/0/from", json!("dwp"), "/flows/0/from", Rule::NotAParty);
    refuses(
        "/flows/0/record_type",
        json!("bank_account"),
        "/flows/0/record_type",
        Rule::UnknownWord,
    );
    refuses("/flows/0/record_type", json!("health_review"), "/flows/1", Rule::Duplicate);
    refuses(
        "/flows/0/fields/3/name",
        json!("income"),
        "/flows/0/fields/3/name",
        Rule::UnknownField,
    );
    refuses(
        "/flows/0/fields/0/action",
        json!("keep"),
        "/flows/0/fields/0/action",
        Rule::IdentifierKept,
    );
    refuses("/flows/1/fields", json!([]), "/flows/1/fields", Rule::Empty);
    refuses("/flows/0/areas", json!([]), "/flows/0/areas", Rule::Empty);
    refuses(
        "/flows/0/areas",
        json!(["E08000026", "E08000026"]),
        "/flows/0/areas/1",
        Rule::Duplicate,
    );
    refuses("/flows/0/max_lag_days", json!(70_000), "/flows/0/max_lag_days", Rule::OutOfRange);
    refuses("/flows/0/basis", json!([]), "/flows/0/basis", Rule::Empty);
    refuses("/flows/0/basis/0/art9", json!("art9_2_z"), "/flows/0/basis/0/art9", Rule::UnknownWord);
    refuses(
        "/flows/0/basis/0/art6",
        json!("art6_1_a"),
        "/flows/0/basis/0/art6",
        Rule::ConsentMissing,
    );
    refuses(
        "/flows/0/basis/0/gateway",
        json!("custom"),
        "/flows/0/basis/0/gateway",
        Rule::UnknownWord,
    );
    refuses("/flows/0/confidentiality", json!("consent"), "/flows/0/consent", Rule::ConsentMissing);
    refuses("/outputs/0/sources/0/flow", json!(9), "/outputs/0/sources/0/flow", Rule::UnknownFlow);
    let purpose = "/outputs/0/sources/0/purpose";
    refuses(purpose, json!("public_health"), purpose, Rule::PurposeNotListed);
    refuses("/outputs/0/sources", json!([]), "/outputs/0/sources", Rule::Empty);
    refuses("/outputs/0/audiences", json!([]), "/outputs/0/audiences", Rule::Empty);
    refuses("/outputs/1/table", json!("engagement"), "/outputs/1", Rule::Duplicate);
    refuses("/retention/0/days", json!(0), "/retention/0/days", Rule::OutOfRange);
    refuses("/retention", json!([]), "/retention", Rule::RetentionMissing);
    refuses("/rights/contact", json!(""), "/rights/contact", Rule::UnprintableText);
    refuses("/breach/ico_hours", json!(73), "/breach/ico_hours", Rule::OutOfRange);
    refuses("/review_by", json!("2024-04-01"), "/review_by", Rule::DatesOutOfOrder);
    refuses("/expires", json!("2026-09-29"), "/expires", Rule::DatesOutOfOrder);
    for other in ["31/03/2027", "20270331", "2027-03-31T00:00:00", "+002027-03-31"] {
        refuses("/expires", json!(other), "/expires", Rule::Malformed);
    }
    refuses("/quorum/0/minimum", json!(3), "/quorum/0/minimum", Rule::QuorumCannotBeMet);
    refuses("/quorum/0/minimum", json!(0), "/quorum/0/minimum", Rule::QuorumMeaningless);
}

#[test]
fn members_may_be_neither_missing_nor_unknown() {
    let mut document = health();
    document.as_object_mut().unwrap().remove("dpia");
    assert_eq!(refused(&document), ("/dpia".to_owned(), Rule::MissingMember));
    let mut document = health();
    document["flows"][0]["basis"][0].as_object_mut().unwrap().remove("art9");
    assert_eq!(refused(&document), ("/flows/0/basis/0/art9".to_owned(), Rule::Article9Missing));
    let mut document = health();
    document["flows"][0]["basis"][0].as_object_mut().unwrap().remove("dpa_sch1");
    assert_eq!(
        refused(&document),
        ("/flows/0/basis/0/dpa_sch1".to_owned(), Rule::Schedule1Missing)
    );
    let mut document = health();
    document["flows"][1]["surprise"] = json!(1);
    assert_eq!(refused(&document), ("/flows/1/surprise".to_owned(), Rule::UnknownMember));
    let mut document = health();
    let fields = document["flows"][0]["fields"].as_array_mut().unwrap();
    fields.retain(|field| field["name"] != "date_of_birth");
    assert_eq!(refused(&document), ("/flows/0/fields".to_owned(), Rule::RequiredFieldNotListed));
    let mut document = health();
    document["supersedes"] = json!("0".repeat(64));
    assert_eq!(refused(&document), ("/supersedes".to_owned(), Rule::SupersedesUnexpected));
    let mut document = health();
    document["parties"].as_array_mut().unwrap().truncate(1);
    assert_eq!(refused(&document), ("/parties".to_owned(), Rule::TooFewParties));
}

#[test]
fn texts_that_two_readers_could_read_differently_are_refused() {
    let text = health().to_string();
    let twice = text.replacen("\"dpia\":", "\"dpia\":\"other\",\"dpia\":", 1);
    let fault = Protocol::parse(twice.as_bytes()).expect_err("refused");
    assert_eq!((fault.pointer(), fault.rule()), ("", Rule::DuplicateKey));
    let huge = format!("{text}{}", " ".repeat(MAX_DOCUMENT_BYTES));
    assert_eq!(Protocol::parse(huge.as_bytes()).expect_err("refused").rule(), Rule::TooLarge);
    assert_eq!(Protocol::parse(b"\xff\xfe").expect_err("refused").rule(), Rule::NotJson);
    let deep = "[".repeat(200) + &"]".repeat(200);
    assert_eq!(Protocol::parse(deep.as_bytes()).expect_err("refused").rule(), Rule::TooDeep);
}

#[test]
fn benefit_data_serve_eligibility_only() {
    let mut document = serde_json::to_value(template(Template::Dwp)).unwrap();
    assert_eq!(document["outputs"].as_array().unwrap().len(), 1);
    document["outputs"][0]["table"] = json!("engagement");
    let place = "/outputs/0/sources/0/flow".to_owned();
    assert_eq!(refused(&document), (place, Rule::GatewayForbidsTable));
    // A named gateway of its own opens the other use.
    let more = json!({ "art6": "art6_1_e", "art9": "art9_2_a", "gateway": "digital_economy_act_2017_s35" });
    document["flows"][0]["basis"].as_array_mut().unwrap().push(more);
    assert!(Protocol::parse(document.to_string().as_bytes()).is_ok());
}

#[test]
fn places_and_tables_must_exist() {
    let mut protocol = template(Template::Health);
    protocol.flows[1].areas.push(area("CC99"));
    let fault = protocol.check_places(&Places).expect_err("refused");
    assert_eq!((fault.pointer(), fault.rule()), ("/flows/1/areas/1", Rule::UnknownArea));
    let mut protocol = template(Template::Health);
    protocol.outputs[0].audiences[1].areas = vec![area("E01009522")];
    let fault = protocol.check_places(&Places).expect_err("refused");
    assert_eq!(fault.pointer(), "/outputs/0/audiences/1/areas/0");
    let fault = protocol.check_tables(&["births".parse().unwrap()]).expect_err("refused");
    assert_eq!((fault.pointer(), fault.rule()), ("/outputs/0/table", Rule::UnknownTable));
}

#[test]
fn the_digest_ignores_layout_and_nothing_else() {
    let protocol = template(Template::Health);
    let pretty = serde_json::to_string_pretty(&protocol).unwrap();
    let one: Signed<Protocol, _> = Signed::draft(pretty.as_bytes()).unwrap();
    let two: Signed<Protocol, _> = Signed::draft(&protocol.canonical().unwrap()).unwrap();
    assert_eq!(one.digest(), two.digest());
    let mut other = protocol;
    other.rights.sar_days = 29;
    let other: Signed<Protocol, _> = Signed::draft(&other.canonical().unwrap()).unwrap();
    assert_ne!(one.digest(), other.digest());
}

#[test]
fn the_root_policy_is_checked_too() {
    use crate::protocol::root_policy::RootPolicy;
    let root = serde_json::to_value(super::support::root().document()).unwrap();
    let refuses = |pointer: &str, value: Value, rule: Rule| {
        let mut document = root.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        let fault =
            <RootPolicy as Document>::parse(document.to_string().as_bytes()).expect_err("refused");
        assert_eq!(fault.rule(), rule, "{pointer}");
    };
    assert_eq!(root["quarterly_rho"], json!("0.128300000"));
    refuses("/schema", json!(9), Rule::UnknownSchema);
    refuses("/controllers", json!([]), Rule::NoController);
    refuses("/tables", json!([]), Rule::Empty);
    refuses("/tables/0/minimum_variance", json!(-1), Rule::NotAWholeNumber);
    refuses("/tables/1/table", json!("engagement"), Rule::Duplicate);
    refuses("/quarterly_rho", json!("0"), Rule::OutOfRange);
    refuses("/quarterly_rho", json!("-1"), Rule::Malformed);
    refuses("/lifetime_rho", json!("0.1"), Rule::OutOfRange);
    refuses("/display/round_to", json!(0), Rule::OutOfRange);
    refuses("/expires", json!("2020-01-01"), Rule::DatesOutOfOrder);
    refuses("/catalogue", json!("AB"), Rule::Malformed);
}

#[test]
fn the_root_policy_names_the_witnesses_that_make_its_quorum() {
    use crate::protocol::root_policy::RootPolicy;
    let root = serde_json::to_value(super::support::root().document()).unwrap();
    assert!(root.get("witness_keys").is_none(), "what was signed before it keeps its digest");
    let vkey = |name: &str| format!("{name}+c86bf9ec+BD1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM");
    let named = |name: &str, partner: &str, oversight: bool| json!({ "vkey": vkey(name), "partner": partner, "oversight": oversight });
    let read = |oversight: bool, partners: u16, keys: Value| {
        let mut document = root.clone();
        document["witnesses"]["oversight"] = json!(oversight);
        document["witnesses"]["minimum_partners"] = json!(partners);
        document["witness_keys"] = keys;
        <RootPolicy as Document>::parse(document.to_string().as_bytes())
            .map_err(|fault| (fault.pointer().to_owned(), fault.rule()))
    };
    let three = || {
        json!([named("a", "oversight", true), named("b", "one", false), named("c", "one", false)])
    };
    assert_eq!(read(true, 1, three()).unwrap().witness_keys.len(), 3);
    let unmet = |pointer: &str| Err((pointer.to_owned(), Rule::QuorumCannotBeMet));
    assert_eq!(
        read(true, 2, three()),
        unmet("/witnesses/minimum_partners"),
        "one partner, one voice"
    );
    let partners = json!([named("b", "one", false)]);
    assert_eq!(read(true, 1, partners), unmet("/witnesses/oversight"));
    let twice = json!([named("a", "one", true), named("a", "two", false)]);
    assert_eq!(read(false, 1, twice).unwrap_err().1, Rule::Duplicate);
    for bad in [
        "",
        "a",
        "a+c86bf9ec",
        "a+c86bf9ec+BD1A",
        "a+C86BF9EC+BD1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM",
    ] {
        let keys = json!([{ "vkey": bad, "partner": "one", "oversight": false }]);
        assert_eq!(read(false, 1, keys), Err(("/witness_keys/0/vkey".to_owned(), Rule::Malformed)));
    }
    // One of before they were named here is a policy still; its quorum is never there.
    assert!(read(true, 2, json!([])).is_ok());
}

#[test]
fn a_key_set_survives_its_exchange_form() {
    let set = super::support::register(&super::support::keys());
    let text = set.to_json().unwrap();
    assert_eq!(KeySet::parse(text.as_bytes()).unwrap(), set);
    let broken = text.replacen("OKP", "RSA", 1);
    let fault = KeySet::parse(broken.as_bytes()).expect_err("refused");
    assert_eq!((fault.pointer(), fault.rule()), ("/keys/0/kty", Rule::UnknownWord));
    let twice = text.replacen("dwp-siro", "health-cg", 1);
    assert_eq!(KeySet::parse(twice.as_bytes()).expect_err("refused").rule(), Rule::Duplicate);
}
