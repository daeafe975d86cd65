//! Attack 6: Least squares over the whole catalogue of one quarter: a child's change moves it in every
//! table, whose totals agree with one another. Ours is attacked through whole releases of the
//! dearest quarter that there is ([`super::tallygate`]).

use super::{
    Attack,
    cells::{Dice, Question},
    mechanisms::{Mechanism, guess},
    tallygate::Ours,
};

/// Tables that the rules in use are asked for.
const TABLES: usize = 8;

pub(super) const ATTACK: Attack = Attack {
    number: 6,
    name: "the whole catalogue",
    in_use,
    ours: Ours::Whole { childhood: false },
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let child = dice.target();
    let mut questions: Vec<Question> = Vec::new();
    for _ in 0..TABLES {
        let (from, to) = (dice.crowd(), dice.crowd());
        let total = from.with(to).with(child);
        questions.extend([[from.with(child), from], [to, to.with(child)], [total, total]]);
    }
    guess(mechanism, &questions, truth, dice)
}
