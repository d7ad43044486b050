//! A SQL Server for tests and benches: the tabular data stream (TDS) protocol, versions 7.4 and 8,
//! spoken in-process over 127.0.0.1.
//!
//! [`TdsServer`] speaks the protocol and does what a test's script of [`Fault`]s says; a [`Backend`]
//! answers the statements, [`SqliteBackend`] with real tables and transactions. The server names
//! each request: by the first line of the statement's text (`-- name` or `-- name: why`), else by
//! what it is (see [`names`]). Nothing in here sleeps, and every task ends when the server's handle
//! is dropped.
//!
//! Layout reference: Microsoft's [MS-TDS]. This folder uses no other module of the tests, so that
//! benches can include it by path.

mod answer;
mod answers;
mod backend;
mod browser;
mod bulk;
mod column;
mod connection;
mod conversation;
mod decode;
mod encode;
mod faults;
mod journal;
mod login;
mod packet;
mod prelogin;
mod request;
mod rpc;
mod server;
mod sqlite;
mod statement;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod transaction;
mod value;
mod wire;

pub use answers::Answers;
pub use backend::{
    Backend, Chunk, Isolation, Parameter, Part, Reply, ResultSet, Rows, Session, SqlError,
    Statement, StatementKind, names,
};
pub use column::{Collation, Column, ColumnType};
pub use faults::{Fault, Faults, Hold};
pub use journal::{Entry, Journal};
pub use login::{Encrypted, LoginInfo};
pub use server::{Encryption, Options, TdsServer};
pub use sqlite::{AppLocks, Call, SqliteBackend, Table, from_storage, to_storage};
pub use tls::{Authority, Certificate, CertificateKind};
pub use value::{TICKS_PER_DAY, TICKS_PER_S, Value};
