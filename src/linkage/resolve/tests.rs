use super::*;
use crate::keys::KeyVersion;
use crate::keys::PseudonymDomain;
use crate::linkage::MatchKey;
use proptest::prelude::*;

fn pseudonym(domain: PseudonymDomain, n: u8) -> Pseudonym {
    Pseudonym::from_stored(domain, KeyVersion::FIRST, &[n; 16]).unwrap()
}

fn key(rung: Rung, n: u8) -> MatchKey {
    MatchKey { rung, key: pseudonym(rung.domain(), n) }
}

fn id(n: i64) -> SubjectId {
    SubjectId::new(n)
}

fn person(n: i64) -> PersonId {
    PersonId::new(n)
}

/// A subject as identities make them: an NHS number comes with its first rung.
fn subject(n: i64, nhs: Option<u8>, names: Option<u8>) -> Subject {
    let first = nhs.map(|v| key(Rung::NhsBirth, v));
    let second = names.map(|v| key(Rung::NamesBirthSexPostcode, v));
    Subject {
        id: id(n),
        nhs: nhs.map(|v| pseudonym(PseudonymDomain::Nhs, v)),
        keys: MatchKeys::from_stored(first.into_iter().chain(second)),
        lookups: Vec::new(),
        comparison: None,
    }
}

fn of_rule(rule: Rule) -> Rung {
    Rung::ALL.into_iter().find(|rung| rung.rule() == rule).unwrap()
}

fn persons(subjects: &[Subject]) -> Vec<Vec<i64>> {
    let numbers = |g: Group| g.members.into_iter().map(SubjectId::number).collect();
    resolve(subjects).unwrap().into_iter().map(numbers).collect()
}

#[test]
fn the_first_rung_ties_whatever_the_names() {
    let all = [subject(1, Some(1), Some(1)), subject(2, Some(1), Some(2)), subject(3, None, None)];
    assert_eq!(persons(&all), [vec![1, 2], vec![3]]);
    let links = &resolve(&all).unwrap()[0].links;
    assert_eq!(links, &[Link { subject: id(2), to: id(1), rule: Rule::NhsBirth }]);
}

#[test]
fn a_chain_by_names_then_number() {
    // 1 and 2 by names, 2 and 3 by number, 3 and 4 by other names.
    let all = [
        subject(1, None, Some(1)),
        subject(2, Some(1), Some(1)),
        subject(3, Some(1), Some(2)),
        subject(4, None, Some(2)),
    ];
    let resolved = resolve(&all).unwrap();
    assert_eq!(persons(&all), [vec![1, 2, 3, 4]]);
    let rungs: Vec<_> = resolved[0].links.iter().map(|l| (l.subject.number(), l.rule)).collect();
    let names = Rule::NamesBirthSexPostcode;
    assert_eq!(rungs, [(3, Rule::NhsBirth), (2, names), (4, names)]);
}

#[test]
fn conflicting_numbers_never_merge_and_leave_the_rest_unlinked() {
    let all = [
        subject(1, Some(1), Some(7)),
        subject(2, Some(2), Some(7)),
        subject(3, None, Some(7)),
        subject(4, None, Some(7)),
    ];
    assert_eq!(persons(&all), [vec![1], vec![2], vec![3], vec![4]]);
    assert_eq!(persons(&all[1..]), [vec![2, 3, 4]]);
}

#[test]
fn a_chain_between_two_numbers_is_not_made() {
    // As no identity today makes it, but a further rung could: 1 and 2 are one without a number.
    let tied = |n, names| {
        let keys = [key(Rung::NhsBirth, 9), key(Rung::NamesBirthSexPostcode, names)];
        Subject { nhs: None, keys: MatchKeys::from_stored(keys), ..subject(n, None, None) }
    };
    let all = [tied(1, 1), tied(2, 2), subject(3, Some(1), Some(1)), subject(4, Some(2), Some(2))];
    assert_eq!(persons(&all), [vec![1, 2], vec![3], vec![4]]);
}

#[test]
fn subjects_without_keys_stay_alone() {
    let all = [subject(1, None, None), subject(2, None, None)];
    assert_eq!(persons(&all), [vec![1], vec![2]]);
}

#[test]
fn the_size_is_capped_and_a_subject_counts_once() {
    let many: Vec<_> =
        (0..=i64::try_from(MAX_COMPONENT).unwrap()).map(|n| subject(n, None, Some(1))).collect();
    let error = resolve(&many).err();
    assert_eq!(error, Some(LinkageError::ComponentTooLarge { subjects: MAX_COMPONENT + 1 }));
    assert!(resolve(&many[1..]).is_ok());
    let twice = [subject(1, None, None), subject(1, None, Some(1))];
    assert_eq!(resolve(&twice).err(), Some(LinkageError::SubjectTwice(id(1))));
}

#[test]
fn a_newcomer_is_tied_stays_alone_or_brings_two_together() {
    let names = Rule::NamesBirthSexPostcode;
    let one = (subject(1, Some(1), Some(1)), person(10));
    let newcomer = |nhs| (subject(9, nhs, Some(1)), person(19));
    let groups = reresolve(&[one.clone(), newcomer(None)]).unwrap();
    assert_eq!((groups.len(), groups[0].keeps), (1, Some(person(10))));
    assert_eq!(groups[0].links, [Link { subject: id(9), to: id(1), rule: names }]);
    let groups = reresolve(&[one, newcomer(Some(2))]).unwrap();
    let kept: Vec<_> = groups.iter().map(|group| group.keeps).collect();
    assert_eq!(kept, [Some(person(10)), Some(person(19))]);
    let two = [(subject(1, None, Some(1)), person(10)), (subject(2, Some(1), Some(2)), person(11))];
    let groups = reresolve(&[&two[..], &[newcomer(Some(1))]].concat()).unwrap();
    assert_eq!((groups.len(), groups[0].keeps), (1, Some(person(10))));
    assert_eq!(
        groups[0].links,
        [
            Link { subject: id(9), to: id(2), rule: Rule::NhsBirth },
            Link { subject: id(9), to: id(1), rule: names },
        ]
    );
}

#[test]
fn a_second_child_of_the_same_names_splits_what_was_tied() {
    let tied = [
        (subject(1, None, Some(1)), person(10)),
        (subject(2, Some(1), Some(1)), person(10)),
        (subject(3, Some(1), Some(2)), person(10)),
    ];
    let newcomer = (subject(9, Some(2), Some(1)), person(11));
    let groups = reresolve(&[&tied[..], &[newcomer]].concat()).unwrap();
    let seen: Vec<_> = groups.iter().map(|g| (g.keeps, g.members.len(), g.links.len())).collect();
    // The oldest subject keeps the person's number.
    assert_eq!(seen, [(Some(person(10)), 1, 0), (None, 2, 1), (Some(person(11)), 1, 0)]);
    // Without the second child everything is as it was.
    let again = [tied[0].clone(), (tied[1].0.clone(), person(12)), (tied[2].0.clone(), person(12))];
    let groups = reresolve(&again).unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].keeps, Some(person(10)));
}

/// What the store keeps: subjects with their persons, changed only as resolving says.
#[derive(Default)]
struct Model {
    subjects: Vec<(Subject, PersonId)>,
    next_person: i64,
}

impl Model {
    fn new_person(&mut self) -> PersonId {
        self.next_person += 1;
        person(self.next_person)
    }

    fn touched_by(&self, newcomer: &Subject) -> Vec<(Subject, PersonId)> {
        let shares = |s: &Subject| s.keys.iter().any(|k| newcomer.keys.of(k.rung) == Some(k));
        let persons: BTreeSet<_> =
            self.subjects.iter().filter(|(s, _)| shares(s)).map(|(_, p)| *p).collect();
        self.subjects.iter().filter(|(_, p)| persons.contains(p)).cloned().collect()
    }

    /// As the gateway does it: the newcomer, as a person of its own, with all that it touches.
    fn arrive(&mut self, newcomer: Subject) {
        let mut touched = self.touched_by(&newcomer);
        let own = self.new_person();
        self.subjects.push((newcomer.clone(), own));
        touched.push((newcomer, own));
        for group in reresolve(&touched).unwrap() {
            let kept = group.keeps.unwrap_or_else(|| self.new_person());
            for (s, p) in &mut self.subjects {
                if group.members.contains(&s.id) {
                    *p = kept;
                }
            }
        }
    }

    /// The partition, by the names the subjects have outside of the model.
    fn partition(&self, names: &BTreeMap<SubjectId, usize>) -> BTreeSet<BTreeSet<usize>> {
        let mut by_person: BTreeMap<PersonId, BTreeSet<usize>> = BTreeMap::new();
        for (s, p) in &self.subjects {
            by_person.entry(*p).or_default().insert(names[&s.id]);
        }
        by_person.into_values().collect()
    }
}

fn partition(subjects: &[Subject]) -> BTreeSet<BTreeSet<SubjectId>> {
    resolve(subjects).unwrap().into_iter().map(|g| g.members.into_iter().collect()).collect()
}

/// Few numbers and names, so that chains, conflicts and ambiguity are common.
fn tuples() -> impl Strategy<Value = Vec<(Option<u8>, Option<u8>)>> {
    let some = |n: u8| prop_oneof![1 => Just(None), 2 => (0..n).prop_map(Some)];
    proptest::collection::vec((some(4), some(5)), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_same_persons_in_any_order_of_arrival(
        (tuples, order) in tuples().prop_flat_map(|t| {
            let order: Vec<usize> = (0..t.len()).collect();
            (Just(t), Just(order).prop_shuffle())
        })
    ) {
        let made = |at: usize, number: usize| {
            let (nhs, names) = tuples[at];
            subject(i64::try_from(number).unwrap(), nhs, names)
        };
        let all: Vec<_> = (0..tuples.len()).map(|at| made(at, at)).collect();
        let expected: BTreeSet<BTreeSet<usize>> = partition(&all)
            .into_iter()
            .map(|g| g.into_iter().map(|s| usize::try_from(s.number()).unwrap()).collect())
            .collect();
        // One by one, numbered as they arrive.
        let mut model = Model::default();
        let mut names = BTreeMap::new();
        for (number, at) in order.iter().enumerate() {
            names.insert(id(i64::try_from(number).unwrap()), *at);
            model.arrive(made(*at, number));
        }
        prop_assert_eq!(model.partition(&names), expected);
        // All at once, the input shuffled.
        let shuffled: Vec<_> = order.iter().map(|at| all[*at].clone()).collect();
        prop_assert_eq!(resolve(&shuffled).unwrap(), resolve(&all).unwrap());
    }

    #[test]
    fn conflicting_numbers_are_never_one_person(
        raw in proptest::collection::vec((0u8..4, 0u8..4, 0u8..5), 1..14)
    ) {
        // Keys at random, also such as no identity makes.
        let some = |v: u8| (v > 0).then_some(v);
        let all: Vec<Subject> = (0..).zip(&raw).map(|(n, (nhs, first, second))| Subject {
            id: id(n),
            nhs: some(*nhs).map(|v| pseudonym(PseudonymDomain::Nhs, v)),
            keys: MatchKeys::from_stored(
                some(*first).map(|v| key(Rung::NhsBirth, v)).into_iter()
                    .chain(some(*second).map(|v| key(Rung::NamesBirthSexPostcode, v)))),
            lookups: Vec::new(),
            comparison: None,
        }).collect();
        for group in resolve(&all).unwrap() {
            let members: Vec<_> = all.iter().filter(|s| group.members.contains(&s.id)).collect();
            let numbers: BTreeSet<_> = members.iter().filter_map(|s| s.nhs).collect();
            prop_assert!(numbers.len() <= 1);
            // Every link is true, names a younger and an older member, and none is superfluous.
            prop_assert_eq!(group.links.len() + 1, group.members.len());
            for link in &group.links {
                let of = |id| members.iter().find(|s| s.id == id).and_then(|s| s.keys.of(of_rule(link.rule)));
                prop_assert!(link.subject > link.to);
                prop_assert!(of(link.subject).is_some());
                prop_assert_eq!(of(link.subject), of(link.to));
            }
        }
    }

    #[test]
    fn taking_a_newcomer_away_undoes_what_it_did(tuples in tuples()) {
        let all: Vec<_> =
            (0..).zip(&tuples).map(|(n, (nhs, names))| subject(n, *nhs, *names)).collect();
        let before = partition(&all[..all.len() - 1]);
        let mut model = Model::default();
        for s in &all {
            model.arrive(s.clone());
        }
        model.subjects.pop();
        let after: BTreeSet<BTreeSet<SubjectId>> = reresolve(&model.subjects)
            .unwrap()
            .into_iter()
            .map(|g| g.members.into_iter().collect())
            .collect();
        prop_assert_eq!(after, before);
    }
}
