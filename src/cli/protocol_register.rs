//! `tallygate protocol list` and `show`: the register as its members read it.

use super::{
    CliError, Console,
    output::{Format, Printing, Record, Table},
    protocol::Client,
    remote::{Remote, present},
};
use crate::{
    domain::{PartnerId, ProtocolId, RecordType},
    wire::v1,
};
use serde_json::json;

const LIST_HELP: &str = "\
Each WORD must stand in the protocol's id, its title or a party's id. The warnings are about reviews
that are due, ends that are near, and parts that were revoked. A protocol that can't be read or
verified any more is shown as `unreadable: denies`.

Examples:
  tallygate protocol list --format json --profile health.toml
  tallygate protocol list births --party health --state active --profile officer.toml
  tallygate protocol list --warnings --format csv --profile officer.toml";

/// What stands for the state of a protocol that can't be read.
const UNREADABLE: &str = "unreadable: denies";

#[derive(Debug, clap::Args)]
#[command(after_help = LIST_HELP)]
pub(super) struct List {
    /// Words to look for.
    words: Vec<String>,
    /// Only protocols of this party.
    #[arg(long, value_name = "PARTNER")]
    party: Option<PartnerId>,
    /// Only protocols under which this is sent.
    #[arg(long = "type", value_name = "RECORD_TYPE")]
    record_type: Option<RecordType>,
    /// Only protocols that stand there: draft, partly_signed, active, suspended, superseded,
    /// expired, revoked.
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<v1::ProtocolState>,
    /// Only what somebody should see to.
    #[arg(long)]
    warnings: bool,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tallygate protocol show isp-health --profile health.toml\n  tallygate protocol show isp-health --document --profile health.toml > isp-health.json"
)]
pub(super) struct Show {
    /// The protocol's id.
    protocol: ProtocolId,
    /// Its version; the latest when left out.
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Print the signed text itself.
    #[arg(long)]
    document: bool,
    /// Print its deeds of adherence and revocations themselves.
    #[arg(long, conflicts_with = "document")]
    papers: bool,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

impl List {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<(), CliError> {
        let session = self.remote.open().await?;
        let mut client = Client::new(session.service());
        let mut table = Table::new(&[
            "protocol_id",
            "version",
            "state",
            "title",
            "parties",
            "record_types",
            "effective",
            "review_by",
            "expires",
            "missing",
            "warnings",
        ]);
        let mut page_token = String::new();
        loop {
            let request = v1::ListProtocolsRequest {
                page_size: 0,
                page_token,
                words: self.words.join(" "),
                party_id: self.party.as_ref().map(ToString::to_string).unwrap_or_default(),
                record_type: self.record_type.map(|t| t.name().to_owned()).unwrap_or_default(),
                state: self.state.unwrap_or_default().into(),
                with_warnings: self.warnings,
            };
            let answer = client.list_protocols(request).await?.into_inner();
            session.logged(console, answer.receipt)?;
            for entry in &answer.entries {
                table.row([
                    json!(entry.protocol_id),
                    json!(entry.version),
                    json!(state(entry.state())),
                    json!(entry.title),
                    json!(entry.parties),
                    json!(entry.record_types),
                    json!(entry.effective),
                    json!(entry.review_by),
                    json!(entry.expires),
                    json!(entry.missing),
                    json!(entry.warnings),
                ]);
            }
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return console.table(self.printing.format, &table);
            }
        }
    }
}

impl Show {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<(), CliError> {
        let session = self.remote.open().await?;
        let request = v1::GetProtocolRequest {
            protocol_id: self.protocol.to_string(),
            version: self.version.unwrap_or(0),
        };
        let answer = Client::new(session.service()).get_protocol(request).await?.into_inner();
        if self.document {
            console.text(&answer.document)?;
        } else if self.papers {
            for paper in &answer.papers {
                console.text(paper)?;
            }
        } else {
            let changes: Vec<&str> = answer.changes.iter().map(|c| c.sentence.as_str()).collect();
            let record = record(&present(answer.entry, "entry")?)
                .with("changes", json!(changes))
                .with("papers", answer.papers.len());
            console.record(self.printing.format, &record)?;
        }
        session.logged(console, answer.receipt)
    }
}

/// Prints a protocol's line.
///
/// # Errors
/// When the answer has none, or standard output can't be written to.
pub(super) fn show(
    console: &mut Console<'_>,
    format: Format,
    entry: Option<v1::ProtocolEntry>,
) -> Result<(), CliError> {
    console.record(format, &record(&present(entry, "entry")?))
}

/// Prints a protocol's line after a part of it was revoked, and the releases concerned.
///
/// # Errors
/// As [`show`].
pub(super) fn revoked(
    console: &mut Console<'_>,
    format: Format,
    entry: Option<v1::ProtocolEntry>,
    releases: &[v1::ReleaseConcerned],
) -> Result<(), CliError> {
    let released = |release: &v1::ReleaseConcerned| {
        let withdrawn = if release.withdrawn { ", withdrawn" } else { "" };
        format!("{} ({}{withdrawn})", release.quarter, hex::encode(&release.digest))
    };
    let used: Vec<String> = releases.iter().map(released).collect();
    let record = record(&present(entry, "entry")?).with("releases_that_used_it", json!(used));
    console.record(format, &record)
}

fn record(entry: &v1::ProtocolEntry) -> Record {
    Record::default()
        .with("protocol_id", entry.protocol_id.as_str())
        .with("version", entry.version)
        .with("state", state(entry.state()))
        .with("title", entry.title.as_str())
        .with("parties", json!(entry.parties))
        .with("record_types", json!(entry.record_types))
        .with("effective", entry.effective.as_str())
        .with("review_by", entry.review_by.as_str())
        .with("expires", entry.expires.as_str())
        .with("digest", hex::encode(&entry.digest))
        .with("missing", json!(entry.missing))
        .with("warnings", json!(entry.warnings))
}

const fn state(state: v1::ProtocolState) -> &'static str {
    match state {
        v1::ProtocolState::Unspecified => UNREADABLE,
        v1::ProtocolState::Draft => "draft",
        v1::ProtocolState::PartlySigned => "partly_signed",
        v1::ProtocolState::Active => "active",
        v1::ProtocolState::Suspended => "suspended",
        v1::ProtocolState::Superseded => "superseded",
        v1::ProtocolState::Expired => "expired",
        v1::ProtocolState::Revoked => "revoked",
    }
}

fn parse_state(text: &str) -> Result<v1::ProtocolState, &'static str> {
    let all = (1..=7).filter_map(|number| v1::ProtocolState::try_from(number).ok());
    let mut named = all.filter(|known| state(*known) == text);
    named.next().ok_or("draft, partly_signed, active, suspended, superseded, expired or revoked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_shows_what_is_missing_line_by_line() {
        let entry = v1::ProtocolEntry {
            protocol_id: "isp-health".to_owned(),
            version: 2,
            state: v1::ProtocolState::PartlySigned.into(),
            missing: vec!["a signature of dwp".to_owned(), "a Caldicott Guardian".to_owned()],
            ..v1::ProtocolEntry::default()
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        show(&mut Console::new(&mut out, &mut err, false), Format::Table, Some(entry)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("State         partly_signed\n"), "{text}");
        assert!(
            text.contains("Missing       a signature of dwp\n              a Caldicott"),
            "{text}"
        );
    }

    #[test]
    fn an_answer_without_its_entry_is_an_error() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let shown = show(&mut Console::new(&mut out, &mut err, false), Format::Table, None);
        assert!(matches!(shown, Err(CliError::AnswerIncomplete { part: "entry" })));
    }
}
