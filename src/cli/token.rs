//! `tallygate token`: a short-lived access token, for tools that speak gRPC without us.

use super::{CliError, Console, Outcome, remote::fresh_rng};
use crate::{
    connector::{ConnectorError, Profile, TokenSource},
    identity::SystemClock,
};
use std::{path::PathBuf, sync::Arc};

const HELP: &str = "\
Prints an access token that the profile's partner signs for itself. It holds for ten minutes at
most, and only on a connection with the profile's own client certificate.

Example:
  buf curl --protocol grpc --header \"authorization: Bearer $(tallygate token --profile officer.toml)\" ...";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Token {
    /// Who you are: a TOML file.
    #[arg(long, value_name = "FILE", env = "TALLYGATE_PROFILE")]
    profile: Option<PathBuf>,
}

impl Token {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let profile = Profile::read(&self.profile.ok_or(CliError::NoProfile)?)?;
        let source = TokenSource::new(&profile, Arc::new(SystemClock), Box::new(fresh_rng()?))?;
        let authorization = source.authorization().map_err(ConnectorError::from)?;
        let text = authorization.to_str().map_err(|_| CliError::NotPrintable)?;
        console.text(text.strip_prefix("Bearer ").unwrap_or(text))?;
        Ok(Outcome::Done)
    }
}
