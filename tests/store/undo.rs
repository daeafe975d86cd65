//! Streams undone, releases withdrawn, words given: what stays, and what is used up.

use super::{Fresh, batch_of, key, now, on_both, partner};
use jiff::SignedDuration;
use tallygate::{
    domain::{BatchId, FeedId, RecordType},
    store::{
        ActError, Effect, Outcome, Rights,
        approvals::{self, Approval},
        feeds::{self, NewBatch},
        records, releases,
        undo::{self, Undo},
    },
};

on_both!(
    an_undone_stream_counts_no_more_and_takes_no_more,
    a_notice_is_written_once_and_stays,
    a_word_serves_one_act_once,
    feeds_tell_when_their_batches_came_in,
);

const STREAM: u64 = 7;

async fn stage(fresh: &Fresh, feed: FeedId, stream: u64, record: usize) -> BatchId {
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let new = NewBatch { stream, records: 10, ..batch_of(feed) };
    let batch = feeds::stage(&mut tx, &new).await.unwrap();
    let number = i64::try_from(record).unwrap();
    records::stage_sent(&mut tx, feed, batch, &[(key(record), number)], 1).await.unwrap();
    tx.commit().await.unwrap();
    batch
}

fn undoing(feed: FeedId, batches: u64) -> Effect {
    let cause = "wrong_file";
    Effect::UndoStream(Undo { stream: STREAM, feed, cause, batches, records: 10 * batches })
}

async fn an_undone_stream_counts_no_more_and_takes_no_more(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::LiveBirth).await;
    for record in [1, 2] {
        let batch = stage(&fresh, feed, STREAM, record).await;
        fresh.accept(batch).await.unwrap();
    }
    let other = stage(&fresh, feed, STREAM + 1, 3).await;
    fresh.accept(other).await.unwrap();
    let late = stage(&fresh, feed, STREAM, 4).await;
    let mut tx = fresh.read(Rights::Figures).await;
    assert_eq!(undo::accepted(&mut tx, STREAM).await.unwrap(), Some((feed, 2, 20)));
    assert_eq!(undo::accepted(&mut tx, 99).await.unwrap(), None);
    assert_eq!(undo::undone(&mut tx, STREAM).await.unwrap(), None);
    drop(tx);
    // Decided when there was one batch fewer: nothing is done.
    assert!(matches!(fresh.act(undoing(feed, 1)).await, Err(ActError::Conflict)));
    assert_eq!(fresh.act(undoing(feed, 2)).await.unwrap(), Outcome::At(now()));
    assert!(matches!(fresh.act(undoing(feed, 0)).await, Err(ActError::Conflict)));
    // What was staged before is not accepted any more.
    assert!(matches!(fresh.accept(late).await, Err(ActError::Conflict)));

    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let sent = records::sent(&mut tx, feed, &[key(1), key(3), key(4)]).await.unwrap();
    let states = |number| (sent[&key(number)].accepted, sent[&key(number)].undone);
    assert_eq!([states(1), states(3), states(4)], [(false, true), (true, false), (false, false)]);
    // It can't be given up, and so is not cleared away.
    feeds::abandon(&mut tx, &[sent[&key(1)].batch]).await.unwrap_err();
    drop(tx);
    let mut tx = fresh.read(Rights::Release).await;
    assert_eq!(feeds::freshness(&mut tx).await.unwrap().len(), 1);
    let since = now().as_microsecond();
    let feeds_undone = undo::feeds_since(&mut tx, since - 1).await.unwrap();
    assert_eq!(feeds_undone, [(partner("health"), RecordType::LiveBirth)]);
    assert!(undo::feeds_since(&mut tx, since).await.unwrap().is_empty());
    let undone = undo::undone(&mut tx, STREAM).await.unwrap().unwrap();
    assert_eq!((undone.batches, undone.records, undone.undone_at), (2, 20, since));
    drop(tx);
    for sql in ["UPDATE stream_undo SET stream = 8", "DELETE FROM stream_undo"] {
        let said = fresh.attack(sql).await.unwrap_err();
        assert!(said.contains("what was undone stays undone"), "{sql}: {said}");
    }
}

async fn a_notice_is_written_once_and_stays(fresh: Fresh) {
    let quarter = "2026Q1".parse().unwrap();
    let release = releases::Entry { quarter, digest: [1; 32], document: "{}".to_owned() };
    fresh.act(Effect::Freeze(Box::new((release, vec![])))).await.unwrap();
    let withdraw = |digest, notice: &str| {
        let (digest, notice) = ([digest; 32], notice.to_owned());
        Effect::WithdrawRelease(Box::new(releases::Withdrawal { quarter, digest, notice }))
    };
    let held = async || {
        let mut tx = fresh.read(Rights::Figures).await;
        releases::all(&mut tx).await
    };
    assert_eq!(held().await.unwrap()[0].withdrawn, None);
    fresh.act(withdraw(1, "one")).await.unwrap();
    assert!(matches!(fresh.act(withdraw(1, "two")).await, Err(ActError::Conflict)));
    let notice = Some(("one".to_owned(), now().as_microsecond()));
    assert_eq!(held().await.unwrap()[0].withdrawn, notice);
    for sql in ["UPDATE release_withdrawal SET notice = ''", "DELETE FROM release_withdrawal"] {
        let said = fresh.attack(sql).await.unwrap_err();
        assert!(said.contains("a notice stays"), "{sql}: {said}");
    }
}

async fn a_word_serves_one_act_once(fresh: Fresh) {
    let (mine, lasts) = ([4; 32], approvals::LASTS);
    let word =
        |user| Approval { act: mine, partner: partner("authority"), user: [user; 16], given_at: 0 };
    let give = |user, replaced| Effect::Approve(Box::new((word(user), replaced)));
    let given = async || {
        let mut tx = fresh.read(Rights::Figures).await;
        approvals::of(&mut tx, &mine).await.unwrap()
    };
    assert_eq!(given().await, None);
    assert_eq!(fresh.act(give(1, None)).await.unwrap(), Outcome::At(now()));
    let first = given().await.unwrap();
    assert_eq!(first, Approval { given_at: now().as_microsecond(), ..word(1) });
    assert!(first.waits_at(now() + lasts - SignedDuration::from_micros(1)));
    assert!(!first.waits_at(now() + lasts));
    // Two at once: the later one has to look again. One that does not count is replaced.
    assert!(matches!(fresh.act(give(2, None)).await, Err(ActError::Conflict)));
    fresh.act(give(2, Some(first.clone()))).await.unwrap();
    let second = given().await.unwrap();
    assert_eq!(second.user, [2; 16]);
    let spend = |word: &Approval, effect| Effect::Approved(Box::new((word.clone(), effect)));
    let freeze = |quarter: &str| {
        let (quarter, document) = (quarter.parse().unwrap(), "{}".to_owned());
        let entry = releases::Entry { quarter, digest: [1; 32], document };
        Effect::Freeze(Box::new((entry, vec![])))
    };
    // A word that is not there does nothing, and an act that fails uses none up.
    let absent = fresh.act(spend(&first, freeze("2026Q1"))).await;
    assert!(matches!(absent, Err(ActError::Conflict)));
    fresh.act(freeze("2025Q4")).await.unwrap();
    let failed = fresh.act(spend(&second, freeze("2025Q4"))).await;
    assert!(matches!(failed, Err(ActError::Conflict)));
    assert_eq!(given().await.as_ref(), Some(&second));
    fresh.act(spend(&second, freeze("2026Q1"))).await.unwrap();
    assert_eq!(given().await, None);
    let again = fresh.act(spend(&second, freeze("2026Q2"))).await;
    assert!(matches!(again, Err(ActError::Conflict)));
    let mut tx = fresh.read(Rights::Figures).await;
    assert_eq!(releases::all(&mut tx).await.unwrap().len(), 2);
}

async fn feeds_tell_when_their_batches_came_in(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::LiveBirth).await;
    let day = |n: i64| n * 86_400_000_000;
    let at = |n: i64| jiff::Timestamp::from_microsecond(day(n) + 5).unwrap();
    // Extracts of day 20,000: one in time, one after 50 days; a third is only staged.
    for (came, counts) in [(20_001, true), (20_050, true), (20_090, false)] {
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        let new = NewBatch { staged_at: at(came), ..batch_of(feed) };
        let batch = feeds::stage(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        if counts {
            fresh.accept(batch).await.unwrap();
        }
    }
    let mut tx = fresh.read(Rights::Release).await;
    for (since, oldest) in [(0, Some(50)), (day(20_040), Some(50)), (day(20_060), None)] {
        let seen = feeds::arrivals(&mut tx, since).await.unwrap();
        assert_eq!((seen.len(), seen[0].last, seen[0].oldest_days), (1, day(20_050) + 5, oldest));
        assert_eq!(
            (&seen[0].partner, seen[0].record_type),
            (&partner("health"), RecordType::LiveBirth)
        );
    }
}
