//! A browser's file to the gateway: the rows read and checked as the connector does ([`crate::files`]),
//! and taken by the very use case that its stream reaches.

use super::uploads::Upload;
use crate::{
    audit::Receipt,
    files::{Complaint, FileCheck, FileSummary, FilesError, Input, RejectsWriter, Verdict},
    gateway::{Accepted, Actor, Denied, Gateway, Intake, OpenStream},
    store::Logged,
};
use csv::ByteRecord;
use jiff::civil::Date;
use std::{borrow::Cow, io, sync::Arc};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task,
};

/// Rows of a batch.
const BATCH_ROWS: usize = 1_000;
/// Batches read ahead.
const READ_AHEAD: usize = 2;

/// Why a file was not taken.
pub(super) enum Stopped {
    /// The file itself can't be used.
    File(FilesError),
    /// The gateway said no.
    Denied(Denied),
}

impl From<FilesError> for Stopped {
    fn from(error: FilesError) -> Self {
        Self::File(error)
    }
}

impl From<Denied> for Stopped {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// What became of a file.
pub(super) struct Outcome {
    pub(super) summary: FileSummary,
    pub(super) sent_before: u64,
    pub(super) version: u32,
    pub(super) warnings: Vec<String>,
    /// Rejected rows with their reasons, as CSV.
    pub(super) rejects: Vec<u8>,
    /// Of the opening, each batch and the closing.
    pub(super) receipts: Vec<Receipt>,
}

/// A row as it was read: its values, or what is wrong with it. No Debug.
struct Read {
    number: u64,
    record: ByteRecord,
    values: Result<Vec<String>, Vec<Complaint>>,
}

type Batches = mpsc::Receiver<Result<Vec<Read>, FilesError>>;

/// A file that can be read: what is sent of it, and its headings.
struct Source {
    input: Input,
    headings: Vec<String>,
    columns: Vec<String>,
}

fn prepare(upload: &Upload, today: Date) -> Result<Source, FilesError> {
    let input = Input::in_memory(upload.bytes.clone())?;
    let headings = input.table()?.columns().to_vec();
    let check = FileCheck::mapped(upload.record_type, &headings, upload.mapping.clone(), today)?;
    let columns = check.columns().to_vec();
    Ok(Source { input, headings, columns })
}

/// Checks a file, or sends it. It goes on to its end where the browser goes away meanwhile: a
/// stream is closed in order, and its place is not another's before.
pub(super) async fn send(
    gateway: Arc<Gateway>,
    actor: Actor,
    (upload, dry_run): (Upload, bool),
    place: OwnedSemaphorePermit,
) -> Result<Outcome, Stopped> {
    let sending = task::spawn(async move {
        let _place = place;
        send_all(&gateway, actor, &upload, dry_run).await
    });
    sending.await.map_err(|error| FilesError::from(io::Error::from(error)))?
}

async fn send_all(
    gateway: &Arc<Gateway>,
    actor: Actor,
    upload: &Upload,
    dry_run: bool,
) -> Result<Outcome, Stopped> {
    let today = gateway.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let kept = upload.clone();
    let prepared = task::spawn_blocking(move || prepare(&kept, today)).await;
    let source = prepared.map_err(|error| FilesError::from(io::Error::from(error)))??;
    let open = OpenStream {
        protocol: upload.protocol.clone(),
        version: 0,
        record_type: upload.record_type.name().to_owned(),
        purpose: String::new(),
        columns: source.columns,
        extract_day: upload.extract_day.clone(),
        dry_run,
        blinding: None,
    };
    let (mut intake, opened) = gateway.open_stream(actor, open).await?.into_parts();
    let mut outcome = Outcome {
        summary: FileSummary::default(),
        sent_before: 0,
        version: intake.protocol_version(),
        warnings: intake.protocol_warnings(),
        rejects: Vec::new(),
        receipts: vec![opened],
    };
    let batches = read_batches(source.input, upload.clone(), today);
    let taken = take_all(&mut intake, batches, &source.headings, &mut outcome).await;
    // However it ended, the log says so, with its size class.
    let closed = intake.close().await?;
    taken?;
    outcome.receipts.push(closed.receipt().clone());
    Ok(outcome)
}

async fn take_all(
    intake: &mut Intake,
    mut batches: Batches,
    headings: &[String],
    outcome: &mut Outcome,
) -> Result<(), Stopped> {
    let mut rejects = RejectsWriter::begin(Vec::new(), headings)?;
    while let Some(batch) = batches.recv().await {
        let mut batch = batch?;
        let rows: Vec<Vec<String>> = batch
            .iter_mut()
            .filter_map(|read| read.values.as_mut().ok().map(std::mem::take))
            .collect();
        let mut accepted = Accepted::default();
        if !rows.is_empty() {
            let reader = intake.reader();
            // Milliseconds of work: not on a thread that others' connections wait for.
            let keyed = task::spawn_blocking(move || reader.read(rows)).await;
            let keyed = keyed.map_err(|error| FilesError::from(io::Error::from(error)))?;
            let (taken, logged) = intake.take_batch(keyed.map_err(Denied::from)?).await?;
            accepted = taken;
            outcome.receipts.extend(logged.as_ref().map(Logged::receipt).cloned());
        }
        enter(batch, &accepted, &mut rejects, outcome)?;
    }
    rejects.flush()?;
    outcome.rejects.clone_from(rejects.get_ref());
    Ok(())
}

/// Sums a batch up, and writes its rejects in the file's order.
fn enter(
    batch: Vec<Read>,
    accepted: &Accepted,
    rejects: &mut RejectsWriter<Vec<u8>>,
    outcome: &mut Outcome,
) -> Result<(), FilesError> {
    outcome.sent_before += accepted.sent_before as u64;
    let mut sent = 0;
    for Read { number, record, values } in batch {
        let complaints = match values {
            Err(complaints) => complaints,
            Ok(_) => {
                let place = sent;
                sent += 1;
                let own = accepted.rejections.iter().filter(|rejection| rejection.row == place);
                own.map(|rejection| Complaint {
                    field: Cow::Borrowed(rejection.field),
                    code: Cow::Borrowed(rejection.rule),
                    message: Cow::Borrowed(rejection.sentence),
                })
                .collect()
            }
        };
        outcome.summary.rows += 1;
        if complaints.is_empty() {
            outcome.summary.well_formed += 1;
            continue;
        }
        outcome.summary.rejected += 1;
        outcome.summary.count(&complaints);
        rejects.write(number, &record, &complaints)?;
    }
    Ok(())
}

/// Reads the file in batches on a thread of its own; the queue ends after the last one, or after an
/// error.
fn read_batches(input: Input, upload: Upload, today: Date) -> Batches {
    let (queue, batches) = mpsc::channel(READ_AHEAD);
    task::spawn_blocking(move || {
        if let Err(error) = read_into(&queue, &input, &upload, today) {
            // Nobody listens any more where the gateway said no.
            let _ = queue.blocking_send(Err(error));
        }
    });
    batches
}

fn read_into(
    queue: &mpsc::Sender<Result<Vec<Read>, FilesError>>,
    input: &Input,
    upload: &Upload,
    today: Date,
) -> Result<(), FilesError> {
    let mut table = input.table()?;
    let mapping = upload.mapping.clone();
    let check = FileCheck::mapped(upload.record_type, table.columns(), mapping, today)?;
    let mut batch = Vec::new();
    while let Some(row) = table.next_row()? {
        let values = match check.judge(&row) {
            Verdict::Good(values) => Ok(values.into_iter().map(Cow::into_owned).collect()),
            Verdict::Bad(complaints) => Err(complaints),
        };
        batch.push(Read { number: row.number(), record: row.original(), values });
        if batch.len() >= BATCH_ROWS && queue.blocking_send(Ok(std::mem::take(&mut batch))).is_err()
        {
            return Ok(());
        }
    }
    if !batch.is_empty() {
        let _ = queue.blocking_send(Ok(batch));
    }
    Ok(())
}
