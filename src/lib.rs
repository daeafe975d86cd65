//! tallygate: a gateway through which agencies that serve small children share counts,
//! never people.

pub mod audit;
pub mod cli;
pub mod config;
pub mod connector;
pub mod disclosure;
pub mod domain;
pub mod files;
pub mod gateway;
pub mod grpc;
pub mod identity;
pub mod keys;
pub mod linkage;
pub mod protocol;
pub mod server;
pub mod store;
pub mod synth;
pub mod verify;
pub mod wire;
