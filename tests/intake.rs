//! What a broken connection leaves: nothing acknowledged is lost, nothing is stored twice.

use crate::support::{
    gateway::Copy,
    stream::{Stream, rows},
};

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
