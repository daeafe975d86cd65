//! Identifiers of people who do not exist: NHS numbers of the test range 999 000 0000 - 999 999 9999 only,
//! learner numbers and National Insurance numbers that keep the rules of `domain::identifier`.
//! Each is unique: a counter is spread by a multiplier that has no factor in common with the range.

const NHS_RANGE: u64 = 1_000_000;
const NHS_FIRST: u64 = 999_000_000;
const NHS_SPREAD: u64 = 387_101;
const ULN_RANGE: u64 = 900_000_000;
const ULN_FIRST: u64 = 100_000_000;
const SPREAD: u64 = 7_919_777;

/// First and second letters from which no reserved or administrative prefix can be made.
const NINO_FIRST: &[u8] = b"ABCEHJKLMPRSTWXYZ";
const NINO_SECOND: &[u8] = b"ABCEHJKLP";
const NINO_RANGE: u64 = 17 * 9 * 4_000_000;

/// An NHS number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NhsNumber(u64);

impl NhsNumber {
    /// The same number with a check digit that is wrong.
    pub(super) fn with_wrong_check(self) -> Self {
        Self(self.0 - self.0 % 10 + (self.0 % 10 + 1) % 10)
    }
}

impl std::fmt::Display for NhsNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:010}", self.0)
    }
}

/// A unique learner number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LearnerNumber(u64);

impl std::fmt::Display for LearnerNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:010}", self.0)
    }
}

/// A National Insurance number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InsuranceNumber(u64);

impl std::fmt::Display for InsuranceNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (digits, rest) = (self.0 % 1_000_000, self.0 / 1_000_000);
        let (suffix, prefix) = (rest % 4, rest / 4);
        let letter = |letters: &[u8], n: u64| {
            let at = usize::try_from(n).unwrap_or_default() % letters.len();
            char::from(letters[at])
        };
        let (first, second) = (letter(NINO_FIRST, prefix / 9), letter(NINO_SECOND, prefix % 9));
        write!(f, "{first}{second}{digits:06}{}", letter(b"ABCD", suffix))
    }
}

/// Hands out numbers; the seed only moves where each range is entered.
pub(super) struct Issuer {
    nhs: u64,
    uln: u64,
    nino: u64,
    offset: u64,
}

impl Issuer {
    pub(super) fn new(seed: u64) -> Self {
        Self { nhs: 0, uln: 0, nino: 0, offset: super::dice::mix(seed) % NHS_RANGE }
    }

    /// The next NHS number. About 909,000 can be had; [`super::Plan`]'s bounds keep below that.
    pub(super) fn nhs_number(&mut self) -> NhsNumber {
        loop {
            let nine = NHS_FIRST + (self.nhs * NHS_SPREAD + self.offset) % NHS_RANGE;
            self.nhs += 1;
            match 11 - weighted_sum(nine) % 11 {
                10 => {}
                11 => return NhsNumber(nine * 10),
                // Ten equal digits pass the sum and are refused all the same.
                9 if nine == 999_999_999 => {}
                check => return NhsNumber(nine * 10 + check),
            }
        }
    }

    /// The next learner number.
    pub(super) fn learner_number(&mut self) -> LearnerNumber {
        loop {
            let nine = ULN_FIRST + (self.uln * SPREAD + self.offset) % ULN_RANGE;
            self.uln += 1;
            let remainder = weighted_sum(nine) % 11;
            if remainder != 0 && nine != 999_999_999 {
                return LearnerNumber(nine * 10 + 10 - remainder);
            }
        }
    }

    /// The next National Insurance number.
    pub(super) fn insurance_number(&mut self) -> InsuranceNumber {
        let number = (self.nino * SPREAD + self.offset) % NINO_RANGE;
        self.nino += 1;
        InsuranceNumber(number)
    }
}

/// Weights 10 to 2 on nine digits.
fn weighted_sum(nine: u64) -> u64 {
    let mut left = nine;
    let mut sum = 0;
    for weight in 2..=10 {
        sum += weight * (left % 10);
        left /= 10;
    }
    sum
}

/// A unique pupil number of the authority's, made from a person's number.
pub(super) fn upn(person: u32) -> String {
    const LETTERS: &[u8; 23] = b"ABCDEFGHJKLMNPQRTUVWXYZ";
    let digits = format!("331{:09}", person % 1_000_000_000);
    let weighted = (2u32..).zip(digits.bytes()).map(|(weight, d)| weight * u32::from(d - b'0'));
    let letter = LETTERS[(weighted.sum::<u32>() % 23) as usize];
    format!("{}{digits}", char::from(letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::Rule;
    use crate::domain::identifier::{Linkable, Scheme, check};
    use std::collections::BTreeSet;

    #[test]
    fn numbers_are_valid_unique_and_of_the_test_range() {
        let mut issuer = Issuer::new(7);
        let (mut nhs, mut ulns, mut ninos) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for _ in 0..20_000 {
            let number = issuer.nhs_number().to_string();
            assert!(number.starts_with("999"));
            assert_eq!(check(Scheme::Nhs, &number), Ok(Linkable::Yes));
            assert!(nhs.insert(number));
            let uln = issuer.learner_number().to_string();
            assert_eq!(check(Scheme::Uln, &uln), Ok(Linkable::Yes));
            assert!(ulns.insert(uln));
            let nino = issuer.insurance_number().to_string();
            assert_eq!(check(Scheme::Nino, &nino), Ok(Linkable::Yes));
            assert!(ninos.insert(nino));
        }
    }

    #[test]
    fn a_wrong_check_digit_is_refused() {
        let mut issuer = Issuer::new(1);
        for _ in 0..2_000 {
            let wrong = issuer.nhs_number().with_wrong_check().to_string();
            assert!(matches!(
                check(Scheme::Nhs, &wrong),
                Err(Rule::NhsCheckDigit | Rule::UlnInNhsColumn)
            ));
        }
    }
}
