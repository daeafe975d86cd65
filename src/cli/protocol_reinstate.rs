//! `tallygate protocol reinstate`: an officer agrees, with a key of its own, that what was suspended
//! resumes.

use super::{
    CliError, Console,
    protocol::Client,
    protocol_register::show,
    protocol_word::{About, Word},
};
use crate::{
    domain::PartnerId,
    protocol::{Reinstating, document::SCHEMA},
    wire::v1,
};

const HELP: &str = "\
What any party has suspended resumes once the whole quorum of the protocol has agreed: each party, in
each office that the protocol asks for, by a word that its officer signs with a key that the protocol
names. The word is about this one suspension; a later one needs words of its own. The line that is shown
says who is awaited still.
With --out the signed word is written and not sent: `protocol verify` checks it without a gateway, and
`protocol submit` sends it.

Examples:
  tallygate protocol reinstate isp-health --key siro.pem --role siro --profile health.toml
  tallygate protocol reinstate isp-health --key guardian.pem --role caldicott_guardian \\
    --profile health.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Reinstate {
    #[command(flatten)]
    word: Word,
}

impl Reinstate {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<(), CliError> {
        let office = self.word.role;
        let say = |about: About| {
            if about.entry.suspended.is_empty() {
                return Err(CliError::NotSuspended);
            }
            let wrong = |_| CliError::AnswerIncomplete { part: "suspended" };
            let suspended = about.entry.suspended.iter().map(|id| id.parse().map_err(wrong));
            Ok(Reinstating {
                schema: SCHEMA,
                reinstates: about.agreement,
                suspension: about.entry.suspension,
                suspended: suspended.collect::<Result<Vec<PartnerId>, CliError>>()?,
                party: about.party,
                office,
            })
        };
        let Some((document, session)) = self.word.signed(console, say).await? else {
            return Ok(());
        };
        let request = v1::ResumeProtocolRequest { document, ..Default::default() };
        let answer = Client::new(session.service()).resume_protocol(request).await?.into_inner();
        show(console, self.word.printing.format, answer.entry)?;
        session.logged(console, answer.receipt)
    }
}
