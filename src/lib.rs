//! tallygate: a gateway through which agencies that serve small children share counts,
//! never people.

pub mod disclosure;
pub mod domain;
pub mod synth;
pub mod wire;
