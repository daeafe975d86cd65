//! Linking: records' identities into a store of many persons, as intake does it (found by the
//! identity as a whole, else by match keys, resolved, written durably); beside a bare loop that
//! writes the rows that this left, into a store of the same size.
//!
//! Two kinds of records. New: every one of somebody else. Mixed, as the demo's: most are of
//! identities seen before, some of persons known by another identity (a move, no NHS number),
//! some of new persons. Keying is done before each batch and is not in the time: in a gateway it
//! goes on beside the batch that is being stored.
//!
//! The persons are invented: one identity each, with every key that the ladder makes of it.

use super::{
    BenchError, Row,
    sample::{Memory, Sample, rate, row},
    site::Scratch,
};
use crate::{
    domain::{PartnerId, row::Sex, time::days_after},
    gateway::link_identities,
    identity::Clock,
    keys::{
        BirthDate, Cell, IdentifierKind, KeyVersion, KeysInUse, MasterKeys, Pseudonym,
        RawIdentifier, RawText, VersionState, Versions,
    },
    linkage::{KeyedIdentity, RawIdentity, Sender},
    server::system_rng,
    store::{
        Rights, Store,
        bench::{BareKey, StoredSubject, linking as bare},
        subjects,
    },
};
use jiff::civil::{Date, date};
use rand::rngs::StdRng;
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// Records of a batch.
const BATCH: u64 = 1_000;
/// Persons that are made at once while a store is filled.
const CHUNK: u64 = 20_000;
/// Of a hundred records of the mix: of an identity seen before, of a known person by another one;
/// the rest are of new persons. As in the demo's files (`synth`).
const SEEN: u64 = 80;
const OTHERWISE: u64 = 10;
/// The persons' dates of birth: five years up to here.
const BORN_FROM: Date = date(2021, 1, 1);

/// Persons that share a postcode, and a surname; forenames are made apart from surnames.
const PERSONS_A_POSTCODE: u64 = 5;
const PERSONS_A_SURNAME: u64 = 400;
const OTHER_NAMES: u64 = 1_000_000_000;

/// How a person is written.
#[derive(Clone, Copy)]
enum Form {
    /// As when the store was filled.
    Same,
    /// At another address.
    Moved,
    /// Without the NHS number.
    Numberless,
}

/// Makes up identities.
struct Inventor {
    keys: KeysInUse,
    partner: PartnerId,
    record: Pseudonym,
}

impl Inventor {
    fn new(rng: &mut StdRng) -> Result<Self, BenchError> {
        let keys = MasterKeys::generate(rng);
        let first = KeyVersion::FIRST;
        let all = vec![(first, VersionState::Current, keys.check_value(first)?)];
        let prf = keys.prf();
        let keys = KeysInUse::new(keys, Versions { number: 1, prf, all })?;
        let partner: PartnerId = "health".parse()?;
        let kind = IdentifierKind::Record { partner: &partner, record_type: "health_review" };
        let record = RawIdentifier::new("R-1".to_owned()).pseudonymise(kind, &keys.pseudonymiser);
        Ok(Self { keys, partner, record })
    }

    /// A person by its number; no two share a key but for what [`Form`] says.
    fn identity(&self, person: u64, form: Form) -> Result<KeyedIdentity, BenchError> {
        let days = i32::try_from(person % 1_826).unwrap_or_default();
        let postcode = match form {
            Form::Moved => postcode(person / PERSONS_A_POSTCODE + 7),
            _ => postcode(person / PERSONS_A_POSTCODE),
        };
        let number = format!("999{person:07}");
        let raw = RawIdentity {
            nhs_number: (!matches!(form, Form::Numberless)).then(|| RawIdentifier::new(number)),
            surname: Some(RawText::new(name(person / PERSONS_A_SURNAME))),
            forename: Some(RawText::new(name(person + OTHER_NAMES))),
            birth: Some(BirthDate::new(days_after(BORN_FROM, days))),
            sex: Some(if person.is_multiple_of(2) { Sex::Male } else { Sex::Female }),
            postcode: Some(RawText::new(postcode)),
            ..RawIdentity::default()
        };
        let sender = Sender { partner: &self.partner, record: &self.record, position: 0 };
        Ok(raw.pseudonymise(sender, &self.keys.pseudonymiser)?)
    }

    /// A store of so many persons. Opened anew once it is full: what filling it held must not
    /// show in what linking needs.
    async fn filled(
        &self,
        scratch: &mut Scratch,
        name: &str,
        persons: u64,
        rng: &mut StdRng,
    ) -> Result<Store, BenchError> {
        let at = scratch.database(name).await?;
        let store = scratch.store_at(&at).await?;
        self.fill(&store, persons, rng).await?;
        store.close().await;
        drop(store);
        Ok(Store::open(&at).await?)
    }

    /// Fills a store with persons numbered from 1.
    async fn fill(&self, store: &Store, persons: u64, rng: &mut StdRng) -> Result<(), BenchError> {
        let mut keys: Vec<BareKey> = Vec::new();
        for first in (0..persons).step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX)) {
            let mut subjects: Vec<StoredSubject> = Vec::new();
            for person in first..persons.min(first + CHUNK) {
                let identity = self.identity(person, Form::Same)?;
                // Persons of a bench are far fewer than 2^63.
                let id = i64::try_from(person).unwrap_or(i64::MAX - 1) + 1;
                let cell = Cell { table: "subject", column: "facts", row: id };
                let facts = identity.facts.seal(cell, &self.keys.sealer, rng)?;
                let cell = Cell { table: "subject", column: "comparison", row: id };
                let plain = identity.comparison.to_bytes();
                let comparison = self.keys.sealer.seal(cell, &plain, rng)?;
                subjects.push(StoredSubject {
                    subject: id,
                    person: id,
                    own_person: id,
                    nhs: identity.nhs.as_ref().map(|nhs| nhs.as_bytes().to_vec()),
                    facts,
                    comparison: Some(comparison),
                    link: [0; 3],
                });
                keys.push((*identity.fingerprint.as_bytes(), id, 0));
                let own = identity.match_keys.iter();
                keys.extend(own.map(|key| (*key.key.as_bytes(), id, i64::from(key.rung.number()))));
                let own = identity.lookups.iter();
                keys.extend(own.map(|(by, key)| (*key.as_bytes(), id, i64::from(by.number()))));
            }
            bare::fill_subjects(store, &subjects).await?;
        }
        Ok(bare::fill_keys(store, keys).await?)
    }

    /// Links records as intake does, and tells which subjects each batch added.
    async fn link(
        &self,
        store: &Store,
        records: u64,
        of: impl Fn(u64) -> (u64, Form),
        rng: &mut StdRng,
    ) -> Result<(Sample, Vec<Range<i64>>), BenchError> {
        let (mut sample, mut added) = (Sample::default(), Vec::new());
        let mut next = self.next_subject(store).await?;
        for first in (0..records).step_by(usize::try_from(BATCH).unwrap_or(usize::MAX)) {
            let identities: Vec<KeyedIdentity> = (first..records.min(first + BATCH))
                .map(&of)
                .map(|(person, form)| self.identity(person, form))
                .collect::<Result<_, BenchError>>()?;
            let all: Vec<&KeyedIdentity> = identities.iter().collect();
            let begun = Instant::now();
            let mut tx = store.transact(Rights::Intake).await?;
            subjects::link_alone(&mut tx).await?;
            link_identities(&self.keys, &mut tx, &all, rng).await?;
            tx.commit().await?;
            let took = begun.elapsed();
            sample.elapsed += took;
            sample.calls.push(took);
            let after = self.next_subject(store).await?;
            added.push(next..after);
            next = after;
        }
        Ok((sample, added))
    }

    /// The number that the next subject gets, with a number used up: these need not be dense.
    async fn next_subject(&self, store: &Store) -> Result<i64, BenchError> {
        let mut tx = store.transact(Rights::Intake).await?;
        let next = subjects::take_subject_numbers(&mut tx, 1).await?;
        tx.commit().await?;
        Ok(next + 1)
    }
}

/// A name that no other number below 2^32 gives, and that is like none near it.
fn name(number: u64) -> String {
    // An odd factor: no two numbers have one product.
    let mut rest = number.wrapping_mul(2_654_435_769) & 0xffff_ffff;
    let (consonants, vowels) = (b"bdfgklmnprstvzhj", b"aeio");
    let mut name = String::new();
    for _ in 0..6 {
        let at = usize::try_from(rest & 63).unwrap_or_default();
        name.push(char::from(consonants[at & 15]));
        name.push(char::from(vowels[at >> 4]));
        rest >>= 6;
    }
    name
}

/// A postcode of some persons that live together or near.
fn postcode(number: u64) -> String {
    let letters = b"ABDEFGHJLNPQRSTUWXYZ";
    let letter = |of: u64| char::from(letters[usize::try_from(of % 20).unwrap_or_default()]);
    let (unit, rest) = (number % 400, number / 400);
    let (sector, rest) = (rest % 10, rest / 10);
    let (district, area) = (1 + rest % 9, rest / 9);
    format!(
        "{}{}{district} {sector}{}{}",
        letter(area / 20),
        letter(area),
        letter(unit / 20),
        letter(unit)
    )
}

pub(super) async fn measure(
    scratch: &mut Scratch,
    _clock: &std::sync::Arc<dyn Clock>,
    persons: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    let mut rng = system_rng();
    let inventor = Inventor::new(&mut rng)?;
    let records = persons.div_ceil(2);
    let mut rows = Vec::new();
    for (name, database) in [("linking_new", "linking_new"), ("linking_mix", "linking_mix")] {
        let mixed = name == "linking_mix";
        say(&format!("{name}: filling two stores with {persons} persons each"));
        let store = inventor.filled(scratch, database, persons, &mut rng).await?;
        let empty = format!("{database}_bare");
        let empty = inventor.filled(scratch, &empty, persons, &mut rng).await?;
        say(&format!("{name}: linking {records} records"));
        let of = |record: u64| match record * 37 % 100 {
            _ if !mixed => (persons + record, Form::Same),
            kind if kind < SEEN => (record * 7_919 % persons, Form::Same),
            kind if kind < SEEN + OTHERWISE / 2 => (record * 7_919 % persons, Form::Moved),
            kind if kind < SEEN + OTHERWISE => (record * 7_919 % persons, Form::Numberless),
            _ => (persons + record, Form::Same),
        };
        let memory = Memory::settled().await;
        let (sample, added) = inventor.link(&store, records, of, &mut rng).await?;
        let peak = memory.peak_mib();
        say(&format!("{name}: the bare loop writes the same rows"));
        let limit = write_bare(&store, &empty, added).await?;
        let figures = (rate(records, sample.elapsed), rate(records, limit));
        rows.push(row((name, "records/s"), scratch.engine(), figures, &sample, peak));
        store.close().await;
        empty.close().await;
    }
    Ok(rows)
}

/// The limit: what each batch added, one transaction each. Reading it is not in the time.
async fn write_bare(
    from: &Store,
    into: &Store,
    added: Vec<Range<i64>>,
) -> Result<Duration, BenchError> {
    let mut took = Duration::ZERO;
    for range in added {
        let linked = bare::linked(from, range).await?;
        let begun = Instant::now();
        bare::write_linked(into, &linked).await?;
        took += begun.elapsed();
    }
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn persons_share_no_key_and_forms_share_one() {
        let inventor = Inventor::new(&mut system_rng()).unwrap();
        let keys = |person, form| -> BTreeSet<[u8; 16]> {
            let identity = inventor.identity(person, form).unwrap();
            identity.match_keys.iter().map(|key| *key.key.as_bytes()).collect()
        };
        let mut seen = BTreeSet::new();
        for person in 0..200 {
            let own = keys(person, Form::Same);
            assert!(own.iter().all(|key| seen.insert(*key)), "{person}");
            for form in [Form::Moved, Form::Numberless] {
                assert!(!own.is_disjoint(&keys(person, form)));
                assert_ne!(own, keys(person, form));
            }
        }
        let names: BTreeSet<String> = (0..20_000).map(name).collect();
        assert_eq!(names.len(), 20_000);
        let postcodes: BTreeSet<String> = (0..20_000).map(postcode).collect();
        assert_eq!(postcodes.len(), 20_000);
    }
}
