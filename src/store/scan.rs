//! The release builder's pass: persons in stored order, by key range, so that memory
//! stays bounded.
//!
//! One row a person: its events' stored forms behind one another, which both engines can put
//! together themselves; fetching row by row would cost more than all the counting. Which of them
//! count is [`Counted`]'s to say.
//!
//! All ranges of a pass are read in one transaction: in two, a batch accepted in between
//! would be counted in part, and a person who was linked to another in between twice or not
//! at all. The stored forms are taken apart by whoever counts, beside the next range's reading.

use super::{
    StoreError, Tx, births,
    consents::Unconsented,
    counted::{Counted, list},
    tx::on,
};
use crate::domain::{Event, FeedId, PersonId, SubjectId};
use std::collections::{BTreeMap, BTreeSet};

/// How many person numbers a range spans.
pub const RANGE: i64 = 8_000;

/// One person as stored.
#[derive(Debug)]
pub struct StoredPerson {
    /// Its number.
    pub person: PersonId,
    /// The subject whose sealed facts stand for the person, and those facts.
    pub facts: Option<(SubjectId, Vec<u8>)>,
    /// Whether an earlier release went by them.
    pub counted_before: bool,
    /// The stored forms of its events.
    bodies: Vec<u8>,
    /// Which of them don't count, by place, ascending.
    left_out: Vec<usize>,
}

impl StoredPerson {
    /// Its events that count.
    ///
    /// # Errors
    /// When one is corrupt.
    pub fn events(&self) -> Result<Vec<Event>, StoreError> {
        let mut rest = &*self.bodies;
        let mut events = Vec::with_capacity(rest.len() / 32 + 1);
        let mut left_out = self.left_out.iter().copied().peekable();
        for at in 0.. {
            if rest.is_empty() {
                break;
            }
            let (event, after) = Event::decode(rest).map_err(|_| corrupt(self.person.number()))?;
            if left_out.next_if_eq(&at).is_none() {
                events.push(event);
            }
            rest = after;
        }
        Ok(events)
    }
}

/// The highest person number given out.
///
/// # Errors
/// When it can't be read.
pub async fn last_person(tx: &mut Tx) -> Result<i64, StoreError> {
    let (next,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT next FROM counter WHERE name = 'person'").fetch_one(c).await)?;
    Ok(next - 1)
}

/// The persons with numbers above `after` up to `until` that have events in these feeds,
/// in order.
///
/// # Errors
/// When they can't be read.
pub async fn persons(
    tx: &mut Tx,
    feeds: &[FeedId],
    after: i64,
    until: i64,
) -> Result<Vec<StoredPerson>, StoreError> {
    let counted = Counted::read(tx, feeds, &Unconsented::default()).await?;
    counted_persons(tx, &counted, after, until).await
}

/// The persons in a range that have events that count, in order.
///
/// # Errors
/// When they can't be read.
pub async fn counted_persons(
    tx: &mut Tx,
    counted: &Counted,
    after: i64,
    until: i64,
) -> Result<Vec<StoredPerson>, StoreError> {
    let facts = facts(tx, after, until).await?;
    let kept = births::of_range(tx, (after, until), &facts).await?;
    let mut facts = facts.into_iter().peekable();
    let mut persons = Vec::new();
    let mut unsure = BTreeMap::new();
    for row in joined(tx, counted, after, until).await? {
        let mut own = Vec::new();
        while let Some((owner, subject, sealed)) = facts.next_if(|(owner, ..)| *owner <= row.person)
        {
            if owner == row.person {
                own.push((SubjectId::new(subject), sealed));
            }
        }
        let (all, left_out) = row.left_out(counted)?;
        if left_out.len() == all {
            continue;
        }
        let person = PersonId::new(row.person);
        let before = kept.facts(person, &own);
        let counted_before = before.is_some();
        let facts = match row.giver(&own, left_out.is_empty()) {
            _ if counted_before => before,
            Giver::Certain(at) => at.map(|at| own.swap_remove(at)),
            Giver::Unsure => {
                unsure.insert(row.person, (persons.len(), own));
                None
            }
        };
        let bodies = row.bodies;
        persons.push(StoredPerson { person, facts, counted_before, bodies, left_out });
    }
    let serving = serving(tx, counted, unsure.keys()).await?;
    for (person, (at, own)) in unsure {
        let mut own = own.into_iter();
        persons[at].facts = own.find(|(subject, _)| serving.contains(&(person, *subject)));
    }
    Ok(persons)
}

/// A person's events, put together.
struct Joined {
    person: i64,
    bodies: Vec<u8>,
    /// Their items, as [`Counted::counts`] reads them.
    items: String,
    /// The first and the last of the subjects they are of.
    subjects: (SubjectId, SubjectId),
}

/// Whose facts stand for a person by whose date of birth no release went yet: one counts only where
/// the identity that gave it has an event that counts; one from a batch never accepted or a consent
/// withdrawn is left out, too.
enum Giver {
    /// The place of the first of whom it is certain, or that there is none.
    Certain(Option<usize>),
    /// It takes a look at each event.
    Unsure,
}

impl Joined {
    /// How many events there are, and which of them don't count.
    fn left_out(&self, counted: &Counted) -> Result<(usize, Vec<usize>), StoreError> {
        let (mut all, mut left_out) = (0, Vec::new());
        for item in self.items.split(',') {
            if !counted.counts(item)? {
                left_out.push(all);
            }
            all += 1;
        }
        Ok((all, left_out))
    }

    /// Who of those that have facts, the oldest first, gives the person's; `whole` where all
    /// events count.
    fn giver(&self, own: &[(SubjectId, Vec<u8>)], whole: bool) -> Giver {
        let (first, last) = self.subjects;
        for (at, (subject, _)) in own.iter().enumerate() {
            if (first..=last).contains(subject) {
                let has_one = (*subject == first || *subject == last) && (whole || first == last);
                return if has_one { Giver::Certain(Some(at)) } else { Giver::Unsure };
            }
        }
        Giver::Certain(None)
    }
}

/// The persons of a range with what SQL lets count.
async fn joined(
    tx: &mut Tx,
    counted: &Counted,
    after: i64,
    until: i64,
) -> Result<Vec<Joined>, StoreError> {
    let item = counted.item();
    // SQLite puts texts together and gives them back as the bytes they were.
    let (bodies, items) = if tx.is_sqlite() {
        ("group_concat(CAST(e.body AS TEXT), '')".to_owned(), format!("group_concat({item}, ',')"))
    } else {
        let order = "ORDER BY e.event_number, e.role";
        (
            format!("string_agg(e.body, ''::BYTEA {order})"),
            format!("string_agg({item}, ',' {order})"),
        )
    };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT e.person_id, {bodies}, {items}, MIN(e.subject_id), MAX(e.subject_id) FROM event e \
         WHERE e.person_id > $1 AND e.person_id <= $2 AND {} \
         GROUP BY e.person_id ORDER BY e.person_id",
        counted.by_person()
    ));
    let rows: Vec<(i64, Vec<u8>, String, i64, i64)> =
        on!(tx, c => sqlx::query_as(sql).bind(after).bind(until).fetch_all(c).await)?;
    let joined = rows.into_iter().map(|(person, bodies, items, first, last)| {
        let subjects = (SubjectId::new(first), SubjectId::new(last));
        Joined { person, bodies, items, subjects }
    });
    Ok(joined.collect())
}

/// Which subjects of these persons have an event that counts.
async fn serving(
    tx: &mut Tx,
    counted: &Counted,
    persons: impl Iterator<Item = &i64>,
) -> Result<BTreeSet<(i64, SubjectId)>, StoreError> {
    let mut serving = BTreeSet::new();
    let persons = list(persons.copied());
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT e.person_id, e.subject_id, CAST({} AS TEXT) FROM event e \
         WHERE e.person_id IN ({persons}) AND {}",
        counted.item(),
        counted.by_person()
    ));
    let rows: Vec<(i64, i64, String)> = on!(tx, c => sqlx::query_as(sql).fetch_all(c).await)?;
    for (person, subject, item) in rows {
        if counted.counts(&item)? {
            serving.insert((person, SubjectId::new(subject)));
        }
    }
    Ok(serving)
}

/// Every counted event of some feeds that is about a record's principal, in no order: for
/// small feeds, whose records decide something before the pass.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn principal_events(
    tx: &mut Tx,
    feeds: &[FeedId],
    unconsented: &Unconsented,
) -> Result<Vec<Event>, StoreError> {
    let counted = Counted::read(tx, feeds, unconsented).await?;
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT e.person_id, e.body, CAST({} AS TEXT) FROM event e WHERE e.role = 0 AND {}",
        counted.item(),
        counted.by_batch()
    ));
    let rows: Vec<(i64, Vec<u8>, String)> = on!(tx, c => sqlx::query_as(sql).fetch_all(c).await)?;
    let mut events = Vec::new();
    for (person, body, item) in rows {
        if counted.counts(&item)? {
            match Event::decode(&body) {
                Ok((event, [])) => events.push(event),
                _ => return Err(corrupt(person)),
            }
        }
    }
    Ok(events)
}

/// The sealed facts of each person's subjects that have any, the oldest first.
async fn facts(
    tx: &mut Tx,
    after: i64,
    until: i64,
) -> Result<Vec<(i64, i64, Vec<u8>)>, StoreError> {
    Ok(on!(tx, c => sqlx::query_as(
        "SELECT person_id, subject_id, facts FROM subject \
         WHERE person_id > $1 AND person_id <= $2 AND facts IS NOT NULL \
         ORDER BY person_id, subject_id").bind(after).bind(until).fetch_all(c).await)?)
}

const fn corrupt(person: i64) -> StoreError {
    StoreError::Corrupt { table: "event", column: "body", row: person }
}
