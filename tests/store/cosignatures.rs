//! Cosignatures: the newest of each witness, for every gateway on the database.

use super::{Fresh, on_both};
use tallygate::{
    audit::Hash,
    store::{
        Rights,
        cosignatures::{self, Kept},
    },
};

on_both!(the_newest_of_each_witness_stays);

fn kept(witness: &str, size: u64, received_at: i64) -> Kept {
    Kept {
        witness: witness.to_owned(),
        size,
        root: Hash::new([3; 32]),
        cosigned_at: 1_790_000_000,
        received_at,
        line: format!("\u{2014} {witness} {size}\n"),
    }
}

async fn keep(fresh: &Fresh, kept: &Kept) {
    let mut tx = fresh.store.transact(Rights::Sequencer).await.unwrap();
    cosignatures::keep(&mut tx, kept).await.unwrap();
    tx.commit().await.unwrap();
}

async fn the_newest_of_each_witness_stays(fresh: Fresh) {
    let all = async || cosignatures::all(&mut fresh.read(Rights::Figures).await).await.unwrap();
    assert_eq!(all().await, []);
    let (first, other) = (kept("b.example", 5, 10), kept("a.example", 7, 10));
    keep(&fresh, &first).await;
    keep(&fresh, &other).await;
    assert_eq!(all().await, [other.clone(), first]);
    let newer = kept("b.example", 6, 11);
    keep(&fresh, &newer).await;
    // Another gateway's, which was on its way for longer.
    keep(&fresh, &kept("b.example", 4, 9)).await;
    assert_eq!(all().await, [other.clone(), newer.clone()]);
    // A row from a time that no gateway's clock shows blocks no true one.
    keep(&fresh, &kept("b.example", 9, i64::MAX)).await;
    keep(&fresh, &kept("b.example", 7, 12)).await;
    assert_eq!(all().await, [other.clone(), kept("b.example", 7, 12)]);
    // Another gateway's, whose clock is a little ahead, does.
    let ahead = kept("b.example", 8, 300_000_000);
    keep(&fresh, &ahead).await;
    keep(&fresh, &newer).await;
    keep(&fresh, &kept("b.example", 7, 12)).await;
    assert_eq!(all().await[1].size, 8);
    let mut tx = fresh.store.transact(Rights::Sequencer).await.unwrap();
    cosignatures::retire(&mut tx, "b.example").await.unwrap();
    tx.commit().await.unwrap();
    assert!(all().await[1].is_retired() && !all().await[0].is_retired());
    keep(&fresh, &kept("b.example", 9, 20)).await;
    assert!(!all().await[1].is_retired(), "it cosigns again");
    let corrupt = "UPDATE cosignature SET size = -1";
    assert_eq!(fresh.attack(corrupt).await.unwrap(), 2);
    let read = cosignatures::all(&mut fresh.read(Rights::Figures).await).await;
    assert!(read.is_err(), "corrupt rows are an error, never a default");
}
