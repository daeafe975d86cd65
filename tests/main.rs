//! The one integration binary.
<<<<<<< HEAD
mod raw_values;
=======

#[cfg(test)]
mod audit_log;
>>>>>>> audit
