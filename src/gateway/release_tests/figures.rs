//! Cards and queries: who sees what, in which bytes.

use super::{
    last_leaf, reason_of, refused,
    support::{PLANNING, Town, partner},
};
use crate::{
    audit::LeafKind,
    gateway::{CardRequest, FigureText, QueryRequest},
    protocol::{Act, CallerRole, template::Template},
    wire::v1,
};
use prost::Message;

const QUARTER: &str = "2026Q1";

fn card(area: &str, quarter: &str, purpose: &str) -> CardRequest {
    CardRequest {
        area: area.to_owned(),
        quarter: quarter.to_owned(),
        purposes: vec![purpose.to_owned()],
    }
}

fn query(indicator: &str, area: &str, by: &str, purpose: &str) -> QueryRequest {
    QueryRequest {
        indicator: indicator.to_owned(),
        area: area.to_owned(),
        from: QUARTER.to_owned(),
        to: String::new(),
        by: by.to_owned(),
        purpose: purpose.to_owned(),
    }
}

async fn released() -> Town {
    let mut town = Town::new().await;
    town.populate(9_000).await;
    town.close(QUARTER).await;
    town
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_sees_the_card_of_the_own_area_and_of_no_other() {
    let town = released().await;
    let (gateway, manager) = (&town.gateway, town.manager("CC01"));
    let answer = gateway.card(&manager, &card("CC01", "", PLANNING)).await.unwrap();
    let shown = answer.value();
    assert_eq!(
        (shown.area_name.as_str(), shown.quarter.to_string()),
        ("Area CC01", QUARTER.into())
    );
    // The list of two-year-olds serves another purpose, so its indicators are not there.
    let numbers: Vec<u8> = shown.lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 12, 13, 17, 18, 19, 21, 22, 26]);
    let registered = &shown.lines[2];
    assert_eq!(registered.figure.word, "large majority");
    let percent: f64 = registered.figure.value.parse().unwrap();
    assert!((65.0..69.0).contains(&percent), "{percent}");
    assert_eq!(registered.figure.unit, "percent");
    assert!(registered.trend.is_empty() && registered.feeds.len() == 5);
    assert_eq!(shown.lines[1].parts.len(), 5);
    // Registration by age and deprivation is counted in a first quarter, by sex in a second.
    let parts: Vec<&str> = registered.parts.iter().map(|part| part.part.as_str()).collect();
    assert_eq!((parts.len(), parts[0], parts[5]), (7, "registered_age_0", "deprived"));

    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::CardAnswered);
    assert_eq!(leaf.area.unwrap().as_str(), "CC01");
    assert_eq!(leaf.purpose.unwrap().as_str(), PLANNING);
    assert_eq!(leaf.protocol.unwrap().id.as_str(), "isp-centres");
    assert!(leaf.clause.unwrap().as_str().contains("/audiences/"));
    assert!(leaf.legal_basis.is_some() && leaf.notes.policy_epoch.is_some());
    assert_eq!(leaf.notes.period, Some(QUARTER.parse().unwrap()));
    assert_eq!(leaf.notes.release.map(|h| *h.as_bytes()), Some(*shown.release.as_bytes()));

    let twos = card("CC01", QUARTER, "early_education_take_up");
    let answer = gateway.card(&manager, &twos).await.unwrap();
    let numbers: Vec<u8> = answer.value().lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [10, 11]);

    // Another's area, one that the protocols don't list, and one that is nowhere.
    let mut refusals = Vec::new();
    for area in ["CC02", "CC03", "CC99"] {
        refusals.push(refused(gateway.card(&manager, &card(area, "", PLANNING)).await));
        let asked = query("registered", area, "", PLANNING);
        refusals.push(refused(gateway.query_figures(&manager, &asked).await));
    }
    assert!(refusals.iter().all(|refusal| *refusal == ("area_not_covered", None)), "{refusals:?}");
    let wide = town.actor("centres", &[CallerRole::Consumer], None);
    let unlisted = refused(gateway.card(&wide, &card("CC03", "", PLANNING)).await);
    let nowhere = refused(gateway.card(&wide, &card("CC99", "", PLANNING)).await);
    assert_eq!(unlisted, nowhere);
    assert!(unlisted.1.unwrap().ends_with("/areas"));
    assert_eq!(last_leaf(&town).await.area, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn purposes_tables_and_protocols_decide_each_query() {
    let town = released().await;
    let (gateway, manager) = (&town.gateway, town.manager("CC01"));
    let ask = |indicator: &'static str,
               area: &'static str,
               by: &'static str,
               purpose: &'static str| {
        let manager = &manager;
        async move { gateway.query_figures(manager, &query(indicator, area, by, purpose)).await }
    };
    let found = ask("registered", "CC01", "", PLANNING).await.unwrap();
    assert_eq!(found.value().figures.len(), 1);
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::QueryAnswered);
    assert_eq!(leaf.indicator.unwrap().as_str(), "registered");
    assert_eq!(leaf.table.unwrap().as_str(), "registered");

    for purpose in ["", "marketing", "public_health"] {
        let (reason, clause) = refused(ask("registered", "CC01", "", purpose).await);
        assert_eq!((reason, clause.is_some()), ("purpose_not_listed", true), "{purpose}");
    }
    // Benefit data serve the take-up of early education and nothing else.
    let (reason, clause) = refused(ask("two_year_take_up", "CC01", "", PLANNING).await);
    assert_eq!(reason, "purpose_not_listed");
    assert!(clause.unwrap().starts_with("isp-"), "the clause is named");
    // An unknown indicator and one whose table is not the caller's look the same.
    let unknown = refused(ask("wealth", "CC01", "", PLANNING).await);
    assert_eq!(reason_of(&last_leaf(&town).await), "table_not_listed");
    let not_ours = refused(ask("families_known", "CC01", "case_type", PLANNING).await);
    assert_eq!((unknown.0, &unknown), ("table_not_listed", &not_ours));
    assert_eq!(refused(ask("registered", "CC01", "colour", PLANNING).await).0, "invalid_argument");
    assert_eq!(refused(ask("registered", "cc 01", "", PLANNING).await).0, "invalid_argument");
    let provider = town.actor("centres", &[CallerRole::Provider], None);
    let asked = query("registered", "CC01", "", PLANNING);
    assert_eq!(refused(gateway.query_figures(&provider, &asked).await).0, "wrong_role");
    assert_eq!(refused(gateway.card(&provider, &card("CC01", "", PLANNING)).await).0, "wrong_role");
    let stranger = town.actor("dwp", &[CallerRole::Consumer], None);
    assert_eq!(refused(gateway.query_figures(&stranger, &asked).await).0, "table_not_listed");

    // Every agency's word holds while its protocol is suspended, for its own callers not.
    let suspend = Act::Suspend { party: partner("authority") };
    town.put_protocol(Template::Centres, &[suspend]).await;
    let officer = town.officer();
    let asked = query("registered", "E08000026", "", PLANNING);
    assert!(gateway.query_figures(&officer, &asked).await.is_ok());
    for template in [Template::Health, Template::Families, Template::Learning, Template::Dwp] {
        town.put_protocol(template, &[Act::Suspend { party: partner("authority") }]).await;
    }
    let (reason, clause) = refused(gateway.query_figures(&officer, &asked).await);
    assert_eq!((reason, clause.is_some()), ("protocol_suspended", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn officers_and_auditors_see_all_areas_and_the_authoritys_breakdowns() {
    let town = released().await;
    for actor in [town.officer(), town.auditor()] {
        let whole = town.gateway.card(&actor, &card("E08000026", "", PLANNING)).await.unwrap();
        let families = whole.value().lines.iter().find(|line| line.title == "Families known");
        assert_eq!(families.unwrap().parts.len(), 4);
        for area in ["CL1", "CC03"] {
            town.gateway.card(&actor, &card(area, QUARTER, PLANNING)).await.unwrap();
        }
        let asked = query("families_known", "E08000026", "case_type", PLANNING);
        let found = town.gateway.query_figures(&actor, &asked).await.unwrap();
        assert_eq!(found.value().figures.len(), 4);
        // Nobody has a case; one draw in 44 passes the edge all the same.
        let withheld = found.value().figures.iter().filter(|figure| figure.value == "<10");
        assert!(withheld.count() >= 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quarters_that_are_not_released_are_not_found() {
    let town = Town::new().await;
    let (gateway, officer) = (&town.gateway, town.officer());
    let whole = "E08000026";
    assert_eq!(refused(gateway.card(&officer, &card(whole, "", PLANNING)).await).0, "not_found");
    let mut asked = query("births", whole, "", PLANNING);
    assert_eq!(refused(gateway.query_figures(&officer, &asked).await).0, "not_found");
    town.close(QUARTER).await;
    assert_eq!(
        refused(gateway.card(&officer, &card(whole, "2025Q4", PLANNING)).await).0,
        "not_found"
    );
    assert_eq!(
        refused(gateway.card(&officer, &card(whole, "now", PLANNING)).await).0,
        "invalid_argument"
    );
    town.set_clock("2026-08-13T12:00:00Z");
    town.close("2026Q2").await;
    "2025Q1".clone_into(&mut asked.from);
    "2026Q2".clone_into(&mut asked.to);
    let found = gateway.query_figures(&officer, &asked).await.unwrap();
    assert_eq!(found.value().figures.len(), 2);
    assert_eq!(last_leaf(&town).await.notes.period, Some("2026Q2".parse().unwrap()));
    asked.from.clear();
    asked.to.clear();
    let latest = gateway.query_figures(&officer, &asked).await.unwrap();
    assert_eq!(latest.value().figures[0].quarter.to_string(), "2026Q2");
    let shown = gateway.card(&officer, &card(whole, "", PLANNING)).await.unwrap();
    // What is due in one quarter of the year has no other yet.
    let trends: Vec<usize> = shown.value().lines.iter().map(|line| line.trend.len()).collect();
    assert!(trends.iter().all(|n| *n <= 1) && trends.iter().sum::<usize>() > 15, "{trends:?}");
    assert_eq!(trends[..3], [1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_question_has_the_same_bytes_for_ever() {
    let mut town = released().await;
    let bytes = |card: crate::gateway::CardAnswer| v1::GetCardResponse::from(card).encode_to_vec();
    let figure_bytes = |figures: Vec<FigureText>| -> Vec<Vec<u8>> {
        figures.into_iter().map(|figure| v1::Figure::from(figure).encode_to_vec()).collect()
    };
    let manager = town.manager("CC02");
    let asked = card("CC02", QUARTER, PLANNING);
    let question = query("under_fives", "CC02", "age", PLANNING);
    let first = town.gateway.card(&manager, &asked).await.unwrap().into_parts().0;
    let figures = town.gateway.query_figures(&manager, &question).await.unwrap().into_parts().0;
    // More records, another release, and a restart's empty memory change nothing.
    town.populate(600).await;
    town.set_clock("2026-08-13T12:00:00Z");
    town.close("2026Q2").await;
    town.gateway.released.store(std::sync::Arc::default());
    let again = town.gateway.card(&manager, &asked).await.unwrap().into_parts().0;
    let figures_again =
        town.gateway.query_figures(&manager, &question).await.unwrap().into_parts().0;
    assert_eq!(bytes(first), bytes(again));
    assert_eq!(figure_bytes(figures.figures), figure_bytes(figures_again.figures));
}

#[test]
fn numbers_become_text_in_one_way() {
    use crate::disclosure::{Catalogue, Figure, Level, Reading, Released, Unit};
    let catalogue = Catalogue::shipped().unwrap();
    let text = |indicator: &str, unit, value| {
        let id = indicator.parse().unwrap();
        let measure = &catalogue.indicator(&id).unwrap().measure;
        let figure = Figure {
            indicator: id,
            part: None,
            title: String::new(),
            area: "CC01".parse().unwrap(),
            level: Level::ReachArea,
            period: QUARTER.parse().unwrap(),
            unit,
            value,
            withheld_below: 13.0,
        };
        let t = FigureText::of(&catalogue, &figure, measure);
        [t.value, t.lower, t.upper, t.margin, t.out_of, t.word.to_owned(), t.unit.to_owned()]
    };
    let shown = |value, lower, upper, margin, out_of, word| {
        Released::Shown(Reading { value, lower, upper, margin, out_of, word })
    };
    let count = shown(1410.0, 1374.0, 1446.0, 36.0, None, None);
    assert_eq!(
        text("births", Unit::Count, count),
        ["1410", "1374", "1446", "36", "", "", "persons"]
    );
    let share = shown(71.0, 69.9, 72.1, 1.1, Some(1410.0), Some("large majority"));
    assert_eq!(
        text("registered", Unit::Percent, share),
        ["71.0", "69.9", "72.1", "1.1", "1410", "large majority", "percent"]
    );
    let ratio = shown(61.5, 51.2, 100.0, 38.5, Some(40.0), None);
    assert_eq!(
        text("referrals", Unit::Percent, ratio),
        ["0.615", "0.512", "1.000", "0.385", "40", "", "ratio"]
    );
    assert_eq!(
        text("registered", Unit::Percent, Released::Withheld),
        ["<10", "", "", "", "", "", "percent"]
    );
    assert_eq!(
        text("registered", Unit::Percent, Released::Uncertain),
        ["too uncertain to say", "", "", "", "", "", "percent"]
    );
}
