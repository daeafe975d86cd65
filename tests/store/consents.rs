//! Consents, geographies and the postcode lookup.

use super::{Fresh, key, on_both};
use tallygate::store::{Effect, Outcome, Rights, consents, effect, geography};

on_both!(a_no_prevails_and_the_later_holds, geographies_are_numbered_and_postcodes_replaced,);

async fn a_no_prevails_and_the_later_holds(fresh: Fresh) {
    let consent = |number, state, day| consents::Entry {
        key: key(number),
        state,
        given_by: 1,
        recorded_on: day,
        notice_version: String::new(),
        key_version: 1,
    };
    for (number, state, day, holds) in [
        (1, 1, 100, (1, 100)),
        // Of one day the no, whatever comes first.
        (1, 2, 100, (2, 100)),
        (1, 1, 100, (2, 100)),
        // What is older changes nothing; what is newer holds.
        (1, 3, 99, (2, 100)),
        (1, 1, 101, (1, 101)),
    ] {
        fresh.act(Effect::PutConsents(vec![consent(number, state, day)])).await.unwrap();
        let mut tx = fresh.read(Rights::Intake).await;
        let states = consents::states(&mut tx, &[key(number), key(999)]).await.unwrap();
        assert_eq!(states.into_iter().collect::<Vec<_>>(), [(key(number), holds)]);
    }
    let many: Vec<_> = (10..900).map(|number| consent(number, 1, 100)).collect();
    fresh.act(Effect::PutConsents(many)).await.unwrap();
    let keys: Vec<_> = (10..900).map(key).collect();
    let mut tx = fresh.read(Rights::Figures).await;
    assert_eq!(consents::states(&mut tx, &keys).await.unwrap().len(), 890);
}

async fn geographies_are_numbered_and_postcodes_replaced(fresh: Fresh) {
    let epoch = async || {
        let mut tx = fresh.read(Rights::Figures).await;
        effect::policy_epoch(&mut tx).await.unwrap()
    };
    let before = epoch().await;
    for version in 1..=2u32 {
        let entry = geography::Entry { valid_from: 100, json: format!("[{version}]") };
        let put = fresh.act(Effect::PutGeography(entry)).await.unwrap();
        assert_eq!(put, Outcome::Version(version));
    }
    let rows =
        |rows, key_version, replaced| geography::PostcodeRows { rows, key_version, replaced };
    let lookup = rows(vec![(key(1), 9_522), (key(3), 9_523)], 1, vec![]);
    let put = fresh.act(Effect::PutPostcodes(lookup)).await.unwrap();
    assert_eq!(put, Outcome::Total(2));
    // The second postcode again, under another version of the keys.
    let again = rows(vec![(key(2), 9_524)], 2, vec![key(3), key(999)]);
    let put = fresh.act(Effect::PutPostcodes(again)).await.unwrap();
    assert_eq!(put, Outcome::Total(2));
    // Every gateway sees that it has to look again.
    assert_eq!(epoch().await, before + 4);
    let mut tx = fresh.read(Rights::Figures).await;
    assert_eq!(geography::postcodes_version(&mut tx).await.unwrap(), 3);
    let mut held = geography::postcodes(&mut tx).await.unwrap();
    held.sort_unstable_by_key(|(.., lsoa)| *lsoa);
    assert_eq!(held, [(key(1), 1, 9_522), (key(2), 2, 9_524)]);
    let all = geography::all(&mut tx).await.unwrap();
    let all: Vec<_> = all.iter().map(|g| (g.version, g.valid_from, &*g.json)).collect();
    assert_eq!(all, [(1, 100, "[1]"), (2, 100, "[2]")]);
}
