//! The one decision: intake, figures, releases, dry runs and explanations all ask here.
//!
//! It is a pure function of a [`Policy`], a question and a day. It answers with a permit
//! ([`super::permit`]) or with one [`Refusal`]. What no signed document grants is refused.
//!
//! **Intake**, once a stream or batch, in this order: record type known; protocol and version known;
//! readable; caller a party; role `provider`; fully signed and neither superseded, expired nor revoked;
//! the caller's own part neither revoked nor suspended; today inside the term; a flow from the caller of this
//! record type; every column listed (envelope columns always are); every required field present; a privacy
//! notice in force, where the flow rests on one.
//! **Each record** then, on the permit: area; event inside the term; event not too old, by the flow and by
//! every protocol that says how long this feed's records are kept ([`super::retention`]); extract not too
//! late; consent.
//!
//! **Figures**: the caller is a party or a named audience of some protocol; one that lists the table and of
//! which it is a party (else, one that names it: an auditor is an audience and no party); that lists the audience
//! (organisation and role); role not `provider`; the area; the purpose; stands today for the caller. So far one protocol
//! suffices (the refusal is that of the protocol that came furthest). But no other protocol that lists the
//! table may leave this audience, area or purpose out: data of several agencies go into a table, and each
//! agency's word holds, also while its own protocol is suspended or has ended. Only superseded and unsigned
//! versions have no say.
//!
//! **Releases**: a root policy in force that lists the table; for each record type needed, every flow in
//! force must let its data serve the table, for one purpose common to all; a suspended flow stops the
//! release (figures that silently lack a feed would mislead), one that has ended is left out.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;

use super::document::ProtocolVersion;
use super::life::State;
use super::permit::{FigurePermit, IntakePermit, ReleasePermit, ReleaseSource};
use super::policy::{Compiled, CompiledFlow, Policy, Tense, Version};
use super::refusal::{Reason, Refusal, Section};
use super::vocabulary::{CallerRole, ConsentRule, Purpose};
use crate::domain::record::ENVELOPE;
use crate::domain::time::epoch_day;
use crate::domain::{AreaCode, PartnerId, ProtocolId, RecordType, TableId};

/// May this caller send records of this type, with these columns?
#[derive(Clone, Copy, Debug)]
pub struct IntakeQuestion<'a> {
    /// The caller's organisation.
    pub partner: &'a PartnerId,
    /// The caller's role.
    pub role: CallerRole,
    /// The protocol that the caller relies on.
    pub protocol: &'a ProtocolId,
    /// Its version.
    pub version: ProtocolVersion,
    /// The record type, as the caller wrote it.
    pub record_type: &'a str,
    /// The columns, as the caller wrote them.
    pub columns: &'a [&'a str],
    /// The day, in Europe/London.
    pub today: Date,
}

/// May this caller see this table's figures about this area?
#[derive(Clone, Copy, Debug)]
pub struct FigureQuestion<'a> {
    /// The caller's organisation.
    pub partner: &'a PartnerId,
    /// The caller's role.
    pub role: CallerRole,
    /// The table that the figure comes from.
    pub table: &'a TableId,
    /// The area: reach area, cluster or authority.
    pub area: &'a AreaCode,
    /// The areas that this very caller is confined to (a centre manager's own); `None`: as the audience.
    pub confined_to: Option<&'a BTreeSet<AreaCode>>,
    /// Why, as the caller wrote it: the code of a [`Purpose`].
    pub purpose: &'a str,
    /// The day, in Europe/London.
    pub today: Date,
}

impl Policy {
    /// Decides whether a stream or batch may be taken in. The order of checks is in the module's doc.
    ///
    /// # Errors
    /// The first check that failed, with its clause.
    pub fn authorise_intake(&self, question: &IntakeQuestion<'_>) -> Result<IntakePermit, Refusal> {
        self.authorise_intake_in(question, Tense::Present)
    }

    /// The same, also of a day gone by.
    pub(super) fn authorise_intake_in(
        &self,
        question: &IntakeQuestion<'_>,
        tense: Tense,
    ) -> Result<IntakePermit, Refusal> {
        let record_type: RecordType =
            question.record_type.parse().map_err(|_| Refusal::bare(Reason::UnknownRecordType))?;
        let protocol = match self.find(question.protocol, question.version) {
            None => return Err(Refusal::bare(Reason::ProtocolUnknown)),
            Some(Version::Unreadable) => return Err(Refusal::bare(Reason::ProtocolUnreadable)),
            Some(Version::Readable(protocol)) => protocol,
        };
        if !protocol.has_party(question.partner) {
            return Err(protocol.refuse(Reason::NotAParty, Section::Parties));
        }
        if question.role != CallerRole::Provider {
            return Err(protocol.refuse(Reason::WrongRole, Section::Whole));
        }
        protocol.stands_on(question.partner, question.today, tense)?;
        let granted =
            |flow: &CompiledFlow| flow.record_type == record_type && flow.from == *question.partner;
        let Some(place) = protocol.flows.iter().position(granted) else {
            return Err(protocol.refuse(Reason::FlowNotGranted, Section::Flows));
        };
        columns_granted(protocol, place, question.columns)?;
        let told = self.notices().is_none_or(|notices| {
            let day = epoch_day(question.today);
            notices.in_force(question.partner, record_type, day).is_some()
        });
        if protocol.flows[place].consent.rule == ConsentRule::Notice && !told {
            let clause = Section::FlowMember(place, "consent");
            return Err(protocol.refuse(Reason::NoticeMissing, clause));
        }
        let limit = self.event_limit(question.partner, record_type, question.today);
        Ok(IntakePermit::new(self.epoch(), Arc::clone(protocol), place, limit, question))
    }

    /// Decides whether a figure may be seen. The order of checks is in the module's doc.
    ///
    /// # Errors
    /// The refusal of the protocol that came furthest, with its clause.
    pub fn authorise_figure(&self, question: &FigureQuestion<'_>) -> Result<FigurePermit, Refusal> {
        if !self.knows_partner(question.partner) {
            return Err(Refusal::bare(Reason::NotAParty));
        }
        if question.confined_to.is_some_and(|areas| !areas.contains(question.area)) {
            return Err(Refusal::bare(Reason::AreaNotCovered));
        }
        let listing = self.listing(question.table);
        let mut nearest = (0, Refusal::bare(Reason::TableNotListed));
        let mut granted = None;
        let is_party = listing.iter().any(|(protocol, _)| protocol.has_party(question.partner));
        for (protocol, output) in listing {
            let candidate = if is_party {
                protocol.has_party(question.partner)
            } else {
                protocol.outputs[*output].names(question.partner)
            };
            if !candidate {
                continue;
            }
            match granting(protocol, *output, question) {
                Ok(grant) => {
                    granted = Some((protocol, *output, grant));
                    break;
                }
                Err((steps, refusal)) if steps > nearest.0 => nearest = (steps, refusal),
                Err(_) => {}
            }
        }
        let Some((protocol, output, (audience, purpose))) = granted else { return Err(nearest.1) };
        for (other, place) in listing {
            let has_a_say = !matches!(
                other.state(),
                None | Some(State::Draft | State::PartlySigned | State::Superseded)
            );
            if has_a_say {
                listed(other, *place, question).map_err(|(_, refusal)| refusal)?;
            }
        }
        let clause = protocol.clause(Section::Audience(output, audience));
        let sources = &protocol.outputs[output].sources;
        let serving = sources.iter().find(|(_, purposes)| purposes.contains(&purpose));
        let basis =
            serving.and_then(|(flow, _)| protocol.flows.get(*flow)).map(|flow| flow.basis.clone());
        let Some(basis) = basis else {
            return Err(
                protocol.refuse(Reason::SourceNotGranted, Section::OutputMember(output, "sources"))
            );
        };
        Ok(FigurePermit::new(self.epoch(), clause, basis, purpose, question))
    }

    /// Decides whether a table may be released from records of these types, and from whose.
    ///
    /// # Errors
    /// The first check that failed, with its clause.
    pub fn may_release(
        &self,
        table: &TableId,
        needed: &[RecordType],
        today: Date,
    ) -> Result<ReleasePermit, Refusal> {
        let root = self.root().filter(|root| root.document().in_force_on(today));
        let root = root.ok_or_else(|| Refusal::bare(Reason::RootPolicyMissing))?;
        if root.document().minimum_variance(table).is_none() || needed.is_empty() {
            return Err(Refusal::bare(Reason::TableNotListed));
        }
        let mut sources = Vec::new();
        let mut common: BTreeSet<Purpose> = Purpose::ALL.iter().copied().collect();
        for record_type in needed {
            let serving = self.serving(table, *record_type, today)?;
            for (source, purposes) in serving {
                common.retain(|purpose| purposes.contains(purpose));
                if common.is_empty() {
                    return Err(Refusal::by(Reason::PurposeNotListed, source.into_clause()));
                }
                sources.push(source);
            }
        }
        let purposes = common.into_iter().collect();
        Ok(ReleasePermit::new(self.epoch(), table, needed, sources, purposes))
    }

    /// The flows of one record type that serve a table today.
    fn serving(
        &self,
        table: &TableId,
        record_type: RecordType,
        today: Date,
    ) -> Result<Vec<(ReleaseSource, BTreeSet<Purpose>)>, Refusal> {
        let mut serving = Vec::new();
        let mut ended = Refusal::bare(Reason::FlowNotGranted);
        for (protocol, place) in self.sending(record_type) {
            let flow = &protocol.flows[*place];
            match protocol.stands_for(&flow.from, today) {
                Ok(()) => {}
                Err(refusal) if refusal.reason() == Reason::ProtocolSuspended => {
                    return Err(refusal);
                }
                Err(refusal) => {
                    ended = refusal;
                    continue;
                }
            }
            let output = protocol.outputs.iter().position(|output| output.table == *table);
            let Some(output) = output else {
                return Err(protocol.refuse(Reason::TableNotListed, Section::Outputs));
            };
            let Some(purposes) = protocol.outputs[output].sources.get(place) else {
                let section = Section::OutputMember(output, "sources");
                return Err(protocol.refuse(Reason::SourceNotGranted, section));
            };
            let clause = protocol.clause(Section::Output(output));
            let source = ReleaseSource::new(clause, *place, flow);
            serving.push((source, purposes.clone()));
        }
        if serving.is_empty() { Err(ended) } else { Ok(serving) }
    }
}

/// Whether the flow lists every column, and every field that it requires is among them.
pub(super) fn columns_granted(
    protocol: &Compiled,
    place: usize,
    columns: &[&str],
) -> Result<(), Refusal> {
    let flow = &protocol.flows[place];
    for (position, column) in columns.iter().enumerate() {
        let listed =
            ENVELOPE.contains(column) || flow.fields.iter().any(|field| field.name == *column);
        if !listed {
            let section = Section::FlowMember(place, "fields");
            return Err(protocol.refuse(Reason::FieldNotListed, section).in_column(position));
        }
    }
    match flow.fields.iter().position(|field| field.required && !columns.contains(&field.name)) {
        Some(field) => {
            Err(protocol.refuse(Reason::RequiredFieldMissing, Section::FlowField(place, field)))
        }
        None => Ok(()),
    }
}

/// How far a protocol came, and why not further.
type Short = (u8, Refusal);

/// Whether an output lists the question's audience, role, area and purpose; the audience's position.
fn listed(
    protocol: &Compiled,
    place: usize,
    question: &FigureQuestion<'_>,
) -> Result<(usize, Purpose), Short> {
    let output = &protocol.outputs[place];
    let audience = output.audiences.iter().position(|audience| {
        audience.partner == *question.partner && audience.role == question.role
    });
    let Some(audience) = audience else {
        let section = Section::OutputMember(place, "audiences");
        return Err((1, protocol.refuse(Reason::AudienceNotListed, section)));
    };
    if question.role == CallerRole::Provider {
        return Err((2, protocol.refuse(Reason::WrongRole, Section::Audience(place, audience))));
    }
    if !output.audiences[audience].areas.contains(question.area) {
        let section = Section::AudienceAreas(place, audience);
        return Err((3, protocol.refuse(Reason::AreaNotCovered, section)));
    }
    let purpose = Purpose::from_code(question.purpose);
    let Some(purpose) = purpose.filter(|purpose| protocol.purposes.contains(purpose)) else {
        return Err((4, protocol.refuse(Reason::PurposeNotListed, Section::Purposes)));
    };
    // Each flow that serves the table must serve it for this purpose.
    if output.sources.values().any(|purposes| !purposes.contains(&purpose)) {
        let section = Section::OutputMember(place, "sources");
        return Err((5, protocol.refuse(Reason::PurposeNotListed, section)));
    }
    Ok((audience, purpose))
}

fn granting(
    protocol: &Compiled,
    place: usize,
    question: &FigureQuestion<'_>,
) -> Result<(usize, Purpose), Short> {
    let grant = listed(protocol, place, question)?;
    protocol.stands_for(question.partner, question.today).map_err(|refusal| (6, refusal))?;
    Ok(grant)
}
