//! `tallygate retention`: how long records are kept, what would go, and the proof.

use super::{
    CliError, Console, Outcome,
    output::{Format, Printing, Table},
    remote::{Remote, Service},
    text::counted,
};
use crate::{
    domain::Quarter,
    wire::v1::{self, retention_service_client::RetentionServiceClient},
};
use clap::Subcommand;
use jiff::civil::Date;
use serde_json::{Value, json};

pub(super) const EXAMPLES: &str = "\
A sharing protocol says for each record type for how many days it is kept, counted from the event,
the receipt, the child's fifth birthday or the closing of a case. Where several protocols in force
cover what a partner sends, the strictest holds; what a protocol that ended said last goes on to
hold for what came under it, and once all have ended for everything. What is due goes by itself once
the day has ended in London. A case that nobody closes counts as closed when it is withdrawn, when
its protocol has ended, or five years after it began.

Examples:
  tallygate retention preview --on 2027-03-31 --profile officer.toml
  tallygate retention prove --quarter 2026Q4 --profile auditor.toml";

const PREVIEW_HELP: &str = "\
A line for each clause of each feed, also where nothing is due. Classes of sizes, never counts. The
line without a clause is what no protocol that can be read speaks of.

Examples:
  tallygate retention preview --profile officer.toml
  tallygate retention preview --on 2027-03-31 --format csv --profile officer.toml";

const PROVE_HELP: &str = "\
The gateway compares everything that it keeps with the limits, by a look of its own that does not
use what the daily job goes by, and logs what it found: the statement, with its receipt. Beside it
stand the days on which retention was applied; `tallygate audit search --what retention_applied`
finds their entries. Exit code 1 but for none_overdue: where something is older than its limit,
where the daily job stands still (stalled), and where clauses have changed and are applied only when
the day ends, or nothing that can be read says how long something is kept (incomplete).

Examples:
  tallygate retention prove --profile auditor.toml
  tallygate retention prove --quarter 2026Q4 --format json --profile auditor.toml";

#[derive(Debug, Subcommand)]
pub(super) enum RetentionCommand {
    /// Shows what would be let go until a day.
    #[command(after_help = PREVIEW_HELP)]
    Preview {
        /// Until which day; today when left out.
        #[arg(long, value_name = "YYYY-MM-DD")]
        on: Option<Date>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Proves that nothing is kept longer than the protocols let it be.
    #[command(after_help = PROVE_HELP)]
    Prove {
        /// Also list the days of this quarter on which retention was applied.
        #[arg(long, value_name = "QUARTER", conflicts_with = "day")]
        quarter: Option<Quarter>,
        /// Also list this day.
        #[arg(long, value_name = "YYYY-MM-DD")]
        day: Option<Date>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
}

type Client = RetentionServiceClient<Service>;

impl RetentionCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Preview { on, remote, printing } => {
                preview(on, &remote, printing.format, console).await
            }
            Self::Prove { quarter, day, remote, printing } => {
                let period = quarter.map(|quarter| (quarter.first_day(), quarter.last_day()));
                let period = period.or_else(|| day.map(|day| (day, day)));
                prove(period, &remote, printing.format, console).await
            }
        }
    }
}

async fn preview(
    on: Option<Date>,
    remote: &Remote,
    format: Format,
    console: &mut Console<'_>,
) -> Result<Outcome, CliError> {
    let session = remote.open().await?;
    let day = on.map(|day| day.to_string()).unwrap_or_default();
    let request = v1::PreviewRetentionRequest { day };
    let answer = Client::new(session.service()).preview_retention(request).await?.into_inner();
    console.table(format, &lines(&answer.lines))?;
    session.logged(console, answer.receipt)?;
    Ok(Outcome::Done)
}

fn lines(lines: &[v1::RetentionLine]) -> Table {
    let mut table = Table::new(&[
        "partner_id",
        "record_type",
        "clause",
        "counted_from",
        "days",
        "in_force",
        "size_class",
    ]);
    for line in lines {
        table.row([
            json!(line.partner_id),
            json!(line.record_type),
            json!(line.clause),
            json!(line.counted_from),
            json!(line.days),
            json!(line.in_force),
            json!(line.size_class),
        ]);
    }
    table
}

async fn prove(
    period: Option<(Date, Date)>,
    remote: &Remote,
    format: Format,
    console: &mut Console<'_>,
) -> Result<Outcome, CliError> {
    let session = remote.open().await?;
    let text = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
    let request = v1::ProveRetentionRequest {
        from_day: text(period.map(|(from, _)| from)),
        until_day: text(period.map(|(_, until)| until)),
    };
    let answer = Client::new(session.service()).prove_retention(request).await?.into_inner();
    match format {
        Format::Json => console.json(&object(&answer))?,
        format => console.table(format, &findings(&answer))?,
    }
    let failed = answer.verdict() != v1::RetentionVerdict::NoneOverdue;
    if failed {
        let feeds = (answer.overdue.len() + answer.unlimited.len()) as u64;
        let feeds = counted(feeds, "feed keeps", "feeds keep");
        let (verdict, pending) = (verdict(answer.verdict()), answer.pending.len());
        console.note(&format!(
            "FAILED: {verdict}: {feeds} what is due, or without a limit; {pending} wait for the \
             day's end"
        ));
    }
    session.logged(console, answer.receipt)?;
    Ok(Outcome::findings(failed))
}

const fn verdict(verdict: v1::RetentionVerdict) -> &'static str {
    match verdict {
        v1::RetentionVerdict::Unspecified => "unknown",
        v1::RetentionVerdict::NoneOverdue => "none_overdue",
        v1::RetentionVerdict::Overdue => "overdue",
        v1::RetentionVerdict::Stalled => "stalled",
        v1::RetentionVerdict::Incomplete => "incomplete",
    }
}

fn feed(feed: &v1::RetentionFeed) -> Value {
    json!({
        "partner_id": feed.partner_id,
        "record_type": feed.record_type,
        "size_class": feed.size_class,
    })
}

fn object(answer: &v1::ProveRetentionResponse) -> Value {
    let feeds = |feeds: &[v1::RetentionFeed]| feeds.iter().map(feed).collect::<Vec<_>>();
    json!({
        "as_of": answer.as_of,
        "verdict": verdict(answer.verdict()),
        "last_applied": answer.last_applied,
        "none_overdue": answer.none_overdue,
        "judged": answer.judged,
        "overdue": feeds(&answer.overdue),
        "pending": feeds(&answer.pending),
        "unlimited": feeds(&answer.unlimited),
        "days": answer.days.iter().map(|day| json!({
            "day": day.day,
            "record_type": day.record_type,
            "size_class": day.size_class,
        })).collect::<Vec<_>>(),
    })
}

fn findings(answer: &v1::ProveRetentionResponse) -> Table {
    let mut table =
        Table::new(&["finding", "day", "partner_id", "record_type", "size_class", "feeds"]);
    let whole = verdict(answer.verdict());
    let (empty, judged) = (json!(""), json!(answer.judged));
    let (e, as_of) = (|| empty.clone(), json!(answer.as_of));
    table.row([json!(whole), as_of, e(), e(), e(), judged]);
    for (finding, feeds) in [
        ("overdue_feed", &answer.overdue),
        ("pending_feed", &answer.pending),
        ("unlimited_feed", &answer.unlimited),
    ] {
        for feed in feeds {
            let (partner, record_type) = (json!(feed.partner_id), json!(feed.record_type));
            table.row([json!(finding), e(), partner, record_type, json!(feed.size_class), e()]);
        }
    }
    for day in &answer.days {
        let (on, record_type) = (json!(day.day), json!(day.record_type));
        table.row([json!("applied"), on, e(), record_type, json!(day.size_class), e()]);
    }
    table
}
