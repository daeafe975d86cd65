//! The decision at a region's size: 1,000 protocols in force, each of 50 flows from six parties;
//! beside a bare lookup of the same key in a hash map of the same size.
//!
//! Authorising is measured as it costs a record that comes alone: the decision about stream and
//! columns and then about the record. The figure of memory is how much the process's resident
//! memory grew by the compiled policy, which is made here from documents that are signed one by
//! one and dropped, so that nothing freed before can hide what it takes.

use super::{
    BenchError, Row,
    sample::{Memory, Sample, resident_mib, row},
    site::Scratch,
};
use crate::{
    audit::{Leaf, LeafKind, LogSigner},
    disclosure::Catalogue,
    domain::{
        AreaCode, Lsoa, PartnerId, RecordType, TableId,
        time::{days_after, epoch_day},
    },
    gateway::{
        Gateway, Setup, Witnesses,
        register::{Partner, PartnerKey},
    },
    keys::{MasterKeys, ProtocolSigning, SigningKey},
    protocol::{
        self, CallerRole, ConsentEvidence, Entry, FigureQuestion, IntakePermit, IntakeQuestion,
        KeySet, Life, Policy, Protocol, ProtocolVersion, RecordFacts, RegisteredKey, SignatoryRole,
        Signed, Whereabouts,
        document::{Party, Source},
        life::Completeness,
        register::KeyPurpose,
        signing::{header_for, verify},
        template::{Audiences, Particulars, PartyDetails, Template, USUAL_KEEP_DAYS},
        vocabulary::{AreaLevel, PartyRole, Purpose},
    },
    server::system_rng,
    store::{Act, Effect, Store, geography, partners, protocols},
};
use jiff::{
    Timestamp,
    civil::{Date, date},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hint::black_box,
    sync::Arc,
    time::Instant,
};

/// Flows of a protocol.
const FLOWS: usize = 50;
/// Parties of a protocol.
const PARTIES: usize = 6;
/// Organisations in all.
const PARTNERS: usize = 60;
/// Changes that are waited for.
const CHANGES: usize = 5;
/// Decisions that are timed.
const ROUNDS: usize = 200_000;
/// Decisions about figures that are timed: each asks every document that lists the table.
const FIGURES: usize = 4_000;
/// The day of everything.
const TODAY: Date = date(2026, 5, 1);
/// Who sees every table's figures about the whole.
const READER: &str = "performance";
const WHOLE: &str = "E12000001";
/// The areas: each with ten LSOAs.
const AREAS: usize = 200;

pub(super) async fn measure(
    scratch: &mut Scratch,
    protocols: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    say(&format!("protocols: {protocols} signed documents of {FLOWS} flows each"));
    let count = usize::try_from(protocols).unwrap_or(usize::MAX);
    let region = Region::new()?;
    // The first signatures, parses and tables of the libraries: not the policy's.
    drop(region.compile(1)?);
    let before = resident_mib();
    let policy = region.compile(count)?;
    let grown = before.zip(resident_mib()).map(|(before, after)| after - before);
    let questions = region.questions(count)?;
    let bare = bare(&questions);
    say("protocols: deciding");
    let limit = time(&questions, ROUNDS, |asked| bare.get(&asked.key).copied().is_some())?;
    let authorise = time(&questions, ROUNDS, |asked| asked.authorise(&policy).is_some())?;
    let permits: Option<Vec<IntakePermit>> =
        questions.iter().map(|asked| asked.authorise(&policy)).collect();
    let permits = permits.ok_or(BenchError::CutShort)?;
    let open: HashMap<&Key, &IntakePermit> =
        questions.iter().map(|asked| &asked.key).zip(&permits).collect();
    let admit = time(&questions, ROUNDS, |asked| {
        open.get(&asked.key).is_some_and(|permit| {
            permit.still_holds(&policy, TODAY).and_then(|()| permit.admits(&asked.facts)).is_ok()
        })
    })?;
    let figure = time(&questions, FIGURES, |asked| asked.figure(&policy))?;
    drop((policy, permits));
    let [change, rebuild] = region.rebuild(scratch, count, say).await?;
    let engine = scratch.engine();
    let line = |name, (sample, nanos): &(Sample, f64), rss| Row {
        // Far below what the other measures' times are rounded to.
        p50_ms: sample.percentile_ms(50),
        p99_ms: sample.percentile_ms(99),
        ..row((name, "ns"), engine, (*nanos, limit.1), sample, rss)
    };
    Ok(vec![
        line("protocols_authorise", &authorise, grown),
        line("protocols_admit", &admit, None),
        line("protocols_figure", &figure, None),
        change,
        rebuild,
    ])
}

type Key = (PartnerId, RecordType, String);

/// What is asked, with all that it borrows.
struct Asked {
    key: Key,
    protocol: crate::domain::ProtocolId,
    columns: Vec<&'static str>,
    facts: RecordFacts,
    reader: PartnerId,
    area: AreaCode,
    table: TableId,
}

impl Asked {
    fn authorise(&self, policy: &Policy) -> Option<IntakePermit> {
        let question = IntakeQuestion {
            partner: &self.key.0,
            role: CallerRole::Provider,
            protocol: &self.protocol,
            version: ProtocolVersion::FIRST,
            record_type: self.key.1.name(),
            columns: &self.columns,
            today: TODAY,
        };
        let permit = policy.authorise_intake(&question).ok()?;
        permit.admits(&self.facts).ok().map(|()| permit)
    }

    fn figure(&self, policy: &Policy) -> bool {
        let question = FigureQuestion {
            partner: &self.reader,
            role: CallerRole::DataOfficer,
            table: &self.table,
            area: &self.area,
            confined_to: None,
            purpose: Purpose::ChildrensCentrePlanning.code(),
            today: TODAY,
        };
        policy.authorise_figure(&question).is_ok()
    }
}

/// The bare limit: the same key, looked up.
fn bare(questions: &[Asked]) -> HashMap<Key, usize> {
    questions.iter().enumerate().map(|(at, asked)| (asked.key.clone(), at)).collect()
}

/// Times decisions over all questions in turn: each alone, and nanoseconds a decision of all
/// together, without the clock's own cost.
fn time(
    questions: &[Asked],
    rounds: usize,
    decide: impl Fn(&Asked) -> bool,
) -> Result<(Sample, f64), BenchError> {
    let each = |at: usize| &questions[at.wrapping_mul(7_919) % questions.len()];
    let mut granted = true;
    let begun = Instant::now();
    for at in 0..rounds {
        granted &= black_box(decide(black_box(each(at))));
    }
    let elapsed = begun.elapsed();
    let mut calls = Vec::with_capacity(rounds / 10);
    for at in 0..rounds / 10 {
        let begun = Instant::now();
        black_box(decide(black_box(each(at))));
        calls.push(begun.elapsed());
    }
    // Nothing is measured that was not granted.
    if !granted {
        return Err(BenchError::CutShort);
    }
    let nanos = elapsed.as_secs_f64() * 1e9 / rounds as f64;
    Ok((Sample { elapsed, calls }, nanos))
}

/// Organisations with their keys, and places.
struct Region {
    signers: Vec<(SigningKey<ProtocolSigning>, RegisteredKey)>,
    register: KeySet,
    base: Protocol,
    lsoas: Vec<Lsoa>,
    now: Timestamp,
}

fn partner(number: usize) -> Result<PartnerId, BenchError> {
    Ok(format!("partner-{number}").parse()?)
}

fn area(number: usize) -> Result<AreaCode, BenchError> {
    Ok(format!("CC{number:03}").parse()?)
}

impl Region {
    fn new() -> Result<Self, BenchError> {
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
    fn signed(&self, number: usize) -> Result<Entry, BenchError> {
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

    fn compile(&self, count: usize) -> Result<Policy, BenchError> {
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

    /// How long it takes until a change is in the policy of a gateway that did not make it: of one
    /// protocol, and of the places, by which everything is compiled anew; beside the bare reading
    /// of the same documents' JSON. (It bites at once: what was decided under the policy before
    /// can't be committed any more.)
    async fn rebuild(
        &self,
        scratch: &mut Scratch,
        count: usize,
        say: &mut dyn FnMut(&str),
    ) -> Result<[Row; 2], BenchError> {
        say("protocols: the same in a database, and a change");
        let store = scratch.store("protocols").await?;
        let (gateway, sequencer) = Gateway::start(self.setup(store.clone())?).await?;
        let commit = async |kind, effect| {
            let leaf = Leaf::new(kind, self.now);
            let act = Act { leaf, effect, epoch: None };
            gateway.sequencer().commit(act).await.map(drop)
        };
        for number in 0..PARTNERS {
            commit(LeafKind::PartnerAdded, Effect::PutPartner(self.partner_entry(number)?)).await?;
        }
        commit(LeafKind::AreasLoaded, Effect::PutGeography(geography()?)).await?;
        let mut texts = Vec::with_capacity(count);
        for number in 0..count {
            let entry = self.stored(number)?;
            texts.push(entry.document.clone());
            let change = protocols::Change { entry, before: None, superseded: None };
            commit(LeafKind::ProtocolActivated, Effect::PutProtocol(Box::new(change))).await?;
        }
        gateway.reload().await?;
        let begun = Instant::now();
        for text in &texts {
            black_box(serde_json::from_str::<serde_json::Value>(text).is_ok());
        }
        let bare = begun.elapsed();
        let reload = async |sample: &mut Sample| {
            let begun = Instant::now();
            let snapshot = gateway.reload().await?;
            sample.calls.push(begun.elapsed());
            match snapshot.policy().faults().is_empty() && snapshot.protocols().count() == count {
                true => Ok(()),
                false => Err(BenchError::CutShort),
            }
        };
        let (mut one, mut all) = (Sample::default(), Sample::default());
        let memory = Memory::watch();
        for number in 0..CHANGES {
            let entry = self.stored(number % count)?;
            let entry = protocols::Entry { arrivals: format!("{} ", entry.arrivals), ..entry };
            let before = Some(Self::held(&gateway, number % count)?);
            let change = protocols::Change { entry, before, superseded: None };
            commit(LeafKind::ProtocolActivated, Effect::PutProtocol(Box::new(change))).await?;
            reload(&mut one).await?;
            commit(LeafKind::AreasLoaded, Effect::PutGeography(geography()?)).await?;
            reload(&mut all).await?;
        }
        let peak = memory.peak_mib();
        drop(gateway);
        // It ends with the last handle on its queue.
        let _ = sequencer.await;
        store.close().await;
        let line = |name, sample: &Sample| {
            let figures = (sample.percentile_ms(50), bare.as_secs_f64() * 1e3);
            row((name, "ms"), scratch.engine(), figures, sample, peak)
        };
        Ok([line("protocols_change", &one), line("protocols_rebuild", &all)])
    }

    /// A document as the gateway has it.
    fn held(gateway: &Gateway, number: usize) -> Result<protocols::Entry, BenchError> {
        let snapshot = gateway.snapshot();
        let id = format!("isp-{number}").parse()?;
        let record = snapshot.protocol(&id, 1).ok_or(BenchError::CutShort)?;
        Ok(record.stored.clone())
    }

    /// A gateway of nothing but what it decides by.
    fn setup(&self, store: Store) -> Result<Setup, BenchError> {
        let mut rng = system_rng();
        let now = self.now;
        let log = LogSigner::from_seed("bench.example/protocols".parse()?, &[7; 32])?;
        Ok(Setup {
            store,
            log,
            keys: MasterKeys::generate(&mut rng),
            key_file: None,
            release_key: SigningKey::generate(&mut rng)?,
            catalogue: Catalogue::shipped()?,
            witnesses: Arc::new(Witnesses::none()),
            now: Arc::new(move || now),
            rng,
        })
    }

    fn partner_entry(&self, number: usize) -> Result<partners::Entry, BenchError> {
        let own = self.signers.iter().skip(number * 2).take(2);
        let keys = own.map(|(key, registered)| PartnerKey {
            jwk: key.verifying_key().to_jwk(),
            purpose: KeyPurpose::ProtocolSigning,
            role: Some(registered.role),
            valid_from: days_after(TODAY, -365),
            valid_until: days_after(TODAY, 365),
        });
        let id = partner(number)?;
        let entry = Partner {
            partner: id.clone(),
            name: id.to_string(),
            org_code: "RKB01".to_owned(),
            ico_registration: "Z1234567".to_owned(),
            roles: CallerRole::ALL.iter().copied().collect(),
            areas: BTreeSet::new(),
            certificates: Vec::new(),
            keys: keys.collect(),
        };
        let json = serde_json::to_string(&entry).map_err(|_| BenchError::CutShort)?;
        Ok(partners::Entry { partner: id, json, disabled: false })
    }

    /// A signed document as a store has it.
    fn stored(&self, number: usize) -> Result<protocols::Entry, BenchError> {
        let Entry::FullySigned(signed, life) = self.signed(number)? else {
            return Err(BenchError::CutShort);
        };
        let arrived = self.now.as_microsecond();
        let kids = signed.document().parties.iter().flat_map(|party| &party.keys);
        let arrivals: BTreeMap<&str, i64> = kids.map(|kid| (kid.as_str(), arrived)).collect();
        let unwritable = |_| BenchError::CutShort;
        Ok(protocols::Entry {
            protocol: signed.document().id.clone(),
            version: 1,
            life: serde_json::to_string(&life).map_err(unwritable)?,
            arrivals: serde_json::to_string(&arrivals).map_err(unwritable)?,
            digest: *signed.digest().as_bytes(),
            document: signed.envelope().to_json().map_err(|_| BenchError::CutShort)?,
        })
    }

    /// A question of each flow of each protocol.
    fn questions(&self, count: usize) -> Result<Vec<Asked>, BenchError> {
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

/// The areas as a gateway has them loaded.
fn geography() -> Result<geography::Entry, BenchError> {
    let entry = |code: &str, level: &str, parent: Option<&str>, lsoas: Vec<String>| {
        serde_json::json!({ "code": code, "name": code, "level": level, "parent": parent,
            "lsoas": lsoas, "under_fives": 1_000 })
    };
    let mut areas = vec![entry(WHOLE, "authority", None, Vec::new())];
    areas.push(entry("CL1", "cluster", Some(WHOLE), Vec::new()));
    for number in 0..AREAS {
        let lsoas = (0..10).map(|n| format!("E01{:06}", 9_000 + number * 10 + n)).collect();
        areas.push(entry(area(number)?.as_str(), "reach_area", Some("CL1"), lsoas));
    }
    let json = serde_json::to_string(&areas).map_err(|_| BenchError::CutShort)?;
    Ok(geography::Entry { valid_from: epoch_day(date(2024, 4, 1)), json })
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
