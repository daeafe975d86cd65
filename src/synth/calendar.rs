//! The simulation's time: days, the quarters that are simulated, and when what happened becomes known.

use jiff::civil::{Date, date};

use crate::domain::Quarter;
use crate::domain::time::{date_of, epoch_day, years_after};

/// No date in any file lies after this day, so that everything is known before the last close day.
const LATEST: Date = date(2026, 5, 10);

/// The last quarter that is simulated.
const LAST_QUARTER: Date = date(2026, 1, 1);

/// Days from the period's first day to the day on which everything older is handed over.
const INITIAL_LOAD_AFTER_DAYS: i32 = 7;

/// The share of records of the period that reach us only after their quarter's close day.
const LATE: f64 = 0.015;

/// A day, as whole days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Day(i32);

impl Day {
    pub(super) fn of(date: Date) -> Self {
        Self(epoch_day(date))
    }

    /// The calendar date; days of the simulation lie between 1930 and 2027.
    pub(super) fn date(self) -> Date {
        date_of(self.0).unwrap_or(LATEST)
    }

    pub(super) fn plus(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// Days since `earlier`; negative if that lies ahead.
    pub(super) fn since(self, earlier: Self) -> i32 {
        self.0 - earlier.0
    }

    /// The same date so many years on (29 February becomes 28 February).
    pub(super) fn years_on(self, years: i32) -> Self {
        Self::of(years_after(self.date(), years))
    }

    /// 0 for Monday.
    pub(super) fn weekday(self) -> i32 {
        (self.0 + 3).rem_euclid(7)
    }

    /// The first day after this one that is the given weekday (0 for Monday).
    pub(super) fn next_weekday(self, weekday: i32) -> Self {
        self.plus((weekday - self.weekday() + 6).rem_euclid(7) + 1)
    }
}

/// A quarter with the days that its definitions use.
#[derive(Clone, Copy)]
pub(super) struct Closing {
    pub(super) quarter: Quarter,
    pub(super) first: Day,
    /// S: the last day.
    pub(super) last: Day,
    /// What is known later does not count in this quarter's states.
    pub(super) close: Day,
    /// The 12 months up to S begin after this day.
    pub(super) year_before: Day,
    /// Children born after this day are under five at S.
    pub(super) five_years_before: Day,
    /// The school term that is counted in this quarter.
    pub(super) term: Term,
}

impl Closing {
    fn of(quarter: Quarter) -> Self {
        let last = Day::of(quarter.last_day());
        Self {
            quarter,
            first: Day::of(quarter.first_day()),
            last,
            close: Day::of(quarter.close_day()),
            year_before: last.years_on(-1),
            five_years_before: last.years_on(-5),
            term: Term::of(quarter),
        }
    }

    pub(super) fn holds(&self, day: Day) -> bool {
        self.first <= day && day <= self.last
    }

    /// Whether somebody born on that day is a living under-five at S.
    pub(super) fn under_five(&self, born: Day) -> bool {
        born <= self.last && born > self.five_years_before
    }
}

/// A school term.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Term {
    year: i16,
    season: Season,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Season {
    Spring,
    Summer,
    Autumn,
}

impl Term {
    fn of(quarter: Quarter) -> Self {
        let season = match quarter.number() {
            1 => Season::Spring,
            4 => Season::Autumn,
            _ => Season::Summer,
        };
        Self { year: quarter.year(), season }
    }

    /// Its first day for eligibility: 1 January, 1 April or 1 September.
    pub(super) fn first(self) -> Day {
        let month = match self.season {
            Season::Spring => 1,
            Season::Summer => 4,
            Season::Autumn => 9,
        };
        Day::of(date(self.year, month, 1))
    }

    /// Days from its first day to the day on which children start.
    pub(super) fn starts_after_days(self) -> i32 {
        match self.season {
            Season::Spring => 5,
            Season::Summer => 13,
            Season::Autumn => 2,
        }
    }
}

impl std::fmt::Display for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let season = match self.season {
            Season::Spring => "spring",
            Season::Summer => "summer",
            Season::Autumn => "autumn",
        };
        write!(f, "{:04}-{season}", self.year)
    }
}

/// The simulated period.
pub(super) struct Period {
    /// In order; the last is 2026Q1.
    pub(super) quarters: Vec<Closing>,
    /// Children are simulated from this birth date on: five years before the period.
    pub(super) births_from: Day,
    /// Attendances are simulated from here: the first quarter's 12 months.
    pub(super) attendances_from: Day,
    pub(super) first: Day,
    pub(super) last: Day,
    /// When everything from before the period is handed over.
    pub(super) load: Day,
    /// No date in any file is later.
    pub(super) latest: Day,
}

impl Period {
    pub(super) fn new(quarters: u8) -> Self {
        let mut quarter = Quarter::of(LAST_QUARTER);
        let mut backwards = vec![Closing::of(quarter)];
        for _ in 1..quarters {
            quarter = quarter.previous();
            backwards.push(Closing::of(quarter));
        }
        backwards.reverse();
        let first = Closing::of(quarter);
        Self {
            quarters: backwards,
            births_from: first.first.years_on(-5),
            attendances_from: first.year_before.plus(1),
            first: first.first,
            last: Day::of(Quarter::of(LAST_QUARTER).last_day()),
            load: first.first.plus(INITIAL_LOAD_AFTER_DAYS),
            latest: Day::of(LATEST),
        }
    }

    /// The terms that the quarters count, in order.
    pub(super) fn terms(&self) -> Vec<Term> {
        let mut terms: Vec<Term> = self.quarters.iter().map(|closing| closing.term).collect();
        terms.dedup_by(|a, b| a == b);
        terms
    }

    /// The day on which a sender that extracts on `weekday` makes something known that it learned on `day`.
    /// A small share comes late: after the close day of the quarter it happened in.
    pub(super) fn known(&self, day: Day, weekday: i32, dice: &mut super::dice::Dice) -> Day {
        if day < self.first {
            return self.load;
        }
        if dice.chance(LATE)
            && let Some(own) = self.quarters.iter().find(|closing| closing.holds(day))
        {
            let late = own.close.plus(dice.between(1, 75));
            if late <= self.latest {
                return late;
            }
        }
        day.next_weekday(weekday).min(self.latest)
    }

    /// The close day by which something known on `known` first counts; the last one if it never does.
    pub(super) fn first_close(&self, known: Day) -> Day {
        self.quarters
            .iter()
            .map(|closing| closing.close)
            .find(|close| *close >= known)
            .unwrap_or(self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_quarters_end_with_the_first_of_2026() {
        let period = Period::new(8);
        let labels: Vec<String> = period.quarters.iter().map(|c| c.quarter.to_string()).collect();
        assert_eq!(labels.first().map(String::as_str), Some("2024Q2"));
        assert_eq!(labels.last().map(String::as_str), Some("2026Q1"));
        assert_eq!(period.births_from.date(), date(2019, 4, 1));
        assert_eq!(period.attendances_from.date(), date(2023, 7, 1));
        let terms: Vec<String> = period.terms().iter().map(ToString::to_string).collect();
        assert_eq!(terms.len(), 6);
        assert_eq!(terms[0], "2024-summer");
        assert_eq!(terms[5], "2026-spring");
    }

    #[test]
    fn weekdays_follow_the_calendar() {
        let thursday = Day::of(date(1970, 1, 1));
        assert_eq!(thursday.weekday(), 3);
        assert_eq!(thursday.next_weekday(3).since(thursday), 7);
        assert_eq!(thursday.next_weekday(4).since(thursday), 1);
        assert_eq!(thursday.next_weekday(0).date(), date(1970, 1, 5));
    }

    #[test]
    fn a_fifth_birthday_on_the_last_day_is_no_longer_under_five() {
        let closing = Closing::of(Quarter::of(date(2026, 3, 1)));
        assert!(!closing.under_five(Day::of(date(2021, 3, 31))));
        assert!(closing.under_five(Day::of(date(2021, 4, 1))));
        assert!(closing.under_five(Day::of(date(2026, 3, 31))));
        assert!(!closing.under_five(Day::of(date(2026, 4, 1))));
    }
}
