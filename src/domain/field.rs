//! Kinds of fields, the rules that values must keep, and coded values.
//!
//! A rule has a stable code for programs (the `field violation` of an answer, the
//! `_code` column of a rejects file) and a sentence for people. Neither ever holds the
//! value.

mod examples;
mod rule;

pub use rule::Rule;

use super::{crosswalk::Crosswalk, identifier::Scheme, ids::CentreCode, time};
use jiff::civil::Date;

/// What a field holds, and so how it is checked and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A person's identifier: pseudonymised the moment it is parsed.
    Identifier(Scheme),
    /// A given name: used for match keys, then gone.
    Forename,
    /// A family name: used for match keys, then gone.
    Surname,
    /// A date of birth, `YYYY-MM-DD`: match keys, then kept only sealed.
    BirthDate,
    /// Sex, NHS codes 1, 2, 9, X or M, F.
    Sex,
    /// A postcode: becomes an LSOA by the loaded lookup, then gone.
    Postcode,
    /// A unique property reference number: match keys, then gone.
    Uprn,
    /// An LSOA code of the geography in force.
    Lsoa,
    /// A day, `YYYY-MM-DD`, not in the future.
    PastDate,
    /// A day that may lie ahead: an expected or planned date.
    AnyDate,
    /// One code of a closed list.
    Code(&'static CodeList),
    /// Codes of a closed list, separated by `;`; none is allowed.
    Codes(&'static CodeList),
    /// A code of one of several lists, kept as one of a single list.
    Mapped(&'static Crosswalk),
    /// A whole number within bounds, both included.
    Integer {
        /// The smallest.
        min: i32,
        /// The largest.
        max: i32,
    },
    /// `yes` or `no`.
    Flag,
    /// A school term, `2026-spring`; see [`term_number`].
    Term,
    /// A centre's code.
    Centre,
    /// The sender's reference to a case: pseudonymised within the partner.
    CaseReference,
    /// The sender's reference to a provider: pseudonymised within the partner.
    ProviderReference,
    /// The sender's reference of who spoke, or of the evidence: pseudonymised within the consent
    /// that the record is about.
    ScopedReference,
    /// A word such as a version; see [`is_token`].
    Token,
    /// Text of at most so many characters that is checked and then dropped: nothing
    /// that is counted needs it, and it might name somebody.
    Dropped(usize),
}

/// A closed list of codes. A value's stored number is its place in the list, so codes
/// are only ever appended.
#[derive(Debug, PartialEq, Eq)]
pub struct CodeList {
    /// What the list is called in documents.
    pub name: &'static str,
    /// The codes; at most 32.
    pub codes: &'static [&'static str],
}

impl CodeList {
    /// The number of a code.
    #[must_use]
    pub fn number(&self, code: &str) -> Option<u8> {
        self.codes.iter().position(|c| *c == code).and_then(|i| u8::try_from(i).ok())
    }

    /// The number of a code that the program itself names, checked when it is compiled.
    ///
    /// # Panics
    /// At compile time, when the list has no such code.
    #[must_use]
    pub const fn number_of(&self, code: &str) -> u8 {
        let mut i = 0;
        while i < self.codes.len() {
            if same(self.codes[i], code) {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "a list has at most 32 codes"
                )]
                return i as u8;
            }
            i += 1;
        }
        panic!("no such code in the list")
    }
}

/// String equality that a constant can use.
pub(crate) const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// How careful a field's handling must be; documentation and mappings show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sensitivity {
    /// Tells who somebody is.
    Identifying,
    /// Special category or otherwise delicate (UK GDPR Art 9, protection cases, benefits).
    Special,
    /// Neither.
    Ordinary,
}

/// A field's value once nobody can be named in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Days since 1970-01-01.
    Day(i32),
    /// A code's number in its list.
    Code(u8),
    /// A set of codes, bit `n` for code `n`.
    Codes(u32),
    /// A whole number.
    Integer(i32),
    /// Yes or no.
    Flag(bool),
    /// A centre.
    Centre(CentreCode),
    /// A stored pseudonym of a reference.
    Key([u8; 16]),
}

/// The number of a term: three a year, in order.
#[must_use]
pub fn term_number(text: &str) -> Option<i32> {
    let (year, term) = text.split_once('-')?;
    if year.len() != 4 || !year.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year: i32 = year.parse().ok()?;
    let term = ["spring", "summer", "autumn"].iter().position(|t| *t == term)?;
    Some(year * 3 + i32::try_from(term).ok()?)
}

/// Reads a date of the form `YYYY-MM-DD`, from 1900 on.
///
/// # Errors
/// [`Rule::DateForm`] or [`Rule::DateTooEarly`].
pub fn parse_date(text: &str) -> Result<Date, Rule> {
    let b = text.as_bytes();
    let shape = b.len() == 10
        && b.iter()
            .enumerate()
            .all(|(i, c)| if i == 4 || i == 7 { *c == b'-' } else { c.is_ascii_digit() });
    if !shape {
        return Err(Rule::DateForm);
    }
    let number = |range: std::ops::Range<usize>| {
        b[range].iter().fold(0i16, |n, c| n * 10 + i16::from(*c - b'0'))
    };
    let (month, day) = (number(5..7), number(8..10));
    let date = Date::new(
        number(0..4),
        i8::try_from(month).map_err(|_| Rule::DateForm)?,
        i8::try_from(day).map_err(|_| Rule::DateForm)?,
    )
    .map_err(|_| Rule::DateForm)?;
    if date.year() < 1900 { Err(Rule::DateTooEarly) } else { Ok(date) }
}

impl FieldKind {
    /// Reads a payload value (not an identity one) on the day `today`.
    ///
    /// References come out as `None`: they are pseudonymised by the caller, which holds
    /// the keys. So do values that are only checked.
    ///
    /// # Errors
    /// The rule that the value breaks.
    pub fn parse_payload(self, text: &str, today: Date) -> Result<Option<Value>, Rule> {
        Ok(Some(match self {
            Self::PastDate => {
                let date = parse_date(text)?;
                if date > today {
                    return Err(Rule::DateInFuture);
                }
                Value::Day(time::epoch_day(date))
            }
            Self::AnyDate => Value::Day(time::epoch_day(parse_date(text)?)),
            Self::Code(list) => Value::Code(list.number(text).ok_or(Rule::UnknownCode)?),
            Self::Codes(list) => {
                let mut set = 0u32;
                for code in text.split(';').map(str::trim).filter(|c| !c.is_empty()) {
                    set |= 1 << list.number(code).ok_or(Rule::UnknownCode)?;
                }
                Value::Codes(set)
            }
            Self::Mapped(crosswalk) => {
                Value::Code(crosswalk.number(text).ok_or(Rule::UnknownCode)?)
            }
            Self::Integer { min, max } => {
                let digits = text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
                let number: i32 = text.parse().map_err(|_| Rule::IntegerRange)?;
                if !digits || number < min || number > max {
                    return Err(Rule::IntegerRange);
                }
                Value::Integer(number)
            }
            Self::Flag => Value::Flag(match text {
                "yes" => true,
                "no" => false,
                _ => return Err(Rule::FlagForm),
            }),
            Self::Term => Value::Integer(term_number(text).ok_or(Rule::TermForm)?),
            Self::Centre => Value::Centre(text.parse().map_err(|_| Rule::CentreForm)?),
            Self::CaseReference | Self::ProviderReference | Self::ScopedReference => {
                check_opaque(text, super::identifier::LOCAL_ID_MAX)?;
                return Ok(None);
            }
            Self::Token => {
                return if is_token(text) { Ok(None) } else { Err(Rule::NoticeForm) };
            }
            Self::Dropped(max) => {
                check_opaque(text, max)?;
                return Ok(None);
            }
            Self::Identifier(_)
            | Self::Forename
            | Self::Surname
            | Self::BirthDate
            | Self::Sex
            | Self::Postcode
            | Self::Uprn
            | Self::Lsoa => return Ok(None),
        }))
    }

    /// Whether a blinded record stands for it by a PRF value: who somebody is and the address, and
    /// references to a case or a provider (a childminder is a person). Dates of birth, sexes and
    /// LSOAs are counted by, and stay readable to the gateway.
    #[must_use]
    pub const fn identifies(self) -> bool {
        match self {
            Self::BirthDate | Self::Sex | Self::Lsoa => false,
            Self::CaseReference | Self::ProviderReference => true,
            kind => kind.is_identity(),
        }
    }

    /// Whether a payload value of it goes on as text, to whoever holds the keys.
    #[must_use]
    pub const fn is_handed_on(self) -> bool {
        matches!(
            self,
            Self::CaseReference | Self::ProviderReference | Self::ScopedReference | Self::Token
        )
    }

    /// Whether the field says who or where somebody is.
    #[must_use]
    pub const fn is_identity(self) -> bool {
        matches!(
            self,
            Self::Identifier(_)
                | Self::Forename
                | Self::Surname
                | Self::BirthDate
                | Self::Sex
                | Self::Postcode
                | Self::Uprn
                | Self::Lsoa
        )
    }
}

/// Whether a text is a word that may be kept and logged as it is: 1 to 64 letters, digits and
/// `. _ : / - [ ] ( )`, without a run of nine digits, so that no identifier gets in by mistake.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let longest = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/-[]()".contains(&b))
        && longest.unwrap_or(0) < 9
}

fn check_opaque(text: &str, max: usize) -> Result<(), Rule> {
    if text.chars().count() > max || text.chars().any(char::is_control) {
        Err(Rule::ReferenceForm)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn dates_are_strict() {
        assert_eq!(parse_date("2026-03-31"), Ok(date(2026, 3, 31)));
        for wrong in ["2026-3-31", "31/03/2026", "2026-02-30", "2026-13-01", "", "2026-03-31T"] {
            assert_eq!(parse_date(wrong), Err(Rule::DateForm), "{wrong}");
        }
        assert_eq!(parse_date("1899-12-31"), Err(Rule::DateTooEarly));
        let today = date(2026, 3, 31);
        assert_eq!(FieldKind::PastDate.parse_payload("2026-04-01", today), Err(Rule::DateInFuture));
        assert!(FieldKind::AnyDate.parse_payload("2026-04-01", today).is_ok());
    }

    #[test]
    fn terms_codes_and_numbers() {
        static LIST: CodeList = CodeList { name: "t", codes: &["a", "b"] };
        let today = date(2026, 3, 31);
        let read = |kind: FieldKind, text| kind.parse_payload(text, today);
        assert_eq!(read(FieldKind::Term, "2026-spring"), Ok(Some(Value::Integer(6078))));
        assert_eq!(read(FieldKind::Term, "2026-winter"), Err(Rule::TermForm));
        assert_eq!(read(FieldKind::Codes(&LIST), "b;a"), Ok(Some(Value::Codes(3))));
        assert_eq!(read(FieldKind::Code(&LIST), "c"), Err(Rule::UnknownCode));
        let bounded = FieldKind::Integer { min: 1, max: 9 };
        for wrong in ["0", "10", "+3", "-1", "1.0", "", "9999999999"] {
            assert_eq!(read(bounded, wrong), Err(Rule::IntegerRange), "{wrong}");
        }
        assert_eq!(read(FieldKind::Flag, "Yes"), Err(Rule::FlagForm));
    }

    #[test]
    fn rule_codes_are_distinct() {
        let mut codes: Vec<_> = Rule::ALL.iter().map(|r| r.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Rule::ALL.len());
    }
}
