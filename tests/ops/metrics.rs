//! Nobody, no place and no organisation is found in the numbers, and no small number of rows.

use super::get;
use crate::{
    leaks::needles,
    support::{
        demo,
        gateway::{Copy, Service},
        stream::{Stream, nhs_number, rows},
    },
};
use std::collections::BTreeSet;
use tallygate::wire::v1::{
    self, figure_service_client::FigureServiceClient, rights_service_client::RightsServiceClient,
};

const OPS: &str = "\n[ops]\nlisten = \"127.0.0.1:0\"\n";

/// One line of the numbers: the name, its labels, its value.
struct Line<'a> {
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
            let labels = labels.map(|label| {
                let (name, value) = label.split_once('=').unwrap();
                (name, value.trim_matches('"'))
            });
            Line { name, labels: labels.collect(), value: value.parse().unwrap() }
        })
        .collect()
}

/// A run in which much is done: rows taken and refused, cards, cases, refusals.
async fn work(copy: &Copy) {
    let health = copy.caller("health").await;
    let mut stream = Stream::open(health.clone()).await.unwrap();
    stream.send(1, rows("metrics", 0..25)).await;
    stream.acknowledged().await;
    let mut wrong = rows("metrics", 25..28);
    for row in &mut wrong {
        row.values[5] = "no such review".to_owned();
    }
    stream.send(2, wrong).await;
    assert_eq!(stream.acknowledged().await.rejections.len(), 3);
    stream.finish().await;
    card(copy.caller("manager-CC01").await, "CC01").await.unwrap();
    card(copy.caller("manager-CC01").await, "CC02").await.unwrap_err();
    let mut rights = RightsServiceClient::new(copy.caller("officer").await);
    rights.list_cases(v1::ListCasesRequest::default()).await.unwrap();
}

async fn card(manager: Service, area: &str) -> Result<(), tonic::Status> {
    let request = v1::GetCardRequest {
        area: area.to_owned(),
        quarter: String::new(),
        purposes: vec!["childrens_centre_planning".to_owned()],
    };
    FigureServiceClient::new(manager).get_card(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_and_no_place_is_found_in_the_numbers() {
    let copy = Copy::start_told(demo(), OPS).await;
    let address = copy.running.ops_address().unwrap();
    work(&copy).await;
    copy.running.project_log().await.unwrap();
    let (status, text) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");

    let found = needles().found_in(text.as_bytes());
    assert!(found.is_empty(), "{found:?}");
    for n in 0..28 {
        assert!(!text.contains(&nhs_number(n)));
    }
    // Labels are the program's own words: no partner, protocol, area or person is one.
    let lines = lines(&text);
    let known = BTreeSet::from([
        "access",
        "grpc_code",
        "le",
        "outcome",
        "reason",
        "record_type",
        "rpc_method",
        "rule",
        "state",
        "version",
    ]);
    for line in &lines {
        for (label, value) in &line.labels {
            assert!(known.contains(label), "{} has a label {label}", line.name);
            for word in ["CC0", "E0100", "health ", "isp-", "authority", "manager", "officer"] {
                assert!(!value.contains(word), "{}: {label} is {value}", line.name);
            }
        }
        let stepped = line.name.starts_with("tallygate_intake_")
            || line.name.starts_with("tallygate_rpc_person");
        assert!(!stepped || line.value % 10.0 == 0.0, "{} is {}", line.name, line.value);
        assert!(!line.labels.iter().any(|(_, value)| {
            ["Rights", "Subject", "Consent", "Erase", "FindRecords", "OpenDetail"]
                .iter()
                .any(|about| value.contains(about))
        }));
    }
    // And what is to be there is.
    let value = |name: &str, labels: &[(&str, &str)]| {
        let found = lines.iter().find(|line| {
            line.name == name && labels.iter().all(|label| line.labels.contains(label))
        });
        found.map(|line| line.value)
    };
    let reviews = ("record_type", "health_review");
    let rows = |outcome| value("tallygate_intake_rows_total", &[reviews, ("outcome", outcome)]);
    assert_eq!((rows("accepted"), rows("rejected")), (Some(20.0), Some(0.0)));
    let cards = ("rpc_method", "tallygate.v1.FigureService/GetCard");
    let calls = |code| value("tallygate_rpc_calls_total", &[cards, ("grpc_code", code)]);
    assert_eq!((calls("OK"), calls("PERMISSION_DENIED")), (Some(1.0), Some(1.0)));
    assert_eq!(value("tallygate_rpc_person_calls_total", &[("grpc_code", "OK")]), Some(0.0));
    assert!(value("tallygate_log_entries", &[]).unwrap() > 100.0);
    assert!(value("tallygate_releases", &[]).unwrap() >= 1.0);
    let spent = value("tallygate_budget_spent_ratio", &[]).unwrap();
    assert!(spent > 0.0 && spent < 1.0, "{spent}");
    assert_eq!(value("tallygate_ready", &[]), Some(1.0));
    // Every number that an alert or the dashboard names is one of these.
    let families: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for file in ["alerts.yml", "dashboard.json"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
        let file = std::fs::read_to_string(path.join(file)).unwrap();
        let words = file.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: BTreeSet<&str> = words.filter(|word| word.starts_with("tallygate_")).collect();
        assert!(named.len() > 10, "{named:?}");
        for name in named {
            let family = name.trim_end_matches("_total").trim_end_matches("_bucket");
            assert!(families.contains(family), "there is no {name}");
        }
    }
    copy.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_told_apart_from_life() {
    let copy = Copy::start_told(demo(), &format!("{OPS}notice_seconds = 2\n")).await;
    let address = copy.running.ops_address().unwrap();
    assert_eq!(get(address, "/healthz").await, (200, "alive\n".to_owned()));
    let (status, body) = get(address, "/readyz").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"draining\":false"), "{body}");
    assert_eq!(get(address, "/").await.0, 404);
    let officer = copy.caller("manager-CC01").await;
    let stopping = tokio::spawn(copy.running.stop());
    while get(address, "/readyz").await.0 == 200 {
        tokio::task::yield_now().await;
    }
    let (_, body) = get(address, "/readyz").await;
    assert!(body.contains("\"draining\":true") && body.contains("\"database\":true"), "{body}");
    // It is told before anybody is turned away.
    card(officer, "CC01").await.unwrap();
    assert_eq!(get(address, "/healthz").await.0, 200);
    stopping.await.unwrap().unwrap();
}
