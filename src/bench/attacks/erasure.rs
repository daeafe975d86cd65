//! Attack 10: Erasure: a child whose records are withdrawn is in the one release and not in the next.

use super::{
    Attack,
    cells::Dice,
    mechanisms::{Mechanism, guess},
    tallygate::{Crowd, Life, Ours, State, View},
};

pub(super) const ATTACK: Attack = Attack {
    number: 10,
    name: "erasure",
    in_use,
    ours: Ours::Life(Life {
        quarters: &[[State::Registered; 2], [State::Registered, State::Absent]],
        crowd: Crowd::Few,
        redrawn: None,
        view: View::Release,
    }),
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (others, child) = (dice.crowd(), dice.target());
    let all = others.with(child);
    guess(mechanism, &[[all, all], [all, others]], truth, dice)
}
