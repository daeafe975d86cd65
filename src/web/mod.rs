//! The web: the log's public side, and ([`pages`]) pages for people. First the log's public side
//! over HTTPS, as C2SP tlog-tiles 0.1.0 has it: `/checkpoint`,
//! `/tile/<L>/<N>[.p/<W>]`, `/tile/entries/<N>[.p/<W>]`. Thin, like [`crate::grpc`]: it
//! recognises the caller, reads the path, and answers what the use cases give.
//!
//! - [`path`]: the paths, read strictly.
//! - [`site`]: who may have what, and the answers.
//! - [`serve()`]: connections, their limits and their end.
//! - [`pages`]: on a listener of their own, pages for people.
//!
//! # Who may have what
//! Hash tiles and checkpoints are for every partner in the register, by its client certificate
//! alone: any C2SP tool works with no more than that. Entry bundles are for auditors, by
//! certificate and access token, with the very check that gRPC has.
//!
//! # What is a leaf
//! Reading entries is one, each time, written before the answer, whose `tallygate-receipt`
//! header proves it. So is every refusal of a caller, and of a malformed path under `/tile/`;
//! those who show no certificate at all are counted with the failed handshakes, as anyone can
//! be one. Hash tiles and checkpoints are no leaves, neither given nor "not there": all
//! partners get the same bytes, which say how much was logged up to a tick and nothing of any
//! entry, so that nobody is disclosed to anybody, and who looked is of no use to anyone. (As
//! leaves, the looks of one tick would make the growth that the next tick shows.) 404 and 405
//! for what no log has are no acts either, as with a method that gRPC does not know.
//!
//! # Answers
//! Fixed words, nothing of the request: neither paths nor headers are repeated. What is
//! served is what was published at the last tick ([`crate::gateway::Published`]), of the log
//! that grows: those of earlier years are folders beside its own, and come over gRPC.

pub mod pages;
pub mod path;
pub mod serve;
pub mod site;

pub use serve::{WebLimits, serve};
pub use site::Site;
