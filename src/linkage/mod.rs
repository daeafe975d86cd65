//! Linkage: which identities are one person, without a name being kept.
//!
//! An identity arrives raw, is normalised, and becomes keyed values in one step
//! ([`RawIdentity::pseudonymise`]); from there on only keyed values are compared. Two rungs of the
//! ladder have keys whose holders are tied ([`Rung`]); further candidates are found by lookup keys
//! ([`Lookup`]) and tied by what they are compared by ([`Comparison`], [`Rule`]); [`resolve()`]
//! partitions the subjects that hang together into persons.
//!
//! Invariants:
//! - Two subjects with different valid NHS numbers are never one person (numbers are reissued on
//!   adoption and gender reassignment, and a link across would undo what the law sealed).
//! - Children of a multiple birth, and any two whose forenames are different names, are never one
//!   person without an NHS number.
//! - The persons depend on the set of subjects, not on the order of their arrival.
//! - Every link names its rule and its two subjects, so that it can be undone.
//! - What the rules cannot settle stays unlinked.
//!
//! - A blinded record's values are made by the same code as those of a record in clear, at the
//!   partner's connector ([`BlindedIdentity`]), so that both link.
//!
//! What this does not give: published UK linkage misses 4-5% of true links and makes about 0.2%
//! false ones; synthetic data are kinder (`tallygate bench linkage` measures them). A child missed is
//! counted twice. Records that spell out the same identity are one
//! subject and cannot be told apart later.

mod blinded;
mod comparison;
mod identity;
mod match_key;
mod metaphone;
mod normalise;
mod resolve;
mod rules;
mod tags;
mod variants;

pub use blinded::{BlindedIdentity, plurality};
pub use comparison::Comparison;
pub use identity::{Facts, IdentityInputs, KeyedIdentity, RawIdentity, Sender, postcode_pseudonym};
pub use match_key::{MatchKey, MatchKeys, Rung};
pub use normalise::RULES;
pub use rules::{COMPARISON_RULES, Rule};
pub use tags::{Lookup, RawLines};
pub use variants::FORM_RULES;

pub use crate::domain::row::Sex;
pub use resolve::{
    Group, Link, MAX_COMPONENT, MAX_HOLDERS, Resolution, Subject, reresolve, resolve, resolve_all,
};

/// What can go wrong in linkage. Holds no identifier, name or address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkageError {
    /// More subjects hang together than one resolution takes. The newcomer stays unlinked.
    #[error("{subjects} subjects hang together, more than the {MAX_COMPONENT} that are resolved")]
    ComponentTooLarge {
        /// How many.
        subjects: usize,
    },
    /// One subject was given twice.
    #[error("subject {0} was given twice")]
    SubjectTwice(crate::domain::SubjectId),
}

#[cfg(test)]
mod tests;
