//! Cards and queries, each durably logged before it is answered; beside an empty unary service
//! behind the same listener and TLS, called by the same number of callers.
//!
//! The rounds alternate, so that a noisy neighbour spoils the limit as much as the figure.

use super::{
    BenchError, CALLERS, Row,
    sample::{Memory, Sample, row, storm},
    site::{Scratch, Site, connect, place},
};
use crate::{
    demo::{
        self, DemoError,
        ground::Ground,
        journey::{self, Service},
    },
    domain::PartnerId,
    gateway::{Actor, CardRequest, Gateway, bench::LookUps},
    grpc::{self, Services},
    identity::Clock,
    protocol::CallerRole,
    server::{HandshakeLimits, Listener, server_config},
    wire::v1::{GetCardRequest, QueryFiguresRequest, figure_service_client::FigureServiceClient},
};
use arc_swap::ArcSwap;
use std::{fs, net::Ipv4Addr, sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// Children behind the figures: what is looked up does not grow with them.
const CHILDREN: u64 = 300;
/// Connections that the callers share.
const CONNECTIONS: usize = 8;
/// Rounds of each kind.
const ROUNDS: u64 = 3;
/// What a card claims.
const PURPOSES: [&str; 2] = ["childrens_centre_planning", "early_education_take_up"];

pub(super) async fn measure(
    scratch: &mut Scratch,
    clock: &Arc<dyn Clock>,
    calls: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    say("figures: a small population, eight quarters closed");
    let areas = journey::areas(place());
    let site = Site::open(scratch, "figures", CHILDREN, areas, clock).await?;
    let today = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    journey::push_all(&site.ground.dir, today).await?;
    let second = journey::connect(&site.ground.dir, "officer-2").await?;
    journey::close([&site.officer, &second], &demo::quarters()).await?;
    let empty = Empty::start(&site.ground, clock).await?;
    let (mut managers, mut channels) = (Vec::new(), Vec::new());
    for at in 0..CONNECTIONS {
        let area = place().areas[at % place().areas.len()].code;
        let manager = format!("manager-{area}");
        managers.push((journey::connect(&site.ground.dir, &manager).await?, area));
        let server = Some(empty.address.clone());
        channels.push(connect(&site.ground.dir, &manager, server).await?.channel());
    }
    let (managers, channels) = (Arc::new(managers), Arc::new(channels));
    // Connections, tokens, the statement cache: not what is measured.
    storm(CALLERS as u64, ask_nothing(&channels)).await?;
    storm(CALLERS as u64, ask_card(&managers)).await?;
    say(&format!("figures: {CALLERS} callers, {calls} calls of each kind"));
    let (mut nothing, mut card, mut query) =
        (Sample::default(), Sample::default(), Sample::default());
    let memory = Memory::watch();
    for _ in 0..ROUNDS {
        let calls = calls.div_ceil(ROUNDS);
        nothing.add(storm(calls, ask_nothing(&channels)).await?);
        card.add(storm(calls, ask_card(&managers)).await?);
        query.add(storm(calls, ask_query(&managers)).await?);
    }
    let peak = memory.peak_mib();
    empty.stop().await?;
    let look_ups = look_ups(site.running.gateway(), scratch.engine(), calls).await?;
    site.close().await?;
    let limit = nothing.rate();
    let engine = scratch.engine();
    Ok(vec![
        row(("figures_card", "answers/s"), engine, (card.rate(), limit), &card, peak),
        row(("figures_query", "answers/s"), engine, (query.rate(), limit), &query, peak),
        look_ups,
    ])
}

/// A card before its entry in the log: who may see what, the figures and their texts; beside a
/// copy of the very same card.
async fn look_ups(gateway: &Gateway, engine: &'static str, calls: u64) -> Result<Row, BenchError> {
    let place = place();
    let partner: PartnerId = "centres".parse().map_err(DemoError::from)?;
    let codes = [place.areas[0].code, place.authority_code];
    let areas: Result<_, _> = codes.iter().map(|code| code.parse()).collect();
    let actor = Actor {
        user: gateway.user_pseudonym(&partner, "manager"),
        roles: [CallerRole::Consumer].into(),
        areas: Some(areas.map_err(DemoError::from)?),
        entry: gateway.snapshot().register().entry(&partner),
        name: None,
        partner,
    };
    let request = CardRequest {
        area: codes[0].to_owned(),
        quarter: String::new(),
        purposes: PURPOSES.map(str::to_owned).to_vec(),
    };
    let LookUps { looked_up, copied } = gateway.time_card(&actor, &request, calls).await?;
    let sample = |calls: Vec<Duration>| Sample { elapsed: calls.iter().sum(), calls };
    let (looked_up, copied) = (sample(looked_up), sample(copied));
    let figures = (looked_up.rate(), copied.rate());
    Ok(row(("figures_lookup", "cards/s"), engine, figures, &looked_up, None))
}

type Answered = std::pin::Pin<Box<dyn Future<Output = Result<(), BenchError>> + Send>>;
type Managers = Arc<Vec<(Service, &'static str)>>;

fn ask_nothing(
    channels: &Arc<Vec<Channel>>,
) -> impl Fn(usize) -> Answered + Clone + Send + 'static {
    let channels = Arc::clone(channels);
    move |caller| {
        let channel = channels[caller % CONNECTIONS].clone();
        Box::pin(async move {
            HealthClient::new(channel).check(HealthCheckRequest::default()).await?;
            Ok(())
        })
    }
}

fn ask_card(managers: &Managers) -> impl Fn(usize) -> Answered + Clone + Send + 'static {
    let managers = Arc::clone(managers);
    move |caller| {
        let (service, area) = managers[caller % CONNECTIONS].clone();
        let request = GetCardRequest {
            area: area.to_owned(),
            quarter: String::new(),
            purposes: PURPOSES.map(str::to_owned).to_vec(),
        };
        Box::pin(async move {
            FigureServiceClient::new(service).get_card(request).await?;
            Ok(())
        })
    }
}

fn ask_query(managers: &Managers) -> impl Fn(usize) -> Answered + Clone + Send + 'static {
    let managers = Arc::clone(managers);
    move |caller| {
        let (service, area) = managers[caller % CONNECTIONS].clone();
        let request = QueryFiguresRequest {
            indicator: "registered".to_owned(),
            area: area.to_owned(),
            purpose: PURPOSES[0].to_owned(),
            ..QueryFiguresRequest::default()
        };
        Box::pin(async move {
            FigureServiceClient::new(service).query_figures(request).await?;
            Ok(())
        })
    }
}

/// The limit's server: the health service, which does nothing, behind the gateway's listener.
struct Empty {
    address: String,
    stop: CancellationToken,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Empty {
    async fn start(ground: &Ground, clock: &Arc<dyn Clock>) -> Result<Self, BenchError> {
        let read = |name: &str| {
            let path = ground.dir.join(name);
            fs::read(&path).map_err(|source| BenchError::File { path, source })
        };
        let (certificate, key) =
            (read("certificates/gateway.pem")?, read("certificates/gateway.key")?);
        let tls = server_config(&certificate, &key, &read("ca.pem")?, Arc::clone(clock))?;
        let tls = Arc::new(ArcSwap::from_pointee(tls));
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = Listener::bind(address, tls, HandshakeLimits::default()).await?;
        let (address, stop) = (listener.local_addr().to_string(), CancellationToken::new());
        let (_, health) = tonic_health::server::health_reporter();
        let server = tokio::spawn(grpc::server().serve_with_incoming_shutdown(
            Services::default().with(health),
            listener.incoming(stop.clone()),
            stop.clone().cancelled_owned(),
        ));
        Ok(Self { address, stop, server })
    }

    async fn stop(self) -> Result<(), BenchError> {
        self.stop.cancel();
        // Its callers' connections may linger; nothing waits for their answers.
        self.server.abort();
        match self.server.await {
            Ok(Err(_)) => Err(BenchError::CutShort),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}
