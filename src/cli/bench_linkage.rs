//! `tallygate bench linkage`: how well persons are found.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
};
use crate::bench::linkage::{self, Files, Source};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Linkage {
    /// A CSV of people, by our columns or FEBRL's; the synthetic population unless given.
    ///
    /// Ours: `record_id`, forename, surname, `date_of_birth`, sex, postcode, uprn, `nhs_number`.
    #[arg(long, value_name = "CSV", requires_all = ["right", "truth"])]
    left: Option<PathBuf>,
    /// A second such file; the same file to look for doubles within it.
    #[arg(long, value_name = "CSV", requires = "left")]
    right: Option<PathBuf>,
    /// A CSV of the pairs that are one person: left, right.
    #[arg(long, value_name = "CSV", requires = "left")]
    truth: Option<PathBuf>,
    /// Also write the pairs that were found, in the same form.
    #[arg(long, value_name = "CSV", requires = "left")]
    found: Option<PathBuf>,
    /// Of each population; 1.0 is Coventry.
    #[arg(long, value_name = "F", default_value_t = 1.0, conflicts_with = "left", value_parser = super::argument::scale)]
    scale: f64,
    /// The first population's seed; the next have the next.
    #[arg(long, value_name = "N", default_value_t = 7, conflicts_with = "left")]
    seed: u64,
    /// How many populations: of one alone the smallest groups' shares are chance.
    #[arg(long, value_name = "N", default_value_t = 8, conflicts_with = "left")]
    populations: u8,
    #[command(flatten)]
    printing: Printing,
}

impl Linkage {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let Self { left, right, truth, found, scale, seed, populations, printing } = self;
        let source = match (left, right, truth) {
            (Some(left), Some(right), Some(truth)) => {
                Source::Files(Files { left, right, truth, found })
            }
            _ => {
                let seeds = seed..seed.saturating_add(populations.into());
                Source::Population { scale, seeds }
            }
        };
        let figures = linkage::measure(&source);
        let figures =
            figures.map_err(|error| CliError::Failed { act: "measure", source: error.into() })?;
        let mut table = Table::new(&["name", "value", "goal", "met"]);
        let mut all_met = true;
        for figure in figures {
            let met = figure.goal.map(|goal| figure.value <= goal);
            all_met &= met.unwrap_or(true);
            table.row([json!(figure.name), json!(figure.value), json!(figure.goal), json!(met)]);
        }
        console.table(printing.format, &table)?;
        Ok(Outcome::findings(!all_met))
    }
}
