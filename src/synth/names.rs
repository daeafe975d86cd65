//! Names by origin, cut down from Faker (MIT licence).

use super::dice::Dice;

const NAMES: &str = include_str!("data/names.csv");

/// Origins with their share of households (per hundred) and where their names come from. Faker has no
/// Pakistani forenames and no Polish surnames, so neighbours in the list lend them.
const ORIGINS: [(u32, &str, &str); 8] = [
    (60, "en_GB", "en_GB"),
    (13, "en_IN", "en_IN"),
    (10, "en_IN", "en_PK"),
    (4, "pl_PL", "en_GB"),
    (5, "ro_RO", "ro_RO"),
    (1, "pt_PT", "pt_PT"),
    (3, "tw_GH", "tw_GH"),
    (4, "yo_NG", "yo_NG"),
];

/// A household's origin: a position in the list above.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin(u8);

impl Origin {
    /// What people of it are called as a group.
    pub(super) fn name(self) -> &'static str {
        const NAMES: [&str; ORIGINS.len()] = [
            "british",
            "indian",
            "pakistani",
            "polish",
            "romanian",
            "portuguese",
            "ghanaian",
            "nigerian",
        ];
        NAMES[usize::from(self.0)]
    }

    /// The NHS's code of the ethnic group.
    pub(super) fn nhs_code(self) -> &'static str {
        const CODES: [&str; ORIGINS.len()] = ["A", "H", "J", "C", "C", "C", "N", "N"];
        CODES[usize::from(self.0)]
    }

    /// Whether the household counts as a minority ethnic one.
    pub(super) fn is_minority(self) -> bool {
        self.0 != 0
    }
}

/// The lists, by origin.
pub(super) struct Names {
    female: Vec<Vec<&'static str>>,
    male: Vec<Vec<&'static str>>,
    surnames: Vec<Vec<&'static str>>,
}

impl Names {
    pub(super) fn new() -> Self {
        let all = |kind: &str, family: bool| {
            ORIGINS
                .iter()
                .map(|(_, given, surname)| list(if family { surname } else { given }, kind))
                .collect()
        };
        Self {
            female: all("forename_f", false),
            male: all("forename_m", false),
            surnames: all("surname", true),
        }
    }

    pub(super) fn origin(&self, dice: &mut Dice) -> Origin {
        Origin(dice.weighted(&ORIGINS.map(|(share, _, _)| share)))
    }

    pub(super) fn forename(&self, origin: Origin, male: bool, dice: &mut Dice) -> &'static str {
        let lists = if male { &self.male } else { &self.female };
        draw(&lists[usize::from(origin.0)], dice)
    }

    pub(super) fn surname(&self, origin: Origin, dice: &mut Dice) -> &'static str {
        draw(&self.surnames[usize::from(origin.0)], dice)
    }
}

/// The earlier half of a list is drawn three times as often as the later one.
fn draw(list: &[&'static str], dice: &mut Dice) -> &'static str {
    let position = dice.index(list.len()).min(dice.index(list.len()));
    list.get(position).copied().unwrap_or("Doe")
}

fn list(origin: &str, kind: &str) -> Vec<&'static str> {
    NAMES
        .lines()
        .filter_map(|line| {
            let (line_origin, rest) = line.split_once(',')?;
            let (line_kind, names) = rest.split_once(',')?;
            (line_origin == origin && line_kind == kind).then(|| names.split(' ').collect())
        })
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_origin_has_names() {
        let names = Names::new();
        for lists in [&names.female, &names.male, &names.surnames] {
            assert_eq!(lists.len(), ORIGINS.len());
            for list in lists {
                assert!(list.len() >= 40);
                assert!(list.iter().all(|name| !name.is_empty() && !name.contains(',')));
            }
        }
    }
}
