//! A blinded deployment's evaluations: asked for over mutual TLS, within a quota, logged before they
//! are answered, and proved; beside the bare library on as many threads, which reads the same
//! elements, evaluates and proves. And how many a record costs, beside what the quota reckons with.

use super::{
    BenchError, Row,
    sample::{Memory, Sample, rate, row},
    site::{Scratch, Site, connect, place},
};
use crate::{
    connector::{PushOrder, Silent, push},
    demo::{
        DemoError,
        agreements::protocol_id,
        journey::{self, EXTRACT_DAY},
    },
    domain::{RecordType, time::epoch_day},
    gateway::EVALUATIONS_A_RECORD,
    identity::Clock,
    keys::{
        IDENTIFIER_RULES, Prf,
        oblivious::{BlindedBatch, Draw, ELEMENT_BYTES, MOST_ELEMENTS},
    },
    linkage::{FORM_RULES, RULES},
    protocol::template::Template,
    server::system_rng,
    store::{Rights, evaluations},
    wire::v1::{
        BlindedStream, EvaluateRequest, PushOpen, blinding_service_client::BlindingServiceClient,
    },
};
use jiff::tz::TimeZone;
use std::{fs, hint::black_box, sync::Arc, thread, time::Instant};
use tokio::task::JoinSet;
use voprf::{BlindedElement, EvaluationElement, Ristretto255, VoprfServer};
use zeroize::Zeroizing;

/// Rounds of each kind; they alternate.
const ROUNDS: usize = 3;

pub(super) async fn measure(
    scratch: &mut Scratch,
    clock: &Arc<dyn Clock>,
    evaluations: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    // Children enough for a file of their reviews.
    let children = (evaluations / 16).clamp(256, 4_000);
    let areas = journey::areas(place());
    let site = Site::open_for(scratch, ("prf", Prf::Oprf), children, areas, clock).await?;
    let memory = Memory::watch();
    say("prf: a blinded push, to count what a record costs");
    let cost = a_record(&site, clock).await?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let size = usize::try_from(evaluations).unwrap_or(usize::MAX).clamp(1, MOST_ELEMENTS);
    let batches = evaluations.div_ceil((size * threads) as u64).max(1);
    say(&format!("prf: {threads} callers, {batches} batches of {size} each, {ROUNDS} times"));
    let elements = elements(size)?;
    let (mut real, mut bare) = (Sample::default(), Sample::default());
    for _ in 0..ROUNDS {
        bare.add(bare_round(&elements, threads, batches)?);
        real.add(real_round(&site, &elements, threads, batches).await?);
    }
    site.close().await?;
    let asked = batches * (size * threads * ROUNDS) as u64;
    let rates = (rate(asked, real.elapsed), rate(asked, bare.elapsed));
    let (engine, peak) = (scratch.engine(), memory.peak_mib());
    Ok(vec![
        row(("prf", "evaluations/s"), engine, rates, &real, peak),
        row(("prf_per_record", "evaluations"), engine, cost, &real, peak),
    ])
}

/// Evaluations a record of health's reviews, pushed blinded, each value asked for once; and what
/// the quota reckons with.
async fn a_record(site: &Site, clock: &Arc<dyn Clock>) -> Result<(f64, f64), BenchError> {
    let gateway = connect(&site.ground.dir, "health", None).await?;
    let today = clock.now().to_zoned(TimeZone::UTC).date();
    let file = site.path(&format!("files/health/{}.csv", RecordType::HealthReview));
    let protocol = protocol_id(Template::Health).parse()?;
    let order = PushOrder {
        extract_day: EXTRACT_DAY,
        blinding: gateway.blinding(system_rng),
        ..PushOrder::new(file, RecordType::HealthReview, protocol, String::new(), today)
    };
    let pushed = push(gateway.service(), &order, &mut Silent).await.map_err(DemoError::from)?;
    let mut tx = site.running.gateway().store().read(Rights::Figures).await?;
    let partner = gateway.partner();
    let asked = evaluations::on_day(&mut tx, partner, epoch_day(today)).await?;
    // Far below 2^52.
    Ok((asked as f64 / pushed.rows.max(1) as f64, EVALUATIONS_A_RECORD as f64))
}

/// Blinded elements, as a connector sends them.
fn elements(count: usize) -> Result<Vec<[u8; ELEMENT_BYTES]>, BenchError> {
    let input = |number: usize| Zeroizing::new(number.to_be_bytes().to_vec());
    let batch = BlindedBatch::new((0..count).map(input).collect(), &mut system_rng())?;
    Ok(batch.elements().to_vec())
}

/// The library alone.
fn bare_round(
    elements: &[[u8; ELEMENT_BYTES]],
    threads: usize,
    batches: u64,
) -> Result<Sample, BenchError> {
    let server = VoprfServer::<Ristretto255>::new_from_seed(&[7; 32], b"bench");
    let server = &server.map_err(|_| BenchError::CutShort)?;
    let begun = Instant::now();
    let one = move || {
        let (mut rng, mut sample) = (system_rng(), Sample::default());
        for _ in 0..batches {
            let begun = Instant::now();
            let read: Result<Vec<_>, _> =
                elements.iter().map(|bytes| BlindedElement::deserialize(bytes)).collect();
            let read = read.map_err(|_| BenchError::CutShort)?;
            let done = server.batch_blind_evaluate(&mut Draw(&mut rng), &read);
            let done = done.map_err(|_| BenchError::CutShort)?;
            let messages = done.messages.iter();
            black_box(messages.map(EvaluationElement::serialize).collect::<Vec<_>>());
            sample.calls.push(begun.elapsed());
        }
        Ok::<_, BenchError>(sample)
    };
    let done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut sample = Sample::default();
    for worker in done {
        sample.add(worker.map_err(|_| BenchError::CutShort)??);
    }
    sample.elapsed = begun.elapsed();
    Ok(sample)
}

/// The same of the gateway, by as many callers.
async fn real_round(
    site: &Site,
    elements: &[[u8; ELEMENT_BYTES]],
    callers: usize,
    batches: u64,
) -> Result<Sample, BenchError> {
    let path = site.path(&format!("files/health/{}.csv", RecordType::HealthReview));
    let text = fs::read_to_string(&path).map_err(|source| BenchError::File { path, source })?;
    let columns = text.lines().next().unwrap_or_default().split(',').map(str::to_owned);
    let key = site.running.gateway().prf_public_key().ok_or(BenchError::CutShort)?;
    let opening = PushOpen {
        protocol_id: protocol_id(Template::Health),
        record_type: RecordType::HealthReview.name().to_owned(),
        columns: columns.collect(),
        extract_day: EXTRACT_DAY.to_string(),
        blinded: Some(BlindedStream {
            public_key: key.as_bytes().to_vec(),
            rules: RULES.into(),
            identifier_rules: IDENTIFIER_RULES.into(),
            comparison_rules: FORM_RULES.into(),
        }),
        ..PushOpen::default()
    };
    let elements: Vec<Vec<u8>> = elements.iter().map(|element| element.to_vec()).collect();
    let request = EvaluateRequest { opening: Some(opening), elements };
    let gateway = connect(&site.ground.dir, "health", None).await?;
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..callers {
        let (request, service) = (request.clone(), gateway.service());
        calls.spawn(async move {
            let (mut client, mut sample) = (BlindingServiceClient::new(service), Sample::default());
            for _ in 0..batches {
                let begun = Instant::now();
                client.evaluate(request.clone()).await?;
                sample.calls.push(begun.elapsed());
            }
            Ok::<_, BenchError>(sample)
        });
    }
    let mut sample = Sample::default();
    while let Some(done) = calls.join_next().await {
        sample.add(done.map_err(|_| BenchError::CutShort)??);
    }
    sample.elapsed = begun.elapsed();
    Ok(sample)
}
