//! Attack 9: Chaff: a partner invents as many children as bring the count to the edge at which the
//! target makes the most difference.

use super::{
    Attack,
    cells::Dice,
    mechanisms::{Mechanism, distance, guess},
    tallygate::{Crowd, Life, Ours, State, View},
};

/// Invented children at most.
const MOST: u32 = 10;

pub(super) const ATTACK: Attack = Attack {
    number: 9,
    name: "chaff",
    in_use,
    ours: Ours::Life(Life {
        quarters: &[[State::Absent, State::Registered]],
        crowd: Crowd::Edge,
        redrawn: None,
        view: View::Release,
    }),
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (others, child) = (dice.crowd(), dice.target());
    let gain = |chaff: u32| {
        let count = i64::from(others.count + chaff);
        distance(mechanism, [count, count + 1])
    };
    let best = (0..MOST).max_by(|one, other| gain(*one).total_cmp(&gain(*other))).unwrap_or(0);
    let planted = others.with(dice.people(best));
    guess(mechanism, &[[planted, planted.with(child)]], truth, dice)
}
