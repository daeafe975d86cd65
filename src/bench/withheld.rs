//! Answers that say nothing: about an area in which nobody lives and about one in which a few do.
//!
//! Both are withheld, are found the same way and have the same size; whether their times differ
//! can only be measured. One caller asks for either in turn, in a random order, and guesses from
//! the time of each later answer which of the two it was, by what the earlier ones taught it. The
//! value is the share of right guesses; the limit is the least share that so many guesses would
//! show to be above chance nine times in ten: the test's power.

use super::{
    BenchError, Row,
    sample::{Sample, row},
    site::{Scratch, Site, place},
};
use crate::{
    demo::{LAST_QUARTER, journey},
    domain::Quarter,
    identity::Clock,
    server::system_rng,
    wire::v1::{
        self, Figure, QueryFiguresRequest, QueryFiguresResponse,
        figure_service_client::FigureServiceClient,
    },
};
use rand::Rng;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Children of the population: so many that every feed has something, a few in each area, none in
/// those that are invented.
const CHILDREN: u64 = 300;
/// Invented areas.
const EMPTY: u32 = 12;
/// The first of their LSOAs' numbers; real ones are lower.
const FIRST_LSOA: u32 = 900_000;
/// The figure that is asked for: few are born in any area in a quarter.
const INDICATOR: &str = "births";
const PURPOSE: &str = "childrens_centre_planning";
/// Calls that teach nothing: connections and caches.
const WARM_UP: usize = 200;

pub(super) async fn measure(
    scratch: &mut Scratch,
    clock: &Arc<dyn Clock>,
    calls: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    say("withheld: a small population, and areas in which nobody lives");
    let site = Site::open(scratch, "withheld", CHILDREN, areas()?, clock).await?;
    let today = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    journey::push_all(&site.ground.dir, today).await?;
    let second = journey::connect(&site.ground.dir, "officer-2").await?;
    let quarter: Vec<Quarter> = LAST_QUARTER.parse().into_iter().collect();
    journey::close([&site.officer, &second], &quarter).await?;
    let mut asking = FigureServiceClient::new(site.officer.clone());
    let small =
        withheld(&mut asking, place().areas.iter().map(|area| area.code.to_owned())).await?;
    let empty = withheld(&mut asking, (0..EMPTY).map(code)).await?;
    say(&format!("withheld: {calls} calls about {small} and {empty}"));
    let calls = usize::try_from(calls).unwrap_or(usize::MAX);
    let (mut times, mut rng) = (Vec::new(), system_rng());
    for number in 0..calls + WARM_UP {
        let nobody = rng.next_u64() >> 63 == 1;
        let (took, _) = ask(&mut asking, if nobody { &empty } else { &small }).await?;
        if number >= WARM_UP {
            times.push((nobody, took));
        }
    }
    site.close().await?;
    let all = times.iter().map(|(_, took)| *took);
    let sample = Sample { elapsed: all.clone().sum(), calls: all.collect() };
    let figures = told_apart(&times);
    Ok(vec![row(("withheld", "% told apart"), scratch.engine(), figures, &sample, None)])
}

fn code(number: u32) -> String {
    format!("X{number:04}")
}

/// The place's own areas and those in which nobody lives.
fn areas() -> Result<Vec<v1::Area>, BenchError> {
    let mut areas = journey::areas(place());
    for number in 0..EMPTY {
        areas.push(v1::Area {
            code: code(number),
            name: format!("Invented area {number}"),
            level: v1::AreaLevel::ReachArea.into(),
            parent: place().clusters[0].code.to_owned(),
            lsoas: vec![crate::domain::Lsoa::from_number(FIRST_LSOA + number)?.to_string()],
            estimated_under_fives: 1,
            ..v1::Area::default()
        });
    }
    Ok(areas)
}

type Client = FigureServiceClient<journey::Service>;

/// How long an answer took, and the answer.
async fn ask(
    asking: &mut Client,
    area: &str,
) -> Result<(Duration, QueryFiguresResponse), BenchError> {
    let request = QueryFiguresRequest {
        indicator: INDICATOR.to_owned(),
        area: area.to_owned(),
        purpose: PURPOSE.to_owned(),
        ..QueryFiguresRequest::default()
    };
    let begun = Instant::now();
    let answer = asking.query_figures(request).await?;
    Ok((begun.elapsed(), answer.into_inner()))
}

/// The first of some areas whose figure is withheld.
async fn withheld(
    asking: &mut Client,
    areas: impl Iterator<Item = String>,
) -> Result<String, BenchError> {
    for area in areas {
        let (_, answer) = ask(asking, &area).await?;
        let says_nothing =
            |figure: &Figure| figure.value.starts_with('<') && figure.margin.is_empty();
        if answer.figures.iter().all(says_nothing) {
            return Ok(area);
        }
    }
    Err(BenchError::Nobody)
}

/// The percentage of guesses that were right, and the least that would show, in percent: the
/// first half of the times teaches a threshold, the second is guessed.
fn told_apart(times: &[(bool, Duration)]) -> (f64, f64) {
    let (learnt, guessed) = times.split_at(times.len() / 2);
    let mut sorted: Vec<Duration> = learnt.iter().map(|(_, took)| *took).collect();
    sorted.sort_unstable();
    let right = |times: &[(bool, Duration)], threshold: Duration, above: bool| {
        times.iter().filter(|(nobody, took)| (*took > threshold) == (*nobody == above)).count()
    };
    // A dozen thresholds in either direction are tried; the best of them is used.
    let places = (1..12).filter_map(|part| sorted.get(sorted.len() * part / 12));
    let rules = places.flat_map(|threshold| [(*threshold, true), (*threshold, false)]);
    let best = rules.max_by_key(|(threshold, above)| right(learnt, *threshold, *above));
    let Some((threshold, above)) = best else { return (50.0, 100.0) };
    let trials = guessed.len().max(1) as f64;
    let share = right(guessed, threshold, above) as f64 / trials;
    // One side at 5%, and nine in ten: 1.645 and 1.282 deviations of a share near one half.
    let shows = 0.5 + (1.645 + 1.282) * 0.5 / trials.sqrt();
    (100.0 * share, 100.0 * shows.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_differ_are_told_apart_and_equal_ones_are_not() {
        let time = |n: u64, slower: bool| {
            let nobody = n.is_multiple_of(2);
            let micros = 500 + n * 7_919 % 101 + if slower && nobody { 60 } else { 0 };
            (nobody, Duration::from_micros(micros))
        };
        let of = |slower| told_apart(&(0..4_000).map(|n| time(n, slower)).collect::<Vec<_>>());
        let (share, shows) = of(true);
        assert!(share > 70.0 && share > shows, "{share} {shows}");
        let (share, shows) = of(false);
        assert!(share < shows, "{share} {shows}");
        assert!((53.0..54.0).contains(&shows), "{shows}");
    }
}
