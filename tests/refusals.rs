//! What must be refused, each with its own reason and a leaf in the log that says so.

use crate::support::{
    copy, files,
    gateway::{Copy, Service, assert_refused, reason},
    output,
};
use std::{collections::BTreeSet, fs, time::Duration};
use tallygate::{
    connector::ProfileFile,
    domain::{AreaCode, RecordType},
    identity::{Clock, SystemClock},
    keys::{ProtocolSigning, SigningKey},
    protocol::{
        Envelope, KeyRegister, KeySet, Protocol,
        signing::{Draft, Signed, header_for},
    },
    wire::v1::{
        self, access_log_service_client::AccessLogServiceClient,
        consent_service_client::ConsentServiceClient, figure_service_client::FigureServiceClient,
        intake_service_client::IntakeServiceClient, partner_service_client::PartnerServiceClient,
        protocol_service_client::ProtocolServiceClient, push_request, push_response,
        release_service_client::ReleaseServiceClient,
    },
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

async fn checkpoint(service: Service) -> Result<(), Status> {
    let request = v1::GetCheckpointRequest {};
    AccessLogServiceClient::new(service).get_checkpoint(request).await.map(drop)
}

async fn card(service: Service, area: &str, purpose: &str) -> Result<(), Status> {
    let request = v1::GetCardRequest {
        area: area.to_owned(),
        quarter: String::new(),
        purposes: vec![purpose.to_owned()],
    };
    FigureServiceClient::new(service).get_card(request).await.map(drop)
}

/// Opens a stream and pushes the rows; gives the acknowledgement.
async fn push(
    service: Service,
    open: v1::PushOpen,
    rows: Vec<Vec<String>>,
) -> Result<v1::BatchAcknowledgement, Status> {
    let (send, receive) = tokio::sync::mpsc::channel(4);
    let message = |message| v1::PushRequest { message: Some(message) };
    send.send(message(push_request::Message::Open(open))).await.ok();
    let rows = rows.into_iter().map(|values| v1::RecordRow { values, blinded: None }).collect();
    let batch = v1::RecordBatch { sequence: 1, rows };
    send.send(message(push_request::Message::Batch(batch))).await.ok();
    drop(send);
    let mut answers =
        IntakeServiceClient::new(service).push(ReceiverStream::new(receive)).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        if let Some(push_response::Message::Acknowledgement(taken)) = answer.message {
            return Ok(taken);
        }
    }
    Err(Status::internal("no acknowledgement"))
}

fn open(protocol: &str, record_type: &str, columns: &[&str]) -> v1::PushOpen {
    v1::PushOpen {
        protocol_id: protocol.to_owned(),
        protocol_version: 0,
        record_type: record_type.to_owned(),
        purpose: String::new(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        extract_day: "2026-05-10".to_owned(),
        dry_run: false,
        blinded: None,
    }
}

const REGISTRATION: [&str; 7] = [
    "record_id",
    "extracted_at",
    "event_date",
    "date_of_birth",
    "local_id",
    "centre",
    "start_date",
];

fn registration(id: &str) -> Vec<String> {
    let values = [id, "2026-05-01", "2026-02-03", "2024-02-29", "x1", "CC01", "2026-02-03"];
    values.map(str::to_owned).to_vec()
}

fn with(columns: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    columns.iter().chain(more).copied().collect()
}

#[tokio::test]
async fn callers_who_are_not_recognised() {
    let gateway = Copy::start().await;
    let officer = || gateway.profile("officer");
    // A certificate that an authority we trust has signed, but nobody entered.
    let stranger = gateway.stranger.issue_client("stranger").unwrap();
    fs::write(gateway.path("stranger.pem"), stranger.certificate_pem()).unwrap();
    fs::write(gateway.path("stranger.key"), stranger.key_pem()).unwrap();
    let profile = ProfileFile {
        certificate: "../stranger.pem".into(),
        key: "../stranger.key".into(),
        ..officer()
    };
    let service = gateway.connect(profile).await.unwrap();
    assert_refused(checkpoint(service).await, "certificate_not_registered");
    // Another partner's certificate with the officer's token.
    let profile = ProfileFile {
        certificate: "../certificates/health.pem".into(),
        key: "../certificates/health.key".into(),
        ..officer()
    };
    let service = gateway.connect(profile).await.unwrap();
    assert_refused(checkpoint(service).await, "token_partner_mismatch");
    let profile = ProfileFile { audience: "another-gateway".to_owned(), ..officer() };
    let service = gateway.connect(profile).await.unwrap();
    assert_refused(checkpoint(service).await, "token_wrong_audience");
    let profile = ProfileFile { token_kid: "nobody".to_owned(), ..officer() };
    let service = gateway.connect(profile).await.unwrap();
    assert_refused(checkpoint(service).await, "token_unknown_key");
    let now = SystemClock.now();
    let hour_ago = now.checked_sub(jiff::SignedDuration::from_hours(1)).unwrap();
    assert_refused(gateway.call_with_token(hour_ago, None).await, "token_expired");
    let other = Some(stranger.fingerprint());
    assert_refused(gateway.call_with_token(now, other).await, "token_bound_to_another_certificate");
    gateway.call_with_token(now, None).await.unwrap();
    checkpoint(gateway.caller("officer").await).await.unwrap();
}

#[tokio::test]
async fn a_barred_partner_is_refused_in_mid_stream_and_a_whole_release_to_its_managers() {
    let gateway = Copy::start().await;
    let mut releases = ReleaseServiceClient::new(gateway.caller("manager-CC01").await);
    let request = v1::GetReleaseRequest { quarter: "2026Q1".to_owned() };
    assert_refused(releases.get_release(request).await, "wrong_role");
    let (send, receive) = tokio::sync::mpsc::channel(4);
    let message = |message| v1::PushRequest { message: Some(message) };
    let opening = open("isp-centres", "registration", &REGISTRATION);
    send.send(message(push_request::Message::Open(opening))).await.unwrap();
    let mut stream = IntakeServiceClient::new(gateway.caller("centres").await)
        .push(ReceiverStream::new(receive))
        .await
        .unwrap()
        .into_inner();
    assert!(stream.message().await.unwrap().is_some(), "the stream is open");
    let request = v1::DisablePartnerRequest { partner_id: "centres".to_owned() };
    let officer = gateway.caller("officer").await;
    PartnerServiceClient::new(officer).disable_partner(request).await.unwrap();
    let rows = vec![v1::RecordRow { values: registration("barred-1"), blinded: None }];
    let batch = v1::RecordBatch { sequence: 1, rows };
    send.send(message(push_request::Message::Batch(batch))).await.unwrap();
    assert_refused(stream.message().await, "certificate_revoked");
    let log = log_of(gateway).await;
    assert!(log.contains("intake_stream_closed"), "the stream's end has no leaf");
}

#[tokio::test]
async fn questions_that_no_protocol_allows() {
    let gateway = Copy::start().await;
    let manager = gateway.caller("manager-CC01").await;
    let planning = "childrens_centre_planning";
    card(manager.clone(), "CC01", planning).await.unwrap();
    assert_refused(card(manager.clone(), "CC02", planning).await, "area_not_covered");
    assert_refused(
        card(manager.clone(), "CC01", "safeguarding_oversight").await,
        "purpose_not_listed",
    );
    assert_refused(card(gateway.caller("health").await, "CC01", planning).await, "wrong_role");
    // A token can't widen what the register allows.
    let mut wider = gateway.profile("manager-CC01");
    wider.areas = vec!["E08000025".parse::<AreaCode>().unwrap()];
    let service = gateway.connect(wider).await.unwrap();
    assert_refused(card(service, "E08000025", planning).await, "area_not_covered");
}

#[tokio::test]
async fn streams_that_no_protocol_allows() {
    let gateway = Copy::start().await;
    let centres = gateway.caller("centres").await;
    let rows = || vec![registration("r-1")];
    let refused = |open| push(centres.clone(), open, rows());
    assert_refused(
        refused(open("isp-centres", "shoe_size", &REGISTRATION)).await,
        "unknown_record_type",
    );
    assert_refused(
        refused(open("isp-nobody", "registration", &REGISTRATION)).await,
        "protocol_unknown",
    );
    // A protocol whose party the caller is not looks the same as one that does not exist.
    assert_refused(
        refused(open("isp-health", "registration", &REGISTRATION)).await,
        "protocol_unknown",
    );
    assert_refused(
        refused(open("isp-centres", "live_birth", &REGISTRATION)).await,
        "flow_not_granted",
    );
    let more = with(&REGISTRATION, &["shoe_size"]);
    assert_refused(refused(open("isp-centres", "registration", &more)).await, "field_not_listed");
    let purpose = v1::PushOpen {
        purpose: "safeguarding_oversight".to_owned(),
        ..open("isp-centres", "registration", &REGISTRATION)
    };
    assert_refused(refused(purpose).await, "purpose_not_listed");
}

#[tokio::test]
async fn rows_that_the_protocol_refuses_spoil_no_neighbour() {
    let gateway = Copy::start().await;
    let centres = gateway.caller("centres").await;
    let columns = with(&REGISTRATION, &["consent_ref", "lsoa_2011"]);
    let row = |id: &str, consent: &str, lsoa: &str| {
        let mut row = registration(id);
        row.extend([consent.to_owned(), lsoa.to_owned()]);
        row
    };
    let consents = fs::read_to_string(crate::support::demo().dir.join("files/centres/consent.csv"));
    let consents = consents.unwrap();
    let given = consents.lines().find(|line| line.contains(",given,")).unwrap();
    let given = given.split(',').next().unwrap();
    // One that has run out, one for something else, and one that two parents differ about.
    let consent = |reference: &str| v1::Consent {
        consent_ref: reference.to_owned(),
        state: v1::ConsentState::Given.into(),
        given_by: v1::ConsentGiver::Parent.into(),
        recorded_on: "2025-01-02".to_owned(),
        notice_version: "2025-1".to_owned(),
        ..v1::Consent::default()
    };
    let consents = vec![
        v1::Consent { valid_until: "2025-02-01".to_owned(), ..consent("ended") },
        v1::Consent { record_types: vec!["referral".to_owned()], ..consent("other") },
        v1::Consent { giver_ref: "mother".to_owned(), ..consent("differ") },
        v1::Consent {
            giver_ref: "father".to_owned(),
            recorded_on: "2025-01-01".to_owned(),
            state: v1::ConsentState::Refused.into(),
            ..consent("differ")
        },
    ];
    let mut client = ConsentServiceClient::new(centres.clone());
    let request = v1::RecordConsentsRequest { consents };
    assert_eq!(client.record_consents(request).await.unwrap().into_inner().recorded, 4);
    let rows = vec![
        row("ours-1", given, "E01009642"),
        row("ours-2", "", "E01009642"),
        row("ours-3", "never-recorded", "E01009642"),
        row("ours-4", given, "E01000001"),
        row("ours-5", "ended", "E01009642"),
        row("ours-6", "other", "E01009642"),
        row("ours-7", "differ", "E01009642"),
    ];
    let taken = push(centres, open("isp-centres", "registration", &columns), rows).await.unwrap();
    let rules: Vec<_> = taken.rejections.iter().map(|r| (r.row, r.rule.as_str())).collect();
    assert_eq!(
        rules,
        [
            (1, "consent_missing"),
            (2, "consent_not_given"),
            (3, "area_not_covered"),
            (4, "consent_not_given"),
            (5, "consent_not_covering"),
            (6, "consent_not_given"),
        ]
    );
    assert_eq!((taken.well_formed, taken.sent_before), (1, 0));
    let log = refusals_in_log(gateway).await;
    let reasons =
        ["consent_missing", "consent_not_given", "consent_not_covering", "area_not_covered"];
    for reason in reasons {
        assert!(log.contains(reason), "{reason} has no leaf");
    }
}

/// Changes one of the demo's protocols and signs it with the given parties' keys.
fn signed(gateway: &Copy, change: impl FnOnce(&mut Protocol), keys: &[&str]) -> String {
    let text = fs::read(gateway.path("protocols/isp-centres.json")).unwrap();
    let mut protocol = Protocol::parse(Envelope::parse(&text).unwrap().payload()).unwrap();
    change(&mut protocol);
    let register = KeySet::parse(&fs::read(gateway.path("jwks.json")).unwrap()).unwrap();
    let draft: Signed<Protocol, Draft> = Signed::draft(&protocol.canonical().unwrap()).unwrap();
    let mut envelope = draft.envelope().clone();
    for key in keys {
        let key =
            SigningKey::<ProtocolSigning>::load(&gateway.path(&format!("keys/{key}.pem"))).unwrap();
        let kid = key.verifying_key().kid().parse().unwrap();
        let header = header_for::<Protocol>(register.key(&kid).unwrap(), SystemClock.now());
        envelope = envelope
            .sign(header, |bytes| key.sign(bytes).ok().map(|signature| *signature.as_bytes()))
            .unwrap();
    }
    envelope.to_json().unwrap()
}

#[tokio::test]
async fn protocols_that_are_not_in_force() {
    let gateway = Copy::start().await;
    let officer = gateway.caller("officer").await;
    let centres = gateway.caller("centres").await;
    let submit = |document: String| {
        let mut client = ProtocolServiceClient::new(officer.clone());
        async move { client.submit_protocol(v1::SubmitProtocolRequest { document }).await }
    };
    let use_of = |protocol: &str| {
        push(
            centres.clone(),
            open(protocol, "registration", &REGISTRATION),
            vec![registration("r-2")],
        )
    };
    let unsigned = signed(&gateway, |p| p.id = "unsigned".parse().unwrap(), &[]);
    assert!(reason(&submit(unsigned).await.unwrap_err()).1, "an unsigned protocol has no leaf");
    assert_refused(use_of("unsigned").await, "protocol_unknown");
    let half = signed(&gateway, |p| p.id = "half-signed".parse().unwrap(), &["centres-siro"]);
    let entry = submit(half).await.unwrap().into_inner().entry.unwrap();
    assert_eq!(entry.state(), v1::ProtocolState::PartlySigned);
    assert!(!entry.missing.is_empty());
    assert_refused(use_of("half-signed").await, "protocol_not_active");
    let both = ["centres-siro", "authority-siro"];
    let old = |p: &mut Protocol| {
        p.id = "expired".parse().unwrap();
        p.review_by = "2025-01-01".parse().unwrap();
        p.expires = "2025-03-31".parse().unwrap();
    };
    submit(signed(&gateway, old, &both)).await.unwrap();
    assert_refused(use_of("expired").await, "protocol_expired");
    let narrower = |p: &mut Protocol| {
        p.id = "narrower".parse().unwrap();
        let flow = p.flows.iter_mut().find(|f| f.record_type == RecordType::Registration).unwrap();
        flow.fields.retain(|field| field.name != "local_id");
    };
    submit(signed(&gateway, narrower, &both)).await.unwrap();
    assert_refused(use_of("narrower").await, "field_not_listed");
    // A changed byte in a fully signed one.
    let whole = signed(&gateway, |p| p.id = "tampered".parse().unwrap(), &both);
    let mut value: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let signature = value["signatures"][1]["signature"].as_str().unwrap().to_owned();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    value["signatures"][1]["signature"] = format!("{other}{}", &signature[1..]).into();
    assert!(reason(&submit(value.to_string()).await.unwrap_err()).1);
}

#[tokio::test]
async fn a_suspension_bites_in_mid_stream_and_on_the_next_figure() {
    let gateway = Copy::start().await;
    let centres = gateway.caller("centres").await;
    let (send, receive) = tokio::sync::mpsc::channel(4);
    let message = |message| v1::PushRequest { message: Some(message) };
    let batch = |sequence, id: &str| {
        let rows = vec![v1::RecordRow { values: registration(id), blinded: None }];
        message(push_request::Message::Batch(v1::RecordBatch { sequence, rows }))
    };
    let opening = open("isp-centres", "registration", &REGISTRATION);
    send.send(message(push_request::Message::Open(opening))).await.unwrap();
    send.send(batch(1, "mid-1")).await.unwrap();
    let mut stream = IntakeServiceClient::new(centres.clone())
        .push(ReceiverStream::new(receive))
        .await
        .unwrap()
        .into_inner();
    assert!(stream.message().await.unwrap().is_some(), "the stream is open");
    assert!(stream.message().await.unwrap().is_some(), "the first batch is acknowledged");
    let request = v1::SuspendProtocolRequest { protocol_id: "isp-centres".to_owned() };
    ProtocolServiceClient::new(centres).suspend_protocol(request).await.unwrap();
    send.send(batch(2, "mid-2")).await.unwrap();
    assert_refused(stream.message().await, "protocol_suspended");
    let manager = gateway.caller("manager-CC01").await;
    let figures = card(manager, "CC01", "childrens_centre_planning").await;
    assert_refused(figures, "protocol_suspended");
}

#[tokio::test]
async fn handshakes_that_fail_are_one_leaf() {
    let gateway = Copy::start().await;
    for _ in 0..5 {
        let address = gateway.running.address();
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(5), read).await;
    }
    let kinds = log_of(gateway).await;
    assert_eq!(kinds.matches("\"handshakes_failed\"").count(), 1, "{kinds}");
}

/// Stops the gateway and gives its whole log as text, verified.
async fn log_of(gateway: Copy) -> String {
    let (tiles, key) = (gateway.path("tiles"), gateway.path("log.vkey"));
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("tiles");
    gateway.running.stop().await.unwrap();
    copy(&tiles, &kept);
    output(&["audit", "verify", kept.to_str().unwrap(), "--vkey-file", key.to_str().unwrap()], 0);
    let entries = files(&kept.join("tile/entries"));
    entries
        .iter()
        .map(|file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned())
        .collect()
}

async fn refusals_in_log(gateway: Copy) -> BTreeSet<String> {
    let text = log_of(gateway).await;
    text.split("\"reason\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}
