//! Normalised forms, so that one person's name is one text whoever wrote it.
//!
//! The rules are versioned: [`RULES`] enters every match key, so that keys of different rules never
//! meet. A change of any rule here needs a new version and a relinking.
//!
//! Version 1. Names: NFKD (Unicode UAX #15), combining marks dropped, lower case, letters that do
//! not decompose transliterated (ß ss, æ ae, ø o, ł l, þ th ...), and all but letters dropped:
//! spaces, hyphens, apostrophes, digits. Letters of other scripts stay. Postcodes: upper case, one
//! space; unknown (`ZZ99`) is absent. Dates of birth: `yyyymmdd`; a placeholder date is absent.

use crate::domain::place::canonical_postcode;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The version of all rules in this file.
pub const RULES: u16 = 1;

/// A letter that NFKD leaves whole, in base letters; `None` for all others.
fn transliterated(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' | 'ɖ' => "d",
        'ł' => "l",
        'þ' => "th",
        'ħ' => "h",
        'ı' => "i",
        'ĸ' => "k",
        'ŋ' => "n",
        'ŧ' => "t",
        'ə' | 'ǝ' => "e",
        'ɓ' => "b",
        'ɗ' => "d",
        'ƙ' => "k",
        'ƴ' => "y",
        'ɔ' => "o",
        'ɛ' => "e",
        _ => return None,
    })
}

/// A surname or forename. Empty where no letter is left.
pub(super) fn name(text: &str) -> String {
    // One byte of a name can become at most a few; the room avoids copies left by growth.
    let mut normal = String::with_capacity(text.len() * 3 + 16);
    // Lower case first may give marks (İ becomes i and a dot), so decompose after it as well.
    for letter in text.nfkd().flat_map(char::to_lowercase).nfkd() {
        if is_combining_mark(letter) {
            continue;
        }
        match transliterated(letter) {
            Some(letters) => normal.push_str(letters),
            None if letter.is_alphabetic() => normal.push(letter),
            None => {}
        }
    }
    normal
}

/// A postcode in canonical form; empty where it is none or unknown.
pub(super) fn postcode(text: &str) -> String {
    canonical_postcode(text).filter(|code| !code.starts_with("ZZ99")).unwrap_or_default()
}

/// A UPRN without leading zeros, which some systems pad with; empty where it is none.
pub(super) fn uprn(text: &str) -> String {
    let digits = text.trim().trim_start_matches('0');
    if digits.bytes().all(|b| b.is_ascii_digit()) { digits.to_owned() } else { String::new() }
}

/// Whether a normalised forename is what a system fills in before there is a name, or too short to
/// tell anyone apart.
pub(super) fn is_placeholder_forename(normal: &str) -> bool {
    const WHOLE: [&str; 14] = [
        "na",
        "nk",
        "nofirstname",
        "noname",
        "none",
        "notgiven",
        "notknown",
        "notnamed",
        "notrecorded",
        "notyetnamed",
        "tba",
        "tbc",
        "unborn",
        "unnamed",
    ];
    // `Baby of Amina`, `Baby Boy Smith`, `Infant of`, `First Twin`, `Unknown male`.
    const BEGINNINGS: [&str; 8] = [
        "babyof",
        "infantof",
        "twinof",
        "babyboy",
        "babygirl",
        "firsttwin",
        "secondtwin",
        "unknown",
    ];
    normal.chars().count() < 2
        || WHOLE.contains(&normal)
        || BEGINNINGS.iter().any(|start| normal.starts_with(start))
        || is_filler(normal, false)
}

/// Whether a text is nothing but words for a child without a name, one after the other: `Boy Twin`,
/// `Newborn Male`, `Twin Girl B`. Numbers and letters count only behind a word that is counted, so
/// that names which begin like one (Malea) stay names.
fn is_filler(rest: &str, counted: bool) -> bool {
    const WORDS: [&str; 11] = [
        "babe", "boy", "child", "daughter", "female", "girl", "male", "neonate", "newborn", "son",
        "unnamed",
    ];
    const COUNTED: [&str; 5] = ["baby", "infant", "twin", "triplet", "quadruplet"];
    const NUMBERS: [&str; 14] = [
        "a", "b", "c", "d", "i", "ii", "iii", "iv", "one", "two", "three", "four", "first",
        "second",
    ];
    let after = |words: &[&str], counted: bool| {
        let mut rests = words.iter().filter_map(|word| rest.strip_prefix(word));
        rests.any(|rest| rest.is_empty() || is_filler(rest, counted))
    };
    after(&WORDS, counted) || after(&COUNTED, true) || (counted && after(&NUMBERS, false))
}

/// Whether a normalised surname says that there is none.
pub(super) fn is_placeholder_surname(normal: &str) -> bool {
    matches!(normal, "" | "unknown" | "notknown" | "notgiven" | "na" | "nk" | "tbc" | "none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_name_however_it_is_written() {
        let same = [
            ("smithjones", ["Smith-Jones", "SMITH JONES", " Smith\u{2010}Jones "].as_slice()),
            ("oneill", &["O'Neill", "O\u{2019}NEILL", "O Neill", "\u{d3}'Neill"]),
            ("zoe", &["Zoë", "Zoe\u{308}", "ZOË", "Ｚｏｅ"]),
            ("strasse", &["Straße", "STRASSE", "STRA\u{1e9e}E"]),
            ("lukasz", &["Łukasz", "Lukasz"]),
            ("aebbe", &["Æbbe", "ǢBBE"]),
            ("thorir", &["Þórir", "Thorir"]),
            ("istanbul", &["İstanbul", "ıstanbul", "Istanbul"]),
            ("soren", &["Søren", "SOREN"]),
            ("fiona", &["Fiona2", "\u{fb01}ona", "Fi.o.na"]),
        ];
        for (normal, writings) in same {
            for text in writings {
                assert_eq!(name(text), normal, "{text}");
            }
        }
        assert_eq!(name("李"), "李");
        assert_ne!(name("Иван"), name("Иванна"));
        assert_eq!(name(" -'1 "), "");
    }

    #[test]
    fn placeholders() {
        let yes = [
            "Baby",
            "BABY",
            "Infant",
            "Twin",
            "TWIN 1",
            "Twin One",
            "Twin B",
            "Male",
            "female",
            "Unknown",
            "Baby of Amina",
            "Baby Boy",
            "-",
            "A",
            "Not Known",
            "N/K",
            "Triplet III",
            "Boy Twin",
            "Newborn Male",
            "Twin Girl B",
            "First Twin",
            "Twin Two Boy",
            "Female Infant",
            "Baby Boy Smith",
            "Not yet named",
        ];
        for text in yes {
            assert!(is_placeholder_forename(&name(text)), "{text}");
        }
        for text in [
            "Al", "Maleah", "Girlie", "Boyd", "Sonny", "Tobias", "Babette", "Bo", "李明", "Malea",
            "Boya", "Nana", "Tabatha", "Sona",
        ] {
            assert!(!is_placeholder_forename(&name(text)), "{text}");
        }
        assert!(is_placeholder_surname(&name("N/A")) && !is_placeholder_surname(&name("Ng")));
    }

    #[test]
    fn addresses() {
        assert_eq!(postcode("cv1 1ah"), "CV1 1AH");
        assert_eq!(postcode("ZZ99 3WZ"), "");
        assert_eq!(postcode("nowhere"), "");
        assert_eq!(uprn("000100070"), "100070");
        assert_eq!(uprn("12x"), "");
    }

    proptest! {
        #[test]
        fn a_normal_name_is_its_own_normal_form(text in "\\PC{0,40}") {
            let once = name(&text);
            prop_assert_eq!(name(&once), once.clone());
            prop_assert!(once.chars().all(char::is_alphabetic));
        }

        #[test]
        fn case_marks_and_punctuation_never_matter(text in "[A-Za-zÀ-ÖØ-öø-ÿ' -]{0,30}") {
            let upper: String = text.chars().map(|c| if c == 'ß' { 'ẞ' } else {
                c.to_uppercase().next().unwrap_or(c)
            }).collect();
            prop_assert_eq!(name(&upper), name(&text));
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(name(&decomposed), name(&text));
            let spaced: String = text.chars().flat_map(|c| [c, '-']).collect();
            prop_assert_eq!(name(&spaced), name(&text));
        }

        #[test]
        fn no_rule_panics(text in any::<String>()) {
            let _ = (name(&text), postcode(&text), uprn(&text));
            let _ = (is_placeholder_forename(&text), is_placeholder_surname(&text));
        }
    }
}
