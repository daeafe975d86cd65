//! Attack 11: Repeats, re-spellings and clones: the same set asked for again and again, under as many
//! names. What answers one set with one number tells nothing more.

use super::{
    Attack,
    cells::Dice,
    mechanisms::{Mechanism, guess},
    tallygate::{Crowd, Life, Ours, State, View},
};

pub(super) const ATTACK: Attack = Attack {
    number: 11,
    name: "repeats",
    in_use,
    ours: Ours::Life(Life {
        quarters: &[[State::Absent, State::Registered]],
        crowd: Crowd::Many,
        redrawn: None,
        view: View::Repeats,
    }),
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (others, child) = (dice.crowd(), dice.target());
    guess(mechanism, &[[others, others.with(child)]; 10], truth, dice)
}
