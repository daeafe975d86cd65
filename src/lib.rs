//! tallygate
