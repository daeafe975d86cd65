//! What the classification needs to know about one resolved person, and nothing else.

use crate::domain::{Event, PersonId, row::Sex};
use jiff::civil::Date;

/// One resolved person's facts. No Debug: it holds a date of birth.
pub struct PersonFacts<'a> {
    /// The surrogate; persons are counted in ascending order, each once.
    pub person: PersonId,
    /// When it is known.
    pub date_of_birth: Option<Date>,
    /// Its sex.
    pub sex: Sex,
    /// The day of death, when there was one: it stops everything that would count.
    pub death: Option<Date>,
    /// All that is kept about the person and may be used, in any order: withdrawn,
    /// superseded and suspended records are left out by the caller. Of a record that was
    /// sent again, `known` must stay the first day: a later one would count a birth or
    /// a referral in a second quarter.
    pub events: &'a [Event],
}
