use super::*;
use crate::keys::BirthDate;
use crate::keys::RawIdentifier;
use jiff::civil::date;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::Digest;

const VECTORS: &str = include_str!("../../../tests/vectors/pseudonyms.json");

/// The keys of the vector file: Kp as given, each wrapping key the hash of its name.
fn vector_pseudonymiser(kp: [u8; 32], versions: u16) -> Pseudonymiser {
    let wrapping = |domain: PseudonymDomain| {
        let name = |v| format!("tallygate vector wrapping key {} {v}", domain.label());
        (1..=versions).map(|v| Sha256::digest(name(v).as_bytes()).into()).collect()
    };
    let keys = MasterKeys::of_vectors(kp, wrapping);
    Pseudonymiser::new(&keys).unwrap()
}

fn counting() -> [u8; 32] {
    std::array::from_fn(|i| u8::try_from(i).unwrap())
}

fn partner(name: &str) -> PartnerId {
    name.parse().unwrap()
}

#[test]
fn equal_the_independent_vectors() {
    let file: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let bytes = |v: &serde_json::Value| hex::decode(v.as_str().unwrap()).unwrap();
    let kp: [u8; 32] = bytes(&file["pseudonym_key"]).try_into().unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    let mut domains = std::collections::BTreeSet::new();
    for vector in vectors {
        let version = u16::try_from(vector["key_version"].as_u64().unwrap()).unwrap();
        let rules = u16::try_from(vector["rules"].as_u64().unwrap()).unwrap();
        let domain = PseudonymDomain::from_label(vector["domain"].as_str().unwrap()).unwrap();
        let with = vector_pseudonymiser(kp, version);
        let fields = vector["fields"].as_array().unwrap();
        let input = with.begin(domain, rules);
        let made = fields.iter().fold(input, |i, field| i.bytes(&bytes(field))).finish();
        assert_eq!(made.as_bytes().as_slice(), bytes(&vector["stored"]), "{}", vector["name"]);
        assert_eq!(made.key_version(), KeyVersion::new(version));
        assert_eq!(with.unwrap(&made).unwrap().as_slice(), bytes(&vector["inner"]));
        domains.insert(domain);
    }
    assert_eq!(domains.len(), PseudonymDomain::ALL.len(), "a vector for every domain");
}

#[test]
fn typed_inputs_equal_the_vectors_too() {
    let file: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let with = vector_pseudonymiser(counting(), 1);
    let (centres, health) = (partner("centres"), partner("health"));
    let raw = |text: &str| RawIdentifier::new(text.to_owned());
    let nhs = raw("9990000018").pseudonymise(IdentifierKind::Nhs, &with);
    let birth = BirthDate::new(date(2024, 2, 29));
    let record = IdentifierKind::Record { partner: &health, record_type: "live_birth" };
    let made = [
        ("an NHS number", nhs),
        ("a record id", raw("r-1").pseudonymise(record, &with)),
        (
            "a local id of one partner",
            raw("F-0042").pseudonymise(IdentifierKind::Local { partner: &centres }, &with),
        ),
        (
            "NHS number (below its wrapping) and date of birth",
            with.begin(PseudonymDomain::MatchNhsBirth, 1)
                .pseudonym(Some(&nhs))
                .unwrap()
                .birth(Some(&birth))
                .finish(),
        ),
    ];
    for (name, pseudonym) in made {
        let vectors = file["vectors"].as_array().unwrap();
        let vector = vectors.iter().find(|v| v["name"] == name).unwrap();
        assert_eq!(hex::encode(pseudonym.as_bytes()), vector["stored"], "{name}");
    }
}

#[test]
fn domains_scopes_and_keys_separate() {
    let with = vector_pseudonymiser(counting(), 1);
    let other = vector_pseudonymiser([7; 32], 1);
    let (a, b) = (partner("a"), partner("b"));
    let make = |kind| RawIdentifier::new("9990000018".to_owned()).pseudonymise(kind, &with);
    let kinds = [
        IdentifierKind::Nhs,
        IdentifierKind::Uln,
        IdentifierKind::Upn,
        IdentifierKind::Nino,
        IdentifierKind::Provider,
        IdentifierKind::Local { partner: &a },
        IdentifierKind::Local { partner: &b },
        IdentifierKind::Consent { partner: &a },
        IdentifierKind::Case { partner: &a },
        IdentifierKind::User { partner: &a },
        IdentifierKind::Record { partner: &a, record_type: "x" },
        IdentifierKind::Record { partner: &a, record_type: "y" },
    ];
    let distinct: std::collections::BTreeSet<_> = kinds.iter().map(|k| make(*k)).collect();
    assert_eq!(distinct.len(), kinds.len());
    assert_eq!(make(IdentifierKind::Nhs), make(IdentifierKind::Nhs));
    let elsewhere =
        RawIdentifier::new("9990000018".to_owned()).pseudonymise(IdentifierKind::Nhs, &other);
    assert_ne!(elsewhere.as_bytes(), make(IdentifierKind::Nhs).as_bytes());
}

#[test]
fn fields_cannot_be_shifted_into_one_another() {
    let with = vector_pseudonymiser(counting(), 1);
    let over = |fields: &[&[u8]]| {
        let input = with.begin(PseudonymDomain::MatchNamesBirthSexPostcode, 1);
        fields.iter().fold(input, |i, field| i.bytes(field)).finish()
    };
    let cases: [&[&[u8]]; 7] = [
        &[b"ab", b"c"],
        &[b"a", b"bc"],
        &[b"abc"],
        &[b"abc", b""],
        &[b"", b"abc"],
        &[b"ab", b"c", b""],
        &[b"ab\0\0\0\x01c"],
    ];
    let distinct: std::collections::BTreeSet<_> = cases.iter().map(|c| over(c)).collect();
    assert_eq!(distinct.len(), cases.len());
    let rules = |rules| with.begin(PseudonymDomain::Subject, rules).bytes(b"a").finish();
    assert_ne!(rules(1), rules(2));
}

#[test]
fn rotation_needs_no_identifier_and_keeps_match_keys() {
    let mut rng = StdRng::seed_from_u64(8);
    let mut keys = MasterKeys::generate(&mut rng);
    let before = Pseudonymiser::new(&keys).unwrap();
    let make = |with: &Pseudonymiser| {
        RawIdentifier::new("9990000018".to_owned()).pseudonymise(IdentifierKind::Nhs, with)
    };
    let old = make(&before);
    let version = keys.add_version(&mut rng).unwrap();
    let during = Pseudonymiser::new(&keys).unwrap();
    let new = make(&during);
    assert_ne!(old.as_bytes(), new.as_bytes());
    assert_eq!(during.rewrap(&old, version).unwrap(), new);
    let not_yet = make(&Pseudonymiser::under(&keys, KeyVersion::FIRST).unwrap());
    assert_eq!(not_yet, old, "held, and not yet written under");
    assert_eq!(during.rewrap(&new, KeyVersion::FIRST).unwrap(), old, "to look up the old form");
    let key = |nhs: &Pseudonym| {
        let input = during.begin(PseudonymDomain::MatchNhsBirth, 1);
        input.pseudonym(Some(nhs)).unwrap().finish()
    };
    assert_eq!(key(&old), key(&new));
    keys.destroy_version(KeyVersion::FIRST).unwrap();
    let after = Pseudonymiser::new(&keys).unwrap();
    assert_eq!(make(&after), new);
    let lost = after.rewrap(&old, version).err().unwrap().to_string();
    assert_eq!(lost, "no wrapping key v1 for nhs pseudonyms");
}

#[test]
fn a_blinded_deployment_rotates_as_any_and_keeps_its_domains_apart() {
    let keys = |prf| MasterKeys::generate_for(prf, &mut StdRng::seed_from_u64(3));
    let health: PartnerId = "health".parse().unwrap();
    let kinds = [
        IdentifierKind::Nhs,
        IdentifierKind::Uln,
        IdentifierKind::Record { partner: &health, record_type: "live_birth" },
    ];
    let make = |kind, with: &Pseudonymiser| {
        RawIdentifier::new("9990000018".to_owned()).pseudonymise(kind, with)
    };
    let mut oprf = keys(Prf::Oprf);
    let first = Pseudonymiser::new(&oprf).unwrap();
    oprf.add_version(&mut StdRng::seed_from_u64(4)).unwrap();
    let second = Pseudonymiser::new(&oprf).unwrap();
    let mut inner = Vec::new();
    for kind in kinds {
        let (old, new) = (make(kind, &first), make(kind, &second));
        assert_ne!(old.as_bytes(), new.as_bytes());
        assert_eq!(second.rewrap(&old, new.key_version()).unwrap(), new);
        inner.push(*first.unwrap(&old).unwrap());
    }
    inner.sort_unstable();
    inner.dedup();
    assert_eq!(inner.len(), kinds.len(), "one value is another in each domain");
    // What never comes blinded is hashed, whatever the PRF is; the rest is not.
    let hashing = Pseudonymiser::new(&keys(Prf::Hmac)).unwrap();
    let user = IdentifierKind::User { partner: &health };
    assert_eq!(make(user, &first), make(user, &hashing));
    assert_ne!(make(kinds[0], &first), make(kinds[0], &hashing));
}
