//! A book's figures, every number a text as it was released.

use serde::Serialize;
use std::fmt;

/// A data book.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Book {
    /// What it is about.
    pub period: Period,
    /// The newest quarter in it, `2026Q1`.
    pub quarter: String,
    /// The released quarters of its period.
    pub quarters: Vec<String>,
    /// Its area, then those beside it.
    pub areas: Vec<Area>,
    /// Its indicators.
    pub lines: Vec<Line>,
    /// The analyst's commentary: Markdown, of which headings, paragraphs, lists and emphasis are
    /// understood.
    pub commentary: Option<String>,
    /// Quarters whose releases were withdrawn.
    pub notices: Vec<Notice>,
    /// The releases that the figures are from.
    pub releases: Vec<Release>,
    /// The catalogue's version.
    pub catalogue: String,
    /// The boundaries' version.
    pub geography: String,
    /// What linkage may miss.
    pub linkage_note: String,
    /// Why parts need not add up.
    pub sum_note: String,
}

/// What a book is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// One quarter, `2026Q1`.
    Quarter(String),
    /// A calendar year.
    Year(u32),
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarter(quarter) => f.write_str(quarter),
            Self::Year(year) => write!(f, "{year}"),
        }
    }
}

/// Why an area is in a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The book is about it.
    Own,
    /// Of the same level.
    Sibling,
    /// A reach area inside.
    Inside,
    /// It holds the book's area.
    Around,
}

/// An area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Area {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// `reach_area`, `cluster`, `lead_agency` or `authority`.
    pub level: String,
    /// Why it is there.
    pub group: Group,
    /// The published estimate of its under-fives; 0 where none is known.
    pub estimated_under_fives: u32,
}

/// A released figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Figure {
    /// The indicator.
    pub indicator: String,
    /// The area.
    pub area: String,
    /// The quarter.
    pub quarter: String,
    /// The part; empty for the whole.
    pub part: String,
    /// The value, `<10`, `too uncertain to say` or `withdrawn`.
    pub value: String,
    /// Lower end of the 95% interval; empty when withheld.
    pub lower: String,
    /// Upper end.
    pub upper: String,
    /// What stands after ±.
    pub margin: String,
    /// What it is out of.
    pub out_of: String,
    /// Inspection's word.
    pub word: String,
    /// `persons`, `families`, `percent`, `points` or `ratio`.
    pub unit: String,
}

/// One indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its number.
    pub number: String,
    /// Its title.
    pub title: String,
    /// How it is defined.
    pub definition: String,
    /// What it is out of.
    pub denominator: String,
    /// The target in words; empty for none.
    pub target: String,
    /// How the figure stands to it.
    pub standing: Option<Standing>,
    /// The figure.
    pub figure: Figure,
    /// Earlier ones, oldest first.
    pub trend: Vec<Figure>,
    /// What changed.
    pub changes: Vec<Change>,
    /// Its parts.
    pub parts: Vec<Part>,
    /// The same of the areas beside.
    pub beside: Vec<Beside>,
    /// How many comparisons of areas were made together.
    pub comparisons: u32,
    /// The feeds behind it.
    pub feeds: Vec<Feed>,
}

/// How a figure stands to its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// A code, `not_distinguishable`.
    pub code: String,
    /// The same in words.
    pub words: String,
    /// The baseline's quarter; empty for none.
    pub baseline: String,
    /// The change against it, percent with its sign; empty for none.
    pub change: String,
    /// Lower end of it.
    pub lower: String,
    /// Upper end; empty where it has no bound.
    pub upper: String,
}

/// A difference with its own margin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `previous`, `year_before` or `baseline`.
    pub against: String,
    /// That quarter.
    pub since: String,
    /// The difference with its sign.
    pub value: String,
    /// Lower end of its 95% interval.
    pub lower: String,
    /// Upper end.
    pub upper: String,
    /// What stands after ±.
    pub margin: String,
    /// `persons`, `families`, `points` or `ratio`.
    pub unit: String,
    /// Whether it can be told from no change.
    pub distinct: bool,
}

/// A part of an indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What it is called.
    pub title: String,
    /// By what the indicator is parted, `age`.
    pub dimension: String,
    /// Its figure.
    pub figure: Figure,
}

/// The figure of another area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Beside {
    /// The figure, which names the area.
    pub figure: Figure,
    /// The areas that it can be told from.
    pub distinct_from: Vec<String>,
}

/// How fresh a feed was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Feed {
    /// The sender.
    pub partner: String,
    /// What it sends.
    pub record_type: String,
    /// The week of its last extract; empty when it had sent nothing.
    pub week: String,
}

/// A quarter that was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The quarter.
    pub quarter: String,
    /// Why.
    pub notice: String,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// Its quarter.
    pub quarter: String,
    /// Its digest, hexadecimal.
    pub digest: String,
}

impl Book {
    /// The area that it is about.
    pub(super) fn own(&self) -> Option<&Area> {
        self.areas.iter().find(|area| area.group == Group::Own)
    }

    /// An area of it.
    pub(super) fn area(&self, code: &str) -> Option<&Area> {
        self.areas.iter().find(|area| area.code == code)
    }

    /// An area's name with its code: what people and programs know it by.
    pub(super) fn called(&self, code: &str) -> String {
        match self.area(code) {
            Some(area) if !area.name.is_empty() && area.name != area.code => {
                format!("{} ({})", area.name, area.code)
            }
            _ => code.to_owned(),
        }
    }
}

impl Figure {
    /// The value, lower and upper end as numbers; `None` where it is not shown.
    pub(super) fn numbers(&self) -> Option<(f64, f64, f64)> {
        let read = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite());
        Some((read(&self.value)?, read(&self.lower)?, read(&self.upper)?))
    }

    /// Of one that has no number: why, as a code, and what stands for it in a chart.
    pub(super) fn without_number(&self) -> (&'static str, &'static str) {
        match self.value.as_str() {
            "withdrawn" => ("withdrawn", "\u{d7}"),
            "too uncertain to say" => ("uncertain", "?"),
            _ => ("withheld", "<10"),
        }
    }
}
