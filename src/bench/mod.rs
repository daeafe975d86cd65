//! What `tallygate bench` measures: each part of the gateway as it is, and in the same run the
//! limit of what this machine could do at all.
//!
//! Why limits: absolute figures drift with the machine and its neighbours; the ratio says how
//! much of what is possible the guarantees leave. Every measurement goes through the real
//! thing (a gateway over mutual TLS, its own database, everything logged); the limits are
//! insecure and live here and in `store::bench` alone, where no gateway can reach them.
//!
//! Invariants:
//! - Nothing is measured that was not done: a call that fails ends the run.
//! - Only a scratch folder, and databases of our own making, are written to and removed.

pub(crate) mod attacks;
pub(crate) mod chart;
mod figures;
mod growth;
mod intake;
pub(crate) mod linkage;
mod linking;
mod log;
pub(crate) mod noise;
mod overload;
mod prf;
mod protocols;
mod release;
mod sample;
mod served;
mod site;
pub(crate) mod utility;
mod verify;
mod withheld;

use crate::{
    connector::ConnectorError,
    demo::DemoError,
    disclosure::DisclosureError,
    identity::{Clock, SystemClock},
    keys::KeyError,
    server::{ListenError, TlsError},
    store::{ActError, PostgresLocation, StoreError},
};
use serde::Serialize;
use std::{io, path::PathBuf, sync::Arc, time::Duration};

/// Callers at once where callers are measured.
const CALLERS: usize = 64;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The decision, at a region's size.
    Protocols,
    /// Records taken in, end to end.
    Intake,
    /// Identities linked to persons.
    Linking,
    /// Cards and queries.
    Figures,
    /// Blinded values evaluated.
    Prf,
    /// A quarter's close.
    Release,
    /// More than can be done.
    Overload,
    /// Answers that say nothing, told apart by their times.
    Withheld,
    /// The access log's write path.
    Log,
    /// The same on a long log.
    Growth,
    /// The auditor's verification of a whole log.
    Verify,
}

impl Measure {
    /// All, in the order in which they run: first what the process's memory tells of.
    pub(crate) const ALL: [Self; 11] = [
        Self::Protocols,
        Self::Intake,
        Self::Linking,
        Self::Figures,
        Self::Prf,
        Self::Release,
        Self::Overload,
        Self::Withheld,
        Self::Log,
        Self::Growth,
        Self::Verify,
    ];

    /// How large it is unless told otherwise: children, calls, evaluations, persons, connections, leaves,
    /// entries.
    const fn usual_size(self) -> u64 {
        match self {
            Self::Protocols => 1_000,
            Self::Intake | Self::Overload => 2_000,
            Self::Linking => 100_000,
            Self::Figures => 12_000,
            Self::Prf => 65_536,
            Self::Release => 100_000,
            Self::Withheld => 4_000,
            Self::Log => 60_000,
            Self::Growth | Self::Verify => 1_000_000,
        }
    }
}

/// What to measure, where.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What.
    pub(crate) measures: Vec<Measure>,
    /// How large; `None` for each measure's own.
    pub(crate) size: Option<u64>,
    /// How long an overload lasts.
    pub(crate) overload: Duration,
    /// The folder for scratch files, on the disk to be measured.
    pub(crate) dir: PathBuf,
    /// A PostgreSQL server whose user may create databases and roles; `None` for SQLite.
    pub(crate) database: Option<PostgresLocation>,
    /// Where what a close sees and its exact counts are written, if anywhere: invented persons'.
    pub(crate) export: Option<PathBuf>,
}

/// One figure beside its limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: &'static str,
    /// `sqlite` or `postgres`.
    pub(crate) engine: &'static str,
    /// The gateway's figure.
    pub(crate) value: f64,
    /// Of value and limit; what ends in `/s` is the better the more.
    pub(crate) unit: &'static str,
    /// The limit's figure, of the same run.
    pub(crate) limit: f64,
    /// Value divided by limit.
    pub(crate) ratio: f64,
    /// Half of the gateway's answers took at most this long, milliseconds.
    pub(crate) p50_ms: f64,
    /// 99 in 100 of them took at most this long, milliseconds.
    pub(crate) p99_ms: f64,
    /// The most memory that the process held meanwhile, callers included, MiB.
    pub(crate) rss_mib: Option<f64>,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The demo's ground or one of its steps.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A gateway.
    #[error(transparent)]
    Gateway(#[from] crate::gateway::GatewayError),
    /// The log.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The log's forms.
    #[error(transparent)]
    Audit(#[from] crate::audit::AuditError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The catalogue.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    /// A connection.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The limit's own listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Its certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A call was refused.
    #[error("a call was refused: {}", .0.message())]
    Refused(Box<tonic::Status>),
    /// A file.
    #[error("can't use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the synthetic population.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// A profile of the ground.
    #[error(transparent)]
    Profile(#[from] toml::de::Error),
    /// The files of a log.
    #[error(transparent)]
    Files(#[from] crate::verify::SourceError),
    /// The verifier did not call a sound log sound.
    #[error("the verifier finds fault with the log that was written for it")]
    NotSound,
    /// A task was cut short.
    #[error("a part of the measurement was cut short")]
    CutShort,
    /// A stored event that is none.
    #[error(transparent)]
    Event(#[from] crate::domain::event::CorruptEvent),
    /// A word of the program's own.
    #[error(transparent)]
    Id(#[from] crate::domain::ids::InvalidId),
    /// The synthetic population.
    #[error(transparent)]
    Population(crate::synth::SynthError),
    /// A file of people lacks a column.
    #[error("{} has no column {column}: give its heading as the help says", path.display())]
    NoColumn {
        /// Which file.
        path: PathBuf,
        /// Which column.
        column: &'static str,
    },
    /// A pair names a record that neither file has.
    #[error("row {row} of {} names a record that is in neither file", path.display())]
    UnknownRecord {
        /// Which file.
        path: PathBuf,
        /// Which row, from 1 on below the heading.
        row: u64,
    },
    /// What is drawn for a bench is not what a freeze draws.
    #[error(
        "the bench's releases are not what a freeze of the same count gives: a fault in either"
    )]
    OtherNoise,
    /// A synthetic place's areas that are none.
    #[error("the synthetic place's areas break a rule")]
    Areas,
    /// The ground's protocols do not let a table be counted.
    #[error("the ground's protocols do not let a table of the quarter be counted")]
    NoPermit,
    /// There was nobody to count.
    #[error("nobody was taken in, so there is nobody to count: give a larger --size")]
    Nobody,
}

impl From<tonic::Status> for BenchError {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// The nearest whole number of a count, a percentage or the like.
#[expect(clippy::cast_possible_truncation, reason = "far below 2^53")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// Measures, one after the other; `say` hears what is going on.
///
/// # Errors
/// When anything fails; the scratch is removed all the same.
pub(crate) async fn run(plan: &Plan, say: &mut dyn FnMut(&str)) -> Result<Vec<Row>, BenchError> {
    let mut scratch = site::Scratch::new(plan)?;
    let measured = measure_all(plan, &mut scratch, say).await;
    let removed = scratch.remove().await;
    let rows = measured?;
    removed?;
    Ok(rows)
}

async fn measure_all(
    plan: &Plan,
    scratch: &mut site::Scratch,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut rows = Vec::new();
    for measure in &plan.measures {
        let size = plan.size.unwrap_or(measure.usual_size()).max(1);
        rows.extend(match measure {
            Measure::Protocols => protocols::measure(scratch, size, say).await?,
            Measure::Intake => intake::measure(scratch, &clock, size, say).await?,
            Measure::Linking => linking::measure(scratch, &clock, size, say).await?,
            Measure::Figures => figures::measure(scratch, &clock, size, say).await?,
            Measure::Prf => prf::measure(scratch, &clock, size, say).await?,
            Measure::Release => {
                release::measure(scratch, &clock, size, plan.export.as_deref(), say).await?
            }
            Measure::Overload => {
                overload::measure(scratch, &clock, size, plan.overload, say).await?
            }
            Measure::Withheld => withheld::measure(scratch, &clock, size, say).await?,
            Measure::Log => log::measure(scratch, &clock, size, say).await?,
            Measure::Growth => growth::measure(scratch, &clock, size, say).await?,
            Measure::Verify => verify::measure(scratch, &*clock, size, say)?,
        });
    }
    Ok(rows)
}
