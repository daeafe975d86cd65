//! A catalogue's mistakes with the lines that they stand in.
//!
//! Why it exists: whoever writes a catalogue reads its text, and a rule that is broken in line
//! 214 should say so. The check works on the meaning; here the place is found again: the entry of
//! that id, and in it the key that the rule is about.

use super::{
    DisclosureError,
    catalogue::Catalogue,
    check::{Mistake, check},
};

/// A mistake and its line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The line of the key that is at fault, or of the entry where the key is missing.
    pub line: usize,
    /// What is wrong.
    pub mistake: Mistake,
}

/// What kind of entry, and which.
enum Entry<'a> {
    Table(&'a str),
    Indicator(&'a str),
}

/// Reads a catalogue's text, and says what is wrong with it: nothing for a right one.
///
/// # Errors
/// [`DisclosureError::UnreadableCatalogue`] with the line, where it is not TOML of the shape.
pub fn explain(text: &str) -> Result<(Catalogue, Vec<Explained>), DisclosureError> {
    let catalogue = Catalogue::read(text)?;
    let explained = check(&catalogue).into_iter().map(|mistake| {
        let (entry, key, again) = place(&mistake);
        Explained { line: line_of(text, &entry, key, again), mistake }
    });
    let mut explained: Vec<Explained> = explained.collect();
    explained.sort_by_key(|explained| explained.line);
    Ok((catalogue, explained))
}

/// The entry, the key, and whether the second entry of that id is meant.
fn place(mistake: &Mistake) -> (Entry<'_>, &'static str, bool) {
    use Mistake as M;
    let table = |id, key| (Entry::Table(id), key, false);
    let indicator = |id, key| (Entry::Indicator(id), key, false);
    match mistake {
        M::TableTwice(id) => (Entry::Table(id.as_str()), "id", true),
        M::NoClassification(id) => table(id.as_str(), "id"),
        M::Cells(id) => table(id.as_str(), "cells"),
        M::BaseTooFine(id) => table(id.as_str(), "base"),
        M::Cap(id) => table(id.as_str(), "cap"),
        M::CapTooSmall { table: id, .. } => table(id.as_str(), "cap"),
        M::Periods { table: id, .. } => table(id.as_str(), "periods"),
        M::Variance(id) => table(id.as_str(), "variance"),
        M::Ages(id) => table(id.as_str(), "ages"),
        M::Due(id) | M::Yearly(id) => table(id.as_str(), "due"),
        M::Subtotal(id) => table(id.as_str(), "[tables.subtotals]"),
        M::Source { table: id, .. } => table(id.as_str(), "sources"),
        M::IndicatorTwice(id) => (Entry::Indicator(id.as_str()), "number", true),
        M::PartTwice(id) | M::Dimension(id) => indicator(id.as_str(), "[[indicators.by]]"),
        M::NoTable { indicator: id, .. } => indicator(id.as_str(), "measure"),
        M::NoCell(id) | M::NumeratorOutside(id) | M::GapOverlaps(id) => {
            indicator(id.as_str(), "measure")
        }
        M::Assumed(id) => indicator(id.as_str(), "assumed"),
        M::Target(id) => indicator(id.as_str(), "target"),
    }
}

/// The line of a key of an entry; of the entry's id where it has no such key.
fn line_of(text: &str, entry: &Entry<'_>, key: &str, again: bool) -> usize {
    let (heading, id) = match entry {
        Entry::Table(id) => ("[[tables]]", *id),
        Entry::Indicator(id) => ("[[indicators]]", *id),
    };
    let lines: Vec<(usize, &str)> = (1..).zip(text.lines().map(str::trim)).collect();
    let starts = |line: &str| matches!(line, "[[tables]]" | "[[indicators]]");
    let mut found: Vec<(usize, usize)> = Vec::new();
    for block in lines.split_inclusive(|(_, line)| starts(line)).collect::<Vec<_>>().windows(2) {
        // A block ends with the next one's heading.
        if block[0].last().is_none_or(|(_, line)| *line != heading) {
            continue;
        }
        let own = |wanted: &str| {
            let is_key = |line: &str| match wanted.strip_prefix('[') {
                Some(_) => line.starts_with(wanted),
                None => line
                    .strip_prefix(wanted)
                    .is_some_and(|rest| rest.trim_start().starts_with(['=', '.'])),
            };
            block[1].iter().find(|(_, line)| is_key(line)).copied()
        };
        let quoted = format!("\"{id}\"");
        if let Some((at, _)) = own("id").filter(|(_, line)| line.ends_with(quoted.as_str())) {
            let dotted = match key {
                "measure" => own(key).or_else(|| own("[indicators.measure]")),
                _ => own(key),
            };
            found.push((at, dotted.map_or(at, |(line, _)| line)));
        }
    }
    let which = if again { found.get(1).or(found.first()) } else { found.first() };
    which.map_or(0, |(_, line)| *line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("catalogue.toml");

    /// The mistakes of the shipped catalogue with something replaced in one table or indicator, and
    /// the line where it was.
    fn broken(id: &str, from: &str, to: &str) -> (usize, Vec<Explained>) {
        let start = SHIPPED.find(&format!("id = \"{id}\"\n")).unwrap();
        let at = start + SHIPPED[start..].find(from).unwrap();
        let text = format!("{}{to}{}", &SHIPPED[..at], &SHIPPED[at + from.len()..]);
        let line = text[..at].matches('\n').count() + 1;
        (line, explain(&text).unwrap().1)
    }

    #[test]
    fn each_mistake_names_the_line_that_it_stands_in() {
        for (id, from, to, words) in [
            ("engagement", "cap = 1", "cap = 0", "cap must be"),
            ("engagement", "periods = 20", "periods = 19", "for 20 quarters"),
            ("engagement", "variance = 110", "variance = 0", "variance must be"),
            ("target_groups", "cap = 4", "cap = 3", "smaller cap"),
            ("twos", "ages = { from = 18", "ages = { from = 20", "other ages"),
            ("wellbeing", "due = [4]", "due = [2, 4]", "exactly one quarter"),
            ("nursery", "due = [1, 3, 4]", "due = [1, 3, 5]", "1 to 4"),
            ("family_types", "base = \"authority\"", "base = \"reach_area\"", "too delicate"),
            ("non_attenders_surveyed", "percent = 100 }\n", "percent = 101 }\n", "1 to 100"),
        ] {
            let (line, found) = broken(id, from, to);
            let told = found.iter().find(|e| e.mistake.to_string().contains(words));
            let told = told.unwrap_or_else(|| panic!("{id} {words}: {found:?}"));
            assert_eq!(told.line, line, "{id} {words}");
        }
    }

    #[test]
    fn a_right_catalogue_has_none_and_what_is_no_toml_its_line() {
        assert!(explain(SHIPPED).unwrap().1.is_empty());
        let wrong = SHIPPED.replacen("cap = 1", "cap = \"one\"", 1);
        let line = wrong.lines().position(|line| line == "cap = \"one\"").unwrap() + 1;
        assert_eq!(explain(&wrong).err(), Some(DisclosureError::UnreadableCatalogue { line }));
    }
}
