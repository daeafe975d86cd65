//! Attack 4 over the API: areas are merged, split and shaved after a quarter is closed, and whatever is
//! shown of the quarter since is held against its signed release.
//!
//! The attacker knows everybody but one child. A figure of the old quarter on the new boundaries that
//! is not the display of noisy cells already published would be a second look at the same
//! children, with noise of its own: the difference would be a count without any.

use super::{
    Later, Service, areas,
    released::{QUARTERS, catalogue_of, query, released},
};
use std::collections::BTreeMap;
use tallygate::{
    disclosure::{
        Catalogue, Measure, Release, Released,
        catalogue::Base,
        display::{self, NoisySum},
        figure,
    },
    synth::{Place, place},
    wire::v1::{
        self, Figure, area_service_client::AreaServiceClient,
        figure_service_client::FigureServiceClient,
    },
};
use tonic::Code;

const BORN: &str = "2031-02-10";
const SENT: &str = "2031-07-15";
/// Children of the test, by the numbers that no other test sends.
const FIRST_CHILD: usize = 62_000;
/// From this day on the new boundaries are in force: within the second quarter.
const REDRAWN: &str = "2031-11-01";

/// The demo's areas, its first two merged into `MG01`, the third split into `SP01` and `SP02`, and an LSOA
/// of the fourth, which keeps its code, given to the fifth, which keeps its own.
fn redrawn(officers: &[v1::Area]) -> Vec<v1::Area> {
    let mut areas: Vec<v1::Area> = officers
        .iter()
        .map(|area| v1::Area { neighbourhoods: Vec::new(), ..area.clone() })
        .collect();
    let at = |areas: &[v1::Area], code: &str| areas.iter().position(|a| a.code == code).unwrap();
    let taken = |areas: &mut Vec<v1::Area>, code: &str| {
        let at = at(areas, code);
        areas.remove(at)
    };
    let (one, two) = (taken(&mut areas, "CC01"), taken(&mut areas, "CC02"));
    let both = |a: &[String], b: &[String]| [a, b].concat();
    areas.push(v1::Area {
        code: "MG01".to_owned(),
        lsoas: both(&one.lsoas, &two.lsoas),
        deprived_lsoas: both(&one.deprived_lsoas, &two.deprived_lsoas),
        ..one
    });
    let whole = taken(&mut areas, "CC03");
    for (code, lsoas) in [("SP01", &whole.lsoas[..1]), ("SP02", &whole.lsoas[1..])] {
        let deprived = whole.deprived_lsoas.iter().filter(|lsoa| lsoas.contains(lsoa));
        areas.push(v1::Area {
            code: code.to_owned(),
            lsoas: lsoas.to_vec(),
            deprived_lsoas: deprived.cloned().collect(),
            ..whole.clone()
        });
    }
    let (loses, gains) = (at(&areas, "CC04"), at(&areas, "CC05"));
    let moved = areas[loses].lsoas.remove(0);
    areas[loses].deprived_lsoas.retain(|lsoa| *lsoa != moved);
    areas[gains].lsoas.push(moved);
    areas
}

/// All figures of an area over both quarters, by indicator and part; none where there is no area.
async fn history(
    officer: &Service,
    catalogue: &Catalogue,
    area: &str,
) -> BTreeMap<(String, String), Figure> {
    let mut all = BTreeMap::new();
    for indicator in &catalogue.indicators {
        let request = v1::QueryFiguresRequest {
            to_quarter: QUARTERS[1].to_owned(),
            ..query(indicator.id.as_str(), area, QUARTERS[0], "")
        };
        let mut client = FigureServiceClient::new(officer.clone());
        match client.query_figures(request).await {
            Ok(answer) => {
                for figure in answer.into_inner().figures {
                    all.insert((figure.indicator.clone(), figure.quarter.clone()), figure);
                }
            }
            // Of other purposes, or nothing of the kind is published for the area.
            Err(status) => {
                assert!([Code::NotFound, Code::PermissionDenied].contains(&status.code()));
            }
        }
    }
    all
}

fn of_quarter(all: &BTreeMap<(String, String), Figure>, quarter: &str) -> BTreeMap<String, Figure> {
    let own = all.iter().filter(|((_, own), _)| own == quarter);
    own.map(|((indicator, _), figure)| (indicator.clone(), figure.clone())).collect()
}

/// A count of two areas is the display of the sum of their published cells, digit by digit.
fn is_the_sum(figure: &Figure, catalogue: &Catalogue, release: &Release, rows: &[usize]) -> bool {
    let indicator = catalogue.indicator(&figure.indicator.parse().unwrap()).unwrap();
    let Measure::Count { table, cells } = &indicator.measure else { return false };
    let table = release.table(table).filter(|table| table.base == Base::ReachArea).unwrap();
    let columns = cells.iter().map(|cell| table.cells.iter().position(|own| own == cell).unwrap());
    let columns: Vec<usize> = columns.collect();
    let value: i64 =
        rows.iter().flat_map(|row| columns.iter().map(|c| table.counts[*row][*c])).sum();
    let variance = (rows.len() * columns.len()) as f64 * f64::from(table.variance);
    let shown = display::count(NoisySum { value: value as f64, variance });
    if value as f64 >= display::least_shown(variance) {
        let number = |text: &str| text.parse::<f64>().unwrap();
        assert_eq!(number(&figure.value), shown.value, "{figure:?}");
        assert_eq!(number(&figure.lower), shown.lower, "{figure:?}");
        assert_eq!(number(&figure.upper), shown.upper, "{figure:?}");
    } else {
        assert!(figure.value.starts_with('<') && figure.lower.is_empty(), "{figure:?}");
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn back_series_of_what_was_redrawn_show_published_cells_or_nothing() {
    let later = Later::on(Some("2032-03-15")).await;
    let officer = later.caller("officer").await;
    let catalogue = catalogue_of();
    let (one, two) = (areas()[0], areas()[1]);
    // The child of the attack lives in CC02, which the merger swallows.
    let facts = place(Place::Coventry);
    let lsoa_of = |code: &str| areas().iter().find(|(own, _)| *own == code).unwrap().1;
    assert_eq!((one.0, two.0, facts.areas.len()), ("CC01", "CC02", 17));
    let sent: Vec<(usize, &str)> = (0..60)
        .map(|n| (FIRST_CHILD + n, if n % 2 == 0 { one.1 } else { two.1 }))
        .chain([(FIRST_CHILD + 60, lsoa_of("CC03")), (FIRST_CHILD + 61, lsoa_of("CC04"))])
        .collect();
    later.send("redrawn", &sent, SENT, BORN).await;
    later.close(QUARTERS[0]).await;
    let release = released(&officer, QUARTERS[0]).await;
    let old = history(&officer, &catalogue, "CC01").await;
    let listed = v1::ListAreasRequest::default();
    let mut client = AreaServiceClient::new(officer.clone());
    let before = client.list_areas(listed).await.unwrap().into_inner().areas;
    let areas = redrawn(&before);
    let request = v1::LoadAreasRequest { areas, valid_from: REDRAWN.to_owned() };
    client.load_areas(request).await.unwrap();
    later.close(QUARTERS[1]).await;
    // What was merged has the sum of what was published, and nothing else that the release lacks.
    let rows = ["CC01", "CC02"].map(|code| {
        release.geography.areas.iter().position(|area| area.code.as_str() == code).unwrap()
    });
    let merged = history(&officer, &catalogue, "MG01").await;
    let back = of_quarter(&merged, QUARTERS[0]);
    let sums = back.values().filter(|figure| is_the_sum(figure, &catalogue, &release, &rows));
    assert!(sums.count() >= 1 && back.len() >= 3, "{back:?}");
    assert!(!of_quarter(&merged, QUARTERS[1]).is_empty());
    // The swallowed areas' own figures of then stay what they were: less one of them, the other is what
    // the release says of it, and no count of its own.
    let still = of_quarter(&history(&officer, &catalogue, "CC01").await, QUARTERS[0]);
    assert_eq!(still, of_quarter(&old, QUARTERS[0]));
    for (indicator, api) in &still {
        let (indicator, area) = (indicator.parse().unwrap(), "CC01".parse().unwrap());
        let here = figure(&catalogue, &release, &indicator, None, &area).unwrap();
        assert_eq!(matches!(here.value, Released::Withheld), api.value.starts_with('<'));
    }
    // A split or shaved area has nothing of the quarter before, also under its old code.
    for area in ["SP01", "SP02", "CC04", "CC05"] {
        let all = history(&officer, &catalogue, area).await;
        assert!(of_quarter(&all, QUARTERS[0]).is_empty(), "{area}: {all:?}");
        assert!(!of_quarter(&all, QUARTERS[1]).is_empty(), "{area}");
    }
    // And the release is still the one that was signed.
    assert_eq!(released(&officer, QUARTERS[0]).await, release);
    later.running.stop().await.unwrap();
}
