//! Closing a quarter: what stands in its way, and what it counts.

use super::{
    last_leaf, reason_of, refused,
    support::{AREAS, Town, partner},
};
use crate::{
    audit::{Leaf, LeafKind},
    disclosure::{Catalogue, verify_release},
    domain::{Event, RecordType, Role, field::Value, records::registration, time::epoch_day},
    gateway::Closed,
    protocol::{Act, CallerRole, Coverage, template::Template},
    store::{Effect, releases},
};
use jiff::civil::date;

const QUARTER: &str = "2026Q1";

/// The noisy cells of a table, area by area.
fn cells(frozen: &crate::gateway::Frozen, table: &str) -> Vec<Vec<i64>> {
    frozen.release.table(&table.parse().unwrap()).unwrap().counts.clone()
}

/// Whether a noisy count lies within six standard deviations of the exact one.
fn near(noisy: i64, exact: i64, variance: i64) -> bool {
    (noisy - exact).pow(2) <= 36 * variance
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_quarter_counts_what_was_accepted_with_fresh_noise() {
    let mut town = Town::new().await;
    let children = town.populate(9_000).await;
    let frozen = town.close(QUARTER).await;
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::ReleaseFrozen);
    let release = &frozen.value().release;
    assert_eq!(leaf.notes.release.map(|h| *h.as_bytes()), Some(*frozen.value().digest.as_bytes()));
    assert_eq!(
        leaf.notes.document.map(|h| *h.as_bytes()),
        Some(*release.catalogue.digest.as_bytes())
    );
    assert_eq!(leaf.notes.period, Some(QUARTER.parse().unwrap()));

    // 3,000 under-fives in each area, 2,000 of them registered on 5 January and so 85 days.
    for row in cells(frozen.value(), "engagement") {
        assert!(near(row[0], 1_000, 110) && near(row[2], 2_000, 110), "{row:?}");
        assert!([1, 3, 4, 5, 6, 7].iter().all(|cell| near(row[*cell], 0, 110)), "{row:?}");
    }
    // Of each 1,400 birth days the last 699 are on the list; 18 months old by 31 March
    // 2026 are those born by 30 September 2024, day 972.
    let listed = children.iter().enumerate().filter(|(n, _)| (701..=972).contains(&(n % 1_400)));
    let listed = i64::try_from(listed.count()).unwrap();
    let twos: i64 = cells(frozen.value(), "twos").concat().iter().sum();
    assert!(near(twos, listed, 12 * 64), "{twos} of {listed}");

    assert_eq!(release.protocols.len(), 5);
    let week = |sender: &str, record_type| {
        let of = |f: &&crate::disclosure::FeedWeek| {
            f.partner == partner(sender) && f.record_type == record_type
        };
        release.feeds.iter().find(of).unwrap().week.map(|week| week.to_string())
    };
    assert_eq!(week("health", RecordType::LiveBirth).as_deref(), Some("2026-W15"));
    assert_eq!(week("health", RecordType::HealthReview), None);
    let catalogue = Catalogue::shipped().unwrap();
    assert_eq!(verify_release(release, &catalogue, release.budget.limits, &[]), Ok(()));

    // The next quarter draws anew, although nothing was added.
    town.set_clock("2026-08-13T12:00:00Z");
    let next = town.close("2026Q2").await;
    assert_eq!(next.value().release.previous, Some(frozen.value().digest));
    assert_ne!(cells(next.value(), "referrals"), cells(frozen.value(), "referrals"));
    let before = [release.clone()];
    let verified =
        verify_release(&next.value().release, &catalogue, release.budget.limits, &before);
    assert_eq!(verified, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_serve_is_not_counted() {
    let mut town = Town::new().await;
    let children = town.populate(900).await;
    let lsoa = Some(AREAS[0].2.parse().unwrap());
    let day = epoch_day(date(2026, 1, 5));
    let registered = |id| {
        let event = Event {
            record_type: RecordType::Registration,
            role: Role::Principal,
            day: Some(day),
            known: day,
            place: lsoa,
            values: vec![(registration::START_DATE, Value::Day(day))],
        };
        (id, event)
    };
    // Health has no flow of registrations: what stands in such a feed serves nothing.
    let all: Vec<_> = children.iter().step_by(3).map(|id| registered(*id)).collect();
    town.send("health", RecordType::Registration, date(2026, 4, 7), all).await;
    // Nor does a record that its sender withdrew.
    let extra = town.children(300).await;
    let extra: Vec<_> = extra.iter().map(|id| registered(*id)).collect();
    let (_, first) = town.send("centres", RecordType::Registration, date(2026, 4, 7), extra).await;
    for number in first..first + 300 {
        town.withdraw("centres", RecordType::Registration, number).await;
    }
    // Nor one without a consent, or whose consent has run out or is for something else.
    let (ended, other, unknown) = ([1; 16], [2; 16], [3; 16]);
    let until = Some(epoch_day(date(2026, 5, 12)));
    town.consent(ended, Coverage { until, ..Coverage::default() }).await;
    let record_types = vec![RecordType::Referral];
    town.consent(other, Coverage { record_types, ..Coverage::default() }).await;
    for consent in [None, Some(ended), Some(other), Some(unknown)] {
        let extra = town.children(100).await;
        let extra: Vec<_> = extra.iter().map(|id| registered(*id)).collect();
        let day = date(2026, 4, 7);
        town.send_with("centres", RecordType::Registration, day, extra, consent).await;
    }
    let frozen = town.close(QUARTER).await;
    let row = &cells(frozen.value(), "engagement")[0];
    assert!(near(row[0], 100, 110) && near(row[2], 200, 110), "{row:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_data_officers_close_and_only_quarters_that_are_over_and_next() {
    let town = Town::new().await;
    let gateway = &town.gateway;
    let provider = town.actor("health", &[CallerRole::Provider], None);
    for actor in [town.auditor(), town.manager("CC01"), provider] {
        assert_eq!(refused(gateway.close_quarter(&actor, QUARTER, &[]).await).0, "wrong_role");
        assert_eq!(refused(gateway.preview_release(&actor, QUARTER).await).0, "wrong_role");
    }
    let officer = town.officer();
    assert_eq!(refused(gateway.close_quarter(&officer, "2026q1", &[]).await).0, "invalid_argument");
    town.set_clock("2026-05-12T22:59:59Z");
    assert_eq!(
        refused(gateway.close_quarter(&officer, QUARTER, &[]).await).0,
        "quarter_still_open"
    );
    assert_eq!(reason_of(&last_leaf(&town).await), "quarter_still_open");
    // Midnight in London, an hour before that of UTC.
    town.set_clock("2026-05-12T23:00:00Z");
    town.close(QUARTER).await;
    assert_eq!(refused(gateway.close_quarter(&officer, QUARTER, &[]).await).0, "already_released");
    let early = refused(gateway.close_quarter(&officer, "2025Q4", &[]).await).0;
    assert_eq!(early, "later_quarter_released");
    assert_eq!(
        refused(gateway.close_quarter(&officer, "2024Q1", &[]).await).0,
        "later_quarter_released"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_documents_and_areas_must_allow_the_close() {
    let town = Town::bare().await;
    let (gateway, officer) = (&town.gateway, town.officer());
    assert_eq!(refused(gateway.close_quarter(&officer, QUARTER, &[]).await).0, "no_areas");
    town.put_geography().await;
    assert_eq!(
        refused(gateway.close_quarter(&officer, QUARTER, &[]).await).0,
        "root_policy_missing"
    );
    for template in [Template::Health, Template::Learning, Template::Families, Template::Centres] {
        town.put_protocol(template, &[]).await;
    }
    town.put_root(Catalogue::shipped().unwrap(), 128_300_000).await;
    assert_eq!(refused(gateway.close_quarter(&officer, QUARTER, &[]).await).0, "flow_not_granted");
    town.put_protocol(Template::Dwp, &[]).await;
    let suspend = Act::Suspend { party: partner("health") };
    town.put_protocol(Template::Health, &[suspend]).await;
    let (reason, clause) = refused(gateway.close_quarter(&officer, QUARTER, &[]).await);
    assert_eq!((reason, clause.as_deref()), ("protocol_suspended", Some("isp-health/1#")));
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.protocol.unwrap().id.as_str(), "isp-health");
    let preview = gateway.preview_release(&officer, QUARTER).await.unwrap();
    assert!(preview.value().contains("protocol_suspended"), "{}", preview.value());
}

#[tokio::test(flavor = "multi_thread")]
async fn catalogue_and_budget_are_those_that_were_signed() {
    let other = Town::bare().await;
    other.put_geography().await;
    for template in Template::ALL {
        other.put_protocol(*template, &[]).await;
    }
    let mut catalogue = Catalogue::shipped().unwrap();
    catalogue.version = "another".to_owned();
    other.put_root(catalogue, 128_300_000).await;
    let refusal = refused(other.gateway.close_quarter(&other.officer(), QUARTER, &[]).await);
    assert_eq!(refusal.0, "catalogue_not_signed");

    let poor = Town::bare().await;
    poor.put_geography().await;
    for template in Template::ALL {
        poor.put_protocol(*template, &[]).await;
    }
    poor.put_root(Catalogue::shipped().unwrap(), 100_000_000).await;
    let refusal = refused(poor.gateway.close_quarter(&poor.officer(), QUARTER, &[]).await);
    assert_eq!(refusal.0, "over_quarterly_budget");
    let refusal = refused(poor.gateway.preview_release(&poor.officer(), QUARTER).await);
    assert_eq!(refusal.0, "over_quarterly_budget");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_closes_at_once_one_is_frozen_and_the_other_refused() {
    let mut town = Town::new().await;
    town.populate(300).await;
    let accepted = town.open_points(QUARTER).await;
    town.gateway.close_quarter(&town.officer(), QUARTER, &accepted).await.unwrap();
    let (one, other) = (town.second_officer(), town.second_officer());
    let (one, other) = tokio::join!(
        town.gateway.close_quarter(&one, QUARTER, &accepted),
        town.gateway.close_quarter(&other, QUARTER, &accepted)
    );
    assert!(matches!(one.unwrap().value(), Closed::Released(_)));
    assert_eq!(refused(other).0, "already_released");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_another_gateway_froze_is_seen_and_one_that_was_altered_is_not() {
    let town = Town::new().await;
    town.close(QUARTER).await;
    let frozen = town.gateway.release(&town.officer(), QUARTER).await.unwrap();
    let next = crate::domain::Quarter::new(2026, 2).unwrap();
    let mut release = frozen.value().release.clone();
    release.quarter = next;
    let entry = crate::gateway::released::seal(&release, &town.gateway.release_key).unwrap();
    let effect = Effect::Freeze(Box::new((entry, vec![])));
    let leaf = Leaf::new(LeafKind::ReleaseFrozen, town.gateway.now());
    // As another gateway would: this one is told nothing.
    town.gateway.sequencer().commit(crate::store::Act { leaf, effect, epoch: None }).await.unwrap();
    let all = town.gateway.list_releases(&town.auditor()).await.unwrap();
    let quarters: Vec<String> =
        all.value().iter().map(|frozen| frozen.release.quarter.to_string()).collect();
    assert_eq!(quarters, ["2026Q1", "2026Q2"]);

    release.quarter = next.next();
    let mut entry = crate::gateway::released::seal(&release, &town.gateway.release_key).unwrap();
    entry.digest[0] ^= 1;
    let altered = releases::Entry { ..entry };
    town.act(LeafKind::ReleaseFrozen, Effect::Freeze(Box::new((altered, vec![])))).await;
    assert!(matches!(
        town.gateway.list_releases(&town.auditor()).await,
        Err(crate::gateway::Denied::Failed(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_structure_and_warnings_and_never_a_count() {
    let mut town = Town::new().await;
    town.populate(300).await;
    town.set_clock("2026-05-02T12:00:00Z");
    let officer = town.officer();
    let one = town.gateway.preview_release(&officer, QUARTER).await.unwrap();
    let other = town.gateway.preview_release(&officer, QUARTER).await.unwrap();
    assert_eq!(one.value(), other.value());
    let shown: serde_json::Value = serde_json::from_str(one.value()).unwrap();
    assert_eq!(shown["close_day"], "2026-05-12");
    assert_eq!(shown["tables"][0]["areas"], 3);
    assert!(shown["tables"][0].get("counts").is_none());
    let codes: Vec<&str> = shown["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["code"].as_str().unwrap())
        .collect();
    for code in ["feed_missing", "protocol_review_due", "quarter_still_open"] {
        assert!(codes.contains(&code), "{code}: {codes:?}");
    }
    assert_eq!(last_leaf(&town).await.kind, LeafKind::ReleasePreviewed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_for_parties_and_whole_releases_for_officers_and_auditors() {
    let town = Town::new().await;
    let gateway = &town.gateway;
    town.close(QUARTER).await;
    let health = town.actor("health", &[CallerRole::Provider], None);
    assert_eq!(gateway.list_releases(&health).await.unwrap().value().len(), 1);
    // A whole release is wider than what any protocol gives an audience.
    let manager = town.manager("CC01");
    for actor in [&health, &manager] {
        assert_eq!(refused(gateway.release(actor, QUARTER).await).0, "wrong_role");
    }
    for actor in [&town.officer(), &town.auditor()] {
        assert_eq!(gateway.list_releases(actor).await.unwrap().value().len(), 1);
        let found = gateway.release(actor, QUARTER).await.unwrap();
        assert!(found.value().document.contains("\"signatures\""));
    }
    assert!(last_leaf(&town).await.notes.release.is_some());
    let stranger = town.actor("oversight", &[CallerRole::Consumer], None);
    assert_eq!(refused(gateway.list_releases(&stranger).await).0, "wrong_role");
    assert_eq!(refused(gateway.release(&stranger, QUARTER).await).0, "wrong_role");
    assert_eq!(refused(gateway.release(&town.officer(), "2025Q4").await).0, "not_found");
    assert_eq!(refused(gateway.release(&town.officer(), "spring").await).0, "invalid_argument");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_templates_permit_every_table_of_the_catalogue_in_its_quarter() {
    let town = Town::new().await;
    let (snapshot, today) = (town.gateway.snapshot(), town.gateway.today());
    let mut permitted = std::collections::BTreeSet::new();
    for quarter in ["2025Q2", "2025Q3", "2025Q4", "2026Q1"] {
        let quarter = quarter.parse().unwrap();
        for permit in town.gateway.release_permits(&snapshot, quarter, today) {
            permitted.insert(permit.unwrap().table().clone());
        }
    }
    let catalogue = Catalogue::shipped().unwrap();
    assert!(permitted.into_iter().eq(
        catalogue.tables.iter().map(|t| t.id.clone()).collect::<std::collections::BTreeSet<_>>()
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_sources_do_not_permit_it_is_not_released() {
    let mut town = Town::new().await;
    town.populate(60).await;
    // Benefit data reach the builder of one table alone, and only as long as their document
    // lists them as its source.
    for (sender, table, pointer) in [
        (Template::Learning, "twos", "isp-learning/1#/outputs/0/sources"),
        (Template::Health, "births", "isp-health/1#/outputs/2/sources"),
    ] {
        let strike = |protocol: &mut crate::protocol::Protocol| {
            let record_type = match sender {
                Template::Learning => RecordType::FundedPlace,
                _ => RecordType::LiveBirth,
            };
            let flow = protocol.flows.iter().position(|flow| flow.record_type == record_type);
            let other = (0..protocol.flows.len()).find(|at| Some(*at) != flow).unwrap();
            let output =
                protocol.outputs.iter_mut().find(|output| output.table.as_str() == table).unwrap();
            for source in &mut output.sources {
                source.flow = u16::try_from(other).unwrap();
            }
            let mut seen = std::collections::BTreeSet::new();
            output.sources.retain(|source| seen.insert((source.flow, source.purpose)));
        };
        town.put_changed(sender, strike, &[]).await;
        for officer in [town.officer(), town.second_officer()] {
            let closed = town.gateway.close_quarter(&officer, QUARTER, &[]).await;
            let expected = ("source_not_granted", Some(pointer.to_owned()));
            assert_eq!(refused(closed), expected, "{table}");
        }
        assert_eq!(reason_of(&last_leaf(&town).await), "source_not_granted");
        town.put_protocol(sender, &[]).await;
    }
    town.close(QUARTER).await;
}
