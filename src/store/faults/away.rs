//! More than one fault: the recovery fails too, the database stays away for a while, the disk
//! is full, a neighbour moves the head, the clock goes backwards.

use super::{
    Fault, Report,
    steps::{about, three, told},
    world::{NOON, World, enter, reads},
};
use crate::store::{ActError, Engine, Rights};
use std::collections::BTreeSet;

fn both(first: usize, then: usize, done: bool) -> Vec<Fault> {
    [Report::Refused, Report::Lost]
        .into_iter()
        .flat_map(|_| [first, then])
        .zip([Report::Lost, Report::Refused])
        .map(|(step, report)| Fault { step, report, done })
        .collect()
}

/// A step fails, and so does the recovery from it, at each of its own steps. Nobody is told
/// of success then, unless the log holds it; nothing is doubled; and once the database is
/// back, callers are served again.
#[tokio::test]
async fn a_recovery_that_fails_too_forks_nothing() {
    for world in World::each().await {
        world.store.faults.arm(Rights::Sequencer, Vec::new());
        assert_eq!(told(&three(&world, "health", "no-fault").await), "GGC");
        let steps = world.store.faults.disarm().len();
        for first in [0, 2, steps / 2, steps - 2, steps - 1] {
            for after in 1..=4 {
                for done in [false, true] {
                    let id = format!("d{first}-{after}-{done}");
                    world.store.faults.arm(Rights::Sequencer, both(first, first + after, done));
                    let answers = three(&world, "health", &id).await;
                    world.store.faults.disarm();
                    let case = format!("{}: {id} {}", world.name(), told(&answers));
                    let held = about(&world.leaves().await, &id);
                    let granted = answers.iter().flatten().count();
                    assert!(held >= granted && held <= 2, "{case}: {held} leaves");
                    for answer in answers.iter().flatten() {
                        world.holds(answer.receipt()).await;
                    }
                    // At most one more caller pays for a head that could not be read again.
                    if world.act(reads("second")).await.is_err() {
                        world.act(reads("third")).await.unwrap_or_else(|e| panic!("{case}: {e}"));
                    }
                    world.leaves().await;
                }
            }
        }
    }
}

/// While everything fails, every caller is told so, and the log stays as it was.
#[tokio::test]
async fn a_database_that_stays_away_answers_nobody() {
    for world in World::each().await {
        let size = world.leaves().await.len();
        for report in [Report::Refused, Report::Lost] {
            let all = (0..2_000).map(|step| Fault { step, report, done: false }).collect();
            world.store.faults.arm(Rights::Sequencer, all);
            for _ in 0..3 {
                let answers = three(&world, "health", "away").await;
                assert_eq!(told(&answers), "UUU");
            }
            world.store.faults.disarm();
            assert_eq!(world.leaves().await.len(), size, "{}", world.name());
        }
        world.act(reads("back")).await.unwrap();
        assert_eq!(world.leaves().await.len(), size + 1);
    }
}

/// SQLite's own refusal, of a file that may not grow, which ends the transaction on its own
/// account: whoever finds no room is told, and the log goes on where it was.
#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let world = World::sqlite().await;
    let Engine::Sqlite { writer, .. } = &world.store.engine else { panic!("not SQLite") };
    let mut granted = 0;
    for round in 0..3 {
        // A limit of this connection's; the one that takes its place has none.
        let (pages,): (i64,) = sqlx::query_as("PRAGMA page_count").fetch_one(writer).await.unwrap();
        let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::raw_sql(limit).execute(writer).await.unwrap();
        let mut refused = None;
        for n in 0..300 {
            match world.act(enter(&format!("p{round}-{n}"))).await {
                Ok(logged) => {
                    granted += 1;
                    world.holds(logged.receipt()).await;
                }
                Err(error) => {
                    refused = Some((n, error));
                    break;
                }
            }
        }
        let (n, error) = refused.expect("the disk was not full");
        assert!(matches!(error, ActError::Unavailable), "{error}");
        assert!(!world.knows(&format!("p{round}-{n}")).await, "the effect without its leaf");
        assert_eq!(world.leaves().await.len(), 1 + granted);
        world.holds(world.act(reads("room")).await.unwrap().receipt()).await;
        granted += 1;
    }
    assert!(granted > 3);
}

/// Two gateways fight over the head row while the steps of one of them fail: the other is
/// served, nothing is doubled, and both go on.
#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_fight_while_one_of_them_fails() {
    let Some(world) = World::postgres().await else { return };
    let other = world.neighbour().await;
    let before = world.leaves().await.len();
    let (mut held, mut unavailable) = (BTreeSet::new(), 0);
    for round in 0..40 {
        let report = if round % 2 == 0 { Report::Lost } else { Report::Refused };
        let fault = Fault { step: round % 8, report, done: round % 3 == 0 };
        world.store.faults.arm(Rights::Sequencer, vec![fault]);
        let (ours, theirs) = tokio::join!(
            futures_util::future::join_all((0..5).map(|_| world.act(reads("ours")))),
            futures_util::future::join_all((0..5).map(|_| other.act(reads("theirs")))),
        );
        world.store.faults.disarm();
        for logged in theirs {
            held.insert(logged.unwrap().receipt().leaf_index);
        }
        for answer in ours {
            match answer {
                Ok(logged) => {
                    held.insert(logged.receipt().leaf_index);
                }
                Err(error) => {
                    assert!(matches!(error, ActError::Unavailable), "{error}");
                    unavailable += 1;
                }
            }
        }
    }
    let leaves = world.leaves().await;
    assert_eq!(about(&leaves, "theirs"), 200, "the other gateway's callers paid");
    let written = leaves.len() - before;
    assert!(held.len() <= written && written <= held.len() + unavailable, "{written}");
    assert!(unavailable > 0 && held.len() > 300, "{} held, {unavailable} not", held.len());
}

/// Leaves are dated no earlier than the one before them, whatever the clock says, and their
/// receipts hold.
#[tokio::test]
async fn a_clock_that_goes_backwards_does_not_take_the_log_with_it() {
    for world in World::each().await {
        for (n, clock) in [5, 3, -1_000_000_000, 4, 6, i64::MIN / 2 - NOON].into_iter().enumerate()
        {
            let at = (NOON + clock).max(-100_000_000_000_000_000);
            world.set_clock(at);
            let logged = world.act(reads(&format!("c{n}"))).await.unwrap();
            world.holds(logged.receipt()).await;
        }
        let times: Vec<i64> =
            world.leaves().await.iter().map(|leaf| leaf.at.as_microsecond() - NOON).collect();
        assert_eq!(times, [0, 5, 5, 5, 5, 6, 6], "{}", world.name());
    }
}
