//! Consents, geographies and the postcode lookup.

use super::{Fresh, key, on_both};
use std::collections::{BTreeMap, BTreeSet};
use tallygate::{
    domain::{FeedId, RecordType},
    protocol::{
        ConsentGiver, ConsentMeans, ConsentRecord, ConsentTerms, Coverage, Purpose,
        vocabulary::ConsentRule,
    },
    store::{Effect, Outcome, Rights, consents, effect, geography},
};

on_both!(
    a_no_prevails_and_the_later_holds,
    every_statement_is_kept_and_one_said_again_is_not,
    a_row_without_statements_is_one_itself,
    what_was_said_before_is_told_apart_from_what_is_new,
    what_does_not_count_for_a_feed_is_found,
    geographies_are_numbered_and_postcodes_replaced,
);

/// A parent's statement under a reference in these forms.
pub(super) fn stated(
    forms: &[(u16, [u8; 16])],
    state: ConsentRecord,
    day: i32,
) -> consents::Stated {
    consents::Stated {
        reference: forms.to_vec(),
        giver: Vec::new(),
        evidence: Vec::new(),
        given_by: Some(ConsentGiver::Parent),
        state,
        stated_on: day,
        means: Some(ConsentMeans::InWriting),
        notice_version: "v1".to_owned(),
        coverage: Coverage::default(),
    }
}

async fn a_no_prevails_and_the_later_holds(fresh: Fresh) {
    use ConsentRecord::{Given, Refused, Withdrawn};
    let consent = |number, state, day| stated(&[(1, key(number))], state, day);
    for (number, state, day, holds) in [
        (1, Given, 100, (1, 100)),
        // Of one day the no, whatever comes first.
        (1, Refused, 100, (2, 100)),
        (1, Given, 100, (2, 100)),
        // What is older changes nothing; what is newer holds.
        (1, Withdrawn, 99, (2, 100)),
        (1, Given, 101, (1, 101)),
    ] {
        fresh.act(Effect::PutConsents(vec![consent(number, state, day)])).await.unwrap();
        let mut tx = fresh.read(Rights::Intake).await;
        let states = consents::states(&mut tx, &[key(number), key(999)]).await.unwrap();
        assert_eq!(states.into_iter().collect::<Vec<_>>(), [(key(number), holds)]);
    }
    let many: Vec<_> = (10..900).map(|number| consent(number, Given, 100)).collect();
    fresh.act(Effect::PutConsents(many)).await.unwrap();
    let keys: Vec<_> = (10..900).map(key).collect();
    let mut tx = fresh.read(Rights::Figures).await;
    assert_eq!(consents::states(&mut tx, &keys).await.unwrap().len(), 890);
}

async fn what_was_said_before_is_told_apart_from_what_is_new(fresh: Fresh) {
    use ConsentRecord::{Given, Withdrawn};
    let said = |number: usize, state, day| stated(&[(1, key(number))], state, day);
    let held = vec![said(1, Given, 100), said(1, Withdrawn, 101)];
    fresh.act(Effect::PutConsents(held)).await.unwrap();
    let by_a_carer =
        consents::Stated { given_by: Some(ConsentGiver::Carer), ..said(1, Withdrawn, 101) };
    let asked = [
        (said(1, Given, 100), true),
        (said(1, Withdrawn, 101), true),
        (said(1, Withdrawn, 102), false),
        (by_a_carer, false),
        (said(2, Given, 100), false),
        // The same again in one batch.
        (said(2, Given, 100), true),
    ];
    let all: Vec<_> = asked.iter().map(|(said, _)| said.clone()).collect();
    let mut tx = fresh.read(Rights::Figures).await;
    let before = consents::said_before(&mut tx, &all).await.unwrap();
    assert_eq!(before, asked.map(|(_, expected)| expected));
}

async fn every_statement_is_kept_and_one_said_again_is_not(fresh: Fresh) {
    let coverage = Coverage {
        purposes: vec![Purpose::PublicHealth, Purpose::Audit],
        record_types: vec![RecordType::Attendance],
        until: Some(400),
    };
    // The mother under both versions of the keys, then under the newer alone; the father.
    let forms = [(1, key(1)), (2, key(11))];
    let mother = consents::Stated {
        giver: vec![key(5), key(15)],
        evidence: vec![key(7), key(17)],
        coverage: coverage.clone(),
        ..stated(&forms, ConsentRecord::Given, 100)
    };
    let father =
        consents::Stated { giver: vec![key(6)], ..stated(&forms, ConsentRecord::Refused, 90) };
    let again = consents::Stated {
        reference: vec![(2, key(11)), (1, key(1))],
        giver: vec![key(15), key(5)],
        evidence: vec![key(17), key(7)],
        ..mother.clone()
    };
    for (put, kept) in [
        (vec![mother.clone()], 1),
        (vec![mother.clone(), mother], 1),
        (vec![again], 1),
        (vec![father.clone()], 2),
        (vec![father], 2),
    ] {
        fresh.act(Effect::PutConsents(put)).await.unwrap();
        let mut tx = fresh.read(Rights::Figures).await;
        assert_eq!(consents::statements(&mut tx, &forms).await.unwrap().len(), kept);
    }
    let mut tx = fresh.read(Rights::Figures).await;
    let all = consents::statements(&mut tx, &forms).await.unwrap();
    let first = &all[0];
    assert_eq!((first.statement.giver, all[1].statement.giver), (1, 2));
    assert_eq!((first.giver_key, first.evidence_key), (Some(key(5)), Some(key(7))));
    assert_eq!(first.statement.coverage, coverage);
    assert_eq!((first.means, &*first.notice_version), (Some(ConsentMeans::InWriting), "v1"));
    assert!(first.known_at <= all[1].known_at);
    // The father's no stands under both forms of the reference.
    let states = consents::states(&mut tx, &[key(1), key(11)]).await.unwrap();
    assert_eq!(states.into_values().collect::<Vec<_>>(), [(2, 90), (2, 90)]);
    drop(tx);
    // He agrees: what the mother's covers is what counts.
    let agrees =
        consents::Stated { giver: vec![key(6)], ..stated(&forms, ConsentRecord::Given, 95) };
    let agrees = consents::Stated { coverage, ..agrees };
    fresh.act(Effect::PutConsents(vec![agrees])).await.unwrap();
    let mut tx = fresh.read(Rights::Intake).await;
    let recorded = consents::recorded(&mut tx, &[key(1), key(11)]).await.unwrap();
    let given: Vec<_> = recorded[&key(11)].given.iter().map(|given| given.since).collect();
    assert_eq!((recorded[&key(1)].state, given), (ConsentRecord::Given, vec![95, 100]));
    drop(tx);
    // Nothing that was said is changed or taken back.
    for sql in [
        "UPDATE consent_statement SET state = 1 WHERE giver = 2",
        "UPDATE consent_statement SET known_at = 0",
        "UPDATE consent_statement SET valid_until = NULL",
        "UPDATE consent_statement SET giver_key = NULL",
        "DELETE FROM consent_statement",
    ] {
        assert!(fresh.attack(sql).await.is_err(), "{sql}");
    }
}

async fn a_row_without_statements_is_one_itself(fresh: Fresh) {
    // As the program of the level below writes it: while gateways are upgraded one by one.
    let given = stated(&[(1, key(1))], ConsentRecord::Given, 100);
    fresh.act(Effect::PutConsents(vec![given.clone()])).await.unwrap();
    fresh.attack("UPDATE consent SET state = 3, recorded_on = 110, given_by = 0").await.unwrap();
    let mut tx = fresh.read(Rights::Figures).await;
    let all = consents::statements(&mut tx, &[(1, key(1))]).await.unwrap();
    let last = all.last().unwrap();
    assert_eq!((all.len(), last.statement.stated_on), (2, 110));
    assert_eq!(last.known_at, 110 * 86_400_000_000);
    drop(tx);
    // Its withdrawal is not forgotten when somebody else says an earlier yes.
    let carer = consents::Stated { given_by: Some(ConsentGiver::Carer), stated_on: 105, ..given };
    fresh.act(Effect::PutConsents(vec![carer])).await.unwrap();
    let mut tx = fresh.read(Rights::Figures).await;
    let states = consents::states(&mut tx, &[key(1)]).await.unwrap();
    assert_eq!(states[&key(1)], (3, 110));
    let all = consents::statements(&mut tx, &[(1, key(1))]).await.unwrap();
    let days: Vec<_> = all.iter().map(|kept| kept.statement.stated_on).collect();
    assert_eq!(days, [100, 110, 105]);
}

async fn what_does_not_count_for_a_feed_is_found(fresh: Fresh) {
    let until = Coverage { until: Some(200), ..Coverage::default() };
    let other = Coverage { record_types: vec![RecordType::Referral], ..Coverage::default() };
    let consent = |number, day, coverage: &Coverage| consents::Stated {
        coverage: coverage.clone(),
        ..stated(&[(1, key(number))], ConsentRecord::Given, day)
    };
    let all = Coverage::default();
    let put = vec![
        consent(1, 100, &all),
        consent(2, 100, &until),
        consent(3, 100, &other),
        consent(4, 190, &all),
    ];
    fresh.act(Effect::PutConsents(put)).await.unwrap();
    let terms = |record_type, max_age_days| ConsentTerms {
        rule: ConsentRule::Explicit,
        max_age_days,
        record_type,
        purposes: vec![Purpose::Audit],
    };
    let feeds = BTreeMap::from([
        (FeedId::new(1), vec![terms(RecordType::Attendance, None)]),
        (
            FeedId::new(2),
            vec![terms(RecordType::Referral, None), terms(RecordType::Referral, Some(20))],
        ),
    ]);
    for (today, first, second) in [
        (110, vec![3], vec![]),
        (201, vec![2, 3], vec![1, 2, 3]),
        (211, vec![2, 3], vec![1, 2, 3, 4]),
    ] {
        let mut tx = fresh.read(Rights::Release).await;
        let found = consents::unconsented(&mut tx, &feeds, today).await.unwrap();
        let keys = |numbers: Vec<usize>| numbers.into_iter().map(key).collect::<BTreeSet<_>>();
        let of = |feed| found.not_counting.get(&FeedId::new(feed)).cloned().unwrap_or_default();
        assert_eq!((of(1), of(2)), (keys(first), keys(second)), "on {today}");
        assert_eq!(found.asked.len(), 2);
    }
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
    let mut all = Vec::new();
    for (version, valid_from) in geography::versions(&mut tx).await.unwrap() {
        all.push((version, valid_from, geography::document(&mut tx, version).await.unwrap()));
    }
    assert_eq!(all, [(1, 100, "[1]".to_owned()), (2, 100, "[2]".to_owned())]);
}
