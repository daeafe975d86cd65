//! `tallygate push`: a partner's files to the gateway.
//!
//! The work is the connector's; here are the flags, the progress bar and the words. What a
//! push tells is what was wrong with the sender's own rows, never what linked.

mod watch;

use super::{
    CliError, Console, Outcome,
    output::{Format, Printing, Table},
    query::PLANNING,
    remote::connect,
    text::counted,
};
use crate::{
    connector::{Blinding, Gateway, KeptReceipt, Progress, PushError, PushOrder, PushReport, push},
    domain::{PartnerId, ProtocolId, RecordType, field::Rule},
    files::{Input, Mapping, suggest::suggest},
    identity::{Clock, SystemClock},
    server::system_rng,
    verify::{Receipt, ReceiptProblem, receipt::own_act},
};
use indicatif::ProgressBar;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::json;
use std::{
    fs,
    iter::repeat,
    path::{Path, PathBuf},
    sync::Arc,
};

const HELP: &str = "\
FILE is CSV with a heading (any delimiter; UTF-8, UTF-16 or Windows-1252), an Excel workbook's first
sheet (.xlsx) or JSON lines: record_id, event_date, the identifiers and the payload of the record
type, in any order, or with other names that --map maps. Rows that break a rule are told by row,
field and rule, never by value; their neighbours are sent. A push that broke goes on with --resume
and stores nothing twice.
With a blinding_key in the profile no identifier, name, address or reference leaves this
machine: only values of the gateway's PRF do, each batch proved to be under that key.
A rejects file can be corrected and pushed as it is. Exit code 1 when rows were rejected.

--watch DIR pushes what comes into DIR, a file once it no longer grows: files go to DIR/done, or to
DIR/failed with the reason beside them; rejected rows are in DIR/failed, receipts in DIR/receipts.

Examples:
  tallygate push births.csv --type live_birth --protocol isp-health --profile health.toml
  tallygate push births.csv --type live_birth --protocol isp-health --dry-run \\
    --rejects rejected.csv --profile health.toml
  tallygate push --suggest-map extract.xlsx --type health_review > reviews.map.json
  tallygate push extract.xlsx --type health_review --map reviews.map.json --protocol isp-health \
    --profile health.toml
  tallygate push --watch nightly --type registration --protocol isp-centres --profile centres.toml";

#[derive(Debug, clap::Args)]
#[command(
    after_help = HELP,
    override_usage = "tallygate push [OPTIONS] --type <RECORD_TYPE> --protocol <ID> <FILE>..."
)]
pub(super) struct Push {
    /// The files, all of one record type.
    #[arg(required_unless_present_any = ["watch", "suggest_map"], value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The type of every record.
    #[arg(long = "type", value_name = "RECORD_TYPE")]
    record_type: RecordType,
    /// The sharing protocol relied on.
    #[arg(long, value_name = "ID", required_unless_present = "suggest_map")]
    protocol: Option<ProtocolId>,
    /// How the file's columns become the record type's: a Table Schema with tallygate:target.
    #[arg(long, value_name = "MAP")]
    map: Option<PathBuf>,
    /// Propose a mapping for this file, to read and correct; needs no gateway.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "map", "watch"])]
    suggest_map: Option<PathBuf>,
    /// Push what comes into this folder, until stopped.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["files", "resume", "rejects", "dry_run"])]
    watch: Option<PathBuf>,
    /// With --watch: look once, and stop.
    #[arg(long, requires = "watch")]
    once: bool,
    /// The purpose claimed, one of the protocol's.
    #[arg(long, value_name = "PURPOSE", default_value = PLANNING)]
    purpose: String,
    /// The day this extract stands for; today when left out.
    #[arg(long, value_name = "YYYY-MM-DD")]
    extract_day: Option<Date>,
    /// Check everything, store nothing (blinded, it spends evaluations).
    #[arg(long)]
    dry_run: bool,
    /// Refuse a profile without blinding_key; with one every push is blinded.
    #[arg(long)]
    blind: bool,
    /// Write rejected rows, with the reason, to this CSV file (with several files, each gets
    /// its own name in front).
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Go on behind the last acknowledged row of a push that broke.
    #[arg(long)]
    resume: bool,
    /// Which gateway, and who you are: a TOML file
    #[arg(long, value_name = "FILE", env = "TALLYGATE_PROFILE")]
    profile: Option<PathBuf>,
    /// Keep each file's report, with its receipts, in this folder, for `audit verify --receipts`
    #[arg(long, value_name = "DIR")]
    receipts: Option<PathBuf>,
    #[command(flatten)]
    printing: Printing,
}

/// The connector's progress on a bar of bytes, and the rows of an earlier push.
struct Bar(ProgressBar, u64);

impl Progress for Bar {
    fn opened(&mut self, file_bytes: u64, done_bytes: u64) {
        self.0.reset_elapsed();
        self.0.set_length(file_bytes);
        self.0.set_position(done_bytes);
    }

    fn acknowledged(&mut self, done_bytes: u64, rows: u64, rejected: u64) {
        self.0.set_position(done_bytes);
        let seconds = self.0.elapsed().as_secs().max(1);
        let rate = rows.saturating_sub(self.1) / seconds;
        self.0.set_message(format!("{rows} rows, {rate}/s, {rejected} rejected"));
    }
}

impl Push {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        if let Some(path) = &self.suggest_map {
            let proposed = Input::open(path).and_then(|input| input.table());
            let proposed = proposed.and_then(|mut table| suggest(&mut table, self.record_type));
            console.json(&proposed.map_err(|source| unusable(path, source.into()))?)?;
            console.note("a draft: read it, correct it, keep it, and give it to --map");
            return Ok(Outcome::Done);
        }
        if let Some(folder) = &self.watch {
            return self.watch_folder(folder, console).await;
        }
        let today = today();
        let gateway = connect(self.profile.as_deref()).await?;
        let mut reports = Vec::new();
        for file in &self.files {
            let order = self.order(file, today, self.blinding(&gateway)?)?;
            let mut bar = Bar(console.progress(0).with_message("opening"), 0);
            let outcome = push(gateway.service(), &order, &mut bar).await;
            bar.0.finish_and_clear();
            match outcome {
                Ok(report) => {
                    tell(&report, &order, console);
                    for receipt in report.receipts() {
                        is_own(receipt, gateway.partner())?;
                    }
                    reports.push(report);
                }
                Err(error) => {
                    // What went well before is told, too: it is stored and logged.
                    if !reports.is_empty() {
                        self.print(&reports, console)?;
                    }
                    return Err(stopped(file, error));
                }
            }
        }
        self.print(&reports, console)?;
        Ok(Outcome::findings(reports.iter().any(|report| !report.is_clean())))
    }

    /// How to blind, as the profile says.
    fn blinding(&self, gateway: &Gateway) -> Result<Option<Blinding>, CliError> {
        match gateway.blinding(system_rng) {
            None if self.blind => Err(CliError::NotBlinded),
            blinding => Ok(blinding),
        }
    }

    fn order(
        &self,
        file: &Path,
        today: Date,
        blinding: Option<Blinding>,
    ) -> Result<PushOrder, CliError> {
        let several = self.files.len() > 1;
        // The arguments' own rule: only --suggest-map goes without.
        let protocol =
            self.protocol.clone().ok_or(CliError::AnswerIncomplete { part: "protocol" })?;
        Ok(PushOrder {
            extract_day: self.extract_day.unwrap_or(today),
            dry_run: self.dry_run,
            resume: self.resume,
            receipts: self.receipts.as_deref().map(|folder| report_of(folder, file)),
            rejects: self.rejects.as_deref().map(|path| rejects_of(path, file, several)),
            mapping: self.mapping()?,
            blinding,
            ..PushOrder::new(
                file.to_owned(),
                self.record_type,
                protocol,
                self.purpose.clone(),
                today,
            )
        })
    }

    fn mapping(&self) -> Result<Option<Arc<Mapping>>, CliError> {
        let Some(path) = &self.map else { return Ok(None) };
        let unreadable = |source| CliError::Unreadable { path: path.clone(), source };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let mapping = Mapping::read(&text, self.record_type);
        mapping.map(Arc::new).map(Some).map_err(|source| unusable(path, source.into()))
    }

    fn print(&self, reports: &[PushReport], console: &mut Console<'_>) -> Result<(), CliError> {
        match self.printing.format {
            Format::Json => console.json(&reports),
            format => console.table(format, &table(reports)),
        }
    }
}

/// Whether a receipt is of an act of our own. (One that an earlier push kept may be of any day.)
fn is_own(receipt: &KeptReceipt, partner: &PartnerId) -> Result<(), CliError> {
    let receipt = serde_json::to_value(receipt).and_then(serde_json::from_value);
    let receipt: Receipt = receipt.map_err(|_| ReceiptProblem::NoLeaf)?;
    if receipt.leaf.is_some() {
        own_act(&receipt, partner.as_str(), Timestamp::MIN)?;
    }
    Ok(())
}

/// The report of a pushed file, which holds its receipts.
fn report_of(folder: &Path, file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    folder.join(format!("{stem}.json"))
}

/// One rejects file for each file pushed.
fn rejects_of(path: &Path, file: &Path, several: bool) -> PathBuf {
    if !several {
        return path.to_owned();
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{name}"))
}

/// Names the file; a refusal gets its reason, its fields and its log entry.
fn stopped(file: &Path, error: PushError) -> CliError {
    let path = file.to_owned();
    match error {
        PushError::Refused { status, rows: 0 } => CliError::from(*status),
        // It names its file itself.
        PushError::File { path, source } => CliError::Rejected { path, source: source.into() },
        other => CliError::Rejected { path, source: other.into() },
    }
}

/// Today, as dates in files are judged by.
fn today() -> Date {
    SystemClock.now().to_zoned(TimeZone::UTC).date()
}

fn unusable(path: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> CliError {
    CliError::Rejected { path: path.to_owned(), source }
}

/// What to mend, in words.
fn tell(report: &PushReport, order: &PushOrder, console: &mut Console<'_>) {
    let (rejects, receipts) =
        (order.rejects.as_deref(), order.receipts.as_deref().and_then(Path::parent));
    for warning in &report.warnings {
        console.note(&format!("warning: {}: {warning}", report.protocol_id));
    }
    if let Some(path) = &report.set_aside {
        let path = path.display();
        console.note(&format!("the receipts of the push that broke before are in {path}"));
    }
    if let Some(path) = &report.rejects_set_aside {
        console.note(&format!("the rows that were rejected before are in {}", path.display()));
    }
    for (reason, first) in report.reasons.iter().zip([true].into_iter().chain(repeat(false))) {
        let rows = counted(reason.count, "row", "rows");
        let field = if reason.field.is_empty() { "the row" } else { &reason.field };
        let code = &reason.code;
        let mend = if first && report.reasons.len() > 1 { "mend this first: " } else { "" };
        let rule = Rule::ALL.iter().find(|rule| rule.code() == code);
        let sentence = rule.map(|rule| format!(": {}", rule.sentence())).unwrap_or_default();
        console
            .note(&format!("{}: {mend}{rows} rejected: {field} ({code}){sentence}", report.file));
    }
    match rejects {
        Some(path) if !report.is_clean() => {
            console.note(&format!("rejected rows are in {}", path.display()));
        }
        None if !report.is_clean() => {
            console.note("give --rejects FILE to get the rejected rows with their reasons");
        }
        _ => {}
    }
    if let Some(path) = receipts.filter(|_| !report.dry_run) {
        console.note(&format!("{}: receipts kept in {}", report.file, path.display()));
    }
    if report.dry_run {
        console.note(&format!("{}: dry run, nothing was stored", report.file));
    }
}

fn table(reports: &[PushReport]) -> Table {
    let mut table = Table::new(&[
        "file",
        "record_type",
        "rows",
        "well_formed",
        "sent_before",
        "rejected",
        "batches",
        "first_entry",
        "last_entry",
    ]);
    for report in reports {
        let entries = || report.receipts().map(|receipt| receipt.leaf_index);
        table.row([
            json!(report.file),
            json!(report.record_type),
            json!(report.rows),
            json!(report.well_formed),
            json!(report.sent_before),
            json!(report.rejected),
            json!(report.batches),
            json!(entries().min()),
            json!(entries().max()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;

    #[test]
    fn several_files_have_several_rejects_files() {
        let path = Path::new("out/rejects.csv");
        assert_eq!(rejects_of(path, Path::new("in/births.csv"), false), path);
        assert_eq!(
            rejects_of(path, Path::new("in/births.csv"), true),
            Path::new("out/births-rejects.csv")
        );
    }

    #[test]
    fn a_refused_opening_is_a_refusal_and_a_broken_stream_says_resume() {
        let status = Box::new(Status::permission_denied("no flow"));
        let refused = PushError::Refused { status, rows: 0 };
        assert!(matches!(stopped(Path::new("a.csv"), refused), CliError::Refused(_)));
        let broken = PushError::Broken { status: None, rows: 7 };
        let sentence = stopped(Path::new("a.csv"), broken).to_string();
        assert!(sentence.starts_with("a.csv: ") && sentence.contains("--resume"), "{sentence}");
    }
}
