//! The quick way to read a leaf: one pass over its canonical bytes, nothing copied.
//!
//! Canonical JSON (RFC 8785) has one spelling, so a scanner that takes that spelling alone
//! needs no general JSON reader and no second writing to compare with. It takes less than the
//! canonical form allows (strings without escapes, whole numbers), never more; what it does not take is read again the thorough way, which names what is wrong. A
//! test compares the two.

use super::swar;

/// Reads an object's fields in their one order.
pub(super) struct Scanner<'a> {
    /// All of it without control characters and backslashes.
    text: &'a str,
    at: usize,
    /// Whether a key comes next; else the object has ended.
    open: bool,
}

/// What a field may hold.
pub(super) trait Scan<'a>: Sized {
    /// Takes one value.
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self>;
}

impl<'a> Scanner<'a> {
    /// At the first field of an entry.
    pub(super) fn open(entry: &'a [u8]) -> Option<Self> {
        if !swar::is_plain(entry) {
            return None;
        }
        let mut scanner = Self { text: std::str::from_utf8(entry).ok()?, at: 0, open: false };
        scanner.begin()?;
        Some(scanner)
    }

    /// The field's value if it is the next one, which then is passed.
    pub(super) fn field<T: Scan<'a>>(&mut self, name: &str) -> Option<Option<T>> {
        if !self.open || !self.is_next(name.as_bytes()) {
            return Some(None);
        }
        self.at += name.len() + 3;
        let value = T::scan(self)?;
        match self.byte()? {
            b',' => {}
            b'}' => self.open = false,
            _ => return None,
        }
        Some(Some(value))
    }

    /// Whether `"name":` comes next. Most fields are absent, and most names differ in their
    /// first letter or their length.
    fn is_next(&self, name: &[u8]) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        rest.get(1) == name.first()
            && rest.get(name.len() + 1) == Some(&b'"')
            && rest.get(name.len() + 2) == Some(&b':')
            && rest.first() == Some(&b'"')
            && rest.get(1..=name.len()) == Some(name)
    }

    /// Whether the entry ended with its object.
    pub(super) const fn is_done(&self) -> bool {
        !self.open && self.at == self.text.len()
    }

    /// Enters an object that has a field.
    fn begin(&mut self) -> Option<()> {
        self.eat(b'{')?;
        self.open = true;
        Some(())
    }

    /// Whether the object that was entered has ended; goes on with the one around it.
    fn end(&mut self) -> Option<()> {
        let ended = !self.open;
        self.open = true;
        ended.then_some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, wanted: u8) -> Option<()> {
        if self.byte()? == wanted { Some(()) } else { None }
    }

    /// A string; there are no escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.eat(b'"')?;
        let start = self.at;
        let end = start + swar::quote(self.text.as_bytes().get(start..)?)?;
        self.at = end + 1;
        self.text.get(start..end)
    }
}

impl<'a> Scan<'a> for &'a str {
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        scanner.string()
    }
}

impl<'a> Scan<'a> for u64 {
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        let start = scanner.at;
        let mut number: Self = 0;
        while let Some(digit) = scanner.text.as_bytes().get(scanner.at)
            && digit.is_ascii_digit()
        {
            number = number.checked_mul(10)?.checked_add(Self::from(digit - b'0'))?;
            scanner.at += 1;
        }
        let leads = scanner.text.as_bytes().get(start) == Some(&b'0');
        match scanner.at - start {
            0 => None,
            1 => Some(number),
            _ if leads => None,
            _ => Some(number),
        }
    }
}

impl<'a> Scan<'a> for u32 {
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        Self::try_from(u64::scan(scanner)?).ok()
    }
}

impl<'a> Scan<'a> for Vec<&'a str> {
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        scanner.eat(b'[')?;
        let mut items = vec![scanner.string()?];
        loop {
            match scanner.byte()? {
                b',' => items.push(scanner.string()?),
                b']' => return Some(items),
                _ => return None,
            }
        }
    }
}

impl<'a> Scan<'a> for super::leaf::Protocol<'a> {
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        scanner.begin()?;
        let digest = scanner.field("digest")??;
        let id = scanner.field("id")??;
        let version = scanner.field("version")??;
        scanner.end()?;
        Some(Self { digest, id, version })
    }
}

impl<'a> Scan<'a> for super::leaf::Previous<'a> {
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        scanner.begin()?;
        let origin = scanner.field("origin")??;
        let root = scanner.field("root")??;
        let size = scanner.field("size")??;
        scanner.end()?;
        Some(Self { origin, root, size })
    }
}

impl<'a> Scan<'a> for super::leaf::Reviewed {
    fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        scanner.begin()?;
        let from = scanner.field("from")??;
        let until = scanner.field("until")??;
        scanner.end()?;
        Some(Self { from, until })
    }
}

#[cfg(test)]
mod tests {
    use super::super::leaf::{Leaf, read_thoroughly};
    use proptest::prelude::*;
    use serde_json::Value;

    fn entries() -> Vec<String> {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/vectors/leaves.json")).unwrap();
        let leaves = vectors["leaves"].as_array().unwrap().iter();
        leaves.map(|leaf| leaf["entry"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_published_leaf_is_taken_the_quick_way() {
        for entry in entries() {
            let quick = Leaf::scan(entry.as_bytes()).unwrap();
            assert_eq!(serde_json::to_string(&quick).unwrap(), entry);
        }
    }

    /// What is not the one spelling is never taken, however small the change.
    fn agrees(entry: &[u8]) {
        let quick = Leaf::scan(entry);
        let thorough = read_thoroughly(entry, &mut Vec::new());
        match (quick, thorough) {
            (Some(quick), Ok(thorough)) => assert_eq!(quick, thorough),
            (Some(_), Err(problem)) => {
                // Canonical, and wrong for what it says: the values are judged by one hand.
                use super::super::leaf::LeafProblem::{Form, Spelling};
                assert!(!matches!(problem, Form | Spelling), "{problem:?}");
            }
            (None, _) => {}
        }
    }

    #[test]
    fn other_spellings_are_left_to_the_thorough_reader() {
        let entry = r#"{"at":"2026-01-05T09:00:00.000000Z","decision":"granted","kind":"log_read","sequence":4,"v":1}"#;
        assert!(Leaf::scan(entry.as_bytes()).is_some());
        for (from, to) in [
            ("\"v\":1", "\"v\":01"),
            ("\"v\":1", "\"v\":1.0"),
            ("\"v\":1", "\"v\":-1"),
            ("\"v\":1", "\"v\": 1"),
            ("\"v\":1", "\"v\":"),
            ("\"v\":1", "\"v\":18446744073709551616"),
            ("\"v\":1}", "\"v\":1} "),
            ("\"v\":1}", "\"v\":1,}"),
            ("\"v\":1}", "\"v\":1,\"v\":1}"),
            ("\"v\":1}", "\"v\":1,\"x\":1}"),
            ("\"v\":1}", "\"v\":1"),
            ("log_read", "log\\u005fread"),
            ("log_read", "a\tb"),
            ("\"log_read\"", "log_read"),
            ("\"kind\":\"log_read\",\"sequence\":4", "\"sequence\":4,\"kind\":\"log_read\""),
            ("{\"at\"", "{{\"at\""),
        ] {
            let other = entry.replacen(from, to, 1);
            assert_ne!(other, entry);
            assert!(Leaf::scan(other.as_bytes()).is_none(), "{other}");
        }
        assert!(Leaf::scan(b"").is_none() && Leaf::scan(b"{}").is_none());
    }

    proptest! {
        #[test]
        fn quick_and_thorough_reading_never_contradict_each_other(
            which in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<bool>(),
        ) {
            let entries = entries();
            let mut entry = entries[which.index(entries.len())].clone().into_bytes();
            let at = at.index(entry.len());
            if cut { entry.remove(at); } else { entry[at] = byte; }
            agrees(&entry);
        }
    }
}
