//! What is not explicitly granted is refused: the decision against a plain reading of the documents.

use proptest::prelude::*;

use super::support::{Places, TODAY, entry, lsoa, partner, template};
use crate::domain::RecordType;
use crate::domain::record::ENVELOPE;
use crate::protocol::decision::IntakeQuestion;
use crate::protocol::document::{Protocol, ProtocolVersion};
use crate::protocol::geography::Geography;
use crate::protocol::life::Act;
use crate::protocol::permit::{ConsentEvidence, ConsentState, RecordFacts, Whereabouts};
use crate::protocol::policy::Policy;
use crate::protocol::template::Template;
use crate::protocol::vocabulary::{CallerRole, ConsentRule, RetentionStart};

const PARTNERS: [&str; 7] =
    ["health", "dwp", "learning", "families", "centres", "authority", "nobody"];
const COLUMNS: [&str; 12] = [
    "record_id",
    "event_date",
    "consent_ref",
    "nhs_number",
    "date_of_birth",
    "review",
    "outcome",
    "centre",
    "start_date",
    "attendee",
    "activity",
    "income",
];
const PLACES: [&str; 5] = ["E01009522", "E01009523", "E01009600", "E01009700", "E01000001"];
const AREAS: [&str; 6] = ["E08000026", "CL1", "CC01", "CC02", "CC03", "E01009523"];

/// A plain reading, straight from the documents: no index, no order, no reasons.
fn reads_as_granted(
    documents: &[(Protocol, bool)],
    question: &IntakeQuestion<'_>,
    record: &RecordFacts,
) -> bool {
    documents.iter().any(|(protocol, suspended)| {
        let flows = protocol.flows.iter().filter(|flow| {
            let listed = |column: &&str| flow.fields.iter().any(|f| f.name == **column);
            let days = |from: jiff::civil::Date, to: jiff::civil::Date| (to - from).get_days();
            let Whereabouts::Lsoa(place) = record.place else { return false };
            flow.from == *question.partner
                && flow.record_type.name() == question.record_type
                && question.columns.iter().all(|c| ENVELOPE.contains(c) || listed(c))
                && flow
                    .fields
                    .iter()
                    .all(|f| !f.required || question.columns.contains(&f.name.as_str()))
                && flow.areas.iter().any(|a| Places.lsoas(a).is_some_and(|l| l.contains(&place)))
                && days(record.event_date, record.extracted_at) <= i32::from(flow.max_backdate_days)
                && days(record.event_date, protocol.effective) <= i32::from(flow.max_backdate_days)
                && days(record.extracted_at, question.today) <= i32::from(flow.max_lag_days)
                // What would be let go at once does not come in; here each feed has one protocol.
                && protocol.retention.iter().all(|kept| {
                    kept.record_type != flow.record_type
                        || kept.from_event != RetentionStart::EventDate
                        || days(record.event_date, question.today) <= i32::from(kept.days)
                })
                && (flow.consent != ConsentRule::Explicit
                    || matches!(
                        record.consent,
                        ConsentEvidence::Reference { state: ConsentState::Given, .. }
                    ))
        });
        !suspended
            && question.role == CallerRole::Provider
            && protocol.id == *question.protocol
            && (protocol.effective..=protocol.expires).contains(&question.today)
            && record.event_date <= protocol.expires
            && flows.count() == 1
    })
}

fn days_before(days: i32) -> jiff::civil::Date {
    crate::domain::time::days_after(TODAY, -days)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn what_is_not_granted_is_refused(
        cut in proptest::collection::vec((0..5usize, 0..20usize), 0..6),
        areas in proptest::collection::vec(proptest::sample::subsequence(AREAS.to_vec(), 1..3), 5),
        suspended in proptest::collection::vec(prop_oneof![4 => Just(false), 1 => Just(true)], 5),
        questions in proptest::collection::vec(
            (
                (0..7usize, prop_oneof![9 => Just(0usize), 1 => 1..4usize], 0..5usize, any::<bool>(), 0..9usize),
                (any::<bool>(), proptest::sample::subsequence(COLUMNS.to_vec(), 0..5)),
                (-400..800i32, 0..6usize, -20..2_200i32, -10..1_000i32, 0..3usize),
            ),
            120,
        ),
    ) {
        let mut documents = Vec::new();
        for (place, sender) in Template::ALL.iter().enumerate() {
            let mut protocol = template(*sender);
            for flow in &mut protocol.flows {
                flow.areas = areas[place].iter().map(|code| code.parse().unwrap()).collect();
                let cut = cut.iter().filter(|(at, _)| *at == place).map(|(_, field)| *field);
                let names: Vec<String> =
                    cut.filter_map(|field| flow.fields.get(field)).filter(|f| !f.required).map(|f| f.name.clone()).collect();
                flow.fields.retain(|field| !names.contains(&field.name));
            }
            documents.push((protocol, suspended[place]));
        }
        let entries = documents.iter().zip(PARTNERS).map(|((protocol, suspended), sender)| {
            let acts = [Act::Suspend { party: partner(sender) }];
            entry(protocol, if *suspended { &acts } else { &[] })
        });
        let policy = Policy::compile(1, None, entries, &Places);
        prop_assert!(policy.faults().is_empty());
        for ((who, role, which, own, what), (whole, some), (shift, place, age, lag, consent)) in questions {
            let sender = Template::ALL[which];
            let who = if own { sender.code() } else { PARTNERS[who] };
            let types = sender.record_types();
            let record_type = if own { types[what % types.len()] } else { RecordType::ALL[what] };
            let all: Vec<&str> = record_type.definition().fields().map(|field| field.name).collect();
            let columns = if whole { all } else { some };
            let today = crate::domain::time::days_after(TODAY, shift);
            let question = IntakeQuestion {
                partner: &partner(who),
                role: CallerRole::ALL[role],
                protocol: &format!("isp-{sender}").parse().unwrap(),
                version: ProtocolVersion::FIRST,
                record_type: record_type.name(),
                columns: &columns,
                today,
            };
            let extracted_at = crate::domain::time::days_after(today, -lag);
            let record = RecordFacts {
                place: PLACES.get(place).map_or(Whereabouts::NotFound, |code| Whereabouts::Lsoa(lsoa(code))),
                event_date: days_before(age + lag - shift),
                extracted_at,
                consent: match consent {
                    0 => ConsentEvidence::Absent,
                    1 => ConsentEvidence::Reference { state: ConsentState::Withdrawn, given_on: None },
                    _ => ConsentEvidence::Reference { state: ConsentState::Given, given_on: None },
                },
            };
            let decided = policy.authorise_intake(&question).and_then(|permit| permit.admits(&record));
            let read = reads_as_granted(&documents, &question, &record);
            prop_assert_eq!(decided.is_ok(), read, "{:?} {:?} {:?}", decided, question, record);
        }
    }
}
