//! tallygate: a gateway through which agencies that serve small children share counts,
//! never people.

pub mod connector;
pub mod domain;
pub mod files;
pub mod wire;
