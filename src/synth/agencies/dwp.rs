//! DWP, through the authority: once a quarter the list of two-year-olds who may have a funded place. Families
//! in deprived areas are on it far more often; addresses are those of the benefit claim, so some are old.

use crate::domain::RecordType;
use crate::synth::calendar::Day;
use crate::synth::record::{Facts, Feed};

use super::Agency;

/// Criteria in thousandths: economic, looked after, special needs, adopted.
const CRITERIA: [u32; 4] = [870, 35, 80, 15];

/// The list of each quarter is made on the first Monday of its second month, so that exactly one lies within
/// the 120 days before the quarter's last day.
fn list_day(first: Day) -> Day {
    first.plus(30).next_weekday(0)
}

/// The partner's one file.
pub(in crate::synth) fn records(agency: &mut Agency<'_>) -> Vec<Feed> {
    let mut lists = Feed::new(agency.partner, RecordType::TwoYearOldEligibility);
    let people = agency.people;
    let days: Vec<Day> = agency.period.quarters.iter().map(|c| list_day(c.first)).collect();
    for household in &people.households {
        let eligible = agency.dice.chance(0.06 + 0.58 * household.deprivation);
        let criterion = agency.dice.weighted(&CRITERIA);
        if !(eligible || household.canary) {
            continue;
        }
        for child in &household.children {
            let born = people.person(*child).born;
            let (second, third) = (born.years_on(2), born.years_on(3));
            for day in days.iter().filter(|day| second <= **day && **day < third) {
                if household.is_here(*day) {
                    let home = agency.stated(household, *day, 0.25, 400);
                    let facts = Facts::Eligibility { criterion };
                    lists.entries.push(agency.entry(*child, *day, home, facts));
                }
            }
        }
    }
    vec![lists]
}
