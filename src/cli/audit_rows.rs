//! `tallygate audit verify --config`: the log's tables in the database, recomputed by the
//! auditor's own code. A restore ends with the same check.

use super::{
    CliError, Console, Outcome,
    migrate::read_config,
    output::{Format, Printing, Record, Table},
    text::counted,
};
use crate::{
    audit::LogSigner,
    config::Config,
    keys::{Log, SigningKey},
    store::{Rights, Store, StoreError, Tx, calendar_year, log_rows},
    verify::{
        Directory, HeadRow, LogRow, RowReport, RowSource, VerifierKey,
        note::verify_checkpoint,
        verify_rows,
        years::{followed, follows},
    },
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::path::Path;

/// Verifies the tables, prints what was found and ends accordingly.
///
/// # Errors
/// When the database or a file can't be read.
pub(super) async fn run(
    config: &Path,
    key: Option<VerifierKey>,
    printing: Printing,
    console: &mut Console<'_>,
) -> Result<Outcome, CliError> {
    let config = read_config(config)?;
    let logs = check(&config, key).await?;
    match printing.format {
        Format::Json => console.json(&json!({
            "sound": logs.is_sound(), "log": logs.current, "past": logs.past, "gone": logs.gone,
        }))?,
        Format::Csv => console.table(Format::Csv, &findings(&logs))?,
        Format::Table => print(console, &logs)?,
    }
    if !logs.is_sound() {
        console.note("FAILED: see the findings");
    }
    Ok(Outcome::findings(!logs.is_sound()))
}

/// What was found of every year's log.
#[derive(Debug)]
pub(super) struct Logs {
    /// The log that grows.
    pub(super) current: RowReport,
    /// Those before it, the latest first.
    past: Vec<PastLog>,
    /// The log that the earliest of them follows, and that is not there.
    gone: Option<String>,
}

/// A log of an earlier year.
#[derive(Debug, Serialize)]
struct PastLog {
    /// Its name, as the log that followed it says.
    origin: String,
    report: RowReport,
    /// Whether the log that followed it names its last checkpoint.
    followed: bool,
}

impl Logs {
    pub(super) fn is_sound(&self) -> bool {
        let whole = self.gone.is_none();
        whole && self.current.is_sound() && self.past.iter().all(PastLog::is_sound)
    }
}

impl PastLog {
    fn is_sound(&self) -> bool {
        self.followed && self.report.is_sound()
    }
}

/// Verifies the tables of a configuration's database, every year's log in them, against its
/// tiles folder and, where no key is given, the verifier key of the configured log key.
///
/// # Errors
/// When the database or a file can't be read.
pub(super) async fn check(config: &Config, key: Option<VerifierKey>) -> Result<Logs, CliError> {
    let failed =
        |source: StoreError| CliError::Failed { act: "read the log", source: source.into() };
    let store = Store::open_to_read(&config.database).await.map_err(failed)?;
    store.check_level().await.map_err(failed)?;
    let mut tx = store.read(Rights::Figures).await.map_err(failed)?;
    let head = log_rows::head(&mut tx).await.map_err(failed)?;
    drop(tx);
    let key = match key {
        Some(key) => key,
        None => configured_key(config, head.as_ref())?,
    };
    let mut tx = store.read(Rights::Figures).await.map_err(failed)?;
    let logs = check_all(&mut tx, &key, &Directory::new(&config.tiles)).await.map_err(failed);
    drop(tx);
    store.close().await;
    logs
}

async fn check_all(tx: &mut Tx, key: &VerifierKey, tiles: &Directory) -> Result<Logs, StoreError> {
    let mut rows = Rows { tx, base: 0, past: None };
    let current = verify_rows(&mut rows, key, Some(tiles)).await?;
    let mut next = rows.base;
    let mut past = Vec::new();
    for head in log_rows::past(tx).await?.into_iter().rev() {
        let (base, checkpoint) = (head.base.unsigned_abs(), head.checkpoint.clone());
        let first = log_rows::entries(tx, next, 0, 1).await?.pop();
        let first = first.map(|(_, entry)| entry).unwrap_or_default();
        let origin = followed(&first).unwrap_or_default();
        let named = key.named(&origin);
        let ended = named.as_ref().map(|key| verify_checkpoint(&checkpoint, key));
        let followed = ended.is_ok_and(|ended| ended.is_ok_and(|ended| follows(&first, &ended)));
        // Without a name that fits, the log is read under the key in hand, and not signed.
        let named = named.unwrap_or_else(|_| key.clone());
        let mut rows = Rows { tx, base, past: Some(head) };
        let report = verify_rows(&mut rows, &named, None).await?;
        past.push(PastLog { origin, report, followed });
        next = base;
    }
    // The first year's log follows none, and lies first.
    let first = log_rows::entries(tx, next, 0, 1).await?.pop();
    let gone = first.and_then(|(_, entry)| followed(&entry));
    let gone = gone.or_else(|| (next != 0).then(|| "an earlier log".to_owned()));
    Ok(Logs { current, past, gone })
}

/// The verifier key of the configured log key, under the name the log has in the head's year.
fn configured_key(
    config: &Config,
    head: Option<&log_rows::HeadRow>,
) -> Result<VerifierKey, CliError> {
    let rejected = |source: Box<dyn std::error::Error + Send + Sync>| CliError::Rejected {
        path: config.log_key.clone(),
        source,
    };
    let key = SigningKey::<Log>::load(&config.log_key).map_err(|error| rejected(error.into()))?;
    let document = key.to_pkcs8().map_err(|error| rejected(error.into()))?;
    let signer = LogSigner::from_pkcs8(config.origin.clone(), &document)
        .map_err(|error| rejected(error.into()))?;
    let at = head.and_then(|head| Timestamp::from_microsecond(head.at).ok());
    let signer = at.map_or_else(|| signer.clone(), |at| signer.in_year(calendar_year(at)));
    signer.vkey().parse().map_err(|error: crate::verify::NoteProblem| rejected(error.into()))
}

/// What is wrong, by table and row.
pub(super) fn findings(logs: &Logs) -> Table {
    let mut table = Table::new(&["finding"]);
    for finding in &logs.current.findings {
        table.row([json!(finding.to_string())]);
    }
    if let Some(gone) = &logs.gone {
        table.row([json!(format!("{gone}: gone, though a later log follows it"))]);
    }
    for PastLog { origin, report, followed } in &logs.past {
        if !followed {
            table.row([json!(format!("{origin}: the log after it names another end"))]);
        }
        for finding in &report.findings {
            table.row([json!(format!("{origin}: {finding}"))]);
        }
    }
    table
}

/// Prints a report for people.
///
/// # Errors
/// When standard output can't be written to.
pub(super) fn print(console: &mut Console<'_>, logs: &Logs) -> Result<(), CliError> {
    let report = &logs.current;
    let past: Vec<String> = logs
        .past
        .iter()
        .map(|log| {
            let verdict = if log.is_sound() { "sound" } else { "NOT SOUND" };
            format!("{} ({}, {verdict})", log.origin, counted(log.report.size, "entry", "entries"))
        })
        .collect();
    let record = Record::default()
        .with("verdict", if logs.is_sound() { "sound" } else { "NOT SOUND" })
        .with("entries", report.size)
        .with("signed", if report.signed { "by the log's key" } else { "NOT by the log's key" })
        .with("root", report.root.clone())
        .with("recomputed", report.recomputed_root.clone())
        .with("rows_of_log_entry", report.entries)
        .with("rows_of_log_hash", report.hashes)
        .with("compared_with_tiles", report.compared_with_tiles)
        .with("earlier_logs", past);
    console.record(Format::Table, &record)?;
    for file in &report.tiles_unread {
        console.note(&format!("notice: not compared with the tiles folder's {file}"));
    }
    let findings = findings(logs);
    if findings.is_empty() {
        return Ok(());
    }
    console.text("")?;
    console.table(Format::Table, &findings)?;
    let omitted = logs.past.iter().map(|log| log.report.findings_omitted).sum::<u64>();
    match report.findings_omitted + omitted {
        0 => Ok(()),
        more => console.text(&format!("and {}", counted(more, "finding more", "findings more"))),
    }
}

/// The auditor's questions about one log, asked of a transaction.
struct Rows<'t> {
    tx: &'t mut Tx,
    /// Where it begins; of the log that grows known once its head was read.
    base: u64,
    /// The head of one that ended; `None` for the log that grows.
    past: Option<log_rows::HeadRow>,
}

/// Indices as the auditor numbers them; what lies outside is asked for apart.
fn numbered(rows: Vec<(i64, Vec<u8>)>) -> Vec<(u64, Vec<u8>)> {
    rows.into_iter().map(|(index, bytes)| (index.cast_unsigned(), bytes)).collect()
}

impl RowSource for Rows<'_> {
    type Error = StoreError;

    async fn head(&mut self) -> Result<Option<HeadRow>, StoreError> {
        let head = match &self.past {
            Some(head) => Some(head.clone()),
            None => log_rows::head(self.tx).await?,
        };
        Ok(head.map(|log_rows::HeadRow { base, size, root, checkpoint, at }| {
            self.base = base.unsigned_abs();
            HeadRow { size, root, checkpoint, at }
        }))
    }

    async fn end(&mut self) -> Result<u64, StoreError> {
        Ok(u64::try_from(log_rows::end(self.tx, self.base).await?).unwrap_or(0))
    }

    async fn entries(&mut self, from: u64, until: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        Ok(numbered(log_rows::entries(self.tx, self.base, from, until).await?))
    }

    async fn hashes(
        &mut self,
        level: u8,
        from: u64,
        until: u64,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        Ok(numbered(log_rows::hashes(self.tx, self.base, level, from, until).await?))
    }

    async fn beyond(
        &mut self,
        entries: u64,
        hashes: &[u64],
        most: usize,
    ) -> Result<Vec<LogRow>, StoreError> {
        let last = self.past.is_none();
        let log = (self.base, last);
        let found = log_rows::entries_beyond(self.tx, log, entries, most).await?;
        let mut rows: Vec<LogRow> =
            found.into_iter().map(|leaf_index| LogRow::LogEntry { leaf_index }).collect();
        let mut found = match last {
            true => log_rows::hashes_of_no_level(self.tx, most).await?,
            false => Vec::new(),
        };
        for (level, length) in (0..).zip(hashes) {
            found.extend(log_rows::hashes_beyond(self.tx, log, level, *length, most).await?);
        }
        rows.extend(
            found.into_iter().map(|(level, hash_index)| LogRow::LogHash { level, hash_index }),
        );
        Ok(rows)
    }
}
