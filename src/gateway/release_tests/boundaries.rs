//! Boundaries that change between two quarters: what has a past, and what has none.

use super::{
    refused,
    support::{PLANNING, Town},
};
use crate::{
    domain::AreaCode,
    gateway::{CardRequest, FigureText, QueryRequest},
    protocol::CallerRole,
};
use jiff::civil::date;

const BEFORE: &str = "2026Q1";
const AFTER: &str = "2026Q2";
/// `CC01` and `CC02` become one; `CC03` keeps its ground under another code.
const MERGED: [(&str, &str, &str); 2] =
    [("HB1", "CL1", "E01009522,E01009600"), ("HB2", "CL2", "E01009700")];
/// An LSOA moves from `CC02` to `CC01`, whose code stays.
const MOVED: [(&str, &str, &str); 2] =
    [("CC01", "CL1", "E01009522,E01009600"), ("CC03", "CL1", "E01009700")];

/// A town with one quarter closed by the old boundaries, and one by new ones.
async fn redrawn(areas: &[(&str, &str, &str)]) -> Town {
    let mut town = Town::new().await;
    town.populate(3_000).await;
    town.close(BEFORE).await;
    town.put_areas(date(2026, 6, 1), areas).await;
    town.set_clock("2026-08-13T12:00:00Z");
    town.close(AFTER).await;
    town
}

async fn asked(town: &Town, indicator: &str, area: &str, from: &str, to: &str) -> Vec<FigureText> {
    let officer = town.officer();
    let request = QueryRequest {
        indicator: indicator.to_owned(),
        area: area.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        by: String::new(),
        purpose: PLANNING.to_owned(),
    };
    match town.gateway.query_figures(&officer, &request).await {
        Ok(answer) => answer.into_parts().0.figures,
        denied => {
            assert_eq!(refused(denied).0, "not_found", "{area}");
            Vec::new()
        }
    }
}

fn quarters(figures: &[FigureText]) -> Vec<String> {
    figures.iter().map(|figure| figure.quarter.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_area_has_the_sum_of_what_was_published_and_a_renamed_one_its_own() {
    let town = redrawn(&MERGED).await;
    let merged = asked(&town, "under_fives", "HB1", BEFORE, AFTER).await;
    assert_eq!(quarters(&merged), [BEFORE, AFTER]);
    // The old cluster held the same two areas: the same unrounded noisy values, so the same text.
    let cluster = asked(&town, "under_fives", "CL1", BEFORE, BEFORE).await;
    let of =
        |figure: &FigureText| (figure.value.clone(), figure.lower.clone(), figure.upper.clone());
    assert_eq!(of(&merged[0]), of(&cluster[0]));
    let renamed = asked(&town, "under_fives", "HB2", BEFORE, AFTER).await;
    let old = asked(&town, "under_fives", "CC03", BEFORE, BEFORE).await;
    assert_eq!(of(&renamed[0]), of(&old[0]));
    assert_eq!((renamed[0].area.as_str(), renamed.len()), ("HB2", 2));
    // What was asked before the change is answered as before, under the codes of then.
    assert_eq!(quarters(&asked(&town, "registered", "CC01", BEFORE, AFTER).await), [BEFORE]);
    // The card follows the same rule.
    let request = CardRequest {
        area: "HB1".to_owned(),
        quarter: AFTER.to_owned(),
        purposes: vec![PLANNING.to_owned()],
    };
    let card = town.gateway.card(&town.officer(), &request).await.unwrap().into_parts().0;
    let line = card.lines.iter().find(|line| line.figure.indicator.as_str() == "under_fives");
    assert_eq!(of(&line.unwrap().trend[0]), of(&merged[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_area_that_gained_or_lost_ground_begins_anew_also_under_its_old_code() {
    let town = redrawn(&MOVED).await;
    // The code of before names other ground: no trend joins the two.
    assert_eq!(quarters(&asked(&town, "registered", "CC03", BEFORE, AFTER).await), [BEFORE, AFTER]);
    let officer = town.officer();
    let card = async |area: &str| {
        let request = CardRequest {
            area: area.to_owned(),
            quarter: String::new(),
            purposes: vec![PLANNING.to_owned()],
        };
        town.gateway.card(&officer, &request).await.unwrap().into_parts().0
    };
    let card = card("CC03").await;
    let registered = card.lines.iter().find(|line| line.number == 3).unwrap();
    assert_eq!(registered.trend.len(), 1);
    // CC01 took CC02 in whole: a sum, and the same sum however it is asked for. Two answers for one
    // quarter would tell what CC02 was by their difference.
    let sum = asked(&town, "under_fives", "CC01", BEFORE, AFTER).await;
    let alone = asked(&town, "under_fives", "CC01", BEFORE, BEFORE).await;
    assert_eq!(quarters(&sum), [BEFORE, AFTER]);
    let whole = |figure: &FigureText| (figure.lower.clone(), figure.upper.clone());
    assert_eq!((quarters(&alone), whole(&alone[0])), (vec![BEFORE.to_owned()], whole(&sum[0])));

    let mut town = Town::new().await;
    town.put_areas(
        date(2024, 4, 2),
        &[("CC01", "CL1", "E01009522,E01009600"), ("CC03", "CL1", "E01009700")],
    )
    .await;
    town.populate(3_000).await;
    town.close(BEFORE).await;
    let halves = [("CC01", "CL1", "E01009522"), ("CC03", "CL1", "E01009700,E01009600")];
    town.put_areas(date(2026, 6, 1), &halves).await;
    town.set_clock("2026-08-13T12:00:00Z");
    town.close(AFTER).await;
    for area in ["CC01", "CC03"] {
        assert_eq!(quarters(&asked(&town, "registered", area, BEFORE, AFTER).await), [AFTER]);
        // Nor does the code give what it stood for before.
        assert_eq!(quarters(&asked(&town, "registered", area, BEFORE, BEFORE).await).len(), 0);
    }
    // Cluster and authority are the same ground as ever.
    for area in ["CL1", "E08000026"] {
        assert_eq!(quarters(&asked(&town, "registered", area, BEFORE, AFTER).await).len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_agency_has_the_sum_of_what_it_runs() {
    let mut town = Town::new().await;
    town.populate(3_000).await;
    let frozen = town.close(BEFORE).await.into_parts().0;
    // LA1 runs CC02 and CC03, which lie in two clusters.
    let agency: AreaCode = "LA1".parse().unwrap();
    let (level, rows) = frozen.release.geography.locate(&agency).unwrap();
    assert_eq!((level, rows.as_slice()), (crate::disclosure::Level::LeadAgency, &[1, 2][..]));
    let of = async |area: &str| {
        let figures = asked(&town, "under_fives", area, BEFORE, BEFORE).await;
        figures[0].value.parse::<f64>().unwrap()
    };
    let (agency, parts) = (of("LA1").await, of("CC02").await + of("CC03").await);
    assert!((agency - parts).abs() <= 5.0, "{agency} {parts}");
    // A consumer whose protocol lists its own area does not see the agency's.
    let manager = town.actor("centres", &[CallerRole::Consumer], Some(&["CC02"]));
    let request = QueryRequest {
        indicator: "under_fives".to_owned(),
        area: "LA1".to_owned(),
        from: BEFORE.to_owned(),
        to: String::new(),
        by: String::new(),
        purpose: PLANNING.to_owned(),
    };
    let denied = town.gateway.query_figures(&manager, &request).await;
    assert_eq!(refused(denied).0, "area_not_covered");
}
