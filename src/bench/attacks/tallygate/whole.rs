//! Whole releases of one child's quarters: the dearest quarter or life that a catalogue allows.
//!
//! Two children that could be the same one are counted by the real count: one is registered and has
//! had, and on time, whatever a table asks for; the other is in the same tables in other cells. The
//! exact counts of each quarter are frozen once for either; every trial draws noise for every
//! cell of every quarter's release, as a freeze draws it, and the attacker reads all of them. In
//! each run of trials one release is frozen from the count itself by the same seed and compared.
//!
//! What is not apart as much as the ledger charges: births have one cell; who does not come can be
//! asked why only if registered; and a profile is counted once, but charged twice to a child who is 60
//! months old on one last day of September and 72 on the next; a baby of two months is charged for the
//! quarter's births and for those of the quarter before, and is one of them. So these two are a little harder to
//! tell apart (0.585 in a quarter, 0.793 in a childhood) than the ledger allows (0.594, 0.800).

use super::{
    super::{bound::Contrast, cells::Dice},
    Build, Found, decide,
    world::{lsoa, no_such_code, without_limits},
};
use crate::{
    bench::{
        BenchError,
        noise::{Noiseless, closing, draw_into, drawn},
    },
    disclosure::{
        Catalogue, Counter, DisclosureError, Geography, Ledger, PersonFacts, ReachArea, Release,
        cost::{ChargedLife, dearest_life, dearest_quarter},
        noise::Noises,
        period::Period,
    },
    domain::{
        Event, Lsoa, PersonId, Quarter, RecordType, Role,
        crosswalk::ETHNIC_GROUP,
        field::Value,
        records::{
            development_score, early_years_profile, family_case, feeding_6_8_week, funded_place,
            health_review, live_birth, referral, registration, session_attendance, survey,
            two_year_old_eligibility,
        },
        row::Sex,
        time::epoch_day,
    },
};
use jiff::civil::Date;
use rand::{CryptoRng, Rng, SeedableRng, rngs::StdRng};

/// Others in the area, half of them as the one and half as the other.
const OTHERS: i64 = 12;

/// A cell in which the two sides differ.
struct Apart {
    table: usize,
    row: usize,
    column: usize,
    /// The variance claimed.
    variance: u32,
    /// Without the change and with it.
    exact: [i64; 2],
}

/// A quarter: its exact release without the change and with it, and where they differ.
struct Pair {
    quarter: Quarter,
    exact: [Release; 2],
    apart: Vec<Apart>,
}

/// So many trials on the dearest quarter or life.
pub(super) fn attacked(
    build: &Build,
    childhood: bool,
    trials: u64,
    dice: &mut Dice,
) -> Result<Found, BenchError> {
    let claimed = &build.claimed;
    let life = if childhood { dearest_life(claimed) } else { dearest_quarter(claimed) };
    let town = Town::new(&life)?;
    let pairs = town.pairs(build)?;
    let mut noises = Noises::default();
    town.is_what_a_freeze_draws(build, &pairs, &mut noises, dice)?;
    let mut found = Found::default();
    for pair in &pairs {
        for apart in &pair.apart {
            let shift = (apart.exact[1] - apart.exact[0]).unsigned_abs();
            found.counted.add(apart.variance, u32::try_from(shift).unwrap_or(u32::MAX), 1);
        }
    }
    found.charged = charged(&life, 2);
    let mut seen: Vec<Release> = pairs.iter().map(|pair| pair.exact[0].clone()).collect();
    for _ in 0..trials {
        let truth = dice.coin();
        let mut ratio = 0.0;
        for (pair, seen) in pairs.iter().zip(&mut seen) {
            draw_into(seen, &pair.exact[usize::from(truth)], &mut noises, dice.rng());
            ratio += pair.apart.iter().map(|apart| apart.ratio(seen)).sum::<f64>();
        }
        found.tally.record(truth, decide(ratio, dice));
    }
    Ok(found)
}

/// What a life's change is charged by the ledger: `cells` times the cap of each table, each time.
pub(in crate::bench::attacks) fn charged(life: &ChargedLife<'_>, cells: u32) -> Contrast {
    let mut contrast = Contrast::default();
    for lived in &life.tables {
        contrast.add(lived.table.variance, 1, cells * lived.table.cap * lived.times);
    }
    contrast
}

impl Apart {
    /// The log-likelihood ratio of the change, by what stands in a release.
    fn ratio(&self, seen: &Release) -> f64 {
        let seen = seen.tables[self.table].counts[self.row][self.column];
        let square = |exact: i64| ((seen - exact) as f64).powi(2);
        (square(self.exact[0]) - square(self.exact[1])) / (2.0 * f64::from(self.variance))
    }
}

/// One area of one authority, and a life in it.
struct Town {
    geography: Geography,
    born: Date,
    quarters: Vec<Quarter>,
    /// Of the child without the change and with it.
    events: [Vec<Event>; 2],
}

impl Town {
    fn new(life: &ChargedLife<'_>) -> Result<Self, BenchError> {
        let born = life.born.unwrap_or(super::world::BORN);
        let place = lsoa(1).map_err(no_such_code)?;
        let area = ReachArea {
            code: "A0000".parse()?,
            cluster: "K0000".parse()?,
            lead_agency: None,
            lsoas: vec![place],
            under_fives: 1_000,
        };
        let geography = Geography::new("1".to_owned(), "W0001".parse()?, vec![area])?
            .with_places(&[(0, place)], &[place])?;
        // The last of a life's quarters in which anything of it can be counted.
        let grown = |quarter: &Quarter| quarter.last_day().year() <= born.year() + 6;
        let quarters = life.quarters.iter().copied().filter(grown);
        let quarters: Vec<Quarter> = quarters.filter(|q| q.last_day() >= born).collect();
        let events = [false, true].map(|with| lived(born, quarters.last().copied(), place, with));
        Ok(Self { geography, born, quarters, events })
    }

    fn count<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        quarter: Quarter,
        with: bool,
    ) -> Result<Counter<'a>, DisclosureError> {
        let mut counter = Counter::new(catalogue, Period::new(quarter), &self.geography)?;
        for number in 0..=OTHERS {
            let side = if number < OTHERS { number % 2 == 0 } else { with };
            counter.add(&PersonFacts {
                person: PersonId::new(number + 1),
                date_of_birth: Some(self.born),
                sex: Sex::Female,
                death: None,
                events: &self.events[usize::from(side)],
            })?;
        }
        Ok(counter)
    }

    fn release<R: CryptoRng + ?Sized>(
        &self,
        catalogue: &Catalogue,
        quarter: Quarter,
        with: bool,
        rng: &mut R,
    ) -> Result<Release, DisclosureError> {
        let ledger = Ledger::new(without_limits()?);
        self.count(catalogue, quarter, with)?.freeze(rng, closing(&ledger))
    }

    fn pairs(&self, build: &Build) -> Result<Vec<Pair>, DisclosureError> {
        let pair = |quarter: &Quarter| {
            let exact = |with| self.release(&build.built, *quarter, with, &mut Noiseless);
            let exact = [exact(false)?, exact(true)?];
            let apart = apart(&build.claimed, &exact);
            Ok(Pair { quarter: *quarter, exact, apart })
        };
        self.quarters.iter().map(pair).collect()
    }

    /// Whether a freeze of the count itself gives, bit by bit, what is drawn from its exact
    /// release.
    fn is_what_a_freeze_draws(
        &self,
        build: &Build,
        pairs: &[Pair],
        noises: &mut Noises,
        dice: &mut Dice,
    ) -> Result<(), BenchError> {
        let (seed, with) = (dice.rng().next_u64(), dice.coin());
        let last = pairs.len().saturating_sub(1);
        let at = dice.between(0, u32::try_from(last).unwrap_or(0) + 1);
        let Some(pair) = usize::try_from(at).ok().and_then(|at| pairs.get(at)) else {
            return Ok(());
        };
        let rng = || StdRng::seed_from_u64(seed);
        let frozen = self.release(&build.built, pair.quarter, with, &mut rng())?;
        let again = drawn(&pair.exact[usize::from(with)], noises, &mut rng());
        if frozen == again { Ok(()) } else { Err(BenchError::OtherNoise) }
    }
}

fn apart(claimed: &Catalogue, [without, with]: &[Release; 2]) -> Vec<Apart> {
    let mut apart = Vec::new();
    for (table, (one, other)) in without.tables.iter().zip(&with.tables).enumerate() {
        let variance = claimed.table(&one.id).map_or(0, |table| table.variance);
        for (row, (one, other)) in one.counts.iter().zip(&other.counts).enumerate() {
            for (column, (one, other)) in one.iter().zip(other).enumerate() {
                if one != other {
                    apart.push(Apart { table, row, column, variance, exact: [*one, *other] });
                }
            }
        }
    }
    apart
}

const NEW_BIRTH: u8 = health_review::REVIEW.number_of("new_birth");
const REVIEWS: [(u8, i32); 4] = [
    (NEW_BIRTH, 10),
    (health_review::REVIEW.number_of("six_to_eight_week"), 50),
    (health_review::REVIEW.number_of("twelve_month"), 360),
    (health_review::REVIEW.number_of("two_to_two_and_a_half_year"), 890),
];
const COMPLETED: u8 = health_review::OUTCOME.number_of("completed");
/// Days into a quarter on which what recurs happens.
const INTO: i32 = 5;

/// Records as they are put together.
struct Records {
    place: Lsoa,
    events: Vec<Event>,
}

impl Records {
    fn add(&mut self, record_type: RecordType, day: i32, values: Vec<(u8, Value)>) {
        self.events.push(Event {
            record_type,
            role: Role::Principal,
            day: Some(day),
            known: day,
            place: Some(self.place),
            values,
        });
    }
}

/// All that is known of a child up to a quarter, without the change or with it: it is in the same
/// tables, and in other cells of them.
fn lived(born: Date, last: Option<Quarter>, place: Lsoa, with: bool) -> Vec<Event> {
    let (birth, first) = (epoch_day(born), Quarter::of(born));
    let mut all = Records { place, events: Vec::new() };
    let pakistani = Value::Code(ETHNIC_GROUP.number_of("pakistani"));
    // A birth that becomes known late is counted in the quarter after.
    all.events.push(Event {
        record_type: RecordType::LiveBirth,
        role: Role::Principal,
        day: None,
        known: if with { epoch_day(first.close_day()) + 1 } else { birth },
        place: Some(place),
        values: vec![(live_birth::ETHNICITY, pakistani.clone())],
    });
    let case = vec![
        (family_case::TYPE, Value::Code(family_case::CASE_TYPE.number_of("cp"))),
        (family_case::OPENED, Value::Day(birth)),
        (family_case::REFERENCE_CHILD, Value::Flag(true)),
    ];
    all.add(RecordType::FamilyCase, birth, case);
    let fed = feeding_6_8_week::FEEDING.number_of(if with { "total" } else { "none" });
    let fed = vec![(feeding_6_8_week::FED, Value::Code(fed))];
    all.add(RecordType::FeedingSixToEightWeek, birth + 50, fed);
    let score = vec![(development_score::ON_TRACK, Value::Flag(with))];
    all.add(RecordType::DevelopmentScore, birth + 890, score);
    if with {
        let start = Value::Day(birth);
        let registered =
            vec![(registration::START_DATE, start), (registration::ETHNICITY, pakistani)];
        all.add(RecordType::Registration, birth, registered);
        REVIEWS.into_iter().for_each(|(review, day)| reviewed(&mut all, review, birth + day));
    }
    profile(&mut all, born, with);
    let quarters = std::iter::successors(Some(first), |quarter| Some(quarter.next()));
    for quarter in quarters.take_while(|quarter| last.is_some_and(|last| *quarter <= last)) {
        // Not before the first visit.
        let day = (epoch_day(quarter.first_day()) + INTO).max(birth + 11);
        in_quarter(&mut all, (day, Period::new(quarter).term()), with);
    }
    all.events
}

fn reviewed(all: &mut Records, review: u8, day: i32) {
    let values = vec![
        (health_review::WHICH, Value::Code(review)),
        (health_review::CAME_OF_IT, Value::Code(COMPLETED)),
    ];
    all.add(RecordType::HealthReview, day, values);
}

/// The profile at the end of the school year in which the child turns five.
fn profile(all: &mut Records, born: Date, with: bool) {
    let year = born.year() + if born.month() <= 8 { 5 } else { 6 };
    let values = vec![
        (early_years_profile::YEAR, Value::Integer(i32::from(year))),
        (early_years_profile::REACHED, Value::Flag(with)),
        (early_years_profile::MEALS, Value::Flag(true)),
    ];
    all.add(RecordType::EarlyYearsProfile, epoch_day(Date::constant(year, 7, 1)), values);
}

/// What happens in each quarter.
fn in_quarter(all: &mut Records, (day, term): (i32, i32), with: bool) {
    let listed = vec![(two_year_old_eligibility::LIST_DATE, Value::Day(day))];
    all.add(RecordType::TwoYearOldEligibility, day, listed);
    let sessions = vec![
        (session_attendance::TERM, Value::Integer(term)),
        (session_attendance::POSSIBLE, Value::Integer(100)),
        (session_attendance::ATTENDED, Value::Integer(if with { 100 } else { 50 })),
        (session_attendance::SEN, Value::Code(1)),
    ];
    all.add(RecordType::SessionAttendance, day, sessions);
    // In and from two; in from a third and out to a fourth.
    let parties = if with {
        [("in", "health"), ("in", "school")]
    } else {
        [("in", "jobcentre"), ("out", "social_care")]
    };
    for (direction, party) in parties {
        let mut values = vec![
            (referral::WHICH_WAY, Value::Code(referral::DIRECTION.number_of(direction))),
            (referral::PARTY, Value::Code(referral::OTHER_PARTY.number_of(party))),
        ];
        if with {
            let engaged = Value::Code(referral::OUTCOME.number_of("engaged"));
            values.extend([(referral::CAME_OF_IT, engaged), (referral::CAME_ON, Value::Day(day))]);
        }
        all.add(RecordType::Referral, day, values);
    }
    if with {
        reviewed(all, NEW_BIRTH, day);
        let asked = Value::Code(survey::KIND.number_of("non_attender"));
        all.add(RecordType::Survey, day, vec![(survey::WHICH, asked)]);
        for age in [2, 3] {
            let values = vec![
                (funded_place::TERM, Value::Integer(term)),
                (funded_place::FUNDED_AGE, Value::Integer(age)),
            ];
            all.add(RecordType::FundedPlace, day, values);
        }
    }
}
