//! May a batch be sent?

use jiff::civil::date;

use super::super::support::{all_columns, whole_policy};
use super::{Case, answer, ask, good};
use crate::domain::RecordType;
use crate::protocol::vocabulary::CallerRole;

const OK: &str = "ok";
const NO: &str = "flow_not_granted /flows";

/// Who may send what under its own protocol, with every column that the type has.
#[rustfmt::skip]
const SENDERS: [(&str, [&str; 5]); 24] = [
    // record type                 health dwp  learning families centres
    ("live_birth",                [OK,    NO,  NO,      NO,      NO]),
    ("health_review",             [OK,    NO,  NO,      NO,      NO]),
    ("two_year_old_eligibility",  [NO,    OK,  NO,      NO,      NO]),
    ("funded_place",              [NO,    NO,  OK,      NO,      NO]),
    ("learning_aim",              [NO,    NO,  OK,      NO,      NO]),
    ("family_case",               [NO,    NO,  NO,      OK,      NO]),
    ("registration",              [NO,    NO,  NO,      NO,      OK]),
    ("attendance",                [NO,    NO,  NO,      NO,      OK]),
    ("referral",                  [NO,    NO,  NO,      OK,      OK]),
    ("antenatal",                 [OK,    NO,  NO,      NO,      NO]),
    ("feeding_6_8_week",          [OK,    NO,  NO,      NO,      NO]),
    ("development_score",         [OK,    NO,  NO,      NO,      NO]),
    ("movement",                  [OK,    NO,  NO,      NO,      NO]),
    ("death",                     [OK,    NO,  NO,      NO,      NO]),
    ("session_attendance",        [NO,    NO,  OK,      NO,      NO]),
    ("early_years_profile",       [NO,    NO,  OK,      NO,      NO]),
    ("work_status",               [NO,    OK,  NO,      NO,      NO]),
    ("support_case",              [NO,    NO,  NO,      NO,      OK]),
    ("survey",                    [NO,    NO,  NO,      NO,      OK]),
    ("volunteer_placement",       [NO,    NO,  NO,      NO,      OK]),
    ("provider_session",          [NO,    NO,  NO,      NO,      OK]),
    ("school_contact",            [NO,    NO,  NO,      NO,      OK]),
    ("consent",                   [OK,    OK,  OK,      OK,      OK]),
    ("example",                   [NO,    NO,  NO,      NO,      OK]),
];

pub(super) fn count() -> usize {
    cases().len() + SENDERS.iter().map(|(_, cells)| cells.len()).sum::<usize>()
}

#[test]
fn each_agency_sends_its_own_records_alone() {
    let policy = whole_policy(1);
    let senders = [
        ("health", "isp-health"),
        ("dwp", "isp-dwp"),
        ("learning", "isp-learning"),
        ("families", "isp-families"),
        ("centres", "isp-centres"),
    ];
    assert_eq!(SENDERS.len(), RecordType::ALL.len());
    for (record_type, cells) in SENDERS {
        for ((partner, protocol), expected) in senders.into_iter().zip(cells) {
            let columns = all_columns(record_type.parse().unwrap());
            let case = Case { partner, protocol, record_type, columns, ..good() };
            assert_eq!(answer(&ask(&policy, &case)), expected, "{record_type} by {partner}");
        }
    }
}

fn cases() -> Vec<(Case, &'static str)> {
    let columns = |list: &[&'static str]| list.to_vec();
    vec![
        (good(), "ok"),
        (
            Case {
                record_type: "live_birth",
                columns: all_columns(RecordType::LiveBirth),
                ..good()
            },
            "ok",
        ),
        (Case { record_type: "bank_account", ..good() }, "unknown_record_type -"),
        (Case { record_type: "", ..good() }, "unknown_record_type -"),
        (Case { record_type: "Health_review", ..good() }, "unknown_record_type -"),
        (Case { protocol: "isp-police", ..good() }, "protocol_unknown -"),
        (Case { version: 2, ..good() }, "protocol_unknown -"),
        (Case { partner: "dwp", ..good() }, "not_a_party /parties"),
        (Case { partner: "oversight", ..good() }, "not_a_party /parties"),
        (Case { partner: "nobody", ..good() }, "not_a_party /parties"),
        (Case { role: CallerRole::DataOfficer, ..good() }, "wrong_role "),
        (Case { role: CallerRole::Consumer, ..good() }, "wrong_role "),
        (Case { role: CallerRole::Auditor, ..good() }, "wrong_role "),
        (Case { partner: "authority", ..good() }, "flow_not_granted /flows"),
        (Case { record_type: "attendance", ..good() }, "flow_not_granted /flows"),
        (Case { record_type: "family_case", ..good() }, "flow_not_granted /flows"),
        (Case { today: date(2024, 3, 31), ..good() }, "protocol_not_yet_effective /effective"),
        (Case { today: date(2024, 4, 1), ..good() }, "ok"),
        (Case { today: date(2027, 3, 31), ..good() }, "ok"),
        (Case { today: date(2027, 4, 1), ..good() }, "protocol_expired /expires"),
        (
            Case { columns: columns(&["date_of_birth", "review", "outcome", "income"]), ..good() },
            "field_not_listed /flows/1/fields",
        ),
        (
            Case { columns: columns(&["date_of_birth", "review", "outcome", "ulna"]), ..good() },
            "field_not_listed /flows/1/fields",
        ),
        (
            Case { columns: columns(&["date_of_birth", "review", "outcome", ""]), ..good() },
            "field_not_listed /flows/1/fields",
        ),
        (
            Case { columns: columns(&["date_of_birth", "review", "Outcome"]), ..good() },
            "field_not_listed /flows/1/fields",
        ),
        // A field of another record type of the same protocol.
        (
            Case {
                columns: columns(&["date_of_birth", "review", "outcome", "mother_surname"]),
                ..good()
            },
            "field_not_listed /flows/1/fields",
        ),
        (
            Case { columns: columns(&["date_of_birth", "review"]), ..good() },
            "required_field_missing /flows/1/fields/10",
        ),
        (
            Case { columns: columns(&["review", "outcome"]), ..good() },
            "required_field_missing /flows/1/fields/4",
        ),
        (Case { columns: columns(&[]), ..good() }, "required_field_missing /flows/1/fields/4"),
        (Case { columns: columns(&["date_of_birth", "review", "outcome"]), ..good() }, "ok"),
    ]
}

#[test]
fn intake_case_by_case() {
    let policy = whole_policy(1);
    for (number, (case, expected)) in cases().iter().enumerate() {
        assert_eq!(answer(&ask(&policy, case)), *expected, "case {number}");
    }
    let income = Case { columns: vec!["review", "income"], ..good() };
    assert_eq!(ask(&policy, &income).unwrap_err().column(), Some(1));
}
