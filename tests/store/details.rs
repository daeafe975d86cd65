//! Private details and erasures: kept with their leaf, changed by nobody who has not seen them,
//! named once.

use super::{Fresh, batch_of, key, now, on_both};
use tallygate::{
    audit::{Hash, Leaf, LeafKind},
    domain::{BatchId, Event, FeedId, PersonId, RecordType, Role, SubjectId},
    store::{
        Act, ActError, Effect, Outcome, Rights,
        details::{self, Kept},
        erasures::{self, Asked, Named},
        feeds::{self, NewBatch},
        records::{self, NewEvent, NewWithdrawal},
        scan,
        subjects::{self, NewSubject, Subject, Tie},
    },
};

on_both!(
    a_detail_is_kept_with_its_leaf,
    a_batchs_detail_is_found_by_its_commitment_and_replaced_by_whoever_saw_it,
    what_is_asked_for_waits_once_until_it_is_settled,
    an_erased_record_takes_what_rests_on_nothing_else,
    a_days_erasures_are_named_once_and_whole,
);

fn kept(n: u8) -> Kept {
    Kept { mark: i64::from(n), sealed: vec![n; 40] }
}

async fn a_detail_is_kept_with_its_leaf(fresh: Fresh) {
    let commit = async |effect: Effect| {
        let leaf = Leaf::new(LeafKind::RegisterRead, now());
        let act = Act { leaf, effect, epoch: None };
        Ok::<_, ActError>(fresh.sequencer.commit(act).await?.receipt().leaf_index)
    };
    let bare = commit(Effect::None).await.unwrap();
    let mut indices = Vec::new();
    for n in 1..=3 {
        indices.push(commit(kept(n).with(Effect::None)).await.unwrap());
    }
    // Also beside something that changes, and not where that fails.
    let quarter = "2026Q1".parse().unwrap();
    let release =
        tallygate::store::releases::Entry { quarter, digest: [1; 32], document: "{}".to_owned() };
    let freeze = || Effect::Freeze(Box::new((release.clone(), vec![])));
    indices.push(commit(kept(4).with(freeze())).await.unwrap());
    commit(kept(5).with(freeze())).await.unwrap_err();
    // Inside another effect it would be lost: that is refused.
    commit(kept(6).with(kept(7).with(Effect::None))).await.unwrap_err();
    let mut tx = fresh.read(Rights::Sequencer).await;
    for (n, index) in (1..).zip(&indices) {
        assert_eq!(details::of_act(&mut tx, now(), *index).await.unwrap(), Some(kept(n)));
    }
    assert_eq!(details::of_act(&mut tx, now(), bare).await.unwrap(), None);
    assert_eq!(details::of_act(&mut tx, now(), indices[3] + 1).await.unwrap(), None);
    // All of them in order, from a place on; and sealed anew.
    let at = now().as_microsecond();
    let all = details::acts_after(&mut tx, (i64::MIN, i64::MIN), 3).await.unwrap();
    let place = |n: usize| (at, i64::try_from(indices[n]).unwrap());
    let expected: Vec<_> = (1..=3).map(|n| (place(usize::from(n) - 1), kept(n))).collect();
    assert_eq!(all, expected);
    let rest = details::acts_after(&mut tx, place(2), 3).await.unwrap();
    assert_eq!(rest, [(place(3), kept(4))]);
    drop(tx);
    let mut tx = fresh.store.transact(Rights::Sequencer).await.unwrap();
    details::replace_act(&mut tx, place(0), b"anew").await.unwrap();
    details::replace_act(&mut tx, (at, i64::MAX), b"anew").await.unwrap_err();
    tx.commit().await.unwrap();
    let mut tx = fresh.read(Rights::Sequencer).await;
    let anew = details::of_act(&mut tx, now(), indices[0]).await.unwrap().unwrap();
    assert_eq!(anew, Kept { sealed: b"anew".to_vec(), ..kept(1) });
    let earlier = now() - jiff::SignedDuration::from_micros(1);
    assert_eq!(details::of_act(&mut tx, earlier, indices[0]).await.unwrap(), None);
}

async fn stage(fresh: &Fresh, feed: FeedId, digest: [u8; 32], sealed: &[u8]) -> BatchId {
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let new = NewBatch { digest, ..batch_of(feed) };
    let batch = feeds::stage(&mut tx, &new).await.unwrap();
    details::stage(&mut tx, batch, sealed).await.unwrap();
    tx.commit().await.unwrap();
    batch
}

async fn a_batchs_detail_is_found_by_its_commitment_and_replaced_by_whoever_saw_it(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let batch = stage(&fresh, feed, [1; 32], b"first").await;
    let abandoned = stage(&fresh, feed, [2; 32], b"second").await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    assert_eq!(details::batch_with(&mut tx, &[1; 32]).await.unwrap(), Some(batch));
    assert_eq!(details::batch_with(&mut tx, &[3; 32]).await.unwrap(), None);
    assert_eq!(details::of_batch(&mut tx, batch).await.unwrap().unwrap(), b"first");
    details::replace(&mut tx, batch, b"first", b"other").await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    details::replace(&mut tx, batch, b"first", b"third").await.unwrap_err();
    drop(tx);
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let all = details::batches_after(&mut tx, BatchId::new(0), 9).await.unwrap();
    assert_eq!(all, [(batch, b"other".to_vec()), (abandoned, b"second".to_vec())]);
    assert_eq!(details::batches_after(&mut tx, batch, 9).await.unwrap(), all[1..]);
    assert_eq!(details::batches_after(&mut tx, BatchId::new(0), 1).await.unwrap(), all[..1]);
    drop(tx);
    fresh.accept(batch).await.unwrap();
    // What was abandoned takes its detail along.
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    feeds::abandon(&mut tx, &[abandoned]).await.unwrap();
    feeds::clear_unaccepted(&mut tx, now()).await.unwrap();
    assert_eq!(details::of_batch(&mut tx, abandoned).await.unwrap(), None);
    assert_eq!(details::of_batch(&mut tx, batch).await.unwrap().unwrap(), b"other");
}

async fn what_is_asked_for_waits_once_until_it_is_settled(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let other = fresh.feed("dwp", RecordType::TwoYearOldEligibility).await;
    let mut all: Vec<Asked> =
        (1..=5).map(|n| Asked { feed, key: key(n), key_version: 1 }).collect();
    all.push(Asked { feed: other, key: key(1), key_version: 2 });
    let ask = |asked: &[Asked]| Effect::AskErasure(asked.to_vec());
    assert_eq!(fresh.act(ask(&all)).await.unwrap(), Outcome::None);
    // Again, and twice in one call.
    fresh.act(ask(&[all[0].clone(), all[0].clone()])).await.unwrap();
    all.sort_by_key(|asked| (asked.feed, asked.key));
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let first = erasures::asked(&mut tx, (FeedId::new(i64::MIN), [0; 16]), 4).await.unwrap();
    assert_eq!(first, all[..4]);
    let last = &first[3];
    assert_eq!(erasures::asked(&mut tx, (last.feed, last.key), 4).await.unwrap(), all[4..]);
    let going = erasures::waiting(&mut tx, other, &[key(1), key(2)]).await.unwrap();
    assert_eq!(going, [key(1)]);
    erasures::settle(&mut tx, &all[0]).await.unwrap();
    let left = erasures::asked(&mut tx, (FeedId::new(i64::MIN), [0; 16]), 100).await.unwrap();
    assert_eq!(left, all[1..]);
}

/// Two records of person 1, by identities 1 and 2; one of person 2, by identity 3.
async fn three_records(fresh: &Fresh) -> FeedId {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    subjects::take_subject_numbers(&mut tx, 3).await.unwrap();
    subjects::take_person_numbers(&mut tx, 3).await.unwrap();
    let subject = |id: i64, person: i64| {
        let number = usize::try_from(id).unwrap();
        let keys = vec![(0, key(number)), (1, key(number + 10))];
        let (id, person) = (SubjectId::new(id), PersonId::new(person));
        NewSubject {
            subject: Subject { id, person, nhs: None, keys, key_version: 1, tie: Tie::default() },
            facts: Some(vec![1]),
        }
    };
    subjects::insert(&mut tx, &[subject(1, 1), subject(2, 1), subject(3, 2)]).await.unwrap();
    let batch = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    let event = |person: i64, subject: i64, event_number: i64| {
        let mut body = Vec::new();
        let (role, record_type) = (Role::Principal, RecordType::HealthReview);
        let event =
            Event { record_type, role, day: Some(1), known: 2, place: None, values: vec![] };
        event.encode(&mut body);
        let (person, subject) = (PersonId::new(person), SubjectId::new(subject));
        NewEvent { person, subject, event_number, role: 0, consent: None, body, key_version: 0 }
    };
    let events = [event(1, 1, 11), event(1, 2, 12), event(2, 3, 13)];
    records::stage_events(&mut tx, batch, &events).await.unwrap();
    let withdrawal = NewWithdrawal { event_number: 11, known: 3 };
    records::stage_withdrawals(&mut tx, batch, &[withdrawal]).await.unwrap();
    tx.commit().await.unwrap();
    fresh.accept(batch).await.unwrap();
    feed
}

async fn an_erased_record_takes_what_rests_on_nothing_else(fresh: Fresh) {
    let feed = three_records(&fresh).await;
    let keys = [1, 2, 3].map(key);
    let left = async || {
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        let found = subjects::by_fingerprint(&mut tx, &keys).await.unwrap();
        let withdrawing = erasures::withdrawing(&mut tx, &[11, 12, 13]).await.unwrap();
        drop(tx);
        let mut tx = fresh.read(Rights::Release).await;
        let persons = scan::persons(&mut tx, &[feed], 0, 10).await.unwrap();
        (found.len(), withdrawing.len(), persons.len())
    };
    assert_eq!(left().await, (3, 1, 2));
    let erase = async |number: i64, subjects: Option<&[SubjectId]>| {
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        subjects::link_alone(&mut tx).await.unwrap();
        erasures::erase_record(&mut tx, number, subjects).await.unwrap();
        tx.commit().await.unwrap();
    };
    erase(11, Some(&[SubjectId::new(1)])).await;
    assert_eq!(left().await, (2, 0, 2));
    // Of another person's record nothing goes; without persons it is found all the same.
    erase(13, Some(&[SubjectId::new(2)])).await;
    assert_eq!(left().await, (2, 0, 2));
    erase(13, None).await;
    assert_eq!(left().await, (1, 0, 1));
    let keyed = fresh.attack("DELETE FROM subject_key WHERE subject_id IN (1, 3)").await.unwrap();
    assert_eq!(keyed, 0, "their match keys went, too");
}

async fn a_days_erasures_are_named_once_and_whole(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let batch = stage(&fresh, feed, [1; 32], b"sealed").await;
    fresh.accept(batch).await.unwrap();
    let last = async || {
        let mut tx = fresh.read(Rights::Sequencer).await;
        (
            erasures::last_day(&mut tx).await.unwrap(),
            erasures::unnamed(&mut tx).await.unwrap().len(),
        )
    };
    assert_eq!(last().await, (None, 0));
    let mut tx = fresh.store.transact(Rights::Sequencer).await.unwrap();
    erasures::begin(&mut tx, 20_000).await.unwrap();
    erasures::begin(&mut tx, 20_000).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    erasures::note(&mut tx, batch, &[4, 2]).await.unwrap();
    tx.commit().await.unwrap();
    // An item of a batch that was never accepted goes with it, and stands in no day's way.
    let left = stage(&fresh, feed, [9; 32], b"left").await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    erasures::note(&mut tx, left, &[0]).await.unwrap();
    feeds::abandon(&mut tx, &[left]).await.unwrap();
    feeds::clear_unaccepted(&mut tx, now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(last().await, (Some(20_000), 2));
    let mut tx = fresh.read(Rights::Sequencer).await;
    let unnamed = erasures::unnamed(&mut tx).await.unwrap();
    let items: Vec<_> = unnamed.iter().map(|one| (Hash::new(one.commitment), one.item)).collect();
    assert_eq!(items, [(Hash::new([1; 32]), 2), (Hash::new([1; 32]), 4)]);
    drop(tx);
    let name = |day, count| Effect::NameErasures(Named { day, count });
    // Counted when there was one fewer: decided anew. Then once, and never again.
    assert!(matches!(fresh.act(name(20_001, 1)).await, Err(ActError::Conflict)));
    fresh.act(name(20_001, 2)).await.unwrap();
    assert!(matches!(fresh.act(name(20_001, 0)).await, Err(ActError::Conflict)));
    assert_eq!(last().await, (Some(20_001), 0));
    fresh.act(name(20_002, 0)).await.unwrap();
}
