//! The register of partners and protocols, the root policy, and releases.

use super::{Fresh, on_both, partner};
use tallygate::store::{ActError, Effect, Rights, effect, partners, protocols, releases};

on_both!(
    partners_are_entered_replaced_and_barred,
    a_protocol_changes_only_from_what_was_seen,
    a_release_is_frozen_once,
    an_act_decided_under_an_older_policy_is_not_done,
);

fn entry(id: &str, json: &str) -> partners::Entry {
    partners::Entry { partner: partner(id), json: json.to_owned(), disabled: false }
}

async fn partners_are_entered_replaced_and_barred(fresh: Fresh) {
    for (id, json) in [("health", "{}"), ("dwp", "{}"), ("health", "{\"a\":1}")] {
        fresh.act(Effect::PutPartner(entry(id, json))).await.unwrap();
    }
    fresh.act(Effect::DisablePartner(partner("dwp"))).await.unwrap();
    let nobody = fresh.act(Effect::DisablePartner(partner("nobody"))).await;
    assert!(matches!(nobody, Err(ActError::Conflict)));
    let mut tx = fresh.read(Rights::Figures).await;
    let all = partners::all(&mut tx).await.unwrap();
    let all: Vec<_> = all.iter().map(|p| (p.partner.as_str(), &*p.json, p.disabled)).collect();
    assert_eq!(all, [("dwp", "{}", true), ("health", "{\"a\":1}", false)]);
}

fn protocol(version: u32, life: &str) -> protocols::Entry {
    protocols::Entry {
        protocol: "isp-health".parse().unwrap(),
        version,
        life: life.to_owned(),
        arrivals: "{}".to_owned(),
        digest: [5; 32],
        document: "{}".to_owned(),
    }
}

async fn a_protocol_changes_only_from_what_was_seen(fresh: Fresh) {
    let change = |entry, before, superseded| {
        Effect::PutProtocol(Box::new(protocols::Change { entry, before, superseded }))
    };
    let (draft, active) = (protocol(1, "draft"), protocol(1, "active"));
    fresh.act(change(draft.clone(), None, None)).await.unwrap();
    // There already; and from another state than the stored one.
    for effect in [
        change(draft.clone(), None, None),
        change(active.clone(), Some(protocol(1, "signed")), None),
        change(protocol(2, "active"), None, Some((9, "superseded".to_owned()))),
    ] {
        assert!(matches!(fresh.act(effect).await, Err(ActError::Conflict)));
    }
    fresh.act(change(active, Some(draft), None)).await.unwrap();
    let superseded = Some((1, "superseded".to_owned()));
    fresh.act(change(protocol(2, "active"), None, superseded)).await.unwrap();
    let mut tx = fresh.read(Rights::Figures).await;
    assert_eq!(
        protocols::all(&mut tx).await.unwrap(),
        [protocol(1, "superseded"), protocol(2, "active")]
    );
    drop(tx);

    let root = |version| protocols::RootPolicyEntry {
        version,
        digest: [6; 32],
        document: format!("{{\"v\":{version}}}"),
        arrived: 4,
    };
    fresh.act(Effect::PutRootPolicy(root(1))).await.unwrap();
    fresh.act(Effect::PutRootPolicy(root(2))).await.unwrap();
    assert!(fresh.act(Effect::PutRootPolicy(root(1))).await.is_err());
    let mut tx = fresh.read(Rights::Figures).await;
    let held = protocols::root_policy(&mut tx).await.unwrap().unwrap();
    assert_eq!((held.version, &*held.document, held.arrived), (2, "{\"v\":2}", 4));
}

async fn a_release_is_frozen_once(fresh: Fresh) {
    let release = |quarter: &str, digest| releases::Entry {
        quarter: quarter.parse().unwrap(),
        digest: [digest; 32],
        document: "{}".to_owned(),
    };
    let freeze = |entry| Effect::Freeze(Box::new((entry, vec![])));
    fresh.act(freeze(release("2026Q1", 1))).await.unwrap();
    fresh.act(freeze(release("2025Q4", 2))).await.unwrap();
    let again = fresh.act(freeze(release("2026Q1", 3))).await;
    assert!(matches!(again, Err(ActError::Conflict)));
    let mut tx = fresh.read(Rights::Figures).await;
    let all = releases::all(&mut tx).await.unwrap();
    let all: Vec<_> =
        all.iter().map(|f| (f.entry.quarter.to_string(), f.entry.digest[0])).collect();
    assert_eq!(all, [("2025Q4".to_owned(), 2), ("2026Q1".to_owned(), 1)]);
    drop(tx);
    for sql in ["UPDATE frozen_release SET frozen_at = 0", "DELETE FROM frozen_release"] {
        let said = fresh.attack(sql).await.unwrap_err();
        assert!(said.contains("a release never changes"), "{sql}: {said}");
    }
}

async fn an_act_decided_under_an_older_policy_is_not_done(fresh: Fresh) {
    let epoch = {
        let mut tx = fresh.read(Rights::Figures).await;
        effect::policy_epoch(&mut tx).await.unwrap()
    };
    fresh.act_under(Effect::PutPartner(entry("health", "{}")), Some(epoch)).await.unwrap();
    let stale = fresh.act_under(Effect::PutPartner(entry("dwp", "{}")), Some(epoch)).await;
    assert!(matches!(stale, Err(ActError::PolicyChanged)));
    let newer = Some(epoch + 1);
    fresh.act_under(Effect::PutPartner(entry("dwp", "{}")), newer).await.unwrap();
}
