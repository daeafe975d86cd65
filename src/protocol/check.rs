//! The rules of a protocol beyond its form: each names its place and says what is wrong.
//!
//! A rule that the parties can't have meant to break (an unmeetable quorum, an identifier kept in clear,
//! benefit data for another table than eligibility) refuses the whole document.

use std::collections::BTreeSet;

use super::document::{Flow, LegalBasis, Output, Party, Protocol, SCHEMA, is_health};
use super::fault::{Fault, Rule};
use super::geography::Geography;
use super::quorum::meetable;
use super::scripts;
use super::vocabulary::{
    Article6, Article9, Confidentiality, ConsentRule, FieldAction, LegalGateway, PartyRole,
};
use crate::domain::TableId;
use crate::domain::field::{FieldKind, Sensitivity};

/// Refuses what needs no surroundings to be seen as wrong.
pub(super) fn check(protocol: &Protocol) -> Result<(), Fault> {
    refuse_if(protocol.schema != SCHEMA, "/schema", Rule::UnknownSchema)?;
    match (protocol.version.number(), protocol.supersedes) {
        (1, Some(_)) => return Err(Fault::at("/supersedes", Rule::SupersedesUnexpected)),
        (2.., None) => return Err(Fault::at("/supersedes", Rule::SupersedesMissing)),
        _ => {}
    }
    printable(&protocol.title, "/title")?;
    printable(&protocol.dpia, "/dpia")?;
    printable(&protocol.rights.contact, "/rights/contact")?;
    refuse_if(protocol.purposes.is_empty(), "/purposes", Rule::Empty)?;
    distinct(&protocol.purposes, "/purposes", |purpose| *purpose)?;
    refuse_if(protocol.effective >= protocol.review_by, "/review_by", Rule::DatesOutOfOrder)?;
    refuse_if(protocol.review_by > protocol.expires, "/expires", Rule::DatesOutOfOrder)?;
    parties(protocol)?;
    flows(protocol)?;
    outputs(protocol)?;
    terms(protocol)
}

impl Protocol {
    /// Refuses areas that the gateway's geography does not have.
    ///
    /// # Errors
    /// [`Rule::UnknownArea`] with the pointer to the first.
    pub fn check_places(&self, geography: &impl Geography) -> Result<(), Fault> {
        let unknown = |pointer: String| Err(Fault::at(&pointer, Rule::UnknownArea));
        for (f, flow) in self.flows.iter().enumerate() {
            for (a, area) in flow.areas.iter().enumerate() {
                if !geography.holds(area) && geography.lsoas(area).is_none() {
                    return unknown(format!("/flows/{f}/areas/{a}"));
                }
            }
        }
        for (o, output) in self.outputs.iter().enumerate() {
            for (n, audience) in output.audiences.iter().enumerate() {
                for (a, area) in audience.areas.iter().enumerate() {
                    if !geography.holds(area) {
                        return unknown(format!("/outputs/{o}/audiences/{n}/areas/{a}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Refuses outputs that name a table which the catalogue does not have.
    ///
    /// # Errors
    /// [`Rule::UnknownTable`] with the pointer to the first.
    pub fn check_tables(&self, catalogue: &[TableId]) -> Result<(), Fault> {
        for (o, output) in self.outputs.iter().enumerate() {
            let known = catalogue.contains(&output.table);
            refuse_if(!known, &format!("/outputs/{o}/table"), Rule::UnknownTable)?;
        }
        Ok(())
    }
}

pub(super) fn refuse_if(broken: bool, pointer: &str, rule: Rule) -> Result<(), Fault> {
    if broken { Err(Fault::at(pointer, rule)) } else { Ok(()) }
}

/// Refuses the second of two items with the same key.
pub(super) fn distinct<T, K: Ord>(
    items: &[T],
    pointer: &str,
    key: impl Fn(&T) -> K,
) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    match items.iter().position(|item| !seen.insert(key(item))) {
        Some(place) => Err(Fault::at(&format!("{pointer}/{place}"), Rule::Duplicate)),
        None => Ok(()),
    }
}

/// Refuses text that is empty, long, or could look like other text (controls, bidirectional and
/// zero-width marks, letters of several scripts).
pub(super) fn printable(text: &str, pointer: &str) -> Result<(), Fault> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    let good = !text.trim().is_empty() && text.chars().count() <= 400 && !text.chars().any(hidden);
    refuse_if(!good, pointer, Rule::UnprintableText)?;
    refuse_if(scripts::are_mixed(text), pointer, Rule::MixedScripts)
}

fn capitals_and_digits(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Refuses a party whose codes have not their form, or who names no key.
pub(super) fn party(party: &Party, at: &str) -> Result<(), Fault> {
    let code = capitals_and_digits(&party.org_code, 2..=16);
    refuse_if(!code, &format!("{at}/org_code"), Rule::Malformed)?;
    let registration = &party.ico_registration;
    let registered = registration.starts_with('Z') && capitals_and_digits(registration, 7..=9);
    refuse_if(!registered, &format!("{at}/ico_registration"), Rule::Malformed)?;
    refuse_if(party.keys.is_empty(), &format!("{at}/keys"), Rule::Empty)
}

fn parties(protocol: &Protocol) -> Result<(), Fault> {
    let parties = &protocol.parties;
    refuse_if(parties.len() < 2, "/parties", Rule::TooFewParties)?;
    distinct(parties, "/parties", |party| party.partner.clone())?;
    let controls = |party: &Party| party.role != PartyRole::Processor;
    refuse_if(!parties.iter().any(controls), "/parties", Rule::NoController)?;
    let mut keys = BTreeSet::new();
    for (p, named) in parties.iter().enumerate() {
        let at = format!("/parties/{p}");
        party(named, &at)?;
        for (k, key) in named.keys.iter().enumerate() {
            // Also across parties: one key must never speak for two.
            refuse_if(!keys.insert(key), &format!("{at}/keys/{k}"), Rule::Duplicate)?;
        }
    }
    Ok(())
}

fn flows(protocol: &Protocol) -> Result<(), Fault> {
    refuse_if(protocol.flows.is_empty(), "/flows", Rule::Empty)?;
    distinct(&protocol.flows, "/flows", |flow| (flow.from.clone(), flow.record_type))?;
    for (f, flow) in protocol.flows.iter().enumerate() {
        let at = format!("/flows/{f}");
        refuse_if(protocol.party(&flow.from).is_none(), &format!("{at}/from"), Rule::NotAParty)?;
        fields(flow, &format!("{at}/fields"))?;
        refuse_if(flow.areas.is_empty(), &format!("{at}/areas"), Rule::Empty)?;
        distinct(&flow.areas, &format!("{at}/areas"), Clone::clone)?;
        refuse_if(flow.basis.is_empty(), &format!("{at}/basis"), Rule::Empty)?;
        for (b, basis) in flow.basis.iter().enumerate() {
            legal_basis(flow, basis, &format!("{at}/basis/{b}"))?;
        }
        let rests_on_consent = flow.confidentiality == Confidentiality::Consent;
        let asks = flow.consent == ConsentRule::Explicit;
        refuse_if(rests_on_consent && !asks, &format!("{at}/consent"), Rule::ConsentMissing)?;
        let age = flow.consent_max_age_days;
        let pointless = age.is_some() && (!asks || age == Some(0));
        refuse_if(pointless, &format!("{at}/consent_max_age_days"), Rule::OutOfRange)?;
    }
    Ok(())
}

fn fields(flow: &Flow, at: &str) -> Result<(), Fault> {
    refuse_if(flow.fields.is_empty(), at, Rule::Empty)?;
    distinct(&flow.fields, at, |field| field.name.clone())?;
    let definition = flow.record_type.definition();
    for (n, field) in flow.fields.iter().enumerate() {
        let Some(known) = definition.field(&field.name) else {
            return Err(Fault::at(&format!("{at}/{n}/name"), Rule::UnknownField));
        };
        let says_who = match known.kind {
            FieldKind::Sex | FieldKind::Lsoa => false,
            FieldKind::CaseReference
            | FieldKind::ProviderReference
            | FieldKind::ScopedReference
            | FieldKind::Dropped(_) => true,
            other => other.is_identity(),
        };
        let in_clear = says_who && field.action == FieldAction::Keep;
        refuse_if(in_clear, &format!("{at}/{n}/action"), Rule::IdentifierKept)?;
    }
    let listed = |name: &str| flow.fields.iter().any(|field| field.name == name);
    let complete = definition.fields().all(|known| !known.required || listed(known.name));
    refuse_if(!complete, at, Rule::RequiredFieldNotListed)
}

fn legal_basis(flow: &Flow, basis: &LegalBasis, at: &str) -> Result<(), Fault> {
    let definition = flow.record_type.definition();
    let special = is_health(flow.record_type)
        || definition.payload.iter().any(|known| {
            known.sensitivity == Sensitivity::Special
                && flow
                    .fields
                    .iter()
                    .any(|f| f.name == known.name && f.action != FieldAction::Discard)
        });
    refuse_if(special && basis.art9.is_none(), &format!("{at}/art9"), Rule::Article9Missing)?;
    let paragraph_missing =
        basis.dpa_sch1.is_none() && basis.art9.is_some_and(Article9::needs_schedule_1);
    refuse_if(paragraph_missing, &format!("{at}/dpa_sch1"), Rule::Schedule1Missing)?;
    let unasked = basis.art6 == Article6::Consent && flow.consent != ConsentRule::Explicit;
    refuse_if(unasked, &format!("{at}/art6"), Rule::ConsentMissing)
}

fn outputs(protocol: &Protocol) -> Result<(), Fault> {
    distinct(&protocol.outputs, "/outputs", |output| output.table.clone())?;
    for (o, output) in protocol.outputs.iter().enumerate() {
        let at = format!("/outputs/{o}");
        refuse_if(output.audiences.is_empty(), &format!("{at}/audiences"), Rule::Empty)?;
        distinct(&output.audiences, &format!("{at}/audiences"), |a| (a.partner.clone(), a.role))?;
        for (n, audience) in output.audiences.iter().enumerate() {
            let areas = format!("{at}/audiences/{n}/areas");
            refuse_if(audience.areas.is_empty(), &areas, Rule::Empty)?;
            distinct(&audience.areas, &areas, Clone::clone)?;
        }
        sources(protocol, output, &format!("{at}/sources"))?;
    }
    Ok(())
}

fn sources(protocol: &Protocol, output: &Output, at: &str) -> Result<(), Fault> {
    refuse_if(output.sources.is_empty(), at, Rule::Empty)?;
    distinct(&output.sources, at, |source| (source.flow, source.purpose))?;
    for (s, source) in output.sources.iter().enumerate() {
        let Some(flow) = protocol.flows.get(usize::from(source.flow)) else {
            return Err(Fault::at(&format!("{at}/{s}/flow"), Rule::UnknownFlow));
        };
        let listed = protocol.purposes.contains(&source.purpose);
        refuse_if(!listed, &format!("{at}/{s}/purpose"), Rule::PurposeNotListed)?;
        // Use beyond a narrow gateway needs a named gateway of its own: one that is not narrow suffices.
        let allows = |gateway: LegalGateway| match gateway.only_tables() {
            Some(tables) => tables.contains(&output.table.as_str()),
            None => true,
        };
        let lawful = flow.basis.iter().any(|basis| allows(basis.gateway));
        refuse_if(!lawful, &format!("{at}/{s}/flow"), Rule::GatewayForbidsTable)?;
    }
    Ok(())
}

fn terms(protocol: &Protocol) -> Result<(), Fault> {
    distinct(&protocol.retention, "/retention", |retention| retention.record_type)?;
    for (r, retention) in protocol.retention.iter().enumerate() {
        refuse_if(retention.days == 0, &format!("/retention/{r}/days"), Rule::OutOfRange)?;
    }
    let kept = |flow: &Flow| protocol.retention.iter().any(|r| r.record_type == flow.record_type);
    refuse_if(!protocol.flows.iter().all(kept), "/retention", Rule::RetentionMissing)?;
    let (rights, breach) = (&protocol.rights, &protocol.breach);
    let rotation = protocol.security.key_rotation_days;
    refuse_if(rotation == 0, "/security/key_rotation_days", Rule::OutOfRange)?;
    // One month and at most two more (UK GDPR art 12(3)).
    refuse_if(!(1..=92).contains(&rights.sar_days), "/rights/sar_days", Rule::OutOfRange)?;
    refuse_if(
        !(1..=92).contains(&rights.propagate_days),
        "/rights/propagate_days",
        Rule::OutOfRange,
    )?;
    refuse_if(!(1..=72).contains(&breach.ico_hours), "/breach/ico_hours", Rule::OutOfRange)?;
    let told_late = !(1..=breach.ico_hours).contains(&breach.notify_hours);
    refuse_if(told_late, "/breach/notify_hours", Rule::OutOfRange)?;
    distinct(&protocol.quorum, "/quorum", |quorum| quorum.role)?;
    meetable(&protocol.quorum, &protocol.parties, protocol.health_senders())
}
