//! `tallygate audit`: who asked what, and whether the log still says what it said.

use super::{
    CliError, Console, Outcome,
    argument::{from_moment, until_moment},
    audit_open::Open,
    audit_proof::{Consistency, Prove},
    audit_verify::Verify,
    output::{Format, Printing, Table},
    remote::{MAX_ANSWER_BYTES, Remote, Service, Session},
};
use crate::{
    domain::{AreaCode, PartnerId, ProtocolId},
    wire::v1::{self, access_log_service_client::AccessLogServiceClient},
};
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate audit search --area CC01 --decision refused --profile auditor.toml
  tallygate audit verify tiles --vkey-file log.vkey
  tallygate audit prove 1204 --vkey-file log.vkey --profile auditor.toml";

const SEARCH_HELP: &str = "\
Every filter that is given must hold. Kinds are those of the log's leaves: card_answered,
query_answered, batch_accepted, protocol_activated, release_frozen, refused, ...
The search is itself an entry of the log.

Examples:
  tallygate audit search --what card_answered --area CC01 --profile auditor.toml
  tallygate audit search --who dwp --decision refused --from 2026-01-01 --until 2026-03-31 \\
    --format json --profile auditor.toml";

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Searches the log's entries, the latest first.
    #[command(after_help = SEARCH_HELP)]
    Search(Search),
    /// Recomputes a log from its tiles or its database, or checks receipts; 1 when one failed.
    Verify(Verify),
    /// Proves that an entry stands in the log.
    Prove(Prove),
    /// Proves that an earlier log is the beginning of a later one.
    Consistency(Consistency),
    /// Opens an item of an entry's private detail, and checks it; 1 when it failed.
    Open(Open),
}

#[derive(Debug, clap::Args)]
pub(super) struct Search {
    /// The partner that acted.
    #[arg(long, value_name = "PARTNER")]
    who: Option<PartnerId>,
    /// The kind of act.
    #[arg(long, value_name = "KIND")]
    what: Option<String>,
    /// The area asked about.
    #[arg(long, value_name = "CODE")]
    area: Option<AreaCode>,
    /// The purpose claimed.
    #[arg(long, value_name = "PURPOSE")]
    purpose: Option<String>,
    /// The protocol relied on.
    #[arg(long, value_name = "ID")]
    protocol: Option<ProtocolId>,
    /// What was decided.
    #[arg(long, value_name = "DECISION", value_parser = ["granted", "refused"])]
    decision: Option<String>,
    /// From this day (or moment, like 2026-03-31T09:30:00Z) on.
    #[arg(long, value_name = "DAY", value_parser = from_moment)]
    from: Option<Timestamp>,
    /// Until this day, which counts as a whole, or before this moment.
    #[arg(long, value_name = "DAY", value_parser = until_moment)]
    until: Option<Timestamp>,
    /// At most so many entries.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

pub(super) type Client = AccessLogServiceClient<Service>;

/// The most entries of one answer.
const MAX_PAGE: u32 = 1_000;

pub(super) fn client(session: &Session) -> Client {
    Client::new(session.service()).max_decoding_message_size(MAX_ANSWER_BYTES)
}

impl AuditCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Search(search) => search.run(console).await,
            Self::Verify(verify) => verify.run(console).await,
            Self::Prove(prove) => prove.run(console).await,
            Self::Consistency(consistency) => consistency.run(console).await,
            Self::Open(open) => open.run(console).await,
        }
    }
}

impl Search {
    async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let session = self.remote.open().await?;
        let mut client = client(&session);
        let mut request = self.request();
        let mut entries: Vec<v1::LogEntry> = Vec::new();
        let mut left = self.limit;
        loop {
            request.page_size = left.min(MAX_PAGE);
            let answer = client.search_entries(request.clone()).await?.into_inner();
            session.logged(console, answer.receipt)?;
            let found = u32::try_from(answer.entries.len()).unwrap_or(u32::MAX);
            left = left.saturating_sub(found);
            entries.extend(answer.entries);
            request.page_token = answer.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
            if left == 0 {
                console.note("there are more: raise --limit, or narrow the search");
                break;
            }
        }
        match self.printing.format {
            Format::Json => console.json(&entries.iter().map(object).collect::<Vec<_>>())?,
            format => console.table(format, &table(&entries))?,
        }
        Ok(Outcome::Done)
    }

    fn request(&self) -> v1::SearchEntriesRequest {
        let text = |id: Option<&dyn ToString>| id.map(ToString::to_string).unwrap_or_default();
        // The wire's 0 means no bound, so the very first moment is the one after it.
        let micros = |at: Option<Timestamp>| at.map_or(0, |at| at.as_microsecond().max(1));
        v1::SearchEntriesRequest {
            partner_id: text(self.who.as_ref().map(|id| id as _)),
            area: text(self.area.as_ref().map(|id| id as _)),
            purpose: self.purpose.clone().unwrap_or_default(),
            protocol_id: text(self.protocol.as_ref().map(|id| id as _)),
            kind: self.what.clone().unwrap_or_default(),
            decision: self.decision.clone().unwrap_or_default(),
            from_micros: micros(self.from),
            until_micros: micros(self.until),
            page_size: 0,
            page_token: String::new(),
        }
    }
}

/// An entry's fields as they stand in the log.
fn leaf(entry: &v1::LogEntry) -> Value {
    serde_json::from_slice(&entry.leaf).unwrap_or(Value::Null)
}

fn object(entry: &v1::LogEntry) -> Value {
    json!({ "index": entry.index, "leaf": leaf(entry) })
}

fn table(entries: &[v1::LogEntry]) -> Table {
    let mut table = Table::new(&[
        "index",
        "at",
        "kind",
        "decision",
        "reason",
        "partner",
        "area",
        "indicator",
        "period",
        "protocol",
        "purpose",
        "size_class",
    ]);
    for entry in entries {
        let leaf = leaf(entry);
        let field = |name: &str| leaf.get(name).cloned().unwrap_or(Value::Null);
        let protocol = leaf.get("protocol").map(|protocol| {
            let id = protocol.get("id").and_then(Value::as_str).unwrap_or_default();
            json!(format!("{id} v{}", protocol.get("version").unwrap_or(&Value::Null)))
        });
        table.row([
            json!(entry.index),
            field("at"),
            field("kind"),
            field("decision"),
            field("reason"),
            field("partner"),
            field("area"),
            field("indicator"),
            field("period"),
            protocol.unwrap_or(Value::Null),
            field("purpose"),
            field("size_class"),
        ]);
    }
    table
}
