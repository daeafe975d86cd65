//! `tallygate consent notice` and `notices`: which privacy notice (UK GDPR art 14) is in force for
//! what is sent without consent.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
    remote::Remote,
};
use crate::{
    domain::RecordType,
    wire::v1::{self, consent_service_client::ConsentServiceClient},
};
use clap::ValueEnum;
use jiff::civil::Date;
use serde_json::json;

pub(super) const HELP: &str = "\
A flow whose protocol says `consent: notice` is let in only while its sender has a privacy notice in
force for the record type. What is stated is kept; stated again under the same version, with
--until, it says when the notice ends.

Examples:
  tallygate consent notice --type health_review --version PN-2026-1 --how website \\
    --from 2026-04-01 --profile health.toml
  tallygate consent notice --type health_review --version PN-2025-1 --how letter \\
    --from 2025-04-01 --until 2026-03-31 --profile health.toml";

pub(super) const LIST_HELP: &str = "\
Example:
  tallygate consent notices --format csv --profile officer.toml";

/// How a privacy notice is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum How {
    /// By letter or message to each subject.
    Letter,
    /// In person, when the data are collected.
    AtContact,
    /// In a leaflet that each subject gets.
    Leaflet,
    /// On a website that each subject is pointed to.
    Website,
}

#[derive(Debug, clap::Args)]
pub(super) struct Notice {
    /// The record type that it is about.
    #[arg(long = "type", value_name = "RECORD_TYPE")]
    record_type: RecordType,
    /// Its version, as you name it.
    #[arg(long)]
    version: String,
    /// How it is given.
    #[arg(long)]
    how: How,
    /// The first day that it is in force.
    #[arg(long, value_name = "DATE")]
    from: Date,
    /// The last.
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
pub(super) struct Notices {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

impl Notice {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let means = match self.how {
            How::Letter => v1::NoticeMeans::Letter,
            How::AtContact => v1::NoticeMeans::AtContact,
            How::Leaflet => v1::NoticeMeans::Leaflet,
            How::Website => v1::NoticeMeans::Website,
        };
        let notice = Some(v1::PrivacyNotice {
            partner_id: String::new(),
            record_type: self.record_type.name().to_owned(),
            version: self.version,
            means: means.into(),
            in_force_from: self.from.to_string(),
            in_force_until: self.until.map(|day| day.to_string()).unwrap_or_default(),
        });
        let session = self.remote.open().await?;
        let mut client = ConsentServiceClient::new(session.service());
        let request = v1::RecordPrivacyNoticeRequest { notice };
        let answer = client.record_privacy_notice(request).await?.into_inner();
        console.note("recorded");
        session.logged(console, answer.receipt)?;
        Ok(Outcome::Done)
    }
}

impl Notices {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let session = self.remote.open().await?;
        let mut client = ConsentServiceClient::new(session.service());
        let answer = client.list_privacy_notices(v1::ListPrivacyNoticesRequest {}).await?;
        let answer = answer.into_inner();
        let columns = ["partner", "record_type", "version", "given", "from", "until"];
        let mut table = Table::new(&columns);
        for notice in &answer.notices {
            table.row([
                json!(notice.partner_id),
                json!(notice.record_type),
                json!(notice.version),
                json!(means_name(notice.means())),
                json!(notice.in_force_from),
                json!(notice.in_force_until),
            ]);
        }
        console.table(self.printing.format, &table)?;
        session.logged(console, answer.receipt)?;
        Ok(Outcome::Done)
    }
}

pub(super) const fn means_name(means: v1::NoticeMeans) -> &'static str {
    match means {
        v1::NoticeMeans::Unspecified => "unknown",
        v1::NoticeMeans::Letter => "letter",
        v1::NoticeMeans::AtContact => "at_contact",
        v1::NoticeMeans::Leaflet => "leaflet",
        v1::NoticeMeans::Website => "website",
    }
}
