//! What the gateway counts of its own work, for a monitoring system to read (`/metrics` of the ops
//! listener), and the ids by which one call is followed.
//!
//! # What may be counted
//! A monitoring system is read by many people for whom no protocol was signed, and keeps what it
//! reads for months. So every number is one of these, and a test scrapes a run with known people
//! and looks for them, for places and for organisations:
//!
//! - **Work done by machines**: times, sizes of queues, memory, failed handshakes by class, calls
//!   by method and status. What calls that are each about one person (a case, a report, a consent,
//!   an erasure, the opening of a detail) are counted together, without their method and their
//!   times, and [`Stepped`]: one of them alone would say that somebody objected this minute.
//! - **Rows**, by record type and by the rule that refused them: never by sender, protocol, place or
//!   day, over all partners together, and [`Stepped`]. A single refused row of a rare type, or the
//!   one birth of a night, is seen in no value; nor is how many there are of anything, since a row is
//!   neither a person nor a record that is kept, and the count begins again with each process.
//! - **What is published anyway**: releases, the log's size as of its last tick, the budget that the
//!   releases have spent, days until a protocol ends.
//!
//! What remains: whoever reads the numbers sees when much and when little is done. The store's times
//! and the calls that are open count all work together, the pages' and the gateway's own included, so
//! that no difference of two numbers is one person's act.
//!
//! Labels hold words of the program alone: names of methods, codes, record types, rules, classes.
//! Nothing that came over the wire is one: a method that the API does not have is `other`.

mod calls;
mod intake;
mod stepped;
mod times;
mod trace;

pub use calls::{CallLabels, CallMeters, Counted, MethodLabel};
pub use intake::{IntakeMeters, RejectLabels, RowLabels};
pub use stepped::Stepped;
pub use times::{Access, StoreMeters, seconds};
pub use trace::{InvalidTrace, REQUEST_ID, RequestId, TRACEPARENT, TraceParent};
