//! Attack 13: does anything that a sender is told say what others hold? In each trial another
//! agency holds a record of the very child, or of another one; then the attacker sends the
//! child's record and looks at all that comes back.

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

/// All of an acknowledgement but its own counters and the hashes of its proof: what is left of
/// the proof is which fields its leaf has, and how long each is.
type Told = (v1::BatchAcknowledgement, Vec<(String, usize)>);

fn told(mut taken: v1::BatchAcknowledgement) -> Told {
    let shape = shape(&taken.receipt.take().unwrap());
    (taken.sequence, taken.partner_sequence) = (0, 0);
    (taken, shape)
}

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

/// The consent's record, as the centres' own: what is answered must not depend on the child.
async fn consent(centres: &Service, reference: &str) -> (u32, usize, Vec<(String, usize)>) {
    let consent = v1::Consent {
        consent_ref: reference.to_owned(),
        state: v1::ConsentState::Withdrawn.into(),
        given_by: v1::ConsentGiver::Parent.into(),
        recorded_on: DAY.to_owned(),
        notice_version: "2025-1".to_owned(),
        ..v1::Consent::default()
    };
    let request = v1::RecordConsentsRequest { consents: vec![consent] };
    let answer = ConsentServiceClient::new(centres.clone()).record_consents(request).await;
    let answer = answer.unwrap().into_inner();
    (answer.recorded, answer.rejections.len(), shape(&answer.receipt.unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_consents_and_sizes_say_nothing_of_what_others_hold() {
    let later = Later::on(None).await;
    let families = later.caller("families").await;
    let (health, centres) = (later.caller("health").await, later.caller("centres").await);
    let feed = ("isp-families", "family_case", "2026-05-10");
    let columns = [&CASE[..], &["reference_child"]].concat();
    let mut others = Stream::open_feed(families, feed, &columns).await.unwrap();
    let feed = ("isp-health", "health_review", "2026-05-10");
    let mut own = Stream::open_feed(health.clone(), feed, &REVIEW).await.unwrap();
    let mut rng = StdRng::seed_from_u64(13);
    let checkpoint = published(&health).await;
    // How often each thing was told, by whether the other agency holds the child.
    let mut seen: BTreeMap<String, [u32; 2]> = BTreeMap::new();
    for n in 0..TRIALS {
        let (child, other) = (FIRST_CHILD + 2 * n, FIRST_CHILD + 2 * n + 1);
        let there = rng.next_u64() >> 63 == 1;
        others.send(n as u64, vec![case(n, if there { child } else { other })]).await;
        assert_eq!(others.acknowledged().await.well_formed, 1);
        own.send(n as u64, vec![review(n, child)]).await;
        let (first, leaf) = told(own.acknowledged().await);
        own.send(n as u64 + 1_000, vec![review(n, child)]).await;
        let (again, leaf_again) = told(own.acknowledged().await);
        let said = consent(&centres, &format!("oracle-{n:03}")).await;
        let all = format!("{first:?} {leaf:?} {again:?} {leaf_again:?} {said:?}");
        seen.entry(all).or_default()[usize::from(there)] += 1;
        assert_eq!((first.sent_before, again.sent_before), (0, 1));
    }
    // One thing was told in all trials: the best rule from it is a coin's toss.
    assert_eq!(seen.len(), 1, "{seen:?}");
    let [absent, there] = *seen.values().next().unwrap();
    assert!(absent + there == 50 && absent > 10 && there > 10);
    assert_eq!(published(&health).await, checkpoint, "sizes are published on the tick alone");
    others.finish().await;
    own.finish().await;
    later.running.stop().await.unwrap();
}
