//! Whether a consent stands and covers a flow, case by case.

use crate::domain::RecordType;
use crate::protocol::consent::{
    ConsentGiver, ConsentRecord, ConsentTerms, Coverage, RecordedConsent, Statement, standing,
};
use crate::protocol::refusal::Reason;
use crate::protocol::vocabulary::{ConsentRule, Purpose};

use ConsentGiver::{Carer, Parent, Subject};
use ConsentRecord::{Expired, Given, Refused, Withdrawn};

/// Giver's number, what it is, what was said, on which day: in the order known.
type Said = (i64, Option<ConsentGiver>, ConsentRecord, i32);

fn statements(said: &[Said]) -> Vec<Statement> {
    let statement = |(number, (giver, given_by, state, stated_on)): (i64, &Said)| Statement {
        number,
        giver: *giver,
        given_by: *given_by,
        state: *state,
        stated_on: *stated_on,
        coverage: Coverage::default(),
    };
    (1..).zip(said).map(statement).collect()
}

#[test]
fn what_statements_come_to_case_by_case() {
    type Case<'a> = (&'a [Said], Option<(ConsentRecord, i32)>);
    let (parent, carer, subject) = (Some(Parent), Some(Carer), Some(Subject));
    let cases: &[Case<'_>] = &[
        (&[], None),
        (&[(0, parent, Given, 5)], Some((Given, 5))),
        (&[(0, parent, Refused, 5)], Some((Refused, 5))),
        // Of one voice the later day, whatever came first; of one day the no.
        (&[(0, parent, Refused, 5), (0, parent, Given, 6)], Some((Given, 6))),
        (&[(0, parent, Given, 6), (0, parent, Refused, 5)], Some((Given, 6))),
        (&[(0, parent, Given, 5), (0, parent, Refused, 5)], Some((Refused, 5))),
        (&[(0, parent, Refused, 5), (0, parent, Given, 5)], Some((Refused, 5))),
        (&[(0, parent, Refused, 5), (0, parent, Withdrawn, 5)], Some((Withdrawn, 5))),
        (&[(0, parent, Expired, 5), (0, parent, Given, 5)], Some((Expired, 5))),
        // Where two differ, refusal prevails, however old.
        (&[(1, parent, Given, 9), (2, parent, Refused, 5)], Some((Refused, 5))),
        (&[(1, parent, Refused, 5), (2, parent, Given, 9)], Some((Refused, 5))),
        (&[(0, parent, Refused, 5), (0, carer, Given, 9)], Some((Refused, 5))),
        (&[(0, parent, Given, 5), (1, parent, Withdrawn, 4)], Some((Withdrawn, 4))),
        // Until the one who said it says otherwise; what the giver is may be put right.
        (&[(1, parent, Given, 9), (2, parent, Refused, 5), (2, carer, Given, 8)], Some((Given, 9))),
        // One that has run out is no word against another's.
        (&[(1, parent, Given, 9), (2, parent, Expired, 10)], Some((Given, 9))),
        (&[(1, parent, Expired, 9), (2, parent, Expired, 7)], Some((Expired, 9))),
        (&[(1, parent, Expired, 9), (2, parent, Refused, 7)], Some((Refused, 7))),
        // The subject's own word replaces what others said on earlier days, yes or no.
        (&[(1, parent, Refused, 5), (0, subject, Given, 6)], Some((Given, 6))),
        (&[(1, parent, Given, 5), (0, subject, Refused, 6)], Some((Refused, 6))),
        (&[(1, parent, Refused, 6), (0, subject, Given, 6)], Some((Refused, 6))),
        (&[(0, subject, Given, 6), (1, parent, Withdrawn, 7)], Some((Withdrawn, 7))),
        (&[(0, subject, Refused, 6), (1, parent, Given, 7)], Some((Refused, 6))),
        // Nobody's withdrawal is everybody's, until somebody speaks on a later day.
        (&[(1, parent, Given, 5), (0, None, Withdrawn, 6)], Some((Withdrawn, 6))),
        (&[(0, None, Withdrawn, 6), (1, parent, Given, 6)], Some((Withdrawn, 6))),
        (&[(0, None, Withdrawn, 6), (1, parent, Given, 7)], Some((Given, 7))),
        (
            &[(2, parent, Refused, 5), (0, None, Withdrawn, 6), (1, parent, Given, 7)],
            Some((Given, 7)),
        ),
        (
            &[(0, None, Withdrawn, 6), (1, parent, Given, 7), (2, parent, Refused, 8)],
            Some((Refused, 8)),
        ),
    ];
    for (number, (said, expected)) in cases.iter().enumerate() {
        let all = statements(said);
        let recorded = RecordedConsent::of(&all).map(|recorded| (recorded.state, recorded.day));
        assert_eq!(recorded, *expected, "case {number}");
        // Who heard of it in what order changes nothing but between equals.
        let mut turned = all.clone();
        turned.reverse();
        let recorded = RecordedConsent::of(&turned).map(|recorded| (recorded.state, recorded.day));
        assert_eq!(recorded, *expected, "case {number}, turned");
        assert_eq!(standing(&all).is_empty(), all.is_empty());
    }
}

fn terms() -> ConsentTerms {
    ConsentTerms {
        rule: ConsentRule::Explicit,
        max_age_days: None,
        record_type: RecordType::Attendance,
        purposes: vec![Purpose::ChildrensCentrePlanning, Purpose::Audit],
    }
}

fn given(on: i32, coverage: Coverage) -> Statement {
    Statement { number: 1, giver: 0, given_by: Some(Parent), state: Given, stated_on: on, coverage }
}

#[test]
fn what_a_consent_covers_case_by_case() {
    use Purpose::{Audit, ChildrensCentrePlanning as Planning, PublicHealth};
    let all = Coverage::default;
    let types = |list: &[RecordType]| Coverage { record_types: list.to_vec(), ..all() };
    let purposes = |list: &[Purpose]| Coverage { purposes: list.to_vec(), ..all() };
    let until = |day| Coverage { until: Some(day), ..all() };
    let aged = |days| ConsentTerms { max_age_days: Some(days), ..terms() };
    let notice = ConsentTerms { rule: ConsentRule::Notice, ..terms() };
    let none = ConsentTerms { rule: ConsentRule::Nothing, ..terms() };
    let (not_given, not_covering) = (Err(Reason::ConsentNotGiven), Err(Reason::ConsentNotCovering));
    type Case = (ConsentTerms, Vec<Statement>, i32, Result<(), Reason>);
    let cases: Vec<Case> = vec![
        (terms(), vec![], 100, not_given),
        (notice.clone(), vec![], 100, Ok(())),
        (none, vec![], 100, Ok(())),
        (terms(), vec![given(90, all())], 100, Ok(())),
        (terms(), vec![given(90, types(&[RecordType::Attendance]))], 100, Ok(())),
        (terms(), vec![given(90, types(&[RecordType::Registration]))], 100, not_covering),
        (notice, vec![given(90, types(&[RecordType::Registration]))], 100, Ok(())),
        // Every use that is made of the flow.
        (terms(), vec![given(90, purposes(&[Planning, Audit, PublicHealth]))], 100, Ok(())),
        (terms(), vec![given(90, purposes(&[Planning]))], 100, not_covering),
        (terms(), vec![given(90, purposes(&[PublicHealth]))], 100, not_covering),
        // Its own last day, that day included.
        (terms(), vec![given(90, until(100))], 100, Ok(())),
        (terms(), vec![given(90, until(99))], 100, not_given),
        // The flow's oldest age, that day included.
        (aged(10), vec![given(90, all())], 100, Ok(())),
        (aged(9), vec![given(90, all())], 100, not_given),
        (aged(10), vec![given(90, until(99))], 100, not_given),
        // Of two givers' one suffices that covers; the fresher of those is asked for its age.
        (
            aged(10),
            vec![
                given(80, all()),
                Statement { giver: 1, ..given(95, types(&[RecordType::Referral])) },
            ],
            100,
            not_given,
        ),
        (
            aged(10),
            vec![
                given(80, all()),
                Statement { giver: 1, ..given(95, purposes(&[Planning, Audit])) },
            ],
            100,
            Ok(()),
        ),
        (
            terms(),
            vec![given(80, until(90)), Statement { giver: 1, ..given(70, all()) }],
            100,
            Ok(()),
        ),
        (
            terms(),
            vec![given(80, all()), Statement { giver: 1, state: Refused, ..given(70, all()) }],
            100,
            not_given,
        ),
        (terms(), vec![Statement { state: Expired, ..given(80, all()) }], 100, not_given),
    ];
    for (number, (terms, statements, today, expected)) in cases.into_iter().enumerate() {
        let recorded = RecordedConsent::of(&statements);
        let found = match &recorded {
            Some(recorded) => terms.admits(recorded.evidence(&terms, today), today),
            None => terms.admits(unknown(), today),
        };
        assert_eq!(found.map_err(|(reason, _)| reason), expected, "case {number}");
        // What the release pass asks is the same.
        assert_eq!(terms.counts(recorded.as_ref(), today), expected.is_ok(), "case {number}");
    }
}

fn unknown() -> crate::protocol::ConsentEvidence {
    let state = crate::protocol::ConsentState::Unknown;
    crate::protocol::ConsentEvidence::Reference { state, given_on: None }
}

#[test]
fn a_consent_of_unknown_age_is_too_old_and_a_record_without_one_is_refused() {
    let aged = ConsentTerms { max_age_days: Some(10), ..terms() };
    let declared = crate::protocol::ConsentEvidence::Reference {
        state: crate::protocol::ConsentState::Declared,
        given_on: None,
    };
    let refused = aged.admits(declared, 100);
    assert_eq!(refused, Err((Reason::ConsentNotGiven, "consent_max_age_days")));
    assert!(terms().admits(declared, 100).is_ok());
    let absent = terms().admits(crate::protocol::ConsentEvidence::Absent, 100);
    assert_eq!(absent, Err((Reason::ConsentMissing, "consent")));
}

#[test]
fn what_is_kept_of_coverage_is_read_again_and_nothing_else_is() {
    let limited = Coverage {
        purposes: vec![Purpose::Audit],
        record_types: vec![RecordType::Referral],
        until: Some(120),
    };
    let both =
        [given(90, limited.clone()), Statement { giver: 1, ..given(80, Coverage::default()) }];
    let recorded = RecordedConsent::of(&both).unwrap();
    let text = serde_json::to_string(&recorded.given).unwrap();
    assert_eq!(
        text,
        r#"[{"since":80},{"since":90,"purposes":["audit"],"record_types":["referral"],"until":120}]"#
    );
    let read: Vec<crate::protocol::Given> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, recorded.given);
    assert_eq!((recorded.state_on(120), recorded.state_on(121)), (Given, Given));
    let one = RecordedConsent::of(&both[..1]).unwrap();
    assert_eq!((one.state_on(120), one.state_on(121)), (Given, Expired));
    // The freshest without a limit says all.
    let both = [given(80, limited), Statement { giver: 1, ..given(90, Coverage::default()) }];
    assert!(RecordedConsent::of(&both).unwrap().given.is_empty());
}
