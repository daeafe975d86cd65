//! Consents by the sender's own references.

use super::support::{TODAY, World};
use crate::{
    audit::LeafKind,
    domain::{field::Rule, time::days_after},
    gateway::{
        AskedConsent, ConsentGiver, ConsentMeans, ConsentRecord, MOST_CONSENTS, StatedConsent,
        Withdrawing,
    },
};
use jiff::civil::date;

fn stated(reference: &str, state: ConsentRecord, day: &str) -> StatedConsent {
    StatedConsent {
        reference: reference.to_owned(),
        state: Some(state),
        given_by: Some(ConsentGiver::Parent),
        recorded_on: day.to_owned(),
        notice_version: "2026-1".to_owned(),
        giver_ref: String::new(),
        means: None,
        purposes: vec![],
        record_types: vec![],
        evidence_ref: String::new(),
        valid_until: String::new(),
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
async fn a_named_givers_withdrawal_is_lifted_by_nobody_elses_yes() {
    let world = World::new().await;
    let centres = world.provider("centres");
    let given = |giver: &str, day: &str| {
        let mut consent = stated("A1", ConsentRecord::Given, day);
        giver.clone_into(&mut consent.giver_ref);
        vec![consent]
    };
    let state = async || {
        let state = world.gateway.consent(&centres, "A1".to_owned()).await.unwrap();
        state.into_parts().0.unwrap().0
    };
    for giver in ["mother", "father"] {
        world.gateway.record_consents(&centres, given(giver, "2026-04-01")).await.unwrap();
    }
    let by = |given_by| Withdrawing { given_by, giver_ref: "mother".to_owned() };
    let of = || "A1".to_owned();
    let nameless = world.gateway.withdraw_consent_by(&centres, of(), by(None)).await;
    world.refused(nameless, "invalid_argument").await;
    let mother = by(Some(ConsentGiver::Parent));
    world.gateway.withdraw_consent_by(&centres, of(), mother).await.unwrap();
    assert_eq!(state().await, ConsentRecord::Withdrawn);
    world.set_day(days_after(TODAY, 2));
    let later = days_after(TODAY, 1).to_string();
    world.gateway.record_consents(&centres, given("father", &later)).await.unwrap();
    assert_eq!(state().await, ConsentRecord::Withdrawn);
    world.gateway.record_consents(&centres, given("mother", &later)).await.unwrap();
    assert_eq!(state().await, ConsentRecord::Given);
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

fn by(giver: &str, state: ConsentRecord, day: &str) -> StatedConsent {
    let mut stated = stated("A1", state, day);
    stated.giver_ref = giver.to_owned();
    stated
}

async fn state(world: &World) -> ConsentRecord {
    let centres = world.provider("centres");
    let state = world.gateway.consent(&centres, "A1".to_owned()).await.unwrap();
    state.value().unwrap().0
}

#[tokio::test]
async fn where_parents_differ_refusal_prevails() {
    use ConsentRecord::{Given, Refused, Withdrawn};
    let world = World::new().await;
    let centres = world.provider("centres");
    for (statement, holds) in [
        (by("mother", Given, "2026-04-01"), Given),
        (by("father", Refused, "2026-03-01"), Refused),
        (by("mother", Given, "2026-04-20"), Refused),
        (by("father", Given, "2026-04-21"), Given),
        (by("mother", Withdrawn, "2026-04-22"), Withdrawn),
        (by("mother", Given, "2026-04-23"), Given),
    ] {
        world.gateway.record_consents(&centres, vec![statement]).await.unwrap();
        assert_eq!(state(&world).await, holds);
    }
}

#[tokio::test]
async fn what_was_known_on_a_day_can_be_asked() {
    use ConsentRecord::{Expired, Given, Refused};
    let world = World::new().await;
    let centres = world.provider("centres");
    let mut first = by("mother", Given, "2026-04-01");
    first.means = Some(ConsentMeans::InWriting);
    first.purposes = vec!["public_health".to_owned(), "audit".to_owned()];
    first.record_types = vec!["attendance".to_owned()];
    first.evidence_ref = "form 12".to_owned();
    first.valid_until = "2026-06-30".to_owned();
    world.gateway.record_consents(&centres, vec![first]).await.unwrap();
    world.set_day(date(2026, 5, 10));
    // Heard of late: the father had refused in March.
    let father = by("father", Refused, "2026-03-01");
    world.gateway.record_consents(&centres, vec![father]).await.unwrap();
    let father = by("father", Given, "2026-05-05");
    world.gateway.record_consents(&centres, vec![father]).await.unwrap();
    for (on, known_at, expected) in [
        ("", "", Some((Given, 2))),
        ("2026-05-04", "", Some((Refused, 2))),
        ("2026-04-20", "2026-05-02T00:00:00Z", Some((Given, 1))),
        ("2026-03-20", "", Some((Refused, 1))),
        ("2026-03-20", "2026-05-02T00:00:00Z", None),
        ("2026-07-01", "2026-05-02T00:00:00Z", Some((Expired, 1))),
        ("2026-05-01", "2026-04-01T00:00:00Z", None),
    ] {
        let asked = AskedConsent {
            reference: "A1".to_owned(),
            on: on.to_owned(),
            known_at: known_at.to_owned(),
        };
        let known = world.gateway.consent_as_known(&centres, asked).await.unwrap().into_parts().0;
        let stand = |known: &crate::gateway::KnownConsent| {
            (known.state, known.statements.iter().filter(|s| s.stands).count())
        };
        assert_eq!(known.as_ref().map(stand), expected, "on {on:?} as known at {known_at:?}");
        if let Some(first) = known.and_then(|known| known.statements.into_iter().next())
            && first.giver == 1
        {
            assert_eq!(first.means, Some(ConsentMeans::InWriting));
            assert_eq!((first.purposes.len(), first.record_types.len()), (2, 1));
            assert_eq!((first.evidence, first.valid_until), (true, Some(date(2026, 6, 30))));
        }
    }
    for (on, known_at) in [("yesterday", ""), ("", "noon")] {
        let (reference, on) = ("A1".to_owned(), on.to_owned());
        let asked = AskedConsent { reference, on, known_at: known_at.to_owned() };
        world
            .refused(world.gateway.consent_as_known(&centres, asked).await, "invalid_argument")
            .await;
    }
}

#[tokio::test]
async fn what_a_consent_covers_is_read_strictly() {
    let world = World::new().await;
    let centres = world.provider("centres");
    type Spoil = fn(&mut StatedConsent);
    let spoils: [(Spoil, &str, Rule); 6] = [
        (|c| c.purposes = vec!["marketing".to_owned()], "purposes", Rule::UnknownCode),
        (|c| c.record_types = vec!["shoes".to_owned()], "record_types", Rule::UnknownCode),
        (|c| c.valid_until = "soon".to_owned(), "valid_until", Rule::DateForm),
        (|c| c.valid_until = "2026-03-31".to_owned(), "valid_until", Rule::EndBeforeStart),
        (|c| c.giver_ref = "x".repeat(37), "giver_ref", Rule::ReferenceForm),
        (|c| c.evidence_ref = "a\u{7}".to_owned(), "evidence_ref", Rule::ReferenceForm),
    ];
    for (spoil, field, rule) in spoils {
        let mut consent = stated("A1", ConsentRecord::Given, "2026-04-01");
        spoil(&mut consent);
        let answer = world.gateway.record_consents(&centres, vec![consent]).await.unwrap();
        let told: Vec<_> = answer.value().rejections.iter().map(|r| (r.field, r.rule)).collect();
        assert_eq!(told, [(field, rule)]);
    }
}
