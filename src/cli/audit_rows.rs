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
    store::{Rights, Store, StoreError, Tx, log_rows},
    verify::{Directory, HeadRow, LogRow, RowReport, RowSource, VerifierKey, verify_rows},
};
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
    let report = check(&config, key).await?;
    match printing.format {
        Format::Json => {
            console.json(&json!({ "sound": report.is_sound(), "log": report }))?;
        }
        Format::Csv => console.table(Format::Csv, &findings(&report))?,
        Format::Table => print(console, &report)?,
    }
    if !report.is_sound() {
        console.note("FAILED: see the findings");
    }
    Ok(Outcome::findings(!report.is_sound()))
}

/// Verifies the tables of a configuration's database against its tiles folder and, where no
/// key is given, the verifier key of the configured log key.
///
/// # Errors
/// When the database or a file can't be read.
pub(super) async fn check(
    config: &Config,
    key: Option<VerifierKey>,
) -> Result<RowReport, CliError> {
    let key = match key {
        Some(key) => key,
        None => configured_key(config)?,
    };
    let failed =
        |source: StoreError| CliError::Failed { act: "read the log", source: source.into() };
    let store = Store::open_to_read(&config.database).await.map_err(failed)?;
    store.check_level().await.map_err(failed)?;
    let mut tx = store.read(Rights::Figures).await.map_err(failed)?;
    let tiles = Directory::new(&config.tiles);
    let report = verify_rows(&mut Rows(&mut tx), &key, Some(&tiles)).await.map_err(failed);
    drop(tx);
    store.close().await;
    report
}

fn configured_key(config: &Config) -> Result<VerifierKey, CliError> {
    let rejected = |source: Box<dyn std::error::Error + Send + Sync>| CliError::Rejected {
        path: config.log_key.clone(),
        source,
    };
    let key = SigningKey::<Log>::load(&config.log_key).map_err(|error| rejected(error.into()))?;
    let document = key.to_pkcs8().map_err(|error| rejected(error.into()))?;
    let signer = LogSigner::from_pkcs8(config.origin.clone(), &document)
        .map_err(|error| rejected(error.into()))?;
    signer.vkey().parse().map_err(|error: crate::verify::NoteProblem| rejected(error.into()))
}

/// What is wrong, by table and row.
pub(super) fn findings(report: &RowReport) -> Table {
    let mut table = Table::new(&["finding"]);
    for finding in &report.findings {
        table.row([json!(finding.to_string())]);
    }
    table
}

/// Prints a report for people.
///
/// # Errors
/// When standard output can't be written to.
pub(super) fn print(console: &mut Console<'_>, report: &RowReport) -> Result<(), CliError> {
    let record = Record::default()
        .with("verdict", if report.is_sound() { "sound" } else { "NOT SOUND" })
        .with("entries", report.size)
        .with("signed", if report.signed { "by the log's key" } else { "NOT by the log's key" })
        .with("root", report.root.clone())
        .with("recomputed", report.recomputed_root.clone())
        .with("rows_of_log_entry", report.entries)
        .with("rows_of_log_hash", report.hashes)
        .with("compared_with_tiles", report.compared_with_tiles);
    console.record(Format::Table, &record)?;
    for file in &report.tiles_unread {
        console.note(&format!("notice: not compared with the tiles folder's {file}"));
    }
    let findings = findings(report);
    if findings.is_empty() {
        return Ok(());
    }
    console.text("")?;
    console.table(Format::Table, &findings)?;
    match report.findings_omitted {
        0 => Ok(()),
        more => console.text(&format!("and {}", counted(more, "finding more", "findings more"))),
    }
}

/// The auditor's questions, asked of a transaction.
struct Rows<'t>(&'t mut Tx);

/// Indices as the auditor numbers them; what lies outside is asked for apart.
fn numbered(rows: Vec<(i64, Vec<u8>)>) -> Vec<(u64, Vec<u8>)> {
    rows.into_iter().map(|(index, bytes)| (index.cast_unsigned(), bytes)).collect()
}

impl RowSource for Rows<'_> {
    type Error = StoreError;

    async fn head(&mut self) -> Result<Option<HeadRow>, StoreError> {
        let head = log_rows::head(self.0).await?;
        Ok(head.map(|log_rows::HeadRow { size, root, checkpoint, at }| HeadRow {
            size,
            root,
            checkpoint,
            at,
        }))
    }

    async fn end(&mut self) -> Result<u64, StoreError> {
        Ok(u64::try_from(log_rows::end(self.0).await?).unwrap_or(0))
    }

    async fn entries(&mut self, from: u64, until: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        Ok(numbered(log_rows::entries(self.0, from, until).await?))
    }

    async fn hashes(
        &mut self,
        level: u8,
        from: u64,
        until: u64,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        Ok(numbered(log_rows::hashes(self.0, level, from, until).await?))
    }

    async fn beyond(
        &mut self,
        entries: u64,
        hashes: &[u64],
        most: usize,
    ) -> Result<Vec<LogRow>, StoreError> {
        let found = log_rows::entries_beyond(self.0, entries, most).await?;
        let mut rows: Vec<LogRow> =
            found.into_iter().map(|leaf_index| LogRow::LogEntry { leaf_index }).collect();
        let mut found = log_rows::hashes_of_no_level(self.0, most).await?;
        for (level, length) in (0..).zip(hashes) {
            found.extend(log_rows::hashes_beyond(self.0, level, *length, most).await?);
        }
        rows.extend(
            found.into_iter().map(|(level, hash_index)| LogRow::LogHash { level, hash_index }),
        );
        Ok(rows)
    }
}
