//! Every step of the sequencer's transaction, refused or lost, undone or done all the same,
//! and what must come of it.
//!
//! Each time three callers share the transaction: one asks (no effect), one enters a partner,
//! one tries what is impossible. The table says what they are told - `G`ranted with a receipt
//! that is checked, `C`onflict, `U`navailable - and how many of their leaves the log then
//! holds. Whatever happened, no leaf is there twice, an effect is there exactly when its leaf
//! is, and the next caller is served.

use super::{
    Fault,
    Report::{self, Lost, Refused},
    world::{Answer, World, bar_nobody, enter, letter, reads_as},
};
use crate::{audit::Leaf, store::Rights};
use std::collections::BTreeSet;

/// What three callers are told, and how many leaves there are then.
type Outcome = (&'static str, usize);

/// Nothing was done and everyone is told so.
const NOTHING: Outcome = ("UUU", 0);
/// As if nothing had happened: it was tried again.
const ALL: Outcome = ("GGC", 2);

/// A step, and what comes of it when it is refused; refused though done; lost; lost though
/// done.
type Row = (&'static str, [Outcome; 4]);

/// What ends the transaction for all.
const fn all_or_nothing(step: &'static str) -> Row {
    (step, [NOTHING, NOTHING, ALL, ALL])
}

/// What is the second caller's own matter.
const fn second_alone(step: &'static str) -> Row {
    (step, [("GUC", 1), ("GUC", 1), ALL, ALL])
}

const TABLE: [Row; 16] = [
    all_or_nothing("begin"),
    // Several gateways share a database: the head is locked and read first.
    all_or_nothing("SELECT size, root, checkpoint, at FROM log_head WHERE only_row"),
    all_or_nothing("SELECT acts FROM partner WHERE partner_id"),
    all_or_nothing("SAVEPOINT act"),
    second_alone("INSERT INTO partner"),
    second_alone("UPDATE counter SET next"),
    all_or_nothing("RELEASE SAVEPOINT act"),
    ("UPDATE partner SET disabled", [("GGU", 2), ("GGU", 2), ALL, ALL]),
    all_or_nothing("ROLLBACK TO SAVEPOINT act"),
    all_or_nothing("UPDATE partner SET acts"),
    all_or_nothing("INSERT INTO log_entry"),
    all_or_nothing("INSERT INTO log_hash"),
    all_or_nothing("UPDATE log_head SET size"),
    // PostgreSQL adds entries and hashes and moves the head at once.
    all_or_nothing("WITH entries"),
    // The one step after which nobody knows: the leaves stand although nobody is told, which
    // is safe; where the connection broke, the log itself is asked.
    ("COMMIT", [NOTHING, ("UUU", 2), ALL, ALL]),
    ("begin reading", [NOTHING, NOTHING, NOTHING, NOTHING]),
];

/// The four ways, in the order of the table's columns.
const WAYS: [(Report, bool); 4] = [(Refused, false), (Refused, true), (Lost, false), (Lost, true)];

fn expected(step: &str, way: usize) -> Outcome {
    let row = TABLE.iter().find(|(name, _)| *name == step);
    row.unwrap_or_else(|| panic!("a step that the table does not know: {step}")).1[way]
}

/// Three callers at once, the first of them for a partner: the queue holds all of them before
/// the sequencer's task runs.
pub(super) async fn three(world: &World, who: &str, id: &str) -> [Answer; 3] {
    let (asks, enters, fails) =
        tokio::join!(world.act(reads_as(who, id)), world.act(enter(id)), world.act(bar_nobody(id)));
    [asks, enters, fails]
}

pub(super) fn told(answers: &[Answer]) -> String {
    answers.iter().map(letter).collect()
}

/// How many leaves are about somebody.
pub(super) fn about(leaves: &[Leaf], id: &str) -> usize {
    let is = |leaf: &&Leaf| leaf.notes.about.as_ref().is_some_and(|about| about.as_str() == id);
    leaves.iter().filter(is).count()
}

#[tokio::test]
async fn each_step_that_fails_comes_to_what_the_table_says() {
    for world in World::each().await {
        // The steps of a transaction in which nothing goes wrong.
        let steps = run(&world, "s", None).await;
        assert_eq!(steps.first().map(String::as_str), Some("begin"));
        assert_eq!(steps.last().map(String::as_str), Some("COMMIT"));
        for (number, step) in steps.iter().enumerate() {
            for (way, (report, done)) in WAYS.into_iter().enumerate() {
                let case = format!("{}: {number} {step}, {report:?}, done {done}", world.name());
                let fault = Fault { step: number, report, done };
                let expected = (case.as_str(), expected(step, way));
                let taken = run(&world, &format!("s{number}-{way}"), Some((fault, expected))).await;
                assert_eq!(taken[number], *step, "{case}: another step failed");
            }
        }
        let met: BTreeSet<&str> = steps.iter().map(String::as_str).collect();
        assert!(met.len() >= 11, "steps that were never reached: {met:?}");
    }
}

/// Lets three callers share a transaction in which a step fails, and checks what comes of it;
/// the steps that were taken.
async fn run(world: &World, id: &str, fault: Option<(Fault, (&str, Outcome))>) -> Vec<String> {
    let (due, (case, (tells, leaves))) =
        fault.map_or((vec![], ("no fault", ALL)), |(fault, expected)| (vec![fault], expected));
    // Somebody whose counter the sequencer has not seen yet.
    let asker = format!("{id}-a");
    world.act(enter(&asker)).await.unwrap();
    let size = world.leaves().await.len();
    world.store.faults.arm(Rights::Sequencer, due);
    let answers = three(world, &asker, id).await;
    let steps = world.store.faults.disarm();
    let log = world.leaves().await;
    assert_eq!((told(&answers).as_str(), log.len() - size), (tells, leaves), "{case}");
    assert_eq!(about(&log, id), leaves, "{case}: a leaf lost or doubled");
    // The partner is there exactly when its leaf is.
    let entered = answers[1].is_ok() || (leaves == 2 && tells == "UUU");
    assert_eq!(world.knows(id).await, entered, "{case}: the effect without its leaf");
    for answer in answers.iter().flatten() {
        world.holds(answer.receipt()).await;
    }
    let next = world.act(reads_as(&asker, "next")).await;
    let next = next.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(next.receipt().leaf_index, log.len() as u64, "{case}");
    world.holds(next.receipt()).await;
    steps
}
