//! The tokens of the server's messages, rows and columns excepted.

use super::backend::SqlError;
use super::column::{Collation, Column};
use super::encode::{put_type, put_value};
use super::value::Value;
use super::wire::{put_b_varchar, put_us_varchar, put_with_length};

/// Status bits of DONE tokens.
pub(super) mod done {
    pub(in super::super) const MORE: u16 = 0x01;
    pub(in super::super) const ERROR: u16 = 0x02;
    pub(in super::super) const COUNT: u16 = 0x10;
    pub(in super::super) const ATTENTION: u16 = 0x20;
}

/// Which statement a DONE token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// A statement of a batch.
    Batch = 0xFD,
    /// A procedure.
    Procedure = 0xFE,
    /// A statement inside a procedure.
    InProcedure = 0xFF,
}

/// Current command of DONE tokens: SELECT, or what changes rows (clients do not tell the latter
/// apart).
const SELECT: u16 = 0xC1;
const INSERT: u16 = 0xC3;

pub(super) fn put_done(out: &mut Vec<u8>, done: Done, status: u16, n_rows: Option<u64>) {
    let (count, command) = if n_rows.is_some() { (done::COUNT, INSERT) } else { (0, 0) };
    put_done_token(out, done, status | count, command, n_rows.unwrap_or(0));
}

pub(super) fn put_select_done(out: &mut Vec<u8>, done: Done, status: u16, n_rows: u64) {
    put_done_token(out, done, status | done::COUNT, SELECT, n_rows);
}

fn put_done_token(out: &mut Vec<u8>, done: Done, status: u16, command: u16, n_rows: u64) {
    out.push(done as u8);
    out.extend(status.to_le_bytes());
    out.extend(command.to_le_bytes());
    out.extend(n_rows.to_le_bytes());
}

/// Name under which the server signs its errors.
const SERVER_NAME: &str = "speedfit-tds";

pub(super) fn put_error(out: &mut Vec<u8>, error: &SqlError) {
    put_notice(out, 0xAA, error);
}

pub(super) fn put_info(out: &mut Vec<u8>, number: u32, message: &str) {
    let notice = SqlError { class: 10, ..SqlError::new(number, message) };
    put_notice(out, 0xAB, &notice);
}

fn put_notice(out: &mut Vec<u8>, token: u8, error: &SqlError) {
    out.push(token);
    put_with_length(out, |out| {
        out.extend(error.number.to_le_bytes());
        out.extend([1, error.class]);
        put_us_varchar(out, &error.message);
        put_b_varchar(out, SERVER_NAME);
        put_b_varchar(out, "");
        out.extend(1_u32.to_le_bytes());
    });
}

/// A change of the session's surroundings.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Database(String),
    Language,
    PacketBytes { new: u32, old: u32 },
    Collation,
    Begin(u64),
    Commit(u64),
    Rollback(u64),
    Routing { host: String, port: u16 },
}

pub(super) fn put_change(out: &mut Vec<u8>, change: &Change) {
    out.push(0xE3);
    put_with_length(out, |out| match change {
        Change::Database(name) => {
            out.push(1);
            put_b_varchar(out, name);
            put_b_varchar(out, "master");
        }
        Change::Language => {
            out.push(2);
            put_b_varchar(out, "us_english");
            put_b_varchar(out, "");
        }
        Change::PacketBytes { new, old } => {
            out.push(4);
            put_b_varchar(out, &new.to_string());
            put_b_varchar(out, &old.to_string());
        }
        Change::Collation => {
            out.extend([7, 5]);
            out.extend(Collation::default().bytes());
            out.push(0);
        }
        Change::Begin(transaction) => {
            out.extend([8, 8]);
            out.extend(transaction.to_le_bytes());
            out.push(0);
        }
        Change::Commit(transaction) => {
            out.extend([9, 0, 8]);
            out.extend(transaction.to_le_bytes());
        }
        Change::Rollback(transaction) => {
            out.extend([10, 0, 8]);
            out.extend(transaction.to_le_bytes());
        }
        Change::Routing { host, port } => {
            out.push(20);
            put_with_length(out, |out| {
                out.push(0);
                out.extend(port.to_le_bytes());
                put_us_varchar(out, host);
            });
            out.extend([0, 0]);
        }
    });
}

pub(super) fn put_login_ack(out: &mut Vec<u8>, tds_version: u32) {
    out.push(0xAD);
    put_with_length(out, |out| {
        out.push(1);
        out.extend(tds_version.to_be_bytes());
        put_b_varchar(out, "Microsoft SQL Server");
        out.extend([16, 0, 0x03, 0xE8]);
    });
}

/// Acknowledges a login by token.
pub(super) fn put_token_ack(out: &mut Vec<u8>) {
    out.extend([0xAE, 0x02]);
    out.extend(0_u32.to_le_bytes());
    out.push(0xFF);
}

pub(super) fn put_return_status(out: &mut Vec<u8>, value: i32) {
    out.push(0x79);
    out.extend(value.to_le_bytes());
}

/// The value of an output parameter.
pub(super) fn put_return_value(out: &mut Vec<u8>, ordinal: u16, column: &Column, value: &Value) {
    out.push(0xAC);
    out.extend(ordinal.to_le_bytes());
    put_b_varchar(out, &column.name);
    out.push(1);
    out.extend(0_u32.to_le_bytes());
    out.extend(1_u16.to_le_bytes());
    put_type(out, column);
    put_value(out, column, value);
}
