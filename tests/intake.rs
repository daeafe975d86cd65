//! What a broken connection leaves: nothing acknowledged is lost, nothing is stored twice.

use crate::support::{
    gateway::Copy,
    stream::{Stream, nhs_number, rows},
};
use tallygate::wire::v1;

#[tokio::test]
async fn a_broken_stream_loses_nothing_and_stores_nothing_twice() {
    let gateway = Copy::start().await;
    let mut stream = Stream::open(gateway.caller("health").await).await.unwrap();
    stream.send(1, rows("broken", 0..40)).await;
    let first = stream.acknowledged().await;
    assert_eq!((first.well_formed, first.sent_before, first.rejections.len()), (40, 0, 0));
    // A second batch is on its way when the connection breaks.
    stream.send(2, rows("broken", 40..80)).await;
    drop(stream);
    let mut again = Stream::open(gateway.caller("health").await).await.unwrap();
    again.send(1, rows("broken", 0..80)).await;
    let taken = again.acknowledged().await;
    assert_eq!(taken.well_formed, 80);
    // What was acknowledged was there; of the rest either all was, or nothing.
    assert!(matches!(taken.sent_before, 40 | 80), "{}", taken.sent_before);
    again.send(2, rows("broken", 0..80)).await;
    let taken = again.acknowledged().await;
    assert_eq!((taken.well_formed, taken.sent_before), (80, 80));
    drop(again);
    let path = gateway.path("gateway.db");
    gateway.running.stop().await.unwrap();
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    let (counted,): (i64,) = sqlx::query_as(
        "SELECT COUNT(*) FROM subject s JOIN event e ON e.subject_id = s.subject_id \
         JOIN batch b ON b.batch_id = e.batch_id AND b.state = 1 \
         JOIN (SELECT MAX(subject_id) - 80 AS before FROM subject) m ON s.subject_id > m.before",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(counted, 80, "each of the 80 new children has one event");
}

/// Two identities of one child are brought together by a third that comes in the same batch
/// as a record of one of them: that record must go with its child.
#[tokio::test]
async fn records_go_where_their_child_is_after_the_batch() {
    const COLUMNS: [&str; 11] = [
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
    let gateway = Copy::start().await;
    let nhs = nhs_number(7);
    let row = |id: &str, nhs: &str, (surname, postcode): (&str, &str)| v1::RecordRow {
        values: [
            id,
            "2026-05-01",
            "2026-02-03",
            nhs,
            "Zebra",
            surname,
            "2024-02-28",
            "2",
            postcode,
            "twelve_month",
            "completed",
        ]
        .map(str::to_owned)
        .to_vec(),
        blinded: None,
    };
    // Another name at another address: only the last row shows that both are one child.
    let (before, since) = (("Aardvark", "CV6 1ER"), ("Zzyzx", "CV1 5FB"));
    let mut stream = Stream::open_with(gateway.caller("health").await, &COLUMNS).await.unwrap();
    for (sequence, rows) in [
        (1, vec![row("apart-1", &nhs, before)]),
        (2, vec![row("apart-2", "", since)]),
        (3, vec![row("apart-3", "", since), row("apart-4", &nhs, since)]),
    ] {
        let sent = rows.len();
        stream.send(sequence, rows).await;
        let taken = stream.acknowledged().await;
        assert_eq!((taken.well_formed as usize, &taken.rejections), (sent, &vec![]));
    }
    drop(stream);
    let path = gateway.path("gateway.db");
    gateway.running.stop().await.unwrap();
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    let last = "SELECT COUNT(*), COUNT(DISTINCT person_id) FROM event WHERE event_number > \
                (SELECT MAX(event_number) - 4 FROM event)";
    let found: (i64, i64) = sqlx::query_as(last).fetch_one(&pool).await.unwrap();
    assert_eq!(found, (4, 1), "four records of one child");
    let strays = "SELECT COUNT(*) FROM event e JOIN subject s ON s.subject_id = e.subject_id \
                  WHERE e.person_id <> s.person_id";
    let (strays,): (i64,) = sqlx::query_as(strays).fetch_one(&pool).await.unwrap();
    assert_eq!(strays, 0, "an event is where its identity is");
}
