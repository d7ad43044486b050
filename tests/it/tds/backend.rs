//! What the server asks of whoever answers the statements, and how answers look.
//!
//! A backend knows nothing of packets, tokens and faults; the server knows nothing of tables.

use std::fmt;

use super::column::{Column, ColumnType};
use super::login::LoginInfo;
use super::value::Value;

/// Names that the server gives to requests that carry no `-- name` line.
pub mod names {
    /// The pre-login packet, before any encryption.
    pub const PRELOGIN: &str = "prelogin";
    /// The login packet.
    pub const LOGIN: &str = "login";
    /// Begin of a transaction.
    pub const BEGIN: &str = "begin";
    /// Commit of a transaction.
    pub const COMMIT: &str = "commit";
    /// Rollback of a transaction, or to a savepoint.
    pub const ROLLBACK: &str = "rollback";
    /// A savepoint.
    pub const SAVE: &str = "save";
    /// tiberius' `SELECT TOP 0 … FROM table` before a bulk load.
    pub const BULK_COLUMNS: &str = "bulk_columns";
    /// The statement `INSERT BULK`.
    pub const INSERT_BULK: &str = "insert_bulk";
    /// The rows that follow `INSERT BULK`.
    pub const BULK_ROWS: &str = "bulk_rows";
    /// The client's request to stop what it asked for last.
    pub const ATTENTION: &str = "attention";
}

/// Answers the statements of all connections.
pub trait Backend: Send + Sync + 'static {
    /// A session for a connection that has logged in.
    ///
    /// # Errors
    ///
    /// Whatever refuses the login; sent as the answer to it.
    fn session(&self, login: &LoginInfo) -> Result<Box<dyn Session>, SqlError>;
}

/// One connection's state. Dropped when the connection is gone: an open transaction is rolled back
/// and session-owned locks are freed then.
///
/// All calls run on a thread where blocking is allowed, one at a time per session.
pub trait Session: Send {
    /// Executes one statement in the session's current transaction, if there is one.
    ///
    /// # Errors
    ///
    /// The server error that the client gets; see [`SqlError::ends_transaction`].
    fn execute(&mut self, statement: &Statement) -> Result<Reply, SqlError>;

    /// Begins a transaction. The server counts nested ones; this is called for the outermost only.
    ///
    /// # Errors
    ///
    /// The server error that the client gets.
    fn begin(&mut self, isolation: Isolation) -> Result<(), SqlError>;

    /// Commits the current transaction.
    ///
    /// # Errors
    ///
    /// The server error that the client gets.
    fn commit(&mut self) -> Result<(), SqlError>;

    /// Rolls the current transaction back.
    ///
    /// # Errors
    ///
    /// The server error that the client gets.
    fn rollback(&mut self) -> Result<(), SqlError>;

    /// Marks a savepoint in the current transaction.
    ///
    /// # Errors
    ///
    /// The server error that the client gets; as it stands, that there are no savepoints.
    fn save(&mut self, name: &str) -> Result<(), SqlError> {
        Err(SqlError::new(40_001, format!("no savepoint `{name}` here: not supported")))
    }

    /// Goes back to a savepoint of the current transaction.
    ///
    /// # Errors
    ///
    /// The server error that the client gets; as it stands, that there are no savepoints.
    fn rollback_to(&mut self, name: &str) -> Result<(), SqlError> {
        Err(SqlError::new(6401, format!("Cannot roll back {name}. No savepoint of that name.")))
    }

    /// Whether every error rolls the transaction back (`SET XACT_ABORT ON`). The server does it,
    /// for scripted errors too; also for errors with [`SqlError::ends_transaction`].
    fn xact_abort(&self) -> bool {
        false
    }

    /// The columns of a table; `table` as written in the statement (`[schema].[table]`).
    ///
    /// # Errors
    ///
    /// The server error that the client gets, 208 where there is no such table.
    fn bulk_columns(&mut self, table: &str) -> Result<Vec<Column>, SqlError>;

    /// Inserts rows, all or none; `columns` are names without brackets, in the order of each row.
    /// Returns the number of rows.
    ///
    /// # Errors
    ///
    /// The server error that the client gets.
    fn bulk_insert(
        &mut self,
        table: &str,
        columns: &[String],
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, SqlError>;
}

/// How a statement arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementKind {
    /// As the text of a batch.
    Batch,
    /// Through `sp_executesql`, `sp_prepexec` or `sp_execute`.
    Parameterized,
    /// As the call of a procedure: `name` and `text` are the procedure's name.
    Procedure,
}

/// One statement of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The name on its first line (`-- name` or `-- name: …`), or of the procedure called.
    pub name: Option<String>,
    /// Its text as sent, name line included.
    pub text: String,
    /// Its parameters in order.
    pub parameters: Vec<Parameter>,
    /// How it arrived.
    pub kind: StatementKind,
    /// Number of the connection, from 1, over the server's life.
    pub connection: u64,
}

impl Statement {
    /// A row of a bulk load as if it were a call of a procedure `bulk_rows`.
    pub(super) fn bulk_row(
        table: &str,
        columns: &[String],
        row: Vec<Value>,
        connection: u64,
    ) -> Self {
        let parameter = |(name, value): (&String, Value)| Parameter {
            name: format!("@{name}"),
            kind: ColumnType::NVarCharMax,
            value,
            output: false,
        };
        Self {
            name: Some(names::BULK_ROWS.to_owned()),
            text: table.to_owned(),
            parameters: columns.iter().zip(row).map(parameter).collect(),
            kind: StatementKind::Procedure,
            connection,
        }
    }

    /// The value of a parameter, by its name with the `@` in any case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters.iter().find(|p| p.name.eq_ignore_ascii_case(name)).map(|p| &p.value)
    }

    /// The value of a parameter by position, from 1 as in `@P1`; NULL where there is none.
    #[must_use]
    pub fn p(&self, number: usize) -> &Value {
        number
            .checked_sub(1)
            .and_then(|i| self.parameters.get(i))
            .map_or(&Value::Null, |p| &p.value)
    }
}

/// One parameter of a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name with its `@`; `@P1` and so on where the client sends none.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Its value.
    pub value: Value,
    /// Whether the client wants it back.
    pub output: bool,
}

/// Isolation levels of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// READ UNCOMMITTED
    ReadUncommitted,
    /// READ COMMITTED
    #[default]
    ReadCommitted,
    /// REPEATABLE READ
    RepeatableRead,
    /// SERIALIZABLE
    Serializable,
    /// SNAPSHOT
    Snapshot,
}

/// What a statement answers.
#[derive(Debug, Default)]
pub struct Reply {
    /// Result sets and counts in order. None means a statement without a result.
    pub parts: Vec<Part>,
    /// What the procedure returned; sent for `sp_executesql` and procedures, 0 where unset.
    pub return_value: i32,
    /// Values of output parameters: column (named with the `@`) and value.
    pub outputs: Vec<(Column, Value)>,
}

/// One result of a statement.
#[derive(Debug)]
pub enum Part {
    /// Rows.
    Rows(ResultSet),
    /// A number of rows affected.
    Affected(u64),
}

impl Reply {
    /// Neither rows nor a count.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A number of rows affected.
    #[must_use]
    pub fn affected(n_rows: u64) -> Self {
        Self::none().and_affected(n_rows)
    }

    /// One result set.
    #[must_use]
    pub fn rows(columns: Vec<Column>, rows: Vec<Vec<Value>>) -> Self {
        Self::none().and_rows(columns, rows)
    }

    /// One result set of one row.
    #[must_use]
    pub fn row(cells: Vec<(Column, Value)>) -> Self {
        let (columns, row) = cells.into_iter().unzip();
        Self::rows(columns, vec![row])
    }

    /// One result set whose rows are made while they are sent, so that memory stays bounded.
    #[must_use]
    pub fn stream(
        columns: Vec<Column>,
        rows: impl Iterator<Item = Vec<Value>> + Send + 'static,
    ) -> Self {
        Self {
            parts: vec![Part::Rows(ResultSet { columns, rows: Rows::Stream(Box::new(rows)) })],
            ..Self::none()
        }
    }

    /// One result set whose rows come encoded, which is how a bench gets more rows a second than
    /// any client can read. [`Chunk::of`] makes the bytes.
    #[must_use]
    pub fn encoded(
        columns: Vec<Column>,
        chunks: impl Iterator<Item = Chunk> + Send + 'static,
    ) -> Self {
        Self {
            parts: vec![Part::Rows(ResultSet { columns, rows: Rows::Encoded(Box::new(chunks)) })],
            ..Self::none()
        }
    }

    /// This, and one more result set.
    #[must_use]
    pub fn and_rows(mut self, columns: Vec<Column>, rows: Vec<Vec<Value>>) -> Self {
        self.parts.push(Part::Rows(ResultSet { columns, rows: Rows::List(rows) }));
        self
    }

    /// This, and one more number of rows affected.
    #[must_use]
    pub fn and_affected(mut self, n_rows: u64) -> Self {
        self.parts.push(Part::Affected(n_rows));
        self
    }
}

/// Columns and rows.
#[derive(Debug)]
pub struct ResultSet {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with as many values as there are columns.
    pub rows: Rows,
}

/// Rows of a result set.
pub enum Rows {
    /// All at hand.
    List(Vec<Vec<Value>>),
    /// Made while they are sent.
    Stream(Box<dyn Iterator<Item = Vec<Value>> + Send>),
    /// Made and encoded while they are sent.
    Encoded(Box<dyn Iterator<Item = Chunk> + Send>),
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(rows) => f.debug_tuple("List").field(rows).finish(),
            Self::Stream(_) => f.write_str("Stream(..)"),
            Self::Encoded(_) => f.write_str("Encoded(..)"),
        }
    }
}

/// Rows as the tokens of the wire.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// ROW tokens, whole ones only.
    pub bytes: Vec<u8>,
    /// How many they are.
    pub n_rows: u64,
}

/// A server error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// Its number, for instance 1205.
    pub number: u32,
    /// Its class (severity): 16 for most, 20 and above ends the connection.
    pub class: u8,
    /// Its message.
    pub message: String,
    /// Whether the server rolls the transaction back with it, as after 1205.
    pub ends_transaction: bool,
}

impl SqlError {
    /// An error of class 16 that leaves the transaction open, 1205 and 3960 excepted.
    #[must_use]
    pub fn new(number: u32, message: impl Into<String>) -> Self {
        let class = if number == 1205 { 13 } else { 16 };
        let ends_transaction = matches!(number, 1205 | 3960);
        Self { number, class, message: message.into(), ends_transaction }
    }

    /// The same error, which ends the transaction.
    #[must_use]
    pub fn ending_transaction(self) -> Self {
        Self { ends_transaction: true, ..self }
    }
}
