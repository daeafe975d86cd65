//! The compiled snapshot of everything signed: what the one decision reads.
//!
//! A [`Policy`] is immutable. The gateway makes a new one, with a higher epoch, whenever a protocol, a state,
//! the root policy or the geography changes, and swaps it in; permits remember the epoch that made them
//! (see [`super::permit`]). Nothing is cached beside it, so a suspension bites with the swap.
//!
//! Areas and field lists are interned: a thousand protocols with fifty flows each mostly repeat the same
//! lists, and a snapshot must stay small.

mod compile;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::civil::Date;

use self::compile::Compiler;
use super::adherence::Joined;
use super::choice::Choices;
use super::consent::ConsentTerms;
use super::document::{Digest, LegalBasis, Protocol, ProtocolVersion, Retention};
use super::fault::{Fault, Rule};
use super::geography::Geography;
use super::life::{Life, Part, State};
use super::notices::Notices;
use super::refusal::{Clause, Reason, Refusal, Section};
use super::retention::Feed;
use super::root_policy::RootPolicy;
use super::signing::{Draft, FullySigned, PartlySigned, Signed};
use super::vocabulary::{CallerRole, FieldAction, Purpose};
use crate::domain::{AreaCode, Lsoa, PartnerId, ProtocolId, RecordType, TableId};

/// One version of a protocol, as the store has it.
#[derive(Debug)]
pub enum Entry {
    /// Nobody has signed.
    Draft(Signed<Protocol, Draft>),
    /// Not everyone has signed.
    PartlySigned(Signed<Protocol, PartlySigned>),
    /// Everyone has signed; where it stands since.
    FullySigned(Signed<Protocol, FullySigned>, Life),
    /// Everyone has signed, and others have joined since.
    Joined(Box<Joined>, Life),
    /// All of it is as it was when the earlier policy was compiled, with the same geography; see
    /// [`Policy::after`].
    AsBefore {
        /// Its id.
        id: ProtocolId,
        /// Its version.
        version: ProtocolVersion,
    },
    /// Its stored text can't be read or verified: it permits nothing and hides nothing.
    Unreadable {
        /// Its id.
        id: ProtocolId,
        /// Its version.
        version: ProtocolVersion,
    },
}

/// An immutable snapshot of all protocols, their states and the root policy.
#[derive(Debug)]
pub struct Policy {
    epoch: u64,
    root: Option<Signed<RootPolicy, FullySigned>>,
    protocols: HashMap<ProtocolId, BTreeMap<ProtocolVersion, Version>>,
    outputs: HashMap<TableId, Vec<(Arc<Compiled>, usize)>>,
    flows: HashMap<RecordType, Vec<(Arc<Compiled>, usize)>>,
    /// What each partner ever sent by some document's word, and how long that is kept.
    pub(super) feeds: HashMap<PartnerId, HashMap<RecordType, Feed>>,
    /// Parties and audiences of any readable document.
    partners: HashSet<PartnerId>,
    faults: Vec<(ProtocolId, ProtocolVersion, Fault)>,
    /// The privacy notices that senders stated; `None` where documents alone are asked.
    notices: Option<Notices>,
}

#[derive(Debug)]
pub(super) enum Version {
    Readable(Arc<Compiled>),
    Unreadable,
}

/// Whether something is to be done, or it is asked of a day gone by whether it might have been:
/// that alone may look back into the term of what has expired since. The states of a document's
/// life other than its expiry are taken as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tense {
    Present,
    Past,
}

/// A protocol, made fast to ask.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) id: ProtocolId,
    pub(super) version: ProtocolVersion,
    pub(super) digest: Digest,
    pub(super) purposes: Vec<Purpose>,
    pub(super) effective: Date,
    pub(super) expires: Date,
    parties: Vec<PartnerId>,
    life: Option<Life>,
    pub(super) flows: Vec<CompiledFlow>,
    pub(super) outputs: Vec<CompiledOutput>,
    pub(super) retention: Vec<Retention>,
}

#[derive(Debug)]
pub(super) struct CompiledFlow {
    pub(super) from: PartnerId,
    pub(super) record_type: RecordType,
    pub(super) fields: Arc<[ListedField]>,
    pub(super) areas: Arc<[Lsoa]>,
    pub(super) basis: LegalBasis,
    pub(super) first_event_day: i32,
    pub(super) last_event_day: i32,
    pub(super) max_lag_days: i32,
    pub(super) max_backdate_days: i32,
    pub(super) consent: ConsentTerms,
    /// The choices of subjects that bind it.
    pub(super) choices: Choices,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ListedField {
    pub(super) name: &'static str,
    pub(super) action: FieldAction,
    pub(super) required: bool,
}

#[derive(Debug)]
pub(super) struct CompiledOutput {
    pub(super) table: TableId,
    pub(super) audiences: Vec<CompiledAudience>,
    /// Flow position to the purposes for which it may serve the table.
    pub(super) sources: BTreeMap<usize, BTreeSet<Purpose>>,
}

#[derive(Debug)]
pub(super) struct CompiledAudience {
    pub(super) partner: PartnerId,
    pub(super) role: CallerRole,
    pub(super) areas: Arc<BTreeSet<AreaCode>>,
}

impl Policy {
    /// The same with the privacy notices that senders stated: a flow that rests on one is granted
    /// only while one is in force.
    #[must_use]
    pub fn with_notices(mut self, notices: Notices) -> Self {
        self.notices = Some(notices);
        self
    }

    /// The privacy notices that senders stated.
    #[must_use]
    pub const fn notices(&self) -> Option<&Notices> {
        self.notices.as_ref()
    }

    /// Compiles a snapshot. A version that is listed twice, that names an area the geography does not have,
    /// or whose life is another protocol's, becomes unreadable: it permits nothing (see
    /// [`Policy::faults`]).
    #[must_use]
    pub fn compile(
        epoch: u64,
        root: Option<Signed<RootPolicy, FullySigned>>,
        entries: impl IntoIterator<Item = Entry>,
        geography: &impl Geography,
    ) -> Self {
        Self::after(None, epoch, root, entries, geography)
    }

    /// Compiles a snapshot that follows another: what is [`Entry::AsBefore`] is taken over, so
    /// that a change of one protocol costs no more than that protocol.
    #[must_use]
    pub fn after(
        before: Option<&Self>,
        epoch: u64,
        root: Option<Signed<RootPolicy, FullySigned>>,
        entries: impl IntoIterator<Item = Entry>,
        geography: &impl Geography,
    ) -> Self {
        let mut policy = Self {
            epoch,
            root,
            protocols: HashMap::new(),
            outputs: HashMap::new(),
            flows: HashMap::new(),
            feeds: HashMap::new(),
            partners: HashSet::new(),
            faults: Vec::new(),
            notices: None,
        };
        let mut compiler = Compiler::new(geography);
        for entry in entries {
            let (id, number, compiled) = match entry {
                Entry::Draft(signed) => compiler.entry(signed.document(), signed.digest(), None),
                Entry::PartlySigned(signed) => {
                    compiler.entry(signed.document(), signed.digest(), None)
                }
                Entry::FullySigned(signed, life) => {
                    compiler.entry(signed.document(), signed.digest(), Some(life))
                }
                Entry::Joined(joined, life) => {
                    compiler.entry(joined.protocol(), joined.digest(), Some(life))
                }
                Entry::AsBefore { id, version } => {
                    let held = before.and_then(|before| before.readable(&id, version)).cloned();
                    (id, version, held.ok_or_else(|| Fault::at("", Rule::Malformed)))
                }
                Entry::Unreadable { id, version } => {
                    (id, version, Err(Fault::at("", Rule::Malformed)))
                }
            };
            let version = compiled.map_or_else(
                |fault| {
                    policy.faults.push((id.clone(), number, fault));
                    Version::Unreadable
                },
                Version::Readable,
            );
            let versions = policy.protocols.entry(id.clone()).or_default();
            if versions.insert(number, version).is_some() {
                versions.insert(number, Version::Unreadable);
                policy.faults.push((id, number, Fault::at("/version", Rule::Duplicate)));
            }
        }
        policy.index();
        policy.shrink();
        policy
    }

    fn index(&mut self) {
        let mut compiled: Vec<Arc<Compiled>> = Vec::new();
        for versions in self.protocols.values() {
            compiled.extend(versions.values().filter_map(|version| match version {
                Version::Readable(compiled) => Some(Arc::clone(compiled)),
                Version::Unreadable => None,
            }));
        }
        // The hash map's order must not decide which of two protocols answers.
        compiled.sort_by(|a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
        for protocol in &compiled {
            self.partners.extend(protocol.parties.iter().cloned());
            for (place, output) in protocol.outputs.iter().enumerate() {
                self.partners.extend(output.audiences.iter().map(|a| a.partner.clone()));
                let list = self.outputs.entry(output.table.clone()).or_default();
                list.push((Arc::clone(protocol), place));
            }
            for (place, flow) in protocol.flows.iter().enumerate() {
                let list = self.flows.entry(flow.record_type).or_default();
                list.push((Arc::clone(protocol), place));
            }
        }
        self.index_feeds(&compiled);
    }

    /// Gives back what grew ahead of need.
    fn shrink(&mut self) {
        self.outputs.values_mut().for_each(Vec::shrink_to_fit);
        self.flows.values_mut().for_each(Vec::shrink_to_fit);
    }

    /// The epoch: it grows with each change of anything in the snapshot.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The root disclosure policy, if one was accepted; see [`RootPolicy::in_force_on`] for its term.
    #[must_use]
    pub fn root(&self) -> Option<&Signed<RootPolicy, FullySigned>> {
        self.root.as_ref()
    }

    /// The versions that permit nothing, and why.
    #[must_use]
    pub fn faults(&self) -> &[(ProtocolId, ProtocolVersion, Fault)] {
        &self.faults
    }

    /// Whether it has this version and can read it.
    #[must_use]
    pub fn reads(&self, id: &ProtocolId, version: ProtocolVersion) -> bool {
        self.readable(id, version).is_some()
    }

    pub(super) fn readable(
        &self,
        id: &ProtocolId,
        version: ProtocolVersion,
    ) -> Option<&Arc<Compiled>> {
        match self.find(id, version)? {
            Version::Readable(compiled) => Some(compiled),
            Version::Unreadable => None,
        }
    }

    pub(super) fn find(&self, id: &ProtocolId, version: ProtocolVersion) -> Option<&Version> {
        self.protocols.get(id)?.get(&version)
    }

    /// All protocols that list a table, in the order of id and version, with the output's position.
    pub(super) fn listing(&self, table: &TableId) -> &[(Arc<Compiled>, usize)] {
        self.outputs.get(table).map_or(&[], Vec::as_slice)
    }

    /// All flows of a record type, in the order of id and version, with the flow's position.
    pub(super) fn sending(&self, record_type: RecordType) -> &[(Arc<Compiled>, usize)] {
        self.flows.get(&record_type).map_or(&[], Vec::as_slice)
    }

    /// Whether any readable protocol has this partner as a party or names it as an audience.
    pub(super) fn knows_partner(&self, partner: &PartnerId) -> bool {
        self.partners.contains(partner)
    }

    /// Whether a version of this protocol after `version` is there and can't be read.
    pub(super) fn hides_a_version_after(&self, id: &ProtocolId, version: ProtocolVersion) -> bool {
        self.protocols.get(id).is_some_and(|versions| {
            versions.iter().any(|(v, held)| *v > version && matches!(held, Version::Unreadable))
        })
    }

    /// The next version of a protocol that everybody has signed.
    pub(super) fn signed_after(
        &self,
        id: &ProtocolId,
        version: ProtocolVersion,
    ) -> Option<&Arc<Compiled>> {
        let mut versions = self.protocols.get(id)?.iter().filter(|(v, _)| **v > version);
        versions.find_map(|(_, held)| match held {
            Version::Readable(held) => held.life.as_ref().map(|_| held),
            Version::Unreadable => None,
        })
    }

    /// The newest version of a protocol.
    pub(super) fn newest(&self, id: &ProtocolId) -> Option<ProtocolVersion> {
        self.protocols.get(id)?.keys().next_back().copied()
    }
}

impl CompiledOutput {
    /// Whether the partner is an audience, in whatever role.
    pub(super) fn names(&self, partner: &PartnerId) -> bool {
        self.audiences.iter().any(|audience| audience.partner == *partner)
    }
}

impl Compiled {
    pub(super) fn clause(&self, section: Section) -> Clause {
        Clause::new(&self.id, self.version, self.digest, section)
    }

    pub(super) fn refuse(&self, reason: Reason, section: Section) -> Refusal {
        Refusal::by(reason, self.clause(section))
    }

    pub(super) fn has_party(&self, partner: &PartnerId) -> bool {
        self.parties.contains(partner)
    }

    /// Where the protocol stands; `None` when not fully signed.
    pub(super) fn state(&self) -> Option<State> {
        self.life.as_ref().map(Life::state)
    }

    /// A party's own part and what it said when it revoked it.
    pub(super) fn life(&self) -> Option<&Life> {
        self.life.as_ref()
    }

    /// Whether the protocol binds on `today` and this party's part of it runs.
    pub(super) fn stands_for(&self, partner: &PartnerId, today: Date) -> Result<(), Refusal> {
        self.stands_on(partner, today, Tense::Present)
    }

    /// The same of a day gone by, which may lie within the term of what has expired since.
    pub(super) fn stands_on(
        &self,
        partner: &PartnerId,
        today: Date,
        tense: Tense,
    ) -> Result<(), Refusal> {
        let whole = |reason| Err(self.refuse(reason, Section::Whole));
        let Some(life) = &self.life else { return whole(Reason::ProtocolNotActive) };
        match life.state() {
            State::Draft | State::PartlySigned => return whole(Reason::ProtocolNotActive),
            State::Superseded => return whole(Reason::ProtocolSuperseded),
            State::Revoked => return whole(Reason::ProtocolRevoked),
            State::Expired if tense == Tense::Present => {
                return Err(self.refuse(Reason::ProtocolExpired, Section::Expires));
            }
            State::Expired | State::Active | State::Suspended => {}
        }
        match life.part(partner) {
            Part::Revoked => return whole(Reason::ProtocolRevoked),
            Part::Suspended => return whole(Reason::ProtocolSuspended),
            Part::Running => {}
        }
        // The clock is asked as well as the state: an expiry that nobody has noted yet still stops.
        if today < self.effective {
            return Err(self.refuse(Reason::ProtocolNotYetEffective, Section::Effective));
        }
        if today > self.expires {
            return Err(self.refuse(Reason::ProtocolExpired, Section::Expires));
        }
        Ok(())
    }
}
