//! Holders for what must never be seen: identifiers, names, addresses, dates of birth.
//!
//! None of them has Debug, Display, Clone, PartialEq, serde or a way into a query; each zeroes its
//! memory when dropped. The tests below fail when such a trait appears. The exits:
//! - [`RawIdentifier`]: one, which consumes it and returns a [`Pseudonym`], or the input of one.
//! - [`RawText`]: the keyed hash only. Rules of linkage reach the text as plain functions, which
//!   can capture nothing and so carry nothing away.
//! - [`BirthDate`]: the keyed hash, sealing, and questions about age that a release needs.

use super::{IdentifierKind, PrfInput, Pseudonym, Pseudonymiser};
use crate::domain::time::epoch_day;
use jiff::Span;
use jiff::civil::Date;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A validated identifier on its way to becoming a pseudonym.
pub struct RawIdentifier(Zeroizing<String>);

impl RawIdentifier {
    /// Takes the text over, without a copy. The caller has validated it (`domain::identifier`).
    #[must_use]
    pub fn new(validated: String) -> Self {
        Self(Zeroizing::new(validated))
    }

    /// The exit to a pseudonym.
    #[must_use]
    pub fn pseudonymise(self, kind: IdentifierKind<'_>, with: &Pseudonymiser) -> Pseudonym {
        with.identifier(kind, self.0.as_bytes())
    }

    /// The keyed hash's input of it, to be evaluated where the key is.
    #[must_use]
    pub fn into_input(self, kind: IdentifierKind<'_>) -> PrfInput {
        kind.input(self.0.as_bytes())
    }
}

/// A name or a part of an address on its way into a match key.
pub struct RawText(Zeroizing<String>);

impl RawText {
    /// Takes the text over, without a copy.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text under a normalisation rule. The rule should reserve its room beforehand, since a
    /// buffer that grows leaves a copy behind.
    #[must_use]
    pub fn normalise(self, rule: fn(&str) -> String) -> Self {
        Self::new(rule(&self.0))
    }

    /// Another text that a rule makes of it.
    #[must_use]
    pub fn derived(&self, rule: fn(&str) -> String) -> Self {
        Self::new(rule(&self.0))
    }

    /// Whether it stands before another, so that two can be told in one order.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        self.0.as_str() < other.0.as_str()
    }

    /// Every text that lacks one of its characters, itself among them: two texts of one mistyped
    /// character share one.
    #[must_use]
    pub fn shortened(&self) -> Vec<Self> {
        let lacking = |gone: usize| {
            let kept = self.0.char_indices().enumerate().filter(|(at, _)| *at != gone);
            let mut text = String::with_capacity(self.0.len());
            text.extend(kept.map(|(_, (_, c))| c));
            Self::new(text)
        };
        (0..=self.0.chars().count()).map(lacking).collect()
    }

    /// Whether a rule holds: a placeholder, an unknown address.
    #[must_use]
    pub fn satisfies(&self, rule: fn(&str) -> bool) -> bool {
        rule(&self.0)
    }

    /// Whether nothing is left of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A date of birth. It answers the questions that a release asks and is otherwise sealed.
///
/// Held twice: as `yyyymmdd`, whose differences give ages without a calendar, and as days since
/// 1970-01-01. Someone born on 29 February reaches an age on 1 March of a common year; no quarter
/// ends between that and 28 February.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct BirthDate {
    digits: i32,
    epoch_day: i32,
}

fn packed(day: Date) -> i32 {
    i32::from(day.year()) * 10_000 + i32::from(day.month()) * 100 + i32::from(day.day())
}

impl BirthDate {
    /// Takes a validated date. [`Date`] is plain data that cannot be wiped: drop it soon.
    #[must_use]
    pub fn new(date: Date) -> Self {
        Self { digits: packed(date), epoch_day: epoch_day(date) }
    }

    /// Completed years of age at the end of a day; `None` before birth.
    #[must_use]
    pub fn age_on(&self, day: Date) -> Option<i32> {
        let day = packed(day);
        (self.digits <= day).then(|| (day - self.digits) / 10_000)
    }

    /// Whether the birth falls in a period, both days included.
    #[must_use]
    pub fn is_within(&self, first: Date, last: Date) -> bool {
        (packed(first)..=packed(last)).contains(&self.digits)
    }

    /// Whole days from birth to a day given in days since 1970-01-01; negative before birth.
    #[must_use]
    pub fn days_until(&self, epoch_day: i32) -> i32 {
        epoch_day.saturating_sub(self.epoch_day)
    }

    /// Whether it is a date that systems fill in when they know none: 1 January of 1900 or 1901.
    #[must_use]
    pub fn is_placeholder(&self) -> bool {
        matches!(self.digits, 19_000_101 | 19_010_101)
    }

    /// Whether it is a first of January, which systems fill in where they know the year alone.
    #[must_use]
    pub fn is_new_year(&self) -> bool {
        self.digits % 10_000 == 101
    }

    /// What survives one error: year and month, month and day, year and day, and all three with
    /// month and day in either order.
    #[must_use]
    pub fn parts(&self) -> [RawText; 4] {
        let (year, month, day) = (self.digits / 10_000, self.digits / 100 % 100, self.digits % 100);
        let (less, more) = (month.min(day), month.max(day));
        [
            RawText::new(format!("{year:04}{month:02}")),
            RawText::new(format!("{month:02}{day:02}")),
            RawText::new(format!("{year:04}/{day:02}")),
            RawText::new(format!("{year:04}{less:02}{more:02}")),
        ]
    }

    /// Eight ASCII digits, `yyyymmdd`, for the keyed hash.
    pub(super) fn digits(&self) -> Zeroizing<[u8; 8]> {
        let mut digits = Zeroizing::new([b'0'; 8]);
        let mut rest = self.digits.unsigned_abs();
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789"[usize::try_from(rest % 10).unwrap_or(0)];
            rest /= 10;
        }
        digits
    }

    /// Days since 1970-01-01 as four big-endian bytes, for sealing.
    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; 4]> {
        Zeroizing::new(self.epoch_day.to_be_bytes())
    }

    /// What [`to_bytes`](Self::to_bytes) gave; `None` beyond the calendar.
    pub(super) fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        let days = Span::new().try_days(i32::from_be_bytes(bytes)).ok()?;
        jiff::civil::date(1970, 1, 1).checked_add(days).ok().map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    /// One constant per trait that says whether a type has it: the inherent constant wins where
    /// its bound holds, else the blanket trait's answers. No unsafe code, no further crate.
    macro_rules! probes {
        ($($name:ident: $bound:path),+ $(,)?) => {
            struct Probe<T>(std::marker::PhantomData<T>);
            trait Otherwise {
                $(const $name: bool = false;)+
            }
            impl<T> Otherwise for Probe<T> {}
            $(impl<T: $bound> Probe<T> {
                const $name: bool = true;
            })+
            macro_rules! ways_out {
                ($type:ty) => { [$((stringify!($name), Probe::<$type>::$name)),+] };
            }
        };
    }

    probes! {
        DEBUG: std::fmt::Debug,
        DISPLAY: std::fmt::Display,
        CLONE: Clone,
        EQUAL: PartialEq,
        HASH: std::hash::Hash,
        SERIALISE: serde::Serialize,
        DESERIALISE: serde::de::DeserializeOwned,
        AS_TEXT: AsRef<str>,
        AS_BYTES: AsRef<[u8]>,
        INTO_TEXT: Into<String>,
        DEREF: std::ops::Deref,
    }

    #[test]
    fn raw_values_have_no_way_out() {
        for (way, there) in ways_out!(RawIdentifier)
            .into_iter()
            .chain(ways_out!(RawText))
            .chain(ways_out!(BirthDate))
        {
            assert!(!there, "{way}");
        }
    }

    #[test]
    fn the_probe_sees_traits_that_are_there() {
        for (way, there) in ways_out!(String) {
            assert!(there, "{way}");
        }
    }

    #[test]
    fn wiping_leaves_nothing() {
        let mut birth = BirthDate::new(date(2024, 2, 29));
        birth.zeroize();
        assert_eq!((birth.digits, birth.epoch_day), (0, 0));
        let mut text = RawText::new("Oyelaran".to_owned());
        text.0.zeroize();
        assert!(text.is_empty());
    }

    #[test]
    fn ages() {
        let birth = BirthDate::new(date(2020, 2, 29));
        assert_eq!(birth.age_on(date(2020, 2, 28)), None);
        assert_eq!(birth.age_on(date(2020, 2, 29)), Some(0));
        assert_eq!(birth.age_on(date(2025, 2, 28)), Some(4));
        assert_eq!(birth.age_on(date(2025, 3, 1)), Some(5));
        assert!(birth.is_within(date(2020, 1, 1), date(2020, 2, 29)));
        assert!(!birth.is_within(date(2020, 3, 1), date(2020, 3, 31)));
        assert_eq!(birth.days_until(epoch_day(date(2020, 4, 25))), 56);
        assert_eq!(birth.days_until(epoch_day(date(2020, 2, 28))), -1);
        assert!(!birth.is_placeholder());
        assert!(BirthDate::new(date(1900, 1, 1)).is_placeholder());
    }

    #[test]
    fn forms_of_a_date() {
        let birth = BirthDate::new(date(2024, 11, 3));
        assert_eq!(&*birth.digits(), b"20241103");
        let again = BirthDate::from_bytes(*birth.to_bytes());
        assert!(again.is_some_and(|b| b.digits == 20_241_103));
        assert!(BirthDate::from_bytes(i32::MAX.to_be_bytes()).is_none());
    }
}
