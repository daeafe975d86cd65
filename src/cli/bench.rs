//! `tallygate bench`: what the gateway does, beside what this machine could do at all.

use super::{
    CliError, Console, Outcome,
    bench_attacks::Attacks,
    bench_linkage::Linkage,
    bench_noise::Noise,
    bench_utility::Utility,
    output::{Printing, Table},
};
use crate::{
    bench::{self, Measure, Plan, Row, chart},
    server::telemetry::{self, LogFilter},
    store::PostgresLocation,
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

pub(super) const EXAMPLES: &str = "\
Each figure stands beside its limit, measured in the same run: a bare loop that writes the same
rows, an empty service behind the same TLS, a bare look-up, a bare scan, a log without its tree, bare hashing. The
ratio is what counts; of times (ms, ns) the smaller is the better.

Examples:
  tallygate bench all --out results
  tallygate bench intake --size 20000 --format json
  tallygate bench log --database postgres://tallygate@localhost/postgres";

#[derive(Debug, clap::Subcommand)]
pub(super) enum BenchCommand {
    /// The decision about a record, beside a bare look-up of its key; --size is protocols.
    #[command(after_help = "Example:\n  tallygate bench protocols --format json")]
    Protocols(Bench),
    /// Records end to end, beside a bare loop that writes the same rows; --size is children.
    #[command(after_help = "Example:\n  tallygate bench intake --size 20000 --format json")]
    Intake(Bench),
    /// Records linked to persons, beside a bare loop that writes the rows; --size is persons.
    #[command(after_help = "Example:\n  tallygate bench linking --size 2000000")]
    Linking(Bench),
    /// Cards and queries of 64 callers, beside an empty service; --size is calls.
    #[command(after_help = "Example:\n  tallygate bench figures --out results")]
    Figures(Bench),
    /// A blinded deployment's evaluations, beside the bare library; --size is evaluations.
    #[command(after_help = "Example:\n  tallygate bench prf --format json")]
    Prf(Bench),
    /// A quarter's close, beside a bare scan of the same rows; --size is persons.
    #[command(after_help = "Examples:\n  tallygate bench release --size 100000\n  \
                            tallygate bench release --size 100000 --export rows")]
    Release(Release),
    /// Ten times the calls that can be answered, beside a quiet gateway; --size is connections.
    #[command(after_help = "Example:\n  tallygate bench overload --size 2000 --seconds 120")]
    Overload(Bench),
    /// The access log with 64 callers waiting, beside a raw group commit; --size is leaves.
    #[command(
        after_help = "Example:\n  tallygate bench log --database postgres://tallygate@localhost/postgres"
    )]
    Log(Bench),
    /// The access log when it is long, beside one of 10,000 entries; --size is entries.
    #[command(after_help = "Example:\n  tallygate bench growth --size 10000000")]
    Growth(Bench),
    /// The auditor's verification of a log, beside bare hashing; --size is entries.
    #[command(after_help = "Example:\n  tallygate bench verify --size 1000000")]
    Verify(Bench),
    /// Who is one person: false and missed links, by group, of a synthetic population or of files.
    #[command(after_help = "Examples:\n  tallygate bench linkage --scale 0.5\n  tallygate bench \
                            linkage --left people.csv --right people.csv --truth pairs.csv")]
    Linkage(Linkage),
    /// Whether an outsider can tell one child's place: ours and the rules in use under attack.
    #[command(
        after_help = "Example:\n  tallygate bench attacks --trials 100000 --seed 7 --format json"
    )]
    Attacks(Attacks),
    /// How useful figures are: measured errors beside the expected ones, by indicator and level.
    #[command(after_help = "Example:\n  tallygate bench utility --scale 1")]
    Utility(Utility),
    /// The noise's exact probabilities and some draws of it, for other programs to check.
    #[command(
        after_help = "Example:\n  tallygate bench noise --variance 40 --draws 100000 --format csv"
    )]
    Noise(Noise),
    /// Times of answers about nobody and about a few, which nobody must be able to tell apart;
    /// --size is calls.
    #[command(after_help = "Example:\n  tallygate bench withheld --size 4000")]
    Withheld(Bench),
    /// All of them but attacks, utility, noise and linkage, one after the other.
    #[command(after_help = "Example:\n  tallygate bench all --out results")]
    All(Bench),
}

#[derive(Debug, clap::Args)]
pub(super) struct Bench {
    /// How large; each measurement says of what. Its usual size unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    size: Option<u64>,
    /// How long an overload lasts.
    #[arg(long, value_name = "SECONDS", default_value_t = 120,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// A PostgreSQL server, as a user that may create databases; else SQLite is measured.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The folder for scratch files, made anew and removed at the end: on the disk that is to
    /// be measured.
    #[arg(long, value_name = "DIR", default_value = "bench-scratch")]
    dir: PathBuf,
    /// Also write bench.json and bench.svg into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What the gateway writes about itself to standard error.
    #[arg(long, value_name = "LEVEL", default_value = "warn", env = "TALLYGATE_LOG")]
    log: LogFilter,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, clap::Args)]
pub(super) struct Release {
    #[command(flatten)]
    bench: Bench,
    /// Also write what the close sees, and its exact counts, as CSV into this folder.
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
}

impl BenchCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let mut export_to = None;
        let (measures, bench) = match self {
            Self::Protocols(bench) => (vec![Measure::Protocols], bench),
            Self::Intake(bench) => (vec![Measure::Intake], bench),
            Self::Linking(bench) => (vec![Measure::Linking], bench),
            Self::Figures(bench) => (vec![Measure::Figures], bench),
            Self::Prf(bench) => (vec![Measure::Prf], bench),
            Self::Release(Release { bench, export }) => {
                export_to = export;
                (vec![Measure::Release], bench)
            }
            Self::Overload(bench) => (vec![Measure::Overload], bench),
            Self::Log(bench) => (vec![Measure::Log], bench),
            Self::Growth(bench) => (vec![Measure::Growth], bench),
            Self::Verify(bench) => (vec![Measure::Verify], bench),
            Self::Linkage(linkage) => return linkage.run(console),
            Self::Attacks(attacks) => return attacks.run(console),
            Self::Utility(utility) => return utility.run(console),
            Self::Noise(noise) => return noise.run(console),
            Self::Withheld(bench) => (vec![Measure::Withheld], bench),
            Self::All(bench) => (Measure::ALL.to_vec(), bench),
        };
        bench.run(measures, export_to, console).await
    }
}

impl Bench {
    async fn run(
        self,
        measures: Vec<Measure>,
        export: Option<PathBuf>,
        console: &mut Console<'_>,
    ) -> Result<Outcome, CliError> {
        let Self { size, seconds, database, dir, out, log, printing } = self;
        telemetry::init(&log);
        let failed = |source| CliError::Failed { act: "measure", source };
        // Not by the reader of arguments, which would repeat a password that does not belong.
        let database = database.map(|url| PostgresLocation::parse(&url, None)).transpose();
        let database = database.map_err(|error| failed(error.into()))?;
        let overload = Duration::from_secs(seconds);
        let plan = Plan { measures, size, overload, dir, database, export };
        let rows = bench::run(&plan, &mut |doing| console.note(doing)).await;
        let rows = rows.map_err(|error| failed(error.into()))?;
        console.table(printing.format, &table(&rows))?;
        if let Some(out) = &out {
            write(out, &rows)?;
        }
        Ok(Outcome::Done)
    }
}

fn table(rows: &[Row]) -> Table {
    let columns =
        ["name", "engine", "value", "unit", "limit", "ratio", "p50_ms", "p99_ms", "rss_mib"];
    let mut table = Table::new(&columns);
    for row in rows {
        table.row([
            json!(row.name),
            json!(row.engine),
            json!(row.value),
            json!(row.unit),
            json!(row.limit),
            json!(row.ratio),
            json!(row.p50_ms),
            json!(row.p99_ms),
            json!(row.rss_mib),
        ]);
    }
    table
}

fn write(out: &Path, rows: &[Row]) -> Result<(), CliError> {
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |source| CliError::Unwritable { path, source }
    };
    fs::create_dir_all(out).map_err(unwritable(out))?;
    let json = serde_json::to_string_pretty(rows).map_err(|_| CliError::NotPrintable)?;
    for (name, text) in [("bench.json", json + "\n"), ("bench.svg", chart::svg(rows))] {
        let path = out.join(name);
        fs::write(&path, text).map_err(unwritable(&path))?;
    }
    Ok(())
}
