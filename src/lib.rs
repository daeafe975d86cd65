//! tallygate: a gateway through which agencies that serve small children share counts,
//! never people.
//!
//! # The rooms
//! Imports run downward only (`tests/architecture.rs` reads them and fails on an upward one).
//!
//! | Room | What it is for |
//! |---|---|
//! | [`cli`] | the commands, one a file; the only room that prints |
//! | [`server`], [`config`] | the composition root: listeners, TLS, telemetry, shutdown |
//! | [`grpc`] | thin: wire to domain and back, callers recognised, denials mapped once |
//! | [`web`] | thin, too: the published log over HTTPS, in C2SP tlog-tiles; pages for people |
//! | [`identity`] | who calls: certificates, tokens, the strict check of both |
//! | [`gateway`] | the use cases: take a batch, accept a protocol, close a quarter, answer |
//! | [`store`] | the only room that names SQL; the log's write path |
//! | [`audit`], [`disclosure`], [`linkage`], [`protocol`] | pure: leaves and trees; counts and noise; who is one person; what may be done |
//! | [`meters`] | numbers and ids for those who run it, which name nobody |
//! | [`keys`] | pseudonyms, sealing, signatures; the one door for identifiers |
//! | [`domain`] | the words of the field as types |
//! | [`verify`] | the auditor's verifier; shares no code with [`audit`] |
//! | [`book`] | the data book as documents: one page, CSV with metadata, JSON |
//! | [`witness`] | the cosigning service that the oversight body and partners run |
//! | [`files`], [`connector`] | the partner's side: files, push, resume |
//! | [`synth`] | a synthetic population and its truth |
//! | `bench` | what `bench` measures, and the limits that it compares with |
//! | `demo` | the ground and the journey that `demo` shows and `bench` measures on |
//! | [`wire`] | generated from `proto/` |
//!
//! # A record's way
//! A partner's row, of CSV, JSON lines or a workbook, is mapped and checked by [`domain::row`] on the partner's machine
//! ([`files`], [`connector`]) and again at the gateway, by the same code. In
//! [`gateway`]'s intake its identifiers, names and address become keyed values
//! ([`keys`], [`linkage`]) and are wiped; the protocol's permit admits it
//! ([`protocol::IntakePermit`]); its subjects are linked to persons and it is staged, visible
//! to nobody; then the sequencer ([`store::Sequencer`]) accepts the batch and its leaf in one
//! transaction, and only then is it acknowledged. (In a blinded deployment a partner's [`connector`]
//! makes the keyed values with the same code, from what the gateway evaluated without seeing it, and
//! sends those.) When a quarter closes, one pass over the
//! persons counts every table ([`disclosure::Counter`]), noise is drawn, and a
//! [`disclosure::Release`] is frozen, signed and logged. A card is looked up in it.
//!
//! # Invariants
//! - I1 A raw identifier leaves only through the keyed function: as a pseudonym, as a tag that is
//!   sealed, or, at a partner's connector, blinded ([`keys::RawIdentifier`]).
//! - I2 Names, addresses and identifiers are never stored; dates of birth only sealed.
//! - I3 An exact count of persons has one exit, and that adds noise ([`disclosure::Counter`]).
//! - I4 What no fully signed, running protocol grants is refused ([`protocol`]).
//! - I5 An answer exists only after the transaction with its effect and its leaf has
//!   committed ([`store::Logged`]); the log's own published hashes alone are no act ([`web`]).
//! - I6 Rows of a batch count only once the batch is accepted, each record once, and no more
//!   once it is undone.
//! - I7 A release never changes, and nothing is counted to answer a question.
//! - I8 Acknowledgements tell nothing about what others hold, or what linked.
//! - I9 Whether a release is allowed depends on catalogue and ledger, never on data.
//! - I10 A policy, protocol, deed or register that can't be read in full permits nothing.
//! - I11 A quarter is closed by two people, who have seen and accepted what is open
//!   ([`gateway::Gateway::close_quarter`]).
//! - I12 Figures are answered only while the witnesses that the root policy names cosign the
//!   log; nothing is served from a database that is behind one, and while one contradicts, only
//!   what stops and withdraws ([`gateway::Witnesses`]). Going on without one is a leaf.
//! - I13 What an act was about beyond its leaf is committed to under salts: an item is opened
//!   and proved alone, and one that is erased leaves its neighbours provable ([`audit::detail`]).
//! - I14 Nothing of a subject is used where a choice of its own reaches ([`protocol::choice`]), and
//!   whoever sends its records is answered as if it were.
//! - I15 Whether a consent stands and covers a use is one pure rule, at intake as in the count;
//!   its statements are never changed ([`protocol::consent`]).
//! - I16 What a controller withholds from its subject looks like what was never there
//!   ([`gateway::Gateway::report_subject`]).
//! - I17 What no protocol lets be kept any longer is gone once its day has ended, does not come
//!   in again, and a look that does not use what the job goes by says so ([`protocol::retention`]).
//! - I18 Nothing is served before what the journal of erasures has and the database lacks is done
//!   again and scrubbed; a journal that is missing or cut short starts nothing
//!   ([`gateway::Gateway::replay_journal`]).
//! - I19 What rests on telling subjects is let in only while its sender's privacy notice is in
//!   force ([`protocol::notices`]).
//! - I20 What a partner blinds the gateway never sees, and what is evaluated for it is proved,
//!   within its quota, and logged first ([`gateway::Gateway::evaluate`], [`keys::oblivious`]).
//! - I21 A family's edges hang on subjects, hold no date of birth, and hold and go as the record
//!   that told them does ([`store::families`]). Subjects' reports show them; nothing is counted
//!   by them yet.
//! - I22 An area's earlier figures are its own or sums of whole published areas; a code alone is no
//!   area, and no quarter is counted again for other boundaries ([`disclosure::Geography`]).

#[cfg(test)]
// Some of the integration tests' support is used inside the library, too.
extern crate self as tallygate;

pub mod audit;
mod bench;
pub mod book;
pub mod cli;
pub mod config;
pub mod connector;
mod demo;
pub mod disclosure;
pub mod domain;
pub mod files;
pub mod gateway;
pub mod grpc;
pub mod identity;
pub mod keys;
pub mod linkage;
pub mod meters;
pub mod protocol;
pub mod server;
pub mod store;
pub mod synth;
pub mod verify;
pub mod web;
pub mod wire;
pub mod witness;
