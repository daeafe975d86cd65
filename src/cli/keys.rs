//! `tallygate keys`: the gateway's public keys, and new keys of one's own.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
    remote::Remote,
};
use crate::wire::v1::{self, key_service_client::KeyServiceClient};
use clap::Subcommand;
use serde_json::json;

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate keys list --profile auditor.toml";

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Lists the gateway's keys, public parts only; compare them with what you hold already.
    #[command(after_help = "Example:\n  tallygate keys list --format json --profile auditor.toml")]
    List {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
}

impl KeysCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let Self::List { remote, printing } = self;
        let session = remote.open().await?;
        let mut client = KeyServiceClient::new(session.service());
        let answer = client.list_keys(v1::ListKeysRequest {}).await?.into_inner();
        console.table(printing.format, &table(&answer.keys))?;
        session.logged(console, answer.receipt)?;
        Ok(Outcome::Done)
    }
}

fn table(keys: &[v1::GatewayKey]) -> Table {
    let mut table = Table::new(&["purpose", "version", "prf", "public_key"]);
    for key in keys {
        table.row([json!(key.purpose), json!(key.version), json!(key.prf), json!(key.public_key)]);
    }
    table
}
