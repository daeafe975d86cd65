//! A blinded deployment over the real API: the same persons as with everything in clear, what is
//! refused and in which words, quotas, and a watch that looks for identifiers.

mod watch;

use crate::support::{
    Demo, blinded_demo, demo,
    gateway::{Copy, Service, assert_refused, reason},
    stream::nhs_number,
};
use sqlx::SqlitePool;
use std::{fs, path::Path, sync::Arc};
use tallygate::{
    config::Config,
    connector::{Gateway, Profile, ProfileFile, PushError, PushOrder, PushReport, Silent, push},
    domain::RecordType,
    identity::SystemClock,
    server::{self, system_rng},
    wire::v1::{
        self, blinding_service_client::BlindingServiceClient, key_service_client::KeyServiceClient,
    },
};
use tonic::{Code, Status};

/// The columns of what these tests send.
pub(super) const COLUMNS: [&str; 11] = [
    "record_id",
    "extracted_at",
    "event_date",
    "nhs_number",
    "forename",
    "surname",
    "date_of_birth",
    "sex",
    "postcode",
    "review",
    "outcome",
];

/// Health reviews of children whose names nobody else has: a file.
pub(super) fn reviews(prefix: &str, range: std::ops::Range<usize>) -> String {
    let mut text = COLUMNS.join(",");
    for n in range {
        let (forename, surname) = names(n);
        text.push_str(&format!(
            "\n{prefix}-{n},2026-05-01,2026-02-03,{},{forename},{surname},2024-02-28,2,CV1 5FB,\
             twelve_month,completed",
            nhs_number(n)
        ));
    }
    text
}

/// Two names that no other child has.
pub(super) fn names(n: usize) -> (String, String) {
    let letters = |salt: usize| -> String {
        let mut rest = (n + 1) * 7_919 + salt * 104_729;
        let letter = |_| {
            rest = rest.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            char::from(b'a' + u8::try_from((rest >> 33) % 26).unwrap())
        };
        (0..11).map(letter).collect()
    };
    (format!("Zq{}", letters(1)), format!("Xv{}", letters(2)))
}

/// The connection of a profile.
async fn connected(file: ProfileFile, folder: &Path) -> Gateway {
    let profile = Profile::load(file, folder.join("profiles")).unwrap();
    Gateway::connect(&profile, Arc::new(SystemClock), Box::new(system_rng())).await.unwrap()
}

/// Pushes health reviews as the profile says: blinded, if it pins a key.
async fn push_reviews(
    gateway: &Copy,
    profile: ProfileFile,
    text: &str,
) -> Result<PushReport, PushError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reviews.csv");
    fs::write(&file, text).unwrap();
    let connection = connected(profile, &gateway.path("")).await;
    let today = jiff::civil::date(2026, 5, 10);
    let (protocol, health_review) = ("isp-health".parse().unwrap(), RecordType::HealthReview);
    let order = PushOrder {
        blinding: connection.blinding(system_rng),
        ..PushOrder::new(file, health_review, protocol, String::new(), today)
    };
    push(connection.service(), &order, &mut Silent).await
}

async fn database(folder: &Path) -> SqlitePool {
    let copy = tempfile::tempdir().unwrap().keep().join("gateway.db");
    fs::copy(folder.join("gateway.db"), &copy).unwrap();
    SqlitePool::connect(&format!("sqlite:{}", copy.display())).await.unwrap()
}

/// What a demo's gateway stored: subjects, persons, bytes of events, and persons of whom health
/// and the centres both sent something.
async fn stored(demo: &Demo) -> (i64, i64, i64, i64) {
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    let sql = "SELECT (SELECT COUNT(*) FROM subject), \
               (SELECT COUNT(DISTINCT person_id) FROM subject), \
               (SELECT SUM(LENGTH(body)) FROM event), \
               (SELECT COUNT(*) FROM (SELECT person_id FROM event JOIN batch USING (batch_id) \
                JOIN feed USING (feed_id) WHERE partner_id IN ('health', 'centres') \
                GROUP BY person_id HAVING COUNT(DISTINCT partner_id) = 2))";
    let pool = database(&demo.dir).await;
    let found = sqlx::query_as(sql).fetch_one(&pool).await.unwrap();
    pool.close().await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn blinded_by_some_and_in_clear_by_others_gives_the_same_persons_as_all_in_clear() {
    let blinded = stored(blinded_demo()).await;
    assert_eq!(blinded, stored(demo()).await);
    // A child that health sent blinded and a centre in clear is one person, many times over.
    assert!(blinded.3 > 100, "{blinded:?}");
}

async fn evaluate(
    service: Service,
    opening: v1::PushOpen,
    elements: Vec<Vec<u8>>,
) -> Result<v1::EvaluateResponse, Status> {
    let request = v1::EvaluateRequest { opening: Some(opening), elements };
    let answer = BlindingServiceClient::new(service).evaluate(request).await;
    answer.map(tonic::Response::into_inner)
}

fn opening(key: &str) -> v1::PushOpen {
    v1::PushOpen {
        protocol_id: "isp-health".to_owned(),
        record_type: "health_review".to_owned(),
        columns: COLUMNS.map(str::to_owned).to_vec(),
        extract_day: "2026-05-10".to_owned(),
        blinded: Some(v1::BlindedStream {
            public_key: hex::decode(key).unwrap(),
            rules: tallygate::linkage::RULES.into(),
            identifier_rules: tallygate::keys::IDENTIFIER_RULES.into(),
            comparison_rules: tallygate::linkage::FORM_RULES.into(),
        }),
        ..v1::PushOpen::default()
    }
}

/// The base point of ristretto255 (RFC 9496 A.1).
const POINT: &str = "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_batch_of_blinded_values_is_refused_in_one_sentence() {
    let gateway = Copy::start_of(blinded_demo()).await;
    let key = gateway.profile("health").blinding_key.unwrap();
    let health = gateway.caller("health").await;
    let point = hex::decode(POINT).unwrap();
    let good = evaluate(health.clone(), opening(&key), vec![point.clone()]).await.unwrap();
    assert_eq!((good.elements.len(), good.proof.len()), (1, 64));
    assert!(good.left_today > 0 && good.receipt.is_some());
    let mut large = vec![0xff; 32];
    (large[0], large[31]) = (0xee, 0x7f);
    for (elements, words) in [
        (vec![], "1 to 2,048"),
        (vec![point.clone(); 2_049], "1 to 2,048"),
        (vec![point.clone(), point[1..].to_vec()], "element 2 is not a blinded value"),
        (vec![vec![0; 32]], "other than the identity"),
        (vec![large], "canonical encoding"),
    ] {
        let status = evaluate(health.clone(), opening(&key), elements).await.unwrap_err();
        assert_eq!(reason(&status), ("invalid_argument".to_owned(), true));
        let details = String::from_utf8_lossy(status.details()).into_owned();
        assert!(details.contains(words), "{words}: {details}");
    }
    let mut bare = opening(&key);
    bare.blinded = None;
    assert_refused(evaluate(health.clone(), bare, vec![point.clone()]).await, "invalid_argument");
    assert_refused(
        evaluate(health.clone(), opening(POINT), vec![point.clone()]).await,
        "other_blinding_key",
    );
    let mut old = opening(&key);
    old.blinded.as_mut().unwrap().rules += 1;
    assert_refused(evaluate(health.clone(), old, vec![point.clone()]).await, "other_rules");
    // Only for what the partner may send, and only for who has declared a feed.
    let mut other = opening(&key);
    other.protocol_id = "isp-centres".to_owned();
    assert_refused(evaluate(health, other, vec![point.clone()]).await, "protocol_unknown");
    let centres = gateway.caller("centres").await;
    assert_refused(evaluate(centres, opening(&key), vec![point]).await, "no_declared_feed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_blinded_as_a_whole_and_for_this_deployment() {
    let gateway = Copy::start_of(blinded_demo()).await;
    let profile = gateway.profile("health");
    let key = profile.blinding_key.clone().unwrap();
    let health = || gateway.caller("health");
    let open = |blinded: bool| {
        let mut open = opening(&key);
        open.blinded = open.blinded.filter(|_| blinded);
        open
    };
    let row = |values: [&str; 11], blinded: Option<v1::BlindedRow>| v1::RecordRow {
        values: values.map(str::to_owned).to_vec(),
        blinded,
    };
    let shown = ["", "2026-05-01", "2026-02-03", "", "", "", "2024-02-28", "2", "", "twelve_month"];
    let shown: [&str; 11] = [&shown[..], &["completed"]].concat().try_into().unwrap();
    let value = |byte: u8| vec![byte; 16];
    // Nothing known but the sex that the row shows: form, sex, marks, no tags.
    let comparison = [&[1, b'F', 0][..], &[0; 8]].concat();
    let fingerprint = value(2);
    let person = v1::BlindedPerson { fingerprint, comparison, ..v1::BlindedPerson::default() };
    let blinded =
        v1::BlindedRow { record: value(1), persons: vec![person], ..v1::BlindedRow::default() };
    let clear = [&["R-1"], &shown[1..]].concat().try_into().unwrap();
    let mut wrong = blinded.clone();
    wrong.persons[0].fingerprint.pop();
    let mut other = blinded.clone();
    other.persons[0].comparison[1] = b'M';
    let rows = vec![
        row(shown, Some(blinded.clone())),
        row(clear, Some(blinded.clone())),
        row(shown, None),
        row(shown, Some(wrong)),
        row(shown, Some(other)),
    ];
    let taken = sent(health().await, open(true), rows).await.unwrap();
    let told: Vec<_> = taken.rejections.iter().map(|r| (r.row, &*r.field, &*r.rule)).collect();
    let form = "blinded-form";
    let expected =
        [(1, "record_id", "clear-in-blinded"), (2, "", form), (3, "", form), (4, "sex", form)];
    assert_eq!((taken.well_formed, &told[..]), (1, &expected[..]));
    // A blinded row where rows come in clear, and a blinded stream to whoever hashes.
    let refused = sent(health().await, open(false), vec![row(shown, Some(blinded))]).await;
    assert_refused(refused, "invalid_argument");
    let hashing = Copy::start().await;
    let refused = sent(hashing.caller("health").await, open(true), Vec::new()).await;
    assert_refused(refused, "not_a_blinded_deployment");
    // Another key in the profile: nothing is sent.
    let other = ProfileFile { blinding_key: Some(POINT.to_owned()), ..profile };
    let error = push_reviews(&gateway, other, &reviews("other", 0..3)).await.unwrap_err();
    assert_eq!(reason(error.status().unwrap()).0, "other_blinding_key");
}

/// The first acknowledgement of a stream with one batch.
async fn sent(
    service: Service,
    open: v1::PushOpen,
    rows: Vec<v1::RecordRow>,
) -> Result<v1::BatchAcknowledgement, Status> {
    use v1::{push_request::Message, push_response};
    let batch = v1::RecordBatch { sequence: 1, rows };
    let messages = [Message::Open(open), Message::Batch(batch)];
    let messages = messages.map(|message| v1::PushRequest { message: Some(message) });
    let mut client = v1::intake_service_client::IntakeServiceClient::new(service);
    let mut answers = client.push(tokio_stream::iter(messages)).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        if let Some(push_response::Message::Acknowledgement(taken)) = answer.message {
            return Ok(taken);
        }
    }
    Err(Status::unavailable("the stream ended"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_bounds_what_is_evaluated_and_every_batch_is_logged() {
    let gateway = Copy::start_of(blinded_demo()).await;
    let gateway = gateway
        .restart_with(|folder| {
            let path = folder.join("gateway.toml");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("records_a_day = 5000000", "records_a_day = 20"))
                .unwrap();
            // What was spent on the demo itself is another deployment's.
        })
        .await;
    let profile = gateway.profile("health");
    let key = profile.blinding_key.clone().unwrap();
    // The officer's list shows the key that partners pin.
    let mut officer = KeyServiceClient::new(gateway.caller("officer").await);
    let keys = officer.list_keys(v1::ListKeysRequest {}).await.unwrap().into_inner().keys;
    let of = |purpose: &str| keys.iter().filter(|k| k.purpose == purpose).collect::<Vec<_>>();
    assert_eq!((&of("blinding")[0].public_key, of("blinding").len()), (&key, 1));
    assert!(of("pseudonym").iter().all(|key| key.prf == "oprf"));
    // The demo's own pushes have used up far more of the day than that.
    let point = vec![hex::decode(POINT).unwrap()];
    let health = gateway.caller("health").await;
    let status = evaluate(health, opening(&key), point).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), ("evaluation_quota".to_owned(), true));
    assert!(status.message().contains("begins anew at midnight UTC"), "{status:?}");
    let error = push_reviews(&gateway, profile, &reviews("quota", 0..3)).await.unwrap_err();
    assert!(error.to_string().contains("quota of evaluations"), "{error}");
    let path = gateway.path("");
    gateway.running.stop().await.unwrap();
    let pool = SqlitePool::connect(&format!("sqlite:{}gateway.db", path.display())).await.unwrap();
    let sql = "SELECT CAST(leaf AS TEXT) FROM log_entry";
    let leaves: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&pool).await.unwrap();
    let evaluated: Vec<_> =
        leaves.iter().filter(|(leaf,)| leaf.contains("\"blinded_evaluated\"")).collect();
    assert!(evaluated.len() >= 4, "{}", evaluated.len());
    for (leaf,) in evaluated {
        for part in ["\"partner\":", "\"size_class\":\"<", "\"protocol\":", "\"clause\":"] {
            assert!(leaf.contains(part), "{part} {leaf}");
        }
    }
    assert!(leaves.iter().any(|(leaf,)| leaf.contains("\"reason\":\"evaluation_quota\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_keeps_its_prf() {
    let gateway = Copy::start_of(blinded_demo()).await;
    let folder = gateway.path("");
    gateway.running.stop().await.unwrap();
    let attempt = async |edit: fn(&Path)| {
        edit(&folder);
        let config = Config::read(&folder.join("gateway.toml")).unwrap();
        match server::start(&config, Arc::new(SystemClock), system_rng()).await {
            Ok(_) => panic!("it started"),
            Err(error) => error.to_string(),
        }
    };
    // The configuration alone, then the key file with it: the same bytes under another name.
    let sentence = attempt(|folder| replace(folder, "gateway.toml", "oprf", "hmac")).await;
    assert!(sentence.contains("pseudonym_prf is \"hmac\" and the key file is for \"oprf\""));
    let sentence = attempt(|folder| replace(folder, "keys/pseudonym.json", "oprf", "hmac")).await;
    assert!(sentence.contains("made with pseudonym_prf = \"oprf\""), "{sentence}");
    assert!(sentence.contains("a deployment keeps its PRF"), "{sentence}");
}

fn replace(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file}");
    fs::write(&path, text.replace(from, to)).unwrap();
}
