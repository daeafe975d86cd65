//! Runs through all subjects: one at a time, and from where the last batch ended.

use super::{Fresh, now, on_both};
use tallygate::{
    domain::{PersonId, SubjectId},
    store::{
        ActError, Effect, Rights, StoreError,
        relinking::{self, Run},
        subjects::{self, NewSubject, Subject, Tie},
    },
};

on_both!(a_run_goes_from_place_to_place_and_ends_once);

impl Fresh {
    async fn run(&self) -> Option<Run> {
        relinking::latest(&mut self.read(Rights::Figures).await).await.unwrap()
    }
}

async fn a_run_goes_from_place_to_place_and_ends_once(fresh: Fresh) {
    assert_eq!(fresh.run().await, None);
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let first = subjects::take_subject_numbers(&mut tx, 5).await.unwrap();
    let all: Vec<NewSubject> = (first..first + 5)
        .map(|number| {
            let (id, person) = (SubjectId::new(number), PersonId::new(number + 100));
            let subject = Subject {
                id,
                person,
                nhs: None,
                keys: vec![],
                key_version: 1,
                tie: Tie::default(),
            };
            NewSubject { subject, facts: None }
        })
        .collect();
    subjects::insert(&mut tx, &all).await.unwrap();
    tx.commit().await.unwrap();
    fresh.act(Effect::BeginRelinking { rules: 3 }).await.unwrap();
    let begun = fresh.run().await.unwrap();
    let until = SubjectId::new(first + 4);
    assert_eq!((begun.number, begun.rules, begun.until, begun.done_at), (1, 3, until, None));
    // One at a time.
    let second = fresh.act(Effect::BeginRelinking { rules: 4 }).await;
    assert!(matches!(second, Err(ActError::Conflict)), "{second:?}");
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let some = relinking::behind(&mut tx, &begun, 2).await.unwrap();
    let number = |n: i64| (SubjectId::new(first + n), PersonId::new(first + n + 100));
    assert_eq!(some, [number(0), number(1)]);
    relinking::keep(&mut tx, &begun, some[1].0, 7).await.unwrap();
    tx.commit().await.unwrap();
    let later = fresh.run().await.unwrap();
    assert_eq!((later.place, later.moved), (some[1].0, 7));
    // Whoever went by the place before has been overtaken.
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let late = relinking::keep(&mut tx, &begun, some[1].0, 1).await;
    assert!(matches!(late, Err(StoreError::Unchanged { table: "relinking" })), "{late:?}");
    drop(tx);
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let rest = relinking::behind(&mut tx, &later, 100).await.unwrap();
    assert_eq!(rest, [number(2), number(3), number(4)]);
    drop(tx);
    fresh.act(Effect::EndRelinking(1)).await.unwrap();
    let ended = fresh.run().await.unwrap();
    assert_eq!(ended.done_at, Some(now().as_microsecond()));
    assert!(matches!(fresh.act(Effect::EndRelinking(1)).await, Err(ActError::Conflict)));
    fresh.act(Effect::BeginRelinking { rules: 4 }).await.unwrap();
    let next = fresh.run().await.unwrap();
    assert_eq!((next.number, next.rules, next.place, next.moved), (2, 4, SubjectId::new(0), 0));
}
