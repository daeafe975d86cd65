//! Whatever a witness answers: what is believed of it, and that nobody is asked for ever.

use super::support::Town;
use crate::{
    audit::{Hash, WitnessKey, cosignature::text_of},
    gateway::{Answering, AskWitness, NoAnswer, Projector, Reply, Witness, Witnesses},
    keys::SigningKey,
    store::{
        Rights,
        cosignatures::{self, Kept},
        log,
    },
    witness::WitnessSigner,
};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Gives these answers in turn, the last one for ever; remembers what it was asked.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Result<Reply, NoAnswer>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl AskWitness for Script {
    fn ask(&self, _: usize, body: String) -> Answering<'_> {
        self.asked.lock().unwrap().push(body);
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.len() {
            1 => answers.front().cloned(),
            _ => answers.pop_front(),
        };
        Box::pin(async move { answer.unwrap() })
    }
}

const SIZE: &str = "text/x.tlog.size";

fn reply(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Result<Reply, NoAnswer> {
    Ok(Reply { status, kind: kind.to_owned(), body: body.into() })
}

fn signer() -> WitnessSigner {
    let key = SigningKey::generate(&mut StdRng::seed_from_u64(3)).unwrap();
    WitnessSigner::new("w.example", key).unwrap()
}

struct Scene {
    town: Town,
    head: log::Head,
    key: WitnessKey,
}

impl Scene {
    async fn new() -> Self {
        let town = Town::bare().await;
        let mut tx = town.gateway.store().read(Rights::Figures).await.unwrap();
        let head = log::head(&mut tx).await.unwrap().unwrap();
        drop(tx);
        Self { town, head, key: signer().vkey().parse().unwrap() }
    }

    /// What came of one round: whether it cosigned, whether it contradicts, how often it was
    /// asked.
    async fn round(&self, answers: Vec<Result<Reply, NoAnswer>>) -> (bool, bool, usize) {
        let script = Script { answers: Arc::new(Mutex::new(answers.into())), ..Script::default() };
        let now = self.town.gateway.now();
        let witness = Witness { key: self.key.clone(), oversight: true };
        let (asker, allowed) = (Box::new(script.clone()), Duration::from_secs(900));
        let witnesses = Witnesses::new(vec![witness], asker, allowed, Arc::new(move || now));
        let store = self.town.gateway.store();
        witnesses.round(store, &self.head).await.unwrap();
        let standing = witnesses.known().each[0].clone();
        // What failed is not tried again at once.
        let asked = script.asked.lock().unwrap().len();
        witnesses.round(store, &self.head).await.unwrap();
        assert_eq!(script.asked.lock().unwrap().len(), asked);
        (standing.cosigned.is_some(), standing.contradicted.is_some(), asked)
    }

    fn line(&self, seconds: i64) -> String {
        let at = self.town.gateway.now().as_second() + seconds;
        let text = text_of(&self.head.checkpoint);
        signer().cosign(text, u64::try_from(at).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn answers_that_are_none_cost_one_question() {
    let scene = Scene::new().await;
    let line = scene.line(0);
    for answer in [
        Err(NoAnswer),
        reply(200, "", ""),
        reply(200, "", [0xff, 0xfe]),
        reply(200, "text/plain", line.replace("w.example", "v.example")),
        reply(200, "text/plain", format!("{line}{line}")),
        reply(200, "text/plain", scene.line(301)),
        reply(200, "text/plain", scene.line(-301)),
        reply(302, "", ""),
        reply(400, "", ""),
        reply(403, "", ""),
        reply(404, "", ""),
        reply(500, "", line.clone()),
        reply(409, "text/plain", "5\n"),
        reply(409, SIZE, ""),
        reply(409, SIZE, "5"),
        reply(409, SIZE, "05\n"),
        reply(409, SIZE, "+5\n"),
        reply(409, SIZE, "18446744073709551615\n"),
        // The size that it was sent, so there was no conflict.
        reply(409, SIZE, "0\n"),
    ] {
        let shown = format!("{answer:?}");
        assert_eq!(scene.round(vec![answer]).await, (false, false, 1), "{shown}");
    }
}

#[tokio::test]
async fn a_conflict_tells_where_to_go_on_and_not_for_ever() {
    let scene = Scene::new().await;
    let conflict = |size: u64| reply(409, SIZE, format!("{size}\n"));
    let cosigned = reply(200, "text/plain", scene.line(-300));
    assert_eq!(scene.round(vec![conflict(3), cosigned]).await, (true, false, 2));
    // One that never agrees with itself is left alone after a few.
    let scene = Scene::new().await;
    let endless = (0..20).map(|n| conflict(1 + n % 2)).collect();
    assert_eq!(scene.round(endless).await, (false, false, 4));
}

#[tokio::test]
async fn another_history_and_more_than_there_is_are_contradictions() {
    let scene = Scene::new().await;
    let size = scene.head.size;
    let conflict = |size: u64| reply(409, SIZE, format!("{size}\n"));
    let other = reply(422, "", "");
    assert_eq!(scene.round(vec![conflict(3), other]).await, (false, true, 2));
    assert_eq!(scene.round(vec![conflict(size + 1)]).await, (false, true, 1));
    // The very size that we have, and still no agreement: another root.
    assert_eq!(scene.round(vec![conflict(size), conflict(size)]).await, (false, true, 2));
}

impl Scene {
    /// The row of a true cosignature of the head, received now.
    fn row(&self) -> Kept {
        let now = self.town.gateway.now();
        Kept {
            witness: self.key.to_string(),
            size: self.head.size,
            root: self.head.root,
            cosigned_at: u64::try_from(now.as_second()).unwrap(),
            received_at: now.as_microsecond(),
            line: self.line(0),
        }
    }

    /// What is believed of a row that somebody wrote into the table, and whether the true one
    /// that comes afterwards is kept.
    async fn planted(&self, row: Kept) -> (bool, bool) {
        let store = self.town.gateway.store();
        let mut tx = store.transact(Rights::Sequencer).await.unwrap();
        cosignatures::keep(&mut tx, &row).await.unwrap();
        tx.commit().await.unwrap();
        let now = self.town.gateway.now();
        let of = |script: Script| {
            let witness = Witness { key: self.key.clone(), oversight: true };
            let allowed = Duration::from_secs(900);
            Witnesses::new(vec![witness], Box::new(script), allowed, Arc::new(move || now))
        };
        let away =
            Script { answers: Arc::new(Mutex::new([Err(NoAnswer)].into())), ..Script::default() };
        let witnesses = of(away);
        witnesses.round(store, &self.head).await.unwrap();
        let believed = witnesses.known().each[0].cosigned.is_some();
        let cosigned = reply(200, "text/plain", self.line(0));
        let there =
            Script { answers: Arc::new(Mutex::new([cosigned].into())), ..Script::default() };
        of(there).round(store, &self.head).await.unwrap();
        let kept =
            cosignatures::all(&mut store.read(Rights::Figures).await.unwrap()).await.unwrap();
        (believed, kept == [self.row()])
    }
}

#[tokio::test]
async fn rows_that_somebody_wrote_into_the_table_are_not_believed_and_block_nothing() {
    let scene = Scene::new().await;
    let row = scene.row();
    let micros = row.received_at;
    let earlier = {
        let mut tx = scene.town.gateway.store().read(Rights::Figures).await.unwrap();
        log::entries(&mut tx, 0, 1).await.unwrap()
    };
    let root_of_one = crate::audit::leaf_hash(&earlier[0]);
    let origin = scene.head.origin().parse().unwrap();
    let cosigned = |size: u64, root: Hash| {
        let text = crate::audit::note::checkpoint_text(&origin, size, &root);
        let line = signer().cosign(&text, row.cosigned_at).unwrap();
        Kept { size, root, line, ..row.clone() }
    };
    for (what, planted, believed) in [
        ("the true one", row.clone(), true),
        (
            "from the end of time",
            Kept { received_at: 9_000_000_000_000_000_000, ..row.clone() },
            false,
        ),
        ("from an hour ahead", Kept { received_at: micros + 3_600_000_000, ..row.clone() }, false),
        ("an earlier size of this log", cosigned(1, root_of_one), true),
        ("an earlier size of another", cosigned(1, Hash::new([7; 32])), false),
        ("more than there is", cosigned(scene.head.size + 1, row.root), false),
        ("this size of another log", cosigned(row.size, Hash::new([7; 32])), false),
        ("no line", Kept { line: String::new(), ..row.clone() }, false),
        ("another size's line", Kept { size: 1, root: root_of_one, ..row.clone() }, false),
        ("another time", Kept { cosigned_at: row.cosigned_at + 1, ..row.clone() }, false),
        ("a line more", Kept { line: format!("x\n{}", row.line), ..row.clone() }, false),
    ] {
        assert_eq!(scene.planted(planted).await, (believed, true), "{what}");
    }
}

#[tokio::test]
async fn an_older_row_does_not_end_a_contradiction_and_a_later_cosignature_does() {
    let scene = Scene::new().await;
    let clock = Arc::new(Mutex::new(scene.town.gateway.now()));
    let (read, size) = (Arc::clone(&clock), scene.head.size);
    let now = Arc::new(move || *read.lock().unwrap());
    let forward = |seconds: i64| {
        let mut now = clock.lock().unwrap();
        *now += jiff::SignedDuration::from_secs(seconds);
    };
    let conflict = || reply(409, SIZE, format!("{}\n", size + 1));
    let answers =
        [reply(200, "", scene.line(0)), conflict(), conflict(), reply(200, "", scene.line(200))];
    let script = Script { answers: Arc::new(Mutex::new(answers.into())), ..Script::default() };
    let witness = Witness { key: scene.key.clone(), oversight: true };
    let allowed = Duration::from_secs(900);
    let witnesses = Witnesses::new(vec![witness], Box::new(script.clone()), allowed, now);
    let store = scene.town.gateway.store();
    let mut told = 0;
    // Each round is beyond the longest pause after a failure.
    for (round, contradicts) in [(0, false), (1, true), (2, true), (3, false)] {
        witnesses.round(store, &scene.head).await.unwrap();
        assert_eq!(script.asked.lock().unwrap().len(), round + 1, "round {round}");
        assert_eq!(witnesses.contradicted(), contradicts, "round {round}");
        assert_eq!(witnesses.known().each[0].cosigned.is_some(), !contradicts, "round {round}");
        told += witnesses.untold().len();
        forward(65);
    }
    assert_eq!(told, 1, "one leaf for one contradiction");
}

/// The first hangs for ever, the second answers.
struct OneHangs(String);

impl AskWitness for OneHangs {
    fn ask(&self, witness: usize, _: String) -> Answering<'_> {
        Box::pin(async move {
            if witness == 0 {
                std::future::pending::<()>().await;
            }
            reply(200, "text/plain", self.0.clone())
        })
    }
}

#[tokio::test]
async fn a_witness_that_hangs_delays_neither_the_tick_nor_another() {
    let scene = Scene::new().await;
    let now = scene.town.gateway.now();
    let key = SigningKey::generate(&mut StdRng::seed_from_u64(4)).unwrap();
    let hanging = WitnessSigner::new("h.example", key).unwrap().vkey().parse().unwrap();
    let of = |key: WitnessKey| Witness { key, oversight: false };
    let witnesses = Arc::new(Witnesses::new(
        vec![of(hanging), of(scene.key.clone())],
        Box::new(OneHangs(scene.line(0))),
        Duration::from_secs(900),
        Arc::new(move || now),
    ));
    let folder = tempfile::tempdir().unwrap();
    let store = scene.town.gateway.store().clone();
    let projector = Projector::new(store, folder.path()).with_witnesses(witnesses);
    let stop = tokio_util::sync::CancellationToken::new();
    let cosigning = tokio::spawn(projector.clone().keep_cosigning(stop.clone()));
    projector.project_once().await.unwrap();
    let checkpoint = || std::fs::read_to_string(folder.path().join("checkpoint")).unwrap();
    assert!(checkpoint().starts_with(text_of(&scene.head.checkpoint)));
    while !checkpoint().contains("w.example") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The next tick is there as soon as ever.
    projector.project_once().await.unwrap();
    assert!(checkpoint().contains("w.example"));
    stop.cancel();
    cosigning.await.unwrap();
}
