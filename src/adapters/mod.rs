//! The world behind the ports: SQLite, files, memory, object storage, whoever listens on the web.

mod columnar;
mod detail_text;
pub mod embedded;
pub mod file;
mod ledger_rules;
pub mod memory;
pub mod migrate;
pub mod objects;
pub mod sqlserver;
pub mod web;

pub use ledger_rules::LedgerError;
