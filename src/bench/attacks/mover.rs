//! Attack 2: Two quarters, one mover: nobody but the child changed cells between them, if it did.

use super::{
    Attack,
    cells::Dice,
    mechanisms::{Mechanism, guess},
    tallygate::{Crowd, Life, Ours, State, View},
};

pub(super) const ATTACK: Attack = Attack {
    number: 2,
    name: "two quarters, one mover",
    in_use,
    ours: Ours::Life(Life {
        quarters: &[[State::Unregistered; 2], [State::Unregistered, State::Registered]],
        crowd: Crowd::Few,
        redrawn: None,
        view: View::Release,
    }),
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (from, to, child) = (dice.crowd(), dice.crowd(), dice.target());
    let (before, after) = (from.with(child), to.with(child));
    let questions = [[before, before], [to, to], [before, from], [to, after]];
    guess(mechanism, &questions, truth, dice)
}
