//! The one integration binary.

mod audit_log;
mod raw_values;
