//! The one integration binary: each further one would link everything again.

#[cfg(test)]
mod access;
#[cfg(test)]
mod architecture;
mod areas;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod audit_log;
#[cfg(test)]
mod auditor;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod blinded;
#[cfg(test)]
mod books;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod details;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gateways;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod levels;
#[cfg(test)]
mod log_rows;
#[cfg(test)]
mod ops;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod projection;
#[cfg(test)]
mod push;
#[cfg(test)]
mod raw_values;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod store;
#[cfg(test)]
mod subjects;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod tiles;
#[cfg(test)]
mod truth;
#[cfg(test)]
mod undo;
mod utility;
#[cfg(test)]
mod witness;
