//! Evaluations against a partner's quota.

use super::{Fresh, on_both};
use tallygate::{
    domain::PartnerId,
    store::{
        ActError, Effect, Outcome, Rights,
        evaluations::{Spending, on_day},
    },
};

on_both!(a_quota_is_never_exceeded_and_each_day_begins_anew);

async fn a_quota_is_never_exceeded_and_each_day_begins_anew(fresh: Fresh) {
    let [health, centres]: [PartnerId; 2] = ["health", "centres"].map(|id| id.parse().unwrap());
    let spend = async |who: &PartnerId, day: i32, count: u64| {
        let spending = Spending { partner: who.clone(), day, count, quota: 100 };
        fresh.act(Effect::Evaluate(Box::new(spending))).await
    };
    let spent = async |who: &PartnerId, day: i32| {
        let mut tx = fresh.read(Rights::Figures).await;
        on_day(&mut tx, who, day).await.unwrap()
    };
    let is_refused = |done: Result<(), ActError>| matches!(done, Err(ActError::Conflict));
    assert!(is_refused(spend(&health, 1, 101).await.map(drop)), "more than a day's at once");
    assert_eq!(spent(&health, 1).await, 0);
    assert_eq!(spend(&health, 1, 60).await.unwrap(), Outcome::Total(60));
    assert!(is_refused(spend(&health, 1, 41).await.map(drop)));
    assert_eq!(spend(&health, 1, 40).await.unwrap(), Outcome::Total(100));
    assert!(is_refused(spend(&health, 1, 1).await.map(drop)));
    assert_eq!((spent(&health, 1).await, spent(&centres, 1).await), (100, 0));
    assert_eq!(spend(&centres, 1, 7).await.unwrap(), Outcome::Total(7));
    assert_eq!(spend(&health, 2, 100).await.unwrap(), Outcome::Total(100));
    // Another gateway's clock may still be in the day before: what was spent then counts until
    // the day after.
    assert_eq!((spent(&health, 1).await, spent(&centres, 1).await), (100, 7));
    assert!(is_refused(spend(&health, 1, 1).await.map(drop)));
    assert_eq!(spend(&health, 3, 100).await.unwrap(), Outcome::Total(100));
    assert_eq!((spent(&health, 1).await, spent(&health, 2).await), (0, 100));
}
