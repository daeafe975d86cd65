//! Attack 12: Twenty quarters of one child: was it registered through its whole childhood? Everybody
//! around it changes, which gives every quarter a noise of its own. Ours is attacked through the whole
//! releases of every quarter of the dearest life.

use super::{
    Attack,
    cells::{Dice, Question},
    mechanisms::{Mechanism, guess},
    tallygate::Ours,
};

/// Quarters' last days of a childhood.
const QUARTERS: usize = 20;

pub(super) const ATTACK: Attack =
    Attack { number: 12, name: "a whole childhood", in_use, ours: Ours::Whole { childhood: true } };

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let child = dice.target();
    let mut questions: Vec<Question> = Vec::new();
    for _ in 0..QUARTERS {
        let (from, to) = (dice.crowd(), dice.crowd());
        questions.extend([[from.with(child), from], [to, to.with(child)]]);
    }
    guess(mechanism, &questions, truth, dice)
}
