//! A region's organisations with their keys, its places, and as many signed protocols as are asked for.

use super::{super::BenchError, AREAS, Asked, FLOWS, PARTIES, PARTNERS, READER, TODAY, WHOLE};
use crate::{
    domain::{AreaCode, Lsoa, PartnerId, RecordType, time::days_after},
    keys::{ProtocolSigning, SigningKey},
    protocol::{
        self, CallerRole, ConsentEvidence, Entry, KeySet, Life, Policy, Protocol, RecordFacts,
        RegisteredKey, SignatoryRole, Signed, Whereabouts,
        document::{Party, Source},
        life::Completeness,
        register::KeyPurpose,
        signing::{header_for, verify},
        template::{Audiences, Particulars, PartyDetails, Template, USUAL_KEEP_DAYS},
        vocabulary::{AreaLevel, PartyRole, Purpose},
    },
    server::system_rng,
};
use jiff::{Timestamp, civil::date};
use std::collections::BTreeSet;

/// Organisations with their keys, and places.
pub(super) struct Region {
    pub(super) signers: Vec<(SigningKey<ProtocolSigning>, RegisteredKey)>,
    pub(super) register: KeySet,
    base: Protocol,
    pub(super) lsoas: Vec<Lsoa>,
    pub(super) now: Timestamp,
}

pub(super) fn partner(number: usize) -> Result<PartnerId, BenchError> {
    Ok(format!("partner-{number}").parse()?)
}

pub(super) fn area(number: usize) -> Result<AreaCode, BenchError> {
    Ok(format!("CC{number:03}").parse()?)
}

impl Region {
    pub(super) fn new() -> Result<Self, BenchError> {
        let mut rng = system_rng();
        let now: Timestamp = "2026-05-01T09:00:00Z".parse().map_err(|_| BenchError::CutShort)?;
        let year = jiff::SignedDuration::from_hours(24 * 365);
        let (mut signers, mut register) = (Vec::new(), KeySet::default());
        for number in 0..PARTNERS {
            for role in [SignatoryRole::Siro, SignatoryRole::CaldicottGuardian] {
                let key = SigningKey::generate(&mut rng)?;
                let public = key.verifying_key();
                let registered = RegisteredKey {
                    kid: public.kid().parse().map_err(|_| BenchError::CutShort)?,
                    party: partner(number)?,
                    role,
                    purpose: KeyPurpose::ProtocolSigning,
                    public_key: *public.as_bytes(),
                    valid_from: now - year,
                    valid_until: now + year,
                    revoked_at: None,
                };
                register.add(registered.clone()).map_err(|_| BenchError::CutShort)?;
                signers.push((key, registered));
            }
        }
        let lsoas = (0..AREAS * 10).map(|n| format!("E01{:06}", 9_000 + n).parse());
        let lsoas = lsoas.collect::<Result<_, _>>().map_err(|_| BenchError::CutShort)?;
        let base = base()?;
        Ok(Self { signers, register, base, lsoas, now })
    }

    /// The parties of a protocol.
    fn parties(number: usize) -> impl Iterator<Item = usize> {
        (0..PARTIES).map(move |n| (number * PARTIES + n * 7) % PARTNERS)
    }

    /// One document: its flows from six parties, and who sees what.
    fn document(&self, number: usize) -> Result<Protocol, BenchError> {
        let mut protocol = self.base.clone();
        protocol.id = format!("isp-{number}").parse()?;
        let mut parties = Vec::new();
        for member in Self::parties(number) {
            let own = self.signers.iter().skip(member * 2).take(2);
            parties.push(Party {
                partner: partner(member)?,
                org_code: "RKB01".to_owned(),
                ico_registration: "Z1234567".to_owned(),
                role: PartyRole::Controller,
                keys: own.map(|(_, registered)| registered.kid.clone()).collect(),
            });
        }
        let areas: Vec<AreaCode> =
            (0..10).map(|n| area((number + n) % AREAS)).collect::<Result<_, _>>()?;
        let of_all = self.base.flows.iter();
        let pairs = of_all.flat_map(|flow| parties.iter().map(move |party| (party, flow)));
        let flows = pairs.take(FLOWS).map(|(party, flow)| {
            let (from, areas) = (party.partner.clone(), areas.clone());
            protocol::document::Flow { from, areas, ..flow.clone() }
        });
        protocol.flows = flows.collect();
        for output in &mut protocol.outputs {
            output.finest_area = AreaLevel::ReachArea;
            output.audiences.retain(|audience| audience.role == CallerRole::DataOfficer);
            let audience = output.audiences[0].clone();
            output.audiences = parties
                .iter()
                .map(|party| protocol::document::Audience {
                    partner: party.partner.clone(),
                    areas: areas.clone(),
                    ..audience.clone()
                })
                .collect();
            // Whoever sees figures that many agencies' data go into must be listed by all.
            output.audiences.push(protocol::document::Audience {
                partner: READER.parse()?,
                areas: vec![WHOLE.parse()?],
                ..audience
            });
            let serving = (0_u16..).zip(&protocol.flows).filter(|(_, flow)| {
                matches!(flow.record_type, RecordType::LiveBirth | RecordType::Registration)
            });
            output.sources = serving
                .map(|(flow, _)| Source { flow, purpose: Purpose::ChildrensCentrePlanning })
                .collect();
        }
        protocol.parties = parties;
        Ok(protocol)
    }

    /// The document, signed by all who must.
    pub(super) fn signed(&self, number: usize) -> Result<Entry, BenchError> {
        let document = self.document(number)?;
        let text = document.canonical().map_err(|_| BenchError::CutShort)?;
        let draft: Signed<Protocol, _> = Signed::draft(&text).map_err(|_| BenchError::CutShort)?;
        let mut envelope = draft.envelope().clone();
        for (key, registered) in &self.signers {
            if document.party(&registered.party).is_some() {
                let sign = |message: &[u8]| key.sign(message).ok().map(|s| *s.as_bytes());
                let header = header_for::<Protocol>(registered, self.now);
                envelope = envelope.sign(header, sign).map_err(|_| BenchError::CutShort)?;
            }
        }
        let verified = verify::<Protocol>(envelope, &self.register, self.now)
            .and_then(protocol::Verified::require_full)
            .map_err(|_| BenchError::CutShort)?;
        let full = protocol::Act::Sign(Completeness::Full);
        let life = Life::of(&document).after(&full, &document);
        Ok(Entry::FullySigned(verified, life.map_err(|_| BenchError::CutShort)?))
    }

    pub(super) fn compile(&self, count: usize) -> Result<Policy, BenchError> {
        let mut failed = None;
        let entries = (0..count).map_while(|number| match self.signed(number) {
            Ok(entry) => Some(entry),
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        let policy = Policy::compile(1, None, entries, self);
        match failed {
            Some(error) => Err(error),
            None if policy.faults().is_empty() => Ok(policy),
            None => Err(BenchError::CutShort),
        }
    }

    /// A question of each flow of each protocol.
    pub(super) fn questions(&self, count: usize) -> Result<Vec<Asked>, BenchError> {
        let mut questions = Vec::new();
        for number in 0..count {
            let protocol = self.document(number)?;
            for (place, flow) in protocol.flows.iter().enumerate() {
                let fields = flow.record_type.definition().fields();
                let at = (number + place % 10) % AREAS * 10 + place % 10;
                questions.push(Asked {
                    key: (flow.from.clone(), flow.record_type, protocol.id.to_string()),
                    protocol: protocol.id.clone(),
                    columns: fields.map(|field| field.name).collect(),
                    facts: RecordFacts {
                        place: Whereabouts::Lsoa(self.lsoas[at]),
                        event_date: days_after(TODAY, -20),
                        extracted_at: days_after(TODAY, -2),
                        consent: ConsentEvidence::Absent,
                    },
                    reader: READER.parse()?,
                    area: area(number % AREAS)?,
                    table: protocol.outputs[place % protocol.outputs.len()].table.clone(),
                });
            }
        }
        Ok(questions)
    }
}

impl protocol::Geography for Region {
    fn lsoas(&self, area: &AreaCode) -> Option<Vec<Lsoa>> {
        let number: usize = area.as_str().strip_prefix("CC")?.parse().ok()?;
        self.lsoas.get(number * 10..number * 10 + 10).map(<[Lsoa]>::to_vec)
    }

    fn nested(&self, area: &AreaCode) -> Option<Vec<(AreaCode, AreaLevel)>> {
        if area.as_str() == WHOLE {
            let all =
                (0..AREAS).map(|number| Some((self::area(number).ok()?, AreaLevel::ReachArea)));
            return all.collect();
        }
        self.lsoas(area).map(|_| vec![(area.clone(), AreaLevel::ReachArea)])
    }
}

/// A flow of every record type, out of the templates; data that may serve one table alone, and
/// flows that rest on consent, are left to others.
fn base() -> Result<Protocol, BenchError> {
    let details = |name: &str| -> Result<PartyDetails, BenchError> {
        Ok(PartyDetails {
            partner: name.parse()?,
            org_code: "RKB01".to_owned(),
            ico_registration: "Z1234567".to_owned(),
            keys: Vec::new(),
        })
    };
    let mut all: Option<Protocol> = None;
    for template in Template::ALL {
        let filled = template
            .fill(&Particulars {
                id: "isp-base".parse()?,
                sender: details("sender")?,
                authority: details("authority")?,
                areas: vec![area(0)?],
                audiences: Audiences {
                    authority: "authority".parse()?,
                    centres: "centres".parse()?,
                    oversight: "oversight".parse()?,
                    whole: area(0)?,
                    managed: vec![area(0)?],
                },
                effective: date(2024, 4, 1),
                review_by: date(2026, 9, 30),
                expires: date(2027, 3, 31),
                max_lag_days: 900,
                keep_days: USUAL_KEEP_DAYS,
            })
            .map_err(|_| BenchError::CutShort)?;
        match &mut all {
            None => all = Some(filled),
            Some(all) => {
                all.retention.extend(filled.retention);
                let known: BTreeSet<RecordType> =
                    all.flows.iter().map(|flow| flow.record_type).collect();
                let new = filled.flows.into_iter();
                all.flows.extend(new.filter(|flow| !known.contains(&flow.record_type)));
            }
        }
    }
    let mut all = all.ok_or(BenchError::CutShort)?;
    let mut seen = BTreeSet::new();
    all.retention.retain(|entry| seen.insert(entry.record_type));
    for flow in &mut all.flows {
        flow.confidentiality = protocol::vocabulary::Confidentiality::Statute;
        flow.consent = protocol::vocabulary::ConsentRule::Notice;
    }
    all.quorum.clear();
    Ok(all)
}
