//! A loaded set of areas, compiled for the decision and for the count.

use crate::{
    disclosure::{self, DisclosureError},
    domain::{AreaCode, Lsoa},
    protocol,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What an area is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AreaLevel {
    /// The local authority.
    Authority,
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
    /// Its LSOAs of 2011; for reach areas only.
    pub lsoas: Vec<Lsoa>,
    /// Published estimate of the under-fives who live there, persons.
    pub under_fives: u32,
}

/// One version of the geography: authority, clusters and reach areas.
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
        for (at, entry) in entries.into_iter().enumerate() {
            let parent = entry.parent.as_ref().and_then(|code| areas.get(code));
            let above = parent.map(|parent| parent.level);
            match (entry.level, above) {
                (AreaLevel::Authority, None) if entry.parent.is_none() => {
                    if authority.replace(entry.code.clone()).is_some() {
                        return Err(fault(at, "one authority"));
                    }
                }
                (AreaLevel::Cluster, Some(AreaLevel::Authority)) => {}
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
                        lsoas: entry.lsoas,
                        under_fives: entry.under_fives,
                    });
                }
                _ => {
                    return Err(fault(
                        at,
                        "a reach area lies in a cluster, a cluster in the authority",
                    ));
                }
            }
        }
        let authority = authority.ok_or(fault(0, "one authority"))?;
        let counted = disclosure::Geography::new(version.to_string(), authority, reach_areas)
            .map_err(|_: DisclosureError| fault(0, "reach areas, with codes of their own"))?;
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

    /// Every area: the authority, then clusters, then reach areas, each by code.
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

/// What nests in each area, by code, the area itself among it. Parents were checked: each lies a
/// level higher, so that going up ends.
fn within(areas: &BTreeMap<AreaCode, AreaEntry>) -> BTreeMap<AreaCode, Vec<AreaCode>> {
    let mut within: BTreeMap<AreaCode, Vec<AreaCode>> = BTreeMap::new();
    for area in areas.values() {
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

impl From<AreaLevel> for protocol::vocabulary::AreaLevel {
    fn from(level: AreaLevel) -> Self {
        match level {
            AreaLevel::Authority => Self::Authority,
            AreaLevel::Cluster => Self::Cluster,
            AreaLevel::ReachArea => Self::ReachArea,
        }
    }
}
