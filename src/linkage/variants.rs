//! By what fields are compared where they are not equal: the forms that survive an error.
//!
//! Version 2 of the forms ([`FORM_RULES`]), beside the normal forms of `normalise`, which the
//! rungs' keys keep. Names: other scripts in Latin letters; the sound (double metaphone's first code);
//! the first letter, the first three, the last three, first and last, all letters sorted (a swap of two
//! leaves them as they are); double-barrelled surnames by their parts; surnames without their prefix
//! (Mc, Mac, O', de, van, al-); forenames by the groups of names that stand for one another
//! (`data/variants.txt`). Dates: two of their three parts, and with day and month in either order.
//! Postcodes: the sector, the inward part, all characters sorted.
//!
//! A forename that is known as a name (`data/forenames.txt`) is no typing error of another known
//! name: by that twins are told from mistakes.

use super::metaphone::double_metaphone;
use super::normalise;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// The version of the forms: of this file and its data. It enters every tag and lookup key, so that
/// those of different versions never meet, and partners that make them themselves state it.
pub const FORM_RULES: u16 = 2;

const VARIANTS: &str = include_str!("data/variants.txt");
const FORENAMES: &str = include_str!("data/forenames.txt");

/// The groups that a forename is in, by their first names.
static GROUPS: LazyLock<HashMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut groups: HashMap<&str, Vec<&str>> = HashMap::new();
    for line in VARIANTS.lines().filter(|line| !line.starts_with('#')) {
        let mut first = None;
        for name in line.split_whitespace() {
            let first = *first.get_or_insert(name);
            let held = groups.entry(name).or_default();
            if !held.contains(&first) {
                held.push(first);
            }
        }
    }
    groups
});

static KNOWN: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| FORENAMES.split_whitespace().chain(GROUPS.keys().copied()).collect());

/// Words before a surname that are often left out.
const PARTICLES: [&str; 22] = [
    "de", "da", "di", "do", "dos", "du", "del", "della", "la", "le", "van", "von", "der", "den",
    "ter", "ten", "el", "al", "bin", "ibn", "abu", "o",
];

/// Forenames that many brothers share, so that the next name tells them apart.
const SHARED: [&str; 5] = ["mohammed", "syed", "abdul", "muhammad", "md"];

/// A name's letters in Latin ones, lower case.
pub(super) fn latin(text: &str) -> String {
    let mut all = String::with_capacity(text.len() * 4 + 16);
    for letter in normalise::name(text).chars() {
        if letter.is_ascii() {
            all.push(letter);
        } else {
            let latin = deunicode::deunicode_char(letter).unwrap_or_default();
            all.extend(
                latin.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()),
            );
        }
    }
    all
}

fn words(text: &str) -> Vec<String> {
    let breaks = |c: char| {
        c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\'' | '\u{2019}' | '.')
    };
    text.split(breaks).map(latin).filter(|word| !word.is_empty()).collect()
}

/// A forename's first word, where it has several; else empty.
pub(super) fn first_of_several(text: &str) -> String {
    let mut words = words(text);
    if words.len() > 1 { words.swap_remove(0) } else { String::new() }
}

/// A forename but for its first word.
pub(super) fn rest_of_several(text: &str) -> String {
    words(text).get(1..).unwrap_or_default().concat()
}

/// Whether a forename is an initial.
pub(super) fn is_initial(text: &str) -> bool {
    latin(text).len() == 1
}

/// Whether a forename, or its first word, is known as a name.
pub(super) fn is_known(text: &str) -> bool {
    let whole = latin(text);
    let first = words(text).into_iter().next().unwrap_or_default();
    KNOWN.contains(whole.as_str()) || KNOWN.contains(first.as_str())
}

/// Whether a forename's first word is one that many brothers share.
pub(super) fn is_shared(text: &str) -> bool {
    let first = words(text).into_iter().next().unwrap_or_default();
    group(&first, 0) == "mohammed"
        || group(&first, 0) == "abdul"
        || SHARED.contains(&first.as_str())
}

fn group(name: &str, which: usize) -> &'static str {
    GROUPS.get(name).and_then(|groups| groups.get(which)).copied().unwrap_or_default()
}

/// The first group of a forename.
pub(super) fn first_group(text: &str) -> String {
    group(&latin(text), 0).to_owned()
}

/// The second group of a forename.
pub(super) fn second_group(text: &str) -> String {
    group(&latin(text), 1).to_owned()
}

/// A surname without its prefix; empty where it has none.
pub(super) fn stem(text: &str) -> String {
    let all = words(text);
    let last: String = all.iter().filter(|w| !PARTICLES.contains(&w.as_str())).cloned().collect();
    let whole = all.concat();
    let clan = ["mac", "mc"].iter().find_map(|clan| last.strip_prefix(clan));
    match clan.filter(|rest| rest.len() > 3) {
        Some(rest) => rest.to_owned(),
        None if last.len() > 2 && last.len() < whole.len() => last,
        None => String::new(),
    }
}

/// The parts of a double-barrelled surname.
fn parts(text: &str) -> Vec<String> {
    let mut parts = words(text);
    parts.retain(|word| word.len() > 2 && !PARTICLES.contains(&word.as_str()));
    parts
}

/// The first part of a double-barrelled surname; empty for others.
pub(super) fn first_part(text: &str) -> String {
    let mut parts = parts(text);
    if parts.len() > 1 { parts.swap_remove(0) } else { String::new() }
}

/// The last part of a double-barrelled surname; empty for others.
pub(super) fn last_part(text: &str) -> String {
    let mut parts = parts(text);
    if parts.len() > 1 { parts.pop().unwrap_or_default() } else { String::new() }
}

/// How it sounds; empty where that is too little to go by.
pub(super) fn sound(latin: &str) -> String {
    let (first, _) = double_metaphone(latin);
    if first.len() > 1 { first } else { String::new() }
}

pub(super) fn first_three(text: &str) -> String {
    text.chars().take(3).collect()
}

pub(super) fn initial(text: &str) -> String {
    text.chars().take(1).collect()
}

pub(super) fn last_three(text: &str) -> String {
    let letters = text.chars().count();
    text.chars().skip(letters.saturating_sub(3)).collect()
}

pub(super) fn ends(text: &str) -> String {
    text.chars().next().into_iter().chain(text.chars().next_back()).collect()
}

pub(super) fn sorted(text: &str) -> String {
    let mut all: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    all.sort_unstable();
    all.into_iter().collect()
}

/// The sector of a postcode; of a short foreign code all but its last character.
pub(super) fn sector(code: &str) -> String {
    let all = code.chars().count();
    code.chars().take(all.saturating_sub(if all > 4 { 2 } else { 1 })).collect()
}

/// The inward part of a postcode; of a short foreign code all but its first character.
pub(super) fn inward(code: &str) -> String {
    let all = code.chars().count();
    code.chars().skip(if all > 4 { all - 3 } else { 1 }).collect()
}

/// Digits and letters of a text: of a foreign postcode, a house's number, an identifier.
pub(super) fn compact(text: &str) -> String {
    let signs = text.chars().filter(|c| c.is_alphanumeric());
    signs.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn surnames_without_prefixes_and_by_parts() {
        let stems = [
            ("McDonald", "donald"),
            ("MacDonald", "donald"),
            ("O'Neill", "neill"),
            ("O\u{2019}Neill", "neill"),
            ("van der Berg", "berg"),
            ("Al-Hassan", "hassan"),
            ("de Souza", "souza"),
            ("Oyelaran", ""),
            ("Mack", ""),
            ("Smith", ""),
        ];
        for (name, expected) in stems {
            assert_eq!(stem(name), expected, "{name}");
        }
        assert_eq!(
            (first_part("Smith-Jones"), last_part("Smith Jones")),
            ("smith".into(), "jones".into())
        );
        assert_eq!((first_part("Smith"), last_part("de Souza")), (String::new(), String::new()));
    }

    #[test]
    fn forenames_by_group_word_and_script() {
        for (one, other) in [("Bill", "William"), ("Mohd", "Muhammad"), ("Kasia", "Katherine")] {
            let groups = |name| [first_group(name), second_group(name)];
            let shared = groups(one).iter().any(|g| !g.is_empty() && groups(other).contains(g));
            assert!(shared, "{one} and {other}");
        }
        assert_ne!(first_group("Hassan"), first_group("Hussain"), "twins' names");
        assert!(!first_group("alex").is_empty());
        assert_ne!(first_group("alex"), second_group("alex"));
        assert_eq!(
            (first_of_several("Mary Jane"), rest_of_several("Mary-Jane")),
            ("mary".into(), "jane".into())
        );
        assert_eq!(first_of_several("Mary"), "");
        assert_eq!(latin("Ольга"), "olga");
        assert!(is_shared("Mohammed Ali") && is_shared("Muhammad") && !is_shared("Ali"));
        assert!(is_known("Jack") && is_known("Anne-Marie") && !is_known("Jakc"));
        assert!(is_initial("J.") && !is_initial("Jo"));
    }

    #[test]
    fn no_name_is_in_more_than_two_groups() {
        let more: Vec<_> = GROUPS.iter().filter(|(_, groups)| groups.len() > 2).collect();
        assert!(more.is_empty(), "{more:?}");
    }

    proptest! {
        #[test]
        fn no_form_panics_and_latin_is_latin(text in "\\PC{0,30}") {
            let rules = [first_of_several, rest_of_several, first_group, second_group, stem,
                first_part, last_part, sound, first_three, initial, last_three, ends, sorted,
                sector, inward, compact];
            for rule in rules {
                let _ = rule(&text);
            }
            prop_assert!(latin(&text).bytes().all(|b| b.is_ascii_lowercase()));
        }
    }
}
