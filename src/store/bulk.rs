//! Many rows a statement, by each engine's fastest safe way: PostgreSQL takes whole columns
//! as arrays (UNNEST), SQLite rows of nameless arguments in statements of few sizes, so
//! that each is prepared once and stays in the connection's cache.

mod joined;

use super::{StoreError, Tx};
pub(super) use joined::Joined;
use sqlx::{AssertSqlSafe, FromRow, Postgres, Sqlite, postgres::PgRow};

/// Rows a multi-row INSERT on SQLite takes, largest first; a remainder goes in smaller ones.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];
/// How many values an IN list on SQLite is prepared for.
const LISTS: [usize; 3] = [512, 64, 8];
/// How many rows or values a PostgreSQL statement takes as arrays.
const ARRAY: usize = 5_000;

/// The values of one column, in the order of the rows.
pub(super) enum Column<'a> {
    /// BIGINT.
    Integers(Vec<i64>),
    /// Bytes.
    Bytes(Vec<&'a [u8]>),
    /// Bytes or NULL.
    OptionalBytes(Vec<Option<&'a [u8]>>),
    /// Text.
    Texts(Vec<&'a str>),
    /// BIGINT or NULL.
    OptionalIntegers(Vec<Option<i64>>),
    /// Text or NULL.
    OptionalTexts(Vec<Option<&'a str>>),
}

impl Column<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::OptionalBytes(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::OptionalIntegers(values) => values.len(),
            Self::OptionalTexts(values) => values.len(),
        }
    }

    const fn array_type(&self) -> &'static str {
        match self {
            Self::Integers(_) | Self::OptionalIntegers(_) => "BIGINT[]",
            Self::Bytes(_) | Self::OptionalBytes(_) => "BYTEA[]",
            Self::Texts(_) | Self::OptionalTexts(_) => "TEXT[]",
        }
    }
}

/// Inserts rows given as columns and tells how many were touched. Table, names and tail are
/// literals of the program, never input.
pub(super) async fn insert(
    tx: &mut Tx,
    table: &'static str,
    columns: &[(&'static str, Column<'_>)],
    tail: &'static str,
) -> Result<u64, StoreError> {
    insert_as(tx, "INSERT INTO", (table, columns, tail)).await
}

/// What SQLite calls inserting rows of which none may be there already. A statement that breaks a
/// constraint takes back none of its own rows: whoever sees the error takes back the transaction,
/// or the savepoint. So SQLite need not copy each page that the statement changes.
pub(super) const INSERT_NEW: &str = "INSERT OR FAIL INTO";

async fn insert_as(
    tx: &mut Tx,
    on_sqlite: &'static str,
    (table, columns, tail): (&'static str, &[(&'static str, Column<'_>)], &'static str),
) -> Result<u64, StoreError> {
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    debug_assert!(columns.iter().all(|(_, values)| values.len() == rows));
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let names = format!("{table} ({})", names.join(", "));
    let head = format!("INSERT INTO {names}");
    let mut touched = 0;
    #[cfg(test)]
    let due = super::faults::before_bulk(tx, &head).await?;
    match tx {
        Tx::Sqlite(tx) => {
            let mut first = 0;
            for size in chunk_sizes(rows) {
                let row = format!("({})", vec!["?"; columns.len()].join(", "));
                let rows = vec![&*row; size].join(", ");
                let sql = format!("{on_sqlite} {names} VALUES {rows} {tail}");
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for row in first..first + size {
                    for (_, values) in columns {
                        query = match values {
                            Column::Integers(v) => query.bind(v[row]),
                            Column::Bytes(v) => query.bind(v[row]),
                            Column::OptionalBytes(v) => query.bind(v[row]),
                            Column::Texts(v) => query.bind(v[row]),
                            Column::OptionalIntegers(v) => query.bind(v[row]),
                            Column::OptionalTexts(v) => query.bind(v[row]),
                        };
                    }
                }
                touched += query.execute(&mut **tx).await?.rows_affected();
                first += size;
            }
        }
        Tx::Postgres(tx) => {
            let arrays: Vec<String> = (1..)
                .zip(columns)
                .map(|(number, (_, values))| format!("${number}::{}", values.array_type()))
                .collect();
            let sql = format!("{head} SELECT * FROM UNNEST({}) {tail}", arrays.join(", "));
            for first in (0..rows).step_by(ARRAY) {
                let part = first..rows.min(first + ARRAY);
                let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
                for (_, values) in columns {
                    query = match values {
                        Column::Integers(v) => query.bind(&v[part.clone()]),
                        Column::Bytes(v) => query.bind(&v[part.clone()]),
                        Column::OptionalBytes(v) => query.bind(&v[part.clone()]),
                        Column::Texts(v) => query.bind(&v[part.clone()]),
                        Column::OptionalIntegers(v) => query.bind(&v[part.clone()]),
                        Column::OptionalTexts(v) => query.bind(&v[part.clone()]),
                    };
                }
                touched += query.execute(&mut **tx).await?.rows_affected();
            }
        }
    }
    #[cfg(test)]
    super::faults::after_bulk(tx, due).await?;
    Ok(touched)
}

/// Inserts rows of which every one must be new.
pub(super) async fn insert_new(
    tx: &mut Tx,
    table: &'static str,
    columns: &[(&'static str, Column<'_>)],
) -> Result<(), StoreError> {
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    touched(insert_as(tx, INSERT_NEW, (table, columns, "")).await?, rows, table)
}

/// Rewrites columns of rows, found by other columns, and tells how many were touched: a row
/// that is gone is none. The names in `found_by` must be no row's twice.
pub(super) async fn update(
    tx: &mut Tx,
    table: &'static str,
    set: &[(&'static str, Column<'_>)],
    found_by: &[(&'static str, Column<'_>)],
) -> Result<u64, StoreError> {
    let columns: Vec<&Column<'_>> = set.iter().chain(found_by).map(|(_, values)| values).collect();
    let rows = columns.first().map_or(0, |values| values.len());
    debug_assert!(columns.iter().all(|values| values.len() == rows));
    let names = |columns: &[(&'static str, Column<'_>)]| -> Vec<&'static str> {
        columns.iter().map(|(name, _)| *name).collect()
    };
    let (head, tail) = update_parts(table, &names(set), &names(found_by), tx.is_sqlite());
    let mut touched = 0;
    match tx {
        Tx::Sqlite(tx) => {
            let mut first = 0;
            for size in chunk_sizes(rows) {
                let row = format!("({})", vec!["?"; columns.len()].join(", "));
                let sql = format!("{head} (VALUES {}) {tail}", vec![&*row; size].join(", "));
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for row in first..first + size {
                    for values in &columns {
                        query = match values {
                            Column::Integers(v) => query.bind(v[row]),
                            Column::Bytes(v) => query.bind(v[row]),
                            Column::OptionalBytes(v) => query.bind(v[row]),
                            Column::Texts(v) => query.bind(v[row]),
                            Column::OptionalIntegers(v) => query.bind(v[row]),
                            Column::OptionalTexts(v) => query.bind(v[row]),
                        };
                    }
                }
                touched += query.execute(&mut **tx).await?.rows_affected();
                first += size;
            }
        }
        Tx::Postgres(tx) => {
            let arrays: Vec<String> = (1..)
                .zip(&columns)
                .map(|(number, values)| format!("${number}::{}", values.array_type()))
                .collect();
            let sql = format!("{head} (SELECT * FROM UNNEST({})) {tail}", arrays.join(", "));
            for first in (0..rows).step_by(ARRAY) {
                let part = first..rows.min(first + ARRAY);
                let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
                for values in &columns {
                    query = match values {
                        Column::Integers(v) => query.bind(&v[part.clone()]),
                        Column::Bytes(v) => query.bind(&v[part.clone()]),
                        Column::OptionalBytes(v) => query.bind(&v[part.clone()]),
                        Column::Texts(v) => query.bind(&v[part.clone()]),
                        Column::OptionalIntegers(v) => query.bind(&v[part.clone()]),
                        Column::OptionalTexts(v) => query.bind(&v[part.clone()]),
                    };
                }
                touched += query.execute(&mut **tx).await?.rows_affected();
            }
        }
    }
    Ok(touched)
}

/// What stands before and behind the values of [`update`].
///
/// For SQLite the values carry a plus, which keeps it from making an index of them: it would
/// otherwise, for as many as a statement has, look each row of the whole table up in that.
fn update_parts(
    table: &'static str,
    set: &[&'static str],
    found_by: &[&'static str],
    is_sqlite: bool,
) -> (String, String) {
    let plain = if is_sqlite { "+" } else { "" };
    let new = set.iter().map(|name| format!("new_{name}"));
    let names: Vec<String> = new.chain(found_by.iter().map(|name| format!("old_{name}"))).collect();
    let set: Vec<String> = set.iter().map(|name| format!("{name} = v.new_{name}")).collect();
    let found_by: Vec<String> =
        found_by.iter().map(|name| format!("{table}.{name} = {plain}v.old_{name}")).collect();
    let tail =
        format!("UPDATE {table} SET {} FROM v WHERE {}", set.join(", "), found_by.join(" AND "));
    (format!("WITH v ({}) AS", names.join(", ")), tail)
}

/// Values that rows are looked for by.
pub(super) enum Among<'a> {
    /// Sixteen bytes each.
    Keys(&'a [[u8; 16]]),
    /// Numbers.
    Numbers(&'a [i64]),
}

impl Among<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::Keys(keys) => keys.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }
}

/// The rows of `head` for which the column it ends with is among some values, in no order; `before`
/// is the value of an argument `$1` in the head. Head and tail are literals of the program; the
/// head is `SELECT columns FROM ...`, each column without a comma in it.
pub(super) async fn select<Row>(
    tx: &mut Tx,
    head: &'static str,
    before: Option<i64>,
    among: &Among<'_>,
    tail: &'static str,
) -> Result<Vec<Row>, StoreError>
where
    Row: Joined + for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let mut found = Vec::new();
    match tx {
        Tx::Sqlite(tx) => {
            let head = joined::statement::<Row>(head).replace("$1", "?");
            for first in (0..among.len()).step_by(LISTS[0]) {
                let part = first..among.len().min(first + LISTS[0]);
                let size = LISTS.into_iter().rev().find(|size| *size >= part.len());
                let size = size.unwrap_or(LISTS[0]);
                let list = vec!["?"; size].join(", ");
                let sql = format!("{head} IN ({list}) {tail}");
                let mut query = sqlx::query_as::<Sqlite, (Option<String>,)>(AssertSqlSafe(sql));
                if let Some(before) = before {
                    query = query.bind(before);
                }
                // Padded by repeating the first value, which changes nothing in an IN list.
                for at in part.clone().chain(std::iter::repeat(first)).take(size) {
                    query = match among {
                        Among::Keys(keys) => query.bind(&keys[at][..]),
                        Among::Numbers(numbers) => query.bind(numbers[at]),
                    };
                }
                let (text,) = query.fetch_one(&mut **tx).await?;
                text.iter().try_for_each(|text| joined::rows(text, &mut found))?;
            }
        }
        Tx::Postgres(tx) => {
            for first in (0..among.len()).step_by(ARRAY) {
                let part = first..among.len().min(first + ARRAY);
                let place = if before.is_some() { "$2" } else { "$1" };
                let sql = format!("{head} = ANY({place}) {tail}");
                let mut query = sqlx::query_as::<Postgres, Row>(AssertSqlSafe(sql));
                if let Some(before) = before {
                    query = query.bind(before);
                }
                query = match among {
                    Among::Keys(keys) => {
                        let keys: Vec<&[u8]> = keys[part].iter().map(|key| &key[..]).collect();
                        query.bind(keys)
                    }
                    Among::Numbers(numbers) => query.bind(&numbers[part]),
                };
                found.extend(query.fetch_all(&mut **tx).await?);
            }
        }
    }
    Ok(found)
}

/// Splits a number of rows into the sizes that statements are prepared for.
fn chunk_sizes(mut rows: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let size = CHUNKS.into_iter().find(|size| *size <= rows)?;
        rows -= size;
        Some(size)
    })
}

/// Checks that a write touched exactly `expected` rows.
pub(super) fn touched(found: u64, expected: usize, table: &'static str) -> Result<(), StoreError> {
    if found == expected as u64 { Ok(()) } else { Err(StoreError::Unchanged { table }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_row_in_few_sizes() {
        for rows in [0, 1, 3, 255, 256, 1_000] {
            let sizes: Vec<usize> = chunk_sizes(rows).collect();
            assert!(sizes.iter().all(|size| CHUNKS.contains(size)));
            assert_eq!(sizes.iter().sum::<usize>(), rows);
        }
    }

    #[tokio::test]
    async fn rows_to_rewrite_are_looked_up_and_no_table_is_read_whole() {
        use crate::store::Location;
        let folder = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(&Location::Sqlite(folder.path().join("t.db").into()))
            .await
            .unwrap();
        store.migrate(None).await.unwrap();
        let mut tx = store.transact(crate::store::Rights::Keys).await.unwrap();
        let Tx::Sqlite(tx) = &mut tx else { panic!("a file is SQLite's") };
        for (table, set, found_by) in [
            ("sent", &["record_key", "key_version"][..], &["feed_id", "record_key"][..]),
            ("subject_key", &["match_key"], &["match_key", "subject_id"]),
            ("subject", &["nhs"], &["subject_id"]),
            ("event", &["body"], &["person_id", "event_number", "role"]),
        ] {
            let (head, tail) = update_parts(table, set, found_by, true);
            for size in CHUNKS {
                let row = format!("({})", vec!["1"; set.len() + found_by.len()].join(", "));
                let values = vec![&*row; size].join(", ");
                let sql = format!("EXPLAIN QUERY PLAN {head} (VALUES {values}) {tail}");
                let plan: Vec<(i64, i64, i64, String)> =
                    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut **tx).await.unwrap();
                let steps: Vec<&str> = plan.iter().map(|(.., step)| &**step).collect();
                let found = steps.iter().any(|s| s.starts_with(&format!("SEARCH {table} USING")));
                assert!(found, "{size} of {table}: {steps:?}");
            }
        }
    }
}
