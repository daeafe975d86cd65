//! `tallygate audit verify`: the whole log recomputed offline, and kept receipts checked.
//!
//! Needs nothing of the gateway but its published files, and nothing at all of its word:
//! the verifier key comes from elsewhere.

use super::{
    CliError, Console, Outcome,
    audit_mirror::verify_mirror,
    audit_proof::read_key,
    audit_rows,
    output::{Format, Printing, Record, Table},
    partner_file::read_text,
    receipt_files::{Kept, read_receipts},
    text::counted,
};
use crate::verify::{
    self, Checkpoint, Cosigned, Directory, Notice, Receipt, Report, VerifierKey, WitnessKey,
    cosignature::cosigned,
    note::{self, verify_checkpoint},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

const HELP: &str = "\
TILES is a folder in the C2SP tlog-tiles layout: `checkpoint` and `tile/`. Whatever is wrong is
named by file and place. With --receipts, every receipt below that folder is checked too: against
its own checkpoint, and against the log when TILES is given.

With --config, the log's tables in the gateway's database are verified instead, and compared with
its tiles folder; the gateway may be running. Whatever is wrong is named by table and row. The
verifier key is that of the configured log key, unless --vkey-file names another.

With --witness-vkey-file, once for each witness, the log's checkpoint must carry its cosignature:
who cosigned is listed with the witness's own time, and one that did not is a failed check.

Examples:
  tallygate audit verify demo/tiles --vkey-file demo/log.vkey
  tallygate audit verify tiles --vkey-file log.vkey --witness-vkey-file oversight.vkey
  tallygate audit verify --config demo/gateway.toml
  tallygate audit verify demo/tiles --receipts demo/receipts --vkey-file demo/log.vkey
  tallygate audit verify --receipts receipts --vkey-file log.vkey --format json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["tiles", "receipts", "config"]))]
pub(super) struct Verify {
    /// The log: a folder of tiles.
    tiles: Option<PathBuf>,
    /// Check the receipts (*.json) in this folder and those below it.
    #[arg(long, value_name = "DIR")]
    receipts: Option<PathBuf>,
    /// The log's verifier key, which you hold from elsewhere.
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    vkey_file: Option<PathBuf>,
    /// A witness's verifier key, which you hold from elsewhere: it must have cosigned.
    #[arg(long, value_name = "FILE", requires = "tiles")]
    witness_vkey_file: Vec<PathBuf>,
    /// Verify the database of this gateway configuration.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tiles", "receipts"])]
    config: Option<PathBuf>,
    #[command(flatten)]
    printing: Printing,
}

/// What became of the receipts.
#[derive(Default)]
struct Checked {
    good: u64,
    bad: Vec<(PathBuf, String)>,
}

impl Verify {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let key = self.vkey_file.as_deref().map(read_key).transpose()?;
        if let Some(config) = &self.config {
            return audit_rows::run(config, key, self.printing, console).await;
        }
        self.run_offline(&key.ok_or(CliError::NoVerifierKey)?, console)
    }

    fn run_offline(
        self,
        key: &VerifierKey,
        console: &mut Console<'_>,
    ) -> Result<Outcome, CliError> {
        let report = match &self.tiles {
            Some(tiles) => Some(verify_mirror(&Directory::new(tiles), key, console)?),
            None => None,
        };
        let witnesses: Result<Vec<WitnessKey>, CliError> =
            self.witness_vkey_file.iter().map(|path| read_witness_key(path)).collect();
        let cosigned = match &self.tiles {
            Some(tiles) => cosigned_by(tiles, &witnesses?),
            None => Vec::new(),
        };
        let log = self.tiles.as_deref().zip(report.as_ref());
        let checked = match &self.receipts {
            Some(folder) => Some(check_receipts(folder, log, key)?),
            None => None,
        };
        match self.printing.format {
            Format::Json => {
                console.json(&document(report.as_ref(), checked.as_ref(), &cosigned))?;
            }
            Format::Csv => {
                let found = findings(report.as_ref(), checked.as_ref(), &cosigned);
                console.table(Format::Csv, &found)?;
            }
            Format::Table => print(console, report.as_ref(), checked.as_ref(), &cosigned)?,
        }
        let uncosigned = cosigned.iter().any(|cosigned| cosigned.at.is_none());
        let failed = uncosigned
            || report.is_some_and(|report| !report.is_sound())
            || checked.is_some_and(|checked| !checked.bad.is_empty());
        if failed {
            console.note("FAILED: see the findings");
        }
        Ok(Outcome::findings(failed))
    }
}

pub(super) fn read_witness_key(path: &Path) -> Result<WitnessKey, CliError> {
    read_text(path)?.trim().parse().map_err(|source: verify::NoteProblem| CliError::WrongEntry {
        path: path.to_owned(),
        expected: "a witness's verifier key",
        source: source.into(),
    })
}

/// Who cosigned the checkpoint; one that can't be read is cosigned by nobody.
pub(super) fn cosigned_by(tiles: &Path, witnesses: &[WitnessKey]) -> Vec<Cosigned> {
    let bytes = fs::read(tiles.join("checkpoint")).unwrap_or_default();
    let nobody =
        |key: &WitnessKey| Cosigned { witness: key.name().to_owned(), at: None, problem: None };
    match note::read(&bytes) {
        Ok(opened) => cosigned(&opened, witnesses),
        Err(_) => witnesses.iter().map(nobody).collect(),
    }
}

/// A witness's time, as people read it.
pub(super) fn moment(at: u64) -> String {
    let time = i64::try_from(at).ok().and_then(|at| Timestamp::from_second(at).ok());
    time.map_or_else(|| at.to_string(), |time| time.to_string())
}

fn unreadable(source: verify::SourceError) -> CliError {
    CliError::Failed { act: "read the log", source: source.into() }
}

fn check_receipts(
    folder: &Path,
    log: Option<(&Path, &Report)>,
    key: &VerifierKey,
) -> Result<Checked, CliError> {
    let mut checked = Checked::default();
    // The log's own checkpoint counts only when it is signed; otherwise the report says so.
    let log = log.and_then(|(tiles, _)| {
        let note = fs::read(tiles.join("checkpoint")).ok()?;
        Some((Directory::new(tiles), verify_checkpoint(&note, key).ok()?))
    });
    for Kept { path, receipt } in read_receipts(&[folder.to_owned()])? {
        let problem = match receipt {
            Some(receipt) => check_receipt(&receipt, log.as_ref(), key)?,
            None => Some("not a receipt".to_owned()),
        };
        match problem {
            None => checked.good += 1,
            Some(problem) => checked.bad.push((path, problem)),
        }
    }
    Ok(checked)
}

fn check_receipt(
    receipt: &Receipt,
    log: Option<&(Directory, Checkpoint)>,
    key: &VerifierKey,
) -> Result<Option<String>, CliError> {
    let result = match log {
        Some((tiles, checkpoint)) => {
            verify::receipt::verify_receipt_in_log(tiles, receipt, key, checkpoint)
                .map_err(unreadable)?
        }
        None => verify::verify_receipt(receipt, None, key).map(drop),
    };
    Ok(result.err().map(|problem| problem.to_string()))
}

fn document(report: Option<&Report>, checked: Option<&Checked>, cosigned: &[Cosigned]) -> Value {
    let bad = |checked: &Checked| {
        let one = |(path, problem): &(PathBuf, String)| json!({ "path": path.display().to_string(), "problem": problem });
        checked.bad.iter().map(one).collect::<Vec<_>>()
    };
    json!({
        "sound": report.map(Report::is_sound),
        "log": report,
        "cosigned": cosigned,
        "receipts": checked.map(|checked| json!({ "good": checked.good, "bad": bad(checked) })),
    })
}

/// What is wrong, by file and place.
fn findings(report: Option<&Report>, checked: Option<&Checked>, cosigned: &[Cosigned]) -> Table {
    let mut table = Table::new(&["finding"]);
    for finding in report.iter().flat_map(|report| &report.findings) {
        table.row([json!(finding.to_string())]);
    }
    for (path, problem) in checked.iter().flat_map(|checked| &checked.bad) {
        table.row([json!(format!("{}: {problem}", path.display()))]);
    }
    for Cosigned { witness, problem, .. } in cosigned.iter().filter(|one| one.at.is_none()) {
        let problem = problem.as_deref().unwrap_or("no cosignature of this checkpoint");
        table.row([json!(format!("witness {witness}: {problem}"))]);
    }
    table
}

fn print(
    console: &mut Console<'_>,
    report: Option<&Report>,
    checked: Option<&Checked>,
    cosigned: &[Cosigned],
) -> Result<(), CliError> {
    if let Some(report) = report {
        print_report(console, report)?;
    }
    if let Some(checked) = checked {
        let good = counted(checked.good, "receipt holds", "receipts hold");
        let bad = counted(checked.bad.len() as u64, "does not", "do not");
        console.text(&format!("{good}, {bad}"))?;
    }
    for Cosigned { witness, at, .. } in cosigned {
        if let Some(at) = at {
            console.text(&format!("cosigned by {witness} at {}", moment(*at)))?;
        }
    }
    let findings = findings(report, checked, cosigned);
    if findings.is_empty() {
        return Ok(());
    }
    console.text("")?;
    console.table(Format::Table, &findings)?;
    match report.map_or(0, |report| report.findings_omitted) {
        0 => Ok(()),
        more => console.text(&format!("and {}", counted(more, "finding more", "findings more"))),
    }
}

fn print_report(console: &mut Console<'_>, report: &Report) -> Result<(), CliError> {
    let verdict = if report.is_sound() { "sound" } else { "NOT SOUND" };
    let signed = if report.signed { "by the log's key" } else { "NOT by the log's key" };
    let counts = |counts: &std::collections::BTreeMap<String, u64>| {
        json!(counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>())
    };
    let record = Record::default()
        .with("verdict", verdict)
        .with("log", report.origin.clone())
        .with("entries", report.size)
        .with("signed", signed)
        .with("root", report.root.clone())
        .with("recomputed", report.recomputed_root.clone())
        .with("files", report.files)
        .with("leaves", report.leaves)
        .with("from", report.first_at.clone())
        .with("until", report.last_at.clone())
        .with("kinds", counts(&report.kinds))
        .with("refusals", counts(&report.refusals));
    console.record(Format::Table, &record)?;
    for notice in &report.notices {
        console.note(&match notice {
            Notice::ClockWentBack { index, .. } => {
                format!("notice: entry {index} is dated before the entry before it")
            }
            Notice::Unfinished { size } => format!(
                "notice: a fetch up to {size} entries is under way or was interrupted; its files \
                 are not looked at"
            ),
            Notice::SequenceGap { index, partner, expected, found } => format!(
                "notice: entry {index} is number {found} of {partner}, where {expected} was due"
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{
        Frontier, Hash, Leaf, LeafKind, LogSigner, Receipt as Made, leaf_hash,
        tile::{CHECKPOINT_PATH, TileKind, encode_bundle, encode_hashes, plan},
    };

    /// A folder with a log of three entries, its key and a receipt of each.
    fn log() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let signer = LogSigner::from_seed("example/2026".parse().unwrap(), &[7; 32]).unwrap();
        let entry = |second| {
            let at = Timestamp::from_second(second).unwrap();
            Leaf::new(LeafKind::LogRead, at).encode().unwrap()
        };
        let entries: Vec<Vec<u8>> = (0..3).map(entry).collect();
        let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let appended = Frontier::empty().append(&hashes).unwrap();
        let checkpoint = signer.sign_checkpoint(3, &appended.root);
        let mut files = vec![(CHECKPOINT_PATH.to_owned(), checkpoint.clone().into_bytes())];
        for file in plan(0, 3) {
            let bytes = match file.kind {
                TileKind::Entries => encode_bundle(entries.iter().map(Vec::as_slice)).unwrap(),
                TileKind::Hashes(_) => encode_hashes(&hashes),
            };
            files.push((file.path(), bytes));
        }
        for (path, bytes) in files {
            let path = folder.path().join("tiles").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let receipts: Vec<Made> = (0_u64..)
            .zip(hashes.iter().zip(entries))
            .map(|(index, (hash, entry))| {
                Made::of(&appended, index, *hash, entry, checkpoint.clone()).unwrap()
            })
            .collect();
        fs::create_dir_all(folder.path().join("receipts/health")).unwrap();
        // One receipt by itself, and the others inside a push's report.
        let one = serde_json::to_string(&receipts[0]).unwrap();
        fs::write(folder.path().join("receipts/0000000000.json"), one).unwrap();
        let report = json!({ "sessions": [{ "opened": receipts[1], "batches": [receipts[2]] }] });
        let path = folder.path().join("receipts/health/births.json");
        fs::write(path, report.to_string()).unwrap();
        fs::write(folder.path().join("log.vkey"), signer.vkey()).unwrap();
        folder
    }

    fn verify(folder: &Path, format: Format) -> (Outcome, String) {
        let command = Verify {
            tiles: Some(folder.join("tiles")),
            receipts: Some(folder.join("receipts")),
            vkey_file: Some(folder.join("log.vkey")),
            witness_vkey_file: Vec::new(),
            config: None,
            printing: Printing { format },
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let key = read_key(&folder.join("log.vkey")).unwrap();
        let outcome =
            command.run_offline(&key, &mut Console::new(&mut out, &mut err, false)).unwrap();
        (outcome, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_sound_log_and_its_receipts_hold() {
        let folder = log();
        let (outcome, text) = verify(folder.path(), Format::Table);
        assert_eq!(outcome, Outcome::Done, "{text}");
        assert!(text.contains("Verdict     sound\n"), "{text}");
        assert!(text.contains("3 receipts hold, 0 do not"), "{text}");
        let (_, text) = verify(folder.path(), Format::Json);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&json["sound"], &json["receipts"]["good"]), (&json!(true), &json!(3)));
    }

    #[test]
    fn one_altered_byte_is_named_by_file_and_place() {
        let folder = log();
        let path = folder.path().join("tiles/tile/entries/000.p/3");
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        fs::write(&path, bytes).unwrap();
        let (outcome, text) = verify(folder.path(), Format::Table);
        assert_eq!(outcome, Outcome::WithFindings);
        assert!(text.contains("NOT SOUND"), "{text}");
        assert!(text.contains("tile/entries/000.p/3, entry 0: "), "{text}");
    }

    #[test]
    fn a_forged_receipt_is_named_by_file() {
        let folder = log();
        let path = folder.path().join("receipts/0000000000.json");
        let forged =
            fs::read_to_string(&path).unwrap().replace("\"leaf_index\":0", "\"leaf_index\":1");
        fs::write(&path, forged).unwrap();
        let (outcome, text) = verify(folder.path(), Format::Table);
        assert_eq!(outcome, Outcome::WithFindings);
        assert!(text.contains("2 receipts hold, 1 does not"), "{text}");
        assert!(text.contains("0000000000.json: the proof does not lead"), "{text}");
    }
}
