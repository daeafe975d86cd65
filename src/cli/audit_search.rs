//! `tallygate audit search`: the log's entries by who, what, area, purpose, protocol, decision
//! and time, at the gateway or in a mirror.

use super::{
    CliError, Console, Outcome,
    argument::{from_moment, until_moment, user_pseudonym},
    audit::{MAX_PAGE, client},
    audit_mirror::{VerifyFirst, entries, unread},
    output::{Format, Printing, Table},
    remote::Remote,
};
use crate::{
    domain::{AreaCode, PartnerId, ProtocolId},
    verify::{Directory, leaf::KINDS, search::Wanted},
    wire::v1,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{ops::ControlFlow, path::PathBuf};

const HELP: &str = "\
Every filter that is given must hold. Kinds are those of the log's leaves: card_answered,
query_answered, batch_accepted, protocol_activated, release_frozen, refused, ...
At the gateway the search is itself an entry of the log; in a mirror (--tiles) nobody sees it.

Examples:
  tallygate audit search --what card_answered --area CC01 --profile auditor.toml
  tallygate audit search --user 0123456789abcdef0123456789abcdef --all --tiles mirror
  tallygate audit search --who dwp --decision refused --from 2026-01-01 --until 2026-03-31 \\
    --format json --profile auditor.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Search {
    /// The partner that acted.
    #[arg(long, value_name = "PARTNER")]
    who: Option<PartnerId>,
    /// Which of its people, by the pseudonym that the log has.
    #[arg(long, value_name = "PSEUDONYM", value_parser = user_pseudonym)]
    user: Option<String>,
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
    /// Go on where a search with the same filters ended.
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
    /// Every entry, however many.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Search a mirror of the log instead of asking the gateway.
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    #[command(flatten)]
    first: VerifyFirst,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

/// What was found, and where to go on.
struct Found {
    entries: Vec<v1::LogEntry>,
    next: Option<String>,
}

impl Search {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let found = match &self.tiles {
            Some(tiles) => {
                let mirror = Directory::new(tiles);
                if !self.first.allows(&mirror, console)? {
                    return Ok(Outcome::WithFindings);
                }
                self.in_mirror(&mirror, console)?
            }
            None => self.at_gateway(console).await?,
        };
        match self.printing.format {
            Format::Json => console.json(&found.entries.iter().map(object).collect::<Vec<_>>())?,
            format => console.table(format, &table(&found.entries))?,
        }
        if let Some(token) = found.next {
            console.note(&format!("there are more: --page-token {token} goes on, --all has all"));
        }
        Ok(Outcome::Done)
    }

    const fn most(&self) -> usize {
        if self.all { usize::MAX } else { self.limit as usize }
    }

    async fn at_gateway(&self, console: &mut Console<'_>) -> Result<Found, CliError> {
        let session = self.remote.open().await?;
        let mut client = client(&session);
        let mut request = self.request();
        let mut entries: Vec<v1::LogEntry> = Vec::new();
        loop {
            let left = self.most() - entries.len();
            request.page_size = u32::try_from(left).map_or(MAX_PAGE, |left| left.min(MAX_PAGE));
            let answer = client.search_entries(request.clone()).await?.into_inner();
            session.logged(console, answer.receipt)?;
            entries.extend(answer.entries);
            request.page_token = answer.next_page_token;
            if request.page_token.is_empty() {
                return Ok(Found { entries, next: None });
            }
            if entries.len() >= self.most() {
                return Ok(Found { entries, next: Some(request.page_token) });
            }
        }
    }

    /// A mirror's token is the index before which to go on.
    fn in_mirror(&self, mirror: &Directory, console: &mut Console<'_>) -> Result<Found, CliError> {
        if let Some(kind) = self.what.as_deref().filter(|kind| !KINDS.contains(kind)) {
            console.note(&format!("no kind of entry is called {kind}"));
        }
        let log = entries(mirror)?;
        let before = match &self.page_token {
            None => log.size(),
            Some(token) => token.parse().map_err(|_| CliError::ForeignToken)?,
        };
        let wanted = self.wanted();
        let (mut entries, mut reached) = (Vec::new(), 0);
        let mut visit = |index: u64, entry: &[u8], leaf: &crate::verify::leaf::Leaf<'_>| {
            if wanted.matches(leaf) {
                entries.push(v1::LogEntry { index, leaf: entry.to_vec() });
            }
            if entries.len() < self.most() {
                return ControlFlow::Continue(());
            }
            reached = index;
            ControlFlow::Break(())
        };
        log.backward(before, &mut visit).map_err(unread)?;
        Ok(Found { entries, next: (reached > 0).then(|| reached.to_string()) })
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            partner: self.who.as_ref().map(ToString::to_string),
            user: self.user.clone(),
            kind: self.what.clone(),
            area: self.area.as_ref().map(ToString::to_string),
            purpose: self.purpose.clone(),
            protocol: self.protocol.as_ref().map(ToString::to_string),
            decision: self.decision.clone(),
            from: self.from,
            until: self.until,
        }
    }

    fn request(&self) -> v1::SearchEntriesRequest {
        let Wanted { partner, user, kind, area, purpose, protocol, decision, from, until } =
            self.wanted();
        // The wire's 0 means no bound, so the very first moment is the one after it.
        let micros = |at: Option<Timestamp>| at.map_or(0, |at| at.as_microsecond().max(1));
        v1::SearchEntriesRequest {
            partner_id: partner.unwrap_or_default(),
            area: area.unwrap_or_default(),
            purpose: purpose.unwrap_or_default(),
            protocol_id: protocol.unwrap_or_default(),
            kind: kind.unwrap_or_default(),
            decision: decision.unwrap_or_default(),
            from_micros: micros(from),
            until_micros: micros(until),
            page_size: 0,
            page_token: self.page_token.clone().unwrap_or_default(),
            user: user.unwrap_or_default(),
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
        "user",
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
            field("user"),
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
