//! `tallygate subject relink`: every subject is resolved anew by the rules in use.

use super::{
    CliError, Console, Outcome,
    argument::shown_moment,
    output::{Printing, Record},
    remote::Remote,
};
use crate::wire::v1::{self, subject_service_client::SubjectServiceClient};

pub(super) const HELP: &str = "\
After an upgrade whose linkage rules are new. The gateways go through all subjects by themselves,
beside intake and through restarts; what came in by the new rules is not gone through. Called again
meanwhile it tells how far that is, and --look never begins anything. Only data officers may.

Examples:
  tallygate subject relink --profile officer.toml
  tallygate subject relink --look --profile officer.toml";

#[derive(Debug, clap::Args)]
pub(super) struct Relink {
    /// Begin nothing; only tell how the last run stands.
    #[arg(long)]
    look: bool,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

impl Relink {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let session = self.remote.open().await?;
        let mut client = SubjectServiceClient::new(session.service());
        let request = v1::RelinkSubjectsRequest { only_look: self.look };
        let answer = client.relink_subjects(request).await?.into_inner();
        let state = match (answer.begun_at, answer.begun, answer.done_at) {
            (0, ..) => "never begun",
            (_, true, _) => "begun",
            (_, false, 0) => "under way",
            _ => "done",
        };
        let moment = |at: i64| if at == 0 { String::new() } else { shown_moment(at) };
        let record = Record::default()
            .with("state", state)
            .with("rules", answer.rules)
            .with("tenths_done", answer.tenths_done)
            .with("begun_at", moment(answer.begun_at))
            .with("done_at", moment(answer.done_at));
        console.record(self.printing.format, &record)?;
        session.logged(console, answer.receipt)?;
        Ok(Outcome::Done)
    }
}
