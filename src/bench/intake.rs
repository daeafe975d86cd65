//! Records end to end: mutual TLS, token, protocol, validation, pseudonyms, linkage, durable
//! and logged; beside a bare loop that writes the very same rows.
//!
//! The files are those of the demo, read before the clock starts; the five partners push at
//! once, batches of one size, a few in flight. The limit takes what this left in the
//! database and writes it again, one transaction a batch, one writer a partner, into an empty
//! database of the same kind.

use super::{
    BenchError, Row,
    sample::{Memory, Sample, rate, row},
    site::{Scratch, Site, place},
};
use crate::{
    demo::{
        agreements::protocol_id,
        journey::{self, EXTRACT_DAY, Service},
    },
    identity::Clock,
    protocol::template::Template,
    store::{Store, bench as bare},
    wire::v1::{
        PushOpen, PushRequest, RecordBatch, RecordRow, intake_service_client::IntakeServiceClient,
        push_request::Message, push_response::Message as Answer,
    },
};
use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;

/// Rows of a batch.
const BATCH_ROWS: usize = 1_000;
/// Batches of a stream that may be unacknowledged.
const IN_FLIGHT: usize = 4;

/// One file, ready to be sent.
#[derive(Clone)]
pub(super) struct Feed {
    open: PushOpen,
    pub(super) batches: Vec<RecordBatch>,
}

pub(super) async fn measure(
    scratch: &mut Scratch,
    clock: &Arc<dyn Clock>,
    children: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    say(&format!("intake: making up {children} children and five partners' files"));
    let areas = journey::areas(place());
    let site = Site::open(scratch, "intake", children, areas, clock).await?;
    let mut senders = Vec::new();
    let mut records = 0;
    for template in Template::ALL {
        let feeds = read_feeds(&site.path("files"), *template, BATCH_ROWS)?;
        let rows =
            |feed: &Feed| feed.batches.iter().map(|batch| batch.rows.len() as u64).sum::<u64>();
        records += feeds.iter().map(rows).sum::<u64>();
        senders.push((journey::connect(&site.ground.dir, template.code()).await?, feeds));
    }
    let before = *site.running.gateway().sequencer().size().borrow();
    say(&format!("intake: five partners push {records} records"));
    let memory = Memory::watch();
    let sample = push_all(senders).await?;
    let peak = memory.peak_mib();
    let batches = bare::batches(site.running.gateway().store(), before).await?;
    site.close().await?;
    say("intake: the bare loop writes the same rows");
    let limit = write_bare(scratch.store("intake_bare").await?, batches).await?;
    let figures = (rate(records, sample.elapsed), rate(records, limit));
    Ok(vec![row(("intake", "records/s"), scratch.engine(), figures, &sample, peak)])
}

/// A partner's files, cut into batches of so many rows.
pub(super) fn read_feeds(
    files: &Path,
    template: Template,
    batch_rows: usize,
) -> Result<Vec<Feed>, BenchError> {
    let mut feeds = Vec::new();
    for record_type in template.record_types() {
        let path = files.join(format!("{}/{record_type}.csv", template.code()));
        // Consents are there already; not every other type that an agency may send is made up.
        if record_type.definition().statement || !path.exists() {
            continue;
        }
        let mut reader = csv::Reader::from_path(path)?;
        let open = PushOpen {
            protocol_id: protocol_id(template),
            record_type: record_type.name().to_owned(),
            columns: reader.headers()?.iter().map(str::to_owned).collect(),
            extract_day: EXTRACT_DAY.to_string(),
            ..PushOpen::default()
        };
        let mut batches: Vec<RecordBatch> = Vec::new();
        for record in reader.records() {
            let values = record?.iter().map(str::to_owned).collect();
            if batches.last().is_none_or(|batch| batch.rows.len() == batch_rows) {
                let sequence = batches.len() as u64 + 1;
                batches.push(RecordBatch { sequence, rows: Vec::with_capacity(batch_rows) });
            }
            if let Some(batch) = batches.last_mut() {
                batch.rows.push(RecordRow { values, blinded: None });
            }
        }
        feeds.push(Feed { open, batches });
    }
    Ok(feeds)
}

/// All partners at once, each file of one after the other.
async fn push_all(senders: Vec<(Service, Vec<Feed>)>) -> Result<Sample, BenchError> {
    let begun = Instant::now();
    let mut pushes = JoinSet::new();
    for (service, feeds) in senders {
        pushes.spawn(async move {
            let mut took = Vec::new();
            for feed in feeds {
                took.extend(push(service.clone(), feed).await?);
            }
            Ok::<_, BenchError>(took)
        });
    }
    let mut sample = Sample::default();
    while let Some(done) = pushes.join_next().await {
        sample.calls.extend(done.map_err(|_| BenchError::CutShort)??);
    }
    sample.elapsed = begun.elapsed();
    Ok(sample)
}

/// One file; what each batch took from its sending to its acknowledgement.
pub(super) async fn push(service: Service, feed: Feed) -> Result<Vec<Duration>, BenchError> {
    let (send, stream) = mpsc::channel(IN_FLIGHT + 1);
    let message = |message| PushRequest { message: Some(message) };
    // There is room for the opening and for what may be in flight; a stream that broke says
    // why with its next answer.
    let _ = send.send(message(Message::Open(feed.open))).await;
    let mut client = IntakeServiceClient::new(service);
    let mut answers = client.push(ReceiverStream::new(stream)).await?.into_inner();
    let (mut batches, mut send) = (feed.batches.into_iter(), Some(send));
    let (mut sent, mut took) = (VecDeque::new(), Vec::new());
    loop {
        while sent.len() < IN_FLIGHT
            && let Some(open) = &send
        {
            match batches.next() {
                Some(batch) => {
                    sent.push_back(Instant::now());
                    let _ = open.send(message(Message::Batch(batch))).await;
                }
                None => send = None,
            }
        }
        match answers.message().await?.and_then(|answer| answer.message) {
            Some(Answer::Acknowledgement(_)) => {
                took.extend(sent.pop_front().map(|begun| begun.elapsed()));
            }
            Some(Answer::Opened(_)) => {}
            Some(Answer::Closed(_)) if sent.is_empty() => return Ok(took),
            Some(Answer::Closed(_)) | None => return Err(BenchError::CutShort),
        }
    }
}

/// The limit: the same rows, one writer a partner. Returns how long it took.
async fn write_bare(store: Store, batches: Vec<bare::BareBatch>) -> Result<Duration, BenchError> {
    let mut partners: BTreeMap<String, Vec<bare::BareBatch>> = BTreeMap::new();
    for batch in batches {
        partners.entry(batch.partner.clone()).or_default().push(batch);
    }
    let begun = Instant::now();
    let mut writers = JoinSet::new();
    for batches in partners.into_values() {
        let store = store.clone();
        writers.spawn(async move {
            for batch in &batches {
                bare::write(&store, batch).await?;
            }
            Ok::<_, BenchError>(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done.map_err(|_| BenchError::CutShort)??;
    }
    let took = begun.elapsed();
    store.close().await;
    Ok(took)
}
