//! tallygate: a gateway through which agencies that serve small children share counts,
//! never people.

pub mod audit;
pub mod domain;
pub mod verify;
pub mod wire;
