//! `tallygate audit trace`: from a figure to its release, the protocols behind it and the
//! batches, told no finer than in size classes.

use super::{
    CliError, Console, Outcome,
    audit::client,
    audit_mirror::{VerifyFirst, entries, read_leaf, search_all, unread},
    output::{Format, Printing, Record, Table},
    remote::Remote,
};
use crate::{
    disclosure::Catalogue,
    domain::{AreaCode, IndicatorId, Quarter},
    verify::{
        Directory,
        trace::{TRACED_KINDS, Trace as Traced, Tracer},
    },
    wire::v1,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::PathBuf,
};

const HELP: &str = "\
Names the release that the quarter's figures are read from, by digest and entry, and for each of its
tables the record types that it counts, with their senders, protocol versions and batches: those
that had been accepted, and not taken back, when it was frozen. How many batches there were, and
how large, is told in size classes only, and where they lie in whole bundles of 256 entries: never
per area or cell, and never a person. The quarter of a feed is that of its acceptance; a record
counts in the quarter that its own dates say. A feed is listed for each table that may count it.

Examples:
  tallygate audit trace --area CC01 --quarter 2026Q1 --indicator registered --tiles mirror
  tallygate audit trace --area CC01 --quarter 2026Q1 --format json --profile auditor.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Trace {
    /// The card's area.
    #[arg(long, value_name = "CODE")]
    area: AreaCode,
    /// The card's quarter.
    #[arg(long, value_name = "QUARTER")]
    quarter: Quarter,
    /// One indicator of it; all when left out.
    #[arg(long, value_name = "ID")]
    indicator: Option<IndicatorId>,
    /// A mirror of the log; else the gateway is asked.
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    #[command(flatten)]
    first: VerifyFirst,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

/// Which tables count a record type, for the indicators asked about.
type Tables = BTreeMap<String, BTreeSet<String>>;

impl Trace {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let catalogue = Catalogue::shipped().map_err(unreadable)?;
        let tables =
            catalogue.counted_types(self.indicator.as_ref()).ok_or(CliError::NoIndicator)?;
        let mut tracer =
            Tracer::new(self.quarter, self.area.as_str()).ok_or(CliError::NotPrintable)?;
        match &self.tiles {
            Some(tiles) => {
                let mirror = Directory::new(tiles);
                if !self.first.allows(&mirror, console)? {
                    return Ok(Outcome::WithFindings);
                }
                let mut note = |index: u64, _: &[u8], leaf: &crate::verify::leaf::Leaf<'_>| {
                    tracer.note(index, leaf);
                    ControlFlow::Continue(())
                };
                entries(&mirror)?.forward(0, &mut note).map_err(unread)?;
            }
            None => self.ask(&mut tracer, console).await?,
        }
        let Some(trace) = tracer.finish() else {
            console.note(&format!("FAILED: the log has no release of {}", self.quarter));
            return Ok(Outcome::WithFindings);
        };
        let known = catalogue.digest().map_err(unreadable)?.to_string() == trace.release.catalogue;
        if !known {
            console.note(
                "the release was counted by another catalogue than this program's: its tables \
                 may be others",
            );
        }
        self.print(&trace, &tables, console)?;
        Ok(Outcome::Done)
    }

    /// Asks the gateway for the entries of the kinds that a trace is made of.
    async fn ask(&self, tracer: &mut Tracer, console: &mut Console<'_>) -> Result<(), CliError> {
        let session = self.remote.open().await?;
        let mut client = client(&session);
        let mut found = Vec::new();
        for kind in TRACED_KINDS {
            let told = matches!(kind, "card_answered" | "data_book_answered" | "query_answered");
            let request = v1::SearchEntriesRequest {
                kind: kind.to_owned(),
                decision: "granted".to_owned(),
                area: if told { self.area.to_string() } else { String::new() },
                ..Default::default()
            };
            found.extend(search_all(&session, &mut client, request, console).await?);
        }
        found.sort_by_key(|entry| entry.index);
        let mut scratch = Vec::new();
        for entry in &found {
            tracer.note(entry.index, &read_leaf(entry, &mut scratch)?);
        }
        Ok(())
    }

    fn print(
        &self,
        trace: &Traced,
        tables: &Tables,
        console: &mut Console<'_>,
    ) -> Result<(), CliError> {
        let feeds =
            trace.feeds.iter().filter_map(|feed| Some((feed, tables.get(&feed.record_type)?)));
        let mut table = Table::new(&[
            "tables",
            "record_type",
            "partner",
            "protocol",
            "version",
            "digest",
            "quarter",
            "batches",
            "records",
            "entries_from",
            "entries_until",
            "undone_since",
        ]);
        for (feed, tables) in feeds {
            table.row([
                json!(tables),
                json!(feed.record_type),
                json!(feed.partner),
                json!(feed.protocol),
                json!(feed.version),
                json!(feed.digest),
                json!(feed.quarter),
                json!(feed.batches),
                json!(feed.records),
                json!(feed.entries_from),
                json!(feed.entries_until),
                json!(feed.undone_since),
            ]);
        }
        let release = &trace.release;
        match self.printing.format {
            Format::Json => console.json(&json!({
                "area": self.area.to_string(),
                "indicator": self.indicator.as_ref().map(ToString::to_string),
                "release": release,
                "cards": trace.cards,
                "queries": trace.queries,
                "feeds": table,
            })),
            Format::Csv => console.table(Format::Csv, &table),
            Format::Table => {
                let record = Record::default()
                    .with("area", self.area.to_string())
                    .with("quarter", release.quarter.as_str())
                    .with("release", release.digest.as_str())
                    .with("entry", release.index)
                    .with("frozen_at", release.at.as_str())
                    .with("catalogue", release.catalogue.as_str())
                    .with("accepted_points", json!(release.accepted))
                    .with("withdrawn_by_entry", release.withdrawn)
                    .with("cards_of_the_area", trace.cards)
                    .with("queries_of_the_area", trace.queries);
                console.record(Format::Table, &record)?;
                console.text("")?;
                console.table(Format::Table, &table)
            }
        }
    }
}

fn unreadable(error: crate::disclosure::DisclosureError) -> CliError {
    CliError::Failed { act: "read the catalogue", source: error.into() }
}
