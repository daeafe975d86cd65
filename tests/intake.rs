//! What a broken connection leaves: nothing acknowledged is lost, nothing is stored twice.

use crate::support::gateway::Copy;
use tallygate::{
    domain::identifier::{Scheme, check},
    wire::v1::{self, intake_service_client::IntakeServiceClient, push_request, push_response},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const COLUMNS: [&str; 7] =
    ["record_id", "extracted_at", "event_date", "nhs_number", "date_of_birth", "review", "outcome"];

/// The n-th valid number of a range that the demo does not use.
fn nhs_number(n: usize) -> String {
    (9_999_900_000_u64..)
        .map(|number| number.to_string())
        .filter(|text| check(Scheme::Nhs, text).is_ok())
        .nth(n)
        .unwrap()
}

fn rows(range: std::ops::Range<usize>) -> Vec<v1::RecordRow> {
    range
        .map(|n| {
            let id = format!("broken-{n}");
            let values =
                [&id, "2026-05-01", "2026-02-03", "", "2024-02-28", "twelve_month", "completed"];
            let mut values = values.map(str::to_owned).to_vec();
            values[3] = nhs_number(n);
            v1::RecordRow { values }
        })
        .collect()
}

struct Stream {
    send: mpsc::Sender<v1::PushRequest>,
    answers: tonic::Streaming<v1::PushResponse>,
}

impl Stream {
    async fn open(gateway: &Copy) -> Self {
        let (send, receive) = mpsc::channel(4);
        let open = v1::PushOpen {
            protocol_id: "isp-health".to_owned(),
            protocol_version: 0,
            record_type: "health_review".to_owned(),
            purpose: String::new(),
            columns: COLUMNS.map(str::to_owned).to_vec(),
            extract_day: "2026-05-10".to_owned(),
            dry_run: false,
        };
        let message = Some(push_request::Message::Open(open));
        send.send(v1::PushRequest { message }).await.unwrap();
        let mut client = IntakeServiceClient::new(gateway.caller("health").await);
        let mut answers = client.push(ReceiverStream::new(receive)).await.unwrap().into_inner();
        answers.message().await.unwrap();
        Self { send, answers }
    }

    async fn send(&self, sequence: u64, rows: Vec<v1::RecordRow>) {
        let batch = v1::RecordBatch { sequence, rows };
        let message = Some(push_request::Message::Batch(batch));
        self.send.send(v1::PushRequest { message }).await.unwrap();
    }

    async fn acknowledged(&mut self) -> v1::BatchAcknowledgement {
        match self.answers.message().await.unwrap().unwrap().message.unwrap() {
            push_response::Message::Acknowledgement(taken) => taken,
            _ => panic!("not an acknowledgement"),
        }
    }
}

#[tokio::test]
async fn a_broken_stream_loses_nothing_and_stores_nothing_twice() {
    let gateway = Copy::start().await;
    let mut stream = Stream::open(&gateway).await;
    stream.send(1, rows(0..40)).await;
    let first = stream.acknowledged().await;
    assert_eq!((first.well_formed, first.sent_before, first.rejections.len()), (40, 0, 0));
    // A second batch is on its way when the connection breaks.
    stream.send(2, rows(40..80)).await;
    drop(stream);
    let mut again = Stream::open(&gateway).await;
    again.send(1, rows(0..80)).await;
    let taken = again.acknowledged().await;
    assert_eq!(taken.well_formed, 80);
    // What was acknowledged was there; of the rest either all was, or nothing.
    assert!(matches!(taken.sent_before, 40 | 80), "{}", taken.sent_before);
    again.send(2, rows(0..80)).await;
    let taken = again.acknowledged().await;
    assert_eq!((taken.well_formed, taken.sent_before), (80, 80));
    drop(again);
    let path = gateway.path("gateway.db");
    gateway.running.stop().await.unwrap();
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    let (counted,): (i64,) = sqlx::query_as(
        "SELECT COUNT(*) FROM subject s JOIN event e ON e.subject_id = s.subject_id \
         JOIN batch b ON b.batch_id = e.batch_id AND b.state = 1 \
         JOIN (SELECT MAX(subject_id) - 80 AS before FROM subject) m ON s.subject_id > m.before",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(counted, 80, "each of the 80 new children has one event");
}
