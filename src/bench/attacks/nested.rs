//! Attack 1: Nested areas: a small area, the cluster around it and the authority around that are each
//! published; what is withheld of the small one is the difference of the larger ones.

use super::{
    Attack,
    cells::Dice,
    mechanisms::{Mechanism, guess},
    tallygate::{Crowd, Life, Ours, State, View},
};

pub(super) const ATTACK: Attack = Attack {
    number: 1,
    name: "nested areas",
    in_use,
    ours: Ours::Life(Life {
        quarters: &[[State::Absent, State::Registered]],
        crowd: Crowd::Few,
        redrawn: None,
        view: View::Nested,
    }),
};

fn in_use(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (area, target) = (dice.few(), dice.target());
    let (sisters, elsewhere) = (dice.crowd(), dice.crowd());
    let cluster = area.with(sisters);
    let authority = cluster.with(elsewhere);
    let nested = [area, cluster, authority].map(|set| [set, set.with(target)]);
    let known = [[sisters, sisters], [elsewhere, elsewhere]];
    guess(mechanism, &[&nested[..], &known[..]].concat(), truth, dice)
}
