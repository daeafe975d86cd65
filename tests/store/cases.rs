//! Cases of rights: what binds, what is stopped and told, what was not used, and the scrub.

use super::{Fresh, Place, batch_of, key, now, on_both, partner};
use tallygate::{
    domain::{BatchId, FeedId, PersonId, RecordType, SubjectId},
    store::{
        ActError, Effect, Location, Outcome, Rights, Store,
        cases::{self, Acknowledged, Case, Erased, Held, NewDropped, Stopped, TakenLate},
        consents::Unconsented,
        feeds::{self, NewBatch},
        records::{self, NewEvent},
        scan,
        subjects::{self, NewSubject, Subject},
        undo::Undo,
    },
};

on_both!(
    a_case_binds_when_it_is_staged_and_counts_when_it_is_logged,
    what_a_case_stops_is_found_told_and_acknowledged,
    what_was_not_used_is_known_and_nothing_else,
    what_was_not_used_is_let_go_and_forgotten,
    what_is_taken_late_is_undone_with_what_brought_it_first,
    what_never_came_into_the_log_is_given_up,
    a_scrub_leaves_nothing_of_what_was_deleted,
    a_replay_holds_service_until_a_scrub,
    what_is_learnt_of_a_subject_goes_into_its_cases,
);

fn case(reference: usize, choice: u8) -> Case {
    Case {
        id: 0,
        partner: partner("health"),
        key: key(reference),
        choice,
        given_by: 2,
        requested_on: 20_000,
        state: cases::STAGED,
        opened_at: 0,
        ended_at: 0,
        due_day: 20_014,
        nonce: key(reference + 1_000),
        wish: key(reference + 2_000),
    }
}

async fn stage(fresh: &Fresh, new: &Case, tokens: &[usize], stopped: &[Stopped]) -> i64 {
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let tokens: Vec<[u8; 16]> = tokens.iter().map(|token| key(*token)).collect();
    let id = cases::stage(&mut tx, new, &tokens, stopped, now()).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn binding(fresh: &Fresh) -> (u64, usize) {
    let mut tx = fresh.read(Rights::Intake).await;
    let number = cases::number(&mut tx).await.unwrap();
    (number, cases::binding(&mut tx).await.unwrap().len())
}

/// An accepted batch of one record of one person.
async fn record(fresh: &Fresh, feed: FeedId, number: usize) -> BatchId {
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let batch = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    let event_number = i64::try_from(number).unwrap();
    let sent = [(key(number), event_number)];
    records::stage_sent(&mut tx, feed, batch, &sent, 1).await.unwrap();
    let (person, subject) = (PersonId::new(event_number), SubjectId::new(event_number));
    let body = vec![0; 24];
    let event =
        NewEvent { person, subject, event_number, role: 0, consent: None, body, key_version: 0 };
    records::stage_events(&mut tx, batch, &[event]).await.unwrap();
    let keys = vec![(0, key(number + 500))];
    let subject = Subject { id: subject, person, nhs: None, keys, key_version: 1 };
    subjects::insert(&mut tx, &[NewSubject { subject, facts: None }]).await.unwrap();
    tx.commit().await.unwrap();
    fresh.accept(batch).await.unwrap();
    batch
}

async fn a_case_binds_when_it_is_staged_and_counts_when_it_is_logged(fresh: Fresh) {
    assert_eq!(binding(&fresh).await, (1, 0));
    let id = stage(&fresh, &case(1, 2), &[7, 8], &[]).await;
    assert_eq!(binding(&fresh).await, (2, 2));
    let mut tx = fresh.read(Rights::Figures).await;
    let found = cases::find(&mut tx, &partner("health"), &key(1)).await.unwrap().unwrap();
    assert_eq!((found.id, found.state, found.choice), (id, cases::STAGED, 2));
    assert_eq!(cases::find(&mut tx, &partner("dwp"), &key(1)).await.unwrap(), None);
    assert!(cases::list(&mut tx, None).await.unwrap().is_empty());
    drop(tx);
    // The same reference again takes the staged one's place.
    let again = stage(&fresh, &case(1, 2), &[7], &[]).await;
    assert_eq!(binding(&fresh).await, (3, 1));
    assert!(matches!(fresh.act(Effect::OpenCase(id)).await, Err(ActError::Conflict)));
    assert_eq!(fresh.act(Effect::OpenCase(again)).await.unwrap(), Outcome::At(now()));
    assert!(matches!(fresh.act(Effect::OpenCase(again)).await, Err(ActError::Conflict)));
    assert_eq!(binding(&fresh).await, (4, 1));
    let mut tx = fresh.read(Rights::Figures).await;
    let listed = cases::list(&mut tx, Some(&partner("health"))).await.unwrap();
    assert_eq!((listed.len(), listed[0].opened_at), (1, now().as_microsecond()));
    assert!(cases::list(&mut tx, Some(&partner("dwp"))).await.unwrap().is_empty());
    drop(tx);
    let mut tx = fresh.read(Rights::Intake).await;
    assert_eq!(cases::suppressions(&mut tx, again).await.unwrap(), [key(7)]);
    drop(tx);
    fresh.act(Effect::EndCase(again)).await.unwrap();
    // It does not bind again, by whoever has the database alone.
    let sql = format!("UPDATE rights_case SET state = 1 WHERE case_id = {again}");
    assert!(fresh.attack(&sql).await.unwrap_err().contains("does not go that way"));
    assert!(matches!(fresh.act(Effect::EndCase(again)).await, Err(ActError::Conflict)));
    assert_eq!(binding(&fresh).await, (5, 0));
}

async fn what_a_case_stops_is_found_told_and_acknowledged(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let batch = record(&fresh, feed, 1).await;
    record(&fresh, feed, 2).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let one = PersonId::new(1);
    let held = Held { number: 1, batch, principal: true };
    assert_eq!(cases::records_of(&mut tx, &[one]).await.unwrap(), [held]);
    assert_eq!(cases::person_of(&mut tx, 1).await.unwrap(), Some(one));
    assert_eq!(cases::person_of(&mut tx, 9).await.unwrap(), None);
    let terms = cases::terms(&mut tx, &[batch]).await.unwrap().remove(&batch).unwrap();
    assert_eq!((terms.feed, &*terms.protocol, terms.version), (feed, "isp-health", 2));
    assert!(terms.live && !terms.abandoned);
    assert_eq!(cases::keys_of(&mut tx, feed, &[1]).await.unwrap(), [(1, key(1), 1)]);
    drop(tx);
    let counted = async || {
        let mut tx = fresh.read(Rights::Release).await;
        scan::principal_events(&mut tx, &[feed], &Unconsented::default())
            .await
            .map_or(9, |events| events.len())
    };
    // The bodies of these records are none that can be read: what counts shows by the error.
    assert_eq!(counted().await, 9);
    let stop = |number: i64, effect| Stopped {
        event_number: number,
        feed,
        batch,
        effect,
        token: Some(key(70)),
        due_day: 20_007,
    };
    let stops = [stop(1, cases::ERASE), Stopped { token: None, ..stop(2, cases::STOP) }];
    let id = stage(&fresh, &case(1, 0), &[7], &stops).await;
    assert_eq!(counted().await, 9, "not before the case is logged");
    fresh.act(Effect::OpenCase(id)).await.unwrap();
    assert_eq!(counted().await, 0);
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    assert_eq!(cases::to_erase(&mut tx, 9).await.unwrap(), [(1, feed, batch)]);
    cases::forget_stops(&mut tx, 1).await.unwrap();
    assert!(cases::to_erase(&mut tx, 9).await.unwrap().is_empty());
    drop(tx);
    let mut tx = fresh.read(Rights::Figures).await;
    let notices = cases::notices_to(&mut tx, &[feed]).await.unwrap();
    assert_eq!(notices, cases::notices_of(&mut tx, id).await.unwrap());
    drop(tx);
    let [notice] = &*notices else { panic!("{notices:?}") };
    assert_eq!((notice.token, notice.due_day, notice.acknowledged_at), (key(70), 20_007, 0));
    let word = Acknowledged { notices: vec![notice.id], document: "signed".to_owned() };
    let acknowledge = || Effect::Acknowledge(Box::new(word.clone()));
    fresh.act(acknowledge()).await.unwrap();
    assert!(matches!(fresh.act(acknowledge()).await, Err(ActError::Conflict)));
    let mut tx = fresh.read(Rights::Figures).await;
    let notices = cases::notices_of(&mut tx, id).await.unwrap();
    assert_eq!(
        (notices[0].acknowledged_at, &*notices[0].acknowledgement),
        (now().as_microsecond(), "signed")
    );
    drop(tx);
    fresh.act(Effect::EndCase(id)).await.unwrap();
    assert_eq!(counted().await, 9);
}

fn left(token: u8, event_number: i64) -> NewDropped {
    NewDropped { token: key(usize::from(token)), event_number, days: Some([token; 16]) }
}

async fn what_was_not_used_is_let_go_and_forgotten(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let batch = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    cases::stage_dropped(&mut tx, feed, batch, &[left(1, 11), left(2, 12)]).await.unwrap();
    cases::stage_dropped_by(&mut tx, feed, &[(key(1), 4), (key(2), 4)]).await.unwrap();
    tx.commit().await.unwrap();
    fresh.accept(batch).await.unwrap();
    let mut tx = fresh.read(Rights::Release).await;
    let unused = cases::unused_of(&mut tx, batch).await.unwrap();
    let told: Vec<_> = unused.iter().map(|one| (one.event_number, one.token, one.days)).collect();
    assert_eq!(told, [(11, key(1), Some([1; 16])), (12, key(2), Some([2; 16]))]);
    drop(tx);
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    cases::unused_until(&mut tx, feed, &key(1), 20_000).await.unwrap();
    let found = cases::dropped(&mut tx, feed, &[key(1), key(2)]).await.unwrap();
    assert_eq!((found[&key(1)].let_go, found[&key(2)].let_go), (true, false));
    assert_eq!(cases::forget_unused(&mut tx, 20_000, 9).await.unwrap(), 0, "through that day");
    assert_eq!(cases::forget_unused(&mut tx, 20_001, 9).await.unwrap(), 1);
    assert!(cases::dropped_by(&mut tx, feed, &key(1)).await.unwrap().is_empty());
    assert_eq!(cases::dropped_by(&mut tx, feed, &key(2)).await.unwrap(), [4]);
    tx.commit().await.unwrap();
    let mut tx = fresh.read(Rights::Release).await;
    assert_eq!(cases::unused_of(&mut tx, batch).await.unwrap().len(), 1);
}

async fn what_is_taken_late_is_undone_with_what_brought_it_first(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    // A record in batch 1 that was not used, and is in batch 2; the same with 3 and 4.
    let mut batches = Vec::new();
    for (stream, number) in [(1, None), (2, Some(21)), (3, None), (4, Some(43))] {
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        let new = NewBatch { stream, ..batch_of(feed) };
        let batch = feeds::stage(&mut tx, &new).await.unwrap();
        if let Some(event_number) = number {
            let of_batch = *batches.last().unwrap();
            let late = TakenLate { event_number, of_batch, of_number: event_number - 10 };
            cases::stage_late(&mut tx, batch, &[late]).await.unwrap();
            let key = key(usize::try_from(event_number).unwrap());
            records::stage_sent(&mut tx, feed, batch, &[(key, event_number)], 1).await.unwrap();
        }
        tx.commit().await.unwrap();
        fresh.accept(batch).await.unwrap();
        batches.push(batch);
    }
    for stream in [1, 4] {
        let undo = Undo { stream, feed, cause: "wrong_file", batches: 1, records: 0 };
        fresh.act(Effect::UndoStream(undo)).await.unwrap();
    }
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let sent = records::sent(&mut tx, feed, &[key(21), key(43)]).await.unwrap();
    let told = |of: usize| (sent[&key(of)].batch, sent[&key(of)].accepted, sent[&key(of)].undone);
    assert_eq!(told(21), (batches[0], false, true), "undone with the file that sent it");
    assert_eq!(told(43), (batches[2], true, false), "stays when the later file is undone");
    assert_eq!(cases::late_items(&mut tx, &[21, 43]).await.unwrap(), [batches[1], batches[3]]);
    assert_eq!(cases::used_as(&mut tx, &[11, 12]).await.unwrap(), [(11, 21)]);
    cases::forget_late(&mut tx, 21).await.unwrap();
    assert!(cases::used_as(&mut tx, &[11]).await.unwrap().is_empty());
}

async fn what_was_not_used_is_known_and_nothing_else(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let batch = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    cases::stage_dropped(&mut tx, feed, batch, &[left(1, 11), left(2, 12)]).await.unwrap();
    let found = cases::dropped(&mut tx, feed, &[key(1), key(3)]).await.unwrap();
    let one = found[&key(1)];
    assert_eq!((found.len(), one.event_number, one.batch), (1, 11, batch));
    assert!(!one.accepted && !one.undone);
    tx.commit().await.unwrap();
    fresh.accept(batch).await.unwrap();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    assert!(cases::dropped(&mut tx, feed, &[key(1)]).await.unwrap()[&key(1)].accepted);
    cases::stage_dropped_by(&mut tx, feed, &[(key(1), 4), (key(1), 4), (key(1), 7)]).await.unwrap();
    assert_eq!(cases::dropped_by(&mut tx, feed, &key(1)).await.unwrap(), [4, 7]);
    cases::forget_dropped(&mut tx, feed, &[key(1)]).await.unwrap();
    assert!(cases::dropped_by(&mut tx, feed, &key(1)).await.unwrap().is_empty());
    assert!(cases::dropped(&mut tx, feed, &[key(1)]).await.unwrap().is_empty());
    // Of a batch that is given up nothing is left.
    let given_up = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    cases::stage_dropped(&mut tx, feed, given_up, &[left(5, 15)]).await.unwrap();
    feeds::abandon(&mut tx, &[given_up]).await.unwrap();
    feeds::clear_unaccepted(&mut tx, now()).await.unwrap();
    assert!(cases::dropped(&mut tx, feed, &[key(5)]).await.unwrap().is_empty());
    assert_eq!(cases::dropped(&mut tx, feed, &[key(2)]).await.unwrap().len(), 1);
}

async fn what_never_came_into_the_log_is_given_up(fresh: Fresh) {
    let id = stage(&fresh, &case(1, 2), &[7], &[]).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    cases::clear_staged(&mut tx, now()).await.unwrap();
    assert_eq!(cases::binding(&mut tx).await.unwrap().len(), 1, "it is not older");
    cases::clear_staged(&mut tx, jiff::Timestamp::MAX).await.unwrap();
    assert!(cases::binding(&mut tx).await.unwrap().is_empty());
    assert_eq!(cases::number(&mut tx).await.unwrap(), 3);
    tx.commit().await.unwrap();
    assert!(matches!(fresh.act(Effect::OpenCase(id)).await, Err(ActError::Conflict)));
}

async fn a_scrub_leaves_nothing_of_what_was_deleted(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    record(&fresh, feed, 1).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    records::take_over(&mut tx, feed, &[key(1)]).await.unwrap();
    let generation = cases::owe_scrub(&mut tx).await.unwrap();
    cases::keep_erased(&mut tx, generation, feed, &[key(90)], true).await.unwrap();
    cases::keep_erased(&mut tx, generation, feed, &[key(90)], true).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = fresh.read(Rights::Intake).await;
    let erased = Erased { generation: 1, feed, token: key(90), by_choice: true };
    assert_eq!(cases::erased_since(&mut tx, 0).await.unwrap(), [erased]);
    assert!(cases::erased_since(&mut tx, 1).await.unwrap().is_empty());
    drop(tx);
    assert!(fresh.store.owes_scrub().await.unwrap());
    match &fresh.place {
        Place::Sqlite(folder) => {
            let done = fresh.store.scrub().await.unwrap();
            assert!(done.is_done());
            for file in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
                let bytes = std::fs::read(folder.path().join(file)).unwrap_or_default();
                let holds = |number: usize| bytes.windows(16).any(|w| w == key(number));
                assert!(!holds(1), "{file}");
                assert!(file != "gateway.db" || holds(501), "the search finds what is there");
            }
        }
        Place::Postgres(database) => {
            // The gateway's own user may not; who owns the tables may.
            fresh.store.scrub().await.unwrap_err();
            let owner = Location::Postgres(database.location("owner"));
            let owner = Store::open(&owner).await.unwrap();
            // Without the rights to every step it is not done, and stays owed.
            let done = owner.scrub().await.unwrap();
            assert!(done.statistics && !done.switched && !done.is_done());
            assert!(fresh.store.owes_scrub().await.unwrap());
            database.may_scrub().await;
            assert!(owner.scrub().await.unwrap().is_done());
            owner.close().await;
        }
    }
    assert!(!fresh.store.owes_scrub().await.unwrap());
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    cases::erased_up_to(&mut tx, 40).await.unwrap();
    cases::erased_up_to(&mut tx, 3).await.unwrap();
    assert_eq!(cases::scrubs(&mut tx).await.unwrap(), (40, 2));
}

async fn a_replay_holds_service_until_a_scrub(fresh: Fresh) {
    assert!(!fresh.store.must_scrub().await.unwrap());
    let write = async |begin: bool| {
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        match begin {
            true => cases::begin_replay(&mut tx).await.unwrap(),
            false => cases::end_replay(&mut tx).await.unwrap(),
        }
        tx.commit().await.unwrap();
        let mut tx = fresh.read(Rights::Figures).await;
        (cases::is_replaying(&mut tx).await.unwrap(), cases::must_scrub(&mut tx).await.unwrap())
    };
    let scrubbed = async || {
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        let (erased, _) = cases::scrubs(&mut tx).await.unwrap();
        cases::scrubbed(&mut tx, erased).await.unwrap();
        tx.commit().await.unwrap();
        fresh.store.must_scrub().await.unwrap()
    };
    assert_eq!(write(true).await, (true, true));
    // A scrub in between is none.
    assert!(scrubbed().await);
    assert_eq!(write(false).await, (false, true));
    assert!(!scrubbed().await);
    // Erasures of usual days do not hold anything up.
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    cases::owe_scrub(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert!(fresh.store.owes_scrub().await.unwrap() && !fresh.store.must_scrub().await.unwrap());
}

async fn what_is_learnt_of_a_subject_goes_into_its_cases(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let batch = record(&fresh, feed, 1).await;
    let stop = |number: i64| Stopped {
        event_number: number,
        feed,
        batch,
        effect: cases::STOP,
        token: Some(key(70)),
        due_day: 20_007,
    };
    let id = stage(&fresh, &case(1, 2), &[7], &[stop(1)]).await;
    fresh.act(Effect::OpenCase(id)).await.unwrap();
    let before = binding(&fresh).await.0;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    assert_eq!(cases::binding_by(&mut tx, &[key(7), key(8)]).await.unwrap(), [(key(7), id)]);
    assert_eq!(cases::by_number(&mut tx, id).await.unwrap().unwrap().wish, case(1, 2).wish);
    cases::learn(&mut tx, id, &[key(7), key(8)], &[stop(1), stop(2)]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(binding(&fresh).await, (before + 1, 2));
    let mut tx = fresh.read(Rights::Intake).await;
    assert_eq!(cases::notices_of(&mut tx, id).await.unwrap().len(), 2, "the first was told before");
    assert_eq!(cases::stopping(&mut tx, &[1, 2, 3]).await.unwrap().len(), 2);
}
