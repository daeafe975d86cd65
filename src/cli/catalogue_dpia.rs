//! `tallygate catalogue dpia`: the motivated-intruder section of an impact assessment.
//!
//! Why it exists: whether figures count as anonymous is for the authority to decide, by the
//! test that the ICO describes. It needs numbers that are this build's and this catalogue's: they
//! are computed here, and the attacks are run while it waits.

use super::{CliError, Console, Outcome, catalogue::read_catalogue};
use crate::{
    bench::attacks::{self, Row},
    disclosure::{
        Catalogue,
        card::UNLINKED,
        cost::{ChargedLife, DELTAS, Lived, Weighed, cost, dearest_life, dearest_quarter},
    },
};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::{fmt::Write, fs, path::PathBuf};

/// How the section is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Markdown,
    /// Its numbers alone.
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct Dpia {
    /// Write to this file instead of printing.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A catalogue, TOML; this program's own when left out.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Trials of each attack.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(10..))]
    trials: u64,
    /// The seed of the attacks.
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Markdown to paste, or the numbers as JSON.
    #[arg(long, value_enum, default_value = "markdown")]
    format: Form,
}

/// What the section is about: one quarter, a whole childhood or an adult's years.
struct Period {
    over: &'static str,
    cost: Weighed,
    /// The exact bound of the discrete noise; the cost's is that of continuous noise.
    accuracy: f64,
}

impl Dpia {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let catalogue = read_catalogue(self.file.as_deref())?;
        let [in_quarter, in_childhood] = attacks::exact_bounds(&catalogue);
        let cost = cost(&catalogue);
        let adult = cost.adult;
        let periods = [
            Period { over: "one quarter", cost: cost.quarter, accuracy: in_quarter },
            Period { over: "a whole childhood", cost: cost.lifetime, accuracy: in_childhood },
            Period { over: "an adult's five years", cost: adult, accuracy: adult.accuracy },
        ];
        let text = match self.format {
            Form::Json => {
                let numbers = numbers(&catalogue, &periods);
                let text = serde_json::to_string_pretty(&numbers);
                text.map_err(|_| CliError::NotPrintable)? + "\n"
            }
            Form::Markdown => {
                let rows = attacks::run(&catalogue, self.trials, self.seed, &mut |doing| {
                    console.note(doing);
                })
                .map_err(|error| CliError::Failed { act: "attack", source: error.into() })?;
                section(&catalogue, &periods, &rows)
            }
        };
        match self.out {
            Some(path) => {
                fs::write(&path, text).map_err(|source| CliError::Unwritable { path, source })?;
            }
            None => console.text(&text)?,
        }
        Ok(Outcome::Done)
    }
}

fn numbers(catalogue: &Catalogue, [quarter, childhood, _]: &[Period; 3]) -> Value {
    let period = |period: &Period, life: ChargedLife<'_>| {
        let tables = life.tables.iter().map(|Lived { table, times }| {
            json!({
                "id": table.id,
                "cap": table.cap,
                "variance": table.variance,
                "times": times,
            })
        });
        json!({
            "rho": period.cost.rho,
            "epsilon": period.cost.epsilon_6,
            "delta": DELTAS[0],
            "accuracy": period.accuracy,
            "tables": tables.collect::<Vec<_>>(),
        })
    };
    json!({
        "catalogue": catalogue.version,
        "quarter": period(quarter, dearest_quarter(catalogue)),
        "childhood": period(childhood, dearest_life(catalogue)),
    })
}

fn percent(share: f64) -> String {
    format!("{:.0} in 100", 100.0 * share)
}

fn section(catalogue: &Catalogue, periods: &[Period], rows: &[Row]) -> String {
    let (cells, tables) = (
        catalogue.tables.iter().map(|table| table.cells.len()).sum::<usize>(),
        catalogue.tables.len(),
    );
    let bodies: Vec<&str> = catalogue
        .tables
        .iter()
        .filter(|table| table.variance == 0)
        .map(|table| table.id.as_str())
        .collect();
    let exact = if bodies.is_empty() {
        "no count is exact".to_owned()
    } else {
        format!(
            "only counts of bodies that are no natural persons are exact (`{}`)",
            bodies.join("`, `")
        )
    };
    let mut text = format!(
        "# Could a motivated intruder find anybody in the published figures?\n\n\
         *For the data protection impact assessment. Computed by tallygate {} from catalogue {}; \
         the text in brackets is for the authority to fill in.*\n\n",
        env!("CARGO_PKG_VERSION"),
        catalogue.version,
    );
    text += &format!(
        "## What is published\n\n\
         Up to {cells} counts from {tables} tables are published each quarter for each area or for the \
         authority, and figures that are sums and ratios of them. Random noise is added to every \
         count of persons, empty ones included, before anything leaves the gateway; {exact}. The exact counts of \
         persons are not kept, no other question is answered, and no figure is ever published twice with other \
         noise. Counts are shown to the nearest five, and withheld alike where they are zero, \
         small or absent.\n\n"
    );
    text += INTRUDER;
    text += "## What the intruder can achieve at most\n\n\
             The figures below hold whatever the intruder does and whatever it will learn, as long as the \
             gateway runs as designed. One guess in two is right by chance.\n\n\
             | Over | Privacy budget spent (rho) | The same as epsilon, at delta one in a million | Right guesses at most |\n\
             |---|---|---|---|\n";
    for Period { over, cost, accuracy } in periods {
        let _ = writeln!(
            text,
            "| {over} | {:.4} | {:.2} | {} ({accuracy:.4}) |",
            cost.rho.value(),
            cost.epsilon_6,
            percent(*accuracy),
        );
    }
    text += &attack_table(rows);
    text += TESTS;
    text += &RESIDUAL.replace("{UNLINKED}", UNLINKED);
    text
}

const INTRUDER: &str = "\
## Who is assumed to try

The ICO's motivated intruder starts without prior knowledge, is reasonably competent, uses the internet, \
libraries, public records and enquiries, and is neither a specialist nor a criminal. We assume far \
more: somebody who knows everything about every other child in the area, who holds the signed release with \
all noisy counts and not only what is displayed, who compares all areas and all quarters, and whom a \
partner helps by sending invented records. What it wants to know is one thing about one child: is it \
in the data, or in which count (registered or not; known to a service or not).

";

const TESTS: &str = "\
## The three tests

- **Singling out.** No count shows one person: a difference of one is lost in noise whose spread is several \
times larger, and the same holds for every difference, sum and ratio of counts.
- **Linkability.** Releases carry no identifiers and no records. Two releases can be compared; what \
that gives is within the second line of the table above.
- **Inference.** Whatever can be concluded about a child from the figures could be concluded almost as well \
if its own records were not in them. Facts about whole groups remain: see below.

[The authority's conclusion: whether, for these figures and this place, identification is reasonably \
likely by any means reasonably likely to be used (UK GDPR, recital 26); who decided, when, and when it \
will be looked at again.]

";

const RESIDUAL: &str = "\
## What risk is left

- **Years of releases about one child.** The budget adds up: a status that lasts for years is the best \
known thing about a child. The second line of the table is the limit for a whole childhood.
- **Siblings and twins** in the same counts: the guarantee is per person. An intruder who asks about two or \
three children at once, who always share a count, has more to go by than these limits say.
- **Facts about whole groups.** If nearly all children of an area are in a count, that much is known \
of each of them, in the figures or not. [Which figures are near 0 or 100% here?]
- **Partners who collude**, with knowledge of everyone else: that is what is assumed above. They gain \
no more than it says; what they hold of a child in their own files they know anyway.
- **Linkage errors.** A person whose records were not recognised as one person's counts as two, and has the \
guarantee for each. {UNLINKED} may stay unlinked.
- **The gateway itself.** Who runs it could read what is stored. This section is about what is published.

[Local circumstances: areas with few children, communities that are easily recognised, press interest, \
previous incidents; who reviews the catalogue before it changes.]
";

/// The worst of every way of publishing under each attack.
fn attack_table(rows: &[Row]) -> String {
    let mut text = String::from(
        "\n## What attackers achieved in trials\n\n\
         Each attack was run on this build with invented people, against these figures and against rules that are in \
         use elsewhere. Shown is the share of right guesses; 0.50 is chance, 1.00 is certainty.\n\n\
         | Attack | Threshold of ten | HES rounding | ONS 10-5 | Cell keys | This catalogue | At most possible |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let mut attacks: Vec<&str> = rows.iter().map(|row| row.attack.as_str()).collect();
    attacks.dedup();
    for attack in attacks {
        let of = |mechanism: &str| {
            rows.iter().find(|row| row.attack == attack && row.mechanism == mechanism)
        };
        let shown = |mechanism: &str| {
            of(mechanism).map_or_else(String::new, |row| format!("{:.2}", row.accuracy))
        };
        let name = attack.split_once(' ').map_or(attack, |(_, name)| name);
        let bound = of("tallygate").and_then(|row| row.bound).unwrap_or(0.5);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {bound:.3} |",
            shown("threshold"),
            shown("hes"),
            shown("ons_10_5"),
            shown("cell_keys_9_5"),
            shown("tallygate"),
        );
    }
    let trials = rows.iter().map(|row| row.trials).max().unwrap_or(0);
    let beyond = rows.iter().filter(|row| row.within == Some(false)).count();
    let verdict = if beyond == 0 {
        "None of them did significantly better than the last column allows."
    } else {
        "SOME DID BETTER THAN THE LAST COLUMN ALLOWS: do not publish with this build, and report it."
    };
    let _ = writeln!(text, "\n{trials} trials of each. {verdict}\n");
    text
}
