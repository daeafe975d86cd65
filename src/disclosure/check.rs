//! What can be wrong with a catalogue, explained one mistake at a time.

use super::{
    catalogue::{Base, Catalogue, Indicator, Measure, Months, Table, TargetKind},
    classify::{Classification, Recurs},
    lives::most_quarters,
};
use crate::domain::{IndicatorId, RecordType, TableId};
use std::collections::BTreeSet;

/// One thing that is wrong with a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// Two tables of one id.
    #[error("table {0} is declared twice")]
    TableTwice(TableId),
    /// No classification fills the table.
    #[error("table {0}: this program has no classification of that name")]
    NoClassification(TableId),
    /// The cells are not the classification's.
    #[error("table {0}: its cells are not those of its classification, in their order")]
    Cells(TableId),
    /// Another base than the classification's.
    #[error("table {0}: too delicate to be counted for anything but the authority")]
    BaseTooFine(TableId),
    /// The cap is 0.
    #[error("table {0}: the cap must be 1 or more, as a person can be in one cell")]
    Cap(TableId),
    /// Fewer periods than a person can be in the table for.
    #[error("table {table}: a person can be in it for {least} quarters; it declares fewer")]
    Periods {
        /// The table.
        table: TableId,
        /// The least that it must declare.
        least: u32,
    },
    /// No noise, or more than the noise tables hold.
    #[error(
        "table {0}: the variance must be 1 to 100,000; only bodies that are no natural persons may \
         be counted exactly, by a variance of 0"
    )]
    Variance(TableId),
    /// The classification gives a person more cells than the cap.
    #[error("table {table}: one person can be in {least} of its cells; it declares a smaller cap")]
    CapTooSmall {
        /// The table.
        table: TableId,
        /// The least that it must declare.
        least: u32,
    },
    /// The classification admits people whom the declaration leaves out.
    #[error("table {0}: it can hold people of other ages than it declares (`ages`, `adults`)")]
    Ages(TableId),
    /// A quarter that no year has, or one twice.
    #[error("table {0}: `due` names quarters of the year, 1 to 4, each once")]
    Due(TableId),
    /// A yearly table that is due more often.
    #[error("table {0}: what it counts is a year's; it must be due in exactly one quarter")]
    Yearly(TableId),
    /// A subtotal that names no cells, or others than the table's.
    #[error("table {0}: its subtotals must name cells of it, each once, at least one")]
    Subtotal(TableId),
    /// A target that can't be reached or has a baseline that means nothing.
    #[error("indicator {0}: a target's percentage is 1 to 100, and only a change has a baseline")]
    Target(IndicatorId),
    /// A dimension without parts, or two of one name.
    #[error("indicator {0}: each breakdown needs a dimension of its own and at least one part")]
    Dimension(IndicatorId),
    /// A record type that the classification reads is not declared.
    #[error("table {table}: it reads {missing}, which is not among its sources")]
    Source {
        /// The table.
        table: TableId,
        /// The record type.
        missing: RecordType,
    },
    /// Two indicators of one id or number.
    #[error("indicator {0} is declared twice, or its number is")]
    IndicatorTwice(IndicatorId),
    /// Two parts of one id.
    #[error("indicator {0}: two parts of one id")]
    PartTwice(IndicatorId),
    /// A measure reads a table that is not there.
    #[error("indicator {indicator}: no table {table}")]
    NoTable {
        /// The indicator.
        indicator: IndicatorId,
        /// The table it names.
        table: TableId,
    },
    /// A measure reads a cell that is not there, or one cell twice, or none.
    #[error("indicator {0}: it must name cells of its table, each once, at least one")]
    NoCell(IndicatorId),
    /// A share's numerator is not within its denominator.
    #[error("indicator {0}: what is counted must be part of what it is counted out of")]
    NumeratorOutside(IndicatorId),
    /// The two shares of a gap are out of some of the same cells.
    #[error("indicator {0}: the two shares of a gap must be out of different cells")]
    GapOverlaps(IndicatorId),
    /// An assumed share above 100%, or nothing assumed.
    #[error("indicator {0}: assume 1 or more per thousand, and 0 to 100 percent")]
    Assumed(IndicatorId),
}

/// Every mistake of a catalogue; none for a right one.
#[must_use]
pub fn check(catalogue: &Catalogue) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut ids = BTreeSet::new();
    for table in &catalogue.tables {
        if !ids.insert(&table.id) {
            mistakes.push(Mistake::TableTwice(table.id.clone()));
        }
        check_table(table, &mut mistakes);
    }
    let (mut ids, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for indicator in &catalogue.indicators {
        if !ids.insert(&indicator.id) || !numbers.insert((indicator.number, indicator.letter)) {
            mistakes.push(Mistake::IndicatorTwice(indicator.id.clone()));
        }
        let mut parts = BTreeSet::new();
        if !indicator.parts().all(|part| parts.insert(&part.id)) {
            mistakes.push(Mistake::PartTwice(indicator.id.clone()));
        }
        let mut dimensions = BTreeSet::new();
        if !indicator.by.iter().all(|by| dimensions.insert(&by.dimension) && !by.parts.is_empty()) {
            mistakes.push(Mistake::Dimension(indicator.id.clone()));
        }
        check_target(indicator, &mut mistakes);
        let measures = std::iter::once((&indicator.measure, indicator.assumed))
            .chain(indicator.parts().map(|part| (&part.measure, part.assumed)));
        for (measure, assumed) in measures {
            check_measure(catalogue, &indicator.id, measure, &mut mistakes);
            if assumed.per_thousand == 0 || assumed.percent > 100 {
                mistakes.push(Mistake::Assumed(indicator.id.clone()));
            }
        }
    }
    mistakes
}

fn check_table(table: &Table, mistakes: &mut Vec<Mistake>) {
    let id = || table.id.clone();
    if table.cap == 0 {
        mistakes.push(Mistake::Cap(id()));
    }
    let numbers: BTreeSet<&u8> = table.due.iter().collect();
    if numbers.len() != table.due.len() || !numbers.iter().all(|n| (1..=4).contains(*n)) {
        mistakes.push(Mistake::Due(id()));
    }
    if !table.subtotals.values().all(|cells| !cells.is_empty() && each_once(table, cells)) {
        mistakes.push(Mistake::Subtotal(id()));
    }
    let Some(classification) = Classification::of(&table.id) else {
        mistakes.push(Mistake::NoClassification(id()));
        return;
    };
    if !table.cells.iter().eq(classification.cells()) {
        mistakes.push(Mistake::Cells(id()));
    }
    if classification.authority_only() && table.base != Base::Authority {
        mistakes.push(Mistake::BaseTooFine(id()));
    }
    let least_variance = u32::from(!classification.may_be_exact());
    if !(least_variance..=100_000).contains(&table.variance) {
        mistakes.push(Mistake::Variance(id()));
    }
    if table.cap > 0 && table.cap < classification.cap() {
        mistakes.push(Mistake::CapTooSmall { table: id(), least: classification.cap() });
    }
    let holds =
        |ages: Months| table.ages.is_some_and(|own| own.from <= ages.from && ages.to <= own.to);
    let children = classification.ages().is_none_or(holds);
    if !children || (classification.adults() && !table.adults) {
        mistakes.push(Mistake::Ages(id()));
    }
    if classification.recurs() == Recurs::OnceIfYearly && table.due.len() != 1 {
        mistakes.push(Mistake::Yearly(id()));
    }
    let least = match classification.recurs() {
        Recurs::Once | Recurs::OnceIfYearly => 1,
        Recurs::WhileOfAge => most_quarters(table.ages, table.adults, &table.due),
    };
    if table.periods < least {
        mistakes.push(Mistake::Periods { table: id(), least });
    }
    for needed in classification.reads() {
        if !table.sources.contains(needed) {
            mistakes.push(Mistake::Source { table: id(), missing: *needed });
        }
    }
}

fn each_once(table: &Table, cells: &[String]) -> bool {
    let mut seen = BTreeSet::new();
    cells.iter().all(|cell| table.cells.contains(cell) && seen.insert(cell))
}

fn check_target(indicator: &Indicator, mistakes: &mut Vec<Mistake>) {
    let Some(target) = &indicator.target else { return };
    let is_change = target.kind == TargetKind::Change;
    if !(1..=100).contains(&target.percent) || (target.baseline.is_some() && !is_change) {
        mistakes.push(Mistake::Target(indicator.id.clone()));
    }
}

fn check_measure(
    catalogue: &Catalogue,
    indicator: &IndicatorId,
    measure: &Measure,
    mistakes: &mut Vec<Mistake>,
) {
    let Some(table) = catalogue.table(measure.table()) else {
        let table = measure.table().clone();
        mistakes.push(Mistake::NoTable { indicator: indicator.clone(), table });
        return;
    };
    let second_needed = !matches!(measure, Measure::Count { .. });
    let right = |(first, second): (&[String], &[String])| {
        each_once(table, first)
            && each_once(table, second)
            && !first.is_empty()
            && (!second_needed || !second.is_empty())
    };
    let own = measure.cells();
    if !right(own) || !measure.against().is_none_or(right) {
        mistakes.push(Mistake::NoCell(indicator.clone()));
    }
    let within = |(first, second): (&[String], &[String])| first.iter().all(|c| second.contains(c));
    let is_share = matches!(measure, Measure::Share { .. } | Measure::Gap { .. });
    if is_share && !(within(own) && measure.against().is_none_or(within)) {
        mistakes.push(Mistake::NumeratorOutside(indicator.clone()));
    }
    // The interval of a gap takes the two noises for independent.
    if measure.against().is_some_and(|(_, of)| of.iter().any(|cell| own.1.contains(cell))) {
        mistakes.push(Mistake::GapOverlaps(indicator.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks the shipped catalogue and returns its mistakes' words.
    fn broken(breaking: impl FnOnce(&mut Catalogue)) -> Vec<String> {
        let mut catalogue = Catalogue::shipped().unwrap();
        breaking(&mut catalogue);
        check(&catalogue).iter().map(ToString::to_string).collect()
    }

    fn named<'a>(catalogue: &'a mut Catalogue, id: &str) -> &'a mut Table {
        catalogue.tables.iter_mut().find(|table| table.id.as_str() == id).unwrap()
    }

    fn assert_says(mistakes: &[String], words: &str) {
        assert!(mistakes.iter().any(|m| m.contains(words)), "{words}: {mistakes:?}");
    }

    #[test]
    fn a_right_catalogue_has_no_mistakes() {
        assert!(broken(|_| ()).is_empty());
    }

    #[test]
    fn each_mistake_of_a_table_is_explained() {
        assert_says(&broken(|c| c.tables.push(c.tables[0].clone())), "declared twice");
        assert_says(&broken(|c| c.tables[0].id = "wealth".parse().unwrap()), "no classification");
        assert_says(&broken(|c| c.tables[0].cells.swap(0, 1)), "not those of its classification");
        assert_says(&broken(|c| named(c, "family_types").base = Base::ReachArea), "too delicate");
        assert_says(&broken(|c| c.tables[0].cap = 0), "cap must be");
        assert_says(&broken(|c| c.tables[0].periods = 19), "for 20 quarters");
        assert_says(&broken(|c| c.tables[0].variance = 0), "variance must be");
        assert_says(
            &broken(|c| {
                named(c, "engagement").sources.retain(|s| *s != RecordType::Attendance);
            }),
            "reads attendance",
        );
        assert_says(&broken(|c| named(c, "learning").adults = false), "other ages");
        assert_says(&broken(|c| named(c, "twos").ages = None), "other ages");
        assert_says(&broken(|c| named(c, "learning").cap = 1), "smaller cap");
        assert_says(&broken(|c| named(c, "cohort_two").due.clear()), "exactly one quarter");
        assert_says(&broken(|c| named(c, "nursery").due.push(1)), "each once");
        assert_says(
            &broken(|c| {
                named(c, "registered").subtotals.insert("x".into(), vec!["nobody".into()]);
            }),
            "subtotals",
        );
        // Exact counts are for bodies alone, which need none of it.
        assert_says(&broken(|c| named(c, "providers").variance = 0), "natural persons");
        assert!(broken(|c| named(c, "schools").variance = 5).is_empty());
    }

    #[test]
    fn each_mistake_of_an_indicator_is_explained() {
        assert_says(&broken(|c| c.indicators[1].number = 1), "its number is");
        assert_says(&broken(|c| c.indicators[1].by[0].parts.clear()), "at least one part");
        assert_says(&broken(|c| c.indicators[6].target.as_mut().unwrap().percent = 0), "1 to 100");
        assert_says(
            &broken(|c| {
                let by = &mut c.indicators[1].by[0];
                by.parts[1].id = by.parts[0].id.clone();
            }),
            "two parts",
        );
        assert_says(&broken(|c| c.tables.retain(|t| t.id.as_str() != "births")), "no table births");
        let cells = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let births: TableId = "births".parse().unwrap();
        for wrong in [cells(&[]), cells(&["born", "born"]), cells(&["unborn"])] {
            let measure = Measure::Count { table: births.clone(), cells: wrong };
            assert_says(&broken(|c| c.indicators[0].measure = measure), "each once");
        }
        let measure = Measure::Share {
            table: "prompt".parse().unwrap(),
            numerator: cells(&["prompt"]),
            denominator: cells(&["not_prompt"]),
        };
        assert_says(&broken(|c| c.indicators[3].measure = measure), "part of what");
        assert_says(&broken(|c| c.indicators[0].assumed.percent = 101), "0 to 100 percent");
    }
}
