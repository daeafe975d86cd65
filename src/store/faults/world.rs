//! A store of either engine with a sequencer, and what must be true of its log at any moment.

use super::super::{
    Act, ActError, Effect, Location, Logged, Outcome, Rights, Sequencer, Store, log, partners,
};
use crate::{
    audit::{Frontier, Hash, Leaf, LeafKind, LogSigner, Receipt, leaf_hash},
    domain::PartnerId,
};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use jiff::Timestamp;
use postgres::{Cluster, Database};
use sha2::Sha256;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
};

// The throw-away cluster of the integration tests, in this binary, too.
#[expect(dead_code, reason = "made for the integration tests, which use all of it")]
#[path = "../../../tests/support/postgres.rs"]
pub(crate) mod postgres;

/// What the clock says at first.
pub(super) const NOON: i64 = 1_790_000_000_000_000;

pub(super) struct World {
    pub(super) store: Store,
    pub(super) sequencer: Sequencer,
    pub(super) clock: Arc<AtomicI64>,
    location: Location,
    _folder: Option<tempfile::TempDir>,
}

/// What a caller was told.
pub(super) type Answer = Result<Logged<Outcome>, ActError>;

fn signer() -> LogSigner {
    LogSigner::from_seed("faults.example/{year}".parse().unwrap(), &[7; 32]).unwrap()
}

/// The database of one test on PostgreSQL; `None` on a machine without it.
pub(crate) async fn database() -> Option<Database> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    Some(SHARED.get_or_init(|| Cluster::start(&[])).as_ref()?.database(None).await)
}

impl World {
    /// One on each engine that this machine has.
    pub(super) async fn each() -> Vec<Self> {
        let mut worlds = vec![Self::sqlite().await];
        worlds.extend(Self::postgres().await);
        worlds
    }

    pub(super) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("gateway.db").into());
        let store = Store::open(&location).await.unwrap();
        store.migrate(None).await.unwrap();
        Self::over(store, location, Some(folder)).await
    }

    pub(super) async fn postgres() -> Option<Self> {
        let database = database().await?;
        let owner = Store::open(&Location::Postgres(database.location("owner"))).await.unwrap();
        owner.migrate(Some("gateway")).await.unwrap();
        owner.close().await;
        let location = Location::Postgres(database.location("gateway"));
        let store = Store::open(&location).await.unwrap();
        Some(Self::over(store, location, None).await)
    }

    async fn over(store: Store, location: Location, folder: Option<tempfile::TempDir>) -> Self {
        let clock = Arc::new(AtomicI64::new(NOON));
        let sequencer = sequencer(&store, &clock).await;
        let world = Self { store, sequencer, clock, location, _folder: folder };
        world.act(enter("health")).await.unwrap();
        world
    }

    /// Another gateway on the same database, which PostgreSQL allows.
    pub(super) async fn neighbour(&self) -> Self {
        let store = Store::open(&self.location).await.unwrap();
        let sequencer = sequencer(&store, &self.clock).await;
        let (clock, location) = (Arc::clone(&self.clock), self.location.clone());
        Self { store, sequencer, clock, location, _folder: None }
    }

    pub(super) fn name(&self) -> &'static str {
        if self.store.is_embedded() { "SQLite" } else { "PostgreSQL" }
    }

    pub(super) async fn act(&self, act: Act) -> Answer {
        self.sequencer.commit(act).await
    }

    /// The log's leaves, once entries, hashes and head are seen to fit one another, times
    /// and the partner's own counter to go forward without a gap.
    pub(super) async fn leaves(&self) -> Vec<Leaf> {
        let mut tx = self.store.read(Rights::Figures).await.unwrap();
        let head = log::head(&mut tx).await.unwrap().unwrap();
        let entries = log::entries(&mut tx, 0, head.size).await.unwrap();
        assert!(log::entries(&mut tx, 0, head.size + 1).await.is_err(), "more than the head says");
        let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        assert_eq!(Frontier::empty().append(&hashes).unwrap().root, head.root);
        assert!(log::frontier(&mut tx, Some(&head)).await.unwrap().size() == head.size);
        let leaves: Vec<Leaf> = entries.iter().map(|entry| Leaf::decode(entry).unwrap()).collect();
        assert!(leaves.is_sorted_by_key(|leaf| leaf.at), "times go back");
        assert_eq!(leaves.last().unwrap().at.as_microsecond(), head.at);
        let mut counters: BTreeMap<&PartnerId, u64> = BTreeMap::new();
        for leaf in &leaves {
            if let (Some(partner), Some(found)) = (&leaf.partner, leaf.partner_sequence) {
                let next = counters.get(partner).map_or(found, |last| last + 1);
                assert_eq!(found, next, "a partner sees a gap");
                counters.insert(partner, next);
            }
        }
        leaves
    }

    /// Checks, with a tree that is not ours, that a receipt's entry stands in the log and that
    /// its proof is that of a tree which the log had.
    pub(super) async fn holds(&self, receipt: &Receipt) {
        let size: u64 = receipt.checkpoint.lines().nth(1).unwrap().parse().unwrap();
        let mut tx = self.store.read(Rights::Figures).await.unwrap();
        let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for entry in log::entries(&mut tx, 0, size).await.unwrap() {
            tree.push(entry);
        }
        let index = usize::try_from(receipt.leaf_index).unwrap();
        let root = Hash::try_from(tree.root().as_bytes().as_slice()).unwrap();
        let name = receipt.checkpoint.lines().next().unwrap().parse().unwrap();
        let signed = signer().named(name).sign_checkpoint(size, &root);
        assert_eq!(signed, receipt.checkpoint, "no tree of the log");
        assert_eq!(leaf_hash(tree.get(index).unwrap()), receipt.leaf_hash, "another leaf");
        let proof: Vec<u8> = receipt.proof.iter().flat_map(|hash| *hash.as_bytes()).collect();
        assert_eq!(tree.prove_inclusion(index).as_bytes(), proof, "the proof leads elsewhere");
    }

    /// How many logs have ended, once each is seen to be whole and followed by the next one's
    /// first leaf.
    pub(super) async fn ended(&self) -> usize {
        let mut tx = self.store.read(Rights::Figures).await.unwrap();
        let past = log::past(&mut tx).await.unwrap();
        for (head, number) in past.iter().zip(0..) {
            assert_eq!(head.base, number * log::SPAN);
            let entries = log::entries_of(&mut tx, head.base, 0, head.size).await.unwrap();
            let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
            assert_eq!(Frontier::empty().append(&hashes).unwrap().root, head.root);
            let next = log::entries_of(&mut tx, head.base + log::SPAN, 0, 1).await.unwrap();
            let previous = Leaf::decode(&next[0]).unwrap().notes.previous.unwrap();
            let (origin, root, size) = (previous.origin.as_str(), previous.root, previous.size);
            assert_eq!((origin, root, size), (head.origin(), head.root, head.size));
        }
        past.len()
    }

    /// Sets the clock.
    pub(super) fn set_clock(&self, at: i64) {
        self.clock.store(at, Ordering::Relaxed);
    }

    /// Whether a partner is in the register.
    pub(super) async fn knows(&self, id: &str) -> bool {
        let mut tx = self.store.read(Rights::Figures).await.unwrap();
        partners::all(&mut tx).await.unwrap().iter().any(|entry| entry.partner.as_str() == id)
    }
}

async fn sequencer(store: &Store, clock: &Arc<AtomicI64>) -> Sequencer {
    let clock = Arc::clone(clock);
    let now = move || Timestamp::from_microsecond(clock.load(Ordering::Relaxed)).unwrap();
    Sequencer::start(store.clone(), signer(), Arc::new(now)).await.unwrap().0
}

fn partner(id: &str) -> PartnerId {
    id.parse().unwrap()
}

/// A leaf about somebody, so that it is found again.
fn leaf(about: &str, of: Option<&str>) -> Leaf {
    let mut leaf = Leaf::new(LeafKind::RegisterRead, Timestamp::UNIX_EPOCH);
    leaf.partner = of.map(partner);
    leaf.notes.about = Some(partner(about));
    leaf
}

/// An act of the partner `health` that changes nothing.
pub(super) fn reads(about: &str) -> Act {
    reads_as("health", about)
}

/// An act of a partner that changes nothing.
pub(super) fn reads_as(who: &str, about: &str) -> Act {
    Act { leaf: leaf(about, Some(who)), effect: Effect::None, epoch: None }
}

/// Enters a partner.
pub(super) fn enter(id: &str) -> Act {
    let entry = partners::Entry { partner: partner(id), json: "{}".to_owned(), disabled: false };
    Act { leaf: leaf(id, None), effect: Effect::PutPartner(entry), epoch: None }
}

/// Bars a partner whom nobody knows, which never succeeds.
pub(super) fn bar_nobody(about: &str) -> Act {
    let effect = Effect::DisablePartner(partner("nobody"));
    Act { leaf: leaf(about, None), effect, epoch: None }
}

/// How an answer reads in a table: granted, conflict, unavailable.
pub(super) fn letter(answer: &Answer) -> char {
    match answer {
        Ok(_) => 'G',
        Err(ActError::Conflict) => 'C',
        Err(ActError::Unavailable) => 'U',
        Err(ActError::PolicyChanged) => 'P',
        Err(ActError::Withheld) => 'W',
    }
}
