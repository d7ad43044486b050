//! A backend that is one function: for tests and benches that need no tables.

use std::sync::Arc;

use super::backend::{Backend, Isolation, Reply, Session, SqlError, Statement};
use super::column::Column;
use super::login::LoginInfo;
use super::value::Value;

type Answer = Arc<dyn Fn(&Statement) -> Result<Reply, SqlError> + Send + Sync>;

/// Answers every statement by a function; accepts every transaction and does nothing about it, has
/// one table for bulk loads, and hands the rows loaded to the function as a procedure
/// `bulk_rows`, one call per row, with the row's values as parameters.
pub struct Answers {
    answer: Answer,
    bulk_columns: Vec<Column>,
}

impl Answers {
    /// Answers by a function.
    #[must_use]
    pub fn new(
        answer: impl Fn(&Statement) -> Result<Reply, SqlError> + Send + Sync + 'static,
    ) -> Self {
        Self { answer: Arc::new(answer), bulk_columns: Vec::new() }
    }

    /// The same, with columns for the table of bulk loads.
    #[must_use]
    pub fn with_table(self, columns: Vec<Column>) -> Self {
        Self { bulk_columns: columns, ..self }
    }
}

impl Backend for Answers {
    fn session(&self, login: &LoginInfo) -> Result<Box<dyn Session>, SqlError> {
        Ok(Box::new(AnswersSession {
            answer: Arc::clone(&self.answer),
            bulk_columns: self.bulk_columns.clone(),
            connection: login.connection,
        }))
    }
}

struct AnswersSession {
    answer: Answer,
    bulk_columns: Vec<Column>,
    connection: u64,
}

impl Session for AnswersSession {
    fn execute(&mut self, statement: &Statement) -> Result<Reply, SqlError> {
        (self.answer)(statement)
    }

    fn begin(&mut self, _isolation: Isolation) -> Result<(), SqlError> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SqlError> {
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), SqlError> {
        Ok(())
    }

    fn bulk_columns(&mut self, _table: &str) -> Result<Vec<Column>, SqlError> {
        Ok(self.bulk_columns.clone())
    }

    fn bulk_insert(
        &mut self,
        table: &str,
        columns: &[String],
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, SqlError> {
        let n_rows = rows.len() as u64;
        for row in rows {
            let statement = Statement::bulk_row(table, columns, row, self.connection);
            (self.answer)(&statement)?;
        }
        Ok(n_rows)
    }
}
