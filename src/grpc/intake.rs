//! `tallygate.v1.IntakeService`: a stream of batches, an acknowledgement each.

use super::{
    Frame,
    blinding::blinded_row,
    observe::{current, followed},
    receipt,
    status::stopping,
};
use crate::{
    gateway::{
        Accepted, Actor, Blinding, KeyedBatch, MOST_ROWS, NamedRecords, OpenStream, Refused,
        Rejection, RowReader, StreamTotals, UndoCause,
    },
    store::Logged,
    wire::v1::{
        BatchAcknowledgement, EraseRecordsRequest, EraseRecordsResponse, FindRecordsRequest,
        FindRecordsResponse, PushClosed, PushOpen, PushOpened, PushRequest, PushResponse,
        RecordBatch, RecordRow, RowRejection, UndoReason, UndoStreamRequest, UndoStreamResponse,
        intake_service_server, push_request, push_response,
    },
};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;

/// Acknowledgements that may wait for a slow reader before its batches wait too.
const UNREAD: usize = 4;

/// The intake service.
#[derive(Debug, Clone)]
pub struct IntakeService(pub Arc<Frame>);

/// Batches that are read while one is being stored.
const READ_AHEAD: usize = 1;
/// How long a sender may take for its next message, and to read an answer: beyond, it keeps a
/// stream's place from others. What was acknowledged stays, and it opens another stream.
const SLOWEST: Duration = Duration::from_secs(600);

type Answers = Pin<Box<dyn Stream<Item = Result<PushResponse, Status>> + Send>>;

#[tonic::async_trait]
impl intake_service_server::IntakeService for IntakeService {
    type PushStream = Answers;

    async fn push(
        &self,
        request: Request<Streaming<PushRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let actor = self.0.recognise(&request).await?;
        let frame = Arc::clone(&self.0);
        let (answers, answered) = mpsc::channel(UNREAD);
        let serving = async move {
            let mut requests = request.into_inner();
            let stream = serve(&frame, actor, &mut requests, &answers);
            if let Err(status) = stream.await {
                // A caller that has gone away needs no answer; what was accepted stays.
                let _ = time::timeout(SLOWEST, answers.send(Err(status))).await;
            }
        };
        tokio::spawn(followed(current(), serving).in_current_span());
        Ok(Response::new(Box::pin(ReceiverStream::new(answered))))
    }

    async fn undo_stream(
        &self,
        request: Request<UndoStreamRequest>,
    ) -> Result<Response<UndoStreamResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let request = request.into_inner();
        let Some(cause) = cause(request.reason()) else {
            let refused = Refused::invalid("reason", "one of the reasons, not unspecified");
            return Err(frame.status(frame.gateway().refuse_malformed(&actor, refused).await));
        };
        let (opened, hash) = (request.opened_leaf_index, &request.opened_leaf_hash);
        let undone = frame.gateway().undo_stream(&actor, opened, hash, cause).await;
        let (undone, proof) = undone.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(UndoStreamResponse {
            batches: undone.batches,
            records: undone.records,
            undone_at: undone.undone_at,
            already: undone.already,
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn erase_records(
        &self,
        request: Request<EraseRecordsRequest>,
    ) -> Result<Response<EraseRecordsResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let EraseRecordsRequest { record_type, record_ids } = request.into_inner();
        let named = NamedRecords { record_type, record_ids };
        let erased = frame.gateway().erase_records(&actor, named).await;
        let (received, proof) = erased.map_err(|denied| frame.status(denied))?.into_parts();
        let received = u32::try_from(received).unwrap_or(u32::MAX);
        Ok(Response::new(EraseRecordsResponse { received, receipt: Some(receipt(&proof)) }))
    }

    async fn find_records(
        &self,
        request: Request<FindRecordsRequest>,
    ) -> Result<Response<FindRecordsResponse>, Status> {
        let frame = &self.0;
        let actor = frame.recognise(&request).await?;
        let FindRecordsRequest { record_type, record_ids } = request.into_inner();
        let named = NamedRecords { record_type, record_ids };
        let found = frame.gateway().find_records(&actor, named).await;
        let (held, proof) = found.map_err(|denied| frame.status(denied))?.into_parts();
        Ok(Response::new(FindRecordsResponse { held, receipt: Some(receipt(&proof)) }))
    }
}

const fn cause(reason: UndoReason) -> Option<UndoCause> {
    match reason {
        UndoReason::Unspecified => None,
        UndoReason::WrongFile => Some(UndoCause::WrongFile),
        UndoReason::WrongValues => Some(UndoCause::WrongValues),
        UndoReason::WrongPeriod => Some(UndoCause::WrongPeriod),
        UndoReason::NotToBeShared => Some(UndoCause::NotToBeShared),
    }
}

type Sender = mpsc::Sender<Result<PushResponse, Status>>;

async fn serve(
    frame: &Arc<Frame>,
    actor: Actor,
    requests: &mut Streaming<PushRequest>,
    answers: &Sender,
) -> Result<(), Status> {
    let Some(push_request::Message::Open(open)) = next(frame, &actor, requests).await? else {
        return Err(malformed(frame, &actor, "the first message opens the stream").await);
    };
    let opened = frame.gateway().open_stream(actor.clone(), opening(open)).await;
    let (mut intake, proof) = opened.map_err(|denied| frame.status(denied))?.into_parts();
    let opened = PushOpened {
        protocol_version: intake.protocol_version(),
        max_rows: u32::try_from(MOST_ROWS).unwrap_or(u32::MAX),
        receipt: Some(receipt(&proof)),
        warnings: intake.protocol_warnings(),
    };
    answer(answers, push_response::Message::Opened(opened)).await?;
    let (read, mut batches) = mpsc::channel(READ_AHEAD);
    let reading = read_batches(frame, &actor, intake.reader(), requests, read);
    let taking = async {
        while let Some((sequence, batch)) = batches.recv().await {
            let (accepted, logged) =
                intake.take_batch(batch).await.map_err(|denied| frame.status(denied))?;
            let taken = acknowledgement(sequence, &accepted, logged.as_ref());
            answer(answers, push_response::Message::Acknowledgement(taken)).await?;
        }
        Ok(())
    };
    let ended = tokio::try_join!(reading, taking);
    // However the stream ended, the log says so, with its size class.
    let closed = intake.close().await.map_err(|denied| frame.status(denied))?;
    if ended?.0 == End::Stopped {
        return Err(stopping());
    }
    answer(answers, push_response::Message::Closed(closing(&closed))).await
}

async fn next(
    frame: &Frame,
    actor: &Actor,
    requests: &mut Streaming<PushRequest>,
) -> Result<Option<push_request::Message>, Status> {
    let message = time::timeout(SLOWEST, requests.message()).await;
    let too_slow = |_| Status::deadline_exceeded("no batch came in time; open another stream");
    match message.map_err(too_slow)?? {
        None => Ok(None),
        Some(PushRequest { message: Some(message) }) => Ok(Some(message)),
        Some(PushRequest { message: None }) => {
            Err(malformed(frame, actor, "an opening or a batch, not an empty message").await)
        }
    }
}

/// A message that does not belong into a stream is refused like anything else: logged, and
/// with a receipt.
async fn malformed(frame: &Frame, actor: &Actor, rule: &'static str) -> Status {
    let refused = Refused::invalid("message", rule);
    frame.status(frame.gateway().refuse_malformed(actor, refused).await)
}

async fn answer(answers: &Sender, message: push_response::Message) -> Result<(), Status> {
    let response = PushResponse { message: Some(message) };
    match time::timeout(SLOWEST, answers.send(Ok(response))).await {
        Ok(sent) => sent.map_err(|_| Status::cancelled("the caller has gone away")),
        Err(_) => Err(Status::deadline_exceeded("the answers were not read in time")),
    }
}

pub(super) fn opening(open: PushOpen) -> OpenStream {
    let blinding = open.blinded.map(|blinded| Blinding {
        public_key: blinded.public_key,
        rules: blinded.rules,
        identifier_rules: blinded.identifier_rules,
        comparison_rules: blinded.comparison_rules,
    });
    OpenStream {
        protocol: open.protocol_id,
        version: open.protocol_version,
        record_type: open.record_type,
        purpose: open.purpose,
        columns: open.columns,
        extract_day: open.extract_day,
        dry_run: open.dry_run,
        blinding,
    }
}

/// Why no more batches are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// There are no more.
    Sent,
    /// The gateway stops. What was read is stored and acknowledged; what was not is the sender's.
    Stopped,
}

/// Checks and keys batches as they come, ahead of the one that is being stored.
async fn read_batches(
    frame: &Frame,
    actor: &Actor,
    reader: Arc<RowReader>,
    requests: &mut Streaming<PushRequest>,
    read: mpsc::Sender<(u64, KeyedBatch)>,
) -> Result<End, Status> {
    loop {
        let message = tokio::select! {
            biased;
            () = frame.stop().cancelled() => return Ok(End::Stopped),
            message = next(frame, actor, requests) => message?,
        };
        let Some(message) = message else { return Ok(End::Sent) };
        let push_request::Message::Batch(RecordBatch { sequence, rows }) = message else {
            return Err(malformed(frame, actor, "a stream is opened once; send batches").await);
        };
        let reader = Arc::clone(&reader);
        // Milliseconds of work: not on a thread that others' connections wait for.
        let keyed = if reader.is_blinded() {
            let row = |row: RecordRow| (row.values, row.blinded.and_then(blinded_row));
            let rows = rows.into_iter().map(row).collect();
            tokio::task::spawn_blocking(move || reader.read_blinded(rows)).await
        } else if rows.iter().any(|row| row.blinded.is_some()) {
            let rule =
                "a blinded row in a stream that was opened for rows in clear; open it blinded";
            return Err(malformed(frame, actor, rule).await);
        } else {
            let rows = rows.into_iter().map(|row| row.values).collect();
            tokio::task::spawn_blocking(move || reader.read(rows)).await
        };
        let keyed = keyed.map_err(|_| Status::internal("a batch could not be read"))?;
        let keyed = keyed.map_err(|error| frame.status(error.into()))?;
        if read.send((sequence, keyed)).await.is_err() {
            return Ok(End::Sent);
        }
    }
}

fn acknowledgement(
    sequence: u64,
    accepted: &Accepted,
    logged: Option<&Logged<()>>,
) -> BatchAcknowledgement {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    BatchAcknowledgement {
        sequence,
        well_formed: count(accepted.well_formed),
        sent_before: count(accepted.sent_before),
        rejections: accepted.rejections.iter().map(rejection).collect(),
        partner_sequence: logged.and_then(Logged::partner_sequence).unwrap_or(0),
        receipt: logged.map(|logged| receipt(logged.receipt())),
    }
}

fn rejection(rejection: &Rejection) -> RowRejection {
    RowRejection {
        row: u32::try_from(rejection.row).unwrap_or(u32::MAX),
        field: rejection.field.to_owned(),
        rule: rejection.rule.to_owned(),
        message: rejection.sentence.to_owned(),
    }
}

fn closing(closed: &Logged<StreamTotals>) -> PushClosed {
    let totals = closed.value();
    PushClosed {
        batches: totals.batches,
        well_formed: totals.well_formed,
        sent_before: totals.sent_before,
        rejected: totals.rejected,
        receipt: Some(receipt(closed.receipt())),
    }
}
