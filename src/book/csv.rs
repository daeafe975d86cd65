//! The figures as CSV, with CSVW metadata that says what each column is.

use super::{
    BookError,
    model::{Book, Figure, Group},
    words,
};
use serde_json::{Value, json};

/// A column: name, title, datatype, what it is.
type Column = (&'static str, &'static str, &'static str, &'static str);

const FIGURES: &[Column] = &[
    ("area", "Area", "string", "Code of the area."),
    ("area_name", "Area name", "string", "Name of the area."),
    ("level", "Level", "string", "reach_area, cluster, lead_agency or authority."),
    ("quarter", "Quarter", "string", "Calendar quarter, for example 2026Q1."),
    ("number", "Number", "string", "Number of the indicator in the data book."),
    ("indicator", "Indicator", "string", "Id of the indicator."),
    ("title", "Title", "string", "Title of the indicator, or of the part."),
    ("part", "Part", "string", "Id of the part; empty for the whole."),
    (
        "status",
        "Status",
        "string",
        "shown, withheld (zero, small or absent), uncertain (no value can be ruled out) or withdrawn.",
    ),
    ("value", "Value", "number", "Count to the nearest 5, percentage to one place, or ratio."),
    ("lower", "Lower", "number", "Lower end of the 95% interval of noise and rounding."),
    ("upper", "Upper", "number", "Upper end of it."),
    ("margin", "Margin", "number", "What to print after the plus-minus sign."),
    ("out_of", "Out of", "number", "What a percentage or ratio is out of, to the nearest 5."),
    ("word", "Word", "string", "Inspection's word; empty where the margin spans an edge."),
    ("unit", "Unit", "string", "persons, families, percent, points or ratio."),
];

const CHANGES: &[Column] = &[
    ("area", "Area", "string", "Code of the area."),
    ("quarter", "Quarter", "string", "The later quarter."),
    ("since", "Since", "string", "The earlier quarter."),
    ("against", "Against", "string", "previous, year_before or baseline."),
    ("number", "Number", "string", "Number of the indicator in the data book."),
    ("indicator", "Indicator", "string", "Id of the indicator."),
    ("title", "Title", "string", "Title of the indicator."),
    ("value", "Value", "number", "The later figure less the earlier one."),
    ("lower", "Lower", "number", "Lower end of the difference's own 95% interval."),
    ("upper", "Upper", "number", "Upper end of it."),
    ("margin", "Margin", "number", "What to print after the plus-minus sign."),
    ("unit", "Unit", "string", "persons, families, points or ratio."),
    ("distinct", "Distinct", "boolean", "Whether it can be told from no change."),
];

/// A table of a book.
pub(super) struct Table {
    /// What it holds.
    pub(super) name: &'static str,
    columns: &'static [Column],
    /// How many of the columns tell a row from every other.
    key: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

/// Every table of a book.
pub(super) fn tables(book: &Book) -> [Table; 2] {
    let mut figures = Vec::new();
    let mut changes = Vec::new();
    let own = book.own().map_or("", |area| area.code.as_str());
    for line in &book.lines {
        let mut row = |figure: &Figure, title: &str| {
            figures.push(figure_row(book, &line.number, figure, title));
        };
        line.trend.iter().chain([&line.figure]).for_each(|figure| row(figure, &line.title));
        line.parts.iter().for_each(|part| row(&part.figure, &part.title));
        let others = line.beside.iter().filter(|beside| beside.figure.area != own);
        others.for_each(|beside| row(&beside.figure, &line.title));
        changes.extend(line.changes.iter().map(|change| {
            [
                own,
                &line.figure.quarter,
                &change.since,
                &change.against,
                &line.number,
                &line.figure.indicator,
                &guarded(&line.title),
                &change.value,
                &change.lower,
                &change.upper,
                &change.margin,
                &change.unit,
                if change.distinct { "true" } else { "false" },
            ]
            .map(str::to_owned)
            .to_vec()
        }));
    }
    let key = &["area", "quarter", "indicator", "part"];
    [
        Table { name: "figures", columns: FIGURES, key, rows: figures },
        Table {
            name: "changes",
            columns: CHANGES,
            key: &["area", "quarter", "since", "indicator"],
            rows: changes,
        },
    ]
}

fn figure_row(book: &Book, number: &str, figure: &Figure, title: &str) -> Vec<String> {
    let area = book.area(&figure.area);
    let is_shown = figure.numbers().is_some();
    let status = if is_shown { "shown" } else { figure.without_number().0 };
    let shown = |text: &str| if is_shown { text.to_owned() } else { String::new() };
    vec![
        figure.area.clone(),
        guarded(area.map_or("", |area| &area.name)),
        area.map(|area| area.level.clone()).unwrap_or_default(),
        figure.quarter.clone(),
        number.to_owned(),
        figure.indicator.clone(),
        guarded(title),
        figure.part.clone(),
        status.to_owned(),
        shown(&figure.value),
        shown(&figure.lower),
        shown(&figure.upper),
        shown(&figure.margin),
        shown(&figure.out_of),
        figure.word.clone(),
        figure.unit.clone(),
    ]
}

/// A text that a spreadsheet would take for a formula is kept from being one.
fn guarded(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

impl Table {
    /// As CSV (RFC 4180), a heading first.
    pub(super) fn text(&self) -> Result<String, BookError> {
        let mut writer =
            ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
        let heading = self.columns.iter().map(|(name, ..)| *name);
        writer.write_record(heading).map_err(|_| BookError)?;
        for row in &self.rows {
            writer.write_record(row).map_err(|_| BookError)?;
        }
        let bytes = writer.into_inner().map_err(|_| BookError)?;
        String::from_utf8(bytes).map_err(|_| BookError)
    }

    /// Its metadata.
    pub(super) fn metadata(&self, url: &str, book: &Book) -> Value {
        let own = book.own();
        let area = own.map_or_else(String::new, |area| book.called(&area.code));
        let column = |(name, title, datatype, description): &Column| {
            json!({
                "name": name,
                "titles": name,
                "rdfs:label": title,
                "dc:description": description,
                "datatype": datatype,
                "required": self.key.contains(name) && *name != "part",
            })
        };
        // An empty part is the whole: it is a value, not a missing one.
        let columns: Vec<Value> = self
            .columns
            .iter()
            .map(|of| {
                let mut column = column(of);
                if of.0 == "part" {
                    column["null"] = json!("none");
                }
                column
            })
            .collect();
        json!({
            "@context": ["http://www.w3.org/ns/csvw", { "@language": "en" }],
            "url": url,
            "dc:title": format!("{area}: {} of {}", self.name, words::period(&book.period)),
            "dc:description": format!("{} {}", book.sum_note, book.linkage_note),
            "dc:source": book.releases.iter().map(|release| {
                format!("release {} of {}", release.digest, release.quarter)
            }).collect::<Vec<_>>(),
            "dialect": { "header": true, "encoding": "utf-8", "lineTerminators": ["\r\n"] },
            "tableSchema": {
                "columns": columns,
                "primaryKey": self.key,
            },
        })
    }
}

impl Group {
    /// The heading of a group of areas.
    pub(super) const fn heading(self) -> &'static str {
        match self {
            Self::Own => "This area",
            Self::Sibling => "Areas of the same kind",
            Self::Inside => "Reach areas inside",
            Self::Around => "What it lies in",
        }
    }
}
