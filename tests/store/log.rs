//! The access log's tables and its write path.

use super::{Fresh, Place, now, on_both, partner, signer};
use std::{collections::BTreeSet, sync::Arc};
use tallygate::{
    audit::{Frontier, Leaf, LeafKind, leaf_hash},
    store::{Act, ActError, Effect, Location, Rights, Sequencer, Store, StoreError, log, partners},
};

on_both!(
    entries_follow_one_another_and_the_head_fits_them,
    a_failed_act_spoils_no_neighbour_and_leaves_no_entry,
    the_log_goes_on_where_it_ended,
    what_is_written_stays,
    two_gateways_write_one_log,
);

fn leaf(of: Option<&str>) -> Leaf {
    let mut leaf = Leaf::new(LeafKind::RegisterRead, now());
    leaf.partner = of.map(partner);
    leaf
}

fn act(of: Option<&str>, effect: Effect) -> Act {
    Act { leaf: leaf(of), effect, epoch: None }
}

fn enter(id: &str) -> Effect {
    let (partner, json) = (partner(id), "{}".to_owned());
    Effect::PutPartner(partners::Entry { partner, json, disabled: false })
}

/// Every entry, after checking the tree's hashes and its head against them.
async fn whole(fresh: &Fresh) -> Vec<Leaf> {
    let mut tx = fresh.read(Rights::Figures).await;
    let head = log::head(&mut tx).await.unwrap().unwrap();
    let entries = log::entries(&mut tx, 0, head.size).await.unwrap();
    let hashes: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let tree = Frontier::empty().append(&hashes).unwrap();
    assert_eq!(tree.root, head.root);
    let ids: BTreeSet<_> = Frontier::tiles(head.size).into_iter().collect();
    let tiles = log::tiles(&mut tx, head.size, &ids).await.unwrap();
    let stored = Frontier::from_tiles(head.size, &tiles).unwrap();
    assert_eq!(stored.root().unwrap(), head.root);
    assert!(log::entries(&mut tx, 0, head.size + 1).await.is_err());
    entries.iter().map(|entry| Leaf::decode(entry).unwrap()).collect()
}

async fn entries_follow_one_another_and_the_head_fits_them(fresh: Fresh) {
    fresh.sequencer.commit(act(None, enter("health"))).await.unwrap();
    // Many at once, so that one transaction takes several.
    let all: Vec<_> = (0..700)
        .map(|_| {
            let sequencer = fresh.sequencer.clone();
            tokio::spawn(async move { sequencer.commit(act(Some("health"), Effect::None)).await })
        })
        .collect();
    let mut indices = BTreeSet::new();
    for task in all {
        let logged = task.await.unwrap().unwrap();
        assert!(indices.insert(logged.receipt().leaf_index));
    }
    assert_eq!(indices, (1..=700).collect());
    let leaves = whole(&fresh).await;
    let numbers: Vec<_> = leaves.iter().filter_map(|leaf| leaf.partner_sequence).collect();
    assert_eq!(numbers, (1..=700).collect::<Vec<_>>(), "a partner sees a gap");
}

async fn a_failed_act_spoils_no_neighbour_and_leaves_no_entry(fresh: Fresh) {
    let nobody = Effect::DisablePartner(partner("nobody"));
    let (before, failed, after) = tokio::join!(
        fresh.sequencer.commit(act(None, enter("health"))),
        fresh.sequencer.commit(act(None, nobody)),
        fresh.sequencer.commit(act(None, enter("dwp"))),
    );
    before.unwrap();
    assert!(matches!(failed, Err(ActError::Conflict)));
    after.unwrap();
    assert_eq!(whole(&fresh).await.len(), 2);
}

async fn the_log_goes_on_where_it_ended(fresh: Fresh) {
    fresh.sequencer.commit(act(None, enter("health"))).await.unwrap();
    let Fresh { store, sequencer, task, place } = fresh;
    drop(sequencer);
    task.await.unwrap();
    let fresh = Fresh::over(store, place).await;
    let logged = fresh.sequencer.commit(act(Some("health"), Effect::None)).await.unwrap();
    assert_eq!((logged.receipt().leaf_index, logged.partner_sequence()), (1, Some(1)));
    assert_eq!(whole(&fresh).await.len(), 2);
}

async fn what_is_written_stays(fresh: Fresh) {
    fresh.sequencer.commit(act(None, enter("health"))).await.unwrap();
    for sql in [
        "UPDATE log_entry SET leaf = leaf",
        "DELETE FROM log_entry",
        "UPDATE log_hash SET hash = hash",
        "DELETE FROM log_hash",
    ] {
        let said = fresh.attack(sql).await.unwrap_err();
        assert!(said.contains("append-only"), "{sql}: {said}");
    }
    if let Place::Postgres(_) = fresh.place {
        for sql in ["TRUNCATE log_entry", "TRUNCATE log_hash CASCADE"] {
            let said = fresh.attack(sql).await.unwrap_err();
            assert!(said.contains("append-only"), "{sql}: {said}");
        }
    }
}

async fn two_gateways_write_one_log(fresh: Fresh) {
    let location = match &fresh.place {
        Place::Sqlite(folder) => {
            // A file has one process; the second is told what to do.
            let location = Location::Sqlite(super::file(folder).into());
            let refused = Store::open(&location).await.unwrap_err();
            assert!(matches!(refused, StoreError::InUse));
            assert!(refused.to_string().contains("use PostgreSQL for several gateways"));
            return;
        }
        Place::Postgres(database) => Location::Postgres(database.location("gateway")),
    };
    let second = Store::open(&location).await.unwrap();
    let (second, _task) = Sequencer::start(second, signer(), Arc::new(now)).await.unwrap();
    // Both at once from the very first entry on, which nobody's row can settle.
    let all: Vec<_> = (0..400)
        .map(|n| {
            let sequencer = if n % 2 == 0 { fresh.sequencer.clone() } else { second.clone() };
            tokio::spawn(async move { sequencer.commit(act(None, Effect::None)).await })
        })
        .collect();
    let mut indices = BTreeSet::new();
    for task in all {
        indices.insert(task.await.unwrap().unwrap().receipt().leaf_index);
    }
    assert_eq!(indices, (0..400).collect());
    assert_eq!(whole(&fresh).await.len(), 400);
}
