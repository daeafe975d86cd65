//! tallygate: a gateway through which agencies that serve small children share counts,
//! never people.

pub mod domain;
pub mod protocol;
