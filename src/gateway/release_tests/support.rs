//! A gateway with signed protocols over a small town of invented children.

mod sending;

use crate::{
    audit::{LeafKind, LogName, LogSigner, UserPseudonym},
    disclosure::Catalogue,
    domain::{
        BatchId, Event, PartnerId, PersonId, RecordType, Role, SubjectId,
        field::Value,
        records::{registration, two_year_old_eligibility},
        time::{days_after, epoch_day},
    },
    gateway::{
        Actor, Advance, Closed, Frozen, Gateway, Quotas, Setup, Witnesses,
        link::facts_cell,
        register::{Partner, PartnerKey},
    },
    keys::{Acknowledgement, BirthDate, MasterFile, MasterKeys, ProtocolSigning, SigningKey},
    linkage::{Facts, Sex},
    protocol::{
        Act, CallerRole, ConsentGiver, ConsentRecord, Coverage, Envelope, KeyId, KeyRegister, Life,
        Protocol, RegisteredKey, SignatoryRole,
        jws::{Algorithm, ProtectedHeader},
        life::Completeness,
        notices::{NoticeMeans, PrivacyNotice},
        register::KeyPurpose,
        root_policy::{RhoLimit, RootController},
        signing::{Document, Signed, header_for},
        template::{
            Audiences, Particulars, PartyDetails, RootParticulars, Template, USUAL_KEEP_DAYS,
            root_policy,
        },
        vocabulary::ConsentRule,
    },
    store::{
        Effect, Location, Logged, Rights, Store, backup, consents,
        faults::world::postgres::Database,
        feeds, geography, partners, protocols,
        records::{self, NewEvent, NewWithdrawal},
        subjects::{self, NewSubject, Subject, Tie},
    },
};
use jiff::{
    Timestamp,
    civil::{Date, date},
};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// Health's two offices and everybody else's one.
const OFFICES: [(&str, SignatoryRole); 7] = [
    ("health", SignatoryRole::Siro),
    ("health", SignatoryRole::CaldicottGuardian),
    ("authority", SignatoryRole::Siro),
    ("dwp", SignatoryRole::Siro),
    ("learning", SignatoryRole::Siro),
    ("families", SignatoryRole::Siro),
    ("centres", SignatoryRole::Siro),
];
/// Three reach areas in two clusters, one LSOA each.
pub(super) const AREAS: [(&str, &str, &str); 3] =
    [("CC01", "CL1", "E01009522"), ("CC02", "CL1", "E01009600"), ("CC03", "CL2", "E01009700")];
/// The reference of the consent that the centres rely on, as it is stored.
pub(super) const CONSENT: [u8; 16] = [0xC0; 16];
pub(super) const PLANNING: &str = "childrens_centre_planning";
/// The day after the close of 2026Q1, at noon.
const NOW: &str = "2026-05-13T12:00:00Z";

struct Signer {
    key: SigningKey<ProtocolSigning>,
    registered: RegisteredKey,
}

/// The gateway, its clock, and the folder that holds everything.
pub(super) struct Town {
    pub(super) gateway: Arc<Gateway>,
    pub(super) dir: tempfile::TempDir,
    pub(super) vkey: String,
    clock: Arc<AtomicI64>,
    signers: Vec<Signer>,
    rng: StdRng,
    /// The store as its tables' owner has it.
    pub(super) owner: Location,
}

/// Where a town's store is.
pub(super) enum Place {
    Sqlite,
    Postgres(Box<Database>),
}

pub(super) fn partner(id: &str) -> PartnerId {
    id.parse().unwrap()
}

fn signers(rng: &mut StdRng) -> Vec<Signer> {
    let moment = |text: &str| -> Timestamp { text.parse().unwrap() };
    OFFICES
        .iter()
        .map(|(party, role)| {
            let key = SigningKey::generate(rng).unwrap();
            let registered = RegisteredKey {
                kid: key.verifying_key().kid().parse().unwrap(),
                party: partner(party),
                role: *role,
                purpose: KeyPurpose::ProtocolSigning,
                public_key: *key.verifying_key().as_bytes(),
                valid_from: moment("2024-01-01T00:00:00Z"),
                valid_until: moment("2028-01-01T00:00:00Z"),
                revoked_at: None,
            };
            Signer { key, registered }
        })
        .collect()
}

/// The keys of every town.
pub(super) fn keys() -> MasterKeys {
    let mut rng = StdRng::seed_from_u64(11);
    drop(signers(&mut rng));
    MasterKeys::generate(&mut rng)
}

impl Town {
    /// With partners, areas, protocols and root policy in force, and nobody in it.
    pub(super) async fn new() -> Self {
        let town = Self::bare().await;
        town.put_geography().await;
        for template in Template::ALL {
            town.put_protocol(*template, &[]).await;
        }
        town.put_root(Catalogue::shipped().unwrap(), 128_300_000).await;
        town
    }

    /// With partners only.
    pub(super) async fn bare() -> Self {
        Self::named("example.org/log").await
    }

    /// With partners only, and a log of its own for each year.
    pub(super) async fn yearly() -> Self {
        Self::named("example.org/{year}").await
    }

    /// With everything in force, on a store of one engine or the other.
    pub(super) async fn on(place: Place) -> Self {
        let town = Self::over("example.org/log", None, place).await;
        town.enter_all().await;
        town.put_geography().await;
        for template in Template::ALL {
            town.put_protocol(*template, &[]).await;
        }
        town.put_root(Catalogue::shipped().unwrap(), 128_300_000).await;
        town
    }

    /// The same town, as a backup of it has it, on a new store.
    pub(super) async fn restored(&self, archive: &[u8], place: Place) -> Self {
        let town = Self::over("example.org/log", Some(archive), place).await;
        town.clock.store(self.clock.load(Ordering::SeqCst), Ordering::SeqCst);
        town
    }

    /// A document signed for parties, with keys that sign protocols.
    pub(super) fn signed<T: Document>(&self, document: &T, parties: &[&str]) -> String {
        self.sign(document, parties)
    }

    /// Registers a key for acknowledgements.
    pub(super) async fn put_acknowledgement_key(&self, id: &str) -> SigningKey<Acknowledgement> {
        let key = SigningKey::generate(&mut StdRng::seed_from_u64(77)).unwrap();
        let mut entry = self.entry_of(id);
        entry.keys.push(PartnerKey {
            jwk: key.verifying_key().to_jwk(),
            purpose: KeyPurpose::Acknowledgement,
            role: None,
            valid_from: date(2024, 1, 1),
            valid_until: date(2027, 12, 31),
        });
        self.enter(entry).await;
        key
    }

    /// Whose such a key is.
    fn party_of(&self, key: &SigningKey<Acknowledgement>) -> PartnerId {
        let kid = key.verifying_key().kid().parse().unwrap();
        self.gateway.snapshot().register().key(&kid).unwrap().party.clone()
    }

    /// A document signed with such a key.
    pub(super) fn signed_with<T: Document>(
        &self,
        document: &T,
        key: &SigningKey<Acknowledgement>,
    ) -> String {
        let draft: Signed<T, _> = Signed::draft(&document.canonical().unwrap()).unwrap();
        let header = ProtectedHeader {
            alg: Algorithm::Ed25519,
            typ: T::TYP.to_owned(),
            kid: key.verifying_key().kid().parse().unwrap(),
            party: self.party_of(key),
            role: SignatoryRole::DesignatedPerson,
            iat: u64::try_from(self.gateway.now().as_second()).unwrap(),
        };
        let sign = |message: &[u8]| Some(*key.sign(message).unwrap().as_bytes());
        draft.envelope().clone().sign(header, sign).unwrap().to_json().unwrap()
    }

    async fn named(log: &str) -> Self {
        let town = Self::over(log, None, Place::Sqlite).await;
        town.enter_all().await;
        town
    }

    async fn enter_all(&self) {
        for id in ["authority", "oversight", "health", "dwp", "learning", "families", "centres"] {
            self.enter(self.entry_of(id)).await;
        }
    }

    async fn over(log: &str, archive: Option<&[u8]>, place: Place) -> Self {
        let mut rng = StdRng::seed_from_u64(11);
        let dir = tempfile::tempdir().unwrap();
        let sqlite = || Location::Sqlite(dir.path().join("gateway.db").into());
        let (location, owner, gateway) = match &place {
            Place::Sqlite => (sqlite(), sqlite(), None),
            Place::Postgres(database) => {
                let at = |user| Location::Postgres(database.location(user));
                (at("gateway"), at("owner"), Some("gateway"))
            }
        };
        let store = Store::open(&owner).await.unwrap();
        if let Some(archive) = archive {
            backup::restore(&store, gateway, &mut std::io::Cursor::new(archive)).await.unwrap();
        }
        store.migrate(gateway).await.unwrap();
        let store = match &place {
            Place::Sqlite => store,
            Place::Postgres(_) => {
                store.close().await;
                Store::open(&location).await.unwrap()
            }
        };
        let signers = signers(&mut rng);
        let start: Timestamp = NOW.parse().unwrap();
        let clock = Arc::new(AtomicI64::new(start.as_microsecond()));
        let read = Arc::clone(&clock);
        let name: LogName = log.parse().unwrap();
        let log = LogSigner::from_seed(name, &[7; 32]).unwrap();
        let vkey = log.vkey();
        let keys = MasterKeys::generate(&mut rng);
        let key_file = MasterFile::new(dir.path().join("master.json"), None);
        key_file.store_new(&keys, &mut StdRng::seed_from_u64(13)).unwrap();
        let setup = Setup {
            store,
            log,
            keys,
            key_file: Some(key_file),
            release_key: SigningKey::generate(&mut rng).unwrap(),
            catalogue: Catalogue::shipped().unwrap(),
            witnesses: Arc::new(Witnesses::none()),
            quotas: Quotas::default(),
            now: Arc::new(move || {
                Timestamp::from_microsecond(read.load(Ordering::SeqCst)).unwrap()
            }),
            rng: StdRng::seed_from_u64(12),
        };
        let (gateway, _task) = Gateway::start(setup).await.unwrap();
        Self { gateway, dir, vkey, clock, signers, rng, owner }
    }

    pub(super) fn set_clock(&self, text: &str) {
        let at: Timestamp = text.parse().unwrap();
        self.clock.store(at.as_microsecond(), Ordering::SeqCst);
    }

    /// Everything is sealed and keyed anew, by a version that the key file gets now.
    pub(super) async fn rotate_keys(&self) {
        let file = MasterFile::new(self.dir.path().join("master.json"), None);
        file.add_version(&mut StdRng::seed_from_u64(14)).unwrap();
        let begun = self.gateway.rotate_keys(&self.officer()).await.unwrap();
        assert!(begun.value().begun);
        while self.gateway.advance_rotation().await.unwrap() != Advance::Idle {}
    }

    pub(super) async fn act(&self, kind: LeafKind, effect: Effect) {
        let leaf = crate::audit::Leaf::new(kind, self.gateway.now());
        self.gateway.commit(leaf, effect, None).await.unwrap();
        self.gateway.reload().await.unwrap();
    }

    fn entry_of(&self, id: &str) -> Partner {
        let keys = self.signers.iter().filter(|s| s.registered.party.as_str() == id);
        let keys = keys.map(|signer| PartnerKey {
            jwk: signer.key.verifying_key().to_jwk(),
            purpose: KeyPurpose::ProtocolSigning,
            role: Some(signer.registered.role),
            valid_from: date(2024, 1, 1),
            valid_until: date(2027, 12, 31),
        });
        Partner {
            partner: partner(id),
            name: id.to_owned(),
            org_code: "RKB01".to_owned(),
            ico_registration: "Z1234567".to_owned(),
            roles: CallerRole::ALL.iter().copied().collect(),
            areas: BTreeSet::new(),
            certificates: vec![],
            keys: keys.collect(),
        }
    }

    async fn enter(&self, entry: Partner) {
        let json = serde_json::to_string(&entry).unwrap();
        let entry = partners::Entry { partner: entry.partner, json, disabled: false };
        self.act(LeafKind::PartnerAdded, Effect::PutPartner(entry)).await;
    }

    pub(super) async fn put_geography(&self) {
        self.put_areas(date(2024, 4, 1), &AREAS).await;
    }

    /// Reach areas in clusters, each of these LSOAs (by commas), from a day on, all run by one
    /// lead agency but for the first.
    pub(super) async fn put_areas(&self, from: Date, reach_areas: &[(&str, &str, &str)]) {
        let area = |code: &str, level: &str, parent: Option<&str>, lsoas: Vec<&str>| {
            serde_json::json!({ "code": code, "name": format!("Area {code}"), "level": level,
                "parent": parent, "lsoas": lsoas, "under_fives": 1_000 })
        };
        let mut areas = vec![area("E08000026", "authority", None, vec![])];
        let clusters: BTreeSet<&str> = reach_areas.iter().map(|area| area.1).collect();
        for cluster in clusters {
            areas.push(area(cluster, "cluster", Some("E08000026"), vec![]));
        }
        areas.push(area("LA1", "lead_agency", Some("E08000026"), vec![]));
        for (at, (code, cluster, lsoas)) in reach_areas.iter().enumerate() {
            let mut area = area(code, "reach_area", Some(cluster), lsoas.split(',').collect());
            if at > 0 || reach_areas.len() == 1 {
                area["lead_agency"] = "LA1".into();
            }
            areas.push(area);
        }
        let entry = geography::Entry {
            valid_from: epoch_day(from),
            json: serde_json::to_string(&areas).unwrap(),
        };
        self.act(LeafKind::AreasLoaded, Effect::PutGeography(entry)).await;
    }

    fn kids(&self, party: &str) -> Vec<KeyId> {
        let own = self.signers.iter().filter(|s| s.registered.party.as_str() == party);
        own.map(|signer| signer.registered.kid.clone()).collect()
    }

    pub(super) fn sign<T: Document>(&self, document: &T, parties: &[&str]) -> String {
        let payload = document.canonical().unwrap();
        let draft: Signed<T, _> = Signed::draft(&payload).unwrap();
        let mut envelope: Envelope = draft.envelope().clone();
        for signer in &self.signers {
            if parties.contains(&signer.registered.party.as_str()) {
                let header = header_for::<T>(&signer.registered, self.gateway.now());
                let sign = |message: &[u8]| Some(*signer.key.sign(message).unwrap().as_bytes());
                envelope = envelope.sign(header, sign).unwrap();
            }
        }
        envelope.to_json().unwrap()
    }

    /// A template's protocol, fully signed, after further acts.
    pub(super) async fn put_protocol(&self, template: Template, acts: &[Act]) {
        self.put_changed(template, |_| {}, acts).await;
    }

    /// The same, changed before it is signed.
    pub(super) async fn put_changed(
        &self,
        template: Template,
        change: impl FnOnce(&mut Protocol),
        acts: &[Act],
    ) {
        let sender = template.code();
        let details = |name: &str| PartyDetails {
            partner: partner(name),
            org_code: "RKB01".to_owned(),
            ico_registration: "Z1234567".to_owned(),
            keys: self.kids(name),
        };
        let mut protocol = template
            .fill(&Particulars {
                id: format!("isp-{sender}").parse().unwrap(),
                sender: details(sender),
                authority: details("authority"),
                areas: vec!["E08000026".parse().unwrap()],
                audiences: Audiences {
                    authority: partner("authority"),
                    centres: partner("centres"),
                    oversight: partner("oversight"),
                    whole: "E08000026".parse().unwrap(),
                    managed: AREAS[..2].iter().map(|area| area.0.parse().unwrap()).collect(),
                },
                effective: date(2024, 4, 1),
                review_by: date(2026, 4, 30),
                expires: date(2027, 3, 31),
                max_lag_days: 900,
                keep_days: USUAL_KEEP_DAYS,
            })
            .unwrap();
        change(&mut protocol);
        let mut life =
            Life::of(&protocol).after(&Act::Sign(Completeness::Full), &protocol).unwrap();
        let snapshot = self.gateway.snapshot();
        let before = snapshot.protocol(&protocol.id, 1).map(|record| record.stored.clone());
        for act in acts {
            life = life.after(act, &protocol).unwrap();
        }
        let document = self.sign(&protocol, &[sender, "authority"]);
        let now = self.gateway.now().as_microsecond();
        let arrivals: BTreeMap<String, i64> =
            self.signers.iter().map(|s| (s.registered.kid.as_str().to_owned(), now)).collect();
        // A text changes by another signature alone, whose arrival tells a running gateway.
        let arrived = before.as_ref().map_or("", |before| before.arrivals.as_str());
        let spaces = " ".repeat(arrived.len() - arrived.trim_end().len() + 1);
        let entry = protocols::Entry {
            protocol: protocol.id.clone(),
            version: 1,
            life: serde_json::to_string(&life).unwrap(),
            arrivals: serde_json::to_string(&arrivals).unwrap() + &spaces,
            digest: [0; 32],
            document,
        };
        let change = protocols::Change { entry, before, superseded: None };
        self.act(LeafKind::ProtocolActivated, Effect::PutProtocol(Box::new(change))).await;
        for flow in protocol.flows.iter().filter(|flow| flow.consent == ConsentRule::Notice) {
            self.put_notice(sender, flow.record_type).await;
        }
    }

    /// A privacy notice of a sender's is in force.
    pub(super) async fn put_notice(&self, sender: &str, record_type: RecordType) {
        let notice = PrivacyNotice {
            partner: partner(sender),
            record_type,
            version: "notice-1".to_owned(),
            means: NoticeMeans::Website,
            since: epoch_day(date(2024, 4, 1)),
            until: None,
        };
        let effect = Effect::PutNotice(Box::new(notice));
        self.act(LeafKind::PrivacyNoticeRecorded, effect).await;
    }

    pub(super) async fn put_root(&self, catalogue: Catalogue, quarterly_nano: u64) {
        let digest = *catalogue.digest().unwrap().as_bytes();
        let policy = root_policy(RootParticulars {
            controllers: vec![RootController {
                partner: partner("authority"),
                keys: self.kids("authority"),
            }],
            catalogue: crate::protocol::Digest::from_bytes(digest),
            tables: catalogue.tables.iter().map(|t| (t.id.clone(), t.variance)).collect(),
            quarterly_rho: RhoLimit::from_nano(quarterly_nano),
            lifetime_rho: RhoLimit::from_nano(1_416_600_000),
            witnessing_partners: 0,
            witness_keys: Vec::new(),
            effective: date(2024, 4, 1),
            expires: date(2027, 3, 31),
        });
        let entry = protocols::RootPolicyEntry {
            version: 1,
            digest: [0; 32],
            document: self.sign(&policy, &["authority"]),
            arrived: self.gateway.now().as_microsecond(),
        };
        self.act(LeafKind::RootPolicyActivated, Effect::PutRootPolicy(entry)).await;
    }

    pub(super) fn actor(&self, id: &str, roles: &[CallerRole], areas: Option<&[&str]>) -> Actor {
        Actor {
            partner: partner(id),
            user: self.user(id, "someone"),
            roles: roles.iter().copied().collect(),
            areas: areas.map(|areas| areas.iter().map(|area| area.parse().unwrap()).collect()),
            entry: None,
            name: None,
        }
    }

    pub(super) fn user(&self, id: &str, name: &str) -> UserPseudonym {
        self.gateway.user_pseudonym(&partner(id), name)
    }

    /// The same calls of two officers, the points accepted that are open: the quarter is
    /// closed.
    pub(super) async fn close(&self, quarter: &str) -> Logged<Arc<Frozen>> {
        let accepted = self.open_points(quarter).await;
        let first = self.gateway.close_quarter(&self.officer(), quarter, &accepted).await.unwrap();
        assert!(matches!(first.value(), Closed::Waiting(_)));
        let second = self.second_officer();
        let closed = self.gateway.close_quarter(&second, quarter, &accepted).await.unwrap();
        closed.map(|closed| match closed {
            Closed::Released(frozen) => frozen,
            Closed::Waiting(_) => panic!("the second person waits"),
        })
    }

    /// The codes of the checklist's open points.
    pub(super) async fn open_points(&self, quarter: &str) -> Vec<String> {
        let shown = self.gateway.preview_release(&self.officer(), quarter).await.unwrap();
        let shown: serde_json::Value = serde_json::from_str(shown.value()).unwrap();
        let open = shown["warnings"].as_array().unwrap().iter();
        let open = open.filter(|warning| warning["can_accept"] == true);
        let codes: BTreeSet<String> =
            open.map(|warning| warning["code"].as_str().unwrap().to_owned()).collect();
        codes.into_iter().collect()
    }

    pub(super) fn second_officer(&self) -> Actor {
        Actor { user: self.user("authority", "someone else"), ..self.officer() }
    }

    pub(super) fn officer(&self) -> Actor {
        self.actor("authority", &[CallerRole::DataOfficer], None)
    }

    pub(super) fn auditor(&self) -> Actor {
        self.actor("oversight", &[CallerRole::Auditor], None)
    }

    pub(super) fn manager(&self, area: &str) -> Actor {
        self.actor("centres", &[CallerRole::Consumer, CallerRole::Provider], Some(&[area]))
    }
}
