//! What a document's life does to the question.

use jiff::civil::date;

use super::super::support::{
    active, area, entry, fully_signed, keys, now, partner, register, sign, template,
};
use super::{Case, answer, ask, good, revocation, with};
use crate::protocol::document::{Protocol, ProtocolVersion};
use crate::protocol::life::{Act, Life};
use crate::protocol::policy::Entry;
use crate::protocol::signing::{Draft, Signed, Verified, verify};
use crate::protocol::template::Template;

fn cases() -> Vec<(Vec<Entry>, &'static str)> {
    let protocol = template(Template::Health);
    let draft: Signed<Protocol, Draft> = Signed::draft(&protocol.canonical().unwrap()).unwrap();
    let partly = sign::<Protocol>(draft.envelope().clone(), &keys()[0], now());
    let Ok(Verified::Partly(partly)) = verify(partly, &register(&keys()), now()) else { panic!() };
    let unreadable = Entry::Unreadable { id: protocol.id.clone(), version: ProtocolVersion::FIRST };
    let suspend = |party: &str| Act::Suspend { party: partner(party) };
    let other = template(Template::Dwp);
    let mut lost = protocol.clone();
    lost.flows[0].areas = vec![area("CC99")];
    vec![
        (vec![], "protocol_unknown -"),
        (vec![Entry::Draft(draft)], "protocol_not_active "),
        (vec![Entry::PartlySigned(partly)], "protocol_not_active "),
        (
            vec![Entry::FullySigned(fully_signed(&protocol), Life::of(&protocol))],
            "protocol_not_active ",
        ),
        (vec![entry(&protocol, &[])], "ok"),
        (vec![entry(&protocol, &[suspend("health")])], "protocol_suspended "),
        // Only its own flows: the authority's suspension leaves Health's running.
        (vec![entry(&protocol, &[suspend("authority")])], "ok"),
        (vec![entry(&protocol, &[revocation("health")])], "protocol_revoked "),
        (vec![entry(&protocol, &[revocation("authority")])], "protocol_revoked "),
        (vec![entry(&protocol, &[suspend("health"), revocation("health")])], "protocol_revoked "),
        (vec![entry(&protocol, &[Act::Supersede])], "protocol_superseded "),
        (
            vec![entry(&protocol, &[Act::Expire { today: date(2028, 1, 1) }])],
            "protocol_expired /expires",
        ),
        (vec![unreadable], "protocol_unreadable -"),
        // Twice the same version: neither counts.
        (vec![entry(&protocol, &[]), entry(&protocol, &[])], "protocol_unreadable -"),
        // An area that does not exist, a life that is another protocol's.
        (vec![entry(&lost, &[])], "protocol_unreadable -"),
        (
            vec![Entry::FullySigned(fully_signed(&protocol), active(&other))],
            "protocol_unreadable -",
        ),
    ]
}

pub(super) fn count() -> usize {
    cases().len()
}

#[test]
fn states_case_by_case() {
    for (number, (entries, expected)) in cases().into_iter().enumerate() {
        assert_eq!(answer(&ask(&with(entries), &good())), expected, "case {number}");
    }
}

#[test]
fn a_newer_version_stands_beside_the_one_it_replaces() {
    let first = template(Template::Health);
    let mut second = first.clone();
    second.version = ProtocolVersion::new(2).unwrap();
    second.supersedes = Some(fully_signed(&first).digest());
    let policy = with(vec![entry(&first, &[Act::Supersede]), entry(&second, &[])]);
    assert_eq!(answer(&ask(&policy, &good())), "protocol_superseded ");
    assert_eq!(answer(&ask(&policy, &Case { version: 2, ..good() })), "ok");
}
