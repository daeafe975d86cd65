//! What is not explicitly granted is refused: the decision against a plain reading of the documents.

use jiff::civil::Date;
use proptest::prelude::*;

use super::support::{Places, TODAY, area, lsoa, pairs, partner, paused};
use crate::domain::record::ENVELOPE;
use crate::domain::{PartnerId, RecordType};
use crate::protocol::decision::IntakeQuestion;
use crate::protocol::document::{Flow, Protocol, ProtocolVersion};
use crate::protocol::explain::SendingQuestion;
use crate::protocol::geography::Geography;
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

/// What is recorded of the consent that a record names.
const CONSENTS: [ConsentState; 3] =
    [ConsentState::Given, ConsentState::Withdrawn, ConsentState::Unknown];

fn days(from: Date, to: Date) -> i32 {
    (to - from).get_days()
}

/// A plain reading, straight from the documents: no index, no order, no reasons.
fn reads_as_granted(
    documents: &[(Protocol, Vec<PartnerId>)],
    question: &IntakeQuestion<'_>,
    record: &RecordFacts,
) -> bool {
    let own = |flow: &&Flow| {
        flow.from == *question.partner && flow.record_type.name() == question.record_type
    };
    let term =
        |protocol: &Protocol| (protocol.effective..=protocol.expires).contains(&question.today);
    // What would be let go at once does not come in, whichever of those in force says so: a
    // suspension stops no clock.
    let kept = documents.iter().filter(|(p, _)| term(p) && p.flows.iter().any(|f| own(&f)));
    let kept = kept.flat_map(|(protocol, _)| &protocol.retention).all(|kept| {
        kept.record_type.name() != question.record_type
            || kept.from_event != RetentionStart::EventDate
            || days(record.event_date, question.today) <= i32::from(kept.days)
    });
    documents.iter().any(|(protocol, suspended)| {
        let flows = protocol.flows.iter().filter(own).filter(|flow| {
            let listed = |column: &&str| flow.fields.iter().any(|f| f.name == **column);
            let Whereabouts::Lsoa(place) = record.place else { return false };
            question.columns.iter().all(|c| ENVELOPE.contains(c) || listed(c))
                && flow
                    .fields
                    .iter()
                    .all(|f| !f.required || question.columns.contains(&f.name.as_str()))
                && flow.areas.iter().any(|a| Places.lsoas(a).is_some_and(|l| l.contains(&place)))
                && days(record.event_date, record.extracted_at) <= i32::from(flow.max_backdate_days)
                && days(record.event_date, protocol.effective) <= i32::from(flow.max_backdate_days)
                && days(record.extracted_at, question.today) <= i32::from(flow.max_lag_days)
                && consented(flow, record, question.today)
        });
        !suspended.contains(question.partner)
            && question.role == CallerRole::Provider
            && protocol.id == *question.protocol
            && term(protocol)
            && record.event_date <= protocol.expires
            && kept
            && flows.count() == 1
    })
}

/// Whether a consent stands, and is young enough.
fn consented(flow: &Flow, record: &RecordFacts, today: Date) -> bool {
    if flow.consent != ConsentRule::Explicit {
        return true;
    }
    match (record.consent, flow.consent_max_age_days) {
        (ConsentEvidence::Reference { state: ConsentState::Given, given_on }, Some(most)) => {
            given_on.is_some_and(|day| days(day, today) <= i32::from(most))
        }
        (ConsentEvidence::Reference { state: ConsentState::Given, .. }, None) => true,
        _ => false,
    }
}

fn days_before(days: i32) -> Date {
    crate::domain::time::days_after(TODAY, -days)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    /// Two protocols a feed, suspended by one party, the other or both, with areas, fields, keeping
    /// and ages of consents of their own.
    #[test]
    fn what_is_not_granted_is_refused(
        cut in proptest::collection::vec((0..10usize, 0..20usize), 0..12),
        terms in proptest::collection::vec(
            (
                proptest::sample::subsequence(AREAS.to_vec(), 1..3),
                prop_oneof![4 => Just(0u8), 1 => 1..4u8],
                prop_oneof![1 => Just(None), 1 => (20..900u16).prop_map(Some)],
                100..2_200u16,
            ),
            10,
        ),
        questions in proptest::collection::vec(
            (
                (0..7usize, prop_oneof![9 => Just(0usize), 1 => 1..4usize], 0..10usize, any::<bool>(), 0..9usize),
                (any::<bool>(), proptest::sample::subsequence(COLUMNS.to_vec(), 0..5)),
                (-400..800i32, 0..6usize, -20..2_200i32, -10..1_000i32, 0..5usize, -5..1_000i32),
            ),
            120,
        ),
    ) {
        let suspended: Vec<u8> = terms.iter().map(|(_, suspended, ..)| *suspended).collect();
        let mut documents = pairs(&suspended);
        for (place, (protocol, _)) in documents.iter_mut().enumerate() {
            let (areas, _, age, kept) = &terms[place];
            for flow in &mut protocol.flows {
                flow.areas = areas.iter().map(|code| code.parse().unwrap()).collect();
                flow.consent_max_age_days = age.filter(|_| flow.consent == ConsentRule::Explicit);
                let cut = cut.iter().filter(|(at, _)| *at == place).map(|(_, field)| *field);
                let names: Vec<String> =
                    cut.filter_map(|field| flow.fields.get(field)).filter(|f| !f.required).map(|f| f.name.clone()).collect();
                flow.fields.retain(|field| !names.contains(&field.name));
            }
            protocol.retention.iter_mut().for_each(|entry| entry.days = *kept);
        }
        let policy = Policy::compile(1, None, documents.iter().map(paused), &Places);
        prop_assert!(policy.faults().is_empty());
        for ((who, role, which, own, what), (whole, some), (shift, place, age, lag, consent, given)) in questions {
            let sender = Template::ALL[which / 2];
            let who = if own { sender.code() } else { PARTNERS[who] };
            let types = sender.record_types();
            let record_type = if own { types[what % types.len()] } else { RecordType::ALL[what] };
            let all: Vec<&str> = record_type.definition().fields().map(|field| field.name).collect();
            let columns = if whole { all } else { some };
            let today = crate::domain::time::days_after(TODAY, shift);
            let question = IntakeQuestion {
                partner: &partner(who),
                role: CallerRole::ALL[role],
                protocol: &documents[which].0.id,
                version: ProtocolVersion::FIRST,
                record_type: record_type.name(),
                columns: &columns,
                today,
            };
            let given_on = (given >= 0).then(|| crate::domain::time::days_after(today, -given));
            let record = RecordFacts {
                place: PLACES.get(place).map_or(Whereabouts::NotFound, |code| Whereabouts::Lsoa(lsoa(code))),
                event_date: days_before(age + lag - shift),
                extracted_at: crate::domain::time::days_after(today, -lag),
                consent: match CONSENTS.get(consent) {
                    None if consent == 3 => ConsentEvidence::Absent,
                    state => ConsentEvidence::Reference { state: *state.unwrap_or(&ConsentState::Given), given_on },
                },
            };
            let decided = policy.authorise_intake(&question).and_then(|permit| permit.admits(&record));
            let read = reads_as_granted(&documents, &question, &record);
            prop_assert_eq!(decided.is_ok(), read, "{:?} {:?} {:?}", decided, question, record);
            // What is explained is what is decided, to the reason and the clause.
            let told = policy.explain_intake(&question, Some(&record));
            prop_assert_eq!(told.answer().map(drop).map_err(Clone::clone), decided);
            explained_as_decided(&policy, &question)?;
        }
    }
}

/// The answer to "may I send these fields about people there?" is the decision's at intake, of such a
/// record on that day.
fn explained_as_decided(
    policy: &Policy,
    question: &IntakeQuestion<'_>,
) -> Result<(), TestCaseError> {
    let (place, code) = (lsoa(PLACES[2]), area(PLACES[2]));
    let asked = SendingQuestion {
        partner: question.partner,
        protocol: Some((question.protocol, question.version)),
        record_type: question.record_type,
        fields: question.columns,
        area: Some((&code, &[place])),
        day: question.today,
        today: question.today,
    };
    let (told, _) = policy.explain_sending(&asked);
    let mut columns = question.columns.to_vec();
    let flows = policy.sending(question.record_type.parse().unwrap()).iter();
    let own = flows.filter(|(p, place)| {
        p.id == *question.protocol && p.flows[*place].from == *question.partner
    });
    let required = own.flat_map(|(p, place)| p.flows[*place].fields.iter());
    columns.extend(required.filter(|field| field.required).map(|field| field.name));
    let question = IntakeQuestion { columns: &columns, role: CallerRole::Provider, ..*question };
    let given_on = Some(question.today);
    let record = RecordFacts {
        place: Whereabouts::Lsoa(place),
        event_date: question.today,
        extracted_at: question.today,
        consent: ConsentEvidence::Reference { state: ConsentState::Given, given_on },
    };
    let decided = policy.authorise_intake(&question).and_then(|permit| permit.admits(&record));
    prop_assert_eq!(told.answer().map(drop).map_err(Clone::clone), decided);
    Ok(())
}
