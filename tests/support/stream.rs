//! A provider's stream, message by message, with children whom nobody else sends.

use super::gateway::Service;
use std::sync::Mutex;
use tallygate::{
    domain::identifier::{Scheme, check},
    wire::v1::{self, intake_service_client::IntakeServiceClient, push_request, push_response},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

const COLUMNS: [&str; 7] =
    ["record_id", "extracted_at", "event_date", "nhs_number", "date_of_birth", "review", "outcome"];

/// The n-th valid NHS number; the first ninety thousand are of a range that the demo does not use.
pub(crate) fn nhs_number(n: usize) -> String {
    // All numbers set aside for tests, some nine hundred thousand; the last million first.
    const FROM: u64 = 9_990_000_000;
    const SPLIT: u64 = 9_999_000_000;
    const TO: u64 = 10_000_000_000;
    static VALID: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    let mut valid = VALID.lock().unwrap();
    while valid.len() <= n {
        let next = valid.last().map_or(SPLIT, |last| last + 1);
        let rest =
            if next >= SPLIT { (next..TO).chain(FROM..SPLIT) } else { (next..SPLIT).chain(0..0) };
        let mut rest = rest.filter(|number| check(Scheme::Nhs, &number.to_string()).is_ok());
        valid.push(rest.next().expect("no more NHS numbers for tests"));
    }
    valid[n].to_string()
}

/// So many children a long run has; beyond, they come again.
const MOST_CHILDREN: usize = 800_000;

/// Health reviews of the children `range`, each with a record id of its own.
pub(crate) fn rows(prefix: &str, range: std::ops::Range<usize>) -> Vec<v1::RecordRow> {
    range
        .map(|n| {
            let id = format!("{prefix}-{n}");
            let values =
                [&id, "2026-05-01", "2026-02-03", "", "2024-02-28", "twelve_month", "completed"];
            let mut values = values.map(str::to_owned).to_vec();
            values[3] = nhs_number(n % MOST_CHILDREN);
            v1::RecordRow { values, blinded: None }
        })
        .collect()
}

/// An open stream of health reviews.
pub(crate) struct Stream {
    send: mpsc::Sender<v1::PushRequest>,
    answers: tonic::Streaming<v1::PushResponse>,
    /// The receipt of its opening.
    pub(crate) opened: Option<v1::Receipt>,
}

impl Stream {
    pub(crate) async fn open(health: Service) -> Result<Self, Status> {
        Self::open_with(health, &COLUMNS).await
    }

    pub(crate) async fn open_with(health: Service, columns: &[&str]) -> Result<Self, Status> {
        let feed = ("isp-health", "health_review", "2026-05-10");
        Self::open_feed(health, feed, columns).await
    }

    /// The same of any sender: under a protocol, of a record type, extracted on a day.
    pub(crate) async fn open_feed(
        sender: Service,
        (protocol, record_type, extract_day): (&str, &str, &str),
        columns: &[&str],
    ) -> Result<Self, Status> {
        let (send, receive) = mpsc::channel(4);
        let open = v1::PushOpen {
            protocol_id: protocol.to_owned(),
            protocol_version: 0,
            record_type: record_type.to_owned(),
            purpose: String::new(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            extract_day: extract_day.to_owned(),
            dry_run: false,
            blinded: None,
        };
        let message = Some(push_request::Message::Open(open));
        send.send(v1::PushRequest { message }).await.ok();
        let answers = IntakeServiceClient::new(sender).push(ReceiverStream::new(receive)).await?;
        let mut stream = Self { send, answers: answers.into_inner(), opened: None };
        let first = stream.answers.message().await?.ok_or_else(gone)?;
        if let Some(push_response::Message::Opened(opened)) = first.message {
            stream.opened = opened.receipt;
        }
        Ok(stream)
    }

    /// Ends it in order and waits until the gateway has.
    pub(crate) async fn finish(self) {
        let Self { send, mut answers, .. } = self;
        drop(send);
        while let Ok(Some(_)) = answers.message().await {}
    }

    pub(crate) async fn send(&self, sequence: u64, rows: Vec<v1::RecordRow>) {
        let batch = v1::RecordBatch { sequence, rows };
        let message = Some(push_request::Message::Batch(batch));
        // A stream that has ended says so in its next answer.
        let _ = self.send.send(v1::PushRequest { message }).await;
    }

    /// The next acknowledgement, or why there is none.
    pub(crate) async fn answer(&mut self) -> Result<v1::BatchAcknowledgement, Status> {
        let answer = self.answers.message().await?.ok_or_else(gone)?;
        match answer.message {
            Some(push_response::Message::Acknowledgement(taken)) => Ok(taken),
            _ => Err(Status::internal("not an acknowledgement")),
        }
    }

    pub(crate) async fn acknowledged(&mut self) -> v1::BatchAcknowledgement {
        self.answer().await.unwrap()
    }
}

fn gone() -> Status {
    Status::unavailable("the stream ended")
}
