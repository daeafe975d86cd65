//! All subjects that hang together by ties, made or unmade, and what they resolve to.
//!
//! From the subjects that it begins with it looks for those that share a key, opens what they are
//! compared by, and follows the ones that a rule ties, until there is nobody new. A tie that
//! resolving does not make (two children fit one record) is followed all the same: whoever comes
//! later may settle it. Subjects that merely share a lookup key are not followed.
//!
//! A lookup key with more than [`MAX_HOLDERS`] holders is followed no longer. When a newcomer makes
//! it so, all its holders are resolved anew without it, so that it does not matter who came last.
//! A match key of more than [`MAX_COMPONENT`] stored holders (what a system fills in for everybody)
//! ties nobody any more; whom it tied before comes apart when they are looked at again.

use super::{GatewayError, comparison_cell, is_lookup, key_domain, renew};
use crate::{
    domain::{PersonId, SubjectId},
    gateway::forms::Forms,
    keys::{KeyError, KeyVersion, KeysInUse, Pseudonym, PseudonymDomain},
    linkage::{
        self, COMPARISON_RULES, Comparison, Lookup, MAX_COMPONENT, MAX_HOLDERS, MatchKey,
        MatchKeys, Rung,
    },
    store::{
        StoreError, Tx,
        subjects::{self, Move, StoredLink, Subject},
    },
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Rounds of looking around; a person's records hang together in two or three.
const MAX_ROUNDS: usize = 32;

/// A stored key.
type Key = [u8; 16];

/// A subject as stored and as resolving needs it.
struct Member {
    stored: Subject,
    compared: linkage::Subject,
}

/// What hangs together with the subjects that it begins with.
pub(super) struct Closure<'a> {
    keys: &'a KeysInUse,
    members: BTreeMap<SubjectId, Member>,
    /// Whose keys are to be looked for next.
    next: Vec<SubjectId>,
    /// Read, and so far tied to nobody here; of their keys those that members were found to have.
    strangers: BTreeMap<SubjectId, Member>,
    shared: HashMap<SubjectId, Vec<(u8, Key)>>,
    asked: HashSet<Key>,
    holders: HashMap<Key, BTreeSet<SubjectId>>,
    crowded: HashSet<Key>,
    newcomers: BTreeSet<SubjectId>,
}

impl<'a> Closure<'a> {
    pub(super) fn new(keys: &'a KeysInUse) -> Self {
        Self {
            keys,
            members: BTreeMap::new(),
            next: Vec::new(),
            strangers: BTreeMap::new(),
            shared: HashMap::new(),
            asked: HashSet::new(),
            holders: HashMap::new(),
            crowded: HashSet::new(),
            newcomers: BTreeSet::new(),
        }
    }

    /// Begins with a newcomer.
    pub(super) fn begin(&mut self, stored: Subject, comparison: Option<Comparison>) {
        let compared = for_linkage(&stored, comparison);
        self.newcomers.insert(stored.id);
        self.join(Member { stored, compared });
    }

    /// Begins with a subject that is stored.
    pub(super) fn begin_stored(&mut self, stored: Subject) -> Result<(), GatewayError> {
        let member = self.opened(stored)?;
        self.join(member);
        Ok(())
    }

    fn join(&mut self, member: Member) {
        let id = member.stored.id;
        for (rung, key) in &member.stored.keys {
            if *rung != super::FINGERPRINT {
                self.holders.entry(*key).or_default().insert(id);
            }
        }
        self.next.push(id);
        self.members.insert(id, member);
    }

    fn opened(&self, mut stored: Subject) -> Result<Member, GatewayError> {
        renew(self.keys, &mut stored)?;
        let cell = comparison_cell(stored.id);
        let comparison = match stored.tie.comparison.as_deref() {
            None => None,
            Some(sealed) => match self.keys.sealer.open(cell, sealed) {
                Ok(plain) => Some(Comparison::from_bytes(&plain).ok_or(StoreError::Corrupt {
                    table: cell.table,
                    column: cell.column,
                    row: cell.row,
                })?),
                // A program of the schema before rotated the keys and left this behind: the
                // subject is tied by its keys alone.
                Err(KeyError::NoSealingKey { .. }) => None,
                Err(error) => return Err(error.into()),
            },
        };
        let compared = for_linkage(&stored, comparison);
        Ok(Member { stored, compared })
    }

    /// Looks around until there is nobody new.
    pub(super) async fn follow(&mut self, tx: &mut Tx) -> Result<(), GatewayError> {
        for _ in 0..MAX_ROUNDS {
            if self.next.is_empty() {
                return Ok(());
            }
            let around = std::mem::take(&mut self.next);
            let must = self.look(tx, &around).await?;
            let tied = self.tied_to(&around);
            let joining = tied.iter().chain(&must).filter_map(|id| self.strangers.get(id));
            let persons = joining.map(|member| member.stored.person).collect();
            self.join_persons(tx, persons).await?;
        }
        Ok(())
    }

    /// Reads whoever shares a key with some members; whom it must take in, tied or not.
    async fn look(
        &mut self,
        tx: &mut Tx,
        around: &[SubjectId],
    ) -> Result<Vec<SubjectId>, GatewayError> {
        let mut asked: Vec<(u8, Key)> = Vec::new();
        for member in around.iter().filter_map(|id| self.members.get(id)) {
            let keys = member.stored.keys.iter().filter(|(rung, _)| *rung != super::FINGERPRINT);
            asked.extend(keys.filter(|(_, key)| self.asked.insert(*key)).copied());
        }
        asked.sort_unstable();
        let mut forms = Forms::default();
        for (rung, key) in &asked {
            forms.add(self.keys, key_domain(*rung, SubjectId::NOBODY)?, key)?;
        }
        let mut found: HashMap<Key, Vec<SubjectId>> = HashMap::new();
        for (key, id) in subjects::holders(tx, forms.all()).await? {
            found.entry(forms.current(key)).or_default().push(id);
        }
        let mut must = Vec::new();
        let mut met: BTreeSet<SubjectId> = BTreeSet::new();
        for (rung, key) in &asked {
            let stored = found.remove(key).unwrap_or_default();
            let holders = self.holders.entry(*key).or_default();
            let before = stored.len();
            holders.extend(stored.iter().copied());
            if !is_lookup(*rung) && before > MAX_COMPONENT {
                // More than is ever resolved: nobody of them is read, and all stay as they are.
                self.crowded.insert(*key);
                holders.retain(|id| self.members.contains_key(id));
            } else if is_lookup(*rung) && holders.len() > MAX_HOLDERS {
                self.crowded.insert(*key);
                if before <= MAX_HOLDERS {
                    must.extend(stored);
                } else {
                    holders.retain(|id| self.members.contains_key(id));
                }
            } else if !is_lookup(*rung) {
                for id in &stored {
                    self.shared.entry(*id).or_default().push((*rung, *key));
                    met.insert(*id);
                }
            }
        }
        let crowd = std::mem::take(&mut self.crowded);
        let wanted = asked.iter().filter(|(_, key)| !crowd.contains(key));
        let mut unread: BTreeSet<SubjectId> = wanted
            .flat_map(|(_, key)| self.holders.get(key).into_iter().flatten())
            .copied()
            .collect();
        self.crowded = crowd;
        unread.extend(&must);
        unread.retain(|id| !self.members.contains_key(id) && !self.strangers.contains_key(id));
        let unread: Vec<SubjectId> = unread.into_iter().collect();
        for stored in subjects::without_keys(tx, &unread).await? {
            let member = self.opened(stored)?;
            met.insert(member.stored.id);
            self.strangers.insert(member.stored.id, member);
        }
        self.tell_shared(&met);
        Ok(must)
    }

    /// Gives strangers the keys that a rule may tie them by: a member's keys were all asked for, so
    /// that whatever the two have in common is among them.
    fn tell_shared(&mut self, met: &BTreeSet<SubjectId>) {
        let version = self.keys.current();
        for id in met {
            let (Some(stranger), Some(shared)) = (self.strangers.get_mut(id), self.shared.get(id))
            else {
                continue;
            };
            stranger.compared.keys = match_keys(version, shared);
        }
    }

    /// The strangers that a rule ties to one of some members with whom they share a key.
    fn tied_to(&self, around: &[SubjectId]) -> BTreeSet<SubjectId> {
        let mut tied = BTreeSet::new();
        for member in around.iter().filter_map(|id| self.members.get(id)) {
            for (_, key) in member.stored.keys.iter().filter(|(_, key)| !self.crowded.contains(key))
            {
                for id in self.holders.get(key).into_iter().flatten() {
                    let stranger = self.strangers.get(id).filter(|_| !tied.contains(id));
                    if stranger.is_some_and(|s| s.compared.tie(&member.compared).is_some()) {
                        tied.insert(*id);
                    }
                }
            }
        }
        tied
    }

    /// Takes in all of some persons: they move together or come apart.
    async fn join_persons(
        &mut self,
        tx: &mut Tx,
        persons: BTreeSet<PersonId>,
    ) -> Result<(), GatewayError> {
        let persons: Vec<PersonId> = persons.into_iter().collect();
        for stored in subjects::of_persons(tx, &persons).await? {
            if !self.members.contains_key(&stored.id) {
                self.strangers.remove(&stored.id);
                self.begin_stored(stored)?;
            }
        }
        Ok(())
    }

    /// Resolves all that hangs together, stores where stored subjects go and what ties them, and
    /// gives back the newcomers as they are to be stored.
    pub(super) async fn resolve(
        mut self,
        tx: &mut Tx,
    ) -> Result<(Vec<Move>, BTreeMap<SubjectId, Subject>), GatewayError> {
        let crowded = &self.crowded;
        for member in self.members.values_mut() {
            member.compared.lookups.retain(|(_, key)| !crowded.contains(key.as_bytes()));
            member.compared.keys.retain(|key| !crowded.contains(key.key.as_bytes()));
        }
        let before: BTreeMap<SubjectId, (PersonId, Option<StoredLink>)> = self
            .members
            .iter()
            .map(|(id, member)| (*id, (member.stored.person, member.stored.tie.link)))
            .collect();
        for component in self.components() {
            self.resolve_component(tx, &component).await?;
        }
        let mut moves = Vec::new();
        let mut relinked = Vec::new();
        let new = std::mem::take(&mut self.newcomers);
        for (id, (from, link)) in &before {
            let Some(member) = self.members.get(id).filter(|_| !new.contains(id)) else { continue };
            if member.stored.person != *from {
                moves.push(Move { subject: *id, from: *from, to: member.stored.person });
            }
            if member.stored.tie.link != *link {
                relinked.push(&member.stored);
            }
        }
        subjects::move_subjects(tx, &moves).await?;
        subjects::relink(tx, &relinked).await?;
        let newcomers = self.members.into_iter().filter(|(id, _)| new.contains(id));
        Ok((moves, newcomers.map(|(id, member)| (id, member.stored)).collect()))
    }

    /// Groups members that hang together: by a shared key, or by being one person already.
    fn components(&self) -> Vec<Vec<SubjectId>> {
        let ids: Vec<SubjectId> = self.members.keys().copied().collect();
        let mut parent: Vec<usize> = (0..ids.len()).collect();
        fn root(parent: &mut [usize], mut at: usize) -> usize {
            while parent[at] != at {
                parent[at] = parent[parent[at]];
                at = parent[at];
            }
            at
        }
        let mut by_key: HashMap<Key, usize> = HashMap::new();
        let mut by_person: HashMap<PersonId, usize> = HashMap::new();
        for (at, member) in self.members.values().enumerate() {
            let compared = &member.compared;
            let rungs = compared.keys.iter().map(|key| *key.key.as_bytes());
            let lookups = compared.lookups.iter().map(|(_, key)| *key.as_bytes());
            let mut others: Vec<usize> =
                rungs.chain(lookups).map(|key| *by_key.entry(key).or_insert(at)).collect();
            others.push(*by_person.entry(member.stored.person).or_insert(at));
            for other in others {
                let (a, b) = (root(&mut parent, at), root(&mut parent, other));
                parent[a.max(b)] = a.min(b);
            }
        }
        let mut groups: BTreeMap<usize, Vec<SubjectId>> = BTreeMap::new();
        for (at, id) in ids.iter().enumerate() {
            groups.entry(root(&mut parent, at)).or_default().push(*id);
        }
        groups.into_values().collect()
    }

    /// Whether nobody outside a component is stored as a person.
    async fn is_free(
        &self,
        tx: &mut Tx,
        person: PersonId,
        component: &[SubjectId],
    ) -> Result<bool, GatewayError> {
        let holders = subjects::of_persons(tx, &[person]).await?;
        Ok(holders.iter().all(|holder| component.contains(&holder.id)))
    }

    /// Resolves one component and writes each member's person and link.
    async fn resolve_component(
        &mut self,
        tx: &mut Tx,
        component: &[SubjectId],
    ) -> Result<(), GatewayError> {
        let members = component.iter().filter_map(|id| self.members.get(id));
        let all: Vec<(linkage::Subject, PersonId)> =
            members.map(|member| (member.compared.clone(), member.stored.person)).collect();
        // Too many that hang together stay as they are; newcomers are persons of their own.
        let Ok(groups) = linkage::reresolve(&all) else { return Ok(()) };
        let mut taken: BTreeSet<PersonId> = groups.iter().filter_map(|group| group.keeps).collect();
        for group in groups {
            let oldest = group.members.first().and_then(|id| self.members.get(id));
            let own = oldest.and_then(|oldest| oldest.stored.tie.own_person);
            let person = match (group.keeps, own.filter(|own| !taken.contains(own))) {
                (Some(person), _) => person,
                // Its first number again, so that a split undoes a merge exactly; unless somebody
                // who does not hang together with it any more has it.
                (None, Some(own)) if self.is_free(tx, own, component).await? => own,
                (None, _) => PersonId::new(subjects::take_person_numbers(tx, 1).await?),
            };
            taken.insert(person);
            let parents = group.parents();
            for id in &group.members {
                let Some(member) = self.members.get_mut(id) else { continue };
                member.stored.person = person;
                member.stored.tie.link = parents.get(id).map(|(to, rule)| StoredLink {
                    to: *to,
                    rule: rule.number(),
                    rules: COMPARISON_RULES,
                });
            }
        }
        Ok(())
    }
}

fn for_linkage(subject: &Subject, comparison: Option<Comparison>) -> linkage::Subject {
    // Resolution compares pseudonyms of one version: [`renew`] makes them so.
    let version = KeyVersion::new(subject.key_version);
    let stored = |domain, bytes: &Key| Pseudonym::from_stored(domain, version, bytes).ok();
    let lookups = subject.keys.iter().filter_map(|(number, key)| {
        Some((Lookup::from_number(*number)?, stored(Lookup::domain(), key)?))
    });
    linkage::Subject {
        id: subject.id,
        nhs: subject.nhs.as_ref().and_then(|nhs| stored(PseudonymDomain::Nhs, nhs)),
        keys: match_keys(version, &subject.keys),
        lookups: lookups.collect(),
        comparison,
    }
}

fn match_keys(version: KeyVersion, keys: &[(u8, Key)]) -> MatchKeys {
    MatchKeys::from_stored(keys.iter().filter_map(|(rung, bytes)| {
        let rung = Rung::from_number(*rung)?;
        let key = Pseudonym::from_stored(rung.domain(), version, bytes).ok()?;
        Some(MatchKey { rung, key })
    }))
}
