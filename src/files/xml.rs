//! Just enough of XML 1.0 for a workbook's parts: tags, attributes and text, as they come.
//!
//! Nothing is expanded but the five named entities and character references, a document type is
//! refused, and nothing nests in memory: what is read costs no more than what it is read from.

use std::borrow::Cow;

/// What comes next.
pub(super) enum Piece<'a> {
    /// A tag opens; `empty` where it closes at once.
    Open { name: &'a str, attributes: &'a str, empty: bool },
    /// A tag closes.
    Close { name: &'a str },
    /// Text, not yet unescaped.
    Text(&'a str),
}

/// Reads a part from its beginning.
pub(super) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    pub(super) const fn of(text: &'a str) -> Self {
        Self { rest: text }
    }
}

/// The name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    /// Ends at the end, and where it is no XML any more.
    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(tag) = self.rest.strip_prefix('<') else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at(end);
                self.rest = rest;
                return Some(Piece::Text(text));
            };
            if let Some(comment) = tag.strip_prefix("!--") {
                self.rest = comment.split_once("-->")?.1;
            } else if let Some(data) = tag.strip_prefix("![CDATA[") {
                self.rest = data.split_once("]]>")?.1;
            } else if let Some(instruction) = tag.strip_prefix('?') {
                self.rest = instruction.split_once("?>")?.1;
            } else if tag.starts_with('!') {
                // A document type could define entities without end.
                self.rest = "";
            } else {
                let (inside, rest) = tag.split_once('>')?;
                self.rest = rest;
                if let Some(name) = inside.strip_prefix('/') {
                    return Some(Piece::Close { name: local(name.trim()) });
                }
                let empty = inside.ends_with('/');
                let inside = inside.strip_suffix('/').unwrap_or(inside);
                let end = inside.find(char::is_whitespace).unwrap_or(inside.len());
                let (name, attributes) = inside.split_at(end);
                return Some(Piece::Open { name: local(name), attributes, empty });
            }
        }
    }
}

/// An attribute's value, by its name without prefix.
pub(super) fn attribute<'a>(attributes: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    let mut rest = attributes;
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, behind) = after[1..].split_once(quote)?;
        if local(name.trim()) == wanted {
            return Some(unescaped(value));
        }
        rest = behind;
    }
    None
}

/// Text with its entities put in.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let named = after.split_once(';').filter(|(name, _)| name.len() <= 10);
        match named.and_then(|(name, behind)| Some((entity(name)?, behind))) {
            Some((letter, behind)) => {
                out.push(letter);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(number)
        }
    }
}
