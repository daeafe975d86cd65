//! Batches to look through, records let go and known for a while, and days that are named.

use super::{Fresh, batch_of, key, now, on_both, partner};
use tallygate::{
    domain::{BatchId, Event, FeedId, PersonId, RecordType, Role, SubjectId},
    store::{
        ActError, Effect, Lock, Rights, Tx, alone, feeds,
        records::{self, NewEvent, NewWithdrawal, Sent},
        retention::{self, Batch, NEVER, Named},
        subjects::{self, NewSubject, Subject, Tie},
    },
};

on_both!(
    a_batch_is_looked_through_when_it_is_new_when_it_is_due_and_when_its_rules_change,
    everything_of_a_batch_is_found_by_it,
    a_record_let_go_is_known_until_its_day,
    a_day_is_named_once_with_all_that_was_let_go,
    one_gateway_alone_applies_retention_and_one_replays,
);

/// A batch of two records of one person, accepted.
async fn two_records(fresh: &Fresh, first: usize) -> (FeedId, BatchId) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let subject = subjects::take_subject_numbers(&mut tx, 1).await.unwrap();
    let person = subjects::take_person_numbers(&mut tx, 1).await.unwrap();
    let (id, person) = (SubjectId::new(subject), PersonId::new(person));
    let keys = vec![(0, key(first + 50))];
    let subject = Subject { id, person, nhs: None, keys, key_version: 1, tie: Tie::default() };
    let facts = Some(vec![7]);
    subjects::insert(&mut tx, &[NewSubject { subject, facts }]).await.unwrap();
    let batch = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    let number = records::take_event_numbers(&mut tx, 2).await.unwrap();
    let sent = [(key(first), number), (key(first + 1), number + 1)];
    records::stage_sent(&mut tx, feed, batch, &sent, 1).await.unwrap();
    let event = |event_number: i64| {
        let mut body = Vec::new();
        let (role, record_type) = (Role::Principal, RecordType::HealthReview);
        Event { record_type, role, day: Some(1), known: 2, place: None, values: vec![] }
            .encode(&mut body);
        NewEvent { person, subject: id, event_number, role: 0, consent: None, body, key_version: 0 }
    };
    let events = [event(number), event(number + 1)];
    records::stage_events(&mut tx, batch, &events).await.unwrap();
    tx.commit().await.unwrap();
    fresh.accept(batch).await.unwrap();
    (feed, batch)
}

async fn to_look_through(fresh: &Fresh, today: i32) -> Vec<BatchId> {
    let mut tx = fresh.read(Rights::Intake).await;
    let first = BatchId::new(i64::MIN);
    let found = retention::to_look_through(&mut tx, first, today, 9).await.unwrap();
    found.into_iter().map(|batch| batch.batch).collect()
}

async fn a_batch_is_looked_through_when_it_is_new_when_it_is_due_and_when_its_rules_change(
    fresh: Fresh,
) {
    let (feed, one) = two_records(&fresh, 1).await;
    let (_, two) = two_records(&fresh, 3).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(to_look_through(&fresh, 0).await, [one, two], "what is staged only is not there");
    let mut tx = fresh.read(Rights::Intake).await;
    let found = retention::to_look_through(&mut tx, one, 0, 9).await.unwrap();
    let expected = Batch {
        batch: two,
        feed,
        protocol: "isp-health".parse().unwrap(),
        version: 2,
        received: now().as_microsecond(),
    };
    assert_eq!(found, [expected]);
    let first = BatchId::new(i64::MIN);
    assert_eq!(retention::to_look_through(&mut tx, first, 0, 1).await.unwrap().len(), 1);
    drop(tx);
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    retention::looked_through(&mut tx, one, 20_500).await.unwrap();
    retention::looked_through(&mut tx, two, 20_000).await.unwrap();
    retention::looked_through(&mut tx, two, NEVER).await.unwrap();
    assert_eq!(retention::rules_of(&mut tx, feed).await.unwrap(), None);
    tx.commit().await.unwrap();
    assert_eq!(to_look_through(&fresh, 20_499).await, []);
    assert_eq!(to_look_through(&fresh, 20_500).await, [one]);
    for rules in [[1; 32], [2; 32]] {
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        retention::begin_anew(&mut tx, feed, &rules).await.unwrap();
        assert_eq!(retention::rules_of(&mut tx, feed).await.unwrap().unwrap(), rules);
        tx.commit().await.unwrap();
        assert_eq!(to_look_through(&fresh, 0).await, [one, two]);
    }
}

async fn everything_of_a_batch_is_found_by_it(fresh: Fresh) {
    let (feed, one) = two_records(&fresh, 1).await;
    let (_, two) = two_records(&fresh, 3).await;
    let mut tx = fresh.read(Rights::Release).await;
    let found = retention::events_of(&mut tx, two).await.unwrap();
    let numbers: Vec<_> = found.iter().map(|event| (event.number, event.role)).collect();
    assert_eq!(numbers, [(3, 0), (4, 0)]);
    assert!(found.iter().all(|event| event.subject == SubjectId::new(2)));
    assert!(found.iter().all(|event| event.facts.as_deref() == Some(&[7][..])));
    assert!(found.iter().all(|event| event.withdrawn.is_none()));
    let kept = async |tx: &mut Tx, after, most| {
        let all = retention::kept(tx, after, most).await.unwrap();
        all.into_iter().map(|batch| batch.batch).collect::<Vec<_>>()
    };
    let first = BatchId::new(i64::MIN);
    assert_eq!(kept(&mut tx, first, 9).await, [one, two]);
    assert_eq!(kept(&mut tx, first, 1).await, [one]);
    assert_eq!(kept(&mut tx, one, 9).await, [two]);
    drop(tx);
    // A withdrawal is known once its batch is accepted, by when that came in.
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let third = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    let withdrawal = NewWithdrawal { event_number: 3, known: 1 };
    records::stage_withdrawals(&mut tx, third, &[withdrawal]).await.unwrap();
    tx.commit().await.unwrap();
    let withdrawn = async || {
        let mut tx = fresh.read(Rights::Release).await;
        let found = retention::events_of(&mut tx, two).await.unwrap();
        found.iter().map(|event| event.withdrawn).collect::<Vec<_>>()
    };
    assert_eq!(withdrawn().await, [None, None]);
    fresh.accept(third).await.unwrap();
    assert_eq!(withdrawn().await, [Some(now().as_microsecond()), None]);
}

async fn a_record_let_go_is_known_until_its_day(fresh: Fresh) {
    let (feed, batch) = two_records(&fresh, 1).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    retention::know_until(&mut tx, feed, (&key(1), 1), 20_100).await.unwrap();
    // Another record of that key is none of it.
    retention::know_until(&mut tx, feed, (&key(2), 99), 20_100).await.unwrap();
    let sent = records::sent(&mut tx, feed, &[key(1), key(2)]).await.unwrap();
    let of =
        |event_number, let_go| Sent { event_number, batch, accepted: true, undone: false, let_go };
    assert_eq!((sent[&key(1)], sent[&key(2)]), (of(1, true), of(2, false)));
    assert_eq!(retention::forget(&mut tx, 20_100, 9).await.unwrap(), 0);
    assert_eq!(retention::forget(&mut tx, 20_101, 9).await.unwrap(), 1);
    let sent = records::sent(&mut tx, feed, &[key(1), key(2)]).await.unwrap();
    assert_eq!(sent.into_keys().collect::<Vec<_>>(), [key(2)]);
    retention::know_until(&mut tx, feed, (&key(2), 2), 0).await.unwrap();
    assert_eq!(retention::forget(&mut tx, 1, 0).await.unwrap(), 0, "at most so many");
    assert_eq!(retention::forget(&mut tx, 1, 1).await.unwrap(), 1);
}

async fn a_day_is_named_once_with_all_that_was_let_go(fresh: Fresh) {
    let review = RecordType::HealthReview;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    retention::count(&mut tx, review, 40).await.unwrap();
    retention::count(&mut tx, review, 70).await.unwrap();
    retention::count(&mut tx, RecordType::LiveBirth, 1).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = fresh.store.transact(Rights::Sequencer).await.unwrap();
    assert_eq!(retention::last_day(&mut tx).await.unwrap(), None);
    retention::begin(&mut tx, 20_000).await.unwrap();
    retention::begin(&mut tx, 20_000).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = fresh.read(Rights::Sequencer).await;
    assert_eq!(retention::last_day(&mut tx).await.unwrap(), Some(20_000));
    let unnamed = retention::unnamed(&mut tx).await.unwrap();
    assert_eq!(unnamed, [(RecordType::LiveBirth, 1), (review, 110)]);
    drop(tx);
    let name = |day, reviews| Named {
        day,
        // Types of which nothing went have a row, too.
        types: vec![
            (RecordType::LiveBirth, 1, 100),
            (review, reviews, 1_000),
            (RecordType::Attendance, 0, 100),
        ],
        below: 1_000,
    };
    // More went than is said: nothing of it is done.
    let short = fresh.act(Effect::NameRetention(name(20_001, 109))).await;
    assert!(matches!(short, Err(ActError::Conflict)));
    fresh.act(Effect::NameRetention(name(20_001, 110))).await.unwrap();
    let again = fresh.act(Effect::NameRetention(Named { types: vec![], ..name(20_001, 0) })).await;
    assert!(matches!(again, Err(ActError::Conflict)));
    let mut tx = fresh.read(Rights::Figures).await;
    let days = retention::days(&mut tx, 20_000, 20_009).await.unwrap();
    let days: Vec<_> = days.iter().map(|day| (day.day, day.record_type, day.below)).collect();
    // The day from which days are counted is none that was applied.
    let expected = [
        (20_001, None, 1_000),
        (20_001, Some(RecordType::LiveBirth), 100),
        (20_001, Some(review), 1_000),
        (20_001, Some(RecordType::Attendance), 100),
    ];
    assert_eq!(days, expected);
    assert_eq!(retention::days(&mut tx, 20_002, 20_009).await.unwrap(), []);
    drop(tx);
    let mut tx = fresh.read(Rights::Sequencer).await;
    assert_eq!(retention::unnamed(&mut tx).await.unwrap(), []);
}

async fn one_gateway_alone_applies_retention_and_one_replays(fresh: Fresh) {
    let first = alone(&fresh.store, Lock::Retention).await.unwrap().unwrap();
    let second = alone(&fresh.store, Lock::Retention).await.unwrap();
    assert_eq!(second.is_some(), fresh.store.is_embedded());
    let other = alone(&fresh.store, Lock::Replay).await.unwrap();
    assert!(other.is_some(), "one lock does not hold the other up");
    drop((first, second, other));
    // Nothing of it is left behind.
    for _ in 0..50 {
        if alone(&fresh.store, Lock::Retention).await.unwrap().is_some() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the lock outlived its holder, {}", partner("health"));
}
