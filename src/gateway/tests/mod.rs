//! Tests of the registers' use cases: each grant, each refusal and its leaf.

mod areas;
mod consents;
mod partners;
mod protocols;
mod reinstated;
mod staging;
mod support;
mod turns;
