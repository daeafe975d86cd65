//! Timings of many callers, and the process's memory.

use super::{BenchError, CALLERS, Row};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// What some calls took.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// From the first call to the last answer.
    pub(super) elapsed: Duration,
    /// Each call, in no order.
    pub(super) calls: Vec<Duration>,
}

impl Sample {
    /// Adds another round.
    pub(super) fn add(&mut self, round: Self) {
        self.elapsed += round.elapsed;
        self.calls.extend(round.calls);
    }

    /// Calls a second.
    pub(super) fn rate(&self) -> f64 {
        rate(self.calls.len() as u64, self.elapsed)
    }

    /// So many of 100 calls took at most this long, milliseconds (nearest rank).
    pub(super) fn percentile_ms(&self, percent: usize) -> f64 {
        let mut sorted = self.calls.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).map_or(0.0, |call| call.as_secs_f64() * 1_000.0)
    }
}

/// So many a second.
pub(super) fn rate(count: u64, elapsed: Duration) -> f64 {
    // Counts of a bench are far below 2^52.
    count as f64 / elapsed.as_secs_f64().max(1e-9)
}

/// A row of a figure and its limit; the times are the figure's.
pub(super) fn row(
    (name, unit): (&'static str, &'static str),
    engine: &'static str,
    (value, limit): (f64, f64),
    sample: &Sample,
    rss_mib: Option<f64>,
) -> Row {
    Row {
        name,
        engine,
        value: rounded(value, 1),
        unit,
        limit: rounded(limit, 1),
        ratio: rounded(if limit > 0.0 { value / limit } else { 0.0 }, 3),
        p50_ms: rounded(sample.percentile_ms(50), 3),
        p99_ms: rounded(sample.percentile_ms(99), 3),
        rss_mib: rss_mib.map(|mib| rounded(mib, 0)),
    }
}

fn rounded(value: f64, places: i32) -> f64 {
    let unit = 10_f64.powi(places);
    (value * unit).round() / unit
}

/// [`CALLERS`] callers, each with its next call once the one before is answered, until
/// about `calls` are made. `call` gets the caller's number.
pub(super) async fn storm<F, A>(calls: u64, call: F) -> Result<Sample, BenchError>
where
    F: Fn(usize) -> A + Clone + Send + 'static,
    A: Future<Output = Result<(), BenchError>> + Send + 'static,
{
    storm_of(CALLERS, calls, call).await
}

/// The same of so many callers.
pub(super) async fn storm_of<F, A>(
    callers: usize,
    calls: u64,
    call: F,
) -> Result<Sample, BenchError>
where
    F: Fn(usize) -> A + Clone + Send + 'static,
    A: Future<Output = Result<(), BenchError>> + Send + 'static,
{
    let (each, number) = (calls.div_ceil(callers as u64), callers);
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..number {
        let call = call.clone();
        callers.spawn(async move {
            let mut took = Vec::new();
            for _ in 0..each {
                let begun = Instant::now();
                call(caller).await?;
                took.push(begun.elapsed());
            }
            Ok::<_, BenchError>(took)
        });
    }
    let mut sample = Sample::default();
    while let Some(done) = callers.join_next().await {
        sample.calls.extend(done.map_err(|_| BenchError::CutShort)??);
    }
    sample.elapsed = begun.elapsed();
    Ok(sample)
}

/// What the process holds in memory now, MiB; Linux alone tells.
pub(super) fn resident_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1_024.0)
}

/// Memory has settled when so many looks in a row, this far apart, find no less of it.
const STILL: usize = 10;
const LOOK: Duration = Duration::from_millis(100);

/// The most memory that the process holds from now on; Linux alone tells.
#[derive(Debug)]
pub(super) struct Memory;

impl Memory {
    /// Forgets the peak so far. Where that is not allowed, the peak stays that of the whole
    /// process, which is never less.
    pub(super) fn watch() -> Self {
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self
    }

    /// The same once the process gives back no more of what it held before: a database that was
    /// closed is let go of by a thread of its own, and its memory a little later.
    pub(super) async fn settled() -> Self {
        let held = || kib("VmRSS", std::process::id());
        let (mut before, mut still) = (held(), 0);
        while still < STILL {
            tokio::time::sleep(LOOK).await;
            let now = held();
            still = if now < before { 0 } else { still + 1 };
            before = now;
        }
        Self::watch()
    }

    /// The peak since, MiB.
    pub(super) fn peak_mib(&self) -> Option<f64> {
        peak_mib(std::process::id())
    }
}

/// The most memory that a process has held, MiB; Linux alone tells.
pub(super) fn peak_mib(process: u32) -> Option<f64> {
    Some(kib("VmHWM", process)? / 1_024.0)
}

/// A line of what Linux tells of a process's memory.
fn kib(line: &str, process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let found = status.lines().find_map(|said| said.strip_prefix(line)?.strip_prefix(':'))?;
    found.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks_and_ratios_are_computed() {
        let calls = (1..=200).map(Duration::from_millis).collect();
        let sample = Sample { elapsed: Duration::from_secs(2), calls };
        assert_eq!((sample.percentile_ms(50), sample.percentile_ms(99)), (100.0, 198.0));
        assert_eq!(Sample::default().percentile_ms(99), 0.0);
        let row = row(("x", "calls/s"), "sqlite", (sample.rate(), 400.0), &sample, Some(12.4));
        assert_eq!((row.value, row.ratio, row.rss_mib), (100.0, 0.25, Some(12.0)));
    }
}
