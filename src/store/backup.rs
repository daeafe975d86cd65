//! The whole database into an archive and back, from either engine into either.
//!
//! A backup reads one snapshot, so that it is consistent although gateways go on writing:
//! on SQLite beside the gateway that holds the file, on PostgreSQL (REPEATABLE READ) as the
//! tables' owner. Each table is one ordered query whose rows are passed on as they come, so
//! memory stays bounded; on SQLite the write-ahead log can't be folded in meanwhile and
//! grows by what is written.
//!
//! A restore reads its archive twice: first to the end, before anything is touched, then
//! again into one transaction, which is committed only if the hash is the same. The
//! database is brought to the archive's own level before, and to this program's after, so
//! that migrations do to restored rows what they would have done to the first ones.
//!
//! Keys are never in it: without the master keys, pseudonyms and sealed facts say nothing.
//! What an archive holds is as sensitive as the database itself.

use super::{
    Store, StoreError, Tx,
    archive::{
        ArchiveError, Header, LogState, Reader, TableShape, Value, Writer, put_bytes, put_integer,
        put_text, values,
    },
    bulk, log, migrate,
    tables::{Column, Kind, Table, tables_at},
    tx::{on, on_either},
};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Row};
use std::io::{Read, Seek, Write};

/// Rows restored at once, and about how many bytes of them at most.
const ROWS_AT_ONCE: usize = 5_000;
const BYTES_AT_ONCE: usize = 8 << 20;

/// Why a backup or a restore was not done.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive is of a newer program.
    #[error("this backup was made by a newer tallygate; restore it with that version")]
    NewerArchive,
    /// The database has gone further than the archive.
    #[error(
        "the database was already brought to a later level than this backup's: give an empty one"
    )]
    LaterDatabase,
    /// The database has rows.
    #[error("the database is not empty (table {table}): a backup is restored into an empty one")]
    NotEmpty {
        /// The first table with rows.
        table: &'static str,
    },
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Each table's rows.
    pub tables: Vec<(&'static str, u64)>,
    /// The access log's newest state.
    pub log: Option<LogState>,
    /// SHA-256 of the archive.
    pub digest: [u8; 32],
}

impl Contents {
    /// How many rows there are in all.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }
}

/// Writes a database, opened by its owner, as an archive; tells what is in it and how many
/// bytes it has.
///
/// # Errors
/// When the database can't be read or is a newer program's, or the archive not be written.
pub async fn backup(store: &Store, to: impl Write) -> Result<(Contents, u64), BackupError> {
    let mut tx = store.read_as_owner().await?;
    let migrations = migrate::applied(&mut tx).await?;
    if migrations.is_empty() {
        return Err(StoreError::Older.into());
    }
    let level = migrations.len();
    let head = log::head(&mut tx).await?;
    let log = head.map(|head| LogState {
        size: head.size,
        root: hex::encode(head.root.as_bytes()),
        checkpoint: head.checkpoint,
    });
    let header =
        Header { migrations, log, tables: tables_at(level).map(|t| shape(t, level)).collect() };
    let mut writer = Writer::begin(to, &header)?;
    let mut tables = Vec::new();
    for table in tables_at(level) {
        write_table(&mut tx, table, level, &mut writer).await?;
        tables.push((table.name, writer.end_table()?));
    }
    let (bytes, digest) = writer.finish()?;
    Ok((Contents { tables, log: header.log, digest }, bytes))
}

fn shape(table: &Table, level: usize) -> TableShape {
    let columns = table.columns_at(level).map(|column| column.name.to_owned()).collect();
    TableShape { name: table.name.to_owned(), columns }
}

/// Passes a table's rows on.
async fn write_table<W: Write>(
    tx: &mut Tx,
    table: &'static Table,
    level: usize,
    writer: &mut Writer<W>,
) -> Result<(), BackupError> {
    let columns: Vec<&Column> = table.columns_at(level).collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    // SQLite compares texts by their bytes; PostgreSQL must be told to.
    let bytewise = if tx.is_sqlite() { "" } else { " COLLATE \"C\"" };
    let order: Vec<String> = table
        .key_columns()
        .iter()
        .map(|key| match key.kind {
            Kind::Text => format!("{}{bytewise}", key.name),
            Kind::Integer | Kind::Bytes => key.name.to_owned(),
        })
        .collect();
    let sql =
        format!("SELECT {} FROM {} ORDER BY {}", names.join(", "), table.name, order.join(", "));
    let mut bytes = Vec::new();
    on_either!(tx, c => {
        let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(c);
        let mut number = 0;
        while let Some(row) = rows.try_next().await? {
            bytes.clear();
            for (at, column) in columns.iter().enumerate() {
                let corrupt =
                    |_| StoreError::Corrupt { table: table.name, column: column.name, row: number };
                match column.kind {
                    Kind::Integer => put_integer(&mut bytes, row.try_get(at).map_err(corrupt)?),
                    Kind::Text => put_text(&mut bytes, row.try_get(at).map_err(corrupt)?)?,
                    Kind::Bytes => put_bytes(&mut bytes, row.try_get(at).map_err(corrupt)?)?,
                }
            }
            writer.row(&bytes)?;
            number += 1;
        }
    });
    Ok(())
}

/// Restores an archive into an empty database, opened by its owner, and brings that to this
/// program's level; on PostgreSQL `gateway` is the user that may take on the gateway's
/// rights. Whether the access log in it is sound is another question.
///
/// # Errors
/// When the archive is cut short, changed or a newer program's, or the database is not
/// empty: then nothing was restored.
pub async fn restore(
    store: &Store,
    gateway: Option<&str>,
    archive: &mut (impl Read + Seek),
) -> Result<Contents, BackupError> {
    let (header, digest) = check(archive)?;
    let level = header.migrations.len();
    let mut tx = store.read_as_owner().await?;
    let present = migrate::applied(&mut tx).await?.len();
    if present > level {
        return Err(BackupError::LaterDatabase);
    }
    must_be_empty(&mut tx, present).await?;
    drop(tx);
    migrate::run_until(store, level).await?;
    let mut tx = store.transact_as_owner().await?;
    if !tx.is_sqlite() {
        // A gateway that was started meanwhile waits here and then finds itself restored.
        lock(&mut tx, level).await?;
    }
    must_be_empty(&mut tx, level).await?;
    archive.rewind().map_err(ArchiveError::from)?;
    let (mut reader, _) = Reader::begin(&mut *archive)?;
    let mut tables = Vec::new();
    for table in tables_at(level) {
        tables.push((table.name, restore_table(&mut tx, table, level, &mut reader).await?));
    }
    // A file that another hand changed since it was checked is undone with its transaction.
    if reader.finish()? != digest {
        return Err(ArchiveError::Damaged.into());
    }
    tx.commit().await?;
    migrate::run(store, gateway).await?;
    if !store.is_embedded() {
        analyse(store, level).await?;
    }
    Ok(Contents { tables, log: header.log, digest })
}

/// Reads an archive to its end: whole, and of the tables that this program knows.
fn check(archive: &mut impl Read) -> Result<(Header, [u8; 32]), BackupError> {
    let (mut reader, header) = Reader::begin(archive)?;
    // What the header says decides what is read, so it is believed only with the hash; but
    // an unknown migration is told from damage, which would spoil more than a name.
    if !migrate::is_known(&header.migrations) {
        return Err(BackupError::NewerArchive);
    }
    let level = header.migrations.len();
    if !tables_at(level).map(|table| shape(table, level)).eq(header.tables.iter().cloned()) {
        return Err(ArchiveError::Damaged.into());
    }
    let mut row = Vec::new();
    for table in tables_at(level) {
        while reader.row(&mut row)? {
            values(&row, table.columns_at(level))?;
        }
    }
    Ok((header, reader.finish()?))
}

async fn must_be_empty(tx: &mut Tx, level: usize) -> Result<(), BackupError> {
    for table in tables_at(level).filter(|table| !table.seeded) {
        let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {} LIMIT 1) AS found", table.name);
        let (rows,): (i64,) = on!(tx, c => sqlx::query_as(AssertSqlSafe(sql)).fetch_one(c).await)?;
        if rows > 0 {
            return Err(BackupError::NotEmpty { table: table.name });
        }
    }
    Ok(())
}

async fn lock(tx: &mut Tx, level: usize) -> Result<(), StoreError> {
    let names: Vec<&str> = tables_at(level).map(|table| table.name).collect();
    let sql = format!("LOCK TABLE {} IN EXCLUSIVE MODE", names.join(", "));
    on!(tx, c => sqlx::query(AssertSqlSafe(sql)).execute(c).await.map(drop))?;
    Ok(())
}

/// PostgreSQL plans by what it knows of a table, which is nothing yet.
async fn analyse(store: &Store, level: usize) -> Result<(), StoreError> {
    let mut tx = store.transact_as_owner().await?;
    let names: Vec<&str> = tables_at(level).map(|table| table.name).collect();
    let sql = format!("ANALYZE {}", names.join(", "));
    on!(&mut tx, c => sqlx::query(AssertSqlSafe(sql)).execute(c).await.map(drop))?;
    tx.commit().await
}

async fn restore_table<R: Read>(
    tx: &mut Tx,
    table: &'static Table,
    level: usize,
    reader: &mut Reader<R>,
) -> Result<u64, BackupError> {
    if table.seeded {
        let sql = format!("DELETE FROM {}", table.name);
        on!(tx, c => sqlx::query(AssertSqlSafe(sql)).execute(c).await.map(drop))?;
    }
    let columns: Vec<&'static Column> = table.columns_at(level).collect();
    let (mut waiting, mut bytes, mut total) = (Vec::new(), 0, 0);
    let mut row = Vec::new();
    loop {
        let more = reader.row(&mut row)?;
        if more {
            waiting.push(values(&row, columns.iter().copied())?);
            bytes += row.len();
        }
        if !more || waiting.len() == ROWS_AT_ONCE || bytes >= BYTES_AT_ONCE {
            total += waiting.len() as u64;
            insert(tx, table.name, &columns, &waiting).await?;
            waiting.clear();
            bytes = 0;
        }
        if !more {
            return Ok(total);
        }
    }
}

async fn insert(
    tx: &mut Tx,
    table: &'static str,
    columns: &[&'static Column],
    rows: &[Vec<Value>],
) -> Result<(), StoreError> {
    let columns: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let cells = rows.iter().map(|row| row.get(at));
            let values = match column.kind {
                Kind::Integer => bulk::Column::OptionalIntegers(
                    cells
                        .map(
                            |cell| if let Some(Value::Integer(v)) = cell { Some(*v) } else { None },
                        )
                        .collect(),
                ),
                Kind::Text => bulk::Column::OptionalTexts(
                    cells
                        .map(|cell| if let Some(Value::Text(v)) = cell { Some(&**v) } else { None })
                        .collect(),
                ),
                Kind::Bytes => bulk::Column::OptionalBytes(
                    cells
                        .map(
                            |cell| if let Some(Value::Bytes(v)) = cell { Some(&**v) } else { None },
                        )
                        .collect(),
                ),
            };
            (column.name, values)
        })
        .collect();
    bulk::insert_new(tx, table, &columns).await
}
