//! `tallygate synth`: the partner files of a synthetic population. Nobody in them exists.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
    text::counted,
};
use crate::synth::{self, Place, Plan};
use serde_json::json;
use std::path::PathBuf;

const HELP: &str = "\
Writes DIR/<partner>/<record type>.csv, DIR/centres/consent.csv and DIR/truth.json, which holds the
exact figures for tests. The same place, seed, scale and number of quarters give the same bytes.

Examples:
  tallygate synth --out population
  tallygate synth --place coventry --seed 7 --scale 0.1 --quarters 4 --out small";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Synth {
    /// Where the people live.
    #[arg(long, default_value = "coventry")]
    place: Place,
    /// All chance comes from it.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The size: 1.0 is the real place's number of births.
    #[arg(long, default_value_t = 1.0, value_parser = super::argument::scale)]
    scale: f64,
    /// How many quarters, the last of them 2026Q1.
    #[arg(long, default_value_t = 8)]
    quarters: u8,
    /// The folder to write to; files of the same names are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

impl Synth {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let Self { place, seed, scale, quarters, out, printing } = self;
        let plan = Plan { place, seed, scale, quarters, canaries: 0 };
        let summary = synth::write(&plan, &out).map_err(|error| CliError::Failed {
            act: "write the population",
            source: error.into(),
        })?;
        let mut table =
            Table::new(&["partner", "record_type", "rows", "broken", "withdrawals", "file"]);
        for file in &summary.files {
            table.row([
                json!(file.partner),
                json!(file.record_type),
                json!(file.rows),
                json!(file.broken),
                json!(file.withdrawals),
                json!(out.join(&file.path).display().to_string()),
            ]);
        }
        console.table(printing.format, &table)?;
        let children = counted(summary.children, "child", "children");
        let consents = counted(summary.consents, "consent", "consents");
        console.note(&format!("{children}, {consents}, in {}", out.display()));
        console.note(synth::ATTRIBUTION);
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Format;

    fn run(out: PathBuf, scale: f64) -> (Result<Outcome, CliError>, String) {
        let printing = Printing { format: Format::Csv };
        let synth = Synth { place: Place::Coventry, seed: 7, scale, quarters: 1, out, printing };
        let (mut text, mut err) = (Vec::new(), Vec::new());
        let outcome = synth.run(&mut Console::new(&mut text, &mut err, false));
        (outcome, String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_small_population_is_written_and_listed() {
        let folder = tempfile::tempdir().unwrap();
        let (outcome, text) = run(folder.path().to_owned(), 0.01);
        assert_eq!(outcome.unwrap(), Outcome::Done);
        assert!(text.lines().any(|line| line.starts_with("health,live_birth,")), "{text}");
        assert!(folder.path().join("truth.json").is_file());
    }

    #[test]
    fn a_scale_out_of_bounds_is_one_sentence() {
        let (outcome, _) = run(tempfile::tempdir().unwrap().path().to_owned(), -1.0);
        let sentence = outcome.unwrap_err().to_string();
        assert!(sentence.starts_with("could not write the population: the scale"), "{sentence}");
    }
}
