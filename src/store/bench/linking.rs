//! Subjects and their keys, filled in bulk and written bare.

use super::{BareKey, StoredSubject, begin, look, rows::Rows, subjects as written};
use crate::store::{Store, StoreError};

/// Rows of one transaction while a store is filled.
const FILL_ROWS: usize = 50_000;

/// Fills an empty store with subjects, in the order of their numbers: keys are sorted first and the
/// index over subjects is made at the end, so that nothing is written at random.
pub async fn fill_keys(store: &Store, mut keys: Vec<BareKey>) -> Result<(), StoreError> {
    let mut tx = begin(store).await?;
    tx.run("DROP INDEX subject_key_by_subject").await?;
    tx.commit().await?;
    keys.sort_unstable();
    for some in keys.chunks(FILL_ROWS) {
        let mut tx = begin(store).await?;
        written::key_table(some).insert(&mut tx).await?;
        tx.commit().await?;
    }
    drop(keys);
    let mut tx = begin(store).await?;
    tx.run("CREATE INDEX subject_key_by_subject ON subject_key (subject_id)").await?;
    tx.commit().await
}

/// Adds subjects without their keys, and lets the next ones be numbered after them.
///
/// # Errors
/// When the engine refuses.
pub async fn fill_subjects(store: &Store, subjects: &[StoredSubject]) -> Result<(), StoreError> {
    let mut tx = begin(store).await?;
    written::table(subjects).insert(&mut tx).await?;
    for counter in ["subject", "person"] {
        tx.take_numbers(counter, subjects.len()).await?;
    }
    tx.commit().await
}

/// What linking left of the subjects from one number up to another.
#[derive(Debug)]
pub struct Linked(Vec<Rows>);

/// The rows of the subjects whose numbers lie in a range, its end left out.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn linked(store: &Store, range: std::ops::Range<i64>) -> Result<Linked, StoreError> {
    let mut tx = look(store).await?;
    let subjects = written::between(&mut tx, range.start, range.end).await?;
    let keys = written::keys_between(&mut tx, range.start, range.end).await?;
    Ok(Linked(vec![written::table(&subjects), written::key_table(&keys)]))
}

/// Writes them in one durable transaction, and nothing else.
///
/// # Errors
/// When the engine refuses.
pub async fn write_linked(store: &Store, linked: &Linked) -> Result<(), StoreError> {
    let mut tx = begin(store).await?;
    for rows in &linked.0 {
        rows.insert(&mut tx).await?;
    }
    tx.commit().await
}
