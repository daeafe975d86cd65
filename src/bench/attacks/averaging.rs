//! Attack 5: Averaging: the same total, asked as the sum of each two-partition of its parts. Each part
//! of a partition has a key, and so a noise, of its own.

use super::{
    Attack,
    cells::{Dice, Question, Set},
    mechanisms::{Mechanism, guess},
    tallygate::{Crowd, Life, Ours, State, View},
};

/// Parts: 30 questions.
const PARTS: u32 = 5;

pub(super) const ATTACK: Attack = Attack {
    number: 5,
    name: "averaging two-partitions",
    in_use,
    ours: Ours::Life(Life {
        quarters: &[[State::Absent, State::Registered]],
        crowd: Crowd::Few,
        redrawn: None,
        view: View::Release,
    }),
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    guess(mechanism, &questions(PARTS, dice), truth, dice)
}

/// Every proper subset of so many parts; the child is, if at all, in the first.
fn questions(parts: u32, dice: &mut Dice) -> Vec<Question> {
    let (sets, child): (Vec<Set>, Set) =
        ((0..parts).map(|_| dice.crowd()).collect(), dice.target());
    let subset = |chosen: u32| {
        let members = (0..parts).zip(&sets).filter(|(part, _)| chosen >> part & 1 == 1);
        let without = members.fold(Set::default(), |all, (_, set)| all.with(*set));
        if chosen & 1 == 1 { [without, without.with(child)] } else { [without, without] }
    };
    (1..(1 << parts) - 1).map(subset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::attacks::mechanisms::cell_keys::CellKeys;

    /// The share of totals that the plain mean over all two-partitions recovers exactly.
    fn recovered(parts: u32, trials: u32) -> f64 {
        let (keys, mut dice) = (CellKeys::new("cell_keys_9", 9, 1), Dice::new([3, 1, 4, 1]));
        let mut exactly = 0;
        for _ in 0..trials {
            let asked = questions(parts, &mut dice);
            let shown: i64 = asked.iter().filter_map(|[set, _]| keys.show(*set)).sum();
            let there: i64 = asked.iter().map(|[set, _]| i64::from(set.count)).sum();
            // Each partition holds the total once.
            let partitions = i64::try_from(asked.len() / 2).unwrap();
            exactly += u32::from(2 * (shown - there).abs() < partitions);
        }
        f64::from(exactly) / f64::from(trials)
    }

    #[test]
    fn averaging_recovers_cell_keyed_totals_exactly() {
        // 15 sums of two noises of variance 9: within half a person of the truth 35% of the time
        // if they were independent. They are not: the two halves' keys add up to the total's, so
        // that for some totals they cancel. (26% is on record for tables of another shape.)
        let few = recovered(5, 4_000);
        assert!((0.33..0.47).contains(&few), "{few}");
        let many = recovered(11, 100);
        assert!(many >= 0.99, "{many}");
    }
}
