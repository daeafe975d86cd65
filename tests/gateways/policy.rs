//! A change made through one gateway bites on the other at once: no cache answers for it.

use super::{Ground, Node, Service};
use crate::support::{
    gateway::assert_refused,
    postgres::cluster,
    stream::{Stream, rows},
};
use tallygate::wire::v1::{
    self, figure_service_client::FigureServiceClient, partner_service_client::PartnerServiceClient,
    protocol_service_client::ProtocolServiceClient,
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
    protocols(&one, "health").await.suspend_protocol(suspend("isp-health")).await.unwrap();
    stream.send(2, rows("policy", 5..10)).await;
    assert_refused(stream.answer().await, "protocol_suspended");
    let opened = Stream::open(two.caller("health").await).await;
    assert_refused(opened.map(drop), "protocol_suspended");
    protocols(&one, "centres").await.suspend_protocol(suspend("isp-centres")).await.unwrap();
    assert_refused(card(manager.clone()).await, "protocol_suspended");

    // And back, once the quorum has agreed: one party through each gateway.
    for (protocol, party) in [("isp-health", "health"), ("isp-centres", "centres")] {
        let resume = v1::ResumeProtocolRequest { protocol_id: protocol.to_owned() };
        protocols(&two, party).await.resume_protocol(resume.clone()).await.unwrap();
        protocols(&one, "officer").await.resume_protocol(resume).await.unwrap();
    }
    card(two.caller("manager-CC01").await).await.unwrap();
    card(one.caller("manager-CC01").await).await.unwrap();
    let mut stream = Stream::open(one.caller("health").await).await.unwrap();
    stream.send(1, rows("policy", 5..10)).await;
    assert_eq!(stream.acknowledged().await.sent_before, 0);

    // Whoever is barred through one is nobody to the other: neither its stream nor its people.
    let bar = v1::DisablePartnerRequest { partner_id: "health".to_owned() };
    let officer = two.caller("officer").await;
    PartnerServiceClient::new(officer).disable_partner(bar).await.unwrap();
    stream.send(2, rows("policy", 10..15)).await;
    assert_refused(stream.answer().await, "certificate_revoked");
    let health = one.caller("health").await;
    assert_refused(Stream::open(health).await.map(drop), "certificate_revoked");
}
