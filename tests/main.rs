//! The one integration binary.

mod architecture;
mod audit_log;
mod raw_values;
