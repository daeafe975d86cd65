//! `tallygate bench attacks`: whether an outsider can tell where one child is.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
};
use crate::{bench::attacks, disclosure::Catalogue};
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Attacks {
    /// Trials of each attack against each way of publishing.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(10..))]
    trials: u64,
    /// All chance comes from it.
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    #[command(flatten)]
    printing: Printing,
}

impl Attacks {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let Self { trials, seed, printing } = self;
        let failed = |source| CliError::Failed { act: "attack", source };
        let catalogue = Catalogue::shipped().map_err(|error| failed(error.into()))?;
        let rows = attacks::run(&catalogue, trials, seed, &mut |doing| console.note(doing));
        let rows = rows.map_err(|error| failed(error.into()))?;
        let mut table = Table::new(&[
            "attack",
            "mechanism",
            "trials",
            "accuracy",
            "low",
            "high",
            "bound",
            "ledger",
            "epsilon",
            "mu",
            "within",
        ]);
        for row in &rows {
            table.row([
                json!(row.attack),
                json!(row.mechanism),
                json!(row.trials),
                json!(row.accuracy),
                json!(row.low),
                json!(row.high),
                json!(row.bound),
                json!(row.ledger),
                json!(row.epsilon),
                json!(row.mu),
                json!(row.within),
            ]);
        }
        console.table(printing.format, &table)?;
        Ok(Outcome::findings(rows.iter().any(|row| row.within == Some(false))))
    }
}
