//! Letters of several scripts beside one another: a Cyrillic `а` in a Latin title looks like the `a` that
//! nobody finds. A text may be in any one script; digits, marks and punctuation are of none.
//!
//! The blocks are those of the Unicode Standard whose letters look like those of another script; all
//! others count as one more script, so that mixing any with Latin is seen.

use std::collections::BTreeSet;

/// First and last code point of a block, and its script.
const BLOCKS: [(u32, u32, Script); 17] = [
    (0x0041, 0x024F, Script::Latin),
    (0x0250, 0x02AF, Script::Latin),
    (0x0370, 0x03FF, Script::Greek),
    (0x0400, 0x052F, Script::Cyrillic),
    (0x0530, 0x058F, Script::Armenian),
    (0x10A0, 0x10FF, Script::Georgian),
    (0x13A0, 0x13FF, Script::Cherokee),
    (0x1C80, 0x1C8F, Script::Cyrillic),
    (0x1C90, 0x1CBF, Script::Georgian),
    (0x1E00, 0x1EFF, Script::Latin),
    (0x1F00, 0x1FFF, Script::Greek),
    (0x2C60, 0x2C7F, Script::Latin),
    (0x2DE0, 0x2DFF, Script::Cyrillic),
    (0xA640, 0xA69F, Script::Cyrillic),
    (0xA720, 0xA7FF, Script::Latin),
    (0xAB30, 0xAB6F, Script::Latin),
    (0xAB70, 0xABBF, Script::Cherokee),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Georgian,
    Cherokee,
    Another,
}

fn script(letter: char) -> Option<Script> {
    // Signs that stand in texts of every script, though they count as letters.
    if !letter.is_alphabetic() || matches!(letter, 'ª' | 'º' | 'µ') {
        return None;
    }
    let code = u32::from(letter);
    let block = BLOCKS.iter().find(|(first, last, _)| (*first..=*last).contains(&code));
    Some(block.map_or(Script::Another, |(.., script)| *script))
}

/// Whether letters of several scripts stand in a text.
pub(super) fn are_mixed(text: &str) -> bool {
    text.chars().filter_map(script).collect::<BTreeSet<Script>>().len() > 1
}

#[cfg(test)]
mod tests {
    use super::are_mixed;

    #[test]
    fn one_script_beside_another_is_seen() {
        for pure in [
            "Births and health reviews, 2026/27 (v1.2)",
            "Cytundeb rhannu gwybodaeth: Dŵr, tŷ, Ynys Môn",
            "Straße, naïve, œuvre; 1º, µg",
            "Здоровье и дети",
            "Υγεία",
            "健康",
            "12 – 34",
            "",
        ] {
            assert!(!are_mixed(pure), "{pure}");
        }
        for mixed in [
            "He\u{430}lth",    // Cyrillic а
            "\u{391}uthority", // Greek Α
            "Bi\u{ff52}ths",   // fullwidth r
            "\u{1d5a7}ealth",  // mathematical H
            "a\u{561}",        // Armenian
            "D\u{13aa}P",      // Cherokee Ꭺ
            "\u{421}\u{3bf}",  // Cyrillic and Greek
            "Kinder\u{30ac}",  // Katakana
        ] {
            assert!(are_mixed(mixed), "{mixed}");
        }
    }
}
