//! Pushes against a gateway in this process, over a line that can be cut anywhere.

use super::super::{JournalError, Silent, journal::journal_path};
use super::*;
use crate::wire::v1::{
    self, Receipt, RecordRow, RowRejection,
    intake_service_server::{IntakeService, IntakeServiceServer},
};
use futures_util::FutureExt;
use hyper_util::rt::TokioIo;
use jiff::civil::date;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{
    io::{DuplexStream, copy_bidirectional, duplex},
    task::AbortHandle,
};
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint, Server},
};
use tonic_types::{ErrorDetails, StatusExt};
use tower::service_fn;

const TODAY: Date = date(2026, 6, 30);

mod blinded;
mod rejects;
mod resuming;

/// How the gateway behaves.
#[derive(Default, Clone)]
struct Manner {
    /// Cut the line when so many batches came, before the last of them is acknowledged.
    cut_at: Option<usize>,
    /// End the stream without a closing when so many batches came.
    end_at: Option<usize>,
    /// Hold acknowledgements until so many batches wait, and then give the last first.
    hold: Option<usize>,
    /// Refuse the opening.
    refuse: bool,
    /// Refuse in mid-stream when so many batches came, as a suspended protocol would.
    suspend_at: Option<usize>,
    /// Report a row too many.
    miscount: bool,
    max_rows: u32,
}

#[derive(Default)]
struct Books {
    opens: Vec<PushOpen>,
    /// Rows stored, by record id, as the idempotent store keeps them.
    stored: BTreeMap<String, Vec<String>>,
    /// Record ids in the order received, all streams.
    received: Vec<String>,
    /// Record ids whose batch's acknowledgement was handed to the line.
    acknowledged: Vec<String>,
    largest_batch: usize,
    most_in_flight: usize,
    batches: usize,
    lines: Vec<AbortHandle>,
}

#[derive(Clone)]
struct Gateway {
    books: Arc<Mutex<Books>>,
    manner: Arc<Mutex<Manner>>,
}

fn receipt(leaf: u64) -> Option<Receipt> {
    Some(Receipt {
        leaf_index: leaf,
        leaf_hash: vec![7; 32],
        checkpoint: "gateway.test\n".into(),
        inclusion_proof: vec![vec![1; 32], vec![2; 32]],
        leaf: b"{}".to_vec(),
    })
}

fn response(message: push_response::Message) -> PushResponse {
    PushResponse { message: Some(message) }
}

#[derive(Default)]
struct Sums {
    batches: u64,
    well_formed: u64,
    sent_before: u64,
    rejected: u64,
}

impl Gateway {
    fn columns(&self) -> (usize, usize) {
        let books = self.books.lock().unwrap();
        let columns = &books.opens.last().unwrap().columns;
        let at = |name| columns.iter().position(|c| c == name).unwrap();
        (at("record_id"), at("forename"))
    }

    /// Stores a batch durably; what it answers may never arrive.
    fn store(&self, sequence: u64, rows: Vec<RecordRow>, sums: &mut Sums) -> BatchAcknowledgement {
        let (record_id, forename) = self.columns();
        let mut books = self.books.lock().unwrap();
        books.batches += 1;
        books.largest_batch = books.largest_batch.max(rows.len());
        let (mut well_formed, mut sent_before, mut rejections) = (0, 0, Vec::new());
        for (place, row) in rows.into_iter().enumerate() {
            let id = row.values[record_id].clone();
            books.received.push(id.clone());
            if row.values[forename] == "Refused" {
                for rule in ["clause-one", "clause-two"] {
                    rejections.push(RowRejection {
                        row: u32::try_from(place).unwrap(),
                        field: "forename".into(),
                        rule: rule.into(),
                        message: "the clause says so".into(),
                    });
                }
                sums.rejected += 1;
                continue;
            }
            well_formed += 1;
            sent_before += u32::from(books.stored.insert(id, row.values).is_some());
        }
        sums.batches += 1;
        sums.well_formed += u64::from(well_formed);
        sums.sent_before += u64::from(sent_before);
        let extra = u32::from(self.manner.lock().unwrap().miscount);
        BatchAcknowledgement {
            sequence,
            well_formed: well_formed + extra,
            sent_before,
            rejections,
            partner_sequence: books.batches as u64,
            receipt: receipt(100 + books.batches as u64),
        }
    }

    async fn converse(
        self,
        mut requests: Streaming<PushRequest>,
        answers: mpsc::Sender<Result<PushResponse, Status>>,
    ) {
        let manner = self.manner.lock().unwrap().clone();
        let (mut sums, mut held) = (Sums::default(), Vec::new());
        while let Ok(Some(request)) = requests.message().await {
            let batch = match request.message.unwrap() {
                push_request::Message::Open(open) => {
                    self.books.lock().unwrap().opens.push(open);
                    let opened = PushOpened {
                        protocol_version: 3,
                        max_rows: manner.max_rows,
                        receipt: receipt(1),
                        warnings: vec!["its review was due by 2026-01-01".to_owned()],
                    };
                    let _ =
                        answers.send(Ok(response(push_response::Message::Opened(opened)))).await;
                    continue;
                }
                push_request::Message::Batch(batch) => batch,
            };
            let ids: Vec<String> = {
                let at = self.columns().0;
                batch.rows.iter().map(|r| r.values[at].clone()).collect()
            };
            held.push((ids, self.store(batch.sequence, batch.rows, &mut sums)));
            let came = Some(self.books.lock().unwrap().batches);
            if came == manner.cut_at {
                self.books.lock().unwrap().lines.drain(..).for_each(|line| line.abort());
                return;
            }
            if came == manner.end_at {
                return;
            }
            if came == manner.suspend_at {
                let _ = answers.send(Err(refusal())).await;
                return;
            }
            if let Some(hold) = manner.hold {
                for _ in 0..100 {
                    task::yield_now().await;
                }
                let mut books = self.books.lock().unwrap();
                books.most_in_flight = books.most_in_flight.max(held.len());
                if held.len() < hold {
                    continue;
                }
                // No more may come while so many wait.
                assert!(requests.message().now_or_never().is_none());
            }
            self.acknowledge(&mut held, &answers).await;
        }
        self.acknowledge(&mut held, &answers).await;
        let closed = PushClosed {
            batches: sums.batches,
            well_formed: sums.well_formed,
            sent_before: sums.sent_before,
            rejected: sums.rejected,
            receipt: receipt(999),
        };
        let _ = answers.send(Ok(response(push_response::Message::Closed(closed)))).await;
    }

    async fn acknowledge(
        &self,
        held: &mut Vec<(Vec<String>, BatchAcknowledgement)>,
        answers: &mpsc::Sender<Result<PushResponse, Status>>,
    ) {
        while let Some((ids, answer)) = held.pop() {
            self.books.lock().unwrap().acknowledged.extend(ids);
            let message = push_response::Message::Acknowledgement(answer);
            let _ = answers.send(Ok(response(message))).await;
        }
    }
}

fn refusal() -> Status {
    let details = ErrorDetails::with_error_info("PROTOCOL_SUSPENDED", "tallygate.v1", []);
    Status::with_error_details(Code::PermissionDenied, "the protocol is suspended", details)
}

#[tonic::async_trait]
impl IntakeService for Gateway {
    type PushStream = ReceiverStream<Result<PushResponse, Status>>;

    async fn push(
        &self,
        request: Request<Streaming<PushRequest>>,
    ) -> Result<Response<Self::PushStream>, Status> {
        if self.manner.lock().unwrap().refuse {
            return Err(refusal());
        }
        let (answers, stream) = mpsc::channel(8);
        tokio::spawn(self.clone().converse(request.into_inner(), answers));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn undo_stream(
        &self,
        _: Request<v1::UndoStreamRequest>,
    ) -> Result<Response<v1::UndoStreamResponse>, Status> {
        Err(refusal())
    }

    async fn erase_records(
        &self,
        _: Request<v1::EraseRecordsRequest>,
    ) -> Result<Response<v1::EraseRecordsResponse>, Status> {
        Err(refusal())
    }

    async fn find_records(
        &self,
        _: Request<v1::FindRecordsRequest>,
    ) -> Result<Response<v1::FindRecordsResponse>, Status> {
        Err(refusal())
    }
}

/// A gateway, the line to it, and a partner's folder.
struct World {
    gateway: Gateway,
    channel: Channel,
    folder: TempDir,
}

impl World {
    fn new(manner: Manner) -> Self {
        let gateway = Gateway { books: Arc::default(), manner: Arc::new(Mutex::new(manner)) };
        let (accept, incoming) = mpsc::channel::<io::Result<DuplexStream>>(4);
        let server = Server::builder().serve_with_incoming(
            IntakeServiceServer::new(gateway.clone()),
            ReceiverStream::new(incoming),
        );
        tokio::spawn(server);
        let books = Arc::clone(&gateway.books);
        let channel = Endpoint::from_static("http://gateway.test").connect_with_connector_lazy(
            service_fn(move |_| {
                let (accept, books) = (accept.clone(), Arc::clone(&books));
                async move {
                    let (near, mut relay_near) = duplex(1 << 16);
                    let (mut relay_far, far) = duplex(1 << 16);
                    let line = tokio::spawn(async move {
                        let _ = copy_bidirectional(&mut relay_near, &mut relay_far).await;
                    });
                    books.lock().unwrap().lines.push(line.abort_handle());
                    let _ = accept.send(Ok(far)).await;
                    io::Result::Ok(TokioIo::new(near))
                }
            }),
        );
        Self { gateway, channel, folder: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn order(&self, text: &str) -> PushOrder {
        let file = self.path("attendance.csv");
        fs::write(&file, text).unwrap();
        let mut order = PushOrder::new(
            file,
            RecordType::Attendance,
            "isp-centres".parse().unwrap(),
            "childrens_centre_planning".into(),
            TODAY,
        );
        order.batch_rows = 100;
        order.rejects = Some(self.path("rejects.csv"));
        order.receipts = Some(self.path("receipts/centres/attendance.json"));
        order
    }

    async fn push(&self, order: &PushOrder) -> Result<PushReport, PushError> {
        push(self.channel.clone(), order, &mut Silent).await
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.gateway.books.lock().unwrap()
    }

    fn behave(&self, manner: Manner) {
        *self.gateway.manner.lock().unwrap() = manner;
    }
}

fn calm() -> Manner {
    Manner { max_rows: 2_000, ..Manner::default() }
}

/// A file of `rows` rows: some that can't pass here, some that the gateway refuses.
fn file(rows: usize) -> String {
    let mut text = String::from(
        "\u{feff}forename,record_id,extracted_at,event_date,nhs_number,centre,attendee,activity\r\n",
    );
    for row in 0..rows {
        let nhs = if row % 97 == 5 { "9999999999" } else { "9990000018" };
        let forename = if row % 41 == 7 { "Refused" } else { "Ann" };
        text.push_str(&format!(
            "{forename},r{row:06},2026-04-02,2026-03-10,{nhs},CC01,child,outreach\r\n"
        ));
    }
    text
}

fn counts(rows: usize) -> (u64, u64, u64) {
    let here = (0..rows).filter(|row| row % 97 == 5).count() as u64;
    let there = (0..rows).filter(|row| row % 97 != 5 && row % 41 == 7).count() as u64;
    (here, there, rows as u64 - here - there)
}

#[tokio::test]
async fn a_file_is_pushed_acknowledged_and_accounted_for() {
    let world = World::new(calm());
    let order = world.order(&file(1_050));
    let report = world.push(&order).await.unwrap();
    let (here, there, good) = counts(1_050);
    assert_eq!((report.rows, report.well_formed, report.sent_before), (1_050, good, 0));
    assert_eq!((report.rejected, report.rejected_here), (here + there, here));
    assert!(!report.is_clean());
    assert_eq!(report.reasons[0].code, "clause-one");
    assert_eq!(report.receipts().count(), 1 + 11 + 1);

    let books = world.books();
    let open = &books.opens[0];
    assert_eq!((open.record_type.as_str(), open.columns[0].as_str()), ("attendance", "forename"));
    assert_eq!((open.extract_day.as_str(), open.dry_run), ("2026-06-30", false));
    assert_eq!(books.stored.len() as u64, good);
    assert!(!books.received.contains(&"r000005".to_owned()), "refused here, never sent");

    let rejects = fs::read_to_string(order.rejects.as_ref().unwrap()).unwrap();
    let numbers: Vec<u64> =
        rejects.lines().skip(1).map(|l| l.split(',').nth(8).unwrap().parse().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.len() as u64 == here + there);
    let first = rejects.lines().nth(1).unwrap();
    assert!(first.starts_with("Ann,r000005,") && first.contains(",7,nhs_number,nhs-all-same,"));
    assert!(rejects.contains(",9,forename;forename,clause-one;clause-two,the clause says so |"));

    let kept = fs::read(order.receipts.as_ref().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<PushReport>(&kept).unwrap(), report);
    assert!(!journal_path(&order.file).exists());
}

#[tokio::test]
async fn acknowledgements_may_come_late_and_in_any_order() {
    let world = World::new(Manner { hold: Some(4), ..calm() });
    let order = world.order(&file(1_650));
    let report = world.push(&order).await.unwrap();
    assert_eq!(report.rows, 1_650);
    assert_eq!(world.books().most_in_flight, 4);
    let sequences: Vec<_> = report.sessions[0].batches.iter().map(|b| b.sequence).collect();
    assert_eq!(sequences, (1..=17).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_gateways_limit_of_rows_is_kept() {
    let world = World::new(Manner { max_rows: 30, ..calm() });
    let report = world.push(&world.order(&file(500))).await.unwrap();
    assert_eq!((report.rows, world.books().largest_batch), (500, 30));
}

#[tokio::test]
async fn a_dry_run_leaves_neither_journal_nor_receipts() {
    let world = World::new(calm());
    let mut order = world.order(&file(300));
    order.dry_run = true;
    let report = world.push(&order).await.unwrap();
    assert!(report.dry_run && world.books().opens[0].dry_run);
    assert!(!order.receipts.unwrap().exists());
    assert!(!journal_path(&order.file).exists());
}

#[tokio::test]
async fn refusals_say_why_at_once_and_in_mid_stream() {
    let world = World::new(Manner { refuse: true, ..calm() });
    let mut order = world.order(&file(500));
    let error = world.push(&order).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the gateway refused: the protocol is suspended [PROTOCOL_SUSPENDED] (0 rows were acknowledged)"
    );
    assert_eq!(error.status().map(Status::code), Some(Code::PermissionDenied));

    world.behave(Manner { suspend_at: Some(3), ..calm() });
    let error = world.push(&order).await.unwrap_err();
    assert!(matches!(error, PushError::Refused { rows: 100..=200, .. }), "{error}");
    // Reinstated, the push goes on.
    world.behave(calm());
    order.resume = true;
    assert_eq!(world.push(&order).await.unwrap().rows, 500);
}

#[tokio::test]
async fn sums_that_cannot_be_right_are_not_believed() {
    let world = World::new(Manner { miscount: true, ..calm() });
    let error = world.push(&world.order(&file(200))).await.unwrap_err();
    assert!(matches!(error, PushError::Unexpected("the sums of a batch")), "{error}");
}

#[tokio::test]
async fn files_that_hold_nothing_to_send_and_files_that_break_off() {
    let world = World::new(calm());
    let headings = file(0);
    let report = world.push(&world.order(&headings)).await.unwrap();
    assert_eq!((report.rows, report.batches, report.receipts().count()), (0, 0, 2));

    let refused = format!("{headings}{}", "Ann,1,2,3,4\r\n".repeat(250));
    let report = world.push(&world.order(&refused)).await.unwrap();
    assert_eq!((report.rows, report.rejected_here, report.batches), (250, 250, 0));
    assert!(world.books().received.is_empty());

    // What stands before a line that can't be read is pushed, acknowledged and kept.
    let broken = format!("{}{}", file(250), "9".repeat(2 << 20));
    let error = world.push(&world.order(&broken)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("line 252 is longer than 1 MiB") && !text.contains("99"), "{text}");
    assert_eq!(world.books().acknowledged.len(), 250 - 3);

    let nothing = world.push(&world.order("")).await.unwrap_err();
    assert!(nothing.to_string().contains("the file is empty"), "{nothing}");
}

#[tokio::test]
async fn receipts_are_never_overwritten() {
    let world = World::new(calm());
    let order = world.order(&file(10));
    world.push(&order).await.unwrap();
    let again = world.push(&order).await.unwrap();
    assert_eq!(again.sent_before, again.well_formed);
    let first = fs::read_to_string(world.path("receipts/centres/attendance.json")).unwrap();
    let second = fs::read_to_string(world.path("receipts/centres/attendance.2.json")).unwrap();
    assert!(first.contains("\"sent_before\": 0") && second.contains("\"sent_before\": 8"));
}
