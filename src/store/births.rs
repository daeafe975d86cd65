//! By whose date of birth the releases go for a person: once one of them has, all later ones do.
//!
//! Why: the ledger charges a life, which a date of birth fixes ([`crate::disclosure`]), and nobody is
//! of one age twice in a life. With a date that is corrected before each close a child could be a
//! newborn again and again, in tables that are charged once. So the transaction that freezes a
//! release keeps which identity gave each person's date, and that identity's sealed facts go on to
//! stand for the person when its records were corrected, withdrawn or undone since. A correction
//! that comes before the first close counts; a later one corrects the record, the report to the
//! subject and the links, and no age of a figure.
//!
//! It is kept by identity and not by person, as persons are joined and parted: what moves takes it
//! along, and what stays behind keeps it ([`carry`]). Of several that come together the earliest
//! holds. The date itself stays where it is, sealed with the identity, so that a change of keys and
//! an erasure reach it. An identity that is erased or let go takes its mark with it: what remains of
//! the person goes by another's date from then on, and that the ledger does not charge. Nor does it
//! charge that somebody of no known age, counted as an adult till then, is told one, once.

use super::{
    StoreError, Tx,
    bulk::{self, Among, Column::Integers},
    tx::on,
};
use crate::domain::{PersonId, Quarter, SubjectId};
use std::collections::{BTreeMap, HashSet};

/// By whom the releases went for the persons of a range.
pub(super) struct Kept {
    /// Who gave it, the earliest close first.
    givers: BTreeMap<i64, Vec<SubjectId>>,
    /// The facts of those who are another person's now.
    elsewhere: BTreeMap<SubjectId, Vec<u8>>,
}

impl Kept {
    /// The facts that releases went by for a person whose identities have these; `None` where none
    /// did, or who gave them is gone.
    pub(super) fn facts(
        &self,
        person: PersonId,
        own: &[(SubjectId, Vec<u8>)],
    ) -> Option<(SubjectId, Vec<u8>)> {
        self.givers.get(&person.number())?.iter().find_map(|giver| {
            let here = own.iter().find(|(subject, _)| subject == giver).map(|(_, sealed)| sealed);
            Some((*giver, here.or_else(|| self.elsewhere.get(giver))?.clone()))
        })
    }
}

/// What is kept of the persons with numbers above one up to another, whose facts are given as
/// person, subject, sealed.
///
/// # Errors
/// When it can't be read.
pub(super) async fn of_range(
    tx: &mut Tx,
    (after, until): (i64, i64),
    facts: &[(i64, i64, Vec<u8>)],
) -> Result<Kept, StoreError> {
    let rows: Vec<(i64, i64)> = on!(&mut *tx, c => sqlx::query_as(
        "SELECT s.person_id, b.giver_id FROM subject s \
         JOIN counted_birth b ON b.subject_id = s.subject_id \
         WHERE s.person_id > $1 AND s.person_id <= $2 \
         ORDER BY s.person_id, b.close, b.giver_id").bind(after).bind(until).fetch_all(c).await)?;
    let own: HashSet<(i64, i64)> =
        facts.iter().map(|(owner, subject, _)| (*owner, *subject)).collect();
    let mut givers: BTreeMap<i64, Vec<SubjectId>> = BTreeMap::new();
    let mut missing = Vec::new();
    for (person, giver) in rows {
        givers.entry(person).or_default().push(SubjectId::new(giver));
        if !own.contains(&(person, giver)) {
            missing.push(giver);
        }
    }
    let found: Vec<(Vec<u8>, i64)> = bulk::select(
        tx,
        "SELECT facts, subject_id FROM subject WHERE facts IS NOT NULL AND subject_id",
        None,
        &Among::Numbers(&missing),
        "",
    )
    .await?;
    let elsewhere = found.into_iter().map(|(sealed, giver)| (SubjectId::new(giver), sealed));
    Ok(Kept { givers, elsewhere: elsewhere.collect() })
}

/// Keeps who gave persons' dates of birth to a release, for those by whom none went before.
pub(super) async fn keep(
    tx: &mut Tx,
    quarter: Quarter,
    givers: &[SubjectId],
) -> Result<(), StoreError> {
    let numbers = || Integers(givers.iter().map(|giver| giver.number()).collect());
    let close = i64::from(quarter.year()) * 4 + i64::from(quarter.number());
    let columns = [
        ("subject_id", numbers()),
        ("giver_id", numbers()),
        ("close", Integers(vec![close; givers.len()])),
    ];
    bulk::insert(tx, "counted_birth", &columns, "ON CONFLICT DO NOTHING").await.map(drop)
}

/// A person is about to be parted: by whom releases went for it is kept with each of its
/// identities, whoever goes and whoever stays.
///
/// # Errors
/// When it can't be written.
pub(super) async fn carry(tx: &mut Tx, person: PersonId) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "INSERT INTO counted_birth (subject_id, giver_id, close) \
         SELECT s.subject_id, f.giver_id, f.close FROM subject s \
         JOIN (SELECT b.giver_id, b.close FROM subject o \
               JOIN counted_birth b ON b.subject_id = o.subject_id WHERE o.person_id = $1 \
               ORDER BY b.close, b.giver_id LIMIT 1) f ON 1 = 1 \
         WHERE s.person_id = $2 ON CONFLICT DO NOTHING")
        .bind(person.number()).bind(person.number()).execute(c).await.map(drop))?;
    Ok(())
}
