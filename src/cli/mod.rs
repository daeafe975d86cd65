//! The commands, one file each: `tallygate partner add`, `push`, `card`, `audit verify` ...
//!
//! Why it exists: everything that people do with a gateway from a terminal or a script.
//! Invariants: data go to standard output and everything else to standard error; a command
//! ends with 0 (done), 1 (done, with rejects or a failed check) or 2 (could not run, and one
//! sentence says what to do); only `output` prints; only `serve`, `migrate`, `demo`, `backup`,
//! `restore`, `scrub`, `bench` and `audit verify --config` open a database, all else goes through the
//! gateway's API or works offline on files.

mod area;
mod area_compare;
mod area_file;
mod area_lookup;
mod argument;
mod audit;
mod audit_erasures;
mod audit_evidence;
mod audit_export;
mod audit_fetch;
mod audit_gaps;
mod audit_mirror;
mod audit_open;
mod audit_patterns;
mod audit_proof;
mod audit_reconcile;
mod audit_rows;
mod audit_search;
mod audit_trace;
mod audit_verify;
mod audit_years;
mod backup;
mod bench;
mod bench_attacks;
mod bench_linkage;
mod bench_noise;
mod bench_utility;
mod card;
mod card_text;
mod catalogue;
mod catalogue_cost;
mod catalogue_dpia;
mod consent;
mod consent_file;
mod consent_notice;
mod consent_receipt;
mod databook;
mod demo;
mod erase;
mod error;
mod errors;
mod figures;
mod figures_file;
mod keys;
mod keys_versions;
mod migrate;
mod mirror;
mod notice;
mod output;
mod partner;
mod partner_file;
mod protocol;
mod protocol_adherence;
mod protocol_diff;
mod protocol_draft;
mod protocol_paper;
mod protocol_register;
mod protocol_reinstate;
mod protocol_revoke;
mod protocol_schema;
mod protocol_word;
mod push;
mod query;
mod receipt_files;
mod record;
mod refusal;
mod release;
mod release_verify;
mod remote;
mod restore;
mod retention;
mod rights;
mod scrub;
mod serve;
mod subject;
mod subject_relink;
mod synth;
mod text;
mod token;
mod tree;
mod undo;
mod witness;

#[cfg(test)]
mod protocol_tests;
#[cfg(test)]
mod tests;

use clap::{Parser, Subcommand, error::ErrorKind};
use error::CliError;
use output::Console;
use std::{
    ffi::OsString,
    io::{self, BufWriter, IsTerminal, Write},
    process::ExitCode,
};

const EXAMPLES: &str = "\
Examples:
  tallygate card --area CC01 --profile demo/profiles/officer.toml
  tallygate push births.csv --type live_birth --protocol isp-health --profile health.toml
  tallygate audit verify demo/tiles --vkey-file demo/log.vkey

Exit codes: 0 done; 1 done, with rejects or a failed check; 2 could not run.";

/// A gateway through which agencies that serve small children share counts, never people.
#[derive(Debug, Parser)]
#[command(name = "tallygate", version, about, after_help = EXAMPLES)]
#[command(disable_help_subcommand = true, infer_long_args = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the whole journey on this machine, with invented people.
    Demo(demo::Demo),
    /// Runs the gateway.
    Serve(serve::Serve),
    /// Brings the database up to date; enters a new deployment's first partners.
    Migrate(migrate::Migrate),
    /// Writes the whole database into one file, also beside a running gateway.
    Backup(backup::Backup),
    /// Puts a backup into an empty database of either engine and verifies the access log.
    Restore(restore::Restore),
    /// Takes what was erased out of the database's own files.
    Scrub(scrub::Scrub),
    /// Runs a witness: cosigns the checkpoints of logs that only grow.
    Witness(witness::Witness),
    /// Writes the partner files of a synthetic population.
    Synth(synth::Synth),
    /// The register of partners: add, list, show, disable.
    #[command(subcommand, after_help = partner::EXAMPLES)]
    Partner(partner::PartnerCommand),
    /// What is counted, what it costs and how wrong it will be: cost, check, show.
    #[command(subcommand, after_help = catalogue::EXAMPLES)]
    Catalogue(catalogue::CatalogueCommand),
    /// Reach areas and the postcode lookup: load, list, compare.
    #[command(subcommand, after_help = area::EXAMPLES)]
    Area(area::AreaCommand),
    /// Sharing protocols: new, sign, verify, submit, list, show, diff, suspend, revoke and more.
    #[command(subcommand, after_help = protocol::EXAMPLES)]
    Protocol(protocol::ProtocolCommand),
    /// Consent, by the sender's own references: record, withdraw, show, receipt.
    #[command(subcommand, after_help = consent::EXAMPLES)]
    Consent(consent::ConsentCommand),
    /// Cases of subjects' rights: open, show, end, list.
    #[command(subcommand, after_help = rights::EXAMPLES)]
    Rights(rights::RightsCommand),
    /// Notices about records of your own: list, match, acknowledge; overdue ones.
    #[command(subcommand, after_help = notice::EXAMPLES)]
    Notice(notice::NoticeCommand),
    /// What people may see of what is held: request, report, open, list, withhold.
    #[command(subcommand, after_help = subject::EXAMPLES)]
    Subject(subject::SubjectCommand),
    /// Releases: preview, close, withdraw, verify, list, show.
    #[command(subcommand, after_help = release::EXAMPLES)]
    Release(release::ReleaseCommand),
    /// How long records are kept: preview, prove.
    #[command(subcommand, after_help = retention::EXAMPLES)]
    Retention(retention::RetentionCommand),
    /// Record types: what partners may send, as tables, templates and schemas.
    #[command(subcommand, after_help = record::EXAMPLES)]
    Record(record::RecordCommand),
    /// Sends a partner's files to the gateway; prints the receipt.
    Push(push::Push),
    /// Takes a whole file back that was pushed wrongly, by its receipts.
    Undo(undo::Undo),
    /// Erases records of your own for good, by your ids of them.
    Erase(erase::Erase),
    /// Tells which records of your own the gateway has.
    Find(erase::Find),
    /// Asks for one released indicator of one area.
    Query(query::Query),
    /// Prints an area's card: every indicator you may see, with its margin and trend.
    Card(card::Card),
    /// Writes an area's data book: one page that prints, CSV with metadata, and JSON.
    Databook(databook::Databook),
    /// What is published: find it, or ask for what is not; decide such requests.
    #[command(subcommand, after_help = figures::EXAMPLES)]
    Figures(figures::FiguresCommand),
    /// The access log: fetch, search, verify, prove, open, reconcile, gaps, trace and more.
    #[command(subcommand, after_help = audit::EXAMPLES)]
    Audit(audit::AuditCommand),
    /// Keys: new, list; rotate and destroy versions of the gateway's.
    #[command(subcommand, after_help = keys::EXAMPLES)]
    Keys(keys::KeysCommand),
    /// Measures what the gateway does, beside what this machine could do at all.
    #[command(subcommand, after_help = bench::EXAMPLES)]
    Bench(bench::BenchCommand),
    /// Every reason that the gateway gives: what it means, and what to do.
    Errors(errors::Errors),
    /// Prints a short-lived access token, for tools that speak gRPC without us.
    Token(token::Token),
}

/// How a command ended that could run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All done.
    Done,
    /// Done, but some rows were rejected, or a check failed.
    WithFindings,
}

impl Outcome {
    /// `WithFindings` when `found`.
    const fn findings(found: bool) -> Self {
        if found { Self::WithFindings } else { Self::Done }
    }
}

impl Command {
    async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Demo(demo) => demo.run(console).await,
            Self::Serve(serve) => serve.run(console).await,
            Self::Migrate(migrate) => migrate.run(console).await,
            Self::Backup(backup) => backup.run(console).await,
            Self::Restore(restore) => restore.run(console).await,
            Self::Scrub(scrub) => scrub.run(console).await,
            Self::Witness(witness) => witness.run(console).await,
            Self::Token(token) => token.run(console),
            Self::Errors(errors) => errors.run(console),
            Self::Synth(synth) => synth.run(console),
            Self::Partner(command) => command.run(console).await,
            Self::Catalogue(command) => command.run(console),
            Self::Area(command) => command.run(console).await,
            Self::Protocol(command) => command.run(console).await,
            Self::Consent(command) => command.run(console).await,
            Self::Rights(command) => command.run(console).await,
            Self::Notice(command) => command.run(console).await,
            Self::Subject(command) => command.run(console).await,
            Self::Release(command) => command.run(console).await,
            Self::Retention(command) => command.run(console).await,
            Self::Record(command) => command.run(console),
            Self::Push(push) => push.run(console).await,
            Self::Undo(undo) => undo.run(console).await,
            Self::Erase(erase) => erase.run(console).await,
            Self::Find(find) => find.run(console).await,
            Self::Query(command) => command.run(console).await,
            Self::Card(command) => command.run(console).await,
            Self::Databook(command) => command.run(console).await,
            Self::Figures(command) => command.run(console).await,
            Self::Audit(command) => command.run(console).await,
            Self::Keys(command) => command.run(console).await,
            Self::Bench(command) => command.run(console).await,
        }
    }
}

/// Runs the program on the process's own output streams.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut out = BufWriter::new(io::stdout());
    let mut err = io::stderr();
    let on_terminal = err.is_terminal();
    ExitCode::from(run_on(arguments, &mut out, &mut err, on_terminal))
}

/// Runs the program with these output streams and returns its exit code: 0, 1 or 2.
/// `on_terminal` says whether somebody watches `err`, so that progress is shown there.
///
/// Starts a runtime of its own, so it must not be called on an asynchronous task.
pub fn run_on(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
    on_terminal: bool,
) -> u8 {
    let mut console = Console::new(out, err, on_terminal);
    let outcome = match Cli::try_parse_from(arguments) {
        Ok(cli) => run_command(cli.command, &mut console),
        Err(stop) => return explain_usage(&stop, &mut console),
    };
    let outcome = outcome.and_then(|outcome| console.flush().map(|()| outcome));
    match outcome {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::WithFindings) => 1,
        Err(error) => {
            // What was printed before the failure is still the caller's.
            let _ = console.flush();
            console.note(&format!("tallygate: {error}"));
            2
        }
    }
}

/// The one place where the runtime of the network code is built.
fn run_command(command: Command, console: &mut Console<'_>) -> Result<Outcome, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Runtime { source })?
        .block_on(command.run(console))
}

/// Help and version are asked for and go to standard output; a wrong argument does not.
fn explain_usage(stop: &clap::Error, console: &mut Console<'_>) -> u8 {
    let text = stop.render().to_string();
    match stop.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let printed = console.text(&text).and_then(|()| console.flush());
            if printed.is_ok() { 0 } else { 2 }
        }
        _ => {
            console.note(&text);
            2
        }
    }
}
