//! The register of partners: who may call, with which keys, in which roles.
//!
//! Only data officers change it; auditors read it, and each partner its own entry.
//! Invariants, so that no entry can undo what was signed or speak for two:
//! - a certificate and a key belong to one partner, and a key has one purpose;
//! - a key that signs protocols stays in the register: it is ended by an earlier
//!   `valid_until`, never by leaving it out, and never for days that have passed;
//! - there is always a data officer left who is not barred.

use super::{
    Actor, Denied, Gateway, RefusalKind, Refused, Snapshot,
    decide::{Decided, Decision, Declined, Page, PageRequest},
    register::{Partner, PartnerKey, Register},
};
use crate::{
    audit::{Hash, Leaf, LeafKind},
    domain::PartnerId,
    protocol::{CallerRole, register::KeyPurpose},
    store::{Effect, Logged, partners::Entry},
};
use jiff::civil::{Date, date};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// The most certificates, keys or areas of an entry.
const MOST_ITEMS: usize = 500;

/// A partner's line in the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerLine {
    /// The entry.
    pub partner: Partner,
    /// Whether it is barred.
    pub disabled: bool,
}

impl Gateway {
    /// Fills an empty register, before anybody can call. One leaf a partner, data officers
    /// first. If it is cut short, the same list completes it: entries that stand exactly so
    /// already are passed over.
    ///
    /// # Errors
    /// `register_not_empty` when the register holds anything else; a violation when an entry
    /// breaks a rule.
    pub async fn bootstrap(&self, mut partners: Vec<Partner>) -> Result<(), Denied> {
        partners.sort_by_key(|partner| !partner.roles.contains(&CallerRole::DataOfficer));
        let snapshot = self.snapshot();
        let leaf = || Leaf::new(LeafKind::Refused, self.now());
        let foreign = snapshot
            .register()
            .partners()
            .any(|(known, disabled)| disabled || !partners.contains(known));
        if foreign {
            let sentence = "the register of partners is not empty; a data officer adds to it";
            let refused = Refused::new(RefusalKind::Conflict, "register_not_empty", sentence);
            return Err(self.refuse(leaf(), refused).await);
        }
        if !partners.iter().any(runs_the_gateway) {
            return Err(self.refuse(leaf(), no_data_officer()).await);
        }
        for partner in &partners {
            if self.snapshot().register().partner(&partner.partner).is_some() {
                continue;
            }
            self.settle(None, |snapshot| {
                let mut leaf = Leaf::new(LeafKind::PartnerAdded, self.now());
                leaf.notes.about = Some(partner.partner.clone());
                put(leaf, snapshot.register(), partner, false, self.today())
            })
            .await?;
        }
        Ok(())
    }

    /// Enters a partner, or replaces what the register says of it; `disabled` bars it, or
    /// lifts the bar. The whole entry is given.
    ///
    /// # Errors
    /// `wrong_role` but for data officers; a violation naming the field and its rule;
    /// `certificate_taken`, `key_taken`, `key_missing`, `key_changed`, `no_data_officer`.
    pub async fn put_partner(
        &self,
        actor: &Actor,
        line: PartnerLine,
    ) -> Result<Logged<PartnerLine>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let logged = self
            .settle(actor, |snapshot| {
                let register = snapshot.register();
                let kind = kind_of_change(register, &line);
                let mut leaf = actor.leaf(kind, self);
                leaf.notes.about = Some(line.partner.partner.clone());
                put(leaf, register, &line.partner, line.disabled, self.today())
            })
            .await?;
        Ok(logged.map(|_| line))
    }

    /// Bars a partner at once: its certificates and tokens are refused.
    ///
    /// # Errors
    /// `wrong_role` but for data officers; `not_found`; `no_data_officer` for the last one.
    pub async fn disable_partner(
        &self,
        actor: &Actor,
        partner: &PartnerId,
    ) -> Result<Logged<()>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer]).await?;
        let logged = self
            .settle(actor, |snapshot| {
                let mut leaf = actor.leaf(LeafKind::PartnerDisabled, self);
                let Some((known, _)) = snapshot.register().partner(partner) else {
                    return Err(Declined::new(leaf, Refused::not_found()));
                };
                leaf.notes.about = Some(known.partner.clone());
                if !others_run_the_gateway(snapshot.register(), partner) {
                    return Err(Declined::new(leaf, no_data_officer()));
                }
                let effect = Effect::DisablePartner(partner.clone());
                Ok(Decided { leaf, effect, answer: () })
            })
            .await?;
        Ok(logged.map(|_| ()))
    }

    /// Tells what the register says of one partner: to data officers, auditors, and the
    /// partner itself.
    ///
    /// # Errors
    /// `not_found`, also for what is not the caller's to know.
    pub async fn partner(
        &self,
        actor: &Actor,
        partner: &PartnerId,
    ) -> Result<Logged<PartnerLine>, Denied> {
        let logged = self
            .settle(actor, |snapshot| {
                let mut leaf = self.look(actor, "partners");
                let may = reads_all(actor) || actor.partner == *partner;
                let known = snapshot.register().partner(partner).filter(|_| may);
                let Some((known, disabled)) = known else {
                    return Err(Declined::new(leaf, Refused::not_found()));
                };
                leaf.notes.about = Some(known.partner.clone());
                let answer = PartnerLine { partner: known.clone(), disabled };
                Ok(Decided { leaf, effect: Effect::None, answer })
            })
            .await?;
        Ok(logged.map(|(_, line)| line))
    }

    /// Lists the register in order of ids, for data officers and auditors.
    ///
    /// # Errors
    /// `wrong_role`; a violation for a page token that is not this caller's.
    pub async fn list_partners(
        &self,
        actor: &Actor,
        page: &PageRequest,
    ) -> Result<Logged<Page<PartnerLine>>, Denied> {
        self.require(actor, &[CallerRole::DataOfficer, CallerRole::Auditor]).await?;
        let logged =
            self.settle(actor, |snapshot| self.partner_lines(actor, snapshot, page)).await?;
        Ok(logged.map(|(_, page)| page))
    }

    /// A page of the register as of a snapshot.
    pub(super) fn partner_lines(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        page: &PageRequest,
    ) -> Decision<Page<PartnerLine>> {
        let leaf = self.look(actor, "partners");
        let lines = snapshot.register().partners().map(|(partner, disabled)| {
            let line = PartnerLine { partner: partner.clone(), disabled };
            (partner.partner.to_string(), line)
        });
        match self.page(actor, "partners", page, lines) {
            Ok(answer) => Ok(Decided { leaf, effect: Effect::None, answer }),
            Err(refused) => Err(Declined::new(leaf, refused)),
        }
    }
}

/// Whether the caller reads every partner's entries.
pub(super) fn reads_all(actor: &Actor) -> bool {
    actor.may_be(CallerRole::DataOfficer) || actor.may_be(CallerRole::Auditor)
}

/// A partner whose people can call as data officers.
fn runs_the_gateway(partner: &Partner) -> bool {
    partner.roles.contains(&CallerRole::DataOfficer) && !partner.certificates.is_empty()
}

fn others_run_the_gateway(register: &Register, than: &PartnerId) -> bool {
    register
        .partners()
        .any(|(known, disabled)| !disabled && known.partner != *than && runs_the_gateway(known))
}

const fn no_data_officer() -> Refused {
    Refused::new(
        RefusalKind::Conflict,
        "no_data_officer",
        "a data officer with a certificate, not barred, must be left in the register",
    )
}

/// What the log calls a change: a new partner, a bar, or a new key or certificate.
fn kind_of_change(register: &Register, line: &PartnerLine) -> LeafKind {
    let Some((known, disabled)) = register.partner(&line.partner.partner) else {
        return LeafKind::PartnerAdded;
    };
    let new = line.partner.certificates.iter().any(|c| !known.certificates.contains(c))
        || line.partner.keys.iter().any(|key| !known.keys.contains(key));
    match (line.disabled && !disabled, new) {
        (true, _) => LeafKind::PartnerDisabled,
        (false, true) => LeafKind::KeyAdded,
        (false, false) => LeafKind::PartnerAdded,
    }
}

/// Decides whether an entry may stand in the register.
fn put(
    mut leaf: Leaf,
    register: &Register,
    partner: &Partner,
    disabled: bool,
    today: Date,
) -> Result<Decided<()>, Box<Declined>> {
    let checked = well_formed(partner)
        .and_then(|()| free(register, partner))
        .and_then(|()| keeps_its_keys(register, partner, today));
    if let Err(refused) = checked {
        return Err(Declined::new(leaf, refused));
    }
    let runs = !disabled && runs_the_gateway(partner);
    if !runs && !others_run_the_gateway(register, &partner.partner) {
        return Err(Declined::new(leaf, no_data_officer()));
    }
    let Ok(json) = serde_json::to_string(partner) else {
        return Err(Declined::new(leaf, Refused::invalid("partner", "an entry that can be kept")));
    };
    leaf.notes.document = Some(Hash::new(Sha256::digest(json.as_bytes()).into()));
    let entry = Entry { partner: partner.partner.clone(), json, disabled };
    Ok(Decided { leaf, effect: Effect::PutPartner(entry), answer: () })
}

/// The rules that an entry keeps by itself.
fn well_formed(partner: &Partner) -> Result<(), Refused> {
    let rule = |broken: bool, field: &str, rule: &str| {
        if broken { Err(Refused::invalid(format!("partner.{field}"), rule)) } else { Ok(()) }
    };
    let letters = partner.name.chars().count();
    let hidden = partner.name.chars().any(char::is_control);
    let named = (1..=200).contains(&letters) && !partner.name.trim().is_empty() && !hidden;
    rule(!named, "name", "1 to 200 printable characters")?;
    let code = |text: &str, sizes: std::ops::RangeInclusive<usize>| {
        sizes.contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    rule(!code(&partner.org_code, 2..=16), "org_code", "2 to 16 capital letters and digits")?;
    let registration = &partner.ico_registration;
    let registered = registration.starts_with('Z') && code(registration, 7..=9);
    rule(!registered, "ico_registration", "Z and 6 to 8 capital letters or digits")?;
    rule(partner.roles.is_empty(), "roles", "at least one role")?;
    let consumes = partner.roles.contains(&CallerRole::Consumer);
    let areas = "a consumer has areas, and nobody else";
    rule(consumes == partner.areas.is_empty(), "areas", areas)?;
    let many = [partner.areas.len(), partner.certificates.len(), partner.keys.len()];
    rule(many.iter().any(|n| *n > MOST_ITEMS), "keys", "at most 500 areas, certificates and keys")?;
    let mut certificates = BTreeSet::new();
    for (at, certificate) in partner.certificates.iter().enumerate() {
        let again = !certificates.insert(certificate.0);
        rule(again, &format!("certificates[{at}]"), "each certificate once")?;
    }
    let mut kids = BTreeSet::new();
    for (at, key) in partner.keys.iter().enumerate() {
        let field = |name: &str| format!("keys[{at}].{name}");
        let sound = key.jwk.verifying_key().is_ok();
        let jwk = "an Ed25519 JSON Web Key whose kid is its RFC 7638 thumbprint";
        rule(!sound, &field("jwk"), jwk)?;
        let again = !kids.insert(&key.jwk.kid);
        rule(again, &field("kid"), "each key once, for one purpose")?;
        let signs = key.purpose == KeyPurpose::ProtocolSigning;
        let office = "the office of a key that signs protocols, and of no other";
        rule(signs != key.role.is_some(), &field("signatory_role"), office)?;
        let days = "not before valid_from";
        rule(key.valid_until < key.valid_from, &field("valid_until"), days)?;
        let sensible = date(1900, 1, 1)..=date(9998, 12, 31);
        let outside = !sensible.contains(&key.valid_from) || !sensible.contains(&key.valid_until);
        rule(outside, &field("valid_until"), "days between 1900 and 9998")?;
    }
    Ok(())
}

/// Certificates and keys that no other partner has.
fn free(register: &Register, partner: &Partner) -> Result<(), Refused> {
    let others: Vec<&Partner> = register
        .partners()
        .map(|(known, _)| known)
        .filter(|known| known.partner != partner.partner)
        .collect();
    let conflict = |reason, sentence| Refused::new(RefusalKind::Conflict, reason, sentence);
    for (at, certificate) in partner.certificates.iter().enumerate() {
        if others.iter().any(|other| other.certificates.contains(certificate)) {
            let sentence = "another partner has this certificate";
            let field = format!("partner.certificates[{at}]");
            return Err(conflict("certificate_taken", sentence).with_field(field, sentence));
        }
    }
    for (at, key) in partner.keys.iter().enumerate() {
        let same = |known: &PartnerKey| known.jwk.kid == key.jwk.kid;
        if others.iter().any(|other| other.keys.iter().any(same)) {
            let sentence = "another partner has this key";
            let field = format!("partner.keys[{at}]");
            return Err(conflict("key_taken", sentence).with_field(field, sentence));
        }
    }
    Ok(())
}

/// What signed protocols rest on stays: a signing key is ended, not taken out.
fn keeps_its_keys(register: &Register, partner: &Partner, today: Date) -> Result<(), Refused> {
    let Some((known, _)) = register.partner(&partner.partner) else { return Ok(()) };
    for before in known.keys.iter().filter(|key| key.purpose == KeyPurpose::ProtocolSigning) {
        let Some(after) = partner.keys.iter().find(|key| key.jwk.kid == before.jwk.kid) else {
            return Err(Refused::new(
                RefusalKind::Conflict,
                "key_missing",
                "a key that signs protocols stays in the register; end it by its last day",
            ));
        };
        let fixed = |key: &PartnerKey| (key.purpose, key.role, key.valid_from);
        // Signatures of the days before stay good; from today on the key can be worth nothing.
        let reaches_back = after.valid_until != before.valid_until
            && today.yesterday().is_ok_and(|yesterday| after.valid_until < yesterday);
        if fixed(after) != fixed(before) || reaches_back {
            return Err(Refused::new(
                RefusalKind::Conflict,
                "key_changed",
                "of a registered key only the last day changes, and not to before yesterday",
            ));
        }
    }
    Ok(())
}
