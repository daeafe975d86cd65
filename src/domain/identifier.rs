//! What makes an identifier valid: check digits, alphabets and ranges.
//!
//! A refused value is never echoed: the rule says what is wrong, and where another
//! scheme's check digit fits, which column the value seems to belong to.

use super::field::Rule;

/// The identifier schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// NHS number: ten digits, modulus 11.
    Nhs,
    /// Unique learner number: ten digits, remainder 10.
    Uln,
    /// Unique pupil number: a check letter and twelve characters.
    Upn,
    /// National Insurance number: no check digit.
    Nino,
    /// The partner's own id, opaque.
    Local,
}

/// Whether a valid identifier may link records across agencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linkable {
    /// It stands for one person.
    Yes,
    /// Accepted, never linked: a temporary or administrative value.
    No,
}

/// The longest local id, in characters.
pub const LOCAL_ID_MAX: usize = 36;

/// Checks `text` (already trimmed) against its scheme.
///
/// # Errors
/// The rule that it breaks.
pub fn check(scheme: Scheme, text: &str) -> Result<Linkable, Rule> {
    if is_rounded(text) && scheme != Scheme::Local {
        return Err(Rule::RoundedNumber);
    }
    match scheme {
        Scheme::Nhs => check_nhs(text),
        Scheme::Uln => check_uln(text),
        Scheme::Upn => check_upn(text),
        Scheme::Nino => check_nino(text),
        Scheme::Local => check_local(text),
    }
}

/// Whether a spreadsheet wrote it as `9.99E+09`: the digits behind are lost.
fn is_rounded(text: &str) -> bool {
    let Some((number, exponent)) = text.split_once("E+").or_else(|| text.split_once("e+")) else {
        return false;
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits(exponent) && number.split('.').all(digits)
}

/// The weighted sum of the first nine of ten digits and the tenth; `None` if not ten digits.
fn ten_digits(text: &str) -> Option<(u32, u32)> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |i: usize| u32::from(bytes[i] - b'0');
    let sum = (0u32..9).zip(0usize..9).map(|(weight, i)| (10 - weight) * digit(i)).sum();
    Some((sum, digit(9)))
}

fn check_nhs(text: &str) -> Result<Linkable, Rule> {
    let (sum, check) = ten_digits(text).ok_or(Rule::NhsForm)?;
    if text.bytes().all(|b| b == text.as_bytes()[0]) {
        return Err(Rule::NhsAllSame);
    }
    let expected = match 11 - sum % 11 {
        11 => 0,
        10 => return Err(nhs_or_uln(text)),
        other => other,
    };
    if check == expected { Ok(Linkable::Yes) } else { Err(nhs_or_uln(text)) }
}

/// The two schemes are disjoint, so a ULN in the NHS column can be told apart.
fn nhs_or_uln(text: &str) -> Rule {
    if check_uln(text).is_ok() { Rule::UlnInNhsColumn } else { Rule::NhsCheckDigit }
}

fn check_uln(text: &str) -> Result<Linkable, Rule> {
    let (sum, check) = ten_digits(text).ok_or(Rule::UlnForm)?;
    if text.starts_with('0') {
        return Err(Rule::UlnForm);
    }
    if text == "9999999999" {
        return Ok(Linkable::No);
    }
    if sum % 11 != 0 && 10 - sum % 11 == check {
        Ok(Linkable::Yes)
    } else if check_nhs_only(sum, check) {
        Err(Rule::NhsInUlnColumn)
    } else {
        Err(Rule::UlnCheckDigit)
    }
}

fn check_nhs_only(sum: u32, check: u32) -> bool {
    matches!(11 - sum % 11, e if e == check || (e == 11 && check == 0))
}

const UPN_LETTERS: &[u8; 23] = b"ABCDEFGHJKLMNPQRTUVWXYZ";

fn check_upn(text: &str) -> Result<Linkable, Rule> {
    let bytes = text.as_bytes();
    if bytes.len() != 13 || !bytes[1..12].iter().all(u8::is_ascii_digit) {
        return Err(Rule::UpnForm);
    }
    let last = bytes[12];
    let temporary = last.is_ascii_uppercase();
    // A temporary number's last letter counts as its place in the alphabet.
    let last_value = if last.is_ascii_digit() {
        usize::from(last - b'0')
    } else {
        UPN_LETTERS.iter().position(|l| *l == last).ok_or(Rule::UpnForm)?
    };
    let sum: usize =
        (2..13).zip(&bytes[1..12]).map(|(w, b)| w * usize::from(b - b'0')).sum::<usize>()
            + 13 * last_value;
    if bytes[0] == UPN_LETTERS[sum % 23] {
        Ok(if temporary { Linkable::No } else { Linkable::Yes })
    } else {
        Err(Rule::UpnCheckLetter)
    }
}

fn check_nino(text: &str) -> Result<Linkable, Rule> {
    let b = text.as_bytes();
    let form = matches!(b.len(), 8 | 9)
        && b[..2].iter().all(u8::is_ascii_uppercase)
        && b[2..8].iter().all(u8::is_ascii_digit)
        && (b.len() == 8 || matches!(b[8], b'A'..=b'D'));
    if !form {
        return Err(Rule::NinoForm);
    }
    match &text[..2] {
        // Administrative prefixes; OO would break the letter rule below.
        "OO" | "CR" | "FY" | "MW" | "NC" => Ok(Linkable::No),
        "BG" | "GB" | "KN" | "NK" | "NT" | "TN" | "ZZ" => Err(Rule::NinoForm),
        _ if b"DFIQUV".contains(&b[0]) || b"DFIOQUV".contains(&b[1]) => Err(Rule::NinoForm),
        _ => Ok(Linkable::Yes),
    }
}

fn check_local(text: &str) -> Result<Linkable, Rule> {
    if text.is_empty() || text.chars().count() > LOCAL_ID_MAX || text.chars().any(char::is_control)
    {
        Err(Rule::LocalForm)
    } else {
        Ok(Linkable::Yes)
    }
}

/// Whether `text` is a UPRN: 1 to 12 digits.
///
/// # Errors
/// The rule it breaks.
pub fn check_uprn(text: &str) -> Result<(), Rule> {
    if is_rounded(text) {
        return Err(Rule::RoundedNumber);
    }
    if (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(())
    } else {
        Err(Rule::UprnForm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nhs_numbers() {
        assert_eq!(check(Scheme::Nhs, "9990000018"), Ok(Linkable::Yes));
        assert_eq!(check(Scheme::Nhs, "9990000019"), Err(Rule::NhsCheckDigit));
        // Equal digits pass the sum and must still be refused.
        for d in '0'..='9' {
            let same: String = std::iter::repeat_n(d, 10).collect();
            assert_eq!(check(Scheme::Nhs, &same), Err(Rule::NhsAllSame));
        }
        assert_eq!(check(Scheme::Nhs, "999000001"), Err(Rule::NhsForm));
        assert_eq!(check(Scheme::Nhs, "99900000\u{661}8"), Err(Rule::NhsForm));
    }

    #[test]
    fn ulns_and_nhs_numbers_are_disjoint_and_say_which_column() {
        let mut ulns = 0;
        for n in 9_990_000_000u64..9_990_020_000 {
            let text = n.to_string();
            let (nhs, uln) = (check(Scheme::Nhs, &text), check(Scheme::Uln, &text));
            assert!(!(nhs.is_ok() && uln.is_ok()), "{text}");
            if uln.is_ok() {
                ulns += 1;
                assert_eq!(nhs, Err(Rule::UlnInNhsColumn));
            }
            if nhs.is_ok() {
                assert_eq!(uln, Err(Rule::NhsInUlnColumn));
            }
        }
        assert!(ulns > 1_000);
        assert_eq!(check(Scheme::Uln, "9999999999"), Ok(Linkable::No));
        assert_eq!(check(Scheme::Uln, "0999999999"), Err(Rule::UlnForm));
    }

    #[test]
    fn upns() {
        assert_eq!(check(Scheme::Upn, "P207000016049"), Ok(Linkable::Yes));
        assert_eq!(check(Scheme::Upn, "Q207000016049"), Err(Rule::UpnCheckLetter));
        assert_eq!(check(Scheme::Upn, "P20700001604"), Err(Rule::UpnForm));
    }

    #[test]
    fn numbers_that_a_spreadsheet_rounded_are_named_as_such() {
        for text in ["9.99E+09", "1E+10", "1.00071e+11"] {
            assert_eq!(check(Scheme::Nhs, text), Err(Rule::RoundedNumber), "{text}");
            assert_eq!(check_uprn(text), Err(Rule::RoundedNumber), "{text}");
        }
        for text in ["E+", "1E+", "E+1", ".E+1", "1.E+1"] {
            assert_eq!(check_uprn(text), Err(Rule::UprnForm), "{text}");
        }
        assert_eq!(check(Scheme::Local, "1E+10"), Ok(Linkable::Yes));
    }

    #[test]
    fn ninos() {
        assert_eq!(check(Scheme::Nino, "AB123456C"), Ok(Linkable::Yes));
        assert_eq!(check(Scheme::Nino, "AB123456"), Ok(Linkable::Yes));
        assert_eq!(check(Scheme::Nino, "OO123456C"), Ok(Linkable::No));
        for wrong in ["DA123456A", "AO123456A", "BG123456A", "AB12345CA", "AB123456E", "ab123456a"]
        {
            assert_eq!(check(Scheme::Nino, wrong), Err(Rule::NinoForm), "{wrong}");
        }
    }
}
