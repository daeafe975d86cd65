//! Deeds of adherence and revocations: what they may say, who must sign, what the decision then sees.

use jiff::civil::date;
use serde_json::{Value, json};

use super::support::{
    Places, TODAY, TestKey, active, all_columns, area, fully_signed, key, keys, now, partner,
    register, sign, template,
};
use crate::domain::RecordType;
use crate::protocol::adherence::{Adherence, Joined, Joining, TakenAudience};
use crate::protocol::decision::{FigureQuestion, IntakeQuestion};
use crate::protocol::document::{Digest, Party, Protocol, ProtocolVersion};
use crate::protocol::fault::Rule;
use crate::protocol::life::{Act, Handling, RevocationReason};
use crate::protocol::policy::{Entry, Policy};
use crate::protocol::refusal::Reason;
use crate::protocol::revocation::Revoking;
use crate::protocol::signing::{
    Document, FullySigned, Missing, SignatureError, Signed, Verified, verify,
};
use crate::protocol::template::Template;
use crate::protocol::vocabulary::{CallerRole, PartyRole, SignatoryRole};

fn digest(protocol: &Protocol) -> Digest {
    Digest::of(&protocol.canonical().unwrap())
}

/// The harbour's deed: it sends referrals as the family services do, and sees a table.
fn deed(protocol: &Protocol) -> Adherence {
    let harbour = Party {
        partner: partner("harbour"),
        org_code: "HB01".to_owned(),
        ico_registration: "Z7654321".to_owned(),
        role: PartyRole::Controller,
        keys: vec!["harbour-siro".parse().unwrap()],
    };
    let audience = TakenAudience {
        table: "families".parse().unwrap(),
        role: CallerRole::Consumer,
        areas: vec![area("CC01")],
    };
    let taken = (&[1][..], vec![audience]);
    Adherence::draft(of(protocol), protocol, harbour, taken, date(2026, 6, 30)).unwrap()
}

fn of(protocol: &Protocol) -> Joining<'_> {
    Joining { base: protocol, digest: digest(protocol) }
}

fn all_keys() -> Vec<TestKey> {
    let mut all = keys();
    all.push(key("harbour-siro", "harbour", SignatoryRole::Siro, 40));
    all
}

fn signed_by(deed: &Adherence, kids: &[&str]) -> Result<Verified<Adherence>, SignatureError> {
    let draft: Signed<Adherence, _> = Signed::draft(&deed.canonical().unwrap()).unwrap();
    let all = all_keys();
    let envelope = kids.iter().fold(draft.envelope().clone(), |envelope, kid| {
        let key = all.iter().find(|key| key.registered.kid.as_str() == *kid).unwrap();
        sign::<Adherence>(envelope, key, now())
    });
    verify(envelope, &register(&all), now())
}

fn full(deed: &Adherence) -> Signed<Adherence, FullySigned> {
    let all = ["harbour-siro", "families-siro", "authority-siro"];
    signed_by(deed, &all).unwrap().require_full().unwrap()
}

fn policy(entry: Entry) -> Policy {
    Policy::compile(2, None, vec![entry], &Places)
}

fn may_send(policy: &Policy, who: &str, what: RecordType) -> Result<(), Reason> {
    let question = IntakeQuestion {
        partner: &partner(who),
        role: CallerRole::Provider,
        protocol: &"isp-families".parse().unwrap(),
        version: ProtocolVersion::FIRST,
        record_type: what.name(),
        columns: &all_columns(what),
        today: TODAY,
    };
    policy.authorise_intake(&question).map(drop).map_err(|refusal| refusal.reason())
}

#[test]
fn who_joins_may_do_what_the_deed_says_and_no_more() {
    let protocol = template(Template::Families);
    let (base, life) = (fully_signed(&protocol), active(&protocol));
    let before = policy(Entry::FullySigned(base.clone(), life.clone()));
    assert_eq!(may_send(&before, "harbour", RecordType::Referral), Err(Reason::NotAParty));

    let joined = Joined::new(base, &[full(&deed(&protocol))]).unwrap();
    let act = Act::Adhere { party: partner("harbour"), sends: true };
    let life = life.after(&act, &protocol).unwrap();
    let after = policy(Entry::Joined(Box::new(joined.clone()), life));
    assert!(after.faults().is_empty(), "{:?}", after.faults());
    assert_eq!(may_send(&after, "harbour", RecordType::Referral), Ok(()));
    assert_eq!(may_send(&after, "families", RecordType::Referral), Ok(()));
    let other = may_send(&after, "harbour", RecordType::FamilyCase);
    assert_eq!(other, Err(Reason::FlowNotGranted));
    let may_see = |table: &str, code: &str| {
        let question = FigureQuestion {
            partner: &partner("harbour"),
            role: CallerRole::Consumer,
            table: &table.parse().unwrap(),
            area: &area(code),
            confined_to: None,
            purpose: "childrens_centre_planning",
            today: TODAY,
        };
        after.authorise_figure(&question).map(drop).map_err(|refusal| refusal.reason())
    };
    assert_eq!(may_see("families", "CC01"), Ok(()));
    assert_eq!(may_see("families", "CC02"), Err(Reason::AreaNotCovered));
    assert_eq!(may_see("referrals", "CC01"), Err(Reason::AudienceNotListed));
    // The clauses of the document keep their places; the digest is that of what all signed.
    assert_eq!(joined.protocol().flows[..protocol.flows.len()], protocol.flows[..]);
    assert_eq!(joined.digest(), digest(&protocol));
}

#[test]
fn a_life_that_does_not_know_the_joiner_permits_nothing() {
    let protocol = template(Template::Families);
    let joined = Joined::new(fully_signed(&protocol), &[full(&deed(&protocol))]).unwrap();
    let entry = Entry::Joined(Box::new(joined), active(&protocol));
    let unknown = policy(entry);
    assert_eq!(
        may_send(&unknown, "families", RecordType::Referral),
        Err(Reason::ProtocolUnreadable)
    );
}

#[test]
fn a_deed_that_does_not_fit_joins_nobody() {
    let protocol = template(Template::Families);
    let good = serde_json::to_value(deed(&protocol)).unwrap();
    let refuses = |pointer: &str, value: Value, place: &str, rule: Rule| {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        let fault = match Adherence::parse(document.to_string().as_bytes()) {
            Err(fault) => fault,
            Ok(deed) => deed.apply(of(&protocol), &protocol).expect_err(pointer),
        };
        assert_eq!((fault.pointer(), fault.rule()), (place, rule), "{pointer}");
    };
    refuses("/schema", json!(2), "/schema", Rule::UnknownSchema);
    refuses("/adheres_to/digest", json!("0".repeat(64)), "/adheres_to", Rule::AnotherAgreement);
    refuses("/adheres_to/version", json!(2), "/adheres_to", Rule::AnotherAgreement);
    refuses("/adheres_to/protocol", json!("isp-dwp"), "/adheres_to", Rule::AnotherAgreement);
    refuses("/party/partner", json!("families"), "/agreed_by/0", Rule::Duplicate);
    refuses("/party/partner", json!("h\u{430}rbour"), "/party/partner", Rule::Malformed);
    refuses("/party/org_code", json!("hb"), "/party/org_code", Rule::Malformed);
    refuses("/party/keys/0", json!("families-siro"), "/agreed_by/0/keys", Rule::Duplicate);
    refuses("/flows/0/flow", json!(9), "/flows/0/flow", Rule::UnknownFlow);
    refuses("/flows/0/record_type", json!("family_case"), "/flows/0/flow", Rule::UnknownFlow);
    refuses("/audiences/0/table", json!("births"), "/audiences/0/table", Rule::UnknownTable);
    refuses("/audiences/0/areas", json!([]), "/audiences/0/areas", Rule::Empty);
    refuses("/agreed_by", json!([]), "/agreed_by", Rule::Empty);
    refuses("/valid_until", json!("30 June 2026"), "/valid_until", Rule::Malformed);
    let mut nothing = good.clone();
    nothing["flows"] = json!([]);
    nothing["audiences"] = json!([]);
    let fault = Adherence::parse(nothing.to_string().as_bytes()).expect_err("nothing taken on");
    assert_eq!((fault.pointer(), fault.rule()), ("/flows", Rule::Empty));
    // A party joins once.
    let once = deed(&protocol).apply(of(&protocol), &protocol).unwrap();
    let twice = deed(&protocol).apply(of(&protocol), &once).expect_err("in already");
    assert_eq!((twice.pointer(), twice.rule()), ("/party/partner", Rule::Duplicate));
    // No deed rests on another: what a joiner sends is nothing to take on.
    let mut next = deed(&protocol);
    next.party.partner = partner("library");
    next.party.keys = vec!["library-siro".parse().unwrap()];
    (next.flows[0].flow, next.flows[0].record_type) = (2, RecordType::Referral);
    let fault = next.apply(of(&protocol), &once).expect_err("another's flow");
    assert_eq!((fault.pointer(), fault.rule()), ("/flows/0/flow", Rule::UnknownFlow));
    next.flows[0].flow = 1;
    next.apply(of(&protocol), &once).unwrap();
    // A fault of the whole is shown where the whole stands, and nowhere in the deed.
    let mut wide = deed(&protocol);
    wide.audiences.push(wide.audiences[0].clone());
    let fault = wide.apply(of(&protocol), &protocol).expect_err("twice");
    assert!(fault.pointer().starts_with("/joined/outputs/"), "{fault}");
}

#[test]
fn a_joiner_sees_no_more_than_somebody_in_its_role() {
    let protocol = template(Template::Families);
    let mut joins = deed(&protocol);
    let refused = |joins: &Adherence| {
        let fault = joins.check_audiences(&protocol, &Places).expect_err("too wide");
        (fault.pointer().to_owned(), fault.rule())
    };
    joins.check_audiences(&protocol, &Places).unwrap();
    // The authority's officers see the whole; its readers of figures see named areas.
    joins.audiences[0].areas = vec![area("CC01"), area("E08000026")];
    let at = "/audiences/0/areas/1".to_owned();
    let listed = protocol.outputs.iter().flat_map(|output| &output.audiences);
    let consumers = listed.filter(|audience| audience.role == CallerRole::Consumer);
    let whole = consumers.flat_map(|audience| &audience.areas).any(|a| *a == area("E08000026"));
    assert!(!whole, "the template's readers see named areas");
    assert_eq!(refused(&joins), (at, Rule::AudienceTooWide));
    joins.audiences[0].areas = vec![area("CC99")];
    assert_eq!(refused(&joins), ("/audiences/0/areas/0".to_owned(), Rule::UnknownArea));
    joins.audiences[0].role = CallerRole::Provider;
    let fault = joins.apply(of(&protocol), &protocol).expect_err("no such audience");
    assert_eq!((fault.pointer(), fault.rule()), ("/audiences/0/role", Rule::AudienceTooWide));
}

#[test]
fn all_who_are_in_sign_and_who_joins() {
    let protocol = template(Template::Families);
    let all = ["harbour-siro", "families-siro", "authority-siro"];
    for left_out in all {
        let kids: Vec<&str> = all.into_iter().filter(|kid| *kid != left_out).collect();
        let error = signed_by(&deed(&protocol), &kids).unwrap().require_full().expect_err("x");
        let who = partner(left_out.split_once('-').unwrap().0);
        assert_eq!(error, SignatureError::Incomplete(vec![Missing::Party(who)]));
    }
    // Who left a party out of the list has not got its signature either.
    let mut short = deed(&protocol);
    short.agreed_by.remove(0);
    let signed = signed_by(&short, &["harbour-siro", "authority-siro"]).unwrap();
    let signed = signed.require_full().unwrap();
    let joined = short.apply(of(&protocol), &protocol).unwrap();
    let life = active(&protocol);
    let awaited = short.awaited(&joined, &life, signed.signatories()).unwrap();
    assert_eq!(awaited, [Missing::Party(partner("families"))]);
    // Somebody from outside agrees to nothing.
    let mut outside = deed(&protocol);
    outside.agreed_by[0].partner = partner("centres");
    outside.agreed_by[0].keys = vec!["centres-siro".parse().unwrap()];
    let joined = outside.apply(of(&protocol), &protocol).unwrap();
    let fault = outside.awaited(&joined, &life, &[]).expect_err("an outsider");
    assert_eq!((fault.pointer(), fault.rule()), ("/agreed_by/0", Rule::NotAParty));
    // Nor does a key that the protocol does not name.
    let mut other = deed(&protocol);
    other.agreed_by[0].keys = vec!["families-other".parse().unwrap()];
    let fault = other.awaited(&joined, &life, &[]).expect_err("another key");
    assert_eq!((fault.pointer(), fault.rule()), ("/agreed_by/0/keys", Rule::Malformed));
    // The protocol's own quorum counts: here a second director.
    let mut asks = protocol.clone();
    asks.quorum[0].minimum = 2;
    let good = deed(&protocol);
    let mut joined = good.apply(of(&protocol), &protocol).unwrap();
    joined.quorum[0].role = SignatoryRole::Director;
    let awaited = good.awaited(&joined, &life, full(&good).signatories()).unwrap();
    let office = Missing::Office { role: SignatoryRole::Director, have: 0, need: 2 };
    assert_eq!(awaited, [office]);
}

#[test]
fn a_joiner_of_health_data_needs_its_guardian() {
    let protocol = template(Template::Health);
    let mut joins = deed(&template(Template::Families));
    joins.adheres_to.protocol = protocol.id.clone();
    joins.flows[0].record_type = RecordType::HealthReview;
    let missing =
        joins.missing(&std::iter::once((partner("harbour"), SignatoryRole::Siro)).collect());
    assert!(missing.contains(&Missing::CaldicottGuardian(partner("harbour"))), "{missing:?}");
}

#[test]
fn only_a_siro_or_guardian_revokes_and_only_for_its_own() {
    let protocol = template(Template::Health);
    let revoking = Revoking {
        schema: 1,
        revokes: crate::protocol::adherence::Agreement {
            protocol: protocol.id.clone(),
            version: protocol.version,
            digest: digest(&protocol),
        },
        party: partner("health"),
        handling: Handling::Purge,
        reason: RevocationReason::BasisLost,
    };
    let mut all = keys();
    all.push(key("health-director", "health", SignatoryRole::Director, 41));
    let by = |kid: &str| -> Result<Signed<Revoking, FullySigned>, SignatureError> {
        let key = all.iter().find(|key| key.registered.kid.as_str() == kid).unwrap();
        let draft: Signed<Revoking, _> = Signed::draft(&revoking.canonical().unwrap()).unwrap();
        let envelope = sign::<Revoking>(draft.envelope().clone(), key, now());
        verify::<Revoking>(envelope, &register(&all), now()).and_then(Verified::require_full)
    };
    for (kid, role) in
        [("health-siro", SignatoryRole::Siro), ("health-cg", SignatoryRole::CaldicottGuardian)]
    {
        assert_eq!(Revoking::office(by(kid).unwrap().signatories()), Some(role));
    }
    let missing = SignatureError::Incomplete(vec![Missing::Revoker(partner("health"))]);
    assert_eq!(by("health-director").expect_err("a director"), missing);
    let other = by("authority-siro").expect_err("another's officer");
    assert_eq!(other, SignatureError::NotAParty { place: 0 });
    let text = serde_json::to_string(&revoking).unwrap();
    assert_eq!(<Revoking as Document>::parse(text.as_bytes()), Ok(revoking.clone()));
    let newer = text.replace("\"schema\":1", "\"schema\":2");
    let fault = <Revoking as Document>::parse(newer.as_bytes()).expect_err("another form");
    assert_eq!((fault.pointer(), fault.rule()), ("/schema", Rule::UnknownSchema));
}
