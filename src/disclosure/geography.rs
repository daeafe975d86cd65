//! The areas in force on a quarter's last day: LSOA < reach area < cluster < authority.
//!
//! Why it exists: figures are counted per reach area and summed upwards. Boundaries are
//! dated, so a geography belongs to the quarters that name its version; the caller picks
//! the one in force.

use super::DisclosureError;
use crate::domain::{AreaCode, Lsoa};
use std::collections::BTreeSet;

/// One centre's catchment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachArea {
    /// Its code.
    pub code: AreaCode,
    /// The cluster it belongs to.
    pub cluster: AreaCode,
    /// Its LSOAs, of the geography's vintage.
    pub lsoas: Vec<Lsoa>,
    /// The published estimate of under-fives, for the expected errors only.
    pub under_fives: u32,
}

/// A partition of an authority's LSOAs into reach areas, and of these into clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geography {
    version: String,
    authority: AreaCode,
    areas: Vec<ReachArea>,
    /// Ascending by LSOA, with the area's place in `areas`.
    lookup: Vec<(u32, u16)>,
}

impl Geography {
    /// A geography; the areas are kept in the order of their codes.
    ///
    /// # Errors
    /// [`DisclosureError::WrongGeography`] when a code stands for two areas or an LSOA lies
    /// in two; [`DisclosureError::GeographySize`].
    pub fn new(
        version: String,
        authority: AreaCode,
        mut areas: Vec<ReachArea>,
    ) -> Result<Self, DisclosureError> {
        if areas.is_empty() || areas.len() > usize::from(u16::MAX) {
            return Err(DisclosureError::GeographySize);
        }
        areas.sort_by(|a, b| a.code.cmp(&b.code));
        let clusters: BTreeSet<&AreaCode> = areas.iter().map(|area| &area.cluster).collect();
        let mut codes = BTreeSet::from([&authority]);
        for code in clusters.into_iter().chain(areas.iter().map(|area| &area.code)) {
            if !codes.insert(code) {
                return Err(DisclosureError::WrongGeography(code.clone()));
            }
        }
        let mut lookup = Vec::new();
        for (index, area) in (0_u16..).zip(&areas) {
            lookup.extend(area.lsoas.iter().map(|lsoa| (lsoa.number(), index)));
        }
        lookup.sort_unstable();
        if let Some(twice) = lookup.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let area = &areas[usize::from(twice[1].1)];
            return Err(DisclosureError::WrongGeography(area.code.clone()));
        }
        Ok(Self { version, authority, areas, lookup })
    }

    /// The reach area's place, in the order of codes; `None` outside the authority.
    #[must_use]
    pub fn area_of(&self, lsoa: Lsoa) -> Option<u16> {
        let at = self.lookup.binary_search_by_key(&lsoa.number(), |(number, _)| *number).ok()?;
        Some(self.lookup[at].1)
    }

    /// Its version, as releases name it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The authority.
    #[must_use]
    pub const fn authority(&self) -> &AreaCode {
        &self.authority
    }

    /// The reach areas, in the order of their codes.
    #[must_use]
    pub fn areas(&self) -> &[ReachArea] {
        &self.areas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(code: &str, cluster: &str, lsoas: &[u32]) -> ReachArea {
        ReachArea {
            code: code.parse().unwrap(),
            cluster: cluster.parse().unwrap(),
            lsoas: lsoas.iter().map(|n| Lsoa::from_number(*n).unwrap()).collect(),
            under_fives: 0,
        }
    }

    fn geography(areas: Vec<ReachArea>) -> Result<Geography, DisclosureError> {
        Geography::new("v1".into(), "E08000026".parse().unwrap(), areas)
    }

    #[test]
    fn areas_are_looked_up_by_lsoa_and_kept_in_order() {
        let both = vec![area("CC02", "CL1", &[3, 9]), area("CC01", "CL1", &[7])];
        let geography = geography(both).unwrap();
        assert_eq!(geography.areas()[0].code.as_str(), "CC01");
        let at = |n| geography.area_of(Lsoa::from_number(n).unwrap());
        assert_eq!([at(7), at(3), at(9), at(8)], [Some(0), Some(1), Some(1), None]);
    }

    #[test]
    fn what_is_no_partition_is_refused() {
        let wrong = |areas| matches!(geography(areas), Err(DisclosureError::WrongGeography(_)));
        assert!(wrong(vec![area("CC01", "CL1", &[1]), area("CC01", "CL1", &[2])]));
        assert!(wrong(vec![area("CC01", "CL1", &[1]), area("CC02", "CL1", &[1])]));
        assert!(wrong(vec![area("CC01", "CC01", &[1])]));
        assert!(wrong(vec![area("CC01", "E08000026", &[1])]));
        assert_eq!(geography(vec![]), Err(DisclosureError::GeographySize));
    }
}
