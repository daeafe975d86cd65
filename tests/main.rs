//! The one integration binary.

#[cfg(test)]
mod audit_log;
