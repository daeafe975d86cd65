//! Filled protocols to start from: one for each agency's pair with the authority, and the root policy.
//!
//! These are what `protocol new --template` writes and what the demo signs. They list every column of their
//! record types; parties strike out what they don't need (a column that is not listed refuses the batch).
//! The legal bases are the usual ones of UK practice and are for the parties' advisers to confirm.
//!
//! Purposes reach the tables: benefit data (Childcare Act 2006 s.13A) serve `twos` alone, for the take-up of
//! early education alone. All agencies' data that go into `twos` therefore serve it for that purpose.

mod tables;

use jiff::civil::Date;
use tables::{TABLES, Table};

use super::document::{
    Audience, Breach, Digest, Flow, FlowField, KeyId, LegalBasis, Output, Party, Protocol,
    ProtocolVersion, Quorum, Retention, Rights, SCHEMA, Security, Source,
};
use super::fault::Rule;
use super::root_policy::{
    DisplayRules, NamedWitness, RhoLimit, RootController, RootPolicy, TableFloor, WitnessPolicy,
};
use super::vocabulary::{
    AreaLevel, Article6, Article9, CallerRole, Confidentiality, ConsentRule, FieldAction,
    Frequency, LegalGateway, OnWithdrawal, PartyRole, ProtocolKind, Purpose, RetentionStart,
    Schedule1, SignatoryRole, Subjects, closed,
};
use crate::domain::field::FieldKind;
use crate::domain::record::{About, Agency, FieldDefinition, Rhythm};
use crate::domain::{AreaCode, PartnerId, ProtocolId, RecordType, TableId};

closed! {
    /// The filled protocols, by the agency that sends.
    pub enum Template {
        Health = "health", "Health and the authority: births, health reviews, feeding and development, moves and deaths";
        Dwp = "dwp", "DWP and the authority: the list of eligible two-year-olds, work status";
        Learning = "learning", "adult, family and early learning and the authority: funded places, learning aims, nursery sessions, early years profiles";
        Families = "families", "family support and social care and the authority: cases and referrals";
        Centres = "centres", "children's centres and the authority: registration, attendance, referral, support, surveys, volunteers, contacts";
    }
}

/// What a template leaves open.
#[derive(Clone, Debug)]
pub struct Particulars {
    /// The protocol's id.
    pub id: ProtocolId,
    /// The agency that sends.
    pub sender: PartyDetails,
    /// The authority that receives.
    pub authority: PartyDetails,
    /// Where the subjects live: the authority's area code, or finer ones.
    pub areas: Vec<AreaCode>,
    /// Who may see figures.
    pub audiences: Audiences,
    /// First day in force.
    pub effective: Date,
    /// Day by which it is reviewed.
    pub review_by: Date,
    /// Last day in force.
    pub expires: Date,
    /// The most days between extraction and receipt; generous for a first load of past quarters.
    pub max_lag_days: u16,
    /// For how many days records are kept.
    pub keep_days: u16,
}

/// For how many days records are usually kept: seven years.
pub const USUAL_KEEP_DAYS: u16 = 2_557;

/// What is particular to one party.
#[derive(Clone, Debug)]
pub struct PartyDetails {
    /// Its id in the gateway's register.
    pub partner: PartnerId,
    /// Its organisation code.
    pub org_code: String,
    /// Its registration with the ICO.
    pub ico_registration: String,
    /// Its signing keys.
    pub keys: Vec<KeyId>,
}

/// Who may see figures; the same in all protocols, because each agency whose data go into a table must list
/// an audience for it to be let in.
#[derive(Clone, Debug)]
pub struct Audiences {
    /// The authority, whose data officers see all tables.
    pub authority: PartnerId,
    /// The centres' lead agency, whose managers see the tables of reach areas.
    pub centres: PartnerId,
    /// The oversight body, whose auditors see what data officers see.
    pub oversight: PartnerId,
    /// The whole authority's area code.
    pub whole: AreaCode,
    /// The areas that centre managers may see: reach areas, and clusters or the authority to compare with.
    pub managed: Vec<AreaCode>,
}

impl Template {
    /// The record types that the agency sends.
    #[must_use]
    pub fn record_types(self) -> Vec<RecordType> {
        let sends = |r: &&RecordType| r.definition().senders.contains(&self.agency());
        RecordType::ALL.iter().filter(sends).copied().collect()
    }

    const fn agency(self) -> Agency {
        match self {
            Self::Health => Agency::Health,
            Self::Dwp => Agency::Dwp,
            Self::Learning => Agency::Learning,
            Self::Families => Agency::Families,
            Self::Centres => Agency::Centres,
        }
    }

    /// The filled protocol, version 1.
    ///
    /// # Errors
    /// [`Rule::NotAnId`] if a table's name were no id; never for the tables above.
    pub fn fill(self, particulars: &Particulars) -> Result<Protocol, Rule> {
        let record_types = self.record_types();
        let flows: Vec<Flow> =
            record_types.iter().map(|sent| self.flow(*sent, particulars)).collect();
        let party = |details: &PartyDetails| Party {
            partner: details.partner.clone(),
            org_code: details.org_code.clone(),
            ico_registration: details.ico_registration.clone(),
            role: PartyRole::Controller,
            keys: details.keys.clone(),
        };
        let kept = |record_type: &RecordType| Retention {
            record_type: *record_type,
            days: particulars.keep_days,
            // A case may have been open for a childhood, and is of use until it is closed.
            from_event: match record_type {
                RecordType::FamilyCase => RetentionStart::CaseClosed,
                _ => RetentionStart::EventDate,
            },
        };
        Ok(Protocol {
            schema: SCHEMA,
            id: particulars.id.clone(),
            version: ProtocolVersion::FIRST,
            supersedes: None,
            kind: if self == Self::Dwp { ProtocolKind::Dda } else { ProtocolKind::Isp },
            title: format!("Counting for children's centres: {}", self.words()),
            purposes: self.purposes().to_vec(),
            parties: vec![party(&particulars.sender), party(&particulars.authority)],
            outputs: self.outputs(&flows, &particulars.audiences)?,
            retention: record_types.iter().map(kept).collect(),
            flows,
            security: Security { key_rotation_days: 365 },
            rights: Rights {
                contact: "The data protection officer of the party that sent the record".to_owned(),
                sar_days: 30,
                propagate_days: 14,
            },
            breach: Breach { notify_hours: 24, ico_hours: 72 },
            dpia: format!("Impact assessment of {}", particulars.id),
            effective: particulars.effective,
            review_by: particulars.review_by,
            expires: particulars.expires,
            quorum: vec![Quorum { role: SignatoryRole::Siro, minimum: 2 }],
        })
    }

    const fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::Dwp => &[Purpose::EarlyEducationTakeUp],
            Self::Health | Self::Learning | Self::Families | Self::Centres => &[
                Purpose::ChildrensCentrePlanning,
                Purpose::EarlyEducationTakeUp,
                Purpose::Inspection,
                Purpose::Audit,
            ],
        }
    }

    fn flow(self, record_type: RecordType, particulars: &Particulars) -> Flow {
        let definition = record_type.definition();
        // Of nobody there is nobody to ask.
        let explicit = self == Self::Centres && definition.about != About::Nobody;
        Flow {
            from: particulars.sender.partner.clone(),
            record_type,
            fields: definition.fields().map(listed).collect(),
            subjects: match definition.about {
                About::Adults => Subjects::Adults,
                About::Families => Subjects::Families,
                // Nobody's records have no subject that could be too old.
                About::Children | About::Nobody => Subjects::UnderFives,
            },
            areas: particulars.areas.clone(),
            frequency: match definition.rhythm {
                Rhythm::Termly => Frequency::Termly,
                Rhythm::Weekly => Frequency::Weekly,
            },
            max_lag_days: particulars.max_lag_days,
            // A child's whole early years; a family's case may have been open for a childhood.
            max_backdate_days: definition.backdate_days,
            basis: vec![self.basis(record_type)],
            confidentiality: match self {
                Self::Health => Confidentiality::Section251,
                Self::Centres if explicit => Confidentiality::Consent,
                Self::Centres => Confidentiality::NotConfidential,
                Self::Dwp | Self::Learning | Self::Families => Confidentiality::Statute,
            },
            consent: match definition.statement {
                // Nobody is asked whether a no may be passed on.
                true => ConsentRule::Nothing,
                false if explicit => ConsentRule::Explicit,
                false => ConsentRule::Notice,
            },
            consent_max_age_days: None,
            on_withdrawal: if explicit { OnWithdrawal::Erase } else { OnWithdrawal::Stop },
        }
    }

    const fn basis(self, record_type: RecordType) -> LegalBasis {
        let (gateway, art9, dpa_sch1) = match self {
            Self::Health => (
                LegalGateway::NhsAct2006S251,
                Some(Article9::HealthOrSocialCare),
                Some(Schedule1::HealthOrSocialCare),
            ),
            // Section 13A is for eligibility alone; work and benefits have a gateway of their own.
            Self::Dwp => (
                match record_type {
                    RecordType::TwoYearOldEligibility => LegalGateway::ChildcareAct2006S13a,
                    _ => LegalGateway::WelfareReformAct2012S131,
                },
                Some(Article9::SubstantialPublicInterest),
                Some(Schedule1::StatutoryPurposes),
            ),
            // What schools and providers hold of a child (needs, ethnicity, meals) is special.
            Self::Learning => match record_type.definition().about {
                About::Children => (
                    LegalGateway::ChildcareAct2006S99,
                    Some(Article9::SubstantialPublicInterest),
                    Some(Schedule1::StatutoryPurposes),
                ),
                _ => (
                    LegalGateway::DigitalEconomyAct2017S35,
                    Some(Article9::SubstantialPublicInterest),
                    Some(Schedule1::StatutoryPurposes),
                ),
            },
            Self::Families => (
                LegalGateway::ChildrenAct2004S10,
                Some(Article9::SubstantialPublicInterest),
                Some(Schedule1::StatutoryPurposes),
            ),
            Self::Centres if record_type.definition().identity.is_empty() => {
                (LegalGateway::ChildrenAct2004S10, None, None)
            }
            Self::Centres => {
                (LegalGateway::ChildrenAct2004S10, Some(Article9::ExplicitConsent), None)
            }
        };
        LegalBasis { art6: Article6::PublicTask, art9, art10: None, gateway, dpa_sch1 }
    }

    fn outputs(self, flows: &[Flow], audiences: &Audiences) -> Result<Vec<Output>, Rule> {
        let mut outputs = Vec::new();
        for table in &TABLES {
            let serving = flows
                .iter()
                .zip(0_u16..)
                .filter(|(flow, _)| table.sources.contains(&flow.record_type));
            let sources: Vec<Source> = serving
                .flat_map(|(_, flow)| {
                    self.purposes().iter().map(move |purpose| Source { flow, purpose: *purpose })
                })
                .filter(|source| {
                    table.name == "twos" || source.purpose != Purpose::EarlyEducationTakeUp
                })
                .collect();
            if !sources.is_empty() {
                outputs.push(Output {
                    table: table.name.parse().map_err(|_| Rule::NotAnId)?,
                    audiences: audiences.of(table),
                    finest_area: table.finest,
                    sources,
                });
            }
        }
        Ok(outputs)
    }
}

impl Audiences {
    fn of(&self, table: &Table) -> Vec<Audience> {
        let audience = |partner: &PartnerId, role, areas: &[AreaCode]| Audience {
            partner: partner.clone(),
            role,
            areas: areas.to_vec(),
        };
        let whole = std::slice::from_ref(&self.whole);
        let mut audiences = vec![
            audience(&self.authority, CallerRole::DataOfficer, whole),
            audience(&self.oversight, CallerRole::Auditor, whole),
        ];
        if table.finest == AreaLevel::ReachArea {
            audiences.push(audience(&self.centres, CallerRole::Consumer, &self.managed));
        }
        audiences
    }
}

/// A field as a template lists it: everything that says who or where somebody is goes as it is parsed.
fn listed(field: &FieldDefinition) -> FlowField {
    let action = match field.kind {
        FieldKind::Postcode | FieldKind::Uprn => FieldAction::Coarsen,
        FieldKind::Dropped(_) => FieldAction::Discard,
        FieldKind::Identifier(_)
        | FieldKind::Forename
        | FieldKind::Surname
        | FieldKind::BirthDate
        | FieldKind::CaseReference
        | FieldKind::ProviderReference
        | FieldKind::ScopedReference => FieldAction::Pseudonymise,
        FieldKind::Sex
        | FieldKind::Lsoa
        | FieldKind::PastDate
        | FieldKind::AnyDate
        | FieldKind::Code(_)
        | FieldKind::Codes(_)
        | FieldKind::Mapped(_)
        | FieldKind::Integer { .. }
        | FieldKind::Flag
        | FieldKind::Term
        | FieldKind::Centre
        | FieldKind::Token => FieldAction::Keep,
    };
    FlowField { name: field.name.to_owned(), action, required: field.required }
}

/// What the root policy's template leaves open.
#[derive(Clone, Debug)]
pub struct RootParticulars {
    /// All controllers.
    pub controllers: Vec<RootController>,
    /// The catalogue's digest.
    pub catalogue: Digest,
    /// The tables with their least variances, as the catalogue has them.
    pub tables: Vec<(TableId, u32)>,
    /// The most that a quarter's release may spend.
    pub quarterly_rho: RhoLimit,
    /// The most that may be spent on one person.
    pub lifetime_rho: RhoLimit,
    /// How many partners must have cosigned the log.
    pub witnessing_partners: u16,
    /// The witnesses whose cosignatures count.
    pub witness_keys: Vec<NamedWitness>,
    /// First day in force.
    pub effective: Date,
    /// Last day in force.
    pub expires: Date,
}

/// The filled root disclosure policy, version 1: counts to the nearest 5, withheld below 10 and below two
/// standard deviations.
#[must_use]
pub fn root_policy(particulars: RootParticulars) -> RootPolicy {
    let floor = |(table, minimum_variance)| TableFloor { table, minimum_variance };
    RootPolicy {
        schema: SCHEMA,
        version: ProtocolVersion::FIRST,
        supersedes: None,
        title: "Root disclosure policy".to_owned(),
        controllers: particulars.controllers,
        catalogue: particulars.catalogue,
        tables: particulars.tables.into_iter().map(floor).collect(),
        quarterly_rho: particulars.quarterly_rho,
        lifetime_rho: particulars.lifetime_rho,
        display: DisplayRules { round_to: 5, withhold_below: 10, withhold_below_deviations: 2 },
        witnesses: WitnessPolicy {
            oversight: particulars.witnessing_partners > 0,
            minimum_partners: particulars.witnessing_partners,
            grace_seconds: 900,
        },
        witness_keys: particulars.witness_keys,
        effective: particulars.effective,
        expires: particulars.expires,
        quorum: Vec::new(),
    }
}
