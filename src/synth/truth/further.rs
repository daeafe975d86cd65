//! The truth of the indicators beyond a card's heart: what each person adds, from the records known
//! by the close. The rules are the data book's, written out once more and by other means than where
//! they are counted.

use jiff::civil::Date;

use super::{Counts, Truth, earliest_active};
use crate::synth::agencies::health::AT_TWO;
use crate::synth::calendar::{Closing, Day};
use crate::synth::people::Person;
use crate::synth::record::{Entry, Facts, More};

/// The figures, in the order of [`Further`]; a part stands behind its indicator.
pub(super) const NAMES: [&str; 14] = [
    "three_four_take_up",
    "low_nursery_attendance",
    "referrals_engaged",
    "families_known_to_both",
    "new_birth_visit",
    "six_week_review",
    "six_week_review/breastfed",
    "twelve_month_review",
    "twelve_month_review/by_15_months",
    "twelve_month_review/two_years",
    "good_development",
    "adult_learning",
    "non_attenders_surveyed",
    "satisfaction",
];

/// Counted and out of how many, for each of [`NAMES`].
pub(super) type Further = [(u32, u32); NAMES.len()];

/// Codes of what is asked after: a completed review, an aim completed, feeding not known or not at
/// the breast, the kinds of survey.
const COMPLETED: u8 = 0;
const AIM_COMPLETED: u8 = 1;
const NOT_FED: u8 = 2;
const FEEDING_UNKNOWN: u8 = 3;
const SATISFACTION: u8 = 0;
const NON_ATTENDER: u8 = 1;

/// Months completed on a day; negative before the birth.
fn months(born: Day, day: Day) -> i32 {
    let (born, day) = (born.date(), day.date());
    let whole = (i32::from(day.year()) - i32::from(born.year())) * 12 + i32::from(day.month())
        - i32::from(born.month());
    whole - i32::from(day.day() < born.day())
}

/// One person at one quarter's end.
pub(super) struct Looking<'a> {
    pub(super) known: &'a [&'a Entry],
    pub(super) person: &'a Person,
    pub(super) closing: &'a Closing,
}

impl Looking<'_> {
    fn age(&self) -> i32 {
        months(self.person.born, self.closing.last)
    }

    /// Whether it turned so many months old in the quarter.
    fn turned(&self, age: i32) -> bool {
        let before = self.closing.first.plus(-1);
        self.age() >= age && months(self.person.born, before) < age
    }

    fn in_year(&self, day: Day) -> bool {
        day > self.closing.year_before && day <= self.closing.last
    }

    /// Whether a review was completed by a day of age in days, or by one of months.
    fn reviewed(&self, wanted: u8, in_time: impl Fn(Day) -> bool) -> bool {
        self.known.iter().any(|entry| {
            matches!(entry.facts, Facts::Review { review, outcome: COMPLETED } if review == wanted)
                && in_time(entry.event)
        })
    }

    fn by_days(&self, review: u8, days: i32) -> bool {
        self.reviewed(review, |day| day.since(self.person.born) <= days)
    }

    fn by_months(&self, review: u8, age: i32) -> bool {
        let born = self.person.born.date();
        let due = born.saturating_add(jiff::Span::new().months(age));
        self.reviewed(review, |day| day <= Day::of(due))
    }

    fn funded(&self) -> Option<bool> {
        (36..60).contains(&self.age()).then(|| {
            self.known.iter().any(|entry| {
                matches!(entry.facts, Facts::FundedPlace { term, age: 3 | 4, .. }
                    if term == self.closing.term)
            })
        })
    }

    fn low_attendance(&self) -> Option<bool> {
        let own = self.known.iter().filter_map(|entry| match entry.facts {
            Facts::More(More::Sessions { term, possible, attended, .. })
                if term == self.closing.term =>
            {
                Some((u32::from(possible), u32::from(attended)))
            }
            _ => None,
        });
        let (possible, attended) = own.fold((0, 0), |(p, a), (q, b)| (p + q, a + b));
        let counts = (24..60).contains(&self.age()) && possible > 0;
        counts.then_some(attended * 100 < possible * 85)
    }

    fn engaged(&self) -> Option<bool> {
        if (60..192).contains(&self.age()) || self.age() < 0 {
            return None;
        }
        let own = self.known.iter().filter_map(|entry| match entry.facts {
            Facts::Referral { direction: 0, outcome, outcome_on, .. }
                if self.closing.holds(entry.event.plus(30)) =>
            {
                Some(outcome == 0 && outcome_on.is_some_and(|on| on <= entry.event.plus(30)))
            }
            _ => None,
        });
        own.max()
    }

    fn known_to_both(&self) -> Option<bool> {
        let open = self.known.iter().any(|entry| match entry.facts {
            Facts::CaseMember { closed, reference: true, .. } => {
                entry.event <= self.closing.last
                    && closed.is_none_or(|closed| closed > self.closing.last)
            }
            _ => false,
        });
        let seen = self.known.iter().any(|entry| {
            matches!(entry.facts, Facts::Review { outcome: COMPLETED, .. })
                && self.in_year(entry.event)
        });
        (open && self.closing.under_five(self.person.born)).then_some(seen)
    }

    fn breastfed(&self) -> Option<bool> {
        let own = self.known.iter().filter_map(|entry| match entry.facts {
            Facts::More(More::Feeding { fed }) if fed != FEEDING_UNKNOWN => Some(fed),
            _ => None,
        });
        let eight_weeks = self.closing.holds(self.person.born.plus(56));
        own.min().filter(|_| eight_weeks).map(|fed| fed != NOT_FED)
    }

    fn good_level(&self) -> Option<bool> {
        let year = self.closing.last.date().year();
        let cohort =
            Day::of(Date::constant(year - 6, 9, 1))..=Day::of(Date::constant(year - 5, 8, 31));
        let own = self.known.iter().filter_map(|entry| match entry.facts {
            Facts::More(More::Profile { year: of, goals, .. }) if of == year => {
                Some(More::good_level(goals))
            }
            _ => None,
        });
        own.max().filter(|_| cohort.contains(&self.person.born))
    }

    fn not_attending_surveyed(&self) -> Option<bool> {
        let start = earliest_active(self.known, self.closing)?;
        let long = self.closing.last.since(start) >= super::LONG_DAYS;
        let came = self.known.iter().any(|entry| {
            matches!(entry.facts, Facts::Attendance { .. }) && self.in_year(entry.event)
        });
        let asked = self.known.iter().any(|entry| {
            matches!(entry.facts, Facts::More(More::Survey { kind: NON_ATTENDER, .. }))
                && self.in_year(entry.event)
        });
        (long && !came && self.closing.under_five(self.person.born)).then_some(asked)
    }

    fn satisfied(&self) -> Option<bool> {
        let own = self.known.iter().filter_map(|entry| match entry.facts {
            Facts::More(More::Survey { kind: SATISFACTION, satisfaction, .. })
                if satisfaction > 0 && self.in_year(entry.event) =>
            {
                Some((entry.event, satisfaction))
            }
            _ => None,
        });
        own.max().filter(|_| self.age() >= 192).map(|(_, answer)| answer >= 4)
    }

    /// What it adds to each figure but adults' learning.
    fn adds(&self) -> [Option<bool>; NAMES.len()] {
        let turned_days = |days| self.closing.holds(self.person.born.plus(days));
        [
            self.funded(),
            self.low_attendance(),
            self.engaged(),
            self.known_to_both(),
            turned_days(30).then(|| self.by_days(1, 14)),
            turned_days(56).then(|| self.by_days(2, 56)),
            self.breastfed(),
            self.turned(12).then(|| self.by_months(3, 12)),
            self.turned(15).then(|| self.by_months(3, 15)),
            self.turned(30).then(|| self.by_months(AT_TWO, 30)),
            self.good_level(),
            None,
            self.not_attending_surveyed(),
            self.satisfied(),
        ]
    }

    /// Adds the person to the counts of its area; once for English for speakers of other languages
    /// and once for all else where it learned both.
    pub(super) fn count(&self, truth: &Truth<'_>, position: usize, counts: &mut Counts) {
        for (sum, add) in counts.further.iter_mut().zip(self.adds()) {
            if let Some(counted) = add {
                sum.0 += u32::from(counted);
                sum.1 += 1;
            }
        }
        for wanted in [true, false] {
            let ended = self.known.iter().filter_map(|entry| match entry.facts {
                Facts::Aim { planned_end, completion, esol, .. }
                    if esol == wanted && truth.counted_in(planned_end, entry.known, position) =>
                {
                    Some(completion == AIM_COMPLETED)
                }
                _ => None,
            });
            if let Some(completed) = ended.max().filter(|_| self.age() >= 192) {
                let sum = &mut counts.further[11];
                sum.0 += u32::from(completed);
                sum.1 += 1;
            }
        }
    }
}
