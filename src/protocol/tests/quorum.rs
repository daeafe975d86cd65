//! A quorum that nobody could fill is refused where it stands; one that can be filled never is.

use super::support::{keys, kids, now, register, sign, template};
use crate::protocol::document::{Protocol, Quorum};
use crate::protocol::fault::Rule;
use crate::protocol::signing::{Draft, Signed, Verified, verify};
use crate::protocol::template::Template;
use crate::protocol::vocabulary::SignatoryRole::{
    self, CaldicottGuardian, Director, DpoAdvice, Siro,
};

fn asked(
    template_of: Template,
    keys: [usize; 2],
    quorum: &[(SignatoryRole, u16)],
) -> Result<(), (String, Rule)> {
    let mut protocol = template(template_of);
    for (party, count) in protocol.parties.iter_mut().zip(keys) {
        let own: Vec<String> = (0..count).map(|n| format!("{}-{n}", party.partner)).collect();
        party.keys = kids(&own.iter().map(String::as_str).collect::<Vec<_>>());
    }
    protocol.quorum =
        quorum.iter().map(|(role, minimum)| Quorum { role: *role, minimum: *minimum }).collect();
    let parsed = Protocol::parse(&protocol.canonical().unwrap());
    parsed.map(drop).map_err(|fault| (fault.pointer().to_owned(), fault.rule()))
}

#[test]
fn what_can_not_be_met_is_named() {
    let never = |place: usize| Err((format!("/quorum/{place}/minimum"), Rule::QuorumCannotBeMet));
    for (template, keys, quorum, expected) in [
        (Template::Dwp, [1, 1], vec![(Siro, 2)], Ok(())),
        (Template::Dwp, [1, 1], vec![(Siro, 3)], never(0)),
        (Template::Dwp, [1, 1], vec![(Siro, 1), (Director, 1)], Ok(())),
        (Template::Dwp, [1, 1], vec![(Siro, 2), (Director, 1)], never(1)),
        (Template::Dwp, [2, 1], vec![(Siro, 2), (Director, 1)], Ok(())),
        // Advice can't use the one key that binds its party.
        (Template::Dwp, [1, 1], vec![(DpoAdvice, 1)], never(0)),
        (Template::Dwp, [2, 1], vec![(DpoAdvice, 1), (Siro, 2)], Ok(())),
        (Template::Dwp, [2, 2], vec![(Siro, 2), (DpoAdvice, 2)], Ok(())),
        (Template::Dwp, [2, 1], vec![(Siro, 2), (DpoAdvice, 2)], never(1)),
        // Health's one key is its guardian's, so it can't be its SIRO's as well.
        (Template::Health, [1, 1], vec![(Siro, 2)], never(0)),
        (Template::Health, [1, 1], vec![(Siro, 1), (CaldicottGuardian, 1)], Ok(())),
        (Template::Health, [1, 1], vec![(CaldicottGuardian, 2)], Ok(())),
        (Template::Health, [1, 1], vec![(CaldicottGuardian, 2), (Siro, 1)], never(1)),
        (Template::Health, [2, 1], vec![(Siro, 2), (CaldicottGuardian, 1)], Ok(())),
    ] {
        assert_eq!(asked(template, keys, &quorum), expected, "{template} {keys:?} {quorum:?}");
    }
}

/// The demo's own quorum is met by the demo's own keys, by signing.
#[test]
fn what_is_meetable_is_met() {
    let protocol = template(Template::Health);
    let draft: Signed<Protocol, Draft> = Signed::draft(&protocol.canonical().unwrap()).unwrap();
    let all = keys();
    let envelope =
        all[..3].iter().fold(draft.envelope().clone(), |e, k| sign::<Protocol>(e, k, now()));
    assert!(matches!(verify(envelope, &register(&all), now()), Ok(Verified::<Protocol>::Fully(_))));
}
