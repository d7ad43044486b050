//! What a message of a client asks for.

use std::collections::HashMap;
use std::io;

use super::backend::{Isolation, Parameter, SqlError, Statement, StatementKind, names};
use super::bulk::BulkRows;
use super::packet::{Message, kinds};
use super::rpc::{Call, Procedure, skip_headers};
use super::statement::{self, Batch};
use super::tokens::Done;
use super::wire::{Reader, invalid, utf16};

/// Names of the two requests that only keep a statement or forget it.
const PREPARE: &str = "prepare";
const UNPREPARE: &str = "unprepare";

/// A request of a client.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) parameters: Vec<Parameter>,
    /// How its reply ends.
    pub(super) done: Done,
    pub(super) work: Work,
}

/// What a request is.
#[derive(Debug)]
pub(super) enum Work {
    Statement {
        statement: Statement,
        /// The handle under which it has been prepared just now.
        handle: Option<i32>,
    },
    Begin(Isolation),
    Commit,
    Rollback {
        savepoint: String,
        if_open: bool,
    },
    Save(String),
    BulkColumns {
        columns: Vec<String>,
        table: String,
    },
    InsertBulk(String),
    BulkRows(BulkRows),
    Prepared(i32),
    Nothing,
    Refused(SqlError),
}

/// A connection's prepared statements: handle to text and declaration of parameters.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    statements: HashMap<i32, (String, String)>,
    last: i32,
}

impl Prepared {
    fn keep(&mut self, text: &str, declaration: &str) -> i32 {
        self.last += 1;
        self.statements.insert(self.last, (text.to_owned(), declaration.to_owned()));
        self.last
    }
}

impl Request {
    pub(super) fn read(
        message: &Message,
        connection: u64,
        prepared: &mut Prepared,
    ) -> io::Result<Self> {
        match message.kind {
            kinds::BATCH => {
                let mut reader = Reader::new(&message.data);
                skip_headers(&mut reader)?;
                Ok(batch(&utf16(reader.rest()), connection))
            }
            kinds::RPC => Ok(call(Call::read(&message.data)?, connection, prepared)),
            kinds::TRANSACTION => transaction(&message.data),
            kinds::BULK_ROWS => {
                Ok(Self::plain(names::BULK_ROWS, Work::BulkRows(BulkRows::read(&message.data)?)))
            }
            kind => Err(invalid(format!("messages of type {kind} are not supported"))),
        }
    }

    fn plain(name: &str, work: Work) -> Self {
        Self {
            name: name.to_owned(),
            text: String::new(),
            parameters: Vec::new(),
            done: Done::Batch,
            work,
        }
    }
}

fn batch(text: &str, connection: u64) -> Request {
    let (name, work) = match statement::classify(text) {
        Batch::Begin => (names::BEGIN, Work::Begin(Isolation::default())),
        Batch::Commit => (names::COMMIT, Work::Commit),
        Batch::Save(name) => (names::SAVE, Work::Save(name)),
        Batch::Rollback { savepoint, if_open } => {
            (names::ROLLBACK, Work::Rollback { savepoint, if_open })
        }
        Batch::BulkColumns { columns, table } => {
            (names::BULK_COLUMNS, Work::BulkColumns { columns, table })
        }
        Batch::InsertBulk { table } => (names::INSERT_BULK, Work::InsertBulk(table)),
        Batch::Statement => {
            let statement = statement(text, Vec::new(), StatementKind::Batch, connection);
            ("", Work::Statement { statement, handle: None })
        }
    };
    let name = statement::name(text).unwrap_or(name);
    Request { text: text.to_owned(), ..Request::plain(name, work) }
}

fn statement(
    text: &str,
    parameters: Vec<Parameter>,
    kind: StatementKind,
    connection: u64,
) -> Statement {
    let name = statement::name(text).map(str::to_owned);
    Statement { name, text: text.to_owned(), parameters, kind, connection }
}

fn call(call: Call, connection: u64, prepared: &mut Prepared) -> Request {
    let procedure =
        |name: &str, work| Request { done: Done::Procedure, ..Request::plain(name, work) };
    let parameterized = |text: &str, parameters: Vec<Parameter>, handle| {
        let statement =
            statement(text, parameters.clone(), StatementKind::Parameterized, connection);
        let name = statement.name.clone().unwrap_or_default();
        let work = Work::Statement { statement, handle };
        Request { text: text.to_owned(), parameters, ..procedure(&name, work) }
    };
    match &call.procedure {
        Procedure::ExecuteSql => parameterized(call.text(0), call.values(2, call.text(1)), None),
        Procedure::Prepare => {
            let handle = prepared.keep(call.text(2), call.text(1));
            Request { text: call.text(2).to_owned(), ..procedure(PREPARE, Work::Prepared(handle)) }
        }
        Procedure::PrepareExecute => {
            let handle = prepared.keep(call.text(2), call.text(1));
            parameterized(call.text(2), call.values(3, call.text(1)), Some(handle))
        }
        Procedure::Execute => match prepared.statements.get(&call.number(0)) {
            Some((text, declaration)) => parameterized(text, call.values(1, declaration), None),
            None => procedure("", Work::Refused(unknown_handle(&call))),
        },
        Procedure::Unprepare => {
            let known = prepared.statements.remove(&call.number(0)).is_some();
            let work = if known { Work::Nothing } else { Work::Refused(unknown_handle(&call)) };
            procedure(UNPREPARE, work)
        }
        Procedure::Other(name) => {
            let parameters = call.values(0, "");
            let statement = Statement {
                name: Some(name.clone()),
                text: name.clone(),
                parameters: parameters.clone(),
                kind: StatementKind::Procedure,
                connection,
            };
            let work = Work::Statement { statement, handle: None };
            Request { text: name.clone(), parameters, ..procedure(name, work) }
        }
    }
}

fn unknown_handle(call: &Call) -> SqlError {
    let handle = call.number(0);
    SqlError::new(8179, format!("Could not find prepared statement with handle {handle}."))
}

/// Types of transaction manager requests.
const BEGIN: u16 = 5;
const COMMIT: u16 = 7;
const ROLLBACK: u16 = 8;
const SAVE: u16 = 9;

fn transaction(data: &[u8]) -> io::Result<Request> {
    let mut reader = Reader::new(data);
    skip_headers(&mut reader)?;
    match reader.u16()? {
        BEGIN => {
            let isolation = match reader.u8()? {
                1 => Isolation::ReadUncommitted,
                3 => Isolation::RepeatableRead,
                4 => Isolation::Serializable,
                5 => Isolation::Snapshot,
                _ => Isolation::ReadCommitted,
            };
            Ok(Request::plain(names::BEGIN, Work::Begin(isolation)))
        }
        COMMIT => Ok(Request::plain(names::COMMIT, Work::Commit)),
        ROLLBACK => {
            let savepoint = reader.b_varchar()?;
            Ok(Request::plain(names::ROLLBACK, Work::Rollback { savepoint, if_open: false }))
        }
        SAVE => Ok(Request::plain(names::SAVE, Work::Save(reader.b_varchar()?))),
        kind => Err(invalid(format!("transaction requests of type {kind} are not supported"))),
    }
}
