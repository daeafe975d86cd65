//! What the records say, put to their true persons: what a gateway would hold that links without
//! a fault. The rows are those of the files, read again by the very code that reads partners'.

use super::{
    Plan, SynthError,
    calendar::Period,
    feeds,
    ground::Ground,
    output::Kind,
    place, populate,
    record::Feed,
    render::{Sheet, World},
};
use crate::domain::{
    Event, Lsoa, Role,
    row::{RowLayout, Sex},
    time::epoch_day,
};
use jiff::civil::{Date, date};

/// A day after all that the files tell.
const READ_ON: Date = date(2026, 5, 12);

/// One invented person, as all partners' records tell of it together.
pub struct Life {
    /// When it was born.
    pub date_of_birth: Date,
    /// Its sex.
    pub sex: Sex,
    /// Its own records, without those that never count.
    pub events: Vec<Event>,
}

/// Every person of a plan who has a record that counts; in no order but always the same.
///
/// # Errors
/// When the plan is out of bounds or a row can't be made.
pub fn lives(plan: &Plan) -> Result<Vec<Life>, SynthError> {
    plan.check()?;
    let ground = Ground::new(place(plan.place), plan.seed);
    let period = Period::new(plan.quarters);
    let (people, _) = populate(plan, &ground, &period);
    let mut lives: Vec<Life> = people
        .persons
        .iter()
        .map(|person| Life {
            date_of_birth: person.born.date(),
            sex: if person.male { Sex::Male } else { Sex::Female },
            events: Vec::new(),
        })
        .collect();
    let world = World { people: &people, ground: &ground, period: &period };
    for feed in feeds(plan, &people, &ground, &period) {
        read(&world, &feed, &mut lives)?;
    }
    lives.retain(|life| !life.events.is_empty());
    Ok(lives)
}

/// Writes a feed's rows and reads them again.
fn read(world: &World<'_>, feed: &Feed, lives: &mut [Life]) -> Result<(), SynthError> {
    let mut text = Vec::new();
    let mut sheet = Sheet::new(&mut text);
    sheet.header(feed.record_type)?;
    let counting = || feed.entries.iter().filter(|entry| entry.counts);
    for (number, entry) in (1..).zip(counting()) {
        sheet.row(world, feed, entry, (number, Kind::First, entry.known))?;
    }
    sheet.finish()?;
    let mut rows = csv::Reader::from_reader(&text[..]);
    let columns: Vec<String> =
        rows.headers().map_err(SynthError::csv)?.iter().map(str::to_owned).collect();
    // The files' headings are the record types' own; tests push them.
    let Ok(layout) = RowLayout::new(feed.record_type, &columns) else { return Ok(()) };
    for (entry, row) in counting().zip(rows.records()) {
        let row = row.map_err(SynthError::csv)?;
        let values: Vec<&str> = row.iter().collect();
        let Ok(checked) = layout.check(&values, READ_ON) else { continue };
        let Some(content) = checked.content else { continue };
        let home = entry.home.address().map(|home| world.ground.lsoa(home));
        let place = home.and_then(|lsoa| world.ground.facts.lsoas[lsoa].code.parse::<Lsoa>().ok());
        let is_birth = feed.record_type.definition().event_is_birth;
        let at = usize::try_from(entry.person.number()).unwrap_or(usize::MAX);
        lives[at].events.push(Event {
            record_type: feed.record_type,
            role: Role::Principal,
            day: (!is_birth).then(|| epoch_day(content.event_date)),
            known: epoch_day(checked.extracted_at),
            place,
            values: content.values,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::RecordType, synth::Place};

    #[test]
    fn every_record_that_counts_is_one_of_its_persons_events() {
        let plan = Plan { place: Place::Coventry, seed: 7, scale: 0.01, quarters: 2, canaries: 0 };
        let lives = lives(&plan).unwrap();
        let ground = Ground::new(place(plan.place), plan.seed);
        let period = Period::new(plan.quarters);
        let (people, _) = populate(&plan, &ground, &period);
        let counting: usize = feeds(&plan, &people, &ground, &period)
            .iter()
            .map(|feed| feed.entries.iter().filter(|entry| entry.counts).count())
            .sum();
        let events: usize = lives.iter().map(|life| life.events.len()).sum();
        assert_eq!(events, counting);
        let births = |life: &&Life| {
            life.events.iter().any(|event| event.record_type == RecordType::LiveBirth)
        };
        assert!(lives.iter().filter(births).count() > 100);
        assert!(lives.iter().flat_map(|life| &life.events).any(|event| event.place.is_some()));
    }
}
