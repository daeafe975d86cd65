//! The one place that prints: data to standard output, everything else to standard error.
//!
//! Commands hand over tables, records and texts and never format them; so every command
//! speaks the same three formats, and a script can rely on standard output holding data
//! alone. A reader that has gone away (`tallygate ... | head`) ends the output quietly: a
//! broken pipe is not an error.

use super::{CliError, text::printable};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;
use std::io::{self, ErrorKind, Write};

/// How data are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// JSON, for programs.
    Json,
    /// Comma-separated values with a heading, for spreadsheets.
    Csv,
}

/// The flag of every command that prints data.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Printing {
    /// How to print the data on standard output.
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: Format,
}

/// Rows of one shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    columns: Vec<String>,
    right: Vec<String>,
    rows: Vec<Vec<Value>>,
    bare: bool,
}

impl Table {
    /// An empty table. Columns are named as JSON and CSV name them; a table for people
    /// shows the underscores as spaces.
    pub(super) fn new(columns: &[&str]) -> Self {
        Self { columns: owned(columns), right: Vec::new(), rows: Vec::new(), bare: false }
    }

    /// Leaves out the headings where people read it.
    pub(super) fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Aligns these columns to the right, beyond those of numbers, which always are.
    pub(super) fn right(mut self, columns: &[&str]) -> Self {
        self.right = owned(columns);
        self
    }

    /// Adds a row: a value for each column, in their order.
    pub(super) fn row(&mut self, values: impl IntoIterator<Item = Value>) {
        let mut row: Vec<Value> = values.into_iter().collect();
        row.resize(self.columns.len(), Value::Null);
        self.rows.push(row);
    }

    /// Whether it has no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn is_right(&self, column: usize) -> bool {
        self.right.contains(&self.columns[column])
            || (self.rows.iter().any(|row| row[column].is_number())
                && self.rows.iter().all(|row| row[column].is_number() || row[column].is_null()))
    }

    /// Aligned lines without trailing blanks.
    fn lines(&self) -> Vec<String> {
        let headings = self.columns.iter().map(|name| heading(name)).collect();
        let mut cells: Vec<Vec<String>> = if self.bare { Vec::new() } else { vec![headings] };
        cells.extend(self.rows.iter().map(|row| row.iter().map(|v| shown(v, ", ")).collect()));
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| cells.iter().map(|row| width(&row[column])).max().unwrap_or(0))
            .collect();
        cells.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column] - width(cell));
            if column > 0 {
                line.push_str("  ");
            }
            if self.is_right(column) {
                line.push_str(&gap);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&gap);
            }
        }
        line.trim_end().to_owned()
    }
}

/// Names and values of one thing, in this order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Record(Vec<(String, Value)>);

impl Record {
    /// Adds a field.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    fn lines(&self) -> Vec<String> {
        let widest = self.0.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
        let mut lines = Vec::new();
        for (name, value) in &self.0 {
            // A list stands one item a line, so that long ones stay readable.
            let items = match value {
                Value::Array(items) if !items.is_empty() => {
                    items.iter().map(|item| shown(item, ", ")).collect()
                }
                other => vec![shown(other, ", ")],
            };
            let name = heading(name);
            for (place, item) in items.iter().enumerate() {
                let label = if place == 0 { name.as_str() } else { "" };
                lines.push(format!("{label:widest$}  {item}").trim_end().to_owned());
            }
        }
        lines
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A row of a table as a JSON object in the order of the columns.
struct Row<'t>(&'t [String], &'t [Value]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0.iter().zip(self.1) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.rows.iter().map(|row| Row(&self.columns, row)))
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// `partner_id` as people read it: `Partner id`.
pub(super) fn heading(name: &str) -> String {
    let mut words = name.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A value as a cell: no quotes, no control characters.
fn shown(value: &Value, between: &str) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => printable(text),
        Value::Array(items) => {
            items.iter().map(|item| shown(item, between)).collect::<Vec<_>>().join(between)
        }
        Value::Object(_) => printable(&value.to_string()),
    }
}

/// Where the output goes.
pub(super) struct Console<'w> {
    out: &'w mut dyn Write,
    err: &'w mut dyn Write,
    on_terminal: bool,
    reader_gone: bool,
}

/// A cell of CSV. A text that a spreadsheet would take for a formula is kept from being one:
/// titles and notices are other people's words.
fn cell(value: &Value) -> String {
    let text = shown(value, ";");
    let formula = value.is_string() && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{text}") } else { text }
}

impl<'w> Console<'w> {
    /// Data to `out`, all else to `err`; `on_terminal` says whether `err` is a terminal.
    pub(super) fn new(out: &'w mut dyn Write, err: &'w mut dyn Write, on_terminal: bool) -> Self {
        Self { out, err, on_terminal, reader_gone: false }
    }

    /// Prints a table; an empty one says so on standard error.
    ///
    /// # Errors
    /// When standard output can't be written to.
    pub(super) fn table(&mut self, format: Format, table: &Table) -> Result<(), CliError> {
        match format {
            Format::Table if table.is_empty() => {
                self.note("nothing found");
                Ok(())
            }
            Format::Table => self.lines(&table.lines()),
            Format::Json => self.json(table),
            Format::Csv => self.csv(&table.columns, &table.rows),
        }
    }

    /// Prints one thing's fields.
    ///
    /// # Errors
    /// When standard output can't be written to.
    pub(super) fn record(&mut self, format: Format, record: &Record) -> Result<(), CliError> {
        match format {
            Format::Table => self.lines(&record.lines()),
            Format::Json => self.json(record),
            Format::Csv => {
                let (columns, row): (Vec<_>, Vec<_>) = record.0.iter().cloned().unzip();
                self.csv(&columns, &[row])
            }
        }
    }

    /// Prints JSON, indented.
    ///
    /// # Errors
    /// When standard output can't be written to.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(|_| CliError::NotPrintable)?;
        self.text(&text)
    }

    /// Prints a text as it is, with a line end.
    ///
    /// # Errors
    /// When standard output can't be written to.
    pub(super) fn text(&mut self, text: &str) -> Result<(), CliError> {
        let ended = text.ends_with('\n') || text.is_empty();
        self.data(|out| {
            out.write_all(text.as_bytes())?;
            if ended { Ok(()) } else { out.write_all(b"\n") }
        })
    }

    /// Says something on standard error; that nobody reads it stops no work.
    pub(super) fn note(&mut self, text: &str) {
        let _ = writeln!(self.err, "{}", text.trim_end());
    }

    /// A progress bar for `total` steps; invisible where standard error is no terminal.
    pub(super) fn progress(&self, total: u64) -> ProgressBar {
        if !self.on_terminal {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
            .map_or(bar.clone(), |style| bar.with_style(style))
    }

    /// Writes out what is still held back.
    ///
    /// # Errors
    /// When standard output can't be written to.
    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        self.data(|out| out.flush())
    }

    fn lines(&mut self, lines: &[String]) -> Result<(), CliError> {
        self.data(|out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))
    }

    fn csv(&mut self, columns: &[String], rows: &[Vec<Value>]) -> Result<(), CliError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut write = |cells: Vec<String>| writer.write_record(cells);
        write(columns.to_vec())
            .and_then(|()| rows.iter().try_for_each(|row| write(row.iter().map(cell).collect())))
            .map_err(|_| CliError::NotPrintable)?;
        let bytes = writer.into_inner().map_err(|_| CliError::NotPrintable)?;
        self.data(|out| out.write_all(&bytes))
    }

    fn data(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        if self.reader_gone {
            return Ok(());
        }
        match write(self.out) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.reader_gone = true;
                Ok(())
            }
            Err(source) => Err(CliError::Output { source }),
            Ok(()) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(print: impl FnOnce(&mut Console<'_>) -> Result<(), CliError>) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        print(&mut Console::new(&mut out, &mut err, false)).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn sample() -> Table {
        let mut table = Table::new(&["partner_id", "areas", "keys", "value"]).right(&["value"]);
        table.row([json!("health"), json!(["CC01", "CC02"]), json!(2), json!("± 5")]);
        table.row([json!("dwp"), json!([]), json!(11), json!("<10")]);
        table
    }

    #[test]
    fn tables_align_and_say_when_empty() {
        let (out, err) = printed(|console| console.table(Format::Table, &sample()));
        assert_eq!(
            out,
            "Partner id  Areas       Keys  Value\n\
             health      CC01, CC02     2    ± 5\n\
             dwp                       11    <10\n"
        );
        assert_eq!(err, "");
        let (out, err) = printed(|console| console.table(Format::Table, &Table::new(&["a"])));
        assert_eq!((out.as_str(), err.as_str()), ("", "nothing found\n"));
    }

    #[test]
    fn a_text_in_csv_is_no_formula_and_a_number_stays_one() {
        let mut table = Table::new(&["title", "off"]);
        table.row([json!("=HYPERLINK(1)"), json!(-3)]);
        table.row([json!("a = b"), json!("-")]);
        let (out, _) = printed(|console| console.table(Format::Csv, &table));
        assert_eq!(out, "title,off\n'=HYPERLINK(1),-3\na = b,'-\n");
    }

    #[test]
    fn json_keeps_the_columns_order_and_csv_quotes() {
        let (out, _) = printed(|console| console.table(Format::Json, &sample()));
        let rows: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(rows[0]["areas"], json!(["CC01", "CC02"]));
        assert!(out.find("partner_id").unwrap() < out.find("areas").unwrap());
        let (out, _) = printed(|console| console.table(Format::Json, &Table::new(&["a"])));
        assert_eq!(out, "[]\n");
        let mut table = Table::new(&["title", "list"]);
        table.row([json!("a, b"), json!([1, 2])]);
        let (out, _) = printed(|console| console.table(Format::Csv, &table));
        assert_eq!(out, "title,list\n\"a, b\",1;2\n");
    }

    #[test]
    fn records_print_in_all_formats() {
        let record = Record::default()
            .with("partner_id", "health")
            .with("disabled", false)
            .with("roles", json!(["provider", "consumer"]));
        let (out, _) = printed(|console| console.record(Format::Table, &record));
        assert_eq!(
            out,
            "Partner id  health\nDisabled    no\nRoles       provider\n            consumer\n"
        );
        let (out, _) = printed(|console| console.record(Format::Csv, &record));
        assert_eq!(out, "partner_id,disabled,roles\nhealth,no,provider;consumer\n");
        let (out, _) = printed(|console| console.record(Format::Json, &record));
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["disabled"], json!(false));
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let mut table = Table::new(&["name"]);
        table.row([json!("a\u{1b}[31mb")]);
        let (out, _) = printed(|console| console.table(Format::Table, &table));
        assert!(!out.contains('\u{1b}'));
    }

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_broken_pipe_is_no_error_but_a_full_disk_is() {
        let (mut out, mut err) = (Failing(ErrorKind::BrokenPipe), Vec::new());
        let mut console = Console::new(&mut out, &mut err, false);
        assert!(console.table(Format::Table, &sample()).is_ok());
        assert!(console.flush().is_ok());
        let (mut out, mut err) = (Failing(ErrorKind::StorageFull), Vec::new());
        let mut console = Console::new(&mut out, &mut err, false);
        assert!(matches!(console.text("x"), Err(CliError::Output { .. })));
    }
}
