//! Every definition is coherent in itself and with the others.

use super::*;
use std::collections::BTreeSet;

#[test]
fn definitions_are_coherent() {
    for record_type in RecordType::ALL {
        let definition = record_type.definition();
        assert_eq!(definition.record_type, *record_type);
        assert_eq!(RecordType::from_number(record_type.number()), Some(*record_type));
        assert_eq!(record_type.name().parse(), Ok(*record_type));
        let mut names = BTreeSet::new();
        for field in definition.fields() {
            assert!(names.insert(field.name), "{record_type}: {} twice", field.name);
            assert!(!ENVELOPE.contains(&field.name), "{record_type}: {}", field.name);
            assert!(!field.doc.is_empty());
            if let FieldKind::Code(list) | FieldKind::Codes(list) = field.kind {
                assert!(list.codes.len() <= 32, "{}", list.name);
            }
        }
        assert!(definition.identity.iter().all(|f| f.kind.is_identity()));
        assert!(definition.payload.iter().all(|f| !f.kind.is_identity()));
        assert!(definition.payload.len() <= 250 && !definition.senders.is_empty());
        assert_eq!(definition.about == About::Nobody, definition.identity.is_empty());
        assert!(record_type.number() < 64, "sets of types have 64 bits");
        assert!(!definition.statement || definition.about == About::Nobody);
        if let Some(case) = &definition.case {
            let kind = |number: u8| definition.payload[usize::from(number)].kind;
            assert_eq!(kind(case.case), FieldKind::CaseReference);
            assert!(matches!(kind(case.part.0), FieldKind::Code(list) if list.codes.len() == 4));
        }
        for name in definition.rules.iter().flat_map(RowRule::fields) {
            assert!(definition.payload.iter().any(|f| f.name == name), "{name}");
        }
        for rule in definition.rules {
            let RowRule::Follows { flag, from, codes } = rule else { continue };
            let kind = |name: &str| definition.field(name).unwrap().kind;
            assert_eq!(kind(flag), FieldKind::Flag);
            for name in *from {
                let FieldKind::Code(list) = kind(name) else { panic!("{name}: no code") };
                assert!(codes.iter().all(|code| list.codes.contains(code)));
            }
        }
    }
}
