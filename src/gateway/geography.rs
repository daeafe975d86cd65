//! A loaded set of areas, compiled for the decision and for the count.

use crate::{
    disclosure::{self, DisclosureError, geography::MOST_NEIGHBOURHOODS},
    domain::{AreaCode, Lsoa},
    protocol,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What an area is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AreaLevel {
    /// The local authority.
    Authority,
    /// All reach areas that one agency runs, of whatever clusters.
    LeadAgency,
    /// A group of reach areas.
    Cluster,
    /// What one centre serves.
    ReachArea,
}

/// An area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaEntry {
    /// Its code.
    pub code: AreaCode,
    /// Its name.
    pub name: String,
    /// What it is.
    pub level: AreaLevel,
    /// The area that holds it; none for the authority.
    pub parent: Option<AreaCode>,
    /// Of a reach area: the agency that runs it, where the set says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_agency: Option<AreaCode>,
    /// Its LSOAs of 2011; for reach areas only.
    pub lsoas: Vec<Lsoa>,
    /// Published estimate of the under-fives who live there, persons.
    pub under_fives: u32,
    /// Those of its LSOAs that are among the most deprived 30%; for reach areas only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deprived: Vec<Lsoa>,
    /// Its neighbourhoods; for reach areas only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbourhoods: Vec<Neighbourhood>,
}

/// A part of a reach area that is large enough for figures of its own once a year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbourhood {
    /// Its name.
    pub name: String,
    /// Its LSOAs, of the reach area's.
    pub lsoas: Vec<Lsoa>,
    /// Published estimate of the under-fives who live there, persons.
    pub under_fives: u32,
}

/// The least under-fives of a neighbourhood, persons.
const LEAST_NEIGHBOURHOOD: u32 = 300;

/// One version of the geography: authority, lead agencies, clusters and reach areas.
#[derive(Debug, Clone)]
pub struct AreaSet {
    version: u32,
    areas: BTreeMap<AreaCode, AreaEntry>,
    /// By area, itself and all that nests in it: each protocol asks for it again and again.
    within: BTreeMap<AreaCode, Vec<AreaCode>>,
    counted: disclosure::Geography,
}

/// Why a set of areas is no geography; the field at fault and the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaFault {
    /// The place of the area in the list.
    pub at: usize,
    /// The rule that it breaks.
    pub rule: &'static str,
}

const fn fault(at: usize, rule: &'static str) -> AreaFault {
    AreaFault { at, rule }
}

impl AreaSet {
    /// Checks and compiles a set of areas.
    ///
    /// # Errors
    /// The first area that breaks a rule.
    pub fn compile(version: u32, entries: Vec<AreaEntry>) -> Result<Self, AreaFault> {
        let mut areas = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            if areas.insert(entry.code.clone(), entry.clone()).is_some() {
                return Err(fault(at, "each code once"));
            }
        }
        let mut authority = None;
        let mut seen = BTreeSet::new();
        let mut reach_areas = Vec::new();
        let (mut neighbourhoods, mut deprived) = (Vec::new(), Vec::new());
        for (at, entry) in entries.into_iter().enumerate() {
            if let Some(rule) = wrong_agency(&entry, &areas) {
                return Err(fault(at, rule));
            }
            check_places(&entry).map_err(|rule| fault(at, rule))?;
            for (number, own) in (0_u8..).zip(&entry.neighbourhoods) {
                neighbourhoods.extend(own.lsoas.iter().map(|lsoa| (number, *lsoa)));
            }
            deprived.extend(entry.deprived.iter().copied());
            let parent = entry.parent.as_ref().and_then(|code| areas.get(code));
            let above = parent.map(|parent| parent.level);
            match (entry.level, above) {
                (AreaLevel::Authority, None) if entry.parent.is_none() => {
                    if authority.replace(entry.code.clone()).is_some() {
                        return Err(fault(at, "one authority"));
                    }
                }
                (AreaLevel::Cluster | AreaLevel::LeadAgency, Some(AreaLevel::Authority)) => {}
                (AreaLevel::ReachArea, Some(AreaLevel::Cluster)) => {
                    if entry.lsoas.is_empty() || !entry.lsoas.iter().all(|lsoa| seen.insert(*lsoa))
                    {
                        return Err(fault(
                            at,
                            "a reach area has LSOAs, each in one reach area only",
                        ));
                    }
                    reach_areas.push(disclosure::ReachArea {
                        code: entry.code,
                        cluster: entry.parent.ok_or(fault(at, "a parent"))?,
                        lead_agency: entry.lead_agency,
                        lsoas: entry.lsoas,
                        under_fives: entry.under_fives,
                    });
                }
                _ => {
                    return Err(fault(
                        at,
                        "a reach area lies in a cluster, clusters and lead agencies in the authority",
                    ));
                }
            }
        }
        let authority = authority.ok_or(fault(0, "one authority"))?;
        let counted = disclosure::Geography::new(version.to_string(), authority, reach_areas)
            .map_err(|_: DisclosureError| fault(0, "reach areas, with codes of their own"))?
            .with_places(&neighbourhoods, &deprived)
            .map_err(|_: DisclosureError| fault(0, "neighbourhoods that share no LSOA"))?;
        let within = within(&areas);
        Ok(Self { version, areas, within, counted })
    }

    /// Its version, from 1 on.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// An area.
    #[must_use]
    pub fn area(&self, code: &AreaCode) -> Option<&AreaEntry> {
        self.areas.get(code)
    }

    /// Every area: the authority, then lead agencies, clusters and reach areas, each by code.
    #[must_use]
    pub fn areas(&self) -> Vec<&AreaEntry> {
        let mut areas: Vec<_> = self.areas.values().collect();
        areas.sort_by_key(|area| area.level);
        areas
    }

    /// The form that the count works on.
    #[must_use]
    pub const fn counted(&self) -> &disclosure::Geography {
        &self.counted
    }

    /// An area and all that nests in it.
    fn within(&self, area: &AreaCode) -> Option<impl Iterator<Item = &AreaEntry>> {
        let codes = self.within.get(area)?;
        Some(codes.iter().filter_map(|code| self.areas.get(code)))
    }
}

/// Whether what is said of single LSOAs is of the area's own.
fn check_places(entry: &AreaEntry) -> Result<(), &'static str> {
    let own = |lsoas: &[Lsoa]| lsoas.iter().all(|lsoa| entry.lsoas.contains(lsoa));
    if !own(&entry.deprived) || !entry.neighbourhoods.iter().all(|part| own(&part.lsoas)) {
        return Err("deprived LSOAs and neighbourhoods are of the reach area's LSOAs");
    }
    if entry.neighbourhoods.len() > usize::from(MOST_NEIGHBOURHOODS) {
        return Err("at most 6 neighbourhoods");
    }
    let named = |part: &Neighbourhood| {
        let length = part.name.chars().count();
        (1..=200).contains(&length) && !part.name.chars().any(char::is_control)
    };
    if !entry.neighbourhoods.iter().all(named) {
        return Err("neighbourhoods have names of 1 to 200 printable characters");
    }
    if entry.neighbourhoods.iter().any(|part| part.under_fives < LEAST_NEIGHBOURHOOD) {
        return Err("a neighbourhood has at least 300 under-fives, by the estimate");
    }
    Ok(())
}

/// What is wrong about who runs an area: of a reach area a lead agency of the set may, of no
/// other area anybody; and a lead agency without one is none.
fn wrong_agency(entry: &AreaEntry, areas: &BTreeMap<AreaCode, AreaEntry>) -> Option<&'static str> {
    if entry.level == AreaLevel::LeadAgency {
        let runs = areas.values().any(|area| area.lead_agency.as_ref() == Some(&entry.code));
        return (!runs).then_some("a lead agency runs at least one reach area");
    }
    let agency = areas.get(entry.lead_agency.as_ref()?);
    let is_right = entry.level == AreaLevel::ReachArea
        && agency.is_some_and(|agency| agency.level == AreaLevel::LeadAgency);
    (!is_right).then_some("only a reach area has a lead agency, which is an area of that level")
}

/// What nests in each area, by code, the area itself among it. Parents were checked: each lies a
/// level higher, so that going up ends.
fn within(areas: &BTreeMap<AreaCode, AreaEntry>) -> BTreeMap<AreaCode, Vec<AreaCode>> {
    let mut within: BTreeMap<AreaCode, Vec<AreaCode>> = BTreeMap::new();
    for area in areas.values() {
        if let Some(agency) = &area.lead_agency {
            within.entry(agency.clone()).or_default().push(area.code.clone());
        }
        let mut at = Some(area);
        while let Some(above) = at {
            within.entry(above.code.clone()).or_default().push(area.code.clone());
            at = above.parent.as_ref().and_then(|code| areas.get(code));
        }
    }
    within
}

impl protocol::Geography for AreaSet {
    fn lsoas(&self, area: &AreaCode) -> Option<Vec<Lsoa>> {
        if let Ok(lsoa) = area.as_str().parse::<Lsoa>() {
            return Some(vec![lsoa]);
        }
        let within = self.within(area)?;
        Some(within.flat_map(|inner| inner.lsoas.iter().copied()).collect())
    }

    fn nested(&self, area: &AreaCode) -> Option<Vec<(AreaCode, protocol::vocabulary::AreaLevel)>> {
        let within = self.within(area)?;
        Some(within.map(|inner| (inner.code.clone(), inner.level.into())).collect())
    }

    fn holds(&self, area: &AreaCode) -> bool {
        self.areas.contains_key(area)
    }
}

/// Every version of the places that was ever loaded, the newest last: what a policy is compiled
/// with. A code means what its newest version says; one that is gone means what it last meant,
/// so that the figures of the quarters that knew it are answered as before.
#[derive(Debug)]
pub(super) struct Places<'a>(pub(super) &'a [(i32, Arc<AreaSet>)]);

impl Places<'_> {
    fn newest_first(&self) -> impl Iterator<Item = &AreaSet> {
        self.0.iter().rev().map(|(_, areas)| &**areas)
    }
}

impl protocol::Geography for Places<'_> {
    fn lsoas(&self, area: &AreaCode) -> Option<Vec<Lsoa>> {
        self.newest_first().find_map(|areas| protocol::Geography::lsoas(areas, area))
    }

    fn nested(&self, area: &AreaCode) -> Option<Vec<(AreaCode, protocol::vocabulary::AreaLevel)>> {
        // A policy asks for each area of each clause: only what nests in this one is looked up.
        let mut found = Vec::new();
        for (newer, areas) in self.newest_first().enumerate() {
            let is_newest = |code: &AreaCode| {
                self.newest_first().take(newer).all(|newer| !newer.areas.contains_key(code))
            };
            let nested = protocol::Geography::nested(areas, area).unwrap_or_default();
            found.extend(nested.into_iter().filter(|(code, _)| is_newest(code)));
        }
        (!found.is_empty()).then_some(found)
    }
}

impl From<AreaLevel> for protocol::vocabulary::AreaLevel {
    fn from(level: AreaLevel) -> Self {
        match level {
            AreaLevel::Authority => Self::Authority,
            AreaLevel::Cluster => Self::Cluster,
            AreaLevel::LeadAgency => Self::LeadAgency,
            AreaLevel::ReachArea => Self::ReachArea,
        }
    }
}
