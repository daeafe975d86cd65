//! Whether a gateway's memory knows how long its log is: `tallygate serve` in a process of its
//! own, started on a log of ten thousand entries and on a long one, which it publishes as tiles
//! and lets grow while auditors ask. What counts is the most that the server held, its start
//! included; callers and filling are other processes.

use super::{
    BenchError, Row,
    sample::{Sample, peak_mib, row, storm},
    site::{Scratch, connect, place},
};
use crate::{
    audit::{Leaf, LogSigner},
    config::Config,
    connector::Gateway,
    demo::{DemoError, ground},
    identity::Clock,
    keys::{Log, Prf, SigningKey},
    server::{self, system_rng},
    store::{Store, bench::fill_log},
    wire::v1::{GetCheckpointRequest, access_log_service_client::AccessLogServiceClient},
};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::time::sleep;

/// How long a gateway may take to publish a long log and listen.
const STARTING: Duration = Duration::from_secs(1_200);
const PAUSE: Duration = Duration::from_millis(100);

/// A gateway's process, ended with this value.
pub(super) struct Served(pub(super) Child);

impl Served {
    /// Starts the gateway of a ground's configuration.
    pub(super) fn start(dir: &Path, further: &[&str]) -> Result<Self, BenchError> {
        let failed = |source| BenchError::File { path: dir.to_owned(), source };
        let program = std::env::current_exe().map_err(failed)?;
        let mut serve = Command::new(program);
        serve.arg("serve").args(further).args(["--log", "error", "--config"]);
        serve.arg(dir.join("gateway.toml")).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self(serve.spawn().map_err(failed)?))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures on logs of `short` and of `long` entries.
pub(super) async fn measure(
    scratch: &mut Scratch,
    clock: &Arc<dyn Clock>,
    leaf: &Leaf,
    (short, long): (u64, u64),
    calls: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    let mut peaks = Vec::new();
    for (name, entries) in [("served_short", short), ("served_long", long)] {
        say(&format!("growth: a gateway serves a log of {entries} entries"));
        let dir = lay(scratch, name, clock, leaf, entries).await?;
        peaks.push(peak(&dir, calls).await?);
    }
    let engine = scratch.engine();
    let [(_, held), (asked, holds)] = &peaks[..] else { return Err(BenchError::CutShort) };
    let memory = (holds.unwrap_or_default(), held.unwrap_or_default());
    Ok(vec![row(("log_growth_memory", "MiB"), engine, memory, asked, *holds)])
}

/// A demo's ground whose log is as long as told.
async fn lay(
    scratch: &mut Scratch,
    name: &str,
    clock: &Arc<dyn Clock>,
    leaf: &Leaf,
    entries: u64,
) -> Result<PathBuf, BenchError> {
    let dir = scratch.folder(name)?;
    ground::clear(&dir)?;
    let database = scratch.configured(name).await?;
    let laid = ground::lay(&dir, place(), &database, Prf::Hmac, clock.now(), &mut system_rng())?;
    let config = Config::read(&dir.join("gateway.toml")).map_err(DemoError::from)?;
    server::enter_first_partners(&config, Arc::clone(clock), system_rng(), laid.partners)
        .await
        .map_err(DemoError::from)?;
    let key = SigningKey::<Log>::load(&config.log_key)?;
    let signer = LogSigner::from_pkcs8(config.origin.clone(), &key.to_pkcs8()?)?;
    let store = Store::open(&config.database).await?;
    fill_log(&store, &signer, leaf, entries).await?;
    store.close().await;
    Ok(dir)
}

/// The most memory of a gateway that starts there and is asked by auditors.
async fn peak(dir: &Path, calls: u64) -> Result<(Sample, Option<f64>), BenchError> {
    // Its log was filled, not served: no journal stands beside it.
    let mut served = Served::start(dir, &["--without-journal"])?;
    let auditor = listening(&mut served.0, dir).await?;
    let client = AccessLogServiceClient::new(auditor.service());
    let ask = move |_| {
        let mut client = client.clone();
        async move {
            client.get_checkpoint(GetCheckpointRequest {}).await?;
            Ok(())
        }
    };
    let sample = storm(calls, ask).await?;
    Ok((sample, peak_mib(served.0.id())))
}

/// A connection, once the gateway takes one.
pub(super) async fn listening(serve: &mut Child, dir: &Path) -> Result<Gateway, BenchError> {
    let mut waited = Duration::ZERO;
    loop {
        match connect(dir, "auditor", None).await {
            Ok(gateway) => return Ok(gateway),
            Err(error) if waited > STARTING => return Err(error),
            Err(_) => {}
        }
        if serve.try_wait().is_ok_and(|ended| ended.is_some()) {
            return Err(BenchError::CutShort);
        }
        sleep(PAUSE).await;
        waited += PAUSE;
    }
}
