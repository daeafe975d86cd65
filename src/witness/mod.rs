//! A witness: cosigns checkpoints of logs that only grow (C2SP tlog-witness 1.0.0).
//!
//! Why it exists: whoever runs a gateway holds its log's key, and could sign two histories.
//! The oversight body and partners each run a witness on a machine of their own. It keeps
//! the newest checkpoint that it has cosigned for each log, and cosigns another one only upon
//! a proof that it continues that one: `POST /add-checkpoint`.
//!
//! Invariants:
//! - Looking at the state, checking the proof and keeping the new state is one step under one
//!   lock, and what is kept is on disk before the cosignature is given away. A crash between
//!   the two leaves a witness that has seen more than it said, which is safe.
//! - A state that can't be read in full stops the witness: it never begins again by itself.
//!   One whose state is lost is given another key and name.
//! - Times never go back within a log.
//!
//! It shares no code with the gateway that writes the log: notes and proofs are read by
//! [`crate::verify`], the auditor's verifier.

pub mod config;
pub mod listen;
pub mod request;
pub mod service;
pub mod signer;
mod state;
pub mod watched;

pub use config::{WitnessConfig, WitnessConfigError};
pub use listen::{ListenLimits, Running, start};
pub use request::Request;
pub use service::{Answer, Witness};
pub use signer::WitnessSigner;
pub use state::StateError;
pub use watched::Watched;

#[cfg(test)]
mod tests;
