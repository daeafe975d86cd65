//! Who each record says it is about, beside who it is about: what linkage is measured against.

use super::{
    Plan, SynthError,
    calendar::Period,
    dirt::{mistyped_birth, mistyped_name, shows_nhs_number},
    feeds,
    ground::Ground,
    people::Part,
    place, populate,
    record::{Facts, Flaw, Home, Partner},
};
use jiff::civil::Date;
use std::collections::HashSet;

/// A person as a record states it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Statement {
    /// The person, by a number of the population's own.
    pub person: u32,
    /// The person's origin: a group of one's names and neighbours.
    pub origin: &'static str,
    /// Who sends it.
    pub partner: &'static str,
    /// Stated NHS number.
    pub nhs_number: Option<String>,
    /// Stated forename.
    pub forename: String,
    /// Stated surname.
    pub surname: String,
    /// Stated date of birth.
    pub birth: Date,
    /// Male, as stated.
    pub male: bool,
    /// Stated postcode.
    pub postcode: Option<String>,
    /// Stated property number.
    pub uprn: Option<String>,
    /// Stated plurality of the birth.
    pub plurality: Option<u8>,
}

/// Every different statement of a plan's records, but for those that intake rejects.
///
/// # Errors
/// When the plan is out of bounds.
pub fn statements(plan: &Plan) -> Result<Vec<Statement>, SynthError> {
    plan.check()?;
    let ground = Ground::new(place(plan.place), plan.seed);
    let period = Period::new(plan.quarters);
    let (people, _) = populate(plan, &ground, &period);
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for feed in feeds(plan, &people, &ground, &period) {
        for entry in feed.entries.iter().filter(|entry| entry.flaw != Flaw::CheckDigit) {
            let person = people.person(entry.person);
            let (partner, home) = (feed.partner, entry.home);
            let address = home.address();
            let postcode = match home {
                Home::At(address) => Some(ground.postcode(address).to_owned()),
                Home::NotKnown => Some("ZZ99 3WZ".to_owned()),
                Home::Blank => None,
            };
            let holds_uprn = matches!(partner, Partner::Health | Partner::Families);
            let statement = Statement {
                person: entry.person.number(),
                origin: people.household_of(entry.person).origin.name(),
                partner: partner.id(),
                nhs_number: shows_nhs_number(entry, partner, person)
                    .then(|| person.nhs_number.to_string()),
                forename: match entry.flaw {
                    Flaw::Forename(which) => mistyped_name(&person.forename, which),
                    _ => person.forename.to_string(),
                },
                surname: match entry.flaw {
                    Flaw::Surname(which) => mistyped_name(&person.surname, which),
                    _ => person.surname.to_string(),
                },
                birth: match entry.flaw {
                    Flaw::BirthDate(which) => mistyped_birth(person.born, entry.event, which),
                    _ => person.born,
                }
                .date(),
                male: person.male,
                postcode,
                uprn: address.filter(|_| holds_uprn).map(|home| Ground::uprn(home).to_string()),
                plurality: match (entry.facts, &person.part) {
                    (Facts::LiveBirth, Part::Child { plurality, .. }) => Some(*plurality),
                    _ => None,
                },
            };
            if seen.insert(statement.clone()) {
                all.push(statement);
            }
        }
    }
    Ok(all)
}
