//! What ties subjects, as stored: comparisons, links, the holders of keys.

use super::{Fresh, key, on_both};
use std::collections::BTreeSet;
use tallygate::{
    domain::{PersonId, SubjectId},
    keys::KeyVersion,
    store::{
        Rights,
        key_versions::Progress,
        rewrap,
        subjects::{self, NewSubject, StoredLink, Subject, Tie},
    },
};

on_both!(
    ties_are_kept_and_written_anew,
    holders_are_found_by_key_but_not_by_identity,
    rotation_takes_comparisons_along,
);

fn subject(number: i64, keys: &[(u8, usize)], tie: Tie) -> Subject {
    let (id, person) = (SubjectId::new(number), PersonId::new(number));
    let keys = keys.iter().map(|(rung, at)| (*rung, key(*at))).collect();
    Subject { id, person, nhs: None, keys, key_version: 1, tie }
}

async fn insert(fresh: &Fresh, all: &[Subject]) {
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let new: Vec<NewSubject> =
        all.iter().map(|s| NewSubject { subject: s.clone(), facts: None }).collect();
    subjects::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
}

fn tied() -> Tie {
    let link = StoredLink { to: SubjectId::new(1), rule: 6, rules: 2 };
    Tie { comparison: Some(vec![1, 2, 3]), own_person: Some(PersonId::new(2)), link: Some(link) }
}

async fn ties_are_kept_and_written_anew(fresh: Fresh) {
    let all = [subject(1, &[(0, 1)], Tie::default()), subject(2, &[(0, 2), (17, 3)], tied())];
    insert(&fresh, &all).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let persons = [PersonId::new(1), PersonId::new(2)];
    assert_eq!(subjects::of_persons(&mut tx, &persons).await.unwrap(), all);
    let bare = Subject { keys: Vec::new(), ..all[1].clone() };
    assert_eq!(subjects::without_keys(&mut tx, &[SubjectId::new(2)]).await.unwrap(), [bare]);
    let mut other = all.clone();
    other[0].tie.link = Some(StoredLink { to: SubjectId::new(2), rule: 1, rules: 3 });
    other[1].tie.link = None;
    subjects::relink(&mut tx, &[&other[0], &other[1]]).await.unwrap();
    assert_eq!(subjects::of_persons(&mut tx, &persons).await.unwrap(), other);
    subjects::relink(&mut tx, &[]).await.unwrap();
    let gone = subject(9, &[], Tie::default());
    assert!(subjects::relink(&mut tx, &[&gone]).await.is_err(), "rows are counted");
}

async fn holders_are_found_by_key_but_not_by_identity(fresh: Fresh) {
    let all = [
        subject(1, &[(0, 1), (17, 5)], Tie::default()),
        subject(2, &[(0, 2), (17, 5), (1, 6)], tied()),
    ];
    insert(&fresh, &all).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let asked = [key(1), key(5), key(6), key(7)];
    let found = subjects::holders(&mut tx, &asked).await.unwrap();
    let found: BTreeSet<_> = found.into_iter().map(|(key, id)| (key, id.number())).collect();
    assert_eq!(found, BTreeSet::from([(key(5), 1), (key(5), 2), (key(6), 2)]));
}

async fn rotation_takes_comparisons_along(fresh: Fresh) {
    insert(&fresh, &[subject(1, &[(0, 1)], tied())]).await;
    let mut tx = fresh.store.transact(Rights::Keys).await.unwrap();
    let (one, two) = (KeyVersion::new(1), KeyVersion::new(2));
    let mut found = rewrap::subjects(&mut tx, one, &Progress::default(), 9).await.unwrap();
    assert_eq!(found[0].comparison, tied().comparison);
    found[0].comparison = Some(vec![4, 5]);
    assert_eq!(rewrap::renew_subjects(&mut tx, two, &found).await.unwrap(), 1);
    let again = rewrap::subjects(&mut tx, two, &Progress::default(), 9).await.unwrap();
    assert_eq!(again[0].comparison, Some(vec![4, 5]));
}
