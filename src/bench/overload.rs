//! A gateway that is asked for far more than it can do: `tallygate serve` in a process of its own,
//! a crowd of connections that ask for cards at ten times the rate at which they can be answered,
//! whatever they are told, and a partner that pushes one batch after the other as ever.
//!
//! The limit beside each figure is the same without the crowd: how long a card takes whom it is
//! given, what the partner gets done, the most memory. All of it is on one machine: the crowd takes
//! its share of the processors, so that the figures are worse than where it calls over a network.

use super::{
    BenchError, Row,
    intake::{Feed, push, read_feeds},
    sample::{Sample, peak_mib, rate, row, storm_of},
    served::{Served, listening},
    site::{Scratch, Site, connect, place},
};
use crate::{
    demo::{
        self,
        journey::{self, Service},
    },
    identity::Clock,
    protocol::template::Template,
    wire::v1::{GetCardRequest, figure_service_client::FigureServiceClient},
};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{self, MissedTickBehavior},
};
use tonic::Code;

/// Children behind the figures, whose records the partner sends again and again.
const CHILDREN: u64 = 300;
/// How many times the rate that can be taken.
const TIMES: f64 = 10.0;
/// Callers at once who find out what that is.
const FILLING: usize = 64;
/// Callers at once on a gateway that is not loaded.
const QUIET: usize = 8;
/// Calls of either.
const CALLS: u64 = 2_000;
/// Calls of a connection that may be unanswered; further ones are never made.
const UNANSWERED: usize = 32;
/// Connections that are made at once.
const CONNECTING: usize = 16;
/// Rows of the partner's batches.
const BATCH_ROWS: usize = 100;
const PURPOSES: [&str; 2] = ["childrens_centre_planning", "early_education_take_up"];

/// What the crowd was told.
#[derive(Default)]
struct Told {
    cards: Mutex<Vec<Duration>>,
    turned_away: AtomicUsize,
    without_advice: AtomicUsize,
    failed: AtomicUsize,
    never_made: AtomicUsize,
}

pub(super) async fn measure(
    scratch: &mut Scratch,
    clock: &Arc<dyn Clock>,
    connections: u64,
    lasts: Duration,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    say("overload: a small population, eight quarters closed");
    let (dir, feeds) = lay(scratch, clock).await?;
    let mut serve = Served::start(&dir, &[])?;
    drop(listening(&mut serve.0, &dir).await?);
    let connections = usize::try_from(connections).unwrap_or(usize::MAX);
    say(&format!("overload: {connections} connections"));
    let crowd = gather(&dir, connections).await?;
    let calm = {
        let crowd = crowd.clone();
        storm_of(QUIET, CALLS, move |caller| card(crowd[caller % crowd.len()].clone())).await?
    };
    let full = {
        let crowd = crowd.clone();
        storm_of(FILLING, CALLS, move |caller| card(crowd[caller % crowd.len()].clone())).await?
    };
    let health = connect(&dir, Template::Health.code(), None).await?.service();
    let quiet = behave(&health, &feeds, lasts.min(Duration::from_secs(10))).await?;
    let before = peak_mib(serve.0.id()).unwrap_or_default();
    let offered = full.rate() * TIMES;
    say(&format!(
        "overload: cards at {:.0}/s for {} s, of which it can answer {:.0}/s",
        offered,
        lasts.as_secs(),
        full.rate()
    ));
    let told = Arc::new(Told::default());
    let storming = storm(crowd, offered, lasts, &told);
    let (storm, partner) = tokio::join!(storming, behave(&health, &feeds, lasts));
    let (storm, partner) = (storm?, partner?);
    let peak = peak_mib(serve.0.id());
    say(&summary(&told, &storm));
    let engine = scratch.engine();
    let admitted = (storm.percentile_ms(99), calm.percentile_ms(99));
    let memory = (peak.unwrap_or_default(), before);
    let pushed = (partner.1, quiet.1);
    Ok(vec![
        row(("overload_memory", "MiB"), engine, memory, &storm, peak),
        row(("overload_p99", "ms"), engine, admitted, &storm, peak),
        row(("overload_partner", "records/s"), engine, pushed, &partner.0, peak),
    ])
}

fn summary(told: &Told, storm: &Sample) -> String {
    let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    format!(
        "overload: {} cards answered ({:.0}/s), {} calls turned away, {} of them without advice, \
         {} failed otherwise, {} never made for want of an answer to {UNANSWERED} earlier ones",
        storm.calls.len(),
        storm.rate(),
        of(&told.turned_away),
        of(&told.without_advice),
        of(&told.failed),
        of(&told.never_made)
    )
}

/// A demo's ground with released figures, whose gateway has stopped; and the files of a partner.
async fn lay(
    scratch: &mut Scratch,
    clock: &Arc<dyn Clock>,
) -> Result<(std::path::PathBuf, Vec<Feed>), BenchError> {
    let areas = journey::areas(place());
    let site = Site::open(scratch, "overload", CHILDREN, areas, clock).await?;
    let today = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    journey::push_all(&site.ground.dir, today).await?;
    let second = journey::connect(&site.ground.dir, "officer-2").await?;
    journey::close([&site.officer, &second], &demo::quarters()).await?;
    let feeds = read_feeds(&site.path("files"), Template::Health, BATCH_ROWS)?;
    let dir = site.ground.dir.clone();
    site.close().await?;
    Ok((dir, feeds))
}

/// The crowd: connections of the managers of all areas, in turn.
async fn gather(
    dir: &Path,
    connections: usize,
) -> Result<Vec<(Service, &'static str)>, BenchError> {
    let (mut crowd, mut gathering, mut next) = (Vec::new(), JoinSet::new(), 0);
    while crowd.len() < connections {
        while gathering.len() < CONNECTING && next < connections {
            let area = place().areas[next % place().areas.len()].code;
            let dir = dir.to_owned();
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

async fn card((manager, area): (Service, &'static str)) -> Result<(), BenchError> {
    let request = GetCardRequest {
        area: area.to_owned(),
        quarter: String::new(),
        purposes: PURPOSES.map(str::to_owned).to_vec(),
    };
    FigureServiceClient::new(manager).get_card(request).await?;
    Ok(())
}

fn is_shed(status: &tonic::Status) -> bool {
    matches!(status.code(), Code::ResourceExhausted | Code::Unavailable)
}

/// Everybody asks at a rate of its own, `offered` in all, without waiting for answers.
async fn storm(
    crowd: Vec<(Service, &'static str)>,
    offered: f64,
    lasts: Duration,
    told: &Arc<Told>,
) -> Result<Sample, BenchError> {
    let every = Duration::from_secs_f64(crowd.len() as f64 / offered.max(1.0));
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for (at, caller) in (0_u32..).zip(crowd) {
        let told = Arc::clone(told);
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
    let calls = std::mem::take(&mut *told.cards.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Sample { elapsed: begun.elapsed(), calls })
}

async fn ask(caller: (Service, &'static str), told: Arc<Told>) {
    let begun = Instant::now();
    match card(caller).await {
        Ok(()) => {
            let took = begun.elapsed();
            told.cards.lock().unwrap_or_else(PoisonError::into_inner).push(took);
        }
        Err(BenchError::Refused(status)) if is_shed(&status) => {
            told.turned_away.fetch_add(1, Ordering::Relaxed);
            if status.metadata().get("grpc-retry-pushback-ms").is_none() {
                told.without_advice.fetch_add(1, Ordering::Relaxed);
            }
        }
        Err(_) => {
            told.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A partner that pushes its files one after the other for so long; each batch's time and the
/// records a second. Being turned away would end the measurement.
async fn behave(
    health: &Service,
    feeds: &[Feed],
    lasts: Duration,
) -> Result<(Sample, f64), BenchError> {
    let (begun, mut sample, mut records) = (Instant::now(), Sample::default(), 0);
    while begun.elapsed() < lasts {
        for feed in feeds {
            let sent: usize = feed.batches.iter().map(|batch| batch.rows.len()).sum();
            sample.calls.extend(push(health.clone(), feed.clone()).await?);
            records += sent as u64;
        }
    }
    sample.elapsed = begun.elapsed();
    let rate = rate(records, sample.elapsed);
    Ok((sample, rate))
}
