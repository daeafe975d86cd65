//! A quarter as the definitions see it: days as numbers.

use crate::domain::{Quarter, time::epoch_day};
use jiff::{ToSpan, civil::Date};

/// How old a list of eligible two-year-olds may be at a quarter's end, in days: about a term.
const LIST_AGE_DAYS: i32 = 120;

/// A quarter (Q), its last day (S) and what follows from them. Days are epoch days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The quarter.
    pub quarter: Quarter,
    pub(super) last_date: Date,
    /// The last day of the quarter before.
    last_before: Date,
    pub(super) first: i32,
    /// S.
    pub(super) last: i32,
    /// The last day to become known and count in this quarter.
    pub(super) close: i32,
    /// The same of the quarter before.
    pub(super) close_before: i32,
    /// The first day of the quarter before.
    pub(super) first_before: i32,
    /// S less 12 months: attendances count after it.
    pub(super) year_ago: i32,
    /// The number of the school term in which the quarter's take-up is counted.
    pub(super) term: i32,
}

impl Period {
    /// A quarter.
    #[must_use]
    pub fn new(quarter: Quarter) -> Self {
        let (first, last) = (quarter.first_day(), quarter.last_day());
        // Spring is January to March, summer April to August, autumn September to December.
        let term_of_year = [0, 1, 1, 2][usize::from(quarter.number().unsigned_abs() - 1)];
        Self {
            quarter,
            last_date: last,
            last_before: quarter.previous().last_day(),
            first: epoch_day(first),
            last: epoch_day(last),
            close: epoch_day(quarter.close_day()),
            close_before: epoch_day(quarter.previous().close_day()),
            first_before: epoch_day(quarter.previous().first_day()),
            year_ago: epoch_day(last.saturating_sub(12.months())),
            term: i32::from(quarter.year()) * 3 + term_of_year,
        }
    }

    /// The number of the school term in which the quarter's take-up is counted.
    #[must_use]
    pub const fn term(&self) -> i32 {
        self.term
    }

    /// Whether something that happened on `day` and became known on `known` counts in
    /// this quarter: the later of its own quarter and the first that knows it.
    pub(super) const fn flows_in(&self, day: i32, known: i32) -> bool {
        day <= self.last && known <= self.close && (day >= self.first || known > self.close_before)
    }

    /// Whether a list of this day is one of the last before S. Which lists there are must hang
    /// on no other person's records: "the latest list" would, and whoever's record makes a list the
    /// latest would move everybody else's cell.
    pub(super) fn lists(&self, day: i32) -> bool {
        (self.last - LIST_AGE_DAYS..=self.last).contains(&day)
    }

    /// Whole months that a person born on `birth` has completed on the last day.
    pub(super) fn months_completed(&self, birth: Date) -> i32 {
        months_between(birth, self.last_date)
    }

    /// The same on the last day of the quarter before; negative before the birth.
    pub(super) fn months_completed_before(&self, birth: Date) -> i32 {
        months_between(birth, self.last_before)
    }
}

/// Whole months from a birth to a day.
pub(super) fn months_between(birth: Date, last: Date) -> i32 {
    let months = (i32::from(last.year()) - i32::from(birth.year())) * 12 + i32::from(last.month())
        - i32::from(birth.month());
    months - i32::from(last.day() < birth.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{field::term_number, time::days_after};
    use jiff::civil::date;

    fn quarter(text: &str) -> Quarter {
        text.parse().unwrap()
    }

    #[test]
    fn each_quarter_has_its_term() {
        for (q, term) in [
            ("2026Q1", "2026-spring"),
            ("2025Q2", "2025-summer"),
            ("2025Q3", "2025-summer"),
            ("2025Q4", "2025-autumn"),
        ] {
            assert_eq!(Some(Period::new(quarter(q)).term), term_number(term), "{q}");
        }
    }

    #[test]
    fn flows_count_in_the_later_of_their_quarter_and_the_first_that_knows() {
        let all: Vec<Quarter> =
            std::iter::successors(Some(quarter("2025Q1")), |q| Some(q.next())).take(8).collect();
        for day in (0..500).map(|n| days_after(date(2025, 2, 3), n)) {
            for lag in [0, 1, 20, 41, 42, 43, 90, 131, 132, 140] {
                let known = days_after(day, lag);
                let wanted = Quarter::of(day).max(Quarter::first_that_knows(known));
                let counted: Vec<Quarter> = all
                    .iter()
                    .filter(|q| Period::new(**q).flows_in(epoch_day(day), epoch_day(known)))
                    .copied()
                    .collect();
                assert_eq!(counted, [wanted], "{day} {known}");
            }
        }
    }

    #[test]
    fn a_list_is_of_the_last_120_days() {
        let period = Period::new(quarter("2026Q1"));
        let last = epoch_day(date(2026, 3, 31));
        assert!(period.lists(last) && period.lists(last - 120));
        assert!(!period.lists(last + 1) && !period.lists(last - 121));
    }
}
