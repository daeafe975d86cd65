//! How a file's text is encoded, and reading it as UTF-8 whatever that is.
//!
//! Spreadsheets save CSV in UTF-8, in UTF-16 ("Unicode text") or in Windows-1252 ("CSV"), and
//! nothing in the file says which. UTF-16 is known by its byte order mark or its zero bytes; of
//! the others, bytes that are not UTF-8 in a file without any UTF-8 letter beyond ASCII are
//! Windows-1252. A file that has both was put together from two: its rows are read as UTF-8, and
//! those that are not are refused one by one.

use std::io::{self, Read};

/// An encoding that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, also ASCII.
    Utf8,
    /// UTF-16, the lower byte first.
    Utf16Le,
    /// UTF-16, the higher byte first.
    Utf16Be,
    /// Windows-1252, Western Europe.
    Windows1252,
}

/// Looks at all bytes of a file, piece by piece.
#[derive(Debug, Default)]
pub struct Detector {
    first: Vec<u8>,
    /// What is left of a letter that goes on in the next piece.
    torn: Vec<u8>,
    beyond_ascii: bool,
    not_utf8: bool,
}

/// So many bytes tell UTF-16 without a byte order mark.
const FIRST: usize = 64;

impl Detector {
    /// Takes the next piece.
    pub fn see(&mut self, piece: &[u8]) {
        let missing = FIRST.saturating_sub(self.first.len()).min(piece.len());
        self.first.extend_from_slice(&piece[..missing]);
        if self.torn.is_empty() && piece.is_ascii() {
            return;
        }
        let joined;
        let mut rest = if self.torn.is_empty() {
            piece
        } else {
            joined = [std::mem::take(&mut self.torn), piece.to_vec()].concat();
            &joined[..]
        };
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.beyond_ascii |= !text.is_ascii();
                    return;
                }
                Err(error) => {
                    self.beyond_ascii |= !rest[..error.valid_up_to()].is_ascii();
                    let Some(length) = error.error_len() else {
                        self.torn = rest[error.valid_up_to()..].to_vec();
                        return;
                    };
                    self.not_utf8 = true;
                    rest = &rest[error.valid_up_to() + length..];
                }
            }
        }
    }

    /// What it is, all bytes being seen.
    #[must_use]
    pub fn found(&self) -> Encoding {
        let zeros = |odd: usize| {
            let places = self.first.iter().skip(odd).step_by(2);
            places.clone().count() > 1 && places.clone().all(|byte| *byte == 0)
        };
        match self.first[..] {
            [0xff, 0xfe, ..] => Encoding::Utf16Le,
            [0xfe, 0xff, ..] => Encoding::Utf16Be,
            _ if zeros(1) => Encoding::Utf16Le,
            _ if zeros(0) => Encoding::Utf16Be,
            _ if (self.not_utf8 || !self.torn.is_empty()) && !self.beyond_ascii => {
                Encoding::Windows1252
            }
            _ => Encoding::Utf8,
        }
    }
}

/// Windows-1252 from 0x80 to 0x9F; the five that are not given become control characters, which
/// no field takes.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Text of another encoding, as UTF-8.
pub struct Decoder<R> {
    from: R,
    encoding: Encoding,
    /// Decoded, and not yet taken.
    ready: Vec<u8>,
    taken: usize,
    /// The first byte of a unit, or the first unit of a pair.
    half: Option<u8>,
    high: Option<u16>,
    begun: bool,
    ended: bool,
}

impl<R: Read> Decoder<R> {
    /// Reads `from` as text of `encoding`.
    pub const fn new(from: R, encoding: Encoding) -> Self {
        Self {
            from,
            encoding,
            ready: Vec::new(),
            taken: 0,
            half: None,
            high: None,
            begun: false,
            ended: false,
        }
    }

    fn decode(&mut self, piece: &[u8]) {
        match self.encoding {
            Encoding::Utf8 => self.ready.extend_from_slice(piece),
            Encoding::Windows1252 => {
                for byte in piece {
                    let letter = match byte {
                        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
                        _ => char::from(*byte),
                    };
                    self.push(letter);
                }
            }
            Encoding::Utf16Le | Encoding::Utf16Be => {
                for byte in piece {
                    let Some(first) = self.half.take() else {
                        self.half = Some(*byte);
                        continue;
                    };
                    let pair = [first, *byte];
                    let little = self.encoding == Encoding::Utf16Le;
                    let unit =
                        if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
                    self.unit(unit);
                }
            }
        }
    }

    /// A half of a pair that stands alone becomes U+FFFD, like any decoder makes it.
    fn unit(&mut self, unit: u16) {
        if let Some(high) = self.high.take() {
            if let Some(Ok(letter)) = char::decode_utf16([high, unit]).next() {
                return self.push(letter);
            }
            self.push(char::REPLACEMENT_CHARACTER);
        }
        if (0xd800..0xdc00).contains(&unit) {
            self.high = Some(unit);
            return;
        }
        match char::from_u32(u32::from(unit)) {
            Some('\u{feff}') if !self.begun => self.begun = true,
            Some(letter) => self.push(letter),
            None => self.push(char::REPLACEMENT_CHARACTER),
        }
    }

    fn push(&mut self, letter: char) {
        self.begun = true;
        self.ready.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() && !self.ended {
            self.ready.clear();
            self.taken = 0;
            let mut piece = [0; 16 << 10];
            match self.from.read(&mut piece)? {
                0 => {
                    self.ended = true;
                    if self.half.take().is_some() || self.high.take().is_some() {
                        self.push(char::REPLACEMENT_CHARACTER);
                    }
                }
                read => self.decode(&piece[..read]),
            }
        }
        let most = buffer.len().min(self.ready.len() - self.taken);
        buffer[..most].copy_from_slice(&self.ready[self.taken..self.taken + most]);
        self.taken += most;
        Ok(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(bytes: &[u8], piece: usize) -> Encoding {
        let mut detector = Detector::default();
        bytes.chunks(piece.max(1)).for_each(|piece| detector.see(piece));
        detector.found()
    }

    fn decoded(bytes: &[u8], encoding: Encoding) -> String {
        let mut text = String::new();
        Decoder::new(bytes, encoding).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn mixed_files_stay_utf8_and_their_bad_rows_are_refused_one_by_one() {
        assert_eq!(found("Zoë\n".as_bytes(), 1), Encoding::Utf8);
        assert_eq!(found(b"Zo\xeb\n", 1), Encoding::Windows1252);
        assert_eq!(found(b"Zo\xeb", 1), Encoding::Windows1252);
        assert_eq!(found(b"Zo\xc3\xab,Zo\xeb\n", 1), Encoding::Utf8);
        assert_eq!(decoded(b"\x80 Zo\xeb", Encoding::Windows1252), "€ Zoë");
    }

    proptest! {
        #[test]
        fn every_encoding_comes_back(text in "[a-z]{2}[\\PC]{0,40}", piece in 1usize..9) {
            let units = || text.encode_utf16();
            let little: Vec<u8> = [0xfeff].into_iter().chain(units()).flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = [0xfeff].into_iter().chain(units()).flat_map(u16::to_be_bytes).collect();
            prop_assert_eq!(found(&little, piece), Encoding::Utf16Le);
            prop_assert_eq!(found(&big, piece), Encoding::Utf16Be);
            prop_assert_eq!(&decoded(&little, Encoding::Utf16Le), &text);
            prop_assert_eq!(&decoded(&big, Encoding::Utf16Be), &text);
            prop_assert_eq!(found(text.as_bytes(), piece), Encoding::Utf8);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..9) {
            let encoding = found(&bytes, piece);
            decoded(&bytes, if encoding == Encoding::Utf8 { Encoding::Utf16Le } else { encoding });
        }
    }
}
