//! A gateway that is told to stop, with many streams open: each is told, after the batch that it was
//! at, and nothing that was acknowledged is lost.

use crate::support::{
    gateway::{Copy, Service, reason},
    stream::{Stream, rows},
};
use std::sync::Arc;
use tallygate::{
    identity::{Clock, SystemClock},
    wire::v1::{SearchEntriesRequest, access_log_service_client::AccessLogServiceClient},
};
use tokio::sync::Barrier;
use tonic::Code;

const STREAMS: usize = 20;
const BATCH: usize = 5;
/// More than any stream sends.
const MOST: usize = 1_000;

/// Sends batch after batch until the stream is ended; gives how many were acknowledged.
async fn send(health: Service, number: usize, begun: Arc<Barrier>) -> usize {
    let mut stream = Stream::open(health.clone()).await.unwrap();
    for batch in 0..MOST {
        let first = number * MOST * BATCH + batch * BATCH;
        stream.send(batch as u64 + 1, rows("drain", first..first + BATCH)).await;
        match stream.answer().await {
            Ok(taken) => assert_eq!(taken.well_formed as usize, BATCH),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                assert_eq!(reason(&status).0, "gateway_stops", "{status:?}");
                assert!(Stream::open(health).await.is_err(), "a new stream was taken");
                return batch;
            }
        }
        if batch == 0 {
            begun.wait().await;
        }
    }
    panic!("the stream went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_are_told_and_nothing_acknowledged_is_lost() {
    let copy = Copy::start().await;
    let before = SystemClock.now().as_microsecond();
    let begun = Arc::new(Barrier::new(STREAMS + 1));
    let mut sending = Vec::new();
    for number in 0..STREAMS {
        // Each with a connection of its own, as so many partners would have.
        let health = copy.caller("health").await;
        sending.push(tokio::spawn(send(health, number, Arc::clone(&begun))));
    }
    begun.wait().await;
    let (copy, acknowledged) = copy
        .restart_beside(async {
            let mut acknowledged = Vec::new();
            for sending in sending {
                acknowledged.push(sending.await.unwrap());
            }
            acknowledged
        })
        .await;

    // All of it is there: sent once more, every row was sent before.
    let mut stream = Stream::open(copy.caller("health").await).await.unwrap();
    let mut sequence = 0;
    for (number, batches) in acknowledged.iter().enumerate() {
        assert!(*batches > 0);
        for batch in 0..*batches {
            let first = number * MOST * BATCH + batch * BATCH;
            sequence += 1;
            stream.send(sequence, rows("drain", first..first + BATCH)).await;
            let again = stream.acknowledged().await;
            assert_eq!(again.sent_before as usize, BATCH, "stream {number}, batch {batch}");
        }
    }
    stream.finish().await;
    // Each stream has its end in the log.
    let request = SearchEntriesRequest {
        kind: "intake_stream_closed".to_owned(),
        from_micros: before,
        page_size: 1_000,
        ..SearchEntriesRequest::default()
    };
    let mut log = AccessLogServiceClient::new(copy.caller("auditor").await);
    let closed = log.search_entries(request).await.unwrap().into_inner().entries.len();
    assert_eq!(closed, STREAMS + 1);
    copy.running.stop().await.unwrap();
}
