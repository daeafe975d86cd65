//! One round: callers, a fault, and callers served again.

use super::{
    checks::{Held, all_is_well},
    disk::{self, limit_files},
    ground::{Data, Ground, Scene},
};
use crate::{
    gateways::{
        Node,
        load::{Load, Way},
    },
    kills::served_since,
    support::{
        gateway,
        postgres::Cluster,
        proxy::{Proxy, Server},
    },
};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{
    mem,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tallygate::{
    config::Config,
    identity::{Clock, SystemClock},
};
use tokio::{task::JoinHandle, time::sleep};
use tonic::Code;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A gateway on SQLite is killed.
    Killed,
    /// The disk is full, or a file as long as it may be.
    FullDisk,
    /// The clock goes backwards, and a gateway starts by it.
    ClockBack,
    /// The network between callers and a gateway on SQLite is cut.
    CutCallers,
    /// Gateways on PostgreSQL are killed.
    KilledPair,
    /// PostgreSQL is killed, or one of its processes.
    KilledServer,
    /// The network between gateways and PostgreSQL is cut; answers to commits are lost.
    CutServer,
    /// The network between callers and gateways on PostgreSQL is cut.
    CutCallersOfPair,
    /// Both gateways are given the same records at the same time.
    Fight,
    /// A gateway stands still for a while, perhaps in the midst of a transaction.
    Still,
}

const KINDS: [Kind; 10] = [
    Kind::Killed,
    Kind::KilledPair,
    Kind::FullDisk,
    Kind::KilledServer,
    Kind::ClockBack,
    Kind::CutServer,
    Kind::CutCallers,
    Kind::CutCallersOfPair,
    Kind::Still,
    Kind::Fight,
];

impl Kind {
    fn of(seed: u64) -> Self {
        KINDS[usize::try_from(seed % 10).unwrap()]
    }

    const fn is_embedded(self) -> bool {
        matches!(self, Self::Killed | Self::FullDisk | Self::ClockBack | Self::CutCallers)
    }

    /// What callers take as passing.
    fn way(self, clock: &Arc<BackClock>) -> Way {
        let way = Way::default();
        match self {
            // Tokens from before are of the future.
            Self::ClockBack => {
                let passing = &[Code::Unavailable, Code::Unauthenticated];
                Way { clock: Arc::<BackClock>::clone(clock), passing, ..way }
            }
            // Who is second finds what the first did; decided anew, it is a repetition.
            Self::Fight => Way { twice: true, passing: &[Code::Aborted], ..way },
            // A connection that broke in the midst of a message.
            Self::CutCallers | Self::CutCallersOfPair => {
                let passing = &[Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal];
                Way { passing, ..way }
            }
            _ => way,
        }
    }
}

/// The system's clock, set back.
#[derive(Debug, Default)]
struct BackClock(AtomicI64);

impl Clock for BackClock {
    fn now(&self) -> Timestamp {
        let back = SignedDuration::from_millis(self.0.load(Ordering::SeqCst));
        SystemClock.now().checked_sub(back).unwrap()
    }
}

/// Has a round; what it came to.
pub(super) async fn round(ground: &mut Ground, seed: u64) -> String {
    let kind = Kind::of(seed);
    let mut chance = StdRng::seed_from_u64(seed);
    let scene = match (&ground.postgres, kind.is_embedded()) {
        (_, true) => Scene::sqlite(kind == Kind::FullDisk && chance.random()).await,
        (Some((demo, database, cluster)), false) => {
            Scene::postgres(demo, cluster.copy_of(database).await).await
        }
        (None, false) => return format!("{kind:?}: left out, without PostgreSQL"),
    };
    let clock = Arc::new(BackClock::default());
    let before = Held::of(&scene.data).await;
    let mut run = Run { scene, chance, clock, cluster: ground.postgres.as_ref().map(|p| &p.2) };
    let (load, what) = run.through(kind).await;
    all_is_well(&run.scene, &before, &load).await;
    if let (Data::Postgres(database), Some(cluster)) = (&run.scene.data, run.cluster) {
        run.scene.nodes.clear();
        cluster.drop_database(database).await;
    }
    let (sent, retried, receipts) = (load.sent(), load.retried(), load.receipts().len());
    format!("{kind:?}, {what}: {sent} records, {retried} calls tried again, {receipts} receipts")
}

/// Callers, who end with a round that fails.
struct Callers(Vec<JoinHandle<()>>);

impl Drop for Callers {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

struct Run<'a> {
    scene: Scene,
    chance: StdRng,
    clock: Arc<BackClock>,
    cluster: Option<&'a Cluster>,
}

impl Run<'_> {
    /// Some time of at most so many milliseconds.
    async fn wait(&mut self, most: u64) {
        sleep(Duration::from_millis(self.chance.random_range(0..most))).await;
    }

    /// Callers before, while and after the fault; whatever they sent is acknowledged in the end.
    async fn through(&mut self, kind: Kind) -> (Arc<Load>, String) {
        if kind == Kind::ClockBack {
            return self.clock_goes_back(kind.way(&self.clock)).await;
        }
        if kind == Kind::FullDisk && self.scene.disk.is_none() {
            self.scene.nodes[0].through = disk::WITHOUT_SIGNAL;
        }
        tokio::task::block_in_place(|| self.scene.nodes.iter_mut().for_each(Node::start));
        let (profiles, addresses) = (self.scene.profiles(), self.scene.addresses());
        let (load, callers) = Load::begin_as(profiles, addresses, kind.way(&self.clock));
        let mut callers = Callers(callers);
        served_since(&load, (0, 0)).await;
        self.wait(300).await;
        let what = match kind {
            Kind::Killed | Kind::KilledPair => self.gateways_are_killed(&load).await,
            Kind::FullDisk => self.disk_is_full().await,
            Kind::KilledServer => self.server_is_killed(&load).await,
            Kind::CutServer => self.server_is_cut_off(&load).await,
            Kind::CutCallers | Kind::CutCallersOfPair => self.callers_are_cut_off(&load).await,
            Kind::Still => self.a_gateway_stands_still(&load).await,
            Kind::Fight => {
                self.wait(1_500).await;
                "the same records to both".to_owned()
            }
            Kind::ClockBack => unreachable!("has its own way"),
        };
        served_since(&load, load.reached()).await;
        load.end(mem::take(&mut callers.0)).await;
        load.repeat(&mut self.chance).await;
        for node in &mut self.scene.nodes {
            assert!(!node.has_ended(), "a gateway ended by itself");
            node.kill();
        }
        (load, what)
    }

    async fn gateways_are_killed(&mut self, load: &Load) -> String {
        let times = self.chance.random_range(1..=3);
        for _ in 0..times {
            let which = self.chance.random_range(0..self.scene.nodes.len());
            let node = &mut self.scene.nodes[which];
            node.kill();
            tokio::task::block_in_place(|| node.start());
            served_since(load, load.reached()).await;
            self.wait(250).await;
        }
        format!("{times} kills")
    }

    async fn disk_is_full(&mut self) -> String {
        let free = self.chance.random_range(0..1_500);
        let node = self.scene.nodes[0].id();
        let (way, most) = match &self.scene.disk {
            Some(disk) => {
                disk.fill(free);
                ("a small file system", 1_500)
            }
            None => {
                // Its write-ahead log is the file that grows.
                limit_files(node, Some((free + 500) << 10));
                ("a limit on files", 1_500)
            }
        };
        self.wait(most).await;
        match &self.scene.disk {
            Some(disk) => disk.empty(),
            None => limit_files(node, None),
        }
        format!("{way}, {free} KiB left")
    }

    async fn server_is_killed(&mut self, load: &Load) -> String {
        let cluster = self.cluster.unwrap();
        let times = self.chance.random_range(1..=2);
        let mut whole = 0;
        for _ in 0..times {
            if self.chance.random() {
                whole += 1;
                tokio::task::block_in_place(|| cluster.crash());
            } else {
                self.kill_a_backend().await;
            }
            served_since(load, load.reached()).await;
            self.wait(250).await;
        }
        format!("{times} kills, {whole} of the whole server")
    }

    /// One of the gateways' connections: the server ends all others and recovers.
    async fn kill_a_backend(&mut self) {
        let Data::Postgres(database) = &self.scene.data else { panic!("not PostgreSQL") };
        let admin = database.pool("postgres").await;
        let mut found: Vec<(i32,)> = Vec::new();
        // After an earlier kill they may still be on their way.
        while found.is_empty() {
            let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tallygate'";
            found = sqlx::query_as(sql).fetch_all(&admin).await.unwrap();
            self.wait(50).await;
        }
        let (pid,) = found[self.chance.random_range(0..found.len())];
        Command::new("kill").args(["-KILL", &pid.to_string()]).output().unwrap();
        admin.close().await;
    }

    async fn server_is_cut_off(&mut self, load: &Load) -> String {
        let times = self.chance.random_range(1..=3);
        let mut lost = Vec::new();
        for _ in 0..times {
            let back = self.scene.back.as_ref().unwrap();
            lost.push(cut(back, &mut self.chance, 40_000).await);
            served_since(load, load.reached()).await;
            self.wait(250).await;
        }
        format!("{times} cuts, lost {}", lost.join(", "))
    }

    async fn callers_are_cut_off(&mut self, load: &Load) -> String {
        let times = self.chance.random_range(1..=3);
        let mut lost = Vec::new();
        for _ in 0..times {
            let front = self.chance.random_range(0..self.scene.fronts.len());
            lost.push(cut(&self.scene.fronts[front], &mut self.chance, 20_000).await);
            served_since(load, load.reached()).await;
            self.wait(250).await;
        }
        format!("{times} cuts, lost {}", lost.join(", "))
    }

    async fn a_gateway_stands_still(&mut self, load: &Load) -> String {
        let which = self.chance.random_range(0..2);
        let id = self.scene.nodes[which].id().to_string();
        let signal = |name: &str| Command::new("kill").args([name, &id]).output().unwrap();
        signal("-STOP");
        let still = self.chance.random_range(100..2_000);
        sleep(Duration::from_millis(still)).await;
        let killed = self.chance.random();
        if killed {
            let node = &mut self.scene.nodes[which];
            node.kill();
            tokio::task::block_in_place(|| node.start());
        } else {
            signal("-CONT");
        }
        served_since(load, load.reached()).await;
        format!("{still} ms, {}", if killed { "then killed" } else { "then went on" })
    }

    /// A gateway in this process, whose clock and whose callers' clock is set back while they are
    /// served, and further back before it starts again.
    async fn clock_goes_back(&mut self, way: Way) -> (Arc<Load>, String) {
        let config = Config::read(&self.scene.path.join("gateway.toml")).unwrap();
        let running = gateway::start(&config, Arc::<BackClock>::clone(&self.clock)).await.unwrap();
        self.scene.fronts = vec![Proxy::start(Server::Tcp(running.address().to_string())).await];
        let (profiles, addresses) = (self.scene.profiles(), self.scene.addresses());
        let (load, callers) = Load::begin_as(profiles, addresses, way);
        let mut callers = Callers(callers);
        served_since(&load, (0, 0)).await;
        for _ in 0..2 {
            self.wait(300).await;
            // Certificates hold from an hour before the demo on.
            self.clock.0.fetch_add(self.chance.random_range(0..600_000), Ordering::SeqCst);
            served_since(&load, load.reached()).await;
        }
        load.end(mem::take(&mut callers.0)).await;
        running.stop().await.unwrap();
        self.clock.0.fetch_add(self.chance.random_range(0..600_000), Ordering::SeqCst);
        let running = gateway::start(&config, Arc::<BackClock>::clone(&self.clock)).await.unwrap();
        self.scene.fronts.push(Proxy::start(Server::Tcp(running.address().to_string())).await);
        load.moved_to(self.scene.fronts[1].address.clone());
        load.repeat(&mut self.chance).await;
        running.stop().await.unwrap();
        (load, format!("{} s back", self.clock.0.load(Ordering::SeqCst) / 1_000))
    }
}

/// Lets some bytes through in one direction or the other, or both, and after a while nothing at
/// all; what was lost.
async fn cut(line: &Proxy, chance: &mut StdRng, most: u32) -> String {
    let (requests, answers) = (chance.random_range(0..most), chance.random_range(0..most / 4));
    let lost = match chance.random_range(0..4) {
        0 => {
            line.starve(Some(requests), None);
            "requests"
        }
        1 | 2 => {
            line.starve(None, Some(answers));
            "answers"
        }
        _ => "nothing before the cut",
    };
    sleep(Duration::from_millis(chance.random_range(0..800))).await;
    line.cut();
    sleep(Duration::from_millis(chance.random_range(0..400))).await;
    line.heal();
    lost.to_owned()
}
