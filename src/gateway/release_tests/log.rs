//! Reading the access log, and the log as files.

use super::{
    refused,
    support::{PLANNING, Town},
};
use crate::{
    audit::{self, Leaf, LeafKind},
    gateway::{
        CardRequest, Denied, GatewayError, LogSearch, ProjectionError, Projector, Published,
        WantedEntries,
    },
    protocol::CallerRole,
    store::{Act, Effect, Rights},
    verify::{self, Directory, VerifierKey, verify_log},
};
use std::{fs, path::Path};

/// Adds leaves until the log has `size`.
async fn grow(town: &Town, size: u64) {
    let commit = || {
        let leaf = Leaf::new(LeafKind::HandshakesFailed, town.gateway.now());
        town.gateway.sequencer().commit(Act { leaf, effect: Effect::None, epoch: None })
    };
    let mut now = 0;
    while now < size {
        let more = if now == 0 { 1 } else { (size - now).min(500) };
        let acts = (0..more).map(|_| commit());
        let logged = futures_util::future::join_all(acts).await.into_iter();
        let last = logged.map(|logged| logged.unwrap().receipt().leaf_index).max();
        now = last.map_or(now, |last| last + 1);
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
    let dir = town.dir.path().join("tiles");
    let published = Published::new(gateway.store().clone(), &dir);
    let sender = town.actor("health", &[CallerRole::Provider], None);
    let failed = gateway.checkpoint(&sender, &published).await.unwrap_err();
    assert!(matches!(failed, Denied::Failed(GatewayError::Published(_))), "no tick yet");
    Projector::new(gateway.store().clone(), &dir).project_once().await.unwrap();
    let checkpoint = async |actor| {
        let note = gateway.checkpoint(actor, &published).await.unwrap().into_parts().0;
        verify::note::verify_checkpoint(note.as_bytes(), &key).unwrap()
    };
    // The sender's two looks are leaves behind the tick, which only the auditor sees.
    assert_eq!([checkpoint(&sender).await.size, checkpoint(&sender).await.size], [300, 300]);
    let checkpoint = checkpoint(&auditor).await;
    assert_eq!(checkpoint.size, 302);
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

/// Every file of a log, the checkpoint included.
fn all_files(size: u64) -> Vec<String> {
    let files = audit::tile::plan(0, size).map(|file| file.path());
    files.chain(["checkpoint".to_owned()]).collect()
}

/// Lost and damaged files while the gateway runs: some ticks later each is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_projector_comes_round_to_every_file() {
    let town = Town::bare().await;
    let dir = town.dir.path().join("tiles");
    let projector = Projector::new(town.gateway.store().clone(), &dir);
    assert_eq!(projector.look_after().await.unwrap(), 0, "nothing is projected yet");
    grow(&town, 5_000).await;
    projector.project_once().await.unwrap();
    let files = all_files(sound(&town, &dir).unwrap());
    assert!(files.len() > 32, "more than two ticks' worth: {}", files.len());
    for (n, file) in files.iter().enumerate() {
        let path = dir.join(file);
        let whole = fs::read(&path).unwrap();
        match n % 3 {
            0 => fs::remove_file(&path).unwrap(),
            1 => fs::write(&path, &whole[..whole.len() / 2]).unwrap(),
            _ => fs::write(&path, [&whole[1..], b"x"].concat()).unwrap(),
        }
    }
    let mut mended = 0;
    for _ in 0..files.len() / 16 + 2 {
        projector.project_once().await.unwrap();
        mended += projector.look_after().await.unwrap();
    }
    assert_eq!(mended, files.len());
    assert_eq!(sound(&town, &dir), Some(5_000));
    assert_eq!(projector.look_after().await.unwrap(), 0);
}

/// What is published is bounded by the tick's checkpoint, at any width up to it, and does
/// not need the folder's files.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_the_last_tick() {
    use audit::{TileFile, tile::TileKind};
    let town = Town::bare().await;
    let dir = town.dir.path().join("tiles");
    let published = Published::new(town.gateway.store().clone(), &dir);
    assert!(matches!(published.checkpoint().await, Err(ProjectionError::Unpublished)));
    grow(&town, 300).await;
    let projector = Projector::new(town.gateway.store().clone(), &dir);
    projector.project_once().await.unwrap();
    let tick = published.checkpoint().await.unwrap();
    assert_eq!((tick.size, tick.note), (300, fs::read_to_string(dir.join("checkpoint")).unwrap()));
    grow(&town, 600).await;
    assert_eq!(published.checkpoint().await.unwrap().size, 300);

    let kinds = [TileKind::Entries, TileKind::Hashes(0)];
    for kind in kinds {
        let file = |index, width| TileFile { kind, index, width };
        let whole = published.file(file(0, 256)).await.unwrap().unwrap();
        let edge = published.file(file(1, 44)).await.unwrap().unwrap();
        // Hidden until the next tick, though the database has them.
        for beyond in [file(1, 45), file(1, 256), file(2, 1), file(u64::MAX, 256)] {
            assert_eq!(published.file(beyond).await.unwrap(), None, "{beyond:?}");
        }
        for width in [1, 43] {
            let narrow = published.file(file(1, width)).await.unwrap().unwrap();
            assert!(edge.starts_with(&narrow) && narrow.len() < edge.len(), "{kind:?} {width}");
        }
        let first = published.file(file(0, 7)).await.unwrap().unwrap();
        assert!(whole.starts_with(&first));
        // Lost, or cut off: from the database, the same bytes.
        fs::remove_file(dir.join(file(0, 256).path())).unwrap();
        fs::create_dir_all(dir.join("tile/0/001.p")).unwrap();
        fs::create_dir_all(dir.join("tile/entries/001.p")).unwrap();
        fs::write(dir.join(file(1, 44).path()), &edge[..edge.len() - 1]).unwrap();
        assert_eq!(published.file(file(0, 256)).await.unwrap(), Some(whole));
        assert_eq!(published.file(file(1, 44)).await.unwrap(), Some(edge.clone()));
        assert_eq!(published.file(file(0, 7)).await.unwrap(), Some(first));
        // A width that a later tick has replaced stays to be had.
        projector.project_once().await.unwrap();
        assert_eq!(published.file(file(1, 44)).await.unwrap(), Some(edge));
        fs::write(dir.join("checkpoint"), tick_of(&town, 300).await).unwrap();
    }
    for kind in [TileKind::Hashes(1), TileKind::Hashes(2), TileKind::Hashes(63)] {
        let found = published.file(TileFile { kind, index: 0, width: 1 }).await.unwrap();
        assert_eq!(found.is_some(), kind == TileKind::Hashes(1), "{kind:?}");
    }
    fs::write(dir.join("checkpoint"), b"damaged").unwrap();
    assert!(matches!(published.checkpoint().await, Err(ProjectionError::Unpublished)));
}

/// A checkpoint's text of an earlier size, as far as what is published reads of it.
async fn tick_of(town: &Town, size: u64) -> String {
    let mut tx = town.gateway.store().read(Rights::Figures).await.unwrap();
    let needed = audit::tree::Frontier::tiles(size).into_iter().collect();
    let tiles = crate::store::log::tiles(&mut tx, size, &needed).await.unwrap();
    let root = audit::Frontier::from_tiles(size, &tiles).unwrap().root().unwrap();
    let name = town.vkey.split('+').next().unwrap().parse().unwrap();
    audit::note::checkpoint_text(&name, size, &root)
}

/// A stream of entries: whole bundles from any index on, and its two leaves.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_entries_is_opened_and_closed_in_the_log() {
    let town = Town::bare().await;
    let gateway = &town.gateway;
    grow(&town, 600).await;
    let sender = town.actor("health", &[CallerRole::Provider], None);
    assert_eq!(
        refused(gateway.open_entries(sender, WantedEntries::new("", 0, 0)).await).0,
        "wrong_role"
    );
    let key: VerifierKey = town.vkey.parse().unwrap();
    let (mut stream, opened) = gateway
        .open_entries(town.auditor(), WantedEntries::new("", 300, 256))
        .await
        .unwrap()
        .into_parts();
    let signed = verify::note::verify_checkpoint(stream.checkpoint().as_bytes(), &key).unwrap();
    assert_eq!((signed.size, opened.leaf_index), (601, 601));
    assert!(!stream.consistency().is_empty());
    let mut sent = Vec::new();
    while let Some(bundle) = stream.bundle().await.unwrap() {
        sent.push((bundle.index, bundle.width));
    }
    assert_eq!(sent, [(1, 256), (2, 89)]);
    let (entries, closed) = stream.close().await.unwrap().into_parts();
    assert_eq!((entries, closed.leaf_index), (345, 602));
    let mut tx = gateway.store().read(Rights::Figures).await.unwrap();
    let leaves = crate::store::log::entries(&mut tx, 601, 603).await.unwrap();
    let leaves: Vec<Leaf> = leaves.iter().map(|leaf| Leaf::decode(leaf).unwrap()).collect();
    drop(tx);
    assert_eq!(leaves[0].kind, LeafKind::LogStreamOpened);
    assert_eq!(leaves[1].kind, LeafKind::LogStreamClosed);
    assert_eq!(leaves[1].notes.stream, Some(601));
    assert_eq!(leaves[1].size_class, Some(audit::SizeClass::Under1Thousand));

    // Beyond the log: the checkpoint, no proof, and nothing more.
    let beyond = gateway
        .open_entries(town.auditor(), WantedEntries::new("", u64::MAX, u64::MAX))
        .await
        .unwrap();
    let mut beyond = beyond.into_parts().0;
    assert!(beyond.consistency().is_empty() && beyond.bundle().await.unwrap().is_none());
    let nowhere =
        gateway.open_entries(town.auditor(), WantedEntries::new("example.org/2001", 0, 0)).await;
    assert_eq!(refused(nowhere).0, "not_found");
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

/// The year ends: its folder is brought to its end and put away, the new year's begins, the
/// old log can still be streamed to its end, and lost folders are made again.
#[tokio::test(flavor = "multi_thread")]
async fn each_year_has_a_folder_of_its_own() {
    let town = Town::yearly().await;
    let dir = town.dir.path().join("tiles");
    let old_dir = town.dir.path().join("tiles-2026");
    let published = Published::new(town.gateway.store().clone(), &dir);
    let projector = Projector::new(town.gateway.store().clone(), &dir);
    grow(&town, 300).await;
    projector.project_once().await.unwrap();
    grow(&town, 400).await;
    let key: VerifierKey = town.gateway.log_vkey().parse().unwrap();
    town.set_clock("2027-01-02T12:00:00Z");
    let act = Leaf::new(LeafKind::CallsShed, town.gateway.now());
    town.gateway.log_of_its_own(act).await.unwrap();
    let new_key: VerifierKey = town.gateway.log_vkey().parse().unwrap();
    assert_ne!(key.name(), new_key.name());

    // Before the tick: the old log, as it was published; a lost file comes from the tables.
    use audit::{TileFile, tile::TileKind};
    let file = TileFile { kind: TileKind::Entries, index: 0, width: 256 };
    let bundle = fs::read(dir.join(file.path())).unwrap();
    fs::remove_file(dir.join(file.path())).unwrap();
    assert_eq!(published.file(file).await.unwrap(), Some(bundle.clone()));
    assert_eq!(projector.look_after().await.unwrap(), 0);
    let sizes = |old: u64, new: u64| {
        for (dir, key, size) in [(&old_dir, &key, old), (&dir, &new_key, new)] {
            let report = verify_log(&Directory::new(dir), key).unwrap();
            assert!(report.is_sound(), "{:?}", report.findings);
            assert_eq!(report.size, Some(size));
        }
    };
    projector.project_once().await.unwrap();
    sizes(400, 2);
    assert_eq!(published.checkpoint().await.unwrap().size, 2);

    let opened =
        town.gateway.open_entries(town.auditor(), WantedEntries::new(key.name(), 300, 300)).await;
    let mut stream = opened.unwrap().into_parts().0;
    let ended = verify::note::verify_checkpoint(stream.checkpoint().as_bytes(), &key).unwrap();
    assert_eq!((ended.size, stream.consistency().is_empty()), (400, false));
    assert_eq!(stream.bundle().await.unwrap().map(|bundle| bundle.width), Some(144));
    assert!(stream.bundle().await.unwrap().is_none());

    for lost in [&old_dir, &dir] {
        fs::remove_dir_all(lost).unwrap();
        let anew = Projector::new(town.gateway.store().clone(), &dir);
        anew.project_once().await.unwrap();
        sizes(400, 3);
    }
    // Stopped before the turn's tick, and started after it.
    fs::remove_dir_all(&dir).unwrap();
    fs::rename(&old_dir, &dir).unwrap();
    Projector::new(town.gateway.store().clone(), &dir).project_once().await.unwrap();
    sizes(400, 3);
}
