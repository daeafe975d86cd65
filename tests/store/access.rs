//! What subjects may see: requests, marks, and who shared records of a person.

use super::{Fresh, batch_of, key, now, on_both, partner};
use tallygate::{
    domain::{BatchId, Event, FeedId, PersonId, RecordType, Role, SubjectId},
    store::{
        Effect, Outcome, Rights,
        access::{self, Marks, NewRequest},
        feeds,
        records::{self, NewEvent},
    },
};

on_both!(requests_are_numbered_and_done_once, what_is_marked_is_the_marking_feeds_own,);

async fn requests_are_numbered_and_done_once(fresh: Fresh) {
    let new = |due_on| NewRequest {
        partner: partner("authority"),
        proof: "passport",
        received_on: 20_000,
        due_on,
    };
    for (number, due) in [(1, 20_030), (2, 20_014)] {
        let asked = fresh.act(Effect::AskReport(Box::new(new(due)))).await.unwrap();
        assert_eq!(asked, Outcome::Total(number));
    }
    assert_eq!(fresh.act(Effect::FinishReport(2)).await.unwrap(), Outcome::At(now()));
    assert!(fresh.act(Effect::FinishReport(2)).await.is_err(), "a report is made once");
    assert!(fresh.act(Effect::FinishReport(3)).await.is_err());
    let mut tx = fresh.read(Rights::Figures).await;
    let all = access::requests(&mut tx).await.unwrap();
    let told: Vec<_> = all.iter().map(|r| (r.number, r.due_on, r.done_at)).collect();
    assert_eq!(told, [(1, 20_030, None), (2, 20_014, Some(now().as_microsecond()))]);
    assert_eq!(
        (&*all[0].partner, &*all[0].proof, all[0].received_on),
        ("authority", "passport", 20_000)
    );
}

async fn stage(fresh: &Fresh, feed: FeedId, numbers: &[i64], consent: Option<[u8; 16]>) -> BatchId {
    let event = |number: &i64| {
        let mut body = Vec::new();
        let stored = Event {
            record_type: RecordType::HealthReview,
            role: Role::Principal,
            day: Some(19_000),
            known: 19_001,
            place: None,
            values: vec![],
        };
        stored.encode(&mut body);
        let (person, subject) = (PersonId::new(1), SubjectId::new(1));
        NewEvent { person, subject, event_number: *number, role: 0, consent, body, key_version: 1 }
    };
    let events: Vec<NewEvent> = numbers.iter().map(event).collect();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let batch = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    records::stage_events(&mut tx, batch, &events).await.unwrap();
    tx.commit().await.unwrap();
    batch
}

async fn what_is_marked_is_the_marking_feeds_own(fresh: Fresh) {
    let reviews = fresh.feed("health", RecordType::HealthReview).await;
    let cases = fresh.feed("families", RecordType::FamilyCase).await;
    for (feed, numbers, consent) in [(reviews, &[1, 2][..], Some(key(7))), (cases, &[3], None)] {
        let batch = stage(&fresh, feed, numbers, consent).await;
        fresh.accept(batch).await.unwrap();
    }
    // Staged only.
    stage(&fresh, cases, &[4], None).await;
    let token = |number: i64| key(100 + usize::try_from(number).unwrap());
    let mark = |feed, records: Option<&[i64]>, withheld| {
        let records = records.map(|numbers| numbers.iter().map(|number| token(*number)).collect());
        let marks = Marks { feed, records, withheld, reason: "dpa_sch3_para21" };
        fresh.act(Effect::Withhold(Box::new(marks)))
    };
    mark(reviews, Some(&[2, 2, 900]), true).await.unwrap();
    mark(reviews, Some(&[]), true).await.unwrap();
    mark(cases, None, true).await.unwrap();
    let mut tx = fresh.read(Rights::Release).await;
    let shared = access::shared(&mut tx, PersonId::new(1)).await.unwrap();
    let told: Vec<_> =
        shared.iter().map(|r| (r.number, r.partner.as_str(), r.record_type, r.consent)).collect();
    let review = RecordType::HealthReview;
    assert_eq!(
        told,
        [
            (1, "health", review, Some(key(7))),
            (2, "health", review, Some(key(7))),
            (3, "families", RecordType::FamilyCase, None),
        ]
    );
    assert!(access::shared(&mut tx, PersonId::new(2)).await.unwrap().is_empty());
    let tokens = [1, 2, 3].map(|number| (number, token(number))).into();
    let marked = access::marked(&mut tx, &shared, &tokens).await.unwrap();
    assert_eq!(marked.feeds.into_iter().collect::<Vec<_>>(), [(cases, true)]);
    assert_eq!(marked.records.into_iter().collect::<Vec<_>>(), [(2, true)]);
    drop(tx);
    // The newest mark holds.
    mark(reviews, Some(&[2]), false).await.unwrap();
    mark(cases, None, false).await.unwrap();
    let mut tx = fresh.read(Rights::Release).await;
    let marked = access::marked(&mut tx, &shared, &tokens).await.unwrap();
    assert_eq!((marked.feeds[&cases], marked.records[&2]), (false, false));
    drop(tx);
    // What takes a record's place is marked alike; of the same feed alone, and not over its own.
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    access::mark_alike(&mut tx, cases, &[(token(2), token(1))]).await.unwrap();
    drop(tx);
    mark(reviews, Some(&[2]), true).await.unwrap();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    access::mark_alike(&mut tx, reviews, &[(token(2), token(1)), (token(9), token(2))])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    mark(reviews, Some(&[2]), false).await.unwrap();
    let mut tx = fresh.read(Rights::Release).await;
    let marked = access::marked(&mut tx, &shared, &tokens).await.unwrap();
    assert_eq!(marked.records.into_iter().collect::<Vec<_>>(), [(1, true), (2, false)]);
}
