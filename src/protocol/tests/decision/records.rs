//! May this very record be taken, on the permit?

use jiff::civil::{Date, date};

use super::super::support::{all_columns, area, entry, lsoa, template, whole_policy};
use super::{Case, answer, ask, consent, good, record, with};
use crate::domain::{RecordType, time::days_after};
use crate::protocol::document::Retention;
use crate::protocol::permit::{
    ConsentEvidence, ConsentState, IntakePermit, RecordFacts, Whereabouts,
};
use crate::protocol::policy::Policy;
use crate::protocol::template::Template;
use crate::protocol::vocabulary::{ConsentRule, RetentionStart};

const OK: &str = "ok";
const MISSING: &str = "consent_missing /flows/0/consent";
const NOT_GIVEN: &str = "consent_not_given /flows/0/consent";

/// What a flow asks of the subject, and what the record has to show.
#[rustfmt::skip]
const CONSENTS: [(ConsentRule, [&str; 7]); 3] = [
    // rule                  absent    declared given  refused    withdrawn  expired    unknown
    (ConsentRule::Nothing,  [OK,       OK,      OK,    OK,        OK,        OK,        OK]),
    (ConsentRule::Notice,   [OK,       OK,      OK,    OK,        OK,        OK,        OK]),
    (ConsentRule::Explicit, [MISSING,  OK,      OK,    NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, NOT_GIVEN]),
];

const GONE: &str = "event_too_old /retention/1";

/// For how long health reviews are kept, from when, and how many days ago the event was.
const KEPT: [(u16, RetentionStart, i32, &str); 10] = [
    (30, RetentionStart::EventDate, 30, OK),
    (30, RetentionStart::EventDate, 31, GONE),
    (1, RetentionStart::EventDate, 1, OK),
    (1, RetentionStart::EventDate, 2, GONE),
    // A review is no case: it has no closing, and counts from its event.
    (30, RetentionStart::CaseClosed, 30, OK),
    (30, RetentionStart::CaseClosed, 31, GONE),
    // What counts from the receipt begins now; of birthdays the permit knows nothing.
    (30, RetentionStart::Received, 31, OK),
    (30, RetentionStart::FifthBirthday, 31, OK),
    (2_557, RetentionStart::EventDate, 2_000, OK),
    (2_557, RetentionStart::EventDate, 2_003, "event_too_old /flows/1/max_backdate_days"),
];

pub(super) fn count() -> usize {
    cases().len() + KEPT.len() + CONSENTS.iter().map(|(_, cells)| cells.len()).sum::<usize>()
}

fn kept_for(days: u16, from_event: RetentionStart) -> Policy {
    let mut protocol = template(Template::Health);
    let record_type = RecordType::HealthReview;
    protocol.retention[1] = Retention { record_type, days, from_event };
    with(vec![entry(&protocol, &[])])
}

#[test]
fn what_would_be_let_go_at_once_does_not_come_in() {
    for (number, (days, from, ago, expected)) in KEPT.into_iter().enumerate() {
        let permit = ask(&kept_for(days, from), &good()).unwrap();
        let extracted_at = days_after(good().today, -2);
        let event_date = days_after(good().today, -ago);
        let facts = RecordFacts { event_date, extracted_at, ..record() };
        let facts =
            if ago == 1 { RecordFacts { extracted_at: event_date, ..facts } } else { facts };
        assert_eq!(answer(&permit.admits(&facts)), expected, "case {number}");
    }
}

#[test]
fn consents_cell_by_cell() {
    for (rule, cells) in CONSENTS {
        let mut protocol = template(Template::Centres);
        protocol.flows[0].consent = rule;
        if rule != ConsentRule::Explicit {
            protocol.flows[0].confidentiality =
                crate::protocol::vocabulary::Confidentiality::Statute;
        }
        let permit = registrations(&with(vec![entry(&protocol, &[])]));
        let states = [
            ConsentState::Declared,
            ConsentState::Given,
            ConsentState::Refused,
            ConsentState::Withdrawn,
            ConsentState::Expired,
            ConsentState::Unknown,
        ];
        let absent = RecordFacts { consent: ConsentEvidence::Absent, ..record() };
        let facts = std::iter::once(absent).chain(states.map(|state| consent(state, None)));
        for (number, (facts, expected)) in facts.zip(cells).enumerate() {
            assert_eq!(answer(&permit.admits(&facts)), expected, "{rule} {number}");
        }
    }
}

/// The centres' leave to send registrations.
fn registrations(policy: &Policy) -> IntakePermit {
    let case = Case {
        partner: "centres",
        protocol: "isp-centres",
        record_type: "registration",
        columns: all_columns(RecordType::Registration),
        ..good()
    };
    ask(policy, &case).unwrap()
}

#[test]
fn a_consent_counts_for_so_long() {
    let mut protocol = template(Template::Centres);
    protocol.flows[0].consent_max_age_days = Some(365);
    let permit = registrations(&with(vec![entry(&protocol, &[])]));
    let aged = "consent_not_given /flows/0/consent_max_age_days";
    let given = |day: Date| consent(ConsentState::Given, Some(day));
    for (facts, expected) in [
        (given(date(2025, 5, 1)), OK),
        (given(date(2025, 4, 30)), aged),
        (consent(ConsentState::Given, None), aged),
        (consent(ConsentState::Withdrawn, Some(date(2026, 4, 30))), NOT_GIVEN),
    ] {
        assert_eq!(answer(&permit.admits(&facts)), expected);
    }
}

fn cases() -> Vec<(RecordFacts, &'static str)> {
    let at = |code: &str| Whereabouts::Lsoa(lsoa(code));
    vec![
        (record(), "ok"),
        (RecordFacts { place: at("E01009700"), ..record() }, "ok"),
        (RecordFacts { place: Whereabouts::NotStated, ..record() }, "ok"),
        (RecordFacts { place: at("E01009999"), ..record() }, "area_not_covered /flows/1/areas"),
        (RecordFacts { place: at("E01009521"), ..record() }, "area_not_covered /flows/1/areas"),
        (
            RecordFacts { place: Whereabouts::NotFound, ..record() },
            "area_not_covered /flows/1/areas",
        ),
        // In force from 2024-04-01, 2,000 days back.
        (
            RecordFacts { event_date: date(2018, 10, 9), ..record() },
            "event_date_outside_term /effective",
        ),
        (
            RecordFacts { event_date: date(2018, 10, 10), ..record() },
            "event_too_old /flows/1/max_backdate_days",
        ),
        (
            RecordFacts { event_date: date(2020, 10, 27), ..record() },
            "event_too_old /flows/1/max_backdate_days",
        ),
        (RecordFacts { event_date: date(2020, 10, 28), ..record() }, "ok"),
        (RecordFacts { event_date: date(2027, 3, 31), ..record() }, "ok"),
        (
            RecordFacts { event_date: date(2027, 4, 1), ..record() },
            "event_date_outside_term /expires",
        ),
        // 900 days of lag until 2026-05-01.
        (
            RecordFacts {
                event_date: date(2023, 11, 1),
                extracted_at: date(2023, 11, 13),
                ..record()
            },
            "ok",
        ),
        (
            RecordFacts {
                event_date: date(2023, 11, 1),
                extracted_at: date(2023, 11, 12),
                ..record()
            },
            "extract_too_late /flows/1/max_lag_days",
        ),
        (RecordFacts { consent: ConsentEvidence::Absent, ..record() }, "ok"),
        (consent(ConsentState::Refused, None), "ok"),
    ]
}

#[test]
fn records_case_by_case() {
    let permit = ask(&whole_policy(1), &good()).unwrap();
    for (number, (record, expected)) in cases().iter().enumerate() {
        assert_eq!(answer(&permit.admits(record)), *expected, "case {number}");
    }
}

#[test]
fn a_narrower_flow_admits_its_own_areas_only() {
    let mut protocol = template(Template::Health);
    protocol.flows[1].areas = vec![area("CC02"), area("E01009523")];
    let permit = ask(&with(vec![entry(&protocol, &[])]), &good()).unwrap();
    for (code, expected) in
        [("E01009600", "ok"), ("E01009523", "ok"), ("E01009522", "no"), ("E01009700", "no")]
    {
        let facts = RecordFacts { place: Whereabouts::Lsoa(lsoa(code)), ..record() };
        assert_eq!(permit.admits(&facts).is_ok(), expected == "ok", "{code}");
    }
}
