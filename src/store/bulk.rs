//! Many rows a statement. Statements come in few sizes, so that each is prepared once and
//! stays in the connection's cache.

use super::StoreError;
use sqlx::AssertSqlSafe;
use std::fmt::Write;

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

/// `INSERT INTO table (columns) VALUES (...), (...) tail` for so many rows. Table, columns
/// and tail are literals of the program, never input.
pub(super) fn insert(
    table: &'static str,
    columns: &'static [&'static str],
    rows: usize,
    tail: &'static str,
) -> AssertSqlSafe<String> {
    let mut sql = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    let mut argument = 0;
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns.len() {
            argument += 1;
            let comma = if column == 0 { "" } else { ", " };
            // Writing to a String can't fail.
            let _ = write!(sql, "{comma}${argument}");
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(tail);
    AssertSqlSafe(sql)
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

/// `head IN ($1, ..., $n) tail`, literals of the program.
pub(super) fn within(
    head: &'static str,
    values: usize,
    tail: &'static str,
) -> AssertSqlSafe<String> {
    let list: Vec<String> = (1..=values).map(|n| format!("${n}")).collect();
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
        assert_eq!(
            insert("t", &["a", "b"], 2, "x").into_sql_str().as_str(),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) x"
        );
    }
}
