//! What becomes of records that were not used because of a choice, as time goes on and files are
//! undone: their sender sees the same as of records that were.

use super::{
    retention::{apply_on, kept_for},
    rights::{CENTRES, HEALTH, case, consents, identity, open_by_two},
    support::Town,
};
use crate::{
    gateway::UndoCause,
    protocol::{Choice, vocabulary::RetentionStart},
};

/// When child 2 makes a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    Never,
    /// Before the first file: its record is not used.
    Early,
    /// After it: its record is erased.
    Late,
    /// Before the first file, and no more before the second, which brings it again.
    Over,
}

async fn choose(town: &Town) {
    open_by_two(town, || case("choice", Choice::Objection, identity(2))).await;
}

async fn no_more(town: &Town) {
    town.gateway.end_case(&town.officer(), "choice".to_owned()).await.unwrap();
}

fn rows(range: std::ops::Range<usize>) -> Vec<Vec<String>> {
    range.map(|n| HEALTH.row("upsert", n)).collect()
}

/// What the sender is told when a file is undone: the first or the second of two that bring the
/// same records. `over`: child 2 had objected when the first came.
async fn told_of_undoing(first: bool, over: bool) -> Vec<String> {
    let town = Town::new().await;
    let mut all = Vec::new();
    let say = |all: &mut Vec<String>, said: &dyn std::fmt::Debug| all.push(format!("{said:?}"));
    if over {
        choose(&town).await;
    }
    let (accepted, one) = HEALTH.push_rows(&town, rows(0..5)).await;
    say(&mut all, &accepted);
    if over {
        no_more(&town).await;
    }
    let mut again = rows(0..5);
    again.extend(rows(6..7));
    let (accepted, two) = HEALTH.push_rows(&town, again).await;
    say(&mut all, &accepted);
    say(&mut all, &HEALTH.counted(&town).await);
    let opened = if first { one } else { two };
    let (actor, cause) = (HEALTH.actor(&town), UndoCause::WrongFile);
    let undone = town.gateway.undo_stream(&actor, opened.0, &opened.1, cause).await;
    let undone = undone.unwrap().into_parts().0;
    say(&mut all, &(undone.batches, undone.records, undone.already));
    say(&mut all, &HEALTH.counted(&town).await);
    say(&mut all, &HEALTH.find(&town, 0..8).await);
    say(&mut all, &HEALTH.withdraw(&town, 1..3).await);
    say(&mut all, &HEALTH.find(&town, 0..8).await);
    say(&mut all, &HEALTH.push(&town, 0..8).await);
    say(&mut all, &HEALTH.counted(&town).await);
    // What its sender wants erased is, wherever it has come to lie.
    town.gateway.erase_records(&actor, HEALTH.named(2..4)).await.unwrap();
    town.gateway.name_erasures().await.unwrap();
    town.set_clock("2026-05-15T12:00:00Z");
    town.gateway.name_erasures().await.unwrap();
    say(&mut all, &HEALTH.find(&town, 0..8).await);
    say(&mut all, &HEALTH.counted(&town).await);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_late_is_undone_with_the_file_that_sent_it_first() {
    for first in [true, false] {
        let (with, without) =
            (told_of_undoing(first, true).await, told_of_undoing(first, false).await);
        assert_eq!(with, without, "the first: {first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_withdrawn_in_an_undone_file_is_erased_like_any() {
    let mut told = Vec::new();
    for over in [true, false] {
        let town = Town::new().await;
        town.gateway.name_erasures().await.unwrap();
        if over {
            choose(&town).await;
        }
        HEALTH.push(&town, 0..5).await;
        let withdrawals = vec![HEALTH.row("withdraw", 2)];
        let opened = HEALTH.push_rows(&town, withdrawals).await.1;
        let (actor, cause) = (HEALTH.actor(&town), UndoCause::WrongFile);
        town.gateway.undo_stream(&actor, opened.0, &opened.1, cause).await.unwrap();
        if over {
            no_more(&town).await;
        }
        let mut all = vec![format!("{:?}", HEALTH.push(&town, 0..5).await)];
        all.push(format!("{:?}", HEALTH.withdraw(&town, 2..3).await));
        open_by_two(&town, || case("again", Choice::Erasure, identity(2))).await;
        town.set_clock("2026-05-13T23:30:00Z");
        town.gateway.name_erasures().await.unwrap();
        all.push(format!("{:?}", HEALTH.find(&town, 0..5).await));
        all.push(format!("{:?}", HEALTH.withdraw(&town, 2..3).await));
        all.push(format!("{:?}", HEALTH.push(&town, 0..5).await));
        told.push(all);
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_on_a_withdrawn_consent_was_sent_though_nobody_ever_made_a_choice() {
    let town = Town::new().await;
    town.gateway.name_erasures().await.unwrap();
    consents(&town, 0..3).await;
    CENTRES.push(&town, 0..3).await;
    town.gateway.withdraw_consent(&CENTRES.actor(&town), "C-1".to_owned()).await.unwrap();
    let before = CENTRES.push(&town, 0..3).await;
    town.set_clock("2026-05-13T23:30:00Z");
    town.gateway.name_erasures().await.unwrap();
    assert_eq!(CENTRES.counted(&town).await, 2);
    assert_eq!(CENTRES.push(&town, 0..3).await, before);
    assert_eq!(CENTRES.withdraw(&town, 1..2).await.sent_before, 0, "it is there to be withdrawn");
    assert_eq!(CENTRES.withdraw(&town, 1..2).await.sent_before, 1);
}

/// What the sender is told as the time of its records runs out.
async fn told_in_time(chosen: Chosen) -> Vec<String> {
    let town = kept_for(120, RetentionStart::EventDate).await;
    town.gateway.name_erasures().await.unwrap();
    let mut all = Vec::new();
    let say = |all: &mut Vec<String>, said: &dyn std::fmt::Debug| all.push(format!("{said:?}"));
    if matches!(chosen, Chosen::Early | Chosen::Over) {
        choose(&town).await;
    }
    say(&mut all, &HEALTH.push(&town, 0..5).await);
    match chosen {
        Chosen::Late => choose(&town).await,
        Chosen::Over => no_more(&town).await,
        Chosen::Never | Chosen::Early => {}
    }
    // 120 days after 3 February: kept through 3 June, in London.
    town.set_clock("2026-05-15T12:00:00Z");
    town.gateway.name_erasures().await.unwrap();
    say(&mut all, &HEALTH.push(&town, 0..5).await);
    for day in [
        "2026-06-03T22:30:00Z",
        "2026-06-03T23:30:00Z",
        "2026-12-31T23:30:00Z",
        "2027-01-02T02:00:00Z",
    ] {
        apply_on(&town, day).await;
        say(&mut all, &(day, HEALTH.find(&town, 0..6).await));
        let mut another = HEALTH.row("upsert", 2);
        another[0] = "r-9".to_owned();
        let rows = vec![HEALTH.row("upsert", 2), HEALTH.row("withdraw", 3), another];
        say(&mut all, &HEALTH.push_rows(&town, rows).await.0);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_used_is_let_go_like_what_was() {
    let without = told_in_time(Chosen::Never).await;
    assert!(without.iter().any(|said| said.contains("[true, true, true")), "{without:?}");
    assert!(without.iter().any(|said| said.contains("[false, false, false")), "{without:?}");
    for chosen in [Chosen::Early, Chosen::Late, Chosen::Over] {
        assert_eq!(told_in_time(chosen).await, without, "{chosen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_what_was_not_used_once_it_is_forgotten() {
    let town = kept_for(120, RetentionStart::EventDate).await;
    choose(&town).await;
    HEALTH.push(&town, 0..5).await;
    let left = async || {
        let mut tx = town.gateway.store().read(crate::store::Rights::Release).await.unwrap();
        let mut left = 0;
        for batch in 1..5 {
            let batch = crate::domain::BatchId::new(batch);
            left += crate::store::cases::unused_of(&mut tx, batch).await.unwrap().len();
        }
        left
    };
    assert_eq!(left().await, 1);
    let proof = town.gateway.prove_retention(&town.auditor(), None, None).await.unwrap();
    assert!(proof.value().overdue.is_empty());
    // A gateway that stood still: what was not used is overdue, too.
    town.set_clock("2026-06-10T12:00:00Z");
    let proof = town.gateway.prove_retention(&town.auditor(), None, None).await.unwrap();
    let overdue: Vec<u64> = proof.value().overdue.iter().map(|(.., below)| *below).collect();
    assert_eq!(overdue, [100]);
    apply_on(&town, "2026-06-10T12:00:00Z").await;
    assert_eq!(left().await, 0);
    assert!(town.gateway.store().owes_scrub().await.unwrap(), "its bytes are to be scrubbed");
    town.gateway.name_erasures().await.unwrap();
    town.set_clock("2026-06-11T12:00:00Z");
    town.gateway.name_erasures().await.unwrap();
    assert!(!town.gateway.store().owes_scrub().await.unwrap());
}
