//! A small gateway on a SQLite file of its own, with a clock that the test sets, partners
//! with keys of every office, and one geography.

use crate::{
    audit::{Decision, Leaf, LeafKind, LogSigner},
    disclosure::{Catalogue, Limits},
    domain::{Lsoa, PartnerId, RecordType},
    gateway::{
        Actor, AreaEntry, AreaLevel, Denied, Gateway, Quotas, Refused, Setup, StatedNotice,
        Witnesses,
        register::{Fingerprint, Partner, PartnerKey},
    },
    keys::{MasterKeys, ProtocolSigning, Release, SigningKey, Token, VerifyingKey},
    protocol::{
        CallerRole, Digest, Envelope, Protocol, RegisteredKey, RootPolicy, SignatoryRole, Signed,
        notices::NoticeMeans,
        register::KeyPurpose,
        root_policy::RootController,
        signing::{Document, header_for},
        template::{
            Audiences, Particulars, PartyDetails, RootParticulars, Template, USUAL_KEEP_DAYS,
            root_policy,
        },
        vocabulary::ConsentRule,
    },
    store::{Location, Logged, Rights, Store, log},
};
use jiff::{
    Timestamp,
    civil::{Date, date},
    tz::TimeZone,
};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tempfile::TempDir;

pub(super) const TODAY: Date = date(2026, 5, 1);

/// The partners: id, roles, offices.
const PARTNERS: [(&str, &[CallerRole], &[SignatoryRole]); 5] = [
    ("authority", &[CallerRole::DataOfficer], &[SignatoryRole::Siro]),
    ("oversight", &[CallerRole::Auditor], &[]),
    ("health", &[CallerRole::Provider], &[SignatoryRole::Siro, SignatoryRole::CaldicottGuardian]),
    ("centres", &[CallerRole::Provider, CallerRole::Consumer], &[SignatoryRole::Siro]),
    ("families", &[CallerRole::Provider], &[SignatoryRole::Siro]),
];

/// A signing key and whose it is.
pub(super) struct Signatory {
    pub(super) partner: PartnerId,
    pub(super) key: SigningKey<ProtocolSigning>,
    pub(super) role: SignatoryRole,
}

pub(super) struct World {
    pub(super) gateway: Arc<Gateway>,
    pub(super) signatories: Vec<Signatory>,
    clock: Arc<AtomicI64>,
    _dir: TempDir,
}

pub(super) fn noon(day: Date) -> Timestamp {
    day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
}

pub(super) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(super) fn partner_key(
    public: VerifyingKey,
    purpose: KeyPurpose,
    role: Option<SignatoryRole>,
) -> PartnerKey {
    PartnerKey {
        jwk: public.to_jwk(),
        purpose,
        role,
        valid_from: date(2026, 1, 1),
        valid_until: date(2027, 12, 31),
    }
}

impl World {
    /// A gateway whose register is empty.
    pub(super) async fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        let location = Location::Sqlite(dir.path().join("gateway.db").into());
        let store = Store::open(&location).await.unwrap();
        store.migrate(None).await.unwrap();
        let clock = Arc::new(AtomicI64::new(noon(TODAY).as_microsecond()));
        let shown = Arc::clone(&clock);
        let mut rng = StdRng::seed_from_u64(7);
        let setup = Setup {
            store,
            log: LogSigner::from_seed(id("tallygate.test/2026"), &[9; 32]).unwrap(),
            keys: MasterKeys::generate(&mut rng),
            key_file: None,
            release_key: SigningKey::<Release>::generate(&mut rng).unwrap(),
            catalogue: Catalogue::shipped().unwrap(),
            witnesses: Arc::new(Witnesses::none()),
            quotas: Quotas::default(),
            now: Arc::new(move || {
                Timestamp::from_microsecond(shown.load(Ordering::Relaxed)).unwrap()
            }),
            rng: StdRng::seed_from_u64(8),
        };
        let (gateway, _) = Gateway::start(setup).await.unwrap();
        let mut signatories = Vec::new();
        for (partner, _, offices) in PARTNERS {
            for role in offices {
                let key = SigningKey::generate(&mut rng).unwrap();
                signatories.push(Signatory { partner: id(partner), key, role: *role });
            }
        }
        Self { gateway, signatories, clock, _dir: dir }
    }

    /// A gateway with partners and areas.
    pub(super) async fn new() -> Self {
        let world = Self::empty().await;
        world.gateway.bootstrap(world.partners()).await.unwrap();
        let areas = areas(&["E01009522", "E01009523"]);
        let officer = world.actor("authority", &[CallerRole::DataOfficer]);
        world.gateway.load_areas(&officer, areas, date(2024, 1, 1)).await.unwrap();
        world
    }

    pub(super) fn set_day(&self, day: Date) {
        self.clock.store(noon(day).as_microsecond(), Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.gateway.now()
    }

    pub(super) fn partners(&self) -> Vec<Partner> {
        let mut rng = StdRng::seed_from_u64(21);
        let entries = PARTNERS.iter().zip(1u8..).map(|((name, roles, _), n)| {
            let token = SigningKey::<Token>::generate(&mut rng).unwrap();
            let mut keys = vec![partner_key(token.verifying_key(), KeyPurpose::Token, None)];
            let own = self.signatories.iter().filter(|s| s.partner.as_str() == *name);
            keys.extend(own.map(|s| {
                partner_key(s.key.verifying_key(), KeyPurpose::ProtocolSigning, Some(s.role))
            }));
            let consumes = roles.contains(&CallerRole::Consumer);
            Partner {
                partner: id(name),
                name: (*name).to_owned(),
                org_code: format!("ORG{n:02}"),
                ico_registration: format!("Z123456{n}"),
                roles: roles.iter().copied().collect(),
                areas: consumes.then(|| id("CC01")).into_iter().collect(),
                certificates: vec![Fingerprint([n; 32])],
                keys,
            }
        });
        entries.collect()
    }

    pub(super) fn entry(&self, name: &str) -> Partner {
        self.partners().into_iter().find(|partner| partner.partner.as_str() == name).unwrap()
    }

    pub(super) fn actor(&self, partner: &str, roles: &[CallerRole]) -> Actor {
        let partner: PartnerId = id(partner);
        Actor {
            user: self.gateway.user_pseudonym(&partner, "somebody"),
            partner,
            roles: roles.iter().copied().collect(),
            areas: None,
            entry: None,
            name: None,
        }
    }

    pub(super) fn officer(&self) -> Actor {
        self.actor("authority", &[CallerRole::DataOfficer])
    }

    pub(super) fn auditor(&self) -> Actor {
        self.actor("oversight", &[CallerRole::Auditor])
    }

    pub(super) fn provider(&self, partner: &str) -> Actor {
        self.actor(partner, &[CallerRole::Provider])
    }

    fn kids(&self, partner: &str) -> Vec<crate::protocol::KeyId> {
        let own = self.signatories.iter().filter(|s| s.partner.as_str() == partner);
        own.map(|s| id(&s.key.verifying_key().kid())).collect()
    }

    /// A protocol between an agency and the authority.
    pub(super) fn protocol(&self, template: Template) -> Protocol {
        let details = |partner: &str| PartyDetails {
            partner: id(partner),
            org_code: "RKB01".to_owned(),
            ico_registration: "Z1234567".to_owned(),
            keys: self.kids(partner),
        };
        template
            .fill(&Particulars {
                id: id(&format!("isp-{}", template.code())),
                sender: details(template.code()),
                authority: details("authority"),
                areas: vec![id("E08000026")],
                audiences: Audiences {
                    authority: id("authority"),
                    centres: id("centres"),
                    oversight: id("oversight"),
                    whole: id("E08000026"),
                    managed: vec![id("CC01")],
                },
                effective: date(2024, 4, 1),
                review_by: date(2026, 9, 30),
                expires: date(2027, 3, 31),
                max_lag_days: 900,
                keep_days: USUAL_KEEP_DAYS,
            })
            .unwrap()
    }

    pub(super) fn root(&self, controllers: &[&str]) -> RootPolicy {
        let catalogue = self.gateway.catalogue();
        let limits = Limits::recommended();
        root_policy(RootParticulars {
            controllers: controllers
                .iter()
                .map(|partner| RootController { partner: id(partner), keys: self.kids(partner) })
                .collect(),
            catalogue: Digest::from_bytes(*catalogue.digest().unwrap().as_bytes()),
            tables: catalogue.tables.iter().map(|t| (t.id.clone(), t.variance)).collect(),
            quarterly_rho: id(&limits.quarter.to_string()),
            lifetime_rho: id(&limits.lifetime.to_string()),
            witnessing_partners: 0,
            witness_keys: Vec::new(),
            effective: date(2024, 4, 1),
            expires: date(2027, 3, 31),
        })
    }

    /// The document with the signatures of these partners, in all their offices.
    pub(super) fn signed<T: Document>(&self, document: &T, partners: &[&str]) -> String {
        let unsigned: Signed<T, _> = Signed::draft(&document.canonical().unwrap()).unwrap();
        let mut envelope = unsigned.envelope().clone();
        for signatory in &self.signatories {
            if partners.contains(&signatory.partner.as_str()) {
                envelope = sign::<T>(envelope, signatory, signatory.role, self.now());
            }
        }
        envelope.to_json().unwrap()
    }

    /// A protocol, handed in with all signatures.
    pub(super) async fn in_force(&self, template: Template) -> Protocol {
        let protocol = self.protocol(template);
        let document = self.signed(&protocol, &[template.code(), "authority"]);
        let line = self.gateway.submit_protocol(&self.officer(), &document).await.unwrap();
        assert_eq!(line.value().state, Some(crate::protocol::State::Active));
        for flow in protocol.flows.iter().filter(|flow| flow.consent == ConsentRule::Notice) {
            self.notice(template.code(), flow.record_type, "").await;
        }
        protocol
    }

    /// A privacy notice of a sender's is in force, or ends.
    pub(super) async fn notice(&self, sender: &str, record_type: RecordType, until: &str) {
        let stated = StatedNotice {
            record_type: record_type.name().to_owned(),
            version: "notice-1".to_owned(),
            means: Some(NoticeMeans::Website),
            since: "2024-04-01".to_owned(),
            until: until.to_owned(),
        };
        self.gateway.record_notice(&self.provider(sender), &stated).await.unwrap();
    }

    /// Every leaf of the log.
    pub(super) async fn leaves(&self) -> Vec<Leaf> {
        let mut tx = self.gateway.store().read(Rights::Figures).await.unwrap();
        let size = log::head(&mut tx).await.unwrap().unwrap().size;
        let entries = log::entries(&mut tx, 0, size).await.unwrap();
        entries.iter().map(|entry| Leaf::decode(entry).unwrap()).collect()
    }

    pub(super) async fn last_leaf(&self) -> Leaf {
        self.leaves().await.pop().unwrap()
    }

    /// Asserts that an answer is a refusal for this reason, and that its leaf is logged.
    pub(super) async fn refused<T: std::fmt::Debug>(
        &self,
        answer: Result<Logged<T>, Denied>,
        reason: &str,
    ) -> Refused {
        let Err(Denied::Refused(logged)) = answer else { panic!("not refused: {answer:?}") };
        assert_eq!(logged.value().reason(), reason, "{:?}", logged.value());
        let leaf = self.last_leaf().await;
        assert_eq!(leaf.kind, LeafKind::Refused);
        assert_eq!(leaf.decision, Decision::Refused { reason: id(reason) });
        logged.value().clone()
    }
}

/// A document in its envelope, without signatures.
pub(super) fn unsigned<T: Document>(document: &T) -> Envelope {
    let draft: Signed<T, _> = Signed::draft(&document.canonical().unwrap()).unwrap();
    draft.envelope().clone()
}

/// Adds one signature, in an office that may be another than the key's.
pub(super) fn sign<T: Document>(
    envelope: Envelope,
    by: &Signatory,
    role: SignatoryRole,
    at: Timestamp,
) -> Envelope {
    let public = by.key.verifying_key();
    let registered = RegisteredKey {
        kid: id(&public.kid()),
        party: by.partner.clone(),
        role,
        purpose: KeyPurpose::ProtocolSigning,
        public_key: *public.as_bytes(),
        valid_from: at,
        valid_until: at,
        revoked_at: None,
    };
    let signature = |bytes: &[u8]| by.key.sign(bytes).ok().map(|s| *s.as_bytes());
    envelope.sign(header_for::<T>(&registered, at), signature).unwrap()
}

/// An authority with two clusters and two reach areas of one LSOA each.
pub(super) fn areas(lsoas: &[&str; 2]) -> Vec<AreaEntry> {
    let area = |code: &str, level, parent: Option<&str>, lsoas: Vec<Lsoa>| AreaEntry {
        code: id(code),
        name: code.to_owned(),
        level,
        parent: parent.map(id),
        lead_agency: None,
        lsoas,
        under_fives: 100,
        deprived: Vec::new(),
        neighbourhoods: Vec::new(),
    };
    vec![
        area("E08000026", AreaLevel::Authority, None, vec![]),
        area("CL1", AreaLevel::Cluster, Some("E08000026"), vec![]),
        area("CL2", AreaLevel::Cluster, Some("E08000026"), vec![]),
        area("CC01", AreaLevel::ReachArea, Some("CL1"), vec![id(lsoas[0])]),
        area("CC02", AreaLevel::ReachArea, Some("CL2"), vec![id(lsoas[1])]),
    ]
}

/// Which kinds of leaf there are, and how many of each.
pub(super) fn kinds(leaves: &[Leaf]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for leaf in leaves {
        *kinds.entry(leaf.kind.name()).or_default() += 1;
    }
    kinds
}
