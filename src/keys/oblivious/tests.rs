//! The RFC's own vectors, and what must be refused.

use super::*;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

/// A scalar as 64 bytes to be reduced, which is how the library draws one.
fn drawn(mut scalar: Vec<u8>) -> Vec<u8> {
    scalar.resize(64, 0);
    scalar
}

/// Gives the bytes that a vector names, in place of chance.
struct Fixed(Vec<u8>);

impl rand_core06::RngCore for Fixed {
    fn next_u32(&mut self) -> u32 {
        unreachable!("the library draws bytes")
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("the library draws bytes")
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.drain(..bytes.len()).collect::<Vec<_>>());
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core06::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core06::CryptoRng for Fixed {}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// A batch's values: they are joined by commas.
fn several(value: &Value) -> Vec<Vec<u8>> {
    value.as_str().unwrap().split(',').map(|part| hex::decode(part).unwrap()).collect()
}

#[test]
fn the_vectors_of_rfc_9497_pass() {
    let text = include_str!("../../../tests/vectors/rfc9497.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let suites = file["vectors"].as_array().unwrap();
    let suite = suites.iter().find(|suite| suite["mode"] == 1).unwrap();
    let server = VoprfServer::<Ristretto255>::new_from_seed(
        &bytes(&suite["seed"]),
        &bytes(&suite["keyInfo"]),
    )
    .unwrap();
    assert_eq!(server.serialize()[..32], bytes(&suite["skSm"]));
    let key = OprfKey(server);
    let public = key.public_key();
    assert_eq!(public.as_bytes().to_vec(), bytes(&suite["pkSm"]));
    let mut seen = 0;
    for vector in suite["vectors"].as_array().unwrap() {
        let inputs = several(&vector["Input"]);
        let mut draw = Fixed(several(&vector["Blind"]).into_iter().flat_map(drawn).collect());
        let (mut blinds, mut elements) = (Vec::new(), Vec::new());
        for input in &inputs {
            let blinded = VoprfClient::<Ristretto255>::blind(input, &mut draw).unwrap();
            elements.push(blinded.message.serialize().into());
            blinds.push(blinded.state);
        }
        let wanted: Vec<Vec<u8>> = elements.iter().map(|e: &[u8; 32]| e.to_vec()).collect();
        assert_eq!(wanted, several(&vector["BlindedElement"]));
        let read = BlindedElements::read(&elements).unwrap();
        let mut draw = Fixed(drawn(bytes(&vector["Proof"]["r"])));
        let answer = key.0.batch_blind_evaluate(&mut draw, &read.0).unwrap();
        let evaluated: Vec<Vec<u8>> =
            answer.messages.iter().map(|element| element.serialize().to_vec()).collect();
        assert_eq!(evaluated, several(&vector["EvaluationElement"]));
        let proof = answer.proof.serialize().to_vec();
        assert_eq!(proof, bytes(&vector["Proof"]["proof"]));
        // Our own half takes the blinds away and cuts to 256 bits, blinded as in clear.
        let inputs: Vec<_> = inputs.into_iter().map(Zeroizing::new).collect();
        let batch = BlindedBatch { bounded: inputs.clone(), inputs, blinds, elements };
        let outputs = several(&vector["Output"]);
        for ((input, inner), output) in
            batch.finish(&evaluated, &proof, &public).unwrap().iter().zip(outputs)
        {
            assert_eq!(inner[..], output[..32]);
            assert_eq!(*key.evaluate(input), *inner);
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

fn key(seed: u64) -> OprfKey {
    let mut rng = StdRng::seed_from_u64(seed);
    OprfKey::derive(&SecretKey::generate(&mut rng)).unwrap()
}

fn batch(inputs: &[&str]) -> BlindedBatch {
    let inputs = inputs.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec())).collect();
    BlindedBatch::new(inputs, &mut StdRng::seed_from_u64(7)).unwrap()
}

fn answer(key: &OprfKey, batch: &BlindedBatch) -> EvaluatedBatch {
    let read = BlindedElements::read(batch.elements()).unwrap();
    key.evaluate_blinded(&read, &mut StdRng::seed_from_u64(8)).unwrap()
}

#[test]
fn an_answer_of_another_key_and_an_altered_one_are_refused() {
    let (ours, other) = (key(1), key(2));
    let made = || batch(&["one", "two"]);
    let good = answer(&ours, &made());
    let known = made().finish(&good.elements, &good.proof, &ours.public_key()).unwrap();
    assert_eq!(known[1].1, *ours.evaluate(b"two"));
    let refused = |evaluated: &[Vec<u8>], proof: &[u8], key: &OprfKey| {
        made().finish(evaluated, proof, &key.public_key()).unwrap_err()
    };
    let elements: Vec<Vec<u8>> = good.elements.iter().map(|e| e.to_vec()).collect();
    // Another key altogether, for all of the batch or for one of it.
    let theirs = answer(&other, &made());
    assert!(matches!(refused(&elements, &good.proof, &other), KeyError::OtherPrfKey));
    let mixed = vec![elements[0].clone(), theirs.elements[1].to_vec()];
    assert!(matches!(refused(&mixed, &good.proof, &ours), KeyError::OtherPrfKey));
    let swapped = vec![elements[1].clone(), elements[0].clone()];
    assert!(matches!(refused(&swapped, &good.proof, &ours), KeyError::OtherPrfKey));
    // Proofs that are none.
    let mut altered = good.proof;
    altered[3] ^= 1;
    for proof in [&altered[..], &good.proof[..63], &[], &[0; 64], &[255; 64]] {
        let error = refused(&elements, proof, &ours);
        assert!(matches!(error, KeyError::OtherPrfKey), "{error}");
        assert!(error.to_string().contains("another key"), "{error}");
    }
    assert!(matches!(refused(&elements[..1], &good.proof, &ours), KeyError::ElementBatch));
    let identity = vec![elements[0].clone(), vec![0; 32]];
    let error = refused(&identity, &good.proof, &ours);
    assert!(matches!(error, KeyError::InvalidElement { position: 2 }), "{error}");
}

#[test]
fn elements_that_are_no_points_are_refused_by_place() {
    let good = batch(&["one"]).elements()[0].to_vec();
    // The order of the field less 18: the encoding of one that is not canonical; a negative one.
    let mut not_canonical = vec![0xff; 32];
    (not_canonical[0], not_canonical[31]) = (0xee, 0x7f);
    let bad = [
        Vec::new(),
        vec![1; 31],
        vec![1; 33],
        // The identity.
        vec![0; 32],
        not_canonical,
        vec![0xff; 32],
        vec![1; 32],
    ];
    for element in bad {
        let error = BlindedElements::read(&[good.clone(), element.clone()]).unwrap_err();
        assert!(matches!(error, KeyError::InvalidElement { position: 2 }), "{element:?} {error}");
    }
    let none: [Vec<u8>; 0] = [];
    assert!(matches!(BlindedElements::read(&none), Err(KeyError::ElementBatch)));
    let many = vec![good; MOST_ELEMENTS + 1];
    assert!(matches!(BlindedElements::read(&many), Err(KeyError::ElementBatch)));
    assert_eq!(BlindedElements::read(&many[1..]).unwrap().count(), MOST_ELEMENTS);
}

#[test]
fn a_public_key_is_read_back_and_nothing_else_is() {
    let public = key(3).public_key();
    assert_eq!(public.to_string().parse::<PrfPublicKey>().unwrap(), public);
    let zeros = "00".repeat(32);
    for text in ["", "abc", &zeros, &"ff".repeat(32), &public.to_string()[2..]] {
        assert!(matches!(text.parse::<PrfPublicKey>(), Err(KeyError::InvalidPrfKey)), "{text}");
    }
}

#[test]
fn blinds_differ_each_time_and_long_inputs_keep_apart() {
    let mut rng = StdRng::seed_from_u64(5);
    let mut make =
        |length: usize| BlindedBatch::new(vec![Zeroizing::new(vec![7; length])], &mut rng).unwrap();
    assert_ne!(make(10).elements(), make(10).elements());
    let key = key(4);
    let long: Vec<_> = [LONGEST_INPUT, LONGEST_INPUT + 1, 70_000, 70_001]
        .map(|length| *key.evaluate(&vec![7; length]))
        .to_vec();
    for (at, one) in long.iter().enumerate() {
        assert!(!long[at + 1..].contains(one));
    }
    let blinded = make(70_000);
    let evaluated = answer(&key, &blinded);
    let done = blinded.finish(&evaluated.elements, &evaluated.proof, &key.public_key()).unwrap();
    assert_eq!(done[0].1, long[2]);
}
