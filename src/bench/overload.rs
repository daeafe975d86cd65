//! A gateway that is asked for far more than it can do: `tallygate serve` in a process of its own,
//! a crowd of connections that ask for cards at ten times the rate at which they can be answered,
//! whatever they are told, and a partner that pushes one batch after the other as ever.
//!
//! The limit beside each figure is the same without the crowd: how long a card takes a few managers
//! whom it is given, what the partner gets done, the most memory. Those managers call as the crowd
//! does, with certificates of their own, and when turned away come back when they are told. All of
//! it is on one machine: the crowd's threads give way to everybody else's, and yet it takes some of
//! the processors, so that the figures are worse than where it calls over a network.

mod crowd;

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
use crowd::Crowd;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time};
use tonic::Code;

/// Children behind the figures, whose records the partner sends again and again.
const CHILDREN: u64 = 300;
/// How many times the rate that can be taken.
const TIMES: f64 = 10.0;
/// Callers at once who find out what that is.
const FILLING: usize = 64;
/// Managers, each of an area of its own, who ask one card after the other, crowd or not.
const STEADY: usize = 8;
/// Calls by which that is found out.
const CALLS: u64 = 2_000;
/// How long what is not loaded is measured, at most.
const CALM: Duration = Duration::from_secs(10);
/// When somebody who was turned away comes back.
const COMES_BACK: Duration = Duration::from_secs(1);
/// Rows of the partner's batches.
const BATCH_ROWS: usize = 100;
const PURPOSES: [&str; 2] = ["childrens_centre_planning", "early_education_take_up"];

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
    let steady = steady(&dir).await?;
    let full = {
        let steady = steady.clone();
        storm_of(FILLING, CALLS, move |caller| card(steady[caller % STEADY].clone())).await?
    };
    let connections = usize::try_from(connections).unwrap_or(usize::MAX);
    say(&format!("overload: {connections} connections"));
    let crowd = Crowd::gather(&dir, connections).await?;
    let health = connect(&dir, Template::Health.code(), None).await?.service();
    let calm = lasts.min(CALM);
    let (calm, quiet) = tokio::join!(ask_on(&steady, calm), behave(&health, &feeds, calm));
    let (calm, quiet) = (calm?, quiet?);
    let before = peak_mib(serve.0.id()).unwrap_or_default();
    let offered = full.rate() * TIMES;
    say(&format!(
        "overload: cards at {:.0}/s for {} s, of which it can answer {:.0}/s",
        offered,
        lasts.as_secs(),
        full.rate()
    ));
    let (told, admitted, partner) = tokio::join!(
        crowd.storm(offered, lasts),
        ask_on(&steady, lasts),
        behave(&health, &feeds, lasts)
    );
    let (admitted, partner) = (admitted?, partner?);
    let peak = peak_mib(serve.0.id());
    say(&told?.summary(lasts));
    let engine = scratch.engine();
    let took = (admitted.percentile_ms(99), calm.percentile_ms(99));
    let memory = (peak.unwrap_or_default(), before);
    let pushed = (partner.1, quiet.1);
    Ok(vec![
        row(("overload_memory", "MiB"), engine, memory, &admitted, peak),
        row(("overload_p99", "ms"), engine, took, &admitted, peak),
        row(("overload_partner", "records/s"), engine, pushed, &partner.0, peak),
    ])
}

async fn steady(dir: &Path) -> Result<Vec<(Service, &'static str)>, BenchError> {
    let mut managers = Vec::new();
    for at in 0..STEADY {
        let area = place().areas[at].code;
        let manager = connect(dir, &format!("manager-{area}"), None).await?.service();
        managers.push((manager, area));
    }
    Ok(managers)
}

/// Each asks one card after the other for so long; how long those took that were answered.
async fn ask_on(
    managers: &[(Service, &'static str)],
    lasts: Duration,
) -> Result<Sample, BenchError> {
    let (begun, mut asking) = (Instant::now(), JoinSet::new());
    for manager in managers {
        let manager = manager.clone();
        asking.spawn(async move {
            let mut took = Vec::new();
            while begun.elapsed() < lasts {
                let asked = Instant::now();
                match card(manager.clone()).await {
                    Ok(()) => took.push(asked.elapsed()),
                    Err(BenchError::Refused(status)) if is_shed(&status) => {
                        time::sleep(COMES_BACK).await;
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(took)
        });
    }
    let mut sample = Sample::default();
    while let Some(done) = asking.join_next().await {
        sample.calls.extend(done.map_err(|_| BenchError::CutShort)??);
    }
    sample.elapsed = begun.elapsed();
    Ok(sample)
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
