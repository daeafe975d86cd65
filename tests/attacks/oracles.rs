//! Attack 13: does anything that a sender is told say what others hold? In each trial another
//! agency holds a record of the very child, or of another one; then the attacker sends the
//! child's record and looks at all that comes back. And a centre withdraws the consent that the child's
//! registration rests on, or another child's: nobody else is told which, nor what hung on it.
//!
//! Looked at are the answers, the fields of each logged leaf and their lengths, how much the log grew
//! between two answers, and how long the log of a receipt is. So that this can fail, leaks of
//! each of these kinds are planted in what was told, and have to be found.

use super::{Later, Service};
use crate::support::stream::{Stream, nhs_number};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use std::collections::BTreeMap;
use tallygate::wire::v1::{
    self, access_log_service_client::AccessLogServiceClient,
    consent_service_client::ConsentServiceClient,
};

const TRIALS: usize = 50;
/// Children of the test, by the numbers that no other test sends.
const FIRST_CHILD: usize = 61_000;
const BORN: &str = "2024-02-28";
const DAY: &str = "2026-05-01";
const CASE: [&str; 9] = [
    "record_id",
    "extracted_at",
    "event_date",
    "nhs_number",
    "date_of_birth",
    "case_id",
    "case_type",
    "opened",
    "member_role",
];
const REVIEW: [&str; 7] =
    ["record_id", "extracted_at", "event_date", "nhs_number", "date_of_birth", "review", "outcome"];

const REGISTRATION: [&str; 9] = [
    "record_id",
    "extracted_at",
    "event_date",
    "nhs_number",
    "date_of_birth",
    "centre",
    "start_date",
    "consent_ref",
    "lsoa_2011",
];

fn case(n: usize, child: usize) -> v1::RecordRow {
    let (id, case, nhs) = (format!("o-{n:03}"), format!("case-{n:03}"), nhs_number(child));
    let values = [&id, DAY, DAY, &nhs, BORN, &case, "cp", DAY, "child", "yes"];
    v1::RecordRow { values: values.map(str::to_owned).to_vec(), blinded: None }
}

fn review(n: usize, child: usize) -> v1::RecordRow {
    let (id, nhs) = (format!("o-{n:03}"), nhs_number(child));
    let values = [&id, DAY, DAY, &nhs, BORN, "twelve_month", "completed"];
    v1::RecordRow { values: values.map(str::to_owned).to_vec(), blinded: None }
}

/// One thing that the attacker was told: its text, and the leaf that it was logged as.
#[derive(Debug, Clone)]
struct Said {
    text: String,
    /// The leaf's place in the log, and the size of the log that its receipt proves it in.
    leaf: u64,
    size: u64,
}

impl Said {
    /// An answer without its receipt, and what the receipt shows: which fields the leaf has, how
    /// long each is, and how long the log is.
    fn new(answer: &impl std::fmt::Debug, receipt: &v1::Receipt) -> Self {
        let size = receipt.checkpoint.lines().nth(1).unwrap().parse().unwrap();
        let proof = receipt.inclusion_proof.iter().map(Vec::len).sum::<usize>() % 32;
        let text = format!("{answer:?} {:?} {proof}", shape(receipt));
        Self { text, leaf: receipt.leaf_index, size }
    }
}

/// All of an acknowledgement but its own counters and the hashes of its proof.
fn told(mut taken: v1::BatchAcknowledgement) -> Said {
    let receipt = taken.receipt.take().unwrap();
    (taken.sequence, taken.partner_sequence) = (0, 0);
    Said::new(&taken, &receipt)
}

/// What is secret in a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    /// Whether the other agency holds a record of the very child.
    Held,
    /// Whether the consent that was withdrawn is the very child's.
    Withdrawn,
}

/// A trial: its secrets, and all that the two attackers were told in it.
struct Trial {
    held: bool,
    withdrawn: bool,
    told: Vec<Said>,
}

impl Trial {
    fn secret(&self, secret: Secret) -> bool {
        match secret {
            Secret::Held => self.held,
            Secret::Withdrawn => self.withdrawn,
        }
    }

    /// All of it as one text; of the log how much it grew from answer to answer, and what each receipt's
    /// log holds beyond its leaf: sizes are an oracle like any other.
    fn seen(&self) -> String {
        let grown = self.told.windows(2).map(|two| two[1].leaf - two[0].leaf);
        let grown: Vec<u64> = grown.collect();
        let beyond: Vec<u64> = self.told.iter().map(|said| said.size - said.leaf).collect();
        let texts: Vec<&str> = self.told.iter().map(|said| said.text.as_str()).collect();
        format!("{texts:?} {grown:?} {beyond:?}")
    }
}

/// The share of secrets that the best rule from what was told gets right, and how many
/// different things were told.
fn oracle(trials: &[Trial], secret: Secret) -> (f64, usize) {
    let mut seen: BTreeMap<String, [u32; 2]> = BTreeMap::new();
    for trial in trials {
        seen.entry(trial.seen()).or_default()[usize::from(trial.secret(secret))] += 1;
    }
    let right: u32 = seen.values().map(|[one, other]| one.max(other)).sum();
    (f64::from(right) / trials.len() as f64, seen.len())
}

/// Leaks as a gateway could have them, put into what was told: an acknowledgement that counts what
/// others sent, a leaf more or a longer one for what linked, a log proved longer, a consent whose
/// withdrawal says how much hung on it.
fn leaking(trials: &[Trial], secret: Secret, leak: fn(&mut [Said])) -> Vec<Trial> {
    let planted = |trial: &Trial| {
        let mut told = trial.told.clone();
        if trial.secret(secret) {
            leak(&mut told);
        }
        Trial { told, ..*trial }
    };
    trials.iter().map(planted).collect()
}

const LEAKS: [fn(&mut [Said]); 5] = [
    |told| told[0].text = told[0].text.replacen("sent_before: 0", "sent_before: 1", 1),
    |told| {
        for said in &mut told[1..] {
            (said.leaf, said.size) = (said.leaf + 1, said.size + 1);
        }
    },
    |told| told[2].text.push_str("(\"/note\", 3)"),
    |told| told[0].size += 1,
    |told| told[3].text.push('1'),
];

/// A logged leaf's fields and their lengths; numbers count for nothing, they are counters.
fn shape(receipt: &v1::Receipt) -> Vec<(String, usize)> {
    fn walk(path: &str, value: &Value, found: &mut Vec<(String, usize)>) {
        match value {
            Value::Object(fields) => {
                fields
                    .iter()
                    .for_each(|(name, value)| walk(&format!("{path}/{name}"), value, found));
            }
            Value::Array(items) => {
                items.iter().for_each(|value| walk(&format!("{path}/-"), value, found));
            }
            Value::String(text) => found.push((path.to_owned(), text.len())),
            _ => found.push((path.to_owned(), 0)),
        }
    }
    let mut found = vec![("leaf_hash".to_owned(), receipt.leaf_hash.len())];
    walk("", &serde_json::from_slice(&receipt.leaf).unwrap(), &mut found);
    found
}

/// The published size of the log, which moves on its tick alone.
async fn published(health: &Service) -> String {
    let request = v1::GetCheckpointRequest {};
    let answer = AccessLogServiceClient::new(health.clone()).get_checkpoint(request).await;
    answer.unwrap().into_inner().checkpoint
}

fn given(reference: &str) -> v1::Consent {
    v1::Consent {
        consent_ref: reference.to_owned(),
        state: v1::ConsentState::Given.into(),
        given_by: v1::ConsentGiver::Parent.into(),
        recorded_on: DAY.to_owned(),
        notice_version: "2025-1".to_owned(),
        ..v1::Consent::default()
    }
}

/// A registration at a centre that rests on a consent.
fn registration(n: usize, child: usize, reference: &str) -> v1::RecordRow {
    let (id, nhs) = (format!("o-{n:03}-{}", child % 2), nhs_number(child));
    let values = [&id, DAY, DAY, &nhs, BORN, "CC01", DAY, reference, "E01009642"];
    v1::RecordRow { values: values.map(str::to_owned).to_vec(), blinded: None }
}

/// The centres withdraw a consent, and ask how it stands.
async fn withdraw(centres: &Service, reference: &str) -> Vec<Said> {
    let mut client = ConsentServiceClient::new(centres.clone());
    let consent_ref = reference.to_owned();
    let request = v1::WithdrawConsentRequest { consent_ref, ..Default::default() };
    let gone = client.withdraw_consent(request).await.unwrap().into_inner();
    let consent_ref = reference.to_owned();
    let request = v1::GetConsentRequest { consent_ref, ..Default::default() };
    let mut stands = client.get_consent(request).await.unwrap().into_inner();
    let receipt = stands.receipt.take().unwrap();
    assert_eq!(stands.state(), v1::ConsentState::Withdrawn);
    vec![Said::new(&"withdrawn", &gone.receipt.unwrap()), Said::new(&stands, &receipt)]
}

/// The streams of a run: the other agency's, Health's and the centres'.
struct Streams {
    others: Stream,
    own: Stream,
    visits: Stream,
}

impl Streams {
    async fn open(later: &Later) -> Self {
        let [families, health, centres] = [
            later.caller("families").await,
            later.caller("health").await,
            later.caller("centres").await,
        ];
        let columns = [&CASE[..], &["reference_child"]].concat();
        let others = ("isp-families", "family_case", "2026-05-10");
        let own = ("isp-health", "health_review", "2026-05-10");
        let visits = ("isp-centres", "registration", "2026-05-10");
        Self {
            others: Stream::open_feed(families, others, &columns).await.unwrap(),
            own: Stream::open_feed(health, own, &REVIEW).await.unwrap(),
            visits: Stream::open_feed(centres, visits, &REGISTRATION).await.unwrap(),
        }
    }

    /// One trial. Health is told of its own two records; the centres of theirs and of the consent; then
    /// Health once more.
    async fn trial(&mut self, centres: &Service, n: usize, held: bool, withdrawn: bool) -> Trial {
        let (child, other) = (FIRST_CHILD + 2 * n, FIRST_CHILD + 2 * n + 1);
        let at = n as u64;
        self.others.send(at, vec![case(n, if held { child } else { other })]).await;
        assert_eq!(self.others.acknowledged().await.well_formed, 1);
        let mut said = Vec::new();
        for (times, record) in [(0, n), (1, n)] {
            self.own.send(3 * at + times, vec![review(record, child)]).await;
            let taken = self.own.acknowledged().await;
            assert_eq!((u64::from(taken.sent_before), taken.well_formed), (times, 1));
            said.push(told(taken));
        }
        let references = [child, other].map(|child| format!("oracle-{child}"));
        let rows = [child, other].into_iter().zip(&references);
        let rows = rows.map(|(child, reference)| registration(n, child, reference)).collect();
        self.visits.send(at, rows).await;
        let taken = self.visits.acknowledged().await;
        assert_eq!((taken.well_formed, taken.rejections.len()), (2, 0), "{taken:?}");
        said.push(told(taken));
        let [own, others] = &references;
        said.extend(withdraw(centres, if withdrawn { own } else { others }).await);
        self.own.send(3 * at + 2, vec![review(n + TRIALS, child)]).await;
        said.push(told(self.own.acknowledged().await));
        Trial { held, withdrawn, told: said }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_consents_and_sizes_say_nothing_of_what_others_hold() {
    let later = Later::on(None).await;
    let (health, centres) = (later.caller("health").await, later.caller("centres").await);
    let children = FIRST_CHILD..FIRST_CHILD + 2 * TRIALS;
    let consents = children.map(|child| given(&format!("oracle-{child}"))).collect();
    let request = v1::RecordConsentsRequest { consents };
    let mut client = ConsentServiceClient::new(centres.clone());
    let recorded = client.record_consents(request).await.unwrap().into_inner().recorded;
    assert_eq!(recorded as usize, 2 * TRIALS);
    let mut streams = Streams::open(&later).await;
    let mut rng = StdRng::seed_from_u64(13);
    let mut coin = || rng.next_u64() >> 63 == 1;
    let checkpoint = published(&health).await;
    let mut trials = Vec::new();
    for n in 0..TRIALS {
        let (held, withdrawn) = (coin(), coin());
        trials.push(streams.trial(&centres, n, held, withdrawn).await);
    }
    for secret in [Secret::Held, Secret::Withdrawn] {
        let there = trials.iter().filter(|trial| trial.secret(secret)).count();
        assert!((10..=40).contains(&there));
        // One thing was told in all trials: the best rule from it is a coin's toss.
        let (_, things) = oracle(&trials, secret);
        assert_eq!(things, 1, "{secret:?}: {} / {}", trials[0].seen(), trials[1].seen());
        // And each leak that is planted is found.
        for (number, leak) in LEAKS.into_iter().enumerate() {
            let (right, things) = oracle(&leaking(&trials, secret, leak), secret);
            assert!(things == 2 && right >= 1.0, "{secret:?}, leak {number}: {right}");
        }
    }
    // Published are sizes on the tick alone: nothing that was logged meanwhile shows.
    assert_eq!(published(&health).await, checkpoint, "sizes are published on the tick alone");
    let Streams { others, own, visits } = streams;
    for stream in [others, own, visits] {
        stream.finish().await;
    }
    later.running.stop().await.unwrap();
}
