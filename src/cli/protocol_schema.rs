//! `tallygate protocol schema`: the form of what is signed, for editors and other tools.

use super::{CliError, Console, Outcome, protocol_draft::hand_over};
use crate::protocol::schema::SignedForm;
use std::path::PathBuf;

const HELP: &str = "\
JSON Schema, draft 2020-12: of a sharing protocol when no other form is named. What it refuses the
gateway refuses, too; the gateway refuses more (dates out of order, fields of another record type).

Examples:
  tallygate protocol schema > protocol.schema.json
  tallygate protocol schema --policy --out root-policy.schema.json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Schema {
    /// Of the root disclosure policy.
    #[arg(long, group = "form")]
    policy: bool,
    /// Of a deed of adherence.
    #[arg(long, group = "form")]
    adherence: bool,
    /// Of a revocation.
    #[arg(long, group = "form")]
    revocation: bool,
    /// Of a reinstatement.
    #[arg(long, group = "form")]
    reinstatement: bool,
    /// Write here instead of on standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Schema {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let forms = [
            (self.policy, SignedForm::RootPolicy),
            (self.adherence, SignedForm::Adherence),
            (self.revocation, SignedForm::Revocation),
            (self.reinstatement, SignedForm::Reinstatement),
        ];
        let asked = forms.into_iter().find(|(asked, _)| *asked);
        let form = asked.map_or(SignedForm::Protocol, |(_, form)| form);
        let text = form.schema().map_err(|_| CliError::NotPrintable)?;
        hand_over(console, self.out.as_deref(), &text, ("written", ""))?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// `tallygate protocol schema --out` writes them anew.
    #[test]
    fn the_copies_in_deploy_are_those_of_the_types() {
        for form in SignedForm::ALL {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(form.file());
            let text = form.schema().unwrap() + "\n";
            let kept = fs::read_to_string(&path).unwrap();
            assert!(kept == text, "run `tallygate protocol schema` for deploy/{}", form.file());
        }
    }
}
