//! Reading the access log, and the log as files.

use super::{
    refused,
    support::{PLANNING, Town},
};
use crate::{
    audit::{self, Leaf, LeafKind},
    gateway::{CardRequest, LogSearch, ProjectionError, Projector},
    protocol::CallerRole,
    store::{Act, Effect, Rights},
    verify::{self, Directory, VerifierKey, verify_log},
};
use std::{fs, path::Path};

/// Adds leaves until the log has `size`.
async fn grow(town: &Town, size: u64) {
    let mut now = 0;
    while now < size {
        let leaf = Leaf::new(LeafKind::HandshakesFailed, town.gateway.now());
        let act = Act { leaf, effect: Effect::None, epoch: None };
        let logged = town.gateway.sequencer().commit(act).await.unwrap();
        now = logged.receipt().leaf_index + 1;
    }
}

fn sound(town: &Town, dir: &Path) -> Option<u64> {
    let key: VerifierKey = town.vkey.parse().unwrap();
    let report = verify_log(&Directory::new(dir), &key).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    report.size
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_finds_what_was_asked_page_by_page() {
    let town = Town::new().await;
    let (gateway, auditor) = (&town.gateway, town.auditor());
    let manager = town.manager("CC01");
    for area in ["CC01", "CC02", "CC01", "CC03", "CC01"] {
        let asked = CardRequest {
            area: area.to_owned(),
            quarter: String::new(),
            purposes: vec![PLANNING.to_owned()],
        };
        gateway.card(&manager, &asked).await.unwrap_err();
    }
    let search = LogSearch {
        partner: "centres".to_owned(),
        area: "CC01".to_owned(),
        purpose: PLANNING.to_owned(),
        kind: "refused".to_owned(),
        decision: "refused".to_owned(),
        page_size: 2,
        ..LogSearch::default()
    };
    let first = gateway.search_log(&auditor, &search).await.unwrap().into_parts().0;
    assert_eq!(first.entries.len(), 2);
    assert!(first.entries[0].0 > first.entries[1].0);
    let next = LogSearch { page_token: first.next.clone(), ..search.clone() };
    let second = gateway.search_log(&auditor, &next).await.unwrap().into_parts().0;
    assert_eq!(second.entries.len(), 1);
    assert!(second.entries[0].0 < first.entries[1].0);
    assert_eq!(second.next, "");
    for (_, entry) in first.entries.iter().chain(&second.entries) {
        assert_eq!(Leaf::decode(entry).unwrap().area.unwrap().as_str(), "CC01");
    }

    // A token is good for its caller and its filter only.
    let widened = LogSearch { area: String::new(), ..next.clone() };
    assert_eq!(refused(gateway.search_log(&auditor, &widened).await).0, "invalid_argument");
    let other = town.actor("authority", &[CallerRole::Auditor], None);
    assert_eq!(refused(gateway.search_log(&other, &next).await).0, "invalid_argument");
    let mut altered = next.page_token.clone().into_bytes();
    altered[3] = if altered[3] == b'A' { b'B' } else { b'A' };
    let altered = LogSearch { page_token: String::from_utf8(altered).unwrap(), ..next.clone() };
    assert_eq!(refused(gateway.search_log(&auditor, &altered).await).0, "invalid_argument");

    for wrong in [
        LogSearch { kind: "gossip".to_owned(), ..LogSearch::default() },
        LogSearch { decision: "perhaps".to_owned(), ..LogSearch::default() },
        LogSearch { partner: "Centres!".to_owned(), ..LogSearch::default() },
        LogSearch { purpose: "curiosity".to_owned(), ..LogSearch::default() },
    ] {
        assert_eq!(refused(gateway.search_log(&auditor, &wrong).await).0, "invalid_argument");
    }
    for actor in [town.officer(), town.manager("CC01")] {
        let all = LogSearch::default();
        assert_eq!(refused(gateway.search_log(&actor, &all).await).0, "wrong_role");
        assert_eq!(refused(gateway.prove_inclusion(&actor, 0, 0).await).0, "wrong_role");
        assert_eq!(refused(gateway.prove_consistency(&actor, 1, 0).await).0, "wrong_role");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_keeps_to_its_times_and_looks_at_so_much_a_call() {
    let town = Town::bare().await;
    let (gateway, auditor) = (&town.gateway, town.auditor());
    grow(&town, 50).await;
    town.set_clock("2026-06-01T00:00:00Z");
    grow(&town, 60).await;
    let bound = gateway.now().as_microsecond();
    let of = |from_micros, until_micros| LogSearch {
        kind: "handshakes_failed".to_owned(),
        from_micros,
        until_micros,
        page_size: 1_000,
        ..LogSearch::default()
    };
    let late = gateway.search_log(&auditor, &of(bound, 0)).await.unwrap().into_parts().0;
    assert_eq!((late.entries.len(), late.next.as_str()), (10, ""));
    let early = gateway.search_log(&auditor, &of(0, bound)).await.unwrap().into_parts().0;
    assert_eq!(early.entries.first().unwrap().0, 49);

    let mut acts = Vec::new();
    for _ in 0..21_000 {
        let leaf = Leaf::new(LeafKind::CallsShed, gateway.now());
        let sequencer = gateway.sequencer().clone();
        acts.push(tokio::spawn(async move {
            sequencer.commit(Act { leaf, effect: Effect::None, epoch: None }).await.map(drop)
        }));
    }
    for act in acts {
        act.await.unwrap().unwrap();
    }
    let mut search = of(bound, 0);
    let far = gateway.search_log(&auditor, &search).await.unwrap().into_parts().0;
    assert!(far.entries.is_empty() && !far.next.is_empty());
    search.page_token = far.next;
    let found = gateway.search_log(&auditor, &search).await.unwrap().into_parts().0;
    assert_eq!((found.entries.len(), found.next.as_str()), (10, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_hold_for_a_foreign_verifier() {
    let town = Town::bare().await;
    let (gateway, auditor) = (&town.gateway, town.auditor());
    grow(&town, 300).await;
    let key: VerifierKey = town.vkey.parse().unwrap();
    for actor in [&auditor, &town.actor("health", &[CallerRole::Provider], None)] {
        let note = gateway.checkpoint(actor).await.unwrap().into_parts().0;
        verify::note::verify_checkpoint(note.as_bytes(), &key).unwrap();
    }
    let note = gateway.checkpoint(&auditor).await.unwrap().into_parts().0;
    let checkpoint = verify::note::verify_checkpoint(note.as_bytes(), &key).unwrap();
    for index in [0, 1, 255, 256, checkpoint.size - 1] {
        let proved = gateway.prove_inclusion(&auditor, index, checkpoint.size).await.unwrap();
        let proved = proved.value();
        let proof: Vec<[u8; 32]> = proved.hashes.iter().map(|hash| *hash.as_bytes()).collect();
        let leaf = *proved.leaf_hash.as_bytes();
        let root = &checkpoint.root;
        assert!(verify::proof::is_included(&leaf, index, checkpoint.size, &proof, root));
    }
    for from in [1, 256, 299] {
        let proved = gateway.prove_consistency(&auditor, from, checkpoint.size).await.unwrap();
        let mut tx = gateway.store().read(Rights::Figures).await.unwrap();
        let needed = audit::tree::Frontier::tiles(from).into_iter().collect();
        let tiles = crate::store::log::tiles(&mut tx, from, &needed).await.unwrap();
        let earlier = audit::Frontier::from_tiles(from, &tiles).unwrap().root().unwrap();
        let proof: Vec<[u8; 32]> =
            proved.value().hashes.iter().map(|hash| *hash.as_bytes()).collect();
        assert!(verify::proof::is_consistent(
            (from, earlier.as_bytes()),
            (checkpoint.size, &checkpoint.root),
            &proof
        ));
    }
    let (last, signed) = (u64::MAX, 1 << 63);
    for (index, size) in [
        (checkpoint.size, checkpoint.size),
        (0, 1_000_000),
        (5, 5),
        (last, 0),
        (0, last),
        (last, signed),
    ] {
        let refusal = refused(gateway.prove_inclusion(&auditor, index, size).await);
        assert_eq!(refusal.0, "invalid_argument");
    }
    for (from, to) in [(0, 0), (6, 5), (1, 1_000_000), (last, 0), (1, last), (signed, signed)] {
        let refusal = refused(gateway.prove_consistency(&auditor, from, to).await);
        assert_eq!(refusal.0, "invalid_argument");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_follow_the_log_and_are_made_anew_when_lost_or_damaged() {
    let town = Town::bare().await;
    let dir = town.dir.path().join("tiles");
    let store = town.gateway.store().clone();
    let projector = Projector::new(store.clone(), &dir);
    for size in [0, 100, 255, 256, 257, 520] {
        grow(&town, size).await;
        projector.project_once().await.unwrap();
        projector.project_once().await.unwrap();
        assert!(sound(&town, &dir) >= Some(size));
    }
    // No partial tile of an earlier size is left, nor anything half-written.
    let partials = |name: &str| fs::read_dir(dir.join(name)).map(Iterator::count).unwrap_or(0);
    assert_eq!(partials("tile/0/000.p") + partials("tile/entries/001.p"), 0);
    assert_eq!(partials("tile/0/002.p"), 1);
    assert!(!town.dir.path().join(".tiles.writing").exists());

    fs::remove_file(dir.join("tile/entries/000")).unwrap();
    fs::write(dir.join("tile/0/001"), b"damaged").unwrap();
    fs::write(dir.join("checkpoint"), b"damaged").unwrap();
    fs::create_dir_all(dir.join("tile/1/000.p")).unwrap();
    fs::write(dir.join("tile/1/000.p/1"), b"left by a crash").unwrap();
    let anew = Projector::new(store, &dir);
    anew.project_once().await.unwrap();
    assert_eq!(sound(&town, &dir), Some(520));
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_that_tell_more_than_the_database_are_left_alone() {
    let (town, other) = (Town::bare().await, Town::bare().await);
    grow(&other, 60).await;
    let dir = town.dir.path().join("tiles");
    Projector::new(other.gateway.store().clone(), &dir).project_once().await.unwrap();
    let before = fs::read(dir.join("checkpoint")).unwrap();
    let projector = Projector::new(town.gateway.store().clone(), &dir);
    assert!(matches!(projector.project_once().await, Err(ProjectionError::Forked)));
    // Neither when the database has caught up with another history: one leaf is another.
    let leaf = Leaf::new(LeafKind::CallsShed, town.gateway.now());
    let act = Act { leaf, effect: Effect::None, epoch: None };
    town.gateway.sequencer().commit(act).await.unwrap();
    grow(&town, 65).await;
    assert!(matches!(projector.project_once().await, Err(ProjectionError::Forked)));
    assert_eq!(fs::read(dir.join("checkpoint")).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_that_is_stopped_leaves_all_that_was_logged() {
    let town = Town::bare().await;
    let dir = town.dir.path().join("tiles");
    let stop = tokio_util::sync::CancellationToken::new();
    let projector = Projector::new(town.gateway.store().clone(), &dir);
    let hour = std::time::Duration::from_secs(3_600);
    let running = tokio::spawn(projector.run(stop.clone(), hour));
    grow(&town, 30).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(sound(&town, &dir), Some(30));
}
