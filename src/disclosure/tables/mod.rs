//! One classification a file: who is in the table, and in which cell.

pub(super) mod births;
pub(super) mod engagement;
pub(super) mod families;
pub(super) mod family_types;
pub(super) mod prompt;
pub(super) mod referrals;
pub(super) mod twos;
pub(super) mod under_fives;
