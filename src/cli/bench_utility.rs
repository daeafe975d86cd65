//! `tallygate bench utility`: how far figures are from what was counted.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
};
use crate::bench::utility::{self, Plan};
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Utility {
    /// Of the synthetic population; 1.0 is Coventry.
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = super::argument::scale)]
    scale: f64,
    /// All chance comes from it.
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// How many times each quarter's noise is drawn.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    draws: u32,
    #[command(flatten)]
    printing: Printing,
}

impl Utility {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let Self { scale, seed, draws, printing } = self;
        let rows = utility::measure(&Plan { scale, seed, draws }, &mut |doing| console.note(doing))
            .map_err(|error| CliError::Failed { act: "measure", source: error.into() })?;
        let mut table = Table::new(&[
            "what", "name", "level", "values", "printed", "expected", "measured", "share", "low",
            "high", "met",
        ]);
        for row in &rows {
            table.row([
                json!(row.what),
                json!(row.name),
                json!(row.level),
                json!(row.values),
                json!(row.printed),
                json!(row.expected),
                json!(row.measured),
                json!(row.share),
                json!(row.low),
                json!(row.high),
                json!(row.met),
            ]);
        }
        console.table(printing.format, &table)?;
        Ok(Outcome::findings(rows.iter().any(|row| !row.met)))
    }
}
