//! Faults made to order, for tests: a statement, a commit or the beginning of a transaction
//! that fails, or that is done and reported as failed.
//!
//! A test arms the [`Faults`] of a store for transactions of some [`Rights`]; the hooks in
//! `Tx` and `on!` count the steps of whichever task begins one, and spoil those that are due.
//! On PostgreSQL a refused statement is followed by one that really fails, so that the
//! transaction is in the state in which the engine leaves it.

mod away;
mod steps;
pub(crate) mod world;

use super::{Rights, Store, StoreError, Tx, tx::on};
use sqlx::{
    Postgres, Transaction,
    error::{DatabaseError, ErrorKind},
};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    error::Error,
    fmt, io,
    sync::{Arc, Mutex},
};
use tokio::task;

/// What is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// The engine refused.
    Refused,
    /// The connection broke.
    Lost,
}

/// A step that is to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its number since the faults were armed, from 0.
    pub(crate) step: usize,
    /// What is reported.
    pub(crate) report: Report,
    /// Whether it is done all the same.
    pub(crate) done: bool,
}

#[derive(Default)]
struct Plan {
    rights: Option<Rights>,
    due: Vec<Fault>,
    steps: Vec<String>,
}

/// The faults of one store.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Plan>>);

/// Whose steps the running tasks take, and how a task's next one is called.
static TASKS: Mutex<BTreeMap<task::Id, (Faults, Option<&'static str>)>> =
    Mutex::new(BTreeMap::new());

impl Faults {
    /// From now on the steps of such transactions are counted, and these are spoilt.
    pub(crate) fn arm(&self, rights: Rights, due: Vec<Fault>) {
        *self.0.lock().unwrap() = Plan { rights: Some(rights), due, steps: Vec::new() };
    }

    /// Lets everything pass again; the steps that were taken.
    pub(crate) fn disarm(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap()).steps
    }

    /// A transaction begins.
    pub(super) fn begin(&self, rights: Rights, step: &str) -> Result<(), StoreError> {
        let Some(id) = task::try_id() else { return Ok(()) };
        if self.0.lock().unwrap().rights == Some(rights) {
            TASKS.lock().unwrap().insert(id, (self.clone(), None));
            // Begun and reported as failed is the same as not begun.
            if let Some(due) = self.take(step) {
                return Err(error(due.report).into());
            }
        } else {
            TASKS.lock().unwrap().remove(&id);
        }
        Ok(())
    }

    fn take(&self, step: &str) -> Option<Fault> {
        let mut plan = self.0.lock().unwrap();
        plan.rights?;
        let number = plan.steps.len();
        plan.steps.push(short(step));
        plan.due.iter().copied().find(|fault| fault.step == number)
    }
}

/// What the statement does, without its values.
fn short(body: &str) -> String {
    let sql = body.split('"').nth(1).unwrap_or(body);
    let end = sql.find(" (").into_iter().chain(sql.find(" =")).min().unwrap_or(sql.len());
    sql[..end].trim().to_owned()
}

/// Calls the task's next step by its SQL, where the program hands that on as a value.
pub(super) fn name(sql: &'static str) {
    let Some(id) = task::try_id() else { return };
    if let Some((_, name)) = TASKS.lock().unwrap().get_mut(&id) {
        *name = Some(sql);
    }
}

/// A step of the running task begins: fails where it is to fail undone, or tells that it is
/// to be reported as failed.
pub(super) fn before(body: &str) -> Result<Option<Fault>, sqlx::Error> {
    let Some(id) = task::try_id() else { return Ok(None) };
    let mine =
        TASKS.lock().unwrap().get_mut(&id).map(|(faults, name)| (faults.clone(), name.take()));
    let Some((faults, name)) = mine else { return Ok(None) };
    match faults.take(name.unwrap_or(body)) {
        Some(due) if !due.done => Err(error(due.report)),
        due => Ok(due),
    }
}

/// A step was done.
pub(super) fn after(due: Option<Fault>) -> Result<(), sqlx::Error> {
    due.map_or(Ok(()), |due| Err(error(due.report)))
}

/// [`before`], for statements that are put together.
pub(super) async fn before_bulk(tx: &mut Tx, sql: &str) -> Result<Option<Fault>, sqlx::Error> {
    match tx {
        Tx::Sqlite(_) => before(sql),
        Tx::Postgres(tx) => before_on_postgres(tx, sql).await,
    }
}

/// [`after`], for statements that are put together.
pub(super) async fn after_bulk(tx: &mut Tx, due: Option<Fault>) -> Result<(), sqlx::Error> {
    match tx {
        Tx::Sqlite(_) => after(due),
        Tx::Postgres(tx) => after_on_postgres(tx, due).await,
    }
}

/// [`before`], for statements that only PostgreSQL has.
pub(super) async fn before_on_postgres(
    tx: &mut Transaction<'static, Postgres>,
    sql: &str,
) -> Result<Option<Fault>, sqlx::Error> {
    match before(sql) {
        Err(error) => Err(spoil(tx, error).await),
        due => due,
    }
}

/// [`after`], for statements that only PostgreSQL has.
pub(super) async fn after_on_postgres(
    tx: &mut Transaction<'static, Postgres>,
    due: Option<Fault>,
) -> Result<(), sqlx::Error> {
    match after(due) {
        Err(error) => Err(spoil(tx, error).await),
        done => done,
    }
}

/// Brings PostgreSQL into the state that a refusal leaves it in.
pub(super) async fn spoil(
    tx: &mut Transaction<'static, Postgres>,
    error: sqlx::Error,
) -> sqlx::Error {
    let made = matches!(&error, sqlx::Error::Database(refusal) if refusal.try_downcast_ref::<Refusal>().is_some());
    if !made {
        return error;
    }
    let divided = sqlx::query("SELECT 1 / 0").execute(&mut **tx).await;
    divided.expect_err("one divided by zero")
}

fn error(report: Report) -> sqlx::Error {
    match report {
        Report::Refused => sqlx::Error::Database(Box::new(Refusal)),
        Report::Lost => sqlx::Error::Io(io::ErrorKind::ConnectionReset.into()),
    }
}

/// An engine that refuses.
#[derive(Debug)]
struct Refusal;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault made to order")
    }
}

impl Error for Refusal {}

impl DatabaseError for Refusal {
    fn message(&self) -> &str {
        "a fault made to order"
    }
    fn code(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }
    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }
    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// How many records of accepted batches there are, and how many events of theirs.
pub(crate) async fn accepted(store: &Store) -> (usize, usize) {
    let mut tx = store.transact_as_owner().await.unwrap();
    let (records, events): (i64, i64) = on!(&mut tx, c => sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM sent s JOIN batch b USING (batch_id) WHERE b.state = 1), \
                (SELECT COUNT(*) FROM event e JOIN batch b USING (batch_id) WHERE b.state = 1)")
        .fetch_one(c).await)
    .unwrap();
    (usize::try_from(records).unwrap(), usize::try_from(events).unwrap())
}
