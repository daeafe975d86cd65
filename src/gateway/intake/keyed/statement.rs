//! What a record states about a consent.

use super::{KeyedContent, Keying};
use crate::{
    domain::{
        Event, RecordType, Role,
        field::{CodeList, Value},
        records::consent,
        row::Content,
        time::epoch_day,
    },
    gateway::consents::Keyed,
    keys::{IdentifierKind, RawIdentifier},
    protocol::{
        ConsentEvidence, ConsentGiver, ConsentMeans, ConsentRecord, Coverage, Purpose, RecordFacts,
        Whereabouts,
    },
};
use jiff::civil::Date;

impl Keying<'_> {
    /// A checked row as a statement; no text of the sender's is left but the notice's version.
    pub(super) fn stated(
        &self,
        reference: &str,
        content: Content<'_>,
        extracted_at: Date,
    ) -> KeyedContent {
        let Content { event_date, values, references, .. } = content;
        let facts = RecordFacts {
            place: Whereabouts::NotStated,
            event_date,
            extracted_at,
            consent: ConsentEvidence::Absent,
        };
        let event = Event {
            record_type: self.reader.record_type,
            role: Role::Principal,
            day: Some(epoch_day(event_date)),
            known: epoch_day(extracted_at),
            place: None,
            values: Vec::new(),
        };
        let statement = Some(self.statement(reference, event_date, &values, &references));
        KeyedContent { persons: Vec::new(), event, statement, facts }
    }

    fn statement(
        &self,
        reference: &str,
        event_date: Date,
        values: &[(u8, Value)],
        references: &[(u8, &str)],
    ) -> Keyed {
        let (partner, with) = (&self.reader.partner, &self.keys.pseudonymiser);
        let text = |field| references.iter().find(|(number, _)| *number == field).map(|(_, t)| *t);
        let keyed = |text: &str, kind: IdentifierKind<'_>| {
            *RawIdentifier::new(text.to_owned()).pseudonymise(kind, with).as_bytes()
        };
        let value = |field| values.iter().find(|(number, _)| *number == field).map(|(_, v)| v);
        let day = |field| match value(field) {
            Some(Value::Day(day)) => Some(*day),
            _ => None,
        };
        let code = |field, list: &CodeList| match value(field) {
            Some(Value::Code(code)) => list.codes.get(usize::from(*code)).copied(),
            _ => None,
        };
        let codes = |field, list: &'static CodeList| -> Vec<&'static str> {
            let Some(Value::Codes(set)) = value(field) else { return Vec::new() };
            let named = (0..).zip(list.codes).filter(|(bit, _)| set & (1u32 << bit) != 0);
            named.map(|(_, code)| *code).collect()
        };
        let mut coverage = Coverage {
            purposes: codes(consent::FOR_PURPOSES, &consent::PURPOSES)
                .into_iter()
                .filter_map(Purpose::from_code)
                .collect(),
            record_types: codes(consent::FOR_TYPES, &consent::RECORD_TYPES)
                .into_iter()
                .filter_map(|name| name.parse::<RecordType>().ok())
                .collect(),
            until: day(consent::UNTIL),
        };
        // In the order of the protocol's lists, as what the consent service takes in.
        coverage.purposes.sort_unstable();
        coverage.record_types.sort_unstable();
        let raw = RawIdentifier::new(reference.to_owned());
        let key = raw.pseudonymise(IdentifierKind::Consent { partner }, with);
        let giver = IdentifierKind::Giver { partner, consent: reference };
        let evidence = IdentifierKind::Evidence { partner, consent: reference };
        let state = code(consent::STATED, &consent::STATE).and_then(ConsentRecord::from_code);
        Keyed {
            under: key.key_version(),
            reference: *key.as_bytes(),
            giver: text(consent::GIVER_REF).map(|own| keyed(own, giver)),
            evidence: text(consent::EVIDENCE_REF).map(|own| keyed(own, evidence)),
            given_by: code(consent::GIVER, &consent::GIVEN_BY).and_then(ConsentGiver::from_code),
            // A checked row has a state; what had none would permit nothing.
            state: state.unwrap_or(ConsentRecord::Refused),
            stated_on: day(consent::DAY).unwrap_or_else(|| epoch_day(event_date)),
            means: code(consent::MEANS, &consent::OBTAINED).and_then(ConsentMeans::from_code),
            notice_version: text(consent::NOTICE).unwrap_or_default().to_owned(),
            coverage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::Token, domain::field::is_token};

    #[test]
    fn every_code_of_a_row_is_one_of_the_protocols() {
        fn all<T>(list: &CodeList, read: fn(&str) -> Option<T>, codes: usize) {
            assert!(list.codes.iter().all(|code| read(code).is_some()), "{}", list.name);
            assert_eq!(list.codes.len(), codes, "{}", list.name);
        }
        all(&consent::STATE, ConsentRecord::from_code, ConsentRecord::ALL.len());
        all(&consent::GIVEN_BY, ConsentGiver::from_code, ConsentGiver::ALL.len());
        all(&consent::OBTAINED, ConsentMeans::from_code, ConsentMeans::ALL.len());
        all(&consent::PURPOSES, Purpose::from_code, Purpose::ALL.len());
        let named = |name: &str| name.parse::<RecordType>().ok();
        all(&consent::RECORD_TYPES, named, RecordType::ALL.len());
    }

    #[test]
    fn a_word_of_a_row_is_one_of_the_logs() {
        for text in ["2026-1", "v[2](a)", "", "a b", "123456789", "x12345678", "\u{e9}"] {
            assert_eq!(is_token(text), text.parse::<Token>().is_ok(), "{text}");
        }
    }
}
