//! Attack 4: Boundaries redrawn: a street is shaved off an area and given to the next, two areas are
//! merged, one is split. One quarter is published on the old boundaries, and of the rules in use
//! on the new ones, too; then the next quarter on the new ones, with the back series of what they drew.

use super::{
    Attack,
    cells::{Dice, Question},
    mechanisms::{Mechanism, guess},
    tallygate::{Crowd, Life, Ours, Redrawn, State, View},
};

pub(super) const SHAVED: Attack =
    Attack { number: 4, name: "an area shaved", in_use: shaved, ours: redrawn(Redrawn::Shaved) };
pub(super) const MERGED: Attack =
    Attack { number: 4, name: "areas merged", in_use: merged, ours: redrawn(Redrawn::Merged) };
pub(super) const SPLIT: Attack =
    Attack { number: 4, name: "an area split", in_use: split, ours: redrawn(Redrawn::Split) };

const fn redrawn(redrawn: Redrawn) -> Ours {
    Ours::Life(Life {
        quarters: &[[State::Absent, State::Registered]; 2],
        crowd: Crowd::Few,
        redrawn: Some(redrawn),
        view: View::Release,
    })
}

fn shaved(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
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

fn merged(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (small, other, child) = (dice.few(), dice.crowd(), dice.target());
    let both = small.with(other);
    let questions = [[small, small.with(child)], [other, other], [both, both.with(child)]];
    guess(mechanism, &questions, truth, dice)
}

fn split(mechanism: &dyn Mechanism, dice: &mut Dice, truth: bool) -> bool {
    let (part, rest, child) = (dice.few(), dice.crowd(), dice.target());
    let whole = part.with(rest);
    let questions: [Question; 3] =
        [[whole, whole.with(child)], [part, part.with(child)], [rest, rest]];
    guess(mechanism, &questions, truth, dice)
}
