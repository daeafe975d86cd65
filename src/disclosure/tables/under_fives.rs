//! Under-fives by year of age on the quarter's last day.

use crate::disclosure::classify::{Cell, Known};

pub(in crate::disclosure) const CELLS: [&str; 5] = ["age_0", "age_1", "age_2", "age_3", "age_4"];

pub(in crate::disclosure) fn cell(known: &Known<'_>) -> Option<Cell> {
    let months = known.months.filter(|_| known.is_under_five())?;
    Cell::try_from(months / 12).ok()
}
