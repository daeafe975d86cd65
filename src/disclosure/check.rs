//! What can be wrong with a catalogue, explained one mistake at a time.

use super::{
    catalogue::{Base, Catalogue, Measure, Table},
    classify::Classification,
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
    #[error("table {0}: the variance must be 1 to 100,000")]
    Variance(TableId),
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
        if !ids.insert(&indicator.id) || !numbers.insert(indicator.number) {
            mistakes.push(Mistake::IndicatorTwice(indicator.id.clone()));
        }
        let mut parts = BTreeSet::new();
        if !indicator.parts().all(|part| parts.insert(&part.id)) {
            mistakes.push(Mistake::PartTwice(indicator.id.clone()));
        }
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
    if !(1..=100_000).contains(&table.variance) {
        mistakes.push(Mistake::Variance(id()));
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
    let least = classification.periods();
    if table.periods < least {
        mistakes.push(Mistake::Periods { table: id(), least });
    }
    for needed in classification.reads() {
        if !table.sources.contains(needed) {
            mistakes.push(Mistake::Source { table: id(), missing: *needed });
        }
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
    let (first, second) = measure.cells();
    let each_once = |cells: &[String]| {
        let mut seen = BTreeSet::new();
        cells.iter().all(|cell| table.cells.contains(cell) && seen.insert(cell))
    };
    let second_needed = !matches!(measure, Measure::Count { .. });
    if !each_once(first)
        || !each_once(second)
        || first.is_empty()
        || (second_needed && second.is_empty())
    {
        mistakes.push(Mistake::NoCell(indicator.clone()));
    }
    if matches!(measure, Measure::Share { .. }) && !first.iter().all(|c| second.contains(c)) {
        mistakes.push(Mistake::NumeratorOutside(indicator.clone()));
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
        assert_says(&broken(|c| c.tables[7].base = Base::ReachArea), "too delicate");
        assert_says(&broken(|c| c.tables[0].cap = 0), "cap must be");
        assert_says(&broken(|c| c.tables[0].periods = 19), "for 20 quarters");
        assert_says(&broken(|c| c.tables[0].variance = 0), "variance must be");
        assert_says(
            &broken(|c| c.tables[0].sources.retain(|s| *s != RecordType::Attendance)),
            "reads attendance",
        );
    }

    #[test]
    fn each_mistake_of_an_indicator_is_explained() {
        assert_says(&broken(|c| c.indicators[1].number = 1), "its number is");
        assert_says(
            &broken(|c| {
                let by = c.indicators[1].by.as_mut().unwrap();
                by.parts[1].id = by.parts[0].id.clone();
            }),
            "two parts",
        );
        assert_says(&broken(|c| drop(c.tables.remove(2))), "no table births");
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
