use super::*;
use crate::keys::MasterKeys;
use crate::linkage::Rung;
use jiff::civil::date;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeSet;

struct World {
    with: Pseudonymiser,
    sealer: Sealer,
    health: PartnerId,
    centres: PartnerId,
    record: Pseudonym,
    other_record: Pseudonym,
}

fn world() -> World {
    let keys = MasterKeys::generate(&mut StdRng::seed_from_u64(11));
    let with = Pseudonymiser::new(&keys).unwrap();
    let health: PartnerId = "health".parse().unwrap();
    let record = |id: &str| {
        let kind = IdentifierKind::Record { partner: &health, record_type: "live_birth" };
        RawIdentifier::new(id.to_owned()).pseudonymise(kind, &with)
    };
    let (record, other_record) = (record("1"), record("2"));
    let centres = "centres".parse().unwrap();
    World { sealer: Sealer::new(&keys).unwrap(), with, health, centres, record, other_record }
}

impl World {
    fn by_health(&self, identity: RawIdentity) -> KeyedIdentity {
        let sender = Sender { partner: &self.health, record: &self.record, position: 0 };
        identity.pseudonymise(sender, &self.with).unwrap()
    }

    fn by_health_again(&self, identity: RawIdentity) -> KeyedIdentity {
        let sender = Sender { partner: &self.health, record: &self.other_record, position: 0 };
        identity.pseudonymise(sender, &self.with).unwrap()
    }

    fn by_centres(&self, identity: RawIdentity) -> KeyedIdentity {
        let sender = Sender { partner: &self.centres, record: &self.other_record, position: 0 };
        identity.pseudonymise(sender, &self.with).unwrap()
    }
}

fn raw(text: &str) -> Option<RawIdentifier> {
    Some(RawIdentifier::new(text.to_owned()))
}

fn text(text: &str) -> Option<RawText> {
    Some(RawText::new(text.to_owned()))
}

fn zoe() -> RawIdentity {
    RawIdentity {
        nhs_number: raw("9990000018"),
        surname: text("Oyelaran-Smith"),
        forename: text("Zoë"),
        birth: Some(BirthDate::new(date(2024, 2, 29))),
        sex: Some(Sex::Female),
        postcode: text("CV1 1AH"),
        ..RawIdentity::default()
    }
}

fn unnumbered() -> RawIdentity {
    RawIdentity { nhs_number: None, ..zoe() }
}

fn twin(forename: &str) -> RawIdentity {
    RawIdentity { forename: text(forename), plurality: Some(2), ..unnumbered() }
}

fn names_key(identity: &KeyedIdentity) -> Option<Pseudonym> {
    identity.match_keys.of(Rung::NamesBirthSexPostcode).map(|k| k.key)
}

fn nhs_key(identity: &KeyedIdentity) -> Option<Pseudonym> {
    identity.match_keys.of(Rung::NhsBirth).map(|k| k.key)
}

#[test]
fn writing_does_not_matter() {
    let w = world();
    let written = RawIdentity {
        surname: text("OYELARAN SMITH"),
        forename: text("zoe\u{308}"),
        postcode: text("cv11ah"),
        plurality: Some(1),
        ..zoe()
    };
    let (a, b) = (w.by_health(zoe()), w.by_centres(written));
    assert_eq!(a.fingerprint, b.fingerprint, "one tuple for all partners");
    assert_eq!(a.match_keys, b.match_keys);
    assert_eq!(a.match_keys.iter().count(), 2);
    assert_eq!(a.nhs, b.nhs);
}

#[test]
fn every_field_counts_in_the_fingerprint() {
    let w = world();
    let day = |d| Some(BirthDate::new(date(2024, 2, d)));
    let variants = [
        zoe(),
        RawIdentity { nhs_number: raw("9990000026"), ..zoe() },
        RawIdentity { nhs_number: None, ..zoe() },
        RawIdentity { uln: raw("1000000042"), ..zoe() },
        RawIdentity { upn: raw("A"), ..zoe() },
        RawIdentity { nino: raw("A"), ..zoe() },
        RawIdentity { local_id: raw("A"), ..zoe() },
        RawIdentity { surname: text("Smith"), ..zoe() },
        RawIdentity { forename: text("Chloe"), ..zoe() },
        RawIdentity { birth: day(28), ..zoe() },
        RawIdentity { birth: None, ..zoe() },
        RawIdentity { sex: Some(Sex::Male), ..zoe() },
        RawIdentity { sex: None, ..zoe() },
        RawIdentity { postcode: text("CV1 1AJ"), ..zoe() },
        RawIdentity { uprn: text("100070"), ..zoe() },
        RawIdentity { plurality: Some(2), ..zoe() },
    ];
    let count = variants.len();
    let distinct: BTreeSet<_> = variants.map(|v| w.by_health(v).fingerprint).into_iter().collect();
    assert_eq!(distinct.len(), count);
}

#[test]
fn each_rung_needs_all_its_fields() {
    let w = world();
    let other_day = RawIdentity { birth: Some(BirthDate::new(date(2024, 2, 28))), ..zoe() };
    assert_ne!(nhs_key(&w.by_health(zoe())), nhs_key(&w.by_health(other_day)));
    let no_day = w.by_health(RawIdentity { birth: None, ..zoe() });
    assert!(no_day.match_keys.is_empty() && no_day.nhs.is_some());
    let filled_in = Some(BirthDate::new(date(1900, 1, 1)));
    assert!(w.by_health(RawIdentity { birth: filled_in, ..zoe() }).match_keys.is_empty());
    let without_names_key = [
        RawIdentity { surname: None, ..unnumbered() },
        RawIdentity { forename: None, ..unnumbered() },
        RawIdentity { forename: text("BABY"), ..unnumbered() },
        RawIdentity { forename: text("Twin 1"), ..unnumbered() },
        RawIdentity { surname: text("Unknown"), ..unnumbered() },
        RawIdentity { sex: None, ..unnumbered() },
        RawIdentity { sex: Some(Sex::Indeterminate), ..unnumbered() },
        RawIdentity { postcode: text("ZZ99 3WZ"), ..unnumbered() },
        RawIdentity { postcode: None, ..unnumbered() },
        twin("Zoë"),
    ];
    for (at, identity) in without_names_key.into_iter().enumerate() {
        assert!(w.by_health(identity).match_keys.is_empty(), "case {at}");
    }
    assert!(names_key(&w.by_health(unnumbered())).is_some());
}

#[test]
fn twins_without_a_number_are_two_whatever_they_share() {
    let w = world();
    let pairs = [("Baby", "Baby"), ("Twin 1", "Twin 2"), ("Zoë", "Chloe")];
    for (one, two) in pairs {
        let (one, two) = (w.by_health(twin(one)), w.by_health_again(twin(two)));
        assert_ne!(one.fingerprint, two.fingerprint);
        assert!(one.match_keys.is_empty() && two.match_keys.is_empty());
    }
    // The same record sent again is the same subject.
    assert_eq!(w.by_health(twin("Baby")).fingerprint, w.by_health(twin("Baby")).fingerprint);
    // Two of one record are two.
    let second = Sender { partner: &w.health, record: &w.record, position: 1 };
    let second = twin("Baby").pseudonymise(second, &w.with).unwrap();
    assert_ne!(w.by_health(twin("Baby")).fingerprint, second.fingerprint);
    // With a number each, they have keys.
    let numbered = RawIdentity { nhs_number: raw("9990000018"), ..twin("Baby") };
    assert_eq!(w.by_health(numbered).match_keys.iter().count(), 1);
}

#[test]
fn a_local_id_never_links_across_partners() {
    let w = world();
    let local = || RawIdentity { local_id: raw("F-0042"), ..RawIdentity::default() };
    let (health, centres) = (w.by_health(local()), w.by_centres(local()));
    assert_ne!(health.fingerprint, centres.fingerprint);
    assert_ne!(health.local_id, centres.local_id);
    assert_eq!(health.fingerprint, w.by_health_again(local()).fingerprint);
}

#[test]
fn without_a_match_key_nothing_reaches_beyond_the_partner() {
    let w = world();
    let cases: [fn() -> RawIdentity; 3] = [
        || RawIdentity { nhs_number: raw("9990000018"), ..RawIdentity::default() },
        || RawIdentity { nino: raw("AB123456C"), surname: text("Smith"), ..RawIdentity::default() },
        || RawIdentity { postcode: None, ..unnumbered() },
    ];
    for case in cases {
        assert_eq!(w.by_health(case()).fingerprint, w.by_health_again(case()).fingerprint);
        assert_ne!(w.by_health(case()).fingerprint, w.by_centres(case()).fingerprint);
    }
    let hardly_anyone = || RawIdentity { surname: text("Smith"), ..RawIdentity::default() };
    let once = w.by_health(hardly_anyone()).fingerprint;
    assert_ne!(once, w.by_health_again(hardly_anyone()).fingerprint, "one for the record");
}

#[test]
fn facts_are_sealed_for_their_cell() {
    let w = world();
    let mut rng = StdRng::seed_from_u64(12);
    let cell = Cell { table: "subject", column: "facts", row: 3 };
    let facts = w.by_health(zoe()).facts;
    let sealed = facts.seal(cell, &w.sealer, &mut rng).unwrap().unwrap();
    let opened = Facts::open(cell, &w.sealer, &sealed).unwrap();
    assert_eq!(opened.sex, Sex::Female);
    assert_eq!(opened.birth.and_then(|b| b.age_on(date(2026, 3, 1))), Some(2));
    assert!(Facts::open(Cell { row: 4, ..cell }, &w.sealer, &sealed).is_err());
    let nobody = Facts { birth: None, sex: Sex::NotKnown };
    assert!(nobody.seal(cell, &w.sealer, &mut rng).unwrap().is_none());
}

#[test]
fn the_names_key_and_fingerprint_equal_the_independent_vectors() {
    // The field order of tests/vectors/pseudonyms.json, made here by hand.
    let w = world();
    let keyed = w.by_health(zoe());
    let b = |t: &'static str| t.as_bytes();
    let names = w.with.begin(PseudonymDomain::MatchNamesBirthSexPostcode, RULES);
    let fields = [b("oyelaransmith"), b("zoe"), b("20240229"), b("F"), b("CV1 1AH")];
    let names = fields.into_iter().fold(names, crate::keys::MacInput::bytes).finish();
    assert_eq!(names_key(&keyed), Some(names));
    let input = w.with.begin(PseudonymDomain::Subject, RULES).bytes(&[]).bytes(&[]).bytes(&[]);
    let input = input.pseudonym(keyed.nhs.as_ref()).unwrap().bytes(&[]).bytes(&[]).bytes(&[]);
    let input = fields.into_iter().fold(input.bytes(&[]), crate::keys::MacInput::bytes);
    assert_eq!(keyed.fingerprint, input.bytes(&[]).bytes(&[]).finish());
}

#[test]
fn postcodes_have_keys_of_their_own_domain() {
    let w = world();
    let key = |code: &str| postcode_pseudonym(RawText::new(code.to_owned()), &w.with);
    assert_eq!(key("cv11ah"), key("CV1 1AH"));
    assert_eq!(key("cv11ah").map(|p| p.domain()), Some(PseudonymDomain::Postcode));
    assert_eq!(key("ZZ99 3WZ"), None);
    assert_eq!(key("?"), None);
}

#[test]
fn suppression_tokens_are_unlike_their_keys() {
    let w = world();
    let keyed = w.by_health(zoe());
    let tokens: BTreeSet<_> =
        keyed.match_keys.iter().map(|k| k.suppression_token(&w.with).unwrap()).collect();
    assert_eq!(tokens.len(), 2);
    assert!(tokens.iter().all(|t| t.domain() == PseudonymDomain::Suppression));
    assert!(
        keyed.match_keys.iter().all(|k| tokens.iter().all(|t| t.as_bytes() != k.key.as_bytes()))
    );
}
