//! Arguments that several commands take: periods and moments.

use crate::{domain::Quarter, synth::MAX_SCALE};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use std::str::FromStr;

/// Where quarters and days are reckoned.
const LONDON: &str = "Europe/London";

/// An argument is not what it should be; the text itself is shown by the argument parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidArgument {
    /// Not a quarter or a span of quarters.
    #[error("write a quarter like 2026Q1, or a span like 2025Q2..2026Q1, the earlier one first")]
    Period,
    /// Not a user's pseudonym.
    #[error("write a user's pseudonym as the log has it: 32 of 0-9 and a-f")]
    User,
    /// Not a size of a population.
    #[error("write a number above 0 and up to 10, like 0.1: 1 is the real place's size")]
    Scale,
    /// Not a day or a moment.
    #[error("write a day like 2026-03-31, or a moment like 2026-03-31T09:30:00Z")]
    Moment,
}

/// One quarter, or a span of them with both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    /// The first quarter.
    pub(super) from: Quarter,
    /// The last quarter.
    pub(super) to: Quarter,
}

impl FromStr for Period {
    type Err = InvalidArgument;
    fn from_str(text: &str) -> Result<Self, InvalidArgument> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let quarter = |text: &str| text.parse::<Quarter>().map_err(|_| InvalidArgument::Period);
        let period = Self { from: quarter(from)?, to: quarter(to)? };
        if period.from <= period.to { Ok(period) } else { Err(InvalidArgument::Period) }
    }
}

/// A user's pseudonym, as the log has it.
pub(super) fn user_pseudonym(text: &str) -> Result<String, InvalidArgument> {
    let lawful =
        text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if lawful { Ok(text.to_owned()) } else { Err(InvalidArgument::User) }
}

/// The size of an invented population.
pub(super) fn scale(text: &str) -> Result<f64, InvalidArgument> {
    let scale = text.parse().ok().filter(|scale| *scale > 0.0 && *scale <= MAX_SCALE);
    scale.ok_or(InvalidArgument::Scale)
}

/// From this moment on: a day counts from its first instant in London.
pub(super) fn from_moment(text: &str) -> Result<Timestamp, InvalidArgument> {
    moment(text, 0)
}

/// Before this moment: a day counts with all its hours, up to the next one's first instant.
pub(super) fn until_moment(text: &str) -> Result<Timestamp, InvalidArgument> {
    moment(text, 1)
}

fn moment(text: &str, days_more: i32) -> Result<Timestamp, InvalidArgument> {
    // A moment is tried first: as a date, its time of day would be dropped in silence.
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if text.len() != "2026-03-31".len() {
        return Err(InvalidArgument::Moment);
    }
    let day: Date = text.parse().map_err(|_| InvalidArgument::Moment)?;
    let zone = TimeZone::get(LONDON).map_err(|_| InvalidArgument::Moment)?;
    day.checked_add(days_more.days())
        .and_then(|day| day.to_zoned(zone))
        .map(|zoned| zoned.timestamp())
        .map_err(|_| InvalidArgument::Moment)
}

/// The day, where the quarter's days are reckoned, of a moment in microseconds since 1970.
pub(super) fn shown_moment(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |at| format!("{at:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_quarter_or_a_span_in_order() {
        let one: Period = "2026Q1".parse().unwrap();
        assert_eq!(one.from, one.to);
        let span: Period = "2025Q2..2026Q1".parse().unwrap();
        assert_eq!(
            (span.from.to_string(), span.to.to_string()),
            ("2025Q2".into(), "2026Q1".into())
        );
        for bad in
            ["", "2026", "2026Q5", "2026Q1..2025Q4", "2026Q1..", "..2026Q1", "2026Q1...2026Q2"]
        {
            assert_eq!(bad.parse::<Period>(), Err(InvalidArgument::Period), "{bad}");
        }
    }

    #[test]
    fn days_are_londons_and_the_last_one_is_whole() {
        // Summer time began on 29 March 2026.
        assert_eq!(from_moment("2026-03-31").unwrap().to_string(), "2026-03-30T23:00:00Z");
        assert_eq!(until_moment("2026-03-31").unwrap().to_string(), "2026-03-31T23:00:00Z");
        assert_eq!(until_moment("2026-01-31").unwrap().to_string(), "2026-02-01T00:00:00Z");
        let moment = "2026-03-31T09:30:00Z";
        assert_eq!(until_moment(moment).unwrap().to_string(), moment);
        for bad in ["yesterday", "2026-02-30", "31/03/2026", "2026-03-31T09:30:00"] {
            assert_eq!(from_moment(bad), Err(InvalidArgument::Moment), "{bad}");
        }
    }

    #[test]
    fn a_users_pseudonym_is_as_the_log_has_it() {
        let good = "0123456789abcdef0123456789abcdef";
        assert_eq!(user_pseudonym(good).unwrap(), good);
        for bad in ["", &good[1..], &good.to_uppercase(), "jane.doe@example.org"] {
            assert_eq!(user_pseudonym(bad), Err(InvalidArgument::User), "{bad}");
        }
    }

    #[test]
    fn moments_show_in_seconds() {
        assert_eq!(shown_moment(1_750_000_000_123_456), "2025-06-15T15:06:40Z");
    }
}
