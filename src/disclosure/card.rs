//! An area's card: each indicator's figure, its parts, its trend and what it means.

use super::{
    DisclosureError,
    catalogue::{Catalogue, Indicator, Level, Target},
    figure::{Figure, figure_of_rows},
    release::{FeedWeek, Release},
};
use crate::domain::{AreaCode, Quarter};
use serde::Serialize;

/// What is known of records that stay unlinked: `tallygate bench linkage` on the synthetic Coventry
/// misses 1.3% of true links (seed 7; 1.2 to 1.3% at others); published UK linkage of real records
/// misses 4 to 5% (domain of `crate::linkage`). Real files are not measured until an authority does.
pub const UNLINKED: &str = "1 to 5 in 100 records";

/// What stands beside every margin of error; it says [`UNLINKED`].
pub const LINKAGE_NOTE: &str = "The margin covers the protective noise and rounding. Besides, 1 to 5 in 100 records \
     may go unlinked (1.3 on invented people, 4 to 5 in published linkage of real ones), and may count a child \
     twice or not at all; more so for families who move often or whose names are often misspelt.";

/// Why the parts of a card do not add up.
pub const SUM_NOTE: &str =
    "Each figure is protected and rounded by itself: parts need not add up to their total.";

/// An area's figures of a quarter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Card {
    /// The area.
    pub area: AreaCode,
    /// What it is.
    pub level: Level,
    /// The quarter.
    pub period: Quarter,
    /// The version of the areas' boundaries.
    pub geography: String,
    /// The indicators, in the catalogue's order.
    pub entries: Vec<CardEntry>,
    /// How fresh each feed was at the quarter's close.
    pub feeds: Vec<FeedWeek>,
    /// [`LINKAGE_NOTE`].
    pub linkage: &'static str,
    /// [`SUM_NOTE`].
    pub note: &'static str,
}

/// One indicator of a card.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CardEntry {
    /// Its number in the data book.
    pub number: u8,
    /// Its figure.
    pub figure: Figure,
    /// Its parts, where they are published for this kind of area.
    pub parts: Vec<Figure>,
    /// Its figures up to and with this quarter, the oldest first.
    pub trend: Vec<Figure>,
    /// What is counted.
    pub definition: String,
    /// Out of what.
    pub denominator: String,
    /// The target.
    pub target: Option<Target>,
}

/// What an area is, and the rows of a release that it consists of; `None` where there are none.
pub type Locate<'a> = &'a dyn Fn(&Release) -> Option<(Level, Vec<usize>)>;

/// The card of an area for a quarter.
///
/// `releases` in any order; those after the quarter are not looked at. `locate` finds the area,
/// as it is drawn in the quarter, in each: a quarter whose geography has no such area nor whole
/// areas that make it up, or whose catalogue no such table, is missing from the trend.
///
/// # Errors
/// [`DisclosureError::NotInRelease`] when the quarter is not among the releases,
/// [`DisclosureError::UnknownArea`].
pub fn card(
    catalogue: &Catalogue,
    releases: &[&Release],
    area: &AreaCode,
    quarter: Quarter,
    locate: Locate<'_>,
) -> Result<Card, DisclosureError> {
    let mut past: Vec<&Release> =
        releases.iter().copied().filter(|release| release.quarter <= quarter).collect();
    past.sort_by_key(|release| release.quarter);
    let release = *past
        .last()
        .filter(|release| release.quarter == quarter)
        .ok_or(DisclosureError::NotInRelease(quarter))?;
    let (level, _) = locate(release).ok_or_else(|| DisclosureError::UnknownArea(area.clone()))?;
    let entries = catalogue.indicators.iter().filter_map(|indicator| {
        // An indicator that this release does not hold, or not for this kind of area.
        entry(catalogue, &past, release, indicator, area, locate)
    });
    Ok(Card {
        area: area.clone(),
        level,
        period: quarter,
        geography: release.geography.version.clone(),
        entries: entries.collect(),
        feeds: release.feeds.clone(),
        linkage: LINKAGE_NOTE,
        note: SUM_NOTE,
    })
}

fn entry(
    catalogue: &Catalogue,
    past: &[&Release],
    release: &Release,
    indicator: &Indicator,
    area: &AreaCode,
    locate: Locate<'_>,
) -> Option<CardEntry> {
    let of = |release: &Release, part: Option<&str>| {
        figure_of_rows(catalogue, release, &indicator.id, part, area, locate(release)?).ok()
    };
    Some(CardEntry {
        number: indicator.number,
        figure: of(release, None)?,
        parts: indicator.parts().filter_map(|part| of(release, Some(&part.id))).collect(),
        trend: past.iter().filter_map(|release| of(release, None)).collect(),
        definition: indicator.definition.clone(),
        denominator: indicator.denominator.clone(),
        target: indicator.target.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_says_how_many_records_may_be_unlinked() {
        assert!(LINKAGE_NOTE.contains(UNLINKED));
    }
}
