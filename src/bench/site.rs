//! Where a measurement happens: a scratch folder with a database, and the demo's ground with
//! a real gateway on it.

use super::{BenchError, Plan};
use crate::{
    connector::{Gateway, Profile, ProfileFile},
    demo::{
        self, DemoError,
        agreements::sign_all,
        ground::{self, Ground},
        journey::{self, Service},
    },
    disclosure::Catalogue,
    identity::{Clock, SystemClock},
    keys::Prf,
    server::{Running, system_rng},
    store::{Location, PostgresLocation, Store, bench as bare},
    synth::{self, Place, PlaceFacts},
    wire::v1,
};
use jiff::tz::TimeZone;
use rand::Rng;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Children that the synthetic place has at scale 1.
const CHILDREN: f64 = 32_870.0;
/// All chance in the measured files comes from it.
const SEED: u64 = 7;

/// What the configuration says of the database; each measurement has one of its own.
const EMBEDDED: &str = "sqlite = \"gateway.db\"\n";

/// The scratch of a run.
pub(super) struct Scratch {
    dir: PathBuf,
    server: Option<PostgresLocation>,
    /// Keeps databases of two runs on one server apart.
    token: u32,
    databases: Vec<String>,
}

impl Scratch {
    /// Makes the folder; an earlier run's is wiped, anything else is left.
    pub(super) fn new(plan: &Plan) -> Result<Self, BenchError> {
        ground::clear(&plan.dir)?;
        Ok(Self {
            dir: plan.dir.clone(),
            server: plan.database.clone(),
            token: system_rng().next_u32(),
            databases: Vec::new(),
        })
    }

    /// The engine's name in the rows.
    pub(super) const fn engine(&self) -> &'static str {
        if self.server.is_some() { "postgres" } else { "sqlite" }
    }

    /// A folder of the scratch.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, BenchError> {
        let path = self.dir.join(name);
        let failed = |source| BenchError::File { path: path.clone(), source };
        fs::create_dir_all(&path).map_err(failed)?;
        Ok(path)
    }

    /// A new, empty database.
    pub(super) async fn database(&mut self, name: &str) -> Result<Location, BenchError> {
        let Some(server) = &self.server else {
            return Ok(Location::Sqlite(self.dir.join(format!("{name}.db")).into_boxed_path()));
        };
        let name = format!("tallygate_bench_{:08x}_{name}", self.token);
        let location = bare::create_database(server, &name).await?;
        self.databases.push(name);
        Ok(location)
    }

    /// The same, as the lines of a configuration that say where it is.
    pub(super) async fn configured(&mut self, name: &str) -> Result<String, BenchError> {
        Ok(match self.database(name).await? {
            Location::Sqlite(_) => EMBEDDED.to_owned(),
            Location::Postgres(location) => format!("postgres = \"{}\"\n", location.url()),
        })
    }

    /// The same, open and migrated.
    pub(super) async fn store(&mut self, name: &str) -> Result<Store, BenchError> {
        let at = self.database(name).await?;
        self.store_at(&at).await
    }

    /// The same of a database that is there.
    pub(super) async fn store_at(&self, at: &Location) -> Result<Store, BenchError> {
        let store = Store::open(at).await?;
        store.migrate(self.server.as_ref().map(PostgresLocation::user)).await?;
        Ok(store)
    }

    /// Removes folder and databases.
    pub(super) async fn remove(self) -> Result<(), BenchError> {
        if let Some(server) = &self.server {
            for name in &self.databases {
                bare::drop_database(server, name).await?;
            }
        }
        let failed = |source| BenchError::File { path: self.dir.clone(), source };
        fs::remove_dir_all(&self.dir).map_err(failed)
    }
}

/// A gateway on the demo's ground, with its geography and agreements.
pub(super) struct Site {
    pub(super) ground: Ground,
    pub(super) running: Running,
    pub(super) officer: Service,
}

/// The place of every measurement.
pub(super) fn place() -> &'static PlaceFacts {
    synth::place(Place::Coventry)
}

impl Site {
    /// Lays the ground for about so many children, starts the gateway on an empty database,
    /// and does everything up to the first push.
    pub(super) async fn open(
        scratch: &mut Scratch,
        name: &str,
        children: u64,
        areas: Vec<v1::Area>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, BenchError> {
        Self::open_for(scratch, (name, Prf::Hmac), children, areas, clock).await
    }

    /// The same for a deployment with this PRF.
    pub(super) async fn open_for(
        scratch: &mut Scratch,
        (name, prf): (&str, Prf),
        children: u64,
        areas: Vec<v1::Area>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, BenchError> {
        let dir = scratch.dir.join(name);
        ground::clear(&dir)?;
        let plan = synth::Plan {
            place: Place::Coventry,
            seed: SEED,
            // Children of a bench are far below 2^52.
            scale: (children as f64 / CHILDREN).min(synth::MAX_SCALE),
            quarters: demo::QUARTERS,
            canaries: 0,
        };
        synth::write(&plan, &dir.join("files")).map_err(DemoError::from)?;
        let database = scratch.configured(name).await?;
        let ground = ground::lay(&dir, place(), &database, prf, clock.now(), &mut system_rng())?;
        let catalogue = Catalogue::shipped()?;
        let agreements = sign_all(&ground, place(), &catalogue, clock.now())?;
        let running = demo::start(&ground, None, clock).await?;
        let officer = journey::connect(&dir, "officer").await?;
        journey::load_areas(&officer, place(), areas).await?;
        journey::submit(&officer, agreements).await?;
        journey::record_notices(&dir).await?;
        let today = clock.now().to_zoned(TimeZone::UTC).date();
        journey::push_consents(&dir, today).await?;
        Ok(Self { ground, running, officer })
    }

    /// A file or folder of the ground.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.ground.dir.join(name)
    }

    /// Stops the gateway.
    pub(super) async fn close(self) -> Result<(), BenchError> {
        drop(self.officer);
        self.running.stop().await.map_err(DemoError::from)?;
        Ok(())
    }
}

/// A connection as a profile of the ground says, perhaps to another server of the same
/// certificate.
pub(super) async fn connect(
    dir: &Path,
    name: &str,
    server: Option<String>,
) -> Result<Gateway, BenchError> {
    let path = dir.join(format!("profiles/{name}.toml"));
    let text = fs::read_to_string(&path).map_err(|source| BenchError::File { path, source })?;
    let file: ProfileFile = toml::from_str(&text)?;
    let server = server.unwrap_or_else(|| file.server.clone());
    let profile = Profile::load(ProfileFile { server, ..file }, dir.join("profiles"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(Gateway::connect(&profile, clock, Box::new(system_rng())).await?)
}
