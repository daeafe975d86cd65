//! `tallygate partner`: the register of partners. Only data officers change it.

use super::{
    CliError, Console, Outcome,
    output::{Format, Printing, Record, Table},
    partner_file::{self, key_purpose, signatory_role},
    remote::{Remote, Service, present},
};
use crate::{
    domain::PartnerId,
    wire::v1::{self, partner_service_client::PartnerServiceClient},
};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate partner add health.toml --profile officer.toml
  tallygate partner list --profile officer.toml";

const ADD_HELP: &str = r#"The file (TOML, or the same as JSON); paths are relative to it:
  partner_id = "health"
  name = "Coventry Community Health Trust"
  org_code = "RYG"                       # ODS or other organisation code
  ico_registration = "Z1234567"
  roles = ["provider"]                   # provider, consumer, data_officer, auditor
  areas = []                             # a consumer's: ["CC01", "CL1"]
  certificates = ["health.pem"]          # client certificates, PEM
  [[keys]]
  jwk = "siro.jwk.json"                  # a public JWK: a file, or inline { kty = "OKP", ... }
  purpose = "protocol_signing"           # protocol_signing, token, acknowledgement
  role = "siro"                          # of a protocol_signing key: siro, caldicott_guardian,
                                         # dpo_advice, director, designated_person
  valid_from = "2026-01-01"
  valid_until = "2027-12-31"

Example:
  tallygate partner add health.toml --profile officer.toml"#;

#[derive(Debug, Subcommand)]
pub(super) enum PartnerCommand {
    /// Enters a partner into the register, or replaces what it says of one.
    #[command(after_help = ADD_HELP)]
    Add {
        /// The partner: a TOML or JSON file.
        file: PathBuf,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Lists the register.
    #[command(
        after_help = "Example:\n  tallygate partner list --format csv --profile officer.toml"
    )]
    List {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Shows what the register says of one partner.
    #[command(after_help = "Example:\n  tallygate partner show health --profile officer.toml")]
    Show {
        /// The partner's id.
        partner: PartnerId,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Bars a partner at once: its certificates and tokens are refused.
    #[command(after_help = "Example:\n  tallygate partner disable learning --profile officer.toml")]
    Disable {
        /// The partner's id.
        partner: PartnerId,
        #[command(flatten)]
        remote: Remote,
    },
}

type Client = PartnerServiceClient<Service>;

impl PartnerCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Add { file, remote, printing } => {
                let partner = partner_file::read(&file)?;
                let session = remote.open().await?;
                let request = v1::PutPartnerRequest { partner: Some(partner) };
                let answer = Client::new(session.service()).put_partner(request).await?;
                let answer = answer.into_inner();
                print(console, printing.format, &present(answer.partner, "partner")?)?;
                session.logged(console, answer.receipt)?;
            }
            Self::List { remote, printing } => list(&remote, printing.format, console).await?,
            Self::Show { partner, remote, printing } => {
                let session = remote.open().await?;
                let request = v1::GetPartnerRequest { partner_id: partner.to_string() };
                let answer = Client::new(session.service()).get_partner(request).await?;
                let answer = answer.into_inner();
                print(console, printing.format, &present(answer.partner, "partner")?)?;
                session.logged(console, answer.receipt)?;
            }
            Self::Disable { partner, remote } => {
                let session = remote.open().await?;
                let request = v1::DisablePartnerRequest { partner_id: partner.to_string() };
                let answer = Client::new(session.service()).disable_partner(request).await?;
                console.note(&format!("{partner} is barred"));
                session.logged(console, answer.into_inner().receipt)?;
            }
        }
        Ok(Outcome::Done)
    }
}

async fn list(remote: &Remote, format: Format, console: &mut Console<'_>) -> Result<(), CliError> {
    let session = remote.open().await?;
    let mut client = Client::new(session.service());
    let mut table =
        Table::new(&["partner_id", "name", "roles", "areas", "keys", "certificates", "state"]);
    let mut page_token = String::new();
    loop {
        let request = v1::ListPartnersRequest { page_size: 0, page_token };
        let answer = client.list_partners(request).await?.into_inner();
        session.logged(console, answer.receipt)?;
        for partner in &answer.partners {
            table.row([
                json!(partner.partner_id),
                json!(partner.name),
                json!(roles(partner)),
                json!(partner.areas),
                json!(partner.keys.len()),
                json!(partner.certificates.len()),
                json!(state(partner)),
            ]);
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return console.table(format, &table);
        }
    }
}

fn state(partner: &v1::Partner) -> &'static str {
    if partner.disabled { "disabled" } else { "active" }
}

fn roles(partner: &v1::Partner) -> Vec<&'static str> {
    partner.roles().map(partner_file::role).collect()
}

fn print(console: &mut Console<'_>, format: Format, partner: &v1::Partner) -> Result<(), CliError> {
    console.record(format, &record(partner, format))
}

fn record(partner: &v1::Partner, format: Format) -> Record {
    let certificates: Vec<String> = partner.certificates.iter().map(hex::encode).collect();
    let keys: Vec<_> = partner.keys.iter().map(|key| shown_key(key, format)).collect();
    Record::default()
        .with("partner_id", partner.partner_id.as_str())
        .with("name", partner.name.as_str())
        .with("org_code", partner.org_code.as_str())
        .with("ico_registration", partner.ico_registration.as_str())
        .with("state", state(partner))
        .with("roles", json!(roles(partner)))
        .with("areas", json!(partner.areas))
        .with("certificates_sha256", json!(certificates))
        .with("keys", keys)
}

/// As words for people, as an object for programs.
fn shown_key(key: &v1::PartnerKey, format: Format) -> serde_json::Value {
    let (purpose, role) = (key_purpose(key.purpose()), signatory_role(key.signatory_role()));
    if format == Format::Json {
        return json!({
            "kid": key.kid, "purpose": purpose, "role": role,
            "valid_from": key.valid_from, "valid_until": key.valid_until,
            "jwk": serde_json::from_str(&key.jwk).unwrap_or_else(|_| json!(key.jwk)),
        });
    }
    let role = if role.is_empty() { String::new() } else { format!(" {role}") };
    json!(format!("{} {purpose}{role}, {} to {}", key.kid, key.valid_from, key.valid_until))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> v1::Partner {
        v1::Partner {
            partner_id: "health".to_owned(),
            name: "Health Trust".to_owned(),
            roles: vec![v1::CallerRole::Provider.into()],
            certificates: vec![vec![0xab; 32]],
            keys: vec![v1::PartnerKey {
                kid: "k1".to_owned(),
                jwk: r#"{"kty":"OKP"}"#.to_owned(),
                purpose: v1::KeyPurpose::ProtocolSigning.into(),
                signatory_role: v1::SignatoryRole::Siro.into(),
                valid_from: "2026-01-01".to_owned(),
                valid_until: "2027-01-01".to_owned(),
            }],
            ..v1::Partner::default()
        }
    }

    #[test]
    fn a_partner_shows_its_keys_and_fingerprints() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut out, &mut err, false);
        print(&mut console, Format::Table, &sample()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("k1 protocol_signing siro, 2026-01-01 to 2027-01-01"), "{text}");
        assert!(text.contains(&"ab".repeat(32)), "{text}");
        assert!(text.contains("State                active"), "{text}");
    }

    #[test]
    fn json_holds_keys_as_objects() {
        let record = serde_json::to_value(record(&sample(), Format::Json)).unwrap();
        assert_eq!(record["keys"][0]["jwk"]["kty"], "OKP");
        assert_eq!(record["roles"], json!(["provider"]));
    }
}
