//! The partner's side: what runs where the records are.
//!
//! - [`push`]: a file to the gateway, batch by batch, each acknowledged.
//! - [`journal`]: what was acknowledged, so that a broken push can go on.
//! - [`report`]: what became of the rows, and the receipts that prove it.
