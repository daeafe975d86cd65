//! People who can be searched for: names and a token of twelve letters that occur nowhere else, in every kind
//! of record. Half are children (their mothers bear the same surname), half are adults born in the 1930s, on
//! days on which nothing else in the files happens. They carry no dirt, so that all their records are taken.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::civil::{Date, date};

use super::calendar::Day;
use super::dice::Dice;
use super::ground::Ground;
use super::people::{Household, HouseholdId, Part, People, Person, PersonId};
use super::population::Registry;

/// Days before the period's last day between which canary children were born: they turn two in time for a
/// list and a funded place even if the period is a single quarter.
const CHILD_AGE_DAYS: (i32, i32) = (850, 1_000);

/// A person that a test searches a deployment for.
#[derive(Clone, PartialEq, Eq)]
pub struct Canary {
    /// Twelve letters, the first upper case, that occur in no other name.
    pub forename: String,
    /// Twelve letters, likewise; a canary child's mother has it too.
    pub surname: String,
    /// Twelve letters, likewise: part of each of the person's local ids.
    pub token: String,
    /// An adult's lies in the 1930s.
    pub date_of_birth: Date,
    /// Ten digits from 999.
    pub nhs_number: String,
    /// The real postcode of the person's one home; others may share it.
    pub postcode: String,
}

/// Adds `count` canaries, each in a household of its own, and returns their ids.
pub(super) fn add(registry: &mut Registry<'_>, people: &mut People, count: u16) -> Vec<PersonId> {
    let mut used = BTreeSet::new();
    (0..i32::from(count))
        .map(|number| {
            let words = [(); 3].map(|()| word(&mut registry.dice, &mut used));
            if number % 2 == 0 {
                child(registry, people, words)
            } else {
                let born = Day::of(date(1931, 1, 3)).plus(number * 3);
                adult(registry, people, words, born)
            }
        })
        .collect()
}

/// What the summary says of a canary.
pub(super) fn describe(people: &People, ground: &Ground, id: PersonId) -> Canary {
    let person = people.person(id);
    Canary {
        forename: person.forename.to_string(),
        surname: person.surname.to_string(),
        token: person.token.as_deref().unwrap_or_default().to_owned(),
        date_of_birth: person.born.date(),
        nhs_number: person.nhs_number.to_string(),
        postcode: ground.postcode(people.household_of(id).homes[0].1).to_owned(),
    }
}

fn adult(
    registry: &mut Registry<'_>,
    people: &mut People,
    [forename, surname, token]: [String; 3],
    born: Day,
) -> PersonId {
    let household = people.next_household();
    let mut person = registry.adult(household, ("", ""), born, born.weekday() % 2 == 0);
    person.forename = Cow::Owned(forename);
    person.surname = Cow::Owned(surname);
    person.token = Some(token.into());
    let id = people.add_person(person);
    let moved_in = registry.period.first;
    settle(registry, people, id, moved_in);
    id
}

fn child(
    registry: &mut Registry<'_>,
    people: &mut People,
    [forename, surname, token]: [String; 3],
) -> PersonId {
    let household = people.next_household();
    let (youngest, oldest) = CHILD_AGE_DAYS;
    let born = registry.period.last.plus(-registry.dice.between(youngest, oldest));
    let origin = registry.names.origin(&mut registry.dice);
    let given = registry.names.forename(origin, false, &mut registry.dice);
    let mother_born = born.plus(-registry.dice.between(22 * 365, 38 * 365));
    let mut mother = registry.adult(household, (given, ""), mother_born, false);
    mother.surname = Cow::Owned(surname.clone());
    let mother = people.add_person(mother);
    let settled = settle(registry, people, mother, born);
    let child = people.add_person(Person {
        household,
        forename: Cow::Owned(forename),
        surname: Cow::Owned(surname),
        born,
        male: registry.dice.chance(0.5),
        nhs_number: registry.issuer.nhs_number(),
        luck: registry.dice.bits(),
        part: Part::Child { plurality: 1, birth_order: 1, born_here: true },
        token: Some(token.into()),
    });
    people.household_mut(settled).children.push(child);
    child
}

/// A household that never moves and appears everywhere.
fn settle(
    registry: &mut Registry<'_>,
    people: &mut People,
    adult: PersonId,
    on: Day,
) -> HouseholdId {
    let home = registry.ground.anywhere(&mut registry.dice);
    people.add_household(Household {
        adult,
        second_adult: None,
        children: Vec::new(),
        origin: registry.names.origin(&mut registry.dice),
        homes: vec![(on, home)],
        arrived: None,
        deprivation: registry.ground.deprivation(home),
        keen: 0.9,
        goes_elsewhere: false,
        groups: 0,
        canary: true,
    })
}

/// Six syllables, never the same word twice.
fn word(dice: &mut Dice, used: &mut BTreeSet<String>) -> String {
    const CONSONANTS: &[u8] = b"bdfgjklmnprstvwxz";
    const VOWELS: &[u8] = b"aeiou";
    loop {
        let mut word = String::with_capacity(12);
        for syllable in 0..6 {
            let consonant = CONSONANTS[dice.index(CONSONANTS.len())];
            let first = if syllable == 0 { consonant.to_ascii_uppercase() } else { consonant };
            word.push(char::from(first));
            word.push(char::from(VOWELS[dice.index(VOWELS.len())]));
        }
        if used.insert(word.clone()) {
            return word;
        }
    }
}
