//! Attack 7: Ratios: the percentage, its interval and what it is out of are turned back into counts. Of
//! the rules in use the percentage says no more than the two counts that they publish.

use super::{
    Attack,
    cells::Dice,
    mechanisms::{Mechanism, guess},
    tallygate::{Crowd, Life, Ours, State, View},
};

pub(super) const ATTACK: Attack = Attack {
    number: 7,
    name: "ratios",
    in_use,
    ours: Ours::Life(Life {
        quarters: &[[State::Unregistered, State::Registered]],
        crowd: Crowd::Many,
        redrawn: None,
        view: View::Ratio,
    }),
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (counted, others, child) = (dice.crowd(), dice.crowd(), dice.target());
    let out_of = counted.with(others).with(child);
    guess(mechanism, &[[counted, counted.with(child)], [out_of, out_of]], truth, dice)
}
