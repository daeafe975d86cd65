//! What was erased: in no file of the database, no log, no backup, and in no restored backup that
//! serves. On SQLite and, where it is installed, on PostgreSQL, with a cluster of its own whose
//! every file is searched.

use super::{
    last_leaf,
    rights::{BIRTH, CENTRES, case, consents, nhs_number, open, record},
    support::{Place, Town, partner, postgres::Cluster},
};
use crate::{
    audit::LeafKind,
    gateway::{CaseState, ConsentRecord, GatewayError, JournalError, JournalPlace},
    keys::{BirthDate, RawIdentifier},
    linkage::{self, RawIdentity},
    protocol::Choice,
    store::{Location, Store, backup},
};
use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

/// Everything by which child `n` is known, as it is stored, and the key of its centres' record.
pub(super) fn stored(town: &Town, n: usize) -> Vec<[u8; 16]> {
    let keys = town.gateway.keys();
    let raw = RawIdentity {
        nhs_number: Some(RawIdentifier::new(nhs_number(n))),
        birth: Some(BirthDate::new(BIRTH.parse().unwrap())),
        ..RawIdentity::default()
    };
    let centres = partner("centres");
    let record = town.gateway.record_key(&centres, CENTRES.record_type, &format!("r-{n}"));
    let sender = linkage::Sender { partner: &centres, record: &record, position: 0 };
    let keyed = raw.pseudonymise(sender, &keys.pseudonymiser).unwrap();
    let all = keyed.match_keys.iter().map(|key| &key.key).chain(keyed.nhs.as_ref());
    let all = all.chain([&keyed.fingerprint, &record]);
    all.map(|one| *one.as_bytes()).collect()
}

/// The forms in which sixteen bytes may stand in a file: raw, in hexadecimal of either case, and
/// in base64 of either alphabet, wherever within it they begin.
fn forms(key: &[u8; 16]) -> Vec<Vec<u8>> {
    let mut forms = vec![key.to_vec(), hex::encode(key).into(), hex::encode_upper(key).into()];
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend(key);
        let text = STANDARD_NO_PAD.encode(&bytes);
        // Only the characters that hold bits of the key alone.
        let (first, last) = ((before * 8).div_ceil(6), (bytes.len() * 8) / 6);
        let text = &text[first..last];
        forms.push(text.into());
        forms.push(text.replace('+', "-").replace('/', "_").into());
    }
    forms
}

/// What the gateway writes about itself, at the finest level.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&path, found),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}

/// Where erased bytes could be.
struct Ground {
    cluster: Option<Cluster>,
    log: Written,
}

impl Ground {
    async fn place(&self) -> Place {
        match &self.cluster {
            None => Place::Sqlite,
            Some(cluster) => {
                let database = cluster.database(None).await;
                database.may_scrub().await;
                Place::Postgres(Box::new(database))
            }
        }
    }

    /// Scrubs as whoever may.
    async fn scrub(&self, town: &Town) {
        let owner = Store::open(&town.owner).await;
        let done = match (&town.owner, owner) {
            (Location::Postgres(_), Ok(owner)) => owner.scrub().await.unwrap(),
            _ => town.gateway.store().scrub().await.unwrap(),
        };
        assert!(done.is_done(), "{done:?}");
    }

    /// How many of these stand, in any form, in any file of the database, in a backup made now, or
    /// in what the gateway wrote about itself.
    async fn found(&self, town: &Town, sought: &[[u8; 16]]) -> usize {
        // What is in memory alone is written, and statistics hold samples of what is there.
        if let Location::Postgres(_) = &town.owner {
            let owner = Store::open(&town.owner).await.unwrap();
            owner.settle_for_tests().await;
            owner.close().await;
        }
        let mut paths = Vec::new();
        files(town.dir.path(), &mut paths);
        if let Some(cluster) = &self.cluster {
            files(&cluster.folder.join("data"), &mut paths);
            assert!(paths.iter().any(|path| path.to_string_lossy().contains("pg_wal")));
            assert!(paths.len() > 500, "the whole cluster is searched: {}", paths.len());
        }
        let mut texts: Vec<Vec<u8>> = vec![self.log.0.lock().unwrap().clone()];
        assert!(!texts[0].is_empty(), "the gateway's log is searched");
        let mut archive = Vec::new();
        let owner = Store::open_to_read(&town.owner).await.unwrap();
        backup::backup(&owner, &mut archive).await.unwrap();
        owner.close().await;
        texts.push(archive);
        let needles: Vec<Vec<u8>> = sought.iter().flat_map(forms).collect();
        let search = AhoCorasick::new(&needles).unwrap();
        let each = needles.len() / sought.len();
        let mut found = vec![false; sought.len()];
        // A file of a running server's may go while it is looked at.
        let read = paths.iter().filter_map(|path| fs::read(path).ok());
        for bytes in read.chain(texts) {
            for hit in search.find_overlapping_iter(&bytes) {
                found[hit.pattern().as_usize() / each] = true;
            }
        }
        found.into_iter().filter(|found| *found).count()
    }
}

fn journal(town: &Town) -> JournalPlace {
    let at = |name| town.dir.path().join(name);
    JournalPlace { path: at("journal"), anchor: at("tiles.journal"), go_on: false }
}

/// The whole of it, on one engine.
async fn erased_everywhere(ground: &Ground) {
    let town = Town::on(ground.place().await).await;
    let at = journal(&town);
    // There is no journal, and this is no new database: the operator has to say so.
    let missing = town.gateway.replay_journal(&at).await;
    assert!(matches!(missing, Err(GatewayError::Journal(JournalError::Missing { .. }))));
    let without = JournalPlace { go_on: true, ..at.clone() };
    assert!(!town.gateway.replay_journal(&without).await.unwrap());
    assert_eq!(last_leaf(&town).await.kind, LeafKind::JournalOverridden);
    town.gateway.name_erasures().await.unwrap();
    consents(&town, 0..7).await;
    CENTRES.push(&town, 0..7).await;
    let known: Vec<Vec<[u8; 16]>> = (0..7).map(|child| stored(&town, child)).collect();
    let (by_case, by_sender, stays, by_consent) = (&known[1], &known[2], &known[3], &known[5]);
    assert_eq!(by_case.len(), 4);
    for child in &known {
        assert_eq!(ground.found(&town, child).await, 4, "the search finds what is there");
    }
    let mut before = Vec::new();
    let owner = Store::open_to_read(&town.owner).await.unwrap();
    backup::backup(&owner, &mut before).await.unwrap();
    owner.close().await;
    let frozen = town.close("2026Q1").await.into_parts().0;

    let centres = CENTRES.actor(&town);
    open(&town, &centres, case("a", Choice::Withdrawal, record(CENTRES, 1))).await;
    open(&town, &centres, case("b", Choice::Withdrawal, record(CENTRES, 4))).await;
    town.gateway.end_case(&centres, "b".to_owned()).await.unwrap();
    town.gateway.erase_records(&centres, CENTRES.named(2..3)).await.unwrap();
    town.gateway.withdraw_consent(&centres, "C-5".to_owned()).await.unwrap();
    town.set_clock("2026-05-13T23:30:00Z");
    town.gateway.name_erasures().await.unwrap();
    town.gateway.keep_journal().await.unwrap();
    if ground.cluster.is_some() {
        assert!(ground.found(&town, by_case).await > 0, "erased is not yet scrubbed");
    }
    ground.scrub(&town).await;
    for gone in [by_case, by_sender, by_consent] {
        assert_eq!(ground.found(&town, gone).await, 0);
    }
    assert_eq!(ground.found(&town, stays).await, 4);
    // What its sender is told of it stays; releases that are out stay, byte for byte.
    let told = [true, true, false, true, true, true];
    assert_eq!(CENTRES.find(&town, 0..6).await, told);
    assert_eq!(CENTRES.push(&town, 1..2).await.sent_before, 1);
    let release = town.gateway.release(&town.officer(), "2026Q1").await.unwrap();
    assert_eq!(release.value().document, frozen.document);

    // The earlier backup has them again, until a gateway starts on it.
    let restored = town.restored(&before, ground.place().await).await;
    for back in [by_case, by_sender, by_consent] {
        assert_eq!(ground.found(&restored, back).await, 4);
    }
    let mut replayed = restored.gateway.replay_journal(&at).await;
    if ground.cluster.is_some() {
        // What is erased again lies in the files still: nothing is served before a scrub, however
        // often it is tried.
        for _ in 0..2 {
            assert!(matches!(replayed, Err(GatewayError::ScrubOwed)), "{replayed:?}");
            assert!(ground.found(&restored, by_case).await > 0);
            replayed = restored.gateway.replay_journal(&at).await;
        }
        ground.scrub(&restored).await;
        replayed = restored.gateway.replay_journal(&at).await;
        assert!(!replayed.unwrap());
    } else {
        assert!(replayed.unwrap());
    }
    for gone in [by_case, by_sender, by_consent] {
        assert_eq!(ground.found(&restored, gone).await, 0);
    }
    assert_eq!(ground.found(&restored, stays).await, 4);
    assert_eq!(CENTRES.find(&restored, 0..6).await, told);
    for (reference, state) in [("a", CaseState::Open), ("b", CaseState::Ended)] {
        let case = restored.gateway.case(&centres, reference.to_owned()).await.unwrap();
        assert_eq!(case.value().state, state);
    }
    let consent = restored.gateway.consent(&centres, "C-5".to_owned()).await.unwrap();
    assert_eq!(consent.value().unwrap().0, ConsentRecord::Withdrawn);
    assert!(!restored.gateway.replay_journal(&at).await.unwrap(), "once is enough");
    let names_nobody = fs::read(&at.path).unwrap();
    let search = AhoCorasick::new(known.iter().flatten().flat_map(forms)).unwrap();
    assert!(!search.is_match(&names_nobody));
}

/// What is searched with is tried on what it must find.
fn the_search_finds_every_form() {
    let key = [0x5A, 0xFF, 0x3E, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 0xFB, 0xFF];
    let search = AhoCorasick::new(forms(&key)).unwrap();
    for before in 0..3 {
        let mut text = vec![b'x'; before];
        text.extend(key);
        text.push(b'y');
        let lower = hex::encode(&text);
        let upper = hex::encode_upper(&text);
        let base64 = STANDARD_NO_PAD.encode(&text);
        let url = base64.replace('+', "-").replace('/', "_");
        for written in [text.clone(), lower.into(), upper.into(), base64.into(), url.into()] {
            assert!(search.is_match(&written));
        }
    }
}

/// On one thread, so that all that is written meanwhile can be caught.
fn on_one_thread(cluster: Option<Cluster>) {
    the_search_finds_every_form();
    let log = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Box::pin(erased_everywhere(&Ground { cluster, log })));
}

/// The same on a thread with room: the test is one large future.
fn with_room(cluster: Option<Cluster>) {
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    thread.spawn(|| on_one_thread(cluster)).unwrap().join().unwrap();
}

#[test]
fn what_was_erased_is_in_no_file_and_in_no_restored_backup_that_serves_on_sqlite() {
    with_room(None);
}

#[test]
fn what_was_erased_is_in_no_file_and_in_no_restored_backup_that_serves_on_postgres() {
    if let Some(cluster) = Cluster::start(&[]) {
        with_room(Some(cluster));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_missing_changed_or_cut_short_is_not_gone_on_from() {
    let town = Town::new().await;
    let at = journal(&town);
    let without = JournalPlace { go_on: true, ..at.clone() };
    town.gateway.replay_journal(&without).await.unwrap();
    consents(&town, 0..5).await;
    CENTRES.push(&town, 0..5).await;
    let centres = CENTRES.actor(&town);
    for child in 1..3 {
        let reference = format!("case-{child}");
        open(&town, &centres, case(&reference, Choice::Restriction, record(CENTRES, child))).await;
    }
    town.gateway.withdraw_consent(&centres, "C-4".to_owned()).await.unwrap();
    let written = fs::read(&at.path).unwrap();
    let lines: Vec<usize> =
        written.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
    assert!(lines.len() >= 4, "begun, two cases, a withdrawal: {}", lines.len());
    let opened = async |place: &JournalPlace| match town.gateway.replay_journal(place).await {
        Err(GatewayError::Journal(error)) => Err(error),
        done => Ok(done.unwrap()),
    };
    for (byte, to) in [(0, b'x'), (written.len() / 2, b'~')] {
        let mut changed = written.clone();
        changed[byte] = to;
        fs::write(&at.path, changed).unwrap();
        assert!(matches!(opened(&at).await, Err(JournalError::Line { .. })));
    }
    // Cut at every line's end, and within the last one.
    for length in lines[..lines.len() - 1].iter().copied().chain([written.len() - 5]) {
        fs::write(&at.path, &written[..length]).unwrap();
        let short = opened(&at).await;
        assert!(matches!(short, Err(JournalError::Short { .. })), "{length}: {short:?}");
    }
    for nothing in [true, false] {
        if nothing {
            fs::write(&at.path, []).unwrap()
        } else {
            fs::remove_file(&at.path).unwrap()
        }
        assert!(matches!(opened(&at).await, Err(JournalError::Missing { .. })));
    }
    // Where the tiles were lost as well the database's own register tells that it is not new.
    fs::remove_file(&at.anchor).unwrap();
    assert!(matches!(opened(&at).await, Err(JournalError::Missing { .. })));
    fs::write(&at.anchor, "much").unwrap();
    fs::write(&at.path, &written).unwrap();
    assert!(matches!(opened(&at).await, Err(JournalError::Anchor { .. })));
    // A crash cut the last line short before the anchor spoke of it.
    fs::remove_file(&at.anchor).unwrap();
    fs::write(&at.path, &written[..written.len() - 5]).unwrap();
    opened(&at).await.unwrap();
    assert_eq!(fs::read(&at.path).unwrap().len(), written.len(), "the database had what it said");
    // The operator may go on without; the log says so.
    fs::write(&at.path, &written[..lines[0]]).unwrap();
    opened(&at).await.unwrap_err();
    opened(&without).await.unwrap();
    assert_eq!(last_leaf(&town).await.kind, LeafKind::JournalOverridden);
    assert!(!opened(&at).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_withdrawn_by_its_reference_takes_its_records_along_at_the_days_end() {
    let town = Town::new().await;
    town.gateway.name_erasures().await.unwrap();
    consents(&town, 0..3).await;
    CENTRES.push(&town, 0..3).await;
    assert_eq!(CENTRES.counted(&town).await, 3);
    let centres = CENTRES.actor(&town);
    town.gateway.withdraw_consent(&centres, "C-1".to_owned()).await.unwrap();
    town.set_clock("2026-05-13T23:30:00Z");
    town.gateway.name_erasures().await.unwrap();
    assert_eq!(CENTRES.counted(&town).await, 2);
    assert_eq!(CENTRES.find(&town, 0..3).await, [true; 3]);
}
