//! What a store holds, read through the keys: the same before a rotation and after it.

use super::*;

/// What a store holds, without what rotation changes.
#[derive(PartialEq, Eq)]
pub(super) struct Content {
    /// Each person: its identities, and its records with what they say.
    persons: Vec<(BTreeSet<[u8; 16]>, Vec<Record>)>,
    /// What a release would count of each person.
    counted: Vec<(Option<i32>, Vec<Vec<u8>>)>,
    /// Every consent with its state.
    consents: BTreeMap<[u8; 16], (u8, i32)>,
    subjects: usize,
}

/// Feed, record key, role, consent, and the event's stored form.
type Record = (i64, [u8; 16], i64, Option<[u8; 16]>, Vec<u8>);

/// Person, number and role; consent; stored form.
type ReadEvent = ((i64, i64, i64), Option<[u8; 16]>, Vec<u8>);

/// Reads a store through every version of a key file, as under its newest.
pub(super) struct Reader {
    with: Pseudonymiser,
    sealer: Sealer,
    newest: KeyVersion,
    versions: Vec<KeyVersion>,
}

impl Reader {
    pub(super) fn new(key_file: &Path) -> Self {
        let keys = MasterKeys::load(key_file).unwrap();
        Self {
            with: Pseudonymiser::new(&keys).unwrap(),
            sealer: Sealer::new(&keys).unwrap(),
            newest: keys.newest(),
            versions: keys.versions().collect(),
        }
    }

    pub(super) fn key(&self, domain: PseudonymDomain, of: KeyVersion, key: &[u8; 16]) -> [u8; 16] {
        let stored = Pseudonym::from_stored(domain, of, key).unwrap();
        *self.with.rewrap(&stored, self.newest).unwrap().as_bytes()
    }

    pub(super) fn body(&self, of: KeyVersion, body: &[u8]) -> Vec<u8> {
        let (mut event, _) = Event::decode(body).unwrap();
        let fields = event.record_type.definition().payload;
        for (field, value) in &mut event.values {
            if let Value::Key(key) = value {
                let domain = match fields[usize::from(*field)].kind {
                    FieldKind::ProviderReference => PseudonymDomain::Provider,
                    _ => PseudonymDomain::Case,
                };
                *key = self.key(domain, of, key);
            }
        }
        let mut body = Vec::new();
        event.encode(&mut body);
        body
    }

    pub(super) async fn content(&self, store: &Store) -> Content {
        let mut tx = store.read(Rights::Keys).await.unwrap();
        let mut consents = BTreeMap::new();
        let (start, all) = (Progress::default(), usize::MAX);
        let mut events = Vec::new();
        let mut sent = Vec::new();
        let mut ids = BTreeMap::new();
        for &version in self.versions.iter().chain(&[KeyVersion::new(0)]) {
            for event in rewrap::events(&mut tx, version, &start, all).await.unwrap() {
                let consent =
                    event.consent.map(|c| self.key(PseudonymDomain::Consent, version, &c));
                let body = match version.number() {
                    0 => event.body,
                    _ => self.body(version, &event.body),
                };
                events.push((event.place, consent, body));
            }
            for (feed, key) in rewrap::sent(&mut tx, version, &start, all).await.unwrap() {
                sent.push((version, feed, key));
            }
            for subject in rewrap::subjects(&mut tx, version, &start, all).await.unwrap() {
                let (_, identity, _) = subject.keys.iter().find(|(rung, ..)| *rung == 0).unwrap();
                let identity = self.key(PseudonymDomain::Subject, version, identity);
                for (rung, key, _) in &subject.keys {
                    if let Some(rung) = Rung::from_number(*rung) {
                        self.key(rung.domain(), version, key);
                    }
                }
                ids.insert(subject.id, identity);
            }
            for entry in rewrap::consents(&mut tx, version, &start, all).await.unwrap() {
                let key = self.key(PseudonymDomain::Consent, version, &entry.key);
                let state = (entry.state, entry.recorded_on);
                let other = consents.insert(key, state);
                assert!(other.is_none_or(|other| other == state), "one consent, two states");
            }
        }
        drop(tx);
        let numbers = self.numbers(store, sent).await;
        let persons = self.persons(store, &numbers, events, &ids).await;
        Content { persons, counted: self.counted(store).await, consents, subjects: ids.len() }
    }

    /// The feed and key of each accepted record by its number.
    pub(super) async fn numbers(
        &self,
        store: &Store,
        sent: Vec<(KeyVersion, tallygate::domain::FeedId, [u8; 16])>,
    ) -> BTreeMap<i64, (i64, [u8; 16])> {
        let mut tx = store.read(Rights::Intake).await.unwrap();
        let mut numbers = BTreeMap::new();
        for (version, feed, key) in sent {
            let found = records::sent(&mut tx, feed, &[key]).await.unwrap()[&key];
            if found.accepted {
                let key = self.key(PseudonymDomain::Record, version, &key);
                let before = numbers.insert(found.event_number, (feed.number(), key));
                assert!(before.is_none(), "one number, two records");
            }
        }
        let distinct: BTreeSet<_> = numbers.values().collect();
        assert_eq!(distinct.len(), numbers.len(), "a record was taken twice");
        numbers
    }

    pub(super) async fn persons(
        &self,
        store: &Store,
        numbers: &BTreeMap<i64, (i64, [u8; 16])>,
        events: Vec<ReadEvent>,
        ids: &BTreeMap<tallygate::domain::SubjectId, [u8; 16]>,
    ) -> Vec<(BTreeSet<[u8; 16]>, Vec<Record>)> {
        let mut tx = store.read(Rights::Intake).await.unwrap();
        let mut persons: BTreeMap<i64, (BTreeSet<[u8; 16]>, Vec<Record>)> = BTreeMap::new();
        let everybody: Vec<PersonId> = (1..40_000).map(PersonId::new).collect();
        for subject in subjects::of_persons(&mut tx, &everybody).await.unwrap() {
            persons.entry(subject.person.number()).or_default().0.insert(ids[&subject.id]);
        }
        for ((person, number, role), consent, body) in events {
            if let Some((feed, key)) = numbers.get(&number) {
                let records = &mut persons.entry(person).or_default().1;
                records.push((*feed, *key, role, consent, body));
            }
        }
        let mut persons: Vec<_> = persons.into_values().collect();
        persons.iter_mut().for_each(|(_, records)| records.sort());
        persons.sort();
        persons
    }

    /// What a release builder reads.
    pub(super) async fn counted(&self, store: &Store) -> Vec<(Option<i32>, Vec<Vec<u8>>)> {
        let mut tx = store.read(Rights::Release).await.unwrap();
        let feeds: Vec<_> = feeds::all(&mut tx).await.unwrap().into_iter().map(|f| f.0).collect();
        let last = scan::last_person(&mut tx).await.unwrap();
        let mut counted = Vec::new();
        for person in scan::persons(&mut tx, &feeds, 0, last).await.unwrap() {
            let birth = person.facts.as_ref().and_then(|(subject, sealed)| {
                let row = subject.number();
                let cell = Cell { table: "subject", column: "facts", row };
                Facts::open(cell, &self.sealer, sealed).unwrap().birth
            });
            let bodies = person.events().unwrap().into_iter().map(|mut event| {
                event.values.retain(|(_, value)| !matches!(value, Value::Key(_)));
                let mut body = Vec::new();
                event.encode(&mut body);
                body
            });
            let mut bodies: Vec<_> = bodies.collect();
            bodies.sort();
            counted.push((birth.map(|birth| birth.days_until(0)), bodies));
        }
        counted.sort();
        assert!(counted.len() > 50 && Role::Principal.number() == 0);
        counted
    }
}

impl Content {
    pub(super) fn is_as(&self, other: &Self) {
        assert_eq!(self.subjects, other.subjects);
        assert_eq!(self.persons.len(), other.persons.len());
        assert!(self.persons == other.persons, "other persons, links or records");
        assert!(self.counted == other.counted, "a release would count something else");
        assert!(self.consents == other.consents, "other consents");
    }
}
