//! Attack 0: Is one child in one cell? Not one of the thirteen: the measure that the others are held to.

use super::{
    Attack,
    cells::Dice,
    mechanisms::{Mechanism, guess},
    tallygate::{Crowd, Life, Ours, State, View},
};

pub(super) const ATTACK: Attack = Attack {
    number: 0,
    name: "presence",
    in_use,
    ours: Ours::Life(Life {
        quarters: &[[State::Absent, State::Registered]],
        crowd: Crowd::Few,
        redrawn: None,
        view: View::Release,
    }),
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (others, target) = (dice.crowd(), dice.target());
    guess(mechanism, &[[others, others.with(target)]], truth, dice)
}
