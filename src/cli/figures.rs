//! `tallygate figures`: what is published, and requests for what is not.

use super::{
    CliError, Console, Outcome,
    argument::shown_moment,
    figures_file,
    output::{Format, Printing, Table},
    remote::Remote,
    text::wrapped,
};
use crate::wire::v1::{
    self, figure_service_client::FigureServiceClient,
    table_request_service_client::TableRequestServiceClient,
};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate figures find \"new birth visit by day 14\" --profile health.toml
  tallygate figures request wanted.toml --profile health.toml
  tallygate figures requests --profile officer.toml
  tallygate figures decide 3 --refuse --reason published-yearly --profile officer.toml";

const FIND_HELP: &str = "\
Look here before you ask an agency: it may be published already. Any caller of the register may;
the words are kept nowhere. Each line says at which levels a figure is published, since when, and
which margin to expect there. Without words it lists everything.

Example:
  tallygate figures find \"new birth visit by day 14\" --profile health.toml";

const REQUEST_HELP: &str = r#"The file (TOML or JSON) says what is wanted, in words about nobody:
  title = "Fathers at centres"
  purpose = "childrens_centre_planning"   # a purpose of the protocols
  reason = "A course for fathers is planned; 'ever attended' does not tell who came"
  cells = ["a father came", "none came"]  # each person falls in at most one
  base = "reach_area"                     # the finest areas: reach_area, authority
  rhythm = "yearly"                       # quarterly, yearly
  periods = 5                             # in how many of them one person can be; may be left out
  per_thousand = 1000                     # persons it splits, per 1,000 under-fives; may be left out

The request is recorded with its price: what the table would add to the budget, and the margins that
each amount of noise leaves. It changes nothing that is counted: a data officer decides, and what is
granted is counted once it stands in a catalogue that all controllers have signed.

Example:
  tallygate figures request wanted.toml --profile health.toml"#;

#[derive(Debug, Subcommand)]
pub(super) enum FiguresCommand {
    /// Searches what is published.
    #[command(after_help = FIND_HELP)]
    Find {
        /// What you look for, in your own words.
        #[arg(value_name = "WORDS")]
        words: Vec<String>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Asks for a table that is not published; prints what it would cost.
    #[command(after_help = REQUEST_HELP)]
    Request {
        /// What is wanted: a TOML or JSON file.
        file: PathBuf,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Lists requests: all for data officers and auditors, else your organisation's.
    #[command(after_help = "Example:\n  tallygate figures requests --profile officer.toml")]
    Requests {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Grants or refuses a request, once; data officers only.
    #[command(
        after_help = "Example:\n  tallygate figures decide 3 --refuse --reason published-yearly --profile officer.toml"
    )]
    Decide(Decide),
}

#[derive(Debug, clap::Args)]
pub(super) struct Decide {
    /// The request's number.
    number: u64,
    #[command(flatten)]
    how: How,
    /// Why, for whoever asked.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct How {
    /// It is to be put to the controllers.
    #[arg(long)]
    grant: bool,
    /// It is not.
    #[arg(long)]
    refuse: bool,
}

impl FiguresCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Find { words, remote, printing } => {
                let session = remote.open().await?;
                let request = v1::FindFiguresRequest { question: words.join(" ") };
                let mut client = FigureServiceClient::new(session.service());
                let answer = client.find_figures(request).await?.into_inner();
                show_found(console, printing.format, &answer.figures)?;
                session.logged(console, answer.receipt)?;
            }
            Self::Request { file, remote, printing } => {
                let wanted = Some(figures_file::read(&file)?);
                let session = remote.open().await?;
                let mut client = TableRequestServiceClient::new(session.service());
                let request = v1::AskTableRequest { wanted };
                let answer = client.ask_table(request).await?.into_inner();
                show_cost(console, printing.format, answer.number, &answer.cost)?;
                session.logged(console, answer.receipt)?;
            }
            Self::Requests { remote, printing } => {
                let session = remote.open().await?;
                let mut client = TableRequestServiceClient::new(session.service());
                let request = v1::ListTableRequestsRequest {};
                let answer = client.list_table_requests(request).await?.into_inner();
                console.table(printing.format, &listed(&answer.requests, printing.format)?)?;
                session.logged(console, answer.receipt)?;
            }
            Self::Decide(decide) => {
                let session = decide.remote.open().await?;
                let mut client = TableRequestServiceClient::new(session.service());
                let granted = decide.how.grant && !decide.how.refuse;
                let request = v1::DecideTableRequestRequest {
                    number: decide.number,
                    granted,
                    reason: decide.reason,
                };
                let answer = client.decide_table_request(request).await?.into_inner();
                let word = if granted { "granted" } else { "refused" };
                console.note(&format!("request {} is {word}", decide.number));
                session.logged(console, answer.receipt)?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// "reach area ± 1.5%, authority ± 0.3%".
fn margins(found: &v1::FoundFigure) -> Vec<String> {
    let said = |margin: &v1::ExpectedMargin| {
        let level = margin.level.replace('_', " ");
        match margin.unit.as_str() {
            "count" => format!("{level} \u{b1} {:.0}", margin.margin.ceil()),
            "points" => format!("{level} \u{b1} {:.1} points", margin.margin),
            _ => format!("{level} \u{b1} {:.1}%", margin.margin),
        }
    };
    found.margins.iter().map(said).collect()
}

fn show_found(
    console: &mut Console<'_>,
    format: Format,
    found: &[v1::FoundFigure],
) -> Result<(), CliError> {
    if format == Format::Table {
        let mut text = String::new();
        for figure in found {
            text.push_str(&entry(figure));
        }
        match found.is_empty() {
            true => console
                .note("nothing of that is published: ask for it with `tallygate figures request`"),
            false => console.text(&text)?,
        }
        return Ok(());
    }
    let columns = [
        "number",
        "indicator",
        "title",
        "definition",
        "denominator",
        "parts",
        "dimensions",
        "levels",
        "since",
        "until",
        "margins",
        "fit",
    ];
    let mut table = Table::new(&columns);
    for figure in found {
        let parts: Vec<&str> = figure.parts.iter().map(|part| part.part.as_str()).collect();
        let levels: Vec<&str> = figure.margins.iter().map(|m| m.level.as_str()).collect();
        table.row([
            json!(figure.number),
            json!(figure.indicator),
            json!(figure.title),
            json!(figure.definition),
            json!(figure.denominator),
            json!(parts),
            json!(figure.dimensions),
            json!(levels),
            json!(figure.since),
            json!(figure.until),
            json!(margins(figure)),
            json!((figure.fit * 100.0).round() / 100.0),
        ]);
    }
    console.table(format, &table)
}

/// A found figure as people read it, with how to get it.
fn entry(figure: &v1::FoundFigure) -> String {
    let mut lines = vec![format!("{}  {}", figure.number, figure.title)];
    let mut paragraph = |lead: &str, text: &str| {
        for (place, line) in wrapped(text, 90 - lead.len()).into_iter().enumerate() {
            let lead = if place == 0 { lead.to_owned() } else { " ".repeat(lead.len()) };
            lines.push(format!("    {lead}{line}"));
        }
    };
    paragraph("", &figure.definition);
    paragraph("out of: ", &figure.denominator);
    let parts: Vec<&str> = figure.parts.iter().map(|part| part.title.as_str()).collect();
    if !parts.is_empty() {
        paragraph("parts that fit: ", &parts.join("; "));
    }
    if !figure.dimensions.is_empty() {
        paragraph("also by: ", &figure.dimensions.join(", "));
    }
    let since = match figure.since.as_str() {
        "" => "in no release yet".to_owned(),
        since => format!("{since} to {}", figure.until),
    };
    paragraph("released: ", &since);
    paragraph("expect: ", &margins(figure).join(", "));
    paragraph("get it: ", &format!("tallygate query {} --area CODE", figure.indicator));
    lines.push(String::new());
    lines.join("\n") + "\n"
}

fn read_cost(cost: &str) -> Result<Value, CliError> {
    serde_json::from_str(cost).map_err(|_| CliError::AnswerIncomplete { part: "cost" })
}

fn show_cost(
    console: &mut Console<'_>,
    format: Format,
    number: u64,
    cost: &str,
) -> Result<(), CliError> {
    let cost = read_cost(cost)?;
    if format == Format::Json {
        return console.json(&json!({ "number": number, "cost": cost }));
    }
    console.note(&format!("recorded as request {number}; a data officer decides"));
    let mut table = Table::new(&[
        "variance",
        "fits",
        "rho_quarter",
        "rho_lifetime",
        "attacker_quarter",
        "attacker_lifetime",
        "level",
        "size",
        "margin_of_a_cell",
        "margin_of_half",
    ]);
    let rounded = |value: &Value, places: i32| {
        let scale = 10_f64.powi(places);
        value.as_f64().map_or(Value::Null, |value| json!((value * scale).round() / scale))
    };
    for option in cost["options"].as_array().into_iter().flatten() {
        for margin in option["margins"].as_array().into_iter().flatten() {
            table.row([
                option["variance"].clone(),
                option["fits"].clone(),
                option["quarter"].clone(),
                option["lifetime"].clone(),
                rounded(&option["quarter_accuracy"], 3),
                rounded(&option["lifetime_accuracy"], 3),
                margin["level"].clone(),
                rounded(&margin["size"], 0),
                rounded(&margin["cell"], 1),
                rounded(&margin["share"], 1),
            ]);
        }
    }
    console.table(format, &table)?;
    let least = match cost["least_variance"].as_u64() {
        Some(least) => format!("a cell needs a variance of at least {least} to fit the budget"),
        None => "nothing of the budget is left: another table would have to give way".to_owned(),
    };
    console.note(&least);
    Ok(())
}

fn listed(requests: &[v1::TableRequest], format: Format) -> Result<Table, CliError> {
    let mut columns = vec![
        "number",
        "state",
        "partner_id",
        "asked_at",
        "title",
        "purpose",
        "base",
        "rhythm",
        "reason",
    ];
    let whole = format != Format::Table;
    if whole {
        columns.extend(["why", "cells", "periods", "per_thousand", "decided_at", "cost"]);
    } else {
        columns.push("least_variance");
    }
    let mut table = Table::new(&columns);
    for request in requests {
        let wanted = request.wanted.clone().unwrap_or_default();
        let cost = read_cost(&request.cost)?;
        let mut row = vec![
            json!(request.number),
            json!(request.state),
            json!(request.partner_id),
            json!(shown_moment(request.asked_at)),
            json!(wanted.title),
            json!(wanted.purpose),
            json!(wanted.base),
            json!(wanted.rhythm),
            json!(request.reason),
        ];
        if whole {
            let decided = match request.decided_at {
                0 => Value::Null,
                at => json!(shown_moment(at)),
            };
            row.extend([
                json!(wanted.reason),
                json!(wanted.cells),
                json!(wanted.periods),
                json!(wanted.per_thousand),
                decided,
                cost,
            ]);
        } else {
            row.push(cost["least_variance"].clone());
        }
        table.row(row);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_found_figure_says_where_since_when_and_how_sure() {
        let figure = v1::FoundFigure {
            indicator: "registered".to_owned(),
            number: "3".to_owned(),
            title: "Registered".to_owned(),
            definition: "Counted so.".to_owned(),
            margins: vec![
                v1::ExpectedMargin {
                    level: "reach_area".to_owned(),
                    size: 1000.0,
                    margin: 1.52,
                    unit: "percent".to_owned(),
                },
                v1::ExpectedMargin {
                    level: "authority".to_owned(),
                    size: 24_000.0,
                    margin: 52.1,
                    unit: "count".to_owned(),
                },
            ],
            since: "2024Q2".to_owned(),
            until: "2026Q1".to_owned(),
            ..v1::FoundFigure::default()
        };
        let text = entry(&figure);
        assert!(text.contains("released: 2024Q2 to 2026Q1"), "{text}");
        assert!(text.contains("expect: reach area \u{b1} 1.5%, authority \u{b1} 53"), "{text}");
        assert!(text.contains("tallygate query registered --area CODE"), "{text}");
    }
}
