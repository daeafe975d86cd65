//! Rows of one table, written by each engine's fastest portable way.

use crate::store::{
    StoreError, Tx,
    bulk::{INSERT_NEW, touched},
};
use sqlx::{AssertSqlSafe, Postgres, Sqlite, Transaction};

/// Rows that a statement on SQLite takes, largest first: few sizes, so that each is prepared
/// once.
const CHUNKS: [usize; 3] = [256, 16, 1];

/// A column of rows.
#[derive(Debug, Clone)]
pub(super) enum Column {
    Numbers(Vec<i64>),
    OptionalNumbers(Vec<Option<i64>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

/// Rows of one table.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    table: &'static str,
    names: &'static [&'static str],
    columns: Vec<Column>,
    count: usize,
}

impl Rows {
    pub(super) fn new(
        table: &'static str,
        names: &'static [&'static str],
        columns: Vec<Column>,
    ) -> Self {
        let count = match columns.first() {
            Some(Column::Numbers(numbers)) => numbers.len(),
            Some(Column::OptionalNumbers(numbers)) => numbers.len(),
            Some(Column::Bytes(bytes)) => bytes.len(),
            None => 0,
        };
        Self { table, names, columns, count }
    }

    pub(super) async fn insert(&self, tx: &mut Tx) -> Result<(), StoreError> {
        if self.count == 0 {
            return Ok(());
        }
        match tx {
            Tx::Sqlite(tx) => self.insert_values(tx).await,
            Tx::Postgres(tx) => self.insert_arrays(tx).await,
        }
    }

    async fn insert_values(&self, tx: &mut Transaction<'_, Sqlite>) -> Result<(), StoreError> {
        let row = format!("({})", vec!["?"; self.names.len()].join(", "));
        let mut first = 0;
        while first < self.count {
            let left = self.count - first;
            let size = CHUNKS.into_iter().find(|size| *size <= left).unwrap_or(1);
            // Tables and columns are literals of this file, never input.
            let sql = AssertSqlSafe(format!(
                "{INSERT_NEW} {} ({}) VALUES {}",
                self.table,
                self.names.join(", "),
                vec![&*row; size].join(", ")
            ));
            let mut query = sqlx::query(sql);
            for at in first..first + size {
                for column in &self.columns {
                    query = match column {
                        Column::Numbers(numbers) => query.bind(numbers[at]),
                        Column::OptionalNumbers(numbers) => query.bind(numbers[at]),
                        Column::Bytes(bytes) => query.bind(bytes[at].as_deref()),
                    };
                }
            }
            touched(query.execute(&mut **tx).await?.rows_affected(), size, self.table)?;
            first += size;
        }
        Ok(())
    }

    async fn insert_arrays(&self, tx: &mut Transaction<'_, Postgres>) -> Result<(), StoreError> {
        let arrays: Vec<String> = (1..)
            .zip(&self.columns)
            .map(|(number, column)| match column {
                Column::Numbers(_) | Column::OptionalNumbers(_) => {
                    format!("${number}::BIGINT[]")
                }
                Column::Bytes(_) => format!("${number}::BYTEA[]"),
            })
            .collect();
        // Tables and columns are literals of this file, never input.
        let sql = AssertSqlSafe(format!(
            "INSERT INTO {} ({}) SELECT * FROM UNNEST({})",
            self.table,
            self.names.join(", "),
            arrays.join(", ")
        ));
        let mut query = sqlx::query(sql);
        for column in &self.columns {
            query = match column {
                Column::Numbers(numbers) => query.bind(&numbers[..]),
                Column::OptionalNumbers(numbers) => query.bind(&numbers[..]),
                Column::Bytes(bytes) => query.bind(&bytes[..]),
            };
        }
        let done = query.execute(&mut **tx).await?.rows_affected();
        touched(done, self.count, self.table)
    }
}
