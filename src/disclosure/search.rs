//! Finding what is published by the words that people use for it.
//!
//! Why it exists: whoever is about to ask an agency for a figure should find first that it is
//! there. It reads the catalogue alone, which every release names and every controller signed.
//!
//! Words are cut to their stems, numbers are figures, and the field's words for one thing count
//! as one. An indicator is found by its title first, then its parts' titles, its own definition
//! and what it is out of; rarer words weigh more. What matches by fewer than half of the words
//! asked for is not shown beside what matches by all of them.

use super::catalogue::{Catalogue, Indicator};
use crate::domain::IndicatorId;
use std::collections::{BTreeMap, BTreeSet};

/// The most words of a question that are looked at.
const MOST_WORDS: usize = 24;
/// How much a word weighs in a title, a part's title, and in a definition or denominator.
const WEIGHTS: [f64; 3] = [4.0, 2.5, 1.0];

/// Words that say nothing here.
const EMPTY: [&str; 37] = [
    "a", "an", "and", "any", "are", "as", "at", "be", "by", "for", "from", "had", "has", "have",
    "how", "in", "is", "it", "many", "much", "number", "of", "on", "or", "our", "out", "per",
    "share", "that", "the", "their", "those", "to", "was", "were", "with", "who",
];

/// Words that stand for one thing; each list's first is the one that is compared.
const ALIKE: [&[&str]; 22] = [
    &["birth", "born", "newborn", "baby", "babi"],
    &["child", "children", "kid", "infant", "toddler"],
    &["register", "enrol", "member", "membership", "registration", "sign"],
    &["attend", "attendance", "use", "user", "came", "come", "footfall", "visitor"],
    &["sustain", "regular", "repeat", "engage", "engagement"],
    &["prompt", "promptly", "early", "soon", "quickly"],
    &["review", "visit", "check", "assessment", "assess"],
    &["breastfeed", "breastfed", "feed"],
    &["fund", "place", "nurseri", "childcare", "entitlement", "takeup", "take"],
    &["eligible", "entitl", "qualify", "qualif"],
    &["refer", "referral", "signpost"],
    &["family", "famili", "household"],
    &["cp", "protection", "safeguard"],
    &["cin", "need"],
    &["tf", "trouble", "support", "supporting"],
    &["father", "dad", "male"],
    &["adult", "parent", "carer", "mother", "mum"],
    &["learn", "learner", "course", "esol", "qualification"],
    &["work", "job", "employ", "employment", "volunteer"],
    &["depriv", "deprivation", "poor", "poverti", "imd"],
    &["develop", "development", "asq", "gld", "readiness"],
    &["know", "known", "reach", "unreach"],
];

const NUMBERS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
];

/// An indicator that fits a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The indicator.
    pub indicator: IndicatorId,
    /// The parts whose titles have a word that was asked for and the indicator's has not.
    pub parts: Vec<String>,
    /// How well it fits: 1 where every word is in its title.
    pub fit: f64,
}

/// The indicators that fit a question, the best first; those that fit alike in the catalogue's
/// order. An empty question finds all.
#[must_use]
pub fn find(catalogue: &Catalogue, question: &str) -> Vec<Found> {
    let asked: Vec<String> = words(question).into_iter().take(MOST_WORDS).collect();
    let texts: Vec<Texts> = catalogue.indicators.iter().map(Texts::of).collect();
    if asked.is_empty() && question.trim().is_empty() {
        return texts.into_iter().map(|texts| texts.found(1.0, Vec::new())).collect();
    }
    // A word that stands nowhere weighs most: it is what the reader asked for in vain.
    let weight = |word: &String| {
        let with = texts.iter().filter(|texts| texts.level(word).is_some()).count();
        (1.0 + texts.len() as f64 / (1.0 + with as f64)).ln()
    };
    let asked: BTreeMap<&String, f64> = asked.iter().map(|word| (word, weight(word))).collect();
    let whole: f64 = asked.values().sum();
    let mut found: Vec<(f64, usize, Found)> = Vec::new();
    for texts in texts {
        let matched: Vec<(&String, f64, usize)> = asked
            .iter()
            .filter_map(|(word, weight)| Some((*word, *weight, texts.level(word)?)))
            .collect();
        let fit: f64 =
            matched.iter().map(|(_, weight, level)| weight * WEIGHTS[*level] / WEIGHTS[0]).sum();
        let parts = texts.parts_with(&matched);
        if !matched.is_empty() {
            let count = matched.len();
            found.push((fit, count, texts.found(fit / whole, parts)));
        }
    }
    let most = found.iter().map(|(_, count, _)| *count).max().unwrap_or(0);
    found.retain(|(_, count, _)| 2 * count > most);
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, _, found)| found).collect()
}

/// An indicator's words, by how much they weigh.
struct Texts<'c> {
    indicator: &'c Indicator,
    levels: [BTreeSet<String>; 3],
}

impl<'c> Texts<'c> {
    fn of(indicator: &'c Indicator) -> Self {
        let titles: Vec<String> = indicator.parts().map(|part| part.title.clone()).collect();
        let dimensions: Vec<&str> = indicator.by.iter().map(|by| by.dimension.as_str()).collect();
        let id = indicator.id.as_str().replace('_', " ");
        let all = |texts: &[&str]| texts.iter().flat_map(|text| words(text)).collect();
        let levels = [
            all(&[&indicator.title, &id]),
            all(&[&titles.join(" "), &dimensions.join(" ").replace('_', " ")]),
            all(&[&indicator.definition, &indicator.denominator]),
        ];
        Self { indicator, levels }
    }

    fn level(&self, word: &str) -> Option<usize> {
        self.levels.iter().position(|held| held.contains(word))
    }

    fn parts_with(&self, matched: &[(&String, f64, usize)]) -> Vec<String> {
        let beyond: Vec<&String> =
            matched.iter().filter(|(.., level)| *level == 1).map(|(word, ..)| *word).collect();
        let named = self.indicator.parts().filter(|part| {
            let words = words(&part.title);
            beyond.iter().any(|word| words.contains(word.as_str()))
        });
        named.map(|part| part.id.clone()).collect()
    }

    fn found(&self, fit: f64, parts: Vec<String>) -> Found {
        Found { indicator: self.indicator.id.clone(), parts, fit }
    }
}

/// The words of a text that say something, in the form in which they are compared.
fn words(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !EMPTY.contains(word))
        .map(same)
        .collect()
}

/// The one word that stands for all of its forms and meanings.
fn same(word: &str) -> String {
    if let Some(number) = NUMBERS.iter().position(|name| *name == word || plural_of(name, word)) {
        return number.to_string();
    }
    let list = |word: &str| ALIKE.iter().find(|list| list.contains(&word)).map(|list| list[0]);
    let singular = word.strip_suffix('s').unwrap_or(word);
    list(word).or_else(|| list(singular)).map(str::to_owned).unwrap_or_else(|| {
        let stem = stem(word);
        list(&stem).map_or(stem, str::to_owned)
    })
}

/// "twos", "fives".
fn plural_of(name: &str, word: &str) -> bool {
    word.strip_suffix('s') == Some(name)
}

/// A word without its commonest English endings; short words stay.
fn stem(word: &str) -> String {
    for (ending, instead) in [
        ("ations", ""),
        ("ation", ""),
        ("ances", ""),
        ("ance", ""),
        ("ings", ""),
        ("ies", "i"),
        ("ing", ""),
        ("ers", ""),
        ("ed", ""),
        ("es", ""),
        ("ly", ""),
        ("er", ""),
        ("al", ""),
        ("s", ""),
        ("y", "i"),
        ("e", ""),
    ] {
        let Some(root) = word.strip_suffix(ending) else { continue };
        if root.chars().count() >= if ending == "s" { 3 } else { 4 } {
            let mut root = root.to_owned();
            let mut last = root.chars().rev();
            // "referred": the doubled consonant goes, too.
            if let (Some(a), Some(b)) = (last.next(), last.next())
                && a == b
                && !"lsz".contains(a)
                && instead.is_empty()
            {
                root.pop();
            }
            return root + instead;
        }
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(question: &str) -> Vec<String> {
        let catalogue = Catalogue::shipped().unwrap();
        find(&catalogue, question).into_iter().map(|found| found.indicator.to_string()).collect()
    }

    #[test]
    fn people_find_figures_by_their_own_words() {
        for (question, wanted) in [
            ("how many babies were born", "births"),
            ("births registered within 56 days", "prompt_registration"),
            ("under-fives by year of age", "under_fives"),
            ("new birth visit by day 14", "new_birth_visit"),
            ("breastfeeding at 6 weeks", "six_week_review"),
            ("school readiness", "good_development"),
            ("membership", "registered"),
            ("regular users", "sustained"),
            ("two-year-old funded places", "two_year_take_up"),
            ("people referred", "referrals"),
            ("families on child protection plans", "families_known"),
            ("registered but never attending", "registered_not_attending"),
        ] {
            let found = first(question);
            assert_eq!(found.first().map(String::as_str), Some(wanted), "{question}: {found:?}");
        }
    }

    #[test]
    fn what_is_not_there_finds_nothing_or_what_comes_near() {
        assert!(first("zebra crossings").is_empty());
        assert!(first("the of and").is_empty());
        let all = Catalogue::shipped().unwrap().indicators.len();
        assert_eq!(first("  ").len(), all, "no question lists everything");
        assert!(first("registered").len() < all);
    }

    #[test]
    fn parts_are_named_by_their_own_words() {
        let found = find(&Catalogue::shipped().unwrap(), "families known child protection");
        assert_eq!(found[0].indicator.as_str(), "families_known");
        assert!(!found[0].parts.is_empty() && found[0].fit > 0.5, "{found:?}");
    }

    #[test]
    fn forms_of_a_word_are_one() {
        for (a, b) in [
            ("registered", "registration"),
            ("attending", "attendances"),
            ("referred", "referrals"),
            ("families", "family"),
            ("two", "2"),
            ("twos", "2"),
            ("dads", "fathers"),
        ] {
            assert_eq!(same(a), same(b), "{a} {b}");
        }
        assert_ne!(same("register"), same("refer"));
    }
}
