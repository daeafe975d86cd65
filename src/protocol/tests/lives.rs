//! Thousands of random lives of three parties and two who may join, against a model of its own: a table
//! of what is allowed, written from the standard and not from the code.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use proptest::prelude::*;

use super::support::{kids, partner, template};
use crate::protocol::document::{Party, Protocol};
use crate::protocol::life::{
    Act, Completeness, Handling, Life, LifeError, Part, RevocationReason, State,
};
use crate::protocol::template::Template;
use crate::protocol::vocabulary::SignatoryRole;

const WHO: [&str; 5] = ["families", "authority", "centres", "harbour", "library"];
const OFFICES: [SignatoryRole; 3] =
    [SignatoryRole::Siro, SignatoryRole::CaldicottGuardian, SignatoryRole::DpoAdvice];

/// Family services and the centres send to the authority; each party's word binds it, in any office but
/// advice.
fn three() -> Protocol {
    let mut protocol = template(Template::Families);
    add(&mut protocol, "centres", true);
    protocol.quorum.clear();
    protocol
}

fn add(protocol: &mut Protocol, who: &str, sends: bool) {
    let keys = kids(&[&format!("{who}-siro")]);
    let party = Party { partner: partner(who), keys, ..protocol.parties[0].clone() };
    protocol.parties.push(party);
    if sends {
        let mut flow = protocol.flows[1].clone();
        flow.from = partner(who);
        protocol.flows.push(flow);
    }
}

/// What the standard says of a protocol: stage, who is in, who sends, who is suspended, out, agreed.
#[derive(Clone, Debug, Default)]
struct Model {
    stage: &'static str,
    members: BTreeMap<&'static str, bool>,
    suspended: BTreeSet<&'static str>,
    /// Who is out, and whether what it left is purged.
    out: BTreeMap<&'static str, bool>,
    agreed: BTreeSet<&'static str>,
}

impl Model {
    fn new() -> Self {
        let members = [("families", true), ("authority", false), ("centres", true)];
        Self { stage: "draft", members: members.into(), ..Self::default() }
    }

    fn state(&self) -> &'static str {
        let inside = |who: &&&str| !self.out.contains_key(**who);
        if self.stage != "in_force" {
            return self.stage;
        }
        let senders = self.members.iter().filter(|(who, sends)| **sends && inside(who));
        if senders.count() == 0 || self.members.keys().filter(inside).count() < 2 {
            "revoked"
        } else if self.suspended.is_empty() {
            "active"
        } else {
            "suspended"
        }
    }

    /// Whether the table allows the act; does it if so.
    fn allows(&mut self, act: usize, who: &'static str, office: SignatoryRole, flag: bool) -> bool {
        let state = self.state();
        let runs = matches!(state, "active" | "suspended");
        let member = self.members.contains_key(who) && !self.out.contains_key(who);
        // What was kept may still be purged, until a new version has followed.
        let kept = flag && self.out.get(who) == Some(&false);
        let begun = runs || matches!(state, "expired" | "revoked");
        let allowed = match act {
            0 => matches!(state, "draft" | "partly_signed"),
            1 => runs && member && !self.suspended.contains(who),
            2 => state == "suspended" && member,
            3 => (runs && member || begun && kept) && office != SignatoryRole::DpoAdvice,
            4 => state == "active" && !self.members.contains_key(who),
            // Superseded, also once it has ended; expired, where its last day has passed.
            5 => runs || matches!(state, "expired" | "revoked"),
            _ => runs && flag,
        };
        if !allowed {
            return false;
        }
        match act {
            0 => self.stage = if flag { "in_force" } else { "partly_signed" },
            1 => {
                self.suspended.insert(who);
                self.agreed.clear();
            }
            2 => {
                if office != SignatoryRole::DpoAdvice {
                    self.agreed.insert(who);
                }
                let inside = self.members.keys().filter(|who| !self.out.contains_key(**who));
                if inside.copied().all(|who| self.agreed.contains(who)) {
                    self.suspended.clear();
                    self.agreed.clear();
                }
            }
            3 => {
                self.out.insert(who, flag);
                self.suspended.remove(who);
                self.agreed.clear();
            }
            4 => drop(self.members.insert(who, flag)),
            5 => self.stage = "superseded",
            _ => self.stage = "expired",
        }
        true
    }
}

fn act(number: usize, who: &str, office: SignatoryRole, flag: bool) -> Act {
    let party = partner(who);
    match number {
        0 if flag => Act::Sign(Completeness::Full),
        0 => Act::Sign(Completeness::Partial),
        1 => Act::Suspend { party },
        2 => Act::Reinstate { party, role: office },
        3 => {
            let handling = if flag { Handling::Purge } else { Handling::Freeze };
            let reason = RevocationReason::Breach;
            Act::Revoke { party, role: office, handling, reason }
        }
        4 => Act::Adhere { party, sends: flag },
        5 => Act::Supersede,
        _ => Act::Expire { today: if flag { date(2030, 1, 1) } else { date(2026, 5, 1) } },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn random_lives_of_several_parties_agree_with_the_table(
        acts in proptest::collection::vec(
            (
                prop_oneof![2 => Just(0_usize), 5 => Just(1), 20 => Just(2), 3 => Just(3), 4 => Just(4), 1 => 5..7_usize],
                0..5_usize,
                0..3_usize,
                prop_oneof![3 => Just(true), 1 => Just(false)],
            ),
            0..60,
        )
    ) {
        let mut protocol = three();
        let (mut life, mut model) = (Life::of(&protocol), Model::new());
        for (number, who, office, flag) in acts {
            let (who, office) = (WHO[who], OFFICES[office]);
            // A guardian binds a party as its SIRO does: one word suffices here.
            let next = life.after(&act(number, who, office, flag), &protocol);
            prop_assert_eq!(next.is_ok(), model.allows(number, who, office, flag), "{} {}", number, who);
            if next.is_ok() && number == 4 {
                add(&mut protocol, who, flag);
            }
            life = next.unwrap_or(life);
            prop_assert_eq!(life.state().code(), model.state());
            prop_assert!(life.belongs_to(&protocol));
            for member in model.members.keys() {
                let part = match life.part(&partner(member)) {
                    Part::Running => (false, false),
                    Part::Suspended => (true, false),
                    Part::Revoked => (false, true),
                };
                let out = model.out.contains_key(member);
                let expected = (model.suspended.contains(member), out);
                prop_assert_eq!(part, expected, "{}", member);
            }
            for (member, purged) in &model.out {
                let handling = life.revocations()[&partner(member)].handling;
                prop_assert_eq!(handling == Handling::Purge, *purged, "{}", member);
            }
            let stored = serde_json::to_string(&life).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Life>(&stored).unwrap(), &life);
        }
    }
}

#[test]
fn who_joins_is_in_and_can_leave_again() {
    let protocol = three();
    let in_force = Life::of(&protocol).after(&Act::Sign(Completeness::Full), &protocol).unwrap();
    let join = |who: &str| act(4, who, SignatoryRole::Siro, true);
    let joined = in_force.after(&join("harbour"), &protocol).unwrap();
    assert_eq!(joined.after(&join("harbour"), &protocol), Err(LifeError::AlreadyAParty));
    assert_eq!(in_force.after(&join("centres"), &protocol), Err(LifeError::AlreadyAParty));
    let left = joined.after(&act(3, "harbour", SignatoryRole::Siro, true), &protocol).unwrap();
    assert_eq!(left.part(&partner("harbour")), Part::Revoked);
    assert_eq!(left.state(), State::Active);
    assert_eq!(left.after(&join("harbour"), &protocol), Err(LifeError::AlreadyRevoked));
    let paused = joined.after(&act(1, "centres", SignatoryRole::Siro, true), &protocol).unwrap();
    let late = paused.after(&join("library"), &protocol);
    assert_eq!(late, Err(LifeError::NotAllowed(State::Suspended)));
}
