//! The one integration binary.

mod architecture;
mod audit_log;
mod demo;
mod leaks;
mod raw_values;
mod refusals;
mod support;
