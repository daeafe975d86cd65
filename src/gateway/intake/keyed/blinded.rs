//! Records of which a partner shows only what is counted: the rest came as PRF values.
//!
//! Each is wrapped here as what the same record in clear would have become, and what is the
//! sender's own is bound to the sender, whatever scope it was evaluated under.

use super::{KeyedBatch, Keying, Row, RowReader};
use crate::{
    domain::{
        PartnerId, Role,
        field::{FieldKind, Rule, Value},
        record::{About, RecordDefinition},
        row::{CheckedRow, Content, Identity, RowLayout, Violation},
    },
    gateway::{GatewayError, forms},
    keys::{BirthDate, KeyError, Pseudonym, PseudonymDomain, Pseudonymiser},
    linkage::{BlindedIdentity, Facts, KeyedIdentity, Sex},
    protocol::Whereabouts,
};
use jiff::civil::Date;

/// What stands for a row's identifying values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlindedRow {
    /// The record's id.
    pub record: [u8; 16],
    /// The consent reference.
    pub consent: Option<[u8; 16]>,
    /// The id of the earlier record whose place it takes.
    pub supersedes: Option<[u8; 16]>,
    /// References of the payload, by column.
    pub references: Vec<(String, [u8; 16])>,
    /// Whom it is about, the principal first.
    pub persons: Vec<BlindedPerson>,
}

/// One of a record's persons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlindedPerson {
    /// Which.
    pub role: Role,
    /// Who.
    pub identity: BlindedIdentity,
    /// The postcode.
    pub postcode: Option<[u8; 16]>,
}

/// What a row shows of one of its persons.
fn shown<'c, 'a>(content: &'c Content<'a>, role: Role) -> Option<&'c Identity<'a>> {
    match role {
        Role::Principal => Some(&content.principal),
        _ => content.others.iter().find_map(|(of, who)| (*of == role).then_some(who)),
    }
}

/// How a row came.
pub(super) enum Sent {
    InClear,
    /// Nothing where what should stand for the values is missing or malformed.
    Blinded(Option<BlindedRow>),
}

impl Sent {
    /// Checks a row as it came.
    pub(super) fn check<'a, 'b>(
        &'b self,
        layout: &RowLayout,
        row: &'a Row,
        today: Date,
    ) -> Result<(CheckedRow<'a>, Option<&'b BlindedRow>), Vec<Violation>> {
        let sent = match self {
            Self::InClear => return layout.check(row, today).map(|checked| (checked, None)),
            Self::Blinded(sent) => sent,
        };
        let checked = layout.check_blinded(row, today)?;
        let violation = |field, rule| Err(vec![Violation { field, rule }]);
        let Some(sent) = sent else { return violation("", Rule::BlindedForm) };
        let withdraws = checked.content.is_none();
        if sent.supersedes.is_some_and(|earlier| withdraws || earlier == sent.record) {
            return violation("supersedes", Rule::Supersedes);
        }
        let fits = sent.fits(layout.record_type().definition(), withdraws);
        match fits.and_then(|()| sent.agrees(checked.content.as_ref())) {
            Ok(()) => Ok((checked, Some(sent))),
            Err(field) => violation(field, Rule::BlindedForm),
        }
    }
}

impl KeyedBatch {
    /// Checks every row of a blinded stream and wraps what came for it.
    pub(in crate::gateway::intake) fn read_blinded(
        reader: &RowReader,
        rows: Vec<(Row, Option<BlindedRow>)>,
    ) -> Result<Self, GatewayError> {
        Self::read_all(reader, rows.into_iter().map(|(row, sent)| (row, Sent::Blinded(sent))))
    }
}

impl BlindedRow {
    /// Whether it has what a record of this type has, and no more; else the column at fault.
    fn fits(&self, definition: &RecordDefinition, withdraws: bool) -> Result<(), &'static str> {
        if withdraws {
            let bare = self.references.is_empty() && self.persons.is_empty();
            return if bare { Ok(()) } else { Err("") };
        }
        let named = |name: &str| self.references.iter().filter(|(field, _)| field == name).count();
        let is_reference =
            |kind| matches!(kind, FieldKind::CaseReference | FieldKind::ProviderReference);
        let mut known = 0;
        for field in definition.payload.iter().filter(|field| is_reference(field.kind)) {
            let here = named(field.name);
            if here > 1 || (field.required && here == 0) {
                return Err(field.name);
            }
            known += here;
        }
        if known != self.references.len() {
            return Err("");
        }
        let roles: Vec<Role> = self.persons.iter().map(|person| person.role).collect();
        let once = (1..roles.len()).all(|at| !roles[..at].contains(&roles[at]));
        let of_type = |role: &Role| definition.identity.iter().any(|field| field.role == *role);
        let principal = match definition.about {
            About::Nobody => roles.is_empty(),
            _ => roles.first() == Some(&Role::Principal),
        };
        if once && principal && roles.iter().all(of_type) { Ok(()) } else { Err("") }
    }

    /// Whether its persons are what the row shows of them; else the column at fault.
    fn agrees(&self, content: Option<&Content<'_>>) -> Result<(), &'static str> {
        let Some(content) = content else { return Ok(()) };
        let agrees = |person: &BlindedPerson| {
            let sex = shown(content, person.role).and_then(|shown| shown.sex);
            person.identity.agrees_with(sex.unwrap_or(Sex::NotKnown))
        };
        if self.persons.iter().all(agrees) { Ok(()) } else { Err("sex") }
    }

    /// The pseudonyms of its id, of the earlier record's and of the consent.
    pub(super) fn references(
        &self,
        partner: &PartnerId,
        with: &Pseudonymiser,
    ) -> Result<(Pseudonym, Option<Pseudonym>, Option<Pseudonym>), KeyError> {
        let own = |domain, inner| with.of_blinded(domain, inner, Some(partner));
        let earlier = self.supersedes.map(|inner| own(PseudonymDomain::Record, inner));
        let consent = self.consent.map(|inner| own(PseudonymDomain::Consent, inner));
        let record = own(PseudonymDomain::Record, self.record)?;
        Ok((record, earlier.transpose()?, consent.transpose()?))
    }
}

impl Keying<'_> {
    /// The references of a blinded row, as values of the event.
    pub(super) fn blinded_references(
        &self,
        definition: &RecordDefinition,
        sent: &BlindedRow,
    ) -> Result<Vec<(u8, Value)>, KeyError> {
        let value = |(field, inner): &(String, [u8; 16])| {
            let number = definition.number(field);
            let domain = forms::reference_domain(definition, number);
            let owner = match domain {
                PseudonymDomain::Provider => None,
                _ => Some(&self.reader.partner),
            };
            let key = self.keys.pseudonymiser.of_blinded(domain, *inner, owner)?;
            Ok((number, Value::Key(*key.as_bytes())))
        };
        sent.references.iter().map(value).collect()
    }

    /// Where the principal lives.
    pub(super) fn blinded_place(
        &self,
        principal: &Identity<'_>,
        sent: &BlindedRow,
    ) -> Result<Whereabouts, KeyError> {
        let postcode = sent.persons.first().and_then(|person| person.postcode);
        let domain = PseudonymDomain::Postcode;
        let with = &self.keys.pseudonymiser;
        let postcode = postcode.map(|inner| with.of_blinded(domain, inner, None)).transpose()?;
        self.place_of(postcode, principal)
    }

    /// The persons of a blinded row, each with what the row shows of it.
    pub(super) fn blinded_persons(
        &self,
        sent: &BlindedRow,
        principal: Identity<'_>,
        others: Vec<(Role, Identity<'_>)>,
    ) -> Result<Vec<(Role, KeyedIdentity)>, KeyError> {
        let shown: Vec<_> = [(Role::Principal, principal)].into_iter().chain(others).collect();
        let mut persons = Vec::with_capacity(sent.persons.len());
        for person in &sent.persons {
            let shown = shown.iter().find(|(role, _)| *role == person.role);
            let shown = shown.map(|(_, identity)| identity);
            let facts = Facts {
                birth: shown.and_then(|shown| shown.date_of_birth).map(BirthDate::new),
                sex: shown.and_then(|shown| shown.sex).unwrap_or(Sex::NotKnown),
            };
            let (partner, with) = (&self.reader.partner, &self.keys.pseudonymiser);
            persons.push((person.role, person.identity.keyed(facts, partner, with)?));
        }
        Ok(persons)
    }
}
