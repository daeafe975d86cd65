//! Mixed load on two gateways, killed and started again, with the database's primary lost
//! on the way: what was acknowledged is there once, the log has one history, and every
//! receipt is in it.
//!
//! In the suite this takes seconds. The long form, five minutes and ten kills:
//! `TALLYGATE_TEST_LOAD_SECONDS=300 cargo test --release load::`.

use super::{Ground, Node, connect_at};
use crate::support::{
    postgres::{Cluster, Database, cluster},
    stream::{Stream, rows},
    told,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{RngExt, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tallygate::{
    audit::{Frontier, leaf_hash},
    connector::ConnectorError,
    identity::{Clock, SystemClock},
    store::{Location, Store},
    wire::v1::{self, figure_service_client::FigureServiceClient},
};
use tokio::{task::JoinHandle, time::sleep};
use tonic::{Code, Status};

const WRITERS: usize = 3;
const READERS: usize = 2;
const BATCH: usize = 25;

/// How callers go about it.
#[derive(Clone)]
pub(crate) struct Way {
    /// What they take for the time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Codes of failures that pass, whereupon they try again.
    pub(crate) passing: &'static [Code],
    /// Whether each batch is pushed over both addresses at once.
    pub(crate) twice: bool,
}

impl Default for Way {
    /// A gateway is down or looks for its database: nothing else may go wrong.
    fn default() -> Self {
        let passing = &[Code::Unavailable, Code::Unknown, Code::Cancelled];
        Self { clock: Arc::new(SystemClock), passing, twice: false }
    }
}

/// What the callers share.
pub(crate) struct Load {
    profiles: PathBuf,
    addresses: Mutex<[String; 2]>,
    way: Way,
    over: AtomicBool,
    /// Children that were given to a writer.
    taken: AtomicUsize,
    acknowledged: AtomicUsize,
    answered: AtomicUsize,
    retried: AtomicUsize,
    receipts: Mutex<Vec<v1::Receipt>>,
}

impl Load {
    /// Starts writers and readers, who turn to one address or the other.
    pub(crate) fn begin(
        profiles: PathBuf,
        addresses: [String; 2],
    ) -> (Arc<Self>, Vec<JoinHandle<()>>) {
        Self::begin_as(profiles, addresses, Way::default())
    }

    /// The same of callers who go about it in a way of their own.
    pub(crate) fn begin_as(
        profiles: PathBuf,
        addresses: [String; 2],
        way: Way,
    ) -> (Arc<Self>, Vec<JoinHandle<()>>) {
        let load = Arc::new(Self {
            profiles,
            addresses: Mutex::new(addresses),
            way,
            over: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
            acknowledged: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            retried: AtomicUsize::new(0),
            receipts: Mutex::default(),
        });
        let writers = (0..WRITERS).map(|turn| tokio::spawn(write(Arc::clone(&load), turn)));
        let readers = (0..READERS).map(|turn| tokio::spawn(read(Arc::clone(&load), turn)));
        let callers = writers.chain(readers).collect();
        (load, callers)
    }

    /// Records and cards so far.
    pub(crate) fn reached(&self) -> (usize, usize) {
        (self.acknowledged.load(Ordering::Relaxed), self.answered.load(Ordering::Relaxed))
    }

    /// How many records were ever sent; once all callers have ended, each was acknowledged.
    pub(crate) fn sent(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How often a call failed and was tried again.
    pub(crate) fn retried(&self) -> usize {
        self.retried.load(Ordering::Relaxed)
    }

    /// A few of the batches that were sent, pushed once more: all of it must be known.
    pub(crate) async fn repeat(&self, chance: &mut StdRng) {
        let health = self.connect("health", 0).await.unwrap();
        let mut stream = Stream::open(health).await.unwrap();
        for sequence in 1..=4 {
            let first = chance.random_range(0..self.sent() / BATCH) * BATCH;
            stream.send(sequence, rows("load", first..first + BATCH)).await;
            let taken = stream.acknowledged().await;
            assert_eq!(taken.sent_before as usize, BATCH, "{first}: acknowledged and not there");
            self.keep(taken.receipt);
        }
        stream.finish().await;
    }

    async fn connect(&self, name: &str, turn: usize) -> Result<super::Service, ConnectorError> {
        let clock = Arc::clone(&self.way.clock);
        let address = self.addresses.lock().unwrap()[turn % 2].clone();
        connect_at(&self.profiles, name, &address, clock).await
    }

    /// From now on there is one gateway, there.
    pub(crate) fn moved_to(&self, address: String) {
        *self.addresses.lock().unwrap() = [address.clone(), address];
    }

    /// Waits until both kinds of caller were served some more.
    async fn goes_on(&self, before: (usize, usize)) {
        for _ in 0..600 {
            sleep(Duration::from_millis(100)).await;
            let now = self.reached();
            if now.0 > before.0 + 4 * BATCH && now.1 > before.1 + 20 {
                return;
            }
        }
        panic!("callers are not served any more: {before:?}, {:?}", self.reached());
    }

    /// The receipts that callers were given so far.
    pub(crate) fn receipts(&self) -> Vec<v1::Receipt> {
        self.receipts.lock().unwrap().clone()
    }

    /// Lets every caller finish what it was doing.
    pub(crate) async fn end(&self, callers: Vec<JoinHandle<()>>) {
        self.over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
    }

    /// The next batch's children.
    fn take(&self) -> Range<usize> {
        let first = self.taken.fetch_add(BATCH, Ordering::Relaxed);
        first..first + BATCH
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn keep(&self, receipt: Option<v1::Receipt>) {
        self.receipts.lock().unwrap().push(receipt.unwrap());
    }

    async fn try_again(&self, status: &Status) {
        assert!(self.way.passing.contains(&status.code()), "{status:?}");
        self.retried.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(100)).await;
    }
}

/// Pushes batch after batch, each until it is acknowledged, over one gateway or the other.
async fn write(load: Arc<Load>, mut turn: usize) {
    let mut pending: Option<Range<usize>> = None;
    while !(load.is_over() && pending.is_none()) {
        turn += 1;
        if load.way.twice {
            pending.get_or_insert_with(|| load.take());
        }
        let result = match (load.way.twice, pending.clone()) {
            (true, Some(range)) => {
                let (one, two) = tokio::join!(once(&load, &range, 0), once(&load, &range, 1));
                let done = one.and(two);
                pending = pending.filter(|_| done.is_err());
                done
            }
            _ => match load.connect("health", turn).await {
                Ok(health) => stream(&load, health, &mut pending).await,
                Err(_) => Err(Status::unavailable("not reached")),
            },
        };
        if let Err(status) = result {
            load.try_again(&status).await;
        }
    }
}

/// One batch over one of the addresses, in a stream of its own.
async fn once(load: &Load, range: &Range<usize>, turn: usize) -> Result<(), Status> {
    let gone = |_| Status::unavailable("not reached");
    let health = load.connect("health", turn).await.map_err(gone)?;
    let mut stream = Stream::open(health).await?;
    stream.send(1, rows("load", range.clone())).await;
    let taken = stream.answer().await?;
    assert_eq!((taken.well_formed as usize, taken.rejections.len()), (BATCH, 0));
    load.acknowledged.fetch_add(BATCH, Ordering::Relaxed);
    load.keep(taken.receipt);
    Ok(())
}

async fn stream(
    load: &Load,
    health: super::Service,
    pending: &mut Option<Range<usize>>,
) -> Result<(), Status> {
    let mut stream = Stream::open(health).await?;
    // A few batches a stream, so that streams open and close under load, too.
    for sequence in 1..=20 {
        let range = pending.get_or_insert_with(|| load.take());
        stream.send(sequence, rows("load", range.clone())).await;
        let taken = stream.answer().await?;
        assert_eq!((taken.well_formed as usize, taken.rejections.len()), (BATCH, 0));
        load.acknowledged.fetch_add(BATCH, Ordering::Relaxed);
        load.keep(taken.receipt);
        *pending = None;
        if load.is_over() {
            break;
        }
    }
    Ok(())
}

/// Asks for cards, which must always be the same.
async fn read(load: Arc<Load>, mut turn: usize) {
    let mut seen = None;
    while !load.is_over() {
        turn += 1;
        let Ok(manager) = load.connect("manager-CC01", turn).await else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let mut figures = FigureServiceClient::new(manager);
        for _ in 0..20 {
            let request = v1::GetCardRequest {
                area: "CC01".to_owned(),
                quarter: String::new(),
                purposes: vec!["childrens_centre_planning".to_owned()],
            };
            match figures.get_card(request).await {
                Ok(card) => {
                    let card = card.into_inner();
                    load.keep(card.receipt);
                    load.answered.fetch_add(1, Ordering::Relaxed);
                    let lines = seen.get_or_insert_with(|| card.lines.clone());
                    assert_eq!(*lines, card.lines);
                }
                Err(status) => {
                    load.try_again(&status).await;
                    break;
                }
            }
        }
    }
}

fn seconds() -> u64 {
    told("TALLYGATE_TEST_LOAD_SECONDS").map_or(8, |told| told.to_str().unwrap().parse().unwrap())
}

#[expect(clippy::print_stdout, reason = "the long form is run for its figures")]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_the_log_has_one_history() {
    let Some(primary) = Cluster::start(&["wal_level=replica"]) else { return };
    let standby = primary.standby(&[]);
    let database = primary.database(Some(&standby)).await;
    let own = database.clone();
    let ground = tokio::task::spawn_blocking(move || Ground::demo(&own, "0.005")).await.unwrap();
    let said = warnings(&database).await;
    assert!(
        said.iter().any(|said| said.contains("synchronous_standby_names is empty")),
        "{said:?}"
    );
    primary.wait_for_standby().await;
    let said = warnings(&database).await;
    assert!(!said.iter().any(|said| said.contains("standby")), "{said:?}");
    let before = accepted(&database).await;
    let mut nodes = [ground.configure("one"), ground.configure("two")];
    nodes.iter_mut().for_each(Node::start);
    let (load, callers) =
        Load::begin(ground.path("profiles"), nodes.each_ref().map(|node| node.address.clone()));

    // Ten kills in five minutes; in the suite one or two.
    let kills = (seconds() / 30).max(2);
    for kill in 0..kills {
        sleep(Duration::from_secs(seconds()) / u32::try_from(kills).unwrap()).await;
        let node = &mut nodes[usize::try_from(kill % 2).unwrap()];
        node.kill();
        tokio::task::block_in_place(|| node.start());
    }
    let reached = load.reached();
    assert!(reached.0 > 0 && reached.1 > 0, "{reached:?}");
    primary.kill();
    standby.promote();
    load.goes_on(reached).await;
    load.end(callers).await;
    let database = database.on(&standby);
    let acknowledged = load.acknowledged.load(Ordering::Relaxed);
    let now = accepted(&database).await;
    let added = (now.0 - before.0, now.1 - before.1);
    let expected = i64::try_from(acknowledged).unwrap();
    assert_eq!(added, (expected, expected), "each record once, with one event");
    let receipts = load.receipts();
    let size = reconcile(&database, &receipts).await;
    println!(
        "{acknowledged} records and {} cards acknowledged, {} calls tried again, {kills} kills and \
         a failover; {} receipts reconcile with a log of {size}",
        load.answered.load(Ordering::Relaxed),
        load.retried.load(Ordering::Relaxed),
        receipts.len(),
    );
}

/// What a gateway says of the database's durability as it starts.
async fn warnings(database: &Database) -> Vec<&'static str> {
    let location = Location::Postgres(database.location("gateway"));
    let store = Store::open(&location).await.unwrap();
    let warnings = store.warnings().await.unwrap();
    store.close().await;
    warnings
}

/// A gateway of this program goes on while the next program's migration is applied, and
/// starts again on what it left.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_under_load_is_not_noticed() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database(None).await;
    let own = database.clone();
    let ground = tokio::task::spawn_blocking(move || Ground::demo(&own, "0.005")).await.unwrap();
    let before = accepted(&database).await;
    let mut nodes = [ground.configure("one"), ground.configure("two")];
    nodes.iter_mut().for_each(Node::start);
    let (load, callers) =
        Load::begin(ground.path("profiles"), nodes.each_ref().map(|node| node.address.clone()));
    load.goes_on((0, 0)).await;
    // What a migration may do: add tables and columns with defaults; see `store::migrate`.
    let next = "BEGIN; SET LOCAL lock_timeout = '5s'; \
                ALTER TABLE batch ADD COLUMN of_the_next BIGINT NOT NULL DEFAULT 0; \
                ALTER TABLE event ADD COLUMN of_the_next BIGINT NOT NULL DEFAULT 0; \
                ALTER TABLE log_entry ADD COLUMN of_the_next BIGINT NOT NULL DEFAULT 0; \
                CREATE TABLE of_the_next (n BIGINT NOT NULL PRIMARY KEY); \
                INSERT INTO migration SELECT MAX(step) + 1, 'of the next' FROM migration; COMMIT";
    sqlx::raw_sql(next).execute(&database.pool("owner").await).await.unwrap();
    load.goes_on(load.reached()).await;
    for node in &mut nodes {
        node.kill();
        tokio::task::block_in_place(|| node.start());
        load.goes_on(load.reached()).await;
    }
    load.end(callers).await;
    let (now, acknowledged) = (accepted(&database).await, load.reached().0);
    let expected = i64::try_from(acknowledged).unwrap();
    assert_eq!((now.0 - before.0, now.1 - before.1), (expected, expected));
    let receipts = load.receipts();
    reconcile(&database, &receipts).await;
}

/// How many records of accepted batches there are, and how many events.
async fn accepted(database: &Database) -> (i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM sent s JOIN batch b USING (batch_id) WHERE b.state = 1), \
                (SELECT COUNT(*) FROM event e JOIN batch b USING (batch_id) WHERE b.state = 1)",
    )
    .fetch_one(&database.pool("owner").await)
    .await
    .unwrap()
}

/// Recomputes the log and finds every receipt in it.
async fn reconcile(database: &Database, receipts: &[v1::Receipt]) -> u64 {
    let pool = database.pool("owner").await;
    let leaves: Vec<(Vec<u8>,)> = sqlx::query_as("SELECT leaf FROM log_entry ORDER BY leaf_index")
        .fetch_all(&pool)
        .await
        .unwrap();
    let head = sqlx::query_as("SELECT size, root FROM log_head").fetch_one(&pool).await.unwrap();
    compare(&leaves, &head, receipts)
}

/// Recomputes a log from its leaves: it must come to the head row, and every receipt must be
/// of it, its leaf and the tree that it was shown.
pub(crate) fn compare(
    leaves: &[(Vec<u8>,)],
    (size, root): &(i64, Vec<u8>),
    receipts: &[v1::Receipt],
) -> u64 {
    let mut shown: BTreeMap<u64, Vec<&v1::Receipt>> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for receipt in receipts {
        assert!(told.insert(receipt.leaf_index), "two answers with one receipt");
        assert_eq!(leaf_hash(&receipt.leaf).as_bytes()[..], receipt.leaf_hash, "not its leaf");
        let size = receipt.checkpoint.lines().nth(1).unwrap().parse().unwrap();
        shown.entry(size).or_default().push(receipt);
    }
    let hashes: Vec<_> = leaves.iter().map(|(leaf,)| leaf_hash(leaf)).collect();
    let mut tree = Frontier::empty();
    for (hash, size) in hashes.iter().zip(1..) {
        let appended = tree.append(&[*hash]).unwrap();
        for receipt in shown.remove(&size).into_iter().flatten() {
            let root = receipt.checkpoint.lines().nth(2).unwrap();
            assert_eq!(STANDARD.decode(root).unwrap(), appended.root.as_bytes(), "a forked tree");
            let leaf = hashes[usize::try_from(receipt.leaf_index).unwrap()];
            assert_eq!(receipt.leaf_hash, leaf.as_bytes(), "another leaf than was promised");
        }
        tree = appended.frontier;
    }
    assert!(shown.is_empty(), "receipts of trees that the log never had");
    assert_eq!(*size, i64::try_from(leaves.len()).unwrap());
    assert_eq!(*root, tree.root().unwrap().as_bytes());
    tree.size()
}
