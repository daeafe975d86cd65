//! `tallygate audit open`: an item of an entry's private detail, opened by the gateway and
//! checked here.
//!
//! What the gateway shows is compared with the commitment in the entry, and the entry with the
//! log, by the auditor's own code ([`crate::verify`]).

use super::{
    CliError, Console, Outcome,
    argument::shown_moment,
    audit::client,
    audit_proof::{KeyFile, check_inclusion, latest, size_of},
    output::{Format, Printing, Record},
    remote::{Remote, Session, present},
};
use crate::{
    domain::PartnerId,
    verify::{OpenedDetail, VerifierKey, proof::Sha, verify_opening},
    wire::v1::{self, open_detail_request::Item},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

const HELP: &str = "\
An entry says what was done and commits to the rest: the records of a batch, who asked a question
in whose words, what was erased. One item of it is opened at a time, and the opening is an entry
itself. Items are checked against the entry here; with --vkey-file, the entry against the log, too.
Records are named by keyed ids alone. An item that was erased has a hash and no more, and so have
those that only fill the list up.

What names a member of a partner's staff takes two auditors: the first call waits, and another
auditor's same call within 7 days shows it.

Examples:
  tallygate audit open 1204 --record R-0815 --partner health --profile auditor.toml
  tallygate audit open 1204 --item 17 --vkey-file log.vkey --format json --profile auditor.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Open {
    /// The entry's number, from 0.
    #[arg(value_name = "INDEX")]
    entry: u64,
    /// The item's number, from 0.
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "record")]
    item: u64,
    /// The item about this record, by its sender's id of it.
    #[arg(long, value_name = "RECORD_ID", requires = "partner")]
    record: Option<String>,
    /// The record's sender.
    #[arg(long, value_name = "PARTNER", requires = "record")]
    partner: Option<PartnerId>,
    /// The name of the year's log that the entry is of, if not of the one that grows.
    #[arg(long, value_name = "NAME", conflicts_with = "vkey_file")]
    origin: Option<String>,
    #[command(flatten)]
    key: KeyFile,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

/// What was checked of an opened item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checked {
    /// The item against the entry.
    item: bool,
    /// The entry against the log, where there was a key to check it with.
    entry: Option<bool>,
}

impl Checked {
    const fn failed(self) -> bool {
        !self.item || matches!(self.entry, Some(false))
    }

    const fn words(self) -> &'static str {
        match (self.item, self.entry) {
            (false, _) => "FAILED: the item is not what the entry commits to",
            (true, Some(false)) => "FAILED: the entry is not in the log",
            (true, Some(true)) => "holds, and its entry is in the log",
            (true, None) => "holds; the entry was not checked: give --vkey-file FILE",
        }
    }
}

impl Open {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let key = self.key.read()?;
        let session = self.remote.open().await?;
        let item = match (&self.record, &self.partner) {
            (Some(record), Some(partner)) => Item::Record(v1::DetailRecord {
                partner_id: partner.to_string(),
                record_id: record.clone(),
            }),
            _ => Item::ItemIndex(self.item),
        };
        let origin = self.origin.clone().unwrap_or_default();
        let request = v1::OpenDetailRequest { index: self.entry, item: Some(item), origin };
        let mut answer = client(&session).open_detail(request).await?.into_inner();
        session.logged(console, answer.receipt.take())?;
        let format = self.printing.format;
        if let Some(awaited) = &answer.awaited {
            let waiting = self.waiting(awaited, console);
            console.record(format, &waiting)?;
            return Ok(Outcome::Done);
        }
        let entry = match &key {
            Some(key) => Some(self.stands_in_log(&session, key, &answer.leaf, console).await?),
            None => None,
        };
        let checked = Checked { item: matches_entry(&answer)?, entry };
        console.record(format, &self.shown(&answer, checked, format)?)?;
        Ok(Outcome::findings(checked.failed()))
    }

    /// A first call: what it waits for, and until when.
    fn waiting(&self, awaited: &v1::AwaitedApproval, console: &mut Console<'_>) -> Record {
        let until = shown_moment(awaited.expires_at);
        console.note(&format!(
            "waiting for a second person: nothing is shown until another auditor makes the same \
             call, until {until}"
        ));
        Record::default()
            .with("entry", self.entry)
            .with("state", "waiting for a second person")
            .with("until", until)
            .with("act_digest", hex::encode(&awaited.act_digest))
    }

    /// Whether the entry stands in the signed log.
    async fn stands_in_log(
        &self,
        session: &Session,
        key: &VerifierKey,
        leaf: &[u8],
        console: &mut Console<'_>,
    ) -> Result<bool, CliError> {
        let checkpoint = latest(session, console).await?;
        let tree_size = size_of(&checkpoint)?;
        let request = v1::GetInclusionProofRequest { index: self.entry, tree_size };
        let proof = client(session).get_inclusion_proof(request).await?.into_inner();
        session.logged(console, proof.receipt)?;
        let receipt = v1::Receipt {
            leaf_index: self.entry,
            // Of the bytes that were shown, not the hash that the gateway says they have.
            leaf_hash: crate::verify::proof::hash_of_entry(leaf).to_vec(),
            checkpoint,
            inclusion_proof: proof.hashes,
            leaf: leaf.to_vec(),
        };
        Ok(check_inclusion(&receipt, key))
    }

    fn shown(
        &self,
        answer: &v1::OpenDetailResponse,
        checked: Checked,
        format: Format,
    ) -> Result<Record, CliError> {
        let item = if answer.erased {
            Value::Null
        } else {
            let item = serde_json::from_slice(&answer.item);
            item.map_err(|_| CliError::AnswerIncomplete { part: "item" })?
        };
        let state = if answer.erased { "erased, or filling up" } else { "opened" };
        let path: Vec<String> = answer.path.iter().map(|hash| STANDARD.encode(hash)).collect();
        let record = Record::default()
            .with("entry", self.entry)
            .with("item_index", answer.item_index)
            .with("items", answer.items)
            .with("state", state)
            .with("item", item)
            .with("salt", STANDARD.encode(&answer.salt))
            .with("item_hash", STANDARD.encode(&answer.item_hash))
            .with("path", json!(path))
            .with("checked", checked.words());
        Ok(match format {
            // With the entry itself, all that a check anywhere else needs.
            Format::Json => record
                .with("leaf", String::from_utf8_lossy(&answer.leaf))
                .with("item_text", String::from_utf8_lossy(&answer.item)),
            _ => record,
        })
    }
}

/// Whether an opened item is what its entry commits to.
fn matches_entry(answer: &v1::OpenDetailResponse) -> Result<bool, CliError> {
    let sha = |bytes: &[u8]| -> Option<Sha> { bytes.try_into().ok() };
    let hash = present(sha(&answer.item_hash), "item_hash")?;
    let path: Option<Vec<Sha>> = answer.path.iter().map(|hash| sha(hash)).collect();
    let salt: [u8; 16];
    let shown = if answer.erased {
        None
    } else {
        salt = present(answer.salt.as_slice().try_into().ok(), "salt")?;
        Some((&salt, answer.item.as_slice()))
    };
    let opened = OpenedDetail {
        entry: &answer.leaf,
        index: answer.item_index,
        size: answer.items,
        shown,
        hash,
        path: present(path, "path")?,
    };
    Ok(verify_opening(&opened).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::proof::hash_of_entry;

    #[test]
    fn a_changed_answer_is_seen_here() {
        let (salt, item) = (vec![1; 16], b"{}".to_vec());
        let hash = hash_of_entry(&[&salt[..], &item[..]].concat());
        let leaf = format!(
            "{{\"at\":\"2026-05-01T12:00:00.000000Z\",\"decision\":\"granted\",\"detail\":\"{}\",\
             \"kind\":\"log_read\",\"v\":1}}",
            hex::encode(hash)
        );
        let answer = v1::OpenDetailResponse {
            leaf: leaf.into_bytes(),
            items: 1,
            item,
            salt,
            item_hash: hash.to_vec(),
            ..v1::OpenDetailResponse::default()
        };
        assert!(matches_entry(&answer).unwrap());
        let erased = v1::OpenDetailResponse { erased: true, ..answer.clone() };
        assert!(matches_entry(&erased).unwrap());
        let other = v1::OpenDetailResponse { item: b"[]".to_vec(), ..answer.clone() };
        assert!(!matches_entry(&other).unwrap());
        let short = v1::OpenDetailResponse { salt: vec![1; 15], ..answer };
        assert!(matches!(matches_entry(&short), Err(CliError::AnswerIncomplete { part: "salt" })));
    }

    #[test]
    fn one_failed_check_is_a_finding() {
        let checked = |item, entry| Checked { item, entry }.failed();
        assert!(!checked(true, None) && !checked(true, Some(true)));
        assert!(checked(false, None) && checked(true, Some(false)));
    }
}
