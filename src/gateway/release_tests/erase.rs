//! Records erased at their sender's word: gone, unseen, and named once a day.

use super::{
    details::{last_of, open, opened, record, text},
    last_leaf, refused,
    support::Town,
    undo::{counted, health, push, reviews, undo, withdrawals},
};
use crate::{
    audit::{Leaf, LeafKind, SizeClass},
    domain::{FeedId, PersonId},
    gateway::{NamedRecords, Sought},
    protocol::{Act, CallerRole, template::Template},
    store::{Rights, erasures, log, subjects},
};

fn named(ids: &[&str]) -> NamedRecords {
    let record_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    NamedRecords { record_type: "health_review".to_owned(), record_ids }
}

async fn erase(town: &Town, ids: &[&str]) -> usize {
    let answer = town.gateway.erase_records(&health(town), named(ids)).await.unwrap();
    assert_eq!(answer.receipt().leaf_hash, leaf_hash_of(town).await);
    answer.into_parts().0
}

/// The same of another record type.
pub(super) async fn erase_of(town: &Town, record_type: &str, ids: &[&str]) {
    let mut named = named(ids);
    record_type.clone_into(&mut named.record_type);
    town.gateway.erase_records(&health(town), named).await.unwrap();
}

async fn leaf_hash_of(town: &Town) -> crate::audit::Hash {
    crate::audit::leaf_hash(&last_leaf(town).await.encode().unwrap())
}

async fn find(town: &Town, ids: &[&str]) -> Vec<bool> {
    town.gateway.find_records(&health(town), named(ids)).await.unwrap().into_parts().0
}

/// Every leaf of a kind.
async fn leaves(town: &Town, kind: LeafKind) -> Vec<Leaf> {
    let mut tx = town.gateway.store().read(Rights::Figures).await.unwrap();
    let size = log::head(&mut tx).await.unwrap().unwrap().size;
    let entries = log::entries(&mut tx, 0, size).await.unwrap();
    let leaves = entries.iter().map(|entry| Leaf::decode(entry).unwrap());
    leaves.filter(|leaf| leaf.kind == kind).collect()
}

/// How many identities there are. One with any event, also of an undone file, is kept.
async fn identities(town: &Town) -> usize {
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    let persons: Vec<PersonId> = (1..50).map(PersonId::new).collect();
    subjects::of_persons(&mut tx, &persons).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_record_is_gone_and_its_neighbours_prove() {
    let town = Town::new().await;
    town.gateway.name_erasures().await.unwrap();
    push(&town, reviews(0..5)).await;
    let (batch, committed) = last_of(&town, LeafKind::BatchAccepted).await;
    let frozen = town.close("2026Q1").await.into_parts().0;
    assert_eq!(identities(&town).await, 5);

    // The answer and its leaf are the same for a record that was never sent.
    assert_eq!(erase(&town, &["r-2"]).await, 1);
    let first = last_leaf(&town).await;
    assert_eq!(erase(&town, &["r-99"]).await, 1);
    let second = last_leaf(&town).await;
    let told = |leaf: &Leaf| (leaf.kind, leaf.notes.register.clone(), leaf.size_class);
    assert_eq!(told(&first), told(&second));
    assert_eq!(find(&town, &["r-1", "r-2", "r-99"]).await, [true, false, false]);
    assert_eq!(told(&last_leaf(&town).await), told(&first), "a look has the same leaf");
    assert_eq!(counted(&town).await, 5, "nothing is destroyed before the day ends");

    // Half past midnight in London, half past eleven UTC.
    town.set_clock("2026-05-13T23:30:00Z");
    town.gateway.name_erasures().await.unwrap();
    assert_eq!(counted(&town).await, 4);
    assert_eq!(find(&town, &["r-1", "r-2"]).await, [true, false]);
    let item = opened(&town, batch, Sought::Item(2)).await;
    assert_eq!((item.shown, item.size), (None, 128), "its hash and path still prove");
    assert_eq!(refused(open(&town, batch, record("r-2")).await).0, "not_found");
    for neighbour in ["r-0", "r-1", "r-3", "r-4"] {
        let item = opened(&town, batch, record(neighbour)).await;
        assert_eq!(text(&item)["operation"], "upsert");
    }
    assert_eq!(last_of(&town, LeafKind::BatchAccepted).await.1, committed);
    let release = town.gateway.release(&town.officer(), "2026Q1").await.unwrap();
    assert_eq!(release.value().document, frozen.document);
    assert_eq!(identities(&town).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_day_has_one_leaf_however_often_it_is_looked_for() {
    let town = Town::new().await;
    town.gateway.name_erasures().await.unwrap();
    town.gateway.name_erasures().await.unwrap();
    assert!(leaves(&town, LeafKind::Erasures).await.is_empty(), "no day has ended yet");
    push(&town, reviews(0..4)).await;
    erase(&town, &["r-0", "r-3"]).await;
    town.set_clock("2026-05-14T02:00:00Z");
    for _ in 0..3 {
        let (one, two) = tokio::join!(town.gateway.name_erasures(), town.gateway.name_erasures());
        one.and(two).unwrap();
    }
    let named = leaves(&town, LeafKind::Erasures).await;
    assert_eq!((named.len(), named[0].size_class), (1, Some(SizeClass::Under100)));
    assert_eq!((&named[0].partner, &named[0].notes.record_type), (&None, &None));
    // Its detail tells which items, and of which batch.
    let (index, _) = last_of(&town, LeafKind::Erasures).await;
    let (_, batch) = last_of(&town, LeafKind::BatchAccepted).await;
    for (item, erased) in [(0, 0), (1, 3)] {
        let item = opened(&town, index, Sought::Item(item)).await;
        let expected = serde_json::json!({ "batch": batch.detail, "erased": erased });
        assert_eq!((text(&item), item.size), (expected, 128));
    }
    // A day without any has one, too; days on which no gateway ran are named with the next.
    town.set_clock("2026-05-15T02:00:00Z");
    town.gateway.name_erasures().await.unwrap();
    assert_eq!(leaves(&town, LeafKind::Erasures).await.len(), 2);
    town.set_clock("2026-05-25T02:00:00Z");
    town.gateway.name_erasures().await.unwrap();
    let named = leaves(&town, LeafKind::Erasures).await;
    assert_eq!((named.len(), named[2].size_class), (3, Some(SizeClass::Under100)));
    // A clock that goes back names nothing twice.
    town.set_clock("2026-05-20T02:00:00Z");
    town.gateway.name_erasures().await.unwrap();
    assert_eq!(leaves(&town, LeafKind::Erasures).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_release_counts_it_no_more() {
    let town = Town::new().await;
    push(&town, reviews(0..3)).await;
    town.close("2026Q1").await;
    town.set_clock("2026-08-13T12:00:00Z");
    erase(&town, &["r-1"]).await;
    assert_eq!(counted(&town).await, 3);
    // Also before the day has ended: the close carries it out first.
    town.close("2026Q2").await;
    assert_eq!(counted(&town).await, 2);
    assert!(leaves(&town, LeafKind::Erasures).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn undone_and_withdrawn_forms_of_it_go_as_well() {
    let town = Town::new().await;
    let (wrong, _) = push(&town, reviews(0..2)).await;
    let (undone, _) = last_of(&town, LeafKind::BatchAccepted).await;
    undo(&town, &wrong).await;
    push(&town, reviews(0..2)).await;
    let (again, _) = last_of(&town, LeafKind::BatchAccepted).await;
    push(&town, withdrawals(0..1)).await;
    let (withdrawing, _) = last_of(&town, LeafKind::BatchAccepted).await;
    let left = async || {
        let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
        let numbers: Vec<i64> = (1..20).collect();
        let withdrawals = erasures::withdrawing(&mut tx, &numbers).await.unwrap().len();
        let first = (FeedId::new(0), [0; 16]);
        let asked = erasures::asked(&mut tx, first, 9).await.unwrap().len();
        drop(tx);
        (identities(&town).await, withdrawals, asked)
    };
    assert_eq!(left().await, (2, 1, 0));
    erase(&town, &["r-0"]).await;
    assert_eq!(left().await, (2, 1, 1));
    town.gateway.carry_out_erasures().await.unwrap();
    assert_eq!(left().await, (1, 0, 0));
    let mut tx = town.gateway.store().read(Rights::Sequencer).await.unwrap();
    assert_eq!(erasures::unnamed(&mut tx).await.unwrap().len(), 3);
    drop(tx);
    for (batch, item) in [(undone, 0), (again, 0), (withdrawing, 0)] {
        assert_eq!(opened(&town, batch, Sought::Item(item)).await.shown, None);
    }
    assert!(opened(&town, undone, record("r-1")).await.shown.is_some());
    // Sent again it is a new record: nothing is left by which it could be known.
    assert_eq!(push(&town, reviews(0..2)).await.1, 1);
    assert_eq!(counted(&town).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_stays_while_another_record_rests_on_it() {
    let town = Town::new().await;
    let twice = |id: &str| {
        let mut row = reviews(0..1).remove(0);
        row[0] = id.to_owned();
        row
    };
    push(&town, vec![twice("one"), twice("two")]).await;
    erase(&town, &["one"]).await;
    town.gateway.carry_out_erasures().await.unwrap();
    assert_eq!((counted(&town).await, identities(&town).await), (1, 1));
    erase(&town, &["two"]).await;
    town.gateway.carry_out_erasures().await.unwrap();
    assert_eq!((counted(&town).await, identities(&town).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_sender_erases_under_whatever_protocol() {
    let town = Town::new().await;
    push(&town, reviews(0..2)).await;
    let suspend = Act::Suspend { party: super::support::partner("health") };
    town.put_protocol(Template::Health, &[suspend]).await;
    let other = town.actor("centres", &[CallerRole::Provider], None);
    town.gateway.erase_records(&other, named(&["r-0"])).await.unwrap();
    town.gateway.carry_out_erasures().await.unwrap();
    assert_eq!(counted(&town).await, 2, "another's id is another record");
    erase(&town, &["r-0"]).await;
    town.gateway.carry_out_erasures().await.unwrap();
    assert_eq!(counted(&town).await, 1);
    for actor in [town.officer(), town.auditor()] {
        let answer = town.gateway.erase_records(&actor, named(&["r-1"])).await;
        assert_eq!(refused(answer).0, "wrong_role");
    }
    let ask = async |record_type: &str, ids: Vec<String>| {
        let named = NamedRecords { record_type: record_type.to_owned(), record_ids: ids };
        refused(town.gateway.erase_records(&health(&town), named).await).0
    };
    let ids = |count: usize| (0..count).map(|n| format!("r-{n}")).collect();
    assert_eq!(ask("no_such_type", ids(1)).await, "invalid_argument");
    assert_eq!(ask("health_review", ids(0)).await, "invalid_argument");
    assert_eq!(ask("health_review", ids(1_001)).await, "invalid_argument");
    assert_eq!(ask("health_review", vec![" ".to_owned()]).await, "invalid_argument");
}
