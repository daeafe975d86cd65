//! The room's tests: what a document may say, what signatures are worth, a life against a model, and the one
//! decision case by case.

mod adherence;
mod consent;
mod decision;
mod diff;
mod document;
mod granted;
mod life;
mod lives;
mod pair;
mod quorum;
mod released;
mod retention;
mod signing;
mod support;
mod template;
