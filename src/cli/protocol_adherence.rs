//! `tallygate protocol adherence`: the draft of a deed by which a new party joins a protocol.

use super::{
    CliError, Console, Outcome,
    protocol_diff::read,
    protocol_draft::{DRAFTED, hand_over, party},
    protocol_paper::rejected,
};
use crate::{
    domain::{AreaCode, TableId, time::days_after},
    identity::{Clock, SystemClock},
    protocol::{
        Adherence, CallerRole, Digest, Protocol,
        adherence::{Joining, TakenAudience},
        document::Party,
        vocabulary::PartyRole,
    },
};
use jiff::{civil::Date, tz::TimeZone};
use std::path::PathBuf;

/// For so many days a deed may be handed in, where its draft does not say.
const USUAL_DAYS: i32 = 60;

const HELP: &str = "\
The deed names the version of the protocol by its digest, the party that joins with its keys, and what
it takes on: flows, by their position from 0 in the protocol, each on exactly the terms that stand
there, and tables whose figures it may see, of no more areas than somebody sees in that role whom the
protocol itself lists. It is then signed by the party that joins and by every
party (in the offices that the protocol's quorum asks for), and handed in with `protocol submit`.
PROTOCOL is the signed text of the version in force (`protocol show --document`).

Example:
  tallygate protocol adherence isp-families.json --joins harbour.toml --flow 0 \\
    --audience engagement:consumer:CC01,CC02 --out deed.json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct AdherenceDraft {
    /// The protocol that is joined.
    protocol: PathBuf,
    /// Deeds by which others joined it before, in their order.
    #[arg(long, value_name = "FILE")]
    after: Vec<PathBuf>,
    /// Who joins: its partner file.
    #[arg(long, value_name = "FILE")]
    joins: PathBuf,
    /// Its position under the UK GDPR: controller, joint or processor.
    #[arg(long, value_name = "ROLE", default_value = "controller", value_parser = position)]
    role: PartyRole,
    /// A flow that it takes on; repeat it for each.
    #[arg(long = "flow", value_name = "N")]
    flows: Vec<u16>,
    /// A table whose figures it may see, as TABLE:ROLE:AREA,AREA; repeat it for each.
    #[arg(long = "audience", value_name = "TABLE:ROLE:AREAS", value_parser = audience)]
    audiences: Vec<TakenAudience>,
    /// The last day on which it may be handed in; 60 days from today when left out.
    #[arg(long, value_name = "YYYY-MM-DD")]
    valid_until: Option<Date>,
    /// Write here instead of on standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn position(text: &str) -> Result<PartyRole, &'static str> {
    PartyRole::from_code(text).ok_or("controller, joint or processor")
}

fn audience(text: &str) -> Result<TakenAudience, &'static str> {
    let wrong = "a table, a role and areas, as engagement:consumer:CC01,CC02";
    let [table, role, areas] = text.split(':').collect::<Vec<_>>().try_into().map_err(|_| wrong)?;
    let table: TableId = table.parse().map_err(|_| wrong)?;
    let role = CallerRole::from_code(role).ok_or(wrong)?;
    let areas: Result<Vec<AreaCode>, _> = areas.split(',').map(str::parse).collect();
    Ok(TakenAudience { table, role, areas: areas.map_err(|_| wrong)? })
}

impl AdherenceDraft {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let protocol = read(&self.protocol)?;
        let canonical = protocol.canonical().map_err(|fault| rejected(&self.protocol, fault))?;
        let digest = Digest::of(&canonical);
        let joining = Joining { base: &protocol, digest };
        let stands = self.as_it_stands(joining)?;
        let details = party(Some(&self.joins), "")?;
        let joiner = Party {
            partner: details.partner,
            org_code: details.org_code,
            ico_registration: details.ico_registration,
            role: self.role,
            keys: details.keys,
        };
        let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
        let valid_until = self.valid_until.unwrap_or_else(|| days_after(today, USUAL_DAYS));
        let taken = (&self.flows[..], self.audiences.clone());
        let deed = Adherence::draft(joining, &stands, joiner, taken, valid_until);
        let deed = deed.map_err(|fault| rejected(&self.protocol, fault))?;
        // What no gateway would take is not worth signing.
        deed.apply(joining, &stands).map_err(|fault| rejected(&self.joins, fault))?;
        let text = serde_json::to_string_pretty(&deed).map_err(|_| CliError::NotPrintable)?;
        hand_over(console, self.out.as_deref(), &text, DRAFTED)?;
        Ok(Outcome::Done)
    }

    /// The protocol with those who joined before.
    fn as_it_stands(&self, joining: Joining<'_>) -> Result<Protocol, CliError> {
        self.after.iter().try_fold(joining.base.clone(), |stands, path| {
            let envelope = super::protocol_paper::read_envelope(path)?;
            let deed = <Adherence as crate::protocol::signing::Document>::parse(envelope.payload());
            let deed = deed.map_err(|fault| rejected(path, fault))?;
            deed.apply(joining, &stands).map_err(|fault| rejected(path, fault))
        })
    }
}
