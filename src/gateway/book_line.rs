//! One indicator of a data book: its figure, what changed, and the same of the areas beside.

use super::{
    BesideLine, BookLine, ChangeText, FigureText, PartLine, TargetText,
    back_series::Drawn,
    book::{Beside, is_permitted},
    card::{Permits, feeds_of},
    released::{Frozen, Releases},
};
use crate::{
    disclosure::{
        Aim, Catalogue, Compared, Difference, Figure, Indicator, Level, Release, Released,
        Standing, Unit, figure_of_rows,
    },
    domain::{AreaCode, Quarter},
};
use std::sync::Arc;

/// Beyond so many areas no pairs are told apart: nobody reads four hundred comparisons.
const MOST_PAIRED: usize = 30;

/// The dimension whose parts are named by each area itself.
const NEIGHBOURHOOD: &str = "neighbourhood";

/// An area that may stand beside, with the tables that may be seen of it.
pub(super) struct Neighbour<'a> {
    pub(super) code: AreaCode,
    pub(super) beside: Beside,
    pub(super) permits: Permits<'a>,
    /// What it is, and its rows in the book's newest release.
    pub(super) located: (Level, Vec<usize>),
}

/// Makes the lines of one book.
pub(super) struct Maker<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) releases: &'a Releases,
    pub(super) drawn: &'a Drawn<'a>,
    pub(super) area: &'a AreaCode,
    pub(super) period: (Quarter, Quarter),
    pub(super) permits: &'a Permits<'a>,
    pub(super) neighbours: &'a [Neighbour<'a>],
}

/// A figure, as it is shown and as it is compared.
struct Read<'a> {
    frozen: &'a Arc<Frozen>,
    figure: Figure,
    text: FigureText,
    /// None where it is withheld, or its release withdrawn.
    compared: Option<Compared>,
}

impl<'a> Maker<'a> {
    /// The line of an indicator; `None` where the caller may not see it, or no quarter of the
    /// period has it for the area.
    pub(super) fn line(&self, indicator: &Indicator) -> Option<BookLine> {
        let table = self.catalogue.table(indicator.measure.table())?;
        if !is_permitted(self.permits, &indicator.measure) {
            return None;
        }
        let all: Vec<Read<'_>> = self
            .releases
            .all()
            .iter()
            .filter(|frozen| frozen.release.quarter <= self.period.1)
            .filter_map(|frozen| self.own(frozen, indicator, None))
            .collect();
        let (newest, earlier) = all.split_last()?;
        if newest.frozen.release.quarter < self.period.0 {
            return None;
        }
        let (beside, comparisons) = self.beside(newest, indicator);
        Some(BookLine {
            number: number_of(indicator),
            title: indicator.title.clone(),
            definition: indicator.definition.clone(),
            denominator: indicator.denominator.clone(),
            target: indicator.target.as_ref().map(|t| t.words.clone()).unwrap_or_default(),
            standing: Aim::of(indicator).map(|aim| standing(aim, newest, earlier)),
            figure: newest.text.clone(),
            trend: earlier.iter().map(|read| read.text.clone()).collect(),
            changes: changes(Aim::of(indicator), newest, earlier),
            parts: self.parts(newest.frozen, indicator),
            beside,
            comparisons: u32::try_from(comparisons).unwrap_or(u32::MAX),
            feeds: feeds_of(table, &newest.frozen.release.feeds),
        })
    }

    fn own(
        &self,
        frozen: &'a Arc<Frozen>,
        indicator: &Indicator,
        part: Option<&str>,
    ) -> Option<Read<'a>> {
        let located = self.drawn.rows_of(&frozen.release)?;
        self.read(frozen, indicator, part, self.area, located)
    }

    fn read(
        &self,
        frozen: &'a Arc<Frozen>,
        indicator: &Indicator,
        part: Option<&str>,
        area: &AreaCode,
        located: (Level, Vec<usize>),
    ) -> Option<Read<'a>> {
        let (catalogue, release): (_, &Release) = (self.catalogue, &frozen.release);
        let measure = indicator.measure_of(part).ok()?;
        let rows = located.clone();
        let figure = figure_of_rows(catalogue, release, &indicator.id, part, area, rows).ok()?;
        let text = self.releases.shown(FigureText::of(catalogue, &figure, measure));
        let compared = match frozen.withdrawn {
            Some(_) => None,
            None => Compared::read(catalogue, release, &indicator.id, part, located).ok()?,
        };
        Some(Read { frozen, figure, text, compared })
    }

    fn parts(&self, frozen: &'a Arc<Frozen>, indicator: &Indicator) -> Vec<PartLine> {
        let mut lines = Vec::new();
        for by in &indicator.by {
            // Neighbourhoods are numbered within their reach area, which has their names.
            let names = (by.dimension == NEIGHBOURHOOD)
                .then(|| self.drawn.neighbourhoods_in(&frozen.release));
            for (at, part) in by.parts.iter().enumerate() {
                let title = match &names {
                    Some(names) => names.get(at).cloned(),
                    None => Some(part.title.clone()),
                };
                let Some(title) = title.filter(|_| is_permitted(self.permits, &part.measure))
                else {
                    continue;
                };
                if let Some(read) = self.own(frozen, indicator, Some(&part.id)) {
                    let dimension = by.dimension.clone();
                    lines.push(PartLine { title, dimension, figure: read.text });
                }
            }
        }
        lines
    }

    /// The figure of the areas beside, each with those it can be told from, and how many
    /// comparisons that took. Areas of one level are compared with the own one; the reach areas
    /// inside an area with each other, as long as they are few.
    fn beside(&self, newest: &Read<'a>, indicator: &Indicator) -> (Vec<BesideLine>, usize) {
        let permitted =
            self.neighbours.iter().filter(|n| is_permitted(&n.permits, &indicator.measure));
        let found: Vec<(Beside, Read<'_>)> = permitted
            .filter_map(|neighbour| {
                let frozen = newest.frozen;
                let other = self.drawn.other(&neighbour.code)?;
                let located = other.rows_of(&frozen.release)?;
                let read = self.read(frozen, indicator, None, &neighbour.code, located)?;
                Some((neighbour.beside, read))
            })
            .collect();
        let of = |group: Beside| {
            let group = found.iter().filter(move |(beside, _)| *beside == group);
            group.map(|(_, read)| read).collect::<Vec<_>>()
        };
        let (siblings, inside) = (of(Beside::Sibling), of(Beside::Inside));
        let mut pairs: Vec<(&Read<'_>, &Read<'_>)> = Vec::new();
        pairs.extend(siblings.iter().map(|sibling| (newest, *sibling)));
        if inside.len() <= MOST_PAIRED {
            for (at, one) in inside.iter().enumerate() {
                pairs.extend(inside[at + 1..].iter().map(|other| (*one, *other)));
            }
        }
        let comparisons = pairs.len();
        let distinct: Vec<(&AreaCode, &AreaCode)> = pairs
            .into_iter()
            .filter(|(one, other)| {
                let both = one.compared.as_ref().zip(other.compared.as_ref());
                both.and_then(|(one, other)| other.less(one, comparisons))
                    .is_some_and(|difference| difference.is_distinct)
            })
            .map(|(one, other)| (&one.figure.area, &other.figure.area))
            .collect();
        let told_from = |area: &AreaCode| {
            let other = |(one, other): &(&AreaCode, &AreaCode)| match () {
                () if *one == area => Some((*other).clone()),
                () if *other == area => Some((*one).clone()),
                () => None,
            };
            distinct.iter().filter_map(other).collect::<Vec<_>>()
        };
        let own = (!found.is_empty()).then_some(newest);
        let all = own.into_iter().chain(found.iter().map(|(_, read)| read));
        let lines = all.map(|read| BesideLine {
            figure: read.text.clone(),
            distinct_from: told_from(&read.figure.area),
        });
        (lines.collect(), comparisons)
    }
}

/// An indicator's number with its letter: `16b`.
pub(super) fn number_of(indicator: &Indicator) -> String {
    indicator.number.to_string() + &indicator.letter.map(String::from).unwrap_or_default()
}

/// The baseline among earlier figures: that of the quarter which the target names, or the first.
fn baseline<'r, 'a>(aim: Aim, earlier: &'r [Read<'a>]) -> Option<&'r Read<'a>> {
    match aim.baseline {
        Some(quarter) => earlier.iter().find(|read| read.frozen.release.quarter == quarter),
        None => earlier.first(),
    }
}

fn changes(aim: Option<Aim>, newest: &Read<'_>, earlier: &[Read<'_>]) -> Vec<ChangeText> {
    let quarter = newest.frozen.release.quarter;
    let year_before = (0..4).fold(quarter, |quarter, _| quarter.previous());
    let of = |quarter| earlier.iter().find(|read| read.frozen.release.quarter == quarter);
    let baseline = aim.filter(|aim| !aim.is_level).and_then(|aim| baseline(aim, earlier));
    let wanted =
        [("previous", earlier.last()), ("year_before", of(year_before)), ("baseline", baseline)];
    let mut told: Vec<ChangeText> = Vec::new();
    for (against, first) in wanted {
        let Some(first) = first else { continue };
        let since = first.frozen.release.quarter;
        let both = first.compared.as_ref().zip(newest.compared.as_ref());
        let difference = both.and_then(|(first, second)| second.less(first, 1));
        if let Some(difference) = difference
            && told.iter().all(|change| change.since != since)
        {
            told.push(ChangeText::of(against, since, &difference, newest.text.unit));
        }
    }
    told
}

fn standing(aim: Aim, newest: &Read<'_>, earlier: &[Read<'_>]) -> TargetText {
    if aim.is_level {
        let interval = match newest.figure.value {
            Released::Shown(reading) if newest.compared.is_some() => {
                Some((reading.lower, reading.upper))
            }
            _ => None,
        };
        return target_text(aim.level_standing(interval), None, None);
    }
    let Some(first) = baseline(aim, earlier) else {
        return target_text(Standing::NoBaseline, None, None);
    };
    let both = first.compared.as_ref().zip(newest.compared.as_ref());
    let ratio = both.and_then(|(first, second)| second.times(first));
    let since = first.frozen.release.quarter;
    target_text(aim.standing(ratio), Some(since), ratio)
}

fn target_text(
    standing: Standing,
    baseline: Option<Quarter>,
    ratio: Option<crate::disclosure::difference::Ratio>,
) -> TargetText {
    let percent = |times: f64| match times.is_finite() {
        true => signed(100.0 * (times - 1.0), 0),
        false => String::new(),
    };
    TargetText {
        code: standing.code(),
        words: standing.words(),
        baseline,
        change: ratio.map(|ratio| percent(ratio.value)).unwrap_or_default(),
        lower: ratio.map(|ratio| percent(ratio.lower)).unwrap_or_default(),
        upper: ratio.map(|ratio| percent(ratio.upper)).unwrap_or_default(),
    }
}

impl ChangeText {
    fn of(
        against: &'static str,
        since: Quarter,
        difference: &Difference,
        unit: &'static str,
    ) -> Self {
        // A ratio's figures are thousandths of one, a percentage's differences points.
        let (unit, by, places) = match (difference.unit, unit) {
            (Unit::Count, unit) => (unit, 1.0, 0),
            (Unit::Percent | Unit::Points, "ratio") => ("ratio", 0.01, 3),
            (Unit::Percent | Unit::Points, _) => ("points", 1.0, 1),
        };
        Self {
            against,
            since,
            value: signed(by * difference.value, places),
            lower: signed(by * difference.lower, places),
            upper: signed(by * difference.upper, places),
            margin: format!("{:.places$}", by * difference.margin),
            unit,
            is_distinct: difference.is_distinct,
        }
    }
}

/// A number with its sign; nothing has none.
fn signed(value: f64, places: usize) -> String {
    let text = format!("{value:+.places$}");
    if text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        text
    } else {
        format!("{:.places$}", 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_stand_before_what_is_not_nothing() {
        assert_eq!(
            [signed(5.0, 0), signed(-0.04, 1), signed(-12.25, 1), signed(0.0004, 3)],
            ["+5", "0.0", "-12.2", "0.000"]
        );
    }

    #[test]
    fn a_target_is_told_with_its_change_only_where_there_is_one() {
        let told = target_text(Standing::NoBaseline, None, None);
        assert_eq!((told.code, told.change.as_str()), ("no_baseline", ""));
        let ratio =
            crate::disclosure::difference::Ratio { value: 0.93, lower: 0.8, upper: f64::INFINITY };
        let told = target_text(Standing::NotDistinguishable, None, Some(ratio));
        assert_eq!([told.change, told.lower, told.upper], ["-7", "-20", ""].map(str::to_owned));
    }
}
