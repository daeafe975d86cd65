//! Sharing protocols, the root policy, and explanations.

use super::support::{Signatory, TODAY, World, areas, id, noon, sign, unsigned};
use crate::{
    audit::LeafKind,
    domain::RecordType,
    gateway::{
        ExplainedAct, ExplainedQuestion, PageRequest, PartnerLine, ProtocolFilter, ProtocolLine,
    },
    keys::SigningKey,
    protocol::{
        CallerRole, Digest, Envelope, Protocol, ProtocolVersion, RootPolicy, SignatoryRole, Signed,
        State, root_policy::RhoLimit, template::Template,
    },
};
use jiff::civil::date;
use rand::{SeedableRng, rngs::StdRng};

impl World {
    async fn submits(&self, document: &str) -> ProtocolLine {
        let answer = self.gateway.submit_protocol(&self.officer(), document).await;
        answer.unwrap().into_parts().0
    }

    async fn submit_refused(&self, document: &str, reason: &str) -> Vec<(String, String)> {
        let answer = self.gateway.submit_protocol(&self.officer(), document).await;
        self.refused(answer, reason).await.fields().to_vec()
    }

    pub(super) async fn state(&self, protocol: &str, version: u32) -> Option<State> {
        let found = self.gateway.protocol(&self.auditor(), &id(protocol), version).await;
        found.unwrap().value().line.state
    }
}

#[tokio::test]
async fn signatures_arrive_one_by_one_and_the_last_makes_it_active() {
    let world = World::new().await;
    let protocol = world.protocol(Template::Health);
    let line = world.submits(&world.signed(&protocol, &["health"])).await;
    assert_eq!(line.state, Some(State::PartlySigned));
    assert_eq!(line.missing[0], "authority has not signed");
    let leaf = world.last_leaf().await;
    assert_eq!(leaf.kind, LeafKind::ProtocolSubmitted);
    assert_eq!(leaf.protocol.unwrap().digest.as_bytes(), &line.digest);
    // The same again changes nothing.
    let epoch = world.gateway.snapshot().epoch();
    world.submits(&world.signed(&protocol, &["health"])).await;
    assert_eq!(world.gateway.snapshot().epoch(), epoch);
    // The other party hands in only its own signature; the merged document holds all.
    let line = world.submits(&world.signed(&protocol, &["authority"])).await;
    assert_eq!((line.state, line.missing.len()), (Some(State::Active), 0));
    assert_eq!(world.last_leaf().await.kind, LeafKind::ProtocolActivated);
    let held = world.gateway.protocol(&world.auditor(), &id("isp-health"), 0).await.unwrap();
    let held = Envelope::parse(held.value().document.as_bytes()).unwrap();
    assert_eq!(held.headers().count(), 3);
    // Known for ever, also when the keys have run out since.
    world.set_day(date(2028, 6, 1));
    world.gateway.reload().await.unwrap();
    assert_eq!(world.state("isp-health", 1).await, Some(State::Expired));
}

#[tokio::test]
async fn only_parties_and_data_officers_hand_in() {
    let world = World::new().await;
    let document = world.signed(&world.protocol(Template::Health), &["health"]);
    let other = world.gateway.submit_protocol(&world.provider("families"), &document).await;
    world.refused(other, "not_a_party").await;
    world.gateway.submit_protocol(&world.provider("health"), &document).await.unwrap();
}

#[tokio::test]
async fn each_bad_signature_is_refused_for_its_own_reason() {
    let world = World::new().await;
    let protocol = world.protocol(Template::Families);
    let bare = unsigned(&protocol);
    let by = |name: &str| world.signatories.iter().find(|s| s.partner.as_str() == name).unwrap();
    let siro = SignatoryRole::Siro;
    let json = |envelope: Envelope| envelope.to_json().unwrap();
    let signed = |name, role, at| json(sign::<Protocol>(bare.clone(), by(name), role, at));
    let now = world.now();
    world.submit_refused(&json(bare.clone()), "unsigned").await;
    world.submit_refused(&signed("centres", siro, now), "signatory_not_a_party").await;
    let office = SignatoryRole::Director;
    world.submit_refused(&signed("families", office, now), "wrong_office").await;
    let early = noon(date(2025, 12, 1));
    world.submit_refused(&signed("families", siro, early), "key_not_yet_valid").await;
    let future = noon(date(2026, 5, 2));
    world.submit_refused(&signed("families", siro, future), "signed_in_future").await;
    let root = json(sign::<RootPolicy>(bare.clone(), by("families"), siro, now));
    world.submit_refused(&root, "wrong_type").await;
    let fields = world.submit_refused("{\"payload\":\"!\",\"signatures\":[]}", "malformed_jws");
    assert_eq!(fields.await[0].0, "/payload");
    let good = signed("families", siro, now);
    let at = good.rfind("\"signature\": \"").unwrap() + 20;
    let other = if &good[at..=at] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &good[..at], &good[at + 1..]);
    let fields = world.submit_refused(&changed, "signature_does_not_verify").await;
    assert_eq!(fields[0].0, "/signatures/0");
    // The key signs again at another time: beside the first it is one too many.
    world.submits(&good).await;
    let again = signed("families", siro, noon(date(2026, 4, 30)));
    world.submit_refused(&again, "duplicate_signature").await;
    world.set_day(date(2028, 1, 2));
    let late = signed("authority", siro, world.now());
    world.submit_refused(&late, "key_expired").await;
}

#[tokio::test]
async fn keys_of_others_purposes_and_barred_partners_do_not_sign() {
    let world = World::new().await;
    let protocol = world.protocol(Template::Families);
    let key = SigningKey::generate(&mut StdRng::seed_from_u64(77)).unwrap();
    let stray = Signatory { partner: id("families"), key, role: SignatoryRole::Siro };
    let envelope = sign::<Protocol>(unsigned(&protocol), &stray, stray.role, world.now());
    world.submit_refused(&envelope.to_json().unwrap(), "unregistered_key").await;
    // Registered as a token key it is known, and still signs nothing.
    let mut entry = world.entry("families");
    entry.keys[0].jwk = stray.key.verifying_key().to_jwk();
    let line = PartnerLine { partner: entry, disabled: false };
    world.gateway.put_partner(&world.officer(), line).await.unwrap();
    world.submit_refused(&envelope.to_json().unwrap(), "wrong_purpose").await;
    world.gateway.disable_partner(&world.officer(), &id("families")).await.unwrap();
    let document = world.signed(&protocol, &["families"]);
    world.submit_refused(&document, "signatory_barred").await;
}

#[tokio::test]
async fn a_document_that_does_not_hold_names_its_place_and_rule() {
    let world = World::new().await;
    let mut protocol = world.protocol(Template::Families);
    protocol.flows[0].areas = vec![id("CC99")];
    let document = world.signed(&protocol, &["families"]);
    let fields = world.submit_refused(&document, "malformed_document").await;
    assert_eq!(fields[0].0, "/flows/0/areas/0");
    assert!(fields[0].1.starts_with("unknown_area"));
    let mut protocol = world.protocol(Template::Families);
    protocol.rights.contact = "The data \u{43e}fficer".to_owned();
    let draft: Result<Signed<Protocol, _>, _> = Signed::draft(&protocol.canonical().unwrap());
    let fault = draft.expect_err("a Cyrillic letter");
    assert_eq!(fault.to_string().split(':').next(), Some("/rights/contact"));
    let mut protocol = world.protocol(Template::Families);
    protocol.outputs[0].table = id("made_up");
    let document = world.signed(&protocol, &["families"]);
    let fields = world.submit_refused(&document, "malformed_document").await;
    assert_eq!(fields[0].0, "/outputs/0/table");
    // Another document under the same id and version.
    world.submits(&world.signed(&world.protocol(Template::Families), &["families"])).await;
    let mut other = world.protocol(Template::Families);
    other.title = "Another".to_owned();
    world.submit_refused(&world.signed(&other, &["families"]), "payload_differs").await;
}

#[tokio::test]
async fn a_new_version_supersedes_by_digest_with_everyones_signature() {
    let world = World::new().await;
    let first = world.in_force(Template::Families).await;
    let mut second = first.clone();
    second.version = ProtocolVersion::new(2).unwrap();
    second.supersedes = Some(Digest::of(b"other"));
    let parties = ["families", "authority"];
    world.submit_refused(&world.signed(&second, &parties), "supersedes_unknown").await;
    second.supersedes = Some(Digest::of(&first.canonical().unwrap()));
    second.effective = date(2026, 6, 1);
    world.submits(&world.signed(&second, &["families"])).await;
    assert_eq!(world.state("isp-families", 1).await, Some(State::Active));
    world.submit_refused(&world.signed(&second, &parties), "not_yet_effective").await;
    world.set_day(date(2026, 6, 1));
    world.submits(&world.signed(&second, &["authority"])).await;
    assert_eq!(world.state("isp-families", 1).await, Some(State::Superseded));
    assert_eq!(world.state("isp-families", 0).await, Some(State::Active));
    let mut third = second.clone();
    third.version = ProtocolVersion::new(3).unwrap();
    third.supersedes = Some(Digest::of(&first.canonical().unwrap()));
    world.submit_refused(&world.signed(&third, &parties), "supersedes_not_in_force").await;
}

#[tokio::test]
async fn nobody_is_signed_out_of_a_protocol_by_others() {
    let world = World::new().await;
    let first = world.in_force(Template::Health).await;
    let mut takeover = world.protocol(Template::Families);
    takeover.id = first.id.clone();
    takeover.version = ProtocolVersion::new(2).unwrap();
    takeover.supersedes = Some(Digest::of(&first.canonical().unwrap()));
    let document = world.signed(&takeover, &["families", "authority"]);
    world.submit_refused(&document, "party_left_out").await;
    assert_eq!(world.state("isp-health", 1).await, Some(State::Active));
}

#[tokio::test]
async fn every_member_reads_the_register_and_parties_their_documents() {
    let world = World::new().await;
    world.in_force(Template::Health).await;
    world.in_force(Template::Families).await;
    let (all, page) = (ProtocolFilter::default(), PageRequest::default());
    world.gateway.suspend_protocol(&world.provider("health"), &id("isp-health")).await.unwrap();
    for (actor, whole) in [
        (world.provider("health"), true),
        (world.provider("centres"), false),
        (world.actor("centres", &[CallerRole::Consumer]), false),
        (world.officer(), true),
        (world.auditor(), true),
    ] {
        let listed = world.gateway.list_protocols(&actor, &all, &page).await.unwrap();
        let line = &listed.value().entries[1];
        assert_eq!(listed.value().entries.len(), 2, "{}", actor.partner);
        assert_eq!((line.state, line.parties.len()), (Some(State::Suspended), 2));
        assert_eq!(line.review_by, Some(date(2026, 9, 30)));
        let found = world.gateway.protocol(&actor, &id("isp-health"), 1).await.unwrap();
        let found = found.value();
        assert_eq!(&found.line, line);
        // What is missing, and the text itself, is for its parties.
        for said in [!line.missing.is_empty(), !found.document.is_empty(), line.suspension == 1] {
            assert_eq!(said, whole, "{}", actor.partner);
        }
        let many = ProtocolFilter { with_warnings: true, ..ProtocolFilter::default() };
        let warned = world.gateway.list_protocols(&actor, &many, &page).await.unwrap();
        assert!(warned.value().entries.is_empty());
    }
    let none = world.gateway.protocol(&world.provider("centres"), &id("isp-none"), 1).await;
    world.refused(none, "not_found").await;
    let one = PageRequest { size: 1, token: String::new() };
    let first = world.gateway.list_protocols(&world.auditor(), &all, &one).await.unwrap();
    let next = PageRequest { size: 1, token: first.value().next.clone() };
    let second = world.gateway.list_protocols(&world.auditor(), &all, &next).await.unwrap();
    assert_eq!(first.value().entries[0].protocol, id("isp-families"));
    assert_eq!(second.value().entries[0].protocol, id("isp-health"));
    assert_eq!(second.value().next, "");
}

#[tokio::test]
async fn the_root_policy_is_this_catalogues_tight_and_signed_by_all() {
    let world = World::new().await;
    world.in_force(Template::Health).await;
    let officer = world.officer();
    let submit = async |policy: &RootPolicy, signers: &[&str], reason: &str| {
        let document = world.signed(policy, signers);
        let answer = world.gateway.submit_root_policy(&officer, &document).await;
        world.refused(answer, reason).await;
    };
    let both = ["authority", "health"];
    let good = world.root(&both);
    submit(&good, &["authority"], "signatures_missing").await;
    submit(&world.root(&["authority"]), &["authority"], "controller_left_out").await;
    submit(&world.root(&["health"]), &["health"], "not_a_controller").await;
    let other = RootPolicy { catalogue: Digest::of(b"other"), ..good.clone() };
    submit(&other, &both, "other_catalogue").await;
    let loose = RootPolicy { quarterly_rho: RhoLimit::from_nano(128_300_001), ..good.clone() };
    submit(&loose, &both, "limits_too_loose").await;
    let mut loose = good.clone();
    loose.tables[0].minimum_variance = 39;
    submit(&loose, &both, "limits_too_loose").await;
    let document = world.signed(&good, &both);
    let provider = world.provider("health");
    let answer = world.gateway.submit_root_policy(&provider, &document).await;
    world.refused(answer, "wrong_role").await;
    let line = world.gateway.submit_root_policy(&officer, &document).await.unwrap();
    assert_eq!(line.value().version, 1);
    assert_eq!(world.last_leaf().await.kind, LeafKind::RootPolicyActivated);
    assert!(world.gateway.snapshot().policy().root().is_some());
    let mut second = good.clone();
    second.title = "Another".to_owned();
    submit(&second, &both, "supersedes_unknown").await;
    second.version = ProtocolVersion::new(2).unwrap();
    second.supersedes = Some(Digest::from_bytes(line.value().digest));
    let line = world.gateway.submit_root_policy(&officer, &world.signed(&second, &both)).await;
    assert_eq!(line.unwrap().value().version, 2);
}

fn intake(protocol: &str, columns: &[&str]) -> ExplainedQuestion {
    ExplainedQuestion {
        partner: Some(id("families")),
        purpose: String::new(),
        day: None,
        act: ExplainedAct::Intake {
            protocol: id(protocol),
            record_type: "referral".to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        },
    }
}

#[tokio::test]
async fn explanations_name_the_clause_or_the_reason() {
    let world = World::new().await;
    world.in_force(Template::Families).await;
    let families = world.provider("families");
    let record_type: RecordType = id("referral");
    let all: Vec<&str> = record_type.definition().fields().map(|field| field.name).collect();
    let ask = async |question: &ExplainedQuestion| {
        let answer = world.gateway.explain_decision(&families, question).await;
        answer.unwrap().into_parts().0
    };
    let yes = ask(&intake("isp-families", &all)).await;
    assert!(yes.allowed && yes.clause.starts_with("isp-families/1#/flows/"), "{yes:?}");
    assert_eq!(world.last_leaf().await.kind, LeafKind::RegisterRead);
    let no = ask(&intake("isp-families", &["shoe_size"])).await;
    assert_eq!((no.allowed, no.clause.as_str()), (false, "field_not_listed"));
    assert!(!no.sentence.contains("shoe"));
    let none = ask(&intake("isp-nothing", &all)).await;
    assert_eq!((none.allowed, none.clause.as_str()), (false, "protocol_unknown"));
    let mut other = intake("isp-families", &all);
    other.purpose = "marketing".to_owned();
    assert_eq!(ask(&other).await.clause, "purpose_not_listed");
    let figure = ExplainedQuestion {
        partner: None,
        purpose: "childrens_centre_planning".to_owned(),
        day: None,
        act: ExplainedAct::Figure { table: id("families"), area: id("CC01") },
    };
    assert_eq!(ask(&figure).await.clause, "wrong_role");
    let answer = world.gateway.explain_decision(&world.officer(), &figure).await.unwrap();
    assert!(answer.value().allowed, "{:?}", answer.value());
    assert_eq!(world.last_leaf().await.table, Some(id("families")));
    // About others only data officers and auditors ask.
    let foreign = intake("isp-families", &all);
    let centres = world.gateway.explain_decision(&world.provider("centres"), &foreign).await;
    world.refused(centres, "not_your_organisation").await;
    let auditor = world.gateway.explain_decision(&world.auditor(), &foreign).await.unwrap();
    assert!(auditor.value().allowed);
}

#[tokio::test]
async fn an_area_that_is_gone_goes_on_meaning_what_it_last_meant() {
    let world = World::new().await;
    world.in_force(Template::Health).await;
    let mut fewer = areas(&["E01009522", "E01009523"]);
    fewer[3].code = id("CC09");
    world.gateway.load_areas(&world.officer(), fewer, TODAY).await.unwrap();
    let found = world.gateway.protocol(&world.auditor(), &id("isp-health"), 0).await.unwrap();
    // What was signed for that ground stays in force, or no boundary could change without
    // stopping every flow; the figures of the quarters that knew it are still answered.
    assert!(found.value().line.missing.is_empty(), "{:?}", found.value().line);
}
