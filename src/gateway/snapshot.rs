//! One view of what is in force: register, protocols, root policy, geography.
//!
//! Read in one transaction with the policy epoch, so that a decision names the state it
//! was made under. What can't be read or verified permits nothing.

use super::{
    geography::{AreaEntry, AreaSet},
    register::Register,
};
use crate::{
    domain::{AreaCode, Lsoa, ProtocolId, time},
    keys::Versions,
    protocol::{
        self, Adherence, Entry, Envelope, FullySigned, Joined, KeyId, Life, Policy, Protocol,
        ProtocolVersion, RootPolicy, SignatureError, Signed, Verified, notices::Notices,
        signing::verify_as_arrived,
    },
    store::{
        StoreError, Tx, effect, geography, key_versions,
        papers::{self, Paper},
        partners, privacy_notices, protocols,
    },
};
use jiff::{Timestamp, civil::Date};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// When each signature of a document arrived.
pub(super) type Arrivals = BTreeMap<String, i64>;

/// A protocol as the register has it, verified.
#[derive(Debug)]
pub struct ProtocolRecord {
    /// As stored.
    pub stored: protocols::Entry,
    /// Verified; `None` when it can't be read or verified any more.
    pub verified: Option<(Verified<Protocol>, Life)>,
    /// As it stands with those who joined it since; `None` when nobody did.
    pub joined: Option<Joined>,
    /// The deeds and revocations beside it, in the order of their arrival.
    pub papers: Vec<Paper>,
}

impl ProtocolRecord {
    /// Verifies what is stored. Where anything of it can't be read or verified, a deed included,
    /// the whole permits nothing.
    fn verify(
        stored: protocols::Entry,
        papers: Vec<Paper>,
        register: &Register,
        held: &Held<'_>,
    ) -> Self {
        let verified = verify_stored(&stored, register, held);
        let deeds: Vec<&Paper> =
            papers.iter().filter(|paper| paper.kind == papers::Kind::Adherence).collect();
        if deeds.is_empty() {
            return Self { stored, verified, joined: None, papers };
        }
        let joined = match &verified {
            Some((Verified::Fully(signed), _)) => {
                held.joined(&stored, &papers).or_else(|| join(signed.clone(), &deeds, register))
            }
            _ => None,
        };
        let verified = verified.filter(|_| joined.is_some());
        Self { stored, verified, joined, papers }
    }

    /// The protocol as it stands, with who joined it since, and its life; `None` when it can't
    /// be read or verified any more.
    #[must_use]
    pub fn agreed(&self) -> Option<(&Protocol, &Life)> {
        let (verified, life) = self.verified.as_ref()?;
        let document = self.joined.as_ref().map(Joined::protocol);
        Some((document.unwrap_or_else(|| verified.document()), life))
    }
}

/// What is in force.
#[derive(Debug)]
pub struct Snapshot {
    epoch: u64,
    policy: Policy,
    register: Register,
    protocols: Vec<ProtocolRecord>,
    geographies: Vec<(i32, AreaSet)>,
    versions: Versions,
    /// The register as stored: signatures were verified by its keys.
    partners: Vec<partners::Entry>,
}

/// Places before any geography is loaded: there are none.
pub(super) struct Nowhere;

impl protocol::Geography for Nowhere {
    fn lsoas(&self, _: &AreaCode) -> Option<Vec<Lsoa>> {
        None
    }

    fn nested(&self, _: &AreaCode) -> Option<Vec<(AreaCode, protocol::vocabulary::AreaLevel)>> {
        None
    }
}

impl Snapshot {
    /// Reads what is in force. What `before` verified is not verified again, where the text, its
    /// signatures' arrivals and the whole register are the same: with a thousand documents that
    /// is the difference between seconds and a moment.
    ///
    /// # Errors
    /// When it can't be read, or register or geography are corrupt.
    pub(super) async fn load(tx: &mut Tx, before: Option<&Self>) -> Result<Self, StoreError> {
        let epoch = effect::policy_epoch(tx).await?;
        let partners = partners::all(tx).await?;
        let held = Held::of(before.filter(|before| before.partners == partners));
        let register = Register::compile(partners.clone())?;
        let geographies = load_geographies(tx).await?;
        let versions = key_versions::all(tx).await?;
        let root = match protocols::root_policy(tx).await? {
            Some(entry) => verify_root(&entry, &register),
            None => None,
        };
        let mut papers: BTreeMap<(ProtocolId, u32), Vec<Paper>> = BTreeMap::new();
        for paper in papers::all(tx).await? {
            papers.entry((paper.protocol.clone(), paper.version)).or_default().push(paper);
        }
        let mut protocols = Vec::new();
        for stored in protocols::all(tx).await? {
            let own = papers.remove(&(stored.protocol.clone(), stored.version));
            protocols.push(ProtocolRecord::verify(
                stored,
                own.unwrap_or_default(),
                &register,
                &held,
            ));
        }
        let entries: Vec<Entry> = protocols.iter().filter_map(entry).collect();
        let policy = match geographies.last() {
            Some((_, areas)) => Policy::compile(epoch, root, entries, areas),
            None => Policy::compile(epoch, root, entries, &Nowhere),
        };
        let policy = policy.with_notices(Notices::new(privacy_notices::all(tx).await?));
        Ok(Self { epoch, policy, register, protocols, geographies, versions, partners })
    }

    /// The policy epoch it was read at.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The protocols and the root policy, compiled for the decision.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What the store says of the versions of the keys.
    #[must_use]
    pub const fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The register of partners.
    #[must_use]
    pub const fn register(&self) -> &Register {
        &self.register
    }

    /// The protocols, by id and version.
    #[must_use]
    pub fn protocols(&self) -> &[ProtocolRecord] {
        &self.protocols
    }

    /// A version of a protocol; version 0 takes the newest that is in force, or else the
    /// newest.
    #[must_use]
    pub fn protocol(&self, id: &ProtocolId, version: u32) -> Option<&ProtocolRecord> {
        let mut versions = self.protocols.iter().filter(|record| record.stored.protocol == *id);
        if version != 0 {
            return versions.find(|record| record.stored.version == version);
        }
        let in_force = |record: &&ProtocolRecord| {
            record.verified.as_ref().is_some_and(|(_, life)| {
                matches!(life.state(), protocol::State::Active | protocol::State::Suspended)
            })
        };
        let newest = versions.clone().rev().find(in_force);
        newest.or_else(|| versions.next_back())
    }

    /// The geography that the policy was compiled with: the one that begins last.
    #[must_use]
    pub fn newest_areas(&self) -> Option<&AreaSet> {
        self.geographies.last().map(|(_, areas)| areas)
    }

    /// The LSOAs of every geography loaded.
    #[must_use]
    pub fn lsoas(&self) -> BTreeSet<Lsoa> {
        let sets = self.geographies.iter().map(|(_, areas)| areas);
        sets.flat_map(AreaSet::areas).flat_map(|area| area.lsoas.iter().copied()).collect()
    }

    /// The areas in force on a day: the newest version that holds by then.
    #[must_use]
    pub fn areas(&self, day: Date) -> Option<&AreaSet> {
        let day = time::epoch_day(day);
        self.geographies.iter().rev().find(|(from, _)| *from <= day).map(|(_, areas)| areas)
    }

    /// A version of the areas, as releases name it.
    #[must_use]
    pub fn areas_version(&self, version: &str) -> Option<&AreaSet> {
        let version: u32 = version.parse().ok()?;
        self.geographies.iter().map(|(_, areas)| areas).find(|areas| areas.version() == version)
    }
}

async fn load_geographies(tx: &mut Tx) -> Result<Vec<(i32, AreaSet)>, StoreError> {
    let mut compiled = Vec::new();
    for stored in geography::all(tx).await? {
        let corrupt = || StoreError::Corrupt {
            table: "geography",
            column: "document",
            row: i64::from(stored.version),
        };
        let entries: Vec<AreaEntry> = serde_json::from_str(&stored.json).map_err(|_| corrupt())?;
        let areas = AreaSet::compile(stored.version, entries).map_err(|_| corrupt())?;
        compiled.push((stored.valid_from, areas));
    }
    // Of two versions from the same day the one loaded later holds.
    compiled.sort_by_key(|(from, areas)| (*from, areas.version()));
    Ok(compiled)
}

fn verify_root(
    entry: &protocols::RootPolicyEntry,
    register: &Register,
) -> Option<Signed<RootPolicy, FullySigned>> {
    let envelope = Envelope::parse(entry.document.as_bytes()).ok()?;
    let arrived = Timestamp::from_microsecond(entry.arrived).ok()?;
    protocol::signing::verify::<RootPolicy>(envelope, register, arrived)
        .and_then(Verified::require_full)
        .ok()
}

/// Verifies a document's signatures as of when each arrived.
pub(super) fn verify_arrived(
    document: &str,
    arrivals: &Arrivals,
    now: Timestamp,
    register: &Register,
) -> Result<Verified<Protocol>, SignatureError> {
    let envelope = Envelope::parse(document.as_bytes())?;
    verify_as_arrived(envelope, register, |kid: &KeyId| {
        let known = arrivals.get(kid.as_str()).copied();
        known.and_then(|micros| Timestamp::from_microsecond(micros).ok()).unwrap_or(now)
    })
}

/// What an earlier snapshot verified by the same register.
struct Held<'a>(HashMap<(&'a ProtocolId, u32), &'a ProtocolRecord>);

impl<'a> Held<'a> {
    fn of(before: Option<&'a Snapshot>) -> Self {
        let records = before.iter().flat_map(|before| &before.protocols);
        Self(records.map(|held| ((&held.stored.protocol, held.stored.version), held)).collect())
    }

    /// A document that is stored as it was.
    fn same(&self, stored: &protocols::Entry) -> Option<&'a ProtocolRecord> {
        let held = self.0.get(&(&stored.protocol, stored.version)).copied()?;
        let same = (&held.stored.document, &held.stored.arrivals);
        (same == (&stored.document, &stored.arrivals)).then_some(held)
    }

    /// What was verified of it.
    fn verified(&self, stored: &protocols::Entry) -> Option<Verified<Protocol>> {
        self.same(stored)?.verified.as_ref().map(|(verified, _)| verified.clone())
    }

    /// The same with who joined it, where its deeds are as they were, too.
    fn joined(&self, stored: &protocols::Entry, papers: &[Paper]) -> Option<Joined> {
        self.same(stored).filter(|held| held.papers == papers)?.joined.clone()
    }
}

fn verify_stored(
    stored: &protocols::Entry,
    register: &Register,
    held: &Held<'_>,
) -> Option<(Verified<Protocol>, Life)> {
    let arrivals: Arrivals = serde_json::from_str(&stored.arrivals).ok()?;
    let life: Life = serde_json::from_str(&stored.life).ok()?;
    if let Some(verified) = held.verified(stored) {
        return Some((verified, life));
    }
    // A signature without a time of arrival counts as of the end of time: its key expired.
    let verified = verify_arrived(&stored.document, &arrivals, Timestamp::MAX, register).ok()?;
    Some((verified, life))
}

/// A protocol with its deeds, each verified as of when it arrived.
fn join(
    signed: Signed<Protocol, FullySigned>,
    deeds: &[&Paper],
    register: &Register,
) -> Option<Joined> {
    let verified = deeds.iter().map(|paper| {
        let envelope = Envelope::parse(paper.document.as_bytes()).ok()?;
        let arrived = Timestamp::from_microsecond(paper.arrived).ok()?;
        let deed = protocol::signing::verify::<Adherence>(envelope, register, arrived);
        deed.and_then(Verified::require_full).ok()
    });
    Joined::new(signed, &verified.collect::<Option<Vec<_>>>()?).ok()
}

fn entry(record: &ProtocolRecord) -> Option<Entry> {
    if let (Some(joined), Some((_, life))) = (&record.joined, &record.verified) {
        return Some(Entry::Joined(Box::new(joined.clone()), life.clone()));
    }
    Some(match &record.verified {
        Some((Verified::Fully(signed), life)) => Entry::FullySigned(signed.clone(), life.clone()),
        Some((Verified::Partly(signed), _)) => Entry::PartlySigned(signed.clone()),
        None => Entry::Unreadable {
            id: record.stored.protocol.clone(),
            version: ProtocolVersion::new(record.stored.version)?,
        },
    })
}
