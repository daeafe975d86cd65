//! Questions about many bytes at once, eight to a word: verifying a log reads every byte of it,
//! and asking each byte by itself took most of the time.
//!
//! Ranges are asked for in words of ASCII alone, so that no byte carries into the next one.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is `wanted`; bits above the first are not to be relied on.
const fn equal(word: u64, wanted: u8) -> u64 {
    let different = word ^ (ONES * wanted as u64);
    different.wrapping_sub(ONES) & !different & HIGH
}

/// The high bit of each byte from `least` to `most`, of a word of ASCII.
const fn between(word: u64, least: u8, most: u8) -> u64 {
    let reaches = word.wrapping_add(ONES * (0x80 - least as u64));
    let exceeds = word.wrapping_add(ONES * (0x7f - most as u64));
    reaches & !exceeds & HIGH
}

/// Whether no byte is a control character or a backslash: a JSON text whose strings have no
/// escapes.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut found = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // Where any byte is below 0x20, the lowest such has its high bit here.
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        found |= control | equal(word, b'\\');
    }
    found == 0 && rest.iter().all(|b| *b >= 0x20 && *b != b'\\')
}

/// Whether all bytes are letters, digits or one of `._:/-[]()`, and how many digits there are
/// at most.
pub(super) fn word_digits(bytes: &[u8]) -> Option<u32> {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut digits = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let numeral = between(word, b'0', b'9');
        let lawful = between(word | (ONES * 0x20), b'a', b'z')
            | between(word, b'-', b':')
            | between(word, b'(', b')')
            | between(word, b'[', b'[')
            | between(word, b']', b']')
            | between(word, b'_', b'_');
        if word & HIGH != 0 || lawful != HIGH {
            return None;
        }
        digits += numeral.count_ones();
    }
    for b in rest {
        match WORD_BYTES[usize::from(*b)] {
            0 => return None,
            1 => {}
            _ => digits += 1,
        }
    }
    Some(digits)
}

/// What a byte is in a word: 0 nothing lawful, 1 a letter or mark, 2 a digit.
const WORD_BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut b = 0_u8;
    loop {
        bytes[b as usize] = match b {
            b'0'..=b'9' => 2,
            b'a'..=b'z' | b'A'..=b'Z' => 1,
            b'.' | b'_' | b':' | b'/' | b'-' | b'[' | b']' | b'(' | b')' => 1,
            _ => 0,
        };
        if b == u8::MAX {
            break bytes;
        }
        b += 1;
    }
};

/// Where the first quotation mark is.
pub(super) fn quote(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let found = equal(u64::from_le_bytes(*word), b'"');
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    rest.iter().position(|b| *b == b'"').map(|place| at + place)
}

/// Whether all bytes are lower-case hexadecimal digits.
pub(super) fn is_hex(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        let digits = between(word, b'0', b'9') | between(word, b'a', b'f');
        if word & HIGH != 0 || digits != HIGH {
            return false;
        }
    }
    rest.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(b: u8) -> bool {
        b >= 0x20 && b != b'\\'
    }

    fn digits(bytes: &[u8]) -> Option<u32> {
        let lawful = |b: &u8| b.is_ascii_alphanumeric() || b"._:/-[]()".contains(b);
        let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
        bytes.iter().all(lawful).then(|| digits.try_into().unwrap())
    }

    fn hex(b: u8) -> bool {
        b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
    }

    /// Every byte, at every place of a word, among neighbours of either end.
    #[test]
    fn every_byte_is_told_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..17 {
                for around in [b' ', b'~', b'0', b'f', 0x7f, 0x00, 0xff] {
                    let mut bytes = [around; 17];
                    bytes[place] = byte;
                    assert_eq!(is_plain(&bytes), bytes.iter().all(|b| plain(*b)));
                    assert_eq!(word_digits(&bytes), digits(&bytes));
                    assert_eq!(is_hex(&bytes), bytes.iter().all(|b| hex(*b)));
                    assert_eq!(quote(&bytes), bytes.iter().position(|b| *b == b'"'));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn words_say_what_bytes_say(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(is_plain(&bytes), bytes.iter().all(|b| plain(*b)));
            prop_assert_eq!(is_hex(&bytes), bytes.iter().all(|b| hex(*b)));
            prop_assert_eq!(quote(&bytes), bytes.iter().position(|b| *b == b'"'));
        }

        #[test]
        fn and_of_words(text in "[a-zA-Z0-9._:/\\-\\[\\]()]{0,40}") {
            prop_assert_eq!(word_digits(text.as_bytes()), digits(text.as_bytes()));
            prop_assert!(word_digits(text.as_bytes()).is_some());
        }

        #[test]
        fn and_of_what_leaves_are_made_of(text in "[ -~]{0,40}") {
            let bytes = text.as_bytes();
            prop_assert_eq!(word_digits(bytes), digits(bytes));
            prop_assert_eq!(is_plain(bytes), bytes.iter().all(|b| plain(*b)));
            prop_assert_eq!(quote(bytes), bytes.iter().position(|b| *b == b'"'));
        }
    }
}
