//! Whatever a witness answers: what is believed of it, and that nobody is asked for ever.

use super::support::Town;
use crate::{
    audit::{WitnessKey, cosignature::text_of},
    gateway::{Answering, AskWitness, NoAnswer, Reply, Witness, Witnesses},
    keys::SigningKey,
    store::{Rights, log},
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
        let standing = witnesses.known().each[0];
        // What failed is not tried again at once.
        let asked = script.asked.lock().unwrap().len();
        witnesses.round(store, &self.head).await.unwrap();
        assert_eq!(script.asked.lock().unwrap().len(), asked);
        (standing.cosigned.is_some(), standing.contradicts, asked)
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
