//! Geography and the postcode lookup.

use super::support::{World, areas, id};
use crate::{
    audit::LeafKind,
    gateway::{Actor, AreaEntry, MOST_POSTCODES, PostcodePlace},
};
use jiff::civil::date;

fn place(postcode: &str, lsoa: &str) -> PostcodePlace {
    PostcodePlace { postcode: postcode.to_owned(), lsoa: lsoa.to_owned() }
}

#[tokio::test]
async fn a_geography_is_dated_and_listed() {
    let world = World::new().await;
    let officer = world.officer();
    let newer = areas(&["E01009600", "E01009601"]);
    let version = world.gateway.load_areas(&officer, newer, date(2026, 6, 1)).await.unwrap();
    assert_eq!(*version.value(), 2);
    assert_eq!(world.last_leaf().await.kind, LeafKind::AreasLoaded);
    let health = world.provider("health");
    let listed = |day| world.gateway.list_areas(&health, day);
    assert_eq!(listed(None).await.unwrap().value().version, 1);
    let later = listed(Some(date(2026, 6, 1))).await.unwrap().into_parts().0;
    assert_eq!((later.version, later.areas.len()), (2, 5));
    assert_eq!(later.areas[0].code, id("E08000026"));
    world.refused(listed(Some(date(2023, 1, 1))).await, "no_geography").await;
}

#[tokio::test]
async fn only_data_officers_load_and_faults_name_the_area() {
    let world = World::new().await;
    let load = async |actor: Actor, entries| {
        world.gateway.load_areas(&actor, entries, date(2024, 1, 1)).await
    };
    let good = areas(&["E01009522", "E01009523"]);
    world.refused(load(world.auditor(), good.clone()).await, "wrong_role").await;
    type Spoil = fn(&mut Vec<AreaEntry>);
    let spoils: [(&str, Spoil); 4] = [
        ("areas[4]", |a| a[4].lsoas = a[3].lsoas.clone()),
        ("areas[3]", |a| a[3].parent = Some(id("E08000026"))),
        ("areas[0]", |a| a.clear()),
        ("areas[1].name", |a| a[1].name = " ".to_owned()),
    ];
    let officer = world.officer();
    for (field, spoil) in spoils {
        let mut entries = good.clone();
        spoil(&mut entries);
        let refused = world.refused(load(officer.clone(), entries).await, "invalid_argument").await;
        assert_eq!(refused.fields()[0].0, field);
    }
}

#[tokio::test]
async fn postcodes_are_kept_only_as_keyed_values_and_serve_at_once() {
    let world = World::new().await;
    let officer = world.officer();
    let places = vec![place("cv1 1aa", "E01009522"), place("CV11AB", "E01009523")];
    let total = world.gateway.load_postcodes(&officer, places).await.unwrap();
    assert_eq!(*total.value(), 2);
    assert_eq!(world.gateway.postcodes.load().places.len(), 2);
    // The same postcode again moves; it does not count twice.
    let again = vec![place("CV1 1AA", "E01009523")];
    assert_eq!(*world.gateway.load_postcodes(&officer, again).await.unwrap().value(), 2);
    let held = world.gateway.postcodes.load();
    assert!(held.places.values().all(|lsoa| *lsoa == id("E01009523")));
    let leaf = world.last_leaf().await;
    assert_eq!((leaf.kind, leaf.notes.register), (LeafKind::AreasLoaded, Some(id("postcodes"))));
}

#[tokio::test]
async fn a_bad_postcode_is_told_by_place_and_loads_nothing() {
    let world = World::new().await;
    let officer = world.officer();
    let refusals = [
        (
            vec![place("CV1 1AA", "E01009522"), place("CV1 1AC", "E01009522")],
            "postcodes[1].postcode",
        ),
        (vec![place("CV1 1AA", "E0100952")], "postcodes[0].lsoa"),
        (vec![place("CV1 1AA", "E01999999")], "postcodes[0].lsoa"),
        (
            vec![place("CV1 1AA", "E01009522"), place("cv11aa", "E01009522")],
            "postcodes[1].postcode",
        ),
    ];
    for (places, field) in refusals {
        let answer = world.gateway.load_postcodes(&officer, places).await;
        let refused = world.refused(answer, "invalid_argument").await;
        assert_eq!(refused.fields()[0].0, field);
        assert!(!format!("{refused:?}").contains("CV1"));
    }
    assert!(world.gateway.postcodes.load().places.is_empty());
    let many = (0..=MOST_POSTCODES).map(|_| place("CV1 1AA", "E01009522")).collect();
    world.refused(world.gateway.load_postcodes(&officer, many).await, "invalid_argument").await;
    let health = world.provider("health");
    world.refused(world.gateway.load_postcodes(&health, vec![]).await, "wrong_role").await;
}
