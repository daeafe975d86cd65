//! `bench utility` in a quick form: a small place and one draw, and the same exact verdicts. What a
//! table of the noise, an interval or the printed errors would have to be off by to be found here
//! follows from the number of values; `bench utility` itself looks at some hundred times as many.

use crate::support::output;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn printed_errors_intervals_and_totals_are_what_is_promised_on_a_small_place() {
    let arguments = ["bench", "utility", "--scale", "0.1", "--draws", "2", "--format", "json"];
    let rows: Vec<Value> = serde_json::from_str(&output(&arguments, 0)).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let number = |row: &Value, name: &str| row[name].as_f64().unwrap();
    let kinds: BTreeSet<String> = rows.iter().map(|row| text(row, "what")).collect();
    let expected = ["printed", "error", "coverage", "totals", "beside", "prints", "errors"];
    assert_eq!(kinds, BTreeSet::from(expected.map(str::to_owned)));
    for row in &rows {
        assert_eq!(row["met"], true, "{row}");
        assert!(number(row, "values") >= 1.0, "{row}");
        if row["what"] != "beside" {
            assert!(number(row, "low") <= number(row, "high"), "{row}");
        }
    }
    // Each indicator that is counted with noise, at each level that it is published for.
    let of = |what: &str| rows.iter().filter(|row| row["what"] == what).count();
    assert!(of("printed") > 250 && of("error") > 100, "{} {}", of("printed"), of("error"));
    let named = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    // So many cells that an interval half a person wider or narrower would be found.
    let cells = named("all cells, before an end is cut at 0");
    assert!(number(cells, "values") > 10_000.0, "{cells}");
    assert!(number(cells, "high") - number(cells, "low") < 0.02, "{cells}");
    let totals = named("within three deviations");
    assert!(number(totals, "values") > 20_000.0, "{totals}");
    // The rules in use err less and fall; ours errs more and stands.
    let beside = |name: &str| {
        let row = rows.iter().find(|row| row["what"] == "beside" && row["name"] == name);
        (number(row.unwrap(), "measured"), number(row.unwrap(), "share"))
    };
    let (ours, hes, keys) = (beside("tallygate"), beside("hes"), beside("cell_keys_9_5"));
    assert!(hes.0 < ours.0 && hes.1 > 0.99 && keys.1 > ours.1, "{ours:?} {hes:?} {keys:?}");
}
