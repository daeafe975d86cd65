//! A greedy caller, with many connections and streams at once, is turned away with advice when to
//! come back; meanwhile a partner that behaves is served as ever. No time is measured here:
//! `tallygate bench overload` does that.

use crate::support::{
    gateway::{Copy, Service},
    stream::{Stream, rows},
};
use std::{collections::BTreeMap, time::Duration};
use tallygate::wire::v1::{GetCardRequest, figure_service_client::FigureServiceClient};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Connections of the greedy caller, and its calls at once on each.
const CONNECTIONS: usize = 8;
const CALLS: usize = 64;

async fn card(manager: Service) -> Result<(), Status> {
    let request = GetCardRequest {
        area: "CC01".to_owned(),
        quarter: String::new(),
        purposes: vec!["childrens_centre_planning".to_owned()],
    };
    FigureServiceClient::new(manager).get_card(request).await.map(drop)
}

/// What stands in an answer to somebody who was turned away: in how many milliseconds to come back.
fn advice(status: &Status) -> Option<Duration> {
    let pushback = status.metadata().get("grpc-retry-pushback-ms")?.to_str().ok()?;
    let pushback = Duration::from_millis(pushback.parse().ok()?);
    let details = status.get_error_details();
    assert_eq!(details.error_info()?.reason, "OVERLOADED");
    (details.retry_info()?.retry_delay? == pushback).then_some(pushback)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greedy_caller_is_turned_away_and_a_partner_that_behaves_is_served() {
    let gateway = Copy::start().await;
    let mut stream = Stream::open(gateway.caller("health").await).await.unwrap();
    let mut greedy = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let manager = gateway.caller("manager-CC01").await;
        for _ in 0..CALLS {
            let manager = manager.clone();
            greedy.spawn(async move {
                let mut answers = Vec::new();
                for _ in 0..4 {
                    answers.push(card(manager.clone()).await);
                }
                answers
            });
        }
    }
    // Meanwhile: each batch is acknowledged, and a call is answered.
    for (sequence, first) in (1..).zip((0..100).step_by(10)) {
        stream.send(sequence, rows("behaves", first..first + 10)).await;
        assert_eq!(stream.acknowledged().await.well_formed, 10);
        card(gateway.caller("auditor").await).await.unwrap();
    }
    let mut told: BTreeMap<i32, usize> = BTreeMap::new();
    for answer in greedy.join_all().await.into_iter().flatten() {
        if let Err(status) = &answer {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
            assert_eq!(advice(status), Some(Duration::from_secs(1)), "{status:?}");
        }
        *told.entry(answer.err().map_or(0, |status| status.code().into())).or_default() += 1;
    }
    // Some of its calls are answered all the same, and once it is quiet all of them.
    assert!(told.len() == 2 && told.values().all(|calls| *calls > 0), "{told:?}");
    card(gateway.caller("manager-CC01").await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_more_streams_than_its_share() {
    let gateway = Copy::start().await;
    let (first, second) = (gateway.caller("health").await, gateway.caller("health").await);
    let mut streams = Vec::new();
    for n in 0..64 {
        let service = if n % 2 == 0 { &first } else { &second };
        streams.push(Stream::open(service.clone()).await.unwrap());
    }
    let refused = Stream::open(second.clone()).await.map(drop).unwrap_err();
    assert_eq!((refused.code(), advice(&refused).is_some()), (Code::ResourceExhausted, true));
    // What one has is no business of another's.
    Stream::open_feed(
        gateway.caller("learning").await,
        ("isp-learning", "learning_aim", "2026-05-10"),
        &[],
    )
    .await
    .map(drop)
    .unwrap_or_else(|status| assert_ne!(status.code(), Code::ResourceExhausted));
    // A place that is given back is free at once for whoever waits for it.
    streams.pop().unwrap().finish().await;
    let mut again = Stream::open(second).await;
    for _ in 0..100 {
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = Stream::open(first.clone()).await;
    }
    again.unwrap();
}
