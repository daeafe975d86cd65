//! Papers beside protocols, and the batches that a revocation takes out of use.

use super::{Fresh, batch_of, on_both, partner, records::stored};
use tallygate::{
    domain::{FeedId, RecordType},
    store::{
        ActError, Effect, Rights, StoreError, feeds,
        papers::{self, Fate, Kind, Paper, Turn},
        protocols::{self, Change},
        scan,
    },
};

on_both!(
    papers_are_kept_with_the_change_that_they_make,
    frozen_batches_count_no_more_until_they_are_thawed,
    purged_batches_are_thawed_by_nothing,
);

fn entry(version: u32, life: &str) -> protocols::Entry {
    protocols::Entry {
        protocol: "isp-health".parse().unwrap(),
        version,
        life: life.to_owned(),
        arrivals: "{}".to_owned(),
        digest: [5; 32],
        document: "{}".to_owned(),
    }
}

fn paper(digest: u8, kind: Kind, arrived: i64) -> Paper {
    Paper {
        protocol: "isp-health".parse().unwrap(),
        version: 1,
        digest: [digest; 32],
        kind,
        document: format!("{{\"paper\":{digest}}}"),
        arrived,
    }
}

impl Fresh {
    /// Turns version 1 from one life into another.
    async fn turn(
        &self,
        lives: (&str, &str),
        paper: Option<Paper>,
        fate: Option<Fate>,
    ) -> Result<(), ActError> {
        let before = (lives.0 != "new").then(|| entry(1, lives.0));
        let change = Change { entry: entry(1, lives.1), before, superseded: None };
        let turn = Turn { change, paper, fate };
        self.act(Effect::TurnProtocol(Box::new(turn))).await.map(drop)
    }

    async fn counts(&self, feed: FeedId) -> usize {
        let mut tx = self.read(Rights::Release).await;
        scan::persons(&mut tx, &[feed], 0, 100).await.unwrap().len()
    }
}

async fn papers_are_kept_with_the_change_that_they_make(fresh: Fresh) {
    fresh.turn(("new", "a"), None, None).await.unwrap();
    let (deed, word) = (paper(2, Kind::Adherence, 9), paper(1, Kind::Revocation, 7));
    fresh.turn(("a", "b"), Some(deed.clone()), None).await.unwrap();
    // From another life than the stored one neither is kept; nor is a paper kept twice.
    let late = fresh.turn(("a", "c"), Some(word.clone()), None).await;
    assert!(matches!(late, Err(ActError::Conflict)));
    let twice = fresh.turn(("b", "c"), Some(deed.clone()), None).await;
    assert!(matches!(twice, Err(ActError::Conflict)));
    fresh.turn(("b", "c"), Some(word.clone()), None).await.unwrap();
    let mut tx = fresh.read(Rights::Figures).await;
    // In the order in which they took effect, whatever a clock said.
    assert_eq!(papers::all(&mut tx).await.unwrap(), [deed, word]);
    assert_eq!(protocols::all(&mut tx).await.unwrap(), [entry(1, "c")]);
    drop(tx);
    fresh.attack("UPDATE protocol_paper SET kind = 'poem' WHERE arrived = 7").await.unwrap();
    let mut tx = fresh.read(Rights::Figures).await;
    let corrupt = papers::all(&mut tx).await;
    assert!(matches!(corrupt, Err(StoreError::Corrupt { table: "protocol_paper", .. })));
}

fn frozen(party: &str, purge: bool) -> Option<Fate> {
    Some(Fate::Frozen { party: partner(party), purge })
}

async fn frozen_batches_count_no_more_until_they_are_thawed(fresh: Fresh) {
    let reviews = fresh.feed("health", RecordType::HealthReview).await;
    let others = fresh.feed("families", RecordType::Referral).await;
    for (feed, number) in [(reviews, 1), (others, 2)] {
        let batch = fresh.stage(feed, 1, &[stored(number, number, None)]).await;
        fresh.accept(batch).await.unwrap();
    }
    // Under another protocol, by the same sender.
    let elsewhere = feeds::NewBatch { protocol: "isp-other".parse().unwrap(), ..batch_of(reviews) };
    let batch = fresh.stage_at(elsewhere, 7, &[stored(3, 3, None)]).await;
    fresh.accept(batch).await.unwrap();
    fresh.turn(("new", "a"), None, None).await.unwrap();
    assert_eq!((fresh.counts(reviews).await, fresh.counts(others).await), (2, 1));
    fresh.turn(("a", "b"), None, frozen("health", false)).await.unwrap();
    assert_eq!((fresh.counts(reviews).await, fresh.counts(others).await), (1, 1));
    // Only what the new version lists comes back.
    let births = thawed(&[("health", RecordType::LiveBirth)]);
    fresh.turn(("b", "b2"), None, births).await.unwrap();
    assert_eq!(fresh.counts(reviews).await, 1);
    let back = [("families", RecordType::Referral), ("health", RecordType::HealthReview)];
    fresh.turn(("b2", "c"), None, thawed(&back)).await.unwrap();
    assert_eq!((fresh.counts(reviews).await, fresh.counts(others).await), (2, 1));
}

async fn purged_batches_are_thawed_by_nothing(fresh: Fresh) {
    let reviews = fresh.feed("health", RecordType::HealthReview).await;
    let batch = fresh.stage(reviews, 1, &[stored(1, 1, None), stored(2, 2, None)]).await;
    fresh.accept(batch).await.unwrap();
    fresh.turn(("new", "a"), None, None).await.unwrap();
    fresh.turn(("a", "b"), None, frozen("health", false)).await.unwrap();
    fresh.turn(("b", "c"), None, frozen("health", true)).await.unwrap();
    // Neither a later freeze nor a new version brings back what is to be let go.
    fresh.turn(("c", "d"), None, frozen("health", false)).await.unwrap();
    fresh.turn(("d", "e"), None, thawed(&[("health", RecordType::HealthReview)])).await.unwrap();
    assert_eq!(fresh.counts(reviews).await, 0);
}

fn thawed(feeds: &[(&str, RecordType)]) -> Option<Fate> {
    let feeds = feeds.iter().map(|(who, record_type)| (partner(who), *record_type)).collect();
    Some(Fate::Thawed { feeds })
}
