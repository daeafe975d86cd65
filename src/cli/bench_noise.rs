//! `tallygate bench noise`: the noise's table and draws of it, for checks by other programs.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
};
use crate::bench::noise;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Noise {
    /// The variance parameter, counts squared.
    #[arg(long, value_name = "V", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    variance: u32,
    /// How many draws to make.
    #[arg(long, value_name = "N", default_value_t = 0)]
    draws: u64,
    /// The seed of the draws; a gateway's come from the system's generator.
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    #[command(flatten)]
    printing: Printing,
}

impl Noise {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let Self { variance, draws, seed, printing } = self;
        // The probability is exact: a whole number of 2^-128, in hexadecimal.
        let mut table = Table::new(&["value", "probability", "drawn"]).right(&["probability"]);
        for value in noise::values(variance, draws, seed) {
            let probability = format!("{:x}", value.probability);
            table.row([json!(value.value), json!(probability), json!(value.drawn)]);
        }
        console.table(printing.format, &table)?;
        Ok(Outcome::Done)
    }
}
