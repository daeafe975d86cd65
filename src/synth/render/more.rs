//! The columns and values of the agencies' further files.

use std::io::Write;

use crate::domain::RecordType;
use crate::domain::records::{
    feeding_6_8_week, registration::TARGET_GROUPS, support_case, survey, volunteer_placement,
    work_status,
};
use crate::synth::SynthError;
use crate::synth::identifiers::upn;
use crate::synth::people::{Part, Person};
use crate::synth::record::{Entry, More};

use super::{Sheet, World};

/// A profile's goals, in their order, and what follows from them.
const PROFILE: [&str; 22] = [
    "upn",
    "year",
    "com_g01",
    "com_g02",
    "pse_g03",
    "pse_g04",
    "pse_g05",
    "phy_g06",
    "phy_g07",
    "lit_g08",
    "lit_g09",
    "lit_g10",
    "mat_g11",
    "mat_g12",
    "utw_g13",
    "utw_g14",
    "utw_g15",
    "exp_g16",
    "exp_g17",
    "good_level",
    "free_school_meals",
    "eal",
];

/// The columns of a file after the person's.
pub(super) const fn columns(record_type: RecordType) -> &'static [&'static str] {
    match record_type {
        RecordType::Antenatal => &["expected_date"],
        RecordType::FeedingSixToEightWeek => &["feeding"],
        RecordType::DevelopmentScore => &[
            "interval_months",
            "communication",
            "gross_motor",
            "fine_motor",
            "problem_solving",
            "personal_social",
            "on_track",
        ],
        RecordType::SessionAttendance => &["upn", "term", "possible", "attended", "provider_urn"],
        RecordType::EarlyYearsProfile => &PROFILE,
        RecordType::WorkStatus => &["nino", "status", "work_start"],
        RecordType::SupportCase => &["case_id", "centre", "level", "opened", "closed", "outcome"],
        RecordType::Survey => &["survey", "centre", "satisfaction", "why_not"],
        RecordType::VolunteerPlacement => {
            &["centre", "start_date", "end_date", "stage", "outcome", "target_groups"]
        }
        // A death says nothing more, and the others are not made up of persons.
        _ => &[],
    }
}

impl<W: Write> Sheet<W> {
    pub(super) fn more(
        &mut self,
        world: &World<'_>,
        person: &Person,
        entry: &Entry,
        more: More,
    ) -> Result<(), SynthError> {
        match more {
            More::Death => Ok(()),
            More::Antenatal { expected } => self.day(expected),
            More::Feeding { fed } => self.code(&feeding_6_8_week::FEEDING, fed),
            More::Scores { interval, scores, on_track } => {
                self.show(&interval)?;
                scores.iter().try_for_each(|score| self.show(score))?;
                self.flag(on_track)
            }
            More::Sessions { term, possible, attended, provider } => {
                self.show(&upn(entry.person.number()))?;
                self.show(&term)?;
                self.show(&possible)?;
                self.show(&attended)?;
                self.show(&format_args!("EY{:06}", 500_000 + u32::from(provider) * 37))
            }
            More::Profile { year, goals, meals, eal } => {
                self.show(&upn(entry.person.number()))?;
                self.show(&year)?;
                for goal in 0..17 {
                    self.text(if goals >> goal & 1 == 1 { "2" } else { "1" })?;
                }
                self.flag(More::good_level(goals))?;
                self.flag(meals)?;
                self.flag(eal)
            }
            More::Work { status, start } => {
                if let Part::Adult { nino, .. } = &person.part {
                    self.show(nino)?;
                } else {
                    self.text("")?;
                }
                self.code(&work_status::STATUS, status)?;
                self.day_or_empty(start)
            }
            More::Support { .. } | More::Survey { .. } | More::Volunteer { .. } => {
                self.more_of_centres(world, entry, more)
            }
        }
    }

    fn more_of_centres(
        &mut self,
        world: &World<'_>,
        entry: &Entry,
        more: More,
    ) -> Result<(), SynthError> {
        let code = |centre: u8| world.ground.facts.areas[usize::from(centre)].code;
        match more {
            More::Support { case, centre, level, closed, outcome } => {
                self.show(&format_args!("SC-{:06}", case.0))?;
                self.text(code(centre))?;
                self.code(&support_case::LEVEL, level)?;
                self.day(entry.event)?;
                self.day_or_empty(closed)?;
                match closed {
                    Some(_) => self.code(&support_case::OUTCOME, outcome),
                    None => self.text(""),
                }
            }
            More::Survey { kind, centre, satisfaction, why_not } => {
                self.code(&survey::KIND, kind)?;
                self.text(code(centre))?;
                match satisfaction {
                    0 => self.text("")?,
                    answer => self.show(&answer)?,
                }
                self.codes(&survey::WHY_NOT, why_not)
            }
            More::Volunteer { centre, end, stage, outcome, groups } => {
                self.text(code(centre))?;
                self.day(entry.event)?;
                self.day_or_empty(end)?;
                self.code(&volunteer_placement::STAGE, stage)?;
                match end {
                    Some(_) => self.code(&volunteer_placement::OUTCOME, outcome)?,
                    None => self.text("")?,
                }
                self.codes(&TARGET_GROUPS, groups)
            }
            _ => Ok(()),
        }
    }

    fn flag(&mut self, yes: bool) -> Result<(), SynthError> {
        self.text(if yes { "yes" } else { "no" })
    }
}
