//! A wanted table as a file: what `figures request` reads.

use super::{CliError, partner_file::read_entries};
use crate::wire::v1;
use serde::Deserialize;
use std::path::Path;

const WANTED: &str = "a wanted table";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    title: String,
    purpose: String,
    reason: String,
    cells: Vec<String>,
    base: Base,
    rhythm: Rhythm,
    #[serde(default)]
    periods: u32,
    #[serde(default)]
    per_thousand: u32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Base {
    ReachArea,
    Authority,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rhythm {
    Quarterly,
    Yearly,
}

/// Reads a wanted table.
///
/// # Errors
/// When the file can't be read or is not of the form that `figures request --help` shows.
pub(super) fn read(path: &Path) -> Result<v1::WantedTable, CliError> {
    let wanted: Wanted = read_entries(path, WANTED)?;
    Ok(v1::WantedTable {
        title: wanted.title,
        purpose: wanted.purpose,
        reason: wanted.reason,
        cells: wanted.cells,
        base: match wanted.base {
            Base::ReachArea => "reach_area",
            Base::Authority => "authority",
        }
        .to_owned(),
        rhythm: match wanted.rhythm {
            Rhythm::Quarterly => "quarterly",
            Rhythm::Yearly => "yearly",
        }
        .to_owned(),
        periods: wanted.periods,
        per_thousand: wanted.per_thousand,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wanted_table_is_read_and_a_wrong_one_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wanted.toml");
        let text = "title = \"Fathers\"\npurpose = \"inspection\"\nreason = \"Planned\"\n\
                    cells = [\"came\", \"none\"]\nbase = \"reach_area\"\nrhythm = \"yearly\"\n";
        std::fs::write(&path, text).unwrap();
        let wanted = read(&path).unwrap();
        assert_eq!((wanted.base.as_str(), wanted.periods), ("reach_area", 0));
        std::fs::write(&path, text.replace("yearly", "daily")).unwrap();
        assert!(matches!(read(&path), Err(CliError::WrongEntry { .. })));
    }
}
