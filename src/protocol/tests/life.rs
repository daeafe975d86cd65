//! A life, act by act, and thousands of random ones against a tiny model.

use std::collections::BTreeSet;

use jiff::civil::date;
use proptest::prelude::*;

use super::support::{active, partner, template};
use crate::protocol::document::Protocol;
use crate::protocol::life::{
    Act, Completeness, Handling, Life, LifeError, Part, RevocationReason, State,
};
use crate::protocol::template::Template;
use crate::protocol::vocabulary::SignatoryRole;

fn suspend(party: &str) -> Act {
    Act::Suspend { party: partner(party) }
}

fn reinstate(party: &str, role: SignatoryRole) -> Act {
    Act::Reinstate { party: partner(party), role }
}

fn revoke(party: &str, role: SignatoryRole) -> Act {
    let (handling, reason) = (Handling::Freeze, RevocationReason::GovernanceDecision);
    Act::Revoke { party: partner(party), role, handling, reason }
}

fn run(protocol: &Protocol, life: &Life, acts: &[Act]) -> Result<Life, LifeError> {
    acts.iter().try_fold(life.clone(), |life, act| life.after(act, protocol))
}

#[test]
fn the_way_to_active() {
    let protocol = template(Template::Health);
    let draft = Life::of(&protocol);
    assert_eq!(draft.state(), State::Draft);
    let partly = draft.after(&Act::Sign(Completeness::Partial), &protocol).unwrap();
    assert_eq!(partly.state(), State::PartlySigned);
    let still = partly.after(&Act::Sign(Completeness::Partial), &protocol).unwrap();
    assert_eq!(still, partly);
    let active = partly.after(&Act::Sign(Completeness::Full), &protocol).unwrap();
    assert_eq!(active.state(), State::Active);
    let again = active.after(&Act::Sign(Completeness::Full), &protocol);
    assert_eq!(again, Err(LifeError::NotAllowed(State::Active)));
    for act in [suspend("health"), Act::Supersede, revoke("health", SignatoryRole::Siro)] {
        assert!(matches!(draft.after(&act, &protocol), Err(LifeError::NotAllowed(State::Draft))));
        assert!(partly.after(&act, &protocol).is_err());
    }
}

#[test]
fn one_party_suspends_and_the_quorum_reinstates() {
    let protocol = template(Template::Health);
    let running = active(&protocol);
    let suspended = run(&protocol, &running, &[suspend("health")]).unwrap();
    assert_eq!(suspended.state(), State::Suspended);
    assert_eq!(suspended.part(&partner("health")), Part::Suspended);
    assert_eq!(suspended.part(&partner("authority")), Part::Running);
    assert_eq!(run(&protocol, &suspended, &[suspend("health")]), Err(LifeError::AlreadySuspended));
    assert_eq!(run(&protocol, &running, &[suspend("dwp")]), Err(LifeError::NotAParty));
    let agreed = [
        reinstate("authority", SignatoryRole::Siro),
        reinstate("health", SignatoryRole::Siro),
        reinstate("health", SignatoryRole::CaldicottGuardian),
    ];
    for count in 0..3 {
        let life = run(&protocol, &suspended, &agreed[..count]).unwrap();
        assert_eq!(life.state(), State::Suspended, "{count} agreed");
    }
    let life = run(&protocol, &suspended, &agreed).unwrap();
    assert_eq!((life.state(), life.suspension()), (State::Active, 1));
    assert_eq!(life.part(&partner("health")), Part::Running);
    // A new suspension voids what was agreed before it, and has another number.
    let twice = run(&protocol, &life, &[suspend("health")]).unwrap();
    assert_eq!(twice.suspension(), 2);
    let revoked = run(&protocol, &twice, &[revoke("authority", SignatoryRole::Siro)]).unwrap();
    assert_eq!(revoked.suspension(), 3);
    let voided = [&agreed[..2], &[suspend("authority")], &agreed[2..]].concat();
    assert_eq!(run(&protocol, &suspended, &voided).unwrap().state(), State::Suspended);
    let nothing = run(&protocol, &running, &agreed[..1]);
    assert_eq!(nothing, Err(LifeError::NotAllowed(State::Active)));
}

#[test]
fn a_siro_or_guardian_revokes_and_nothing_comes_back() {
    let protocol = template(Template::Health);
    let running = active(&protocol);
    for role in [SignatoryRole::Director, SignatoryRole::DpoAdvice, SignatoryRole::DesignatedPerson]
    {
        assert_eq!(run(&protocol, &running, &[revoke("health", role)]), Err(LifeError::WrongRole));
    }
    let ended =
        run(&protocol, &running, &[revoke("health", SignatoryRole::CaldicottGuardian)]).unwrap();
    assert_eq!(ended.state(), State::Revoked);
    assert_eq!(ended.revocations().len(), 1);
    // What was to be kept may be purged after all, by the same party, once.
    let purge = |party| Act::Revoke {
        party: partner(party),
        role: SignatoryRole::Siro,
        handling: Handling::Purge,
        reason: RevocationReason::Breach,
    };
    let purged = run(&protocol, &ended, &[purge("health")]).unwrap();
    assert_eq!(purged.revocations()[&partner("health")].handling, Handling::Purge);
    let advice = Act::Revoke {
        party: partner("health"),
        role: SignatoryRole::DpoAdvice,
        handling: Handling::Purge,
        reason: RevocationReason::Breach,
    };
    assert_eq!(run(&protocol, &ended, &[advice]), Err(LifeError::WrongRole));
    for act in [purge("health"), revoke("health", SignatoryRole::Siro), purge("authority")] {
        let again = run(&protocol, &purged, &[act]);
        assert_eq!(again, Err(LifeError::NotAllowed(State::Revoked)));
    }
    let replaced = run(&protocol, &ended, &[Act::Supersede, purge("health")]);
    assert_eq!(replaced, Err(LifeError::NotAllowed(State::Superseded)));
    for act in [
        reinstate("health", SignatoryRole::Siro),
        suspend("authority"),
        revoke("authority", SignatoryRole::Siro),
        Act::Expire { today: date(2030, 1, 1) },
        Act::Sign(Completeness::Full),
    ] {
        assert_eq!(run(&protocol, &ended, &[act]), Err(LifeError::NotAllowed(State::Revoked)));
    }
    // Only a new version follows, and only one.
    let followed = run(&protocol, &ended, &[Act::Supersede]).unwrap();
    assert_eq!((followed.state(), followed.revocations().len()), (State::Superseded, 1));
    let again = run(&protocol, &followed, &[Act::Supersede]);
    assert_eq!(again, Err(LifeError::NotAllowed(State::Superseded)));
}

#[test]
fn one_part_of_three_leaves_the_others_running() {
    let mut protocol = template(Template::Families);
    let mut third = protocol.parties[0].clone();
    third.partner = partner("centres");
    third.keys = super::support::kids(&["centres-siro"]);
    protocol.parties.push(third);
    let mut flow = protocol.flows[1].clone();
    flow.from = partner("centres");
    protocol.flows.push(flow);
    let running = active(&protocol);
    let acts = [suspend("families"), revoke("families", SignatoryRole::Siro)];
    let life = run(&protocol, &running, &acts).unwrap();
    assert_eq!(life.state(), State::Active);
    assert_eq!(life.part(&partner("families")), Part::Revoked);
    assert_eq!(run(&protocol, &life, &[suspend("families")]), Err(LifeError::AlreadyRevoked));
    let life = run(&protocol, &life, &[revoke("authority", SignatoryRole::Siro)]).unwrap();
    assert_eq!(life.state(), State::Revoked);
}

#[test]
fn it_expires_after_its_last_day_only() {
    let protocol = template(Template::Dwp);
    let running = active(&protocol);
    let on = |today| running.after(&Act::Expire { today }, &protocol);
    assert_eq!(on(protocol.expires), Err(LifeError::NotExpired));
    assert_eq!(on(date(2027, 4, 1)).unwrap().state(), State::Expired);
    let replaced = running.after(&Act::Supersede, &protocol).unwrap();
    assert_eq!(replaced.state(), State::Superseded);
    assert!(replaced.after(&suspend("dwp"), &protocol).is_err());
}

#[test]
fn a_life_survives_its_stored_form() {
    let protocol = template(Template::Health);
    let acts = [suspend("health"), reinstate("authority", SignatoryRole::Siro)];
    let life = run(&protocol, &active(&protocol), &acts).unwrap();
    let stored = serde_json::to_string(&life).unwrap();
    assert_eq!(serde_json::from_str::<Life>(&stored).unwrap(), life);
}

/// The model: a stage, and three sets.
#[derive(Clone, Default)]
struct Model {
    stage: u8,
    suspended: BTreeSet<&'static str>,
    revoked: BTreeSet<&'static str>,
    agreed: BTreeSet<(&'static str, SignatoryRole)>,
}

const PARTIES: [&str; 2] = ["health", "authority"];
const ROLES: [SignatoryRole; 3] =
    [SignatoryRole::Siro, SignatoryRole::CaldicottGuardian, SignatoryRole::Director];

impl Model {
    fn state(&self) -> State {
        match self.stage {
            0 => State::Draft,
            1 => State::PartlySigned,
            3 => State::Superseded,
            4 => State::Expired,
            _ if !self.revoked.is_empty() => State::Revoked,
            _ if self.suspended.is_empty() => State::Active,
            _ => State::Suspended,
        }
    }

    /// Whether act number `act` by `party` in `role` is allowed; does it if so.
    fn act(&mut self, act: u8, party: &'static str, role: SignatoryRole) -> bool {
        let state = self.state();
        let in_force = matches!(state, State::Active | State::Suspended);
        let allowed = match act {
            0 | 1 => matches!(state, State::Draft | State::PartlySigned),
            2 => in_force && !self.suspended.contains(party),
            3 => state == State::Suspended,
            4 => in_force && role != SignatoryRole::Director,
            5 => in_force || matches!(state, State::Expired | State::Revoked),
            _ => in_force,
        };
        if !allowed {
            return false;
        }
        match act {
            0 | 1 => self.stage = act + 1,
            2 => {
                self.suspended.insert(party);
                self.agreed.clear();
            }
            3 => {
                self.agreed.insert((party, role));
                let full = [("health", ROLES[0]), ("health", ROLES[1]), ("authority", ROLES[0])];
                if full.iter().all(|one| self.agreed.contains(one)) {
                    self.suspended.clear();
                    self.agreed.clear();
                }
            }
            4 => drop(self.revoked.insert(party)),
            _ => self.stage = act - 2,
        }
        true
    }
}

fn act(number: u8, party: &'static str, role: SignatoryRole) -> Act {
    match number {
        0 => Act::Sign(Completeness::Partial),
        1 => Act::Sign(Completeness::Full),
        2 => suspend(party),
        3 => reinstate(party, role),
        4 => revoke(party, role),
        5 => Act::Supersede,
        _ => Act::Expire { today: date(2030, 1, 1) },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn random_lives_agree_with_the_model(
        acts in proptest::collection::vec(
            (prop_oneof![1 => Just(0u8), 3 => Just(1), 4 => Just(2), 16 => Just(3), 1 => Just(4), 1 => 5..7u8], 0..2usize, 0..3usize),
            0..40,
        )
    ) {
        let protocol = template(Template::Health);
        let mut life = Life::of(&protocol);
        let mut model = Model::default();
        for (number, party, role) in acts {
            let (party, role) = (PARTIES[party], ROLES[role]);
            let next = life.after(&act(number, party, role), &protocol);
            prop_assert_eq!(next.is_ok(), model.act(number, party, role));
            life = next.unwrap_or(life);
            prop_assert_eq!(life.state(), model.state());
            for party in PARTIES {
                let part = life.part(&partner(party));
                prop_assert_eq!(part == Part::Revoked, model.revoked.contains(party));
                let suspended = model.suspended.contains(party) && !model.revoked.contains(party);
                prop_assert_eq!(part == Part::Suspended, suspended);
            }
        }
    }
}
