//! Private details over the real API and by the program: opened and proved on the auditor's
//! machine, erased without a neighbour's harm; and that every kind of answer has a receipt.

use crate::support::{
    copy, files,
    gateway::{Copy, assert_refused, reason},
    output,
    postgres::cluster,
    stream::{Stream, nhs_number, rows},
    tallygate,
};
use jiff::Timestamp;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};
use tallygate::{
    audit::{Leaf, LeafKind, LogSigner},
    connector::ProfileFile,
    disclosure::Catalogue,
    domain::RecordType,
    gateway::{Gateway, Quotas, Setup, Witnesses},
    keys::{MasterKeys, SigningKey},
    store::{
        Act, Effect, Location, Rights, Store, erasures,
        feeds::{self, NewBatch},
        log,
    },
    wire::{
        DESCRIPTORS,
        v1::{self, intake_service_client::IntakeServiceClient, push_request, push_response},
    },
};

const RECEIPT: &str = ".tallygate.v1.Receipt";

/// What is answered without one: hash tiles are public to partners, tell nothing of an entry,
/// and are no look at one.
const WITHOUT: [&str; 1] = ["GetTile"];

/// Whether a message carries a receipt: a field of its own, or one in every message that it
/// may consist of; of a stream of parts, in the first kind, which opens it, and in the last,
/// which closes it.
fn has_receipt(messages: &BTreeMap<String, &DescriptorProto>, name: &str) -> bool {
    let message = messages[name];
    let is = |field: &&prost_types::FieldDescriptorProto| field.r#type() == Type::Message;
    let of_own = message.field.iter().any(|field| field.type_name() == RECEIPT);
    let one_of: Vec<_> = message.field.iter().filter(|f| f.oneof_index.is_some()).collect();
    let carries = |field: &&prost_types::FieldDescriptorProto| {
        is(field) && has_receipt(messages, field.type_name())
    };
    let at_both_ends = match &one_of[..] {
        [first, .., last] => carries(first) && carries(last),
        _ => false,
    };
    of_own || at_both_ends
}

#[test]
fn every_answer_has_a_receipt() {
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let messages: BTreeMap<String, &DescriptorProto> = files
        .iter()
        .flat_map(|file| {
            let package = file.package().to_owned();
            file.message_type.iter().map(move |m| (format!(".{package}.{}", m.name()), m))
        })
        .collect();
    let methods: Vec<_> = files.iter().flat_map(|f| &f.service).flat_map(|s| &s.method).collect();
    assert!(methods.len() > 30);
    for method in methods.into_iter().filter(|method| !WITHOUT.contains(&method.name())) {
        assert!(has_receipt(&messages, method.output_type()), "{} answers without", method.name());
    }
    // The check can fail: a request has none.
    assert!(!has_receipt(&messages, ".tallygate.v1.PushRequest"));
}

/// Runs the program on a thread on which it may wait: exit code and JSON.
async fn run(words: String) -> (Option<i32>, Value, String) {
    let run = move || {
        let done = tallygate(words.split_whitespace().chain(["--format", "json"]));
        let value = serde_json::from_slice(&done.stdout).unwrap_or(Value::Null);
        (done.status.code(), value, String::from_utf8_lossy(&done.stderr).into_owned())
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// The profile of another auditor of the same body.
fn second_auditor(gateway: &Copy) -> String {
    let file = ProfileFile { user: "another-auditor".to_owned(), ..gateway.profile("auditor") };
    let path = gateway.path("profiles/here-auditor-2.toml");
    fs::write(&path, file.to_toml().unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_is_opened_and_checked_on_the_auditors_machine() {
    let gateway = Copy::start().await;
    let mut stream = Stream::open(gateway.caller("health").await).await.unwrap();
    stream.send(1, rows("detail", 0..20)).await;
    let batch = stream.acknowledged().await.receipt.unwrap().leaf_index;
    let (auditor, health) = (gateway.profile_file("auditor"), gateway.profile_file("health"));
    let key = gateway.path("log.vkey").display().to_string();
    let open = |what: &str| {
        run(format!("audit open {batch} {what} --vkey-file {key} --profile {auditor}"))
    };
    let (code, shown, _) = open("--record detail-7 --partner health").await;
    assert_eq!((code, &shown["item_index"], &shown["items"]), (Some(0), &7.into(), &128.into()));
    assert_eq!(shown["checked"], "holds, and its entry is in the log");
    assert_eq!(
        (&shown["item"]["operation"], &shown["state"]),
        (&"upsert".into(), &"opened".into())
    );
    assert!(!shown.to_string().contains("detail-7"), "named by its keyed id alone");
    let (code, _, errors) = open("--record detail-7 --partner centres").await;
    assert_eq!((code, errors.contains("NOT_FOUND")), (Some(2), true), "{errors}");

    // Its sender has it erased; looking, it is gone at once, and within the day in truth.
    let ids = "detail-7 detail-8 never-sent --type health_review";
    let (code, told, _) = run(format!("erase {ids} --profile {health}")).await;
    assert_eq!((code, &told["received"]), (Some(0), &3.into()));
    let (_, held, _) = run(format!("find detail-6 {ids} --profile {health}")).await;
    let held: Vec<bool> =
        held.as_array().unwrap().iter().map(|row| row["held"].as_bool().unwrap()).collect();
    assert_eq!(held, [true, false, false, false]);
    gateway.running.gateway().carry_out_erasures().await.unwrap();
    let (code, shown, _) = open("--item 7").await;
    assert_eq!((code, &shown["item"], &shown["salt"]), (Some(0), &Value::Null, &"".into()));
    assert_eq!(
        (&shown["state"], &shown["checked"]),
        (&"erased, or filling up".into(), &"holds, and its entry is in the log".into())
    );
    for neighbour in [6, 9] {
        let (code, shown, _) = open(&format!("--record detail-{neighbour} --partner health")).await;
        assert_eq!((code, &shown["item_index"]), (Some(0), &neighbour.into()));
    }
    stream.send(2, rows("detail", 0..20)).await;
    let again = stream.acknowledged().await;
    assert_eq!((again.well_formed, again.sent_before), (20, 18), "two are new again");
    drop(stream);
    verified(gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_is_shown_where_two_auditors_want_it() {
    let gateway = Copy::start().await;
    let manager = gateway.profile_file("manager-CC01");
    let words = format!("query registered --area CC01 --profile {manager}");
    assert_eq!(run(words).await.0, Some(0));
    let (auditor, second) = (gateway.profile_file("auditor"), second_auditor(&gateway));
    let find = format!("audit search --what query_answered --limit 1 --profile {auditor}");
    let entry = run(find).await.1[0]["index"].as_u64().unwrap();
    let (code, waits, said) = run(format!("audit open {entry} --profile {auditor}")).await;
    assert_eq!((code, &waits["state"]), (Some(0), &"waiting for a second person".into()), "{said}");
    let (code, _, said) = run(format!("audit open {entry} --profile {auditor}")).await;
    assert_eq!((code, said.contains("SECOND_PERSON_NEEDED")), (Some(2), true), "{said}");
    let (code, shown, _) = run(format!("audit open {entry} --profile {second}")).await;
    assert_eq!((code, shown["checked"].as_str().unwrap().starts_with("holds")), (Some(0), true));
    assert_eq!(shown["item"]["user"], gateway.profile("manager-CC01").user);
    assert_eq!(shown["item"]["asked"]["area"], "CC01");
    verified(gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_childs_keyed_values_are_in_no_file() {
    let gateway = Copy::start().await;
    let mut stream = Stream::open(gateway.caller("health").await).await.unwrap();
    stream.send(1, rows("gone", 300..303)).await;
    stream.acknowledged().await;
    drop(stream);
    let path = gateway.path("gateway.db");
    let values = async |place: i64| -> Vec<Vec<u8>> {
        let url = format!("sqlite:{}?mode=ro", path.display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let sql = "WITH last AS (SELECT MAX(event_number) - $1 AS number FROM event) \
                   SELECT record_key FROM sent, last WHERE event_number = last.number \
                   UNION ALL SELECT s.nhs FROM last, event e JOIN subject s \
                   ON s.subject_id = e.subject_id WHERE e.event_number = last.number \
                   UNION ALL SELECT s.facts FROM last, event e JOIN subject s \
                   ON s.subject_id = e.subject_id WHERE e.event_number = last.number \
                   UNION ALL SELECT k.match_key FROM last, event e JOIN subject_key k \
                   ON k.subject_id = e.subject_id WHERE e.event_number = last.number";
        let rows: Vec<(Option<Vec<u8>>,)> =
            sqlx::query_as(sql).bind(place).fetch_all(&pool).await.unwrap();
        pool.close().await;
        rows.into_iter().filter_map(|(value,)| value).collect()
    };
    let (gone, kept) = (values(1).await, values(2).await);
    assert!(gone.len() >= 4 && kept.len() >= 4);
    let request = v1::EraseRecordsRequest {
        record_type: "health_review".to_owned(),
        record_ids: vec!["gone-301".to_owned()],
    };
    let mut health = IntakeServiceClient::new(gateway.caller("health").await);
    health.erase_records(request).await.unwrap();
    gateway.running.gateway().carry_out_erasures().await.unwrap();
    let kept_files = tempfile::tempdir().unwrap();
    let all = kept_files.path().join("all");
    let folder = path.parent().unwrap().to_owned();
    gateway.running.stop().await.unwrap();
    copy(&folder, &all);
    let bytes: Vec<u8> = files(&all).iter().flat_map(|file| fs::read(file).unwrap()).collect();
    let search = |values: &[Vec<u8>]| {
        let found = aho_corasick::AhoCorasick::new(values).unwrap();
        let mut seen: Vec<usize> =
            found.find_iter(&bytes).map(|found| found.pattern().as_usize()).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len()
    };
    assert_eq!(search(&kept), kept.len(), "the search finds what is there");
    assert_eq!(search(&gone), 0, "something of the erased child is still there");
    assert_eq!(search(&[nhs_number(301).into_bytes()]), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_has_its_closing_in_the_log() {
    let gateway = Copy::start().await;
    let mut stream = Stream::open(gateway.caller("health").await).await.unwrap();
    stream.send(1, rows("closing", 0..3)).await;
    stream.acknowledged().await;
    drop(stream);
    // A message that does not belong there is refused, logged, and ends its stream in order.
    let batch = v1::RecordBatch { sequence: 1, rows: vec![] };
    let message = Some(push_request::Message::Batch(batch));
    let first = tokio_stream::once(v1::PushRequest { message });
    let mut health = IntakeServiceClient::new(gateway.caller("health").await);
    let answer = async { health.push(first).await?.into_inner().message().await };
    assert_refused(answer.await, "invalid_argument");
    let (send, receive) = tokio::sync::mpsc::channel(4);
    let open = v1::PushOpen {
        protocol_id: "isp-health".to_owned(),
        record_type: "health_review".to_owned(),
        columns: ["record_id", "extracted_at", "event_date", "nhs_number", "date_of_birth"]
            .into_iter()
            .chain(["review", "outcome"])
            .map(str::to_owned)
            .collect(),
        extract_day: "2026-05-10".to_owned(),
        ..v1::PushOpen::default()
    };
    for _ in 0..2 {
        let message = Some(push_request::Message::Open(open.clone()));
        send.send(v1::PushRequest { message }).await.unwrap();
    }
    drop(send);
    let answers = health.push(tokio_stream::wrappers::ReceiverStream::new(receive)).await;
    let mut answers = answers.unwrap().into_inner();
    let opened = answers.message().await.unwrap().unwrap().message.unwrap();
    assert!(matches!(opened, push_response::Message::Opened(_)));
    let twice = answers.message().await.unwrap_err();
    assert_eq!(reason(&twice), ("invalid_argument".to_owned(), true), "{twice:?}");

    let auditor = gateway.profile_file("auditor");
    let count = async |kind: &str| {
        let words = format!("audit search --what {kind} --limit 1000 --profile {auditor}");
        run(words).await.1.as_array().unwrap().len()
    };
    let opened = count("intake_stream_opened").await;
    for _ in 0..100 {
        if count("intake_stream_closed").await == opened {
            return verified(gateway).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a stream was opened and never closed");
}

/// Two gateways on one PostgreSQL, whose clock the test sets.
async fn two_gateways(clock: &Arc<AtomicI64>) -> Option<[Arc<Gateway>; 2]> {
    let database = cluster()?.database(None).await;
    let owner = Store::open(&Location::Postgres(database.location("owner"))).await.unwrap();
    owner.migrate(Some("gateway")).await.unwrap();
    owner.close().await;
    let mut gateways = Vec::new();
    for seed in [1, 2] {
        let location = Location::Postgres(database.location("gateway"));
        let (clock, mut keys) = (Arc::clone(clock), StdRng::seed_from_u64(3));
        let setup = Setup {
            store: Store::open(&location).await.unwrap(),
            log: LogSigner::from_seed("race.example/2026".parse().unwrap(), &[7; 32]).unwrap(),
            keys: MasterKeys::generate(&mut keys),
            key_file: None,
            release_key: SigningKey::generate(&mut keys).unwrap(),
            catalogue: Catalogue::shipped().unwrap(),
            witnesses: Arc::new(Witnesses::none()),
            quotas: Quotas::default(),
            now: Arc::new(move || Timestamp::from_microsecond(clock.load(Relaxed)).unwrap()),
            rng: StdRng::seed_from_u64(seed),
        };
        gateways.push(Gateway::start(setup).await.unwrap().0);
    }
    gateways.try_into().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_gateways_one_names_the_day() {
    const DAY: i64 = 86_400_000_000;
    let clock = Arc::new(AtomicI64::new(20_000 * DAY));
    let Some(gateways) = two_gateways(&clock).await else { return };
    for gateway in &gateways {
        gateway.name_erasures().await.unwrap();
    }
    let store = gateways[0].store();
    let mut tx = store.transact(Rights::Intake).await.unwrap();
    let feed = feeds::feed(&mut tx, &"health".parse().unwrap(), RecordType::LiveBirth).await;
    let new = NewBatch {
        feed: feed.unwrap(),
        extract_day: 0,
        digest: [3; 32],
        protocol: "isp-health".parse().unwrap(),
        protocol_version: 1,
        staged_at: Timestamp::from_microsecond(20_000 * DAY).unwrap(),
        stream: 0,
        records: 0,
    };
    let batch = feeds::stage(&mut tx, &new).await.unwrap();
    erasures::note(&mut tx, batch, &[5]).await.unwrap();
    tx.commit().await.unwrap();
    let (leaf, effect) =
        (Leaf::new(LeafKind::BatchAccepted, Timestamp::UNIX_EPOCH), Effect::AcceptBatch(batch));
    gateways[0].sequencer().commit(Act { leaf, effect, epoch: None }).await.unwrap();
    for day in 1..=3 {
        clock.store((20_000 + day) * DAY, Relaxed);
        for _ in 0..2 {
            let [one, two] = &gateways;
            let (one, two) = tokio::join!(one.name_erasures(), two.name_erasures());
            one.and(two).unwrap();
        }
        let mut tx = store.read(Rights::Sequencer).await.unwrap();
        let size = log::head(&mut tx).await.unwrap().unwrap().size;
        let entries = log::entries(&mut tx, 0, size).await.unwrap();
        let leaves = entries.iter().map(|entry| Leaf::decode(entry).unwrap());
        let named = leaves.filter(|leaf| leaf.kind == LeafKind::Erasures).count();
        assert_eq!(i64::try_from(named).unwrap(), day, "one a day");
        assert!(erasures::unnamed(&mut tx).await.unwrap().is_empty());
    }
}

/// Stops the gateway; its whole log verifies from its files.
async fn verified(gateway: Copy) {
    let (tiles, key) = (gateway.path("tiles"), gateway.path("log.vkey"));
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("tiles");
    fs::copy(&key, folder.path().join("log.vkey")).unwrap();
    gateway.running.stop().await.unwrap();
    copy(&tiles, &kept);
    let verify = move || {
        let key = folder.path().join("log.vkey");
        let (kept, key) = (kept.to_str().unwrap(), key.to_str().unwrap());
        output(&["audit", "verify", kept, "--vkey-file", key], 0);
    };
    tokio::task::spawn_blocking(verify).await.unwrap();
}
