//! Who must sign: the gateway's floor, raised by what the document asks for.
//!
//! The floor is every party, and a Caldicott Guardian for each sender of health data. A document's
//! quorum adds to it and takes nothing away. One that could never be full is refused when it is read
//! ([`meetable`]): an agreement that nobody can bring into force is a mistake, not a rule.

use std::collections::BTreeSet;
use std::fmt;

use super::document::{Party, Quorum};
use super::fault::{Fault, Rule};
use super::vocabulary::SignatoryRole;
use crate::domain::PartnerId;

/// What a quorum still lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A party's binding signature.
    Party(PartnerId),
    /// The Caldicott Guardian of a party that sends health data.
    CaldicottGuardian(PartnerId),
    /// The senior information risk owner or Caldicott Guardian of a party that revokes its part.
    Revoker(PartnerId),
    /// Signatures in an office, counted by party.
    Office {
        /// The office.
        role: SignatoryRole,
        /// How many parties have signed in it.
        have: usize,
        /// How many are asked for.
        need: usize,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Party(party) => write!(f, "{party} has not signed"),
            Self::CaldicottGuardian(party) => {
                write!(f, "{party}'s Caldicott Guardian has not signed")
            }
            Self::Revoker(party) => {
                write!(f, "neither {party}'s SIRO nor its Caldicott Guardian has signed")
            }
            Self::Office { role, have, need } => {
                write!(f, "{have} of {need} parties have signed as {}", role.words())
            }
        }
    }
}

/// The gateway's floor (every party; a Caldicott Guardian for each sender of health data), raised by the
/// document's quorum. The quorum adds demands and takes none away, so it can't lower the floor.
pub(super) fn missing<'a>(
    parties: &[&PartnerId],
    health_senders: impl Iterator<Item = &'a PartnerId>,
    quorum: &[Quorum],
    signed: &BTreeSet<(PartnerId, SignatoryRole)>,
) -> Vec<Missing> {
    let has_bound =
        |party: &PartnerId| signed.iter().any(|(p, role)| p == party && role.binds_the_party());
    let mut lacking: Vec<Missing> = parties
        .iter()
        .filter(|party| !has_bound(party))
        .map(|party| Missing::Party((*party).clone()))
        .collect();
    let guardians = health_senders
        .filter(|party| parties.contains(party))
        .filter(|party| !signed.contains(&((*party).clone(), SignatoryRole::CaldicottGuardian)));
    lacking.extend(guardians.map(|party| Missing::CaldicottGuardian(party.clone())));
    for Quorum { role, minimum } in quorum {
        let have = signed.iter().filter(|(party, r)| r == role && parties.contains(&party)).count();
        let need = usize::from(*minimum);
        if have < need {
            lacking.push(Missing::Office { role: *role, have, need });
        }
    }
    lacking
}

/// Refuses a quorum that the keys named can't fill: each key is held in one office and signs once, a
/// party counts once in an office, each party needs one signature that binds it, and a sender of health
/// data its Caldicott Guardian's.
///
/// # Errors
/// [`Rule::QuorumCannotBeMet`] or [`Rule::QuorumMeaningless`], at the demand that fails.
pub(super) fn meetable<'a>(
    quorum: &[Quorum],
    parties: &[Party],
    health_senders: impl Iterator<Item = &'a PartnerId>,
) -> Result<(), Fault> {
    let senders: BTreeSet<&PartnerId> = health_senders.collect();
    // How many keys of each party are left to sign with; and whether one must be kept to bind it.
    let mut left: Vec<(usize, bool)> = parties
        .iter()
        .map(|party| match (party.keys.len(), senders.contains(&party.partner)) {
            (keys, true) => (keys.saturating_sub(1), false),
            (keys, false) => (keys, true),
        })
        .collect();
    let mut demands: Vec<(usize, &Quorum)> = quorum.iter().enumerate().collect();
    // Advice first: it can't use the key that binds. Then the largest demand (Gale and Ryser).
    demands.sort_by_key(|(_, demand)| {
        (demand.role.binds_the_party(), std::cmp::Reverse(demand.minimum))
    });
    for (place, Quorum { role, minimum }) in demands {
        let at = format!("/quorum/{place}/minimum");
        if *minimum == 0 {
            return Err(Fault::at(&at, Rule::QuorumMeaningless));
        }
        let guardians = *role == SignatoryRole::CaldicottGuardian;
        let given = if guardians { senders.len() } else { 0 };
        let mut order: Vec<usize> = (0..left.len()).collect();
        order.retain(|n| !(guardians && senders.contains(&parties[*n].partner)));
        order.sort_by_key(|n| std::cmp::Reverse(left[*n].0));
        let mut needed = usize::from(*minimum).saturating_sub(given);
        for n in order {
            let (keys, binding_is_open) = left[n];
            let spare = keys - usize::from(binding_is_open && !role.binds_the_party()).min(keys);
            if needed > 0 && spare > 0 {
                left[n] = (keys - 1, binding_is_open && !role.binds_the_party());
                needed -= 1;
            }
        }
        if needed > 0 {
            return Err(Fault::at(&at, Rule::QuorumCannotBeMet));
        }
    }
    Ok(())
}
