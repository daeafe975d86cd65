//! A file to the gateway: batches in flight, acknowledgements back, rejects and receipts kept.
//!
//! Why it exists: a partner's data officer pushes an extract and learns row by row what was
//! wrong with it, and a push that breaks anywhere goes on where it was acknowledged.
//!
//! Invariants:
//! - Rows count as acknowledged only when they and all rows before them are; only then do
//!   their rejects and their line in the journal get written, in this order. A crash between
//!   the two writes rejects again and not twice: the journal knows the rejects' length.
//! - What is sent again after a break is what was not acknowledged; what of it had been
//!   stored all the same the gateway recognises by `record_id`.
//! - No error or Debug text holds a value.

use super::{
    batches::{Batch, Cut, read_batches},
    blind,
    journal::{Journal, Subject},
    order::{Blinding, Progress, PushError, PushOrder, failure},
    rejects_file,
    report::{BatchOutcome, KeptReceipt, PushReport, Session, add_reason},
};
use crate::{
    domain::RecordType,
    files::{Complaint, FileCheck, FilesError, Input, Mapping, RejectsWriter},
    wire::v1::{
        BatchAcknowledgement, PushClosed, PushOpen, PushOpened, PushRequest, PushResponse,
        RecordBatch, intake_service_client::IntakeServiceClient, push_request, push_response,
    },
};
use jiff::civil::Date;
use std::{collections::VecDeque, fs::File, io, path::Path, sync::Arc};
use tokio::{sync::mpsc, task};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    body::Body as RpcBody,
    client::GrpcService,
    codegen::{Body, Bytes, StdError},
};

/// Pushes a file over `service` (a channel, with whatever adds the caller's token).
///
/// A dry run keeps no journal and writes no receipts. The receipts are written before the
/// journal goes, so that a push whose end was missed can be resumed for them.
///
/// # Errors
/// Each with what to do about it. What was acknowledged before an error stays acknowledged.
pub async fn push<T>(
    service: T,
    order: &PushOrder,
    progress: &mut dyn Progress,
) -> Result<PushReport, PushError>
where
    T: GrpcService<RpcBody> + Clone + Send + 'static,
    T::Error: Into<StdError>,
    T::Future: Send,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<StdError> + Send,
{
    let file_error = |source| PushError::File { path: order.file.clone(), source };
    let (path, record_type, today) = (order.file.clone(), order.record_type, order.today);
    let mapping = order.mapping.clone();
    let prepared = task::spawn_blocking(move || prepare(&path, record_type, mapping, today)).await;
    let source = prepared.map_err(io::Error::from).map_err(FilesError::from);
    let source = source.and_then(|prepared| prepared).map_err(file_error)?;

    let mut desk = Desk::set_up(order, &source, progress)?;
    let (outbound, stream) = mpsc::channel(order.in_flight.max(1) + 1);
    let open = opening(order, &source.columns);
    let message = push_request::Message::Open(open.clone());
    // The queue was just made, with room.
    let _ = outbound.send(PushRequest { message: Some(message) }).await;
    let mut client = IntakeServiceClient::new(service.clone());
    let answer = client.push(ReceiverStream::new(stream)).await;
    let mut inbound = answer.map_err(|status| failure(status, desk.report.rows))?.into_inner();
    let max_rows = desk.wait_for_opening(&mut inbound, source.input.bytes()).await?;

    let cut = Cut {
        path: order.file.clone(),
        record_type,
        skip: desk.report.rows,
        batch_rows: order.batch_rows.min(max_rows).max(1) as usize,
        check_first: order.check_first || blinding(order).is_some(),
        keep_originals: desk.rejects.is_some(),
        mapping: order.mapping.clone(),
        today,
    };
    let mut batches = read_batches(source.input, cut);
    if let Some(blinding) = blinding(order).cloned() {
        let room = blind::Desk::new(service, open, record_type, blinding, today)?;
        batches = blind::blind_batches(batches, room);
    }
    let closed = desk.exchange(batches, outbound, &mut inbound).await?;
    desk.finish(closed)
}

/// A file that can be pushed.
struct Source {
    input: Input,
    /// Its headings, for the rejects.
    headings: Vec<String>,
    /// What is sent of it.
    columns: Vec<String>,
}

/// Opens it, looks at all of it, and checks the headings.
fn prepare(
    path: &Path,
    record_type: RecordType,
    mapping: Option<Arc<Mapping>>,
    today: Date,
) -> Result<Source, FilesError> {
    let input = Input::open(path)?;
    let headings = input.table()?.columns().to_vec();
    let check = FileCheck::mapped(record_type, &headings, mapping, today)?;
    let columns = check.columns().to_vec();
    Ok(Source { input, headings, columns })
}

/// How the rows are blinded. Statements about consents are not: they name nobody but by the
/// sender's own references, which the gateway evaluates.
fn blinding(order: &PushOrder) -> Option<&Blinding> {
    order.blinding.as_ref().filter(|_| !order.record_type.definition().statement)
}

fn opening(order: &PushOrder, columns: &[String]) -> PushOpen {
    PushOpen {
        protocol_id: order.protocol.to_string(),
        protocol_version: order.protocol_version,
        record_type: order.record_type.name().to_owned(),
        purpose: order.purpose.clone(),
        columns: columns.to_vec(),
        extract_day: order.extract_day.to_string(),
        dry_run: order.dry_run,
        blinded: blinding(order).map(blind::stream),
    }
}

/// A batch on its way. No Debug: it holds values.
struct Pending {
    sequence: u64,
    batch: Batch,
    /// `None` while unacknowledged; a batch with nothing to send needs no answer.
    answer: Option<BatchAcknowledgement>,
}

/// The sender's desk: what is on its way, and the books of what came back.
struct Desk<'a> {
    order: &'a PushOrder,
    progress: &'a mut dyn Progress,
    report: PushReport,
    journal: Option<Journal>,
    rejects: Option<RejectsWriter<File>>,
    pending: VecDeque<Pending>,
    sequence: u64,
}

impl<'a> Desk<'a> {
    fn set_up(
        order: &'a PushOrder,
        source: &Source,
        progress: &'a mut dyn Progress,
    ) -> Result<Self, PushError> {
        if let Some(path) = &order.rejects {
            rejects_file::refuse_itself(&order.file, path)
                .map_err(|source| PushError::File { path: path.clone(), source })?;
        }
        let (protocol, record_type) = (order.protocol.as_str(), order.record_type.name());
        let subject = Subject {
            file_sha256: source.input.sha256().to_owned(),
            protocol_id: protocol.to_owned(),
            record_type: record_type.to_owned(),
            rejects: order.rejects.clone(),
            mapping: order.mapping.as_ref().map(|mapping| mapping.sha256().to_owned()),
        };
        let earlier = if order.resume && !order.dry_run {
            Journal::resume(&order.file, &subject)?
        } else {
            None
        };
        let (journal, resumed, aside) = match earlier {
            Some((journal, resumed)) => (Some(journal), Some(resumed), None),
            None if order.dry_run => (None, None, None),
            None => {
                let (journal, aside) = Journal::begin(&order.file, &subject)?;
                (Some(journal), None, aside)
            }
        };
        let (rejects, rejects_aside) =
            rejects_file::open(order.rejects.as_deref(), resumed.as_ref(), &source.headings)?;
        let mut report = resumed.map_or_else(
            || PushReport::begin(&order.file, source.input.sha256(), protocol, record_type),
            |resumed| resumed.report,
        );
        report.dry_run = order.dry_run;
        report.set_aside = aside;
        report.rejects_set_aside = rejects_aside;
        let pending = VecDeque::new();
        Ok(Self { order, progress, report, journal, rejects, pending, sequence: 0 })
    }

    /// Waits for the first answer; returns the most rows a batch may have.
    async fn wait_for_opening(
        &mut self,
        inbound: &mut Streaming<PushResponse>,
        file_bytes: u64,
    ) -> Result<u32, PushError> {
        let PushOpened { protocol_version, max_rows, receipt, warnings } =
            match self.next_answer(inbound).await? {
                push_response::Message::Opened(opened) => opened,
                push_response::Message::Acknowledgement(_) | push_response::Message::Closed(_) => {
                    return Err(PushError::Unexpected("the stream was not opened first"));
                }
            };
        let opened: Option<KeptReceipt> = receipt.map(Into::into);
        if let Some(journal) = &mut self.journal {
            journal.opened(protocol_version, opened.clone())?;
        }
        let batches = self.report.sessions.iter().flat_map(|s| &s.batches);
        let done = batches.last().map_or(0, |b| b.file_bytes);
        self.report.sessions.push(Session { protocol_version, opened, ..Session::default() });
        self.report.warnings = warnings;
        self.progress.opened(file_bytes, done);
        Ok(max_rows)
    }

    async fn next_answer(
        &self,
        inbound: &mut Streaming<PushResponse>,
    ) -> Result<push_response::Message, PushError> {
        let rows = self.report.rows;
        match inbound.message().await {
            Ok(Some(PushResponse { message: Some(message) })) => Ok(message),
            Ok(Some(PushResponse { message: None })) => {
                Err(PushError::Unexpected("an empty answer"))
            }
            Ok(None) => Err(PushError::Broken { status: None, rows }),
            Err(status) => Err(failure(status, rows)),
        }
    }

    /// Sends batches and takes answers until the gateway closes the stream. An error of the
    /// file, or of blinding it, is told only after what was sent is acknowledged.
    async fn exchange(
        &mut self,
        mut batches: mpsc::Receiver<Result<Batch, PushError>>,
        outbound: mpsc::Sender<PushRequest>,
        inbound: &mut Streaming<PushResponse>,
    ) -> Result<PushClosed, PushError> {
        // Dropping the queue half-closes the stream.
        let mut outbound = Some(outbound);
        let mut failed = None;
        loop {
            let room = outbound.is_some() && self.pending.len() < self.order.in_flight.max(1);
            tokio::select! {
                next = batches.recv(), if room => match next {
                    Some(Ok(batch)) => self.send(batch, outbound.as_ref()).await?,
                    Some(Err(error)) => (failed, outbound) = (Some(error), None),
                    None => outbound = None,
                },
                answer = self.next_answer(inbound) => match answer? {
                    push_response::Message::Acknowledgement(answer) => self.take(answer)?,
                    push_response::Message::Opened(_) => {
                        return Err(PushError::Unexpected("the stream was opened twice"));
                    }
                    push_response::Message::Closed(closed) => {
                        if let Some(error) = failed {
                            return Err(error.after(self.report.rows));
                        }
                        if outbound.is_some() || !self.pending.is_empty() {
                            return Err(PushError::Unexpected("the stream was closed early"));
                        }
                        return Ok(closed);
                    }
                },
            }
        }
    }

    async fn send(
        &mut self,
        mut batch: Batch,
        outbound: Option<&mpsc::Sender<PushRequest>>,
    ) -> Result<(), PushError> {
        let rows = std::mem::take(&mut batch.send);
        if rows.is_empty() {
            let answer = Some(BatchAcknowledgement::default());
            self.pending.push_back(Pending { sequence: 0, batch, answer });
            return self.settle();
        }
        self.sequence += 1;
        self.pending.push_back(Pending { sequence: self.sequence, batch, answer: None });
        let batch = RecordBatch { sequence: self.sequence, rows };
        let message = PushRequest { message: Some(push_request::Message::Batch(batch)) };
        if let Some(outbound) = outbound {
            // There is room for what may be in flight. Where the stream broke, its own error
            // comes with the next answer.
            let _ = outbound.send(message).await;
        }
        Ok(())
    }

    /// Takes an acknowledgement, in whatever order they come.
    fn take(&mut self, answer: BatchAcknowledgement) -> Result<(), PushError> {
        let found =
            self.pending.iter_mut().find(|p| p.sequence == answer.sequence && p.sequence > 0);
        let Some(pending) = found.filter(|p| p.answer.is_none()) else {
            return Err(PushError::Unexpected("an acknowledgement of no batch"));
        };
        pending.answer = Some(answer);
        self.settle()
    }

    /// Enters what is acknowledged with all before it into the books.
    fn settle(&mut self) -> Result<(), PushError> {
        while self.pending.front().is_some_and(|p| p.answer.is_some()) {
            let Some(Pending { sequence, batch, answer: Some(answer) }) = self.pending.pop_front()
            else {
                break;
            };
            let outcome = self.enter(sequence, batch, answer)?;
            if let Some(journal) = &mut self.journal {
                journal.acknowledged(outcome.clone())?;
            }
            let done = outcome.file_bytes;
            self.report.add(outcome);
            self.progress.acknowledged(done, self.report.rows, self.report.rejected);
        }
        Ok(())
    }

    /// Writes a batch's rejects, in the file's order, and sums it up.
    fn enter(
        &mut self,
        sequence: u64,
        batch: Batch,
        answer: BatchAcknowledgement,
    ) -> Result<BatchOutcome, PushError> {
        let Batch { rows, file_bytes, originals, refused, .. } = batch;
        let (rejected_here, sent) = (refused.len() as u64, originals.len() as u64);
        let mut complaints: Vec<Vec<Complaint>> = vec![Vec::new(); originals.len()];
        for rejection in answer.rejections {
            let of_row =
                usize::try_from(rejection.row).ok().and_then(|row| complaints.get_mut(row));
            let of_row = of_row.ok_or(PushError::Unexpected("a rejection of no row"))?;
            of_row.push(Complaint {
                field: rejection.field.into(),
                code: rejection.rule.into(),
                message: rejection.message.into(),
            });
        }
        let by_gateway = complaints.iter().filter(|c| !c.is_empty()).count() as u64;
        let well_formed = u64::from(answer.well_formed);
        if well_formed + by_gateway != sent || u64::from(answer.sent_before) > well_formed {
            return Err(PushError::Unexpected("the sums of a batch"));
        }
        let mut rejected: Vec<_> = originals.into_iter().zip(complaints).collect();
        rejected.retain(|(_, complaints)| !complaints.is_empty());
        rejected.extend(refused);
        rejected.sort_by_key(|(original, _)| original.number);
        let mut reasons = Vec::new();
        for complaint in rejected.iter().flat_map(|(_, complaints)| complaints) {
            add_reason(&mut reasons, &complaint.field, &complaint.code, 1);
        }
        let rejects_bytes = match (&mut self.rejects, &self.order.rejects) {
            (Some(writer), Some(path)) => {
                let mut write = || -> Result<u64, FilesError> {
                    for (original, complaints) in &rejected {
                        writer.write(original.number, &original.record, complaints)?;
                    }
                    writer.flush()?;
                    Ok(writer.get_ref().metadata()?.len())
                };
                write().map_err(|source| PushError::File { path: path.clone(), source })?
            }
            _ => 0,
        };
        Ok(BatchOutcome {
            sequence,
            rows,
            well_formed,
            sent_before: u64::from(answer.sent_before),
            rejected: rejected.len() as u64,
            rejected_here,
            partner_sequence: answer.partner_sequence,
            file_bytes,
            rejects_bytes,
            reasons,
            receipt: answer.receipt.map(Into::into),
        })
    }

    /// Checks the gateway's sums against ours, and keeps the receipts.
    fn finish(mut self, closed: PushClosed) -> Result<PushReport, PushError> {
        if let Some(session) = self.report.sessions.last_mut() {
            let sum =
                |part: fn(&BatchOutcome) -> u64| session.batches.iter().map(part).sum::<u64>();
            // The rows rejected follow: every batch's sums were checked against what was sent.
            let ours = (
                sum(|b| u64::from(b.sequence > 0)),
                sum(|b| b.well_formed),
                sum(|b| b.sent_before),
            );
            if ours != (closed.batches, closed.well_formed, closed.sent_before) {
                return Err(PushError::Unexpected("the sums of the stream"));
            }
            session.closed = closed.receipt.map(Into::into);
        }
        if let (Some(path), false) = (&self.order.receipts, self.order.dry_run) {
            self.report
                .write_receipts(path)
                .map_err(|error| PushError::File { path: path.clone(), source: error.into() })?;
        }
        if let Some(journal) = self.journal {
            journal.finish()?;
        }
        Ok(self.report)
    }
}

#[cfg(test)]
mod tests;
