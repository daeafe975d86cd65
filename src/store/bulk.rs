//! Many rows a statement. Statements come in few sizes, so that each is prepared once and
//! stays in the connection's cache.

use super::StoreError;
use sqlx::AssertSqlSafe;

/// Rows a multi-row INSERT takes, largest first; a remainder goes in smaller ones.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// Splits rows into the chunk sizes that statements are prepared for.
pub(super) fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = CHUNKS.into_iter().find(|size| *size <= rows.len())?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

/// The place of an argument. SQLite gets nameless ones: it looks named ones up in a list,
/// which for thousands of arguments costs more than all the writing.
fn argument(sqlite: bool, number: usize) -> String {
    if sqlite { "?".to_owned() } else { format!("${number}") }
}

/// `INSERT INTO table (columns) VALUES (...), (...) tail` for so many rows. Table, columns
/// and tail are literals of the program, never input.
pub(super) fn insert(
    sqlite: bool,
    table: &'static str,
    columns: &'static [&'static str],
    rows: usize,
    tail: &'static str,
) -> AssertSqlSafe<String> {
    let row = |row: usize| {
        let first = row * columns.len() + 1;
        let values: Vec<_> =
            (first..first + columns.len()).map(|number| argument(sqlite, number)).collect();
        format!("({})", values.join(", "))
    };
    let values: Vec<_> = (0..rows).map(row).collect();
    let (columns, values) = (columns.join(", "), values.join(", "));
    AssertSqlSafe(format!("INSERT INTO {table} ({columns}) VALUES {values} {tail}"))
}

/// How many values an IN list is prepared for.
const LISTS: [usize; 3] = [512, 64, 8];

/// Splits values into lists that statements are prepared for, the last padded by
/// repeating its first value, which changes nothing in an IN list.
pub(super) fn lists<T: Clone>(values: &[T]) -> impl Iterator<Item = Vec<T>> {
    values.chunks(LISTS[0]).map(|chunk| {
        let size = LISTS.into_iter().rev().find(|size| *size >= chunk.len()).unwrap_or(LISTS[0]);
        let mut list = chunk.to_vec();
        list.resize(size, chunk[0].clone());
        list
    })
}

/// `head IN (...) tail`, literals of the program. Where the head has an argument of its
/// own, `$1`, the list's come after it.
pub(super) fn within(
    sqlite: bool,
    head: &'static str,
    values: usize,
    tail: &'static str,
) -> AssertSqlSafe<String> {
    let before = usize::from(head.contains("$1"));
    let head = head.replace("$1", &argument(sqlite, 1));
    let list: Vec<String> = (1..=values).map(|number| argument(sqlite, before + number)).collect();
    AssertSqlSafe(format!("{head} IN ({}) {tail}", list.join(", ")))
}

/// Checks that a write touched exactly `expected` rows.
pub(super) fn touched(found: u64, expected: usize, table: &'static str) -> Result<(), StoreError> {
    if found == expected as u64 { Ok(()) } else { Err(StoreError::Unchanged { table }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::SqlSafeStr;

    #[test]
    fn chunks_and_lists_cover_every_value_in_few_sizes() {
        let rows: Vec<usize> = (0..1_000).collect();
        let chunks: Vec<_> = chunks(&rows).collect();
        assert!(chunks.iter().all(|c| CHUNKS.contains(&c.len())));
        assert_eq!(chunks.concat(), rows);
        let lists: Vec<_> = lists(&rows).collect();
        assert!(lists.iter().all(|l| LISTS.contains(&l.len())));
        assert_eq!(lists[1][487..490], [999, 512, 512]);
        let text = |sql: AssertSqlSafe<String>| sql.into_sql_str().as_str().to_owned();
        let two = |sqlite| text(insert(sqlite, "t", &["a", "b"], 2, "x"));
        assert_eq!(two(false), "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) x");
        assert_eq!(two(true), "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) x");
        let list = |sqlite| text(within(sqlite, "a = $1 AND b", 2, "x"));
        assert_eq!(list(false), "a = $1 AND b IN ($2, $3) x");
        assert_eq!(list(true), "a = ? AND b IN (?, ?) x");
    }
}
