//! Every subject resolved anew.

use super::{
    details::last_of,
    last_leaf, refused,
    support::{Town, partner},
};
use crate::{
    audit::{LeafKind, SizeClass},
    domain::{PersonId, SubjectId, row::Sex, time::days_after},
    gateway::{link_identities, relink::Relinking},
    keys::{BirthDate, IdentifierKind, Pseudonymiser, RawIdentifier, RawText},
    linkage::{KeyedIdentity, RawIdentity, Sender},
    protocol::CallerRole,
    store::{
        Rights, relinking,
        subjects::{self, Move, NewSubject, Subject, Tie},
    },
};
use jiff::civil::date;
use std::collections::{BTreeMap, BTreeSet};

/// More than two batches begin from.
const PERSONS: usize = 300;

fn name(person: usize) -> String {
    person.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}

/// A person as one agency writes it, and as another does: with the same number, elsewhere.
fn identity(with: &Pseudonymiser, person: usize, postcode: &str) -> KeyedIdentity {
    let health = partner("health");
    let kind = IdentifierKind::Record { partner: &health, record_type: "health_review" };
    let record = RawIdentifier::new("R".to_owned()).pseudonymise(kind, with);
    // A name and a day of its own: all would hang together by one.
    let born = days_after(date(2022, 1, 1), i32::try_from(person).unwrap());
    let raw = RawIdentity {
        nhs_number: Some(RawIdentifier::new(format!("999{person:07}"))),
        surname: Some(RawText::new("Example".to_owned())),
        forename: Some(RawText::new(format!("Ada{}", name(person)))),
        birth: Some(BirthDate::new(born)),
        sex: Some(Sex::Female),
        postcode: Some(RawText::new(postcode.to_owned())),
        ..RawIdentity::default()
    };
    raw.pseudonymise(Sender { partner: &health, record: &record, position: 0 }, with).unwrap()
}

/// Links both forms of the persons, and tells each subject's person.
async fn link(town: &Town, persons: std::ops::Range<usize>) -> Vec<(SubjectId, PersonId)> {
    let keys = town.gateway.keys();
    let both = persons.flat_map(|person| ["CV1 1AH", "CV6 5HB"].map(|code| (person, code)));
    let all: Vec<KeyedIdentity> =
        both.map(|(person, code)| identity(&keys.pseudonymiser, person, code)).collect();
    let all: Vec<&KeyedIdentity> = all.iter().collect();
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    let linked = link_identities(&keys, &mut tx, &all, &mut town.gateway.rng()).await.unwrap();
    tx.commit().await.unwrap();
    linked
}

async fn persons(town: &Town, subjects: &[(SubjectId, PersonId)]) -> BTreeMap<SubjectId, PersonId> {
    let mut tx = town.gateway.store().read(Rights::Intake).await.unwrap();
    let run = relinking::Run {
        number: 0,
        rules: 0,
        until: SubjectId::new(i64::MAX),
        place: SubjectId::new(0),
        moved: 0,
        begun_at: 0,
        done_at: None,
    };
    let all = relinking::behind(&mut tx, &run, i64::MAX).await.unwrap();
    let wanted: BTreeSet<SubjectId> = subjects.iter().map(|(subject, _)| *subject).collect();
    all.into_iter().filter(|(subject, _)| wanted.contains(subject)).collect()
}

async fn run(town: &Town) -> Option<relinking::Run> {
    let mut tx = town.gateway.store().read(Rights::Figures).await.unwrap();
    relinking::latest(&mut tx).await.unwrap()
}

async fn relink(town: &Town, only_look: bool) -> Option<Relinking> {
    let told = town.gateway.relink_subjects(&town.officer(), only_look).await;
    told.unwrap().into_parts().0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_rules_left_apart_comes_together_batch_by_batch() {
    let town = Town::new().await;
    assert_eq!(relink(&town, true).await, None);
    let linked = link(&town, 0..PERSONS).await;
    let right = persons(&town, &linked).await;
    assert!(linked.chunks(2).all(|both| both[0].1 == both[1].1), "one person, two forms");
    // As rules that know no NHS numbers would have it: each second form by itself.
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    let first = subjects::take_person_numbers(&mut tx, PERSONS).await.unwrap();
    let apart = linked.chunks(2).zip(first..);
    let apart = apart.map(|(both, to)| {
        let (subject, from) = both[1];
        Move { subject, from, to: PersonId::new(to) }
    });
    subjects::move_subjects(&mut tx, &apart.collect::<Vec<_>>()).await.unwrap();
    tx.commit().await.unwrap();
    assert_ne!(persons(&town, &linked).await, right);

    let begun = relink(&town, false).await.unwrap();
    assert!(begun.begun && begun.done_at.is_none() && begun.tenths_done == 0);
    let leaf = last_leaf(&town).await;
    assert_eq!(
        (leaf.kind, leaf.notes.cause.unwrap().as_str()),
        (LeafKind::SubjectsRelinked, "begun")
    );
    assert!(town.gateway.advance_relinking().await.unwrap());
    let under_way = run(&town).await.unwrap();
    assert!(under_way.moved > 0 && under_way.moved < PERSONS as u64, "{under_way:?}");
    // What stops here goes on from there: nothing but the store knows how far it has come.
    let again = relink(&town, false).await.unwrap();
    assert!(!again.begun && (1..10).contains(&again.tenths_done));
    let others = link(&town, PERSONS..PERSONS + 3).await;
    while town.gateway.advance_relinking().await.unwrap() {}
    assert_eq!(persons(&town, &linked).await, right, "the older person's number stays");
    assert!(others.chunks(2).all(|both| both[0].1 == both[1].1));
    let (_, leaf) = last_of(&town, LeafKind::SubjectsRelinked).await;
    assert_eq!(leaf.notes.cause.unwrap().as_str(), "complete");
    assert_eq!(leaf.size_class, Some(SizeClass::of(PERSONS as u64)));
    let done = relink(&town, true).await.unwrap();
    assert!(done.done_at.is_some() && done.tenths_done == 10 && !done.begun);
    // By the same rules nobody moves again.
    assert!(relink(&town, false).await.unwrap().begun);
    while town.gateway.advance_relinking().await.unwrap() {}
    assert_eq!((run(&town).await.unwrap().moved, run(&town).await.unwrap().number), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_can_not_be_read_keeps_nobody_else_from_being_resolved() {
    let town = Town::new().await;
    let first = link(&town, 0..3).await;
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    let id = SubjectId::new(subjects::take_subject_numbers(&mut tx, 1).await.unwrap());
    let person = PersonId::new(subjects::take_person_numbers(&mut tx, 1).await.unwrap());
    let tie = Tie { comparison: Some(vec![7; 40]), own_person: Some(person), link: None };
    let version = town.gateway.keys().current().number();
    let subject = Subject { id, person, nhs: None, keys: vec![], key_version: version, tie };
    subjects::insert(&mut tx, &[NewSubject { subject, facts: None }]).await.unwrap();
    tx.commit().await.unwrap();
    let later = link(&town, 3..6).await;
    let linked = [&first[..], &[(id, person)], &later[..]].concat();
    let right = persons(&town, &linked).await;
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    for both in [&first[..2], &later[..2]] {
        let to = PersonId::new(subjects::take_person_numbers(&mut tx, 1).await.unwrap());
        let (subject, from) = both[1];
        subjects::move_subjects(&mut tx, &[Move { subject, from, to }]).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert!(relink(&town, false).await.unwrap().begun);
    for _ in 0..20 {
        if !town.gateway.advance_relinking().await.unwrap() {
            break;
        }
    }
    assert!(relink(&town, true).await.unwrap().done_at.is_some());
    assert_eq!(persons(&town, &linked).await, right);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_data_officers_relink() {
    let town = Town::new().await;
    let centres = town.actor("centres", &[CallerRole::Provider], None);
    let answer = town.gateway.relink_subjects(&centres, false).await;
    assert_eq!(refused(answer).0, "wrong_role");
    assert_eq!(run(&town).await, None);
}
