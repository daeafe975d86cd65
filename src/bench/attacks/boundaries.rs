//! Attack 4: Merge, split and shave: a quarter on old and on new boundaries, which differ by one
//! neighbourhood; then the next quarter on the new ones.

use super::{
    Attack,
    cells::Dice,
    mechanisms::{Mechanism, guess},
    tallygate::{Crowd, Life, Ours, State, View},
};

pub(super) const ATTACK: Attack = Attack {
    number: 4,
    name: "boundaries redrawn",
    in_use,
    ours: Ours::Life(Life {
        quarters: &[[State::Absent, State::Registered]; 2],
        crowd: Crowd::Few,
        redrawn: true,
        view: View::Release,
    }),
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (shaved_off, child) = (dice.few(), dice.target());
    let (rest, gaining) = (dice.crowd(), dice.crowd());
    let old = rest.with(shaved_off);
    let new = gaining.with(shaved_off);
    let questions = [
        [old, old.with(child)],
        [rest, rest],
        [gaining, gaining],
        [new, new.with(child)],
        [shaved_off, shaved_off.with(child)],
    ];
    guess(mechanism, &questions, truth, dice)
}
