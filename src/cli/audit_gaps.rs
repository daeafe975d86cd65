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
    verify::{Directory, Receipt, counters::Counters, entries::Entries, leaf},
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
(other_entry; `audit reconcile` makes evidence of it). Receipts alone, without a mirror, tell a
partner its own numbers, too. Exit code 1 when a check failed.

Examples:
  tallygate audit gaps mirror --vkey-file log.vkey
  tallygate audit gaps mirror --partner health --receipts receipts/health --format json
  tallygate audit gaps --partner health --receipts receipts/health";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Gaps {
    /// A mirror of the log, with its entries; without one the receipts alone are looked at.
    #[arg(value_name = "DIR", required_unless_present = "receipts")]
    tiles: Option<PathBuf>,
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

/// The name of the log that a receipt is of.
fn origin(receipt: &Receipt) -> Option<&str> {
    receipt.checkpoint.lines().next()
}

impl Gaps {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let Some(tiles) = &self.tiles else { return self.receipts_alone(console) };
        let mirror = Directory::new(tiles);
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
        self.tell(&counters, console)
    }

    /// A partner's own numbers, as its receipts tell them: it needs nobody's log for that.
    fn receipts_alone(&self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let partner = self.partner.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut counters = Counters::of_receipts(partner);
        let mut receipts: Vec<Receipt> =
            read_receipts(&self.receipts)?.into_iter().filter_map(|kept| kept.receipt).collect();
        let without = receipts.iter().filter(|receipt| receipt.leaf.is_none()).count();
        if without > 0 {
            let without = counted(without as u64, "receipt says", "receipts say");
            console.note(&format!("{without} nothing of what was logged (of an earlier version)"));
        }
        // A year's log after the one before; a receipt that was kept twice is one.
        receipts.sort_by(|a, b| (origin(a), a.leaf_index).cmp(&(origin(b), b.leaf_index)));
        receipts.dedup_by(|a, b| a.leaf_hash == b.leaf_hash && a.leaf_index == b.leaf_index);
        let mut scratch = Vec::new();
        for receipt in &receipts {
            let Some(entry) = &receipt.leaf else { continue };
            match leaf::read(entry.as_bytes(), &mut scratch) {
                Ok(leaf) => counters.note(receipt.leaf_index, &leaf),
                Err(problem) => {
                    console.note(&format!("FAILED: entry {}: {problem}", receipt.leaf_index));
                    return Ok(Outcome::WithFindings);
                }
            }
        }
        self.tell(&counters, console)
    }

    fn tell(&self, counters: &Counters, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        self.print(counters, console)?;
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
