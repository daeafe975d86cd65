//! `tallygate release verify`: a signed release checked offline, its budget recomputed.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Record},
    partner_file::read_text,
};
use crate::{
    disclosure::{
        Catalogue, Contradiction, DisclosureError, Release, SealedRelease, open_release,
        verify_release,
    },
    keys::{Jwk, Signature, VerifyingKey},
};
use std::path::{Path, PathBuf};

const HELP: &str = "\
Checks the signature, then the catalogue, the tables' shape and noise, the recomputed budget and
the chain of digests. The chain and the budget spent so far need every earlier release: name them
with --before, the first one first. Exit code 1 when a check fails.

Examples:
  tallygate release verify 2024Q2.json --key release.jwk.json
  tallygate release verify 2024Q4.json --before 2024Q2.json --before 2024Q3.json --key release.jwk.json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Verify {
    /// The signed release, as `release show QUARTER --document` prints it.
    file: PathBuf,
    /// The gateway's public release key, a JSON Web Key you hold from elsewhere.
    #[arg(long, value_name = "JWK")]
    key: PathBuf,
    /// An earlier release; repeat it for each, the first one first.
    #[arg(long, value_name = "FILE")]
    before: Vec<PathBuf>,
    #[command(flatten)]
    printing: Printing,
}

/// What was found of a release whose file could be read.
enum Finding {
    Holds,
    /// All but the chain and the budget spent before, for want of the earlier releases.
    HoldsAlone,
    Fails(String),
}

impl Verify {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let key = read_key(&self.key)?;
        let catalogue = Catalogue::shipped().map_err(|error| CliError::Failed {
            act: "read the catalogue",
            source: error.into(),
        })?;
        let mut before = Vec::new();
        for path in &self.before {
            match open(path, &key)? {
                Ok(release) => before.push(release),
                Err(problem) => {
                    console.note(&format!("FAILED: {}: {problem}", path.display()));
                    return Ok(Outcome::WithFindings);
                }
            }
        }
        let release = match open(&self.file, &key)? {
            Ok(release) => release,
            Err(problem) => {
                console.note(&format!("FAILED: {}: {problem}", self.file.display()));
                return Ok(Outcome::WithFindings);
            }
        };
        let finding = judge(&release, &catalogue, &before);
        let verdict = match &finding {
            Finding::Holds => "holds".to_owned(),
            Finding::HoldsAlone => {
                "holds by itself; give the earlier releases with --before to check the chain and \
                 the budget"
                    .to_owned()
            }
            Finding::Fails(problem) => format!("FAILS: {problem}"),
        };
        console.record(self.printing.format, &record(&release, &verdict)?)?;
        Ok(Outcome::findings(matches!(finding, Finding::Fails(_))))
    }
}

fn record(release: &Release, verdict: &str) -> Result<Record, CliError> {
    let digest = release
        .digest()
        .map_err(|error| CliError::Failed { act: "digest the release", source: error.into() })?;
    Ok(Record::default()
        .with("quarter", release.quarter.to_string())
        .with("verdict", verdict)
        .with("digest", digest.to_string())
        .with("frozen_at", format!("{:.0}", release.created_at))
        .with("catalogue", release.catalogue.version.as_str())
        .with("tables", release.tables.len())
        .with("rho_quarter", release.budget.quarter.to_string())
        .with("rho_lifetime", release.budget.lifetime.to_string())
        .with("rho_charged", release.budget.charged.to_string())
        .with("releases", release.budget.releases))
}

fn read_key(path: &Path) -> Result<VerifyingKey, CliError> {
    let wrong =
        || CliError::WrongForm { path: path.to_owned(), expected: "a public Ed25519 JSON Web Key" };
    let jwk: Jwk = serde_json::from_str(&read_text(path)?).map_err(|_| wrong())?;
    jwk.verifying_key().map_err(|_| wrong())
}

/// The release of a file whose signature holds; the inner error when it does not.
fn open(path: &Path, key: &VerifyingKey) -> Result<Result<Release, DisclosureError>, CliError> {
    let text = read_text(path)?;
    let Ok(sealed) = serde_json::from_str::<SealedRelease>(&text) else {
        return Ok(Err(DisclosureError::UnreadableRelease));
    };
    Ok(open_release(&sealed, |kid, message, signature| {
        kid == key.kid()
            && Signature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok())
    }))
}

fn judge(release: &Release, catalogue: &Catalogue, before: &[Release]) -> Finding {
    // The limits are those the signed release states; the root policy holds the same.
    let limits = release.budget.limits;
    // Each of the earlier ones is checked against those before it, so that none is missing.
    for (place, earlier) in before.iter().enumerate() {
        if let Err(problem) =
            verify_release(earlier, catalogue, earlier.budget.limits, &before[..place])
        {
            return Finding::Fails(problem.to_string());
        }
    }
    match verify_release(release, catalogue, limits, before) {
        Ok(()) => Finding::Holds,
        Err(DisclosureError::WrongRelease { what: Contradiction::Predecessor, .. })
            if before.is_empty() =>
        {
            Finding::HoldsAlone
        }
        Err(problem) => Finding::Fails(problem.to_string()),
    }
}
