//! `tallygate record`: what partners may send, from the definitions. Needs no gateway.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
};
use crate::{
    domain::{RecordType, crosswalk, record::RowRule},
    files::schema::{columns, json_schema, table_schema, template},
};
use clap::{Subcommand, ValueEnum};
use serde_json::json;

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate record list
  tallygate record show health_review
  tallygate record template live_birth > births.csv";

const LIST_HELP: &str = "\
Example:
  tallygate record list --format csv";

const SHOW_HELP: &str = "\
identifying: only keyed values of it are stored; special: special category or otherwise delicate.

Example:
  tallygate record show early_years_profile";

const TEMPLATE_HELP: &str = "\
Prints a CSV heading with every column, and a made-up row of nobody to replace.

Example:
  tallygate record template live_birth > births.csv";

const SCHEMA_HELP: &str = "\
table: a Frictionless Table Schema, also the simplest mapping for push --map; json: a JSON Schema of
a record of JSON lines.

Examples:
  tallygate record schema funded_place > places.schema.json
  tallygate record schema funded_place --form json";

const CROSSWALKS_HELP: &str = "\
Which code of which list becomes which, and what is lost on the way (on standard error).

Example:
  tallygate record crosswalks --format csv";

/// Which schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Form {
    /// A Frictionless Table Schema.
    Table,
    /// A JSON Schema.
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum RecordCommand {
    /// Lists the record types: who sends them, and about whom.
    #[command(after_help = LIST_HELP)]
    List {
        #[command(flatten)]
        printing: Printing,
    },
    /// Shows a record type's columns: what they take and mean.
    #[command(after_help = SHOW_HELP)]
    Show {
        /// The record type.
        #[arg(value_name = "RECORD_TYPE")]
        record_type: RecordType,
        #[command(flatten)]
        printing: Printing,
    },
    /// Prints an empty file to fill in.
    #[command(after_help = TEMPLATE_HELP)]
    Template {
        /// The record type.
        #[arg(value_name = "RECORD_TYPE")]
        record_type: RecordType,
    },
    /// Prints a record type's schema.
    #[command(after_help = SCHEMA_HELP)]
    Schema {
        /// The record type.
        #[arg(value_name = "RECORD_TYPE")]
        record_type: RecordType,
        /// Which schema.
        #[arg(long, value_enum, default_value = "table")]
        form: Form,
    },
    /// Lists how codes of several lists become codes of one.
    #[command(after_help = CROSSWALKS_HELP)]
    Crosswalks {
        #[command(flatten)]
        printing: Printing,
    },
}

impl RecordCommand {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::List { printing } => list(printing, console)?,
            Self::Show { record_type, printing } => show(record_type, printing, console)?,
            Self::Template { record_type } => {
                let (headings, row) = template(record_type);
                let mut writer = csv::Writer::from_writer(Vec::new());
                let written = writer.write_record(headings).and_then(|()| writer.write_record(row));
                written.map_err(|_| CliError::NotPrintable)?;
                let bytes = writer.into_inner().map_err(|_| CliError::NotPrintable)?;
                console.text(&String::from_utf8_lossy(&bytes))?;
            }
            Self::Schema { record_type, form } => console.json(&match form {
                Form::Table => table_schema(record_type),
                Form::Json => json_schema(record_type),
            })?,
            Self::Crosswalks { printing } => crosswalks(printing, console)?,
        }
        Ok(Outcome::Done)
    }
}

fn list(printing: Printing, console: &mut Console<'_>) -> Result<(), CliError> {
    let mut table = Table::new(&["record_type", "senders", "about", "columns", "meaning"]);
    for record_type in RecordType::ALL {
        let definition = record_type.definition();
        let senders: Vec<String> =
            definition.senders.iter().map(|s| format!("{s:?}").to_lowercase()).collect();
        table.row([
            json!(record_type.name()),
            json!(senders.join(", ")),
            json!(definition.about.as_str()),
            json!(definition.columns().count()),
            json!(definition.doc),
        ]);
    }
    console.table(printing.format, &table)
}

fn show(
    record_type: RecordType,
    printing: Printing,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let mut table = Table::new(&["column", "required", "sensitivity", "takes", "meaning"]);
    for column in columns(record_type) {
        table.row([
            json!(column.name),
            json!(if column.required { "yes" } else { "no" }),
            json!(column.sensitivity),
            json!(column.takes),
            json!(column.doc),
        ]);
    }
    let definition = record_type.definition();
    console.note(definition.doc);
    console.table(printing.format, &table)?;
    for rule in definition.rules.iter().map(RowRule::words) {
        console.note(&format!("rule: {rule}"));
    }
    Ok(())
}

fn crosswalks(printing: Printing, console: &mut Console<'_>) -> Result<(), CliError> {
    let mut table = Table::new(&["crosswalk", "list", "code", "becomes"]);
    for crosswalk in crosswalk::ALL {
        for list in crosswalk.from {
            for (code, to) in list.codes {
                table.row([json!(crosswalk.name), json!(list.name), json!(code), json!(to)]);
            }
        }
    }
    console.table(printing.format, &table)?;
    for loss in crosswalk::ALL.iter().flat_map(|crosswalk| crosswalk.losses) {
        console.note(loss);
    }
    Ok(())
}
