//! The partner's side: what runs where the records are.
//!
//! - [`push`]: a file to the gateway, batch by batch, each acknowledged.
//! - [`order`]: what to push and how, and why a push did not come to its end.
//! - [`journal`]: what was acknowledged, so that a broken push can go on.
//! - [`report`]: what became of the rows, and the receipts that prove it.

mod batches;
pub mod journal;
pub mod order;
pub mod push;
pub mod report;

pub use journal::JournalError;
pub use order::{Progress, PushError, PushOrder, Silent};
pub use push::push;
pub use report::{KeptReceipt, PushReport};
