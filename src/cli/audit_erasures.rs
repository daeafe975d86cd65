//! `tallygate audit erasures`: the daily entries of erasures, with their proofs, and the days
//! that should have one and don't.

use super::{
    CliError, Console, Outcome,
    audit::client,
    audit_mirror::{VerifyFirst, entries, read_leaf, search_all, unread},
    audit_proof::{latest, size_of},
    output::{Format, Printing, Table},
    remote::Remote,
    text::counted,
};
use crate::{
    verify::{
        Directory,
        erasures::{Erasures as Collected, ErasuresLeaf},
    },
    wire::v1,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{collections::BTreeMap, ops::ControlFlow, path::PathBuf};

const HELP: &str = "\
One entry a day names what was erased, as a class of sizes, also where that was nothing; a day on
which no gateway ran is named with the next one. From a mirror, days on which the log has entries
and names no erasures are listed as missing (exit code 1): from the first such entry on, and not
the log's last day, which may not have ended. The gateway shows the entries alone. JSON has each
entry's inclusion proof.

Examples:
  tallygate audit erasures mirror --vkey-file log.vkey
  tallygate audit erasures --profile auditor.toml --format json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Erasures {
    /// A mirror of the log, with its entries; else the gateway is asked.
    #[arg(value_name = "DIR")]
    tiles: Option<PathBuf>,
    #[command(flatten)]
    first: VerifyFirst,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

/// Proofs by entry, base64, and the checkpoint that they lead to.
#[derive(Default)]
struct Proofs {
    checkpoint: Option<String>,
    paths: BTreeMap<u64, Vec<String>>,
}

impl Erasures {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let mut collected = Collected::new().ok_or(CliError::NotPrintable)?;
        let proofs = match &self.tiles {
            Some(tiles) => {
                let mirror = Directory::new(tiles);
                if !self.first.allows(&mirror, console)? {
                    return Ok(Outcome::WithFindings);
                }
                of_mirror(&mirror, &mut collected)?
            }
            None => self.of_gateway(&mut collected, console).await?,
        };
        let (leaves, missing) = (collected.leaves(), collected.missing());
        let missing = if self.tiles.is_some() { missing } else { &[] };
        match self.printing.format {
            Format::Json => console.json(&json!({
                "checkpoint": proofs.checkpoint,
                "erasures": leaves.iter().map(|leaf| object(leaf, &proofs)).collect::<Vec<_>>(),
                "missing_days": missing,
            }))?,
            format => console.table(format, &table(leaves, missing))?,
        }
        if leaves.is_empty() {
            console.note("whether a day is missing can't be known: no entry names erasures");
        }
        if !missing.is_empty() {
            let days = counted(missing.len() as u64, "day has", "days have");
            console.note(&format!("FAILED: {days} entries and none that names erasures"));
        }
        Ok(Outcome::findings(!missing.is_empty()))
    }

    async fn of_gateway(
        &self,
        collected: &mut Collected,
        console: &mut Console<'_>,
    ) -> Result<Proofs, CliError> {
        let session = self.remote.open().await?;
        let mut client = client(&session);
        let request =
            v1::SearchEntriesRequest { kind: "erasures".to_owned(), ..Default::default() };
        let found = search_all(&session, &mut client, request, console).await?;
        let mut scratch = Vec::new();
        for entry in found.iter().rev() {
            let leaf = read_leaf(entry, &mut scratch)?;
            collected.note(entry.index, &entry.leaf, &leaf);
        }
        let mut proofs = Proofs::default();
        if self.printing.format != Format::Json || found.is_empty() {
            return Ok(proofs);
        }
        let note = latest(&session, console).await?;
        let tree_size = size_of(&note)?;
        for entry in &found {
            let request = v1::GetInclusionProofRequest { index: entry.index, tree_size };
            let proof = client.get_inclusion_proof(request).await?.into_inner();
            session.logged(console, proof.receipt)?;
            let path = proof.hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
            proofs.paths.insert(entry.index, path);
        }
        proofs.checkpoint = Some(note);
        Ok(proofs)
    }
}

fn of_mirror(mirror: &Directory, collected: &mut Collected) -> Result<Proofs, CliError> {
    let log = entries(mirror)?;
    log.forward(0, &mut |index, entry, leaf| {
        collected.note(index, entry, leaf);
        ControlFlow::Continue(())
    })
    .map_err(unread)?;
    let checkpoint = Some(log.checkpoint().to_owned());
    let mut proofs = Proofs { checkpoint, ..Proofs::default() };
    for leaf in collected.leaves() {
        let (_, path) = log.inclusion(leaf.index).map_err(unread)?;
        proofs.paths.insert(leaf.index, path.iter().map(|hash| STANDARD.encode(hash)).collect());
    }
    Ok(proofs)
}

fn object(leaf: &ErasuresLeaf, proofs: &Proofs) -> Value {
    json!({
        "index": leaf.index,
        "at": leaf.at,
        "through_day": leaf.through_day,
        "size_class": leaf.size_class,
        "detail": leaf.detail,
        "leaf_hash": STANDARD.encode(leaf.hash),
        "proof": proofs.paths.get(&leaf.index),
    })
}

fn table(leaves: &[ErasuresLeaf], missing: &[String]) -> Table {
    let mut table = Table::new(&["finding", "day", "index", "at", "size_class", "detail"]);
    for leaf in leaves {
        table.row([
            json!("named"),
            json!(leaf.through_day),
            json!(leaf.index),
            json!(leaf.at),
            json!(leaf.size_class),
            json!(leaf.detail),
        ]);
    }
    for day in missing {
        table.row([json!("missing"), json!(day)]);
    }
    table
}
