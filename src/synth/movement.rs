//! Moving: households that come from elsewhere, and moves within the authority. One in five children under
//! one moves in a year; later one in ten. Nothing tells the gateway of a household that leaves.

use super::calendar::Day;
use super::people::{HouseholdId, Part, People};
use super::population::Registry;

/// Chance of a move in 30 days with a child under one (0.8 remain after a year) and later.
const MOVE_UNDER_ONE: f64 = 0.018_2;
const MOVE_LATER: f64 = 0.008_6;
/// Moves that stay within the reach area.
const STAYS_NEAR: f64 = 0.45;

/// Lets a share of households come from elsewhere during the period, after their first child's birth.
pub(super) fn arrive(registry: &mut Registry<'_>, people: &mut People, id: HouseholdId) {
    if !registry.moves_in() {
        return;
    }
    let Some(first) = people.household(id).children.first().map(|c| people.person(*c).born) else {
        return;
    };
    let from = registry.period.first.max(first.plus(30));
    let until = registry.period.last.plus(-20).min(first.plus(4 * 365));
    if from >= until {
        return;
    }
    let arrived = from.plus(registry.dice.between(0, until.since(from)));
    people.household_mut(id).arrived = Some(arrived);
    for child in people.household(id).children.clone() {
        let born = people.person(child).born;
        people.set_born_here(child, born >= arrived);
    }
}

/// Draws a household's moves from its first child's birth (or its arrival) to the period's end.
pub(super) fn move_about(registry: &mut Registry<'_>, people: &mut People, id: HouseholdId) {
    let household = people.household(id);
    let births: Vec<Day> = household.children.iter().map(|c| people.person(*c).born).collect();
    let Some(first) = births.first() else { return };
    let mut day = household.arrived.map_or(*first, |arrived| arrived.max(*first));
    let mut homes = household.homes.clone();
    loop {
        day = day.plus(30);
        if day > registry.period.last {
            break;
        }
        let infant = births.iter().any(|born| (0..365).contains(&day.since(*born)));
        if registry.dice.chance(if infant { MOVE_UNDER_ONE } else { MOVE_LATER }) {
            let moved = day.plus(-registry.dice.between(0, 29));
            let near = registry.dice.chance(STAYS_NEAR);
            let last = homes[homes.len() - 1].1;
            let home = if near {
                registry.ground.nearby(last, &mut registry.dice)
            } else {
                registry.ground.anywhere(&mut registry.dice)
            };
            homes.push((moved, home));
        }
    }
    people.household_mut(id).homes = homes;
}

impl People {
    fn set_born_here(&mut self, child: super::people::PersonId, here: bool) {
        if let Part::Child { born_here, .. } = &mut self.person_mut(child).part {
            *born_here = here;
        }
    }
}
