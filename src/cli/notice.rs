//! `tallygate notice`: what is to be done about records of one's own because their subjects
//! chose, and the signed word that it is done.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
    remote::{Remote, Service},
    rights::kind_name,
};
use crate::{
    connector::Profile,
    domain::RecordType,
    files::CsvTable,
    identity::{Clock, SystemClock},
    keys::{self, SigningKey},
    protocol::{
        KeyId, SignatoryRole,
        acknowledgement::Acknowledgement,
        jws::Algorithm,
        jws::ProtectedHeader,
        signing::{self, Document},
    },
    wire::v1::{self, rights_service_client::RightsServiceClient},
};
use clap::Subcommand;
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate notice list --profile health.toml
  tallygate notice match reviews.csv --type health_review --profile health.toml
  tallygate notice acknowledge 6f0a... --key acknowledgement.pem --profile health.toml";

const MATCH_HELP: &str = "\
The file is your own extract: only its column record_id is read, and sent a thousand at a time.
The gateway keeps record ids only as pseudonyms, so it can't name the records by itself.

Example:
  tallygate notice match reviews.csv --type health_review --profile health.toml";

const ACKNOWLEDGE_HELP: &str = "\
Acknowledge when you have done in your own systems what the notices ask. The key is your
acknowledgement key, registered for that purpose alone; it stays on this machine.

Example:
  tallygate notice acknowledge 6f0a9d41c7b2e8305d1e44a2b6f7c890 --key acknowledgement.pem \\
    --profile health.toml";

/// The most records of one call.
const MOST_RECORDS: usize = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum NoticeCommand {
    /// Lists the notices that you have to acknowledge.
    #[command(after_help = "Example:\n  tallygate notice list --all --profile health.toml")]
    List {
        /// Those that you have acknowledged, too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Tells which of your records the notices are about.
    #[command(after_help = MATCH_HELP)]
    Match {
        /// Your records: a CSV file with a column record_id.
        file: PathBuf,
        /// Their type.
        #[arg(long = "type", value_name = "RECORD_TYPE")]
        record_type: RecordType,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Signs that you have done what notices ask, and hands it in.
    #[command(after_help = ACKNOWLEDGE_HELP)]
    Acknowledge {
        /// The notices' ids.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Your private acknowledgement key: Ed25519, PKCS#8 PEM.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        remote: Remote,
    },
    /// Lists the parties that did not acknowledge in time, by the quarters that are over: for data
    /// officers and auditors.
    #[command(after_help = "Example:\n  tallygate notice overdue --profile officer.toml")]
    Overdue {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
}

type Client = RightsServiceClient<Service>;

impl NoticeCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::List { all, remote, printing } => list(all, &remote, printing, console).await,
            Self::Match { file, record_type, remote, printing } => {
                find(&file, record_type, &remote, printing, console).await
            }
            Self::Acknowledge { ids, key, remote } => {
                acknowledge(ids, &key, &remote, console).await
            }
            Self::Overdue { remote, printing } => overdue(&remote, printing, console).await,
        }
    }
}

async fn list(
    all: bool,
    remote: &Remote,
    printing: Printing,
    console: &mut Console<'_>,
) -> Result<Outcome, CliError> {
    let session = remote.open().await?;
    let mut client = Client::new(session.service());
    let columns = ["id", "record_type", "kind", "action", "due_on", "overdue", "acknowledged_at"];
    let mut table = Table::new(&columns);
    let mut request = v1::ListNoticesRequest { all, page_size: 1_000, page_token: String::new() };
    loop {
        let answer = client.list_notices(request.clone()).await?.into_inner();
        session.logged(console, answer.receipt)?;
        for notice in answer.notices {
            table.row([
                json!(notice.id),
                json!(notice.record_type),
                json!(kind_name(notice.kind())),
                json!(notice.action),
                json!(notice.due_on),
                json!(notice.overdue),
                json!(notice.acknowledged_at),
            ]);
        }
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    console.table(printing.format, &table)?;
    Ok(Outcome::Done)
}

async fn find(
    file: &Path,
    record_type: RecordType,
    remote: &Remote,
    printing: Printing,
    console: &mut Console<'_>,
) -> Result<Outcome, CliError> {
    let ids = record_ids(file)?;
    let session = remote.open().await?;
    let mut client = Client::new(session.service());
    let mut table = Table::new(&["record_id", "notice"]);
    for some in ids.chunks(MOST_RECORDS) {
        let record_type = record_type.name().to_owned();
        let request = v1::MatchNoticesRequest { record_type, record_ids: some.to_vec() };
        let answer = client.match_notices(request).await?.into_inner();
        session.logged(console, answer.receipt)?;
        for (id, found) in some.iter().zip(answer.matches) {
            for notice in found.notice_ids {
                table.row([json!(id), json!(notice)]);
            }
        }
    }
    console.table(printing.format, &table)?;
    Ok(Outcome::Done)
}

/// The ids in a file's column `record_id`; rows without one are passed over.
fn record_ids(path: &Path) -> Result<Vec<String>, CliError> {
    let wrong =
        || CliError::WrongForm { path: path.to_owned(), expected: "CSV with a column record_id" };
    let file = File::open(path)
        .map_err(|source| CliError::Unreadable { path: path.to_owned(), source })?;
    let mut table = CsvTable::open(file).map_err(|_| wrong())?;
    let order = table.order(&["record_id"]).map_err(|_| wrong())?;
    let mut ids = BTreeSet::new();
    while let Some(row) = table.next_row().map_err(|_| wrong())? {
        if let Ok(values) = row.values(&order) {
            ids.extend(values.iter().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()));
        }
    }
    Ok(ids.into_iter().collect())
}

async fn acknowledge(
    ids: Vec<String>,
    key: &Path,
    remote: &Remote,
    console: &mut Console<'_>,
) -> Result<Outcome, CliError> {
    let failed = |act| move |source| CliError::Failed { act, source };
    let key: SigningKey<keys::Acknowledgement> =
        SigningKey::load(key).map_err(|error| failed("read the key")(error.into()))?;
    let profile = Profile::read(remote.profile.as_deref().ok_or(CliError::NoProfile)?)?;
    let word = Acknowledgement::new(profile.file().partner.clone(), ids.into_iter().collect());
    let signed = sign(&word, &key).map_err(failed("sign the acknowledgement"))?;
    let session = remote.open().await?;
    let request = v1::AcknowledgeNoticesRequest { acknowledgement: signed };
    let answer = Client::new(session.service()).acknowledge_notices(request).await?.into_inner();
    console.note(&format!(
        "acknowledged {}, {} of them before",
        answer.acknowledged + answer.before,
        answer.before
    ));
    session.logged(console, answer.receipt)?;
    Ok(Outcome::Done)
}

/// The acknowledgement under a signature.
fn sign(
    word: &Acknowledgement,
    key: &SigningKey<keys::Acknowledgement>,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let header = ProtectedHeader {
        alg: Algorithm::Ed25519,
        typ: Acknowledgement::TYP.to_owned(),
        kid: key.verifying_key().kid().parse::<KeyId>().map_err(|_| NoKid)?,
        party: word.partner.clone(),
        // An acknowledgement key has no office; the register has them all under this one.
        role: SignatoryRole::DesignatedPerson,
        iat: u64::try_from(SystemClock.now().as_second()).unwrap_or(0),
    };
    let bytes = word.canonical()?;
    let draft = signing::Signed::<Acknowledgement, signing::Draft>::draft(&bytes)?;
    let sign = |message: &[u8]| key.sign(message).ok().map(|signature| *signature.as_bytes());
    Ok(draft.envelope().clone().sign(header, sign)?.to_json()?)
}

/// A key id that no header can name; can't happen for a thumbprint.
#[derive(Debug, thiserror::Error)]
#[error("the key's id is not one that a signature can name")]
struct NoKid;

async fn overdue(
    remote: &Remote,
    printing: Printing,
    console: &mut Console<'_>,
) -> Result<Outcome, CliError> {
    let session = remote.open().await?;
    let request = v1::ListOverdueNoticesRequest {};
    let answer = Client::new(session.service()).list_overdue_notices(request).await?.into_inner();
    let mut table = Table::new(&["partner", "quarter", "notices"]);
    for party in answer.parties {
        table.row([json!(party.partner_id), json!(party.quarter), json!(party.size_class)]);
    }
    session.logged(console, answer.receipt)?;
    console.table(printing.format, &table)?;
    Ok(Outcome::Done)
}
