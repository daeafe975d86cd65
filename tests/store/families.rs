//! Families' edges: found by who is who now, counted as their records are, gone with them.

use super::{Fresh, batch_of, key, on_both};
use tallygate::{
    domain::{BatchId, FeedId, PersonId, RecordType, SubjectId, family::Tie as Kin},
    store::{
        Effect, Rights,
        cases::{self, TakenLate},
        erasures,
        families::{self, NewEdge},
        feeds::{self, NewBatch},
        records::{self, NewEvent, NewWithdrawal},
        subjects::{self, Move, NewSubject, Subject, Tie},
        undo::Undo,
    },
};

on_both!(
    a_family_is_found_while_its_case_is_open,
    edges_go_where_their_subjects_go,
    an_edge_counts_as_its_record_does_and_goes_with_it,
    an_edge_of_what_was_taken_late_is_undone_with_what_brought_it_first,
);

/// The day on which the tests ask.
const DAY: i32 = 19_500;
/// Everything is known by then: [`super::records::stored`] dates events near 19,000.
const KNOWN: i32 = 30_000;

fn edge(event_number: i64, subject: i64, other: Option<i64>, tie: Kin) -> NewEdge {
    let other = other.map(SubjectId::new);
    let case = tie.is_to_case().then(|| key(700));
    let from = tie.is_to_case().then_some(DAY - 10);
    NewEdge { event_number, subject: SubjectId::new(subject), other, tie, case, from, until: None }
}

fn person(number: i64) -> NewSubject {
    let (id, person) = (SubjectId::new(number), PersonId::new(number));
    let keys = vec![(0, key(usize::try_from(number).unwrap() + 500))];
    let subject = Subject { id, person, nhs: None, keys, key_version: 1, tie: Tie::default() };
    NewSubject { subject, facts: None }
}

impl Fresh {
    /// A batch whose records name the persons of their own numbers, and others beside.
    async fn family(&self, edges: &[NewEdge]) -> (FeedId, BatchId) {
        let feed = self.feed("families", RecordType::FamilyCase).await;
        let events: Vec<NewEvent> = edges
            .iter()
            .map(|edge| {
                let event = super::records::stored(edge.subject.number(), edge.event_number, None);
                NewEvent { role: u8::from(edge.other.is_some()), ..event }
            })
            .collect();
        let mut tx = self.store.transact(Rights::Intake).await.unwrap();
        let persons: Vec<NewSubject> = (1..=4).map(person).collect();
        subjects::take_subject_numbers(&mut tx, 4).await.unwrap();
        subjects::take_person_numbers(&mut tx, 4).await.unwrap();
        subjects::insert(&mut tx, &persons).await.unwrap();
        tx.commit().await.unwrap();
        let batch = self.stage(feed, 1, &events).await;
        let mut tx = self.store.transact(Rights::Intake).await.unwrap();
        families::stage(&mut tx, batch, edges).await.unwrap();
        tx.commit().await.unwrap();
        (feed, batch)
    }

    async fn open(&self, feed: FeedId, day: i32) -> Vec<Vec<(i64, Kin)>> {
        let mut tx = self.read(Rights::Release).await;
        let open = families::with_open_case(&mut tx, &[feed], day, KNOWN).await.unwrap();
        let members = |family: Vec<(PersonId, Kin)>| {
            family.into_iter().map(|(person, tie)| (person.number(), tie)).collect()
        };
        open.into_iter().map(members).collect()
    }

    async fn cared(&self, feed: FeedId, person: i64) -> Vec<(i64, i64, Kin)> {
        let mut tx = self.read(Rights::Release).await;
        let of = [PersonId::new(person)];
        let found = families::cared_for(&mut tx, &[feed], &of, DAY, KNOWN).await.unwrap();
        found.into_iter().map(|(one, other, tie)| (one.number(), other.number(), tie)).collect()
    }

    async fn told(&self, number: i64) -> usize {
        let mut tx = self.read(Rights::Release).await;
        families::ties_of(&mut tx, &[number]).await.unwrap().len()
    }
}

async fn a_family_is_found_while_its_case_is_open(fresh: Fresh) {
    let other = NewEdge { case: Some(key(701)), ..edge(3, 3, None, Kin::CaseChild) };
    let closed = NewEdge { until: Some(DAY), ..other };
    let edges = [edge(1, 1, None, Kin::CaseParent), edge(2, 2, None, Kin::CaseChild), closed];
    let (feed, batch) = fresh.family(&edges).await;
    assert_eq!(fresh.open(feed, DAY).await, Vec::<Vec<_>>::new(), "staged counts nobody");
    fresh.accept(batch).await.unwrap();
    let one = vec![(1, Kin::CaseParent), (2, Kin::CaseChild)];
    let two = vec![(3, Kin::CaseChild)];
    let alone = fresh.open(feed, DAY).await;
    assert_eq!((alone.len(), &alone[0]), (1, &one));
    assert_eq!(fresh.open(feed, DAY - 1).await, [one, two], "the day before it closed");
    assert_eq!(fresh.open(feed, DAY - 11).await, Vec::<Vec<_>>::new(), "before it opened");
    let mut tx = fresh.read(Rights::Release).await;
    let early = families::with_open_case(&mut tx, &[feed], DAY, 18_000).await.unwrap();
    assert!(early.is_empty(), "nothing was known by then");
}

async fn edges_go_where_their_subjects_go(fresh: Fresh) {
    let edges = [edge(1, 1, Some(2), Kin::ParentOf), edge(2, 2, None, Kin::CaseChild)];
    let (feed, batch) = fresh.family(&edges).await;
    fresh.accept(batch).await.unwrap();
    assert_eq!(fresh.cared(feed, 1).await, [(1, 2, Kin::ParentOf)]);
    let go = async |subject, from, to| {
        let subject = SubjectId::new(subject);
        let moved = Move { subject, from: PersonId::new(from), to: PersonId::new(to) };
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        subjects::move_subjects(&mut tx, &[moved]).await.unwrap();
        tx.commit().await.unwrap();
    };
    // The child turns out to be the third person, the mother the fourth, and back again.
    go(2, 2, 3).await;
    go(1, 1, 4).await;
    assert_eq!(fresh.cared(feed, 4).await, [(4, 3, Kin::ParentOf)]);
    assert_eq!(fresh.cared(feed, 1).await, []);
    assert_eq!(fresh.open(feed, DAY).await, [[(3, Kin::CaseChild)]]);
    go(2, 3, 2).await;
    assert_eq!(fresh.cared(feed, 4).await, [(4, 2, Kin::ParentOf)]);
}

async fn an_edge_counts_as_its_record_does_and_goes_with_it(fresh: Fresh) {
    let edges = [
        edge(1, 1, Some(2), Kin::CarerOf),
        edge(2, 2, None, Kin::CaseChild),
        edge(3, 3, None, Kin::CaseChild),
    ];
    let (feed, batch) = fresh.family(&edges).await;
    fresh.accept(batch).await.unwrap();
    let members = [vec![(2, Kin::CaseChild), (3, Kin::CaseChild)]];
    assert_eq!(fresh.open(feed, DAY).await, members);
    // Withdrawn.
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let second = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    let gone = NewWithdrawal { event_number: 3, known: 19_600 };
    records::stage_withdrawals(&mut tx, second, &[gone]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fresh.open(feed, DAY).await, members, "not before it is accepted");
    fresh.accept(second).await.unwrap();
    assert_eq!(fresh.open(feed, DAY).await, [[(2, Kin::CaseChild)]]);
    // Erased.
    assert_eq!((fresh.told(1).await, fresh.cared(feed, 1).await.len()), (1, 1));
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    erasures::erase_record(&mut tx, 1, Some(&[SubjectId::new(1)])).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((fresh.told(1).await, fresh.told(2).await), (0, 1));
    assert_eq!(fresh.cared(feed, 1).await, []);
    // Never accepted: cleared away with its batch.
    let third = fresh.stage(feed, 9, &[super::records::stored(4, 9, None)]).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    families::stage(&mut tx, third, &[edge(9, 4, None, Kin::CaseOther)]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fresh.told(9).await, 1);
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    feeds::abandon(&mut tx, &[third]).await.unwrap();
    feeds::clear_unaccepted(&mut tx, super::now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((fresh.told(9).await, fresh.told(2).await), (0, 1));
}

async fn an_edge_of_what_was_taken_late_is_undone_with_what_brought_it_first(fresh: Fresh) {
    let (feed, late) = fresh.family(&[edge(2, 2, None, Kin::CaseChild)]).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let first = NewBatch { stream: 1, ..batch_of(feed) };
    let of_batch = feeds::stage(&mut tx, &first).await.unwrap();
    let taken = TakenLate { event_number: 2, of_batch, of_number: 90 };
    cases::stage_late(&mut tx, late, &[taken]).await.unwrap();
    tx.commit().await.unwrap();
    for batch in [of_batch, late] {
        fresh.accept(batch).await.unwrap();
    }
    assert_eq!(fresh.open(feed, DAY).await.len(), 1);
    let undo = Undo { stream: 1, feed, cause: "wrong_file", batches: 1, records: 1 };
    fresh.act(Effect::UndoStream(undo)).await.unwrap();
    assert_eq!(fresh.open(feed, DAY).await.len(), 0, "the later file still stands");
}
