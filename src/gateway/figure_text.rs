//! A released figure as text, and what stands in its place once its release was withdrawn.

use super::released::Releases;
use crate::{
    disclosure::{Catalogue, Figure, Measure, Reading, Released, UNCERTAIN, Unit},
    domain::{AreaCode, IndicatorId, Quarter},
};
use std::collections::BTreeSet;

/// What every value that is too small is shown as, whatever it is.
const WITHHELD: &str = "<10";
/// What stands in place of each value of a quarter whose release was withdrawn.
const WITHDRAWN: &str = "withdrawn";

/// A figure as it is shown, every number a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureText {
    /// The indicator.
    pub indicator: IndicatorId,
    /// The area.
    pub area: AreaCode,
    /// The quarter.
    pub quarter: Quarter,
    /// The part, or empty for the whole.
    pub part: String,
    /// A count to the nearest 5, a percentage to one place, a ratio to three, `<10`, `too
    /// uncertain to say`, or `withdrawn`.
    pub value: String,
    /// Lower end of the 95% interval; empty when none is shown.
    pub lower: String,
    /// Upper end of it; empty when none is shown.
    pub upper: String,
    /// What to print after ±; empty when none is shown.
    pub margin: String,
    /// What a percentage or ratio is out of, to the nearest 5; else empty.
    pub out_of: String,
    /// Inspection's word; else empty.
    pub word: &'static str,
    /// `persons`, `families`, `percent`, `points` or `ratio`.
    pub unit: &'static str,
}

/// What is said instead of a quarter's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseNotice {
    /// The quarter whose release was withdrawn.
    pub quarter: Quarter,
    /// Why, in an officer's words.
    pub notice: String,
    /// Since when, microseconds since 1970-01-01 UTC.
    pub withdrawn_at: i64,
}

impl FigureText {
    /// The texts of a figure: the one place where a released number becomes text.
    #[must_use]
    pub fn of(catalogue: &Catalogue, figure: &Figure, measure: &Measure) -> Self {
        let table = catalogue.table(measure.table());
        let families = table.is_some_and(|table| table.population == "families");
        let (unit, text): (_, fn(f64) -> String) = match (figure.unit, measure) {
            (_, Measure::Balance { .. }) => ("ratio", |percent| format!("{:.3}", percent / 100.0)),
            (Unit::Points, _) => ("points", |points| format!("{points:.1}")),
            (Unit::Percent, _) => ("percent", |percent| format!("{percent:.1}")),
            (Unit::Count, _) if families => ("families", |count| format!("{count:.0}")),
            (Unit::Count, _) => ("persons", |count| format!("{count:.0}")),
        };
        let mut shown = Self {
            indicator: figure.indicator.clone(),
            area: figure.area.clone(),
            quarter: figure.period,
            part: figure.part.clone().unwrap_or_default(),
            value: WITHHELD.to_owned(),
            lower: String::new(),
            upper: String::new(),
            margin: String::new(),
            out_of: String::new(),
            word: "",
            unit,
        };
        match figure.value {
            Released::Shown(Reading { value, lower, upper, margin, out_of, word }) => {
                shown.value = text(value);
                shown.lower = text(lower);
                shown.upper = text(upper);
                shown.margin = text(margin);
                shown.out_of = out_of.map(|count| format!("{count:.0}")).unwrap_or_default();
                shown.word = word.unwrap_or_default();
            }
            Released::Withheld => {}
            Released::Uncertain => UNCERTAIN.clone_into(&mut shown.value),
        }
        shown
    }
}

impl Releases {
    /// A figure as it may be shown: of a withdrawn release nothing but that it is withdrawn.
    pub(super) fn shown(&self, figure: FigureText) -> FigureText {
        if self.of(figure.quarter).is_none_or(|frozen| frozen.withdrawn.is_none()) {
            return figure;
        }
        FigureText {
            value: WITHDRAWN.to_owned(),
            lower: String::new(),
            upper: String::new(),
            margin: String::new(),
            out_of: String::new(),
            word: "",
            ..figure
        }
    }

    /// The notices of those of these quarters whose releases were withdrawn.
    pub(super) fn notices(&self, quarters: &BTreeSet<Quarter>) -> Vec<ReleaseNotice> {
        let notice = |quarter: &Quarter| {
            let withdrawn = self.of(*quarter)?.withdrawn.as_ref()?;
            let (notice, withdrawn_at) = (withdrawn.notice.clone(), withdrawn.at);
            Some(ReleaseNotice { quarter: *quarter, notice, withdrawn_at })
        };
        quarters.iter().filter_map(notice).collect()
    }
}
