//! One view of what is in force: register, protocols, root policy, geography.
//!
//! Read in one transaction with the policy epoch, so that a decision names the state it
//! was made under. What can't be read or verified permits nothing.

use super::{
    geography::{AreaEntry, AreaSet, Places},
    register::Register,
};
use crate::{
    domain::{AreaCode, Lsoa, ProtocolId, time},
    keys::Versions,
    protocol::{
        self, Adherence, Entry, Envelope, FullySigned, Joined, KeyId, KeyRegister, Life, Policy,
        Protocol, ProtocolVersion, RegisteredKey, RootPolicy, SignatureError, Signed, Verified,
        notices::Notices, signing::verify_as_arrived,
    },
    store::{
        StoreError, Tx, effect, geography, key_versions,
        papers::{self, Paper},
        partners, privacy_notices, protocols,
    },
};
use jiff::{Timestamp, civil::Date};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

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
    /// What the register said of each key that a signature names, when it was verified.
    keys: Vec<(KeyId, Option<RegisteredKey>)>,
}

impl ProtocolRecord {
    /// Verifies what is stored, where `held` does not say all of it already. Where anything of
    /// it can't be read or verified, a deed included, the whole permits nothing.
    fn verify(
        stored: protocols::Entry,
        papers: Vec<Paper>,
        register: &Register,
        held: Option<&Self>,
    ) -> Self {
        let verified = verify_stored(&stored, register, held);
        let deeds: Vec<&Paper> =
            papers.iter().filter(|paper| paper.kind == papers::Kind::Adherence).collect();
        let keys = keys_named(&stored, verified.as_ref(), &deeds, register);
        if deeds.is_empty() {
            return Self { stored, verified, joined: None, papers, keys };
        }
        let joined = match &verified {
            Some((Verified::Fully(signed), _)) => held
                .filter(|held| held.papers == papers)
                .and_then(|held| held.joined.clone())
                .or_else(|| join(signed.clone(), &deeds, register)),
            _ => None,
        };
        let verified = verified.filter(|_| joined.is_some());
        Self { stored, verified, joined, papers, keys }
    }

    /// Whether its life and papers are these.
    fn unchanged(&self, life: &str, papers: &[Paper]) -> bool {
        self.stored.life == life && self.papers == papers
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
    protocols: Vec<Arc<ProtocolRecord>>,
    geographies: Vec<(i32, Arc<AreaSet>)>,
    versions: Versions,
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
    /// Reads what is in force. Of a protocol that is as `before` had it, with the same keys, not
    /// even the text is read again, and where the places are the same, too, nothing is compiled:
    /// with a thousand documents that is the difference between seconds and a moment.
    ///
    /// # Errors
    /// When it can't be read, or register or geography are corrupt.
    pub(super) async fn load(tx: &mut Tx, before: Option<&Self>) -> Result<Self, StoreError> {
        let epoch = effect::policy_epoch(tx).await?;
        let register = Register::compile(partners::all(tx).await?)?;
        let geographies = load_geographies(tx, before).await?;
        let versions = key_versions::all(tx).await?;
        let root = match protocols::root_policy(tx).await? {
            Some(entry) => verify_root(&entry, &register),
            None => None,
        };
        let in_same_places = before.filter(|before| {
            let both = || geographies.iter().zip(&before.geographies);
            geographies.len() == before.geographies.len()
                && both().all(|((_, areas), (_, held))| Arc::ptr_eq(areas, held))
        });
        let protocols = load_protocols(tx, &register, &Held::of(before)).await?;
        let compiled = in_same_places.map(|before| (Held::of(Some(before)), &before.policy));
        let entries = protocols.iter().filter_map(|record| match &compiled {
            Some((held, policy)) if held.is(record) => as_before(record, policy),
            _ => entry(record),
        });
        let before = in_same_places.map(|before| &before.policy);
        let policy = Policy::after(before, epoch, root, entries, &Places(&geographies));
        let policy = policy.with_notices(Notices::new(privacy_notices::all(tx).await?));
        Ok(Self { epoch, policy, register, protocols, geographies, versions })
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
    pub fn protocols(&self) -> impl DoubleEndedIterator<Item = &ProtocolRecord> + Clone {
        self.protocols.iter().map(|record| &**record)
    }

    /// A version of a protocol; version 0 takes the newest that is in force, or else the
    /// newest.
    #[must_use]
    pub fn protocol(&self, id: &ProtocolId, version: u32) -> Option<&ProtocolRecord> {
        let mut versions = self.protocols().filter(|record| record.stored.protocol == *id);
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

    /// The geography that begins last.
    #[must_use]
    pub fn newest_areas(&self) -> Option<&AreaSet> {
        self.geographies.last().map(|(_, areas)| &**areas)
    }

    /// The LSOAs of every geography loaded.
    #[must_use]
    pub fn lsoas(&self) -> BTreeSet<Lsoa> {
        let sets = self.geographies.iter().map(|(_, areas)| areas);
        sets.flat_map(|areas| areas.areas()).flat_map(|area| area.lsoas.iter().copied()).collect()
    }

    /// The areas in force on a day: the newest version that holds by then.
    #[must_use]
    pub fn areas(&self, day: Date) -> Option<&AreaSet> {
        let day = time::epoch_day(day);
        self.geographies.iter().rev().find(|(from, _)| *from <= day).map(|(_, areas)| &**areas)
    }

    /// The newest version in force by a day that has an area: what its code means.
    pub(super) fn areas_with(&self, area: &AreaCode, day: Date) -> Option<&AreaSet> {
        let day = time::epoch_day(day);
        let by_then = self.geographies.iter().rev().filter(|(from, _)| *from <= day);
        by_then.map(|(_, areas)| &**areas).find(|areas| areas.area(area).is_some())
    }

    /// A version of the areas, as releases name it.
    #[must_use]
    pub fn areas_version(&self, version: &str) -> Option<&AreaSet> {
        let version: u32 = version.parse().ok()?;
        let mut sets = self.geographies.iter().map(|(_, areas)| &**areas);
        sets.find(|areas| areas.version() == version)
    }
}

async fn load_geographies(
    tx: &mut Tx,
    before: Option<&Snapshot>,
) -> Result<Vec<(i32, Arc<AreaSet>)>, StoreError> {
    let held = before.map_or(&[][..], |before| &before.geographies);
    let mut compiled = Vec::new();
    for (version, valid_from) in geography::versions(tx).await? {
        if let Some(same) = held.iter().find(|(_, areas)| areas.version() == version) {
            compiled.push((valid_from, Arc::clone(&same.1)));
            continue;
        }
        let row = i64::from(version);
        let corrupt = || StoreError::Corrupt { table: "geography", column: "document", row };
        let json = geography::document(tx, version).await?;
        let entries: Vec<AreaEntry> = serde_json::from_str(&json).map_err(|_| corrupt())?;
        let areas = AreaSet::compile(version, entries).map_err(|_| corrupt())?;
        compiled.push((valid_from, Arc::new(areas)));
    }
    // Of two versions from the same day the one loaded later holds.
    compiled.sort_by_key(|(from, areas)| (*from, areas.version()));
    Ok(compiled)
}

async fn load_protocols(
    tx: &mut Tx,
    register: &Register,
    held: &Held<'_>,
) -> Result<Vec<Arc<ProtocolRecord>>, StoreError> {
    let mut papers: BTreeMap<(ProtocolId, u32), Vec<Paper>> = BTreeMap::new();
    for paper in papers::all(tx).await? {
        papers.entry((paper.protocol.clone(), paper.version)).or_default().push(paper);
    }
    let mut protocols = Vec::new();
    for head in protocols::heads(tx).await? {
        let own = papers.remove(&(head.protocol.clone(), head.version)).unwrap_or_default();
        let same = held.verified(&head, register);
        if let Some(record) = same.filter(|held| held.unchanged(&head.life, &own)) {
            protocols.push(Arc::clone(record));
            continue;
        }
        let stored = match same {
            Some(held) => protocols::Entry { life: head.life, ..held.stored.clone() },
            None => protocols::entry(tx, head).await?,
        };
        let record = ProtocolRecord::verify(stored, own, register, same.map(|held| &**held));
        protocols.push(Arc::new(record));
    }
    Ok(protocols)
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

/// What an earlier snapshot verified.
struct Held<'a>(HashMap<(&'a ProtocolId, u32), &'a Arc<ProtocolRecord>>);

impl<'a> Held<'a> {
    fn of(before: Option<&'a Snapshot>) -> Self {
        let records = before.iter().flat_map(|before| &before.protocols);
        Self(records.map(|held| ((&held.stored.protocol, held.stored.version), held)).collect())
    }

    /// A document that is stored as it was, whose signatures the register says the same of.
    fn verified(
        &self,
        head: &protocols::Head,
        register: &Register,
    ) -> Option<&'a Arc<ProtocolRecord>> {
        let held = *self.0.get(&(&head.protocol, head.version))?;
        let same = (held.stored.digest, &held.stored.arrivals) == (head.digest, &head.arrivals)
            && held.keys.iter().all(|(kid, was)| register.key(kid) == was.as_ref());
        same.then_some(held)
    }

    /// Whether it has this very record.
    fn is(&self, record: &Arc<ProtocolRecord>) -> bool {
        let held = self.0.get(&(&record.stored.protocol, record.stored.version));
        held.is_some_and(|held| Arc::ptr_eq(held, record))
    }
}

/// What the register says of every key by which a document or a deed is signed. Where a text can't
/// be read, no key can help it.
fn keys_named(
    stored: &protocols::Entry,
    verified: Option<&(Verified<Protocol>, Life)>,
    deeds: &[&Paper],
    register: &Register,
) -> Vec<(KeyId, Option<RegisteredKey>)> {
    let mut kids: BTreeSet<KeyId> = BTreeSet::new();
    let mut signed = |text: &str| {
        let envelope = Envelope::parse(text.as_bytes()).ok();
        let headers = envelope.iter().flat_map(Envelope::headers);
        kids.extend(headers.map(|header| header.kid.clone()));
    };
    deeds.iter().for_each(|deed| signed(&deed.document));
    match verified {
        None => signed(&stored.document),
        Some((verified, _)) => {
            kids.extend(verified.signatories().iter().map(|signatory| signatory.kid.clone()));
        }
    }
    let said = |kid: KeyId| {
        let key = register.key(&kid).cloned();
        (kid, key)
    };
    kids.into_iter().map(said).collect()
}

fn verify_stored(
    stored: &protocols::Entry,
    register: &Register,
    held: Option<&ProtocolRecord>,
) -> Option<(Verified<Protocol>, Life)> {
    let arrivals: Arrivals = serde_json::from_str(&stored.arrivals).ok()?;
    let life: Life = serde_json::from_str(&stored.life).ok()?;
    if let Some((verified, _)) = held.and_then(|held| held.verified.as_ref()) {
        return Some((verified.clone(), life));
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

/// What a policy had compiled of a record, if it could.
fn as_before(record: &ProtocolRecord, policy: &Policy) -> Option<Entry> {
    let (id, version) = (&record.stored.protocol, ProtocolVersion::new(record.stored.version)?);
    match policy.reads(id, version) {
        true => Some(Entry::AsBefore { id: id.clone(), version }),
        false => entry(record),
    }
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
