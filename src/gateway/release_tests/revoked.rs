//! What becomes of records when their sender revokes its part: out of use at once, and gone where it
//! says so; releases that are out stay.

use super::{
    last_leaf, refused,
    support::{Town, partner},
    undo::{counted, health, open, push, reviews, take, undo},
};
use crate::{
    audit::{LeafKind, SizeClass},
    domain::{PersonId, RecordType},
    gateway::{OpenStream, RevokedPart},
    protocol::{
        Digest, Protocol, ProtocolVersion, Revoking, State,
        adherence::Agreement,
        life::{Handling, RevocationReason},
    },
    store::{Rights, subjects},
};

fn paper(town: &Town, party: &str, handling: Handling) -> String {
    town.sign(&Revoking { handling, ..revoking(party) }, &[party])
}

fn revoking(party: &str) -> Revoking {
    Revoking {
        schema: 1,
        revokes: Agreement {
            protocol: "isp-health".parse().unwrap(),
            version: ProtocolVersion::FIRST,
            // As the town's register has it.
            digest: Digest::from_bytes([0; 32]),
        },
        party: partner(party),
        handling: Handling::Freeze,
        reason: RevocationReason::BasisLost,
    }
}

async fn revoke(town: &Town, handling: Handling) -> RevokedPart {
    let document = paper(town, "health", handling);
    let answer = town.gateway.revoke_protocol(&health(town), &document).await;
    answer.unwrap().into_parts().0
}

async fn identities(town: &Town) -> usize {
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    let persons: Vec<PersonId> = (1..50).map(PersonId::new).collect();
    subjects::of_persons(&mut tx, &persons).await.unwrap().len()
}

async fn opens(town: &Town) -> Result<(), (&'static str, Option<String>)> {
    let open = OpenStream {
        protocol: "isp-health".to_owned(),
        version: 0,
        record_type: "health_review".to_owned(),
        purpose: String::new(),
        columns: vec!["record_id".to_owned()],
        extract_day: "2026-05-10".to_owned(),
        dry_run: true,
        blinding: None,
    };
    match town.gateway.open_stream(health(town), open).await {
        Ok(_) => Ok(()),
        denied => Err(refused(denied)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_part_is_kept_and_counted_no_more() {
    let town = Town::new().await;
    town.gateway.name_erasures().await.unwrap();
    push(&town, reviews(0..5)).await;
    let frozen = town.close("2026Q1").await.into_parts().0;
    assert_eq!(counted(&town).await, 5);

    let revoked = revoke(&town, Handling::Freeze).await;
    assert_eq!(revoked.line.state, Some(State::Revoked));
    let used: Vec<String> = revoked.releases.iter().map(|r| r.quarter.to_string()).collect();
    assert_eq!(used, ["2026Q1"]);
    assert_eq!(revoked.releases[0].digest, *frozen.digest.as_bytes());
    assert!(revoked.line.warnings[0].contains("health has revoked its part"), "{revoked:?}");
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::ProtocolRevoked);
    assert_eq!(leaf.notes.cause.unwrap().as_str(), "basis_lost");
    assert!(leaf.notes.document.is_some());
    // At once: nothing counts, nothing is taken in.
    assert_eq!(counted(&town).await, 0);
    assert_eq!(opens(&town).await.unwrap_err().0, "protocol_revoked");
    // Kept, and the release that is out stays as it is.
    town.set_clock("2026-05-14T02:00:00Z");
    town.gateway.name_erasures().await.unwrap();
    assert_eq!((counted(&town).await, identities(&town).await), (0, 5));
    let release = town.gateway.release(&town.officer(), "2026Q1").await.unwrap();
    assert_eq!(release.value().document, frozen.document);
    // The same paper again changes nothing and answers the same.
    let epoch = town.gateway.snapshot().epoch();
    let again = revoke(&town, Handling::Freeze).await;
    assert_eq!((again.releases, town.gateway.snapshot().epoch()), (revoked.releases, epoch));
    // What was kept is purged after all, at the same officer's word; nothing undoes that.
    town.gateway.apply_retention(None).await.unwrap();
    revoke(&town, Handling::Purge).await;
    town.set_clock("2026-05-15T02:00:00Z");
    town.gateway.apply_retention(None).await.unwrap();
    assert_eq!(identities(&town).await, 0);
    let revoking = Revoking { reason: RevocationReason::Breach, ..revoking("health") };
    let document = town.sign(&revoking, &["health"]);
    let answer = town.gateway.revoke_protocol(&health(&town), &document).await;
    assert_eq!(refused(answer).0, "state_forbids");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_part_is_gone_when_the_day_ends() {
    let town = Town::new().await;
    town.gateway.apply_retention(None).await.unwrap();
    // What was undone and sent again elsewhere goes as what counts does.
    let stream = push(&town, reviews(0..3)).await.0;
    undo(&town, &stream).await;
    push(&town, reviews(0..5)).await;
    revoke(&town, Handling::Purge).await;
    assert_eq!(counted(&town).await, 0);
    assert!(identities(&town).await > 0);
    town.set_clock("2026-05-13T22:30:00Z");
    town.gateway.apply_retention(None).await.unwrap();
    assert!(identities(&town).await > 0, "not before the day has ended");
    town.set_clock("2026-05-13T23:30:00Z");
    town.gateway.apply_retention(None).await.unwrap();
    assert_eq!(identities(&town).await, 0);
    let leaf = last_leaf(&town).await;
    let applied = (LeafKind::RetentionApplied, Some(SizeClass::Under100));
    assert_eq!((leaf.kind, leaf.size_class), applied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_revoked_by_its_own_officer_alone() {
    let town = Town::new().await;
    push(&town, reviews(0..3)).await;
    let of_health = paper(&town, "health", Handling::Purge);
    // Somebody else can't hand it in, nor sign it.
    let answer = town.gateway.revoke_protocol(&town.officer(), &of_health).await;
    assert_eq!(refused(answer).0, "not_your_organisation");
    let families = town.actor("families", &[crate::protocol::CallerRole::Provider], None);
    let of_families = paper(&town, "families", Handling::Purge);
    let answer = town.gateway.revoke_protocol(&families, &of_families).await;
    assert_eq!(refused(answer).0, "not_found", "no party of the protocol");
    let changed = of_health.replace('"', " \"").replace("signatures", "signature");
    let answer = town.gateway.revoke_protocol(&health(&town), &changed).await;
    assert_eq!(refused(answer).0, "malformed_jws");
    // The authority's part ends, and the protocol with it: two are needed to share. What the
    // authority never sent can't be frozen; health's data are out of use as no flow runs.
    let answer = town
        .gateway
        .revoke_protocol(&town.officer(), &paper(&town, "authority", Handling::Freeze))
        .await;
    assert_eq!(answer.unwrap().value().line.state, Some(State::Revoked));
    assert_eq!(opens(&town).await.unwrap_err().0, "protocol_revoked");
}

fn second_version(town: &Town) -> Protocol {
    let snapshot = town.gateway.snapshot();
    let record = snapshot.protocol(&"isp-health".parse().unwrap(), 1).unwrap();
    let mut second = record.agreed().unwrap().0.clone();
    second.version = ProtocolVersion::new(2).unwrap();
    second.supersedes = Some(Digest::from_bytes([0; 32]));
    second
}

/// A signature can't be taken back: what its party did since is not undone by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_from_before_undoes_neither_revocation_nor_suspension() {
    for revokes in [true, false] {
        let town = Town::new().await;
        push(&town, reviews(0..5)).await;
        let second = second_version(&town);
        let document = town.sign(&second, &["health"]);
        town.gateway.submit_protocol(&health(&town), &document).await.unwrap();
        town.set_clock("2026-05-13T12:05:00Z");
        if revokes {
            revoke(&town, Handling::Freeze).await;
        } else {
            let id = "isp-health".parse().unwrap();
            town.gateway.suspend_protocol(&health(&town), &id).await.unwrap();
        }
        let document = town.sign(&second, &["authority"]);
        let answer = town.gateway.submit_protocol(&town.officer(), &document).await;
        if revokes {
            assert_eq!(refused(answer).0, "signed_before_revocation");
            assert_eq!(counted(&town).await, 0);
        } else {
            assert_eq!(answer.unwrap().value().state, Some(State::Suspended));
        }
        assert!(opens(&town).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_that_its_sender_has_signed_brings_frozen_records_back() {
    let town = Town::new().await;
    push(&town, reviews(0..5)).await;
    revoke(&town, Handling::Freeze).await;
    assert_eq!(counted(&town).await, 0);
    let second = second_version(&town);
    let document = town.sign(&second, &["authority"]);
    town.gateway.submit_protocol(&town.officer(), &document).await.unwrap();
    assert_eq!(counted(&town).await, 0, "not before everyone has signed");
    let document = town.sign(&second, &["health"]);
    let line = town.gateway.submit_protocol(&health(&town), &document).await.unwrap();
    assert_eq!(line.value().state, Some(State::Active));
    assert_eq!(counted(&town).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_new_version_does_not_list_stays_frozen() {
    let town = Town::new().await;
    push(&town, reviews(0..5)).await;
    revoke(&town, Handling::Freeze).await;
    let mut second = second_version(&town);
    second.flows.retain(|flow| flow.record_type == RecordType::LiveBirth);
    for output in &mut second.outputs {
        output.sources.retain(|source| source.flow == 0);
    }
    let document = town.sign(&second, &["authority", "health"]);
    let line = town.gateway.submit_protocol(&health(&town), &document).await.unwrap();
    assert_eq!(line.value().state, Some(State::Active));
    assert_eq!(counted(&town).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_bites_in_mid_stream_before_anybody_noted_it() {
    let town = Town::new().await;
    let (mut intake, _) = open(&town).await;
    take(&mut intake, reviews(0..2)).await;
    // Past midnight in London after its last day, 31 March 2027: half past eleven UTC.
    town.set_clock("2027-03-31T23:30:00Z");
    let batch = intake.reader().read(reviews(2..4)).unwrap();
    assert_eq!(refused(intake.take_batch(batch).await).0, "protocol_expired");
    assert_eq!(opens(&town).await.unwrap_err().0, "protocol_expired");
}
