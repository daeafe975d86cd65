//! `tallygate query`: one released indicator of one area. The same question has the same
//! answer for ever.

use super::{
    CliError, Console, Outcome,
    argument::{Period, shown_moment},
    output::{Format, Printing, Table},
    remote::Remote,
    text::wrapped,
};
use crate::{
    domain::{AreaCode, IndicatorId},
    wire::v1::{self, figure_service_client::FigureServiceClient},
};
use serde_json::{Value, json};

/// The purpose claimed when none is given: the planning and managing of children's centres.
pub(super) const PLANNING: &str = "childrens_centre_planning";

const HELP: &str = "\
Values are protected: counts are rounded to 5, small ones withheld as <10, and each comes with
the 95% interval of its noise. A share whose margin reaches over the whole scale is too uncertain
to say. Displayed figures need not sum.

Examples:
  tallygate query registered --area CC01 --profile officer.toml
  tallygate query under_fives --area CL1 --by age --period 2025Q2..2026Q1 --format csv \\
    --profile officer.toml";

/// The columns of a figure, in every command that prints figures.
pub(super) const COLUMNS: [&str; 11] = [
    "indicator",
    "area",
    "quarter",
    "part",
    "value",
    "lower",
    "upper",
    "margin",
    "out_of",
    "word",
    "unit",
];
/// Those of them that hold numbers with words among them.
pub(super) const NUMERIC: [&str; 5] = ["value", "lower", "upper", "margin", "out_of"];

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Query {
    /// The indicator, for example `registered`.
    indicator: IndicatorId,
    /// The area's code.
    #[arg(long, value_name = "CODE")]
    area: AreaCode,
    /// Break it down by a dimension of the catalogue.
    #[arg(long, value_name = "DIMENSION")]
    by: Option<String>,
    /// A quarter or a span of quarters; the latest released when left out.
    #[arg(long, value_name = "QUARTER[..QUARTER]")]
    period: Option<Period>,
    /// What the figure is for, one of the protocol's purposes.
    #[arg(long, value_name = "PURPOSE", default_value = PLANNING)]
    purpose: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

impl Query {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let session = self.remote.open().await?;
        let quarter = |of: fn(Period) -> crate::domain::Quarter| {
            self.period.map(|period| of(period).to_string()).unwrap_or_default()
        };
        let request = v1::QueryFiguresRequest {
            indicator: self.indicator.to_string(),
            area: self.area.to_string(),
            from_quarter: quarter(|period| period.from),
            to_quarter: quarter(|period| period.to),
            by: self.by.unwrap_or_default(),
            purpose: self.purpose,
        };
        let mut client = FigureServiceClient::new(session.service());
        let answer = client.query_figures(request).await?.into_inner();
        print(console, self.printing.format, &answer)?;
        session.logged(console, answer.receipt)?;
        Ok(Outcome::Done)
    }
}

fn print(
    console: &mut Console<'_>,
    format: Format,
    answer: &v1::QueryFiguresResponse,
) -> Result<(), CliError> {
    if format == Format::Json {
        let figures: Vec<Value> = answer.figures.iter().map(object).collect();
        return console.json(&json!({
            "definition": answer.definition,
            "figures": figures,
            "notices": answer.notices.iter().map(notice).collect::<Vec<_>>(),
        }));
    }
    let mut table = Table::new(&COLUMNS).right(&NUMERIC);
    for figure in &answer.figures {
        table.row(values(figure));
    }
    console.table(format, &table)?;
    for line in wrapped(&answer.definition, 100) {
        console.note(&line);
    }
    for notice in &answer.notices {
        for line in wrapped(&notice_line(notice), 100) {
            console.note(&line);
        }
    }
    Ok(())
}

/// Why a quarter's figures are not shown, in a line.
pub(super) fn notice_line(notice: &v1::ReleaseNotice) -> String {
    format!("{} was withdrawn: {}", notice.quarter, notice.notice)
}

/// The same as a JSON object.
pub(super) fn notice(notice: &v1::ReleaseNotice) -> Value {
    json!({
        "quarter": notice.quarter,
        "notice": notice.notice,
        "withdrawn_at": shown_moment(notice.withdrawn_at),
    })
}

/// A figure's values in the order of [`COLUMNS`].
pub(super) fn values(figure: &v1::Figure) -> Vec<Value> {
    [
        &figure.indicator,
        &figure.area,
        &figure.quarter,
        &figure.part,
        &figure.value,
        &figure.lower,
        &figure.upper,
        &figure.margin,
        &figure.out_of,
        &figure.word,
        &figure.unit,
    ]
    .into_iter()
    .map(|text| json!(text))
    .collect()
}

/// A figure as a JSON object.
pub(super) fn object(figure: &v1::Figure) -> Value {
    COLUMNS.into_iter().map(str::to_owned).zip(values(figure)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> v1::QueryFiguresResponse {
        let figure = v1::Figure {
            indicator: "registered".to_owned(),
            area: "CC01".to_owned(),
            quarter: "2026Q1".to_owned(),
            value: "71.2".to_owned(),
            lower: "70.1".to_owned(),
            upper: "72.3".to_owned(),
            margin: "1.1".to_owned(),
            word: "large majority".to_owned(),
            unit: "percent".to_owned(),
            part: String::new(),
            out_of: "1410".to_owned(),
        };
        v1::QueryFiguresResponse {
            figures: vec![figure],
            definition: "Registered under-fives".to_owned(),
            receipt: None,
            notices: vec![v1::ReleaseNotice {
                quarter: "2025Q4".to_owned(),
                notice: "Half was missing".to_owned(),
                withdrawn_at: 1,
            }],
        }
    }

    fn printed(format: Format) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        print(&mut Console::new(&mut out, &mut err, false), format, &answer()).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn figures_are_data_and_the_definition_goes_beside_them() {
        let (out, err) = printed(Format::Csv);
        assert_eq!(
            out,
            "indicator,area,quarter,part,value,lower,upper,margin,out_of,word,unit\n\
             registered,CC01,2026Q1,,71.2,70.1,72.3,1.1,1410,large majority,percent\n"
        );
        assert_eq!(err, "Registered under-fives\n2025Q4 was withdrawn: Half was missing\n");
        assert!(printed(Format::Table).0.contains("large majority  percent"));
    }

    #[test]
    fn json_holds_definition_and_figures() {
        let (out, err) = printed(Format::Json);
        let json: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["definition"], "Registered under-fives");
        assert_eq!(json["figures"][0]["margin"], "1.1");
        assert_eq!(json["notices"][0]["notice"], "Half was missing");
        assert_eq!(err, "");
    }
}
