//! Closing, figures, the log's readers and its files, on one small town.

mod approval;
mod births;
mod books;
mod boundaries;
mod cases;
mod close;
mod details;
mod erase;
mod erased;
mod figures;
mod log;
mod pushed_consents;
mod records;
mod relink;
mod retention;
mod revoked;
mod rights;
mod search;
mod subjects;
mod support;
mod table_requests;
mod undo;
mod unused;
mod withdraw;
mod witnesses;

use super::Denied;
use crate::{
    audit::{Decision, Leaf},
    store::Rights,
};

/// What a denied call was refused for; its refusal is logged.
fn refused<T: std::fmt::Debug>(answer: Result<T, Denied>) -> (&'static str, Option<String>) {
    match answer {
        Err(Denied::Refused(logged)) => {
            let refused = logged.value();
            (refused.reason(), refused.clause().map(str::to_owned))
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// The newest entry of the log.
async fn last_leaf(town: &support::Town) -> Leaf {
    let mut tx = town.gateway.store().read(Rights::Figures).await.unwrap();
    let size = crate::store::log::head(&mut tx).await.unwrap().unwrap().size;
    let entries = crate::store::log::entries(&mut tx, size - 1, size).await.unwrap();
    Leaf::decode(&entries[0]).unwrap()
}

fn reason_of(leaf: &Leaf) -> &str {
    match &leaf.decision {
        Decision::Refused { reason } => reason.as_str(),
        Decision::Granted => "",
    }
}
