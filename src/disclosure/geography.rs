//! The areas in force on a quarter's last day: LSOA < reach area < cluster < authority, and
//! beside the clusters the lead agencies that run reach areas.
//!
//! Why it exists: figures are counted per reach area and summed upwards. Boundaries are
//! dated, so a geography belongs to the quarters that name its version; the caller picks
//! the one in force, and [`Geography::rows_before`] says what an earlier one has of an area.

use super::{DisclosureError, catalogue::Level};
use crate::domain::{AreaCode, Lsoa};
use std::collections::BTreeSet;

/// One centre's catchment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachArea {
    /// Its code.
    pub code: AreaCode,
    /// The cluster it belongs to.
    pub cluster: AreaCode,
    /// The agency that runs it, where one does.
    pub lead_agency: Option<AreaCode>,
    /// Its LSOAs, of the geography's vintage.
    pub lsoas: Vec<Lsoa>,
    /// The published estimate of under-fives, for the expected errors only.
    pub under_fives: u32,
}

/// The most neighbourhoods of a reach area.
pub const MOST_NEIGHBOURHOODS: u8 = 6;

/// Where in the authority an LSOA lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The reach area's place, in the order of codes.
    pub area: u16,
    /// The neighbourhood's number within the reach area, from 0; none where none is declared.
    pub neighbourhood: Option<u8>,
    /// Whether it is among the most deprived 30% of LSOAs.
    pub deprived: bool,
}

/// A partition of an authority's LSOAs into reach areas, and of these into clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geography {
    version: String,
    authority: AreaCode,
    areas: Vec<ReachArea>,
    /// Ascending by LSOA.
    lookup: Vec<(u32, Place)>,
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
        let agencies: BTreeSet<&AreaCode> =
            areas.iter().filter_map(|area| area.lead_agency.as_ref()).collect();
        let mut codes = BTreeSet::from([&authority]);
        let above = clusters.into_iter().chain(agencies);
        for code in above.chain(areas.iter().map(|area| &area.code)) {
            if !codes.insert(code) {
                return Err(DisclosureError::WrongGeography(code.clone()));
            }
        }
        let mut lookup = Vec::new();
        for (index, area) in (0_u16..).zip(&areas) {
            let place = Place { area: index, neighbourhood: None, deprived: false };
            lookup.extend(area.lsoas.iter().map(|lsoa| (lsoa.number(), place)));
        }
        lookup.sort_unstable_by_key(|(number, _)| *number);
        if let Some(twice) = lookup.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let area = &areas[usize::from(twice[1].1.area)];
            return Err(DisclosureError::WrongGeography(area.code.clone()));
        }
        Ok(Self { version, authority, areas, lookup })
    }

    /// The same with what is known of single LSOAs: the number of the neighbourhood within
    /// its reach area, and which are among the most deprived 30%.
    ///
    /// # Errors
    /// [`DisclosureError::WrongPlaces`] for an LSOA of no reach area, one in two neighbourhoods,
    /// and a number of [`MOST_NEIGHBOURHOODS`] or more.
    pub fn with_places(
        mut self,
        neighbourhoods: &[(u8, Lsoa)],
        deprived: &[Lsoa],
    ) -> Result<Self, DisclosureError> {
        for (number, lsoa) in neighbourhoods {
            let place = self.place_mut(*lsoa).ok_or(DisclosureError::WrongPlaces)?;
            let twice = place.neighbourhood.replace(*number).is_some();
            if twice || *number >= MOST_NEIGHBOURHOODS {
                return Err(DisclosureError::WrongPlaces);
            }
        }
        for lsoa in deprived {
            self.place_mut(*lsoa).ok_or(DisclosureError::WrongPlaces)?.deprived = true;
        }
        Ok(self)
    }

    fn at(&self, lsoa: Lsoa) -> Option<usize> {
        self.lookup.binary_search_by_key(&lsoa.number(), |(number, _)| *number).ok()
    }

    fn place_mut(&mut self, lsoa: Lsoa) -> Option<&mut Place> {
        let at = self.at(lsoa)?;
        Some(&mut self.lookup[at].1)
    }

    /// Where an LSOA lies; `None` outside the authority.
    #[must_use]
    pub fn place_of(&self, lsoa: Lsoa) -> Option<Place> {
        Some(self.lookup[self.at(lsoa)?].1)
    }

    /// The reach area's place, in the order of codes; `None` outside the authority.
    #[must_use]
    pub fn area_of(&self, lsoa: Lsoa) -> Option<u16> {
        self.place_of(lsoa).map(|place| place.area)
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

    /// What an area is, and the places of the reach areas it consists of.
    #[must_use]
    pub fn locate(&self, area: &AreaCode) -> Option<(Level, Vec<usize>)> {
        let keys = self.areas.iter().map(|a| (&a.code, &a.cluster, a.lead_agency.as_ref()));
        locate(&self.authority, keys, area)
    }

    /// The places of the reach areas of an earlier geography that together are an area as it is
    /// drawn here: the area itself where nothing changed, under whatever code, and all of those
    /// that were merged into it. `None` where it was split off, or an LSOA moved in or out: then
    /// its figures begin with this geography, since no sum of published areas is the area.
    #[must_use]
    pub fn rows_before(&self, area: &AreaCode, earlier: &Self) -> Option<(Level, Vec<usize>)> {
        let (level, rows) = self.locate(area)?;
        if earlier.version == self.version {
            return Some((level, rows));
        }
        let within: BTreeSet<Lsoa> =
            rows.iter().flat_map(|row| self.areas[*row].lsoas.iter().copied()).collect();
        let (mut made_of, mut found) = (Vec::new(), 0);
        for (row, before) in earlier.areas.iter().enumerate() {
            match before.lsoas.iter().filter(|lsoa| within.contains(lsoa)).count() {
                0 => {}
                inside if inside == before.lsoas.len() => {
                    made_of.push(row);
                    found += inside;
                }
                _ => return None,
            }
        }
        (found == within.len() && found > 0).then_some((level, made_of))
    }
}

/// What an area is, and the places among the reach areas (code, cluster, lead agency) that it
/// consists of.
pub(super) fn locate<'a>(
    authority: &AreaCode,
    areas: impl Iterator<Item = (&'a AreaCode, &'a AreaCode, Option<&'a AreaCode>)>,
    area: &AreaCode,
) -> Option<(Level, Vec<usize>)> {
    let mut found: [(Level, Vec<usize>); 4] =
        [Level::Authority, Level::LeadAgency, Level::Cluster, Level::ReachArea]
            .map(|level| (level, Vec::new()));
    for (row, (code, cluster, agency)) in areas.enumerate() {
        let is = [area == authority, agency == Some(area), cluster == area, code == area];
        for ((_, rows), _) in found.iter_mut().zip(is).filter(|(_, is)| *is) {
            rows.push(row);
        }
    }
    found.into_iter().find(|(_, rows)| !rows.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(code: &str, cluster: &str, lsoas: &[u32]) -> ReachArea {
        ReachArea {
            code: code.parse().unwrap(),
            cluster: cluster.parse().unwrap(),
            lead_agency: None,
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
    fn neighbourhoods_and_deprivation_are_told_of_single_lsoas() {
        let lsoa = |n| Lsoa::from_number(n).unwrap();
        let both =
            || geography(vec![area("CC02", "CL1", &[3, 9]), area("CC01", "CL1", &[7])]).unwrap();
        let told = both().with_places(&[(1, lsoa(3)), (0, lsoa(7))], &[lsoa(9)]).unwrap();
        let at = |n| told.place_of(lsoa(n)).map(|p| (p.area, p.neighbourhood, p.deprived));
        assert_eq!(at(7), Some((0, Some(0), false)));
        assert_eq!(at(3), Some((1, Some(1), false)));
        assert_eq!(at(9), Some((1, None, true)));
        assert_eq!(at(8), None);
        let wrong = |neighbourhoods: &[(u8, Lsoa)], deprived: &[Lsoa]| {
            both().with_places(neighbourhoods, deprived) == Err(DisclosureError::WrongPlaces)
        };
        assert!(wrong(&[(0, lsoa(8))], &[]) && wrong(&[], &[lsoa(8)]));
        assert!(wrong(&[(0, lsoa(3)), (1, lsoa(3))], &[]) && wrong(&[(6, lsoa(3))], &[]));
    }

    #[test]
    fn what_is_no_partition_is_refused() {
        let wrong = |areas| matches!(geography(areas), Err(DisclosureError::WrongGeography(_)));
        assert!(wrong(vec![area("CC01", "CL1", &[1]), area("CC01", "CL1", &[2])]));
        assert!(wrong(vec![area("CC01", "CL1", &[1]), area("CC02", "CL1", &[1])]));
        assert!(wrong(vec![area("CC01", "CC01", &[1])]));
        assert!(wrong(vec![area("CC01", "E08000026", &[1])]));
        let run = |by: &str| ReachArea {
            lead_agency: Some(by.parse().unwrap()),
            ..area("CC01", "CL1", &[1])
        };
        assert!(wrong(vec![run("CC01")]) && wrong(vec![run("CL1")]));
        assert_eq!(geography(vec![]), Err(DisclosureError::GeographySize));
    }

    #[test]
    fn an_area_is_found_at_its_level_also_across_clusters() {
        let run = |code, cluster, lsoa: u32, by: &str| ReachArea {
            lead_agency: Some(by.parse().unwrap()),
            ..area(code, cluster, &[lsoa])
        };
        let both =
            vec![run("A", "CL1", 1, "LA1"), run("B", "CL2", 2, "LA1"), run("C", "CL2", 3, "LA2")];
        let geography = geography(both).unwrap();
        let at = |code: &str| geography.locate(&code.parse().unwrap());
        assert_eq!(at("LA1"), Some((Level::LeadAgency, vec![0, 1])));
        assert_eq!(at("CL2"), Some((Level::Cluster, vec![1, 2])));
        assert_eq!(at("C"), Some((Level::ReachArea, vec![2])));
        assert_eq!(at("E08000026"), Some((Level::Authority, vec![0, 1, 2])));
        assert_eq!(at("D"), None);
    }

    #[test]
    fn what_was_before_is_a_sum_of_whole_areas_or_nothing() {
        let before = geography(vec![
            area("A", "CL1", &[1, 2]),
            area("B", "CL1", &[3]),
            area("C", "CL2", &[4, 5]),
            area("D", "CL2", &[6]),
        ])
        .unwrap();
        let areas = vec![
            // The same code, redrawn; a merger; a renamed one; what moved.
            area("A", "CL1", &[1]),
            area("M", "CL1", &[3, 6]),
            area("R", "CL2", &[4, 5]),
            area("S", "CL1", &[2]),
        ];
        let now = Geography::new("v2".into(), "E08000026".parse().unwrap(), areas).unwrap();
        let rows = |code: &str| now.rows_before(&code.parse().unwrap(), &before);
        assert_eq!(rows("A"), None, "a code alone is no area");
        assert_eq!(rows("S"), None);
        assert_eq!(rows("M"), Some((Level::ReachArea, vec![1, 3])));
        assert_eq!(rows("R"), Some((Level::ReachArea, vec![2])));
        // Both halves of A, and all the rest: clusters and the authority follow the same rule.
        assert_eq!(rows("CL1"), Some((Level::Cluster, vec![0, 1, 3])));
        assert_eq!(rows("E08000026"), Some((Level::Authority, vec![0, 1, 2, 3])));
        assert_eq!(rows("CL9"), None);
        // An LSOA that was nowhere before: no sum of what was published is the area.
        let more = vec![area("B", "CL1", &[3, 7])];
        let more = Geography::new("v3".into(), "E08000026".parse().unwrap(), more).unwrap();
        assert_eq!(more.rows_before(&"B".parse().unwrap(), &before), None);
        // The same geography is taken by code, whatever its LSOAs.
        assert_eq!(before.rows_before(&"D".parse().unwrap(), &before).unwrap().1, [3]);
    }
}
