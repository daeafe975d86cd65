//! Mappings: what they do, and that each mistake is one sentence without a value.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const REVIEW: RecordType = RecordType::HealthReview;

fn read(fields: &Value) -> Result<Mapping, MappingError> {
    Mapping::read(&json!({ "fields": fields }).to_string(), REVIEW)
}

#[test]
fn each_mistake_is_one_sentence() {
    let cases = [
        (
            read(&json!([{ "name": "a", "tallygate:target": "shoe" }])),
            "tallygate:target of field 1 names no field of health_review",
        ),
        (
            read(&json!([{ "name": "a", "tallygate:target": "review" },
                        { "name": "b", "tallygate:target": "review" }])),
            "two columns of the mapping have the target review (fields 1 and 2): leave one out",
        ),
        (
            read(
                &json!([{ "name": "a", "tallygate:target": "review", "tallygate:codes": { "Secret": "gone" } }]),
            ),
            "tallygate:codes of field 1 gives a code that review does not have",
        ),
        (
            read(&json!([{ "name": "a", "tallygate:codec": {} }])),
            "the mapping has a tallygate: property that is not known of field 1",
        ),
        (read(&json!([{ "tallygate:target": "review" }])), "name has the wrong form of field 1"),
        (
            read(
                &json!([{ "name": "a", "tallygate:target": "review", "tallygate:format": "excel" }]),
            ),
            "tallygate:format of field 1 is neither default nor excel nor a pattern like %d/%m/%Y of a field that holds a day",
        ),
        (
            Mapping::read("[1,", REVIEW),
            "the mapping is no Table Schema (line 1): it must be JSON with a list of fields",
        ),
    ];
    for (found, sentence) in cases {
        assert_eq!(found.err().unwrap().to_string(), sentence);
    }
    for wrong in ["%d/%m", "", "day", "%Q", "%d/%m/%y%"] {
        let found = read(
            &json!([{ "name": "a", "tallygate:target": "event_date", "tallygate:format": wrong }]),
        );
        assert!(matches!(found, Err(MappingError::Format { field: 1 })), "{wrong}");
    }
    let mapping = read(&json!([{ "name": "a", "tallygate:target": "review" }])).unwrap();
    let absent = mapping.places(&["b".to_owned()]).err();
    assert_eq!(absent, Some(MappingError::AbsentColumn { field: 1, target: "review" }));
}

#[test]
fn values_become_what_is_sent() {
    let schema = json!({
        "fields": [
            { "name": "Born", "tallygate:target": ["date_of_birth", "event_date"], "tallygate:format": "%d/%m/%Y" },
            { "name": "Kind", "tallygate:target": "review", "tallygate:codes": { "12m": "twelve_month" } },
            { "name": "Notes" },
        ],
        "missingValues": ["", "NULL"],
        "tallygate:constants": { "extracted_at": "2026-04-02" },
    });
    let mapping = Mapping::read(&schema.to_string(), REVIEW).unwrap();
    assert_eq!(mapping.targets(), ["date_of_birth", "event_date", "review", "extracted_at"]);
    let values = |born, kind| mapping.mapped(vec![born, born, kind]).join("|");
    assert_eq!(values("28/02/2024", "12m"), "2024-02-28|2024-02-28|twelve_month|2026-04-02");
    // A day in the default form is always taken, too: a rejects file may hold it.
    assert_eq!(values("2024-02-28", "NULL"), "2024-02-28|2024-02-28||2026-04-02");
    assert_eq!(values("31/02/2024", " x "), "31/02/2024|31/02/2024|x|2026-04-02");
    let excel =
        json!([{ "name": "a", "tallygate:target": "event_date", "tallygate:format": "excel" }]);
    assert_eq!(read(&excel).unwrap().mapped(vec!["45382"])[0], "2024-03-31");
}

#[test]
fn what_spreadsheets_do_to_numbers_is_mended_only_where_the_check_digit_agrees() {
    let nhs = FieldKind::Identifier(Scheme::Nhs);
    assert_eq!(mended(nhs, "999 000 0018").as_deref(), Some("9990000018"));
    assert_eq!(mended(nhs, "999-000-0018").as_deref(), Some("9990000018"));
    assert_eq!(mended(nhs, "999 000 0019"), None);
    assert_eq!(mended(nhs, "9990000018"), None);
    let lost = (1..1_000)
        .map(|n| format!("{n:010}"))
        .find(|n| identifier::check(Scheme::Nhs, n).is_ok() && n.starts_with("0"));
    if let Some(whole) = lost.filter(|n| n.as_bytes()[1] != b'0') {
        assert_eq!(mended(nhs, &whole[1..]), Some(whole.clone()));
    }
    assert_eq!(mended(FieldKind::Uprn, "1 2"), None);
}

proptest! {
    #[test]
    fn no_mapping_panics_or_comes_back(
        name in "[A-Z]{12}", target in "[A-Z]{12}|review|event_date", code in "[A-Z]{12}", format in "%?[a-zA-Z%/]{0,6}",
        value in "\\PC{0,20}", text in "\\PC{0,80}",
    ) {
        let field = json!({ "name": name, "tallygate:target": target, "tallygate:codes": { &code: code }, "tallygate:format": format });
        for found in [read(&json!([field])), Mapping::read(&text, REVIEW)] {
            match found {
                Ok(mapping) => {
                    let values = vec![value.as_str(); mapping.columns.len()];
                    mapping.mapped(values);
                }
                Err(error) => {
                    let said = format!("{error} {error:?}");
                    prop_assert!(!said.contains(&name) && !said.contains(&code));
                }
            }
        }
    }
}
