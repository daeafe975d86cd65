//! Whose cosignatures make the quorum, for how long, and what takes them back.

use super::*;
use crate::{
    gateway::{Answering, AskWitness, NoAnswer, Now, Witness},
    keys::SigningKey,
    protocol::{
        Digest as DocumentDigest,
        root_policy::{RhoLimit, WitnessPolicy},
        template::{RootParticulars, root_policy},
    },
    store::cosignatures::Kept,
    witness::WitnessSigner,
};
use rand::{SeedableRng, rngs::StdRng};
use std::sync::Arc;

struct Nobody;

impl AskWitness for Nobody {
    fn ask(&self, _: usize, _: String) -> Answering<'_> {
        Box::pin(async { Err(NoAnswer) })
    }
}

const START: i64 = 1_790_000_000_000_000;
const MINUTE: i64 = 60_000_000;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

/// The oversight body and three partners.
fn witnesses() -> Witnesses {
    let witness = |number: u8| {
        let key = SigningKey::generate(&mut StdRng::seed_from_u64(number.into())).unwrap();
        let signer = WitnessSigner::new(&format!("w{number}.example"), key).unwrap();
        Witness { key: signer.vkey().parse().unwrap(), oversight: number == 0 }
    };
    let allowed = Duration::from_secs(900);
    let now: Now = Arc::new(|| at(START));
    Witnesses::new((0..4).map(witness).collect(), Box::new(Nobody), allowed, now)
}

fn cosign(witnesses: &Witnesses, number: usize, received_at: i64) {
    let witness = witnesses.witnesses[number].key.to_string();
    let (size, root, line) = (5, Hash::new([1; 32]), String::new());
    let cosigned_at = u64::try_from(received_at / 1_000_000).unwrap();
    witnesses.take(vec![(number, Kept { witness, size, root, cosigned_at, received_at, line })]);
}

/// A root policy that names each of the four: w0 as the oversight body's, w1, w2 and w3 as
/// the partners' of these names.
fn policy_of(wanted: WitnessPolicy, owners: [&str; 4]) -> RootPolicy {
    let named = witnesses().witnesses.into_iter().zip(owners).map(|(witness, owner)| {
        let (vkey, partner) = (witness.key.vkey(), owner.parse().unwrap());
        NamedWitness { vkey, partner, oversight: witness.oversight }
    });
    let policy = root_policy(RootParticulars {
        controllers: Vec::new(),
        catalogue: DocumentDigest::of(b"catalogue"),
        tables: Vec::new(),
        quarterly_rho: RhoLimit::from_nano(1),
        lifetime_rho: RhoLimit::from_nano(1),
        witnessing_partners: 0,
        witness_keys: named.collect(),
        effective: jiff::civil::date(2026, 1, 1),
        expires: jiff::civil::date(2027, 1, 1),
    });
    RootPolicy { witnesses: wanted, ..policy }
}

fn policy(oversight: bool, minimum_partners: u16, grace_seconds: u32) -> RootPolicy {
    let wanted = WitnessPolicy { oversight, minimum_partners, grace_seconds };
    policy_of(wanted, ["oversight", "one", "two", "three"])
}

#[track_caller]
fn expect(witnesses: &Witnesses, policy: &RootPolicy, now: i64, expected: Quorum) {
    let known = witnesses.known();
    assert_eq!(witnesses.quorum_of(Some(policy), &known, at(now)), expected);
}

#[test]
fn the_oversight_body_and_k_of_n_partners() {
    let witnesses = witnesses();
    let (both, partners) = (policy(true, 2, 900), policy(false, 2, 900));
    expect(&witnesses, &policy(false, 0, 900), START, Quorum::NotNeeded);
    expect(&witnesses, &both, START, Quorum::Missing);
    cosign(&witnesses, 0, START);
    expect(&witnesses, &policy(true, 0, 900), START, Quorum::Held);
    expect(&witnesses, &both, START, Quorum::Missing);
    cosign(&witnesses, 1, START + MINUTE);
    expect(&witnesses, &partners, START + MINUTE, Quorum::Missing);
    cosign(&witnesses, 3, START + 2 * MINUTE);
    expect(&witnesses, &both, START + 2 * MINUTE, Quorum::Held);
    // The third partner can't stand in for the oversight body, nor that for a partner.
    expect(&witnesses, &policy(true, 3, 900), START + 2 * MINUTE, Quorum::Missing);
}

#[test]
fn whose_a_witness_is_the_policy_says_and_not_the_configuration() {
    let mut witnesses = witnesses();
    for number in 0..4 {
        cosign(&witnesses, number, START);
    }
    let wanted = WitnessPolicy { oversight: true, minimum_partners: 3, grace_seconds: 900 };
    let named = policy_of(wanted, ["oversight", "one", "two", "three"]);
    expect(&witnesses, &named, START, Quorum::Held);
    let of_four = witnesses.counted(&named, at(START));
    assert_ne!(of_four, witnesses.counted(&named, at(START + 16 * MINUTE)), "whose, is told");
    // One partner with three keys is one voice.
    let alone = policy_of(wanted, ["oversight", "one", "one", "one"]);
    expect(&witnesses, &alone, START, Quorum::Missing);
    let one = WitnessPolicy { minimum_partners: 1, ..wanted };
    expect(&witnesses, &policy_of(one, ["oversight", "one", "one", "one"]), START, Quorum::Held);
    // A policy that wants witnesses and names none has none.
    let nobody = RootPolicy { witness_keys: Vec::new(), ..named.clone() };
    expect(&witnesses, &nobody, START, Quorum::Missing);
    // Nor does it help the operator to call a partner's witness the oversight body's.
    let mut other = named.clone();
    other.witness_keys[0].vkey = "stranger.example+00000000+B".to_owned();
    expect(&witnesses, &other, START, Quorum::Missing);
    witnesses.witnesses[1].oversight = true;
    expect(&witnesses, &other, START, Quorum::Missing);
    expect(&witnesses, &named, START, Quorum::Missing);
}

#[test]
fn a_quorum_lasts_as_long_as_both_policy_and_configuration_allow() {
    let witnesses = witnesses();
    cosign(&witnesses, 0, START);
    for (grace, minutes) in [(900, 15), (60, 1), (0, 0), (86_400, 15)] {
        let policy = policy(true, 0, grace);
        expect(&witnesses, &policy, START + minutes * MINUTE, Quorum::Held);
        expect(&witnesses, &policy, START + minutes * MINUTE + 1, Quorum::Missing);
    }
    // It lasts from the oldest cosignature that it can't do without.
    cosign(&witnesses, 1, START + 10 * MINUTE);
    cosign(&witnesses, 2, START + 12 * MINUTE);
    expect(&witnesses, &policy(false, 1, 900), START + 27 * MINUTE, Quorum::Held);
    expect(&witnesses, &policy(false, 2, 900), START + 26 * MINUTE, Quorum::Missing);
}

#[test]
fn what_came_in_before_this_process_does_not_count() {
    let witnesses = witnesses();
    cosign(&witnesses, 0, START - 1);
    expect(&witnesses, &policy(true, 0, 900), START, Quorum::Missing);
    assert_eq!(witnesses.known().each[0].seen, 5, "but it tells where to go on");
    let none = Witnesses::none();
    expect(&none, &policy(true, 0, 900), START, Quorum::Missing);
}

#[test]
fn a_cosignature_is_no_younger_than_its_witness_says() {
    let witnesses = witnesses();
    let witness = witnesses.witnesses[0].key.to_string();
    let (size, root, line) = (5, Hash::new([1; 32]), String::new());
    let cosigned_at = u64::try_from(START / 1_000_000).unwrap();
    // The row was written anew, a day later.
    let received_at = START + 24 * 60 * MINUTE;
    witnesses.take(vec![(0, Kept { witness, size, root, cosigned_at, received_at, line })]);
    expect(&witnesses, &policy(true, 0, 900), START + 20 * MINUTE, Quorum::Held);
    expect(&witnesses, &policy(true, 0, 900), START + 21 * MINUTE, Quorum::Missing);
}

#[test]
fn a_contradiction_takes_the_voice_until_a_later_cosignature() {
    let witnesses = witnesses();
    let policy = policy(true, 0, 900);
    cosign(&witnesses, 0, START);
    expect(&witnesses, &policy, START, Quorum::Held);
    witnesses.contradict(0);
    assert!(witnesses.contradicted());
    expect(&witnesses, &policy, START, Quorum::Missing);
    assert_eq!(witnesses.untold().len(), 1);
    // The row from before is looked at again at each tick.
    for _ in 0..3 {
        cosign(&witnesses, 0, START);
        assert!(witnesses.contradicted() && witnesses.untold().is_empty());
    }
    cosign(&witnesses, 0, START + 1);
    expect(&witnesses, &policy, START + 1, Quorum::Held);
    assert!(!witnesses.contradicted() && witnesses.untold().is_empty());
    // An operator who set it aside goes on; its voice is gone all the same.
    witnesses.known().each[0].overridden = true;
    witnesses.contradict(0);
    assert!(!witnesses.contradicted());
    assert_eq!(witnesses.untold().len(), 1);
}
