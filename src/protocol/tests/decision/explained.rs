//! "May Health send health_review.outcome about E01009600 today?"

use jiff::civil::{Date, date};

use super::super::support::{Places, TODAY, area, entry, lsoa, partner, template};
use super::{revocation, with};
use crate::domain::Lsoa;
use crate::protocol::explain::SendingQuestion;
use crate::protocol::geography::Geography;
use crate::protocol::life::Act;
use crate::protocol::policy::Policy;
use crate::protocol::template::Template;

/// Who, what, where, when, and the answer as far as it is given here.
type Case = (&'static str, &'static str, &'static str, &'static str, Date, &'static str);

#[rustfmt::skip]
const CASES: [Case; 22] = [
    ("health", "health_review", "outcome", "E01009600", TODAY, "Yes: flow 1 lists it until 2027-03-31, for planning and managing children's centres,"),
    ("health", "health_review", "outcome", "", TODAY, "Yes: flow 1 lists it"),
    ("health", "health_review", "outcome", "CC02", TODAY, "Yes: flow 1 lists it"),
    ("health", "live_birth", "plurality", "E08000026", TODAY, "Yes: flow 0 lists it"),
    ("health", "health_review", "outcome", "E01009600", date(2024, 4, 1), "Yes: flow 1 lists it"),
    ("health", "health_review", "outcome", "E01009600", date(2027, 3, 31), "Yes: flow 1 lists it"),
    ("health", "health_review", "outcome", "E01009600", date(2027, 4, 1), "No: flow 1 ended 2027-03-31 (protocol_expired; isp-health version 1 /expires)"),
    ("health", "health_review", "outcome", "E01009600", date(2024, 3, 31), "No: flow 1 begins 2024-04-01 (protocol_not_yet_effective; isp-health version 1 /effective)"),
    ("health", "live_birth", "plurality", "", date(2030, 1, 1), "No: flow 0 ended 2027-03-31"),
    ("health", "health_review", "outcome", "E01099999", TODAY, "No: flow 1 does not cover E01099999 (area_not_covered; isp-health version 1 /flows/1/areas)"),
    ("health", "health_review", "income", "E01009600", TODAY, "No: flow 1 does not list the field (field_not_listed; isp-health version 1 /flows/1/fields)"),
    ("health", "health_review", "plurality", "E01009600", TODAY, "No: flow 1 does not list the field"),
    ("health", "attendance", "activity", "E01009600", TODAY, "No: no protocol lets health send this record type (flow_not_granted)"),
    ("health", "bank_account", "balance", "E01009600", TODAY, "No: this record type is not known (unknown_record_type)"),
    ("nobody", "health_review", "outcome", "E01009600", TODAY, "No: no protocol lets nobody send this record type"),
    ("authority", "health_review", "outcome", "E01009600", TODAY, "No: no protocol lets authority send this record type"),
    ("dwp", "two_year_old_eligibility", "list_date", "E01009600", TODAY, "Yes: flow 0 lists it until 2027-03-31, for raising the take-up of funded early education, on the basis of Childcare Act 2006 s.13A"),
    ("dwp", "health_review", "outcome", "E01009600", TODAY, "No: no protocol lets dwp send"),
    ("centres", "registration", "centre", "E01009522", TODAY, "the subject's consent, with a reference in each record"),
    ("centres", "referral", "direction", "CC01", TODAY, "Yes: flow 2 lists it"),
    ("families", "referral", "direction", "CC01", TODAY, "Yes: flow 1 lists it"),
    ("learning", "funded_place", "hours", "CL2", date(2027, 1, 1), "As the documents stand today."),
];

pub(super) fn count() -> usize {
    CASES.len()
}

fn told(policy: &Policy, case: &Case) -> String {
    let (who, record_type, field, place, day, _) = *case;
    let lsoas: Vec<Lsoa> = if place.is_empty() {
        Vec::new()
    } else {
        Places.lsoas(&area(place)).unwrap_or_else(|| vec![lsoa(place)])
    };
    let place = (!place.is_empty()).then(|| area(place));
    let partner = partner(who);
    let question = SendingQuestion {
        partner: &partner,
        protocol: None,
        record_type,
        fields: &[field],
        area: place.as_ref().map(|place| (place, &*lsoas)),
        day,
        today: TODAY,
    };
    let (explanation, permit) = policy.explain_sending(&question);
    assert_eq!(explanation.answer().is_ok(), permit.is_some());
    explanation.to_string()
}

#[test]
fn explained_case_by_case() {
    let policy = super::super::support::whole_policy(1);
    for case in &CASES {
        let told = told(&policy, case);
        assert!(told.contains(case.5), "{told}\nand not: {}", case.5);
        assert!(!told.contains("income") && !told.contains("balance"), "{told}");
    }
    let told = told(&policy, &CASES[0]);
    let question = "May health send health_review.outcome about E01009600 today, 2026-05-01?";
    assert!(told.starts_with(question), "{told}");
}

#[test]
fn what_stopped_a_flow_is_named() {
    let protocol = template(Template::Health);
    let case = |day| ("health", "health_review", "outcome", "E01009600", day, "");
    let suspend = Act::Suspend { party: partner("health") };
    for (acts, expected) in [
        (vec![suspend], "No: flow 1 is suspended (protocol_suspended"),
        (vec![revocation("health")], "No: flow 1 has been revoked (protocol_revoked"),
        (vec![Act::Supersede], "No: a newer version has replaced this protocol"),
    ] {
        let told = told(&with(vec![entry(&protocol, &acts)]), &case(TODAY));
        assert!(told.contains(expected), "{told}");
    }
    // Of a day gone by, what has expired since is told by its term.
    let mut ended = protocol;
    (ended.review_by, ended.expires) = (date(2026, 3, 31), date(2026, 3, 31));
    let expired = vec![Act::Expire { today: TODAY }];
    let policy = with(vec![entry(&ended, &expired)]);
    for (day, expected) in [
        (TODAY, "No: flow 1 ended 2026-03-31 (protocol_expired; isp-health version 1 /expires)"),
        (date(2026, 3, 31), "Yes: flow 1 lists it until 2026-03-31"),
        (date(2026, 4, 1), "No: flow 1 ended 2026-03-31"),
        (date(2024, 1, 1), "No: flow 1 begins 2024-04-01"),
    ] {
        let told = told(&policy, &case(day));
        assert!(told.contains(expected), "{told}");
    }
}
