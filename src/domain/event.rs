//! What is kept of a record once nobody can be named in it, and its stored form.
//!
//! An event hangs on one person by a surrogate number. It holds no identifier, name,
//! address or date of birth: a birth's event has no day of its own. What is about nobody (an
//! organisation's doings) hangs on [`super::PersonId::NOBODY`], whom no pass over persons meets.

use super::{field::Value, ids::CentreCode, place::Lsoa, record::RecordType};

/// Whom in a record a field or an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The person the record is mainly about.
    Principal,
    /// A child's mother.
    Mother,
    /// A child's parent or carer.
    Parent,
}

impl Role {
    /// Its stored number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Principal => 0,
            Self::Mother => 1,
            Self::Parent => 2,
        }
    }

    /// The role of a stored number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Principal),
            1 => Some(Self::Mother),
            2 => Some(Self::Parent),
            _ => None,
        }
    }
}

/// A record as kept for one of its persons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What kind of record it came from.
    pub record_type: RecordType,
    /// Which of the record's persons this is.
    pub role: Role,
    /// The day it happened, in days since 1970-01-01; `None` for a birth, whose day is
    /// the person's sealed date of birth.
    pub day: Option<i32>,
    /// The day it became known: the sender's day of extraction.
    pub known: i32,
    /// Where the person lived.
    pub place: Option<Lsoa>,
    /// The payload: field numbers of the definition, ascending, and their values.
    pub values: Vec<(u8, Value)>,
}

/// Stored bytes are not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a stored event")]
pub struct CorruptEvent;

const NO_DAY: i32 = i32::MIN;
const NO_PLACE: u32 = u32::MAX;

impl Event {
    /// The value of a payload field.
    #[must_use]
    pub fn value(&self, field: u8) -> Option<&Value> {
        self.values.iter().find(|(number, _)| *number == field).map(|(_, value)| value)
    }

    /// A payload field that holds a day.
    #[must_use]
    pub fn day_of(&self, field: u8) -> Option<i32> {
        match self.value(field) {
            Some(Value::Day(day)) => Some(*day),
            _ => None,
        }
    }

    /// A payload field that holds one code.
    #[must_use]
    pub fn code_of(&self, field: u8) -> Option<u8> {
        match self.value(field) {
            Some(Value::Code(code)) => Some(*code),
            _ => None,
        }
    }

    /// A payload field that holds a whole number.
    #[must_use]
    pub fn integer_of(&self, field: u8) -> Option<i32> {
        match self.value(field) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// A payload field that holds yes or no.
    #[must_use]
    pub fn flag_of(&self, field: u8) -> Option<bool> {
        match self.value(field) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// Appends the stored form: a u16 length, then type, role, day, known day, place,
    /// and the values as field number, kind and fixed-width little-endian bytes. Events
    /// of one person can stand behind one another.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0, 0, self.record_type.number(), self.role.number()]);
        out.extend_from_slice(&self.day.unwrap_or(NO_DAY).to_le_bytes());
        out.extend_from_slice(&self.known.to_le_bytes());
        out.extend_from_slice(&self.place.map_or(NO_PLACE, Lsoa::number).to_le_bytes());
        for (number, value) in &self.values {
            out.push(*number);
            encode_value(value, out);
        }
        // A record has at most some dozens of values of at most 17 bytes.
        let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
        out[start..start + 2].copy_from_slice(&length.to_le_bytes());
    }

    /// Reads the event at the front of `bytes` and returns it with the rest.
    ///
    /// # Errors
    /// When the bytes are cut short or hold an unknown type, role or kind.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), CorruptEvent> {
        let (length, rest) = take::<2>(bytes)?;
        let length = usize::from(u16::from_le_bytes(length));
        let (body, rest) = rest.split_at_checked(length).ok_or(CorruptEvent)?;
        let ([record_type, role], body) = take::<2>(body)?;
        let (day, body) = take::<4>(body)?;
        let (known, body) = take::<4>(body)?;
        let (place, mut body) = take::<4>(body)?;
        let (day, place) = (i32::from_le_bytes(day), u32::from_le_bytes(place));
        let mut values = Vec::with_capacity(body.len() / 6 + 1);
        while !body.is_empty() {
            let ([number], after) = take::<1>(body)?;
            let (value, after) = decode_value(after)?;
            values.push((number, value));
            body = after;
        }
        let event = Self {
            record_type: RecordType::from_number(record_type).ok_or(CorruptEvent)?,
            role: Role::from_number(role).ok_or(CorruptEvent)?,
            day: (day != NO_DAY).then_some(day),
            known: i32::from_le_bytes(known),
            place: match place {
                NO_PLACE => None,
                number => Some(Lsoa::from_number(number).map_err(|_| CorruptEvent)?),
            },
            values,
        };
        Ok((event, rest))
    }
}

fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), CorruptEvent> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(CorruptEvent)?;
    Ok((*head, rest))
}

fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Day(day) => {
            out.push(1);
            out.extend_from_slice(&day.to_le_bytes());
        }
        Value::Code(code) => out.extend_from_slice(&[2, *code]),
        Value::Codes(set) => {
            out.push(3);
            out.extend_from_slice(&set.to_le_bytes());
        }
        Value::Integer(number) => {
            out.push(4);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Flag(flag) => out.extend_from_slice(&[5, u8::from(*flag)]),
        Value::Key(key) => {
            out.push(6);
            out.extend_from_slice(key);
        }
        Value::Centre(code) => {
            // A centre code has at most 16 bytes.
            let bytes = code.as_str().as_bytes();
            out.extend_from_slice(&[7, u8::try_from(bytes.len()).unwrap_or(u8::MAX)]);
            out.extend_from_slice(bytes);
        }
    }
}

fn decode_value(bytes: &[u8]) -> Result<(Value, &[u8]), CorruptEvent> {
    let ([kind], bytes) = take::<1>(bytes)?;
    Ok(match kind {
        1 => take::<4>(bytes).map(|(b, rest)| (Value::Day(i32::from_le_bytes(b)), rest))?,
        2 => take::<1>(bytes).map(|([b], rest)| (Value::Code(b), rest))?,
        3 => take::<4>(bytes).map(|(b, rest)| (Value::Codes(u32::from_le_bytes(b)), rest))?,
        4 => take::<4>(bytes).map(|(b, rest)| (Value::Integer(i32::from_le_bytes(b)), rest))?,
        5 => match take::<1>(bytes)? {
            ([0], rest) => (Value::Flag(false), rest),
            ([1], rest) => (Value::Flag(true), rest),
            _ => return Err(CorruptEvent),
        },
        6 => take::<16>(bytes).map(|(b, rest)| (Value::Key(b), rest))?,
        7 => {
            let ([length], rest) = take::<1>(bytes)?;
            let (text, rest) = rest.split_at_checked(usize::from(length)).ok_or(CorruptEvent)?;
            let text = std::str::from_utf8(text).map_err(|_| CorruptEvent)?;
            (Value::Centre(text.parse::<CentreCode>().map_err(|_| CorruptEvent)?), rest)
        }
        _ => return Err(CorruptEvent),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Event {
        Event {
            record_type: RecordType::Registration,
            role: Role::Principal,
            day: Some(20_000),
            known: 20_010,
            place: Some("E01009522".parse().unwrap()),
            values: vec![
                (0, Value::Centre("CC01".parse().unwrap())),
                (1, Value::Day(20_000)),
                (3, Value::Code(2)),
                (4, Value::Codes(5)),
                (5, Value::Integer(-7)),
                (6, Value::Flag(true)),
                (7, Value::Key([9; 16])),
            ],
        }
    }

    #[test]
    fn events_survive_their_stored_form_one_behind_another() {
        let birth = Event { day: None, place: None, values: vec![], ..sample() };
        let mut bytes = Vec::new();
        sample().encode(&mut bytes);
        birth.encode(&mut bytes);
        let (first, rest) = Event::decode(&bytes).unwrap();
        let (second, rest) = Event::decode(rest).unwrap();
        assert_eq!((first, second), (sample(), birth));
        assert!(rest.is_empty());
    }

    #[test]
    fn cut_or_changed_bytes_are_corrupt_or_another_event() {
        let mut bytes = Vec::new();
        sample().encode(&mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(Event::decode(&bytes[..cut]).err(), Some(CorruptEvent), "{cut}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x41;
            if let Ok((event, _)) = Event::decode(&changed) {
                assert_ne!(event, sample());
            }
        }
    }
}
