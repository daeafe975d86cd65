//! `tallygate demo`: the whole journey on one machine, over the real API.
//!
//! Invented people, real places: a population, its partners' files, signed protocols, a
//! gateway over mutual TLS on loopback, five partners pushing at once, eight quarters
//! closed, a centre manager's card and an auditor's check.

use super::{CliError, Console, Outcome, card_text};
use crate::{
    demo::{
        DemoError, LAST_QUARTER, QUARTERS,
        agreements::sign_all,
        ground::{ORGANISATIONS, clear, lay},
        journey, quarters, start,
    },
    disclosure::Catalogue,
    domain::{AreaCode, Quarter, ids::InvalidId},
    gateway::CARD_PURPOSES,
    identity::{Clock, SignedIn, SystemClock, UserSubject},
    keys::Prf,
    protocol::CallerRole,
    server::{
        Running, system_rng,
        telemetry::{self, LogFilter},
    },
    store::PostgresLocation,
    synth::{self, Place, Plan},
    verify::{self, Directory, Report},
};
use jiff::{SignedDuration, tz::TimeZone};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
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
    #[arg(long, default_value_t = 1.0, value_parser = super::argument::scale)]
    scale: f64,
    /// All chance in the files comes from it; the noise in the figures never does.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// A new, empty PostgreSQL database to use, such as `postgres://gateway@localhost/tallygate`.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// The user that owns the PostgreSQL database, if the URL's user does not.
    #[arg(long, value_name = "USER", requires = "postgres")]
    postgres_owner: Option<String>,
    /// With oprf all partners but the centres blind.
    #[arg(long, value_name = "PRF", default_value = "hmac", value_parser = super::keys::prf)]
    pseudonym_prf: Prf,
    /// Stay up after the journey, until interrupted.
    #[arg(long)]
    serve: bool,
    /// People with words in their names that nobody else has: for tests that search DIR.
    #[arg(long, hide = true, default_value_t = 0)]
    canaries: u16,
    /// What the gateway tells of itself on standard error.
    #[arg(long, value_name = "LEVEL", default_value = "warn", env = "TALLYGATE_LOG")]
    log: LogFilter,
}

/// A text as the configuration writes it.
fn quoted(text: &str) -> toml::Value {
    toml::Value::String(text.to_owned())
}

impl From<DemoError> for CliError {
    fn from(error: DemoError) -> Self {
        Self::Failed { act: "show the demo", source: error.into() }
    }
}

impl Demo {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        telemetry::init(&self.log);
        // Before anything is written: a URL with a password must not get into any file.
        if let Some(url) = &self.postgres {
            PostgresLocation::parse(url, None).map_err(DemoError::Database)?;
        }
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
        let ground =
            lay(&self.dir, place, &self.database(), self.pseudonym_prf, clock.now(), &mut rng)?;
        let catalogue = Catalogue::shipped().map_err(DemoError::from)?;
        let agreements = sign_all(&ground, place, &catalogue, clock.now())?;
        steps.done(
            "made certificates and keys; five sharing protocols and the root policy signed",
        )?;
        let running = start(&ground, None, &clock).await?;
        steps.done(&format!("gateway listening on {} (mutual TLS 1.3)", running.address()))?;
        let officer = journey::connect(&self.dir, "officer").await?;
        journey::load_areas(&officer, place, journey::areas(place)).await?;
        journey::submit(&officer, agreements).await?;
        journey::record_notices(&self.dir).await?;
        let today = clock.now().to_zoned(TimeZone::UTC).date();
        let consents = journey::push_consents(&self.dir, today).await?;
        steps.done(&format!(
            "{} areas loaded, protocols active, {} consents recorded",
            place.areas.len() + place.clusters.len() + 1,
            thousands(consents),
        ))?;
        let pushed = journey::push_all(&self.dir, today).await?;
        steps.pushed(&pushed)?;
        let quarters = quarters();
        let second = journey::connect(&self.dir, "officer-2").await?;
        let accepted = journey::close([&officer, &second], &quarters).await?;
        steps.closed(&quarters, &accepted)?;
        let area = place.areas[0].code;
        let card = journey::card(&ground, area, CARD_PURPOSES).await?;
        running.project_log().await.map_err(DemoError::from)?;
        let report = verify_log(&self.dir)?;
        steps.console.text("")?;
        steps.console.text(&card_text::render(&card, false))?;
        steps.verified(&report, &self.dir)?;
        let addresses = (running.address(), running.web_address());
        steps.try_next(&self.dir, area, self.serve, addresses)?;
        if self.serve {
            steps.links(&running, area)?;
            steps.console.flush()?;
            let _ = tokio::signal::ctrl_c().await;
        }
        drop((officer, second));
        running.stop().await.map_err(DemoError::from)?;
        Ok(Outcome::findings(!report.is_sound()))
    }

    /// The lines of the configuration that say where the data lies.
    fn database(&self) -> String {
        let Some(url) = &self.postgres else { return "sqlite = \"gateway.db\"\n".to_owned() };
        let owner = self.postgres_owner.as_ref();
        let owner = owner.map_or(String::new(), |owner| format!("owner = {}\n", quoted(owner)));
        format!("postgres = {}\n{owner}", quoted(url))
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

    fn done(&mut self, what: &str) -> Result<(), CliError> {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.console.text(&format!("{seconds:6.1} s  {what}"))?;
        self.console.flush()
    }

    fn pushed(&mut self, pushed: &[journey::Pushed]) -> Result<(), CliError> {
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
    ) -> Result<(), CliError> {
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

    fn verified(&mut self, report: &Report, dir: &Path) -> Result<(), CliError> {
        let verdict = if report.is_sound() { "verified" } else { "FAILED" };
        self.console.text(&format!(
            "\nAccess log {verdict}: {} entries, every tile recomputed from {}",
            thousands(report.size.unwrap_or(0)),
            dir.join("tiles").display(),
        ))?;
        self.console.text(synth::ATTRIBUTION)
    }

    /// One-time links into the pages, one for each kind of person.
    fn links(&mut self, running: &Running, area: &str) -> Result<(), CliError> {
        let Some((address, pages)) = running.pages() else { return Ok(()) };
        self.console.text(
            "\nOr look with a browser, which will warn of the demo's own certificate. Each link signs \
             in once, within a day:",
        )?;
        for (name, who) in people(area).map_err(DemoError::from)? {
            let path = pages.sign_in_path(who, LINK_LIFE).unwrap_or_default();
            self.console.text(&format!("  {name:<16} https://{address}{path}"))?;
        }
        Ok(())
    }

    fn try_next(
        &mut self,
        dir: &Path,
        area: &str,
        serves: bool,
        addresses: (SocketAddr, Option<SocketAddr>),
    ) -> Result<(), CliError> {
        let dir = dir.display();
        let web = addresses.1.map_or(String::new(), |web| {
            format!(
                "\n  curl --cacert {dir}/ca.pem --cert {dir}/certificates/health.pem \
                 --key {dir}/certificates/health.key https://{web}/checkpoint"
            )
        });
        let address = addresses.0;
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
             \x20 tallygate audit search --area {area} --profile {dir}/profiles/auditor.toml\n\
             \x20 tallygate audit fetch --out mirror --vkey-file {dir}/log.vkey \
             --profile {dir}/profiles/auditor.toml\n\
             \x20 tallygate audit verify mirror --vkey-file {dir}/log.vkey{web}"
        ))?;
        Ok(())
    }
}

/// How long the links into the pages wait.
const LINK_LIFE: SignedDuration = SignedDuration::from_hours(24);

const NO_NAME: InvalidId = InvalidId { kind: "user", rule: "1 to 256 printable characters" };

/// Those for whom there are pages, as their organisations would name them.
fn people(area: &str) -> Result<[(&'static str, SignedIn); 5], InvalidId> {
    let person = |partner: &str, user: &str, role, areas: Vec<AreaCode>| {
        Ok::<_, InvalidId>(SignedIn {
            partner: partner.parse()?,
            user: UserSubject::new(user).ok_or(NO_NAME)?,
            roles: vec![role],
            areas,
        })
    };
    let manager = format!("manager-{area}");
    let place = synth::place(Place::Coventry);
    let own = place.areas.iter().find(|reach| reach.code == area);
    let cluster = own.map(|reach| place.clusters[reach.cluster].code);
    let areas = [Some(area), cluster, Some(place.authority_code)].into_iter().flatten();
    let areas = areas.map(str::parse).collect::<Result<_, _>>()?;
    Ok([
        ("centre manager", person("centres", &manager, CallerRole::Consumer, areas)?),
        ("data officer", person("authority", "data-officer-1", CallerRole::DataOfficer, vec![])?),
        ("second officer", person("authority", "data-officer-2", CallerRole::DataOfficer, vec![])?),
        ("auditor", person("oversight", "auditor-1", CallerRole::Auditor, vec![])?),
        ("sender", person("health", "health-service", CallerRole::Provider, vec![])?),
    ])
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
    fn counts_have_commas() {
        let written = [0, 7, 999, 1_000, 61_234, 1_234_567].map(thousands);
        assert_eq!(written, ["0", "7", "999", "1,000", "61,234", "1,234,567"]);
    }
}
