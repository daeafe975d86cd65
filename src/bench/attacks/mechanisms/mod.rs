//! What is used elsewhere to protect counts, and how an attacker reads it.
//!
//! Insecure by design of the experiment: nothing outside `bench` may name it.

pub(super) mod cell_keys;
pub(super) mod hes;
pub(super) mod ons;
pub(super) mod threshold;

use super::cells::{Dice, Question, Set};

/// What is published in place of a count; `None` is withheld.
pub(super) type Shown = Option<i64>;

/// A rule that publishes each count by itself.
pub(super) trait Mechanism: Sync {
    /// Its name in the rows.
    fn name(&self) -> &'static str;

    /// The noise that a set of this key gets; none where the rule has no chance in it.
    fn noise(&self, _key: u64) -> i64 {
        0
    }

    /// How probable each noise is to somebody who does not know the keys.
    fn noises(&self) -> &[(i64, f64)] {
        &[(0, 1.0)]
    }

    /// What is published of a count with this noise.
    fn display(&self, count: i64, noise: i64) -> Shown;

    /// The counts that may stand behind what is shown, where the rule has no chance in it.
    fn behind(&self, _shown: Shown) -> Option<(i64, i64)> {
        None
    }

    /// What is published of a set.
    fn show(&self, set: Set) -> Shown {
        self.display(i64::from(set.count), self.noise(set.key))
    }
}

/// The four kinds of rule in use, cell keys at both strengths of the design's table.
pub(super) fn in_use() -> Vec<Box<dyn Mechanism>> {
    vec![
        Box::new(threshold::Threshold),
        Box::new(hes::Hes),
        Box::new(ons::TenFive),
        Box::new(cell_keys::CellKeys::new("cell_keys_1", 1, 1)),
        Box::new(cell_keys::CellKeys::new("cell_keys_9_5", 9, 5)),
    ]
}

/// Publishes the answers to all questions and says whether the attacker finds the change
/// in them. Knowing all sets, it takes what is more likely; at even odds it tosses a coin.
pub(super) fn guess(
    mechanism: &dyn Mechanism,
    questions: &[Question],
    truth: bool,
    dice: &mut Dice,
) -> bool {
    let asked = |question: &Question| mechanism.show(question[usize::from(truth)]);
    let shown: Vec<Shown> = questions.iter().map(asked).collect();
    let [without, with] = [0, 1].map(|side| likelihood(mechanism, questions, &shown, side));
    if with > without { true } else { with == without && dice.coin() }
}

/// How probable what is shown is if these sets were counted, as a logarithm. Equal sets have
/// one noise for ever, which has to fit all that is shown of them.
fn likelihood(
    mechanism: &dyn Mechanism,
    questions: &[Question],
    shown: &[Shown],
    side: usize,
) -> f64 {
    let mut done: Vec<Set> = Vec::with_capacity(questions.len());
    let mut total = 0.0;
    for (question, seen) in questions.iter().zip(shown) {
        let set = question[side];
        if done.contains(&set) {
            continue;
        }
        done.push(set);
        // One set, one answer: another could not be shown beside it.
        let again = questions.iter().zip(shown).filter(|(other, _)| other[side] == set);
        if again.clone().any(|(_, other)| other != seen) {
            return f64::NEG_INFINITY;
        }
        let count = i64::from(set.count);
        let fits = |noise: i64| mechanism.display(count, noise) == *seen;
        let noises = mechanism.noises().iter();
        total += noises.filter(|(noise, _)| fits(*noise)).map(|(_, p)| p).sum::<f64>().ln();
    }
    total
}

/// How far apart what is shown of two counts is, from 0 (never told apart) to 1.
pub(super) fn distance(mechanism: &dyn Mechanism, counts: [i64; 2]) -> f64 {
    let mut shown: Vec<(Shown, f64)> = Vec::new();
    for (count, sign) in counts.into_iter().zip([-1.0, 1.0]) {
        for (noise, p) in mechanism.noises() {
            let seen = mechanism.display(count, *noise);
            match shown.iter_mut().find(|(known, _)| *known == seen) {
                Some((_, total)) => *total += sign * p,
                None => shown.push((seen, sign * p)),
            }
        }
    }
    shown.iter().map(|(_, difference)| difference.abs()).sum::<f64>() / 2.0
}

/// A count to the nearest multiple of 5; half-way cases do not occur with whole numbers.
const fn to_five(count: i64) -> i64 {
    (count + 2).div_euclid(5) * 5
}
