//! The register of partners and the gateway's keys.

use super::support::{World, id, kinds, partner_key};
use crate::{
    audit::LeafKind,
    gateway::{
        Actor, GatewayKey, PageRequest, PartnerLine, ProtocolFilter, WantedEntries,
        register::Partner,
    },
    keys::{PseudonymDomain, SigningKey, Token},
    protocol::{CallerRole, SignatoryRole, register::KeyPurpose},
};
use jiff::civil::date;
use rand::{SeedableRng, rngs::StdRng};

fn line(partner: Partner) -> PartnerLine {
    PartnerLine { partner, disabled: false }
}

#[tokio::test]
async fn an_empty_register_is_filled_once() {
    let world = World::empty().await;
    let mut without = world.partners();
    without.retain(|partner| partner.partner.as_str() != "authority");
    assert!(world.gateway.bootstrap(without).await.is_err());
    world.gateway.bootstrap(world.partners()).await.unwrap();
    let leaves = world.leaves().await;
    assert_eq!(kinds(&leaves)["partner_added"], 5);
    assert!(leaves.iter().all(|leaf| leaf.partner.is_none()));
    // The same list again adds nothing: a bootstrap that was cut short is completed so.
    world.gateway.bootstrap(world.partners()).await.unwrap();
    assert_eq!(kinds(&world.leaves().await)["partner_added"], 5);
    let mut other = world.partners();
    other[2].name = "another".to_owned();
    assert!(world.gateway.bootstrap(other).await.is_err());
}

#[tokio::test]
async fn only_data_officers_change_the_register() {
    let world = World::new().await;
    let put =
        async |actor: &Actor| world.gateway.put_partner(actor, line(world.entry("families"))).await;
    for actor in [world.provider("health"), world.auditor()] {
        world.refused(put(&actor).await, "wrong_role").await;
        let barred = world.gateway.disable_partner(&actor, &id("families")).await;
        world.refused(barred, "wrong_role").await;
    }
    put(&world.officer()).await.unwrap();
    let leaf = world.last_leaf().await;
    assert_eq!(leaf.kind, LeafKind::PartnerAdded);
    assert_eq!(leaf.notes.about, Some(id("families")));
}

#[tokio::test]
async fn entries_that_break_a_rule_are_refused_by_field() {
    let world = World::new().await;
    let officer = world.officer();
    type Spoil = fn(&mut Partner);
    let spoils: [(&str, Spoil); 11] = [
        ("partner.name", |p| p.name = "\u{1}".to_owned()),
        ("partner.org_code", |p| p.org_code = "rkb".to_owned()),
        ("partner.ico_registration", |p| p.ico_registration = "A1234567".to_owned()),
        ("partner.roles", |p| p.roles.clear()),
        ("partner.areas", |p| p.areas = [id("CC01")].into()),
        ("partner.certificates[1]", |p| p.certificates.push(p.certificates[0])),
        ("partner.keys[0].jwk", |p| p.keys[0].jwk.kid.push('x')),
        ("partner.keys[2].kid", |p| p.keys.push(p.keys[0].clone())),
        ("partner.keys[0].signatory_role", |p| p.keys[0].role = Some(SignatoryRole::Siro)),
        ("partner.keys[1].signatory_role", |p| p.keys[1].role = None),
        ("partner.keys[0].valid_until", |p| p.keys[0].valid_until = date(2025, 1, 1)),
    ];
    for (field, spoil) in spoils {
        let mut entry = world.entry("families");
        spoil(&mut entry);
        let answer = world.gateway.put_partner(&officer, line(entry)).await;
        let refused = world.refused(answer, "invalid_argument").await;
        assert_eq!(refused.fields()[0].0, field);
    }
}

#[tokio::test]
async fn certificates_and_keys_belong_to_one_partner() {
    let world = World::new().await;
    let officer = world.officer();
    let mut entry = world.entry("families");
    entry.certificates = world.entry("health").certificates;
    let answer = world.gateway.put_partner(&officer, line(entry)).await;
    world.refused(answer, "certificate_taken").await;
    let mut entry = world.entry("families");
    entry.keys.push(world.entry("health").keys.remove(1));
    let answer = world.gateway.put_partner(&officer, line(entry)).await;
    world.refused(answer, "key_taken").await;
}

#[tokio::test]
async fn a_signing_key_is_ended_and_never_taken_out() {
    let world = World::new().await;
    let officer = world.officer();
    let mut entry = world.entry("families");
    entry.keys.remove(1);
    let answer = world.gateway.put_partner(&officer, line(entry)).await;
    world.refused(answer, "key_missing").await;
    let mut entry = world.entry("families");
    entry.keys[1].valid_until = date(2026, 4, 29);
    let answer = world.gateway.put_partner(&officer, line(entry.clone())).await;
    world.refused(answer, "key_changed").await;
    entry.keys[1].valid_until = date(2026, 4, 30);
    entry.keys[1].role = Some(SignatoryRole::Director);
    let answer = world.gateway.put_partner(&officer, line(entry.clone())).await;
    world.refused(answer, "key_changed").await;
    entry.keys[1].role = Some(SignatoryRole::Siro);
    world.gateway.put_partner(&officer, line(entry)).await.unwrap();
    assert_eq!(world.last_leaf().await.kind, LeafKind::KeyAdded);
    // A token key is exchanged freely.
    let mut entry = world.entry("health");
    let token = SigningKey::<Token>::generate(&mut StdRng::seed_from_u64(99)).unwrap();
    entry.keys[0] = partner_key(token.verifying_key(), KeyPurpose::Token, None);
    world.gateway.put_partner(&officer, line(entry)).await.unwrap();
}

#[tokio::test]
async fn a_barred_partner_is_barred_at_once_and_a_data_officer_is_always_left() {
    let world = World::new().await;
    let officer = world.officer();
    world.gateway.disable_partner(&officer, &id("health")).await.unwrap();
    let leaf = world.last_leaf().await;
    assert_eq!((leaf.kind, leaf.notes.about), (LeafKind::PartnerDisabled, Some(id("health"))));
    let snapshot = world.gateway.snapshot();
    assert!(snapshot.register().certificate(&[3; 32]).unwrap().1, "barred");
    let unknown = world.gateway.disable_partner(&officer, &id("nobody")).await;
    world.refused(unknown, "not_found").await;
    let last = world.gateway.disable_partner(&officer, &id("authority")).await;
    world.refused(last, "no_data_officer").await;
    let mut entry = world.entry("authority");
    entry.roles = [CallerRole::Auditor].into();
    let put = world.gateway.put_partner(&officer, line(entry)).await;
    world.refused(put, "no_data_officer").await;
    // Entering it again lifts the bar.
    world.gateway.put_partner(&officer, line(world.entry("health"))).await.unwrap();
    assert!(!world.gateway.snapshot().register().certificate(&[3; 32]).unwrap().1);
}

/// A stream of the log's entries ends where its auditor is barred, and is closed all the same.
#[tokio::test]
async fn a_barred_auditors_stream_ends_at_once() {
    let world = World::new().await;
    let opened =
        world.gateway.open_entries(world.auditor(), WantedEntries::new("", 0, 0)).await.unwrap();
    let mut stream = opened.into_parts().0;
    world.gateway.disable_partner(&world.officer(), &id("health")).await.unwrap();
    assert!(stream.bundle().await.unwrap().is_some(), "another partner's bar is not its");
    let opened =
        world.gateway.open_entries(world.auditor(), WantedEntries::new("", 0, 0)).await.unwrap();
    let mut stream = opened.into_parts().0;
    world.gateway.disable_partner(&world.officer(), &id("oversight")).await.unwrap();
    let denied = stream.bundle().await.unwrap_err();
    world.refused::<()>(Err(denied), "certificate_revoked").await;
    stream.close().await.unwrap();
    assert_eq!(world.last_leaf().await.kind, LeafKind::LogStreamClosed);
}

#[tokio::test]
async fn partners_read_themselves_and_auditors_all() {
    let world = World::new().await;
    let health = world.provider("health");
    let own = world.gateway.partner(&health, &id("health")).await.unwrap();
    assert_eq!(own.value().partner, world.entry("health"));
    let other = world.gateway.partner(&health, &id("centres")).await;
    let absent = world.gateway.partner(&health, &id("nobody")).await;
    let first = world.refused(absent, "not_found").await;
    assert!(matches!(other, Err(crate::gateway::Denied::Refused(r)) if *r.value() == first));
    world.gateway.partner(&world.auditor(), &id("centres")).await.unwrap();
    let listed = world.gateway.list_partners(&health, &PageRequest::default()).await;
    world.refused(listed, "wrong_role").await;
}

#[tokio::test]
async fn pages_hold_for_one_caller_and_one_list() {
    let world = World::new().await;
    let (officer, auditor) = (world.officer(), world.auditor());
    let mut request = PageRequest { size: 2, token: String::new() };
    let mut seen = Vec::new();
    loop {
        let page = world.gateway.list_partners(&auditor, &request).await.unwrap();
        let page = page.into_parts().0;
        seen.extend(page.entries.iter().map(|line| line.partner.partner.to_string()));
        if page.next.is_empty() {
            break;
        }
        request.token = page.next;
        let foreign = world.gateway.list_partners(&officer, &request).await;
        let refused = world.refused(foreign, "invalid_argument").await;
        assert_eq!(refused.fields()[0].0, "page_token");
        let elsewhere =
            world.gateway.list_protocols(&auditor, &ProtocolFilter::default(), &request).await;
        world.refused(elsewhere, "invalid_argument").await;
    }
    assert_eq!(seen, ["authority", "centres", "families", "health", "oversight"]);
    let large = PageRequest { size: 1_001, token: String::new() };
    world.refused(world.gateway.list_partners(&auditor, &large).await, "invalid_argument").await;
}

#[tokio::test]
async fn keys_are_listed_to_any_recognised_caller() {
    let world = World::new().await;
    let keys = world.gateway.list_keys(&world.provider("health")).await.unwrap().into_parts().0;
    assert!(
        matches!(&keys[0], GatewayKey::Log { vkey } if vkey.starts_with("tallygate.test/2026+"))
    );
    assert!(matches!(&keys[1], GatewayKey::Release { jwk } if jwk.contains("Ed25519")));
    assert_eq!(keys.len(), 2 + PseudonymDomain::ALL.len() + 1, "log, release, domains, sealing");
    let leaf = world.last_leaf().await;
    assert_eq!((leaf.kind, leaf.notes.register), (LeafKind::RegisterRead, Some(id("keys"))));
}
