//! A new year is a new log: of its own name and tree, beginning with the end of the one before.

use super::{Fresh, NOW, Place, on_both, partner, signer};
use jiff::Timestamp;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tallygate::{
    audit::{Frontier, Leaf, LeafKind, LogName, LogSigner, Receipt, leaf_hash},
    store::{Act, ActError, Effect, Location, Rights, Sequencer, Store, StoreError, log},
    verify,
};
use tokio::task::JoinHandle;

on_both!(
    a_new_year_begins_with_the_end_of_the_one_before,
    a_year_begins_when_a_gateway_is_started_with_its_name,
    only_the_last_part_of_a_name_may_change_and_never_back,
    what_ended_stays_as_it_ended,
    gateways_begin_one_new_year,
);

/// 2026-12-31T23:59:00 in Europe/London, microseconds since 1970-01-01 UTC.
const OLD_YEAR: i64 = 1_798_761_540_000_000;
const MINUTES: i64 = 60_000_000;

/// A clock that the test moves.
#[derive(Clone)]
struct Clock(Arc<AtomicI64>);

impl Clock {
    fn new(at: i64) -> Self {
        Self(Arc::new(AtomicI64::new(at)))
    }

    fn set(&self, at: i64) {
        self.0.store(at, Ordering::SeqCst);
    }
}

fn named(name: &str) -> LogSigner {
    LogSigner::from_seed(name.parse().unwrap(), &[7; 32]).unwrap()
}

async fn start(
    store: &Store,
    name: &str,
    clock: &Clock,
) -> Result<(Sequencer, JoinHandle<()>), StoreError> {
    let clock = clock.clone();
    let now = move || Timestamp::from_microsecond(clock.0.load(Ordering::SeqCst)).unwrap();
    Sequencer::start(store.clone(), named(name), Arc::new(now)).await
}

fn act() -> Act {
    let leaf = Leaf::new(LeafKind::RegisterRead, Timestamp::UNIX_EPOCH);
    Act { leaf, effect: Effect::None, epoch: None }
}

async fn receipt(sequencer: &Sequencer) -> (u64, Receipt) {
    let logged = sequencer.commit(act()).await.unwrap();
    (logged.place(), logged.into_parts().1)
}

/// Whether a receipt proves its leaf to someone who holds the key of the log of that name.
fn proves(receipt: &Receipt, name: &str) -> bool {
    let key = named(name).vkey().parse().unwrap();
    let receipt = serde_json::from_value(serde_json::to_value(receipt).unwrap()).unwrap();
    verify::verify_receipt(&receipt, None, &key).is_ok()
}

/// The log in the tables from `head` recomputes to its root; its entries.
async fn whole(fresh: &Fresh, head: &log::Head) -> Vec<Leaf> {
    let mut tx = fresh.read(Rights::Figures).await;
    let entries = log::entries_of(&mut tx, head.base, 0, head.size).await.unwrap();
    let hashes: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    assert_eq!(Frontier::empty().append(&hashes).unwrap().root, head.root);
    let ids = Frontier::tiles(head.size).into_iter().collect();
    let tiles = log::tiles_of(&mut tx, head.base, head.size, &ids).await.unwrap();
    assert_eq!(Frontier::from_tiles(head.size, &tiles).unwrap().root().unwrap(), head.root);
    entries.iter().map(|entry| Leaf::decode(entry).unwrap()).collect()
}

async fn heads(fresh: &Fresh) -> (Vec<log::Head>, log::Head) {
    let mut tx = fresh.read(Rights::Figures).await;
    (log::past(&mut tx).await.unwrap(), log::head(&mut tx).await.unwrap().unwrap())
}

async fn a_new_year_begins_with_the_end_of_the_one_before(fresh: Fresh) {
    let clock = Clock::new(OLD_YEAR);
    let (sequencer, _task) = start(&fresh.store, "years.example/{year}", &clock).await.unwrap();
    // So many that the old tree has more than one tile.
    for _ in 0..3 {
        let many: Vec<_> = (0..100).map(|_| sequencer.commit(act())).collect();
        for logged in futures_util::future::join_all(many).await {
            logged.unwrap();
        }
    }
    let (_, last) = receipt(&sequencer).await;
    assert!(proves(&last, "years.example/2026") && !proves(&last, "years.example/2027"));
    clock.set(OLD_YEAR + 2 * MINUTES);
    let (place, first) = receipt(&sequencer).await;
    // The first leaf of the year is the log's own.
    assert_eq!((first.leaf_index, place), (1, log::SPAN + 1));
    assert!(proves(&first, "years.example/2027") && !proves(&first, "years.example/2026"));
    let (_, second) = receipt(&sequencer).await;
    assert!(second.leaf_index == 2 && proves(&second, "years.example/2027"));

    let (past, head) = heads(&fresh).await;
    assert_eq!((past.len(), past[0].size, head.size), (1, 301, 3));
    assert_eq!((past[0].base, head.base), (0, log::SPAN));
    assert_eq!(whole(&fresh, &past[0]).await.len(), 301);
    let leaves = whole(&fresh, &head).await;
    assert_eq!(leaves[0].kind, LeafKind::LogOpened);
    let previous = leaves[0].notes.previous.clone().unwrap();
    assert_eq!(previous.origin.as_str(), "years.example/2026");
    assert_eq!((previous.size, previous.root), (301, past[0].root));
    let key = named("years.example/2026").vkey().parse().unwrap();
    let ended = verify::note::verify_checkpoint(past[0].checkpoint.as_bytes(), &key).unwrap();
    assert!(verify::years::follows(&leaves[0].encode().unwrap(), &ended));
}

async fn a_year_begins_when_a_gateway_is_started_with_its_name(fresh: Fresh) {
    let clock = Clock::new(NOW);
    let (sequencer, task) = start(&fresh.store, "years.example/a", &clock).await.unwrap();
    receipt(&sequencer).await;
    drop(sequencer);
    task.await.unwrap();
    let (sequencer, _task) = start(&fresh.store, "years.example/b", &clock).await.unwrap();
    let (_, first) = receipt(&sequencer).await;
    assert!(first.leaf_index == 1 && proves(&first, "years.example/b"));
    assert_eq!(heads(&fresh).await.0.len(), 1);
}

async fn only_the_last_part_of_a_name_may_change_and_never_back(fresh: Fresh) {
    let clock = Clock::new(OLD_YEAR);
    let (old, _task) = start(&fresh.store, "years.example/2026", &clock).await.unwrap();
    receipt(&old).await;
    for wrong in ["year.example/2026", "years.example/x/2026", "years", "2027"] {
        let refused = start(&fresh.store, wrong, &clock).await.unwrap_err();
        assert!(matches!(refused, StoreError::OtherLog), "{wrong}");
    }
    let (new, _task) = start(&fresh.store, "years.example/2027", &clock).await.unwrap();
    receipt(&new).await;
    let refused = start(&fresh.store, "years.example/2026", &clock).await.unwrap_err();
    assert!(refused.to_string().contains("log.origin"), "{refused}");
    // A gateway that still runs with the old name writes nothing more. (On an embedded file
    // there is no other: its own head is stale and the swap fails.)
    assert!(matches!(old.commit(act()).await, Err(ActError::Unavailable)));
    let (_, next) = receipt(&new).await;
    assert_eq!(next.leaf_index, 2);
    // A clock that goes back over New Year takes no year back.
    let (past, head) = heads(&fresh).await;
    assert_eq!((past.len(), head.origin()), (1, "years.example/2027"));
    assert_eq!(signer().name().as_str(), "contract.example/2026");
    let pattern: LogName = "years.example/{year}".parse().unwrap();
    assert!(pattern.in_year(2028).may_follow(head.origin()));
}

async fn what_ended_stays_as_it_ended(fresh: Fresh) {
    let clock = Clock::new(OLD_YEAR);
    let (sequencer, _task) = start(&fresh.store, "years.example/{year}", &clock).await.unwrap();
    receipt(&sequencer).await;
    clock.set(OLD_YEAR + 2 * MINUTES);
    receipt(&sequencer).await;
    // The clock goes back over New Year: the year doesn't.
    clock.set(OLD_YEAR);
    let (_, receipt) = receipt(&sequencer).await;
    assert!(receipt.leaf_index == 2 && proves(&receipt, "years.example/2027"));
    for sql in ["UPDATE past_log SET size = size", "DELETE FROM past_log"] {
        let said = fresh.attack(sql).await.unwrap_err();
        assert!(said.contains("stays as it ended"), "{sql}: {said}");
    }
}

async fn gateways_begin_one_new_year(fresh: Fresh) {
    let Place::Postgres(database) = &fresh.place else { return };
    let clock = Clock::new(OLD_YEAR);
    let mut sequencers = Vec::new();
    for _ in 0..3 {
        let location = Location::Postgres(database.location("gateway"));
        let store = Store::open(&location).await.unwrap();
        sequencers.push(start(&store, "years.example/{year}", &clock).await.unwrap().0);
    }
    receipt(&sequencers[0]).await;
    clock.set(OLD_YEAR + 2 * MINUTES);
    let all = (0..60).map(|n| sequencers[n % 3].commit(act()));
    let mut indices: Vec<u64> = futures_util::future::join_all(all)
        .await
        .into_iter()
        .map(|logged| logged.unwrap().receipt().leaf_index)
        .collect();
    indices.sort_unstable();
    assert_eq!(indices, (1..=60).collect::<Vec<_>>());
    let (past, head) = heads(&fresh).await;
    assert_eq!((past.len(), head.size, partner("health").as_str()), (1, 61, "health"));
    assert_eq!(whole(&fresh, &head).await.len(), 61);
}
