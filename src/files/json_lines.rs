//! JSON lines as CSV: an object a line, of texts, numbers, true or false, and null.
//!
//! The columns are the keys of all objects, in the order in which they first come; what an
//! object leaves out is empty. A line that is anything else becomes a row of another shape,
//! which is refused alone.

use super::{
    FilesError,
    csv::{COLUMNS_MAX, ROW_MAX},
};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::{
    collections::HashMap,
    fmt,
    io::{self, BufRead, BufReader, Read},
};

/// A line's keys and values. No Debug: it holds values.
struct Object(Vec<(String, String)>);

struct Plain(String);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(match serde_json::Value::deserialize(from)? {
            serde_json::Value::Null => String::new(),
            serde_json::Value::Bool(true) => "yes".to_owned(),
            serde_json::Value::Bool(false) => "no".to_owned(),
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::String(text) => text,
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                return Err(D::Error::custom("a value in a value"));
            }
        }))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut all: Vec<(String, String)> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if all.len() >= COLUMNS_MAX {
                        map.next_value::<IgnoredAny>()?;
                        return Err(A::Error::custom("too many keys"));
                    }
                    if all.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom("a key twice"));
                    }
                    let Plain(value) = map.next_value()?;
                    all.push((key, value));
                }
                Ok(Object(all))
            }
        }
        from.deserialize_map(Fields)
    }
}

/// The next line; `None` at the end.
fn next_line(from: &mut impl BufRead, number: u64) -> Result<Option<Vec<u8>>, FilesError> {
    let mut line = Vec::new();
    from.take(ROW_MAX + 1).read_until(b'\n', &mut line)?;
    match line.len() as u64 {
        0 => Ok(None),
        length if length > ROW_MAX => Err(FilesError::LineTooLong { line: number }),
        _ => Ok(Some(line)),
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// The keys of all objects, in the order in which they first come.
pub(super) fn keys(from: impl Read) -> Result<Vec<String>, FilesError> {
    let mut from = BufReader::new(from);
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut number = 0;
    while let Some(line) = next_line(&mut from, number + 1)? {
        number += 1;
        let Ok(Object(fields)) = serde_json::from_slice(&line) else { continue };
        for (key, _) in fields {
            let next = places.len();
            places.entry(key).or_insert(next);
            if places.len() > COLUMNS_MAX {
                return Err(FilesError::TooManyColumns { found: places.len() });
            }
        }
    }
    if places.is_empty() {
        return Err(FilesError::Empty);
    }
    let mut keys: Vec<_> = places.into_iter().collect();
    keys.sort_unstable_by_key(|(_, place)| *place);
    Ok(keys.into_iter().map(|(key, _)| key).collect())
}

/// The lines as CSV.
pub(super) struct AsCsv<R> {
    from: BufReader<R>,
    keys: Vec<String>,
    lines: u64,
    ready: Vec<u8>,
    taken: usize,
}

impl<R: Read> AsCsv<R> {
    pub(super) fn new(from: R, keys: Vec<String>) -> Result<Self, FilesError> {
        let ready = csv_line(keys.iter().map(String::as_str))?;
        Ok(Self { from: BufReader::new(from), keys, lines: 0, ready, taken: 0 })
    }

    /// Puts the next line's row in place; `false` at the end.
    fn next_row(&mut self) -> Result<bool, FilesError> {
        let Some(line) = next_line(&mut self.from, self.lines + 1)? else { return Ok(false) };
        self.lines += 1;
        self.taken = 0;
        self.ready.clear();
        if is_blank(&line) {
            // A blank line again, so that the rows behind it keep their numbers.
            self.ready.push(b'\n');
            return Ok(true);
        }
        let read = serde_json::from_slice::<Object>(&line);
        let values = read.ok().and_then(|Object(mut fields)| {
            let value = |key: &String| {
                let at = fields.iter().position(|(name, _)| name == key);
                at.map_or_else(String::new, |at| fields.swap_remove(at).1)
            };
            let values: Vec<String> = self.keys.iter().map(value).collect();
            fields.is_empty().then_some(values)
        });
        self.ready = match values {
            Some(values) => csv_line(values.iter().map(String::as_str))?,
            // One value more than there are columns: the row is refused for its shape.
            None => csv_line(std::iter::repeat_n("", self.keys.len() + 1))?,
        };
        Ok(true)
    }
}

fn csv_line<'a>(values: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, FilesError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(values).map_err(super::csv::io_error)?;
    writer.into_inner().map_err(|error| FilesError::Io(error.into_error()))
}

impl<R: Read> Read for AsCsv<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            match self.next_row() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(FilesError::Io(error)) => return Err(error),
                // The only other one is a line that is too long.
                Err(_) => return Err(io::ErrorKind::QuotaExceeded.into()),
            }
        }
        let most = buffer.len().min(self.ready.len() - self.taken);
        buffer[..most].copy_from_slice(&self.ready[self.taken..self.taken + most]);
        self.taken += most;
        Ok(most)
    }
}
