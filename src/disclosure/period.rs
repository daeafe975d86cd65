//! A quarter as the definitions see it: days as numbers, and the latest list.

use crate::domain::{
    Quarter,
    time::{days_after, epoch_day},
};
use jiff::{ToSpan, civil::Date};

/// How old the latest list of eligible two-year-olds may be at a quarter's end, in days.
pub const LIST_AGE_DAYS: i32 = 120;

/// The least number of children that makes a day's records a list, and not an error in a
/// date. A single person decides only where a list has exactly this many or one fewer.
pub const LEAST_LIST: u64 = 50;

/// A quarter (Q), its last day (S) and what follows from them. Days are epoch days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The quarter.
    pub quarter: Quarter,
    pub(super) last_date: Date,
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
    /// The latest list's date, when there is one that is young enough.
    pub(super) list: Option<i32>,
}

impl Period {
    /// A quarter, with the date of the latest list of eligible two-year-olds.
    ///
    /// `latest_list` is taken from the authority's declaration or from [`latest_list`];
    /// were it the greatest date of any record, one wrong record could empty the table.
    #[must_use]
    pub fn new(quarter: Quarter, latest_list: Option<Date>) -> Self {
        let (first, last) = (quarter.first_day(), quarter.last_day());
        let list = latest_list.map(epoch_day).filter(|day| is_young(*day, epoch_day(last)));
        // Spring is January to March, summer April to August, autumn September to December.
        let term_of_year = [0, 1, 1, 2][usize::from(quarter.number().unsigned_abs() - 1)];
        Self {
            quarter,
            last_date: last,
            first: epoch_day(first),
            last: epoch_day(last),
            close: epoch_day(quarter.close_day()),
            close_before: epoch_day(quarter.previous().close_day()),
            first_before: epoch_day(quarter.previous().first_day()),
            year_ago: epoch_day(last.saturating_sub(12.months())),
            term: i32::from(quarter.year()) * 3 + term_of_year,
            list,
        }
    }

    /// Whether something that happened on `day` and became known on `known` counts in
    /// this quarter: the later of its own quarter and the first that knows it.
    pub(super) const fn flows_in(&self, day: i32, known: i32) -> bool {
        day <= self.last && known <= self.close && (day >= self.first || known > self.close_before)
    }

    /// Whole months that a person born on `birth` has completed on the last day.
    pub(super) fn months_completed(&self, birth: Date) -> i32 {
        let last = self.last_date;
        let months = (i32::from(last.year()) - i32::from(birth.year())) * 12
            + i32::from(last.month())
            - i32::from(birth.month());
        months - i32::from(last.day() < birth.day())
    }
}

const fn is_young(list: i32, last: i32) -> bool {
    list <= last && list >= last - LIST_AGE_DAYS
}

/// The date of the latest list of eligible two-year-olds at a quarter's end: the greatest
/// of the 120 days before it on which at least [`LEAST_LIST`] children are listed.
///
/// `listed` holds each list date and the number of records that name it.
#[must_use]
pub fn latest_list(quarter: Quarter, listed: &[(Date, u64)]) -> Option<Date> {
    let (last, earliest) = (quarter.last_day(), days_after(quarter.last_day(), -LIST_AGE_DAYS));
    let young =
        listed.iter().filter(|(date, n)| *date <= last && *date >= earliest && *n >= LEAST_LIST);
    young.map(|(date, _)| *date).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::term_number;
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
            assert_eq!(Some(Period::new(quarter(q), None).term), term_number(term), "{q}");
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
                    .filter(|q| Period::new(**q, None).flows_in(epoch_day(day), epoch_day(known)))
                    .copied()
                    .collect();
                assert_eq!(counted, [wanted], "{day} {known}");
            }
        }
    }

    #[test]
    fn the_latest_list_is_young_enough_and_has_enough_children() {
        let q = quarter("2026Q1");
        let edge = days_after(q.last_day(), -120);
        assert_eq!(latest_list(q, &[(edge, 50)]), Some(edge));
        assert_eq!(latest_list(q, &[(days_after(edge, -1), 500)]), None);
        assert_eq!(latest_list(q, &[(q.last_day(), 500)]), Some(q.last_day()));
        assert_eq!(latest_list(q, &[(q.next().first_day(), 500)]), None);
        let mistyped = (date(2026, 3, 9), 49);
        assert_eq!(latest_list(q, &[(edge, 50), mistyped]), Some(edge));
        assert_eq!(Period::new(q, Some(edge)).list, Some(epoch_day(edge)));
        assert_eq!(Period::new(q, Some(days_after(edge, -1))).list, None);
    }
}
