//! Consents by the sender's own references.

use super::support::{TODAY, World};
use crate::{
    audit::LeafKind,
    domain::field::Rule,
    gateway::{ConsentGiver, ConsentRecord, MOST_CONSENTS, StatedConsent},
};
use jiff::civil::date;

fn stated(reference: &str, state: ConsentRecord, day: &str) -> StatedConsent {
    StatedConsent {
        reference: reference.to_owned(),
        state: Some(state),
        given_by: Some(ConsentGiver::Parent),
        recorded_on: day.to_owned(),
        notice_version: "2026-1".to_owned(),
    }
}

#[tokio::test]
async fn a_partner_sees_its_own_references_alone() {
    let world = World::new().await;
    let centres = world.provider("centres");
    let given = vec![stated("A1", ConsentRecord::Given, "2026-04-01")];
    let recorded = world.gateway.record_consents(&centres, given).await.unwrap();
    assert_eq!((recorded.value().recorded, recorded.value().rejections.len()), (1, 0));
    assert_eq!(world.last_leaf().await.kind, LeafKind::ConsentRecorded);
    let own = world.gateway.consent(&centres, " A1 ".to_owned()).await.unwrap();
    assert_eq!(*own.value(), Some((ConsentRecord::Given, date(2026, 4, 1))));
    assert_eq!(world.last_leaf().await.kind, LeafKind::RegisterRead);
    let other = world.gateway.consent(&world.provider("health"), "A1".to_owned()).await.unwrap();
    assert_eq!(*other.value(), None);
}

#[tokio::test]
async fn a_no_prevails_over_a_yes_of_the_same_day() {
    let world = World::new().await;
    let centres = world.provider("centres");
    let both = vec![
        stated("A1", ConsentRecord::Refused, "2026-04-01"),
        stated("A1", ConsentRecord::Given, "2026-04-01"),
    ];
    world.gateway.record_consents(&centres, both).await.unwrap();
    let again = vec![stated("A1", ConsentRecord::Given, "2026-04-01")];
    world.gateway.record_consents(&centres, again).await.unwrap();
    let state = world.gateway.consent(&centres, "A1".to_owned()).await.unwrap();
    assert_eq!(*state.value(), Some((ConsentRecord::Refused, date(2026, 4, 1))));
    let later = vec![stated("A1", ConsentRecord::Given, "2026-04-02")];
    world.gateway.record_consents(&centres, later).await.unwrap();
    let state = world.gateway.consent(&centres, "A1".to_owned()).await.unwrap();
    assert_eq!(*state.value(), Some((ConsentRecord::Given, date(2026, 4, 2))));
}

#[tokio::test]
async fn a_withdrawal_holds_from_its_answer_on() {
    let world = World::new().await;
    let centres = world.provider("centres");
    let given = vec![stated("A1", ConsentRecord::Given, "2026-05-01")];
    world.gateway.record_consents(&centres, given).await.unwrap();
    for reference in ["A1", "never-recorded"] {
        world.gateway.withdraw_consent(&centres, reference.to_owned()).await.unwrap();
        assert_eq!(world.last_leaf().await.kind, LeafKind::ConsentWithdrawn);
        let state = world.gateway.consent(&centres, reference.to_owned()).await.unwrap();
        assert_eq!(*state.value(), Some((ConsentRecord::Withdrawn, TODAY)));
    }
    let stated = vec![stated("A2", ConsentRecord::Withdrawn, "2026-04-01")];
    world.gateway.record_consents(&centres, stated).await.unwrap();
    assert_eq!(world.last_leaf().await.kind, LeafKind::ConsentWithdrawn);
}

#[tokio::test]
async fn bad_consents_are_told_by_row_field_and_rule_and_spoil_no_neighbour() {
    let world = World::new().await;
    let centres = world.provider("centres");
    type Spoil = fn(&mut StatedConsent);
    let spoils: [Spoil; 8] = [
        |c| c.reference = "x".repeat(37),
        |c| c.reference = " ".to_owned(),
        |c| c.state = None,
        |c| c.given_by = None,
        |c| c.recorded_on = "1.4.2026".to_owned(),
        |c| c.recorded_on = "2026-05-02".to_owned(),
        |c| c.notice_version = "signed by Ann".to_owned(),
        |_| {},
    ];
    let consents = spoils.map(|spoil| {
        let mut consent = stated("A1", ConsentRecord::Given, "2026-04-01");
        spoil(&mut consent);
        consent
    });
    let consents = Vec::from(consents);
    let answer = world.gateway.record_consents(&centres, consents).await.unwrap();
    let answer = answer.into_parts().0;
    assert_eq!(answer.recorded, 1);
    let told: Vec<_> = answer.rejections.iter().map(|r| (r.row, r.field, r.rule)).collect();
    assert_eq!(
        told,
        [
            (0, "consent_ref", Rule::ReferenceForm),
            (1, "consent_ref", Rule::Missing),
            (2, "state", Rule::Missing),
            (3, "given_by", Rule::Missing),
            (4, "recorded_on", Rule::DateForm),
            (5, "recorded_on", Rule::DateInFuture),
            (6, "notice_version", Rule::NoticeForm),
        ]
    );
}

#[tokio::test]
async fn only_providers_record_withdraw_and_ask() {
    let world = World::new().await;
    for actor in [world.officer(), world.auditor()] {
        let recorded = world.gateway.record_consents(&actor, vec![]).await;
        world.refused(recorded, "wrong_role").await;
        let withdrawn = world.gateway.withdraw_consent(&actor, "A1".to_owned()).await;
        world.refused(withdrawn, "wrong_role").await;
        let asked = world.gateway.consent(&actor, "A1".to_owned()).await;
        world.refused(asked, "wrong_role").await;
    }
    let centres = world.provider("centres");
    let malformed = world.gateway.withdraw_consent(&centres, "a\u{7}".to_owned()).await;
    world.refused(malformed, "invalid_argument").await;
    let many =
        (0..=MOST_CONSENTS).map(|_| stated("A1", ConsentRecord::Given, "2026-04-01")).collect();
    world.refused(world.gateway.record_consents(&centres, many).await, "invalid_argument").await;
}
