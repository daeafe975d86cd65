//! Parties, keys, places and protocols for the tests.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jiff::Timestamp;
use jiff::civil::{Date, date};

use crate::domain::{AreaCode, Lsoa, PartnerId, RecordType};
use crate::protocol::document::{KeyId, Protocol};
use crate::protocol::geography::Geography;
use crate::protocol::jws::Envelope;
use crate::protocol::life::{Act, Completeness, Life};
use crate::protocol::policy::{Entry, Policy};
use crate::protocol::register::{KeyPurpose, KeySet, RegisteredKey};
use crate::protocol::root_policy::{RhoLimit, RootController, RootPolicy};
use crate::protocol::signing::{
    Document, FullySigned, Signed, Verified, header_for, verify, verify_as_arrived,
};
use crate::protocol::template::{
    Audiences, Particulars, PartyDetails, RootParticulars, Template, USUAL_KEEP_DAYS, root_policy,
};
use crate::protocol::vocabulary::{AreaLevel, SignatoryRole};

pub(super) const TODAY: Date = date(2026, 5, 1);

pub(super) fn partner(id: &str) -> PartnerId {
    id.parse().unwrap()
}

pub(super) fn area(code: &str) -> AreaCode {
    code.parse().unwrap()
}

pub(super) fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn now() -> Timestamp {
    moment("2026-05-01T09:00:00Z")
}

/// A key pair and what the register says of it.
pub(super) struct TestKey {
    pub(super) pair: Ed25519KeyPair,
    pub(super) registered: RegisteredKey,
}

pub(super) fn key(kid: &str, party: &str, role: SignatoryRole, seed: u8) -> TestKey {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let registered = RegisteredKey {
        kid: kid.parse().unwrap(),
        party: partner(party),
        role,
        purpose: KeyPurpose::ProtocolSigning,
        public_key: pair.public_key().as_ref().try_into().unwrap(),
        valid_from: moment("2026-01-01T00:00:00Z"),
        valid_until: moment("2027-12-31T00:00:00Z"),
        revoked_at: None,
    };
    TestKey { pair, registered }
}

pub(super) fn kids(list: &[&str]) -> Vec<KeyId> {
    list.iter().map(|kid| kid.parse().unwrap()).collect()
}

/// The three keys that a protocol between Health and the authority needs.
pub(super) fn keys() -> Vec<TestKey> {
    vec![
        key("health-siro", "health", SignatoryRole::Siro, 1),
        key("health-cg", "health", SignatoryRole::CaldicottGuardian, 2),
        key("authority-siro", "authority", SignatoryRole::Siro, 3),
        key("dwp-siro", "dwp", SignatoryRole::Siro, 4),
        key("learning-siro", "learning", SignatoryRole::Siro, 5),
        key("families-siro", "families", SignatoryRole::Siro, 6),
        key("centres-siro", "centres", SignatoryRole::Siro, 7),
    ]
}

pub(super) fn register(keys: &[TestKey]) -> KeySet {
    let mut set = KeySet::default();
    for key in keys {
        set.add(key.registered.clone()).unwrap();
    }
    set
}

pub(super) fn sign<T: Document>(envelope: Envelope, key: &TestKey, at: Timestamp) -> Envelope {
    let sign = |message: &[u8]| key.pair.sign(message).as_ref().try_into().ok();
    envelope.sign(header_for::<T>(&key.registered, at), sign).unwrap()
}

pub(super) fn particulars(sender: &str, id: &str) -> Particulars {
    let own: &[&str] = if sender == "health" { &["health-siro", "health-cg"] } else { &[] };
    let own = if own.is_empty() {
        vec![format!("{sender}-siro")]
    } else {
        own.iter().map(ToString::to_string).collect()
    };
    let details = |name: &str, keys: Vec<KeyId>| PartyDetails {
        partner: partner(name),
        org_code: "RKB01".to_owned(),
        ico_registration: "Z1234567".to_owned(),
        keys,
    };
    Particulars {
        id: id.parse().unwrap(),
        sender: details(sender, own.iter().map(|kid| kid.parse().unwrap()).collect()),
        authority: details("authority", kids(&["authority-siro"])),
        areas: vec![area("E08000026")],
        audiences: Audiences {
            authority: partner("authority"),
            centres: partner("centres"),
            oversight: partner("oversight"),
            whole: area("E08000026"),
            managed: vec![area("CC01"), area("CC02"), area("CC03")],
        },
        effective: date(2024, 4, 1),
        review_by: date(2026, 9, 30),
        expires: date(2027, 3, 31),
        max_lag_days: 900,
        keep_days: USUAL_KEEP_DAYS,
    }
}

pub(super) fn template(sender: Template) -> Protocol {
    sender.fill(&particulars(sender.code(), &format!("isp-{sender}"))).unwrap()
}

/// The same of every agency twice, under two ids, so that each feed has two protocols; and whose part
/// of each is suspended.
pub(super) fn pairs(suspended: &[u8]) -> Vec<(Protocol, Vec<PartnerId>)> {
    let documents = Template::ALL.iter().flat_map(|sender| {
        let twin = format!("isp-{sender}-too");
        [template(*sender), sender.fill(&particulars(sender.code(), &twin)).unwrap()]
    });
    let paused = |protocol: &Protocol, which: u8| {
        let parties = protocol.parties.iter().enumerate();
        let paused = parties.filter(|(place, _)| which & (1 << place) != 0);
        paused.map(|(_, party)| party.partner.clone()).collect()
    };
    documents
        .zip(suspended)
        .map(|(protocol, which)| {
            let paused = paused(&protocol, *which);
            (protocol, paused)
        })
        .collect()
}

/// The entry of a document, whose parts these parties have suspended.
pub(super) fn paused((protocol, suspended): &(Protocol, Vec<PartnerId>)) -> Entry {
    let acts: Vec<Act> =
        suspended.iter().map(|party| Act::Suspend { party: party.clone() }).collect();
    entry(protocol, &acts)
}

/// Signed by all who must.
pub(super) fn fully_signed(protocol: &Protocol) -> Signed<Protocol, FullySigned> {
    let keys = keys();
    let mut envelope = Signed::draft(&protocol.canonical().unwrap())
        .map(|s: Signed<Protocol, _>| s.envelope().clone())
        .unwrap();
    for key in &keys {
        if protocol
            .party(&key.registered.party)
            .is_some_and(|p| p.keys.contains(&key.registered.kid))
        {
            envelope = sign::<Protocol>(envelope, key, now());
        }
    }
    verify::<Protocol>(envelope, &register(&keys), now()).unwrap().require_full().unwrap()
}

pub(super) fn active(protocol: &Protocol) -> Life {
    Life::of(protocol).after(&Act::Sign(Completeness::Full), protocol).unwrap()
}

/// A running entry for a protocol, after further acts.
pub(super) fn entry(protocol: &Protocol, acts: &[Act]) -> Entry {
    let life = acts.iter().fold(active(protocol), |life, act| life.after(act, protocol).unwrap());
    Entry::FullySigned(fully_signed(protocol), life)
}

pub(super) fn root() -> Signed<RootPolicy, FullySigned> {
    let tables = ["engagement", "births", "twos", "referrals", "families"];
    let policy = root_policy(RootParticulars {
        controllers: vec![RootController {
            partner: partner("authority"),
            keys: kids(&["authority-siro"]),
        }],
        catalogue: crate::protocol::Digest::of(b"catalogue"),
        tables: tables.iter().map(|table| (table.parse().unwrap(), 40)).collect(),
        quarterly_rho: RhoLimit::from_nano(128_300_000),
        lifetime_rho: RhoLimit::from_nano(1_416_600_000),
        witnessing_partners: 0,
        witness_keys: Vec::new(),
        effective: date(2024, 4, 1),
        expires: date(2027, 3, 31),
    });
    let draft: Signed<RootPolicy, _> = Signed::draft(&policy.canonical().unwrap()).unwrap();
    let keys = keys();
    let envelope = sign::<RootPolicy>(draft.envelope().clone(), &keys[2], now());
    let verified: Verified<RootPolicy> =
        verify_as_arrived(envelope, &register(&keys), |_| now()).unwrap();
    verified.require_full().unwrap()
}

/// Every agency's protocol, running.
pub(super) fn whole_policy(epoch: u64) -> Policy {
    let entries = Template::ALL.iter().map(|t| entry(&template(*t), &[]));
    Policy::compile(epoch, Some(root()), entries, &Places)
}

/// One authority of two clusters and three reach areas.
pub(super) struct Places;

const REACH: [(&str, &str, &[&str]); 3] = [
    ("CC01", "CL1", &["E01009522", "E01009523"]),
    ("CC02", "CL1", &["E01009600"]),
    ("CC03", "CL2", &["E01009700"]),
];

pub(super) fn lsoa(code: &str) -> Lsoa {
    code.parse().unwrap()
}

impl Geography for Places {
    fn lsoas(&self, area: &AreaCode) -> Option<Vec<Lsoa>> {
        let inside = REACH.iter().filter(|(reach, cluster, lsoas)| {
            ["E08000026", reach, cluster].contains(&area.as_str()) || lsoas.contains(&area.as_str())
        });
        let codes = inside.flat_map(|(_, _, lsoas)| lsoas.iter());
        let codes: Vec<Lsoa> = codes
            .filter(|code| !area.as_str().starts_with("E01") || **code == area.as_str())
            .map(|code| lsoa(code))
            .collect();
        (!codes.is_empty()).then_some(codes)
    }

    fn nested(&self, area: &AreaCode) -> Option<Vec<(AreaCode, AreaLevel)>> {
        let mut all = vec![("E08000026", "E08000026", "E08000026", AreaLevel::Authority)];
        for (reach, cluster, _) in REACH {
            all.push((reach, cluster, reach, AreaLevel::ReachArea));
            if !all.iter().any(|(code, ..)| *code == cluster) {
                all.push((cluster, cluster, cluster, AreaLevel::Cluster));
            }
        }
        let inside = |(code, cluster, _, _): &&(&str, &str, &str, AreaLevel)| {
            area.as_str() == "E08000026" || area.as_str() == *code || area.as_str() == *cluster
        };
        let found: Vec<_> = all
            .iter()
            .filter(inside)
            .map(|(code, _, _, level)| (code.parse().unwrap(), *level))
            .collect();
        (!found.is_empty()).then_some(found)
    }
}

pub(super) fn all_columns(record_type: RecordType) -> Vec<&'static str> {
    record_type.definition().fields().map(|field| field.name).collect()
}
