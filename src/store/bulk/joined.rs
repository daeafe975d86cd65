//! Rows of a look-up as one text, put together by SQLite itself.
//!
//! The driver hands rows over one by one from a thread of its own. Rows that are found by random
//! keys come slower than they are taken, so that each would wake the task that waits for it: that
//! costs more than finding it. Values stand in the text as numbers, or as hexadecimal digits, so that
//! none of them can look like what separates them.

/// What separates values, and rows.
const VALUE: char = ' ';
const ROW: char = ';';

/// A value as it stands in the text.
pub(in crate::store) trait Field: Sized {
    /// The expression that writes a column.
    fn written(column: &str) -> String;
    /// The value that was written; `None` where it is none of this type.
    fn read(text: &str) -> Option<Self>;
}

impl Field for i64 {
    // A missing one would take its whole row away: written as nothing it is an error.
    fn written(column: &str) -> String {
        format!("ifnull({column}, '')")
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Field for Vec<u8> {
    fn written(column: &str) -> String {
        // Of what is missing nothing is written, of what is empty the mark alone.
        format!("iif({column} IS NULL, '', 'x' || hex({column}))")
    }

    fn read(text: &str) -> Option<Self> {
        hex::decode(text.strip_prefix('x')?).ok()
    }
}

impl Field for String {
    fn written(column: &str) -> String {
        Vec::<u8>::written(column)
    }

    fn read(text: &str) -> Option<Self> {
        Self::from_utf8(Vec::read(text)?).ok()
    }
}

impl<T: Field> Field for Option<T> {
    fn written(column: &str) -> String {
        T::written(column)
    }

    fn read(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::read(text).map(Some) }
    }
}

/// A row as it stands in the text.
pub(in crate::store) trait Joined: Sized {
    /// The expressions that write the columns.
    fn written<'c>(columns: &mut impl Iterator<Item = &'c str>) -> Vec<String>;
    /// The row that was written; `None` where it is none of these types.
    fn read<'t>(texts: &mut impl Iterator<Item = &'t str>) -> Option<Self>;
}

macro_rules! rows {
    ($($($field:ident)+;)+) => {
        $(impl<$($field: Field),+> Joined for ($($field,)+) {
            fn written<'c>(columns: &mut impl Iterator<Item = &'c str>) -> Vec<String> {
                [$(columns.next().map($field::written)),+].into_iter().flatten().collect()
            }

            fn read<'t>(texts: &mut impl Iterator<Item = &'t str>) -> Option<Self> {
                Some(($($field::read(texts.next()?)?,)+))
            }
        })+
    };
}

rows! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G H;
    A B C D E F G H I;
}

/// The statement that gives the rows of another one as one text: `SELECT columns FROM ...`, each
/// column without a comma in it.
pub(super) fn statement<Row: Joined>(head: &str) -> String {
    let plain = head.strip_prefix("SELECT ").and_then(|rest| rest.split_once(" FROM "));
    let (columns, from) = plain.unwrap_or_default();
    let mut columns = columns.split(", ");
    let written = Row::written(&mut columns);
    debug_assert!(columns.next().is_none(), "a column of no type: {head}");
    let row = written.join(&format!(" || '{VALUE}' || "));
    format!("SELECT group_concat({row}, '{ROW}') FROM {from}")
}

/// The rows in a text.
pub(super) fn rows<Row: Joined>(text: &str, found: &mut Vec<Row>) -> Result<(), sqlx::Error> {
    for row in text.split(ROW) {
        let mut texts = row.split(VALUE);
        let read = Row::read(&mut texts).filter(|_| texts.next().is_none());
        found.push(read.ok_or_else(|| sqlx::Error::Decode("a row of other values".into()))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{Connection, SqliteConnection};

    type Row = (i64, Option<i64>, Vec<u8>, Option<Vec<u8>>, String, Option<String>);

    async fn read_back(values: &str) -> Result<Vec<Row>, sqlx::Error> {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await?;
        let sql =
            statement::<Row>("SELECT column1, column2, column3, column4, column5, column6 FROM t");
        let sql = format!("WITH t AS (VALUES {values}) {sql}");
        let (text,): (Option<String>,) =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
        let mut found = Vec::new();
        text.iter().try_for_each(|text| rows(text, &mut found))?;
        Ok(found)
    }

    #[tokio::test]
    async fn every_kind_of_value_comes_back() {
        let values = "(-7, NULL, x'00ff', NULL, 'a ; b', NULL), (0, 5, x'', x'', '', 'é x')";
        let row = (-7, None, vec![0, 255], None, "a ; b".to_owned(), None);
        let other = (0, Some(5), vec![], Some(vec![]), String::new(), Some("é x".to_owned()));
        assert_eq!(read_back(values).await.ok(), Some(vec![row, other]));
    }

    #[tokio::test]
    async fn a_missing_value_is_an_error_and_not_a_missing_row() {
        for values in [
            "(NULL, 1, x'', x'', '', '')",
            "(1, 1, NULL, x'', '', '')",
            "(1, 1, x'', x'', NULL, '')",
        ] {
            assert!(read_back(values).await.is_err(), "{values}");
        }
    }
}
