//! The lookup between LSOAs of 2011 and of 2021, as the Office for National Statistics publishes
//! it: a file of the user's, with a row for each pair that shares ground.
//!
//! What is common to both years is a group: the LSOAs of 2011 and those of 2021 that are
//! connected by rows. In most groups there is one of each, under one code. Records say in which
//! LSOA of 2011 somebody lives, so that areas are counted by those; areas drawn in LSOAs of 2021
//! are translated where whole groups lie in them, and refused where a group is divided.

use super::CliError;
use crate::domain::{Lsoa, place::Vintage};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Why a lookup, or an area under it, can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupFault {
    /// A row that is no pair.
    #[error("row {row} is not a pair of LSOA codes")]
    Row {
        /// As a spreadsheet shows it: the heading is row 1.
        row: u64,
    },
    /// An LSOA that it does not know.
    #[error("{lsoa} is no LSOA of {year} in the lookup")]
    Unknown {
        /// The code.
        lsoa: Lsoa,
        /// The census year.
        year: &'static str,
    },
    /// An area's boundary runs through LSOAs of 2011.
    #[error(
        "area {area} holds only a part of what {old} was in 2011: records are placed by LSOAs of \
         2011, so draw the boundary around all of it"
    )]
    Divided {
        /// The area.
        area: String,
        /// LSOAs of 2011.
        old: String,
    },
}

/// The groups.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    of_2011: BTreeMap<Lsoa, u32>,
    of_2021: BTreeMap<Lsoa, u32>,
}

impl Lookup {
    /// Reads a CSV file with the columns `LSOA11CD` and `LSOA21CD`, among others.
    ///
    /// # Errors
    /// When it can't be read, lacks a column, or has a row that is no pair.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let file = std::fs::File::open(path)
            .map_err(|source| CliError::Unreadable { path: path.to_owned(), source })?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let wrong = || CliError::WrongForm {
            path: path.to_owned(),
            expected: "CSV with the columns LSOA11CD and LSOA21CD",
        };
        let heading = reader.headers().map_err(|_| wrong())?.clone();
        let place = |name: &str| {
            let name_of =
                |held: &str| held.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name);
            heading.iter().position(name_of).ok_or_else(wrong)
        };
        let (old, new) = (place("LSOA11CD")?, place("LSOA21CD")?);
        let mut pairs = Vec::new();
        for (row, record) in (2..).zip(reader.into_records()) {
            let fault = || rejected(path, LookupFault::Row { row });
            let record = record.map_err(|_| fault())?;
            let code = |at: usize| record.get(at).unwrap_or_default().parse::<Lsoa>().ok();
            // The lookup of England and Wales has Welsh rows, too.
            if record.get(old).is_some_and(|code| code.starts_with('W')) {
                continue;
            }
            pairs.push(code(old).zip(code(new)).ok_or_else(fault)?);
        }
        Ok(Self::of(&pairs))
    }

    /// The groups that pairs connect.
    pub(super) fn of(pairs: &[(Lsoa, Lsoa)]) -> Self {
        let mut lookup = Self::default();
        // Whoever meets a group joins it; who connects two makes them one.
        for (group, (old, new)) in (0_u32..).zip(pairs) {
            let joined = [lookup.of_2011.get(old), lookup.of_2021.get(new)];
            let joined: Vec<u32> = joined.into_iter().flatten().copied().collect();
            let group = joined.first().copied().unwrap_or(group);
            if let [first, second] = joined[..]
                && first != second
            {
                let all = lookup.of_2011.values_mut().chain(lookup.of_2021.values_mut());
                all.filter(|held| **held == second).for_each(|held| *held = first);
            }
            lookup.of_2011.insert(*old, group);
            lookup.of_2021.insert(*new, group);
        }
        lookup
    }

    const fn year(&self, vintage: Vintage) -> (&BTreeMap<Lsoa, u32>, &'static str) {
        match vintage {
            Vintage::Census2011 => (&self.of_2011, "2011"),
            Vintage::Census2021 => (&self.of_2021, "2021"),
        }
    }

    /// The groups of an area's LSOAs, and whether it holds each wholly.
    pub(super) fn groups(
        &self,
        vintage: Vintage,
        lsoas: &[Lsoa],
    ) -> Result<BTreeMap<u32, bool>, LookupFault> {
        let (known, year) = self.year(vintage);
        let held: BTreeSet<Lsoa> = lsoas.iter().copied().collect();
        let mut groups = BTreeMap::new();
        for lsoa in &held {
            let group = *known.get(lsoa).ok_or(LookupFault::Unknown { lsoa: *lsoa, year })?;
            groups.insert(group, true);
        }
        for (lsoa, group) in known {
            if let Some(is_whole) = groups.get_mut(group) {
                *is_whole &= held.contains(lsoa);
            }
        }
        Ok(groups)
    }

    /// A group by the LSOAs of 2011 in it.
    pub(super) fn in_2011(&self, group: u32) -> Vec<Lsoa> {
        let of_group = self.of_2011.iter().filter(|(_, held)| **held == group);
        of_group.map(|(lsoa, _)| *lsoa).collect()
    }

    /// The LSOAs of 2011 that are the same ground as an area's of 2021.
    ///
    /// # Errors
    /// [`LookupFault::Divided`] where there are none.
    pub(super) fn translated(&self, area: &str, lsoas: &[Lsoa]) -> Result<Vec<Lsoa>, LookupFault> {
        let mut found = Vec::new();
        for (group, is_whole) in self.groups(Vintage::Census2021, lsoas)? {
            let old = self.in_2011(group);
            if !is_whole {
                let old = old.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                return Err(LookupFault::Divided { area: area.to_owned(), old });
            }
            found.extend(old);
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// A fault of a file's.
pub(super) fn rejected(path: &Path, fault: LookupFault) -> CliError {
    CliError::Rejected { path: path.to_owned(), source: fault.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lsoa(number: u32) -> Lsoa {
        Lsoa::from_number(number).unwrap()
    }

    /// 1 stayed, 2 was split into 20 and 21, 3 and 4 merged into 30, 5 and 6 were mixed into 50 and 60.
    fn lookup() -> Lookup {
        let pairs = [(1, 1), (2, 20), (2, 21), (3, 30), (4, 30), (5, 50), (6, 60), (5, 60)];
        Lookup::of(&pairs.map(|(old, new)| (lsoa(old), lsoa(new))))
    }

    #[test]
    fn areas_of_2021_are_translated_where_whole_groups_lie_in_them() {
        let lookup = lookup();
        let told = |codes: &[u32]| {
            let codes: Vec<Lsoa> = codes.iter().copied().map(lsoa).collect();
            let found = lookup.translated("X", &codes).map_err(|fault| fault.to_string())?;
            Ok::<_, String>(found.into_iter().map(Lsoa::number).collect::<Vec<_>>())
        };
        assert_eq!(told(&[1, 20, 21, 30]), Ok(vec![1, 2, 3, 4]));
        assert_eq!(told(&[50, 60]), Ok(vec![5, 6]));
        let divided = told(&[1, 20]).unwrap_err();
        assert!(divided.contains("E01000002") && divided.contains("area X"), "{divided}");
        assert!(told(&[50]).unwrap_err().contains("E01000005, E01000006"));
        assert!(told(&[7]).unwrap_err().contains("E01000007 is no LSOA of 2021"));
    }

    #[test]
    fn the_file_is_read_whatever_its_other_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lookup.csv");
        let text = "\u{feff}LSOA11CD,LSOA11NM,LSOA21CD,CHGIND\nE01000001,A,E01000001,U\n\
                    W01000001,B,W01000001,U\nE01000002,C,E01000020,S\n";
        std::fs::write(&path, text).unwrap();
        let lookup = Lookup::read(&path).unwrap();
        assert_eq!(lookup.in_2011(0), [lsoa(1)]);
        assert_eq!(lookup.of_2021.len(), 2);
        std::fs::write(&path, "LSOA11CD,LSOA21CD\nE01000001,nowhere\n").unwrap();
        let sentence = Lookup::read(&path).unwrap_err().to_string();
        assert!(sentence.contains("row 2") && !sentence.contains("nowhere"), "{sentence}");
    }
}
