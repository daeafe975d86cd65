//! The schema's level.

use super::{Fresh, Place, on_both};
use tallygate::store::{Location, Store, StoreError};

on_both!(
    migrating_again_changes_nothing,
    one_level_ahead_is_served_from_and_two_are_not,
    an_empty_database_is_older,
);

async fn migrating_again_changes_nothing(fresh: Fresh) {
    if let Place::Postgres(database) = &fresh.place {
        let owner = Store::open(&Location::Postgres(database.location("owner"))).await.unwrap();
        // Two at once, as two operators might.
        let (first, second) =
            tokio::join!(owner.migrate(Some("gateway")), owner.migrate(Some("gateway")));
        first.and(second).unwrap();
    } else {
        fresh.store.migrate(None).await.unwrap();
    }
    fresh.store.check_level().await.unwrap();
}

async fn one_level_ahead_is_served_from_and_two_are_not(fresh: Fresh) {
    // Gateways are upgraded one by one: the older program meets the newer schema.
    let next = "INSERT INTO migration SELECT MAX(step) + 1, 'of the next program' FROM migration";
    fresh.attack(next).await.unwrap();
    fresh.store.check_level().await.unwrap();
    fresh.attack(next).await.unwrap();
    assert!(matches!(fresh.store.check_level().await, Err(StoreError::Newer)));
    fresh.attack("DELETE FROM migration WHERE step > 4").await.unwrap();
    let older = fresh.store.check_level().await.unwrap_err();
    assert!(older.to_string().contains("tallygate migrate"), "{older}");
}

async fn an_empty_database_is_older(fresh: Fresh) {
    fresh.attack("DROP TABLE migration").await.unwrap();
    assert!(matches!(fresh.store.check_level().await, Err(StoreError::Older)));
}
