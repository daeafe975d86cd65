//! `tallygate release verify`: a signed release checked offline, its budget recomputed.

use super::{
    CliError, Console, Outcome,
    catalogue::{read_catalogue, unusable},
    output::{Printing, Record},
    partner_file::read_text,
};
use crate::{
    disclosure::{
        Catalogue, Contradiction, Digest, DisclosureError, Release, SealedRelease, open_release,
        verify_release,
    },
    keys::{Jwk, Signature, VerifyingKey},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

const HELP: &str = "\
Checks the signature, then the catalogue, the tables' shape and noise, the recomputed budget and
the chain of digests. The chain and the budget spent so far need every earlier release: name them
with --before, the first one first. A release names its catalogue by digest: one that is not this
program's own needs its file, with --catalogue. Exit code 1 when a check fails.

Examples:
  tallygate release verify 2024Q2.json --key release.jwk.json
  tallygate release verify 2024Q4.json --before 2024Q2.json --before 2024Q3.json --key release.jwk.json
  tallygate release verify 2024Q2.json --catalogue our-catalogue.toml --key release.jwk.json";

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
    /// A catalogue that a release was made by, TOML, where it is not this program's own; repeat
    /// it for each.
    #[arg(long, value_name = "FILE")]
    catalogue: Vec<PathBuf>,
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
        let catalogues = Catalogues::read(&self.catalogue)?;
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
        let finding = judge(&release, &catalogues, &before)?;
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

/// The catalogues at hand, by digest.
struct Catalogues(BTreeMap<Digest, Catalogue>);

impl Catalogues {
    /// This program's own, and those of files.
    fn read(files: &[PathBuf]) -> Result<Self, CliError> {
        let named = files.iter().map(|path| read_catalogue(Some(path)));
        let mut all = BTreeMap::new();
        for catalogue in std::iter::once(read_catalogue(None)).chain(named) {
            let catalogue = catalogue?;
            all.insert(catalogue.digest().map_err(unusable)?, catalogue);
        }
        Ok(Self(all))
    }

    /// That which a release says it was made by. Without it nothing can be said of the release:
    /// that is no failed check.
    fn of(&self, release: &Release) -> Result<&Catalogue, CliError> {
        let digest = release.catalogue.digest;
        self.0.get(&digest).ok_or(CliError::OtherCatalogue { quarter: release.quarter, digest })
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

fn judge(
    release: &Release,
    catalogues: &Catalogues,
    before: &[Release],
) -> Result<Finding, CliError> {
    // The limits are those the signed release states; the root policy holds the same.
    let limits = release.budget.limits;
    // Each of the earlier ones is checked against those before it, so that none is missing.
    for (place, earlier) in before.iter().enumerate() {
        let catalogue = catalogues.of(earlier)?;
        if let Err(problem) =
            verify_release(earlier, catalogue, earlier.budget.limits, &before[..place])
        {
            return Ok(Finding::Fails(problem.to_string()));
        }
    }
    let finding = match verify_release(release, catalogues.of(release)?, limits, before) {
        Ok(()) => Finding::Holds,
        Err(DisclosureError::WrongRelease { what: Contradiction::Predecessor, .. })
            if before.is_empty() =>
        {
            Finding::HoldsAlone
        }
        Err(problem) => Finding::Fails(problem.to_string()),
    };
    Ok(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::output::Format,
        disclosure::{
            Ledger, Limits,
            catalogue::Base,
            release::{CatalogueReference, NoisyTable, ReleasedArea, ReleasedGeography},
        },
        domain::Quarter,
        keys::{self, SigningKey},
    };
    use jiff::Timestamp;
    use rand::{SeedableRng, rngs::StdRng};
    use std::fs;

    fn release(quarter: &str, before: &[Release]) -> Release {
        release_by(&Catalogue::shipped().unwrap(), quarter, before)
    }

    fn release_by(catalogue: &Catalogue, quarter: &str, before: &[Release]) -> Release {
        let quarter: Quarter = quarter.parse().unwrap();
        let tables = catalogue.due_in(quarter).map(|table| NoisyTable {
            id: table.id.clone(),
            base: table.base,
            cells: table.cells.clone(),
            cap: table.cap,
            periods: table.periods,
            ages: table.ages,
            adults: table.adults,
            variance: table.variance,
            counts: vec![
                vec![40; table.cells.len()];
                if table.base == Base::Authority { 1 } else { 2 }
            ],
        });
        let area = |code: &str| ReleasedArea {
            code: code.parse().unwrap(),
            cluster: "CL1".parse().unwrap(),
            lead_agency: None,
        };
        Release {
            quarter,
            created_at: Timestamp::UNIX_EPOCH,
            catalogue: CatalogueReference {
                version: catalogue.version.clone(),
                digest: catalogue.digest().unwrap(),
            },
            policy: Digest::of(b"policy"),
            geography: ReleasedGeography {
                version: "1".to_owned(),
                authority: "E08000026".parse().unwrap(),
                areas: vec![area("CC01"), area("CC02")],
            },
            tables: tables.collect(),
            budget: Ledger::after(Limits::recommended(), before).cost(catalogue, quarter).unwrap(),
            feeds: Vec::new(),
            protocols: Vec::new(),
            previous: before.last().map(|release| release.digest().unwrap()),
        }
    }

    fn key() -> SigningKey<keys::Release> {
        SigningKey::generate(&mut StdRng::seed_from_u64(3)).unwrap()
    }

    fn seal(release: &Release, path: &Path) {
        let key = key();
        let sign =
            |message: &[u8]| Ok::<_, DisclosureError>(*key.sign(message).unwrap().as_bytes());
        let sealed = SealedRelease::seal(release, &key.verifying_key().kid(), sign).unwrap();
        fs::write(path, serde_json::to_string(&sealed).unwrap()).unwrap();
    }

    /// The outcome, standard output and standard error, with files of a folder.
    fn verify(folder: &Path, file: &str, before: &[&str]) -> (Outcome, String, String) {
        let (outcome, out, err) = verify_by(folder, file, before, &[]);
        (outcome.unwrap(), out, err)
    }

    /// The same with catalogues named.
    fn verify_by(
        folder: &Path,
        file: &str,
        before: &[&str],
        catalogues: &[&str],
    ) -> (Result<Outcome, CliError>, String, String) {
        let jwk = serde_json::to_string(&key().verifying_key().to_jwk()).unwrap();
        fs::write(folder.join("jwk.json"), jwk).unwrap();
        let command = Verify {
            file: folder.join(file),
            key: folder.join("jwk.json"),
            before: before.iter().map(|name| folder.join(name)).collect(),
            catalogue: catalogues.iter().map(|name| folder.join(name)).collect(),
            printing: Printing { format: Format::Table },
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let outcome = command.run(&mut Console::new(&mut out, &mut err, false));
        (outcome, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn releases_hold_by_themselves_and_in_their_chain() {
        let folder = tempfile::tempdir().unwrap();
        let first = release("2025Q3", &[]);
        let second = release("2025Q4", std::slice::from_ref(&first));
        seal(&first, &folder.path().join("1.json"));
        seal(&second, &folder.path().join("2.json"));
        let (outcome, out, _) = verify(folder.path(), "1.json", &[]);
        assert_eq!(outcome, Outcome::Done);
        assert!(out.contains("Verdict       holds\n"), "{out}");
        let (outcome, out, _) = verify(folder.path(), "2.json", &[]);
        assert!(outcome == Outcome::Done && out.contains("holds by itself"), "{out}");
        let (outcome, out, _) = verify(folder.path(), "2.json", &["1.json"]);
        assert!(outcome == Outcome::Done && out.contains("Verdict       holds\n"), "{out}");
    }

    #[test]
    fn an_altered_release_and_a_false_budget_fail() {
        let folder = tempfile::tempdir().unwrap();
        let mut release = release("2025Q3", &[]);
        let path = folder.path().join("1.json");
        seal(&release, &path);
        let text = fs::read_to_string(&path).unwrap();
        let altered = text.replacen("\"payload\":\"ey", "\"payload\":\"ez", 1);
        assert_ne!(altered, text);
        fs::write(&path, altered).unwrap();
        let (outcome, _, err) = verify(folder.path(), "1.json", &[]);
        assert!(outcome == Outcome::WithFindings && err.starts_with("FAILED: "), "{err}");
        release.budget.releases = 7;
        seal(&release, &path);
        let (outcome, out, _) = verify(folder.path(), "1.json", &[]);
        assert_eq!(outcome, Outcome::WithFindings);
        assert!(out.contains("FAILS: ") && out.contains("its budget does not add up"), "{out}");
    }

    #[test]
    fn a_release_is_judged_by_the_catalogue_that_it_names_or_not_at_all() {
        const SHIPPED: &str = include_str!("../disclosure/catalogue.toml");
        let folder = tempfile::tempdir().unwrap();
        let first = release("2025Q3", &[]);
        let text = SHIPPED.replacen("version = \"", "version = \"ours-", 1);
        fs::write(folder.path().join("ours.toml"), &text).unwrap();
        let second =
            release_by(&Catalogue::parse(&text).unwrap(), "2025Q4", std::slice::from_ref(&first));
        seal(&first, &folder.path().join("1.json"));
        seal(&second, &folder.path().join("2.json"));
        let (outcome, _, _) = verify_by(folder.path(), "2.json", &["1.json"], &[]);
        let refused = outcome.unwrap_err().to_string();
        assert!(refused.contains("2025Q4") && refused.contains("--catalogue"), "{refused}");
        let (outcome, out, _) = verify_by(folder.path(), "2.json", &["1.json"], &["ours.toml"]);
        assert_eq!(outcome.unwrap(), Outcome::Done);
        assert!(out.contains("Verdict       holds\n"), "{out}");
        // A digest is what counts: that of the shipped one does not hold for another text.
        let mut false_name = second;
        false_name.catalogue.digest = Catalogue::shipped().unwrap().digest().unwrap();
        false_name.tables[0].variance += 1;
        seal(&false_name, &folder.path().join("3.json"));
        let (outcome, out, _) = verify_by(folder.path(), "3.json", &["1.json"], &["ours.toml"]);
        assert!(outcome.unwrap() == Outcome::WithFindings && out.contains("FAILS"), "{out}");
    }
}
