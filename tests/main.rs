//! The one integration binary.

#[cfg(test)]
mod audit_log;
mod raw_values;
