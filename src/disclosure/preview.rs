//! What a release will look like, cost and be worth, before it is made. Never a draw.
//!
//! Why it exists: a sign-off comes before the noise. A preview with noise in it could be
//! repeated and averaged, or picked from; so a preview reads the catalogue, the areas, the
//! ledger and the feeds' declared weeks, and can be shown as often as anybody likes.

use super::{
    DisclosureError,
    catalogue::{Base, Catalogue},
    contrast,
    cost::Weighed,
    exact::rows,
    expected::{ExpectedError, expected_errors},
    geography::Geography,
    ledger::{Ledger, Spending},
    release::{Digest, FeedWeek},
};
use crate::domain::{Quarter, TableId};
use serde::Serialize;

/// What is known of a release before it is made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// The quarter.
    pub quarter: Quarter,
    /// The catalogue's version.
    pub version: String,
    /// The catalogue's digest.
    pub catalogue: Digest,
    /// The boundaries' version.
    pub geography: String,
    /// The tables.
    pub tables: Vec<PreviewTable>,
    /// How wrong each figure will be.
    pub errors: Vec<ExpectedError>,
    /// The least variance with which one base cell can be known from all tables.
    pub minimum_contrast_variance: f64,
    /// What it will cost.
    pub budget: Spending,
    /// That cost in other words.
    pub quarter_risk: Weighed,
    /// The cost of a whole lifetime in other words.
    pub lifetime_risk: Weighed,
    /// How fresh each feed is.
    pub feeds: Vec<FeedWeek>,
}

/// One table's structure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreviewTable {
    /// The table.
    pub id: TableId,
    /// What it is called.
    pub title: String,
    /// What its rows are.
    pub base: Base,
    /// How many base areas it has.
    pub areas: usize,
    /// Its cells.
    pub cells: Vec<String>,
    /// Each cell's standard deviation.
    pub deviation: f64,
}

/// The preview of a quarter's release.
///
/// # Errors
/// As [`Ledger::cost`]; [`DisclosureError::ContrastBelowFloor`].
pub fn preview(
    catalogue: &Catalogue,
    geography: &Geography,
    ledger: &Ledger,
    quarter: Quarter,
    feeds: Vec<FeedWeek>,
) -> Result<Preview, DisclosureError> {
    let budget = ledger.cost(catalogue, quarter)?;
    contrast::check(catalogue, geography)?;
    let tables = catalogue.due_in(quarter).map(|table| PreviewTable {
        id: table.id.clone(),
        title: table.title.clone(),
        base: table.base,
        areas: rows(table, geography),
        cells: table.cells.clone(),
        deviation: f64::from(table.variance).sqrt(),
    });
    Ok(Preview {
        quarter,
        version: catalogue.version.clone(),
        catalogue: catalogue.digest()?,
        geography: geography.version().to_owned(),
        tables: tables.collect(),
        errors: expected_errors(catalogue, geography)
            .into_iter()
            .filter(|error| catalogue.table(&error.table).is_some_and(|t| t.is_due(quarter)))
            .collect(),
        minimum_contrast_variance: contrast::minimum_contrast_variance(catalogue, geography),
        quarter_risk: Weighed::of(budget.quarter),
        lifetime_risk: Weighed::of(budget.lifetime),
        budget,
        feeds,
    })
}
