//! Attack 3: An area against the same area less those with an attribute: only the child might have it.

use super::{
    Attack,
    cells::Dice,
    mechanisms::{Mechanism, guess},
    tallygate::Ours,
};

pub(super) const ATTACK: Attack =
    Attack { number: 3, name: "without an attribute", in_use, ours: Ours::Refused };

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (others, child) = (dice.crowd(), dice.target());
    let all = others.with(child);
    guess(mechanism, &[[all, all], [all, others]], truth, dice)
}
