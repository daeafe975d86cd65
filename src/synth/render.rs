//! One record as a row: columns in the order of the interface (envelope, the person, consent, the payload),
//! values as the record states them, typing errors included.

mod more;

use std::fmt::{Display, Write as _};
use std::io::Write;

use crate::domain::RecordType;
use crate::domain::field::CodeList;
use crate::domain::records::{
    attendance, family_case, health_review, learning_aim, movement, referral, registration,
    two_year_old_eligibility,
};

use super::SynthError;
use super::calendar::{Day, Period};
use super::dirt::{mistyped_birth, mistyped_name, shows_nhs_number};
use super::ground::Ground;
use super::output::{ConsentRef, Kind, local_id};
use super::people::{Coin, Part, People, Person};
use super::record::{Entry, Facts, Feed, Flaw, Home, Partner};

/// What rows are made from.
pub(super) struct World<'a> {
    pub(super) people: &'a People,
    pub(super) ground: &'a Ground,
    pub(super) period: &'a Period,
}

const PERSON: [&str; 14] = [
    "record_id",
    "operation",
    "extracted_at",
    "event_date",
    "nhs_number",
    "local_id",
    "forename",
    "surname",
    "date_of_birth",
    "sex",
    "postcode",
    "uprn",
    "lsoa_2011",
    "consent_ref",
];

/// The columns of a record type's file after the person's.
pub(super) fn own_columns(record_type: RecordType) -> &'static [&'static str] {
    match record_type {
        RecordType::LiveBirth => &[
            "mother_nhs_number",
            "mother_forename",
            "mother_surname",
            "mother_date_of_birth",
            "plurality",
            "birth_order",
            "ethnicity",
        ],
        RecordType::HealthReview => &["review", "outcome"],
        RecordType::TwoYearOldEligibility => {
            &["parent_nino", "parent_forename", "parent_surname", "list_date", "criterion"]
        }
        RecordType::FundedPlace => &["term", "funded_age", "hours", "provider_urn", "sen"],
        RecordType::LearningAim => &[
            "uln",
            "aim_reference",
            "start_date",
            "planned_end_date",
            "completion_status",
            "outcome",
            "destination",
            "esol",
        ],
        RecordType::FamilyCase => &[
            "case_id",
            "case_type",
            "opened",
            "closed",
            "criteria",
            "member_role",
            "reference_child",
        ],
        RecordType::Registration => {
            &["centre", "start_date", "end_date", "source", "target_groups"]
        }
        RecordType::Attendance => &["attendee", "centre", "activity"],
        RecordType::Referral => &["direction", "other_party", "reason", "outcome", "outcome_date"],
        RecordType::Movement => &["movement"],
        other => more::columns(other),
    }
}

/// A CSV file being written.
pub(super) struct Sheet<W: Write> {
    csv: csv::Writer<W>,
    scratch: String,
}

impl<W: Write> Sheet<W> {
    pub(super) fn new(out: W) -> Self {
        Self { csv: csv::Writer::from_writer(out), scratch: String::new() }
    }

    pub(super) fn header(&mut self, record_type: RecordType) -> Result<(), SynthError> {
        for column in PERSON.iter().chain(own_columns(record_type)) {
            self.text(column)?;
        }
        self.end()
    }

    pub(super) fn finish(mut self) -> Result<(), SynthError> {
        self.csv.flush().map_err(|source| SynthError::Write { source })
    }

    /// One row of an entry: its number, what it does, and the day it becomes known.
    pub(super) fn row(
        &mut self,
        world: &World<'_>,
        feed: &Feed,
        entry: &Entry,
        (number, kind, known): (u32, Kind, Day),
    ) -> Result<(), SynthError> {
        let type_number = feed.record_type.number();
        self.show(&format_args!("{}{type_number}-{number:07}", feed.partner.letter()))?;
        self.text(if kind == Kind::Withdraw { "withdraw" } else { "upsert" })?;
        self.day(known)?;
        self.day(entry.event)?;
        self.person(world, feed.partner, entry)?;
        if feed.partner == Partner::Centres {
            self.show(&ConsentRef(entry.person))?;
        } else {
            self.text("")?;
        }
        self.own(world, entry)?;
        self.end()
    }

    fn person(
        &mut self,
        world: &World<'_>,
        partner: Partner,
        entry: &Entry,
    ) -> Result<(), SynthError> {
        let person = world.people.person(entry.person);
        match (entry.flaw, shows_nhs_number(entry, partner, person)) {
            (_, false) => self.text("")?,
            (Flaw::CheckDigit, true) => self.show(&person.nhs_number.with_wrong_check())?,
            (_, true) => self.show(&person.nhs_number)?,
        }
        if partner == Partner::Dwp {
            self.text("")?;
        } else {
            self.scratch.clear();
            local_id(partner, person, entry.person, &mut self.scratch);
            self.csv.write_field(&self.scratch).map_err(SynthError::csv)?;
        }
        match entry.flaw {
            Flaw::Forename(which) => self.text(&mistyped_name(&person.forename, which))?,
            _ => self.text(&person.forename)?,
        }
        match entry.flaw {
            Flaw::Surname(which) => self.text(&mistyped_name(&person.surname, which))?,
            _ => self.text(&person.surname)?,
        }
        match entry.flaw {
            Flaw::BirthDate(which) => self.day(mistyped_birth(person.born, entry.event, which))?,
            _ => self.day(person.born)?,
        }
        self.text(sex(partner, person))?;
        self.home(world, partner, entry.home)
    }

    /// Postcode, UPRN (Health and the families' services hold it) and LSOA (only Health states it).
    fn home(&mut self, world: &World<'_>, partner: Partner, home: Home) -> Result<(), SynthError> {
        let Home::At(address) = home else {
            self.text(if home == Home::NotKnown { "ZZ99 3WZ" } else { "" })?;
            self.text("")?;
            return self.text("");
        };
        self.text(world.ground.postcode(address))?;
        if matches!(partner, Partner::Health | Partner::Families) {
            self.text(&Ground::uprn(address))?;
        } else {
            self.text("")?;
        }
        let lsoa = world.ground.facts.lsoas[world.ground.lsoa(address)].code;
        self.text(if partner == Partner::Health { lsoa } else { "" })
    }

    fn own(&mut self, world: &World<'_>, entry: &Entry) -> Result<(), SynthError> {
        let person = world.people.person(entry.person);
        match entry.facts {
            Facts::LiveBirth => self.birth(world, person),
            Facts::Review { review, outcome } => {
                self.code(&health_review::REVIEW, review)?;
                self.code(&health_review::OUTCOME, outcome)
            }
            Facts::Eligibility { criterion } => {
                let parent = world.people.person(world.people.household(person.household).adult);
                if let Part::Adult { nino, .. } = &parent.part {
                    self.show(nino)?;
                } else {
                    self.text("")?;
                }
                self.text(&parent.forename)?;
                self.text(&parent.surname)?;
                self.day(entry.event)?;
                self.code(&two_year_old_eligibility::CRITERION, criterion)
            }
            Facts::More(more) => self.more(world, person, entry, more),
            Facts::Movement { direction } => self.code(&movement::DIRECTION, direction),
            Facts::FundedPlace { term, age, hours, provider } => {
                self.show(&term)?;
                self.show(&age)?;
                self.show(&hours)?;
                self.show(&format_args!("EY{:06}", 500_000 + u32::from(provider) * 37))?;
                // Eleven in a hundred have support, three a plan.
                self.text(match person.coin(Coin::Needs) {
                    0..30 => "E",
                    30..140 => "K",
                    _ => "N",
                })
            }
            Facts::Aim { .. } | Facts::CaseMember { .. } => self.adult_services(person, entry),
            Facts::Registration { .. } | Facts::Attendance { .. } | Facts::Referral { .. } => {
                self.centres(world, person, entry)
            }
        }
    }

    fn birth(&mut self, world: &World<'_>, person: &Person) -> Result<(), SynthError> {
        let mother = world.people.person(world.people.household(person.household).adult);
        self.show(&mother.nhs_number)?;
        self.text(&mother.forename)?;
        self.text(&mother.surname)?;
        self.day(mother.born)?;
        let (plurality, birth_order) = match person.part {
            Part::Child { plurality, birth_order, .. } => (plurality, birth_order),
            Part::Adult { .. } => (1, 1),
        };
        self.show(&plurality)?;
        self.show(&birth_order)?;
        // Four in a hundred are not stated.
        let origin = world.people.household(person.household).origin;
        self.text(if person.coin(Coin::Ethnicity) < 40 { "Z" } else { origin.nhs_code() })
    }

    fn adult_services(&mut self, person: &Person, entry: &Entry) -> Result<(), SynthError> {
        match entry.facts {
            Facts::Aim { reference, planned_end, completion, outcome, destination, esol } => {
                if let Part::Adult { uln, .. } = &person.part {
                    self.show(uln)?;
                } else {
                    self.text("")?;
                }
                self.show(&format_args!("603{:05}", 10_421 + u32::from(reference) * 977))?;
                self.day(entry.event)?;
                self.day(planned_end)?;
                self.code(&learning_aim::COMPLETION, completion)?;
                self.code(&learning_aim::OUTCOME, outcome)?;
                self.code(&learning_aim::DESTINATION, destination)?;
                self.text(if esol { "yes" } else { "no" })
            }
            Facts::CaseMember { case, case_type, closed, criteria, role, reference } => {
                self.show(&format_args!("FC-{:06}", case.0))?;
                self.code(&family_case::CASE_TYPE, case_type)?;
                self.day(entry.event)?;
                self.day_or_empty(closed)?;
                self.codes(&family_case::CRITERIA, u32::from(criteria))?;
                self.code(&family_case::MEMBER_ROLE, role)?;
                self.text(if reference { "yes" } else { "no" })
            }
            _ => Ok(()),
        }
    }

    fn centres(
        &mut self,
        world: &World<'_>,
        person: &Person,
        entry: &Entry,
    ) -> Result<(), SynthError> {
        let code = |centre: u8| world.ground.facts.areas[usize::from(centre)].code;
        match entry.facts {
            Facts::Registration { centre, end, source, groups } => {
                self.text(code(centre))?;
                self.day(entry.event)?;
                self.day_or_empty(end)?;
                self.code(&registration::SOURCE, source)?;
                self.codes(&registration::TARGET_GROUPS, groups)
            }
            Facts::Attendance { centre, activity } => {
                self.code(&attendance::ATTENDEE, u8::from(!person.is_child()))?;
                self.text(code(centre))?;
                self.code(&attendance::ACTIVITY, activity)
            }
            Facts::Referral { direction, other_party, reason, outcome, outcome_on } => {
                self.code(&referral::DIRECTION, direction)?;
                self.code(&referral::OTHER_PARTY, other_party)?;
                self.code(&referral::REASON, reason)?;
                self.code(&referral::OUTCOME, outcome)?;
                self.day_or_empty(outcome_on)
            }
            _ => Ok(()),
        }
    }

    fn text(&mut self, value: &str) -> Result<(), SynthError> {
        self.csv.write_field(value).map_err(SynthError::csv)
    }

    fn show(&mut self, value: &dyn Display) -> Result<(), SynthError> {
        self.scratch.clear();
        // Writing to a String cannot fail.
        let _ = write!(self.scratch, "{value}");
        self.csv.write_field(&self.scratch).map_err(SynthError::csv)
    }

    fn day(&mut self, day: Day) -> Result<(), SynthError> {
        self.show(&day.date())
    }

    fn day_or_empty(&mut self, day: Option<Day>) -> Result<(), SynthError> {
        match day {
            Some(day) => self.day(day),
            None => self.text(""),
        }
    }

    fn code(&mut self, list: &CodeList, number: u8) -> Result<(), SynthError> {
        self.text(list.codes.get(usize::from(number)).copied().unwrap_or_default())
    }

    fn codes(&mut self, list: &CodeList, bits: u32) -> Result<(), SynthError> {
        self.scratch.clear();
        for (number, code) in list.codes.iter().enumerate() {
            if bits >> number & 1 == 1 {
                if !self.scratch.is_empty() {
                    self.scratch.push(';');
                }
                self.scratch.push_str(code);
            }
        }
        self.csv.write_field(&self.scratch).map_err(SynthError::csv)
    }

    fn end(&mut self) -> Result<(), SynthError> {
        self.csv.write_record(None::<&[u8]>).map_err(SynthError::csv)
    }
}

/// NHS codes, or the schools' ones in the learning service.
fn sex(partner: Partner, person: &Person) -> &'static str {
    match (partner, person.male) {
        (Partner::Learning, true) => "M",
        (Partner::Learning, false) => "F",
        (_, true) => "1",
        (_, false) => "2",
    }
}
