//! Who there is: persons, the households they live in, and where each household lived when.

use std::borrow::Cow;

use super::calendar::Day;
use super::dice::mix;
use super::ground::Address;
use super::identifiers::{InsuranceNumber, LearnerNumber, NhsNumber};
use super::names::Origin;

/// A person's place in [`People`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PersonId(u32);

/// A household's place in [`People`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HouseholdId(u32);

/// What every person has.
pub(super) struct Person {
    pub(super) household: HouseholdId,
    pub(super) forename: Cow<'static, str>,
    pub(super) surname: Cow<'static, str>,
    pub(super) born: Day,
    pub(super) male: bool,
    pub(super) nhs_number: NhsNumber,
    /// Fixed coins for lasting properties: see [`Person::coin`].
    pub(super) luck: u64,
    pub(super) part: Part,
    /// A canary's token, which is part of each of its local ids.
    pub(super) token: Option<Box<str>>,
}

/// A child or an adult, with what only they have.
pub(super) enum Part {
    Child {
        /// How many were born of the pregnancy.
        plurality: u8,
        birth_order: u8,
        /// False for a child that was born elsewhere and moved in: it has no live_birth here.
        born_here: bool,
    },
    Adult {
        uln: LearnerNumber,
        nino: InsuranceNumber,
    },
}

/// What a fixed coin is for.
#[derive(Clone, Copy)]
pub(super) enum Coin {
    /// Whether a partner (by its number) holds the person's NHS number.
    NumberHeldBy(u8),
    /// The state of the consent given to the centres.
    Consent,
    /// The notice that was in use.
    Notice,
    /// Who gave the consent.
    GivenBy,
    /// What the nursery says of special needs.
    Needs,
    /// What the midwife wrote of the ethnic group.
    Ethnicity,
}

impl Person {
    /// Uniform in 0..1000, always the same for a person and a purpose.
    pub(super) fn coin(&self, coin: Coin) -> u64 {
        let purpose = match coin {
            Coin::NumberHeldBy(partner) => 16 + u64::from(partner),
            Coin::Consent => 1,
            Coin::Notice => 2,
            Coin::GivenBy => 3,
            Coin::Needs => 4,
            Coin::Ethnicity => 5,
        };
        mix(self.luck ^ mix(purpose)) % 1_000
    }

    pub(super) fn is_child(&self) -> bool {
        matches!(self.part, Part::Child { .. })
    }
}

/// People who live, and move, together.
pub(super) struct Household {
    /// The mother; in a household without children, the one adult.
    pub(super) adult: PersonId,
    pub(super) second_adult: Option<PersonId>,
    /// By birth.
    pub(super) children: Vec<PersonId>,
    pub(super) origin: Origin,
    /// Homes with the day each was moved into, in order; the first one holds for all days before.
    pub(super) homes: Vec<(Day, Address)>,
    /// When a household with children moved in from elsewhere; nothing is recorded of it before.
    pub(super) arrived: Option<Day>,
    /// 0.0 (least deprived) to 1.0, at the first home.
    pub(super) deprivation: f64,
    /// How keen to come to a centre, 0.0..1.0.
    pub(super) keen: f64,
    /// Uses a centre outside its reach area.
    pub(super) goes_elsewhere: bool,
    /// Bits of the target groups' code list.
    pub(super) groups: u32,
    /// People who can be searched for: they appear everywhere and carry no dirt.
    pub(super) canary: bool,
}

impl Household {
    pub(super) fn home_on(&self, day: Day) -> Address {
        home_on(&self.homes, day)
    }

    /// The home before the present one, if they moved in the last `within` days.
    pub(super) fn former_home(&self, day: Day, within: i32) -> Option<Address> {
        let position = self.homes.iter().rposition(|(from, _)| *from <= day)?;
        let recent = day.since(self.homes[position].0) <= within;
        (recent && position > 0).then(|| self.homes[position - 1].1)
    }

    /// Whether a record of this day can exist: the household lives here by then.
    pub(super) fn is_here(&self, day: Day) -> bool {
        self.arrived.is_none_or(|arrived| arrived <= day)
    }
}

/// The entry of a dated list of homes that holds on a day.
pub(super) fn home_on(homes: &[(Day, Address)], day: Day) -> Address {
    homes.iter().rev().find(|(from, _)| *from <= day).map_or(homes[0].1, |(_, home)| *home)
}

/// Everybody.
#[derive(Default)]
pub(super) struct People {
    pub(super) persons: Vec<Person>,
    pub(super) households: Vec<Household>,
}

impl People {
    pub(super) fn person(&self, id: PersonId) -> &Person {
        &self.persons[index(id.0)]
    }

    pub(super) fn person_mut(&mut self, id: PersonId) -> &mut Person {
        &mut self.persons[index(id.0)]
    }

    pub(super) fn household(&self, id: HouseholdId) -> &Household {
        &self.households[index(id.0)]
    }

    pub(super) fn household_mut(&mut self, id: HouseholdId) -> &mut Household {
        &mut self.households[index(id.0)]
    }

    pub(super) fn household_of(&self, id: PersonId) -> &Household {
        self.household(self.person(id).household)
    }

    pub(super) fn add_person(&mut self, person: Person) -> PersonId {
        let id = PersonId(number(self.persons.len()));
        self.persons.push(person);
        id
    }

    pub(super) fn add_household(&mut self, household: Household) -> HouseholdId {
        let id = self.next_household();
        self.households.push(household);
        id
    }

    /// The id that the next household will have: its people are made before it.
    pub(super) fn next_household(&self) -> HouseholdId {
        HouseholdId(number(self.households.len()))
    }

    pub(super) fn household_ids(&self) -> impl Iterator<Item = HouseholdId> + use<> {
        (0..number(self.households.len())).map(HouseholdId)
    }
}

impl PersonId {
    /// A stable number for identifiers that are made from it.
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A plan's scale is bounded, so that people are far fewer than u32 can count.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
