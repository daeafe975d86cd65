//! Whether the access log's write path knows how long the log is: the same appends on a log of
//! ten thousand entries and on a long one; and the memory of a gateway on each ([`served`]).

use super::{
    BenchError, CALLERS, Row,
    log::leaf,
    sample::{Memory, Sample, row, storm},
    served,
    site::Scratch,
};
use crate::{
    audit::{Leaf, LogSigner},
    identity::Clock,
    server::system_rng,
    store::{Act, Effect, Sequencer, Store, bench::fill_log},
};
use rand::Rng;
use std::sync::Arc;

/// Entries of the short log.
const SHORT: u64 = 10_000;
/// The most appends in each round.
const APPENDS: u64 = 10_000;
/// Rounds on each log; they alternate.
const ROUNDS: u64 = 3;

/// A log that is appended to.
struct Grown {
    store: Store,
    sequencer: Sequencer,
    task: tokio::task::JoinHandle<()>,
    sample: Sample,
    /// The most memory in any of its rounds, MiB.
    peak: Option<f64>,
}

impl Grown {
    async fn open(
        store: Store,
        signer: LogSigner,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, BenchError> {
        let now = Arc::clone(clock);
        let (sequencer, task) =
            Sequencer::start(store.clone(), signer, Arc::new(move || now.now())).await?;
        Ok(Self { store, sequencer, task, sample: Sample::default(), peak: None })
    }

    async fn append(&mut self, leaf: &Leaf, appends: u64) -> Result<(), BenchError> {
        let (sequencer, leaf) = (self.sequencer.clone(), leaf.clone());
        let memory = Memory::watch();
        let round = storm(appends, move |_| {
            let (sequencer, leaf) = (sequencer.clone(), leaf.clone());
            async move {
                sequencer.commit(Act { leaf, effect: Effect::None, epoch: None }).await?;
                Ok(())
            }
        });
        self.sample.add(round.await?);
        let peaks = self.peak.into_iter().chain(memory.peak_mib());
        self.peak = peaks.reduce(f64::max);
        Ok(())
    }

    async fn close(self) -> Result<(Sample, Option<f64>), BenchError> {
        drop(self.sequencer);
        self.task.await.map_err(|_| BenchError::CutShort)?;
        self.store.close().await;
        Ok((self.sample, self.peak))
    }
}

pub(super) async fn measure(
    scratch: &mut Scratch,
    clock: &Arc<dyn Clock>,
    entries: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    let (entries, appends) = (entries.max(SHORT), entries.min(APPENDS));
    say(&format!("growth: a log of {entries} entries is filled"));
    let mut seed = [0; 32];
    system_rng().fill_bytes(&mut seed);
    let signer = LogSigner::from_seed("bench.example/growth".parse()?, &seed)?;
    let leaf = leaf(clock)?;
    let mut logs = Vec::new();
    for (name, length) in [("log_short", SHORT), ("log_long", entries)] {
        let store = scratch.store(name).await?;
        fill_log(&store, &signer, &leaf, length).await?;
        logs.push(Grown::open(store, signer.clone(), clock).await?);
    }
    say(&format!("growth: {CALLERS} callers wait for {appends} leaves, {ROUNDS} times on each"));
    for _ in 0..ROUNDS {
        for log in &mut logs {
            log.append(&leaf, appends).await?;
        }
    }
    let mut ended = Vec::new();
    for log in logs {
        ended.push(log.close().await?);
    }
    let engine = scratch.engine();
    let [(short, _), (long, holds)] = &ended[..] else { return Err(BenchError::CutShort) };
    let mut rows =
        vec![row(("log_growth", "leaves/s"), engine, (long.rate(), short.rate()), long, *holds)];
    rows.extend(served::measure(scratch, clock, &leaf, (SHORT, entries), appends, say).await?);
    Ok(rows)
}
