//! Versions of the keys, and keyed values wrapped anew, table by table.

use super::{Fresh, batch_of, consents::stated, key, on_both};
use std::collections::BTreeSet;
use tallygate::{
    domain::{FeedId, PersonId, RecordType, SubjectId},
    keys::{KeyVersion, Prf, VersionState},
    protocol::ConsentRecord,
    store::{
        ActError, Effect, Rights, Tx, consents, details, effect,
        erasures::{self, Asked},
        feeds, geography,
        key_versions::{self, Change, Progress},
        records::{self, NewEvent},
        rewrap::{self, KeyedTable},
        subjects::{self, Move, NewSubject, Subject, Tie},
    },
};

on_both!(
    versions_pass_through_their_states_and_no_other_way,
    progress_is_kept_for_the_version_that_is_left,
    consents_are_copied_merged_and_removed,
    every_table_is_gone_through_in_bounded_batches,
    a_moved_event_takes_its_version_with_it,
    what_is_to_be_erased_is_renewed_and_details_are_seen,
);

const ONE: KeyVersion = KeyVersion::FIRST;
const TWO: KeyVersion = KeyVersion::new(2);

async fn states(fresh: &Fresh) -> Vec<(u16, VersionState)> {
    let mut tx = fresh.read(Rights::Figures).await;
    let all = key_versions::all(&mut tx).await.unwrap().all;
    all.iter().map(|(version, state, _)| (version.number(), *state)).collect()
}

async fn begin(fresh: &Fresh) {
    let mut tx = keys(fresh).await;
    key_versions::enter_first(&mut tx, Prf::Hmac, [1; 16]).await.unwrap();
    tx.commit().await.unwrap();
    change(fresh, Change::Begin { from: ONE, to: TWO, check: [2; 16] }).await.unwrap();
}

async fn change(fresh: &Fresh, change: Change) -> Result<(), ActError> {
    fresh.act(Effect::ChangeKeys(change)).await.map(drop)
}

/// A transaction of whoever wraps anew.
async fn keys(fresh: &Fresh) -> Tx {
    fresh.store.transact(Rights::Keys).await.unwrap()
}

async fn versions_pass_through_their_states_and_no_other_way(fresh: Fresh) {
    use VersionState::{Current, Destroyed, Earlier, Next, Unused};
    let numbers = async || {
        let mut tx = fresh.read(Rights::Intake).await;
        let number = key_versions::number(&mut tx).await.unwrap();
        (number, effect::policy_epoch(&mut tx).await.unwrap())
    };
    begin(&fresh).await;
    let begun = numbers().await;
    // The first is entered once.
    let mut tx = keys(&fresh).await;
    key_versions::enter_first(&mut tx, Prf::Hmac, [9; 16]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(states(&fresh).await, [(1, Current), (2, Next)]);
    let mut tx = fresh.read(Rights::Figures).await;
    assert_eq!(key_versions::all(&mut tx).await.unwrap().all[0].2, [1; 16]);
    drop(tx);
    let three = KeyVersion::new(3);
    let wrong =
        async |wrong| assert!(matches!(change(&fresh, wrong).await, Err(ActError::Conflict)));
    wrong(Change::Begin { from: ONE, to: three, check: [3; 16] }).await;
    wrong(Change::Complete { from: ONE }).await;
    wrong(Change::Destroy { version: ONE }).await;
    wrong(Change::Activate { from: TWO, to: ONE }).await;
    assert_eq!(numbers().await, begun, "what was not done raises nothing");
    change(&fresh, Change::Activate { from: ONE, to: TWO }).await.unwrap();
    assert_eq!(states(&fresh).await, [(1, Earlier), (2, Current)]);
    wrong(Change::Activate { from: ONE, to: TWO }).await;
    wrong(Change::Begin { from: TWO, to: three, check: [3; 16] }).await;
    wrong(Change::Destroy { version: ONE }).await;
    change(&fresh, Change::Complete { from: ONE }).await.unwrap();
    assert_eq!(states(&fresh).await, [(1, Unused), (2, Current)]);
    wrong(Change::Destroy { version: TWO }).await;
    change(&fresh, Change::Destroy { version: ONE }).await.unwrap();
    wrong(Change::Destroy { version: ONE }).await;
    change(&fresh, Change::Begin { from: TWO, to: three, check: [3; 16] }).await.unwrap();
    assert_eq!(states(&fresh).await, [(1, Destroyed), (2, Current), (3, Next)]);
    assert_eq!(numbers().await, (begun.0 + 4, begun.1 + 4), "every gateway sees each passage");
}

async fn progress_is_kept_for_the_version_that_is_left(fresh: Fresh) {
    let mut tx = keys(&fresh).await;
    let none = key_versions::progress(&mut tx, "sent", ONE).await.unwrap();
    assert_eq!(none, Progress::default());
    let place = Progress { place: 7, number: 8, key: vec![9; 16], moved: 1_000, done: false };
    key_versions::keep(&mut tx, "sent", ONE, &place).await.unwrap();
    let end = Progress { moved: 1_001, done: true, ..place.clone() };
    key_versions::keep(&mut tx, "subject", ONE, &end).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = keys(&fresh).await;
    assert_eq!(key_versions::progress(&mut tx, "sent", ONE).await.unwrap(), place);
    // What is done keeps no key: it could be of what is erased later.
    let end = Progress { key: Vec::new(), ..end };
    assert_eq!(key_versions::progress(&mut tx, "subject", ONE).await.unwrap(), end);
    // The next rotation begins at the beginning.
    let next = key_versions::progress(&mut tx, "subject", TWO).await.unwrap();
    assert_eq!(next, Progress::default());
    key_versions::keep(&mut tx, "subject", TWO, &next).await.unwrap();
    let gone = key_versions::progress(&mut tx, "subject", ONE).await.unwrap();
    assert_eq!(gone, Progress::default());
}

async fn consents_are_copied_merged_and_removed(fresh: Fresh) {
    begin(&fresh).await;
    // Recorded before, withdrawn; and stated anew, under both versions, for an earlier day.
    let before = vec![
        stated(&[(1, key(1))], ConsentRecord::Withdrawn, 105),
        stated(&[(1, key(2))], ConsentRecord::Given, 100),
    ];
    fresh.act(Effect::PutConsents(before)).await.unwrap();
    let during = vec![stated(&[(1, key(1)), (2, key(11))], ConsentRecord::Given, 103)];
    fresh.act(Effect::PutConsents(during)).await.unwrap();
    let mut tx = keys(&fresh).await;
    let mut found = rewrap::consents(&mut tx, ONE, &Progress::default(), 10).await.unwrap();
    assert_eq!(found.len(), 2, "of the one version alone");
    for entry in &mut found {
        let number = if entry.key == key(1) { 11 } else { 12 };
        (entry.key, entry.key_version) = (key(number), 2);
    }
    rewrap::copy_consents(&mut tx, &found).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = keys(&fresh).await;
    let all = [1, 2, 11, 12].map(key);
    let states = consents::states(&mut tx, &all).await.unwrap();
    assert_eq!(states[&key(11)], (3, 105), "the no prevails in the copy, too");
    assert_eq!((states[&key(1)], states[&key(12)]), ((3, 105), (1, 100)));
    rewrap::remove_consents(&mut tx, &[key(1)]).await.unwrap();
    tx.commit().await.unwrap();
    // Statements stand once, and are rewritten as they are, but for what is keyed.
    let mut tx = keys(&fresh).await;
    let mut found = rewrap::statements(&mut tx, ONE, &Progress::default(), 10).await.unwrap();
    assert_eq!(found.len(), 3);
    for statement in &mut found {
        statement.consent = key(if statement.consent == key(1) { 11 } else { 12 });
    }
    assert_eq!(rewrap::renew_statements(&mut tx, TWO, &found).await.unwrap(), 3);
    assert_eq!(rewrap::count(&mut tx, KeyedTable::Statements, ONE).await.unwrap(), 0);
    tx.commit().await.unwrap();
    let mut tx = fresh.read(Rights::Figures).await;
    let renewed = consents::statements(&mut tx, &[(2, key(11))]).await.unwrap();
    let days: Vec<_> = renewed.iter().map(|kept| kept.statement.stated_on).collect();
    assert_eq!(days, [105, 103]);
    drop(tx);
    change(&fresh, Change::Activate { from: ONE, to: TWO }).await.unwrap();
    // What is left of the version goes with the last passage.
    change(&fresh, Change::Complete { from: ONE }).await.unwrap();
    let mut tx = keys(&fresh).await;
    let left = consents::states(&mut tx, &all).await.unwrap();
    let left: BTreeSet<_> = left.into_keys().collect();
    assert_eq!(left, BTreeSet::from([key(11), key(12)]));
    assert_eq!(rewrap::count(&mut tx, KeyedTable::Consents, ONE).await.unwrap(), 0);
}

fn subject(id: i64, keys: Vec<(u8, [u8; 16])>) -> NewSubject {
    let nhs = (id % 2 == 0).then(|| key(usize::try_from(id).unwrap() + 90_000));
    let (id, person) = (SubjectId::new(id), PersonId::new(id));
    let subject = Subject { id, person, nhs, keys, key_version: 1, tie: Tie::default() };
    NewSubject { subject, facts: Some(vec![0, 1, 7]) }
}

fn event(person: i64, number: i64, key_version: u16) -> NewEvent {
    NewEvent {
        person: PersonId::new(person),
        subject: SubjectId::new(person),
        event_number: number,
        role: 0,
        consent: (key_version != 0).then(|| key(70_000)),
        body: vec![5; 8],
        key_version,
    }
}

const ROWS: i64 = 700;

/// Rows of every table, of version 1.
async fn fill(fresh: &Fresh) -> FeedId {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let at = |n: i64| usize::try_from(n).unwrap();
    let new: Vec<_> =
        (1..=ROWS).map(|n| subject(n, vec![(0, key(at(n))), (1, key(at(n) + 10_000))])).collect();
    subjects::insert(&mut tx, &new).await.unwrap();
    let batch = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    let sent: Vec<_> = (1..=ROWS).map(|n| (key(at(n) + 20_000), n)).collect();
    records::stage_sent(&mut tx, feed, batch, &sent, 1).await.unwrap();
    let events: Vec<_> = (1..=ROWS).map(|n| event(n, n, u16::from(n % 7 != 0))).collect();
    records::stage_events(&mut tx, batch, &events).await.unwrap();
    tx.commit().await.unwrap();
    let rows = (1..=100).map(|n| (key(n + 30_000), 9_522)).collect();
    let lookup = geography::PostcodeRows { rows, key_version: 1, replaced: vec![] };
    fresh.act(Effect::PutPostcodes(lookup)).await.unwrap();
    feed
}

/// Another form of a key, and back.
fn other(key: [u8; 16]) -> [u8; 16] {
    key.map(|byte| byte ^ 0xa5)
}

async fn every_table_is_gone_through_in_bounded_batches(fresh: Fresh) {
    let feed = fill(&fresh).await;
    let (mut place, mut seen, mut batches) = (Progress::default(), 0, 0);
    loop {
        let mut tx = keys(&fresh).await;
        let found = rewrap::sent(&mut tx, ONE, &place, 64).await.unwrap();
        let Some((last_feed, last)) = found.last() else { break };
        assert!(found.len() <= 64);
        (place.place, place.key) = (last_feed.number(), last.to_vec());
        let renewed: Vec<_> = found.iter().map(|(f, old)| (*f, *old, other(*old))).collect();
        let touched = rewrap::renew_sent(&mut tx, TWO, &renewed).await.unwrap();
        assert_eq!(touched, found.len() as u64);
        tx.commit().await.unwrap();
        (seen, batches) = (seen + touched, batches + 1);
    }
    assert_eq!((seen, batches), (700, 11), "each once, none of those that were moved again");
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let new = records::sent(&mut tx, feed, &[other(key(20_007)), key(20_007)]).await.unwrap();
    assert_eq!(new.into_values().map(|sent| sent.event_number).collect::<Vec<_>>(), [7]);
    drop(tx);

    let mut tx = keys(&fresh).await;
    let after = Progress { place: 300, ..Progress::default() };
    let mut found = rewrap::subjects(&mut tx, ONE, &after, 64).await.unwrap();
    assert_eq!((found.len(), found[0].id.number(), found[0].keys.len()), (64, 301, 2));
    for subject in &mut found {
        subject.nhs = subject.nhs.map(other);
        subject.facts = Some(vec![0, 2, 8]);
        subject.keys.iter_mut().for_each(|(_, old, new)| *new = other(*old));
    }
    assert_eq!(rewrap::renew_subjects(&mut tx, TWO, &found).await.unwrap(), 64);
    tx.commit().await.unwrap();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let mut of = subjects::of_persons(&mut tx, &[301, 302, 303].map(PersonId::new)).await.unwrap();
    let second = of.remove(1);
    assert_eq!((second.nhs, second.key_version), (Some(other(key(90_302))), 2));
    assert_eq!(second.keys, [(0, other(key(302))), (1, other(key(10_302)))]);
    assert_eq!(of[0].nhs, None);
    drop(tx);

    let mut tx = keys(&fresh).await;
    let mut found = rewrap::events(&mut tx, ONE, &Progress::default(), 1_000).await.unwrap();
    assert_eq!(found.len(), 600, "rows that hold nothing keyed are of no version");
    for event in &mut found {
        (event.consent, event.body, event.key_version) = (event.consent.map(other), vec![6], 2);
    }
    assert_eq!(rewrap::renew_events(&mut tx, &found).await.unwrap(), 600);
    let postcodes = rewrap::postcodes(&mut tx, ONE, &Progress::default(), 1_000).await.unwrap();
    let renewed: Vec<_> = postcodes.iter().map(|old| (*old, other(*old))).collect();
    assert_eq!(rewrap::renew_postcodes(&mut tx, TWO, &renewed).await.unwrap(), 100);
    // Rows that have gone meanwhile stay gone.
    assert_eq!(rewrap::renew_postcodes(&mut tx, TWO, &renewed).await.unwrap(), 0);
    tx.commit().await.unwrap();
    let mut tx = fresh.read(Rights::Keys).await;
    for (table, one, two) in [
        (KeyedTable::Sent, 0, 700),
        (KeyedTable::Subjects, 636, 64),
        (KeyedTable::Events, 0, 600),
        (KeyedTable::Postcodes, 0, 100),
        (KeyedTable::Consents, 0, 0),
        (KeyedTable::Erasures, 0, 0),
    ] {
        assert_eq!(rewrap::count(&mut tx, table, ONE).await.unwrap(), one, "{table:?}");
        assert_eq!(rewrap::count(&mut tx, table, TWO).await.unwrap(), two, "{table:?}");
        assert_eq!(rewrap::any(&mut tx, table, ONE).await.unwrap(), one > 0, "{table:?}");
    }
}

async fn a_moved_event_takes_its_version_with_it(fresh: Fresh) {
    fill(&fresh).await;
    let mut tx = keys(&fresh).await;
    let mut found = rewrap::events(&mut tx, ONE, &Progress::default(), 5).await.unwrap();
    found.iter_mut().for_each(|event| event.key_version = 2);
    rewrap::renew_events(&mut tx, &found).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let moved = |subject: i64, to: i64| Move {
        subject: SubjectId::new(subject),
        from: PersonId::new(subject),
        to: PersonId::new(to),
    };
    // One that was wrapped anew already goes behind, and one that was not to the front.
    subjects::move_subjects(&mut tx, &[moved(2, 650), moved(600, 1)]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = keys(&fresh).await;
    let of = async |tx: &mut Tx, version| {
        let events = rewrap::events(tx, version, &Progress::default(), 1_000).await.unwrap();
        events.into_iter().map(|event| (event.place.0, event.place.1)).collect::<BTreeSet<_>>()
    };
    assert!(of(&mut tx, TWO).await.contains(&(650, 2)));
    assert!(of(&mut tx, ONE).await.contains(&(1, 600)));
}

async fn what_is_to_be_erased_is_renewed_and_details_are_seen(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let asked = |number: usize, key_version| {
        let key = if key_version == 1 { key(number) } else { other(key(number)) };
        Asked { feed, key, key_version }
    };
    // The second was asked for again, when the next version was in use.
    let all = vec![asked(1, 1), asked(2, 1), asked(2, 2)];
    fresh.act(Effect::AskErasure(all)).await.unwrap();
    let mut tx = keys(&fresh).await;
    let found = rewrap::erasures(&mut tx, ONE, &Progress::default(), 10).await.unwrap();
    assert_eq!(found.len(), 2);
    let renewed: Vec<_> = found.into_iter().map(|(f, old)| (f, old, other(old))).collect();
    rewrap::renew_erasures(&mut tx, TWO, &renewed).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = fresh.read(Rights::Intake).await;
    let mut left = erasures::asked(&mut tx, (FeedId::new(0), [0; 16]), 10).await.unwrap();
    left.sort_by_key(|asked| asked.key != other(key(1)));
    assert_eq!(left, [asked(1, 2), asked(2, 2)]);
    drop(tx);
    // A sealed form begins with its version.
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let batch = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    details::stage(&mut tx, batch, &[0, 1, 9, 9]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = fresh.read(Rights::Keys).await;
    assert!(rewrap::any_detail(&mut tx, ONE).await.unwrap());
    assert!(!rewrap::any_detail(&mut tx, TWO).await.unwrap());
}
