//! Permits: the proof that a clause of a signed protocol allows an act.
//!
//! Only the decision makes one (private fields, no Clone); use cases take it by value, so none can be
//! reached without. A permit carries what the access log writes down, and the policy epoch under which it was
//! given: before the act is committed, `still_holds` asks again if anything has changed since.

use jiff::civil::Date;

mod figure;
mod intake;
mod release;

pub use figure::FigurePermit;
pub use intake::IntakePermit;
pub use release::{ReleasePermit, ReleaseSource};

use crate::domain::Lsoa;

/// Where the subject of a record lives, as far as the gateway could tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// In this LSOA.
    Lsoa(Lsoa),
    /// The record states no place (the protocol decides by its required fields whether it must).
    NotStated,
    /// A place is stated that the loaded geography does not have: it lies outside every area.
    NotFound,
}

/// What is recorded here about the consent that a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentState {
    /// The sender holds the evidence and states it by its reference; nothing here contradicts it.
    Declared,
    /// Recorded here as given.
    Given,
    /// Recorded here as refused; where parents differ, refusal prevails.
    Refused,
    /// Recorded here as withdrawn.
    Withdrawn,
    /// Recorded here as expired, or its own last day is past.
    Expired,
    /// Recorded here as given, for other record types or purposes than the flow's.
    NotCovering,
    /// The deployment requires a record here and has none: treated as refused.
    Unknown,
}

/// A record's consent reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentEvidence {
    /// The record has none.
    Absent,
    /// The record has one.
    Reference {
        /// What is known of it.
        state: ConsentState,
        /// When it was given, if known.
        given_on: Option<Date>,
    },
}

/// What the decision looks at in one record; nothing that says who it is about.
#[derive(Clone, Copy, Debug)]
pub struct RecordFacts {
    /// Where its subject lives.
    pub place: Whereabouts,
    /// The day of the event.
    pub event_date: Date,
    /// The day of extraction.
    pub extracted_at: Date,
    /// Its consent reference.
    pub consent: ConsentEvidence,
}
