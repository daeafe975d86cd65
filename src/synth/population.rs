//! Households, their births, and adults without children who learn.
//!
//! Births are spread evenly over the days; two in five are to a household that already has a child. A share of
//! households moves in from elsewhere: their older children have no live_birth here.

use std::borrow::Cow;

use super::calendar::{Day, Period};
use super::dice::Dice;
use super::ground::Ground;
use super::identifiers::Issuer;
use super::movement;
use super::names::Names;
use super::people::{Household, HouseholdId, Part, People, Person};

/// Live births a year at scale 1.
const BIRTHS_A_YEAR: f64 = 4_700.0;
/// Maternities that bear twins; one in fifty of them bears triplets.
pub(super) const MULTIPLE: f64 = 0.015;
const SIBLING: f64 = 0.40;
const MOVES_IN: f64 = 0.04;
/// Adults without children who learn, at scale 1.
const LEARNERS: f64 = 700.0;

/// What the stages of building people share.
pub(super) struct Registry<'a> {
    pub(super) ground: &'a Ground,
    pub(super) period: &'a Period,
    pub(super) names: Names,
    pub(super) issuer: Issuer,
    pub(super) dice: Dice,
}

/// Everybody but the canaries.
pub(super) fn build(registry: &mut Registry<'_>, scale: f64) -> People {
    let mut people = People::default();
    let days = registry.period.last.since(registry.period.births_from);
    let maternities = whole(scale * BIRTHS_A_YEAR / 365.25 * f64::from(days) / (1.0 + MULTIPLE));
    let mut dates: Vec<Day> = (0..maternities)
        .map(|_| registry.period.births_from.plus(registry.dice.between(0, days)))
        .collect();
    dates.sort_unstable();
    for born in dates {
        let known = registry.dice.chance(SIBLING).then(|| mother_again(registry, &people, born));
        let id = known.flatten().unwrap_or_else(|| new_household(registry, &mut people, born));
        maternity(registry, &mut people, id, born);
    }
    for id in people.household_ids() {
        movement::arrive(registry, &mut people, id);
        movement::move_about(registry, &mut people, id);
    }
    for _ in 0..whole(scale * LEARNERS) {
        let started = registry.period.first;
        new_household(registry, &mut people, started);
    }
    people
}

/// A household whose last birth was one to four years ago.
fn mother_again(registry: &mut Registry<'_>, people: &People, born: Day) -> Option<HouseholdId> {
    let ids = people.households.len();
    for _ in 0..12 {
        let position = registry.dice.index(ids);
        let household = people.households.get(position)?;
        let last = household.children.last()?;
        let gap = born.since(people.person(*last).born);
        if (400..=1_500).contains(&gap) && household.children.len() < 5 {
            return Some(people.person(household.adult).household);
        }
    }
    None
}

/// A household without children yet, in its home.
fn new_household(registry: &mut Registry<'_>, people: &mut People, on: Day) -> HouseholdId {
    let home = registry.ground.anywhere(&mut registry.dice);
    let deprivation = registry.ground.deprivation(home);
    let origin = registry.names.origin(&mut registry.dice);
    let id = people.next_household();
    let surname = registry.names.surname(origin, &mut registry.dice);
    let forename = registry.names.forename(origin, false, &mut registry.dice);
    let young = i32::from(registry.dice.chance(0.2 * deprivation)) * 2_500;
    let mother_born = on.plus(-registry.dice.between(18 * 365 - young / 3, 43 * 365 - young));
    let adult = people.add_person(registry.adult(id, (forename, surname), mother_born, false));
    let second_adult = registry.dice.chance(0.3).then(|| {
        let forename = registry.names.forename(origin, true, &mut registry.dice);
        let other = registry.names.surname(origin, &mut registry.dice);
        let surname = if registry.dice.chance(0.6) { surname } else { other };
        let born = mother_born.plus(registry.dice.between(-2_900, 1_400));
        people.add_person(registry.adult(id, (forename, surname), born, true))
    });
    let dice = &mut registry.dice;
    let keen = (0.65 - 0.3 * deprivation + 0.7 * (dice.unit() - 0.5)).clamp(0.0, 1.0);
    let goes_elsewhere = dice.chance(0.18);
    let young_mother = on.since(mother_born) < 20 * 365;
    let groups = groups(dice, deprivation, young_mother, origin.is_minority());
    people.add_household(Household {
        adult,
        second_adult,
        children: Vec::new(),
        origin,
        homes: vec![(on, home)],
        arrived: None,
        deprivation,
        keen,
        goes_elsewhere,
        groups,
        canary: false,
    })
}

/// Bits of the registration's list of target groups; "funded_two" and "cp_cin_lac" are left to the agencies
/// that know, "deprived_area" is the 30% most deprived LSOAs.
fn groups(dice: &mut Dice, deprivation: f64, young_mother: bool, minority: bool) -> u32 {
    let drawn = [
        (0, if young_mother { 1.0 } else { 0.0 }),
        (1, 0.12 + 0.2 * deprivation),
        (2, 0.05 + 0.25 * deprivation),
        (3, if minority { 1.0 } else { 0.0 }),
        (4, 0.05),
        (5, 0.06),
        (6, 0.02 + 0.03 * deprivation),
        (9, if deprivation > 0.75 { 1.0 } else { 0.0 }),
        (10, 0.003),
        (11, if minority { 0.5 } else { 0.0 }),
        (12, 0.015),
        (13, 0.07),
    ];
    drawn.iter().fold(0, |bits, (group, p)| if dice.chance(*p) { bits | 1 << group } else { bits })
}

/// One pregnancy's children.
fn maternity(registry: &mut Registry<'_>, people: &mut People, id: HouseholdId, born: Day) {
    let plurality = match (registry.dice.chance(MULTIPLE), registry.dice.chance(0.02)) {
        (false, _) => 1,
        (true, false) => 2,
        (true, true) => 3,
    };
    let household = people.household(id);
    let origin = household.origin;
    let mother = people.person(household.adult).surname.clone();
    let father = household.second_adult.map(|other| people.person(other).surname.clone());
    let surname = match father {
        Some(father) if registry.dice.chance(0.6) => father,
        _ => mother,
    };
    let mut given: Vec<&'static str> = Vec::new();
    for birth_order in 1..=plurality {
        let male = registry.dice.chance(0.512);
        let mut forename = registry.names.forename(origin, male, &mut registry.dice);
        while given.contains(&forename) {
            forename = registry.names.forename(origin, male, &mut registry.dice);
        }
        given.push(forename);
        let child = people.add_person(Person {
            household: id,
            forename: Cow::Borrowed(forename),
            surname: surname.clone(),
            born,
            male,
            nhs_number: registry.issuer.nhs_number(),
            luck: registry.dice.bits(),
            part: Part::Child { plurality, birth_order, born_here: true },
            token: None,
        });
        people.household_mut(id).children.push(child);
    }
}

impl Registry<'_> {
    /// An adult with every number an adult may have.
    pub(super) fn adult(
        &mut self,
        household: HouseholdId,
        (forename, surname): (&'static str, &'static str),
        born: Day,
        male: bool,
    ) -> Person {
        Person {
            household,
            forename: Cow::Borrowed(forename),
            surname: Cow::Borrowed(surname),
            born,
            male,
            nhs_number: self.issuer.nhs_number(),
            luck: self.dice.bits(),
            part: Part::Adult {
                uln: self.issuer.learner_number(),
                nino: self.issuer.insurance_number(),
            },
            token: None,
        }
    }

    /// The share of households that move in from elsewhere.
    pub(super) fn moves_in(&mut self) -> bool {
        self.dice.chance(MOVES_IN)
    }
}

/// A count from a bounded, non-negative product.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a plan's scale is at most 10, so the count is below 400,000"
)]
fn whole(expected: f64) -> u32 {
    expected.round().max(0.0) as u32
}
