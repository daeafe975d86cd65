//! The crowd: connections that ask for cards at a rate of their own, whatever they are told.
//!
//! It stands for other people's machines, and has only this one: so its threads give way to
//! everybody else's (`nice`), and what it does to itself is not in the figures.

use super::{
    super::{
        BenchError,
        site::{connect, place},
    },
    STEADY, card, is_shed,
};
use crate::demo::journey::Service;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::{self, MissedTickBehavior},
};

/// Calls of a connection that may be unanswered; further ones are never made.
const UNANSWERED: usize = 32;
/// Connections that are made at once.
const CONNECTING: usize = 16;
/// By how much its threads give way: as much as there is.
const GIVES_WAY: i32 = 19;
const THREADS: usize = 2;

/// What the crowd was told.
#[derive(Default)]
pub(super) struct Told {
    answered: AtomicUsize,
    turned_away: AtomicUsize,
    without_advice: AtomicUsize,
    failed: AtomicUsize,
    never_made: AtomicUsize,
}

/// Connections, and the threads on which they ask.
pub(super) struct Crowd {
    threads: Option<Runtime>,
    members: Vec<(Service, &'static str)>,
}

impl Crowd {
    /// So many connections, of the managers of some areas in turn.
    pub(super) async fn gather(dir: &Path, connections: usize) -> Result<Self, BenchError> {
        let threads = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("crowd")
            .enable_all()
            // Where that is not allowed, the figures are worse than they could be.
            .on_thread_start(|| {
                let _ = rustix::process::nice(GIVES_WAY);
            })
            .build()
            .map_err(|source| BenchError::File { path: dir.to_owned(), source })?;
        let gathering = threads.spawn(gather(dir.to_owned(), connections));
        let members = gathering.await.map_err(|_| BenchError::CutShort)??;
        Ok(Self { threads: Some(threads), members })
    }

    /// Asks at `offered` calls a second in all, without waiting for answers.
    pub(super) async fn storm(&self, offered: f64, lasts: Duration) -> Result<Told, BenchError> {
        let threads = self.threads.as_ref().ok_or(BenchError::CutShort)?;
        let storming = threads.spawn(storm(self.members.clone(), offered, lasts));
        storming.await.map_err(|_| BenchError::CutShort)?
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // A runtime may not wait for its threads on another one's.
            threads.shutdown_background();
        }
    }
}

impl Told {
    pub(super) fn summary(&self, lasts: Duration) -> String {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let calls = of(&self.answered) + of(&self.turned_away) + of(&self.failed);
        format!(
            "overload: the crowd asked {:.0} times a second: {} cards answered, {} calls turned away, {} of \
             them without advice, {} failed otherwise, {} never made for want of an answer to \
             {UNANSWERED} earlier ones",
            calls as f64 / lasts.as_secs_f64(),
            of(&self.answered),
            of(&self.turned_away),
            of(&self.without_advice),
            of(&self.failed),
            of(&self.never_made)
        )
    }
}

async fn gather(
    dir: std::path::PathBuf,
    connections: usize,
) -> Result<Vec<(Service, &'static str)>, BenchError> {
    let (mut crowd, mut gathering, mut next) = (Vec::new(), JoinSet::new(), 0);
    while crowd.len() < connections {
        while gathering.len() < CONNECTING && next < connections {
            // The first ones' managers are the steady ones.
            let areas = &place().areas[STEADY..];
            let area = areas[next % areas.len()].code;
            let dir = dir.clone();
            gathering.spawn(async move {
                let manager = connect(&dir, &format!("manager-{area}"), None).await?.service();
                // Its channel connects with its first call.
                match card((manager.clone(), area)).await {
                    Err(BenchError::Refused(status)) if is_shed(&status) => {}
                    done => done?,
                }
                Ok::<_, BenchError>((manager, area))
            });
            next += 1;
        }
        let Some(connected) = gathering.join_next().await else { break };
        crowd.push(connected.map_err(|_| BenchError::CutShort)??);
    }
    Ok(crowd)
}

async fn storm(
    crowd: Vec<(Service, &'static str)>,
    offered: f64,
    lasts: Duration,
) -> Result<Told, BenchError> {
    let every = Duration::from_secs_f64(crowd.len() as f64 / offered.max(1.0));
    let (begun, told) = (Instant::now(), Arc::new(Told::default()));
    let mut callers = JoinSet::new();
    for (at, caller) in (0_u32..).zip(crowd) {
        let told = Arc::clone(&told);
        callers.spawn(async move {
            // Not all of them at once.
            time::sleep(every * (at % 64) / 64).await;
            let (mut ticks, mut calls) = (time::interval(every), JoinSet::new());
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while begun.elapsed() < lasts {
                ticks.tick().await;
                while calls.try_join_next().is_some() {}
                if calls.len() < UNANSWERED {
                    calls.spawn(ask(caller.clone(), Arc::clone(&told)));
                } else {
                    told.never_made.fetch_add(1, Ordering::Relaxed);
                }
            }
            calls.join_all().await;
        });
    }
    while let Some(done) = callers.join_next().await {
        done.map_err(|_| BenchError::CutShort)?;
    }
    Arc::try_unwrap(told).map_err(|_| BenchError::CutShort)
}

async fn ask(caller: (Service, &'static str), told: Arc<Told>) {
    let count = |of: &AtomicUsize| of.fetch_add(1, Ordering::Relaxed);
    match card(caller).await {
        Ok(()) => count(&told.answered),
        Err(BenchError::Refused(status)) if is_shed(&status) => {
            if status.metadata().get("grpc-retry-pushback-ms").is_none() {
                count(&told.without_advice);
            }
            count(&told.turned_away)
        }
        Err(_) => count(&told.failed),
    };
}
