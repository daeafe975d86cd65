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
    world::{Answer, NOON, World, bar_nobody, enter, letter, reads_as},
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

const TABLE: [Row; 18] = [
    all_or_nothing("begin"),
    // Several gateways share a database: the head is locked and read first.
    all_or_nothing("SELECT base, size, root, checkpoint, at FROM log_head WHERE only_row"),
    // A new year: the names that logs have had, and the end of the old one.
    all_or_nothing("SELECT base, size, root, checkpoint, at FROM past_log ORDER BY base"),
    all_or_nothing("INSERT INTO past_log"),
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
        let met = every_step(&world, &mut |_| ()).await;
        assert!(met.len() >= 11, "steps that were never reached: {met:?}");
        assert_eq!(world.ended().await, 0);
    }
}

/// The same of the transaction that begins a new year: the old log ends once, and the new one
/// begins with its end, whichever step failed and however often.
#[tokio::test]
async fn each_step_of_a_new_year_that_fails_comes_to_what_the_table_says() {
    for world in World::each().await {
        let mut years = 0;
        let mut next_year = |world: &World| {
            years += 1;
            world.set_clock(NOON + years * YEAR);
        };
        let met = every_step(&world, &mut next_year).await;
        assert!(met.contains("INSERT INTO past_log"), "no log was ended: {met:?}");
        assert_eq!(world.ended().await, usize::try_from(years).unwrap(), "{}", world.name());
    }
}

/// A year, microseconds.
const YEAR: i64 = 365 * 86_400 * 1_000_000;

/// Lets every step of a transaction fail in every way; which steps there were.
async fn every_step(world: &World, prepare: &mut impl FnMut(&World)) -> BTreeSet<String> {
    // The steps of a transaction in which nothing goes wrong.
    let steps = run(world, "s", prepare, None).await;
    assert_eq!(steps.first().map(String::as_str), Some("begin"));
    assert_eq!(steps.last().map(String::as_str), Some("COMMIT"));
    for (number, step) in steps.iter().enumerate() {
        for (way, (report, done)) in WAYS.into_iter().enumerate() {
            let case = format!("{}: {number} {step}, {report:?}, done {done}", world.name());
            let expected = Expected { case, outcome: expected(step, way) };
            let fault = Fault { step: number, report, done };
            let id = format!("s{number}-{way}");
            let taken = run(world, &id, prepare, Some((fault, &expected))).await;
            assert_eq!(taken[number], *step, "{}: another step failed", expected.case);
        }
    }
    steps.into_iter().collect()
}

/// What must come of a case.
struct Expected {
    case: String,
    outcome: Outcome,
}

/// Lets three callers share a transaction in which a step fails, and checks what comes of it;
/// the steps that were taken.
async fn run(
    world: &World,
    id: &str,
    prepare: &mut impl FnMut(&World),
    fault: Option<(Fault, &Expected)>,
) -> Vec<String> {
    let (due, expected) = fault.unzip();
    let case = expected.map_or("no fault", |expected| expected.case.as_str());
    let (tells, leaves) = expected.map_or(ALL, |expected| expected.outcome);
    // Somebody whose counter the sequencer has not seen yet.
    let asker = format!("{id}-a");
    world.act(enter(&asker)).await.unwrap();
    prepare(world);
    world.store.faults.arm(Rights::Sequencer, due.into_iter().collect());
    let answers = three(world, &asker, id).await;
    let steps = world.store.faults.disarm();
    let log = world.leaves().await;
    assert_eq!((told(&answers).as_str(), about(&log, id)), (tells, leaves), "{case}");
    // The partner is there exactly when its leaf is.
    let entered = answers[1].is_ok() || (leaves == 2 && tells == "UUU");
    assert_eq!(world.knows(id).await, entered, "{case}: the effect without its leaf");
    for answer in answers.iter().flatten() {
        world.holds(answer.receipt()).await;
    }
    let next = world.act(reads_as(&asker, "next")).await;
    let next = next.unwrap_or_else(|error| panic!("{case}: {error}"));
    let size = world.leaves().await.len() as u64;
    assert_eq!(next.receipt().leaf_index, size - 1, "{case}");
    world.holds(next.receipt()).await;
    steps
}
