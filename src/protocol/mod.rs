//! Sharing protocols as data: the document, its signatures, its life, and the one decision.
//!
//! Why it exists: an agency may send only what a signed protocol lists, and a figure may be seen only by whom
//! a signed protocol names. Here that is data and one pure function; this room knows no store, clock, network
//! or randomness.
//!
//! - [`vocabulary`], [`document`], `check`: what a protocol says, read strictly; [`fault`] says what is
//!   wrong and where, never the value. [`root_policy`] is the document above all protocols.
//! - [`jws`], [`register`], [`signing`]: General JWS (RFC 7515 §7.2.1) over RFC 8785 bytes, Ed25519; stages
//!   `Draft`, `PartlySigned`, `FullySigned`, of which a later one can't be made without verification.
//! - [`life`]: who may suspend, reinstate, revoke, join, and what then; [`adherence`] and [`revocation`] are
//!   the signed papers of the last two.
//! - [`diff`]: what an amendment changes, in words; [`schema`]: the documents' form as JSON Schema.
//! - [`consent`]: whether a consent stands and covers a flow.
//! - [`policy`], [`decision`], [`permit`], [`refusal`], [`explain`]: the snapshot and the one decision for
//!   intake, figures, releases, dry runs and explanations.
//! - [`choice`]: what a subject's choice does to a flow; [`acknowledgement`]: a party's signed word that it
//!   has done so.
//! - [`retention`]: how long what was taken in is kept, by whose word.
//! - [`template`], [`pair`]: filled protocols for each pair of agencies, and the root policy.
//!
//! Invariants: what is not granted by a fully signed, running protocol is refused; a document that can't be
//! read in full permits nothing; no error, refusal or log line of this room holds a submitted value.

pub mod acknowledgement;
pub mod adherence;
mod check;
pub mod choice;
pub mod consent;
pub mod decision;
pub mod diff;
pub mod document;
pub mod explain;
pub mod fault;
pub mod geography;
pub mod jws;
pub mod life;
mod life_error;
mod names;
pub mod notices;
pub mod pair;
pub mod permit;
pub mod policy;
mod quorum;
pub mod refusal;
pub mod register;
pub mod reinstatement;
pub mod retention;
pub mod revocation;
pub mod root_policy;
pub mod schema;
mod scripts;
mod signature_error;
pub mod signing;
mod strict;
pub mod template;
#[cfg(test)]
mod tests;
pub mod vocabulary;

pub use adherence::{Adherence, Joined};
pub use choice::{Choice, Choices};
pub use consent::{
    ConsentGiver, ConsentMeans, ConsentRecord, ConsentTerms, Coverage, Given, RecordedConsent,
    Statement,
};
pub use decision::{FigureQuestion, IntakeQuestion};
pub use document::{Digest, KeyId, Protocol, ProtocolVersion};
pub use explain::SendingQuestion;
pub use fault::{Fault, Rule};
pub use geography::Geography;
pub use jws::Envelope;
pub use life::{Act, Life, Part, State};
pub use permit::{
    ConsentEvidence, ConsentState, FigurePermit, IntakePermit, RecordFacts, ReleasePermit,
    ReleaseSource, Whereabouts,
};
pub use policy::{Entry, Policy};
pub use refusal::{Clause, Reason, Refusal};
pub use register::{KeyRegister, KeySet, RegisteredKey};
pub use reinstatement::Reinstating;
pub use retention::{End, Keeping, KeptRecord, RetentionRule};
pub use revocation::Revoking;
pub use root_policy::RootPolicy;
pub use signing::{FullySigned, PartlySigned, Signatory, SignatureError, Signed, Verified};
pub use vocabulary::{CallerRole, Frequency, Purpose, SignatoryRole};
