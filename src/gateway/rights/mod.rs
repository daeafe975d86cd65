//! Cases of subjects' rights: withdrawal of consent, objection, restriction, erasure,
//! rectification, and the national data opt-out, from the subject's word to proof.
//!
//! A subject turns to one organisation, which opens a case under a reference of its own. From
//! the answer on nothing of the subject's is taken or counted where the choice reaches, whoever
//! sends it; what each flow's protocol wants erased is gone at the day's end; each party that
//! holds a live record of its own is told by that record, and acknowledges with a signature.
//!
//! Invariants:
//! - What a case's opener is told is a function of the protocols it may read and of the day: never
//!   of whether anybody has a record, whom it links to, or what else is known of the subject.
//! - What the sender of a record that is not used is told is what it would be told otherwise, now
//!   and whenever it sends, looks for, withdraws or erases it again.
//! - By what a subject is known again lies in a key domain of its own, which says nothing to
//!   whoever has the database alone, and is compared, never shown.

mod answer;
mod erase;
mod items;
mod journal;
mod learn;
mod notices;
mod open;
mod prove;
mod reach;
mod second;
mod subject;
mod suppressions;

pub use answer::{CaseAnswer, CaseState, FlowEffect, Progress};
pub(super) use journal::{Journal, stored_forms};
pub use journal::{JournalError, JournalPlace};
pub(super) use learn::known_again;
pub use notices::{AcknowledgedNotices, NoticeLine, Overdue, StatedAcknowledgement};
pub use open::{NewCase, OpenedCase};
pub use subject::{CaseSubject, StatedIdentity};
pub(super) use suppressions::{Suppressions, record_token};
