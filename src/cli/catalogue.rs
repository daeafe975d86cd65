//! `tallygate catalogue`: what is counted, before anything is counted. Works offline.

use super::{
    CliError, Console, Outcome, area_file,
    catalogue_cost::Cost,
    catalogue_dpia::Dpia,
    output::{Format, Printing, Record, Table},
    partner_file::read_text,
};
use crate::{
    demo::journey,
    disclosure::{
        Catalogue, DisclosureError, Geography, Limits, contrast,
        cost::cost,
        explain::{Explained, explain},
    },
    grpc::area_set,
    synth::{self, Place},
    wire::v1,
};
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate catalogue cost
  tallygate catalogue cost --areas areas.toml --part errors --format csv
  tallygate catalogue check
  tallygate catalogue check my-catalogue.toml
  tallygate catalogue show --format json
  tallygate catalogue dpia --out motivated-intruder.md";

const CHECK_HELP: &str = "\
Explains each mistake with its line; then says whether the tables together tell a cell too well, and
whether the recommended limits hold (an attacker's accuracy of 0.60 after a quarter and 0.80 after a
childhood). Exit code 1 when anything is wrong.

Examples:
  tallygate catalogue check
  tallygate catalogue check my-catalogue.toml --areas areas.toml";

#[derive(Debug, Subcommand)]
pub(super) enum CatalogueCommand {
    /// Prints expected errors, budget and attacker's accuracy, from the catalogue alone.
    Cost(Cost),
    /// Explains what is wrong with a catalogue, line by line.
    #[command(after_help = CHECK_HELP)]
    Check(Check),
    /// Shows the indicators, and with JSON the whole catalogue.
    #[command(after_help = "Example:\n  tallygate catalogue show --format csv")]
    Show(Show),
    /// Writes the motivated-intruder section of the authority's impact assessment.
    #[command(after_help = "Example:\n  tallygate catalogue dpia --out motivated-intruder.md")]
    Dpia(Dpia),
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The catalogue, TOML; this program's own when left out.
    file: Option<PathBuf>,
    /// The areas that it is for, as `area load` reads them; the demo's under two lead agencies
    /// when left out.
    #[arg(long, value_name = "FILE")]
    areas: Option<PathBuf>,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// A catalogue, TOML; this program's own when left out.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    printing: Printing,
}

impl CatalogueCommand {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Cost(cost) => cost.run(console),
            Self::Check(check) => check.run(console),
            Self::Show(show) => show.run(console),
            Self::Dpia(dpia) => dpia.run(console),
        }
    }
}

pub(super) fn unusable(error: DisclosureError) -> CliError {
    CliError::Failed { act: "read the catalogue", source: error.into() }
}

/// The catalogue of a file, or the shipped one. One with mistakes is refused; `check` explains
/// them.
pub(super) fn read_catalogue(path: Option<&Path>) -> Result<Catalogue, CliError> {
    let read = match path {
        Some(path) => Catalogue::parse(&read_text(path)?),
        None => Catalogue::shipped(),
    };
    read.map_err(unusable)
}

/// The areas of a file, or the demo's: those under two lead agencies, half of the clusters each, as
/// councils have them, so that each level has its figures. (The demo itself has none.)
pub(super) fn read_areas(path: Option<&Path>) -> Result<Geography, CliError> {
    let areas = match path {
        Some(path) => area_file::drawn(path)?.request.areas,
        None => under_lead_agencies(journey::areas(synth::place(Place::Coventry))),
    };
    let compiled = area_set(areas).map_err(|_| CliError::WrongForm {
        path: path.map(Path::to_owned).unwrap_or_default(),
        expected: "areas that could be loaded: one authority, clusters in it, reach areas in these",
    })?;
    Ok(compiled.counted().clone())
}

fn under_lead_agencies(mut areas: Vec<v1::Area>) -> Vec<v1::Area> {
    let of_level = |level: v1::AreaLevel| move |area: &&v1::Area| area.level == i32::from(level);
    let authority = areas.iter().find(of_level(v1::AreaLevel::Authority));
    let authority = authority.map(|area| area.code.clone()).unwrap_or_default();
    let clusters = areas.iter().filter(of_level(v1::AreaLevel::Cluster));
    let clusters: Vec<String> = clusters.map(|area| area.code.clone()).collect();
    let first = &clusters[..clusters.len() / 2];
    for area in areas.iter_mut().filter(|area| area.level == i32::from(v1::AreaLevel::ReachArea)) {
        area.lead_agency = if first.contains(&area.parent) { "LEAD1" } else { "LEAD2" }.to_owned();
    }
    areas.extend(["LEAD1", "LEAD2"].map(|code| v1::Area {
        code: code.to_owned(),
        name: format!("Lead agency {code}"),
        level: v1::AreaLevel::LeadAgency.into(),
        parent: authority.clone(),
        ..v1::Area::default()
    }));
    areas
}

impl Check {
    fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let text = self.file.as_deref().map(read_text).transpose()?;
        let text = text.as_deref().unwrap_or(Catalogue::SHIPPED);
        let (catalogue, explained) = explain(text).map_err(unusable)?;
        let mut table = Table::new(&["line", "problem"]);
        for Explained { line, mistake } in &explained {
            table.row([json!(line), json!(mistake.to_string())]);
        }
        if explained.is_empty() {
            for problem in problems(&catalogue, &read_areas(self.areas.as_deref())?) {
                table.row([json!(null), json!(problem)]);
            }
        }
        let wrong = !table.is_empty();
        if wrong || self.printing.format != Format::Table {
            console.table(self.printing.format, &table)?;
        } else {
            let digest = catalogue.digest().map_err(unusable)?;
            let record = Record::default()
                .with("version", catalogue.version.as_str())
                .with("digest", digest.to_string())
                .with("tables", catalogue.tables.len())
                .with("indicators", catalogue.indicators.len())
                .with("verdict", "right, and within the recommended limits");
            console.record(self.printing.format, &record)?;
        }
        Ok(Outcome::findings(wrong))
    }
}

/// What is wrong with all tables together.
fn problems(catalogue: &Catalogue, geography: &Geography) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(problem) = contrast::check(catalogue, geography) {
        problems.push(problem.to_string());
    }
    let (cost, limits) = (cost(catalogue), Limits::recommended());
    for (what, rho, limit) in [
        ("the dearest quarter", cost.quarter.rho, limits.quarter),
        ("the dearest life", cost.lifetime.rho, limits.lifetime),
    ] {
        if rho > limit {
            problems.push(format!("{what} costs rho {rho}; {limit} is recommended at most"));
        }
    }
    let floor = limits.minimum_variance;
    let quiet = catalogue.tables.iter().filter(|table| (1..floor).contains(&table.variance));
    problems.extend(quiet.map(|table| {
        format!("table {}: variance {} is below the floor of {floor}", table.id, table.variance)
    }));
    problems
}

impl Show {
    fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let catalogue = read_catalogue(self.file.as_deref())?;
        if self.printing.format == Format::Json {
            console.json(&catalogue)?;
            return Ok(Outcome::Done);
        }
        let columns = [
            "number",
            "indicator",
            "title",
            "table",
            "for",
            "quarters",
            "target",
            "broken_down_by",
        ];
        let mut rows = Table::new(&columns).right(&["number"]);
        for indicator in &catalogue.indicators {
            let Some(table) = catalogue.table(indicator.measure.table()) else { continue };
            let letter = indicator.letter.map(String::from).unwrap_or_default();
            let due: Vec<String> = table.due.iter().map(|n| format!("Q{n}")).collect();
            let by: Vec<&str> = indicator.by.iter().map(|by| by.dimension.as_str()).collect();
            rows.row([
                json!(format!("{}{letter}", indicator.number)),
                json!(indicator.id),
                json!(indicator.title),
                json!(table.id),
                json!(table.base),
                json!(if due.is_empty() { "all".to_owned() } else { due.join(" ") }),
                json!(indicator.target.as_ref().map(|target| &target.words)),
                json!(by.join(" ")),
            ]);
        }
        console.table(self.printing.format, &rows)?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn check(text: &str, format: Format) -> (Outcome, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("catalogue.toml");
        fs::write(&file, text).unwrap();
        checked(Some(file), format)
    }

    fn checked(file: Option<PathBuf>, format: Format) -> (Outcome, String) {
        let check = Check { file, areas: None, printing: Printing { format } };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let outcome = check.run(&mut Console::new(&mut out, &mut err, false)).unwrap();
        (outcome, String::from_utf8(out).unwrap())
    }

    const SHIPPED: &str = Catalogue::SHIPPED;

    #[test]
    fn without_a_file_it_is_the_shipped_one() {
        let (outcome, out) = checked(None, Format::Table);
        assert!(outcome == Outcome::Done && out.contains("within the recommended limits"), "{out}");
    }

    #[test]
    fn a_right_catalogue_is_said_to_be_and_mistakes_are_listed_with_their_lines() {
        let (outcome, out) = check(SHIPPED, Format::Table);
        assert!(outcome == Outcome::Done && out.contains("within the recommended limits"), "{out}");
        let wrong = SHIPPED.replacen("cap = 1\n", "cap = 0\n", 1);
        let line = wrong.lines().position(|line| line == "cap = 0").unwrap() + 1;
        let (outcome, out) = check(&wrong, Format::Csv);
        assert_eq!(outcome, Outcome::WithFindings);
        assert!(out.contains(&format!("{line},")) && out.contains("cap must be"), "{out}");
    }

    #[test]
    fn too_little_noise_is_found_though_nothing_is_misspelt() {
        let (outcome, out) =
            check(&SHIPPED.replacen("variance = 110", "variance = 41", 1), Format::Csv);
        assert_eq!(outcome, Outcome::WithFindings);
        assert!(out.contains("the dearest life costs rho"), "{out}");
        let (_, out) = check(&SHIPPED.replacen("variance = 80", "variance = 20", 1), Format::Csv);
        assert!(out.contains("below the floor"), "{out}");
    }

    #[test]
    fn indicators_are_shown_with_their_tables() {
        let show = |format| {
            let show = Show { file: None, printing: Printing { format } };
            let (mut out, mut err) = (Vec::new(), Vec::new());
            show.run(&mut Console::new(&mut out, &mut err, false)).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = show(Format::Csv);
        assert!(text.contains("16b,families_known_to_both,"), "{text}");
        assert_eq!(text.lines().count(), 32);
        assert!(show(Format::Json).contains("\"version\""));
    }
}
