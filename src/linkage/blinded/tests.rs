use super::*;
use crate::{
    keys::{
        IdentifierKind, MasterKeys, Prf, Unblinded,
        oblivious::{BlindedBatch, BlindedElements},
    },
    linkage::{Sender, Sex, postcode_pseudonym},
};
use jiff::civil::date;
use rand::{SeedableRng, rngs::StdRng};

fn gateway() -> Pseudonymiser {
    let keys = MasterKeys::generate_for(Prf::Oprf, &mut StdRng::seed_from_u64(21));
    Pseudonymiser::new(&keys).unwrap()
}

/// A connector that asks `gateway` until it knows everything; tells how many values it asked for.
fn connector<T>(gateway: &Pseudonymiser, make: impl Fn(&Pseudonymiser) -> T) -> (T, usize) {
    let with = Pseudonymiser::unblinding(Unblinded::default());
    let (oprf, mut rng) = (gateway.oprf().unwrap(), StdRng::seed_from_u64(22));
    let mut asked = 0;
    loop {
        let made = make(&with);
        let wanted = with.unblinded().unwrap().take_wanted();
        if wanted.is_empty() {
            return (made, asked);
        }
        asked += wanted.len();
        let batch = BlindedBatch::new(wanted, &mut rng).unwrap();
        let read = BlindedElements::read(batch.elements()).unwrap();
        let answer = oprf.evaluate_blinded(&read, &mut rng).unwrap();
        let known = batch.finish(&answer.elements, &answer.proof, &oprf.public_key()).unwrap();
        with.unblinded().unwrap().learn(known);
    }
}

fn identity(which: u8) -> RawIdentity {
    let text = |text: &str| Some(RawText::new(text.to_owned()));
    let raw = |text: &str| Some(RawIdentifier::new(text.to_owned()));
    let whole = RawIdentity {
        nhs_number: raw("9990000018"),
        surname: text("Oyelaran-Smith"),
        forename: text("Zoë"),
        birth: Some(BirthDate::new(date(2024, 2, 28))),
        sex: Some(Sex::Female),
        postcode: text("CV1 1AH"),
        ..RawIdentity::default()
    };
    match which {
        0 => whole,
        // Nothing to link by: a partner's own.
        1 => RawIdentity { local_id: raw("C-77"), ..RawIdentity::default() },
        // Nothing to recognise by: the record's own.
        _ => RawIdentity { birth: Some(BirthDate::new(date(2024, 2, 28))), ..Default::default() },
    }
}

fn record(id: &str, partner: &PartnerId, with: &Pseudonymiser) -> Pseudonym {
    let kind = IdentifierKind::Record { partner, record_type: "live_birth" };
    RawIdentifier::new(id.to_owned()).pseudonymise(kind, with)
}

fn keyed(which: u8, partner: &PartnerId, with: &Pseudonymiser) -> KeyedIdentity {
    let record = record("R-1", partner, with);
    identity(which).pseudonymise(Sender { partner, record: &record, position: 0 }, with).unwrap()
}

#[test]
fn blinded_and_in_clear_are_one_person() {
    let gateway = gateway();
    let [health, centres]: [PartnerId; 2] = ["health", "centres"].map(|id| id.parse().unwrap());
    for which in 0..3 {
        let clear = keyed(which, &health, &gateway);
        let (sent, asked) =
            connector(&gateway, |with| BlindedIdentity::of(&keyed(which, &health, with)));
        assert!(asked >= 2, "{which}: {asked}");
        assert!(sent.agrees_with(identity(which).sex.unwrap_or(Sex::NotKnown)), "{which}");
        let taken = sent.keyed(facts(which), &health, &gateway).unwrap();
        assert_eq!(taken.fingerprint, clear.fingerprint, "{which}");
        assert_eq!((taken.nhs, taken.local_id), (clear.nhs, clear.local_id));
        assert_eq!(taken.match_keys, clear.match_keys);
        assert_eq!(taken.lookups, clear.lookups);
        assert!(taken.comparison == clear.comparison);
        // Of another partner: the same person exactly where a rung of the ladder says so.
        let (theirs, _) =
            connector(&gateway, |with| BlindedIdentity::of(&keyed(which, &centres, with)));
        let theirs = theirs.keyed(facts(which), &centres, &gateway).unwrap();
        assert_eq!(theirs.fingerprint == clear.fingerprint, which == 0, "{which}");
        assert_eq!(theirs.match_keys, clear.match_keys);
    }
    let postcode = |with: &Pseudonymiser| {
        *postcode_pseudonym(RawText::new("cv1 1ah".to_owned()), with).unwrap().as_bytes()
    };
    let (sent, asked) = connector(&gateway, postcode);
    let domain = PseudonymDomain::Postcode;
    let taken = gateway.of_blinded(domain, sent, None).unwrap();
    assert_eq!((asked, *taken.as_bytes()), (1, postcode(&gateway)));
}

/// What a row shows of an identity.
fn facts(which: u8) -> Facts {
    let RawIdentity { birth, sex, .. } = identity(which);
    Facts { birth, sex: sex.unwrap_or(Sex::NotKnown) }
}

#[test]
fn anothers_fingerprint_with_other_values_is_another_identity() {
    let gateway = gateway();
    let [health, centres]: [PartnerId; 2] = ["health", "centres"].map(|id| id.parse().unwrap());
    let own = keyed(0, &health, &gateway);
    let (honest, _) = connector(&gateway, |with| BlindedIdentity::of(&keyed(0, &centres, with)));
    let stored =
        |sent: &BlindedIdentity, facts| sent.keyed(facts, &centres, &gateway).unwrap().fingerprint;
    assert_eq!(stored(&honest, facts(0)), own.fingerprint);
    // Whoever knows somebody's words has their fingerprint evaluated, sends it first, and says of it
    // what would have the honest records follow: none of that reaches what the honest one is known by.
    let spoil: [fn(&mut BlindedIdentity); 5] = [
        |sent| sent.match_keys.truncate(1),
        |sent| sent.match_keys[1].1 = [9; 16],
        |sent| sent.lookups.clear(),
        |sent| sent.nhs = Some([9; 16]),
        |sent| sent.comparison.put(super::super::comparison::Slot::Postcode, 7),
    ];
    for (case, spoil) in spoil.into_iter().enumerate() {
        let mut sent = honest.clone();
        spoil(&mut sent);
        assert_ne!(stored(&sent, facts(0)), own.fingerprint, "{case}");
    }
    let born = |day| Some(BirthDate::new(date(2024, 2, day)));
    assert_ne!(stored(&honest, Facts { birth: born(27), sex: Sex::Female }), own.fingerprint);
    assert_ne!(stored(&honest, Facts { birth: born(28), sex: Sex::Male }), own.fingerprint);
    // The order in which its keys come says nothing.
    let mut turned = honest.clone();
    turned.match_keys.reverse();
    turned.lookups.reverse();
    assert_eq!(stored(&turned, facts(0)), own.fingerprint);
}

#[test]
fn what_no_record_of_the_gateway_has_agrees_with_none() {
    use super::super::comparison::Slot;
    let (gateway, health) = (gateway(), "health".parse().unwrap());
    let (honest, _) = connector(&gateway, |with| BlindedIdentity::of(&keyed(0, &health, with)));
    assert!(honest.agrees_with(Sex::Female) && !honest.agrees_with(Sex::Male));
    let spoil: [fn(&mut BlindedIdentity); 5] = [
        |sent| sent.nhs = None,
        |sent| sent.comparison.near.push(3),
        |sent| sent.comparison.put(Slot::Number, 3),
        |sent| sent.comparison.put(Slot::House, 3),
        |sent| sent.comparison.put(Slot::LocalityLetters, 3),
    ];
    for (case, spoil) in spoil.into_iter().enumerate() {
        let mut sent = honest.clone();
        spoil(&mut sent);
        assert!(!sent.agrees_with(Sex::Female), "{case}");
    }
}

#[test]
fn nobody_reaches_anothers_records_by_evaluating_its_words() {
    let gateway = gateway();
    let [health, centres]: [PartnerId; 2] = ["health", "centres"].map(|id| id.parse().unwrap());
    // The centres evaluate what stands for a record of health's, and send it as their own.
    let (stolen, _) = connector(&gateway, |with| *record("R-1", &health, with).as_bytes());
    let domain = PseudonymDomain::Record;
    let theirs = gateway.of_blinded(domain, stolen, Some(&centres)).unwrap();
    let own = gateway.of_blinded(domain, stolen, Some(&health)).unwrap();
    assert_eq!(own, record("R-1", &health, &gateway));
    assert_ne!(theirs, own);
    // So it is with a subject that nothing but health's own id tells.
    let (stolen, _) = connector(&gateway, |with| BlindedIdentity::of(&keyed(1, &health, with)));
    let theirs = stolen.keyed(facts(1), &centres, &gateway).unwrap();
    let own = keyed(1, &health, &gateway);
    assert_ne!(theirs.fingerprint, own.fingerprint);
    assert_ne!(theirs.local_id, own.local_id);
}

#[test]
fn equal_values_are_asked_for_once_and_a_keyed_hash_takes_none() {
    let gateway = gateway();
    let health: PartnerId = "health".parse().unwrap();
    let (_, one) = connector(&gateway, |with| keyed(0, &health, with));
    let (_, same) = connector(&gateway, |with| {
        [keyed(0, &health, with), keyed(0, &health, with)].map(|k| k.fingerprint)
    });
    assert_eq!(one, same);
    let hashing = MasterKeys::generate(&mut StdRng::seed_from_u64(21));
    let hashing = Pseudonymiser::new(&hashing).unwrap();
    let refused = hashing.of_blinded(PseudonymDomain::Nhs, [7; 16], None);
    assert!(matches!(refused, Err(KeyError::NotBlinded)));
    assert!(hashing.oprf().is_none());
}
