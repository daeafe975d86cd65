//! The quorum: lost, figures stop and nothing else does; back, they come again.

use super::{Site, Watching};
use crate::support::{
    gateway::assert_refused,
    stream::{Stream, rows},
    words::reinstating,
};
use std::{fs, net::SocketAddr};
use tallygate::{
    config::Config,
    gateway::HistoryError,
    server::{Running, ServeError},
    wire::v1::{
        self, access_log_service_client::AccessLogServiceClient,
        figure_service_client::FigureServiceClient, protocol_service_client::ProtocolServiceClient,
        release_service_client::ReleaseServiceClient,
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

const MISSING: &str = "witness_quorum_missing";

/// Every way to a figure is closed.
async fn figures_stop(site: &Site, running: &Running) {
    assert_refused(site.card(running).await, MISSING);
    let manager = site.caller(running, "manager-CC01").await;
    let query = v1::QueryFiguresRequest {
        indicator: "registered".to_owned(),
        area: "CC01".to_owned(),
        purpose: "childrens_centre_planning".to_owned(),
        ..v1::QueryFiguresRequest::default()
    };
    assert_refused(FigureServiceClient::new(manager).query_figures(query).await, MISSING);
    let officer = site.caller(running, "officer").await;
    let mut releases = ReleaseServiceClient::new(officer);
    let quarter = "2026Q1".to_owned();
    let request = v1::GetReleaseRequest { quarter: quarter.clone() };
    assert_refused(releases.get_release(request).await, MISSING);
    let request = v1::CloseQuarterRequest { quarter, accepted_warnings: Vec::new() };
    assert_refused(releases.close_quarter(request).await, MISSING);
}

/// What must always work: intake, suspension and its end, a withdrawal, looks into registers
/// and log.
async fn all_else_goes_on(site: &Site, running: &Running, round: usize) {
    let health = site.caller(running, "health").await;
    let mut stream = Stream::open(health.clone()).await.unwrap();
    stream.send(1, rows(&format!("quorum-{round}"), 40 * round..40 * round + 5)).await;
    assert_eq!(stream.acknowledged().await.well_formed, 5);
    let mut protocols = ProtocolServiceClient::new(health);
    let protocol_id = "isp-health".to_owned();
    let suspend = v1::SuspendProtocolRequest { protocol_id };
    let entry = protocols.suspend_protocol(suspend).await.unwrap().into_inner().entry.unwrap();
    for key in ["health-siro", "health-caldicott_guardian", "authority-siro"] {
        let document = reinstating(&site.path(""), &entry, key);
        let resume = v1::ResumeProtocolRequest { document, ..Default::default() };
        let caller = if key.starts_with("health") { "health" } else { "officer" };
        let mut protocols = ProtocolServiceClient::new(site.caller(running, caller).await);
        protocols.resume_protocol(resume).await.unwrap();
    }
    let officer = site.caller(running, "officer").await;
    let mut releases = ReleaseServiceClient::new(officer);
    releases.list_releases(v1::ListReleasesRequest::default()).await.unwrap();
    let withdraw = v1::WithdrawReleaseRequest {
        quarter: "2024Q2".to_owned(),
        notice: "Withdrawn while no witness looks.".to_owned(),
    };
    releases.withdraw_release(withdraw).await.unwrap();
}

/// How often the log has each kind of quorum leaf, oldest first.
pub(super) async fn told(site: &Site, running: &Running) -> Vec<String> {
    let auditor = site.caller(running, "auditor").await;
    let request = v1::SearchEntriesRequest { page_size: 1000, ..Default::default() };
    let answer = AccessLogServiceClient::new(auditor).search_entries(request).await.unwrap();
    let leaves = answer.into_inner().entries.into_iter().rev().filter_map(|entry| {
        let leaf: serde_json::Value = serde_json::from_slice(&entry.leaf).unwrap();
        let kind = leaf["kind"].as_str().unwrap().to_owned();
        kind.starts_with("witness_").then_some(kind)
    });
    leaves.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_quorum_stops_figures_and_nothing_else_until_it_returns() {
    let site = Site::new().await;
    let mut oversight = site.witness("oversight", true).await;
    let partner = site.witness("partner", false).await;
    let lines = [oversight.lines(true), partner.lines(false)];
    let config = site.configure("gateway", "gateway.db", &lines);
    let running = site.serve(&config).await.unwrap();
    // At the demo's root policy nobody is needed, and still the log is cosigned.
    site.card(&running).await.unwrap();
    running.project_log().await.unwrap();
    assert!(site.checkpoint("gateway").contains("\u{2014} partner.example "));
    assert_eq!(told(&site, &running).await, [""; 0]);
    site.want_witnesses(&running, true, 1).await;
    let before = site.card(&running).await.unwrap().lines[0].figure.clone();
    running.project_log().await.unwrap();
    assert_eq!(told(&site, &running).await, ["witness_quorum_reached"]);

    oversight.stop().await;
    site.clock.minutes(14);
    running.project_log().await.unwrap();
    assert_eq!(site.card(&running).await.unwrap().lines[0].figure, before, "still allowed");
    site.clock.minutes(2);
    figures_stop(&site, &running).await;
    running.project_log().await.unwrap();
    assert_eq!(told(&site, &running).await, ["witness_quorum_reached", "witness_quorum_lost"]);
    figures_stop(&site, &running).await;
    all_else_goes_on(&site, &running, 1).await;

    oversight.start(&site).await;
    site.clock.minutes(2);
    running.project_log().await.unwrap();
    assert_eq!(site.card(&running).await.unwrap().lines[0].figure, before);
    running.stop().await.unwrap();
    audited(&site);
}

/// What the auditor sees of all that, with the witnesses' keys held from elsewhere.
fn audited(site: &Site) {
    let text = site.verify("gateway", &["oversight", "partner"], 0);
    for words in [
        "cosigned by oversight.example at 20",
        "cosigned by partner.example at 20",
        "2 witness_quorum_reached",
        "1 witness_quorum_lost",
        "witness_quorum_missing",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let path = site.path("tiles-gateway/checkpoint");
    let whole = fs::read_to_string(&path).unwrap();
    // The lines end in `=` or a letter; the one before the last is far from any padding.
    let forged = {
        let line = whole.lines().find(|line| line.contains("oversight.example")).unwrap();
        let mut bytes = line.as_bytes().to_vec();
        let at = bytes.len() - 20;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        whole.replace(line, std::str::from_utf8(&bytes).unwrap())
    };
    fs::write(&path, forged).unwrap();
    let text = site.verify("gateway", &["oversight", "partner"], 1);
    assert!(text.contains("witness oversight.example: line 6: the signature"), "{text}");
    assert!(text.contains("cosigned by partner.example"), "{text}");
    let bare: String = whole.split_inclusive('\n').take(5).collect();
    fs::write(&path, bare).unwrap();
    let text = site.verify("gateway", &["oversight"], 1);
    assert!(text.contains("no cosignature of this checkpoint"), "{text}");
    assert!(site.verify("gateway", &[], 0).contains("sound"), "the log itself is");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_witnesses_away_it_starts_and_answers_figures_once_they_are_back() {
    let site = Site::new().await;
    let mut oversight = site.witness("oversight", false).await;
    let config = site.configure("gateway", "gateway.db", &[oversight.lines(true)]);
    let running = site.serve(&config).await.unwrap();
    site.want_witnesses(&running, true, 0).await;
    site.card(&running).await.unwrap();
    running.stop().await.unwrap();
    oversight.stop().await;
    // What it was told before it stopped does not count: the database may be another one.
    let running = site.serve_without(&config, &["oversight.example"]).await.unwrap();
    figures_stop(&site, &running).await;
    oversight.start(&site).await;
    site.clock.minutes(2);
    running.project_log().await.unwrap();
    site.card(&running).await.unwrap();
    running.stop().await.unwrap();
    // Nor does a witness help that the gateway was not told of.
    let config = site.configure("gateway", "gateway.db", &[]);
    let running = site.serve_without(&config, &["oversight.example"]).await.unwrap();
    figures_stop(&site, &running).await;
    running.stop().await.unwrap();
}

/// Stands before a witness and changes its answers.
async fn go_between(witness: SocketAddr, change: fn(&str) -> String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(relay(stream, witness, change));
        }
    });
    address
}

/// One request and its answer, each with a content length.
async fn relay(stream: TcpStream, witness: SocketAddr, change: fn(&str) -> String) {
    let mut caller = BufReader::new(stream);
    let (head, body) = message(&mut caller).await;
    let mut there = TcpStream::connect(witness).await.unwrap();
    there.write_all(head.as_bytes()).await.unwrap();
    there.write_all(body.as_bytes()).await.unwrap();
    let (head, body) = message(&mut BufReader::new(there)).await;
    let changed = if head.starts_with("HTTP/1.1 200") { change(&body) } else { body };
    let lines = head.lines().filter(|line| !line.is_empty());
    let kept = lines.filter(|line| !line.to_ascii_lowercase().starts_with("content-length"));
    let head: String = kept.map(|line| format!("{line}\r\n")).collect();
    let answer = format!("{head}content-length: {}\r\n\r\n{changed}", changed.len());
    caller.write_all(answer.as_bytes()).await.unwrap();
}

pub(super) async fn message(stream: &mut BufReader<TcpStream>) -> (String, String) {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn tampered(answer: &str) -> String {
    let at = answer.len() - 20;
    let other = if &answer[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &answer[..at], &answer[at + 1..])
}

fn among_others(answer: &str) -> String {
    let stranger = answer.replace("oversight.example ", "stranger.example ");
    format!("{stranger}{answer}{stranger}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_cosignature_and_one_by_an_unknown_key_are_ignored() {
    let site = Site::new().await;
    let oversight = site.witness("oversight", false).await;
    // Another key, and a true one whose clock is an hour ahead.
    let stranger = site.witness("stranger", false).await;
    let ahead = super::Forward::default();
    ahead.minutes(60);
    let hasty = site.witness_at("hasty", false, ahead).await;
    let tampering = go_between(oversight.address, tampered).await;
    let swapped = Watching { running: None, address: stranger.address, ..oversight };
    let cases = [oversight.lines_at(tampering, true), swapped.lines(true), hasty.lines(true)];
    let config = site.configure("gateway", "gateway.db", &[]);
    let running = site.serve(&config).await.unwrap();
    site.want_witnesses(&running, true, 0).await;
    running.stop().await.unwrap();
    for lines in cases {
        let config = site.configure("gateway", "gateway.db", &[lines]);
        // What is no word of the witness is no answer to whether the database is behind.
        let refused = site.serve(&config).await.unwrap_err();
        let unasked = matches!(refused, ServeError::History(HistoryError::Unasked { .. }));
        assert!(unasked, "{refused}");
        let Ok(witness) = Config::read(&config).map(|config| config.witnesses[0].key.clone())
        else {
            panic!("a configuration that was just read")
        };
        let running = site.serve_without(&config, &[witness.name()]).await.unwrap();
        running.project_log().await.unwrap();
        assert_eq!(site.checkpoint("gateway").lines().count(), 5, "{:?}", config);
        assert_refused(site.card(&running).await, MISSING);
        running.stop().await.unwrap();
    }
    // A valid one counts, whatever stands around it; the others are not passed on.
    let between = go_between(oversight.address, among_others).await;
    let config = site.configure("gateway", "gateway.db", &[oversight.lines_at(between, true)]);
    let running = site.serve(&config).await.unwrap();
    site.card(&running).await.unwrap();
    running.project_log().await.unwrap();
    let checkpoint = site.checkpoint("gateway");
    assert!(checkpoint.contains("oversight.example ") && !checkpoint.contains("stranger"));
    running.stop().await.unwrap();
}
