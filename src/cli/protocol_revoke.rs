//! `tallygate protocol revoke`: an officer ends its own organisation's part, with a key of its own.

use super::{
    CliError, Console,
    protocol::Client,
    protocol_register::revoked,
    protocol_word::{About, Word},
};
use crate::{
    protocol::{
        Revoking,
        document::SCHEMA,
        life::{Handling, RevocationReason},
    },
    wire::v1,
};

const HELP: &str = "\
Only a senior information risk owner (siro) or a Caldicott Guardian (caldicott_guardian) revokes, and
only the part of its own organisation. From the answer on its flows are refused on every gateway.
--freeze keeps its data, unused; --purge has them let go when the day ends, of every version up to this
one. What was frozen can be purged by a second revocation. The answer names the releases that the data
went into; they stay as they are. Only a new version brings the part back.
Reasons: purpose_ended, basis_lost, breach, organisation_ended, governance_decision.
With --out the signed revocation is written and not sent; `protocol submit` sends it.

Example:
  tallygate protocol revoke isp-health --key siro.pem --role siro --freeze --reason basis_lost \\
    --profile health.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[command(group = clap::ArgGroup::new("handling").required(true).args(["freeze", "purge"]))]
pub(super) struct Revoke {
    #[command(flatten)]
    word: Word,
    /// Why.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: RevocationReason,
    /// Keep the data that were sent under it, unused.
    #[arg(long)]
    freeze: bool,
    /// Let go of the data that were sent under it.
    #[arg(long)]
    purge: bool,
}

fn reason(text: &str) -> Result<RevocationReason, &'static str> {
    RevocationReason::from_code(text)
        .ok_or("one of purpose_ended, basis_lost, breach, organisation_ended, governance_decision")
}

impl Revoke {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<(), CliError> {
        let say = |about: About| {
            Ok(Revoking {
                schema: SCHEMA,
                revokes: about.agreement,
                party: about.party,
                handling: if self.purge { Handling::Purge } else { Handling::Freeze },
                reason: self.reason,
            })
        };
        let Some((document, session)) = self.word.signed(console, say).await? else {
            return Ok(());
        };
        let request = v1::RevokeProtocolRequest { document };
        let answer = Client::new(session.service()).revoke_protocol(request).await?.into_inner();
        revoked(console, self.word.printing.format, answer.entry, &answer.releases)?;
        session.logged(console, answer.receipt)
    }
}
