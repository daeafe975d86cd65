//! What is not explicitly granted is refused, of what comes out: figures and releases against a plain
//! reading of the documents, over random documents and questions.

use proptest::prelude::*;

use super::support::{Places, TODAY, area, pairs, partner, paused, root};
use crate::domain::{PartnerId, RecordType};
use crate::protocol::decision::FigureQuestion;
use crate::protocol::document::Protocol;
use crate::protocol::geography::Geography;
use crate::protocol::policy::Policy;
use crate::protocol::vocabulary::{CallerRole, Purpose};

const PARTNERS: [&str; 8] =
    ["health", "dwp", "learning", "families", "centres", "authority", "oversight", "nobody"];
const TABLES: [&str; 6] = ["engagement", "births", "twos", "referrals", "families", "incomes"];
const AREAS: [&str; 7] = ["E08000026", "CL1", "CL2", "CC01", "CC02", "CC03", "E01009600"];

/// Whether one document's output names this audience, area and purpose.
fn lists(protocol: &Protocol, at: usize, asked: &FigureQuestion<'_>) -> bool {
    let output = &protocol.outputs[at];
    let named = output.audiences.iter().any(|audience| {
        let within = audience.areas.iter().any(|a| {
            let nested = Places.nested(a).unwrap_or_default();
            nested.iter().any(|(code, level)| code == asked.area && *level >= output.finest_area)
        });
        audience.partner == *asked.partner && audience.role == asked.role && within
    });
    let purpose = |purpose: &Purpose| purpose.code() == asked.purpose;
    let flows: std::collections::BTreeSet<u16> = output.sources.iter().map(|s| s.flow).collect();
    let serves = |flow: &u16| {
        output.sources.iter().any(|source| source.flow == *flow && purpose(&source.purpose))
    };
    named
        && asked.role != CallerRole::Provider
        && protocol.purposes.iter().any(purpose)
        && flows.iter().all(serves)
}

/// A plain reading, straight from the documents.
fn reads_as_seen(documents: &[(Protocol, Vec<PartnerId>)], asked: &FigureQuestion<'_>) -> bool {
    let listing = documents.iter().filter_map(|(protocol, suspended)| {
        let at = protocol.outputs.iter().position(|output| output.table == *asked.table)?;
        Some((protocol, at, suspended))
    });
    let listing: Vec<_> = listing.collect();
    let party = |protocol: &Protocol| protocol.party(asked.partner).is_some();
    let parties = listing.iter().any(|(protocol, ..)| party(protocol));
    let runs = |protocol: &Protocol, suspended: &[PartnerId]| {
        !suspended.contains(asked.partner)
            && (protocol.effective..=protocol.expires).contains(&asked.today)
    };
    // One of its own stands and lists it; none leaves it out.
    listing.iter().any(|(protocol, at, suspended)| {
        (!parties || party(protocol)) && runs(protocol, suspended) && lists(protocol, *at, asked)
    }) && listing.iter().all(|(protocol, at, _)| lists(protocol, *at, asked))
}

/// The same for a release: every flow in force of what is needed serves the table, for one purpose.
fn reads_as_released(
    documents: &[(Protocol, Vec<PartnerId>)],
    table: &str,
    needed: &[RecordType],
) -> bool {
    let mut common: Vec<Purpose> = Purpose::ALL.to_vec();
    for record_type in needed {
        let mut sent = false;
        for (protocol, suspended) in documents {
            for (at, flow) in (0_u16..).zip(&protocol.flows) {
                if flow.record_type != *record_type {
                    continue;
                }
                if suspended.contains(&flow.from) {
                    return false;
                }
                sent = true;
                let Some(output) = protocol.outputs.iter().find(|o| o.table.as_str() == table)
                else {
                    return false;
                };
                let serves: Vec<Purpose> =
                    output.sources.iter().filter(|s| s.flow == at).map(|s| s.purpose).collect();
                common.retain(|purpose| serves.contains(purpose));
            }
        }
        if !sent {
            return false;
        }
    }
    let root = root();
    let known = root.document().tables.iter().any(|floor| floor.table.as_str() == table);
    known && !needed.is_empty() && !common.is_empty()
}

/// Two documents of each agency, with sources, audiences and their areas struck out.
fn documents(
    strokes: &[(usize, usize, usize, u8, usize)],
    suspended: &[u8],
) -> Vec<(Protocol, Vec<PartnerId>)> {
    let mut all = pairs(suspended);
    for (document, output, place, kind, areas) in strokes {
        let protocol = &mut all[*document].0;
        let count = protocol.outputs.len();
        let output = &mut protocol.outputs[output % count];
        match kind {
            0 if output.sources.len() > 1 => {
                output.sources.remove(place % output.sources.len());
            }
            1 if output.audiences.len() > 1 => {
                output.audiences.remove(place % output.audiences.len());
            }
            2 => {
                let place = place % output.audiences.len();
                output.audiences[place].areas = vec![area(AREAS[*areas])];
            }
            _ => {}
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    #[test]
    fn what_is_not_granted_does_not_come_out(
        strokes in proptest::collection::vec((0..10usize, 0..8usize, 0..12usize, 0..3u8, 0..6usize), 0..8),
        suspended in proptest::collection::vec(prop_oneof![9 => Just(0u8), 1 => 1..4u8], 10),
        figures in proptest::collection::vec(
            ((0..8usize, 0..4usize), 0..6usize, 0..7usize, 0..6usize, -900..500i32),
            80,
        ),
        releases in proptest::collection::vec(
            (0..6usize, proptest::sample::subsequence(RecordType::ALL.to_vec(), 0..3)),
            40,
        ),
    ) {
        let documents = documents(&strokes, &suspended);
        let policy = Policy::compile(1, Some(root()), documents.iter().map(paused), &Places);
        prop_assert!(policy.faults().is_empty());
        for ((who, role), table, place, purpose, shift) in figures {
            let question = FigureQuestion {
                partner: &partner(PARTNERS[who]),
                role: CallerRole::ALL[role],
                table: &TABLES[table].parse().unwrap(),
                area: &area(AREAS[place]),
                confined_to: None,
                purpose: Purpose::ALL[purpose].code(),
                today: crate::domain::time::days_after(TODAY, shift),
            };
            let decided = policy.authorise_figure(&question);
            let read = reads_as_seen(&documents, &question);
            prop_assert_eq!(decided.is_ok(), read, "{:?} {:?}", decided, question);
            let told = policy.explain_figure(&question);
            prop_assert_eq!(told.answer().map(drop).map_err(Clone::clone), decided.map(drop));
        }
        for (table, needed) in releases {
            let decided = policy.may_release(&TABLES[table].parse().unwrap(), &needed, TODAY);
            let read = reads_as_released(&documents, TABLES[table], &needed);
            prop_assert_eq!(decided.is_ok(), read, "{:?} {} {:?}", decided, TABLES[table], needed);
        }
    }
}
