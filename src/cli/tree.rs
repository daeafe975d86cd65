//! A JSON document as tables for people, for answers whose shape is the gateway's own.

use super::{
    CliError, Console,
    output::{Format, Record, Table, heading},
};
use serde_json::{Map, Value};

/// Prints a document: JSON as it is; for people, fields, then each list as a table below
/// its heading; as CSV, a line for each value with its path.
///
/// # Errors
/// When standard output can't be written to.
pub(super) fn print(
    console: &mut Console<'_>,
    format: Format,
    document: &Value,
) -> Result<(), CliError> {
    match format {
        Format::Json => console.json(document),
        Format::Csv => {
            let mut table = Table::new(&["path", "value"]);
            flatten("", document, &mut table);
            console.table(format, &table)
        }
        Format::Table => match document {
            Value::Object(fields) => section(console, None, fields),
            other => list(console, None, other),
        },
    }
}

fn flatten(path: &str, value: &Value, table: &mut Table) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&format!("{path}/{name}"), value, table);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                flatten(&format!("{path}/{place}"), value, table);
            }
        }
        leaf => table.row([Value::String(path.to_owned()), leaf.clone()]),
    }
}

fn title(console: &mut Console<'_>, name: Option<&str>) -> Result<(), CliError> {
    name.map_or(Ok(()), |name| console.text(&format!("\n{}\n", heading(name))))
}

/// A field that fits on its own line.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(items) => items.iter().all(|item| !item.is_object() && !item.is_array()),
        _ => true,
    }
}

fn section(
    console: &mut Console<'_>,
    name: Option<&str>,
    fields: &Map<String, Value>,
) -> Result<(), CliError> {
    title(console, name)?;
    let plain = fields
        .iter()
        .filter(|(_, value)| is_plain(value))
        .fold(Record::default(), |record, (name, value)| record.with(name, value.clone()));
    console.record(Format::Table, &plain)?;
    for (name, value) in fields.iter().filter(|(_, value)| !is_plain(value)) {
        match value {
            Value::Object(fields) => section(console, Some(name), fields)?,
            other => list(console, Some(name), other)?,
        }
    }
    Ok(())
}

/// A list of objects as a table of all their fields; other items a line each.
fn list(console: &mut Console<'_>, name: Option<&str>, value: &Value) -> Result<(), CliError> {
    title(console, name)?;
    let items = match value {
        Value::Array(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    };
    let mut columns: Vec<&str> = Vec::new();
    for field in items.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&field.as_str()) {
            columns.push(field);
        }
    }
    let mut table =
        if columns.is_empty() { Table::new(&["item"]).bare() } else { Table::new(&columns) };
    for item in items {
        if columns.is_empty() {
            table.row([item.clone()]);
        } else {
            table
                .row(columns.iter().map(|column| item.get(column).cloned().unwrap_or(Value::Null)));
        }
    }
    console.table(Format::Table, &table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(format: Format) -> String {
        let document = json!({
            "quarter": "2026Q1",
            "warnings": [],
            "budget": {"rho": 0.3},
            "tables": [{"id": "engagement", "cells": 8}, {"id": "births", "cells": 1, "cap": 1}],
        });
        let (mut out, mut err) = (Vec::new(), Vec::new());
        print(&mut Console::new(&mut out, &mut err, false), format, &document).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_document_prints_as_fields_and_tables() {
        assert_eq!(
            printed(Format::Table),
            "Quarter   2026Q1\nWarnings\n\nBudget\nRho  0.3\n\nTables\nCells  Id          Cap\n    \
             8  engagement\n    1  births        1\n"
        );
    }

    #[test]
    fn as_csv_each_value_has_its_path() {
        assert!(printed(Format::Csv).contains("/tables/1/id,births\n"));
        assert!(serde_json::from_str::<Value>(&printed(Format::Json)).is_ok());
    }
}
