//! What a record type looks like, for programs and people: CSV templates, JSON Schemas
//! (2020-12), Frictionless Table Schemas and tables of fields, all from the definitions.

use crate::domain::{
    RecordType,
    crosswalk::SEX,
    field::{FieldKind, Sensitivity},
    identifier::Scheme,
    record::{ENVELOPE, ENVELOPE_DOCS},
};
use serde_json::{Map, Value, json};

/// One column of a record type.
#[derive(Debug, Clone)]
pub struct ColumnLine {
    /// Its name.
    pub name: &'static str,
    /// Whether a record without it is refused.
    pub required: bool,
    /// `identifying`, `special` or `ordinary`.
    pub sensitivity: &'static str,
    /// What it takes.
    pub takes: String,
    /// What it means.
    pub doc: &'static str,
    kind: Option<FieldKind>,
}

/// The columns of a record type, the envelope's first.
#[must_use]
pub fn columns(record_type: RecordType) -> Vec<ColumnLine> {
    let envelope = ENVELOPE.into_iter().zip(ENVELOPE_DOCS).map(|(name, doc)| ColumnLine {
        name,
        required: matches!(name, "record_id" | "extracted_at" | "event_date")
            || (name == "consent_ref" && record_type.definition().statement),
        sensitivity: "ordinary",
        takes: match name {
            "operation" => "upsert or withdraw".to_owned(),
            "extracted_at" | "event_date" => FieldKind::PastDate.words(),
            _ => "text, at most 36 characters".to_owned(),
        },
        doc,
        kind: matches!(name, "extracted_at" | "event_date").then_some(FieldKind::PastDate),
    });
    let own = record_type.definition().fields().map(|field| ColumnLine {
        name: field.name,
        required: field.required,
        sensitivity: match field.sensitivity {
            Sensitivity::Identifying => "identifying",
            Sensitivity::Special => "special",
            Sensitivity::Ordinary => "ordinary",
        },
        takes: field.kind.words(),
        doc: field.doc,
        kind: Some(field.kind),
    });
    envelope.chain(own).collect()
}

/// The headings of a file, and a made-up row.
#[must_use]
pub fn template(record_type: RecordType) -> (Vec<&'static str>, Vec<String>) {
    let definition = record_type.definition();
    let headings: Vec<_> = definition.columns().collect();
    let row = headings.iter().map(|name| definition.example(name)).collect();
    (headings, row)
}

/// Its pattern, in the words that ECMA and Python share; `None` where there is none.
fn pattern(kind: FieldKind) -> Option<&'static str> {
    Some(match kind {
        FieldKind::Identifier(Scheme::Nhs | Scheme::Uln) => "^[0-9]{10}$",
        FieldKind::Identifier(Scheme::Upn) => "^[A-Z][0-9]{11}[0-9A-Z]$",
        FieldKind::Identifier(Scheme::Nino) => "^[A-Z]{2}[0-9]{6}[A-D]?$",
        FieldKind::Uprn => "^[0-9]{1,12}$",
        FieldKind::Lsoa => "^E01[0-9]{6}$",
        FieldKind::Term => "^[0-9]{4}-(spring|summer|autumn)$",
        FieldKind::Centre => "^[A-Z0-9-]{1,16}$",
        FieldKind::Token => "^[A-Za-z0-9._:/()\\[\\]-]{1,64}$",
        _ => return None,
    })
}

fn codes(kind: FieldKind) -> Option<Vec<&'static str>> {
    match kind {
        FieldKind::Code(list) => Some(list.codes.to_vec()),
        FieldKind::Mapped(crosswalk) => Some(crosswalk.accepted()),
        FieldKind::Sex => {
            Some(SEX.from.iter().flat_map(|list| list.codes).map(|(code, _)| *code).collect())
        }
        FieldKind::Flag => Some(vec!["yes", "no"]),
        _ => None,
    }
}

const fn longest(kind: FieldKind) -> Option<usize> {
    match kind {
        FieldKind::Identifier(Scheme::Local)
        | FieldKind::CaseReference
        | FieldKind::ProviderReference
        | FieldKind::ScopedReference => Some(36),
        FieldKind::Token => Some(64),
        FieldKind::Forename | FieldKind::Surname => Some(100),
        FieldKind::Dropped(max) => Some(max),
        _ => None,
    }
}

const fn is_day(kind: FieldKind) -> bool {
    matches!(kind, FieldKind::BirthDate | FieldKind::PastDate | FieldKind::AnyDate)
}

/// The JSON Schema of a record of JSON lines.
#[must_use]
pub fn json_schema(record_type: RecordType) -> Value {
    let mut properties = Map::new();
    for column in columns(record_type) {
        let mut property = json!({ "type": "string", "description": column.doc });
        if let Some(kind) = column.kind {
            if let FieldKind::Integer { min, max } = kind {
                property["type"] = json!(["integer", "string"]);
                property["minimum"] = json!(min);
                property["maximum"] = json!(max);
            }
            if is_day(kind) {
                property["format"] = json!("date");
            }
            if let Some(codes) = codes(kind) {
                property["enum"] = json!(codes);
            }
            if let Some(pattern) = pattern(kind) {
                property["pattern"] = json!(pattern);
            }
            if let Some(longest) = longest(kind) {
                property["maxLength"] = json!(longest);
            }
        }
        property["x-tallygate-sensitivity"] = json!(column.sensitivity);
        properties.insert(column.name.to_owned(), property);
    }
    let definition = record_type.definition();
    let required: Vec<_> =
        columns(record_type).into_iter().filter(|c| c.required).map(|c| c.name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": record_type.name(),
        "description": definition.doc,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The Table Schema of a file of the type, which is also its simplest mapping.
#[must_use]
pub fn table_schema(record_type: RecordType) -> Value {
    let fields: Vec<Value> = columns(record_type)
        .into_iter()
        .map(|column| {
            let target = column.name;
            let mut field = stock_field(column.name, column.kind);
            field["description"] = json!(column.doc);
            if column.required {
                field["constraints"]["required"] = json!(true);
            }
            field["tallygate:target"] = json!(target);
            field
        })
        .collect();
    json!({
        "fields": fields,
        "missingValues": [""],
        "tallygate:record_type": record_type.name(),
    })
}

/// A column as stock tools read it.
pub(super) fn stock_field(name: &str, kind: Option<FieldKind>) -> Value {
    let mut field = json!({ "name": name, "type": "string" });
    let Some(kind) = kind else { return field };
    let mut constraints = Map::new();
    if let FieldKind::Integer { min, max } = kind {
        field["type"] = json!("integer");
        constraints.insert("minimum".to_owned(), json!(min));
        constraints.insert("maximum".to_owned(), json!(max));
    }
    if is_day(kind) {
        field["type"] = json!("date");
    }
    if let Some(codes) = codes(kind) {
        constraints.insert("enum".to_owned(), json!(codes));
    }
    if let Some(pattern) = pattern(kind) {
        constraints.insert("pattern".to_owned(), json!(pattern));
    }
    if let Some(longest) = longest(kind) {
        constraints.insert("maxLength".to_owned(), json!(longest));
    }
    if !constraints.is_empty() {
        field["constraints"] = Value::Object(constraints);
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::RowLayout,
        files::{Mapping, mapping::MappingError},
    };
    use jiff::civil::date;

    /// The type that only the tests have ([`RecordType::Example`]) among them.
    #[test]
    fn every_type_has_a_template_that_is_well_formed_schemas_and_a_mapping() {
        assert!(RecordType::ALL.contains(&RecordType::Example));
        for record_type in RecordType::ALL {
            let (headings, row) = template(*record_type);
            let layout = RowLayout::new(*record_type, &headings).unwrap();
            let found = layout.check(&row, date(2026, 6, 30)).err();
            assert_eq!(found, None, "{record_type}");
            let schema = json_schema(*record_type);
            let names: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
            assert_eq!(names.len(), headings.len());
            for name in schema["required"].as_array().unwrap() {
                let at = headings.iter().position(|h| name == h).unwrap();
                let mut without = row.clone();
                without[at].clear();
                assert!(layout.check(&without, date(2026, 6, 30)).is_err(), "{record_type} {name}");
            }
            let table = table_schema(*record_type);
            let mapping = Mapping::read(&table.to_string(), *record_type).unwrap();
            assert_eq!(mapping.targets(), headings);
            for other in RecordType::ALL.iter().filter(|other| *other != record_type) {
                let refused = Mapping::read(&table.to_string(), *other).err();
                assert_eq!(refused, Some(MappingError::OtherRecordType));
            }
        }
    }
}
