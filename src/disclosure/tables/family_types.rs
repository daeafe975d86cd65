//! The same families by type of case. A family with several open cases counts once, at
//! the first of child protection, child in need, Troubled Families, other.

use super::families::open_cases;
use crate::{
    disclosure::classify::{Cell, Known},
    domain::records::family_case,
};

pub(in crate::disclosure) const CELLS: [&str; 8] = [
    "cp_registered",
    "cp_unregistered",
    "cin_registered",
    "cin_unregistered",
    "tf_registered",
    "tf_unregistered",
    "other_registered",
    "other_unregistered",
];

const CP: u8 = family_case::CASE_TYPE.number_of("cp");
const CIN: u8 = family_case::CASE_TYPE.number_of("cin");
const TF: u8 = family_case::CASE_TYPE.number_of("tf");

pub(in crate::disclosure) fn cell(known: &Known<'_>) -> Option<Cell> {
    let first = open_cases(known)?
        .map(|event| match event.code_of(family_case::TYPE) {
            Some(CP) => 0_u8,
            Some(CIN) => 1,
            Some(TF) => 2,
            _ => 3,
        })
        .min()?;
    Some(2 * first + u8::from(known.registered_since.is_none()))
}
