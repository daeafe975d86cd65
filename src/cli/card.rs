//! `tallygate card`: an area's card, for a centre manager to read in a minute.

use super::{
    CliError, Console, Outcome, card_text,
    output::{Format, Printing, Table},
    query,
    remote::Remote,
};
use crate::{
    domain::{AreaCode, Quarter},
    gateway::CARD_PURPOSES,
    wire::v1::{self, figure_service_client::FigureServiceClient},
};
use serde_json::{Value, json};

const HELP: &str = "\
Each line: the value and its 95% margin, the inspection's word for a proportion (left out where
the margin spans two words), and the quarters up to this one. As CSV, the earlier quarters are
rows of their own.

Examples:
  tallygate card --area CC01 --profile manager-cc01.toml
  tallygate card --area CC01 --period 2025Q4 --definitions --profile officer.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Card {
    /// The area's code.
    #[arg(long, value_name = "CODE")]
    area: AreaCode,
    /// The quarter; the latest released when left out.
    #[arg(long, value_name = "QUARTER")]
    period: Option<Quarter>,
    /// What the figures are for, the protocols' purposes; each line is shown under the first
    /// that its data may serve.
    #[arg(long = "purpose", value_name = "PURPOSE", value_delimiter = ',', default_value = CARD_PURPOSES)]
    purposes: Vec<String>,
    /// Print how each indicator is defined, too.
    #[arg(long)]
    definitions: bool,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

impl Card {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let session = self.remote.open().await?;
        let request = v1::GetCardRequest {
            area: self.area.to_string(),
            quarter: self.period.map(|quarter| quarter.to_string()).unwrap_or_default(),
            purposes: self.purposes,
        };
        let mut client = FigureServiceClient::new(session.service());
        let card = client.get_card(request).await?.into_inner();
        match self.printing.format {
            Format::Table => console.text(&card_text::render(&card, self.definitions))?,
            Format::Json => console.json(&document(&card))?,
            Format::Csv => console.table(Format::Csv, &table(&card))?,
        }
        session.logged(console, card.receipt)?;
        Ok(Outcome::Done)
    }
}

/// The whole card as JSON.
fn document(card: &v1::GetCardResponse) -> Value {
    let lines: Vec<Value> = card.lines.iter().map(line).collect();
    json!({
        "area": card.area,
        "area_name": card.area_name,
        "quarter": card.quarter,
        "lines": lines,
        "linkage_note": card.linkage_note,
        "release_digest": hex::encode(&card.release_digest),
        "notices": card.notices.iter().map(query::notice).collect::<Vec<_>>(),
    })
}

fn line(line: &v1::CardLine) -> Value {
    let feed = |feed: &v1::FeedWeek| {
        json!({
            "partner_id": feed.partner_id, "record_type": feed.record_type, "week": feed.week,
        })
    };
    json!({
        "number": line.number,
        "title": line.title,
        "figure": line.figure.as_ref().map(query::object),
        "parts": line.parts.iter().map(query::object).collect::<Vec<_>>(),
        "definition": line.definition,
        "denominator": line.denominator,
        "target": line.target,
        "trend": line.trend.iter().map(query::object).collect::<Vec<_>>(),
        "feeds": line.feeds.iter().map(feed).collect::<Vec<_>>(),
    })
}

/// Every figure of the card: earlier quarters, oldest first, then this one, then its parts.
fn table(card: &v1::GetCardResponse) -> Table {
    let mut columns = vec!["title"];
    columns.extend(query::COLUMNS);
    columns.push("target");
    let mut table = Table::new(&columns).right(&query::NUMERIC);
    for line in &card.lines {
        let quarter = line.figure.as_ref().map(|figure| &figure.quarter);
        let earlier = line.trend.iter().filter(|past| Some(&past.quarter) != quarter);
        for figure in earlier.chain(&line.figure).chain(&line.parts) {
            let mut row = vec![json!(line.title)];
            row.extend(query::values(figure));
            row.push(json!(line.target));
            table.row(row);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> v1::GetCardResponse {
        let figure = |quarter: &str, value: &str| v1::Figure {
            indicator: "registered".to_owned(),
            quarter: quarter.to_owned(),
            value: value.to_owned(),
            ..v1::Figure::default()
        };
        v1::GetCardResponse {
            area: "CC01".to_owned(),
            lines: vec![v1::CardLine {
                figure: Some(figure("2026Q1", "71")),
                title: "Registered".to_owned(),
                trend: vec![figure("2025Q3", "68"), figure("2025Q4", "70")],
                ..v1::CardLine::default()
            }],
            ..v1::GetCardResponse::default()
        }
    }

    #[test]
    fn csv_has_a_row_for_each_quarter_and_json_the_whole_card() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        Console::new(&mut out, &mut err, false).table(Format::Csv, &table(&card())).unwrap();
        let text = String::from_utf8(out).unwrap();
        let quarters: Vec<_> = text.lines().skip(1).map(|l| l.split(',').nth(3).unwrap()).collect();
        assert_eq!(quarters, ["2025Q3", "2025Q4", "2026Q1"]);
        let json = document(&card());
        assert_eq!(json["lines"][0]["figure"]["value"], "71");
        assert_eq!(json["lines"][0]["trend"][1]["quarter"], "2025Q4");
    }
}
