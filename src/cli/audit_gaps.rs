//! `tallygate audit gaps`: the partners' own counters, in a mirror of the log.

use super::{
    CliError, Console, Outcome,
    audit_mirror::{VerifyFirst, entries, unread},
    output::{Format, Printing, Table},
    receipt_files::read_receipts,
    text::counted,
};
use crate::{
    domain::PartnerId,
    verify::{Directory, Receipt, counters::Counters, entries::Entries},
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::PathBuf,
};

const HELP: &str = "\
Every act in a partner's name has that partner's next number, from 1 without gaps or repeats (a
log that follows an earlier year's goes on counting). With --receipts, a partner also sees acts in
its name for which it holds no receipt (no_receipt): somebody else's, or one whose receipt was not
kept; that alone is no failed check. A receipt for another entry than the log has is one
(other_entry; `audit reconcile` makes evidence of it). Exit code 1 when a check failed.

Examples:
  tallygate audit gaps mirror --vkey-file log.vkey
  tallygate audit gaps mirror --partner health --receipts receipts/health --format json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Gaps {
    /// A mirror of the log, with its entries.
    #[arg(value_name = "DIR")]
    tiles: PathBuf,
    /// Only this partner's counter.
    #[arg(long, value_name = "PARTNER")]
    partner: Option<PartnerId>,
    /// The partner's receipts: files, and folders of them.
    #[arg(long, value_name = "PATH", requires = "partner")]
    receipts: Vec<PathBuf>,
    #[command(flatten)]
    first: VerifyFirst,
    #[command(flatten)]
    printing: Printing,
}

impl Gaps {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let mirror = Directory::new(&self.tiles);
        if !self.first.allows(&mirror, console)? {
            return Ok(Outcome::WithFindings);
        }
        let log = entries(&mirror)?;
        let partner = self.partner.as_ref().map(ToString::to_string);
        let held = if self.receipts.is_empty() { None } else { Some(self.held(&log, console)?) };
        let (held, others) = held.map_or((None, Vec::new()), |(held, others)| (Some(held), others));
        let mut counters = Counters::new(partner.clone(), held);
        log.forward(0, &mut |index, _, leaf| {
            counters.note(index, leaf);
            ControlFlow::Continue(())
        })
        .map_err(unread)?;
        for index in others {
            counters.other_entry(partner.as_deref().unwrap_or_default(), index);
        }
        self.print(&counters, console)?;
        let (findings, omitted) = counters.findings();
        if omitted > 0 {
            console.note(&format!("and {}", counted(omitted, "finding more", "findings more")));
        }
        let failed = findings.iter().any(|found| found.problem.fails()) || omitted > 0;
        if failed {
            console
                .note("FAILED: a counter has a gap, a repeat or another entry: see the findings");
        }
        Ok(Outcome::findings(failed))
    }

    /// The entries for which the partner holds receipts, and those of its receipts that are
    /// for other entries than the log has there.
    fn held(
        &self,
        log: &Entries<'_, Directory>,
        console: &mut Console<'_>,
    ) -> Result<(BTreeSet<u64>, Vec<u64>), CliError> {
        let kept = read_receipts(&self.receipts)?;
        let unread_files = kept.iter().filter(|kept| kept.receipt.is_none()).count();
        if unread_files > 0 {
            console.note(&counted(
                unread_files as u64,
                "file is no receipt",
                "files are no receipts",
            ));
        }
        // Several receipts of one entry are one.
        let receipts: BTreeMap<u64, Receipt> =
            kept.into_iter().filter_map(|kept| kept.receipt).map(|r| (r.leaf_index, r)).collect();
        let (mut held, mut others) = (BTreeSet::new(), Vec::new());
        for (index, receipt) in receipts {
            if index >= log.size() {
                continue;
            }
            let (hash, _) = log.inclusion(index).map_err(unread)?;
            if hash == receipt.leaf_hash {
                held.insert(index);
            } else {
                others.push(index);
            }
        }
        Ok((held, others))
    }

    fn print(&self, counters: &Counters, console: &mut Console<'_>) -> Result<(), CliError> {
        let (findings, omitted) = counters.findings();
        let mut table =
            Table::new(&["partner", "finding", "from", "through", "index", "last_index"]);
        for found in findings {
            table.row([
                json!(found.partner),
                json!(found.problem.word()),
                json!(found.from),
                json!(found.through),
                json!(found.index),
                json!(found.last_index),
            ]);
        }
        match self.printing.format {
            Format::Json => console.json(&json!({
                "partners": counters.all(),
                "findings": findings,
                "findings_omitted": omitted,
            })),
            Format::Csv => console.table(Format::Csv, &table),
            Format::Table => {
                let mut partners = Table::new(&["partner", "first", "last", "acts"]);
                for (partner, counter) in counters.all() {
                    let numbers = [counter.first, counter.last, counter.acts].map(|n| json!(n));
                    partners.row([json!(partner)].into_iter().chain(numbers));
                }
                console.table(Format::Table, &partners)?;
                if table.is_empty() {
                    return Ok(());
                }
                console.text("")?;
                console.table(Format::Table, &table)
            }
        }
    }
}
