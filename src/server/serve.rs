//! The composition root: opens the store, starts the gateway, listens, projects the log's
//! tiles, and stops in order.

use super::{
    HandshakeFailures, HandshakeLimits, ListenError, Listener, TlsError, background,
    ops::{self, Metrics, Sources},
    reload::{Files, For, Guarded, Reloader},
    sites::{ServedLog, ServedPages, Sites},
    spans::Spans,
    witness_client::WitnessClient,
};
use crate::{
    audit::{AuditError, LogSigner},
    config::Config,
    disclosure::{Catalogue, DisclosureError},
    gateway::{
        Denied, Gateway, GatewayError, HistoryError, JournalPlace, ProjectionError, Projector,
        Published, Quotas, Setup, Witness, Witnesses, register::Partner,
    },
    grpc::{self, Observer},
    identity::{CallerCheck, Clock, Recogniser, TokenCache, TokenVerifier},
    keys::{KeyError, Log, Prf, Release, SigningKey},
    meters::CallMeters,
    store::{Location, Store, StoreError, calendar_year},
    web::pages::{BoundariesError, Pages},
};
use rand::{SeedableRng, rngs::StdRng};
use std::{fs, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

/// How long the last cosignatures may take at the end.
const LAST_COSIGNING: Duration = Duration::from_secs(10);
/// Verified tokens that are remembered.
const REMEMBERED_TOKENS: usize = 10_000;
/// How often a start looks whether another gateway has let go of what is due.
const RETENTION_POLL: Duration = Duration::from_secs(1);

/// The gateway could not be started or ended badly. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file of the configuration can't be read.
    #[error("can't read {}: check that it exists and that you may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The key file is for another PRF than the configuration says.
    #[error(
        "keys.pseudonym_prf is \"{said}\" and the key file is for \"{held}\": a deployment keeps the \
         PRF that it began with; give it its own key file"
    )]
    OtherPrf {
        /// What the configuration says.
        said: Prf,
        /// What the key file is for.
        held: Prf,
    },
    /// The outlines for maps are of no use.
    #[error(transparent)]
    Boundaries(#[from] BoundariesError),
    /// The certificates or keys of the listener are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address can't be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The gateway.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log's key.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The catalogue.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    /// The database is not what a witness has seen.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The log's tiles can't be written.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// The first partners were refused: the register is not empty, or an entry is wrong.
    #[error("the first partners were not entered: {sentence}{}", at(fields))]
    Register {
        /// Why.
        sentence: &'static str,
        /// Entries at fault and the rules they broke.
        fields: Vec<(String, String)>,
    },
    /// Where spans are to go.
    #[error("telemetry.otlp: no spans can be sent there")]
    Spans(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The server of the RPC library failed.
    #[error("the gRPC server ended unexpectedly")]
    Transport(#[from] tonic::transport::Error),
}

/// A running gateway.
pub struct Running {
    gateway: Arc<Gateway>,
    address: SocketAddr,
    web: Option<ServedLog>,
    pages: Option<ServedPages>,
    ops: Option<(SocketAddr, JoinHandle<()>)>,
    draining: CancellationToken,
    stop: CancellationToken,
    /// Cancelled when all else has ended.
    end: CancellationToken,
    failures: Arc<HandshakeFailures>,
    projector: Projector,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
    background: Vec<JoinHandle<()>>,
    sequencer: JoinHandle<()>,
    spans: Spans,
    reloader: Arc<Reloader>,
    notice: Duration,
    drain: Duration,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Brings the schema of a configuration's database up to date, as its owner.
///
/// # Errors
/// When it can't be opened or migrated.
pub async fn migrate(config: &Config) -> Result<(), ServeError> {
    let store = Store::open(&config.owner).await?;
    let gateway = match &config.database {
        Location::Sqlite(_) => None,
        Location::Postgres(location) => Some(location.user()),
    };
    let migrated = store.migrate(gateway).await;
    store.close().await;
    Ok(migrated?)
}

/// Opens the store to serve from it. An embedded file is brought up to date on the way; a
/// database that several share is migrated by its owner, apart.
async fn open(config: &Config) -> Result<Store, ServeError> {
    let store = Store::open(&config.database).await?;
    if store.is_embedded() {
        store.migrate(None).await?;
    } else {
        store.check_level().await?;
    }
    for warning in store.warnings().await? {
        tracing::warn!("{warning}");
    }
    Ok(store)
}

fn journal(config: &Config) -> JournalPlace {
    JournalPlace {
        path: config.journal.clone(),
        anchor: config.journal_anchor.clone(),
        go_on: config.without_journal,
        confirmed_day: config.confirmed_day,
    }
}

/// What is done before anything is served: a restored backup has what was erased, and let go,
/// since it was taken.
async fn make_ready(gateway: &Gateway, config: &Config) -> Result<(), ServeError> {
    gateway.note_quorum().await?;
    gateway.replay_journal(&journal(config)).await?;
    gateway.expire_protocols().await?;
    // Another gateway may be at it: its work is waited for, and done where it died.
    loop {
        gateway.apply_retention(config.confirmed_day).await?;
        if gateway.retention_is_applied().await? {
            break;
        }
        time::sleep(RETENTION_POLL).await;
    }
    Ok(gateway.name_erasures().await?)
}

/// A gateway that nothing reaches yet.
struct Begun {
    gateway: Arc<Gateway>,
    sequencer: JoinHandle<()>,
    projector: Projector,
    published: Published,
}

/// Opens the store, has the witnesses say that it is not an old copy, and does what is due.
async fn begin(config: &Config, clock: &Arc<dyn Clock>, rng: StdRng) -> Result<Begun, ServeError> {
    let (store, year) = (open(config).await?, calendar_year(clock.now()));
    if let Some(fixed) = config.origin.fixed_year().filter(|fixed| *fixed != year) {
        let origin = config.origin.as_str();
        tracing::warn!(
            origin,
            "log.origin names the year {fixed} and it is {year}: write {{year}} in its place, and \
             each year's log begins by itself"
        );
    }
    let setup = setup(config, store.clone(), Arc::clone(clock), rng)?;
    let witnesses = Arc::clone(&setup.witnesses);
    // Before anything is added: what is added to an old copy would be a fork.
    witnesses.check_history(&store, &setup.log, &config.without_witnesses).await?;
    let (gateway, sequencer) = Gateway::start(setup).await?;
    make_ready(&gateway, config).await?;
    let published = Published::new(store.clone(), config.tiles.clone());
    let projector = Projector::new(store, config.tiles.clone()).with_witnesses(witnesses);
    Ok(Begun { gateway, sequencer, projector, published })
}

/// Starts a gateway as its configuration says.
///
/// # Errors
/// When anything it needs can't be had.
pub async fn start(
    config: &Config,
    clock: Arc<dyn Clock>,
    rng: StdRng,
) -> Result<Running, ServeError> {
    let Begun { gateway, sequencer, projector, published } = begin(config, &clock, rng).await?;
    let tls = guarded(config, &clock)?;
    let listener = Listener::bind(config.listen, tls.config(), HandshakeLimits::default()).await?;
    let listener = listener.judged_by(tls.trust());
    let mut sites = Sites::bind(config, &clock, &listener.failures()).await?;
    let guarded = std::iter::once(tls).chain(std::mem::take(&mut sites.guarded)).collect();
    let reloader = Arc::new(Reloader::new(guarded));
    let door = match &config.ops {
        Some(ops) => Some(ops::Door::bind(ops).await?),
        None => None,
    };
    let (address, failures, stop) =
        (listener.local_addr(), listener.failures(), CancellationToken::new());
    let recogniser = Arc::new(Recogniser::new(Arc::clone(&gateway), caller_check(config)));
    let (web, pages) = sites.serve(&recogniser, &published, &stop)?;
    let (calls, spans) = (CallMeters::default(), Spans::begin(&config.telemetry)?);
    let frame = grpc::Frame::new(recogniser, published.clone()).stopped_by(stop.clone());
    let services = grpc::services(&Arc::new(frame)).observed_by(Observer::new(
        calls.clone(),
        spans.tracer(),
        system_rng(),
    ));
    let server = tokio::spawn(grpc::server().serve_with_incoming_shutdown(
        services,
        listener.incoming(stop.clone()),
        stop.clone().cancelled_owned(),
    ));
    let mut background = background::begin(&gateway, &failures, &projector, config, &stop);
    background.push(tokio::spawn(Arc::clone(&reloader).keep_looking(stop.clone())));
    let (draining, end) = (CancellationToken::new(), CancellationToken::new());
    let ops = door.map(|door| {
        let metrics = Metrics::new(&Sources {
            gateway: &gateway,
            calls: &calls,
            failures: &failures,
            projector: &projector,
            published: &published,
            reloads: reloader.meters(),
        });
        let (gateway, draining) = (Arc::clone(&gateway), draining.clone());
        let tasks = [sequencer.abort_handle(), server.abort_handle()];
        (door.address, door.serve(ops::Ops { gateway, metrics, draining, tasks }, end.clone()))
    });
    Ok(Running {
        gateway,
        address,
        web,
        pages,
        ops,
        draining,
        stop,
        end,
        failures,
        projector,
        server,
        background,
        sequencer,
        spans,
        reloader,
        notice: config.ops.map_or(Duration::ZERO, |ops| ops.notice),
        drain: config.drain,
    })
}

/// The TLS of gRPC's listener.
fn guarded(config: &Config, clock: &Arc<dyn Clock>) -> Result<Guarded, ServeError> {
    let files = Files {
        certificate: config.certificate.clone(),
        key: config.key.clone(),
        client_ca: Some(config.client_ca.clone()),
        client_crl: config.client_crl.clone(),
    };
    Guarded::read(("grpc", For::Callers), files, clock)
}

fn caller_check(config: &Config) -> CallerCheck {
    let verifier = TokenVerifier::new(config.audience.clone());
    CallerCheck::new(verifier, TokenCache::new(REMEMBERED_TOKENS))
}

fn setup(
    config: &Config,
    store: Store,
    clock: Arc<dyn Clock>,
    rng: StdRng,
) -> Result<Setup, ServeError> {
    let log_key: SigningKey<Log> = SigningKey::load(&config.log_key)?;
    let witnesses = Arc::new(witnesses(config, &clock)?);
    let keys = config.master_keys.load()?;
    let held = keys.prf();
    if let Some(said) = config.pseudonym_prf.filter(|said| *said != held) {
        return Err(ServeError::OtherPrf { said, held });
    }
    tracing::info!(pseudonym_prf = held.name(), "pseudonyms");
    Ok(Setup {
        store,
        log: LogSigner::from_pkcs8(config.origin.clone(), &log_key.to_pkcs8()?)?,
        keys,
        key_file: Some(config.master_keys.clone()),
        release_key: SigningKey::<Release>::load(&config.release_key)?,
        catalogue: Catalogue::shipped()?,
        witnesses,
        quotas: Quotas::of_feeds(config.feeds.clone()),
        now: Arc::new(move || clock.now()),
        rng,
    })
}

/// The witnesses, and the way to each.
fn witnesses(config: &Config, clock: &Arc<dyn Clock>) -> Result<Witnesses, ServeError> {
    let (mut known, mut ways) = (Vec::new(), Vec::new());
    for witness in &config.witnesses {
        let ca = witness.ca.as_ref().map(read).transpose()?;
        known.push(Witness { key: witness.key.clone(), oversight: witness.oversight });
        ways.push((witness.clone(), ca));
    }
    let client = Box::new(WitnessClient::new(&ways, clock)?);
    let clock = Arc::clone(clock);
    Ok(Witnesses::new(known, client, config.outage, Arc::new(move || clock.now())))
}

/// A generator for nonces and noise, seeded by the operating system.
///
/// # Panics
/// When the operating system has no randomness: nothing may run then.
#[must_use]
pub fn system_rng() -> StdRng {
    StdRng::try_from_rng(&mut rand::rngs::SysRng).expect("the operating system gives randomness")
}

pub(super) fn read(path: &PathBuf) -> Result<Vec<u8>, ServeError> {
    fs::read(path).map_err(|source| ServeError::Unreadable { path: path.clone(), source })
}

impl Running {
    /// The gateway.
    #[must_use]
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Where gRPC listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the web listens, if it does.
    #[must_use]
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.web.as_ref().map(|(address, _)| *address)
    }

    /// The pages and where they are served, if they are.
    #[must_use]
    pub fn pages(&self) -> Option<(SocketAddr, &Arc<Pages>)> {
        self.pages.as_ref().map(|served| (served.address, &served.pages))
    }

    /// Where those who run it are answered, if they are.
    #[must_use]
    pub fn ops_address(&self) -> Option<SocketAddr> {
        self.ops.as_ref().map(|(address, _)| *address)
    }

    /// Looks at the files of TLS now; tells whether all are in use as they are. One that is wrong is
    /// told to tracing, and the old one goes on.
    #[must_use]
    pub fn reload(&self) -> bool {
        self.reloader.look()
    }

    /// Writes the log's tiles up to now, cosigned, without waiting for the tick.
    ///
    /// # Errors
    /// When they can't be written.
    pub async fn project_log(&self) -> Result<(), ServeError> {
        self.projector.project_once().await?;
        self.projector.cosign_once().await?;
        self.gateway.note_quorum().await?;
        Ok(())
    }

    /// Stops: says so to those who watch, takes no new calls, open ones may finish within the drain
    /// time, the end is logged, the last tiles are written, the database is closed.
    ///
    /// # Errors
    /// When the end can't be logged or the tiles can't be written.
    pub async fn stop(self) -> Result<(), ServeError> {
        self.draining.cancel();
        if self.ops.is_some() {
            // Whoever sends callers here is to see it first.
            time::sleep(self.notice).await;
        }
        self.stop.cancel();
        let (mut server, mut web) = (self.server, self.web.map(|(_, serving)| serving));
        let mut pages = self.pages.map(|served| served.serving);
        let drained = async {
            let _ = (&mut server).await;
            if let Some(web) = &mut web {
                let _ = web.await;
            }
            if let Some(pages) = &mut pages {
                let _ = pages.await;
            }
        };
        if time::timeout(self.drain, drained).await.is_err() {
            tracing::warn!("open streams did not finish in time and were ended");
            server.abort();
            for serving in [web, pages].into_iter().flatten() {
                serving.abort();
            }
        }
        for task in self.background {
            let _ = task.await;
        }
        background::log_failures(&self.gateway, &self.failures).await;
        self.gateway.stop().await?;
        self.projector.project_once().await?;
        // The next start wants to hear of this end from the witnesses, if they can be asked.
        let cosigned = time::timeout(LAST_COSIGNING, self.projector.cosign_once()).await;
        cosigned.unwrap_or(Ok(()))?;
        let store = self.gateway.store().clone();
        self.end.cancel();
        if let Some((_, serving)) = self.ops {
            let _ = serving.await;
        }
        drop(self.gateway);
        // The sequencer ends with its last handle; a call that was cut off may still hold one.
        let _ = time::timeout(Duration::from_secs(5), self.sequencer).await;
        store.close().await;
        self.spans.end().await;
        Ok(())
    }
}

/// Brings the database up to date and enters the first partners into an empty register.
///
/// # Errors
/// When anything it needs can't be had, or the register is not empty.
pub async fn enter_first_partners(
    config: &Config,
    clock: Arc<dyn Clock>,
    rng: StdRng,
    partners: Vec<Partner>,
) -> Result<(), ServeError> {
    migrate(config).await?;
    let store = open(config).await?;
    let setup = setup(config, store.clone(), clock, rng)?;
    let (gateway, sequencer) = Gateway::start(setup).await?;
    let entered = match gateway.begin_journal(&journal(config)) {
        Ok(()) => enter(&gateway, partners).await,
        Err(error) => Err(error.into()),
    };
    gateway.stop().await?;
    drop(gateway);
    let _ = sequencer.await;
    store.close().await;
    entered
}

/// Enters the first partners into an empty register.
///
/// # Errors
/// When the register is not empty or an entry is wrong.
pub async fn enter(gateway: &Gateway, partners: Vec<Partner>) -> Result<(), ServeError> {
    match gateway.bootstrap(partners).await {
        Ok(_) => Ok(()),
        Err(Denied::Failed(error)) => Err(error.into()),
        Err(Denied::Refused(logged)) => Err(ServeError::Register {
            sentence: logged.value().sentence(),
            fields: logged.value().fields().to_vec(),
        }),
    }
}

fn at(fields: &[(String, String)]) -> String {
    fields.iter().map(|(field, rule)| format!("; {field}: {rule}")).collect()
}
