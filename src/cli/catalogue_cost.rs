//! `tallygate catalogue cost`: expected errors, budget and attacker's accuracy of a catalogue.

use super::{
    CliError, Console, Outcome,
    catalogue::{read_areas, read_catalogue},
    output::{Format, Printing, Table},
};
use crate::disclosure::{
    Catalogue, Geography, Unit,
    catalogue::{Base, Level},
    contrast::{Contrast, contrasts},
    cost::{self, Trade, Weighed, frontier},
    expected::{ExpectedError, expected_errors},
};
use crate::domain::Quarter;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::PathBuf;

const HELP: &str = "\
Reads the catalogue and published estimates of the areas alone, never a record. What is printed:
  tables    what each costs: rho a quarter and over the dearest life, epsilon at delta 1e-6 and
            1e-9, and how often an attacker who knows everyone else tells one person right
  totals    the same for all tables together: each quarter of the year, a childhood, an adult's
            five years
  errors    the 95% quantile of the error of every indicator and part, at every level
  contrasts how well all tables together tell one cell, by least squares
  frontier  what less and what more noise would mean (with --frontier)
CSV holds one part: name it with --part.

Examples:
  tallygate catalogue cost
  tallygate catalogue cost --frontier --part frontier
  tallygate catalogue cost --areas areas.toml --part errors --format csv";

/// A part of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Tables,
    Totals,
    Errors,
    Contrasts,
    Frontier,
}

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Cost {
    /// A catalogue, TOML; this program's own when left out.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The areas, as `area load` reads them; the demo's under two lead agencies when left out.
    #[arg(long, value_name = "FILE")]
    areas: Option<PathBuf>,
    /// Print what less and more noise would mean, too.
    #[arg(long)]
    frontier: bool,
    /// Print this part alone.
    #[arg(long, value_enum)]
    part: Option<Part>,
    #[command(flatten)]
    printing: Printing,
}

/// Everything, for programs.
#[derive(Serialize)]
struct All {
    version: String,
    digest: String,
    cost: cost::Cost,
    errors: Vec<ExpectedError>,
    contrasts: Vec<Contrast>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    frontier: Vec<Trade>,
}

impl Cost {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let catalogue = read_catalogue(self.file.as_deref())?;
        let geography = read_areas(self.areas.as_deref())?;
        let format = self.printing.format;
        let wanted = match (self.part, format) {
            (Some(part), _) => vec![part],
            (None, Format::Csv) => vec![Part::Errors],
            (None, _) => {
                let mut all = vec![Part::Tables, Part::Totals, Part::Errors, Part::Contrasts];
                all.extend(self.frontier.then_some(Part::Frontier));
                all
            }
        };
        if format == Format::Json {
            return all(&catalogue, &geography, &wanted, console);
        }
        for (at, part) in wanted.into_iter().enumerate() {
            if at > 0 {
                console.text("\n")?;
            }
            let table = match part {
                Part::Tables => tables(&cost::cost(&catalogue)),
                Part::Totals => totals(&cost::cost(&catalogue)),
                Part::Errors => errors(&expected_errors(&catalogue, &geography)),
                Part::Contrasts => contrast_rows(&worst(&catalogue, &geography)),
                Part::Frontier => trades(&frontier(&catalogue)),
            };
            console.table(format, &table)?;
        }
        Ok(Outcome::Done)
    }
}

fn all(
    catalogue: &Catalogue,
    geography: &Geography,
    wanted: &[Part],
    console: &mut Console<'_>,
) -> Result<Outcome, CliError> {
    let failed = |error: crate::disclosure::DisclosureError| CliError::Failed {
        act: "read the catalogue",
        source: error.into(),
    };
    let trades = wanted.contains(&Part::Frontier).then(|| frontier(catalogue));
    console.json(&All {
        version: catalogue.version.clone(),
        digest: catalogue.digest().map_err(failed)?.to_string(),
        cost: cost::cost(catalogue),
        errors: expected_errors(catalogue, geography),
        contrasts: worst(catalogue, geography),
        frontier: trades.unwrap_or_default(),
    })?;
    Ok(Outcome::Done)
}

/// Of each table what all tables together tell best, over the quarters of a year.
fn worst(catalogue: &Catalogue, geography: &Geography) -> Vec<Contrast> {
    let mut least: Vec<Contrast> = Vec::new();
    let first: Option<Quarter> = "2000Q1".parse().ok();
    let year = std::iter::successors(first, |quarter| Some(quarter.next())).take(4);
    for contrast in year.flat_map(|quarter| contrasts(catalogue, geography, quarter)) {
        match least.iter_mut().find(|known| known.table == contrast.table) {
            Some(known) if known.together <= contrast.together => {}
            Some(known) => *known = contrast,
            None => least.push(contrast),
        }
    }
    least
}

fn rounded(number: f64, places: i32) -> Value {
    let unit = 10_f64.powi(places);
    json!((number * unit).round() / unit)
}

fn weighed(weighed: &Weighed) -> [Value; 4] {
    [
        rounded(weighed.rho.value(), 5),
        rounded(weighed.epsilon_6, 2),
        rounded(weighed.epsilon_9, 2),
        rounded(weighed.accuracy, 4),
    ]
}

fn tables(cost: &cost::Cost) -> Table {
    let mut rows = Table::new(&[
        "table",
        "for",
        "cells",
        "ages",
        "due",
        "cap",
        "variance",
        "rho",
        "accuracy",
        "quarters",
        "life_rho",
        "life_epsilon_1e6",
        "life_epsilon_1e9",
        "life_accuracy",
        "of_dearest_life",
    ]);
    for table in &cost.tables {
        let children = table.ages.map(|ages| format!("{}-{} months", ages.from, ages.to - 1));
        let ages: Vec<String> =
            children.into_iter().chain(table.adults.then(|| "adults".to_owned())).collect();
        let due: Vec<String> = table.due.iter().map(|n| format!("Q{n}")).collect();
        let [life, epsilon_6, epsilon_9, accuracy] = weighed(&table.lifetime);
        rows.row([
            json!(table.table),
            json!(if table.base == Base::Authority { "authority" } else { "reach area" }),
            json!(table.cells),
            json!(ages.join(", ")),
            json!(if due.is_empty() { "all".to_owned() } else { due.join(" ") }),
            json!(table.cap),
            json!(table.variance),
            rounded(table.quarter.rho.value(), 5),
            rounded(table.quarter.accuracy, 4),
            json!(table.quarters),
            life,
            epsilon_6,
            epsilon_9,
            accuracy,
            rounded(table.of_dearest.value(), 5),
        ]);
    }
    rows
}

fn totals(cost: &cost::Cost) -> Table {
    let mut rows = Table::new(&["all_tables", "rho", "epsilon_1e6", "epsilon_1e9", "accuracy"]);
    let mut row = |what: String, amount: &Weighed| {
        rows.row(std::iter::once(json!(what)).chain(weighed(amount)));
    };
    for (number, quarter) in (1..).zip(&cost.quarters) {
        row(format!("quarter {number} of a year, the dearest person"), quarter);
    }
    row("a childhood, the dearest".to_owned(), &cost.lifetime);
    row("an adult's five years".to_owned(), &cost.adult);
    rows
}

const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "persons",
        Unit::Percent | Unit::Points => "points",
    }
}

fn errors(errors: &[ExpectedError]) -> Table {
    let mut rows = Table::new(&[
        "indicator",
        "part",
        "title",
        "level",
        "assumed_size",
        "assumed_percent",
        "error_95",
        "unit",
    ]);
    for error in errors {
        rows.row([
            json!(error.indicator),
            json!(error.part),
            json!(error.title),
            json!(match error.level {
                Level::ReachArea => "reach area",
                Level::Cluster => "cluster",
                Level::LeadAgency => "lead agency",
                Level::Authority => "authority",
            }),
            rounded(error.assumed_size, 0),
            json!(error.assumed_percent),
            rounded(error.margin, 1),
            json!(unit(error.unit)),
        ]);
    }
    rows
}

fn contrast_rows(contrasts: &[Contrast]) -> Table {
    let mut rows = Table::new(&["table", "told_best", "own_variance", "together"]);
    for contrast in contrasts {
        rows.row([
            json!(contrast.table),
            json!(contrast.name),
            rounded(contrast.own, 1),
            rounded(contrast.together, 1),
        ]);
    }
    rows
}

fn trades(trades: &[Trade]) -> Table {
    let mut rows = Table::new(&[
        "noise_percent",
        "registered_of_1000_error_95",
        "quarter_accuracy",
        "childhood_accuracy",
        "within_limits",
    ]);
    for trade in trades {
        rows.row([
            json!(trade.noise_percent),
            rounded(trade.registered_margin, 2),
            rounded(trade.quarter, 4),
            rounded(trade.lifetime, 4),
            json!(if trade.keeps { "yes" } else { "no" }),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(part: Option<Part>, format: Format) -> String {
        let printing = Printing { format };
        let cost = Cost { file: None, areas: None, frontier: true, part, printing };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(cost.run(&mut Console::new(&mut out, &mut err, false)).unwrap(), Outcome::Done);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn everything_that_a_design_needs_is_printed_and_is_data_in_each_format() {
        let text = printed(None, Format::Table);
        for word in ["registered", "childhood", "target_groups", "reach area", "yes"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let json: Value = serde_json::from_str(&printed(None, Format::Json)).unwrap();
        assert_eq!(json["cost"]["tables"].as_array().unwrap().len(), 41);
        assert!(json["cost"]["lifetime"]["accuracy"].as_f64().unwrap() < 0.80);
        assert!(json["frontier"].as_array().is_some());
        let csv = printed(None, Format::Csv);
        for level in ["reach area", "cluster", "lead agency", "authority"] {
            assert!(csv.contains(&format!(",{level},")), "{level}");
        }
        assert!(csv.starts_with("indicator,part,") && csv.contains("registered,,"), "{csv}");
        assert!(printed(Some(Part::Contrasts), Format::Csv).lines().count() > 20);
    }
}
