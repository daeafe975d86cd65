//! Rotation of the keys while everything goes on: gateways are killed in the middle of it
//! again and again, files come in and consents change, and afterwards the same people are
//! there as without it. Then the old version is destroyed, by two people.
//!
//! In the suite this takes seconds. The long form, a million records and five kills:
//! `TALLYGATE_TEST_ROTATION_RECORDS=1000000 cargo test --release rotation:: -- --nocapture`.

mod content;

use super::{Ground, Node, connect};
use crate::support::{
    copy, demo, output,
    postgres::{Database, cluster},
    stream::{Stream, rows},
    tallygate, told,
};
use content::Reader;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tallygate::{
    domain::{
        Event, PersonId, Role,
        field::{FieldKind, Value},
    },
    keys::{
        Cell, KeyVersion, MasterKeys, Pseudonym, PseudonymDomain, Pseudonymiser, Sealer,
        VersionState,
    },
    linkage::{Facts, Rung},
    store::{
        Location, Rights, Store, feeds,
        key_versions::{self, Progress},
        records, rewrap, scan, subjects,
    },
    wire::v1,
};
use tokio::time::sleep;

const KILLS: usize = 5;
/// The files of a further population that are pushed: partner and record type.
const FILES: [(&str, &str); 5] = [
    ("health", "live_birth"),
    ("health", "health_review"),
    ("families", "family_case"),
    ("centres", "registration"),
    ("centres", "attendance"),
];

/// The shared demo, copied, on its embedded database.
fn copied() -> Ground {
    let demo = demo();
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    let folder = tempfile::tempdir().unwrap();
    copy(&demo.dir, &folder.path().join("demo"));
    Ground { folder, stdout: String::new() }
}

impl Ground {
    /// A profile for the program that points to a node.
    fn profile(&self, name: &str, node: &Node) -> String {
        let text = fs::read_to_string(self.path(&format!("profiles/{name}.toml"))).unwrap();
        let lines = text.lines().map(|line| match line.starts_with("server ") {
            true => format!("server = \"{}\"\n", node.address),
            false => format!("{line}\n"),
        });
        let path =
            self.path(&format!("profiles/at-{}-{name}.toml", node.address.replace(':', "-")));
        fs::write(&path, lines.collect::<String>()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn key_file(&self) -> PathBuf {
        self.path("keys/pseudonym.json")
    }

    fn embedded(&self) -> Location {
        Location::Sqlite(self.path("gateway.db").into())
    }

    /// Adds a version to the key file and begins to rotate.
    fn rotate(&self, node: &Node) {
        let file = self.key_file();
        output(&["keys", "new-version", file.to_str().unwrap()], 0);
        let profile = self.profile("officer", node);
        let begun = output(&["keys", "rotate", "--purpose", "pseudonym", "--profile", &profile], 0);
        assert!(begun.contains("begun"), "{begun}");
    }

    /// Pushes a file until the gateway has it, through whatever happens to the gateway.
    fn push(&self, node: &Node, file: &Path, partner: &str, record_type: &str) {
        let profile = self.profile(partner, node);
        let protocol = format!("isp-{partner}");
        let file = file.to_str().unwrap();
        let words = ["push", file, "--type", record_type, "--protocol", &protocol];
        let words = [&words[..], &["--extract-day", "2026-04-07", "--profile", &profile]].concat();
        for _ in 0..200 {
            let done = tallygate(&words);
            // Some rows have their dirt.
            if matches!(done.status.code(), Some(0 | 1)) {
                return;
            }
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            let passing =
                ["could not reach", "connection", "try again", "broke", "stream", "does not speak"];
            assert!(passing.iter().any(|word| said.contains(word)), "{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{record_type} could not be pushed");
    }

    /// Records the consents of a file, until the gateway has them.
    fn consents(&self, node: &Node, file: &Path) {
        let profile = self.profile("centres", node);
        let words = ["consent", "record", file.to_str().unwrap(), "--profile", &profile];
        for _ in 0..200 {
            if matches!(tallygate(words).status.code(), Some(0 | 1)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("consents could not be recorded");
    }
}

/// Splits a further population's files into a first and a second half.
fn halves(out: &Path) {
    output(
        &[
            "synth",
            "--seed",
            "8",
            "--scale",
            "0.01",
            "--quarters",
            "4",
            "--out",
            out.to_str().unwrap(),
        ],
        0,
    );
    for (partner, name) in FILES.into_iter().chain([("centres", "consent")]) {
        let text = fs::read_to_string(out.join(format!("{partner}/{name}.csv"))).unwrap();
        let (heading, rows) = text.split_once('\n').unwrap();
        let rows: Vec<&str> = rows.lines().collect();
        for (half, rows) in ["first", "second"].iter().zip(rows.chunks(rows.len().div_ceil(2))) {
            let path = out.join(format!("{half}-{partner}-{name}.csv"));
            fs::write(path, format!("{heading}\n{}\n", rows.join("\n"))).unwrap();
        }
    }
}

fn push_half(ground: &Ground, node: &Node, out: &Path, half: &str) {
    ground.consents(node, &out.join(format!("{half}-centres-consent.csv")));
    for (partner, name) in FILES {
        ground.push(node, &out.join(format!("{half}-{partner}-{name}.csv")), partner, name);
    }
}

async fn states(location: &Location) -> Vec<(u16, VersionState)> {
    let store = Store::open_to_read(location).await.unwrap();
    let mut tx = store.read(Rights::Figures).await.unwrap();
    let versions = key_versions::all(&mut tx).await.unwrap();
    drop(tx);
    store.close().await;
    versions.all.iter().map(|(version, state, _)| (version.number(), *state)).collect()
}

async fn is_rotating(location: &Location) -> bool {
    let busy = |(_, state): &(u16, VersionState)| {
        matches!(state, VersionState::Next | VersionState::Earlier)
    };
    states(location).await.iter().any(busy)
}

/// Kills nodes in turn, each some moments after it started, until five have died in the
/// middle of a rotation; begins another one where one was over too soon.
async fn kill_in_the_middle(ground: &Ground, location: &Location, nodes: &mut [Node]) -> usize {
    let (mut kills, mut rotations) = (0, 1);
    for turn in 0.. {
        // Some hit the copying of consents, some a table, some a passage.
        sleep(Duration::from_millis([20, 90, 45, 180, 10, 130, 65][turn % 7])).await;
        let at = turn % nodes.len();
        let node = &mut nodes[at];
        node.kill();
        if is_rotating(location).await {
            kills += 1;
        }
        tokio::task::block_in_place(|| node.start());
        if kills >= KILLS {
            break;
        }
        if !is_rotating(location).await {
            rotations += 1;
            assert!(rotations < 20, "rotations end before anybody can be killed");
            tokio::task::block_in_place(|| ground.rotate(&nodes[at]));
        }
    }
    for _ in 0..600 {
        if !is_rotating(location).await {
            return rotations;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("the rotation does not end: {:?}", states(location).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_people_are_there_as_without_it_and_the_old_keys_go() {
    let population = tempfile::tempdir().unwrap();
    let out = population.path().to_owned();
    let begin = out.clone();
    let (control, ground) = tokio::task::spawn_blocking(move || {
        halves(&begin);
        (copied(), copied())
    })
    .await
    .unwrap();
    // Without rotation.
    let mut node = control.configure("control");
    tokio::task::block_in_place(|| {
        node.start();
        push_half(&control, &node, &out, "first");
        push_half(&control, &node, &out, "second");
    });
    node.kill();
    // With it.
    let mut nodes = [ground.configure("rotating")];
    tokio::task::block_in_place(|| {
        nodes[0].start();
        push_half(&ground, &nodes[0], &out, "first");
    });
    let stolen = population.path().join("stolen.db");
    nodes[0].kill();
    fs::copy(ground.path("gateway.db"), &stolen).unwrap();
    tokio::task::block_in_place(|| {
        nodes[0].start();
        ground.rotate(&nodes[0]);
    });
    let location = ground.embedded();
    let ground = std::sync::Arc::new(ground);
    let pushing = {
        let (ground, out) = (std::sync::Arc::clone(&ground), out.clone());
        let address = nodes[0].address.clone();
        tokio::task::spawn_blocking(move || {
            let node = Node {
                address,
                config: PathBuf::new(),
                profiles: PathBuf::new(),
                process: None,
                through: &[],
            };
            push_half(&ground, &node, &out, "second");
        })
    };
    let rotations = kill_in_the_middle(&ground, &location, &mut nodes).await;
    pushing.await.unwrap();

    let reader = Reader::new(&ground.key_file());
    let after = Store::open_to_read(&location).await.unwrap();
    let before = Store::open_to_read(&control.embedded()).await.unwrap();
    reader.content(&after).await.is_as(&reader.content(&before).await);
    let current = u16::try_from(rotations + 1).unwrap();
    let mut tx = after.read(Rights::Keys).await.unwrap();
    for version in 1..current {
        for table in rewrap::KeyedTable::ALL {
            let left = rewrap::count(&mut tx, table, KeyVersion::new(version)).await.unwrap();
            assert_eq!(left, 0, "{table:?} v{version}");
        }
        assert!(!rewrap::any_detail(&mut tx, KeyVersion::new(version)).await.unwrap());
    }
    drop(tx);
    after.close().await;
    before.close().await;
    assert_eq!(states(&location).await.last(), Some(&(current, VersionState::Current)));
    tokio::task::block_in_place(|| destroyed_by_two(&ground, &mut nodes[0], &stolen, current));
}

/// One person alone destroys nothing; two do, and what is stolen can't be read any more.
fn destroyed_by_two(ground: &Ground, node: &mut Node, stolen: &Path, current: u16) {
    let destroy = |who: &str, version: u16, code: i32| {
        let (profile, version) = (ground.profile(who, node), version.to_string());
        let words = ["keys", "destroy", "--version", &version, "--reason", "replaced"];
        let words = [&words[..], &["--profile", &profile, "--format", "json"]].concat();
        let call = || {
            let done = tallygate(&words);
            let said = [&done.stdout, &done.stderr].map(|text| String::from_utf8_lossy(text));
            (said.concat(), done)
        };
        let (mut said, mut done) = call();
        // On a machine with much to do a handshake can take too long.
        for _ in 0..20 {
            if !said.contains("does not speak") && !said.contains("could not reach") {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
            (said, done) = call();
        }
        assert_eq!(done.status.code(), Some(code), "{said}");
        said.to_ascii_lowercase()
    };
    let held = || MasterKeys::load(&ground.key_file()).unwrap();
    assert!(destroy("officer", current, 2).contains("keys_in_use"));
    assert!(destroy("officer", 99, 2).contains("not_found"));
    assert!(destroy("health", 1, 2).contains("wrong_role"));
    assert!(destroy("officer", 1, 0).contains("waiting for a second person"));
    assert!(destroy("officer", 1, 2).contains("second_person_needed"));
    assert!(held().holds(KeyVersion::FIRST), "one person alone");
    assert!(destroy("officer-2", 1, 0).contains("destroyed"));
    assert!(!held().holds(KeyVersion::FIRST) && held().newest().number() == current);
    assert!(destroy("officer-2", 1, 2).contains("already_destroyed"));
    let profile = ground.profile("officer", node);
    let listed = output(&["keys", "list", "--format", "csv", "--profile", &profile], 0);
    for line in
        [format!("sealing,,{current},current,subject"), "sealing,,1,destroyed,subject".into()]
    {
        assert!(listed.contains(&line), "{listed}");
    }
    // It goes on with what is left, and the log says what was done and verifies.
    node.kill();
    node.start();
    let (log, vkey) = (ground.path("gateway-rotating.toml"), ground.path("log.vkey"));
    let words = ["audit", "verify", "--config", log.to_str().unwrap(), "--vkey-file"];
    output(&[&words[..], &[vkey.to_str().unwrap()]].concat(), 0);
    node.kill();
    // The database as it was before the rotation: no gateway opens it with these keys.
    fs::copy(stolen, ground.path("gateway.db")).unwrap();
    for more in ["gateway.db-wal", "gateway.db-shm"] {
        let _ = fs::remove_file(ground.path(more));
    }
    let config = node.config.to_str().unwrap();
    let refused = tallygate(["serve", "--config", config]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("the database needs key version v1"), "{said}");
}

/// Two gateways on one PostgreSQL take turns, each is killed, and what the demo's partners
/// sent before the rotation is known throughout.
#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_rotate_one_database() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database(None).await;
    let own = database.clone();
    let ground = tokio::task::spawn_blocking(move || Ground::demo(&own, "0.005")).await.unwrap();
    let location = Location::Postgres(database.location("gateway"));
    let mut nodes = [ground.configure("one"), ground.configure("two")];
    tokio::task::block_in_place(|| nodes.iter_mut().for_each(Node::start));
    let store = Store::open(&location).await.unwrap();
    tokio::task::block_in_place(|| without_the_new_keys(&ground, &mut nodes));
    let ground = std::sync::Arc::new(ground);
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let addresses = [nodes[0].address.clone(), nodes[1].address.clone()];
    let pushing = {
        let (ground, over) = (std::sync::Arc::clone(&ground), std::sync::Arc::clone(&over));
        tokio::task::spawn_blocking(move || {
            let mut turn = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) || turn < 4 {
                let address = addresses[turn % 2].clone();
                let node = Node {
                    address,
                    config: PathBuf::new(),
                    profiles: PathBuf::new(),
                    process: None,
                    through: &[],
                };
                let (partner, name) = [FILES[1], FILES[3]][turn / 2 % 2];
                let file = ground.path(&format!("files/{partner}/{name}.csv"));
                ground.push(&node, &file, partner, name);
                turn += 1;
            }
        })
    };
    let before = counts(&database).await;
    kill_in_the_middle(&ground, &location, &mut nodes).await;
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    pushing.await.unwrap();
    assert_eq!(counts(&database).await, before, "somebody sent before was taken for new");
    let reader = Reader::new(&ground.key_file());
    reader.content(&store).await;
    store.close().await;
}

/// Begins a rotation through one gateway while the other's key file lacks the new version: that
/// one takes nothing in, and goes on as soon as it has it.
fn without_the_new_keys(ground: &Ground, nodes: &mut [Node; 2]) {
    let [one, two] = nodes;
    let own = ground.path("keys/two.json");
    let config = fs::read_to_string(&two.config).unwrap();
    let shared = "master = \"keys/pseudonym.json\"";
    assert!(config.contains(shared));
    fs::copy(ground.key_file(), &own).unwrap();
    // A gateway with keys of its own has its own journal beside them.
    let journal = ground.key_file().with_extension("erasures");
    fs::copy(journal, own.with_extension("erasures")).unwrap();
    two.kill();
    fs::write(&two.config, config.replace("pseudonym.json", "two.json")).unwrap();
    two.start();
    ground.rotate(one);
    let file = ground.path("files/health/health_review.csv");
    let profile = ground.profile("health", two);
    let words = ["push", file.to_str().unwrap(), "--type", "health_review", "--protocol"];
    let words = [&words[..], &["isp-health", "--profile", &profile]].concat();
    let refused = tallygate(&words);
    let said = String::from_utf8_lossy(&refused.stderr).to_ascii_lowercase();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("after 0 rows"), "{said}");
    // Figures and registers it still answers.
    let officer = ground.profile("officer", two);
    output(&["keys", "list", "--profile", &officer], 0);
    fs::copy(ground.key_file(), &own).unwrap();
    assert!(matches!(tallygate(&words).status.code(), Some(0 | 1)));
    two.kill();
    fs::write(&two.config, config).unwrap();
    two.start();
}

/// Subjects, their keys, persons who have any, and accepted records.
async fn counts(database: &Database) -> (i64, i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM subject), (SELECT COUNT(*) FROM subject_key), \
         (SELECT COUNT(DISTINCT person_id) FROM subject), \
         (SELECT COUNT(*) FROM sent s JOIN batch b USING (batch_id) WHERE b.state = 1)",
    )
    .fetch_one(&database.pool("owner").await)
    .await
    .unwrap()
}

fn size() -> usize {
    told("TALLYGATE_TEST_ROTATION_RECORDS")
        .map_or(4_000, |told| told.to_str().unwrap().parse().unwrap())
}

async fn send(node: &Node, from: usize, until: usize) {
    let mut first = from;
    while first < until {
        let Ok(health) = connect(&node.profiles, "health", &node.address).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(mut stream) = Stream::open(health).await else { continue };
        for sequence in 1.. {
            let last = until.min(first + 1_000);
            stream.send(sequence, rows("rotation", first..last)).await;
            match stream.answer().await {
                Ok(taken) => assert_eq!(taken.well_formed as usize, last - first),
                Err(_) => break,
            }
            first = last;
            if first >= until {
                break;
            }
        }
    }
}

/// How many rows of each table were moved.
async fn moved(location: &Location) -> u64 {
    let store = Store::open_to_read(location).await.unwrap();
    let mut tx = store.read(Rights::Figures).await.unwrap();
    let mut moved = 0;
    for step in ["sent", "subject", "event"] {
        let progress = key_versions::progress(&mut tx, step, KeyVersion::FIRST).await.unwrap();
        moved += progress.moved;
    }
    drop(tx);
    store.close().await;
    moved
}

#[expect(clippy::print_stdout, reason = "the long form is run for its figures")]
#[tokio::test(flavor = "multi_thread")]
async fn many_records_are_moved_and_none_is_lost() {
    let ground = tokio::task::spawn_blocking(copied).await.unwrap();
    let location = ground.embedded();
    let mut node = ground.configure("many");
    tokio::task::block_in_place(|| node.start());
    let seeding = Instant::now();
    send(&node, 0, size()).await;
    println!("{} records sent in {:?}", size(), seeding.elapsed());
    let store = Store::open_to_read(&location).await.unwrap();
    let mut tx = store.read(Rights::Keys).await.unwrap();
    let mut all = 0;
    for table in
        [rewrap::KeyedTable::Sent, rewrap::KeyedTable::Subjects, rewrap::KeyedTable::Events]
    {
        all += rewrap::count(&mut tx, table, KeyVersion::FIRST).await.unwrap();
    }
    drop(tx);
    store.close().await;
    tokio::task::block_in_place(|| ground.rotate(&node));
    let begun = Instant::now();
    // Under running intake: a tenth more comes in meanwhile.
    let more = size() / 10;
    let beside = Node {
        address: node.address.clone(),
        config: PathBuf::new(),
        profiles: node.profiles.clone(),
        process: None,
        through: &[],
    };
    let sending = tokio::spawn(async move { send(&beside, size(), size() + more).await });
    // Looking counts rows: of a million, seldom, or it would be most of what goes on.
    let pause = Duration::from_millis((size() as u64 / 200).max(20));
    for kill in 1..=KILLS as u64 {
        while is_rotating(&location).await && moved(&location).await < all * kill / 6 {
            sleep(pause).await;
        }
        assert!(is_rotating(&location).await, "over before kill {kill}");
        node.kill();
        tokio::task::block_in_place(|| node.start());
    }
    while is_rotating(&location).await {
        sleep(Duration::from_millis(100)).await;
    }
    let took = begun.elapsed();
    sending.await.unwrap();
    println!(
        "{all} rows moved in {took:?} with {KILLS} kills, {:.0} rows/s, beside {more} new records",
        all as f64 / took.as_secs_f64()
    );
    let store = Store::open_to_read(&location).await.unwrap();
    let mut tx = store.read(Rights::Keys).await.unwrap();
    for table in rewrap::KeyedTable::ALL {
        assert_eq!(rewrap::count(&mut tx, table, KeyVersion::FIRST).await.unwrap(), 0, "{table:?}");
    }
    drop(tx);
    store.close().await;
    // All of them are known, and nobody is new.
    let known = Stream::open(node.caller("health").await).await;
    let mut known = known.unwrap();
    for (sequence, first) in (1..).zip((0..size() + more).step_by(1_000)) {
        let last = (size() + more).min(first + 1_000);
        known.send(sequence, rows("rotation", first..last)).await;
        let taken: v1::BatchAcknowledgement = known.acknowledged().await;
        assert_eq!(taken.sent_before as usize, last - first);
    }
}
