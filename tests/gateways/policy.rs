//! A change made through one gateway bites on the other at once: no cache answers for it.

use super::{Ground, Node, Service};
use crate::support::{
    gateway::assert_refused,
    postgres::cluster,
    stream::{Stream, rows},
    words::reinstating,
};
use tallygate::wire::v1::{
    self, figure_service_client::FigureServiceClient, partner_service_client::PartnerServiceClient,
    protocol_service_client::ProtocolServiceClient, rights_service_client::RightsServiceClient,
};
use tonic::Status;

async fn card(manager: Service) -> Result<v1::GetCardResponse, Status> {
    let request = v1::GetCardRequest {
        area: "CC01".to_owned(),
        quarter: String::new(),
        purposes: vec!["childrens_centre_planning".to_owned()],
    };
    FigureServiceClient::new(manager).get_card(request).await.map(tonic::Response::into_inner)
}

async fn protocols(gateway: &Node, partner: &str) -> ProtocolServiceClient<Service> {
    ProtocolServiceClient::new(gateway.caller(partner).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_gateway_was_told_the_other_knows_at_once() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database(None).await;
    let owner = database.pool("owner").await;
    let ground =
        tokio::task::spawn_blocking(move || Ground::demo(&database, "0.005")).await.unwrap();
    let (mut one, mut two) = (ground.configure("one"), ground.configure("two"));
    one.start();
    two.start();

    let manager = two.caller("manager-CC01").await;
    let before = card(manager.clone()).await.unwrap();
    let same = card(one.caller("manager-CC01").await).await.unwrap();
    assert_eq!((before.lines, before.release_digest), (same.lines, same.release_digest));

    // In mid-stream, and at the first query.
    let mut stream = Stream::open(two.caller("health").await).await.unwrap();
    stream.send(1, rows("policy", 0..5)).await;
    assert_eq!(stream.acknowledged().await.well_formed, 5);
    let suspend = |id: &str| v1::SuspendProtocolRequest { protocol_id: id.to_owned() };
    let answer = protocols(&one, "health").await.suspend_protocol(suspend("isp-health")).await;
    let health = answer.unwrap().into_inner().entry.unwrap();
    stream.send(2, rows("policy", 5..10)).await;
    assert_refused(stream.answer().await, "protocol_suspended");
    let opened = Stream::open(two.caller("health").await).await;
    assert_refused(opened.map(drop), "protocol_suspended");
    let answer = protocols(&one, "centres").await.suspend_protocol(suspend("isp-centres")).await;
    let centres = answer.unwrap().into_inner().entry.unwrap();
    assert_refused(card(manager.clone()).await, "protocol_suspended");

    // And back, once the quorum has agreed: one party through each gateway.
    for (entry, node, caller, key) in [
        (&health, &two, "health", "health-siro"),
        (&health, &one, "health", "health-caldicott_guardian"),
        (&health, &one, "officer", "authority-siro"),
        (&centres, &two, "centres", "centres-siro"),
        (&centres, &one, "officer", "authority-siro"),
    ] {
        let document = reinstating(&ground.path(""), entry, key);
        let resume = v1::ResumeProtocolRequest { document, ..Default::default() };
        protocols(node, caller).await.resume_protocol(resume).await.unwrap();
    }
    card(two.caller("manager-CC01").await).await.unwrap();
    card(one.caller("manager-CC01").await).await.unwrap();
    let mut stream = Stream::open(one.caller("health").await).await.unwrap();
    stream.send(1, rows("policy", 5..10)).await;
    assert_eq!(stream.acknowledged().await.sent_before, 0);

    // A subject's choice, told to one, binds what the other takes in, and nobody can tell.
    let record_id = "policy-5".to_owned();
    let record = v1::CaseRecord { record_type: "health_review".to_owned(), record_id };
    let request = v1::OpenCaseRequest {
        case_ref: "case-1".to_owned(),
        kind: v1::CaseKind::Objection.into(),
        given_by: v1::ConsentGiver::Parent.into(),
        requested_on: "2026-05-01".to_owned(),
        subject: Some(v1::open_case_request::Subject::Record(record)),
    };
    let mut rights = RightsServiceClient::new(two.caller("health").await);
    let case = rights.open_case(request).await.unwrap().into_inner().case.unwrap();
    assert!(case.flows.iter().all(|flow| flow.effect == "stop"), "{case:?}");
    stream.send(2, rows("again", 5..7)).await;
    let taken = stream.acknowledged().await;
    assert_eq!((taken.well_formed, taken.sent_before), (2, 0));
    stream.send(3, rows("again", 5..7)).await;
    assert_eq!(stream.acknowledged().await.sent_before, 2);
    let count = async |sql: &'static str| -> i64 {
        sqlx::query_scalar(sql).fetch_one(&owner).await.unwrap()
    };
    assert_eq!(count("SELECT COUNT(*) FROM dropped").await, 1);
    assert_eq!(count("SELECT COUNT(*) FROM record_stop").await, 1);
    let list = v1::ListNoticesRequest { all: false, page_size: 0, page_token: String::new() };
    let mut other = RightsServiceClient::new(one.caller("health").await);
    let notices = other.list_notices(list).await.unwrap().into_inner().notices;
    assert_eq!(notices.len(), 1);
    let record_ids = vec!["policy-4".to_owned(), "policy-5".to_owned(), "again-5".to_owned()];
    let named = v1::MatchNoticesRequest { record_type: "health_review".to_owned(), record_ids };
    let matches = other.match_notices(named).await.unwrap().into_inner().matches;
    let told: Vec<usize> = matches.iter().map(|found| found.notice_ids.len()).collect();
    assert_eq!(told, [0, 1, 0]);

    // Whoever is barred through one is nobody to the other: neither its stream nor its people.
    let bar = v1::DisablePartnerRequest { partner_id: "health".to_owned() };
    let officer = two.caller("officer").await;
    PartnerServiceClient::new(officer).disable_partner(bar).await.unwrap();
    stream.send(4, rows("policy", 10..15)).await;
    assert_refused(stream.answer().await, "certificate_revoked");
    let health = one.caller("health").await;
    assert_refused(Stream::open(health).await.map(drop), "certificate_revoked");
}
