//! A mapping proposed from a file's headings and values.
//!
//! A heading that is a field's name, or what people call it, proposes that field; where none
//! does, values that keep the check digits of a scheme do. Days and codes are looked at, too.
//! What is proposed is a draft: the data officer reads it before it is used. It holds the
//! file's headings and, of columns with a code list, the spellings that stand for a code of it.

use super::{CsvTable, FilesError, schema::stock_field, xlsx::day_of};
use crate::domain::{
    RecordType,
    field::{FieldKind, parse_date},
    identifier::{self, Scheme},
    place::canonical_postcode,
    record::ENVELOPE,
};
use jiff::civil::Date;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Seek},
};

/// Rows that are looked at.
const LOOKED_AT: usize = 2_000;
/// The most spellings that a column of codes may have.
const SPELLINGS_MAX: usize = 60;

/// What people call things: our field, and headings less case, spaces and signs.
const CALLED: &[(&str, &[&str])] = &[
    ("record_id", &["id", "recordid", "recordno", "ref", "reference", "uniqueid", "rowid"]),
    ("extracted_at", &["extractdate", "extracted", "extractedon", "rundate", "asat"]),
    ("event_date", &["date", "eventdate", "activitydate", "dateofactivity", "contactdate"]),
    ("consent_ref", &["consent", "consentreference", "consentid"]),
    ("supersedes", &["replaces", "corrects"]),
    ("operation", &["action"]),
    ("nhs_number", &["nhsno", "nhs", "nhsnum", "nhsnumberofchild", "childnhsnumber", "nhsn"]),
    ("local_id", &["localid", "personid", "patientid", "clientid", "childid", "pid"]),
    ("forename", &["firstname", "givenname", "first", "forenames", "childforename"]),
    ("surname", &["lastname", "familyname", "last", "childsurname"]),
    ("date_of_birth", &["dob", "birthdate", "birthday", "dateofbirth", "childdob"]),
    ("sex", &["gender", "sexcode"]),
    ("postcode", &["pcode", "postalcode", "homepostcode", "childpostcode"]),
    ("uprn", &["propertyreference"]),
    ("lsoa_2011", &["lsoa", "lsoa11", "lsoa11cd", "lsoacode"]),
    ("uln", &["uniquelearnernumber", "learnernumber"]),
    ("upn", &["uniquepupilnumber", "pupilnumber"]),
    ("nino", &["nationalinsurancenumber", "ninumber", "nino"]),
    ("parent_nino", &["nino", "parentnino", "ninumber", "nationalinsurancenumber"]),
    ("mother_nhs_number", &["mothernhsno", "mothersnhsnumber", "nhsnumberofmother"]),
    ("mother_date_of_birth", &["motherdob", "mothersdob"]),
    ("ethnicity", &["ethnicgroup", "ethniccategory", "ethnicorigin", "ethniccode", "ethnic"]),
    ("sen", &["senprovision", "sencode", "senstatus"]),
    ("centre", &["centrecode", "site", "hub", "childrenscentre"]),
    ("provider_urn", &["urn", "provider", "providernumber", "eynumber"]),
    ("school_urn", &["urn", "school"]),
    ("case_id", &["caseid", "caseno", "casenumber", "caseref"]),
];

/// Patterns of days, the likelier first.
const DAY_PATTERNS: [&str; 9] = [
    "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d %b %Y", "%d-%b-%Y", "%d/%m/%y", "%d-%b-%y", "%Y/%m/%d",
    "%m/%d/%Y",
];

fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Proposes a mapping of a file to a record type: a Table Schema.
///
/// # Errors
/// When the file can't be read.
pub fn suggest<R: Read + Seek>(
    table: &mut CsvTable<R>,
    record_type: RecordType,
) -> Result<Value, FilesError> {
    let headings = table.columns().to_vec();
    let all: Vec<usize> = (0..headings.len()).collect();
    let mut values: Vec<Vec<String>> = vec![Vec::new(); headings.len()];
    for _ in 0..LOOKED_AT {
        let Some(row) = table.next_row()? else { break };
        let Ok(row) = row.values(&all) else { continue };
        for (column, value) in values.iter_mut().zip(row) {
            let value = value.trim();
            if !value.is_empty() {
                column.push(value.to_owned());
            }
        }
    }
    let targets = targets(record_type, &headings, &values);
    let fields: Vec<Value> = headings
        .iter()
        .zip(&values)
        .enumerate()
        .map(|(at, (heading, values))| {
            let target = targets.iter().find(|(_, column)| **column == at).map(|(name, _)| *name);
            field(record_type, heading, values, target)
        })
        .collect();
    Ok(json!({
        "fields": fields,
        "missingValues": [""],
        "tallygate:record_type": record_type.name(),
    }))
}

/// Each field's column: by name, by what people call it, by values.
fn targets(
    record_type: RecordType,
    headings: &[String],
    values: &[Vec<String>],
) -> BTreeMap<&'static str, usize> {
    let definition = record_type.definition();
    let names: Vec<&'static str> =
        ENVELOPE.into_iter().chain(definition.fields().map(|f| f.name)).collect();
    let headings: Vec<String> = headings.iter().map(|heading| plain(heading)).collect();
    let mut found: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    let mut take = |name: &'static str, fits: &dyn Fn(usize) -> bool| {
        if found.contains_key(name) {
            return;
        }
        if let Some(at) = (0..headings.len()).find(|at| !taken.contains(at) && fits(*at)) {
            taken.insert(at);
            found.insert(name, at);
        }
    };
    for name in &names {
        take(name, &|at| headings[at] == plain(name));
    }
    for name in &names {
        let called = CALLED.iter().find(|(field, _)| field == name).map_or(&[][..], |(_, c)| c);
        take(name, &|at| called.contains(&&*headings[at]));
    }
    for field in definition.identity {
        take(field.name, &|at| looks_like(field.kind, &values[at]));
    }
    found
}

/// Whether nearly all values keep the rules of a kind that other values break.
fn looks_like(kind: FieldKind, values: &[String]) -> bool {
    let fits = |value: &&String| match kind {
        FieldKind::Identifier(Scheme::Local) => false,
        FieldKind::Identifier(scheme) => {
            identifier::check(scheme, value).is_ok()
                || super::mapping::mended(kind, value).is_some()
        }
        FieldKind::Postcode => canonical_postcode(value).is_some(),
        FieldKind::Lsoa => value.parse::<crate::domain::Lsoa>().is_ok(),
        _ => false,
    };
    values.len() >= 3 && values.iter().filter(fits).count() * 10 >= values.len() * 9
}

fn field(
    record_type: RecordType,
    heading: &str,
    values: &[String],
    target: Option<&'static str>,
) -> Value {
    let mut field = json!({ "name": heading, "type": "string" });
    let Some(target) = target else { return field };
    let known = record_type.definition().field(target).map(|field| field.kind);
    let day = matches!(target, "event_date" | "extracted_at").then_some(FieldKind::PastDate);
    if let Some(kind) = day.or(known) {
        match kind {
            FieldKind::BirthDate | FieldKind::PastDate | FieldKind::AnyDate => {
                days(&mut field, values);
            }
            FieldKind::Code(_) | FieldKind::Mapped(_) | FieldKind::Flag => {
                spellings(&mut field, kind, values);
            }
            // What is true of our field need not be true of the column as it is.
            FieldKind::Integer { .. } => field["type"] = json!("integer"),
            _ => {}
        }
        if values.iter().all(|value| value.chars().all(char::is_alphanumeric)) {
            let stock = stock_field(heading, Some(kind));
            if let (Some(pattern), None) = (stock["constraints"].get("pattern"), day) {
                let fits = values
                    .iter()
                    .all(|v| looks_like(kind, std::slice::from_ref(v)) || v.len() == 10);
                if fits && matches!(kind, FieldKind::Identifier(Scheme::Nhs | Scheme::Uln)) {
                    field["constraints"] = json!({ "pattern": pattern });
                }
            }
        }
    }
    field["tallygate:target"] = json!(target);
    field
}

fn days(field: &mut Value, values: &[String]) {
    let all = |fits: &dyn Fn(&str) -> bool| !values.is_empty() && values.iter().all(|v| fits(v));
    if all(&|value| parse_date(value).is_ok()) {
        field["type"] = json!("date");
        return;
    }
    let pattern = DAY_PATTERNS.into_iter().find(|pattern| {
        all(&|value| {
            Date::strptime(pattern, value).is_ok_and(|day| (1900..2100).contains(&day.year()))
        })
    });
    if let Some(pattern) = pattern {
        field["type"] = json!("date");
        field["format"] = json!(pattern);
        field["tallygate:format"] = json!(pattern);
    } else if all(&|value| {
        value.parse().is_ok_and(|n: i32| n > 20_000 && day_of(n, false).is_some())
    }) {
        field["type"] = json!("integer");
        field["tallygate:format"] = json!("excel");
    }
}

/// Spellings of our codes in another case, with other signs, or as people say yes and no.
fn spellings(field: &mut Value, kind: FieldKind, values: &[String]) {
    let codes: Vec<&str> = match kind {
        FieldKind::Code(list) => list.codes.to_vec(),
        FieldKind::Mapped(crosswalk) => crosswalk.accepted(),
        _ => vec!["yes", "no"],
    };
    let distinct: BTreeSet<&String> = values.iter().collect();
    if distinct.len() > SPELLINGS_MAX {
        return;
    }
    let mut spelt: BTreeMap<&str, &str> = BTreeMap::new();
    for value in distinct.into_iter().filter(|value| !codes.contains(&value.as_str())) {
        let said = match plain(value).as_str() {
            "y" | "true" | "1" => "yes".to_owned(),
            "n" | "false" | "0" => "no".to_owned(),
            other => other.to_owned(),
        };
        if let Some(code) = codes.iter().find(|code| plain(code) == said) {
            spelt.insert(value, code);
        }
    }
    if !spelt.is_empty() {
        field["tallygate:codes"] = json!(spelt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{FileCheck, Mapping, Verdict};
    use std::{io::Cursor, sync::Arc};

    #[test]
    fn a_partners_own_file_is_mapped_and_its_rows_are_well_formed() {
        let file = "Ref;NHS No;Surname;First Name;DOB;Gender;Home Postcode;Date;Extract Date;Review;Outcome;Notes\n\
            1;999 000 0018;Example;Ada;28/02/2024;F;cv1 1ah;03/02/2026;2026-04-02;Twelve month;COMPLETED;x\n\
            2;9990000018;Example;Ada;28/02/2024;2;CV1 1AH;03/02/2026;2026-04-02;new_birth;Declined;x\n";
        let open = || CsvTable::open(Cursor::new(file.as_bytes())).unwrap();
        let review = RecordType::HealthReview;
        let schema = suggest(&mut open(), review).unwrap();
        assert_eq!(schema["fields"][4]["tallygate:format"], "%d/%m/%Y");
        assert_eq!(schema["fields"][8]["type"], "date");
        assert_eq!(schema["fields"][9]["tallygate:codes"]["Twelve month"], "twelve_month");
        assert_eq!(schema["fields"][11].get("tallygate:target"), None);
        let mapping = Arc::new(Mapping::read(&schema.to_string(), review).unwrap());
        let mut table = open();
        let today = jiff::civil::date(2026, 6, 30);
        let check = FileCheck::mapped(review, table.columns(), Some(mapping), today).unwrap();
        let mut good = 0;
        while let Some(row) = table.next_row().unwrap() {
            match check.judge(&row) {
                Verdict::Good(values) => {
                    assert!(values.iter().any(|value| value == "9990000018"));
                    good += 1;
                }
                Verdict::Bad(found) => panic!("{found:?}"),
            }
        }
        assert_eq!(good, 2);
        assert!(check.columns().contains(&"nhs_number".to_owned()));
    }

    #[test]
    fn columns_are_known_by_their_values_where_the_heading_says_nothing() {
        let file = "A,B,C\n9990000018,CV1 1AH,1\n9990000026,CV1 1AH,2\n9990000034,CV1 1AH,3\n";
        let mut table = CsvTable::open(Cursor::new(file.as_bytes())).unwrap();
        let schema = suggest(&mut table, RecordType::Registration).unwrap();
        assert_eq!(schema["fields"][1]["tallygate:target"], "postcode");
    }
}
