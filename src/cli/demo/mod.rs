//! `tallygate demo`: the whole journey on one machine, over the real API.
//!
//! Invented people, real places: a population, its partners' files, signed protocols, a
//! gateway over mutual TLS on loopback, five partners pushing at once, eight quarters
//! closed, a centre manager's card and an auditor's check.

mod agreements;
mod ground;
mod journey;

use super::{CliError, Console, Outcome, card_text};
use crate::{
    config::{Config, ConfigError},
    connector::{ConnectorError, PushError},
    disclosure::{Catalogue, DisclosureError},
    domain::{Quarter, ids::InvalidId},
    gateway::GatewayError,
    identity::{Clock, IssueError, SystemClock},
    keys::KeyError,
    protocol::{Fault, Rule, SignatureError},
    server::{
        self, Running, ServeError, system_rng,
        telemetry::{self, LogFilter},
    },
    synth::{self, Place, Plan, SynthError},
    verify::{self, Directory, Report},
};
use agreements::sign_all;
use ground::{Ground, ORGANISATIONS, clear, lay, write};
use jiff::tz::TimeZone;
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

const HELP: &str = "\
Everything lies under DIR, which is made anew each time; nothing else on the machine is touched.
Without --serve the gateway is stopped at the end; start it again with
  tallygate serve --config DIR/gateway.toml

Examples:
  tallygate demo
  tallygate demo --dir trial --scale 0.1 --serve";

/// The last of the demo's quarters; fixed, so that the same seed gives the same files.
const LAST_QUARTER: &str = "2026Q1";
/// How many quarters it closes.
const QUARTERS: u8 = 8;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Demo {
    /// The folder to make; an earlier demo in it is wiped.
    #[arg(long, value_name = "DIR", default_value = "demo")]
    dir: PathBuf,
    /// Where the people live.
    #[arg(long, default_value = "coventry")]
    place: Place,
    /// The size: 1.0 is the real place's number of births.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// All chance in the files comes from it; the noise in the figures never does.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Use this PostgreSQL database, a new and empty one: `postgres://gateway@localhost/tallygate`.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// The user that owns the PostgreSQL database, if the URL's user does not.
    #[arg(long, value_name = "USER", requires = "postgres")]
    postgres_owner: Option<String>,
    /// Stay up after the journey, until interrupted.
    #[arg(long)]
    serve: bool,
    /// People with words in their names that nobody else has: for tests that search DIR.
    #[arg(long, hide = true, default_value_t = 0)]
    canaries: u16,
    /// What the gateway writes about itself to standard error.
    #[arg(long, value_name = "LEVEL", default_value = "warn", env = "TALLYGATE_LOG")]
    log: LogFilter,
}

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("can't use {}: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{} holds something that no demo made: give --dir a new folder", path.display())]
    NotADemo { path: PathBuf },
    #[error("no free port on this machine's loopback address: {0}")]
    Port(io::Error),
    #[error("the protocol {protocol} did not become active")]
    NotActive { protocol: String },
    #[error("a partner of the demo is missing")]
    Nobody,
    #[error("a quarter was not closed by its second officer")]
    NotClosed,
    #[error(transparent)]
    Synth(#[from] SynthError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error(transparent)]
    Push(#[from] PushError),
    #[error("the gateway refused: {}", .0.message())]
    Refused(#[from] Box<tonic::Status>),
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("a template of the demo breaks the rule {0:?}")]
    Template(Rule),
    #[error(transparent)]
    Id(#[from] InvalidId),
    #[error(transparent)]
    Time(#[from] jiff::Error),
    #[error(transparent)]
    Csv(#[from] csv::Error),
    #[error("the log's tiles can't be read: {0}")]
    Log(#[from] verify::SourceError),
    #[error("the log's key can't be read: {0}")]
    LogKey(#[from] verify::note::NoteProblem),
    #[error(transparent)]
    Console(Box<CliError>),
}

impl From<tonic::Status> for DemoError {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl From<Rule> for DemoError {
    fn from(rule: Rule) -> Self {
        Self::Template(rule)
    }
}

impl From<CliError> for DemoError {
    fn from(error: CliError) -> Self {
        Self::Console(Box::new(error))
    }
}

impl Demo {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        telemetry::init(&self.log);
        let failed =
            |error: DemoError| CliError::Failed { act: "show the demo", source: error.into() };
        self.show(console).await.map_err(failed)
    }

    async fn show(self, console: &mut Console<'_>) -> Result<Outcome, DemoError> {
        let mut steps = Steps::new(console);
        let place = synth::place(self.place);
        clear(&self.dir)?;
        let people = self.populate()?;
        steps.done(&format!(
            "made up {} children of {} and five partners' files ({} records)",
            people.children,
            place.authority_name,
            thousands(people.files.iter().map(|file| file.rows).sum()),
        ))?;
        let (clock, mut rng): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), system_rng());
        let ground = lay(&self.dir, place, &self.database(), clock.now(), &mut rng)?;
        let catalogue = Catalogue::shipped()?;
        let agreements = sign_all(&ground, place, &catalogue, clock.now())?;
        steps.done(
            "made certificates and keys; five sharing protocols and the root policy signed",
        )?;
        let running = start(&ground, &clock).await?;
        steps.done(&format!("gateway listening on {} (mutual TLS 1.3)", running.address()))?;
        let officer = journey::connect(&self.dir, "officer").await?;
        journey::load_areas(&officer, place).await?;
        journey::submit(&officer, agreements).await?;
        let consents = journey::record_consents(&self.dir).await?;
        steps.done(&format!(
            "{} areas loaded, protocols active, {} consents recorded",
            place.areas.len() + place.clusters.len() + 1,
            thousands(consents),
        ))?;
        let today = clock.now().to_zoned(TimeZone::UTC).date();
        let pushed = journey::push_all(&self.dir, today).await?;
        steps.pushed(&pushed)?;
        let quarters = quarters();
        let second = journey::connect(&self.dir, "officer-2").await?;
        let accepted = journey::close([&officer, &second], &quarters).await?;
        steps.closed(&quarters, &accepted)?;
        let area = place.areas[0].code;
        let card = journey::card(&ground, area).await?;
        running.project_log().await?;
        let report = verify_log(&self.dir)?;
        steps.console.text("")?;
        steps.console.text(&card_text::render(&card, false))?;
        steps.verified(&report, &self.dir)?;
        steps.try_next(&self.dir, area, self.serve, running.address())?;
        if self.serve {
            steps.console.flush()?;
            let _ = tokio::signal::ctrl_c().await;
        }
        drop((officer, second));
        running.stop().await?;
        Ok(Outcome::findings(!report.is_sound()))
    }

    /// The lines of the configuration that say where the data lies.
    fn database(&self) -> String {
        let Some(url) = &self.postgres else { return "sqlite = \"gateway.db\"\n".to_owned() };
        let owner = self.postgres_owner.as_ref();
        let owner = owner.map_or(String::new(), |owner| format!("owner = \"{owner}\"\n"));
        format!("postgres = \"{url}\"\n{owner}")
    }

    fn populate(&self) -> Result<synth::Summary, DemoError> {
        let plan = Plan {
            place: self.place,
            seed: self.seed,
            scale: self.scale,
            quarters: QUARTERS,
            canaries: self.canaries,
        };
        Ok(synth::write(&plan, &self.dir.join("files"))?)
    }
}

/// Starts the gateway as its own configuration says and enters the partners.
async fn start(ground: &Ground, clock: &Arc<dyn Clock>) -> Result<Running, DemoError> {
    let config = Config::read(&ground.dir.join("gateway.toml"))?;
    server::migrate(&config).await?;
    let running = server::start(&config, Arc::clone(clock), system_rng()).await?;
    server::enter(running.gateway(), ground.partners.clone()).await?;
    write(&ground.dir, "log.vkey", format!("{}\n", running.gateway().log_vkey()).as_bytes())?;
    Ok(running)
}

fn quarters() -> Vec<Quarter> {
    let mut quarters: Vec<Quarter> = LAST_QUARTER.parse().into_iter().collect();
    while quarters.len() < usize::from(QUARTERS) {
        let Some(earliest) = quarters.last().copied() else { break };
        quarters.push(Quarter::previous(earliest));
    }
    quarters.reverse();
    quarters
}

/// What an auditor does: recompute the whole log from its files, with a key held from
/// elsewhere.
fn verify_log(dir: &Path) -> Result<Report, DemoError> {
    let path = dir.join("log.vkey");
    let key = std::fs::read_to_string(&path)
        .map_err(|source| DemoError::Folder { path, source })?
        .trim()
        .parse()?;
    Ok(verify::verify_log(&Directory::new(dir.join("tiles")), &key)?)
}

/// Says what was done and how long it took.
struct Steps<'c, 'w> {
    console: &'c mut Console<'w>,
    begun: Instant,
}

impl<'c, 'w> Steps<'c, 'w> {
    fn new(console: &'c mut Console<'w>) -> Self {
        Self { console, begun: Instant::now() }
    }

    fn done(&mut self, what: &str) -> Result<(), DemoError> {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.console.text(&format!("{seconds:6.1} s  {what}"))?;
        Ok(self.console.flush()?)
    }

    fn pushed(&mut self, pushed: &[journey::Pushed]) -> Result<(), DemoError> {
        let rows: u64 = pushed.iter().map(|push| push.report.rows).sum();
        self.done(&format!("five partners pushed {} records:", thousands(rows)))?;
        for organisation in &ORGANISATIONS {
            for push in pushed.iter().filter(|push| push.partner == organisation.id) {
                let report = &push.report;
                self.console.text(&format!(
                    "            {:9} {:24} {:>9} well-formed {:>7} sent before {:>6} rejected",
                    push.partner,
                    push.record_type.name(),
                    thousands(report.well_formed),
                    thousands(report.sent_before),
                    thousands(report.rejected),
                ))?;
            }
        }
        Ok(())
    }

    fn closed(
        &mut self,
        quarters: &[Quarter],
        accepted: &BTreeSet<String>,
    ) -> Result<(), DemoError> {
        let points: Vec<&str> = accepted.iter().map(String::as_str).collect();
        let points = match &*points {
            [] => "nothing left open".to_owned(),
            points => format!("accepting {}", points.join(" and ")),
        };
        self.done(&format!(
            "closed {} quarters, {} to {LAST_QUARTER}, by two officers, {points}",
            quarters.len(),
            quarters[0]
        ))
    }

    fn verified(&mut self, report: &Report, dir: &Path) -> Result<(), DemoError> {
        let verdict = if report.is_sound() { "verified" } else { "FAILED" };
        self.console.text(&format!(
            "\nAccess log {verdict}: {} entries, every tile recomputed from {}",
            thousands(report.size.unwrap_or(0)),
            dir.join("tiles").display(),
        ))?;
        Ok(self.console.text(synth::ATTRIBUTION)?)
    }

    fn try_next(
        &mut self,
        dir: &Path,
        area: &str,
        serves: bool,
        address: std::net::SocketAddr,
    ) -> Result<(), DemoError> {
        let dir = dir.display();
        let first = if serves {
            "The gateway stays up until you press Ctrl-C.".to_owned()
        } else {
            format!(
                "The gateway has stopped. Start it again: tallygate serve --config {dir}/gateway.toml"
            )
        };
        self.console.text(&format!(
            "\n{first}\nThen try:\n\
             \x20 buf curl --protocol grpc --cacert {dir}/ca.pem --cert {dir}/certificates/oversight.pem \\\n\
             \x20   --key {dir}/certificates/oversight.key --servername localhost \\\n\
             \x20   --header \"authorization: Bearer $(tallygate token --profile {dir}/profiles/auditor.toml)\" \\\n\
             \x20   https://{address}/tallygate.v1.AccessLogService/GetCheckpoint -d '{{}}'\n\
             \x20 tallygate query registered --area {area} --period 2024Q2..{LAST_QUARTER} \
             --profile {dir}/profiles/manager-{area}.toml\n\
             \x20 tallygate audit search --area {area} --profile {dir}/profiles/auditor.toml"
        ))?;
        Ok(())
    }
}

/// A count with commas.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas_and_quarters_are_eight_in_order() {
        let written = [0, 7, 999, 1_000, 61_234, 1_234_567].map(thousands);
        assert_eq!(written, ["0", "7", "999", "1,000", "61,234", "1,234,567"]);
        let quarters = quarters();
        assert_eq!((quarters[0].to_string(), quarters.len()), ("2024Q2".to_owned(), 8));
        assert!(quarters.is_sorted());
    }

    #[test]
    fn only_a_demo_is_wiped() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(clear(dir.path()), Err(DemoError::NotADemo { .. })));
        assert!(dir.path().join("thesis.txt").exists());
        let demo = dir.path().join("demo");
        clear(&demo).unwrap();
        std::fs::write(demo.join("files/old.csv"), "old").unwrap();
        clear(&demo).unwrap();
        assert!(!demo.join("files/old.csv").exists());
    }
}
