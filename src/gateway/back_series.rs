//! Where an area, as it is drawn in one quarter, is found in the releases of others.
//!
//! Boundaries are dated and releases are counted once, by the boundaries of their own quarter. So
//! an area's earlier figures are those of the area itself, or sums of published noisy ones where
//! it was merged from whole areas. What was split, or lost or gained an LSOA, has no earlier figures
//! ([`crate::disclosure::Geography::rows_before`]).
//!
//! A code means one thing at a time: the area as the newest boundaries in force that know it draw
//! it, whichever quarters are asked about. Were it drawn as some of these quarters drew it, an area
//! that absorbed another under its old code would have two figures for one quarter, and their
//! difference would be the other's; and whoever was given a code anew would see what it stood for
//! before.

use super::{AreaSet, Snapshot};
use crate::{
    disclosure::{Level, Release},
    domain::AreaCode,
};
use jiff::civil::Date;

/// An area as the newest boundaries that know it draw it.
pub(super) struct Drawn<'a> {
    snapshot: &'a Snapshot,
    area: &'a AreaCode,
    areas: &'a AreaSet,
    today: Date,
}

impl<'a> Drawn<'a> {
    /// The area as it is drawn today, or was last; `None` where no boundaries have it.
    pub(super) fn new(snapshot: &'a Snapshot, area: &'a AreaCode, today: Date) -> Option<Self> {
        let areas = snapshot.areas_with(area, today)?;
        Some(Self { snapshot, area, areas, today })
    }

    /// Its code.
    pub(super) const fn area(&self) -> &AreaCode {
        self.area
    }

    /// The version of these boundaries.
    pub(super) const fn version(&self) -> u32 {
        self.areas.version()
    }

    /// The names of the area's neighbourhoods in a release's boundaries; none where several
    /// reach areas make it up, whose neighbourhoods have no more than numbers in common.
    pub(super) fn neighbourhoods_in(&self, release: &Release) -> Vec<String> {
        let rows = self.rows_of(release).map(|(_, rows)| rows).unwrap_or_default();
        let ([row], Some(areas)) =
            (&rows[..], self.snapshot.areas_version(&release.geography.version))
        else {
            return Vec::new();
        };
        let code = release.geography.areas.get(*row).map(|area| &area.code);
        let entry = code.and_then(|code| areas.area(code));
        let own = entry.map(|entry| &entry.neighbourhoods[..]).unwrap_or_default();
        own.iter().map(|neighbourhood| neighbourhood.name.clone()).collect()
    }

    /// Another area as it is drawn.
    pub(super) fn other<'b>(&'b self, area: &'b AreaCode) -> Option<Drawn<'b>> {
        Drawn::new(self.snapshot, area, self.today)
    }

    /// What it is, and the rows of a release that make it up; `None` where none do.
    pub(super) fn rows_of(&self, release: &Release) -> Option<(Level, Vec<usize>)> {
        let counted = &release.geography.version;
        if self.areas.version().to_string() == *counted {
            return release.geography.locate(self.area);
        }
        let counted = self.snapshot.areas_version(counted)?.counted();
        self.areas.counted().rows_before(self.area, counted)
    }
}
