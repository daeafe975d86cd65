//! A mapping from a partner's columns to a record type's fields: a Frictionless Table Schema
//! with properties of ours.
//!
//! - `tallygate:target` of a field: the field, or fields, of the record type that the column
//!   holds; a column without one is left out.
//! - `tallygate:codes`: the column's codes and what they are in the field's code list.
//! - `tallygate:format`: how the column writes days: `default` (2026-03-31), `excel` (a
//!   spreadsheet's number) or a pattern like `%d/%m/%Y`; a day in the default form is always
//!   taken, too.
//! - `tallygate:record_type`, `tallygate:constants` of the schema: what it is for, and columns
//!   that every row has with the same value.
//!
//! What stock tools read (`name`, `type`, `format`, `constraints`, `missingValues`) says the same
//! about the file as it is; of it only `name` and `missingValues` are used here.

use crate::domain::{
    RecordType,
    field::{FieldKind, parse_date},
    identifier::{self, Scheme},
    record::ENVELOPE,
};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, collections::BTreeMap};

/// Why a mapping can't be used. Names fields by their place and by our names, never by what the
/// mapping or the file says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// It is no Table Schema.
    #[error("the mapping is no Table Schema (line {line}): it must be JSON with a list of fields")]
    NotASchema {
        /// Where reading ended.
        line: usize,
    },
    /// It was made for another record type.
    #[error("the mapping was made for another record type: its tallygate:record_type differs")]
    OtherRecordType,
    /// A property of ours that is not there.
    #[error("the mapping has a tallygate: property that is not known{}", of(*field))]
    UnknownProperty {
        /// The field's place, from 1 on; 0 for the schema itself.
        field: usize,
    },
    /// A property of ours of another form.
    #[error("{property} has the wrong form{}", of(*field))]
    WrongForm {
        /// Which.
        property: &'static str,
        /// The field's place, from 1 on; 0 for the schema itself.
        field: usize,
    },
    /// A target that the record type does not have.
    #[error("tallygate:target{} names no field of {record_type}", of(*field))]
    UnknownTarget {
        /// The field's place, from 1 on; 0 for the constants.
        field: usize,
        /// The type asked for.
        record_type: RecordType,
    },
    /// Two columns for one target.
    #[error(
        "two columns of the mapping have the target {target}{}: leave one out", and(*first, *second)
    )]
    TwoColumns {
        /// The field of the record type.
        target: &'static str,
        /// The first one's place, from 1 on; 0 for a constant.
        first: usize,
        /// The second one's.
        second: usize,
    },
    /// A code that the target's list does not have.
    #[error("tallygate:codes{} gives a code that {target} does not have", of(*field))]
    UnknownCode {
        /// The field's place, from 1 on.
        field: usize,
        /// The field of the record type.
        target: &'static str,
    },
    /// A format that is none, or of a field that holds no day.
    #[error(
        "tallygate:format{} is neither default nor excel nor a pattern like %d/%m/%Y of a field \
         that holds a day", of(*field)
    )]
    Format {
        /// The field's place, from 1 on.
        field: usize,
    },
    /// A column that the file does not have.
    #[error(
        "the file has no column with the name that field {field} of the mapping has ({target})"
    )]
    AbsentColumn {
        /// The field's place, from 1 on.
        field: usize,
        /// The field of the record type.
        target: &'static str,
    },
}

fn of(field: usize) -> String {
    if field == 0 { String::new() } else { format!(" of field {field}") }
}

fn and(first: usize, second: usize) -> String {
    match first {
        0 => format!(" (a constant and field {second})"),
        _ => format!(" (fields {first} and {second})"),
    }
}

/// How a column writes days.
#[derive(Debug, Clone, PartialEq, Eq)]
enum DayFormat {
    Excel,
    Pattern(String),
}

/// One column that is sent.
#[derive(Debug, Clone)]
struct Column {
    target: &'static str,
    /// The field's place in the mapping, from 1 on.
    field: usize,
    heading: String,
    format: Option<DayFormat>,
    codes: BTreeMap<String, String>,
}

/// A mapping that was read. Its codes may be a partner's own, so it is never logged.
#[derive(Debug, Clone)]
pub struct Mapping {
    columns: Vec<Column>,
    constants: Vec<(&'static str, String)>,
    missing: Vec<String>,
    sha256: String,
}

#[derive(Deserialize)]
struct Schema {
    fields: Vec<Map<String, Value>>,
    #[serde(default, rename = "missingValues")]
    missing: Vec<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

const TARGET: &str = "tallygate:target";
const CODES: &str = "tallygate:codes";
const FORMAT: &str = "tallygate:format";
const RECORD_TYPE: &str = "tallygate:record_type";
const CONSTANTS: &str = "tallygate:constants";

fn known_name(record_type: RecordType, name: &str) -> Option<&'static str> {
    let own = || record_type.definition().field(name).map(|field| field.name);
    ENVELOPE.into_iter().find(|column| *column == name).or_else(own)
}

fn kind_of(record_type: RecordType, target: &str) -> Option<FieldKind> {
    record_type.definition().field(target).map(|field| field.kind)
}

fn holds_day(record_type: RecordType, target: &str) -> bool {
    matches!(target, "event_date" | "extracted_at")
        || matches!(
            kind_of(record_type, target),
            Some(FieldKind::BirthDate | FieldKind::PastDate | FieldKind::AnyDate)
        )
}

/// Whether a field takes a code; every code where it has no list.
fn takes_code(record_type: RecordType, target: &str, code: &str) -> bool {
    match kind_of(record_type, target) {
        Some(FieldKind::Code(list)) => list.number(code).is_some(),
        Some(FieldKind::Codes(list)) => code.split(';').all(|c| list.number(c.trim()).is_some()),
        Some(FieldKind::Mapped(crosswalk)) => crosswalk.number(code).is_some(),
        Some(FieldKind::Flag) => matches!(code, "yes" | "no"),
        _ => true,
    }
}

impl Mapping {
    /// Reads a mapping for a record type.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str, record_type: RecordType) -> Result<Self, MappingError> {
        let sha256 = hex::encode(Sha256::digest(text));
        let text = text.trim_start_matches('\u{feff}');
        let schema: Schema = serde_json::from_str(text)
            .map_err(|error| MappingError::NotASchema { line: error.line() })?;
        let mut mapping =
            Self { columns: Vec::new(), constants: Vec::new(), missing: schema.missing, sha256 };
        for (name, value) in &schema.more {
            match name.as_str() {
                RECORD_TYPE if value.as_str() == Some(record_type.name()) => {}
                RECORD_TYPE => return Err(MappingError::OtherRecordType),
                CONSTANTS => mapping.constants = constants(value, record_type)?,
                other if other.starts_with("tallygate:") => {
                    return Err(MappingError::UnknownProperty { field: 0 });
                }
                _ => {}
            }
        }
        for (field, properties) in (1..).zip(&schema.fields) {
            mapping.add(field, properties, record_type)?;
        }
        Ok(mapping)
    }

    fn add(
        &mut self,
        field: usize,
        properties: &Map<String, Value>,
        record_type: RecordType,
    ) -> Result<(), MappingError> {
        let ours = |name: &&String| name.starts_with("tallygate:");
        if properties.keys().filter(ours).any(|n| ![TARGET, CODES, FORMAT].contains(&n.as_str())) {
            return Err(MappingError::UnknownProperty { field });
        }
        let wrong = |property| MappingError::WrongForm { property, field };
        let heading = properties.get("name").and_then(Value::as_str).ok_or(wrong("name"))?;
        let format = match properties.get(FORMAT) {
            None => None,
            Some(value) => day_format(value.as_str().ok_or(wrong(FORMAT))?, field)?,
        };
        let codes = match properties.get(CODES) {
            None => BTreeMap::new(),
            Some(value) => texts(value).ok_or(wrong(CODES))?.into_iter().collect(),
        };
        for target in targets(properties.get(TARGET), wrong(TARGET))? {
            let target = known_name(record_type, target)
                .ok_or(MappingError::UnknownTarget { field, record_type })?;
            if format.is_some() && !holds_day(record_type, target) {
                return Err(MappingError::Format { field });
            }
            if !codes.values().all(|code| takes_code(record_type, target, code)) {
                return Err(MappingError::UnknownCode { field, target });
            }
            let taken = self.columns.iter().find(|column| column.target == target);
            let constant = self.constants.iter().any(|(name, _)| *name == target);
            if let Some(first) = taken.map(|column| column.field).or(constant.then_some(0)) {
                return Err(MappingError::TwoColumns { target, first, second: field });
            }
            self.columns.push(Column {
                target,
                field,
                heading: heading.trim().to_owned(),
                format: format.clone(),
                codes: codes.clone(),
            });
        }
        Ok(())
    }

    /// SHA-256 of its text, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The columns that are sent, in order.
    #[must_use]
    pub fn targets(&self) -> Vec<&'static str> {
        let constants = self.constants.iter().map(|(name, _)| *name);
        self.columns.iter().map(|column| column.target).chain(constants).collect()
    }

    /// Where the columns stand in a file with these headings.
    ///
    /// # Errors
    /// [`MappingError::AbsentColumn`].
    pub(super) fn places(&self, headings: &[String]) -> Result<Vec<usize>, MappingError> {
        let place = |column: &Column| {
            let (field, target) = (column.field, column.target);
            let found = headings.iter().position(|heading| *heading == column.heading);
            found.ok_or(MappingError::AbsentColumn { field, target })
        };
        self.columns.iter().map(place).collect()
    }

    /// A row as it is sent, from its values at those places.
    pub(super) fn mapped<'a>(&'a self, values: Vec<&'a str>) -> Vec<Cow<'a, str>> {
        let constants = self.constants.iter().map(|(_, value)| Cow::Borrowed(value.as_str()));
        let columns = self.columns.iter().zip(values);
        columns.map(|(column, value)| self.value(column, value)).chain(constants).collect()
    }

    fn value<'a>(&'a self, column: &'a Column, value: &'a str) -> Cow<'a, str> {
        let value = value.trim();
        if self.missing.iter().any(|missing| missing == value) {
            return Cow::Borrowed("");
        }
        if let Some(code) = column.codes.get(value) {
            return Cow::Borrowed(code);
        }
        match &column.format {
            Some(format) if parse_date(value).is_err() => match format.day(value) {
                Some(day) => Cow::Owned(day.to_string()),
                None => Cow::Borrowed(value),
            },
            _ => Cow::Borrowed(value),
        }
    }
}

fn targets(value: Option<&Value>, wrong: MappingError) -> Result<Vec<&str>, MappingError> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(all)) => {
            all.iter().map(Value::as_str).collect::<Option<_>>().ok_or(wrong)
        }
        Some(_) => Err(wrong),
    }
}

fn texts(value: &Value) -> Option<Vec<(String, String)>> {
    let pairs = value.as_object()?.iter();
    pairs.map(|(from, to)| Some((from.clone(), to.as_str()?.to_owned()))).collect()
}

fn constants(
    value: &Value,
    record_type: RecordType,
) -> Result<Vec<(&'static str, String)>, MappingError> {
    let pairs = texts(value).ok_or(MappingError::WrongForm { property: CONSTANTS, field: 0 })?;
    let known = |(name, value): (String, String)| {
        let unknown = MappingError::UnknownTarget { field: 0, record_type };
        Ok((known_name(record_type, &name).ok_or(unknown)?, value))
    };
    pairs.into_iter().map(known).collect()
}

/// `None` for the default.
fn day_format(text: &str, field: usize) -> Result<Option<DayFormat>, MappingError> {
    let format = match text {
        "default" => return Ok(None),
        "excel" => DayFormat::Excel,
        pattern => DayFormat::Pattern(pattern.to_owned()),
    };
    // A pattern must give a day back, and all of it.
    let day = jiff::civil::date(2026, 12, 31);
    let sound = match &format {
        DayFormat::Excel => true,
        DayFormat::Pattern(pattern) => {
            let written = jiff::fmt::strtime::format(pattern, day);
            written.ok().and_then(|text| format.day(&text)) == Some(day)
        }
    };
    if sound { Ok(Some(format)) } else { Err(MappingError::Format { field }) }
}

impl DayFormat {
    fn day(&self, text: &str) -> Option<Date> {
        match self {
            Self::Excel => super::xlsx::day_of(text.parse().ok()?, false),
            Self::Pattern(pattern) => Date::strptime(pattern, text).ok(),
        }
    }
}

/// Mends what spreadsheets do to an NHS number: spaces between its parts, and a lost zero in
/// front. Anything else stays as it is.
pub(super) fn mended(kind: FieldKind, text: &str) -> Option<String> {
    let FieldKind::Identifier(Scheme::Nhs) = kind else { return None };
    let trimmed = text.trim();
    if trimmed.len() == 10 || trimmed.len() > 16 {
        return None;
    }
    let digits: String = trimmed.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).collect();
    let padded = if digits.len() == 9 { format!("0{digits}") } else { digits };
    identifier::check(Scheme::Nhs, &padded).is_ok().then_some(padded)
}

#[cfg(test)]
mod tests;
