//! The one integration binary.
mod raw_values;
