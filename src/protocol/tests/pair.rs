//! The examples of each kind of agreement, for each pair of agencies: whole, and of their kind.

use super::support::{Places, kids, particulars};
use crate::domain::RecordType;
use crate::protocol::document::{Output, Protocol};
use crate::protocol::pair::Pair;
use crate::protocol::vocabulary::{PartyRole, ProtocolKind};

fn example(kind: ProtocolKind, pair: Pair) -> Protocol {
    let mut particulars = particulars(pair.code(), &format!("{pair}-example"));
    particulars.sender.keys = kids(&["one", "two"]);
    pair.fill(kind, &particulars).unwrap()
}

#[test]
fn every_pair_has_a_whole_example_of_each_kind() {
    for kind in ProtocolKind::ALL {
        for pair in Pair::ALL {
            let protocol = example(*kind, *pair);
            let canonical = protocol.canonical().unwrap();
            assert_eq!(Protocol::parse(&canonical), Ok(protocol.clone()), "{kind} {pair}");
            protocol.check_places(&Places).unwrap();
            assert_eq!(protocol.kind, *kind);
            let back = protocol.flows.iter().filter(|flow| flow.from.as_str() == "authority");
            let back: Vec<RecordType> = back.map(|flow| flow.record_type).collect();
            let joint = protocol.parties.iter().all(|party| party.role == PartyRole::Joint);
            assert_eq!(back.is_empty(), *kind == ProtocolKind::Dda, "{kind} {pair}");
            assert_eq!(joint, *kind == ProtocolKind::Jca, "{kind} {pair}");
            // What is sent back serves a table, or a release would stop for it.
            let position = protocol.flows.len() - 1;
            let serves = protocol.outputs.iter().flat_map(|output| &output.sources);
            let mut serves = serves.filter(|source| usize::from(source.flow) == position);
            assert!(back.is_empty() || serves.next().is_some(), "{kind} {pair}");
        }
    }
}

#[test]
fn schools_send_places_and_get_the_list() {
    let isp = example(ProtocolKind::Isp, Pair::Schools);
    let flows: Vec<_> =
        isp.flows.iter().map(|flow| (flow.from.as_str(), flow.record_type)).collect();
    assert_eq!(
        flows,
        [("schools", RecordType::FundedPlace), ("authority", RecordType::TwoYearOldEligibility)]
    );
    let tables: Vec<_> = isp.outputs.iter().map(|output| output.table.as_str()).collect();
    assert_eq!(tables, ["twos", "by_needs", "target_groups", "three_four"]);
    // Benefit data serve eligibility alone.
    let lists = |output: &&Output| output.sources.iter().any(|source| source.flow == 1);
    let served: Vec<_> = isp.outputs.iter().filter(lists).collect();
    assert!(served.len() == 1 && served[0].table.as_str() == "twos");
}
