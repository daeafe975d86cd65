//! What each agency records about the people, each from a stream of chance of its own.

pub(super) mod centres;
pub(super) mod dwp;
pub(super) mod families;
pub(super) mod health;
pub(super) mod learning;
pub(super) mod more;

use super::calendar::{Day, Period};
use super::dice::Dice;
use super::ground::Ground;
use super::people::PersonId;
use super::people::{Household, People};
use super::record::{Entry, Facts, Home, Partner};

/// An agency at work: what it may look at, and its own chance.
pub(super) struct Agency<'a> {
    pub(super) partner: Partner,
    pub(super) people: &'a People,
    pub(super) ground: &'a Ground,
    pub(super) period: &'a Period,
    pub(super) dice: Dice,
}

impl Agency<'_> {
    /// A record that becomes known with the agency's next extract.
    fn entry(&mut self, person: PersonId, event: Day, home: Home, facts: Facts) -> Entry {
        let known = self.period.known(event, self.partner.extracts_on(), &mut self.dice);
        Entry::new(person, event, known, home, facts)
    }

    /// The home an agency states that learns of a move late: with probability `stale` still the former one,
    /// if they moved in the last `within` days.
    fn stated(&mut self, household: &Household, day: Day, stale: f64, within: i32) -> Home {
        match household.former_home(day, within) {
            Some(former) if self.dice.chance(stale) => Home::At(former),
            _ => Home::At(household.home_on(day)),
        }
    }
}

/// Whole months between two days, for a child's age (a month is 30.44 days).
fn months_old(born: Day, day: Day) -> i32 {
    day.since(born) * 100 / 3_044
}

/// What came of a referral, by weight: engaged, not engaged, declined, still open.
const REFERRAL_OUTCOMES: [u32; 4] = [58, 16, 8, 18];
/// The referral outcome without a date.
const PENDING: u8 = 3;

impl Agency<'_> {
    /// A referral in (0) or out (1). One that has an outcome is extracted after the outcome's day.
    fn referral(&mut self, person: PersonId, home: Home, day: Day, direction: u8) -> Entry {
        let other_party = if direction == 0 {
            self.dice.weighted(&[34, 18, 6, 4, 10, 8, 6, 14])
        } else {
            self.dice.weighted(&[26, 8, 14, 22, 4, 10, 16, 0])
        };
        let reason = self.dice.weighted(&[28, 20, 10, 12, 14, 8, 8]);
        let outcome = self.dice.weighted(&REFERRAL_OUTCOMES);
        let outcome_on = (outcome != PENDING)
            .then(|| day.plus(self.dice.between(2, 35)))
            .filter(|_| day >= self.period.first);
        let outcome = if outcome_on.is_some() { outcome } else { PENDING };
        let facts = Facts::Referral { direction, other_party, reason, outcome, outcome_on };
        let mut entry = self.entry(person, day, home, facts);
        if let Some(ended) = outcome_on
            && ended > entry.known
        {
            entry.known = ended.next_weekday(self.partner.extracts_on()).min(self.period.latest);
        }
        entry
    }
}
