//! A file cut into batches, on a thread of its own: reading and checking don't hold up the
//! stream. A bounded queue keeps a few batches ahead, whatever the file's size.

use super::order::PushError;
use crate::{
    domain::RecordType,
    files::{Complaint, FileCheck, FilesError, Input, Mapping, Row, Verdict},
    wire::v1::RecordRow,
};
use csv::ByteRecord;
use jiff::civil::Date;
use std::{borrow::Cow, path::PathBuf, sync::Arc};
use tokio::{sync::mpsc, task};

/// Batches read ahead of the stream.
const READ_AHEAD: usize = 2;

/// The most bytes of values in a batch: a message stays below the gateway's 1 MiB.
const BATCH_BYTES: usize = 512 << 10;

/// A row as it stood in the file, kept until its batch is acknowledged. No Debug.
pub(super) struct Original {
    pub(super) number: u64,
    pub(super) record: ByteRecord,
}

/// Rows of the file that stand behind one another. No Debug: it holds values.
#[derive(Default)]
pub(super) struct Batch {
    /// Rows of the file that it covers.
    pub(super) rows: u64,
    /// The place in the file behind its last row.
    pub(super) file_bytes: u64,
    /// What is sent.
    pub(super) send: Vec<RecordRow>,
    /// The originals of what is sent, in the same order.
    pub(super) originals: Vec<Original>,
    /// What was refused here.
    pub(super) refused: Vec<(Original, Vec<Complaint>)>,
}

/// How to cut a file.
pub(super) struct Cut {
    pub(super) path: PathBuf,
    pub(super) record_type: RecordType,
    /// Rows to pass over: they were acknowledged.
    pub(super) skip: u64,
    /// Rows of a batch.
    pub(super) batch_rows: usize,
    /// Whether rows are checked here, and only well-formed ones sent.
    pub(super) check_first: bool,
    /// Whether originals are needed, for a rejects file.
    pub(super) keep_originals: bool,
    /// How the file's columns become the record type's.
    pub(super) mapping: Option<Arc<Mapping>>,
    pub(super) today: Date,
}

/// Reads a file in batches; the queue ends after the last one or after an error, which comes
/// behind the rows that stand before it.
pub(super) fn read_batches(input: Input, cut: Cut) -> mpsc::Receiver<Result<Batch, PushError>> {
    let (queue, batches) = mpsc::channel(READ_AHEAD);
    task::spawn_blocking(move || {
        let mut batch = Batch::default();
        let read = read_into(&queue, &input, &cut, &mut batch);
        // Nobody listens any more when the stream broke.
        if batch.rows > 0 && queue.blocking_send(Ok(batch)).is_err() {
            return;
        }
        if let Err(source) = read {
            let _ = queue.blocking_send(Err(PushError::File { path: cut.path, source }));
        }
    });
    batches
}

/// Queues full batches and leaves the last one in `batch`.
fn read_into(
    queue: &mpsc::Sender<Result<Batch, PushError>>,
    input: &Input,
    cut: &Cut,
    batch: &mut Batch,
) -> Result<(), FilesError> {
    let mut table = input.table()?;
    let mapping = cut.mapping.clone();
    let check = FileCheck::mapped(cut.record_type, table.columns(), mapping, cut.today)?;
    for _ in 0..cut.skip {
        table.next_row()?;
    }
    let mut bytes = 0;
    while let Some(row) = table.next_row()? {
        batch.file_bytes = input.place(row.end());
        bytes += take_row(&row, &check, cut, batch);
        if batch.rows >= cut.batch_rows as u64 || bytes >= BATCH_BYTES {
            bytes = 0;
            if queue.blocking_send(Ok(std::mem::take(batch))).is_err() {
                break;
            }
        }
    }
    Ok(())
}

/// Puts a row into the batch; returns the bytes that it adds to what is sent.
fn take_row(row: &Row<'_>, check: &FileCheck, cut: &Cut, batch: &mut Batch) -> usize {
    let original = Original {
        number: row.number(),
        record: if cut.keep_originals { row.original() } else { ByteRecord::new() },
    };
    batch.rows += 1;
    let verdict = if cut.check_first { check.judge(row) } else { check.judge_shape(row) };
    match verdict {
        Verdict::Good(values) => {
            let bytes = values.iter().map(|value| value.len()).sum();
            let values = values.into_iter().map(Cow::into_owned).collect();
            batch.send.push(RecordRow { values, blinded: None });
            batch.originals.push(original);
            bytes
        }
        Verdict::Bad(complaints) => {
            batch.refused.push((original, complaints));
            0
        }
    }
}
