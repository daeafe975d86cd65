//! `tallygate databook`: an area's figures as one page that prints, and as tables for programs.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
    remote::{MAX_ANSWER_BYTES, Remote, present},
};
use crate::{
    book::{
        Area, Beside, Book, Change, Feed, Figure, Group, Line, Notice, Part, Period, Release,
        Standing,
    },
    domain::{AreaCode, Quarter},
    gateway::CARD_PURPOSES,
    wire::v1::{self, figure_service_client::FigureServiceClient},
};
use serde_json::json;
use std::{fs, path::PathBuf};

const HELP: &str = "\
Into DIR go databook-AREA-PERIOD.html (one page, no script, no request; it prints on A4), .json, and
-figures.csv and -changes.csv, each with CSVW metadata beside it. Everything is one look at released
figures and one entry of the access log. Differences have margins of their own, areas stand by
name, and a target says no more than its margin allows.

An annual book holds the newest figure of each indicator in the calendar year, with the analyst's
commentary: Markdown with headings, paragraphs, lists, **strong** and *emphasis*.

Examples:
  tallygate databook --area CC01 --period 2026Q1 --out books --profile manager-cc01.toml
  tallygate databook --area E08000026 --year 2025 --commentary 2025.md --out books \\
    --profile officer.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Databook {
    /// The area's code.
    #[arg(long, value_name = "CODE")]
    area: AreaCode,
    /// The quarter; the latest released when neither it nor a year is given.
    #[arg(long, value_name = "QUARTER", conflicts_with = "year")]
    period: Option<Quarter>,
    /// The calendar year, for an annual book.
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(u32).range(2000..2200))]
    year: Option<u32>,
    /// The folder to write into; it is made where there is none.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The analyst's commentary: a Markdown or text file.
    #[arg(long, value_name = "FILE")]
    commentary: Option<PathBuf>,
    /// What the figures are for, the protocols' purposes; each line is shown under the first
    /// that its data may serve.
    #[arg(long = "purpose", value_name = "PURPOSE", value_delimiter = ',', default_value = CARD_PURPOSES)]
    purposes: Vec<String>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

impl Databook {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        // What can't be read must not cost a look.
        let commentary = self
            .commentary
            .as_deref()
            .map(|path| {
                fs::read_to_string(path)
                    .map_err(|source| CliError::Unreadable { path: path.to_owned(), source })
            })
            .transpose()?;
        let session = self.remote.open().await?;
        let request = v1::GetDataBookRequest {
            area: self.area.to_string(),
            quarter: self.period.map(|quarter| quarter.to_string()).unwrap_or_default(),
            year: self.year.unwrap_or(0),
            purposes: self.purposes,
        };
        let mut client =
            FigureServiceClient::new(session.service()).max_decoding_message_size(MAX_ANSWER_BYTES);
        let mut answer = client.get_data_book(request).await?.into_inner();
        let receipt = answer.receipt.take();
        let book = book(answer, self.year, commentary)?;
        let files = book.files().map_err(|_| CliError::NotPrintable)?;
        fs::create_dir_all(&self.out)
            .map_err(|source| CliError::Unwritable { path: self.out.clone(), source })?;
        let mut table = Table::new(&["file", "bytes"]);
        for file in files {
            let path = self.out.join(&file.name);
            fs::write(&path, &file.text)
                .map_err(|source| CliError::Unwritable { path: path.clone(), source })?;
            table.row([json!(path), json!(file.text.len())]);
        }
        console.table(self.printing.format, &table)?;
        session.logged(console, receipt)?;
        Ok(Outcome::Done)
    }
}

/// The answer as a book.
fn book(
    answer: v1::GetDataBookResponse,
    year: Option<u32>,
    commentary: Option<String>,
) -> Result<Book, CliError> {
    let lines: Result<Vec<Line>, CliError> = answer.lines.into_iter().map(line).collect();
    let releases = answer
        .releases
        .into_iter()
        .map(|release| Release { quarter: release.quarter, digest: hex::encode(release.digest) });
    let notices = answer
        .notices
        .into_iter()
        .map(|notice| Notice { quarter: notice.quarter, notice: notice.notice });
    Ok(Book {
        period: match year {
            Some(year) => Period::Year(year),
            None => Period::Quarter(answer.quarter.clone()),
        },
        quarter: answer.quarter,
        quarters: answer.period,
        areas: answer.areas.into_iter().map(area).collect(),
        lines: lines?,
        commentary,
        notices: notices.collect(),
        releases: releases.collect(),
        catalogue: answer.catalogue_version,
        geography: answer.geography_version,
        linkage_note: answer.linkage_note,
        sum_note: answer.sum_note,
    })
}

fn area(area: v1::BookArea) -> Area {
    Area {
        group: match area.beside() {
            v1::BesideKind::Own => Group::Own,
            v1::BesideKind::Sibling => Group::Sibling,
            v1::BesideKind::Inside => Group::Inside,
            // A kind of a newer gateway's stands last.
            v1::BesideKind::Around | v1::BesideKind::Unspecified => Group::Around,
        },
        code: area.code,
        name: area.name,
        level: area.level,
        estimated_under_fives: area.estimated_under_fives,
    }
}

fn line(line: v1::BookLine) -> Result<Line, CliError> {
    let parts = line.parts.into_iter().map(|part| {
        let figure = figure(present(part.figure, "figure")?);
        Ok::<_, CliError>(Part { title: part.title, dimension: part.dimension, figure })
    });
    let beside = line.beside.into_iter().map(|beside| {
        let figure = figure(present(beside.figure, "figure")?);
        Ok::<_, CliError>(Beside { figure, distinct_from: beside.distinct_from })
    });
    Ok(Line {
        number: line.number,
        title: line.title,
        definition: line.definition,
        denominator: line.denominator,
        target: line.target,
        standing: line.standing.map(standing),
        figure: figure(present(line.figure, "figure")?),
        trend: line.trend.into_iter().map(figure).collect(),
        changes: line.changes.into_iter().map(change).collect(),
        parts: parts.collect::<Result<_, _>>()?,
        beside: beside.collect::<Result<_, _>>()?,
        comparisons: line.comparisons,
        feeds: line.feeds.into_iter().map(feed).collect(),
    })
}

fn figure(figure: v1::Figure) -> Figure {
    let v1::Figure {
        indicator,
        area,
        quarter,
        value,
        lower,
        upper,
        margin,
        word,
        unit,
        part,
        out_of,
    } = figure;
    Figure { indicator, area, quarter, part, value, lower, upper, margin, out_of, word, unit }
}

fn change(change: v1::FigureChange) -> Change {
    let v1::FigureChange { against, since, value, lower, upper, margin, unit, distinct } = change;
    Change { against, since, value, lower, upper, margin, unit, distinct }
}

fn standing(standing: v1::TargetStanding) -> Standing {
    let v1::TargetStanding { code, words, baseline, change, lower, upper } = standing;
    Standing { code, words, baseline, change, lower, upper }
}

fn feed(feed: v1::FeedWeek) -> Feed {
    let v1::FeedWeek { partner_id, record_type, week } = feed;
    Feed { partner: partner_id, record_type, week }
}
