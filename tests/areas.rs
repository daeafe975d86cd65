//! Boundary changes on the real LSOA lists: the worked examples, and the lookup between census
//! years.

use crate::support::output;
use serde_json::Value;
use std::{collections::BTreeMap, fs};

fn compared(old: &str, new: &str) -> Value {
    let text = output(&["area", "compare", old, new, "--format", "json"], 0);
    serde_json::from_str(&text).expect("JSON")
}

/// How many areas of a level became what, and have which past.
fn tally(comparison: &Value, level: &str) -> BTreeMap<(String, &'static str), usize> {
    let mut tally = BTreeMap::new();
    for area in comparison["areas"].as_array().expect("areas") {
        if area["level"] == level {
            let past = match &area["back_series"] {
                Value::String(none) if none == "from_next_quarter" => "next",
                series if series.get("as_published").is_some() => "own",
                series if series.get("sum_of").is_some() => "sum",
                other => panic!("{other}"),
            };
            *tally
                .entry((area["change"].as_str().expect("a change").to_owned(), past))
                .or_default() += 1;
        }
    }
    tally
}

fn told<'a>(
    tally: &'a BTreeMap<(String, &'static str), usize>,
) -> Vec<(&'a str, &'static str, usize)> {
    tally.iter().map(|((change, past), count)| (change.as_str(), *past, *count)).collect()
}

#[test]
fn rotherhams_22_centres_become_12() {
    let comparison = compared("tests/areas/rotherham-22.toml", "tests/areas/rotherham-12.toml");
    assert_eq!(
        told(&tally(&comparison, "reach_area")),
        [("merged", "sum", 9), ("redrawn", "next", 2), ("unchanged", "own", 1)]
    );
    let moved = comparison["moved"].as_array().unwrap();
    assert_eq!(moved.len(), 1);
    assert_eq!((&moved[0]["from"], &moved[0]["to"]), (&"RC21".into(), &"RC22".into()));
    assert_eq!(told(&tally(&comparison, "authority")), [("unchanged", "own", 1)]);
    // Every sum is one of whole centres, each of which is in one sum only.
    let mut parts: Vec<&str> = Vec::new();
    for area in comparison["areas"].as_array().expect("areas") {
        if area["level"] == "reach_area"
            && let Some(sum) = area["back_series"]["sum_of"].as_array()
        {
            parts.extend(sum.iter().map(|code| code.as_str().unwrap()));
        }
    }
    parts.sort_unstable();
    let wanted: Vec<String> = (1..=19).map(|n| format!("RC{n:02}")).collect();
    assert_eq!(parts, wanted);
    let lsoas: usize =
        fs::read_to_string("tests/areas/rotherham-12.toml").unwrap().matches("\"E01").count();
    assert_eq!(lsoas, 167);
}

#[test]
fn hertfordshires_82_centres_are_29_groups_under_17_lead_agencies() {
    let comparison =
        compared("tests/areas/hertfordshire-82.toml", "tests/areas/hertfordshire-29.toml");
    let reach = tally(&comparison, "reach_area");
    assert_eq!(reach.values().sum::<usize>(), 29);
    assert!(reach.keys().all(|(_, past)| *past != "next"), "{reach:?}");
    // Whoever runs them goes on as it was.
    assert_eq!(told(&tally(&comparison, "lead_agency")), [("unchanged", "own", 17)]);
    assert_eq!(told(&tally(&comparison, "authority")), [("unchanged", "own", 1)]);
    // The districts are clusters of whole groups: they have a past although nobody published it.
    assert_eq!(tally(&comparison, "cluster").values().sum::<usize>(), 10);
    assert!(tally(&comparison, "cluster").keys().all(|(_, past)| *past == "sum"));
    assert_eq!(comparison["moved"], Value::Array(vec![]));
    let back = compared("tests/areas/hertfordshire-29.toml", "tests/areas/hertfordshire-82.toml");
    let split = tally(&back, "reach_area");
    assert!(
        split.keys().all(|(change, past)| change == "split" && *past == "next"
            || change == "renamed" && *past == "own"),
        "{split:?}"
    );
}

#[test]
fn sets_of_two_census_years_are_compared_by_their_common_ground() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let set = |vintage: &str, a: &str, b: &str| {
        format!(
            "valid_from = \"2024-04-01\"\nvintage = \"{vintage}\"\n\
             [[areas]]\ncode = \"E08000018\"\nname = \"R\"\nlevel = \"authority\"\n\
             [[areas]]\ncode = \"G\"\nname = \"G\"\nlevel = \"cluster\"\nparent = \"E08000018\"\n\
             [[areas]]\ncode = \"A\"\nname = \"A\"\nlevel = \"reach_area\"\nparent = \"G\"\nlsoas = [{a}]\n\
             [[areas]]\ncode = \"B\"\nname = \"B\"\nlevel = \"reach_area\"\nparent = \"G\"\nlsoas = [{b}]\n"
        )
    };
    let lookup = "LSOA11CD,LSOA21CD\nE01007657,E01007657\nE01007658,E01033001\n\
                  E01007658,E01033002\nE01007659,E01007659\n";
    fs::write(path("lookup.csv"), lookup).unwrap();
    fs::write(path("old.toml"), set("2011", "\"E01007657\", \"E01007658\"", "\"E01007659\""))
        .unwrap();
    // The same ground in the codes of 2021; then one with a divided LSOA of 2011.
    let same = set("2021", "\"E01007657\", \"E01033001\", \"E01033002\"", "\"E01007659\"");
    fs::write(path("same.toml"), same).unwrap();
    let divided = set("2021", "\"E01007657\", \"E01033001\"", "\"E01007659\", \"E01033002\"");
    fs::write(path("divided.toml"), divided).unwrap();
    let compare = |new: &str| {
        let arguments = [
            "area",
            "compare",
            &path("old.toml"),
            &path(new),
            "--lookup",
            &path("lookup.csv"),
            "--format",
            "json",
        ];
        serde_json::from_str::<Value>(&output(&arguments, 0)).unwrap()
    };
    assert_eq!(told(&tally(&compare("same.toml"), "reach_area")), [("unchanged", "own", 2)]);
    let divided = compare("divided.toml");
    assert_eq!(told(&tally(&divided, "reach_area")), [("redrawn", "next", 2)]);
    assert_eq!(divided["moved"][0]["lsoa"], "E01007658");
    output(&["area", "compare", &path("old.toml"), &path("same.toml")], 2);
}
