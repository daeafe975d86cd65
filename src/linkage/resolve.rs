//! From subjects that share keys to persons.
//!
//! Rule by rule, the surest first, and within a rule by how much the two have in common: all that
//! are tied alike are brought together, unless that would make one person of two who can't be: two
//! NHS numbers, or two forenames that are different names (`rules`). Where ties that are alike would
//! do so by a chain, none of that chain's ties is made: who fits two equally is tied to neither. Nothing in this depends on the order of the input, so the same set of subjects always
//! gives the same persons. Which ties appear as links (a spanning tree) and which person keeps its
//! number depends on the subjects' numbers only.
//!
//! Ambiguity is not resolved by guessing: where two children of one name, birth date, sex and
//! postcode have different NHS numbers, or a record of an initial fits both twins, it stays by itself.
//! When such a second child appears, records that had been tied to the first are split off again.

use super::LinkageError;
use super::comparison::Comparison;
use super::match_key::{MatchKeys, Rung};
use super::rules::{self, Rule};
use super::tags::Lookup;
use crate::domain::{PersonId, SubjectId};
use crate::keys::Pseudonym;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How many subjects one resolution takes. A person of eighteen with three agencies, six addresses
/// and some typing errors has some dozens; hundreds mean that a key stands for no person.
pub const MAX_COMPONENT: usize = 512;

/// A lookup key that more subjects hold is not followed: it stands for no few people. A rung's key
/// is, up to [`MAX_COMPONENT`].
pub const MAX_HOLDERS: usize = 64;

/// One identity tuple, as far as resolving needs it. All pseudonyms of one domain must be wrapped
/// under one key version (`Pseudonymiser::rewrap`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its number: smaller means older.
    pub id: SubjectId,
    /// Its NHS number.
    pub nhs: Option<Pseudonym>,
    /// What it may be tied by.
    pub keys: MatchKeys,
    /// By what those are found that it may be tied to.
    pub lookups: Vec<(Lookup, Pseudonym)>,
    /// By what it is compared with them; `None` for one that came under earlier rules.
    pub comparison: Option<Comparison>,
}

impl Subject {
    /// The rule that ties two subjects, whatever other subjects there are; symmetric.
    #[must_use]
    pub fn tie(&self, other: &Self) -> Option<Rule> {
        self.weighed(other).map(|(rule, _)| rule)
    }

    /// As [`tie`](Self::tie), with the weight of what the two have in common.
    fn weighed(&self, other: &Self) -> Option<(Rule, i32)> {
        let key =
            |rung: Rung| self.keys.of(rung).is_some_and(|key| other.keys.of(rung) == Some(key));
        if self.nhs.is_some() && other.nhs.is_some() && self.nhs != other.nhs {
            return None;
        }
        match Rung::ALL.into_iter().find(|rung| key(*rung)) {
            Some(rung) => Some((rung.rule(), 0)),
            None => rules::rule(self.comparison.as_ref()?, other.comparison.as_ref()?),
        }
    }

    fn apart(&self, other: &Self) -> bool {
        match (&self.comparison, &other.comparison) {
            (Some(one), Some(other)) => rules::apart(one, other),
            _ => false,
        }
    }
}

/// Why two subjects are one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link {
    /// The younger subject.
    pub subject: SubjectId,
    /// The older one.
    pub to: SubjectId,
    /// The rule that ties them.
    pub rule: Rule,
}

/// The subjects that are one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The person whose number it keeps; `None` for a new person.
    pub keeps: Option<PersonId>,
    /// Its subjects, the oldest first.
    pub members: Vec<SubjectId>,
    /// One link fewer than members: what ties them. Without one of them the rest falls apart there.
    pub links: Vec<Link>,
}

impl Group {
    /// Each member but the oldest with the member through which it hangs together with the oldest,
    /// and the rule that ties the two.
    #[must_use]
    pub fn parents(&self) -> BTreeMap<SubjectId, (SubjectId, Rule)> {
        let mut parents = BTreeMap::new();
        let mut reached: Vec<SubjectId> = self.members.first().copied().into_iter().collect();
        let mut at = 0;
        while let Some(from) = reached.get(at).copied() {
            at += 1;
            for link in &self.links {
                let other = match (link.subject == from, link.to == from) {
                    (true, _) => link.to,
                    (_, true) => link.subject,
                    _ => continue,
                };
                if !reached.contains(&other) {
                    reached.push(other);
                    parents.insert(other, (from, link.rule));
                }
            }
        }
        parents
    }
}

/// A partition of subjects into persons, ordered by their oldest subjects.
pub type Resolution = Vec<Group>;

/// Partitions subjects into persons.
///
/// # Errors
/// [`LinkageError::ComponentTooLarge`] above [`MAX_COMPONENT`], [`LinkageError::SubjectTwice`].
pub fn resolve(subjects: &[Subject]) -> Result<Resolution, LinkageError> {
    if subjects.len() > MAX_COMPONENT {
        return Err(LinkageError::ComponentTooLarge { subjects: subjects.len() });
    }
    let mut ordered: Vec<&Subject> = subjects.iter().collect();
    ordered.sort_unstable_by_key(|subject| subject.id);
    if let Some(twice) = ordered.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(LinkageError::SubjectTwice(twice[0].id));
    }
    let mut forest = Forest::of(&ordered);
    let likenesses = ties_by_likeness(&ordered);
    let apart = Apart::of(&ordered);
    let mut links = Vec::new();
    let mut unsettled = BTreeSet::new();
    for rule in Rule::ALL.iter().copied() {
        let rung = Rung::ALL.into_iter().find(|rung| rung.rule() == rule);
        let of_rung = rung.map(|rung| {
            let (ties, fits_several) = unambiguous_ties(&ordered, &mut forest.clone(), rung);
            unsettled.extend(fits_several);
            ties
        });
        let weighed = likenesses.iter().filter(|((of, _), _)| *of == rule && rung.is_none());
        let levels: Vec<Vec<(usize, usize)>> =
            of_rung.into_iter().chain(weighed.map(|(_, ties)| ties.clone())).collect();
        for mut ties in levels {
            if rung.is_none() {
                ties.retain(|(a, b)| !unsettled.contains(a) && !unsettled.contains(b));
            }
            let (ties, fits_several) = forest.settled(&apart, &ties);
            unsettled.extend(fits_several);
            for (older, younger) in ties {
                if forest.union(older, younger) {
                    links.push(Link { subject: ordered[younger].id, to: ordered[older].id, rule });
                }
            }
        }
    }
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    let mut root_of = BTreeMap::new();
    for (place, subject) in ordered.iter().enumerate() {
        let root = forest.root(place);
        root_of.insert(subject.id, root);
        let empty = || Group { keeps: None, members: Vec::new(), links: Vec::new() };
        groups.entry(root).or_insert_with(empty).members.push(subject.id);
    }
    for link in links {
        if let Some(group) = root_of.get(&link.subject).and_then(|root| groups.get_mut(root)) {
            group.links.push(link);
        }
    }
    // A root is its tree's oldest subject, so the map's order is that of the oldest members.
    Ok(groups.into_values().collect())
}

/// Partitions any number of subjects: each set that hangs together by ties is resolved by itself,
/// as the gateway does it. One that is too large stays in single persons.
#[must_use]
pub fn resolve_all(subjects: &[Subject]) -> Resolution {
    let mut ordered: Vec<&Subject> = subjects.iter().collect();
    ordered.sort_unstable_by_key(|subject| subject.id);
    let mut forest = Forest::of(&ordered);
    for ties in ties_by_likeness(&ordered).into_values() {
        for (a, b) in ties {
            forest.union(a, b);
        }
    }
    for rung in Rung::ALL {
        let mut first: BTreeMap<Pseudonym, usize> = BTreeMap::new();
        for (place, subject) in ordered.iter().enumerate() {
            if let Some(key) = subject.keys.of(rung) {
                let older = *first.entry(key.key).or_insert(place);
                forest.union(older, place);
            }
        }
    }
    let mut components: BTreeMap<usize, Vec<Subject>> = BTreeMap::new();
    for (place, subject) in ordered.iter().enumerate() {
        components.entry(forest.root(place)).or_default().push((*subject).clone());
    }
    let alone =
        |subject: &Subject| Group { keeps: None, members: vec![subject.id], links: Vec::new() };
    let mut groups = Vec::with_capacity(components.len());
    for component in components.into_values() {
        match resolve(&component) {
            Ok(resolved) => groups.extend(resolved),
            Err(_) => groups.extend(component.iter().map(alone)),
        }
    }
    groups
}

/// For each key of a rung the ties of its oldest holder to the others, without the keys whose
/// holders carry different NHS numbers: and the holders of those that carry none, who fit several
/// people. Places in `ordered`, the older first; sorted.
fn unambiguous_ties(
    ordered: &[&Subject],
    forest: &mut Forest,
    rung: Rung,
) -> (Vec<(usize, usize)>, Vec<usize>) {
    let mut holders: Vec<(Pseudonym, usize)> = Vec::new();
    for (place, subject) in ordered.iter().enumerate() {
        holders.extend(subject.keys.of(rung).map(|held| (held.key, place)));
    }
    holders.sort_unstable();
    let (mut ties, mut fits_several) = (Vec::new(), Vec::new());
    for same_key in holders.chunk_by(|a, b| a.0 == b.0) {
        let places = same_key.iter().map(|(_, place)| *place);
        let numbers: BTreeSet<Pseudonym> =
            places.clone().filter_map(|place| forest.number_of(place)).collect();
        if numbers.len() <= 1 {
            let oldest = same_key[0].1;
            ties.extend(places.skip(1).map(|place| (oldest, place)));
        } else {
            fits_several.extend(places.filter(|place| forest.number_of(*place).is_none()));
        }
    }
    ties.sort_unstable();
    (ties, fits_several)
}

/// Ties by the rule and how much they weigh, the surest and heaviest first.
type Weighed = BTreeMap<(Rule, Reverse<i32>), Vec<(usize, usize)>>;

/// The pairs that share a lookup key and that a rule ties.
fn ties_by_likeness(ordered: &[&Subject]) -> Weighed {
    let mut holders: BTreeMap<(Lookup, Pseudonym), Vec<usize>> = BTreeMap::new();
    for (place, subject) in ordered.iter().enumerate() {
        for key in &subject.lookups {
            holders.entry(*key).or_default().push(place);
        }
    }
    let mut pairs = BTreeSet::new();
    for places in holders.values().filter(|places| places.len() <= MAX_HOLDERS) {
        for (at, older) in places.iter().enumerate() {
            pairs.extend(places[at + 1..].iter().map(|younger| (*older, *younger)));
        }
    }
    let mut ties = Weighed::new();
    for (older, younger) in pairs {
        if let Some((rule, weight)) = ordered[older].weighed(ordered[younger]) {
            ties.entry((rule, Reverse(weight))).or_default().push((older, younger));
        }
    }
    ties
}

/// Which pairs can't be one person, each looked at once: resolving asks at every level of surety.
struct Apart {
    pairs: Vec<bool>,
    count: usize,
}

impl Apart {
    fn of(ordered: &[&Subject]) -> Self {
        let count = ordered.len();
        let mut pairs = vec![false; count * count];
        for (a, one) in ordered.iter().enumerate() {
            for (b, other) in ordered.iter().enumerate().skip(a + 1) {
                let apart = one.apart(other);
                pairs[a * count + b] = apart;
                pairs[b * count + a] = apart;
            }
        }
        Self { pairs, count }
    }

    fn are(&self, a: usize, b: usize) -> bool {
        self.pairs[a * self.count + b]
    }

    /// Whether any two of some places are.
    fn among(&self, places: &[usize]) -> bool {
        places.iter().enumerate().any(|(at, a)| places[at + 1..].iter().any(|b| self.are(*a, *b)))
    }
}

/// Disjoint sets of places whose root is the least place, each with its NHS number, if any.
#[derive(Clone)]
struct Forest {
    parents: Vec<usize>,
    numbers: Vec<BTreeSet<Pseudonym>>,
}

impl Forest {
    fn of(ordered: &[&Subject]) -> Self {
        Self {
            parents: (0..ordered.len()).collect(),
            numbers: ordered.iter().map(|subject| subject.nhs.into_iter().collect()).collect(),
        }
    }

    fn root(&mut self, mut place: usize) -> usize {
        while self.parents[place] != place {
            self.parents[place] = self.parents[self.parents[place]];
            place = self.parents[place];
        }
        place
    }

    /// The one NHS number of a place's set.
    fn number_of(&mut self, place: usize) -> Option<Pseudonym> {
        let root = self.root(place);
        self.numbers[root].first().copied()
    }

    /// Whether two sets became one.
    fn union(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return false;
        }
        let (root, child) = (a.min(b), a.max(b));
        self.parents[child] = root;
        let moved = std::mem::take(&mut self.numbers[child]);
        self.numbers[root].extend(moved);
        true
    }

    /// The ties whose chain, all ties taken together, makes one person of nobody who can't be; and
    /// who is tied by the others to several that can't be one person.
    fn settled(&self, apart: &Apart, ties: &[(usize, usize)]) -> (Vec<(usize, usize)>, Vec<usize>) {
        if ties.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mut all = self.clone();
        for (a, b) in ties {
            all.union(*a, *b);
        }
        // A set that no tie leads to is as it was.
        let touched: BTreeSet<usize> = ties.iter().map(|tie| all.root_of(tie.0)).collect();
        let mut trees: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in 0..self.parents.len() {
            let root = all.root(place);
            if touched.contains(&root) {
                trees.entry(root).or_default().push(place);
            }
        }
        let one_person =
            |root: usize, tree: &[usize]| all.numbers[root].len() <= 1 && !apart.among(tree);
        let sound: BTreeSet<usize> =
            trees.iter().filter(|(root, tree)| one_person(**root, tree)).map(|(r, _)| *r).collect();
        let (sure, dropped): (Vec<_>, Vec<_>) =
            ties.iter().copied().partition(|tie| sound.contains(&all.root_of(tie.0)));
        (sure, self.fits_several(apart, &dropped))
    }

    /// The members of every set that ties lead from to two sets that can't be one person.
    fn fits_several(&self, cannot: &Apart, ties: &[(usize, usize)]) -> Vec<usize> {
        if ties.is_empty() {
            return Vec::new();
        }
        let mut around: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (a, b) in ties {
            let (a, b) = (self.root_of(*a), self.root_of(*b));
            around.entry(a).or_default().insert(b);
            around.entry(b).or_default().insert(a);
        }
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in 0..self.parents.len() {
            members.entry(self.root_of(place)).or_default().push(place);
        }
        let apart = |a: &usize, b: &usize| {
            let (one, other) = (&self.numbers[*a], &self.numbers[*b]);
            (!one.is_empty() && !other.is_empty() && one != other)
                || members[a].iter().any(|x| members[b].iter().any(|y| cannot.are(*x, *y)))
        };
        let several = around.iter().filter(|(_, others)| {
            others.iter().enumerate().any(|(at, a)| others.iter().skip(at + 1).any(|b| apart(a, b)))
        });
        several.flat_map(|(root, _)| members[root].iter().copied()).collect()
    }

    /// As [`root`](Self::root), changing nothing.
    fn root_of(&self, mut place: usize) -> usize {
        while self.parents[place] != place {
            place = self.parents[place];
        }
        place
    }
}

/// Resolves subjects that are persons already, newcomers among them as persons of their own, and
/// says which group keeps which person's number: the one with the person's oldest subject; of
/// several numbers the oldest. Give every subject of every person concerned.
///
/// # Errors
/// As [`resolve`].
pub fn reresolve(subjects: &[(Subject, PersonId)]) -> Result<Vec<Group>, LinkageError> {
    let all: Vec<Subject> = subjects.iter().map(|(subject, _)| subject.clone()).collect();
    let mut groups = resolve(&all)?;
    let mut oldest: BTreeMap<PersonId, SubjectId> = BTreeMap::new();
    for (subject, person) in subjects {
        let first = oldest.entry(*person).or_insert(subject.id);
        *first = subject.id.min(*first);
    }
    for group in &mut groups {
        let claims = oldest.iter().filter(|(_, s)| group.members.binary_search(s).is_ok());
        group.keeps = claims.map(|(person, _)| *person).min();
    }
    Ok(groups)
}

#[cfg(test)]
mod tests;
