//! Organisations, from records about nobody. A provider may be a childminder, who is a person:
//! providers have noise and a cost like anybody. Schools are bodies and are counted exactly.
//!
//! A provider is its number. A childminder who was given a second one within the twelve months (who
//! registered anew) is two providers: the sessions carry nothing else by which both could be known to be
//! one, as no name or address of a provider is taken. Such a person is in two cells where one is
//! charged, and is told apart, at worst, as if the table had a quarter of its variance.

use crate::{
    disclosure::{
        catalogue::Base,
        classify::{Cell, Definition, Recurs, Sort},
        period::Period,
    },
    domain::{
        Event, RecordType,
        field::Value,
        records::{provider_session, school_contact},
    },
};
use std::collections::BTreeMap;

/// Providers that were asked to any session in the twelve months, by whether they came to one
/// that informs. Those that are schools in all their records are left out.
pub(in crate::disclosure) const PROVIDERS: Definition = Definition {
    name: "providers",
    cells: &["at_information", "not_at_information"],
    ages: None,
    // A childminder is an adult, who may be in every table of adults besides.
    adults: true,
    recurs: Recurs::WhileOfAge,
    cap: 1,
    reads: &[RecordType::ProviderSession],
    needs: &[],
    finest: Base::Authority,
    exact: false,
    sort: Sort::Organisations(providers),
};

/// Schools that a centre was in contact with in the twelve months, by whether they take part.
pub(in crate::disclosure) const SCHOOLS: Definition = Definition {
    name: "schools",
    cells: &["engaged", "not_engaged"],
    ages: None,
    adults: false,
    recurs: Recurs::WhileOfAge,
    cap: 1,
    reads: &[RecordType::SchoolContact],
    needs: &[],
    finest: Base::Authority,
    exact: true,
    sort: Sort::Organisations(schools),
};

const SCHOOL: u8 = provider_session::KIND.number_of("school");
const INFORMATION: u8 = provider_session::SESSION.number_of("information");

/// The records of a type in the twelve months, with whose they are.
fn of_year<'a>(
    events: &'a [Event],
    period: &'a Period,
    (record_type, urn): (RecordType, u8),
) -> impl Iterator<Item = (&'a [u8; 16], &'a Event)> {
    let counts = move |event: &&Event| {
        event.record_type == record_type
            && event.known <= period.close
            && event.day.is_some_and(|day| period.year_ago < day && day <= period.last)
    };
    events.iter().filter(counts).filter_map(move |event| match event.value(urn) {
        Some(Value::Key(whose)) => Some((whose, event)),
        _ => None,
    })
}

fn providers(events: &[Event], period: &Period) -> Vec<Cell> {
    let mut found: BTreeMap<&[u8; 16], (bool, bool)> = BTreeMap::new();
    let asked = (RecordType::ProviderSession, provider_session::URN);
    for (whose, event) in of_year(events, period, asked) {
        let (is_school, came) = found.entry(whose).or_insert((true, false));
        *is_school &= event.code_of(provider_session::WHAT) == Some(SCHOOL);
        *came |= event.code_of(provider_session::WHICH) == Some(INFORMATION)
            && event.flag_of(provider_session::CAME) == Some(true);
    }
    found.values().filter(|(is_school, _)| !is_school).map(|(_, came)| u8::from(!came)).collect()
}

fn schools(events: &[Event], period: &Period) -> Vec<Cell> {
    let mut found: BTreeMap<&[u8; 16], bool> = BTreeMap::new();
    let met = (RecordType::SchoolContact, school_contact::URN);
    for (whose, event) in of_year(events, period, met) {
        let engaged = event.flag_of(school_contact::ENGAGED) == Some(true);
        *found.entry(whose).or_insert(false) |= engaged;
    }
    found.values().map(|engaged| u8::from(!engaged)).collect()
}
