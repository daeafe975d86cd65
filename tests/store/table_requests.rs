//! Requests for tables.

use super::{Fresh, now, on_both, partner};
use tallygate::store::{
    ActError, Effect, Outcome, Rights, StoreError,
    table_requests::{self, Decided, NewRequest, State},
};

on_both!(requests_are_numbered_and_decided_once);

async fn requests_are_numbered_and_decided_once(fresh: Fresh) {
    let ask = |who: &str| {
        let document = format!("{{\"title\":\"{who}\"}}");
        let new = NewRequest { partner: partner(who), document, cost: "{}".to_owned() };
        fresh.act(Effect::AskTable(Box::new(new)))
    };
    assert_eq!(ask("health").await.unwrap(), Outcome::Total(1));
    assert_eq!(ask("centres").await.unwrap(), Outcome::Total(2));
    let decide = |number, granted: bool| {
        let decided = Decided { number, granted, reason: "dear".to_owned() };
        fresh.act(Effect::DecideTable(Box::new(decided)))
    };
    decide(2, false).await.unwrap();
    for (number, granted) in [(2, true), (2, false), (3, true), (0, true)] {
        let again = decide(number, granted).await;
        assert!(matches!(again, Err(ActError::Conflict)), "{number}: {again:?}");
    }
    let mut tx = fresh.read(Rights::Figures).await;
    let all = table_requests::all(&mut tx).await.unwrap();
    drop(tx);
    let at = now().as_microsecond();
    let told: Vec<_> = all.iter().map(|r| (r.number, r.state, &*r.reason, r.decided_at)).collect();
    assert_eq!(told, [(1, State::Open, "", 0), (2, State::Refused, "dear", at)]);
    assert_eq!((all[0].partner.as_str(), all[0].asked_at), ("health", at));
    fresh.attack("UPDATE table_request SET state = 9 WHERE number = 1").await.unwrap();
    let mut tx = fresh.read(Rights::Figures).await;
    let corrupt = table_requests::all(&mut tx).await;
    assert!(matches!(corrupt, Err(StoreError::Corrupt { table: "table_request", .. })));
}
