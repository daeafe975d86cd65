//! `tallygate protocol new`: a filled draft to start from.
//!
//! What is particular to the parties comes from the files that `partner add` reads, so that
//! organisation codes and key ids are written once.

use super::{CliError, Console, Outcome, partner_file};
use crate::{
    audit::{BadWitnessKey, WitnessKey},
    disclosure::{Catalogue, Limits},
    domain::{AreaCode, PartnerId, ProtocolId, TableId, time::years_after},
    identity::{Clock, SystemClock},
    protocol::{
        Digest, KeyId,
        pair::Pair,
        root_policy::{NamedWitness, RootController},
        template::{
            Audiences, Particulars, PartyDetails, RootParticulars, Template, USUAL_KEEP_DAYS,
            root_policy,
        },
        vocabulary::ProtocolKind,
    },
    wire::v1,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

const HELP: &str = "\
Templates: isp (reciprocal), dda (one way) and jca (joint controllers), each for a --pair of agencies:
health, dwp, learning, families, centres, schools (with the authority; `all` writes one for each
into the folder --out); health, dwp, learning, families, centres, as the demo signs them; and
root_policy (the root disclosure policy, which every controller signs).
The parties' codes and key ids come from the files that `partner add` reads; without them isp, dda
and jca hold made-up ones that nobody can sign for, and the others leave them for you to fill in.
The legal bases are the usual ones, for your advisers to confirm.

Examples:
  tallygate protocol new --template isp --pair schools > isp-schools.json
  tallygate protocol new --template jca --pair all --out drafts
  tallygate protocol new --template health --sender health.toml --authority authority.toml \\
    --whole E08000026 --managed CC01,CC02,CL1 > isp-health.json
  tallygate protocol new --template root_policy --controller authority.toml \\
    --controller health.toml --out root-policy.json";

/// What stands where a code has to be filled in.
const TO_FILL_IN: &str = "TO-FILL-IN";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct New {
    /// Which draft.
    #[arg(long, value_name = "NAME", value_parser = DraftKind::parse)]
    template: DraftKind,
    /// For isp, dda and jca: the agency that shares with the authority, or `all`.
    #[arg(long, value_name = "AGENCY", default_value = "health", value_parser = Wanted::parse)]
    pair: Wanted,
    /// The protocol's id; isp-NAME when left out.
    #[arg(long, value_name = "ID")]
    id: Option<ProtocolId>,
    /// The agency that sends: its partner file.
    #[arg(long, value_name = "FILE")]
    sender: Option<PathBuf>,
    /// The authority that receives: its partner file.
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// A controller of the root policy: its partner file; repeat it for each.
    #[arg(long, value_name = "FILE")]
    controller: Vec<PathBuf>,
    /// The authority's area code.
    #[arg(long, value_name = "CODE", default_value = "E08000026")]
    whole: AreaCode,
    /// The areas that centre managers may see.
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    managed: Vec<AreaCode>,
    /// The centres' lead agency, whose managers see figures.
    #[arg(long, value_name = "PARTNER", default_value = "centres")]
    centres: PartnerId,
    /// The oversight body, whose auditors see figures.
    #[arg(long, value_name = "PARTNER", default_value = "oversight")]
    oversight: PartnerId,
    /// The most days between extraction and receipt.
    #[arg(long, value_name = "DAYS", default_value_t = 120)]
    max_lag_days: u16,
    /// A witness that the root policy names: whose, and its verifier key; repeatable.
    #[arg(long, value_name = "PARTNER=FILE", value_parser = witness_file)]
    witness: Vec<(PartnerId, PathBuf)>,
    /// How many partners must cosign, besides the oversight body.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    witnessing_partners: u16,
    /// First day in force; today when left out.
    #[arg(long, value_name = "YYYY-MM-DD")]
    effective: Option<Date>,
    /// Day by which it is reviewed; a year after the first when left out.
    #[arg(long, value_name = "YYYY-MM-DD")]
    review_by: Option<Date>,
    /// Last day in force; three years after the first when left out.
    #[arg(long, value_name = "YYYY-MM-DD")]
    expires: Option<Date>,
    /// Write here instead of on standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What is drafted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DraftKind {
    Protocol(Template),
    /// A filled example of a kind of agreement, for a pair of agencies.
    Example(ProtocolKind),
    RootPolicy,
}

impl DraftKind {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "root_policy" {
            return Ok(Self::RootPolicy);
        }
        let kind = match text {
            "isp" => Some(ProtocolKind::Isp),
            "dda" => Some(ProtocolKind::Dda),
            "jca" => Some(ProtocolKind::Jca),
            _ => None,
        };
        kind.map(Self::Example)
            .or_else(|| Template::from_code(text).map(Self::Protocol))
            .ok_or("one of isp, dda, jca, health, dwp, learning, families, centres, root_policy")
    }
}

/// The pairs that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    One(Pair),
    All,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "all" {
            return Ok(Self::All);
        }
        let wrong = "one of health, dwp, learning, families, centres, schools, all";
        Pair::from_code(text).map(Self::One).ok_or(wrong)
    }
}

impl New {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
        let effective = self.effective.unwrap_or(today);
        let text = match self.template {
            DraftKind::Protocol(template) => self.protocol(template, effective)?,
            DraftKind::Example(kind) => match self.pair {
                Wanted::One(pair) => self.example(kind, pair, effective)?,
                Wanted::All => return self.examples(kind, effective, console),
            },
            DraftKind::RootPolicy => self.root_policy(effective)?,
        };
        hand_over(console, self.out.as_deref(), &text, DRAFTED)?;
        Ok(Outcome::Done)
    }

    fn protocol(&self, template: Template, effective: Date) -> Result<String, CliError> {
        let sender = party(self.sender.as_deref(), template.code())?;
        let authority = party(self.authority.as_deref(), "authority")?;
        let id = format!("isp-{}", template.code());
        let particulars = self.particulars(&id, sender, authority, effective)?;
        pretty(&template.fill(&particulars).map_err(|rule| unfilled(&rule))?)
    }

    fn particulars(
        &self,
        id: &str,
        sender: PartyDetails,
        authority: PartyDetails,
        effective: Date,
    ) -> Result<Particulars, CliError> {
        Ok(Particulars {
            id: match &self.id {
                Some(id) => id.clone(),
                None => constant(id)?,
            },
            audiences: Audiences {
                authority: authority.partner.clone(),
                centres: self.centres.clone(),
                oversight: self.oversight.clone(),
                whole: self.whole.clone(),
                managed: self.managed.clone(),
            },
            sender,
            authority,
            areas: vec![self.whole.clone()],
            effective,
            review_by: self.review_by.unwrap_or_else(|| years_after(effective, 1)),
            expires: self.expires.unwrap_or_else(|| years_after(effective, 3)),
            max_lag_days: self.max_lag_days,
            keep_days: USUAL_KEEP_DAYS,
        })
    }

    /// A whole document that holds every rule, with made-up codes where no file gives real ones.
    fn example(&self, kind: ProtocolKind, pair: Pair, effective: Date) -> Result<String, CliError> {
        let sender = made_up(party(self.sender.as_deref(), pair.code())?)?;
        let authority = made_up(party(self.authority.as_deref(), "authority")?)?;
        let id = format!("{}-{pair}", kind.code().to_lowercase());
        let mut particulars = self.particulars(&id, sender, authority, effective)?;
        if particulars.audiences.managed.is_empty() {
            particulars.audiences.managed.push(self.whole.clone());
        }
        pretty(&pair.fill(kind, &particulars).map_err(|rule| unfilled(&rule))?)
    }

    fn examples(
        &self,
        kind: ProtocolKind,
        effective: Date,
        console: &mut Console<'_>,
    ) -> Result<Outcome, CliError> {
        let folder = self.out.as_deref().ok_or(CliError::FolderMissing)?;
        fs::create_dir_all(folder)
            .map_err(|source| CliError::Unwritable { path: folder.to_owned(), source })?;
        for pair in Pair::ALL {
            let file = format!("{}-{pair}.json", kind.code().to_lowercase());
            let path = folder.join(file);
            let text = self.example(kind, *pair, effective)?;
            hand_over(console, Some(&path), &text, DRAFTED)?;
        }
        Ok(Outcome::Done)
    }

    fn root_policy(&self, effective: Date) -> Result<String, CliError> {
        let failed = |error: crate::disclosure::DisclosureError| CliError::Failed {
            act: "read the catalogue",
            source: error.into(),
        };
        let catalogue = Catalogue::shipped().map_err(failed)?;
        let digest = catalogue.digest().map_err(failed)?;
        let limits = Limits::recommended();
        let mut controllers = Vec::new();
        for path in &self.controller {
            let PartyDetails { partner, keys, .. } = party(Some(path), "")?;
            controllers.push(RootController { partner, keys });
        }
        let tables: Vec<(TableId, u32)> =
            catalogue.tables.iter().map(|table| (table.id.clone(), table.variance)).collect();
        pretty(&root_policy(RootParticulars {
            controllers,
            catalogue: Digest::from_bytes(*digest.as_bytes()),
            tables,
            quarterly_rho: constant(&limits.quarter.to_string())?,
            lifetime_rho: constant(&limits.lifetime.to_string())?,
            witnessing_partners: self.witnessing_partners,
            witness_keys: self.witness_keys()?,
            effective,
            expires: self.expires.unwrap_or_else(|| years_after(effective, 3)),
        }))
    }

    /// The witnesses that the root policy names.
    fn witness_keys(&self) -> Result<Vec<NamedWitness>, CliError> {
        let named = self.witness.iter().map(|(partner, path)| {
            let wrong = |source: BadWitnessKey| CliError::WrongEntry {
                path: path.clone(),
                expected: "a witness's verifier key",
                source: source.into(),
            };
            let key: WitnessKey = partner_file::read_text(path)?.trim().parse().map_err(wrong)?;
            let (partner, oversight) = (partner.clone(), *partner == self.oversight);
            Ok(NamedWitness { vkey: key.vkey(), partner, oversight })
        });
        named.collect()
    }
}

/// Reads `PARTNER=FILE`.
fn witness_file(text: &str) -> Result<(PartnerId, PathBuf), &'static str> {
    let rule = "a partner's id, =, and the file of its witness's verifier key";
    let (partner, file) = text.split_once('=').ok_or(rule)?;
    Ok((partner.parse().map_err(|_| rule)?, PathBuf::from(file)))
}

fn pretty(document: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(document).map_err(|_| CliError::NotPrintable)
}

/// An id or an amount of the program's own.
fn constant<T: std::str::FromStr>(text: &str) -> Result<T, CliError> {
    text.parse().map_err(|_| CliError::NotPrintable)
}

fn unfilled(rule: &crate::protocol::Rule) -> CliError {
    CliError::Failed { act: "fill the template", source: rule.words().into() }
}

/// Codes that have the right form and are nobody's, where they are left open; nobody holds the key.
fn made_up(mut details: PartyDetails) -> Result<PartyDetails, CliError> {
    if details.org_code == TO_FILL_IN {
        details.org_code = "EXAMPLE1".to_owned();
        details.ico_registration = "ZEXAMPLE".to_owned();
        for office in ["siro", "caldicott-guardian"] {
            details.keys.push(constant(&format!("example-{}-{office}", details.partner))?);
        }
    }
    Ok(details)
}

/// A party from its partner file, or with its codes left open.
pub(super) fn party(path: Option<&Path>, otherwise: &str) -> Result<PartyDetails, CliError> {
    let Some(path) = path else {
        return Ok(PartyDetails {
            partner: constant(otherwise)?,
            org_code: TO_FILL_IN.to_owned(),
            ico_registration: TO_FILL_IN.to_owned(),
            keys: Vec::new(),
        });
    };
    let partner = partner_file::read(path)?;
    let signing = v1::KeyPurpose::ProtocolSigning;
    let wrong = || CliError::WrongForm { path: path.to_owned(), expected: "a partner's entry" };
    let keys: Result<Vec<KeyId>, _> = partner
        .keys
        .iter()
        .filter(|key| key.purpose() == signing)
        .map(|key| key.kid.parse().map_err(|_| wrong()))
        .collect();
    Ok(PartyDetails {
        partner: partner.partner_id.parse().map_err(|_| wrong())?,
        org_code: partner.org_code,
        ico_registration: partner.ico_registration,
        keys: keys?,
    })
}

/// What is said of a draft.
pub(super) const DRAFTED: (&str, &str) = ("drafted", "; read it, then sign it");

/// Writes a text where it is wanted and says so, or prints it.
///
/// # Errors
/// When it can't be written.
pub(super) fn hand_over(
    console: &mut Console<'_>,
    out: Option<&Path>,
    text: &str,
    (done, then): (&str, &str),
) -> Result<(), CliError> {
    let Some(path) = out else { return console.text(text) };
    write(path, text)?;
    console.note(&format!("{done}: {}{then}", path.display()));
    Ok(())
}

/// Writes a text file, with a line end.
///
/// # Errors
/// When it can't be written.
pub(super) fn write(path: &Path, text: &str) -> Result<(), CliError> {
    fs::write(path, format!("{text}\n"))
        .map_err(|source| CliError::Unwritable { path: path.to_owned(), source })
}
