//! What was erased: in no file of the database, no log, no backup, and in no restored backup that
//! serves. On SQLite and, where it is installed, on PostgreSQL, with a cluster of its own whose
//! every file is searched.

use super::{
    cases::{self, CENTRES_NAMED, HEALTH_NAMED},
    last_leaf,
    rights::{BIRTH, CENTRES, HEALTH, case, consents, identity, nhs_number, open, record},
    search::{Ground, NOWHERE, Written, forms, the_search_finds_every_form},
    support::{Town, partner},
};
use crate::{
    audit::LeafKind,
    gateway::{CaseState, ConsentRecord, GatewayError, JournalError, JournalPlace},
    keys::{BirthDate, RawIdentifier},
    linkage::{self, RawIdentity},
    protocol::Choice,
    store::{Rights, Store, backup, cases as stored_cases, faults::world::postgres::Cluster},
};
use aho_corasick::AhoCorasick;
use std::fs;

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
    let lookups = keyed.lookups.iter().map(|(_, key)| key);
    let all = all.chain([&keyed.fingerprint, &record]).chain(lookups);
    all.map(|one| *one.as_bytes()).collect()
}

fn journal(town: &Town) -> JournalPlace {
    let at = |name| town.dir.path().join(name);
    JournalPlace {
        path: at("journal"),
        anchor: at("tiles.journal"),
        go_on: false,
        confirmed_day: None,
    }
}

/// A town before anything is erased.
struct Before {
    town: Town,
    journal: JournalPlace,
    /// By what its children are known.
    known: Vec<Vec<[u8; 16]>>,
    archive: Vec<u8>,
}

/// Who goes: by a case, at the sender's word, by a consent withdrawn by its reference.
const GONE: [usize; 3] = [1, 2, 5];
const STAYS: usize = 3;
/// What the centres are told of the first six.
const TOLD: [bool; 6] = [true, true, false, true, true, true];

async fn before(ground: &Ground) -> Before {
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
    for child in &known {
        assert_eq!(child.len(), 5);
        let found = ground.found(&town, child).await;
        // Else that nothing is found afterwards would show nothing.
        assert!(found.is_all_there() && found.ahead > 0, "{found:?}");
        assert!(ground.cluster.is_none() || found.database == 5, "{found:?}");
    }
    let archive = backed_up(&town).await;
    Before { town, journal: at, known, archive }
}

async fn backed_up(town: &Town) -> Vec<u8> {
    let mut archive = Vec::new();
    let owner = Store::open_to_read(&town.owner).await.unwrap();
    backup::backup(&owner, &mut archive).await.unwrap();
    owner.close().await;
    archive
}

/// Nothing is left of who is gone, and everything of who is not.
async fn erased_in(ground: &Ground, town: &Town, known: &[Vec<[u8; 16]>]) {
    for gone in GONE {
        assert_eq!(ground.found(town, &known[gone]).await, NOWHERE, "child {gone}");
    }
    let stays = ground.found(town, &known[STAYS]).await;
    assert!(stays.is_all_there() && stays.database == 5, "{stays:?}");
    assert_eq!(CENTRES.find(town, 0..6).await, TOLD);
}

/// The whole of it, on one engine.
async fn erased_everywhere(ground: &Ground) {
    let before = before(ground).await;
    let town = &before.town;
    let frozen = town.close("2026Q1").await.into_parts().0;
    let centres = CENTRES.actor(town);
    open(town, &centres, case("a", Choice::Withdrawal, record(CENTRES, 1))).await;
    open(town, &centres, case("b", Choice::Withdrawal, record(CENTRES, 4))).await;
    town.gateway.end_case(&centres, "b".to_owned()).await.unwrap();
    town.gateway.erase_records(&centres, CENTRES.named(2..3)).await.unwrap();
    town.gateway.withdraw_consent(&centres, "C-5".to_owned()).await.unwrap();
    town.set_clock("2026-05-13T23:30:00Z");
    town.gateway.name_erasures().await.unwrap();
    town.gateway.keep_journal().await.unwrap();
    if ground.cluster.is_some() {
        assert_ne!(ground.found(town, &before.known[1]).await, NOWHERE, "not yet scrubbed");
    }
    ground.scrub(town).await;
    erased_in(ground, town, &before.known).await;
    // Releases that are out stay, byte for byte; what is sent again is answered as ever.
    assert_eq!(CENTRES.push(town, 1..2).await.sent_before, 1);
    let release = town.gateway.release(&town.officer(), "2026Q1").await.unwrap();
    assert_eq!(release.value().document, frozen.document);
    erased_in_a_restored_backup(ground, &before).await;
    let names_nobody = fs::read(&before.journal.path).unwrap();
    let search = AhoCorasick::new(before.known.iter().flatten().flat_map(forms)).unwrap();
    assert!(!search.is_match(&names_nobody));
}

/// The earlier backup has them again, until a gateway starts on it.
async fn erased_in_a_restored_backup(ground: &Ground, before: &Before) {
    let (at, known) = (&before.journal, &before.known);
    let town = before.town.restored(&before.archive, ground.place().await).await;
    for back in GONE {
        assert!(ground.found(&town, &known[back]).await.is_all_there());
    }
    if ground.cluster.is_none() {
        // Starts that were cut short have moved the counters: nothing is passed over for that.
        for _ in 0..3 {
            let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
            stored_cases::begin_replay(&mut tx).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
    let mut replayed = town.gateway.replay_journal(at).await;
    if ground.cluster.is_some() {
        // What is erased again lies in the files still: nothing is served before a scrub, however
        // often it is tried.
        for _ in 0..2 {
            assert!(matches!(replayed, Err(GatewayError::ScrubOwed)), "{replayed:?}");
            assert_ne!(ground.found(&town, &known[1]).await, NOWHERE);
            replayed = town.gateway.replay_journal(at).await;
        }
        ground.scrub(&town).await;
        replayed = town.gateway.replay_journal(at).await;
        assert!(!replayed.unwrap());
    } else {
        assert!(replayed.unwrap());
    }
    erased_in(ground, &town, known).await;
    let centres = CENTRES.actor(&town);
    for (reference, state) in [("a", CaseState::Open), ("b", CaseState::Ended)] {
        let case = town.gateway.case(&centres, reference.to_owned()).await.unwrap();
        assert_eq!(case.value().state, state);
    }
    let consent = town.gateway.consent(&centres, "C-5".to_owned()).await.unwrap();
    assert_eq!(consent.value().unwrap().0, ConsentRecord::Withdrawn);
    assert!(!town.gateway.replay_journal(at).await.unwrap(), "once is enough");
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
            fs::write(&at.path, []).unwrap();
        } else {
            fs::remove_file(&at.path).unwrap();
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
    let again = fs::read_to_string(&at.path).unwrap();
    assert!(again.contains("\"noes\"") && again.len() >= written.len(), "the database had it");
    // The operator may go on without; the log says so.
    fs::write(&at.path, &written[..lines[0]]).unwrap();
    opened(&at).await.unwrap_err();
    opened(&without).await.unwrap();
    assert_eq!(last_leaf(&town).await.kind, LeafKind::JournalOverridden);
    assert!(!opened(&at).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_case_learnt_since_the_backup_binds_in_the_restored_one() {
    let town = cases::town().await;
    let at = journal(&town);
    let without = JournalPlace { go_on: true, ..at.clone() };
    town.gateway.replay_journal(&without).await.unwrap();
    cases::push(&town, HEALTH_NAMED, cases::row(HEALTH_NAMED, 1, 1, true, false)).await;
    cases::push(&town, HEALTH_NAMED, cases::row(HEALTH_NAMED, 50, 1, false, true)).await;
    open(&town, &town.officer(), case("a", Choice::OptOut, identity(1))).await;
    let archive = backed_up(&town).await;
    cases::push(&town, CENTRES_NAMED, cases::row(CENTRES_NAMED, 1, 1, true, true)).await;
    town.gateway.keep_journal().await.unwrap();
    assert_eq!(HEALTH.counted(&town).await, 0);
    let ground = Ground { cluster: None, log: Written::default() };
    let restored = town.restored(&archive, ground.place().await).await;
    assert_eq!(HEALTH.counted(&restored).await, 1, "the backup knows one half alone");
    assert!(restored.gateway.replay_journal(&at).await.unwrap());
    assert_eq!(HEALTH.counted(&restored).await, 0);
    assert!(!restored.gateway.replay_journal(&at).await.unwrap(), "once is enough");
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
