//! Rules between a row's fields, with the fields' numbers looked up once.

use crate::domain::{
    field::{FieldKind, Rule, Value},
    record::{RecordDefinition, RowRule},
};

/// A rule as it is asked of a row's values.
#[derive(Debug)]
pub(super) enum BetweenFields {
    InOrder { start: u8, end: u8, name: &'static str },
    AtMost { part: u8, whole: u8, name: &'static str },
    Follows { flag: u8, from: Vec<u8>, codes: Vec<u8>, name: &'static str },
}

impl BetweenFields {
    pub(super) fn of(definition: &'static RecordDefinition, rule: &RowRule) -> Self {
        let number = |name| definition.number(name);
        match *rule {
            RowRule::InOrder(start, end) => {
                Self::InOrder { start: number(start), end: number(end), name: end }
            }
            RowRule::AtMost(part, whole) => {
                Self::AtMost { part: number(part), whole: number(whole), name: part }
            }
            RowRule::Follows { flag, from, codes } => {
                let kind = from.first().and_then(|first| definition.field(first));
                let known = |code: &&str| match kind.map(|field| field.kind) {
                    Some(FieldKind::Code(list)) => list.number(code),
                    _ => None,
                };
                Self::Follows {
                    flag: number(flag),
                    from: from.iter().map(|name| number(name)).collect(),
                    codes: codes.iter().filter_map(known).collect(),
                    name: flag,
                }
            }
        }
    }

    /// The field at fault and the rule, where the values break it.
    pub(super) fn broken_by(&self, values: &[(u8, Value)]) -> Option<(&'static str, Rule)> {
        let value = |field: u8| values.iter().find(|(n, _)| *n == field).map(|(_, value)| value);
        match self {
            Self::InOrder { start, end, name } => match (value(*start)?, value(*end)?) {
                (Value::Day(start), Value::Day(end)) if end < start => {
                    Some((name, Rule::EndBeforeStart))
                }
                _ => None,
            },
            Self::AtMost { part, whole, name } => match (value(*part)?, value(*whole)?) {
                (Value::Integer(part), Value::Integer(whole)) if part > whole => {
                    Some((name, Rule::PartAboveWhole))
                }
                _ => None,
            },
            Self::Follows { flag, from, codes, name } => {
                let Value::Flag(said) = value(*flag)? else { return None };
                let mut all = true;
                for field in from {
                    let Value::Code(code) = value(*field)? else { return None };
                    all &= codes.contains(code);
                }
                (*said != all).then_some((*name, Rule::FlagDisagrees))
            }
        }
    }
}
